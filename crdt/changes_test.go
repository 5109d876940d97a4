package crdt

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
)

// What a merge tells is the difference between what a reader sees before it and after it, whatever was merged.
func TestMergeFuncTellsWhatCameAndWent(t *testing.T) {
	difference := func(before, after []string) (all []string) {
		for _, e := range slices.Concat(before, after) {
			if is := slices.Contains(after, e); is != slices.Contains(before, e) {
				all = append(all, fmt.Sprint(e, is))
			}
		}
		slices.Sort(all)
		return all
	}
	r := rand.New(rand.NewSource(5))
	told := 0
	for range 500 {
		var got []string
		each := func(e string, isIn bool) { got = append(got, fmt.Sprint(e, isIn)) }
		or, rw, m := orSetKind.cluster(r, 25), rwSetKind.cluster(r, 25), mapKind.cluster(r, 25)

		plain := or[0].Clone()
		before := or[0].Elements()
		require.Equal(t, plain.Merge(or[1]), or[0].MergeFunc(or[1], each))
		require.Equal(t, difference(before, or[0].Elements()), got)
		require.True(t, plain.Equal(or[0]))
		told += len(got)

		got = nil
		before = rw[0].Elements()
		again := rw[0].Clone()
		require.Equal(t, again.Merge(rw[1]), rw[0].MergeFunc(rw[1], each))
		require.Equal(t, difference(before, rw[0].Elements()), got)
		told += len(got)

		old := m[0].Clone()
		got = nil
		m[0].MergeFunc(m[1], func(k string) { got = append(got, k) })
		for _, k := range []string{"x", "y"} {
			was, _ := old.Get(k)
			is, _ := m[0].Get(k)
			if was.Value().Cmp(is.Value()) != 0 || old.Has(k) != m[0].Has(k) {
				require.Contains(t, got, k)
			}
		}
		require.True(t, slices.IsSorted(got))
		require.False(t, m[0].MergeFunc(m[1], func(k string) { require.Fail(t, "nothing is new", k) }))
	}
	assert.Greater(t, told, 300)

	// eu has forgotten a remove of x and then the rest of its state, and waits for the add that it had replaced. What us has under
	// x goes in two steps: after the first, but not before and not at the end, x is there.
	var us, eu RWSet[string]
	must(us.AddAt(clock.Dot{Node: "ap", Seq: 1}, "x", clock.Vector{}))
	remove := clock.Dot{Node: "eu", Seq: 1}
	must(us.RemoveAt(remove, "x", clock.Vector{}))
	must(eu.RemoveAt(remove, "x", clock.Vector{}))
	must(eu.AddAt(clock.Dot{Node: "eu", Seq: 2}, "x", clock.Up("ap", 1)))
	eu.ClearAt(clock.Dot{}, clock.Up("eu", 2))
	assert.True(t, us.MergeFunc(eu, func(e string, isIn bool) { assert.Fail(t, "nothing came or went", "%s %v", e, isIn) }))
	assert.Nil(t, us.state.body.watch, "what is told of a merge is not kept")
	assert.False(t, us.MergeFunc(eu, func(string, bool) {}))

	var g, h GSet[string]
	must(g.Add("b"))
	for _, e := range []string{"c", "b", "a"} {
		must(h.Add(e))
	}
	var came []string
	assert.True(t, g.MergeFunc(h, func(e string) { came = append(came, e) }))
	assert.Equal(t, []string{"a", "c"}, came)
}

// Two processes under one name converge on a set that has lost both their elements, and nobody was told.
func TestADotThatTwoWritersGaveIsTold(t *testing.T) {
	var a, b ORSet[string]
	must(a.Add("us", "x"))
	delta := must(b.Add("us", "y"))
	assert.Equal(t, "{us:1-1}", a.Reused(delta).String())
	assert.Equal(t, "{us:1-1}", b.Reused(a).String())
	assert.True(t, a.Reused(a).IsEmpty())

	var c, d RWSet[string]
	must(c.Add("us", "x"))
	must(d.Remove("us", "y"))
	assert.Equal(t, "{us:1-1}", c.Reused(d).String())

	var m, n Map[string, EWFlag]
	on := func(f *EWFlag) (EWFlag, error) { return f.Enable("us"), nil }
	must(m.Write("x", on))
	must(n.Write("y", on))
	assert.Equal(t, "{us:1-1}", m.Reused(n).String())
	m.Merge(n)
	assert.True(t, m.Reused(n).IsEmpty(), "it is gone, and can't be told any more")
}

func TestNoDotIsToldThatOneWriterGave(t *testing.T) {
	r := rand.New(rand.NewSource(6))
	for range 300 {
		var sets [3]ORSet[int]
		var maps [3]Map[int, MVRegister[int]]
		for range 40 {
			i, j, n := r.Intn(3), r.Intn(3), r.Intn(4)
			switch r.Intn(5) {
			case 0:
				sets[i].Remove(n)
				maps[i].Remove(n)
			case 1:
				sets[i].Merge(sets[j])
				maps[i].Merge(maps[j])
			default:
				sets[j].Merge(must(sets[i].Add(replicas[i], n)))
				maps[j].Merge(must(maps[i].Write(n, func(v *MVRegister[int]) (MVRegister[int], error) { return v.Write(replicas[i], n) })))
			}
			require.True(t, sets[i].Reused(sets[j]).IsEmpty())
			require.True(t, maps[i].Reused(maps[j]).IsEmpty())
		}
	}
}

// An operation that finds nothing to remove may still be news: it is waited for what it removes.
func TestARemoveThatOvertakesItsAddIsAChange(t *testing.T) {
	var s ORSet[string]
	assert.True(t, s.RemoveAt(clock.Dot{}, "apple", clock.Up("us", 1)))
	assert.False(t, s.RemoveAt(clock.Dot{}, "apple", clock.Up("us", 1)))
	assert.True(t, s.RemoveAt(clock.Dot{}, "apple", clock.Up("us", 2)), "it has seen more")
	changed, err := s.AddAt(clock.Dot{Node: "us", Seq: 2}, "apple", clock.Vector{})
	require.NoError(t, err)
	assert.True(t, changed, "its dot is new")
	assert.Empty(t, s.Elements())
}
