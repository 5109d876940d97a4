package crdt

import "github.com/tiebreakhq/tiebreak/clock"

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

// Write replaces the values that r holds by v, as a write of node, and returns the delta. The error is [ErrNaN].
func (r *MVRegister[V]) Write(node clock.Node, v V) (MVRegister[V], error) {
	if v != v {
		return MVRegister[V]{}, ErrNaN
	}
	d := next(&r.state.seen, node)
	return MVRegister[V]{r.state.write(d, siblingOf(d, v))}, nil
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
	return r.state.writeAt(d, seen, siblingOf(d, v)), nil
}

// ClearAt applies a clear that was made elsewhere: it removes the values whose dots are in seen, also those that arrive
// only later. The dot is the clear's own; zero if it has none.
func (r *MVRegister[V]) ClearAt(d clock.Dot, seen clock.Vector) bool { return r.state.clearAt(d, seen) }

// Values returns the values, in the order of their dots.
func (r *MVRegister[V]) Values() []V {
	values := make([]V, 0, r.Len())
	for s := range r.state.body.all {
		values = append(values, s.value)
	}
	return values
}

// Siblings returns the values with their dots, in the order of the dots.
func (r *MVRegister[V]) Siblings() []Sibling[V] {
	all := make([]Sibling[V], 0, r.Len())
	for s := range r.state.body.all {
		all = append(all, Sibling[V]{s.dot, s.value})
	}
	return all
}

// Has reports whether v is one of the values, as that of the dot d.
func (r *MVRegister[V]) Has(d clock.Dot, v V) bool {
	return r.state.body.hasValue(made[V]{v, d})
}

// Len returns the number of values.
func (r *MVRegister[V]) Len() int { return r.state.body.len() }

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
