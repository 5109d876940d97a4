package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

func TestTheFilesAreWhatIsGenerated(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, generate(dir))
	for _, f := range forms {
		for _, region := range regions {
			name := filepath.Join(f.name, region+".ndjson")
			made, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			kept, err := os.ReadFile(filepath.Join("..", name))
			require.NoError(t, err)
			require.Equal(t, string(kept), string(made), name)
		}
	}
}

// cell is a column of an order.
type cell struct {
	order  int
	column string
}

// What the feeds tell of conflicts, losses and ends is what the simulation knows, though each write has other names and times in the
// two of them.
func TestFeedsTellWhatHappened(t *testing.T) {
	h := simulate()
	cells := map[cell][]claim{}
	for _, c := range h.claims {
		at := cell{c.order, c.column}
		cells[at] = append(cells[at], c)
	}
	saw := func(b, a claim) bool { // whether b's writer had seen a
		return a.at < b.at && (a.region == b.region || a.shown < b.at)
	}
	conflicts, lost := int64(0), int64(0)
	ends := map[cell]string{}
	for at, claims := range cells {
		kept := claims[0]
		for _, c := range claims {
			if c.at > kept.at {
				kept = c
			}
		}
		ends[at] = kept.value
		for i, a := range claims {
			replaced := a == kept || a.value == kept.value
			for j, b := range claims {
				if i < j && !saw(a, b) && !saw(b, a) {
					conflicts++
				}
				replaced = replaced || saw(b, a)
			}
			if !replaced {
				lost++
			}
		}
	}
	require.Positive(t, conflicts)
	require.Positive(t, lost)
	for _, f := range forms {
		opt := history.Options{Origin: f.origin, Regions: regions[:]}
		var sources []history.Source
		for _, region := range opt.Regions {
			s := history.File(filepath.Join("..", f.name, region+".ndjson"))
			s.Region = region
			sources = append(sources, s)
		}
		all, err := replay.Collect(sources, opt)
		require.NoError(t, err)
		states := map[cell]string{}
		r := all.Run(merge.MustParseTable("nodes eu-west < us-east\n* * lww"), replay.Options{State: func(s replay.StateLine) {
			var at cell
			_, err := fmt.Sscanf(s.Key, "orders/%d", &at.order)
			require.NoError(t, err)
			if at.column = s.Field; at.column != "id" {
				states[at] = string(s.Value)
			}
		}})
		require.NoError(t, all.Err())
		require.Equal(t, ends, states, f.name)
		require.EqualValues(t, 2*writes, r.Totals.Writes)
		require.Zero(t, r.Found(finding.UnmatchedArrival))
		for _, in := range r.Inputs {
			require.Zero(t, in.NoOrigin+in.Strange)
		}
		require.LessOrEqual(t, r.Totals.Conflicts.Min, conflicts)
		require.GreaterOrEqual(t, r.Totals.Conflicts.Max, conflicts)
		require.LessOrEqual(t, r.Totals.Lost.Min, lost)
		require.GreaterOrEqual(t, r.Totals.Lost.Max, lost)
		require.LessOrEqual(t, r.Totals.Conflicts.Max-r.Totals.Conflicts.Min, int64(2), "what can't be told apart is little")
		if f.name == "cockroachdb" { // which has a time of arrival
			require.Len(t, r.Late, 2)
		}
		for _, l := range r.Late { // as long as the cut, and as the link takes
			require.Greater(t, l.P50, (80 * time.Millisecond).Nanoseconds())
			require.Less(t, l.P50, (200 * time.Millisecond).Nanoseconds())
			require.Greater(t, l.Max, (10 * time.Minute).Nanoseconds())
			require.Less(t, l.Max, (13 * time.Minute).Nanoseconds())
		}
		require.NoError(t, all.Close())
	}
}
