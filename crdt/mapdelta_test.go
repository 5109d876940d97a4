package crdt

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
)

// mutator is a change to a value of a map by its own type.
type mutator[V Nestable] func(v *V, node clock.Node) (V, error)

// keyKind is a map under one key of which values are changed by mutators, removed, and deleted. It has no oracle: what its tests ask is
// whether every way to one set of deltas makes one state, and whether each can be written and read.
func keyKind[V Nestable](inner Inner[V], mutators ...mutator[V]) kind[Map[string, V], do] {
	type m = Map[string, V]
	k := kind[m, do]{
		alphabet: []do{{"remove", ""}, {"delete", ""}},
		local: func(s *m, node clock.Node, op do) m {
			switch op.verb {
			case "remove":
				return s.Remove("x")
			case "delete":
				return must(s.Delete(node, "x"))
			}
			change := mutators[must(strconv.Atoi(op.arg))]
			return must(s.Write("x", func(v *V) (V, error) { return change(v, node) }))
		},
		merge:  (*m).Merge,
		equal:  func(a, b m) bool { return a.Equal(b) },
		clone:  func(s m) m { return s.Clone() },
		encode: func(s m) ([]byte, error) { return s.Encode(nil, Text[string](), inner) },
		decode: func(s *m, data []byte, limits Limits) error { return s.Decode(data, Text[string](), inner, limits) },
		read:   func(s m) string { return fmt.Sprint(s.Keys(), s.Len()) },
	}
	for i := range mutators {
		k.alphabet = append(k.alphabet, do{"change", strconv.Itoa(i)})
	}
	return k
}

// within makes a mutator of a map out of one of its values.
func within[V Nestable](change mutator[V]) mutator[Map[int, V]] {
	return func(m *Map[int, V], node clock.Node) (Map[int, V], error) {
		return m.Write(1, func(v *V) (V, error) { return change(v, node) })
	}
}

func deleteWithin[V Nestable](m *Map[int, V], node clock.Node) (Map[int, V], error) {
	return m.Delete(node, 1)
}

func removeWithin[V Nestable](m *Map[int, V], _ clock.Node) (Map[int, V], error) {
	return m.Remove(1), nil
}

// A delta of a write to a key that was deleted was written, and refused by whoever read it before the delete had come.
func TestEveryDeltaOfAMapWithDeletesIsReadBackAndMergesInAnyOrder(t *testing.T) {
	add := func(s *ORSet[string], node clock.Node) (ORSet[string], error) { return s.Add(node, "e") }
	remove := func(s *ORSet[string], _ clock.Node) (ORSet[string], error) { return s.Remove("e"), nil }
	count := func(c *ResetCounter, node clock.Node) (ResetCounter, error) { return c.Add(node, DecimalOf(1)), nil }
	reset := func(c *ResetCounter, _ clock.Node) (ResetCounter, error) { return c.Reset(), nil }
	enable := func(f *EWFlag, node clock.Node) (EWFlag, error) { return f.Enable(node), nil }
	for name, explore := range map[string]func(t *testing.T, n int){
		"EWFlag": keyKind(EWFlags(), enable,
			func(f *EWFlag, _ clock.Node) (EWFlag, error) { return f.Disable(), nil }).exploreMerges,
		"DWFlag": keyKind(DWFlags(),
			func(f *DWFlag, node clock.Node) (DWFlag, error) { return f.Enable(node), nil },
			func(f *DWFlag, node clock.Node) (DWFlag, error) { return f.Disable(node), nil }).exploreMerges,
		"ORSet": keyKind(ORSets(Text[string]()), add, remove,
			func(s *ORSet[string], _ clock.Node) (ORSet[string], error) { return s.Clear(), nil }).exploreMerges,
		"RWSet": keyKind(RWSets(Text[string]()),
			func(s *RWSet[string], node clock.Node) (RWSet[string], error) { return s.Add(node, "e") },
			func(s *RWSet[string], node clock.Node) (RWSet[string], error) { return s.Remove(node, "e") },
			func(s *RWSet[string], _ clock.Node) (RWSet[string], error) { return s.Clear(), nil }).exploreMerges,
		"MVRegister": keyKind(MVRegisters(Text[string]()),
			func(r *MVRegister[string], node clock.Node) (MVRegister[string], error) { return r.Write(node, "1") },
			func(r *MVRegister[string], _ clock.Node) (MVRegister[string], error) { return r.Clear(), nil }).exploreMerges,
		"ResetCounter": keyKind(ResetCounters(), count, reset).exploreMerges,
		"Map of ORSet": keyKind(Maps(Int[int](), ORSets(Text[string]())), within(add), within(remove),
			deleteWithin[ORSet[string]], removeWithin[ORSet[string]]).exploreMerges,
		"Map of ResetCounter": keyKind(Maps(Int[int](), ResetCounters()), within(count), within(reset),
			deleteWithin[ResetCounter], removeWithin[ResetCounter]).exploreMerges,
		"Map of Map of EWFlag": keyKind(Maps(Int[int](), Maps(Int[int](), EWFlags())), within(within(enable)),
			within(deleteWithin[EWFlag]), deleteWithin[Map[int, EWFlag]]).exploreMerges,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			small := name == "EWFlag" || name == "MVRegister" || name == "ResetCounter"
			switch {
			case testing.Short():
				explore(t, 2)
			case small || *deeper:
				explore(t, 4)
			default: // what takes a second and more
				explore(t, 3)
			}
		})
	}
}

func TestAWriteThatOvertakesTheDeleteItHadSeenIsReadAndStays(t *testing.T) {
	var us, eu Map[string, ResetCounter]
	gone := must(us.Delete("us", "x"))
	written := must(us.Write("x", func(c *ResetCounter) (ResetCounter, error) { return c.Add("us", DecimalOf(3)), nil }))
	data, err := written.Encode(nil, Text[string](), ResetCounters())
	require.NoError(t, err)
	var delta Map[string, ResetCounter]
	require.NoError(t, delta.Decode(data, Text[string](), ResetCounters(), Limits{}))
	assert.True(t, eu.Merge(delta))
	n, _ := eu.Get("x")
	assert.Equal(t, "3", n.Value().String())
	assert.True(t, eu.Merge(gone))
	assert.True(t, eu.Equal(us))
}
