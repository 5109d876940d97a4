package main

import (
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

func main() {
	if err := bench(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(2)
	}
}

func bench(args []string) error {
	w := workload{form: native}
	c := comparison{workload: &w}
	var to, floor, profile string
	var compare, beside, linear, tables bool
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.IntVar(&w.writes, "writes", 10_000_000, "how many writes, besides those that come again")
	fs.IntVar(&w.keys, "keys", 0, "how many keys may be written; half as many as writes when 0")
	fs.Float64Var(&w.zipf, "zipf", 0, "`exponent` of the choice of keys, below 1; 0 chooses all alike")
	fs.Float64Var(&w.hot, "hot", 0, "share of writes that go to one key")
	fs.Float64Var(&w.reads, "reads", 0, "reads for each write, on native lines")
	fs.Float64Var(&w.deletes, "deletes", 0, "share of writes to other keys than counters that delete the record")
	fs.Float64Var(&w.conflicts, "conflicts", 0.1, "share of writes that another node made at the same version")
	fs.Float64Var(&w.ties, "ties", 0.05, "share of those that have the same time too")
	fs.Float64Var(&w.duplicates, "duplicates", 0.01, "share of writes that are delivered again")
	fs.Float64Var(&w.counters, "counters", 0.1, "share of keys that are counters")
	fs.Uint64Var(&w.seed, "seed", 1, "equal seeds make equal histories")
	fs.BoolVar(&w.mixed, "mixed", false, "members in another order on each native line")
	fs.IntVar(&w.regions, "regions", 0, "how many regions write, each with a feed of the writes of all, named anew where they arrive: -o names a directory")
	fs.Func("form", "one of "+join(forms)+" (default native)", func(text string) error {
		w.form = form(text)
		if !slices.Contains(forms, w.form) {
			return fmt.Errorf("want one of %s", join(forms))
		}
		return nil
	})
	fs.Func("seen", "say on each native line what its writer had seen: as numbers or list", func(text string) error {
		w.seen = seen(text)
		if !slices.Contains(seens, w.seen) {
			return errors.New("want numbers or list")
		}
		return nil
	})
	fs.StringVar(&to, "o", "", "`file` to write the history to")
	fs.BoolVar(&compare, "compare", false, "compare with other ways to the same answers")
	fs.BoolVar(&beside, "forms", false, "compare the forms with each other, and compressed ones with only unpacking them")
	fs.BoolVar(&linear, "linear", false, "compare with a tenth and three times as many writes, one processor, and two runs at once")
	fs.BoolVar(&tables, "tables", false, "compare a run with diffs of its table and five more")
	fs.IntVar(&c.rounds, "rounds", 5, "how often each is run")
	fs.StringVar(&c.dir, "dir", "", "`directory` for the histories; a temporary one when not given")
	fs.StringVar(&c.duckdb, "duckdb", "", "`directory` with an installed "+duckdbPackage+"; it is installed when not given")
	fs.StringVar(&c.ours, "ours", "", "the command to compare, when it is not to be built")
	fs.StringVar(&profile, "profile", "", "`file` to write a profile of all forms to, for the compiler")
	fs.StringVar(&floor, "floor", "", "run one floor, read, unpack or parse, over the `file` named by -o")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%q: all is told by flags", fs.Arg(0))
	}
	if w.keys == 0 {
		w.keys = max(w.writes/2, 1)
	}
	if floor != "" {
		return runFloor(floor, to)
	}
	chosen := slices.DeleteFunc([]bool{to != "", compare, beside, linear, tables, profile != ""}, func(given bool) bool { return !given })
	if len(chosen) != 1 {
		return errors.New("want one of -o FILE, -compare, -forms, -linear, -tables and -profile FILE")
	}
	if (w.form != native || w.regions != 0 || w.seen != "" || w.reads != 0 || w.deletes != 0) && to == "" {
		return errors.New("-form, -regions, -seen, -reads and -deletes are for -o FILE alone: the comparisons choose their own")
	}
	if err := w.check(); err != nil {
		return err
	}
	switch {
	case compare:
		return c.run()
	case beside:
		return c.runForms(os.Stdout)
	case linear:
		return c.runLinear(os.Stdout)
	case tables:
		return c.runTables(os.Stdout)
	case profile != "":
		return c.profile(profile)
	case w.regions != 0:
		return w.writeFeeds(to)
	}
	return w.writeTo(to)
}

func join(forms []form) string {
	var texts []string
	for _, f := range forms {
		texts = append(texts, string(f))
	}
	return strings.Join(texts, ", ")
}

// writeTo writes the history to a file, compressed as its name says, or to the standard output.
func (w *workload) writeTo(name string) error {
	file := os.Stdout
	if name != "-" {
		var err error
		if file, err = os.Create(name); err != nil {
			return err
		}
	}
	var out io.WriteCloser = file
	switch {
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewWriter(file)
		if err != nil {
			return err
		}
		out = z
	case strings.HasSuffix(name, ".gz"):
		out = gzip.NewWriter(file)
	}
	err := w.generate(out)
	if out != file {
		err = errors.Join(err, out.Close())
	}
	return errors.Join(err, file.Close())
}
