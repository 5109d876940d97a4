package merge

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// everyRule gives each rule a key of its own, and the whole record of other keys a rule too.
var everyRule = func() *Table {
	text := "nodes ap < eu < us\n"
	for _, rule := range RuleNames() {
		argument := map[string]string{"highest": " rev", "prefer": " 2 > 1", "prefer-node": " eu > us"}[rule]
		text += rule + "/* * " + rule + argument + "\n"
	}
	return MustParseTable(text+"own/* * longest\ntogether/* a,b lww together\n* * lww", longest)
}()

// operations simulates n operations by three nodes, which now and then hear of all that another one knows.
func operations(r *rand.Rand, n int) []Op {
	nodes := []*writer{{node: "ap"}, {node: "eu"}, {node: "us"}}
	names := append(RuleNames(), "own", "together", "rest")
	var ops []Op
	for len(ops) < n {
		w := nodes[r.IntN(3)]
		if r.IntN(2) == 0 {
			w.sees(nodes[r.IntN(3)])
		}
		name := names[r.IntN(len(names))]
		key := name + "/1"
		wall := int64(1 + r.IntN(6)) // ties are common
		small := value.Int(int64(r.IntN(3)))
		fields := []Field{field("a", small, ""), field("rev", value.Int(int64(r.IntN(3))), ""), field("b", small, "")}
		kind := Set
		switch name {
		case "counter":
			kind, fields = Add, fields[:1]
		case "grow-only", "add-wins", "remove-wins":
			kind, fields = []Kind{Insert, Remove, Set}[r.IntN(3)], fields[:1]
			if kind == Set {
				fields[0].Value, fields[0].Before = value.Array(small, "7"), value.Array("1", "7")
			}
		case "enable-wins", "disable-wins":
			fields = []Field{field("a", value.Bool(r.IntN(2) == 0), "")}
		case "union":
			fields = []Field{field("a", value.Array(small), "")}
		}
		if r.IntN(5) == 0 {
			kind, fields = Delete, nil
		}
		ops = append(ops, w.op(kind, key, wall, fields...))
	}
	return ops
}

func TestStateIsAFunctionOfTheSetOfOperations(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(20261123)
	parameters.MinSuccessfulTests = 1500
	properties := gopter.NewProperties(parameters)
	properties.Property("whatever the order, the repetitions and the grouping", prop.ForAll(func(seed uint64, n int) string {
		r := rand.New(rand.NewPCG(seed, 0))
		ops := operations(r, n)
		apply := func(s *State, op Op) {
			if _, err := s.Apply(op); err != nil {
				panic(err)
			}
		}
		straight := NewState(everyRule)
		for _, op := range ops {
			apply(straight, op)
		}
		// Three replicas get everything in their own order, some of it twice, and hand their states round.
		replicas := []*State{NewState(everyRule), NewState(everyRule), NewState(everyRule)}
		for _, i := range r.Perm(len(ops)) {
			apply(replicas[r.IntN(3)], ops[i])
			apply(replicas[r.IntN(3)], ops[i])
			if r.IntN(4) == 0 {
				if err := replicas[r.IntN(3)].Merge(replicas[r.IntN(3)]); err != nil {
					panic(err)
				}
			}
		}
		for range 2 {
			for i := range replicas {
				_ = replicas[i].Merge(replicas[(i+1)%3])
			}
		}
		want := fmt.Sprint(shownAll(straight))
		for i, s := range replicas {
			if got := fmt.Sprint(shownAll(s)); got != want {
				return fmt.Sprintf("replica %d\n got %s\nwant %s", i, got, want)
			}
		}
		return ""
	}, gen.UInt64(), gen.IntRange(1, 30)))
	properties.TestingRun(t)
}

// A state merged with itself, or with a part of what it has, stays as it is, and the other side is left alone.
func TestMergingLeavesTheOtherSideAlone(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		ops := operations(r, 20)
		whole, part := NewState(everyRule), NewState(everyRule)
		for i, op := range ops {
			if _, err := whole.Apply(op); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				_, _ = part.Apply(op)
			}
		}
		before, partBefore := fmt.Sprint(shownAll(whole)), fmt.Sprint(shownAll(part))
		_ = whole.Merge(part)
		_ = whole.Merge(whole)
		_, _ = whole.Apply(ops[0])
		if got := fmt.Sprint(shownAll(whole)); got != before {
			t.Fatalf("seed %d\n got %s\nwant %s", seed, got, before)
		}
		fresh := &writer{node: "us", seen: seenOf(ops)}
		for _, name := range []string{"add-wins", "keep-all", "counter"} {
			kind := map[string]Kind{"add-wins": Insert, "keep-all": Set, "counter": Add}[name]
			_, _ = whole.Apply(fresh.op(kind, name+"/1", 99, field("a", "9", "")))
		}
		if got := fmt.Sprint(shownAll(part)); got != partBefore {
			t.Fatalf("seed %d: the part changed with the whole\n got %s\nwant %s", seed, got, partBefore)
		}
	}
}

func seenOf(ops []Op) (seen clock.Vector) {
	for _, op := range ops {
		seen.Add(op.Dot)
	}
	return seen
}
