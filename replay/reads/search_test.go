package reads

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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
				of.version = acts[of.saw-1].version * r.IntN(2) // or by its id
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

// TestTheSearchIsNarrowed says what the search has to put in order, a write by the first that no read tells from it.
func TestTheSearchIsNarrowed(t *testing.T) {
	for _, c := range []struct {
		acts []act
		want string
	}{
		// Writes of which nothing but a time is told wait for the first that sees them, and are in place when that ended.
		{[]act{{at: 11}, {at: 21}, {start: 35, end: 36, read: true, saw: 1}, {start: 31, end: 39, read: true, saw: 1}, {start: 41, end: 42, read: true, saw: 2}},
			"w1 31-36, r 31-39, r 35-36, w2 41-42, r 41-42"},
		// Two that go by one name may each be the one, or come last.
		{[]act{{at: 11, version: 5}, {at: 21, version: 5}, {start: 31, end: 32, read: true, saw: 1, version: 5}},
			"r 31-32, w1 31-never, w1 31-never"},
		// Of two names no other stands for one.
		{[]act{{at: 11, version: 5}, {at: 21, version: 5}, {start: 31, end: 32, read: true, saw: 1, version: 5}, {start: 41, end: 42, read: true, saw: 2}},
			"r 31-32, w2 31-42, w1 31-never, r 41-42"},
		// A write that ended before anybody saw it waits until then; a read begins when what it saw does.
		{[]act{{start: 11, end: 15}, {start: 25, end: 29}, {start: 31, end: 32, read: true, saw: 1}, {start: 21, end: 33, read: true, saw: 2}},
			"w1 15-15, w2 25-29, r 25-33, r 31-32"},
		// What nobody sees is left out beside what begins with it and ends no later, around what begins and ends meanwhile, and without an end.
		{[]act{{start: 11, end: 15}, {start: 11, end: 16}, {start: 5, end: 17}, {start: 6, end: 14}, {start: 13}, {start: 31, end: 32, read: true, saw: 1}},
			"w0 6-14, w1 15-15, r 31-32"},
		{[]act{{start: 11, end: 19}, {start: 11, end: 15}, {start: 31, end: 32, read: true}}, "w1 11-15, r 31-32"},
		// Reads that were promised less say nothing.
		{[]act{{at: 11}, {start: 31, end: 32, read: true, saw: 1, want: "bounded:1s"}}, ""},
	} {
		_, g := registerOf(c.acts, false, 0)
		var says []string
		for _, a := range g.narrow() {
			what, end := "r", fmt.Sprint(a.end)
			if a.write >= 0 {
				what = fmt.Sprintf("w%d", a.write)
			}
			if a.end == never {
				end = "never"
			}
			says = append(says, fmt.Sprintf("%s %d-%s", what, a.call, end))
		}
		require.Equal(t, c.want, strings.Join(says, ", "), "%v", c.acts)
	}
}
