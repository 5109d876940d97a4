package replica_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/lww"
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
	ops    []merge.Op // all, in the order in which they were made
	spare  []clock.Node
	epoch  crdt.Epoch
	tally  map[string]int
	lived  time.Duration // virtual time of all sites

	entries []value.Value // acknowledged, and still somewhere
}

type site struct {
	*replica.Replica
	node    clock.Node
	disk    *faultfs.Disk
	dir     string
	skew    int64
	retries []replica.Write
	backups int
	backup  *backup
	awaits  *crdt.Epoch // what it has yet to enter
}

// backup is a directory on a disk, and what was written before it was made.
type backup struct {
	dir     string
	disk    *faultfs.Disk
	retries int
}

// letter is a batch on its way.
type letter struct {
	from, to int
	batch    []byte
}

// everyRule is a table of the rules that [anyWrite] writes under, but for its nodes.
const everyRule = `ledger/*  *      refuse
stock/*   count  counter
cart/*    items  add-wins
flag/*    *      enable-wins
log/*     *      append
both/*    *      keep-all
high/*    *      max
gone/*    *      delete-wins
*         *      lww
`

func newCluster(t testing.TB, seed uint64) *cluster {
	c := &cluster{chance: rand.New(rand.NewPCG(seed, 2)), now: start, cut: make(map[[2]int]bool)}
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	begin := 3 + c.chance.IntN(6)
	c.table = merge.MustParseTable("nodes " + strings.Join(names, " < ") + "\n" + everyRule)
	c.tally = make(map[string]int)
	for _, n := range names[:begin] {
		c.epoch.Members = append(c.epoch.Members, clock.Node(n))
	}
	for _, n := range names[begin:] {
		c.spare = append(c.spare, clock.Node(n))
	}
	c.epoch.Number = 1
	for _, n := range names[:begin] {
		s := &site{node: clock.Node(n), disk: new(faultfs.Disk), dir: "dir", skew: int64(c.chance.IntN(200)-100) * 1e6}
		c.sites = append(c.sites, s)
		c.start(t, s)
	}
	return c
}

func (c *cluster) start(t testing.TB, s *site) {
	r, err := replica.Open(s.dir, replica.Options{
		Node: s.node, Table: c.table, FS: s.disk, SnapshotBytes: 4096, KeepBytes: -1,
		Members: c.epoch.Members, Waiting: crdt.LogLimits{Held: 1024},
		Source:  func() int64 { return c.now + s.skew },
		Observe: c.told,
	})
	require.NoError(t, err)
	s.Replica = r
}

// anyWrite returns a write of any kind to one of two keys of each.
func anyWrite(chance *rand.Rand) replica.Write {
	kinds := []struct {
		key, field string
		op         merge.Kind
		value      value.Value
	}{
		{"stock/", "count", merge.Add, value.Int(int64(chance.IntN(9) - 4))},
		{"cart/", "items", merge.Insert, value.Int(int64(chance.IntN(3)))},
		{"cart/", "items", merge.Remove, value.Int(int64(chance.IntN(3)))},
		{"flag/", "on", merge.Set, value.Bool(chance.IntN(2) == 0)},
		{"log/", "l", merge.Set, value.Int(int64(chance.IntN(100)))},
		{"both/", "b", merge.Set, value.Int(int64(chance.IntN(5)))},
		{"high/", "h", merge.Set, value.Int(int64(chance.IntN(50)))},
		{"gone/", "g", merge.Set, value.Int(int64(chance.IntN(5)))},
		{"gone/", "g", merge.Delete, ""},
		{"ledger/", "balance", merge.Set, value.Int(int64(chance.IntN(5)))},
		{"orders/", "status", merge.Set, value.Int(int64(chance.IntN(5)))},
		{"orders/", "", merge.Delete, ""},
		{"stock/", "", merge.Delete, ""},
		{"cart/", "", merge.Delete, ""},
	}
	k := kinds[chance.IntN(len(kinds))]
	w := replica.Write{Key: k.key + fmt.Sprint(chance.IntN(2)), Kind: k.op}
	if k.field != "" {
		w.Fields = []merge.Field{{Name: k.field, Value: k.value}}
	}
	return w
}

// write has a site write something, or repeat what it wrote before.
func (c *cluster) write(t testing.TB, s *site) {
	w := anyWrite(c.chance)
	w.Request = fmt.Sprint(c.now)
	if len(s.retries) > 0 && c.chance.IntN(8) == 0 {
		w = s.retries[c.chance.IntN(len(s.retries))]
		receipt, err := s.Write(w)
		require.NoError(t, err)
		require.True(t, receipt.Repeated)
		return
	}
	before := s.Seen()
	_, err := s.Write(w)
	if errors.Is(err, replica.ErrRestored) {
		c.tally["not written before catching up"]++
		return
	}
	require.NoError(t, err)
	s.retries = append(s.retries, w)
	b := s.Since(before)
	require.Len(t, b.Ops, 1)
	op, err := merge.DecodeOp(b.Ops[0].Op, merge.Limits{})
	require.NoError(t, err)
	c.ops = append(c.ops, op)
}

// restore has a site lose its disk and go on from a backup of some time ago.
func (c *cluster) restore(t testing.TB, s *site) {
	if s.backup == nil {
		s.backups++
		s.backup = &backup{fmt.Sprint("backup", s.backups), s.disk, len(s.retries)}
		require.NoError(t, s.Backup(s.backup.dir))
		return
	}
	if c.chance.IntN(4) > 0 { // it is to be old
		return
	}
	c.tally["restores"]++
	s.disk, s.dir = s.backup.disk.PowerCut(), s.backup.dir
	s.retries = s.retries[:s.backup.retries] // the ids of later ones are forgotten
	s.backup = nil
	c.start(t, s)
	if s.awaits == nil && s.Status().Epoch < c.epoch.Number {
		s.awaits = &c.epoch
	}
}

// agree has all members agree upon the next epoch, in which one is lost for ever, or one joins. Each enters it in its own time.
func (c *cluster) agree(t testing.TB) {
	for _, s := range c.sites {
		if s.awaits != nil {
			return // one at a time
		}
	}
	next := crdt.Epoch{Number: c.epoch.Number + 1, Lost: c.epoch.Lost.Clone()}
	switch {
	case c.chance.IntN(2) == 0 && len(c.sites) > 3:
		c.tally["lost for ever"]++
		at := c.chance.IntN(len(c.sites))
		gone := c.sites[at]
		c.sites = append(c.sites[:at:at], c.sites[at+1:]...)
		clear(c.cut) // links are known by their places
		c.mail = nil // what comes from it now would be more than was agreed on
		for _, s := range c.sites {
			upTo, err := s.Stop(gone.node)
			require.NoError(t, err)
			next.Lost.Merge(upTo)
		}
	case len(c.spare) > 0:
		c.tally["joined"]++
		s := &site{node: c.spare[0], disk: new(faultfs.Disk), dir: "dir"}
		c.spare = c.spare[1:]
		defer func() { // when the others have entered
			for _, other := range c.sites {
				c.enter(t, other)
			}
			c.start(t, s)
			if s.Status().Epoch < c.epoch.Number {
				require.NoError(t, s.Enter(c.epoch))
			}
			for _, other := range c.sites { // and before it writes
				require.NoError(t, s.Pull(other.node, from(other.Replica, s.node)))
			}
			c.sites = append(c.sites, s)
		}()
		next.Members = append(next.Members, s.node)
	default:
		return
	}
	for _, s := range c.sites {
		next.Members = append(next.Members, s.node)
	}
	c.epoch = next
	for _, s := range c.sites {
		s.awaits = &next
	}
}

func (c *cluster) enter(t testing.TB, s *site) {
	if s.awaits != nil {
		require.NoError(t, s.Enter(*s.awaits))
		s.awaits = nil
	}
}

// flood has a site send what waits for ever, and more of it than there is room for, to another one, which must go on to take
// what a third one sends.
func (c *cluster) flood(t testing.TB, i, j int) {
	s, to := c.sites[i], c.sites[j]
	if s.awaits != nil || to.awaits != nil {
		return
	}
	c.tally["floods"]++
	first := to.Seen().Max(s.node) + 1000
	b := replica.Batch{Source: s.node, Table: c.table.Fingerprint(), Epoch: to.Status().Epoch}
	for n := range uint64(1200) {
		op := merge.Op{Key: "flood", Fields: []merge.Field{{Name: "f", Value: "1"}}, Dot: clock.Dot{Node: s.node, Seq: first + n},
			Stamp: lww.Stamp{Time: clock.Timestamp{Wall: c.now}, Node: s.node}}
		bytes, err := op.AppendBinary(nil)
		require.NoError(t, err)
		b.Ops = append(b.Ops, replica.Packet{Op: bytes})
	}
	_, err := to.Apply(s.node, b)
	require.ErrorIs(t, err, crdt.ErrBusy)
	// All that is in order is taken all the same.
	for k, third := range c.sites {
		if k != i && k != j && third.awaits == nil {
			require.NoError(t, to.Pull(third.node, from(third.Replica, to.node)))
			if to.Seen().Covers(third.Seen().Minus(own(third))) { // then nothing of it waits for others
				require.True(t, to.Seen().Covers(own(third)))
			}
			break
		}
	}
	// What waits is forgotten when it starts again.
	require.NoError(t, to.Close())
	c.start(t, to)
}

// own returns what a site wrote itself.
func own(s *site) (v clock.Vector) {
	for node, run := range s.Seen().Runs() {
		if crdt.Member(node) == s.node {
			v.AddUp(node, run.Last)
		}
	}
	return v
}

func (c *cluster) isCut(a, b int) bool { return c.cut[[2]int{min(a, b), max(a, b)}] }

func (c *cluster) step(t testing.TB) {
	pause := c.chance.Int64N(int64(20 * time.Minute))
	if c.chance.IntN(8) == 0 { // a quiet day
		pause = c.chance.Int64N(int64(30 * time.Hour))
	}
	c.now += pause
	c.lived += time.Duration(pause) * time.Duration(len(c.sites))
	i := c.chance.IntN(len(c.sites))
	j := (i + 1 + c.chance.IntN(len(c.sites)-1)) % len(c.sites)
	s, other := c.sites[i], c.sites[j]
	switch c.chance.IntN(23) {
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
			err := s.Pull(other.node, from(other.Replica, s.node))
			if s.awaits != nil && errors.Is(err, crdt.ErrEpoch) { // it has more of one who is to be left out
				c.tally["state not taken before the epoch"]++
			} else if s.Status().Epoch == other.Status().Epoch {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, replica.ErrRefused) // they are in two epochs
				c.tally["two epochs"]++
			}
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
	case 14:
		if c.chance.IntN(4) == 0 {
			c.flood(t, i, j)
		} else {
			c.enter(t, s)
		}
	case 15:
		c.restore(t, s)
	case 16:
		if c.chance.IntN(5) == 0 {
			c.agree(t)
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
	if b.Epoch != c.sites[l.to].Status().Epoch {
		require.ErrorIs(t, err, replica.ErrRefused)
	} else if !errors.Is(err, replica.ErrBehind) {
		require.NoError(t, err)
	}
}

// heal lets everybody meet everybody.
func (c *cluster) heal(t testing.TB) {
	for range 4 {
		c.now += int64(time.Second)
		for _, s := range c.sites {
			c.enter(t, s)
		}
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

// forget sees to it that nobody keeps what all have: by themselves, or, where those who had something have lost it one after the
// other, once all enter an epoch that no longer waits for it.
func (c *cluster) forget(t testing.TB, tally map[string]int) {
	keeps := func(s *site) bool { return s.Status().Retained > 0 }
	if !slices.ContainsFunc(c.sites, keeps) {
		return
	}
	tally["epochs to wait no longer for what is lost twice"]++
	require.Positive(t, c.tally["restores"]+c.tally["copies"])
	next := crdt.Epoch{Number: c.epoch.Number + 1, Members: c.epoch.Members}
	for node := range c.epoch.Lost.Runs() {
		next.Lost.AddUp(node, c.sites[0].Seen().Prefix(node))
	}
	c.epoch = next
	for _, s := range c.sites {
		s.awaits = &next
	}
	c.heal(t)
	for _, s := range c.sites {
		require.NoError(t, s.Maintain())
		require.Zero(t, s.Status().Retained, s.node)
	}
}

// TestClustersHealToWhatTheOracleSays simulates clusters of three to eight replicas in virtual time: under skewed clocks that
// step, links that lose, repeat and delay, cuts, losses of power, snapshots, repeated requests, restores from old backups,
// members that are lost for ever and others that join, two epochs at once, and floods of what can't be delivered. After
// healing, all are equal, to each other and to one state that took every operation in the order in which they were made. A
// cluster lives for about 140 region-days in 300 steps. A thousand region-years are
//
//	go test ./merge/replica -run TestClustersHeal -clusters 2700 -timeout 2h -v | grep -v -e '^=== ' -e '--- PASS'
//
// What such a run did is in testdata/clusters.txt.
func TestClustersHealToWhatTheOracleSays(t *testing.T) {
	n := *clusters
	if testing.Short() {
		n = min(n, 20)
	}
	tally := make(map[string]int)
	defer func() {
		for _, what := range slices.Sorted(maps.Keys(tally)) {
			t.Logf("%8d %s", tally[what], what)
		}
	}()
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
			// What was lost with a disk of which there was an older backup, or with a member, is nowhere; all else is everywhere.
			seen := c.sites[0].Seen()
			oracle := merge.NewState(c.table)
			lost := 0
			for _, op := range c.ops {
				if !seen.Has(op.Dot) {
					lost++
					continue
				}
				_, err := oracle.Apply(op)
				require.NoError(t, err)
			}
			if c.tally["restores"]+c.tally["lost for ever"] == 0 {
				require.Zero(t, lost)
			}
			for what, n := range c.tally {
				tally[what] += n
			}
			tally["operations"] += len(c.ops)
			tally["region-days"] += int(c.lived.Hours() / 24)
			tally["lost with a disk or a member"] += lost
			want := ""
			for key, cell := range oracle.Cells() {
				want += fmt.Sprintf("%s %s = %s\n", key, cell.Name, cell.Value())
			}
			for _, s := range c.sites {
				require.Equal(t, want, shows(s.Replica), s.node)
				require.Equal(t, s.node, crdt.Member(s.Status().Incarnation))
				require.NoError(t, s.Maintain())
			}
			c.heal(t)
			for _, s := range c.sites {
				require.Equal(t, want, shows(s.Replica), s.node)
				require.NoError(t, s.Maintain())
			}
			c.forget(t, tally)
			for _, s := range c.sites {
				require.Equal(t, want, shows(s.Replica), s.node)
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
