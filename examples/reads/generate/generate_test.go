package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// TestHistoriesAreWhatTheirNamesSay holds the files to the generator, and what is said of every read to how it was made.
func TestHistoriesAreWhatTheirNamesSay(t *testing.T) {
	text, err := os.ReadFile("../reads.tb")
	require.NoError(t, err)
	table, err := merge.ParseTable("reads.tb", text)
	require.NoError(t, err)
	for name, refuses := range map[string]bool{"own-replica-bad.ndjson": false, "refused-ok.ndjson": true} {
		made, truth := generate(refuses)
		file := filepath.Join("..", name)
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(made), string(kept), "%s is not what is generated", name)

		h, err := replay.Collect([]history.Source{history.File(file)}, history.Options{Reads: true})
		require.NoError(t, err)
		judged := 0
		r, err := reads.Check(h, table, reads.Options{Each: func(_, _ string, at finding.Place, v reads.Verdict) {
			judged++
			require.Equal(t, truth[at.Line-1], string(v.Outcome), "%s (%s)", at, v.Reason)
		}})
		require.NoError(t, err)
		stale, untold := r.Sum()
		if refuses {
			require.Zero(t, stale+untold)
			require.Empty(t, r.Preferred)
			continue
		}
		require.Len(t, r.Preferred, 1)
		p := r.Preferred[0]
		require.Equal(t, "eu-1", p.Replica)
		require.Equal(t, []string{"ap-1", "us-1"}, p.Missed)
		require.False(t, p.From.UnixNano() < cutBegan || p.To.UnixNano() > cutEnded+60*second, "%s to %s", p.From, p.To)
	}
}
