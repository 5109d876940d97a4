package main

import (
	"cmp"
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// The day, and its accidents. All times are since midnight, UTC, by a clock that no site has.
const (
	dayLength = 24 * time.Hour
	seed      = 20260520

	cutFrom = 12 * time.Hour // eu-west is cut off, at lunch
	cutTo   = 12*time.Hour + 20*time.Minute

	slowFrom = 9 * time.Hour // the clock of ap-south is slow
	slowTo   = 15 * time.Hour
	slowBy   = 300 * time.Millisecond

	fastFrom = 21*time.Hour + 30*time.Minute // the clock of us-east is set ahead, and slewed back
	fastTo   = fastFrom + 30*time.Minute
	fastBy   = 900 * time.Millisecond

	shortest = 60 * time.Millisecond // the delay of a link
	longest  = 100 * time.Millisecond
)

var midnight = time.Date(2026, time.May, 20, 0, 0, 0, 0, time.UTC)

// The sites. The first three are the regions; their writes carry an id and what the site had seen.
const (
	apSouth   = iota
	euWest    // cut off for a while
	usEast    // where payments are made
	legacy    // an old warehouse system: a clock of whole seconds, no ids, no context
	feed      // the price feed: reads nothing and stamps by its schedule
	feedAgain // the same, restored from a backup while the first still runs
	numSites
)

// site is a place that writes: one write after the other.
type site struct {
	name      clock.Node
	index     int
	numbered  bool // its writes have the ids name:1, name:2, ...
	deaf      bool // nothing is sent to it
	precision history.Precision

	wrote   uint64
	applied [numSites]uint64        // how many writes of each site it has applied
	waiting [numSites][]*write      // what has arrived before something that it depends on
	latest  [numSites]time.Duration // when the last write it sent to each site arrives
	stamped time.Duration
	rows    map[string]row // what it shows, of the keys whose next value depends on the last
}

// row is what a site shows of a key.
type row struct {
	version uint64
	time    time.Duration
	number  int
}

// write is a write of the simulation: its record, and what the record may not tell.
type write struct {
	rec    history.Record
	by     *site
	number uint64
	at     time.Duration
	saw    [numSites]uint64 // how many writes of each site its own had applied: the truth
	odd    bool             // one of the accidents in which "who had seen what" loses its sense

	row   row
	order *order // that it is a step of
	step  string // of the order
}

// world moves writes between sites.
type world struct {
	rng     *rand.Rand
	now     time.Duration
	events  events
	sites   [numSites]*site
	writes  []*write
	again   []delivery // of writes that clients sent twice
	arrived func(at *site, w *write)
}

func newWorld() *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1))}
	names := [numSites]clock.Node{"ap-south", "eu-west", "us-east", "legacy-1", "feed-1", "feed-1"}
	for i, name := range names {
		w.sites[i] = &site{name: name, index: i, numbered: i <= usEast, deaf: i >= feed, precision: history.Microsecond, rows: make(map[string]row)}
	}
	w.sites[legacy].precision = history.Second
	return w
}

// read returns what the physical clock of s shows now.
func (w *world) read(s *site) time.Duration {
	switch {
	case s.index == apSouth && w.now >= slowFrom && w.now < slowTo:
		return w.now - slowBy
	case s.index == usEast && w.now >= fastFrom && w.now < fastTo:
		return w.now + (fastTo-w.now)/((fastTo-fastFrom)/fastBy)
	case s.index == euWest:
		return w.now + 3*time.Millisecond // as good as clocks get
	}
	return w.now
}

// stamp returns the time that s gives to a write made now. The clock of a region never stamps twice alike.
func (w *world) stamp(s *site) time.Duration {
	if s.precision == history.Second {
		return w.read(s).Truncate(time.Second)
	}
	s.stamped = max(w.read(s).Truncate(time.Microsecond), s.stamped+time.Microsecond)
	return s.stamped
}

// write makes a write at s, now, and sends it to the others. The caller fills in what it is; nil of context leaves out
// what its site had seen, as old clients do.
func (w *world) write(s *site, wr *write, context bool) *write {
	rec := &wr.rec
	rec.Node, rec.Precision = s.name, s.precision
	if rec.Time.IsZero() {
		rec.Time = timestamp(w.stamp(s))
	}
	wr.by, wr.at, wr.saw = s, w.now, s.applied
	s.wrote++
	wr.number = s.wrote
	if s.numbered {
		rec.ID = clock.Dot{Node: s.name, Seq: wr.number}.String()
		rec.Knows = context
		for i := range legacy {
			if context && i != s.index && wr.saw[i] > 0 {
				rec.SeenUp = append(rec.SeenUp, clock.Dot{Node: w.sites[i].name, Seq: wr.saw[i]})
			}
		}
	}
	wr.row.version, wr.row.time = rec.Version, time.Duration(rec.Time.Wall-midnight.UnixNano())
	w.writes = append(w.writes, wr)
	w.apply(s, wr)
	for _, to := range w.sites {
		if to != s && !to.deaf {
			w.send(s, to, wr)
		}
	}
	if s.numbered && w.rng.IntN(1000) < 12 { // the client hears nothing and sends it again, under its id
		w.again = append(w.again, delivery{w.now + w.between(200*time.Millisecond, 3*time.Second), wr.rec})
	}
	return wr
}

// send puts a write on the link between two sites. A link keeps order; one that is cut keeps what is sent on it.
func (w *world) send(from, to *site, wr *write) {
	arrives := w.now + w.between(shortest, longest)
	if (from.index == euWest || to.index == euWest) && arrives >= cutFrom && arrives < cutTo {
		arrives = cutTo + w.between(shortest, longest)
	}
	arrives = max(arrives, from.latest[to.index]+50*time.Microsecond)
	from.latest[to.index] = arrives
	w.at(arrives, func() {
		to.waiting[from.index] = append(to.waiting[from.index], wr)
		w.applyAll(to)
	})
}

// applyAll applies what has arrived at s and depends on nothing that has not.
func (w *world) applyAll(s *site) {
	for progress := true; progress; {
		progress = false
		for from := range s.waiting {
			for len(s.waiting[from]) > 0 && s.ready(s.waiting[from][0]) {
				next := s.waiting[from][0]
				s.waiting[from] = s.waiting[from][1:]
				w.apply(s, next)
				progress = true
			}
		}
	}
}

func (s *site) ready(wr *write) bool {
	for i, n := range wr.saw {
		if i != wr.by.index && n > s.applied[i] {
			return false
		}
	}
	return true
}

func (w *world) apply(s *site, wr *write) {
	s.applied[wr.by.index] = wr.number
	if old := s.rows[wr.rec.Key]; cmp.Or(cmp.Compare(wr.row.version, old.version), cmp.Compare(wr.row.time, old.time)) > 0 {
		s.rows[wr.rec.Key] = wr.row
	}
	if wr.order != nil {
		w.arrived(s, wr)
	}
}

// between returns a duration of whole microseconds.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64((most-least)/time.Microsecond)))*time.Microsecond
}

// chance is true in so many of a hundred cases.
func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func timestamp(t time.Duration) clock.Timestamp {
	return clock.Timestamp{Wall: midnight.UnixNano() + int64(t)}
}

// set returns the write of fields to a key.
func set(key string, fields ...history.Field) *write {
	return &write{rec: history.Record{Key: key, Op: merge.Set, Fields: fields}}
}

// change returns a write of another kind to one field, or to the whole record when there is none.
func change(key string, op merge.Kind, fields ...history.Field) *write {
	return &write{rec: history.Record{Key: key, Op: op, Fields: fields}}
}

// delivery is a record as it arrives at the log of the history.
type delivery struct {
	at  time.Duration
	rec history.Record
}

// deliveries returns all records in the order in which they were logged.
func (w *world) deliveries() []delivery {
	all := make([]delivery, 0, len(w.writes)+len(w.again))
	for _, wr := range w.writes {
		all = append(all, delivery{wr.at, wr.rec})
	}
	all = append(all, w.again...)
	slices.SortStableFunc(all, func(a, b delivery) int { return cmp.Compare(a.at, b.at) })
	return all
}

// at does something at a time; what is after the end of the day is not done.
func (w *world) at(t time.Duration, do func()) {
	if t < dayLength {
		heap.Push(&w.events, event{t, w.events.pushed, do})
		w.events.pushed++
	}
}

// after does something some time from now.
func (w *world) after(least, most time.Duration, do func()) { w.at(w.now+w.between(least, most), do) }

// run lets the time pass.
func (w *world) run() {
	for w.events.Len() > 0 {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
}

type event struct {
	at    time.Duration
	order int // of events at one time, the first pushed comes first
	do    func()
}

type events struct {
	list   []event
	pushed int
}

func (e *events) Len() int { return len(e.list) }
func (e *events) Less(i, j int) bool {
	a, b := &e.list[i], &e.list[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}
func (e *events) Swap(i, j int) { e.list[i], e.list[j] = e.list[j], e.list[i] }
func (e *events) Push(x any)    { e.list = append(e.list, x.(event)) }
func (e *events) Pop() any {
	last := e.list[len(e.list)-1]
	e.list[len(e.list)-1] = event{}
	e.list = e.list[:len(e.list)-1]
	return last
}
