package replica_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// logged returns the names of the operations in the log of a directory, and how many records are none.
func logged(t *testing.T, dir string) (ops []clock.Dot, others int) {
	t.Helper()
	next := uint64(1)
	for e, err := range replica.History(nil, dir) {
		require.NoError(t, err)
		require.Equal(t, next, e.Sequence)
		require.Positive(t, e.Size)
		next++
		if e.Op == nil {
			others++
			continue
		}
		ops = append(ops, e.Op.Dot)
	}
	return ops, others
}

func TestTheLogIsAHistoryWhileTheReplicaIsOpen(t *testing.T) {
	w, dir := &world{now: start}, t.TempDir()
	us, eu := open(t, dir, options("us-east", w)), open(t, "", options("eu-west", w))
	set(t, us, "a", "", "1")
	set(t, eu, "b", "", "2")
	pull(t, us, eu)
	set(t, us, "a", "", "3")
	want := []clock.Dot{{Node: "us-east", Seq: 1}, {Node: "eu-west", Seq: 1}, {Node: "us-east", Seq: 2}}
	ops, others := logged(t, dir)
	require.Equal(t, want, ops)
	require.Positive(t, others) // the epoch at least
	require.NoError(t, us.Maintain())
	require.NoError(t, us.Close())
	ops, _ = logged(t, dir)
	require.Equal(t, want, ops)
	for range replica.History(nil, dir) {
		break // without reading on
	}
}

func TestAHistoryEndsWithItsError(t *testing.T) {
	for _, err := range replica.History(nil, t.TempDir()) {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	dir := t.TempDir()
	log, _, err := segment.Open(dir, segment.Options{})
	require.NoError(t, err)
	for _, body := range []string{"\x92\x03\x07", "\x92\x01\xc4\x00 is no operation", "\x92\x03\x07"} {
		_, err := log.Append([]byte(body))
		require.NoError(t, err)
	}
	require.NoError(t, log.Close())
	var sequences []uint64
	for e, err := range replica.History(nil, dir) {
		sequences = append(sequences, e.Sequence)
		if e.Sequence == 2 {
			require.ErrorIs(t, err, segment.ErrCorrupt)
		}
	}
	require.Equal(t, []uint64{1, 2}, sequences)
}

// A question that was on its way while the replica told the same peer in another message what it had by then, and the peer
// forgot that, was answered by state: what came so was in no log, and no other table could be entered any more.
func TestAQuestionThatIsOvertakenIsAskedAgain(t *testing.T) {
	w, dir := &world{now: start}, t.TempDir()
	var told []replica.Event
	opt := options("us-east", w)
	opt.Observe = func(e replica.Event) { told = append(told, e) }
	us, eu, ap := open(t, dir, opt), open(t, "", options("eu-west", w)), open(t, "", options("ap-south", w))
	set(t, eu, "a", "", "1")
	asked := 0
	require.NoError(t, us.Pull("eu-west", func(question []byte) ([]byte, error) {
		if asked++; asked == 1 {
			meet(t, us, eu, ap)
			require.NoError(t, eu.Maintain())
			require.Zero(t, eu.Status().Retained)
			set(t, eu, "a", "", "2")
		}
		return eu.Serve("us-east", question), nil
	}))
	require.Equal(t, 2, asked)
	require.Empty(t, told)
	ops, _ := logged(t, dir)
	require.Equal(t, []clock.Dot{{Node: "eu-west", Seq: 1}, {Node: "eu-west", Seq: 2}}, ops)
	requireEqual(t, us, eu)

	// One that writes all the time is not kept from what it needs.
	set(t, eu, "a", "", "3")
	meet(t, us, eu, ap)
	require.NoError(t, eu.Maintain())
	us = open(t, t.TempDir(), opt)
	require.NoError(t, us.Pull("eu-west", func(question []byte) ([]byte, error) {
		answer := eu.Serve("us-east", question)
		set(t, us, "b", "", "1")
		return answer, nil
	}))
	require.True(t, us.Seen().Covers(eu.Seen()))
	require.Equal(t, replica.Transferred, told[len(told)-1].Kind)
}

// Of a log that had come to what is to be kept of it, all was dropped that nobody needed, the latest part too. And who was
// opened anew knew of no more than what it needed: a log grew by what is to be kept with every restart, for ever.
func TestTheNewestPartOfTheLogIsKeptAndNoMore(t *testing.T) {
	const value, segment, keep, perRound = 3 << 20, 16 << 20, 20 << 20, 5
	w, dir := &world{now: start}, t.TempDir()
	opt := options("us-east", w)
	opt.Members, opt.KeepBytes, opt.SnapshotBytes = []clock.Node{"eu-west", "us-east"}, keep, 1<<40
	eu := open(t, "", options("eu-west", w))
	long := strings.Repeat("x", value)
	for round := range 8 {
		us := open(t, dir, opt)
		for range perRound {
			set(t, us, "a", "", long)
		}
		meet(t, us, eu)
		set(t, us, "b", "", "1") // which eu-west lacks
		require.NoError(t, us.Maintain())
		size := us.Status().LogBytes
		require.Less(t, size, int64(keep+segment+2*value))
		if round > 1 {
			require.GreaterOrEqual(t, size, int64(keep))
		}
		require.NoError(t, us.Close())
		us = open(t, dir, opt)
		require.InDelta(t, size, us.Status().LogBytes, 100)
		require.NoError(t, us.Close())
	}
}

// What a replica puts on disk when it answers its peers, five times a second, grew for as long as nobody wrote.
func TestTheLogOfAReplicaThatOnlyAnswersIsCutToo(t *testing.T) {
	w, disk := &world{now: start}, new(faultfs.Disk)
	opt := options("us-east", w)
	opt.FS, opt.SnapshotBytes = disk, 1000
	us := open(t, "dir", opt)
	snapshots := make(map[string]bool)
	for range 1000 {
		w.now += int64(time.Second)
		us.Since(clock.Vector{})
		for name := range disk.Contents() {
			if filepath.Ext(name) == ".snap" {
				snapshots[name] = true
			}
		}
	}
	require.Greater(t, len(snapshots), 5)
}
