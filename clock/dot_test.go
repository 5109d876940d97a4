package clock_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/fuzz/faultio"
)

var longestNode = clock.Node(strings.Repeat("n", clock.MaxNodeLen))

func TestDotRoundTrips(t *testing.T) {
	for _, dot := range []clock.Dot{
		{Node: "us-east", Seq: 1},
		{Node: "us-east", Seq: math.MaxUint64},
		{Node: "10.0.0.1:26257", Seq: 7}, // the last colon is the one that counts
		{Node: ":", Seq: 7},
		{Node: "ö", Seq: 7},
		{Node: longestNode, Seq: 7},
	} {
		requireDotRoundTrips(t, dot)
	}
}

func requireDotRoundTrips(t *testing.T, want clock.Dot) {
	t.Helper()
	parsed, err := clock.ParseDot(want.String())
	require.NoError(t, err)
	require.Equal(t, want, parsed)

	var got clock.Dot
	text, err := json.Marshal(want)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, want, got)

	packed, err := msgpack.Marshal(want)
	require.NoError(t, err)
	got = clock.Dot{}
	require.NoError(t, msgpack.Unmarshal(packed, &got))
	require.Equal(t, want, got)
}

func TestZeroDotIsEmptyTextAndNoDotAtAll(t *testing.T) {
	var zero clock.Dot
	assert.True(t, zero.IsZero())
	assert.NoError(t, zero.Check())
	text, err := json.Marshal(map[string]clock.Dot{"id": zero})
	require.NoError(t, err)
	assert.JSONEq(t, `{"id":""}`, string(text))
	got := clock.Dot{Node: "eu", Seq: 1}
	require.NoError(t, got.UnmarshalText(nil))
	assert.Equal(t, zero, got)
	require.ErrorIs(t, got.UnmarshalText([]byte("eu")), clock.ErrDot)
	packed, err := msgpack.Marshal(zero)
	require.NoError(t, err)
	got = clock.Dot{Node: "eu", Seq: 1}
	require.NoError(t, msgpack.Unmarshal(packed, &got))
	assert.Equal(t, zero, got)
	_, err = clock.ParseDot("")
	assert.ErrorIs(t, err, clock.ErrDot)
}

func TestDotIsTheKeyOfAJSONObject(t *testing.T) {
	text, err := json.Marshal(map[clock.Dot]int{{Node: "eu", Seq: 2}: 5})
	require.NoError(t, err)
	assert.Equal(t, `{"eu:2":5}`, string(text))
}

func TestParseDotRefuses(t *testing.T) {
	for _, text := range []string{
		"", ":", "eu", "eu:", ":1", "eu:0", "eu:01", "eu:+1", "eu:-1", "eu: 1", "eu:1 ", "eu:1x", "eu:0x1", "e u:1",
		"eu:18446744073709551616", "eu\x00:1", "eu\xff:1", "a<b:1", "a,b:1", "a#b:1", string(longestNode) + "n:1",
		"eu:" + strings.Repeat("9", 1<<20),
	} {
		_, err := clock.ParseDot(text)
		assert.ErrorIs(t, err, clock.ErrDot, "%.40q", text)
		assert.Less(t, len(err.Error()), 400, "an error must not repeat a hostile text")
	}
	for n, quoted := range map[int]string{64: strings.Repeat("x", 64) + `"`, 65: strings.Repeat("x", 64) + `"...`} {
		_, err := clock.ParseDot(strings.Repeat("x", n))
		assert.EqualError(t, err, `not a dot: "`+quoted)
	}
}

func TestDotWithoutNodeOrNumberHasNoForm(t *testing.T) {
	for _, dot := range []clock.Dot{{Node: "eu"}, {Seq: 1}, {Node: "e u", Seq: 1}} {
		assert.ErrorIs(t, dot.Check(), clock.ErrDot)
		_, err := dot.MarshalText()
		assert.ErrorIs(t, err, clock.ErrDot)
		_, err = msgpack.Marshal(dot)
		assert.ErrorIs(t, err, clock.ErrDot)
	}
}

func TestDotDecoderRefuses(t *testing.T) {
	kept := clock.Dot{Node: "eu", Seq: 5}
	for name, b := range map[string][]byte{
		"nothing":               {},
		"nil":                   {0xc0},
		"one field":             {0x91, 0xa2, 'e', 'u'},
		"one, then a number":    {0x91, 0xa2, 'e', 'u', 0x01},
		"three fields":          {0x93, 0xa2, 'e', 'u', 0x01, 0x01},
		"no number":             {0x92, 0xa2, 'e', 'u', 0x00},
		"a negative number":     {0x92, 0xa2, 'e', 'u', 0xff},
		"nil for a node":        {0x92, 0xc0, 0x01},
		"numbers for both":      {0x92, 0x00, 0x00},
		"a node of 4 GiB":       {0x92, 0xdb, 0xff, 0xff, 0xff, 0xff},
		"a node of bytes":       {0x92, 0xc4, 0x02, 'e', 'u', 0x01},
		"a node that ends":      {0x92, 0xa5, 'e'},
		"a node with a space":   {0x92, 0xa3, 'e', ' ', 'u', 0x01},
		"a number without node": {0x92, 0xa0, 0x01},
	} {
		got := kept
		assert.Error(t, got.DecodeMsgpack(msgpack.NewDecoder(bytes.NewReader(b))), name)
		assert.Equal(t, kept, got, name)
	}
}

func TestDotsAreOrderedByNodeThenNumber(t *testing.T) {
	dots := []clock.Dot{{Node: "us", Seq: 1}, {Node: "eu", Seq: 10}, {Node: "eu", Seq: 9}}
	slices.SortFunc(dots, clock.Dot.Compare)
	assert.Equal(t, []clock.Dot{{Node: "eu", Seq: 9}, {Node: "eu", Seq: 10}, {Node: "us", Seq: 1}}, dots)
}

func TestNodeCheck(t *testing.T) {
	for _, ok := range []clock.Node{"a", "us-east-1", "10.0.0.1:26257", "дом", longestNode} {
		assert.NoError(t, ok.Check(), string(ok))
	}
	for _, bad := range []clock.Node{
		"", " ", "a b", "a\tb", "a\nb", "a<b", "a,b", "a#b", "a\x00", "\xff", "a\u200bb", "a\u00a0b", longestNode + "n",
	} {
		assert.Error(t, bad.Check(), "%q", string(bad))
	}
}

func TestNodesAreOrderedAsDeclared(t *testing.T) {
	order, err := clock.ParseNodes("9 < 10<  us-east ")
	require.NoError(t, err)
	assert.Equal(t, clock.Nodes{"9", "10", "us-east"}, order)
	assert.Equal(t, "9 < 10 < us-east", order.String())
	for i, n := range []clock.Node{"unknown", "9", "10", "us-east"} {
		assert.Equal(t, i, order.Rank(n), string(n))
	}
	assert.Zero(t, order.Rank("US-East"), "names are compared byte by byte")
	assert.Zero(t, clock.Nodes(nil).Rank("9"))
	for _, text := range []string{"", "a <", "< a", "a < < b", "a < b < a", "a b", "a, b", "a # b"} {
		order, err := clock.ParseNodes(text)
		assert.Error(t, err, text)
		assert.Nil(t, order, text)
	}
}

// shortWriter fails after so many bytes.
type shortWriter int

func (w *shortWriter) Write(b []byte) (int, error) {
	if *w -= shortWriter(len(b)); *w < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestEncodersTellThatTheWriterFailed(t *testing.T) {
	for _, v := range []msgpack.CustomEncoder{
		clock.Dot{Node: "eu", Seq: 5}, logical(5, 7), clock.Up("eu", 3),
	} {
		var whole bytes.Buffer
		require.NoError(t, v.EncodeMsgpack(msgpack.NewEncoder(&whole)))
		for n := range whole.Len() {
			room := shortWriter(n)
			assert.ErrorIs(t, v.EncodeMsgpack(msgpack.NewEncoder(&room)), io.ErrShortWrite)
		}
	}
}

func TestEncodersTellOfEveryWriteThatFailed(t *testing.T) {
	gaps := clock.Up("eu", 3)
	gaps.Add(clock.Dot{Node: "eu", Seq: 500})
	gaps.AddUp("us", 7)
	for _, v := range []msgpack.CustomEncoder{clock.Dot{Node: "eu", Seq: 5}, logical(5, 7), gaps} {
		writes := faultio.Writer(0)
		require.NoError(t, v.EncodeMsgpack(msgpack.NewEncoder(&writes)))
		for n := range -writes {
			w := n + 1
			assert.ErrorIs(t, v.EncodeMsgpack(msgpack.NewEncoder(&w)), faultio.Err, "write %d of %T", n+1, v)
		}
	}
}

func TestDecodersTellThatTheReaderFailed(t *testing.T) {
	gaps := clock.Up("eu", 3)
	gaps.Add(clock.Dot{Node: "eu", Seq: 500})
	gaps.AddUp("us", 7)
	for _, v := range []msgpack.CustomEncoder{clock.Dot{Node: "eu", Seq: 700}, logical(500, 700), gaps} {
		packed, err := msgpack.Marshal(v)
		require.NoError(t, err)
		for n := range packed {
			var into msgpack.CustomDecoder
			switch v.(type) {
			case clock.Dot:
				into = new(clock.Dot)
			case clock.Timestamp:
				into = new(clock.Timestamp)
			case clock.Vector:
				into = new(clock.Vector)
			}
			assert.ErrorIs(t, into.DecodeMsgpack(msgpack.NewDecoder(faultio.Reader(packed[:n], packed[n:]))), faultio.Err, "%T after %d bytes", v, n)
		}
	}
}

func TestNumbersOfEveryLengthRoundTrip(t *testing.T) {
	for _, n := range []uint64{1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxUint64} {
		requireDotRoundTrips(t, clock.Dot{Node: "eu", Seq: n})
	}
	for _, text := range []string{"eu:9", "eu:19", "eu:91"} {
		dot, err := clock.ParseDot(text)
		require.NoError(t, err)
		assert.Equal(t, text, dot.String())
	}
}
