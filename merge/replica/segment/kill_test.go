package segment_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// childDir tells the test binary that it is the child of TestAKilledProcessLosesNothingAcknowledged.
const childDir = "SEGMENT_TEST_CHILD_DIR"

// childEnds tells that child to do everything once, and to end.
const childEnds = "SEGMENT_TEST_CHILD_ENDS"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		do := appendForEver
		if os.Getenv(childEnds) != "" {
			do = func(dir string) error {
				runtime.LockOSThread() // strace counts the calls of each thread for itself
				return doAll(dir, os.Stdout)
			}
		}
		if err := do(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// appendForEver appends batches to the log and prints what is acknowledged.
func appendForEver(dir string) error {
	l, found, err := segment.Open(dir, segment.Options{SegmentSize: 8 << 10})
	if err != nil {
		return err
	}
	fmt.Println(found.Last)
	for n := found.Last; ; {
		for range 1 + n%7 {
			n++
			if _, err := l.Append(killedBody(n)); err != nil {
				return err
			}
		}
		if err := l.Sync(); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// doAll does all that writes to the disk, a few times, and prints what is acknowledged.
func doAll(dir string, acked io.Writer) error {
	l, found, err := segment.Open(dir, segment.Options{SegmentSize: 200})
	if err != nil {
		return err
	}
	n := found.Last
	for round := range 4 {
		var last segment.Position
		for range 1 + round {
			n++
			if last, err = l.Append(killedBody(n)); err != nil {
				return err
			}
		}
		if err := l.Sync(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(acked, n); err != nil {
			return err
		}
		if round%2 == 1 {
			err := l.WriteSnapshot(last, func(w io.Writer) error {
				_, err := fmt.Fprint(w, n)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return l.Close()
}

// TestAProcessKilledAtAnySystemCallLosesNothingAcknowledged has strace kill a process at each call by which it writes,
// syncs, renames or truncates. The file-system seam does the same and more (see crash_test.go); this shows that there is
// nothing beside the seam.
func TestAProcessKilledAtAnySystemCallLosesNothingAcknowledged(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	killed := make(map[string]int)
	for _, call := range []string{"pwrite64", "fsync", "renameat", "ftruncate"} {
		for n := 1; ; n++ {
			dir := t.TempDir()
			acked := uint64(0)
			if n%2 == 0 || call == "ftruncate" { // on a log with a torn tail, which is cut when it is opened
				require.NoError(t, doAll(dir, io.Discard))
				acked = 10
				segments, err := filepath.Glob(filepath.Join(dir, "*.seg"))
				require.NoError(t, err)
				last, err := os.OpenFile(slices.Max(segments), os.O_WRONLY|os.O_APPEND, 0)
				require.NoError(t, err)
				_, err = last.WriteString("torn")
				require.NoError(t, errors.Join(err, last.Close()))
			}
			child := exec.Command(strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace="+call,
				"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n), self)
			child.Env = append(os.Environ(), childDir+"="+dir, childEnds+"=1")
			out, err := child.Output()
			for line := range strings.Lines(string(out)) {
				acked, _ = strconv.ParseUint(strings.TrimSpace(line), 10, 64)
			}
			if err == nil {
				if call != "ftruncate" {
					require.Greater(t, killed[call], 3, call)
				}
				break // it came to its end
			}
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			if killed[call] == 0 && strings.Contains(string(exit.Stderr), "not permitted") {
				t.Skip("strace may not trace here")
			}
			killed[call]++
			l, found, err := segment.Open(dir, segment.Options{SegmentSize: 200})
			require.NoError(t, err, "killed at %s %d", call, n)
			require.GreaterOrEqual(t, found.Last, acked, "killed at %s %d", call, n)
			next := found.First
			for r, err := range l.From(segment.Position{}) {
				require.NoError(t, err)
				require.Equal(t, next, r.Position.Sequence)
				require.Equal(t, killedBody(next), r.Body)
				next++
			}
			require.Equal(t, found.Last+1, next, "killed at %s %d", call, n)
			require.NoError(t, l.Close())
		}
	}
	t.Logf("killed at %v", killed)
}

func killedBody(n uint64) []byte {
	return []byte(strings.Repeat(strconv.FormatUint(n, 10)+" ", 1+int(n%50)))
}

func TestAKilledProcessLosesNothingAcknowledged(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	var acked uint64
	for round := range 12 {
		child := exec.Command(self)
		child.Env = append(os.Environ(), childDir+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(out)
		for range 3 + 7*round {
			require.True(t, lines.Scan())
		}
		require.NoError(t, child.Process.Kill())
		for {
			// What it printed before it died was acknowledged too.
			n, err := strconv.ParseUint(lines.Text(), 10, 64)
			require.NoError(t, err)
			acked = n
			if !lines.Scan() {
				break
			}
		}
		_ = child.Wait()

		l, found, err := segment.Open(dir, segment.Options{SegmentSize: 8 << 10})
		require.NoError(t, err)
		assert.GreaterOrEqual(t, found.Last, acked)
		next := uint64(1)
		for r, err := range l.From(segment.Position{}) {
			require.NoError(t, err)
			require.Equal(t, next, r.Position.Sequence)
			require.Equal(t, killedBody(next), r.Body)
			next++
		}
		assert.Equal(t, found.Last+1, next)
		require.NoError(t, l.Close())
	}
	t.Logf("%d records acknowledged", acked)
}
