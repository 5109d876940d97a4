// Command embed shows a rule table inside a service. Two replicas go on while the link between them is down; then they
// exchange what they wrote, in any order and twice if need be, and agree:
//
//	go run ./examples/embed
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

// The table is the one that a dry run has tried: see ../shop.
const table = `
nodes eu-west < us-east
stock/*  count  counter
*        *      lww
`

// replica is all that a service keeps.
type replica struct {
	node  clock.Node
	clock clock.Clock
	state *merge.State
	seen  clock.Vector
	log   []merge.Op // what it wrote, for the others
}

// write makes an operation here.
func (r *replica) write(op merge.Op) error {
	op.Dot = r.seen.Next(r.node)
	op.Stamp = lww.Stamp{Time: r.clock.Now(), Node: r.node}
	op.Seen = r.seen.Clone()
	r.log = append(r.log, op)
	_, err := r.take(op)
	return err
}

// take merges an operation from anywhere and returns what became of it. Taking it again changes nothing.
func (r *replica) take(op merge.Op) ([]merge.Verdict, error) {
	if err := r.clock.Observe(op.Stamp.Time); err != nil {
		return nil, err // from a clock too far ahead: it would win against everything
	}
	r.seen.Add(op.Dot)
	return r.state.Apply(op)
}

func main() {
	if err := run(os.Stdout, nil); err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

// run tells the story. physical is the clock of the machines; nil is the real one.
func run(out io.Writer, physical func() int64) error {
	rules := merge.MustParseTable(table)
	eu := &replica{node: "eu-west", clock: clock.Clock{Source: physical}, state: merge.NewState(rules)}
	us := &replica{node: "us-east", clock: clock.Clock{Source: physical}, state: merge.NewState(rules)}

	fmt.Fprintln(out, "Ten lamps arrive in eu-west.")
	if err := errors.Join(eu.write(op("stock/lamp", merge.Add, "count", 10)), exchange(out, eu, us)); err != nil {
		return err
	}
	fmt.Fprintln(out, "The link goes down. Both sides sell lamps and set a price.")
	if err := errors.Join(
		eu.write(op("stock/lamp", merge.Add, "count", -2)),
		eu.write(op("price/lamp", merge.Set, "euro", 20)),
		us.write(op("stock/lamp", merge.Add, "count", -3)),
		us.write(op("price/lamp", merge.Set, "euro", 25)),
	); err != nil {
		return err
	}
	show(out, eu, us)
	fmt.Fprintln(out, "The link is back, and sends everything again.")
	if err := errors.Join(exchange(out, us, eu), exchange(out, eu, us)); err != nil {
		return err
	}
	show(out, eu, us)
	return nil
}

func op(key string, kind merge.Kind, field string, n int64) merge.Op {
	return merge.Op{Key: key, Kind: kind, Fields: []merge.Field{{Name: field, Value: value.Int(n)}}}
}

// exchange sends one replica's writes to another, and tells which of them were lost there, and why.
func exchange(out io.Writer, from, to *replica) error {
	for _, op := range from.log {
		verdicts, err := to.take(op)
		if err != nil {
			return err
		}
		for _, v := range verdicts {
			if v.Outcome == merge.Lost {
				fmt.Fprintf(out, "  %s: %s %s of %s is %s\n", to.node, op.Key, v.Field, op.Dot, v)
			}
		}
	}
	return nil
}

func show(out io.Writer, replicas ...*replica) {
	for _, r := range replicas {
		fmt.Fprintf(out, "  %s: %s lamps at %s euro\n", r.node, r.state.Get("stock/lamp", "count"), r.state.Get("price/lamp", "euro"))
	}
}
