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
	runs []sortedRun
}

// sortedRun is what was sorted, in blocks, in its order.
type sortedRun []held

// drop gives back the memory of a run.
func (r sortedRun) drop(s *store) {
	for _, h := range r {
		s.drop(&shelf{blocks: [][]byte{h.block}})
	}
}

// runWriter writes runs, one after the other.
type runWriter struct {
	store *store
	size  int // of a block, unless one item takes more; 0 is the store's
	run   sortedRun
	block []byte
	spare []byte // memory for the next block
}

// put adds an item, which is in one block.
func (w *runWriter) put(item []byte) error {
	if len(w.block)+len(item) > cap(w.block) && len(w.block) > 0 {
		if err := w.shelve(); err != nil {
			return err
		}
	}
	if w.block == nil {
		w.block, w.spare = w.spare, nil
	}
	if cap(w.block) < len(item) {
		w.block = make([]byte, 0, max(cmp.Or(w.size, w.store.most), len(item)))
	}
	w.block = append(w.block, item...)
	return nil
}

func (w *runWriter) shelve() error {
	var kept shelf
	spare, err := w.store.shelve(&kept, w.block)
	switch {
	case err != nil:
		return err
	case len(kept.away) > 0:
		w.run = append(w.run, held{away: kept.away[0]})
	default:
		w.run = append(w.run, held{block: w.block})
	}
	w.block, w.spare = nil, spare
	return nil
}

// close ends the run at hand and returns it.
func (w *runWriter) close() (sortedRun, error) {
	if len(w.block) > 0 {
		if err := w.shelve(); err != nil {
			return nil, err
		}
	}
	r := w.run
	w.run = nil
	return r, nil
}

// held is a block in memory or, when that is nil, in the spool.
type held struct {
	block []byte
	away  extent
}

// runBlocks reads the blocks of a run one after the other.
type runBlocks struct {
	store *store
	rest  sortedRun
	room  []byte // the last one that was in the spool
	keep  bool   // none is read over another
}

// next returns the next block, nil when there is none. It is good until the next, unless blocks are kept.
func (r *runBlocks) next() (block []byte, err error) {
	if len(r.rest) == 0 {
		return nil, nil
	}
	h := r.rest[0]
	r.rest = r.rest[1:]
	if h.block != nil {
		return h.block, nil
	}
	if r.keep {
		r.room = nil
	}
	r.room, err = r.store.spool.get(r.room[:0], h.away)
	return r.room, err
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
	var open lineHeap
	for _, r := range s.runs {
		l := &lineReader{blocks: runBlocks{store: s.store, rest: r, keep: true}}
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
