package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// Diff writes what other tables would change against the first, for people: the lines that differ, and those that matched
// nothing; side by side the totals, what is lost by which line, and what is not found equally often; the fields that end
// differently. next is called with the number of a table, from 0, too.
func Diff(w io.Writer, d *replay.Diff, next func(table int, key, field string) string) error {
	return diff(&layout.Page{}, w, d, next)
}

// DiffMarkdown writes the same as [Diff] for where Markdown is read, as in the summary of a pull request.
func DiffMarkdown(w io.Writer, d *replay.Diff, next func(table int, key, field string) string) error {
	p := &layout.Page{Markdown: true}
	var others []string
	for i := range d.Others {
		others = append(others, name(d.Others[i].Report.Table.File))
	}
	p.Heading(list(others, "and") + " instead of " + name(d.Base.Table.File))
	return diff(p, w, d, next)
}

func diff(p *layout.Page, w io.Writer, d *replay.Diff, next func(table int, key, field string) string) error {
	partial(p, d.Base)
	for i, c := range d.Others {
		if i > 0 {
			p.Line("")
		}
		p.Verbatim("diff", lines(d.Base, &c)...)
	}
	if d.Base.Totals.Writes == 0 {
		p.Title(noWrite)
		return p.To(w)
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
		nextCommand(p, last)
	}
	return p.To(w)
}

// lines returns the lines in which two tables differ.
func lines(base *replay.Report, c *replay.Changes) []string {
	all := []string{"--- " + name(base.Table.File), "+++ " + name(c.Report.Table.File)}
	if len(c.Lines) == 0 {
		all = append(all, "    the two say the same")
	}
	for _, l := range c.Lines {
		sign, at := "-", ""
		if l.Added {
			sign = "+"
		}
		if l.Line > 0 {
			at = strconv.Itoa(l.Line)
		}
		all = append(all, fmt.Sprintf("%s%3s  %s", sign, at, l.Rule))
	}
	return all
}

// matchedNothing says which lines of the tables did.
func matchedNothing(p *layout.Page, d *replay.Diff) {
	first := true
	for _, r := range reports(d) {
		text := idle(r, name(r.Table.File))
		if text == "" {
			continue
		}
		if first {
			p.Line("")
			first = false
		}
		if p.Markdown {
			p.Note(text)
		} else {
			p.Wrapped("  ", "  ", text)
		}
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
func beside(d *replay.Diff, label layout.Column) layout.Table {
	tab := layout.Table{Columns: []layout.Column{label}}
	for _, r := range reports(d) {
		tab.Columns = append(tab.Columns, layout.Column{Head: ">" + name(r.Table.File), Least: 16})
	}
	return tab
}

func totals(p *layout.Page, d *replay.Diff) {
	tab := beside(d, layout.Column{})
	row := func(label string, of func(t *replay.Totals) string) {
		cells := []string{label}
		for _, r := range reports(d) {
			cells = append(cells, of(&r.Totals))
		}
		tab.Row(cells...)
	}
	row("conflicts", func(t *replay.Totals) string { return short(t.Conflicts) })
	row("kept", func(t *replay.Totals) string { return layout.Dashed(t.Kept) })
	row("combined", func(t *replay.Totals) string { return layout.Dashed(t.Combined) })
	row("overwritten", func(t *replay.Totals) string { return short(t.Overwritten) })
	row("LOST", func(t *replay.Totals) string { return short(t.Lost) })
	row("REFUSED", func(t *replay.Totals) string { return short(t.Refused) })
	row("not known", func(t *replay.Totals) string { return layout.Dashed(t.Unknown) })
	row("inversions", func(t *replay.Totals) string { return layout.Dashed(t.Inversions) })
	changed, refused := []string{"fields that end as another value", ""}, []string{"fields refused by one of the two", ""}
	for _, c := range d.Others {
		changed, refused = append(changed, layout.Dashed(c.Cells)), append(refused, layout.Dashed(c.Refused))
	}
	tab.Row(changed...)
	tab.Row(refused...)
	p.Line("")
	p.Table(&tab)
}

// losses writes what each line of the tables loses, or refuses, where that is not the same under all.
func losses(p *layout.Page, d *replay.Diff, title string, of func(*replay.RuleSum) replay.Count) {
	var rules []string
	for i := range d.Others {
		for _, l := range d.Others[i].Losses {
			if !slices.Contains(rules, l.Rule) {
				rules = append(rules, l.Rule)
			}
		}
	}
	tab := beside(d, layout.Column{Head: title, Least: 16})
	for _, rule := range rules {
		cells, counts := []string{rule}, []replay.Count{}
		for _, r := range reports(d) {
			if sum := r.Line(rule); sum == nil {
				cells, counts = append(cells, "no line"), append(counts, replay.Count{})
			} else {
				cells, counts = append(cells, short(of(sum))), append(counts, of(sum))
			}
		}
		if len(slices.Compact(counts)) > 1 {
			tab.Row(cells...)
		}
	}
	if len(tab.Rows) > 0 {
		p.Line("")
		p.Table(&tab)
	}
}

// found writes how often was found what is not found equally often under all tables.
func found(p *layout.Page, d *replay.Diff) {
	var codes []finding.Code
	for i := range d.Others {
		for _, f := range d.Others[i].Findings {
			codes = append(codes, f.Code)
		}
	}
	slices.SortFunc(codes, byImportance)
	tab := beside(d, layout.Column{Head: "Findings"})
	for _, code := range slices.Compact(codes) {
		cells := []string{string(code)}
		for _, r := range reports(d) {
			cells = append(cells, layout.Dashed(r.Found(code)))
		}
		tab.Row(cells...)
	}
	if len(tab.Rows) > 0 {
		p.Line("")
		p.Table(&tab)
	}
}

func endings(p *layout.Page, base *replay.Report, c *replay.Changes) {
	switch {
	case c.Differ == 0:
		p.Title("Nothing ends differently under " + name(c.Report.Table.File))
		return
	case len(c.Largest) == 0: // none are asked for, and the totals say how many there are
		return
	}
	p.Title("Ends differently under " + name(c.Report.Table.File))
	tab := layout.Table{Columns: []layout.Column{{Head: "key", Least: 16}, {Head: "field", Least: 10},
		{Head: name(base.Table.File), Least: 16}, {Head: name(c.Report.Table.File), Least: 16}}}
	for _, d := range c.Largest {
		tab.Row(name(d.Key), fieldName(d.Field), ending(&d.Base), ending(&d.Other))
	}
	p.Table(&tab)
	if more := c.Differ - int64(len(c.Largest)); more > 0 {
		p.Item("and " + layout.Number(more) + " more")
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
