package drill

import (
	"fmt"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// view is the drill under one rule table: what each write asks of which cell, and the cells of the replicas that run the
// table. Mostly there is one; while a table is rolled out there are two.
type view struct {
	w     *world
	table *merge.Table
	print string // its fingerprint
	width int    // cells of one key and field: of all, and of each replica

	claims   []claim
	claimsOf []int32 // of each write, its first claim
	groups   []group // the values of claims on fields that are decided together
	cellKey  []int32
	cellName []string
	cellRule []*merge.Rule
	cellsOf  []int32 // of each key, its first cell
	elemCell []int32 // of each element of a set, its cell
	elems    map[int32][]int32

	// The cells stand in rooms, and at says which is whose. Number 0 is one that no write has reached. A cell of a rule that
	// selects one write is never changed: a write makes another one of it, which all replicas share that make the same step.
	at    []int32
	rooms [][]merge.Cell
	made  int32
}

// roomSize is how many cells are made at a time.
const roomSize = 1024

// claim is what one write asks of one cell: [view.claim] says it in full.
type claim struct {
	cell  int32
	elem  int32 // of a change to one element of a set: the number of cell and element; else -1
	field int32 // of the operation; else noField, or grouped less its place among the groups
	kind  merge.Kind

	// How it changes its cell: from one state to another. The fold of all is the first to find out, and whoever comes from
	// the same state gets to the same, so that it need not be folded again. To 0 is not known yet.
	from, to int32
}

const (
	noField = -1 // a delete of the whole record
	grouped = -2
)

// group is the value of a claim on fields that are decided together.
type group struct {
	value, before value.Value
	partial       bool
}

// value returns the value that a claim of a write is about.
func (v *view) value(play int32, c *claim) value.Value {
	switch {
	case c.field >= 0:
		return v.w.fields(play)[c.field].Value
	case c.field == noField:
		return ""
	}
	return v.groups[grouped-c.field].value
}

// claim returns what a claim of a write asks of its cell, until the next call.
func (v *view) claim(play int32, c *claim) *merge.Claim {
	op := v.w.op(play)
	full := &v.w.claimed
	*full = merge.Claim{Op: op, Rule: v.cellRule[c.cell], Cell: v.cellName[c.cell], Kind: c.kind}
	switch {
	case c.field >= 0:
		full.Value, full.Before = op.Fields[c.field].Value, op.Fields[c.field].Before
	case c.field != noField:
		g := &v.groups[grouped-c.field]
		full.Value, full.Before, full.Partial = g.value, g.before, g.partial
	}
	return full
}

// all is where the fold of all accepted writes is kept, beside those of the replicas.
const all = -1

// slot returns where the number stands of the cell of a replica, or of all. Those of one key and field stand side by side,
// for they are mostly wanted soon after one another.
func (v *view) slot(cell int32, of int) *int32 { return &v.at[int(cell)*v.width+1+of] }

// cell returns a cell of a replica, or of all, to be read.
func (v *view) cell(cell int32, of int) *merge.Cell { return v.number(*v.slot(cell, of)) }

func (v *view) number(n int32) *merge.Cell { return &v.rooms[n/roomSize][n%roomSize] }

// another makes room for a cell.
func (v *view) another() int32 {
	if v.made%roomSize == 0 {
		v.rooms = append(v.rooms, make([]merge.Cell, roomSize))
	}
	v.made++
	return v.made - 1
}

// clear empties the cells of a replica, or of all.
func (v *view) clear(of int) {
	for c := range v.cellKey {
		*v.slot(int32(c), of) = 0
	}
}

// apply takes a write into the cells of a replica, or of all.
func (v *view) apply(of int, play int32) {
	for i := v.claimsOf[play]; i < v.claimsOf[play+1]; i++ {
		c := &v.claims[i]
		slot := v.slot(c.cell, of)
		if c.to != 0 && c.from == *slot {
			*slot = c.to
			continue
		}
		rule := v.cellRule[c.cell]
		if rule.NeedsDots() { // a state of its own, that grows
			if *slot == 0 {
				*slot = v.another()
				*v.number(*slot) = rule.NewCell()
			}
			v.number(*slot).Apply(v.claim(play, c))
			continue
		}
		n := v.another()
		cell := v.number(n)
		if *slot == 0 {
			*cell = rule.NewCell()
		} else {
			*cell = *v.number(*slot)
		}
		cell.Apply(v.claim(play, c))
		if c.to == 0 {
			c.from, c.to = *slot, n
		}
		*slot = n
	}
}

// apart counts the cells that differ between replicas that run the table.
func (v *view) apart(replicas []*replica) int64 {
	var first *replica
	n := int64(0)
	for c := range v.cellKey {
		for _, r := range replicas {
			switch {
			case r.view != v:
				continue
			case first == nil:
				first = r
			}
			a, b := *v.slot(int32(c), r.index), *v.slot(int32(c), first.index)
			if a != b && !equal(v.number(a), v.number(b)) {
				n++
				break
			}
		}
	}
	return n
}

// equal compares two cells; one that no write has reached is equal to its like alone.
func equal(a, b *merge.Cell) bool {
	if a.Rule() == nil || b.Rule() == nil {
		return a.Rule() == b.Rule()
	}
	return a.Equal(*b)
}

// viewOf returns the view of a table: of tables with one fingerprint there is one, so that replicas under either mix.
func (w *world) viewOf(t *merge.Table) *view {
	print := t.Fingerprint()
	for _, r := range w.replicas {
		if r.view != nil && r.view.print == print {
			return r.view
		}
	}
	v := &view{w: w, table: t, print: print, width: len(w.replicas) + 1}
	v.another() // the one that no write has reached
	if !w.light {
		w.claim(v)
	}
	return v
}

// claim makes the claims of all writes under the table of a view.
func (w *world) claim(v *view) {
	t := v.table
	n := len(w.plays)
	v.cellsOf = make([]int32, len(w.t.keys)+1)
	v.elems = make(map[int32][]int32)
	var made []merge.Claim
	elements := make(map[element]int32)
	type named struct {
		rule *merge.Rule
		name string
	}
	var cells []named
	// Key by key, for so the cells stand; the claims are then put in the order of the writes.
	claims := make([]claim, 0, n+n/4)
	plays := make([]int32, 0, n+n/4) // of the claims
	v.claimsOf = make([]int32, n+1)  // how many there are, at first
	byKey := w.t.byKey
	for i := 0; i < len(byKey); {
		key := w.t.writes[byKey[i]].key
		first := int32(len(v.cellKey))
		v.cellsOf[key] = first
		cells = cells[:0]
		clear(elements)
		start := i
		cellOf := func(rule *merge.Rule, name string) int32 {
			for j := range cells {
				if cells[j].name == name && cells[j].rule == rule {
					return first + int32(j)
				}
			}
			cells = append(cells, named{rule, name})
			v.cellKey, v.cellName, v.cellRule = append(v.cellKey, key), append(v.cellName, name), append(v.cellRule, rule)
			return first + int32(len(cells)-1)
		}
		whole := false
		for ; i < len(byKey) && w.t.writes[byKey[i]].key == key; i++ {
			if w.t.ops[i].WholeDelete() {
				whole = true
			}
		}
		if whole { // a delete of the whole record is a claim on all cells: find them first
			for _, j := range byKey[start:i] {
				made = t.Claims(w.op(j), made[:0])
				for k := range made {
					cellOf(made[k].Rule, made[k].Cell)
				}
			}
			if len(cells) == 0 {
				rule := t.Rule(w.t.keys[key], "")
				cellOf(rule, rule.Cell(""))
			}
		}
		for _, j := range byKey[start:i] {
			op := w.op(j)
			if op.WholeDelete() {
				for k := range cells {
					claims, plays = append(claims, claim{cell: first + int32(k), elem: -1, field: noField, kind: merge.Delete}), append(plays, j)
				}
				v.claimsOf[j] = int32(len(cells))
				continue
			}
			made = t.Claims(op, made[:0])
			v.claimsOf[j] = int32(len(made))
			at := 0 // among the fields of the operation, of which claims are made in this order
			for k := range made {
				m := &made[k]
				c := claim{cell: cellOf(m.Rule, m.Cell), elem: -1, kind: m.Kind}
				if m.Rule.Together {
					c.field = grouped - int32(len(v.groups))
					v.groups = append(v.groups, group{m.Value, m.Before, m.Partial})
				} else {
					for op.Fields[at].Name != m.Cell || op.Fields[at].Value != m.Value {
						at++
					}
					c.field = int32(at)
				}
				if single(c.kind) && isSet(m.Rule) {
					e := element{c.cell, string(m.Value)}
					number, known := elements[e]
					if !known {
						number = int32(len(v.elemCell))
						elements[e] = number
						v.elemCell = append(v.elemCell, c.cell)
						v.elems[c.cell] = append(v.elems[c.cell], number)
					}
					c.elem = number
				}
				claims, plays = append(claims, c), append(plays, j)
			}
		}
		for _, c := range cells {
			w.dotted[key] = w.dotted[key] || c.rule.NeedsDots()
		}
	}
	v.cellsOf[len(w.t.keys)] = int32(len(v.cellKey))
	// Copies ask what the write asked that they are copies of.
	for j, c := range w.copies {
		v.claimsOf[len(byKey)+j] = v.claimsOf[c.base]
	}
	total := int32(0)
	for j := range v.claimsOf[:n] {
		total, v.claimsOf[j] = total+v.claimsOf[j], total
	}
	v.claimsOf[n] = total
	v.claims = make([]claim, total)
	for i := 0; i < len(claims); {
		j := plays[i]
		i += copy(v.claims[v.claimsOf[j]:v.claimsOf[j+1]], claims[i:])
	}
	for j := int32(len(byKey)); int(j) < n; j++ {
		base := w.copies[int(j)-len(byKey)].base
		copy(v.claims[v.claimsOf[j]:], v.claims[v.claimsOf[base]:v.claimsOf[base+1]])
	}
	v.at = make([]int32, len(v.cellKey)*v.width)
	for _, r := range w.replicas {
		if r.seen == nil && slices.Contains(w.dotted, true) {
			r.seen = make([]clock.Vector, len(w.t.keys))
		}
	}
}

type element struct {
	cell  int32
	value string
}

// measure makes a view the one under which losses are counted.
func (w *world) measure(v *view) {
	w.view = v
	w.fronts = make([]front, len(v.cellKey))
	room := make([]head, len(v.cellKey))
	for i := range w.fronts {
		w.fronts[i].heads = room[i : i : i+1]
	}
	w.elemFronts = make([]front, len(v.elemCell))
}

// switchTable makes replicas go on under another table: they fold what they have anew. Replicas whose tables have different
// fingerprints refuse to mix, so the links between them hold all writes until the tables are equal again. Losses are counted
// under the old table until the last replica has left it.
func (w *world) switchTable(t *merge.Table, replicas []*replica) {
	v := w.viewOf(t)
	for _, r := range replicas {
		if r.view == v {
			continue
		}
		was := r.view
		if r.view = v; w.light {
			continue
		}
		was.clear(r.index)
		for _, i := range r.log {
			v.apply(r.index, i)
		}
	}
	for _, r := range w.replicas {
		if r.view != v {
			v = nil
			break
		}
	}
	if v != nil && v != w.view && !w.light {
		for i := range w.fronts {
			w.forget(w.view.cellKey[i], &w.fronts[i])
		}
		for i := range w.elemFronts {
			w.forget(w.view.cellKey[w.view.elemCell[i]], &w.elemFronts[i])
		}
		w.measure(v)
		w.rebuild()
	}
	w.rewire()
}

// odds is two replicas with different tables, while they are.
type odds struct {
	a, b *replica
	from int64
	tell TableOdds
}

// disagree takes note of which replicas have different tables now.
func (w *world) disagree() {
	w.odds = slices.DeleteFunc(w.odds, func(o *odds) bool {
		if o.a.view != o.b.view {
			return false
		}
		w.settled(o)
		return true
	})
	for i, a := range w.replicas {
		for _, b := range w.replicas[i+1:] {
			if a.view == b.view || slices.ContainsFunc(w.odds, func(o *odds) bool { return o.a == a && o.b == b }) {
				continue
			}
			w.odds = append(w.odds, &odds{a: a, b: b, from: w.now, tell: TableOdds{
				Sides:  []string{a.name, b.name},
				Tables: []string{a.view.table.File, b.view.table.File}, Fingerprints: []string{a.view.print, b.view.print},
				From: Moment(w.now)}})
			w.tellAt(finding.RuleMismatch, finding.Place{File: w.script.File, Line: int64(w.line)}, "", func() string {
				return fmt.Sprintf("%s has %s (%.8s), %s has %s (%.8s), and they refuse to mix", a.name, a.view.table.File, a.view.print,
					b.name, b.view.table.File, b.view.print)
			})
		}
	}
}

// settled writes down that two replicas are of one table again, before their links are up.
func (w *world) settled(o *odds) {
	o.tell.To = Moment(w.now)
	w.held(o)
	w.wereAtOdds = append(w.wereAtOdds, o.tell)
}

// held counts what waits on the links between two replicas.
func (w *world) held(o *odds) {
	o.tell.Held = w.link(o.a, o.b).backlog() + w.link(o.b, o.a).backlog()
}
