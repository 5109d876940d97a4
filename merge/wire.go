package merge

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// MaxSeq is the greatest number of a dot that is written and read: an operation on a set takes a block of numbers of a
// set's own, and the last of them must not exceed [crdt.MaxSeq]. A node that writes ten thousand operations a second
// gets there after seven years.
const MaxSeq = crdt.MaxSeq / dotBlock

// Limits bound what [DecodeOp] and [State.MergeRecord] accept. Memory is bounded without them, by the data: what is
// declared and not there is never reserved.
type Limits struct {
	// Bytes is the greatest length of an operation or a record. Zero means no limit.
	Bytes int

	// Entries is the greatest number of items of one array in it, as [crdt.Limits] counts them. A field is three of them, a
	// run of dots too. Zero means no limit.
	Entries int

	// Value bounds each value. Its zero fields mean its defaults.
	Value value.Limits
}

// Sum returns the first 16 bytes of the SHA-256 of data. Operations are told apart by the sum of their bytes and states
// compared by that of their records, so nobody must be able to make two texts of one sum.
func Sum(data []byte) [16]byte {
	whole := sha256.Sum256(data)
	return [16]byte(whole[:16])
}

// encoder appends msgpack in its shortest form.
type encoder struct {
	b   []byte
	err error

	nodes nodeList // one that is known is written as its place
}

// nodeList is nodes in the order in which they were written first. A few cost no allocation.
type nodeList struct {
	few  [6]clock.Node
	more []clock.Node
	n    int
}

func (l *nodeList) at(i int) clock.Node {
	if i < len(l.few) {
		return l.few[i]
	}
	return l.more[i-len(l.few)]
}

// find returns the place of a node, -1 if it has none.
func (l *nodeList) find(node clock.Node) int {
	for i := range l.n {
		if l.at(i) == node {
			return i
		}
	}
	return -1
}

func (l *nodeList) add(node clock.Node) {
	if l.n < len(l.few) {
		l.few[l.n] = node
	} else {
		l.more = append(l.more, node)
	}
	l.n++
}

// check keeps the first error.
func (w *encoder) check(err error) {
	if err != nil {
		w.fail(err)
	}
}

func (w *encoder) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *encoder) array(n int) {
	switch {
	case n < 16:
		w.b = append(w.b, 0x90|byte(n))
	case n <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, 0xdc), uint16(n))
	default:
		w.b = binary.BigEndian.AppendUint32(append(w.b, 0xdd), uint32(n))
	}
}

func (w *encoder) uint(n uint64) {
	switch {
	case n < 128:
		w.b = append(w.b, byte(n))
	case n <= math.MaxUint8:
		w.b = append(w.b, 0xcc, byte(n))
	case n <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, 0xcd), uint16(n))
	case n <= math.MaxUint32:
		w.b = binary.BigEndian.AppendUint32(append(w.b, 0xce), uint32(n))
	default:
		w.b = binary.BigEndian.AppendUint64(append(w.b, 0xcf), n)
	}
}

func (w *encoder) bool(is bool) {
	if is {
		w.b = append(w.b, 0xc3)
	} else {
		w.b = append(w.b, 0xc2)
	}
}

// text writes a str, or a bin where s is not UTF-8.
func (w *encoder) text(s string) {
	n := len(s)
	if uint64(n) > math.MaxUint32 {
		w.fail(errTooLarge)
		return
	}
	if !utf8.ValidString(s) {
		w.bytesHead(n)
		w.b = append(w.b, s...)
		return
	}
	switch {
	case n < 32:
		w.b = append(w.b, 0xa0|byte(n))
	case n <= math.MaxUint8:
		w.b = append(w.b, 0xd9, byte(n))
	case n <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, 0xda), uint16(n))
	default:
		w.b = binary.BigEndian.AppendUint32(append(w.b, 0xdb), uint32(n))
	}
	w.b = append(w.b, s...)
}

// bytesHead writes what a bin of n bytes begins with.
func (w *encoder) bytesHead(n int) {
	switch {
	case n <= math.MaxUint8:
		w.b = append(w.b, 0xc4, byte(n))
	case n <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, 0xc5), uint16(n))
	default:
		w.b = binary.BigEndian.AppendUint32(append(w.b, 0xc6), uint32(n))
	}
}

// anyValue is the widest limits: what was taken into a state can be written, whatever limits it came through.
var anyValue = value.Limits{Depth: value.MaxDepth, Bytes: math.MaxInt32, Members: math.MaxInt32}

// value writes a value, which may be absent.
func (w *encoder) value(v value.Value) {
	if v != "" {
		w.check(v.Check(anyValue))
	}
	w.text(string(v))
}

// node writes the place of a node that was written before, and the name of any other, which may be "".
func (w *encoder) node(n clock.Node) {
	if n == "" {
		w.text("")
		return
	}
	if place := w.nodes.find(n); place >= 0 {
		w.uint(uint64(place))
		return
	}
	w.check(n.Check())
	w.text(string(n))
	w.nodes.add(n)
}

func (w *encoder) time(t clock.Timestamp) {
	w.check(t.Check())
	w.uint(uint64(t.Wall))
	w.uint(uint64(t.Logical))
}

func (w *encoder) dot(d clock.Dot) {
	w.check(d.Check())
	if d.Seq > MaxSeq {
		w.fail(errTooLarge)
	}
	w.node(d.Node)
	w.uint(d.Seq)
}

// vector writes [(node, first, last)*], ascending.
func (w *encoder) vector(v *clock.Vector) {
	runs := 0
	for range v.Runs() {
		runs++
	}
	w.array(3 * runs)
	for node, run := range v.Runs() {
		if run.Last > MaxSeq {
			w.fail(errTooLarge)
		}
		w.node(node)
		w.uint(run.First)
		w.uint(run.Last)
	}
}

func (w *encoder) stamp(s *lww.Stamp) {
	w.uint(s.Version)
	w.time(s.Time)
	w.node(s.Node)
}

// decoder reads what an encoder writes, and nothing else. After an error it returns zero values and consumes nothing. The
// texts that it returns share memory with s.
type decoder struct {
	s      string
	err    error
	limits Limits
	copies bool // whether texts are copied, so that they outlive s
	nodes  nodeList
}

var (
	errTooLarge = errors.New("too large to be written")
	errShort    = errors.New("it ends too early")
	errType     = errors.New("a value is of another type")
	errLong     = errors.New("a value is not in its shortest form")
)

func (r *decoder) fail(err error) {
	if r.err == nil {
		r.err, r.s = err, ""
	}
}

func (r *decoder) refuse(format string, args ...any) {
	if r.err == nil {
		r.fail(fmt.Errorf(format, args...))
	}
}

// sized takes a marker and a number of some bytes, which must not fit what a shorter form could hold.
func (r *decoder) sized(size int, shorter uint64) (n uint64) {
	if len(r.s) < 1+size {
		r.fail(errShort)
		return 0
	}
	for i := range size {
		n = n<<8 | uint64(r.s[1+i])
	}
	if n <= shorter {
		r.fail(errLong)
		return 0
	}
	r.s = r.s[1+size:]
	return n
}

func (r *decoder) uint() uint64 {
	if len(r.s) == 0 {
		r.fail(errShort)
		return 0
	}
	switch c := r.s[0]; c {
	case 0xcc:
		return r.sized(1, 127)
	case 0xcd:
		return r.sized(2, math.MaxUint8)
	case 0xce:
		return r.sized(4, math.MaxUint16)
	case 0xcf:
		return r.sized(8, math.MaxUint32)
	default:
		if c >= 0x80 {
			r.fail(errType)
			return 0
		}
		r.s = r.s[1:]
		return uint64(c)
	}
}

func (r *decoder) bool() bool {
	switch {
	case len(r.s) == 0:
		r.fail(errShort)
		return false
	case r.s[0] != 0xc2 && r.s[0] != 0xc3:
		r.fail(errType)
		return false
	}
	is := r.s[0] == 0xc3
	r.s = r.s[1:]
	return is
}

// array reads the length of an array of groups of some items, no more than there are bytes left to fill it, and returns
// how many groups.
func (r *decoder) array(of int) int {
	if len(r.s) == 0 {
		r.fail(errShort)
		return 0
	}
	var n uint64
	switch c := r.s[0]; {
	case c&0xf0 == 0x90:
		n = uint64(c & 0x0f)
		r.s = r.s[1:]
	case c == 0xdc:
		n = r.sized(2, 15)
	case c == 0xdd:
		n = r.sized(4, math.MaxUint16)
	default:
		r.fail(errType)
	}
	switch {
	case n > uint64(len(r.s)):
		r.fail(errShort)
		return 0
	case n%uint64(of) != 0:
		r.refuse("an array of %d that should hold groups of %d", n, of)
		return 0
	case r.limits.Entries > 0 && n > uint64(r.limits.Entries):
		r.refuse("an array of %d, the limit is %d", n, r.limits.Entries)
		return 0
	}
	return int(n) / of
}

// tuple reads the length of an array that must have n items.
func (r *decoder) tuple(n int) {
	if len(r.s) == 0 {
		r.fail(errShort)
	} else if r.s[0] != 0x90|byte(n) { // all are short
		r.refuse("not an array of %d", n)
	} else {
		r.s = r.s[1:]
	}
}

// roomFor returns for how many of n items, of so many bytes at least, to make room at once.
func (r *decoder) roomFor(n, bytes int) int { return min(n, len(r.s)/bytes) }

// raw reads the bytes of a str or a bin.
func (r *decoder) raw() (raw string, isBin bool) {
	if len(r.s) == 0 {
		r.fail(errShort)
		return "", false
	}
	var n uint64
	switch c := r.s[0]; {
	case c&0xe0 == 0xa0:
		n = uint64(c & 0x1f)
		r.s = r.s[1:]
	case c == 0xd9:
		n = r.sized(1, 31)
	case c == 0xda:
		n = r.sized(2, math.MaxUint8)
	case c == 0xdb:
		n = r.sized(4, math.MaxUint16)
	case c == 0xc4 && len(r.s) > 1:
		n, isBin = uint64(r.s[1]), true
		r.s = r.s[2:]
	case c == 0xc5:
		n, isBin = r.sized(2, math.MaxUint8), true
	case c == 0xc6:
		n, isBin = r.sized(4, math.MaxUint16), true
	default:
		r.fail(errType)
	}
	if n > uint64(len(r.s)) {
		r.fail(errShort)
		return "", false
	}
	raw, r.s = r.s[:n], r.s[n:]
	return raw, isBin
}

// text reads a str, or the bin that stands for a string that is not UTF-8.
func (r *decoder) text() string {
	raw, isBin := r.raw()
	if utf8.ValidString(raw) == isBin && r.err == nil {
		r.fail(errType)
		return ""
	}
	return r.copied(raw)
}

func (r *decoder) copied(s string) string {
	if r.copies {
		return strings.Clone(s)
	}
	return s
}

// value reads a value, which may be absent.
func (r *decoder) value() value.Value {
	raw, isBin := r.raw()
	switch {
	case isBin: // no value has bytes that are not UTF-8
		r.fail(errType)
	case raw != "":
		r.check(value.Value(raw).Check(r.limits.Value))
	}
	if r.err != nil {
		return ""
	}
	return value.Value(r.copied(raw))
}

func (r *decoder) node() clock.Node {
	if len(r.s) > 0 && r.s[0] < 0xa0 || len(r.s) > 0 && r.s[0] >= 0xcc && r.s[0] <= 0xcf {
		place := r.uint()
		if place >= uint64(r.nodes.n) {
			r.refuse("a node that was not written before")
			return ""
		}
		return r.nodes.at(int(place))
	}
	name := clock.Node(r.text())
	if name == "" {
		return ""
	}
	if r.nodes.find(name) >= 0 {
		r.refuse("the name of node %q stands twice", string(name))
		return ""
	}
	if r.check(name.Check()); r.err != nil {
		return ""
	}
	r.nodes.add(name)
	return name
}

func (r *decoder) time() clock.Timestamp {
	wall, logical := r.uint(), r.uint()
	if wall > uint64(clock.MaxWall) || logical > math.MaxUint32 {
		r.refuse("a time is out of range")
		return clock.Timestamp{}
	}
	return clock.Timestamp{Wall: int64(wall), Logical: uint32(logical)}
}

func (r *decoder) dot() clock.Dot {
	d := clock.Dot{Node: r.node(), Seq: r.uint()}
	r.check(d.Check())
	if d.Seq > MaxSeq {
		r.refuse("the dot %s is beyond %d", d, uint64(MaxSeq))
	}
	if r.err != nil {
		return clock.Dot{}
	}
	return d
}

func (r *decoder) vector() (v clock.Vector) {
	var node clock.Node
	var last uint64
	for range r.array(3) {
		n, run := r.node(), clock.Range{First: r.uint(), Last: r.uint()}
		switch {
		case r.err != nil:
			return clock.Vector{}
		case n < node || n == "":
			r.refuse("the nodes of a vector are not ascending")
			return clock.Vector{}
		case n > node:
			last = 0
		}
		if run.First == 0 || run.First > run.Last || run.Last > MaxSeq || n == node && run.First <= last+1 {
			r.refuse("runs of dots are not ascending")
			return clock.Vector{}
		}
		v.AddRange(n, run)
		node, last = n, run.Last
	}
	return v
}

func (r *decoder) stamp() lww.Stamp {
	return lww.Stamp{Version: r.uint(), Time: r.time(), Node: r.node()}
}

// write writes [version, wall, logical, node, deleted, value, id, node, number]: a stamp, what was written, and the dot.
func (w *encoder) write(x *Write) {
	w.array(9)
	w.stamp(&x.Stamp)
	w.bool(x.Deleted)
	w.value(x.Value)
	w.text(x.ID)
	w.dot(x.Dot)
}

func (r *decoder) write() (x Write) {
	r.tuple(9)
	x.Stamp = r.stamp()
	x.Deleted = r.bool()
	x.Value = r.value()
	x.ID = r.text()
	x.Dot = r.dot()
	return x
}

// frame writes a bin of the frame that encode appends.
func (w *encoder) frame(encode func(b []byte) ([]byte, error)) {
	framed, err := encode(nil)
	if err != nil {
		w.fail(err)
		return
	}
	if uint64(len(framed)) > math.MaxUint32 {
		w.fail(errTooLarge)
		return
	}
	w.bytesHead(len(framed))
	w.b = append(w.b, framed...)
}

// bin reads a bin. What it returns is good until data changes, and must not be changed.
func (r *decoder) bin() []byte {
	raw, isBin := r.raw()
	if !isBin {
		r.fail(errType)
		return nil
	}
	return unsafe.Slice(unsafe.StringData(raw), len(raw))
}

// check takes over the error of a frame.
func (r *decoder) check(err error) {
	if err != nil {
		r.fail(err)
	}
}

// inner returns the limits of a frame in what is read.
func (r *decoder) inner() crdt.Limits { return crdt.Limits{Entries: r.limits.Entries} }

// values is the codec of values in a frame: as [encoder.value] and [decoder.value].
func (w *encoder) values() crdt.Codec[value.Value] {
	return crdt.Codec[value.Value]{Append: func(b []byte, v value.Value) []byte {
		in := encoder{b: b}
		in.value(v)
		w.check(in.err)
		return in.b
	}}
}

func (r *decoder) values() crdt.Codec[value.Value] {
	return crdt.Codec[value.Value]{Read: func(b []byte) (value.Value, []byte, error) {
		in := decoder{s: view(b), limits: r.limits, copies: true}
		v := in.value()
		return v, b[len(b)-len(in.s):], in.err
	}}
}

// writes is the codec of writes in a frame: as [encoder.write] and [decoder.write].
func (w *encoder) writes() crdt.Codec[Write] {
	return crdt.Codec[Write]{Append: func(b []byte, x Write) []byte {
		in := encoder{b: b}
		in.write(&x)
		w.check(in.err)
		return in.b
	}}
}

func (r *decoder) writes() crdt.Codec[Write] {
	return crdt.Codec[Write]{Read: func(b []byte) (Write, []byte, error) {
		in := decoder{s: view(b), limits: r.limits, copies: true}
		x := in.write()
		return x, b[len(b)-len(in.s):], in.err
	}}
}

// view returns b as a string that shares its memory.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
