package crdt

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/ordered"
)

// dotSet is a set of dots. Almost always it has one, which costs no allocation. The zero dotSet is empty.
type dotSet struct {
	first clock.Dot

	// The others, ascending, all after first; nil if there are none. Of two sets that share it only one may change.
	more *ordered.List[clock.Dot]
}

func (s *dotSet) isEmpty() bool { return s.first.IsZero() }

func (s *dotSet) len() int {
	switch {
	case s.more != nil:
		return 1 + s.more.Len()
	case s.isEmpty():
		return 0
	}
	return 1
}

func (s *dotSet) least() clock.Dot { return s.first }

func (s *dotSet) counts(*clock.Vector) bool { return !s.isEmpty() }

// all yields the dots, ascending.
func (s *dotSet) all(yield func(clock.Dot) bool) {
	if !s.isEmpty() && yield(s.first) && s.more != nil {
		s.more.All(func(d *clock.Dot) bool { return yield(*d) })
	}
}

// place returns where in more a dot is, or would be.
func (s *dotSet) place(d clock.Dot) ordered.Place {
	return s.more.Search(func(o *clock.Dot) bool { return o.Compare(d) < 0 })
}

func (s *dotSet) has(d clock.Dot) bool {
	if s.first == d || s.more == nil {
		return s.first == d
	}
	o := s.more.At(s.place(d))
	return o != nil && *o == d
}

// insert adds a dot, which may be there already.
func (s *dotSet) insert(d clock.Dot) {
	if s.isEmpty() {
		s.first = d
	}
	if s.has(d) {
		return
	}
	if d.Compare(s.first) < 0 {
		d, s.first = s.first, d
	}
	if s.more == nil {
		s.more = new(ordered.List[clock.Dot])
	}
	s.more.Insert(s.place(d), d)
}

// drop removes the dots that are in seen.
func (s *dotSet) drop(seen *clock.Vector) bool { return s.remove(seen, &dotSet{}) }

// remove is drop of those that but has not.
func (s *dotSet) remove(seen *clock.Vector, but *dotSet) (removed bool) {
	if s.more != nil {
		removed = dropFrom(s.more, func(d *clock.Dot) clock.Dot { return *d }, seen, func(d *clock.Dot) bool { return seen.Has(*d) && !but.has(*d) })
	}
	if seen.Has(s.first) && !but.has(s.first) {
		s.first, removed = takeFirst(s.more), true
	}
	if s.more != nil && s.more.Len() == 0 {
		s.more = nil
	}
	return removed
}

// join is the causal join: a dot lives on if both sides have it, or if one side has it and the other has never seen it.
func (s *dotSet) join(other *dotSet, mine, theirs *clock.Vector) (changed bool) {
	if s.first == other.first && s.more == nil && other.more == nil {
		return false
	}
	if s.isEmpty() && other.more == nil { // the common case: a new element
		if mine.Has(other.first) {
			return false
		}
		s.first = other.first
		return true
	}
	if s.more == nil && other.more == nil { // the common case: an element added again
		stays := s.first != clock.Dot{} && !theirs.Has(s.first)
		comes := other.first != clock.Dot{} && !mine.Has(other.first)
		if !comes || !stays {
			was := s.first
			switch {
			case comes:
				s.first = other.first
			case !stays:
				s.first = clock.Dot{}
			}
			return s.first != was
		}
	}
	changed = s.remove(theirs, other)
	for d := range other.all {
		if !mine.Has(d) && !s.has(d) {
			s.insert(d)
			changed = true
		}
	}
	return changed
}

func (s *dotSet) equal(other *dotSet, _ *clock.Vector) bool {
	if s.first != other.first || s.len() != other.len() {
		return false
	}
	for d := range s.all {
		if !other.has(d) {
			return false
		}
	}
	return true
}

func (s *dotSet) dots(v clock.Vector) clock.Vector {
	for d := range s.all {
		v.Add(d)
	}
	return v
}

// contest is what is left of a question answered yes and no by writes of which each replaces the answers it had seen.
type contest struct {
	yes, no dotSet
}

func (c *contest) isEmpty() bool { return c.yes.isEmpty() && c.no.isEmpty() }

// agreed reports whether there is an answer, and no "no" that nobody has replaced.
func (c *contest) agreed() bool { return !c.yes.isEmpty() && c.no.isEmpty() }

// forget removes what is in stable from a contest that ends in no. As long as there is an answer yes that is not stable, all stays:
//
//	us: no, of which all have heard        eu: yes, which had not seen it, and of which not all have heard
//
// Without the no the answer would be yes.
func (c *contest) forget(stable *clock.Vector) {
	for d := range c.yes.all {
		if !stable.Has(d) {
			return
		}
	}
	if !c.agreed() {
		c.drop(stable)
	}
}

func (c *contest) drop(seen *clock.Vector) bool {
	yes, no := c.yes.drop(seen), c.no.drop(seen)
	return yes || no
}

func (c *contest) join(other *contest, mine, theirs *clock.Vector) bool {
	yes, no := c.yes.join(&other.yes, mine, theirs), c.no.join(&other.no, mine, theirs)
	return yes || no
}

func (c *contest) equal(other *contest, ctx *clock.Vector) bool {
	return c.yes.equal(&other.yes, ctx) && c.no.equal(&other.no, ctx)
}

func (c *contest) dots(v clock.Vector) clock.Vector { return c.no.dots(c.yes.dots(v)) }

func (c *contest) len() int { return c.yes.len() + c.no.len() }

func (c *contest) insertYes(d clock.Dot) { c.yes.insert(d) }

func (c *contest) insertNo(d clock.Dot) { c.no.insert(d) }

func (c *contest) least() clock.Dot { return lesser(c.yes.least(), c.no.least()) }

func (c *contest) counts(*clock.Vector) bool { return !c.isEmpty() }

// lesser returns the lesser of two dots, of which one may be none.
func lesser(d, e clock.Dot) clock.Dot {
	if d.IsZero() || !e.IsZero() && e.Compare(d) < 0 {
		return e
	}
	return d
}
