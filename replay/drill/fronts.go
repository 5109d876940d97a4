package drill

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/merge"
)

// front holds the claims on one cell, or on one element of a set, that no later writer had seen and replaced: those that
// are not overwritten. Mostly it is one.
type front struct {
	heads           []head
	lost, undecided int32
}

// head is one claim of a front, by its place among the claims, and the write that makes it.
type head struct{ claim, play int32 }

// sees reports whether the writer of a write, which asked others with q unless that is nil, had seen another one.
func (w *world) sees(play, other int32, q *request) bool {
	a, b := w.base(play), w.base(other)
	if a.local == b.local && w.copyOf(play) == w.copyOf(other) {
		return true // a node is sequential
	}
	if w.dotted[a.key] {
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
		f := &w.fronts[c.cell]
		prevented = w.replace(f, c, play, q) || prevented
		if c.elem >= 0 {
			e := &w.elemFronts[c.elem]
			prevented = w.replace(e, c, play, q) || prevented
			e.heads = append(e.heads, head{i, play})
			w.weigh(c.cell, e)
		} else {
			f.heads = append(f.heads, head{i, play})
			for _, e := range v.elems[c.cell] {
				ef := &w.elemFronts[e]
				prevented = w.replace(ef, c, play, q) || prevented
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

// replace takes out of a front what the writer of a write that makes a claim had seen. Of a writer that asked others it reports whether some
// of that was not in its own replica.
func (w *world) replace(f *front, c *claim, play int32, q *request) (prevented bool) {
	kept := f.heads[:0]
	for _, h := range f.heads {
		if single(c.kind) {
			if o := &w.view.claims[h.claim]; single(o.kind) && w.view.value(play, c) != w.view.value(h.play, o) {
				kept = append(kept, h) // they are about two things
				continue
			}
		}
		if !w.sees(play, h.play, q) {
			kept = append(kept, h)
			continue
		}
		prevented = prevented || q != nil && !w.shown(play, h.play)
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
			if !w.plays[h.play].open {
				lost++
			}
		case merge.Refused:
			undecided++
		}
	}
	if lost != f.lost {
		w.count(lostIndex, w.view.cellKey[cell], int64(lost-f.lost))
	}
	if undecided != f.undecided {
		w.count(undecidedIndex, w.view.cellKey[cell], int64(undecided-f.undecided))
	}
	f.lost, f.undecided = lost, undecided
}

// reweigh counts anew what is lost of a write that has got its answer.
func (w *world) reweigh(play int32) {
	v := w.view
	for i := v.claimsOf[play]; i < v.claimsOf[play+1]; i++ {
		c := &v.claims[i]
		w.weigh(c.cell, &w.fronts[c.cell])
		if c.elem >= 0 {
			w.weigh(c.cell, &w.elemFronts[c.elem])
		}
	}
}

// fate says what becomes of a claim once the regions have exchanged all: the verdict of its cell, but that a claim which
// lost and says what is kept is kept.
func (w *world) fate(h head, cell int32) merge.Outcome {
	c := w.view.claim(h.play, &w.view.claims[h.claim])
	state := w.view.cell(cell, all)
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
	for i := range w.fronts {
		w.fronts[i].heads = w.fronts[i].heads[:0]
		w.forget(v.cellKey[i], &w.fronts[i])
	}
	for i := range w.elemFronts {
		w.elemFronts[i].heads = nil
		w.forget(v.cellKey[v.elemCell[i]], &w.elemFronts[i])
	}
	v.clear(all)
	for _, play := range w.accepted {
		if w.plays[play].status == isAccepted {
			w.advance(play, nil)
		}
	}
}

// forget takes back what a front of a key counted.
func (w *world) forget(key int32, f *front) {
	if f.lost != 0 {
		w.count(lostIndex, key, -int64(f.lost))
	}
	if f.undecided != 0 {
		w.count(undecidedIndex, key, -int64(f.undecided))
	}
	f.lost, f.undecided = 0, 0
}
