package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/cmd"
	"github.com/tiebreakhq/tiebreak/replay/drill"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

const shop = "testdata/shop/shop.tb"
const orders = "testdata/shop/orders.ndjson"

// broken is a stream that fails.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestAClosedPipeIsNoTrouble(t *testing.T) {
	for _, args := range [][]string{
		{"run", "-rules", shop, orders},
		{"run", "-rules", shop, "-json", "-worst", "1000", orders},
		{"convert", orders},
		{"help"},
	} {
		var stderr bytes.Buffer
		closed := broken{&os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}}
		require.Equal(t, 0, cmd.Tiebreak(strings.NewReader(""), closed, &stderr, args), "%v", args)
		require.Empty(t, stderr.String())
	}
}

func TestAFullDiskIsTrouble(t *testing.T) {
	for _, args := range [][]string{{"run", "-rules", shop, orders}, {"convert", orders}} {
		var stderr bytes.Buffer
		require.Equal(t, 2, cmd.Tiebreak(strings.NewReader(""), broken{syscall.ENOSPC}, &stderr, args), "%v", args)
		require.Equal(t, 1, strings.Count(stderr.String(), "no space left on device"), "%s", stderr.String())
	}
}

func TestWhatIsNotWrittenWholeIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "out.ndjson")
	require.NoError(t, os.WriteFile(target, []byte("old\n"), 0o600))
	var stderr bytes.Buffer
	stdin := io.MultiReader(strings.NewReader(`{"key":"k","value":1,"node":"n"}`+"\n"), failing{})
	require.Equal(t, 2, cmd.Tiebreak(stdin, io.Discard, &stderr, []string{"convert", "-o", target, "-"}))
	text, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "old\n", string(text))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "a file was left behind")
}

// failing is an input that breaks off.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is on fire") }

func TestEveryFlagIsInTheHelp(t *testing.T) {
	flags := map[string]string{
		"run":  "rules region origin format scan primary-key tolerate lag skew max-drift memory json markdown worst state partial want checkpoint fail-on",
		"why":  "rules region origin format scan primary-key tolerate lag skew max-drift memory json field",
		"diff": "rules region origin format scan primary-key tolerate lag skew max-drift memory json markdown worst checkpoint fail-on",
		"laws": "rules region origin format scan primary-key tolerate lag skew max-drift memory json",
		"drill": "rules region origin format scan primary-key tolerate lag skew max-drift memory json markdown junit seed load state compare calm find-limit " +
			"runbook audit fail-on",
		"convert": "region origin format scan primary-key tolerate o to redact rules memory",
	}
	for command, names := range flags {
		var help bytes.Buffer
		require.Equal(t, 0, cmd.Tiebreak(nil, &help, io.Discard, []string{"help", command}))
		_, about, ok := strings.Cut(help.String(), "\nFlags\n")
		require.True(t, ok)
		about, status, ok := strings.Cut(about, "\nExit status\n")
		require.True(t, ok)
		require.Contains(t, status, "  0  ")
		require.Equal(t, len(strings.Fields(names)), strings.Count("\n"+about, "\n  -"), command)
		for name := range strings.FieldsSeq(names) {
			require.Contains(t, about, "  -"+name+" ", command)
			var stderr bytes.Buffer // a flag without its value is one that the command has
			if !slices.Contains([]string{"json", "markdown", "calm", "find-limit", "runbook"}, name) {
				cmd.Tiebreak(nil, io.Discard, &stderr, []string{command, "-" + name})
				require.Equal(t, "tiebreak: -"+name+" wants a value; see tiebreak help "+command+"\n", stderr.String())
			}
		}
	}
}

func TestEveryMeasureIsInTheHelp(t *testing.T) {
	var help bytes.Buffer
	cmd.Tiebreak(nil, &help, io.Discard, []string{"help", "drill"})
	_, measures, _ := strings.Cut(help.String(), "\nMeasures")
	measures, _, _ = strings.Cut(measures, "\n\n")
	told := strings.FieldsFunc(measures, func(r rune) bool { return strings.ContainsRune(" ,;\n", r) })
	for _, m := range drill.Measures() {
		require.Contains(t, told, string(m))
	}
}

// The records that the help shows are a history, and between them and the list of members none is left out.
func TestTheHelpOfHistoriesIsAHistory(t *testing.T) {
	var help, said, report bytes.Buffer
	require.Zero(t, cmd.Tiebreak(nil, &help, io.Discard, []string{"help", "history"}))
	shown, members, _ := strings.Cut(help.String(), "\nMembers\n")
	var lines []string
	for line := range strings.Lines(shown) {
		if strings.HasPrefix(line, "  {") {
			lines = append(lines, line)
		}
	}
	status := cmd.Tiebreak(strings.NewReader(strings.Join(lines, "")), &report, &said, []string{"run", "-json", "-rules", shop, "-"})
	require.Zero(t, status, said.String())
	var read replay.Report
	require.NoError(t, json.Unmarshal(report.Bytes(), &read))
	require.EqualValues(t, len(lines)-1, read.Totals.Writes) // the last is a read

	told := strings.FieldsFunc(members, func(r rune) bool { return strings.ContainsRune(" ,\n", r) })
	doc, err := os.ReadFile("../history/doc.go")
	require.NoError(t, err)
	_, doc, _ = bytes.Cut(doc, []byte("# The native format"))
	doc, _, _ = bytes.Cut(doc, []byte("// A set, add"))
	names := regexp.MustCompile(`(?m)^//\t([a-z_]+)(?:, ([a-z_]+))? `).FindAllSubmatch(doc, -1)
	require.Greater(t, len(names), 15)
	for _, name := range names {
		require.Contains(t, told, string(name[1]))
		require.Contains(t, append(told, ""), string(name[2]))
	}
}

// What help tells of a format is what the package that reads it tells, and the flags it names are those of run.
func TestTheHelpOfAFormatIsThatOfItsPackage(t *testing.T) {
	var run bytes.Buffer
	cmd.Tiebreak(nil, &run, io.Discard, []string{"help", "run"})
	flags := regexp.MustCompile(`\B-[a-z][a-z-]+`)
	told := 0
	for _, f := range history.Formats {
		var help, said bytes.Buffer
		status := cmd.Tiebreak(nil, &help, &said, []string{"help", string(f)})
		if f == history.Native || f == history.Msgpack {
			require.Equal(t, 2, status)
			require.Empty(t, f.About())
			continue
		}
		require.Zero(t, status, said.String())
		require.Contains(t, help.String(), "# What they don't tell")
		require.NotContains(t, help.String(), "**")
		require.Equal(t, strings.ReplaceAll(f.About(), "**", ""), help.String())
		for _, flag := range flags.FindAllString(help.String(), -1) {
			if strings.Contains(help.String(), "kcat "+flag) {
				continue
			}
			require.Contains(t, run.String(), "  "+flag, f)
			told++
		}
	}
	require.Greater(t, told, 8)
	require.Empty(t, history.Replica.About())
}

func TestHelpFitsATerminal(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"help", "run"}, {"help", "why"}, {"help", "diff"}, {"help", "laws"}, {"help", "drill"}, {"help", "convert"}, {"help", "codes"}, {"help", "rules"}, {"help", "bad_time"}, {"help", "history"}, {"help", "cockroachdb"}, {"help", "dynamodb"}, {"help", "spanner"}, {"help", "debezium"}} {
		var help bytes.Buffer
		cmd.Tiebreak(nil, &help, io.Discard, args)
		for line := range strings.Lines(help.String()) {
			require.LessOrEqual(t, utf8.RuneCountInString(line), 121, line) // with its end
		}
	}
}

// The schema that help names is the one that -json writes.
func TestHelpNamesTheSchemaThatJSONHas(t *testing.T) {
	schema := regexp.MustCompile(`"schema": "[^"]*"`)
	for command, args := range map[string][]string{
		"run":  {"-rules", shop, orders},
		"why":  {"-rules", shop, "orders/17", orders},
		"diff": {"-rules", shop, "-rules", shop, orders},
		"laws": {"-rules", shop, orders},
	} {
		var help, out bytes.Buffer
		cmd.Tiebreak(nil, &help, io.Discard, []string{"help", command})
		require.Zero(t, cmd.Tiebreak(nil, &out, io.Discard, append([]string{command, "-json"}, args...)))
		require.Contains(t, help.String(), "with "+schema.FindString(out.String()), command)
	}
}
