package ordered

import "slices"

// size is about how many items a block has room for: so few that to move them costs about as much as to find one, and so many that the
// blocks don't count.
const size = 64

// isFull reports whether a block is to take no more items. What memory is rounded up by it takes.
func isFull[T any](b []T) bool { return len(b) >= size && len(b) == cap(b) }

// blockOf returns a new block of some items, with room for more.
func blockOf[T any](items ...T) []T { return append(slices.Grow([]T(nil), size), items...) }

// List is a list of items in an order that is the caller's. The zero List is empty and ready, and a nil one is empty for [List.Len],
// [List.All] and [List.Cursor]. A copy made by assignment shares memory with the original: change only one of the two.
type List[T any] struct {
	one  []T      // the items, when they are no more than a block holds
	many *many[T] // else
}

// many is a list of several blocks.
type many[T any] struct {
	blocks [][]T // Invariant: none is empty.
	n      int
}

// Place is where an item stands, until the list changes. The zero Place is that of the first.
type Place struct{ block, at int }

// Of returns the list of some items, in whose memory it stands.
func Of[T any](items []T) List[T] {
	if len(items) <= size {
		return List[T]{one: items}
	}
	m := &many[T]{make([][]T, 0, len(items)/size+1), len(items)}
	for b := range slices.Chunk(items, size) { // none has room beyond, where the next one stands
		m.blocks = append(m.blocks, b)
	}
	return List[T]{many: m}
}

// Clone returns a copy that shares no memory with l but what its items point to.
func (l *List[T]) Clone() List[T] {
	copied := List[T]{one: slices.Clone(l.one)}
	if l.many != nil {
		copied.many = &many[T]{slices.Clone(l.many.blocks), l.many.n}
		for i, b := range copied.many.blocks {
			copied.many.blocks[i] = slices.Clone(b)
		}
	}
	return copied
}

// Len returns the number of items.
func (l *List[T]) Len() int {
	switch {
	case l == nil:
		return 0
	case l.many != nil:
		return l.many.n
	}
	return len(l.one)
}

// All yields the items in their order.
func (l *List[T]) All(yield func(*T) bool) {
	for c := l.Cursor(); c.Item() != nil; c.Next() {
		if !yield(c.Item()) {
			return
		}
	}
}

// First returns the first item of a list that is not empty.
func (l *List[T]) First() *T {
	if l.many != nil {
		return &l.many.blocks[0][0]
	}
	return &l.one[0]
}

// Last returns the last item of a list that is not empty.
func (l *List[T]) Last() *T {
	b := l.one
	if l.many != nil {
		b = l.many.blocks[len(l.many.blocks)-1]
	}
	return &b[len(b)-1]
}

// Cursor goes through a list that does not change meanwhile.
type Cursor[T any] struct {
	block []T
	at    int
	rest  [][]T
}

// Cursor returns one that stands at the first item.
func (l *List[T]) Cursor() Cursor[T] {
	switch {
	case l == nil:
		return Cursor[T]{}
	case l.many != nil:
		return Cursor[T]{block: l.many.blocks[0], rest: l.many.blocks[1:]}
	}
	return Cursor[T]{block: l.one}
}

// Item returns the item at which c stands, nil at the end.
func (c *Cursor[T]) Item() *T {
	if c.at == len(c.block) {
		return nil
	}
	return &c.block[c.at]
}

// Next goes on to the next item, of which there must be one to stand at.
func (c *Cursor[T]) Next() {
	if c.at++; c.at == len(c.block) && len(c.rest) > 0 {
		c.block, c.rest, c.at = c.rest[0], c.rest[1:], 0
	}
}

// Equal reports whether two lists have the same items in the same order.
func Equal[T comparable](a, b *List[T]) bool {
	if a.Len() != b.Len() {
		return false
	}
	of := b.Cursor()
	for v := range a.All {
		if *v != *of.Item() {
			return false
		}
		of.Next()
	}
	return true
}

// Search returns the place of the first item that is not before what is looked for. Before is true of items from the first
// to some one, and of no others.
func (l *List[T]) Search(before func(*T) bool) (p Place) {
	if l.many == nil {
		p.at = bisect(len(l.one), func(i int) bool { return before(&l.one[i]) })
		return p
	}
	blocks := l.many.blocks
	p.block = bisect(len(blocks), func(i int) bool { b := blocks[i]; return before(&b[len(b)-1]) })
	if p.block < len(blocks) {
		b := blocks[p.block]
		p.at = bisect(len(b)-1, func(i int) bool { return before(&b[i]) })
	}
	return p
}

// bisect returns the least i up to n for which before is false; it is not asked of n.
func bisect(n int, before func(i int) bool) int {
	lo := 0
	for lo < n {
		if mid := int(uint(lo+n) / 2); before(mid) {
			lo = mid + 1
		} else {
			n = mid
		}
	}
	return lo
}

// At returns the item at a place, nil at the end of the list.
func (l *List[T]) At(p Place) *T {
	b := l.one
	if l.many != nil {
		if p.block == len(l.many.blocks) {
			return nil
		}
		b = l.many.blocks[p.block]
	}
	if p.at == len(b) {
		return nil
	}
	return &b[p.at]
}

// Push puts an item at the end. It makes room for more.
func (l *List[T]) Push(v T) {
	last := &l.one
	if l.many != nil {
		last = &l.many.blocks[len(l.many.blocks)-1]
	}
	switch {
	case isFull(*last) && l.many == nil:
		l.split(Place{at: len(l.one)}, v)
		return
	case isFull(*last):
		l.many.blocks = append(l.many.blocks, blockOf(v))
	default:
		*last = append(*last, v)
	}
	if l.many != nil {
		l.many.n++
	}
}

// Grow makes room for n more items, and as many beyond as append makes, as far as one block goes.
func (l *List[T]) Grow(n int) {
	if few := len(l.one); l.many == nil && few < size {
		l.one = slices.Grow(l.one, min(n, size-few))
	}
}

// Insert puts an item before the one at a place, or at the end, and returns it where it stands until the list changes. It makes no more
// room than for that one, as long as there are few: see [List.Grow].
func (l *List[T]) Insert(p Place, v T) *T {
	const few = 8
	n := len(l.one)
	switch {
	case l.many != nil:
		return l.many.insert(p, v)
	case isFull(l.one):
		return l.split(p, v)
	case n == cap(l.one) && n < few:
		more := make([]T, n+1)
		copy(more, l.one[:p.at])
		more[p.at] = v
		copy(more[p.at+1:], l.one[p.at:])
		l.one = more
	default:
		l.one = slices.Insert(l.one, p.at, v)
	}
	return &l.one[p.at]
}

// split is Insert into a list of one full block.
func (l *List[T]) split(p Place, v T) *T {
	l.many = &many[T]{[][]T{l.one}, len(l.one)}
	l.one = nil
	return l.many.insert(p, v)
}

func (l *many[T]) insert(p Place, v T) *T {
	l.n++
	if p.at == 0 && p.block > 0 && (p.block == len(l.blocks) || !isFull(l.blocks[p.block-1])) {
		p.block--
		p.at = len(l.blocks[p.block])
	}
	b := l.blocks[p.block]
	switch {
	case !isFull(b):
		l.blocks[p.block] = slices.Insert(b, p.at, v)
	case p.at == len(b): // the end of all
		l.blocks = append(l.blocks, blockOf(v))
		p = Place{p.block + 1, 0}
	case p.at == 0:
		l.blocks = slices.Insert(l.blocks, p.block, blockOf(v))
	default:
		half := len(b) / 2
		l.blocks = slices.Insert(l.blocks, p.block+1, blockOf(b[half:]...))
		l.blocks[p.block] = slices.Delete(b, half, len(b))
		if p.at > half {
			p = Place{p.block + 1, p.at - half}
		}
		l.blocks[p.block] = slices.Insert(l.blocks[p.block], p.at, v)
	}
	return &l.blocks[p.block][p.at]
}

// Delete takes out those items for which goes is true, from a place on as long as in is. Both are asked once of each item, in
// order. It returns how many that were.
func (l *List[T]) Delete(from Place, in, goes func(*T) bool) int {
	if l.many == nil {
		before := len(l.one)
		l.one, _ = deleteFrom(l.one, from.at, in, goes)
		return before - len(l.one)
	}
	n := l.many.delete(from, in, goes)
	switch blocks := l.many.blocks; len(blocks) {
	case 0:
		*l = List[T]{}
	case 1:
		*l = List[T]{one: blocks[0]}
	}
	return n
}

// deleteFrom is Delete in one block. It returns what is left of it, and whether the next is to be looked at.
func deleteFrom[T any](b []T, at int, in, goes func(*T) bool) (left []T, on bool) {
	kept, next := at, at
	for ; next < len(b); next++ {
		if !in(&b[next]) {
			return slices.Delete(b, kept, next), false
		}
		if goes(&b[next]) {
			continue
		}
		if kept < next {
			b[kept] = b[next]
		}
		kept++
	}
	return slices.Delete(b, kept, next), true
}

func (l *many[T]) delete(from Place, in, goes func(*T) bool) (n int) {
	at := from.at
	i := from.block
	for on := true; on && i < len(l.blocks); i++ {
		before := len(l.blocks[i])
		l.blocks[i], on = deleteFrom(l.blocks[i], at, in, goes)
		n += before - len(l.blocks[i])
		at = 0
	}
	if n > 0 {
		l.n -= n
		l.tidy(max(0, from.block-1), min(i+1, len(l.blocks)))
	}
	return n
}

// tidy takes out the blocks of a part of the list that are empty, and unites those that have become small.
func (l *many[T]) tidy(first, end int) {
	kept := first
	for i := first + 1; i < end; i++ {
		a, b := l.blocks[kept], l.blocks[i]
		switch {
		case len(a) == 0:
			l.blocks[kept] = b
		case len(a)+len(b) <= size/2:
			l.blocks[kept] = append(a, b...)
		case len(b) > 0:
			kept++
			l.blocks[kept] = b
		}
	}
	if first < end && len(l.blocks[kept]) > 0 {
		kept++
	}
	l.blocks = slices.Delete(l.blocks, kept, end)
}
