// Package whole writes files that appear whole or not at all. A file is written beside its place, on Linux without a name,
// so that nothing of it is left whatever ends the process, and moved to its place by [File.Commit].
//
// HAZARD: where a file can't be without a name (another system, or a file system that doesn't know how), a process that is
// killed leaves it behind: ".NAME.PID.N.tmp", beside its place. One that ends itself calls [Clear] before.
package whole

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// File is a file on its way. What is written to it shows when it is committed.
type File struct {
	*os.File
	path string
	temp string // its name until then; "" while it has none
}

// temps are the names of the files of this process that are on their way.
var temps = struct {
	sync.Mutex
	names map[string]bool
	over  bool
}{names: make(map[string]bool)}

// unnamed makes a file without a name; nil when there is no such thing.
var unnamed = nameless

// errOver is of a file that came too late.
var errOver = errors.New("this process is about to end")

// Create begins a file. Whoever calls it commits or discards it.
func Create(path string) (*File, error) {
	if file := unnamed(filepath.Dir(path), path); file != nil {
		return &File{File: file, path: path}, nil
	}
	var file *os.File
	temp, err := beside(path, func(name string) (err error) {
		file, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		return err
	})
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			at.Path = path // what its caller knows
		}
		return nil, err
	}
	return &File{File: file, path: path, temp: temp}, nil
}

// Temp returns a file without a name in a directory, "" for the system's: it is gone when it is closed. Where there is no
// such thing it has one: remove removes it.
func Temp(dir string) (file *os.File, remove func() error, err error) {
	none := func() error { return nil }
	if dir == "" {
		dir = os.TempDir()
	}
	if file := unnamed(dir, dir); file != nil {
		return file, none, nil
	}
	if file, err = os.CreateTemp(dir, "tiebreak-*.tmp"); err != nil {
		return nil, nil, err
	}
	if os.Remove(file.Name()) == nil {
		return file, none, nil
	}
	return file, func() error { return os.Remove(file.Name()) }, nil // this system removes no open file
}

// beside makes a name beside path that is not taken, by what make does with it.
func beside(path string, make func(name string) error) (string, error) {
	temps.Lock()
	defer temps.Unlock()
	if temps.over {
		return "", errOver
	}
	for n := 0; ; n++ {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d.%d.tmp", filepath.Base(path), os.Getpid(), n))
		err := make(name)
		if err == nil {
			temps.names[name] = true
		}
		if !errors.Is(err, fs.ErrExist) || n > 1000 {
			return name, err
		}
	}
}

// Commit puts the file in its place, over what is there.
func (f *File) Commit() error {
	err := f.commit()
	if err != nil {
		f.Discard()
	}
	return err
}

func (f *File) commit() error {
	if f.temp == "" {
		temp, err := beside(f.path, func(name string) error { return link(f.File, name) })
		if err != nil {
			return err
		}
		f.temp = temp
	}
	if err := f.Close(); err != nil {
		return err
	}
	temps.Lock()
	defer temps.Unlock()
	if temps.over {
		return errOver
	}
	delete(temps.names, f.temp)
	if err := os.Rename(f.temp, f.path); err != nil {
		temps.names[f.temp] = true
		return err
	}
	f.temp = ""
	return nil
}

// Discard takes the file back. After [File.Commit] it does nothing that shows.
func (f *File) Discard() {
	_ = f.Close()
	if f.temp == "" {
		return
	}
	temps.Lock()
	defer temps.Unlock()
	_ = os.Remove(f.temp)
	delete(temps.names, f.temp)
	f.temp = ""
}

// Clear removes all files that are on their way. No file is begun or committed after it: it is for a process that is about
// to end.
func Clear() {
	temps.Lock()
	defer temps.Unlock()
	temps.over = true
	for name := range temps.names {
		_ = os.Remove(name)
	}
}
