package history

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Nearly all native lines are written by programs: short names in plain ASCII, at most one space behind a colon or a comma,
// integers and texts without escapes. quick reads those in one pass, eight bytes at a time, into the same draft that all
// other lines fill. It decides nothing: whatever it doesn't know, and all that is wrong, it leaves to [parser.line], which
// reads the line from its beginning.

const (
	everyByte = 0x0101010101010101
	everyHigh = 0x8080808080808080
)

// follower is the name that a member had behind the same one on the line before. Lines mostly have their members in one
// order, and then it is there again.
type follower struct {
	word   uint64 // the name and its closing quote
	mask   uint64 // of the bytes of word
	length int    // of the name
	member member
}

// names are the members whose names and closing quotes fit into a word, by what such a word comes to.
var names = func() (table [64]follower) {
	for m, name := range memberNames {
		if len(name) >= 8 {
			continue // for the general way
		}
		var word [8]byte
		copy(word[:], name+`"`)
		f := follower{word: binary.LittleEndian.Uint64(word[:]), length: len(name), member: member(m)}
		f.mask = ^uint64(0) >> (56 - 8*len(name))
		slot := &table[hashName(f.word)]
		if slot.mask != 0 {
			panic("history: two names of members share a slot: choose another factor")
		}
		*slot = f
	}
	return table
}()

// servedBy is the one member with a longer name, which nearly all reads have.
var (
	servedBy     = follower{length: len(memberNames[memberServedBy]), member: memberServedBy}
	servedByName = []byte(memberNames[memberServedBy] + `"`)
)

// nullWord is null, which a read saw that found nothing.
const nullWord = 'n' | 'u'<<8 | 'l'<<16 | 'l'<<24

func hashName(word uint64) uint64 { return word * 0x9e3779b97f4a7c15 >> 58 }

// quick reads the line that begins at data[at] and returns where the next one begins, or 0 when the line is not for it.
func (p *parser) quick(data []byte, at int, place finding.Place, out *Batch) (next int) {
	if at+16 > len(data) || data[at] != '{' {
		return 0
	}
	p.start(out)
	next = p.quickMembers(data, at)
	if next == 0 || next-at > p.opt.bytes() {
		p.rec = Record{}
		return 0
	}
	plain := len(out.Plain)
	if !p.keep(place, out) {
		return 0
	}
	if len(out.Plain) > plain && p.lineForm.meet() {
		p.lineForm.learnLine(data[at:])
	}
	return next
}

// quickMembers reads the members of a line into the draft, and returns where the next line begins.
func (p *parser) quickMembers(data []byte, start int) (next int) {
	d := &p.draft
	before := len(memberNames) // stands for the first of the line
	at := start + 1
	for {
		if at+len(`"1234567": `) > len(data) || data[at] != '"' {
			return 0
		}
		word := binary.LittleEndian.Uint64(data[at+1:])
		f := &p.follow[before]
		if word&f.mask != f.word || f.mask == 0 {
			quote := word ^ everyByte*'"'
			mark := (quote - everyByte) &^ quote & everyHigh // the lowest mark is true
			length := bits.TrailingZeros64(mark) >> 3
			if length > 7 {
				if !bytes.HasPrefix(data[at+1:], servedByName) || at+len(`"served_by": `) > len(data) {
					return 0
				}
				f = &servedBy
			} else {
				word &= ^uint64(0) >> (56 - 8*length)
				known := &names[hashName(word)]
				if known.word != word {
					return 0
				}
				*f = *known
			}
		}
		m := f.member
		at += f.length + 2
		if d.seen.has(m) || data[at] != ':' {
			return 0
		}
		d.seen |= 1 << m
		before = int(m)
		if at++; data[at] == ' ' {
			at++
		}
		if at+8 > len(data) {
			return 0
		}
		var bad *problem
		switch b := data[at]; {
		case b == '"':
			end := quickText(data, at+1)
			if end == 0 && (m == memberValue || m == memberBefore) {
				end = quickEscaped(data, at+1)
			}
			if end == 0 {
				at, bad = p.quickValue(data, start, at, m)
				break
			}
			switch m {
			case memberValue:
				d.value = sharedValue(data[at : end+1])
			case memberBefore:
				d.before = sharedValue(data[at : end+1])
			case memberKey:
				d.rec.Key = shared(data[at+1 : end])
			case memberID:
				d.rec.ID = shared(data[at+1 : end])
			case memberField:
				d.field = shared(data[at+1 : end])
			default:
				bad = d.text(m, shared(data[at+1:end]))
			}
			if end == at+1 && !takesValue.has(m) {
				return 0 // an empty text
			}
			at = end + 1
		case b-'0' <= 9:
			n, end := quickUint(data, at)
			if end == 0 {
				at, bad = p.quickValue(data, start, at, m)
				break
			}
			switch m {
			case memberValue:
				d.value = sharedValue(data[at:end])
			case memberVersion:
				d.rec.Version = n
			default:
				if takesValue.has(m) {
					bad = d.any(m, sharedValue(data[at:end]))
				} else {
					bad = d.integer(m, n)
				}
			}
			at = end
		case m == memberSeen:
			end := p.quickSeen(data, at)
			if end == 0 {
				end, bad = p.quickValue(data, start, at, m)
			}
			at = end
		case m == memberSaw && binary.LittleEndian.Uint32(data[at:]) == nullWord:
			bad = d.any(m, value.Null)
			at += len(value.Null)
		default:
			at, bad = p.quickValue(data, start, at, m)
		}
		if at == 0 || bad != nil || at+2 > len(data) {
			return 0
		}
		switch data[at] {
		case ',':
			if at++; data[at] == ' ' {
				at++
			}
		case '}':
			if data[at+1] != '\n' {
				return 0
			}
			return at + 2
		default:
			return 0
		}
	}
}

// quickValue reads any value of a member that takes any, and returns the offset behind it, or 0.
func (p *parser) quickValue(data []byte, start, at int, m member) (end int, bad *problem) {
	length := bytes.IndexByte(data[at:], '\n')
	if length < 0 || !takesValue.has(m) {
		return 0, nil
	}
	p.scanner.Reset(data[start:at+length], p.opt.Limits)
	p.scanner.Pass(at - start)
	v, err := p.scanner.Value()
	if err != nil {
		return 0, nil
	}
	return start + p.scanner.Offset(), p.draft.any(m, v)
}

// quickSeen reads what a writer had seen, up to which number of each node or which ids, and returns the offset behind it, or 0
// when it is not for it. Then it has changed nothing.
func (p *parser) quickSeen(data []byte, at int) (end int) {
	up := data[at] == '{'
	if !up && data[at] != '[' {
		return 0
	}
	d, list, n := &p.draft, &p.seen, 0
	closing := data[at] + 2
	for at++; n < len(list); n++ {
		if at+len(`":1,`) > len(data) {
			return 0
		}
		if n == 0 && data[at] == closing {
			break
		}
		if data[at] != '"' {
			return 0
		}
		text := quickText(data, at+1)
		if text <= at+1 || text+len(`": 1}`) > len(data) {
			return 0
		}
		list[n] = clock.Dot{Node: clock.Node(shared(data[at+1 : text]))}
		at = text + 1
		if up {
			if data[at] != ':' {
				return 0
			}
			if at++; data[at] == ' ' {
				at++
			}
			if list[n].Seq, at = quickUint(data, at); at == 0 || list[n].Seq == 0 {
				return 0
			}
			var bad *problem
			if list[n].Node, bad = d.nodes.check(string(list[n].Node)); bad != nil {
				return 0
			}
		}
		if data[at] == closing {
			n++
			break
		}
		if data[at] != ',' {
			return 0
		}
		if at++; data[at] == ' ' {
			at++
		}
	}
	if data[at] != closing || !p.saw(list[:n], up) {
		return 0
	}
	return at + 1
}

// fewSeen is up to how many entries what a writer had seen is read in the quick way.
const fewSeen = 16

// saw puts what a writer had seen into the draft: up to which numbers of each node, in the order of the nodes, or which ids,
// each of which is in the place of a node. It says no when a node stands twice.
func (p *parser) saw(list []clock.Dot, up bool) bool {
	d := &p.draft
	if !up {
		d.rec.Seen = d.out.ids.take(len(list))
		for i := range list {
			d.rec.Seen[i] = string(list[i].Node)
		}
		d.rec.Knows = true
		return true
	}
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && list[j-1].Node >= list[j].Node; j-- {
			if list[j-1].Node == list[j].Node {
				return false
			}
			list[j-1], list[j] = list[j], list[j-1]
		}
	}
	d.rec.SeenUp = d.out.dots.take(len(list))
	copy(d.rec.SeenUp, list)
	d.rec.Knows, d.rec.Whole = true, true
	return true
}

// quickText returns the offset of the quote that ends a text of ASCII without escapes, and 0 when it is none.
func quickText(data []byte, at int) (end int) {
	if end = quickSpecial(data, at); end > 0 && data[end] == '"' {
		return end
	}
	return 0
}

// quickSpecial returns the offset of the first byte that is a quote or a backslash, or does not stand for itself, and 0 when
// there is none before the last few bytes.
func quickSpecial(data []byte, at int) int {
	for ; at+8 <= len(data); at += 8 {
		w := binary.LittleEndian.Uint64(data[at:])
		// Flipping one bit brings the quote next to the control characters and moves nothing else there. Where a byte is ASCII,
		// taking a number from it leaves the high bit only below that number; a borrow marks only bytes above a marked one wrongly.
		quote := (w ^ everyByte*('"'^0x20)) - everyByte*0x21
		slash := (w ^ everyByte*'\\') - everyByte
		mark := (quote | slash | w) & everyHigh
		if mark != 0 {
			return at + bits.TrailingZeros64(mark)>>3
		}
	}
	return 0
}

// quickEscaped is quickText for a text that may hold escapes, if all of them are those of the canonical form: then the text
// is a value as it stands.
func quickEscaped(data []byte, at int) (end int) {
	for {
		if at = quickSpecial(data, at); at == 0 || data[at] == '"' {
			return at
		}
		if data[at] != '\\' || at+1 == len(data) {
			return 0
		}
		switch data[at+1] {
		case '"', '\\', 'b', 'f', 'n', 'r', 't':
			at += 2
		default:
			return 0
		}
	}
}

// quickUint reads an integer of up to 19 digits that a comma or a brace follows.
func quickUint(data []byte, at int) (n uint64, end int) {
	start := at
	for at-start <= 8 && at+8 <= len(data) { // eight digits at a time
		w := binary.LittleEndian.Uint64(data[at:])
		if w&(everyByte*0xf0) != everyByte*0x30 || (w+everyByte*6)&(everyByte*0xf0) != everyByte*0x30 {
			break
		}
		w = (w & (everyByte * 0x0f)) * (10<<8 + 1) >> 8 // pairs
		w = (w & 0x00ff00ff00ff00ff) * (100<<16 + 1) >> 16
		w = (w & 0x0000ffff0000ffff) * (10000<<32 + 1) >> 32
		n = n*100000000 + w
		at += 8
	}
	for ; at < len(data) && at-start < 20; at++ {
		digit := data[at] - '0'
		if digit > 9 {
			break
		}
		n = n*10 + uint64(digit)
	}
	if length := at - start; length == 0 || length > 19 || length > 1 && data[start] == '0' || at == len(data) || data[at] != ',' && data[at] != '}' {
		return 0, 0
	}
	return n, at
}

// shared and sharedValue return what shares memory with the chunk.
func shared(b []byte) string           { return unsafe.String(unsafe.SliceData(b), len(b)) }
func sharedValue(b []byte) value.Value { return value.Value(shared(b)) }
