package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tiebreakhq/tiebreak/clock"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	var seen clock.Vector
	seen.AddUp("eu", 3)
	seen.Add(clock.Dot{Node: "us", Seq: 7})
	for _, n := range []uint64{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxUint64} {
		for _, s := range []string{"", "a", string(bytes.Repeat([]byte("x"), 31)), string(bytes.Repeat([]byte("x"), 32)),
			string(bytes.Repeat([]byte("x"), 256)), string(bytes.Repeat([]byte("x"), 65536)), "\xff"} {
			w := Writer{}
			w.Array(8)
			w.Uint(n)
			w.Text(s)
			w.Bytes([]byte(s))
			w.Bool(n%2 == 0)
			w.Dot(clock.Dot{Node: "eu", Seq: 5})
			w.Vector(&seen)
			w.Time(clock.Timestamp{Wall: 5, Logical: 6})
			w.Node("")
			require.NoError(t, w.Err)
			for _, copies := range []bool{false, true} {
				r := Reader{S: string(w.B), Copies: copies}
				r.Tuple(8)
				require.Equal(t, n, r.Uint())
				require.Equal(t, s, r.Text())
				require.Equal(t, s, string(r.Bytes()))
				require.Equal(t, n%2 == 0, r.Bool())
				require.Equal(t, clock.Dot{Node: "eu", Seq: 5}, r.Dot())
				require.True(t, seen.Equal(r.Vector()))
				require.Equal(t, clock.Timestamp{Wall: 5, Logical: 6}, r.Time())
				require.Equal(t, clock.Node(""), r.Node())
				require.NoError(t, r.End())
			}
			for cut := range min(len(w.B), 40) { // every beginning is refused
				r := Reader{S: string(w.B[:cut])}
				r.Tuple(8)
				r.Uint()
				r.Text()
				r.Bytes()
				r.Bool()
				r.Dot()
				r.Vector()
				r.Time()
				r.Node()
				require.Error(t, r.End())
			}
		}
	}
}

func TestItIsMsgpack(t *testing.T) {
	w := Writer{}
	w.Array(3)
	w.Uint(300)
	w.Text("stock/1")
	w.Bool(true)
	var got []any
	require.NoError(t, msgpack.Unmarshal(w.B, &got))
	require.Equal(t, []any{uint16(300), "stock/1", true}, got)
}

func TestLongFormsAndWrongTypesAreRefused(t *testing.T) {
	for name, read := range map[string]struct {
		bytes []byte
		read  func(*Reader)
		err   error
	}{
		"an integer that is too long":   {[]byte{0xcd, 0, 5}, func(r *Reader) { r.Uint() }, ErrLong},
		"a string for an integer":       {[]byte{0xa1, 'a'}, func(r *Reader) { r.Uint() }, ErrType},
		"a str that is not UTF-8":       {[]byte{0xa1, 0xff}, func(r *Reader) { r.Text() }, ErrType},
		"a bin that could be a str":     {[]byte{0xc4, 1, 'a'}, func(r *Reader) { r.Text() }, ErrType},
		"four billion entries":          {[]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, func(r *Reader) { r.Array(1) }, ErrShort},
		"four gigabytes":                {binary.BigEndian.AppendUint32([]byte{0xdb}, math.MaxUint32), func(r *Reader) { r.Text() }, ErrShort},
		"a boolean that is an integer":  {[]byte{1}, func(r *Reader) { r.Bool() }, ErrType},
		"nothing where an array is due": {nil, func(r *Reader) { r.Array(1) }, ErrShort},
	} {
		r := Reader{S: string(read.bytes)}
		read.read(&r)
		require.ErrorIs(t, r.End(), read.err, name)
	}
}

func TestLimitsAreKept(t *testing.T) {
	w := Writer{}
	w.Array(5)
	r := Reader{S: string(w.B) + "\x00\x00\x00\x00\x00", MaxEntries: 4}
	r.Array(1)
	require.ErrorContains(t, r.Err, "the limit is 4")

	w = Writer{MaxSeq: 10}
	w.Dot(clock.Dot{Node: "a", Seq: 11})
	require.ErrorIs(t, w.Err, ErrTooLarge)
	w = Writer{}
	w.Dot(clock.Dot{Node: "a", Seq: 11})
	r = Reader{S: string(w.B), MaxSeq: 10}
	r.Dot()
	require.ErrorContains(t, r.Err, "beyond 10")
}
