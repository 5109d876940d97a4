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
// HAZARD: of a key and its cells nothing may be kept when the next key begins, of a long one not even texts.
type room struct {
	key   key
	rec   history.Record
	up    []clock.Dot
	links linkRoom
	ids   ids
	slots []int32 // by the number of a node's name: its place among the nodes of the key, from 1; 0 when it has none
	far   *far    // nil but for a key that is too long for ordinary memory

	ops        slab[op]
	stand      slab[standing]
	ranks      slab[ranked]
	echoes     []echo
	came       []matched // what arrived of the key
	late       []late
	elsewhere  []elsewhere        // by home and position
	vague      map[int32]vague    // by slot: of deletes of which nobody knows where they were made
	taken      map[int32]struct{} // the slots of deletes that are taken to be of the region where they stand, where payloads are read again
	matches    matches
	kept       slab[payload]
	scratch    [2]scratch
	contexts   slab[context]
	fields     slab[merge.Field]
	texts      slab[string]
	built      []byte // ids that are not written out
	dots       slab[clock.Dot]
	nodes      []clock.Node
	numbers    []uint32
	same       []int32
	flags      slab[bool]
	lists      slab[[]int32]
	counts     slab[int32]
	times      slab[int64]
	deliveries slab[deliveries]

	plain plainKey

	// What follows is taken back for each table.
	cells   []*cell
	cellsOf slab[cell]
	places  map[cellName]int // of many
	claims  []merge.Claim
	claimed []claimed
	own     slab[merge.Claim]
	byNode  slab[nodeClaims]
	indexes slab[int32]
	perNode slab[[]int32]
}

// lengths says from how many operations on a key is a long one, and how much is folded at once.
type lengths struct {
	// keep is up to how many the payloads are kept, and fields up to how many fields of theirs. Of a longer key they are read
	// again whenever they are wanted: that they take more memory than all else is the greater evil then.
	keep, fields int

	// many is from how many on ids that stand alone are not looked for (see [ids]), and from how many on the memory of a key is
	// given back when it is done: the next such key may never come.
	many int

	run int // how many are sorted at once in far memory

	bite int // bytes of records, with what it takes to find one's way in them, that a processor's own cache holds

	looked func(grown int64) // of a test: see [far]
}

var usualLengths = lengths{keep: 1 << 10, fields: 1 << 16, many: 1 << 15, run: 1 << 15, bite: 512 << 10}

// inFar returns a room for one long key of so many operations: lists that may be long are in far memory.
func (r *room) inFar(f *far, ops int) *room {
	n := &room{slots: r.slots, ids: ids{seed: r.ids.seed}, far: f}
	n.ops.far, n.stand.far, n.ranks.far, n.flags.far, n.counts.far, n.times.far = f, f, f, f, f, f
	n.indexes.far = f
	if f != nil {
		n.echoes = listOf[echo](f, 2*ops)[:0] // few have more
		n.came = listOf[matched](f, ops)[:0]
	}
	return n
}

// tick is to be called by all that walks over the operations of a key, at each step: see [far.tick].
func (r *room) tick() { r.far.tick() }

// begin takes all memory back and returns the key of that name, empty, with room for so many operations, and for their payloads
// if those are kept.
func (r *room) begin(name string, ops int, p *part, keep bool) *key {
	if cap(r.key.ops) > p.history.lengths.many {
		*r = room{slots: r.slots, ids: ids{seed: r.ids.seed}, plain: r.plain, far: r.far}
	}
	r.ops.reset()
	r.stand.reset()
	r.ranks.reset()
	r.echoes, r.came, r.late, r.elsewhere = r.echoes[:0], r.came[:0], r.late[:0], r.elsewhere[:0]
	clear(r.vague)
	if clear(r.taken); !keep && r.taken == nil {
		r.taken = make(map[int32]struct{})
	}
	r.kept.reset()
	r.scratch[0].slot, r.scratch[1].slot = -1, -1
	r.contexts.reset()
	r.fields.reset()
	r.texts.reset()
	r.built = r.built[:0]
	r.dots.reset()
	r.nodes, r.numbers = r.nodes[:0], r.numbers[:0]
	r.flags.reset()
	r.lists.reset()
	r.counts.reset()
	r.times.reset()
	r.deliveries.reset()
	r.key = key{name: name, room: r, part: p, texts: p.history.names.texts, ops: r.ops.raw(ops)[:0]}
	if keep {
		r.key.kept = r.kept.raw(ops)
		r.fields.reserve(ops)
	}
	return &r.key
}

// beginCells takes back all that the cells of the key had under another table.
func (r *room) beginCells() {
	r.cells, r.claims, r.claimed = r.cells[:0], r.claims[:0], r.claimed[:0]
	r.cellsOf.reset()
	r.own.reset()
	r.byNode.reset()
	r.indexes.reset()
	r.perNode.reset()
}
