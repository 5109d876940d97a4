package history

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// quickFrame is [parser.quick] for the frames of a msgpack stream: members with short names, short texts, and
// integers from 0 on. Whatever else a frame holds it leaves to [parser.frame], and says no.
func (p *parser) quickFrame(frame []byte, place finding.Place, out *Batch) bool {
	if len(frame) < 16 || frame[0]>>4 != 0x8 {
		return false
	}
	u := &p.packed
	u.begin(frame, p.opt.Limits)
	if n := int(frame[0] & 0x0f); n > u.members {
		return false
	}
	u.room(2 * len(frame))
	p.start(out)
	if !p.quickPacked(frame) {
		p.rec = Record{}
		return false
	}
	plain := len(out.Plain)
	if !p.keep(place, out) {
		return false
	}
	if len(out.Plain) > plain && p.frameForm.meet() {
		p.frameForm.learnFrame(frame)
	}
	return true
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
			if length == 0 || length > len(frame)-at {
				return false
			}
			text := frame[at : at+length]
			at += length
			if takesValue.has(m) {
				v, ok := u.quoted(text)
				if !ok || d.any(m, v) != nil {
					return false
				}
				continue
			}
			if !utf8.Valid(text) {
				return false
			}
			switch m {
			case memberKey:
				d.rec.Key = shared(text)
			case memberID:
				d.rec.ID = shared(text)
			case memberField:
				d.field = shared(text)
			default:
				bad = d.text(m, shared(text))
			}
		case c < 0x80 || c>>2 == 0xcc>>2:
			if len(frame)-at < 9 && c >= 0x80 {
				return false // the end of the frame
			}
			var n uint64
			n, at = packedUint(frame, at)
			if takesValue.has(m) {
				bad = d.any(m, u.digits(n))
			} else {
				bad = d.integer(m, n)
			}
		case m == memberSeen:
			if at = p.packedSeen(frame, at); at == 0 {
				return false
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

// packedSeen reads what a writer had seen, up to which number of each node or which ids, and returns the offset behind it, or 0
// when it is not for it.
func (p *parser) packedSeen(frame []byte, at int) (end int) {
	d, u, list := &p.draft, &p.packed, &p.seen
	up := frame[at]>>4 == 0x8
	if !up && frame[at]>>4 != 0x9 {
		return 0
	}
	n := int(frame[at] & 0x0f)
	if n > u.members {
		return 0
	}
	at++
	for i := range n {
		if at == len(frame) || frame[at]>>5 != 0b101 {
			return 0
		}
		length := int(frame[at] & 0x1f)
		at++
		if length == 0 || length >= len(frame)-at {
			return 0
		}
		text := frame[at : at+length]
		at += length
		if !plainASCII(text) {
			return 0
		}
		list[i] = clock.Dot{Node: clock.Node(shared(text))}
		if !up {
			continue
		}
		if list[i].Seq, at = lastUint(frame, at); list[i].Seq == 0 {
			return 0
		}
		var bad *problem
		if list[i].Node, bad = d.nodes.check(string(list[i].Node)); bad != nil {
			return 0
		}
	}
	if !p.saw(list[:n], up) {
		return 0
	}
	return at
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
		if string(frame[at+1:at+1+length]) == memberNames[memberServedBy] {
			return memberServedBy, length + 1
		}
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

// quoted returns a text as a value, and whether it is UTF-8.
func (u *unpacker) quoted(text []byte) (value.Value, bool) {
	start := len(u.text)
	switch {
	case plainASCII(text):
		u.text = append(append(append(u.text, '"'), text...), '"')
	case utf8.Valid(text):
		u.text = value.AppendText(u.text, shared(text))
	default:
		return "", false
	}
	return sharedValue(u.text[start:]), true
}

// digits returns an integer as a value.
func (u *unpacker) digits(n uint64) value.Value {
	start := len(u.text)
	u.text = strconv.AppendUint(u.text, n, 10)
	return sharedValue(u.text[start:])
}

// packedUint reads the integer from 0 on whose type byte is frame[at]. Nine bytes must be there, unless it is all of it.
func packedUint(frame []byte, at int) (n uint64, end int) {
	c := frame[at]
	if c < 0x80 {
		return uint64(c), at + 1
	}
	size := 1 << (c & 3)
	return binary.BigEndian.Uint64(frame[at+1:]) >> (64 - 8*size), at + 1 + size
}

// lastUint is packedUint for what may stand at the end of a frame, and may be no such integer: then it returns 0.
func lastUint(frame []byte, at int) (n uint64, end int) {
	c := frame[at]
	if c < 0x80 || c>>2 == 0xcc>>2 && len(frame)-at >= 9 {
		return packedUint(frame, at)
	}
	size := 1 << (c & 3)
	if c>>2 != 0xcc>>2 || size >= len(frame)-at {
		return 0, 0
	}
	for _, b := range frame[at+1 : at+1+size] {
		n = n<<8 | uint64(b)
	}
	return n, at + 1 + size
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
