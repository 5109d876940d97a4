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
