// Command flags shows two feature flags that an operator in each region switches while the link between them is cut. Which
// way a flag falls is decided when it is declared, not by a clock:
//
//	go run ./examples/flags
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/tiebreakhq/tiebreak/crdt"
)

// flags is what one region keeps.
type flags struct {
	// Payments must stay on if anybody needs them: an enable wins.
	payments crdt.EWFlag

	// The new search must stay off if anybody saw it misbehave: a disable wins.
	search crdt.DWFlag
}

func main() { run(os.Stdout) }

func run(out io.Writer) {
	var eu, us flags
	heal := func() {
		eu.payments.Merge(us.payments)
		us.payments.Merge(eu.payments)
		eu.search.Merge(us.search)
		us.search.Merge(eu.search)
	}
	show := func() {
		fmt.Fprintf(out, "  eu: payments %s, search %s\n", onOff(eu.payments.On()), onOff(eu.search.On()))
		fmt.Fprintf(out, "  us: payments %s, search %s\n", onOff(us.payments.On()), onOff(us.search.On()))
	}

	fmt.Fprintln(out, "eu switches both flags on.")
	eu.payments.Enable("eu")
	eu.search.Enable("eu")
	heal()
	show()

	fmt.Fprintln(out, "The link is cut. us switches both off, eu switches both off and on again.")
	us.payments.Disable()
	us.search.Disable("us")
	eu.payments.Disable()
	eu.payments.Enable("eu")
	eu.search.Disable("eu")
	eu.search.Enable("eu")
	show()

	fmt.Fprintln(out, "The link is back: payments are on, as an enable wins; search is off, as a disable wins.")
	heal()
	show()

	fmt.Fprintln(out, "eu has seen the disable of us, and switches search on again: that is no conflict.")
	eu.search.Enable("eu")
	heal()
	show()
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
