package merge

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// State is the merged state of many keys under one table: what a service embeds. It is a function of the set of
// operations that were applied, so replicas that have seen the same ones are equal. One goroutine at a time may use a
// State.
type State struct {
	table *Table
	keys  map[string]*record
}

// record is the state of one key.
type record struct {
	cells []namedCell // by name

	// Deletes of the whole record that were applied. They are claims on every cell, those included that an operation yet
	// to come will make. One that another delete does all the work of is left out.
	deletes []Op
}

type namedCell struct {
	name string
	cell Cell
}

// NewState returns the empty state under a table.
func NewState(table *Table) *State {
	return &State{table: table, keys: make(map[string]*record)}
}

// Table returns the table of the state.
func (s *State) Table() *Table { return s.table }

// The errors of [State.Apply] and [State.Merge]. They wrap these.
var (
	ErrNoKey    = errors.New("an operation needs a key")
	ErrNoDot    = errors.New("the rule needs operations that have a dot")
	ErrMismatch = errors.New("two rule tables")
)

// Apply takes an operation into the state and returns what became of it, field by field: one verdict for each cell it
// makes a claim on, so none for the delete of a record that has no fields yet. Applying it again changes nothing. An operation that is refused with an error has changed nothing.
func (s *State) Apply(op Op) ([]Verdict, error) {
	if op.Key == "" {
		return nil, ErrNoKey
	}
	claims := s.table.Claims(&op, nil)
	k := s.keys[op.Key]
	if op.WholeDelete() && k != nil {
		for _, c := range k.cells {
			claims = append(claims, s.table.Delete(&op, c.cell.rule, c.name))
		}
	}
	for _, c := range claims {
		if c.Rule.NeedsDots() && op.Dot.IsZero() {
			return nil, fmt.Errorf("apply %s of %q: %w: %s", op.Kind, op.Key, ErrNoDot, c.Rule)
		}
	}
	if k == nil {
		k = &record{}
		s.keys[op.Key] = k
	}
	verdicts := make([]Verdict, len(claims))
	for i := range claims {
		cell := k.cell(s.table, &claims[i])
		cell.Apply(&claims[i])
		verdicts[i] = cell.Judge(&claims[i])
	}
	if op.WholeDelete() {
		k.remember(s.table, op)
	}
	return verdicts, nil
}

// cell returns the cell of a claim. A new cell starts with the deletes of the whole record.
func (k *record) cell(t *Table, c *Claim) *Cell {
	at, found := k.find(c.Cell, c.Rule)
	if !found {
		fresh := c.Rule.NewCell()
		for i := range k.deletes {
			claim := t.Delete(&k.deletes[i], c.Rule, c.Cell)
			fresh.Apply(&claim)
		}
		k.cells = slices.Insert(k.cells, at, namedCell{c.Cell, fresh})
	}
	return &k.cells[at].cell
}

func (k *record) find(name string, rule *Rule) (int, bool) {
	return slices.BinarySearchFunc(k.cells, name, func(c namedCell, name string) int {
		return cmp.Or(cmp.Compare(c.name, name), cmp.Compare(c.cell.rule.Line, rule.Line))
	})
}

// remember keeps a delete of the whole record for the cells to come.
func (k *record) remember(t *Table, op Op) {
	// A delete does the work of another one when it has seen it and has the greater stamp, unless a rule of the table
	// prefers lower stamps, or some nodes.
	prefers := slices.ContainsFunc(t.Rules, func(r *Rule) bool { return r.id == isFWW || r.id == isPreferNode })
	covers := func(a, b *Op) bool {
		if a.Stamp == b.Stamp && a.Dot == b.Dot {
			return true
		}
		order, _ := t.Ladder.Compare(a.Stamp, b.Stamp)
		return !prefers && order >= 0 && a.Seen.Has(b.Dot) && a.Seen.Covers(b.Seen)
	}
	for i := range k.deletes {
		if covers(&k.deletes[i], &op) {
			return
		}
	}
	k.deletes = slices.DeleteFunc(k.deletes, func(d Op) bool { return covers(&op, &d) })
	k.deletes = append(k.deletes, op)
	slices.SortFunc(k.deletes, func(a, b Op) int {
		return cmp.Or(a.Dot.Compare(b.Dot), a.Stamp.Time.Compare(b.Stamp.Time), cmp.Compare(a.Stamp.Version, b.Stamp.Version), cmp.Compare(a.Stamp.Node, b.Stamp.Node))
	})
}

// Get returns what a field of a key shows to readers, absent when there is nothing. The field of a key whose value is the
// whole record is "".
func (s *State) Get(key, field string) value.Value {
	k := s.keys[key]
	if k == nil {
		return ""
	}
	rule := s.table.Rule(key, field)
	at, found := k.find(rule.Cell(field), rule)
	if !found {
		return ""
	}
	v := k.cells[at].cell.Value()
	if rule.Together && field != "" {
		return v.Get(field)
	}
	return v
}

// Merge takes everything that was applied to other into s and leaves other alone. The error wraps [ErrMismatch] when the
// tables decide differently: then nothing is merged.
func (s *State) Merge(other *State) error {
	if mine, theirs := s.table.Fingerprint(), other.table.Fingerprint(); mine != theirs {
		return fmt.Errorf("merge: %w: %s here, %s there", ErrMismatch, mine, theirs)
	}
	for name, from := range other.keys {
		k := s.keys[name]
		if k == nil {
			k = &record{}
			s.keys[name] = k
		}
		for _, c := range from.cells {
			rule := s.table.Rules[c.cell.rule.Index()]
			k.cell(s.table, &Claim{Rule: rule, Cell: c.name}).Merge(c.cell)
		}
		for _, d := range from.deletes {
			for i := range k.cells {
				c := &k.cells[i]
				claim := s.table.Delete(&d, c.cell.rule, c.name)
				c.cell.Apply(&claim)
			}
			k.remember(s.table, d)
		}
	}
	return nil
}

// Cells yields every cell, by key and name.
func (s *State) Cells() iter.Seq2[string, NamedCell] {
	return func(yield func(string, NamedCell) bool) {
		for _, key := range slices.Sorted(maps.Keys(s.keys)) {
			for i := range s.keys[key].cells {
				c := &s.keys[key].cells[i]
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
