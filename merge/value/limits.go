package value

import (
	"fmt"
	"math"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// Limits bounds what is read of one JSON text. A zero field means its default.
type Limits struct {
	Depth   int // of nested arrays and objects; 0 is [DefaultDepth], and no more than [MaxDepth] counts
	Bytes   int // of the text; 0 is [DefaultBytes]
	Members int // of one object; 0 is [DefaultMembers]
}

// The limits where a field of [Limits] is zero.
const (
	DefaultDepth   = 64
	DefaultBytes   = 8 << 20
	DefaultMembers = 10_000
)

// MaxDepth is the deepest nesting that any [Limits] can allow: readers recurse, and a stack has an end.
const MaxDepth = 10_000

// MaxNumberBytes is the longest number that is read, and MaxExponentDigits the longest exponent, leading zeros aside.
const (
	MaxNumberBytes    = 16 << 10 // beyond what a number in memory ever prints
	MaxExponentDigits = 9
)

// orDefault returns the limits with defaults in the place of zeros.
func (l Limits) orDefault() Limits {
	if l.Depth <= 0 {
		l.Depth = DefaultDepth
	}
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	if l.Members <= 0 {
		l.Members = DefaultMembers
	}
	l.Depth = min(l.Depth, MaxDepth)
	l.Bytes = min(l.Bytes, math.MaxInt32)
	return l
}

// Error says what is wrong with a text, and where. Everything that reads text in this package returns it.
type Error struct {
	Code   finding.Code // bad_syntax bad_utf8 truncated_input too_deep too_large bad_number non_finite duplicate_field
	Offset int          // in bytes from the start of the text
	Detail string       // one sentence without its full stop
}

// Error returns "offset 12: code: detail".
func (e *Error) Error() string { return fmt.Sprintf("offset %d: %s: %s", e.Offset, e.Code, e.Detail) }

func fail(code finding.Code, offset int, format string, args ...any) *Error {
	return &Error{Code: code, Offset: offset, Detail: fmt.Sprintf(format, args...)}
}
