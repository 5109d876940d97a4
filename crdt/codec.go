package crdt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/tiebreakhq/tiebreak/clock/wire"
)

// Codec writes and reads elements, keys and values of type T as msgpack values. There is one for each basic kind: [Text],
// [Int], [Uint], [Float] and [Bool]; [Custom] makes one of any other type.
//
// Both functions must be canonical: equal values have equal bytes, and Read takes nothing that Append does not write.
type Codec[T any] struct {
	// Append appends v to b, as one msgpack value.
	Append func(b []byte, v T) []byte

	// Read reads the value that b begins with, and returns what follows it. It never keeps b, and never trusts a length
	// that b declares.
	Read func(b []byte) (v T, rest []byte, err error)

	text func(s string) T // not nil for strings, of which the reader of a frame makes many at once
}

// Text is the codec of strings: a str, or a bin where the string is not UTF-8. Short strings out of one frame share memory,
// some twenty to a kibibyte: it is free when all of these are.
func Text[T ~string]() Codec[T] {
	return Codec[T]{
		text:   func(s string) T { return T(s) },
		Append: func(b []byte, v T) []byte { return wire.AppendText(b, string(v)) },
		Read: func(b []byte) (T, []byte, error) {
			s, rest, err := wire.ReadText(b)
			return T(s), rest, err
		},
	}
}

// Int is the codec of signed integers.
func Int[T ~int | ~int8 | ~int16 | ~int32 | ~int64]() Codec[T] {
	return Codec[T]{
		Append: func(b []byte, v T) []byte { return wire.AppendInt(b, int64(v)) },
		Read: func(b []byte) (T, []byte, error) {
			n, rest, err := wire.ReadInt(b)
			if err == nil && int64(T(n)) != n {
				err = wire.ErrType
			}
			return T(n), rest, err
		},
	}
}

// Uint is the codec of unsigned integers.
func Uint[T ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64]() Codec[T] {
	return Codec[T]{
		Append: func(b []byte, v T) []byte { return wire.AppendUint(b, uint64(v)) },
		Read: func(b []byte) (T, []byte, error) {
			n, rest, err := wire.ReadUint(b)
			if err == nil && uint64(T(n)) != n {
				err = wire.ErrType
			}
			return T(n), rest, err
		},
	}
}

// Float is the codec of floating point numbers, always as float 64; -0 is written as 0, and NaN refused.
func Float[T ~float32 | ~float64]() Codec[T] {
	return Codec[T]{
		Append: func(b []byte, v T) []byte {
			if v == 0 {
				v = 0 // -0 equals 0 and must have its bytes
			}
			return binary.BigEndian.AppendUint64(append(b, 0xcb), math.Float64bits(float64(v)))
		},
		Read: func(b []byte) (T, []byte, error) {
			switch {
			case len(b) < 9:
				return 0, nil, wire.ErrShort
			case b[0] != 0xcb:
				return 0, nil, wire.ErrType
			}
			bits := binary.BigEndian.Uint64(b[1:])
			f := math.Float64frombits(bits)
			if f != f {
				return 0, nil, ErrNaN
			}
			if float64(T(f)) != f || f == 0 && bits != 0 {
				return 0, nil, wire.ErrLong
			}
			return T(f), b[9:], nil
		},
	}
}

// Bool is the codec of booleans.
func Bool[T ~bool]() Codec[T] {
	return Codec[T]{
		Append: func(b []byte, v T) []byte {
			return wire.AppendBool(b, bool(v))
		},
		Read: func(b []byte) (T, []byte, error) {
			is, rest, err := wire.ReadBool(b)
			return T(is), rest, err
		},
	}
}

// Custom is the codec of any type that can be turned into bytes and back: a bin. What parse takes and format would write
// otherwise is refused.
func Custom[T any](format func(T) []byte, parse func([]byte) (T, error)) Codec[T] {
	return Codec[T]{
		Append: func(b []byte, v T) []byte {
			return wire.AppendBytes(b, format(v))
		},
		Read: func(b []byte) (v T, rest []byte, err error) {
			raw, rest, isBin, err := wire.ReadRaw(b)
			if err == nil && !isBin {
				err = wire.ErrType
			}
			if err != nil {
				return v, nil, err
			}
			v, err = parse(bytes.Clone(raw))
			if err != nil {
				return v, nil, fmt.Errorf("read value: %w", err)
			}
			if !bytes.Equal(format(v), raw) {
				return v, nil, wire.ErrLong
			}
			return v, rest, nil
		},
	}
}
