package clock

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What comes to a vector with many holes, or of many nodes, made a copy of it or a walk over it.
func TestWhatIsShortIsMergedWithoutACopyOfTheVector(t *testing.T) {
	const holes = 4096
	v, short := Vector{}, make([]Vector, holes)
	for i := range short {
		short[i].Add(Dot{Node: "us", Seq: uint64(4*i + 1)})
		short[i].Add(Dot{Node: "us", Seq: uint64(4*i + 3)})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, w := range short {
		v.Merge(w)
	}
	runtime.ReadMemStats(&after)
	assert.Len(t, v.entries[0].runs, 2*holes)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(128*holes))
}

func TestAShortVectorIsMergedAsALongOneIs(t *testing.T) {
	name := func(i int) Node { return Node([]byte{'a' + byte(i/26), 'a' + byte(i%26)}) }
	for nodes := range 100 {
		var v Vector
		for i := range nodes {
			v.AddRange(name(3*i+1), Range{First: 2, Last: 3})
			v.AddRange(name(3*i+1), Range{First: 9, Last: 9})
		}
		for at := range 3*nodes + 2 {
			var w Vector
			w.AddRange(name(at), Range{First: 4, Last: 5})
			w.Add(Dot{Node: name(at), Seq: 7})
			w.Add(Dot{Node: name(at + 1), Seq: 1})
			merged, want := v.Clone(), v.Clone()
			merged.Merge(w)
			for node, run := range w.Runs() {
				want.AddRange(node, run)
			}
			assert.Equal(t, want.String(), merged.String())
			merged.Add(Dot{Node: name(at), Seq: 6})
			assert.False(t, w.Has(Dot{Node: name(at), Seq: 6}), "they share no memory")
		}
	}
}
