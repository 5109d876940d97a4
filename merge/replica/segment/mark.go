package segment

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A mark says how far a log is synced and where it begins.
//
// Invariant: all records up to sequence are on the disk, those from first on in segments that exist.
type mark struct {
	generation uint64 // the greater of two marks is the newer
	first      uint64 // the first sequence that was not dropped
	segment    uint64 // first sequence of the segment in which the synced end is
	offset     uint64 // of the synced end in that segment
	sequence   uint64 // of the last synced record
}

const (
	markSize   = 8 + 4 + 5*8 + 4
	markStride = 4096 // between the two slots, so that they never share a sector
)

func (m mark) bytes() []byte {
	return header(markMagic, m.generation, m.first, m.segment, m.offset, m.sequence)
}

func parseMark(b []byte) (mark, bool) {
	if ok, _ := sealed(b, markMagic); !ok {
		return mark{}, false
	}
	n := func(i int) uint64 { return little.Uint64(b[12+8*i:]) }
	return mark{n(0), n(1), n(2), n(3), n(4)}, true
}

// readMark reads the side file and returns the newer of its marks. That there is none is fs.ErrNotExist.
func readMark(fsys FS, dir string) (mark, error) {
	name := filepath.Join(dir, markName)
	f, err := fsys.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return mark{}, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return mark{}, err
	}
	var newest mark
	b := make([]byte, markSize)
	for at := int64(0); at <= markStride && at+markSize <= size; at += markStride {
		if n, err := f.ReadAt(b, at); n < markSize {
			return mark{}, err
		}
		if m, ok := parseMark(b); ok && m.generation > newest.generation {
			newest = m
		}
	}
	if newest == (mark{}) {
		return mark{}, &CorruptError{File: name, Detail: "neither slot is whole"}
	}
	return newest, nil
}

// marks is the side file of an open log. One of its two slots is on the disk for certain. The other is rewritten after every
// sync of the log and reaches the disk when the system likes, until a durable write makes it the certain one and turns to
// the first. So no crash can tear both.
type marks struct {
	file File
	last mark
	slot int64 // the one that is rewritten
}

// createMarks makes a new side file, in place of an old one: which slot of that is on the disk for certain can't be known.
func createMarks(fsys FS, dir string, m mark) (*marks, error) {
	m.generation++
	err := publish(fsys, dir, markName, func(f File) error {
		for slot := range int64(2) {
			if _, err := f.WriteAt(m.bytes(), slot*markStride); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	f, err := fsys.OpenFile(filepath.Join(dir, markName), os.O_RDWR)
	if err != nil {
		return nil, err
	}
	return &marks{file: f, last: m}, nil
}

// write says how far the log is synced now. What is durable is on the disk for certain when write returns.
func (m *marks) write(next mark, durable bool) error {
	next.generation = m.last.generation + 1
	if _, err := m.file.WriteAt(next.bytes(), m.slot*markStride); err != nil {
		return err
	}
	m.last = next
	if !durable {
		return nil
	}
	if err := m.file.Sync(); err != nil {
		return err
	}
	m.slot = 1 - m.slot
	return nil
}

// publish makes a file that is whole, and on the disk, as soon as it has its name.
func publish(fsys FS, dir, name string, write func(File) error) error {
	temp := filepath.Join(dir, name+tempSuffix)
	if err := fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, fsys.Remove(temp))
	}
	if err := fsys.Rename(temp, filepath.Join(dir, name)); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}
