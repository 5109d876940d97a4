package history

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// Source is one input of a history.
type Source struct {
	Name   string                        // as messages and places show it; "-" is standard input
	Region string                        // in which it was recorded; "" when nobody said
	Table  string                        // of records that don't name theirs; "" when nobody said
	Format Format                        // "" when [Options.Format] or the source's first bytes say
	Open   func() (io.ReadCloser, error) // of the format [Replica] nil: Name is the directory
}

// File returns the source that the file of that name is. The name "-" is standard input.
func File(name string) Source {
	if name == "-" {
		return Reader(name, os.Stdin)
	}
	return Source{Name: name, Open: func() (io.ReadCloser, error) { return os.Open(name) }}
}

// Directory returns the source that the directory of a replica is, which may be open meanwhile: its log, read as a history.
func Directory(name string) Source { return Source{Name: name, Format: Replica} }

// Reader returns a source that reads r, once, and does not close it.
func Reader(name string, r io.Reader) Source {
	return Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }}
}

// Skipped is a file that a directory holds and that is no history.
type Skipped struct {
	Name string
	Why  string
}

// Find returns the sources that a name stands for: itself for a file or "-", and for a directory all files in and below
// it, sorted by name; a directory that is a replica's is one source, of the format [Replica]. Hidden files, the markers and
// manifests that exporters write beside their data, and what is not a regular file are returned as skipped, so that the caller can
// say so. The manifest of an export of DynamoDB names the table of its files, and it is an error when one that it lists is not there.
func Find(name string) ([]Source, []Skipped, error) {
	if name == "-" {
		return []Source{File(name)}, nil, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, fmt.Errorf("find histories: %w", err)
	}
	if !info.IsDir() {
		return []Source{File(name)}, nil, nil
	}
	var sources []Source
	var skipped []Skipped
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		root := path == name
		if why := unwanted(path, entry); why != "" && !root {
			skipped = append(skipped, Skipped{path, why})
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.IsDir() && !root {
			sources = append(sources, File(path))
			return nil
		}
		if held, err := segment.Holds(nil, path); err != nil || !held {
			return err
		}
		sources = append(sources, Directory(path))
		return fs.SkipDir
	})
	if err != nil {
		return nil, nil, fmt.Errorf("find histories: %w", err)
	}
	if err := nameTables(sources, skipped); err != nil {
		return nil, nil, fmt.Errorf("find histories: %w", err)
	}
	return sources, skipped, nil
}

// unwanted says why an entry of a directory is not read; "" when it is.
func unwanted(path string, entry fs.DirEntry) string {
	name := entry.Name()
	mode := entry.Type()
	if mode&fs.ModeSymlink != 0 {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return "a link that leads nowhere"
		case info.IsDir():
			return "a link to a directory"
		}
		mode = info.Mode().Type()
	}
	switch {
	case strings.HasPrefix(name, "."):
		return "hidden"
	case mode.IsDir():
		return ""
	case !mode.IsRegular():
		return "not a regular file"
	case strings.HasPrefix(name, "_"), strings.HasPrefix(name, "manifest-"),
		strings.HasSuffix(name, ".md5"), strings.HasSuffix(name, ".crc"), strings.HasSuffix(name, ".checksum"):
		return "a marker or manifest of an exporter"
	}
	return ""
}
