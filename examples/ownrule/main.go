// Command ownrule is tiebreak with one more rule, longest: of two texts that were written on two sides, it keeps the one
// that says more.
//
//	go run ./examples/ownrule laws -rules examples/ownrule/notes.tb examples/ownrule/notes.ndjson
package main

import (
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/cmd"
)

// longest keeps the longer value. Of two that are equally long it keeps the greater, so that it does not matter which
// side asks: "tiebreak laws" tells on rules that forget it.
func longest(a, b value.Value) value.Value {
	if len(a) > len(b) || len(a) == len(b) && a > b {
		return a
	}
	return b
}

func main() { cmd.Main(merge.Custom{Name: "longest", Merge: longest}) }
