package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
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

// name returns a key, field or node as it stands in a line: quoted where its end would not be seen.
func name(s string) string {
	if s == "" || strings.ContainsAny(s, " \"'") || Printable(s) != s {
		return strconv.Quote(s)
	}
	return s
}

// cellName returns a key and field.
func cellName(key, field string) string {
	if field == "" {
		return name(key)
	}
	return name(key) + " " + name(field)
}

// fieldName returns a field as it stands in a column.
func fieldName(field string) string {
	if field == "" {
		return "(record)"
	}
	return name(field)
}

// shown returns a value as it stands in a line, at most so many columns wide.
func shown(v value.Value, limit int) string {
	if v.IsAbsent() {
		return "(deleted)"
	}
	return Clip(Printable(string(v)), limit)
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

// number writes 1234567 as 1,234,567.
func number(n int64) string {
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

// Between writes a count as "12", "at most 40" or "between 3 and 40".
func Between(c replay.Count) string {
	switch {
	case c.Exact():
		return number(c.Min)
	case c.Min == 0:
		return "at most " + number(c.Max)
	}
	return "between " + number(c.Min) + " and " + number(c.Max)
}

// short is [Between] for a column; what is none is a dash.
func short(c replay.Count) string {
	if c.Exact() {
		return dashed(c.Min)
	}
	return number(c.Min) + " to " + number(c.Max)
}

func dashed(n int64) string {
	if n == 0 {
		return "-"
	}
	return number(n)
}

// Plural returns "1 write" or "2 writes", for what is said beside a report.
func Plural(n int64, noun string) string { return plural(n, noun) }

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		return number(n) + " " + noun + "es"
	}
	return number(n) + " " + noun + "s"
}

// list joins names as a sentence does: "W1, W2 and W3".
func list(names []string, and string) string {
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " " + and + " " + names[n-1]
	}
}

func duration(nanos int64) string { return time.Duration(nanos).String() }
