package crdt

import (
	"math/rand"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
)

// What is counted here is bytes, which are the same in every run: what is copied once for each operation, be it ever so fast, takes time
// by the square.

// allocated returns how many bytes a function allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const writes = 4096

// numbers are those of the operations of a node in the order in which they come, every second one: the others are about something else.
func numbers(order string) []uint64 {
	var seqs []uint64
	for _, i := range rand.New(rand.NewSource(1)).Perm(writes) {
		switch order {
		case "forward":
			i = len(seqs)
		case "backward":
			i = writes - 1 - len(seqs)
		}
		seqs = append(seqs, uint64(2*i+1))
	}
	return seqs
}

// Of writes that had not seen each other each copied all that had come before it: 4,096 to one register took 350 MB.
func TestWritesThatHaveNotSeenEachOtherAreNotCopiedForEachThatComes(t *testing.T) {
	var register MVRegister[string]
	var ew EWFlag
	var dw DWFlag
	var or ORSet[string]
	var rw RWSet[string]
	for _, c := range []struct {
		name  string
		write func(d clock.Dot, seen clock.Vector)
		len   func() int
	}{
		{"MVRegister", func(d clock.Dot, seen clock.Vector) { _, _ = register.WriteAt(d, "a", seen) }, register.state.body.len},
		{"EWFlag", func(d clock.Dot, seen clock.Vector) { ew.EnableAt(d, seen) }, ew.state.body.len},
		{"DWFlag", func(d clock.Dot, seen clock.Vector) { dw.DisableAt(d, seen) }, dw.state.body.len},
		{"ORSet", func(d clock.Dot, seen clock.Vector) { _, _ = or.AddAt(d, "a", seen) }, or.state.body.len},
		{"RWSet", func(d clock.Dot, seen clock.Vector) { _, _ = rw.RemoveAt(d, "a", seen) }, rw.state.body.len},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, order := range []string{"forward", "backward", "shuffled"} {
				register, ew, dw, or, rw = MVRegister[string]{}, EWFlag{}, DWFlag{}, ORSet[string]{}, RWSet[string]{}
				seqs := numbers(order)
				none := clock.Vector{}
				assert.Less(t, allocated(func() {
					for _, seq := range seqs {
						c.write(clock.Dot{Node: "us", Seq: seq}, none)
					}
				}), uint64(512*writes), order)

				// Each of the next has seen one of them, and takes its place.
				assert.Less(t, allocated(func() {
					for _, seq := range seqs {
						c.write(clock.Dot{Node: "us", Seq: 2*writes + seq}, ofDots(clock.Dot{Node: "us", Seq: seq}))
					}
				}), uint64(768*writes), order)
				require.Equal(t, writes, c.len())
			}
		})
	}
}

func ofDots(dots ...clock.Dot) (v clock.Vector) {
	for _, d := range dots {
		v.Add(d)
	}
	return v
}

// A flag that has lost writes deltas copied the places of all for each that came.
func TestADeltaIsMergedWithoutACopyOfAllThatAreMissing(t *testing.T) {
	var writer, reader EWFlag
	var deltas []EWFlag
	for range writes {
		writer.Enable("us")
		writer.Disable()
		deltas = append(deltas, writer.Enable("us")) // what came before it is lost
		writer.Enable("eu")
	}
	assert.Less(t, allocated(func() {
		for _, d := range deltas {
			reader.Merge(d)
		}
	}), uint64(256*writes))
}

// What a remove waits for was copied whenever one more came for the same element.
func TestWhatWaitsIsNotCopiedForEachThatIsToWait(t *testing.T) {
	for _, order := range []string{"forward", "backward", "shuffled"} {
		var s ORSet[string]
		seqs := numbers(order)
		assert.Less(t, allocated(func() {
			for i, seq := range seqs {
				s.RemoveAt(clock.Dot{Node: "us", Seq: uint64(i + 1)}, "a", ofDots(clock.Dot{Node: "eu", Seq: seq}))
			}
		}), uint64(512*writes), order)
		for _, seq := range seqs {
			_, _ = s.AddAt(clock.Dot{Node: "eu", Seq: seq}, "a", clock.Vector{})
		}
		assert.False(t, s.Has("a"))
	}
}

// What some keys waited for was copied for each delta, though the first of it was yet to come: 32,768 that came backwards took 8 s.
func TestWhatWaitsIsNotCopiedForEachDeltaThatComesBefore(t *testing.T) {
	var m, o Map[int, MVRegister[int]]
	var deltas []Map[int, MVRegister[int]]
	for i := range writes {
		delta, err := m.Write(i%8, func(r *MVRegister[int]) (MVRegister[int], error) { return r.Write("us", i) })
		require.NoError(t, err)
		deltas = append(deltas, delta)
	}
	slices.Reverse(deltas)
	assert.Less(t, allocated(func() {
		for _, delta := range deltas {
			o.Merge(delta)
		}
	}), uint64(1024*writes))
	assert.True(t, o.Equal(m))
}

// Each operation on a set looked through all that waited in it.
func TestSeeDoesNotLookThroughAllThatWaits(t *testing.T) {
	var or ORSet[int]
	var rw RWSet[int]
	for i := range writes {
		d, seen := clock.Dot{Node: "us", Seq: uint64(i + 1)}, ofDots(clock.Dot{Node: "eu", Seq: uint64(i + 1)})
		or.RemoveAt(d, i, seen)
		_, _ = rw.RemoveAt(d, i, seen)
	}
	or.See(clock.Up("eu", writes))
	rw.See(clock.Up("eu", writes))
	assert.Len(t, or.state.body.waiting.rows, writes)
	assert.Len(t, rw.state.body.waiting.rows, writes)
	or.Note(clock.Vector{})
	rw.Note(clock.Vector{})
	assert.Empty(t, or.state.body.waiting.rows)
	assert.Empty(t, rw.state.body.waiting.rows)
	assert.True(t, or.Seen().Covers(clock.Up("eu", writes)))
}

// A log that was merged with a short one copied itself, if that had more than sixteen entries.
func TestALogIsNotCopiedForEachShortOneThatIsMergedIntoIt(t *testing.T) {
	var l AppendLog[int]
	var deltas []AppendLog[int]
	const each = 20
	for i := range writes {
		var delta AppendLog[int]
		for j := range each {
			at := clock.Timestamp{Wall: int64((writes-i)*each + j)}
			_, err := delta.AppendAt(clock.Dot{Node: "us", Seq: uint64(i*each + j + 1)}, at, j)
			require.NoError(t, err)
		}
		deltas = append(deltas, delta)
	}
	assert.Less(t, allocated(func() {
		for _, d := range deltas {
			l.Merge(d)
		}
	}), uint64(256*each*writes))
	assert.Equal(t, each*writes, l.Len())
}

// Each increment that came after later ones of its node moved all of those: 65,536 that came backwards took 2.9 s.
func TestAnIncrementMovesFewOfThoseThatFollowIt(t *testing.T) {
	const (
		n    = 1024
		most = 128 // those of a block, which has as many more as memory is rounded up by
	)
	for how, take := range map[string]func(c *ResetCounter, seq uint64){
		"applied": func(c *ResetCounter, seq uint64) { c.AddAt(clock.Dot{Node: "us", Seq: seq}, DecimalOf(1)) },
		"merged": func(c *ResetCounter, seq uint64) {
			var delta ResetCounter
			delta.AddAt(clock.Dot{Node: "us", Seq: seq}, DecimalOf(1))
			c.Merge(delta)
		},
		"undone": func(c *ResetCounter, seq uint64) {
			c.AddAt(clock.Dot{Node: "us", Seq: seq}, DecimalOf(1))
			c.AddAt(clock.Dot{Node: "us", Seq: seq + 1}, DecimalOf(1))
			c.ResetAt(clock.Dot{}, ofDots(clock.Dot{Node: "us", Seq: seq + 1}))
		},
	} {
		t.Run(how, func(t *testing.T) {
			var c ResetCounter
			at := make(map[uint64]*increment)
			for seq := uint64(n); seq > 0; seq-- {
				take(&c, 3*seq)
				moved := 0
				for a := range c.state.body.nodes[0].added.All {
					if was := at[a.seq]; was != nil && was != a {
						moved++
					}
					at[a.seq] = a
				}
				require.LessOrEqual(t, moved, most)
			}
			require.Equal(t, DecimalOf(n), c.Value())
		})
	}
}

// Each clear that leaves most of a set, and each delta that came again after what it brought was replaced, took a walk over the set: of
// 16,384 elements 16,384 of them took a second and more.
func TestWhatIsSeenGoneIsLookedForWithoutAWalk(t *testing.T) {
	var or ORSet[int]
	var rw RWSet[int]
	for i := range writes {
		_, _ = or.AddAt(clock.Dot{Node: "us", Seq: uint64(i + 1)}, i, clock.Vector{})
		_, _ = rw.AddAt(clock.Dot{Node: "us", Seq: uint64(i + 1)}, i, clock.Vector{})
	}
	const most = 20
	for i := range writes / 2 {
		d, seen := clock.Dot{Node: "eu", Seq: uint64(i + 1)}, ofDots(clock.Dot{Node: "us", Seq: uint64(2*i + 1)})
		or.ClearAt(d, seen)
		rw.ClearAt(d, seen)
	}
	assert.LessOrEqual(t, or.state.body.walks, most)
	assert.LessOrEqual(t, rw.state.body.walks, most)
	assert.Equal(t, writes/2, or.Len())
	assert.Equal(t, writes/2, rw.Len())
	var delta ORSet[int]
	for i := range writes { // half of them are gone
		delta = ORSet[int]{}
		_, _ = delta.AddAt(clock.Dot{Node: "us", Seq: uint64(i + 1)}, i, clock.Vector{})
		or.Merge(delta)
	}
	assert.LessOrEqual(t, or.state.body.walks, most)
	assert.Equal(t, writes/2, or.Len())
}

// A set in which dots are looked for is the one that is walked over.
func TestASetInWhichDotsAreLookedForAgreesWithOneThatIsWalkedOver(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	looked := 0
	for range 30 {
		var or, slowOr ORSet[int]
		var rw, slowRW RWSet[int]
		seq := map[clock.Node]uint64{}
		var before []func(or *ORSet[int], rw *RWSet[int])
		for range 500 {
			node := clock.Node([]string{"eu", "us"}[random.Intn(2)])
			seq[node] += uint64(1 + random.Intn(2))
			d, e := clock.Dot{Node: node, Seq: seq[node]}, random.Intn(300)
			var seen clock.Vector
			for range random.Intn(3) {
				of := clock.Node([]string{"eu", "us"}[random.Intn(2)])
				first := 1 + uint64(random.Intn(int(seq[of]+2)))
				seen.AddRange(of, clock.Range{First: first, Last: first + uint64(random.Intn(100)/90*100)})
			}
			kind := random.Intn(12)
			before = append(before, func(or *ORSet[int], rw *RWSet[int]) {
				switch kind {
				case 0, 1:
					or.ClearAt(d, seen)
					rw.ClearAt(d, seen)
				case 2, 3:
					or.RemoveAt(d, e, seen)
					_, _ = rw.RemoveAt(d, e, seen)
				default:
					_, _ = or.AddAt(d, e, seen)
					_, _ = rw.AddAt(d, e, seen)
				}
			})
			do := before[len(before)-1]
			if random.Intn(2) == 0 { // as a delta, with some that come again
				now := slices.Clone(before[len(before)-1:])
				for range random.Intn(4) {
					now = append(now, before[random.Intn(len(before))])
				}
				do = func(or *ORSet[int], rw *RWSet[int]) {
					var a ORSet[int]
					var b RWSet[int]
					for _, each := range now {
						each(&a, &b)
					}
					or.Merge(a)
					rw.Merge(b)
				}
			}
			or.state.body.walks, rw.state.body.walks = 100, 100
			slowOr.state.body.walks, slowRW.state.body.walks = 0, 0
			do(&or, &rw)
			do(&slowOr, &slowRW)
			if or.state.body.byDot != nil && rw.state.body.byDot != nil {
				looked++
			}
			require.Nil(t, slowOr.state.body.byDot)
			require.Nil(t, slowRW.state.body.byDot)
			require.Equal(t, slowOr.Elements(), or.Elements())
			require.True(t, or.Equal(slowOr))
			require.True(t, rw.Equal(slowRW))
		}
	}
	assert.Greater(t, looked, 2000)
}
