//go:build unix

package crdt

import (
	"math/rand"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
)

// The benchmarks of the table in the package comment: go test -run '^$' -bench . ./crdt
//
// Floor lines are what a plain Go map takes for the same job without any memory of what was seen. cpu-ns/op is the time
// computed, garbage collection included: other work on the machine does not lengthen it as it does ns/op.

const large = 100_000

// stopwatch measures the time that the process computes.
type stopwatch struct {
	b     *testing.B
	since time.Duration
	spent time.Duration
}

func watch(b *testing.B) *stopwatch {
	b.ReportAllocs()
	s := &stopwatch{b: b}
	s.since = s.now()
	return s
}

func (s *stopwatch) now() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		s.b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func (s *stopwatch) stop() {
	s.b.StopTimer()
	s.spent += s.now() - s.since
}

func (s *stopwatch) start() {
	s.since = s.now()
	s.b.StartTimer()
}

// report is called after the last iteration.
func (s *stopwatch) report() {
	s.spent += s.now() - s.since
	s.b.ReportMetric(float64(s.spent)/float64(s.b.N), "cpu-ns/op")
}

func mapOf(elements []string) map[string]struct{} {
	m := map[string]struct{}{}
	for _, e := range elements {
		m[e] = struct{}{}
	}
	return m
}

func BenchmarkMergeSets(b *testing.B) {
	all := elements(0, 2*large)
	for _, c := range []struct {
		name        string
		left, right []string
	}{
		{"same", all[:large], all[:large]},
		{"half", all[:large], all[large/2 : large/2+large]},
		{"disjoint", all[:large], all[large:]},
	} {
		b.Run("floor/"+c.name, func(b *testing.B) {
			right := mapOf(c.right)
			w := watch(b)
			for b.Loop() {
				w.stop()
				left := mapOf(c.left)
				w.start()
				for e := range right {
					left[e] = struct{}{}
				}
			}
			w.report()
		})
		b.Run("ORSet/"+c.name, func(b *testing.B) {
			start := orSetOf("us", c.left)
			other := start.Clone()
			if c.name != "same" {
				other = *orSetOf("eu", c.right)
			}
			w := watch(b)
			for b.Loop() {
				w.stop()
				left := start.Clone()
				w.start()
				left.Merge(other)
			}
			w.report()
		})
		b.Run("GSet/"+c.name, func(b *testing.B) {
			var start, other GSet[string]
			for _, e := range c.left {
				_, _ = start.Add(e)
			}
			for _, e := range c.right {
				_, _ = other.Add(e)
			}
			w := watch(b)
			for b.Loop() {
				w.stop()
				left := start.Clone()
				w.start()
				left.Merge(other)
			}
			w.report()
		})
	}
}

func BenchmarkInsertAll(b *testing.B) {
	all := elements(0, large)
	b.Run("floor", func(b *testing.B) {
		w := watch(b)
		for b.Loop() {
			mapOf(all)
		}
		w.report()
	})
	b.Run("ORSet", func(b *testing.B) {
		w := watch(b)
		for b.Loop() {
			orSetOf("us", all)
		}
		w.report()
	})
}

func BenchmarkDeltaOnLargeState(b *testing.B) {
	all := elements(0, large)
	// run measures a step for one element after the other. What a step needs is made for all of them, out of time, before
	// each round: a delta that comes again would cost less.
	run := func(name string, prepare func(), step func(i int)) {
		b.Run(name, func(b *testing.B) {
			i := 0
			prepare()
			w := watch(b)
			for b.Loop() {
				if i == large {
					w.stop()
					prepare()
					i = 0
					w.start()
				}
				step(i)
				i++
			}
			w.report()
		})
	}

	plain := mapOf(all)
	run("floor/write", func() {}, func(i int) { plain[all[i]] = struct{}{} })

	s, peer := orSetOf("us", all), orSetOf("us", all)
	var made ORSet[string] // and sent, and forgotten
	run("ORSet/make add", func() {}, func(i int) { made, _ = peer.Add("us", all[i]) })
	deltas := make([]ORSet[string], large)
	add := func() {
		for i, e := range all {
			deltas[i], _ = peer.Add("us", e)
		}
	}
	s.Merge(*peer)
	run("ORSet/merge add", add, func(i int) { s.Merge(deltas[i]) })
	s.Merge(*peer)
	run("ORSet/make remove", add, func(i int) { peer.Remove(all[i]) })
	s.Merge(*peer)
	run("ORSet/merge remove", func() {
		add()
		s.Merge(*peer)
		for i, e := range all {
			deltas[i] = peer.Remove(e)
		}
	}, func(i int) { s.Merge(deltas[i]) })
	s.Merge(*peer)
	seen, seq := s.Seen(), s.Seen().Max("us")
	run("ORSet/AddAt", func() {}, func(i int) {
		seq++
		_, _ = s.AddAt(clock.Dot{Node: "us", Seq: seq}, all[i], seen)
	})

	var g GSet[string]
	run("GSet/make add", func() {
		g = GSet[string]{}
		for _, e := range all {
			_, _ = g.Add(e)
		}
	}, func() func(i int) {
		more := elements(large, large)
		return func(i int) { _, _ = g.Add(more[i]) }
	}())

	var m, writer Map[string, MVRegister[int]]
	written := make([]Map[string, MVRegister[int]], large)
	value := 0
	write := func(r *MVRegister[int]) (MVRegister[int], error) { return r.Write("us", value) }
	writeAll := func() {
		for i, e := range all {
			written[i] = must(writer.Write(e, write))
		}
	}
	clear(deltas)
	writeAll()
	clear(written)
	var sent Map[string, MVRegister[int]]
	run("Map/make write", func() {}, func(i int) { sent, _ = writer.Write(all[i], write) })
	m.Merge(writer)
	run("Map/merge write", writeAll, func(i int) { m.Merge(written[i]) })

	runtime.KeepAlive(made)
	runtime.KeepAlive(sent)

	var c ResetCounter
	last := uint64(0)
	run("ResetCounter/AddAt", func() {}, func(int) {
		last++
		c.AddAt(clock.Dot{Node: "us", Seq: last}, DecimalOf(1))
	})
	var p, q PNCounter
	run("PNCounter/Add", func() {}, func(int) {
		delta, _ := p.Add("us", DecimalOf(1))
		q.Merge(delta)
	})
}

// How much memory a state of 100,000 elements of 13 bytes takes, beside that of a plain map, and how much it travels in. The
// bytes of the elements themselves are not counted: all of them share those.
func BenchmarkStateSize(b *testing.B) {
	all := elements(0, large)
	measure := func(name string, build func() (state any, encoded int)) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				state, encoded := build()
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/large, "bytes/element")
				b.ReportMetric(float64(encoded)/large, "wire-bytes/element")
				runtime.KeepAlive(state)
			}
		})
	}
	encoded := func(data []byte, err error) int {
		if err != nil {
			b.Fatal(err)
		}
		return len(data)
	}
	text := Text[string]()
	measure("floor/map", func() (any, int) { return mapOf(all), 0 })
	measure("GSet", func() (any, int) {
		var s GSet[string]
		for _, e := range all {
			_, _ = s.Add(e)
		}
		return &s, encoded(s.Encode(nil, text))
	})
	measure("ORSet", func() (any, int) {
		s := orSetOf("us", all)
		return s, encoded(s.Encode(nil, text))
	})
	measure("RWSet", func() (any, int) {
		var s RWSet[string]
		for _, e := range all {
			_, _ = s.Add("us", e)
		}
		return &s, encoded(s.Encode(nil, text))
	})
	measure("Map of MVRegister", func() (any, int) {
		var m Map[string, MVRegister[int]]
		for i, e := range all {
			must(m.Write(e, func(r *MVRegister[int]) (MVRegister[int], error) { return r.Write("us", i) }))
		}
		return &m, encoded(m.Encode(nil, text, MVRegisters(Int[int]())))
	})
	measure("ORSet of one element added 10,000 times by each of 3 nodes", func() (any, int) {
		var s ORSet[string]
		for range 10_000 {
			for _, node := range replicas {
				_, _ = s.Add(node, all[0])
			}
		}
		n := encoded(s.Encode(nil, text))
		return &s, n * large // of one element
	})
}

func BenchmarkWire(b *testing.B) {
	all := elements(0, large)
	for i := range all {
		all[i] += "-and-some-more-of-it-to-make-it-long" // 49 bytes
	}
	rand.New(rand.NewSource(1)).Shuffle(large, func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i := range all {
		all[i] = strings.Clone(all[i]) // made when it is added, as elements are
	}
	s := orSetOf("us", all)
	var g GSet[string]
	var rw RWSet[string]
	var m Map[string, MVRegister[string]]
	var counts Map[string, ResetCounter]
	var l AppendLog[string]
	for i, e := range all {
		_, _ = g.Add(e)
		_, _ = rw.Add("us", e)
		must(m.Write(e, func(r *MVRegister[string]) (MVRegister[string], error) { return r.Write("us", e[:20]) }))
		must(counts.Write(e, func(c *ResetCounter) (ResetCounter, error) { return c.Add("us", DecimalOf(int64(i))), nil }))
		must(l.Append("us", clock.Timestamp{Wall: 1_700_000_000_000_000_000 + int64(i)}, e))
	}
	size := 0
	measure := func(name string, step func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			w := watch(b)
			for b.Loop() {
				step(b)
			}
			w.report()
			b.ReportMetric(float64(size)*float64(b.N)/w.spent.Seconds()/1e6, "cpu-MB/s")
			b.ReportMetric(float64(size)/large, "bytes/entry")
		})
	}
	run := func(name string, encode func([]byte) ([]byte, error), decode func([]byte) error) {
		data, err := encode(nil)
		if err != nil {
			b.Fatal(err)
		}
		size = len(data)
		var buffer []byte
		measure("encode/"+name, func(*testing.B) { buffer, _ = encode(buffer[:0]) })
		measure("decode/"+name, func(b *testing.B) {
			if err := decode(data); err != nil {
				b.Fatal(err)
			}
		})
	}
	text := Text[string]()
	run("ORSet", func(buf []byte) ([]byte, error) { return s.Encode(buf, text) },
		func(data []byte) error { return new(ORSet[string]).Decode(data, text, Limits{}) })
	run("GSet", func(buf []byte) ([]byte, error) { return g.Encode(buf, text) },
		func(data []byte) error { return new(GSet[string]).Decode(data, text, Limits{}) })
	run("RWSet", func(buf []byte) ([]byte, error) { return rw.Encode(buf, text) },
		func(data []byte) error { return new(RWSet[string]).Decode(data, text, Limits{}) })
	run("Map of MVRegister", func(buf []byte) ([]byte, error) { return m.Encode(buf, text, MVRegisters(text)) },
		func(data []byte) error {
			return new(Map[string, MVRegister[string]]).Decode(data, text, MVRegisters(text), Limits{})
		})
	run("Map of ResetCounter", func(buf []byte) ([]byte, error) { return counts.Encode(buf, text, ResetCounters()) },
		func(data []byte) error {
			return new(Map[string, ResetCounter]).Decode(data, text, ResetCounters(), Limits{})
		})
	run("AppendLog", func(buf []byte) ([]byte, error) { return l.Encode(buf, text) },
		func(data []byte) error { return new(AppendLog[string]).Decode(data, text, Limits{}) })
	measure("floor/decode", func(*testing.B) { // strings into a map, nothing checked
		m := map[string]struct{}{}
		for _, e := range all {
			m[string([]byte(e))] = struct{}{}
		}
	})
}
