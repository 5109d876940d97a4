package reads

import (
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
