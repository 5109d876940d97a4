package clock_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tiebreakhq/tiebreak/clock"
)

// edgeTimes are the timestamps at which something could go wrong, in order.
var edgeTimes = []clock.Timestamp{
	{}, {Logical: 1}, {Logical: math.MaxUint32},
	{Wall: 1}, {Wall: 1, Logical: 1}, {Wall: 255}, {Wall: 256}, {Wall: 1 << 32}, {Wall: 1<<53 + 1},
	{Wall: 1701102296662969433, Logical: 6}, {Wall: 1701102296662969433, Logical: 7}, {Wall: 1701102296662969434},
	{Wall: clock.MaxWall}, {Wall: clock.MaxWall, Logical: math.MaxUint32},
}

func genTimestamp() gopter.Gen {
	return gopter.CombineGens(gen.Int64Range(0, clock.MaxWall), gen.UInt32()).Map(func(v []any) clock.Timestamp {
		return clock.Timestamp{Wall: v[0].(int64), Logical: v[1].(uint32)}
	})
}

func TestParseTimestamp(t *testing.T) {
	for _, c := range []struct {
		text string
		want clock.Timestamp
	}{
		{"0.0000000000", at(0)},
		{"0", at(0)},
		{"1701102296662969433.0000000007", logical(1701102296662969433, 7)}, // as CockroachDB writes it
		{"1701102296662969433.7", logical(1701102296662969433, 7)},          // a count, not a fraction
		{"1701102296662969433.70", logical(1701102296662969433, 70)},
		{"007", at(7)},
		{"5.4294967295", logical(5, math.MaxUint32)},
		{"9214646399000000000", at(clock.MaxWall)},
	} {
		got, err := clock.ParseTimestamp(c.text)
		require.NoError(t, err, c.text)
		assert.Equal(t, c.want, got, c.text)
	}
	for _, text := range []string{
		"", ".", "5.", ".5", "-5", "+5", " 5", "5 ", "5.-1", "5.+1", "5.1.1", "1e9", "0x10", "1_000", "5.4294967296",
		"9214646399000000001", "9223372036854775808", "99999999999999999999", "٣", "5,1", "5.\x00", "NaN",
		strings.Repeat("9", 1<<20),
	} {
		got, err := clock.ParseTimestamp(text)
		assert.ErrorIs(t, err, clock.ErrTime, "%.40q", text)
		assert.Zero(t, got)
		assert.Less(t, len(err.Error()), 400, "an error must not repeat a hostile text")
	}
}

func TestTimestampOrderIsThatOfItsForms(t *testing.T) {
	for i, a := range edgeTimes {
		for j, b := range edgeTimes {
			want := 0
			if i != j {
				want = map[bool]int{true: -1, false: 1}[i < j]
			}
			assert.Equal(t, want, a.Compare(b), "%s, %s", a, b)
			assert.Equal(t, want < 0, a.Before(b))
			x, err := a.MarshalBinary()
			require.NoError(t, err)
			y, err := b.MarshalBinary()
			require.NoError(t, err)
			assert.Equal(t, want, bytes.Compare(x, y), "%s, %s", a, b)
		}
	}
}

func TestTimestampOutOfRangeHasNoForm(t *testing.T) {
	for _, broken := range []clock.Timestamp{at(-1), at(math.MinInt64), at(clock.MaxWall + 1), at(math.MaxInt64)} {
		assert.ErrorIs(t, broken.Check(), clock.ErrTime)
		_, err := broken.MarshalBinary()
		assert.ErrorIs(t, err, clock.ErrTime)
		_, err = msgpack.Marshal(broken)
		assert.ErrorIs(t, err, clock.ErrTime)
	}
}

func TestTimestampRoundTrips(t *testing.T) {
	for _, want := range edgeTimes {
		requireTimestampRoundTrips(t, want)
	}
	properties := gopter.NewProperties(nil)
	properties.Property("every form of a timestamp reads back", prop.ForAll(func(want clock.Timestamp) bool {
		requireTimestampRoundTrips(t, want)
		return true
	}, genTimestamp()))
	properties.Property("sortable bytes are in order", prop.ForAll(func(a, b clock.Timestamp) bool {
		x, _ := a.MarshalBinary()
		y, _ := b.MarshalBinary()
		return bytes.Compare(x, y) == a.Compare(b) && a.Compare(b) == -b.Compare(a)
	}, genTimestamp(), genTimestamp()))
	properties.TestingRun(t)
}

func requireTimestampRoundTrips(t *testing.T, want clock.Timestamp) {
	t.Helper()
	var got clock.Timestamp
	parsed, err := clock.ParseTimestamp(want.String())
	require.NoError(t, err)
	require.Equal(t, want, parsed)

	text, err := json.Marshal(want)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, want, got)

	b, err := want.AppendBinary([]byte("prefix"))
	require.NoError(t, err)
	require.Len(t, b, len("prefix")+clock.TimestampSize)
	require.NoError(t, got.UnmarshalBinary(b[len("prefix"):]))
	require.Equal(t, want, got)

	packed, err := msgpack.Marshal(want)
	require.NoError(t, err)
	got = clock.Timestamp{}
	require.NoError(t, msgpack.Unmarshal(packed, &got))
	require.Equal(t, want, got)
}

func TestTimestampDecodersRefuse(t *testing.T) {
	kept := logical(5, 5)
	for _, b := range [][]byte{nil, make([]byte, 11), make([]byte, 13), bytes.Repeat([]byte{0xff}, 12)} {
		got := kept
		assert.ErrorIs(t, got.UnmarshalBinary(b), clock.ErrTime)
		assert.Equal(t, kept, got)
	}
	for name, b := range map[string][]byte{
		"nothing":                     {},
		"nil":                         {0xc0},
		"one number":                  {0x91, 0x05},
		"one, then another":           {0x91, 0x05, 0x05},
		"three numbers":               {0x93, 0x05, 0x05, 0x05},
		"a negative wall":             {0x92, 0xff, 0x00},
		"a negative wall of 64 bit":   {0x92, 0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00},
		"nil for a wall":              {0x92, 0xc0, 0x00},
		"a float":                     {0x92, 0xca, 0, 0, 0, 0, 0x00},
		"a logical part too large":    {0x92, 0x05, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0},
		"a wall too large":            {0x92, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00},
		"4 Gi numbers":                {0xdd, 0xff, 0xff, 0xff, 0xff},
		"a nanosecond after the last": {0x92, 0xcf, 0x7f, 0xe1, 0x00, 0x14, 0x1f, 0x3a, 0x36, 0x01, 0x00},
		"half a number":               {0x92, 0xcf, 0x00},
		"a text":                      {0xa1, '5'},
	} {
		got := kept
		assert.Error(t, got.DecodeMsgpack(msgpack.NewDecoder(bytes.NewReader(b))), name)
		assert.Equal(t, kept, got, name)
	}
	b, err := at(-1).AppendBinary([]byte("prefix"))
	assert.ErrorIs(t, err, clock.ErrTime)
	assert.Equal(t, "prefix", string(b))
	got := kept
	require.Error(t, json.Unmarshal([]byte(`"5.x"`), &got))
	assert.Equal(t, kept, got)
}

func TestSubSaturates(t *testing.T) {
	for _, c := range []struct {
		a, b int64
		want time.Duration
	}{
		{7, 5, 2},
		{5, 7, -2},
		{clock.MaxWall, 0, time.Duration(clock.MaxWall)},
		{math.MaxInt64, -1, math.MaxInt64},
		{math.MinInt64, 1, math.MinInt64},
		{math.MinInt64, math.MaxInt64, math.MinInt64},
		{-1, math.MaxInt64, math.MinInt64},
		{0, math.MinInt64, math.MaxInt64},
		{-5, -7, 2},
		{5, 5, 0},
		{0, 0, 0},
		{-6148914691236517206, 6148914691236517205, math.MinInt64}, // where signs and all else differ in every bit
	} {
		assert.Equal(t, c.want, at(c.a).Sub(at(c.b)), "%d - %d", c.a, c.b)
	}
}

func TestTimestampIsAnInstantInUTC(t *testing.T) {
	assert.Equal(t, "2023-11-27T16:24:56.662969433Z", logical(1701102296662969433, 7).Time().Format(time.RFC3339Nano))
	assert.Equal(t, time.Date(2261, 12, 31, 23, 59, 59, 0, time.UTC), at(clock.MaxWall).Time())
}
