// Command ledger shows money that is booked in two regions while the link between them is cut. No rule may decide that, so
// the table refuses: both sides keep the same one, the verdict says what happened, and a write that has seen both settles it:
//
//	go run ./examples/ledger
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

var table = merge.MustParseTable(`
nodes eu < us
ledger/*  *  refuse     # money: needs a quorum, never merged
*         *  lww
`)

// region is one region and what it has seen.
type region struct {
	node  clock.Node
	state *merge.State
	seen  clock.Vector
	out   io.Writer
}

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ledger:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	eu := &region{node: "eu", state: merge.NewState(table), out: out}
	us := &region{node: "us", state: merge.NewState(table), out: out}

	fmt.Fprintln(out, "eu books a balance of 100.")
	opened := eu.book(10, 100)
	err := errors.Join(eu.take(opened), us.take(opened))

	fmt.Fprintln(out, "The link is cut. eu pays out 30 and books 70, us pays out 80 and books 20.")
	seventy, twenty := eu.book(20, 70), us.book(21, 20)
	err = errors.Join(err, eu.take(seventy), us.take(twenty))

	fmt.Fprintln(out, "The link is back: an incident, in both regions.")
	err = errors.Join(err, eu.take(twenty), us.take(seventy))

	fmt.Fprintln(out, "A human has seen both, and books what is true: 10 are owed.")
	settled := us.book(60, -10)
	return errors.Join(err, us.take(settled), eu.take(settled))
}

// book makes the write that sets the balance, with all that the region has seen.
func (r *region) book(second, balance int64) merge.Op {
	return merge.Op{
		Key:    "ledger/ann",
		Fields: []merge.Field{{Name: "balance", Value: value.Int(balance)}},
		Stamp:  lww.Stamp{Time: clock.Timestamp{Wall: second * 1e9}, Node: r.node},
		Dot:    r.seen.Next(r.node),
		Seen:   r.seen.Clone(),
	}
}

// take merges a write and tells what became of it.
func (r *region) take(op merge.Op) error {
	r.seen.Add(op.Dot)
	verdicts, err := r.state.Apply(op)
	for _, v := range verdicts {
		fmt.Fprintf(r.out, "  %s: %s of %s is %s; balance %s\n", r.node, op.Fields[0].Value, op.Stamp.Node, v, r.state.Get(op.Key, "balance"))
	}
	return err
}
