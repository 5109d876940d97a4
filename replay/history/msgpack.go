package history

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// extNumber is the msgpack extension type of a number in decimal text.
const extNumber = 1

// The first bytes of a frame: bin 8, bin 16 and bin 32.
const (
	bin8  = 0xc4
	bin16 = 0xc5
	bin32 = 0xc6
)

// frameSize returns how long the header of the frame at the start of b is and how long its content. It returns a
// header of 0 when b ends inside it, and of -1 when b does not begin with a frame.
func frameSize(b []byte) (header, content int) {
	if len(b) == 0 {
		return 0, 0
	}
	switch b[0] {
	case bin8:
		if len(b) >= 2 {
			return 2, int(b[1])
		}
	case bin16:
		if len(b) >= 3 {
			return 3, int(binary.BigEndian.Uint16(b[1:]))
		}
	case bin32:
		if len(b) >= 5 {
			return 5, lengthOf(int64(binary.BigEndian.Uint32(b[1:])))
		}
	default:
		return -1, 0
	}
	return 0, 0
}

// lengthOf returns a length as an int. What an int of 32 bits does not hold is longer than anything there, and so is half of the
// most, which leaves room to add.
func lengthOf(n int64) int { return int(min(n, math.MaxInt/2)) }

// frames reads a chunk of whole frames.
func (p *parser) frames(c *chunk, out *Batch) {
	at := finding.Place{File: c.name, Line: c.line}
	p.packed.text = out.text
	defer func() { out.text, p.packed.text = p.packed.text, nil }()
	for rest := c.data; len(rest) > 0; at.Line++ {
		if p.frameForm.count > 0 && p.wantsPlain(out) {
			if size := p.formedFrame(rest, at, out); size > 0 {
				rest = rest[size:]
				continue
			}
		}
		header, size := frameSize(rest)
		frame := rest[header : header+size]
		rest = rest[header+size:]
		if p.quickFrame(frame, at, out) {
			continue
		}
		rec := out.record(at)
		if bad := p.frame(frame, rec, out); bad != nil {
			out.unrecord()
			out.aside(at, bad.code, "%s", bad.detail)
			continue
		}
		p.admit(len(out.Records)-1, out)
	}
}

// frame reads the record in one frame.
func (p *parser) frame(frame []byte, rec *Record, out *Batch) *problem {
	u, d := &p.packed, &p.draft
	u.begin(frame, p.opt.Limits)
	n, bad := u.mapLen()
	if bad != nil {
		return bad
	}
	d.begin(rec, out)
	for range n {
		name, bad := u.name()
		if bad != nil {
			return bad
		}
		m, bad := d.enter(name)
		if bad != nil {
			return bad
		}
		if bad = p.packedMember(m); bad != nil {
			return bad
		}
	}
	if u.at < len(u.frame) {
		return u.fail(finding.BadSyntax, "%d bytes after the record", len(u.frame)-u.at)
	}
	return d.end()
}

// packedMember reads the value of one member.
func (p *parser) packedMember(m member) *problem {
	u := &p.packed
	if !takesValue.has(m) && u.at < len(u.frame) {
		switch c := u.frame[u.at]; {
		case c>>5 == 0b101 || c >= 0xd9 && c <= 0xdb:
			text, bad := u.str()
			if bad != nil {
				return bad
			}
			return p.draft.text(m, text)
		case c < 0x80 || c >= 0xcc && c <= 0xd3:
			if n, ok := u.uint(); ok {
				return p.draft.integer(m, n)
			}
		}
	}
	v, bad := u.value()
	if bad != nil {
		return bad
	}
	return p.draft.any(m, v)
}

// unpacker reads msgpack from one frame. It allocates for the text of values only, many of which share an allocation.
// No length that the frame declares is trusted: what is declared must be there.
type unpacker struct {
	frame   []byte
	at      int
	depth   int // levels left
	members int // most of one object
	text    []byte
}

func (u *unpacker) begin(frame []byte, lim value.Limits) {
	u.frame, u.at = frame, 0
	u.depth, u.members = lim.Depth, lim.Members
	if u.depth <= 0 {
		u.depth = value.DefaultDepth
	}
	u.depth = min(u.depth, value.MaxDepth)
	if u.members <= 0 {
		u.members = value.DefaultMembers
	}
}

func (u *unpacker) fail(code finding.Code, format string, args ...any) *problem {
	bad := newProblem(code, format, args...)
	bad.detail = "byte " + strconv.Itoa(u.at+1) + " of the frame: " + bad.detail
	return bad
}

func (u *unpacker) short() *problem {
	return u.fail(finding.TruncatedInput, "the frame ends inside its record")
}

// length reads a big-endian length of size bytes that stands after the current byte.
func (u *unpacker) length(size int) (int, bool) {
	if len(u.frame)-u.at < 1+size {
		return 0, false
	}
	n := int64(0)
	for _, b := range u.frame[u.at+1 : u.at+1+size] {
		n = n<<8 | int64(b)
	}
	u.at += 1 + size
	return lengthOf(n), true
}

// mapLen reads the header of the map that a record is.
func (u *unpacker) mapLen() (int, *problem) {
	n, kind, bad := u.header()
	if bad != nil {
		return 0, bad
	}
	if kind != kindMap {
		return 0, u.fail(finding.BadSyntax, "a record is a map")
	}
	return n, nil
}

// What stands in a frame.
const (
	kindNil = iota
	kindFalse
	kindTrue
	kindUint
	kindInt
	kindFloat32
	kindFloat64
	kindStr
	kindArray
	kindMap
	kindNumber // an extension of extNumber
)

// header reads the type byte and the length after it: of content in bytes, or in elements or members. Of a number it
// is how many bytes it has, 0 for one in the type byte itself, which is then left to read.
func (u *unpacker) header() (n, kind int, bad *problem) {
	if u.at >= len(u.frame) {
		return 0, 0, u.short()
	}
	size := 0
	switch c := u.frame[u.at]; {
	case c < 0x80:
		return 0, kindUint, nil
	case c < 0x90:
		u.at++
		n, kind = int(c&0x0f), kindMap
	case c < 0xa0:
		u.at++
		n, kind = int(c&0x0f), kindArray
	case c < 0xc0:
		u.at++
		n, kind = int(c&0x1f), kindStr
	case c >= 0xe0:
		return 0, kindInt, nil
	default:
		switch c {
		case 0xc0, 0xc2, 0xc3:
			u.at++
			return 0, [...]int{0: kindNil, 2: kindFalse, 3: kindTrue}[c-0xc0], nil
		case 0xcc, 0xcd, 0xce, 0xcf:
			u.at++
			n, kind = 1<<(c-0xcc), kindUint
		case 0xd0, 0xd1, 0xd2, 0xd3:
			u.at++
			n, kind = 1<<(c-0xd0), kindInt
		case 0xca, 0xcb:
			u.at++
			n, kind = 4<<(c-0xca), kindFloat32+int(c-0xca)
		case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
			u.at++
			n, kind = 1<<(c-0xd4), kindNumber
		case 0xc7, 0xc8, 0xc9:
			size, kind = 1<<(c-0xc7), kindNumber
		case 0xd9, 0xda, 0xdb:
			size, kind = 1<<(c-0xd9), kindStr
		case 0xdc, 0xdd:
			size, kind = 2<<(c-0xdc), kindArray
		case 0xde, 0xdf:
			size, kind = 2<<(c-0xde), kindMap
		default:
			return 0, 0, u.fail(finding.BadSyntax, "type 0x%02x is not used in histories", c)
		}
	}
	if size > 0 {
		var ok bool
		if n, ok = u.length(size); !ok {
			return 0, 0, u.short()
		}
	}
	if kind == kindNumber {
		if u.at >= len(u.frame) {
			return 0, 0, u.short()
		}
		if ext := u.frame[u.at]; ext != extNumber {
			return 0, 0, u.fail(finding.BadSyntax, "extension type %d: histories use type %d alone", int8(ext), extNumber)
		}
		u.at++
	}
	// An element takes a byte at least and a member two, so a length beyond what is left can be refused here.
	left := len(u.frame) - u.at
	if n > left || kind == kindMap && n > left/2 {
		return 0, 0, u.short()
	}
	if kind == kindMap && n > u.members {
		return 0, 0, u.fail(finding.TooLarge, "a map of %d members: the limit is %d", n, u.members)
	}
	return n, kind, nil
}

// uint reads an integer from 0 on, whatever its type, and leaves all else where it is.
func (u *unpacker) uint() (uint64, bool) {
	start := u.at
	n, kind, bad := u.header()
	if bad == nil {
		switch kind {
		case kindUint:
			return u.bits(n), true
		case kindInt:
			if i := u.signed(n); i >= 0 {
				return uint64(i), true
			}
		}
	}
	u.at = start
	return 0, false
}

// bits reads n bytes, which are there; with n of 0 the type byte itself.
func (u *unpacker) bits(n int) uint64 {
	if n == 0 {
		n = 1
	}
	v := uint64(0)
	for _, b := range u.frame[u.at : u.at+n] {
		v = v<<8 | uint64(b)
	}
	u.at += n
	return v
}

func (u *unpacker) signed(n int) int64 {
	shift := 64 - 8*max(n, 1)
	return int64(u.bits(n)<<shift) >> shift
}

// str reads a string.
func (u *unpacker) str() (string, *problem) {
	text, bad := u.name()
	if bad == nil && !utf8.ValidString(text) {
		return "", u.fail(finding.BadUTF8, "a string that is not UTF-8")
	}
	return text, bad
}

// name reads a string that need not be UTF-8, because only a known one will pass.
func (u *unpacker) name() (string, *problem) {
	if u.at < len(u.frame) {
		if c := u.frame[u.at]; c>>5 == 0b101 { // most are short
			start, end := u.at+1, u.at+1+int(c&0x1f)
			if end <= len(u.frame) {
				u.at = end
				return share(u.frame[start:end]), nil
			}
		}
	}
	n, kind, bad := u.header()
	if bad != nil {
		return "", bad
	}
	if kind != kindStr {
		return "", u.fail(finding.BadSyntax, "want a string")
	}
	text := u.frame[u.at : u.at+n]
	u.at += n
	return share(text), nil
}

// share returns b, which nobody will write to, as a string without a copy.
func share(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// value reads one value of any kind, as canonical text.
func (u *unpacker) value() (value.Value, *problem) {
	u.room(2 * (len(u.frame) - u.at))
	start := len(u.text)
	if bad := u.append(u.depth); bad != nil {
		u.text = u.text[:start]
		return "", bad
	}
	return value.Value(share(u.text[start:])), nil
}

// room makes room for texts of about size bytes.
func (u *unpacker) room(size int) {
	const slab = 64 << 10
	if cap(u.text)-len(u.text) < size {
		u.text = make([]byte, 0, max(slab, size, 2*cap(u.text)))
	}
}

// append appends one value as canonical text.
func (u *unpacker) append(depth int) *problem {
	n, kind, bad := u.header()
	if bad != nil {
		return bad
	}
	switch kind {
	case kindNil:
		u.text = append(u.text, "null"...)
	case kindFalse:
		u.text = append(u.text, "false"...)
	case kindTrue:
		u.text = append(u.text, "true"...)
	case kindUint:
		u.text = strconv.AppendUint(u.text, u.bits(n), 10)
	case kindInt:
		u.text = strconv.AppendInt(u.text, u.signed(n), 10)
	case kindFloat32:
		return u.float(float64(math.Float32frombits(uint32(u.bits(n)))), 32)
	case kindFloat64:
		return u.float(math.Float64frombits(u.bits(n)), 64)
	case kindNumber:
		v, err := value.Parse(u.frame[u.at:u.at+n], value.Limits{})
		if err != nil || v.Kind() != value.KindNumber || len(v) != n {
			return u.fail(finding.BadNumber, "%q is no number", clip(string(u.frame[u.at:u.at+n])))
		}
		u.at += n
		u.text = append(u.text, v...)
	case kindStr:
		text := u.frame[u.at : u.at+n]
		if !utf8.Valid(text) {
			return u.fail(finding.BadUTF8, "a string that is not UTF-8")
		}
		u.at += n
		u.text = value.AppendText(u.text, share(text))
	case kindArray:
		if depth == 0 {
			return u.fail(finding.TooDeep, "nested more than %d levels deep", u.depth)
		}
		u.text = append(u.text, '[')
		for i := range n {
			if i > 0 {
				u.text = append(u.text, ',')
			}
			if bad := u.append(depth - 1); bad != nil {
				return bad
			}
		}
		u.text = append(u.text, ']')
	case kindMap:
		if depth == 0 {
			return u.fail(finding.TooDeep, "nested more than %d levels deep", u.depth)
		}
		return u.appendMap(n, depth-1)
	}
	return nil
}

// float appends a floating-point number in the shortest decimal text that reads back as itself.
func (u *unpacker) float(f float64, size int) *problem {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return u.fail(finding.NonFinite, "NaN or an infinity: only finite numbers can be merged")
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	u.text = strconv.AppendFloat(u.text, f, format, -1, size)
	return nil
}

// appendMap appends a map of n members as an object, sorted by name.
func (u *unpacker) appendMap(n, depth int) *problem {
	type part struct {
		name       string
		start, end int
	}
	var few [8]part
	parts := few[:0]
	sorted := true
	start := len(u.text)
	u.text = append(u.text, '{')
	for i := range n {
		if i > 0 {
			u.text = append(u.text, ',')
		}
		from := len(u.text)
		name, bad := u.str()
		if bad != nil {
			return bad
		}
		sorted = sorted && (i == 0 || parts[i-1].name < name)
		u.text = append(value.AppendText(u.text, name), ':')
		if bad := u.append(depth); bad != nil {
			return bad
		}
		parts = append(parts, part{name, from, len(u.text)})
	}
	u.text = append(u.text, '}')
	if sorted {
		return nil
	}
	slices.SortFunc(parts, func(a, b part) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	object := make([]byte, 0, len(u.text)-start)
	for i, p := range parts {
		if i > 0 && p.name == parts[i-1].name {
			return u.fail(finding.DuplicateField, "member %q stands twice in one map", clip(p.name))
		}
		object = append(append(object, "{,"[min(i, 1)]), u.text[p.start:p.end]...)
	}
	copy(u.text[start:], append(object, '}'))
	return nil
}
