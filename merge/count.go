package merge

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// count adds each increment once: counter. A delete undoes the increments that it had seen.
type count struct {
	counter crdt.ResetCounter
	resets  clock.Vector // what the deletes had seen of what is not settled

	settled clock.Vector // the horizon at which it was settled last; shared, and no part of the state
}

func (n *count) apply(_ *Rule, c *Claim) {
	if c.Kind == Delete {
		n.counter.ResetAt(c.Op.Dot, c.Op.Seen)
		n.resets.Merge(c.Op.Seen.Minus(n.settled))
		return
	}
	if amount, ok := increment(c); ok {
		n.counter.AddAt(c.Op.Dot, amount)
	}
}

// MaxIncrementDigits is how many digits an increment may have before the point, and how many after it: then no sum has more of
// them than [crdt.MaxDigits] allows, and what was counted can be written and read.
const MaxIncrementDigits = crdt.MaxDigits/2 - 100

// increment is difference, as far as a counter counts it.
func increment(c *Claim) (amount crdt.Decimal, ok bool) {
	amount, ok = difference(c)
	return amount, ok && amount.Fits(MaxIncrementDigits, MaxIncrementDigits)
}

// difference returns by how much a claim raises a counter: what it adds, or, of an absolute value, the difference to what it
// replaced. A before-image of null says that there was nothing, which counts as 0.
func difference(c *Claim) (amount crdt.Decimal, ok bool) {
	now, err := c.Value.Decimal()
	if err != nil {
		return amount, false
	}
	switch {
	case c.Kind == Add:
		return now, true
	case c.Kind != Set || c.Before.IsAbsent():
		return amount, false
	case c.Before == value.Null:
		return now, true
	}
	was, err := c.Before.Decimal()
	if err != nil {
		return amount, false
	}
	return now.Sub(was), true
}

// Increments is what a counter shows that nothing but increments were applied to, for those who know that each of theirs is
// another one and need not remember which. The zero Increments is none.
type Increments struct{ total crdt.Decimal }

// Add adds the increment that an [Add] of a value is. It reports false, and adds nothing, when the value is no number.
func (s *Increments) Add(v value.Value) bool {
	amount, ok := increment(&Claim{Kind: Add, Value: v})
	if ok {
		s.total = s.total.Add(amount)
	}
	return ok
}

// Value returns the sum.
func (s *Increments) Value() value.Value { return value.Number(s.total) }

func (n *count) merge(_ *Rule, from state) (changed bool) {
	o := from.(*count)
	changed = n.counter.Merge(o.counter)
	if resets := o.resets.Minus(n.settled); !n.resets.Covers(resets) {
		n.resets.Merge(resets)
		changed = true
	}
	return changed
}

func (n *count) equal(other state) bool {
	o := other.(*count)
	return n.counter.Equal(o.counter) && n.resets.Equal(o.resets)
}

func (n *count) settle(horizon clock.Vector) {
	n.counter.Settle(horizon)
	n.settled = horizon
	n.resets = n.resets.Minus(horizon) // they say what became of operations that won't be asked about any more
}

func (n *count) encode(w *encoder) {
	w.Array(2)
	w.Vector(&n.resets)
	w.frame(n.counter.Encode)
}

func (n *count) decode(r *decoder) {
	r.Tuple(2)
	n.resets = r.Vector()
	r.Check(n.counter.Decode(r.View(), r.inner()))
}

func (n *count) judge(_ *Rule, c *Claim) Verdict {
	if c.Kind == Delete {
		return Verdict{Outcome: Combined}
	}
	if _, ok := increment(c); !ok {
		missing := c.Kind == Set && c.Before.IsAbsent()
		return Verdict{Outcome: Lost, By: rank, Missing: missing, Mismatch: !missing}
	}
	if n.resets.Has(c.Op.Dot) {
		return Verdict{Outcome: Overwritten}
	}
	return Verdict{Outcome: Combined}
}

func (n *count) value(*Rule) value.Value { return value.Number(n.counter.Value()) }

func (n *count) write(*Rule) (Write, bool) { return Write{}, false }
