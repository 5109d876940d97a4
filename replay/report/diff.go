package report

import (
	"io"
	"slices"
	"strconv"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
)

// Diff writes what other tables would change against the first, for people: the lines that differ, and those that matched
// nothing; side by side the totals, what is lost by which line, and what is not found equally often; the fields that end
// differently. next is called with the number of a table, from 0, too.
func Diff(w io.Writer, d *replay.Diff, next func(table int, key, field string) string) error {
	p := &page{}
	partial(p, d.Base)
	for i, c := range d.Others {
		if i > 0 {
			p.line("")
		}
		lines(p, d.Base, &c)
	}
	if d.Base.Totals.Writes == 0 {
		p.title(noWrite)
		return p.to(w)
	}
	matchedNothing(p, d)
	totals(p, d)
	losses(p, d, "Lost by line", func(s *replay.RuleSum) replay.Count { return s.Lost })
	losses(p, d, "Refused by line", func(s *replay.RuleSum) replay.Count { return s.Refused })
	found(p, d)
	last := ""
	for i, c := range d.Others {
		endings(p, d.Base, &c)
		if last == "" && next != nil && len(c.Largest) > 0 {
			last = next(i+1, c.Largest[0].Key, c.Largest[0].Field)
		}
	}
	if last != "" {
		p.line("\nNext: %s", last)
	}
	return p.to(w)
}

func lines(p *page, base *replay.Report, c *replay.Changes) {
	p.line("--- %s", name(base.Table.File))
	p.line("+++ %s", name(c.Report.Table.File))
	if len(c.Lines) == 0 {
		p.line("    the two say the same")
	}
	for _, l := range c.Lines {
		sign, at := "-", ""
		if l.Added {
			sign = "+"
		}
		if l.Line > 0 {
			at = strconv.Itoa(l.Line)
		}
		p.line("%s%3s  %s", sign, at, Printable(l.Rule))
	}
}

// matchedNothing says which lines of the tables did.
func matchedNothing(p *page, d *replay.Diff) {
	first := true
	for _, r := range reports(d) {
		text := idle(r, name(r.Table.File))
		if text == "" {
			continue
		}
		if first {
			p.line("")
			first = false
		}
		p.wrapped("  ", "  ", text)
	}
}

// reports returns the reports of the tables, the base first.
func reports(d *replay.Diff) []*replay.Report {
	all := []*replay.Report{d.Base}
	for i := range d.Others {
		all = append(all, d.Others[i].Report)
	}
	return all
}

// beside returns an empty table that has a column for each of the rule tables, after one of labels.
func beside(d *replay.Diff, label column) table {
	label.left = true
	tab := table{columns: []column{label}}
	for _, r := range reports(d) {
		tab.columns = append(tab.columns, column{head: name(r.Table.File), least: 16})
	}
	return tab
}

func totals(p *page, d *replay.Diff) {
	tab := beside(d, column{})
	row := func(label string, of func(t *replay.Totals) string) {
		cells := []string{label}
		for _, r := range reports(d) {
			cells = append(cells, of(&r.Totals))
		}
		tab.row(cells...)
	}
	row("conflicts", func(t *replay.Totals) string { return short(t.Conflicts) })
	row("kept", func(t *replay.Totals) string { return dashed(t.Kept) })
	row("combined", func(t *replay.Totals) string { return dashed(t.Combined) })
	row("overwritten", func(t *replay.Totals) string { return short(t.Overwritten) })
	row("LOST", func(t *replay.Totals) string { return short(t.Lost) })
	row("REFUSED", func(t *replay.Totals) string { return short(t.Refused) })
	row("not known", func(t *replay.Totals) string { return dashed(t.Unknown) })
	row("inversions", func(t *replay.Totals) string { return dashed(t.Inversions) })
	changed, refused := []string{"fields that end as another value", ""}, []string{"fields refused by one of the two", ""}
	for _, c := range d.Others {
		changed, refused = append(changed, dashed(c.Cells)), append(refused, dashed(c.Refused))
	}
	tab.row(changed...)
	tab.row(refused...)
	p.line("")
	tab.write(p, "  ")
}

// losses writes what each line of the tables loses, or refuses, where that is not the same under all.
func losses(p *page, d *replay.Diff, title string, of func(*replay.RuleSum) replay.Count) {
	var rules []string
	for i := range d.Others {
		for _, l := range d.Others[i].Losses {
			if !slices.Contains(rules, l.Rule) {
				rules = append(rules, l.Rule)
			}
		}
	}
	tab := beside(d, column{head: title, least: 16})
	for _, rule := range rules {
		cells, counts := []string{Printable(rule)}, []replay.Count{}
		for _, r := range reports(d) {
			if sum := r.Line(rule); sum == nil {
				cells, counts = append(cells, "no line"), append(counts, replay.Count{})
			} else {
				cells, counts = append(cells, short(of(sum))), append(counts, of(sum))
			}
		}
		if len(slices.Compact(counts)) > 1 {
			tab.row(cells...)
		}
	}
	if len(tab.rows) > 0 {
		p.line("")
		tab.write(p, "  ")
	}
}

// found writes how often was found what is not found equally often under all tables.
func found(p *page, d *replay.Diff) {
	var codes []finding.Code
	for i := range d.Others {
		for _, f := range d.Others[i].Findings {
			codes = append(codes, f.Code)
		}
	}
	slices.SortFunc(codes, byImportance)
	tab := beside(d, column{head: "Findings"})
	for _, code := range slices.Compact(codes) {
		cells := []string{Printable(string(code))}
		for _, r := range reports(d) {
			cells = append(cells, dashed(r.Found(code)))
		}
		tab.row(cells...)
	}
	if len(tab.rows) > 0 {
		p.line("")
		tab.write(p, "  ")
	}
}

func endings(p *page, base *replay.Report, c *replay.Changes) {
	switch {
	case c.Differ == 0:
		p.title("Nothing ends differently under " + name(c.Report.Table.File))
		return
	case len(c.Largest) == 0: // none are asked for, and the totals say how many there are
		return
	}
	p.title("Ends differently under " + name(c.Report.Table.File))
	tab := table{columns: []column{{head: "key", left: true, least: 16}, {head: "field", left: true, least: 10},
		{head: name(base.Table.File), left: true, least: 16}, {head: name(c.Report.Table.File), left: true, least: 16}}}
	for _, d := range c.Largest {
		tab.row(name(d.Key), fieldName(d.Field), ending(&d.Base), ending(&d.Other))
	}
	tab.write(p, "  ")
	if more := c.Differ - int64(len(c.Largest)); more > 0 {
		p.line("  and %s more", number(more))
	}
}

func ending(e *replay.Ending) string {
	text := "(nothing)"
	if e.Value != value.Value("") {
		text = shown(e.Value, 60)
	}
	if e.By != "" {
		text += " by " + name(e.By)
	}
	if e.Refused {
		text += ", refused"
	}
	return text
}
