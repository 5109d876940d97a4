package segment_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

func TestWhatWasSyncedIsThereAfterReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	options := segment.Options{SegmentSize: 200}
	l, found, err := segment.Open(dir, options)
	require.NoError(t, err)
	assert.Equal(t, segment.Recovery{First: 1}, found)

	var positions []segment.Position
	for i := range 20 {
		at, err := l.Append([]byte("record "), fmt.Append(nil, i))
		require.NoError(t, err)
		assert.Equal(t, uint64(i+1), at.Sequence)
		positions = append(positions, at)
		body, err := l.Read(at)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint("record ", i), string(body), "before it is synced")
		if i%3 == 0 {
			require.NoError(t, l.Sync())
		}
	}
	require.NoError(t, l.Close())

	l, found, err = segment.Open(dir, options)
	require.NoError(t, err)
	assert.Equal(t, segment.Recovery{First: 1, Last: 20}, found)
	for i, at := range positions {
		body, err := l.Read(at)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint("record ", i), string(body))
	}
	for from := range positions {
		i := from
		for r, err := range l.From(positions[from]) {
			require.NoError(t, err)
			assert.Equal(t, positions[i], r.Position)
			i++
		}
		assert.Equal(t, 20, i)
		for r, err := range l.From(segment.Position{Sequence: uint64(from + 1)}) {
			require.NoError(t, err)
			assert.Equal(t, positions[from], r.Position, "without its offset it is found all the same")
			break
		}
	}
	i := 0
	for r, err := range segment.Scan(nil, dir) {
		require.NoError(t, err)
		assert.Equal(t, positions[i], r.Position)
		i++
	}
	assert.Equal(t, 20, i)
	require.NoError(t, l.Close())
}

func TestALogIsOpenOnce(t *testing.T) {
	dir := t.TempDir()
	l, _, err := segment.Open(dir, segment.Options{})
	require.NoError(t, err)
	_, _, err = segment.Open(dir, segment.Options{})
	require.ErrorIs(t, err, segment.ErrLocked)
	require.NoError(t, l.Close())
	assert.ErrorIs(t, l.Close(), segment.ErrClosed)
	_, err = l.Append(nil)
	assert.ErrorIs(t, err, segment.ErrClosed)
	assert.ErrorIs(t, l.Sync(), segment.ErrClosed)
	l, _, err = segment.Open(dir, segment.Options{})
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestARecordHasALimit(t *testing.T) {
	l, _, err := segment.Open(logDir, segment.Options{FS: &faultfs.Disk{}})
	require.NoError(t, err)
	large := make([]byte, segment.MaxRecord)
	at, err := l.Append(large)
	require.NoError(t, err)
	_, err = l.Append(large, []byte{1})
	require.ErrorIs(t, err, segment.ErrTooLarge)
	empty, err := l.Append()
	require.NoError(t, err)
	assert.Equal(t, uint64(2), empty.Sequence)
	require.NoError(t, l.Sync())
	body, err := l.Read(at)
	require.NoError(t, err)
	assert.Len(t, body, segment.MaxRecord)
	body, err = l.Read(empty)
	require.NoError(t, err)
	assert.Empty(t, body)
	for _, err := range l.From(segment.Position{}) {
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
}

func TestAPositionThatIsNoneIsNotFound(t *testing.T) {
	l, _, err := segment.Open(logDir, segment.Options{FS: &faultfs.Disk{}})
	require.NoError(t, err)
	var positions []segment.Position
	for i := range 3 {
		at, err := l.Append(make([]byte, 30))
		require.NoError(t, err)
		positions = append(positions, at)
		if i == 1 {
			require.NoError(t, l.Sync())
		}
	}
	for _, at := range []segment.Position{
		{}, {Sequence: 1}, {Sequence: 2, Offset: positions[0].Offset}, {Sequence: 3, Offset: positions[1].Offset},
		{Sequence: 4, Offset: positions[2].Offset}, {Sequence: 3, Offset: 1 << 62}, {Sequence: 1, Offset: 1 << 63},
	} {
		_, err := l.Read(at)
		assert.ErrorIs(t, err, segment.ErrNotFound, at)
	}
	_, err = l.Read(segment.Position{Sequence: 1, Offset: positions[0].Offset + 1})
	assert.Error(t, err)
	require.NoError(t, l.Close())
}

func TestDroppedSegmentsMustBeInTheSnapshot(t *testing.T) {
	disk := &faultfs.Disk{}
	options := segment.Options{FS: disk, SegmentSize: 100}
	l, _, err := segment.Open(logDir, options)
	require.NoError(t, err)
	var positions []segment.Position
	for range 10 {
		at, err := l.Append(make([]byte, 40))
		require.NoError(t, err)
		require.NoError(t, l.Sync())
		positions = append(positions, at)
	}
	_, _, err = l.Snapshot()
	assert.ErrorIs(t, err, fs.ErrNotExist)
	require.Error(t, l.Drop(positions[4]), "no snapshot")
	require.NoError(t, l.WriteSnapshot(positions[6], func(w io.Writer) error {
		_, err := w.Write([]byte("seven"))
		return err
	}))
	require.Error(t, l.Drop(positions[8]), "one record of it is in no snapshot")
	assert.Equal(t, uint64(1), l.First())
	require.NoError(t, l.Drop(positions[7]))
	assert.Equal(t, uint64(7), l.First())
	_, err = l.Read(positions[5])
	assert.ErrorIs(t, err, segment.ErrNotFound)
	_, err = l.Read(positions[6])
	assert.NoError(t, err)

	broken := errors.New("no state")
	assert.ErrorIs(t, l.WriteSnapshot(positions[8], func(w io.Writer) error { return broken }), broken)
	assert.Error(t, l.WriteSnapshot(positions[5], func(w io.Writer) error { return nil }), "it is older")
	assert.Error(t, l.WriteSnapshot(segment.Position{Sequence: 11}, func(w io.Writer) error { return nil }), "it is no record")
	require.NoError(t, l.Close())

	for _, fromSnapshot := range []bool{false, true} {
		options.FromSnapshot = fromSnapshot
		l, found, err := segment.Open(logDir, options)
		require.NoError(t, err)
		assert.Equal(t, segment.Recovery{First: 7, Last: 10, Snapshot: positions[6], HasSnapshot: true}, found)
		at, r, err := l.Snapshot()
		require.NoError(t, err)
		body, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, "seven", string(body))
		assert.Equal(t, positions[6], at)
		require.NoError(t, r.Close())
		require.NoError(t, l.Close())
	}
	for name := range disk.Contents() {
		if filepath.Ext(name) == ".snap" {
			require.NoError(t, disk.Remove(name))
		}
	}
	_, _, err = segment.Open(logDir, options)
	assert.ErrorIs(t, err, segment.ErrCorrupt, "without the snapshot the log is not whole")
}

func TestTheTailIsOfWholeSegments(t *testing.T) {
	disk := &faultfs.Disk{}
	l, _, err := segment.Open(logDir, segment.Options{FS: disk, SegmentSize: 100})
	require.NoError(t, err)
	var at segment.Position
	for range 6 { // two records and a header to a segment
		at, err = l.Append(make([]byte, 40))
		require.NoError(t, err)
		require.NoError(t, l.Sync())
	}
	const of = 24 + 2*(24+40)
	assert.EqualValues(t, 3*of, l.Size())
	for bytes, first := range map[int64]uint64{-1: 7, 0: 7, 1: 5, of: 5, of + 1: 3, 2 * of: 3, 2*of + 1: 1, 3 * of: 1, 1 << 40: 1} {
		assert.Equal(t, first, l.Tail(bytes).Sequence, "%d bytes", bytes)
	}
	require.NoError(t, l.WriteSnapshot(at, func(io.Writer) error { return nil }))
	require.NoError(t, l.Drop(l.Tail(of+1)))
	assert.EqualValues(t, 2*of, l.Size())
	_, err = l.Append(nil)
	require.NoError(t, err)
	assert.EqualValues(t, 2*of, l.Size(), "what is not durable yet does not count")
	require.NoError(t, l.Close())
}

func TestASnapshotOfManyBlocksIsReadAsItWasWritten(t *testing.T) {
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 300_000} {
		disk := &faultfs.Disk{}
		l, _, err := segment.Open(logDir, segment.Options{FS: disk})
		require.NoError(t, err)
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		require.NoError(t, l.WriteSnapshot(segment.Position{}, func(w io.Writer) error {
			for rest := want; len(rest) > 0; {
				n := min(len(rest), 70_001)
				if _, err := w.Write(rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		}))
		at, r, err := segment.ScanSnapshot(disk, logDir)
		require.NoError(t, err)
		assert.Equal(t, segment.Position{}, at)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.True(t, string(want) == string(got), size)
		require.NoError(t, r.Close())
		require.NoError(t, l.Close())
	}
}

func TestADamagedSnapshotIsPassedOverIfTheLogReachesBack(t *testing.T) {
	run, disk := closedLog(t, "a20 s a30 a40 s n a50 s a10 a20 s c")
	const file = "log/00000000000000000003.snap"
	data := disk.Contents()[file]
	data[40] ^= 1
	disk.Put(file, data)
	l, found, err := segment.Open(logDir, segment.Options{FS: disk})
	require.NoError(t, err)
	assert.ErrorIs(t, found.Damaged, segment.ErrCorrupt)
	assert.ErrorContains(t, found.Damaged, file)
	assert.Equal(t, uint64(len(run.bodies)), found.Last)
	assert.False(t, found.HasSnapshot)
	// A new one takes its place, though it is of an earlier record.
	var first segment.Position
	for r, err := range l.From(segment.Position{}) {
		require.NoError(t, err)
		first = r.Position
		break
	}
	require.NoError(t, l.WriteSnapshot(first, func(io.Writer) error { return nil }))
	assert.NotContains(t, disk.Contents(), file)
	require.NoError(t, l.Close())
}

func TestManyWritersShareSyncs(t *testing.T) {
	disk := &faultfs.Disk{}
	l, _, err := segment.Open(logDir, segment.Options{FS: disk, SegmentSize: 4 << 10, Buffer: 600})
	require.NoError(t, err)
	const writers, each = 16, 60
	var all sync.Map
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				body := fmt.Sprint(w, "/", i)
				at, err := l.Append([]byte(body))
				if !assert.NoError(t, err) || !assert.NoError(t, l.Sync()) {
					return
				}
				if !assert.LessOrEqual(t, at.Sequence, l.Synced()) {
					return
				}
				read, err := l.Read(at)
				if !assert.NoError(t, err) || !assert.Equal(t, body, string(read)) {
					return
				}
				all.Store(at, body)
			}
		})
	}
	for range 20 {
		next := uint64(1)
		for r, err := range segment.Scan(disk, logDir) {
			require.NoError(t, err)
			require.Equal(t, next, r.Position.Sequence)
			next++
		}
	}
	group.Wait()
	_, found, err := segment.Open(logDir, segment.Options{FS: disk.PowerCut()})
	require.NoError(t, err)
	assert.Equal(t, uint64(writers*each), found.Last)
	for r, err := range l.From(segment.Position{}) {
		require.NoError(t, err)
		body, ok := all.Load(r.Position)
		assert.True(t, ok)
		assert.Equal(t, body, string(r.Body))
	}
	require.NoError(t, l.Close())
}

func TestAScanToleratesAWriterThatDrops(t *testing.T) {
	dir := t.TempDir()
	l, _, err := segment.Open(dir, segment.Options{SegmentSize: 512})
	require.NoError(t, err)
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			at, err := l.Append(strconv.AppendInt(make([]byte, 0, 40), int64(i), 10))
			if !assert.NoError(t, err) || !assert.NoError(t, l.Sync()) {
				return
			}
			if i%50 == 0 {
				if !assert.NoError(t, l.WriteSnapshot(at, func(io.Writer) error { return nil })) ||
					!assert.NoError(t, l.Drop(at)) {
					return
				}
			}
		}
	})
	scanned := 0
	for round := 0; round < 20 || scanned < 2000; round++ {
		next := uint64(0)
		for r, err := range segment.Scan(nil, dir) {
			if errors.Is(err, fs.ErrNotExist) {
				break // the writer was faster
			}
			require.NoError(t, err)
			require.True(t, next == 0 || next == r.Position.Sequence)
			require.Equal(t, strconv.FormatUint(r.Position.Sequence, 10), string(r.Body))
			next = r.Position.Sequence + 1
			scanned++
		}
	}
	close(stop)
	group.Wait()
	assert.Positive(t, scanned)
	require.NoError(t, l.Close())
	_, _, err = segment.ScanSnapshot(nil, t.TempDir())
	assert.ErrorIs(t, err, fs.ErrNotExist)
	for _, err := range segment.Scan(nil, t.TempDir()) {
		assert.ErrorIs(t, err, fs.ErrNotExist)
	}
}

func TestAppendAllocatesNothingButTheBuffer(t *testing.T) {
	l, _, err := segment.Open(logDir, segment.Options{FS: &faultfs.Disk{}})
	require.NoError(t, err)
	body := make([]byte, 200)
	for range 2 { // both buffers
		for range 1000 {
			_, _ = l.Append(body)
		}
		require.NoError(t, l.Sync())
	}
	assert.Zero(t, testing.AllocsPerRun(900, func() { _, _ = l.Append(body) }))
	require.NoError(t, l.Close())
}

// A log kept for good the room of the largest batches that it ever wrote: MiB, since a region once came back.
func TestTheRoomOfAnUnusualBatchIsGivenBack(t *testing.T) {
	l, _, err := segment.Open(logDir, segment.Options{FS: &faultfs.Disk{}})
	require.NoError(t, err)
	write := func(records int) {
		for range records {
			_, err := l.Append(make([]byte, 200))
			require.NoError(t, err)
		}
		require.NoError(t, l.Sync())
	}
	for range 2 { // both buffers
		write(10_000)
	}
	room := l.Room()
	assert.Greater(t, room, 2*10_000*200)
	for range 3 { // a few small ones between large ones cost no new room
		write(1)
	}
	assert.Equal(t, room, l.Room())
	for range 16 {
		write(1)
	}
	assert.LessOrEqual(t, l.Room(), 2*64<<10)
	require.NoError(t, l.Close())
}
