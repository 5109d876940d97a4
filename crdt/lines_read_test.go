package crdt_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/replay/cmd"
)

// What a failing test prints is a history, and the command that it names tells of it.
func TestTheCommandReadsThePrintedHistories(t *testing.T) {
	for kind, printed := range crdt.SomeLines() {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			rules, history := filepath.Join(dir, "rules.tb"), filepath.Join(dir, "history.ndjson")
			require.NoError(t, os.WriteFile(rules, []byte(printed[0]), 0o644))
			require.NoError(t, os.WriteFile(history, []byte(printed[2]), 0o644))
			var out, trouble bytes.Buffer
			status := cmd.Tiebreak(bytes.NewReader(nil), &out, &trouble, []string{"why", "-rules", rules, printed[1], history})
			require.Zero(t, status, "%s%s", trouble.String(), printed[2])
			require.NotEmpty(t, out.String())
		})
	}
}
