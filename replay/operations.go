package replay

import (
	"hash/maphash"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// KeyOperations are all operations on one key, each once.
type KeyOperations struct {
	Key   string
	Nodes []clock.Node // sorted
	Ops   []Operation  // of each node side by side, in the order in which it made them
	Reads []Read       // by place; of [History.ReadKeys] alone

	key    *key
	places []int32 // of each of Ops, its place in the key
}

// Lost returns of each of Ops whether it is lost under a table: whether the report counts a claim of it as lost. It is for the time in
// which the key is at hand.
func (k *KeyOperations) Lost(table *merge.Table) []Count {
	lost := make([]Count, len(k.key.ops))
	k.key.room.beginCells()
	k.key.table = table
	cells := k.key.cells(table)
	for _, c := range cells {
		c.fold()
		for j, at := range c.op {
			c.key.room.tick()
			v := c.state.Judge(c.claim(j))
			if f := c.fate(j, &v); f.outcome == merge.Lost {
				lost[at].Max = 1
				if !f.perhaps {
					lost[at].Min = 1
				}
			}
		}
	}
	of := make([]Count, len(k.Ops))
	for i, at := range k.places {
		of[i] = lost[at]
	}
	return of
}

// Operation is one operation and what is known of its writer. Its dot is that of its node and its number among the
// operations of that node on the key, from 1; Seen is left empty, for Low and High say more.
type Operation struct {
	merge.Op
	Place finding.Place
	Node  int    // among KeyOperations.Nodes
	Known Source // what told what the writer had seen
	Call  Call   // of [History.ReadKeys] alone

	// Of each node of the key, how many of its first operations the writer had seen: at least, at most.
	Low, High []int32
}

// Operations calls each with every key of the history, in an order that is the same for equal histories: what a
// simulation begins with. Of the options it takes the lag.
//
// HAZARD: of what it is given, each may keep nothing but texts, which hold on to the memory of the whole history. The error
// of a history that can't be read back is that of [History.Err].
func (h *History) Operations(opt Options, each func(*KeyOperations)) {
	f := h.newFolder(&work{opt: &opt}, maphash.MakeSeed())
	var ops KeyOperations
	for number := range h.store.parts {
		f.part.room = nil // texts are kept, so what they were read into is not read into again
		if err := f.part.read(&h.store.parts[number]); err != nil {
			h.failed.set(err)
			return
		}
		inOrder := make([]int, len(f.part.keys))
		for i := range inOrder {
			inOrder[i] = i
		}
		slices.SortFunc(inOrder, func(i, j int) int { return strings.Compare(f.part.keys[i].name, f.part.keys[j].name) })
		for _, i := range inOrder {
			f.room.built = nil // as above
			if k := f.part.key(i, &f.room); len(k.ops) > 0 {
				f.operations(k, &ops)
				each(&ops)
			}
		}
	}
}

// operations takes the operations of a key.
func (f *folder) operations(k *key, ops *KeyOperations) {
	k.settle(f.opt, &f.common.totals, &f.common.told)
	k.arrange(f.opt, &f.common.told)
	ops.Key, ops.Nodes, ops.Ops, ops.key, ops.places = k.name, k.nodes, ops.Ops[:0], k, ops.places[:0]
	for n, list := range k.inOrder {
		for _, at := range list {
			o := &k.ops[at]
			op := *k.payload(o)
			if k.kept == nil {
				op.Fields = slices.Clone(op.Fields)
			}
			op.Dot = clock.Dot{Node: k.nodes[n], Seq: uint64(k.stand[at].index)}
			ops.Ops = append(ops.Ops, Operation{Op: op, Place: k.place(o), Node: n, Known: k.stand[at].source,
				Low: k.past.lows(int(at)), High: k.past.highs(int(at))})
			ops.places = append(ops.places, at)
		}
	}
}
