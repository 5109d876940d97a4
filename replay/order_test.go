package replay

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"
)

// Turns are sorted as the standard library sorts them, whatever their numbers, and so are the writes of a key.
func TestTurnsAreSortedByNodeAndNumber(t *testing.T) {
	compare := func(a, b turn) int { return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.number, b.number)) }
	var s turns // one for all: what a sort left behind must not show
	k := plainKey{}
	k.plainCell = &k.whole
	properties := gopter.NewProperties(gopter.DefaultTestParameters())
	properties.Property("as slices.SortStableFunc", prop.ForAll(func(seed uint64, n, nodes, bits int, near bool) bool {
		r := rand.New(rand.NewPCG(seed, 3))
		list := make([]turn, n)
		base := r.Uint64N(1 << 40)
		for i := range list {
			list[i] = turn{r.Uint64() >> (64 - bits), uint32(r.IntN(nodes)) * 0x01010000, uint32(i)}
			if near { // as they are written: ascending, but for a few
				list[i].number = base + uint64(i+r.IntN(60))
			}
		}
		s.begin(n)
		s.list = append(s.list, list...)
		s.sort()
		k.ops = k.ops[:0]
		for _, t := range list {
			k.ops = append(k.ops, plainOp{number: t.number, node: t.node, line: t.at})
		}
		if n > 0 {
			k.sort()
		}
		slices.SortStableFunc(list, compare)
		for i, o := range k.ops {
			if o.number != list[i].number || o.node != list[i].node || o.line != list[i].at {
				return false
			}
		}
		return slices.Equal(s.list, list)
	}, gen.UInt64(), gen.OneGenOf(gen.IntRange(0, 2*fewTurns), gen.IntRange(0, 5000)), gen.IntRange(1, 200), gen.IntRange(1, 64), gen.Bool()))
	properties.TestingRun(t)

	s.begin(3 * fewTurns)
	for i := range 3 * fewTurns {
		s.list = append(s.list, turn{7, 7, uint32(i)})
	}
	s.sort()
	require.True(t, slices.IsSortedFunc(s.list, func(a, b turn) int { return cmp.Compare(a.at, b.at) }))
}
