package layout

import (
	"slices"
	"strings"
)

// Table is rows in columns.
type Table struct {
	Columns []Column
	Rows    [][]string
}

// Column of a [Table].
type Column struct {
	Head  string // one that begins with ">" stands right, and all below it
	Spare bool   // it is left out where every row has a dash or nothing
	Least int    // in text, columns that it may be clipped to where the table is wider than a page; 0 when it may not
	Most  int    // in text, columns that no cell is wider than; 0 for any
}

// mostColumns is the Most of columns that [Heads] returns.
const mostColumns = 72

// Heads returns columns of these heads that are clipped where a cell is very long.
func Heads(heads ...string) []Column {
	columns := make([]Column, len(heads))
	for i, h := range heads {
		columns[i] = Column{Head: h, Most: mostColumns}
	}
	return columns
}

// Row adds a row.
func (t *Table) Row(cells ...string) { t.Rows = append(t.Rows, cells) }

// Table writes a table, without a row of heads where no column has one.
func (p *Page) Table(t *Table) {
	var used []int
	for c, col := range t.Columns {
		if !col.Spare || slices.ContainsFunc(t.Rows, func(row []string) bool { return row[c] != "-" && row[c] != "" }) {
			used = append(used, c)
		}
	}
	right := make([]bool, len(t.Columns))
	heads := make([]string, len(t.Columns))
	headed := false
	for c, col := range t.Columns {
		heads[c], right[c] = strings.CutPrefix(col.Head, ">")
		headed = headed || heads[c] != ""
	}
	if p.Markdown {
		p.markdownTable(t, used, heads, right)
		return
	}
	var rows [][]string
	if headed {
		rows = append(rows, heads)
	}
	widths := make([]int, len(t.Columns))
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for _, c := range used {
			if cells[c] = p.safe(row[c]); t.Columns[c].Most > 0 {
				cells[c] = Clip(cells[c], t.Columns[c].Most)
			}
		}
		rows = append(rows, cells)
	}
	total := 0
	for _, c := range used {
		for _, row := range rows {
			widths[c] = max(widths[c], Columns(row[c]))
		}
		total += 2 + widths[c]
	}
	t.shrink(widths, used, total)
	for _, row := range rows {
		var b strings.Builder
		for _, c := range used {
			text := Clip(row[c], widths[c])
			pad := strings.Repeat(" ", widths[c]-Columns(text))
			if right[c] {
				text, pad = pad, text
			}
			b.WriteString("  ")
			b.WriteString(text)
			b.WriteString(pad)
		}
		p.write(strings.TrimRight(b.String(), " "))
	}
}

// shrink takes from the widest columns that may be clipped until the table is no wider than a page.
func (t *Table) shrink(widths, used []int, total int) {
	for ; total > Width; total-- {
		widest := -1
		for _, c := range used {
			if least := t.Columns[c].Least; least > 0 && widths[c] > least && (widest < 0 || widths[c] > widths[widest]) {
				widest = c
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

func (p *Page) markdownTable(t *Table, used []int, heads []string, right []bool) {
	row := func(cell func(c int) string) {
		for _, c := range used {
			p.b.WriteString("| ")
			p.b.WriteString(cell(c))
			p.b.WriteByte(' ')
		}
		p.write("|")
	}
	row(func(c int) string { return p.safe(heads[c]) })
	row(func(c int) string {
		if right[c] {
			return "---:"
		}
		return "---"
	})
	for _, cells := range t.Rows {
		row(func(c int) string { return p.safe(cells[c]) })
	}
}
