package drill

import (
	"time"

	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// page is a report of a drill while it is written.
type page struct{ layout.Page }

func newPage(markdown bool) *page { return &page{layout.Page{Markdown: markdown}} }

// table writes rows in columns under [layout.Heads].
func (p *page) table(heads []string, rows [][]string) {
	p.Table(&layout.Table{Columns: layout.Heads(heads...), Rows: rows})
}

// filled writes a table without the columns that no row has something in.
func (p *page) filled(heads []string, rows [][]string) {
	columns := layout.Heads(heads...)
	for i := range columns {
		columns[i].Spare = true
	}
	p.Table(&layout.Table{Columns: columns, Rows: rows})
}

// hours writes a moment as a time of day when the drill is of one day.
func (r *Result) hours(m Moment) string {
	if m == 0 {
		return "never"
	}
	at := m.rounded()
	if first := time.Unix(0, int64(r.From)).UTC(); at.YearDay() == first.YearDay() && at.Year() == first.Year() {
		return at.Format("15:04:05.000")
	}
	return at.Format("2006-01-02 15:04:05.000")
}
