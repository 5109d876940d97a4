package history

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// beyondFrame is how many bytes that follow a frame formedFrame may look at.
const beyondFrame = 16

// formedFrame reads the frame that data begins with as a plain write, and returns how long it is, or 0 when it has not the
// form.
func (p *parser) formedFrame(data []byte, place finding.Place, out *Batch) (size int) {
	f, u := &p.frameForm, &p.packed
	at, content := frameSize(data)
	if at <= 0 || len(data)-at-content < beyondFrame || data[at] != 0x80|byte(f.count) {
		return 0
	}
	end := at + content
	at++
	w := Plain{Line: place.Line, Op: merge.Set}
	var id span
	u.room(2 * content)
	for i := range f.steps[:f.count] {
		s := &f.steps[i]
		if at >= end || (binary.LittleEndian.Uint64(data[at:])^s.lead[0])&s.mask[0] != 0 {
			return 0
		}
		if at += s.length; at >= end {
			return 0
		}
		c := data[at]
		if c < 0x80 || c>>2 == 0xcc>>2 {
			if s.text {
				return 0
			}
			var n uint64
			if n, at = packedUint(data, at); at > end {
				return 0
			}
			switch s.member {
			case memberValue:
				w.Value = u.digits(n)
			case memberVersion:
				w.Version = n
			default: // the time
				if n-implausibleTo > uint64(clock.MaxWall)-implausibleTo {
					return 0
				}
				w.Wall, w.Precision = int64(n), Nanosecond
			}
			continue
		}
		length := int(c & 0x1f)
		if at++; c == 0xd9 {
			length = int(data[at])
			at++
		} else if c>>5 != 0b101 {
			return 0
		}
		if length == 0 || length > end-at {
			return 0
		}
		text := data[at : at+length]
		switch s.member {
		case memberKey:
			if !isASCII(data, at, length) && !utf8.Valid(text) {
				return 0
			}
			w.Key = shared(text)
		case memberField:
			if !isASCII(data, at, length) && !utf8.Valid(text) {
				return 0
			}
			w.Field = shared(text)
		case memberValue:
			var ok bool
			if w.Value, ok = u.quoted(text); !ok {
				return 0
			}
		case memberID:
			id = span{at, at + length}
		default:
			if !p.formedText(&w, s.member, text) {
				return 0
			}
		}
		at += length
	}
	if at != end || w.Op == merge.Add && w.Value[0] == '"' {
		return 0
	}
	// The id is that of the node, which is UTF-8, and a number.
	if w.Number = sequenceOf(shared(id.of(data)), w.Node); w.Number == 0 {
		return 0
	}
	out.Plain = append(out.Plain, w)
	return end
}

// isASCII reports whether a text of data is ASCII. At least eight bytes follow the text.
func isASCII(data []byte, at, length int) bool {
	for ; length > 8; length -= 8 {
		if binary.LittleEndian.Uint64(data[at:])&everyHigh != 0 {
			return false
		}
		at += 8
	}
	return binary.LittleEndian.Uint64(data[at:])<<(64-8*length)&everyHigh == 0
}

// learnFrame takes the form of a frame that [parser.quickFrame] read as a plain write, if it is one for formedFrame.
func (f *learnedForm) learnFrame(frame []byte) {
	f.count = 0
	count := int(frame[0] & 0x0f)
	if count > mostSteps {
		return
	}
	at := 1
	for i := range count {
		s := &f.steps[i]
		s.length = 1 + int(frame[at]&0x1f)
		if s.length > 8 {
			return
		}
		var lead [8]byte
		copy(lead[:], frame[at:at+s.length])
		s.lead[0], s.mask[0] = binary.LittleEndian.Uint64(lead[:]), ^uint64(0)>>(64-8*s.length)
		s.member, _ = memberOf(string(frame[at+1 : at+s.length]))
		s.text = s.member != memberValue && s.member != memberTime && s.member != memberVersion
		at += s.length
		switch c := frame[at]; {
		case c < 0x80:
			at++
		case c>>2 == 0xcc>>2:
			at += 1 + 1<<(c&3)
		case c == 0xd9:
			at += 2 + int(frame[at+1])
		default:
			at += 1 + int(c&0x1f)
		}
	}
	f.count = count
}
