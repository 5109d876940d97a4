package segment_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// childDir tells the test binary that it is the child of TestAKilledProcessLosesNothingAcknowledged.
const childDir = "SEGMENT_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, appendForEver(dir))
		os.Exit(1)
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
