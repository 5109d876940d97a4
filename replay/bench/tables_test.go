package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
)

func TestFurtherTablesAreMeasuredBesideOne(t *testing.T) {
	w := small()
	c := comparison{workload: &w, rounds: rounds(1), dir: t.TempDir()}
	var all []*contender
	require.NoError(t, c.within(func() (err error) {
		if all, err = c.tableContenders(); err != nil {
			return err
		}
		return c.measure(all)
	}))
	require.NoDirExists(t, c.work)
	require.Len(t, all, 1+len(furtherRules))

	var said bytes.Buffer
	require.NoError(t, tablesTable(&said, all))
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	require.Len(t, lines, 1+len(all))
	for i, one := range all {
		require.Contains(t, lines[i+1], one.name)
	}
}

func TestAFurtherTableDecidesOtherwiseThanTheFirst(t *testing.T) {
	text, err := files.ReadFile("bench.tb")
	require.NoError(t, err)
	known := map[string]bool{merge.MustParseTable(string(text)).Fingerprint(): true}
	for _, rule := range furtherRules {
		for _, nodes := range furtherNodes {
			table := merge.MustParseTable(furtherTable(nodes, rule))
			require.Equal(t, rule, table.Rule("users/1", "email").Name)
			require.Equal(t, "counter", table.Rule("stock/1", "count").Name)
			require.False(t, known[table.Fingerprint()])
			known[table.Fingerprint()] = true
		}
	}
}

func TestWhatAFurtherTableTakesIsOfTheRunWithOne(t *testing.T) {
	one := &contender{name: "one", times: []time.Duration{2 * time.Second}, cpu: []time.Duration{4 * time.Second}}
	six := &contender{name: "six", times: []time.Duration{3 * time.Second}, cpu: []time.Duration{5 * time.Second}}
	var said bytes.Buffer
	require.NoError(t, tablesTable(&said, []*contender{one, six}))
	require.Regexp(t, `10% +5%\n$`, said.String())
}
