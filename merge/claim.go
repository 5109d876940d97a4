package merge

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Claim is what one operation asks of one cell: a field, or the fields that a rule decides together.
type Claim struct {
	Op     *Op
	Rule   *Rule
	Cell   string // the cell's name, as [Rule.Cell] gives it
	Kind   Kind
	Value  value.Value // of fields decided together: an object of them
	Before value.Value // absent when not recorded

	// Partial says that the op did not write all of the fields that the rule names to be decided together.
	Partial bool

	ordered *clock.Vector // room for what its writer had seen, when that is applied: see [State.Ordered]
}

// WholeDelete reports whether op deletes the whole record. It then makes a claim on every cell of its key, those
// included that later operations will make: see [Table.Delete]. It makes no cell itself, that of the record as a whole ("")
// not either: a key that nothing but deletes of the record came to has no cells and shows nothing, under any rule.
func (op *Op) WholeDelete() bool { return op.Kind == Delete && len(op.Fields) == 0 }

// Claims appends to claims what op asks of each cell, in the order of its fields, and returns them. A field that
// equals its before-image in an op of several fields makes no claim: it is there to complete the row. Deletes of the
// whole record have no claims here.
func (t *Table) Claims(op *Op, claims []Claim) []Claim {
	first := len(claims)
fields:
	for i := range op.Fields {
		f := &op.Fields[i]
		rule := t.ruleAfter(claims, op.Key, f.Name)
		if !rule.Together {
			if !f.unchanged(op) {
				claims = append(claims, Claim{Op: op, Rule: rule, Cell: f.Name, Kind: op.Kind, Value: f.Value, Before: f.Before})
			}
			continue
		}
		for _, c := range claims[first:] {
			if c.Rule == rule {
				continue fields // made with the first of its fields
			}
		}
		if c, changed := t.group(op, rule); changed {
			claims = append(claims, c)
		}
	}
	return claims
}

// ruleAfter is [Table.Rule], which it need not ask when the last of the claims is on the same cell.
func (t *Table) ruleAfter(claims []Claim, key, field string) *Rule {
	if n := len(claims); n > 0 {
		if c := &claims[n-1]; c.Cell == field && !c.Rule.Together && c.Op.Key == key && c.Rule.table == t {
			return c.Rule
		}
	}
	return t.Rule(key, field)
}

// group makes the one claim on fields that are decided together.
func (t *Table) group(op *Op, rule *Rule) (c Claim, changed bool) {
	c = Claim{Op: op, Rule: rule, Cell: rule.cell, Kind: op.Kind}
	var few [2][8]value.Member
	now, before := few[0][:0], few[1][:0]
	for _, f := range op.Fields {
		if t.Rule(op.Key, f.Name) != rule {
			continue
		}
		changed = changed || !f.unchanged(op)
		if f.Name == "" { // the whole record is the group
			c.Value, c.Before = f.Value, f.Before
			return c, changed
		}
		if op.Kind == Delete {
			f.Value = value.Null
		}
		now = append(now, value.Member{Name: f.Name, Value: f.Value})
		if !f.Before.IsAbsent() {
			before = append(before, value.Member{Name: f.Name, Value: f.Before})
		}
	}
	c.Kind = Set // deleting some of the fields writes the group without them
	c.Value = value.Object(now...)
	if len(before) == len(now) {
		c.Before = value.Object(before...)
	}
	for _, f := range rule.fields {
		if f.kind == literal && !writes(now, f.text) {
			c.Partial = true
		}
	}
	return c, changed
}

// writes reports whether a field is a member of the object that members make.
func writes(members []value.Member, field string) bool {
	for _, m := range slices.Backward(members) {
		if m.Name == field {
			return !m.Value.IsAbsent()
		}
	}
	return false
}

// Delete returns the claim that a delete of the whole record makes on one cell.
func (t *Table) Delete(op *Op, rule *Rule, cell string) Claim {
	return Claim{Op: op, Rule: rule, Cell: cell, Kind: Delete}
}

// Write returns what the cell of a rule that selects keeps when it keeps the claim: see [Rule.Selects].
func (c *Claim) Write() Write {
	return Write{
		Register: lww.Register[value.Value]{Stamp: c.Op.Stamp, Deleted: c.Kind == Delete, Value: c.Value},
		ID:       c.Op.ID,
		Dot:      c.Op.Dot,
	}
}
