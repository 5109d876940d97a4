package cmd

import (
	"errors"
	"flag"
	"io"
	"slices"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

func (c *command) diff(args []string) (int, error) {
	var in input
	var failOn string
	fs := flag.NewFlagSet("diff", flag.ContinueOnError)
	in.replaying(fs)
	in.continuing(fs)
	fs.IntVar(&in.worst, "worst", 10, "")
	fs.StringVar(&failOn, "fail-on", "", "")
	var err error
	if in.names, err = parse(fs, args); err != nil {
		return 0, err
	}
	if err := in.check(); err != nil {
		return 0, err
	}
	if len(in.tables) < 2 {
		return 0, hinted{errors.New("nothing to compare"), "name the old table and then the new one: -rules old.tb -rules new.tb"}
	}
	bounds, err := parseBounds(failOn, totalNames, nil)
	if err != nil {
		return 0, err
	}
	if err := checkTold("diff", bounds, report.ByRun|report.ByReading); err != nil {
		return 0, err
	}
	if slices.ContainsFunc(bounds, func(b bound) bool { return b.word == string(finding.StaleRead) }) {
		return 0, hinted{errors.New("-fail-on: diff judges no reads"), "tiebreak run does"}
	}
	tables, err := c.parseTables(in.tables)
	if err != nil {
		return 0, err
	}
	h, _, err := c.read(&in)
	if err != nil {
		return 0, err
	}
	defer h.Close()
	c.interrupted(&in, h)
	d := h.Diff(tables, in.options())
	c.show.done()
	if err := h.Err(); err != nil {
		return 0, err
	}
	next := func(table int, key, field string) string { return in.again(in.tables[table], key, field) }
	if err := in.write(c.out, d,
		func(w io.Writer) error { return report.Diff(w, d, next) },
		func(w io.Writer) error { return report.DiffMarkdown(w, d, next) }); err != nil {
		return 0, err
	}
	status := exitDone
	last := d.Others[len(d.Others)-1].Report
	switch {
	case len(bounds) > 0:
	case d.Different():
		status = exitFound
	case last.Totals.Writes == 0:
		c.note("nothing was compared: no write was replayed")
		status = exitTrouble
	}
	for _, b := range bounds {
		if c.grew(b, d.Base, last) {
			status = max(status, exitFound)
		} else if why := unmeasured(b, last, &in, nil); why != "" {
			c.note("-fail-on %s: not measured: %s", b.text, why)
			status = exitTrouble
		}
	}
	if c.aside(&in, h.Inputs()) || h.Partial() {
		status = exitTrouble
	}
	return status, nil
}
