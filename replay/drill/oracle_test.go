package drill

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
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

// oracleSteps are steps at times of their own, each the earliest at which it matters.
var oracleSteps = []string{
	"at 00:00:00.010 cut a for 20ms",
	"at 00:00:00.013 cut b > c for 21ms",
	"at 00:00:00.016 skew c +5ms",
	"at 00:00:00.019 link a b 9ms for 25ms",
	"at 00:00:00.022 stop b for 12ms",
	"at 00:00:00.025 freeze critical for 9ms",
	"at 00:00:00.027 restart a from backup 00:00:00.012",
	"at 00:00:00.032 heal",
	"at 00:00:00.037 restart b from backup 00:00:00.020",
	"at 00:00:00.041 cut c for 7ms",
}

const oracleTicks = 200

type message struct {
	play, from, to int
	arrives        int
}

type oracle struct {
	w       *world // for what it reads alone: script, history, contexts
	n       int
	has     []map[int]int // of each region, the tick at which it got a write
	made    map[int]int
	status  map[int]string
	home    map[int]int
	seen    map[int]map[int]bool
	skewed  map[int]int
	msgs    [][]message // by link
	latest  []int
	wasDown []bool
	skew    []int
	stale   int
	oldest  int
	orphans map[int]bool
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
	names := []string{"a", "b", "c"}
	region := func(name string) int { return slices.Index(names, name) }
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
		stopped := make([]bool, o.n)
		down := make([]bool, o.n*o.n)
		delay := make([]int, o.n*o.n)
		frozen := false
		for from := range o.n {
			for to := range o.n {
				if from != to {
					delay[from*o.n+to] = int(s.Links[s.link(names[from], names[to])].Delay / time.Millisecond)
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
					if f == t || !on || (a.Kind != Cut && a.Kind != Change) || !line.matches(names[f], names[t]) {
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
				stopped[region(a.A)] = true
			case a.Kind == Freeze && on:
				frozen = true
			case a.Kind == Skew && tick == at:
				o.skew[region(a.A)] += int(a.By / time.Millisecond)
			case a.Kind == Restart && tick == at:
				// At this moment the links are still as a stop has left them.
				wasStopped := slices.Clone(stopped)
				for j := range s.Steps {
					b := &s.Steps[j].Do
					if f, t := span(b, ticksOf(s.Steps[j].At), nil); b.Kind == Stop && b.A == a.A && tick > f && tick < t {
						wasStopped[region(a.A)] = true
					}
				}
				was := slices.Clone(down)
				for l := range was {
					if l/o.n != l%o.n && (wasStopped[l/o.n] || wasStopped[l%o.n]) {
						was[l] = true
					}
				}
				o.restart(region(a.A), ticksOf(a.Backup), was, delay, tick)
			}
		}
		for l := range down {
			if l/o.n == l%o.n {
				continue
			}
			down[l] = down[l] || stopped[l/o.n] || stopped[l%o.n]
			if o.wasDown[l] && !down[l] { // up: all is sent again
				o.latest[l] = tick
				for i := range o.msgs[l] {
					o.msgs[l][i].arrives = tick + delay[l]
					o.latest[l] = tick + delay[l]
				}
			}
			o.wasDown[l] = down[l]
		}
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
				}
				if o.orphans[m.play] {
					delete(o.orphans, m.play)
					o.spread([]int{m.play}, down, delay, tick)
				}
			}
		}
		for _, i := range o.w.t.inTime {
			if o.tickOf(o.w.t.writes[i].at) == tick {
				o.write(int(i), stopped, frozen, down, delay, tick)
			}
		}
		for i := range o.w.t.reads {
			if rd := &o.w.t.reads[i]; o.tickOf(rd.at) == tick {
				o.read(rd, stopped, tick)
			}
		}
	}
}

func (o *oracle) tickOf(at int64) int {
	return int((at - at/int64(24*time.Hour)*int64(24*time.Hour)) / 1e6)
}

func (o *oracle) send(play, from, to int, down []bool, delay []int, tick int) {
	l := from*o.n + to
	m := message{play: play, from: from, to: to, arrives: max(tick+delay[l], o.latest[l])}
	if !down[l] {
		o.latest[l] = m.arrives
	}
	o.msgs[l] = append(o.msgs[l], m)
}

func (o *oracle) restart(r, backup int, down []bool, delay []int, tick int) {
	var gone []int
	for play, at := range o.has[r] {
		if at >= backup {
			gone = append(gone, play)
			delete(o.has[r], play)
		}
	}
	for l := range o.msgs {
		if l/o.n == r && down[l] {
			o.msgs[l] = slices.DeleteFunc(o.msgs[l], func(m message) bool {
				_, has := o.has[r][m.play]
				if !has {
					gone = append(gone, m.play)
				}
				return !has
			})
		}
	}
	slices.Sort(gone)
	o.spread(slices.Compact(gone), down, delay, tick)
}

func (o *oracle) spread(list []int, down []bool, delay []int, tick int) {
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
				delete(o.orphans, play)
			}
			continue
		}
		for r := range o.n {
			if _, has := o.has[r][play]; !has && !to[r] {
				o.send(play, holder, r, down, delay, tick)
			}
		}
	}
}

func (o *oracle) write(i int, stopped []bool, frozen bool, down []bool, delay []int, tick int) {
	b := &o.w.t.writes[i]
	r := int(o.w.t.nodes[b.node][0] - 'a')
	class := o.w.script.Classes[o.w.script.classOf(o.w.t.keys[b.key])]
	if stopped[r] {
		o.status[i] = "unavailable"
		return
	}
	if frozen && class.Name == "critical" {
		o.status[i] = "refused"
		return
	}
	asked := []int{r}
	if class.Writes.Kind == Some {
		var peers []int
		for p := range o.n {
			if p != r && !stopped[p] && !down[r*o.n+p] && !down[p*o.n+r] {
				peers = append(peers, p)
			}
		}
		slices.SortFunc(peers, func(x, y int) int {
			return delay[r*o.n+x] + delay[x*o.n+r] - delay[r*o.n+y] - delay[y*o.n+r]
		})
		if 1+len(peers) < class.Writes.Regions {
			o.status[i] = "refused"
			return
		}
		asked = append(asked, peers[:class.Writes.Regions-1]...)
	}
	o.seen[i] = map[int]bool{}
	_, high := o.w.t.past(b)
	for j := range o.w.t.writes {
		other := &o.w.t.writes[j]
		if other.key != b.key || j == i {
			continue
		}
		for _, q := range asked {
			if _, has := o.has[q][j]; has && (len(asked) > 1 || high == nil || int32(other.op.Dot.Seq) <= high[other.local]) {
				o.seen[i][j] = true
			}
		}
	}
	o.status[i], o.home[i], o.made[i], o.skewed[i] = "accepted", r, tick, o.skew[r]
	for q := range o.n {
		if slices.Contains(asked, q) {
			o.has[q][i] = tick
		} else {
			o.send(i, r, q, down, delay, tick)
		}
	}
}

func (o *oracle) read(rd *read, stopped []bool, tick int) {
	r := int(o.w.t.nodes[rd.node][0] - 'a')
	if stopped[r] {
		return
	}
	oldest := -1
	for i, at := range o.made {
		if o.status[i] != "accepted" || o.w.t.writes[i].key != rd.key {
			continue
		}
		if _, has := o.has[r][i]; !has && (oldest < 0 || at < oldest) {
			oldest = at
		}
	}
	if oldest >= 0 {
		o.stale++
		o.oldest = max(o.oldest, tick-oldest)
	}
}

// op returns the operation that the oracle says a write is.
func (o *oracle) op(i int) merge.Op {
	op := o.w.t.writes[i].op
	op.Stamp.Time.Wall += int64(o.skewed[i]) * 1e6
	op.Seen = clock.Vector{}
	for j := range o.seen[i] {
		op.Seen.Add(o.w.t.writes[j].op.Dot)
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

// lost counts what is lost: pair by pair.
func (o *oracle) lost(table *merge.Table, state *merge.State, plays []int) int {
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
	lost := 0
	for _, x := range all {
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
			a, b := &o.w.t.writes[x.play], &o.w.t.writes[y.play]
			replaced = replaced || o.seen[y.play][x.play] || a.local == b.local && b.op.Dot.Seq > a.op.Dot.Seq
		}
		if !replaced {
			lost++
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
			fmt.Fprintf(&b, `{"key":%q,"op":"read","served_by":%q,"time":%d,"want":"strong"}`+"\n", keys[r.IntN(len(keys))], string(rune('a'+r.IntN(3))), at+int64(time.Millisecond)*int64(r.IntN(9)))
		}
	}
	return b.String()
}

func trafficOf(t testing.TB, text string) *Traffic {
	tr, err := Collect([]history.Source{history.Reader("h", strings.NewReader(text))}, history.Options{})
	require.NoError(t, err)
	return tr
}

func oracleScript(steps []string, writes string) string {
	return "region a = a\nregion b = b\nregion c = c\nlink a b 4ms\nlink a c 6ms\nlink b c 8ms\nstuck after 15ms\n" +
		"class critical = ref/* cnt/* reads local writes " + writes + "\nclass rest = * reads local writes local\n" +
		strings.Join(steps, "\n") + "\nat 00:00:00.090 heal\n"
}

func checkAgainstOracle(t *testing.T, script, text string) {
	s, err := ParseScript("s", []byte(script))
	require.NoError(t, err)
	table := merge.MustParseTable(oracleTable)
	tr := trafficOf(t, text)
	w, err := newWorld(s, table, tr, &Options{})
	require.NoError(t, err)
	w.run()
	res := w.result(table)

	o := &oracle{w: w, n: 3, made: map[int]int{}, status: map[int]string{}, home: map[int]int{}, seen: map[int]map[int]bool{},
		skewed: map[int]int{}, msgs: make([][]message, 9), latest: make([]int, 9), wasDown: make([]bool,
			9), skew: make([]int, 3), orphans: map[int]bool{}}
	for range 3 {
		o.has = append(o.has, map[int]int{})
	}
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
			require.Equal(t, has, w.plays[i].has&(1<<r) != 0, "write %d at region %d\n%s", i, r, about())
		}
		want := o.op(i)
		require.True(t, !w.dotted[tr.writes[i].key] || want.Seen.Equal(w.ops[i].Seen),
			"write %d had seen %s, not %s\n%s", i, want.Seen, w.ops[i].Seen, about())
	}
	state := o.fold(t, table, plays)
	for key, c := range state.Cells() {
		for r := range w.regions {
			found := false
			for i := range w.cellKey {
				if tr.keys[w.cellKey[i]] == key && w.cellName[i] == c.Name {
					found = w.cell(int32(i), r).Rule() != nil && c.Equal(*w.cell(int32(i), r))
				}
			}
			require.True(t, found, "%s %s at region %d is not the plain fold\n%s", key, c.Name, r, about())
		}
	}
	require.True(t, res.Converged, about())
	require.Zero(t, res.Apart, about())
	require.EqualValues(t, o.lost(table, state, plays), res.Totals[Lost]-res.Totals[Vanished], about())
	require.EqualValues(t, o.stale, res.Totals[Stale], about())
	require.EqualValues(t, int64(o.oldest)*1e6, res.Totals[Age], about())
}

func TestEveryDrillOfUpToFourStepsIsWhatTheSlowModelSays(t *testing.T) {
	histories := 3
	if testing.Short() {
		histories = 1
	}
	for seed := range uint64(histories) {
		text := oracleHistory(rand.New(rand.NewPCG(seed, 1)), 14)
		for mask := range 1 << len(oracleSteps) {
			var steps []string
			for i, s := range oracleSteps {
				if mask>>i&1 == 1 {
					steps = append(steps, s)
				}
			}
			if len(steps) > 4 {
				continue
			}
			for _, writes := range []string{"local", "quorum"} {
				checkAgainstOracle(t, oracleScript(steps, writes), text)
			}
		}
	}
}
