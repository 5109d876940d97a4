package reads

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
)

// Options says what reads are held to, and how far times can be relied on. The zero value is the default of each.
type Options struct {
	// Promise says what a read of a key that wants nothing was promised. Nil promises session to a read with a session, and
	// eventual to others. Several goroutines call it.
	Promise func(key string) Level

	// Skew is how far the clocks of two records may differ. When the reads show more, that is taken.
	Skew time.Duration

	// Lag is how long after its time a write had been acknowledged that doesn't say when, and when it can be seen by other
	// nodes (see [replay.Options]). Zero means that nobody knows.
	Lag time.Duration

	// Limit is how many answers of replicas are kept to find those that preferred their own; 0 is [DefaultLimit]. Of more, those of
	// some keys are kept, chosen by a hash: see [Report.OneIn].
	Limit int

	// Workers is how many goroutines judge; 0 is one for each processor.
	Workers int

	// Worst is how many stale reads the report tells of. Zero means 5; less than zero, none.
	Worst int

	// Each, when not nil, is called with every read that is judged, in any order, one at a time.
	//
	// HAZARD: what it is given changes when it returns. Clone what is kept.
	Each func(key, field string, place finding.Place, v Verdict)
}

// mostLikely is how many of the writes that a read may have seen are tried.
const mostLikely = 64

// mostLevels is how many levels are counted apart: of those with yet other bounds, the greatest are counted together.
const mostLevels = 32

// otherLevels stands for those that are counted together.
var otherLevels = Level{Bounded, -1}

// check is one pass of one goroutine over keys of a history. Several are joined.
type check struct {
	table *merge.Table
	opt   *Options
	skew  int64
	lag   int64

	report     Report
	levels     map[Level]*levelSum
	reasons    map[Reason]int64
	first      map[Reason]*Case
	servers    map[string]bool
	answers    answers
	quorums    map[int]int64 // reads that asked for one, by how many replicas answered
	contradict int64
	left       int64 // reads that were not judged

	// What is worked out of the key at hand.
	past past
	lost []replay.Count // of each operation of the key, nil before somebody asks
	list []*replay.Read
	room register
}

type levelSum struct {
	LevelSum
	ages ages
}

// Check judges the reads that a history kept, which are those of a history that was collected with [history.Options.Reads]. Of
// the operations and reads those of a few keys are in memory at a time. The error is of a history that can't be read back.
func Check(h *replay.History, table *merge.Table, opt Options) (*Report, error) {
	opt.Skew, opt.Workers = max(opt.Skew, 0), cmp.Or(max(opt.Workers, 0), runtime.GOMAXPROCS(0))
	silent := opt
	silent.Each = nil
	k, err := pass(h, table, &silent)
	if err != nil {
		return nil, err
	}
	if k.contradict > k.skew || opt.Each != nil { // what the clocks show doesn't depend on the tolerance: this is the last pass
		opt.Skew = max(opt.Skew, time.Duration(k.contradict))
		if k, err = pass(h, table, &opt); err != nil {
			return nil, err
		}
	}
	return k.close(), nil
}

// pass judges all reads once.
func pass(h *replay.History, table *merge.Table, opt *Options) (*check, error) {
	checks := make([]*check, opt.Workers)
	for i := range checks {
		checks[i] = newCheck(table, opt)
	}
	var one sync.Mutex
	if each := opt.Each; each != nil {
		opt.Each = func(key, field string, place finding.Place, v Verdict) {
			one.Lock()
			defer one.Unlock()
			each(key, field, place, v)
		}
	}
	left := h.ReadKeys(replay.Options{Lag: opt.Lag, Skew: opt.Skew, Workers: opt.Workers}, func(worker int, k *replay.KeyOperations) { checks[worker].key(k) })
	if err := h.Err(); err != nil {
		return nil, err
	}
	all := checks[0]
	for _, c := range checks[1:] {
		all.join(c)
	}
	all.left = left
	return all, nil
}

func newCheck(table *merge.Table, opt *Options) *check {
	return &check{table: table, opt: opt, skew: int64(opt.Skew), lag: int64(opt.Lag), levels: make(map[Level]*levelSum),
		reasons: make(map[Reason]int64), first: make(map[Reason]*Case), servers: make(map[string]bool), quorums: make(map[int]int64)}
}

// join takes what another check of the same history counted.
func (c *check) join(o *check) {
	c.report.join(&o.report, c.worstCases())
	for level, sum := range o.levels {
		c.level(level).join(sum)
		c.fewLevels()
	}
	for reason, n := range o.reasons {
		c.reasons[reason] += n
	}
	for reason, one := range o.first {
		if old := c.first[reason]; old == nil || one.Read.Place.Compare(old.Read.Place) < 0 {
			c.first[reason] = one
		}
	}
	for server := range o.servers {
		if len(c.servers) < mostServers {
			c.servers[server] = true
		}
	}
	c.answers.join(&o.answers, c.limit())
	for n, reads := range o.quorums {
		c.quorums[n] += reads
	}
	c.contradict = max(c.contradict, o.contradict)
}

func (c *check) limit() int { return cmp.Or(c.opt.Limit, DefaultLimit) }

// level returns the sum of a level.
func (c *check) level(of Level) *levelSum {
	s := c.levels[of]
	if s == nil {
		s = &levelSum{LevelSum: LevelSum{Level: of.String()}}
		if of == otherLevels {
			s.Level = "bounded, others"
		}
		c.levels[of] = s
	}
	return s
}

// fewLevels counts the level with the greatest bound together with others when there are too many.
func (c *check) fewLevels() {
	if len(c.levels) <= mostLevels {
		return
	}
	most := otherLevels
	for level := range c.levels {
		if level.Kind == Bounded && level.Bound > most.Bound {
			most = level
		}
	}
	sum := c.levels[most]
	delete(c.levels, most)
	c.level(otherLevels).join(sum)
}

// join adds the sum of other reads.
func (s *levelSum) join(o *levelSum) {
	s.Reads += o.Reads
	s.Fine += o.Fine
	s.Stale += o.Stale
	s.CannotTell += o.CannotTell
	s.Behind += o.Behind
	s.Versions = max(s.Versions, o.Versions)
	s.ages.join(&o.ages)
}

func (c *check) levelOf(key string, r *replay.Read) Level {
	if r.Want != "" {
		l, _ := ParseLevel(r.Want) // what is not a level is set aside when it is read
		return l
	}
	switch {
	case c.opt.Promise != nil:
		return c.opt.Promise(key)
	case r.Session != "":
		return Level{Kind: Session}
	}
	return Level{}
}

// key judges all reads of a key.
func (c *check) key(k *replay.KeyOperations) {
	if len(k.Ops)+len(k.Reads) > mostKept {
		defer func() { c.past, c.lost, c.list, c.room = past{}, nil, nil, register{} }()
	}
	c.past.begin(k)
	c.lost = nil
	c.list = c.list[:0]
	fields := false
	for i := range k.Reads {
		c.list = append(c.list, &k.Reads[i])
		fields = fields || k.Reads[i].Field != k.Reads[0].Field
	}
	list := c.list
	if fields {
		slices.SortStableFunc(list, func(a, b *replay.Read) int { return strings.Compare(a.Field, b.Field) })
	}
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Field == list[0].Field {
			n++
		}
		c.register(k, newRegister(k, &c.past, list[0].Field, list[:n], c))
		list = list[n:]
	}
}

func (c *check) register(k *replay.KeyOperations, g *register) {
	f := &g.fronts
	f.begin(g)
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
		if l.one() && l.writes[0] != nothing {
			if c.lost == nil {
				c.lost = k.Lost(c.table)
			}
			n := c.lost[g.writes[l.writes[0]].op]
			c.report.Lost.Min += n.Min
			c.report.Lost.Max += n.Max
		}
		c.count(k, g, l)
	}
}

// search looks for an order of the register's writes and strong reads. Where one is found, and every time is known, reads that may have
// seen one of several writes are fine together.
func (c *check) search(g *register) {
	switch g.search() {
	case Ordered:
		c.report.Registers.Ordered++
		if c.skew > 0 || slices.ContainsFunc(g.writes[1:], func(w write) bool { return !w.exact() }) ||
			slices.ContainsFunc(g.reads, func(l look) bool { return l.level.Kind == Strong && (len(l.writes) == 0 || !l.exact()) }) {
			return
		}
		for i := range g.reads {
			if l := &g.reads[i]; l.Reason == Ambiguous && l.level.Kind == Strong && !l.miss.own() {
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
	case len(l.writes) == 0:
		untold(l.seen.why, nil)
		return
	case l.level.Kind == Session && l.Session == "":
		untold(NoSession, nil)
		return
	case l.level.Kind == Session && l.Start == 0 && l.Time == 0:
		untold(NoStart, nil)
		return
	case g.inverted && l.level.Kind != Strong:
		untold(Inverted, nil)
		return
	case l.level.Kind == Session || l.level.Kind == Strong:
		if m := sessions.certain[i]; m != nil {
			l.Outcome, l.miss = Stale, m
			return
		}
	}
	if l.level.Kind == Session {
		if m := sessions.possible[i]; m != nil {
			untold(g.whyOwn(l, m), m)
		}
		return
	}
	if g.contradicts(l) > g.skew {
		untold(ClockContradict, &miss{write: l.writes[0]})
		return
	}
	// Of several writes that it may have seen, one will do that it could see; it is stale when none would. They are tried from the last
	// to begin. A null read may have come before the first write or after a delete of which nobody knows whether it was in time: if
	// it was, the read saw it, and if not, it could not miss it. So what would do if it had begun in time is not missed by earlier ones.
	var missed, perhaps *miss
	var why Reason
	fine, unsure := false, 0
	all := l.likely(func(a int32) bool {
		var later []int32
		if missed == nil && why == "" {
			later = l.writes[len(l.writes)-unsure:]
		}
		switch m, w := g.missed(l, a, f, later); {
		case m == nil && g.sees(l, a):
			fine = true
		case m == nil: // if it had begun
			unsure++
		case w != "":
			if why == "" {
				perhaps, why = m, w
			}
		case missed == nil:
			missed = m
		}
		return !fine
	})
	switch {
	case fine || all && unsure == len(l.writes):
		if m := sessions.possible[i]; m != nil && l.level.Kind == Strong {
			untold(g.whyOwn(l, m), m)
		}
	case all && unsure == 0 && why == "":
		l.Outcome, l.miss = Stale, missed
	case l.one():
		untold(why, perhaps)
	default:
		untold(Ambiguous, cmp.Or(perhaps, missed))
	}
}

// whyOwn says why nobody can tell whether a read missed what its session had made or seen.
func (g *register) whyOwn(l *look, m *miss) Reason {
	switch {
	case !l.one():
		return Ambiguous
	case l.startLo == ever && l.Time == 0:
		return NoStart
	case m.how == OwnRead && g.reads[m.by.read].Start == 0 && g.reads[m.by.read].Time == 0:
		return NoReadTime
	case m.how == OwnWrite && g.writes[m.write].made == ever:
		return NoTime
	}
	return WithinSkew
}

// missed returns a write that a read missed if it saw write a and had not seen later ones, and "" for certain or why nobody can tell;
// nil when it missed none.
func (g *register) missed(l *look, a int32, f *fronts, later []int32) (*miss, Reason) {
	var certain, possible int32
	switch l.level.Kind {
	case Strong:
		if m := g.strong(l, a); m != nil {
			return m, ""
		}
		if b, why := g.notStrong(l, a, later); why != "" {
			return &miss{write: b}, why
		}
		return nil, ""
	case Quorum:
		certain, possible = f.acked.before(plus(l.startLo, -g.skew)), f.mayBeAcked.before(plus(l.startHi, g.skew))
	default:
		bound := int64(l.level.Bound)
		certain, possible = f.acked.before(plus(plus(l.startLo, -g.skew), -bound)), f.made.before(plus(l.startHi, g.skew-bound))
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
		case g.writes[possible].endHi == never:
			why = NotAcknowledged
		}
		return &miss{write: possible}, why
	}
	for _, b := range f.untimed {
		at := g.writes[b].made
		if l.level.Kind == Quorum {
			at = g.writes[b].endLo
		}
		if at == ever && g.beats(b, a) {
			return &miss{write: b}, NoTime
		}
	}
	if len(f.untimed) == mostAtOnce {
		return &miss{write: f.untimed[0]}, TooMany
	}
	return nil, ""
}

// sessionWrites counts a write of a session that had something in place before.
func (c *check) sessionWrites(g *register, w, before int32) {
	c.report.Sessions.Checked++
	if !g.beats(before, w) {
		return
	}
	c.report.Sessions.OutOfOrder++
	o, had := &g.past.ops[g.writes[w].op], &g.past.ops[g.writes[before].op]
	f := finding.Finding{Code: finding.Inversion, Place: o.Place, Key: strings.Clone(o.Key), Field: strings.Clone(g.field),
		Detail: fmt.Sprintf("session %q wrote it when it had the write at %s, and loses to that", g.writes[w].session, had.Place)}
	if u := c.report.Unordered; u == nil || f.Place.Compare(u.Place) < 0 {
		c.report.Unordered = &f
	}
}

// count adds a read to the report.
func (c *check) count(k *replay.KeyOperations, g *register, l *look) {
	c.report.Reads++
	s := c.level(l.level)
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
		if old := c.first[l.Reason]; old == nil || l.Place.Compare(old.Read.Place) < 0 {
			one := c.caseOf(k, g, l)
			c.first[l.Reason] = &one
		}
	}
	if l.Age > 0 {
		s.Behind++
		s.Versions = max(s.Versions, l.Versions)
		s.ages.add(int64(l.Age))
	}
	c.fewLevels()
	c.answered(k, g, l)
	if c.opt.Each != nil {
		c.opt.Each(k.Key, g.field, l.Place, l.Verdict)
	}
}

// compareCases puts those first that are further behind.
func compareCases(a, b Case) int {
	return cmp.Or(-cmp.Compare(a.Age, b.Age), strings.Compare(a.Key, b.Key), a.Read.Place.Compare(b.Read.Place))
}

// worstCases is how many stale reads are told.
func (c *check) worstCases() int { return max(cmp.Or(c.opt.Worst, 5), 0) }

// worst keeps a stale read if it is among the worst.
func (c *check) worst(k *replay.KeyOperations, g *register, l *look) {
	limit, list := c.worstCases(), c.report.Worst
	if limit == 0 || len(list) == limit && list[limit-1].Age > l.Age {
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

// caseOf tells of a read, holding on to no memory of the history.
func (c *check) caseOf(k *replay.KeyOperations, g *register, l *look) Case {
	one := Case{Key: strings.Clone(k.Key), Field: strings.Clone(g.field), Level: l.level.String(), Outcome: l.Outcome, Reason: l.Reason, Age: l.Age, Behind: l.Versions,
		Read: ReadRef{Place: l.Place, Start: moment(cmp.Or(l.Start, l.Time)), End: moment(l.End), Saw: strings.Clone(l.Saw), ByVersion: l.HasSawVersion, Nothing: l.NotFound,
			Session: strings.Clone(l.Session), Replica: strings.Clone(l.ServedBy)}}
	if l.HasSawVersion {
		one.Read.Saw = strconv.FormatUint(l.SawVersion, 10)
	}
	if l.one() {
		one.Saw = c.writeRef(g, l.writes[0])
	}
	if m := l.miss; m != nil && m.write != nothing {
		one.Missed, one.How = c.writeRef(g, m.write), m.how
		if l.Outcome == Stale {
			one.Shown = g.shown(m.by, m.write)
			if m.how == Before {
				one.Older = g.shown(m.older, l.writes[0])
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
	return &WriteRef{Place: o.Place, ID: strings.Clone(o.ID), Version: o.Stamp.Version, Node: string(o.Stamp.Node),
		Deleted: w.deletes, Start: moment(o.Call.Start), End: moment(o.Call.End), Time: moment(o.Stamp.Time.Wall)}
}

// shown says what shows that a write was in place.
func (g *register) shown(by witness, write int32) *Shown {
	if by.read >= 0 {
		l := &g.reads[by.read]
		return &Shown{By: "read", Place: l.Place, End: moment(l.End)}
	}
	if by.op < 0 {
		return nil
	}
	s := &Shown{By: "write", Place: g.past.ops[by.op].Place}
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
	if c.left > 0 {
		r.Reads += c.left
		c.levels[Level{Bound: -1}] = &levelSum{LevelSum: LevelSum{Level: "not kept", Reads: c.left, CannotTell: c.left}}
		c.reasons[BeyondLimit] = c.left
	}
	order := slices.SortedFunc(maps.Keys(c.levels), func(a, b Level) int {
		return cmp.Or(-cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Bound, b.Bound))
	})
	r.Levels, r.Untold, r.Examples = []LevelSum{}, []ReasonSum{}, []Case{}
	for _, level := range order {
		s := c.levels[level]
		s.Age = s.ages.spread()
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
	if c.answers.halved > 0 {
		r.OneIn = 1 << c.answers.halved
	}
	return r
}
