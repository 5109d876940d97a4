package merge

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

const rank = lww.Rank

// MaxElements is how many elements one operation may put into a set or take out of it. What is beyond is left out, and the
// limit is beyond what a record of 8 MiB can hold.
const MaxElements = 1<<22 - 1

// set holds the elements of grow-only, add-wins and remove-wins.
type set struct {
	grow   *crdt.GSet[value.Value]
	add    *crdt.ORSet[value.Value]
	remove *crdt.RWSet[value.Value]
}

func newSet(rule id) *set {
	switch rule {
	case isGrowOnly:
		return &set{grow: &crdt.GSet[value.Value]{}}
	case isAddWins:
		return &set{add: &crdt.ORSet[value.Value]{}}
	default:
		return &set{remove: &crdt.RWSet[value.Value]{}}
	}
}

// change is what a claim does to a set.
type change struct {
	in, out []value.Value
	missing bool // an absolute value without a before-image: what it took out is not known
}

// changeOf reads a claim: an insert or remove of one element, or an absolute value, of which the difference to what it
// replaced counts. Without a before-image an absolute value puts its elements in and takes none out. It has room for those of
// most claims from its caller.
func changeOf(c *Claim, room []value.Value) (ch change) {
	switch c.Kind {
	case Insert:
		ch.in = append(room, c.Value)
	case Remove:
		ch.out = append(room, c.Value)
	case Set:
		now := distinct(room, c.Value)
		if c.Before.IsAbsent() {
			return change{in: now, missing: true}
		}
		var was []value.Value
		if c.Before != value.Null {
			was = distinct(nil, c.Before)
		}
		ch.in, ch.out = minus(now, was), minus(was, now)
	}
	return ch
}

// Elements returns what the claim puts into a set and what it takes out of it, under a rule that is one.
func (c *Claim) Elements() (in, out []value.Value) {
	ch := changeOf(c, nil)
	return ch.in, ch.out
}

// distinct appends the elements of a value to an empty list, ascending, each once.
func distinct(all []value.Value, v value.Value) []value.Value {
	if v == value.Null {
		return nil
	}
	all = appendElements(all, v)
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), MaxElements)]
}

// minus returns what is in a and not in b, both ascending.
func minus(a, b []value.Value) (rest []value.Value) {
	for _, v := range a {
		if _, found := slices.BinarySearch(b, v); !found {
			rest = append(rest, v)
		}
	}
	return rest
}

// An operation on several elements has one dot, and a set needs one for each element: each dot of an operation stands for
// a block of them.
const dotBlock = MaxElements + 1

// blocks puts into wide the dots that stand for those in v.
func blocks(wide *clock.Vector, v clock.Vector) {
	var few [8]clock.Run
	runs := few[:0]
	for node, run := range v.Runs() {
		if last := min(run.Last, MaxSeq); run.First <= last { // no operation has a dot beyond
			runs = append(runs, clock.Run{Node: node, Range: clock.Range{First: run.First * dotBlock, Last: last*dotBlock + MaxElements}})
		}
	}
	wide.SetRuns(runs) // they are in its order as those of v are
}

func (s *set) apply(_ *Rule, c *Claim) {
	var few [4]value.Value
	ch := changeOf(c, few[:0])
	if s.grow != nil {
		for _, v := range ch.in {
			_, _ = s.grow.Add(v) // a text is equal to itself: no error
		}
		return
	}
	seen, done := new(clock.Vector), new(clock.Vector) // done: none of it is on its way any more
	if c.ordered != nil {
		seen, done = c.ordered, c.ordered
	}
	blocks(seen, c.Op.Seen)
	if c.ordered != nil {
		s.see(*seen)
	}
	dot := clock.Dot{Node: c.Op.Dot.Node, Seq: c.Op.Dot.Seq * dotBlock}
	block := clock.Range{First: dot.Seq, Last: dot.Seq + MaxElements}
	if c.Kind == Delete {
		if s.add != nil {
			s.add.ClearAt(dot, *seen)
		} else {
			s.remove.ClearAt(dot, *seen)
		}
	}
	for _, v := range ch.out {
		if s.add != nil {
			s.add.RemoveAt(dot, v, *seen)
		} else {
			_, _ = s.remove.RemoveAt(dot, v, *seen)
		}
		dot.Seq++
	}
	for _, v := range ch.in {
		if s.add != nil {
			_, _ = s.add.AddAt(dot, v, *seen)
		} else {
			_, _ = s.remove.AddAt(dot, v, *seen)
		}
		dot.Seq++
	}
	done.AddRange(dot.Node, block)
	s.see(*done)
}

// see says that of the dots in delivered none is on its way to s: those of one operation.
func (s *set) see(delivered clock.Vector) {
	if s.add != nil {
		s.add.See(delivered)
	} else {
		s.remove.See(delivered)
	}
}

// note says the same of many, after which s may need less memory.
func (s *set) note(delivered clock.Vector) {
	if s.add != nil {
		s.add.Note(delivered)
	} else {
		s.remove.Note(delivered)
	}
}

func (s *set) merge(_ *Rule, from state) (changed bool) {
	o := from.(*set)
	switch {
	case s.grow != nil:
		return s.grow.Merge(*o.grow)
	case s.add != nil:
		return s.add.Merge(*o.add)
	}
	return s.remove.Merge(*o.remove)
}

func (s *set) settle(horizon clock.Vector) {
	if s.grow != nil {
		return
	}
	var wide clock.Vector
	blocks(&wide, horizon)
	s.note(wide)
	if s.remove != nil {
		s.remove.Forget(wide)
	}
}

func (s *set) encode(w *encoder) {
	w.frame(func(b []byte) ([]byte, error) {
		switch {
		case s.grow != nil:
			return s.grow.Encode(b, w.values())
		case s.add != nil:
			return s.add.Encode(b, w.values())
		}
		return s.remove.Encode(b, w.values())
	})
}

func (s *set) decode(r *decoder) {
	frame := r.View()
	switch {
	case s.grow != nil:
		r.Check(s.grow.Decode(frame, r.values(), r.inner()))
	case s.add != nil:
		r.Check(s.add.Decode(frame, r.values(), r.inner()))
	default:
		r.Check(s.remove.Decode(frame, r.values(), r.inner()))
	}
}

func (s *set) equal(other state) bool {
	o := other.(*set)
	switch {
	case s.grow != nil:
		return s.grow.Equal(*o.grow)
	case s.add != nil:
		return s.add.Equal(*o.add)
	}
	return s.remove.Equal(*o.remove)
}

func (s *set) has(v value.Value) bool {
	switch {
	case s.grow != nil:
		return s.grow.Has(v)
	case s.add != nil:
		return s.add.Has(v)
	}
	return s.remove.Has(v)
}

func (s *set) judge(_ *Rule, c *Claim) Verdict {
	if c.Kind == Add { // of which nothing is left
		return Verdict{Outcome: Lost, By: rank}
	}
	var few [4]value.Value
	ch := changeOf(c, few[:0])
	v := Verdict{Outcome: Combined, Missing: ch.missing && s.grow == nil}
	if s.grow != nil && (c.Kind == Delete || len(ch.out) > 0) {
		return Verdict{Outcome: Lost, By: rank, NotMonotonic: true}
	}
	for _, e := range ch.in {
		if !s.has(e) {
			v.Outcome, v.By = Lost, rank
		}
	}
	for _, e := range ch.out {
		if s.has(e) {
			v.Outcome, v.By = Lost, rank
		}
	}
	return v
}

func (s *set) value(*Rule) value.Value {
	var all []value.Value
	switch {
	case s.grow != nil:
		all = s.grow.Elements()
	case s.add != nil:
		all = s.add.Elements()
	default:
		all = s.remove.Elements()
	}
	slices.SortFunc(all, value.Compare)
	return value.Array(all...)
}

func (s *set) write(*Rule) (Write, bool) { return Write{}, false }
