package replay

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// mark is up to which number a node was seen.
type mark struct {
	node uint32
	up   uint64
}

// marks are by node, each once.
type marks []mark

// find returns where the mark of a node is, or belongs; the marks before from are of lesser ones.
func (m marks) find(from int, node uint32) (at int, ok bool) {
	for at = from; at < len(m) && m[at].node < node; at++ {
	}
	return at, at < len(m) && m[at].node == node
}

// upTo returns the mark of a node.
func (m marks) upTo(node uint32) uint64 {
	at, ok := slices.BinarySearchFunc(m, node, func(m mark, node uint32) int { return cmp.Compare(m.node, node) })
	if !ok {
		return 0
	}
	return m[at].up
}

// raise lifts the mark of a node.
func (m *marks) raise(node uint32, up uint64) { m.raiseFrom(0, node, up) }

func (m *marks) raiseFrom(from int, node uint32, up uint64) (at int) {
	at, ok := m.find(from, node)
	if ok {
		(*m)[at].up = max((*m)[at].up, up)
	} else {
		*m = slices.Insert(*m, at, mark{node, up})
	}
	return at
}

// add adds to the mark of a node.
func (m *marks) add(from int, node uint32, more uint64) (at int) {
	at, ok := m.find(from, node)
	if ok {
		(*m)[at].up += more
	} else {
		*m = slices.Insert(*m, at, mark{node, more})
	}
	return at
}

// join lifts marks to those of others, but for that of one node.
func (m *marks) join(o marks, but uint32) {
	at := 0
	for _, other := range o {
		if other.node != but {
			at = m.raiseFrom(at, other.node, other.up)
		}
	}
}

// chain is what a node's writes had seen, of those that have a list, in the order of their numbers. No mark falls along it, so a
// row of marks is written as what is greater in it than in the one before, and few bytes are enough. Some rows make a block, of
// which the first is written in full.
type chain struct {
	node   uint32
	firsts []uint64     // of each block, the number of its first row
	blocks []chainBlock // and where it stands
	block  []byte       // the one at hand
	rows   int          // in it
	first  uint64       // the number of its first row
	last   uint64       // the number of the last row, 0 when there is none
	marks  marks        // of the last row

	// While the lists are followed.
	lists linkReader
	next  uint64 // the number of the next write that has a list; 0 when there is none
	list  []link // its list
	done  int    // how many of it were followed
	open  bool   // the next is waited for
}

// rowsInBlock is how many rows are at most read to find one.
const rowsInBlock = 16

// chainBlock is where a block stands.
type chainBlock struct {
	page   uint32
	offset uint32
	size   uint32
}

// add adds a row: marks are those of the write of that number, was those of the one before.
func (c *chain) add(seq uint64, was marks, to *pages) error {
	if c.rows == rowsInBlock {
		at, err := to.put(c.block)
		if err != nil {
			return err
		}
		c.firsts, c.blocks = append(c.firsts, c.first), append(c.blocks, at)
		c.block, c.rows = c.block[:0], 0
	}
	if c.rows == 0 {
		c.first, was = seq, nil
	} else {
		c.block = binary.AppendUvarint(c.block, seq-c.last)
	}
	to.changed = to.changed[:0]
	at := 0
	for _, m := range c.marks {
		if at < len(was) && was[at].node == m.node {
			m.up -= was[at].up
			at++
		}
		if m.up > 0 {
			to.changed = append(to.changed, m)
		}
	}
	c.block = binary.AppendUvarint(c.block, uint64(len(to.changed)))
	for _, m := range to.changed {
		c.block = binary.AppendUvarint(binary.AppendUvarint(c.block, uint64(m.node)), m.up)
	}
	c.last = seq
	c.rows++
	return nil
}

// at returns the marks of the last write up to a number. They are good until the room is used again.
func (c *chain) at(seq uint64, in *pages, room *linkRoom) (marks, error) {
	if seq >= c.last {
		return c.marks, nil
	}
	room.row = room.row[:0]
	block, first := c.block, c.first
	if seq < first {
		n := c.blockOf(seq)
		if n < 0 {
			return nil, nil
		}
		var err error
		if block, err = in.get(c.blocks[n], room); err != nil {
			return nil, err
		}
		first = c.firsts[n]
	}
	for r := (reader{b: block}); ; {
		at := 0
		for changed := r.uint(); changed > 0; changed-- {
			at = room.row.add(at, uint32(r.uint()), r.uint())
		}
		if !r.more() {
			return room.row, nil
		}
		if first += r.uint(); first > seq {
			return room.row, nil
		}
	}
}

// blockOf returns the last of the blocks, that is not the one at hand, which begins at a number or before it; -1 when none does.
// Mostly a node's numbers have few holes, and a guess is nearly right.
func (c *chain) blockOf(seq uint64) int {
	f := c.firsts
	if len(f) == 0 || seq < f[0] {
		return -1
	}
	least, last := f[0], f[len(f)-1]
	guess := len(f) - 1
	if seq < last {
		guess = int(float64(seq-least) / float64(last-least) * float64(len(f)-1))
	}
	lo, hi, step := guess, guess, 1
	for lo > 0 && f[lo] > seq {
		hi = lo
		lo = max(lo-step, 0)
		step *= 2
	}
	for hi < len(f) && f[hi] <= seq {
		lo = hi
		hi = min(hi+step, len(f))
		step *= 2
	}
	return lo + sortedCount(f[lo:hi], func(first uint64) bool { return first <= seq }) - 1
}

// pages holds the blocks of chains: in memory up to a bound, and beyond it in the spool.
type pages struct {
	store   *store
	all     []held
	open    []byte
	held    int   // bytes in memory
	changed marks // of the row at hand
}

// put takes a block.
func (p *pages) put(block []byte) (at chainBlock, err error) {
	if len(p.open)+len(block) > cap(p.open) {
		if len(p.open) > 0 {
			if err := p.close(); err != nil {
				return at, err
			}
		}
		if cap(p.open) < len(block) {
			p.open = make([]byte, 0, max(p.store.most, len(block)))
		}
	}
	at = chainBlock{page: uint32(len(p.all)), offset: uint32(len(p.open)), size: uint32(len(block))}
	p.open = append(p.open, block...)
	return at, nil
}

// close puts the page at hand away.
func (p *pages) close() error {
	if p.store.memory <= 0 || p.held+len(p.open) <= p.store.chains() {
		p.held += len(p.open)
		p.all, p.open = append(p.all, held{block: p.open}), nil
		return nil
	}
	away, err := p.store.spool.put(p.open)
	p.all, p.open = append(p.all, held{away: away}), p.open[:0]
	return err
}

// get returns a block. It is good until the room is used again.
func (p *pages) get(at chainBlock, room *linkRoom) (block []byte, err error) {
	from, to := int(at.offset), int(at.offset+at.size)
	if int(at.page) == len(p.all) {
		return p.open[from:to], nil
	}
	page := &p.all[at.page]
	if page.block != nil {
		return page.block[from:to], nil
	}
	room.block, err = p.store.spool.get(room.block[:0], page.away.part(from, int(at.size)))
	return room.block, err
}
