package wire

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
)

// MaxSeq is the greatest number of a dot that is written and read, so that there is always a next one.
const MaxSeq = math.MaxInt64

// The errors that a [Writer] and a [Reader] keep; others are of the package clock.
var (
	ErrTooLarge = errors.New("too large to be written")
	ErrShort    = errors.New("it ends too early")
	ErrType     = errors.New("a value is of another type")
	ErrLong     = errors.New("a value is not in its shortest form")
)

// Writer appends msgpack in its shortest form to B. The zero Writer is ready.
type Writer struct {
	B   []byte
	Err error // the first error; what is in B is of no use then

	// MaxSeq is the greatest number of a dot that is written. Zero means the constant of this name.
	MaxSeq uint64

	nodes nodeList
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

// Check is Fail for an error that may be nil.
func (w *Writer) Check(err error) {
	if err != nil {
		w.Fail(err)
	}
}

func (w *Writer) maxSeq() uint64 { return maxSeq(w.MaxSeq) }

func (r *Reader) maxSeq() uint64 { return maxSeq(r.MaxSeq) }

func maxSeq(n uint64) uint64 {
	if n == 0 {
		return MaxSeq
	}
	return n
}

// Fail keeps the first error.
func (w *Writer) Fail(err error) {
	if w.Err == nil {
		w.Err = err
	}
}

// Array writes the length of an array.
func (w *Writer) Array(n int) { w.B = AppendArray(w.B, n) }

// Uint writes an integer.
func (w *Writer) Uint(n uint64) { w.B = AppendUint(w.B, n) }

// Bool writes true or false.
func (w *Writer) Bool(is bool) { w.B = AppendBool(w.B, is) }

// Text writes a str, or a bin where s is not UTF-8.
func (w *Writer) Text(s string) {
	if uint64(len(s)) > math.MaxUint32 {
		w.Fail(ErrTooLarge)
		return
	}
	w.B = AppendText(w.B, s)
}

// Bytes writes a bin.
func (w *Writer) Bytes(b []byte) {
	if uint64(len(b)) > math.MaxUint32 {
		w.Fail(ErrTooLarge)
		return
	}
	w.B = AppendBytes(w.B, b)
}

// Node writes the place of a node that was written before, and the name of any other, which may be "".
func (w *Writer) Node(n clock.Node) {
	if n == "" {
		w.Text("")
		return
	}
	if place := w.nodes.find(n); place >= 0 {
		w.Uint(uint64(place))
		return
	}
	if err := n.Check(); err != nil {
		w.Fail(err)
	}
	w.Text(string(n))
	w.nodes.add(n)
}

// Time writes a timestamp, as two integers.
func (w *Writer) Time(t clock.Timestamp) {
	if err := t.Check(); err != nil {
		w.Fail(err)
	}
	w.Uint(uint64(t.Wall))
	w.Uint(uint64(t.Logical))
}

// Dot writes a dot, as a node and an integer; the zero Dot too.
func (w *Writer) Dot(d clock.Dot) {
	if (d.Node == "") != (d.Seq == 0) { // that it is the name of a node is found out below
		w.Check(d.Check())
	}
	if d.Seq > w.maxSeq() {
		w.Fail(ErrTooLarge)
	}
	w.Node(d.Node)
	w.Uint(d.Seq)
}

// Vector writes [(node, first, last)*], ascending.
func (w *Writer) Vector(v *clock.Vector) {
	runs := 0
	for range v.Runs() {
		runs++
	}
	w.Array(3 * runs)
	for node, run := range v.Runs() {
		if run.Last > w.maxSeq() {
			w.Fail(ErrTooLarge)
		}
		w.Node(node)
		w.Uint(run.First)
		w.Uint(run.Last)
	}
}

// Reader reads what a [Writer] writes, and nothing else. After an error it returns zero values and consumes nothing. The texts
// that it returns share memory with S.
type Reader struct {
	S   string // what is left
	Err error

	// MaxEntries is the greatest length of an array. Zero means no limit: memory is bounded by the bytes of S all the same.
	MaxEntries int

	// MaxSeq is the greatest number of a dot that is read. Zero means the constant of this name.
	MaxSeq uint64

	// Copies says that texts are copied, so that they outlive S.
	Copies bool

	// Names makes the nodes of many readings share their memory. Nil does without.
	Names *Names

	nodes nodeList
}

// Names are names of nodes that were found good. One reading at a time may use it; the zero Names is ready. A few are
// remembered, and the rest is as good without.
type Names struct {
	few [8]clock.Node
	n   int
}

// check returns a node that a text names, and what is wrong with it if it names none.
func (k *Names) check(name string) (clock.Node, error) {
	if k != nil {
		for i := range k.n {
			if string(k.few[i]) == name {
				return k.few[i], nil
			}
		}
	}
	node := clock.Node(name)
	if err := node.Check(); err != nil {
		return "", err
	}
	if k != nil && k.n < len(k.few) {
		node = clock.Node(strings.Clone(name))
		k.few[k.n] = node
		k.n++
	}
	return node, nil
}

// Fail keeps the first error.
func (r *Reader) Fail(err error) {
	if r.Err == nil {
		r.Err, r.S = err, ""
	}
}

// Refuse is Fail with a text.
func (r *Reader) Refuse(format string, args ...any) {
	if r.Err == nil {
		r.Fail(fmt.Errorf(format, args...))
	}
}

// Uint reads an integer.
func (r *Reader) Uint() uint64 {
	if r.S != "" && r.S[0] < 0x80 {
		n := r.S[0]
		r.S = r.S[1:]
		return uint64(n)
	}
	n, rest, err := ReadUint(r.S)
	r.S = rest
	r.Check(err)
	return n
}

// Bool reads true or false.
func (r *Reader) Bool() bool {
	is, rest, err := ReadBool(r.S)
	r.S = rest
	r.Check(err)
	return is
}

// Array reads the length of an array of groups of some items, and returns how many groups.
func (r *Reader) Array(of int) int {
	n, rest, err := ReadArray(r.S)
	r.S = rest
	r.Check(err)
	switch {
	case n%of != 0:
		r.Refuse("an array of %d that should hold groups of %d", n, of)
		return 0
	case r.MaxEntries > 0 && n > r.MaxEntries:
		r.Refuse("an array of %d, the limit is %d", n, r.MaxEntries)
		return 0
	}
	return n / of
}

// Tuple reads the length of an array that must have n items.
func (r *Reader) Tuple(n int) {
	if len(r.S) == 0 {
		r.Fail(ErrShort)
	} else if r.S[0] != 0x90|byte(n) { // all are short
		r.Refuse("not an array of %d", n)
	} else {
		r.S = r.S[1:]
	}
}

// Room returns for how many of n items, of so many bytes at least, to make room at once.
func (r *Reader) Room(n, bytes int) int { return min(n, len(r.S)/bytes) }

func (r *Reader) raw() (raw string, isBin bool) {
	raw, rest, isBin, err := ReadRaw(r.S)
	r.S = rest
	r.Check(err)
	return raw, isBin
}

// Text reads a str, or the bin that stands for a string that is not UTF-8.
func (r *Reader) Text() string {
	s, rest, err := ReadText(r.S)
	r.S = rest
	r.Check(err)
	return r.copied(s)
}

func (r *Reader) copied(s string) string {
	if r.Copies {
		return strings.Clone(s)
	}
	return s
}

// Raw reads the text of a str, or the bytes of a bin, whatever they are, and says which.
func (r *Reader) Raw() (raw string, isBin bool) {
	raw, isBin = r.raw()
	return r.copied(raw), isBin
}

// View reads a bin. What it returns shares memory with S, and must not be changed.
func (r *Reader) View() []byte {
	raw, isBin := r.raw()
	if !isBin {
		r.Fail(ErrType)
		return nil
	}
	return unsafe.Slice(unsafe.StringData(raw), len(raw))
}

// Check is Fail for an error that may be nil.
func (r *Reader) Check(err error) {
	if err != nil {
		r.Fail(err)
	}
}

// Bytes reads a bin. What it returns shares no memory with S.
func (r *Reader) Bytes() []byte {
	raw, isBin := r.raw()
	if !isBin && r.Err == nil {
		r.Fail(ErrType)
	}
	if r.Err != nil || raw == "" {
		return nil
	}
	return []byte(raw)
}

// End returns the error of the reading, which it is too if something is left.
func (r *Reader) End() error {
	if r.Err == nil && r.S != "" {
		r.Refuse("%d bytes are left over", len(r.S))
	}
	return r.Err
}

// Node reads a node, which may be "".
func (r *Reader) Node() clock.Node {
	if len(r.S) > 0 && r.S[0] < 0xa0 || len(r.S) > 0 && r.S[0] >= 0xcc && r.S[0] <= 0xcf {
		place := r.Uint()
		if place >= uint64(r.nodes.n) {
			r.Refuse("a node that was not written before")
			return ""
		}
		return r.nodes.at(int(place))
	}
	text := r.Text()
	if text == "" {
		return ""
	}
	if r.nodes.find(clock.Node(text)) >= 0 {
		r.Refuse("the name of node %q stands twice", text)
		return ""
	}
	name, err := r.Names.check(text)
	if err != nil {
		r.Fail(err)
		return ""
	}
	r.nodes.add(name)
	return name
}

// Time reads a timestamp.
func (r *Reader) Time() clock.Timestamp {
	wall, logical := r.Uint(), r.Uint()
	if wall > uint64(clock.MaxWall) || logical > math.MaxUint32 {
		r.Refuse("a time is out of range")
		return clock.Timestamp{}
	}
	return clock.Timestamp{Wall: int64(wall), Logical: uint32(logical)}
}

// Dot reads a dot, which may be zero.
func (r *Reader) Dot() clock.Dot {
	d := clock.Dot{Node: r.Node(), Seq: r.Uint()}
	if (d.Node == "") != (d.Seq == 0) { // that it is the name of a node is known
		r.Check(d.Check())
	}
	if d.Seq > r.maxSeq() {
		r.Refuse("the dot %s is beyond %d", d, r.maxSeq())
	}
	if r.Err != nil {
		return clock.Dot{}
	}
	return d
}

// Vector reads a vector.
func (r *Reader) Vector() clock.Vector {
	var few [8]clock.Run
	runs := few[:0]
	for range r.Array(3) {
		run := clock.Run{Node: r.Node(), Range: clock.Range{First: r.Uint(), Last: r.Uint()}}
		if r.Err != nil {
			return clock.Vector{}
		}
		if run.First == 0 || run.First > run.Last || run.Last > r.maxSeq() {
			r.Refuse("runs of dots are not ascending")
			return clock.Vector{}
		}
		runs = append(runs, run)
	}
	v, ok := clock.VectorOf(runs)
	if !ok {
		r.Refuse("nodes or runs of a vector are not ascending")
	}
	return v
}
