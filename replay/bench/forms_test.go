package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The comparisons run this very program to make histories and for the floors.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		main()
		return
	}
	os.Exit(m.Run())
}

// rounds is how often each is run.
func rounds(n int) int {
	if testing.Short() {
		return 1
	}
	return n
}

func TestFormsAreMeasuredBesideEachOther(t *testing.T) {
	w := small()
	c := comparison{workload: &w, rounds: rounds(3), dir: t.TempDir()}
	var all []*contender
	require.NoError(t, c.within(func() (err error) {
		if all, err = c.formContenders(); err != nil {
			return err
		}
		return c.measure(all)
	}))
	require.NoDirExists(t, c.work)
	feeds := 2 * 2 * len(replicated)
	require.Len(t, all, len(forms)+feeds+len(seens)+2+4)
	for i, one := range all {
		require.Len(t, one.times, c.rounds)
		require.Positive(t, one.bytes)
		require.Equal(t, i == 0, one.beside == nil, one.name)
	}
	require.Less(t, all[1].bytes, all[0].bytes)                 // msgpack
	require.Equal(t, all[len(forms)], all[len(forms)+1].beside) // a run with -origin beside one without
	require.Equal(t, all[len(forms)].bytes, all[len(forms)+1].bytes)
	bare := len(forms) + feeds + len(seens) + 2
	require.Less(t, all[bare].bytes, all[0].bytes/2)
	require.Equal(t, all[bare], all[bare+1].beside) // a run beside only unpacking the same file
	require.Equal(t, all[bare].bytes, all[bare+1].bytes)

	var said bytes.Buffer
	require.NoError(t, formTable(&said, all))
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	require.Len(t, lines, 1+len(all))
	require.Contains(t, lines[1], "1.00x    1.00x  run: native")
	for _, one := range all {
		require.Contains(t, said.String(), one.name)
	}
}

func TestProfileIsOfAllFormsAndNamesNoFile(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and runs it on every form")
	}
	w := small()
	file := filepath.Join(t.TempDir(), "p")
	c := comparison{workload: &w, rounds: rounds(2)}
	require.NoError(t, c.profile(file))
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	in, err := gzip.NewReader(f)
	require.NoError(t, err)
	plain, err := io.ReadAll(in)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	require.NotContains(t, string(plain), self)
	require.Contains(t, string(plain), strings.Repeat("-", len(self)))
	require.NoDirExists(t, c.work)
}

func TestOneThingIsAskedForAtATime(t *testing.T) {
	for _, args := range [][]string{{}, {"-compare", "-forms"}, {"-forms", "-o", "x"}, {"-compare", "-o", "x"}, {"-forms", "-profile", "x"}, {"-linear", "-forms"}, {"-tables", "-linear"}} {
		require.ErrorContains(t, bench(args), "want one of -o FILE, -compare, -forms, -linear, -tables and -profile FILE")
	}
	for _, args := range [][]string{{"-form", "msgpack"}, {"-seen", "list"}, {"-reads", "1"}, {"-deletes", ".1"}, {"-regions", "2"}} {
		require.ErrorContains(t, bench(append(args, "-compare")), "are for -o FILE alone")
	}
	require.ErrorContains(t, bench([]string{"-floor", "sweep", "-o", "x"}), "read, unpack or parse")
}
