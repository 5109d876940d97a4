package cmd

import (
	"errors"
	"flag"

	"github.com/tiebreakhq/tiebreak/replay/report"
)

func (c *command) why(args []string) (int, error) {
	var in input
	var field string
	fs := flag.NewFlagSet("why", flag.ContinueOnError)
	in.merging(fs)
	fs.StringVar(&field, "field", "", "")
	rest, err := parse(fs, args)
	if err != nil {
		return 0, err
	}
	if len(rest) == 0 {
		return 0, hinted{errors.New("no key"), "tiebreak why -rules FILE KEY HISTORY..."}
	}
	key := rest[0]
	in.names = rest[1:]
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
	var only *string
	fs.Visit(func(f *flag.Flag) {
		if f.Name == "field" {
			only = &field
		}
	})
	story, err := h.Why(table, key, only, in.options())
	if err != nil {
		return 0, err
	}
	c.show.done()
	if in.json {
		err = report.JSON(c.out, story)
	} else {
		err = report.Why(c.out, story, in.command(append([]string{"tiebreak", "diff", "-rules", table.File, "-rules", "changed.tb"}, in.flags()...)))
	}
	if err != nil {
		return 0, err
	}
	if c.aside(&in, h.Inputs()) {
		return exitTrouble, nil
	}
	return exitDone, nil
}
