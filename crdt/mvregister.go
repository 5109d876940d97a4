package crdt

import (
	"cmp"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// MVRegister keeps every value that no other write had seen (multi-value register): one after writes that knew of each
// other, siblings after concurrent ones, never more than there were concurrent writers, once no delta is missing. A write
// replaces all it has seen.
//
//	us: a (seen nothing)   eu: b (seen nothing)   both: a and b
//	us: c (seen both)                             both: c
//
// If one dot comes with two values, its node had two writers. Both values are kept as siblings, on every replica.
//
// The zero MVRegister is empty and ready. A copy made by assignment shares memory with the original: change only one of
// the two, or [MVRegister.Clone] first. Many goroutines may read an MVRegister, or one may change it.
//
// Values are compared with == to tell redelivery from two writers, and listed in the order of their dots. A value that is
// not equal to itself can't be kept: [ErrNaN].
type MVRegister[V comparable] struct {
	state causal[siblings[V], *siblings[V]]
}

// Sibling is one value of an [MVRegister] and the write that made it.
type Sibling[V comparable] struct {
	Dot   clock.Dot
	Value V
}

// siblings are ascending, each once. The array is never changed once it is filled.
type siblings[V comparable] []Sibling[V]

// Write replaces the values that r holds by v, as a write of node, and returns the delta. The error is [ErrNaN].
func (r *MVRegister[V]) Write(node clock.Node, v V) (MVRegister[V], error) {
	if v != v {
		return MVRegister[V]{}, ErrNaN
	}
	d := next(&r.state.seen, node)
	return MVRegister[V]{r.state.write(d, siblings[V]{{d, v}})}, nil
}

// Clear removes the values that r holds, and returns the delta. Values written elsewhere that it has not seen stay.
func (r *MVRegister[V]) Clear() MVRegister[V] { return MVRegister[V]{r.state.clear()} }

// WriteAt applies a write that was made elsewhere: its dot, and all its writer had seen, which may be more than r has.
// Operations may come in any order and more than once. It reports whether r changed; applied to an empty register it
// makes the delta of the operation. The error is [ErrNaN].
func (r *MVRegister[V]) WriteAt(d clock.Dot, v V, seen clock.Vector) (bool, error) {
	if v != v {
		return false, ErrNaN
	}
	return r.state.writeAt(d, seen, siblings[V]{{d, v}}), nil
}

// ClearAt applies a clear that was made elsewhere: it removes the values whose dots are in seen, also those that arrive
// only later. The dot is the clear's own; zero if it has none.
func (r *MVRegister[V]) ClearAt(d clock.Dot, seen clock.Vector) bool { return r.state.clearAt(d, seen) }

// Values returns the values, in the order of their dots.
func (r *MVRegister[V]) Values() []V {
	values := make([]V, len(r.state.body))
	for i, s := range r.state.body {
		values[i] = s.Value
	}
	return values
}

// Siblings returns the values with their dots, in the order of the dots.
func (r *MVRegister[V]) Siblings() []Sibling[V] { return slices.Clone(r.state.body) }

// Len returns the number of values.
func (r *MVRegister[V]) Len() int { return len(r.state.body) }

// Seen returns all dots that r has seen: what an operation made here had seen.
func (r *MVRegister[V]) Seen() clock.Vector { return r.state.seen.Clone() }

// Note tells r that of all the dots in delivered none is on its way to it, as [ORSet.Note] does.
func (r *MVRegister[V]) Note(delivered clock.Vector) { r.state.seen.Merge(delivered) }

// Merge joins other, a state or a delta, into r and reports whether r changed. Neither order nor repetition matters.
func (r *MVRegister[V]) Merge(other MVRegister[V]) bool { return r.state.merge(&other.state) }

// Equal reports whether the two states are the same, so that no merge will ever tell them apart.
func (r *MVRegister[V]) Equal(other MVRegister[V]) bool { return r.state.equal(&other.state) }

// Clone returns a copy that shares no memory with r.
func (r *MVRegister[V]) Clone() MVRegister[V] { return MVRegister[V]{r.state.clone()} }

// Encode appends r to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (r *MVRegister[V]) Encode(b []byte, values Codec[V]) ([]byte, error) {
	return encodeCausal(b, "MVRegister", &r.state, siblingsForm(values))
}

// Decode replaces r by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then r has not
// changed.
func (r *MVRegister[V]) Decode(data []byte, values Codec[V], limits Limits) error {
	state, err := decodeCausal[siblings[V]](data, "MVRegister", limits, siblingsForm(values))
	if err == nil {
		r.state = state
	}
	return err
}

func (MVRegister[V]) nestable() {}

func (r *MVRegister[V]) parts() (*clock.Vector, body) { return r.state.parts() }

func compareSiblings[V comparable](a, b Sibling[V]) int {
	if c := a.Dot.Compare(b.Dot); c != 0 { // mostly; comparing values of any type is slow
		return c
	}
	return compare(a.Value, b.Value)
}

// join is the causal join of values. To each dot belongs one of these states: unseen, the set of values it came with, gone.
// Sets of values grow, and only where a node had two writers do they have more than one.
func (s *siblings[V]) join(other *siblings[V], mine, theirs *clock.Vector) bool {
	if slices.Equal(*s, *other) {
		return false
	}
	joined := make(siblings[V], 0, len(*s)+len(*other))
	for a, b := *s, *other; len(a)+len(b) > 0; {
		order := cmp.Compare(len(b), len(a)) // when one of them is at its end
		if len(a) > 0 && len(b) > 0 {
			order = a[0].Dot.Compare(b[0].Dot)
		}
		n, m := 0, 0 // the values of the next dot
		if order <= 0 {
			n = a.first()
		}
		if order >= 0 {
			m = b.first()
		}
		if order == 0 || n > 0 && !theirs.Has(a[0].Dot) || m > 0 && !mine.Has(b[0].Dot) {
			joined = unite(joined, a[:n], b[:m])
		}
		a, b = a[n:], b[m:]
	}
	if slices.Equal(joined, *s) {
		return false
	}
	*s = joined
	return true
}

// first returns how many values came with the first dot.
func (s siblings[V]) first() int {
	n := 1
	for n < len(s) && s[n].Dot == s[0].Dot {
		n++
	}
	return n
}

// unite appends the values of one dot in two lists, ascending, each once.
func unite[V comparable](to, a, b siblings[V]) siblings[V] {
	for len(a) > 0 && len(b) > 0 {
		switch order := compareSiblings(a[0], b[0]); {
		case order < 0:
			to, a = append(to, a[0]), a[1:]
		case order > 0:
			to, b = append(to, b[0]), b[1:]
		default:
			to, a, b = append(to, a[0]), a[1:], b[1:]
		}
	}
	return append(append(to, a...), b...)
}

func (s *siblings[V]) isEmpty() bool { return len(*s) == 0 }

func (s *siblings[V]) len() int { return len(*s) }

func (s *siblings[V]) least() (d clock.Dot) {
	if len(*s) > 0 {
		d = (*s)[0].Dot
	}
	return d
}

func (s *siblings[V]) counts(*clock.Vector) bool { return len(*s) > 0 }

func (s *siblings[V]) equal(other *siblings[V], _ *clock.Vector) bool {
	return slices.Equal(*s, *other)
}

func (s *siblings[V]) dots(v clock.Vector) clock.Vector {
	for _, sibling := range *s {
		v.Add(sibling.Dot)
	}
	return v
}

// drop removes the values whose dots are in seen.
func (s *siblings[V]) drop(seen *clock.Vector) bool {
	var left siblings[V]
	for _, sibling := range *s {
		if !seen.Has(sibling.Dot) {
			left = append(left, sibling)
		}
	}
	if len(left) == len(*s) {
		return false
	}
	*s = left
	return true
}
