package history

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/tiebreakhq/tiebreak/replay/disk"
)

// Of a history larger than what may stay in the system's cache of files, little is left there.
func TestCacheIsLetGo(t *testing.T) {
	const size, cached = 128 << 20, 16 << 20
	name := filepath.Join(t.TempDir(), "h.ndjson")
	line := []byte(`{"key":"k","node":"n","time":"2026-01-01T00:00:00Z","value":1}` + "\n")
	file, err := os.Create(name)
	require.NoError(t, err)
	defer file.Close()
	_, err = file.Write(bytes.Repeat(line, size/len(line)))
	require.NoError(t, err)
	require.NoError(t, file.Sync()) // what is not on the disk can't be let go

	if disk.LetGo(file, 0, size); resident(t, file, size) > size/2 {
		t.Skip("this file system lets nothing go")
	}
	later := Source{Name: name, Open: func() (io.ReadCloser, error) { // what does not begin at the beginning is not read past the cache
		file, err := os.Open(name)
		if err == nil {
			_, err = file.Seek(int64(len(line)), io.SeekStart)
		}
		return file, err
	}}
	for _, source := range []Source{File(name), later} {
		stats, err := Scan([]Source{source}, Options{cached: cached, Workers: 2}, func(b *Batch) error {
			b.Recycle()
			return nil
		})
		require.NoError(t, err)
		require.GreaterOrEqual(t, stats.Lines, int64(size/len(line)-1))
		require.Less(t, resident(t, file, size), int64(size/2))
	}
}

// resident returns how many bytes of a file are in the system's cache.
func resident(t *testing.T, file *os.File, size int) int64 {
	all, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Munmap(all)) }()
	page := os.Getpagesize()
	pages := make([]byte, (size+page-1)/page)
	_, _, errno := syscall.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&all[0])), uintptr(size), uintptr(unsafe.Pointer(&pages[0])))
	require.Zero(t, errno)
	held := int64(0)
	for _, p := range pages {
		held += int64(p&1) * int64(page)
	}
	return held
}
