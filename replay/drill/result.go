package drill

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// Schema names the form of a result in JSON. Fields are added to it, never renamed. Durations in it are nanoseconds.
const Schema = "tiebreak.drill/v1"

// maxListed is how many of a kind a result names. All are counted.
const maxListed = 10

// Moment is a time of the drill, in nanoseconds since 1970; 0 is never.
type Moment int64

// String returns the moment as RFC 3339 has it, to the nearest millisecond.
func (m Moment) String() string {
	if m == 0 {
		return "never"
	}
	return m.rounded().Format("2006-01-02T15:04:05.999Z07:00")
}

// rounded returns the moment to the millisecond, as durations are.
func (m Moment) rounded() time.Time { return time.Unix(0, int64(m)).UTC().Round(time.Millisecond) }

// MarshalJSON writes the moment as RFC 3339 has it, and never as null.
func (m Moment) MarshalJSON() ([]byte, error) {
	if m == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(time.Unix(0, int64(m)).UTC().Format(time.RFC3339Nano))
}

// UnmarshalJSON reads what [Moment.MarshalJSON] writes.
func (m *Moment) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*m = 0
		return nil
	}
	var at time.Time
	if err := json.Unmarshal(text, &at); err != nil {
		return err
	}
	*m = Moment(at.UnixNano())
	return nil
}

// Result is the after-action report of a drill. Equal scripts, tables, histories and seeds give equal results.
type Result struct {
	Schema string           `json:"schema"`
	Name   string           `json:"name"` // of the script, or its file
	Script ScriptInfo       `json:"script"`
	Table  replay.TableInfo `json:"table"` // the drill began under
	Seed   uint64           `json:"seed"`
	Load   float64          `json:"load"` // times that of the history, besides what the script says
	From   Moment           `json:"from"`
	To     Moment           `json:"to"`
	Passed bool             `json:"passed"` // every check and timer, none of them untried, and the regions agree

	Totals    map[Measure]int64 `json:"totals"`
	Calm      map[Measure]int64 `json:"calm,omitempty"` // the same without the incidents of the script: see [Options.Calm]
	Converged bool              `json:"converged"`      // every accepted write is in every region
	Apart     int64             `json:"apart"`          // fields that differ at the end between regions of one table; of several, see Mixed, they are not compared
	Mixed     bool              `json:"mixed"`          // replicas run different tables at the end
	Waiting   int64             `json:"waiting"`        // writes that were throttled and never let in
	Untimed   int64             `json:"untimed"`        // of the history, without a time and so left out
	Vanished  int64             `json:"vanished"`

	Timeline   []Event          `json:"timeline"`
	Checks     []CheckResult    `json:"checks"`
	Timers     []TimerResult    `json:"timers"`
	Handoffs   []Event          `json:"handoffs"`
	Classes    []ClassSum       `json:"classes"`
	Regions    []RegionSum      `json:"regions"`
	Links      []LinkSum        `json:"links"`
	Throttled  []SourceSum      `json:"throttled"` // nodes that found no room in a queue
	SplitBrain []Split          `json:"split_brain"`
	Quorums    []QuorumLoss     `json:"quorums"` // lost
	Stuck      []StuckWindow    `json:"stuck"`
	AtOdds     []TableOdds      `json:"at_odds"` // replicas under different tables
	Lost       []LostWrite      `json:"lost"`    // the first of them, by key
	CutDeps    []Hide           `json:"cut_deps"`
	Proposals  []Proposal       `json:"proposals"`
	Findings   []replay.Finding `json:"findings"`

	// Recorded is what the reads of the history were on the day itself; Run leaves it nil.
	Recorded *reads.Report `json:"recorded,omitempty"`

	// Aside says how many records of the history were set aside that nobody tolerates, for [JUnit]; Run leaves it empty.
	Aside string `json:"-"`

	// Bounds are what -fail-on asked of the result, for [JUnit]; Run leaves it nil.
	Bounds []BoundResult `json:"-"`

	calm *Result // the calm day; nil when nobody has looked

	asked, critical int64  // reads, and writes to critical keys
	losses          []loss // all of them
}

// loss is a field of a write that was lost, or all of one with a restart, and the line of the rule table that decided it.
type loss struct {
	play  int32
	field string
	table string
	line  int
}

// ScriptInfo names the script of a result.
type ScriptInfo struct {
	File        string `json:"file"`
	Fingerprint string `json:"fingerprint"`
}

// Event is one entry of a timeline.
type Event struct {
	At      Moment `json:"at"`
	Kind    string `json:"kind"`           // an action, or timer, missed, failed, rollback
	Line    int    `json:"line,omitempty"` // of the script
	What    string `json:"what"`
	Owner   string `json:"owner,omitempty"`
	Handoff bool   `json:"handoff,omitempty"`
}

// CheckResult is how a check ended.
type CheckResult struct {
	Line     int     `json:"line"`
	Check    string  `json:"check"`
	Measure  Measure `json:"measure"`
	Passed   bool    `json:"passed"`
	Value    int64   `json:"value"` // when it failed; else at the end, of a backlog with an upper bound the greatest; in nanoseconds where the measure is [Measure.Timed]
	At       Moment  `json:"at"`
	Final    int64   `json:"final"`             // at the end; of a backlog, the greatest
	Calm     *int64  `json:"calm,omitempty"`    // at the end of the day without the incidents: see [Options.Calm]
	Untried  string  `json:"untried,omitempty"` // what was not there that it measures; it has passed all the same when its line says "or idle"
	Rollback string  `json:"rollback,omitempty"`
	Owner    string  `json:"owner,omitempty"`
}

// TimerResult is how one run of a timer ended.
type TimerResult struct {
	Line     int           `json:"line"`
	Timer    string        `json:"timer"`
	Met      bool          `json:"met"`
	Ran      bool          `json:"ran"`               // false: what it waits for never happened
	Untried  string        `json:"untried,omitempty"` // what was not there that its check measures; it is met all the same when its line says "or idle"
	Began    Moment        `json:"began"`
	Deadline Moment        `json:"deadline"`
	Ended    Moment        `json:"ended"`
	Took     time.Duration `json:"took"`
	Later    int64         `json:"later,omitempty"` // writes accepted since it began that were not everywhere when it was met: converged does not wait for them
	Owner    string        `json:"owner,omitempty"`
}

// BoundResult is how a bound of -fail-on ended.
type BoundResult struct {
	Bound      string  // as it was given: lost>10
	Measure    Measure // or what else it counts: see [Result.Count]
	Value      int64
	Exceeded   bool
	Unmeasured string // why the result says nothing of what it counts; "" when it does
}

// ClassSum is what the consistency of a class cost, and what it prevented.
type ClassSum struct {
	Class        string            `json:"class"`
	Reads        string            `json:"read_level"`
	Writes       string            `json:"write_level"`
	Counts       map[Measure]int64 `json:"counts"`
	ReadsAll     int64             `json:"reads"`
	Ages         reads.Spread      `json:"ages"`          // of stale reads
	WriteLatency reads.Spread      `json:"write_latency"` // of all acknowledged writes
	ReadLatency  reads.Spread      `json:"read_latency"`  // of all answered reads
	Doomed       int64             `json:"doomed_reads"`  // LostWrite.Reads of all that were lost, of fields that show one write: a read that showed two counts twice
	Regressed    int64             `json:"session_regressions"`

	// What asking other regions has prevented: writes that saw what their own region did not have, and so replace it instead
	// of being in conflict with it, and reads that were shown what their own region would have kept from them.
	Prevented      int64 `json:"prevented"`
	PreventedReads int64 `json:"prevented_reads"`
}

// RegionSum is what a region did.
type RegionSum struct {
	Region      string `json:"region"`
	Line        int    `json:"line"`            // of the script
	Named       []int  `json:"named,omitempty"` // the lines of the script that let something happen to it
	Nodes       int    `json:"nodes"`
	Replicas    int    `json:"replicas"`
	Writes      int64  `json:"writes"` // that began there
	Accepted    int64  `json:"accepted"`
	Refused     int64  `json:"refused"`
	Unavailable int64  `json:"unavailable"`
	Unknown     int64  `json:"unknown"`
	Reads       int64  `json:"reads"`
	Stale       int64  `json:"stale"`
	Lost        int64  `json:"lost"` // of the writes that it accepted
}

// LinkSum is what a link carried.
type LinkSum struct {
	From       string        `json:"from"`
	To         string        `json:"to"`
	Sent       int64         `json:"sent"`       // what a cut has held counts once
	Resent     int64         `json:"resent"`     // for it was lost on the way
	Duplicates int64         `json:"duplicates"` // that arrived twice
	Late       int64         `json:"late"`       // out of order
	Peak       int64         `json:"peak"`       // on their way at once, at most
	PeakAt     Moment        `json:"peak_at"`
	Drain      time.Duration `json:"drain"`  // the longest: until the backlog of a heal had arrived, and until no write had to wait for its bandwidth
	Left       int64         `json:"left"`   // on the way at the end
	Narrow     bool          `json:"narrow"` // it has a bandwidth or a queue
	Series     []Point       `json:"series"`
}

// Point is the greatest backlog in a stretch of time that begins at a moment.
type Point struct {
	At      Moment `json:"at"`
	Backlog int64  `json:"backlog"`
}

// SourceSum is a node that had to wait for room in a queue, or was refused for want of it.
type SourceSum struct {
	Node    clock.Node `json:"node"`
	Waited  int64      `json:"waited"`
	Refused int64      `json:"refused"`
}

// Split is a critical key that two sides both wrote.
type Split struct {
	Key     string        `json:"key"`
	Class   string        `json:"class"`
	Leaders bool          `json:"leaders,omitempty"` // the key says who leads, and the two sides say two
	Sides   []string      `json:"sides"`
	From    Moment        `json:"from"`
	Shown   Moment        `json:"shown"` // when it could first be seen
	By      string        `json:"shown_by,omitempty"`
	To      Moment        `json:"to"`
	Writes  int           `json:"writes"`
	Place   finding.Place `json:"place"` // of the write that made it one
}

// QuorumLoss is a time in which a region found no quorum.
type QuorumLoss struct {
	Region  string   `json:"region"`
	Class   string   `json:"class"`
	Of      string   `json:"of"` // reads or writes
	Needs   int      `json:"needs"`
	From    Moment   `json:"from"`
	Shown   Moment   `json:"shown"` // when the first was refused for it
	To      Moment   `json:"to"`
	Refused int64    `json:"refused"`
	Keys    []string `json:"keys"` // the first of those
}

// TableOdds is a time in which two replicas ran rule tables with different fingerprints, and so refused to mix.
type TableOdds struct {
	Sides        []string `json:"sides"`
	Tables       []string `json:"tables"`
	Fingerprints []string `json:"fingerprints"`
	From         Moment   `json:"from"`
	To           Moment   `json:"to"`
	Held         int64    `json:"held"` // writes that waited on the links between the two at its end
}

// StuckWindow is a time in which a region had writes that were stuck.
type StuckWindow struct {
	Region string   `json:"region"`
	From   Moment   `json:"from"`  // the first was accepted
	Shown  Moment   `json:"shown"` // the first was old enough to be told
	To     Moment   `json:"to"`    // the last was everywhere, or gone: what a restart took from all is stuck no more
	Writes int64    `json:"writes"`
	Keys   []string `json:"keys"`

	left int64
}

// LostWrite is an acknowledged write that is gone.
type LostWrite struct {
	Key     string        `json:"key"`
	Field   string        `json:"field"`
	Table   string        `json:"table"`          // that it was lost under: see the package documentation for several
	Line    int           `json:"line,omitempty"` // of the rule in it
	Region  string        `json:"region"`
	Node    clock.Node    `json:"node"`
	At      Moment        `json:"at"`
	ID      string        `json:"id,omitempty"`
	Value   value.Value   `json:"value,omitempty"`
	Place   finding.Place `json:"place"`
	By      string        `json:"by"` // the rung that decided, or what else took it
	Against string        `json:"against,omitempty"`
	Reads   int64         `json:"reads"` // that were shown it, as this field has it
}

// Hide is a write whose writer had seen, in the history, another one that the drill hid from it: it might have done
// something else.
type Hide struct {
	At    Moment        `json:"at"`
	Key   string        `json:"key"`
	Node  clock.Node    `json:"node"`
	Place finding.Place `json:"place"`
	Other finding.Place `json:"hidden"`
}

// Options says how to run a drill. The zero value is the default of each.
type Options struct {
	Seed     uint64                  // 0 is the script's
	Load     float64                 // times the load of the history; 0 is once
	MaxDrift time.Duration           // how far ahead a stamp may be before it is told; 0 is [clock.DefaultMaxDrift]
	Tables   map[string]*merge.Table // those of [Script.Tables], by the name that the script gives them

	// Calm lets the day happen once more without the incidents of the script, at the same time, so that the result says what of its
	// counts comes from them. It is not done for a script without incidents, and takes as much memory again. Checks are of the drill alone.
	Calm bool

	// State, when not nil, is called with the state of every region at the end, region by region, cell by cell. Deleted
	// cells are left out.
	State func(region string, line replay.StateLine)

	light bool // see world
	deaf  bool // reads are left out
}

// Run rehearses a drill on traffic under a rule table. The error is of a script that does not fit the traffic: a node that
// lives in no region, a step, a timer or a load on another day, a table that is not there. It tells all of these. Only of a script
// that fits it is [ErrTooMuch].
func Run(script *Script, table *merge.Table, t *Traffic, opt Options) (*Result, error) {
	w, err := newWorld(script, table, t, &opt)
	if err != nil {
		return nil, fmt.Errorf("drill: %w", err)
	}
	calmDay := calmDay(script, table, t, opt)
	w.run()
	calm, err := calmDay()
	if err != nil {
		return nil, fmt.Errorf("drill: %w", err)
	}
	r := w.result(table, calm)
	if opt.State != nil {
		w.state(opt.State)
	}
	return r, nil
}

// result sums up, beside the calm day unless that is nil.
func (w *world) result(table *merge.Table, calm *Result) *Result {
	for i := range w.nodes {
		for _, p := range w.nodes[i].waiting {
			w.plays[p].status = isRefused
		}
	}
	w.lastWord()
	r := &Result{
		Schema: Schema, Name: w.script.Name, Script: ScriptInfo{w.script.File, w.script.Fingerprint()},
		Table: replay.TableInfo{File: table.File, Fingerprint: table.Fingerprint(), Nodes: table.Nodes},
		asked: w.total[askedIndex], critical: w.total[criticalIndex],
		Seed: w.seed, Load: cmp.Or(w.opt.Load, 1), From: Moment(w.t.first), To: Moment(w.now),
		Converged: w.converged(len(w.accepted)), Apart: w.apart(), Untimed: w.t.untimed, Vanished: w.total[vanishedIndex],
		Timeline: w.timeline, Handoffs: w.handoffs, CutDeps: w.hiddenAt,
	}
	for i := range w.nodes {
		r.Waiting += int64(len(w.nodes[i].waiting))
	}
	w.total[backlogIndex] = w.peak()
	r.Totals = counts(&w.total)
	w.losses(r)
	w.sums(r)
	w.outcomes(r)
	w.brains(r)
	for _, f := range w.told {
		r.Findings = append(r.Findings, replay.Finding(*f))
	}
	slices.SortFunc(r.Findings, func(a, b replay.Finding) int { return cmp.Compare(a.Code, b.Code) })
	r.Mixed = len(w.odds) > 0
	r.Passed = !r.Broken() && len(r.Untried()) == 0
	r.beside(calm)
	w.propose(r)
	r.full()
	return r
}

// full makes empty lists of those that are nil, so that JSON has no null.
func (r *Result) full() {
	r.Timeline, r.Handoffs, r.CutDeps = orEmpty(r.Timeline), orEmpty(r.Handoffs), orEmpty(r.CutDeps)
	r.Checks, r.Timers, r.Classes = orEmpty(r.Checks), orEmpty(r.Timers), orEmpty(r.Classes)
	r.Regions, r.Links, r.Throttled = orEmpty(r.Regions), orEmpty(r.Links), orEmpty(r.Throttled)
	r.AtOdds = orEmpty(r.AtOdds)
	r.SplitBrain, r.Quorums, r.Stuck = orEmpty(r.SplitBrain), orEmpty(r.Quorums), orEmpty(r.Stuck)
	r.Lost, r.Proposals, r.Findings = orEmpty(r.Lost), orEmpty(r.Proposals), orEmpty(r.Findings)
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Broken reports whether a check failed, a timer was missed, or the regions don't agree at the end. A drill that has not passed and
// is not broken has something in it that is untried.
func (r *Result) Broken() bool {
	return !r.Converged || r.Apart > 0 || r.Mixed || len(r.Failed()) > 0
}

// Failed names the checks that failed and the timers that were missed.
func (r *Result) Failed() []string {
	var failed []string
	for i := range r.Checks {
		if c := &r.Checks[i]; c.failed() {
			failed = append(failed, fmt.Sprintf("%s:%d: %s: %s", r.Script.File, c.Line, c.Check, c.failure()))
		}
	}
	for _, t := range r.Timers {
		if t.Ran && !t.Met && t.Untried == "" {
			failed = append(failed, fmt.Sprintf("%s:%d: %s: missed at %s", r.Script.File, t.Line, t.Timer, t.Deadline))
		}
	}
	return failed
}

func (c *CheckResult) failed() bool { return !c.Passed && c.Untried == "" }

// failure says how a check failed.
func (c *CheckResult) failure() string {
	text := fmt.Sprintf("it was %s at %s", c.Measure.Text(c.Value), c.At)
	if c.Final != c.Value {
		text += fmt.Sprintf(", and %s %s", figure(c.Measure, c.Final), c.finally())
	}
	return text
}

// finally says of when the last value of a check is.
func (c *CheckResult) finally() string {
	if c.Measure == Backlog {
		return "at most"
	}
	return "at the end"
}

// Untried names the checks and timers that could measure nothing, and whose lines don't allow that: their class or their keys had no
// write, or no read.
func (r *Result) Untried() []string {
	var untried []string
	for _, c := range r.Checks {
		if c.Untried != "" && !c.Passed {
			untried = append(untried, fmt.Sprintf("%s:%d: %s: %s", r.Script.File, c.Line, c.Check, c.Untried))
		}
	}
	for _, t := range r.Timers {
		if t.Untried != "" && !t.Met {
			untried = append(untried, fmt.Sprintf("%s:%d: %s: %s", r.Script.File, t.Line, t.Timer, t.Untried))
		}
	}
	return untried
}

// notes says what there is to know about the history before a result is believed.
func (r *Result) notes() []string {
	var notes []string
	if r.Untimed > 0 {
		notes = append(notes, fmt.Sprintf("LEFT OUT: %s of the history without a time, and so without a place in the drill",
			plural(int(r.Untimed), "record")))
	}
	for _, g := range r.Regions {
		switch {
		case g.Writes > 0:
		case len(g.Named) == 0:
			notes = append(notes, fmt.Sprintf("no write of the history began in %s", g.Region))
		default:
			notes = append(notes, fmt.Sprintf("NO WRITE of the history began in %s (line %d), which is what %s about", g.Region, g.Line, linesAre(g.Named)))
		}
	}
	return notes
}

// linesAre returns "line 4 is" or "lines 4 and 7 are".
func linesAre(lines []int) string {
	if len(lines) == 1 {
		return fmt.Sprintf("line %d is", lines[0])
	}
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = strconv.Itoa(l)
	}
	last := len(texts) - 1
	return fmt.Sprintf("lines %s and %s are", strings.Join(texts[:last], ", "), texts[last])
}

// Count returns a count of the result by name: a measure, a code of a finding, or "failed" for checks and timers. It is
// what -fail-on compares.
func (r *Result) Count(name string) (n int64, known bool) {
	if name == "failed" {
		return int64(len(r.Failed())), true
	}
	if n, known = r.Totals[Measure(name)]; known {
		return n, true
	}
	for _, f := range r.Findings {
		if string(f.Code) == name {
			return f.Count, true
		}
	}
	return 0, false
}

// Unmeasured says why the drill says nothing of a measure, or of what the code of a finding stands for; "" when it does.
func (r *Result) Unmeasured(name string) string {
	switch name {
	case string(Stale), string(Unread), string(Age), string(finding.StaleRead):
		if r.asked == 0 {
			return "there was no read"
		}
	case string(SplitKeys), string(finding.SplitBrain):
		if r.critical == 0 {
			return "there was no write to a critical key"
		}
	}
	return ""
}

func counts(t *tally) map[Measure]int64 {
	m := make(map[Measure]int64, numMeasures)
	for i, name := range measures {
		m[name] = t[i]
	}
	return m
}

// losses finds what was lost, and where.
func (w *world) losses(r *Result) {
	add := func(i int32, lw LostWrite, cells ...claim) {
		p, b := &w.plays[i], w.base(i)
		for _, c := range cells {
			lw.Reads += int64(w.shows[sighting{i, w.view.cells[c.cell].name}])
		}
		home := w.replicas[p.home].region
		home.lost++
		w.classes[w.watch[b.key].class].doomed += lw.Reads
		r.losses = append(r.losses, loss{i, lw.Field, lw.Table, lw.Line})
		if len(r.Lost) >= maxListed {
			return
		}
		op := w.op(i)
		lw.Key, lw.Region, lw.Node, lw.At, lw.ID, lw.Place = w.t.keys[b.key], home.name, op.Stamp.Node, Moment(p.made), op.ID, w.placeOf(i)
		r.Lost = append(r.Lost, lw)
	}
	look := func(cell int32, f *front) {
		if f.lost == 0 {
			return
		}
		for _, h := range slices.Concat(f.heads, f.useless) {
			play := w.view.claims[h].play
			if w.fate(h, nil) != merge.Lost || w.plays[play].open {
				continue
			}
			state := w.view.cell(cell, all)
			c := w.view.claim(&w.view.claims[h])
			v := state.Judge(c)
			by := v.By.String()
			if v.By == lww.Rank {
				by = "the rule"
			}
			if v.Missing {
				by = "no before-image"
			}
			add(play, LostWrite{Field: c.Cell, Table: w.view.table.File, Line: c.Rule.Line, Value: c.Value, By: by, Against: against(&v)}, w.view.claims[h])
		}
	}
	if w.total[lostIndex] > 0 {
		var byName []int32 // keys that have lost something
		note := func(cell int32, f *front) {
			if key := w.view.cells[cell].key; f.lost > 0 && (len(byName) == 0 || byName[len(byName)-1] != key) {
				byName = append(byName, key)
			}
		}
		for i := range w.view.cells {
			note(int32(i), &w.view.cells[i].front)
		}
		for i := range w.view.elems {
			note(w.view.elems[i].cell, &w.view.elems[i].front)
		}
		slices.Sort(byName)
		byName = slices.Compact(byName)
		slices.SortFunc(byName, func(a, b int32) int { return strings.Compare(w.t.keys[a], w.t.keys[b]) })
		for _, key := range byName {
			for cell := w.view.cellsOf[key]; cell < w.view.cellsOf[key+1]; cell++ {
				look(cell, &w.view.cells[cell].front)
				for _, e := range w.view.elemsOf[cell] {
					look(cell, &w.view.elems[e].front)
				}
			}
		}
	}
	for _, i := range w.accepted {
		if w.plays[i].status == isVanished && !w.plays[i].open {
			add(i, LostWrite{By: "a restart from a backup"}, w.view.claimsBy(i)...)
		}
	}
}

// sums sums up classes, regions, links and sources.
func (w *world) sums(r *Result) {
	for _, c := range w.classes {
		if c.Name == OtherClass && c.tally == (tally{}) && c.reads == 0 {
			continue
		}
		r.Classes = append(r.Classes, ClassSum{
			Class: c.Name, Reads: c.Reads.String(), Writes: c.Writes.String(), Counts: counts(&c.tally), ReadsAll: c.reads,
			Ages: reads.SpreadOf(c.ages, int64(len(c.ages))), WriteLatency: reads.SpreadOf(c.latencies, c.answered),
			ReadLatency: reads.SpreadOf(c.readTimes, c.reads-c.tally[unreadIndex]), Doomed: c.doomed, Regressed: c.regressed,
			Prevented: c.prevented, PreventedReads: c.preventedReads,
		})
	}
	for _, g := range w.regions {
		r.Regions = append(r.Regions, RegionSum{Region: g.name, Line: g.line.Line, Named: w.script.incidentsOf(g.name), Nodes: g.nodes, Writes: g.due, Replicas: len(g.replicas), Accepted: g.accepted,
			Refused: g.refused, Unavailable: g.unavailable, Unknown: g.unknown, Reads: g.reads, Stale: g.stale, Lost: g.lost})
	}
	for _, from := range w.regions {
		for _, to := range w.regions {
			if sum, ok := w.between(from, to); ok {
				r.Links = append(r.Links, sum)
			}
		}
	}
	for i := range w.nodes {
		if n := &w.nodes[i]; n.held > 0 || n.refused > 0 {
			r.Throttled = append(r.Throttled, SourceSum{Node: w.t.nodes[i], Waited: n.held, Refused: n.refused})
		}
	}
	slices.SortStableFunc(r.Throttled, func(a, b SourceSum) int { return cmp.Compare(b.Waited+b.Refused, a.Waited+a.Refused) })
}

// between sums up the links from one region to another, or within one. Where there are several replicas, the greatest
// backlog is that of one link.
func (w *world) between(from, to *region) (LinkSum, bool) {
	sum := LinkSum{From: from.name, To: to.name, Series: []Point{}}
	found := false
	for _, l := range w.links {
		if l == nil || l.from.region != from || l.to.region != to {
			continue
		}
		found = true
		sum.Sent, sum.Resent, sum.Duplicates, sum.Late = sum.Sent+l.sent, sum.Resent+l.resent, sum.Duplicates+l.again, sum.Late+l.late
		if l.peak > sum.Peak {
			sum.Peak, sum.PeakAt = l.peak, Moment(l.peakAt)
		}
		sum.Drain = max(sum.Drain, time.Duration(l.drain))
		sum.Narrow = sum.Narrow || l.narrow
		sum.Left += l.backlog()
		sum.Series = envelope(sum.Series, l.series)
	}
	return sum, found
}

// envelope returns the greater of two series of backlogs at each of their moments.
func envelope(a, b []Point) []Point {
	if len(a) == 0 {
		return append(a, b...)
	}
	var both []Point
	for len(a)+len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].At < b[0].At:
			both, a = append(both, a[0]), a[1:]
		case len(a) == 0 || b[0].At < a[0].At:
			both, b = append(both, b[0]), b[1:]
		default:
			both = append(both, Point{a[0].At, max(a[0].Backlog, b[0].Backlog)})
			a, b = a[1:], b[1:]
		}
	}
	return both
}

// outcomes sums up checks and timers.
func (w *world) outcomes(r *Result) {
	for _, c := range w.checks {
		res := CheckResult{Line: c.Line, Check: c.Check.String(), Measure: c.Measure, Passed: !c.failed && (c.nothing == "" || c.Idle), Untried: c.nothing, Value: c.value,
			At: Moment(c.at), Final: w.measured(c), Owner: c.Owner}
		if c.Measure == Backlog {
			res.Final = w.peak()
		}
		if c.Rollback != nil {
			res.Rollback = c.Rollback.String()
		}
		r.Checks = append(r.Checks, res)
	}
	slices.SortStableFunc(r.Checks, func(a, b CheckResult) int { return cmp.Compare(a.Line, b.Line) })
	r.Timers = w.timers
	for i := range r.Timers {
		r.Timers[i].Ran = true
	}
	for i := range w.script.Timers {
		t := &w.script.Timers[i]
		if !slices.ContainsFunc(r.Timers, func(tr TimerResult) bool { return tr.Line == t.Line }) {
			r.Timers = append(r.Timers, TimerResult{Line: t.Line, Timer: t.String(), Owner: t.Owner})
		}
	}
	slices.SortStableFunc(r.Timers, func(a, b TimerResult) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Began, b.Began))
	})
}

// brains sums up what two sides wrote.
func (w *world) brains(r *Result) {
	all := w.over
	for _, s := range w.splits {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *split) int {
		return cmp.Or(cmp.Compare(a.from, b.from), strings.Compare(w.t.keys[a.key], w.t.keys[b.key]))
	})
	for _, s := range all {
		one := Split{Key: w.t.keys[s.key], Class: w.classes[w.watch[s.key].class].Name, From: Moment(s.from), Shown: Moment(s.shown),
			By: s.by, To: Moment(s.to), Writes: len(s.writes), Place: w.placeOf(s.b)}
		for _, i := range s.writes {
			if name := w.replicas[w.plays[i].home].name; !slices.Contains(one.Sides, name) {
				one.Sides = append(one.Sides, name)
			}
		}
		slices.Sort(one.Sides)
		if w.watch[s.key].leader { // whenever two writes differ, so do two of different sides
			one.Leaders = slices.ContainsFunc(s.writes, func(i int32) bool { return !slices.Equal(w.fields(i), w.fields(s.a)) })
		}
		r.SplitBrain = append(r.SplitBrain, one)
	}
	for _, q := range w.quorums {
		q.Keys = orEmpty(q.Keys)
		r.Quorums = append(r.Quorums, *q)
	}
	for _, s := range w.stuck {
		r.Stuck = append(r.Stuck, *s)
	}
	r.AtOdds = w.wereAtOdds
	for _, o := range w.odds {
		w.held(o)
		r.AtOdds = append(r.AtOdds, o.tell)
	}
}

// state yields the state of every region, and of every replica of those that have several.
func (w *world) state(each func(string, replay.StateLine)) {
	for _, g := range w.replicas {
		var lines []replay.StateLine
		v := g.view
		for c := range v.cells {
			cell := v.cell(int32(c), g.index)
			if cell.Rule() == nil || cell.Value().IsAbsent() {
				continue
			}
			line := replay.StateLine{Key: w.t.keys[v.cells[c].key], Field: v.cells[c].name, Value: cell.Value()}
			if kept, ok := cell.Write(); ok {
				line.ID, line.By = kept.ID, string(kept.Stamp.Node)
			}
			lines = append(lines, line)
		}
		slices.SortFunc(lines, func(a, b replay.StateLine) int {
			return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Field, b.Field))
		})
		for _, l := range lines {
			each(g.name, l)
		}
	}
}

// apart counts the cells that differ between replicas of one table.
func (w *world) apart() int64 {
	n := int64(0)
	var done []*view
	for _, r := range w.replicas {
		if !slices.Contains(done, r.view) {
			done = append(done, r.view)
			n += r.view.apart(w.replicas)
		}
	}
	return n
}

func (w *world) log(e Event) {
	e.At = Moment(w.now)
	w.timeline = append(w.timeline, e)
}

// findings are those of one code.
type findings replay.Finding

// tell counts a finding about a write, and keeps the first few.
func (w *world) tell(code finding.Code, i int32, detail func() string) {
	w.tellAt(code, w.placeOf(i), w.t.keys[w.base(i).key], detail)
}

func (w *world) tellAt(code finding.Code, place finding.Place, key string, detail func() string) {
	f := w.told[code]
	if f == nil {
		f = &findings{Code: code}
		w.told[code] = f
	}
	if f.Count++; len(f.Examples) < maxListed {
		f.Examples = append(f.Examples, finding.Finding{Code: code, Place: place, Key: key, Detail: detail()})
	}
}

func quote(s string) string { return strconv.Quote(s) }
