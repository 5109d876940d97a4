package merge

import (
	"cmp"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// selection keeps the greatest write of a total order: lww, fww, max, min, highest, prefer, prefer-node.
type selection struct {
	kept    Write
	written bool
}

func (s *selection) apply(r *Rule, c *Claim) { s.take(r, c.Write()) }

func (s *selection) take(r *Rule, w Write) (changed bool) {
	if s.written && !r.Beats(&w, &s.kept) {
		return false
	}
	s.kept, s.written = w, true
	return true
}

// Selects reports whether the cells of the rule keep one of the writes to them: the one that [Rule.Beats] all others.
func (r *Rule) Selects() bool { return r.family == selects }

// Beats reports whether w takes the place of the write that a cell of a rule that selects keeps. Of one write under two
// ids, the greater id stays: which is of no interest, but for being the same everywhere.
func (r *Rule) Beats(w, kept *Write) bool { return r.compareAll(w, kept) > 0 }

// compareAll is [Rule.Compare] gone on to what decides nothing: it returns 0 for one write only.
func (r *Rule) compareAll(a, b *Write) int {
	if order, _ := r.Compare(a, b); order != 0 {
		return order
	}
	return cmp.Or(cmp.Compare(a.ID, b.ID), a.Dot.Compare(b.Dot))
}

func (s *selection) merge(r *Rule, from state) (changed bool) {
	o := from.(*selection)
	return o.written && s.take(r, o.kept)
}

// settle has nothing to do: one write is kept, and no later operation need have the greater claim.
func (s *selection) settle(clock.Vector) {}

func (s *selection) encode(w *encoder) { w.write(&s.kept) }

func (s *selection) decode(r *decoder) { s.kept, s.written = r.write(), true }

func (s *selection) equal(other state) bool { return *s == *other.(*selection) }

func (s *selection) judge(r *Rule, c *Claim) Verdict {
	w := c.Write()
	order, by := r.Compare(&w, &s.kept)
	if order == 0 {
		return Verdict{Outcome: Kept}
	}
	return lost(r, &w, &s.kept, order, by)
}

// lost makes the verdict on a write that another one beat.
func lost(r *Rule, w, against *Write, order int, by lww.Rung) Verdict {
	v := lww.Judge(&r.table.Ladder, w.Stamp, against.Stamp, order, by)
	return Verdict{Outcome: Lost, By: by, Margin: v.Margin, Against: *against}
}

func (s *selection) value(*Rule) value.Value {
	if s.kept.Deleted {
		return ""
	}
	return s.kept.Value
}

func (s *selection) write(*Rule) (Write, bool) { return s.kept, s.written }
