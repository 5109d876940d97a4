package replica_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
)

// A simulated cluster does one thing at a time, so that no write of it is ever on its way to a disk while something else happens.
// Here three replicas write, exchange, fold and make snapshots at once. In the end all are equal, to each other and to one state
// that took every operation.
func TestReplicasThatDoAllAtOnceEndAsTheOracleSays(t *testing.T) {
	n := *clusters / 3
	if testing.Short() {
		n = min(n, 10)
	}
	for i := range n {
		t.Run(fmt.Sprint(*seed+uint64(i)), func(t *testing.T) {
			t.Parallel()
			allAtOnce(t, *seed+uint64(i))
		})
	}
}

func allAtOnce(t *testing.T, seed uint64) {
	const writers, writes = 3, 25
	slow := func() { time.Sleep(rand.N(4 * time.Millisecond)) } // so that writes are on their way while others come and go
	nodes := []clock.Node{"a", "b", "c"}
	table := merge.MustParseTable("nodes a < b < c\n" + everyRule)
	var now atomic.Int64
	now.Store(start)
	var all []*replica.Replica
	dirs := make([]string, len(nodes))
	for i, node := range nodes {
		dirs[i] = t.TempDir()
		all = append(all, open(t, dirs[i], replica.Options{Node: node, Table: table, FS: syncFS{first: slow}, SnapshotBytes: 2048,
			Members: nodes, Source: func() int64 { return now.Add(1000) }}))
	}
	var writing, exchanging sync.WaitGroup
	var done atomic.Bool
	fails := func(err error) bool {
		if err != nil {
			t.Error(err)
		}
		return err != nil
	}
	for i, r := range all {
		for w := range writers {
			writing.Go(func() {
				chance := rand.New(rand.NewPCG(seed, uint64(writers*i+w)))
				for range writes {
					if _, err := r.Write(anyWrite(chance)); fails(err) {
						return
					}
				}
			})
		}
		for _, other := range all {
			if other == r {
				continue
			}
			exchanging.Go(func() {
				for !done.Load() {
					if fails(r.Pull(name(other), from(other, name(r)))) {
						return
					}
				}
			})
		}
		exchanging.Go(func() {
			for !done.Load() {
				if fails(r.Maintain()) {
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	writing.Wait()
	done.Store(true)
	exchanging.Wait()
	meet(t, all...)
	meet(t, all...)
	requireEqual(t, all...)

	oracle := merge.NewState(table)
	ops := 0
	for e, err := range replica.History(nil, dirs[0]) {
		require.NoError(t, err)
		if e.Op != nil {
			_, err := oracle.Apply(*e.Op)
			require.NoError(t, err)
			ops++
		}
	}
	require.GreaterOrEqual(t, ops, len(nodes)*writers*writes)
	var want strings.Builder
	for key, cell := range oracle.Cells() {
		fmt.Fprintf(&want, "%s %s = %s\n", key, cell.Name, cell.Value())
	}
	require.Equal(t, want.String(), shows(all[0]))
}
