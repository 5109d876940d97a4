package merge

import (
	"cmp"

	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// selection keeps the greatest write of a total order: lww, fww, max, min, highest, prefer, prefer-node.
type selection struct {
	kept    Write
	written bool
}

func (s *selection) apply(r *Rule, c *Claim) { s.take(r, c.write()) }

func (s *selection) take(r *Rule, w Write) {
	if !s.written || s.beats(r, &w) {
		s.kept, s.written = w, true
	}
}

// beats reports whether w takes the place of what is kept. Of one write under two ids, the greater id stays: which is of
// no interest, but for being the same everywhere.
func (s *selection) beats(r *Rule, w *Write) bool {
	order, _ := r.Compare(w, &s.kept)
	return cmp.Or(order, cmp.Compare(w.ID, s.kept.ID), w.Dot.Compare(s.kept.Dot)) > 0
}

func (s *selection) merge(r *Rule, from state) {
	if o := from.(*selection); o.written {
		s.take(r, o.kept)
	}
}

func (s *selection) equal(other state) bool { return *s == *other.(*selection) }

func (s *selection) judge(r *Rule, c *Claim) Verdict {
	w := c.write()
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
