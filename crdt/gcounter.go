package crdt

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// GCounter is an exact counter that only grows: each node keeps the total of what it has added, merging takes the greater
// total of each node, the value is the sum. A delta is the new total of one node, so one that is lost, late or repeated
// does no harm once a later one arrives.
//
// The zero GCounter is 0 and ready. A copy made by assignment shares memory with the original: change only one of the two,
// or [GCounter.Clone] first. Many goroutines may read a GCounter, or one may change it.
//
// HAZARD: two writers under one node name, or one restored from an old copy that adds before it has merged with others,
// raise one total side by side, and the lesser is lost: 1 + 1 = 1.
type GCounter struct {
	up totals
}

// Add adds amount as a write of node, and returns the delta, which is empty for 0. The error wraps [ErrAmount] or
// [ErrOverflow]; then c has not changed.
func (c *GCounter) Add(node clock.Node, amount Decimal) (GCounter, error) {
	named(node)
	up, err := c.up.add(node, amount)
	return GCounter{up}, err
}

// Value returns the sum of all that was added.
func (c *GCounter) Value() Decimal { return c.up.sum() }

// Of returns what one node has added.
func (c *GCounter) Of(node clock.Node) Decimal { return c.up.of(node) }

// Merge joins other, a state or a delta, into c and reports whether c changed. Neither order nor repetition matters.
func (c *GCounter) Merge(other GCounter) bool { return c.up.join(other.up) }

// Equal reports whether the two states are the same.
func (c *GCounter) Equal(other GCounter) bool { return c.up.equal(other.up) }

// Clone returns a copy that shares no memory with c.
func (c *GCounter) Clone() GCounter { return GCounter{slices.Clone(c.up)} }

// Encode appends c to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (c *GCounter) Encode(b []byte) ([]byte, error) {
	return encode(b, "GCounter", func(w *writer) {
		w.totals(c.up)
	})
}

// Decode replaces c by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then c has not
// changed.
func (c *GCounter) Decode(data []byte, limits Limits) error {
	var read GCounter
	err := decode(data, "GCounter", limits, func(r *reader) {
		read.up = r.totals()
	})
	if err == nil {
		*c = read
	}
	return err
}
