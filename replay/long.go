package replay

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// A plain key may have more writes than fit into memory. They are then sorted as all that is too large is sorted: in runs,
// which are merged. Two passes over the sorted writes take the same steps as over those of a short key: the first finds
// what is kept, the second what became of each. Of the writes themselves only a few are in memory at once.
//
// One key's writes depend on each other, so one goroutine folds them, whatever it costs the others in waiting.

// foldLong folds the key that most records of a shelf seem to be of, when it is a plain one, and returns the records of all
// other keys. It says no, and has counted nothing, when there is no such key or it is a common one.
func (f *folder) foldLong(from *shelf) (others shelf, ok bool, err error) {
	if f.plain == nil {
		return others, false, nil
	}
	f.lines = f.lines[:0]
	l := &longKey{plainKey: plainKey{folder: f}, store: f.part.history.store}
	l.limit = min(max(f.limit/4, l.store.most), math.MaxInt32)
	defer l.drop()
	if l.name, ok, err = l.major(from); err != nil || !ok {
		return others, false, err
	}
	if others, err = l.sort(from); err != nil || l.common {
		l.store.drop(&others)
		return others, false, err
	}
	if !l.plainUnder(f.tables) || !l.find(f.tables) || l.err != nil || !l.ranked(f.tables) {
		l.store.drop(&others)
		return others, false, l.err
	}
	l.fold()
	if l.err == nil && f.state != nil {
		l.err = f.state.take(f.lines)
	}
	return others, l.err == nil, l.err
}

// longKey is a plain key whose writes are in runs.
type longKey struct {
	plainKey
	store  *store
	limit  int  // bytes of records that are sorted at once
	common bool // a record is no plain one

	sorted []sortedRun // by node, number and place
	err    error

	kept     []ownOp // by table
	greatest []ownOp // of the node at hand, by table
	lowest   ownOp   // by the claims
	again    int64
}

// ownOp is a write whose value is in memory of its own, which the next one uses again.
type ownOp struct {
	plainOp
	text []byte
}

func (w *ownOp) set(o *plainOp) {
	w.text = append(w.text[:0], o.value...)
	w.plainOp = *o
	w.value = value.Value(unsafe.String(unsafe.SliceData(w.text), len(w.text)))
}

// major returns the key that most records of a shelf are of, as far as a few of its blocks tell, if they tell of one.
func (l *longKey) major(from *shelf) (name string, ok bool, err error) {
	some := from.some(16)
	all, lead := 0, 0
	err = l.store.each(&some, func(b []byte) error {
		for at := 0; at < len(b); {
			key, end := skim(b, at)
			switch {
			case lead == 0:
				name, lead = strings.Clone(key), 1
			case key == name:
				lead++
			default:
				lead--
			}
			at = end
			all++
		}
		return nil
	})
	return name, lead > all/8, err
}

// sort puts the records of the key into sorted runs, and those of other keys onto a shelf.
func (l *longKey) sort(from *shelf) (others shelf, err error) {
	s, w := &l.folder.room.plain.turns, runWriter{store: l.store}
	b := l.folder.part.borrow(min(l.limit, from.size))
	s.begin(cap(b) / fewBytes)
	flush := func() error {
		s.sort()
		l.sortAgain(s.list, b)
		for _, t := range s.list {
			_, end := skim(b, int(t.at))
			if err := w.put(b[t.at:end]); err != nil {
				return err
			}
		}
		b, s.list = b[:0], s.list[:0]
		sorted, err := w.close()
		l.sorted = append(l.sorted, sorted)
		return err
	}
	rest := newFiller(l.store, 1)
	err = l.store.each(from, func(block []byte) error {
		r := reader{b: block}
		for at, end := 0, 0; at < len(block) && !l.common; at = end {
			var key string
			if key, end = skim(block, at); key != l.name {
				rest.put(0, block[at:end])
				continue
			}
			var o plainOp
			r.at = at
			field, ok := r.plain(&o)
			if len(l.sorted) == 0 && len(s.list) == 0 {
				l.field = strings.Clone(field)
			}
			if !ok || field != l.field || o.kind != merge.Set && o.kind != merge.Add {
				l.common = true
				return nil
			}
			if len(b)+end-at > l.limit && len(b) > 0 {
				if err := flush(); err != nil {
					return err
				}
			}
			s.list = append(s.list, turn{o.number, o.node, uint32(len(b))})
			b = append(b, block[at:end]...)
		}
		return rest.err
	})
	if err == nil {
		err = flush()
	}
	shelves, fail := rest.close()
	return shelves[0], cmp.Or(err, fail)
}

// sortAgain puts deliveries of one write, which stand in b, into the order of their places.
func (l *longKey) sortAgain(list []turn, b []byte) {
	r := reader{b: b}
	place := func(t *turn) finding.Place {
		var o plainOp
		r.at = int(t.at)
		r.plain(&o)
		return l.place(&o)
	}
	for first, after := 0, 0; first < len(list); first = after {
		for after = first + 1; after < len(list) && !list[first].before(&list[after]); after++ {
		}
		if after > first+1 {
			slices.SortFunc(list[first:after], func(a, b turn) int { return place(&a).Compare(place(&b)) })
		}
	}
}

// find finds, under each table, the write that is kept or the sum, and counts the writes of each node.
func (l *longKey) find(tables []*merge.Table) (plain bool) {
	l.kept, l.greatest = make([]ownOp, len(tables)), make([]ownOp, len(tables))
	plain = true
	l.each(func(o, first *plainOp, _ bool) bool {
		if first != nil {
			l.again++
			plain = plain && first.samePayload(o)
			return plain
		}
		if n := len(l.runs); n == 0 || l.runs[n-1].node != o.node {
			l.runs = append(l.runs, plainRun{o.node, int(l.writes), int(l.writes)})
		}
		l.writes++
		l.runs[len(l.runs)-1].after++
		if l.writes == 1 || l.compare(o, &l.lowest.plainOp) < 0 {
			l.lowest.set(o)
		}
		for t, rule := range l.rules {
			if !rule.Selects() {
				plain = plain && l.count(t, o)
				continue
			}
			kept := &l.kept[t]
			l.write(&l.b, &kept.plainOp)
			if l.writes == 1 || l.beats(rule, o, &kept.plainOp) {
				kept.set(o)
			}
		}
		l.folder.room.built = l.folder.room.built[:0]
		return plain
	})
	l.earliest = &l.lowest.plainOp
	return plain
}

// fold counts what became of each write.
func (l *longKey) fold() {
	f := l.folder
	l.know(f.common)
	f.common.totals.Duplicates += l.again
	ones := make([]RuleSum, len(l.rules))
	node := -1
	l.each(func(o, first *plainOp, last bool) bool {
		if first != nil {
			l.tellAgain(o, first, &f.common.told)
			return true
		}
		for t, rule := range l.rules {
			if !rule.Selects() {
				continue
			}
			l.write(&l.b, &l.kept[t].plainOp)
			l.judge(rule, o, &l.kept[t].plainOp, last, &ones[t], f.sums[t])
			greatest := &l.greatest[t]
			if f.plain[t].inverts[rule.Index()] && (node != int(o.node) || l.invert(rule, &greatest.plainOp, o, f.sums[t]) == o) {
				greatest.set(o)
			}
		}
		node = int(o.node)
		f.room.built = f.room.built[:0]
		return true
	})
	for t, rule := range l.rules {
		kept := &l.kept[t].plainOp
		if !rule.Selects() {
			kept = nil
		}
		l.end(t, f.tables[t], kept, &ones[t], f.sums[t])
	}
}

// each calls visit with the writes in order until it says no: with each, and whether it is the last of its node, after its
// further deliveries, which come with it as their first. What visit is given is good until it returns.
func (l *longKey) each(visit func(o, first *plainOp, last bool) bool) {
	var open runHeap
	texts := l.folder.part.history.names.texts
	for _, r := range l.sorted {
		c := &runCursor{store: l.store, rest: r, texts: texts}
		if c.next(); c.err == nil && !c.done {
			open = append(open, c)
		}
		l.err = cmp.Or(l.err, c.err)
	}
	heap.Init(&open)
	var at ownOp
	held := false
	for len(open) > 0 && l.err == nil {
		c := open[0]
		if o := &c.op; held && o.node == at.node && o.number == at.number {
			if !visit(o, &at.plainOp, false) {
				return
			}
		} else {
			if held && !visit(&at.plainOp, nil, o.node != at.node) {
				return
			}
			at.set(o)
			held = true
		}
		if c.next(); c.done || c.err != nil {
			l.err = cmp.Or(l.err, c.err)
			heap.Pop(&open)
		} else {
			heap.Fix(&open, 0)
		}
	}
	if held && l.err == nil {
		visit(&at.plainOp, nil, true)
	}
}

// drop gives back the memory of the runs.
func (l *longKey) drop() {
	for _, r := range l.sorted {
		r.drop(l.store)
	}
}

// runCursor reads one run.
type runCursor struct {
	store *store
	rest  sortedRun
	texts []string
	block []byte
	room  []byte
	at    int
	op    plainOp
	done  bool
	err   error
}

func (c *runCursor) next() {
	if c.at >= len(c.block) {
		if len(c.rest) == 0 {
			c.done = true
			return
		}
		if c.block = c.rest[0].block; c.block == nil {
			c.room, c.err = c.store.spool.get(c.room[:0], c.rest[0].away)
			c.block = c.room
		}
		c.rest, c.at = c.rest[1:], 0
		if c.err != nil {
			return
		}
	}
	r := reader{b: c.block, at: c.at}
	_, c.at = skim(c.block, c.at)
	r.plain(&c.op)
}

type runHeap []*runCursor

func (h runHeap) Len() int { return len(h) }
func (h runHeap) Less(i, j int) bool {
	a, b := &h[i].op, &h[j].op
	if a.node != b.node {
		return a.node < b.node
	}
	if a.number != b.number {
		return a.number < b.number
	}
	return cmp.Or(strings.Compare(h[i].texts[a.file], h[i].texts[b.file]), cmp.Compare(a.line, b.line)) < 0
}
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(c any)   { *h = append(*h, c.(*runCursor)) }
func (h *runHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
