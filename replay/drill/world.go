package drill

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// world is a drill while it runs. Time is virtual: it goes from one event to the next. Of what happens at one moment,
// steps and timers come first, then arrivals, then writes, then reads.
type world struct {
	script *Script
	table  *merge.Table
	t      *Traffic
	opt    *Options
	seed   uint64
	exact  bool // the drill goes back to a backup or to another table, so everything must be told again

	now    int64
	start  int64
	bucket int64 // the stretches of time in which backlogs are shown

	regions []*region
	every   uint32  // the bits of all regions
	links   []*link // from*regions + to; nil on the diagonal
	nodes   []nodeState
	classes []*class

	// The writes of the drill: those of the history under their own numbers, then the copies that a heavier load makes.
	ops    []merge.Op
	plays  []play
	copies []copied
	inTime []moment // when each is due
	due    int      // in inTime
	dueRd  int      // in Traffic.reads

	// Claims, cells and fronts under the table: see setTable.
	claims     []claim
	claimsOf   []int32
	dotted     []bool // of each key: a rule of it turns on who had seen what
	cellKey    []int32
	cellName   []string
	cellsOf    []int32 // of each key, its first cell
	elemCell   []int32
	elems      map[int32][]int32
	fronts     []front
	elemFronts []front
	cells      []merge.Cell // see cell
	rebuilding bool

	accepted []int32 // in order
	whole    int     // of those, how many from the first are in every region
	alarmed  int     // of those, how many from the first were looked at for being stuck
	pending  [][]int32
	tracked  []bool // of each key: its writes that are not everywhere are kept in pending

	busy   heap[*link]
	strays heap[stray]
	agenda heap[planned] // steps, and what ends by itself
	orders int
	probes []probeLine

	incidents []*incident
	armed     []*armed
	checks    []*checking
	timers    []TimerResult
	counters
	splits   map[int32]*split // by key, those that are not over
	over     []*split
	scans    map[int32]*scan // by key, while something is cut
	cut      bool            // some link is down
	critical []bool          // of each key
	leader   []bool
	sessions map[string]int32 // the write that a session saw last, by session and key
	timeline []Event
	handoffs []Event
	quorums  []*QuorumLoss
	stuck    []*StuckWindow
	noRoom   int64 // writes that were refused or waited because a queue was full
	lag      int64 // how long the last accepted write took to be everywhere
	told     map[finding.Code]*findings
	hiddenAt []Hide
	prefers  map[string]*preference
}

// play is what became of one write of the drill.
type play struct {
	made   int64 // when it was accepted; of one that waits, when it was due
	has    uint32
	number int32 // among the accepted
	reads  int32 // that saw it
	home   uint8
	status status
	stuck  bool
	split  bool
	orphan bool // no region has it, and it is on its way to one
}

type status uint8

const (
	notYet status = iota
	isAccepted
	isRefused
	isUnavailable
	isWaiting // for room in a queue
	isVanished
	isLeftOut // of a lighter load
)

// copied is a write that a heavier load makes again.
type copied struct{ base, number int32 }

type nodeState struct {
	region  *region
	stopped int
	waiting []int32 // writes that are throttled, in order
	refused int64
	held    int64
}

type class struct {
	Class
	tally     tally
	latencies []int64 // of writes that took time
	readTimes []int64
	ages      []int64
	frozen    int
	prevented int64
	reads     int64
	doomed    int64
	regressed int64
}

// planned is something that happens at a time.
type planned struct {
	at    int64
	order int
	do    func()
}

type probeLine struct {
	*Probe
	region int // -1 is every one
	queue  []moment
	head   int
}

func newWorld(script *Script, table *merge.Table, t *Traffic, opt *Options) (*world, error) {
	w := &world{script: script, t: t, opt: opt, seed: cmp.Or(opt.Seed, script.Seed), start: t.first, now: t.first}
	w.busy.before = func(a, b *link) bool {
		x, y := a.queue[a.head].arrives, b.queue[b.head].arrives
		return x < y || x == y && a.index < b.index
	}
	w.strays.before = func(a, b stray) bool { return a.arrives < b.arrives || a.arrives == b.arrives && a.order < b.order }
	w.agenda.before = func(a, b planned) bool { return a.at < b.at || a.at == b.at && a.order < b.order }
	w.splits, w.scans, w.sessions = make(map[int32]*split), make(map[int32]*scan), make(map[string]int32)
	w.told, w.prefers = make(map[finding.Code]*findings), make(map[string]*preference)
	w.bucket = max(60e9, (t.last-t.first)/240/60e9*60e9)
	if err := w.people(); err != nil {
		return nil, err
	}
	if err := w.plan(); err != nil {
		return nil, err
	}
	if err := w.writes(); err != nil {
		return nil, err
	}
	w.keys()
	w.setTable(table)
	w.wires()
	return w, nil
}

// people makes the regions and says which node lives where.
func (w *world) people() error {
	s := w.script
	for i := range s.Regions {
		r := &region{index: i, name: s.Regions[i].Name, bit: 1 << i, line: &s.Regions[i], backups: make(map[*Action]int)}
		r.clock = clock.Clock{Source: func() int64 { return r.physical }, MaxDrift: -1}
		w.regions = append(w.regions, r)
		w.every |= r.bit
	}
	var homeless []string
	w.nodes = make([]nodeState, len(w.t.nodes))
	for i, n := range w.t.nodes {
		at := s.regionOf(string(n))
		if at < 0 {
			if len(homeless) < maxListed {
				homeless = append(homeless, fmt.Sprintf("%q", string(n)))
			}
			continue
		}
		w.nodes[i].region = w.regions[at]
		w.regions[at].nodes++
	}
	if len(homeless) > 0 {
		return fmt.Errorf("%s: no region for %s of the history; add a line such as: region elsewhere = *", s.File,
			strings.Join(homeless, ", "))
	}
	return nil
}

// writes says which writes there are under the load, and when.
func (w *world) writes() error {
	t := w.t
	w.ops = make([]merge.Op, len(t.writes), len(t.writes)+len(t.writes)/8)
	w.inTime = make([]moment, 0, len(t.inTime))
	loads, overall := w.script.Loads, cmp.Or(w.opt.Load, 1)
	plain := len(loads) == 0 && overall == 1
	type window struct {
		*Load
		from, to int64
	}
	var windows []window
	for i := range loads {
		from := loads[i].From.at(t.first)
		windows = append(windows, window{&loads[i], from, from + int64(loads[i].For)})
	}
	var extra []moment
	left := make([]int32, 0)
	for i := range t.writes {
		w.ops[i] = t.writes[i].op
	}
	for _, i := range t.inTime {
		b := &t.writes[i]
		at := b.at
		if plain {
			w.inTime = append(w.inTime, moment{at, i})
			continue
		}
		factor := overall
		for _, l := range windows {
			if b.at < l.from || b.at >= l.to {
				continue
			}
			switch {
			case l.Faster:
				at = l.from + int64(float64(at-l.from)/l.Factor)
			case len(l.Keys) == 0 || anyMatches(l.Keys, t.keys[b.key]):
				factor *= l.Factor
			}
		}
		factor = min(factor, most)
		whole, part := math.Modf(factor)
		times := int32(whole)
		if happens(chance(w.seed, 7, uint64(i)), int(part*1e6)) {
			times++
		}
		w.ops[i].Stamp.Time.Wall += at - b.at
		if times == 0 {
			left = append(left, i)
			continue
		}
		w.inTime = append(w.inTime, moment{at, i})
		if len(w.copies)+int(times) > MaxCopies {
			return fmt.Errorf("%s: %w", w.script.File, ErrTooMuch)
		}
		for n := int32(1); n < times; n++ {
			op := w.ops[i]
			op.Dot.Node += clock.Node(fmt.Sprintf("+%d", n+1))
			if op.ID != "" {
				op.ID += fmt.Sprintf("+%d", n+1)
			}
			op.Stamp.Time.Wall += int64(n) * copyGap
			extra = append(extra, moment{at + int64(n)*copyGap, int32(len(w.ops))})
			w.ops = append(w.ops, op)
			w.copies = append(w.copies, copied{i, n})
		}
	}
	w.plays = make([]play, len(w.ops))
	for _, i := range left {
		w.plays[i].status = isLeftOut
	}
	if plain {
		return nil
	}
	w.inTime = append(w.inTime, extra...)
	slices.SortFunc(w.inTime, func(a, b moment) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(w.base(a.write).node, w.base(b.write).node),
			cmp.Compare(w.copyOf(a.write), w.copyOf(b.write)), cmp.Compare(w.base(a.write).key, w.base(b.write).key),
			cmp.Compare(w.base(a.write).op.Dot.Seq, w.base(b.write).op.Dot.Seq))
	})
	return nil
}

// MaxCopies is how many writes a heavier load may make beyond those of the history.
const MaxCopies = 1 << 21

// ErrTooMuch is wrapped by the error of a load that makes more than [MaxCopies] copies.
var ErrTooMuch = errors.New("the load is too much to simulate")

// copyGap is how long after a write its copy comes under a heavier load.
const copyGap = int64(137e6)

// base returns the write of the history behind one of the drill.
func (w *world) base(play int32) *write {
	if int(play) < len(w.t.writes) {
		return &w.t.writes[play]
	}
	return &w.t.writes[w.copies[int(play)-len(w.t.writes)].base]
}

// copyOf returns which copy a write is: 0 is the history's own.
func (w *world) copyOf(play int32) int32 {
	if int(play) < len(w.t.writes) {
		return 0
	}
	return w.copies[int(play)-len(w.t.writes)].number
}

// keys says of every key its class, and what must be watched of it.
func (w *world) keys() {
	s := w.script
	for _, c := range s.Classes {
		w.classes = append(w.classes, &class{Class: c})
	}
	w.classes = append(w.classes, &class{Class: Class{Name: OtherClass}})
	for _, c := range w.classes {
		for _, l := range []*Level{&c.Reads, &c.Writes} {
			if l.Kind == Some && l.Regions == 0 {
				l.Regions = len(s.Regions)/2 + 1
			}
		}
	}
	for i := range s.Probes {
		w.probes = append(w.probes, probeLine{Probe: &s.Probes[i], region: s.region(s.Probes[i].Region)})
	}
	n := len(w.t.keys)
	w.classOf = make([]int16, n)
	w.scopesOf = make([]uint64, n)
	w.critical, w.leader, w.tracked = make([]bool, n), make([]bool, n), make([]bool, n)
	w.pending = make([][]int32, n)
	w.gather()
	read := len(w.t.reads) > 0 || len(w.probes) > 0
	for i, key := range w.t.keys {
		c := s.classOf(key)
		if c < 0 {
			c = len(s.Classes)
		}
		w.classOf[i] = int16(c)
		w.leader[i] = anyMatches(s.Leaders, key)
		w.critical[i] = w.classes[c].Critical || w.leader[i]
		w.tracked[i] = w.critical[i] || read
		for j, sc := range w.scopes {
			if sc.holds(w.classes[c].Name, key) {
				w.scopesOf[i] |= 1 << j
			}
		}
	}
}

// OtherClass is the class of the keys that no class of a script matches.
const OtherClass = "(other)"

// wires makes the links.
func (w *world) wires() {
	n := len(w.regions)
	w.links = make([]*link, n*n)
	for _, from := range w.regions {
		for _, to := range w.regions {
			if from != to {
				at := from.index*n + to.index
				w.links[at] = &link{from: from, to: to, index: at}
			}
		}
	}
	w.rewire()
}

func (w *world) link(from, to *region) *link { return w.links[from.index*len(w.regions)+to.index] }

// reachable reports whether two regions reach each other, both ways.
func (w *world) reachable(a, b *region) bool {
	return a == b || !w.link(a, b).down && !w.link(b, a).down
}

// run lets the time pass.
func (w *world) run() {
	const never = math.MaxInt64
	if len(w.agenda.list) > 0 { // it may begin before the history
		w.now = min(w.now, w.agenda.list[0].at)
	}
	for {
		at := [6]int64{never, never, never, never, never, never}
		if len(w.agenda.list) > 0 {
			at[0] = w.agenda.list[0].at
		}
		if len(w.busy.list) > 0 {
			l := w.busy.list[0]
			at[1] = l.queue[l.head].arrives
		}
		if len(w.strays.list) > 0 {
			at[2] = w.strays.list[0].arrives
		}
		if w.due < len(w.inTime) {
			at[3] = w.inTime[w.due].at
		}
		if w.dueRd < len(w.t.reads) {
			at[4] = w.t.reads[w.dueRd].at
		}
		probe := -1
		for i := range w.probes {
			if p := &w.probes[i]; p.head < len(p.queue) && p.queue[p.head].at < at[5] {
				at[5], probe = p.queue[p.head].at, i
			}
		}
		next := 0
		for i := range at {
			if at[i] < at[next] {
				next = i
			}
		}
		if at[next] == never {
			return
		}
		w.now = max(w.now, at[next])
		switch next {
		case 0:
			w.agenda.pop().do()
		case 1:
			w.arriveNext()
		case 2:
			w.arriveStray()
		case 3:
			m := w.inTime[w.due]
			w.due++
			w.attempt(m.write, m.at)
		case 4:
			rd := &w.t.reads[w.dueRd]
			w.dueRd++
			w.read(rd, w.nodes[rd.node].region, &w.nodes[rd.node])
		case 5:
			p := &w.probes[probe]
			m := p.queue[p.head]
			p.head++
			w.probe(p, m.write)
		}
		w.alarm()
		if w.dirty || len(w.armed) > 0 {
			w.dirty = false
			w.judge()
		}
	}
}

// at plans something.
func (w *world) at(t int64, do func()) {
	w.orders++
	w.agenda.push(planned{t, w.orders, do})
}

// attempt makes a write that was due at a time, if it may.
func (w *world) attempt(i int32, due int64) {
	b := w.base(i)
	n := &w.nodes[b.node]
	if len(n.waiting) > 0 {
		w.hold(i, n, due)
		return
	}
	w.try(i, due)
}

// try makes a write; it returns false when it has to wait for room.
func (w *world) try(i int32, due int64) bool {
	b := w.base(i)
	n := &w.nodes[b.node]
	r := n.region
	c := w.classes[w.classOf[b.key]]
	switch {
	case r.stopped || n.stopped > 0:
		w.plays[i].status = isUnavailable
		r.unavailable++
		w.count(unavailableIndex, b.key, 1)
		return true
	case c.frozen > 0:
		w.refuse(i, r, n)
		return true
	}
	asked, latency, bounded := r.bit, int64(0), true
	if c.Writes.Kind == Some {
		var ok bool
		asked, latency, ok = w.ask(r, c.Writes.Regions, i)
		if !ok {
			w.refuse(i, r, n)
			return true
		}
		bounded = asked == r.bit
	}
	for _, to := range w.regions {
		if to.bit&asked != 0 {
			continue
		}
		l := w.link(r, to)
		if l.share == 0 || l.byNode[b.node] < l.share {
			continue
		}
		if !l.quality.Throttle {
			w.noRoom++
			w.refuse(i, r, n)
			return true
		}
		if w.plays[i].status != isWaiting {
			w.hold(i, n, due)
		}
		return false
	}
	latency += w.now - due
	if latency > 0 {
		c.latencies = append(c.latencies, latency)
		w.raise(latencyIndex, b.key, latency)
	}
	w.accept(i, r, asked, bounded, w.now-due)
	return true
}

func (w *world) refuse(i int32, r *region, n *nodeState) {
	w.plays[i].status = isRefused
	r.refused++
	n.refused++
	w.count(refusedIndex, w.base(i).key, 1)
}

// hold makes a write wait for room.
func (w *world) hold(i int32, n *nodeState, due int64) {
	w.plays[i].status, w.plays[i].made = isWaiting, due
	n.waiting = append(n.waiting, i)
	n.held++
	w.noRoom++
	w.count(throttledIndex, w.base(i).key, 1)
}

// admit lets the writes of a node go on that waited for room.
func (w *world) admit(node int32) {
	n := &w.nodes[node]
	for len(n.waiting) > 0 {
		i := n.waiting[0]
		if !w.try(i, w.plays[i].made) {
			return
		}
		n.waiting = n.waiting[1:]
	}
}

// ask returns the nearest regions that make up a number, the asking one first, and how long their answers take.
func (w *world) ask(r *region, number int, play int32) (asked uint32, latency int64, ok bool) {
	type peer struct {
		takes int64
		bit   uint32
	}
	var room [MaxRegions]peer
	peers := room[:0]
	for _, p := range w.regions {
		if p == r || p.stopped || !w.reachable(r, p) {
			continue
		}
		takes := int64(0)
		for _, l := range [2]*link{w.link(r, p), w.link(p, r)} {
			takes += int64(l.quality.Delay)
			if j := int64(l.quality.Jitter); j > 0 {
				takes += below(chance(w.seed, 8, uint64(l.index), uint64(play), uint64(w.now)), 2*j+1) - j
			}
		}
		peers = append(peers, peer{takes, p.bit})
	}
	if len(peers)+1 < number {
		return 0, 0, false
	}
	slices.SortFunc(peers, func(a, b peer) int { return cmp.Or(cmp.Compare(a.takes, b.takes), cmp.Compare(a.bit, b.bit)) })
	asked = r.bit
	for _, p := range peers[:number-1] {
		asked |= p.bit
		latency = p.takes
	}
	return asked, latency, true
}

// accept makes a write at a region, and at once at all others that were asked.
func (w *world) accept(i int32, r *region, asked uint32, bounded bool, waited int64) {
	b, p, op := w.base(i), &w.plays[i], &w.ops[i]
	w.hidden(i, asked)
	if w.critical[b.key] {
		w.splitBrain(i, r)
	}
	w.stamp(r, op, waited)
	if w.dotted[b.key] {
		op.Seen = w.seenBy(i, asked, bounded)
	}
	p.made, p.has, p.home, p.status = w.now, asked, uint8(r.index), isAccepted
	p.number = int32(len(w.accepted))
	w.accepted = append(w.accepted, i)
	r.accepted++
	w.count(writesIndex, b.key, 1)
	if w.advance(i, asked, bounded) {
		w.classes[w.classOf[b.key]].prevented++
	}
	for _, to := range w.regions {
		if asked&to.bit != 0 {
			w.take(to, i)
		} else {
			w.send(w.link(r, to), i)
		}
	}
	if w.tracked[b.key] && asked != w.every {
		w.pending[b.key] = append(w.pending[b.key], i)
	}
	for j := range w.probes {
		if pr := &w.probes[j]; pr.Keys.Matches(w.t.keys[b.key]) {
			pr.queue = append(pr.queue, moment{w.now + int64(pr.After), i})
		}
	}
}

// seenBy returns the dots on the key that the regions asked have, and that the writer can have seen.
func (w *world) seenBy(i int32, asked uint32, bounded bool) clock.Vector {
	b := w.base(i)
	var have clock.Vector
	for _, r := range w.regions {
		if asked&r.bit == 0 {
			continue
		}
		if asked == r.bit && !bounded {
			return r.seen[b.key].Clone()
		}
		if asked == r.bit {
			have = r.seen[b.key]
		} else {
			have.Merge(r.seen[b.key])
		}
	}
	_, high := w.t.past(b)
	if !bounded {
		return have
	}
	if high == nil {
		return have.Clone()
	}
	var seen clock.Vector
	nodes := w.t.keyNodes[b.key]
	for node, run := range have.Runs() {
		at, found := slices.BinarySearch(nodes, node)
		if !found { // a copy's
			name := string(node)
			at, _ = slices.BinarySearch(nodes, clock.Node(name[:strings.LastIndexByte(name, '+')]))
		}
		if int32(at) == b.local && node == w.ops[i].Dot.Node {
			seen.AddRange(node, run) // a node is sequential
			continue
		}
		run.Last = min(run.Last, uint64(high[at]))
		seen.AddRange(node, run)
	}
	return seen
}

// hidden tells of a write whose writer had seen, in the history, what has not reached its region here.
func (w *world) hidden(i int32, asked uint32) {
	b := w.base(i)
	low, _ := w.t.past(b)
	for local, n := range low {
		if n == 0 || int32(local) == b.local {
			continue
		}
		other := w.t.find(b.key, int32(local), n)
		if p := &w.plays[other]; p.has&asked != 0 || w.t.writes[other].at == 0 || p.status == isLeftOut {
			continue
		}
		w.count(hiddenIndex, b.key, 1)
		if len(w.hiddenAt) < maxListed {
			w.hiddenAt = append(w.hiddenAt, Hide{At: Moment(w.now), Key: w.t.keys[b.key], Node: b.op.Stamp.Node, Place: b.place,
				Other: w.t.writes[other].place})
		}
		return
	}
}

// deliver brings a write to a region.
func (w *world) deliver(i int32, r *region) {
	p := &w.plays[i]
	if p.status == isVanished {
		return
	}
	b, op := w.base(i), &w.ops[i]
	if ahead := op.Stamp.Time.Wall - w.now - r.skew(w.now); ahead > int64(clock.DefaultMaxDrift) {
		w.tell(finding.ClockAhead, b, func() string {
			return fmt.Sprintf("stamped %s ahead of the clock of %s", durationOf(ahead), r.name)
		})
	}
	if w.script.Hybrid {
		r.physical = w.now + r.skew(w.now)
		_ = r.clock.Observe(op.Stamp.Time) // without a bound: it is of a valid time, so there is no error
	}
	if p.has&r.bit != 0 { // again: the fold takes it, and nothing changes
		w.apply(r.index, i)
		return
	}
	p.has |= r.bit
	w.take(r, i)
	if p.orphan {
		p.orphan = false
		w.spread([]int32{i})
	}
	if p.split {
		w.splitMeets(i)
	}
	if p.has == w.every {
		w.complete(i)
	}
}

// complete takes note of a write that every region has.
func (w *world) complete(i int32) {
	b := w.base(i)
	if int(w.plays[i].number) == len(w.accepted)-1 {
		w.lag = w.now - w.plays[i].made
	}
	if w.tracked[b.key] {
		list := w.pending[b.key]
		switch at := slices.Index(list, i); {
		case at == 0: // mostly
			w.pending[b.key] = list[1:]
		case at > 0:
			w.pending[b.key] = slices.Delete(list, at, at+1)
		}
	}
	if w.plays[i].split {
		w.splitEnds(i)
	}
	if w.plays[i].stuck {
		w.unstick(i)
	}
}

// converged reports whether every write up to a number of accepted ones is in every region.
func (w *world) converged(upTo int) bool {
	for w.whole < len(w.accepted) {
		p := &w.plays[w.accepted[w.whole]]
		if p.status == isAccepted && p.has != w.every {
			break
		}
		w.whole++
	}
	return w.whole >= upTo
}

// alarm tells of writes that are older than the script allows and not in every region.
func (w *world) alarm() {
	for w.alarmed < len(w.accepted) {
		i := w.accepted[w.alarmed]
		p := &w.plays[i]
		if w.now-p.made <= int64(w.script.Stuck) {
			return
		}
		w.alarmed++
		if p.status != isAccepted || p.has == w.every {
			continue
		}
		p.stuck = true
		w.count(stuckIndex, w.base(i).key, 1)
		w.stick(i)
	}
}

// vanish takes an acknowledged write out of the world that no region has any more.
func (w *world) vanish(i int32) {
	p := &w.plays[i]
	p.status = isVanished
	b := w.base(i)
	w.count(vanishedIndex, b.key, 1)
	w.count(lostIndex, b.key, 1)
	if list := w.pending[b.key]; len(list) > 0 {
		w.pending[b.key] = slices.DeleteFunc(list, func(j int32) bool { return j == i })
	}
	if p.split {
		w.splitEnds(i)
	}
}

// restart takes a region back to a backup: what it has had since is gone, and the others send it again.
func (w *world) restart(r *region, backup int) {
	gone := slices.Clone(r.log[backup:])
	kept := slices.Clone(r.log[:backup])
	w.clear(r.index)
	clear(r.seen)
	r.log = r.log[:0]
	for _, i := range gone {
		w.plays[i].has &^= r.bit
	}
	for _, i := range kept {
		w.take(r, i)
	}
	for _, l := range w.links {
		if l == nil || l.from != r || !l.down {
			continue
		}
		// What waits at the region is gone with the rest.
		l.queue = slices.DeleteFunc(l.queue[l.head:], func(p packet) bool {
			if w.plays[p.play].has&r.bit != 0 {
				return false
			}
			if l.byNode != nil {
				l.byNode[w.base(p.play).node]--
			}
			gone = append(gone, p.play) // it may have been on its way since an earlier restart
			return true
		})
		l.head = 0
	}
	slices.Sort(gone)
	gone = slices.Compact(gone)
	w.spread(gone)
	w.rebuild()
	w.whole, w.alarmed = 0, min(w.alarmed, len(w.accepted))
	for _, i := range gone {
		if b := w.base(i); w.tracked[b.key] && w.plays[i].status == isAccepted && !slices.Contains(w.pending[b.key], i) {
			w.pending[b.key] = append(w.pending[b.key], i)
			slices.SortFunc(w.pending[b.key], func(a, b int32) int { return cmp.Compare(w.plays[a].number, w.plays[b].number) })
		}
	}
}

// spread sees to it that writes get to every region that has them not and that nobody sends them to. What nobody has
// vanishes.
func (w *world) spread(list []int32) {
	type way struct {
		play int32
		to   int
	}
	under := make(map[way]bool)
	for _, l := range w.links {
		if l == nil {
			continue
		}
		for _, p := range l.queue[l.head:] {
			under[way{p.play, l.to.index}] = true
		}
	}
	for _, s := range w.strays.list {
		if !s.copy {
			under[way{s.play, s.link.to.index}] = true
		}
	}
	for _, i := range list {
		p := &w.plays[i]
		if p.status != isAccepted {
			continue
		}
		if p.has == 0 {
			p.orphan = false
			for _, r := range w.regions {
				p.orphan = p.orphan || under[way{i, r.index}]
			}
			if !p.orphan {
				w.vanish(i)
			}
			continue
		}
		from := w.regions[bits.TrailingZeros32(p.has)]
		for _, r := range w.regions {
			if p.has&r.bit == 0 && !under[way{i, r.index}] {
				w.send(w.link(from, r), i)
			}
		}
	}
}

// switchTable makes all regions go on under another table.
func (w *world) switchTable(t *merge.Table) {
	for i := range w.fronts {
		w.forget(int32(i), &w.fronts[i])
	}
	for i := range w.elemFronts {
		w.forget(w.elemCell[i], &w.elemFronts[i])
	}
	w.setTable(t)
	for _, r := range w.regions {
		for _, i := range r.log {
			w.apply(r.index, i)
		}
	}
	w.rebuild()
}

// apart counts the cells that differ between two regions.
func (w *world) apart() int64 {
	n := int64(0)
	for c := range w.cellKey {
		for _, r := range w.regions[1:] {
			if !w.equal(w.cell(int32(c), r.index), w.cell(int32(c), 0)) {
				n++
				break
			}
		}
	}
	return n
}

// equal compares two cells; one that no write has reached is equal to its like alone.
func (w *world) equal(a, b *merge.Cell) bool {
	if a.Rule() == nil || b.Rule() == nil {
		return a.Rule() == b.Rule()
	}
	return a.Equal(*b)
}

// writeOf returns the write of the drill behind one that a cell keeps, -1 when there is none.
func (w *world) writeOf(key int32, kept *merge.Write) int32 {
	at, found := slices.BinarySearch(w.t.keyNodes[key], kept.Dot.Node)
	if !found || kept.Dot.Seq == 0 {
		return -1
	}
	return w.t.find(key, int32(at), int32(kept.Dot.Seq))
}

// against is the write that beat a claim, for reports.
func against(v *merge.Verdict) string {
	if v.Against.ID != "" {
		return v.Against.ID
	}
	if v.Against.Dot.IsZero() {
		return ""
	}
	return v.Against.Dot.String()
}
