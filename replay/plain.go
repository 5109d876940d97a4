package replay

import (
	"cmp"
	"slices"
	"strings"
	"unsafe"

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

func (o *plainOp) samePayload(p *plainOp) bool {
	return o.wall == p.wall && o.version == p.version && o.kind == p.kind && o.value == p.value
}

// plainKey is the key at hand. Its memory is used again for the next one.
type plainKey struct {
	folder *folder
	name   string
	field  string
	rules  []plainRule // by table

	writes   int64
	ops      []plainOp // by node and number
	again    []plainOp // deliveries beside the first of each
	runs     []plainRun
	turns    turns
	sums     []merge.Increments // by table: of rules that count
	earliest *plainOp           // nil when nobody has looked
	a, b     merge.Write        // that are compared
	sum      Cell               // of the table at hand
	base     plainEnd           // under the first table
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
	k.folder, k.name, k.earliest = f, from.name, nil
	f.room.built = f.room.built[:0]
	if !k.read(&f.part, from) || !k.settle() || !k.plainUnder(f.tables) || !k.ranked(f.tables) || !k.counted() {
		return false
	}
	k.know(f.common)
	for t, table := range f.tables {
		k.fold(t, table, f.sums[t])
	}
	return true
}

// ended hands over how the key ends under a table.
func (k *plainKey) ended(t int, kept *plainOp) {
	f := k.folder
	if f.state != nil && t == 0 {
		f.lines = append(f.lines, StateLine{Key: k.name, Field: k.field, Value: k.sum.Value, ID: strings.Clone(k.sum.ID), By: k.sum.By})
	}
	switch {
	case f.differ == nil:
	case t == 0:
		k.base = plainEnd{k.sum.Value, kept, k.sum.Lost}
	case k.sum.Value != k.base.value:
		c := &f.differ.others[t-1]
		c.Differ++
		c.Cells++
		if c.wants(k.name, k.field, f.differ.limit) {
			c.note(CellDiff{Key: k.name, Field: k.field, Base: k.ending(0, k.base), Other: k.ending(t, plainEnd{k.sum.Value, kept, k.sum.Lost})}, f.differ.limit)
		}
	}
}

// plainEnd is how a plain key ends under one table; kept is nil under a counter.
type plainEnd struct {
	value value.Value
	kept  *plainOp
	lost  Count
}

// ending puts into words how the key ends under a table.
func (k *plainKey) ending(t int, end plainEnd) Ending {
	e := Ending{Line: k.rules[t].Line, Rule: k.rules[t].Name, Value: end.value, Lost: end.lost}
	if end.kept != nil {
		e.ID, e.By = k.id(end.kept), string(k.node(end.kept.node))
	}
	return e
}

// read takes the records of a key. It reports whether all are plain, of one field, and sets or increments.
func (k *plainKey) read(p *part, from *partKey) bool {
	if cap(k.ops) < from.count {
		k.ops = make([]plainOp, more(from.count, cap(k.ops)))
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
		k.sort()
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
			if !first.samePayload(o) {
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
	k.ops, k.writes = ops[:n], int64(n)
	return true
}

// sort sorts the writes: their turns first, which are a fifth as large.
func (k *plainKey) sort() {
	ops, s := k.ops, &k.turns
	s.begin(len(ops))
	for i := range ops {
		s.list = append(s.list, turn{ops[i].number, ops[i].node, uint32(i)})
	}
	s.sort()
	// Each round moves to its place the write that the one before it made room for.
	for i := range ops {
		if from := int(s.list[i].at); from != i {
			first, to := ops[i], i
			for ; from != i; from = int(s.list[to].at) {
				ops[to] = ops[from]
				s.list[to].at = uint32(to)
				to = from
			}
			ops[to] = first
			s.list[to].at = uint32(to)
		}
	}
}

// plainUnder reports whether the rule of every table keeps one write, or counts increments that are all there is.
func (k *plainKey) plainUnder(tables []*merge.Table) bool {
	if k.rules == nil { // of more than a line of the processor's cache: others read what stands beside it
		k.rules, k.sums = make([]plainRule, 0, 16), make([]merge.Increments, 0, 16)
	}
	k.rules, k.sums = k.rules[:0], k.sums[:0]
	for t, table := range tables {
		rule := table.Rule(k.name, k.field)
		k.rules, k.sums = append(k.rules, plainRule{rule, k.folder.plain[t].claims[rule.Index()]}), append(k.sums, merge.Increments{})
		if rule.Together || !rule.Selects() && !k.folder.plain[t].counters[rule.Index()] {
			return false
		}
	}
	return true
}

// ranked reports whether every table knows the nodes.
func (k *plainKey) ranked(tables []*merge.Table) bool {
	ranks := k.folder.ranks
	for _, run := range k.runs {
		if ranks[run.node] == 0 {
			ranks[run.node] = 1
			for _, t := range tables {
				if len(t.Nodes) > 0 && t.Nodes.Rank(k.node(run.node)) <= 0 {
					ranks[run.node] = -1
				}
			}
		}
		if ranks[run.node] < 0 {
			return false
		}
	}
	return true
}

// counted adds the increments up for the rules that count. It says no when there is something else.
func (k *plainKey) counted() bool {
	for t, rule := range k.rules {
		if rule.Selects() {
			continue
		}
		for i := range k.ops {
			if !k.count(t, &k.ops[i]) {
				return false
			}
		}
	}
	return true
}

// count adds one write to the sum under a table, and reports whether it is an increment.
func (k *plainKey) count(t int, o *plainOp) bool {
	return o.kind == merge.Add && k.sums[t].Add(o.value)
}

// know counts all that doesn't depend on a table.
func (k *plainKey) know(s *sums) {
	s.totals.Keys++
	s.totals.Writes += k.writes
	s.totals.Duplicates += int64(len(k.again))
	for i := range k.again {
		o := &k.again[i]
		at, _ := slices.BinarySearchFunc(k.ops, o, func(a plainOp, b *plainOp) int {
			return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.number, b.number))
		})
		k.tellAgain(o, &k.ops[at], &s.told)
	}
	if len(k.runs) > 1 {
		s.sources[Unknown] += k.writes
	}
}

// tellAgain tells of a delivery beside the first, which is the one of the lowest place.
func (k *plainKey) tellAgain(o, first *plainOp, t *tally) {
	if place := k.place(o); t.wants(finding.DuplicateOp, place) {
		t.keep(finding.Finding{Code: finding.DuplicateOp, Place: place, Key: k.name, Detail: againDetail(k.id(o), k.place(first))})
	}
}

func (k *plainKey) node(n uint32) clock.Node { return clock.Node(k.folder.part.history.names.texts[n]) }

// id puts the id of an operation together. It is good until the next key.
func (k *plainKey) id(o *plainOp) string {
	b := &k.folder.room.built
	start := len(*b)
	*b = appendID(*b, k.node(o.node), o.number)
	return unsafe.String(&(*b)[start], len(*b)-start)
}

func (k *plainKey) place(o *plainOp) finding.Place {
	return finding.Place{File: k.folder.part.history.names.texts[o.file], Line: o.line}
}

// write makes w the write that a cell would keep of an operation, but for its id and dot, which decide between writes that
// are the same in all else: see beats.
func (k *plainKey) write(w *merge.Write, o *plainOp) {
	w.Stamp = lww.Stamp{Version: o.version, Time: clock.Timestamp{Wall: o.wall}, Node: k.node(o.node)}
	w.Value = o.value
}

// order orders two writes as the rule does, and says by which rung. Of most their versions and times tell, without making
// merge's writes of them.
func (k *plainKey) order(rule *plainRule, a, b *plainOp) (order int, by lww.Rung) {
	if order, by = rule.claims.compare(a, b); order != 0 {
		return order, by
	}
	k.write(&k.a, a)
	k.write(&k.b, b)
	return rule.Compare(&k.a, &k.b)
}

// plainRule is a rule, and what of it is worked out once.
type plainRule struct {
	*merge.Rule
	claims claimOrder
}

// claimOrder is what a rule looks at first, as far as that is version and time: [lww.Same] stands for all that comes behind.
type claimOrder struct {
	rungs    [2]lww.Rung
	reversed bool // the least wins
}

func claimOrderOf(rule *merge.Rule) (c claimOrder) {
	if rule.Name != "lww" && rule.Name != "fww" {
		return c
	}
	c.reversed = rule.Name == "fww"
	order := rule.Ladder().Order
	if order == [3]lww.Rung{} {
		order = [3]lww.Rung{lww.Version, lww.Time, lww.Node}
	}
	n := 0
	for _, rung := range order {
		if rung == lww.Node {
			break
		}
		if rung != lww.Same { // a rung that the ladder leaves out
			c.rungs[n] = rung
			n++
		}
	}
	return c
}

// compare orders two writes by what the rule looks at first; 0 when that doesn't tell.
func (c *claimOrder) compare(a, b *plainOp) (order int, by lww.Rung) {
	for _, rung := range c.rungs {
		switch {
		case rung == lww.Version && a.version != b.version:
			order = cmp.Compare(a.version, b.version)
		case rung == lww.Time && a.wall != b.wall:
			order = cmp.Compare(a.wall, b.wall)
		default:
			continue
		}
		if c.reversed {
			order = -order
		}
		return order, rung
	}
	return 0, lww.Same
}

// beats reports whether an operation takes the place of the one that is kept.
func (k *plainKey) beats(rule *plainRule, o, kept *plainOp) bool {
	if order, _ := k.order(rule, o, kept); order != 0 {
		return order > 0
	}
	a, b := k.a, k.b
	a.ID, b.ID = k.id(o), k.id(kept) // two numbers of one node: nothing beyond the ids will be looked at
	return rule.Beats(&a, &b)
}

// fold merges the writes under a table and counts what comes of it.
func (k *plainKey) fold(t int, table *merge.Table, s *sums) {
	rule := &k.rules[t]
	var kept *plainOp
	var one RuleSum
	switch {
	case !rule.Selects():
	case len(k.ops) == 1:
		kept = &k.ops[0]
		s.totals.Kept++
	default:
		kept = &k.ops[0]
		for i := 1; i < len(k.ops); i++ {
			if o := &k.ops[i]; k.beats(rule, o, kept) {
				kept = o
			}
		}
		for _, run := range k.runs {
			for i := run.first; i < run.after; i++ {
				k.judge(rule, &k.ops[i], kept, i == run.after-1, &one, s)
			}
		}
		if k.folder.plain[t].inverts[rule.Index()] {
			for _, run := range k.runs {
				greatest := &k.ops[run.first]
				for i := run.first + 1; i < run.after; i++ {
					greatest = k.invert(rule, greatest, &k.ops[i], s)
				}
			}
		}
	}
	k.end(t, table, kept, &one, s)
}

// end counts what there is to count once for a cell, beside what became of each write; kept is nil under a counter. How
// the cell ends is in k.sum; its value and id may be left out when nobody will see them.
func (k *plainKey) end(t int, table *merge.Table, kept *plainOp, one *RuleSum, s *sums) {
	rule := &k.rules[t]
	n := k.writes
	k.sum = Cell{Key: k.name, Field: k.field, Line: rule.Line, Rule: rule.Name, Writes: n, Lost: one.Lost}
	sum := &k.sum
	var writes Count
	if len(k.runs) > 1 {
		pairs := n * n
		for _, run := range k.runs {
			m := int64(run.after - run.first)
			pairs -= m * m
		}
		sum.Conflicts.Max, writes.Max = pairs/2, n
	}
	shown := k.folder.shows(sum, s)
	if kept != nil {
		sum.Value, sum.By = kept.value, string(k.node(kept.node))
		if shown {
			sum.ID = k.id(kept)
		}
	} else {
		one.Combined, s.totals.Combined = n, s.totals.Combined+n
		if shown || k.folder.differ != nil || len(table.Uniques) > 0 {
			sum.Value = k.sums[t].Value()
		}
		for _, run := range k.runs {
			if counting := &k.folder.plain[t].counting[run.node]; !*counting {
				*counting = true
				s.counts(k.node(run.node))
			}
		}
		if sum.Conflicts.Max > 0 {
			k.tellUnknown(rule.Rule, &s.told)
		}
	}
	one.Cells, one.Writes, one.Conflicts = 1, n, sum.Conflicts
	total := &s.totals
	total.Cells++
	total.Conflicts.add(sum.Conflicts)
	total.Conflicting.add(writes)
	total.Overwritten.add(one.Overwritten)
	total.Lost.add(one.Lost)
	s.rules[rule.Index()].add(one)
	s.worst.offer(sum)
	for i, u := range table.Uniques {
		if u.Field == k.field && u.Matches(k.name) && sum.Value != value.Null {
			o := kept
			if o == nil {
				o = k.first()
			}
			s.unique(i, sum.Value, k.name, k.place(o))
		}
	}
	k.ended(t, kept)
}

// shows reports whether anybody will see how a cell ends.
func (f *folder) shows(c *Cell, s *sums) bool {
	return f.state != nil || s.worst.wants(c)
}

// judge counts what became of a write; last says that its node made none after it.
func (k *plainKey) judge(rule *plainRule, o, kept *plainOp, last bool, one *RuleSum, s *sums) {
	if o.node != kept.node || o.version != kept.version || o.wall != kept.wall {
		if !last {
			one.Overwritten.add(Count{1, 1}) // by the next of its node
			return
		}
	} else if o.number == kept.number {
		s.totals.Kept++
		return
	}
	order, by := k.order(rule, o, kept)
	others := len(k.runs) > 1
	switch {
	case order == 0: // the same in all that counts
		s.totals.Kept++
	case !last:
		one.Overwritten.add(Count{1, 1})
	case o.kind == merge.Set && o.value == kept.value: // it lost the argument and nothing else
		s.totals.Kept++
		if others {
			one.Overwritten.Max++
		}
	default:
		one.Lost.Max++
		if others {
			one.Overwritten.Max++
		} else {
			one.Lost.Min++
		}
		k.decided(rule, o, kept, order, by, s)
	}
}

// decided counts the rung that decided against a write that is lost, or perhaps lost.
func (k *plainKey) decided(rule *plainRule, loser, winner *plainOp, order int, by lww.Rung, s *sums) {
	s.decided.count(by)
	switch by {
	case lww.Time:
		k.write(&k.a, loser)
		k.write(&k.b, winner)
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

// invert counts a write that loses by its stamp to the greatest of its node so far, and returns the greatest with it.
func (k *plainKey) invert(rule *plainRule, greatest, o *plainOp, s *sums) *plainOp {
	if order, _ := rule.claims.compare(greatest, o); order < 0 {
		return o
	}
	ladder := rule.Ladder()
	k.write(&k.a, greatest)
	k.write(&k.b, o)
	order, by := ladder.Compare(k.a.Stamp, k.b.Stamp)
	if order < 0 {
		return o
	}
	if order > 0 {
		s.totals.Inversions++
		if s.told.wants(finding.Inversion, k.place(o)) {
			s.told.keep(k.finding(finding.Inversion, o, inversionDetail(ladder, k.place(greatest), k.a.Stamp, k.b.Stamp, order, by)))
		}
	}
	return greatest
}

// tellUnknown tells, at the first write by the claims, that nothing says who had seen what.
func (k *plainKey) tellUnknown(rule *merge.Rule, t *tally) {
	if place := k.place(k.first()); t.wants(finding.UnknownCausality, place) {
		t.keep(finding.Finding{Code: finding.UnknownCausality, Place: place, Key: k.name, Field: k.field, Detail: unknownDetail(rule)})
	}
}

// first returns the first write by the claims.
func (k *plainKey) first() *plainOp {
	if k.earliest != nil {
		return k.earliest
	}
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
	claims   []claimOrder
	counting []bool // by the number of a node: whether it is known to have raised a counter
}

func newPlainTable(t *merge.Table, names int) plainTable {
	p := plainTable{
		counters: make([]bool, len(t.Rules)), inverts: make([]bool, len(t.Rules)), claims: make([]claimOrder, len(t.Rules)),
		counting: make([]bool, names),
	}
	for i, r := range t.Rules {
		p.counters[i], p.inverts[i], p.claims[i] = r.Name == "counter", r.Name == "lww", claimOrderOf(r)
	}
	return p
}
