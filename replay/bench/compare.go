package main

import (
	"bufio"
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/tiebreakhq/tiebreak/replay"
)

// duckdbPackage is what the comparison runs beside ours, pinned.
const duckdbPackage = "@duckdb/node-api@1.5.6-r.1"

//go:embed bench.tb duckdb
var files embed.FS

// comparison runs the dry run beside other ways to the same answers.
type comparison struct {
	*workload
	rounds int
	dir    string // of the histories
	duckdb string // where the package is installed
	ours   string // the command

	work string // a temporary directory, for all else
	self string // this program
}

// contender is one way to do the work, or a part of it.
type contender struct {
	name  string
	args  []string
	times []time.Duration
	cpu   []time.Duration
	rss   int64 // the most, in bytes

	bytes  int64      // of its file
	beside *contender // what it is compared with; nil for the first

	env    []string // more of the environment
	copies int      // that run at once; 0 is one
	writes int      // of all copies
}

// within gives what runs a temporary directory to work in.
func (c *comparison) within(run func() error) (err error) {
	if c.work, err = os.MkdirTemp("", "tiebreak-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.work)) }()
	return run()
}

// show measures contenders and writes a table of them.
func (c *comparison) show(to io.Writer, contenders func() ([]*contender, error), table func(io.Writer, []*contender) error) error {
	return c.within(func() error {
		all, err := contenders()
		if err != nil {
			return err
		}
		if err := c.measure(all); err != nil {
			return err
		}
		return table(to, all)
	})
}

func (c *comparison) run() error {
	return c.within(func() error {
		history, err := c.prepare()
		if err != nil {
			return err
		}
		ours := append(c.dryRun(), history)
		natural, hashed := c.statement("natural", history), c.statement("hashed", history)
		if err := c.agree(history, ours, natural, hashed); err != nil {
			return err
		}
		all := []*contender{
			{name: "tiebreak run", args: ours},
			{name: "DuckDB, as one would write it", args: natural},
			{name: "DuckDB, the fastest found", args: hashed},
			{name: "floor: wc -l", args: []string{"wc", "-l", history}},
			{name: "floor: read", args: []string{c.self, "-floor", "read", "-o", history}},
			{name: "floor: parse", args: []string{c.self, "-floor", "parse", "-o", history}},
		}
		if err := c.measure(all); err != nil {
			return err
		}
		return table(os.Stdout, all)
	})
}

// measure runs all in turns.
func (c *comparison) measure(all []*contender) error {
	for round := range c.rounds {
		for _, one := range all {
			if err := one.measure(); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, c.rounds)
	}
	return nil
}

// prepare builds and makes what is compared, and returns the name of the history.
func (c *comparison) prepare() (history string, err error) {
	if err := c.build(); err != nil {
		return "", err
	}
	if c.duckdb == "" {
		c.duckdb = c.work
		if err := quietly(c.work, "npm", "install", duckdbPackage); err != nil {
			return "", err
		}
	}
	if c.duckdb, err = filepath.Abs(c.duckdb); err != nil {
		return "", err
	}
	return c.make("history.ndjson", native)
}

// build makes the command and what it needs besides a history.
func (c *comparison) build() (err error) {
	if err := c.unpack(); err != nil {
		return err
	}
	if c.self, err = os.Executable(); err != nil || c.ours != "" {
		return err
	}
	c.ours = filepath.Join(c.work, "tiebreak")
	return quietly("", "go", "build", "-o", c.ours, "github.com/tiebreakhq/tiebreak/replay/cmd/tiebreak")
}

// make makes the history in a form, and with more flags if there are any, and returns the name of its file or directory.
func (c *comparison) make(name string, f form, more ...string) (history string, err error) {
	history = filepath.Join(cmp.Or(c.dir, c.work), name)
	// A process of its own makes it: what is measured inherits the high-water mark of who starts it.
	args := []string{"-o", history, fmt.Sprintf("-form=%s", f), fmt.Sprintf("-writes=%d", c.writes),
		fmt.Sprintf("-keys=%d", c.keys), fmt.Sprintf("-zipf=%v", c.zipf), fmt.Sprintf("-hot=%v", c.hot),
		fmt.Sprintf("-conflicts=%v", c.conflicts), fmt.Sprintf("-ties=%v", c.ties), fmt.Sprintf("-duplicates=%v", c.duplicates),
		fmt.Sprintf("-counters=%v", c.counters), fmt.Sprintf("-seed=%d", c.seed), fmt.Sprintf("-mixed=%v", c.mixed)}
	return history, quietly("", c.self, append(args, more...)...)
}

// dryRun returns the command of the dry run, but for the history.
func (c *comparison) dryRun() []string {
	return []string{c.ours, "run", "-json", "-rules", filepath.Join(c.work, "bench.tb")}
}

// unpack writes the embedded files to the working directory.
func (c *comparison) unpack() error {
	for _, name := range []string{"bench.tb", "duckdb/run.mjs", "duckdb/natural.sql", "duckdb/hashed.sql", "duckdb/winners.sql"} {
		text, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.work, filepath.Base(name)), text, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// statement returns the command that runs statements over the history.
func (c *comparison) statement(name, history string) []string {
	return []string{"node", filepath.Join(c.work, "run.mjs"), c.duckdb, filepath.Join(c.work, name+".sql"), history, c.out(name)}
}

func (c *comparison) out(name string) string { return filepath.Join(c.work, name+".out") }

// quietly runs a program, in a directory, and returns what it said when it fails.
func quietly(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return nil
}

// measure runs the contender once more.
func (c *contender) measure() error {
	type process struct {
		*exec.Cmd
		said bytes.Buffer
	}
	all := make([]process, max(c.copies, 1))
	begin := time.Now()
	var failed error
	for i := range all {
		p := &all[i]
		p.Cmd = exec.Command(c.args[0], c.args[1:]...)
		p.Env = append(os.Environ(), c.env...)
		p.Stderr = &p.said
		failed = errors.Join(failed, p.Start())
	}
	cpu := time.Duration(0)
	for i := range all {
		p := &all[i]
		if p.Process == nil {
			continue
		}
		if err := p.Wait(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%w: %s", err, p.said.String()))
		}
		cpu += p.ProcessState.UserTime() + p.ProcessState.SystemTime()
		c.rss = max(c.rss, peak(p.ProcessState))
	}
	if failed != nil {
		return fmt.Errorf("%s: %w", c.name, failed)
	}
	c.times, c.cpu = append(c.times, time.Since(begin)), append(c.cpu, cpu)
	return nil
}

func median(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// over returns how many times as long as another contender takes this one does.
func (c *contender) over(o *contender) float64 {
	return median(c.times).Seconds() / median(o.times).Seconds()
}

// heading is of the columns that a contender has in any table.
var heading = fmt.Sprintf("%-32s %8s %19s %8s %8s", "", "seconds", "spread", "CPU s", "MB")

func (c *contender) String() string {
	return fmt.Sprintf("%-32s %8.2f %8.2f to %7.2f %8.2f %8.0f", c.name, median(c.times).Seconds(),
		slices.Min(c.times).Seconds(), slices.Max(c.times).Seconds(), median(c.cpu).Seconds(), float64(c.rss)/1e6)
}

// table writes what was measured: the first of all is what the others are compared with.
func table(to io.Writer, all []*contender) error {
	out := bufio.NewWriter(to)
	fmt.Fprintf(out, "%s %8s\n", heading, "ratio")
	for _, c := range all {
		fmt.Fprintf(out, "%s %7.2fx\n", c, c.over(all[0]))
	}
	return out.Flush()
}

// answers are what all must agree on, beside the merged state.
type answers struct {
	Writes      int64 `json:"writes,string"`
	Duplicates  int64 `json:"duplicates,string"`
	Keys        int64 `json:"keys,string"`
	Cells       int64 `json:"cells,string"`
	Conflicts   int64 `json:"conflicts,string"`   // pairs, at most
	Conflicting int64 `json:"conflicting,string"` // writes, at most
	Overwritten int64 `json:"overwritten,string"` // at least
	Lost        int64 `json:"lost,string"`        // at most
	ByVersion   int64 `json:"by_version,string"`
	ByTime      int64 `json:"by_time,string"`
	ByNode      int64 `json:"by_node,string"`
	Combined    int64 `json:"combined,string"`
}

// agree makes sure that all give the same answers.
func (c *comparison) agree(history string, ours []string, statements ...[]string) error {
	state := c.out("state")
	said, err := output(append(slices.Clone(ours[:len(ours)-1]), "-state", state, history))
	if err != nil {
		return err
	}
	var r replay.Report
	if err := json.Unmarshal(said, &r); err != nil {
		return err
	}
	want := answers{Writes: r.Totals.Writes, Duplicates: r.Totals.Duplicates, Keys: r.Totals.Keys, Cells: r.Totals.Cells,
		Conflicts: r.Totals.Conflicts.Max, Conflicting: r.Totals.Conflicting.Max, Overwritten: r.Totals.Overwritten.Min,
		Lost: r.Totals.Lost.Max, ByVersion: r.Decided.Version, ByTime: r.Decided.Time, ByNode: r.Decided.Node,
		Combined: r.Totals.Combined}
	for _, args := range statements {
		said, err := output(args)
		if err != nil {
			return err
		}
		var rows []answers
		if err := json.Unmarshal(said, &rows); err != nil || len(rows) != 1 {
			return fmt.Errorf("%s: %w: %s", args[3], err, said)
		}
		if rows[0] != want {
			return fmt.Errorf("%s gives other answers:\n%+v\n%+v", args[3], rows[0], want)
		}
	}
	if _, err := output(c.statement("winners", history)); err != nil {
		return err
	}
	n, err := sameState(state, c.out("winners"))
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "all agree, and on the value of %d cells: %+v\n", n, want)
	return errors.Join(os.Remove(state), os.Remove(c.out("winners")))
}

func output(args []string) ([]byte, error) {
	var said bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", args[0], err, said.String())
	}
	return out, nil
}

// sameState compares two merged states line by line and returns how many cells they have.
func sameState(a, b string) (cells int, err error) {
	left, err := os.Open(a)
	if err != nil {
		return 0, err
	}
	defer left.Close()
	right, err := os.Open(b)
	if err != nil {
		return 0, err
	}
	defer right.Close()
	from, and := json.NewDecoder(bufio.NewReader(left)), json.NewDecoder(bufio.NewReader(right))
	for ; ; cells++ {
		var x, y replay.StateLine
		errX, errY := from.Decode(&x), and.Decode(&y)
		switch {
		case errX == io.EOF && errY == io.EOF:
			return cells, nil
		case errX != nil || errY != nil:
			return cells, fmt.Errorf("after %d cells: %w", cells, errors.Join(errX, errY))
		case x != y:
			return cells, fmt.Errorf("cell %d: %+v is not %+v", cells+1, x, y)
		}
	}
}
