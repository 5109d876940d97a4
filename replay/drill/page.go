package drill

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/replay/report"
)

// page is a report while it is written: as text, or as Markdown. What comes from data is escaped for either.
type page struct {
	strings.Builder
	markdown bool
}

// safe escapes a text for where it is written.
func (p *page) safe(s string) string {
	s = report.Printable(s)
	if !p.markdown {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_[]<>|#~&!", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// heading writes the title of the page.
func (p *page) heading(text string) {
	if p.markdown {
		p.line("# %s\n", p.safe(text))
		return
	}
	p.line("%s", p.safe(text))
}

// title begins a section.
func (p *page) title(text string) {
	if p.markdown {
		p.line("\n## %s\n", p.safe(text))
		return
	}
	p.line("\n%s", p.safe(text))
}

// item writes one item of a list.
func (p *page) item(text string) {
	mark := "  "
	if p.markdown {
		mark = "- "
	}
	p.line("%s%s", mark, p.safe(text))
}

// table writes rows in columns; those whose head begins with ">" stand right.
func (p *page) table(heads []string, rows [][]string) {
	if p.markdown {
		cells := func(row []string) string { return "| " + strings.Join(row, " | ") + " |" }
		names, marks := make([]string, len(heads)), make([]string, len(heads))
		for i, h := range heads {
			name, right := strings.CutPrefix(h, ">")
			names[i], marks[i] = p.safe(name), "---"
			if right {
				marks[i] = "---:"
			}
		}
		p.line("%s\n%s", cells(names), cells(marks))
		for _, row := range rows {
			safe := make([]string, len(row))
			for i, c := range row {
				safe[i] = p.safe(c)
			}
			p.line("%s", cells(safe))
		}
		return
	}
	widths := make([]int, len(heads))
	all := [][]string{make([]string, len(heads))}
	headed := false
	for i, h := range heads {
		all[0][i] = strings.TrimPrefix(h, ">")
		headed = headed || all[0][i] != ""
	}
	if !headed {
		all = nil
	}
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, c := range row {
			safe[i] = report.Clip(p.safe(c), maxCell)
		}
		all = append(all, safe)
	}
	for _, row := range all {
		for i, c := range row {
			widths[i] = max(widths[i], report.Columns(c))
		}
	}
	for _, row := range all {
		var b strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-report.Columns(c))
			if b.Len() > 0 || i > 0 {
				b.WriteString("  ")
			}
			if strings.HasPrefix(heads[i], ">") {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
		}
		p.line("  %s", strings.TrimRight(b.String(), " "))
	}
}

// filled writes a table without the columns that no row has something in.
func (p *page) filled(heads []string, rows [][]string) {
	for i := len(heads) - 1; i >= 0; i-- {
		if slices.ContainsFunc(rows, func(row []string) bool { return row[i] != "" }) {
			continue
		}
		heads = slices.Delete(heads, i, i+1)
		for j := range rows {
			rows[j] = slices.Delete(rows[j], i, i+1)
		}
	}
	p.table(heads, rows)
}

// maxCell is how many columns a cell of a table in text may have.
const maxCell = 72

func (p *page) to(w io.Writer) error {
	_, err := io.WriteString(w, p.String())
	return err
}

// number writes 1234567 as 1,234,567.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

func dashed(n int64) string {
	if n == 0 {
		return "-"
	}
	return number(n)
}

// hours writes a moment as a time of day when the drill is of one day.
func (r *Result) hours(m Moment) string {
	if m == 0 {
		return "never"
	}
	at := time.Unix(0, int64(m)).UTC().Round(time.Millisecond) // as durations are
	if first := time.Unix(0, int64(r.From)).UTC(); at.YearDay() == first.YearDay() && at.Year() == first.Year() {
		return at.Format("15:04:05.000")
	}
	return at.Format("2006-01-02 15:04:05.000")
}
