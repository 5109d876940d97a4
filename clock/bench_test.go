package clock_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
)

// Every figure here stands beside its floor: what reading the system's clock costs, and what the least loop around it
// costs that never goes back.
//
//	go test -bench . -benchmem ./clock

// sink keeps the compiler from removing what is measured.
var sink int64

// casClock is the least a strictly increasing clock can do: no source, no bound, no error.
type casClock struct{ last atomic.Int64 }

func (c *casClock) now() int64 {
	now := time.Now().UnixNano()
	for {
		last := c.last.Load()
		if now <= last {
			now = last + 1
		}
		if c.last.CompareAndSwap(last, now) {
			return now
		}
	}
}

func BenchmarkNow(b *testing.B) {
	b.Run("clock", func(b *testing.B) {
		b.ReportAllocs()
		var c clock.Clock
		for i := 0; i < b.N; i++ {
			sink = c.Now().Wall
		}
	})
	b.Run("floor/time.Now", func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			sink = time.Now().UnixNano()
		}
	})
}

func BenchmarkNowParallel(b *testing.B) {
	b.Run("clock", func(b *testing.B) {
		b.ReportAllocs()
		var c clock.Clock
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Now()
			}
		})
	})
	b.Run("floor/cas", func(b *testing.B) {
		var c casClock
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.now()
			}
		})
	})
}

// BenchmarkNowRatio reports how much longer Now takes than its floor: on one goroutine the system's clock, on two that
// clock in a loop that never goes back. The two are measured in turns of a few milliseconds, so that both see the same
// machine, and the median turn counts.
func BenchmarkNowRatio(b *testing.B) {
	const calls, turns = 50_000, 41
	run := func(goroutines int, now func() int64) time.Duration {
		began := time.Now()
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				for range calls {
					now()
				}
			})
		}
		all.Wait()
		return time.Since(began)
	}
	for _, bench := range []struct {
		goroutines int
		floor      func() int64
	}{
		{1, func() int64 { return time.Now().UnixNano() }},
		{2, new(casClock).now},
	} {
		b.Run(fmt.Sprintf("goroutines=%d", bench.goroutines), func(b *testing.B) {
			var c clock.Clock
			ours := func() int64 { return c.Now().Wall }
			var floors, nows, ratios []float64
			for b.Loop() {
				for range turns {
					floor := run(bench.goroutines, bench.floor).Seconds() * 1e9 / calls
					now := run(bench.goroutines, ours).Seconds() * 1e9 / calls
					floors, nows, ratios = append(floors, floor), append(nows, now), append(ratios, now/floor)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(floors), "floor-ns/call")
			b.ReportMetric(median(nows), "ns/call")
			b.ReportMetric(median(ratios), "x-floor")
		})
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

func BenchmarkObserve(b *testing.B) {
	var c clock.Clock
	behind := c.Now()
	b.Run("behind", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; i < b.N; i++ {
			if err := c.Observe(behind); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ahead", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; i < b.N; i++ {
			ahead := c.Last()
			ahead.Wall++
			if err := c.Observe(ahead); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("floor/load", func(b *testing.B) {
		var last atomic.Int64
		for i := 0; i < b.N; i++ {
			if behind.Wall <= last.Load() {
				b.Fatal("out of order")
			}
		}
	})
}

func BenchmarkVector(b *testing.B) {
	seen := clock.Up("ap-south", 1000)
	seen.AddUp("eu-west", 1000)
	seen.AddUp("us-east", 1000)
	b.Run("Has", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; i < b.N; i++ {
			if !seen.Has(clock.Dot{Node: "us-east", Seq: uint64(i%1000) + 1}) {
				b.Fatal("lost a dot")
			}
		}
	})
	b.Run("Add/in order", func(b *testing.B) {
		b.ReportAllocs()
		v := seen.Clone()
		for i := 0; i < b.N; i++ {
			if !v.Add(clock.Dot{Node: "us-east", Seq: 1001 + uint64(i)}) {
				b.Fatal("not new")
			}
		}
	})
	b.Run("floor/map of greatest", func(b *testing.B) {
		greatest := map[clock.Node]uint64{"ap-south": 1000, "eu-west": 1000, "us-east": 1000}
		for i := 0; i < b.N; i++ {
			greatest["us-east"] = max(greatest["us-east"], 1001+uint64(i))
		}
	})
	b.Run("Merge/nothing new", func(b *testing.B) {
		b.ReportAllocs()
		v := seen.Clone()
		for i := 0; i < b.N; i++ {
			v.Merge(seen)
		}
	})
	b.Run("Merge/1000 nodes of 100 holes", func(b *testing.B) {
		b.ReportAllocs()
		var odd, even clock.Vector
		for n := range 1000 {
			for i := range uint64(100) {
				odd.Add(clock.Dot{Node: clock.Node(fmt.Sprint("n", n)), Seq: 4*i + 1})
				even.Add(clock.Dot{Node: clock.Node(fmt.Sprint("n", n)), Seq: 4*i + 3})
			}
		}
		for b.Loop() {
			v := odd.Clone()
			v.Merge(even)
		}
	})
}
