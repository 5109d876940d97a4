package drill

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/lex"
)

// world is a drill while it runs. Time is virtual: it goes from one event to the next. Of what happens at one moment,
// steps and timers come first, then arrivals, then writes, then reads.
type world struct {
	script *Script
	t      *Traffic
	opt    *Options
	seed   uint64
	exact  bool // the drill goes back to a backup or to another table, so everything must be told again

	now    int64
	start  int64
	bucket int64 // the stretches of time in which backlogs are shown

	regions  []*region
	replicas []*replica
	every    uint64  // the bits of all replicas
	links    []*link // from*replicas + to; nil on the diagonal
	bounded  bool    // some queue is
	nodes    []nodeState
	classes  []*class

	// The writes of the drill: those of the history under their own numbers, then the copies that a heavier load makes.
	plays  []play
	copies []copied
	stamps []clock.Timestamp // of those that are stamped with another time than the history's; nil for none so far
	seen   []clock.Vector    // what the writers of dotted keys had seen; nil for none so far

	// What [world.op] and [view.claim] return.
	playing merge.Op
	claimed merge.Claim
	inTime  []moment // when each is due
	due     int      // in inTime
	warm    int      // in inTime: up to there it was fetched
	fetched int64    // see [world.fetch]
	dueRd   int      // in Traffic.reads

	// What is lost is counted under one table: that of the drill, and after a switch the new one.
	view       *view
	odds       []*odds
	wereAtOdds []TableOdds

	accepted []int32   // in order
	answers  []int64   // of each write, when it was acknowledged; nil when that is as soon as it is made
	whole    int       // of the accepted, how many from the first are in every replica
	alarmed  int       // of the accepted, how many from the first were looked at for being stuck
	again    []moment  // from when on a restart has left writes missing that may be stuck once more
	minded   int       // how many of those have had their time
	watch    []watch   // of each key
	pending  [][]int32 // of each key that is tracked, its writes that are not everywhere

	busy   heap[*link]
	strays heap[stray]
	calls  heap[call]
	limits []*request         // those under way, in the order in which their time is up
	giving map[int32]*request // by write, those that wait to be acknowledged
	turns  map[turn][]moment  // the writes that wait for an earlier one of their node to their key
	agenda heap[planned]      // steps, and what ends by itself
	orders int
	line   int // of the script, of what happens now
	probes []probeLine

	incidents []*incident
	armed     []*armed
	checks    []*checking
	timers    []TimerResult
	counters
	splits   map[int32]*split // by key, those that are not over
	over     []*split
	scans    map[int32]*scan    // by key, while something is cut
	cut      bool               // some link is down
	sessions map[string]int32   // the write that a session saw last, by session and key
	shows    map[sighting]int32 // how many reads have shown that
	lacked   []int32            // room of [world.replaced]
	timeline []Event
	handoffs []Event
	quorums  []*QuorumLoss
	losing   map[lossOf]*QuorumLoss // those that are not over
	stuck    []*StuckWindow
	noRoom   int64 // writes that were refused or waited because a queue was full
	lag      int64 // how long the last accepted write took to be everywhere
	told     map[finding.Code]*findings
	hiddenAt []Hide
	prefers  map[string]*preference
	skewed   bool // some clock is not that of the history, or was not
	light    bool // nothing is folded: for who asks about the traffic alone
	stop     func() bool
}

// watch is what is watched of a key.
type watch struct {
	scopes   uint64 // which checks are about it
	class    int16
	critical bool
	leader   bool
	tracked  bool // its writes that are not everywhere are kept in pending
	dotted   bool // its writes note what their writers had seen
}

// play is what became of one write of the drill.
type play struct {
	made   int64  // when it was accepted; of one that waits, when it was due
	has    uint64 // the replicas that have it
	number int32  // among the accepted
	again  int32  // its place in world.again, and one more; 0 when it has none
	home   uint8
	status status
	open   bool // it is accepted, and not acknowledged
	held   bool // it had to wait for room
	stuck  bool
	split  bool
	orphan bool // no replica has it, and it is on its way to one
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
	replica *replica
	stopped int
	waiting []int32 // writes that are throttled, in order
	refused int64   // for want of room in a queue
	held    int64
}

type class struct {
	Class
	tally     tally
	answered  int64   // writes that were acknowledged
	latencies []int64 // of those that took time
	readTimes []int64
	ages      []int64
	frozen    int
	prevented int64
	reads     int64
	doomed    int64
	regressed int64

	preventedReads int64
}

// asks reports whether the writes of the class ask other regions.
func (c *class) asks() bool { return c.Writes.Kind == Some && c.Writes.Regions > 1 }

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
	w := &world{script: script, t: t, opt: opt, seed: cmp.Or(opt.Seed, script.Seed), light: opt.light, skewed: script.Hybrid && !opt.light, start: t.first, now: t.first}
	w.busy.before = func(a, b *link) bool {
		x, y := a.queue[a.head].arrives, b.queue[b.head].arrives
		return x < y || x == y && a.index < b.index
	}
	w.strays.before = func(a, b stray) bool { return a.arrives < b.arrives || a.arrives == b.arrives && a.order < b.order }
	w.calls.before = func(a, b call) bool { return a.at < b.at || a.at == b.at && a.order < b.order }
	w.agenda.before = func(a, b planned) bool { return a.at < b.at || a.at == b.at && a.order < b.order }
	w.splits, w.scans, w.sessions = make(map[int32]*split), make(map[int32]*scan), make(map[string]int32)
	w.losing, w.shows = make(map[lossOf]*QuorumLoss), make(map[sighting]int32)
	w.giving, w.turns = make(map[int32]*request), make(map[turn][]moment)
	w.told, w.prefers = make(map[finding.Code]*findings), make(map[string]*preference)
	if t.timed+len(t.reads) == 0 {
		return nil, fmt.Errorf("%s: nothing happens in the drill: %s", script.File, t.emptiness())
	}
	w.bucket = max(60e9, (t.last-t.first)/240/60e9*60e9)
	if err := errors.Join(w.people(), w.plan()); err != nil {
		return nil, err
	}
	if err := w.writes(); err != nil {
		return nil, err
	}
	w.keys()
	v := w.viewOf(table)
	for _, r := range w.replicas {
		r.view = v
	}
	if !w.light {
		w.measure(v)
	}
	w.wires()
	return w, nil
}

// people makes the regions and their replicas, and says which node lives where.
func (w *world) people() error {
	s := w.script
	for i := range s.Regions {
		w.regions = append(w.regions, &region{index: i, name: s.Regions[i].Name, line: &s.Regions[i], apart: s.Regions[i].Apart})
	}
	var homeless, wrong []string
	w.nodes = make([]nodeState, len(w.t.nodes))
	live := make([][]int, len(w.regions))
	for i, n := range w.t.claim {
		at := s.regionOf(string(n))
		writes, reads := 0, 0
		if n == "" {
			writes, reads = w.t.nobodys(i)
		}
		switch {
		case writes > 0 && w.t.arrivals:
			wrong = append(wrong, fmt.Sprintf("%s: the feeds of the regions leave open where %s of the history began, or which of them are one delete; "+
				"a smaller -max-drift leaves less open, if the clocks of the regions keep to it", s.File, plural(writes, "write")))
			continue
		case writes > 0: // which need not be of one node, so that they live nowhere, not even in *
			wrong = append(wrong, fmt.Sprintf("%s: nothing says where %s of the history began; name the region of each export with "+
				"-region NAME=FILE, or the column that says it with -origin COLUMN", s.File, plural(writes, "write")))
			continue
		case at < 0 && reads > 0:
			wrong = append(wrong, fmt.Sprintf("%s: nothing says who served %s of the history; let a region have them, as in: region elsewhere = *",
				s.File, plural(reads, "read")))
			continue
		case at < 0:
			homeless = append(homeless, string(n))
			continue
		}
		live[at] = append(live[at], i)
		w.regions[at].nodes++
	}
	if len(homeless) > 0 {
		wrong = append(wrong, s.homeless(homeless))
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	for i, g := range w.regions {
		if !g.apart {
			r := w.replica(g, g.name)
			for _, n := range live[i] {
				w.settleAt(n, r)
			}
			continue
		}
		for _, n := range live[i] {
			name := string(w.t.claim[n])
			if at := slices.IndexFunc(g.replicas, func(r *replica) bool { return r.name == name }); at >= 0 { // of another incarnation
				w.settleAt(n, g.replicas[at])
			} else {
				w.settleAt(n, w.replica(g, name))
			}
		}
		for _, name := range s.named { // a node that writes nothing can keep a replica
			if s.region(name) < 0 && s.regionOf(name) == i && !slices.ContainsFunc(g.replicas, func(r *replica) bool { return r.name == name }) {
				w.replica(g, name)
			}
		}
		if len(g.replicas) == 0 {
			w.replica(g, g.name)
		}
	}
	if len(w.replicas) > MaxReplicas {
		return fmt.Errorf("%s: %d replicas: the limit is %d; leave out \"apart\" where it does not matter", s.File, len(w.replicas), MaxReplicas)
	}
	return nil
}

// homeless says which nodes live in no region, and which line may have been meant for one of them.
func (s *Script) homeless(nodes []string) string {
	names := make([]string, 0, maxListed+1)
	for _, n := range nodes[:min(len(nodes), maxListed)] {
		names = append(names, quote(n))
	}
	if more := len(nodes) - maxListed; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	help := "add a line such as: region elsewhere = *"
	for _, n := range nodes {
		if r, pattern := s.nearest(n); r != nil {
			help = fmt.Sprintf("did line %d mean %s, where %s has %s?", r.Line, quote(n), r.Name, quote(string(pattern)))
			break
		}
	}
	return fmt.Sprintf("%s: no region for %s of the history; %s", s.File, strings.Join(names, ", "), help)
}

// nearest returns the region that a node just misses, and by which pattern: one that begins, up to its first *, nearly as the node
// does.
func (s *Script) nearest(node string) (*Region, Pattern) {
	for i := range s.Regions {
		for _, p := range s.Regions[i].Nodes {
			literal, _, open := strings.Cut(string(p), "*")
			begin := node
			if open {
				begin = node[:min(len(node), len(literal))]
			}
			if literal != "" && lex.Nearest(strings.ToLower(begin), []string{strings.ToLower(literal)}) != "" {
				return &s.Regions[i], p
			}
		}
	}
	return nil, ""
}

// replica makes a replica of a region.
func (w *world) replica(g *region, name string) *replica {
	r := &replica{index: len(w.replicas), name: name, bit: 1 << len(w.replicas), region: g, backups: make(map[*Action][]int32)}
	r.clock = clock.Clock{Source: func() int64 { return r.physical }, MaxDrift: -1}
	w.replicas, g.replicas = append(w.replicas, r), append(g.replicas, r)
	w.every |= r.bit
	g.bits |= r.bit
	return r
}

// settleAt lets a node live at a replica.
func (w *world) settleAt(node int, r *replica) {
	w.nodes[node].replica = r
	r.nodes++
}

// writes says which writes there are under the load, and when.
func (w *world) writes() error {
	t := w.t
	w.inTime = make([]moment, 0, t.timed)
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
	var extra, faster []moment // faster has by how much the stamps move
	left := make([]int32, 0)
	for i := range int32(t.timed) {
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
		if happens(chance(w.seed, 7, b.lot), int(part*1e6)) {
			times++
		}
		if times == 0 {
			left = append(left, i)
			continue
		}
		if at != b.at {
			faster = append(faster, moment{at - b.at, i})
		}
		w.inTime = append(w.inTime, moment{at, i})
		if len(w.copies)+int(times) > MaxCopies {
			return fmt.Errorf("%s: %w", w.script.File, ErrTooMuch)
		}
		for n := int32(1); n < times; n++ {
			extra = append(extra, moment{at + int64(n)*copyGap, int32(len(t.writes) + len(w.copies))})
			faster = append(faster, moment{at - b.at + int64(n)*copyGap, int32(len(t.writes) + len(w.copies))})
			w.copies = append(w.copies, copied{i, n})
		}
	}
	w.plays = make([]play, len(t.writes)+len(w.copies))
	w.accepted = make([]int32, 0, len(w.inTime)+len(extra))
	for _, i := range left {
		w.plays[i].status = isLeftOut
	}
	for _, m := range faster {
		if !w.light {
			w.restamp(m.write, w.stampOf(m.write).Wall+m.at)
		}
	}
	if plain {
		return nil
	}
	w.inTime = append(w.inTime, extra...)
	slices.SortFunc(w.inTime, func(a, b moment) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Or(t.beside(w.base(a.write), w.base(b.write)), cmp.Compare(w.copyOf(a.write), w.copyOf(b.write)))
	})
	return nil
}

// MaxCopies is how many writes a heavier load may make beyond those of the history.
const MaxCopies = 1 << 21

// ErrTooMuch is wrapped by the error of a load that makes more than [MaxCopies] copies.
var ErrTooMuch = errors.New("the load is too much to simulate")

// copyGap is how long after a write its copy comes under a heavier load.
const copyGap = int64(137e6)

// baseOf returns the number of the write of the history behind one of the drill.
func (w *world) baseOf(play int32) int32 {
	if int(play) < len(w.t.writes) {
		return play
	}
	return w.copies[int(play)-len(w.t.writes)].base
}

// base returns the write of the history behind one of the drill.
func (w *world) base(play int32) *write { return &w.t.writes[w.baseOf(play)] }

// op returns the operation of a write of the drill: that of the history, until the drill gives it another stamp or another
// past. It is good until the next call.
func (w *world) op(i int32) *merge.Op {
	w.playing = w.t.op(w.baseOf(i))
	if w.stamps != nil {
		w.playing.Stamp.Time = w.stampOf(i)
	}
	if w.seen != nil {
		w.playing.Seen = w.seen[i]
	}
	if n := w.copyOf(i); n > 0 {
		w.playing.Dot = w.dot(i)
		if w.playing.ID != "" {
			w.playing.ID += fmt.Sprintf("+%d", n+1)
		}
	}
	return &w.playing
}

// fields returns the fields of a write's operation.
func (w *world) fields(i int32) []merge.Field { return w.t.fieldsOf(&w.t.ops[w.t.rank[w.baseOf(i)]]) }

// dot returns the dot of a write's operation; copies are by nodes of their own.
func (w *world) dot(i int32) clock.Dot {
	b := w.base(i)
	dot := clock.Dot{Node: w.t.nodes[b.node], Seq: uint64(b.seq)}
	if n := w.copyOf(i); n > 0 {
		dot.Node += clock.Node(fmt.Sprintf("+%d", n+1))
	}
	return dot
}

// stampOf returns the time with which a write is stamped.
func (w *world) stampOf(i int32) clock.Timestamp {
	if w.stamps != nil && w.stamps[i] != (clock.Timestamp{}) {
		return w.stamps[i]
	}
	return w.base(i).stamp
}

// restamp stamps a write with another time.
func (w *world) restamp(i int32, wall int64) {
	t := w.stampOf(i)
	t.Wall = wall
	w.setStamp(i, t)
}

func (w *world) setStamp(i int32, t clock.Timestamp) {
	if w.stamps == nil {
		w.stamps = make([]clock.Timestamp, len(w.plays))
	}
	w.stamps[i] = t
}

// placeOf returns where a write stands in the history.
func (w *world) placeOf(play int32) finding.Place { return w.t.place(w.baseOf(play)) }

// lot returns what stands for a write where chance has a say. It is the same whatever else there is in the drill.
func (w *world) lot(play int32) uint64 {
	if int(play) < len(w.t.writes) {
		return w.t.writes[play].lot
	}
	return chance(w.base(play).lot, uint64(w.copyOf(play)))
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
			l.Of = len(s.Regions)
		}
	}
	for _, c := range w.classes {
		if c.asks() {
			w.answers = make([]int64, len(w.plays))
		}
	}
	for i := range s.Probes {
		w.probes = append(w.probes, probeLine{Probe: &s.Probes[i], region: s.region(s.Probes[i].Region)})
	}
	n := len(w.t.keys)
	w.watch, w.pending = make([]watch, n), make([][]int32, n)
	w.gather()
	if w.opt.deaf {
		w.dueRd, w.probes = len(w.t.reads), nil
	}
	read := w.dueRd < len(w.t.reads) || len(w.probes) > 0
	for i, key := range w.t.keys {
		c := s.classOf(key)
		if c < 0 {
			c = len(s.Classes)
		}
		k := &w.watch[i]
		k.class = int16(c)
		k.leader = anyMatches(s.Leaders, key)
		k.critical = w.classes[c].Critical || k.leader
		k.tracked = k.critical || read || w.classes[c].asks()
		k.dotted = !w.light && w.exact
		for j, sc := range w.scopes {
			if sc.holds(w.classes[c].Name, key) {
				k.scopes |= 1 << j
			}
		}
	}
}

// OtherClass is the class of the keys that no class of a script matches.
const OtherClass = "(other)"

// wires makes the links.
func (w *world) wires() {
	n := len(w.replicas)
	w.links = make([]*link, n*n)
	for _, from := range w.replicas {
		for _, to := range w.replicas {
			if from != to {
				at := from.index*n + to.index
				w.links[at] = &link{from: from, to: to, index: at, lot: lotOf(from.name, to.name)}
			}
		}
	}
	w.bounded = w.script.bounded()
	w.rewire()
}

func (w *world) link(from, to *replica) *link { return w.links[from.index*len(w.replicas)+to.index] }

// reachable reports whether two replicas reach each other, both ways.
func (w *world) reachable(a, b *replica) bool {
	return a == b || !w.link(a, b).down && !w.link(b, a).down
}

// run lets the time pass.
func (w *world) run() {
	const never = math.MaxInt64
	if len(w.agenda.list) > 0 { // it may begin before the history
		w.now = min(w.now, w.agenda.list[0].at)
	}
	for {
		// Of one moment, what stands first here comes first.
		at, next, probe := int64(never), 0, 0
		if len(w.agenda.list) > 0 {
			at = w.agenda.list[0].at
		}
		if len(w.busy.list) > 0 {
			if l := w.busy.list[0]; l.queue[l.head].arrives < at {
				at, next = l.queue[l.head].arrives, 1
			}
		}
		if len(w.strays.list) > 0 && w.strays.list[0].arrives < at {
			at, next = w.strays.list[0].arrives, 2
		}
		if len(w.calls.list) > 0 && w.calls.list[0].at < at {
			at, next = w.calls.list[0].at, 3
		}
		for len(w.limits) > 0 && w.limits[0].done {
			w.limits = w.limits[1:]
		}
		if len(w.limits) > 0 && w.limits[0].began+int64(w.script.Timeout) < at {
			at, next = w.limits[0].began+int64(w.script.Timeout), 7
		}
		if w.due < len(w.inTime) && w.inTime[w.due].at < at {
			at, next = w.inTime[w.due].at, 4
		}
		if w.dueRd < len(w.t.reads) && w.t.reads[w.dueRd].at < at {
			at, next = w.t.reads[w.dueRd].at, 5
		}
		for i := range w.probes {
			if p := &w.probes[i]; p.head < len(p.queue) && p.queue[p.head].at < at {
				at, next, probe = p.queue[p.head].at, 6, i
			}
		}
		if w.stop != nil && w.stop() {
			return
		}
		late, due := w.overdue(at)
		switch {
		case late >= 0:
			at, next = due, 8
		case at == never:
			return
		}
		w.now = max(w.now, at)
		switch next {
		case 0:
			w.agenda.pop().do()
		case 1:
			w.arriveNext()
		case 2:
			w.arriveStray()
		case 3:
			w.callNext()
		case 4:
			if w.due >= w.warm {
				w.fetch()
			}
			m := w.inTime[w.due]
			w.due++
			w.come(m.write, m.at)
		case 5:
			rd := &w.t.reads[w.dueRd]
			w.dueRd++
			n := &w.nodes[rd.node]
			w.begin(rd, n.replica, n.stopped > 0)
		case 6:
			p := &w.probes[probe]
			m := p.queue[p.head]
			p.head++
			w.probe(p, m.write)
		case 7:
			w.giveUp(w.limits[0])
		case 8:
			w.stick(late)
		}
		if w.dirty || len(w.armed) > 0 {
			w.dirty = false
			w.judge()
		}
	}
}

// ahead is how many writes are fetched at a time: what they touch stays in a processor's first cache.
const ahead = 16

// fetch looks at what the next writes will touch. It stands all over the memory, and what one write touches is found by way
// of one another; but one write does not wait for the next, so that the processor fetches for all at once. The sum is kept so
// that the looking is not optimized away.
func (w *world) fetch() {
	from := w.warm
	w.warm = min(from+ahead, len(w.inTime))
	next := w.inTime[from:w.warm]
	for _, m := range next {
		b := w.base(m.write)
		w.fetched += int64(w.watch[b.key].class)
		if b.seen >= 0 {
			w.fetched += int64(w.t.seen[b.seen])
		}
		if w.light {
			continue
		}
		w.look(m.write)
		for _, c := range w.view.claimsBy(m.write) {
			w.fetched += int64(*w.view.slot(c.cell, all)) + int64(w.view.cells[c.cell].key)
		}
	}
	if w.light {
		return
	}
	for _, m := range next {
		for _, c := range w.view.claimsBy(m.write) {
			heads := w.view.cells[c.cell].front.heads
			for _, h := range heads[:min(len(heads), ahead)] {
				w.look(w.view.claims[h].play)
			}
		}
	}
}

// look fetches the operation of a write.
func (w *world) look(play int32) {
	o := &w.t.ops[w.t.rank[w.baseOf(play)]]
	w.fetched += int64(o.kind)
	if o.fields > 0 {
		w.fetched += int64(len(w.t.fields[o.first].Value))
	}
}

// at plans something.
func (w *world) at(t int64, do func()) {
	w.orders++
	w.agenda.push(planned{t, w.orders, do})
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
