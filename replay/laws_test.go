package replay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// A thousand candidates of long values are hundreds of megabytes: which of them are the richest is found out before.
func TestLawsHoldFewLongValues(t *testing.T) {
	long := value.Text(strings.Repeat("x", 60<<10))
	var all []lawCell
	for i := range 500 {
		lc := lawCell{key: fmt.Sprint("k", i)}
		for range 1 + i%4 {
			lc.claims = append(lc.claims, merge.Claim{Op: &merge.Op{}, Value: long})
		}
		all = append(all, lc)
	}
	want := richest(slices.Clone(all))
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 1))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		c := lawCandidates{byRule: make([][]lawCell, 2)}
		for _, lc := range all {
			c.add(1, lc)
			require.LessOrEqual(t, c.held, lawBytes+4*(len(long)+1<<10))
		}
		got := richest(c.byRule[1])
		require.Len(t, got, maxLawCells)
		for i := range got {
			require.Equal(t, want[i].key, got[i].key)
		}
	}
}
