package cmd

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/lex"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/layout"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

// input is what the flags that all commands share say, and the histories.
type input struct {
	tables   texts
	regions  regions
	origin   string
	format   format
	scans    scans
	keys     primaryKeys
	tolerate string
	lag      time.Duration
	skew     time.Duration
	drift    time.Duration
	worst    int
	memory   size
	json     bool
	markdown bool
	names    []string // of the histories

	tolerated []finding.Code
	tolerates bool // all

	exclude func(*history.Record) bool // see [history.Options]
	reads   bool                       // are kept

	stoppable  bool   // what was read by then can be told when reading is interrupted
	checkpoint string // the directory; "" for none
}

// reading adds the flags of how to read.
func (in *input) reading(fs *flag.FlagSet) {
	fs.Var(&in.regions, "region", "")
	fs.StringVar(&in.origin, "origin", "", "")
	fs.Var(&in.format, "format", "")
	fs.Var(&in.scans, "scan", "")
	fs.Var(&in.keys, "primary-key", "")
	fs.StringVar(&in.tolerate, "tolerate", "", "")
}

// replaying adds the flags of commands that let a history happen under rules.
func (in *input) replaying(fs *flag.FlagSet) {
	in.reading(fs)
	fs.Var(&in.tables, "rules", "")
	fs.DurationVar(&in.lag, "lag", 0, "")
	fs.DurationVar(&in.skew, "skew", 0, "")
	fs.DurationVar(&in.drift, "max-drift", 0, "")
	fs.Var(&in.memory, "memory", "")
	fs.BoolVar(&in.json, "json", false, "")
}

// continuing adds the flags of commands that an interrupt makes tell what they have, and that can be continued.
func (in *input) continuing(fs *flag.FlagSet) {
	in.stoppable = true
	fs.StringVar(&in.checkpoint, "checkpoint", "", "")
	in.reviewed(fs)
}

// reviewed adds the flag of commands whose report belongs in a review.
func (in *input) reviewed(fs *flag.FlagSet) { fs.BoolVar(&in.markdown, "markdown", false, "") }

// write writes a report in the form that the flags ask for.
func (in *input) write(w io.Writer, data any, text, markdown func(io.Writer) error) error {
	switch {
	case in.json:
		return report.JSON(w, data)
	case in.markdown:
		return markdown(w)
	}
	return text(w)
}

// once reports whether some input can be read only once: the standard input, or what is neither a file nor a directory.
func (in *input) once() bool {
	names := slices.Clone(in.names)
	for _, r := range in.regions {
		names = append(names, r.name)
	}
	return slices.ContainsFunc(names, readOnce)
}

func readOnce(name string) bool {
	info, err := os.Stat(name)
	return name == "-" || err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// check reports what is wrong with the flags, and that there is no history.
func (in *input) check() error {
	if err := in.checkFlags(); err != nil {
		return err
	}
	if len(in.names) == 0 && len(in.regions) == 0 {
		return hinted{errors.New("no history"), "name one or more files or directories, or - for the standard input"}
	}
	return nil
}

func (in *input) checkFlags() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"-lag", in.lag}, {"-skew", in.skew}, {"-max-drift", in.drift}} {
		if d.value < 0 {
			return fmt.Errorf("%s %s: a duration is never negative", d.flag, d.value)
		}
	}
	if in.json && in.markdown {
		return errors.New("-json and -markdown: want one of them")
	}
	if in.worst < 0 {
		return fmt.Errorf("-worst %d: how many is never negative", in.worst)
	}
	if in.tolerate != "" {
		var mistakes []error
		var others []string
		for text := range strings.SplitSeq(in.tolerate, ",") {
			code := finding.Code(strings.TrimSpace(text))
			if code == "all" {
				in.tolerates = true
				continue
			}
			e, ok := report.Explain(code)
			switch {
			case !ok:
				mistakes = append(mistakes, hinted{fmt.Errorf("-tolerate: there is no code %q", code), meant(string(code), append(codeNames(), "all"), "see tiebreak help codes")})
			case e.By&report.ByReading == 0:
				others = append(others, string(code))
			}
			in.tolerated = append(in.tolerated, code)
		}
		if len(others) > 0 {
			mistakes = append(mistakes, hinted{fmt.Errorf("-tolerate: no record is set aside for %s", strings.Join(others, ", ")),
				"it takes " + strings.Join(asideNames(), ", ") + ", or all"})
		}
		return errors.Join(mistakes...)
	}
	return nil
}

func codeNames() []string {
	var names []string
	for _, code := range report.Codes() {
		names = append(names, string(code))
	}
	return names
}

// asideNames are the codes for which records are set aside.
func asideNames() []string {
	return slices.DeleteFunc(codeNames(), func(name string) bool {
		e, _ := report.Explain(finding.Code(name))
		return e.By&report.ByReading == 0
	})
}

func (in *input) options() replay.Options {
	opt := replay.Options{Lag: in.lag, Skew: in.skew, MaxDrift: in.drift, Worst: in.worst}
	if in.worst == 0 {
		opt.Worst = -1 // none: the zero of the options means their default
	}
	return opt
}

// parseTables reads the rule tables. All mistakes of all tables are reported at once.
func (c *command) parseTables(names []string) ([]*merge.Table, error) {
	var tables []*merge.Table
	var mistakes []error
	for _, name := range names {
		text, err := readText(name)
		if err != nil {
			return nil, fmt.Errorf("read rules: %w", err)
		}
		t, err := merge.ParseTable(name, text, c.rules...)
		if err != nil {
			mistakes = append(mistakes, err)
		}
		tables = append(tables, t)
	}
	return tables, errors.Join(mistakes...)
}

// readText reads a file that people write, such as a table: of a longer one than that can be no more than it takes to see that.
func readText(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, lex.MaxBytes+1))
}

// errNoRules is of a command without a table.
var errNoRules = hinted{errors.New("no rules"), `name a table with -rules; to begin with one: printf '* * lww\n' > rules.tb`}

// parseTable reads the one rule table that most commands want.
func (c *command) parseTable(in *input) (*merge.Table, error) {
	switch len(in.tables) {
	case 0:
		return nil, errNoRules
	case 1:
		tables, err := c.parseTables(in.tables)
		if err != nil {
			return nil, err
		}
		return tables[0], nil
	}
	return nil, hinted{errors.New("more than one table"), "tiebreak diff compares tables"}
}

// sources finds the files that the arguments stand for, and those of them that hold a partial.
func (c *command) sources(in *input) (histories, partials []history.Source, err error) {
	named := make(map[string]bool)
	inputs := slices.Clone(in.regions)
	for _, name := range in.names {
		inputs = append(inputs, regional{name: name})
	}
	for _, one := range inputs {
		found, skipped, err := history.Find(one.name)
		if err != nil {
			return nil, nil, err
		}
		for _, s := range skipped {
			c.note("%s: not read: %s", s.Name, s.Why)
		}
		if len(found) == 0 {
			return nil, nil, fmt.Errorf("%s holds no file to read", one.name)
		}
		for _, s := range found {
			file := s.Name
			if file != "-" {
				file = resolved(file)
			}
			if named[file] {
				return nil, nil, hinted{fmt.Errorf("%s is named twice", s.Name), "its writes would count as delivered twice"}
			}
			named[file] = true
			if s.Name == "-" {
				s = history.Reader("-", c.stdin)
			}
			s.Region = one.region
			partial, err := peek(&s)
			switch {
			case err != nil:
				return nil, nil, err
			case partial && s.Region != "":
				return nil, nil, hinted{fmt.Errorf("%s is a partial: it knows its regions", s.Name), "name it without -region"}
			case partial:
				partials = append(partials, s)
			default:
				histories = append(histories, s)
			}
		}
	}
	byName := func(a, b history.Source) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(histories, byName)
	slices.SortFunc(partials, byName)
	return histories, partials, nil
}

// peekBytes is what [replay.IsPartial] needs to see.
const peekBytes = 20

// peek reports whether a source holds a partial. Of the standard input and of pipes, which can be read once, it makes one that still
// begins where it did.
func peek(s *history.Source) (bool, error) {
	if s.Format == history.Replica {
		return false, nil
	}
	r, err := s.Open()
	if err != nil {
		return false, err
	}
	if readOnce(s.Name) {
		again := bufio.NewReader(r)
		prefix, _ := again.Peek(peekBytes) // what is shorter is no partial, and reading it will tell why
		s.Open = func() (io.ReadCloser, error) {
			return struct {
				io.Reader
				io.Closer
			}{again, r}, nil
		}
		return replay.IsPartial(prefix), nil
	}
	defer r.Close()
	prefix := make([]byte, peekBytes)
	n, err := io.ReadFull(r, prefix)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, fmt.Errorf("%s: %w", s.Name, err)
	}
	return replay.IsPartial(prefix[:n]), nil
}

// collect reads all inputs into one history.
func (c *command) collect(in *input, histories, partials []history.Source) (*replay.History, error) {
	opt := in.scan(c.show)
	if in.stoppable {
		stop, ended := c.signals.reading()
		defer ended()
		opt.Stop = stop
	}
	collect := replay.Collect
	if in.checkpoint != "" {
		check := replay.Checkpoint{Dir: in.checkpoint, Kept: c.show.kept, Note: func(text string) { c.note("%s", text) }}
		collect = check.Collect
	}
	h, err := collect(histories, opt)
	if err != nil {
		return nil, err
	}
	for _, s := range partials {
		r, err := s.Open()
		if err != nil {
			_ = h.Close()
			return nil, err
		}
		err = h.Load(bufio.NewReader(r))
		_ = r.Close()
		if err != nil {
			_ = h.Close()
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	var rows history.Stats
	strange, writes := int64(0), int64(0)
	for _, i := range h.Inputs() {
		writes += i.Writes
		rows.Origins, rows.NoOrigin, strange = rows.Origins+i.Origins, rows.NoOrigin+i.NoOrigin, strange+i.Strange
	}
	err = in.checkOrigin(rows)
	if err == nil && len(in.regions) > 1 && rows.Origins > 0 && strange == rows.Origins {
		err = hinted{fmt.Errorf("none of %d rows says in column %q that it was written in %s", rows.Origins, in.origin, in.regions.names()),
			"-region names a region as that column spells it"}
	}
	if name, region := h.Apart(); err == nil && name != "" {
		err = hinted{fmt.Errorf("%s holds writes of %s as if of %s no export were read: they would count twice", name, region, region),
			"what each region has of the others' writes is read together: name all with -region when a -partial is made"}
	}
	if err != nil {
		_ = h.Close()
		return nil, err
	}
	if in.origin != "" && rows.Origins+rows.NoOrigin == 0 && writes > 0 {
		c.say(hinted{fmt.Errorf("-origin %s has done nothing: no row of an export was read", in.origin), "a native history names the node of each write itself"})
	}
	return h, nil
}

// checkOrigin says no to an -origin that none of the rows that were read has.
func (in *input) checkOrigin(rows history.Stats) error {
	if rows.Origins > 0 || rows.NoOrigin == 0 {
		return nil
	}
	return hinted{fmt.Errorf("none of %d rows says in a column %q where it was written", rows.NoOrigin, in.origin), "-origin names the column as the export spells it"}
}

func (in *input) scan(show *progress) history.Options {
	var regions []string
	for _, r := range in.regions {
		regions = append(regions, r.region)
	}
	keep := in.reads || in.checkpoint != "" // what is kept of an input is the same whoever wants it
	return history.Options{Format: history.Format(in.format), Origin: in.origin, Regions: regions, Scans: in.scans, PrimaryKeys: in.keys,
		Memory: in.memory.history(), Exclude: in.exclude, Reads: keep, Progress: show.read, Finished: show.finished}
}

// read finds and reads all inputs. The caller erases the progress, when all that takes time is done.
func (c *command) read(in *input) (*replay.History, []string, error) {
	if err := in.checkCheckpoint(); err != nil {
		return nil, nil, err
	}
	histories, partials, err := c.sources(in)
	if err != nil {
		return nil, nil, err
	}
	c.show = newProgress(c.stderr, histories)
	in.memory.limit()
	h, err := c.collect(in, histories, partials)
	if err != nil {
		return nil, nil, err
	}
	c.show.merging()
	return h, append(namesOf(histories), namesOf(partials)...), nil
}

// aside says what was set aside of the inputs and returns whether that is trouble: whether any of it is not tolerated.
func (c *command) aside(in *input, inputs []replay.Input) bool {
	err := in.aside(inputs)
	if err != nil {
		c.say(err)
	}
	return err != nil
}

// aside returns what was set aside of inputs and is not tolerated, as an error.
func (in *input) aside(inputs []replay.Input) error {
	counts := make(map[finding.Code]int64)
	total, read := int64(0), int64(0)
	for _, i := range inputs {
		read += i.Records() - i.SetAside
		for code, n := range i.Codes {
			if !in.tolerates && !slices.Contains(in.tolerated, code) && !report.Normal(code) {
				counts[code] += n
				total += n
			}
		}
	}
	if total == 0 {
		return nil
	}
	var each, codes []string
	for _, code := range report.Codes() {
		if n := counts[code]; n > 0 {
			each, codes = append(each, fmt.Sprintf("%s %d", code, n)), append(codes, string(code))
		}
	}
	are := "are"
	if total == 1 {
		are = "is"
	}
	hint := "-tolerate " + strings.Join(codes, ",") + " goes on without"
	if read == 0 {
		hint = "nothing else is there: see tiebreak help " + codes[0] + ", and of native records tiebreak help history"
	}
	return hinted{fmt.Errorf("%s %s set aside: %s", layout.Plural(total, "record"), are, strings.Join(each, ", ")), hint}
}

// again returns the command that tells why a cell of these inputs ends as it does.
func (in *input) again(table, key, field string) string {
	words := []string{"tiebreak", "why", "-rules", table}
	if field != "" {
		words = append(words, "-field", field)
	}
	return in.command(append(words, in.flags()...), key)
}

// flags returns the flags that say how to read and to merge, as they would be given again.
func (in *input) flags() []string {
	var words []string
	regions := slices.Clone(in.regions)
	slices.SortFunc(regions, func(a, b regional) int { return cmp.Or(cmp.Compare(a.region, b.region), cmp.Compare(a.name, b.name)) })
	for _, r := range regions {
		words = append(words, "-region", r.region+"="+r.name)
	}
	text := func(flag, value string) {
		if value != "" {
			words = append(words, flag, value)
		}
	}
	text("-origin", in.origin)
	text("-format", string(in.format))
	for _, t := range in.scans {
		text("-scan", t.String())
	}
	for _, k := range in.keys.words() {
		text("-primary-key", k)
	}
	text("-tolerate", in.tolerate)
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"-lag", in.lag}, {"-skew", in.skew}, {"-max-drift", in.drift}} {
		if d.value != 0 {
			words = append(words, d.flag, d.value.String())
		}
	}
	return words
}

// command joins words, arguments and the histories to a line for a shell. The order in which histories were named does
// not show.
func (in *input) command(words []string, args ...string) string {
	args = append(args, slices.Sorted(slices.Values(in.names))...)
	if slices.ContainsFunc(args, func(a string) bool { return len(a) > 1 && a[0] == '-' }) {
		words = append(words, "--")
	}
	words = append(words, args...)
	for i, w := range words {
		words[i] = quoted(w)
	}
	return strings.Join(words, " ")
}

// quoted returns a word as a shell wants it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,+@%", r))
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	if layout.Printable(word) == word {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := range len(word) {
		switch ch := word[i]; {
		case ch == '\'' || ch == '\\':
			b.WriteString(`\` + string(ch))
		case ch < ' ' || ch >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, ch)
		default:
			b.WriteByte(ch)
		}
	}
	return b.String() + "'"
}
