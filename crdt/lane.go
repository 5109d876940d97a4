package crdt

import (
	"slices"
	"sort"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
)

// lane is what a [Log] knows of one node.
type lane[P any] struct {
	node  clock.Node
	last  uint64 // Invariant: the operations 1 to last are delivered, and no others.
	limit uint64 // the last that the epoch lets it have
	kept  kept[P]
	held  map[uint64]*held[P] // Invariant: all after last.
}

// lane returns the lane of a node, and the place where it is or would be.
func (l *Log[P]) lane(node clock.Node) (*lane[P], int) {
	const few = 8 // up to where walking beats bisecting
	if len(l.lanes) <= few {
		for i, s := range l.lanes {
			if s.node == node {
				return s, i
			}
		}
	}
	i, found := slices.BinarySearchFunc(l.lanes, node, func(s *lane[P], node clock.Node) int {
		return strings.Compare(string(s.node), string(node))
	})
	if found {
		return l.lanes[i], i
	}
	return nil, i
}

// open returns the lane of a node, which is new if need be.
func (l *Log[P]) open(node clock.Node) *lane[P] {
	s, at := l.lane(node)
	if s == nil {
		s = &lane[P]{node: node, limit: l.lastOf(node)}
		l.lanes = slices.Insert(l.lanes, at, s)
	}
	return s
}

// lastOf returns the greatest number that a node may use.
func (l *Log[P]) lastOf(node clock.Node) uint64 {
	if s, _ := l.lane(node); s != nil {
		return s.limit
	}
	if l.stopped[Member(node)] {
		return 0
	}
	return l.epoch.last(node)
}

// sum returns the sum of an operation that is kept or held.
func (s *lane[P]) sum(seq uint64) (sum [16]byte, known bool) {
	if seq > s.last {
		if h := s.held[seq]; h != nil {
			return h.op.Sum, true
		}
		return sum, false
	}
	if i, ok := s.kept.find(seq); ok {
		return s.kept.at(i).sum, true
	}
	return sum, false
}

// entry is an operation that is delivered and kept.
type entry[P any] struct {
	seq     uint64
	order   uint64 // of delivery, among all of the log
	after   clock.Vector
	sum     [16]byte
	size    int
	payload P
}

func (e *entry[P]) operation(node clock.Node) Operation[P] {
	return Operation[P]{clock.Dot{Node: node, Seq: e.seq}, e.after, e.sum, e.size, e.payload}
}

// block is how many entries are allocated at once: so few that a node with one operation is cheap, and so many that the
// allocations don't count.
const block = 64

// kept is the delivered operations of one node that are not forgotten, ascending, in blocks: to add one never moves the
// others, and what is forgotten gives its memory back. Numbers may be missing, where a log was restored.
type kept[P any] struct {
	blocks []*[block]entry[P]
	skip   int // entries of the first block that are forgotten
	n      int
}

func (k *kept[P]) at(i int) *entry[P] {
	i += k.skip
	return &k.blocks[i/block][i%block]
}

func (k *kept[P]) push(e entry[P]) {
	if k.skip+k.n == len(k.blocks)*block {
		k.blocks = append(k.blocks, new([block]entry[P]))
	}
	k.n++
	*k.at(k.n - 1) = e
}

// from returns the place of the first entry with the number seq or a greater one.
func (k *kept[P]) from(seq uint64) int {
	if k.n == 0 || seq <= k.at(0).seq {
		return 0
	}
	if k.at(k.n-1).seq < seq {
		return k.n
	}
	if i := seq - k.at(0).seq; i < uint64(k.n) && k.at(int(i)).seq == seq { // none is missing: the common case
		return int(i)
	}
	return sort.Search(k.n, func(i int) bool { return k.at(i).seq >= seq })
}

func (k *kept[P]) find(seq uint64) (int, bool) {
	i := k.from(seq)
	return i, i < k.n && k.at(i).seq == seq
}

// drop forgets the entries up to a number.
func (k *kept[P]) drop(upTo uint64) (count, bytes int) {
	count = k.from(upTo + 1)
	for i := range count {
		e := k.at(i)
		bytes += e.size
		*e = entry[P]{}
	}
	k.skip += count
	k.n -= count
	if k.n == 0 {
		*k = kept[P]{}
		return count, bytes
	}
	k.blocks = slices.Delete(k.blocks, 0, k.skip/block)
	k.skip %= block
	return count, bytes
}

// forgotten adds to v the delivered operations of s that are not kept.
func (s *lane[P]) forgotten(v *clock.Vector) {
	next := uint64(1)
	if k := &s.kept; k.n > 0 && uint64(k.n) == s.last-k.at(0).seq+1 { // none is missing: the common case
		v.AddRange(s.node, clock.Range{First: 1, Last: k.at(0).seq - 1})
		return
	}
	for i := range s.kept.n {
		seq := s.kept.at(i).seq
		v.AddRange(s.node, clock.Range{First: next, Last: seq - 1})
		next = seq + 1
	}
	v.AddRange(s.node, clock.Range{First: next, Last: s.last})
}
