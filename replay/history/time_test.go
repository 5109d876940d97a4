package history

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

func TestTimesSayTheirPrecision(t *testing.T) {
	for text, want := range map[string]struct {
		wall      int64
		logical   uint32
		precision Precision
	}{
		"2026-03-01T10:20:30Z":                {1772360430_000000000, 0, Second},
		"2026-03-01T10:20:30.5Z":              {1772360430_500000000, 0, Millisecond},
		"2026-03-01T10:20:30.500Z":            {1772360430_500000000, 0, Millisecond},
		"2026-03-01T10:20:30.500001Z":         {1772360430_500001000, 0, Microsecond},
		"2026-03-01T10:20:30.500000000Z":      {1772360430_500000000, 0, Nanosecond},
		"2026-03-01T12:20:30.000000001+02:00": {1772360430_000000001, 0, Nanosecond},
		"2026-02-28T23:20:30-11:00":           {1772360430_000000000, 0, Second},
		"2024-02-29T00:00:00Z":                {1709164800_000000000, 0, Second},
		"1970-01-01T00:00:00.000000001Z":      {1, 0, Nanosecond},
		"1969-12-31T23:00:01-01:00":           {1_000000000, 0, Second},
		"2261-12-31T23:59:59Z":                {clock.MaxWall, 0, Second},
		"1772360430000000007.0000000003":      {1772360430_000000007, 3, Nanosecond},
		"1772360430000000007":                 {1772360430_000000007, 0, Nanosecond},
		"999999999":                           {999999999, 0, Nanosecond}, // a small number of a history by hand
		"100000000000000000":                  {100000000_000000000, 0, Nanosecond},
	} {
		got, precision, bad := parseTime(text)
		require.Nil(t, bad, text)
		assert.Equal(t, clock.Timestamp{Wall: want.wall, Logical: want.logical}, got, text)
		assert.Equal(t, want.precision, precision, text)
	}
}

// badTimes are times as text that are refused.
var badTimes = map[string]finding.Code{
	"":                                finding.BadTime,
	"now":                             finding.BadTime,
	"2026-03-01":                      finding.BadTime,
	"2026-03-01T10:20:30":             finding.BadTime, // where?
	"2026-03-01 10:20:30Z":            finding.BadTime,
	"2026-03-01t10:20:30z":            finding.BadTime,
	"2026-03-01T10:20:30.Z":           finding.BadTime,
	"2026-03-01T10:20:30,5Z":          finding.BadTime,
	"2026-03-01T10:20:30.1234567890Z": finding.BadTime, // a tenth digit would be dropped
	"2026-03-01T24:00:00Z":            finding.BadTime,
	"2026-02-29T00:00:00Z":            finding.BadTime,
	"2100-02-29T00:00:00Z":            finding.BadTime,
	"2026-13-01T00:00:00Z":            finding.BadTime,
	"2026-00-01T00:00:00Z":            finding.BadTime,
	"2026-01-00T00:00:00Z":            finding.BadTime,
	"2026-01-01T00:60:00Z":            finding.BadTime,
	"2026-01-01T00:00:61Z":            finding.BadTime,
	"2026-01-01T00:00:00+24:00":       finding.BadTime,
	"2026-01-01T00:00:00+00:60":       finding.BadTime,
	"2026-01-01T00:00:00+0000":        finding.BadTime,
	"2026-01-01T00:00:00Zulu":         finding.BadTime,
	"1970-01-01T00:00:00Z":            finding.ClockInvalid, // would be no time
	"1969-12-31T23:59:59Z":            finding.ClockInvalid,
	"1969-12-31T23:59:59.9Z":          finding.ClockInvalid,
	"2262-01-01T00:00:00Z":            finding.ClockInvalid,
	"2261-12-31T23:59:59.000000001Z":  finding.ClockInvalid,
	"9999-12-31T23:59:59Z":            finding.ClockInvalid, // UnixNano of it is negative
	"0":                               finding.BadTime,
	"9300000000000000000":             finding.BadTime,
	"99999999999999999999":            finding.BadTime,
	"1772360430000000007.99999999999": finding.BadTime,
	"2016-12-31T23:59:60Z":            finding.LeapSecond,
	"2016-12-31T23:59:60.5+00:00":     finding.LeapSecond,
	"1772360430":                      finding.ImplausibleUnit,
	"1772360430000":                   finding.ImplausibleUnit,
	"1772360430000000":                finding.ImplausibleUnit,
	"17723604300000000":               finding.ImplausibleUnit,
	"1000000000":                      finding.ImplausibleUnit,
	"99999999999999999":               finding.ImplausibleUnit,
	"1772360430.0000000001":           finding.ImplausibleUnit,
}

func TestBadTimesAreRefused(t *testing.T) {
	for text, code := range badTimes {
		_, _, bad := parseTime(text)
		if assert.NotNil(t, bad, text) {
			assert.Equal(t, code, bad.code, "%s: %s", text, bad.detail)
		}
	}
}

// rfc3339 is what is read, days of the month and leap seconds aside.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// FuzzTime holds the reader of RFC 3339 to the standard library, which takes more but must never disagree.
func FuzzTime(f *testing.F) {
	for text := range badTimes {
		f.Add(text)
	}
	f.Add("2026-03-01T12:20:30.000000001+02:00")
	f.Add("2024-02-29T23:59:59.999Z")
	f.Fuzz(func(t *testing.T, text string) {
		got, precision, bad := parseRFC3339(text)
		want, err := time.Parse(time.RFC3339Nano, text)
		if bad != nil {
			valid := err == nil && rfc3339.MatchString(text) && want.After(time.Unix(0, 0)) && !want.After(time.Unix(0, clock.MaxWall))
			require.False(t, valid, "refused: %s: %s", text, bad.detail)
			return
		}
		require.NoError(t, err, text)
		require.Equal(t, want.UnixNano(), got.Wall, text)
		require.NotEqual(t, NoTime, precision)
		again, _, bad := parseRFC3339(string(appendTime(nil, got, precision)))
		require.Nil(t, bad)
		require.Equal(t, got, again)
	})
}
