package segment_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

var images = flag.String("images", "all", "how many crash images to open, about; or all of them, which takes ten seconds")

const logDir = "log"

// A session is what somebody did with a log on a disk, and what they were told.
type session struct {
	options segment.Options
	bodies  []string // of the records from 1 on: those that were there at the start, and those appended since
	start   int      // how many were there at the start
	acked   []promise
	snaps   []promise // whose record is the position of the snapshot
}

// A promise was made after so many operations of the disk: a record, and all before it, are durable.
type promise struct{ after, record int }

func kept(promises []promise, after int) int {
	record := 0
	for _, p := range promises {
		if p.after <= after {
			record = p.record
		}
	}
	return record
}

func snapshotBody(record int) string { return "state after " + strconv.Itoa(record) }

// run opens the log on a disk and does the steps of a script: "a" and a number append a record with a body of so many bytes,
// "s" syncs, "n" writes a snapshot of all there is, "d" drops what is in it, "c" closes. It stops at the first error.
func (s *session) run(fsys segment.FS, disk *faultfs.Disk, script string) error {
	o := s.options
	o.FS = fsys
	l, _, err := segment.Open(logDir, o)
	if err != nil {
		return err
	}
	if s.start > 0 {
		s.acked = append(s.acked, promise{disk.Operations(), s.start})
	}
	var last segment.Position
	for at, err := range l.From(segment.Position{}) {
		if err != nil {
			return err
		}
		last = at.Position
	}
	for _, step := range strings.Fields(script) {
		switch step[0] {
		case 'a':
			size, _ := strconv.Atoi(step[1:])
			body := fmt.Sprintf("%d/%d:", len(s.bodies)+1, s.start)
			body += strings.Repeat("x", max(0, size-len(body)))
			if last, err = l.Append([]byte(body)); err == nil {
				s.bodies = append(s.bodies, body)
			}
		case 's':
			if err = l.Sync(); err == nil {
				s.acked = append(s.acked, promise{disk.Operations(), len(s.bodies)})
			}
		case 'n':
			err = l.WriteSnapshot(last, func(w io.Writer) error {
				_, err := io.WriteString(w, snapshotBody(len(s.bodies)))
				return err
			})
			if err == nil {
				s.acked = append(s.acked, promise{disk.Operations(), len(s.bodies)})
				s.snaps = append(s.snaps, promise{disk.Operations(), len(s.bodies)})
			}
		case 'd':
			err = l.Drop(last)
		case 'c':
			err = l.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check opens what a crash left after so many operations, and returns what is wrong: an acknowledged record that is lost, or
// one that was never appended. It appends more, cuts the power again, and looks whether anything is hidden.
func (s *session) check(disk *faultfs.Disk, after int) error {
	there, err := s.recovered(disk, after)
	if err != nil {
		return err
	}
	next := &session{options: s.options, bodies: s.bodies[:there:there], start: there}
	if err := next.run(disk, disk, "a30 s a1 a40 s"); err != nil {
		return fmt.Errorf("go on: %w", err)
	}
	cut := disk.PowerCut()
	more, err := next.recovered(cut, disk.Operations())
	if err != nil {
		return fmt.Errorf("after going on: %w", err)
	}
	if more != there+3 {
		return fmt.Errorf("after going on: %d records, not %d", more, there+3)
	}
	return nil
}

// recovered opens the log on a disk after a crash and returns how many records there are.
func (s *session) recovered(disk *faultfs.Disk, after int) (int, error) {
	o := s.options
	o.FS = disk
	l, found, err := segment.Open(logDir, o)
	if err != nil {
		return 0, err
	}
	there, lowest := int(found.Last), max(s.start, kept(s.acked, after))
	switch {
	case there < lowest:
		return 0, fmt.Errorf("lost: %d records were acknowledged, %d are there", lowest, there)
	case there > len(s.bodies):
		return 0, fmt.Errorf("phantom: %d records were appended, %d are there", len(s.bodies), there)
	case found.First > 1 && (!found.HasSnapshot || found.Snapshot.Sequence+1 < found.First):
		return 0, fmt.Errorf("lost: the log begins at %d, and the snapshot is %v", found.First, found.Snapshot)
	}
	if want := kept(s.snaps, after); want > 0 && int(found.Snapshot.Sequence) < want {
		return 0, fmt.Errorf("lost: the snapshot is that of %d, not of %d", found.Snapshot.Sequence, want)
	}
	if found.HasSnapshot {
		at, r, err := l.Snapshot()
		if err != nil {
			return 0, err
		}
		body, err := io.ReadAll(r)
		if err != nil || string(body) != snapshotBody(int(at.Sequence)) || at != found.Snapshot {
			return 0, fmt.Errorf("the snapshot of %d is %q, %v", at.Sequence, body, err)
		}
		_ = r.Close()
	}
	next := found.First
	for r, err := range l.From(segment.Position{}) {
		if err != nil {
			return 0, err
		}
		if r.Position.Sequence != next || string(r.Body) != s.bodies[next-1] {
			return 0, fmt.Errorf("phantom: record %d is %q, at %d", r.Position.Sequence, r.Body, next)
		}
		body, err := l.Read(r.Position)
		if err != nil || !bytes.Equal(body, r.Body) {
			return 0, fmt.Errorf("record %d read alone is %q, %v", next, body, err)
		}
		next++
	}
	if next != found.Last+1 {
		return 0, fmt.Errorf("hidden: %d of %d records are read", next-1, found.Last)
	}
	return there, l.Close()
}

// The scripts are small enough for every image of them to be opened; what they do is all that a log can do.
var scripts = []struct {
	name, script string
	sector       int
	options      segment.Options
}{
	{"one record a sync", "a1 s a20 s a300 s a2 s a3 s c", 512, segment.Options{SegmentSize: 200}},
	{"batches that come apart", "a10 a30 a5 s a1 a1 a1 a70 s a5 a20 c", 40, segment.Options{SegmentSize: 1 << 20}},
	{"a batch in a fresh segment", "a60 a9 s a12 a50 a2 s a9 s", 64, segment.Options{SegmentSize: 100}},
	{"snapshots and drops", "a20 s n a40 s a30 n d a9 s a50 s a1 n d a4 s", 512, segment.Options{SegmentSize: 120}},
	{"appended and never synced", "a20 s a30 a40", 512, segment.Options{}},
	{"a small buffer syncs by itself", "a30 a30 a30 a30 s a30", 512, segment.Options{Buffer: 70, SegmentSize: 150}},
}

// some is how many images of all scripts are opened where it need not be all.
const some = 32_000

// eachImage checks images of the disk, and returns how many there were and the first error: a share of so many as the flag wants,
// or, where the flag says all and it need not be, of some. Of those that are equal, and of which the same was promised, one is
// opened.
func (s *session) eachImage(disk *faultfs.Disk, share float64, all bool) (int, error) {
	perPoint := math.MaxInt
	if *images != "all" || !all || testing.Short() {
		n := some
		if *images != "all" {
			var err error
			if n, err = strconv.Atoi(*images); err != nil {
				return 0, err
			}
		}
		if testing.Short() {
			n /= 8
		}
		perPoint = max(1, int(float64(n)*share)/(disk.Operations()+1))
	}
	opened := make(map[[32]byte]bool)
	n := 0
	for image := range disk.Images(faultfs.Crashes{PerPoint: perPoint}) {
		n++
		what := s.print(image.Disk, image.After)
		if opened[what] {
			continue
		}
		opened[what] = true
		if err := s.check(image.Disk, image.After); err != nil {
			return n, fmt.Errorf("%v: %w", image, err)
		}
	}
	return n, nil
}

// print stands for what a disk holds and for what was promised by then.
func (s *session) print(disk *faultfs.Disk, after int) [32]byte {
	h := sha256.New()
	contents := disk.Contents()
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		fmt.Fprintf(h, "%q %d\n%s\n", name, len(contents[name]), contents[name])
	}
	fmt.Fprint(h, kept(s.acked, after), kept(s.snaps, after))
	return [32]byte(h.Sum(nil))
}

func TestNoCrashLosesInventsOrHidesARecord(t *testing.T) {
	total := 0
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			disk := &faultfs.Disk{Sector: s.sector}
			run := &session{options: s.options}
			require.NoError(t, run.run(disk, disk, s.script))
			n, err := run.eachImage(disk, 2/float64(len(scripts)), true)
			require.NoError(t, err, "go test ./merge/replica/segment -run '%s' -images %s", t.Name(), *images)
			total += n
		})
	}
	t.Logf("%d crash images", total)
	if !testing.Short() && *images == "all" {
		assert.Greater(t, total, 60_000)
	}
}

func TestNoCrashDuringRecoveryLosesInventsOrHidesARecord(t *testing.T) {
	first := &faultfs.Disk{Sector: 48}
	run := &session{options: segment.Options{SegmentSize: 150}}
	require.NoError(t, run.run(first, first, "a10 a20 s a30 a40 a50 s a9 a8 n a30 s d a30 a30 a30"))
	total, n, torn := 0, 0, 0
	for image := range first.Images(faultfs.Crashes{PerPoint: 60, Seed: 1}) {
		o := run.options
		o.FS = clone(image.Disk)
		_, found, err := segment.Open(logDir, o)
		require.NoError(t, err, image)
		// Tails in which records are whole that are cut for one before them are the most dangerous, and rare.
		n++
		if found.Cut.Frames > 0 {
			torn++
		}
		if n%40 != 0 && (found.Cut.Frames == 0 || torn > 30) {
			continue
		}
		there := int(found.Last)
		again := &session{options: run.options, bodies: run.bodies[:there:there]}
		again.acked = []promise{{0, kept(run.acked, image.After)}}
		again.snaps = []promise{{0, kept(run.snaps, image.After)}}
		recovering := clone(image.Disk)
		o.FS = recovering
		l, _, err := segment.Open(logDir, o)
		require.NoError(t, err)
		again.acked = append(again.acked, promise{recovering.Operations(), there})
		// As long as the one that was cut: what is behind it then stands where the next one would.
		body := "new"
		if there < len(run.bodies) {
			body = strings.Repeat("r", len(run.bodies[there]))
		}
		_, err = l.Append([]byte(body))
		require.NoError(t, err)
		again.bodies = append(again.bodies, body)
		require.NoError(t, l.Sync())
		again.acked = append(again.acked, promise{recovering.Operations(), len(again.bodies)})
		opened, err := again.eachImage(recovering, 0.04, false)
		total += opened
		require.NoError(t, err, "%v, then %v", image, recovering.Journal())
	}
	t.Logf("%d crash images, after %d of %d crashes", total, n/40+min(torn, 30), n)
	assert.Positive(t, torn)
}

// clone returns a disk with what another shows, all of it synced.
func clone(d *faultfs.Disk) *faultfs.Disk {
	c := &faultfs.Disk{Sector: d.Sector}
	for name, data := range d.Contents() {
		c.Put(name, data)
	}
	return c
}

// A mistake is one that a log on a disk can make, planted in the disk beneath it.
type mistake struct {
	name string
	disk func(*faultfs.Disk) segment.FS
}

func ignoring(kind faultfs.Kind, suffix string) func(*faultfs.Disk) segment.FS {
	return func(d *faultfs.Disk) segment.FS {
		d.Fault = func(op faultfs.Op) faultfs.Fault {
			if op.Kind == kind && strings.HasSuffix(op.Name, suffix) {
				return faultfs.Lie
			}
			return faultfs.None
		}
		return d
	}
}

var mistakes = []mistake{
	{"a segment is not synced", ignoring(faultfs.Sync, ".seg")},
	{"the directory is not synced", ignoring(faultfs.SyncDir, "")},
	{"the side file is never synced", ignoring(faultfs.Sync, "synced")},
	{"a new segment is not synced before it has its name", ignoring(faultfs.Sync, ".seg.tmp")},
	{"a snapshot is not synced before it has its name", ignoring(faultfs.Sync, ".snap.tmp")},
	{"a new side file is not synced before it has its name", ignoring(faultfs.Sync, "synced.tmp")},
	{"the side file is written before the segment is synced", func(d *faultfs.Disk) segment.FS { return &hasty{FS: d} }},
}

func TestTheCrashImagesFindPlantedMistakes(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			var caught error
			for _, s := range scripts {
				disk := &faultfs.Disk{Sector: s.sector}
				run := &session{options: s.options}
				require.NoError(t, run.run(m.disk(disk), disk, s.script))
				if _, caught = run.eachImage(disk, 2/float64(len(scripts)), false); caught != nil {
					break
				}
			}
			require.Error(t, caught)
			t.Log(caught)
		})
	}
}

// hasty is a disk for a log that writes its side file before it syncs the segment.
type hasty struct {
	segment.FS
	late segment.File // a segment that is yet to be synced
}

type hastyFile struct {
	segment.File
	fs   *hasty
	name string
}

func (h *hasty) OpenFile(name string, flag int) (segment.File, error) {
	f, err := h.FS.OpenFile(name, flag)
	return &hastyFile{f, h, filepath.Base(name)}, err
}

func (f *hastyFile) Sync() error {
	if strings.HasSuffix(f.name, ".seg") {
		f.fs.late = f.File
		return nil
	}
	return f.File.Sync()
}

func (f *hastyFile) WriteAt(p []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(p, offset)
	if late := f.fs.late; late != nil && f.name == "synced" {
		f.fs.late = nil
		return n, late.Sync()
	}
	return n, err
}
