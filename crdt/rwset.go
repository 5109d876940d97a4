package crdt

import "github.com/tiebreakhq/tiebreak/clock"

// RWSet is a set in which a remove beats an add that had not seen it (remove wins). Of the adds and removes of an element
// those count that no other one had seen: it is in the set when there are some and none of them is a remove.
//
//	us: add apple        eu: remove apple (has not seen the add)        both: nothing
//	us: add apple        eu: has seen it, removes it, us adds it again having seen that        both: apple
//
// An element that was removed leaves the dot of its remove behind, for an add that has not seen it may still arrive;
// [RWSet.Forget] takes it away once none can. The zero RWSet is empty and ready. A copy made by assignment shares memory
// with the original: change only one of the two, or [RWSet.Clone] first. Many goroutines may read an RWSet, or one may
// change it.
type RWSet[E comparable] struct {
	state causal[keyed[E, contest, *contest], *keyed[E, contest, *contest]]
}

// Add puts e into s as a write of node, and returns the delta. The error is [ErrNaN].
func (s *RWSet[E]) Add(node clock.Node, e E) (RWSet[E], error) {
	if e != e {
		return RWSet[E]{}, ErrNaN
	}
	return RWSet[E]{writeKey(&s.state, e, next(&s.state.seen, node), (*contest).insertYes)}, nil
}

// Remove takes e out of s as a write of node, whether it is there or not, and returns the delta: adds of e elsewhere
// that have not seen it are beaten. The error is [ErrNaN].
func (s *RWSet[E]) Remove(node clock.Node, e E) (RWSet[E], error) {
	if e != e {
		return RWSet[E]{}, ErrNaN
	}
	return RWSet[E]{writeKey(&s.state, e, next(&s.state.seen, node), (*contest).insertNo)}, nil
}

// Clear forgets all adds and removes that s has seen, and returns the delta. It beats no add that has not seen it.
func (s *RWSet[E]) Clear() RWSet[E] { return RWSet[E]{s.state.clear()} }

// AddAt applies an add that was made elsewhere: its dot, and all its writer had seen, which may be more than s has. It
// replaces the adds and removes of e among them. Operations may come in any order and more than once. It reports whether
// s changed; applied to an empty set it makes the delta of the operation. The error is [ErrNaN].
func (s *RWSet[E]) AddAt(d clock.Dot, e E, seen clock.Vector) (bool, error) {
	if e != e {
		return false, ErrNaN
	}
	return s.state.body.write(e, d, &seen, &s.state.seen, (*contest).insertYes), nil
}

// RemoveAt applies a remove that was made elsewhere, as [RWSet.AddAt] does an add.
func (s *RWSet[E]) RemoveAt(d clock.Dot, e E, seen clock.Vector) (bool, error) {
	if e != e {
		return false, ErrNaN
	}
	return s.state.body.write(e, d, &seen, &s.state.seen, (*contest).insertNo), nil
}

// ClearAt applies a clear that was made elsewhere: it forgets every add and every remove that is in seen.
func (s *RWSet[E]) ClearAt(d clock.Dot, seen clock.Vector) bool { return s.state.clearAt(d, seen) }

// Forget takes away what is left of removes in stable.
//
// HAZARD: stable must be causally stable: every operation that has not arrived here yet has seen all of it. The least of
// what all nodes have acknowledged is. Otherwise an add that a remove should have beaten may come back.
func (s *RWSet[E]) Forget(stable clock.Vector) {
	for i := len(s.state.body.held.rows) - 1; i >= 0; i-- {
		c := &s.state.body.held.rows[i].held
		if c.forget(&stable); c.isEmpty() {
			s.state.body.held.remove(i)
		}
	}
}

// Has reports whether e is in s.
func (s *RWSet[E]) Has(e E) bool {
	c := s.state.body.held.get(e)
	return c != nil && c.agreed()
}

// Len returns the number of elements. It walks over all of them.
func (s *RWSet[E]) Len() (n int) {
	for i := range s.state.body.held.rows {
		n += btoi(s.state.body.held.rows[i].held.agreed())
	}
	return n
}

// Elements returns the elements, ascending.
func (s *RWSet[E]) Elements() []E {
	var present []E
	for _, e := range s.state.body.keys() {
		if s.Has(e) {
			present = append(present, e)
		}
	}
	return present
}

// Seen returns all dots that s has seen: what an operation made here had seen.
func (s *RWSet[E]) Seen() clock.Vector { return s.state.seen.Clone() }

// Note tells s that of all the dots in delivered none is on its way to it, as [ORSet.Note] does.
func (s *RWSet[E]) Note(delivered clock.Vector) {
	noteKeys(&s.state, delivered)
}

// See is [RWSet.Note] for who calls it with every operation, as [ORSet.See] is.
func (s *RWSet[E]) See(delivered clock.Vector) { s.state.seen.Merge(delivered) }

// Merge joins other, a state or a delta, into s and reports whether s changed. Neither order nor repetition matters.
func (s *RWSet[E]) Merge(other RWSet[E]) bool { return s.state.merge(&other.state) }

// MergeFunc merges as [RWSet.Merge] does, and then calls each for every element that came or went by it, ascending. It must
// not change s.
func (s *RWSet[E]) MergeFunc(other RWSet[E], each func(e E, isIn bool)) bool {
	return mergeMembers(&s.state, &other.state, (*contest).agreed, each)
}

// Reused returns the dots that are about one element in s and about another one in other, as [ORSet.Reused] does.
func (s *RWSet[E]) Reused(other RWSet[E]) clock.Vector {
	return s.state.body.reused(&other.state.body, &s.state.seen)
}

// Equal reports whether the two states are the same, so that no merge will ever tell them apart.
func (s *RWSet[E]) Equal(other RWSet[E]) bool { return s.state.equal(&other.state) }

// Clone returns a copy that shares no memory with s.
func (s *RWSet[E]) Clone() RWSet[E] { return RWSet[E]{s.state.clone()} }

// Encode appends s to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (s *RWSet[E]) Encode(b []byte, elements Codec[E]) ([]byte, error) {
	return encodeCausal(b, "RWSet", &s.state, keyedForm[E, contest](elements, contestForm))
}

// Decode replaces s by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then s has not
// changed.
func (s *RWSet[E]) Decode(data []byte, elements Codec[E], limits Limits) error {
	state, err := decodeCausal[keyed[E, contest, *contest]](data, "RWSet", limits, keyedForm[E, contest](elements, contestForm))
	if err == nil {
		s.state = state
	}
	return err
}

func (RWSet[E]) nestable() {}

func (s *RWSet[E]) parts() (*clock.Vector, body) { return s.state.parts() }
