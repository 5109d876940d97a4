package crdt

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tiebreakhq/tiebreak/clock"
)

func TestARemoveThatOvertakesItsAddStillRemovesIt(t *testing.T) {
	var s ORSet[string]
	add := clock.Dot{Node: "us", Seq: 1}
	s.RemoveAt(clock.Dot{Node: "eu", Seq: 1}, "apple", clock.Up("us", 1))
	changed, err := s.AddAt(add, "apple", clock.Vector{})
	require.NoError(t, err)
	assert.True(t, changed, "the add has been seen now")
	assert.False(t, s.Has("apple"))
	assert.Empty(t, s.state.body.waiting.rows, "nothing is left to wait for")
}

func TestARemoveThatOvertakesDoesNotTouchOtherElements(t *testing.T) {
	var s ORSet[string]
	s.RemoveAt(clock.Dot{Node: "eu", Seq: 1}, "apple", clock.Up("us", 1))
	must(s.AddAt(clock.Dot{Node: "us", Seq: 1}, "pear", clock.Vector{}))
	assert.Equal(t, []string{"pear"}, s.Elements())
	assert.Empty(t, s.state.body.waiting.rows)
}

// The dots of a log number the writes to all keys, so a set would wait for dots that are none of its business.
func TestNoteEndsTheWaitForDotsThatAreNotForUs(t *testing.T) {
	var s ORSet[int]
	for i := range 100 {
		must(s.AddAt(clock.Dot{Node: "us", Seq: uint64(10*i) + 10}, i, clock.Up("us", uint64(10*i)+9)))
	}
	long := len(must(s.Encode(nil, Int[int]())))
	assert.NotEmpty(t, s.state.body.waiting.rows)
	s.Note(clock.Up("us", 1000))
	assert.Empty(t, s.state.body.waiting.rows)
	assert.Less(t, len(must(s.Encode(nil, Int[int]()))), long/3)
	assert.Equal(t, 100, s.Len())

	var w RWSet[int]
	must(w.AddAt(clock.Dot{Node: "us", Seq: 2}, 1, clock.Up("us", 1)))
	w.Note(clock.Up("us", 2))
	assert.Empty(t, w.state.body.waiting.rows)
	var m Map[string, EWFlag]
	must(m.WriteAt("k", clock.Dot{Node: "us", Seq: 2}, clock.Up("us", 1), func(f *EWFlag) { f.EnableAt(clock.Dot{Node: "us", Seq: 2}, clock.Up("us", 1)) }))
	assert.NotEmpty(t, m.state.body.waiting.rows)
	m.Note(clock.Up("us", 2))
	assert.Empty(t, m.state.body.waiting.rows)
	for _, note := range []func(clock.Vector) clock.Vector{
		func(v clock.Vector) clock.Vector { var f EWFlag; f.Note(v); return f.Seen() },
		func(v clock.Vector) clock.Vector { var f DWFlag; f.Note(v); return f.Seen() },
		func(v clock.Vector) clock.Vector { var r MVRegister[int]; r.Note(v); return r.Seen() },
		func(v clock.Vector) clock.Vector { var c ResetCounter; c.Note(v); return c.Seen() },
		func(v clock.Vector) clock.Vector { var l AppendLog[int]; l.Note(v); return l.Seen() },
		func(v clock.Vector) clock.Vector { var s ORSet[int]; s.Note(v); return s.Seen() },
		func(v clock.Vector) clock.Vector { return m.Seen() },
		func(v clock.Vector) clock.Vector { return w.Seen() },
	} {
		assert.True(t, note(clock.Up("us", 2)).Equal(clock.Up("us", 2)))
	}
}

// An operation whose context held its own dot made a delta that removed what it brought.
func TestAnOperationThatHasSeenItselfStillCounts(t *testing.T) {
	d := clock.Dot{Node: "us", Seq: 3}
	var delta, s ORSet[string]
	must(delta.AddAt(d, "x", clock.Up("us", 3)))
	s.Merge(delta)
	assert.Equal(t, []string{"x"}, s.Elements())
	assert.False(t, s.Merge(delta))
	assert.False(t, must(s.AddAt(d, "x", clock.Up("us", 3))))
	assert.False(t, must(delta.AddAt(d, "x", clock.Up("us", 3))))
	assert.Equal(t, []string{"x"}, s.Elements(), "when it comes again too")
	assert.Equal(t, []string{"x"}, delta.Elements())
	var m, n Map[string, MVRegister[string]]
	write := func(r *MVRegister[string]) { _, _ = r.WriteAt(d, "x", clock.Up("us", 3)) }
	must(m.WriteAt("k", d, clock.Up("us", 3), write))
	n.Merge(m)
	assert.True(t, n.Has("k"))
	assert.True(t, n.Equal(m))
}

func TestAnOperationAndItsDeltaDoTheSame(t *testing.T) {
	seen := clock.Up("us", 2)
	d := clock.Dot{Node: "eu", Seq: 1}
	var s, delta ORSet[string]
	must(s.AddAt(clock.Dot{Node: "us", Seq: 2}, "x", clock.Vector{}))
	byDelta := s.Clone()
	must(s.AddAt(d, "x", seen))
	must(delta.AddAt(d, "x", seen))
	assert.True(t, byDelta.Merge(delta))
	assert.True(t, s.Equal(byDelta))
	assert.Equal(t, 1, s.state.body.len(), "the add has replaced the one it had seen")
}

func TestDeltasShareNoMemoryWithTheState(t *testing.T) {
	var s ORSet[string]
	must(s.Add("us", "x"))
	must(s.Add("eu", "x"))
	delta := must(s.Add("us", "x"))
	before := must(delta.Encode(nil, Text[string]()))
	for range 10 {
		must(s.Add("us", "x"))
		s.Remove("x")
	}
	assert.Equal(t, before, must(delta.Encode(nil, Text[string]())))

	var m Map[string, ORSet[string]]
	add := func(s *ORSet[string]) (ORSet[string], error) { return s.Add("us", "x") }
	d := must(m.Write("k", add))
	other := d.Clone()
	must(other.Write("k", add))
	var peer Map[string, ORSet[string]]
	peer.Merge(d)
	before = must(d.Encode(nil, Text[string](), ORSets(Text[string]())))
	must(peer.Write("k", add))
	must(m.Write("k", add))
	peer.Merge(other)
	assert.Equal(t, before, must(d.Encode(nil, Text[string](), ORSets(Text[string]()))))
}

func TestClonesShareNoMemory(t *testing.T) {
	var c ResetCounter
	c.Add("us", DecimalOf(1))
	copied := c.Clone()
	c.Add("us", DecimalOf(2))
	copied.Add("us", DecimalOf(4))
	assert.Equal(t, "3", c.Value().String())
	assert.Equal(t, "5", copied.Value().String())
}

func TestAWriteWithoutANodePanicsWithAdvice(t *testing.T) {
	for name, write := range map[string]func(){
		"ORSet":           func() { _, _ = new(ORSet[int]).Add("", 1) },
		"GCounter":        func() { _, _ = new(GCounter).Add("", DecimalOf(1)) },
		"PNCounter":       func() { _, _ = new(PNCounter).Add("", DecimalOf(1)) },
		"an add of stock": func() { _, _ = new(BoundedCounter).Add("", DecimalOf(1)) },
		"a take":          func() { _, _ = new(BoundedCounter).Take("", Decimal{}) },
		"a transfer from": func() { _, _ = new(BoundedCounter).Transfer("", "us", Decimal{}) },
		"a transfer to":   func() { _, _ = new(BoundedCounter).Transfer("us", "", Decimal{}) },
		"IDs":             func() { _, _ = new(IDs).Next() },
	} {
		assert.PanicsWithValue(t, "crdt: a write needs the name of its node; two nameless writers would be taken for one", write, name)
	}
}

func TestElementsThatOnlyOneProcessCanOrderPanicWithAdvice(t *testing.T) {
	var s GSet[*int]
	must(s.Add(new(int)))
	must(s.Add(new(int)))
	const advice = "crdt: values of type %s have no order that all replicas share; keep plain data such as strings, numbers and structs of them"
	assert.PanicsWithValue(t, fmt.Sprintf(advice, "*int"), func() { s.Elements() })
	var mixed GSet[any] // it panicked for what it found inside, and not with advice
	must(mixed.Add(1))
	must(mixed.Add("one"))
	assert.PanicsWithValue(t, fmt.Sprintf(advice, "interface {}"), func() { mixed.Elements() })
}

func TestAValueOfAMapEncodedByItselfPanicsWithAdvice(t *testing.T) {
	var m Map[string, ORSet[string]]
	must(m.Write("k", func(s *ORSet[string]) (ORSet[string], error) { return s.Add("us", "x") }))
	s, _ := m.Get("k")
	assert.PanicsWithValue(t, "crdt: content of a dot that was never seen; a value from Map.Get can't be encoded by itself: encode the map",
		func() { _, _ = s.Encode(nil, Text[string]()) })
}

func TestElementsAreListedInTheirOrder(t *testing.T) {
	type name string
	type point struct {
		x int16
		y [2]uint8
		z bool
	}
	inOrder(t, "", "B", "a", "aa", "ä")
	inOrder(t, name("a"), name("b"))
	inOrder(t, -5, 0, 3)
	inOrder(t, int64(math.MinInt64), 0, math.MaxInt64)
	inOrder(t, uint64(0), math.MaxUint64)
	inOrder(t, int8(-1), 0, 1)
	inOrder(t, uint8(0), 200)
	inOrder(t, math.Inf(-1), -1, 0.5, math.Inf(1))
	inOrder(t, false, true)
	inOrder(t, complex(1, 2), complex(1, 3), complex(2, 0))
	inOrder(t, point{1, [2]uint8{1, 2}, false}, point{1, [2]uint8{1, 2}, true}, point{1, [2]uint8{1, 3}, false}, point{2, [2]uint8{}, false})
}

func inOrder[E comparable](t *testing.T, want ...E) {
	var s GSet[E]
	for i := range want {
		must(s.Add(want[len(want)-1-i]))
	}
	assert.Equal(t, want, s.Elements())
}

func TestALargeTableFindsWhatASmallOneDoes(t *testing.T) {
	var s ORSet[int]
	for i := range 50 {
		must(s.Add("us", i))
		assert.Equal(t, i+1, s.Len())
		assert.True(t, i < fewRows || s.state.body.held.slots != nil, "many are not walked over")
	}
	for i := range 50 {
		assert.True(t, s.Has(i))
		s.Remove(i)
		assert.False(t, s.Has(i))
		assert.Equal(t, 49-i, s.Len())
	}
	assert.Empty(t, s.Elements())
}

// A walk over the whole state for every delta made a set of 100,000 elements take 60 ms for one.
func TestASmallDeltaIsMergedWithoutAWalk(t *testing.T) {
	all := elements(0, 1000)
	s := orSetOf("us", all)
	peer := s.Clone()
	for _, delta := range []ORSet[string]{must(peer.Add("eu", "new")), must(peer.Add("us", all[3])), peer.Remove(all[4]), must(peer.Add("eu", all[5]))} {
		assert.False(t, s.state.body.mayDrop(&delta.state.body, &s.state.seen, &delta.state.seen))
		s.Merge(delta)
	}
	assert.True(t, s.Equal(peer))
	var m Map[string, MVRegister[int]]
	write := func(r *MVRegister[int]) (MVRegister[int], error) { return r.Write("us", 1) }
	for _, k := range all {
		must(m.Write(k, write))
	}
	other := m.Clone()
	delta := must(m.Write(all[0], write))
	assert.False(t, other.state.body.mayDrop(&delta.state.body, &other.state.seen, &delta.state.seen))

	// A clear of more than a few is a walk; so is what a peer has removed that we have.
	delta2 := peer.Clear()
	assert.True(t, s.state.body.mayDrop(&delta2.state.body, &s.state.seen, &delta2.state.seen))
	s.Merge(delta2)
	assert.Zero(t, s.Len())
}

func TestADeltaThatComesAgainIsMergedWithoutASecondWalk(t *testing.T) {
	all := elements(0, 1000)
	s := orSetOf("us", all)
	peer := s.Clone()
	late := must(peer.Add("eu", all[3]))
	s.Merge(late)
	s.Merge(must(peer.Add("eu", all[3])))
	mayDrop := func(delta ORSet[string]) bool {
		return s.state.body.mayDrop(&delta.state.body, &s.state.seen, &delta.state.seen)
	}
	assert.True(t, mayDrop(late), "its dot may be under another key, by another writer of the name")
	before := s.Clone()
	assert.False(t, s.Merge(late))
	assert.False(t, mayDrop(late))
	assert.False(t, s.Merge(late))
	assert.True(t, s.Equal(before))

	same := must(s.Add("us", "x"))
	s.Merge(same)
	assert.False(t, mayDrop(same))
	s.Remove("x")
	s.Merge(same)
	assert.False(t, mayDrop(same))
	assert.False(t, s.Has("x"))
}

func TestManyNewDeltasAtOnceAreMergedWithoutAWalk(t *testing.T) {
	s := orSetOf("us", elements(0, 1000))
	group := orSetOf("eu", elements(0, 500))
	assert.False(t, s.state.body.mayDrop(&group.state.body, &s.state.seen, &group.state.seen))
	s.Merge(*group)
	assert.Equal(t, 1000, s.Len())
	assert.True(t, s.state.body.mayDrop(&group.state.body, &s.state.seen, &group.state.seen), "they were seen now")
}

func TestAResetUndoesWhatItHadSeenAndNoMore(t *testing.T) {
	var us, eu, ap ResetCounter
	five := us.Add("us", DecimalOf(5))
	eu.Merge(five)
	three := ap.Add("ap", DecimalOf(3))
	reset := eu.Reset()
	for _, c := range []*ResetCounter{&us, &eu, &ap} {
		c.Merge(reset) // before what it undoes, at ap
		c.Merge(three)
		c.Merge(five)
		assert.Equal(t, "3", c.Value().String())
	}
}

func TestIncrementsOfOneNodeAppendWithoutAllocating(t *testing.T) {
	var c ResetCounter
	for i := range uint64(1000) {
		c.AddAt(clock.Dot{Node: "us", Seq: i + 1}, DecimalOf(1))
	}
	seq := uint64(1000)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		seq++
		c.AddAt(clock.Dot{Node: "us", Seq: seq}, DecimalOf(1))
	}))
}

func TestAnIncrementWithoutADotIsNotCounted(t *testing.T) {
	var c ResetCounter
	assert.False(t, c.AddAt(clock.Dot{}, DecimalOf(1)))
	assert.True(t, c.Equal(ResetCounter{}))
}

func TestASettledCounterMergesWithUnsettledOnes(t *testing.T) {
	var us, eu ResetCounter
	for range 5 {
		eu.Merge(us.Add("us", DecimalOf(2)))
		us.Merge(eu.Add("eu", DecimalOf(1)))
	}
	old := us.Clone()
	us.Settle(us.Seen())
	assert.Equal(t, "15", us.Value().String())
	assert.Equal(t, 2, len(us.state.body.nodes))
	assert.Zero(t, us.state.body.nodes[0].added.Len())
	assert.False(t, us.Merge(old), "what is settled is not counted again")
	assert.Equal(t, "15", us.Value().String())
	assert.True(t, eu.Merge(us), "it adopts the sums")
	assert.True(t, eu.Equal(us))
	assert.Equal(t, "15", eu.Value().String())

	more := eu.Add("eu", DecimalOf(10))
	us.Merge(more)
	old.Merge(more)
	old.Merge(us)
	assert.True(t, old.Equal(us))
	assert.Equal(t, "25", old.Value().String())
}

func TestAResetUndoesASettledSumAsAWhole(t *testing.T) {
	var us ResetCounter
	for range 5 {
		us.Add("us", DecimalOf(2))
	}
	eu := us.Clone()
	us.Settle(us.Seen())
	us.Add("us", DecimalOf(7))
	reset := eu.Reset() // has seen the five, not the seven
	for _, c := range []ResetCounter{us.Clone(), eu.Clone()} {
		c.Merge(reset)
		c.Merge(us)
		assert.Equal(t, "7", c.Value().String())
		c.Merge(eu)
		assert.Equal(t, "7", c.Value().String())
	}
	us.Merge(reset)
	late := clock.Up("us", 3)
	assert.False(t, us.ResetAt(clock.Dot{}, late), "a reset that came again")
	assert.Equal(t, "7", us.Value().String())
}

func TestAResetOfAPartOfASettledSumUndoesNothing(t *testing.T) {
	var us ResetCounter
	for range 5 {
		us.Add("us", DecimalOf(2))
	}
	us.Settle(clock.Up("us", 4))
	us.ResetAt(clock.Dot{}, clock.Up("us", 3)) // breaks the promise of Settle
	assert.Equal(t, "10", us.Value().String())
	us.ResetAt(clock.Dot{}, clock.Up("us", 4))
	assert.Equal(t, "2", us.Value().String())
}

// Sums of unequal reach, and increments of one dot with two amounts, come to one state whoever merges whom, and say so.
func TestSettledCountersMergeTheSameEitherWay(t *testing.T) {
	of := func(upTo uint64, amounts ...int64) (c ResetCounter) {
		for i, n := range amounts {
			c.AddAt(clock.Dot{Node: "us", Seq: uint64(i) + 1}, DecimalOf(n))
		}
		c.Settle(clock.Up("us", upTo))
		return c
	}
	reset := of(3, 1, 1, 1)
	reset.Reset()
	partly := of(0, 1, 1, 1, 1)
	partly.ResetAt(clock.Dot{}, clock.Up("us", 2))
	many := of(0, 2, 2)
	many.AddAt(clock.Dot{Node: "eu", Seq: 1}, DecimalOf(5))
	states := []ResetCounter{{}, of(0, 1), of(1, 1), of(0, 1, 1, 1), of(2, 1, 1, 1), of(3, 1, 1, 1), of(3, 1, 1, 1, 4), reset, many,
		of(0, 7, 1, 1), of(0, 1, 7, 1), of(3, 1, 1, 5)}
	for i := range states {
		for j := range states {
			here, there := states[i].Clone(), states[j].Clone()
			before := must(here.Encode(nil))
			changed := here.Merge(states[j])
			there.Merge(states[i])
			require.Equal(t, string(must(here.Encode(nil))) != string(before), changed, "%d and %d", i, j)
			require.True(t, here.Equal(there), "%d and %d: %s and %s", i, j, here.Value(), there.Value())
			require.False(t, here.Merge(states[j]))
			require.Equal(t, i == j, states[i].Equal(states[j]), "%d and %d", i, j)
			var read ResetCounter
			require.NoError(t, read.Decode(must(here.Encode(nil)), Limits{}))
			require.True(t, read.Equal(here) && read.Value().Equal(here.Value()))
		}
	}
	settled := of(2, 1, 2)
	assert.False(t, settled.AddAt(clock.Dot{Node: "us", Seq: 1}, DecimalOf(9)), "it is folded")
	assert.True(t, many.AddAt(clock.Dot{Node: "us", Seq: 1}, DecimalOf(9)))
	assert.Equal(t, "16", many.Value().String())
	assert.False(t, many.AddAt(clock.Dot{Node: "us", Seq: 1}, DecimalOf(9)))
	assert.False(t, reset.AddAt(clock.Dot{Node: "us", Seq: 1}, DecimalOf(9)), "it is undone")
	assert.Equal(t, "2", partly.Value().String())
	var stable ResetCounter
	stable.Settle(clock.Up("eu", 4))
	assert.Equal(t, "{eu:1-4}", stable.Seen().String(), "what is stable has arrived, or never will")
	sum := of(3, 1, 1, 1)
	undone := sum.Reset()
	assert.Equal(t, "{us:1-3}", undone.Seen().String(), "a reset undoes a sum")
	assert.Equal(t, "0", sum.Value().String())
}

func TestSettlingFurtherFoldsTheRest(t *testing.T) {
	var us ResetCounter
	for range 6 {
		us.Add("us", DecimalOf(1))
	}
	less, more := us.Clone(), us.Clone()
	less.Settle(clock.Up("us", 2))
	more.Settle(clock.Up("us", 4))
	a, b := less.Clone(), more.Clone()
	a.Merge(more)
	b.Merge(less)
	assert.True(t, a.Equal(b))
	assert.True(t, a.Equal(more))
	less.Settle(clock.Up("us", 4))
	assert.True(t, less.Equal(more))
	assert.Equal(t, "6", less.Value().String())
	var holes clock.Vector
	holes.Add(clock.Dot{Node: "us", Seq: 6})
	less.Settle(holes)
	assert.True(t, less.Equal(more), "only as far as there are no holes")
}

func TestForgetTakesAwayRemovesThatNobodyCanMissAnyMore(t *testing.T) {
	var us, eu RWSet[string]
	add := must(us.Add("us", "x"))
	eu.Merge(add)
	us.Merge(must(eu.Remove("eu", "x")))
	us.Merge(must(eu.Add("eu", "y")))
	us.Forget(clock.Vector{})
	assert.Len(t, us.state.body.held.rows, 2, "not stable yet")
	us.Forget(us.Seen())
	assert.Len(t, us.state.body.held.rows, 1)
	assert.Equal(t, []string{"y"}, us.Elements())
	eu.Merge(us)
	assert.True(t, eu.Equal(us))
	assert.False(t, us.Merge(add), "an add that the remove had seen stays away")
	assert.Equal(t, []string{"y"}, us.Elements())
}

func TestForgetKeepsARemoveThatStillBeatsAnAdd(t *testing.T) {
	var us, eu RWSet[string]
	must(us.Add("us", "x"))
	must(eu.Remove("eu", "x"))
	us.Merge(eu)
	us.Forget(clock.Up("eu", 1))
	assert.Empty(t, us.Elements(), "the add is not stable")
	us.Forget(us.Seen())
	assert.Empty(t, us.Elements())
	assert.Empty(t, us.state.body.held.rows)
}

func TestStockIsNeverSoldTwice(t *testing.T) {
	var us, eu BoundedCounter
	must(us.Add("us", DecimalOf(10)))
	transfer := must(us.Transfer("us", "eu", DecimalOf(4)))
	_, err := eu.Take("eu", DecimalOf(1))
	require.ErrorIs(t, err, ErrRights, "it has not heard of the transfer")
	eu.Merge(transfer)
	taken := must(eu.Take("eu", DecimalOf(4)))
	_, err = eu.Take("eu", must(ParseDecimal("0.1")))
	require.ErrorIs(t, err, ErrRights)
	_, err = us.Take("us", DecimalOf(7))
	require.ErrorIs(t, err, ErrRights)
	_, err = us.Transfer("us", "eu", DecimalOf(7))
	require.ErrorIs(t, err, ErrRights)
	must(us.Take("us", DecimalOf(6)))
	us.Merge(eu)
	assert.Equal(t, "0", us.Value().String())

	var ap BoundedCounter
	ap.Merge(taken)
	assert.Equal(t, "0", ap.Value().String(), "not -4, before the transfer arrives")
	assert.Equal(t, "-4", ap.Rights("eu").String())
	ap.Merge(us)
	assert.Equal(t, "0", ap.Value().String())
}

func TestAmountsThatMakeNoSenseAreRefused(t *testing.T) {
	huge := must(ParseDecimal("9" + strings.Repeat("0", 9_999)))
	var g GCounter
	_, err := g.Add("us", DecimalOf(-1))
	require.ErrorIs(t, err, ErrAmount)
	must(g.Add("us", huge))
	_, err = g.Add("us", huge)
	require.ErrorIs(t, err, ErrOverflow)
	assert.Equal(t, huge, g.Value(), "it has not changed")
	assert.Equal(t, huge, g.Of("us"))

	var p PNCounter
	must(p.Add("us", huge.Neg()))
	_, err = p.Add("us", huge.Neg())
	require.ErrorIs(t, err, ErrOverflow)
	assert.Equal(t, huge.Neg(), p.Of("us"))

	var b BoundedCounter
	_, err = b.Add("us", DecimalOf(-1))
	require.ErrorIs(t, err, ErrAmount)
	_, err = b.Take("us", DecimalOf(-1))
	require.ErrorIs(t, err, ErrAmount)
	for _, to := range []clock.Node{"eu", "us"} {
		_, err = b.Transfer("us", to, DecimalOf(-1))
		require.ErrorIs(t, err, ErrAmount)
	}
	must(b.Add("us", huge))
	_, err = b.Add("us", huge)
	require.ErrorIs(t, err, ErrOverflow)
	assert.Equal(t, huge, b.Value())
	must(b.Add("eu", huge))
	must(b.Transfer("eu", "us", huge))
	must(b.Take("us", huge))
	_, err = b.Take("us", huge)
	require.ErrorIs(t, err, ErrOverflow, "it has the rights, and no frame would hold what it took")
	assert.Equal(t, huge, b.Value())
}

func TestNothingIsAddedByZero(t *testing.T) {
	var g GCounter
	must(g.Add("us", Decimal{}))
	assert.True(t, g.Equal(GCounter{}))
	var p PNCounter
	must(p.Add("us", Decimal{}))
	assert.True(t, p.Equal(PNCounter{}))
	must(p.Add("us", DecimalOf(5)))
	delta := must(p.Add("us", Decimal{}))
	assert.True(t, delta.Equal(PNCounter{}))
	var b BoundedCounter
	must(b.Add("us", Decimal{}))
	must(b.Take("us", Decimal{}))
	must(b.Transfer("us", "eu", Decimal{}))
	assert.True(t, b.Equal(BoundedCounter{}))
	must(b.Add("us", DecimalOf(2)))
	before := b.Clone()
	must(b.Transfer("us", "us", DecimalOf(2)))
	assert.True(t, b.Equal(before), "to oneself")
}

func TestALatticeRegisterRefusesWhatItsOrderDoesNotName(t *testing.T) {
	r := LatticeRegister[string]{Order: []string{"new", "open"}}
	_, err := r.Write("closed")
	require.ErrorIs(t, err, ErrUndeclared)
	newer := LatticeRegister[string]{Order: []string{"new", "open", "closed"}}
	must(newer.Write("closed"))
	assert.True(t, r.Merge(newer), "better than nothing")
	must(r.Write("new"))
	v, _ := r.Value()
	assert.Equal(t, "new", v)
}

func TestExtremesTakeZeroWithoutItsSign(t *testing.T) {
	var a, b MaxRegister[float64]
	must(a.Write(0))
	must(b.Write(math.Copysign(0, -1)))
	v, ok := b.Value()
	assert.True(t, ok)
	assert.False(t, math.Signbit(v))
	assert.True(t, a.Equal(b))
}

func TestTrimDropsWhatIsOldNowAndLater(t *testing.T) {
	at := func(wall int64) clock.Timestamp { return clock.Timestamp{Wall: wall} }
	var us, eu AppendLog[string]
	for i, v := range []string{"a", "b", "c"} {
		must(us.Append("us", at(int64(i)), v))
	}
	late := must(eu.Append("eu", at(0), "late"))
	trim := must(us.Trim(at(2)))
	assert.Equal(t, []string{"c"}, us.Values())
	us.Merge(late)
	assert.Equal(t, []string{"c"}, us.Values())
	eu.Merge(trim)
	eu.Merge(us)
	assert.True(t, eu.Equal(us))
	must(us.Trim(at(1)))
	assert.Equal(t, at(2), us.From())
	_, err := us.Trim(at(-1))
	require.ErrorIs(t, err, clock.ErrTime)
	_, err = us.Append("us", at(math.MaxInt64), "x")
	require.ErrorIs(t, err, clock.ErrTime)
	_, err = us.AppendAt(clock.Dot{}, at(1), "x")
	require.ErrorIs(t, err, clock.ErrDot)
}

func TestLongLogsMergeLikeShortOnes(t *testing.T) {
	var us, eu AppendLog[int]
	for i := range 100 {
		must(us.Append("us", clock.Timestamp{Wall: int64(2 * i)}, i))
		must(eu.Append("eu", clock.Timestamp{Wall: int64(3 * i)}, i))
	}
	half, one := us.Clone(), us.Clone()
	for _, e := range eu.Entries() {
		must(one.AppendAt(e.Dot, e.Time, e.Value))
	}
	assert.True(t, us.Merge(eu))
	assert.True(t, us.Equal(one))
	assert.False(t, us.Merge(eu))
	assert.Equal(t, 200, us.Len())
	assert.True(t, eu.Merge(half), "the other way around, where what comes ends first")
	assert.True(t, eu.Equal(us))
	trimmed := us.Clone()
	must(trimmed.Trim(clock.Timestamp{Wall: 100}))
	want := trimmed.Clone()
	trimmed.Merge(eu)
	assert.True(t, trimmed.Equal(want))
	assert.True(t, eu.Merge(trimmed), "it has nothing new but the trim")
	assert.True(t, eu.Equal(want))
	must(trimmed.Trim(clock.Timestamp{Wall: 1000}))
	assert.False(t, trimmed.Merge(us), "all of it is too old")
	assert.Zero(t, trimmed.Len())
}

func TestACounterInAMapIsTakenBackOnlyAsFarAsItWasSeen(t *testing.T) {
	add := func(n int64, node clock.Node) func(c *ResetCounter) (ResetCounter, error) {
		return func(c *ResetCounter) (ResetCounter, error) { return c.Add(node, DecimalOf(n)), nil }
	}
	var us, eu Map[string, ResetCounter]
	must(us.Write("likes", add(5, "us")))
	eu.Merge(us)
	removed := us.Remove("likes")
	must(eu.Write("likes", add(4, "eu")))
	eu.Merge(removed)
	us.Merge(eu)
	c, ok := us.Get("likes")
	assert.True(t, ok)
	assert.Equal(t, "4", c.Value().String())
	assert.True(t, us.Equal(eu))

	must(us.Delete("us", "likes")) // delete wins
	must(eu.Write("likes", add(1, "eu")))
	us.Merge(eu)
	eu.Merge(us)
	assert.False(t, us.Has("likes"))
	assert.True(t, us.Equal(eu))
	must(eu.Write("likes", add(9, "eu")))
	us.Merge(eu)
	c, _ = us.Get("likes")
	assert.Equal(t, "9", c.Value().String())
	assert.Equal(t, 1, us.Len())
}

// A delete could travel as a delta only, and what a log delivered under a deleted key was lost.
func TestADeleteTravelsThroughALog(t *testing.T) {
	var us, eu, ap Map[string, ORSet[string]]
	var seen clock.Vector
	add := func(m *Map[string, ORSet[string]], d clock.Dot, e string, seen clock.Vector) {
		must(m.WriteAt("k", d, seen, func(s *ORSet[string]) { must(s.AddAt(d, e, seen)) }))
	}
	first, deleted, later := clock.Dot{Node: "us", Seq: 1}, clock.Dot{Node: "us", Seq: 2}, clock.Dot{Node: "eu", Seq: 1}
	unaware := clock.Dot{Node: "ap", Seq: 1}
	for i, m := range []*Map[string, ORSet[string]]{&us, &eu, &ap} {
		steps := []func(){
			func() { add(m, first, "first", seen) },
			func() { add(m, unaware, "unaware", seen) },
			func() { assert.True(t, must(m.DeleteAt(deleted, "k"))) },
		}
		for j := range steps {
			steps[(i+j)%3]()
		}
		assert.False(t, m.Has("k"))
		assert.False(t, must(m.DeleteAt(deleted, "k")), "a second time")
		add(m, later, "later", clock.Up("us", 2))
		s, _ := m.Get("k")
		assert.Equal(t, []string{"later"}, s.Elements())
	}
	assert.True(t, us.Equal(eu) && eu.Equal(ap))

	var byDelta, delta Map[string, ORSet[string]]
	add(&byDelta, first, "first", seen)
	add(&byDelta, unaware, "unaware", seen)
	must(delta.DeleteAt(deleted, "k"))
	byDelta.Merge(delta)
	assert.False(t, byDelta.Has("k"))
	assert.False(t, must(byDelta.DeleteAt(clock.Dot{}, "k")), "without a dot it is none")
	var numbers Map[float64, EWFlag]
	_, err := numbers.DeleteAt(first, math.NaN())
	require.ErrorIs(t, err, ErrNaN)
}

// A node that came back without its first write heard that it had been removed, and wrote again under the same dot: its map showed
// what every merge took away, even one with itself.
func TestADotThatAMapWaitsForIsGoneWhenItIsUsedAgain(t *testing.T) {
	add := func(s *ORSet[string]) (ORSet[string], error) { return s.Add("us", "x") }
	var us, back Map[string, ORSet[string]]
	must(us.Write("k", add))
	back.Merge(us.Remove("k"))
	delta := must(back.Write("k", add))
	assert.False(t, back.Has("k"))
	assert.False(t, back.Merge(back))
	assert.False(t, back.Merge(delta))
	assert.False(t, us.Merge(back))
	must(back.Write("k", add)) // under the second dot
	assert.True(t, back.Has("k"))

	var outer, again Map[string, Map[string, ORSet[string]]]
	within := func(m *Map[string, ORSet[string]]) (Map[string, ORSet[string]], error) { return m.Write("k", add) }
	must(outer.Write("a", within))
	again.Merge(outer.Remove("a"))
	must(again.Write("a", within))
	assert.False(t, again.Has("a") || again.Merge(again))
}

func TestAFailedWriteChangesNothing(t *testing.T) {
	var m Map[string, ORSet[float64]]
	must(m.Write("k", func(s *ORSet[float64]) (ORSet[float64], error) { return s.Add("us", 1) }))
	before := m.Clone()
	boom := errors.New("boom")
	_, err := m.Write("k", func(*ORSet[float64]) (ORSet[float64], error) { return ORSet[float64]{}, boom })
	require.ErrorIs(t, err, boom)
	_, err = m.Write("other", func(s *ORSet[float64]) (ORSet[float64], error) { return s.Add("us", math.NaN()) })
	require.ErrorIs(t, err, ErrNaN)
	assert.True(t, m.Equal(before))
	must(m.Write("k", func(s *ORSet[float64]) (ORSet[float64], error) { return s.Add("us", 2) }))
	s, _ := m.Get("k")
	assert.Equal(t, []float64{1, 2}, s.Elements())
}

func TestOneMapOfEachKind(t *testing.T) {
	var flags Map[int, EWFlag]
	must(flags.Write(1, func(f *EWFlag) (EWFlag, error) { return f.Enable("us"), nil }))
	wireMap(t, flags, EWFlags())
	var strict Map[int, DWFlag]
	must(strict.Write(1, func(f *DWFlag) (DWFlag, error) { return f.Disable("us"), nil }))
	wireMap(t, strict, DWFlags())
	var sets Map[int, RWSet[int]]
	must(sets.Write(1, func(s *RWSet[int]) (RWSet[int], error) { return s.Remove("us", 5) }))
	wireMap(t, sets, RWSets(Int[int]()))
	var registers Map[int, MVRegister[int]]
	must(registers.Write(1, func(r *MVRegister[int]) (MVRegister[int], error) { return r.Write("us", 5) }))
	wireMap(t, registers, MVRegisters(Int[int]()))
	must(registers.Write(1, func(r *MVRegister[int]) (MVRegister[int], error) { return r.Clear(), nil }))
	assert.False(t, registers.Has(1))
	assert.Empty(t, registers.state.body.held.rows, "it leaves nothing behind")
	wireMap(t, registers, MVRegisters(Int[int]()))
}

func wireMap[V Nestable](t *testing.T, m Map[int, V], inner Inner[V]) {
	var read Map[int, V]
	require.NoError(t, read.Decode(must(m.Encode(nil, Int[int](), inner)), Int[int](), inner, Limits{}))
	assert.True(t, m.Equal(read))
	assert.Equal(t, m.Keys(), read.Keys())
	cleared := read.Clone()
	cleared.Clear()
	assert.Empty(t, cleared.Keys())
	deleted := read.Clone()
	must(deleted.Delete("us", 1))
	_, ok := deleted.Get(1)
	assert.False(t, ok || deleted.Has(1))
	assert.Zero(t, deleted.Len())
	assert.Empty(t, deleted.Keys())
	read.Merge(cleared)
	assert.Empty(t, read.Keys())
}

func TestIDsNeverRepeatAcrossRestarts(t *testing.T) {
	var stored uint64 // what survives
	reserve := func(upTo uint64) error { stored = upTo; return nil }
	issued := map[clock.Dot]bool{}
	var last uint64
	for range 5 { // restarts
		g := IDs{Node: "us", Reserve: reserve, Block: 10}
		g.Restore(stored)
		g.Restore(0)
		for range 25 {
			id, err := g.Next()
			require.NoError(t, err)
			require.False(t, issued[id])
			require.Greater(t, id.Seq, last)
			require.LessOrEqual(t, id.Seq, stored, "reserved before it is issued")
			issued[id], last = true, id.Seq
		}
	}
}

func TestNoIDIsIssuedThatCouldNotBeReserved(t *testing.T) {
	full := errors.New("disk full")
	fail := true
	var asked uint64
	g := IDs{Node: "us", Reserve: func(upTo uint64) error {
		asked = upTo
		if fail {
			return full
		}
		return nil
	}}
	_, err := g.Next()
	require.ErrorIs(t, err, full)
	fail = false
	id, err := g.Next()
	require.NoError(t, err)
	assert.Equal(t, uint64(1024), asked, "so many at a time, unless it is told otherwise")
	assert.Equal(t, clock.Dot{Node: "us", Seq: 1}, id)
}

func TestIDsEndBeforeTheyWrap(t *testing.T) {
	var reserved uint64
	g := IDs{Node: "us", Reserve: func(upTo uint64) error { reserved = upTo; return nil }}
	g.Restore(math.MaxUint64 - 1)
	id, err := g.Next()
	require.NoError(t, err)
	assert.Equal(t, uint64(math.MaxUint64), id.Seq)
	assert.Equal(t, uint64(math.MaxUint64), reserved)
	_, err = g.Next()
	require.ErrorIs(t, err, ErrExhausted)
}

func TestIDsAreUniqueAmongGoroutines(t *testing.T) {
	g := IDs{Node: "us", Block: 7}
	var mu sync.Mutex
	issued := map[uint64]bool{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				id, _ := g.Next()
				mu.Lock()
				issued[id.Seq] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	assert.Len(t, issued, 2000)
}

func TestNextDotNeverWraps(t *testing.T) {
	var s ORSet[string]
	data := must(encode(nil, "ORSet", func(w *writer) {
		w.array(2)
		w.array(2)
		w.text("us")
		w.array(2)
		w.uint(1)
		w.uint(MaxSeq)
		w.array(2)
		w.array(0)
		w.array(0)
	}))
	require.NoError(t, s.Decode(data, Text[string](), Limits{}))
	must(s.Add("us", "x"))
	assert.True(t, s.Has("x"), "a peer that has seen all there is does not stop us")
}

func TestEqualTellsStatesApartThatWaitForUnequalDots(t *testing.T) {
	var waits, idle, more ORSet[string]
	d := clock.Dot{Node: "eu", Seq: 1}
	waits.RemoveAt(d, "x", clock.Up("us", 1))
	more.RemoveAt(d, "x", clock.Up("us", 2))
	idle.RemoveAt(d, "x", clock.Vector{})
	assert.False(t, waits.Equal(idle))
	assert.False(t, idle.Equal(waits))
	assert.False(t, waits.Equal(more))
	assert.False(t, more.Equal(waits))
	assert.True(t, waits.Merge(more))
	assert.True(t, waits.Equal(more))
	assert.False(t, more.Merge(waits))
}

func TestTheNextDotIsAboveAllThatWereSeen(t *testing.T) {
	var r MVRegister[string]
	must(r.WriteAt(clock.Dot{Node: "us", Seq: 5}, "of an earlier life", clock.Vector{}))
	must(r.Write("us", "now"))
	assert.Equal(t, []Sibling[string]{{clock.Dot{Node: "us", Seq: 6}, "now"}}, r.Siblings())
}

func TestLargeSetsMergeToTheirUnionLessWhatWasRemoved(t *testing.T) {
	us := orSetOf("us", elements(0, 300))
	eu := us.Clone()
	for _, e := range elements(200, 300) {
		must(eu.Add("eu", e))
	}
	for _, e := range elements(50, 100) {
		us.Remove(e)
		eu.Remove(e)
	}
	for _, e := range elements(0, 50) {
		eu.Remove(e)
	}
	other := us.Clone()
	us.Merge(eu)
	eu.Merge(other)
	assert.Equal(t, elements(150, 350), us.Elements())
	assert.True(t, us.Equal(eu))
	for _, e := range elements(0, 500) {
		assert.Equal(t, e >= "element-00150", us.Has(e))
	}
}

// A remove that was forgotten while the add it beats was still on its way to some gave the add back.
func TestForgettingLeavesARemoveAsLongAsItBeatsAnAddThatNotAllHave(t *testing.T) {
	var s RWSet[string]
	_, err := s.RemoveAt(clock.Dot{Node: "us", Seq: 1}, "apple", clock.Vector{})
	require.NoError(t, err)
	_, err = s.AddAt(clock.Dot{Node: "eu", Seq: 1}, "apple", clock.Vector{})
	require.NoError(t, err)
	s.Forget(clock.Up("us", 1))
	require.False(t, s.Has("apple"))

	assert.Empty(t, s.state.body.held.rows[1:])
	var f DWFlag
	f.DisableAt(clock.Dot{Node: "us", Seq: 1}, clock.Vector{})
	f.EnableAt(clock.Dot{Node: "eu", Seq: 1}, clock.Vector{})
	f.Forget(clock.Up("us", 1))
	require.False(t, f.On())
	all := clock.Up("us", 1)
	all.AddUp("eu", 1)
	f.Forget(all)
	require.False(t, f.On())
	require.True(t, f.state.body.isEmpty())
}

// The dot of an operation that only takes away is seen as any other.
func TestAClearCountsAsSeen(t *testing.T) {
	d := clock.Dot{Node: "us", Seq: 1}
	var r MVRegister[int]
	assert.True(t, r.ClearAt(d, clock.Vector{}))
	var f EWFlag
	assert.True(t, f.DisableAt(d, clock.Vector{}))
	var s ORSet[int]
	assert.True(t, s.ClearAt(d, clock.Vector{}))
	var w RWSet[int]
	assert.True(t, w.ClearAt(d, clock.Vector{}))
	var c ResetCounter
	assert.True(t, c.ResetAt(d, clock.Vector{}))
	for _, seen := range []clock.Vector{r.Seen(), f.Seen(), s.Seen(), w.Seen(), c.Seen()} {
		assert.Equal(t, "{us:1-1}", seen.String())
	}
}

// A write without a dot can't be told from another one: it replaces what it had seen, and brings nothing.
func TestAWriteWithoutADotBringsNothing(t *testing.T) {
	none, seen := clock.Dot{}, clock.Up("us", 1)
	var r MVRegister[int]
	must(r.Write("us", 1))
	assert.True(t, must(r.WriteAt(none, 2, seen)))
	assert.Empty(t, r.Values())
	var f EWFlag
	f.Enable("us")
	assert.True(t, f.EnableAt(none, seen))
	assert.False(t, f.On())
	var g DWFlag
	assert.False(t, g.EnableAt(none, clock.Vector{}))
	assert.False(t, g.On())
	assert.True(t, g.Equal(DWFlag{}))
	var s ORSet[int]
	must(s.Add("us", 1))
	assert.True(t, must(s.AddAt(none, 1, seen)))
	assert.Empty(t, s.Elements())
}

// The delta of a remove says nothing but what it takes away, and that changes a set that has it.
func TestARemoveChangesWhoHasTheElement(t *testing.T) {
	var us ORSet[string]
	add := must(us.Add("us", "x"))
	remove := us.Remove("x")
	var eu ORSet[string]
	eu.Merge(add)
	assert.True(t, eu.Merge(remove))
	assert.False(t, eu.Has("x"))
	assert.False(t, eu.Merge(remove))
	assert.Empty(t, eu.state.body.waiting.rows)
}

// The add comes as a delta: the remove that waited for it has nothing more to wait for.
func TestADeltaEndsTheWaitThatItAnswers(t *testing.T) {
	var us, eu ORSet[string]
	add := must(us.Add("us", "apple"))
	eu.Merge(us.Remove("apple"))
	require.Len(t, eu.state.body.waiting.rows, 1)
	eu.Merge(add)
	assert.False(t, eu.Has("apple"))
	assert.Empty(t, eu.state.body.waiting.rows)
}

// Six writers are more than a write to a map keeps marks of in place.
func TestManyWritersOfAMapReplaceEachOther(t *testing.T) {
	type registers = Map[string, MVRegister[string]]
	nodes := []clock.Node{"a", "b", "c", "d", "e", "f"}
	for n := 1; n <= len(nodes); n++ {
		states := make([]registers, n)
		var all registers
		write := func(m *registers, node clock.Node, k string) registers {
			return must(m.Write(k, func(r *MVRegister[string]) (MVRegister[string], error) { return r.Write(node, string(node)) }))
		}
		for i := range states {
			write(&states[i], nodes[i], "other")
			write(&states[i], nodes[i], "k")
			all.Merge(states[i])
		}
		r, _ := all.Get("k")
		require.Equal(t, n, r.Len())
		for i := range states {
			here, peer := all.Clone(), all.Clone()
			delta := write(&here, nodes[i], "k")
			assert.True(t, peer.Merge(delta))
			assert.True(t, peer.Equal(here), "%d writers, %s again", n, nodes[i])
			r, _ := peer.Get("k")
			assert.Equal(t, []string{string(nodes[i])}, r.Values())
			states[i].Merge(delta)
			states[i].Merge(all)
			assert.True(t, states[i].Equal(here))
		}
	}
}

// What a walk has found gone is not taken for what is still there, and is forgotten when it takes too much room.
func TestWhatIsGoneIsRememberedDotByDot(t *testing.T) {
	s := orSetOf("us", elements(0, 6)) // us:1 to us:6
	peer := s.Clone()
	both := peer.Remove("element-00004")
	both.Merge(peer.Remove("element-00005"))
	both.state.seen.AddRange("us", clock.Range{First: 5, Last: 6})
	assert.True(t, s.Merge(both))
	one := ORSet[string]{}
	one.state.seen.AddRange("us", clock.Range{First: 4, Last: 4})
	assert.True(t, s.Merge(one), "a peer that has seen us:4 come and go")
	assert.Equal(t, elements(0, 3), s.Elements())

	var many ORSet[int]
	for i := range 3000 {
		must(many.Add("us", i))
	}
	many.Remove(0)
	for i := range uint64(2900) {
		if i%2 == 0 { // every second dot: a run each
			var gone ORSet[int]
			gone.state.seen.Add(clock.Dot{Node: "us", Seq: i + 1})
			many.Merge(gone)
		}
	}
	_, runs := size(&many.state.body.gone)
	assert.Greater(t, runs, uint64(100))
	assert.LessOrEqual(t, runs, uint64(1025))
	assert.Equal(t, 3000-1450, many.Len())
}

// Three nodes can have more dots than a number of 64 bits counts.
func TestAStateThatHasSeenMoreThanCanBeCountedIsMerged(t *testing.T) {
	s := orSetOf("c", elements(0, 100))
	var all ORSet[string]
	all.state.seen.AddUp("a", MaxSeq)
	all.state.seen.AddUp("b", MaxSeq)
	all.state.seen.AddUp("c", 66)
	assert.True(t, s.Merge(all))
	assert.Equal(t, elements(66, 34), s.Elements())
}

func elements(from, n int) []string {
	e := make([]string, n)
	for i := range e {
		e[i] = fmt.Sprintf("element-%05d", from+i)
	}
	return e
}

func orSetOf(node clock.Node, elements []string) *ORSet[string] {
	var s ORSet[string]
	for _, e := range elements {
		_, _ = s.Add(node, e)
	}
	return &s
}
