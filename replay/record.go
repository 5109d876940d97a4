package replay

import (
	"encoding/binary"
	"slices"
	"strconv"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// A write is kept between reading and folding as a few dozen bytes: small numbers as varints, names by number, texts
// with their length before them. First comes the length of all the rest, and then the key, so that a reader can pass over
// the records of other keys. Only appendRecord and reader know the layout; a partial holds it too, so it carries the
// version of that file.

// The flags say which of the members follow that most records don't have.
const (
	hasSeen = 1 << iota
	hasBase
	hasTx
	hasBefore
	hasLogical
	hasItem
	hasRegion // and with it the position in its export
	hasNumber // the id is the node and this number, and is not written out

	// A record with no other flag, of one field, is a plain one.
	plainFlags = hasNumber
)

// opBits is how many bits of the byte behind the flags are the op; the rest is the precision.
const opBits = 4

// appendRecord appends a write in compact form. seq is the number of its id: see [number].
func appendRecord(b []byte, n *numbers, rec *history.Record, seq uint64, at int64) []byte {
	start := len(b)
	b = append(b, 0, 0) // the length
	b = appendText(b, rec.Key)
	flags := flagsOf(rec, seq)
	b = append(b, flags, byte(rec.Op)|byte(rec.Precision)<<opBits)
	b = appendUint(b, n.of(string(rec.Node)))
	b = appendUint(b, rec.Version)
	b = binary.LittleEndian.AppendUint64(b, uint64(rec.Time.Wall))
	if flags&hasLogical != 0 {
		b = appendUint(b, uint64(rec.Time.Logical))
	}
	if seq > 0 {
		b = appendUint(b, seq)
	} else {
		b = appendText(b, rec.ID)
	}
	b = appendUint(b, n.of(rec.Place.File))
	b = appendUint(b, uint64(rec.Place.Line))
	if flags&hasItem != 0 {
		b = appendUint(b, uint64(rec.Place.Item))
	}
	if flags&hasRegion != 0 {
		b = appendUint(b, n.of(rec.Region))
		b = appendUint(b, uint64(at))
	}
	b = appendUint(b, uint64(len(rec.Fields)))
	for i := range rec.Fields {
		f := &rec.Fields[i]
		b = appendText(b, f.Name)
		b = appendText(b, string(f.Value))
		if flags&hasBefore != 0 {
			b = appendText(b, string(f.Before))
		}
	}
	if flags&hasSeen != 0 {
		b = appendUint(b, uint64(len(rec.Seen)))
		for _, id := range rec.Seen {
			b = appendText(b, id)
		}
		b = appendUint(b, uint64(len(rec.SeenUp)))
		for _, d := range rec.SeenUp {
			b = appendUint(b, n.of(string(d.Node)))
			b = appendUint(b, d.Seq)
		}
	}
	if flags&hasBase != 0 {
		b = appendUint(b, rec.Base)
	}
	if flags&hasTx != 0 {
		b = appendText(b, rec.Tx)
	}
	return putLength(b, start)
}

// mostPlain is what [appendPlain] may write: the length of what is longer doesn't fit into two bytes.
const mostPlain = 1 << 14

// plainSize returns how many bytes a plain record takes at most.
func plainSize(rec *history.Record) int {
	f := &rec.Fields[0]
	const numbers = 2 + 10 + 2 + 5 + 10 + 8 + 10 + 5 + 10 + 1 + 10 + 10
	return len(rec.Key) + len(f.Name) + len(f.Value) + numbers
}

// appendPlain is appendRecord for a plain record, to a block that has room for it.
func appendPlain(b []byte, n *numbers, rec *history.Record, seq uint64) []byte {
	start := len(b)
	f := &rec.Fields[0]
	b = append(b, 0, 0)
	b = appendText(b, rec.Key)
	b = append(b, plainFlags, byte(rec.Op)|byte(rec.Precision)<<opBits)
	b = appendUint(b, n.of(string(rec.Node)))
	b = appendUint(b, rec.Version)
	b = binary.LittleEndian.AppendUint64(b, uint64(rec.Time.Wall))
	b = appendUint(b, seq)
	b = appendUint(b, n.file(rec.Place.File))
	b = appendUint(b, uint64(rec.Place.Line))
	b = append(b, 1)
	b = appendText(b, f.Name)
	b = appendText(b, string(f.Value))
	length := len(b) - start - 2
	b[start], b[start+1] = byte(length)|0x80, byte(length>>7)
	return b
}

// putLength fills in the length of the record that begins at start. Two bytes were left for it, which is enough for most:
// a varint may be longer than it need be.
func putLength(b []byte, start int) []byte {
	const most = 1 << 14
	n := len(b) - start - 2
	if n >= most {
		length := binary.AppendUvarint(nil, uint64(n))
		b = slices.Insert(b, start, length[2:]...)
		copy(b[start:], length)
		return b
	}
	b[start], b[start+1] = byte(n)|0x80, byte(n>>7)
	return b
}

func flagsOf(rec *history.Record, seq uint64) byte {
	flags := byte(0)
	if seq > 0 {
		flags |= hasNumber
	}
	if rec.Knows {
		flags |= hasSeen
	}
	if rec.HasBase {
		flags |= hasBase
	}
	if rec.Tx != "" {
		flags |= hasTx
	}
	if rec.Time.Logical != 0 {
		flags |= hasLogical
	}
	if rec.Place.Item != 0 {
		flags |= hasItem
	}
	if rec.Region != "" {
		flags |= hasRegion
	}
	for i := range rec.Fields {
		if !rec.Fields[i].Before.IsAbsent() {
			flags |= hasBefore
		}
	}
	return flags
}

func appendUint(b []byte, n uint64) []byte {
	if n < 0x80 { // mostly
		return append(b, byte(n))
	}
	return binary.AppendUvarint(b, n)
}

func appendText(b []byte, s string) []byte {
	b = appendUint(b, uint64(len(s)))
	return append(b, s...)
}

// reader walks over records in compact form. What it can't read makes it bad, and then it reads nothing but zeros: a
// partial may come from anywhere.
type reader struct {
	b     []byte
	at    int // of what comes next
	names []string
	ids   *[]byte // where ids are put together; the reader's own memory when nil
	bad   bool

	node   uint32 // the number of the last record's node
	number uint64 // of the last record's id, when that is its node and a number
}

func (r *reader) more() bool { return r.at < len(r.b) && !r.bad }

func (r *reader) fail() {
	r.b, r.at, r.bad = nil, 0, true
}

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.fail()
		return 0
	}
	c := r.b[r.at]
	r.at++
	return c
}

func (r *reader) uint() uint64 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 { // mostly
		r.at++
		return uint64(r.b[r.at-1])
	}
	return r.long()
}

func (r *reader) long() uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

// wall reads eight bytes.
func (r *reader) wall() int64 {
	if len(r.b)-r.at < 8 {
		r.fail()
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b[r.at:])
	r.at += 8
	return int64(v)
}

// count reads the length of a list, of which each entry takes at least one byte.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)-r.at) {
		r.fail()
		return 0
	}
	return int(n)
}

// text returns a string that points into the buffer, which is not written again as long as the string is in use.
func (r *reader) text() string {
	n := r.count()
	if n == 0 {
		return ""
	}
	r.at += n
	return unsafe.String(&r.b[r.at-n], n)
}

// id puts together the id that is a node and a number.
func (r *reader) id(node clock.Node, number uint64) string {
	if node == "" || number == 0 {
		r.fail()
		return ""
	}
	var own []byte
	b := r.ids
	if b == nil {
		b = &own
	}
	start := len(*b)
	*b = appendID(*b, node, number)
	return unsafe.String(&(*b)[start], len(*b)-start)
}

func appendID(b []byte, node clock.Node, number uint64) []byte {
	return strconv.AppendUint(append(append(b, node...), ':'), number, 10)
}

func (r *reader) name() string { return r.nameOf(r.uint()) }

func (r *reader) nameOf(n uint64) string {
	if n >= uint64(len(r.names)) {
		r.fail()
		return ""
	}
	return r.names[n]
}

// next takes the next record off and returns a reader of it alone.
func (r *reader) next() reader {
	n := r.count()
	one := reader{b: r.b[:r.at+n], at: r.at, names: r.names, ids: r.ids, bad: r.bad}
	r.at += n
	return one
}

// key passes over the next record and returns its key.
func (r *reader) key() string {
	n := r.count()
	end := r.at + n
	key := r.text()
	if r.at > end {
		r.fail()
		return ""
	}
	r.at = max(r.at, end) // both are 0 after a failure
	return key
}

// record reads the next write into rec, which keeps the room of its lists, and returns its position in its region.
func (r *reader) record(rec *history.Record) (at int64) {
	one := r.next()
	if at = one.write(rec); one.bad || one.at < len(one.b) {
		r.fail()
	}
	r.node, r.number = one.node, one.number
	return at
}

// plain reads the next write when it is a plain one, and the name of its field. Else it says no, and has read nothing.
func (r *reader) plain(o *plainOp) (field string, ok bool) {
	b, at := r.b, r.at
	uint := func() uint64 {
		if at < len(b) && b[at] < 0x80 { // mostly
			at++
			return uint64(b[at-1])
		}
		v, n := binary.Uvarint(b[at:])
		at += max(n, 0)
		return v
	}
	uint() // the length
	at += int(uint())
	if b[at] != plainFlags {
		return "", false
	}
	o.kind, o.precision = merge.Kind(b[at+1]&(1<<opBits-1)), history.Precision(b[at+1]>>opBits)
	at += 2
	o.node = uint32(uint())
	o.version = uint()
	o.wall = int64(binary.LittleEndian.Uint64(b[at:]))
	at += 8
	o.number = uint()
	o.file, o.line = uint32(uint()), int64(uint())
	if uint() != 1 {
		return "", false
	}
	text := func() string {
		n := int(uint())
		if n == 0 {
			return ""
		}
		at += n
		return unsafe.String(&b[at-n], n)
	}
	field = text()
	o.value = value.Value(text())
	return field, true
}

func (r *reader) write(rec *history.Record) (at int64) {
	*rec = history.Record{Fields: rec.Fields[:0], Seen: rec.Seen[:0], SeenUp: rec.SeenUp[:0]}
	rec.Key = r.text()
	flags, kind := r.byte(), r.byte()
	rec.Op, rec.Precision = merge.Kind(kind&(1<<opBits-1)), history.Precision(kind>>opBits)
	node := r.uint()
	rec.Node, r.node = clock.Node(r.nameOf(node)), uint32(node)
	rec.Version = r.uint()
	rec.Time.Wall = r.wall()
	if flags&hasLogical != 0 {
		rec.Time.Logical = uint32(r.uint())
	}
	if r.number = 0; flags&hasNumber != 0 {
		r.number = r.uint()
		rec.ID = r.id(rec.Node, r.number)
	} else {
		rec.ID = r.text()
	}
	rec.Place.File, rec.Place.Line = r.name(), int64(r.uint())
	if flags&hasItem != 0 {
		rec.Place.Item = int(r.uint())
	}
	if flags&hasRegion != 0 {
		rec.Region = r.name()
		at = int64(r.uint())
	}
	for n := r.count(); n > 0; n-- {
		f := history.Field{Name: r.text(), Value: value.Value(r.text())}
		if flags&hasBefore != 0 {
			f.Before = value.Value(r.text())
		}
		rec.Fields = append(rec.Fields, f)
	}
	if rec.Knows = flags&hasSeen != 0; rec.Knows {
		for n := r.count(); n > 0; n-- {
			rec.Seen = append(rec.Seen, r.text())
		}
		for n := r.count(); n > 0; n-- {
			rec.SeenUp = append(rec.SeenUp, clock.Dot{Node: clock.Node(r.name()), Seq: r.uint()})
		}
	}
	if rec.HasBase = flags&hasBase != 0; rec.HasBase {
		rec.Base = r.uint()
	}
	if flags&hasTx != 0 {
		rec.Tx = r.text()
	}
	return at
}
