package drill

import (
	"encoding/xml"
	"fmt"
	"io"
	"time"

	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// junitSuites, junitSuite and junitCase are what servers that run checks read of a report of JUnit.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr,omitempty"`
	Line    int           `xml:"line,attr,omitempty"`
	Time    string        `xml:"time,attr,omitempty"` // in seconds of the drill
	Failure *junitFailure `xml:"failure"`
	Skipped *junitSkipped `xml:"skipped"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"` // the same, for servers that show this
}

// JUnit writes the checks and timers of drills in the XML of JUnit, each drill as a suite. That the regions agree at the
// end is a case too, so is that nothing was set aside ([Result.Aside]), and so is each of [Result.Bounds]. A timer that never ran is skipped, and so is what could measure nothing:
// nothing is known to be broken, and nothing to hold. The exit status of the command is trouble then.
func JUnit(w io.Writer, results ...*Result) error {
	var all junitSuites
	for _, r := range results {
		s := r.suite()
		all.Tests, all.Failures, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Skipped+s.Skipped
		all.Suites = append(all.Suites, s)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	_, err = io.WriteString(w, xml.Header+string(text)+"\n")
	return err
}

func (r *Result) suite() junitSuite {
	s := junitSuite{Name: layout.Printable(fmt.Sprintf("%s, %s", r.Name, r.Table.File))}
	file := layout.Printable(r.Script.File)
	add := func(name string, line int, took time.Duration, skipped, failure string) {
		c := junitCase{Name: layout.Printable(name), Class: s.Name, File: file, Line: line}
		if took > 0 {
			c.Time = fmt.Sprintf("%.3f", round(int64(took)).Seconds())
		}
		switch {
		case skipped != "":
			c.Skipped = &junitSkipped{layout.Printable(skipped)}
			s.Skipped++
		case failure != "":
			failure = layout.Printable(failure)
			c.Failure = &junitFailure{failure, failure}
			s.Failures++
		}
		s.Tests++
		s.Cases = append(s.Cases, c)
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		failure := ""
		if !c.Passed {
			failure = c.failure()
		}
		add(c.Check, c.Line, 0, c.Untried, failure)
	}
	for _, t := range r.Timers {
		failure, skipped := "", t.Untried
		if !t.Met {
			failure = fmt.Sprintf("missed at %s", t.Deadline)
		}
		name := t.Timer
		if t.Ran {
			name += ", from " + t.Began.String()
		} else {
			skipped = "it never ran"
		}
		add(name, t.Line, t.Took, skipped, failure)
	}
	failure := ""
	switch {
	case r.Mixed:
		failure = "regions run different rule tables"
	case !r.Converged:
		failure = "some accepted writes are not in every region"
	case r.Apart > 0:
		failure = fmt.Sprintf("%s fields differ between regions that have all writes", layout.Number(r.Apart))
	}
	add("the regions agree at the end", 0, 0, "", failure)
	file = "" // no script has the rest
	add("every record of the history was read", 0, 0, "", r.Aside)
	for _, b := range r.Bounds {
		failure, skipped := "", ""
		switch {
		case b.Exceeded:
			failure = "it was " + b.Measure.Text(b.Value)
		case b.Unmeasured != "":
			skipped = "not measured: " + b.Unmeasured
		}
		add("-fail-on "+b.Bound, 0, 0, skipped, failure)
	}
	return s
}
