// Command cart shows a shopping cart that two regions change while the link between them is cut. Kept as one list, of which
// the last writer wins, it loses an item; kept as a set in which adds win, it does not:
//
//	go run ./examples/cart
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
)

func main() { run(os.Stdout) }

func run(out io.Writer) {
	fmt.Fprintln(out, "One list, the last writer wins. Both begin with tea, milk.")
	list(out)
	fmt.Fprintln(out, "A set, adds win. Both begin with tea, milk.")
	set(out)
}

// list keeps the whole cart as one value.
func list(out io.Writer) {
	ladder := lww.Ladder{Nodes: clock.Nodes{"eu", "us"}}
	write := func(node clock.Node, second int64, items string) lww.Register[string] {
		return lww.Register[string]{Stamp: lww.Stamp{Time: clock.Timestamp{Wall: second * 1e9}, Node: node}, Value: items}
	}
	eu, us := write("eu", 10, "tea, milk, bread"), write("us", 12, "milk")
	fmt.Fprintf(out, "  cut: eu adds bread:    %s\n", eu.Value)
	fmt.Fprintf(out, "       us takes out tea: %s\n", us.Value)
	kept, why := lww.Merge(&ladder, eu, us)
	fmt.Fprintf(out, "  healed:                %s\n", kept.Value)
	fmt.Fprintf(out, "  The bread is lost: %s wins by %s, %s later.\n", kept.Stamp.Node, why.By, time.Duration(why.Margin))
}

// set keeps every add as a write of its own; a remove takes out those adds that it has seen.
func set(out io.Writer) {
	var eu crdt.ORSet[string]
	add(&eu, "eu", "tea")
	add(&eu, "eu", "milk")
	us := eu.Clone()

	add(&eu, "eu", "bread")
	fmt.Fprintf(out, "  cut: eu adds bread:    %s\n", items(&eu))
	us.Remove("tea")
	fmt.Fprintf(out, "       us takes out tea: %s\n", items(&us))
	eu.Merge(us)
	us.Merge(eu)
	fmt.Fprintf(out, "  healed:                %s\n", items(&us))

	us.Remove("milk")
	add(&eu, "eu", "milk")
	fmt.Fprintln(out, "  cut: us takes out milk, and eu adds milk once more")
	eu.Merge(us)
	us.Merge(eu)
	fmt.Fprintf(out, "  healed:                %s\n", items(&us))
	fmt.Fprintf(out, "  The remove had not seen the second milk. eu and us are equal: %t.\n", eu.Equal(us))
}

func add(cart *crdt.ORSet[string], node clock.Node, item string) {
	if _, err := cart.Add(node, item); err != nil {
		panic(err) // a text is equal to itself, which is all that a set asks of its elements
	}
}

func items(cart *crdt.ORSet[string]) string { return strings.Join(cart.Elements(), ", ") }
