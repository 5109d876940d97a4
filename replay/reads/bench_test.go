package reads_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// BenchmarkCheck judges histories of which seven in ten records are strong reads, one in a hundred of them stale, of keys with
// about twenty records each, or of ten keys in all. "read" is the floor: what reading the same history costs without a
// look at its reads.
func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		for _, keys := range []int{n / 20, 10} {
			text := busy(n, keys)
			collect := func(keep bool) *replay.History {
				h, err := replay.Collect([]history.Source{history.Reader("h", bytes.NewReader(text))}, history.Options{Reads: keep, Memory: 1 << 30})
				require.NoError(b, err)
				return h
			}
			per := func(b *testing.B) { b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record") }
			b.Run(fmt.Sprintf("records=%d/keys=%d/read", n, keys), func(b *testing.B) {
				for b.Loop() {
					collect(false)
				}
				per(b)
			})
			b.Run(fmt.Sprintf("records=%d/keys=%d/read+check", n, keys), func(b *testing.B) {
				for b.Loop() {
					h := collect(true)
					r, err := reads.Check(h, byVersion, reads.Options{})
					require.NoError(b, err)
					require.Greater(b, r.Levels[0].Stale, int64(0))
				}
				per(b)
			})
		}
	}
}

// busy returns a history in which at each moment a few operations on a key overlap.
func busy(n, keys int) []byte {
	chance := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	last, before := make([]string, keys), make([]string, keys)
	for i := range n {
		k := chance.IntN(keys)
		start := noon + int64(i)*1000 + 1
		if chance.IntN(10) < 3 || before[k] == "" {
			id := fmt.Sprintf("n%d:%d", i%3, i)
			fmt.Fprintf(&b, `{"key":"k%d","field":"f","value":%d,"node":"n%d","version":%d,"time":%d,"id":%q,"start":%d,"end":%d}`+"\n",
				k, i, i%3, i+1, start+300, id, start, start+600)
			before[k], last[k] = last[k], id
			continue
		}
		saw := last[k]
		if chance.IntN(100) == 0 {
			saw = before[k]
		}
		fmt.Fprintf(&b, `{"key":"k%d","op":"read","field":"f","want":"strong","saw":%q,"start":%d,"end":%d}`+"\n", k, saw, start, start+5*int64(keys))
	}
	return b.Bytes()
}
