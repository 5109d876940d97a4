package lww_test

import (
	"fmt"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
)

func ExampleMerge() {
	ladder := lww.Ladder{Nodes: clock.Nodes{"ap-south", "eu-west", "us-east"}}
	time := clock.Timestamp{Wall: 1701102296662969433}
	a := lww.Register[string]{Stamp: lww.Stamp{Time: time, Node: "eu-west"}, Value: "paid"}
	b := lww.Register[string]{Stamp: lww.Stamp{Time: time, Node: "us-east"}, Value: "open"}
	kept, why := lww.Merge(&ladder, a, b)
	fmt.Println(kept.Value, "-", why)

	a.Stamp.Version = 2
	kept, why = lww.Merge(&ladder, a, b)
	fmt.Println(kept.Value, "-", why)
	// Output:
	// open - right by node: 1 place later in the order
	// paid - left by version: 2 versions higher
}

// Values without an order of their own need one: any will do, if it is total and the same everywhere.
func ExampleMergeFunc() {
	type point struct{ X, Y int }
	compare := func(a, b point) int {
		if a.X != b.X {
			return a.X - b.X
		}
		return a.Y - b.Y
	}
	stamp := lww.Stamp{Version: 7, Node: "eu-west"}
	a := lww.Register[point]{Stamp: stamp, Value: point{1, 2}}
	b := lww.Register[point]{Stamp: stamp, Value: point{1, 3}}
	kept, why := lww.MergeFunc(&lww.Ladder{}, a, b, compare)
	fmt.Println(kept.Value, "-", why)
	// Output: {1 3} - right by value
}

func ExampleLadder() {
	ladder := lww.Ladder{Order: [3]lww.Rung{lww.Time, lww.Node, lww.Version}, Nodes: clock.Nodes{"eu", "us"}}
	fmt.Println(ladder.Check())
	fmt.Println(ladder.Compare(
		lww.Stamp{Version: 9, Time: clock.Timestamp{Wall: 5}, Node: "eu"},
		lww.Stamp{Version: 1, Time: clock.Timestamp{Wall: 5}, Node: "us"}))
	// Output:
	// <nil>
	// -1 node
}

func ExampleMap() {
	ladder := lww.Ladder{Nodes: clock.Nodes{"eu", "us"}}
	stamp := func(version uint64, node clock.Node) lww.Stamp { return lww.Stamp{Version: version, Node: node} }
	eu, us := lww.Map[string, string]{}, lww.Map[string, string]{}

	open, _ := lww.Set(&ladder, eu, "ticket/1", stamp(1, "eu"), "open")
	lww.MergeMap(&ladder, us, open, nil)

	closed, why := lww.Delete(&ladder, us, "ticket/1", stamp(2, "us")) // meanwhile, on both sides of a cut
	fmt.Println(why)
	urgent, _ := lww.Set(&ladder, eu, "ticket/1", stamp(2, "eu"), "urgent")

	tell := func(key string, why lww.Verdict) { fmt.Println(key, "-", why) }
	lww.MergeMap(&ladder, eu, closed, tell)
	lww.MergeMap(&ladder, us, urgent, tell)
	_, ok := eu.Get("ticket/1")
	fmt.Println(ok, eu["ticket/1"] == us["ticket/1"])
	// Output:
	// right by version: 1 version higher
	// ticket/1 - right by node: 1 place later in the order
	// ticket/1 - left by node: 1 place later in the order
	// false true
}
