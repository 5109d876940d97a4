//go:build unix

package cmd_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/replay/cmd"
)

// What shells make of <(zcat day.gz) can be read once, as a named pipe can. Each was opened twice, to see first whether it is a partial: its
// history lacked what that had read, or the command waited for ever for somebody to write into it again.
func TestPipesAreReadFromTheirBeginning(t *testing.T) {
	dir := t.TempDir()
	table, history := filepath.Join(dir, "t.tb"), ""
	require.NoError(t, os.WriteFile(table, []byte("* * lww\n"), 0o644))
	for i := range 3 {
		history += fmt.Sprintf(`{"key":"k%d","value":1,"node":"n"}`+"\n", i)
	}
	run := func(name string) string {
		var out, errs strings.Builder
		require.Zero(t, cmd.Tiebreak(strings.NewReader(""), &out, &errs, []string{"run", "-rules", table, name}), "%s", &errs)
		return out.String()
	}

	r, w, err := os.Pipe()
	require.NoError(t, err)
	_, err = io.WriteString(w, history)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Contains(t, run(fmt.Sprintf("/dev/fd/%d", r.Fd())), "writes       3  to 3 keys")
	require.NoError(t, r.Close())

	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o644))
	wrote := make(chan error, 1)
	go func() {
		file, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err == nil {
			_, err = io.WriteString(file, history)
			_ = file.Close()
		}
		wrote <- err
	}()
	require.Contains(t, run(pipe), "writes       3  to 3 keys")
	require.NoError(t, <-wrote)
}
