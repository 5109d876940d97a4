// Command embed shows a replica inside a service. Two regions go on while the link between them is down; one of them is opened
// again from its directory; then they exchange what they wrote, and agree:
//
//	go run ./examples/embed
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// The table is the one that a dry run has tried: see ../shop.
var table = merge.MustParseTable(`
nodes eu-west < us-east
stock/*  count  counter
*        *      lww
`)

// open opens the replica of a region. All that it has acknowledged is in its directory.
func open(dir string, node clock.Node, out io.Writer, source func() int64) (*replica.Replica, error) {
	return replica.Open(filepath.Join(dir, string(node)), replica.Options{
		Node: node, Table: table, Source: source,
		Observe: func(e replica.Event) { fmt.Fprintf(out, "  %s: %s\n", node, e) }, // a lost write, for one
	})
}

// sell writes down that so many lamps left.
func sell(r *replica.Replica, lamps int64) error {
	_, err := r.Write(replica.Write{
		Key: "stock/lamp", Kind: merge.Add,
		Fields: []merge.Field{{Name: "count", Value: value.Int(-lamps)}},
	})
	return err
}

// exchange brings each what the other wrote. The batches may travel over anything, get lost, or come twice.
func exchange(eu, us *replica.Replica) error {
	if _, err := eu.Apply("us-east", us.Since(eu.Seen())); err != nil {
		return err
	}
	_, err := us.Apply("eu-west", eu.Since(us.Seen()))
	return err
}

func main() {
	dir, err := os.MkdirTemp("", "embed")
	if err == nil {
		err = run(dir, os.Stdout, nil)
		_ = os.RemoveAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

// run tells the story. Source is the clock of the machines; nil is the real one.
func run(dir string, out io.Writer, source func() int64) error {
	eu, err := open(dir, "eu-west", out, source)
	if err != nil {
		return err
	}
	us, err := open(dir, "us-east", out, source)
	if err != nil {
		return err
	}
	// step does what comes next, unless something went wrong before.
	step := func(what func() error) {
		if err == nil {
			err = what()
		}
	}
	price := func(r *replica.Replica, euro int64) func() error {
		return func() error { _, err := r.Set("price/lamp", "euro", value.Int(euro)); return err }
	}
	show := func() {
		for _, r := range []*replica.Replica{eu, us} {
			fmt.Fprintf(out, "  %s: %s lamps at %s euro\n", r.Status().Node, r.Get("stock/lamp", "count"), r.Get("price/lamp", "euro"))
		}
	}

	fmt.Fprintln(out, "Ten lamps arrive in eu-west.")
	step(func() error { return sell(eu, -10) })
	step(func() error { return exchange(eu, us) })

	fmt.Fprintln(out, "The link goes down. Both sides sell lamps and set a price.")
	step(func() error { return sell(eu, 2) })
	step(price(eu, 20))
	step(func() error { return sell(us, 3) })
	step(price(us, 25))
	show()

	fmt.Fprintln(out, "eu-west is closed, and opened again from its directory.")
	step(eu.Close)
	step(func() (err error) { eu, err = open(dir, "eu-west", out, source); return err })

	fmt.Fprintln(out, "The link is back, and sends everything twice.")
	step(func() error { return exchange(eu, us) })
	step(func() error { return exchange(eu, us) })
	show()
	step(eu.Close)
	step(us.Close)
	return err
}
