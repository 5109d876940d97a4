package history

// slab hands out short slices that share an allocation.
type slab[T any] struct {
	room []T // what was made last, unless some of it was left
	free []T
	used int // since the last reset
}

// take returns room for n, zeroed; nil for none.
func (s *slab[T]) take(n int) []T {
	const size = 512
	if n == 0 {
		return nil
	}
	s.used += n
	if n > len(s.free) {
		if n > size/4 {
			return make([]T, n)
		}
		s.room = make([]T, size)
		s.free = s.room
	}
	room := s.free[:n:n]
	s.free = s.free[n:]
	clear(room)
	return room
}

// leave leaves what was handed out to those who have it.
func (s *slab[T]) leave() { s.room, s.used = nil, 0 }

// reset takes everything back, and makes room for as much at once.
func (s *slab[T]) reset() {
	if s.used > len(s.room) {
		s.room = make([]T, s.used+s.used/8)
	}
	s.free, s.used = s.room, 0
}
