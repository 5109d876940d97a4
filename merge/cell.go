package merge

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Cell is the state of one key and field under its rule. [Rule.NewCell] makes one. A cell is a function of the set of
// operations that were applied to it: neither their order nor their repetition shows, and cells of one rule merge. A copy
// made by assignment may share memory with the original: merge it into a new cell to copy it. One goroutine at a time may
// use a cell.
type Cell struct {
	rule *Rule
	kept selection // of the rules that select one write, the state: most cells are of these, and so make no garbage
	more state     // of all others, and then not nil
}

// state returns what the cell's rule works on.
func (c *Cell) state() state {
	if c.more != nil {
		return c.more
	}
	return &c.kept
}

// state is what a family of rules keeps.
type state interface {
	apply(r *Rule, c *Claim)
	merge(r *Rule, from state) (changed bool)
	equal(other state) bool

	// settle folds what only operations before the horizon could need. It may keep the horizon, which nobody changes.
	settle(horizon clock.Vector)

	// encode writes one item, and decode reads it into an empty state.
	encode(w *encoder)
	decode(r *decoder)

	// judge says what became of a claim that was applied.
	judge(r *Rule, c *Claim) Verdict

	// value returns what readers see, and write the one write that it is, if it is one.
	value(r *Rule) value.Value
	write(r *Rule) (Write, bool)
}

// NewCell returns an empty cell.
func (r *Rule) NewCell() Cell {
	c := Cell{rule: r}
	switch r.family {
	case frontier:
		c.more = &live{}
	case counts:
		c.more = &count{}
	case sets:
		c.more = newSet(r.id)
	case flags:
		c.more = newToggle(r.id)
	case appends:
		c.more = &entries{}
	}
	return c
}

// Rule returns the rule of the cell.
func (c *Cell) Rule() *Rule { return c.rule }

// Apply takes a claim into the cell. Applying a claim again changes nothing.
func (c *Cell) Apply(claim *Claim) { c.state().apply(c.rule, claim) }

// Judge says what became of a claim that was applied to the cell, or to one that was merged into it. It compares with
// the very function that decided.
func (c *Cell) Judge(claim *Claim) Verdict {
	v := c.state().judge(c.rule, claim)
	v.Field, v.Rule = claim.Cell, c.rule
	if !c.rule.Takes(claim.Op.Kind) {
		v.Mismatch, v.Missing = true, false
	}
	return v
}

// Merge takes everything that was applied to other, a cell of the same rule, into c, and reports whether that changed c.
// It leaves other alone. Cells that were settled at different horizons merge like any others.
func (c *Cell) Merge(other Cell) (changed bool) { return c.state().merge(c.rule, other.state()) }

// Settle folds what only operations before the horizon could need: [State.Settle] says what that demands. A cell by itself that is new,
// or that others are merged into, is to be settled again for its bytes.
func (c *Cell) Settle(horizon clock.Vector) { c.state().settle(horizon.Clone()) }

// Equal reports whether the two cells are in one state, so that nothing applied to both will ever tell them apart.
func (c *Cell) Equal(other Cell) bool { return c.rule == other.rule && c.state().equal(other.state()) }

// Value returns what the cell shows to readers: absent when nothing was written, or the write that is kept is a delete. A counter, a
// set or a log in which nothing is, after a delete or because nothing was put in, shows 0 or an empty array, and a flag after a
// delete false. Under keep-all it is the array of all siblings, greatest claim first.
func (c *Cell) Value() value.Value { return c.state().value(c.rule) }

// Write returns the write that the cell keeps, which may be a delete; false when it keeps none, or several.
func (c *Cell) Write() (Write, bool) { return c.state().write(c.rule) }

// Conflicted reports whether the cell holds several writes of which no writer had seen another's.
func (c *Cell) Conflicted() bool {
	l, ok := c.more.(*live)
	return ok && l.register.Len() > 1
}
