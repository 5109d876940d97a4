package lex

import (
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestALineIsItsWordsOrOneMistake(t *testing.T) {
	bare := func(texts ...string) (words []Word) {
		for _, text := range texts {
			words = append(words, Word{Text: text})
		}
		return words
	}
	for _, c := range []struct {
		line  string
		words []Word
		want  string // the mistake
	}{
		{"", nil, ""},
		{" \t ", nil, ""},
		{"# a comment", nil, ""},
		{"\t a\tb  c ", bare("a", "b", "c"), ""},
		{"a b\r", bare("a", "b"), ""},
		{"a #b c", bare("a"), ""},
		{"a#b # c", bare("a#b"), ""},
		{"a, b ,c", bare("a,b", ",c"), ""},
		{"a,\tb, c d", bare("a,b,c", "d"), ""},
		{`"a b" c`, []Word{{"a b", true}, {"c", false}}, ""},
		{"\"a\"\t\"\"", []Word{{"a", true}, {"", true}}, ""},
		{`"a" # b`, []Word{{"a", true}}, ""},
		{`"#" "a,"`, []Word{{"#", true}, {"a,", true}}, ""},
		{`a"b`, bare(`a"b`), ""},
		{`"\"é\u00e9\n"`, []Word{{"\"éé\n", true}}, ""},
		{"`a b`", bare("`a", "b`"), ""},
		{`a "b c`, nil, `"b c: the quote is not closed, or has an escape that Go does not know`},
		{`"\q" c`, nil, `"\q" c: the quote is not closed, or has an escape that Go does not know`},
		{`"\xff"`, nil, `"\xff" is not a string`},
		{`"a"b`, nil, `"a": a space must follow the closing quote`},
		{`"a"#b`, nil, `"a": a space must follow the closing quote`},
		{`a, "b"`, nil, `"b" can't stand in a list`},
		{"a b,", nil, `"b," ends in a comma`},
		{"a, b, # c", nil, `"a,b," ends in a comma`},
		{"a\xff", nil, "the line is not UTF-8"},
	} {
		ms := &Mistakes{File: "f"}
		lines := Lines([]byte("before\n"+c.line+"\nafter"), ms)
		if c.want != "" {
			require.EqualError(t, ms.Err(), "f:2: "+c.want, "%q", c.line)
		} else {
			require.NoError(t, ms.Err(), "%q", c.line)
		}
		want := []Line{{1, bare("before")}, {2, c.words}, {3, bare("after")}}
		if c.words == nil {
			want = []Line{want[0], want[2]}
		}
		require.Equal(t, want, lines, "%q", c.line)
	}
}

func TestAByteOrderMarkIsNoWord(t *testing.T) {
	ms := &Mistakes{}
	assert.Equal(t, []Line{{1, []Word{{Text: "a"}}}}, Lines([]byte("\ufeffa\r\n\r\n"), ms))
	assert.NoError(t, ms.Err())
	assert.Empty(t, Lines(nil, ms))
	assert.NoError(t, ms.Err())
}

func TestLimitsOfAFileHoldOnBothSides(t *testing.T) {
	for _, c := range []struct {
		text  string
		lines int
		want  string
	}{
		{strings.Repeat("a", MaxBytes), 1, ""},
		{strings.Repeat("a", MaxBytes+1), 0, "f: 1048577 bytes: the limit is 1048576"},
		{strings.Repeat("a ", MaxWords), 1, ""},
		{strings.Repeat("a ", MaxWords) + "# b", 1, ""},
		{strings.Repeat("a ", MaxWords-1) + "b, c", 1, ""},
		{strings.Repeat("a ", MaxWords) + "b", 0, "f:1: more than 1000 words"},
	} {
		ms := &Mistakes{File: "f"}
		assert.Len(t, Lines([]byte(c.text), ms), c.lines)
		if c.want == "" {
			assert.NoError(t, ms.Err())
		} else {
			assert.EqualError(t, ms.Err(), c.want)
		}
	}
}

// What a line writes of its words reads back as them, from any word on.
func TestWordsReadBackAsTheyAreWritten(t *testing.T) {
	text := gen.SliceOf(gen.OneConstOf("a", "é", " ", "\t", "#", `"`, `\`, "*", "\n", "\r", ",", "<")).Map(func(parts []string) string { return strings.Join(parts, "") })
	words := gen.SliceOf(gopter.CombineGens(text, gen.Bool()).Map(func(v []any) Word {
		w := Word{Text: v[0].(string), Quoted: v[1].(bool)}
		w.Quoted = w.String() != w.Text // what has to be quoted is read as quoted
		return w
	}))
	properties := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(1))
	properties.Property("read(write(words)) = words", prop.ForAll(func(words []Word, from int) bool {
		line := Line{1, words}
		ms := &Mistakes{}
		got := Lines([]byte(line.Text(from)), ms)
		rest := words[min(from, len(words)):]
		if ms.Err() != nil || len(rest) == 0 {
			return ms.Err() == nil && len(got) == 0
		}
		return len(got) == 1 && assert.ObjectsAreEqual(rest, got[0].Words)
	}, words, gen.IntRange(0, 9)))
	properties.TestingRun(t)
}

func TestMistakesAreToldByLineAndInTheirOrder(t *testing.T) {
	ms := &Mistakes{File: "f"}
	require.NoError(t, ms.Err())
	ms.Add(2, "", "b %d", 1)
	ms.Add(1, "help", "a")
	ms.Add(2, "", "b %d", 0)
	ms.Add(0, "end it", "whole")
	require.EqualError(t, ms.Err(), "f: whole; end it\nf:1: a; help\nf:2: b 1\nf:2: b 0")
	require.Equal(t, Mistake{"f", 1, "a", "help"}, ms.List()[1])
}

// upTo returns all words of up to n of the letters.
func upTo(n int, letters string) []string {
	words := []string{""}
	for at := 0; n > 0; n-- {
		next := len(words)
		for _, w := range words[at:] {
			for _, l := range letters {
				words = append(words, w+string(l))
			}
		}
		at = next
	}
	return words
}

// matches says what a pattern stands for as it is described.
func matches(p, s string) bool {
	switch {
	case p == "":
		return s == ""
	case p[0] == '*':
		return matches(p[1:], s) || s != "" && matches(p, s[1:])
	}
	return s != "" && p[0] == s[0] && matches(p[1:], s[1:])
}

func TestAStarIsAnyRunOfCharacters(t *testing.T) {
	texts := upTo(6, "a/")
	for _, p := range upTo(5, "a/*") {
		for _, s := range texts {
			if Match(p, s) != matches(p, s) {
				require.Equal(t, matches(p, s), Match(p, s), "%q, %q", p, s)
			}
		}
	}
	assert.True(t, Match("*x", "*x"), "a star of the text is a character")
	assert.False(t, Match("x", "*"))
}

// steps is the distance as it is described: the least number of steps from the ends of both words, where what was swapped
// is not touched again.
func steps(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	la, lb := a[len(a)-1], b[len(b)-1]
	least := min(steps(a[:len(a)-1], b), steps(a, b[:len(b)-1]), steps(a[:len(a)-1], b[:len(b)-1])) + 1
	if la == lb {
		least = min(least, steps(a[:len(a)-1], b[:len(b)-1]))
	}
	if len(a) > 1 && len(b) > 1 && la == b[len(b)-2] && lb == a[len(a)-2] {
		least = min(least, steps(a[:len(a)-2], b[:len(b)-2])+1)
	}
	return least
}

func TestDistanceCountsTheLeastSteps(t *testing.T) {
	words := upTo(4, "abc")
	for i, a := range words {
		for _, b := range words[:i+1] {
			want := steps(a, b)
			if got := Distance(a, b); got != want || Distance(b, a) != want {
				require.Equal(t, []int{want, want}, []int{got, Distance(b, a)}, "%q, %q", a, b)
			}
		}
	}
	long := strings.Repeat("a", 64)
	assert.Equal(t, 0, Distance(long, long))
	assert.Equal(t, 63, Distance(long, "a"))
	assert.Equal(t, 64, Distance(long+"a", long+"a"), "too long to be compared")
	assert.Equal(t, 64, Distance("a", long+"a"))
	assert.Equal(t, 64, Distance(long+"a", "a"))
}

// One slip is allowed in a short word, and one in three letters of a longer one.
func TestNearestIsCloseOrNothing(t *testing.T) {
	known := []string{"lww", "fww", "prefer", "prefer-node", "counter", "x"}
	for word, want := range map[string]string{
		"lww": "lww", "lwv": "lww", "wwl": "", "gww": "lww", "kwv": "", "prefre": "prefer", "perfre": "prefer", "prefer-nod": "prefer-node",
		"count": "", "counts": "counter", "conte": "", "cuonetr": "counter", "": "x", "y": "x", "yz": "", "uct": "",
	} {
		assert.Equal(t, want, Nearest(word, known), word)
	}
	assert.Equal(t, "", Nearest("a", nil))
}

// A file of another kind had a mistake told for each of its lines.
func TestOfVeryManyMistakesTheFirstAreTold(t *testing.T) {
	ms := &Mistakes{File: "f"}
	for i := range MaxTold {
		ms.Add(i+1, "", "wrong")
	}
	require.Equal(t, MaxTold, strings.Count(ms.Error(), "wrong"))
	require.NotContains(t, ms.Error(), "more")
	ms.Add(MaxTold+1, "", "wrong")
	ms.Add(MaxTold+2, "", "wrong")
	require.Equal(t, MaxTold, strings.Count(ms.Error(), "wrong"))
	require.True(t, strings.HasSuffix(ms.Error(), "\nf: and 2 more mistakes"))
	require.Len(t, ms.List(), MaxTold+2)
}
