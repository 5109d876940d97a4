package replay

// turn is a write among those of a key: which of its node's it is, and where the write stands.
type turn struct {
	number uint64
	node   uint32
	at     uint32
}

func (t *turn) before(o *turn) bool {
	return t.node < o.node || t.node == o.node && t.number < o.number
}

// numBytes is how many bytes turns are sorted by.
const numBytes = 8 + 4

// byte returns one of them, the lowest first.
func (t *turn) byte(n int) byte {
	if n < 8 {
		return byte(t.number >> (8 * n))
	}
	return byte(t.node >> (8 * (n - 8)))
}

// turns are sorted by node and number; those that are equal in both stay as they came. Their memory is used again.
type turns struct {
	list  []turn
	spare []turn
}

// begin empties the list and makes room for n.
func (s *turns) begin(n int) {
	if s.list = s.list[:0]; cap(s.list) < n {
		s.list = make([]turn, 0, more(n, cap(s.list)))
	}
}

// more returns for how many to make room when n need it and there is room for had: for some more, but not for so many that a
// long list takes twice what it needs.
func more(n, had int) int { return max(n, had+had/4, min(2*had, 1<<10)) }

// fewTurns is up to how many turns are sorted by moving each to its place.
const fewTurns = 48

// sort sorts by one byte after the other, from the lowest of the number to the highest of the node. Bytes that are the same
// in all turns are passed over, and those are most of them: a node numbers its writes one by one.
func (s *turns) sort() {
	if len(s.list) <= fewTurns {
		s.insert()
		return
	}
	first, differ, sorted := s.list[0], turn{}, true
	for i := 1; i < len(s.list); i++ {
		t := &s.list[i]
		differ.number, differ.node = differ.number|(t.number^first.number), differ.node|(t.node^first.node)
		sorted = sorted && !t.before(&s.list[i-1])
	}
	if sorted {
		return
	}
	if cap(s.spare) < len(s.list) {
		s.spare = make([]turn, cap(s.list))
	}
	for n := range numBytes {
		if differ.byte(n) > 0 {
			s.deal(n)
		}
	}
}

func (s *turns) insert() {
	for i := 1; i < len(s.list); i++ {
		t, j := s.list[i], i
		for ; j > 0 && t.before(&s.list[j-1]); j-- {
			s.list[j] = s.list[j-1]
		}
		s.list[j] = t
	}
}

// deal sorts by byte n.
func (s *turns) deal(n int) {
	var next [256]int
	for i := range s.list {
		next[s.list[i].byte(n)]++
	}
	sum := 0
	for b, count := range next {
		next[b], sum = sum, sum+count
	}
	to := s.spare[:len(s.list)]
	for i := range s.list {
		place := &next[s.list[i].byte(n)]
		to[*place] = s.list[i]
		*place++
	}
	s.list, s.spare = to, s.list
}
