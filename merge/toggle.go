package merge

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// toggle is true or false: enable-wins, disable-wins. A delete disables.
type toggle struct {
	enable  *crdt.EWFlag
	disable *crdt.DWFlag
	written bool
}

func newToggle(rule id) *toggle {
	if rule == isEnableWins {
		return &toggle{enable: &crdt.EWFlag{}}
	}
	return &toggle{disable: &crdt.DWFlag{}}
}

// wanted returns what a claim wants the flag to be; false when it is no flag.
func wanted(c *Claim) (on, ok bool) {
	if c.Kind == Delete {
		return false, true
	}
	on, ok = c.Value.Bool()
	return on, ok && c.Kind == Set
}

func (f *toggle) apply(_ *Rule, c *Claim) {
	on, ok := wanted(c)
	if !ok {
		return
	}
	f.written = true
	switch {
	case f.enable != nil && on:
		f.enable.EnableAt(c.Op.Dot, c.Op.Seen)
	case f.enable != nil:
		f.enable.DisableAt(c.Op.Dot, c.Op.Seen)
	case on:
		f.disable.EnableAt(c.Op.Dot, c.Op.Seen)
	default:
		f.disable.DisableAt(c.Op.Dot, c.Op.Seen)
	}
}

func (f *toggle) merge(_ *Rule, from state) (changed bool) {
	o := from.(*toggle)
	changed = o.written && !f.written
	f.written = f.written || o.written
	if f.enable != nil {
		return f.enable.Merge(*o.enable) || changed
	}
	return f.disable.Merge(*o.disable) || changed
}

func (f *toggle) settle(horizon clock.Vector) {
	if f.enable != nil {
		f.enable.Note(horizon)
		return
	}
	f.disable.Note(horizon)
	f.disable.Forget(horizon)
}

func (f *toggle) encode(w *encoder) {
	w.Array(2)
	w.Bool(f.written)
	if f.enable != nil {
		w.frame(f.enable.Encode)
	} else {
		w.frame(f.disable.Encode)
	}
}

func (f *toggle) decode(r *decoder) {
	r.Tuple(2)
	f.written = r.Bool()
	if f.enable != nil {
		r.Check(f.enable.Decode(r.View(), r.inner()))
	} else {
		r.Check(f.disable.Decode(r.View(), r.inner()))
	}
}

func (f *toggle) equal(other state) bool {
	o := other.(*toggle)
	if f.written != o.written {
		return false
	}
	if f.enable != nil {
		return f.enable.Equal(*o.enable)
	}
	return f.disable.Equal(*o.disable)
}

func (f *toggle) on() bool {
	if f.enable != nil {
		return f.enable.On()
	}
	return f.disable.On()
}

func (f *toggle) judge(_ *Rule, c *Claim) Verdict {
	on, ok := wanted(c)
	switch {
	case !ok:
		return Verdict{Outcome: Lost, By: rank, Mismatch: true}
	case on == f.on():
		return Verdict{Outcome: Combined}
	}
	return Verdict{Outcome: Lost, By: rank}
}

func (f *toggle) value(*Rule) value.Value {
	if !f.written {
		return ""
	}
	return value.Bool(f.on())
}

func (f *toggle) write(*Rule) (Write, bool) { return Write{}, false }
