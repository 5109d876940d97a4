package drill

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// The oracle runs a drill tick by tick, one millisecond each, with sets and lists and nothing clever: at every tick it does
// what the script says, looks at every message on every link, makes every write that is due, and answers every read. It
// shares the script and the history's contexts with what it tests, and no other code but the fold of a service.

const oracleTable = `
nodes a < b < c
ref/* * refuse
cnt/* * counter
set/* * add-wins
any/* * keep-all
* * lww
`

// What the drills switch to: where the first keeps one write, this keeps the first, or all.
const otherTable = `
nodes a < b < c
ref/* * keep-all
cnt/* * counter
set/* * remove-wins
any/* * lww
* * fww
`

var oracleTables = []*merge.Table{merge.MustParseTable(oracleTable), merge.MustParseTable(otherTable)}

// topology is which replicas there are: always a, b and c, each the region of its node or two of them in one.
type topology struct {
	regions []string // of a script
	of      []int    // the region of each replica
	steps   []string // at times of their own, each the earliest at which it matters
}

var threeRegions = topology{
	regions: []string{"a", "b", "c"},
	of:      []int{0, 1, 2},
	steps: []string{
		"at 00:00:00.010 cut a for 20ms",
		"at 00:00:00.013 cut b > c for 21ms",
		"at 00:00:00.016 skew c +5ms",
		"at 00:00:00.019 link a b 9ms for 25ms",
		"at 00:00:00.022 stop b for 12ms",
		"at 00:00:00.025 freeze critical for 9ms",
		"at 00:00:00.027 restart a from backup 00:00:00.012",
		"at 00:00:00.029 table other in a",
		"at 00:00:00.032 heal",
		"at 00:00:00.035 table other in c",
		"at 00:00:00.037 restart b from backup 00:00:00.020",
		"at 00:00:00.041 cut c for 7ms",
	},
}

// Two replicas in one region, which answers when both have.
var twoRegions = topology{
	regions: []string{"ab", "c"},
	of:      []int{0, 0, 1},
	steps: []string{
		"at 00:00:00.010 cut ab for 20ms",
		"at 00:00:00.022 stop b for 12ms",
		"at 00:00:00.025 skew ab +5ms",
		"at 00:00:00.027 restart a from backup 00:00:00.012",
		"at 00:00:00.029 table other in b",
		"at 00:00:00.037 restart ab from backup 00:00:00.020",
		"at 00:00:00.041 cut c > ab for 7ms",
	},
}

func (t *topology) names() []string { return []string{"a", "b", "c"} }

// at returns the replicas that a name stands for.
func (t *topology) at(name string) (list []int) {
	for i, n := range t.names() {
		if n == name || t.regions[t.of[i]] == name || name == "" {
			list = append(list, i)
		}
	}
	return list
}

func (t *topology) script(steps []string, reads, writes string) string {
	var b strings.Builder
	if len(t.regions) == 3 {
		b.WriteString("region a = a\nregion b = b\nregion c = c\nlink a b 4ms\nlink a c 6ms\nlink b c 8ms\n")
	} else {
		b.WriteString("region ab = a b apart 2ms\nregion c = c\nlink ab c 6ms\n")
	}
	fmt.Fprintf(&b, "stuck after 15ms\ntimeout after 25ms\nclass critical = ref/* cnt/* x reads %s writes %s\nclass rest = * reads local writes local\n%s\nat 00:00:00.090 heal\n",
		reads, writes, strings.Join(steps, "\n"))
	if strings.Contains(b.String(), "table") {
		b.WriteString("at 00:00:00.092 table other\n")
	}
	return b.String()
}

const oracleTicks = 260

type message struct {
	play, from, to int
	arrives        int
}

// inquiry is a read or a write that asks other replicas.
type inquiry struct {
	play, read, from, life, began, need int
	owed                                []int // writes that were acknowledged before a read began
	have                                map[int]bool
	giving, done                        bool
	know                                map[int]bool // writes that those have who have answered
	only                                int          // who must answer, of a read; -1 is no one in particular
	last                                int          // the write that the session of a read had read when it began; -1 for none
	short                               bool         // the replica of a read lacked something that was acknowledged
}

type oracleCall struct {
	q            *inquiry
	from, to     int
	sent, at     int
	back, giving bool
	know         map[int]bool
}

type oracle struct {
	topology
	w        *world // for what it reads alone: script, history, contexts
	n        int
	has      []map[int]int // of each replica, the tick at which it got a write
	made     map[int]int
	answered map[int]int
	status   map[int]string
	home     map[int]int
	seen     map[int]map[int]bool
	skewed   map[int]int
	waited   map[int]int
	msgs     [][]message // by link
	latest   []int
	wasDown  []bool
	fell     [][]int // of each link, when it went down
	skew     []int
	table    []string
	life     []int
	stopped  []bool
	down     []bool
	delay    []int
	frozen   bool
	tick     int
	backups  map[[2]int]map[int]int // of each replica and tick
	calls    []oracleCall
	open     []*inquiry // of this and earlier ticks
	turns    map[[2]int][]int
	stale    int // reads answered without a write that was acknowledged before
	told     int // those of them, all of which want a strong read, that would have shown something else with it
	unread   int
	short    int            // reads that were shown what their own replica would have kept from them
	behind   int            // reads that showed less than their session had seen
	reads    map[int]int    // of each write, how many showed it
	sessions map[string]int // the write that a session saw last on a key
	hidden   int
	stuckIn  map[int]bool // those that are
	stucks   int          // that were
	again    map[int]int  // the tick at which a restart took a write away somewhere
	splits   map[int32]*oracleSplit
	over     []*oracleSplit
	losses   map[string]*oracleLoss // by replica and kind
	lost     []*oracleLoss
	unknown  int
	oldest   int
	longest  int
	orphans  map[int]bool
	numbers  map[int]int // in which order writes were made
	stuckAt  map[int]int
	t        *testing.T
}

// oracleSplit is a key that two sides wrote while they did not reach each other.
type oracleSplit struct {
	key             int32
	a, b            int
	from, shown, to int
	left            map[int]bool
	writes          int
}

// oracleLoss is a time without a quorum.
type oracleLoss struct {
	region, of      string
	from, shown, to int
	refused         int
}

func newOracle(w *world, t topology) *oracle {
	o := &oracle{topology: t, w: w, n: 3, made: map[int]int{}, answered: map[int]int{}, status: map[int]string{}, home: map[int]int{},
		seen: map[int]map[int]bool{}, skewed: map[int]int{}, waited: map[int]int{}, msgs: make([][]message, 9), latest: make([]int, 9),
		wasDown: make([]bool, 9), fell: make([][]int, 9), skew: make([]int, 3), table: make([]string, 3), life: make([]int, 3),
		stopped: make([]bool, 3), turns: map[[2]int][]int{}, orphans: map[int]bool{}, backups: map[[2]int]map[int]int{},
		reads: map[int]int{}, sessions: map[string]int{}, stuckIn: map[int]bool{}, again: map[int]int{}, splits: map[int32]*oracleSplit{},
		losses: map[string]*oracleLoss{}, numbers: map[int]int{}, stuckAt: map[int]int{}}
	for range 3 {
		o.has = append(o.has, map[int]int{})
	}
	return o
}

// span is when a step is in force.
func span(a *Action, from int, heals []int) (int, int) {
	to := oracleTicks + 1000
	if a.For > 0 {
		to = from + int(a.For/time.Millisecond)
	}
	for _, h := range heals {
		if a.Kind == Cut && h > from {
			to = min(to, h)
		}
	}
	return from, to
}

func ticksOf(w When) int { return int(w.Clock / time.Millisecond) }

func (o *oracle) run() {
	s := o.w.script
	var heals []int
	restarts := map[string]int{}
	for _, st := range s.Steps {
		switch st.Do.Kind {
		case Heal:
			heals = append(heals, ticksOf(st.At))
		case Restart:
			restarts[st.Do.A] = ticksOf(st.At)
		}
	}
	for tick := range oracleTicks {
		o.tick = tick
		for r := range o.n {
			o.backups[[2]int{r, tick}] = maps.Clone(o.has[r])
		}
		stopped := make([]bool, o.n)
		down, delay := make([]bool, o.n*o.n), make([]int, o.n*o.n)
		o.frozen = false
		for from := range o.n {
			for to := range o.n {
				switch {
				case from == to:
				case o.of[from] == o.of[to]:
					delay[from*o.n+to] = 2
				default:
					delay[from*o.n+to] = int(s.Links[s.link(o.regions[o.of[from]], o.regions[o.of[to]])].Delay / time.Millisecond)
				}
			}
		}
		for i := range s.Steps {
			a := &s.Steps[i].Do
			at := ticksOf(s.Steps[i].At)
			from, to := span(a, at, heals)
			if a.Kind == Stop && restarts[a.A] > from {
				to = min(to, restarts[a.A])
			}
			on := tick >= from && tick < to
			line := Link{From: a.A, To: a.B, Both: !a.OneWay}
			for f := range o.n {
				for t := range o.n {
					if o.of[f] == o.of[t] || !on || (a.Kind != Cut && a.Kind != Change) || !line.matches(o.regions[o.of[f]], o.regions[o.of[t]]) {
						continue
					}
					if a.Kind == Cut {
						down[f*o.n+t] = true
					} else {
						delay[f*o.n+t] = int(a.Link.Delay / time.Millisecond)
					}
				}
			}
			switch {
			case a.Kind == Stop && on:
				for _, r := range o.at(a.A) {
					stopped[r] = true
				}
			case a.Kind == Freeze && on:
				o.frozen = true
			case a.Kind == Skew && tick == at:
				for _, r := range o.at(a.A) {
					o.skew[r] += int(a.By / time.Millisecond)
				}
			case a.Kind == Switch && tick == at:
				for _, r := range o.at(a.B) {
					o.table[r] = a.A
				}
			case a.Kind == Restart && tick == at:
				// At this moment the links are still as a stop has left them.
				wasStopped := slices.Clone(stopped)
				for j := range s.Steps {
					b := &s.Steps[j].Do
					if f, t := span(b, ticksOf(s.Steps[j].At), nil); b.Kind == Stop && b.A == a.A && tick > f && tick < t {
						for _, r := range o.at(a.A) {
							wasStopped[r] = true
						}
					}
				}
				o.down, o.delay = slices.Clone(down), delay
				for l := range down {
					if f, t := l/o.n, l%o.n; f != t && (wasStopped[f] || wasStopped[t] || o.table[f] != o.table[t]) {
						o.down[l] = true
					}
				}
				o.restart(o.at(a.A), ticksOf(a.Backup))
			}
		}
		for r := range o.n {
			if stopped[r] && !o.stopped[r] {
				o.life[r]++
			}
		}
		o.stopped, o.down, o.delay = stopped, down, delay
		for l := range down {
			f, t := l/o.n, l%o.n
			if f == t {
				continue
			}
			down[l] = down[l] || stopped[f] || stopped[t] || o.table[f] != o.table[t]
			if o.wasDown[l] && !down[l] { // up: all is sent again
				o.latest[l] = tick
				for i := range o.msgs[l] {
					o.msgs[l][i].arrives = tick + delay[l]
					o.latest[l] = tick + delay[l]
				}
			}
			if !o.wasDown[l] && down[l] {
				o.fell[l] = append(o.fell[l], tick)
			}
			o.wasDown[l] = down[l]
		}
		o.quorums()
		for l := range o.msgs {
			if down[l] {
				continue
			}
			var left, due []message
			for _, m := range o.msgs[l] {
				if m.arrives <= tick {
					due = append(due, m)
				} else {
					left = append(left, m)
				}
			}
			o.msgs[l] = left
			for _, m := range due {
				if _, known := o.has[m.to][m.play]; !known && o.status[m.play] == "accepted" {
					o.has[m.to][m.play] = tick
					o.met(m.play)
					for _, q := range o.open {
						if q.giving && !q.done && q.play == m.play && q.from != m.to {
							o.call(oracleCall{q: q, from: m.to, to: q.from, back: true, giving: true})
						}
					}
				}
				if o.orphans[m.play] {
					delete(o.orphans, m.play)
					o.spread([]int{m.play})
				}
			}
		}
		for i := 0; i < len(o.calls); i++ {
			if c := o.calls[i]; c.at == tick {
				o.arrive(&c)
			}
		}
		// What comes in the last moment is in time.
		for i := 0; i < len(o.open); i++ {
			if q := o.open[i]; !q.done && tick == q.began+int(s.Timeout/time.Millisecond) {
				o.giveUp(q)
			}
		}
		for i := range o.w.t.timed {
			if o.tickOf(o.w.t.writes[i].at) == tick {
				o.write(int(i))
			}
		}
		for i := range o.w.t.reads {
			if rd := &o.w.t.reads[i]; o.tickOf(rd.at) == tick {
				o.read(i, rd)
			}
		}
		o.overdue()
	}
}

// everywhere reports whether every replica has a write.
func (o *oracle) everywhere(play int) bool {
	for r := range o.n {
		if _, has := o.has[r][play]; !has {
			return false
		}
	}
	return true
}

// met looks at a write that has got to one more replica.
func (o *oracle) met(play int) {
	if s := o.splits[o.w.t.writes[play].key]; s != nil && s.shown == 0 && s.left[play] {
		for r := range o.n {
			_, a := o.has[r][s.a]
			_, b := o.has[r][s.b]
			if a && b {
				s.shown = o.tick
			}
		}
	}
	if o.everywhere(play) {
		delete(o.again, play)
		o.done(play)
	}
}

// done is of a write that is everywhere, or gone.
func (o *oracle) done(play int) {
	delete(o.stuckIn, play)
	key := o.w.t.writes[play].key
	if s := o.splits[key]; s != nil && s.left[play] {
		if delete(s.left, play); len(s.left) == 0 {
			s.to = o.tick
			o.over = append(o.over, s)
			delete(o.splits, key)
		}
	}
}

// overdue looks for writes that some replica has lacked too long, at the end of the last tick in which it may.
func (o *oracle) overdue() {
	bound := int(o.w.script.Stuck / time.Millisecond)
	for play, made := range o.made {
		since, again := o.again[play]
		if again && since+bound == o.tick {
			delete(o.again, play)
		} else if again || made+bound != o.tick {
			continue
		}
		if o.status[play] != "accepted" || o.everywhere(play) || o.stuckIn[play] {
			continue
		}
		o.stucks++
		o.stuckIn[play], o.stuckAt[play] = true, o.tick
	}
	for _, s := range o.splits {
		for a := range s.left {
			for b := range s.left {
				if o.stuckIn[a] && o.stuckIn[b] && s.shown == 0 && !o.reaches(o.home[a])[o.home[b]] && o.justStuck(a, b) {
					s.shown = o.tick
				}
			}
		}
	}
}

// justStuck reports whether one of two writes has become stuck in this tick.
func (o *oracle) justStuck(a, b int) bool { return o.stuckAt[a] == o.tick || o.stuckAt[b] == o.tick }

// quorums looks which replicas find no quorum.
func (o *oracle) quorums() {
	class := &o.w.script.Classes[0]
	for r := range o.n {
		for of, level := range map[string]Level{"reads": class.Reads, "writes": class.Writes} {
			if level.Kind != Some {
				continue
			}
			id := o.names()[r] + of
			loss, lost := o.losses[id], !o.stopped[r] && o.majorities(o.reaches(r)) < level.Regions
			switch {
			case lost && loss == nil:
				name := o.names()[r]
				if len(o.at(o.regions[o.of[r]])) == 1 {
					name = o.regions[o.of[r]]
				}
				o.losses[id] = &oracleLoss{region: name, of: of, from: o.tick}
				o.lost = append(o.lost, o.losses[id])
			case !lost && loss != nil:
				loss.to = o.tick
				delete(o.losses, id)
			}
		}
	}
}

// denied takes note of what was refused, perhaps for want of a quorum.
func (o *oracle) denied(r int, of string) {
	if loss := o.losses[o.names()[r]+of]; loss != nil {
		if loss.refused++; loss.refused == 1 {
			loss.shown = o.tick
		}
	}
}

// splitBrain looks whether another side has written the key of a write of now, whose writer was told what others have, if it asked.
func (o *oracle) splitBrain(i, r int, told map[int]bool) {
	key := o.w.t.writes[i].key
	s := o.splits[key]
	join := func(play int) {
		if !s.left[play] {
			s.left[play] = true
			s.writes++
		}
	}
	if s != nil {
		join(i)
	}
	var others []int
	for j, made := range o.made {
		if _, has := o.has[r][j]; j != i && o.w.t.writes[j].key == key && o.status[j] == "accepted" && !o.everywhere(j) && !has && !told[j] && !o.reaches(r)[o.home[j]] && made <= o.tick {
			others = append(others, j)
		}
	}
	slices.SortFunc(others, func(a, b int) int { return cmp.Or(o.made[a]-o.made[b], o.numbers[a]-o.numbers[b]) })
	for _, j := range others {
		if s == nil {
			s = &oracleSplit{key: key, a: j, b: i, from: o.tick, left: map[int]bool{}}
			o.splits[key] = s
			join(i)
		}
		join(j)
	}
}

func (o *oracle) tickOf(at int64) int {
	return int((at - at/int64(24*time.Hour)*int64(24*time.Hour)) / 1e6)
}

func (o *oracle) send(play, from, to int) {
	l := from*o.n + to
	m := message{play: play, from: from, to: to, arrives: max(o.tick+o.delay[l], o.latest[l])}
	if !o.down[l] {
		o.latest[l] = m.arrives
	}
	o.msgs[l] = append(o.msgs[l], m)
}

func (o *oracle) restart(replicas []int, backup int) {
	var gone []int
	for _, r := range replicas {
		o.life[r]++
		had := o.backups[[2]int{r, backup}]
		for play := range o.has[r] {
			if _, saved := had[play]; !saved {
				gone = append(gone, play)
			}
		}
		o.has[r] = maps.Clone(had)
		for play := range had {
			if o.status[play] == "vanished" {
				o.status[play] = "accepted"
				gone = append(gone, play)
			}
		}
		for l := range o.msgs {
			if l/o.n == r && o.down[l] {
				o.msgs[l] = slices.DeleteFunc(o.msgs[l], func(m message) bool {
					_, has := o.has[r][m.play]
					if !has {
						gone = append(gone, m.play)
					}
					return !has
				})
			}
		}
	}
	slices.Sort(gone)
	gone = slices.Compact(gone)
	o.spread(gone)
	for _, play := range gone {
		if _, known := o.again[play]; !known && o.status[play] == "accepted" && !o.everywhere(play) {
			o.again[play] = o.tick
		}
	}
}

func (o *oracle) spread(list []int) {
	for _, play := range list {
		holder := -1
		for r := range o.n {
			if _, has := o.has[r][play]; has && holder < 0 {
				holder = r
			}
		}
		to := make([]bool, o.n)
		some := false
		for _, msgs := range o.msgs {
			for _, m := range msgs {
				if m.play == play {
					to[m.to], some = true, true
				}
			}
		}
		if holder < 0 {
			if some {
				o.orphans[play] = true
			} else {
				o.status[play] = "vanished"
				o.done(play)
				delete(o.orphans, play)
			}
			continue
		}
		for r := range o.n {
			if _, has := o.has[r][play]; !has && !to[r] {
				from := holder
				for q := o.n - 1; q >= 0; q-- {
					if _, has := o.has[q][play]; has && !o.down[q*o.n+r] {
						from = q
					}
				}
				o.send(play, from, r)
			}
		}
	}
}

// class returns the class of a key.
func (o *oracle) class(key int32) *Class {
	return &o.w.script.Classes[o.w.script.classOf(o.w.t.keys[key])]
}

// majorities counts the regions of which most replicas are in a set.
func (o *oracle) majorities(set map[int]bool) int {
	n := 0
	for g := range o.regions {
		in, of := 0, 0
		for r := range o.n {
			if o.of[r] == g {
				of++
				if set[r] {
					in++
				}
			}
		}
		if 2*in > of {
			n++
		}
	}
	return n
}

// reaches returns the replicas that one reaches, both ways.
func (o *oracle) reaches(r int) map[int]bool {
	set := map[int]bool{r: true}
	for p := range o.n {
		if p != r && !o.stopped[p] && !o.down[r*o.n+p] && !o.down[p*o.n+r] {
			set[p] = true
		}
	}
	return set
}

func (o *oracle) call(c oracleCall) {
	if l := c.from*o.n + c.to; !o.down[l] {
		c.sent, c.at = o.tick, o.tick+o.delay[l]
		o.calls = append(o.calls, c)
	}
}

// arrive takes a question or an answer, unless its link fell after it was sent.
func (o *oracle) arrive(c *oracleCall) {
	q := c.q
	for _, at := range o.fell[c.from*o.n+c.to] {
		if at > c.sent && at <= o.tick {
			return
		}
	}
	switch {
	case q.done:
	case !c.back:
		know := map[int]bool{}
		for play := range o.has[c.to] {
			know[play] = true
		}
		if q.only >= 0 {
			q.owed = o.owed(o.w.t.reads[q.read].key, q.began)
		}
		o.call(oracleCall{q: q, from: c.to, to: c.from, back: true, know: know})
	case o.life[q.from] != q.life || c.giving != q.giving:
	default:
		q.have[c.from] = true
		for play := range c.know {
			q.know[play] = true
		}
		if q.only >= 0 || o.majorities(q.have) >= q.need {
			o.enough(q)
		}
	}
}

// ask begins an inquiry.
func (o *oracle) ask(q *inquiry) {
	q.life, q.began, q.have, q.know = o.life[q.from], o.tick, map[int]bool{q.from: true}, map[int]bool{}
	for play := range o.has[q.from] {
		q.know[play] = q.read >= 0 && q.only < 0 // a write looks at what its replica has when it is made
	}
	for p := range o.n {
		if p != q.from && (q.only < 0 || p == q.only) {
			o.call(oracleCall{q: q, from: q.from, to: p})
		}
	}
	o.open = append(o.open, q)
}

// enough goes on with an inquiry that has been answered.
func (o *oracle) enough(q *inquiry) {
	switch {
	case q.read >= 0:
		q.done = true
		o.shown(q, q.owed, q.know)
	case q.giving:
		q.done = true
		o.answered[q.play] = o.tick
		o.longest = max(o.longest, o.tick-o.due(q.play))
	case o.frozen && o.class(o.w.t.writes[q.play].key).Name == "critical":
		q.done = true
		o.status[q.play] = "refused"
		o.next(q)
	default:
		q.giving, q.have = true, map[int]bool{q.from: true}
		o.make(q.play, q.from, q.know)
		o.next(q)
	}
}

func (o *oracle) giveUp(q *inquiry) {
	q.done = true
	switch {
	case q.read >= 0:
		o.unread++
		if o.level(q.read).Kind == Some {
			o.denied(q.from, "reads")
		}
	case q.giving:
		o.unknown++
	default:
		o.status[q.play] = "refused"
		if o.life[q.from] != q.life {
			o.status[q.play] = "unavailable"
		} else {
			o.denied(q.from, "writes")
		}
		o.next(q)
	}
}

func (o *oracle) turn(play int) [2]int {
	b := &o.w.t.writes[play]
	return [2]int{int(b.node), int(b.key)}
}

// next lets the next write of a node to a key begin.
func (o *oracle) next(q *inquiry) {
	at := o.turn(q.play)
	list := o.turns[at]
	delete(o.turns, at)
	for len(list) > 0 {
		i := list[0]
		list = list[1:]
		o.write(i)
		if _, busy := o.turns[at]; busy {
			o.turns[at] = list
			return
		}
	}
}

func (o *oracle) due(play int) int { return o.tickOf(o.w.t.writes[play].at) }

func (o *oracle) write(i int) {
	b := &o.w.t.writes[i]
	r := int(o.w.t.nodes[b.node][0] - 'a')
	class := o.class(b.key)
	asks := class.Writes.Kind == Some
	list, busy := o.turns[o.turn(i)]
	switch {
	case o.stopped[r]:
		o.status[i] = "unavailable"
	case asks && busy:
		o.turns[o.turn(i)] = append(list, i)
	case o.frozen && class.Name == "critical":
		o.status[i] = "refused"
	case asks && o.majorities(o.reaches(r)) < class.Writes.Regions:
		o.status[i] = "refused"
		o.denied(r, "writes")
	case asks:
		o.turns[o.turn(i)] = nil
		o.ask(&inquiry{play: i, read: -1, only: -1, from: r, need: class.Writes.Regions})
	default:
		o.make(i, r, nil)
		o.answered[i] = o.tick
		o.longest = max(o.longest, o.tick-o.due(i))
	}
}

// make makes a write, whose writer was told what others have, if it asked.
func (o *oracle) make(i, r int, told map[int]bool) {
	b := &o.w.t.writes[i]
	o.seen[i] = map[int]bool{}
	o.numbers[i] = len(o.numbers)
	low, high := o.w.t.past(b)
	for local, n := range low {
		other := int(n - 1)
		if n == 0 || int32(local) == b.local {
			continue
		}
		if _, has := o.has[r][other]; !has && !told[other] {
			o.hidden++
			break
		}
	}
	for j := range o.w.t.writes {
		other := &o.w.t.writes[j]
		if other.key != b.key || j == i {
			continue
		}
		_, has := o.has[r][j]
		if told != nil && (has || told[j]) || told == nil && has && (high == nil || other.seq <= high[other.local]) {
			o.seen[i][j] = true
		}
	}
	o.status[i], o.home[i], o.made[i], o.skewed[i], o.waited[i] = "accepted", r, o.tick, o.skew[r], o.tick-o.due(i)
	if o.class(b.key).Critical {
		o.splitBrain(i, r, told)
	}
	for q := range o.n {
		if q == r {
			o.has[q][i] = o.tick
		} else {
			o.send(i, r, q)
		}
	}
}

// level returns at which level a read is.
func (o *oracle) level(read int) Level {
	return o.w.script.Classes[o.w.script.classOf(o.w.t.reads[read].name)].Reads
}

func (o *oracle) read(n int, rd *read) {
	r := int(o.w.t.nodes[rd.node][0] - 'a')
	level := o.level(n)
	owed := o.owed(rd.key, o.tick)
	q := &inquiry{read: n, from: r, need: level.Regions, owed: owed, only: -1, began: o.tick, last: -1}
	if last, known := o.sessions[rd.session+rd.name]; known {
		q.last = last
	}
	switch {
	case o.stopped[r]:
		o.unread++
		return
	case level.Kind == Some && o.majorities(o.reaches(r)) < level.Regions:
		o.unread++
		o.denied(r, "reads")
		return
	case level.Kind == Some:
		q.short = slices.ContainsFunc(owed, func(i int) bool { _, has := o.has[r][i]; return !has })
		o.ask(q)
		return
	}
	fresh := func(p int) bool {
		switch level.Kind {
		case Bounded:
			for _, i := range owed {
				if _, has := o.has[p][i]; !has && o.tick-o.answered[i] > int(level.Bound/time.Millisecond) {
					return false
				}
			}
		case Session:
			if last, known := o.sessions[rd.session+rd.name]; known && rd.session != "" && o.status[last] == "accepted" {
				_, has := o.has[p][last]
				return has
			}
		}
		return true
	}
	if fresh(r) {
		know := map[int]bool{}
		for play := range o.has[r] {
			know[play] = true
		}
		q.have = map[int]bool{r: true}
		o.shown(q, owed, know)
		return
	}
	for p := range o.n {
		if p == r || !o.reaches(r)[p] || !fresh(p) {
			continue
		}
		if q.only < 0 || o.delay[r*o.n+p]+o.delay[p*o.n+r] < o.delay[r*o.n+q.only]+o.delay[q.only*o.n+r] {
			q.only = p
		}
	}
	if q.only < 0 {
		o.unread++
		return
	}
	o.ask(q)
}

// owed returns the writes to a key that were acknowledged by a tick.
func (o *oracle) owed(key int32, by int) (owed []int) {
	for i, at := range o.answered {
		if o.status[i] == "accepted" && o.w.t.writes[i].key == key && at <= by {
			owed = append(owed, i)
		}
	}
	return owed
}

// shown holds what a read was shown against what was acknowledged before it began, and takes note of the write that it saw.
func (o *oracle) shown(q *inquiry, owed []int, know map[int]bool) {
	oldest := -1
	for _, i := range owed {
		if !know[i] && (oldest < 0 || o.answered[i] < oldest) {
			oldest = o.answered[i]
		}
	}
	if q.only >= 0 || q.short && oldest < 0 {
		o.short++
	}
	if oldest >= 0 {
		o.stale++
		o.oldest = max(o.oldest, q.began-oldest)
	}
	rd := &o.w.t.reads[q.read]
	if rd.key < 0 {
		return
	}
	from := q.from
	if q.only >= 0 {
		from = q.only
	}
	table := oracleTables[0]
	if o.table[from] != "" {
		table = oracleTables[1]
	}
	var plays []int
	for i := range know {
		if know[i] && o.w.t.writes[i].key == rd.key && o.status[i] != "" {
			plays = append(plays, i)
		}
	}
	slices.Sort(plays)
	o.judge(q, table, owed, plays)
	latest := -1
	for _, c := range o.fold(o.t, table, plays).Cells() {
		if kept, ok := c.Write(); ok {
			for _, i := range plays {
				if o.w.t.op(int32(i)).Dot == kept.Dot {
					latest = i
				}
			}
		}
	}
	if latest < 0 {
		return
	}
	o.reads[latest]++
	if rd.session == "" {
		return
	}
	id := rd.session + rd.name
	if last, known := o.sessions[id]; known && o.status[last] == "accepted" {
		has := false
		for p := range q.have {
			if _, here := o.has[p][last]; here && (q.only < 0 || p == q.only) {
				has = true
			}
		}
		if !has {
			o.behind++
			return
		}
	}
	o.sessions[id] = latest
}

// judge tells of a read that would have shown something else with what was acknowledged before it began, or with what its
// session had read.
func (o *oracle) judge(q *inquiry, table *merge.Table, owed, plays []int) {
	if q.last >= 0 && o.status[q.last] == "accepted" {
		owed = append(slices.Clone(owed), q.last)
	}
	sight := func(plays []int) (text string) {
		for _, c := range o.fold(o.t, table, plays).Cells() {
			if shown := c.Value(); !shown.IsAbsent() {
				text += fmt.Sprint(c.Name, shown)
				if kept, one := c.Write(); one {
					text += kept.Dot.String()
				}
			}
		}
		return text
	}
	for _, i := range owed {
		if !slices.Contains(plays, i) && sight(append(slices.Clone(plays), i)) != sight(plays) {
			o.told++
			return
		}
	}
}

// op returns the operation that the oracle says a write is.
func (o *oracle) op(i int) merge.Op {
	op := o.w.t.op(int32(i))
	op.Stamp.Time.Wall += int64(o.skewed[i]+o.waited[i]) * 1e6
	op.Seen = clock.Vector{}
	for j := range o.seen[i] {
		op.Seen.Add(o.w.t.op(int32(j)).Dot)
	}
	return op
}

// fold applies writes to a service's state, in an order of its own.
func (o *oracle) fold(t *testing.T, table *merge.Table, plays []int) *merge.State {
	state := merge.NewState(table)
	for _, i := range slices.Backward(plays) {
		_, err := state.Apply(o.op(i))
		require.NoError(t, err)
	}
	return state
}

// losing finds what is lost: pair by pair.
func (o *oracle) losing(table *merge.Table, state *merge.State, plays []int) (lost []int) {
	cells := map[string]merge.NamedCell{}
	for key, c := range state.Cells() {
		cells[key+"\x00"+c.Name] = c
	}
	type one struct {
		play  int
		claim merge.Claim
	}
	var all []one
	ops := make([]merge.Op, len(plays))
	for n, i := range plays {
		ops[n] = o.op(i)
		for _, c := range table.Claims(&ops[n], nil) {
			all = append(all, one{i, c})
		}
	}
	for _, x := range all {
		if _, promised := o.answered[x.play]; !promised {
			continue
		}
		cell := cells[x.claim.Op.Key+"\x00"+x.claim.Cell]
		v := cell.Judge(&x.claim)
		if v.Outcome != merge.Lost || x.claim.Kind == merge.Set && x.claim.Value == cell.Value() {
			continue
		}
		replaced := false
		for _, y := range all {
			if y.play == x.play || y.claim.Op.Key != x.claim.Op.Key || y.claim.Cell != x.claim.Cell {
				continue
			}
			single := x.claim.Kind == merge.Insert || x.claim.Kind == merge.Remove
			if single && y.claim.Value != x.claim.Value {
				continue
			}
			replaced = replaced || o.seen[y.play][x.play]
		}
		if !replaced {
			lost = append(lost, x.play)
		}
	}
	return lost
}

// oracleHistory makes a history of a few writes and reads.
func oracleHistory(r *rand.Rand, writes int) string {
	var b strings.Builder
	keys := []string{"x", "ref/1", "cnt/1", "set/1", "any/1"}
	seqs := map[string]int{}
	day := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	for i := range writes {
		node := string(rune('a' + r.IntN(3)))
		seqs[node]++
		at := day.Add(time.Duration(5+i*50/writes) * time.Millisecond).UnixNano()
		key := keys[r.IntN(len(keys))]
		op, value := "set", fmt.Sprint(r.IntN(4))
		switch key[0] {
		case 'c':
			op = "add"
		case 's':
			op = []string{"insert", "remove"}[r.IntN(2)]
			value = fmt.Sprint(r.IntN(2))
		}
		seen := ""
		if r.IntN(3) == 0 {
			var up []string
			for _, n := range []string{"a", "b", "c"} {
				if n != node && seqs[n] > 0 {
					up = append(up, fmt.Sprintf("%q:%d", n, 1+r.IntN(seqs[n])))
				}
			}
			seen = `,"seen":{` + strings.Join(up, ",") + "}"
		}
		fmt.Fprintf(&b, `{"key":%q,"field":"f","op":%q,"value":%s,"node":%q,"time":%d,"id":"%s:%d"%s}`+"\n", key, op, value, node, at, node, seqs[node], seen)
		if r.IntN(2) == 0 {
			fmt.Fprintf(&b, `{"key":%q,"op":"read","served_by":%q,"time":%d,"want":"strong","session":"s%d"}`+"\n", keys[r.IntN(len(keys))], string(rune('a'+r.IntN(3))), at+int64(time.Millisecond)*int64(r.IntN(9)),
				r.IntN(2))
		}
	}
	return b.String()
}

func trafficOf(t testing.TB, text string) *Traffic {
	tr, err := Collect([]history.Source{history.Reader("h", strings.NewReader(text))}, history.Options{})
	require.NoError(t, err)
	return tr
}

func checkAgainstOracle(t *testing.T, top topology, script, text string) *Result {
	s, err := ParseScript("s", []byte(script))
	require.NoError(t, err)
	table, other := oracleTables[0], oracleTables[1]
	tr := trafficOf(t, text)
	w, err := newWorld(s, table, tr, &Options{Tables: map[string]*merge.Table{"other": other}})
	require.NoError(t, err)
	w.run()
	res := w.result(table, nil)

	o := newOracle(w, top)
	o.t = t
	o.run()

	about := func() string { return "script:\n" + script + "history:\n" + text }
	names := map[status]string{isAccepted: "accepted", isRefused: "refused", isUnavailable: "unavailable", isVanished: "vanished"}
	var plays []int
	for i := range tr.writes {
		require.Equal(t, o.status[i], names[w.plays[i].status], "write %d\n%s", i, about())
		if o.status[i] != "accepted" {
			continue
		}
		plays = append(plays, i)
		for r := range 3 {
			_, has := o.has[r][i]
			require.Equal(t, has, w.plays[i].has&(1<<r) != 0, "write %d at replica %d\n%s", i, r, about())
		}
		require.EqualValues(t, o.answered[i], o.tickOf(w.answeredAt(int32(i))), "the answer to write %d\n%s", i, about())
		want := o.op(i)
		require.True(t, !w.watch[tr.writes[i].key].dotted || want.Seen.Equal(w.op(int32(i)).Seen),
			"write %d had seen %s, not %s\n%s", i, want.Seen, w.op(int32(i)).Seen, about())
	}
	if o.table[0] != "" {
		table = other
	}
	state := o.fold(t, table, plays)
	for key, c := range state.Cells() {
		for r := range w.replicas {
			found := false
			for i := range w.view.cells {
				if tr.keys[w.view.cells[i].key] == key && w.view.cells[i].name == c.Name {
					got := w.view.cell(int32(i), r)
					found = got.Rule() != nil && c.Equal(got)
				}
			}
			require.True(t, found, "%s %s at replica %d is not the plain fold\n%s", key, c.Name, r, about())
		}
	}
	require.True(t, res.Converged, about())
	require.False(t, res.Mixed, about())
	require.Zero(t, res.Apart, about())
	lost := o.losing(table, state, plays)
	require.EqualValues(t, len(lost), res.Totals[Lost]-res.Totals[Vanished], about())
	require.EqualValues(t, o.stale, res.Totals[Stale], about())
	told, _ := res.Count(string(finding.StaleRead))
	require.EqualValues(t, o.told, told, "stale reads that show\n%s", about())
	require.EqualValues(t, o.unread, res.Totals[Unread], about())
	require.EqualValues(t, o.unknown, res.Totals[Unknown], about())
	require.EqualValues(t, int64(o.oldest)*1e6, res.Totals[Age], about())
	require.EqualValues(t, int64(o.longest)*1e6, res.Totals[Latency], about())
	for i, status := range o.status {
		if _, promised := o.answered[i]; status == "vanished" && promised {
			lost = append(lost, i)
		}
	}
	doomed, short, behind := int64(0), int64(0), int64(0)
	for _, i := range lost {
		doomed += int64(o.reads[i])
	}
	for _, c := range res.Classes {
		doomed, short, behind = doomed-c.Doomed, short+c.PreventedReads, behind+c.Regressed
	}
	require.Zero(t, doomed, "reads of lost writes\n%s", about())
	require.EqualValues(t, o.short, short, "reads that were shown more than their own replica has\n%s", about())
	require.EqualValues(t, o.behind, behind, about())
	require.EqualValues(t, o.hidden, res.Totals[Hidden], about())
	require.EqualValues(t, o.stucks, res.Totals[Stuck], about())
	o.checkWindows(t, res, about())
	return res
}

// checkWindows holds when splits and losses of quorums began, were shown and were over against the drill. What lasted less
// than a tick the oracle has not seen.
func (o *oracle) checkWindows(t *testing.T, res *Result, about string) {
	var want, got []string
	for _, s := range o.splits {
		o.over = append(o.over, s)
	}
	for _, s := range o.over {
		want = append(want, fmt.Sprint(o.w.t.keys[s.key], s.from, s.shown, s.to, s.writes))
	}
	for _, l := range o.lost {
		want = append(want, fmt.Sprint(l.region, l.of, l.from, l.shown, l.to, l.refused))
	}
	tick := func(m Moment) int {
		if m == 0 {
			return 0
		}
		return o.tickOf(int64(m))
	}
	for _, s := range res.SplitBrain {
		got = append(got, fmt.Sprint(s.Key, tick(s.From), tick(s.Shown), tick(s.To), s.Writes))
	}
	for _, l := range res.Quorums {
		if tick(l.From) != tick(l.To) {
			got = append(got, fmt.Sprint(l.Region, l.Of, tick(l.From), tick(l.Shown), tick(l.To), l.Refused))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got, about)
}

var oracleLevels = [][2]string{{"local", "local"}, {"local", "quorum"}, {"quorum", "quorum"}, {"quorum", "local"}, {"session", "local"}, {"session", "quorum"},
	{"bounded 6ms", "local"}, {"bounded 6ms", "quorum"}}

func TestEveryDrillOfUpToFourStepsIsWhatTheSlowModelSays(t *testing.T) {
	histories, perScript := 3, 3
	if testing.Short() {
		histories, perScript = 1, 1
	}
	saw := map[Measure]int64{}
	for _, top := range []topology{threeRegions, twoRegions} {
		for seed := range uint64(histories) {
			text := oracleHistory(rand.New(rand.NewPCG(seed, 1)), 14)
			for mask := range 1 << len(top.steps) {
				var steps []string
				for i, s := range top.steps {
					if mask>>i&1 == 1 {
						steps = append(steps, s)
					}
				}
				if len(steps) > 4 {
					continue
				}
				for n := range perScript { // of three histories, every script meets all levels
					levels := oracleLevels[(mask+3*int(seed)+n)%len(oracleLevels)]
					res := checkAgainstOracle(t, top, top.script(steps, levels[0], levels[1]), text)
					for m, n := range res.Totals {
						saw[m] += n
					}
					for _, c := range res.Classes {
						saw["doomed"] += c.Doomed
						saw["prevented"] += c.PreventedReads
						saw["regressed"] += c.Regressed
					}
					for _, q := range res.Quorums {
						saw["denied "+Measure(q.Of)] += q.Refused
					}
					for _, s := range res.SplitBrain {
						saw["shown because "+Measure(s.By)]++
					}
				}
			}
		}
	}
	for _, m := range []Measure{Unknown, Refused, Unavailable, Lost, Stale, Unread, Vanished, Stuck, SplitKeys, Hidden, "doomed", "prevented",
		"regressed", "denied reads", "denied writes", "shown because a region had both", "shown because both sides had stuck writes"} {
		require.NotZero(t, saw[m], "no drill ever saw %s", m)
	}
}
