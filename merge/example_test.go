package merge_test

import (
	"fmt"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Two regions under one table, which send each other what they wrote, and say what became of it. Package merge/replica does all of
// this, and keeps it on a disk.
func ExampleState() {
	table := merge.MustParseTable("nodes eu < us\n stock/* count counter\n * * lww")
	us, eu := merge.NewState(table), merge.NewState(table)
	sold := merge.Op{Key: "stock/lamp", Kind: merge.Add, Fields: []merge.Field{{Name: "count", Value: value.Int(-1)}},
		Stamp: lww.Stamp{Time: clock.Timestamp{Wall: 1}, Node: "us"}, Dot: clock.Dot{Node: "us", Seq: 1}}
	got := merge.Op{Key: "stock/lamp", Kind: merge.Add, Fields: []merge.Field{{Name: "count", Value: value.Int(10)}},
		Stamp: lww.Stamp{Time: clock.Timestamp{Wall: 2}, Node: "eu"}, Dot: clock.Dot{Node: "eu", Seq: 1}}
	shipped := merge.Op{Key: "orders/1", Fields: []merge.Field{{Name: "status", Value: value.Text("shipped")}},
		Stamp: lww.Stamp{Time: clock.Timestamp{Wall: 3_000_000}, Node: "us"}, Dot: clock.Dot{Node: "us", Seq: 2}}
	cancelled := merge.Op{Key: "orders/1", Fields: []merge.Field{{Name: "status", Value: value.Text("cancelled")}},
		Stamp: lww.Stamp{Time: clock.Timestamp{Wall: 5_000_000}, Node: "eu"}, Dot: clock.Dot{Node: "eu", Seq: 2}}
	for _, op := range []merge.Op{sold, shipped, got, cancelled} {
		_, _ = us.Apply(op)
	}
	for _, op := range []merge.Op{cancelled, got, sold, sold, shipped} { // in another order, one of them twice
		verdicts, err := eu.Apply(op)
		fmt.Println(op.Dot, verdicts, err)
	}
	fmt.Println(us.Get("stock/lamp", "count"), eu.Get("stock/lamp", "count"), eu.Get("orders/1", "status"))

	// A region that lost its disk takes over what another one holds, key by key.
	again := merge.NewState(table)
	for _, key := range us.Keys(0, us.Len()) {
		record, _ := us.AppendRecord(nil, key)
		_, _, _ = again.MergeRecord(record, merge.Limits{})
	}
	here, _ := eu.Sum("orders/1")
	there, _ := again.Sum("orders/1")
	fmt.Println(here == there)
	// Output:
	// eu:2 [kept] <nil>
	// eu:1 [combined] <nil>
	// us:1 [combined] <nil>
	// us:1 [combined] <nil>
	// us:2 [lost by time to eu:2: 2ms] <nil>
	// 9 9 "cancelled"
	// true
}

func ExampleGate() {
	table := merge.MustParseTable("nodes eu < us\n * * lww")
	var log crdt.Log[merge.Op] // knows which dots are taken
	gate := merge.Gate{Table: table, Known: &log}
	op := merge.Op{Key: "orders/1", Fields: []merge.Field{{Name: "status", Value: value.Text("paid")}},
		Stamp: lww.Stamp{Time: clock.Timestamp{Wall: 10_000_000_000}, Node: "us"}, Dot: clock.Dot{Node: "us", Seq: 1}}
	now := clock.Timestamp{Wall: 9_900_000_000}
	batch := merge.Batch{Source: "us", Fingerprint: table.Fingerprint(), Ops: []merge.Op{op}}
	fmt.Println(gate.Admit(&batch, now))

	batch.Source = "eu" // which may not write as us
	fmt.Println(gate.Admit(&batch, now))
	batch.Source = "us"
	fmt.Println(gate.Admit(&batch, clock.Timestamp{Wall: 9_000_000_000})) // a second too early, and half a second is the bound
	batch.Fingerprint = merge.MustParseTable("nodes us < eu\n * * lww").Fingerprint()
	for _, refusal := range gate.Admit(&batch, now) {
		fmt.Println(refusal.Code)
	}
	// Output:
	// []
	// [source_mismatch: us:1: an operation of "us" comes from "eu"]
	// [clock_ahead: us:1: the stamp is 1s ahead, the bound is 500ms]
	// rule_mismatch
}
