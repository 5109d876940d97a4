package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestItFindsWhatTestsDoNotNotice(t *testing.T) {
	var stdout, stderr bytes.Buffer
	status := mutate(&stdout, &stderr, []string{"./testdata/small"})
	assert.Equal(t, 1, status, stderr.String())
	want, err := os.ReadFile("testdata/small.txt")
	require.NoError(t, err)
	got := stdout.String()
	if at := strings.Index(got, " equivalent, "); at >= 0 {
		got = got[:at] + " equivalent\n" // how long it took is its own affair
	}
	assert.Equal(t, string(want), got, stderr.String())

	stdout.Reset()
	assert.Equal(t, 0, mutate(&stdout, &stderr, []string{"-only", "ErrLow", "./testdata/small"}), stderr.String())
	assert.Contains(t, stdout.String(), "1 of 1 killed, 100.0 %")
}

func TestASampleIsTheSameForASeedAndHasAnInterval(t *testing.T) {
	var outputs []string
	for _, seed := range []string{"1", "1", "2"} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 0, mutate(&stdout, &stderr, []string{"-list", "-sample", "5", "-seed", seed, "./testdata/small"}), stderr.String())
		assert.Equal(t, 5, strings.Count(stdout.String(), "\n"))
		outputs = append(outputs, stdout.String())
	}
	assert.Equal(t, outputs[0], outputs[1])
	assert.NotEqual(t, outputs[0], outputs[2])

	low, high := score{all: 1000, killed: 95, lived: 5}.interval()
	assert.InDelta(t, 88.8, low, 0.1) // by Wilson's formula, worked out by hand
	assert.InDelta(t, 97.8, high, 0.1)
	low, high = score{all: 100, killed: 95, lived: 5}.interval()
	assert.Equal(t, [2]float64{95, 95}, [2]float64{low, high}, "all were tried")
}

func TestAnEquivalentMutantNeedsAReasonAndAPlace(t *testing.T) {
	for text, complaint := range map[string]string{
		"a.go f: x => y":                         "equivalent.txt:1: a mutant needs a reason",
		"a.go f: x => y ~ ":                      "equivalent.txt:1: a mutant needs a reason",
		"# said\n\na.go f: x ~ r\na.go f: x ~ s": "equivalent.txt:4: it stands there twice",
	} {
		_, err := parseEquivalent(text)
		assert.ErrorContains(t, err, complaint)
	}
	p, err := load("./testdata/small")
	require.NoError(t, err)
	name := "fuzz/mutate/testdata/small/small.go Tank.Fill: t.fills++ => t.fills--"
	assert.Equal(t, []string{"fuzz/mutate/testdata/small/small.go Tank.Fill: gone"},
		p.markEquivalent(map[string]string{name: "r", "fuzz/mutate/testdata/small/small.go Tank.Fill: gone": "r", "other/x.go f: y": "r"}))
	marked := 0
	for _, m := range p.mutants {
		if m.equivalent {
			assert.Equal(t, name, m.String())
			marked++
		}
	}
	assert.Equal(t, 1, marked)
}

// The list holds no line for what is gone.
func TestTheEquivalentMutantsAreMutants(t *testing.T) {
	listed, err := parseEquivalent(equivalentText)
	require.NoError(t, err)
	for _, path := range []string{"../../clock", "../../lww", "../../crdt", "../../merge"} {
		p, err := load(path)
		require.NoError(t, err)
		assert.Empty(t, p.markEquivalent(listed), path)
	}
}
