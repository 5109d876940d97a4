package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// Of many times in which replicas seem to have answered by themselves, those with most stale reads are told, in their order.
func TestFewTimesOfPreferenceAreTold(t *testing.T) {
	r := &reads.Report{}
	for i, stale := range []int64{2, 9, 3, 2, 7, 2, 8, 3} {
		from := time.Unix(int64(i), 0)
		r.Preferred = append(r.Preferred, reads.Preference{Replica: fmt.Sprint("r", i), From: from, To: from, Reads: 10, Stale: stale, Missed: []string{"n"}})
	}
	notes := ReadsNotes(r)
	require.Len(t, notes, 6)
	for at, replica := range []string{"r1 ", "r2 ", "r4 ", "r6 ", "r7 "} {
		require.True(t, strings.HasPrefix(notes[at], replica), notes[at])
	}
	require.True(t, strings.HasPrefix(notes[5], "3 times more"), notes[5])

	r.Preferred = r.Preferred[:5]
	require.Len(t, ReadsNotes(r), 5)
}

// Of two reads at one moment, and a write before them, it was said that the node went on writing, all that time.
func TestANodeWentOnWritingWhereItDid(t *testing.T) {
	noon := time.Date(2026, 5, 20, 12, 0, 0, 141e6, time.UTC)
	for _, c := range []struct {
		took   time.Duration
		wrote  []string
		wanted []string
		not    string
	}{
		{0, nil, []string{"its own replica at 2026-05-20 12:00:00.141 that", "It showed nothing new of ap and us."}, "went on"},
		{100 * time.Millisecond, nil, []string{"between 2026-05-20 12:00:00.141 and 2026-05-20 12:00:00.241 that", "It showed"}, "went on"},
		{time.Minute, []string{"us"}, []string{"between 2026-05-20 12:00:00 and 2026-05-20 12:01:00 that", "All that time it showed nothing new of ap and us, and us went on writing: this is"}, "which"},
		{time.Minute, []string{"ap", "us"}, []string{"All that time it showed nothing new of ap and us, which went on writing: this is"}, "and ap"},
	} {
		r := &reads.Report{Preferred: []reads.Preference{{Replica: "eu", From: noon, To: noon.Add(c.took), Reads: 2, Stale: 2, Missed: []string{"ap", "us"}, Wrote: c.wrote}}}
		notes := ReadsNotes(r)
		require.Len(t, notes, 1)
		for _, text := range c.wanted {
			require.Contains(t, notes[0], text)
		}
		require.NotContains(t, notes[0], c.not)
	}
}
