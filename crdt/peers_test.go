package crdt

import (
	"math"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tiebreakhq/tiebreak/clock"
)

// The tests of this file are what was seen to go wrong in other Go libraries for the same types. All of it, and the test that
// shows that it does not happen here; one without a package is of this one, and most of this file:
//
//	a delta of adds is read as removes of older ones        TestAddsAreNeverLostHoweverDeltasTravel
//	a hole in the deltas counts as seen                     TestEveryDeliveryOrderAgreesWithTheOracle, and planted bugs
//	a set diverges when deltas are lost, late, repeated     TestSetsWithRemovesConvergeHoweverDeltasTravel
//	add, remove and remove, add of one time end unlike      TestAnAddAndARemoveThatHadNotSeenEachOtherEndAlikeWhoeverComesFirst
//	two writes of one stamp: each side keeps its own        lww TestEqualStampsConvergeAndSayThatTheValueDecided
//	on a full tie the target wins, in both directions       lww TestCompareIsATotalOrder
//	a node name used twice diverges without a signal        TestOneNodeNameOnTwoWritersStillConvergesAndKeepsBothValues,
//	                                                        TestADotThatTwoWritersGaveIsTold
//	a restored old copy writes what nobody takes            TestAReplicaRestoredFromAnOldSnapshotCatchesUpBeforeItWrites
//	a loaded state has no node; counts begin at 0 again     TestARestoredStateGoesOnCounting, TestIDsNeverRepeatAcrossRestarts
//	a later write loses, since counts don't follow others   TestAWriteThatHadSeenAnotherReplacesItEverywhere,
//	                                                        clock TestClockStories
//	the clock goes back, and a write that was read reverts  clock TestClockStories, lww TestSetAndDeleteReturnTheDeltaAndTheVerdict
//	a write before 1970 loses against nothing               lww TestWriteWithoutAnyStampIsKeptWhereNothingWas
//	a restart issues timestamps again                       clock TestRestartContinuesAfterSnapshotAndLog
//	one timestamp at the end of time wedges the clock,      clock TestNothingWedgesAClock
//	one a year ahead moves it, one makes it sleep or wrap
//	two goroutines get one timestamp                        clock TestTimestampsAreUniqueAndRiseOnEveryGoroutine
//	counters wrap                                           TestCountersDoNotWrap
//	sums depend on the order of increments                  TestSumsDoNotDependOnTheOrderOfIncrements
//	a counter reads what it never was                       TestNoReplicaEverReadsAValueThatNeverWas
//	a NaN gets in and never out                             TestNaNIsRefusedEverywhere
//	one state has many encodings                            TestOneSetHasOneEncoding
//	what was encoded is too large to decode                 TestMoreThanAMillionElementsRoundTrip
//	a declared length makes the reader panic                TestALengthBeyondTheDataIsAnErrorAndNoPanic
//	24 bytes ask for 117 MB                                 TestDecodersAllocateByBytesReadAndNotByWhatIsDeclared
//	an element added again and again grows the state        TestAddingOneElementTenThousandTimesLeavesOneDotANode
//	siblings grow without end                               TestSiblingsAreNeverMoreThanConcurrentWriters
//	one delta walks over the whole state                    TestASmallDeltaIsMergedWithoutAWalk

// A delta that carried what its writer had seen as a plain version vector made receivers take older adds, which they had
// not got yet, for removed ones. Replicas converged, on a set that had lost half of its elements.
func TestAddsAreNeverLostHoweverDeltasTravel(t *testing.T) {
	for seed := range int64(300) {
		r := rand.New(rand.NewSource(seed))
		var sets [3]ORSet[int]
		var deltas []ORSet[int]
		for e := range 24 {
			i := r.Intn(3)
			deltas = append(deltas, must(sets[i].Add(replicas[i], e)))
			for _, d := range deltas { // lost, repeated, out of order
				if r.Intn(4) == 0 {
					sets[r.Intn(3)].Merge(d)
				}
			}
		}
		for range 3 {
			for i := range sets {
				sets[i].Merge(sets[(i+1)%3])
			}
		}
		for i := range sets {
			require.Equal(t, 24, sets[i].Len(), "seed %d", seed)
		}
	}
}

// A set in which elements are removed too diverged for ever once deltas were lost, late or repeated.
func TestSetsWithRemovesConvergeHoweverDeltasTravel(t *testing.T) {
	for seed := range int64(300) {
		r := rand.New(rand.NewSource(seed))
		var sets [3]ORSet[int]
		var deltas []ORSet[int]
		for range 24 {
			i, e := r.Intn(3), r.Intn(5)
			if r.Intn(3) == 0 {
				deltas = append(deltas, sets[i].Remove(e))
			} else {
				deltas = append(deltas, must(sets[i].Add(replicas[i], e)))
			}
			for _, d := range deltas {
				if r.Intn(4) == 0 {
					sets[r.Intn(3)].Merge(d)
				}
			}
		}
		for range 3 {
			for i := range sets {
				sets[i].Merge(sets[(i+1)%3])
			}
		}
		require.True(t, sets[0].Equal(sets[1]) && sets[1].Equal(sets[2]), "seed %d", seed)
		for _, d := range deltas {
			require.False(t, sets[0].Merge(d), "seed %d: all of it has arrived", seed)
		}
	}
}

// Add, then remove, left an element that remove, then add, did not: of two that tied, the first to come stayed.
func TestAnAddAndARemoveThatHadNotSeenEachOtherEndAlikeWhoeverComesFirst(t *testing.T) {
	add, remove := clock.Dot{Node: "us", Seq: 1}, clock.Dot{Node: "eu", Seq: 1}
	var nothing clock.Vector
	var a, b ORSet[string]
	must(a.AddAt(add, "x", nothing))
	a.RemoveAt(remove, "x", nothing)
	b.RemoveAt(remove, "x", nothing)
	must(b.AddAt(add, "x", nothing))
	assert.True(t, a.Has("x"))
	assert.True(t, a.Equal(b))

	var c, d RWSet[string]
	must(c.AddAt(add, "x", nothing))
	must(c.RemoveAt(remove, "x", nothing))
	must(d.RemoveAt(remove, "x", nothing))
	must(d.AddAt(add, "x", nothing))
	assert.False(t, c.Has("x"))
	assert.True(t, c.Equal(d))
}

// A delta of 69 bytes that declared a length above 2^63 made the receiver panic.
func TestALengthBeyondTheDataIsAnErrorAndNoPanic(t *testing.T) {
	for _, length := range [][]byte{
		{0xdb, 0xff, 0xff, 0xff, 0xff}, {0xc6, 0xff, 0xff, 0xff, 0xff}, {0xdd, 0xff, 0xff, 0xff, 0xff}, // text, bin, array
		{0xdb, 0x80, 0, 0, 0}, {0xda, 0xff, 0xff}, {0xdd, 0x80, 0, 0, 5}, {0xcf, 0x80, 0, 0, 0, 0, 0, 0, 5},
	} {
		for kind, k := range wiredKinds {
			frames, err := frozenFrames(kind)
			require.NoError(t, err)
			for _, data := range frames {
				for at := range data {
					forged := slices.Concat(data[:at], length, data[at:])
					_ = k.reads(t, forged)
					_ = k.reads(t, reseal(forged))
				}
			}
		}
	}
}

// A counter of writes that did not follow what was received let a later write lose at the peer.
func TestAWriteThatHadSeenAnotherReplacesItEverywhere(t *testing.T) {
	var us, eu MVRegister[string]
	for range 3 {
		eu.Merge(must(us.Write("us", "older")))
	}
	delta := must(eu.Write("eu", "newer"))
	us.Merge(delta)
	assert.Equal(t, []string{"newer"}, us.Values())
	assert.Equal(t, []string{"newer"}, eu.Values())
}

func TestOneNodeNameOnTwoWritersStillConvergesAndKeepsBothValues(t *testing.T) {
	var a, b MVRegister[string]
	da, db := must(a.Write("us", "x")), must(b.Write("us", "y"))
	a.Merge(db)
	b.Merge(da)
	assert.Equal(t, []string{"x", "y"}, a.Values())
	assert.True(t, a.Equal(b))

	var k, l AppendLog[string]
	dk, dl := must(k.Append("us", clock.Timestamp{Wall: 5}, "x")), must(l.Append("us", clock.Timestamp{Wall: 5}, "y"))
	k.Merge(dl)
	l.Merge(dk)
	assert.Equal(t, []string{"x", "y"}, k.Values())
	assert.True(t, k.Equal(l))

	var c, d ResetCounter
	dc, dd := c.Add("us", DecimalOf(3)), d.Add("us", DecimalOf(4))
	c.Merge(dd)
	d.Merge(dc)
	assert.Equal(t, "4", c.Value().String())
	assert.True(t, c.Equal(d))

	var s, u ORSet[string]
	ds, du := must(s.Add("us", "x")), must(u.Add("us", "y"))
	assert.False(t, s.Reused(du).IsEmpty(), "it is told")
	s.Merge(du)
	u.Merge(ds)
	s.Merge(u)
	u.Merge(s)
	assert.True(t, s.Equal(u), "a set can't tell them from removes, but it converges")
}

// A state that looked loaded had lost its node, or its count of writes, and two replicas diverged for ever.
func TestARestoredStateGoesOnCounting(t *testing.T) {
	var us, eu MVRegister[string]
	must(us.Write("us", "before"))
	eu.Merge(us)
	snapshot := must(us.Encode(nil, Text[string]()))

	var restored MVRegister[string]
	require.NoError(t, restored.Decode(snapshot, Text[string](), Limits{}))
	eu.Merge(must(restored.Write("us", "after")))
	assert.Equal(t, []string{"after"}, eu.Values())
	assert.True(t, eu.Equal(restored))
}

func TestAReplicaRestoredFromAnOldSnapshotCatchesUpBeforeItWrites(t *testing.T) {
	var us, eu ORSet[string]
	must(us.Add("us", "a"))
	stale := us.Clone()
	must(us.Add("us", "b"))
	us.Remove("a")
	eu.Merge(us)

	stale.Merge(eu)
	must(stale.Add("us", "c"))
	eu.Merge(stale)
	assert.Equal(t, []string{"b", "c"}, eu.Elements())
	assert.True(t, eu.Equal(stale))
}

func TestCountersDoNotWrap(t *testing.T) {
	two := DecimalOf(2)
	var g GCounter
	must(g.Add("us", must(ParseDecimal("18446744073709551615"))))
	must(g.Add("us", two))
	assert.Equal(t, "18446744073709551617", g.Value().String())

	var pn PNCounter
	must(pn.Add("us", DecimalOf(math.MaxInt64)))
	must(pn.Add("us", two))
	assert.Equal(t, "9223372036854775809", pn.Value().String())
	must(pn.Add("us", DecimalOf(math.MinInt64)))
	assert.Equal(t, "1", pn.Value().String())

	var r ResetCounter
	for range 3 {
		r.Add("us", DecimalOf(math.MinInt64))
	}
	assert.Equal(t, "-27670116110564327424", r.Value().String())
}

func TestNaNIsRefusedEverywhere(t *testing.T) {
	nan := math.NaN()
	d := clock.Dot{Node: "us", Seq: 1}
	refused := func(changed bool, err error) {
		t.Helper()
		require.ErrorIs(t, err, ErrNaN)
		require.False(t, changed)
	}
	var gs GSet[float64]
	_, err := gs.Add(nan)
	require.ErrorIs(t, err, ErrNaN)
	var or ORSet[[2]float64]
	_, err = or.Add("us", [2]float64{1, nan})
	require.ErrorIs(t, err, ErrNaN)
	refused(or.AddAt(d, [2]float64{1, nan}, clock.Vector{}))
	or.Remove([2]float64{1, nan})
	assert.True(t, or.RemoveAt(d, [2]float64{1, nan}, clock.Vector{}), "its dot is seen, nothing else happens")
	assert.Zero(t, or.Len())
	var rw RWSet[float64]
	_, err = rw.Add("us", nan)
	require.ErrorIs(t, err, ErrNaN)
	_, err = rw.Remove("us", nan)
	require.ErrorIs(t, err, ErrNaN)
	refused(rw.AddAt(d, nan, clock.Vector{}))
	refused(rw.RemoveAt(d, nan, clock.Vector{}))
	var mv MVRegister[float64]
	_, err = mv.Write("us", nan)
	require.ErrorIs(t, err, ErrNaN)
	refused(mv.WriteAt(d, nan, clock.Vector{}))
	var hi MaxRegister[float64]
	_, err = hi.Write(nan)
	require.ErrorIs(t, err, ErrNaN)
	var lo MinRegister[float64]
	_, err = lo.Write(nan)
	require.ErrorIs(t, err, ErrNaN)
	var log AppendLog[float64]
	_, err = log.Append("us", clock.Timestamp{}, nan)
	require.ErrorIs(t, err, ErrNaN)
	var m Map[float64, EWFlag]
	_, err = m.Write(nan, func(f *EWFlag) (EWFlag, error) { return f.Enable("us"), nil })
	require.ErrorIs(t, err, ErrNaN)
	refused(m.WriteAt(nan, d, clock.Vector{}, func(f *EWFlag) { f.EnableAt(d, clock.Vector{}) }))
	_, err = m.Delete("us", nan)
	require.ErrorIs(t, err, ErrNaN)
	refused(m.DeleteAt(d, nan))
	refused(log.AppendAt(d, clock.Timestamp{}, nan))
	m.Remove(nan)
	assert.True(t, m.RemoveAt(d, nan, clock.Vector{}))

	forged := Codec[float64]{Append: Float[float64]().Append, Read: func(b []byte) (float64, []byte, error) { return nan, b[9:], nil }}
	must(gs.Add(1))
	require.ErrorIs(t, new(GSet[float64]).Decode(must(gs.Encode(nil, forged)), forged, Limits{}), ErrNaN, "a careless codec")
}

// Increments of 10, 10 and 10 of which the third arrived first were read as 40.
func TestNoReplicaEverReadsAValueThatNeverWas(t *testing.T) {
	var us, eu GCounter
	first, _ := us.Add("us", DecimalOf(10))
	must(us.Add("us", DecimalOf(10)))
	third, _ := us.Add("us", DecimalOf(10))
	eu.Merge(third)
	assert.Equal(t, "30", eu.Value().String())
	assert.False(t, eu.Merge(first))
	assert.Equal(t, "30", eu.Value().String())

	var a, b ResetCounter
	d1, _, d3 := a.Add("us", DecimalOf(10)), a.Add("us", DecimalOf(10)), a.Add("us", DecimalOf(10))
	b.Merge(d3)
	assert.Equal(t, "10", b.Value().String())
	b.Merge(d1)
	assert.Equal(t, "20", b.Value().String())

	var up, down PNCounter
	must(up.Add("us", DecimalOf(10)))
	both, _ := up.Add("us", DecimalOf(-10))
	down.Merge(both)
	assert.Equal(t, "0", down.Value().String(), "not -10: the delta tells of both totals")
}

func TestOneSetHasOneEncoding(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var deltas []ORSet[string]
	var source ORSet[string]
	for _, e := range elements(0, 8) {
		deltas = append(deltas, must(source.Add("us", e)))
	}
	want := must(source.Encode(nil, Text[string]()))
	for range 200 {
		var s ORSet[string]
		r.Shuffle(len(deltas), func(i, j int) { deltas[i], deltas[j] = deltas[j], deltas[i] })
		for _, d := range deltas {
			s.Merge(d)
		}
		require.Equal(t, want, must(s.Encode(nil, Text[string]())))
	}
}

func TestAddingOneElementTenThousandTimesLeavesOneDotANode(t *testing.T) {
	var us, eu ORSet[string]
	for range 10_000 {
		eu.Merge(must(us.Add("us", "x")))
		us.Merge(must(eu.Add("eu", "x")))
	}
	for _, s := range []*ORSet[string]{&us, &eu} {
		assert.Less(t, len(must(s.Encode(nil, Text[string]()))), 60)
		assert.LessOrEqual(t, s.state.body.len(), 2)
		assert.Empty(t, s.state.body.waiting.rows)
	}
}

// Two clients that read and write a register in turn, each without the other's last write, grew siblings without end.
func TestSiblingsAreNeverMoreThanConcurrentWriters(t *testing.T) {
	var server MVRegister[int]
	var seenByA, seenByB clock.Vector
	for i := range uint64(100) {
		must(server.WriteAt(clock.Dot{Node: "a", Seq: i + 1}, int(2*i), seenByA))
		seenByA = server.Seen()
		must(server.WriteAt(clock.Dot{Node: "b", Seq: i + 1}, int(2*i+1), seenByB))
		seenByB = server.Seen()
		require.LessOrEqual(t, server.Len(), 2)
	}
}

// Sums of floats depend on the order in which increments arrive; sums of decimals don't.
func TestSumsDoNotDependOnTheOrderOfIncrements(t *testing.T) {
	amounts := []string{"0.1", "0.2", "0.3", "1e17", "-1e17", "1e-17"}
	var first *ResetCounter
	r := rand.New(rand.NewSource(1))
	for range 50 {
		var c ResetCounter
		for _, i := range r.Perm(len(amounts)) {
			c.AddAt(clock.Dot{Node: "us", Seq: uint64(i) + 1}, must(ParseDecimal(amounts[i])))
		}
		if first == nil {
			first = &c
		}
		require.True(t, first.Equal(c))
		require.Equal(t, "0.60000000000000001", c.Value().String())
	}
}
