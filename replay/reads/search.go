package reads

import (
	"cmp"
	"slices"

	"github.com/anishathalye/porcupine"
)

// The search for an order is bounded: in the operations that overlap, in a chain, and in the steps that it takes for them.
const (
	mostTogether = 1000
	mostSteps    = 200_000
)

// Searched is what the search for an order of the operations of a register found.
type Searched uint8

// What a search finds.
const (
	TooHard Searched = iota // the search gave up
	Ordered                 // there is an order
	NoOrder                 // there is none: the key is not linearizable
)

// action is one operation as the search sees it: a write, or a read of one of several.
type action struct {
	write int32 // -1 for a read
	saw   *seen
	call  int64
	end   int64
}

// told is what the strong reads say of a write.
type told struct {
	by    *seen // what they saw that may be this one; nil for none
	more  bool  // in others of them it goes by another name
	sure  bool  // one of them saw it and no other
	call  int64 // the first of those that may have seen it began then
	end   int64 // the first of those that saw it and no other ended then
	alike int32 // the write that stands for all that no read tells from this one
}

// search looks for an order of the writes and strong reads of the register in which every read sees the last write before it, and
// nothing that ended comes after what began later. It is done by porcupine, a stretch at a time: where everything that began has
// ended, all that is passed on is which writes may be the last.
//
// Each time is moved by half the tolerance, so that only what is certain keeps operations in order: no order is then none
// at all.
func (g *register) search() Searched {
	all := g.narrow()
	last := []int32{nothing}
	for from := 0; from < len(all); {
		to, end := from+1, all[from].end
		for to < len(all) && all[to].call <= end {
			end = max(end, all[to].end)
			to++
		}
		var done bool
		if last, done = searchTogether(all[from:to], last); !done {
			return TooHard
		}
		if len(last) == 0 {
			return NoOrder
		}
		from = to
	}
	return Ordered
}

// narrow returns what the search has to put in order, by when it began. Stretches are short where writes are known to begin and end,
// and that is hardly ever recorded. But where there is an order, there is one in which they do: what a read saw and nothing else
// was in place before it ended, and such a write can wait for the first that sees it, for nobody sees what it replaces in between. So
// can one that reads may have seen or not, when nothing says that it ended: where they had not, it comes last. One that nobody sees is
// left out where it can come right before another, which begins and ends while it is under way, or last, when nothing says that it
// ended.
func (g *register) narrow() []action {
	half := (g.skew + 1) / 2
	all := slices.Grow(g.actions[:0], len(g.writes)+len(g.reads))
	for i := range g.writes {
		w := &g.writes[i]
		all = append(all, action{write: int32(i), call: plus(w.begunLo, -half), end: plus(w.endHi, half)})
	}
	for i := range g.several {
		s := &g.several[i]
		s.called, s.began, s.alike = never, never, -1
	}
	g.told = fit(g.told, len(g.writes))
	told := g.told
	for i := range g.reads {
		l := &g.reads[i]
		if l.level.Kind != Strong || len(l.writes) == 0 {
			continue
		}
		a := action{write: -1, saw: l.seen, call: plus(l.startLo, -half), end: plus(l.endHi, half)}
		l.seen.called = min(l.seen.called, a.call)
		if t := &told[l.writes[0]]; l.one() && (!t.sure || a.end < t.end) {
			t.sure, t.end = true, a.end
		}
		all = append(all, a)
	}
	writes, reads := all[:len(told)], all[len(told):]
	for i := range g.several {
		s := &g.several[i]
		if s.called == never {
			continue
		}
		for _, w := range s.writes {
			t := &told[w]
			if t.by == nil {
				t.by, t.call = s, s.called
			}
			t.more, t.call = t.more || t.by != s, min(t.call, s.called)
		}
	}
	nobody := seen{alike: -1}
	for i := range told {
		w, t := &writes[i], &told[i]
		if t.alike = int32(i); !t.more {
			by := cmp.Or(t.by, &nobody)
			if by.alike < 0 {
				by.alike = t.alike
			}
			t.alike = by.alike
		}
		if t.sure || w.end == never {
			w.call = max(w.call, min(w.end, t.call))
		}
		if t.sure {
			w.end = max(min(w.end, t.end), w.call)
		}
	}
	for i := range g.several {
		for _, w := range g.several[i].writes {
			g.several[i].began = min(g.several[i].began, writes[w].call)
		}
	}
	for i := range reads {
		a := &reads[i]
		a.call = min(max(a.call, a.saw.began), a.end)
	}
	slices.SortStableFunc(all, func(a, b action) int { return cmp.Or(cmp.Compare(a.call, b.call), cmp.Compare(a.end, b.end)) })
	g.actions = all
	unseen := func(a *action) bool { return a.write > nothing && told[a.write].by == nil }
	var first *action // of the writes that begin at once, the first to end
	all = slices.DeleteFunc(all, func(a action) bool {
		beside := first != nil && first.call == a.call
		if a.write > nothing && !beside {
			first = &a
		}
		return a.write == nothing || beside && unseen(&a)
	})
	end := int64(never) // the first of the writes that begin later ends then
	kept := len(all)
	for i := len(all) - 1; i >= 0; i-- {
		a := all[i]
		if unseen(&a) && a.end >= end {
			continue
		}
		if a.write > nothing {
			end, a.write = min(end, a.end), told[a.write].alike
		}
		kept--
		all[kept] = a
	}
	return all[kept:]
}

// searchTogether returns which writes may be the last of a stretch of operations, given which may be before it, in the memory of
// those; none when there is no order. It returns false when it had to give up.
func searchTogether(stretch []action, before []int32) (last []int32, done bool) {
	if len(stretch) == 1 { // mostly
		one := &stretch[0]
		if one.write >= 0 {
			return append(before[:0], one.write), true
		}
		return slices.DeleteFunc(before, func(i int32) bool { return !slices.Contains(one.saw.writes, i) }), true
	}
	if len(stretch) > mostTogether {
		return nil, false
	}
	ends := before
	latest := int64(ever) // the call of the write that began last: what ended before it isn't the last
	for i := range stretch {
		if a := &stretch[i]; a.write >= 0 {
			if latest == ever {
				ends = nil
			}
			latest = max(latest, a.call, ever+1)
		}
	}
	if latest > ever {
		for i := range stretch {
			if a := &stretch[i]; a.write >= 0 && a.end >= latest {
				if !slices.Contains(ends, a.write) {
					ends = append(ends, a.write)
				}
			}
		}
	}
	// With several states to begin with, or several ways to end, each pair is a search of its own.
	steps := 0
	for _, end := range ends {
		found := false
		for _, begin := range before {
			if found = inOrder(stretch, begin, end, &steps); steps > mostSteps {
				return nil, false
			}
			if found {
				break
			}
		}
		if found {
			last = append(last, end)
		}
	}
	return last, true
}

// inOrder reports whether a stretch of operations can begin with one write in place and end with another.
func inOrder(stretch []action, begin, end int32, steps *int) bool {
	*steps += len(stretch)
	ops := make([]porcupine.Operation, 0, len(stretch)+1)
	latest := int64(ever)
	for i := range stretch {
		a := &stretch[i]
		ops = append(ops, porcupine.Operation{Input: a, Call: a.call, Return: a.end})
		latest = max(latest, a.end)
	}
	// What is unfinished for ever ends before the last read, which nobody made.
	if latest == never {
		latest = never - 2
		for i := range ops {
			ops[i].Return = min(ops[i].Return, latest)
			ops[i].Call = min(ops[i].Call, latest)
		}
	}
	ops = append(ops, porcupine.Operation{Input: &action{write: -1, saw: &seen{writes: []int32{end}}}, Call: latest + 1, Return: latest + 1})
	return porcupine.CheckOperations(porcupine.Model{
		Init: func() any { return begin },
		Step: func(state, input, _ any) (bool, any) {
			if *steps++; *steps > mostSteps {
				return false, state // the search ends soon: nothing can follow
			}
			a := input.(*action)
			if a.write >= 0 {
				return true, a.write
			}
			return slices.Contains(a.saw.writes, state.(int32)), state
		},
		Equal: func(a, b any) bool { return a.(int32) == b.(int32) },
		Hash:  func(state any) uint64 { return uint64(state.(int32)) * 0x9e3779b97f4a7c15 },
	}, ops)
}
