package replay

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// How long writes took to arrive is told by rank, whoever counted which of them, and to three digits.
func TestHowLongWritesTookToArriveIsToldByRank(t *testing.T) {
	names := []string{"us", "eu", "ap"}
	h, err := Collect(nil, history.Options{})
	require.NoError(t, err)
	empty := func() *sums { return newSums(merge.MustParseTable("* * lww"), &Options{}, h) }
	whole, halves := empty(), [2]*sums{empty(), empty()}
	note := func(half int, l late) {
		whole.arrived([]late{l})
		halves[half].arrived([]late{l})
	}
	for i := range int64(200) {
		note(int(i%2), late{from: 0, in: 1, nanos: 200 - i})
	}
	for i := range int64(3) {
		note(0, late{from: 1, in: 0, nanos: i - 1}) // a clock is behind
	}
	note(1, late{from: 1, in: 2, nanos: 1_234_567_890})
	note(0, late{from: 1, in: 2, nanos: -1_234_567_890})
	const low = 1 << (31 - 10) // an error of less than a thousandth, downwards
	want := []Lateness{
		{From: "eu", In: "ap", Writes: 2, Min: (-1_234_567_890/low - 1) * low, P50: (-1_234_567_890/low - 1) * low, P99: 1_234_567_890 / low * low, Max: 1_234_567_890 / low * low},
		{From: "eu", In: "us", Writes: 3, Min: -1, P50: 0, P99: 1, Max: 1},
		{From: "us", In: "eu", Writes: 200, Min: 1, P50: 100, P99: 198, Max: 200},
	}
	require.Equal(t, want, whole.lateness(names))
	halves[0].join(halves[1])
	require.Equal(t, want, halves[0].lateness(names))
	require.Empty(t, empty().lateness(names))
	require.NoError(t, h.Close())
}
