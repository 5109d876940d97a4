package merge

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/crdt/ordered"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// live keeps the writes that no other writer had seen, and shows one of them or all: keep-all, union, delete-wins,
// update-wins, refuse, and users' own rules.
type live struct {
	register crdt.MVRegister[Write]
	sorted   []Write // the frontier, nil when it has to be found anew

	// Where many writes are live, and the rule shows the greatest: all of them, the greatest first, and some that have been replaced
	// since. Nil when it has to be found anew.
	order *ordered.List[Write]
}

func (l *live) apply(r *Rule, c *Claim) {
	// A write is equal to itself, so there is no error.
	w := c.Write()
	_, _ = l.register.WriteAt(c.Op.Dot, w, c.Op.Seen)
	l.sorted = nil
	l.place(r, &w)
}

func (l *live) merge(r *Rule, from state) (changed bool) {
	o := from.(*live)
	changed = l.register.Merge(o.register)
	l.sorted = nil
	if l.order != nil && o.register.Len() > l.order.Len() {
		l.order = nil // cheaper
	}
	if l.order != nil {
		for _, w := range o.register.Values() {
			l.place(r, &w)
		}
	}
	return changed
}

// place puts a write that may have come where it belongs in the order.
func (l *live) place(r *Rule, w *Write) {
	if l.order == nil {
		return
	}
	if n := l.register.Len(); n <= fewWrites || l.order.Len() > 2*n {
		l.order = nil
		return
	}
	l.order.Insert(l.order.Search(func(o *Write) bool { return r.greatestFirst(o, w) < 0 }), *w)
}

// greatest returns the greatest of many writes.
func (l *live) greatest(r *Rule) *Write {
	if l.order == nil {
		l.order = new(ordered.List[Write])
		for _, w := range r.Frontier(l.register.Values()).writes {
			l.order.Push(w)
		}
	}
	isGone := func(w *Write) bool { return !l.register.Has(w.Dot, *w) }
	l.order.Delete(ordered.Place{}, isGone, isGone)
	return l.order.First()
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

// showsOneOfMany reports whether there are many writes, and what the cell shows is one of them.
func (l *live) showsOneOfMany(r *Rule) bool { return l.register.Len() > fewWrites && !r.combines() }

func (l *live) judge(r *Rule, c *Claim) Verdict {
	w, f := c.Write(), Frontier{rule: r}
	switch {
	case l.register.Len() <= fewWrites || r.id == isCustom:
		f = l.frontier(r)
	case !l.register.Has(w.Dot, w):
	case r.combines():
		f.writes = []Write{w, w} // what becomes of it depends on there being others, and on which these are it does not
	default:
		f.writes = []Write{*l.greatest(r), w} // and here on the greatest
	}
	return f.Judge(&w)
}

func (l *live) value(r *Rule) value.Value {
	if l.showsOneOfMany(r) {
		return l.greatest(r).shown()
	}
	f := l.frontier(r)
	return f.Value()
}

func (l *live) write(r *Rule) (Write, bool) {
	switch {
	case l.showsOneOfMany(r):
		return *l.greatest(r), true
	case l.register.Len() > 1 && r.combines():
		return Write{}, false
	}
	f := l.frontier(r)
	return f.Write()
}
