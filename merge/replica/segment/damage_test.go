package segment_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// closedLog is a log of several segments, with or without a snapshot and with or without its beginning.
func closedLog(t *testing.T, script string) (*session, *faultfs.Disk) {
	disk := &faultfs.Disk{}
	run := &session{options: segment.Options{SegmentSize: 150}}
	require.NoError(t, run.run(disk, disk, script))
	return run, clone(disk)
}

// survives opens a damaged log and returns nil if all that was acknowledged is there, or if an error names the damaged file.
func (s *session) survives(disk *faultfs.Disk, damaged string, mayName ...string) (cut bool, err error) {
	o := s.options
	o.FS = disk
	l, found, err := segment.Open(logDir, o)
	var corrupt *segment.CorruptError
	if errors.As(err, &corrupt) {
		if corrupt.File != damaged && !slices.Contains(mayName, corrupt.File) {
			return true, fmt.Errorf("%s is damaged, and %w is told", damaged, err)
		}
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if want := kept(s.snaps, 1<<30); int(found.Snapshot.Sequence) != want {
		if found.Damaged == nil || !errors.As(found.Damaged, &corrupt) || corrupt.File != damaged {
			return false, fmt.Errorf("the snapshot of %d was passed over silently", want)
		}
	}
	if found.HasSnapshot {
		at, r, err := l.Snapshot()
		if err != nil {
			return false, err
		}
		body, err := io.ReadAll(r)
		if err != nil || string(body) != snapshotBody(int(at.Sequence)) {
			return false, fmt.Errorf("the snapshot of %d is %q, %w", at.Sequence, body, err)
		}
	}
	if int(found.Last) != len(s.bodies) {
		return false, fmt.Errorf("%d records are there, of %d", found.Last, len(s.bodies))
	}
	for r, err := range l.From(segment.Position{}) {
		if err != nil || string(r.Body) != s.bodies[r.Position.Sequence-1] {
			return false, fmt.Errorf("record %d is %q, %w", r.Position.Sequence, r.Body, err)
		}
	}
	return false, l.Close()
}

func TestEveryFlippedByteAndEveryPrefixIsHarmlessOrNamed(t *testing.T) {
	for name, script := range map[string]string{
		"records":             "a20 s a30 a40 s a50 s a10 a20 s c",
		"with a snapshot":     "a20 s a30 a40 s n a50 s a10 a20 s c",
		"without a beginning": "a90 s a30 a90 s a50 s n d a10 a20 s c",
		"not closed":          "a20 s a30 a40 s a50 s a10 a20 s",
	} {
		t.Run(name, func(t *testing.T) {
			run, disk := closedLog(t, script)
			harmless, named := 0, 0
			try := func(file string, data []byte, what string, mayName ...string) {
				damaged := clone(disk)
				damaged.Put(file, data)
				told, err := run.survives(damaged, file, mayName...)
				require.NoError(t, err, "%s: %s", file, what)
				if told {
					named++
				} else {
					harmless++
				}
			}
			for file, data := range disk.Contents() {
				for i := range data {
					if strings.HasSuffix(file, "synced") && i > 60 && i%512 != 0 && i < 4090 {
						continue // nothing is there between the slots
					}
					for _, flip := range []byte{0x01, 0x80, 0xFF} {
						flipped := slices.Clone(data)
						flipped[i] ^= flip
						try(file, flipped, fmt.Sprintf("byte %d flipped by %x", i, flip))
					}
					try(file, data[:i:i], fmt.Sprintf("cut to %d bytes", i))
				}
				// A snapshot that is gone leaves no trace but that the log does not reach back without it.
				names := slices.Sorted(maps.Keys(disk.Contents()))
				if !strings.HasSuffix(file, ".snap") || !slices.Contains(names, "log/00000000000000000001.seg") {
					try(file, nil, "gone", names...)
				}
			}
			t.Logf("%d harmless, %d named", harmless, named)
			assert.Positive(t, harmless)
			assert.Positive(t, named)
		})
	}
}

func TestDamageSaysWhereItIs(t *testing.T) {
	_, disk := closedLog(t, "a20 s a30 a40 s a50 s c")
	const file = "log/00000000000000000001.seg"
	data := disk.Contents()[file]
	data[24+24+5] ^= 1
	disk.Put(file, data)
	_, _, err := segment.Open(logDir, segment.Options{FS: disk})
	require.ErrorIs(t, err, segment.ErrCorrupt)
	var corrupt *segment.CorruptError
	require.True(t, errors.As(err, &corrupt))
	assert.Equal(t, finding.Finding{
		Code:   finding.CorruptLog,
		Place:  finding.Place{File: file},
		Detail: "byte 24: the checksum of a record does not match",
	}, corrupt.Finding())
	assert.EqualError(t, err, "open log: "+file+": byte 24: the checksum of a record does not match")
}

// Power was cut after the last syncs, and the side file that reached the disk is that of the beginning.
func staleSideFile(t *testing.T) (*session, *faultfs.Disk, string) {
	disk := &faultfs.Disk{}
	run := &session{}
	require.NoError(t, run.run(disk, disk, "a20 s"))
	stale := disk.Contents()["log/synced"]
	disk.Restart()
	require.NoError(t, run.run(disk, disk, "a30 s a40 a20 s"))
	lost := disk.PowerCut()
	lost.Put("log/synced", stale)
	return run, lost, "log/00000000000000000001.seg"
}

func TestAStaleSideFileLosesNothing(t *testing.T) {
	run, disk, _ := staleSideFile(t)
	there, err := run.recovered(disk, 1<<30)
	require.NoError(t, err)
	assert.Equal(t, 4, there)
}

func TestDamageBeforeALaterBatchIsFoundWithoutTheSideFile(t *testing.T) {
	run, disk, file := staleSideFile(t)
	data := disk.Contents()[file]
	second := 24 + 24 + 20
	data[second+30] ^= 1 // in the second record, whose sync the third proves
	disk.Put(file, data)
	_, err := run.recovered(disk, 1<<30)
	var corrupt *segment.CorruptError
	require.True(t, errors.As(err, &corrupt))
	assert.Equal(t, int64(second), corrupt.Offset)
}

func TestDamageBeforeTheLastSegmentIsFoundWithoutTheSideFile(t *testing.T) {
	disk := &faultfs.Disk{}
	run := &session{options: segment.Options{SegmentSize: 60}}
	require.NoError(t, run.run(disk, disk, "s"))
	stale := disk.Contents()["log/synced"]
	disk.Restart()
	require.NoError(t, run.run(disk, disk, "a40 s a40"))
	const file, second = "log/00000000000000000001.seg", "log/00000000000000000002.seg"
	lost := clone(disk)
	lost.Put("log/synced", stale)
	data := lost.Contents()[file]
	data[60] ^= 1
	lost.Put(file, data)
	// The second segment has no record yet: that it is there proves the first.
	empty := append([]byte("TBRKLOG\n"), 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0)
	lost.Put(second, binary.LittleEndian.AppendUint32(empty, crc32.Checksum(empty, crc32.MakeTable(crc32.Castagnoli))))
	_, err := run.recovered(lost, 1<<30)
	var corrupt *segment.CorruptError
	require.True(t, errors.As(err, &corrupt))
	assert.Equal(t, file, corrupt.File)
	assert.Equal(t, int64(24), corrupt.Offset)
}

func TestASequenceThatJumpsIsDamage(t *testing.T) {
	// A segment whose second frame is good in its place, and is that of the third record.
	_, disk := closedLog(t, "a20 s a20 s a20 s c")
	const file = "log/00000000000000000001.seg"
	const at = 24 + 24 + 20
	data := disk.Contents()[file]
	forged := slices.Clone(data[at : at+20])
	forged[8] = 3
	sum := crc32.Update(at, crc32.MakeTable(crc32.Castagnoli), forged)
	copy(data[at:], binary.LittleEndian.AppendUint32(forged, sum))
	disk.Put(file, data)
	_, _, err := segment.Open(logDir, segment.Options{FS: disk})
	assert.ErrorContains(t, err, fmt.Sprintf("%s: byte %d: the sequence jumps", file, at))
}

// It is what the log can't know: a power cut that kept the side file from the disk, and damage to the last batch as well.
// The package comment says so.
func TestDamageToTheLastBatchBehindAStaleSideFileIsTakenForATornTail(t *testing.T) {
	_, disk, file := staleSideFile(t)
	data := disk.Contents()[file]
	third := int64(24 + 24 + 20 + 24 + 30)
	data[third+30] ^= 1
	disk.Put(file, data)
	_, found, err := segment.Open(logDir, segment.Options{FS: disk})
	require.NoError(t, err)
	assert.Equal(t, uint64(2), found.Last)
	assert.Equal(t, segment.Cut{File: file, Offset: third, Bytes: int64(len(data)) - third, Frames: 1}, found.Cut)
}

func TestALogInTheBodyOfARecordIsNoLog(t *testing.T) {
	// The tail is torn, and in it is the copy of a log that goes on.
	_, other := closedLog(t, "a20 s a30 s a40 s a50 s c")
	var copied []byte
	for _, data := range other.Contents() {
		copied = append(copied, data...)
	}
	disk := &faultfs.Disk{}
	l, _, err := segment.Open(logDir, segment.Options{FS: disk})
	require.NoError(t, err)
	_, err = l.Append([]byte("a"))
	require.NoError(t, err)
	require.NoError(t, l.Sync())
	stale := disk.Contents()["log/synced"]
	at, err := l.Append(copied)
	require.NoError(t, err)
	require.NoError(t, l.Sync())
	torn := disk.PowerCut()
	torn.Put("log/synced", stale)
	data := torn.Contents()["log/00000000000000000001.seg"]
	data[at.Offset] ^= 1
	torn.Put("log/00000000000000000001.seg", data)
	_, found, err := segment.Open(logDir, segment.Options{FS: torn})
	require.NoError(t, err)
	assert.Equal(t, uint64(1), found.Last)
	assert.Zero(t, found.Cut.Frames)
}
