package lww_test

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"testing"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
)

// Every figure here stands beside its floor: what a program would pay that needs neither a reason nor a tie order.
//
//	go test -bench . -benchmem ./lww

var threeNodes = lww.Ladder{Nodes: clock.Nodes{"ap-south", "eu-west", "us-east"}}

// sink keeps the compiler from removing what is measured.
var sink int64

func benchStamp(version uint64, wall int64, node clock.Node) lww.Stamp {
	return lww.Stamp{Version: version, Time: clock.Timestamp{Wall: wall}, Node: node}
}

// floorMerge compares like [lww.Merge] by the first three rungs, with the node's spelling for its place, no reason and
// no copy.
func floorMerge[V any](a, b *lww.Register[V]) *lww.Register[V] {
	order := cmp.Compare(a.Stamp.Version, b.Stamp.Version)
	if order == 0 {
		order = a.Stamp.Time.Compare(b.Stamp.Time)
	}
	if order == 0 {
		order = cmp.Compare(a.Stamp.Node, b.Stamp.Node)
	}
	if order < 0 {
		return b
	}
	return a
}

func BenchmarkMerge(b *testing.B) {
	b.Run("string", func(b *testing.B) { benchMerge(b, "paid", "open") })
	b.Run("int64", func(b *testing.B) { benchMerge[int64](b, 1, 2) })
}

func benchMerge[V cmp.Ordered](b *testing.B, one, two V) {
	base := lww.Register[V]{Stamp: benchStamp(1, 5, "eu-west"), Value: one}
	for _, c := range []struct {
		rung  lww.Rung
		other lww.Register[V]
	}{
		{lww.Version, lww.Register[V]{Stamp: benchStamp(2, 5, "us-east"), Value: two}},
		{lww.Time, lww.Register[V]{Stamp: benchStamp(1, 9, "us-east"), Value: two}},
		{lww.Node, lww.Register[V]{Stamp: benchStamp(1, 5, "us-east"), Value: two}},
		{lww.Value, lww.Register[V]{Stamp: benchStamp(1, 5, "eu-west"), Value: two}},
	} {
		writes := []lww.Register[V]{base, c.other, c.other, base}
		b.Run(c.rung.String(), func(b *testing.B) {
			b.ReportAllocs()
			var margins int64
			for i := 0; i < b.N; i++ {
				kept, why := lww.Merge(&threeNodes, writes[i&3], writes[i>>1&3])
				margins += why.Margin + kept.Stamp.Time.Wall
			}
			sink = margins
		})
		b.Run("floor/"+c.rung.String(), func(b *testing.B) {
			var walls int64
			for i := 0; i < b.N; i++ {
				walls += floorMerge(&writes[i&3], &writes[i>>1&3]).Stamp.Time.Wall
			}
			sink = walls
		})
	}
}

const benchKeys = 100_000

// benchMaps returns two maps of the same keys: in a, every second write is the later one.
func benchMaps() (a, b lww.Map[string, string]) {
	a, b = make(lww.Map[string, string], benchKeys), make(lww.Map[string, string], benchKeys)
	for i := range benchKeys {
		key := fmt.Sprintf("orders/%06d", i)
		a[key] = lww.Register[string]{Stamp: benchStamp(0, int64(1000+i&1), "eu-west"), Value: "0123456789abcdef0123456789abcdef"}
		b[key] = lww.Register[string]{Stamp: benchStamp(0, int64(1001-i&1), "us-east"), Value: "fedcba9876543210fedcba9876543210"}
	}
	return a, b
}

// floorMergeMap is a plain Go map of structs of the same size, merged in place by time alone.
func floorMergeMap(m, from lww.Map[string, string]) {
	for k, theirs := range from {
		if ours, ok := m[k]; !ok || ours.Stamp.Time.Wall < theirs.Stamp.Time.Wall {
			m[k] = theirs
		}
	}
}

// BenchmarkMergeMap merges 100,000 keys, all in conflict, half of them lost by either side, and reports how much
// longer that takes than the floor. The two are measured in turns, so that both see the same machine.
func BenchmarkMergeMap(b *testing.B) {
	ours, theirs := benchMaps()
	var spent [2]time.Duration // by the floor, by us
	for turn := 0; b.Loop(); turn++ {
		for i := range spent {
			which := (turn + i) & 1
			m := maps.Clone(ours)
			runtime.GC()
			began := time.Now()
			if which == 0 {
				floorMergeMap(m, theirs)
			} else {
				lww.MergeMap(&threeNodes, m, theirs, nil)
			}
			spent[which] += time.Since(began)
		}
	}
	perMerge := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(b.N) }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(perMerge(spent[0]), "floor-ms/merge")
	b.ReportMetric(perMerge(spent[1]), "ms/merge")
	b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "x-floor")
}

// BenchmarkMergeDelta merges a delta of one key into a map of 100,000.
func BenchmarkMergeDelta(b *testing.B) {
	m, _ := benchMaps()
	deltas := make([]lww.Map[string, string], 1024)
	fill := func(wall int64) {
		for i := range deltas {
			key := fmt.Sprintf("orders/%06d", i*97)
			deltas[i] = lww.Map[string, string]{key: {Stamp: benchStamp(0, wall, "us-east"), Value: "x"}}
		}
	}
	fill(5000)
	b.Run("kept", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; i < b.N; i++ {
			lww.MergeMap(&threeNodes, m, deltas[i%len(deltas)], nil)
		}
	})
	b.Run("floor/kept", func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			floorMergeMap(m, deltas[i%len(deltas)])
		}
	})
	fill(1)
	b.Run("lost", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; i < b.N; i++ {
			lww.MergeMap(&threeNodes, m, deltas[i%len(deltas)], nil)
		}
	})
}
