package drill

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
)

// What the day loses anyway was laid at the incidents' door.
func TestWhatTheDayLosesByItselfIsNotOfTheIncidents(t *testing.T) {
	run := func(script, text string, calm bool) (*Result, string) {
		s, err := ParseScript("s.drill", []byte(two+script))
		require.NoError(t, err)
		r, err := Run(s, merge.MustParseTable("nodes eu < us\n* * lww"), trafficOf(t, text), Options{Calm: calm})
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, Text(&b, r))
		require.NoError(t, Markdown(&b, r))
		return r, b.String()
	}
	anyway := at(10, "eu", 1, "k", "a") + at(12, "us", 1, "k", "b")
	cut := "at 00:00:00.100 cut eu for 100ms\n"
	r, text := run(cut+"check lost == 0 else rollback heal\ncheck writes >= 1\n", anyway+at(150, "us", 2, "other", "c"), true)
	require.EqualValues(t, 1, r.Totals[Lost])
	require.EqualValues(t, 1, r.Calm[Lost])
	require.EqualValues(t, 0, r.Calm[Stuck])
	require.EqualValues(t, 1, *r.Checks[0].Calm)
	require.EqualValues(t, 3, *r.Checks[1].Calm)
	require.Contains(t, text, "Lost: the first 1 of 1, as many without the incidents")
	require.Contains(t, text, "1 acknowledged writes were lost, the same without the incidents")
	require.Contains(t, text, `"check lost == 0" fails without the incidents too`)
	require.NotContains(t, text, "look at line")

	// As many, and others: the cut keeps two from seeing each other, and lets two see each other that met.
	r, text = run(cut, anyway+at(120, "eu", 2, "cut", "c")+at(140, "us", 2, "cut", "d"), true)
	require.EqualValues(t, 2, r.Totals[Lost])
	require.Contains(t, text, "2 acknowledged writes were lost, 1 without the incidents; 1 of them with the incidents alone")
	require.Contains(t, text, "look at line 2 of ")
	require.Contains(t, text, ", which decides most of what came with the incidents: ")

	r, text = run("check lost == 0\nat 00:00:00.015 step \"look\"\nat 00:00:00.016 check lost <= 1\n", anyway, true)
	require.Nil(t, r.Calm, "nothing happens in it anyway")
	require.NotContains(t, text, "without the incidents")
	r, text = run(cut, anyway+at(150, "us", 2, "other", "c"), false)
	require.Nil(t, r.Calm)
	require.NotContains(t, text, "without the incidents")
}

// The calm day is that of [Script.Calm], however the two take turns, and the drill is what it is alone.
func TestTheCalmDayBesideADrillIsTheCalmDay(t *testing.T) {
	traffic := trafficOf(t, busyDay(1, 160))
	table := merge.MustParseTable("nodes a < b < c\nref/* * refuse\nany/* * keep-all\n* * lww")
	s := MustParseScript("region a = a\nregion b = b\nregion c = c\nlink * 5ms loss 5%\nload x2 from 00:00 for 1h\nat 00:00:00.010 cut a for 20ms\ncheck lost <= 3 else rollback heal")
	calm, err := Run(s.Calm(), table, traffic, Options{})
	require.NoError(t, err)
	alone, err := Run(s, table, traffic, Options{})
	require.NoError(t, err)
	var first string
	for range 5 {
		r, err := Run(s, table, traffic, Options{Calm: true})
		require.NoError(t, err)
		require.Equal(t, calm.Totals, r.Calm)
		require.Equal(t, alone.Totals, r.Totals)
		require.Equal(t, alone.Timeline, r.Timeline)
		var b strings.Builder
		require.NoError(t, JSON(&b, r))
		if first == "" {
			first = b.String()
		}
		require.Equal(t, first, b.String())
	}
}
