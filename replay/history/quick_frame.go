package history

import (
	"encoding/binary"
	"strconv"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// quickFrame is [parser.quick] for the frames of a msgpack stream: members with short names, texts of ASCII that need no
// escapes, and integers from 0 on. Whatever else a frame holds it leaves to [parser.frame], and says no.
func (p *parser) quickFrame(frame []byte, place finding.Place, out *Batch) bool {
	if len(frame) < 16 || frame[0]>>4 != 0x8 {
		return false
	}
	u := &p.packed
	u.begin(frame, p.opt.Limits)
	if n := int(frame[0] & 0x0f); n > u.members {
		return false
	}
	u.room()
	p.start(out)
	if !p.quickPacked(frame) {
		p.rec = Record{}
		return false
	}
	return p.keep(place, out)
}

// quickPacked reads the members of a frame into the draft.
func (p *parser) quickPacked(frame []byte) bool {
	d, u := &p.draft, &p.packed
	before := len(memberNames)
	at := 1
	for n := frame[0] & 0x0f; n > 0; n-- {
		m, size := p.quickName(frame, at, before)
		if size == 0 || d.seen.has(m) {
			return false
		}
		at += size
		d.seen |= 1 << m
		before = int(m)
		if at >= len(frame) {
			return false
		}
		var bad *problem
		switch c := frame[at]; {
		case c>>5 == 0b101 || c == 0xd9:
			length := int(c & 0x1f)
			at++
			if c == 0xd9 {
				if at == len(frame) {
					return false
				}
				length = int(frame[at])
				at++
			}
			if length == 0 || length > len(frame)-at || !plainASCII(frame[at:at+length]) {
				return false
			}
			text := frame[at : at+length]
			at += length
			switch m {
			case memberKey:
				d.rec.Key = shared(text)
			case memberID:
				d.rec.ID = shared(text)
			case memberField:
				d.field = shared(text)
			default:
				if takesValue.has(m) {
					start := len(u.text)
					u.text = append(append(append(u.text, '"'), text...), '"')
					bad = d.any(m, sharedValue(u.text[start:]))
				} else {
					bad = d.text(m, shared(text))
				}
			}
		case c < 0x80 || c == 0xcf && len(frame)-at >= 9:
			n := uint64(c)
			at++
			if c == 0xcf {
				n = binary.BigEndian.Uint64(frame[at:])
				at += 8
			}
			if takesValue.has(m) {
				start := len(u.text)
				u.text = strconv.AppendUint(u.text, n, 10)
				bad = d.any(m, sharedValue(u.text[start:]))
			} else {
				bad = d.integer(m, n)
			}
		default:
			return false
		}
		if bad != nil {
			return false
		}
	}
	return at == len(frame)
}

// quickName reads the name of a member, and says how long it is, with its header; 0 when it is not for it.
func (p *parser) quickName(frame []byte, at, before int) (m member, size int) {
	if at >= len(frame) || frame[at]>>5 != 0b101 {
		return 0, 0
	}
	length := int(frame[at] & 0x1f)
	if length >= len(frame)-at {
		return 0, 0
	}
	var word uint64
	if at+9 <= len(frame) {
		word = binary.LittleEndian.Uint64(frame[at+1:])
	} else { // the last member
		var end [8]byte
		copy(end[:], frame[at+1:])
		word = binary.LittleEndian.Uint64(end[:])
	}
	if f := &p.follow[before]; f.length == length && word&(f.mask>>8) == f.word&(f.mask>>8) && f.mask != 0 {
		return f.member, length + 1
	}
	if length > 7 || length == 0 {
		return 0, 0
	}
	word = word&(^uint64(0)>>(64-8*length)) | '"'<<(8*length)
	known := &names[hashName(word)]
	if known.word != word {
		return 0, 0
	}
	p.follow[before] = *known
	return known.member, length + 1
}

// plainASCII reports whether a text stands for itself between quotes.
func plainASCII(text []byte) bool {
	for ; len(text) >= 8; text = text[8:] {
		w := binary.LittleEndian.Uint64(text)
		quote := w ^ everyByte*'"'
		slash := w ^ everyByte*'\\'
		if ((quote-everyByte)&^quote|(slash-everyByte)&^slash|(w-everyByte*0x20)&^w|w)&everyHigh != 0 {
			return false
		}
	}
	for _, c := range text {
		if c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
