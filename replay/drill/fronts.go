package drill

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
)

// front holds the claims on one cell, or on one element of a set, that no later writer had seen and replaced: those that
// are not overwritten. Mostly it is one. Where the rule adds each claim to the others nothing is replaced but by a delete, and a
// front holds those alone that could not be added.
type front struct {
	heads           []int32 // by their places among the claims
	lost, undecided int32

	// Those that the rule can make no use of, where that settles it: what a counter can't add, and an increment where one write is kept,
	// or that some writer had seen who wrote something else.
	// They are lost, but for those that set what is kept and the one that is, and may be many: so it is counted how many were promised
	// to somebody, and how many of those set each value.
	useless  []int32
	promised int32
	sets     map[value.Value]int32
}

// sees reports whether the writer of a write, which asked others with q unless that is nil, had seen another one.
func (w *world) sees(play, other int32, q *request) bool {
	a, b := w.base(play), w.base(other)
	if w.watch[a.key].dotted {
		return w.seen[play].Has(w.dot(other)) // what a restart took from a node it has not
	}
	if a.local == b.local && w.copyOf(play) == w.copyOf(other) {
		return true // a node is sequential
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
			w.weigh(c, e)
		} else {
			switch rule := v.cells[c.cell].rule; {
			case rule.Selects() && v.useless(c) || replay.Adds(rule) && v.judge(c).Outcome == merge.Lost:
				w.put(f, i)
			case !replay.Adds(rule):
				f.heads = append(f.heads, i)
			}
			for _, e := range v.elements(c) {
				ef := &v.elems[e].front
				prevented = w.replace(ef, c, q) || prevented
				w.weigh(c, ef)
			}
		}
		w.weigh(c, f)
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
	without := func(heads []int32, settled bool) []int32 {
		kept := heads[:0]
		for _, h := range heads {
			o := &w.view.claims[h]
			takes := w.view.takesPlace(c, o)
			if !takes && (settled || !w.view.useless(o)) || !w.sees(c.play, o.play, q) {
				kept = append(kept, h)
				continue
			}
			if o.settled = false; !takes {
				w.put(f, h)
				continue
			}
			prevented = prevented || q != nil && !w.shown(c.play, o.play)
		}
		return kept
	}
	f.heads = without(f.heads, false)
	if len(f.useless) == 0 || !w.view.takesPlace(c, &w.view.claims[f.useless[0]]) { // or of any of them: they are alike in that
		return prevented
	}
	f.useless, f.promised = without(f.useless, true), 0
	clear(f.sets)
	for _, h := range f.useless {
		w.promise(f, &w.view.claims[h])
	}
	return prevented
}

// useless reports whether a claim is an increment where nothing is counted.
func (v *view) useless(c *claim) bool {
	return c.kind == merge.Add && !v.cells[c.cell].rule.Takes(merge.Add)
}

// takesPlace reports whether a claim takes the place of another on its cell that its writer had seen, as a dry run has it: where the
// rule adds each to the others a delete alone does; else one that is about the same. A useless increment is about nothing.
func (v *view) takesPlace(c, o *claim) bool {
	one := func(c *claim) bool { return c.elem != whole || single(c.kind) }
	switch {
	case replay.Adds(v.cells[c.cell].rule):
		return c.kind == merge.Delete
	case v.useless(c):
		return !v.useless(o) && !one(o)
	case v.useless(o):
		return !one(c)
	case c.elem == whole || o.elem == whole:
		return !one(c) || !one(o) || single(c.kind) && single(o.kind) && v.value(c) == v.value(o)
	}
	return v.share(c, o)
}

// share reports whether two changes of elements of a set have one in common.
func (v *view) share(c, o *claim) bool {
	mine, theirs := v.elements(c), v.elements(o)
	if len(mine) > len(theirs) {
		mine, theirs = theirs, mine
	}
	for _, e := range mine {
		if _, found := slices.BinarySearch(theirs, e); found {
			return true
		}
	}
	return false
}

// elements returns the numbers of the elements of a set that a claim is about: of all of its cell for one on that.
func (v *view) elements(c *claim) []int32 {
	switch c.elem {
	case whole:
		return v.elemsOf[c.cell]
	case several:
		return v.changes[[2]int32{c.play, c.cell}]
	}
	return []int32{c.elem}
}

// judge returns the verdict of a claim's cell on it once the regions have exchanged all that was accepted so far.
func (v *view) judge(c *claim) merge.Verdict {
	state := v.cell(c.cell, all)
	return state.Judge(v.claim(c))
}

// put takes a claim in of which the rule can make no use.
func (w *world) put(f *front, i int32) {
	c := &w.view.claims[i]
	c.settled = true
	f.useless = append(f.useless, i)
	w.promise(f, c)
}

// promise takes note of a useless claim, unless nobody was promised it yet.
func (w *world) promise(f *front, c *claim) {
	if w.plays[c.play].open {
		return
	}
	f.promised++
	if c.kind == merge.Set {
		if f.sets == nil {
			f.sets = make(map[value.Value]int32)
		}
		f.sets[w.view.value(c)]++
	}
}

// unkept returns how many of the useless claims say something else than what is kept.
func (w *world) unkept(cell int32, f *front) int32 {
	if f.promised == 0 {
		return 0
	}
	if len(f.sets) > 0 {
		state := w.view.cell(cell, all)
		return f.promised - f.sets[state.Value()]
	}
	kept := *w.view.slot(cell, all) - 1
	if w.view.cells[cell].rule.Selects() && kept >= 0 && w.view.claims[kept].settled && !w.plays[w.view.claims[kept].play].open {
		return f.promised - 1
	}
	return f.promised
}

// weigh counts anew what of a front is lost, and what a quorum must decide, when a claim has come or got its answer. Who got no
// answer was promised nothing, and so loses nothing.
func (w *world) weigh(came *claim, f *front) {
	lost, undecided := w.unkept(came.cell, f), int32(0)
	for _, h := range f.heads {
		switch o := &w.view.claims[h]; w.fate(h, came) {
		case merge.Lost:
			if !w.plays[o.play].open {
				lost++
			}
		case merge.Refused:
			undecided++
		}
	}
	if lost != f.lost {
		w.count(lostIndex, w.view.cells[came.cell].key, int64(lost-f.lost))
	}
	if undecided != f.undecided {
		w.count(undecidedIndex, w.view.cells[came.cell].key, int64(undecided-f.undecided))
	}
	f.lost, f.undecided = lost, undecided
}

// reweigh counts anew what is lost of a write that has got its answer.
func (w *world) reweigh(play int32) {
	v := w.view
	for i := v.claimsOf[play]; i < v.claimsOf[play+1]; i++ {
		c := &v.claims[i]
		f := &v.cells[c.cell].front
		if c.settled {
			w.promise(f, c)
		}
		w.weigh(c, f)
		if c.elem >= 0 {
			w.weigh(c, &v.elems[c.elem].front)
		}
	}
}

// fate says what becomes of a claim once the regions have exchanged all: the verdict of its cell, but that a claim which
// lost and says what is kept is kept. The verdict on changes of a set is another one only when a claim has come that is about one of
// their elements; nil asks anew.
func (w *world) fate(h int32, came *claim) merge.Outcome {
	v := w.view
	o := &v.claims[h]
	if *v.slot(o.cell, all) == h+1 && v.cells[o.cell].rule.Selects() {
		return merge.Kept // it is what the cell keeps
	}
	outcome := o.last
	if came == nil || o.elem != several || o == came || v.share(came, o) {
		verdict := v.judge(o)
		if outcome = verdict.Outcome; outcome == merge.Overwritten && verdict.Mismatch {
			outcome = merge.Lost // what had seen it is not about the same, or it would not stand here
		}
		o.last = outcome
	}
	if outcome != merge.Lost {
		return outcome
	}
	state := v.cell(o.cell, all)
	shown := state.Value()
	if o.kind == merge.Delete && shown.IsAbsent() || o.kind == merge.Set && v.value(o) == shown {
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
	for _, i := range f.useless {
		w.view.claims[i].settled = false
	}
	*f = front{heads: f.heads[:0]}
}
