package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/layout"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// Next names the command to run next; it is what a text ends with. Nil ends it without.
type Next func(key, field string) string

// Run writes what a rule table would have done to a history, for people: counts first, then the rules, the worst cells,
// what was found, the reads, what is not known, and the next command. Reads that were not judged are nil.
func Run(w io.Writer, r *replay.Report, judged *reads.Report, next Next) error {
	return run(&layout.Page{}, w, r, judged, next)
}

// RunMarkdown writes the same as [Run] for where Markdown is read.
func RunMarkdown(w io.Writer, r *replay.Report, judged *reads.Report, next Next) error {
	return run(&layout.Page{Markdown: true}, w, r, judged, next)
}

func run(p *layout.Page, w io.Writer, r *replay.Report, judged *reads.Report, next Next) error {
	partial(p, r)
	records := int64(0)
	for _, in := range r.Inputs {
		records += in.Records()
	}
	p.Heading(fmt.Sprintf("%s (%.8s) over %s of %s", name(r.Table.File), r.Table.Fingerprint, layout.Plural(records, "record"),
		layout.Plural(int64(len(r.Inputs)), "input")))
	inputs(p, r)
	if r.Totals.Writes == 0 {
		p.Title(noWrite)
	} else {
		counts(p, r)
		decisions(p, r)
		late(p, r)
		rules(p, r)
		worst(p, r)
	}
	findings(p, r)
	readsOf(p, judged, next)
	notKnown(p, r, judged)
	if next != nil && len(r.Worst) > 0 {
		nextCommand(p, next(r.Worst[0].Key, r.Worst[0].Field))
	}
	return p.To(w)
}

// nextCommand writes the command to run next, which ends a page.
func nextCommand(p *layout.Page, command string) {
	if !p.Markdown {
		p.Line("")
	}
	p.Command("", "Next", command)
}

// noWrite stands in place of counts that say nothing: they would look like those of a day without a loss.
const noWrite = "No write was replayed: nothing is known of what the rules would do."

// partial says first of all that reading was interrupted, and how far it came.
func partial(p *layout.Page, r *replay.Report) {
	if !r.Partial {
		return
	}
	whole, part := 0, 0
	for _, in := range r.Inputs {
		switch in.Unread {
		case "":
			whole++
		case "rest":
			part++
		}
	}
	more := ""
	if part > 0 {
		more = fmt.Sprintf(" and a part of %d more", part)
	}
	p.Line(fmt.Sprintf("PARTIAL: interrupted after %d of %s%s: what follows is of what was read, and no more", whole,
		layout.Plural(int64(len(r.Inputs)), "input"), more))
	p.Line("")
}

// mostInputs is of how many inputs a text says what each held, and mostOfName how many columns of their names it shows: the last, for
// those tell apart.
const (
	mostInputs = 10
	mostOfName = 48
)

// inputs says what was read from where, when there are several: whether that is all of it should be looked at before the figures.
func inputs(p *layout.Page, r *replay.Report) {
	if len(r.Inputs) < 2 {
		return
	}
	p.Title("Inputs")
	tab := layout.Table{Columns: []layout.Column{{Head: "input", Least: 16}, {Head: "region", Least: 8, Spare: true}, {Head: ">writes"},
		{Head: ">reads", Spare: true}, {Head: ">snapshot rows", Spare: true}, {Head: ">arrivals", Spare: true}, {Head: ">repeated", Spare: true}, {Head: ">set aside", Spare: true},
		{Head: ">without origin", Spare: true}, {Head: ">of other regions", Spare: true}, {Head: "interrupted", Spare: true}}}
	for _, in := range r.Inputs[:min(len(r.Inputs), mostInputs)] {
		region, unread := "", ""
		if in.Region != "" {
			region = name(in.Region)
		}
		switch in.Unread {
		case "all":
			unread = "before it"
		case "rest":
			unread = "in it"
		}
		tab.Row(layout.ClipStart(name(in.Name), mostOfName), region, layout.Dashed(in.Writes), layout.Dashed(in.Reads), layout.Dashed(in.Snapshots), layout.Dashed(in.Arrivals),
			layout.Dashed(in.Repeated), layout.Dashed(in.SetAside), layout.Dashed(in.NoOrigin), layout.Dashed(in.Strange), unread)
	}
	p.Table(&tab)
	if more := int64(len(r.Inputs) - mostInputs); more > 0 {
		p.Item("and " + layout.Number(more) + " more")
	}
}

func counts(p *layout.Page, r *replay.Report) {
	t := &r.Totals
	tab := layout.Table{Columns: []layout.Column{{}, {Head: ">"}, {}}}
	if t.FieldWrites == t.Writes {
		tab.Row("writes", layout.Number(t.Writes), "to "+layout.Plural(t.Keys, "key")+", "+layout.Plural(t.Cells, "field")+" in all")
	} else {
		tab.Row("writes", layout.Number(t.Writes), "to "+layout.Plural(t.Keys, "key"))
		tab.Row("field writes", layout.Number(t.FieldWrites), "to "+layout.Plural(t.Cells, "field")+": what follows counts these")
	}
	some := func(label string, n int64, what string) {
		if n > 0 {
			tab.Row(label, layout.Number(n), what)
		}
	}
	some("delivered again", t.Duplicates, "and counted once")
	some("arrivals", t.Arrivals, "of these writes in the exports of other regions")
	tab.Row("conflicts", Between(t.Conflicts), "pairs of writes, neither of which had seen the other")
	if t.Conflicts.Max > 0 {
		tab.Row("in conflict", Between(t.Conflicting), "of the writes")
	}
	tab.Row("kept", layout.Number(t.Kept), "all replicas show them")
	some("combined", t.Combined, "live on together in the result")
	tab.Row("overwritten", Between(t.Overwritten), "by writes that had seen them: no loss")
	tab.Row("LOST", Between(t.Lost), "acknowledged, seen by nobody who replaced them, and gone")
	if t.Refused.Max > 0 {
		tab.Row("REFUSED", Between(t.Refused), "writes to critical keys that a quorum must decide between")
	}
	some("not known", t.Unknown, "in no least count above: nothing says which row has them")
	some("inversions", t.Inversions, "later writes that lost to one their writers had seen")
	some("diverged", t.Diverged, "fields end differently in the exports of two regions")
	p.Line("")
	p.Table(&tab)
}

// decisions says what decided against the losers, and how far that can be relied on.
func decisions(p *layout.Page, r *replay.Report) {
	d := r.Decided
	all := d.Rule + d.Version + d.Time + d.Node + d.Kind + d.Value
	if all == 0 {
		return
	}
	p.Title("Decided against what is lost, or perhaps lost, by")
	tab := layout.Table{Columns: []layout.Column{{}, {Head: ">"}, {}}}
	some := func(label string, n int64, what string) {
		if n > 0 {
			tab.Row(label, layout.Number(n), what)
		}
	}
	some("the rule", d.Rule, "its own order, before the ladder")
	tie := func(rung lww.Rung, what string) string {
		if r.Table.Ties(rung) {
			return what
		}
		return ""
	}
	some("version", d.Version, tie(lww.Version, "a tie up to the version"))
	toss := ""
	if d.Tosses > 0 {
		toss = layout.Plural(d.Tosses, "coin toss") + ": closer than the clocks of the two nodes differ, or at one time"
	}
	some("time", d.Time, toss)
	some("node", d.Node, tie(lww.Node, "a tie up to the declared order"))
	some("kind", d.Kind, "a tie: a delete beat a set")
	some("value", d.Value, "a tie up to the values themselves")
	p.Table(&tab)
	for _, s := range r.Skew[:min(len(r.Skew), 3)] {
		p.Item(fmt.Sprintf("clock of %s seen %s ahead of %s (%s)", name(s.Ahead), duration(s.Nanos), name(s.Behind), layout.Plural(s.Seen, "time")))
	}
}

// late says how long writes took to arrive.
func late(p *layout.Page, r *replay.Report) {
	if len(r.Late) == 0 {
		return
	}
	p.Title("Arrived, after they were written")
	tab := layout.Table{Columns: []layout.Column{{Head: "of", Least: 16}, {Head: "in", Least: 16}, {Head: ">writes"}, {Head: ">p50"}, {Head: ">p99"}, {Head: ">at most"}}}
	for _, l := range r.Late {
		tab.Row(name(l.From), name(l.In), layout.Number(l.Writes), about(time.Duration(l.P50)), about(time.Duration(l.P99)), about(time.Duration(l.Max)))
	}
	p.Table(&tab)
}

func rules(p *layout.Page, r *replay.Report) {
	p.Title("Rules")
	tab := layout.Table{Columns: []layout.Column{{Head: ">line"}, {Head: "rule", Least: 16}, {Head: ">fields"}, {Head: ">writes"},
		{Head: ">conflicts"}, {Head: ">combined", Spare: true}, {Head: ">lost"}, {Head: ">refused", Spare: true}}}
	for _, s := range r.Rules {
		tab.Row(strconv.Itoa(s.Line), s.Rule, layout.Dashed(s.Cells), layout.Dashed(s.Writes),
			short(s.Conflicts), layout.Dashed(s.Combined), short(s.Lost), short(s.Refused))
	}
	p.Table(&tab)
}

func worst(p *layout.Page, r *replay.Report) {
	if len(r.Worst) == 0 {
		return
	}
	p.Title("Worst")
	tab := layout.Table{Columns: []layout.Column{{Head: "key", Least: 16}, {Head: "field", Least: 10}, {Head: "rule", Least: 8},
		{Head: ">writes"}, {Head: ">conflicts"}, {Head: ">lost"}, {Head: ">refused", Spare: true}, {Head: "ends as", Least: 12}}}
	for _, c := range r.Worst {
		ends := shown(c.Value, layout.Width)
		if c.By != "" {
			ends += " by " + name(c.By)
		}
		tab.Row(name(c.Key), fieldName(c.Field), c.Rule, layout.Number(c.Writes), short(c.Conflicts), short(c.Lost), short(c.Refused), ends)
	}
	p.Table(&tab)
}

// findings writes each code with its first example, those first that a reader should see first.
func findings(p *layout.Page, r *replay.Report) {
	if len(r.Findings) == 0 {
		return
	}
	p.Title("Findings")
	list := slices.SortedFunc(slices.Values(r.Findings), func(a, b replay.Finding) int { return byImportance(a.Code, b.Code) })
	if p.Markdown {
		tab := layout.Table{Columns: []layout.Column{{Head: ">times"}, {Head: "code"}, {Head: "meaning"}, {Head: "the first", Spare: true}}}
		for _, f := range list {
			first := ""
			if !Normal(f.Code) && len(f.Examples) > 0 {
				first = example(f.Examples[0])
			}
			tab.Row(layout.Number(f.Count), string(f.Code), Meaning(f.Code), first)
		}
		p.Table(&tab)
		return
	}
	wide, digits := 0, 0
	for _, f := range list {
		wide, digits = max(wide, len(f.Code)), max(digits, len(layout.Number(f.Count)))
	}
	for _, f := range list {
		p.Line(fmt.Sprintf("  %*s  %-*s  %s", digits, layout.Number(f.Count), wide, f.Code, Meaning(f.Code)))
		if !Normal(f.Code) && len(f.Examples) > 0 {
			p.Wrapped("      ", "        ", example(f.Examples[0]))
		}
	}
}

// example says where something was found, and what.
func example(f finding.Finding) string {
	text := ""
	if f.Place != (finding.Place{}) {
		text = f.Place.String() + ": "
	}
	if f.Key != "" {
		text += cellName(f.Key, f.Field)
		if f.Detail != "" {
			text += ": "
		}
	}
	text += f.Detail
	return layout.Clip(layout.Printable(text), 3*layout.Width)
}

// notKnown says what the numbers can't tell.
func notKnown(p *layout.Page, r *replay.Report, judged *reads.Report) {
	var notes []string
	note := func(text string) { notes = append(notes, text) }
	regions, origins, strange := make(map[string]bool), int64(0), int64(0)
	var others []string
	for _, in := range r.Inputs {
		regions[in.Region], origins, strange = true, origins+in.Origins, strange+in.Strange
		others = append(others, in.Others...)
	}
	delete(regions, "")
	if empty := emptyRegions(r); len(empty) > 0 {
		note("The export of " + list(empty, "and") + " was read and holds nothing: what was written there, and what arrived, is not known.")
	}
	var told, untold int64
	for _, k := range r.Causality {
		if k.Source == replay.Unknown.String() {
			untold += k.Writes
		} else {
			told += k.Writes
		}
	}
	if untold > 0 {
		advice := "Name the region of each export with -region, or state the replication lag with -lag."
		switch {
		case len(regions) < 2:
		case origins > 0:
			advice = "Nothing says when the writes to these keys arrived in other regions: state the replication lag with -lag."
		default:
			advice = "An export in which no writes of another region stand doesn't say when they arrived: state the replication lag with -lag."
		}
		note("Nothing says what the writers of " + layout.Number(untold) + " of the " + layout.Plural(told+untold, "write") + " to keys of several or unnamed nodes had seen: " +
			"what turns on it is given as a range. " + advice)
		if len(regions) > 1 && r.Totals.Arrivals == 0 && origins == 0 {
			note("No write stands in the exports of two regions. Where each export holds its own region's writes alone, that is as it should be. Where it holds those of " +
				"all, as where a database replicates rows and names what arrives anew (CockroachDB, DynamoDB, PostgreSQL, MySQL), each write counts once in each: " +
				"name the column that tells where a write began with -origin.")
		}
	}
	for _, k := range r.Causality {
		if k.Source == replay.Lag.String() && k.Writes > 0 {
			note("What " + layout.Plural(k.Writes, "writer") + " had seen is taken from the stated lag, which is a guess about each.")
		}
	}
	if len(regions) > 1 && strange > 0 {
		slices.Sort(others)
		others = slices.Compact(others)
		where := namesOf(others)
		if len(others) >= history.MostOthers {
			where = "regions such as " + where
		}
		note(layout.Plural(strange, "row") + choose(strange == 1, " says that it was", " say that they were") + " written in " + where +
			", of which no export is read. Such a write counts once in each export that has it, and what its writer had seen and passed on is not known: " +
			"read the export of that region too, with -region, which names a region as that column spells it.")
	}
	for _, l := range r.Late {
		if l.Min < -int64(clock.DefaultMaxDrift) {
			note("By their clocks, a write of " + name(l.From) + " stands in the export of " + name(l.In) + " up to " + about(time.Duration(-l.Min)) +
				" before its own has it. Either the clocks differ by that, or a write in " + name(l.In) + " left the column that -origin names as it was: " +
				"then it counts as one of " + name(l.From) + ", and what is said of who had seen it is wrong.")
		}
	}
	var aside, snapshots, unjudged int64
	for _, in := range r.Inputs {
		aside, snapshots, unjudged = aside+in.SetAside, snapshots+in.Snapshots, unjudged+in.Reads
	}
	if judged != nil {
		unjudged -= judged.Reads
	}
	if aside > 0 {
		note(layout.Plural(aside, "record") + " could not be read and " + wasOrWere(aside) + " set aside: nothing here counts them.")
	}
	if snapshots > 0 {
		note(layout.Plural(snapshots, "snapshot row") + choose(snapshots == 1, " tells a state and not who wrote it: it was", " tell a state and not who wrote it: they were") + " not replayed.")
	}
	for _, f := range r.Findings {
		if f.Code == finding.CompactedWindow {
			note("An export tells the last write of a window only (" + layout.Plural(f.Count, "time") + "): what it replaced there is not known.")
		}
	}
	if unjudged > 0 {
		note(layout.Plural(unjudged, "read") + " " + wasOrWere(unjudged) + " counted and not judged.")
	}
	if judged != nil {
		for _, text := range ReadsUntold(judged) {
			note(text)
		}
	}
	if ties := r.Decided.Kind + r.Decided.Value; ties > 0 && len(r.Table.Nodes) == 0 {
		note("The table has no nodes line, so " + layout.Plural(ties, "tie") + " went to what was written and not to a node: begin it with nodes A < B < C, the last one wins.")
	}
	if text := idle(r, "the table"); text != "" && r.Totals.Writes > 0 {
		note(text)
	}
	for _, c := range r.Checks {
		if r.Totals.Writes == 0 {
			break
		}
		switch text := "Line " + strconv.Itoa(c.Line) + " of the table, " + c.Check + ", "; {
		case c.TwoKinds > 0:
			note(text + "could not be tried " + layout.Plural(c.TwoKinds, "time") + ", for the values are of different kinds: a number in quotes is a text.")
		case c.Tried == 0:
			note(text + "was never tried: no record has what it asks for.")
		}
	}
	if len(notes) == 0 {
		return
	}
	p.Title("Not known")
	for _, text := range notes {
		p.Note(text)
	}
}

// emptyRegions returns the regions whose exports were read to the end and hold nothing.
func emptyRegions(r *replay.Report) []string {
	held := make(map[string]bool)
	for _, in := range r.Inputs {
		if in.Region != "" {
			held[in.Region] = held[in.Region] || in.Records() > 0 || in.Unread != ""
		}
	}
	var empty []string
	for _, region := range slices.Sorted(maps.Keys(held)) {
		if !held[region] {
			empty = append(empty, name(region))
		}
	}
	return empty
}

// idle says which lines of a table matched nothing; "" when all did something.
func idle(r *replay.Report, table string) string {
	var lines []string
	for _, s := range r.Rules {
		if s.Cells == 0 {
			lines = append(lines, strconv.Itoa(s.Line))
		}
	}
	switch len(lines) {
	case 0:
		return ""
	case 1:
		return "Line " + lines[0] + " of " + table + " matched nothing in this history: it was not tried."
	}
	return "Lines " + list(lines, "and") + " of " + table + " matched nothing in this history: they were not tried."
}

func wasOrWere(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
