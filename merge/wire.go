package merge

import (
	"crypto/sha256"
	"math"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock/wire"
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
	return [16]byte(whole[:])
}

// encoder is a writer of operations and states.
type encoder struct{ wire.Writer }

func newEncoder(b []byte) encoder { return encoder{wire.Writer{B: b, MaxSeq: MaxSeq}} }

// decoder reads what an encoder writes, and nothing else.
type decoder struct {
	wire.Reader
	limits Limits
}

// newDecoder returns a decoder; copies says that texts are copied, so that they outlive s.
func newDecoder(s string, limits Limits, copies bool) decoder {
	return decoder{wire.Reader{S: s, MaxEntries: limits.Entries, MaxSeq: MaxSeq, Copies: copies}, limits}
}

// anyValue is the widest limits: what was taken into a state can be written, whatever limits it came through.
var anyValue = value.Limits{Depth: value.MaxDepth, Bytes: math.MaxInt32, Members: math.MaxInt32}

// value writes a value, which may be absent.
func (w *encoder) value(v value.Value) {
	if v != "" {
		w.Check(v.Check(anyValue))
	}
	w.Text(string(v))
}

func (w *encoder) stamp(s *lww.Stamp) {
	w.Uint(s.Version)
	w.Time(s.Time)
	w.Node(s.Node)
}

// value reads a value, which may be absent.
func (r *decoder) value() value.Value {
	raw, isBin := r.Raw()
	switch {
	case isBin: // no value has bytes that are not UTF-8
		r.Fail(wire.ErrType)
	case raw != "":
		r.Check(value.Value(raw).Check(r.limits.Value))
	}
	if r.Err != nil {
		return ""
	}
	return value.Value(raw)
}

func (r *decoder) stamp() lww.Stamp {
	return lww.Stamp{Version: r.Uint(), Time: r.Time(), Node: r.Node()}
}

// write writes [version, wall, logical, node, deleted, value, id, node, number]: a stamp, what was written, and the dot.
func (w *encoder) write(x *Write) {
	w.Array(9)
	w.stamp(&x.Stamp)
	w.Bool(x.Deleted)
	w.value(x.Value)
	w.Text(x.ID)
	w.Dot(x.Dot)
}

func (r *decoder) write() (x Write) {
	r.Tuple(9)
	x.Stamp = r.stamp()
	x.Deleted = r.Bool()
	x.Value = r.value()
	x.ID = r.Text()
	x.Dot = r.Dot()
	return x
}

// frame writes a bin of the frame that encode appends.
func (w *encoder) frame(encode func(b []byte) ([]byte, error)) {
	framed, err := encode(nil)
	if err != nil {
		w.Fail(err)
		return
	}
	w.Bytes(framed)
}

// inner returns the limits of a frame in what is read.
func (r *decoder) inner() crdt.Limits { return crdt.Limits{Entries: r.limits.Entries} }

// values is the codec of values in a frame: as [encoder.value] and [decoder.value].
func (w *encoder) values() crdt.Codec[value.Value] {
	return crdt.Codec[value.Value]{Append: func(b []byte, v value.Value) []byte {
		in := newEncoder(b)
		in.value(v)
		w.Check(in.Err)
		return in.B
	}}
}

func (r *decoder) values() crdt.Codec[value.Value] {
	return crdt.Codec[value.Value]{Read: func(b []byte) (value.Value, []byte, error) {
		in := newDecoder(view(b), r.limits, true)
		v := in.value()
		return v, b[len(b)-len(in.S):], in.Err
	}}
}

// writes is the codec of writes in a frame: as [encoder.write] and [decoder.write].
func (w *encoder) writes() crdt.Codec[Write] {
	return crdt.Codec[Write]{Append: func(b []byte, x Write) []byte {
		in := newEncoder(b)
		in.write(&x)
		w.Check(in.Err)
		return in.B
	}}
}

func (r *decoder) writes() crdt.Codec[Write] {
	return crdt.Codec[Write]{Read: func(b []byte) (Write, []byte, error) {
		in := newDecoder(view(b), r.limits, true)
		x := in.write()
		return x, b[len(b)-len(in.S):], in.Err
	}}
}

// view returns b as a string that shares its memory.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
