package fuzz

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/cmd"
	"github.com/tiebreakhq/tiebreak/replay/drill"
)

// Every block of the README is run or compiled: what it shows is what happens. A line "…" in the output of a command
// stands for any number of lines.

type readmeBlock struct {
	language string
	text     string
	line     int
}

func readmeBlocks(t *testing.T) (blocks []readmeBlock) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var open *readmeBlock
	for i, line := range strings.Split(string(text), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &readmeBlock{language: fence, line: i + 1}
		case isFence:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	require.Nil(t, open, "a block is not closed")
	return blocks
}

func TestReadmeCommandsDoWhatItShows(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs all that README shows")
	}
	blocks := readmeBlocks(t)
	t.Chdir("..")
	ran := 0
	for _, b := range blocks {
		if b.language != "console" {
			continue
		}
		for _, part := range strings.Split("\n"+b.text, "\n$ ")[1:] {
			command, want, _ := strings.Cut(part, "\n")
			got, known := runReadme(t, command)
			require.True(t, known, "README.md:%d: nothing here runs %q", b.line, command)
			if !matches(strings.Split(strings.TrimRight(want, "\n"), "\n"), strings.Split(strings.TrimRight(got, "\n"), "\n")) {
				t.Errorf("README.md:%d: $ %s\nshows\n%s\nand prints\n%s", b.line, command, want, got)
			}
			ran++
		}
	}
	require.GreaterOrEqual(t, ran, 5)
}

// runReadme runs a command of the README and returns its standard output.
func runReadme(t *testing.T, command string) (out string, known bool) {
	switch fields := strings.Fields(command); {
	case strings.HasPrefix(command, "go run ./replay/cmd/tiebreak "):
		var stdout, stderr bytes.Buffer
		status := cmd.Tiebreak(strings.NewReader(""), &stdout, &stderr, fields[3:])
		require.Less(t, status, 2, "%s", stderr.String())
		return stdout.String(), true
	case strings.HasPrefix(command, "go run ./examples/"):
		text, err := exec.Command(fields[0], fields[1:]...).Output()
		require.NoError(t, err)
		return string(text), true
	case command == "go test ./...":
		return "", true // the command that runs this test
	}
	return "", false
}

// matches reports whether the lines are those that are wanted, in which "…" stands for any number.
func matches(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "…" {
		for i := range len(got) + 1 {
			if matches(want[1:], got[i:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && strings.TrimRight(want[0], " ") == strings.TrimRight(got[0], " ") && matches(want[1:], got[1:])
}

// commandsAreKnown checks a block that is not run, such as a workflow of a server: what it calls tiebreak with must be a
// command and its flags.
func commandsAreKnown(t *testing.T, b readmeBlock) {
	require.NotContains(t, b.text, "\t", "README.md:%d: YAML is indented by spaces", b.line)
	found := 0
	for line := range strings.Lines(b.text) {
		_, call, ok := strings.Cut(line, "tiebreak ")
		if !ok || !strings.Contains(line, "run:") {
			continue
		}
		found++
		words := strings.Fields(call)
		require.NotEmpty(t, words, "README.md:%d", b.line)
		var help bytes.Buffer
		require.Zero(t, cmd.Tiebreak(nil, &help, &help, []string{"help", words[0]}), "README.md:%d: %s", b.line, help.String())
		for _, word := range words[1:] {
			if strings.HasPrefix(word, "-") {
				require.Contains(t, help.String(), "\n  "+word+" ", "README.md:%d: %s has no flag %s", b.line, words[0], word)
			}
		}
	}
	require.Positive(t, found, "README.md:%d: no line runs tiebreak", b.line)
}

func TestReadmeCodeIsCodeThatIsTested(t *testing.T) {
	var code []string
	require.NoError(t, filepath.WalkDir("../examples", func(name string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".go") {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			code = append(code, string(text))
		}
		return err
	}))
	for _, b := range readmeBlocks(t) {
		switch b.language {
		case "console":
		case "go":
			found := false
			for _, text := range code {
				found = found || strings.Contains(text, b.text)
			}
			require.True(t, found, "README.md:%d: the code stands in no example", b.line)
		case "tb":
			_, err := merge.ParseTable("README.md", []byte(b.text))
			require.NoError(t, err)
		case "drill":
			_, err := drill.ParseScript("README.md", []byte(b.text))
			require.NoError(t, err)
		case "yaml":
			commandsAreKnown(t, b)
		default:
			t.Errorf("README.md:%d: nothing tests a block of %q", b.line, b.language)
		}
	}
}
