package replay

import (
	"cmp"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// Most keys of most histories are plain: their writes set or raise one field, are numbered by their nodes, and say nothing
// of what their writers had seen. Of such a key all that a report says is counting: of one node each write has seen those
// before it, and of the others nobody knows. So a plain key is counted in a tenth of the time and memory that [key] takes,
// with the same decisions of the same rules. Whatever is out of the ordinary makes a key a common one, before anything of
// it is counted.
//
// A test folds every key both ways and compares the reports.

// plainOp is one write to a plain key.
type plainOp struct {
	wall      int64
	version   uint64
	number    uint64 // of its id
	line      int64
	value     value.Value
	file      uint32 // number of its name
	node      uint32 // number of its name
	kind      merge.Kind
	precision history.Precision
}

// plainKey is the key at hand. Its memory is used again for the next one.
type plainKey struct {
	folder *folder
	name   string
	field  string
	rules  []*merge.Rule // by table

	ops   []plainOp // by node and number
	again []plainOp // deliveries beside the first of each
	runs  []plainRun
	sums  []merge.Increments // by table: of rules that count
	a, b  merge.Write        // that are compared
}

// plainRun is the writes of one node: they follow each other in ops.
type plainRun struct {
	node  uint32
	first int
	after int
}

// fewWrites is up to how many writes are sorted by moving each to its place.
const fewWrites = 12

// foldPlain folds key number i if it is a plain one under all tables.
func (f *folder) foldPlain(i int) bool {
	from := &f.part.keys[i]
	k := &f.room.plain
	k.folder, k.name = f, from.name
	if !k.read(&f.part, from) || !k.settle() || !k.plainUnder(f.tables) {
		return false
	}
	k.know(f.common)
	for t, table := range f.tables {
		ends := k.fold(t, table, f.sums[t])
		if f.state != nil && t == 0 {
			f.lines = append(f.lines, StateLine{Key: k.name, Field: k.field, Value: ends.sum.Value, ID: ends.sum.ID, By: ends.sum.By})
		}
		if f.visit != nil {
			f.room.cells = append(f.room.cells[:0], ends)
			f.visit(t, k.name, f.room.cells)
		}
	}
	return true
}

// read takes the records of a key. It reports whether all are plain, of one field, and sets or increments.
func (k *plainKey) read(p *part, from *partKey) bool {
	if cap(k.ops) < from.count {
		k.ops = make([]plainOp, max(from.count, 2*cap(k.ops)))
	}
	k.ops = k.ops[:from.count]
	n := from.count
	var r reader
	for at := from.last; at > 0; {
		s := &p.spots[at-1]
		at = s.before
		r.b, r.at = p.at[s.block], int(s.offset)
		n--
		o := &k.ops[n]
		field, ok := r.plain(o)
		if !ok || o.kind != merge.Set && o.kind != merge.Add {
			return false
		}
		if n+1 == from.count {
			k.field = field
		} else if field != k.field {
			return false
		}
	}
	return true
}

// settle sorts the writes by node and number and counts each once. It says no to one number with two payloads.
func (k *plainKey) settle() bool {
	ops := k.ops
	if len(ops) > fewWrites {
		slices.SortFunc(ops, func(a, b plainOp) int {
			if a.node != b.node {
				return cmp.Compare(a.node, b.node)
			}
			return cmp.Compare(a.number, b.number)
		})
	} else {
		for i := 1; i < len(ops); i++ {
			j := i
			for ; j > 0 && (ops[j-1].node > ops[i].node || ops[j-1].node == ops[i].node && ops[j-1].number > ops[i].number); j-- {
			}
			if j < i {
				o := ops[i]
				copy(ops[j+1:i+1], ops[j:i])
				ops[j] = o
			}
		}
	}
	k.again, k.runs = k.again[:0], k.runs[:0]
	n := 0
	for i := range ops {
		o := &ops[i]
		if n == 0 || ops[n-1].node != o.node {
			if n > 0 {
				k.runs[len(k.runs)-1].after = n
			}
			k.runs = append(k.runs, plainRun{node: o.node, first: n})
		} else if first := &ops[n-1]; first.number == o.number {
			if first.wall != o.wall || first.version != o.version || first.kind != o.kind || first.value != o.value {
				return false
			}
			if k.place(o).Compare(k.place(first)) < 0 {
				*first, *o = *o, *first
			}
			k.again = append(k.again, *o)
			continue
		}
		if n < i {
			ops[n] = *o
		}
		n++
	}
	k.runs[len(k.runs)-1].after = n
	k.ops = ops[:n]
	return true
}

// plainUnder reports whether the rule of every table keeps one write, or counts increments, and every table knows the
// nodes.
func (k *plainKey) plainUnder(tables []*merge.Table) bool {
	k.rules, k.sums = k.rules[:0], k.sums[:0]
	for t, table := range tables {
		rule := table.Rule(k.name, k.field)
		k.rules, k.sums = append(k.rules, rule), append(k.sums, merge.Increments{})
		switch info := &k.folder.plain[t]; {
		case rule.Together:
			return false
		case rule.Selects():
		case info.counters[rule.Index()]:
			if !k.count(&k.sums[t]) {
				return false
			}
		default:
			return false
		}
		for _, run := range k.runs {
			if !k.folder.plain[t].ranked(run.node, table, k.node(run.node)) {
				return false
			}
		}
	}
	return true
}

// count adds the increments up, and reports whether they are all that.
func (k *plainKey) count(sum *merge.Increments) bool {
	for i := range k.ops {
		if o := &k.ops[i]; o.kind != merge.Add || !sum.Add(o.value) {
			return false
		}
	}
	return true
}

// know counts all that doesn't depend on a table.
func (k *plainKey) know(s *sums) {
	s.totals.Keys++
	s.totals.Writes += int64(len(k.ops))
	s.totals.Duplicates += int64(len(k.again))
	if len(k.again) > 0 {
		k.tellAgain(&s.told)
	}
	if len(k.runs) > 1 {
		s.sources[Unknown] += int64(len(k.ops))
	}
}

// tellAgain tells of the deliveries beside the first, which is the one of the lowest place.
func (k *plainKey) tellAgain(t *tally) {
	for i := range k.again {
		o := &k.again[i]
		place := k.place(o)
		if !t.wants(finding.DuplicateOp, place) {
			continue
		}
		at, _ := slices.BinarySearchFunc(k.ops, o, func(a plainOp, b *plainOp) int {
			return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.number, b.number))
		})
		t.keep(finding.Finding{Code: finding.DuplicateOp, Place: place, Key: k.name, Detail: againDetail(k.id(o), k.place(&k.ops[at]))})
	}
}

func (k *plainKey) node(n uint32) clock.Node { return clock.Node(k.folder.part.history.names.texts[n]) }

func (k *plainKey) id(o *plainOp) string { return string(appendID(nil, k.node(o.node), o.number)) }

func (k *plainKey) place(o *plainOp) finding.Place {
	return finding.Place{File: k.folder.part.history.names.texts[o.file], Line: o.line}
}

// write makes w the write that a cell would keep of op number i, but for its id and dot, which decide between writes that
// are the same in all else: see beats.
func (k *plainKey) write(w *merge.Write, i int) {
	o := &k.ops[i]
	w.Stamp = lww.Stamp{Version: o.version, Time: clock.Timestamp{Wall: o.wall}, Node: k.node(o.node)}
	w.Value = o.value
}

// beats reports whether op number i takes the place of number kept, of which k.b is the write.
func (k *plainKey) beats(rule *merge.Rule, i, kept int) bool {
	k.write(&k.a, i)
	order, _ := rule.Compare(&k.a, &k.b)
	if order != 0 {
		return order > 0
	}
	a, b := k.a, k.b
	a.ID, b.ID = k.id(&k.ops[i]), k.id(&k.ops[kept])
	a.Dot, b.Dot = k.dot(i), k.dot(kept)
	return rule.Beats(&a, &b)
}

func (k *plainKey) dot(i int) clock.Dot {
	run := k.runs[slices.IndexFunc(k.runs, func(r plainRun) bool { return i < r.after })]
	return clock.Dot{Node: k.node(run.node), Seq: uint64(i - run.first + 1)}
}

// fold merges the writes under a table, counts what comes of it, and returns how the cell ends.
func (k *plainKey) fold(t int, table *merge.Table, s *sums) cell {
	rule := k.rules[t]
	n := int64(len(k.ops))
	c := cell{rule: rule, name: k.field, sum: Cell{Key: k.name, Field: k.field, Line: rule.Line, Rule: rule.Name, Writes: n}}
	sum := &c.sum
	var writes Count
	if len(k.runs) > 1 {
		pairs := n * n
		for _, run := range k.runs {
			m := int64(run.after - run.first)
			pairs -= m * m
		}
		sum.Conflicts.Max, writes.Max = pairs/2, n
	}
	one := RuleSum{Cells: 1, Writes: n, Conflicts: sum.Conflicts}
	total := &s.totals
	kept := -1
	if rule.Selects() {
		kept = k.keep(rule)
		k.tell(rule, kept, &one, s)
		if k.folder.plain[t].inverts[rule.Index()] {
			total.Inversions += k.inversions(rule, &s.told)
		}
		o := &k.ops[kept]
		sum.Value, sum.By = o.value, string(k.node(o.node))
	} else {
		one.Combined, total.Combined = n, total.Combined+n
		if k.folder.shows(sum, s) || len(table.Uniques) > 0 {
			sum.Value = k.sums[t].Value()
		}
		for _, run := range k.runs {
			if counting := &k.folder.plain[t].counting[run.node]; !*counting {
				*counting = true
				s.counts(k.node(run.node))
			}
		}
		if sum.Conflicts.Max > 0 {
			k.tellUnknown(rule, &s.told)
		}
	}
	total.Cells++
	total.Conflicts.add(sum.Conflicts)
	total.Conflicting.add(writes)
	total.Overwritten.add(one.Overwritten)
	total.Lost.add(one.Lost)
	s.rules[rule.Index()].add(&one)
	sum.Lost = one.Lost
	if kept >= 0 && k.folder.shows(sum, s) {
		sum.ID = k.id(&k.ops[kept])
	}
	s.worst.offer(sum)
	if len(table.Uniques) > 0 {
		o := k.first()
		if kept >= 0 {
			o = &k.ops[kept]
		}
		for i, u := range table.Uniques {
			if u.Field == k.field && u.Matches(k.name) && sum.Value != value.Null {
				s.unique(i, sum.Value, k.name, k.place(o))
			}
		}
	}
	return c
}

// shows reports whether anybody will see how a cell ends.
func (f *folder) shows(c *Cell, s *sums) bool {
	return f.state != nil || f.visit != nil || s.worst.wants(c)
}

// keep finds the write that is kept.
func (k *plainKey) keep(rule *merge.Rule) int {
	kept := 0
	k.write(&k.b, 0)
	for i := 1; i < len(k.ops); i++ {
		if k.beats(rule, i, kept) {
			kept = i
			k.write(&k.b, i)
		}
	}
	return kept
}

// tell counts what became of each write; k.b is the one that is kept.
func (k *plainKey) tell(rule *merge.Rule, kept int, one *RuleSum, s *sums) {
	others := len(k.runs) > 1
	perhaps := Count{1, 1}
	if others {
		perhaps.Min = 0
	}
	winner := &k.ops[kept]
	for _, run := range k.runs {
		for i := run.first; i < run.after; i++ {
			o := &k.ops[i]
			if i == kept {
				s.totals.Kept++
				continue
			}
			last := i == run.after-1
			if !last && (o.node != winner.node || o.version != winner.version || o.wall != winner.wall) {
				one.Overwritten.add(Count{1, 1}) // by the next of its node
				continue
			}
			k.write(&k.a, i)
			order, by := rule.Compare(&k.a, &k.b)
			switch {
			case order == 0: // the same in all that counts
				s.totals.Kept++
			case !last:
				one.Overwritten.add(Count{1, 1})
			case o.kind == merge.Set && o.value == winner.value: // it lost the argument and nothing else
				s.totals.Kept++
				if others {
					one.Overwritten.Max++
				}
			default:
				one.Lost.add(perhaps)
				if others {
					one.Overwritten.Max++
				}
				k.decided(rule, o, winner, order, by, s)
			}
		}
	}
}

// decided counts the rung that decided against a write that is lost, or perhaps lost.
func (k *plainKey) decided(rule *merge.Rule, loser, winner *plainOp, order int, by lww.Rung, s *sums) {
	s.decided.count(by)
	switch by {
	case lww.Time:
		margin := lww.Judge(rule.Ladder(), k.a.Stamp, k.b.Stamp, order, by).Margin
		s.close(pair{loser.node, winner.node}, margin)
		if mixed(loser.precision, winner.precision, margin) && s.told.wants(finding.MixedPrecision, k.place(loser)) {
			s.told.keep(k.finding(finding.MixedPrecision, loser, mixedDetail(loser.precision, winner.precision, margin, k.place(winner))))
		}
	case lww.Value:
		if s.told.wants(finding.ValueDependentWinner, k.place(loser)) {
			s.told.keep(k.finding(finding.ValueDependentWinner, loser, valueDependentDetail))
		}
	}
}

func (k *plainKey) finding(code finding.Code, o *plainOp, detail string) finding.Finding {
	return finding.Finding{Code: code, Place: k.place(o), Key: k.name, Field: k.field, Detail: detail}
}

// inversions counts the writes that lose by their stamps to an earlier one of their node.
func (k *plainKey) inversions(rule *merge.Rule, t *tally) int64 {
	count := int64(0)
	ladder := rule.Ladder()
	usual := ladder.Order == [3]lww.Rung{}
	for _, run := range k.runs {
		greatest := run.first
		for i := run.first + 1; i < run.after; i++ {
			g, o := &k.ops[greatest], &k.ops[i]
			if usual && o.version >= g.version && o.wall > g.wall {
				greatest = i
				continue
			}
			k.write(&k.a, greatest)
			k.write(&k.b, i)
			order, by := ladder.Compare(k.a.Stamp, k.b.Stamp)
			switch {
			case order < 0:
				greatest = i
			case order > 0:
				count++
				if place := k.place(o); t.wants(finding.Inversion, place) {
					t.keep(k.finding(finding.Inversion, o, inversionDetail(ladder, k.place(g), k.a.Stamp, k.b.Stamp, order, by)))
				}
			}
		}
	}
	return count
}

// tellUnknown tells, at the first write by the claims, that nothing says who had seen what.
func (k *plainKey) tellUnknown(rule *merge.Rule, t *tally) {
	if place := k.place(k.first()); t.wants(finding.UnknownCausality, place) {
		t.keep(finding.Finding{Code: finding.UnknownCausality, Place: place, Key: k.name, Field: k.field, Detail: unknownDetail(rule)})
	}
}

// first returns the first write by the claims.
func (k *plainKey) first() *plainOp {
	first := &k.ops[0]
	for i := range k.ops[1:] {
		if o := &k.ops[i+1]; k.compare(o, first) < 0 {
			first = o
		}
	}
	return first
}

// compare is comparePayload.
func (k *plainKey) compare(a, b *plainOp) int {
	if a.wall != b.wall {
		return cmp.Compare(a.wall, b.wall)
	}
	return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(k.node(a.node), k.node(b.node)),
		cmp.Compare(k.id(a), k.id(b)))
}

// plainTable is what is worked out of a table once, for all plain keys.
type plainTable struct {
	counters []bool // by rule
	inverts  []bool
	counting []bool // by the number of a node: whether it is known to have raised a counter
	ranks    []int8 // by the number of a node: 1 when the table knows it, -1 when not, 0 when nobody has asked
}

func newPlainTable(t *merge.Table, names int) plainTable {
	p := plainTable{
		counters: make([]bool, len(t.Rules)), inverts: make([]bool, len(t.Rules)),
		counting: make([]bool, names), ranks: make([]int8, names),
	}
	for i, r := range t.Rules {
		p.counters[i], p.inverts[i] = r.Name == "counter", r.Name == "lww"
	}
	return p
}

// ranked reports whether a table declares a node, or none at all.
func (p *plainTable) ranked(number uint32, t *merge.Table, node clock.Node) bool {
	if p.ranks[number] == 0 {
		p.ranks[number] = -1
		if len(t.Nodes) == 0 || t.Nodes.Rank(node) > 0 {
			p.ranks[number] = 1
		}
	}
	return p.ranks[number] > 0
}
