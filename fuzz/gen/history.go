package gen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/leanovate/gopter"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// History is what some nodes wrote, in an order in which it can have happened: what a write has seen stands before it. It is
// only to be read.
type History struct {
	Nodes clock.Nodes

	// Ops are complete: each has a dot and an id, and has seen exactly what its writer had, on any key.
	//
	// Invariant: what was seen is closed: with a write it holds all that this write had seen.
	Ops []merge.Op

	// Network is what happens to the writes on their way; see [History.Arrivals].
	Network Network

	plan plan // what it was built from
}

// Shape says which histories to generate. The zero Shape is a good start.
type Shape struct {
	// Nodes are the writers. Nil means those that the table declares; a, b and c if it declares none.
	Nodes clock.Nodes

	// Writes is how many writes a history has at most. Zero means 12.
	Writes int

	// Keys are the keys to write. Nil means two for each KEY of the table, with 1 and 2 in place of the star.
	Keys []string

	// InStep says that clocks are never behind what their node has seen, so that no write loses to one that it had seen.
	// False lets them stand, jump and go back as they like.
	InStep bool

	// Value returns what to write to a field: one of eight values, the simplest for n = 0. Of a counter it is an increment
	// and of a set an element. Nil means small values that suit the rule.
	Value func(rule *merge.Rule, field string, n int) value.Value
}

var threeNodes = clock.Nodes{"a", "b", "c"}

// Histories generates values of type [History] under a table: its keys and fields, and of each rule all kinds of writes that
// suit it, with deletes, with before-images where the rule needs them, with stamps that often tie; and of a network as
// [Networks] are. They shrink to fewer and simpler writes, which keep what is left of the things they had seen, and to a
// better network. A table none of whose lines matches the keys of the
// shape is a mistake, and panics.
func Histories(table *merge.Table, shape Shape) gopter.Gen {
	shape.Nodes = firstOf(shape.Nodes, table.Nodes, threeNodes)
	subjects := subjectsOf(table, shape.Keys)
	build := func(p plan) History {
		w := writers{table: table, shape: shape, seen: make([]clock.Vector, len(shape.Nodes)), latest: make([]int64, len(shape.Nodes))}
		for i := range p[writing] {
			w.write(subjects, &reader{row: &p[writing][i]})
		}
		return History{Nodes: shape.Nodes, Ops: w.ops, Network: network(p, len(w.ops)), plan: p}
	}
	return built([2]int{cmp.Or(shape.Writes, 12), mostFaults}, build, func(h History) plan { return h.plan })
}

func firstOf(orders ...clock.Nodes) clock.Nodes {
	return orders[slices.IndexFunc(orders, func(n clock.Nodes) bool { return len(n) > 0 })]
}

// writers are the nodes while a history happens.
type writers struct {
	table  *merge.Table
	shape  Shape
	seen   []clock.Vector
	latest []int64 // of each node, the latest millisecond that it has seen
	ops    []merge.Op
}

// write lets one node hear of another, or not, and then write.
func (w *writers) write(subjects []subject, r *reader) {
	s := &subjects[r.pick(len(subjects))]
	c := &s.cells[r.pick(len(s.cells))]
	node := r.pick(len(w.shape.Nodes))
	if heard := r.pick(len(w.shape.Nodes)+1) - 1; heard >= 0 {
		w.seen[node].Merge(w.seen[heard])
		w.latest[node] = max(w.latest[node], w.latest[heard])
	}
	at := w.shape.Nodes[node]
	op := merge.Op{Key: s.key, Dot: w.seen[node].Next(at), Seen: w.seen[node].Clone()}
	op.ID = op.Dot.String()
	action := c.actions[r.pick(len(c.actions))]
	op.Kind, op.Fields = action.kind, w.fields(&op, c, action, r)
	ms := int64(r.pick(4))
	if w.shape.InStep {
		ms += w.latest[node] + 1
		w.latest[node] = ms
	}
	op.Stamp = lww.Stamp{
		Version: []uint64{0, 0, 0, 1, 2}[r.pick(5)],
		Time:    clock.Timestamp{Wall: noon + ms*millisecond},
		Node:    at,
	}
	r.end()
	w.ops = append(w.ops, op)
	w.seen[node].Add(op.Dot)
}

// fields returns what an action on a cell writes.
func (w *writers) fields(op *merge.Op, c *cell, a action, r *reader) (fields []merge.Field) {
	if a.whole {
		return nil
	}
	if a.kind == merge.Delete {
		return []merge.Field{{Name: c.fields[0]}} // a delete names one field
	}
	n := r.pick(c.choices(w.shape.Value))
	for i, name := range c.fields {
		// Fields of one cell get different values, so that a mix of two writes shows.
		f := merge.Field{Name: name, Value: c.value(w.shape.Value, name, n+i)}
		if a.image {
			f.Before = w.read(op, name)
			f.Value = c.after(f.Before, f.Value)
			f.Before = cmp.Or(f.Before, value.Null)
		}
		fields = append(fields, f)
	}
	return fields
}

// read returns what the writer of an op reads in a field before it writes.
func (w *writers) read(op *merge.Op, field string) value.Value {
	s := merge.NewState(w.table)
	for _, earlier := range w.ops {
		if op.Seen.Has(earlier.Dot) {
			if _, err := s.Apply(earlier); err != nil {
				panic(err) // every op has a key and a dot
			}
		}
	}
	return s.Get(op.Key, field)
}

// after returns a value after an increment, or after an element was put in or, if it was there, taken out.
func (c *cell) after(before, change value.Value) value.Value {
	if c.rule.Name == "counter" {
		sum, _ := before.Decimal()
		by, _ := change.Decimal()
		return value.Number(sum.Add(by))
	}
	var elements []value.Value
	for e := range before.Elements() {
		elements = append(elements, e)
	}
	if i := slices.Index(elements, change); i >= 0 && c.rule.Name != "grow-only" {
		return value.Array(slices.Delete(elements, i, i+1)...)
	}
	return value.Array(append(elements, change)...)
}

// value returns the n-th of the values for a field.
func (c *cell) value(own func(*merge.Rule, string, int) value.Value, field string, n int) value.Value {
	if own != nil {
		return own(c.rule, field, n%8)
	}
	switch c.rule.Name {
	case "counter":
		tenth, _ := crdt.ParseDecimal("0.1")
		return value.Number([]crdt.Decimal{crdt.DecimalOf(1), crdt.DecimalOf(2), crdt.DecimalOf(-1), tenth}[n%4])
	case "grow-only", "add-wins", "remove-wins":
		return value.Text([]string{"x", "y", "z", "u"}[n%4])
	case "enable-wins", "disable-wins":
		return value.Bool(n%2 == 0)
	case "union":
		return value.Array(value.Int(int64(n % 4)))
	case "prefer":
		return append(c.preferred, value.Text("other"))[n%(len(c.preferred)+1)]
	}
	return value.Int(int64(n % 4))
}

// choices returns how many values there are for the cell.
func (c *cell) choices(own func(*merge.Rule, string, int) value.Value) int {
	if own != nil {
		return 8
	}
	return max(4, len(c.preferred)+1)
}

// Arrivals returns what arrives at which of some replicas, in order, through the history's network. The first replicas are
// those of the nodes, and make their writes; there may be more that only read, or fewer.
func (h History) Arrivals(replicas int) []Arrival {
	writers := make([]int, len(h.Ops))
	for i := range h.Ops {
		writers[i] = h.Nodes.Rank(h.Ops[i].Dot.Node) - 1
	}
	return h.Network.Arrivals(writers, replicas)
}

// String returns the network in words and the history in the native format. Do not depend on this text.
func (h History) String() string { return h.Network.String() + ":\n" + h.Lines() }

// Lines returns the history in the native format, one write a line: what the command reads.
func (h History) Lines() string {
	var text strings.Builder
	w := history.NewWriter(&text, history.Native)
	for i := range h.Ops {
		op := &h.Ops[i]
		rec := history.Record{Key: op.Key, Op: op.Kind, Node: op.Stamp.Node, Version: op.Stamp.Version, Time: op.Stamp.Time,
			Precision: history.Millisecond, ID: op.ID, Knows: true}
		for _, f := range op.Fields {
			rec.Fields = append(rec.Fields, history.Field(f))
		}
		for node, run := range op.Seen.Runs() {
			rec.SeenUp = append(rec.SeenUp, clock.Dot{Node: node, Seq: run.Last}) // what was seen of a node has no holes
		}
		if err := w.Write(&rec); err != nil {
			panic(fmt.Sprintf("gen: %v can't be written: %v", op, err)) // a value of Shape.Value that is none
		}
	}
	if err := w.Close(); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	return text.String()
}
