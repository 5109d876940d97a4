package crdt

import (
	"errors"

	"github.com/tiebreakhq/tiebreak/clock"
)

// ErrNaN is returned for an element, key or value that does not equal itself: a NaN, or something that holds one. A set
// could never find it again.
var ErrNaN = errors.New("NaN can't be found again once it is kept")

// ORSet is a set in which an add beats a remove that had not seen it (observed remove, add wins). It keeps no tombstones:
// what it remembers of removed elements is that their dots were seen, which costs nothing per element. An element costs
// one dot, however often it was added again.
//
//	us: add apple        eu: remove apple (has not seen the add)        both: apple
//	us: add apple        eu: has seen it, removes apple                 both: nothing
//
// The zero ORSet is empty and ready. A copy made by assignment shares memory with the original: change only one of the
// two, or [ORSet.Clone] first. Many goroutines may read an ORSet, or one may change it.
//
// (Bieniusa, Zawirski, Preguiça, Shapiro, Baquero, Balegas, Duarte, "An optimized conflict-free replicated set", 2012.)
type ORSet[E comparable] struct {
	state causal[keyed[E, dotSet, *dotSet], *keyed[E, dotSet, *dotSet]]
}

// Add puts e into s as a write of node, and returns the delta. An add always counts as a new write, even of what is there
// already: it beats a remove elsewhere that has not seen it. The error is [ErrNaN].
func (s *ORSet[E]) Add(node clock.Node, e E) (ORSet[E], error) {
	if e != e {
		return ORSet[E]{}, ErrNaN
	}
	return ORSet[E]{writeKey(&s.state, e, next(&s.state.seen, node), insertDot)}, nil
}

// Remove takes e out of s and returns the delta. It needs no node: a remove leaves no dot of its own. Of an element that
// is not there, the delta is empty.
func (s *ORSet[E]) Remove(e E) ORSet[E] {
	return ORSet[E]{writeKey(&s.state, e, clock.Dot{}, nil)}
}

// Clear takes all elements out of s that are there, and returns the delta.
func (s *ORSet[E]) Clear() ORSet[E] { return ORSet[E]{s.state.clear()} }

// AddAt applies an add that was made elsewhere: its dot, and all its writer had seen, which may be more than s has. The
// add replaces older adds of e among them. Operations may come in any order and more than once. It reports whether s
// changed; applied to an empty set it makes the delta of the operation. The error is [ErrNaN].
func (s *ORSet[E]) AddAt(d clock.Dot, e E, seen clock.Vector) (bool, error) {
	if e != e {
		return false, ErrNaN
	}
	return s.state.body.write(e, d, &seen, &s.state.seen, insertDot), nil
}

// RemoveAt applies a remove that was made elsewhere, as [ORSet.AddAt] does an add: it removes exactly those adds of e that
// are in seen, also those that arrive only later. The dot is the remove's own; zero if it has none.
func (s *ORSet[E]) RemoveAt(d clock.Dot, e E, seen clock.Vector) bool {
	if e != e { // it was never added
		return s.state.seen.Add(d)
	}
	return s.state.body.write(e, d, &seen, &s.state.seen, nil)
}

// ClearAt applies a clear that was made elsewhere: it removes every add that is in seen.
func (s *ORSet[E]) ClearAt(d clock.Dot, seen clock.Vector) bool { return s.state.clearAt(d, seen) }

// Has reports whether e is in s.
func (s *ORSet[E]) Has(e E) bool { return s.state.body.held.find(e) >= 0 }

// Len returns the number of elements.
func (s *ORSet[E]) Len() int { return len(s.state.body.held.rows) }

// Elements returns the elements, ascending.
func (s *ORSet[E]) Elements() []E { return s.state.body.keys() }

// Seen returns all dots that s has seen: what an operation made here had seen.
func (s *ORSet[E]) Seen() clock.Vector { return s.state.seen.Clone() }

// Note tells s that of all the dots in delivered none is on its way to it: each was applied, or was never meant for it. A
// replica whose dots number the writes to many keys says so from time to time, and s needs less memory for it.
func (s *ORSet[E]) Note(delivered clock.Vector) {
	noteKeys(&s.state, delivered)
}

// See is [ORSet.Note] for who calls it with every operation: s does not look through all that it waits for.
func (s *ORSet[E]) See(delivered clock.Vector) { s.state.seen.Merge(delivered) }

// Merge joins other, a state or a delta, into s and reports whether s changed. Neither order nor repetition matters:
//
//	merge(a, a) = a,  merge(a, b) = merge(b, a),  merge(merge(a, b), c) = merge(a, merge(b, c))
//
// Its cost grows with other alone as long as other has not seen removes of what s still has.
func (s *ORSet[E]) Merge(other ORSet[E]) bool { return s.state.merge(&other.state) }

// MergeFunc merges as [ORSet.Merge] does, and then calls each for every element that came or went by it, ascending. It must
// not change s.
func (s *ORSet[E]) MergeFunc(other ORSet[E], each func(e E, isIn bool)) bool {
	return mergeMembers(&s.state, &other.state, func(d *dotSet) bool { return !d.isEmpty() }, each)
}

// Reused returns the dots that make one element in s and another one in other, a state or a delta. It is empty as long as
// every node is one writer, and is asked before [ORSet.Merge], which keeps neither of the two. What only one side still
// holds can't be told.
func (s *ORSet[E]) Reused(other ORSet[E]) clock.Vector {
	return s.state.body.reused(&other.state.body, &s.state.seen)
}

// Equal reports whether the two states are the same, so that no merge will ever tell them apart.
func (s *ORSet[E]) Equal(other ORSet[E]) bool { return s.state.equal(&other.state) }

// Clone returns a copy that shares no memory with s.
func (s *ORSet[E]) Clone() ORSet[E] { return ORSet[E]{s.state.clone()} }

// Encode appends s to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (s *ORSet[E]) Encode(b []byte, elements Codec[E]) ([]byte, error) {
	return encodeCausal(b, "ORSet", &s.state, keyedForm[E, dotSet](elements, dotsForm))
}

// Decode replaces s by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then s has not
// changed.
func (s *ORSet[E]) Decode(data []byte, elements Codec[E], limits Limits) error {
	state, err := decodeCausal[keyed[E, dotSet, *dotSet]](data, "ORSet", limits, keyedForm[E, dotSet](elements, dotsForm))
	if err == nil {
		s.state = state
	}
	return err
}

func (ORSet[E]) nestable() {}

func (s *ORSet[E]) parts() (*clock.Vector, body) { return s.state.parts() }
