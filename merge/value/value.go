package value

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/tiebreakhq/tiebreak/crdt"
)

// Value is one JSON value as canonical text, or absent when it is "". Two values are identical exactly when their texts
// are, so they are compared with == and are keys of maps.
//
// Canonical text has no white space; members sorted by the bytes of their names, each name once; strings that escape
// only the quote, the backslash and the control characters below U+0020 (\b \f \n \r \t by letter, the rest as \u00xx
// in lower case); numbers as they were written, every digit kept, so that 1, 1.0 and 1e0 are three values. What
// [Compare] says of their size is another matter.
//
// A Value made by conversion from some other string is as good as that string. The methods never panic on one that is
// not canonical text, but what they return of it means nothing.
type Value string

// Null is the value null. It is there, unlike the absent value "".
const Null Value = "null"

// Kind says what a value is. The order of the kinds is the order of [Compare] between values of two kinds.
type Kind uint8

// The kinds, lowest first.
const (
	KindAbsent Kind = iota
	KindNull
	KindFalse
	KindTrue
	KindNumber
	KindString
	KindArray
	KindObject
)

var kindNames = [...]string{"absent", "null", "false", "true", "number", "string", "array", "object"}

// String returns the kind in a word, for messages.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// kindOf maps the first byte of a value to its kind; what no value begins with is absent.
var kindOf = [256]Kind{
	'n': KindNull, 'f': KindFalse, 't': KindTrue, '"': KindString, '[': KindArray, '{': KindObject,
	'-': KindNumber, '0': KindNumber, '1': KindNumber, '2': KindNumber, '3': KindNumber, '4': KindNumber,
	'5': KindNumber, '6': KindNumber, '7': KindNumber, '8': KindNumber, '9': KindNumber,
}

// Text returns the string s as a value. Bytes of s that are not UTF-8 become U+FFFD: check a text from outside before,
// as [Parse] does.
func Text(s string) Value { return Value(AppendText(make([]byte, 0, len(s)+2), s)) }

// Int returns the integer n as a value.
func Int(n int64) Value { return Value(strconv.FormatInt(n, 10)) }

// Number returns the number d as a value.
func Number(d crdt.Decimal) Value { return Value(d.String()) }

// Bool returns true or false as a value.
func Bool(b bool) Value { return Value(strconv.FormatBool(b)) }

// Array returns the array of the given elements, in their order. Absent ones are left out.
func Array(elems ...Value) Value {
	size := len("[]") + len(elems)
	for _, e := range elems {
		size += len(e)
	}
	return Value(share(AppendArray(make([]byte, 0, size), elems...)))
}

// AppendArray appends the text of an array to b: see [Array].
func AppendArray(b []byte, elems ...Value) []byte {
	b = append(b, '[')
	first := true
	for _, e := range elems {
		if e.IsAbsent() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		b = append(b, e...)
		first = false
	}
	return append(b, ']')
}

// Member is one member of an object.
type Member struct {
	Name  string
	Value Value
}

// Object returns the object of the given members, sorted by name. Of two with one name the last is kept, as in an
// assignment to a map; members without a value are left out.
func Object(members ...Member) Value {
	byName := func(a, b Member) int { return cmp.Compare(a.Name, b.Name) }
	sorted := members
	if !slices.IsSortedFunc(sorted, byName) {
		sorted = slices.Clone(members)
		slices.SortStableFunc(sorted, byName)
	}
	size := len("{}")
	for i := range sorted {
		size += len(sorted[i].Name) + len(sorted[i].Value) + len(`"":,`)
	}
	text := append(make([]byte, 0, size), '{')
	for i, m := range sorted {
		if m.Value.IsAbsent() || i+1 < len(sorted) && sorted[i+1].Name == m.Name {
			continue
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(AppendText(text, m.Name), ':')
		text = append(text, m.Value...)
	}
	return Value(share(append(text, '}')))
}

// Kind returns what v is.
func (v Value) Kind() Kind {
	if v == "" {
		return KindAbsent
	}
	return kindOf[v[0]]
}

// IsAbsent reports whether v is no value at all. Null is one.
func (v Value) IsAbsent() bool { return v == "" }

// Text returns the string that v is, and whether it is one.
func (v Value) Text() (string, bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	inner := string(v[1 : len(v)-1])
	if strings.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	return string(appendUnescaped(make([]byte, 0, len(inner)), []byte(inner))), true
}

// Decimal returns the number that v is, exactly. The error says that v is none, or one beyond the limits of
// [crdt.ParseDecimal].
func (v Value) Decimal() (crdt.Decimal, error) {
	if v.Kind() != KindNumber {
		return crdt.Decimal{}, fmt.Errorf("%w: %s", crdt.ErrNumber, v.Kind())
	}
	return crdt.ParseDecimal(string(v))
}

// Bool returns the truth value that v is, and whether it is one.
func (v Value) Bool() (b, ok bool) { return v == "true", v == "true" || v == "false" }

// Elements yields the elements of the array v in order, and nothing when v is not an array.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != KindArray {
			return
		}
		for at := 1; at < len(v) && v[at] != ']'; at++ {
			end := v.skip(at)
			if !yield(v[at:end]) {
				return
			}
			at = end
		}
	}
}

// Members yields the members of the object v by name, and nothing when v is not an object.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != KindObject {
			return
		}
		for at := 1; at < len(v) && v[at] != '}'; at++ {
			end := v.skip(at)
			name, _ := v[at:end].Text()
			at = min(end+1, len(v))
			end = v.skip(at)
			if !yield(name, v[at:end]) {
				return
			}
			at = end
		}
	}
}

// Get returns the member of the object v with that name: absent when there is none or v is not an object.
func (v Value) Get(member string) Value {
	for name, m := range v.Members() {
		if name == member {
			return m
		}
	}
	return ""
}

// skip returns the offset after the value that begins at at. It trusts v to be canonical and stays within it when it
// is not.
func (v Value) skip(at int) int {
	depth := 0
	for ; at < len(v); at++ {
		switch v[at] {
		case '"':
			for at++; at < len(v) && v[at] != '"'; at++ {
				if v[at] == '\\' {
					at++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 {
				return at
			}
			depth--
		case ',', ':':
			if depth == 0 {
				return at
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return min(at+1, len(v))
		}
	}
	return len(v)
}
