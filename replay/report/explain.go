package report

import (
	"io"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// CodeList writes all codes in a line each, for people.
func CodeList(w io.Writer) error {
	p := &page{}
	p.wrapped("", "", "The codes of findings, those first that a reader should see first. One that reading tells sets the record "+
		"aside: -tolerate takes those. A code never changes its meaning.")
	p.line("")
	tab := table{columns: []column{{head: "code", left: true}, {head: "told by", left: true}, {head: "meaning", left: true}}}
	for _, e := range explained {
		by := e.By.String()
		if by == "" {
			by = "-"
		}
		tab.row(string(e.Code), by, e.Meaning)
	}
	tab.write(p, "  ")
	p.line("\nWhat to do about one of them: tiebreak help %s", finding.Inversion)
	return p.to(w)
}

// Text writes what there is to say of a code, for people.
func (e Explained) Text(w io.Writer) error {
	p := &page{}
	p.line("%s: %s\n", e.Code, e.Meaning)
	if e.By != 0 {
		p.line("Told by: %s", e.By)
	}
	if e.By&ByReading != 0 {
		p.wrapped("", "", "The record is set aside: nothing else counts it, and the exit status is 2 unless -tolerate names the code.")
	}
	p.wrapped("", "", e.Advice)
	return p.to(w)
}
