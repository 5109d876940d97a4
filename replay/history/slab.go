package history

// slab hands out short slices that share an allocation.
type slab[T any] struct{ free []T }

// take returns room for n, zeroed.
func (s *slab[T]) take(n int) []T {
	const size = 512
	if n > len(s.free) {
		if n > size/4 {
			return make([]T, n)
		}
		s.free = make([]T, size)
	}
	room := s.free[:n:n]
	s.free = s.free[n:]
	return room
}
