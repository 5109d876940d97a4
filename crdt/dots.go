package crdt

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/ordered"
)

// made is a value and the dot of the write that made it. The value comes first because at the end one of no size takes room.
type made[V comparable] struct {
	value V
	dot   clock.Dot
}

func (v *made[V]) compare(o *made[V]) int {
	if c := v.dot.Compare(o.dot); c != 0 { // mostly; comparing values of any type is slow
		return c
	}
	return compare(v.value, o.value)
}

// siblings is a set of values, each under its dot. Almost always it has one, which costs no allocation. The zero siblings is empty.
type siblings[V comparable] struct {
	first made[V] // of the zero dot when there is none

	// The others, in the order of made.compare, all after first; nil if there are none. Of two siblings that share it only one may
	// change.
	more *ordered.List[made[V]]
}

func siblingOf[V comparable](d clock.Dot, v V) siblings[V] { return siblings[V]{first: made[V]{v, d}} }

// dotSet is a set of dots: of writes that say nothing but that they were made.
type dotSet = siblings[struct{}]

func dotSetOf(d clock.Dot) dotSet { return siblingOf(d, struct{}{}) }

func insertDot(s *dotSet, d clock.Dot) { s.insert(made[struct{}]{dot: d}) }

func (s *siblings[V]) isEmpty() bool { return s.first.dot.IsZero() }

func (s *siblings[V]) len() int {
	if s.isEmpty() {
		return 0
	}
	return 1 + s.more.Len()
}

func (s *siblings[V]) least() clock.Dot { return s.first.dot }

func (s *siblings[V]) counts(*clock.Vector) bool { return !s.isEmpty() }

// all yields the values in their order.
func (s *siblings[V]) all(yield func(*made[V]) bool) {
	if !s.isEmpty() && yield(&s.first) {
		s.more.All(yield)
	}
}

// place returns where in more a value is, or would be, and whether it is there.
func (s *siblings[V]) place(v *made[V]) (at ordered.Place, found bool) {
	at = s.more.Search(func(o *made[V]) bool { return o.compare(v) < 0 })
	o := s.more.At(at)
	return at, o != nil && *o == *v
}

func (s *siblings[V]) hasValue(v made[V]) bool {
	if s.isEmpty() || s.first == v || s.more == nil {
		return !s.isEmpty() && s.first == v
	}
	_, found := s.place(&v)
	return found
}

// has reports whether a value came with the dot.
func (s *siblings[V]) has(d clock.Dot) bool {
	if s.first.dot == d || s.more == nil {
		return s.first.dot == d
	}
	o := s.more.At(s.more.Search(func(o *made[V]) bool { return o.dot.Compare(d) < 0 }))
	return o != nil && o.dot == d
}

// insert adds a value, and reports whether it was not there already.
func (s *siblings[V]) insert(v made[V]) bool {
	if s.isEmpty() {
		s.first = v
		return true
	}
	if v == s.first {
		return false
	}
	if v.compare(&s.first) < 0 {
		v, s.first = s.first, v
	}
	if s.more == nil {
		s.more = new(ordered.List[made[V]])
	}
	at, found := s.place(&v)
	if !found {
		s.more.Insert(at, v)
	}
	return !found
}

// drop removes the values whose dots are in seen.
func (s *siblings[V]) drop(seen *clock.Vector) bool { return s.remove(seen, &siblings[V]{}) }

// remove is drop of those whose dots but has not.
func (s *siblings[V]) remove(seen *clock.Vector, but *siblings[V]) (removed bool) {
	goes := func(o *made[V]) bool { return seen.Has(o.dot) && !but.has(o.dot) }
	if s.more != nil {
		removed = dropFrom(s.more, func(o *made[V]) clock.Dot { return o.dot }, seen, goes)
	}
	if goes(&s.first) {
		s.first, removed = takeFirst(s.more), true
	}
	if s.more != nil && s.more.Len() == 0 {
		s.more = nil
	}
	return removed
}

// join is the causal join of values. To each dot belongs one of these states: unseen, the set of values it came with, gone.
// Sets of values grow, and only where a node had two writers do they have more than one.
func (s *siblings[V]) join(other *siblings[V], mine, theirs *clock.Vector) (changed bool) {
	if s.more == nil && other.more == nil {
		switch {
		case s.first == other.first:
			return false
		case s.isEmpty(): // the common case: a new value
			if mine.Has(other.first.dot) {
				return false
			}
			s.first = other.first
			return true
		case s.first.dot != other.first.dot: // the common case: a value is replaced
			stays := !theirs.Has(s.first.dot)
			comes := !other.isEmpty() && !mine.Has(other.first.dot)
			if !comes || !stays {
				if comes {
					s.first = other.first
				} else if !stays {
					s.first = made[V]{}
				}
				return comes || !stays
			}
		}
	}
	changed = s.remove(theirs, other)
	for o := range other.all {
		if (!mine.Has(o.dot) || s.has(o.dot)) && s.insert(*o) {
			changed = true
		}
	}
	return changed
}

func (s *siblings[V]) equal(other *siblings[V], _ *clock.Vector) bool {
	if s.first != other.first || s.len() != other.len() {
		return false
	}
	for v := range s.all {
		if !other.hasValue(*v) {
			return false
		}
	}
	return true
}

func (s *siblings[V]) dots(v clock.Vector) clock.Vector {
	for o := range s.all {
		v.Add(o.dot)
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
	for o := range c.yes.all {
		if !stable.Has(o.dot) {
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

func (c *contest) insertYes(d clock.Dot) { insertDot(&c.yes, d) }

func (c *contest) insertNo(d clock.Dot) { insertDot(&c.no, d) }

func (c *contest) least() clock.Dot { return lesser(c.yes.least(), c.no.least()) }

func (c *contest) counts(*clock.Vector) bool { return !c.isEmpty() }

// lesser returns the lesser of two dots, of which one may be none.
func lesser(d, e clock.Dot) clock.Dot {
	if d.IsZero() || !e.IsZero() && e.Compare(d) < 0 {
		return e
	}
	return d
}
