package merge

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock/wire"
)

// The bytes of an operation: one msgpack value. Integers, strings and arrays have their shortest form, a string that is
// not UTF-8 is a bin, and everything stands in one order only, so that equal operations have equal bytes; what is written
// otherwise is refused. In the list below, [x, y] is an array, and x* any number of x in one flat array.
//
//	9c            array of 12
//	01            version of the layout
//	kind          0 set, 1 delete, 2 add, 3 insert, 4 remove
//	key           str, not empty
//	fields        [(name, value, before)*]   ascending by the bytes of the name, each name once; a value is a str of
//	                                         canonical JSON (see package value), and empty when it is absent
//	id            str
//	seen          [(node, first, last)*]     ascending by the bytes of the node, then by number; runs don't touch
//	version       of the stamp
//	wall          nanoseconds since 1970
//	logical
//	node          of the stamp; an empty str when it has none
//	node, number  the dot; an empty str and 0 when there is none
//
// A node is written as a str of its name where it stands first, and as its place among the names written so far, from 0,
// wherever it stands again.
//
// The order of [Op.Fields] is no part of an operation, for it is one atomic change: they are written by name. The same
// field twice has no meaning and can't be written.
const opVersion = 1

// ErrOp is wrapped by the errors of [Op.AppendBinary] and [DecodeOp]: what was given is no operation, or not the bytes
// of one.
var ErrOp = errors.New("not a valid operation")

// AppendBinary appends the bytes of op to b. Equal operations have equal bytes, whatever the order of their fields: they
// are what a signature covers, what [Sum] tells operations apart by, and what a log keeps. The error wraps [ErrOp]; then
// what is returned is b. It says what [DecodeOp] would refuse but for the limits: no key, an unknown kind, a field
// twice, a value that is not canonical, a node that can't be one, a time out of range, a dot above [MaxSeq].
func (op *Op) AppendBinary(b []byte) ([]byte, error) {
	if op.Key == "" {
		return b, fmt.Errorf("%w: %w", ErrOp, ErrNoKey)
	}
	if int(op.Kind) >= len(kindNames) {
		return b, fmt.Errorf("%w: %s", ErrOp, op.Kind)
	}
	var few [8]Field
	fields := byName(op.Fields, few[:0])
	w := newEncoder(b)
	w.Array(12)
	w.Uint(opVersion)
	w.Uint(uint64(op.Kind))
	w.Text(op.Key)
	w.Array(3 * len(fields))
	for i := range fields {
		f := &fields[i]
		if i > 0 && fields[i-1].Name == f.Name {
			return b, fmt.Errorf("%w: field %q stands twice", ErrOp, f.Name)
		}
		w.Text(f.Name)
		w.value(f.Value)
		w.value(f.Before)
	}
	w.Text(op.ID)
	w.Vector(&op.Seen)
	w.stamp(&op.Stamp)
	w.Dot(op.Dot)
	if w.Err != nil {
		return b, fmt.Errorf("%w: %w", ErrOp, w.Err)
	}
	return w.B, nil
}

// byName returns the fields ascending by name, copied to room unless they are.
func byName(fields, room []Field) []Field {
	byName := func(a, b Field) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(fields, byName) {
		return fields
	}
	fields = append(room, fields...)
	slices.SortFunc(fields, byName)
	return fields
}

// DecodeOp reads what [Op.AppendBinary] writes, which must be all of data, and nothing else. The operation does not
// share memory with data. The error wraps [ErrOp].
func DecodeOp(data []byte, limits Limits) (Op, error) {
	var op Op
	err := new(OpReader).Read(string(data), limits, &op)
	return op, err
}

// OpReader reads many operations, and makes room for the fields of several at once. The zero OpReader is ready; one
// goroutine at a time may use it.
type OpReader struct {
	fields room
	names  wire.Names
}

// room is memory for the fields of several operations.
type room struct {
	free []Field // what is used of the latest piece of it, and the rest as capacity
	used int     // fields since the room was last given back
	size int     // of a piece; zero means manyFields
}

// Reuse says that the fields of the operations that were read so far are not needed any more: their room is used for those
// that are read next, and is made as large as these needed.
func (o *OpReader) Reuse() {
	clear(o.fields.free)
	o.fields = room{free: o.fields.free[:0], size: min(max(o.fields.used, manyFields), mostFields)}
}

// Read is [DecodeOp] into op. The operation shares the memory of data, and that of its fields with those read before it: one
// of many that is to be kept longer than the others is better copied.
func (o *OpReader) Read(data string, limits Limits, op *Op) error {
	if limits.Bytes > 0 && len(data) > limits.Bytes {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrOp, len(data), limits.Bytes)
	}
	r := newDecoder(data, limits, false)
	r.Names = &o.names
	*op = r.op(&o.fields)
	if r.Err == nil && r.S != "" {
		r.Refuse("%d bytes are left over", len(r.S))
	}
	if r.Err != nil {
		*op = Op{}
		return fmt.Errorf("%w: %w", ErrOp, r.Err)
	}
	return nil
}

func (r *decoder) op(room *room) (op Op) {
	r.Tuple(12)
	if got := r.Uint(); got != opVersion {
		r.Refuse("version %d, known is %d", got, opVersion)
	}
	kind := r.Uint()
	if kind >= uint64(len(kindNames)) {
		r.Refuse("kind %d", kind)
	}
	op.Kind = Kind(kind)
	if op.Key = r.Text(); op.Key == "" && r.Err == nil {
		r.Fail(ErrNoKey)
	}
	op.Fields = r.fields(room)
	op.ID = r.Text()
	op.Seen = r.Vector()
	op.Stamp = r.stamp()
	op.Dot = r.Dot()
	return op
}

// manyFields is for how many fields an [OpReader] makes room at once, and mostFields for how many it does when it knows that it
// needs them.
const (
	manyFields = 64
	mostFields = 10_000
)

func (r *decoder) fields(room *room) []Field {
	n := r.Array(3)
	if n == 0 {
		return nil
	}
	if cap(room.free)-len(room.free) < n {
		size := r.Room(n, 3)
		if room.used > 0 || room.size > 0 { // it is not the only operation
			size = max(size, manyFields, room.size)
		}
		room.free = make([]Field, 0, size)
	}
	first := len(room.free)
	fields := room.free[first:first]
	for i := range n {
		f := Field{Name: r.Text(), Value: r.value(), Before: r.value()}
		if i > 0 && cmp.Compare(fields[i-1].Name, f.Name) >= 0 {
			r.Refuse("fields are not ascending")
		}
		if r.Err != nil {
			return nil
		}
		fields = append(fields, f)
	}
	if room.used += len(fields); len(fields) <= cap(room.free)-first { // all are where there was room
		room.free = room.free[:first+len(fields)]
	}
	return fields[:len(fields):len(fields)]
}
