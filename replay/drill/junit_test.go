package drill

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A name of a script is data: it must not end an attribute.
func TestJUnitIsXMLWhateverNamesHold(t *testing.T) {
	text := at(1, "eu", 1, "k", "a") + at(2, "us", 1, "k", "b")
	r := runDrill(t, "drill \"a<b>&'\x7f\"\n"+two+"check lost k* < 1\ncheck writes <= 1\ncheck writes <= 9 else rollback heal\nwithin 1s of heal: converged\n", text)
	var b bytes.Buffer
	require.NoError(t, JUnit(&b, r, r))
	var back junitSuites
	require.NoError(t, xml.Unmarshal(b.Bytes(), &back))
	require.Len(t, back.Suites, 2)
	s := back.Suites[0]
	require.Equal(t, 6, s.Tests)
	require.Equal(t, len(r.Failed()), s.Failures)
	require.Equal(t, 1, s.Skipped, "the timer that never ran")
	require.Contains(t, s.Name, "a<b>&'")
	require.Equal(t, 2*s.Failures, back.Failures)
	require.Equal(t, "check writes <= 1", s.Cases[1].Name)
	require.NotNil(t, s.Cases[1].Failure)
	require.Equal(t, s.Cases[1].Failure.Message, s.Cases[1].Failure.Text)
}

// The report rounds to the millisecond. What JUnit has was cut, or rounded as a float: one moment had two names.
func TestATimeHasTheSameDigitsInJUnitAsInTheReport(t *testing.T) {
	noon := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		nanos       int64
		text, junit string // after noon
		took, secs  string
	}{
		{1_000_499_999, "12:00:01.000", "12:00:01Z", "1s", "1.000"},
		{1_000_500_000, "12:00:01.001", "12:00:01.001Z", "1.001s", "1.001"},
		{1_999_600_000, "12:00:02.000", "12:00:02Z", "2s", "2.000"},
		{12_600_000, "12:00:00.013", "12:00:00.013Z", "13ms", "0.013"},
	} {
		at := Moment(noon.UnixNano() + c.nanos)
		r := &Result{
			From: Moment(noon.UnixNano()), To: at,
			Checks: []CheckResult{{Line: 3, Check: "check writes <= 1", Measure: Writes, Value: 2, Final: 2, At: at}},
			Timers: []TimerResult{
				{Line: 4, Timer: "within 5s of heal: converged", Ran: true, Met: true, Began: at, Took: time.Duration(c.nanos)},
				{Line: 5, Timer: "within 2s of heal: converged", Ran: true, Began: Moment(noon.UnixNano()), Deadline: at},
			},
		}
		var text, junit bytes.Buffer
		require.NoError(t, Text(&text, r))
		require.NoError(t, JUnit(&junit, r))
		require.Contains(t, text.String(), "at "+c.text)
		require.Contains(t, text.String(), "from "+c.text)
		require.Contains(t, text.String(), "after "+c.took+" ")
		require.Contains(t, text.String(), "to 2026-05-20T"+c.junit+"\n")
		require.Contains(t, junit.String(), fmt.Sprintf(`message="it was 2 at 2026-05-20T%s"`, c.junit))
		require.Contains(t, junit.String(), fmt.Sprintf(`from 2026-05-20T%s"`, c.junit))
		require.Contains(t, junit.String(), fmt.Sprintf(`message="missed at 2026-05-20T%s"`, c.junit))
		require.Contains(t, junit.String(), fmt.Sprintf(`time="%s"`, c.secs))
	}
}

// The command exited 1 for -fail-on, and the file that the server reads was green.
func TestJUnitFailsForABoundThatWasExceeded(t *testing.T) {
	r := runDrill(t, two, at(1, "eu", 1, "k", "a"))
	r.Bounds = []BoundResult{
		{Bound: "latency>1s", Measure: Latency, Value: 1_500_000_000, Exceeded: true},
		{Bound: "lost", Measure: Lost},
		{Bound: "age>5s", Measure: Age, Unmeasured: "there was no read"},
	}
	var b bytes.Buffer
	require.NoError(t, JUnit(&b, r))
	var back junitSuites
	require.NoError(t, xml.Unmarshal(b.Bytes(), &back))
	require.Equal(t, []int{5, 1, 1}, []int{back.Tests, back.Failures, back.Skipped})
	cases := back.Suites[0].Cases[2:]
	require.Equal(t, "-fail-on latency>1s", cases[0].Name)
	require.Equal(t, "it was 1.5s", cases[0].Failure.Message)
	require.Empty(t, cases[0].File, "no line of the script is to blame")
	require.Nil(t, cases[1].Failure)
	require.Nil(t, cases[1].Skipped)
	require.Equal(t, "not measured: there was no read", cases[2].Skipped.Message)
}

// The command exited 2 for records that were set aside, and the file that the server reads was green.
func TestJUnitFailsForRecordsSetAside(t *testing.T) {
	r := runDrill(t, two, at(1, "eu", 1, "k", "a"))
	for _, aside := range []string{"", "2 records are set aside: bad_time 2"} {
		r.Aside = aside
		var b bytes.Buffer
		require.NoError(t, JUnit(&b, r))
		var back junitSuites
		require.NoError(t, xml.Unmarshal(b.Bytes(), &back))
		last := back.Suites[0].Cases[len(back.Suites[0].Cases)-1]
		require.Equal(t, "every record of the history was read", last.Name)
		if aside == "" {
			require.Zero(t, back.Failures)
			require.Nil(t, last.Failure)
			continue
		}
		require.Equal(t, 1, back.Failures)
		require.Equal(t, aside, last.Failure.Message)
	}
}
