package crdt

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// PNCounter is an exact counter that goes up and down: two totals a node, of what it has added and of what it has taken
// away, each of which only grows. A delta is both new totals of one node, so one that is lost, late or repeated does no
// harm once a later one arrives, and no replica ever shows a sum that half of a write would give.
//
// The zero PNCounter is 0 and ready. A copy made by assignment shares memory with the original: change only one of the
// two, or [PNCounter.Clone] first. Many goroutines may read a PNCounter, or one may change it.
//
// HAZARD: two writers under one node name lose increments, as in a [GCounter]. Where increments come with dots,
// [ResetCounter] counts each once, whoever wrote it.
type PNCounter struct {
	up, down totals
}

// Add adds amount, which may be negative, as a write of node, and returns the delta, which is empty for 0. The error wraps
// [ErrOverflow]; then c has not changed.
func (c *PNCounter) Add(node clock.Node, amount Decimal) (PNCounter, error) {
	named(node)
	if amount.Sign() == 0 {
		return PNCounter{}, nil
	}
	side := &c.up
	if amount.Sign() < 0 {
		side, amount = &c.down, amount.Neg()
	}
	if _, err := side.add(node, amount); err != nil {
		return PNCounter{}, err
	}
	var delta PNCounter
	delta.up.raise(node, c.up.of(node))
	delta.down.raise(node, c.down.of(node))
	return delta, nil
}

// Value returns what was added less what was taken away.
func (c *PNCounter) Value() Decimal { return c.up.sum().Sub(c.down.sum()) }

// Of returns what one node has contributed to the value.
func (c *PNCounter) Of(node clock.Node) Decimal { return c.up.of(node).Sub(c.down.of(node)) }

// Merge joins other, a state or a delta, into c and reports whether c changed. Neither order nor repetition matters.
func (c *PNCounter) Merge(other PNCounter) bool {
	up, down := c.up.join(other.up), c.down.join(other.down)
	return up || down
}

// Equal reports whether the two states are the same.
func (c *PNCounter) Equal(other PNCounter) bool {
	return c.up.equal(other.up) && c.down.equal(other.down)
}

// Clone returns a copy that shares no memory with c.
func (c *PNCounter) Clone() PNCounter { return PNCounter{slices.Clone(c.up), slices.Clone(c.down)} }

// Encode appends c to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (c *PNCounter) Encode(b []byte) ([]byte, error) {
	return encode(b, "PNCounter", func(w *writer) {
		w.array(2)
		w.totals(c.up)
		w.totals(c.down)
	})
}

// Decode replaces c by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then c has not
// changed.
func (c *PNCounter) Decode(data []byte, limits Limits) error {
	var read PNCounter
	err := decode(data, "PNCounter", limits, func(r *reader) {
		r.tuple(2)
		read.up = r.totals()
		read.down = r.totals()
	})
	if err == nil {
		*c = read
	}
	return err
}
