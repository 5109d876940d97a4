package reads

import (
	"cmp"
	"slices"
	"sort"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
)

// register is one field of one key, or the whole record: what reads of it can be linearizable about.
type register struct {
	field string
	hash  uint64 // of the key
	rule  *merge.Rule
	past  *past
	skew  int64

	// inverted says that the rule turns on who had seen what, and that it is against that: what the best of some writes is does not
	// say what a replica shows that has others too, so only a strong read can be judged, by real time. See inversions.
	inverted bool

	// writes[0] is nothing: what is there before the first write.
	writes []write
	at     []int32 // of each operation of the key, its write; -1 when it doesn't touch the register
	spans  []span  // of each operation of the key
	reads  []look
	seen   map[name]*seen
	names  names

	certain, possible zones
	next, perhaps     []int32 // of each write, that of those who had seen it which is in place first; -1 for none
	fronts            fronts

	// Memory for what is worked out on the way.
	several    []seen
	from, till []int64
	events     []event
	actions    []action
	told       []told
	a, b       merge.Write // that are compared
}

// nothing is the number of what is there before the first write.
const nothing = 0

// write is one write to a register.
type write struct {
	span
	op      int   // among the operations of the key; -1 for nothing
	made    int64 // it was in place no earlier, by its time or its start; no later than it was acknowledged
	deletes bool
	session string
	begun   int64 // as its caller recorded it; 0 when not told

	// By when it and all that its writer had seen had begun, at the earliest and at the latest: nobody saw it before. See begin.
	begunLo, begunHi int64
}

// look is one read of a register.
type look struct {
	*replay.Read
	span
	level  Level
	seen   *seen
	writes []int32 // those of seen that may have begun before the read ended; the first one when none may
	Verdict
}

// one reports whether it is known which write a read saw.
func (l *look) one() bool { return len(l.writes) == 1 }

// likely calls try with the writes that a read may have seen, the last to begin first, until that returns false. It reports
// whether those are all: of very many some are left out.
func (l *look) likely(try func(a int32) bool) bool {
	for i := range min(len(l.writes), mostLikely) {
		if !try(l.writes[len(l.writes)-1-i]) {
			break
		}
	}
	return len(l.writes) <= mostLikely
}

// seen is what one or more reads saw: a write, or one of several that go by the same name.
type seen struct {
	writes []int32 // none when the history doesn't have it, those that may have begun first before others
	why    Reason  // when there is no write

	called int64 // the first of the strong reads that saw it began then
	began  int64 // the first of the writes did
	alike  int32 // the first of them that goes by no other name; -1 for none
}

// newRegister makes the register of a field, "" for the whole record. It is in the memory of the one before.
func newRegister(k *replay.KeyOperations, p *past, field string, list []*replay.Read, c *check) *register {
	g := &c.room
	if cap(g.writes)+cap(g.reads) > mostKept {
		*g = register{}
	}
	g.field, g.hash, g.rule, g.past, g.skew = field, hashOf(k.Key), c.table.Rule(k.Key, field), p, c.skew
	g.at, g.spans, g.writes = fit(g.at, len(k.Ops)), fit(g.spans, len(k.Ops)), fit(g.writes, len(k.Ops)+1)[:0]
	g.writes = append(g.writes, write{op: -1, span: span{ever, ever, ever, ever}, made: ever, begunLo: ever, begunHi: ever})
	for i := range k.Ops {
		o := &k.Ops[i]
		called := &o.Call
		g.at[i], g.spans[i] = -1, spanOf(called.Start, called.End, o.Stamp.Time.Wall, c.lag)
		if _, ok := valueOf(&o.Op, field); !ok {
			continue
		}
		w := write{op: i, span: g.spans[i], deletes: o.Kind == merge.Delete, session: called.Session, begun: called.Start}
		if w.made = w.startLo; o.Stamp.Time.Wall > 0 {
			w.made = max(w.made, min(o.Stamp.Time.Wall, w.endHi))
		}
		g.at[i] = int32(len(g.writes))
		g.writes = append(g.writes, w)
	}
	g.begin()
	g.inverted = g.rule.NeedsDots() && g.inversions()
	g.look(k.Key, list, c)
	g.zones(&g.certain, c.skew, true)
	g.zones(&g.possible, c.skew, false)
	g.next, g.perhaps = g.successors(g.next, &g.certain), g.successors(g.perhaps, &g.possible)
	return g
}

// begin works out by when each write and all that its writer had seen had begun. A write may be called before one that its
// writer had seen is, and a read that ended between the two did not see it.
func (g *register) begin() {
	g.from, g.till = fit(g.from, len(g.spans)), fit(g.till, len(g.spans))
	for i := range g.spans {
		g.from[i], g.till[i] = g.spans[i].startLo, g.spans[i].startHi
	}
	for i, lo := range g.past.earlier(g.from) {
		if at := g.at[i]; at >= 0 {
			g.writes[at].begunLo = max(g.from[i], lo)
		}
	}
	for i, hi := range g.past.earlier(g.till) {
		if at := g.at[i]; at >= 0 {
			g.writes[at].begunHi = max(g.till[i], min(hi, g.spans[i].endHi))
		}
	}
}

// valueOf returns what an operation writes to a field, and whether it does.
func valueOf(o *merge.Op, field string) (value.Value, bool) {
	if o.WholeDelete() {
		return "", true
	}
	for i := range o.Fields {
		if f := &o.Fields[i]; f.Name == field || f.Name == "" {
			return f.Value, true
		}
	}
	return "", field == ""
}

// look works out what each read saw.
func (g *register) look(key string, list []*replay.Read, c *check) {
	if g.seen == nil || len(g.seen) > mostKept {
		g.seen = make(map[name]*seen)
	}
	clear(g.seen)
	g.names.begin(g)
	g.reads, g.several = fit(g.reads, len(list))[:0], fit(g.several, len(list)+1)[:0]
	var none *seen
	for _, r := range list {
		s, saw := none, name{id: r.Saw, version: r.SawVersion, isVersion: r.HasSawVersion}
		if !r.NotFound {
			s = g.seen[saw]
		}
		if s == nil {
			g.several = append(g.several, seen{})
			s = &g.several[len(g.several)-1]
			switch {
			case r.NotFound:
				none = s
				for w := range g.writes {
					if w == nothing || g.writes[w].deletes {
						s.writes = append(s.writes, int32(w))
					}
				}
			case saw == name{}:
				s.why = NoSaw
			default:
				s.writes, s.why = g.names.find(g, saw)
			}
			slices.SortStableFunc(s.writes, func(a, b int32) int {
				return cmp.Or(cmp.Compare(g.writes[a].begunLo, g.writes[b].begunLo), cmp.Compare(g.writes[a].made, g.writes[b].made))
			})
			if !r.NotFound {
				g.seen[saw] = s
			}
		}
		l := look{Read: r, span: spanOf(r.Start, r.End, r.Time, 0), seen: s, level: c.levelOf(key, r)}
		n := sort.Search(len(s.writes), func(i int) bool { return !g.maySee(&l, s.writes[i]) })
		l.writes = s.writes[:min(max(n, 1), len(s.writes))]
		g.reads = append(g.reads, l)
	}
}

// name is the id of an operation, or its version: one is never taken for the other.
type name struct {
	id        string
	version   uint64
	isVersion bool
}

// of reports whether an operation goes by the name. One without a version has the version 0, which is none.
func (n *name) of(o *merge.Op) bool {
	if n.isVersion {
		return n.version > 0 && o.Stamp.Version == n.version
	}
	return o.ID == n.id
}

// names finds the writes that go by a name.
type names struct {
	every     []int32 // 0, 1, 2, and so on: what one write is a part of, as a list
	byID      map[string]int32
	byVersion map[uint64]int32 // of many operations, the last of that name, from 1
	ofID      []int32          // of each operation, the one before it that has its id, from 1
	ofVersion []int32
	found     []int32
	elsewhere bool
}

// fewNames is up to how many operations looking at each finds one sooner than a map that has to be made.
const fewNames = 16

func (n *names) begin(g *register) {
	for len(n.every) < len(g.writes) {
		n.every = append(n.every, int32(len(n.every)))
	}
	ops := g.past.ops
	if len(ops) <= fewNames {
		return
	}
	n.byID, n.byVersion = make(map[string]int32, len(ops)), make(map[uint64]int32)
	n.ofID, n.ofVersion = fit(n.ofID, len(ops)), fit(n.ofVersion, len(ops))
	for i := range ops {
		o := &ops[i]
		if o.ID != "" {
			n.ofID[i] = n.byID[o.ID]
			n.byID[o.ID] = int32(i + 1)
		}
		if o.Stamp.Version > 0 {
			n.ofVersion[i] = n.byVersion[o.Stamp.Version]
			n.byVersion[o.Stamp.Version] = int32(i + 1)
		}
	}
}

// find returns the writes that go by a name, and why there is none.
func (n *names) find(g *register, by name) (writes []int32, why Reason) {
	n.found, n.elsewhere = n.found[:0], false
	ops := g.past.ops
	if len(ops) <= fewNames {
		for i := range ops {
			if by.of(&ops[i].Op) {
				n.take(g, i)
			}
		}
	} else {
		at, before := n.byID[by.id], n.ofID
		if by.isVersion {
			at, before = n.byVersion[by.version], n.ofVersion
		}
		for ; at > 0; at = before[at-1] {
			n.take(g, int(at-1))
		}
		slices.Sort(n.found)
	}
	switch {
	case len(n.found) == 1:
		at := n.found[0]
		return n.every[at : at+1 : at+1], ""
	case len(n.found) > 1:
		return slices.Clone(n.found), ""
	case n.elsewhere:
		return nil, OtherField
	}
	return nil, UnknownWrite
}

// take takes the write of an operation of that name, or that it touches something else.
func (n *names) take(g *register, op int) {
	if at := g.at[op]; at >= 0 {
		n.found = append(n.found, at)
	} else {
		n.elsewhere = true
	}
}

func compareTimes(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// beats reports whether a replica that has both writes shows b and not a: the rule of the table says so.
func (g *register) beats(b, a int32) bool {
	switch {
	case a == b || b == nothing:
		return false
	case a == nothing:
		return true
	}
	x, y := &g.writes[a], &g.writes[b]
	if g.rule.NeedsDots() { // the rule turns on who had seen what
		if g.past.saw(y.op, x.op) {
			return true
		}
		if g.past.saw(x.op, y.op) {
			return false
		}
	}
	return g.compare(a, b) < 0
}

// inversions reports whether the rule puts a write before one whose writer had seen it, and a third one between them that neither
// the latter's writer had seen nor the other way round: a replica goes from the first to the third when the second comes.
func (g *register) inversions() bool {
	if len(g.writes[1:]) < 3 { // mostly
		return false
	}
	order := make([]int32, 0, len(g.writes))
	for i := range g.writes[1:] {
		order = append(order, int32(i+1))
	}
	slices.SortFunc(order, g.compare)
	g.from = fit(g.from, len(g.at))
	ranks := g.from
	for i, at := range g.at {
		if at < 0 {
			ranks[i] = ever
		}
	}
	rank := int64(0)
	for at, i := range order {
		if at > 0 && g.compare(order[at-1], i) != 0 {
			rank++
		}
		ranks[g.writes[i].op] = rank
	}
	steps := mostSteps
	for i, greatest := range g.past.earlier(ranks) {
		if g.at[i] < 0 || greatest <= ranks[i] {
			continue
		}
		at := sort.Search(len(order), func(at int) bool { return ranks[g.writes[order[at]].op] > ranks[i] })
		for ; at < len(order) && ranks[g.writes[order[at]].op] < greatest; at++ {
			if between := g.writes[order[at]].op; !g.past.saw(between, i) && !g.past.saw(i, between) {
				return true
			}
			if steps--; steps == 0 {
				return true // it may be
			}
		}
	}
	return false
}

// compare orders two writes as the rule does when neither writer had seen the other: below 0 when it shows b.
func (g *register) compare(a, b int32) int {
	g.written(&g.a, &g.writes[a])
	g.written(&g.b, &g.writes[b])
	order, _ := g.rule.Compare(&g.a, &g.b)
	return order
}

// written makes w what the rule compares of a write.
func (g *register) written(w *merge.Write, of *write) {
	o := &g.past.ops[of.op]
	w.Stamp, w.ID, w.Dot, w.Deleted = o.Stamp, o.ID, o.Dot, of.deletes
	w.Value, _ = valueOf(&o.Op, g.field)
}

// saw reports whether the writer of write b had seen write a.
func (g *register) saw(b, a int32) bool {
	switch {
	case a == b || b == nothing:
		return false
	case a == nothing:
		return true
	}
	return g.past.saw(g.writes[b].op, g.writes[a].op)
}

// maySee reports whether a write may have begun before a read ended.
func (g *register) maySee(l *look, a int32) bool {
	return l.endHi == never || g.writes[a].begunLo <= plus(l.endHi, g.skew)
}

// sees reports whether a write had begun before a read ended, for certain: the read says that it saw it, and no other, or the
// times do.
func (g *register) sees(l *look, a int32) bool {
	return l.one() || a == nothing || g.writes[a].begunHi != never && plus(g.writes[a].begunHi, g.skew) <= l.endLo
}

// contradicts reports whether a read ended before what it saw began, and by how much, clocks taken as they are: of several writes
// that it may have seen, before the first.
func (g *register) contradicts(l *look) (by int64) {
	if len(l.writes) == 0 || l.writes[0] == nothing || l.endHi == never {
		return 0
	}
	if began := g.writes[l.writes[0]].startLo; began > l.endHi {
		return began - l.endHi
	}
	return 0
}
