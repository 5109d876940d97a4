package gen_test

import (
	"fmt"
	"maps"
	"strings"

	"github.com/leanovate/gopter"
	ints "github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/fuzz/gen"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// check tries a property on a hundred cases, always the same ones, and prints the shrunk case that breaks it.
func check(name string, property gopter.Prop) {
	result := property.Check(gopter.DefaultTestParametersWithSeed(1))
	if result.Passed() {
		fmt.Println(name, "in", result.Succeeded, "cases")
		return
	}
	fmt.Println(name, "but not here:")
	for _, arg := range result.Args {
		fmt.Println(strings.TrimSpace(arg.ArgFormatted))
	}
}

// shown returns what a reader of a state sees.
func shown(s *merge.State) map[string]value.Value {
	all := make(map[string]value.Value)
	for key, cell := range s.Cells() {
		all[key+" "+cell.Name] = cell.Value()
	}
	return all
}

// Replicas of a service that got every write agree on every key, whatever the network did.
func ExampleHistories() {
	table := merge.MustParseTable("stock/* count counter\ncart/* items add-wins\n* * lww")
	check("replicas agree", prop.ForAll(func(h gen.History) bool {
		replicas := []*merge.State{merge.NewState(table), merge.NewState(table), merge.NewState(table)}
		for _, a := range h.Arrivals(3) {
			if _, err := replicas[a.To].Apply(h.Ops[a.Write]); err != nil {
				return false
			}
		}
		first := shown(replicas[0])
		return maps.Equal(first, shown(replicas[1])) && maps.Equal(first, shown(replicas[2]))
	}, gen.Histories(table, gen.Shape{})))
	// Output: replicas agree in 100 cases
}

// A service that embeds a type of package crdt: carts send their deltas, and the network does what networks do.
func ExampleHistory_Arrivals() {
	table := merge.MustParseTable("cart items add-wins\n* * lww")
	check("carts are equal", prop.ForAll(func(h gen.History) bool {
		var carts [3]crdt.ORSet[value.Value]
		deltas := make([]crdt.ORSet[value.Value], len(h.Ops))
		for _, a := range h.Arrivals(3) {
			cart, op := &carts[a.To], &h.Ops[a.Write]
			switch {
			case a.Made && op.Kind == merge.Insert:
				deltas[a.Write], _ = cart.Add(op.Dot.Node, op.Fields[0].Value)
			case a.Made && op.Kind == merge.Remove:
				deltas[a.Write] = cart.Remove(op.Fields[0].Value)
			case a.Made:
				deltas[a.Write] = cart.Clear()
			default:
				cart.Merge(deltas[a.Write])
			}
		}
		return carts[0].Equal(carts[1]) && carts[1].Equal(carts[2])
	}, gen.Histories(table, gen.Shape{Keys: []string{"cart"}})))
	// Output: carts are equal in 100 cases
}

// To keep one's own value on a tie is a bug that databases have shipped. A history of up to twelve writes, with up to six
// things going wrong on the way, shrinks to what it takes: two writes, one of them late.
func ExampleHistories_shrinking() {
	table := merge.MustParseTable("price euro lww\n* * lww")
	check("replicas agree", prop.ForAll(func(h gen.History) bool {
		var replicas [3]merge.Op
		for _, a := range h.Arrivals(3) {
			if op := h.Ops[a.Write]; op.Stamp.Time.Compare(replicas[a.To].Stamp.Time) > 0 {
				replicas[a.To] = op
			}
		}
		return replicas[0].ID == replicas[1].ID && replicas[0].ID == replicas[2].ID
	}, gen.Histories(table, gen.Shape{Keys: []string{"price"}, InStep: true})))
	// Output:
	// replicas agree but not here:
	// write 0 reaches replica 1 late by 1:
	// {"key":"price","field":"euro","value":0,"node":"a","time":"2026-05-20T12:00:00.001Z","id":"a:1","seen":[]}
	// {"key":"price","field":"euro","value":0,"node":"b","time":"2026-05-20T12:00:00.001Z","id":"b:1","seen":[]}
}

// Operations of your own travel through a network too. Here three replicas in turn count something, and a counter that does
// not know what it has counted already counts what comes twice, twice.
func ExampleNetworks() {
	check("counts are right", prop.ForAll(func(amounts []int, net gen.Network) bool {
		writers := make([]int, len(amounts))
		sum := 0
		for i, amount := range amounts {
			writers[i] = i % 3
			sum += amount
		}
		var counts [3]int
		for _, a := range net.Arrivals(writers, 3) {
			counts[a.To] += amounts[a.Write]
		}
		return counts == [3]int{sum, sum, sum}
	}, ints.SliceOf(ints.IntRange(1, 9)), gen.Networks()))
	// Output:
	// counts are right but not here:
	// [1]
	// write 0 reaches replica 0 in time and again late by 1
}

// Two writes with one time are common, and a merge has to tell them apart.
func ExampleStamps() {
	ladder := lww.Ladder{Nodes: clock.Nodes{"a", "b", "c"}}
	check("the ladder tells stamps apart", prop.ForAll(func(s, t lww.Stamp) bool {
		order, _ := ladder.Compare(s, t)
		return order != 0 || s == t
	}, gen.Stamps(), gen.Stamps()))
	check("time alone tells them apart", prop.ForAll(func(s, t lww.Stamp) bool {
		return s.Time != t.Time || s == t
	}, gen.Stamps(), gen.Stamps()))
	// Output:
	// the ladder tells stamps apart in 100 cases
	// time alone tells them apart but not here:
	// 1779278400000000000.0000000000 a
	// 1779278400000000000.0000000000 b
}
