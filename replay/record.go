package replay

import (
	"encoding/binary"
	"slices"
	"strconv"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
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
)

// opBits is how many bits of the byte behind the flags are the op; the rest is the precision. The last of them says of a record that is
// no plain one that it is of a write that arrived.
const (
	opBits     = 4
	arrivedBit = 1 << (opBits - 1)
)

// appendRecord appends a write in compact form. seq is the number of its id: see [number].
func appendRecord(b []byte, n *numbers, rec *history.Record, seq uint64, at int64) []byte {
	start := len(b)
	b = append(b, 0, 0) // the length
	b = appendText(b, rec.Key)
	flags := flagsOf(rec, seq)
	kind := byte(rec.Op) | byte(rec.Precision)<<opBits
	if rec.Kind == history.Arrival {
		kind |= arrivedBit
	}
	b = append(b, flags, kind)
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
		whole := uint64(0)
		if rec.Whole || len(rec.SeenUp) > 0 {
			whole = 1
		}
		b = appendUint(b, uint64(len(rec.Seen))<<1|whole)
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

// A plain record is one of sets, increments or deletes that says nothing of what its writer had seen. It is laid out for speed:
// behind the key, which comes first as in every record, its numbers have their places. Of those that are too large for their
// places the upper halves stand between, and then what few have: the logical part of the time, the item, the transaction, and an
// id that is no number and not derived. Last come the texts of its field and value or, where it has none or several fields or
// says what they replaced, their number and all of them. Two bits of the byte with the op and the precision say so.
const (
	wideBit  = 1 << (opBits - 1)
	fixedBit = 1 << 7

	atFlags   = 0
	atKind    = 1
	atNode    = 2
	atFile    = 4
	atLine    = 6
	atNumber  = 10 // 0 without an id
	atVersion = 14
	atWall    = 18
	fixedSize = 26
	wideSize  = 2 + 2 + 4 + 4 // of the node, the file, the number and the version
)

// The flags of a plain record are others than those of all others, but for one.
const (
	plainList    = 1 << iota // the fields are a list
	plainDerived             // the id is derived: see [derivedID]
	plainTx
	plainLogical
	plainItem
	plainText // the id is written out, before the fields, which are a list

	plainNumber = hasNumber // and no others, of most
)

// What a field in a list replaced.
const (
	replacedUnknown = iota
	replacedText    // which follows its value
	replacedSame    // its value: it completes a row
)

// mostPlain is what a plain record may take: the length of what is longer doesn't fit into two bytes.
const mostPlain = 1 << 14

// plainSize returns how many bytes a plain record takes at most, and whether it can be laid out as one.
func plainSize(w *history.Plain) (size int, ok bool) {
	const lengths = 2 + 3 + 3 + 3
	size = len(w.Key) + len(w.Field) + len(w.Value) + fixedSize + wideSize + lengths
	return size, size < mostPlain && uint64(w.Line) < 1<<32
}

// appendPlain appends a plain write to a block that has room for it. node and file are the numbers of its names.
func appendPlain(block []byte, w *history.Plain, node, file uint64) []byte {
	start := len(block)
	b := block[:cap(block)]
	at := putText(b, start+2, w.Key)
	at = putFixed(b, at, plainNumber, w, node, file)
	at = putText(b, at, w.Field)
	at = putText(b, at, string(w.Value))
	putShortLength(b, start, at)
	return b[:at]
}

// putFixed puts the numbers of a plain write at a place in b and returns what comes behind them.
func putFixed(b []byte, at int, flags byte, w *history.Plain, node, file uint64) int {
	h := b[at : at+fixedSize]
	h[atFlags], h[atKind] = flags, byte(w.Op)|byte(w.Precision)<<opBits|fixedBit
	binary.LittleEndian.PutUint16(h[atNode:], uint16(node))
	binary.LittleEndian.PutUint16(h[atFile:], uint16(file))
	binary.LittleEndian.PutUint32(h[atLine:], uint32(w.Line))
	binary.LittleEndian.PutUint32(h[atNumber:], uint32(w.Number))
	binary.LittleEndian.PutUint32(h[atVersion:], uint32(w.Version))
	binary.LittleEndian.PutUint64(h[atWall:], uint64(w.Wall))
	at += fixedSize
	if (node|file)>>16|(w.Number|w.Version)>>32 != 0 {
		h[atKind] |= wideBit
		h = b[at : at+wideSize]
		binary.LittleEndian.PutUint16(h, uint16(node>>16))
		binary.LittleEndian.PutUint16(h[2:], uint16(file>>16))
		binary.LittleEndian.PutUint32(h[4:], uint32(w.Number>>32))
		binary.LittleEndian.PutUint32(h[8:], uint32(w.Version>>32))
		at += wideSize
	}
	return at
}

// putShortLength fills in the length of a plain record.
func putShortLength(b []byte, start, end int) {
	length := end - start - 2
	b[start], b[start+1] = byte(length)|0x80, byte(length>>7)
}

// plainRecord tells the flags of a record as a plain one, and how many bytes it takes at most, if it can be laid out as one.
// number is that of its id.
func plainRecord(rec *history.Record, number uint64) (flags byte, size int, ok bool) {
	if rec.Knows || rec.HasBase || rec.Region != "" || rec.Op > merge.Add || len(rec.Fields) == 0 && rec.Op != merge.Delete ||
		uint64(rec.Place.Line) >= 1<<32 || uint64(rec.Place.Item) >= 1<<32 {
		return 0, 0, false
	}
	switch {
	case number > 0:
		flags = plainNumber
	case rec.ID != "":
		flags = plainDerived
		if !derived(rec) {
			flags = plainText | plainList
			size = len(rec.ID) + 3
		}
	}
	if rec.Tx != "" {
		flags |= plainTx
	}
	if rec.Time.Logical != 0 {
		flags |= plainLogical
	}
	if rec.Place.Item != 0 {
		flags |= plainItem
	}
	const lengths, each = 2 + 3 + 3 + 3, 3 + 3 + 1 + 3
	size += len(rec.Key) + fixedSize + wideSize + 4 + 4 + len(rec.Tx) + lengths
	for i := range rec.Fields {
		f := &rec.Fields[i]
		size += len(f.Name) + len(f.Value) + len(f.Before) + each
		if f.Before != "" {
			flags |= plainList
		}
	}
	if len(rec.Fields) != 1 {
		flags |= plainList
	}
	return flags, size, size < mostPlain
}

// appendPlainRecord appends a record to a block that has room for it, in the layout of plain ones. flags are what
// [plainRecord] told.
func appendPlainRecord(block []byte, rec *history.Record, flags byte, number, node, file uint64) []byte {
	start := len(block)
	b := block[:cap(block)]
	at := putText(b, start+2, rec.Key)
	at = putFixed(b, at, flags, &history.Plain{Wall: rec.Time.Wall, Version: rec.Version, Number: number, Line: rec.Place.Line,
		Op: rec.Op, Precision: rec.Precision}, node, file)
	if flags&plainLogical != 0 {
		binary.LittleEndian.PutUint32(b[at:], rec.Time.Logical)
		at += 4
	}
	if flags&plainItem != 0 {
		binary.LittleEndian.PutUint32(b[at:], uint32(rec.Place.Item))
		at += 4
	}
	if flags&plainTx != 0 {
		at = putText(b, at, rec.Tx)
	}
	if flags&plainText != 0 {
		at = putText(b, at, rec.ID)
	}
	if flags&plainList != 0 {
		at += binary.PutUvarint(b[at:], uint64(len(rec.Fields)))
	}
	for i := range rec.Fields {
		f := &rec.Fields[i]
		at = putText(b, at, f.Name)
		at = putText(b, at, string(f.Value))
		switch {
		case flags&plainList == 0:
		case f.Before.IsAbsent():
			b[at] = replacedUnknown
			at++
		case f.Before == f.Value:
			b[at] = replacedSame
			at++
		default:
			b[at] = replacedText
			at = putText(b, at+1, string(f.Before))
		}
	}
	putShortLength(b, start, at)
	return b[:at]
}

// fixed reads the numbers of a plain record, which b begins with, and returns how many bytes they take.
func (o *plainOp) fixed(b []byte) (size int) {
	h := b[:fixedSize]
	flags := h[atFlags]
	o.kind, o.precision = merge.Kind(h[atKind]&(wideBit-1)), history.Precision(h[atKind]&^fixedBit>>opBits)
	o.node, o.file = uint32(binary.LittleEndian.Uint16(h[atNode:])), uint32(binary.LittleEndian.Uint16(h[atFile:]))
	o.line, o.number = binary.LittleEndian.Uint32(h[atLine:]), uint64(binary.LittleEndian.Uint32(h[atNumber:]))
	o.version, o.wall = uint64(binary.LittleEndian.Uint32(h[atVersion:])), int64(binary.LittleEndian.Uint64(h[atWall:]))
	o.item, o.logical, o.rank, o.form = 0, 0, byNumber, oneField
	size = fixedSize
	if h[atKind]&wideBit != 0 {
		h = b[fixedSize : fixedSize+wideSize]
		o.node |= uint32(binary.LittleEndian.Uint16(h)) << 16
		o.file |= uint32(binary.LittleEndian.Uint16(h[2:])) << 16
		o.number |= uint64(binary.LittleEndian.Uint32(h[4:])) << 32
		o.version |= uint64(binary.LittleEndian.Uint32(h[8:])) << 32
		size += wideSize
	}
	if flags != plainNumber {
		size = o.more(flags, b, size)
	}
	return size
}

// more reads what few plain records have, from there on.
func (o *plainOp) more(flags byte, b []byte, size int) int {
	if flags&plainList != 0 {
		o.form = manyFields
	}
	if flags&plainLogical != 0 {
		o.logical = binary.LittleEndian.Uint32(b[size:])
		size += 4
	}
	if flags&plainItem != 0 {
		o.item = binary.LittleEndian.Uint32(b[size:])
		size += 4
	}
	switch {
	case flags&plainNumber != 0:
	case flags&plainDerived != 0:
		o.number, o.rank = uint64(o.wall), byDerived
	case flags&plainText != 0 && o.version > 0:
		o.number, o.rank = o.version, byVersionOfNamed
	case flags&plainText != 0:
		o.number, o.rank = uint64(o.wall), byTimeOfNamed
	case o.version > 0:
		o.number, o.rank = o.version, byVersion
	default:
		o.number, o.rank = uint64(o.wall), byTime
	}
	return size
}

// fixedLength returns how many bytes the numbers of a plain record take, of which at least the first are there.
func fixedLength(b []byte) int {
	n := fixedSize
	if b[atKind]&wideBit != 0 {
		n += wideSize
	}
	if b[atFlags]&plainLogical != 0 {
		n += 4
	}
	if b[atFlags]&plainItem != 0 {
		n += 4
	}
	return n
}

// derived reports whether the id of a record is derived. That of one with a version is not, for the version would rank it.
func derived(rec *history.Record) bool {
	n := len(rec.Key)
	if len(rec.ID) <= n || rec.ID[n] != '@' || rec.ID[:n] != rec.Key || rec.Version > 0 || rec.Node == "" {
		return false
	}
	var room [64]byte
	text, _ := rec.Time.AppendText(room[:0])
	by := len(rec.ID) - len(rec.Node) - 1
	return by == n+1+len(text) && rec.ID[by] == '@' && rec.ID[n+1:by] == string(text) && rec.ID[by+1:] == string(rec.Node)
}

// derivedID appends the id that exports without ids give: of the key, the time and the node.
func derivedID(b []byte, key string, t clock.Timestamp, node clock.Node) []byte {
	b, _ = t.AppendText(append(append(b, key...), '@'))
	return append(append(b, '@'), node...)
}

// putText is appendText at a place in b, for texts shorter than [mostPlain].
func putText(b []byte, at int, s string) int {
	if len(s) >= 0x80 {
		b[at] = byte(len(s)) | 0x80
		b[at+1] = byte(len(s) >> 7)
		at++
	} else {
		b[at] = byte(len(s))
	}
	at++
	return at + copy(b[at:], s)
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
	wide  *wide // nil where nobody asks for the places of fields

	// Of the last record: the numbers of its node's, file's and region's names, and that of its id, when it is its node's.
	node, file, region uint32
	number             uint64
}

// wide is where the fields of a record stand, from where the record begins.
type wide struct {
	start  int
	only   int32   // the one that is read; 0 for all
	fields []int32 // of each that was read
}

// list reads how many fields follow. Where only one of them is wanted, it goes there and says 1.
func (r *reader) list() int {
	n := r.count()
	if r.wide != nil && r.wide.only > 0 {
		r.at = r.wide.start + int(r.wide.only)
		return 1
	}
	return n
}

// note notes where the next field stands, where somebody asks for it.
func (r *reader) note() {
	if w := r.wide; w != nil && w.only == 0 {
		w.fields = append(w.fields, int32(r.at-w.start))
	}
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
func (r *reader) count() int { return r.within(r.uint()) }

func (r *reader) within(n uint64) int {
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
	return r.built(func(b []byte) []byte { return appendID(b, node, number) })
}

// built returns what is appended, which is not empty.
func (r *reader) built(append func(b []byte) []byte) string {
	var own []byte
	b := r.ids
	if b == nil {
		b = &own
	}
	start := len(*b)
	*b = append(*b)
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
	one := reader{b: r.b[:r.at+n], at: r.at, names: r.names, ids: r.ids, bad: r.bad, wide: r.wide}
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

// skim returns the key of the record that begins at at, and where the next one begins: reader.key for records that are
// known to be whole.
func skim(b []byte, at int) (key string, end int) {
	n, size := uint(b[at])&0x7f|uint(b[at+1])<<7, 2
	if b[at] < 0x80 || b[at+1] >= 0x80 { // mostly not
		long, more := binary.Uvarint(b[at:])
		n, size = uint(long), more
	}
	at += size
	end = at + int(n)
	length := int(b[at])
	if at++; length >= 0x80 {
		long, more := binary.Uvarint(b[at-1:])
		length = int(long)
		at += more - 1
	}
	if length > 0 {
		key = unsafe.String(&b[at : at+length][0], length)
	}
	return key, end
}

// record reads the next write into rec, which keeps the room of its lists, and returns its position in its region.
func (r *reader) record(rec *history.Record) (at int64) {
	if r.wide != nil {
		r.wide.start = r.at
	}
	one := r.next()
	if at = one.write(rec); one.bad || one.at < len(one.b) && (one.wide == nil || one.wide.only == 0) {
		r.fail()
	}
	r.node, r.file, r.region, r.number = one.node, one.file, one.region, one.number
	return at
}

// plainAt reports whether b begins with a plain record, and where its numbers stand.
func plainAt(b []byte) (at int, ok bool) {
	if b[0] < 0x80 || b[1] >= 0x80 { // the length of a plain one takes two bytes
		return 0, false
	}
	n, at := shortLength(b, 2)
	return at + n, b[at+n+atKind]&fixedBit != 0
}

// plain reads the next write when it is a plain one, and the name of its field. Else it says no, and has read nothing. The
// value of one whose fields are a list is that list, behind its id if that is written out: see [claims].
func (r *reader) plain(o *plainOp) (field string, ok bool) {
	b := r.b[r.at:]
	at, ok := plainAt(b)
	if !ok {
		return "", false
	}
	n := 0
	flags := b[at+atFlags]
	at += o.fixed(b[at:])
	if flags&(plainTx|plainList) != 0 {
		if flags&plainTx != 0 {
			n, at = shortLength(b, at)
			at += n
		}
		if o.form == manyFields {
			o.value = value.Value(textOf(b[at:endOf(b)]))
			if o.kind == merge.Delete && o.empty() {
				o.form = noField
			}
			return "", true
		}
	}
	n, at = shortLength(b, at)
	field = textOf(b[at : at+n])
	n, at = shortLength(b, at+n)
	o.value = value.Value(textOf(b[at : at+n]))
	return field, true
}

// field returns the field and the value of the next write, a plain one that is no list, as they stand: see [claims].
func (r *reader) field(o *plainOp) value.Value {
	b := r.b[r.at:]
	end := endOf(b)
	field, _ := r.plain(o)
	lengths := 1 + 1
	if len(field) >= 0x80 {
		lengths++
	}
	if len(o.value) >= 0x80 {
		lengths++
	}
	return value.Value(textOf(b[end-len(field)-len(o.value)-lengths : end]))
}

// endOf returns where the plain record ends that b begins with.
func endOf(b []byte) int { return 2 + int(b[0]&0x7f) + int(b[1])<<7 }

// claims are what is asked of each field by a plain write: of the list, or of the one field and value as they stand.
type claims struct {
	text    string
	left    int  // fields
	list    bool // what they replaced stands behind each
	several bool
}

func (o *plainOp) claims() claims {
	c := claims{text: string(o.value), left: 1, list: o.form != oneField}
	if c.list {
		if o.named() {
			c.take()
		}
		c.left = c.length()
		c.several = c.left > 1 && o.kind == merge.Set
	}
	return c
}

// empty reports whether a list has no fields.
func (o *plainOp) empty() bool {
	c := o.claims()
	return c.left == 0
}

// next returns the next, leaving out fields that only complete a row.
func (c *claims) next() (field string, v value.Value, ok bool) {
	for c.left > 0 {
		c.left--
		field, v = c.take(), value.Value(c.take())
		if !c.list {
			return field, v, true
		}
		how := c.text[0]
		c.text = c.text[1:]
		if how == replacedText {
			c.take()
		}
		if how != replacedSame || !c.several {
			return field, v, true
		}
	}
	return "", "", false
}

func (c *claims) take() string {
	n := c.length()
	text := c.text[:n]
	c.text = c.text[n:]
	return text
}

// length reads a length of one or two bytes.
func (c *claims) length() int {
	n, size := int(c.text[0]), 1
	if n >= 0x80 {
		n, size = n&0x7f|int(c.text[1])<<7, 2
	}
	c.text = c.text[size:]
	return n
}

// shortLength reads a length of one or two bytes and returns what comes behind it.
func shortLength(b []byte, at int) (n, next int) {
	if n = int(b[at]); n < 0x80 {
		return n, at + 1
	}
	return n&0x7f | int(b[at+1])<<7, at + 2
}

func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// fixed reads the rest of a plain record, of which the flags and the kind were read.
func (r *reader) fixed(rec *history.Record) {
	b := r.b[r.at-atNode:]
	if len(b) < fixedSize || b[atFlags]&plainText != 0 && b[atFlags]&plainList == 0 || len(b) < fixedLength(b) {
		r.fail()
		return
	}
	var o plainOp
	flags := b[atFlags]
	r.at += o.fixed(b) - atNode
	r.node, r.file, r.region, r.number = o.node, o.file, 0, 0
	rec.Op, rec.Node = o.kind, clock.Node(r.nameOf(uint64(o.node)))
	rec.Place = finding.Place{File: r.nameOf(uint64(o.file)), Line: int64(o.line), Item: int(o.item)}
	rec.Version, rec.Time = o.version, o.time()
	switch o.rank {
	case byNumber:
		r.number = o.number
		rec.ID = r.id(rec.Node, o.number)
	case byDerived:
		rec.ID = r.built(func(b []byte) []byte { return derivedID(b, rec.Key, rec.Time, rec.Node) })
	}
	if flags&plainTx != 0 {
		rec.Tx = r.text()
	}
	if o.named() {
		rec.ID = r.text()
	}
	if o.form == oneField {
		rec.Fields = append(rec.Fields, history.Field{Name: r.text(), Value: value.Value(r.text())})
		return
	}
	for n := r.list(); n > 0; n-- {
		r.note()
		f := history.Field{Name: r.text(), Value: value.Value(r.text())}
		switch r.byte() {
		case replacedText:
			f.Before = value.Value(r.text())
		case replacedSame:
			f.Before = f.Value
		}
		rec.Fields = append(rec.Fields, f)
	}
}

func (r *reader) write(rec *history.Record) (at int64) {
	*rec = history.Record{Fields: rec.Fields[:0], Seen: rec.Seen[:0], SeenUp: rec.SeenUp[:0]}
	rec.Key = r.text()
	flags, kind := r.byte(), r.byte()
	rec.Op, rec.Precision = merge.Kind(kind&(1<<opBits-1)), history.Precision(kind&^fixedBit>>opBits)
	if kind&fixedBit != 0 {
		r.fixed(rec)
		return 0
	}
	if kind&arrivedBit != 0 {
		rec.Kind, rec.Op = history.Arrival, rec.Op&^arrivedBit
	}
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
	file := r.uint()
	rec.Place.File, r.file = r.nameOf(file), uint32(file)
	rec.Place.Line = int64(r.uint())
	if flags&hasItem != 0 {
		rec.Place.Item = int(r.uint())
	}
	if r.region = 0; flags&hasRegion != 0 {
		region := r.uint()
		rec.Region, r.region = r.nameOf(region), uint32(region)
		at = int64(r.uint())
	}
	for n := r.list(); n > 0; n-- {
		r.note()
		f := history.Field{Name: r.text(), Value: value.Value(r.text())}
		if flags&hasBefore != 0 {
			f.Before = value.Value(r.text())
		}
		rec.Fields = append(rec.Fields, f)
	}
	if r.wide != nil && r.wide.only > 0 {
		return at
	}
	if rec.Knows = flags&hasSeen != 0; rec.Knows {
		told := r.uint()
		rec.Whole = told&1 != 0
		for n := r.within(told >> 1); n > 0; n-- {
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
