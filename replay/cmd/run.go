package cmd

import (
	"flag"
	"fmt"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

func (c *command) run(args []string) (int, error) {
	var in input
	var failOn, state, partial string
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	in.merging(fs)
	fs.IntVar(&in.worst, "worst", 10, "")
	fs.StringVar(&failOn, "fail-on", "", "")
	fs.StringVar(&state, "state", "", "")
	fs.StringVar(&partial, "partial", "", "")
	var err error
	if in.names, err = parse(fs, args); err != nil {
		return 0, err
	}
	if err := in.check(); err != nil {
		return 0, err
	}
	bounds, err := parseBounds(failOn, totalNames, nil)
	if err != nil {
		return 0, err
	}
	table, err := c.parseTable(&in)
	if err != nil {
		return 0, err
	}
	h, names, err := c.read(&in)
	if err != nil {
		return 0, err
	}
	defer h.Close()
	names = append(names, in.tables...)
	if partial != "" {
		if err := save(h, partial, names); err != nil {
			return 0, err
		}
	}
	r, err := runTo(h, table, in.options(), state, names)
	if err != nil {
		return 0, err
	}
	c.show.done()
	if in.json {
		err = report.JSON(c.out, r)
	} else {
		err = report.Run(c.out, r, func(key, field string) string { return in.again(table.File, key, field) })
	}
	if err != nil {
		return 0, err
	}
	status := exitDone
	for _, b := range bounds {
		if c.exceeded(b, r) {
			status = exitFound
		}
	}
	if c.aside(&in, r.Inputs) {
		status = exitTrouble
	}
	return status, nil
}

// runTo runs the history and writes the merged state to a file, when one is named.
func runTo(h *replay.History, table *merge.Table, opt replay.Options, file string, inputs []string) (*replay.Report, error) {
	if file == "" {
		r := h.Run(table, opt)
		return r, h.Err()
	}
	out, err := create(file, inputs)
	if err != nil {
		return nil, fmt.Errorf("write state: %w", err)
	}
	var line []byte
	opt.State = func(s replay.StateLine) {
		line = appendState(append(line[:0], '{'), &s)
		_, _ = out.Write(line) // commit returns its first error
	}
	r := h.Run(table, opt)
	if err := h.Err(); err != nil {
		out.discard()
		return nil, err
	}
	if err := out.commit(); err != nil {
		return nil, fmt.Errorf("write state: %w", err)
	}
	return r, nil
}

// appendState appends a cell of a state, from its key to the end of the line.
func appendState(line []byte, s *replay.StateLine) []byte {
	line = append(line, `"key":`...)
	line = append(value.AppendText(line, s.Key), `,"field":`...)
	line = append(value.AppendText(line, s.Field), `,"value":`...)
	line = append(append(line, s.Value...), `,"id":`...)
	line = append(value.AppendText(line, s.ID), `,"by":`...)
	return append(value.AppendText(line, s.By), "}\n"...)
}

// save writes the history as a partial.
func save(h *replay.History, file string, inputs []string) error {
	out, err := create(file, inputs)
	if err != nil {
		return fmt.Errorf("write partial: %w", err)
	}
	if err := h.Save(out); err != nil {
		out.discard()
		return fmt.Errorf("write partial: %w", err)
	}
	if err := out.commit(); err != nil {
		return fmt.Errorf("write partial: %w", err)
	}
	return nil
}
