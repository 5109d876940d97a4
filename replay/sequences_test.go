package replay

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
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
		r := rand.New(rand.NewPCG(1, 2))
		var s sequences
		names := newNames()
		var want clock.Vector
		for i := range 20_000 {
			n := r.IntN(2)
			d := clock.Dot{Node: []clock.Node{"eu", "us"}[n], Seq: next(r, i)}
			s.note(names, names.of(string(d.Node)), d.Seq)
			want.Add(d)
			q := s.nodes[names.of(string(d.Node))]
			require.LessOrEqual(t, len(q.pages), freePages+len(q.odd)/fewOnPage+q.noted/fewOnPage+1, name)
			require.Less(t, len(q.odd), q.limit)
		}
		got := s.close()
		require.True(t, want.Equal(got), name)
	}
}
