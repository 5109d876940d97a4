package cmd

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tiebreakhq/tiebreak/replay/history"
)

// output is a file that appears whole or not at all: it is written beside its place and moved there by commit.
type output struct {
	*bufio.Writer
	file *os.File
	path string // where it goes; "" when file is written in place
}

// create begins an output. What is no regular file, such as /dev/null, is written in place. An input is never written
// over.
func create(name string, inputs []string) (*output, error) {
	path := name
	if real, err := filepath.EvalSymlinks(name); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	if err == nil {
		for _, in := range inputs {
			if other, err := os.Stat(in); err == nil && os.SameFile(info, other) && info.Mode().IsRegular() {
				return nil, hinted{fmt.Errorf("%s is an input", name), "name another file to write to"}
			}
		}
		if info.IsDir() {
			return nil, hinted{fmt.Errorf("%s is a directory", name), "name a file to write to"}
		}
		if !info.Mode().IsRegular() {
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return nil, err
			}
			return &output{Writer: bufio.NewWriter(file), file: file}, nil
		}
	}
	beside := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d.tmp", filepath.Base(path), os.Getpid()))
	file, err := os.OpenFile(beside, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	return &output{Writer: bufio.NewWriter(file), file: file, path: path}, nil
}

// commit puts the output in its place.
func (o *output) commit() error {
	if err := o.Flush(); err != nil {
		o.discard()
		return err
	}
	if err := o.file.Close(); err != nil {
		o.discard()
		return err
	}
	if o.path == "" {
		return nil
	}
	if err := os.Rename(o.file.Name(), o.path); err != nil {
		o.discard()
		return err
	}
	return nil
}

// discard takes the output back. After commit it does nothing that shows.
func (o *output) discard() {
	_ = o.file.Close()
	if o.path != "" {
		_ = os.Remove(o.file.Name())
	}
}

// namesOf returns the names of the sources that are files.
func namesOf(sources []history.Source) []string {
	var names []string
	for _, s := range sources {
		if s.Name != "-" {
			names = append(names, s.Name)
		}
	}
	return names
}
