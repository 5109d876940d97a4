package value

import (
	"slices"
	"unicode/utf8"
)

// Texts that come one after the other are mostly alike: the same members in the same order, with other strings and numbers.
// A shape is what such texts have in common. A text that fits one is compared with it piece by piece, and only what stands in
// between, the holes, is scanned: all else is known from the text that the shape was learned from. What fits no shape is
// parsed, so a shape decides nothing but how long that takes.
type shape struct {
	text  []byte // that it was learned from
	nodes []node // of it
	marks []mark // of each node
	holes []hole // in the order of the text
	lim   Limits
}

// hole is what differs from text to text: a number, or a string without escapes between its quotes.
type hole struct {
	before     uint32 // where the hole before it ends
	start, end uint32
	number     bool
}

// mark is how many holes end before a node begins, and before it ends.
type mark struct{ start, end uint16 }

// What a Doc remembers, and of which texts.
const (
	mostShapes     = 8
	mostShapeNodes = 512
	mostShapeBytes = 16 << 10

	firstTexts = 4  // nothing is learned of these: few texts are not worth it
	mostLuck   = 32 // see shapes
	rest       = 512
)

// shapes is the shapes that a Doc knows, the last one that fitted first.
type shapes struct {
	known []*shape
	moves []uint32 // by how much what stands after each hole is moved against the text that the shape was learned from
	texts int      // that were parsed before anything was learned

	// luck falls twice as fast with texts that fit nothing as it rises with others. When none is left, no shape is tried for a
	// while: where no two texts are alike that would only cost.
	luck  int
	tired int // texts still to come until shapes are tried again
}

// fit makes the nodes of a text if it fits a shape.
func (d *Doc) fit() bool {
	s := &d.shapes
	if s.tired > 0 {
		s.tired--
		return false
	}
	for i, known := range s.known {
		if known.lim == d.lim && d.fits(known) {
			if s.luck < mostLuck {
				s.luck++
			}
			s.known[0], s.known[i] = known, s.known[0]
			return true
		}
	}
	return false
}

// fits makes the nodes of a text if it has that shape.
func (d *Doc) fits(s *shape) bool {
	text, at := d.text, 0
	moves := d.shapes.moves[:len(s.holes)+1]
	for i := range s.holes {
		h := &s.holes[i]
		piece := s.text[h.before:h.start]
		if len(text)-at < len(piece) || string(text[at:at+len(piece)]) != string(piece) {
			return false
		}
		at += len(piece)
		if h.number {
			if at = numberEnd(text, at); at < 0 {
				return false
			}
		} else {
			start := at
			var ascii bool
			at, ascii = plainEnd(text, start)
			if !ascii && !utf8.Valid(text[start:at]) {
				return false
			}
		}
		moves[i+1] = uint32(at) - h.end
	}
	if last := s.text[s.end():]; string(text[at:]) != string(last) {
		return false
	}
	d.nodes = append(d.nodes[:0], s.nodes...)
	for i, m := range s.marks {
		n := &d.nodes[i]
		n.start += moves[m.start]
		n.end += moves[m.end]
	}
	return true
}

// end returns where the last hole ends.
func (s *shape) end() uint32 {
	if n := len(s.holes); n > 0 {
		return s.holes[n-1].end
	}
	return 0
}

// learn takes the shape of a text that fitted none, and was parsed.
func (d *Doc) learn() {
	s := &d.shapes
	if s.tired > 0 {
		return
	}
	if s.texts < firstTexts {
		s.texts++
		s.luck = mostLuck
		return
	}
	if s.luck -= 2; s.luck <= 0 {
		s.luck, s.tired = mostLuck/4, rest
		return
	}
	if len(d.nodes) > mostShapeNodes || len(d.text) > mostShapeBytes || d.escapes() {
		return
	}
	var to *shape
	if n := len(s.known); n < mostShapes {
		to, s.known = &shape{}, append(s.known, nil)
	} else {
		to = s.known[n-1]
	}
	copy(s.known[1:], s.known)
	s.known[0] = to
	to.take(d)
	if len(to.holes) >= len(s.moves) {
		s.moves = make([]uint32, len(to.holes)+1)
	}
}

// escapes reports whether a string has an escape. It seldom stands in the same place again.
func (d *Doc) escapes() bool {
	for i := range d.nodes {
		if n := &d.nodes[i]; n.kind == KindString && !n.canonical {
			return true
		}
	}
	return false
}

// take makes s the shape of the text that a Doc has parsed.
func (s *shape) take(d *Doc) {
	s.text = append(s.text[:0], d.text...)
	s.nodes = append(s.nodes[:0], d.nodes...)
	s.marks = slices.Grow(s.marks[:0], len(d.nodes))[:len(d.nodes)]
	s.holes, s.lim = s.holes[:0], d.lim
	s.walk(0)
}

// walk finds the holes in the value at a node.
func (s *shape) walk(i int) {
	n := &s.nodes[i]
	s.marks[i].start = uint16(len(s.holes))
	switch n.kind {
	case KindString:
		s.holes = append(s.holes, hole{s.end(), n.start + 1, n.end - 1, false})
	case KindNumber:
		s.holes = append(s.holes, hole{s.end(), n.start, n.end, true})
	case KindArray:
		for j := i + 1; j < int(n.next); j = int(s.nodes[j].next) {
			s.walk(j)
		}
	case KindObject:
		for j := i + 1; j < int(n.next); j = int(s.nodes[j+1].next) {
			s.marks[j] = mark{uint16(len(s.holes)), uint16(len(s.holes))}
			s.walk(j + 1)
		}
	}
	s.marks[i].end = uint16(len(s.holes))
}
