package replay

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// stateSorter puts the lines of the merged state in order, however many there are: those of each shelf are sorted when it
// is folded and kept as a run of blocks, and in the end the runs are merged.
type stateSorter struct {
	store *store

	mu   sync.Mutex
	runs []sortedRun
}

func compareLines(a, b *StateLine) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Field, b.Field))
}

// take sorts the lines of a shelf and makes a run of them. It keeps nothing of their texts.
func (s *stateSorter) take(lines []StateLine) error {
	if len(lines) == 0 {
		return nil
	}
	slices.SortFunc(lines, func(a, b StateLine) int { return compareLines(&a, &b) })
	w := runWriter{store: s.store}
	var b []byte
	for i := range lines {
		l := &lines[i]
		b = b[:0]
		for _, text := range []string{l.Key, l.Field, string(l.Value), l.ID, l.By} {
			b = appendText(b, text)
		}
		if err := w.put(b); err != nil {
			return err
		}
	}
	r, err := w.close()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, r)
	return nil
}

// each calls visit with all lines in order, once.
func (s *stateSorter) each(visit func(StateLine)) error {
	defer s.drop()
	lines := merger[*lineReader]{less: func(a, b *lineReader) bool { return compareLines(&a.line, &b.line) < 0 }}
	for _, r := range s.runs {
		if err := lines.add(&lineReader{blocks: runBlocks{store: s.store, rest: r, keep: true}}); err != nil {
			return err
		}
	}
	return lines.each(func(l *lineReader) (bool, error) {
		visit(l.line)
		return true, nil
	})
}

// drop gives back the memory of all runs.
func (s *stateSorter) drop() {
	for _, r := range s.runs {
		r.drop(s.store)
	}
	s.runs = nil
}

// lineReader reads a run. Its lines stay good, for no block is read over another.
type lineReader struct {
	blocks runBlocks
	in     reader
	line   StateLine
}

func (l *lineReader) next() (more bool, err error) {
	if !l.in.more() {
		b, err := l.blocks.next()
		if err != nil || b == nil {
			return false, err
		}
		l.in = reader{b: b}
	}
	l.line = StateLine{Key: l.in.text(), Field: l.in.text(), Value: value.Value(l.in.text()), ID: l.in.text(), By: l.in.text()}
	return true, nil
}
