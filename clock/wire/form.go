package wire

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// The values of msgpack in their shortest form, one function to append and one to read each. A reading function takes what
// is left of the input, as a string or as bytes, and returns what is left after the value; after an error that is empty.
// What it returns of a []byte is a copy, unless it is called raw.

// AppendUint appends an integer.
func AppendUint(b []byte, n uint64) []byte {
	switch {
	case n < 128:
		return append(b, byte(n))
	case n <= math.MaxUint8:
		return append(b, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xcf), n)
}

// AppendInt appends an integer that may be negative.
func AppendInt(b []byte, n int64) []byte {
	switch {
	case n >= 0:
		return AppendUint(b, uint64(n))
	case n >= -32:
		return append(b, byte(n))
	case n >= math.MinInt8:
		return append(b, 0xd0, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(b, 0xd1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(b, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(n))
}

// AppendBool appends true or false.
func AppendBool(b []byte, is bool) []byte {
	if is {
		return append(b, 0xc3)
	}
	return append(b, 0xc2)
}

// AppendArray appends the length of an array.
func AppendArray(b []byte, n int) []byte {
	switch {
	case n < 16:
		return append(b, 0x90|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, 0xdc), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, 0xdd), uint32(n))
}

// AppendText appends a str, or a bin where s is not UTF-8. Of s, less than 4 GiB can be written.
func AppendText(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		return AppendBytes(b, s)
	}
	switch n := len(s); {
	case n < 32:
		b = append(b, 0xa0|byte(n))
	case n <= math.MaxUint8:
		b = append(b, 0xd9, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xdb), uint32(n))
	}
	return append(b, s...)
}

// AppendBytes appends a bin, of less than 4 GiB.
func AppendBytes[B string | []byte](b []byte, raw B) []byte {
	switch n := len(raw); {
	case n <= math.MaxUint8:
		b = append(b, 0xc4, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 0xc5), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xc6), uint32(n))
	}
	return append(b, raw...)
}

// sized reads a number of some bytes after a marker, which must not fit what a shorter form could hold.
func sized[B string | []byte](b B, size int, shorter uint64) (n uint64, rest B, err error) {
	if len(b) < 1+size {
		return 0, rest, ErrShort
	}
	for i := range size {
		n = n<<8 | uint64(b[1+i])
	}
	if n <= shorter {
		return 0, rest, ErrLong
	}
	return n, b[1+size:], nil
}

// ReadUint reads an integer.
func ReadUint[B string | []byte](b B) (n uint64, rest B, err error) {
	if len(b) == 0 {
		return 0, rest, ErrShort
	}
	switch c := b[0]; {
	case c < 0x80:
		return uint64(c), b[1:], nil
	case c == 0xcc:
		return sized(b, 1, 127)
	case c == 0xcd:
		return sized(b, 2, math.MaxUint8)
	case c == 0xce:
		return sized(b, 4, math.MaxUint16)
	case c == 0xcf:
		return sized(b, 8, math.MaxUint32)
	}
	return 0, rest, ErrType
}

// ReadInt reads an integer that may be negative.
func ReadInt[B string | []byte](b B) (n int64, rest B, err error) {
	if len(b) == 0 {
		return 0, rest, ErrShort
	}
	size := 0
	switch c := b[0]; c {
	case 0xd0, 0xd1, 0xd2, 0xd3:
		size = 1 << (c - 0xd0)
	default:
		if c >= 0xe0 {
			return int64(int8(c)), b[1:], nil
		}
		u, left, err := ReadUint(b)
		if err == nil && u > math.MaxInt64 {
			return 0, rest, ErrType
		}
		return int64(u), left, err
	}
	if len(b) < 1+size {
		return 0, rest, ErrShort
	}
	n = int64(int8(b[1]))
	for i := 1; i < size; i++ {
		n = n<<8 | int64(b[1+i])
	}
	least := int64(-32) // that a shorter form holds
	if size > 1 {
		least = math.MinInt64 >> (64 - 8*size/2)
	}
	if n >= least {
		return 0, rest, ErrLong
	}
	return n, b[1+size:], nil
}

// ReadBool reads true or false.
func ReadBool[B string | []byte](b B) (is bool, rest B, err error) {
	switch {
	case len(b) == 0:
		return false, rest, ErrShort
	case b[0] != 0xc2 && b[0] != 0xc3:
		return false, rest, ErrType
	}
	return b[0] == 0xc3, b[1:], nil
}

// ReadArray reads the length of an array: no more than there are bytes left to fill it.
func ReadArray[B string | []byte](b B) (n int, rest B, err error) {
	if len(b) == 0 {
		return 0, rest, ErrShort
	}
	size := uint64(0)
	left := rest
	switch c := b[0]; {
	case c&0xf0 == 0x90:
		size, left = uint64(c&0x0f), b[1:]
	case c == 0xdc:
		size, left, err = sized(b, 2, 15)
	case c == 0xdd:
		size, left, err = sized(b, 4, math.MaxUint16)
	default:
		err = ErrType
	}
	if err == nil && size > uint64(len(left)) {
		err = ErrShort
	}
	if err != nil {
		return 0, rest, err
	}
	return int(size), left, nil
}

// IsText reports whether a value that begins with c is what [AppendText] or [AppendBytes] writes.
func IsText(c byte) bool { return c&0xe0 == 0xa0 || c >= 0xd9 && c <= 0xdb || c >= 0xc4 && c <= 0xc6 }

// ReadRaw reads the bytes of a str or a bin, whatever they are, and says which. They are a part of b.
func ReadRaw[B string | []byte](b B) (raw, rest B, isBin bool, err error) {
	if len(b) == 0 {
		return raw, rest, false, ErrShort
	}
	size := uint64(0)
	left := rest
	switch c := b[0]; {
	case c&0xe0 == 0xa0:
		size, left = uint64(c&0x1f), b[1:]
	case c == 0xd9:
		size, left, err = sized(b, 1, 31)
	case c == 0xda:
		size, left, err = sized(b, 2, math.MaxUint8)
	case c == 0xdb:
		size, left, err = sized(b, 4, math.MaxUint16)
	case c == 0xc4 && len(b) > 1:
		size, left, isBin = uint64(b[1]), b[2:], true
	case c == 0xc4:
		err = ErrShort
	case c == 0xc5:
		size, left, err = sized(b, 2, math.MaxUint8)
		isBin = true
	case c == 0xc6:
		size, left, err = sized(b, 4, math.MaxUint16)
		isBin = true
	default:
		err = ErrType
	}
	if err == nil && size > uint64(len(left)) {
		err = ErrShort
	}
	if err != nil {
		return raw, rest, false, err
	}
	return left[:size], left[size:], isBin, nil
}

// ReadText reads a str, or the bin that stands for a string that is not UTF-8.
func ReadText[B string | []byte](b B) (s string, rest B, err error) {
	raw, left, isBin, err := ReadRaw(b)
	if err != nil {
		return "", rest, err
	}
	if s = string(raw); utf8.ValidString(s) == isBin {
		return "", rest, ErrType
	}
	return s, left, nil
}
