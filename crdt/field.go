package crdt

import "github.com/tiebreakhq/tiebreak/clock"

// field is what a map holds under one key: a value, and the deletes that it has survived.
//
// A write to the value counts as long as its writer had seen every delete of the key. So the content of a value always
// belongs to one set of deletes: when more are heard of, all of it goes, and when fewer, what arrives has gone already.
// Sets of deletes only grow, and content is joined only where they are equal, which makes the whole a join again.
type field[V Nestable] struct {
	value V // what it has seen is empty: the map has seen it

	// The deletes as one run a node, for each delete of a node has seen its earlier ones. The vector is never changed, only
	// replaced.
	deleted clock.Vector
}

func (f *field[V]) join(other *field[V], mine, theirs *clock.Vector) (changed bool) {
	if !f.deleted.Equal(other.deleted) {
		switch {
		case f.deleted.Covers(other.deleted):
			return f.drop(theirs)
		case other.deleted.Covers(f.deleted):
			*f = field[V]{deleted: other.deleted.Clone()}
			changed = true
		default:
			both := f.deleted.Clone()
			both.Merge(other.deleted)
			*f = field[V]{deleted: both}
			return true
		}
	}
	return f.body().join(other.body(), mine, theirs) || changed
}

func (f *field[V]) body() body {
	_, b := parts(&f.value)
	return b
}

func (f *field[V]) drop(seen *clock.Vector) bool { return f.body().drop(seen) }

func (f *field[V]) isEmpty() bool { return f.deleted.IsEmpty() && f.body().isEmpty() }

func (f *field[V]) equal(other *field[V], ctx *clock.Vector) bool {
	return f.deleted.Equal(other.deleted) && f.body().equal(other.body(), ctx)
}

func (f *field[V]) dots(v clock.Vector) clock.Vector { return f.body().dots(v) }

func (f *field[V]) len() int { return f.body().len() }

func (f *field[V]) least() clock.Dot { return f.body().least() }

func (f *field[V]) counts(ctx *clock.Vector) bool {
	return !f.deleted.IsEmpty() || f.body().counts(ctx)
}

// body is a slot whose type is known only to itself.
type body interface {
	join(other body, mine, theirs *clock.Vector) bool
	drop(seen *clock.Vector) bool
	isEmpty() bool
	equal(other body, ctx *clock.Vector) bool
	dots(v clock.Vector) clock.Vector
	len() int
	least() clock.Dot
	counts(ctx *clock.Vector) bool
}

// bodyOf makes a slot a body. Two bodies that meet are of one type, that of the values of one map.
type bodyOf[S any, P slot[S]] struct{ held P }

func (b bodyOf[S, P]) join(other body, mine, theirs *clock.Vector) bool {
	return b.held.join(other.(bodyOf[S, P]).held, mine, theirs)
}

func (b bodyOf[S, P]) drop(seen *clock.Vector) bool { return b.held.drop(seen) }

func (b bodyOf[S, P]) isEmpty() bool { return b.held.isEmpty() }

func (b bodyOf[S, P]) equal(other body, ctx *clock.Vector) bool {
	return b.held.equal(other.(bodyOf[S, P]).held, ctx)
}

func (b bodyOf[S, P]) dots(v clock.Vector) clock.Vector { return b.held.dots(v) }

func (b bodyOf[S, P]) len() int { return b.held.len() }

func (b bodyOf[S, P]) least() clock.Dot { return b.held.least() }

func (b bodyOf[S, P]) counts(ctx *clock.Vector) bool { return b.held.counts(ctx) }

// parts takes a value apart: what it has seen, and its content.
func parts[V Nestable](v *V) (*clock.Vector, body) {
	return any(v).(interface{ parts() (*clock.Vector, body) }).parts()
}

func (c *causal[S, P]) parts() (*clock.Vector, body) { return &c.seen, bodyOf[S, P]{&c.body} }
