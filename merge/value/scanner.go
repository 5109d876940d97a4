package value

import (
	"bytes"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// Parse reads a text that must be one JSON value, white space around it aside, and returns it in canonical form. What
// is canonical already comes back as it stands and shares memory with text, so text must not change afterwards. The
// error is an [*Error]; what it refuses, beside bad syntax, is text that is not UTF-8 (in escapes too), a member twice in
// one object, NaN and infinities, and all that is beyond lim.
func Parse(text []byte, lim Limits) (Value, error) {
	lim = lim.orDefault()
	if len(text) <= lim.Bytes {
		start := skipSpace(text, 0)
		if end := canonicalEnd(text, start, 0, &lim); end >= 0 && skipSpace(text, end) == len(text) {
			return Value(share(text[start:end])), nil
		}
	}
	var d Doc
	ref, err := d.Parse(text, lim)
	if err != nil {
		return "", err
	}
	return ref.Value(), nil
}

// Scanner walks through one JSON text from left to right, for readers that know what they expect. It allocates for
// strings with escapes and values that are not canonical, and for nothing else. The first error ends the walk.
//
//	var s value.Scanner
//	s.Reset(line, value.Limits{})
//	err := s.Object()
//	for n := 0; err == nil; n++ {
//		name, ok, bad := s.Member(n)
//		if !ok {
//			err = bad // nil after the last member
//			break
//		}
//		v, bad := s.Value()
//		...
//	}
//
// HAZARD: strings and values share memory with the text. Do not write to a text after it was scanned.
type Scanner struct {
	text []byte
	at   int
	lim  Limits
	doc  Doc
}

// Reset makes s walk through text from its start.
func (s *Scanner) Reset(text []byte, lim Limits) {
	s.text, s.at, s.lim = text, 0, lim.orDefault()
}

// Offset returns how far s has come, in bytes.
func (s *Scanner) Offset() int { return s.at }

// Pass passes over so many bytes, which the caller has read without it.
func (s *Scanner) Pass(size int) { s.at += size }

// Kind returns what the next value is, without reading it, and [KindAbsent] when no value comes next.
func (s *Scanner) Kind() Kind {
	s.at = skipSpace(s.text, s.at)
	if s.at == len(s.text) {
		return KindAbsent
	}
	return kindOf[s.text[s.at]]
}

// Object reads the start of an object, before the first [Scanner.Member]. It is where a text that is too long is
// refused.
func (s *Scanner) Object() error {
	if len(s.text) > s.lim.Bytes {
		return fail(finding.TooLarge, s.lim.Bytes, "%d bytes: the limit is %d", len(s.text), s.lim.Bytes)
	}
	s.at = skipSpace(s.text, s.at)
	if s.at == len(s.text) || s.text[s.at] != '{' {
		return unexpected(s.text, s.at, "an object")
	}
	s.at++
	return nil
}

// Member reads the name of the next member and its colon, so that the value comes next; n is how many members of the
// object have been read before. It returns false after the last one. That no name comes twice is for the caller to see
// to.
func (s *Scanner) Member(n int) (name string, ok bool, err error) {
	text, at := s.text, s.at
	if at < len(text) && text[at] <= ' ' {
		at = skipSpace(text, at)
	}
	if at < len(text) && text[at] == '}' {
		s.at = at + 1
		return "", false, nil
	}
	if n > 0 {
		if at == len(text) || text[at] != ',' {
			return "", false, unexpected(text, at, `"," or "}"`)
		}
		at++
		if at < len(text) && text[at] <= ' ' {
			at = skipSpace(text, at)
		}
	}
	if at == len(text) || text[at] != '"' {
		return "", false, unexpected(text, at, "the name of a member")
	}
	end, plain, bad := scanText(text, at)
	if bad != nil {
		return "", false, bad
	}
	inner := text[at+1 : end-1]
	if !plain {
		inner = appendUnescaped(nil, inner)
	}
	at = skipSpace(text, end)
	if at == len(text) || text[at] != ':' {
		return "", false, unexpected(text, at, `":"`)
	}
	s.at = at + 1
	return share(inner), true, nil
}

// Text reads a string.
func (s *Scanner) Text() (string, error) {
	text, at := s.text, skipSpace(s.text, s.at)
	if at == len(text) || text[at] != '"' {
		return "", unexpected(text, at, "a string")
	}
	end, plain, err := scanText(text, at)
	if err != nil {
		return "", err
	}
	s.at = end
	if inner := text[at+1 : end-1]; plain {
		return share(inner), nil
	} else {
		return share(appendUnescaped(nil, inner)), nil
	}
}

// Value reads one value of any kind.
func (s *Scanner) Value() (Value, error) {
	at := skipSpace(s.text, s.at)
	if len(s.text) <= s.lim.Bytes {
		if end := canonicalEnd(s.text, at, 0, &s.lim); end >= 0 {
			s.at = end
			return Value(share(s.text[at:end])), nil
		}
	}
	s.doc.reset(s.text, s.lim)
	if len(s.text) > s.lim.Bytes {
		return "", fail(finding.TooLarge, s.lim.Bytes, "%d bytes: the limit is %d", len(s.text), s.lim.Bytes)
	}
	end, err := s.doc.value(at, 0)
	if err != nil {
		return "", err
	}
	s.at = end
	return Ref{&s.doc, 0}.Value(), nil
}

// End returns an error unless nothing but white space is left.
func (s *Scanner) End() error {
	if s.at = skipSpace(s.text, s.at); s.at < len(s.text) {
		return unexpected(s.text, s.at, "nothing after the value")
	}
	return nil
}

// canonicalEnd returns the offset after the value at at when that is valid and canonical as it stands, and -1 when it
// is not or one can't be sure: [Doc] then finds out what is wrong or makes it canonical.
func canonicalEnd(text []byte, at, depth int, lim *Limits) int {
	if at >= len(text) {
		return -1
	}
	switch kindOf[text[at]] {
	case KindString:
		return plainText(text, at)
	case KindNumber:
		return numberEnd(text, at)
	case KindNull:
		return wordEnd(text, at, "null")
	case KindFalse:
		return wordEnd(text, at, "false")
	case KindTrue:
		return wordEnd(text, at, "true")
	case KindArray:
		if depth >= lim.Depth {
			return -1
		}
		if at++; at < len(text) && text[at] == ']' {
			return at + 1
		}
		for {
			at = canonicalEnd(text, at, depth+1, lim)
			if at < 0 || at == len(text) {
				return -1
			}
			if at++; text[at-1] != ',' {
				break
			}
		}
		if text[at-1] != ']' {
			return -1
		}
		return at
	case KindObject:
		if depth >= lim.Depth {
			return -1
		}
		if at++; at < len(text) && text[at] == '}' {
			return at + 1
		}
		var before []byte
		for n := 0; ; n++ {
			end := plainText(text, at)
			if end < 0 || end == len(text) || text[end] != ':' || n == lim.Members {
				return -1
			}
			name := text[at+1 : end-1]
			if n > 0 && bytes.Compare(before, name) >= 0 {
				return -1
			}
			before = name
			at = canonicalEnd(text, end+1, depth+1, lim)
			if at < 0 || at == len(text) {
				return -1
			}
			if at++; text[at-1] != ',' {
				break
			}
		}
		if text[at-1] != '}' {
			return -1
		}
		return at
	}
	return -1
}

// plainText returns the offset after the string at at when it is valid and without escapes, and -1 otherwise.
func plainText(text []byte, at int) int {
	if at >= len(text) || text[at] != '"' {
		return -1
	}
	end, plain, err := scanText(text, at)
	if err != nil || !plain {
		return -1
	}
	return end
}

func wordEnd(text []byte, at int, word string) int {
	if end := at + len(word); end <= len(text) && string(text[at:end]) == word {
		return end
	}
	return -1
}
