package cmd

import (
	"flag"
	"slices"

	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

func (c *command) laws(args []string) (int, error) {
	var in input
	fs := flag.NewFlagSet("laws", flag.ContinueOnError)
	in.replaying(fs)
	var err error
	if in.names, err = parse(fs, args); err != nil {
		return 0, err
	}
	if err := in.check(); err != nil {
		return 0, err
	}
	table, err := c.parseTable(&in)
	if err != nil {
		return 0, err
	}
	h, _, err := c.read(&in)
	if err != nil {
		return 0, err
	}
	defer h.Close()
	l := h.Laws(table, in.options())
	c.show.done()
	if err := h.Err(); err != nil {
		return 0, err
	}
	if in.json {
		err = report.JSON(c.out, l)
	} else {
		err = report.Laws(c.out, l)
	}
	if err != nil {
		return 0, err
	}
	tried := slices.ContainsFunc(l.Rules, func(r replay.LawRule) bool { return r.Tried > 0 })
	if !tried {
		c.note("no law was tried: no field has two writes")
	}
	switch {
	case c.aside(&in, h.Inputs()), !tried:
		return exitTrouble, nil
	case l.Broken():
		return exitFound, nil
	}
	return exitDone, nil
}
