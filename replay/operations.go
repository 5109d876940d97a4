package replay

import (
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
}

// Operation is one operation and what is known of its writer. Its dot is that of its node and its number among the
// operations of that node on the key, from 1; Seen is left empty, for Low and High say more.
type Operation struct {
	merge.Op
	Place finding.Place
	Node  int    // among KeyOperations.Nodes
	Known Source // what told what the writer had seen

	// Of each node of the key, how many of its first operations the writer had seen: at least, at most.
	Low, High []int32
}

// Operations calls each with every key of the history, in an order that is the same for equal histories: what a
// simulation begins with. Of the options it takes the lag.
//
// HAZARD: of what it is given, each may keep nothing but texts.
func (h *History) Operations(opt Options, each func(*KeyOperations)) {
	p := part{history: h, ranks: h.ranks()}
	r := room{slots: make([]int32, len(h.names.texts))}
	var told tally
	var totals Totals
	var ops KeyOperations
	for number := range partitions {
		p.read(number, nil)
		inOrder := make([]int, len(p.keys))
		for i := range inOrder {
			inOrder[i] = i
		}
		slices.SortFunc(inOrder, func(i, j int) int { return strings.Compare(p.keys[i].name, p.keys[j].name) })
		for _, i := range inOrder {
			k := p.key(i, &r)
			k.settle(&totals, &told)
			k.arrange(&opt, &told)
			ops.Key, ops.Nodes, ops.Ops = k.name, k.nodes, ops.Ops[:0]
			for n, list := range k.inOrder {
				for _, at := range list {
					o := k.ops[at]
					o.Dot = clock.Dot{Node: o.Stamp.Node, Seq: uint64(o.index)}
					ops.Ops = append(ops.Ops, Operation{Op: o.Op, Place: o.place, Node: n, Known: o.source,
						Low:  k.past.lo[at*len(k.nodes) : (at+1)*len(k.nodes)],
						High: k.past.hi[at*len(k.nodes) : (at+1)*len(k.nodes)]})
				}
			}
			each(&ops)
		}
	}
}
