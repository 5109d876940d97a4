package replica_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// syncFS is the disk of the operating system, with something that each sync of a file does first.
type syncFS struct {
	segment.OS
	first func()
}

func (s syncFS) OpenFile(name string, flag int) (segment.File, error) {
	f, err := s.OS.OpenFile(name, flag)
	return syncFile{f, s.first}, err
}

type syncFile struct {
	segment.File
	first func()
}

func (f syncFile) Sync() error {
	f.first()
	return f.File.Sync()
}

// held is whether syncs wait until each is let through: while its channels are not nil.
type held struct{ waits, lets chan struct{} }

func (h *held) wait() {
	if h.waits != nil {
		h.waits <- struct{}{}
		<-h.lets
	}
}

// two returns two replicas, and what holds the disk of the first one.
func two(t *testing.T) (disk *held, eu, us *replica.Replica) {
	var now atomic.Int64
	now.Store(start)
	disk = new(held)
	opt := options("eu-west", nil)
	opt.Source = func() int64 { return now.Add(1000) }
	opt.Members, opt.FS = []clock.Node{"eu-west", "us-east"}, syncFS{first: disk.wait}
	eu = open(t, t.TempDir(), opt)
	opt.Node, opt.FS = "us-east", nil
	return disk, eu, open(t, t.TempDir(), opt)
}

// What arrived was acknowledged as soon as it was on disk, though a delete that was made before, without having seen it, was yet to
// get there. Who had all acknowledgements folded what the delete then met as concurrent.
func TestNothingIsAcknowledgedThatAWriteOnItsWayHasNotSeen(t *testing.T) {
	disk, eu, us := two(t)
	add(t, us, "stock/lamp", 1)
	meet(t, eu, us)
	add(t, us, "stock/lamp", 5)

	disk.waits, disk.lets = make(chan struct{}), make(chan struct{})
	arrives, deletes := make(chan error, 1), make(chan error, 1)
	go func() { _, err := eu.Apply("us-east", us.Since(eu.Seen())); arrives <- err }()
	<-disk.waits // what arrived is on its way to the disk
	before := eu.Status().Retained
	go func() { _, err := eu.DeleteRecord("stock/lamp"); deletes <- err }()
	require.Eventually(t, func() bool { return eu.Status().Retained > before }, time.Minute, time.Millisecond)
	disk.lets <- struct{}{}
	<-disk.waits // now the delete is
	require.NoError(t, <-arrives)
	require.Equal(t, value.Int(6), eu.Get("stock/lamp", "count"))

	_, err := us.Apply("eu-west", eu.Since(us.Seen()))
	require.NoError(t, err)
	require.NoError(t, us.Maintain())

	disk.lets <- struct{}{}
	require.NoError(t, <-deletes)
	disk.waits = nil
	meet(t, eu, us)
	for _, r := range []*replica.Replica{eu, us} {
		assert.Equal(t, value.Int(5), r.Get("stock/lamp", "count"), "the delete had seen 1 at %s", name(r))
	}
	requireEqual(t, eu, us)
}

// A peer that pulled said that it has what its delete had not seen, while that delete was here and on its way to the disk. What
// both have was folded then, before the delete got into the state.
func TestNothingIsFoldedThatAWriteOnItsWayHasNotSeen(t *testing.T) {
	disk, eu, us := two(t)
	add(t, eu, "stock/lamp", 1)
	meet(t, eu, us)
	add(t, eu, "stock/lamp", 5)
	_, err := us.DeleteRecord("stock/lamp")
	require.NoError(t, err)
	deleted := us.Since(eu.Seen())
	pull(t, us, eu)

	disk.waits, disk.lets = make(chan struct{}), make(chan struct{})
	arrives, maintains := make(chan error, 1), make(chan error, 1)
	go func() { _, err := eu.Apply("us-east", deleted); arrives <- err }()
	<-disk.waits // the delete is on its way to the disk
	pull(t, us, eu)
	go func() { maintains <- eu.Maintain() }()
	time.Sleep(20 * time.Millisecond) // for it to come as far as it can
	close(disk.lets)
	waits := disk.waits
	go func() {
		for range waits {
		}
	}()
	require.NoError(t, <-arrives)
	require.NoError(t, <-maintains)
	close(waits)
	disk.waits = nil

	meet(t, eu, us)
	for _, r := range []*replica.Replica{eu, us} {
		assert.Equal(t, value.Int(5), r.Get("stock/lamp", "count"), "the delete had seen 1 at %s", name(r))
	}
	requireEqual(t, eu, us)
}

// A batch of one member that was taken for one of another's, because somebody had mixed up their connections, acknowledged what
// that one did not have: all forgot it.
func TestABatchOfAnotherMemberAcknowledgesNothing(t *testing.T) {
	_, ap, eu, us := three(t, false)
	set(t, us, "a", "", "1")
	pull(t, ap, us)
	_, err := us.Apply("eu-west", ap.Since(us.Seen()))
	requireRefused(t, err, finding.SourceMismatch)
	requireRefused(t, us.Pull("eu-west", from(ap, "us-east")), finding.SourceMismatch)
	pull(t, us, ap)
	require.NoError(t, us.Maintain())
	require.Equal(t, 1, us.Status().Retained)
	b := us.Since(eu.Seen())
	require.False(t, b.Behind)
	require.Len(t, b.Ops, 1)
	require.Equal(t, int64(2), us.Status().Refused[finding.SourceMismatch])
}
