package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLengthsAndProcessorsAreMeasuredBesideEachOther(t *testing.T) {
	w := small()
	c := comparison{workload: &w, rounds: rounds(3), dir: t.TempDir()}
	var all []*contender
	require.NoError(t, c.within(func() (err error) {
		if all, err = c.linearContenders(); err != nil {
			return err
		}
		return c.measure(all)
	}))
	require.NoDirExists(t, c.work)
	require.Len(t, all, 5)
	for _, one := range all {
		require.Len(t, one.times, c.rounds)
		require.Len(t, one.cpu, c.rounds)
		require.Positive(t, one.rss)
	}
	require.Equal(t, []int{w.writes, w.writes / 10, 3 * w.writes, w.writes, 2 * w.writes},
		[]int{all[0].writes, all[1].writes, all[2].writes, all[3].writes, all[4].writes})
	require.Equal(t, all[3].args, all[0].args) // the same run on one processor

	var said bytes.Buffer
	require.NoError(t, linearTable(&said, all))
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	require.Len(t, lines, 1+len(all))
	require.Contains(t, lines[1], "1.00x")
	for i, one := range all {
		require.Contains(t, lines[i+1], one.name)
	}
}

func TestEachWriteOfAllCopiesCounts(t *testing.T) {
	one := &contender{name: "one", times: []time.Duration{3 * time.Second}, cpu: []time.Duration{3 * time.Second}, writes: 10_000_000}
	two := &contender{name: "two", times: []time.Duration{3 * time.Second}, cpu: []time.Duration{6 * time.Second}, writes: 20_000_000}
	var said bytes.Buffer
	require.NoError(t, linearTable(&said, []*contender{one, two}))
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	require.Equal(t, []string{"300", "1.00x", "300", "1.00x"}, lastOf(lines[1]))
	require.Equal(t, []string{"150", "0.50x", "300", "1.00x"}, lastOf(lines[2]))
}

func lastOf(line string) []string {
	words := strings.Fields(line)
	return words[len(words)-4:]
}

func TestOneOfTwoCopiesThatFailsIsTold(t *testing.T) {
	c := contender{name: "no such", args: []string{"go", "no-such-command"}, copies: 2}
	require.ErrorContains(t, c.measure(), "no-such-command")
	require.Empty(t, c.times)
	c.args[0] = "no-such-program"
	require.ErrorContains(t, c.measure(), "no-such-program")
}
