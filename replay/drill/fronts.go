package drill

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/merge"
)

// front holds the claims on one cell, or on one element of a set, that no later writer had seen and replaced: those that
// are not overwritten. Mostly it is one.
type front struct {
	heads           []int32 // by their places among the claims
	lost, undecided int32
}

// sees reports whether the writer of a write, which asked others with q unless that is nil, had seen another one.
func (w *world) sees(play, other int32, q *request) bool {
	a, b := w.base(play), w.base(other)
	if a.local == b.local && w.copyOf(play) == w.copyOf(other) {
		return true // a node is sequential
	}
	if w.watch[a.key].dotted {
		return w.seen[play].Has(w.dot(other))
	}
	if q != nil {
		return w.plays[other].has&q.from.bit != 0 || slices.Contains(q.know, other)
	}
	return w.shown(play, other)
}

// shown reports whether a writer's own replica had shown it another write: going by what the replica has, and by what the
// history says of the writer.
func (w *world) shown(play, other int32) bool {
	if w.plays[other].has&w.replicas[w.plays[play].home].bit == 0 {
		return false
	}
	a, b := w.base(play), w.base(other)
	_, high := w.t.past(a)
	return high == nil || b.seq <= high[b.local]
}

// advance takes the claims of an accepted write into the fronts and into the state of all accepted writes, and counts
// what that loses. It reports whether it replaces what the writer's own replica would not have shown it.
func (w *world) advance(play int32, q *request) (prevented bool) {
	v := w.view
	v.apply(all, play)
	for i := v.claimsOf[play]; i < v.claimsOf[play+1]; i++ {
		c := &v.claims[i]
		f := &v.cells[c.cell].front
		prevented = w.replace(f, c, q) || prevented
		if c.elem >= 0 {
			e := &v.elems[c.elem].front
			prevented = w.replace(e, c, q) || prevented
			e.heads = append(e.heads, i)
			w.weigh(c.cell, e)
		} else {
			f.heads = append(f.heads, i)
			for _, e := range v.elemsOf[c.cell] {
				ef := &v.elems[e].front
				prevented = w.replace(ef, c, q) || prevented
				w.weigh(c.cell, ef)
			}
		}
		w.weigh(c.cell, f)
	}
	return prevented
}

// single reports whether a kind of change is to one element.
func single(k merge.Kind) bool { return k == merge.Insert || k == merge.Remove }

// isSet reports whether a rule decides each element of a field for itself.
func isSet(r *merge.Rule) bool {
	return r.Name == "add-wins" || r.Name == "remove-wins" || r.Name == "grow-only"
}

// replace takes out of a front what the writer of a claim had seen. Of a writer that asked others it reports whether some of
// that was not in its own replica.
func (w *world) replace(f *front, c *claim, q *request) (prevented bool) {
	kept := f.heads[:0]
	for _, h := range f.heads {
		o := &w.view.claims[h]
		if single(c.kind) && single(o.kind) && w.view.value(c) != w.view.value(o) {
			kept = append(kept, h) // they are about two things
			continue
		}
		if !w.sees(c.play, o.play, q) {
			kept = append(kept, h)
			continue
		}
		prevented = prevented || q != nil && !w.shown(c.play, o.play)
	}
	f.heads = kept
	return prevented
}

// weigh counts anew what of a front is lost, and what a quorum must decide. Who got no answer was promised nothing, and so
// loses nothing.
func (w *world) weigh(cell int32, f *front) {
	lost, undecided := int32(0), int32(0)
	for _, h := range f.heads {
		switch w.fate(h, cell) {
		case merge.Lost:
			if !w.plays[w.view.claims[h].play].open {
				lost++
			}
		case merge.Refused:
			undecided++
		}
	}
	if lost != f.lost {
		w.count(lostIndex, w.view.cells[cell].key, int64(lost-f.lost))
	}
	if undecided != f.undecided {
		w.count(undecidedIndex, w.view.cells[cell].key, int64(undecided-f.undecided))
	}
	f.lost, f.undecided = lost, undecided
}

// reweigh counts anew what is lost of a write that has got its answer.
func (w *world) reweigh(play int32) {
	v := w.view
	for i := v.claimsOf[play]; i < v.claimsOf[play+1]; i++ {
		c := &v.claims[i]
		w.weigh(c.cell, &v.cells[c.cell].front)
		if c.elem >= 0 {
			w.weigh(c.cell, &v.elems[c.elem].front)
		}
	}
}

// fate says what becomes of a claim once the regions have exchanged all: the verdict of its cell, but that a claim which
// lost and says what is kept is kept.
func (w *world) fate(h, cell int32) merge.Outcome {
	if *w.view.slot(cell, all) == h+1 && w.view.cells[cell].rule.Selects() {
		return merge.Kept // it is what the cell keeps
	}
	state := w.view.cell(cell, all)
	c := w.view.claim(&w.view.claims[h])
	v := state.Judge(c)
	if v.Outcome != merge.Lost {
		return v.Outcome
	}
	shown := state.Value()
	if c.Kind == merge.Delete && shown.IsAbsent() || c.Kind == merge.Set && c.Value == shown {
		return merge.Kept
	}
	return merge.Lost
}

// rebuild folds all accepted writes anew, after some have vanished or the table has changed.
func (w *world) rebuild() {
	if w.light {
		return
	}
	v := w.view
	w.forgetAll()
	v.clear(all)
	for _, play := range w.accepted {
		if w.plays[play].status == isAccepted {
			w.advance(play, nil)
		}
	}
}

// forgetAll empties all fronts, and takes back what they counted.
func (w *world) forgetAll() {
	v := w.view
	for i := range v.cells {
		w.forget(v.cells[i].key, &v.cells[i].front)
	}
	for i := range v.elems {
		w.forget(v.cells[v.elems[i].cell].key, &v.elems[i].front)
	}
}

// forget empties a front of a key, and takes back what it counted.
func (w *world) forget(key int32, f *front) {
	if f.lost != 0 {
		w.count(lostIndex, key, -int64(f.lost))
	}
	if f.undecided != 0 {
		w.count(undecidedIndex, key, -int64(f.undecided))
	}
	f.heads, f.lost, f.undecided = f.heads[:0], 0, 0
}
