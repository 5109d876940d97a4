// Package lex reads the line-based files that people review: rule tables, drill scripts. It knows words, quotes and
// comments, and collects every mistake of a file instead of stopping at the first.
package lex

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a file. Tables are read by people; what is beyond these is not one.
const (
	MaxBytes = 1 << 20 // of a whole file
	MaxWords = 1000    // in a line
)

// Word is one word of a line.
type Word struct {
	Text   string
	Quoted bool // it stood in double quotes, so it is never a keyword or a pattern
}

// Line is one line that holds words.
type Line struct {
	Number int // counted from 1
	Words  []Word
}

// Text returns the words from the i-th on, as they would be written.
func (l Line) Text(i int) string {
	var b strings.Builder
	for j, w := range l.Words[min(i, len(l.Words)):] {
		if j > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.String())
	}
	return b.String()
}

// String returns the word as a file writes it: quoted if it needs to be.
func (w Word) String() string {
	if w.Quoted || w.Text == "" || strings.ContainsAny(w.Text, " \t\r\n#\"") || strings.HasSuffix(w.Text, ",") {
		return strconv.Quote(w.Text)
	}
	return w.Text
}

// Mistake is one mistake in a file.
type Mistake struct {
	File string
	Line int    // 0 when the mistake is of the whole file
	Text string // what is wrong
	Help string // what to do instead; may be empty
}

// Error returns "file:line: what is wrong; what to do instead".
func (m Mistake) Error() string {
	s := m.File
	if m.Line > 0 {
		s += ":" + strconv.Itoa(m.Line)
	}
	s += ": " + m.Text
	if m.Help != "" {
		s += "; " + m.Help
	}
	return s
}

// Mistakes is all that is wrong with a file, by line. It is an error only when it isn't empty: see [Mistakes.Err].
type Mistakes struct {
	File string
	list []Mistake
}

// Add notes a mistake at a line; help may be empty.
func (ms *Mistakes) Add(line int, help, format string, args ...any) {
	ms.list = append(ms.list, Mistake{File: ms.File, Line: line, Text: fmt.Sprintf(format, args...), Help: help})
}

// Err returns nil when nothing is wrong, and an error of type [*Mistakes] otherwise.
func (ms *Mistakes) Err() error {
	if len(ms.list) == 0 {
		return nil
	}
	slices.SortStableFunc(ms.list, func(a, b Mistake) int { return cmp.Compare(a.Line, b.Line) })
	return ms
}

// List returns the mistakes by line.
func (ms *Mistakes) List() []Mistake { return ms.list }

// IsHistory reports whether a text begins as records do, or is packed as histories are. No line of a table or a script begins like that.
func IsHistory(text []byte) bool {
	begin := bytes.TrimLeft(bytes.TrimPrefix(text[:min(len(text), 1<<10)], []byte("\ufeff")), " \t\r\n")
	for _, packed := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd"} {
		if bytes.HasPrefix(begin, []byte(packed)) {
			return true
		}
	}
	rest, listed := bytes.CutPrefix(begin, []byte("["))
	rest, object := bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte("{"))
	return object && (listed || bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"`)))
}

// MaxTold is how many mistakes an error puts into words. A file with more is probably none of those that people write.
const MaxTold = 100

// Error returns the mistakes, one a line, up to [MaxTold] of them.
func (ms *Mistakes) Error() string {
	var texts []string
	for _, m := range ms.list[:min(len(ms.list), MaxTold)] {
		texts = append(texts, m.Error())
	}
	if more := len(ms.list) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("%s: and %d more mistakes", ms.File, more))
	}
	return strings.Join(texts, "\n")
}

// Lines splits a file into lines of words. Words are set apart by spaces and tabs; "#" at the start of a word begins a
// comment; a word in double quotes is read as Go reads a string; a word that ends in a comma goes on with the next one.
// Lines without words are left out, lines that can't be read are noted in ms.
func Lines(text []byte, ms *Mistakes) []Line {
	if len(text) > MaxBytes {
		ms.Add(0, "", "%d bytes: the limit is %d", len(text), MaxBytes)
		return nil
	}
	var lines []Line
	number := 0
	for raw := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		number++
		raw = strings.TrimRight(raw, "\r\n")
		if !utf8.ValidString(raw) {
			ms.Add(number, "", "the line is not UTF-8")
			continue
		}
		words, err := split(raw)
		if err != nil {
			ms.Add(number, "", "%v", err)
			continue
		}
		if len(words) > 0 {
			lines = append(lines, Line{Number: number, Words: words})
		}
	}
	return lines
}

func split(raw string) ([]Word, error) {
	var words []Word
	joins := false // the last word ended in a comma
	for rest := strings.TrimLeft(raw, " \t"); rest != "" && rest[0] != '#'; rest = strings.TrimLeft(rest, " \t") {
		var w Word
		if rest[0] == '"' {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, fmt.Errorf("%s: the quote is not closed, or has an escape that Go does not know", rest)
			}
			w.Text, err = strconv.Unquote(quoted)
			if err != nil || !utf8.ValidString(w.Text) {
				return nil, fmt.Errorf("%s is not a string", quoted)
			}
			w.Quoted = true
			rest = rest[len(quoted):]
			if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
				return nil, fmt.Errorf("%s: a space must follow the closing quote", quoted)
			}
		} else {
			end := strings.IndexAny(rest, " \t")
			if end < 0 {
				end = len(rest)
			}
			w.Text, rest = rest[:end], rest[end:]
		}
		switch {
		case joins && !w.Quoted:
			words[len(words)-1].Text += w.Text
		case joins:
			return nil, fmt.Errorf("%q can't stand in a list", w.Text)
		case len(words) == MaxWords:
			return nil, fmt.Errorf("more than %d words", MaxWords)
		default:
			words = append(words, w)
		}
		joins = !w.Quoted && strings.HasSuffix(w.Text, ",")
	}
	if joins {
		return nil, fmt.Errorf("%q ends in a comma", words[len(words)-1].Text)
	}
	return words, nil
}

// Nearest returns the known word that is closest to the given one, "" when none is close: what was perhaps meant.
func Nearest(word string, known []string) string {
	best, bestDistance := "", 1+max(1, len(word)/3)
	for _, k := range known {
		if d := Distance(word, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// Distance counts the insertions, deletions, replacements and swaps of neighbours between two words (optimal string
// alignment). Beyond 64 bytes it is 64.
func Distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	older, old := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old = old, row
	}
	return old[len(b)]
}
