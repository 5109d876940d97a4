package segment

import (
	"errors"
	"fmt"
	"path/filepath"
)

// Drop removes the segments all of whose records are before a position. What is dropped must be in the snapshot: a position
// further than one behind the newest snapshot's is an error, and drops nothing. The last segment always stays, so Drop frees
// space only by whole segments.
//
// A crash in between is safe: it is written down, durably, where the log begins now, before the first file goes. An error of
// writing that down poisons the log. A file that can't be removed does not: it is no part of the log any more, and the next
// Open tries again.
func (l *Log) Drop(before Position) error {
	l.admin.Lock()
	defer l.admin.Unlock()
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return l.err
	}
	if !l.hasSnapshot || before.Sequence > l.snapshot.Sequence+1 {
		l.mu.Unlock()
		return fmt.Errorf("drop before record %d: no snapshot holds what is dropped", before.Sequence)
	}
	keep := max(l.find(before.Sequence), 0)
	gone := append([]span(nil), l.segments[:keep]...)
	first := l.segments[keep].first
	l.mu.Unlock()
	if len(gone) == 0 {
		return nil
	}
	err := l.mark(true, func(m *mark) { m.first = first })
	if err != nil {
		err = fmt.Errorf("drop before record %d: %w", before.Sequence, err)
	}
	l.mu.Lock()
	if err == nil {
		l.segments = append([]span(nil), l.segments[len(gone):]...)
	} else {
		l.poison(err)
	}
	l.mu.Unlock()
	if err != nil {
		return err
	}
	l.handles.forget(first)
	for _, s := range gone {
		err = errors.Join(err, l.fsys.Remove(filepath.Join(l.dir, fileName(s.first, segmentSuffix))))
	}
	if err != nil {
		return fmt.Errorf("drop before record %d: %w", before.Sequence, err)
	}
	return nil
}
