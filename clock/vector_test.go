package clock_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/law"
)

// dots is what a vector stands for, held the naive way.
type dots map[clock.Dot]bool

func (s dots) vector() clock.Vector {
	var v clock.Vector
	for d := range s { // in whatever order
		v.Add(d)
	}
	return v
}

func (s dots) max(n clock.Node) (greatest uint64) {
	for d := range s {
		if d.Node == n {
			greatest = max(greatest, d.Seq)
		}
	}
	return greatest
}

func expand(v clock.Vector) dots {
	s := dots{}
	for n, r := range v.Runs() {
		for seq := r.First; seq <= r.Last; seq++ {
			s[clock.Dot{Node: n, Seq: seq}] = true
		}
	}
	return s
}

// requireCanonical holds a vector to its invariants, through what it yields.
func requireCanonical(t *testing.T, v clock.Vector) {
	t.Helper()
	var node clock.Node
	var last uint64
	for n, r := range v.Runs() {
		require.GreaterOrEqual(t, n, node)
		if n != node {
			node, last = n, 0
			require.GreaterOrEqual(t, r.First, uint64(1))
		} else {
			require.Greater(t, r.First, last+1, "two runs touch: %s", v)
		}
		require.LessOrEqual(t, r.First, r.Last)
		last = r.Last
	}
}

// requireModels compares everything a vector says with what the naive set says.
func requireModels(t *testing.T, want dots, v clock.Vector) {
	t.Helper()
	requireCanonical(t, v)
	require.True(t, reflect.DeepEqual(want, expand(v)), "%s", v)
	require.Equal(t, len(want) == 0, v.IsEmpty())
	for _, n := range []clock.Node{"a", "b", "c"} {
		greatest := want.max(n)
		require.Equal(t, greatest, v.Max(n))
		require.Equal(t, clock.Dot{Node: n, Seq: greatest + 1}, v.Next(n))
		prefix := uint64(0)
		for want[clock.Dot{Node: n, Seq: prefix + 1}] {
			prefix++
		}
		require.Equal(t, prefix, v.Prefix(n))
		missing := dots{}
		for _, gap := range v.Gaps(n) {
			for seq := gap.First; seq <= gap.Last; seq++ {
				missing[clock.Dot{Node: n, Seq: seq}] = true
			}
		}
		for seq := uint64(0); seq <= greatest+2; seq++ {
			d := clock.Dot{Node: n, Seq: seq}
			require.Equal(t, want[d], v.Has(d), "%s in %s", d, v)
			require.Equal(t, seq > 0 && seq < greatest && !want[d], missing[d], "%s missing in %s", d, v)
		}
	}
}

func union(a, b dots) dots {
	both := dots{}
	for d := range a {
		both[d] = true
	}
	for d := range b {
		both[d] = true
	}
	return both
}

func minus(a, b dots) dots {
	rest := dots{}
	for d := range a {
		if !b[d] {
			rest[d] = true
		}
	}
	return rest
}

// requirePairModels compares what two vectors say of each other, and that neither changed.
func requirePairModels(t *testing.T, a, b dots) {
	t.Helper()
	v, w := a.vector(), b.vector()
	merged := v.Clone()
	merged.Merge(w)
	require.True(t, reflect.DeepEqual(union(a, b), expand(merged)), "%s + %s = %s", v, w, merged)
	requireCanonical(t, merged)
	rest := v.Minus(w)
	require.True(t, reflect.DeepEqual(minus(a, b), expand(rest)), "%s - %s = %s", v, w, rest)
	requireCanonical(t, rest)
	require.Equal(t, len(minus(b, a)) == 0, v.Covers(w), "%s covers %s", v, w)
	require.Equal(t, reflect.DeepEqual(a, b), v.Equal(w))
	require.True(t, v.Equal(a.vector()) && w.Equal(b.vector()))
}

// Every set of the numbers 1 to 7 of one node, alone, and every pair of the sets of 1 to 5.
func TestVectorIsASetOfDotsExhaustively(t *testing.T) {
	sets := func(n int) []dots {
		var all []dots
		for bits := range 1 << n {
			s := dots{}
			for i := range n {
				if bits&(1<<i) != 0 {
					s[clock.Dot{Node: "b", Seq: uint64(i) + 1}] = true
				}
			}
			all = append(all, s)
		}
		return all
	}
	for _, s := range sets(7) {
		requireModels(t, s, s.vector())
	}
	for _, a := range sets(5) {
		for _, b := range sets(5) {
			requirePairModels(t, a, b)
		}
	}
}

// Every order of adding 1 to 6.
func TestVectorForgetsTheOrderOfArrival(t *testing.T) {
	want := clock.Up("a", 6)
	permutations([]uint64{1, 2, 3, 4, 5, 6}, func(order []uint64) {
		var v clock.Vector
		for _, seq := range order {
			require.True(t, v.Add(clock.Dot{Node: "a", Seq: seq}))
			require.False(t, v.Add(clock.Dot{Node: "a", Seq: seq}))
			requireCanonical(t, v)
		}
		require.True(t, v.Equal(want), "%v", order)
	})
}

func permutations(of []uint64, each func([]uint64)) {
	var from func(int)
	from = func(i int) {
		if i == len(of) {
			each(of)
			return
		}
		for j := i; j < len(of); j++ {
			of[i], of[j] = of[j], of[i]
			from(i + 1)
			of[i], of[j] = of[j], of[i]
		}
	}
	from(0)
}

func genDots() gopter.Gen {
	dot := gopter.CombineGens(gen.OneConstOf("a", "b", "c"), gen.UInt64Range(1, 30)).Map(func(v []any) clock.Dot {
		return clock.Dot{Node: clock.Node(v[0].(string)), Seq: v[1].(uint64)}
	})
	return gen.SliceOf(dot).Map(func(of []clock.Dot) dots {
		s := dots{}
		for _, d := range of {
			s[d] = true
		}
		return s
	})
}

func TestVectorIsASetOfDots(t *testing.T) {
	properties := gopter.NewProperties(nil)
	properties.Property("one vector", prop.ForAll(func(a dots) bool {
		v := a.vector()
		requireModels(t, a, v)
		requireModels(t, a, v.Clone())
		requireVectorRoundTrips(t, v)
		return true
	}, genDots()))
	properties.Property("two vectors", prop.ForAll(func(a, b dots) bool {
		requirePairModels(t, a, b)
		return true
	}, genDots(), genDots()))
	properties.Property("runs added in any order", prop.ForAll(func(starts []uint64) bool {
		want := dots{}
		var v clock.Vector
		for i, first := range starts {
			last := first + uint64(i)%5
			v.AddRange("a", clock.Range{First: first, Last: last})
			for seq := first; seq <= last; seq++ {
				want[clock.Dot{Node: "a", Seq: seq}] = true
			}
		}
		requireModels(t, want, v)
		return true
	}, gen.SliceOf(gen.UInt64Range(1, 60))))
	properties.TestingRun(t)
}

func TestVectorMergeKeepsTheLaws(t *testing.T) {
	merge := func(a, b clock.Vector) clock.Vector {
		both := a.Clone()
		both.Merge(b)
		return both
	}
	random := rand.New(rand.NewSource(1))
	samples := []clock.Vector{{}, clock.Up("a", 3), clock.Up("b", 3)}
	for range 12 {
		var v clock.Vector
		for range random.Intn(8) {
			v.Add(clock.Dot{Node: []clock.Node{"a", "b", "c"}[random.Intn(3)], Seq: uint64(random.Intn(6)) + 1})
		}
		samples = append(samples, v)
	}
	assert.NoError(t, law.Check(merge, clock.Vector.Equal, samples...))
}

// One vector is used for many, whatever it held before, and what was copied of it stays.
func TestVectorSetRuns(t *testing.T) {
	random := rand.New(rand.NewSource(2))
	var room clock.Vector
	copies, wants := []clock.Vector(nil), []clock.Vector(nil)
	for range 500 {
		var want clock.Vector
		for range random.Intn(12) {
			want.Add(clock.Dot{Node: clock.Node("abcdefghijkl"[random.Intn(12):][:1]), Seq: uint64(random.Intn(9)) + 1})
		}
		var runs []clock.Run
		for node, r := range want.Runs() {
			runs = append(runs, clock.Run{Node: node, Range: r})
		}
		of, ok := clock.VectorOf(runs)
		require.True(t, ok)
		require.True(t, of.Equal(want))
		require.True(t, room.SetRuns(runs))
		require.True(t, room.Equal(want), "%s, not %s", room, want)
		copies, wants = append(copies, room.Clone()), append(wants, want)
		if random.Intn(3) == 0 { // what is added later is gone with the rest
			room.AddRange("aa", clock.Range{First: 3, Last: 5})
			room.Add(clock.Dot{Node: "a", Seq: 20})
		}
		if len(runs) > 1 && random.Intn(4) == 0 {
			runs[0], runs[1] = runs[1], runs[0]
			require.False(t, room.SetRuns(runs))
			require.True(t, room.IsEmpty())
		}
	}
	for i := range copies {
		require.True(t, copies[i].Equal(wants[i]), "a copy changed: %s, not %s", copies[i], wants[i])
	}
	runs := []clock.Run{{Node: "a", Range: clock.Range{First: 1, Last: 2}}, {Node: "a", Range: clock.Range{First: 4, Last: 5}}}
	room.SetRuns(runs)
	assert.Zero(t, testing.AllocsPerRun(100, func() { room.SetRuns(runs) }))
}

// With more nodes than are walked one by one, and with nodes that only one side has, before, between and after.
func TestVectorOfManyNodes(t *testing.T) {
	a, b := dots{}, dots{}
	for i := range 40 {
		node := clock.Node(fmt.Sprintf("n%02d", i))
		for seq := uint64(1); seq <= 6; seq++ {
			if i%3 != 0 && (seq+uint64(i))%2 == 0 {
				a[clock.Dot{Node: node, Seq: seq}] = true
			}
			if i%5 != 0 && seq%3 == 0 {
				b[clock.Dot{Node: node, Seq: seq}] = true
			}
		}
	}
	requirePairModels(t, a, b)
	requirePairModels(t, b, a)
	v := a.vector()
	for d := range union(a, b) {
		require.Equal(t, a[d], v.Has(d), "%s", d)
	}
	requireVectorRoundTrips(t, v)
}

func TestVectorAtTheEndOfNumbers(t *testing.T) {
	const end = math.MaxUint64
	var v clock.Vector
	v.Add(clock.Dot{Node: "a", Seq: end})
	assert.True(t, v.Has(clock.Dot{Node: "a", Seq: end}))
	assert.Equal(t, []clock.Range{{First: 1, Last: end - 1}}, v.Gaps("a"))
	assert.True(t, v.Next("a").IsZero(), "no number is left")
	v.Add(clock.Dot{Node: "a", Seq: end - 1})
	v.AddRange("a", clock.Range{First: end - 3, Last: end})
	v.Add(clock.Dot{Node: "a", Seq: end - 4})
	assert.Equal(t, "{a:18446744073709551611-18446744073709551615}", v.String())
	v.AddUp("a", end)
	assert.True(t, v.Equal(clock.Up("a", end)))
	v.AddUp("a", 5)
	v.Merge(clock.Up("a", end))
	assert.True(t, v.Minus(clock.Up("a", end)).IsEmpty())
	rest := v.Minus(clock.Up("a", end-1))
	assert.Equal(t, "{a:18446744073709551615-18446744073709551615}", rest.String())
	requireVectorRoundTrips(t, v)
}

func TestVectorIgnoresWhatNamesNoWrite(t *testing.T) {
	var v clock.Vector
	assert.False(t, v.Add(clock.Dot{Node: "a"}))
	v.AddUp("a", 0)
	v.AddRange("a", clock.Range{First: 0, Last: 5})
	v.AddRange("a", clock.Range{First: 5, Last: 4})
	assert.True(t, v.IsEmpty())
	assert.False(t, v.Has(clock.Dot{}))
	assert.True(t, v.Equal(clock.Up("a", 0)))
	assert.Equal(t, "{}", v.String())
}

func TestMergedVectorsShareNoMemory(t *testing.T) {
	a, b := clock.Up("a", 3), clock.Up("b", 3)
	b.Add(clock.Dot{Node: "b", Seq: 5})
	a.Merge(b)
	kept := a.String()
	for seq := uint64(1); seq < 20; seq++ {
		b.Add(clock.Dot{Node: "b", Seq: seq})
	}
	assert.Equal(t, kept, a.String())
	rest := a.Minus(clock.Vector{})
	rest.AddUp("b", 50)
	assert.Equal(t, kept, a.String())
}

func TestDotsInOrderCostNothing(t *testing.T) {
	v := clock.Up("a", 1)
	w := clock.Up("a", 1)
	next := uint64(1)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		next++
		v.Add(clock.Dot{Node: "a", Seq: next})
		v.Merge(w)
	}))
}

func TestVectorStopsYieldingWhenToldTo(t *testing.T) {
	v := clock.Up("a", 3)
	v.AddUp("b", 3)
	var nodes []clock.Node
	for n := range v.Runs() {
		nodes = append(nodes, n)
		break
	}
	assert.Equal(t, []clock.Node{"a"}, nodes)
}

func requireVectorRoundTrips(t *testing.T, v clock.Vector) []byte {
	t.Helper()
	packed, err := msgpack.Marshal(v)
	require.NoError(t, err)
	var got clock.Vector
	require.NoError(t, msgpack.Unmarshal(packed, &got))
	require.True(t, v.Equal(got), "%s became %s", v, got)
	again, err := msgpack.Marshal(got)
	require.NoError(t, err)
	require.Equal(t, packed, again, "equal vectors, equal bytes")
	return packed
}

// The bytes of this test are what replicas of other releases send.
func TestVectorBytesAreFrozen(t *testing.T) {
	v := clock.Up("eu", 3)
	v.AddUp("us", 2)
	v.Add(clock.Dot{Node: "us", Seq: 500})
	assert.Equal(t, []byte{0x92,
		0x93, 0xa2, 'e', 'u', 1, 3,
		0x95, 0xa2, 'u', 's', 1, 2, 0xcd, 0x01, 0xf4, 0xcd, 0x01, 0xf4,
	}, requireVectorRoundTrips(t, v))
	assert.Equal(t, []byte{0x90}, requireVectorRoundTrips(t, clock.Vector{}))
}

func TestVectorDecoderRefuses(t *testing.T) {
	kept := clock.Up("x", 1)
	eu := []byte{0xa2, 'e', 'u'}
	for name, b := range map[string][]byte{
		"nothing":              {},
		"nil":                  {0xc0},
		"4 Gi nodes":           {0xdd, 0xff, 0xff, 0xff, 0xff},
		"4 Gi runs":            slices.Concat([]byte{0x91, 0xdd, 0xff, 0xff, 0xff, 0xff}, eu, []byte{1, 3}),
		"a node twice":         slices.Concat([]byte{0x92, 0x93}, eu, []byte{1, 3, 0x93}, eu, []byte{5, 6}),
		"nodes out of order":   slices.Concat([]byte{0x92, 0x93}, eu, []byte{1, 3, 0x93, 0xa1, 'a', 5, 6}),
		"no runs":              slices.Concat([]byte{0x91, 0x91}, eu),
		"half a second run":    slices.Concat([]byte{0x91, 0x94}, eu, []byte{1, 3, 5, 7}),
		"half a run":           slices.Concat([]byte{0x91, 0x92}, eu, []byte{1}),
		"a nil entry":          {0x91, 0xc0},
		"an empty entry":       {0x91, 0x90},
		"a run from 0":         slices.Concat([]byte{0x91, 0x93}, eu, []byte{0, 3}),
		"a run backwards":      slices.Concat([]byte{0x91, 0x93}, eu, []byte{3, 1}),
		"runs that touch":      slices.Concat([]byte{0x91, 0x95}, eu, []byte{1, 3, 4, 5}),
		"runs that overlap":    slices.Concat([]byte{0x91, 0x95}, eu, []byte{1, 3, 3, 5}),
		"runs out of order":    slices.Concat([]byte{0x91, 0x95}, eu, []byte{7, 9, 1, 3}),
		"a negative number":    slices.Concat([]byte{0x91, 0x93}, eu, []byte{1, 0xff}),
		"a node of no name":    {0x91, 0x93, 0xa0, 1, 3},
		"a node with a space":  {0x91, 0x93, 0xa2, 'e', ' ', 1, 3},
		"a node of 4 GiB":      {0x91, 0x93, 0xdb, 0xff, 0xff, 0xff, 0xff, 'e'},
		"a run after the last": slices.Concat([]byte{0x91, 0x95}, eu, bytes.Repeat([]byte{0xcf, 255, 255, 255, 255, 255, 255, 255, 255}, 2), []byte{1, 2}),
	} {
		got := kept.Clone()
		assert.Error(t, got.DecodeMsgpack(msgpack.NewDecoder(bytes.NewReader(b))), name)
		assert.True(t, got.Equal(kept), name)
	}
	_, err := msgpack.Marshal(clock.Up("e u", 1))
	assert.ErrorIs(t, err, clock.ErrVector, "what could not be read is not written")
}

// Fifteen bytes that promise 4 Gi runs must not cost more than a few allocations.
func TestVectorDecoderTrustsNoLength(t *testing.T) {
	bomb := []byte{0xdd, 0xff, 0xff, 0xff, 0xff, 0xdd, 0xff, 0xff, 0xff, 0xff, 0xa2, 'e', 'u', 1, 2}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 1000 {
		var v clock.Vector
		require.Error(t, v.DecodeMsgpack(msgpack.NewDecoder(bytes.NewReader(bomb))))
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, (after.TotalAlloc-before.TotalAlloc)/1000, uint64(16<<10))
}

func TestRangeAndVectorText(t *testing.T) {
	v := clock.Up("eu", 3)
	v.AddUp("us", 2)
	v.Add(clock.Dot{Node: "us", Seq: 5})
	assert.Equal(t, "{eu:1-3 us:1-2,5-5}", v.String())
	more := v.Clone()
	more.Add(clock.Dot{Node: "us", Seq: 7})
	assert.Equal(t, "{eu:1-3 us:1-2,5-5,7-7}", more.String())
	assert.Equal(t, "5-5", clock.Range{First: 5, Last: 5}.String())
	assert.Equal(t, 1, strings.Count(v.String(), ","))
}

// Encoded as JSON, a vector was {} whatever it held: an operation lost what its writer had seen, and nobody was told.
func TestVectorSurvivesJSON(t *testing.T) {
	type operation struct {
		Dot  clock.Dot
		Seen clock.Vector
	}
	seen := clock.Up("eu:1}", 3)
	seen.AddRange("us", clock.Range{First: 5, Last: math.MaxUint64})
	seen.Add(clock.Dot{Node: "us", Seq: 2})
	for _, seen := range []clock.Vector{{}, clock.Up("eu", 1), seen} {
		text, err := json.Marshal(operation{clock.Dot{Node: "us", Seq: 6}, seen})
		require.NoError(t, err)
		read := operation{Seen: clock.Up("x", 1)}
		require.NoError(t, json.Unmarshal(text, &read))
		assert.True(t, read.Seen.Equal(seen), "%s", text)
	}
	text, err := json.Marshal(seen)
	require.NoError(t, err)
	assert.Equal(t, `"{eu:1}:1-3 us:2-2,5-18446744073709551615}"`, string(text))
	_, err = json.Marshal(clock.Up("e u", 1))
	assert.ErrorIs(t, err, clock.ErrVector, "what could not be read is not written")
}

func TestParseVectorTakesOneFormAlone(t *testing.T) {
	for _, text := range []string{
		"", "{", "}", "eu:1-3", "{eu:1-3", "{eu}", "{eu:}", "{eu:1}", "{eu:1-}", "{eu:-3}", "{eu:0-3}", "{eu:3-1}", "{eu:01-3}", "{eu:+1-3}",
		"{eu:1-3,}", "{eu:1-3,4-5}", "{eu:1-3,3-5}", "{eu:7-9,1-3}", "{eu:1-3 eu:5-6}", "{us:1-3 eu:1-3}", "{eu:1-3  us:1-3}", "{eu:1-3 }",
		"{ eu:1-3}", "{:1-3}", "{e<u:1-3}", "{eu:1-18446744073709551616}", "{eu:1-3-5}", "{eu:1-3}\n", "{eu:1-3}}",
	} {
		kept := clock.Up("x", 1)
		require.ErrorIs(t, kept.UnmarshalText([]byte(text)), clock.ErrVector, text)
		assert.True(t, kept.Equal(clock.Up("x", 1)), text)
	}
}

// A vector is made of runs in its own order alone: of any others neither a new vector nor one that is used again holds anything.
func TestVectorOfRunsInAnotherOrder(t *testing.T) {
	run := func(node clock.Node, first, last uint64) clock.Run {
		return clock.Run{Node: node, Range: clock.Range{First: first, Last: last}}
	}
	for name, runs := range map[string][]clock.Run{
		"no node":                   {run("", 1, 2)},
		"a dot without a number":    {run("a", 0, 2)},
		"an empty run":              {run("a", 3, 2)},
		"an empty run after others": {run("a", 1, 2), run("b", 3, 2)},
		"nodes that descend":        {run("b", 1, 2), run("a", 1, 2)},
		"runs that descend":         {run("a", 5, 6), run("a", 1, 2)},
		"runs that overlap":         {run("a", 1, 3), run("a", 3, 5)},
		"runs that touch":           {run("a", 1, 3), run("a", 4, 5)},
		"a node that comes back":    {run("a", 1, 3), run("b", 4, 5), run("a", 7, 8)},
	} {
		v, ok := clock.VectorOf(runs)
		assert.False(t, ok, name)
		assert.True(t, v.IsEmpty(), name)
		used := clock.Up("a", 9)
		assert.False(t, used.SetRuns(runs), name)
		assert.True(t, used.IsEmpty(), name)
		assert.False(t, new(clock.Vector).SetRuns(runs), name)
	}
	v, ok := clock.VectorOf([]clock.Run{run("a", 1, 3), run("a", 5, 5)})
	assert.True(t, ok)
	assert.Equal(t, "{a:1-3,5-5}", v.String())
	for _, runs := range [][]clock.Run{nil, {}} {
		v, ok := clock.VectorOf(runs)
		assert.True(t, ok)
		assert.True(t, v.IsEmpty())
		used := clock.Up("a", 9)
		assert.True(t, used.SetRuns(runs))
		assert.True(t, used.IsEmpty())
	}
}
