package clock_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tiebreakhq/tiebreak/clock"
)

// FuzzDecode gives what the fuzzer makes to every decoder and parser of this package. What one of them takes must come back
// from all forms of its type, and what it refuses must leave nothing behind.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"us-east:1", "10.0.0.1:26257:7", "eu:01", "eu:18446744073709551615", ":",
		"0", "1701102296662969433.0000000007", "5.4294967295", "9214646399000000000.1", "-1", "1e9",
		"ap-south < eu-west < us-east", "a<a", "", "123456789012", "{eu:1-3 us:1-2,5-5}", "{}",
	} {
		f.Add([]byte(text))
	}
	v := clock.Up("eu", 3)
	v.Add(clock.Dot{Node: "us", Seq: 500})
	v.Add(clock.Dot{Node: "us", Seq: math.MaxUint64})
	vector, err := msgpack.Marshal(v)
	require.NoError(f, err)
	for _, b := range [][]byte{
		vector, {0x90}, {0xdd, 0xff, 0xff, 0xff, 0xff}, make([]byte, clock.TimestampSize),
		{0x92, 0xa2, 'e', 'u', 0x01}, {0x92, 0xa0, 0x00}, {0x92, 0xdb, 0xff, 0xff, 0xff, 0xff},
		{0x92, 0x05, 0x07}, {0x92, 0xcf, 0x17, 0x9b, 0x70, 0x5d, 0x11, 0x75, 0x5d, 0x59, 0x07},
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzDot(t, b)
		fuzzTimestamp(t, b)
		fuzzVector(t, b)
		if nodes, err := clock.ParseNodes(string(b)); err == nil {
			again, err := clock.ParseNodes(nodes.String())
			require.NoError(t, err)
			require.Equal(t, nodes, again)
		} else {
			require.Empty(t, nodes)
		}
	})
}

func fuzzDot(t *testing.T, b []byte) {
	if dot, err := clock.ParseDot(string(b)); err == nil {
		require.Equal(t, string(b), dot.String())
		requireDotRoundTrips(t, dot)
	} else {
		require.ErrorIs(t, err, clock.ErrDot)
		require.Zero(t, dot)
	}
	kept := clock.Dot{Node: "kept", Seq: 7}
	if dot := kept; dot.DecodeMsgpack(msgpack.NewDecoder(bytes.NewReader(b))) != nil {
		require.Equal(t, kept, dot)
	} else if !dot.IsZero() {
		requireDotRoundTrips(t, dot)
	}
}

func fuzzTimestamp(t *testing.T, b []byte) {
	if got, err := clock.ParseTimestamp(string(b)); err == nil {
		requireTimestampRoundTrips(t, got)
	} else {
		require.ErrorIs(t, err, clock.ErrTime)
		require.Zero(t, got)
	}
	kept := clock.Timestamp{Wall: 5, Logical: 7}
	if got := kept; got.UnmarshalBinary(b) == nil {
		again, err := got.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, b, again)
		requireTimestampRoundTrips(t, got)
	} else {
		require.Equal(t, kept, got)
	}
	if got := kept; got.DecodeMsgpack(msgpack.NewDecoder(bytes.NewReader(b))) == nil {
		requireTimestampRoundTrips(t, got)
	} else {
		require.Equal(t, kept, got)
	}
}

func fuzzVector(t *testing.T, b []byte) {
	if v, err := clock.ParseVector(string(b)); err == nil {
		require.Equal(t, string(b), v.String())
		requireVectorRoundTrips(t, v)
	} else {
		require.ErrorIs(t, err, clock.ErrVector)
		require.True(t, v.IsEmpty())
	}
	kept := clock.Up("kept", 3)
	v := kept.Clone()
	if v.DecodeMsgpack(msgpack.NewDecoder(bytes.NewReader(b))) != nil {
		require.True(t, v.Equal(kept))
		return
	}
	requireCanonical(t, v)
	require.LessOrEqual(t, len(requireVectorRoundTrips(t, v)), len(b), "no form is shorter")
}
