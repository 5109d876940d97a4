package cmd_test

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

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
	})
}

// Each script is one behaviour of the command. All begin with the history of testdata/shop at hand.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup:         func(env *testscript.Env) error { return os.CopyFS(env.WorkDir, os.DirFS("testdata/shop")) },
		Cmds:          map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "same": same, "serves": serves},
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
