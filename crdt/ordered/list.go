package ordered

import "slices"

// size is about how many items a block has room for: so few that to move them costs about as much as to find one, and so many that the
// blocks don't count.
const size = 64

// isFull reports whether a block is to take no more items. What memory is rounded up by it takes.
func isFull[T any](b []T) bool { return len(b) >= size && len(b) == cap(b) }

// blockOf returns a new block of some items, with room for more.
func blockOf[T any](items ...T) []T { return append(slices.Grow([]T(nil), size), items...) }

// List is a list of items in an order that is the caller's. The zero List is empty and ready. A copy made by assignment
// shares memory with the original: change only one of the two.
type List[T any] struct {
	blocks [][]T // Invariant: none is empty.
	n      int
}

// Place is where an item stands, until the list changes. The zero Place is that of the first.
type Place struct{ block, at int }

// Pair returns a new list of two items, which takes one allocation.
func Pair[T any](first, last T) *List[T] {
	l := new(struct {
		List[T]
		room  [1][]T
		items [2]T
	})
	l.items = [2]T{first, last}
	l.room[0] = l.items[:]
	l.List = List[T]{l.room[:], 2}
	return &l.List
}

// Clone returns a copy that shares no memory with l but what its items point to.
func (l *List[T]) Clone() List[T] {
	copied := List[T]{slices.Clone(l.blocks), l.n}
	for i, b := range copied.blocks {
		copied.blocks[i] = slices.Clone(b)
	}
	return copied
}

// Len returns the number of items.
func (l *List[T]) Len() int { return l.n }

// All yields the items in their order.
func (l *List[T]) All(yield func(*T) bool) {
	for _, b := range l.blocks {
		for i := range b {
			if !yield(&b[i]) {
				return
			}
		}
	}
}

// First and Last return the first and the last item of a list that is not empty.
func (l *List[T]) First() *T { return &l.blocks[0][0] }

// Last returns the last item of a list that is not empty.
func (l *List[T]) Last() *T {
	b := l.blocks[len(l.blocks)-1]
	return &b[len(b)-1]
}

// Cursor goes through a list that does not change meanwhile.
type Cursor[T any] struct {
	blocks [][]T
	at     int
}

// Cursor returns one that stands at the first item.
func (l *List[T]) Cursor() Cursor[T] { return Cursor[T]{blocks: l.blocks} }

// Item returns the item at which c stands, nil at the end.
func (c *Cursor[T]) Item() *T {
	if len(c.blocks) == 0 {
		return nil
	}
	return &c.blocks[0][c.at]
}

// Next goes on to the next item, of which there must be one to stand at.
func (c *Cursor[T]) Next() {
	if c.at++; c.at == len(c.blocks[0]) {
		c.blocks, c.at = c.blocks[1:], 0
	}
}

// Equal reports whether two lists have the same items in the same order.
func Equal[T comparable](a, b *List[T]) bool {
	if a.n != b.n {
		return false
	}
	of := b.Cursor()
	for _, some := range a.blocks {
		for i := range some {
			if some[i] != *of.Item() {
				return false
			}
			of.Next()
		}
	}
	return true
}

// Search returns the place of the first item that is not before what is looked for. Before is true of items from the first
// to some one, and of no others.
func (l *List[T]) Search(before func(*T) bool) (p Place) {
	p.block = bisect(len(l.blocks), func(i int) bool { b := l.blocks[i]; return before(&b[len(b)-1]) })
	if p.block < len(l.blocks) {
		b := l.blocks[p.block]
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
	if p.block == len(l.blocks) {
		return nil
	}
	return &l.blocks[p.block][p.at]
}

// Push puts an item at the end.
func (l *List[T]) Push(v T) {
	if last := len(l.blocks) - 1; last >= 0 && !isFull(l.blocks[last]) {
		l.blocks[last] = append(l.blocks[last], v)
		l.n++
		return
	}
	l.Insert(Place{block: len(l.blocks)}, v)
}

// Insert puts an item before the one at a place, or at the end.
func (l *List[T]) Insert(p Place, v T) {
	l.n++
	if len(l.blocks) == 0 { // in one allocation, for many lists get no further
		room := new(struct {
			blocks [1][]T
			items  [1]T
		})
		room.items[0] = v
		room.blocks[0] = room.items[:]
		l.blocks = room.blocks[:]
		return
	}
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
}

// Delete takes out those items for which goes is true, from a place on as long as in is. It returns how many that were.
func (l *List[T]) Delete(from Place, in, goes func(*T) bool) (n int) {
	at := from.at
	i := from.block
	for on := true; on && i < len(l.blocks); i++ {
		b := l.blocks[i]
		kept, next := at, at
		for ; next < len(b); next++ {
			if on = in(&b[next]); !on {
				break
			}
			if goes(&b[next]) {
				continue
			}
			if kept < next {
				b[kept] = b[next]
			}
			kept++
		}
		if kept < next {
			n += next - kept
			l.blocks[i] = slices.Delete(b, kept, next)
		}
		at = 0
	}
	if n > 0 {
		l.n -= n
		l.tidy(max(0, from.block-1), min(i+1, len(l.blocks)))
	}
	return n
}

// tidy takes out the blocks of a part of the list that are empty, and unites those that have become small.
func (l *List[T]) tidy(first, end int) {
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
