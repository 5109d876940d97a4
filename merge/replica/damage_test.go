package replica_test

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// spoil changes the last byte of every segment in a directory.
func spoil(t testing.TB, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		b[len(b)-1] ^= 1
		require.NoError(t, os.WriteFile(name, b, 0))
	}
}

// A disk that does not give back what was written was taken for a log that no longer reaches back: the peer took over state, and
// nobody was told.
func TestADiskThatLostWhatWasWrittenIsTold(t *testing.T) {
	for _, many := range []uint64{3, 600} { // what lies in a row is read in another way
		w, dir := &world{now: start}, t.TempDir()
		var told []replica.Event
		opt := options("us-east", w)
		opt.Observe = func(e replica.Event) { told = append(told, e) }
		us, eu := open(t, dir, opt), open(t, "", options("eu-west", w))
		for us.Seen().Max("us-east") < many {
			set(t, us, "a", "", "1")
		}
		spoil(t, dir)
		b := us.Since(eu.Seen())
		require.False(t, b.Behind)
		require.Len(t, b.Ops, int(many)-1)
		require.Len(t, told, 1)
		require.Equal(t, replica.Broken, told[0].Kind)
		require.ErrorIs(t, us.Status().Err, segment.ErrCorrupt)
		require.ErrorIs(t, us.Health(), replica.ErrBroken)
		_, err := us.Set("a", "", "2")
		require.ErrorIs(t, err, replica.ErrBroken)
		require.ErrorContains(t, eu.Pull("us-east", from(us, "eu-west")), "checksum")
		require.True(t, eu.Seen().IsEmpty())
		_, err = eu.Apply("us-east", b) // what can be read is taken, and is not all that there is
		require.NoError(t, err)
		require.Equal(t, many-1, eu.Seen().Max("us-east"))
		require.Zero(t, eu.Status().Peers[1].UpTo)
	}
}

func TestARequestThatCanNotBeReadAgainIsToldAsBroken(t *testing.T) {
	dir := t.TempDir()
	us := open(t, dir, options("us-east", &world{now: start}))
	_, err := us.Counter("stock/lamp", "count").Once("1").Add(1)
	require.NoError(t, err)
	spoil(t, dir)
	_, err = us.Counter("stock/lamp", "count").Once("1").Add(1)
	require.ErrorIs(t, err, replica.ErrBroken)
}

// A peer that asked a closed replica took over its state, and a read was answered.
func TestAClosedReplicaSaysSo(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		w := &world{now: start}
		us, eu := open(t, dir, options("us-east", w)), open(t, "", options("eu-west", w))
		set(t, us, "a", "", "1")
		add(t, us, "stock/lamp", 1)
		require.NoError(t, us.Close())
		require.ErrorContains(t, eu.Pull("us-east", from(us, "eu-west")), replica.ErrClosed.Error())
		require.True(t, eu.Seen().IsEmpty())
		b := us.Since(eu.Seen())
		require.False(t, b.Behind)
		require.Empty(t, b.Ops)
		require.Zero(t, b.Now)
		_, err := eu.Apply("us-east", b)
		require.NoError(t, err)
		_, err = us.Read("a", "", 0)
		require.ErrorIs(t, err, replica.ErrClosed)
		_, err = us.Read("a", "", time.Minute)
		require.ErrorIs(t, err, replica.ErrClosed)
		_, err = us.Counter("stock/lamp", "count").Value()
		require.ErrorIs(t, err, replica.ErrClosed)
		_, err = us.Stop("eu-west")
		require.ErrorIs(t, err, replica.ErrClosed)
		_, err = us.Audit("eu-west", from(eu, "us-east"))
		require.ErrorIs(t, err, replica.ErrClosed)
		_, err = us.Write(replica.Write{Key: "a", Fields: []merge.Field{{Name: "f", Value: "1"}}})
		require.ErrorIs(t, err, replica.ErrClosed)
		if dir != "" {
			require.ErrorIs(t, us.Backup(t.TempDir()), replica.ErrClosed)
		}
	}
}

// What the log no longer needs could not be removed: the write that found that out returned its error, and was made.
func TestAWriteDoesNotFailWithWhatIsDoneAfterIt(t *testing.T) {
	w := &world{now: start}
	denied := true
	disk := &hooked{FS: segment.OS{}, remove: func(name string) error {
		if denied && filepath.Ext(name) == ".seg" {
			return &os.PathError{Op: "remove", Path: name, Err: os.ErrPermission}
		}
		return nil
	}}
	opt := options("us-east", w)
	opt.FS, opt.SnapshotBytes, opt.KeepBytes, opt.Members = disk, 4<<20, -1, []clock.Node{"us-east", "eu-west"}
	us, eu := open(t, t.TempDir(), opt), open(t, "", options("eu-west", w))
	long := value.Text(strings.Repeat("x", 3<<20))
	for n := 0; us.Status().Maintained == nil; n++ {
		require.Less(t, n, 20)
		receipt, err := us.Set("a", "", long)
		require.NoError(t, err)
		require.True(t, us.Seen().Has(receipt.Dot))
		meet(t, us, eu)
	}
	require.ErrorIs(t, us.Status().Maintained, os.ErrPermission)
	require.NoError(t, us.Status().Err)
	require.NoError(t, us.Health())
	denied = false
	require.NoError(t, us.Maintain())
	require.NoError(t, us.Status().Maintained)
}

// One moment in which no snapshot could be made, for want of room or of a free file descriptor, and the replica took no more
// writes, though its log was in good order.
func TestASnapshotThatCanNotBeWrittenStopsNoWrites(t *testing.T) {
	for n, done := 0, false; !done; n++ {
		disk := new(faultfs.Disk)
		w := &world{now: start}
		opt := options("us-east", w)
		opt.FS, opt.Members = disk, []clock.Node{"us-east"}
		us := open(t, "dir", opt)
		add(t, us, "stock/lamp", 1)
		require.NoError(t, us.Maintain())
		add(t, us, "stock/lamp", 2)
		done = true
		left := n
		disk.Fault = func(op faultfs.Op) faultfs.Fault {
			if of := filepath.Base(cmp.Or(op.To, op.Name)); strings.Contains(of, ".snap") || op.Kind == faultfs.SyncDir {
				if left--; left < 0 {
					done = false
					return faultfs.NoSpace
				}
			}
			return faultfs.None
		}
		err := us.Maintain()
		if done {
			require.NoError(t, err)
			break
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorIs(t, us.Status().Maintained, syscall.ENOSPC)
		require.NoError(t, us.Status().Err)
		add(t, us, "stock/lamp", 4)
		opt.FS = disk.PowerCut()
		require.EqualValues(t, 7, total(open(t, "dir", opt)), "fault %d", n)
		disk.Fault = nil
		require.NoError(t, us.Maintain())
		require.NoError(t, us.Status().Maintained)
		opt.FS = disk.PowerCut()
		require.EqualValues(t, 7, total(open(t, "dir", opt)), "fault %d", n)
	}
}

// A write that was on the disk when the replica was closed returned an error as if it had not been made.
func TestAWriteThatIsMadeWhileTheReplicaIsClosedSaysSo(t *testing.T) {
	backup := t.TempDir()
	opt := options("us-east", &world{now: start})
	opt.Members = []clock.Node{"us-east"}
	us := open(t, t.TempDir(), opt)
	require.NoError(t, us.Backup(backup))
	require.NoError(t, us.Close())
	told := 0
	opt.Observe = func(replica.Event) { // that the backup was opened, by the write, while it is on its way to the disk
		told++
		require.NoError(t, us.Close())
	}
	us = open(t, backup, opt)
	receipt, err := us.Set("a", "", "1")
	require.Equal(t, 1, told)
	require.NoError(t, err)
	_, err = us.Set("a", "", "2")
	require.ErrorIs(t, err, replica.ErrClosed)
	us = open(t, backup, opt)
	require.True(t, us.Seen().Has(receipt.Dot))
	require.Equal(t, value.Value("1"), us.Get("a", ""))
}
