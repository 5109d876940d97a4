package crdt

import "cmp"

// MaxRegister keeps the greatest value ever written. The zero MaxRegister holds none and is ready. It is a plain value:
// copy it freely; many goroutines may read one, or one may change it.
type MaxRegister[V cmp.Ordered] struct {
	kept extreme[V]
}

// Write keeps v if it is greater than what r holds, and returns the delta. The error is [ErrNaN].
func (r *MaxRegister[V]) Write(v V) (MaxRegister[V], error) {
	delta, err := extremeOf(v)
	r.kept.keep(delta, 1)
	return MaxRegister[V]{delta}, err
}

// Value returns the value kept, and false if there is none.
func (r *MaxRegister[V]) Value() (V, bool) { return r.kept.value, r.kept.isSet }

// Merge joins other into r and reports whether r changed. Neither order nor repetition matters.
func (r *MaxRegister[V]) Merge(other MaxRegister[V]) bool { return r.kept.keep(other.kept, 1) }

// Equal reports whether the two states are the same.
func (r *MaxRegister[V]) Equal(other MaxRegister[V]) bool { return *r == other }

// Encode appends r to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (r *MaxRegister[V]) Encode(b []byte, values Codec[V]) ([]byte, error) {
	return encode(b, "MaxRegister", func(w *writer) {
		writeOne(w, r.kept.value, r.kept.isSet, values)
	})
}

// Decode replaces r by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then r has not
// changed.
func (r *MaxRegister[V]) Decode(data []byte, values Codec[V], limits Limits) error {
	var read MaxRegister[V]
	err := decode(data, "MaxRegister", limits, func(from *reader) {
		read.kept.value, read.kept.isSet = readOne(from, values)
	})
	if err == nil {
		*r = read
	}
	return err
}

// extreme is a value that only moves one way. It is comparable: no NaN gets in, and no -0.
type extreme[V cmp.Ordered] struct {
	isSet bool
	value V
}

// extremeOf returns the extreme of one value.
func extremeOf[V cmp.Ordered](v V) (extreme[V], error) {
	if v != v {
		return extreme[V]{}, ErrNaN
	}
	var zero V
	if v == zero {
		v = zero // -0 is 0, but not in bytes
	}
	return extreme[V]{true, v}, nil
}

// keep takes the other value if it is further in a direction, 1 up or -1 down.
func (e *extreme[V]) keep(other extreme[V], direction int) bool {
	if !other.isSet || e.isSet && cmp.Compare(other.value, e.value)*direction <= 0 {
		return false
	}
	*e = other
	return true
}
