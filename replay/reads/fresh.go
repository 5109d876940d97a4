package reads

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// front is what a replica shows that has every write up to a time, as the rule of the table has it.
type front struct {
	at    []int64 // the times of the writes, in their order
	best  []int32 // after each of them
	moved []int32 // how often what is shown had changed by then
	order []int32 // the writes in that order
}

// front works out what a replica shows that takes each write at some time. Writes whose time is not known are left out.
func (f *front) begin(g *register, when func(w *write) int64) {
	order := fit(f.order, len(g.writes))[:0]
	for i := range g.writes {
		if t := when(&g.writes[i]); i != nothing && t != ever && t != never {
			order = append(order, int32(i))
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return compareTimes(when(&g.writes[a]), when(&g.writes[b])) })
	f.order, f.at, f.best, f.moved = order, fit(f.at, len(order)), fit(f.best, len(order)), fit(f.moved, len(order))
	best, moved := int32(nothing), int32(0)
	for at, i := range order {
		if g.beats(i, best) {
			best = i
			moved++
		}
		f.at[at], f.best[at], f.moved[at] = when(&g.writes[i]), best, moved
	}
}

// before returns what is shown just before a time.
func (f *front) before(t int64) int32 {
	if n := sort.Search(len(f.at), func(i int) bool { return f.at[i] >= t }); n > 0 {
		return f.best[n-1]
	}
	return nothing
}

// fronts are those that the levels ask for.
type fronts struct {
	made              front   // by when they were in place at the earliest
	mayBeAcked, acked front   // by acknowledgement, at the earliest and at the latest: by then they are in place
	untimed           []int32 // the writes of which nothing says when they were made, or acknowledged at the earliest
}

func (f *fronts) begin(g *register) {
	f.made.begin(g, func(w *write) int64 { return w.made })
	f.mayBeAcked.begin(g, func(w *write) int64 { return w.endLo })
	f.acked.begin(g, func(w *write) int64 { return w.endHi })
	f.untimed = f.untimed[:0]
	for i := range g.writes {
		if w := &g.writes[i]; i != nothing && (w.made == ever || w.endLo == ever) && len(f.untimed) < mostAtOnce {
			f.untimed = append(f.untimed, int32(i))
		}
	}
}

// behind says for how long what a read showed had been replaced when it began, and how often it had changed since.
func (g *register) behind(f *fronts, l *look) (age int64, versions int64) {
	start := l.Start
	if start == 0 {
		if start = l.Time; start == 0 {
			return 0, 0
		}
	}
	least := int64(never)
	l.likely(func(a int32) bool {
		n := sort.Search(len(f.made.at), func(i int) bool { return g.beats(f.made.best[i], a) })
		now := sort.Search(len(f.made.at), func(i int) bool { return f.made.at[i] > start })
		if now <= n {
			least = 0
			return false
		}
		if since := max(f.made.at[n], g.writes[a].made); start-since < least {
			least, versions = start-since, int64(f.made.moved[now-1]-f.made.moved[n])+1
		}
		return true
	})
	if least <= 0 || least == never {
		return 0, 0
	}
	return least, versions
}

// event is what a session knows from a time on, or is asked for by then: one call of it on a register is both.
type event struct {
	session string
	at      int64
	kind    eventKind
	write   int32 // what it is about: the write, or what the read saw
	read    int32 // -1 for a write
}

type eventKind uint8

// The kinds, in the order of those of one time.
const (
	writeAsks eventKind = iota
	knows
	readAsks
)

// sessionMiss says which of the writes that its session had made or seen a read missed; nil for none. A session makes one call
// after the other.
type sessionMiss struct{ certain, possible map[int32]*miss }

func (g *register) sessions(c *check) sessionMiss {
	asked, exact := false, true
	for i := range g.reads {
		l := &g.reads[i]
		if !l.asks() {
			continue
		}
		asked = true
		exact = exact && l.span.exact() && !slices.ContainsFunc(l.writes, func(a int32) bool { return !g.sees(l, a) })
	}
	if !asked {
		return sessionMiss{}
	}
	for i := range g.writes {
		if w := &g.writes[i]; w.session != "" {
			exact = exact && w.span.exact()
		}
	}
	s := sessionMiss{certain: g.replaySessions(c, true)}
	if g.inverted { // its writes are counted, and that is all
		return sessionMiss{}
	}
	if s.possible = s.certain; !exact {
		s.possible = g.replaySessions(c, false)
	}
	return s
}

// asks reports whether a read is one of a session, of which it is known what it saw.
func (l *look) asks() bool { return l.Session != "" && len(l.writes) > 0 }

// known returns from when on a session knows of a call of its own: for certain, or perhaps.
func (s span) known(certain bool) int64 {
	switch {
	case !certain:
		return s.endLo
	case s.endHi == never: // what comes after it began after it
		return plus(s.startHi, 1)
	}
	return s.endHi
}

// replaySessions returns which reads missed what their session knew: as late as it may have known each, or as early.
func (g *register) replaySessions(c *check, certain bool) map[int32]*miss {
	events := slices.Grow(g.events[:0], 2*(len(g.writes)+len(g.reads)))
	for i := range g.reads {
		l := &g.reads[i]
		if !l.asks() {
			continue
		}
		at := l.startHi
		if certain {
			if at = l.startLo; l.Start == 0 && l.Time > 0 { // under way at its time, it began after what came before
				at = l.Time
			}
		}
		events = append(events, event{l.Session, at, readAsks, nothing, int32(i)})
		if what := g.least(l, certain); what != nothing { // one without times may have come first, or last
			events = append(events, event{l.Session, l.known(certain), knows, what, int32(i)})
		}
	}
	for i := range g.writes {
		w := &g.writes[i]
		if w.session == "" {
			continue
		}
		e := event{w.session, w.known(certain), knows, int32(i), -1}
		switch at := &g.past.ops[w.op]; {
		case at.Call.End > 0:
		case w.begun > 0: // what comes after it began after it; its time, and a lag from there, are of another clock
			if e.at = w.startLo; certain {
				e.at = plus(w.startHi, 1)
			}
		case at.Stamp.Time.Wall > 0:
			if e.at = plus(at.Stamp.Time.Wall, -g.skew); certain {
				e.at = plus(at.Stamp.Time.Wall+step(at.Stamp.Time.Wall)-1, g.skew)
			}
		}
		events = append(events, e)
		if certain {
			if e.at, e.kind = w.startLo, writeAsks; e.at == ever {
				e.at = plus(w.made, -g.skew)
			}
			events = append(events, e)
		}
	}
	g.events = events
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(strings.Compare(a.session, b.session), cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind), cmp.Compare(a.write, b.write), cmp.Compare(a.read, b.read))
	})
	var missed map[int32]*miss
	best, from := int32(nothing), -1
	for at := range events {
		e := &events[at]
		if at > 0 && events[at-1].session != e.session {
			best, from = nothing, -1
		}
		switch e.kind {
		case knows:
			if e.at != never && g.beats(e.write, best) {
				best, from = e.write, at
			}
		case writeAsks:
			if best != nothing {
				c.sessionWrites(g, e.write, best)
			}
		case readAsks:
			if best == nothing || !g.older(&g.reads[e.read], best, certain) {
				continue
			}
			m := &miss{write: best, how: OwnWrite, by: witness{-1, int32(g.writes[best].op)}}
			if events[from].read >= 0 {
				m.how, m.by = OwnRead, witness{events[from].read, -1}
			}
			if missed == nil {
				missed = make(map[int32]*miss)
			}
			missed[e.read] = m
		}
	}
	return missed
}

// least returns what a session knows that made a read: what the read saw, or of several writes that it may have seen the one that
// all others beat, for certain, and perhaps that of those which it could see for certain. It is nothing when there is none, or they
// are too many.
func (g *register) least(l *look, certain bool) int32 {
	if len(l.writes) == 0 || len(l.writes) > mostLikely {
		return nothing
	}
	sure := certain || slices.ContainsFunc(l.writes, func(a int32) bool { return g.sees(l, a) })
	least, some := int32(nothing), false
	for _, a := range l.writes {
		switch {
		case sure && !certain && !g.sees(l, a):
		case !some, sure && g.beats(least, a), !sure && g.beats(a, least): // it may have seen one alone, be it the best
			least, some = a, true
		}
	}
	if !certain {
		return least
	}
	for _, a := range l.writes {
		if a != least && !g.beats(a, least) {
			return nothing
		}
	}
	return least
}

// older reports whether what a read saw is older than a write: for certain, or perhaps. Of several that it may have seen, one will
// do that is not.
func (g *register) older(l *look, than int32, certain bool) bool {
	newer, unsure := false, 0
	all := l.likely(func(a int32) bool {
		if !g.beats(than, a) {
			if newer = g.sees(l, a); !newer {
				unsure++
			}
		}
		return !newer
	})
	switch {
	case newer:
		return false
	case certain:
		return all && unsure == 0
	}
	return !all || unsure < len(l.writes)
}
