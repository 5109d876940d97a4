package report_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/layout"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

// declaredCodes returns the codes of package finding by the names of their constants.
func declaredCodes(t *testing.T) map[string]finding.Code {
	file, err := parser.ParseFile(token.NewFileSet(), "../../merge/finding/finding.go", nil, 0)
	require.NoError(t, err)
	declared := make(map[string]finding.Code)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Code" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			declared[spec.Names[0].Name] = finding.Code(text)
		}
		return true
	})
	require.NotEmpty(t, declared)
	return declared
}

func TestEveryCodeIsExplained(t *testing.T) {
	declared := slices.Sorted(maps.Values(declaredCodes(t)))
	require.Equal(t, declared, slices.Sorted(slices.Values(report.Codes())))
	for _, code := range declared {
		e, ok := report.Explain(code)
		require.True(t, ok)
		require.Equal(t, code, e.Code)
		require.NotEmpty(t, e.Meaning)
		require.True(t, strings.HasSuffix(e.Advice, "."), "%s", code)
		require.Equal(t, e.Meaning, report.Meaning(code))
	}
	_, ok := report.Explain("no_such_code")
	require.False(t, ok)
	require.Empty(t, report.Meaning("no_such_code"))
}

// Whoever names a code in its source tells it.
func TestCodesAreToldByWhoNamesThem(t *testing.T) {
	declared := declaredCodes(t)
	named := regexp.MustCompile(`\bfinding\.([A-Z]\w+)\b`)
	counts := []finding.Code{finding.DuplicateOp, finding.CompactedWindow, finding.MissingBeforeImage, finding.NoTime} // of what is no record by design
	for dir, teller := range map[string]report.Tellers{
		"../history": report.ByReading, "../../merge/value": report.ByReading, "..": report.ByRun, "../drill": report.ByDrill,
	} {
		files, err := filepath.Glob(dir + "/*.go")
		require.NoError(t, err)
		found := 0
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			for _, match := range named.FindAllStringSubmatch(string(text), -1) {
				code, ok := declared[match[1]]
				if !ok || teller == report.ByReading && slices.Contains(counts, code) {
					continue
				}
				found++
				e, _ := report.Explain(code)
				require.NotZero(t, e.By&teller, "%s, of %s", code, name)
			}
		}
		require.NotZero(t, found, dir)
	}
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

func TestNotesAreInTheNumberOfWhatTheyTell(t *testing.T) {
	r := &replay.Report{Inputs: []replay.Input{{Snapshots: 1}}}
	var b bytes.Buffer
	require.NoError(t, report.Run(&b, r, nil, nil))
	require.Contains(t, b.String(), "1 snapshot row tells a state and not who wrote it: it was not replayed.")
	r.Inputs[0].Snapshots, b = 2, bytes.Buffer{}
	require.NoError(t, report.Run(&b, r, nil, nil))
	require.Contains(t, b.String(), "2 snapshot rows tell a state and not who wrote it: they were not replayed.")
}

// Columns below a wide text stood further to the left than those below a narrow one.
func TestTablesAlignWideCharacters(t *testing.T) {
	r := &replay.Report{Totals: replay.Totals{Writes: 1}, Worst: []replay.Cell{{Key: "cities/東京", Field: "f", Rule: "lww", Value: `1`},
		{Key: "cities/u\u0308", Field: "f", Rule: "lww", Value: `1`}, {Key: strings.Repeat("京", 100), Field: "f", Rule: "lww", Value: `1`}}}
	var b bytes.Buffer
	require.NoError(t, report.Run(&b, r, nil, nil))
	var at []int
	for line := range strings.Lines(b.String()) {
		require.LessOrEqual(t, layout.Columns(strings.TrimSuffix(line, "\n")), layout.Width)
		if before, _, ok := strings.Cut(line, "  lww "); ok {
			at = append(at, layout.Columns(before))
		}
	}
	require.Len(t, at, 3)
	for _, column := range at {
		require.Equal(t, at[0], column)
	}
}
