package segment

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Recovery tells what Open found.
type Recovery struct {
	// First and Last are the sequences of the oldest and the newest record. Last is one less than First if there is none.
	First, Last uint64

	// Snapshot is the position of the newest whole snapshot, if HasSnapshot.
	Snapshot    Position
	HasSnapshot bool

	// Damaged is why a newer snapshot was passed over, which the log made up for: it reaches back to where the older one
	// ends, or to its own beginning. Nil is the rule.
	Damaged error

	// Cut is the torn tail that was cut off behind Last. None of its records was ever acknowledged.
	Cut Cut
}

// Cut is a torn tail. The zero Cut is none.
type Cut struct {
	File   string // the segment
	Offset int64  // where it was cut
	Bytes  int64  // that are gone
	Frames int    // that could still be told apart in them: about as many records are gone
}

// Open opens the log in a directory, and makes it if there is none. It locks the directory, reads and checks the log, cuts a
// torn tail off, and syncs what it found: every record that is there after Open is durable.
//
// A torn tail is what a crash can leave of a Sync that never returned: damage behind the synced end in the last segment,
// with no frame behind it that was written after. Everything else that is wrong is a [CorruptError], and then Open has
// changed nothing but to remove files that a crash left half-made: damage before the synced end or before a frame that
// proves its place was synced, a sequence that jumps, a file that is missing or shorter than it was.
func Open(dir string, o Options) (*Log, Recovery, error) {
	l := &Log{
		fsys: o.FS,
		dir:  dir,
		size: cmp.Or(o.SegmentSize, 16<<20),
		room: cmp.Or(o.Buffer, 4<<20),
		open: &batch{},
	}
	l.done.L = &l.mu
	if l.fsys == nil {
		l.fsys = OS{}
	}
	if err := l.fsys.MakeDir(dir); err != nil {
		return nil, Recovery{}, fmt.Errorf("open log: %w", err)
	}
	lock, err := l.fsys.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, Recovery{}, fmt.Errorf("open log: %w", err)
	}
	l.lock = lock
	found, err := l.recover(o.FromSnapshot)
	if err != nil {
		if l.active != nil {
			_ = l.active.Close()
		}
		if l.marks != nil {
			_ = l.marks.file.Close()
		}
		return nil, Recovery{}, fmt.Errorf("open log: %w", errors.Join(err, lock.Close()))
	}
	return l, found, nil
}

func (l *Log) recover(fromSnapshot bool) (Recovery, error) {
	names, err := l.fsys.ReadDir(l.dir)
	if err != nil {
		return Recovery{}, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, tempSuffix) {
			if err := l.fsys.Remove(filepath.Join(l.dir, name)); err != nil {
				return Recovery{}, err
			}
		}
	}
	m, err := l.findMark(names)
	if err != nil {
		return Recovery{}, err
	}
	if names, err = l.fsys.ReadDir(l.dir); err != nil {
		return Recovery{}, err
	}
	if err := l.openSegments(names, m); err != nil {
		return Recovery{}, err
	}
	var found Recovery
	if err := l.openSnapshots(names, &found); err != nil {
		return Recovery{}, err
	}
	synced := max(m.sequence, found.Snapshot.Sequence)
	end, err := l.check(fromSnapshot, synced, &found)
	if err != nil {
		return Recovery{}, err
	}
	if err := l.settle(end, m, &found); err != nil {
		return Recovery{}, err
	}
	return found, l.tidy(names)
}

// findMark reads the side file. There is none only before the first record of a log: the first segment may be there already,
// without a byte behind its header, and is made if it isn't.
func (l *Log) findMark(names []string) (mark, error) {
	m, err := readMark(l.fsys, l.dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	m = mark{first: 1, segment: 1, offset: headerSize}
	lost := &CorruptError{File: filepath.Join(l.dir, markName), Detail: "it is missing"}
	switch firsts := segmentsOf(names); {
	case len(snapshots(names)) > 0 || len(firsts) > 1 || len(firsts) == 1 && firsts[0] != 1:
		return m, lost
	case len(firsts) == 0:
		f, err := createSegment(l.fsys, l.dir, 1)
		if err != nil {
			return m, err
		}
		return m, f.Close()
	}
	s, err := spanOf(l.fsys, l.dir, 1)
	if err == nil && s.end != headerSize {
		err = lost
	}
	return m, err
}

// openSegments lists the segments that were not dropped.
func (l *Log) openSegments(names []string, m mark) error {
	for _, first := range segmentsOf(names) {
		if first < m.first {
			continue
		}
		s, err := spanOf(l.fsys, l.dir, first)
		if err != nil {
			return err
		}
		l.segments = append(l.segments, s)
	}
	return m.among(l.dir, l.segments)
}

// among checks that the segments a mark names are there.
func (m mark) among(dir string, segments []span) error {
	for _, first := range []uint64{m.first, m.segment} {
		i := slices.IndexFunc(segments, func(s span) bool { return s.first == first })
		name := filepath.Join(dir, fileName(first, segmentSuffix))
		if i < 0 {
			return &CorruptError{name, 0, "the segment is missing"}
		}
		if end := segments[i].end; first == m.segment && end < int64(m.offset) {
			return &CorruptError{name, end, "the segment is shorter than what was synced"}
		}
	}
	if segments[0].first != m.first {
		return &CorruptError{filepath.Join(dir, markName), 0, "the log begins elsewhere"}
	}
	return nil
}

// openSnapshots finds the newest whole snapshot. Without one the log must reach back to its first record.
func (l *Log) openSnapshots(names []string, found *Recovery) error {
	first := l.segments[0].first
	for _, sequence := range snapshots(names) {
		at, err := checkSnapshot(l.fsys, l.dir, sequence)
		if errors.Is(err, ErrCorrupt) {
			found.Damaged = cmp.Or(found.Damaged, err)
			continue
		}
		if err != nil {
			return err
		}
		if at.Sequence+1 < first {
			break
		}
		found.Snapshot, found.HasSnapshot = at, true
		l.snapshot, l.hasSnapshot = at, true
		return nil
	}
	switch {
	case first == 1:
		return nil
	case found.Damaged != nil:
		return found.Damaged
	}
	return &CorruptError{filepath.Join(l.dir, fileName(first, segmentSuffix)), 0, "the snapshot of what is before it is missing"}
}

// check reads the segments and returns where the last one ends, and a torn tail begins.
func (l *Log) check(fromSnapshot bool, synced uint64, found *Recovery) (Position, error) {
	from := Position{Sequence: l.segments[0].first}
	if fromSnapshot && found.HasSnapshot && found.Snapshot.Sequence >= from.Sequence {
		from = found.Snapshot
	}
	var r reader
	for i, s := range l.segments {
		last := i+1 == len(l.segments)
		skip := !last && l.segments[i+1].first <= from.Sequence
		if err := l.checkSegment(&r, s, last, skip, from, synced, found); err != nil {
			return Position{}, err
		}
		if !last && !skip && r.next != l.segments[i+1].first {
			return Position{}, &CorruptError{r.name, r.offset, "the segment ends before the next one begins"}
		}
	}
	end := Position{r.next, uint64(r.offset)}
	if r.next <= synced {
		return Position{}, &CorruptError{r.name, r.offset, "the log ends before what was synced"}
	}
	return end, nil
}

// checkSegment reads one segment to its end, or no more than its header.
func (l *Log) checkSegment(r *reader, s span, last, skip bool, from Position, synced uint64, found *Recovery) error {
	name := filepath.Join(l.dir, fileName(s.first, segmentSuffix))
	f, err := l.fsys.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	*r = reader{file: f, name: name, size: s.end, buf: r.buf[:0]}
	if err := r.open(s.first); err != nil || skip {
		return err
	}
	if from.Sequence > s.first && from.Offset > headerSize {
		if int64(from.Offset) >= s.end {
			return &CorruptError{name, s.end, "the log ends before its snapshot"}
		}
		r.offset, r.next = int64(from.Offset), from.Sequence
	}
	for {
		_, f, d, err := r.peek()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case d != nil:
			return l.judge(r, d, last, synced, found)
		}
		r.skip(f)
	}
}

// judge says whether damage is a torn tail. It is none where something proves that the place was synced: the side file, the
// snapshot, a segment that comes after, or a frame behind it that was written after a sync of it.
func (l *Log) judge(r *reader, d *damage, last bool, synced uint64, found *Recovery) error {
	if d.certain || !last || r.next <= synced {
		return &d.CorruptError
	}
	proven, cut := false, Cut{File: r.name, Offset: r.offset, Bytes: r.size - r.offset}
	err := r.frames(func(f frame) bool {
		proven = f.synced() >= r.next
		cut.Frames++
		return !proven
	})
	switch {
	case err != nil:
		return err
	case proven:
		d.Detail += ", and behind it is what was written later"
		return &d.CorruptError
	}
	found.Cut = cut
	return nil
}

// settle makes durable what was found, and the cut.
func (l *Log) settle(end Position, m mark, found *Recovery) error {
	s := &l.segments[len(l.segments)-1]
	name := fileName(s.first, segmentSuffix)
	// The Rename of what was found in the directory may be all that was done, and the side file names it.
	if err := l.fsys.SyncDir(l.dir); err != nil {
		return err
	}
	s.end = int64(end.Offset)
	if end.Sequence-1 > m.sequence {
		if err := l.renew(name, s.end); err != nil {
			return err
		}
	}
	f, err := l.fsys.OpenFile(filepath.Join(l.dir, name), os.O_RDWR)
	if err != nil {
		return err
	}
	l.active = f
	if err := f.Truncate(s.end); err != nil { // also where there is nothing to cut: it may have been cut in memory only
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	m.segment, m.offset, m.sequence = s.first, end.Offset, end.Sequence-1
	if l.marks, err = createMarks(l.fsys, l.dir, m); err != nil {
		return err
	}
	l.next, l.synced = end.Sequence, end.Sequence-1
	found.First, found.Last = l.segments[0].first, l.synced
	return nil
}

// renew writes the last segment, up to its end, to a new file that takes its name. It is for records behind the synced end,
// which can be of two kinds, and nothing tells them apart. Either their sync failed, and they are in the memory of the
// system alone, which takes them for written: a sync would not write them. Or they were acknowledged and only the side file
// is behind: if they were written again in place, another power cut could tear what is on the disk.
func (l *Log) renew(name string, end int64) error {
	from, err := l.fsys.OpenFile(filepath.Join(l.dir, name), os.O_RDONLY)
	if err != nil {
		return err
	}
	defer from.Close()
	return publish(l.fsys, l.dir, name, func(to File) error {
		b := make([]byte, min(end, readAhead))
		for at := int64(0); at < end; at += int64(len(b)) {
			b = b[:min(end-at, int64(len(b)))]
			if n, err := from.ReadAt(b, at); n < len(b) {
				return err
			}
			if _, err := to.WriteAt(b, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// tidy removes what a crash kept from being removed.
func (l *Log) tidy(names []string) error {
	for _, first := range segmentsOf(names) {
		if first >= l.segments[0].first {
			break
		}
		if err := l.fsys.Remove(filepath.Join(l.dir, fileName(first, segmentSuffix))); err != nil {
			return err
		}
	}
	if !l.hasSnapshot {
		return nil
	}
	return removeSnapshots(l.fsys, l.dir, func(n uint64) bool { return n < l.snapshot.Sequence })
}

// segmentsOf returns the first sequences of the segments among the names of a directory, in order.
func segmentsOf(names []string) []uint64 {
	var firsts []uint64
	for _, name := range names {
		if first, ok := fileSequence(name, segmentSuffix); ok {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts
}

// spanOf returns the span of a segment as its file has it.
func spanOf(fsys FS, dir string, first uint64) (span, error) {
	f, err := fsys.OpenFile(filepath.Join(dir, fileName(first, segmentSuffix)), os.O_RDONLY)
	if err != nil {
		return span{}, err
	}
	size, err := f.Size()
	return span{first, size}, errors.Join(err, f.Close())
}
