package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/cmd"
)

// tiebreak runs the command, which must find nothing wrong, and returns its report.
func tiebreak(t *testing.T, args ...string) string {
	var stdout, stderr strings.Builder
	status := cmd.Tiebreak(strings.NewReader(""), &stdout, &stderr, args, merge.Custom{Name: "longest", Merge: longest})
	assert.Zero(t, status)
	assert.Empty(t, stderr.String())
	return stdout.String()
}

func TestLongestKeepsTheTextThatSaysMore(t *testing.T) {
	assert.Contains(t, tiebreak(t, "why", "-rules", "notes.tb", "notes/17", "notes.ndjson"),
		`notes/17 text ends as "Leave it at the door, the dog is loose, ring twice"`)
}

func TestLongestKeepsItsPromises(t *testing.T) {
	assert.Contains(t, tiebreak(t, "laws", "-rules", "notes.tb", "notes.ndjson"), "notes/* text longest\n")
}
