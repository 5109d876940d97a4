package replay

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

func TestSequencesAreTheVectorOfTheirNumbers(t *testing.T) {
	for name, next := range map[string]func(r *rand.Rand, i int) uint64{
		"in order":        func(_ *rand.Rand, i int) uint64 { return uint64(i + 1) },
		"with holes":      func(_ *rand.Rand, i int) uint64 { return uint64(3*i + 1 + i%2) },
		"out of order":    func(r *rand.Rand, i int) uint64 { return uint64(max(1, i+r.IntN(4000)-2000)) },
		"far apart":       func(r *rand.Rand, _ int) uint64 { return r.Uint64() | 1 },
		"from two files":  func(_ *rand.Rand, i int) uint64 { return uint64(i%2*1_000_000_000 + i/2 + 1) },
		"in any order":    func(_ *rand.Rand, i int) uint64 { return uint64(i*7919%20011) + 1 },
		"all over again":  func(_ *rand.Rand, i int) uint64 { return uint64(i%9000 + 1) },
		"at the very end": func(_ *rand.Rand, i int) uint64 { return ^uint64(0) - uint64(i*7) },
		"backwards":       func(_ *rand.Rand, i int) uint64 { return uint64(5_000_000 - 50*i) },
	} {
		for _, most := range []int{sequenceBytes, 3000} {
			requireNumbers(t, fmt.Sprint(name, most), most, next)
		}
	}
}

func requireNumbers(t *testing.T, name string, most int, next func(r *rand.Rand, i int) uint64) {
	r := rand.New(rand.NewPCG(1, 2))
	h := newHistory(nil, history.Options{Memory: 1 << 20, Temp: t.TempDir()})
	defer h.Close()
	s, names := newSequences(h), h.names
	s.most = most
	var want clock.Vector
	writes := 20_000
	if testing.Short() {
		writes = 6_000
	}
	for i := range writes {
		n := r.IntN(2)
		d := clock.Dot{Node: []clock.Node{"eu", "us"}[n], Seq: next(r, i)}
		s.note(names.of(string(d.Node)), d.Seq)
		want.Add(d)
		q := s.nodes[names.of(string(d.Node))]
		if len(q.pages) > q.noted/fewOnPage+1 || len(q.odd) >= q.limit {
			t.Fatalf("%s: %d pages and %d odd ones of %d numbers", name, len(q.pages), len(q.odd), q.noted)
		}
	}
	runs, err := s.close()
	require.NoError(t, err)
	require.Equal(t, most < sequenceBytes && s.most == most, len(runs) > 2, "%s: %d runs", name, len(runs))
	require.NoError(t, h.seqs.join(runs))
	require.LessOrEqual(t, len(h.seqs.runs), mostRuns)
	var got clock.Vector
	var last clock.Range
	var node uint64
	require.NoError(t, h.seqs.each(func(name uint64, r clock.Range) {
		require.True(t, name != node || last.Last+1 < r.First)
		node, last = name, r
		got.AddRange(clock.Node(names.text(name)), r)
	}))
	require.True(t, want.Equal(got), name)
}
