package segment_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

func TestNoFaultOfTheDiskLosesInventsOrHidesARecord(t *testing.T) {
	faults := map[string]func(int) func(faultfs.Op) faultfs.Fault{
		"EIO":            func(n int) func(faultfs.Op) faultfs.Fault { return faultfs.At(n, faultfs.EIO) },
		"disk full":      func(n int) func(faultfs.Op) faultfs.Fault { return faultfs.At(n, faultfs.NoSpace) },
		"full from here": func(n int) func(faultfs.Op) faultfs.Fault { return faultfs.From(n, faultfs.NoSpace) },
		"short write":    func(n int) func(faultfs.Op) faultfs.Fault { return faultfs.At(n, faultfs.Short) },
		"crash":          func(n int) func(faultfs.Op) faultfs.Fault { return faultfs.At(n, faultfs.Crash) },
	}
	points, opened := 0, 0
	for _, s := range scripts {
		healthy := &faultfs.Disk{Sector: s.sector}
		require.NoError(t, (&session{options: s.options}).run(healthy, healthy, s.script))
		for name, fault := range faults {
			for n := range healthy.Operations() {
				if testing.Short() && n%5 != 0 {
					continue
				}
				for _, forgets := range []bool{false, true} {
					disk := &faultfs.Disk{Sector: s.sector, Forgets: forgets, Fault: fault(n)}
					run := &session{options: s.options}
					_ = run.run(disk, disk, s.script) // it may be an error or not: what counts is what it acknowledged
					disk.Fault = nil
					after := disk.Operations()
					where := fmt.Sprintf("%s: %s at %v, forgets %v", s.name, name, healthy.Journal()[n], forgets)
					points++
					for image := range disk.Images(faultfs.Crashes{PerPoint: 8, Seed: uint64(n), First: after}) {
						opened++
						require.NoError(t, run.check(image.Disk, image.After), "%s, then %v", where, image)
					}
					disk.Restart() // the process goes, and what the system has in memory stays
					opened++
					require.NoError(t, run.check(disk, after), where)
				}
			}
		}
	}
	t.Logf("%d faults, %d logs opened after them", points, opened)
}

func TestAFailedSyncIsNeverBelievedLater(t *testing.T) {
	for _, forgets := range []bool{false, true} {
		disk := &faultfs.Disk{Forgets: forgets}
		l, _, err := segment.Open(logDir, segment.Options{FS: disk})
		require.NoError(t, err)
		first, err := l.Append([]byte("durable"))
		require.NoError(t, err)
		require.NoError(t, l.Sync())

		_, err = l.Append([]byte("lost"))
		require.NoError(t, err)
		failed := false
		disk.Fault = func(op faultfs.Op) faultfs.Fault {
			if op.Kind == faultfs.Sync && !failed {
				failed = true
				return faultfs.EIO
			}
			return faultfs.None
		}
		broken := l.Sync()
		require.ErrorIs(t, broken, syscall.EIO)
		assert.Equal(t, broken, l.Sync(), "though the disk would do it now")
		_, err = l.Append([]byte("more"))
		assert.Equal(t, broken, err)
		assert.Equal(t, uint64(1), l.Synced())
		body, err := l.Read(first)
		require.NoError(t, err)
		assert.Equal(t, "durable", string(body))
		assert.ErrorIs(t, l.Close(), syscall.EIO)

		// The system shows the record as if it were written, or doesn't. Either way, what Open tells is true.
		l, found, err := segment.Open(logDir, segment.Options{FS: disk})
		require.NoError(t, err)
		assert.Equal(t, map[bool]uint64{false: 2, true: 1}[forgets], found.Last)
		_, again, err := segment.Open(logDir, segment.Options{FS: disk.PowerCut()})
		require.NoError(t, err)
		assert.Equal(t, found.Last, again.Last)
		require.NoError(t, l.Close())
	}
}

// A name that the directory showed, and whose sync had failed, was relied on by the side file before it was on the disk: after a
// loss of power right then the log had a segment missing, and could not be opened.
func TestANameThatWasFoundIsOnTheDiskBeforeItIsReliedOn(t *testing.T) {
	options := segment.Options{SegmentSize: 100}
	run := func(disk *faultfs.Disk) (acknowledged uint64) {
		options.FS = disk
		l, _, err := segment.Open(logDir, options)
		for range 6 {
			if err == nil {
				_, err = l.Append(make([]byte, 40))
			}
			if err != nil || l.Sync() != nil {
				return acknowledged
			}
			acknowledged++
		}
		return acknowledged
	}
	healthy := &faultfs.Disk{}
	require.EqualValues(t, 6, run(healthy))
	for _, op := range healthy.Journal() {
		if op.Kind != faultfs.SyncDir {
			continue
		}
		disk := &faultfs.Disk{Fault: faultfs.At(op.N, faultfs.EIO)}
		acknowledged := run(disk)
		disk.Fault = nil
		disk.Restart()
		before := disk.Operations()
		l, _, err := segment.Open(logDir, options)
		require.NoError(t, err)
		require.NoError(t, l.Close())
		for image := range disk.Images(faultfs.Crashes{PerPoint: 50, First: before}) {
			options.FS = image.Disk
			l, found, err := segment.Open(logDir, options)
			require.NoError(t, err, "%v, %v", op, image)
			require.GreaterOrEqual(t, found.Last, acknowledged)
			require.NoError(t, l.Close())
		}
	}
}

func TestAnUnreadableDiskIsNoTornTail(t *testing.T) {
	disk := &faultfs.Disk{}
	run := &session{options: segment.Options{SegmentSize: 100}}
	require.NoError(t, run.run(disk, disk, "a50 s a50 s a10 s n a10 s"))
	disk.Restart()
	before := disk.Operations()
	reads := 0
	disk.ReadFault = func(string, int64) error { reads++; return nil }
	_, err := run.recovered(clone(disk), 1<<30)
	require.NoError(t, err)
	for name := range disk.Contents() {
		disk.ReadFault = func(read string, _ int64) error {
			if read == name {
				return syscall.EIO
			}
			return nil
		}
		_, _, err := segment.Open(logDir, segment.Options{FS: disk, SegmentSize: 100})
		require.ErrorIs(t, err, syscall.EIO, name)
		assert.NotErrorIs(t, err, segment.ErrCorrupt)
		assert.Equal(t, before, disk.Operations(), "nothing was changed")
	}
}

func TestALyingSyncOfTheTailIsFound(t *testing.T) {
	// A disk that lies is beyond what a log can promise; where the side file knows better it says so.
	disk := &faultfs.Disk{}
	disk.Fault = func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.Sync && strings.HasSuffix(op.Name, ".seg") {
			return faultfs.Lie
		}
		return faultfs.None
	}
	run := &session{}
	require.NoError(t, run.run(disk, disk, "a50 s a50 s c"))
	_, _, err := segment.Open(logDir, segment.Options{FS: disk.PowerCut()})
	var corrupt *segment.CorruptError
	require.True(t, errors.As(err, &corrupt))
	assert.Equal(t, "log/00000000000000000001.seg", corrupt.File)
}
