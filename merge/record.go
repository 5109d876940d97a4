package merge

import (
	"cmp"
	"slices"
	"sort"

	"github.com/tiebreakhq/tiebreak/clock"
)

// record is the state of one key.
type record struct {
	rules *keyRules
	cells []namedCell // by name

	// Deletes of the whole record that were applied. They are claims on every cell, those included that an operation yet
	// to come will make. One that another delete does all the work of is left out.
	//
	// Invariant: ascending by compareDeletes; each was applied to every cell.
	deletes []Op

	settled *clock.Vector // the horizon at which it was settled last, nil if it never was; nobody changes what it points to
}

type namedCell struct {
	name string
	cell Cell
}

// cell returns the cell of a claim, and whether it is new. A new cell starts with the deletes of the whole record, and is not settled.
func (k *record) cell(t *Table, c *Claim) (cell *Cell, isNew bool) {
	at, found := k.find(c.Cell, c.Rule)
	if !found {
		fresh := c.Rule.NewCell()
		for i := range k.deletes {
			claim := t.Delete(&k.deletes[i], c.Rule, c.Cell)
			fresh.Apply(&claim)
		}
		k.cells = slices.Insert(k.cells, at, namedCell{c.Cell, fresh})
	}
	return &k.cells[at].cell, !found
}

func (k *record) find(name string, rule *Rule) (int, bool) {
	return slices.BinarySearchFunc(k.cells, name, func(c namedCell, name string) int {
		return cmp.Or(cmp.Compare(c.name, name), cmp.Compare(c.cell.rule.Line, rule.Line))
	})
}

// merge takes everything that was applied to from into k. The cells of from may be of another table that decides alike.
func (k *record) merge(t *Table, from *record) (changed bool) {
	for i := range from.cells {
		c := &from.cells[i]
		rule := c.cell.rule
		if rule.table != t {
			rule = t.Rules[rule.Index()]
		}
		cell, isNew := k.cell(t, &Claim{Rule: rule, Cell: c.name})
		if cell.Merge(c.cell) || isNew {
			changed = true
		}
	}
	news := k.remember(from.deletes...)
	for i := range k.cells {
		c := &k.cells[i]
		if len(news) == 0 || from.has(c) {
			continue // it brought them along, or has settled them
		}
		for j := range news {
			claim := t.Delete(&news[j], c.cell.rule, c.name)
			c.cell.Apply(&claim)
		}
	}
	k.settle()
	return changed || len(news) > 0
}

// has reports whether k has a cell of the same name and rule as c, which may be of another table that decides alike.
func (k *record) has(c *namedCell) bool {
	at, _ := slices.BinarySearchFunc(k.cells, c.name, func(o namedCell, name string) int { return cmp.Compare(o.name, name) })
	for ; at < len(k.cells) && k.cells[at].name == c.name; at++ {
		if k.cells[at].cell.rule.Index() == c.cell.rule.Index() {
			return true
		}
	}
	return false
}

// remember keeps deletes of the whole record for the cells to come, and returns those that are news.
func (k *record) remember(ops ...Op) (news []Op) {
	for _, op := range ops {
		op.Key, op.Fields = "", nil
		if !k.rules.dots {
			op.Seen = clock.Vector{}
		}
		if !k.isCovered(&op, k.deletes) {
			op.Seen = op.Seen.Clone() // the caller's own
			news = append(news, op)
		}
	}
	if len(news) == 0 {
		return nil
	}
	kept := k.deletes[:0]
	for i := range k.deletes {
		if d := &k.deletes[i]; !k.isCovered(d, news) {
			kept = append(kept, *d)
		}
	}
	clear(k.deletes[len(kept):])
	k.deletes = kept
	for i := range news {
		at, _ := k.findDelete(&news[i])
		k.deletes = slices.Insert(k.deletes, at, news[i])
	}
	if k.rules.dots {
		k.forgetSettled()
	} else { // then it is their claim alone that matters
		k.forget(func(*Op) bool { return true })
	}
	return slices.DeleteFunc(news, func(op Op) bool {
		_, found := k.findDelete(&op)
		return !found
	})
}

// isCovered reports whether one of some deletes does all the work of another.
func (k *record) isCovered(op *Op, by []Op) bool {
	for i := range by {
		if k.rules.covers(&by[i], op) {
			return true
		}
	}
	return false
}

// findDelete returns the place of a delete, or the one that it would have, and whether it is there.
func (k *record) findDelete(op *Op) (at int, found bool) {
	at = sort.Search(len(k.deletes), func(i int) bool { return compareDeletes(&k.deletes[i], op) >= 0 })
	return at, at < len(k.deletes) && compareDeletes(&k.deletes[at], op) == 0
}

// forget drops the deletes that are done with, but for those of the greatest claims: a cell yet to come may be written
// with a lesser claim, even if its writer had seen them.
func (k *record) forget(done func(*Op) bool) {
	if len(k.deletes) < 2 {
		return
	}
	greatest := make(map[int]bool, 3)
	for _, r := range k.rules.orders {
		greatest[k.greatest(func(a, b *Op) int {
			x, y := deleteOf(a), deleteOf(b)
			return r.compareAll(&x, &y)
		})] = true
	}
	if k.rules.times {
		greatest[k.greatest(func(a, b *Op) int { return a.Stamp.Time.Compare(b.Stamp.Time) })] = true
	}
	kept := k.deletes[:0]
	for i := range k.deletes {
		if greatest[i] || !done(&k.deletes[i]) {
			kept = append(kept, k.deletes[i])
		}
	}
	clear(k.deletes[len(kept):])
	k.deletes = kept
}

// greatest returns the place of the greatest delete by an order, the last of equals.
func (k *record) greatest(compare func(a, b *Op) int) (at int) {
	for i := range k.deletes {
		if compare(&k.deletes[i], &k.deletes[at]) >= 0 {
			at = i
		}
	}
	return at
}
