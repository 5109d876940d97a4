package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Width is how many columns a report in text takes. Commands that it ends with may be longer, so that they can be copied.
const Width = 100

// page is a text while it is written.
type page struct {
	bytes.Buffer
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// title begins a section.
func (p *page) title(text string) { p.line("\n%s", text) }

// wrapped writes a text after a first indent, and goes on under another where it is longer than a line.
func (p *page) wrapped(first, next, text string) {
	indent, room := first, Width-Columns(first)
	var line []string
	flush := func() {
		p.line("%s%s", indent, strings.Join(line, " "))
		indent, room, line = next, Width-Columns(next), line[:0]
	}
	for word := range strings.SplitSeq(text, " ") {
		if n := Columns(word); len(line) > 0 && room < n+1 {
			flush()
			room -= n
		} else {
			room -= n + min(len(line), 1)
		}
		line = append(line, word)
	}
	flush()
}

// to writes the page.
func (p *page) to(w io.Writer) error {
	_, err := w.Write(p.Bytes())
	return err
}

// table is rows in columns.
type table struct {
	columns []column
	rows    [][]string
}

// column of a table.
type column struct {
	head  string
	left  bool // texts; numbers stand right
	least int  // columns that it may be clipped to where the table is too wide; 0 for a column that may not
	spare bool // it is left out where every row has a dash
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// write writes the table under an indent, clipped where it would be wider than a page.
func (t *table) write(p *page, indent string) {
	widths := make([]int, len(t.columns))
	total := Columns(indent) - 2
	for c, col := range t.columns {
		if col.spare && !slices.ContainsFunc(t.rows, func(row []string) bool { return row[c] != "-" }) {
			continue
		}
		widths[c] = Columns(col.head)
		for _, row := range t.rows {
			widths[c] = max(widths[c], Columns(row[c]))
		}
		total += widths[c] + 2
	}
	for total > Width {
		widest := -1
		for c, col := range t.columns {
			if col.least > 0 && widths[c] > col.least && (widest < 0 || widths[c] > widths[widest]) {
				widest = c
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	heads := make([]string, len(t.columns))
	for c, col := range t.columns {
		heads[c] = col.head
	}
	rows := t.rows
	if slices.ContainsFunc(heads, func(h string) bool { return h != "" }) {
		rows = slices.Insert(slices.Clone(t.rows), 0, heads)
	}
	for _, row := range rows {
		var b strings.Builder
		for c, text := range row {
			if widths[c] == 0 {
				continue
			}
			text = Clip(text, widths[c])
			pad := strings.Repeat(" ", widths[c]-Columns(text))
			if b.Len() > 0 {
				b.WriteString("  ")
			}
			if t.columns[c].left {
				b.WriteString(text + pad)
			} else {
				b.WriteString(pad + text)
			}
		}
		p.line("%s%s", indent, strings.TrimRight(b.String(), " "))
	}
}
