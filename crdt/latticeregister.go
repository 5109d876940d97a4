package crdt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrUndeclared is wrapped by the error of [LatticeRegister.Write] for a value that its order doesn't name.
var ErrUndeclared = errors.New("value is not in the declared order")

// LatticeRegister keeps the value that stands highest in a declared order: once a ticket is closed somewhere, it is closed
// everywhere.
//
//	status := crdt.LatticeRegister[string]{Order: []string{"new", "open", "closed"}}
//
// With the zero Order every Write is an error. A LatticeRegister is a plain value as long as nobody changes its Order: copy
// it freely; many goroutines may read one, or one may change it.
//
// HAZARD: all replicas must declare one order. A value from a replica that declares more ranks below all that this one
// declares, and is kept until one of these is written.
type LatticeRegister[V comparable] struct {
	// Order names the values, lowest first, each once. It is not merged.
	Order []V

	value V
	isSet bool
}

// Write keeps v if it stands higher than what r holds, and returns the delta. The error wraps [ErrUndeclared].
func (r *LatticeRegister[V]) Write(v V) (LatticeRegister[V], error) {
	delta := LatticeRegister[V]{Order: r.Order}
	if r.rank(v) < 0 {
		return delta, fmt.Errorf("write %v: %w", v, ErrUndeclared)
	}
	delta.value, delta.isSet = v, true
	r.Merge(delta)
	return delta, nil
}

// Value returns the value kept, and false if there is none.
func (r *LatticeRegister[V]) Value() (V, bool) { return r.value, r.isSet }

// Merge joins other into r, by the order of r, and reports whether r changed. Neither order nor repetition of merges
// matters.
func (r *LatticeRegister[V]) Merge(other LatticeRegister[V]) bool {
	if !other.isSet || r.isSet && cmp.Or(cmp.Compare(r.rank(other.value), r.rank(r.value)), compare(other.value, r.value)) <= 0 {
		return false
	}
	r.value, r.isSet = other.value, true
	return true
}

// rank returns the place of v in the order, -1 if it has none.
func (r *LatticeRegister[V]) rank(v V) int { return slices.Index(r.Order, v) }

// Equal reports whether the two hold the same value.
func (r *LatticeRegister[V]) Equal(other LatticeRegister[V]) bool {
	return r.isSet == other.isSet && r.value == other.value
}

// Encode appends r to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (r *LatticeRegister[V]) Encode(b []byte, values Codec[V]) ([]byte, error) {
	return encode(b, "LatticeRegister", func(w *writer) {
		writeOne(w, r.value, r.isSet, values)
	})
}

// Decode replaces r by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then r has not
// changed. The order of r stays.
func (r *LatticeRegister[V]) Decode(data []byte, values Codec[V], limits Limits) error {
	read := LatticeRegister[V]{Order: r.Order}
	err := decode(data, "LatticeRegister", limits, func(from *reader) {
		read.value, read.isSet = readOne(from, values)
	})
	if err == nil {
		*r = read
	}
	return err
}
