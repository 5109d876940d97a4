package replay

// slab hands out short lists that share an allocation, and takes all of them back at once. What was handed out before it
// grew stays good until then.
//
// HAZARD: a list that is kept beyond reset is written over by whoever takes it next.
type slab[T any] struct {
	room []T
	used int
}

// take returns room for n, zeroed.
func (s *slab[T]) take(n int) []T {
	list := s.raw(n)
	clear(list)
	return list
}

// raw returns room for n with whatever was there before, for who writes all of it.
func (s *slab[T]) raw(n int) []T {
	const least = 64
	if n > len(s.room)-s.used {
		s.room, s.used = make([]T, max(n, 2*len(s.room), least)), 0
	}
	list := s.room[s.used : s.used+n : s.used+n]
	s.used += n
	return list
}

// reserve makes room for n at once, when nothing is handed out.
func (s *slab[T]) reserve(n int) {
	if n > len(s.room) {
		s.room = make([]T, n)
	}
}

// reset takes everything back.
func (s *slab[T]) reset() { s.used = 0 }
