package layout_test

import (
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/replay/layout"
)

func TestPrintableEscapesWhatMovesACursor(t *testing.T) {
	for text, want := range map[string]string{
		"plain ünïcödé 東京": "plain ünïcödé 東京",
		"\x1b[2J":          `\u001b[2J`,
		"\u009b2J":         `\u009b2J`, // one character that begins a sequence
		"a\r\nb\tc":        `a\u000d\u000ab\u0009c`,
		"\u202eevil":       `\u202eevil`,
		"zero\u200bwidth":  `zero\u200bwidth`,
		"\U000e0041":       `\udb40\udc41`, // as JSON writes it
		"\xff":             `\xff`,
		"\ufffd":           `\ufffd`,
	} {
		require.Equal(t, want, layout.Printable(text))
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range layout.Printable(text) {
			require.True(t, unicode.IsPrint(r))
		}
	})
}

func TestColumnsAreThoseOfATerminal(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "ünïcödé": 7, "u\u0308": 1, "東京": 4, "ｆｕｌｌ": 8, "ﾊﾝｶｸ": 4, "한글": 4, "\u1112\u1161\u11ab": 2, "👩": 2, "❤\ufe0f": 1,
		layout.Printable("👩\u200d👧"): 2 + len(`\u200d`) + 2, "e\u20dd": 1, "…": 1, "שלום": 4,
	} {
		require.Equal(t, want, layout.Columns(text), "%q", text)
	}
}

func TestTextsAreClippedAtEitherEnd(t *testing.T) {
	for text, want := range map[string][2]string{
		"abc": {"abc", "abc"}, "abcd": {"abcd", "abcd"}, "abcde": {"abc…", "…cde"}, "東京都": {"東…", "…都"}, "a東京": {"a東…", "…京"}, "": {"", ""},
	} {
		require.Equal(t, want, [2]string{layout.Clip(text, 4), layout.ClipStart(text, 4)}, text)
	}
	require.Equal(t, "…", layout.ClipStart("東京", 1))
}

func TestClipKeepsWhatFits(t *testing.T) {
	require.Equal(t, "abc", layout.Clip("abc", 3))
	require.Equal(t, "ab…", layout.Clip("abcd", 3))
	require.Equal(t, "東…", layout.Clip("東京都", 4)) // half a character is none
	require.Equal(t, "…", layout.Clip("abc", 1))
}

func TestNumbersAndNouns(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -100: "-100", -1000: "-1,000",
		-9223372036854775808: "-9,223,372,036,854,775,808"} {
		require.Equal(t, want, layout.Number(n))
	}
	require.Equal(t, "-", layout.Dashed(0))
	require.Equal(t, "1,000", layout.Dashed(1000))
	require.Equal(t, "1 write", layout.Plural(1, "write"))
	require.Equal(t, "0 writes", layout.Plural(0, "write"))
	require.Equal(t, "2,000 writes", layout.Plural(2000, "write"))
	require.Equal(t, "2 losses", layout.Plural(2, "loss"))
}
