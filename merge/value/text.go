package value

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// share returns b as a string without a copy. Nobody may write to b afterwards.
func share(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

const (
	everyByte = 0x0101010101010101
	everyHigh = 0x8080808080808080
)

// plainEnd returns the offset of the first byte from at on that can't stand for itself in a string (a quote, a
// backslash, a control character), len(text) when there is none, and whether a byte before it is not ASCII.
func plainEnd(text []byte, at int) (end int, ascii bool) {
	var high uint64
	for ; at+8 <= len(text); at += 8 {
		w := binary.LittleEndian.Uint64(text[at : at+8])
		quote := w ^ everyByte*'"'
		slash := w ^ everyByte*'\\'
		// A byte of a word is marked when it is 0 (below 0x20 for w itself). A borrow can mark bytes above a marked one
		// wrongly, so only the lowest mark counts; that one is always true.
		mark := ((quote-everyByte)&^quote | (slash-everyByte)&^slash | (w-everyByte*0x20)&^w) & everyHigh
		if mark != 0 {
			n := bits.TrailingZeros64(mark) &^ 7
			high |= w & (1<<n - 1)
			return at + n>>3, high&everyHigh == 0
		}
		high |= w
	}
	for ; at < len(text); at++ {
		b := text[at]
		if b == '"' || b == '\\' || b < 0x20 {
			break
		}
		high |= uint64(b)
	}
	return at, high&everyHigh == 0
}

// scanText checks the string whose opening quote stands at text[at]. It returns the offset after its closing quote and
// whether the string is plain: without escapes.
func scanText(text []byte, at int) (end int, plain bool, err *Error) {
	start := at + 1
	at, ascii := plainEnd(text, start)
	plain = true
	for {
		if !ascii && !utf8.Valid(text[start:at]) {
			return 0, false, badUTF8(text, start, at)
		}
		if at == len(text) {
			return 0, false, fail(finding.TruncatedInput, at, "the text ends inside a string")
		}
		switch b := text[at]; {
		case b == '"':
			return at + 1, plain, nil
		case b == '\\':
			if at, err = scanEscape(text, at); err != nil {
				return 0, false, err
			}
			plain = false
		default:
			return 0, false, fail(finding.BadSyntax, at, "control character %q in a string: write it as an escape", b)
		}
		start = at
		at, ascii = plainEnd(text, start)
	}
}

// scanEscape checks the escape whose backslash stands at text[at] and returns the offset after it; after both halves
// of a surrogate pair.
func scanEscape(text []byte, at int) (int, *Error) {
	if at+1 >= len(text) {
		return 0, fail(finding.TruncatedInput, len(text), "the text ends inside an escape")
	}
	switch c := text[at+1]; c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 2, nil
	case 'u':
	default:
		return 0, fail(finding.BadSyntax, at, "%q is no escape", text[at:at+2])
	}
	r, err := scanHex(text, at)
	if err != nil {
		return 0, err
	}
	if !utf16.IsSurrogate(r) {
		return at + 6, nil
	}
	if at+7 < len(text) && text[at+6] == '\\' && text[at+7] == 'u' {
		low, err := scanHex(text, at+6)
		if err != nil {
			return 0, err
		}
		if utf16.DecodeRune(r, low) != utf8.RuneError {
			return at + 12, nil
		}
	}
	return 0, fail(finding.BadUTF8, at, "%s is half a surrogate pair", text[at:at+6])
}

// scanHex reads the four digits of the \u escape at text[at].
func scanHex(text []byte, at int) (rune, *Error) {
	var r rune
	for i := at + 2; i < at+6; i++ {
		if i >= len(text) {
			return 0, fail(finding.TruncatedInput, i, "the text ends inside an escape")
		}
		d := hexDigit(text[i])
		if d < 0 {
			return 0, fail(finding.BadSyntax, at, "%q has no four hexadecimal digits", text[at:min(at+6, len(text))])
		}
		r = r<<4 | d
	}
	return r, nil
}

func hexDigit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c - 'a' + 10)
	case 'A' <= c && c <= 'F':
		return rune(c - 'A' + 10)
	}
	return -1
}

// badUTF8 returns the error for text[start:end], which is known not to be UTF-8.
func badUTF8(text []byte, start, end int) *Error {
	for start < end {
		r, n := utf8.DecodeRune(text[start:end])
		if r == utf8.RuneError && n == 1 {
			break
		}
		start += n
	}
	return fail(finding.BadUTF8, start, "byte 0x%02x is not UTF-8", text[start])
}

// appendUnescaped appends what the inside of a string says. The string has been checked; of one that has not, it
// appends something.
func appendUnescaped(to, inner []byte) []byte {
	to = slices.Grow(to, len(inner))
	for at := 0; at < len(inner); {
		plain := bytes.IndexByte(inner[at:], '\\')
		if plain < 0 || at+plain+1 >= len(inner) {
			return append(to, inner[at:]...)
		}
		to = append(to, inner[at:at+plain]...)
		at += plain
		c := inner[at+1]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, err := scanHex(inner, at)
			if err != nil {
				return to
			}
			at += 6
			if utf16.IsSurrogate(r) && at < len(inner) && inner[at] == '\\' {
				low, err := scanHex(inner, at)
				if err != nil {
					return to
				}
				r = utf16.DecodeRune(r, low)
				at += 6
			}
			to = utf8.AppendRune(to, r)
			continue
		}
		to = append(to, c)
		at += 2
	}
	return to
}

const hexDigits = "0123456789abcdef"

// AppendText appends the string s as canonical JSON, quotes included. Bytes that are not UTF-8 become U+FFFD.
func AppendText(to []byte, s string) []byte {
	to = append(to, '"')
	text := unsafe.Slice(unsafe.StringData(s), len(s))
	for at := 0; ; {
		end, ascii := plainEnd(text, at)
		if !ascii && !utf8.Valid(text[at:end]) {
			to = append(to, string([]rune(string(text[at:end])))...)
		} else {
			to = append(to, text[at:end]...)
		}
		if end == len(text) {
			return append(to, '"')
		}
		switch c := text[end]; c {
		case '"', '\\':
			to = append(to, '\\', c)
		case '\b':
			to = append(to, '\\', 'b')
		case '\f':
			to = append(to, '\\', 'f')
		case '\n':
			to = append(to, '\\', 'n')
		case '\r':
			to = append(to, '\\', 'r')
		case '\t':
			to = append(to, '\\', 't')
		default:
			to = append(to, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		at = end + 1
	}
}
