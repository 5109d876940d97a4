package cmd

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/drill"
	"github.com/tiebreakhq/tiebreak/replay/layout"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

// rehearsal is what the flags and arguments of the command drill say.
type rehearsal struct {
	input
	script       string
	compare      texts
	calm         bool
	limit        bool
	runbook      bool
	audit        string
	junit, state string
	failOn       string
	seed         uint64
	load         float64

	scripts  []*drill.Script // the calm one, the one that is named, those to compare with
	parsed   []*merge.Table
	switched map[*drill.Script]map[string]*merge.Table // by the name that the script gives them
	bounds   []bound
	files    []string // that are read, and never written over
	reads    drill.Reads
	history  *replay.History
	traffic  *drill.Traffic
	inputs   []replay.Input
}

func (c *command) drill(args []string) (int, error) {
	var d rehearsal
	fs := flag.NewFlagSet("drill", flag.ContinueOnError)
	d.replaying(fs)
	d.reviewed(fs)
	fs.StringVar(&d.junit, "junit", "", "")
	fs.Uint64Var(&d.seed, "seed", 0, "")
	fs.Float64Var(&d.load, "load", 1, "")
	fs.StringVar(&d.state, "state", "", "")
	fs.Var(&d.compare, "compare", "")
	fs.BoolVar(&d.calm, "calm", false, "")
	fs.BoolVar(&d.limit, "find-limit", false, "")
	fs.BoolVar(&d.runbook, "runbook", false, "")
	fs.StringVar(&d.audit, "audit", "", "")
	fs.StringVar(&d.failOn, "fail-on", "", "")
	rest, err := parse(fs, args)
	if err != nil {
		return 0, err
	}
	if len(rest) == 0 {
		return 0, hinted{errors.New("no script"), "tiebreak drill -rules FILE SCRIPT HISTORY..."}
	}
	d.script, d.names = rest[0], rest[1:]
	if err := d.check(); err != nil {
		return 0, err
	}
	if err := c.parseDrill(&d); err != nil {
		return 0, err
	}
	switch {
	case d.runbook:
		return exitDone, drill.Runbook(c.out, d.scripts[0], d.parsed[0])
	case d.audit != "":
		return c.auditRunbook(&d)
	}
	if err := c.readTraffic(&d); err != nil {
		return 0, err
	}
	if d.limit {
		return c.findLimit(&d)
	}
	return c.rehearse(&d)
}

// check reports what is wrong with the flags and what does not go together.
func (d *rehearsal) check() error {
	for _, pair := range []struct {
		one, other string
		both       bool
	}{
		{"-runbook", "-audit", d.runbook && d.audit != ""},
		{"-runbook", "-find-limit", d.runbook && d.limit},
		{"-audit", "-find-limit", d.audit != "" && d.limit},
		{"-runbook", "-json", d.runbook && d.json},
		{"-audit", "-json", d.audit != "" && d.json},
		{"-audit", "-markdown", d.audit != "" && d.markdown},
	} {
		if pair.both {
			return fmt.Errorf("%s and %s: want one of them", pair.one, pair.other)
		}
	}
	kind := ""
	switch {
	case d.runbook:
		kind = "-runbook"
	case d.audit != "":
		kind = "-audit"
	case d.limit:
		kind = "-find-limit"
	}
	for _, f := range []struct {
		name  string
		given bool
	}{{"-junit", d.junit != ""}, {"-fail-on", d.failOn != ""}, {"-state", d.state != ""}, {"-calm", d.calm}, {"-compare", len(d.compare) > 0},
		{"-load", d.load != 1}} {
		if kind != "" && f.given {
			return hinted{fmt.Errorf("%s takes no %s", kind, f.name), "run the drill by itself for that"}
		}
	}
	if err := apart(d.state, d.junit); err != nil {
		return err
	}
	switch {
	case len(d.tables) == 0:
		return errNoRules
	case len(d.tables) > 1 && kind != "":
		return fmt.Errorf("%s takes one table", kind)
	case d.state != "" && (len(d.tables) > 1 || d.calm || len(d.compare) > 0):
		return hinted{errors.New("-state is of one drill, and these are several"), "run the one by itself"}
	case !(d.load > 0):
		return fmt.Errorf("-load %g: a load is more than 0", d.load)
	}
	if d.runbook || d.audit != "" {
		if len(d.names) > 0 || len(d.regions) > 0 {
			return hinted{fmt.Errorf("%s takes no history", kind), "name the script alone"}
		}
		return d.checkFlags()
	}
	var words []string
	for _, m := range drill.Measures() {
		words = append(words, string(m))
	}
	var err error
	timed := func(word string) bool { return drill.Measure(word).Timed() }
	if d.bounds, err = parseBounds(d.failOn, append([]string{"failed"}, words...), timed); err != nil {
		return err
	}
	if err := checkTold("drill", d.bounds, report.ByDrill); err != nil {
		return err
	}
	return d.input.check()
}

// parseDrill reads the scripts and all tables. All mistakes of all of them are reported at once.
func (c *command) parseDrill(d *rehearsal) error {
	var mistakes []error
	names := append([]string{d.script}, d.compare...)
	d.switched = make(map[*drill.Script]map[string]*merge.Table)
	for _, name := range names {
		text, err := readText(name)
		if err != nil {
			return fmt.Errorf("read script: %w", err)
		}
		s, err := drill.ParseScript(name, text)
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		d.scripts = append(d.scripts, s)
		d.switched[s] = make(map[string]*merge.Table)
		for _, table := range s.Tables() {
			file := table
			if !filepath.IsAbs(file) {
				file = filepath.Join(filepath.Dir(name), file)
			}
			tables, err := c.parseTables([]string{file})
			if err != nil {
				mistakes = append(mistakes, err)
				continue
			}
			d.switched[s][table] = tables[0]
			d.files = append(d.files, file)
		}
	}
	tables, err := c.parseTables(d.tables)
	if err != nil {
		mistakes = append(mistakes, err)
	}
	d.parsed = tables
	if d.calm && len(mistakes) == 0 {
		calm := d.scripts[0].Calm()
		d.switched[calm] = d.switched[d.scripts[0]] // its checks may still roll back to another table
		d.scripts = append([]*drill.Script{calm}, d.scripts...)
	}
	d.files = append(append(d.files, names...), d.tables...)
	return errors.Join(mistakes...)
}

// readTraffic reads the history, within the memory that it may use, and makes traffic of it, which is all in memory. Reads of
// partials are not in the traffic; they are judged.
func (c *command) readTraffic(d *rehearsal) error {
	d.exclude, d.input.reads = d.reads.Take, true
	h, names, err := c.read(&d.input)
	if err != nil {
		return err
	}
	d.history = h
	d.files = append(d.files, names...)
	d.inputs = h.Inputs()
	d.memory.unlimit() // about a kilobyte for each write, or two
	if d.traffic, err = drill.NewTraffic(h, &d.reads, d.input.options()); err != nil {
		return err
	}
	if d.traffic.Writes()+d.traffic.Reads() == 0 { // which is a mistake; this may be why
		c.aside(&d.input, d.inputs)
	}
	return nil
}

func (d *rehearsal) options(s *drill.Script) drill.Options {
	single := len(d.scripts) == 1 && len(d.parsed) == 1 // several are compared with each other
	return drill.Options{Seed: d.seed, Load: d.load, MaxDrift: d.drift, Tables: d.switched[s], Calm: single}
}

// rehearse runs every script under every table.
func (c *command) rehearse(d *rehearsal) (int, error) {
	var results []*drill.Result
	var plain *replay.Report
	aside := d.input.aside(d.inputs)
	for _, table := range d.parsed {
		for _, s := range d.scripts {
			r, err := d.runTo(s, table)
			if err != nil {
				return 0, err
			}
			if d.history.Reads() > 0 && plain == nil { // how far the clocks differ is told by the writes alone
				if plain = d.history.Run(table, d.input.options()); d.history.Err() != nil {
					return 0, d.history.Err()
				}
			}
			if r.Recorded, err = judge(d.history, table, &d.input, s.Promise, plain); err != nil {
				return 0, err
			}
			r.Bounds = ended(d.bounds, r)
			if aside != nil {
				r.Aside = aside.Error()
			}
			results = append(results, r)
		}
	}
	c.show.done()
	if d.junit != "" {
		if err := d.saveJUnit(results); err != nil {
			return 0, err
		}
	}
	if err := c.writeDrill(d, results); err != nil {
		return 0, err
	}
	status := exitDone
	for _, r := range results {
		for _, u := range r.Untried() {
			c.note("%s: untried", u)
		}
		exceeded, unmeasured := c.exceededIn(r)
		switch {
		case exceeded || r.Broken():
			status = exitFound
		case (unmeasured || !r.Passed) && status == exitDone:
			status = exitTrouble
		}
	}
	if aside != nil {
		c.say(aside)
		status = exitTrouble
	}
	return status, nil
}

// runTo runs a drill and writes the states to a file, when one is named.
func (d *rehearsal) runTo(s *drill.Script, table *merge.Table) (*drill.Result, error) {
	opt := d.options(s)
	if d.state == "" {
		return drill.Run(s, table, d.traffic, opt)
	}
	out, err := create(d.state, d.files)
	if err != nil {
		return nil, fmt.Errorf("write state: %w", err)
	}
	var line []byte
	opt.State = func(region string, l replay.StateLine) {
		line = append(value.AppendText(append(line[:0], `{"region":`...), region), ',')
		line = appendState(line, &l)
		_, _ = out.Write(line) // commit returns its first error
	}
	r, err := drill.Run(s, table, d.traffic, opt)
	if err != nil {
		out.discard()
		return nil, err
	}
	if err := out.commit(); err != nil {
		return nil, fmt.Errorf("write state: %w", err)
	}
	return r, nil
}

func (d *rehearsal) saveJUnit(results []*drill.Result) error {
	out, err := create(d.junit, d.files)
	if err != nil {
		return fmt.Errorf("write checks: %w", err)
	}
	if err := drill.JUnit(out, results...); err != nil {
		out.discard()
		return fmt.Errorf("write checks: %w", err)
	}
	if err := out.commit(); err != nil {
		return fmt.Errorf("write checks: %w", err)
	}
	return nil
}

// writeDrill writes the report: of one drill, or of several side by side.
func (c *command) writeDrill(d *rehearsal, results []*drill.Result) error {
	if len(results) > 1 {
		all := drill.Compare(results...)
		return d.write(c.out, all, all.Text, all.Markdown)
	}
	r := results[0]
	text := func(w io.Writer) error {
		if err := drill.Text(w, r); err != nil {
			return err
		}
		if r.Calm == nil {
			return nil
		}
		_, err := fmt.Fprintf(w, "\nNext: the same day without the incidents, beside this one\n  %s\n", d.calmly())
		return err
	}
	return d.write(c.out, r, text, func(w io.Writer) error { return drill.Markdown(w, r) })
}

// calmly returns the command that compares the drill with a calm day.
func (d *rehearsal) calmly() string {
	words := append([]string{"tiebreak", "drill", "-rules", d.tables[0], "-calm"}, d.flags()...)
	if d.seed != 0 {
		words = append(words, "-seed", strconv.FormatUint(d.seed, 10))
	}
	if d.load != 1 {
		words = append(words, "-load", strconv.FormatFloat(d.load, 'g', -1, 64))
	}
	return d.command(words, d.script)
}

// ended returns how bounds of a drill ended.
func ended(bounds []bound, r *drill.Result) []drill.BoundResult {
	var results []drill.BoundResult
	for _, b := range bounds {
		n, _ := r.Count(b.word) // a finding that there is none of is not known
		res := drill.BoundResult{Bound: b.text, Measure: drill.Measure(b.word), Value: n, Exceeded: n > b.limit}
		if !res.Exceeded {
			res.Unmeasured = r.Unmeasured(b.word)
		}
		results = append(results, res)
	}
	return results
}

// exceededIn reports, and says, which bounds a drill is beyond, and whether it says nothing of some.
func (c *command) exceededIn(r *drill.Result) (exceeded, unmeasured bool) {
	for _, b := range r.Bounds {
		switch {
		case b.Exceeded:
			exceeded = true
			c.note("-fail-on %s: %s", b.Bound, b.Measure.Text(b.Value))
		case b.Unmeasured != "":
			unmeasured = true
			c.note("-fail-on %s: not measured: %s", b.Bound, b.Unmeasured)
		}
	}
	return exceeded, unmeasured
}

// findLimit says how much load is too much.
func (c *command) findLimit(d *rehearsal) (int, error) {
	limit, err := drill.FindLimit(d.scripts[0], d.parsed[0], d.traffic, d.options(d.scripts[0]))
	if err != nil {
		return 0, err
	}
	c.show.done()
	if err := d.write(c.out, limit, limit.Text, limit.Markdown); err != nil {
		return 0, err
	}
	switch {
	case c.aside(&d.input, d.inputs):
		return exitTrouble, nil
	case limit.Keeps < 1:
		return exitFound, nil
	}
	return exitDone, nil
}

// auditRunbook says whether a runbook is still true.
func (c *command) auditRunbook(d *rehearsal) (int, error) {
	text, err := os.ReadFile(d.audit)
	if err != nil {
		return 0, fmt.Errorf("read runbook: %w", err)
	}
	stale := drill.Audit(string(text), d.scripts[0], d.parsed[0])
	for _, s := range stale {
		fmt.Fprintf(c.out, "%s: %s\n", layout.Printable(d.audit), layout.Printable(s))
	}
	if len(stale) > 0 {
		fmt.Fprintf(c.out, "\nNext: print it anew\n  %s\n", d.command([]string{"tiebreak", "drill", "-rules", d.tables[0], "-runbook"}, d.script))
		return exitFound, nil
	}
	fmt.Fprintf(c.out, "%s is up to date\n", layout.Printable(d.audit))
	return exitDone, nil
}
