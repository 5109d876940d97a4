package merge

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Frontier is the writes to a cell that no other writer had seen, under a rule that keeps those: see [Rule.KeepsFrontier].
// What the cell shows and what became of its writes is a function of them alone.
type Frontier struct {
	rule   *Rule
	writes []Write // greatest first by the rule, few under union as they came; nobody changes them
}

// KeepsFrontier reports whether the cells of the rule keep the writes that no other writer had seen, and show one of them or
// all.
func (r *Rule) KeepsFrontier() bool { return r.family == frontier }

// Greatest returns what becomes of the writes of a frontier of several under a rule whose cells show the greatest of them by
// [Rule.Compare]: of that one, and of each of the others. It reports false of rules that make something else of them.
func (r *Rule) Greatest() (shown, others Outcome, ok bool) {
	switch {
	case r.family != frontier || r.combines():
		return 0, 0, false
	case r.id == isRefuse:
		return Refused, Refused, true
	}
	return Kept, Lost, true
}

// Frontier returns the frontier that writes are, none of whose writers had seen another's. It sorts the slice, unless they are few
// and in a union, where the order of claims says nothing; and keeps it.
func (r *Rule) Frontier(writes []Write) Frontier {
	switch {
	case len(writes) > fewWrites:
		slices.SortFunc(writes, func(a, b Write) int { return r.greatestFirst(&a, &b) })
		return Frontier{r, writes}
	case r.id == isUnion:
		return Frontier{r, writes}
	}
	for i := range writes { // each is compared where it stands: handing writes over copies them
		for j := i; j > 0 && r.greatestFirst(&writes[j], &writes[j-1]) < 0; j-- {
			writes[j], writes[j-1] = writes[j-1], writes[j]
		}
	}
	return Frontier{r, writes}
}

func (r *Rule) greatestFirst(a, b *Write) int {
	if order, _ := r.Compare(b, a); order != 0 {
		return order
	}
	return cmp.Or(b.Dot.Compare(a.Dot), cmp.Compare(b.ID, a.ID))
}

// fewWrites is up to how many writes of a frontier are sorted, and found, one by one.
const fewWrites = 8

// has reports whether a write is of the frontier.
func (f *Frontier) has(w *Write) bool {
	if len(f.writes) <= fewWrites { // the dots find it sooner
		for i := range f.writes {
			if o := &f.writes[i]; o.Dot == w.Dot && f.rule.greatestFirst(o, w) == 0 {
				return true
			}
		}
		return false
	}
	_, found := slices.BinarySearchFunc(f.writes, 0, func(o Write, _ int) int { return f.rule.greatestFirst(&o, w) })
	return found
}

// combines reports whether the rule shows all live writes rather than one of them.
func (r *Rule) combines() bool { return r.id == isKeepAll || r.id == isUnion || r.id == isCustom }

// Fate is what became of a write of a frontier: what a [Verdict] says of it, without what is only to be shown.
type Fate struct {
	Outcome  Outcome
	By       lww.Rung
	Against  *Write // of the frontier; nil when none beat it
	Panicked string
}

// Len returns how many writes the frontier has.
func (f *Frontier) Len() int { return len(f.writes) }

// Combined returns how many writes live on beside each other, under a rule that shows all of them. Else it is 0, and [Frontier.At]
// tells of each.
func (f *Frontier) Combined() int {
	if len(f.writes) > 1 && f.rule.combines() && f.rule.id != isCustom {
		return len(f.writes)
	}
	return 0
}

// At returns one of the writes, in the order of [Rule.Frontier] the greatest first, and what became of it.
func (f *Frontier) At(i int) (*Write, Fate) { return &f.writes[i], f.fate(&f.writes[i]) }

// Judge says what became of a write to the cell; one that is not of the frontier was overwritten. The verdict names neither
// field nor rule.
func (f *Frontier) Judge(w *Write) Verdict {
	if !f.has(w) {
		return Verdict{Outcome: Overwritten}
	}
	fate := f.fate(w)
	v := Verdict{Outcome: fate.Outcome, By: fate.By, Panicked: fate.Panicked}
	switch against := fate.Against; {
	case against == nil:
	case f.rule.id == isCustom:
		v.Against = *against
	default:
		order, by := f.rule.Compare(w, against)
		v = lost(f.rule, w, against, order, by)
		v.Outcome = fate.Outcome
	}
	return v
}

// fate is Judge, of a write of the frontier.
func (f *Frontier) fate(w *Write) Fate {
	r, writes := f.rule, f.writes
	switch {
	case len(writes) == 1:
		return Fate{Outcome: Kept}
	case r.id == isCustom:
		return r.customFate(w, writes)
	case r.combines():
		return Fate{Outcome: Combined}
	}
	shown, others, _ := r.Greatest()
	against := &writes[0]
	if against == w || *against == *w {
		return Fate{Outcome: shown}
	}
	_, by := r.Compare(w, against)
	return Fate{Outcome: others, By: by, Against: against}
}

// customFate says what a user's rule made of one of several live writes. When it kept one of the values as it was, the
// writes of that value are kept and the others lost; when it made a new one, all live on in it.
func (r *Rule) customFate(w *Write, writes []Write) Fate {
	kept, panicked := r.callCustom(writes)
	v := Fate{Outcome: Combined, Panicked: panicked}
	of := slices.IndexFunc(writes, func(o Write) bool { return !o.Deleted && o.Value == kept })
	switch {
	case of < 0:
	case w.Value == kept && !w.Deleted:
		v.Outcome = Kept
	default:
		v.Outcome, v.By, v.Against = Lost, rank, &writes[of]
	}
	return v
}

// Value returns what the cell shows: see [Cell.Value].
func (f *Frontier) Value() value.Value {
	var few [4]value.Value
	all, one := f.shown(few[:0])
	if all != nil {
		return value.Array(all...)
	}
	return one
}

// AppendValue appends the text of [Frontier.Value] to b.
func (f *Frontier) AppendValue(b []byte) []byte {
	var few [4]value.Value
	all, one := f.shown(few[:0])
	if all != nil {
		return value.AppendArray(b, all...)
	}
	return append(b, one...)
}

// shown returns what the cell shows: the array of all, which are appended to room, or else, when all is nil, one value.
func (f *Frontier) shown(room []value.Value) (all []value.Value, one value.Value) {
	switch {
	case len(f.writes) == 0:
		return nil, ""
	case !f.rule.combines():
		return nil, f.writes[0].shown()
	case f.rule.id == isCustom:
		one, _ = f.rule.callCustom(f.writes)
		return nil, one
	}
	live, union := 0, f.rule.id == isUnion
	for i := range f.writes {
		w := &f.writes[i]
		switch {
		case w.Deleted:
			continue
		case union:
			room = appendElements(room, w.Value)
		default:
			room = append(room, w.Value)
		}
		live++
		one = w.Value
	}
	switch {
	case live == 0 || live == 1 && union:
		return nil, one
	case union: // each element once; of a single write, the value as it is
		slices.SortFunc(room, value.Compare)
		room = slices.Compact(room)
	}
	return room, ""
}

func (w Write) shown() value.Value {
	if w.Deleted {
		return ""
	}
	return w.Value
}

// appendElements appends the elements of an array, and any other value as the one element of it.
func appendElements(all []value.Value, v value.Value) []value.Value {
	switch {
	case v.IsAbsent():
		return all
	case v.Kind() == value.KindArray:
		return slices.AppendSeq(all, v.Elements())
	}
	return append(all, v)
}

// callCustom folds the values of the live writes, lowest claim first, so that the result does not depend on the order in
// which they came whatever the function does. When it panics, or makes what is no value, the greatest claim is kept.
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
	if len(values) > 1 && !kept.IsAbsent() {
		if err := kept.Check(anyValue); err != nil {
			panic(fmt.Errorf("made what is no value: %w", err))
		}
	}
	return kept, ""
}

// Write returns the write that the cell keeps: see [Cell.Write].
func (f *Frontier) Write() (Write, bool) {
	if len(f.writes) == 0 || len(f.writes) > 1 && f.rule.combines() {
		return Write{}, false
	}
	return f.writes[0], true
}
