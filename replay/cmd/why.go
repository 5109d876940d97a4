package cmd

import (
	"errors"
	"flag"
	"os"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

func (c *command) why(args []string) (int, error) {
	var in input
	var field string
	fs := flag.NewFlagSet("why", flag.ContinueOnError)
	in.replaying(fs)
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
	var only *string
	fs.Visit(func(f *flag.Flag) {
		if f.Name == "field" {
			only = &field
		}
	})
	about := replay.About{Key: key}
	once := in.once()
	if !once {
		in.exclude = about.Exclude
	}
	h, story, err := c.story(&in, table, key, only)
	if err == nil && !about.Enough() {
		_ = h.Close()
		h, story, err = c.story(&in, table, key, only)
	}
	if errors.Is(err, replay.ErrNoKey) && !once {
		in.exclude = nil // and read again, to name the nearest key that there is
		h, story, err = c.story(&in, table, key, only)
	}
	if errors.Is(err, os.ErrNotExist) {
		if _, file := os.Stat(key); file == nil {
			err = hinted{err, "the key stands before the histories: tiebreak why -rules FILE KEY HISTORY..."}
		}
	}
	if err != nil {
		return 0, err
	}
	defer h.Close()
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

// story reads the history and tells the story of a key.
func (c *command) story(in *input, table *merge.Table, key string, field *string) (*replay.History, *replay.Story, error) {
	h, _, err := c.read(in)
	if err != nil {
		return nil, nil, err
	}
	story, err := h.Why(table, key, field, in.options())
	if err != nil {
		_ = h.Close()
		return nil, nil, err
	}
	return h, story, nil
}
