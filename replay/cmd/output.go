package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/whole"
)

// output is a file that appears whole or not at all. What is no regular file is written in place.
type output struct {
	*bufio.Writer
	file *whole.File // nil when it is written in place
	in   *os.File    // the place
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
		if out, err := os.Stdout.Stat(); err == nil && os.SameFile(info, out) && info.Mode().IsRegular() {
			return nil, hinted{fmt.Errorf("%s is what the report goes to", name), "name another file to write to"}
		}
		if info.IsDir() {
			return nil, hinted{fmt.Errorf("%s is a directory", name), "name a file to write to"}
		}
		if !info.Mode().IsRegular() {
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return nil, err
			}
			return &output{Writer: bufio.NewWriter(file), in: file}, nil
		}
	}
	file, err := whole.Create(path)
	if err != nil {
		return nil, err
	}
	return &output{Writer: bufio.NewWriter(file), file: file}, nil
}

// apart reports that two outputs would be one file, of which the second to be written would be all that is left, or that one of
// them would be in the middle of the report.
func apart(one, other string) error {
	if one == "-" || other == "-" {
		return hinted{errors.New("- is where the report goes"), "name a file to write to, or ./- for one of that name"}
	}
	if one == "" || other == "" || resolved(one) != resolved(other) {
		return nil
	}
	if info, err := os.Stat(one); err == nil && !info.Mode().IsRegular() {
		return nil // it takes both
	}
	return hinted{fmt.Errorf("%s is named for two outputs", one), "name another file for one of them"}
}

// resolved returns what a name stands for: the same for every name of a file.
func resolved(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	} else if dir, err := filepath.EvalSymlinks(filepath.Dir(name)); err == nil {
		name = filepath.Join(dir, filepath.Base(name))
	}
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return filepath.Clean(name)
}

// commit puts the output in its place.
func (o *output) commit() error {
	if err := o.Flush(); err != nil {
		o.discard()
		return err
	}
	if o.file == nil {
		return o.in.Close()
	}
	return o.file.Commit()
}

// discard takes the output back. After commit it does nothing that shows.
func (o *output) discard() {
	if o.file == nil {
		_ = o.in.Close()
		return
	}
	o.file.Discard()
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
