package replay

import (
	"cmp"
	"container/heap"
)

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
	if w.store.fits(w.block) {
		w.run = append(w.run, held{block: w.block})
		w.block = nil
		return nil
	}
	away, err := w.store.spool.put(w.block)
	if err != nil {
		return err
	}
	w.run = append(w.run, held{away: away})
	w.block, w.spare = nil, w.block[:0]
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

// runReader reads a run.
type runReader interface {
	// next goes to the next item, the first at first, and reports whether there is one.
	next() (more bool, err error)
}

// merger gives the items of some runs in order: the reader of the least is at hand.
type merger[R runReader] struct {
	open []R
	less func(a, b R) bool
}

// add adds a run, before the first item is asked for.
func (m *merger[R]) add(r R) error {
	more, err := r.next()
	if more && err == nil {
		m.open = append(m.open, r)
	}
	return err
}

// each calls visit with the reader of each item, until one says no.
func (m *merger[R]) each(visit func(r R) (goOn bool, err error)) error {
	heap.Init(m)
	for len(m.open) > 0 {
		r := m.open[0]
		if goOn, err := visit(r); err != nil || !goOn {
			return err
		}
		switch more, err := r.next(); {
		case err != nil:
			return err
		case more:
			heap.Fix(m, 0)
		default:
			heap.Pop(m)
		}
	}
	return nil
}

func (m *merger[R]) Len() int           { return len(m.open) }
func (m *merger[R]) Less(i, j int) bool { return m.less(m.open[i], m.open[j]) }
func (m *merger[R]) Swap(i, j int)      { m.open[i], m.open[j] = m.open[j], m.open[i] }
func (m *merger[R]) Push(r any)         { m.open = append(m.open, r.(R)) }
func (m *merger[R]) Pop() any {
	last := m.open[len(m.open)-1]
	m.open = m.open[:len(m.open)-1]
	return last
}
