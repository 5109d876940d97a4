package replay

import (
	"cmp"
	"container/heap"
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
	runs []lineRun
}

// lineRun is sorted lines in blocks, in their order.
type lineRun []held

// held is a block in memory or, when that is nil, in the spool.
type held struct {
	block []byte
	away  extent
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
	var r lineRun
	var b []byte
	var kept shelf
	put := func() error {
		spare, err := s.store.shelve(&kept, b)
		switch {
		case err != nil:
			return err
		case len(kept.away) > 0:
			r = append(r, held{away: kept.away[0]})
		default:
			r = append(r, held{block: b})
		}
		b, kept = spare, shelf{}
		return nil
	}
	for i := range lines {
		l := &lines[i]
		if b == nil {
			b = make([]byte, 0, lastBlock)
		}
		for _, text := range []string{l.Key, l.Field, string(l.Value), l.ID, l.By} {
			b = appendText(b, text)
		}
		if len(b) >= lastBlock*3/4 {
			if err := put(); err != nil {
				return err
			}
		}
	}
	if len(b) > 0 {
		if err := put(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, r)
	return nil
}

// each calls visit with all lines in order, once.
func (s *stateSorter) each(visit func(StateLine)) error {
	defer s.drop()
	var open lineHeap
	for _, r := range s.runs {
		l := &lineReader{store: s.store, rest: r}
		if more, err := l.next(); err != nil {
			return err
		} else if more {
			open = append(open, l)
		}
	}
	heap.Init(&open)
	for len(open) > 0 {
		visit(open[0].line)
		more, err := open[0].next()
		switch {
		case err != nil:
			return err
		case more:
			heap.Fix(&open, 0)
		default:
			heap.Pop(&open)
		}
	}
	return nil
}

// drop gives back the memory of all runs.
func (s *stateSorter) drop() {
	for _, r := range s.runs {
		for _, h := range r {
			s.store.drop(&shelf{blocks: [][]byte{h.block}})
		}
	}
	s.runs = nil
}

// lineReader reads a run. Its lines stay good, for no block is read over another.
type lineReader struct {
	store *store
	rest  lineRun
	in    reader
	line  StateLine
}

func (l *lineReader) next() (more bool, err error) {
	if !l.in.more() {
		if len(l.rest) == 0 {
			return false, nil
		}
		b := l.rest[0].block
		if b == nil {
			if b, err = l.store.spool.get(nil, l.rest[0].away); err != nil {
				return false, err
			}
		}
		l.in, l.rest = reader{b: b}, l.rest[1:]
	}
	l.line = StateLine{Key: l.in.text(), Field: l.in.text(), Value: value.Value(l.in.text()), ID: l.in.text(), By: l.in.text()}
	return true, nil
}

type lineHeap []*lineReader

func (h lineHeap) Len() int           { return len(h) }
func (h lineHeap) Less(i, j int) bool { return compareLines(&h[i].line, &h[j].line) < 0 }
func (h lineHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lineHeap) Push(l any)        { *h = append(*h, l.(*lineReader)) }
func (h *lineHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
