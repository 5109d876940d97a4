package value

import (
	"slices"
	"unicode/utf8"
)

// Shapes recognizes texts that are alike. Texts that come one after the other mostly are: the same members in the same
// order, with other strings and numbers. A shape is what such texts have in common. A text that fits one is compared with it
// piece by piece, and only what stands in between, the holes, is scanned: all else is known from the text that the shape was
// learned from. What fits no shape is parsed, so shapes decide nothing but how long that takes. The zero Shapes is ready and
// knows none.
type Shapes struct {
	known []*shape // the last one that fitted first
	texts int      // that came before anything was learned

	// luck falls twice as fast with texts that fit nothing as it rises with others. When none is left, no shape is tried for a
	// while: where no two texts are alike that would only cost.
	luck  int
	tired int // texts still to come until shapes are tried again

	doc  Doc // that learns
	room []uint32
}

// Fit is how a text fits a shape: see [Doc.ParseFit]. The zero Fit is of a text that fits none.
type Fit struct {
	shape *shape
	moves []uint32 // by how much what stands after each hole is moved against the text that the shape was learned from
}

// shape is never changed, so that several may use it.
type shape struct {
	text  []byte // that it was learned from
	nodes []node // of it
	marks []mark // of each node
	holes []hole // in the order of the text
	lim   Limits
}

// hole is what differs from text to text: a number, or a string between its quotes. One with escapes is no hole for one without:
// whether a value is canonical as it stands is part of the shape.
type hole struct {
	before     uint32 // where the hole before it ends
	start, end uint32
	kind       Kind
	escapes    bool
}

// mark is how many holes end before a node begins, and before it ends.
type mark struct{ start, end uint16 }

// What is remembered, and of which texts.
const (
	mostShapes     = 8
	mostShapeNodes = 512
	mostShapeBytes = 16 << 10

	firstTexts = 4  // nothing is learned of these: few texts are not worth it
	mostLuck   = 32 // see Shapes
	rest       = 512
)

// Extent is the function [Extent] for texts of which many are alike: of one that fits a shape it also says how. The limits
// are those that the text will be parsed with. The fit is in room, which is made longer; what is in it must stay as it is
// while the fit is used.
func (s *Shapes) Extent(text []byte, lim Limits, room *[]uint32) (end int, whole Wholeness, fit Fit) {
	lim = lim.orDefault()
	if end, fit = s.fit(text, lim, room); fit.shape != nil {
		return end, Whole, fit
	}
	if end, whole = Extent(text); whole == Whole && s.teaches() && end <= mostShapeBytes {
		if _, err := s.doc.Parse(text[:end], lim); err == nil {
			s.learn(&s.doc)
		}
	}
	return end, whole, Fit{}
}

// fit returns how a text fits a shape, and where it ends.
func (s *Shapes) fit(text []byte, lim Limits, room *[]uint32) (end int, fit Fit) {
	if s.tired > 0 {
		s.tired--
		return 0, Fit{}
	}
	for i, known := range s.known {
		if known.lim != lim {
			continue
		}
		first, size := len(*room), len(known.holes)+1
		if size > cap(*room)-first {
			*room, first = make([]uint32, 0, max(size, 2*cap(*room))), 0 // those who have the old one keep it
		}
		moves := (*room)[first : first+size : first+size]
		end, ok := known.fit(text, moves)
		if !ok || end > lim.Bytes {
			continue
		}
		*room = (*room)[:first+size]
		if s.luck < mostLuck {
			s.luck++
		}
		s.known[0], s.known[i] = known, s.known[0]
		return end, Fit{known, moves}
	}
	return 0, Fit{}
}

// fit returns where a text ends that begins as one of the shape, and fills in by how much what follows each hole is moved.
func (s *shape) fit(text []byte, moves []uint32) (end int, ok bool) {
	at := 0
	moves[0] = 0
	moves = moves[1:]
	for i := range s.holes {
		h := &s.holes[i]
		piece := s.text[h.before:h.start]
		if len(text)-at < len(piece) || string(text[at:at+len(piece)]) != string(piece) {
			return 0, false
		}
		at += len(piece)
		switch start := at; {
		case h.kind == KindNumber:
			if at = numberEnd(text, at); at < 0 {
				return 0, false
			}
		case h.escapes:
			after, plain, err := scanText(text, start-1)
			if err != nil || plain {
				return 0, false
			}
			at = after - 1
		default:
			var ascii bool
			at, ascii = plainEnd(text, start)
			if !ascii && !utf8.Valid(text[start:at]) {
				return 0, false
			}
		}
		moves[i] = uint32(at) - h.end
	}
	last := s.text[s.end():]
	if len(text)-at < len(last) || string(text[at:at+len(last)]) != string(last) {
		return 0, false
	}
	return at + len(last), true
}

// end returns where the last hole ends.
func (s *shape) end() uint32 {
	if n := len(s.holes); n > 0 {
		return s.holes[n-1].end
	}
	return 0
}

// Parse is [Doc.Parse] of a text that is likely to be like others before it.
func (s *Shapes) Parse(d *Doc, text []byte, lim Limits) (Ref, error) {
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return d.Parse(text, lim)
	}
	s.room = s.room[:0]
	end, _, fit := s.Extent(text, lim, &s.room)
	if end < len(text) {
		fit = Fit{}
	}
	return d.ParseFit(text, lim, fit)
}

// ParseFit is [Doc.Parse] of a text of which [Shapes.Extent] said how it fits.
func (d *Doc) ParseFit(text []byte, lim Limits, fit Fit) (Ref, error) {
	if d.reset(text, lim); fit.shape == nil || fit.shape.lim != d.lim {
		return d.Parse(text, lim)
	}
	d.nodes = append(d.nodes[:0], fit.shape.nodes...)
	for i, m := range fit.shape.marks {
		n := &d.nodes[i]
		n.start += fit.moves[m.start]
		n.end += fit.moves[m.end]
	}
	return Ref{d, 0}, nil
}

// teaches reports whether something is to be learned of a text that fitted no shape.
func (s *Shapes) teaches() bool {
	switch {
	case s.tired > 0:
		return false
	case s.texts < firstTexts:
		s.texts++
		s.luck = mostLuck
		return false
	}
	if s.luck -= 2; s.luck <= 0 {
		s.luck, s.tired = mostLuck/4, rest
		return false
	}
	return true
}

// learn takes the shape of a text that was parsed.
func (s *Shapes) learn(d *Doc) {
	if len(d.nodes) > mostShapeNodes {
		return
	}
	if len(s.known) < mostShapes {
		s.known = append(s.known, nil)
	}
	copy(s.known[1:], s.known)
	s.known[0] = shapeOf(d)
}

func shapeOf(d *Doc) *shape {
	s := &shape{text: slices.Clone(d.text), nodes: slices.Clone(d.nodes), marks: make([]mark, len(d.nodes)), lim: d.lim}
	s.walk(0)
	return s
}

// walk finds the holes in the value at a node.
func (s *shape) walk(i int) {
	n := &s.nodes[i]
	s.marks[i].start = uint16(len(s.holes))
	switch n.kind {
	case KindString:
		s.holes = append(s.holes, hole{s.end(), n.start + 1, n.end - 1, n.kind, !n.canonical})
	case KindNumber:
		s.holes = append(s.holes, hole{s.end(), n.start, n.end, n.kind, false})
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
