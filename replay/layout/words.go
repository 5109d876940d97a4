package layout

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Printable escapes, as JSON and Go do, what could move a cursor, turn the direction of text or not be seen: everything
// that is neither a printable character nor a space. JSON stays the same JSON.
func Printable(s string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	if strings.IndexFunc(s, odd) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case !odd(r):
			b.WriteRune(r)
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Clip shortens a text to a number of columns.
func Clip(s string, limit int) string {
	if Columns(s) <= limit {
		return s
	}
	room := max(limit-1, 0)
	for i, r := range s {
		if room -= columnsOf(r); room < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// ClipStart is [Clip], but what it leaves out is the beginning.
func ClipStart(s string, limit int) string {
	n := Columns(s)
	if n <= limit {
		return s
	}
	for i, r := range s {
		if n < limit {
			return "…" + s[i:]
		}
		n -= columnsOf(r)
	}
	return "…"
}

// Columns returns how many columns of a terminal a printable text takes: two for each wide character of East Asia and each emoji,
// none for a mark that stands on the character before it.
func Columns(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	const jamoVowels, jamoEnd = 0x1160, 0x11ff // of syllables of Hangul, which begin with a wide one
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf), r >= jamoVowels && r <= jamoEnd:
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Number writes 1234567 as 1,234,567.
func Number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// Dashed is [Number] for a column; none is a dash.
func Dashed(n int64) string {
	if n == 0 {
		return "-"
	}
	return Number(n)
}

// Plural returns "1 write" or "2 writes".
func Plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		return Number(n) + " " + noun + "es"
	}
	return Number(n) + " " + noun + "s"
}
