package crdt

import (
	"cmp"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/ordered"
)

// ResetCounter is an exact counter that can be reset: a reset undoes the increments it had seen and no others. Each
// increment counts once, by its dot, however often it is delivered.
//
//	us: add 5        eu: reset, having seen it        ap: add 3 meanwhile        all: 3
//
// It remembers every increment that no reset has undone; [ResetCounter.Settle] folds the old ones together. The zero
// ResetCounter is 0 and ready. A copy made by assignment shares memory with the original: change only one of the two, or
// [ResetCounter.Clone] first. Many goroutines may read a ResetCounter, or one may change it.
type ResetCounter struct {
	state causal[tallies, *tallies]
}

// tallies are what each node has added.
type tallies struct {
	total Decimal // Invariant: the sum of all that is in nodes.
	nodes []tally // Invariant: ascending by node; none is empty.
}

// tally is what one node has added and no reset has undone.
type tally struct {
	node clock.Node

	// The increments up to the dot upTo are folded into one sum, which is undone as a whole or not at all. When upTo is 0,
	// nothing is folded.
	upTo   uint64
	folded Decimal

	added ordered.List[increment] // Invariant: ascending, all after upTo.
}

type increment struct {
	seq    uint64
	amount Decimal
}

// Add adds amount, which may be negative, as a write of node, and returns the delta.
func (c *ResetCounter) Add(node clock.Node, amount Decimal) (delta ResetCounter) {
	d := next(&c.state.seen, node)
	delta.AddAt(d, amount)
	c.AddAt(d, amount)
	return delta
}

// Reset undoes all increments that c has seen, and returns the delta. It leaves no dot of its own.
func (c *ResetCounter) Reset() ResetCounter { return ResetCounter{c.state.clear()} }

// AddAt applies an increment that was made elsewhere. Operations may come in any order and more than once. It reports
// whether c changed; applied to an empty counter it makes the delta of the operation. It costs no allocation but for the
// growth of c.
//
// If one dot comes with two amounts, its node had two writers; the greater amount counts, on every replica.
func (c *ResetCounter) AddAt(d clock.Dot, amount Decimal) bool {
	if d.IsZero() {
		return false
	}
	body := &c.state.body
	if c.state.seen.Add(d) {
		body.need(d.Node).insert(increment{d.Seq, amount})
		body.total = body.total.Add(amount)
		return true
	}
	t := body.find(d.Node)
	return t != nil && body.raise(t, d.Seq, amount)
}

// ResetAt applies a reset that was made elsewhere: it undoes the increments in seen, also those that arrive only later.
// The dot is the reset's own; zero if it has none.
func (c *ResetCounter) ResetAt(d clock.Dot, seen clock.Vector) bool { return c.state.clearAt(d, seen) }

// Value returns the sum of the increments that no reset has undone.
func (c *ResetCounter) Value() Decimal { return c.state.body.total }

// Seen returns all dots that c has seen: what an operation made here had seen.
func (c *ResetCounter) Seen() clock.Vector { return c.state.seen.Clone() }

// Note tells c that of all the dots in delivered none is on its way to it, as [ORSet.Note] does.
func (c *ResetCounter) Note(delivered clock.Vector) { c.state.seen.Merge(delivered) }

// Settle folds the increments of each node in stable, as far as it has no holes, into one sum, so that they take the room
// of one. The counter still merges with replicas that have not settled, or not as far. A sum of more than [MaxDigits] digits
// can't be encoded, so who takes increments from outside bounds them by [Decimal.Fits] to fewer.
//
// HAZARD: stable must be causally stable: every operation that has not arrived here yet has seen all of it. The least of
// what all nodes have acknowledged is. Otherwise a reset that had seen a part of the sum can't undo that part, and
// undoes nothing.
func (c *ResetCounter) Settle(stable clock.Vector) {
	c.state.seen.Merge(stable)
	for i := range c.state.body.nodes {
		t := &c.state.body.nodes[i]
		if upTo := stable.Prefix(t.node); upTo > t.upTo && t.hasUpTo(upTo) {
			t.takeUpTo(upTo, &t.folded)
			t.upTo, t.added = upTo, t.added.Clone() // which takes no more memory than what is left
		}
	}
}

// Merge joins other, a state or a delta, into c and reports whether c changed. Neither order nor repetition matters. Its
// cost grows with other, and with the increments that it undoes, not with c.
func (c *ResetCounter) Merge(other ResetCounter) bool { return c.state.merge(&other.state) }

// Equal reports whether the two states are the same, so that no merge will ever tell them apart.
func (c *ResetCounter) Equal(other ResetCounter) bool { return c.state.equal(&other.state) }

// Clone returns a copy that shares no memory with c.
func (c *ResetCounter) Clone() ResetCounter { return ResetCounter{c.state.clone()} }

// Encode appends c to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (c *ResetCounter) Encode(b []byte) ([]byte, error) {
	return encodeCausal(b, "ResetCounter", &c.state, talliesForm)
}

// Decode replaces c by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then c has not
// changed.
func (c *ResetCounter) Decode(data []byte, limits Limits) error {
	state, err := decodeCausal[tallies](data, "ResetCounter", limits, talliesForm)
	if err == nil {
		c.state = state
	}
	return err
}

func (ResetCounter) nestable() {}

func (c *ResetCounter) parts() (*clock.Vector, body) { return c.state.parts() }

func (t *tallies) search(node clock.Node) (int, bool) {
	return slices.BinarySearchFunc(t.nodes, node, func(t tally, n clock.Node) int { return cmp.Compare(t.node, n) })
}

func (t *tallies) find(node clock.Node) *tally {
	if i, ok := t.search(node); ok {
		return &t.nodes[i]
	}
	return nil
}

func (t *tallies) need(node clock.Node) *tally {
	if len(t.nodes) == 0 {
		return t.first(node)
	}
	i, ok := t.search(node)
	if !ok {
		t.nodes = slices.Insert(t.nodes, i, tally{node: node})
	}
	return &t.nodes[i]
}

// first adds the first node, with room for one increment beside it: of the counters in a map most have no more, and those
// two are then one allocation, and near to each other.
func (t *tallies) first(node clock.Node) *tally {
	room := new(struct {
		node  [1]tally
		added [1]increment
	})
	room.node[0] = tally{node: node, added: ordered.Of(room.added[:0])}
	t.nodes = room.node[:]
	return &t.nodes[0]
}

// raise makes an increment that is there count amount, if that is more.
func (t *tallies) raise(of *tally, seq uint64, amount Decimal) bool {
	a := of.find(seq)
	if a == nil || amount.Cmp(a.amount) <= 0 {
		return false
	}
	t.total = t.total.Add(amount.Sub(a.amount))
	a.amount = amount
	return true
}

// place returns where in added seq is, or would be.
func (t *tally) place(seq uint64) ordered.Place {
	return t.added.Search(func(a *increment) bool { return a.seq < seq })
}

// find returns the increment of a number, nil if there is none.
func (t *tally) find(seq uint64) *increment {
	if a := t.added.At(t.place(seq)); a != nil && a.seq == seq {
		return a
	}
	return nil
}

func (t *tally) insert(a increment) {
	if t.added.Len() == 0 || t.added.Last().seq < a.seq { // in order: the common case
		t.added.Push(a)
		return
	}
	t.added.Insert(t.place(a.seq), a)
}

// takeUpTo removes the increments up to the dot seq, and adds them to a sum.
func (t *tally) takeUpTo(seq uint64, sum *Decimal) {
	t.added.Delete(ordered.Place{}, func(a *increment) bool { return a.seq <= seq }, func(a *increment) bool {
		*sum = sum.Add(a.amount)
		return true
	})
}

func (t *tally) isEmpty() bool { return t.upTo == 0 && t.added.Len() == 0 }

// hasUpTo reports whether anything that the node added up to the dot seq still counts.
func (t *tally) hasUpTo(seq uint64) bool {
	return t != nil && (t.upTo > 0 || t.added.Len() > 0 && t.added.First().seq <= seq)
}

// join is the causal join of increments, in which the sum of settled ones is like one more increment with a wide dot: it
// takes the place of the single ones, and is gone when the other side has seen all of it and has nothing of it.
func (t *tallies) join(other *tallies, mine, theirs *clock.Vector) (changed bool) {
	for i := range other.nodes {
		if t.adopt(&other.nodes[i], mine) {
			changed = true
		}
	}
	empty := false
	for node, run := range theirs.Runs() {
		if at := t.find(node); at != nil && t.undo(at, other.find(node), run) {
			changed = true
			empty = empty || at.isEmpty()
		}
	}
	for i := range other.nodes {
		o := &other.nodes[i]
		for a := range o.added.All {
			if t.take(o.node, *a, mine) {
				changed = true
			}
		}
	}
	if empty {
		t.nodes = slices.DeleteFunc(t.nodes, func(t tally) bool { return t.isEmpty() })
	}
	return changed
}

// adopt takes over a sum that reaches further than ours, unless we have seen all of it undone.
func (t *tallies) adopt(o *tally, mine *clock.Vector) bool {
	if o.upTo == 0 {
		return false
	}
	at := t.find(o.node)
	switch {
	case at != nil && at.upTo > o.upTo:
		return false
	case at != nil && at.upTo == o.upTo:
		if o.folded.Cmp(at.folded) <= 0 {
			return false
		}
	case mine.Prefix(o.node) >= o.upTo && !at.hasUpTo(o.upTo):
		return false
	}
	at = t.need(o.node)
	at.takeUpTo(o.upTo, &at.folded)
	t.total = t.total.Sub(at.folded).Add(o.folded)
	at.upTo, at.folded = o.upTo, o.folded
	return true
}

// undo removes what the other side has seen, in one run of dots, and has no more. Theirs is nil if it has nothing.
func (t *tallies) undo(at, theirs *tally, run clock.Range) (changed bool) {
	if at.upTo > 0 && run.First == 1 && run.Last >= at.upTo && !theirs.hasUpTo(at.upTo) {
		t.total = t.total.Sub(at.folded)
		at.upTo, at.folded = 0, Decimal{}
		changed = true
	}
	inRun := func(a *increment) bool { return a.seq <= run.Last }
	at.added.Delete(at.place(run.First), inRun, func(a *increment) bool {
		if theirs != nil && theirs.find(a.seq) != nil {
			return false
		}
		t.total = t.total.Sub(a.amount)
		changed = true
		return true
	})
	return changed
}

// take counts one increment of the other side.
func (t *tallies) take(node clock.Node, a increment, mine *clock.Vector) bool {
	if mine.Has(clock.Dot{Node: node, Seq: a.seq}) {
		at := t.find(node)
		return at != nil && t.raise(at, a.seq, a.amount)
	}
	t.need(node).insert(a)
	t.total = t.total.Add(a.amount)
	return true
}

// drop removes the increments that are in seen, and the sums that are wholly in it.
func (t *tallies) drop(seen *clock.Vector) bool {
	return t.join(&tallies{}, &clock.Vector{}, seen)
}

func (t *tallies) isEmpty() bool { return len(t.nodes) == 0 }

func (t *tallies) least() (d clock.Dot) {
	for i := range t.nodes {
		n := &t.nodes[i]
		first := clock.Dot{Node: n.node, Seq: 1}
		if n.upTo == 0 {
			first.Seq = n.added.First().seq
		}
		d = lesser(d, first)
	}
	return d
}

func (t *tallies) counts(*clock.Vector) bool { return !t.isEmpty() }

func (t *tallies) equal(other *tallies, _ *clock.Vector) bool {
	return slices.EqualFunc(t.nodes, other.nodes, func(a, b tally) bool {
		if a.node != b.node || a.upTo != b.upTo || !a.folded.Equal(b.folded) || a.added.Len() != b.added.Len() {
			return false
		}
		for o := range a.added.All {
			if p := b.find(o.seq); p == nil || !p.amount.Equal(o.amount) {
				return false
			}
		}
		return true
	})
}

func (t *tallies) len() (n int) {
	for i := range t.nodes {
		n += int(t.nodes[i].upTo) + t.nodes[i].added.Len()
	}
	return n
}

func (t *tallies) dots(v clock.Vector) clock.Vector {
	for _, n := range t.nodes {
		v.AddUp(n.node, n.upTo)
		for a := range n.added.All {
			v.Add(clock.Dot{Node: n.node, Seq: a.seq})
		}
	}
	return v
}
