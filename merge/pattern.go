package merge

import (
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/lex"
)

// pattern matches keys or field names: "*" stands for any run of characters, the empty one and "/" included; all else
// stands for itself. A literal matches nothing but its text, stars and all.
type pattern struct {
	text string
	kind patternKind
}

type patternKind uint8

const (
	glob patternKind = iota
	literal
	prefix   // one star, at the end
	anything // "*"
)

func newPattern(text string, quoted bool) pattern {
	switch at := strings.IndexByte(text, '*'); {
	case quoted || at < 0:
		return pattern{text, literal}
	case text == "*":
		return pattern{text, anything}
	case at == len(text)-1:
		return pattern{text, prefix}
	}
	return pattern{text, glob}
}

// String returns the pattern as a table writes it. A literal is quoted where its text by itself would mean something else;
// what has a star stood in the table without quotes, and so it does here.
func (p pattern) String() string {
	if p.kind != literal {
		return p.text
	}
	return lex.Word{Text: p.text, Quoted: strings.ContainsAny(p.text, "*,")}.String()
}

func (p pattern) match(s string) bool {
	switch p.kind {
	case anything:
		return true
	case literal:
		return p.text == s
	case prefix:
		return strings.HasPrefix(s, p.text[:len(p.text)-1])
	}
	return lex.Match(p.text, s)
}

// head returns what everything that p matches begins with.
func (p pattern) head() string {
	if p.kind == literal {
		return p.text
	}
	return p.text[:strings.IndexByte(p.text, '*')]
}

// covers reports whether p matches everything that q matches. A star of q stands for texts that p has never heard of,
// so nothing but a star of p can match it: p is matched against q's text, in which that star is a character like
// others.
func (p pattern) covers(q pattern) bool {
	if q.kind == literal {
		return p.match(q.text)
	}
	return p.kind != literal && lex.Match(p.text, q.text)
}
