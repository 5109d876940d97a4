package value

import (
	"cmp"
	"strconv"
	"strings"
)

// Compare orders all values: by kind first (absent, null, false, true, number, string, array, object), then numbers by
// size, strings by their bytes, arrays and objects by their text. Numbers of one size that are written in two ways are
// ordered by their text, so that Compare returns 0 for identical values and for no others.
func Compare(a, b Value) int {
	kind := a.Kind()
	if c := cmp.Compare(kind, b.Kind()); c != 0 {
		return c
	}
	switch kind {
	case KindNumber:
		return cmp.Or(compareNumbers(string(a), string(b)), strings.Compare(string(a), string(b)))
	case KindString:
		return compareTexts(string(a), string(b))
	}
	return strings.Compare(string(a), string(b))
}

// compareTexts orders two strings, with their quotes, by their bytes. Most differ early, before any escape.
func compareTexts(a, b string) int {
	const early = 32
	for i := 1; i < min(len(a)-1, len(b)-1, early); i++ {
		switch x, y := a[i], b[i]; {
		case x == '\\' || y == '\\':
			return compareUnescaped(a, b)
		case x != y:
			return cmp.Compare(x, y)
		}
	}
	return compareUnescaped(a, b)
}

func compareUnescaped(a, b string) int {
	s, _ := Value(a).Text()
	t, _ := Value(b).Text()
	return strings.Compare(s, t)
}

// CompareSize is [Compare], but that numbers are compared by their size alone: it is 0 for 1.0 and 1.
func CompareSize(a, b Value) int {
	if a.Kind() == KindNumber && b.Kind() == KindNumber {
		return compareNumbers(string(a), string(b))
	}
	return Compare(a, b)
}

// compareNumbers orders two numbers by size. It works on the digits as they are written, so that no number is too long
// or too large for it.
func compareNumbers(a, b string) int {
	x, y := split(a), split(b)
	if c := cmp.Compare(x.sign, y.sign); c != 0 || x.sign == 0 {
		return c
	}
	if c := cmp.Compare(x.exp, y.exp); c != 0 {
		return c * x.sign
	}
	for i := range max(x.len(), y.len()) {
		if c := cmp.Compare(x.digit(i), y.digit(i)); c != 0 {
			return c * x.sign
		}
	}
	return 0
}

// scientific is the number sign × 0.d₀d₁d₂… × 10^exp, in which d₀ is not 0 unless the number is.
type scientific struct {
	sign      int    // -1, 0 or 1
	int, frac string // the digits from d₀ on, before and after the point
	exp       int64
}

func (s scientific) len() int { return len(s.int) + len(s.frac) }

func (s scientific) digit(i int) byte {
	switch {
	case i < len(s.int):
		return s.int[i]
	case i < s.len():
		return s.frac[i-len(s.int)]
	}
	return '0'
}

// split takes a number apart. An exponent beyond what [MaxExponentDigits] allows counts as the greatest there is.
func split(text string) scientific {
	s := scientific{sign: 1}
	if strings.HasPrefix(text, "-") {
		s.sign, text = -1, text[1:]
	}
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		s.exp, _ = strconv.ParseInt(text[e+1:], 10, 62)
		text = text[:e]
	}
	s.int, s.frac, _ = strings.Cut(text, ".")
	s.int = strings.TrimLeft(s.int, "0")
	s.exp += int64(len(s.int))
	if s.int == "" {
		significant := strings.TrimLeft(s.frac, "0")
		s.exp -= int64(len(s.frac) - len(significant))
		s.frac = significant
		if s.frac == "" {
			s.sign = 0
		}
	}
	return s
}
