package replay

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// fold merges the writes of a cell under each table and counts what comes of it.
func (k *plainKey) fold(tables []*merge.Table, sums []*sums) {
	k.texts, k.unseen = k.texts[:0], k.unseen[:0]
	for t, table := range tables {
		k.foldUnder(t, table, sums[t])
	}
}

func (k *plainKey) foldUnder(t int, table *merge.Table, s *sums) {
	rule := &k.rules[t]
	if len(k.ops) == 1 && k.alone(t, table, rule, s) {
		return
	}
	var kept *plainOp
	var one RuleSum
	switch {
	case rule.way == byCounting:
	case rule.way.frontier():
		kept = k.foldFrontier(rule, &one, s)
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
		if rule.inverts {
			for _, run := range k.runs {
				greatest := &k.ops[run.first]
				for i := run.first + 1; i < run.after; i++ {
					greatest = k.invert(rule, greatest, &k.ops[i], s)
				}
			}
		}
	}
	if rule.Name == "prefer" {
		for i := range k.ops {
			k.unlisted(rule, &k.ops[i], &s.told)
		}
	}
	k.end(t, table, kept, &one, s)
}

// unlisted tells of a value that the rule does not list.
func (k *plainKey) unlisted(rule *plainRule, o *plainOp, t *tally) {
	if o.kind == merge.Set && !rule.Lists(o.value) && t.wants(finding.UnlistedValue, k.place(o)) {
		t.keep(k.finding(finding.UnlistedValue, o, unlistedDetail(o.value)))
	}
}

// alone counts a cell of one write, of which there is nothing to say but that it is kept: three in ten cells of the benchmark. It
// says no when there is more to say.
func (k *plainKey) alone(t int, table *merge.Table, rule *plainRule, s *sums) bool {
	f := k.folder
	if rule.way == byCounting || rule.lists || rule.Name == "prefer" || k.adds || k.wholes || f.state != nil || len(table.Uniques)+len(table.Checks) > 0 {
		return false
	}
	if f.differ != nil {
		o, base := &k.ops[0], &k.base
		shown := o.shown()
		switch {
		case t == 0:
			base.value, base.kept, base.refused, base.lost = shown, o, false, Count{}
		case base.refused || base.value != shown:
			return false
		}
	}
	s.totals.Kept++
	s.totals.Cells++
	one := &s.rules[rule.Index()]
	one.Cells++
	one.Writes++
	return true
}

// counted adds the increments up for the rules that count. It says no when there is something else, or an increment under another
// rule.
func (k *plainKey) counted() bool {
	for t := range k.rules {
		rule := &k.rules[t]
		if rule.way != byCounting && !k.adds {
			continue
		}
		for i := range k.ops {
			if !k.takes(t, &k.ops[i]) {
				return false
			}
		}
	}
	return true
}

// takes reports whether a rule takes what a write does, and lets it count it.
func (k *plainKey) takes(t int, o *plainOp) bool {
	if rule := &k.rules[t]; rule.way != byCounting {
		return o.kind != merge.Add || rule.Takes(merge.Add)
	}
	return k.count(t, o)
}

// count adds one write to the sum under a table, and reports whether it is an increment.
func (k *plainKey) count(t int, o *plainOp) bool {
	return o.kind == merge.Add && k.sums[t].Add(o.value)
}

// foldFrontier counts what becomes of the writes of a cell under a rule that keeps the frontier, which is the last write of each
// node, and returns the write that is kept; nil when that is not one.
func (k *plainKey) foldFrontier(rule *plainRule, one *RuleSum, s *sums) (kept *plainOp) {
	before := k.writes - int64(len(k.runs))
	one.Overwritten.add(Count{before, before}) // by the next of their nodes
	if len(k.runs) == 1 {
		s.totals.Kept++
		if rule.lists {
			k.findFrontier(rule)
		}
		return k.last(0)
	}
	one.Overwritten.Max = k.writes - 1 // any of them but one, by those that may have seen them
	if rule.way == byGreatest {
		return k.foldGreatest(rule, one, s)
	}
	k.findFrontier(rule)
	if n := int64(k.front.Combined()); n > 0 {
		one.Combined += n
		s.totals.Combined += n
		return nil
	}
	if w, ok := k.front.Write(); ok {
		kept = k.lastOf(&w)
	}
	for i := range k.front.Len() {
		w, v := k.front.At(i)
		o := k.lastOf(w)
		if v.Panicked != "" && s.told.wants(finding.RulePanic, k.place(o)) {
			s.told.keep(k.finding(finding.RulePanic, o, panicDetail(rule.Rule, v.Panicked)))
		}
		if v.Outcome == merge.Lost {
			k.lose(rule, o, k.lastOf(v.Against), kept, v.By, one, s)
		} else {
			k.survive(v.Outcome, one, s)
		}
	}
	return kept
}

// foldGreatest is foldFrontier of the last writes of several nodes, of which the rule shows the greatest.
func (k *plainKey) foldGreatest(rule *plainRule, one *RuleSum, s *sums) (kept *plainOp) {
	kept = k.last(0)
	for i := 1; i < len(k.runs); i++ {
		o := k.last(i)
		if order, _ := k.order(rule, o, kept); order > 0 || order == 0 && k.node(o.node) > k.node(kept.node) {
			kept = o
		}
	}
	for i := range k.runs {
		switch o := k.last(i); {
		case o == kept:
			k.survive(rule.shown, one, s)
		case rule.others == merge.Lost:
			_, by := k.order(rule, o, kept)
			k.lose(rule, o, kept, kept, by, one, s)
		default:
			k.survive(rule.others, one, s)
		}
	}
	return kept
}

// survive counts a write of a frontier of several that is not lost.
func (k *plainKey) survive(as merge.Outcome, one *RuleSum, s *sums) {
	switch as {
	case merge.Kept:
		s.totals.Kept++
	case merge.Combined:
		one.Combined++
		s.totals.Combined++
	case merge.Refused:
		one.Refused.Max++ // the others may have been seen
	}
}

// lose counts a write of a frontier of several that is lost to another; kept is nil when there is not one.
func (k *plainKey) lose(rule *plainRule, o, to, kept *plainOp, by lww.Rung, one *RuleSum, s *sums) {
	if kept != nil && o.agrees(kept.shown()) {
		s.totals.Kept++
		return
	}
	one.Lost.Max++
	k.decided(rule, o, to, -1, by, s)
}

// findFrontier makes k.front the frontier of the cell: the last write of each node, which had seen those before it. Their dots
// say of which run they are. They are the same under all tables, which leave them in one order or another.
func (k *plainKey) findFrontier(rule *plainRule) {
	if len(k.unseen) == 0 {
		k.unseen = slices.Grow(k.unseen, len(k.runs))[:len(k.runs)]
		for i := range k.unseen {
			w := &k.unseen[i]
			k.write(w, k.last(i))
			w.ID, w.Dot.Node, w.Dot.Seq = "", w.Stamp.Node, uint64(i)+1
		}
	}
	k.front = rule.Frontier(k.unseen)
}

// lastOf returns the write behind one of the frontier.
func (k *plainKey) lastOf(w *merge.Write) *plainOp { return k.last(int(w.Dot.Seq) - 1) }

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
	case o.agrees(kept.shown()):
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
			s.told.keep(k.finding(finding.Inversion, o, inversionDetail(ladder, k.place(greatest), k.a.Stamp, k.b.Stamp, min(greatest.precision, o.precision), order, by)))
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

// end counts what there is to count once for a cell, beside what became of each write; kept is nil when that is not one. How
// the cell ends is in k.sum; its value, id and node may be left out when nobody will see them.
func (k *plainKey) end(t int, table *merge.Table, kept *plainOp, one *RuleSum, s *sums) {
	rule := &k.rules[t]
	n := k.writes
	sum := &k.sum
	*sum = Cell{}
	sum.Key, sum.Field, sum.Line, sum.Rule, sum.Writes = k.name, k.field, rule.Line, rule.Name, n
	sum.Lost.Min, sum.Lost.Max, sum.Refused.Min, sum.Refused.Max = one.Lost.Min, one.Lost.Max, one.Refused.Min, one.Refused.Max
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
	checked := len(table.Uniques)+len(table.Checks) > 0
	wanted := shown || checked || k.folder.differ != nil
	if kept != nil {
		sum.Value = kept.shown()
		if k.wholes {
			k.rows[t].note(k.field, kept)
		}
		if shown {
			sum.By = string(k.node(kept.node))
			if k.keeps != nil {
				sum.ID = k.keeps[t]
			} else {
				sum.ID = k.id(kept)
			}
		}
	}
	switch rule.way {
	case byFrontier:
		switch {
		case len(k.runs) == 1 && !rule.lists: // it shows what is kept
		case shown || checked:
			sum.Value = k.front.Value()
		case wanted:
			sum.Value = k.compared()
		}
	case byCounting:
		one.Combined, s.totals.Combined = n, s.totals.Combined+n
		if wanted {
			sum.Value = k.sums[t].Value()
		}
		for _, run := range k.runs {
			if counting := &k.folder.plain[t].counting[run.node]; !*counting {
				*counting = true
				s.counts(k.node(run.node))
			}
		}
	}
	if rule.NeedsDots() && sum.Conflicts.Max > 0 {
		k.tellUnknown(rule.Rule, &s.told)
	}
	one.Cells, one.Writes, one.Conflicts = 1, n, sum.Conflicts
	total := &s.totals
	total.Cells++
	total.Conflicts.add(sum.Conflicts)
	total.Conflicting.add(writes)
	total.Overwritten.add(one.Overwritten)
	total.Lost.add(one.Lost)
	total.Refused.add(one.Refused)
	s.rules[rule.Index()].add(one)
	s.worst.offer(sum)
	if checked {
		k.check(table, kept, s)
	}
	k.ended(t, kept)
}

// check evaluates what the table says of a cell: as [key.check] does of a record. Of a plain key that has several no table has a
// check, so that one which asks for another field finds none.
func (k *plainKey) check(table *merge.Table, kept *plainOp, s *sums) {
	sum := &k.sum
	for i, check := range table.ChecksOf(k.name) {
		trial := check.Try(func(field string) value.Value {
			if field == k.field {
				return sum.Value
			}
			return ""
		})
		s.checks[i].note(trial)
		if trial != merge.Broken || kept != nil || k.writes == 1 { // one write broke it: that is no fault of the merge
			continue
		}
		var says []string
		for _, side := range [...]merge.Operand{check.Left, check.Right} {
			if side.Const.IsAbsent() {
				says = append(says, side.Field+" is "+brief(sum.Value))
			}
		}
		s.told.tell(k.finding(finding.InvariantBroken, k.first(), brokenDetail(*check, says)))
	}
	for i, u := range table.UniquesOf(k.name) {
		if u.Field == k.field && !sum.Value.IsAbsent() && sum.Value != value.Null {
			o := kept
			if o == nil {
				o = k.first()
			}
			s.unique(i, sum.Value, k.name, k.place(o))
		}
	}
}

// compared returns what a frontier shows, to be compared with what others show under other tables. It is good until the next cell.
func (k *plainKey) compared() value.Value {
	start := len(k.texts)
	k.texts = k.front.AppendValue(k.texts)
	text := k.texts[start:]
	return value.Value(unsafe.String(unsafe.SliceData(text), len(text)))
}

// shows reports whether anybody will see how a cell ends.
func (f *folder) shows(c *Cell, s *sums) bool {
	return f.state != nil || s.worst.wants(c)
}

// ended hands over how the key ends under a table.
func (k *plainKey) ended(t int, kept *plainOp) {
	f := k.folder
	if f.state != nil && t == 0 && !k.sum.Value.IsAbsent() {
		f.lines = append(f.lines, StateLine{Key: k.name, Field: k.field, Value: k.sum.Value, ID: strings.Clone(k.sum.ID), By: k.sum.By})
	}
	if f.differ == nil {
		return
	}
	sum, was := &k.sum, &k.base
	if t == 0 {
		was.put(sum, kept)
		return
	}
	others, refuses := sum.Value != was.value, sum.Refused.Max > 0 != was.refused
	if !others && !refuses {
		return
	}
	c := &f.differ.others[t-1]
	c.Differ++
	if others {
		c.Cells++
	}
	if refuses {
		c.Refused++
	}
	if c.wants(k.name, k.field, f.differ.limit) {
		var is plainEnd
		is.put(sum, kept)
		c.note(CellDiff{Key: k.name, Field: k.field, Base: k.ending(0, was), Other: k.ending(t, &is)}, f.differ.limit)
	}
}

// plainEnd is how a plain key ends under one table; kept is nil when that is not one write.
type plainEnd struct {
	value   value.Value
	kept    *plainOp
	lost    Count
	refused bool
}

// put fills in each member by itself: what was just written in pieces is not to be copied in larger ones.
func (e *plainEnd) put(sum *Cell, kept *plainOp) {
	e.value, e.kept, e.refused = sum.Value, kept, sum.Refused.Max > 0
	e.lost.Min, e.lost.Max = sum.Lost.Min, sum.Lost.Max
}

// ending puts into words how the key ends under a table.
func (k *plainKey) ending(t int, end *plainEnd) Ending {
	e := Ending{Line: k.rules[t].Line, Rule: k.rules[t].Name, Value: end.value, Lost: end.lost, Refused: end.refused}
	if end.kept != nil {
		e.ID, e.By = k.id(end.kept), string(k.node(end.kept.node))
	}
	return e
}
