package merge

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// live keeps the writes that no other writer had seen, and shows one of them or all: keep-all, union, delete-wins,
// update-wins, refuse, and users' own rules.
type live struct {
	register crdt.MVRegister[Write]
	sorted   []Write // the frontier, nil when it has to be found anew
}

func (l *live) apply(_ *Rule, c *Claim) {
	// A write is equal to itself, so there is no error.
	_, _ = l.register.WriteAt(c.Op.Dot, c.Write(), c.Op.Seen)
	l.sorted = nil
}

func (l *live) merge(_ *Rule, from state) (changed bool) {
	changed = l.register.Merge(from.(*live).register)
	l.sorted = nil
	return changed
}

func (l *live) settle(horizon clock.Vector) { l.register.Note(horizon) }

func (l *live) encode(w *encoder) {
	w.frame(func(b []byte) ([]byte, error) { return l.register.Encode(b, w.writes()) })
}

func (l *live) decode(r *decoder) {
	r.Check(l.register.Decode(r.View(), r.writes(), r.inner()))
	for _, s := range l.register.Siblings() {
		if s.Value.Dot != s.Dot {
			r.Refuse("a write of another dot than its own")
		}
	}
}

func (l *live) equal(other state) bool { return l.register.Equal(other.(*live).register) }

// frontier returns the live writes. They are sorted once between two changes, for as many questions as are asked.
func (l *live) frontier(r *Rule) Frontier {
	if l.sorted == nil {
		l.sorted = r.Frontier(l.register.Values()).writes
	}
	return Frontier{r, l.sorted}
}

func (l *live) judge(r *Rule, c *Claim) Verdict {
	w, f := c.Write(), l.frontier(r)
	return f.Judge(&w)
}

func (l *live) value(r *Rule) value.Value {
	f := l.frontier(r)
	return f.Value()
}

func (l *live) write(r *Rule) (Write, bool) {
	f := l.frontier(r)
	return f.Write()
}
