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

// The two ways to hold the input are one reader: what is read of a string is read of the same bytes.
func TestAStringAndItsBytesReadTheSame(t *testing.T) {
	type result struct {
		value any
		rest  string
		err   error
	}
	reads := map[string]struct {
		ofString func(string) result
		ofBytes  func([]byte) result
	}{
		"uint":  {func(s string) result { v, r, err := ReadUint(s); return result{v, r, err} }, func(b []byte) result { v, r, err := ReadUint(b); return result{v, string(r), err} }},
		"int":   {func(s string) result { v, r, err := ReadInt(s); return result{v, r, err} }, func(b []byte) result { v, r, err := ReadInt(b); return result{v, string(r), err} }},
		"bool":  {func(s string) result { v, r, err := ReadBool(s); return result{v, r, err} }, func(b []byte) result { v, r, err := ReadBool(b); return result{v, string(r), err} }},
		"array": {func(s string) result { v, r, err := ReadArray(s); return result{v, r, err} }, func(b []byte) result { v, r, err := ReadArray(b); return result{v, string(r), err} }},
		"text":  {func(s string) result { v, r, err := ReadText(s); return result{v, r, err} }, func(b []byte) result { v, r, err := ReadText(b); return result{v, string(r), err} }},
		"raw": {func(s string) result { v, r, is, err := ReadRaw(s); return result{[2]any{v, is}, r, err} },
			func(b []byte) result {
				v, r, is, err := ReadRaw(b)
				return result{[2]any{string(v), is}, string(r), err}
			}},
	}
	for first := range 256 {
		for _, more := range []string{"", "\x00", "\x7f", "\x80", "\xff", "\x01\x00", "\x00\xff", "\x01\x00a", "\x00\x00\x00\x00", "\x80\x00\x00\x00", "\xff\x7f\xff\xff",
			"\x00\x00\x00\x00\x00\x00\x00\x00", "\xff\xff\xff\xff\x7f\xff\xff\xff", "\x80\x00\x00\x00\x00\x00\x00\x00", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"} {
			in := string([]byte{byte(first)}) + more
			for name, read := range reads {
				got := read.ofString(in)
				require.Equal(t, got, read.ofBytes([]byte(in)), "%s of %x", name, in)
				if got.err != nil {
					require.Empty(t, got.rest, "%s of %x", name, in)
				}
			}
		}
	}
}

// Every negative number has one form, and what was written longer is refused, also just at the borders.
func TestNegativeNumbersHaveOneForm(t *testing.T) {
	for _, border := range []int64{0, -32, math.MinInt8, math.MinInt16, math.MinInt32, math.MinInt64 + 1} {
		for n := border - 1; n <= border+1; n++ {
			b := AppendInt(nil, n)
			got, rest, err := ReadInt(b)
			require.NoError(t, err)
			require.Equal(t, n, got)
			require.Empty(t, rest)
			var other int64
			require.NoError(t, msgpack.Unmarshal(b, &other))
			require.Equal(t, n, other)
			for _, long := range [][]byte{
				{0xd0, byte(n)},
				binary.BigEndian.AppendUint16([]byte{0xd1}, uint16(n)),
				binary.BigEndian.AppendUint32([]byte{0xd2}, uint32(n)),
				binary.BigEndian.AppendUint64([]byte{0xd3}, uint64(n)),
			} {
				got, _, err := ReadInt(long)
				switch {
				case string(long) == string(b):
					require.NoError(t, err)
				case len(long) > len(b):
					require.ErrorIs(t, err, ErrLong, "%d as %x", n, long)
				case err == nil: // the low bytes of n are a number of their own
					require.Equal(t, long, AppendInt(nil, got))
				}
			}
		}
	}
}
