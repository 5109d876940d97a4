package drill

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// preference is a finding in the making: reads that ought to have asked others, and were answered by their own replica
// while it was cut off.
type preference struct {
	class, region string
	reads         int64
	first         int64
	age           int64
}

// reading is a read that is under way.
type reading struct {
	rd     *read
	class  *class
	at     *replica
	asked  bool // others
	short  bool // its own replica would have kept something from it
	began  int64
	missed []int32 // writes acknowledged before the read began that nobody has who has answered so far
	shown  shown
	last   int32 // the write to its key that its session had read when it began; -1 for none

	replaced int32 // see [world.replaced]; of a read that asks one other replica, when that answers
}

// sighting is what a read has shown of a write: the cell of that name.
type sighting struct {
	play int32
	cell string
}

// shown is what one replica, or several together, show of a key.
type shown struct {
	has   uint64       // of the missed writes of the reading, by place, those that are shown
	some  bool         // some replica has answered
	last  bool         // the last that the session had read is shown
	cells []merge.Cell // of the key
	view  *view
}

// begin replays a read of the history at the replica that served it.
func (w *world) begin(rd *read, r *replica, stopped bool) {
	c := w.classes[w.classOfRead(rd)]
	c.reads++
	r.region.reads++
	w.countRead(askedIndex, rd)
	if r.stopped || stopped {
		w.countRead(unreadIndex, rd)
		return
	}
	g := &reading{rd: rd, class: c, at: r, began: w.now, last: -1}
	if last, known := w.sessions[rd.sessionOf()]; known && rd.session != "" {
		g.last = last
	}
	if rd.key >= 0 {
		g.missed = w.missing(rd.key, r)
	}
	need, only, ok := w.whomToAsk(g)
	if !ok {
		w.countRead(unreadIndex, rd)
		if c.Reads.Kind == Some {
			w.denied(lossOf{r, c, true}, rd.name)
		}
		return
	}
	if need <= 1 && only == nil {
		w.finish(g, nil)
		return
	}
	g.asked, g.short = true, only != nil || len(g.missed) > 0
	if only == nil {
		here := w.show(g, r)
		g.add(&here)
	}
	w.ask(&request{from: r, need: need, only: only, read: g, luck: chance(w.seed, 9, rd.lot)})
}

func (w *world) classOfRead(rd *read) int {
	if rd.key >= 0 {
		return int(w.watch[rd.key].class)
	}
	if at := w.script.classOf(rd.name); at >= 0 {
		return at
	}
	return len(w.classes) - 1
}

// whomToAsk says how many regions must answer a read under its class's level, or which other replica; ok is false when
// nobody can.
func (w *world) whomToAsk(g *reading) (need int, only *replica, ok bool) {
	c, r, rd := g.class, g.at, g.rd
	fresh := func(*replica) bool { return true }
	switch c.Reads.Kind {
	case Some:
		need = c.Reads.Regions
		return need, nil, need <= 1 || r.reaches >= need
	case Bounded:
		fresh = func(p *replica) bool {
			if rd.key < 0 {
				return true
			}
			missed := w.missing(rd.key, p)
			return len(missed) == 0 || w.now-w.oldest(missed) <= int64(c.Reads.Bound)
		}
	case Session:
		if g.last >= 0 {
			fresh = func(p *replica) bool { return w.plays[g.last].has&p.bit != 0 || w.plays[g.last].status != isAccepted }
		}
	}
	if fresh(r) {
		return 1, nil, true
	}
	// Another replica answers: the nearest that can.
	nearest := int64(0)
	for _, p := range w.replicas {
		if p == r || p.stopped || !w.reachable(r, p) || !fresh(p) {
			continue
		}
		takes := int64(w.link(r, p).quality.Delay + w.link(p, r).quality.Delay)
		if only == nil || takes < nearest {
			nearest, only = takes, p
		}
	}
	return 1, only, only != nil
}

// missing returns the writes to a key that were acknowledged and that a replica has not, in the order in which they were
// made.
func (w *world) missing(key int32, r *replica) []int32 {
	var missed []int32
	c := w.classes[w.watch[key].class]
	several := c.asks() || c.Reads.Kind == Some // of which others may have some, or that are acknowledged in another order
	for _, i := range w.pending[key] {
		if w.plays[i].has&r.bit == 0 && !w.plays[i].open {
			missed = append(missed, i)
			if !several || len(missed) == maxMissed {
				break // it is the oldest
			}
		}
	}
	return missed
}

// owed returns what of the writes that were acknowledged before a read began a replica has not.
func (w *world) owed(g *reading, r *replica) []int32 {
	if g.rd.key < 0 {
		return nil
	}
	return slices.DeleteFunc(w.missing(g.rd.key, r), func(i int32) bool { return w.answeredAt(i) > g.began })
}

// maxMissed is of how many missed writes a read by quorum takes note: the first that were made.
const maxMissed = 64

// oldest returns when the first of some writes was acknowledged.
func (w *world) oldest(missed []int32) int64 {
	at := w.answeredAt(missed[0])
	for _, i := range missed[1:] {
		at = min(at, w.answeredAt(i))
	}
	return at
}

// show returns what a replica has to say to a read.
func (w *world) show(g *reading, p *replica) shown {
	s := shown{some: true, last: g.last >= 0 && w.plays[g.last].has&p.bit != 0}
	for n, i := range g.missed {
		if w.plays[i].has&p.bit != 0 {
			s.has |= 1 << n
		}
	}
	if g.rd.key < 0 || w.light {
		return s
	}
	s.view = p.view
	for cell := p.view.cellsOf[g.rd.key]; cell < p.view.cellsOf[g.rd.key+1]; cell++ {
		s.cells = append(s.cells, copyOf(p.view.cell(cell, p.index)))
	}
	return s
}

func copyOf(from merge.Cell) (to merge.Cell) {
	if from.Rule() != nil {
		to = from.Rule().NewCell()
		to.Merge(from)
	}
	return to
}

// copy returns a copy that can be changed.
func (s *shown) copy() shown {
	c := *s
	c.cells = nil
	for _, from := range s.cells {
		c.cells = append(c.cells, copyOf(from))
	}
	return c
}

// add takes an answer into what a read has been shown: it sees the merge of the answers.
func (g *reading) add(s *shown) {
	g.shown.has |= s.has
	g.shown.last = g.shown.last || s.last
	if !g.shown.some {
		g.shown.some, g.shown.cells, g.shown.view = true, s.cells, s.view
		return
	}
	if s.view != g.shown.view {
		return // a replica of another table, which nobody can merge with
	}
	for i := range s.cells {
		switch {
		case s.cells[i].Rule() == nil:
		case g.shown.cells[i].Rule() == nil:
			g.shown.cells[i] = s.cells[i]
		default:
			g.shown.cells[i].Merge(s.cells[i])
		}
	}
}

// finish answers a read. Of one that asked nobody, its replica answers as it is.
func (w *world) finish(g *reading, q *request) {
	if q != nil {
		g.class.readTimes = append(g.class.readTimes, w.now-g.began)
		left := g.missed[:0]
		for n, i := range g.missed {
			if g.shown.has>>n&1 == 0 {
				left = append(left, i)
			}
		}
		g.missed = left
		if g.short && (q.only != nil || len(left) == 0) {
			g.class.preventedReads++
		}
	}
	if g.rd.key < 0 {
		return
	}
	if len(g.missed) > 0 {
		w.stale(g)
	}
	w.wanted(g, q)
	w.saw(g, q)
}

// stale counts a read that was answered without a write, and by how much that was behind when the read began.
func (w *world) stale(g *reading) {
	age := g.began - w.oldest(g.missed)
	g.class.ages = append(g.class.ages, age)
	g.at.region.stale++
	w.count(staleIndex, g.rd.key, 1)
	w.raise(ageIndex, g.rd.key, age)
}

// wanted tells of a read that had asked for better than it was shown: for what was acknowledged before it began, for that up to so
// long before, or for what its session had read, which a strong read has asked for too. What it was not shown counts when it
// would have shown something else with it, which is how package reads judges those that are recorded.
func (w *world) wanted(g *reading, q *request) {
	rd, r := g.rd, g.at
	if w.light || rd.want.Kind == reads.Eventual {
		return
	}
	by := int32(-1)
	switch {
	case rd.want.Kind == reads.Session:
	case q == nil && len(g.missed) > 0:
		by = w.replaced(g, r)
	case q == nil:
	case q.only != nil:
		by = g.replaced
	case len(g.missed) > 0:
		by = w.changedBy(rd, g.shown.copy(), g.missed)
	}
	age := int64(0)
	if by >= 0 {
		age = g.began - w.answeredAt(by)
	}
	if by < 0 || rd.want.Kind == reads.Bounded && age <= int64(rd.want.Bound) {
		if rd.want.Kind == reads.Session || rd.want.Kind == reads.Strong {
			w.wantedSession(g, q)
		}
		return
	}
	want := "a " + rd.want.String() + " read"
	if rd.want.Kind == reads.Bounded {
		want = "a read at most " + durationOf(int64(rd.want.Bound)) + " behind"
	}
	w.tellAt(finding.StaleRead, rd.place, rd.name, func() string {
		return fmt.Sprintf("wanted %s, and %s was %s behind", want, r.name, durationOf(age))
	})
	if g.asked || w.reachable(r, w.replicas[w.plays[by].home]) {
		return
	}
	k := g.class.Name + "\x00" + r.name
	p := w.prefers[k]
	if p == nil {
		p = &preference{class: g.class.Name, region: r.name, first: w.now}
		w.prefers[k] = p
	}
	p.reads++
	p.age = max(p.age, age)
}

// wantedSession tells of a read that was shown less than its session had read, if that shows.
func (w *world) wantedSession(g *reading, q *request) {
	rd := g.rd
	if g.last < 0 || w.plays[g.last].status != isAccepted {
		return
	}
	was := &g.shown
	if q == nil {
		here := w.show(g, g.at)
		was = &here
	}
	if was.last || w.changedBy(rd, was.copy(), []int32{g.last}) < 0 {
		return
	}
	w.tellAt(finding.StaleRead, rd.place, rd.name, func() string {
		return fmt.Sprintf("wanted a %s read, and %s lacked what its session had read", rd.want, g.at.name)
	})
}

// replaced returns the write by which what a replica shows to a read had been replaced when that began: of those that were
// acknowledged by then and that it has not, the first with which it shows something else; -1 for none.
func (w *world) replaced(g *reading, p *replica) int32 {
	rd := g.rd
	if w.light || rd.key < 0 || rd.want.Kind <= reads.Session || p.view == w.view && w.view.current(rd, p) {
		return -1
	}
	lacked := w.lacked[:0]
	for _, i := range w.pending[rd.key] {
		if w.plays[i].has&p.bit == 0 && !w.plays[i].open && w.answeredAt(i) <= g.began {
			lacked = append(lacked, i)
		}
	}
	w.lacked = lacked
	return w.changedBy(rd, w.show(g, p), lacked)
}

// changedBy takes acknowledged writes into what a read was shown, in the order in which they were acknowledged, and returns the first
// with which it shows something else for good; -1 for none. What is set and deleted again has changed nothing.
func (w *world) changedBy(rd *read, s shown, writes []int32) int32 {
	if w.classes[w.watch[rd.key].class].asks() { // else they are acknowledged as they are made
		slices.SortStableFunc(writes, func(a, b int32) int { return cmp.Compare(w.answeredAt(a), w.answeredAt(b)) })
	}
	v, first := s.view, s.view.cellsOf[rd.key]
	isOf := v.readBy(rd)
	was := make([]sight, len(s.cells))
	for i := range s.cells {
		was[i] = sightOf(&s.cells[i])
	}
	by := make([]int, len(s.cells)) // by which of the writes each shows something else now, and one more; 0 is none
	changed := false                // whether one ever did
	for n, i := range writes {
		for at := v.claimsOf[i]; at < v.claimsOf[i+1]; at++ {
			c := &v.claims[at]
			if !isOf(c.cell) {
				continue
			}
			here := c.cell - first
			state := &s.cells[here]
			if state.Rule() == nil {
				*state = v.cells[c.cell].rule.NewCell()
			}
			state.Apply(v.claim(c))
			switch {
			case sightOf(state) == was[here]:
				by[here] = 0
			case by[here] == 0:
				by[here] = n + 1
				if !changed && was[here].write != (clock.Dot{}) && state.Rule().Selects() {
					return i // what was beaten never comes back
				}
				changed = true
			}
		}
	}
	least := len(writes)
	for _, n := range by {
		if n > 0 {
			least = min(least, n-1)
		}
	}
	if least == len(writes) {
		return -1
	}
	return writes[least]
}

// sight is what a cell shows: nothing, one write, or what several make together.
type sight struct {
	value value.Value
	write clock.Dot
}

func sightOf(c *merge.Cell) (s sight) {
	if c.Rule() == nil {
		return sight{}
	}
	if s.value = c.Value(); s.value.IsAbsent() {
		return sight{}
	}
	if kept, ok := c.Write(); ok {
		s.write = kept.Dot
	}
	return s
}

// readBy returns which cells a read is of: that of its field, and that of values of the whole record, or all.
func (v *view) readBy(rd *read) func(cell int32) bool {
	if rd.field == "" {
		return func(int32) bool { return true }
	}
	key := v.w.t.keys[rd.key]
	field, whole := v.table.Rule(key, rd.field), v.table.Rule(key, "")
	return func(cell int32) bool {
		c := &v.cells[cell]
		return c.rule == field && c.name == field.Cell(rd.field) || c.rule == whole && c.name == whole.Cell("")
	}
}

// current reports whether a replica shows to a read what it would with all writes that were accepted. That is soon found out,
// and so when the writes that it has not are many, and all lose.
func (v *view) current(rd *read, p *replica) bool {
	isOf := v.readBy(rd)
	for cell := v.cellsOf[rd.key]; cell < v.cellsOf[rd.key+1]; cell++ {
		here, there := *v.slot(cell, p.index), *v.slot(cell, all)
		if here == there || !isOf(cell) {
			continue
		}
		a, b := v.state(cell, here), v.state(cell, there)
		if sightOf(&a) != sightOf(&b) {
			return false
		}
	}
	return true
}

// sessionOf is what the session of a read has seen of its key: where that stands in world.sessions.
func (rd *read) sessionOf() string { return rd.session + "\x00" + rd.name }

// saw takes note of which writes a read showed.
func (w *world) saw(g *reading, q *request) {
	if w.light {
		return
	}
	rd, v, asked := g.rd, g.at.view, g.at.bit
	if q != nil {
		v, asked = g.shown.view, q.have
		if q.only != nil {
			asked = q.only.bit
		}
	}
	latest := int32(-1)
	isOf := v.readBy(rd)
	for cell := v.cellsOf[rd.key]; cell < v.cellsOf[rd.key+1]; cell++ {
		if !isOf(cell) {
			continue
		}
		state := v.cell(cell, g.at.index)
		if q != nil {
			state = g.shown.cells[cell-v.cellsOf[rd.key]]
		}
		if state.Rule() == nil {
			continue
		}
		kept, ok := state.Write()
		if !ok {
			continue
		}
		if i := w.writeOf(rd.key, &kept); i >= 0 {
			w.shows[sighting{i, v.cells[cell].name}]++
			if latest < 0 || w.plays[i].number > w.plays[latest].number {
				latest = i
			}
		}
	}
	if rd.session == "" || latest < 0 {
		return
	}
	k := rd.sessionOf()
	if last, known := w.sessions[k]; known && w.plays[last].status == isAccepted && w.plays[last].has&asked == 0 {
		g.class.regressed++ // it has seen more before
		return
	}
	w.sessions[k] = latest
}

// writeOf returns the write of the drill behind one that a cell keeps, -1 when there is none.
func (w *world) writeOf(key int32, kept *merge.Write) int32 {
	at, found := slices.BinarySearch(w.t.keyNodes[key], kept.Dot.Node)
	if !found || kept.Dot.Seq == 0 {
		return -1
	}
	return w.t.find(key, int32(at), int32(kept.Dot.Seq))
}

// probe reads what was written a while ago, in one region or in all: at the first replica of each that is up.
func (w *world) probe(p *probeLine, play int32) {
	key := w.base(play).key
	for _, g := range w.regions {
		if p.region >= 0 && p.region != g.index {
			continue
		}
		r := g.replicas[0]
		for _, other := range g.replicas {
			if !other.stopped {
				r = other
				break
			}
		}
		w.begin(&read{key: key, name: w.t.keys[key], lot: chance(w.lot(play), uint64(p.Line), lotOf(r.name))}, r, false)
	}
}
