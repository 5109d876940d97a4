package cmd_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/cmd"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect; read the diff before you commit it")

func keepLeft(a, _ value.Value) value.Value { return a }

// Two rules that keep the first of two values, which is not commutative. The second says so.
var (
	left   = merge.Custom{Name: "left", Merge: keepLeft}
	honest = merge.Custom{Name: "left/v2", Merge: keepLeft, Waives: merge.Commutative}
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tiebreak": func() { cmd.Main() },
		"mybreak":  func() { cmd.Main(left, honest) },
		"limited":  limited,
	})
}

// Each script is one behaviour of the command. All begin with the history of testdata/shop at hand.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or a program with the race detector sleeps for a second when it ends
			return os.CopyFS(env.WorkDir, os.DirFS("testdata/shop"))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "same": same, "serves": serves, "interrupt": interrupt, "holds": holds,
		},
	})
}

// exits runs a program and wants an exit status: exits 2 tiebreak run.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGS...")
	}
	status := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		status = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || want != status {
		ts.Fatalf("exit status %d, want %s", status, args[0])
	}
}

// same wants files to be equal to the byte: same a b c.
func same(ts *testscript.TestScript, neg bool, args []string) {
	first := ts.ReadFile(args[0])
	for _, name := range args[1:] {
		if (ts.ReadFile(name) == first) == neg {
			ts.Fatalf("%s and %s: equal is %v", args[0], filepath.Base(name), !neg)
		}
	}
}

// serves is a service that writes three orders to a replica in a directory: serves NODE DIRECTORY.
func serves(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serves NODE DIRECTORY")
	}
	r, err := replica.Open(ts.MkAbs(args[1]), replica.Options{
		Node:   clock.Node(args[0]),
		Table:  merge.MustParseTable("* * lww"),
		Source: func() int64 { return 1_779_278_400_000_000_000 },
	})
	ts.Check(err)
	for _, status := range []string{"new", "paid", "shipped"} {
		_, err := r.Set("orders/1", "status", value.Text(status))
		ts.Check(err)
	}
	ts.Check(r.Close())
}

// interrupt runs a program whose standard input doesn't end, and sends it signals when it has kept something in a directory;
// "-" for when it has read some of its input. It wants an exit status, or the program to be killed by the last signal:
// interrupt INT,INT kept killed tiebreak run -.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: interrupt SIGNAL,... DIRECTORY STATUS PROGRAM ARGS...")
	}
	known := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	c := exec.Command(args[3], args[4:]...)
	c.Dir, c.Env = ts.MkAbs("."), append(os.Environ(), "GOMAXPROCS="+ts.Getenv("GOMAXPROCS"))
	c.Stdout, c.Stderr = ts.Stdout(), ts.Stderr()
	in, err := c.StdinPipe()
	ts.Check(err)
	ts.Check(c.Start())
	signals := strings.Split(args[0], ",")
	var fed atomic.Int64
	ended := make(chan struct{})
	line := []byte(`{"key":"stream","value":1,"node":"ap-south","time":"2026-03-02T09:00:00Z"}` + "\n")
	if len(signals) > 1 {
		_, err := in.Write(line) // who waits for more input sees no signal: the first one does not end it
		ts.Check(err)
	} else {
		go func() {
			for block := bytes.Repeat(line, 1000); ; fed.Add(1) {
				if _, err := in.Write(block); err != nil { // it has ended
					return
				}
			}
		}()
	}
	go func() {
		_ = c.Wait() // the state says how it ended
		close(ended)
	}()
	wait := func(what string, until func() bool) {
		for deadline := time.Now().Add(time.Minute); !until(); time.Sleep(time.Millisecond) {
			select {
			case <-ended:
				ts.Fatalf("it ended before %s: %v", what, c.ProcessState)
			default:
			}
			if time.Now().After(deadline) {
				_ = c.Process.Kill()
				ts.Fatalf("a minute has passed before %s", what)
			}
		}
	}
	wait("it kept something", func() bool {
		files, _ := filepath.Glob(filepath.Join(ts.MkAbs(args[1]), "*.partial"))
		return (len(files) > 0 || args[1] == "-") && (len(signals) > 1 || fed.Load() > 20)
	})
	for i, name := range signals {
		if i > 0 {
			time.Sleep(50 * time.Millisecond) // two that come at once are one
		}
		_ = c.Process.Signal(known[name])
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		_ = c.Process.Kill()
		ts.Fatalf("it did not end")
	}
	got := strconv.Itoa(c.ProcessState.ExitCode())
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == known[signals[len(signals)-1]] {
		got = "killed"
	}
	if got != args[2] {
		ts.Fatalf("exit status %s, want %s", got, args[2])
	}
}

// holds wants a directory to hold these files and no others: holds . a b.
func holds(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var names []string
	for _, e := range entries {
		if e.Name() != ".tmp" { // it is the script's
			names = append(names, e.Name())
		}
	}
	want := args[1:]
	if len(names) != len(want) {
		ts.Fatalf("%s holds %q, want %q", args[0], names, want)
	}
	for i, name := range names {
		if ok, err := filepath.Match(want[i], name); !ok || err != nil {
			ts.Fatalf("%s holds %q, want %q", args[0], names, want)
		}
	}
}
