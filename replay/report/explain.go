package report

import (
	"io"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// CodeList writes all codes in a line each, for people.
func CodeList(w io.Writer) error {
	p := &layout.Page{}
	p.Wrapped("", "", "The codes of findings, those first that a reader should see first. One that reading tells sets the record "+
		"aside: -tolerate takes those. A code never changes its meaning.")
	p.Line("")
	tab := layout.Table{Columns: []layout.Column{{Head: "code"}, {Head: "told by"}, {Head: "meaning"}}}
	for _, e := range explained {
		by := e.By.String()
		if by == "" {
			by = "-"
		}
		tab.Row(string(e.Code), by, e.Meaning)
	}
	p.Table(&tab)
	p.Title("What to do about one of them: tiebreak help " + string(finding.Inversion))
	return p.To(w)
}

// Text writes what there is to say of a code, for people.
func (e Explained) Text(w io.Writer) error {
	p := &layout.Page{}
	p.Line(string(e.Code) + ": " + e.Meaning)
	p.Line("")
	if e.By != 0 {
		p.Line("Told by: " + e.By.String())
	}
	switch {
	case e.By&ByReading != 0 && e.By&ByRun != 0:
		p.Wrapped("", "", "What a run tells of is counted. A record of which reading tells it is set aside: nothing else counts it, and the exit status is 2 "+
			"unless -tolerate names the code.")
	case e.By&ByReading != 0:
		p.Wrapped("", "", "The record is set aside: nothing else counts it, and the exit status is 2 unless -tolerate names the code.")
	}
	p.Wrapped("", "", e.Advice)
	return p.To(w)
}
