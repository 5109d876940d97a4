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
