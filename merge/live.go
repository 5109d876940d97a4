package merge

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// live keeps the writes that no other writer had seen, and shows one of them or all: keep-all, union, delete-wins,
// update-wins, refuse, and users' own rules.
type live struct {
	register crdt.MVRegister[Write]
	sorted   []Write // what writes returns, nil when it has to be found anew
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

// writes returns the live writes, greatest first by the rule. They are sorted once between two changes, for as many
// questions as are asked. The caller leaves them alone.
func (l *live) writes(r *Rule) []Write {
	if l.sorted == nil {
		l.sorted = l.register.Values()
		slices.SortFunc(l.sorted, r.greatestFirst)
	}
	return l.sorted
}

func (r *Rule) greatestFirst(a, b Write) int {
	if order, _ := r.Compare(&b, &a); order != 0 {
		return order
	}
	return cmp.Or(b.Dot.Compare(a.Dot), cmp.Compare(b.ID, a.ID))
}

// combines reports whether the rule shows all live writes rather than one of them.
func (r *Rule) combines() bool { return r.id == isKeepAll || r.id == isUnion || r.id == isCustom }

func (l *live) judge(r *Rule, c *Claim) Verdict {
	w := c.Write()
	writes := l.writes(r)
	if _, found := slices.BinarySearchFunc(writes, w, r.greatestFirst); !found {
		return Verdict{Outcome: Overwritten}
	}
	if len(writes) == 1 {
		return Verdict{Outcome: Kept}
	}
	v := Verdict{Outcome: Combined}
	switch {
	case r.id == isCustom:
		return r.judgeCustom(&w, writes)
	case r.combines():
		return v
	}
	against := &writes[0]
	if *against == w {
		v.Outcome = Kept
		if r.id == isRefuse {
			v.Outcome = Refused
		}
		return v
	}
	order, by := r.Compare(&w, against)
	v = lost(r, &w, against, order, by)
	if r.id == isRefuse {
		v.Outcome = Refused
	}
	return v
}

// judgeCustom says what a user's rule made of one of several live writes. When it kept one of the values as it was, the
// writes of that value are kept and the others lost; when it made a new one, all live on in it.
func (r *Rule) judgeCustom(w *Write, writes []Write) Verdict {
	kept, panicked := r.callCustom(writes)
	v := Verdict{Outcome: Combined, Panicked: panicked}
	of := slices.IndexFunc(writes, func(o Write) bool { return !o.Deleted && o.Value == kept })
	switch {
	case of < 0:
	case w.Value == kept && !w.Deleted:
		v.Outcome = Kept
	default:
		v.Outcome, v.By, v.Against = Lost, rank, writes[of]
	}
	return v
}

func (l *live) value(r *Rule) value.Value {
	writes := l.writes(r)
	switch {
	case len(writes) == 0:
		return ""
	case !r.combines():
		return writes[0].shown()
	}
	writes = slices.DeleteFunc(slices.Clone(writes), func(w Write) bool { return w.Deleted })
	if len(writes) == 0 {
		return ""
	}
	switch r.id {
	case isKeepAll:
		values := make([]value.Value, len(writes))
		for i, w := range writes {
			values[i] = w.Value
		}
		return value.Array(values...)
	case isUnion:
		return union(writes)
	default:
		v, _ := r.callCustom(writes)
		return v
	}
}

func (w Write) shown() value.Value {
	if w.Deleted {
		return ""
	}
	return w.Value
}

// union returns the elements of all the arrays, each once, in the order of [value.Compare]. A value that is no array is
// one element; when there is a single write, its value stays as it is.
func union(writes []Write) value.Value {
	if len(writes) == 1 {
		return writes[0].Value
	}
	var all []value.Value
	for _, w := range writes {
		all = append(all, elements(w.Value)...)
	}
	slices.SortFunc(all, value.Compare)
	return value.Array(slices.Compact(all)...)
}

// elements returns the elements of an array, and any other value as the one element of it.
func elements(v value.Value) []value.Value {
	switch {
	case v.IsAbsent():
		return nil
	case v.Kind() == value.KindArray:
		return slices.Collect(v.Elements())
	}
	return []value.Value{v}
}

// callCustom folds the values of the live writes, lowest claim first, so that the result does not depend on the order in
// which they came whatever the function does. When it panics, the greatest claim is kept.
func (r *Rule) callCustom(writes []Write) (kept value.Value, panicked string) {
	var values []value.Value
	for _, w := range slices.Backward(writes) {
		if !w.Deleted {
			values = append(values, w.Value)
		}
	}
	if len(values) == 0 {
		return "", ""
	}
	defer func() {
		if p := recover(); p != nil {
			kept, panicked = values[len(values)-1], fmt.Sprint(p)
		}
	}()
	kept = values[0]
	for _, v := range values[1:] {
		kept = r.custom.Merge(kept, v)
	}
	return kept, ""
}

func (l *live) write(r *Rule) (Write, bool) {
	writes := l.writes(r)
	if len(writes) == 0 || len(writes) > 1 && r.combines() {
		return Write{}, false
	}
	return writes[0], true
}
