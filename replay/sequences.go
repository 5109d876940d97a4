package replay

import (
	"math/bits"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// sequences collects the numbers of all ids "node:number", so that holes show. Ids mostly come nearly in order: numbers
// are marked in a window of bits that moves along with them, and enter the vector, where each hole costs a range, when it
// has moved on.
type sequences struct {
	vector clock.Vector
	nodes  []*sequence // by the number of the node's name; nil where there is none
}

// sequence is the numbers of one node that are not in the vector yet.
type sequence struct {
	node   clock.Node
	bits   []uint64 // nil while there are few numbers
	first  uint64   // the number of the first bit, a multiple of 64
	lo, hi int      // the words that may be used: from lo up to hi
	odd    []uint64 // numbers outside of the window
	limit  int      // of odd
}

const (
	windowWords = 1 << 13
	fewNumbers  = 256
)

// note takes the number of an id of a node, which is told by the number of its name; 0 is none.
func (s *sequences) note(names *names, name, n uint64) {
	if n == 0 {
		return
	}
	if name >= uint64(len(s.nodes)) || s.nodes[name] == nil {
		s.begin(clock.Node(names.text(name)), name)
	}
	s.add(s.nodes[name], n)
}

func (s *sequences) add(q *sequence, n uint64) {
	at := (n - q.first) / 64
	if n < q.first || at >= uint64(len(q.bits)) {
		s.odd(q, n)
		return
	}
	q.bits[at] |= 1 << (n % 64)
	q.lo, q.hi = min(q.lo, int(at)), max(q.hi, int(at)+1)
}

func (s *sequences) begin(node clock.Node, name uint64) {
	if missing := int(name) + 1 - len(s.nodes); missing > 0 {
		s.nodes = append(s.nodes, make([]*sequence, missing)...)
	}
	s.nodes[name] = &sequence{node: node, limit: fewNumbers}
}

// odd takes a number outside of the window. One beyond it moves the window, which keeps half of its length below.
func (s *sequences) odd(q *sequence, n uint64) {
	if q.bits != nil && n > q.first {
		s.flush(q)
		q.first = max(n/64, windowWords/2) - windowWords/2
		q.first *= 64
		s.add(q, n)
		return
	}
	if q.odd = append(q.odd, n); len(q.odd) < q.limit {
		return
	}
	s.settle(q)
	q.limit *= 2 // each time costs as much as there are ranges
	if q.bits == nil {
		q.bits, q.lo, q.first = make([]uint64, windowWords), windowWords, n&^63
	}
}

// flush moves what the window holds to the vector.
func (s *sequences) flush(q *sequence) {
	var run clock.Range
	for at := q.lo; at < q.hi; at++ {
		first := q.first + uint64(at)*64
		for word := q.bits[at]; word != 0; {
			from := bits.TrailingZeros64(word)
			length := bits.TrailingZeros64(^(word >> from))
			if next := first + uint64(from); run.Last+1 == next && run.First > 0 {
				run.Last += uint64(length)
			} else {
				s.vector.AddRange(q.node, run)
				run = clock.Range{First: next, Last: next + uint64(length) - 1}
			}
			word &^= (1<<length - 1) << from
		}
		q.bits[at] = 0
	}
	s.vector.AddRange(q.node, run)
	q.lo, q.hi = len(q.bits), 0
}

// settle moves the numbers outside of the window to the vector.
func (s *sequences) settle(q *sequence) {
	slices.Sort(q.odd)
	var v clock.Vector
	for _, n := range q.odd {
		v.AddRange(q.node, clock.Range{First: n, Last: n})
	}
	s.vector.Merge(v)
	q.odd = q.odd[:0]
}

// close moves all to the vector.
func (s *sequences) close() clock.Vector {
	for _, q := range s.nodes {
		if q != nil {
			s.flush(q)
			s.settle(q)
		}
	}
	return s.vector
}
