package merge

import (
	"cmp"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/ordered"
)

// record is the state of one key.
type record struct {
	rules *keyRules
	cells ordered.List[namedCell] // ascending by namedCell.compare

	// Deletes of the whole record that were applied. They are claims on every cell, those included that an operation yet
	// to come will make. One that another delete does all the work of is left out. Nil if there are none: few records have any.
	//
	// Invariant: ascending by compareDeletes; each was applied to every cell.
	deletes *ordered.List[Op]

	// What the deletes had seen, and those that are dropped since. Nil until there are many.
	hadSeen *clock.Vector

	settled *clock.Vector // the horizon at which it was settled last, nil if it never was; nobody changes what it points to
}

type namedCell struct {
	name string
	cell Cell
}

// cell returns the cell of a claim, and whether it is new. A new cell starts with the deletes of the whole record, and is not settled.
func (k *record) cell(t *Table, c *Claim) (cell *Cell, isNew bool) {
	at, known := k.find(c.Cell, c.Rule)
	if known != nil {
		return known, false
	}
	k.cells.Grow(1) // and more: it is large, and others follow
	cell = &k.cells.Insert(at, namedCell{c.Cell, c.Rule.NewCell()}).cell
	for d := range k.deletes.All {
		claim := t.Delete(d, c.Rule, c.Cell)
		cell.Apply(&claim)
	}
	return cell, true
}

// find returns the place of a cell, or the one that it would have, and the cell if it is there. The rule may be of another table that
// decides alike.
func (k *record) find(name string, rule *Rule) (ordered.Place, *Cell) {
	at := k.cells.Search(func(c *namedCell) bool { return c.compare(name, rule) < 0 })
	if c := k.cells.At(at); c != nil && c.compare(name, rule) == 0 {
		return at, &c.cell
	}
	return at, nil
}

// compare orders the cells of a record by name, and those of one name by rule, in the order of the table.
func (c *namedCell) compare(name string, rule *Rule) int {
	return cmp.Or(cmp.Compare(c.name, name), cmp.Compare(c.cell.rule.index, rule.index))
}

// merge takes everything that was applied to from into k. The cells of from may be of another table that decides alike.
func (k *record) merge(t *Table, from *record) (changed bool) {
	for c := range from.cells.All {
		rule := c.cell.rule
		if rule.table != t {
			rule = t.Rules[rule.Index()]
		}
		cell, isNew := k.cell(t, &Claim{Rule: rule, Cell: c.name})
		if cell.Merge(c.cell) || isNew {
			changed = true
		}
		k.settleCell(cell)
	}
	if news := k.remember(from.deletes); news.Len() > 0 {
		changed = true
		for c := range k.cells.All {
			if _, theirs := from.find(c.name, c.cell.rule); theirs != nil {
				continue // it brought them along, or has settled them
			}
			for d := range news.All {
				claim := t.Delete(d, c.cell.rule, c.name)
				c.cell.Apply(&claim)
			}
			k.settleCell(&c.cell)
		}
	}
	return changed
}

// remember keeps deletes of the whole record for the cells to come, and returns those that are news.
func (k *record) remember(deletes *ordered.List[Op]) (news ordered.List[Op]) {
	for d := range deletes.All {
		op := *d
		op.Key, op.Fields = "", nil
		if !k.rules.dots {
			op.Seen = clock.Vector{}
		}
		if !k.isCovered(&op) {
			op.Seen = op.Seen.Clone() // the caller's own
			news.Push(op)
		}
	}
	if news.Len() == 0 {
		return news
	}
	if k.deletes == nil {
		k.deletes = new(ordered.List[Op])
	}
	for d := range news.All {
		k.askOfSeen(d, func(o *Op) bool { return k.rules.covers(d, o) })
	}
	for d := range news.All {
		at, _ := k.findDelete(d)
		k.deletes.Insert(at, *d)
		if k.hadSeen != nil {
			k.hadSeen.Merge(d.Seen)
		}
	}
	if k.rules.dots {
		k.forgetSettled()
	} else { // then it is their claim alone that matters
		k.forget(func(*Op) bool { return true })
	}
	dropDeletes(&news, func(d *Op) bool {
		_, found := k.findDelete(d)
		return !found
	})
	return news
}

// isCovered reports whether one of the deletes does all the work of another.
func (k *record) isCovered(op *Op) (covered bool) {
	if k.deletes.Len() == 0 {
		return false
	}
	if _, covered = k.findDelete(op); !covered { // mostly, where it comes again
		k.askOfSeers(op, func(d *Op) bool {
			covered = covered || k.rules.covers(d, op)
			return false
		})
	}
	return covered
}

// fewDeletes is up to how many are asked one by one.
const fewDeletes = 8

// askOfSeers removes the deletes for which goes is true. It asks that of all which may cover another: of those of its dot alone, where
// dots count and none of the others had seen it.
func (k *record) askOfSeers(op *Op, goes func(*Op) bool) {
	if k.deletes.Len() > fewDeletes && k.rules.dots && !op.Dot.IsZero() {
		if k.hadSeen == nil {
			k.hadSeen = new(clock.Vector)
			for d := range k.deletes.All {
				k.hadSeen.Merge(d.Seen)
			}
		}
		if !k.hadSeen.Has(op.Dot) {
			dropBetween(k.deletes, op.Dot, op.Dot, goes)
			return
		}
	}
	dropDeletes(k.deletes, goes)
}

// askOfSeen does so, and asks it of all that another may cover: where dots count, of those that it had seen, those of its dot, and those
// that have none.
func (k *record) askOfSeen(op *Op, goes func(*Op) bool) {
	if !k.rules.dots || k.deletes.Len() <= fewDeletes {
		dropDeletes(k.deletes, goes)
		return
	}
	dropBetween(k.deletes, clock.Dot{}, clock.Dot{}, goes)
	dropBetween(k.deletes, op.Dot, op.Dot, goes)
	for node, run := range op.Seen.Runs() {
		dropBetween(k.deletes, clock.Dot{Node: node, Seq: run.First}, clock.Dot{Node: node, Seq: run.Last}, goes)
	}
}

// dropDeletes removes the deletes for which goes is true. It asks of each once, in their order.
func dropDeletes(deletes *ordered.List[Op], goes func(*Op) bool) {
	deletes.Delete(ordered.Place{}, func(*Op) bool { return true }, goes)
}

// dropBetween is dropDeletes of those from one dot to another.
func dropBetween(deletes *ordered.List[Op], first, last clock.Dot, goes func(*Op) bool) {
	from := deletes.Search(func(d *Op) bool { return d.Dot.Compare(first) < 0 })
	deletes.Delete(from, func(d *Op) bool { return d.Dot.Compare(last) <= 0 }, goes)
}

// findDelete returns the place of a delete, or the one that it would have, and whether it is there.
func (k *record) findDelete(op *Op) (at ordered.Place, found bool) {
	at = k.deletes.Search(func(d *Op) bool { return compareDeletes(d, op) < 0 })
	d := k.deletes.At(at)
	return at, d != nil && compareDeletes(d, op) == 0
}

// forget drops the deletes that are done with, but for those of the greatest claims: a cell yet to come may be written
// with a lesser claim, even if its writer had seen them.
func (k *record) forget(done func(*Op) bool) {
	if k.deletes.Len() < 2 {
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
	i := -1
	dropDeletes(k.deletes, func(d *Op) bool {
		i++
		return !greatest[i] && done(d)
	})
}

// greatest returns which of the deletes is the greatest by an order, counted from 0, the last of equals.
func (k *record) greatest(compare func(a, b *Op) int) (at int) {
	i, most := 0, k.deletes.First()
	for d := range k.deletes.All {
		if compare(d, most) >= 0 {
			at, most = i, d
		}
		i++
	}
	return at
}
