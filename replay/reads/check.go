package reads

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
)

// Options says what reads are held to, and how far times can be relied on. The zero value is the default of each.
type Options struct {
	// Promise says what a read of a key that wants nothing was promised. Nil promises session to a read with a session, and
	// eventual to others.
	Promise func(key string) Level

	// Skew is how far the clocks of two records may differ. When the reads show more, that is taken.
	Skew time.Duration

	// Lag is how long after its time a write had been acknowledged that doesn't say when, and when it can be seen by other
	// nodes (see [replay.Options]). Zero means that nobody knows.
	Lag time.Duration

	// Worst is how many stale reads the report tells of. Zero means 5; less than zero, none.
	Worst int

	// Each, when not nil, is called with every read that is judged, in an order that is the same for equal histories.
	Each func(key, field string, place finding.Place, v Verdict)
}

// mostLikely is how many of the writes that a read may have seen are tried.
const mostLikely = 64

// mostLevels is how many levels are counted apart: those with yet another bound are counted together.
const mostLevels = 32

// check is one pass over a history.
type check struct {
	from  *Collector
	table *merge.Table
	opt   *Options
	skew  int64
	lag   int64

	report     Report
	levels     map[Level]*levelSum
	reasons    map[Reason]int64
	first      map[Reason]*Case
	servers    map[string][]answer
	quorums    map[int]int64 // reads that asked for one, by how many replicas answered
	contradict int64
}

type levelSum struct {
	LevelSum
	ages []int64
}

// Check judges the reads that were taken of a history, whose writes are h. Of the writes those of one key are in memory at a
// time. The error is of a history that can't be read back. Nothing may be taken after Check, which may be called again.
func (c *Collector) Check(h *replay.History, table *merge.Table, opt Options) (*Report, error) {
	byKey := c.sorted()
	opt.Skew = max(opt.Skew, 0)
	silent := opt
	silent.Each = nil
	k, err := c.pass(h, table, &silent, byKey)
	if err != nil {
		return nil, err
	}
	if k.contradict > k.skew || opt.Each != nil { // what the clocks show doesn't depend on the tolerance: this is the last pass
		opt.Skew = max(opt.Skew, time.Duration(k.contradict))
		if k, err = c.pass(h, table, &opt, byKey); err != nil {
			return nil, err
		}
	}
	return k.close(), nil
}

// pass judges all reads once.
func (c *Collector) pass(h *replay.History, table *merge.Table, opt *Options, byKey map[string][]read) (*check, error) {
	k := &check{from: c, table: table, opt: opt, skew: int64(opt.Skew), lag: int64(opt.Lag), levels: make(map[Level]*levelSum),
		reasons: make(map[Reason]int64), first: make(map[Reason]*Case), servers: make(map[string][]answer), quorums: make(map[int]int64)}
	visited := make(map[string]bool, len(byKey))
	h.Operations(replay.Options{Lag: opt.Lag}, func(ops *replay.KeyOperations) {
		if list := byKey[ops.Key]; list != nil {
			visited[list[0].key] = true
			k.key(ops, list)
		}
	})
	if err := h.Err(); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		if !visited[key] {
			k.key(&replay.KeyOperations{Key: key}, byKey[key])
		}
	}
	return k, nil
}

func (c *check) levelOf(r *read) Level {
	if r.want != "" {
		l, _ := ParseLevel(r.want) // what is not a level is set aside when it is read
		return l
	}
	switch {
	case c.opt.Promise != nil:
		return c.opt.Promise(r.key)
	case r.session != "":
		return Level{Kind: Session}
	}
	return Level{}
}

// key judges all reads of a key.
func (c *check) key(k *replay.KeyOperations, list []read) {
	p := newPast(k)
	fields := make(map[string][]read)
	for i := range list {
		fields[list[i].field] = append(fields[list[i].field], list[i])
	}
	lost := c.lost(k, &p)
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		g := newRegister(k, &p, field, fields[field], c)
		c.register(k, g, lost)
	}
}

func (c *check) register(k *replay.KeyOperations, g *register, lost func(op int) replay.Count) {
	f := g.fronts()
	sessions := g.sessions(c)
	strong := false
	for i := range g.reads {
		l := &g.reads[i]
		if by := g.contradicts(l); by > 0 {
			c.contradict = max(c.contradict, by)
		}
		g.judge(l, int32(i), f, sessions)
		strong = strong || l.level.Kind == Strong
	}
	if strong {
		c.search(g)
	}
	for i := range g.reads {
		l := &g.reads[i]
		if age, versions := g.behind(f, l); age > c.skew {
			l.Age, l.Versions = time.Duration(age), versions
		}
		if l.seen.one() && l.seen.writes[0] != nothing {
			n := lost(g.writes[l.seen.writes[0]].op)
			c.report.Lost.Min += n.Min
			c.report.Lost.Max += n.Max
		}
		c.count(k, g, l)
	}
}

// search looks for an order of the register's operations. Where one is found, and every time is known, reads that may have
// seen one of several writes are fine together.
func (c *check) search(g *register) {
	switch g.search() {
	case Ordered:
		c.report.Registers.Ordered++
		if c.skew > 0 || slices.ContainsFunc(g.writes[1:], func(w write) bool { return !w.exact() }) ||
			slices.ContainsFunc(g.reads, func(l look) bool { return len(l.seen.writes) == 0 || !l.exact() }) {
			return
		}
		for i := range g.reads {
			if l := &g.reads[i]; l.Reason == Ambiguous && l.level.Kind == Strong {
				l.Verdict = Verdict{Outcome: Fine}
			}
		}
	case NoOrder:
		c.report.Registers.NoOrder++
	default:
		c.report.Registers.TooHard++
	}
}

// judge says whether a read was what it had been promised.
func (g *register) judge(l *look, i int32, f *fronts, sessions sessionMiss) {
	l.Verdict = Verdict{Outcome: Fine}
	untold := func(why Reason, m *miss) { l.Verdict = Verdict{Outcome: CannotTell, Reason: why, miss: m} }
	switch {
	case l.level.Kind == Eventual:
		return
	case len(l.seen.writes) == 0:
		untold(l.seen.why, nil)
		return
	case l.level.Kind == Session && l.session == "":
		untold(NoSession, nil)
		return
	case l.level.Kind == Session && l.start == 0 && l.time == 0:
		untold(NoStart, nil)
		return
	case l.level.Kind == Session || l.level.Kind == Strong:
		if m := sessions.certain[i]; m != nil {
			l.Outcome, l.miss = Stale, m
			return
		}
	}
	if l.level.Kind == Session {
		if m := sessions.possible[i]; m != nil {
			untold(WithinSkew, m)
		}
		return
	}
	if g.contradicts(l) > g.skew {
		untold(ClockContradict, &miss{write: l.seen.writes[0]})
		return
	}
	// Of several writes that it may have seen, one will do; it is stale when none would.
	writes := l.seen.writes[:min(len(l.seen.writes), mostLikely)]
	var missed, perhaps *miss
	var why Reason
	for _, a := range writes {
		m, w := g.missed(l, a, f)
		if m == nil {
			return
		}
		if w == "" {
			if missed == nil {
				missed = m
			}
		} else if why == "" {
			perhaps, why = m, w
		}
	}
	switch {
	case why == "" && len(writes) == len(l.seen.writes):
		l.Outcome, l.miss = Stale, missed
	case l.seen.one():
		untold(why, perhaps)
	default:
		untold(Ambiguous, cmp.Or(perhaps, missed))
	}
}

// missed returns a write that a read missed if it saw write a, and "" for certain or why nobody can tell; nil when it missed
// none.
func (g *register) missed(l *look, a int32, f *fronts) (*miss, Reason) {
	var certain, possible int32
	switch l.level.Kind {
	case Strong:
		if m := g.strong(l, a); m != nil {
			return m, ""
		}
		if b, why := g.notStrong(l, a); why != "" {
			return &miss{write: b}, why
		}
		return nil, ""
	case Quorum:
		certain, possible = f.acked.before(plus(l.startLo, -g.skew)), f.mayBeAcked.before(plus(l.startHi, g.skew))
	default:
		bound := int64(l.level.Bound)
		certain, possible = f.done.before(plus(plus(l.startLo, -g.skew), -bound)), f.made.before(plus(l.startHi, g.skew-bound))
	}
	if g.beats(certain, a) {
		how := ByRule
		if a == nothing {
			how = First
		}
		return &miss{write: certain, how: how, by: witness{-1, int32(g.writes[certain].op)}}, ""
	}
	if g.beats(possible, a) {
		why := WithinSkew
		switch {
		case l.startLo == ever:
			why = NoStart
		case l.level.Kind == Quorum && g.writes[possible].endHi == never:
			why = NotAcknowledged
		}
		return &miss{write: possible}, why
	}
	for _, b := range f.untimed {
		if unknown := g.writes[b].made == ever || l.level.Kind == Quorum; unknown && g.beats(b, a) {
			return &miss{write: b}, NoTime
		}
	}
	if len(f.untimed) == mostAtOnce {
		return &miss{write: f.untimed[0]}, TooMany
	}
	return nil, ""
}

// lost returns whether an operation is lost in the end, 1 or 0, or perhaps: it made a claim that the table's fold says is lost,
// and nobody who had seen it replaced it. Nothing is folded before the first question.
func (c *check) lost(k *replay.KeyOperations, p *past) func(op int) replay.Count {
	var cells []*cell
	claimsOf := make(map[int][]claimed)
	cellOf := func(rule *merge.Rule, name string) *cell {
		for _, one := range cells {
			if one.rule == rule && one.name == name {
				return one
			}
		}
		one := &cell{rule: rule, name: name, state: rule.NewCell()}
		cells = append(cells, one)
		return one
	}
	take := func(op int, claim merge.Claim, at *cell) {
		if claim.Rule.NeedsSeen(claim.Kind) && claim.Op.Seen.IsEmpty() {
			for n, node := range k.Nodes {
				claim.Op.Seen.AddUp(node, uint64(k.Ops[op].Low[n]))
			}
		}
		at.state.Apply(&claim)
		if n := len(at.last); n == 0 || k.Ops[at.last[n-1]].Node != k.Ops[op].Node {
			at.last = append(at.last, op) // they come node by node, and once more for the deletes
		}
		at.last[len(at.last)-1] = op
		claimsOf[op] = append(claimsOf[op], claimed{at, claim})
	}
	fold := func() {
		var claims []merge.Claim
		for i := range k.Ops {
			if o := &k.Ops[i].Op; !o.WholeDelete() {
				claims = c.table.Claims(o, claims[:0])
				for _, claim := range claims {
					take(i, claim, cellOf(claim.Rule, claim.Cell))
				}
			}
		}
		for i := range k.Ops {
			if o := &k.Ops[i].Op; o.WholeDelete() {
				for _, at := range cells {
					take(i, c.table.Delete(o, at.rule, at.name), at)
				}
			}
		}
	}
	known := make(map[int]replay.Count)
	return func(op int) replay.Count {
		if len(k.Ops) < 2 {
			return replay.Count{}
		}
		if cells == nil {
			fold()
		}
		lost, ok := known[op]
		if !ok {
			for _, one := range claimsOf[op] {
				n := one.lost(op, p)
				lost.Min, lost.Max = max(lost.Min, n.Min), max(lost.Max, n.Max)
			}
			known[op] = lost
		}
		return lost
	}
}

// cell is one cell of a key, and of each node the last operation that has a part in it: it has seen most.
type cell struct {
	rule  *merge.Rule
	name  string
	state merge.Cell
	last  []int
}

type claimed struct {
	*cell
	claim merge.Claim
}

func (c *claimed) lost(op int, p *past) replay.Count {
	if v := c.state.Judge(&c.claim); v.Outcome != merge.Lost {
		return replay.Count{}
	}
	shown := c.state.Value()
	switch {
	case c.claim.Kind == merge.Set && c.claim.Value == shown || c.claim.Kind == merge.Delete && shown.IsAbsent(),
		slices.ContainsFunc(c.last, func(other int) bool { return p.saw(other, op) }):
		return replay.Count{}
	case slices.ContainsFunc(c.last, func(other int) bool { return p.maySee(other, op) }):
		return replay.Count{Max: 1}
	}
	return replay.Count{Min: 1, Max: 1}
}

// sessionWrites counts a write of a session that had something in place before.
func (c *check) sessionWrites(g *register, w, before int32) {
	c.report.Sessions.Checked++
	if !g.beats(before, w) {
		return
	}
	c.report.Sessions.OutOfOrder++
	o, had := &g.past.ops[g.writes[w].op], &g.past.ops[g.writes[before].op]
	f := finding.Finding{Code: finding.Inversion, Place: o.Place, Key: strings.Clone(o.Key), Field: g.field,
		Detail: fmt.Sprintf("session %q wrote it when it had the write at %s, and loses to that", g.writes[w].session, had.Place)}
	if u := c.report.Unordered; u == nil || f.Place.Compare(u.Place) < 0 {
		c.report.Unordered = &f
	}
}

// count adds a read to the report.
func (c *check) count(k *replay.KeyOperations, g *register, l *look) {
	c.report.Reads++
	level, name := l.level, l.level.String()
	s := c.levels[level]
	if s == nil && len(c.levels) >= mostLevels && level.Kind == Bounded {
		level, name = Level{Bounded, -1}, "bounded, others"
		s = c.levels[level]
	}
	if s == nil {
		s = &levelSum{LevelSum: LevelSum{Level: name}}
		c.levels[level] = s
	}
	s.Reads++
	switch l.Outcome {
	case Fine:
		s.Fine++
	case Stale:
		s.Stale++
		c.worst(k, g, l)
	default:
		s.CannotTell++
		c.reasons[l.Reason]++
		if old := c.first[l.Reason]; old == nil || l.place.Compare(old.Read.Place) < 0 {
			one := c.caseOf(k, g, l)
			c.first[l.Reason] = &one
		}
	}
	if l.Age > 0 {
		s.Behind++
		s.Versions = max(s.Versions, l.Versions)
		s.ages = append(s.ages, int64(l.Age))
	}
	c.answered(k, g, l)
	if c.opt.Each != nil {
		c.opt.Each(k.Key, g.field, l.place, l.Verdict)
	}
}

// compareCases puts those first that are further behind.
func compareCases(a, b Case) int {
	return cmp.Or(-cmp.Compare(a.Age, b.Age), strings.Compare(a.Key, b.Key), a.Read.Place.Compare(b.Read.Place))
}

// worst keeps a stale read if it is among the worst.
func (c *check) worst(k *replay.KeyOperations, g *register, l *look) {
	limit := cmp.Or(c.opt.Worst, 5)
	list := c.report.Worst
	if limit < 0 || len(list) == limit && list[limit-1].Age > l.Age {
		return
	}
	one := c.caseOf(k, g, l)
	at, _ := slices.BinarySearchFunc(list, one, compareCases)
	list = slices.Insert(list, at, one)
	c.report.Worst = list[:min(len(list), limit)]
}

func moment(wall int64) time.Time {
	if wall <= 0 || wall == never {
		return time.Time{}
	}
	return time.Unix(0, wall).UTC()
}

// caseOf tells of a read.
func (c *check) caseOf(k *replay.KeyOperations, g *register, l *look) Case {
	one := Case{Key: l.key, Field: g.field, Level: l.level.String(), Outcome: l.Outcome, Reason: l.Reason, Age: l.Age, Behind: l.Versions,
		Read: ReadRef{Place: l.place, Start: moment(cmp.Or(l.start, l.time)), End: moment(l.end), Saw: l.read.saw, Nothing: l.notFound,
			Session: l.session, Replica: l.server}}
	if l.seen.one() {
		one.Saw = c.writeRef(g, l.seen.writes[0])
	}
	if m := l.miss; m != nil && m.write != nothing {
		one.Missed, one.How = c.writeRef(g, m.write), m.how
		if l.Outcome == Stale {
			one.Shown = g.shown(m.by, m.write)
			if m.how == Before {
				one.Older = g.shown(m.older, l.seen.writes[0])
			}
		}
	}
	return one
}

func (c *check) writeRef(g *register, i int32) *WriteRef {
	if i == nothing {
		return nil
	}
	w := &g.writes[i]
	o := &g.past.ops[w.op]
	called := c.from.call(o.Place)
	return &WriteRef{Place: placeOf(o), ID: strings.Clone(o.ID), Version: o.Stamp.Version, Node: strings.Clone(string(o.Stamp.Node)),
		Deleted: w.written.Deleted, Start: moment(called.start), End: moment(called.end), Time: moment(o.Stamp.Time.Wall)}
}

// placeOf returns the place of an operation, holding on to no memory of the history.
func placeOf(o *replay.Operation) finding.Place {
	p := o.Place
	p.File = strings.Clone(p.File)
	return p
}

// shown says what shows that a write was in place.
func (g *register) shown(by witness, write int32) *Shown {
	if by.read >= 0 {
		l := &g.reads[by.read]
		return &Shown{By: "read", Place: l.place, End: moment(l.end)}
	}
	if by.op < 0 {
		return nil
	}
	s := &Shown{By: "write", Place: placeOf(&g.past.ops[by.op])}
	if by.op == int32(g.writes[write].op) {
		s.By = "itself"
	}
	if s.End = moment(g.spans[by.op].endHi); g.spans[by.op].endHi-g.spans[by.op].endLo < 1e9 {
		s.End = moment(g.spans[by.op].endLo) // as it is recorded
	}
	return s
}

// close ends the pass.
func (c *check) close() *Report {
	r := &c.report
	r.Schema = Schema
	r.Skew, r.Contradict = time.Duration(c.skew), time.Duration(c.contradict)
	if left := c.from.total - r.Reads; left > 0 {
		r.Reads += left
		c.levels[Level{Bound: -1}] = &levelSum{LevelSum: LevelSum{Level: "not kept", Reads: left, CannotTell: left}}
		c.reasons[BeyondLimit] = left
	}
	order := slices.SortedFunc(maps.Keys(c.levels), func(a, b Level) int {
		return cmp.Or(-cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Bound, b.Bound))
	})
	r.Levels, r.Untold, r.Examples = []LevelSum{}, []ReasonSum{}, []Case{}
	for _, level := range order {
		s := c.levels[level]
		s.Age = SpreadOf(s.ages, int64(len(s.ages)))
		r.Levels = append(r.Levels, s.LevelSum)
	}
	for _, reason := range slices.Sorted(maps.Keys(c.reasons)) {
		r.Untold = append(r.Untold, ReasonSum{reason, c.reasons[reason]})
	}
	slices.SortStableFunc(r.Untold, func(a, b ReasonSum) int { return -cmp.Compare(a.Reads, b.Reads) })
	for _, u := range r.Untold {
		if one := c.first[u.Reason]; one != nil {
			r.Examples = append(r.Examples, *one)
		}
	}
	if r.Worst == nil {
		r.Worst = []Case{}
	}
	r.Preferred = c.preferred()
	return r
}
