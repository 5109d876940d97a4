package drill

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
)

// claim is what one write asks of one cell.
type claim struct {
	merge.Claim
	play int32
	cell int32
	elem int32 // of a change to one element of a set: the number of cell and element; else -1
}

// front holds the claims on one cell, or on one element of a set, that no later writer had seen and replaced: those that
// are not overwritten. Mostly it is one.
type front struct {
	heads           []int32
	lost, undecided int32
}

// setTable makes the claims of all writes under a table.
func (w *world) setTable(t *merge.Table) {
	w.table = t
	n := len(w.ops)
	w.claims = slices.Grow(w.claims[:0], n+n/4)
	w.claimsOf = make([]int32, n+1)
	w.dotted = make([]bool, len(w.t.keys))
	w.cellKey, w.cellName, w.elemCell = w.cellKey[:0], w.cellName[:0], w.elemCell[:0]
	w.cellsOf = make([]int32, len(w.t.keys)+1)
	w.elems = make(map[int32][]int32)
	var made []merge.Claim
	var deletes []int32
	elements := make(map[element]int32)
	type named struct {
		rule *merge.Rule
		name string
	}
	var cells []named
	// The history's own writes stand key by key, and so do the cells.
	for i := 0; i < len(w.t.writes); {
		key := w.t.writes[i].key
		first := int32(len(w.cellKey))
		w.cellsOf[key] = first
		cells, deletes = cells[:0], deletes[:0]
		clear(elements)
		start := i
		cellOf := func(rule *merge.Rule, name string) int32 {
			for j := range cells {
				if cells[j].name == name && cells[j].rule == rule {
					return first + int32(j)
				}
			}
			cells = append(cells, named{rule, name})
			w.cellKey, w.cellName = append(w.cellKey, key), append(w.cellName, name)
			return first + int32(len(cells)-1)
		}
		whole := false
		for ; i < len(w.t.writes) && w.t.writes[i].key == key; i++ {
			if w.ops[i].WholeDelete() {
				whole = true
			}
		}
		if whole { // a delete of the whole record is a claim on all cells: find them first
			for j := start; j < i; j++ {
				made = t.Claims(&w.ops[j], made[:0])
				for k := range made {
					cellOf(made[k].Rule, made[k].Cell)
				}
			}
			if len(cells) == 0 {
				rule := t.Rule(w.t.keys[key], "")
				cellOf(rule, rule.Cell(""))
			}
		}
		for j := start; j < i; j++ {
			w.claimsOf[j] = int32(len(w.claims))
			if w.ops[j].WholeDelete() {
				for k, c := range cells {
					w.claims = append(w.claims, claim{t.Delete(&w.ops[j], c.rule, c.name), int32(j), first + int32(k), -1})
				}
				continue
			}
			made = t.Claims(&w.ops[j], made[:0])
			for k := range made {
				c := claim{made[k], int32(j), cellOf(made[k].Rule, made[k].Cell), -1}
				if single(c.Kind) && isSet(c.Rule) {
					e := element{c.cell, string(c.Value)}
					number, known := elements[e]
					if !known {
						number = int32(len(w.elemCell))
						elements[e] = number
						w.elemCell = append(w.elemCell, c.cell)
						w.elems[c.cell] = append(w.elems[c.cell], number)
					}
					c.elem = number
				}
				w.claims = append(w.claims, c)
			}
		}
		for _, c := range cells {
			w.dotted[key] = w.dotted[key] || c.rule.NeedsDots()
		}
		w.dotted[key] = w.dotted[key] || w.exact
	}
	w.claimsOf[len(w.t.writes)] = int32(len(w.claims))
	w.cellsOf[len(w.t.keys)] = int32(len(w.cellKey))
	// Copies ask what the write asked that they are copies of.
	for j := len(w.t.writes); j < n; j++ {
		base := w.copies[j-len(w.t.writes)].base
		for _, c := range w.claims[w.claimsOf[base]:w.claimsOf[base+1]] {
			c.Op, c.play = &w.ops[j], int32(j)
			w.claims = append(w.claims, c)
		}
		w.claimsOf[j+1] = int32(len(w.claims))
	}
	w.fronts = make([]front, len(w.cellKey))
	room := make([]int32, len(w.cellKey))
	for i := range w.fronts {
		w.fronts[i].heads = room[i : i : i+1]
	}
	w.elemFronts = make([]front, len(w.elemCell))
	w.cells = make([]merge.Cell, len(w.cellKey)*(len(w.regions)+1))
	for _, r := range w.regions {
		if r.seen == nil && slices.Contains(w.dotted, true) {
			r.seen = make([]clock.Vector, len(w.t.keys))
		}
	}
}

type element struct {
	cell  int32
	value string
}

// sees reports whether the writer of a write had seen another one: going by what the regions it asked have, and, when
// bounded, by what the history says of it.
func (w *world) sees(play, other int32, asked uint32, bounded bool) bool {
	a, b := w.base(play), w.base(other)
	if a.local == b.local && w.copyOf(play) == w.copyOf(other) {
		return true // a node is sequential
	}
	if w.rebuilding {
		return w.ops[play].Seen.Has(w.ops[other].Dot)
	}
	if w.plays[other].has&asked == 0 {
		return false
	}
	if !bounded {
		return true
	}
	_, high := w.t.past(a)
	return high == nil || int32(b.op.Dot.Seq) <= high[b.local]
}

// advance takes the claims of an accepted write into the fronts and into the state of all accepted writes, and counts
// what that loses. It returns how many of the claims it replaces the writer's own region would not have shown it.
func (w *world) advance(play int32, asked uint32, bounded bool) (prevented bool) {
	w.apply(all, play)
	for i := w.claimsOf[play]; i < w.claimsOf[play+1]; i++ {
		c := &w.claims[i]
		f := &w.fronts[c.cell]
		prevented = w.replace(f, c, asked, bounded) || prevented
		if c.elem >= 0 {
			e := &w.elemFronts[c.elem]
			prevented = w.replace(e, c, asked, bounded) || prevented
			e.heads = append(e.heads, i)
			w.weigh(c.cell, e)
		} else {
			f.heads = append(f.heads, i)
			for _, e := range w.elems[c.cell] {
				ef := &w.elemFronts[e]
				prevented = w.replace(ef, c, asked, bounded) || prevented
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

// replace takes out of a front what the writer of a claim had seen.
func (w *world) replace(f *front, c *claim, asked uint32, bounded bool) (prevented bool) {
	play := c.play
	kept := f.heads[:0]
	for _, h := range f.heads {
		other := w.claims[h].play
		if o := &w.claims[h]; single(c.Kind) && single(o.Kind) && c.Value != o.Value {
			kept = append(kept, h) // they are about two things
			continue
		}
		if !w.sees(play, other, asked, bounded) {
			kept = append(kept, h)
			continue
		}
		if !bounded && !w.rebuilding && !prevented {
			prevented = !w.sees(play, other, w.regions[w.plays[play].home].bit, true)
		}
	}
	f.heads = kept
	return prevented
}

// weigh counts anew what of a front is lost, and what a quorum must decide.
func (w *world) weigh(cell int32, f *front) {
	lost, undecided := int32(0), int32(0)
	for _, h := range f.heads {
		switch w.fate(h, cell) {
		case merge.Lost:
			lost++
		case merge.Refused:
			undecided++
		}
	}
	if lost != f.lost {
		w.count(lostIndex, w.cellKey[cell], int64(lost-f.lost))
	}
	if undecided != f.undecided {
		w.count(undecidedIndex, w.cellKey[cell], int64(undecided-f.undecided))
	}
	f.lost, f.undecided = lost, undecided
}

// fate says what becomes of a claim once the regions have exchanged all: the verdict of its cell, but that a claim which
// lost and says what is kept is kept.
func (w *world) fate(h, cell int32) merge.Outcome {
	c := &w.claims[h]
	state := w.cell(cell, all)
	v := state.Judge(&c.Claim)
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
	for i := range w.fronts {
		w.fronts[i].heads = w.fronts[i].heads[:0]
		w.forget(int32(i), &w.fronts[i])
	}
	for i := range w.elemFronts {
		w.elemFronts[i].heads = nil
		w.forget(w.elemCell[i], &w.elemFronts[i])
	}
	w.clear(all)
	w.rebuilding = true
	for _, play := range w.accepted {
		if w.plays[play].status == isAccepted {
			w.advance(play, 0, true)
		}
	}
	w.rebuilding = false
}

// forget takes what a front counted back.
func (w *world) forget(cell int32, f *front) {
	if f.lost != 0 {
		w.count(lostIndex, w.cellKey[cell], -int64(f.lost))
	}
	if f.undecided != 0 {
		w.count(undecidedIndex, w.cellKey[cell], -int64(f.undecided))
	}
	f.lost, f.undecided = 0, 0
}
