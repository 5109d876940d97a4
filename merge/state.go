package merge

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/ordered"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// State is the merged state of many keys under one table: what a service embeds. It is a function of the set of
// operations that were applied, so replicas that have seen the same ones are equal. One goroutine at a time may use a
// State.
type State struct {
	// Ordered says that each operation is applied after all those that it has seen, as a log delivers them. Then a set need
	// not remember, element by element, what has been replaced and is yet to arrive, which costs time and memory. It shows
	// the same with and without; to be equal to the byte, all replicas have it or none. It is set before first use.
	//
	// HAZARD: what comes after an operation that had seen it is taken for applied already: an element that it adds does not
	// appear.
	Ordered bool

	table *Table
	keys  map[string]*record
	order []string // the keys, as they came

	settled *clock.Vector // the horizon at which keys were settled last, which those to come are settled at too

	rules    map[string]*keyRules // by the places of the lines that match the key
	matching []int                // room for these places
	places   []byte               // and for their bytes
	buffer   []byte               // room for the bytes of a record
	claims   []Claim              // room for those of an operation
	seen     clock.Vector         // room for what its writer had seen
}

// NewState returns the empty state under a table.
func NewState(table *Table) *State {
	return &State{table: table, keys: make(map[string]*record), rules: make(map[string]*keyRules)}
}

// Table returns the table of the state.
func (s *State) Table() *Table { return s.table }

// The errors of [State.Apply], [State.Merge] and [State.MergeRecord]. They wrap these.
var (
	ErrNoKey    = errors.New("an operation needs a key")
	ErrNoDot    = errors.New("the rule needs operations that have a dot")
	ErrMismatch = errors.New("two rule tables")
)

// Apply takes an operation into the state and returns what became of it, field by field: one verdict for each cell it
// makes a claim on, so none for the delete of a record that has no cells yet, which makes none: see [Op.WholeDelete]. Applying it again
// changes nothing. An operation that is refused with an error has changed nothing.
func (s *State) Apply(op Op) ([]Verdict, error) {
	verdicts, _, err := s.Take(&op, nil, nil)
	return verdicts, err
}

// Take is [State.Apply] for those who apply many: it appends to verdicts, and to before what the cell of each verdict kept
// until then, the zero Write where it kept none or several. With an error both are as they were. It keeps neither op nor its
// fields, but texts of it.
func (s *State) Take(op *Op, verdicts []Verdict, before []Write) ([]Verdict, []Write, error) {
	if op.Key == "" {
		return verdicts, before, ErrNoKey
	}
	claims := s.table.Claims(op, s.claims[:0])
	defer func() {
		clear(claims)
		s.claims = claims
	}()
	k := s.keys[op.Key]
	if op.WholeDelete() && k != nil {
		for c := range k.cells.All {
			claims = append(claims, s.table.Delete(op, c.cell.rule, c.name))
		}
	}
	if op.Dot.Seq > MaxSeq {
		return verdicts, before, fmt.Errorf("apply %s of %q: %w: its number is above %d", op.Kind, op.Key, clock.ErrDot, uint64(MaxSeq))
	}
	for i := range claims {
		if c := &claims[i]; c.Rule.NeedsDots() && op.Dot.IsZero() {
			return verdicts, before, fmt.Errorf("apply %s of %q: %w: %s", op.Kind, op.Key, ErrNoDot, c.Rule)
		}
	}
	if k == nil {
		if len(claims) == 0 && !op.WholeDelete() {
			return verdicts, before, nil
		}
		k = s.begin(op.Key, len(claims))
	}
	for i := range claims {
		if s.Ordered {
			claims[i].ordered = &s.seen
		}
		cell, isNew := k.cell(s.table, &claims[i])
		was, _ := cell.Write()
		cell.Apply(&claims[i])
		if isNew {
			k.settleCell(cell) // as the cells were that it comes to
		}
		verdicts = append(verdicts, cell.Judge(&claims[i]))
		before = append(before, was)
	}
	if op.WholeDelete() {
		one := ordered.Of([]Op{*op})
		k.remember(&one)
	}
	return verdicts, before, nil
}

// begin makes the record of a new key, with room for so many cells.
func (s *State) begin(key string, cells int) *record {
	k := s.add(key, &record{rules: s.rulesOf(key), settled: s.settled})
	k.cells.Grow(cells)
	return k
}

// add puts the record of a new key into s.
func (s *State) add(key string, k *record) *record {
	s.keys[key] = k
	s.order = append(s.order, key)
	return k
}

// Len returns the number of keys of which something is known, deleted ones included.
func (s *State) Len() int { return len(s.keys) }

// Keys returns up to n keys from a place on, counted from 0, in the order in which they came into this state. No key ever
// moves or goes away, so whoever goes through them in pieces, while others come at the end, misses none and meets none
// twice:
//
//	for at := 0; at < s.Len(); at += n {
//		for _, key := range s.Keys(at, n) {
//			...
//		}
//	}
//
// The order is that of this state alone. The slice is shared: do not change it.
func (s *State) Keys(from, n int) []string {
	from = min(max(from, 0), len(s.order))
	return s.order[from:min(from+max(n, 0), len(s.order))]
}

// Get returns what a field of a key shows to readers, absent when there is nothing: when no operation named the field, whatever deletes
// of the record there were, and when its cell shows nothing, as [Cell.Value] says. The field of a key whose value is the whole
// record is "".
func (s *State) Get(key, field string) value.Value {
	rule := s.table.Rule(key, field)
	cell := s.Cell(key, rule.Cell(field), rule)
	if cell == nil {
		return ""
	}
	v := cell.Value()
	if rule.Together && field != "" {
		return v.Get(field)
	}
	return v
}

// Cell returns the cell of a key that has a name, as [Rule.Cell] gives it, and a rule; nil when there is none.
func (s *State) Cell(key, name string, rule *Rule) *Cell {
	k := s.keys[key]
	if k == nil {
		return nil
	}
	_, cell := k.find(name, rule)
	return cell
}

// Merge takes everything that was applied to other into s and leaves other alone. The error wraps [ErrMismatch] when the
// tables decide differently: then nothing is merged.
func (s *State) Merge(other *State) error {
	if mine, theirs := s.table.Fingerprint(), other.table.Fingerprint(); mine != theirs {
		return fmt.Errorf("merge: %w: %s here, %s there", ErrMismatch, mine, theirs)
	}
	for _, name := range other.order {
		k := s.keys[name]
		if k == nil {
			k = s.begin(name, other.keys[name].cells.Len())
		}
		k.merge(s.table, other.keys[name])
	}
	return nil
}

// Carry takes what is known of a key over from a state under another table, if the two decide alike for it: the lines that
// match the key are the same, and so is the ladder, and the nodes that the other one declares stand in the same order here.
// Nothing may be known of the key here. It returns false, and does nothing, where they decide otherwise: then the operations
// must be applied anew. The two states share memory afterwards, and only one may be used.
func (s *State) Carry(from *State, key string) bool {
	k, mine := from.keys[key], s.rulesOf(key)
	if k == nil || s.keys[key] != nil || mine.lines != k.rules.lines || !sameOrder(from.table.Nodes, s.table.Nodes) {
		return false
	}
	carried := &record{rules: mine, deletes: k.deletes, cells: k.cells.Clone(), settled: k.settled}
	for c := range carried.cells.All {
		c.cell.rule = mine.rules[slices.Index(k.rules.rules, c.cell.rule)]
	}
	s.add(key, carried)
	return true
}

// sameOrder reports whether more declares all of nodes, in their order.
func sameOrder(nodes, more clock.Nodes) bool {
	if (len(nodes) == 0) != (len(more) == 0) {
		return false
	}
	last := 0
	for _, n := range nodes {
		rank := more.Rank(n)
		if rank <= last {
			return false
		}
		last = rank
	}
	return true
}

// Cells yields every cell, by key and name.
func (s *State) Cells() iter.Seq2[string, NamedCell] {
	return func(yield func(string, NamedCell) bool) {
		for _, key := range slices.Sorted(maps.Keys(s.keys)) {
			for c := range s.keys[key].cells.All {
				if !yield(key, NamedCell{c.name, &c.cell}) {
					return
				}
			}
		}
	}
}

// NamedCell is a cell and its name: a field, or the fields that are decided together.
type NamedCell struct {
	Name string
	*Cell
}

// Record yields the cells of one key, by name: none of a key that nothing is known of.
func (s *State) Record(key string) iter.Seq[NamedCell] {
	return func(yield func(NamedCell) bool) {
		k := s.keys[key]
		if k == nil {
			return
		}
		k.cells.All(func(c *namedCell) bool { return yield(NamedCell{c.name, &c.cell}) })
	}
}
