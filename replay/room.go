package replay

import (
	"slices"

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
	ids   ids
	slots []int32 // by the number of a node's name: its place among the nodes of the key, from 1; 0 when it has none

	ops      slab[op]
	spare    []op // for the operations of the key at hand
	contexts slab[context]
	fields   slab[merge.Field]
	arrived  slab[arrival]
	texts    slab[string]
	built    []byte // ids that are not written out
	dots     slab[clock.Dot]
	nodes    slab[clock.Node]
	numbers  slab[uint32]
	flags    slab[bool]
	ints     slab[int]
	lists    slab[[]int]
	counts   slab[int32]
	times    slab[int64]
	arrivals slab[arrivals]

	plain plainKey

	// What follows is taken back for each table.
	cells    []cell
	claims   []merge.Claim
	claimed  []claimed
	own      slab[merge.Claim]
	refusals slab[bool]
	byNode   slab[nodeClaims]
	places   slab[int]
	indexes  slab[int32]
	greatest slab[[]int]
}

// manyOps is from how many operations on the memory of a key is given back when it is done, for the next such key may
// never come.
const manyOps = 1 << 15

// begin takes all memory back and returns the key of that name, empty, with room for so many operations.
func (r *room) begin(name string, ops int) *key {
	r.ops.reset()
	r.contexts.reset()
	r.fields.reset()
	r.arrived.reset()
	r.texts.reset()
	r.built = r.built[:0]
	r.dots.reset()
	r.nodes.reset()
	r.numbers.reset()
	r.flags.reset()
	r.ints.reset()
	r.lists.reset()
	r.counts.reset()
	r.times.reset()
	r.arrivals.reset()
	if len(r.spare) > manyOps {
		*r = room{slots: r.slots, ids: ids{seed: r.ids.seed}, plain: r.plain}
	}
	r.key = key{name: name, room: r, ops: slices.Grow(r.key.ops[:0], ops)}
	r.ops.reserve(ops)
	r.spare = r.ops.raw(ops)
	r.fields.reserve(ops)
	return &r.key
}

// beginCells takes back all that the cells of the key had under another table.
func (r *room) beginCells() {
	r.cells, r.claims, r.claimed = r.cells[:0], r.claims[:0], r.claimed[:0]
	r.own.reset()
	r.refusals.reset()
	r.byNode.reset()
	r.places.reset()
	r.indexes.reset()
	r.greatest.reset()
}
