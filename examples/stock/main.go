// Command stock shows a stock that two regions sell from while the link between them is cut, and that still never goes below
// zero: each sells what it has the rights to, and rights are passed on while there is a link:
//
//	go run ./examples/stock
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
)

func main() { run(os.Stdout) }

// region is one region and its copy of the stock.
type region struct {
	node  clock.Node
	lamps crdt.BoundedCounter
}

func run(out io.Writer) {
	eu, us := &region{node: "eu"}, &region{node: "us"}
	show := func() {
		for _, r := range []*region{eu, us} {
			fmt.Fprintf(out, "  %s sees %s left and may sell %s\n", r.node, r.lamps.Value(), r.lamps.Rights(r.node))
		}
	}
	sell := func(r *region, n int64) {
		_, err := r.lamps.Take(r.node, crdt.DecimalOf(n))
		if err != nil {
			fmt.Fprintf(out, "  %s can't sell %d: %v\n", r.node, n, err)
			return
		}
		fmt.Fprintf(out, "  %s sells %d\n", r.node, n)
	}
	heal := func() {
		eu.lamps.Merge(us.lamps)
		us.lamps.Merge(eu.lamps)
	}

	fmt.Fprintln(out, "Ten lamps arrive in eu, which passes four to us.")
	must(eu.lamps.Add("eu", crdt.DecimalOf(10)))
	must(eu.lamps.Transfer("eu", "us", crdt.DecimalOf(4)))
	heal()
	show()

	fmt.Fprintln(out, "The link is cut. Each side would like to sell seven.")
	sell(eu, 7)
	sell(eu, 6)
	sell(us, 7)
	sell(us, 3)
	show()

	fmt.Fprintln(out, "The link is back. us passes its last lamp to eu.")
	heal()
	must(us.lamps.Transfer("us", "eu", crdt.DecimalOf(1)))
	heal()
	show()
	sell(eu, 1)
	heal()
	show()
}

// must is for what can't fail: the amounts are written above, and the rights for them are there.
func must(_ crdt.BoundedCounter, err error) {
	if err != nil {
		panic(err)
	}
}
