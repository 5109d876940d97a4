package drill

import (
	"bytes"
	"encoding/xml"
	"testing"

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
	require.Equal(t, 5, s.Tests)
	require.Equal(t, len(r.Failed()), s.Failures)
	require.Equal(t, 1, s.Skipped, "the timer that never ran")
	require.Contains(t, s.Name, "a<b>&'")
	require.Equal(t, 2*s.Failures, back.Failures)
	require.Equal(t, "check writes <= 1", s.Cases[1].Name)
	require.NotNil(t, s.Cases[1].Failure)
	require.Equal(t, s.Cases[1].Failure.Message, s.Cases[1].Failure.Text)
}
