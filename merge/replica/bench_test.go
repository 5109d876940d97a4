package replica_test

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"

	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// BenchmarkWrite is local writes to a real disk that share syncs, by 64 and 512 writers, and beside it what the bare log does
// with as many goroutines and records of the same length.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{64, 512} {
		parallel := func(b *testing.B, each func(i int64) error) {
			var group sync.WaitGroup
			var next atomic.Int64
			for range writers {
				group.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if err := each(i); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		}
		b.Run(fmt.Sprintf("replica/%d", writers), func(b *testing.B) {
			opt := options("us-east", nil)
			opt.Source = nil
			r := open(b, b.TempDir(), opt)
			b.ResetTimer()
			parallel(b, func(i int64) error {
				_, err := r.Set(fmt.Sprintf("orders/%d", i%1000), "status", value.Int(i))
				return err
			})
		})
		b.Run(fmt.Sprintf("bare log/%d", writers), func(b *testing.B) {
			l, _, err := segment.Open(b.TempDir(), segment.Options{})
			require.NoError(b, err)
			record := make([]byte, 90)
			b.ResetTimer()
			parallel(b, func(int64) error {
				if _, err := l.Append(record); err != nil {
					return err
				}
				return l.Sync()
			})
			require.NoError(b, l.Close())
		})
	}
}

// fill returns a replica with n operations in it.
func fill(b testing.TB, w *world, n int) *replica.Replica {
	opt := options("us-east", w)
	r := open(b, "", opt)
	for i := range n {
		_, err := r.Set(fmt.Sprintf("orders/%d", i%100_000), "status", value.Int(int64(i)))
		require.NoError(b, err)
	}
	return r
}

// BenchmarkCatchUp is a replica in memory that gets a million operations of another one, decoding and admission included.
func BenchmarkCatchUp(b *testing.B) {
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	w := &world{now: start}
	us := fill(b, w, n)
	for b.Loop() {
		eu := open(b, "", options("eu-west", w))
		pull(b, eu, us)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkApply is the remote operations alone, in batches of a thousand.
func BenchmarkApply(b *testing.B) {
	w := &world{now: start}
	opt := options("us-east", w)
	opt.BatchBytes = 150_000
	us := open(b, "", opt)
	for i := range 200_000 {
		_, err := us.Set(fmt.Sprintf("orders/%d", i%10_000), "status", value.Int(int64(i)))
		require.NoError(b, err)
	}
	var batches []replica.Batch
	ops := 0
	for seen := (clock.Vector{}); ; {
		batch := us.Since(seen)
		batches = append(batches, batch)
		ops += len(batch.Ops)
		seen = clock.Up("us-east", uint64(ops))
		if !batch.More {
			break
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		eu := open(b, "", options("eu-west", w))
		for _, batch := range batches {
			_, err := eu.Apply("us-east", batch)
			require.NoError(b, err)
		}
	}
	b.ReportMetric(float64(ops)*float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkDifference is what two replicas of 100,000 keys exchange to find and mend a difference of so many, when the log of
// one no longer reaches back.
func BenchmarkDifference(b *testing.B) {
	for _, differ := range []int{1, 10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(differ), func(b *testing.B) {
			w := &world{now: start}
			two := func(node clock.Node) replica.Options {
				opt := options(node, w)
				opt.Members = []clock.Node{"eu-west", "us-east"}
				return opt
			}
			dir, old := b.TempDir(), b.TempDir()
			us := open(b, "", two("us-east"))
			eu := open(b, dir, two("eu-west"))
			for i := range 100_000 {
				_, err := us.Set(fmt.Sprintf("orders/%d", i), "status", "1")
				require.NoError(b, err)
			}
			meet(b, us, eu)
			require.NoError(b, us.Maintain())
			require.NoError(b, eu.Maintain())
			require.NoError(b, eu.Close())
			require.NoError(b, os.CopyFS(old, os.DirFS(dir)))
			eu = open(b, dir, two("eu-west"))
			for i := range differ {
				_, err := us.Set(fmt.Sprintf("orders/%d", i*7), "status", value.Int(int64(i)))
				require.NoError(b, err)
			}
			meet(b, us, eu) // eu-west has it all, and says so
			require.NoError(b, us.Maintain())
			require.NoError(b, eu.Close())
			bytes, messages := 0, 0
			for b.Loop() {
				b.StopTimer()
				again := b.TempDir()
				require.NoError(b, os.CopyFS(again, os.DirFS(old)))
				eu := open(b, again, two("eu-west")) // which has forgotten
				b.StartTimer()
				err := eu.Pull("us-east", func(request []byte) ([]byte, error) {
					answer := us.Serve("eu-west", request)
					bytes += len(request) + len(answer)
					messages++
					return answer, nil
				})
				require.NoError(b, err)
				require.Equal(b, us.Get("orders/0", "status"), eu.Get("orders/0", "status"))
			}
			b.ReportMetric(float64(bytes)/float64(b.N)/float64(differ), "bytes/key")
			b.ReportMetric(float64(messages)/float64(b.N), "messages")
		})
	}
}
