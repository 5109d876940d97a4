package value

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// Doc is one parsed JSON text, kept where it stood. The zero Doc is ready; one Doc parses many texts, one after the
// other, and allocates only for the first ones. Parsing again ends the life of all [Ref] of the text before, though not
// of the strings and values taken from them.
//
// HAZARD: strings and values taken from a Doc share memory with its text. Do not write to a text after it was parsed.
type Doc struct {
	text  []byte
	lim   Limits
	nodes []node
	names []int // scratch: the nodes of the names of an object that is not sorted
}

// node is one value of a document, or one name of a member; a name stands right before its value.
type node struct {
	start, end uint32 // of its text
	next       uint32 // the node after it and all that it holds
	count      uint32 // elements or members
	kind       Kind
	canonical  bool // its text is canonical as it stands; of a string, that it has no escapes
}

// keptNodes is how many nodes a Doc keeps memory for between two texts: enough for a record of any sane export.
const keptNodes = 1 << 16

// Parse reads a text that must be one JSON value, white space around it aside, and returns that value. The error is an
// [*Error].
func (d *Doc) Parse(text []byte, lim Limits) (Ref, error) {
	d.reset(text, lim)
	if len(text) > d.lim.Bytes {
		return Ref{}, fail(finding.TooLarge, d.lim.Bytes, "%d bytes: the limit is %d", len(text), d.lim.Bytes)
	}
	at, err := d.value(skipSpace(text, 0), 0)
	if err != nil {
		return Ref{}, err
	}
	if at = skipSpace(text, at); at < len(text) {
		return Ref{}, unexpected(text, at, "nothing after the value")
	}
	return Ref{d, 0}, nil
}

func (d *Doc) reset(text []byte, lim Limits) {
	if cap(d.nodes) > keptNodes {
		d.nodes = nil
	}
	d.text, d.lim, d.nodes = text, lim.orDefault(), d.nodes[:0]
}

// value parses the value at at, which is depth levels down, and returns the offset after it.
func (d *Doc) value(at, depth int) (int, *Error) {
	if at == len(d.text) {
		return 0, fail(finding.TruncatedInput, at, "the text ends where a value is due")
	}
	switch c := d.text[at]; kindOf[c] {
	case KindString:
		end, plain, err := scanText(d.text, at)
		if err != nil {
			return 0, err
		}
		d.leaf(KindString, at, end, plain)
		return end, nil
	case KindNumber:
		end := numberEnd(d.text, at)
		if end < 0 {
			if nonFinite(d.text, at) {
				return 0, fail(finding.NonFinite, at, "an infinity: only finite numbers can be merged")
			}
			return 0, badNumber(d.text, at)
		}
		d.leaf(KindNumber, at, end, true)
		return end, nil
	case KindArray, KindObject:
		if depth >= d.lim.Depth {
			return 0, fail(finding.TooDeep, at, "nested more than %d levels deep", d.lim.Depth)
		}
		if c == '[' {
			return d.array(at, depth)
		}
		return d.object(at, depth)
	case KindNull:
		return d.word(KindNull, at, "null")
	case KindFalse:
		return d.word(KindFalse, at, "false")
	case KindTrue:
		return d.word(KindTrue, at, "true")
	}
	return 0, unexpected(d.text, at, "a value")
}

func (d *Doc) leaf(kind Kind, start, end int, canonical bool) {
	d.nodes = append(d.nodes, node{
		start: uint32(start), end: uint32(end), next: uint32(len(d.nodes) + 1), kind: kind, canonical: canonical,
	})
}

func (d *Doc) word(kind Kind, at int, word string) (int, *Error) {
	rest := d.text[at:]
	if len(rest) >= len(word) && string(rest[:len(word)]) == word {
		d.leaf(kind, at, at+len(word), true)
		return at + len(word), nil
	}
	if len(rest) < len(word) && word[:len(rest)] == string(rest) {
		return 0, fail(finding.TruncatedInput, len(d.text), "the text ends inside %q", word)
	}
	return 0, unexpected(d.text, at, "a value")
}

func (d *Doc) array(start, depth int) (int, *Error) {
	self := len(d.nodes)
	d.leaf(KindArray, start, 0, false)
	count, canonical := uint32(0), true
	at := skipSpace(d.text, start+1)
	if at < len(d.text) && d.text[at] == ']' {
		return d.close(self, at+1, 0, at == start+1), nil
	}
	canonical = at == start+1
	for {
		first := len(d.nodes)
		end, err := d.value(at, depth+1)
		if err != nil {
			return 0, err
		}
		count++
		at = skipSpace(d.text, end)
		canonical = canonical && at == end && d.nodes[first].canonical
		switch {
		case at < len(d.text) && d.text[at] == ',':
			end = at + 1
			at = skipSpace(d.text, end)
			canonical = canonical && at == end
		case at < len(d.text) && d.text[at] == ']':
			return d.close(self, at+1, count, canonical), nil
		default:
			return 0, unexpected(d.text, at, `"," or "]"`)
		}
	}
}

func (d *Doc) object(start, depth int) (int, *Error) {
	self := len(d.nodes)
	d.leaf(KindObject, start, 0, false)
	at := skipSpace(d.text, start+1)
	if at < len(d.text) && d.text[at] == '}' {
		return d.close(self, at+1, 0, at == start+1), nil
	}
	canonical := at == start+1
	count, sorted := 0, true
	last := 0 // the node of the name before
	for {
		if at == len(d.text) || d.text[at] != '"' {
			return 0, unexpected(d.text, at, "the name of a member")
		}
		if count == d.lim.Members {
			return 0, fail(finding.TooLarge, at, "more than %d members in one object", d.lim.Members)
		}
		end, plain, err := scanText(d.text, at)
		if err != nil {
			return 0, err
		}
		name := len(d.nodes)
		d.leaf(KindString, at, end, plain)
		if sorted {
			sorted = plain && (count == 0 || bytes.Compare(d.inner(last), d.inner(name)) < 0)
		}
		last = name
		count++

		at = skipSpace(d.text, end)
		canonical = canonical && at == end
		if at == len(d.text) || d.text[at] != ':' {
			return 0, unexpected(d.text, at, `":"`)
		}
		end = at + 1
		at = skipSpace(d.text, end)
		canonical = canonical && at == end
		if end, err = d.value(at, depth+1); err != nil {
			return 0, err
		}
		at = skipSpace(d.text, end)
		canonical = canonical && at == end && d.nodes[name+1].canonical
		switch {
		case at < len(d.text) && d.text[at] == ',':
			end = at + 1
			at = skipSpace(d.text, end)
			canonical = canonical && at == end
		case at < len(d.text) && d.text[at] == '}':
			at = d.close(self, at+1, uint32(count), canonical && sorted)
			if !sorted {
				return at, d.checkNames(self)
			}
			return at, nil
		default:
			return 0, unexpected(d.text, at, `"," or "}"`)
		}
	}
}

func (d *Doc) close(self, end int, count uint32, canonical bool) int {
	n := &d.nodes[self]
	n.end, n.next, n.count, n.canonical = uint32(end), uint32(len(d.nodes)), count, canonical
	return end
}

// inner returns the text of a string between its quotes.
func (d *Doc) inner(i int) []byte { return d.text[d.nodes[i].start+1 : d.nodes[i].end-1] }

// name returns what a string says.
func (d *Doc) name(i int) []byte {
	if d.nodes[i].canonical {
		return d.inner(i)
	}
	return appendUnescaped(nil, d.inner(i))
}

// checkNames returns an error when two members of the object have one name. Their spelling may differ by escapes.
func (d *Doc) checkNames(self int) *Error {
	first := len(d.names)
	defer func() { d.names = d.names[:first] }()
	for i := self + 1; i < int(d.nodes[self].next); i = int(d.nodes[i+1].next) {
		d.names = append(d.names, i)
	}
	names := d.names[first:]
	if len(names) <= fewNames && d.distinct(names) {
		return nil
	}
	slices.SortStableFunc(names, func(a, b int) int { return bytes.Compare(d.name(a), d.name(b)) })
	for i := 1; i < len(names); i++ {
		if again := names[i]; bytes.Equal(d.name(names[i-1]), d.name(again)) {
			return fail(finding.DuplicateField, int(d.nodes[again].start), "member %q stands twice in one object", clip(d.name(again)))
		}
	}
	return nil
}

// fewNames is up to how many names each is compared with each before they are sorted.
const fewNames = 8

// distinct reports whether names without escapes are all different; with an escape it says no.
func (d *Doc) distinct(names []int) bool {
	for i, a := range names {
		if !d.nodes[a].canonical {
			return false
		}
		for _, b := range names[:i] {
			if bytes.Equal(d.inner(a), d.inner(b)) {
				return false
			}
		}
	}
	return true
}

// unexpected returns the error for what stands at text[at] instead of what is wanted.
func unexpected(text []byte, at int, want string) *Error {
	if at >= len(text) {
		return fail(finding.TruncatedInput, len(text), "the text ends where %s is due", want)
	}
	r, n := utf8.DecodeRune(text[at:])
	switch {
	case r == utf8.RuneError && n == 1:
		return fail(finding.BadUTF8, at, "byte 0x%02x is not UTF-8", text[at])
	case want == "a value" && nonFinite(text, at):
		return fail(finding.NonFinite, at, "NaN or an infinity: only finite numbers can be merged")
	case want == "a value" && (text[at] == '+' || text[at] == '.'):
		return badNumber(text, at)
	}
	return fail(finding.BadSyntax, at, "%q where %s is due", r, want)
}

// clip shortens a text from outside for a message.
func clip(b []byte) []byte {
	const limit = 64
	if len(b) <= limit {
		return b
	}
	end := limit
	for end > 0 && !utf8.RuneStart(b[end]) {
		end--
	}
	return append(slices.Clone(b[:end]), "…"...)
}

func skipSpace(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r') {
		at++
	}
	return at
}

// Ref is one value inside a [Doc]. The zero Ref is absent.
type Ref struct {
	doc *Doc
	i   int
}

func (r Ref) node() *node { return &r.doc.nodes[r.i] }

// Kind returns what r is.
func (r Ref) Kind() Kind {
	if r.doc == nil {
		return KindAbsent
	}
	return r.node().kind
}

// IsAbsent reports whether r is no value at all.
func (r Ref) IsAbsent() bool { return r.doc == nil }

// Len returns the number of elements of an array or members of an object, and 0 for all else.
func (r Ref) Len() int {
	if r.doc == nil {
		return 0
	}
	return int(r.node().count)
}

// Get returns the member of the object r with that name: absent when there is none or r is not an object.
func (r Ref) Get(member string) Ref {
	if r.Kind() != KindObject {
		return Ref{}
	}
	d := r.doc
	for i, end := r.i+1, int(r.node().next); i < end; i = int(d.nodes[i+1].next) {
		if n := &d.nodes[i]; n.canonical {
			if string(d.inner(i)) == member {
				return Ref{d, i + 1}
			}
		} else if string(d.name(i)) == member {
			return Ref{d, i + 1}
		}
	}
	return Ref{}
}

// Elements yields the elements of the array r in order, and nothing when r is not an array.
func (r Ref) Elements() iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		if r.Kind() != KindArray {
			return
		}
		for i, end := r.i+1, int(r.node().next); i < end; i = int(r.doc.nodes[i].next) {
			if !yield(Ref{r.doc, i}) {
				return
			}
		}
	}
}

// Members yields the members of the object r in the order of the text, and nothing when r is not an object.
func (r Ref) Members() iter.Seq2[string, Ref] {
	return func(yield func(string, Ref) bool) {
		if r.Kind() != KindObject {
			return
		}
		for i, end := r.i+1, int(r.node().next); i < end; i = int(r.doc.nodes[i+1].next) {
			if !yield(share(r.doc.name(i)), Ref{r.doc, i + 1}) {
				return
			}
		}
	}
}

// Text returns the string that r is, and whether it is one.
func (r Ref) Text() (string, bool) {
	if r.Kind() != KindString {
		return "", false
	}
	return share(r.doc.name(r.i)), true
}

// Raw returns the text of r as it stands in the document, nil when r is absent. Do not change it.
func (r Ref) Raw() []byte {
	if r.doc == nil {
		return nil
	}
	n := r.node()
	return r.doc.text[n.start:n.end:n.end]
}

// Offset returns where r begins in the text of its document, in bytes.
func (r Ref) Offset() int {
	if r.doc == nil {
		return 0
	}
	return int(r.node().start)
}

// Value returns r in canonical form.
func (r Ref) Value() Value {
	switch {
	case r.doc == nil:
		return ""
	case r.node().canonical:
		return Value(share(r.Raw()))
	}
	return Value(share(r.append(make([]byte, 0, len(r.Raw())))))
}

// append appends the canonical form of r.
func (r Ref) append(to []byte) []byte {
	n := r.node()
	switch {
	case n.canonical:
		return append(to, r.Raw()...)
	case n.kind == KindString:
		return AppendText(to, string(r.doc.name(r.i)))
	case n.kind == KindArray:
		to = append(to, '[')
		for e := range r.Elements() {
			to = append(e.append(to), ',')
		}
	default:
		type member struct {
			name []byte
			ref  Ref
		}
		members := make([]member, 0, n.count)
		sorted := true
		for i, end := r.i+1, int(n.next); i < end; i = int(r.doc.nodes[i+1].next) {
			m := member{r.doc.name(i), Ref{r.doc, i + 1}}
			sorted = sorted && (len(members) == 0 || bytes.Compare(members[len(members)-1].name, m.name) < 0)
			members = append(members, m)
		}
		if !sorted {
			slices.SortFunc(members, func(a, b member) int { return cmp.Compare(share(a.name), share(b.name)) })
		}
		to = append(to, '{')
		for _, m := range members {
			to = append(AppendText(to, share(m.name)), ':')
			to = append(m.ref.append(to), ',')
		}
	}
	closing := byte(']')
	if n.kind == KindObject {
		closing = '}'
	}
	if to[len(to)-1] == ',' {
		to[len(to)-1] = closing
		return to
	}
	return append(to, closing)
}
