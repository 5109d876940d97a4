package value

import (
	"bytes"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// numberEnd returns the offset after the number that begins at text[at], or -1 when there is no valid one.
func numberEnd(text []byte, at int) int {
	start := at
	if at < len(text) && text[at] == '-' {
		at++
	}
	first := at
	at = digitsEnd(text, at)
	if at == first || text[first] == '0' && at > first+1 {
		return -1
	}
	if at < len(text) && text[at] == '.' {
		first = at + 1
		if at = digitsEnd(text, first); at == first {
			return -1
		}
	}
	if at < len(text) && text[at]|0x20 == 'e' {
		at++
		if at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		first = at
		if at = digitsEnd(text, at); at == first {
			return -1
		}
		if at-first > MaxExponentDigits && len(bytes.TrimLeft(text[first:at], "0")) > MaxExponentDigits {
			return -1
		}
	}
	if at-start > MaxNumberBytes {
		return -1
	}
	return at
}

func digitsEnd(text []byte, at int) int {
	for at < len(text) && text[at]-'0' <= 9 {
		at++
	}
	return at
}

// badNumber returns the error for what begins like a number at text[at] and is none.
func badNumber(text []byte, at int) *Error {
	end := at
	for end < len(text) && (kindOf[text[end]] == KindNumber || bytes.IndexByte([]byte("+.eE"), text[end]) >= 0) {
		end++
	}
	number := text[at:end]
	switch {
	case len(number) > MaxNumberBytes:
		return fail(finding.BadNumber, at, "a number of %d bytes: the limit is %d", len(number), MaxNumberBytes)
	case end == len(text) && bytes.IndexByte([]byte("+-.eE"), text[end-1]) >= 0:
		return fail(finding.TruncatedInput, end, "the text ends inside a number")
	}
	return fail(finding.BadNumber, at, "%q is no JSON number, or its exponent has more than %d digits", number, MaxExponentDigits)
}

// nonFinite reports whether one of the spellings of NaN and infinity begins at text[at], which JSON does not have and
// some exporters write.
func nonFinite(text []byte, at int) bool {
	rest := text[at:]
	for _, word := range []string{"NaN", "nan", "Infinity", "-Infinity", "inf", "-inf", "Inf", "-Inf", "+Inf"} {
		if bytes.HasPrefix(rest, []byte(word)) {
			return true
		}
	}
	return false
}
