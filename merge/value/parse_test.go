package value

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

func TestValuesBecomeCanonical(t *testing.T) {
	for text, want := range map[string]Value{
		`null`:                       "null",
		` true `:                     "true",
		"\t\r\n-0.50e+01 ":           "-0.50e+01", // every digit is kept
		`1671316629471912329`:        "1671316629471912329",
		`"a"`:                        `"a"`,
		`"\u0061\/\u00e9"`:           `"a/é"`,
		`"\u001f\u0008\n\""`:         `"\u001f\b\n\""`,
		`"\uD83D\uDE00"`:             `"😀"`,
		`"😀` + "\u2028\x7f" + `"`:    `"😀` + "\u2028\x7f" + `"`,
		`[ ]`:                        `[]`,
		`{ }`:                        `{}`,
		`[1, 2,[3 ]]`:                `[1,2,[3]]`,
		`{"b":1,"a":{"d":2 ,"c":3}}`: `{"a":{"c":3,"d":2},"b":1}`,
		`{"é":1,"z":2,"\u0061":3}`:   `{"a":3,"z":2,"é":1}`,
		`{"":0}`:                     `{"":0}`,
	} {
		v, err := Parse([]byte(text), Limits{})
		require.NoError(t, err, text)
		assert.Equal(t, want, v, text)

		again, err := Parse([]byte(v), Limits{})
		require.NoError(t, err, text)
		assert.Equal(t, v, again, "canonical text is canonical")

		var d Doc
		ref, err := d.Parse([]byte(text), Limits{})
		require.NoError(t, err, text)
		assert.Equal(t, want, ref.Value(), "both readers agree on %s", text)
	}
}

// badTexts has at least one text for every code.
var badTexts = []struct {
	text string
	code finding.Code
}{
	{``, finding.TruncatedInput},
	{`  `, finding.TruncatedInput},
	{`{`, finding.TruncatedInput},
	{`{"a"`, finding.TruncatedInput},
	{`{"a":`, finding.TruncatedInput},
	{`{"a":1`, finding.TruncatedInput},
	{`{"a":1,`, finding.TruncatedInput},
	{`[1,`, finding.TruncatedInput},
	{`[`, finding.TruncatedInput},
	{`"abc`, finding.TruncatedInput},
	{`"abc\`, finding.TruncatedInput},
	{`"abc\u00`, finding.TruncatedInput},
	{`tru`, finding.TruncatedInput},
	{`-`, finding.TruncatedInput},
	{`1.`, finding.TruncatedInput},
	{`1e+`, finding.TruncatedInput},

	{`nul1`, finding.BadSyntax},
	{`[1 2]`, finding.BadSyntax},
	{`[1,]`, finding.BadSyntax},
	{`[,1]`, finding.BadSyntax},
	{`{"a":1,}`, finding.BadSyntax},
	{`{"a" 1}`, finding.BadSyntax},
	{`{a:1}`, finding.BadSyntax},
	{`{'a':1}`, finding.BadSyntax},
	{`{"a":1]`, finding.BadSyntax},
	{`1 2`, finding.BadSyntax},
	{`{} {}`, finding.BadSyntax},
	{"\"a\nb\"", finding.BadSyntax},
	{"\"a\x00\"", finding.BadSyntax},
	{`"\x41"`, finding.BadSyntax},
	{`"\u00g0"`, finding.BadSyntax},
	{"\ufeff1", finding.BadSyntax},
	{`// 1`, finding.BadSyntax},

	{`01`, finding.BadNumber},
	{`-01`, finding.BadNumber},
	{`+1`, finding.BadNumber},
	{`.5`, finding.BadNumber},
	{`[1.]`, finding.BadNumber},
	{`[1e]`, finding.BadNumber},
	{`[-]`, finding.BadNumber},
	{`1e1000000000`, finding.BadNumber},
	{strings.Repeat("1", MaxNumberBytes+1), finding.BadNumber},

	{`NaN`, finding.NonFinite},
	{`[Infinity]`, finding.NonFinite},
	{`{"a":-Infinity}`, finding.NonFinite},

	{"\"\xff\"", finding.BadUTF8},
	{"\"\xc0\xaf\"", finding.BadUTF8}, // "/" in two bytes
	{"\"\xed\xa0\x80\"", finding.BadUTF8},
	{"\xff", finding.BadUTF8},
	{`"\ud800"`, finding.BadUTF8},
	{`"\udc00"`, finding.BadUTF8},
	{`"\ud800\ud800"`, finding.BadUTF8},
	{`"\ud800\n"`, finding.BadUTF8},
	{"{\"k\xfe\":1}", finding.BadUTF8},
	{"\"long enough for the words \xff of the fast path\"", finding.BadUTF8},

	{`{"a":1,"a":2}`, finding.DuplicateField},
	{`{"a":1,"b":2,"a":1}`, finding.DuplicateField},
	{`{"a":1,"\u0061":2}`, finding.DuplicateField},
	{`[{"x":{"b":1,"a":2,"b":3}}]`, finding.DuplicateField},

	{strings.Repeat("[", 65) + strings.Repeat("]", 65), finding.TooDeep},
	{strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), finding.TooDeep},
}

func TestBadTextsAreRefusedWithTheirCode(t *testing.T) {
	var d Doc
	for _, bad := range badTexts {
		_, err := Parse([]byte(bad.text), Limits{})
		assertCode(t, bad.code, err, bad.text)
		_, err = d.Parse([]byte(bad.text), Limits{})
		assertCode(t, bad.code, err, bad.text)
	}
}

func assertCode(t *testing.T, want finding.Code, err error, text string) {
	t.Helper()
	if len(text) > 80 {
		text = text[:80]
	}
	var bad *Error
	if assert.True(t, errors.As(err, &bad), "%q: %v", text, err) {
		assert.Equal(t, want, bad.Code, "%q: %v", text, err)
	}
}

func TestLimitsHoldOnBothSides(t *testing.T) {
	lim := Limits{Depth: 3, Bytes: 30, Members: 2}
	for text, code := range map[string]finding.Code{
		`[[[1]]]`:                           "",
		`[[[[1]]]]`:                         finding.TooDeep,
		`[{"a":[1 ]}]`:                      "",
		`[{"a":[{} ]}]`:                     finding.TooDeep,
		`{"a":1,"b":2}`:                     "",
		`{"a":1,"b":2,"c":3}`:               finding.TooLarge,
		`[1,2,3,4,5,6]`:                     "", // elements are bounded by bytes
		`"` + strings.Repeat("x", 28) + `"`: "",
		`"` + strings.Repeat("x", 29) + `"`: finding.TooLarge,
	} {
		_, err := Parse([]byte(text), lim)
		var d Doc
		_, docErr := d.Parse([]byte(text), lim)
		if code == "" {
			assert.NoError(t, err, text)
			assert.NoError(t, docErr, text)
			continue
		}
		assertCode(t, code, err, text)
		assertCode(t, code, docErr, text)
	}

	deep := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	_, err := Parse(deep(DefaultDepth), Limits{})
	assert.NoError(t, err)
	_, err = Parse(deep(MaxDepth), Limits{Depth: 1 << 30})
	assert.NoError(t, err)
	_, err = Parse(deep(MaxDepth+1), Limits{Depth: 1 << 30})
	assertCode(t, finding.TooDeep, err, "beyond any limit")

	_, err = Parse([]byte(strings.Repeat("1", MaxNumberBytes)), Limits{})
	assert.NoError(t, err)
	_, err = Parse([]byte(`1e0000000000999999999`), Limits{})
	assert.NoError(t, err, "leading zeros of an exponent don't count")
}

func TestSpecialBytesAreFoundAtEveryOffset(t *testing.T) {
	for before := range 20 {
		for after := range 20 {
			for special, code := range map[string]finding.Code{
				`\"`: "", `\\`: "", "é": "", "\x1f": finding.BadSyntax, "\x01": finding.BadSyntax,
				"\xff": finding.BadUTF8, " ": "", "!": "", "#": "", "[": "", "]": "", "\x80": finding.BadUTF8,
			} {
				text := `"` + strings.Repeat("a", before) + special + strings.Repeat("b", after) + `"`
				v, err := Parse([]byte(text), Limits{})
				if code != "" {
					assertCode(t, code, err, text)
					continue
				}
				require.NoError(t, err, text)
				require.Equal(t, Value(text), v)
			}
		}
	}
}

func TestDocFindsWhatThereIs(t *testing.T) {
	var d Doc
	text := []byte(`{"a":[1,{"x":null}," s "],"n\u0061me":"v\n","o":{}}`)
	ref, err := d.Parse(text, Limits{})
	require.NoError(t, err)

	assert.Equal(t, KindObject, ref.Kind())
	assert.Equal(t, 3, ref.Len())
	assert.Equal(t, 3, ref.Get("a").Len())
	assert.Equal(t, `[1,{"x":null}," s "]`, string(ref.Get("a").Raw()))
	assert.Equal(t, 5, ref.Get("a").Offset())
	name, ok := ref.Get("name").Text()
	assert.True(t, ok)
	assert.Equal(t, "v\n", name)
	assert.Equal(t, Value(`"v\n"`), ref.Get("name").Value())
	assert.Equal(t, KindAbsent, ref.Get("b").Kind())
	assert.True(t, ref.Get("b").Get("c").IsAbsent(), "absence goes on")
	assert.Equal(t, Value(""), ref.Get("b").Value())
	_, ok = ref.Get("a").Text()
	assert.False(t, ok)

	var kinds []Kind
	for e := range ref.Get("a").Elements() {
		kinds = append(kinds, e.Kind())
	}
	assert.Equal(t, []Kind{KindNumber, KindObject, KindString}, kinds)
	var names []string
	for name := range ref.Members() {
		names = append(names, name)
	}
	assert.Equal(t, []string{"a", "name", "o"}, names, "in the order of the text")
}

func TestADocThatIsReusedAllocatesNothing(t *testing.T) {
	var d Doc
	text := []byte(`{"a":[1,2,{"b":"c"}],"d":{"e":null,"f":true}}`)
	allocs := testing.AllocsPerRun(100, func() {
		ref, err := d.Parse(text, Limits{})
		if err != nil || ref.Get("d").Get("f").Value() != "true" {
			t.Fatal("lost")
		}
	})
	assert.Zero(t, allocs)
}

func FuzzParse(f *testing.F) {
	for _, bad := range badTexts {
		if len(bad.text) < 100 {
			f.Add([]byte(bad.text))
		}
	}
	f.Add([]byte(`{"b":[1,2.50,-0e1,"é\u0000"],"a":{"x":null,"w":true}}`))
	f.Add([]byte(`"\ud83d\ude00 and \/"`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Parse(text, Limits{})
		var d Doc
		ref, docErr := d.Parse(text, Limits{})
		require.Equal(t, err == nil, docErr == nil, "the two readers disagree: %v, %v", err, docErr)
		if err != nil {
			var bad *Error
			require.True(t, errors.As(err, &bad))
			require.LessOrEqual(t, bad.Offset, len(text))
			return
		}
		require.Equal(t, v, ref.Value())
		require.True(t, json.Valid(text), "the standard library refuses what is strict")
		var x, y any
		require.NoError(t, json.Unmarshal(text, &x))
		require.NoError(t, json.Unmarshal([]byte(v), &y))
		require.Equal(t, x, y, "canonical form has another meaning")
		again, err := Parse([]byte(v), Limits{})
		require.NoError(t, err)
		require.Equal(t, v, again)
		require.Equal(t, v, rebuilt(v))
		require.Zero(t, Compare(v, again))
	})
}

// rebuilt takes v apart and puts it together again.
func rebuilt(v Value) Value {
	switch v.Kind() {
	case KindString:
		s, _ := v.Text()
		return Text(s)
	case KindArray:
		var elems []Value
		for e := range v.Elements() {
			elems = append(elems, rebuilt(e))
		}
		return Array(elems...)
	case KindObject:
		var members []Member
		for name, m := range v.Members() {
			members = append([]Member{{name, rebuilt(m)}}, members...)
		}
		return Object(members...)
	}
	return v
}

// FuzzDoc walks through whatever parses.
func FuzzDoc(f *testing.F) {
	f.Add([]byte(`{"key":[1],"after":{"a":{"b":[{},[],""]}}}`))
	f.Add([]byte(`[{"a":1,"\u0062":2}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d Doc
		ref, err := d.Parse(text, Limits{Depth: 8, Members: 16})
		if err != nil {
			return
		}
		walk(t, text, ref)
	})
}

func walk(t *testing.T, text []byte, r Ref) {
	require.Equal(t, string(r.Raw()), string(text[r.Offset():r.Offset()+len(r.Raw())]))
	n := 0
	for e := range r.Elements() {
		walk(t, text, e)
		n++
	}
	for name, m := range r.Members() {
		require.Equal(t, m, r.Get(name))
		require.Equal(t, m.Value(), r.Value().Get(name))
		walk(t, text, m)
		n++
	}
	require.Equal(t, r.Len(), n)
}

// FuzzValue makes sure that a value that was never parsed does no harm.
func FuzzValue(f *testing.F) {
	f.Add(`{"a":[1,2]}`, `[`)
	f.Add(`{"a"`, `"\`)
	f.Fuzz(func(t *testing.T, a, b string) {
		v, w := Value(a), Value(b)
		_ = rebuilt(v)
		_, _ = v.Text()
		_, _ = v.Decimal()
		_ = v.Get(b)
		require.Equal(t, Compare(v, w), -Compare(w, v))
		require.NotPanics(t, func() { _ = Array(v, w) })
	})
}
