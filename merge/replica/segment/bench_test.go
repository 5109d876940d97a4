package segment_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// The figures of the package comment: go test -run '^$' -bench . ./merge/replica/segment
//
// Records have 200 bytes. The floor is what a bare file takes for the same bytes: write and sync, in a loop, without a
// frame.

var payload = []byte(strings.Repeat("0123456789", 20))

func openLog(b *testing.B) *segment.Log {
	l, _, err := segment.Open(b.TempDir(), segment.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = l.Close() })
	return l
}

func BenchmarkSync(b *testing.B) {
	for _, bench := range []struct {
		name    string
		records int
	}{{"1 record", 1}, {"1000 records", 1000}} {
		b.Run(bench.name, func(b *testing.B) {
			l := openLog(b)
			floor, err := os.Create(filepath.Join(b.TempDir(), "file"))
			require.NoError(b, err)
			defer floor.Close()
			batch := []byte(strings.Repeat(string(payload), bench.records))
			b.ReportAllocs()
			var ours, bare time.Duration
			n := 0
			for b.Loop() {
				// One after the other, since what a disk does changes by the second.
				start := time.Now()
				for range bench.records {
					if _, err := l.Append(payload); err != nil {
						b.Fatal(err)
					}
				}
				if err := l.Sync(); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(start)
				start = time.Now()
				if _, err := floor.Write(batch); err != nil {
					b.Fatal(err)
				}
				if err := floor.Sync(); err != nil {
					b.Fatal(err)
				}
				bare += time.Since(start)
				n += bench.records
			}
			b.ReportMetric(float64(n)/ours.Seconds(), "records/s")
			b.ReportMetric(float64(n)/bare.Seconds(), "floor-records/s")
			b.ReportMetric(ours.Seconds()/bare.Seconds(), "times-floor")
		})
	}
	b.Run("64 writers", func(b *testing.B) {
		l := openLog(b)
		n := 0
		for b.Loop() {
			var group sync.WaitGroup
			for range 64 {
				group.Go(func() {
					for range 10 {
						if _, err := l.Append(payload); err != nil {
							b.Error(err)
						}
						if err := l.Sync(); err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
			n += 640
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
	})
}

func BenchmarkAppend(b *testing.B) {
	l := openLog(b)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n%10_000 == 0 {
			b.StopTimer()
			require.NoError(b, l.Sync())
			b.StartTimer()
		}
		if _, err := l.Append(payload); err != nil {
			b.Fatal(err)
		}
	}
}

// fullLog is a log of 64 MiB in a directory.
func fullLog(b *testing.B) (string, []segment.Position) {
	dir := b.TempDir()
	l, _, err := segment.Open(dir, segment.Options{})
	require.NoError(b, err)
	var positions []segment.Position
	for range 300_000 {
		at, err := l.Append(payload)
		require.NoError(b, err)
		positions = append(positions, at)
	}
	require.NoError(b, l.Close())
	return dir, positions
}

func BenchmarkOpen(b *testing.B) {
	dir, positions := fullLog(b)
	b.SetBytes(int64(len(positions) * (len(payload) + 24)))
	for b.Loop() {
		l, _, err := segment.Open(dir, segment.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = l.Close()
		b.StartTimer()
	}
}

func BenchmarkFrom(b *testing.B) {
	dir, positions := fullLog(b)
	l, _, err := segment.Open(dir, segment.Options{})
	require.NoError(b, err)
	defer l.Close()
	b.SetBytes(int64(len(positions) * (len(payload) + 24)))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range l.From(segment.Position{}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkRead(b *testing.B) {
	dir, positions := fullLog(b)
	l, _, err := segment.Open(dir, segment.Options{})
	require.NoError(b, err)
	defer l.Close()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := l.Read(positions[i*7919%len(positions)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
