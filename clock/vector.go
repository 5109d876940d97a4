package clock

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// Vector is a set of dots: a version vector that remembers its holes exactly. Dots that arrive in order cost nothing
// beyond one entry a node; each hole costs one [Range] until it fills.
//
// The zero Vector is empty and ready. Methods with a pointer receiver change it; a copy made by assignment shares
// memory with the original, so change only one of the two, or [Vector.Clone] first. Several goroutines may read one
// Vector as long as none changes it.
type Vector struct {
	// Invariant: sorted by node; no entry without runs.
	entries []entry
}

type entry struct {
	node Node
	runs runs
}

// Up returns the vector of the dots 1 to seq of one node; of none when seq is 0.
func Up(node Node, seq uint64) Vector {
	var v Vector
	v.AddUp(node, seq)
	return v
}

// Run is a run of dots of one node.
type Run struct {
	Node Node
	Range
}

// VectorOf returns the vector of some runs in the order of [Vector.Runs]: by the spelling of the node and ascending, none
// empty, and none that touches the one before it. False for others. It allocates once for a few, and twice for many.
func VectorOf(runs []Run) (Vector, bool) {
	nodes, ok := nodesOf(runs)
	if nodes == 0 {
		return Vector{}, ok
	}
	entries, all := roomFor(nodes, len(runs))
	for i, r := range runs {
		all = append(all, r.Range)
		if i+1 < len(runs) && runs[i+1].Node == r.Node {
			continue
		}
		entries = append(entries, entry{r.Node, all[:len(all):len(all)]})
		all = all[len(all):]
	}
	return Vector{entries}, true
}

// SetRuns is [VectorOf] in the memory of v, which it has to itself: for one vector after the other that is needed for a
// moment. With runs that are in no such order it empties v.
func (v *Vector) SetRuns(runs []Run) (ok bool) {
	if cap(v.entries) == 0 {
		*v, ok = VectorOf(runs)
		return ok
	}
	nodes, ok := nodesOf(runs)
	room := v.entries[:cap(v.entries)]
	if len(room) < nodes {
		room = append(room, make([]entry, nodes-len(room))...)
	}
	v.entries = room[:0]
	if !ok {
		return false
	}
	for i, r := range runs {
		if i == 0 || runs[i-1].Node != r.Node {
			e := &room[len(v.entries)]
			e.node, e.runs = r.Node, e.runs[:0]
			v.entries = room[:len(v.entries)+1]
		}
		e := &room[len(v.entries)-1]
		e.runs = append(e.runs, r.Range)
	}
	return true
}

// nodesOf returns how many nodes the runs are of, 0 and false if they are not in the order of [Vector.Runs].
func nodesOf(runs []Run) (nodes int, ok bool) {
	for i, r := range runs {
		if r.Node == "" || r.First == 0 || r.First > r.Last {
			return 0, false
		}
		switch {
		case i == 0 || runs[i-1].Node < r.Node:
			nodes++
		case runs[i-1].Node > r.Node || r.First <= runs[i-1].Last || r.First == runs[i-1].Last+1:
			return 0, false
		}
	}
	return nodes, true
}

// roomFor returns room for so many entries and all their runs: for a few, as an operation has that has seen the writes of a few
// nodes, in one piece of memory.
func roomFor(nodes, all int) ([]entry, runs) {
	switch max(nodes, all) {
	case 2:
		of := new(struct {
			entries [2]entry
			runs    [2]Range
		})
		return of.entries[:0], of.runs[:0]
	case 3:
		of := new(struct {
			entries [3]entry
			runs    [3]Range
		})
		return of.entries[:0], of.runs[:0]
	case 4:
		of := new(struct {
			entries [4]entry
			runs    [4]Range
		})
		return of.entries[:0], of.runs[:0]
	}
	return make([]entry, 0, nodes), make(runs, 0, all)
}

// fewNodes is up to where walking the entries beats bisecting them. Most vectors have a handful.
const fewNodes = 8

func (v *Vector) find(n Node) (int, bool) {
	if len(v.entries) <= fewNodes {
		for i := range v.entries {
			if v.entries[i].node == n {
				return i, true
			}
		}
	}
	return slices.BinarySearchFunc(v.entries, n, func(e entry, n Node) int {
		return strings.Compare(string(e.node), string(n))
	})
}

func (v *Vector) runs(n Node) runs {
	if i, ok := v.find(n); ok {
		return v.entries[i].runs
	}
	return nil
}

// Has reports whether d is in v. The zero Dot never is.
func (v Vector) Has(d Dot) bool { return v.runs(d.Node).has(d.Seq) }

// Add puts d into v and reports whether it was new. A dot without a number is never new.
func (v *Vector) Add(d Dot) bool {
	if d.Seq == 0 {
		return false
	}
	i, ok := v.find(d.Node)
	if ok && v.entries[i].runs.has(d.Seq) {
		return false
	}
	v.addAt(i, ok, d.Node, Range{d.Seq, d.Seq})
	return true
}

// AddUp puts the dots 1 to seq of node into v.
func (v *Vector) AddUp(node Node, seq uint64) { v.AddRange(node, Range{1, seq}) }

// AddRange puts a run of dots of node into v. A run that starts at 0 or ends before it starts is ignored.
func (v *Vector) AddRange(node Node, r Range) {
	if r.First > 0 && r.First <= r.Last {
		i, ok := v.find(node)
		v.addAt(i, ok, node, r)
	}
}

func (v *Vector) addAt(i int, known bool, node Node, r Range) {
	switch {
	case known:
		v.entries[i].runs = v.entries[i].runs.add(r)
	case len(v.entries) == 0:
		*v = ofOne(node, r)
	default:
		v.entries = slices.Insert(v.entries, i, entry{node, runs{r}})
	}
}

// ofOne returns a vector of one run, which is what deltas are made of: in one allocation, with room for a second run.
func ofOne(node Node, r Range) Vector {
	of := new(struct {
		entries [1]entry
		runs    [2]Range
	})
	of.entries[0] = entry{node, append(of.runs[:0], r)}
	return Vector{entries: of.entries[:]}
}

// Merge puts all dots of w into v, which takes time in the order of both, once, or of w where that is far shorter. The two share no
// memory afterwards.
func (v *Vector) Merge(w Vector) {
	known := len(v.entries)
	if len(w.entries) <= fewNodes && len(w.entries) <= known/8 {
		for _, e := range w.entries {
			if i, ok := v.find(e.node); ok {
				v.entries[i].runs = v.entries[i].runs.union(e.runs)
			} else {
				v.entries = slices.Insert(v.entries, i, entry{e.node, slices.Clone(e.runs)})
			}
		}
		return
	}
	i := 0
	for _, e := range w.entries {
		for i < known && v.entries[i].node < e.node {
			i++
		}
		if i < known && v.entries[i].node == e.node {
			v.entries[i].runs = v.entries[i].runs.union(e.runs)
		} else {
			v.entries = append(v.entries, entry{e.node, slices.Clone(e.runs)})
		}
	}
	if known > 0 && len(v.entries) > known {
		slices.SortFunc(v.entries, func(a, b entry) int { return strings.Compare(string(a.node), string(b.node)) })
	}
}

// Max returns the greatest number seen of node n, 0 when there is none.
func (v Vector) Max(n Node) uint64 {
	if rs := v.runs(n); len(rs) > 0 {
		return rs[len(rs)-1].Last
	}
	return 0
}

// Prefix returns the greatest number of node n up to which v has no hole, 0 when the first is missing.
func (v Vector) Prefix(n Node) uint64 {
	if rs := v.runs(n); len(rs) > 0 && rs[0].First == 1 {
		return rs[0].Last
	}
	return 0
}

// Next returns the dot that follows the greatest of node n: what its next write is called. After the greatest number
// that there is, the next dot has the number 0 and so names no write.
func (v Vector) Next(n Node) Dot { return Dot{Node: n, Seq: v.Max(n) + 1} }

// Gaps returns the runs of node n missing below its greatest number, ascending; nil when there are none.
func (v Vector) Gaps(n Node) []Range { return v.runs(n).gaps() }

// Covers reports whether every dot of w is in v. Every vector covers the empty one and itself.
func (v Vector) Covers(w Vector) bool {
	for _, e := range w.entries {
		if !v.runs(e.node).covers(e.runs) {
			return false
		}
	}
	return true
}

// Equal reports whether v and w hold the same dots.
func (v Vector) Equal(w Vector) bool {
	return slices.EqualFunc(v.entries, w.entries, func(a, b entry) bool {
		return a.node == b.node && slices.Equal(a.runs, b.runs)
	})
}

// Minus returns the dots of v that are not in w: what a peer that has seen w still lacks. It shares no memory with
// either.
func (v Vector) Minus(w Vector) Vector {
	var rest Vector
	for _, e := range v.entries {
		if left := e.runs.minus(w.runs(e.node)); len(left) > 0 {
			rest.entries = append(rest.entries, entry{e.node, left})
		}
	}
	return rest
}

// IsEmpty reports whether v holds no dot.
func (v Vector) IsEmpty() bool { return len(v.entries) == 0 }

// Clone returns a copy that shares no memory with v.
func (v Vector) Clone() Vector {
	if len(v.entries) == 1 && len(v.entries[0].runs) == 1 {
		return ofOne(v.entries[0].node, v.entries[0].runs[0])
	}
	total := 0
	for i := range v.entries {
		total += len(v.entries[i].runs)
	}
	if total == 0 {
		return Vector{}
	}
	entries, all := roomFor(len(v.entries), total) // of the runs each node has its part and no room beyond
	for _, e := range v.entries {
		first := len(all)
		all = append(all, e.runs...)
		entries = append(entries, entry{e.node, all[first:len(all):len(all)]})
	}
	return Vector{entries}
}

// Runs yields every run of dots, by the spelling of the node and ascending.
func (v Vector) Runs() iter.Seq2[Node, Range] {
	return func(yield func(Node, Range) bool) {
		for _, e := range v.entries {
			for _, r := range e.runs {
				if !yield(e.node, r) {
					return
				}
			}
		}
	}
}

// String returns the runs in order, as "{eu:1-3 us:1-2,5-5}".
func (v Vector) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range v.entries {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(e.node))
		for j, r := range e.runs {
			b.WriteByte(":,"[min(j, 1)])
			b.WriteString(r.String())
		}
	}
	b.WriteByte('}')
	return b.String()
}

// ParseVector is the inverse of [Vector.String], and takes nothing that it does not write. The error wraps [ErrVector].
func ParseVector(text string) (Vector, error) {
	inside, isOpen := strings.CutPrefix(text, "{")
	inside, isClosed := strings.CutSuffix(inside, "}")
	if !isOpen || !isClosed {
		return Vector{}, fmt.Errorf("%w: %s", ErrVector, quote(text))
	}
	var runs []Run
	for inside != "" {
		var of string
		of, inside, _ = strings.Cut(inside, " ")
		at := strings.LastIndexByte(of, ':')
		if at < 0 {
			return Vector{}, fmt.Errorf("%w: %s", ErrVector, quote(text))
		}
		node := Node(of[:at])
		if err := node.Check(); err != nil {
			return Vector{}, fmt.Errorf("%w: %w", ErrVector, err)
		}
		for run := range strings.SplitSeq(of[at+1:], ",") {
			first, last, _ := strings.Cut(run, "-")
			r := Run{Node: node}
			r.First, _ = strconv.ParseUint(first, 10, 64) // what is no number is 0, which begins no run
			r.Last, _ = strconv.ParseUint(last, 10, 64)
			runs = append(runs, r)
		}
	}
	if v, ok := VectorOf(runs); ok && v.String() == text {
		return v, nil
	}
	return Vector{}, fmt.Errorf("%w: %s", ErrVector, quote(text))
}

// MarshalText returns [Vector.String]. It is the form in JSON too: a string, so that no reader rounds a number.
func (v Vector) MarshalText() ([]byte, error) {
	for _, e := range v.entries {
		if err := e.node.Check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrVector, err)
		}
	}
	return []byte(v.String()), nil
}

// UnmarshalText is [ParseVector]. On an error v is as it was.
func (v *Vector) UnmarshalText(text []byte) error {
	parsed, err := ParseVector(string(text))
	if err == nil {
		*v = parsed
	}
	return err
}

// ErrVector is returned by [ParseVector] and [Vector.DecodeMsgpack] for what isn't a vector in the one form that a vector has
// there, and where a vector of something that can't be a node is to be written.
var ErrVector = errors.New("not a vector")

// EncodeMsgpack writes v as an array with one array for each node, by spelling: the node, then the first and the last
// number of each run, ascending: [["eu", 1, 3], ["us", 1, 2, 5, 5]]. Equal vectors have equal bytes.
func (v Vector) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := e.EncodeArrayLen(len(v.entries)); err != nil {
		return err
	}
	for _, en := range v.entries {
		if err := en.encode(e); err != nil {
			return err
		}
	}
	return nil
}

func (en entry) encode(e *msgpack.Encoder) error {
	if err := en.node.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrVector, err)
	}
	if err := e.EncodeArrayLen(1 + 2*len(en.runs)); err != nil {
		return err
	}
	if err := e.EncodeString(string(en.node)); err != nil {
		return err
	}
	for _, r := range en.runs {
		if err := e.EncodeUint(r.First); err != nil {
			return err
		}
		if err := e.EncodeUint(r.Last); err != nil {
			return err
		}
	}
	return nil
}

// DecodeMsgpack reads the array that [Vector.EncodeMsgpack] writes, whatever forms of msgpack its lengths and numbers have:
// nodes and runs out of order, twice, empty or touching are refused. Memory grows with the bytes read, whatever lengths they
// declare. On an error, which wraps [ErrVector], v is as it was.
func (v *Vector) DecodeMsgpack(d *msgpack.Decoder) error {
	n, err := d.DecodeArrayLen()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrVector, err)
	}
	if n < 0 {
		return fmt.Errorf("%w: nil", ErrVector)
	}
	var read []entry
	for range n {
		en, err := decodeEntry(d)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrVector, err)
		}
		if len(read) > 0 && read[len(read)-1].node >= en.node {
			return fmt.Errorf("%w: node %q is not in order", ErrVector, string(en.node))
		}
		read = append(read, en)
	}
	v.entries = read
	return nil
}

func decodeEntry(d *msgpack.Decoder) (entry, error) {
	var en entry
	n, err := d.DecodeArrayLen()
	if err != nil {
		return entry{}, err
	}
	if n < 3 || n%2 == 0 {
		return entry{}, fmt.Errorf("an entry of %d fields", n)
	}
	if en.node, err = decodeNode(d); err != nil {
		return entry{}, err
	}
	if err := en.node.Check(); err != nil {
		return entry{}, err
	}
	after := uint64(0) // the number after which the next run may start
	for range n / 2 {
		first, err := decodeUint(d)
		if err != nil {
			return entry{}, err
		}
		last, err := decodeUint(d)
		if err != nil {
			return entry{}, err
		}
		if first <= after || first > last || len(en.runs) > 0 && first == after+1 {
			return entry{}, fmt.Errorf("run %s after %d", Range{first, last}, after)
		}
		en.runs = append(en.runs, Range{first, last})
		after = last
	}
	return en, nil
}
