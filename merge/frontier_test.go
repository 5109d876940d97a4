package merge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// What a frontier says of its writes one by one is what it says of each that is asked about, and its value is the same however
// it is asked for.
func TestAFrontierSaysOneThing(t *testing.T) {
	broken := Custom{Name: "broken", Merge: func(a, b value.Value) value.Value {
		if a > b {
			panic("no")
		}
		return b
	}}
	both := Custom{Name: "both", Merge: func(a, b value.Value) value.Value { return value.Array(a, b) }}
	texts := []value.Value{`"a"`, `"b"`, `["a","c"]`, `["b"]`, "null", ""}
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"keep-all", "union", "refuse", "delete-wins", "update-wins", "longest", "broken", "both"} {
		rule := MustParseTable("* * "+name, longest, broken, both).Rules[0]
		require.True(t, rule.KeepsFrontier())
		for range 300 {
			var writes []Write
			for i := range r.IntN(12) {
				var w Write
				w.Stamp.Version, w.Stamp.Time.Wall = uint64(r.IntN(3)), int64(r.IntN(3))
				w.Stamp.Node = clock.Node(fmt.Sprint("n", i%5))
				w.Dot = clock.Dot{Node: w.Stamp.Node, Seq: uint64(i) + 1}
				w.Value = texts[r.IntN(len(texts))]
				if w.Deleted = r.IntN(4) == 0; w.Deleted {
					w.Value = ""
				}
				writes = append(writes, w)
			}
			f := rule.Frontier(slices.Clone(writes))
			require.Equal(t, len(writes), f.Len())
			require.Equal(t, "x"+string(f.Value()), string(f.AppendValue([]byte("x"))), name)
			if name == "keep-all" || name == "union" {
				require.Equal(t, allShown(name == "union", writes, rule), f.Value(), name)
			}
			var met []Write
			combined := 0
			for i := range f.Len() {
				w, fate := f.At(i)
				met = append(met, *w)
				if fate.Outcome == Combined {
					combined++
				}
				v := f.Judge(w)
				require.Equal(t, v.Outcome, fate.Outcome, name)
				require.Equal(t, v.By, fate.By, name)
				require.Equal(t, v.Panicked, fate.Panicked, name)
				if fate.Against == nil {
					require.Zero(t, v.Against, name)
				} else {
					require.Equal(t, v.Against, *fate.Against, name)
				}
			}
			require.ElementsMatch(t, writes, met)
			if name == "keep-all" || name == "union" {
				require.Equal(t, combined, f.Combined(), name)
			} else {
				require.Zero(t, f.Combined(), name)
			}
			var other Write
			other.Dot = clock.Dot{Node: "other", Seq: 1}
			require.Equal(t, Verdict{Outcome: Overwritten}, f.Judge(&other))
		}
	}
}

// allShown is what a cell shows of all that is live: one array of the values, the greatest claim first, or of their elements.
func allShown(elements bool, writes []Write, rule *Rule) value.Value {
	var live []Write
	for _, w := range writes {
		if !w.Deleted {
			live = append(live, w)
		}
	}
	slices.SortFunc(live, func(a, b Write) int { return rule.greatestFirst(&a, &b) })
	switch {
	case len(live) == 0:
		return ""
	case len(live) == 1 && elements:
		return live[0].Value
	}
	var all []value.Value
	for _, w := range live {
		switch {
		case !elements:
			all = append(all, w.Value)
		case w.Value.Kind() == value.KindArray:
			for e := range w.Value.Elements() {
				all = append(all, e)
			}
		default:
			all = append(all, w.Value)
		}
	}
	if elements {
		slices.SortFunc(all, value.Compare)
		all = slices.Compact(all)
	}
	return value.Array(all...)
}
