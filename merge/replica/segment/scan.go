package segment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
)

// scanTries is how often Scan starts over because the writer dropped segments under it.
const scanTries = 8

// Scan reads the log in a directory without opening it: it takes no lock and changes nothing, so the log may be open in
// another process, which goes on writing. It yields the records from the oldest on and ends at what was synced when it
// began, by what the side file tells: it can be less than Open finds, after a power cut. An error is the last thing it
// yields: a [CorruptError]; or one that is fs.ErrNotExist to errors.Is, where there is no log or the writer drops segments
// faster than they are read. A nil fsys is [OS].
func Scan(fsys FS, dir string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if fsys == nil {
			fsys = OS{}
		}
		m, segments, err := spans(fsys, dir)
		if err != nil {
			yield(Record{}, fmt.Errorf("scan log: %w", err))
			return
		}
		records(fsys, dir, segments, Position{Sequence: m.first}, m.sequence, yield)
	}
}

// Holds reports whether a directory holds a log, whole or damaged: a segment of one. A nil fsys is [OS].
func Holds(fsys FS, dir string) (bool, error) {
	if fsys == nil {
		fsys = OS{}
	}
	names, err := fsys.ReadDir(dir)
	return len(segmentsOf(names)) > 0, err
}

// spans returns the segments of a log up to its synced end.
func spans(fsys FS, dir string) (mark, []span, error) {
	m, err := readMark(fsys, dir)
	if err != nil {
		return mark{}, nil, err
	}
	for try := 1; ; try++ {
		segments, err := m.spans(fsys, dir)
		if err == nil {
			return m, segments, nil
		}
		now, again := readMark(fsys, dir)
		if again != nil || now.first == m.first || try == scanTries {
			return mark{}, nil, err // nothing was dropped meanwhile, or too much
		}
		m = now
	}
}

func (m mark) spans(fsys FS, dir string) ([]span, error) {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var segments []span
	for _, first := range segmentsOf(names) {
		if first < m.first || first > m.segment {
			continue
		}
		s, err := spanOf(fsys, dir, first)
		if err != nil {
			return nil, err
		}
		segments = append(segments, s)
	}
	if err := m.among(dir, segments); err != nil {
		return nil, err
	}
	segments[len(segments)-1].end = int64(m.offset)
	return segments, nil
}

// ScanSnapshot opens the newest snapshot in a directory without opening the log, as [Scan] does. If there is none the error
// is fs.ErrNotExist to errors.Is. The caller closes it.
func ScanSnapshot(fsys FS, dir string) (Position, io.ReadCloser, error) {
	if fsys == nil {
		fsys = OS{}
	}
	for range scanTries {
		names, err := fsys.ReadDir(dir)
		if err != nil {
			return Position{}, nil, fmt.Errorf("scan snapshot: %w", err)
		}
		found := snapshots(names)
		if len(found) == 0 {
			break
		}
		r, err := openSnapshot(fsys, dir, found[0])
		if errors.Is(err, fs.ErrNotExist) {
			continue // a newer one took its place
		}
		if err != nil {
			return Position{}, nil, fmt.Errorf("scan snapshot: %w", err)
		}
		return r.at, r, nil
	}
	return Position{}, nil, fmt.Errorf("scan snapshot: %s: %w", dir, fs.ErrNotExist)
}
