package segment

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// FS is what a log asks of a disk. Every effect of this package goes through it, so that a test can stand a disk beneath a
// log that tears writes, runs full or loses power (package fuzz/faultfs does). Names are paths as the package os takes them.
type FS interface {
	// MakeDir makes a directory, and those above it, unless it is there, such that it outlives a power cut.
	MakeDir(dir string) error

	// OpenFile opens a file. The flag is os.O_RDONLY, os.O_RDWR, or os.O_RDWR|os.O_CREATE|os.O_EXCL. Of a file that is
	// not there, and of one that is there and mustn't be, the error is fs.ErrNotExist and fs.ErrExist to errors.Is.
	OpenFile(name string, flag int) (File, error)

	// ReadDir returns the names in a directory, sorted.
	ReadDir(dir string) ([]string, error)

	// Rename gives a file another name; a file that has that name is replaced in one step.
	Rename(from, to string) error

	// Remove removes a file.
	Remove(name string) error

	// SyncDir returns when every change of names in a directory will outlive a power cut.
	SyncDir(dir string) error

	// Lock creates a file unless it is there, and holds it against every other Lock, of this process and of others, until
	// it is closed or the process is gone. Of a file that is held the error is ErrLocked to errors.Is.
	Lock(name string) (io.Closer, error)
}

// File is one open file of an [FS].
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Size returns how many bytes the file has.
	Size() (int64, error)

	// Truncate cuts the file to a size.
	Truncate(size int64) error

	// Sync returns when all that was written will outlive a power cut. If it fails, nothing of it may be relied on, even
	// if it is called again and succeeds.
	Sync() error
}

// OS is the disk of the operating system.
type OS struct{}

// MakeDir makes a directory and those above it, and syncs their parents.
func (OS) MakeDir(dir string) error {
	parent := filepath.Dir(filepath.Clean(dir))
	if _, err := os.Stat(dir); err == nil {
		// A crash may have come between the making and the sync. Whoever may not even read the parent did not make it.
		if err := syncDir(parent); !errors.Is(err, os.ErrPermission) {
			return err
		}
		return nil
	}
	if parent != dir {
		if err := (OS{}).MakeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// OpenFile opens a file as os.OpenFile does; a new one can be read by the owner and the group.
func (OS) OpenFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o640)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// ReadDir returns the names in a directory, sorted.
func (OS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names, nil
}

// Rename renames as os.Rename does.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes as os.Remove does.
func (OS) Remove(name string) error { return os.Remove(name) }

// SyncDir syncs a directory. It does nothing on Windows, where directories can't be synced.
func (OS) SyncDir(dir string) error { return syncDir(dir) }

// Lock takes flock's lock on Unix, and on Windows opens the file for itself alone. Elsewhere it is errors.ErrUnsupported.
func (OS) Lock(name string) (io.Closer, error) { return lockFile(name) }

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
