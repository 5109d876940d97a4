package replay

import "unsafe"

// slab hands out short lists that share an allocation, and takes all of them back at once. What was handed out before it
// grew stays good until then.
//
// HAZARD: a list that is kept beyond reset is written over by whoever takes it next.
type slab[T any] struct {
	room []T
	used int
	far  *far // where long lists are, of what holds no pointers; nil for ordinary memory
}

// take returns room for n, zeroed.
func (s *slab[T]) take(n int) []T {
	if s.far != nil {
		return listOf[T](s.far, n) // as it comes: to clear a list is to touch all of it
	}
	list := s.raw(n)
	clear(list)
	return list
}

// raw returns room for n with whatever was there before, for who writes all of it.
func (s *slab[T]) raw(n int) []T {
	const (
		least     = 64
		mostBytes = 8 << 20 // what one key may need once is in memory beside all else
	)
	if n > len(s.room)-s.used {
		more := max(2*len(s.room), least)
		if s.far == nil {
			var one T
			more = min(more, mostBytes/int(unsafe.Sizeof(one)))
		}
		s.room, s.used = listOf[T](s.far, max(n, more)), 0
	}
	list := s.room[s.used : s.used+n : s.used+n]
	s.used += n
	return list
}

// reserve makes room for n at once, when nothing is handed out.
func (s *slab[T]) reserve(n int) {
	if n > len(s.room) {
		s.room = listOf[T](s.far, n)
	}
}

// reset takes everything back.
func (s *slab[T]) reset() { s.used = 0 }
