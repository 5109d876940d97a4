package merge

import (
	"fmt"
	"math/rand"
	"runtime"
	"testing"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
)

// What a new record costs that has so many fields, made by one operation or by one for each, and a field of one that has many. The
// metric is what stays of a record.
func BenchmarkFields(b *testing.B) {
	table := MustParseTable("* * lww")
	names := make([]string, 64_000)
	for i := range names {
		names[i] = fmt.Sprintf("field/%05d", i)
	}
	shuffled := rand.New(rand.NewSource(1)).Perm(len(names))
	op := func(key string, i int) Op {
		return Op{Key: key, Stamp: lww.Stamp{Time: clock.Timestamp{Wall: int64(i + 1)}, Node: "us"}}
	}
	for _, n := range []int{1, 2, 3, 5, 8} {
		for _, at := range []int{1, n} {
			b.Run(fmt.Sprintf("fields=%d/at-once=%d", n, at), func(b *testing.B) {
				const keys = 1000
				var ops []Op
				for i := range keys {
					for f := 0; f < n; f += at {
						o := op(fmt.Sprint("key/", i), f)
						for _, g := range shuffled[f : f+at] {
							o.Fields = append(o.Fields, Field{Name: names[g], Value: "7"})
						}
						ops = append(ops, o)
					}
				}
				apply := func() *State {
					s := NewState(table)
					var verdicts []Verdict
					var before []Write
					for i := range ops {
						verdicts, before, _ = s.Take(&ops[i], verdicts[:0], before[:0])
					}
					return s
				}
				var m, more runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				s := apply()
				runtime.GC()
				runtime.ReadMemStats(&more)
				runtime.KeepAlive(s)
				b.ReportAllocs()
				for b.Loop() {
					apply()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/keys, "ns/record")
				b.ReportMetric(float64(more.HeapAlloc-m.HeapAlloc)/keys, "held-B/record")
			})
			if n == 1 {
				break
			}
		}
	}
	for _, order := range []string{"ascending", "shuffled"} {
		b.Run("fields=64000/"+order, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := NewState(table)
				var verdicts []Verdict
				var before []Write
				for i := range names {
					o := op("k", i)
					if order == "shuffled" {
						i = shuffled[i]
					}
					o.Fields = []Field{{Name: names[i], Value: "7"}}
					verdicts, before, _ = s.Take(&o, verdicts[:0], before[:0])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(names)), "ns/field")
		})
	}
}
