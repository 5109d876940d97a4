//go:build unix

package drill

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// dayOf is a day of so many writes by three regions, each of which names the last write it had seen of the others: those of
// 100 ms ago.
func dayOf(writes int) string {
	r := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	nodes := []string{"ap-1", "eu-1", "us-1"}
	at := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC).UnixNano()
	step := int64(24*time.Hour) / int64(writes)
	lag := int(int64(100*time.Millisecond)/step) + 1
	past := make([][3]int, 0, writes+1)
	var seqs [3]int
	for i := range writes {
		past = append(past, seqs)
		seen := past[max(0, i-lag)]
		n := r.IntN(3)
		at += step
		seqs[n]++
		fmt.Fprintf(&b, `{"id":"%s:%d","key":"users/%d","field":"f","value":"some value %d of text that is thirty six","time":%d,"node":"%s"`,
			nodes[n], seqs[n], r.IntN(writes/4+1), i, at, nodes[n])
		var up []string
		for m, name := range nodes {
			if m != n && seen[m] > 0 {
				up = append(up, fmt.Sprintf("%q:%d", name, seen[m]))
			}
		}
		fmt.Fprintf(&b, `,"seen":{%s}}`+"\n", strings.Join(up, ","))
	}
	return b.String()
}

const benchScript = `
drill "eu-west cut off at lunch"
region ap = ap-*
region eu = eu-*
region us = us-*
link * 80ms +-20ms
class critical = users/1* reads quorum writes quorum
class rest = * reads local writes local
at 12:00 cut eu for 20m
at 12:05 skew us +400ms
check critical refused == 0
check lost users/2* <= 10
within 5m of heal: converged
`

// cpu returns the processor time that the tests have used: other work on the machine does not show in it.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// What a drill costs beside a plain dry run of the same history, on one core: reading included in both, and left out of
// both. "traffic" is what is done once for many drills.
//
// Two rounds, in CPU time for each write over three regions, reading included in both: at a hundred thousand writes 1.3 to 1.5
// and 5.3 to 5.4 µs, 3.5 to 4.1 times as much; at a million 1.4 to 1.5 and 6.2 to 6.6 µs, 4.5 to 4.6 times as much and 6 s in
// all. We want five times at most. It was 5.0 and 5.4 times on a machine where ten others fought for the memory, which a drill
// waits for more than a plain run does. A tenth is reading, a fifth putting the writes in order and keeping them,
// and of the rest most is waiting for memory, for a write touches its key, its cell, the operation and the one it replaces.
func BenchmarkDrill(b *testing.B) {
	for _, writes := range []int{100_000, 1_000_000} {
		text := dayOf(writes)
		table := merge.MustParseTable("nodes ap-1 < eu-1 < us-1\n* * lww")
		source := func() []history.Source { return []history.Source{history.Reader("h", strings.NewReader(text))} }
		collect := func() *replay.History {
			h, err := replay.Collect(source(), history.Options{Workers: 1})
			require.NoError(b, err)
			return h
		}
		traffic := func(h *replay.History) *Traffic {
			t, err := NewTraffic(h, nil, replay.Options{})
			require.NoError(b, err)
			return t
		}
		drill := func(t *Traffic) {
			r, err := Run(MustParseScript(benchScript), table, t, Options{})
			require.NoError(b, err)
			require.True(b, r.Converged)
		}
		per := func(b *testing.B, began time.Duration) {
			b.ReportMetric(float64((cpu()-began).Nanoseconds())/float64(b.N*writes), "cpu-ns/write")
		}
		h := collect()
		t := traffic(h)
		for _, c := range []struct {
			name string
			do   func()
		}{
			{"plain-with-reading", func() { collect().Run(table, replay.Options{Workers: 1}) }},
			{"drill-with-reading", func() { drill(traffic(collect())) }},
			{"plain", func() { h.Run(table, replay.Options{Workers: 1}) }},
			{"traffic", func() { traffic(h) }},
			{"drill", func() { drill(t) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, writes), func(b *testing.B) {
				b.ReportAllocs()
				began := cpu()
				for b.Loop() {
					c.do()
				}
				per(b, began)
			})
		}
	}
}
