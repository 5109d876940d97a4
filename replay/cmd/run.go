package cmd

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/reads"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

func (c *command) run(args []string) (int, error) {
	var in input
	var failOn, state, partial, want string
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	in.replaying(fs)
	in.continuing(fs)
	fs.IntVar(&in.worst, "worst", 10, "")
	fs.StringVar(&failOn, "fail-on", "", "")
	fs.StringVar(&state, "state", "", "")
	fs.StringVar(&partial, "partial", "", "")
	fs.StringVar(&want, "want", "", "")
	var err error
	if in.names, err = parse(fs, args); err != nil {
		return 0, err
	}
	if err := in.check(); err != nil {
		return 0, err
	}
	if err := apart(state, partial); err != nil {
		return 0, err
	}
	bounds, err := parseBounds(failOn, totalNames, nil)
	if err != nil {
		return 0, err
	}
	if err := checkTold("run", bounds, report.ByRun|report.ByReading); err != nil {
		return 0, err
	}
	var promise func(string) reads.Level
	if want != "" {
		level, err := reads.ParseLevel(want)
		if err != nil {
			return 0, fmt.Errorf("-want: %w", err)
		}
		promise = func(string) reads.Level { return level }
	}
	table, err := c.parseTable(&in)
	if err != nil {
		return 0, err
	}
	in.reads = true
	h, names, err := c.read(&in)
	if err != nil {
		return 0, err
	}
	defer h.Close()
	names = append(names, in.tables...)
	if c.interrupted(&in, h, state, partial) {
		state, partial = "", ""
	}
	if partial != "" {
		if err := save(h, partial, names); err != nil {
			return 0, err
		}
	}
	r, err := runTo(h, table, in.options(), state, names)
	if err != nil {
		return 0, err
	}
	if h.Reads() > 0 {
		in.memory.raise()
	}
	judged, err := judge(h, table, &in, promise, r)
	if err != nil {
		return 0, err
	}
	if judged != nil {
		addStale(r, judged)
	}
	c.show.done()
	next := func(key, field string) string { return in.again(table.File, key, field) }
	if err := in.write(c.out, withReads{r, judged},
		func(w io.Writer) error { return report.Run(w, r, judged, next) },
		func(w io.Writer) error { return report.RunMarkdown(w, r, judged, next) }); err != nil {
		return 0, err
	}
	status := exitDone
	for _, b := range bounds {
		if c.exceeded(b, r) {
			status = max(status, exitFound)
		} else if why := unmeasured(b, r, &in, judged); why != "" {
			c.note("-fail-on %s: not measured: %s", b.text, why)
			status = exitTrouble
		}
	}
	if c.aside(&in, r.Inputs) || r.Partial {
		status = exitTrouble
	}
	return status, nil
}

// withReads is a report and, when the history has reads, what they were.
type withReads struct {
	*replay.Report
	Reads *reads.Report `json:"reads,omitempty"`
}

// judge judges the reads of a history whose writes have been reported. Without reads it returns nil. Clocks may differ by what
// is stated, or what the writes show.
func judge(h *replay.History, table *merge.Table, in *input, promise func(string) reads.Level, r *replay.Report) (*reads.Report, error) {
	if h.Reads() == 0 {
		return nil, nil
	}
	opt := reads.Options{Promise: promise, Skew: in.skew, Lag: in.lag, Limit: in.memory.answers()}
	for _, s := range r.Skew {
		opt.Skew = max(opt.Skew, time.Duration(s.Nanos))
	}
	return reads.Check(h, table, opt)
}

// addStale adds the stale reads to what a report found.
func addStale(r *replay.Report, judged *reads.Report) {
	f := report.StaleReads(judged)
	if f == nil {
		return
	}
	at, _ := slices.BinarySearchFunc(r.Findings, f.Code, func(f replay.Finding, code finding.Code) int { return cmp.Compare(f.Code, code) })
	r.Findings = slices.Insert(r.Findings, at, *f)
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
