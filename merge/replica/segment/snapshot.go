package segment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	snapshotHeader = 32
	blockSize      = 64 << 10
	lastBlock      = 1<<32 - 1 // stands where the length of a block does
)

// snapshotWriter writes the blocks of a snapshot.
type snapshotWriter struct {
	file   File
	offset int64
	total  uint64
	blocks uint32
	buf    []byte // a block, after the room for its length and sum
}

func newSnapshotWriter(f File, at Position) (*snapshotWriter, error) {
	h := header(snapshotMagic, at.Sequence, at.Offset)
	if _, err := f.WriteAt(h, 0); err != nil {
		return nil, err
	}
	return &snapshotWriter{file: f, offset: snapshotHeader, buf: make([]byte, 8, 8+blockSize)}, nil
}

// Write implements io.Writer.
func (w *snapshotWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		room := min(cap(w.buf)-len(w.buf), len(p))
		w.buf = append(w.buf, p[:room]...)
		p = p[room:]
		if len(w.buf) == cap(w.buf) {
			if err := w.flush(uint32(len(w.buf) - 8)); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (w *snapshotWriter) flush(length uint32) error {
	little.PutUint32(w.buf, length)
	little.PutUint32(w.buf[4:], bodySum(w.blocks, w.buf[8:]))
	if _, err := w.file.WriteAt(w.buf, w.offset); err != nil {
		return err
	}
	w.offset += int64(len(w.buf))
	w.total += uint64(len(w.buf) - 8)
	w.blocks++
	w.buf = w.buf[:8]
	return nil
}

func (w *snapshotWriter) finish() error {
	if len(w.buf) > 8 {
		if err := w.flush(uint32(len(w.buf) - 8)); err != nil {
			return err
		}
	}
	w.buf = little.AppendUint64(w.buf, w.total)
	return w.flush(lastBlock)
}

// snapshotReader reads a snapshot and checks every block before it gives a byte of it.
type snapshotReader struct {
	file   File
	name   string
	size   int64
	at     Position
	offset int64
	total  uint64
	blocks uint32
	block  []byte
	rest   []byte // of the block
	done   bool
}

// openSnapshot opens a snapshot and reads its header.
func openSnapshot(fsys FS, dir string, sequence uint64) (*snapshotReader, error) {
	r := &snapshotReader{name: filepath.Join(dir, fileName(sequence, snapshotSuffix)), offset: snapshotHeader}
	f, err := fsys.OpenFile(r.name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	r.file = f
	if err := r.header(sequence); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func (r *snapshotReader) header(sequence uint64) error {
	var err error
	if r.size, err = r.file.Size(); err != nil {
		return err
	}
	if r.size < snapshotHeader {
		return &CorruptError{r.name, 0, "the header is cut short"}
	}
	b := make([]byte, snapshotHeader)
	if _, err := r.file.ReadAt(b, 0); err != nil && err != io.EOF {
		return err
	}
	if ok, why := sealed(b, snapshotMagic); !ok {
		return &CorruptError{r.name, 0, why}
	}
	r.at = Position{little.Uint64(b[12:]), little.Uint64(b[20:])}
	if r.at.Sequence != sequence {
		return &CorruptError{r.name, 0, "the sequence is not the one in its name"}
	}
	return nil
}

// Read implements io.Reader.
func (r *snapshotReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.done {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (r *snapshotReader) Close() error { return r.file.Close() }

func (r *snapshotReader) next() error {
	corrupt := func(detail string) error { return &CorruptError{r.name, r.offset, detail} }
	left := r.size - r.offset
	if left < 8 {
		return corrupt("it ends before its last block")
	}
	if r.block == nil {
		r.block = make([]byte, 8+blockSize)
	}
	b := r.block[:min(left, int64(len(r.block)))]
	if n, err := r.file.ReadAt(b, r.offset); n < len(b) {
		return err
	}
	length, last := int64(little.Uint32(b)), little.Uint32(b) == lastBlock
	if last {
		length = 8
	}
	if length > int64(len(b)-8) {
		return corrupt("a block is cut short")
	}
	body := b[8 : 8+length]
	if little.Uint32(b[4:]) != bodySum(r.blocks, body) {
		return corrupt("the checksum of a block does not match")
	}
	switch {
	case last && little.Uint64(body) != r.total:
		return corrupt("it has not the length it tells")
	case last && left != 16:
		return corrupt("it goes on after its last block")
	case last:
		r.done = true
		return nil
	}
	r.offset += int64(8 + length)
	r.total += uint64(length)
	r.blocks++
	r.rest = body
	return nil
}

// checkSnapshot reads a snapshot to its end and returns the position it is bound to.
func checkSnapshot(fsys FS, dir string, sequence uint64) (Position, error) {
	r, err := openSnapshot(fsys, dir, sequence)
	if err != nil {
		return Position{}, err
	}
	_, err = io.Copy(io.Discard, r)
	return r.at, errors.Join(err, r.Close())
}

// snapshots returns the sequences of the snapshots among the names of a directory, the newest first.
func snapshots(names []string) []uint64 {
	var found []uint64
	for _, name := range names {
		if n, ok := fileSequence(name, snapshotSuffix); ok {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	slices.Reverse(found)
	return found
}

// WriteSnapshot keeps what write writes as the snapshot at a position: the state that the records up to and with the one at
// that position lead to. It syncs the log that far first, so that a snapshot is never ahead of its log. When WriteSnapshot
// returns nil the snapshot is durable and those before it are removed; on an error, of write too, the old one stays. The
// zero Position is the state before the first record.
//
// A snapshot has no limit but the disk. One is written at a time; appending goes on meanwhile.
func (l *Log) WriteSnapshot(at Position, write func(io.Writer) error) error {
	l.admin.Lock()
	defer l.admin.Unlock()
	if err := l.snapshotFits(at); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	err := publish(l.fsys, l.dir, fileName(at.Sequence, snapshotSuffix), func(f File) error {
		w, err := newSnapshotWriter(f, at)
		if err != nil {
			return err
		}
		if err := write(w); err != nil {
			return err
		}
		return w.finish()
	})
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	l.mu.Lock()
	l.snapshot, l.hasSnapshot = at, true
	l.mu.Unlock()
	// One that is newer was found damaged, or it would not have been gone behind.
	return removeSnapshots(l.fsys, l.dir, func(n uint64) bool { return n != at.Sequence })
}

func (l *Log) snapshotFits(at Position) error {
	l.mu.Lock()
	old, has, next, synced, first, err := l.snapshot, l.hasSnapshot, l.next, l.synced, l.segments[0].first, l.err
	l.mu.Unlock()
	switch {
	case err != nil:
		return err
	case at.Sequence >= next || at.Sequence+1 < first:
		return fmt.Errorf("sequence %d: %w", at.Sequence, ErrNotFound)
	case has && at.Sequence < old.Sequence:
		return fmt.Errorf("sequence %d: there is one at %d", at.Sequence, old.Sequence)
	case at.Sequence >= first:
		if _, err := l.Read(at); err != nil {
			return err
		}
	}
	if at.Sequence > synced {
		return l.Sync()
	}
	return nil
}

// removeSnapshots removes the snapshots of the sequences that are old.
func removeSnapshots(fsys FS, dir string, old func(sequence uint64) bool) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range snapshots(names) {
		if !old(n) {
			continue
		}
		if err := fsys.Remove(filepath.Join(dir, fileName(n, snapshotSuffix))); err != nil {
			return err
		}
	}
	return nil
}

// Snapshot opens the newest snapshot and tells the position it was written for. Each byte it gives was checked; damage is a
// [CorruptError]. If there is no snapshot the error is fs.ErrNotExist to errors.Is. The caller closes it.
func (l *Log) Snapshot() (Position, io.ReadCloser, error) {
	l.mu.Lock()
	at, has := l.snapshot, l.hasSnapshot
	l.mu.Unlock()
	if !has {
		return Position{}, nil, fmt.Errorf("%s: snapshot: %w", l.dir, fs.ErrNotExist)
	}
	r, err := openSnapshot(l.fsys, l.dir, at.Sequence)
	if err != nil {
		return Position{}, nil, err
	}
	return at, r, nil
}
