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
	cells    []cell
	cellsOf  []int32 // of each key, its first cell
	elems    []elem
	elemsOf  map[int32][]int32    // of each cell, its elements
	changes  map[[2]int32][]int32 // of each claim on several elements, by its write and its cell, their numbers, ascending

	// at is the state of each cell in each replica: 0 when no write has reached it. That of a rule which selects one write is
	// the claim that is kept, and one more: the cell that a service has, and that [view.state] makes, follows from it. The
	// others are in states, for each replica has its own.
	at     []int32
	states []merge.Cell
}

// cell is what a key and field is in all replicas.
type cell struct {
	rule  *merge.Rule
	name  string
	key   int32
	front front
}

// elem is one element of a set.
type elem struct {
	cell  int32
	front front
}

// claim is what one write asks of one cell: [view.claim] says it in full.
type claim struct {
	play  int32
	cell  int32
	elem  int32 // of a change to one element of a set: its number; else whole, or several
	field int32 // of the operation; else noField, or grouped less its place among the groups
	kind  merge.Kind
	last  merge.Outcome // of a change to several elements: the verdict that it had last

	settled bool // it is among the useless ones of its cell's front

	// How it changes its cell: from one state to another. The fold of all is the first to find out, and whoever comes from
	// the same state gets to the same, so that it need not be folded again. To 0 is not known yet.
	from, to int32
}

const (
	noField = -1 // a delete of the whole record
	grouped = -2

	whole   = -1 // it is about all of its cell
	several = -2 // about the elements of a set by which a value differs from what it replaced, in [view.changes], if only one
)

// group is the value of a claim on fields that are decided together.
type group struct {
	value, before value.Value
	partial       bool
}

// value returns the value that a claim is about.
func (v *view) value(c *claim) value.Value {
	switch {
	case c.field >= 0:
		return v.w.fields(c.play)[c.field].Value
	case c.field == noField:
		return ""
	}
	return v.groups[grouped-c.field].value
}

// claim returns what a claim asks of its cell, until the next call.
func (v *view) claim(c *claim) *merge.Claim {
	op, of := v.w.op(c.play), &v.cells[c.cell]
	full := &v.w.claimed
	*full = merge.Claim{Op: op, Rule: of.rule, Cell: of.name, Kind: c.kind}
	switch {
	case c.field >= 0:
		full.Value, full.Before = op.Fields[c.field].Value, op.Fields[c.field].Before
	case c.field != noField:
		g := &v.groups[grouped-c.field]
		full.Value, full.Before, full.Partial = g.value, g.before, g.partial
	}
	return full
}

// claimsBy returns the claims of a write.
func (v *view) claimsBy(play int32) []claim { return v.claims[v.claimsOf[play]:v.claimsOf[play+1]] }

// all is where the fold of all accepted writes is kept, beside those of the replicas.
const all = -1

// slot returns where the number stands of the cell of a replica, or of all. Those of one key and field stand side by side,
// for they are mostly wanted soon after one another.
func (v *view) slot(cell int32, of int) *int32 { return &v.at[int(cell)*v.width+1+of] }

// cell returns a cell of a replica, or of all, to be read: without a rule when no write has reached it.
func (v *view) cell(cell int32, of int) merge.Cell { return v.state(cell, *v.slot(cell, of)) }

// state returns the cell of a number.
func (v *view) state(cell, n int32) merge.Cell {
	if n == 0 {
		return merge.Cell{}
	}
	rule := v.cells[cell].rule
	if !rule.Selects() {
		return v.states[n]
	}
	state := rule.NewCell()
	state.Apply(v.claim(&v.claims[n-1]))
	return state
}

// clear empties the cells of a replica, or of all.
func (v *view) clear(of int) {
	for c := range v.cells {
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
		rule := v.cells[c.cell].rule
		if !rule.Selects() {
			if *slot == 0 {
				*slot = int32(len(v.states))
				v.states = append(v.states, rule.NewCell())
			}
			v.states[*slot].Apply(v.claim(c))
			continue
		}
		next := *slot
		if next == 0 || v.beats(rule, c, &v.claims[next-1]) {
			next = i + 1
		}
		if c.to == 0 {
			c.from, c.to = *slot, next
		}
		*slot = next
	}
}

// beats reports whether a claim takes the place of the one that a cell keeps: what the cell itself goes by.
func (v *view) beats(rule *merge.Rule, c, kept *claim) bool {
	a := v.claim(c).Write()
	b := v.claim(kept).Write()
	return rule.Beats(&a, &b)
}

// apart counts the cells that differ between replicas that run the table.
func (v *view) apart(replicas []*replica) int64 {
	var first *replica
	n := int64(0)
	for c := range int32(len(v.cells)) {
		for _, r := range replicas {
			switch {
			case r.view != v:
				continue
			case first == nil:
				first = r
			}
			a, b := *v.slot(c, r.index), *v.slot(c, first.index)
			if a != b && !equal(v.state(c, a), v.state(c, b)) {
				n++
				break
			}
		}
	}
	return n
}

// equal compares two cells; one that no write has reached is equal to its like alone.
func equal(a, b merge.Cell) bool {
	if a.Rule() == nil || b.Rule() == nil {
		return a.Rule() == b.Rule()
	}
	return a.Equal(b)
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
	v.states = make([]merge.Cell, 1) // the one that no write has reached
	if !w.light {
		w.claim(v)
	}
	return v
}

// claim makes the claims of all writes under the table of a view.
func (w *world) claim(v *view) {
	t := v.table
	n := len(w.plays)
	v.cells, v.cellsOf = make([]cell, 0, len(w.t.keys)), make([]int32, len(w.t.keys)+1)
	v.elemsOf, v.changes = make(map[int32][]int32), make(map[[2]int32][]int32)
	var made []merge.Claim
	elements := make(map[element]int32)
	type named struct {
		rule *merge.Rule
		name string
	}
	var cells []named
	// Key by key, for so the cells stand; the claims are then put in the order of the writes.
	claims := make([]claim, 0, n+n/4)
	v.claimsOf = make([]int32, n+1) // how many there are, at first
	byKey := w.t.byKey
	for i := 0; i < len(byKey); {
		key := w.t.writes[byKey[i]].key
		first := int32(len(v.cells))
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
			v.cells = append(v.cells, cell{rule: rule, name: name, key: key})
			return first + int32(len(cells)-1)
		}
		elemOf := func(cell int32, of value.Value) int32 {
			e := element{cell, string(of)}
			number, known := elements[e]
			if !known {
				number = int32(len(v.elems))
				elements[e] = number
				v.elems = append(v.elems, elem{cell: cell})
				v.elemsOf[cell] = append(v.elemsOf[cell], number)
			}
			return number
		}
		record := false
		for ; i < len(byKey) && w.t.writes[byKey[i]].key == key; i++ {
			if o := &w.t.ops[i]; o.kind == merge.Delete && o.fields == 0 {
				record = true
			}
		}
		if record { // a delete of it is a claim on all cells: find them first
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
					claims = append(claims, claim{play: j, cell: first + int32(k), elem: whole, field: noField, kind: merge.Delete})
				}
				v.claimsOf[j] = int32(len(cells))
				continue
			}
			made = t.Claims(op, made[:0])
			v.claimsOf[j] = int32(len(made))
			at := 0 // among the fields of the operation, of which claims are made in this order
			for k := range made {
				m := &made[k]
				c := claim{play: j, cell: cellOf(m.Rule, m.Cell), elem: whole, kind: m.Kind}
				if m.Rule.Together {
					c.field = grouped - int32(len(v.groups))
					v.groups = append(v.groups, group{m.Value, m.Before, m.Partial})
				} else {
					for op.Fields[at].Name != m.Cell || op.Fields[at].Value != m.Value {
						at++
					}
					c.field = int32(at)
				}
				switch {
				case !isSet(m.Rule):
				case single(c.kind):
					c.elem = elemOf(c.cell, m.Value)
				case c.kind == merge.Set:
					c.elem = several
					in, out := m.Elements()
					var of []int32
					for _, e := range append(in, out...) {
						of = append(of, elemOf(c.cell, e))
					}
					slices.Sort(of)
					v.changes[[2]int32{j, c.cell}] = of
				}
				claims = append(claims, c)
			}
		}
		for _, c := range cells {
			w.watch[key].dotted = w.watch[key].dotted || c.rule.NeedsDots()
		}
	}
	v.cellsOf[len(w.t.keys)] = int32(len(v.cells))
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
		j := claims[i].play
		i += copy(v.claims[v.claimsOf[j]:v.claimsOf[j+1]], claims[i:])
	}
	for j := int32(len(byKey)); int(j) < n; j++ {
		base := w.copies[int(j)-len(byKey)].base
		for i, c := range v.claims[v.claimsOf[base]:v.claimsOf[base+1]] {
			if c.elem == several {
				v.changes[[2]int32{j, c.cell}] = v.changes[[2]int32{c.play, c.cell}]
			}
			c.play = j
			v.claims[int(v.claimsOf[j])+i] = c
		}
	}
	v.at = make([]int32, len(v.cells)*v.width)
	for _, r := range w.replicas {
		if r.seen == nil && slices.ContainsFunc(w.watch, func(k watch) bool { return k.dotted }) {
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
	room := make([]int32, len(v.cells))
	for i := range v.cells {
		v.cells[i].front = front{heads: room[i : i : i+1]}
	}
	for i := range v.elems {
		v.elems[i].front = front{}
	}
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
		w.forgetAll()
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
