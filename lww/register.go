package lww

import "cmp"

// Register is one value and the claim under which it was written. The zero Register is "never written" and loses
// against every write that has a version, a time or a declared node. A Register is a plain value: copy it freely.
type Register[V any] struct {
	Stamp   Stamp
	Deleted bool // the write was a delete; Value is then the zero value
	Value   V
}

// Compare is the whole ladder: the rungs of [Ladder.Compare], then kind, then value, then (for equal values of two
// nodes that the ladder doesn't declare) the spelling of the node, and any rung that the ladder leaves out. It returns 0 only by [Same], for registers that
// are equal in every field.
//
// When it decides by [Value] between writes of one node, that node had two writers; between writes of two nodes, the
// order of these nodes isn't declared.
//
// HAZARD: to [cmp.Compare] and so to Compare, 0 and -0 are one float and all NaNs are one float. If these differ for
// you, use [CompareFunc].
func Compare[V cmp.Ordered](l *Ladder, a, b Register[V]) (order int, by Rung) {
	_, v := decide(l, &a, &b, cmp.Compare[V])
	return v.Order, v.By
}

// CompareFunc is [Compare] with the caller's order of values, which must be total: 0 only for values that are the
// same everywhere.
func CompareFunc[V any](l *Ladder, a, b Register[V], compare func(a, b V) int) (order int, by Rung) {
	_, v := decide(l, &a, &b, compare)
	return v.Order, v.By
}

// Merge returns the register that is kept and why. It leaves a and b alone, and
//
//	Merge(a, a)           = a
//	Merge(a, b)           = Merge(b, a)
//	Merge(Merge(a, b), c) = Merge(a, Merge(b, c))
func Merge[V cmp.Ordered](l *Ladder, a, b Register[V]) (Register[V], Verdict) {
	// One call and a copy are just what the compiler inlines (budget 80, cost 79); not inlined, Merge takes twice as
	// long, for the registers are copied twice.
	kept, why := decideOrdered(l, &a, &b)
	return *kept, why
}

// MergeFunc is [Merge] with the caller's order of values, as for [CompareFunc].
func MergeFunc[V any](l *Ladder, a, b Register[V], compare func(a, b V) int) (Register[V], Verdict) {
	kept, why := decide(l, &a, &b, compare)
	return *kept, why
}

// decideOrdered is decide with [cmp.Compare], which the compiler then need not call through a func value.
func decideOrdered[V cmp.Ordered](l *Ladder, a, b *Register[V]) (kept *Register[V], why Verdict) {
	why = l.judge(&a.Stamp, &b.Stamp)
	if why.By == Same {
		why = byContent(l, a, b, cmp.Compare[V])
	}
	return pick(why, a, b)
}

// decide returns a or b, whichever is kept, and why. All merges of this package come down to it. Registers are passed
// by reference because copying them costs more than comparing.
func decide[V any](l *Ladder, a, b *Register[V], compare func(a, b V) int) (kept *Register[V], why Verdict) {
	why = l.judge(&a.Stamp, &b.Stamp)
	if why.By == Same {
		why = byContent(l, a, b, compare)
	}
	return pick(why, a, b)
}

func pick[V any](why Verdict, a, b *Register[V]) (*Register[V], Verdict) {
	if why.Order < 0 {
		return b, why
	}
	return a, why
}

func byContent[V any](l *Ladder, a, b *Register[V], compare func(a, b V) int) Verdict {
	if a.Deleted != b.Deleted {
		if a.Deleted != l.SetsWin {
			return Verdict{Order: 1, By: Kind}
		}
		return Verdict{Order: -1, By: Kind}
	}
	order := compare(a.Value, b.Value)
	if order == 0 {
		// What is left is what the ladder does not look at: it decides nothing but which of two equal values stays.
		order = cmp.Or(cmp.Compare(a.Stamp.Node, b.Stamp.Node), cmp.Compare(a.Stamp.Version, b.Stamp.Version),
			a.Stamp.Time.Compare(b.Stamp.Time))
	}
	if order == 0 {
		return Verdict{}
	}
	return Verdict{Order: order, By: Value}
}
