package crdt

import (
	"iter"
	"math"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/ordered"
)

// keyed is the store of every type whose writes name a key: each key has a slot, all share the dots that the replica
// has seen, which are kept outside and handed in as ctx.
//
// A write to a key replaces what its writer had seen under that key. The writer names what it had seen as a whole, not
// the dots of the key, so a write that overtakes an older one must be remembered until that arrives:
//
//	us adds apple (us:1); eu, who has seen it, removes apple. The remove arrives first, with seen {us:1}.
//	Nothing is there to remove, and us:1 can't be called seen, for it may be an add of pear.
//
// So per key there may be dots to wait for. To each dot d and each key k belongs one of three states: unseen and not
// waited for, unseen and waited for, seen; if it is seen, content is there or it is gone for ever. They only move to the
// right, which makes joining them idempotent, commutative and associative.
type keyed[K comparable, S any, P slot[S]] struct {
	held table[K, S] // Invariant: no slot is empty, and the dots of its content are in ctx.

	// The dots that count for a key are those not in ctx: no others can arrive, so those in ctx are dropped when it is
	// convenient and ignored until then.
	//
	// Invariant: no content under a key has a dot that the key waits for.
	waiting table[K, clock.Vector]
	sweep   int // where convenience begins next

	// Some dots that no content here has, and none ever will, since they were seen: a walk has found that out. It spares a
	// walk for a small delta that comes again, and is no part of the state.
	gone clock.Vector

	// The keys of a set by the dots of their content, ascending, and some whose content is gone. Nil until there were a few walks, and when
	// it has grown to twice what it was. It is no part of the state either.
	byDot *ordered.List[made[K]]
	most  int // how many are in byDot when it is given up
	walks int // since then

	watch func(k K, was S) // unless nil, is told of each key whose content a join changes, and what that was
}

// write applies one operation: it replaces what seen covers under k and, with an insert, adds content under the dot d. Any
// number of deliveries in any order come to one state. A zero d is for operations that nobody will ever have to wait for.
func (t *keyed[K, S, P]) write(k K, d clock.Dot, seen, ctx *clock.Vector, insert func(P, clock.Dot)) bool {
	if seen.Has(d) { // an operation does not replace itself
		own := clock.Vector{}
		own.Add(d)
		others := seen.Minus(own)
		seen = &others
	}
	at := t.held.find(k)
	changed := at >= 0 && P(&t.held.rows[at].held).drop(seen)
	if !d.IsZero() && !ctx.Has(d) {
		changed = true
		ctx.Add(d)
		if insert != nil && !t.awaits(k, d) {
			if at < 0 {
				at, _ = t.held.need(k)
			}
			insert(&t.held.rows[at].held, d)
			t.note(k, d)
		}
	}
	if at >= 0 && P(&t.held.rows[at].held).isEmpty() {
		t.held.remove(at)
	}
	if t.wait(k, seen, ctx, &nothing) {
		changed = true
	}
	t.settle(ctx, &nothing, fewRows)
	return changed
}

// awaits reports whether content of d under k is already replaced.
func (t *keyed[K, S, P]) awaits(k K, d clock.Dot) bool {
	if len(t.waiting.rows) == 0 {
		return false
	}
	w := t.waiting.get(k)
	return w != nil && w.Has(d)
}

// wait remembers what of seen neither side of a join has seen. It reports whether that is news.
func (t *keyed[K, S, P]) wait(k K, seen, mine, theirs *clock.Vector) bool {
	if covers(mine, theirs, seen) {
		return false
	}
	w := t.waiting.get(k)
	switch {
	case w == nil:
		*t.waiting.add(k) = seen.Clone()
		return true
	case w.Covers(*seen):
		return false
	}
	news := seen.Minus(*w)
	w.Merge(news)
	return !covers(mine, theirs, &news)
}

// nothing is the empty vector.
var nothing clock.Vector

// covers reports whether every dot of v is in mine or in theirs.
func covers(mine, theirs, v *clock.Vector) bool {
	if mine.Covers(*v) || theirs.Covers(*v) {
		return true
	}
	if theirs.IsEmpty() {
		return false
	}
	for node, run := range v.Runs() { // what waits mostly waits for the first of all
		if first := (clock.Dot{Node: node, Seq: run.First}); !mine.Has(first) && !theirs.Has(first) {
			return false
		}
	}
	return mine.Covers(v.Minus(*theirs))
}

// settle looks at some of the keys with dots to wait for, and forgets those for which nothing is left to arrive.
func (t *keyed[K, S, P]) settle(mine, theirs *clock.Vector, some int) {
	for range min(some, len(t.waiting.rows)) {
		if t.sweep >= len(t.waiting.rows) {
			t.sweep = 0
		}
		if covers(mine, theirs, &t.waiting.rows[t.sweep].held) {
			t.waiting.remove(t.sweep)
		} else {
			t.sweep++
		}
	}
}

// join is the causal join with other.
func (t *keyed[K, S, P]) join(other *keyed[K, S, P], mine, theirs *clock.Vector) (changed bool) {
	if t.mayDrop(other, mine, theirs) {
		changed = t.dropSeen(other, theirs)
		t.rememberGone(other, mine, theirs)
	}
	if len(t.held.rows) == 0 {
		t.held.grow(len(other.held.rows))
	}
	for i := range other.held.rows {
		o := &other.held.rows[i]
		at, _ := t.held.need(o.key)
		s := P(&t.held.rows[at].held)
		was := *s
		news := false
		if w := other.waiting.get(o.key); w != nil { // first, for often nothing is left to join with
			news = s.drop(w)
		}
		if s.join(&o.held, mine, theirs) {
			news = true
			if t.byDot != nil {
				for d := range eachOf(P(&o.held).dots(clock.Vector{})) {
					t.note(o.key, d)
				}
			}
			if w := t.waiting.get(o.key); w != nil {
				s.drop(w)
			}
		}
		if news {
			changed = true
			t.tell(o.key, was)
		}
		if s.isEmpty() {
			t.held.remove(at)
		}
	}
	for i := range other.waiting.rows {
		w := &other.waiting.rows[i]
		if other.held.find(w.key) < 0 && t.dropKey(w.key, &w.held) {
			changed = true
		}
		if t.wait(w.key, &w.held, mine, theirs) {
			changed = true
		}
	}
	t.settle(mine, theirs, len(other.held.rows)+len(other.waiting.rows)+fewRows)
	return changed
}

// dropKey removes the content under k whose dots are in seen, and reports whether there was any.
func (t *keyed[K, S, P]) dropKey(k K, seen *clock.Vector) bool {
	at := t.held.find(k)
	return at >= 0 && t.dropAt(at, seen)
}

// dropAt is dropKey of the key of a row.
func (t *keyed[K, S, P]) dropAt(at int, seen *clock.Vector) bool {
	k, s := t.held.rows[at].key, P(&t.held.rows[at].held)
	was := *s
	if !s.drop(seen) {
		return false
	}
	t.tell(k, was)
	if s.isEmpty() {
		t.held.remove(at)
	}
	return true
}

// dropSeen is dropKey of all keys but those that other has. It walks over t, or looks for the dots.
func (t *keyed[K, S, P]) dropSeen(other *keyed[K, S, P], seen *clock.Vector) (changed bool) {
	if _, runs := size(seen); runs > fewDots || !t.findsDots() {
		t.walks++
		for i := len(t.held.rows) - 1; i >= 0; i-- {
			if other.held.find(t.held.rows[i].key) < 0 && t.dropAt(i, seen) {
				changed = true
			}
		}
		return changed
	}
	for node, run := range seen.Runs() {
		first, last := clock.Dot{Node: node, Seq: run.First}, clock.Dot{Node: node, Seq: run.Last}
		t.byDot.Delete(t.placeOf(first), func(o *made[K]) bool { return o.dot.Compare(last) <= 0 }, func(o *made[K]) bool {
			if other.held.find(o.value) >= 0 {
				return false
			}
			if t.dropKey(o.value, seen) {
				changed = true
			}
			return true
		})
	}
	return changed
}

// findsDots makes byDot if it is worth it, and reports whether it is there. Only sets have it: a sum in a map may stand for more dots than
// there is room for.
func (t *keyed[K, S, P]) findsDots() bool {
	const fewWalks = 8 // which take about as long as to make it
	switch any((*S)(nil)).(type) {
	case *dotSet, *contest:
	default:
		return false
	}
	if t.byDot == nil && t.walks >= fewWalks && len(t.held.rows) > fewDots {
		var all []made[K]
		for i := range t.held.rows {
			r := &t.held.rows[i]
			for d := range eachOf(P(&r.held).dots(clock.Vector{})) {
				all = append(all, made[K]{r.key, d})
			}
		}
		slices.SortFunc(all, func(a, b made[K]) int { return a.dot.Compare(b.dot) })
		list := ordered.Of(all)
		t.byDot, t.most = &list, 2*len(all)
	}
	return t.byDot != nil
}

// placeOf returns where in byDot the first key of a dot is, or would be.
func (t *keyed[K, S, P]) placeOf(d clock.Dot) ordered.Place {
	return t.byDot.Search(func(o *made[K]) bool { return o.dot.Compare(d) < 0 })
}

// note says that there may be content of d under k.
func (t *keyed[K, S, P]) note(k K, d clock.Dot) {
	switch {
	case t.byDot == nil:
	case t.byDot.Len() >= t.most:
		t.byDot, t.walks = nil, 0
	default:
		t.byDot.Insert(t.placeOf(d), made[K]{k, d})
	}
}

func (t *keyed[K, S, P]) tell(k K, was S) {
	if t.watch != nil {
		t.watch(k, was)
	}
}

// mayDrop reports whether the other side may have seen content go that is still here: whether it has seen dots of ours of
// which it has no content, or not under the same key. It answers without a walk over t, so that a small delta costs
// little; a yes may be wrong.
func (t *keyed[K, S, P]) mayDrop(other *keyed[K, S, P], mine, theirs *clock.Vector) bool {
	if len(t.held.rows) == 0 {
		return false
	}
	dots, runs := size(theirs)
	if dots > fewDots {
		// Enough of them to pay for the walk, unless all are new to us.
		return runs > fewDots || !theirs.Minus(*mine).Covers(*theirs)
	}
	var shared clock.Vector // the dots of content that both have; none is looked for before one is needed
	for d := range eachOf(*theirs) {
		if !mine.Has(d) || t.gone.Has(d) {
			continue
		}
		if shared.IsEmpty() {
			shared = t.shared(other)
		}
		if !shared.Has(d) {
			return true
		}
	}
	return false
}

// fewDots is how many are asked for one by one.
const fewDots = 64

// rememberGone notes, after a walk for a small delta, that none of its dots is held but those that both have under one key.
func (t *keyed[K, S, P]) rememberGone(other *keyed[K, S, P], mine, theirs *clock.Vector) {
	const mostRuns = 1024
	if dots, _ := size(theirs); dots > fewDots {
		return
	}
	if _, runs := size(&t.gone); runs > mostRuns {
		t.gone = clock.Vector{}
	}
	shared := t.shared(other)
	for d := range eachOf(*theirs) {
		if mine.Has(d) && !shared.Has(d) {
			t.gone.Add(d)
		}
	}
}

// shared returns the dots that t and other both have under one key. A dot that they have under two was given twice, by
// two writers of one name; neither keeps it.
func (t *keyed[K, S, P]) shared(other *keyed[K, S, P]) (dots clock.Vector) {
	for i := range other.held.rows {
		o := &other.held.rows[i]
		if held := t.held.get(o.key); held != nil {
			ours, theirs := P(held).dots(clock.Vector{}), P(&o.held).dots(clock.Vector{})
			dots.Merge(theirs.Minus(theirs.Minus(ours)))
		}
	}
	return dots
}

// eachOf yields the dots of v, those of each node in order.
func eachOf(v clock.Vector) iter.Seq[clock.Dot] {
	return func(yield func(clock.Dot) bool) {
		for node, run := range v.Runs() {
			for n := range run.Last - run.First + 1 {
				if !yield(clock.Dot{Node: node, Seq: run.First + n}) {
					return
				}
			}
		}
	}
}

// size returns how many dots v has, and in how many runs.
func size(v *clock.Vector) (dots, runs uint64) {
	for _, run := range v.Runs() {
		// Of all dots there can be, there are more than can be counted.
		if dots += run.Last - run.First + 1; dots < run.Last-run.First+1 {
			dots = math.MaxUint64
		}
		runs++
	}
	return dots, runs
}

// drop removes all content whose dots are in seen.
func (t *keyed[K, S, P]) drop(seen *clock.Vector) (changed bool) {
	for i := len(t.held.rows) - 1; i >= 0; i-- {
		s := P(&t.held.rows[i].held)
		if s.drop(seen) {
			changed = true
			if s.isEmpty() {
				t.held.remove(i)
			}
		}
	}
	return changed
}

// equal compares content, and the dots that are waited for as far as they count. A slot may be there with nothing in it
// that counts any more, so one that is missing equals an empty one.
func (t *keyed[K, S, P]) equal(other *keyed[K, S, P], ctx *clock.Vector) bool {
	return t.within(other, ctx) && other.within(t, ctx) && t.waitsFor(other, ctx) && other.waitsFor(t, ctx)
}

// within reports whether other has every slot that t has.
func (t *keyed[K, S, P]) within(other *keyed[K, S, P], ctx *clock.Vector) bool {
	var empty S
	for i := range t.held.rows {
		o := other.held.get(t.held.rows[i].key)
		if o == nil {
			o = &empty
		}
		if !P(&t.held.rows[i].held).equal(o, ctx) {
			return false
		}
	}
	return true
}

// waitsFor reports whether other waits for all that t waits for.
func (t *keyed[K, S, P]) waitsFor(other *keyed[K, S, P], ctx *clock.Vector) bool {
	for i := range t.waiting.rows {
		w := &t.waiting.rows[i]
		rest := w.held.Minus(*ctx)
		if rest.IsEmpty() {
			continue
		}
		if o := other.waiting.get(w.key); o == nil || !o.Covers(rest) {
			return false
		}
	}
	return true
}

func (t *keyed[K, S, P]) len() (n int) {
	for i := range t.held.rows {
		n += P(&t.held.rows[i].held).len()
	}
	return n
}

func (t *keyed[K, S, P]) dots(v clock.Vector) clock.Vector {
	for i := range t.held.rows {
		v = P(&t.held.rows[i].held).dots(v)
	}
	return v
}

func (t *keyed[K, S, P]) isEmpty() bool { return len(t.held.rows) == 0 && len(t.waiting.rows) == 0 }

func (t *keyed[K, S, P]) least() (d clock.Dot) {
	for i := range t.held.rows {
		d = lesser(d, P(&t.held.rows[i].held).least())
	}
	return d
}

func (t *keyed[K, S, P]) counts(ctx *clock.Vector) bool {
	for i := range t.held.rows {
		if P(&t.held.rows[i].held).counts(ctx) {
			return true
		}
	}
	for i := range t.waiting.rows {
		if !ctx.Covers(t.waiting.rows[i].held) {
			return true
		}
	}
	return false
}

// keys returns the keys that have content, ascending.
func (t *keyed[K, S, P]) keys() []K {
	keys := make([]K, 0, len(t.held.rows))
	for i := range t.held.rows {
		if P(&t.held.rows[i].held).len() > 0 {
			keys = append(keys, t.held.rows[i].key)
		}
	}
	slices.SortFunc(keys, compare)
	return keys
}

// writeKey replaces what c holds under k by what insert makes of the dot d, and returns the delta.
func writeKey[K comparable, S any, P slot[S]](c *causal[keyed[K, S, P], *keyed[K, S, P]], k K, d clock.Dot, insert func(P, clock.Dot)) (delta causal[keyed[K, S, P], *keyed[K, S, P]]) {
	replaced := &nothing
	if held := c.body.held.get(k); held != nil && P(held).len() > 0 {
		if !d.IsZero() {
			delta.body.makeRoomForOne()
		}
		replaced = delta.body.waiting.add(k) // whoever gets the delta may not have seen it
		*replaced = P(held).dots(clock.Vector{})
	}
	if delta.seen.Add(d) {
		insert(delta.body.held.add(k), d)
	}
	c.body.write(k, d, replaced, &c.seen, insert)
	return delta
}

// makeRoomForOne makes room in an empty store for a key that is written and replaces something, in one allocation.
func (t *keyed[K, S, P]) makeRoomForOne() {
	room := new(struct {
		held    [1]row[K, S]
		waiting [1]row[K, clock.Vector]
	})
	t.held.rows, t.waiting.rows = room.held[:0], room.waiting[:0]
}

// noteKeys tells c that none of the dots in delivered is on its way to it.
func noteKeys[K comparable, S any, P slot[S]](c *causal[keyed[K, S, P], *keyed[K, S, P]], delivered clock.Vector) {
	c.seen.Merge(delivered)
	c.body.settle(&c.seen, &nothing, len(c.body.waiting.rows))
}
