// Command tiebreak says which writes of a recorded history a merge rule would keep, which it would lose, and why. Run it
// without arguments for its usage.
package main

import "github.com/tiebreakhq/tiebreak/replay/cmd"

func main() { cmd.Main() }
