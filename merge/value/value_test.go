package value

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/assert"

	"github.com/tiebreakhq/tiebreak/crdt"
)

func TestConstructorsAreCanonical(t *testing.T) {
	assert.Equal(t, Value(`"a\"\\\n\u0001é"`), Text("a\"\\\n\x01é"))
	assert.Equal(t, Value(`"�b"`), Text("\xffb"), "what is not UTF-8 is replaced")
	assert.Equal(t, Value("-5"), Int(-5))
	assert.Equal(t, Value("true"), Bool(true))
	assert.Equal(t, Value("false"), Bool(false))
	assert.Equal(t, Value(`[1,"a"]`), Array(Int(1), "", Text("a")))
	assert.Equal(t, Value(`[]`), Array())
	assert.Equal(t, Value(`{"a":2,"b":null}`), Object(Member{"b", Null}, Member{"a", Int(1)}, Member{"a", Int(2)}, Member{"c", ""}))
	assert.Equal(t, Value(`{}`), Object())
	assert.Equal(t, Value("7"), Number(crdt.DecimalOf(7)))
}

func TestAccessorsSayWhenTheKindIsAnother(t *testing.T) {
	_, ok := Int(1).Text()
	assert.False(t, ok)
	_, err := Text("1").Decimal()
	assert.ErrorIs(t, err, crdt.ErrNumber)
	_, ok = Null.Bool()
	assert.False(t, ok)
	b, ok := Bool(true).Bool()
	assert.True(t, b && ok)
	assert.True(t, Text("x").Get("x").IsAbsent())
	assert.Empty(t, slices.Collect(Int(3).Elements()))
	d, err := Value("1.50").Decimal()
	assert.NoError(t, err)
	assert.Equal(t, "1.5", d.String())
}

func TestIterationStopsWhenAsked(t *testing.T) {
	for e := range Value(`[1,2,3]`).Elements() {
		assert.Equal(t, Int(1), e)
		break
	}
	for name := range Value(`{"a":1,"b":2}`).Members() {
		assert.Equal(t, "a", name)
		break
	}
}

func TestCompareOrdersKindsThenSizes(t *testing.T) {
	ascending := []Value{
		"", "null", "false", "true",
		"-1e400", "-10", "-9.5", "-9", "-1e-400",
		"-0", "0", "0.0", "0e5", // one size: by text
		"1e-400", "0.1", "0.10", "1", "1.0", "1e0", "2", "9", "9.0000000000000000000001", "10", "1e1",
		"9007199254740993", "9007199254740994", "1e400",
		`""`, `"\n"`, `"A"`, `"a"`, `"a "`, `"aa"`, `"b"`, `"é"`,
		"[1]", "[]", // arrays and objects by text, not by length
		`{"a":1}`, "{}",
	}
	for i, a := range ascending {
		for j, b := range ascending {
			assert.Equal(t, cmp.Compare(i, j), Compare(a, b), "%q and %q", a, b)
		}
	}
}

func TestTextsCompareByTheirBytes(t *testing.T) {
	long := strings.Repeat("x", 40)
	texts := []string{"", "a", "\n", "\\", `"`, "!", "a\n", "a!", "a\"", "a]", "é", "\x01", long, long + "\n", long + "a", long[:31] + "\n", long[:31] + "y", long[:29] + "\x01", long[:29] + "\\"}
	for _, a := range texts {
		for _, b := range texts {
			assert.Equal(t, cmp.Compare(a, b), Compare(Text(a), Text(b)), "%q and %q", a, b)
		}
	}
}

func TestNumbersCompareAsRationals(t *testing.T) {
	number := gen.RegexMatch(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`)
	properties := gopter.NewProperties(nil)
	properties.Property("compareNumbers is the order of big.Rat", prop.ForAll(func(a, b string) bool {
		x, ok := new(big.Rat).SetString(a)
		y, ok2 := new(big.Rat).SetString(b)
		return ok && ok2 && compareNumbers(a, b) == x.Cmp(y)
	}, number, number))
	properties.Property("Compare is 0 for identical texts alone", prop.ForAll(func(a, b string) bool {
		return (Compare(Value(a), Value(b)) == 0) == (a == b)
	}, number, number))
	properties.Property("Compare is transitive", prop.ForAll(func(a, b, c string) bool {
		sorted := []Value{Value(a), Value(b), Value(c)}
		slices.SortFunc(sorted, Compare)
		return Compare(sorted[0], sorted[1]) <= 0 && Compare(sorted[1], sorted[2]) <= 0 && Compare(sorted[0], sorted[2]) <= 0
	}, number, number, number))
	properties.TestingRun(t)
}

func TestExtentFindsTheEnd(t *testing.T) {
	for _, c := range []struct {
		text  string
		end   int
		whole Wholeness
	}{
		{`{}`, 2, Whole},
		{`{}{}`, 2, Whole},
		{`{"a":"}"} x`, 9, Whole},
		{`{"a":"\"}\\"}`, 13, Whole},
		{`[{"a":[]},{}]`, 13, Whole},
		{"[\n{},\n{}\n]", 10, Whole}, // elements in the first column
		{"{\"a\":\n{\"b\":1\n}\n}", 16, Whole},
		{`{"a":{}`, 0, Cut},
		{`{"a`, 0, Cut},
		{`{"a\`, 0, Cut},
		{"{\"a\":{\"b\":1}\n{\"a\":2}", 12, Broken},
		{"{\"a\":1,\n{\"a\":2}", 7, Broken},
		{"{\"a\":\"b\n{}", 7, Broken},
		{"{\"a\":1\n  {\"a\":2}}", 17, Whole}, // wrong, but what is wrong with it is for a parser to say
	} {
		end, whole := Extent([]byte(c.text))
		assert.Equal(t, c.whole, whole, "%q", c.text)
		assert.Equal(t, c.end, end, "%q", c.text)
	}
}

// FuzzExtent holds Extent to the parser: what parses is whole, and its beginnings are cut.
func FuzzExtent(f *testing.F) {
	f.Add([]byte(`{"a":[1,"}"],"b":{"c":"\""}}`), 5)
	f.Add([]byte("[\n{\"a\":\n{}},\n{}]"), 9)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		if len(text) == 0 || text[0] != '{' && text[0] != '[' {
			return
		}
		end, whole := Extent(text)
		if end < 0 || end > len(text) {
			t.Fatalf("%d of %d", end, len(text))
		}
		if _, err := Parse(text, Limits{}); err == nil {
			trimmed := len(text)
			for trimmed > 0 && (text[trimmed-1] == ' ' || text[trimmed-1] == '\n' || text[trimmed-1] == '\t' || text[trimmed-1] == '\r') {
				trimmed--
			}
			if whole != Whole || end != trimmed {
				t.Fatalf("%q: %d %d", text, end, whole)
			}
			if at > 0 && at < trimmed {
				if _, whole := Extent(text[:at]); whole != Cut {
					t.Fatalf("%q is %d", text[:at], whole)
				}
			}
		}
	})
}

func TestCompareSizeKnowsNoSpelling(t *testing.T) {
	for _, equal := range [][2]Value{{"1", "1.0"}, {"100", "1e2"}, {"0", "-0.0"}, {`"a"`, `"a"`}, {"", ""}} {
		assert.Zero(t, CompareSize(equal[0], equal[1]), "%s", equal)
	}
	for _, less := range [][2]Value{{"1", "1.01"}, {"1", `"1"`}, {"null", "1"}, {"-2", "-1.5"}, {`"a"`, `"b"`}, {`{"a":1.0}`, `{"a":1}`}} {
		assert.Negative(t, CompareSize(less[0], less[1]), "%s", less)
		assert.Positive(t, CompareSize(less[1], less[0]), "%s", less)
	}
}
