// Command profile shows an address that is changed in two regions while the link between them is cut. Decided field by
// field, it becomes an address where nobody lives; decided together, it is one that somebody wrote:
//
//	go run ./examples/profile
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

const ann = "profile/ann"

var tables = []struct{ decided, text string }{
	{"field by field", "nodes eu < us\n* * lww"},
	{"together", "nodes eu < us\nprofile/* street,city lww together\n* * lww"},
}

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	fmt.Fprintln(out, "Ann lives at Via Appia 1, Rome. The link is cut.")
	fmt.Fprintln(out, "In us she moves to Main St 7, Boston. In eu somebody corrects the old address: Via Appia 2, Rome.")
	moves := write("us", 10, change{"street", "Via Appia 1", "Main St 7"}, change{"city", "Rome", "Boston"}, change{"phone", "06 1", "617 1"})
	corrects := write("eu", 11, change{"street", "Via Appia 1", "Via Appia 2"}, change{"city", "Rome", "Rome"})
	for _, table := range tables {
		fmt.Fprintf(out, "Decided %s:\n", table.decided)
		state := merge.NewState(merge.MustParseTable(table.text))
		for _, op := range []merge.Op{corrects, moves} { // the other order gives the same state
			verdicts, err := state.Apply(op)
			if err != nil {
				return err
			}
			for _, v := range verdicts {
				fmt.Fprintf(out, "  %s of %s is %s\n", v.Field, op.Stamp.Node, v)
			}
		}
		fmt.Fprintf(out, "  all see %s, %s, phone %s\n", state.Get(ann, "street"), state.Get(ann, "city"), state.Get(ann, "phone"))
	}
	return nil
}

type change struct{ field, before, after string }

// write makes an operation that writes a row of which some fields may be as they were.
func write(node clock.Node, second int64, changes ...change) merge.Op {
	op := merge.Op{
		Key:   ann,
		Stamp: lww.Stamp{Time: clock.Timestamp{Wall: second * 1e9}, Node: node},
		Dot:   clock.Dot{Node: node, Seq: 1},
	}
	for _, c := range changes {
		op.Fields = append(op.Fields, merge.Field{Name: c.field, Before: value.Text(c.before), Value: value.Text(c.after)})
	}
	return op
}
