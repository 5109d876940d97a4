package replay

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tiebreakhq/tiebreak/replay/whole"
)

// spool is temporary files for what does not fit into memory: blocks of bytes are put at the end of one and read back by where
// they stand. They are several so that the system has no lock that all processors want, and so that all give the space back; one
// is for blocks that go past the system's cache. A file is made when its first block comes. Where the system allows it, it has no
// name, so that nothing of it is left whatever ends the process. Several goroutines may use a spool.
type spool struct {
	dir   string // "" is the system's directory for temporary files
	files [spoolFiles]spoolFile
	puts  atomic.Uint64

	direct   *direct
	giveBack func(block []byte) // takes the memory of a block that was sent
}

const spoolFiles = 4

type spoolFile struct {
	mu     sync.Mutex
	file   *os.File
	remove func() error
	end    atomic.Int64
}

// extent is where a block of less than four GiB stands in a spool. It takes twelve bytes: of a long history there are millions, and
// they stay in memory.
type extent struct {
	place [2]uint32 // the offset, and in the lowest bits the file
	bytes uint32
}

const extentFileBits = 3

func newExtent(file int, offset int64, size int) extent {
	place := uint64(offset)<<extentFileBits | uint64(file)
	return extent{[2]uint32{uint32(place), uint32(place >> 32)}, uint32(size)}
}

func (e extent) file() int { return int(e.place[0] & (1<<extentFileBits - 1)) }
func (e extent) offset() int64 {
	return int64((uint64(e.place[1])<<32 | uint64(e.place[0])) >> extentFileBits)
}
func (e extent) size() int { return int(e.bytes) }

// part returns where some bytes of the block stand.
func (e extent) part(from, size int) extent { return newExtent(e.file(), e.offset()+int64(from), size) }

// open makes the file, once.
func (f *spoolFile) open(dir string) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		return f.file, nil
	}
	file, remove, err := whole.Temp(dir)
	if err != nil {
		return nil, fmt.Errorf("keep what does not fit into memory: %w", err)
	}
	f.file, f.remove = file, remove
	return file, nil
}

// put writes a block at the end of a file.
func (s *spool) put(b []byte) (extent, error) {
	n := int(s.puts.Add(1) % spoolFiles)
	to := &s.files[n]
	file, err := to.open(s.dir)
	if err != nil {
		return extent{}, err
	}
	offset := to.end.Add(int64(len(b))) - int64(len(b))
	if _, err := file.WriteAt(b, offset); err != nil {
		return extent{}, fmt.Errorf("keep what does not fit into memory: %w", err)
	}
	return newExtent(n, offset, len(b)), nil
}

// get reads a block back, appended to b.
func (s *spool) get(b []byte, e extent) ([]byte, error) {
	from := &s.files[e.file()]
	from.mu.Lock()
	file := from.file
	from.mu.Unlock()
	if file == nil {
		return b, unread(os.ErrClosed)
	}
	n := len(b)
	b = slices.Grow(b, e.size())[:n+e.size()]
	if _, err := file.ReadAt(b[n:], e.offset()); err != nil {
		return b[:n], unread(err)
	}
	return b, nil
}

// close gives the disk space back. Nothing can be read after it.
func (s *spool) close() error {
	var failed [spoolFiles]error
	var wg sync.WaitGroup
	var direct error
	wg.Go(func() { direct = s.closeDirect() })
	for i := range s.files {
		wg.Go(func() { failed[i] = s.files[i].close() })
	}
	wg.Wait()
	return cmp.Or(cmp.Or(failed[:]...), direct)
}

func (f *spoolFile) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return cmp.Or(err, f.remove())
}

// unread is the error of a block that can't be read.
func unread(err error) error { return fmt.Errorf("read back what did not fit into memory: %w", err) }
