package replay

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
)

// sequences collects the numbers of all ids "node:number", so that holes show. They are marked in pages of bits; a page that is
// full becomes a range. So ids that come nearly in order cost next to nothing, and those of a file that is sorted by key a bit
// each. What takes more memory than is allowed, for the numbers are times, or have many holes, goes to a sorted run.
type sequences struct {
	store *store
	names *names
	most  int         // bytes that it may take
	nodes []*sequence // by the number of the node's name; nil where there is none
	held  int         // bytes, about
	runs  []sortedRun
	err   error // of writing them
}

// sequenceBytes is how much memory the numbers of ids may take, while they are collected.
const sequenceBytes = 8 << 20

func newSequences(h *History) sequences {
	return sequences{store: h.store, names: h.names, most: sequenceBytes}
}

// sequence is the numbers of one node.
type sequence struct {
	node   clock.Node
	name   uint64       // its number
	vector clock.Vector // of the node alone: many nodes in one vector get in each other's way
	held   int          // bytes of pages, the list and what it went to, about
	pages  map[uint64]*page
	near   [nearPages]*page // those that were looked for last, by the lower bits of their numbers
	noted  int              // numbers on pages, but for those that were noted again
	odd    []uint64         // numbers without a page: see page
	limit  int              // of odd
}

// page is which numbers from a multiple of pageBits on were noted.
type page struct {
	number uint64
	left   int // to be full
	bits   [pageBits / 64]uint64
}

const (
	pageBits  = 1 << 12
	nearPages = 1 << 2

	// fewOnPage is how many numbers a page must have, on the average, to cost less memory than a list of them does.
	fewOnPage = pageBits / 64

	fewNumbers = 256

	pageBytes  = pageBits/8 + 64 // with its place among the pages
	rangeBytes = 16
)

// note takes the number of an id of a node, which is told by the number of its name; 0 is none.
func (s *sequences) note(name, n uint64) {
	if n == 0 {
		return
	}
	if name >= uint64(len(s.nodes)) || s.nodes[name] == nil {
		s.begin(name)
	}
	q := s.nodes[name]
	was := q.held
	q.add(n)
	if s.held += q.held - was; s.held > s.most {
		s.spill()
	}
}

func (q *sequence) add(n uint64) {
	number := n / pageBits
	p := q.near[number%nearPages]
	if p == nil || p.number != number {
		if p = q.page(number, n); p == nil {
			return
		}
	}
	q.mark(p, n)
}

// mark marks a number on its page.
func (q *sequence) mark(p *page, n uint64) {
	word, bit := &p.bits[n%pageBits/64], uint64(1)<<(n%64)
	if *word&bit != 0 {
		return
	}
	*word |= bit
	q.noted++
	if p.left--; p.left == 0 {
		first := p.number * pageBits
		q.vector.AddRange(q.node, clock.Range{First: max(first, 1), Last: first + pageBits - 1})
		delete(q.pages, p.number)
		q.held -= pageBytes
		q.near[p.number%nearPages] = nil
	}
}

func (s *sequences) begin(name uint64) {
	if missing := int(name) + 1 - len(s.nodes); missing > 0 {
		s.nodes = append(s.nodes, make([]*sequence, missing)...)
	}
	s.nodes[name] = &sequence{node: clock.Node(s.names.text(name)), name: name, limit: fewNumbers}
	s.held += int(unsafe.Sizeof(sequence{}))
}

// page returns the page of a number that is none of those near. There is none for a number that is in the vector already, and
// for one of a page that nothing says will have many.
func (q *sequence) page(number, n uint64) *page {
	p := q.pages[number]
	if p == nil {
		if q.vector.Has(clock.Dot{Node: q.node, Seq: n}) {
			return nil
		}
		if (len(q.pages)+1)*fewOnPage > q.noted {
			q.addOdd(n)
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
	if q.pages == nil {
		q.pages = make(map[uint64]*page)
	}
	q.pages[number] = p
	q.held += pageBytes
	return p
}

// addOdd takes a number without a page.
func (q *sequence) addOdd(n uint64) {
	q.held += 8
	if q.odd = append(q.odd, n); len(q.odd) >= q.limit {
		q.settle()
		q.limit *= 2 // each time costs as much as there are ranges
	}
}

// settle moves the numbers without a page to pages, where a page has many of them or is there by now, and else to the vector.
func (q *sequence) settle() {
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
				q.mark(p, m)
			} else {
				runs = appendRun(runs, q.node, m, m)
			}
		}
		odd = odd[n:]
	}
	q.merge(runs)
	q.held += len(runs) * rangeBytes
	q.held -= len(q.odd) * 8
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

func (q *sequence) merge(runs []clock.Run) {
	if v, ok := clock.VectorOf(runs); ok {
		q.vector.Merge(v)
	}
}

// flush moves what stands on pages to the vector.
func (q *sequence) flush() {
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
	q.merge(runs)
	clear(q.pages)
	q.near = [nearPages]*page{}
}

// spill writes all to a run, in the order of the nodes' names.
func (s *sequences) spill() {
	var all []*sequence
	for _, q := range s.nodes {
		if q != nil {
			all = append(all, q)
		}
	}
	slices.SortFunc(all, func(a, b *sequence) int { return cmp.Compare(a.node, b.node) })
	w := rangeWriter{runWriter: runWriter{store: s.store}}
	for _, q := range all {
		q.settle()
		q.flush()
		for _, run := range q.vector.Runs() {
			w.put(q.name, run)
		}
		q.vector, q.odd, q.limit, q.held, q.noted = clock.Vector{}, nil, fewNumbers, 0, 0
	}
	run, err := w.close()
	if len(run) > 0 {
		s.runs = append(s.runs, run)
	}
	s.err = cmp.Or(s.err, err)
	s.held = len(all) * int(unsafe.Sizeof(sequence{}))
	s.most = max(s.most, 2*s.held) // of very many nodes
}

// close returns all numbers.
func (s *sequences) close() ([]sortedRun, error) {
	s.spill()
	return s.runs, s.err
}

// numbered is the numbers of all ids "node:number" of a history, as ranges in sorted runs, which may overlap.
type numbered struct {
	store *store
	names *names
	runs  []sortedRun
}

// mostRuns is how many runs may lie beside each other.
const mostRuns = 16

// join takes runs.
func (n *numbered) join(runs []sortedRun) error {
	if n.runs = append(n.runs, runs...); len(n.runs) <= mostRuns {
		return nil
	}
	w := rangeWriter{runWriter: runWriter{store: n.store}}
	if err := n.each(w.put); err != nil {
		return err
	}
	run, err := w.close()
	if err != nil {
		return err
	}
	n.drop()
	n.runs = []sortedRun{run}
	return nil
}

// drop gives back the memory of all runs.
func (n *numbered) drop() {
	for _, r := range n.runs {
		r.drop(n.store)
	}
	n.runs = nil
}

// each calls visit with all ranges, by the name of the node and ascending, none of which touches the one before it.
func (n *numbered) each(visit func(name uint64, r clock.Range)) error {
	ranges := merger[*rangeReader]{less: func(a, b *rangeReader) bool {
		if a.name != b.name {
			return n.names.text(a.name) < n.names.text(b.name)
		}
		return a.at.First < b.at.First
	}}
	for _, r := range n.runs {
		if err := ranges.add(&rangeReader{blocks: runBlocks{store: n.store, rest: r}}); err != nil {
			return err
		}
	}
	var name uint64
	var at clock.Range
	err := ranges.each(func(c *rangeReader) (bool, error) {
		switch {
		case at.Last > 0 && name == c.name && c.at.First <= at.Last+1 && at.Last < math.MaxUint64:
			at.Last = max(at.Last, c.at.Last)
		case at.Last > 0 && name == c.name && at.Last == math.MaxUint64: // nothing is above it
		default:
			if at.Last > 0 {
				visit(name, at)
			}
			name, at = c.name, c.at
		}
		return true, nil
	})
	if err == nil && at.Last > 0 {
		visit(name, at)
	}
	return err
}

// rangeWriter writes runs of ranges. It keeps its first error for close.
type rangeWriter struct {
	runWriter
	room [rangeSize]byte
	err  error
}

const rangeSize = 4 + 8 + 8 // the number of the node's name, the first and the last

func (w *rangeWriter) put(name uint64, r clock.Range) {
	binary.LittleEndian.PutUint32(w.room[:], uint32(name))
	binary.LittleEndian.PutUint64(w.room[4:], r.First)
	binary.LittleEndian.PutUint64(w.room[12:], r.Last)
	w.err = cmp.Or(w.err, w.runWriter.put(w.room[:]))
}

func (w *rangeWriter) close() (sortedRun, error) {
	run, err := w.runWriter.close()
	return run, cmp.Or(w.err, err)
}

// rangeReader reads a run of ranges.
type rangeReader struct {
	blocks runBlocks
	block  []byte
	name   uint64
	at     clock.Range
}

func (c *rangeReader) next() (more bool, err error) {
	if len(c.block) == 0 {
		if c.block, err = c.blocks.next(); err != nil || c.block == nil {
			return false, err
		}
	}
	b := c.block
	c.name = uint64(binary.LittleEndian.Uint32(b))
	c.at = clock.Range{First: binary.LittleEndian.Uint64(b[4:]), Last: binary.LittleEndian.Uint64(b[12:])}
	c.block = b[rangeSize:]
	return true, nil
}
