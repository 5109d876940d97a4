package replay

import (
	"maps"
	"math/bits"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// sequences collects the numbers of all ids "node:number", so that holes show. They are marked in pages of bits; a page that is
// full enters the vector, where each hole costs a range. So ids that come nearly in order cost next to nothing, and those of a
// file that is sorted by key a bit each.
type sequences struct {
	vector clock.Vector
	nodes  []*sequence // by the number of the node's name; nil where there is none
}

// sequence is the numbers of one node that are not in the vector.
type sequence struct {
	node  clock.Node
	pages map[uint64]*page
	near  [nearPages]*page // those that were looked for last, by the lower bits of their numbers
	noted int              // numbers on pages, but for those that were noted again
	odd   []uint64         // numbers without a page: see page
	limit int              // of odd
}

// page is which numbers from a multiple of pageBits on were noted.
type page struct {
	number uint64
	left   int // to be full
	bits   [pageBits / 64]uint64
}

const (
	pageBits  = 1 << 12
	nearPages = 1 << 3

	// fewOnPage is how many numbers a page must have, on the average, to cost less memory than a list of them does. The first
	// few pages are free.
	fewOnPage = pageBits / 64
	freePages = 4

	fewNumbers = 256
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
	number := n / pageBits
	p := q.near[number%nearPages]
	if p == nil || p.number != number {
		if p = s.page(q, number, n); p == nil {
			return
		}
	}
	s.mark(q, p, n)
}

// mark marks a number on its page.
func (s *sequences) mark(q *sequence, p *page, n uint64) {
	word, bit := &p.bits[n%pageBits/64], uint64(1)<<(n%64)
	if *word&bit != 0 {
		return
	}
	*word |= bit
	q.noted++
	if p.left--; p.left == 0 {
		first := p.number * pageBits
		s.vector.AddRange(q.node, clock.Range{First: max(first, 1), Last: first + pageBits - 1})
		delete(q.pages, p.number)
		q.near[p.number%nearPages] = nil
	}
}

func (s *sequences) begin(node clock.Node, name uint64) {
	if missing := int(name) + 1 - len(s.nodes); missing > 0 {
		s.nodes = append(s.nodes, make([]*sequence, missing)...)
	}
	s.nodes[name] = &sequence{node: node, pages: make(map[uint64]*page), limit: fewNumbers}
}

// page returns the page of a number that is none of those near. There is none for a number that is in the vector already, and
// for one of a page that nothing says will have many.
func (s *sequences) page(q *sequence, number, n uint64) *page {
	p := q.pages[number]
	if p == nil {
		if s.vector.Has(clock.Dot{Node: q.node, Seq: n}) {
			return nil
		}
		if (len(q.pages)+1-freePages)*fewOnPage > q.noted {
			s.apart(q, n)
			return nil
		}
		p = q.open(number)
	}
	q.near[number%nearPages] = p
	return p
}

// open begins a page.
func (q *sequence) open(number uint64) *page {
	p := &page{number: number, left: pageBits}
	if number == 0 {
		p.bits[0], p.left = 1, pageBits-1 // the number 0 is none
	}
	q.pages[number] = p
	return p
}

// apart takes a number without a page.
func (s *sequences) apart(q *sequence, n uint64) {
	if q.odd = append(q.odd, n); len(q.odd) >= q.limit {
		s.settle(q)
		q.limit *= 2 // each time costs as much as there are ranges
	}
}

// settle moves the numbers without a page to pages, where a page has many of them or is there by now, and else to the vector.
func (s *sequences) settle(q *sequence) {
	slices.Sort(q.odd)
	odd := slices.Compact(q.odd)
	var runs []clock.Run
	for len(odd) > 0 {
		number := odd[0] / pageBits
		n := 1
		for n < len(odd) && odd[n]/pageBits == number {
			n++
		}
		p := q.pages[number]
		if p == nil && n >= fewOnPage {
			p = q.open(number)
		}
		for _, m := range odd[:n] {
			if p != nil {
				s.mark(q, p, m)
			} else {
				runs = appendRun(runs, q.node, m, m)
			}
		}
		odd = odd[n:]
	}
	s.merge(runs)
	q.odd = q.odd[:0]
}

// appendRun appends numbers that are greater than all in runs.
func appendRun(runs []clock.Run, node clock.Node, first, last uint64) []clock.Run {
	if n := len(runs); n > 0 && runs[n-1].Last+1 == first {
		runs[n-1].Last = last
		return runs
	}
	return append(runs, clock.Run{Node: node, Range: clock.Range{First: first, Last: last}})
}

func (s *sequences) merge(runs []clock.Run) {
	if v, ok := clock.VectorOf(runs); ok {
		s.vector.Merge(v)
	}
}

// flush moves what stands on pages to the vector.
func (s *sequences) flush(q *sequence) {
	var runs []clock.Run
	for _, number := range slices.Sorted(maps.Keys(q.pages)) {
		p := q.pages[number]
		if number == 0 {
			p.bits[0] &^= 1
		}
		for at, word := range p.bits {
			first := number*pageBits + uint64(at)*64
			for word != 0 {
				from := bits.TrailingZeros64(word)
				length := bits.TrailingZeros64(^(word >> from))
				runs = appendRun(runs, q.node, first+uint64(from), first+uint64(from+length)-1)
				word &^= (1<<length - 1) << from
			}
		}
	}
	s.merge(runs)
	clear(q.pages)
	q.near = [nearPages]*page{}
}

// close moves all to the vector.
func (s *sequences) close() clock.Vector {
	for _, q := range s.nodes {
		if q != nil {
			s.settle(q)
			s.flush(q)
		}
	}
	return s.vector
}
