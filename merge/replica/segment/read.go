package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
)

// maxHandles is how many segments are kept open for reading.
const maxHandles = 64

// firstRead is how much of a record is read at first: most records need no second read.
const firstRead = 1 << 10

// handles are segments open for reading at random. The zero value is ready.
type handles struct {
	mu     sync.RWMutex // held for reading while a file is read, so that it isn't closed meanwhile
	open   map[uint64]File
	closed bool
	bufs   sync.Pool
}

func (h *handles) read(fsys FS, dir string, s span, at Position) ([]byte, error) {
	f, err := h.get(fsys, dir, s.first)
	if err != nil {
		return nil, err
	}
	defer h.mu.RUnlock()
	b, _ := h.bufs.Get().(*[firstRead]byte)
	if b == nil {
		b = new([firstRead]byte)
	}
	defer h.bufs.Put(b)
	return readRecord(f, dir, s, at, b[:])
}

// get returns the file of a segment and holds h for reading.
func (h *handles) get(fsys FS, dir string, first uint64) (File, error) {
	for {
		h.mu.RLock()
		if f := h.open[first]; f != nil {
			return f, nil
		}
		h.mu.RUnlock()
		if err := h.add(fsys, dir, first); err != nil {
			return nil, err
		}
	}
}

func (h *handles) add(fsys FS, dir string, first uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return ErrClosed
	case h.open[first] != nil:
		return nil
	}
	f, err := fsys.OpenFile(filepath.Join(dir, fileName(first, segmentSuffix)), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err) // dropped since it was looked up
	}
	if err != nil {
		return err
	}
	if h.open == nil {
		h.open = make(map[uint64]File)
	}
	for old, f := range h.open {
		if len(h.open) < maxHandles {
			break
		}
		_ = f.Close()
		delete(h.open, old)
	}
	h.open[first] = f
	return nil
}

// forget closes the files of segments before a sequence.
func (h *handles) forget(first uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for old, f := range h.open {
		if old < first {
			_ = f.Close()
			delete(h.open, old)
		}
	}
}

func (h *handles) close() {
	h.forget(1<<64 - 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

// readRecord reads the record at a position, by a buffer that holds at least a frame.
func readRecord(f io.ReaderAt, dir string, s span, at Position, buf []byte) ([]byte, error) {
	offset := int64(at.Offset)
	corrupt := func(detail string) error {
		return &CorruptError{filepath.Join(dir, fileName(s.first, segmentSuffix)), offset, detail}
	}
	left := s.end - offset
	if left < frameSize {
		return nil, fmt.Errorf("read record %d: %w", at.Sequence, ErrNotFound)
	}
	buf = buf[:min(left, int64(len(buf)))]
	if n, err := f.ReadAt(buf, offset); n < len(buf) {
		if err == io.EOF {
			err = corrupt("the file is cut short")
		}
		return nil, err
	}
	head, ok := parseFrame(buf, offset)
	switch {
	case !ok:
		return nil, corrupt("the checksum of a frame does not match")
	case head.sequence != at.Sequence:
		return nil, fmt.Errorf("read record %d: at its offset is %d: %w", at.Sequence, head.sequence, ErrNotFound)
	case head.length > MaxRecord || int64(head.length) > left-frameSize:
		return nil, corrupt("a record is cut short")
	}
	body := make([]byte, head.length)
	if have := copy(body, buf[frameSize:]); have < len(body) {
		if n, err := f.ReadAt(body[have:], offset+frameSize+int64(have)); n < len(body)-have {
			if err == io.EOF {
				err = corrupt("the file is cut short")
			}
			return nil, err
		}
	}
	if bodySum(0, body) != head.body {
		return nil, corrupt("the checksum of a record does not match")
	}
	return body, nil
}

// read reads a record that is not durable yet.
func (b *batch) read(dir string, at Position) ([]byte, error) {
	if at.Offset < uint64(b.offset) || at.Offset > uint64(b.end()) {
		return nil, fmt.Errorf("read record %d: %w", at.Sequence, ErrNotFound)
	}
	buf := b.buf[at.Offset-uint64(b.offset):]
	return readRecord(sectionAt{bytes.NewReader(b.buf), b.offset}, dir, span{b.segment, b.end()}, at, buf)
}

// sectionAt is the part of a file that starts at an offset.
type sectionAt struct {
	io.ReaderAt
	offset int64
}

func (s sectionAt) ReadAt(p []byte, offset int64) (int, error) {
	return s.ReaderAt.ReadAt(p, offset-s.offset)
}

// From yields the durable records from a position on, the one at it included, in order; the zero Position and that of a
// record that was dropped stand for the oldest there is. It ends at what was durable when it began. An error is the last
// thing it yields. It holds one record and a buffer, however long the log is.
func (l *Log) From(at Position) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		l.mu.Lock()
		if at.Sequence < l.segments[0].first {
			at = Position{Sequence: l.segments[0].first}
		}
		last := l.synced
		segments := append([]span(nil), l.segments[max(l.find(at.Sequence), 0):]...)
		l.mu.Unlock()
		records(l.fsys, l.dir, segments, at, last, yield)
	}
}

// records yields the records of segments from a position to the last sequence. The position is in the first segment, or
// behind its end.
func records(fsys FS, dir string, segments []span, at Position, last uint64, yield func(Record, error) bool) {
	var r reader
	for i, s := range segments {
		if at.Sequence > last {
			return
		}
		next := last + 1
		if i+1 < len(segments) {
			next = segments[i+1].first
		}
		if !eachOf(fsys, dir, &r, s, at, next, yield) {
			return
		}
		at = Position{Sequence: next}
	}
}

// eachOf yields the records of one segment from a position up to and without the sequence next, and reports whether to go
// on.
func eachOf(fsys FS, dir string, r *reader, s span, at Position, next uint64, yield func(Record, error) bool) bool {
	name := filepath.Join(dir, fileName(s.first, segmentSuffix))
	f, err := fsys.OpenFile(name, os.O_RDONLY)
	if err != nil {
		yield(Record{}, err)
		return false
	}
	defer f.Close()
	*r = reader{file: f, name: name, size: s.end, buf: r.buf[:0]}
	if err := r.open(s.first); err != nil {
		yield(Record{}, err)
		return false
	}
	if at.Offset > headerSize && at.Sequence > s.first {
		r.offset, r.next = int64(at.Offset), at.Sequence
	}
	for r.next < next {
		rec, err := r.record()
		if err == io.EOF {
			err = &CorruptError{name, r.offset, "the segment ends before the next one begins"}
		}
		if err != nil {
			yield(Record{}, err)
			return false
		}
		if rec.Position.Sequence >= at.Sequence && !yield(rec, nil) {
			return false
		}
	}
	return true
}
