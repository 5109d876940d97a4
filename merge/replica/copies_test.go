package replica_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/replica"
)

// TestCopiesOfDisksHealOrAreTold simulates clusters in which disks are set back to a copy that was made behind the replica's back,
// which writes before it is found out. What it wrote meanwhile is issued again, so it can't be held to the oracle. What must
// hold is that nobody is left out for ever and that all end equal: by themselves, or, where two are told that they have the
// same operations and differ, once one is rebuilt from the other.
func TestCopiesOfDisksHealOrAreTold(t *testing.T) {
	n := *clusters
	if testing.Short() {
		n = min(n, 20)
	}
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
		}) {
			return
		}
	}
	t.Logf("%d copies, %d told of two that differ", copies, told)
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
		}
	case 4, 5, 6, 7, 8:
		if !c.isCut(i, j) {
			if err := s.Pull(other.node, from(other.Replica, s.node)); err != nil {
				require.ErrorIs(t, err, replica.ErrRefused)
			}
		}
	default:
		_, err := s.Write(soakWrite(c.chance))
		require.NoError(t, err)
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
