package replica_test

import (
	"errors"
	"fmt"
	"slices"
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

// Peers that had folded what they had of us-east no longer knew what it was, and took what a copy of its directory, or an empty
// one, acknowledged under the same numbers for that: it was nowhere in the end, or at us-east alone, and nobody was told.
func TestNothingThatACopyAcknowledgedIsLostBelowTheHorizon(t *testing.T) {
	table := merge.MustParseTable("nodes ap-south < eu-west < us-east\nstock/* count counter\n* * append\n")
	for c := range 3 * 2 * 3 {
		before, after, empty, fold := 1+c%3, 2, c/3%2 == 0, c/6
		t.Run(fmt.Sprintf("%d before, empty %v, folding %d", before, empty, fold), func(t *testing.T) {
			w, told, disks := &world{now: start}, false, map[clock.Node]*faultfs.Disk{}
			open := func(node clock.Node, disk *faultfs.Disk) *replica.Replica {
				opt := options(node, w)
				opt.Table, opt.FS, opt.Observe = table, disk, func(e replica.Event) { told = told || e.Kind == replica.Reused }
				disks[node] = disk
				return open(t, "dir", opt)
			}
			ap, eu, us := open("ap-south", new(faultfs.Disk)), open("eu-west", new(faultfs.Disk)), open("us-east", new(faultfs.Disk))
			acknowledged, sum := 0, int64(0)
			write := func() {
				acknowledged++
				_, err := us.Entries("k", "f").Append(value.Int(int64(acknowledged)))
				require.NoError(t, err)
				sum += 1 << acknowledged
				add(t, us, "stock/lamp", 1<<acknowledged)
			}
			write()
			meet(t, ap, eu, us)
			copied := new(faultfs.Disk)
			if !empty {
				copied = disks["us-east"].PowerCut()
			}
			for range before {
				write()
			}
			meet(t, ap, eu, us)
			for range fold {
				for _, r := range []*replica.Replica{ap, eu, us} {
					require.NoError(t, r.Maintain())
				}
				meet(t, ap, eu, us)
			}
			if fold == 2 { // they know no more after a restart
				require.NoError(t, errors.Join(ap.Close(), eu.Close()))
				ap, eu = open("ap-south", disks["ap-south"]), open("eu-west", disks["eu-west"])
			}
			require.NoError(t, us.Close())
			us = open("us-east", copied)
			for range after {
				write()
			}
			_ = ap.Pull("us-east", from(us, "ap-south"))                        // refused, until it has found out
			if _, err := us.Apply("eu-west", eu.Since(us.Seen())); err != nil { // a push tells, and mends nothing
				require.ErrorIs(t, err, replica.ErrBehind)
			}
			require.NoError(t, us.Maintain())
			require.True(t, told)
			meet(t, us, ap, eu)
			require.NoError(t, us.Rebuild("ap-south", from(ap, "us-east")))
			meet(t, ap, eu, us)
			for _, r := range []*replica.Replica{ap, eu, us} {
				all, err := r.Entries("k", "f").All()
				require.NoError(t, err)
				slices.Sort(all)
				require.Len(t, slices.Compact(all), acknowledged)
				count, err := r.Counter("stock/lamp", "count").Value()
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(sum), count.String())
				require.NoError(t, r.Maintain())
			}
			meet(t, ap, eu, us)
			for _, r := range []*replica.Replica{ap, eu} {
				equal, err := us.Audit(name(r), from(r, "us-east"))
				require.NoError(t, err)
				require.True(t, equal)
			}
		})
	}
}

// TestCopiesOfDisksHealOrAreTold simulates clusters in which disks are set back to a copy that was made behind the replica's back,
// which writes before it is found out. What it wrote meanwhile is issued again, so it can't be held to the oracle. What must
// hold is that nobody is left out for ever, that what was acknowledged and is not gone with a disk is there, and once, or somebody
// was told, and that all end equal: by themselves, or, where two are told that they have the same operations and differ, once one
// is rebuilt from the other.
func TestCopiesOfDisksHealOrAreTold(t *testing.T) {
	n := *clusters
	if testing.Short() {
		n = min(n, 8)
	}
	tally := make(map[string]int)
	told, copies := 0, 0
	for i := range n {
		seed := *seed + uint64(i)
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("go test ./merge/replica -run TestCopiesOfDisks -clusters 1 -seed %d", seed)
				}
			}()
			c := newCluster(t, seed)
			for range 200 {
				c.stepWithCopies(t)
			}
			copies += c.tally["copies"]
			c.meetAgain(t)
			c.requireEntries(t)
			c.fold(t)
			c.forget(t, c.tally)
			for _, s := range c.sites[1:] {
				equal, err := s.Audit(c.sites[0].node, from(c.sites[0].Replica, s.node))
				require.NoError(t, err)
				if !equal {
					told++
					require.NoError(t, s.Rebuild(c.sites[0].node, from(c.sites[0].Replica, s.node)))
				}
			}
			c.meetAgain(t)
			c.fold(t)
			for _, s := range c.sites[1:] {
				require.Equal(t, c.sites[0].Seen().String(), s.Seen().String())
				require.Equal(t, shows(c.sites[0].Replica), shows(s.Replica), s.node)
			}
			c.requireEntries(t)
			for what, n := range c.tally {
				tally[what] += n
			}
		}) {
			return
		}
	}
	t.Logf("%d copies, %d told of two that differ, %v", copies, told, tally)
}

// stepWithCopies is a step in the life of a cluster whose members don't change.
func (c *cluster) stepWithCopies(t testing.TB) {
	c.now += c.chance.Int64N(int64(20 * time.Minute))
	i := c.chance.IntN(len(c.sites))
	j := (i + 1 + c.chance.IntN(len(c.sites)-1)) % len(c.sites)
	s, other := c.sites[i], c.sites[j]
	switch c.chance.IntN(16) {
	case 0:
		c.cut[[2]int{min(i, j), max(i, j)}] = true
	case 1:
		delete(c.cut, [2]int{min(i, j), max(i, j)})
	case 2:
		require.NoError(t, s.Maintain())
	case 3: // somebody copies its disk, or puts the copy back
		switch {
		case s.backup == nil:
			s.backup = &backup{disk: s.disk.PowerCut()}
		case c.chance.IntN(3) == 0:
			c.tally["copies"]++
			s.disk, s.backup = s.backup.disk, nil
			c.start(t, s)
			here := make(map[value.Value]bool)
			for _, s := range c.sites {
				for _, v := range entries(t, s) {
					here[v] = true
				}
			}
			c.entries = slices.DeleteFunc(c.entries, func(v value.Value) bool { return !here[v] }) // with the disk
		}
	case 4, 5, 6, 7, 8:
		if !c.isCut(i, j) {
			if err := s.Pull(other.node, from(other.Replica, s.node)); err != nil {
				require.ErrorIs(t, err, replica.ErrRefused)
			}
		}
	case 9, 10:
		v := value.Int(c.now)
		_, err := s.Entries("log/0", "l").Append(v)
		require.NoError(t, err)
		c.entries = append(c.entries, v)
	default:
		_, err := s.Write(soakWrite(c.chance))
		require.NoError(t, err)
	}
}

// told counts what sites are told of writes that starting over drops or doubles, which it must not where one copy is found out at
// a time.
func (c *cluster) told(e replica.Event) {
	if strings.Contains(e.Detail, "may be there twice") {
		c.tally["told of writes that may be there twice"]++
	}
	if strings.Contains(e.Detail, "are lost") {
		c.tally["told of operations that are lost"]++
	}
	if e.Kind == replica.Reused && e.Count > 0 {
		c.tally["told of what was dropped"]++
	}
}

func entries(t testing.TB, s *site) []value.Value {
	all, err := s.Entries("log/0", "l").All()
	require.NoError(t, err)
	return all
}

// requireEntries holds all to what was acknowledged and not lost with a disk: everybody has it, once.
func (c *cluster) requireEntries(t testing.TB) {
	slices.Sort(c.entries)
	for _, s := range c.sites {
		all := entries(t, s)
		slices.Sort(all)
		if len(slices.Compact(slices.Clone(all))) < len(all) {
			require.Positive(t, c.tally["told of writes that may be there twice"]+c.tally["told of operations that are lost"], "%s has something twice: %v", s.node, all)
		}
		for _, v := range c.entries { // beside these, what was on its way when its disk was lost may be there
			if !slices.Contains(all, v) {
				// Of two copies at once, one may drop what was lost with the disk of the other, and says how many.
				told := c.tally["told of operations that are lost"]
				if c.tally["copies"] > 1 {
					told += c.tally["told of what was dropped"]
				}
				require.Positive(t, told, "%s lacks %s", s.node, v)
			}
		}
	}
}

// fold has all fold the same, so that their states can be compared.
func (c *cluster) fold(t testing.TB) {
	for range 2 {
		for _, s := range c.sites {
			require.NoError(t, s.Maintain())
		}
		c.meetAgain(t)
	}
}

// meetAgain lets everybody meet everybody until nobody is refused any more.
func (c *cluster) meetAgain(t testing.TB) {
	clear(c.cut)
	for round := 0; ; round++ {
		c.now += int64(time.Second)
		var refused error
		for _, s := range c.sites {
			for _, other := range c.sites {
				if s != other {
					if err := s.Pull(other.node, from(other.Replica, s.node)); err != nil {
						require.ErrorIs(t, err, replica.ErrRefused)
						refused = errors.Join(refused, err)
					}
				}
			}
		}
		if refused == nil && round >= 3 {
			return
		}
		require.Less(t, round, 12, "%v", refused)
	}
}
