package drills_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/drill"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

var update = flag.Bool("update", false, "rewrite outcomes.golden; read the diff before you commit it")

func table(t *testing.T, file string) *merge.Table {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	parsed, err := merge.ParseTable(file, text)
	require.NoError(t, err)
	return parsed
}

var theDay = sync.OnceValues(func() (*drill.Traffic, error) {
	return drill.Collect([]history.Source{history.File("../shop/shop.ndjson.zst")}, history.Options{})
})

// day returns the shop's day.
func day(t *testing.T) *drill.Traffic {
	traffic, err := theDay()
	require.NoError(t, err)
	return traffic
}

func TestDrillsEndAsTheGoldenSays(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a whole day for each script")
	}
	traffic := day(t)
	shop := table(t, "../shop/shop.tb")
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	files, err := filepath.Glob("*.drill")
	require.NoError(t, err)
	var got strings.Builder
	for _, file := range files {
		require.Contains(t, string(readme), "`"+file+"`", "the table of the README has no line for it")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), "# Look at: "), file)
		script, err := drill.ParseScript(file, text)
		require.NoError(t, err)
		tables := make(map[string]*merge.Table)
		for _, name := range script.Tables() {
			tables[name] = table(t, name)
		}
		r, err := drill.Run(script, shop, traffic, drill.Options{Tables: tables})
		require.NoError(t, err)
		require.True(t, r.Converged, file)
		require.Zero(t, r.Apart, file)
		for _, c := range r.Checks {
			fmt.Fprintf(&got, "%s:%d: %s: %s\n", file, c.Line, outcome(c.Passed), c.Check)
		}
		for _, timer := range r.Timers {
			fmt.Fprintf(&got, "%s:%d: %s: %s\n", file, timer.Line, outcome(timer.Met), timer.Timer)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile("outcomes.golden", []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile("outcomes.golden")
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// The README says at which load the narrow link of thundering-retry.drill no longer keeps pace.
func TestTheLimitOfTheNarrowLinkIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs whole days again and again")
	}
	traffic := day(t)
	text, err := os.ReadFile("thundering-retry.drill")
	require.NoError(t, err)
	limit, err := drill.FindLimit(drill.MustParseScript(string(text)), table(t, "../shop/shop.tb"), traffic, drill.Options{})
	require.NoError(t, err)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), limit.String())
}

// What a drill says is the cause is the cause: without these lines, and with nothing else changed, its checks hold.
func TestWithoutItsCauseADrillPasses(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs whole days again and again")
	}
	traffic := day(t)
	for file, cause := range map[string]string{
		"slow-clock.drill":      "at 09:00 drift",
		"clock-jump.drill":      "at 15:00 skew",
		"table-change.drill":    "at 12:10 table",
		"table-rollout.drill":   "at 12:",
		"restore.drill":         "at 12:09 restart",
		"region-isolated.drill": "at 12:00 cut",
		"slow-quorum.drill":     "at 12:00 link",
	} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		script, err := drill.ParseScript(file, text)
		require.NoError(t, err)
		var lines []string
		for _, l := range script.Lines() {
			if !strings.HasPrefix(l, cause) && !strings.HasPrefix(l, "within") {
				lines = append(lines, l)
			}
		}
		require.Less(t, len(lines), len(script.Lines()), file)
		less := drill.MustParseScript(strings.Join(lines, "\n"))
		tables := make(map[string]*merge.Table)
		for _, name := range less.Tables() {
			tables[name] = table(t, name)
		}
		r, err := drill.Run(less, table(t, "../shop/shop.tb"), traffic, drill.Options{Tables: tables})
		require.NoError(t, err)
		require.Empty(t, r.Failed(), file)
	}
}

func outcome(passed bool) string {
	if passed {
		return "passed"
	}
	return "FAILED"
}

func TestOneLineMendsTheIsolatedRegion(t *testing.T) {
	said := func(file string) []string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		script, err := drill.ParseScript(file, text)
		require.NoError(t, err)
		return script.Lines()
	}
	before, after := said("region-isolated.drill"), said("region-isolated-quorum.drill")
	require.Len(t, after, len(before))
	changed := 0
	for i := range before {
		if before[i] != after[i] {
			changed++
			require.Equal(t, strings.Replace(before[i], "writes local", "writes quorum", 1), after[i])
		}
	}
	require.Equal(t, 1, changed)
}
