package crdt

import "cmp"

// MinRegister keeps the least value ever written. The zero MinRegister holds none and is ready. It is a plain value: copy
// it freely; many goroutines may read one, or one may change it.
type MinRegister[V cmp.Ordered] struct {
	kept extreme[V]
}

// Write keeps v if it is less than what r holds, and returns the delta. The error is [ErrNaN].
func (r *MinRegister[V]) Write(v V) (MinRegister[V], error) {
	delta, err := extremeOf(v)
	r.kept.keep(delta, -1)
	return MinRegister[V]{delta}, err
}

// Value returns the value kept, and false if there is none.
func (r *MinRegister[V]) Value() (V, bool) { return r.kept.value, r.kept.isSet }

// Merge joins other into r and reports whether r changed. Neither order nor repetition matters.
func (r *MinRegister[V]) Merge(other MinRegister[V]) bool { return r.kept.keep(other.kept, -1) }

// Equal reports whether the two states are the same.
func (r *MinRegister[V]) Equal(other MinRegister[V]) bool { return *r == other }

// Encode appends r to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (r *MinRegister[V]) Encode(b []byte, values Codec[V]) ([]byte, error) {
	return encode(b, "MinRegister", func(w *writer) {
		writeOne(w, r.kept.value, r.kept.isSet, values)
	})
}

// Decode replaces r by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then r has not
// changed.
func (r *MinRegister[V]) Decode(data []byte, values Codec[V], limits Limits) error {
	var read MinRegister[V]
	err := decode(data, "MinRegister", limits, func(from *reader) {
		read.kept.value, read.kept.isSet = readOne(from, values)
	})
	if err == nil {
		*r = read
	}
	return err
}
