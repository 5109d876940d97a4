package replica

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
)

// chain is the sum over all operations of one node so far: equal chains, equal operations.
type chain struct {
	seq uint64
	sum [16]byte
}

func (c chain) next(sum [16]byte) chain {
	if c.seq > 0 && c.sum == [16]byte{} { // what is before is not known, so neither is this
		return chain{seq: c.seq + 1}
	}
	var both [32]byte
	copy(both[:16], c.sum[:])
	copy(both[16:], sum[:])
	return chain{c.seq + 1, merge.Sum(both[:])}
}

// trail is what is left of the chain of a node where the log has forgotten its operations: the sums up to some numbers,
// ascending. By it a copy of a disk finds out from which number on it wrote something else than the others have. It has all of
// the latest numbers, and of those before one in 8, 16, 32 and so on, by how far back they are: some 1,200 of a million.
// They are multiples of these, so that all replicas have the same ones.
type trail []chain

// latest is how many numbers a trail has one by one.
const latest = 512

// stays reports whether a number is in a trail that ends at last.
func stays(seq, last uint64) bool {
	back := last - seq
	return back < latest || seq&(1<<(bits.Len64(back/64)-1)-1) == 0
}

// with returns a trail that has what either of the two has and ends at last. Where both have a number, t is right.
func (t trail) with(more trail, last uint64) trail {
	all := slices.Concat(t, more)
	slices.SortStableFunc(all, func(a, b chain) int { return cmp.Compare(a.seq, b.seq) })
	all = slices.CompactFunc(all, func(a, b chain) bool { return a.seq == b.seq })
	return slices.DeleteFunc(all, func(c chain) bool { return c.seq > last || !stays(c.seq, last) })
}

// at returns the sum up to a number, zero when it is not known any more.
func (t trail) at(seq uint64) [16]byte {
	i, ok := slices.BinarySearchFunc(t, seq, func(c chain, seq uint64) int { return cmp.Compare(c.seq, seq) })
	if !ok {
		return [16]byte{}
	}
	return t[i].sum
}

// forgets keeps of the operations that the log is about to forget, those up to the horizon, what belongs into the trails. The
// caller holds mu.
func (r *Replica) forgets(horizon clock.Vector) {
	for node, run := range horizon.Runs() {
		var more trail
		for seq := r.settled.Prefix(node) + 1; seq <= run.Last; seq++ {
			if !stays(seq, run.Last) {
				continue
			}
			if at, _ := r.chainAt(node, seq); at.isKnown() {
				more = append(more, chain{seq, at.Sum})
			}
		}
		if len(more) > 0 {
			r.trails[node] = r.trails[node].with(more, max(run.Last, r.trails[node].last()))
		}
	}
}

func (t trail) last() uint64 {
	if len(t) == 0 {
		return 0
	}
	return t[len(t)-1].seq
}

// chainAt returns the chain of a node up to a number, or up to the last one that is known here if that is less, and the last
// one. The sum is zero when it isn't known any more. The caller holds mu.
func (r *Replica) chainAt(node clock.Node, seq uint64) (at Chain, last uint64) {
	last = r.seen.Prefix(node)
	at = Chain{Node: node, Seq: min(seq, last)}
	if c := r.chains[node]; c != nil && c.seq == at.Seq {
		at.Sum = c.sum
	} else if op, ok := r.log.Find(clock.Dot{Node: node, Seq: at.Seq}); ok {
		at.Sum = op.Payload.sum
	}
	if !at.isKnown() {
		at.Sum = r.trails[node].at(at.Seq)
	}
	return at, last
}

// chainsOf returns all that is known of the chain of a node up to a number, ascending. The caller holds mu.
func (r *Replica) chainsOf(node clock.Node, upTo uint64) (known []Chain) {
	numbers := []uint64{upTo}
	for _, c := range r.trails[node] {
		numbers = append(numbers, c.seq)
	}
	for op := range r.log.Since(r.seen.Minus(clock.Up(node, upTo))) {
		if op.Dot.Node == node { // and not on its way to the disk
			numbers = append(numbers, op.Dot.Seq)
		}
	}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		if at, _ := r.chainAt(node, n); n <= upTo && at.Seq == n && at.isKnown() {
			known = append(known, at)
		}
	}
	return known
}

// resum finds out the chains of what the log has kept over a restart. The caller holds mu.
func (r *Replica) resum() {
	at := make(map[clock.Node]chain)
	for op := range r.log.Since(clock.Vector{}) {
		c := at[op.Dot.Node]
		if before := op.Dot.Seq - 1; c.seq != before {
			known, _ := r.chainAt(op.Dot.Node, before)
			c = chain{before, known.Sum}
		}
		c = c.next(op.Sum)
		op.Payload.sum, at[op.Dot.Node] = c.sum, c
	}
}

func (c Chain) isKnown() bool { return c.Sum != [16]byte{} }

// differs reports whether two chains up to one number are known to be of different operations.
func (c Chain) differs(from Chain) bool { return c.Sum != from.Sum && c.isKnown() && from.isKnown() }

// sorted returns the chains by node.
func sorted(chains map[clock.Node]*chain) []Chain {
	var all []Chain
	for n, c := range chains {
		all = append(all, Chain{n, c.seq, c.sum})
	}
	slices.SortFunc(all, func(a, b Chain) int { return cmp.Compare(a.Node, b.Node) })
	return all
}

// allTrails returns the trails, by node and number. The caller holds mu.
func (r *Replica) allTrails() (all []Chain) {
	for _, node := range slices.Sorted(maps.Keys(r.trails)) {
		for _, c := range r.trails[node] {
			all = append(all, Chain{node, c.seq, c.sum})
		}
	}
	return all
}

// asTrails returns what the trails would be if the log forgot all that it has: what goes with the state. The caller holds mu.
func (r *Replica) asTrails() (all []Chain) {
	for node, run := range r.seen.Runs() {
		for _, c := range r.chainsOf(node, run.Last) {
			if stays(c.Seq, run.Last) {
				all = append(all, c)
			}
		}
	}
	return all
}

// link adds an operation to the chain of its node.
func (r *Replica) link(d clock.Dot, sum [16]byte, e *entry) {
	c := r.chains[d.Node]
	if c == nil {
		c = &chain{}
		r.chains[d.Node] = c
	}
	if c.seq+1 != d.Seq { // what is before came as state
		*c = chain{seq: d.Seq - 1}
	}
	*c = c.next(sum)
	e.sum = c.sum
}
