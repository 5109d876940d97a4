package crdt

import (
	"maps"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// mergeWatched merges as merge does, and returns the keys whose content has changed, ascending, each with what of returned
// for the content that it had before.
func mergeWatched[K comparable, S any, P slot[S], T any](c, other *causal[keyed[K, S, P], *keyed[K, S, P]], of func(*S) T) (changed bool, keys []K, before map[K]T) {
	before = make(map[K]T)
	c.body.watch = func(k K, was S) {
		if _, again := before[k]; !again {
			before[k] = of(&was)
		}
	}
	changed = c.merge(other)
	c.body.watch = nil
	return changed, slices.SortedFunc(maps.Keys(before), compare), before
}

// mergeMembers merges as merge does, and then tells each of every key that came or went.
func mergeMembers[K comparable, S any, P slot[S]](c, other *causal[keyed[K, S, P], *keyed[K, S, P]], isIn func(*S) bool, each func(k K, isIn bool)) bool {
	changed, keys, was := mergeWatched(c, other, isIn)
	for _, k := range keys {
		now := c.body.held.get(k)
		if is := now != nil && isIn(now); is != was[k] {
			each(k, is)
		}
	}
	return changed
}

// reused returns the dots that make content in t and in other under unequal keys. One writer never gives them: a dot is for
// one write.
func (t *keyed[K, S, P]) reused(other *keyed[K, S, P], mine *clock.Vector) (twice clock.Vector) {
	var asked clock.Vector // what other has under a key, and we, who have seen it, have not
	for i := range other.held.rows {
		o := &other.held.rows[i]
		theirs := P(&o.held).dots(clock.Vector{})
		var ours clock.Vector
		if held := t.held.get(o.key); held != nil {
			ours = P(held).dots(ours)
		}
		asked.Merge(common(theirs.Minus(ours), *mine))
	}
	if asked.IsEmpty() {
		return twice
	}
	for i := range t.held.rows {
		ours := P(&t.held.rows[i].held).dots(clock.Vector{})
		twice.Merge(common(ours, asked))
	}
	return twice
}

// common returns the dots that are in both.
func common(a, b clock.Vector) clock.Vector { return a.Minus(a.Minus(b)) }
