package replica_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

var (
	clusters = flag.Int("clusters", 120, "simulated clusters")
	seed     = flag.Uint64("seed", 1, "of the first simulated cluster")
)

// cluster is some replicas in virtual time, each on a disk of its own, with links that drop, repeat, delay and are cut.
type cluster struct {
	chance *rand.Rand
	table  *merge.Table
	now    int64
	sites  []*site
	mail   []letter
	cut    map[[2]int]bool
	oracle *merge.State // all operations, in the order in which they were made
}

type site struct {
	*replica.Replica
	node    clock.Node
	disk    *faultfs.Disk
	skew    int64
	copied  clock.Vector // what the oracle has of it
	retries []replica.Write
}

// letter is a batch on its way.
type letter struct {
	from, to int
	batch    []byte
}

func newCluster(t testing.TB, seed uint64) *cluster {
	c := &cluster{chance: rand.New(rand.NewPCG(seed, 2)), now: start, cut: make(map[[2]int]bool)}
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}[:3+c.chance.IntN(6)]
	c.table = merge.MustParseTable("nodes " + strings.Join(names, " < ") + `
ledger/*  *      refuse
stock/*   count  counter
cart/*    items  add-wins
flag/*    *      enable-wins
log/*     *      append
both/*    *      keep-all
high/*    *      max
gone/*    *      delete-wins
*         *      lww
`)
	c.oracle = merge.NewState(c.table)
	for _, n := range names {
		s := &site{node: clock.Node(n), disk: new(faultfs.Disk), skew: int64(c.chance.IntN(200)-100) * 1e6}
		c.sites = append(c.sites, s)
		c.start(t, s)
	}
	return c
}

func (c *cluster) start(t testing.TB, s *site) {
	r, err := replica.Open("dir", replica.Options{
		Node: s.node, Table: c.table, FS: s.disk, SnapshotBytes: 4096, KeepBytes: -1,
		Source: func() int64 { return c.now + s.skew },
	})
	require.NoError(t, err)
	s.Replica = r
}

// write has a site write something, or repeat what it wrote before.
func (c *cluster) write(t testing.TB, s *site) {
	kinds := []struct {
		key, field string
		op         merge.Kind
		value      value.Value
	}{
		{"stock/", "count", merge.Add, value.Int(int64(c.chance.IntN(9) - 4))},
		{"cart/", "items", merge.Insert, value.Int(int64(c.chance.IntN(3)))},
		{"cart/", "items", merge.Remove, value.Int(int64(c.chance.IntN(3)))},
		{"flag/", "on", merge.Set, value.Bool(c.chance.IntN(2) == 0)},
		{"log/", "l", merge.Set, value.Int(int64(c.chance.IntN(100)))},
		{"both/", "b", merge.Set, value.Int(int64(c.chance.IntN(5)))},
		{"high/", "h", merge.Set, value.Int(int64(c.chance.IntN(50)))},
		{"gone/", "g", merge.Set, value.Int(int64(c.chance.IntN(5)))},
		{"gone/", "g", merge.Delete, ""},
		{"ledger/", "balance", merge.Set, value.Int(int64(c.chance.IntN(5)))},
		{"orders/", "status", merge.Set, value.Int(int64(c.chance.IntN(5)))},
		{"orders/", "", merge.Delete, ""},
	}
	k := kinds[c.chance.IntN(len(kinds))]
	w := replica.Write{Key: k.key + fmt.Sprint(c.chance.IntN(2)), Kind: k.op, Request: fmt.Sprint(c.now)}
	if k.field != "" {
		w.Fields = []merge.Field{{Name: k.field, Value: k.value}}
	}
	if len(s.retries) > 0 && c.chance.IntN(8) == 0 {
		w = s.retries[c.chance.IntN(len(s.retries))]
		receipt, err := s.Write(w)
		require.NoError(t, err)
		require.True(t, receipt.Repeated)
		return
	}
	_, err := s.Write(w)
	require.NoError(t, err)
	s.retries = append(s.retries, w)
	b := s.Since(s.copied)
	require.Len(t, b.Ops, 1)
	op, err := merge.DecodeOp(b.Ops[0].Op, merge.Limits{})
	require.NoError(t, err)
	_, err = c.oracle.Apply(op)
	require.NoError(t, err)
	s.copied = s.Seen()
}

func (c *cluster) isCut(a, b int) bool { return c.cut[[2]int{min(a, b), max(a, b)}] }

func (c *cluster) step(t testing.TB) {
	c.now += int64(c.chance.IntN(int(20 * time.Minute)))
	i := c.chance.IntN(len(c.sites))
	j := (i + 1 + c.chance.IntN(len(c.sites)-1)) % len(c.sites)
	s, other := c.sites[i], c.sites[j]
	switch c.chance.IntN(20) {
	case 0:
		c.cut[[2]int{min(i, j), max(i, j)}] = true
	case 1:
		delete(c.cut, [2]int{min(i, j), max(i, j)})
	case 2:
		s.skew = int64(c.chance.IntN(400)-200) * 1e6 // its clock steps
	case 3:
		require.NoError(t, s.Maintain())
	case 4: // it loses power, and starts again
		s.disk = s.disk.PowerCut()
		c.start(t, s)
	case 5, 6, 7:
		if !c.isCut(i, j) {
			require.NoError(t, s.Pull(other.node, from(other.Replica, s.node)))
		}
	case 8, 9, 10: // a letter
		b := s.Since(other.Seen())
		bytes, err := b.AppendBinary(nil)
		require.NoError(t, err)
		c.mail = append(c.mail, letter{i, j, bytes})
	case 11, 12, 13: // arrives, perhaps late, perhaps again, perhaps never
		if len(c.mail) > 0 {
			at := c.chance.IntN(len(c.mail))
			l := c.mail[at]
			if c.chance.IntN(3) > 0 {
				c.mail = append(c.mail[:at], c.mail[at+1:]...)
			}
			if !c.isCut(l.from, l.to) {
				c.deliver(t, l)
			}
		}
	default:
		c.write(t, s)
	}
}

func (c *cluster) deliver(t testing.TB, l letter) {
	b, err := replica.DecodeBatch(l.batch)
	require.NoError(t, err)
	b.Now = clock.Timestamp{} // of long ago
	_, err = c.sites[l.to].Apply(c.sites[l.from].node, b)
	require.NoError(t, err)
}

// heal lets everybody meet everybody.
func (c *cluster) heal(t testing.TB) {
	for range 4 {
		c.now += int64(time.Second)
		for _, s := range c.sites {
			s.skew = 0
			for _, other := range c.sites {
				if s != other {
					require.NoError(t, s.Pull(other.node, from(other.Replica, s.node)))
				}
			}
		}
	}
}

// TestClustersHealToWhatTheOracleSays simulates clusters of three to eight replicas under skewed clocks that step, links that
// lose, repeat and delay, cuts, losses of power, snapshots and repeated requests. After healing, all are equal, to each other
// and to one state that took every operation in the order in which they were made. A cluster lives for about two days of
// virtual time with 300 steps; -clusters 60000 makes a thousand region-years of it.
func TestClustersHealToWhatTheOracleSays(t *testing.T) {
	n := *clusters
	if testing.Short() {
		n = min(n, 20)
	}
	for i := range n {
		seed := *seed + uint64(i)
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("go test ./merge/replica -run TestClustersHeal -clusters 1 -seed %d", seed)
				}
			}()
			c := newCluster(t, seed)
			for range 300 {
				c.step(t)
			}
			c.heal(t)
			want := ""
			for key, cell := range c.oracle.Cells() {
				want += fmt.Sprintf("%s %s = %s\n", key, cell.Name, cell.Value())
			}
			for _, s := range c.sites {
				require.Equal(t, want, shows(s.Replica), s.node)
				require.Equal(t, s.node, s.Status().Incarnation)
				require.NoError(t, s.Maintain())
			}
			c.heal(t)
			for _, s := range c.sites {
				require.Equal(t, want, shows(s.Replica), s.node)
				require.NoError(t, s.Maintain())
			}
			for _, s := range c.sites[1:] {
				equal, err := s.Audit(c.sites[0].node, from(c.sites[0].Replica, s.node))
				require.NoError(t, err)
				require.True(t, equal)
			}
		}) {
			return
		}
	}
}
