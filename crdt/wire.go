package crdt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/clock/wire"
)

// The wire form. A state and a delta are written the same way, as one frame, which is one msgpack value: an array of four.
// A reader in another language, written from what stands here alone, is testdata/reader/frames.py.
//
//	94                     array of 4
//	a5 4f 52 53 65 74      str: the name of the type, here "ORSet"
//	01                     version of the layout
//	c6 00 00 00 2a ...     bin 32, always with four bytes of length: the body
//	ce 12 34 56 78         uint 32, always with four bytes: CRC-32C of all bytes before it
//
// The body is msgpack too. Integers, strings and arrays have their shortest form, a string that is not UTF-8 is a bin, and
// what has no order is sorted, so that equal states have equal bytes; what is written otherwise is refused. In the
// list below, [x, y] is an array, x* any number of x in one flat array, and dots are numbered by nodes: in a body that
// starts with a vector, node is the place of the node in it, from 0. No dot makes content under two keys.
//
//	vector    [(name, [(first, last)*])*]         nodes by bytes; runs ascending, both ends included
//	dots      [(node, seq)*]                      ascending
//	decimal   an integer, if int 64 holds it; else a str of all digits, without exponent
//	keys      [[(key, content)*], [(key, vector)*]]   by the least dot of the content, then by the bytes of the key; then
//	                                              what is waited for, by the bytes of the key
//
//	GCounter         [(name, decimal)*]                         by name; all above 0
//	PNCounter        [[(name, decimal)*], [(name, decimal)*]]   added, taken away
//	BoundedCounter   [[(name, decimal)*], [(from, to, decimal)*]]   taken; given, an add as from a node to itself
//	MaxRegister, MinRegister, LatticeRegister   [] or [value]
//	GSet             [element*]                                 by bytes
//	AppendLog        [vector, wall, logical, [(wall, logical, node, seq, value)*]]   the time of Trim; entries in order
//	MVRegister       [vector, [(node, seq, value)*]]            by dot, then by value
//	EWFlag           [vector, dots]
//	DWFlag           [vector, [dots, dots]]                     enables, disables
//	ORSet            [vector, keys], content: dots
//	RWSet            [vector, keys], content: [dots, dots]      adds, removes
//	ResetCounter     [vector, [(node, upTo, decimal, [(seq, decimal)*])*]]   upTo 0: nothing folded
//	Map              [vector, keys], content: [vector, inner]   deletes, one run a node, seen or not; inner as above,
//	                                              without its vector
const version = 1

// ErrFrame is wrapped by every error of a Decode method: the data is not a frame of the type, not canonical, damaged, or
// beyond the limits. What was to be decoded into has not changed.
var ErrFrame = errors.New("not a valid frame")

// ErrTooLarge is returned by an Encode method for a state that a frame can't hold: a body of 4 GiB or more, a number of more
// than [MaxDigits] digits, a dot above [MaxSeq].
var ErrTooLarge = errors.New("too large for a frame")

// MaxSeq is the greatest number of a dot that is read from outside, so that there is always a next one.
const MaxSeq = wire.MaxSeq

// Limits bound what a Decode method accepts. Memory is bounded without them, by the data: what a frame declares and does
// not hold is never reserved.
type Limits struct {
	// Bytes is the greatest length of a frame. Zero means no limit.
	Bytes int

	// Entries is the greatest number of items of one array in it: elements, keys, dots, entries. Zero means no limit.
	Entries int
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const trailer = 5 // the checksum with its marker

// encode appends a frame to b. The body is written by write.
func encode(b []byte, name string, write func(*writer)) ([]byte, error) {
	start := len(b)
	w := writer{b: b}
	w.array(4)
	w.text(name)
	w.uint(version)
	w.b = append(w.b, 0xc6, 0, 0, 0, 0)
	body := len(w.b)
	write(&w)
	if w.err != nil {
		return b, w.err
	}
	size := len(w.b) - body
	if uint64(size) > math.MaxUint32 {
		return b, ErrTooLarge
	}
	binary.BigEndian.PutUint32(w.b[body-4:], uint32(size))
	sum := crc32.Checksum(w.b[start:], castagnoli)
	return binary.BigEndian.AppendUint32(append(w.b, 0xce), sum), nil
}

// decode reads a frame, which must be all of data. The body is read by read.
func decode(data []byte, name string, limits Limits, read func(*reader)) error {
	r := reader{b: data, entries: limits.Entries}
	if limits.Bytes > 0 && len(data) > limits.Bytes {
		r.fail("%d bytes, the limit is %d", len(data), limits.Bytes)
		return r.err
	}
	if n := r.array(); n != 4 {
		r.fail("an array of %d", n)
	}
	if got := r.text(); got != name {
		r.fail("it is of type %.20q, not %q", got, name)
	}
	if got := r.uint(); got != version {
		r.fail("version %d, known is %d", got, version)
	}
	if r.err != nil {
		return r.err
	}
	head := len(data) - len(r.b)
	if len(r.b) < 5+trailer || r.b[0] != 0xc6 || uint64(binary.BigEndian.Uint32(r.b[1:])) != uint64(len(r.b)-5-trailer) {
		r.fail("the length is not that of the data")
		return r.err
	}
	end := len(data) - trailer
	if data[end] != 0xce || binary.BigEndian.Uint32(data[end+1:]) != crc32.Checksum(data[:end], castagnoli) {
		r.fail("the checksum is wrong")
		return r.err
	}
	r.b = data[head+5 : end]
	read(&r)
	r.checkUsed()
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes are left over", len(r.b))
	}
	return r.err
}

// writer lays out frames.
type writer struct {
	b     []byte
	err   error
	nodes []clock.Node  // by which dots are numbered
	seen  *clock.Vector // nil where content has no dots
}

func (w *writer) array(n int) { w.b = wire.AppendArray(w.b, n) }

func (w *writer) uint(n uint64) { w.b = wire.AppendUint(w.b, n) }

func (w *writer) text(s string) { w.b = wire.AppendText(w.b, s) }

func (w *writer) decimal(d Decimal) {
	if n, ok := d.Int64(); ok {
		w.b = wire.AppendInt(w.b, n)
		return
	}
	if !d.isWithinLimits() {
		w.fail(ErrTooLarge)
		return
	}
	w.text(d.String())
}

func (w *writer) node(n clock.Node) {
	w.fail(n.Check())
	w.text(string(n))
}

// fail keeps the first error.
func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// vector writes a vector, and returns its nodes.
func (w *writer) vector(v *clock.Vector) (nodes []clock.Node) {
	type part struct {
		node clock.Node
		runs []clock.Range
	}
	var parts []part
	for node, run := range v.Runs() {
		if n := len(parts); n == 0 || parts[n-1].node != node {
			parts = append(parts, part{node: node})
			nodes = append(nodes, node)
		}
		p := &parts[len(parts)-1]
		p.runs = append(p.runs, run)
	}
	w.array(2 * len(parts))
	for _, p := range parts {
		w.node(p.node)
		if p.runs[len(p.runs)-1].Last > MaxSeq {
			w.fail(ErrTooLarge)
		}
		w.array(2 * len(p.runs))
		for _, run := range p.runs {
			w.uint(run.First)
			w.uint(run.Last)
		}
	}
	return nodes
}

// place returns the number of a node.
func (w *writer) place(node clock.Node) int {
	for i, n := range w.nodes {
		if n == node {
			return i
		}
	}
	panic("crdt: content of a dot that was never seen; a value from Map.Get can't be encoded by itself: encode the map")
}

func (w *writer) time(t clock.Timestamp) {
	w.uint(uint64(t.Wall))
	w.uint(uint64(t.Logical))
}

func (w *writer) dot(d clock.Dot) {
	w.uint(uint64(w.place(d.Node)))
	w.uint(d.Seq)
}

// reader reads what writer writes, and nothing else. After an error it returns zero values and consumes nothing.
type reader struct {
	b       []byte
	err     error
	entries int
	nodes   []clock.Node
	seen    *clock.Vector // nil where content has no dots

	page strings.Builder // of short strings, so that not each of them is an allocation

	key  int         // which of all keys is being read, from 1; 0 before the first
	used []usedRange // the dots of content under keys
}

// usedRange is dots of one node, by its place, that made content under a key.
type usedRange struct {
	node, key   int
	first, last uint64
}

// use notes that there is content of some dots.
func (r *reader) use(node int, first, last uint64) {
	if r.key > 0 && r.err == nil {
		r.used = append(r.used, usedRange{node, r.key, first, last})
	}
}

// checkUsed fails if one dot made content under two keys. No replica holds that: a dot names one write, and of two writers
// who share a dot, merging keeps neither. A small delta is merged without a walk because it is so.
func (r *reader) checkUsed() {
	order := func(a, b usedRange) int { return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.first, b.first)) }
	if !slices.IsSortedFunc(r.used, order) {
		slices.SortFunc(r.used, order)
	}
	for i := 1; i < len(r.used); i++ {
		was, is := &r.used[i-1], &r.used[i]
		if was.node == is.node && is.first <= was.last {
			if was.key != is.key {
				r.fail("one dot under two keys")
				return
			}
			is.last = max(is.last, was.last)
		}
	}
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrFrame}, args...)...)
		r.b = nil
	}
}

// check takes over the error of a codec.
func (r *reader) check(err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%w: %w", ErrFrame, err)
		r.b = nil
	}
}

// array reads the length of an array.
func (r *reader) array() int {
	n, rest, err := wire.ReadArray(r.b)
	r.b = rest
	r.check(err)
	if r.entries > 0 && n > r.entries {
		r.fail("%d entries, the limit is %d", n, r.entries)
		return 0
	}
	return n
}

// groups reads the length of a flat array of groups of some items.
func (r *reader) groups(of int) int {
	n := r.array()
	if n%of != 0 {
		r.fail("an array of %d that should hold groups of %d", n, of)
		return 0
	}
	return n / of
}

// tuple reads the length of an array that must have n items.
func (r *reader) tuple(n int) {
	if got := r.array(); got != n {
		r.fail("an array of %d, not of %d", got, n)
	}
}

func (r *reader) uint() uint64 {
	n, rest, err := wire.ReadUint(r.b)
	r.b = rest
	r.check(err)
	return n
}

func (r *reader) text() string {
	raw, rest, isBin, err := wire.ReadRaw(r.b)
	if err == nil && utf8.Valid(raw) == isBin {
		err = wire.ErrType
	}
	r.b = rest
	r.check(err)
	const page, many = 1024, 8
	if len(raw) > page/many {
		return string(raw)
	}
	if r.page.Cap()-r.page.Len() < len(raw) {
		r.page.Reset()
		r.page.Grow(min(page, len(raw)+len(rest)))
	}
	from := r.page.Len()
	r.page.Write(raw)
	return r.page.String()[from:]
}

// node reads a name, which must come after another one.
func (r *reader) node(after clock.Node) clock.Node {
	node := clock.Node(r.text())
	if r.err == nil {
		r.check(node.Check())
	}
	if node <= after {
		r.fail("nodes are not ascending")
	}
	return node
}

func (r *reader) decimal() Decimal {
	if len(r.b) == 0 || !wire.IsText(r.b[0]) {
		n, rest, err := wire.ReadInt(r.b)
		r.b = rest
		r.check(err)
		return DecimalOf(n)
	}
	text := r.text()
	d, err := ParseDecimal(text)
	r.check(err)
	if _, ok := d.Int64(); ok || d.String() != text {
		r.fail("a number is not in its shortest form")
	}
	return d
}

func (r *reader) vector() (v clock.Vector, nodes []clock.Node) {
	var node clock.Node
	for range r.groups(2) {
		if node = r.node(node); r.err != nil {
			return clock.Vector{}, nil
		}
		nodes = append(nodes, node)
		runs := r.groups(2)
		if runs == 0 {
			r.fail("a node without runs")
		}
		var last uint64
		for i := range runs {
			run := clock.Range{First: r.uint(), Last: r.uint()}
			if run.First == 0 || run.First > run.Last || run.Last > MaxSeq || i > 0 && run.First <= last+1 {
				r.fail("runs of dots are not ascending")
				return clock.Vector{}, nil
			}
			v.AddRange(node, run)
			last = run.Last
		}
	}
	return v, nodes
}

// dot reads a dot, which must have been seen.
func (r *reader) dot() clock.Dot {
	place, seq := r.uint(), r.uint()
	if r.err != nil {
		return clock.Dot{}
	}
	if place >= uint64(len(r.nodes)) {
		r.fail("a dot of an unknown node")
		return clock.Dot{}
	}
	d := clock.Dot{Node: r.nodes[place], Seq: seq}
	if !r.seen.Has(d) {
		r.fail("content of a dot that was not seen")
		return clock.Dot{}
	}
	r.use(int(place), seq, seq)
	return d
}

func (r *reader) time() clock.Timestamp {
	wall, logical := r.uint(), r.uint()
	if wall > uint64(clock.MaxWall) || logical > math.MaxUint32 {
		r.fail("a time is out of range")
		return clock.Timestamp{}
	}
	return clock.Timestamp{Wall: int64(wall), Logical: uint32(logical)}
}

// writeOne writes a value that may be missing.
func writeOne[V comparable](w *writer, v V, isSet bool, values Codec[V]) {
	if !isSet {
		w.array(0)
		return
	}
	w.array(1)
	w.b = values.Append(w.b, v)
}

func readOne[V comparable](r *reader, values Codec[V]) (v V, isSet bool) {
	switch n := r.array(); {
	case r.err != nil || n == 0:
		return v, false
	case n > 1:
		r.fail("%d values in a register of one", n)
	}
	return readValue(r, values), true
}

// room returns for how many of n items to make room at once: no more than the bytes that are left can hold, if they are
// not very small.
func (r *reader) room(n int) int {
	const likely = 8
	return min(n, len(r.b)/likely)
}

// sortPieces sorts pieces of one buffer by their bytes. Most differ soon after what all of them begin with, and are told
// apart by a number: by its bytes, from the last to the first, all are dealt into 256 heaps, and only those with equal numbers
// are then compared.
func sortPieces(buffer []byte, pieces []piece) {
	const few = 256 // of so many, comparing all is quicker
	if len(pieces) == 0 {
		return
	}
	first := pieces[0].of(buffer)
	common := len(first)
	for _, p := range pieces {
		this := p.of(buffer)
		n := 0
		for n < min(common, len(this)) && this[n] == first[n] {
			n++
		}
		common = n
	}
	differ := uint64(0) // the bits in which some heads differ
	for i := range pieces {
		var head [8]byte
		copy(head[:], pieces[i].of(buffer)[common:])
		pieces[i].head = binary.BigEndian.Uint64(head[:])
		differ |= pieces[i].head ^ pieces[0].head
	}
	compare := func(a, b piece) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return bytes.Compare(a.of(buffer), b.of(buffer))
	}
	if len(pieces) <= few {
		slices.SortFunc(pieces, compare)
		return
	}
	dealt, other := pieces, make([]piece, len(pieces))
	for shift := 0; shift < 64; shift += 8 {
		if differ>>shift&0xff == 0 {
			continue
		}
		var starts [257]int
		for i := range dealt {
			starts[dealt[i].head>>shift&0xff+1]++
		}
		for i := 1; i < len(starts); i++ {
			starts[i] += starts[i-1]
		}
		for i := range dealt {
			heap := dealt[i].head >> shift & 0xff
			other[starts[heap]] = dealt[i]
			starts[heap]++
		}
		dealt, other = other, dealt
	}
	for first := 0; first < len(dealt); {
		after := first + 1
		for after < len(dealt) && dealt[after].head == dealt[first].head {
			after++
		}
		slices.SortFunc(dealt[first:after], compare)
		first = after
	}
	copy(pieces, dealt)
}

// piece is a part of a buffer.
type piece struct {
	from, to int
	head     uint64
}

func (p piece) of(buffer []byte) []byte { return buffer[p.from:p.to] }
