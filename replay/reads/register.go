package reads

import (
	"slices"
	"strconv"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
)

// register is one field of one key, or the whole record: what reads of it can be linearizable about.
type register struct {
	field string
	rule  *merge.Rule
	past  *past
	skew  int64

	// writes[0] is nothing: what is there before the first write.
	writes []write
	at     []int32 // of each operation of the key, its write; -1 when it doesn't touch the register
	spans  []span  // of each operation of the key
	reads  []look
	seen   map[string]*seen

	certain, possible zones
	next, perhaps     []int32 // of each write, that of those who had seen it which is in place first; -1 for none
}

// nothing is the number of what is there before the first write.
const nothing = 0

// write is one write to a register.
type write struct {
	span
	op      int   // among the operations of the key; -1 for nothing
	made    int64 // its commit: no earlier
	done    int64 // and no later
	written merge.Write
	session string
	begun   int64 // as its caller recorded it; 0 when not told
}

// look is one read of a register.
type look struct {
	*read
	span
	level Level
	seen  *seen
	Verdict
}

// seen is what one or more reads saw: a write, or one of several that go by the same name.
type seen struct {
	writes  []int32 // none when the history doesn't have it, the most likely first
	nothing bool    // a read that found nothing: a delete, or before the first write
	why     Reason  // when there is no write
}

func (s *seen) one() bool { return len(s.writes) == 1 }

// newRegister makes the register of a field, "" for the whole record.
func newRegister(k *replay.KeyOperations, p *past, field string, list []read, c *check) *register {
	g := &register{field: field, rule: c.table.Rule(k.Key, field), past: p, skew: c.skew, at: make([]int32, len(k.Ops)), spans: make([]span, len(k.Ops)), seen: make(map[string]*seen)}
	g.writes = append(g.writes, write{op: -1, span: span{ever, ever, ever, ever}, made: ever, done: ever})
	for i := range k.Ops {
		o := &k.Ops[i]
		called := c.from.call(o.Place)
		g.at[i], g.spans[i] = -1, spanOf(called.start, called.end, o.Stamp.Time.Wall, c.lag)
		v, ok := valueOf(&o.Op, field)
		if !ok {
			continue
		}
		w := write{op: i, span: g.spans[i], session: called.session, begun: called.start}
		switch at := o.Stamp.Time.Wall; {
		case called.start > 0 && called.end > 0:
			w.made, w.done = w.startLo, w.endHi
		case at > 0:
			w.made, w.done = at, at+step(at)-1
		default:
			w.made, w.done = w.startLo, w.endHi
		}
		w.written.Stamp, w.written.ID, w.written.Dot = o.Stamp, o.ID, o.Dot
		w.written.Value, w.written.Deleted = v, o.Kind == merge.Delete
		g.at[i] = int32(len(g.writes))
		g.writes = append(g.writes, w)
	}
	g.look(list, c)
	g.certain, g.possible = g.zones(c.skew, true), g.zones(c.skew, false)
	g.next, g.perhaps = g.successors(&g.certain), g.successors(&g.possible)
	return g
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
func (g *register) look(list []read, c *check) {
	var byID, byVersion map[string][]int32
	elsewhere := make(map[string]bool)
	name := func() {
		byID, byVersion = make(map[string][]int32, len(g.writes)), make(map[string][]int32)
		for i := range g.past.ops {
			o := &g.past.ops[i]
			at := g.at[i]
			if at < 0 {
				elsewhere[o.ID] = true
				continue
			}
			if o.ID != "" {
				byID[o.ID] = append(byID[o.ID], at)
			}
			if o.Stamp.Version > 0 {
				version := strconv.FormatUint(o.Stamp.Version, 10)
				byVersion[version] = append(byVersion[version], at)
			}
		}
	}
	g.reads = make([]look, 0, len(list))
	for i := range list {
		r := &list[i]
		id := "=" + r.saw
		if r.notFound {
			id = ""
		}
		s := g.seen[id]
		if s == nil {
			if byID == nil {
				name()
			}
			s = &seen{nothing: r.notFound}
			switch {
			case r.notFound:
				for w := range g.writes {
					if w == nothing || g.writes[w].written.Deleted {
						s.writes = append(s.writes, int32(w))
					}
				}
				slices.SortStableFunc(s.writes, func(a, b int32) int {
					return -compareTimes(g.writes[a].made, g.writes[b].made)
				})
			case r.saw == "":
				s.why = NoSaw
			case len(byID[r.saw]) > 0:
				s.writes = byID[r.saw]
			case len(byVersion[r.saw]) > 0:
				s.writes = byVersion[r.saw]
			case elsewhere[r.saw]:
				s.why = OtherField
			default:
				s.why = UnknownWrite
			}
			g.seen[id] = s
		}
		l := look{read: r, span: spanOf(r.start, r.end, r.time, 0), seen: s, level: c.levelOf(r)}
		g.reads = append(g.reads, l)
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
	order, _ := g.rule.Compare(&x.written, &y.written)
	return order < 0
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

// contradicts reports whether a read ended before the write that it saw began, and by how much, clocks taken as they are.
func (g *register) contradicts(l *look) (by int64) {
	if !l.seen.one() || l.seen.writes[0] == nothing || l.endHi == never {
		return 0
	}
	if began := g.writes[l.seen.writes[0]].startLo; began > l.endHi {
		return began - l.endHi
	}
	return 0
}
