package crdt

import (
	"fmt"
	"testing"

	"github.com/tiebreakhq/tiebreak/clock"
)

// The benchmarks of the table in the package comment: go test -run '^$' -bench . ./crdt
//
// Floor lines are what a plain Go map takes for the same job without any memory of what was seen.

const large = 100_000

func elements(from, n int) []string {
	e := make([]string, n)
	for i := range e {
		e[i] = fmt.Sprintf("element-%05d", from+i)
	}
	return e
}

func orSetOf(node clock.Node, elements []string) *ORSet[string] {
	var s ORSet[string]
	for _, e := range elements {
		_, _ = s.Add(node, e)
	}
	return &s
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
			for b.Loop() {
				b.StopTimer()
				left := mapOf(c.left)
				b.StartTimer()
				for e := range right {
					left[e] = struct{}{}
				}
			}
		})
		b.Run("ORSet/"+c.name, func(b *testing.B) {
			start := orSetOf("us", c.left)
			other := start.Clone()
			if c.name != "same" {
				other = *orSetOf("eu", c.right)
			}
			for b.Loop() {
				b.StopTimer()
				left := start.Clone()
				b.StartTimer()
				left.Merge(other)
			}
		})
		b.Run("GSet/"+c.name, func(b *testing.B) {
			var start, other GSet[string]
			for _, e := range c.left {
				_, _ = start.Add(e)
			}
			for _, e := range c.right {
				_, _ = other.Add(e)
			}
			for b.Loop() {
				b.StopTimer()
				left := start.Clone()
				b.StartTimer()
				left.Merge(other)
			}
		})
	}
}

func BenchmarkInsertAll(b *testing.B) {
	all := elements(0, large)
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			mapOf(all)
		}
	})
	b.Run("ORSet", func(b *testing.B) {
		for b.Loop() {
			orSetOf("us", all)
		}
	})
}

func BenchmarkDeltaOnLargeState(b *testing.B) {
	all := elements(0, large)
	b.Run("ORSet/make add", func(b *testing.B) {
		s := orSetOf("us", all)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _ = s.Add("us", all[i%large])
			i++
		}
	})
	b.Run("ORSet/merge add", func(b *testing.B) {
		s, peer := orSetOf("us", all), orSetOf("us", all)
		deltas := make([]ORSet[string], large)
		for i := range deltas {
			deltas[i], _ = peer.Add("us", all[i%large])
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			s.Merge(deltas[i%large])
			i++
		}
	})
	b.Run("ORSet/make and merge add and remove", func(b *testing.B) {
		s, peer := orSetOf("us", all), orSetOf("us", all)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			d := peer.Remove(all[i%large])
			s.Merge(d)
			d, _ = peer.Add("us", all[i%large])
			s.Merge(d)
			i++
		}
	})
	b.Run("ORSet/AddAt", func(b *testing.B) {
		s := orSetOf("us", all)
		seen := s.Seen()
		b.ReportAllocs()
		seq := uint64(large)
		for b.Loop() {
			seq++
			_, _ = s.AddAt(clock.Dot{Node: "us", Seq: seq}, all[seq%large], seen)
		}
	})
	b.Run("GSet/make add", func(b *testing.B) {
		var s GSet[string]
		for _, e := range all {
			_, _ = s.Add(e)
		}
		more := elements(large, large)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _ = s.Add(more[i%large])
			i++
		}
	})
	write := func(r *MVRegister[int]) (MVRegister[int], error) { return r.Write("us", 1) }
	mapOfRegisters := func() (m Map[string, MVRegister[int]]) {
		for _, e := range all {
			_, _ = m.Write(e, write)
		}
		return m
	}
	b.Run("Map/make write", func(b *testing.B) {
		m := mapOfRegisters()
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _ = m.Write(all[i%large], write)
			i++
		}
	})
	b.Run("Map/merge write", func(b *testing.B) {
		var deltas []Map[string, MVRegister[int]]
		m, peer := mapOfRegisters(), mapOfRegisters()
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if i%large == 0 { // what comes again costs less
				b.StopTimer()
				deltas = deltas[:0]
				for _, e := range all {
					deltas = append(deltas, must(peer.Write(e, write)))
				}
				b.StartTimer()
			}
			m.Merge(deltas[i%large])
			i++
		}
	})
	b.Run("ResetCounter/AddAt", func(b *testing.B) {
		var c ResetCounter
		b.ReportAllocs()
		seq := uint64(0)
		for b.Loop() {
			seq++
			c.AddAt(clock.Dot{Node: "us", Seq: seq}, DecimalOf(1))
		}
	})
	b.Run("PNCounter/Add", func(b *testing.B) {
		var c, peer PNCounter
		b.ReportAllocs()
		for b.Loop() {
			d, _ := c.Add("us", DecimalOf(1))
			peer.Merge(d)
		}
	})
}

func BenchmarkWire(b *testing.B) {
	all := elements(0, large)
	for i := range all {
		all[i] += "-and-some-more-of-it-to-make-it-long" // 49 bytes
	}
	s := orSetOf("us", all)
	var g GSet[string]
	for _, e := range all {
		_, _ = g.Add(e)
	}
	run := func(name string, encode func([]byte) ([]byte, error), decode func([]byte) error) {
		data, err := encode(nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("encode/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var buffer []byte
			for b.Loop() {
				buffer, _ = encode(buffer[:0])
			}
			b.ReportMetric(float64(len(data))/large, "bytes/entry")
		})
		b.Run("decode/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("ORSet", func(buf []byte) ([]byte, error) { return s.Encode(buf, Text[string]()) },
		func(data []byte) error { return new(ORSet[string]).Decode(data, Text[string](), Limits{}) })
	run("GSet", func(buf []byte) ([]byte, error) { return g.Encode(buf, Text[string]()) },
		func(data []byte) error { return new(GSet[string]).Decode(data, Text[string](), Limits{}) })
	b.Run("floor/decode", func(b *testing.B) { // strings into a map, nothing checked
		data, _ := g.Encode(nil, Text[string]())
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			m := map[string]struct{}{}
			for _, e := range all {
				m[string([]byte(e))] = struct{}{}
			}
		}
	})
}
