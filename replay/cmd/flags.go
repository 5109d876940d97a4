package cmd

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// parse reads flags, which may stand before and after other arguments, and returns the others. What follows "--" is
// never a flag.
func parse(fs *flag.FlagSet, args []string) (rest []string, err error) {
	fs.SetOutput(io.Discard)
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, flagError(fs, err)
		}
		left := fs.Args()
		if done := len(args) - len(left); done > 0 && args[done-1] == "--" {
			rest = append(rest, left...)
			break
		}
		if len(left) == 0 {
			break
		}
		rest, args = append(rest, left[0]), left[1:]
	}
	fs.Visit(func(f *flag.Flag) {
		if f.Name == "fail-on" && f.Value.String() == "" { // of a variable that nobody set: a check that can't fail
			err = hinted{errors.New("-fail-on names nothing"), "see tiebreak help " + fs.Name()}
		}
	})
	return rest, err
}

// flagError says in our words what package flag says of a flag.
func flagError(fs *flag.FlagSet, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		var known []string
		fs.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
		return hinted{fmt.Errorf("%s has no flag -%s", fs.Name(), name), meant(name, known, "see tiebreak help "+fs.Name())}
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return hinted{fmt.Errorf("-%s wants a value", name), "see tiebreak help " + fs.Name()}
	}
	for _, vague := range []string{": parse error", ": value out of range"} {
		if before, ok := strings.CutSuffix(text, vague); ok {
			err = fmt.Errorf("%s: want %s", before, wanted(fs.Lookup(before[strings.LastIndex(before, " -")+2:])))
		}
	}
	return hinted{err, "see tiebreak help " + fs.Name()}
}

// wanted says which values a flag takes of which package flag only says that it could not parse one.
func wanted(f *flag.Flag) string {
	switch f.Value.(flag.Getter).Get().(type) {
	case time.Duration:
		return "a duration, as in 250ms"
	case float64:
		return "a number, as in 2.5"
	case bool:
		return "true or false"
	}
	return "a whole number, as in 10"
}

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string { return strings.Join(*t, ",") }

func (t *texts) Set(text string) error {
	*t = append(*t, text)
	return nil
}

// regions is the flag -region NAME=FILE, which may be given several times.
type regions []regional

// regional is an input that was recorded in a region.
type regional struct {
	region, name string
}

func (r *regions) String() string {
	var all []string
	for _, in := range *r {
		all = append(all, in.region+"="+in.name)
	}
	return strings.Join(all, ",")
}

// names returns the regions, each once, for a message.
func (r *regions) names() string {
	var names []string
	for _, in := range *r {
		if !slices.Contains(names, in.region) {
			names = append(names, in.region)
		}
	}
	return strings.Join(names, " or ")
}

func (r *regions) Set(text string) error {
	region, name, ok := strings.Cut(text, "=")
	if !ok || region == "" || name == "" {
		return errors.New("want NAME=FILE, as in -region us-east=orders.ndjson")
	}
	*r = append(*r, regional{region, name})
	return nil
}

// scans is the flag -scan, the moment of an initial scan. It may be given several times.
type scans []clock.Timestamp

func (s *scans) String() string { return fmt.Sprint(*s) }

func (s *scans) Set(text string) error {
	t, err := clock.ParseTimestamp(text)
	if err != nil || t.Wall < int64(1e17) { // nor is it seconds, milli- or microseconds
		return errors.New("want the time that the rows of the scan share, as in 1701102296662969433.0000000000")
	}
	*s = append(*s, t)
	return nil
}

// primaryKeys is the flag -primary-key TABLE=COLUMN,..., which may be given several times.
type primaryKeys map[string][]string

func (k *primaryKeys) String() string { return strings.Join(k.words(), " ") }

// words returns what was given, in the order of the tables.
func (k *primaryKeys) words() []string {
	var words []string
	for _, table := range slices.Sorted(maps.Keys(*k)) {
		words = append(words, table+"="+strings.Join((*k)[table], ","))
	}
	return words
}

func (k *primaryKeys) Set(text string) error {
	table, list, ok := strings.Cut(text, "=")
	columns := strings.Split(list, ",")
	for i, column := range columns {
		columns[i] = strings.TrimSpace(column)
		ok = ok && columns[i] != "" && !slices.Contains(columns[:i], columns[i])
	}
	switch _, twice := (*k)[table]; {
	case !ok || table == "":
		return errors.New("want TABLE=COLUMN,..., as in -primary-key lines=order_id,line_no")
	case twice:
		return fmt.Errorf("table %s has one primary key", table)
	}
	if *k == nil {
		*k = make(primaryKeys)
	}
	(*k)[table] = columns
	return nil
}

// format is the flag -format.
type format history.Format

func (f *format) String() string { return string(*f) }

func (f *format) Set(text string) error {
	var names []string
	for _, known := range history.Formats {
		if string(known) == text {
			*f = format(known)
			return nil
		}
		names = append(names, string(known))
	}
	return errors.New(meant(text, names, "formats are "+strings.Join(names, ", ")))
}
