package drill

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
)

var update = flag.Bool("update", false, "write the golden files anew")

// asItWas asserts that a text is the one that a golden file holds.
func asItWas(t *testing.T, file, text string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(want), "\n"), strings.Split(text, "\n"))
}

// Everything that is written about two drills in which much happens stands in files, to be read by people when it changes.
func TestReportsReadAsTheyDid(t *testing.T) {
	text := busyDay(1, 160)
	table, err := merge.ParseTable("day.tb", []byte("nodes a < b < c\nref/* * refuse\nany/* * keep-all\n* * lww"))
	require.NoError(t, err)
	safer, err := merge.ParseTable("safer.tb", []byte("nodes a < b < c\nref/* * refuse\n* * keep-all"))
	require.NoError(t, err)
	opt := Options{Tables: map[string]*merge.Table{"safer.tb": safer}}
	traffic := trafficOf(t, text)
	for _, name := range []string{"busy", "unfinished"} {
		source, err := os.ReadFile(filepath.Join("testdata", name+".drill"))
		require.NoError(t, err)
		s, err := ParseScript(name+".drill", source)
		require.NoError(t, err)
		beside := opt
		beside.Calm = true
		r, err := Run(s, table, traffic, beside)
		require.NoError(t, err)
		calm, err := Run(s.Calm(), table, traffic, opt)
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, Text(&out, r))
		out.WriteString("\n======== beside the calm day\n\n")
		require.NoError(t, Compare(r, calm).Text(&out))
		out.WriteString("\n======== as a runbook\n\n")
		require.NoError(t, Runbook(&out, s, table))
		out.WriteString("\n======== for servers that run checks\n\n")
		require.NoError(t, JUnit(&out, r))
		asItWas(t, name+".golden", out.String())
	}
}
