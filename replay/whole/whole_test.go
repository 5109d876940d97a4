package whole

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// names returns what a directory holds.
func names(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// both runs a test with files that have no name, where there are such files, and with files that have one.
func both(t *testing.T, test func(t *testing.T)) {
	t.Run("unnamed", test)
	unnamed = func(string, string) *os.File { return nil }
	t.Cleanup(func() { unnamed = nameless })
	t.Run("named", test)
}

func TestAFileAppearsWhenItIsWhole(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		for _, text := range []string{"first", "second, over the first"} {
			before, _ := os.ReadFile(path)
			f, err := Create(path)
			require.NoError(t, err)
			_, err = f.WriteString(text)
			require.NoError(t, err)
			now, _ := os.ReadFile(path)
			require.Equal(t, before, now, "it shows before it is whole")
			require.NoError(t, f.Commit())
			f.Discard()
			now, err = os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, text, string(now))
			require.Equal(t, []string{"out"}, names(t, dir))
		}
		f, err := Create(path)
		require.NoError(t, err)
		_, err = f.WriteString("third")
		require.NoError(t, err)
		f.Discard()
		f.Discard()
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "second, over the first", string(now))
		require.Equal(t, []string{"out"}, names(t, dir))
	})
}

// Two that write to one place at once don't disturb each other, nor does what a process of the same number left.
func TestNamesThatAreTakenAreNoTrouble(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		left, err := beside(path, func(name string) error { return os.WriteFile(name, nil, 0o666) })
		require.NoError(t, err)
		a, err := Create(path)
		require.NoError(t, err)
		b, err := Create(path)
		require.NoError(t, err)
		_, err = a.WriteString("a")
		require.NoError(t, err)
		require.NoError(t, a.Commit())
		require.NoError(t, b.Commit())
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Empty(t, now, "the last one wins")
		require.Equal(t, []string{filepath.Base(left), "out"}, names(t, dir))
	})
}

func TestWhatCannotBeCommittedIsGone(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		f, err := Create(path)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Join(path, "in the way"), 0o777))
		require.Error(t, f.Commit())
		require.Equal(t, []string{"out"}, names(t, dir))
		_, err = Create(filepath.Join(dir, "none", "out"))
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func TestTemporaryFilesAreGoneWhenClosed(t *testing.T) {
	both(t, func(t *testing.T) {
		dir := t.TempDir()
		f, remove, err := Temp(dir)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("x"), 1<<20)
		require.NoError(t, err)
		b := make([]byte, 1)
		_, err = f.ReadAt(b, 1<<20)
		require.NoError(t, err)
		require.Equal(t, "x", string(b))
		require.NoError(t, f.Close())
		require.NoError(t, remove())
		require.Empty(t, names(t, dir))
	})
}

// TestMain is a process that begins files in a directory and is then killed, or clears up and then finds that it is over.
func TestMain(m *testing.M) {
	dir := os.Getenv("WHOLE_TEST_DIR")
	if dir == "" {
		os.Exit(m.Run())
	}
	if os.Getenv("WHOLE_TEST_NAMED") != "" {
		unnamed = func(string, string) *os.File { return nil }
	}
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	f, err := Create(filepath.Join(dir, "out"))
	check(err)
	_, err = f.WriteString("half")
	check(err)
	temp, _, err := Temp(dir)
	check(err)
	_, err = temp.WriteString("half")
	check(err)
	if os.Getenv("WHOLE_TEST_NAMED") != "" {
		Clear()
		if f.Commit() == nil {
			panic("a file is committed when all is over")
		}
		if _, err := Create(filepath.Join(dir, "late")); err == nil {
			panic("a file is begun when all is over")
		}
	}
	os.Stdout.WriteString("begun\n")
	select {}
}

// killed starts such a process, kills it, and returns what it leaves.
func killed(t *testing.T, env ...string) []string {
	dir := t.TempDir()
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), "WHOLE_TEST_DIR="+dir), env...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "begun", strings.TrimSpace(line))
	require.NoError(t, c.Process.Kill())
	require.Error(t, c.Wait())
	return names(t, dir)
}

func TestAKilledProcessLeavesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("files without a name are Linux's")
	}
	require.Empty(t, killed(t))
}

func TestClearRemovesWhatIsOnItsWay(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it removes no open file")
	}
	require.Empty(t, killed(t, "WHOLE_TEST_NAMED=1"))
}
