package replay

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// room is the memory in which one goroutine folds keys, one after the other. A key takes of it what it needs, and all is
// taken back when the next key begins: most keys have a handful of writes, and making and dropping memory for each would
// cost more than folding it. It grows to what the largest key needs.
//
// HAZARD: of a key and its cells nothing but texts may be kept when the next key begins.
type room struct {
	key   key
	rec   history.Record
	up    []clock.Dot
	slots []int32 // by the number of a node's name: its place among the nodes of the key, from 1; 0 when it has none

	ops      slab[op]
	contexts slab[context]
	fields   slab[merge.Field]
	arrived  slab[arrival]
	texts    slab[string]
	dots     slab[clock.Dot]
	nodes    slab[clock.Node]
	numbers  slab[uint32]
	flags    slab[bool]
	ints     slab[int]
	lists    slab[[]int]
	counts   slab[int32]
	times    slab[int64]
	arrivals slab[arrivals]

	cells    []cell
	claims   []merge.Claim
	claimed  []claimed
	own      slab[merge.Claim]
	verdicts slab[merge.Verdict]
	fates    slab[fate]
	byNode   slab[nodeClaims]
}

// begin takes all memory back and returns the key of that name, empty.
func (r *room) begin(name string) *key {
	r.ops.reset()
	r.contexts.reset()
	r.fields.reset()
	r.arrived.reset()
	r.texts.reset()
	r.dots.reset()
	r.nodes.reset()
	r.numbers.reset()
	r.flags.reset()
	r.ints.reset()
	r.lists.reset()
	r.counts.reset()
	r.times.reset()
	r.arrivals.reset()
	r.own.reset()
	r.verdicts.reset()
	r.fates.reset()
	r.byNode.reset()
	r.key = key{name: name, room: r, ops: r.key.ops[:0]}
	return &r.key
}
