package crdt

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// dotSet is a small set of dots. Almost always it has one, which costs no allocation. The zero dotSet is empty.
type dotSet struct {
	first clock.Dot

	// Invariant: ascending, all after first, empty while first is zero. Its array is never changed, so copies may share it.
	more []clock.Dot
}

func (s *dotSet) isEmpty() bool { return s.first.IsZero() }

func (s *dotSet) len() int {
	if s.isEmpty() {
		return 0
	}
	return 1 + len(s.more)
}

func (s *dotSet) least() clock.Dot { return s.first }

func (s *dotSet) counts(*clock.Vector) bool { return !s.isEmpty() }

func (s *dotSet) at(i int) clock.Dot {
	if i == 0 {
		return s.first
	}
	return s.more[i-1]
}

// insert adds a dot, which may be there already.
func (s *dotSet) insert(d clock.Dot) {
	if s.isEmpty() {
		s.first = d
		return
	}
	all := append(make([]clock.Dot, 0, s.len()+1), s.first)
	all = append(all, s.more...)
	if i, found := slices.BinarySearchFunc(all, d, clock.Dot.Compare); !found {
		*s = dotSetOf(slices.Insert(all, i, d))
	}
}

// drop removes the dots that are in seen.
func (s *dotSet) drop(seen *clock.Vector) bool {
	if s.len() == 1 { // the common case
		if seen.Has(s.first) {
			*s = dotSet{}
			return true
		}
		return false
	}
	var left []clock.Dot
	for i := range s.len() {
		if d := s.at(i); !seen.Has(d) {
			left = append(left, d)
		}
	}
	if len(left) == s.len() {
		return false
	}
	*s = dotSetOf(left)
	return true
}

// join is the causal join: a dot lives on if both sides have it, or if one side has it and the other has never seen it.
func (s *dotSet) join(other *dotSet, mine, theirs *clock.Vector) bool {
	if s.first == other.first && len(s.more) == 0 && len(other.more) == 0 {
		return false
	}
	if s.isEmpty() && len(other.more) == 0 { // the common case: a new element
		if mine.Has(other.first) {
			return false
		}
		s.first = other.first
		return true
	}
	if s.len() <= 1 && len(other.more) == 0 { // the common case: an element added again
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
	var joined []clock.Dot
	i, j := 0, 0
	for i < s.len() || j < other.len() {
		c := -1
		switch {
		case i == s.len():
			c = 1
		case j < other.len():
			c = s.at(i).Compare(other.at(j))
		}
		switch {
		case c == 0:
			joined = append(joined, s.at(i))
			i, j = i+1, j+1
		case c < 0:
			if d := s.at(i); !theirs.Has(d) {
				joined = append(joined, d)
			}
			i++
		default:
			if d := other.at(j); !mine.Has(d) {
				joined = append(joined, d)
			}
			j++
		}
	}
	result := dotSetOf(joined)
	if result.equal(s, nil) {
		return false
	}
	*s = result
	return true
}

func (s *dotSet) equal(other *dotSet, _ *clock.Vector) bool {
	return s.first == other.first && slices.Equal(s.more, other.more)
}

func (s *dotSet) dots(v clock.Vector) clock.Vector {
	for i := range s.len() {
		v.Add(s.at(i))
	}
	return v
}

// dotSetOf takes ascending dots, and keeps them.
func dotSetOf(dots []clock.Dot) dotSet {
	switch len(dots) {
	case 0:
		return dotSet{}
	case 1:
		return dotSet{first: dots[0]}
	}
	return dotSet{first: dots[0], more: dots[1:]}
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
	for i := range c.yes.len() {
		if !stable.Has(c.yes.at(i)) {
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
