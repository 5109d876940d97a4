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
	seen  []int32
	call  int64
	end   int64
}

// search looks for an order of the writes and strong reads of the register in which every read sees the last write before it, and
// nothing that ended comes after what began later. It is done by porcupine, a stretch at a time: where everything that began has
// ended, all that is passed on is which writes may be the last.
//
// Each time is moved by half the tolerance, so that only what is certain keeps operations in order: no order is then none
// at all. What a read saw was in place before it ended, and began before it: this shortens the stretches, most of all where nothing
// says when writes were acknowledged. One of those that no read may have seen can come last, and is left out.
func (g *register) search() Searched {
	half := (g.skew + 1) / 2
	all := slices.Grow(g.actions[:0], len(g.writes)+len(g.reads))
	for i := range g.writes {
		w := &g.writes[i]
		all = append(all, action{write: int32(i), call: plus(w.startLo, -half), end: plus(w.endHi, half)})
	}
	wanted := make([]bool, len(all))
	for i := range g.reads {
		l := &g.reads[i]
		if l.level.Kind != Strong || len(l.writes) == 0 {
			continue
		}
		a := action{write: -1, seen: l.writes, call: plus(l.startLo, -half), end: plus(l.endHi, half)}
		began := int64(never)
		for _, w := range l.writes {
			began, wanted[w] = min(began, all[w].call), true
		}
		if l.one() {
			w := &all[l.writes[0]]
			w.end = max(min(w.end, a.end), w.call)
		}
		a.call = min(max(a.call, began), a.end)
		all = append(all, a)
	}
	all = slices.DeleteFunc(all, func(a action) bool {
		return a.write == nothing || a.write > nothing && a.end == never && !wanted[a.write]
	})
	g.actions = all
	slices.SortStableFunc(all, func(a, b action) int { return cmp.Or(cmp.Compare(a.call, b.call), cmp.Compare(a.end, b.end)) })
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

// searchTogether returns which writes may be the last of a stretch of operations, given which may be before it, in the memory of
// those; none when there is no order. It returns false when it had to give up.
func searchTogether(stretch []action, before []int32) (last []int32, done bool) {
	if len(stretch) == 1 { // mostly
		one := &stretch[0]
		if one.write >= 0 {
			return append(before[:0], one.write), true
		}
		return slices.DeleteFunc(before, func(i int32) bool { return !slices.Contains(one.seen, i) }), true
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
				ends = append(ends, a.write)
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
	ops = append(ops, porcupine.Operation{Input: &action{write: -1, seen: []int32{end}}, Call: latest + 1, Return: latest + 1})
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
			return slices.Contains(a.seen, state.(int32)), state
		},
		Equal: func(a, b any) bool { return a.(int32) == b.(int32) },
		Hash:  func(state any) uint64 { return uint64(state.(int32)) * 0x9e3779b97f4a7c15 },
	}, ops)
}
