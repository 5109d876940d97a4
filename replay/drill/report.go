package drill

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tiebreakhq/tiebreak/replay/layout"
	"github.com/tiebreakhq/tiebreak/replay/reads"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

// Text writes the after-action report of a drill for people: what happened and when, what held and what did not, what was
// lost and where, and what to do about it.
func Text(w io.Writer, r *Result) error { return writeReport(w, r, false) }

// Markdown writes the same as [Text] for where Markdown is read.
func Markdown(w io.Writer, r *Result) error { return writeReport(w, r, true) }

// JSON writes the after-action report for programs: its members are those of [Result].
func JSON(w io.Writer, r *Result) error { return report.JSON(w, r) }

func writeReport(w io.Writer, r *Result, markdown bool) error {
	p := newPage(markdown)
	p.Heading(r.Name)
	p.opening(r)
	p.outcomes(r)
	p.timeline(r)
	p.totals(r)
	p.classes(r)
	p.brains(r)
	p.traffic(r)
	p.recorded(r.Recorded)
	p.losses(r)
	p.closing(r)
	return p.To(w)
}

func (p *page) opening(r *Result) {
	verdict := "PASSED"
	switch {
	case r.Broken():
		verdict = "FAILED"
	case !r.Passed:
		verdict = "UNTRIED"
	}
	p.Item(fmt.Sprintf("%s: script %s (%.8s), table %s (%.8s), seed %d", verdict, r.Script.File, r.Script.Fingerprint,
		r.Table.File, r.Table.Fingerprint, r.Seed))
	p.Item(fmt.Sprintf("from %s to %s", r.From, r.To))
	if r.Load != 1 {
		p.Item(fmt.Sprintf("%g times the load of the history", r.Load))
	}
	switch {
	case r.Mixed:
		p.Item("AT ODDS: regions end under different rule tables, and refuse to mix")
	case !r.Converged:
		p.Item("NOT CONVERGED: some accepted writes are not in every region at the end")
	case r.Apart > 0:
		p.Item(fmt.Sprintf("DIVERGED: %s fields differ between regions that have all writes", layout.Number(r.Apart)))
	default:
		p.Item("the regions agree at the end")
	}
	for _, n := range r.notes() {
		p.Item(n)
	}
}

func (p *page) outcomes(r *Result) {
	if len(r.Checks)+len(r.Timers) == 0 {
		return
	}
	p.Title("Checks and timers")
	var rows [][]string
	for i := range r.Checks {
		c := &r.Checks[i]
		outcome, value, when := "passed", c.Measure.Text(c.Value), ""
		switch {
		case c.Untried != "":
			outcome, value = idleness(c.Passed), c.Untried
		case !c.Passed:
			outcome, when = "FAILED", "at "+r.hours(c.At)
			if c.Final != c.Value {
				value += ", " + figure(c.Measure, c.Final) + " " + c.finally()
			}
			if c.Calm != nil {
				value += withoutThem(c.Measure, c.Final, *c.Calm)
			}
		}
		rows = append(rows, []string{strconv.Itoa(c.Line), outcome, c.Check, value, when, c.Owner})
	}
	for _, t := range r.Timers {
		outcome, value := "met", "after "+durationOf(int64(t.Took))
		if t.Later > 0 {
			value += fmt.Sprintf(", %s later on the way", layout.Number(t.Later))
		}
		switch {
		case !t.Ran:
			outcome, value = "not run", ""
		case t.Untried != "":
			outcome, value = idleness(t.Met), t.Untried
		case !t.Met:
			outcome, value = "MISSED", ""
		}
		when := ""
		if t.Ran {
			when = "from " + r.hours(t.Began)
		}
		rows = append(rows, []string{strconv.Itoa(t.Line), outcome, t.Timer, value, when, t.Owner})
	}
	p.table([]string{">line", "outcome", "what", "value", "when", "owner"}, rows)
}

func (p *page) timeline(r *Result) {
	if len(r.Timeline) == 0 {
		return
	}
	p.Title("Timeline")
	var rows [][]string
	for _, e := range r.Timeline {
		who := e.Owner
		if e.Handoff {
			who += " (handed over)"
		}
		rows = append(rows, []string{r.hours(e.At), strconv.Itoa(e.Line), e.What, who})
	}
	p.table([]string{"time", ">line", "what", "owner"}, rows)
}

func (p *page) totals(r *Result) {
	p.Title("Counts")
	var rows [][]string
	heads := []string{"", ">", ">without the incidents", ""}
	for _, m := range measures {
		v, calm := r.Totals[m], r.Calm[m]
		if v == 0 && calm == 0 && m != Lost && m != Refused && m != Writes {
			continue
		}
		rows = append(rows, []string{string(m), figure(m, v), figure(m, calm), meanings[m]})
	}
	if r.Waiting > 0 {
		rows = append(rows, []string{"waiting", layout.Number(r.Waiting), "", "throttled writes that never found room"})
	}
	if r.Calm == nil {
		heads = slices.Delete(heads, 2, 3)
		for i := range rows {
			rows[i] = slices.Delete(rows[i], 2, 3)
		}
	}
	p.table(heads, rows)
}

// figure writes a total of a measure.
func figure(m Measure, v int64) string {
	if m.Timed() {
		return durationOf(v)
	}
	return layout.Number(v)
}

// meanings says the measures in words.
var meanings = map[Measure]string{
	Writes: "accepted", Refused: "writes: no quorum, frozen, or a full queue", Unavailable: "writes to what was stopped",
	Unknown:   "writes that were made, and whose clients got no answer in time",
	Throttled: "writes that had to wait for room in a queue", Lost: "acknowledged writes that are gone, by what their writers had seen here",
	Undecided: "writes that a quorum must decide between", Vanished: "of the lost: gone with a restart from a backup",
	Stale: "reads answered without an acknowledged write", Unread: "reads that got no answer", Age: "how far behind a read was, at most",
	Latency: "of a write, at most", Stuck: "writes that were not everywhere in time", SplitKeys: "keys that two sides both wrote",
	Hidden:  "writers that had seen, in the history, what was hidden from them here",
	Backlog: "writes on one link, at most",
}

func (p *page) classes(r *Result) {
	p.Title("Classes")
	var rows [][]string
	for _, c := range r.Classes {
		rows = append(rows, []string{c.Class, c.Writes, layout.Number(c.Counts[Writes]), layout.Dashed(c.Counts[Refused]),
			layout.Dashed(c.Counts[Unavailable]), layout.Dashed(c.Counts[Unknown]), spreadText(c.WriteLatency), layout.Dashed(c.Counts[Lost]), layout.Dashed(c.Prevented)})
	}
	p.table([]string{"class", "writes", ">accepted", ">refused", ">unavailable", ">unknown", "latency p50/p99/max", ">lost",
		">prevented"}, rows)
	rows = nil
	for _, c := range r.Classes {
		if c.ReadsAll > 0 {
			rows = append(rows, []string{c.Class, c.Reads, layout.Number(c.ReadsAll), layout.Dashed(c.Counts[Unread]), spreadText(c.ReadLatency),
				layout.Dashed(c.Counts[Stale]), spreadText(c.Ages), layout.Dashed(c.Doomed), layout.Dashed(c.PreventedReads)})
		}
	}
	if rows != nil {
		p.Line("")
		p.table([]string{"class", "reads", ">all", ">unanswered", "latency p50/p99/max", ">stale", "behind p50/p99/max",
			">of lost writes", ">prevented"}, rows)
	}
}

// spreadText writes a spread for a column.
func spreadText(s reads.Spread) string {
	if s.Max == 0 {
		return "-"
	}
	return fmt.Sprintf("%s / %s / %s", durationOf(int64(s.P50)), durationOf(int64(s.P99)), durationOf(int64(s.Max)))
}

func (p *page) brains(r *Result) {
	if len(r.SplitBrain) > 0 {
		p.Title(fmt.Sprintf("Split brain: %d keys%s", len(r.SplitBrain), r.without(SplitKeys)))
		var rows [][]string
		for _, s := range r.SplitBrain[:min(len(r.SplitBrain), maxListed)] {
			what := strings.Join(s.Sides, ", ")
			if s.Leaders {
				what += ": two leaders"
			}
			rows = append(rows, []string{s.Key, what, strconv.Itoa(s.Writes), r.hours(s.From), r.hours(s.Shown), s.By, r.hours(s.To)})
		}
		p.table([]string{"key", "sides", ">writes", "began", "first shown", "by", "over"}, rows)
	}
	if len(r.AtOdds) > 0 {
		p.Title("Rule tables that differed")
		var rows [][]string
		for _, o := range r.AtOdds[:min(len(r.AtOdds), maxListed)] {
			rows = append(rows, []string{strings.Join(o.Sides, ", "), fmt.Sprintf("%s (%.8s)", o.Tables[0], o.Fingerprints[0]),
				fmt.Sprintf("%s (%.8s)", o.Tables[1], o.Fingerprints[1]), r.hours(o.From), r.hours(o.To), layout.Dashed(o.Held)})
		}
		p.table([]string{"between", "table", "and", "from", "to", ">writes held back"}, rows)
	}
	if len(r.Quorums) > 0 {
		p.Title("Quorums lost")
		var rows [][]string
		for _, q := range r.Quorums {
			rows = append(rows, []string{q.Region, q.Class + " " + q.Of, strconv.Itoa(q.Needs), r.hours(q.From), r.hours(q.Shown), r.hours(q.To),
				layout.Number(q.Refused), keysText(q.Keys)})
		}
		p.table([]string{"region", "of", ">needs", "from", "first shown", "over", ">refused", "keys"}, rows)
	}
	if len(r.Stuck) > 0 {
		p.Title("Writes that were stuck")
		var rows [][]string
		for _, s := range r.Stuck {
			rows = append(rows, []string{s.Region, layout.Number(s.Writes), r.hours(s.From), r.hours(s.Shown), r.hours(s.To),
				keysText(s.Keys)})
		}
		p.table([]string{"region", ">writes", "from", "first shown", "over", "keys"}, rows)
	}
}

// keysText names the first of some keys.
func keysText(keys []string) string { return strings.Join(keys[:min(3, len(keys))], " ") }

func (p *page) traffic(r *Result) {
	p.Title("Regions")
	var rows [][]string
	for _, g := range r.Regions {
		name := g.Region
		if g.Replicas > 1 {
			name = fmt.Sprintf("%s, %d replicas", name, g.Replicas)
		}
		rows = append(rows, []string{name, layout.Number(g.Accepted), layout.Dashed(g.Refused), layout.Dashed(g.Unavailable),
			layout.Dashed(g.Reads), layout.Dashed(g.Stale), layout.Dashed(g.Lost)})
	}
	p.table([]string{"region", ">accepted", ">refused", ">unavailable", ">reads", ">stale", ">lost"}, rows)
	rows = nil
	for _, l := range r.Links {
		drain := "-"
		if l.Drain > 0 {
			drain = durationOf(int64(l.Drain))
		}
		rows = append(rows, []string{l.name(), layout.Number(l.Sent), layout.Dashed(l.Resent), layout.Dashed(l.Duplicates),
			layout.Dashed(l.Late), layout.Number(l.Peak), r.hours(l.PeakAt), drain, layout.Dashed(l.Left)})
	}
	if rows != nil {
		p.Title("Links")
		p.table([]string{"link", ">sent", ">resent", ">twice", ">late", ">most at once", "at", "drained in", ">left"}, rows)
	}
	p.backlogs(r)
	if len(r.Throttled) > 0 {
		rows = nil
		for _, s := range r.Throttled[:min(len(r.Throttled), maxListed)] {
			rows = append(rows, []string{string(s.Node), layout.Dashed(s.Waited), layout.Dashed(s.Refused)})
		}
		p.Title("Who found no room in a queue")
		p.table([]string{"node", ">waited", ">refused"}, rows)
	}
}

// The most links and stretches of time of which the text tells the backlog.
const (
	maxSeries    = 6
	maxStretches = 12
)

// backlogs writes the greatest backlogs over the time in which things happened, of the links that had one to work off or are
// narrow.
func (p *page) backlogs(r *Result) {
	from, to := r.From, r.To
	if len(r.Timeline) > 0 {
		from, to = r.Timeline[0].At, r.Timeline[len(r.Timeline)-1].At
		from, to = max(r.From, from-(to-from)/4), min(r.To, to+(to-from)/4)
	}
	var links []*LinkSum
	for i := range r.Links {
		if l := &r.Links[i]; l.Drain > 0 || l.Left > 0 || l.Narrow {
			links = append(links, l)
		}
	}
	slices.SortStableFunc(links, func(a, b *LinkSum) int { return cmp.Compare(b.Peak, a.Peak) })
	links = links[:min(len(links), maxSeries)]
	var times []Moment // at which a stretch of some link begins
	for _, l := range links {
		for i, point := range l.Series {
			if over := i+1 < len(l.Series) && l.Series[i+1].At <= from; !over && point.At <= to {
				times = append(times, point.At)
			}
		}
	}
	slices.Sort(times)
	if times = slices.Compact(times); len(times) < 2 {
		return
	}
	step := (len(times) + maxStretches - 1) / maxStretches
	var rows [][]string
	for i := 0; i < len(times); i += step {
		last := times[min(i+step, len(times))-1]
		row := []string{r.hours(times[i])}
		for _, l := range links {
			most := int64(0)
			for _, point := range l.Series {
				if point.At >= times[i] && point.At <= last {
					most = max(most, point.Backlog)
				}
			}
			row = append(row, layout.Dashed(most))
		}
		rows = append(rows, row)
	}
	heads := []string{"from"}
	for _, l := range links {
		heads = append(heads, ">"+l.name())
	}
	p.Title("Backlog over time")
	p.table(heads, rows)
}

// name names the link in a report.
func (l *LinkSum) name() string {
	if l.From == l.To {
		return "within " + l.From
	}
	return l.From + " > " + l.To
}

func (p *page) losses(r *Result) {
	if len(r.Lost) == 0 {
		return
	}
	p.Title(fmt.Sprintf("Lost: the first %d of %s%s", len(r.Lost), layout.Number(r.Totals[Lost]), r.without(Lost)))
	var rows [][]string
	for _, l := range r.Lost {
		rows = append(rows, []string{l.Key, l.Field, layout.Clip(string(l.Value), 24), l.Region, r.hours(l.At), l.By, l.Against,
			l.Place.String()})
	}
	p.table([]string{"key", "field", "value", "region", "at", "by", "against", "place"}, rows)
}

func (p *page) closing(r *Result) {
	if len(r.Handoffs) > 0 {
		p.Title("Handed over")
		for _, h := range r.Handoffs {
			p.Item(fmt.Sprintf("%s to %s: %s", r.hours(h.At), orNobody(h.Owner), h.What))
		}
	}
	if len(r.Findings) > 0 {
		p.Title("Findings")
		for _, f := range r.Findings {
			p.Item(fmt.Sprintf("%s, %s: %s", f.Code, plural(int(f.Count), "time"), report.Meaning(f.Code)))
			for _, x := range f.Examples[:min(len(f.Examples), 2)] {
				p.Under(x.String())
			}
		}
	}
	if len(r.Proposals) > 0 {
		p.Title("Proposed")
		for _, pr := range r.Proposals {
			where := ""
			if pr.Line > 0 {
				where = fmt.Sprintf("line %d: ", pr.Line)
			}
			p.Item(where + pr.Gap)
			p.Under(pr.Do)
		}
	}
}

func orNobody(owner string) string {
	if owner == "" {
		return "nobody"
	}
	return owner
}

// Comparison is one drill under several tables or scripts.
type Comparison struct {
	Schema  string    `json:"schema"` // "tiebreak.drills/v1"
	Results []*Result `json:"results"`
}

// Compare puts results side by side; the first is what the others are compared with.
func Compare(results ...*Result) *Comparison {
	return &Comparison{Schema: "tiebreak.drills/v1", Results: results}
}

// Different reports whether any result counts something else than the first.
func (c *Comparison) Different() bool {
	for _, r := range c.Results[min(1, len(c.Results)):] {
		for _, m := range measures {
			if r.Totals[m] != c.Results[0].Totals[m] {
				return true
			}
		}
		if !slices.Equal(r.Failed(), c.Results[0].Failed()) || !slices.Equal(r.Untried(), c.Results[0].Untried()) {
			return true
		}
	}
	return false
}

// Text writes the comparison for people: the counts side by side, then what failed under each.
func (c *Comparison) Text(w io.Writer) error { return c.write(w, false) }

// Markdown writes the same as [Comparison.Text] for where Markdown is read.
func (c *Comparison) Markdown(w io.Writer) error { return c.write(w, true) }

func (c *Comparison) write(w io.Writer, markdown bool) error {
	p := newPage(markdown)
	lettered := func(i int, text string) {
		if text = string('A'+rune(i%26)) + "  " + text; markdown {
			p.Item(text)
		} else {
			p.Line(text)
		}
	}
	heads := []string{""}
	for i, r := range c.Results {
		name := r.Name + ": "
		if r.Name == r.Script.File {
			name = ""
		}
		lettered(i, fmt.Sprintf("%s%s (%.8s), %s (%.8s)", name, r.Script.File, r.Script.Fingerprint, r.Table.File, r.Table.Fingerprint))
		heads = append(heads, ">"+string('A'+rune(i%26)))
	}
	p.Line("")
	row := func(name string, of func(*Result) string) []string {
		cells := []string{name}
		for _, r := range c.Results {
			cells = append(cells, of(r))
		}
		return cells
	}
	var rows [][]string
	for _, m := range measures {
		if slices.ContainsFunc(c.Results, func(r *Result) bool { return r.Totals[m] != 0 }) {
			rows = append(rows, row(string(m), func(r *Result) string { return figure(m, r.Totals[m]) }))
		}
	}
	rows = append(rows, row("failed", func(r *Result) string { return layout.Number(int64(len(r.Failed()))) }))
	if slices.ContainsFunc(c.Results, func(r *Result) bool { return len(r.Untried()) > 0 }) {
		rows = append(rows, row("untried", func(r *Result) string { return layout.Number(int64(len(r.Untried()))) }))
	}
	p.table(heads, rows)
	for i, r := range c.Results {
		for _, text := range slices.Concat(r.Failed(), r.Untried(), r.notes()) {
			p.Line("")
			lettered(i, text)
		}
	}
	return p.To(w)
}
