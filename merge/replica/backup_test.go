package replica_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// hooked is a disk that calls back before a file is made or removed.
type hooked struct {
	segment.FS
	before func(name string)
	remove func(name string) error
}

func (h *hooked) OpenFile(name string, flag int) (segment.File, error) {
	if h.before != nil && flag&os.O_CREATE != 0 {
		h.before(name)
	}
	return h.FS.OpenFile(name, flag)
}

func (h *hooked) Remove(name string) error {
	if h.remove != nil {
		if err := h.remove(name); err != nil {
			return err
		}
	}
	return h.FS.Remove(name)
}

// beforeSnapshot has a disk call once, before the next snapshot is begun.
func (h *hooked) beforeSnapshot(call func()) {
	h.before = func(name string) {
		if strings.Contains(filepath.Base(name), ".snap") {
			h.before = nil
			call()
		}
	}
}

// What was written while the state was copied was in the state of the copy and not in its log: it came again from a peer, and
// the two states differed for ever.
func TestABackupHoldsInItsLogWhatItHoldsInItsState(t *testing.T) {
	for _, enters := range []bool{false, true} {
		w, disk, backup := &world{now: start}, &hooked{FS: segment.OS{}}, t.TempDir()
		opt := options("us-east", w)
		opt.FS = disk
		us, eu, ap := open(t, t.TempDir(), opt), open(t, "", options("eu-west", w)), open(t, "", options("ap-south", w))
		add(t, us, "stock/lamp", 10)
		meet(t, ap, eu, us)
		disk.beforeSnapshot(func() {
			add(t, us, "stock/lamp", 5)
			if enters {
				lost, err := us.Stop("ap-south")
				require.NoError(t, err)
				epoch := crdt.Epoch{Number: 2, Members: []clock.Node{"eu-west", "us-east"}, Lost: lost}
				require.NoError(t, us.Enter(epoch))
				require.NoError(t, eu.Enter(epoch))
			}
			add(t, eu, "stock/lamp", 100)
			_, err := us.Apply("eu-west", eu.Since(us.Seen()))
			require.NoError(t, err)
			require.NoError(t, us.Maintain())
		})
		require.NoError(t, us.Backup(backup))
		pull(t, eu, us)
		require.NoError(t, us.Close())

		opt.FS = nil
		us = open(t, backup, opt)
		require.Equal(t, clock.Node("us-east~2"), us.Status().Incarnation)
		require.Equal(t, value.Value("115"), us.Get("stock/lamp", "count"))
		requireEqual(t, us, eu)
		pull(t, us, eu)
		pull(t, eu, us)
		requireEqual(t, us, eu)
		equal, err := us.Audit("eu-west", from(eu, "us-east"))
		require.NoError(t, err)
		require.True(t, equal)
	}
}

func TestABackupIsMadeWhileOthersWrite(t *testing.T) {
	w, backup := &world{now: start}, t.TempDir()
	opt := options("us-east", w)
	opt.Source = nil
	us := open(t, t.TempDir(), opt)
	stop := busy(t, us)
	time.Sleep(10 * time.Millisecond)
	require.NoError(t, us.Backup(backup))
	stop()
	require.NoError(t, us.Close())
	us = open(t, backup, opt)
	count, err := us.Counter("stock/lamp", "count").Value()
	require.NoError(t, err)
	n, _ := count.Int64()
	require.Equal(t, us.Seen().Max("us-east"), uint64(n))
}

// Taking over the state of a peer ends with a snapshot, which waited for one that was being written, while that one waited for
// the state.
func TestStateIsTakenOverWhileASnapshotIsWritten(t *testing.T) {
	_, ap, eu, us := three(t, false)
	add(t, us, "stock/lamp", 1)
	meet(t, ap, eu, us)
	require.NoError(t, us.Maintain())
	disk := &hooked{FS: segment.OS{}}
	opt := options("ap-south", &world{now: start})
	opt.FS = disk
	ap = open(t, t.TempDir(), opt) // it has lost its disk
	pulled := make(chan error, 1)
	disk.beforeSnapshot(func() {
		go func() { pulled <- ap.Pull("us-east", from(us, "ap-south")) }()
		time.Sleep(50 * time.Millisecond) // for it to come as far as it can
	})
	require.NoError(t, ap.Maintain())
	select {
	case err := <-pulled:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatal("they wait for each other")
	}
	require.Equal(t, value.Value("1"), ap.Get("stock/lamp", "count"))
}

// What is left of a backup that was cut short has some of the operations and nothing that says that it is a copy: opened, it would
// issue again what the original has issued.
func TestABackupThatWasCutShortDoesNotOpen(t *testing.T) {
	w, disk, left := &world{now: start}, &hooked{FS: segment.OS{}}, filepath.Join(t.TempDir(), "left")
	opt := options("us-east", w)
	opt.FS = disk
	us := open(t, t.TempDir(), opt)
	add(t, us, "stock/lamp", 10)
	backup := t.TempDir()
	disk.beforeSnapshot(func() { require.NoError(t, os.CopyFS(left, os.DirFS(backup))) })
	require.NoError(t, us.Backup(backup))
	_, err := replica.Open(left, options("us-east", w))
	require.ErrorContains(t, err, "a backup that was not completed")
	require.NoError(t, open(t, backup, options("us-east", w)).Close())
}
