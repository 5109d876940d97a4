package cmd

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/lex"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/layout"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

// The exit statuses of the command.
const (
	exitDone    = 0 // nothing to worry about
	exitFound   = 1 // found what the caller asked to be told of
	exitTrouble = 2 // the result can't be relied on, or there is none
)

// Main runs the command of this process and exits. Rules are the caller's own: tables may use them by name.
func Main(rules ...merge.Custom) {
	signal.Ignore(syscall.SIGPIPE) // a closed pipe is an error of a write, and no trouble
	c := &command{stdin: os.Stdin, out: bufio.NewWriter(os.Stdout), stderr: os.Stderr, rules: rules, signals: watchInterrupts()}
	os.Exit(c.main(os.Args[1:]))
}

// Tiebreak runs the command with the arguments that follow its name and returns its exit status: 0 when there is nothing
// to worry about, 1 when it found what it was asked to tell, 2 when the result can't be relied on. It knows of no signals:
// those are for [Main].
func Tiebreak(stdin io.Reader, stdout, stderr io.Writer, args []string, rules ...merge.Custom) int {
	c := &command{stdin: stdin, out: bufio.NewWriter(stdout), stderr: stderr, rules: rules}
	return c.main(args)
}

func (c *command) main(args []string) int {
	c.args = args
	status := c.dispatch(args)
	if err := c.out.Flush(); err != nil && !errors.Is(err, syscall.EPIPE) {
		c.say(fmt.Errorf("write report: %w", err))
		return exitTrouble
	}
	return status
}

// command is one call of the command.
type command struct {
	stdin  io.Reader
	out    *bufio.Writer
	stderr io.Writer
	rules  []merge.Custom
	args   []string

	show    *progress   // of what is being read
	signals *interrupts // nil when nobody watches
}

// commands are the commands by name; [command.dispatch] adds help.
var commands = map[string]func(c *command, args []string) (int, error){
	"run":     (*command).run,
	"why":     (*command).why,
	"diff":    (*command).diff,
	"laws":    (*command).laws,
	"drill":   (*command).drill,
	"convert": (*command).convert,
	"version": (*command).version,
}

// commandNames are in the order of the help.
var commandNames = []string{"run", "why", "diff", "laws", "drill", "convert", "help", "version"}

// topics are what help tells besides commands and codes.
var topics = map[string]func(c *command) error{
	"codes":   func(c *command) error { return report.CodeList(c.out) },
	"history": func(c *command) error { _, err := c.out.WriteString(historyHelp); return err },
	"rules":   (*command).ruleList,
}

// formatNames are the formats that help tells of by name.
func formatNames() []string {
	var names []string
	for _, f := range history.Formats {
		if f.About() != "" {
			names = append(names, string(f))
		}
	}
	return names
}

// formatHelp returns what help tells of a format of exports, without the marks of Markdown; "" of anything else.
func formatHelp(name string) string {
	return strings.ReplaceAll(history.Format(name).About(), "**", "")
}

func (c *command) dispatch(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(c.stderr, usage)
		return exitTrouble
	}
	name, args := args[0], args[1:]
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, name) {
		return c.help(args)
	}
	run, ok := commands[name]
	if !ok {
		return c.unknownCommand(name)
	}
	status, err := run(c, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return c.help([]string{name})
	case errors.Is(err, syscall.EPIPE):
		return status
	case err != nil:
		c.say(err)
		return exitTrouble
	}
	return status
}

func (c *command) help(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(c.out, usage)
		return exitDone
	}
	name := args[0]
	if text := cmp.Or(helps[name], formatHelp(name)); text != "" {
		fmt.Fprint(c.out, text)
		return exitDone
	}
	tell := topics[name]
	if e, ok := report.Explain(finding.Code(name)); ok {
		tell = func(c *command) error { return e.Text(c.out) }
	}
	if tell == nil {
		known := slices.Concat(commandNames, slices.Sorted(maps.Keys(topics)), formatNames(), codeNames())
		c.say(hinted{fmt.Errorf("there is no help for %q", name), meant(name, known, "run tiebreak help")})
		return exitTrouble
	}
	if err := tell(c); err != nil {
		c.say(err)
		return exitTrouble
	}
	return exitDone
}

// ruleList writes the rules that a table may use, in a line each.
func (c *command) ruleList() error {
	fmt.Fprint(c.out, rulesHelp)
	for _, name := range merge.RuleNames() {
		usage, about := merge.Usage(name)
		fmt.Fprintf(c.out, "  %-19s %s\n", usage, about)
	}
	for _, own := range c.rules {
		fmt.Fprintf(c.out, "  %-19s a rule of this program's own\n", own.Name)
	}
	_, err := fmt.Fprint(c.out, tableHelp)
	return err
}

// version writes which build of the command this is.
func (c *command) version(args []string) (int, error) {
	switch rest, err := parse(flag.NewFlagSet("version", flag.ContinueOnError), args); {
	case err != nil:
		return 0, err
	case len(rest) > 0:
		return 0, errors.New("version takes no arguments")
	}
	text := "unknown version"
	if info, ok := debug.ReadBuildInfo(); ok {
		text = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				text += " (" + s.Value + ")"
			}
		}
	}
	fmt.Fprintf(c.out, "tiebreak %s, %s %s/%s\n", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitDone, nil
}

func (c *command) unknownCommand(name string) int {
	c.say(hinted{fmt.Errorf("there is no command %q", name), meant(name, commandNames, "run tiebreak help")})
	return exitTrouble
}

// say writes an error, or what else is not the report, to the standard error: each of its lines by itself.
func (c *command) say(err error) {
	c.show.done()
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(c.stderr, "tiebreak: %s\n", layout.Printable(strings.TrimSuffix(line, "\n")))
	}
}

func (c *command) note(format string, args ...any) { c.say(fmt.Errorf(format, args...)) }

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Error() string { return h.error.Error() + "; " + h.hint }
func (h hinted) Unwrap() error { return h.error }

// meant asks for the known word that is close to a wrong one; without one it returns other.
func meant(word string, known []string, other string) string {
	if near := lex.Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return other
}
