package segment

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
)

// Options of a log. The zero Options are good.
type Options struct {
	// FS is the disk. Nil means [OS].
	FS FS

	// SegmentSize is how many bytes a segment has before the next one is begun. A segment is larger by no more than what one
	// Sync writes. Zero means 16 MiB.
	SegmentSize int64

	// Buffer is how many bytes may be appended before Append itself calls Sync. Zero means 4 MiB. A record larger than
	// that is taken all the same.
	Buffer int

	// FromSnapshot has Open check only the segments from the newest snapshot on, and of older ones no more than their
	// headers. Damage in those is then found by whoever reads them.
	FromSnapshot bool
}

// Log is an open log. Its methods may be called by any number of goroutines at once.
type Log struct {
	fsys FS
	dir  string
	size int64 // a segment is full at
	room int   // for what is buffered

	lock    io.Closer
	handles handles
	admin   sync.Mutex // held by the one who drops or writes a snapshot

	// side is held by the one who changes the marks.
	side  sync.Mutex
	marks *marks

	// active is the last segment. Only the one who flushes uses it.
	active File

	mu   sync.Mutex
	done sync.Cond // a flush ended

	// Invariant: open is what no flush has begun with; flight is what one is writing, or nil.
	open, flight *batch
	spare        *batch // to be used again
	usual        int    // bytes of a batch: those of the largest of late, and less of it with every flush
	next         uint64 // sequence of the next record
	synced       uint64 // the last sequence that is durable

	// segments are those on disk, in order. The last is the active one.
	//
	// Invariant: there is at least one.
	segments []span

	snapshot    Position
	hasSnapshot bool

	err error // what poisoned the log, or ErrClosed
}

// A span is one segment on disk.
type span struct {
	first uint64
	end   int64 // of what is synced
}

// A batch is what one Sync writes, to one segment.
type batch struct {
	segment uint64 // first sequence of the segment
	fresh   bool   // the segment is yet to be made
	offset  int64  // of buf in the segment
	first   uint64 // sequence of the first record
	records uint64
	buf     []byte
}

func (b *batch) end() int64 { return b.offset + int64(len(b.buf)) }

// Append adds a record, whose body is the concatenation of the parts, and returns where it will be. It is not durable before
// a [Log.Sync] that was called later has returned nil: until then a crash may lose it, and the position with it. A crash may
// also keep it.
//
// After an error of the disk every Append returns that error; see [Log.Sync].
func (l *Log) Append(parts ...[]byte) (Position, error) {
	length := 0
	for _, p := range parts {
		length += len(p)
		if length > MaxRecord {
			return Position{}, ErrTooLarge
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.err == nil && len(l.open.buf) > 0 && len(l.open.buf)+frameSize+length > l.room {
		_ = l.sync(l.next - 1) // its error is l.err
	}
	if l.err != nil {
		return Position{}, l.err
	}
	b := l.open
	if len(b.buf) == 0 {
		l.place(b)
	}
	f := frame{length: uint32(length), before: uint32(b.records), sequence: l.next}
	for _, p := range parts {
		f.body = bodySum(f.body, p)
	}
	at := Position{l.next, uint64(b.end())}
	b.buf = appendFrame(b.buf, f, b.end())
	for _, p := range parts {
		b.buf = append(b.buf, p...)
	}
	b.records++
	l.next++
	return at, nil
}

// place decides where a batch begins: behind what is on its way to the disk.
func (l *Log) place(b *batch) {
	last := l.segments[len(l.segments)-1]
	b.segment, b.fresh, b.offset, b.first, b.records = last.first, false, last.end, l.next, 0
	if l.flight != nil {
		b.segment, b.offset = l.flight.segment, l.flight.end()
	}
	if b.offset >= l.size && b.offset > headerSize {
		b.segment, b.fresh, b.offset = l.next, true, headerSize
	}
}

// Sync returns nil when all records whose Append had returned are durable: written, synced, and known to be so. Callers that
// wait together are served by one write and one sync of the disk, and others append meanwhile.
//
// An error of the disk, a full one included, poisons the log: this and every later Append and Sync return it, until the log
// is closed and opened again. A sync that failed once is never believed later: the system may have forgotten what it could
// not write. Nor is a write tried again that failed half-way, since positions behind it are already in callers' hands. What
// was durable before stays readable. A record whose Sync failed may be there after the next Open or not, and Open says
// which.
func (l *Log) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	return l.sync(l.next - 1)
}

// sync waits until a sequence is durable, and flushes itself unless another one does.
func (l *Log) sync(sequence uint64) error {
	for l.synced < sequence && l.err == nil {
		if l.flight != nil {
			l.done.Wait()
			continue
		}
		b := l.open
		l.flight, l.open = b, cmp.Or(l.spare, &batch{})
		l.spare = nil
		through := l.next - 1
		l.mu.Unlock()
		err := l.flush(b, through)
		l.mu.Lock()
		if err != nil {
			l.poison(fmt.Errorf("sync log: %w", err)) // the batch stays where it can be read
		} else {
			if b.fresh {
				l.segments = append(l.segments, span{first: b.segment})
			}
			l.segments[len(l.segments)-1].end = b.end()
			l.synced = through
			l.flight = nil
			l.reuse(b)
		}
		l.done.Broadcast()
	}
	if l.synced >= sequence {
		return nil
	}
	return l.err
}

// minSpare is how much room for a batch is kept however small the batches are.
const minSpare = 64 << 10

// reuse keeps the room of a batch that is on disk for a later one, unless it is more than batches have come to need. What
// a region has missed while it was cut off comes in batches of MiB, and then none of this size for a long time: their room,
// twice that of the largest batch, would stay for as long as the log is open.
func (l *Log) reuse(b *batch) {
	l.usual = max(len(b.buf), l.usual-l.usual/8)
	if cap(b.buf) <= min(max(2*l.usual, minSpare), 2*l.room) {
		b.buf = b.buf[:0]
		l.spare = b
	}
}

func (l *Log) poison(err error) {
	if l.err == nil {
		l.err = err
	}
}

// flush makes a batch durable, whose last sequence is through.
func (l *Log) flush(b *batch, through uint64) error {
	if b.fresh {
		if err := l.rotate(b.segment); err != nil {
			return err
		}
	}
	if _, err := l.active.WriteAt(b.buf, b.offset); err != nil {
		return err
	}
	if err := l.active.Sync(); err != nil {
		return err
	}
	return l.mark(false, func(m *mark) {
		m.segment, m.offset, m.sequence = b.segment, uint64(b.end()), through
	})
}

// rotate begins a segment. Everything in the one before is durable.
func (l *Log) rotate(first uint64) error {
	f, err := createSegment(l.fsys, l.dir, first)
	if err != nil {
		return err
	}
	err = l.active.Close()
	l.active = f
	if err != nil {
		return err
	}
	return l.mark(true, func(m *mark) { m.segment, m.offset = first, headerSize })
}

func (l *Log) mark(durable bool, change func(*mark)) error {
	l.side.Lock()
	defer l.side.Unlock()
	m := l.marks.last
	change(&m)
	return l.marks.write(m, durable)
}

// createSegment makes a segment without records and opens it.
func createSegment(fsys FS, dir string, first uint64) (File, error) {
	name := fileName(first, segmentSuffix)
	err := publish(fsys, dir, name, func(f File) error {
		_, err := f.WriteAt(header(segmentMagic, first), 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return fsys.OpenFile(filepath.Join(dir, name), os.O_RDWR)
}

// Read returns the body of the record at a position, which it checks. It need not be durable yet.
func (l *Log) Read(at Position) ([]byte, error) {
	l.mu.Lock()
	if at.Sequence == 0 || at.Sequence < l.segments[0].first || at.Sequence >= l.next || at.Offset < headerSize {
		l.mu.Unlock()
		return nil, fmt.Errorf("read record %d: %w", at.Sequence, ErrNotFound)
	}
	if at.Sequence > l.synced {
		defer l.mu.Unlock()
		b := l.open
		if l.flight != nil && at.Sequence < l.flight.first+l.flight.records {
			b = l.flight
		}
		return b.read(l.dir, at)
	}
	s := l.segments[l.find(at.Sequence)]
	l.mu.Unlock()
	return l.handles.read(l.fsys, l.dir, s, at)
}

// find returns the index of the segment in which a sequence is.
func (l *Log) find(sequence uint64) int {
	return sort.Search(len(l.segments), func(i int) bool { return l.segments[i].first > sequence }) - 1
}

// First returns the sequence of the oldest record that was not dropped. It is one more than the last if there is none.
func (l *Log) First() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments[0].first
}

// Size returns how many bytes the segments have that were not dropped, up to the last durable record.
func (l *Log) Size() (bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		bytes += s.end
	}
	return bytes
}

// Tail returns where the newest segments begin that have so many bytes together, and no segment more than that takes: the
// first record of the log if all of it has less, and the next one to come for none.
func (l *Log) Tail(bytes int64) Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := Position{Sequence: l.next}
	for _, s := range slices.Backward(l.segments) {
		if bytes <= 0 {
			break
		}
		at.Sequence = s.first
		bytes -= s.end
	}
	return at
}

// Synced returns the sequence of the last durable record, zero if there never was one.
func (l *Log) Synced() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced
}

// Close syncs the log and releases the directory. Of a poisoned log it returns the error that poisoned it.
func (l *Log) Close() error {
	l.admin.Lock()
	defer l.admin.Unlock()
	l.mu.Lock()
	if errors.Is(l.err, ErrClosed) {
		l.mu.Unlock()
		return ErrClosed
	}
	err := l.sync(l.next - 1)
	for l.flight != nil && l.err == nil {
		l.done.Wait()
	}
	poisoned := l.err
	l.err = ErrClosed
	l.mu.Unlock()
	if poisoned == nil && err == nil {
		err = l.mark(true, func(*mark) {})
	}
	l.handles.close()
	return errors.Join(err, l.active.Close(), l.marks.file.Close(), l.lock.Close())
}
