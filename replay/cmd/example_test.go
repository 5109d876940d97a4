package cmd_test

import (
	"os"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/cmd"
)

// A rule of one's own: of two values that neither writer had seen the other of, the longer is kept.
func ExampleTiebreak() {
	longest := merge.Custom{Name: "longest", Merge: func(a, b value.Value) value.Value {
		if len(a) > len(b) || len(a) == len(b) && a > b {
			return a
		}
		return b
	}}
	cmd.Tiebreak(os.Stdin, os.Stdout, os.Stdout, []string{"why", "-rules", "testdata/example/longest.tb", "orders/18", "testdata/example/orders.ndjson"}, longest)
	// Output:
	// orders/18 status ends as "cancelled"
	//   testdata/example/longest.tb:2: orders/* status longest
	//   2 writes, 1 conflict; all on 2026-03-01 (UTC)
	//   what writers had seen: exact context
	//
	// Let:  W1 = eu-west set "cancelled" at 12:00:05 (eu-west:2, testdata/example/orders.ndjson:6)
	//       W2 = us-east set "paid" at 12:00:05 (us-east:4, testdata/example/orders.ndjson:5)
	// Then: W1 beats W2 by the rule's own order. Neither writer had seen the other's. W2 is lost.
	//       W1 is kept.
	//
	// Next: change line 2 in a copy of the table and see what that alters
	//   tiebreak diff -rules testdata/example/longest.tb -rules changed.tb testdata/example/orders.ndjson
}
