package reads

import "slices"

// zones say of each write of a register when its value is in place, and until when it is, by what the writes and the strong reads
// tell. A read that was promised less may be of a replica that is behind, or ahead of a write that is under way: it shows that what
// it saw had begun, which is in none of the bounds, and nothing of what is in place. With writes that can be told apart,
// and reads of which each saw one of them, a register is linearizable if and only if no read ended before its write began, and
// no two writes come each before the other, where one comes before another when something that wrote or saw it ended before
// something that wrote or saw the other began. (Gibbons and Korach, 1997, say the same of their forward and backward zones;
// larger circles need no search: of the writes in one, that whose value is in place first comes before all that come before
// anything.) What a writer had seen comes before what it wrote, and both bounds carry over to that.
//
// There are two: with the times that make as little as possible come before anything else, so that what they forbid is
// forbidden for certain; and with those that make as much.
type zones struct {
	from []int64   // of each write, when its value is in place at the latest (at the earliest): the first end of anything that wrote or saw it
	till []int64   // when something began that wrote or saw it: the last of them
	by   []witness // of from

	order []int32 // the writes by from
	begun []int64 // over those, when the write began: the greatest so far
	tree  []int64 // over those, the greatest till: see each
}

// witness is what shows that a value is in place: one of the reads, or of the operations of the key.
type witness struct {
	read int32 // -1 for none
	op   int32 // -1 for none
}

// zones works them out, in the memory that z has.
func (g *register) zones(z *zones, skew int64, certain bool) {
	n := len(g.writes)
	z.from, z.till, z.by = fit(z.from, n), fit(z.till, n), fit(z.by, n)
	for i := range g.writes {
		w := &g.writes[i]
		z.by[i] = witness{-1, int32(w.op)}
		if certain {
			z.from[i], z.till[i] = w.endHi, w.startLo
		} else {
			z.from[i], z.till[i] = w.endLo, w.startHi
		}
	}
	take := func(i int32, l *look, at int) {
		from, till := l.endHi, l.startLo
		if !certain {
			from, till = l.endLo, l.startHi
		}
		if from < z.from[i] {
			z.from[i], z.by[i] = from, witness{int32(at), -1}
		}
		z.till[i] = max(z.till[i], till)
	}
	// Of the reads that may have seen a write as one of several, the first to end and the last to begin stand for all.
	type bounds struct{ first, last int32 } // -1 for none
	var several map[*seen][]bounds          // of each write, those of the reads that may have seen it and none after it
	join := func(b *bounds, o bounds) {
		if b.first < 0 || o.first >= 0 && g.reads[o.first].endLo < g.reads[b.first].endLo {
			b.first = o.first
		}
		if b.last < 0 || o.last >= 0 && g.reads[o.last].startHi > g.reads[b.last].startHi {
			b.last = o.last
		}
	}
	for at := range g.reads {
		l := &g.reads[at]
		switch {
		case l.level.Kind != Strong || len(l.writes) == 0 || g.contradicts(l) > skew:
		case l.one():
			take(l.writes[0], l, at)
		case !certain:
			if several == nil {
				several = make(map[*seen][]bounds)
			}
			b := several[l.seen]
			if b == nil {
				b = slices.Repeat([]bounds{{-1, -1}}, len(l.seen.writes))
				several[l.seen] = b
			}
			join(&b[len(l.writes)-1], bounds{int32(at), int32(at)})
		}
	}
	for s, list := range several { // no order shows: the bounds are the least and the greatest
		b := bounds{-1, -1}
		for at := len(list) - 1; at >= 0; at-- {
			if join(&b, list[at]); b.first >= 0 {
				take(s.writes[at], &g.reads[b.first], int(b.first))
				take(s.writes[at], &g.reads[b.last], int(b.last))
			}
		}
	}
	z.spread(g, certain)
}

// spread carries the bounds over to what writers had seen.
func (z *zones) spread(g *register, certain bool) {
	ops := len(g.at)
	g.from, g.till = fit(g.from, ops), fit(g.till, ops)
	from, till := g.from, g.till
	for i, at := range g.at {
		switch {
		case at >= 0:
			from[i], till[i] = z.from[at], z.till[at]
		case certain: // a write to another field: its writer had seen what it had seen, all the same
			from[i], till[i] = g.spans[i].endHi, g.spans[i].startLo
		default:
			from[i], till[i] = g.spans[i].endLo, g.spans[i].startHi
		}
	}
	later, earlier := g.past.later(from), g.past.earlier(till)
	for i, at := range g.at {
		if at < 0 {
			continue
		}
		if by := later[i]; by >= 0 && from[by] < z.from[at] {
			z.from[at], z.by[at] = from[by], witness{-1, by}
		}
		z.till[at] = max(z.till[at], earlier[i])
		z.from[at] = max(z.from[at], g.writes[at].startLo) // no value is in place before its write begins
	}
	n := len(z.from)
	z.order = fit(z.order, n)
	for i := range z.order {
		z.order[i] = int32(i)
	}
	slices.SortStableFunc(z.order, func(a, b int32) int { return compareTimes(z.from[a], z.from[b]) })
	z.begun = fit(z.begun, n)
	size := 1
	for size < n {
		size *= 2
	}
	z.tree = fit(z.tree, 2*size)
	for i := range z.tree {
		z.tree[i] = ever
	}
	for at, i := range z.order {
		z.begun[at] = g.writes[i].startLo
		if at > 0 {
			z.begun[at] = max(z.begun[at], z.begun[at-1])
		}
		z.tree[size+at] = z.till[i]
	}
	for i := size - 1; i > 0; i-- {
		z.tree[i] = max(z.tree[2*i], z.tree[2*i+1])
	}
}

// each calls visit with the writes that are in place before one time and about which something began after another, the first
// in place first, until it returns false.
func (z *zones) each(before, after int64, visit func(i int32) bool) {
	size := len(z.tree) / 2
	n, _ := slices.BinarySearchFunc(z.order, before, func(i int32, t int64) int {
		if z.from[i] < t {
			return -1
		}
		return 1
	})
	var walk func(at, lo, hi int) bool
	walk = func(at, lo, hi int) bool {
		if lo >= n || z.tree[at] <= after {
			return true
		}
		if hi-lo == 1 {
			return visit(z.order[lo])
		}
		mid := (lo + hi) / 2
		return walk(2*at, lo, mid) && walk(2*at+1, mid, hi)
	}
	walk(1, 0, size)
}

// successors returns, of each write, that of the writes whose writers had seen it which is in place first, in the memory of next.
func (g *register) successors(next []int32, z *zones) []int32 {
	g.from = fit(g.from, len(g.at))
	from := g.from
	for i, at := range g.at {
		if from[i] = never; at >= 0 {
			from[i] = z.from[at]
		}
	}
	later := g.past.later(from)
	next = fit(next, len(g.writes))
	next[nothing] = -1
	for i, at := range g.at {
		if at >= 0 {
			if next[at] = -1; later[i] >= 0 && g.at[later[i]] >= 0 {
				next[at] = g.at[later[i]]
			}
		}
	}
	for _, i := range z.order {
		if i != nothing {
			next[nothing] = i
			break
		}
	}
	return next
}

// mostAtOnce is how many writes are compared with the one that a read saw, of those that nothing but the rule puts in order
// with it. Beyond that nobody can tell.
const mostAtOnce = 256

// strong returns why a read that saw write a is stale for certain; nil when it is not.
func (g *register) strong(l *look, a int32) *miss {
	if l.startLo == ever {
		return nil
	}
	z := &g.certain
	before := plus(l.startLo, -g.skew)
	if b := g.next[a]; b >= 0 && z.from[b] < before {
		how := HadSeen
		if a == nothing {
			how = First
		}
		return &miss{write: b, by: z.by[b], how: how}
	}
	if a == nothing {
		return nil
	}
	after := plus(z.from[a], g.skew)
	if after == never {
		return nil
	}
	if at, _ := slices.BinarySearch(z.begun, after+1); at < len(z.order) {
		if b := z.order[at]; z.from[b] < before && b != a && !g.saw(a, b) {
			return &miss{write: b, by: z.by[b], how: Before, older: z.by[a]}
		}
	}
	var found *miss
	n := 0
	z.each(before, after, func(b int32) bool {
		n++
		if b != a && b != nothing && !g.inverted && g.beats(b, a) && !g.saw(a, b) && plus(g.possible.from[b], -g.skew) >= g.writes[a].startHi {
			found = &miss{write: b, by: z.by[b], how: ByRule}
		}
		return found == nil && n < mostAtOnce
	})
	return found
}

// notStrong returns a write that a read which saw write a may have missed, none of some later ones, and why nobody can tell; "" when it
// missed none.
func (g *register) notStrong(l *look, a int32, later []int32) (int32, Reason) {
	z := &g.possible
	before, after := plus(l.startHi, g.skew), plus(z.from[a], -g.skew)
	why := func(b int32) (int32, Reason) {
		switch {
		case l.startLo == ever:
			return b, NoStart
		case g.writes[b].made == ever && g.writes[b].endHi == never:
			return b, NoTime
		case g.writes[b].endHi == never && g.certain.from[b] >= plus(l.startLo, -g.skew),
			a != nothing && g.writes[a].endHi == never && g.certain.from[a] == never:
			return b, NotAcknowledged
		case g.skew == 0 && l.exact() && g.writes[b].exact() && (a == nothing || g.writes[a].exact()):
			return b, Ambiguous // it turns on what other reads saw, of which that is not known
		}
		return b, WithinSkew
	}
	missed, reason := int32(-1), Reason("")
	n := 0
	if a == nothing && len(later) > 0 {
		for _, b := range z.order {
			if z.from[b] >= before {
				break
			}
			if n++; n > mostAtOnce {
				return b, TooMany
			}
			if b != nothing && !slices.Contains(later, b) {
				return why(b)
			}
		}
		return -1, ""
	}
	if b := g.perhaps[a]; b >= 0 && z.from[b] < before {
		return why(b)
	}
	if a == nothing {
		return -1, ""
	}
	z.each(before, after, func(b int32) bool {
		if n++; n > mostAtOnce {
			missed, reason = b, TooMany
			return false
		}
		if b == a || b == nothing || g.saw(a, b) || slices.Contains(later, b) || plus(g.certain.from[b], g.skew) < g.writes[a].startLo {
			return true
		}
		if after < g.writes[b].startHi || g.saw(b, a) || g.beats(b, a) {
			missed, reason = why(b)
			return false
		}
		return true
	})
	return missed, reason
}
