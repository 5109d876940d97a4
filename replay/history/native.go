package history

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// parser reads the chunks of all formats. Each worker has its own.
type parser struct {
	opt                 *Options
	scanner             value.Scanner
	doc                 value.Doc
	draft               draft
	rec                 Record // of the draft, on the quick ways; what a plain write has may be left in it, and nothing else
	packed              unpacker
	lineForm, frameForm learnedForm
	follow              [len(memberNames) + 1]follower // by the member before, and first of a line
	seen                [fewSeen]clock.Dot
}

// lines reads a chunk of native lines.
func (p *parser) lines(c *chunk, out *Batch) {
	place := finding.Place{File: c.name, Line: c.line}
	for at := 0; at < len(c.data); place.Line++ {
		if p.lineForm.count > 0 && p.wantsPlain(out) {
			if next := p.formed(c.data, at, place, out); next > 0 {
				at = next
				continue
			}
		}
		if next := p.quick(c.data, at, place, out); next > 0 {
			at = next
			continue
		}
		rest := c.data[at:]
		end := bytes.IndexByte(rest, '\n')
		if end >= 0 {
			rest = rest[:end]
		}
		p.line(rest, place, end < 0, out)
		at += len(rest) + 1
	}
}

// line reads one line, without the line break; torn means that the input ended before one.
func (p *parser) line(line []byte, at finding.Place, torn bool, out *Batch) {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if len(line) == 0 || line[0] != '{' && len(bytes.TrimSpace(line)) == 0 {
		return
	}
	if limit := p.opt.bytes(); len(line) > limit {
		bad := tooLong(limit)
		out.aside(at, bad.code, "%s", bad.detail)
		return
	}
	rec := out.record(at)
	bad := p.object(line, rec, out)
	if bad == nil {
		p.admit(len(out.Records)-1, out)
		return
	}
	out.unrecord()
	switch {
	case !torn && bad.code == finding.TruncatedInput:
		bad = newProblem(finding.BadSyntax, "the line ends inside the record")
	case torn && bad.code != finding.TruncatedInput: // of half a record nothing else is known
		if _, err := p.doc.Parse(wholeRunes(line), p.opt.Limits); err != nil {
			if cut := unreadable(err); cut.code == finding.TruncatedInput {
				bad = cut
			}
		}
	}
	switch bad.code {
	case finding.UnknownField, finding.MissingField, finding.BadField:
		if doc, err := p.doc.Parse(line, p.opt.Limits); err == nil {
			if f := foreignTo(doc); f != "" {
				bad = newProblem(bad.code, "%s; it looks like %s in a native file", bad.detail, f)
			}
		}
	}
	out.aside(at, bad.code, "%s", bad.detail)
}

// wholeRunes returns a text without the rune that its end may have cut.
func wholeRunes(text []byte) []byte {
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return text[:i]
			}
			break
		}
	}
	return text
}

// admit leaves those of the records from first on out that the caller wants left out.
func (p *parser) admit(first int, out *Batch) {
	if out.region != "" && p.opt.exchanged() {
		out.span(out.Records[first:])
	}
	if p.opt.Exclude == nil {
		return
	}
	kept := first
	for i := first; i < len(out.Records); i++ {
		switch {
		case p.opt.Exclude(&out.Records[i]):
			out.Excluded++
			continue
		case kept < i:
			out.Records[kept] = out.Records[i]
		}
		kept++
	}
	out.Records = out.Records[:kept]
}

// object reads one native record.
func (p *parser) object(text []byte, rec *Record, out *Batch) *problem {
	s, d := &p.scanner, &p.draft
	s.Reset(text, p.opt.Limits)
	if err := s.Object(); err != nil {
		return unreadable(err)
	}
	d.begin(rec, out)
	for n := 0; ; n++ {
		name, ok, err := s.Member(n)
		if err != nil {
			return unreadable(err)
		}
		if !ok {
			break
		}
		m, bad := d.enter(name)
		if bad != nil {
			return bad
		}
		if bad = p.member(m); bad != nil {
			return bad
		}
	}
	if err := s.End(); err != nil {
		return unreadable(err)
	}
	return d.end()
}

// member reads the value of one member.
func (p *parser) member(m member) *problem {
	if !takesValue.has(m) && p.scanner.Kind() == value.KindString {
		text, err := p.scanner.Text()
		if err != nil {
			return unreadable(err)
		}
		return p.draft.text(m, text)
	}
	v, err := p.scanner.Value()
	if err != nil {
		return unreadable(err)
	}
	if !takesValue.has(m) {
		if n, ok := plainUint(string(v)); ok {
			return p.draft.integer(m, n)
		}
	}
	return p.draft.any(m, v)
}

// unreadable returns the problem that a reader of values found.
func unreadable(err error) *problem {
	var bad *value.Error
	if !errors.As(err, &bad) {
		return newProblem(finding.BadSyntax, "%v", err)
	}
	return newProblem(bad.Code, "column %d: %s", bad.Offset+1, bad.Detail)
}
