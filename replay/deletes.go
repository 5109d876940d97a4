package replay

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// A delete tells no column, so where rows tell in a column where they were written, nothing says where one was made: it stands in the
// export of each region that had the row, at the time when it came there. What tells that two of these are one delete is the row that
// they took away: the same write left it in both regions. Where a region had another row by then, one that is older than the delete, it is the
// delete that this region lacks. It was made where it stands first. Where clocks may have that wrong it was made in one of
// several regions, and what it had seen lies between what it would have seen in each.
//
// Two regions that delete a row, be it the same or each what it has by then, before either hears of it have done the same, and nothing tells
// it from one delete that arrived: they count as one.

// Which operation left the row that was deleted, where that is none of those of the key.
const (
	firstRow int32 = -1 - iota // it is what the row was when the export begins
	someRow                    // it is one of several, or of none that is known
)

// mostOpen is through how many deletes that some region lacks the one is looked for that another region has.
const mostOpen = 32

// gone is a delete as the export of one region has it.
type gone struct {
	op     int32 // among those of the key
	region uint32
	at     int64 // where it stands
	wall   int64 // MaxInt64 when it has no time
	slack  int64 // how much later it may have been by the clock that tells it
	left
	next     int32 // the same delete in another region, from 1; 0 for none
	known    bool  // of the first: where it was made, or where that may have been
	doubtful bool  // of the first: it may be another one too
}

// doubt is that a delete may be an earlier one that some region lacks, or not.
type doubt struct{ earlier, later int32 }

// left says what left a row.
type left struct {
	row      int32 // which operation, or one of the above
	from, to int64 // when it was written: not before, and not after
}

// anyRow is a row of which nothing is known.
var anyRow = left{someRow, math.MinInt64, math.MaxInt64}

// rowEvent is something that a region's export says of the row.
type rowEvent struct {
	region uint32
	at     int64
	gone   int32 // from 1; 0 for what is no delete
	left
}

// elsewhere is a region other than the one that it is taken for where a delete may have been made.
type elsewhere struct {
	home   uint32
	at     int64 // where it stands in that one
	region uint32
	here   int64 // where it stands in this one
}

// vague is between which times a delete was made of which nobody knows where, by any clock.
type vague struct{ from, to int64 }

// placeDeletes finds out which deletes are one, gives it the region where it was made, and adds the others to what arrived. Those of
// which nobody knows where they were made are left as if they stood nowhere.
func (k *key) placeDeletes(m *matches, opt *Options, sum *Totals) {
	h := k.part.history
	if !h.deletes {
		return
	}
	m.gone = m.gone[:0]
	for i := range k.ops {
		k.room.tick()
		o := &k.ops[i]
		if o.writer > 0 || o.region == 0 {
			continue
		}
		if !h.renamed || h.strange {
			o.region, o.at = 0, 0
			continue
		}
		g := gone{op: int32(i), region: o.region, at: o.at, wall: o.wall, slack: opt.drift() + precisionNanos[o.precision]}
		if o.time().IsZero() {
			g.wall = math.MaxInt64
		}
		m.gone = append(m.gone, g)
	}
	if len(m.gone) == 0 {
		return
	}
	k.findRows(m)
	slices.SortFunc(m.gone, func(a, b gone) int {
		k.room.tick()
		return cmp.Or(cmp.Compare(a.wall, b.wall), cmp.Compare(k.texts[a.region], k.texts[b.region]), cmp.Compare(a.at, b.at))
	})
	k.unite(m)
	rows := len(k.room.came)
	k.settleIn(m)
	slices.SortFunc(k.room.elsewhere, func(a, b elsewhere) int {
		k.room.tick()
		return cmp.Or(cmp.Compare(a.home, b.home), cmp.Compare(a.at, b.at), cmp.Compare(k.texts[a.region], k.texts[b.region]))
	})
	sum.Writes -= k.dropTaken()
	k.renumber(rows, m)
	k.sortArrivals()
	k.findPairs(m)
}

// findRows finds which operation left each row that was deleted.
func (k *key) findRows(m *matches) {
	events := m.events[:0]
	leftBy := func(first, last int32) left {
		l := anyRow
		if o := &k.ops[first]; !o.time().IsZero() {
			l.from = o.wall
		}
		if o := &k.ops[last]; !o.time().IsZero() {
			l.to = o.wall
		}
		if first == last && k.ops[first].kind != merge.Delete {
			l.row = first
		}
		return l
	}
	for i := range m.homes {
		h := &m.homes[i]
		for _, own := range h.own {
			k.room.tick()
			events = push(k.room.far, events, rowEvent{region: h.writer, at: k.ops[own].at, left: leftBy(own, own)})
		}
	}
	for i := range m.pairs {
		p := &m.pairs[i]
		own := m.homeOf(p.writer).own
		for j := range p.came {
			k.room.tick()
			a := &p.came[j]
			e := rowEvent{region: p.region, at: a.at, left: anyRow}
			if a.may() && int(a.first) < len(own) {
				e.left = leftBy(own[a.first], own[a.last])
			}
			if !a.time().IsZero() && a.precision != history.NoTime {
				e.to = min(e.to, a.wall)
			}
			events = push(k.room.far, events, e)
		}
	}
	for i := range m.gone {
		events = push(k.room.far, events, rowEvent{region: m.gone[i].region, at: m.gone[i].at, gone: int32(i + 1)})
	}
	slices.SortFunc(events, func(a, b rowEvent) int {
		k.room.tick()
		return cmp.Or(cmp.Compare(a.region, b.region), cmp.Compare(a.at, b.at))
	})
	region, was := uint32(0), anyRow
	for i := range events {
		k.room.tick()
		e := &events[i]
		if e.region != region {
			region, was = e.region, left{firstRow, math.MinInt64, math.MaxInt64}
			if s := k.part.spans[k.texts[region]]; s.from != 0 {
				was.to = s.from
			}
		}
		if e.gone == 0 {
			was = e.left
			continue
		}
		g := &m.gone[e.gone-1]
		g.left, was = was, anyRow
		g.to = min(g.to, g.wall)
	}
	m.events = events
}

// unite links the deletes that are one, the earliest of each at the front.
func (k *key) unite(m *matches) {
	byRow := resized(m.byRow, len(k.ops)+1)
	clear(byRow)
	m.byRow = byRow
	regions := len(k.part.spans)
	m.united, m.doubts = m.united[:0], m.doubts[:0]
	for i := range m.gone {
		k.room.tick()
		g := &m.gone[i]
		if g.row != someRow {
			first := &byRow[g.row+1]
			switch {
			case *first == 0:
				*first = int32(i + 1)
			case !m.stands(*first-1, g.region) && (g.row != firstRow || k.begun(&m.gone[*first-1], g.region)):
				m.link(*first-1, int32(i))
				continue
			}
		}
		m.united = append(m.united, int32(i))
	}
	united, open := m.united[:0], m.open[:0]
	for _, first := range m.united {
		k.room.tick()
		if m.size(first) < regions {
			doubts := len(m.doubts)
			if into := k.lacked(first, open, m); into >= 0 {
				m.link(open[into], first)
				if m.size(open[into]) == regions {
					open = slices.Delete(open, into, into+1)
				}
				continue
			}
			k.hidden(first, united, m)
			m.gone[first].doubtful = len(m.doubts) > doubts
			open = append(open, first)
		}
		united = append(united, first)
	}
	m.united, m.open = united, open
}

// lacked returns which of the deletes that some region lacks is the one at hand, in the regions that lack it; -1 for none. The rows that it
// took away there were older. Where nobody knows whether they were, or where they were older only than when it stands in the last of the
// others, which may have deleted the row too, it may be that one or another; and so it may where that one may be an earlier one, of which its
// time does not tell.
func (k *key) lacked(first int32, open []int32, m *matches) int {
	doubts := len(m.doubts)
	for at := len(open) - 1; at >= max(len(open)-mostOpen, 0); at-- {
		k.room.tick()
		d := &m.gone[open[at]]
		fits, may := d.wall < math.MaxInt64 && !d.doubtful, true
		for g := range m.copies(first) {
			may = may && !m.stands(open[at], g.region) && g.from <= m.latest(open[at])
			fits = fits && g.to <= d.wall-d.slack
		}
		switch {
		case may && fits:
			m.doubts = m.doubts[:doubts]
			return at
		case may:
			m.doubts = append(m.doubts, doubt{open[at], first})
		}
	}
	return -1
}

// begun reports whether a delete came about when the export of a region had begun, so that no other can have come before it there that is not told.
func (k *key) begun(d *gone, region uint32) bool {
	s := k.part.spans[k.texts[region]]
	return s.from != 0 && d.wall > s.from+d.slack
}

// hidden notes that a delete may be one that was taken for a delivery of another: of one that a region made of the same row before it heard
// of that one.
func (k *key) hidden(first int32, united []int32, m *matches) {
	for at := len(united) - 1; at >= max(len(united)-mostOpen, 0); at-- {
		k.room.tick()
		if m.gone[united[at]].next > 0 && m.gone[first].from <= m.latest(united[at]) {
			m.doubts = append(m.doubts, doubt{united[at], first})
		}
	}
}

// copies yields a delete as each export has it, the earliest first.
func (m *matches) copies(first int32) iter.Seq[*gone] {
	return func(yield func(*gone) bool) {
		for i := first + 1; i > 0 && yield(&m.gone[i-1]); i = m.gone[i-1].next {
		}
	}
}

// stands reports whether the export of a region has a delete.
func (m *matches) stands(first int32, region uint32) bool {
	for g := range m.copies(first) {
		if g.region == region {
			return true
		}
	}
	return false
}

// size returns how many exports have a delete.
func (m *matches) size(first int32) (n int) {
	for range m.copies(first) {
		n++
	}
	return n
}

// latest returns the latest time at which a delete may have come about that stands in some export.
func (m *matches) latest(first int32) int64 {
	wall := int64(math.MinInt64)
	for g := range m.copies(first) {
		if g.wall > math.MaxInt64-g.slack {
			return math.MaxInt64
		}
		wall = max(wall, g.wall+g.slack)
	}
	return wall
}

// link makes two deletes one.
func (m *matches) link(first, more int32) {
	last := first
	for m.gone[last].next > 0 {
		last = m.gone[last].next - 1
	}
	m.gone[last].next = more + 1
}

// settleIn gives each delete the region where it stands first, and notes where else it may have been made, and where it arrived. One that may
// be an earlier one counts as one of its own that may not be.
func (k *key) settleIn(m *matches) {
	for _, d := range m.doubts {
		k.room.tick()
		m.gone[d.earlier].doubtful = true // the later is already
		k.ops[m.gone[d.later].op].again = true
	}
	for _, first := range m.united {
		k.room.tick()
		d := &m.gone[first]
		if d.known = k.isKnown(first, m); !d.known {
			k.unknown(first, m)
			continue
		}
		alone := d.doubtful
		for g := range m.copies(first) {
			if g != d && g.wall <= d.wall+d.slack {
				alone = true
				k.room.elsewhere = push(k.room.far, k.room.elsewhere, elsewhere{d.region, d.at, g.region, g.at})
			}
		}
		for g := range m.copies(first) {
			if again := &k.ops[g.op]; g != d {
				k.cameAs(again, d, alone, false)
				again.slot = dropped
			}
		}
		o := &k.ops[d.op]
		o.writer, o.author, o.taken = o.region, o.region, true
		if k.kept != nil {
			k.kept[o.slot].Stamp.Node = k.writer(o)
		} else {
			k.room.taken[o.slot] = struct{}{}
		}
	}
	k.room.scratch[0].slot, k.room.scratch[1].slot = -1, -1 // what was read before says that nobody made it
	for _, d := range m.doubts {
		k.mayBe(d.earlier, d.later, m)
		k.mayBe(d.later, d.earlier, m)
	}
}

// cameAs notes a delivery of a delete.
func (k *key) cameAs(again *op, d *gone, alone, perhaps bool) {
	a := matched{op: *again, alone: alone, perhaps: perhaps, home: d.at}
	a.writer = d.region
	k.room.came = push(k.room.far, k.room.came, a)
}

// mayBe notes that a delete may be another one, and so have come about where that stands.
func (k *key) mayBe(first, other int32, m *matches) {
	d := &m.gone[first]
	if !d.known {
		return
	}
	for g := range m.copies(other) {
		k.room.tick()
		if g.wall <= d.wall+d.slack {
			k.room.elsewhere = push(k.room.far, k.room.elsewhere, elsewhere{d.region, d.at, g.region, g.at})
		}
		if !m.stands(first, g.region) {
			came := op{region: g.region, at: g.at, kind: merge.Delete}
			k.cameAs(&came, d, true, true)
		}
	}
}

// isKnown reports whether it is known of a delete where it was made, or where that may have been. It may have been made in a region that lacks it and
// whose export ends before it, or begins after the row was written that it took away.
func (k *key) isKnown(first int32, m *matches) bool {
	d, row := &m.gone[first], int64(math.MinInt64)
	for g := range m.copies(first) {
		row = max(row, g.from)
	}
	if d.wall == math.MaxInt64 {
		return false
	}
	for region, s := range k.part.spans {
		has := false
		for g := range m.copies(first) {
			has = has || k.texts[g.region] == region
		}
		if !has && (s.from == 0 || row <= s.from+d.slack || d.wall+d.slack >= s.until) {
			return false
		}
	}
	return true
}

// unknown leaves a delete in each export a delete of its own, of which nothing is known but about when it was made.
func (k *key) unknown(first int32, m *matches) {
	for g := range m.copies(first) {
		o := &k.ops[g.op]
		o.region, o.at = 0, 0
		if k.room.vague == nil {
			k.room.vague = make(map[int32]vague)
		}
		made := vague{math.MinInt64, math.MaxInt64}
		if g.from > math.MinInt64 {
			made.from = g.from - 2*g.slack
		}
		if g.wall < math.MaxInt64 {
			made.to = g.wall + 2*g.slack
		}
		k.room.vague[o.slot] = made
	}
}

// dropped stands for the payload of an operation that is no longer among those of its key.
const dropped = -1

// dropTaken takes out those of the operations that are deliveries of others, puts the others into canonical order again, and returns
// how many it took out.
func (k *key) dropTaken() int64 {
	all := len(k.ops)
	kept := k.ops[:0]
	taken := false
	for i := range k.ops {
		k.room.tick()
		if o := &k.ops[i]; o.slot != dropped {
			taken = taken || o.taken
			kept = append(kept, *o)
		}
	}
	k.ops = kept
	if !taken {
		return 0
	}
	same := func(a, b *op) bool { return a.wall == b.wall && a.logical == b.logical && a.version == b.version }
	for first, end := 0, 0; first < len(kept); first = end { // only among these the node makes a difference
		k.room.tick()
		for end = first + 1; end < len(kept) && same(&kept[first], &kept[end]); end++ {
			k.room.tick()
		}
		if end > first+1 {
			slices.SortFunc(kept[first:end], func(a, b op) int {
				k.room.tick()
				return k.compare(&a, &b)
			})
		}
	}
	k.index()
	return int64(all - len(kept))
}

// renumber finds the operations at home again, with the deletes, and says of what arrived which of these it is. The first rows of what
// arrived were there before.
func (k *key) renumber(rows int, m *matches) {
	k.findHomes(m)
	m.owned = m.owned[:0]
	var h *home
	for j := range k.room.came {
		k.room.tick()
		a := &k.room.came[j]
		if h == nil || h.writer != a.writer || j == rows {
			h = m.homeOf(a.writer)
			m.owned = m.owned[:0] // those of its operations that were there before
			if j < rows {
				for at, i := range h.own {
					k.room.tick()
					if !k.ops[i].taken {
						m.owned = append(m.owned, int32(at))
					}
				}
				m.owned = append(m.owned, int32(len(h.own)))
			}
		}
		if j >= rows {
			at := sortedCount(h.own, func(i int32) bool { return k.ops[i].at < a.home })
			a.first, a.last = int32(at), int32(at)
			continue
		}
		if a.loose {
			h.leave(a)
			continue
		}
		if a.first >= 0 {
			a.first = m.owned[a.first]
		}
		if a.last >= 0 {
			a.last = m.owned[a.last]
		}
	}
}
