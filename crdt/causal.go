package crdt

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/ordered"
)

// slot is content made by dots: what a causal type holds, and what a keyed store holds under one key. S is the type that
// holds it.
//
// HAZARD: join copies. A slot must not share memory that either side may change later.
type slot[S any] interface {
	*S

	// join is the causal join with other, where mine and theirs are all dots that the two replicas have seen: content lives
	// on if both have it, or if one has it and the other has never seen its dot. It reports whether anything changed.
	join(other *S, mine, theirs *clock.Vector) bool

	// drop removes the content whose dots are in seen, and reports whether there was any.
	drop(seen *clock.Vector) bool

	isEmpty() bool
	equal(other *S, ctx *clock.Vector) bool // ctx is what both sides have seen
	dots(v clock.Vector) clock.Vector       // v with the dots of all content; like append, it may write to v
	len() int                               // how many dots that are
	least() clock.Dot                       // the least of them, zero if there are none
	counts(ctx *clock.Vector) bool          // whether anything in it makes a difference to whom has seen ctx
}

// causal is content with all dots that the replica has seen: those of its content, and those whose content is gone. A
// delta is the same with fewer dots.
type causal[S any, P slot[S]] struct {
	seen clock.Vector
	body S
}

// merge is the join of the package comment, done in place. It reports whether c changed.
func (c *causal[S, P]) merge(other *causal[S, P]) bool {
	changed := P(&c.body).join(&other.body, &c.seen, &other.seen)
	if !c.seen.Covers(other.seen) {
		changed = true
		c.seen.Merge(other.seen)
	}
	return changed
}

func (c *causal[S, P]) equal(other *causal[S, P]) bool {
	return c.seen.Equal(other.seen) && P(&c.body).equal(&other.body, &c.seen)
}

func (c *causal[S, P]) clone() (copied causal[S, P]) {
	copied.merge(c)
	return copied
}

// replaced returns the delta that removes all content of c, and nothing that c has not seen.
func (c *causal[S, P]) replaced() causal[S, P] {
	return causal[S, P]{seen: P(&c.body).dots(clock.Vector{})}
}

// clear removes all content of c, and returns the delta.
func (c *causal[S, P]) clear() causal[S, P] {
	delta := c.replaced()
	c.merge(&delta)
	return delta
}

// clearAt removes the content whose dots are in seen, now and whenever it arrives; d is the dot of the operation.
func (c *causal[S, P]) clearAt(d clock.Dot, seen clock.Vector) bool {
	delta := causal[S, P]{seen: seen.Clone()}
	delta.seen.Add(d)
	return c.merge(&delta)
}

// write replaces all content of c by that of a new dot, and returns the delta. It is for content that is never changed in
// place.
func (c *causal[S, P]) write(d clock.Dot, content S) causal[S, P] {
	delta := c.replaced()
	delta.seen.Add(d)
	delta.body = content
	c.seen.Add(d)
	c.body = content
	return delta
}

// writeAt replaces the content whose dots are in seen, now and whenever it arrives, by that of d.
func (c *causal[S, P]) writeAt(d clock.Dot, seen clock.Vector, content S) bool {
	delta := causal[S, P]{seen: seen.Clone()}
	if !d.IsZero() {
		delta.seen.Add(d)
		delta.body = content
	}
	return c.merge(&delta)
}

// next returns the dot of the next write of node, given all that the replica has seen.
func next(seen *clock.Vector, node clock.Node) clock.Dot {
	named(node)
	return seen.Next(node)
}

// named panics when a node has no name.
func named(node clock.Node) {
	if node == "" {
		panic("crdt: a write needs the name of its node; two nameless writers would be taken for one")
	}
}

// dropFrom removes those of the items, which stand in the order of their dots, whose dots are in seen and of which goes says so. It
// looks at the dots in seen, or at all items where that are fewer.
func dropFrom[T any](items *ordered.List[T], dot func(*T) clock.Dot, seen *clock.Vector, goes func(*T) bool) bool {
	before := items.Len()
	runs := 0
	for range seen.Runs() {
		if runs++; runs > before {
			items.Delete(ordered.Place{}, func(*T) bool { return true }, goes)
			return items.Len() < before
		}
	}
	for node, run := range seen.Runs() {
		first, last := clock.Dot{Node: node, Seq: run.First}, clock.Dot{Node: node, Seq: run.Last}
		from := items.Search(func(o *T) bool { return dot(o).Compare(first) < 0 })
		items.Delete(from, func(o *T) bool { return dot(o).Compare(last) <= 0 }, goes)
	}
	return items.Len() < before
}

// takeFirst removes the first of some items and returns it, the zero T when there are none.
func takeFirst[T any](items *ordered.List[T]) (first T) {
	if items == nil || items.Len() == 0 {
		return first
	}
	first = *items.First()
	taken := false
	items.Delete(ordered.Place{}, func(*T) bool { taken = !taken; return taken }, func(*T) bool { return true })
	return first
}
