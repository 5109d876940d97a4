package reads

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSearchGivesUpAfterSoManySteps: of n writes at once that are read in n orders no order exists, and there are n! to try.
func TestSearchGivesUpAfterSoManySteps(t *testing.T) {
	var acts []act
	const n = 40
	for range n {
		acts = append(acts, act{start: 1, end: 1_001})
	}
	for i := range n {
		acts = append(acts, act{start: 2, end: 1_002, read: true, saw: i + 1})
	}
	// Two reads that contradict each other, at the end, where all orders lead.
	acts = append(acts, act{start: 901, end: 903, read: true, saw: 1}, act{start: 911, end: 913, read: true, saw: 2}, act{start: 921, end: 923, read: true, saw: 1})
	c, g := registerOf(acts, false, 0)
	require.Equal(t, TooHard, g.search())
	require.EqualValues(t, 1, c.report.Registers.TooHard)
	stale, untold := 0, 0
	for i := range g.reads {
		switch g.reads[i].Outcome {
		case Stale:
			stale++
		case CannotTell:
			untold++
		}
	}
	require.Equal(t, 1, stale, "the zones need no search")
	require.Zero(t, untold)
}

// TestStretchesPassOnWhatMayBeLast: reads far apart see one of two writes that were made at once, and not both in turn.
func TestStretchesPassOnWhatMayBeLast(t *testing.T) {
	two := []act{{start: 1, end: 9}, {start: 2, end: 8}}
	for _, order := range [][]int{{1, 1}, {2, 2}, {1, 2}, {2, 1}, {1, 2, 1}} {
		acts := append([]act(nil), two...)
		for i, saw := range order {
			acts = append(acts, act{start: int64(11 + 10*i), end: int64(13 + 10*i), read: true, saw: saw})
		}
		require.NoError(t, agree(acts, false))
		_, g := registerOf(acts, false, 0)
		require.Equal(t, order[0] == order[1], g.search() == Ordered, "%v", order)
	}
}

// TestWritesThatNobodySaysWereAcknowledgedAreNoHaystack: each of them may take effect at any time after it began, but for what
// reads say of some.
func TestWritesThatNobodySaysWereAcknowledgedAreNoHaystack(t *testing.T) {
	var acts []act
	const n = 300
	for i := range n {
		acts = append(acts, act{start: int64(1 + 10*i)})
	}
	for i := 0; i < n; i += 3 { // of each third one
		acts = append(acts, act{start: int64(25 + 10*i), end: int64(28 + 10*i), read: true, saw: i + 1})
	}
	_, g := registerOf(acts, false, 0)
	require.Equal(t, Ordered, g.search())
	acts = append(acts, act{start: 10 * n, end: 10*n + 9, read: true, saw: n / 3 * 2})
	_, g = registerOf(acts, false, 0)
	require.Equal(t, Ordered, g.search(), "it was seen by nobody before")
	acts = append(acts, act{start: 10*n + 20, end: 10*n + 29, read: true, saw: 1})
	_, g = registerOf(acts, false, 0)
	require.Equal(t, NoOrder, g.search())
}

// TestToEndAtTheEndIsNotToEnd: a write of which nothing says that it ended is like one that ended last.
func TestToEndAtTheEndIsNotToEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	var found [3]int
	for range 20_000 {
		var acts []act
		versions := r.IntN(2) // of which several writes have the same
		for range 1 + r.IntN(4) {
			a := act{start: 1 + r.Int64N(20), version: versions * (1 + r.IntN(2))}
			if r.IntN(3) == 0 {
				a.end = a.start + 1 + r.Int64N(9)
			}
			acts = append(acts, a)
		}
		for range 1 + r.IntN(4) {
			start := 1 + r.Int64N(25)
			of := act{start: start, end: start + 1 + r.Int64N(9), read: true, saw: r.IntN(len(acts) + 1)}
			if of.saw > 0 {
				if acts[of.saw-1].read {
					continue
				}
				of.version = acts[of.saw-1].version
			}
			acts = append(acts, of)
		}
		ended := slices.Clone(acts)
		for i := range ended {
			if ended[i].end == 0 {
				ended[i].end = 100
			}
		}
		require.NoError(t, agree(ended, false))
		_, open := registerOf(acts, false, 0)
		_, shut := registerOf(ended, false, 0)
		is := open.search()
		require.Equal(t, shut.search(), is, "%v", acts)
		found[is]++
	}
	require.Zero(t, found[TooHard])
	require.Greater(t, min(found[Ordered], found[NoOrder]), 3000)
}

// TestNobodySawAWriteBeforeWhatItsWriterHadSeen: a delete that was called early, whose writer had seen a later write.
func TestNobodySawAWriteBeforeWhatItsWriterHadSeen(t *testing.T) {
	acts := []act{
		{start: 20, end: 21},
		{start: 1, end: 30, deletes: true, had: []int{1}},
		{start: 5, end: 6},
		{start: 10, end: 11, read: true},
	}
	_, g := registerOf(acts, false, 0)
	require.Equal(t, NoOrder, g.search())
	acts[3].start, acts[3].end = 25, 26
	_, g = registerOf(acts, false, 0)
	require.Equal(t, Ordered, g.search())
}
