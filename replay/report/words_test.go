package report_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

func TestEveryCodeHasAMeaning(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../merge/finding/finding.go", nil, 0)
	require.NoError(t, err)
	declared := make(map[finding.Code]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Code" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			declared[finding.Code(text)] = true
		}
		return true
	})
	require.NotEmpty(t, declared)
	for _, code := range report.Codes() {
		require.True(t, declared[code], "%s is not a code", code)
		require.NotEmpty(t, report.Meaning(code))
		delete(declared, code)
	}
	require.Empty(t, declared, "codes without a meaning")
	require.Empty(t, report.Meaning("no_such_code"))
}

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
		require.Equal(t, want, report.Printable(text))
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range report.Printable(text) {
			require.True(t, unicode.IsPrint(r))
		}
	})
}

func TestJSONIsPrintableAndTheSame(t *testing.T) {
	hostile := "\x1b[2J\u009b\u202e\n<&>\U000e0041"
	var b bytes.Buffer
	require.NoError(t, report.JSON(&b, &replay.Report{Schema: replay.Schema, Table: replay.TableInfo{File: hostile}}))
	for _, r := range b.String() {
		require.True(t, r == '\n' || unicode.IsPrint(r), "%U", r)
	}
	require.Contains(t, b.String(), "<&>")
	var back replay.Report
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	require.Equal(t, hostile, back.Table.File)
}

func TestRangesAreNeverGivenAsOneNumber(t *testing.T) {
	for want, c := range map[string]replay.Count{
		"0":                         {},
		"1,234,567":                 {Min: 1234567, Max: 1234567},
		"at most 40":                {Max: 40},
		"between 3 and 40":          {Min: 3, Max: 40},
		"between 1,000 and 999,999": {Min: 1000, Max: 999999},
	} {
		require.Equal(t, want, report.Between(c))
	}
}
