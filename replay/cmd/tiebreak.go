package cmd

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/lex"
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
}

// commandNames are in the order of the help.
var commandNames = []string{"run", "why", "diff", "laws", "drill", "convert", "help"}

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
	text, ok := helps[args[0]]
	if !ok {
		return c.unknownCommand(args[0])
	}
	fmt.Fprint(c.out, text)
	return exitDone
}

func (c *command) unknownCommand(name string) int {
	c.say(hinted{fmt.Errorf("there is no command %q", name), meant(name, commandNames, "run tiebreak help")})
	return exitTrouble
}

// say writes an error, or what else is not the report, to the standard error: each of its lines by itself.
func (c *command) say(err error) {
	c.show.done()
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(c.stderr, "tiebreak: %s\n", report.Printable(strings.TrimSuffix(line, "\n")))
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
