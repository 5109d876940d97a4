package cmd

import (
	"errors"
	"flag"

	"github.com/tiebreakhq/tiebreak/replay/report"
)

func (c *command) diff(args []string) (int, error) {
	var in input
	fs := flag.NewFlagSet("diff", flag.ContinueOnError)
	in.replaying(fs)
	in.continuing(fs)
	fs.IntVar(&in.worst, "worst", 10, "")
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
	if in.json {
		err = report.JSON(c.out, d)
	} else {
		err = report.Diff(c.out, d, func(table int, key, field string) string { return in.again(in.tables[table], key, field) })
	}
	if err != nil {
		return 0, err
	}
	switch {
	case c.aside(&in, h.Inputs()), h.Partial():
		return exitTrouble, nil
	case d.Different():
		return exitFound, nil
	}
	return exitDone, nil
}
