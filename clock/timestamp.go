package clock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// MaxWall is the greatest wall time a [Timestamp] may hold, in nanoseconds since 1970: 2261-12-31T23:59:59Z. The
// hundred days that an int64 could still count are kept free, so that arithmetic near it does not wrap.
const MaxWall int64 = 9214646399_000000000

// ErrTime is returned for a timestamp that can't be one: before 1970, after [MaxWall], or misspelt.
var ErrTime = errors.New("not a time")

// Timestamp is a hybrid logical time. Wall is in nanoseconds since 1970 UTC, 0 to [MaxWall]; Logical orders what
// shares a wall time. Timestamps are compared wall first, then logical. The zero Timestamp means "no time" and
// comes before every other.
//
// A [Clock] of this package leaves Logical at 0 and counts in nanoseconds instead; timestamps of other systems
// (CockroachDB's, for one) use it, and keep it here digit by digit.
type Timestamp struct {
	Wall    int64
	Logical uint32
}

// Compare returns -1 if t is before u, 1 if it is after u, and 0 if they are equal.
func (t Timestamp) Compare(u Timestamp) int {
	switch { // small enough to be inlined
	case t.Wall < u.Wall:
		return -1
	case t.Wall > u.Wall:
		return 1
	case t.Logical < u.Logical:
		return -1
	case t.Logical > u.Logical:
		return 1
	default:
		return 0
	}
}

// Before reports whether t comes before u.
func (t Timestamp) Before(u Timestamp) bool { return t.Compare(u) < 0 }

// IsZero reports whether t is "no time".
func (t Timestamp) IsZero() bool { return t == Timestamp{} }

// Sub returns the wall time from u to t. It saturates at the ends of [time.Duration] (292 years).
func (t Timestamp) Sub(u Timestamp) time.Duration {
	d := t.Wall - u.Wall
	if (t.Wall^u.Wall)&(t.Wall^d) < 0 { // signs differ, and that of d is not t's: it went over
		if t.Wall < 0 {
			return math.MinInt64
		}
		return math.MaxInt64
	}
	return time.Duration(d)
}

// Time returns the wall part as a time in UTC.
func (t Timestamp) Time() time.Time { return time.Unix(0, t.Wall).UTC() }

// Check returns an error that wraps [ErrTime] when t is outside the range of a timestamp.
func (t Timestamp) Check() error {
	switch {
	case t.Wall < 0:
		return fmt.Errorf("%w: %d ns is before 1970", ErrTime, t.Wall)
	case t.Wall > MaxWall:
		return fmt.Errorf("%w: %d ns is after 2261", ErrTime, t.Wall)
	}
	return nil
}

// String returns "WALLNS.LOGICAL", the logical part padded to ten digits as CockroachDB writes it, so that
// "1701102296662969433.0000000007" is the same text there and here.
func (t Timestamp) String() string { return string(t.append(make([]byte, 0, 30))) }

func (t Timestamp) append(b []byte) []byte {
	b = strconv.AppendInt(b, t.Wall, 10)
	if t.Logical == 0 { // mostly
		return append(b, ".0000000000"...)
	}
	b = append(b, '.')
	logical := uint64(t.Logical)
	for digit := uint64(1_000_000_000); digit > 0; digit /= 10 {
		b = append(b, byte('0'+logical/digit%10))
	}
	return b
}

// ParseTimestamp reads "WALLNS.LOGICAL" or "WALLNS". The logical part is a count and not a fraction: leading
// zeros mean nothing and the ".1" of "5.1" is one, whatever the number of digits. Signs, spaces and exponents are
// refused, as is all that [Timestamp.Check] refuses; the error wraps [ErrTime].
func ParseTimestamp(text string) (Timestamp, error) {
	wallText, logicalText, dot := strings.Cut(text, ".")
	wall, err := strconv.ParseUint(wallText, 10, 63)
	if err != nil {
		return Timestamp{}, fmt.Errorf("%w: %s", ErrTime, quote(text))
	}
	var logical uint64
	if dot {
		if logical, err = strconv.ParseUint(logicalText, 10, 32); err != nil {
			return Timestamp{}, fmt.Errorf("%w: %s", ErrTime, quote(text))
		}
	}
	t := Timestamp{Wall: int64(wall), Logical: uint32(logical)}
	if err := t.Check(); err != nil {
		return Timestamp{}, err
	}
	return t, nil
}

// AppendText appends [Timestamp.String].
func (t Timestamp) AppendText(b []byte) ([]byte, error) { return t.append(b), nil }

// MarshalText returns [Timestamp.String]. It is the form in JSON too: a string, so that no reader rounds it.
func (t Timestamp) MarshalText() ([]byte, error) { return t.append(nil), nil }

// UnmarshalText is [ParseTimestamp].
func (t *Timestamp) UnmarshalText(text []byte) error {
	parsed, err := ParseTimestamp(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// TimestampSize is the length of the sortable form, in bytes.
const TimestampSize = 12

// AppendBinary appends the sortable form: wall and logical part, big-endian, [TimestampSize] bytes. Of two valid
// timestamps the earlier has the lower bytes. It fails only where [Timestamp.Check] does.
func (t Timestamp) AppendBinary(b []byte) ([]byte, error) {
	if err := t.Check(); err != nil {
		return b, err
	}
	b = binary.BigEndian.AppendUint64(b, uint64(t.Wall))
	return binary.BigEndian.AppendUint32(b, t.Logical), nil
}

// MarshalBinary returns the sortable form of [Timestamp.AppendBinary].
func (t Timestamp) MarshalBinary() ([]byte, error) {
	return t.AppendBinary(make([]byte, 0, TimestampSize))
}

// UnmarshalBinary reads the sortable form, which must be [TimestampSize] bytes.
func (t *Timestamp) UnmarshalBinary(b []byte) error {
	if len(b) != TimestampSize {
		return fmt.Errorf("%w: %d bytes, want %d", ErrTime, len(b), TimestampSize)
	}
	read := Timestamp{Wall: int64(binary.BigEndian.Uint64(b)), Logical: binary.BigEndian.Uint32(b[8:])}
	if err := read.Check(); err != nil {
		return err
	}
	*t = read
	return nil
}

// timestampFields is how many elements the array of an encoded timestamp has.
const timestampFields = 2

// EncodeMsgpack writes t as an array: wall, logical part. No time is three bytes, a time of our days eleven.
func (t Timestamp) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := t.Check(); err != nil {
		return err
	}
	if err := e.EncodeArrayLen(timestampFields); err != nil {
		return err
	}
	if err := e.EncodeUint(uint64(t.Wall)); err != nil {
		return err
	}
	return e.EncodeUint(uint64(t.Logical))
}

// DecodeMsgpack reads the array that [Timestamp.EncodeMsgpack] writes, whatever forms of msgpack its numbers have. On an error,
// which wraps [ErrTime], t is as it was.
func (t *Timestamp) DecodeMsgpack(d *msgpack.Decoder) error {
	n, err := d.DecodeArrayLen()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTime, err)
	}
	if n != timestampFields {
		return fmt.Errorf("%w: %d fields, want %d", ErrTime, n, timestampFields)
	}
	wall, err := decodeUint(d)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTime, err)
	}
	logical, err := decodeUint(d)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTime, err)
	}
	if wall > uint64(MaxWall) || logical > math.MaxUint32 {
		return fmt.Errorf("%w: [%d, %d]", ErrTime, wall, logical)
	}
	*t = Timestamp{Wall: int64(wall), Logical: uint32(logical)}
	return nil
}
