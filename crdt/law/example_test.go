package law_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/crdt/law"
)

func equal[T comparable](a, b T) bool { return a == b }

// The furthest of a lattice keeps all laws: "closed" wins against what leads to it.
func ExampleCheck() {
	rank := map[string]int{"open": 1, "paid": 2, "shipped": 3, "closed": 4}
	furthest := func(a, b string) string {
		if rank[a] < rank[b] {
			return b
		}
		return a
	}
	fmt.Println(law.Check(furthest, equal, "open", "paid", "shipped", "closed"))
	// Output: <nil>
}

// The average depends on who met whom first. Instead, keep every contribution once, under its id, and average when
// reading.
func ExampleCheck_average() {
	average := func(a, b float64) float64 { return (a + b) / 2 }
	fmt.Println(law.Check(average, equal, 10, 20, 60))

	contributions := func(a, b map[string]float64) map[string]float64 {
		both := maps.Clone(a)
		for id, x := range b {
			if y, ok := both[id]; !ok || x > y { // one id, one number; if that is ever untrue, one of the two
				both[id] = x
			}
		}
		return both
	}
	fmt.Println(law.Check(contributions, maps.Equal,
		map[string]float64{"us:1": 10}, map[string]float64{"eu:1": 20}, map[string]float64{"eu:1": 20, "eu:2": 60}))
	// Output:
	// not_associative: Let: a = 10, b = 20. Then: merge(merge(a, a), b) = 15, but merge(a, merge(a, b)) = 12.5.
	// <nil>
}

// The longest of two equally long texts is whichever came first. Instead, break the tie by what can differ.
func ExampleCheck_longest() {
	longest := func(a, b string) string {
		if len(b) > len(a) {
			return b
		}
		return a
	}
	fmt.Println(law.Check(longest, equal, "Ann", "Robert", "Bob"))

	longestThenGreatest := func(a, b string) string {
		return slices.MaxFunc([]string{a, b}, func(a, b string) int {
			return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
		})
	}
	fmt.Println(law.Check(longestThenGreatest, equal, "Ann", "Robert", "Bob"))
	// Output:
	// not_commutative: Let: a = "Ann", b = "Bob". Then: merge(a, b) = "Ann", but merge(b, a) = "Bob".
	// <nil>
}

// Appending says everything twice as soon as a write is delivered twice. Instead, keep a set and sort it.
func ExampleCheck_concat() {
	concat := func(a, b string) string { return a + b }
	fmt.Println(law.Check(concat, equal, "x", "y"))

	union := func(a, b string) string {
		lines := append(strings.Fields(a), strings.Fields(b)...)
		slices.Sort(lines)
		return strings.Join(slices.Compact(lines), " ")
	}
	fmt.Println(law.Check(union, equal, "x", "y", "x z"))
	// Output:
	// not_idempotent: Let: a = "x". Then: merge(a, a) = "xx", but a = "x".
	// <nil>
}

// Times within 5 of each other count as a tie, which the greater node wins: every pair agrees, three don't.
func ExampleCheck_tieWindow() {
	type write struct {
		Time int
		Node string
	}
	later := func(a, b write) write {
		if d := a.Time - b.Time; max(d, -d) <= 5 && a.Node != b.Node {
			return write{max(a.Time, b.Time), max(a.Node, b.Node)}
		}
		return slices.MaxFunc([]write{a, b}, func(a, b write) int { return cmp.Compare(a.Time, b.Time) })
	}
	err := law.Check(later, equal, write{0, "us"}, write{3, "eu"}, write{6, "ap"})
	fmt.Println(err.(*law.Broken).Law)
	// Output: not_associative
}

// Removing by value loses an add that the remove had not seen, and brings it back when deliveries swap.
func ExampleConverge() {
	type op struct {
		Kind, Item string
	}
	naive := law.System[string, op]{
		Apply: func(cart string, o op) string {
			items := slices.DeleteFunc(strings.Fields(cart), func(item string) bool { return item == o.Item })
			if o.Kind == "add" {
				items = append(items, o.Item)
			}
			slices.Sort(items)
			return strings.Join(items, " ")
		},
		Equal: equal[string],
	}
	fmt.Println(law.Converge(naive, op{"add", "tea"}, op{"remove", "tea"}))

	// A remove that names the adds it has seen, and is remembered, meets them whenever they come.
	type tagged struct{ Adds, Removes string }
	union := func(a, b string) string {
		all := append(strings.Fields(a), strings.Fields(b)...)
		slices.Sort(all)
		return strings.Join(slices.Compact(all), " ")
	}
	merge := func(a, b tagged) tagged { return tagged{union(a.Adds, b.Adds), union(a.Removes, b.Removes)} }
	orSet := law.System[tagged, tagged]{Apply: merge, Merge: merge, Equal: equal[tagged]}
	fmt.Println(law.Converge(orSet,
		tagged{Adds: "tea@1"}, tagged{Removes: "tea@1"}, tagged{Adds: "tea@2"}, tagged{Adds: "milk@1"}))
	// Output:
	// diverged: Let: a = {Kind:"add" Item:"tea"}, b = {Kind:"remove" Item:"tea"}. Then: after a b = "", but after b a = "tea".
	// <nil>
}
