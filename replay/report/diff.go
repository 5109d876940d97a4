package report

import (
	"io"
	"strconv"

	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
)

// Diff writes what other tables would change against the first, for people: the lines that differ, the totals side by
// side, the fields that end differently. next is called with the number of a table, from 0, too.
func Diff(w io.Writer, d *replay.Diff, next func(table int, key, field string) string) error {
	p := &page{}
	partial(p, d.Base)
	for i, c := range d.Others {
		if i > 0 {
			p.line("")
		}
		lines(p, d.Base, &c)
	}
	totals(p, d)
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

func totals(p *page, d *replay.Diff) {
	tab := table{columns: []column{{left: true}, {head: name(d.Base.Table.File), least: 16}}}
	reports := []*replay.Report{d.Base}
	for _, c := range d.Others {
		tab.columns = append(tab.columns, column{head: name(c.Report.Table.File), least: 16})
		reports = append(reports, c.Report)
	}
	row := func(label string, of func(t *replay.Totals) string) {
		cells := []string{label}
		for _, r := range reports {
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

func endings(p *page, base *replay.Report, c *replay.Changes) {
	if len(c.Largest) == 0 {
		p.title("Nothing ends differently under " + name(c.Report.Table.File))
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
