package layout

import (
	"io"
	"strings"
)

// Width is how many columns a page in text takes. Commands that it ends with may be longer, so that they can be copied, and so may
// tables whose columns can't be clipped.
const Width = 100

// Page is a text while it is written. The zero value is an empty page of text.
type Page struct {
	Markdown bool
	b        strings.Builder
}

// String returns what has been written.
func (p *Page) String() string { return p.b.String() }

// To writes the page.
func (p *Page) To(w io.Writer) error {
	_, err := io.WriteString(w, p.b.String())
	return err
}

// write writes a line as it stands.
func (p *Page) write(parts ...string) {
	for _, s := range parts {
		p.b.WriteString(s)
	}
	p.b.WriteByte('\n')
}

// safe escapes a text for where it is written.
func (p *Page) safe(s string) string {
	s = Printable(s)
	if !p.Markdown || !strings.ContainsAny(s, special+".:") {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if strings.ContainsRune(special, r) || strings.HasPrefix(s[i:], "://") || r == '.' && strings.HasSuffix(strings.ToLower(s[:i]), "www") {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// special means something in Markdown, as GitHub has it with formulas between dollars, or in HTML. Addresses are links there as they
// stand.
const special = "\\`*_[]<>|#~&!$"

// Heading writes the title of the page.
func (p *Page) Heading(text string) {
	if p.Markdown {
		p.write("# ", p.safe(text), "\n")
		return
	}
	p.write(p.safe(text))
}

// Title begins a section, or stands for one of which there is no more to say.
func (p *Page) Title(text string) {
	if p.Markdown {
		p.write("\n## ", p.safe(text), "\n")
		return
	}
	p.write("\n", p.safe(text))
}

// Line writes a line of its own; "" is an empty one.
func (p *Page) Line(text string) { p.write(p.safe(text)) }

// Item writes one item of a list that is not wrapped.
func (p *Page) Item(text string) {
	if p.Markdown {
		p.write("- ", p.safe(text))
		return
	}
	p.write("  ", p.safe(text))
}

// Under writes one item of a list below an item.
func (p *Page) Under(text string) {
	if p.Markdown {
		p.write("  - ", p.safe(text))
		return
	}
	p.write("    ", p.safe(text))
}

// Note writes one item of a list of sentences.
func (p *Page) Note(text string) {
	if p.Markdown {
		p.write("- ", p.safe(text))
		return
	}
	p.Wrapped("  - ", "    ", text)
}

// Wrapped writes a text after a first indent, and goes on under another where it is longer than a line. In Markdown it is wrapped
// by whoever shows it.
func (p *Page) Wrapped(first, next, text string) {
	if p.Markdown {
		p.write(p.safe(text))
		return
	}
	indent, room := first, Width-Columns(first)
	var line []string
	flush := func() {
		p.write(indent, strings.Join(line, " "))
		indent, room, line = next, Width-Columns(next), line[:0]
	}
	for word := range strings.SplitSeq(p.safe(text), " ") {
		if n := Columns(word); len(line) > 0 && room < n+1 {
			flush()
			room -= n
		} else {
			room -= n + min(len(line), 1)
		}
		line = append(line, word)
	}
	flush()
}

// Verbatim writes lines as they are; in Markdown they are code in a language, "" for none.
func (p *Page) Verbatim(language string, lines ...string) {
	fence := "```"
	for _, l := range lines {
		for strings.Contains(l, fence) {
			fence += "`"
		}
	}
	if p.Markdown {
		p.write(fence, language)
	}
	for _, l := range lines {
		p.write(Printable(l))
	}
	if p.Markdown {
		p.write(fence)
	}
}

// Command writes a command to copy, after what it is for.
func (p *Page) Command(indent, label, command string) {
	if p.Markdown {
		p.write("\n", p.safe(label), ":\n")
		p.Verbatim("sh", command)
		return
	}
	p.write(indent, p.safe(label), ": ", Printable(command))
}
