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

// spool is a temporary file for what does not fit into memory: blocks of bytes are put at its end and read back by where
// they stand. The file is made when the first block comes. Where the system allows it, it has no name, so that nothing of it
// is left whatever ends the process. Several goroutines may use a spool.
type spool struct {
	dir string // "" is the system's directory for temporary files

	mu     sync.Mutex
	file   *os.File
	remove func() error
	end    atomic.Int64
}

// extent is where a block stands in a spool.
type extent struct {
	offset int64
	size   int
}

// open makes the file, once.
func (s *spool) open() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return s.file, nil
	}
	file, remove, err := whole.Temp(s.dir)
	if err != nil {
		return nil, fmt.Errorf("keep what does not fit into memory: %w", err)
	}
	s.file, s.remove = file, remove
	return file, nil
}

// put writes a block at the end.
func (s *spool) put(b []byte) (extent, error) {
	file, err := s.open()
	if err != nil {
		return extent{}, err
	}
	e := extent{s.end.Add(int64(len(b))) - int64(len(b)), len(b)}
	if _, err := file.WriteAt(b, e.offset); err != nil {
		return extent{}, fmt.Errorf("keep what does not fit into memory: %w", err)
	}
	return e, nil
}

// get reads a block back, appended to b.
func (s *spool) get(b []byte, e extent) ([]byte, error) {
	s.mu.Lock()
	file := s.file
	s.mu.Unlock()
	if file == nil {
		return b, fmt.Errorf("read back what did not fit into memory: %w", os.ErrClosed)
	}
	n := len(b)
	b = slices.Grow(b, e.size)[:n+e.size]
	if _, err := file.ReadAt(b[n:], e.offset); err != nil {
		return b[:n], fmt.Errorf("read back what did not fit into memory: %w", err)
	}
	return b, nil
}

// close gives the disk space back. Nothing can be read after it.
func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return cmp.Or(err, s.remove())
}
