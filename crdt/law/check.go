package law

import (
	"errors"
	"reflect"
)

// ErrNothing is returned by [Check] without samples and by [Converge] without operations: nothing was checked,
// which must not look like success.
var ErrNothing = errors.New("nothing to check")

// Check tries merge on every sample, pair and triple of samples (n samples take in the order of n*n*n merges) and
// returns nil when it keeps these laws on them, in which = is equal:
//
//	RulePanic        merge does not panic
//	MutatesInput     merge leaves a and b as they were
//	NonDeterministic merge(a, b) = merge(a, b)
//	NotIdempotent    merge(a, a) = a
//	NotCommutative   merge(a, b) = merge(b, a)
//	NotAssociative   merge(merge(a, b), c) = merge(a, merge(b, c))
//
// Else the error is a [*Broken] with the smallest witness: no law is broken by fewer samples; of the sets of that many
// samples that break one, it is the first, comparing their positions in ascending order; on that set it is the first of
// these laws in the order above, by the first choice of a, b and c, comparing positions again. One sample may stand for
// several of a, b and c. The first three laws are held by the merges that the last needs as well.
//
// Left alone means: everything that can be reached from the arguments, in unexported fields too, and the spare capacity
// of slices, for who appends there overwrites what another merge returned. NonDeterministic is found by calling merge
// eight times or more, so what differs more rarely may pass. A value that is not equal to itself, such as NaN under ==,
// is not idempotent.
func Check[T any](merge func(a, b T) T, equal func(a, b T) bool, samples ...T) error {
	if len(samples) == 0 {
		return ErrNothing
	}
	c := checker[T]{merge: merge, equal: equal, samples: samples, shares: shares(reflect.TypeFor[T]())}
	for _, sample := range samples {
		c.shown = append(c.shown, show(sample))
	}
	var found *Broken
	for size := 1; size <= min(3, len(samples)) && found == nil; size++ {
		choose(len(samples), size, func(set []int) bool {
			found = c.set(set)
			return found == nil
		})
	}
	if found == nil {
		return nil
	}
	return found
}

// choose calls each with every set of size numbers below n, ascending, in lexicographic order, until it returns false.
func choose(n, size int, each func(set []int) bool) {
	set := make([]int, size)
	var from func(place, first int) bool
	from = func(place, first int) bool {
		if place == size {
			return each(set)
		}
		for set[place] = first; set[place] <= n-size+place; set[place]++ {
			if !from(place+1, set[place]+1) {
				return false
			}
		}
		return true
	}
	from(0, 0)
}

type checker[T any] struct {
	merge   func(a, b T) T
	equal   func(a, b T) bool
	samples []T
	shown   []string // what the samples were before anything touched them
	shares  bool
}

// set tries the laws on the choices that use every sample of a set.
func (c *checker[T]) set(set []int) *Broken {
	for _, law := range []struct {
		arity int
		holds func(at []int) *Broken
	}{
		{2, c.call},
		{1, c.idempotent},
		{2, c.commutative},
		{3, c.associative},
	} {
		if broken := each(set, law.arity, law.holds); broken != nil {
			return broken
		}
	}
	return nil
}

// each calls holds with every choice of arity members of set, in lexicographic order, that uses all of them, until it
// returns a witness.
func each(set []int, arity int, holds func(at []int) *Broken) *Broken {
	at := make([]int, arity) // of the choice
	used := make([]int, len(set))
	var from func(place, missing int) *Broken
	from = func(place, missing int) *Broken {
		if missing > arity-place {
			return nil
		}
		if place == arity {
			return holds(at)
		}
		for i, position := range set {
			left := missing
			if used[i] == 0 {
				left--
			}
			at[place] = position
			used[i]++
			broken := from(place+1, left)
			used[i]--
			if broken != nil {
				return broken
			}
		}
		return nil
	}
	return from(0, len(set))
}

// term is a value and the formula that it is the value of.
type term[T any] struct {
	value T
	text  string
}

func (c *checker[T]) sample(at []int, i int) term[T] { return term[T]{c.samples[at[i]], variables[i]} }

// tries is how often merge is called with one pair of samples before anything else is.
const tries = 8

func (c *checker[T]) call(at []int) *Broken {
	x, y := c.sample(at, 0), c.sample(at, 1)
	first, broken := c.merged(at, x, y, "merge($1, $2)")
	for try := 2; try < tries && broken == nil; try++ {
		var again term[T]
		if again, broken = c.once(at, x, y, first.text); broken == nil && c.differ(first, again) {
			broken = c.broken(NonDeterministic, at, first, again)
		}
	}
	return broken
}

func (c *checker[T]) idempotent(at []int) *Broken {
	x := c.sample(at, 0)
	xx, broken := c.merged(at, x, x, "merge($1, $1)")
	if broken == nil && !c.equal(xx.value, x.value) {
		return c.broken(NotIdempotent, at, xx, x)
	}
	return broken
}

func (c *checker[T]) commutative(at []int) *Broken {
	x, y := c.sample(at, 0), c.sample(at, 1)
	xy, broken := c.merged(at, x, y, "merge($1, $2)")
	if broken != nil {
		return broken
	}
	yx, broken := c.merged(at, y, x, "merge($2, $1)")
	if broken == nil && !c.equal(xy.value, yx.value) {
		return c.broken(NotCommutative, at, xy, yx)
	}
	return broken
}

func (c *checker[T]) associative(at []int) *Broken {
	x, y, z := c.sample(at, 0), c.sample(at, 1), c.sample(at, 2)
	xy, broken := c.merged(at, x, y, "merge($1, $2)")
	if broken != nil {
		return broken
	}
	left, broken := c.merged(at, xy, z, "merge(merge($1, $2), $3)")
	if broken != nil {
		return broken
	}
	yz, broken := c.merged(at, y, z, "merge($2, $3)")
	if broken != nil {
		return broken
	}
	right, broken := c.merged(at, x, yz, "merge($1, merge($2, $3))")
	if broken == nil && !c.equal(left.value, right.value) {
		return c.broken(NotAssociative, at, left, right)
	}
	return broken
}

// merged merges twice and holds the laws of a single call.
func (c *checker[T]) merged(at []int, x, y term[T], text string) (term[T], *Broken) {
	first, broken := c.once(at, x, y, text)
	if broken != nil {
		return first, broken
	}
	again, broken := c.once(at, x, y, text)
	if broken == nil && c.differ(first, again) {
		broken = c.broken(NonDeterministic, at, first, again)
	}
	return first, broken
}

// differ reports whether two results of one input differ. A value that isn't even equal to itself, such as NaN under ==,
// proves nothing here; it will break idempotence.
func (c *checker[T]) differ(first, again term[T]) bool {
	return !c.equal(first.value, again.value) && c.equal(first.value, first.value)
}

func (c *checker[T]) once(at []int, x, y term[T], text string) (result term[T], broken *Broken) {
	result.text = text
	result.value, broken = watched(c.merge, x.value, y.value, c.shares, c.shares)
	if broken != nil {
		broken.left, broken.right = text, [...]string{"", x.text, y.text}[broken.side]
		c.witness(broken, at)
	}
	return result, broken
}

func (c *checker[T]) broken(law string, at []int, left, right term[T]) *Broken {
	return c.witness(&Broken{Law: law, Left: left.value, Right: right.value, left: left.text, right: right.text}, at)
}

func (c *checker[T]) witness(b *Broken, at []int) *Broken {
	for _, position := range at {
		b.At = append(b.At, position)
		b.Witness = append(b.Witness, c.samples[position])
		b.shown = append(b.shown, c.shown[position])
	}
	return b
}
