package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// replayed is what the dry run says of the feeds of a workload.
func replayed(t *testing.T, w workload, run replay.Options) *replay.Report {
	require.NoError(t, w.check())
	texts := make([]bytes.Buffer, w.regions)
	opt := history.Options{Origin: origins[w.form]}
	var to []io.Writer
	for i := range texts {
		to = append(to, &texts[i])
		opt.Regions = append(opt.Regions, regionName(i))
	}
	require.NoError(t, w.generateFeeds(to))
	var sources []history.Source
	for i := range texts {
		s := history.Reader(regionName(i)+".ndjson", &texts[i])
		s.Region = regionName(i)
		sources = append(sources, s)
	}
	h, err := replay.Collect(sources, opt)
	require.NoError(t, err)
	defer h.Close()
	r := h.Run(merge.MustParseTable("* * lww"), run)
	require.NoError(t, h.Err())
	return r
}

// A write counts once, in whichever feeds it stands, and all is known of who had seen what, for no two rows are alike: the same in either form.
func TestFeedsOfRegionsTellEachWriteOnce(t *testing.T) {
	for _, regions := range []int{2, 3, 5} {
		var first *replay.Report
		for _, f := range replicated {
			w := small()
			w.keys, w.form, w.regions = 300, f, regions
			r := replayed(t, w, replay.Options{})
			require.EqualValues(t, w.writes, r.Totals.Writes)
			require.Greater(t, r.Totals.Arrivals, int64(w.writes*(regions-1)/2), "others are older than what is there")
			require.Positive(t, r.Totals.Duplicates)
			require.Zero(t, r.Found(finding.UnmatchedArrival))
			for _, in := range r.Inputs {
				require.Zero(t, in.SetAside+in.NoOrigin+in.Strange, "%v", in.Codes)
			}
			require.Positive(t, r.Totals.Conflicts.Min)
			require.Equal(t, r.Totals.Conflicts.Min, r.Totals.Conflicts.Max)
			require.Positive(t, r.Totals.Lost.Min)
			if first == nil {
				first = r
				require.Len(t, r.Late, regions*(regions-1))
				for _, l := range r.Late { // as long as a link takes, and as long as it is cut
					require.Greater(t, l.P50, latency)
					require.Less(t, l.P50, slowest)
					require.Greater(t, l.Max, int64(w.writes)*1e6/cutShare/2)
				}
				continue
			}
			require.Equal(t, first.Totals, r.Totals)
		}
	}
}

// In the log of PostgreSQL a delete says where it was made, and in the feed of CockroachDB nothing does: what the one tells agrees with
// what the other tells, and that is the narrower the better the clocks are known to be. Of two regions that delete a row at once one counts.
func TestDeletesOfFeedsAreTold(t *testing.T) {
	w := small()
	w.keys, w.regions, w.deletes = 3000, 3, 0.1
	w.form = debezium
	want := replayed(t, w, replay.Options{}).Totals
	width := int64(math.MaxInt64)
	for _, drift := range []time.Duration{0, 10 * time.Millisecond} {
		w.form = cockroach
		got := replayed(t, w, replay.Options{MaxDrift: drift}).Totals
		require.InEpsilon(t, want.Writes, got.Writes, 0.005)
		agree := func(got, want replay.Count) {
			require.LessOrEqual(t, got.Min, want.Max)
			require.GreaterOrEqual(t, got.Max, want.Min)
		}
		agree(got.Conflicts, want.Conflicts)
		agree(got.Conflicting, want.Conflicting)
		agree(got.Lost, want.Lost)
		require.Less(t, got.Lost.Max-got.Lost.Min, width/4)
		width = got.Lost.Max - got.Lost.Min
	}
	require.Less(t, width, want.Lost.Min/4)
}

func TestEqualWorkloadsMakeEqualFeeds(t *testing.T) {
	texts := func(seed uint64) (all [2]string) {
		w := small()
		w.form, w.regions, w.seed = cockroach, 2, seed
		var texts [2]bytes.Buffer
		require.NoError(t, w.generateFeeds([]io.Writer{&texts[0], &texts[1]}))
		return [2]string{texts[0].String(), texts[1].String()}
	}
	require.Equal(t, texts(1), texts(1))
	require.NotEqual(t, texts(1), texts(2))
}

func TestFeedsAreFilesOfADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "feeds")
	require.NoError(t, bench([]string{"-regions", "4", "-form", "debezium", "-writes", "10", "-o", dir}))
	for _, name := range []string{"ap-south", "eu-west", "us-east", "ap-south-2"} {
		require.FileExists(t, filepath.Join(dir, name+".ndjson"))
	}
}

func TestRegionsAreOfWhatReplicatesRows(t *testing.T) {
	for message, change := range map[string]func(*workload){
		"want 2 to 9":             func(w *workload) { w.regions = 1 },
		"want one of cockroachdb": func(w *workload) { w.form = native },
	} {
		w := small()
		w.form, w.regions = cockroach, 3
		change(&w)
		require.ErrorContains(t, w.check(), message, fmt.Sprint(w))
	}
}
