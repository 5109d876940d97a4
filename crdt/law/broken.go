package law

import (
	"fmt"
	"strings"
)

// The laws, by what to call it when one is broken. The names are those of findings in reports and never change.
const (
	RulePanic        = "rule_panic"        // the function panicked
	MutatesInput     = "mutates_input"     // the function changed what it was given
	NonDeterministic = "non_deterministic" // one input, two results
	NotIdempotent    = "not_idempotent"    // merge(a, a) != a
	NotCommutative   = "not_commutative"   // merge(a, b) != merge(b, a)
	NotAssociative   = "not_associative"   // merge(merge(a, b), c) != merge(a, merge(b, c))
	Diverged         = "diverged"          // two replicas have the same operations and differ
	WrongResult      = "wrong_result"      // replicas agree, but not on what was wanted
)

// Broken is the error that says which law is broken, with the witness.
type Broken struct {
	// Law is one of the constants of this package.
	Law string

	// Witness holds, as they are now, the samples that break the law: the a, b and c of its formula, as far as it has them (a sample may
	// stand for two of these); or the operations, for [Converge].
	Witness []any

	// At holds the positions of Witness among the samples or operations given, counted from 0.
	At []int

	// Left and Right are the values of the two sides of the formula, which should be equal. Of [RulePanic], Left is
	// what was panicked with; of [MutatesInput], they are texts of the input before and after; of [WrongResult], Right
	// is what was wanted.
	Left, Right any

	// The two sides in words, in which variables stand for the witness.
	left, right string

	shown []string // the witness as it was before anything touched it
	side  int      // of MutatesInput: 1 for the first argument, 2 for the second
}

// Error tells the witness as a story: not_commutative: Let: a = 1, b = 2. Then: merge(a, b) = 1, but merge(b, a) = 2.
// Do not depend on this text; use the fields.
func (b *Broken) Error() string {
	var story strings.Builder
	story.WriteString(b.Law)
	story.WriteString(": Let: ")
	names := make(map[int]string, len(b.At))
	var rename []string
	for i, at := range b.At {
		if names[at] == "" {
			names[at] = string(rune('a' + len(names)))
			if len(names) > 1 {
				story.WriteString(", ")
			}
			fmt.Fprintf(&story, "%s = %s", names[at], b.shown[i])
		}
		rename = append(rename, variables[i], names[at])
	}
	terms := strings.NewReplacer(rename...)
	left, right := terms.Replace(b.left), terms.Replace(b.right)
	switch b.Law {
	case RulePanic:
		fmt.Fprintf(&story, ". Then: %s panics: %s.", left, show(b.Left))
	case MutatesInput:
		fmt.Fprintf(&story, ". Then: %s changes %s from %s to %s.", left, right, b.Left, b.Right)
	case WrongResult:
		fmt.Fprintf(&story, ". Then: %s = %s, but %s is wanted%s.", left, show(b.Left), show(b.Right), b.alike())
	default:
		fmt.Fprintf(&story, ". Then: %s = %s, but %s = %s%s.", left, show(b.Left), right, show(b.Right), b.alike())
	}
	return story.String()
}

// alike tells who reads the same text twice that it stands for two values: two pointers, NaN, or texts that were cut short.
func (b *Broken) alike() string {
	if show(b.Left) != show(b.Right) {
		return ""
	}
	return ", which reads the same here and is not equal"
}

// variables stand for the witness in the formulas of a Broken.
var variables = []string{"$1", "$2", "$3", "$4", "$5"}

// watched returns f(x, y), or how that call broke the laws of a single call: [RulePanic], or [MutatesInput] for the
// arguments that are to be watched.
func watched[X, Y, Z any](f func(X, Y) Z, x X, y Y, watchX, watchY bool) (result Z, broken *Broken) {
	var beforeX, beforeY string
	if watchX {
		beforeX = textOf(x)
	}
	if watchY {
		beforeY = textOf(y)
	}
	if broken = panicOf(func() { result = f(x, y) }); broken != nil {
		return result, broken
	}
	if watchX {
		if after := textOf(x); after != beforeX {
			return result, &Broken{Law: MutatesInput, Left: beforeX, Right: after, side: 1}
		}
	}
	if watchY {
		if after := textOf(y); after != beforeY {
			return result, &Broken{Law: MutatesInput, Left: beforeY, Right: after, side: 2}
		}
	}
	return result, nil
}

func panicOf(f func()) (broken *Broken) {
	defer func() {
		if value := recover(); value != nil {
			broken = &Broken{Law: RulePanic, Left: value}
		}
	}()
	f()
	return nil
}
