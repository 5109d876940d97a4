package crdt

import (
	"bytes"
	"slices"
)

// GSet is a set that only grows: merging is union. The zero GSet is empty and ready. A copy made by assignment shares
// memory with the original: change only one of the two, or [GSet.Clone] first. Many goroutines may read a GSet, or one
// may change it.
type GSet[E comparable] struct {
	held table[E, struct{}]
}

// Add puts e into s and returns the delta, which is empty if e was there. The error is [ErrNaN]. It needs neither node nor
// dot: all adds of an element are one.
func (s *GSet[E]) Add(e E) (GSet[E], error) {
	var delta GSet[E]
	if e != e {
		return delta, ErrNaN
	}
	if _, isNew := s.held.need(e); isNew {
		delta.held.add(e)
	}
	return delta, nil
}

// Has reports whether e is in s.
func (s *GSet[E]) Has(e E) bool { return s.held.find(e) >= 0 }

// Len returns the number of elements.
func (s *GSet[E]) Len() int { return len(s.held.rows) }

// Elements returns the elements, ascending.
func (s *GSet[E]) Elements() []E {
	elements := make([]E, len(s.held.rows))
	for i := range s.held.rows {
		elements[i] = s.held.rows[i].key
	}
	slices.SortFunc(elements, compare)
	return elements
}

// Merge joins other, a state or a delta, into s and reports whether s changed. Neither order nor repetition matters.
func (s *GSet[E]) Merge(other GSet[E]) bool {
	before := len(s.held.rows)
	if before == 0 {
		s.held.grow(len(other.held.rows))
	}
	for i := range other.held.rows {
		s.held.need(other.held.rows[i].key)
	}
	return len(s.held.rows) > before
}

// MergeFunc merges as [GSet.Merge] does, and then calls each for every element that came by it, ascending. It must not
// change s.
func (s *GSet[E]) MergeFunc(other GSet[E], each func(e E)) bool {
	before := len(s.held.rows)
	changed := s.Merge(other)
	come := make([]E, 0, len(s.held.rows)-before)
	for i := range s.held.rows[before:] {
		come = append(come, s.held.rows[before+i].key)
	}
	slices.SortFunc(come, compare)
	for _, e := range come {
		each(e)
	}
	return changed
}

// Equal reports whether the two sets have the same elements.
func (s *GSet[E]) Equal(other GSet[E]) bool {
	if len(s.held.rows) != len(other.held.rows) {
		return false
	}
	for i := range s.held.rows {
		if other.held.find(s.held.rows[i].key) < 0 {
			return false
		}
	}
	return true
}

// Clone returns a copy that shares no memory with s.
func (s *GSet[E]) Clone() GSet[E] {
	var c GSet[E]
	c.Merge(*s)
	return c
}

// Encode appends s to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (s *GSet[E]) Encode(b []byte, elements Codec[E]) ([]byte, error) {
	return encode(b, "GSet", func(w *writer) {
		w.array(len(s.held.rows))
		start := len(w.b)
		pieces := make([]piece, len(s.held.rows))
		for i := range s.held.rows {
			pieces[i].from = len(w.b) - start
			w.b = elements.Append(w.b, s.held.rows[i].key)
			pieces[i].to = len(w.b) - start
		}
		unsorted := bytes.Clone(w.b[start:])
		sortPieces(unsorted, pieces)
		w.b = w.b[:start]
		for _, p := range pieces {
			w.b = append(w.b, p.of(unsorted)...)
		}
	})
}

// Decode replaces s by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then s has not
// changed.
func (s *GSet[E]) Decode(data []byte, elements Codec[E], limits Limits) error {
	var read GSet[E]
	err := decode(data, "GSet", limits, func(r *reader) {
		n := r.array()
		read.held.grow(r.room(n))
		var last []byte
		for range n {
			before := r.b
			e := readValue(r, elements)
			bytesOf := before[:len(before)-len(r.b)]
			if last != nil && bytes.Compare(last, bytesOf) >= 0 {
				r.fail("elements are not ascending")
			}
			if _, isNew := read.held.need(e); !isNew {
				r.fail("an element stands twice")
				return
			}
			last = bytesOf
		}
	})
	if err == nil {
		*s = read
	}
	return err
}
