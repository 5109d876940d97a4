package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/layout"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

var update = flag.Bool("update", false, "rewrite what the goldens expect; read the diff before you commit it")

// Each archive holds tables, a history and what commands on them show: a file named "why KEY" is the text of that
// command. Each is also run with its files in another order, by other numbers of processors, with its lines shuffled, read
// in two halves that are joined, and with all delivered twice; what then differs is written below the text.
func TestTexts(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, archives)
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			require.NoError(t, err)
			c := &testCase{t: t, tables: make(map[string]*merge.Table)}
			for _, f := range archive.Files {
				switch filepath.Ext(f.Name) {
				case ".tb":
					c.tables[f.Name], err = merge.ParseTable(f.Name, f.Data)
					require.NoError(t, err)
				case ".ndjson":
					c.files = append(c.files, f)
				}
			}
			var want, got txtar.Archive
			for i, f := range archive.Files {
				if ext := filepath.Ext(f.Name); ext == ".tb" || ext == ".ndjson" {
					continue
				}
				got.Files = append(got.Files, txtar.File{Name: f.Name, Data: []byte(c.show(f.Name) + c.differences(f.Name))})
				want.Files = append(want.Files, f)
				archive.Files[i].Data = got.Files[len(got.Files)-1].Data
			}
			if *update {
				require.NoError(t, os.WriteFile(name, txtar.Format(archive), 0o644))
				return
			}
			require.Equal(t, string(txtar.Format(&want)), string(txtar.Format(&got)))
		})
	}
}

type testCase struct {
	t      *testing.T
	tables map[string]*merge.Table
	files  []txtar.File
}

// sources returns the files of a case as inputs. A file that stands in a folder is of the region of that name.
func sources(files []txtar.File) []history.Source {
	var all []history.Source
	for _, f := range files {
		s := history.Reader(f.Name, bytes.NewReader(f.Data))
		s.Region, _, _ = strings.Cut(f.Name, "/")
		if s.Region == f.Name {
			s.Region = ""
		}
		all = append(all, s)
	}
	return all
}

func (c *testCase) collect(files []txtar.File) *replay.History {
	h, err := replay.Collect(sources(files), history.Options{})
	require.NoError(c.t, err)
	return h
}

// show returns the text of a command.
func (c *testCase) show(command string) string {
	return c.text(command, c.collect(c.files), 0)
}

func (c *testCase) text(command string, h *replay.History, workers int) string {
	opt := replay.Options{Workers: workers}
	next := func(key, field string) string { return "tiebreak why -field " + field + " " + key }
	var b strings.Builder
	var err error
	var data any
	words := strings.Fields(command)
	switch words[0] {
	case "run":
		r := h.Run(c.tables["shop.tb"], opt)
		data, err = r, report.Run(&b, r, nil, next)
		marked(c.t, func(w io.Writer) error { return report.RunMarkdown(w, r, nil, next) })
	case "why":
		s, whyErr := h.Why(c.tables["shop.tb"], words[1], nil, opt)
		require.NoError(c.t, whyErr)
		data, err = s, report.Why(&b, s, "tiebreak diff")
	case "diff":
		d := h.Diff([]*merge.Table{c.tables["shop.tb"], c.tables[words[1]+".tb"]}, opt)
		then := func(_ int, key, field string) string { return next(key, field) }
		data, err = d, report.Diff(&b, d, then)
		marked(c.t, func(w io.Writer) error { return report.DiffMarkdown(w, d, then) })
	case "laws":
		l := h.Laws(c.tables["shop.tb"], opt)
		data, err = l, report.Laws(&b, l)
	default:
		c.t.Fatalf("there is no command %q", command)
	}
	require.NoError(c.t, err)
	wide(c.t, b.String())
	readable(c.t, data)
	return b.String()
}

// wide fails if a text is wider than a page, the next command aside.
func wide(t *testing.T, text string) {
	text, _, _ = strings.Cut(text, "\nNext: ")
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, layout.Columns(strings.TrimSuffix(line, "\n")), layout.Width, line)
	}
}

// marked fails if a text in Markdown has a table whose rows are not as long as its head, a line that is taken for a row of the table
// above it, or code that does not end.
func marked(t *testing.T, write func(io.Writer) error) {
	var b bytes.Buffer
	require.NoError(t, write(&b))
	cells, fence := 0, ""
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case fence != "":
			if line == fence {
				fence = ""
			}
		case strings.HasPrefix(line, "```"):
			fence = strings.TrimRight(line, "abcdefghijklmnopqrstuvwxyz")
			cells = 0
		case strings.HasPrefix(line, "|"):
			n := strings.Count(line, "|") - strings.Count(line, `\|`)
			require.True(t, cells == 0 || n == cells, line)
			cells = n
		default:
			require.True(t, cells == 0 || line == "" || strings.HasPrefix(line, "- "), line)
			cells = 0
		}
	}
	require.Empty(t, fence)
}

// readable fails if the JSON of a report does not read back as the same.
func readable(t *testing.T, data any) {
	var first, again bytes.Buffer
	require.NoError(t, report.JSON(&first, data))
	var back any
	switch data.(type) {
	case *replay.Report:
		back = new(replay.Report)
	case *replay.Story:
		back = new(replay.Story)
	case *replay.Diff:
		back = new(replay.Diff)
	case *replay.Laws:
		back = new(replay.Laws)
	}
	require.NoError(t, json.Unmarshal(first.Bytes(), back))
	require.NoError(t, report.JSON(&again, back))
	require.Equal(t, first.String(), again.String())
}

// differences runs a command in other ways that must not matter and says where it did.
func (c *testCase) differences(command string) string {
	var b strings.Builder
	want := c.show(command)
	check := func(how, got string) {
		if got != want {
			fmt.Fprintf(&b, "DIFFERS %s:\n%s", how, got)
		}
	}
	for _, workers := range []int{1, 2, 8} {
		check(fmt.Sprintf("with %d workers", workers), c.text(command, c.collect(c.files), workers))
	}
	backwards := slices.Clone(c.files)
	slices.Reverse(backwards)
	check("with the files in reverse", c.text(command, c.collect(backwards), 0))
	if len(c.files) > 1 {
		first, second := c.collect(c.files[:1]), c.collect(c.files[1:])
		second.Join(first)
		check("read in two halves", c.text(command, second, 0))
	}
	if command == "run" {
		numbers := c.numbers(c.files)
		if got := c.numbers(c.shuffled()); got != numbers && !c.ordered() {
			fmt.Fprintf(&b, "DIFFERS with lines shuffled:\n%s", got)
		}
		if got := c.numbers(append(slices.Clone(c.files), c.twice()...)); got != numbers && c.identified() {
			fmt.Fprintf(&b, "DIFFERS delivered twice:\n%s", got)
		}
	}
	return b.String()
}

// numbers returns what of a report does not depend on places, nor on how often a write is delivered.
func (c *testCase) numbers(files []txtar.File) string {
	r := c.collect(files).Run(c.tables["shop.tb"], replay.Options{})
	r.Totals.Duplicates, r.Inputs, r.Findings = 0, nil, nil
	text, err := json.MarshalIndent(r, "", " ")
	require.NoError(c.t, err)
	return string(text)
}

// ordered reports whether the order of lines says something: they are exports of regions.
func (c *testCase) ordered() bool {
	return slices.ContainsFunc(c.files, func(f txtar.File) bool { return strings.Contains(f.Name, "/") })
}

// identified reports whether every write has an id, so that a second delivery is known as one.
func (c *testCase) identified() bool {
	for _, f := range c.files {
		for line := range strings.Lines(string(f.Data)) {
			if !strings.Contains(line, `"id":`) {
				return false
			}
		}
	}
	return true
}

func (c *testCase) shuffled() []txtar.File {
	random := rand.New(rand.NewPCG(1, 2))
	files := slices.Clone(c.files)
	for i, f := range files {
		lines := slices.Collect(strings.Lines(string(f.Data)))
		random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		files[i].Data = []byte(strings.Join(lines, ""))
	}
	return files
}

// twice returns the files under other names, later in the order of their regions.
func (c *testCase) twice() []txtar.File {
	files := slices.Clone(c.files)
	for i := range files {
		files[i].Name = strings.TrimSuffix(files[i].Name, ".ndjson") + "-again.ndjson"
	}
	return files
}
