package merge

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// entries is a log in the order of time: append. A delete drops the entries before its time, whether its writer had seen them or not.
type entries struct {
	log crdt.AppendLog[value.Value]
}

func (e *entries) apply(_ *Rule, c *Claim) {
	if c.Kind == Delete {
		e.log.Trim(c.Op.Stamp.Time)
		return
	}
	_, _ = e.log.AppendAt(c.Op.Dot, c.Op.Stamp.Time, c.Value) // a text is equal to itself: no error
}

func (e *entries) merge(_ *Rule, from state) (changed bool) { return e.log.Merge(from.(*entries).log) }

func (e *entries) settle(horizon clock.Vector) { e.log.Note(horizon) }

func (e *entries) encode(w *encoder) {
	w.frame(func(b []byte) ([]byte, error) { return e.log.Encode(b, w.values()) })
}

func (e *entries) decode(r *decoder) { r.Check(e.log.Decode(r.View(), r.values(), r.inner())) }

func (e *entries) equal(other state) bool { return e.log.Equal(other.(*entries).log) }

func (e *entries) judge(_ *Rule, c *Claim) Verdict {
	if from := e.log.From(); c.Kind != Delete && c.Op.Stamp.Time.Before(from) {
		return Verdict{Outcome: Lost, By: lww.Time, Margin: from.Wall - c.Op.Stamp.Time.Wall} // to a delete, whoever had seen what
	}
	return Verdict{Outcome: Combined}
}

func (e *entries) value(*Rule) value.Value { return value.Array(e.log.Values()...) }

func (e *entries) write(*Rule) (Write, bool) { return Write{}, false }
