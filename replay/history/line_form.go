package history

import (
	"encoding/binary"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// learnedForm is what stands around the values of a line or a frame that is a plain write. Those of a history mostly have one form,
// so what the last one had is looked for first in the next, sixteen bytes at a time. A form decides nothing: a line that is
// not just like it is read by [parser.quick], and a frame by [parser.quickFrame].
type learnedForm struct {
	steps  [mostSteps]step
	count  int // of steps; 0 while there is none
	missed int // plain ones that had another form since it was learned
	wait   int // so many may have
}

const mostSteps = 8

// step is a member: what stands from behind the value before it up to its own, and of what kind that is.
type step struct {
	lead   [2]uint64
	mask   [2]uint64 // of the bytes of lead
	length int       // of the lead, in bytes
	member member
	text   bool // it takes texts alone, of which a line has the opening quote in the lead; else it may be an integer too
}

// span is where a value stands: of a text, between its quotes.
type span struct{ from, to int }

func (s span) of(data []byte) []byte { return data[s.from:s.to] }

// formed reads the line that begins at data[at] as a plain write, and returns where the next one begins, or 0 when the
// line has not the form.
func (p *parser) formed(data []byte, at int, place finding.Place, out *Batch) (next int) {
	f := &p.lineForm
	start := at
	w := Plain{Line: place.Line, Op: merge.Set}
	var id span
	for i := range f.steps[:f.count] {
		s := &f.steps[i]
		if len(data)-at < 32 {
			return 0
		}
		if (binary.LittleEndian.Uint64(data[at:])^s.lead[0])&s.mask[0]|(binary.LittleEndian.Uint64(data[at+8:])^s.lead[1])&s.mask[1] != 0 {
			return 0
		}
		at += s.length
		if !s.text && data[at] != '"' {
			n, end := quickUint(data, at)
			if end == 0 {
				return 0
			}
			switch s.member {
			case memberValue:
				w.Value = sharedValue(data[at:end])
			case memberVersion:
				w.Version = n
			default: // the time
				if n-implausibleTo > uint64(clock.MaxWall)-implausibleTo {
					return 0
				}
				w.Wall, w.Precision = int64(n), Nanosecond
			}
			at = end
			continue
		}
		if !s.text {
			at++
		}
		end := quickText(data, at)
		if end == 0 && s.member == memberValue {
			end = quickEscaped(data, at)
		}
		if end == 0 {
			return 0
		}
		text := data[at:end]
		switch s.member {
		case memberKey:
			w.Key = shared(text)
		case memberField:
			w.Field = shared(text)
		case memberValue:
			w.Value = sharedValue(data[at-1 : end+1])
		case memberID:
			id = span{at, end}
		default:
			if !p.formedText(&w, s.member, text) {
				return 0
			}
		}
		if end == at && s.member != memberValue {
			return 0 // an empty text
		}
		at = end + 1
	}
	if len(data)-at < 2 || data[at] != '}' || data[at+1] != '\n' || at+2-start > p.opt.bytes() {
		return 0
	}
	if w.Op == merge.Add && w.Value[0] == '"' {
		return 0
	}
	if w.Number = sequenceOf(shared(id.of(data)), w.Node); w.Number == 0 {
		return 0
	}
	out.Plain = append(out.Plain, w)
	return at + 2
}

// formedText takes the text of a member that lines and frames read alike, and reports whether a plain write may have it.
func (p *parser) formedText(w *Plain, m member, text []byte) bool {
	switch m {
	case memberNode:
		var bad *problem
		w.Node, bad = p.draft.nodes.check(shared(text))
		return bad == nil
	case memberOp:
		if string(text) == "add" {
			w.Op = merge.Add
		}
		return string(text) == "set" || w.Op == merge.Add
	case memberTime:
		t, precision, bad := parseTime(shared(text))
		w.Wall, w.Precision = t.Wall, precision
		return bad == nil && t.Logical == 0
	}
	return false
}

// meet notes a plain write of another form. When there are many, it reports that this form is to be learned; each time it
// takes more of them, for some histories have no one form.
func (f *learnedForm) meet() bool {
	const most = 64
	f.missed++
	if f.missed <= f.wait {
		return false
	}
	f.missed, f.wait = 0, min(2*f.wait+1, most)
	return true
}

// learnLine takes the form of a line that [parser.quick] read as a plain write, if it is one for formed.
func (f *learnedForm) learnLine(line []byte) {
	f.count = 0
	n := 0
	for at := 0; line[at] != '}'; n++ {
		start := at
		if at++; line[at] == ' ' {
			at++
		}
		name := at + 1
		at = quickText(line, name)
		if at == 0 || n == mostSteps {
			return
		}
		s := &f.steps[n]
		s.member, _ = memberOf(string(line[name:at]))
		if at += len(`":`); line[at] == ' ' {
			at++
		}
		if s.text = s.member != memberValue && s.member != memberTime && s.member != memberVersion; s.text {
			at++
		}
		s.length = at - start
		var lead [16]byte
		if s.length > len(lead) {
			return
		}
		copy(lead[:], line[start:at])
		for i := range s.lead {
			s.lead[i] = binary.LittleEndian.Uint64(lead[8*i:])
			s.mask[i] = ^uint64(0) >> (64 - 8*min(max(s.length-8*i, 0), 8))
		}
		if s.text || line[at] == '"' {
			if !s.text {
				at++
			}
			if at = quickText(line, at) + 1; at == 1 {
				return
			}
		} else if _, at = quickUint(line, at); at == 0 {
			return
		}
	}
	f.count = n
}
