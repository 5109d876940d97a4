package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

func small() workload {
	return workload{writes: 5000, keys: 2000, conflicts: 0.1, ties: 0.05, duplicates: 0.01, counters: 0.1, seed: 7, form: native}
}

func made(t *testing.T, w workload) []byte {
	var b bytes.Buffer
	require.NoError(t, w.check())
	require.NoError(t, w.generate(&b))
	return b.Bytes()
}

func collected(t *testing.T, text []byte) *replay.History {
	source := history.Source{Name: "h", Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }}
	h, err := replay.Collect([]history.Source{source}, history.Options{Reads: true})
	require.NoError(t, err)
	return h
}

func TestEqualWorkloadsMakeEqualBytes(t *testing.T) {
	w := small()
	require.Equal(t, made(t, w), made(t, w))
	other := small()
	other.seed++
	require.NotEqual(t, made(t, w), made(t, other))
}

func TestEveryFormIsReadWhole(t *testing.T) {
	for _, f := range forms {
		w := small()
		w.form = f
		in := collected(t, made(t, w)).Inputs()[0]
		require.Zero(t, in.SetAside, "%s: %v", f, in.Codes)
		require.GreaterOrEqual(t, in.Writes, int64(w.writes), f)
	}
}

// Deletes are told in every form.
func TestDeletesAreReadInEveryForm(t *testing.T) {
	table := merge.MustParseTable("* * delete-wins")
	for _, f := range forms {
		w := small()
		w.form, w.deletes = f, 0.2
		h := collected(t, made(t, w))
		require.Zero(t, h.Inputs()[0].SetAside, f)
		deletes := int64(0)
		h.Operations(replay.Options{}, func(ops *replay.KeyOperations) {
			for _, o := range ops.Ops {
				if o.WholeDelete() {
					deletes++
				}
			}
		})
		require.InEpsilon(t, 0.2*(1-w.counters)*float64(w.writes), deletes, 0.1, f)
		require.Positive(t, h.Run(table, replay.Options{}).Totals.Kept)
	}
}

// The members of a line may stand in any order, and msgpack holds the same writes as lines do.
func TestFormsTellTheSameWrites(t *testing.T) {
	text, err := files.ReadFile("bench.tb")
	require.NoError(t, err)
	table, err := merge.ParseTable("bench.tb", text)
	require.NoError(t, err)
	totals := func(change func(*workload)) replay.Totals {
		w := small()
		change(&w)
		return collected(t, made(t, w)).Run(table, replay.Options{}).Totals
	}
	want := totals(func(*workload) {})
	require.Positive(t, want.Lost.Max)
	require.Positive(t, want.Combined)
	require.Positive(t, want.Duplicates)
	require.Equal(t, want, totals(func(w *workload) { w.form = packed }))
	mixed := totals(func(w *workload) { w.mixed = true })
	require.Equal(t, want.Writes, mixed.Writes)
}

// Lists of ids and numbers of nodes are two ways to say the same of what writers had seen.
func TestSeenIsTheSameEitherWay(t *testing.T) {
	text, err := files.ReadFile("bench.tb")
	require.NoError(t, err)
	table, err := merge.ParseTable("bench.tb", text)
	require.NoError(t, err)
	var reports []*replay.Report
	for _, s := range seens {
		w := small()
		w.seen = s
		h := collected(t, made(t, w))
		require.Zero(t, h.Inputs()[0].SetAside)
		reports = append(reports, h.Run(table, replay.Options{}))
	}
	require.Positive(t, reports[0].Totals.Conflicts.Min)
	require.Positive(t, reports[0].Totals.Overwritten.Min)
	require.Equal(t, reports[0], reports[1])

	w := small()
	w.seen, w.form = asList, spanner
	require.Error(t, w.check())
}

// Of every read of a workload it can be told whether it was stale, and few are.
func TestReadsAreJudged(t *testing.T) {
	w := small()
	w.reads = 2.5
	h := collected(t, made(t, w))
	require.Zero(t, h.Inputs()[0].SetAside)
	require.InEpsilon(t, 2.5*(1-w.counters)*float64(w.writes), h.Reads(), 0.05)
	r, err := reads.Check(h, merge.MustParseTable("* * lww"), reads.Options{})
	require.NoError(t, err)
	require.Len(t, r.Levels, len(wants))
	for _, l := range r.Levels[:2] {
		require.Greater(t, l.Stale, int64(0), l.Level)
	}
	for _, l := range r.Levels {
		require.Less(t, float64(l.Stale), 4*stale*float64(l.Reads), l.Level)
		require.Zero(t, l.CannotTell, l.Level)
	}

	w.form = spanner
	require.Error(t, w.check())
}

func TestZipfPrefersFewKeys(t *testing.T) {
	count := func(exponent float64) (most int) {
		w := small()
		w.zipf = exponent
		choose := w.chooser(newRand(1))
		counts := make([]int, w.keys)
		for range 100_000 {
			counts[choose()]++
		}
		for _, n := range counts {
			most = max(most, n)
		}
		return most
	}
	require.Less(t, count(0), 200)
	require.Greater(t, count(0.99), 5000)
}
