package value

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireAlike parses a text with a Doc that knows shapes, and with one that knows none.
func requireAlike(t *testing.T, d *Doc, text string, lim Limits) (fitted bool) {
	t.Helper()
	var fresh Doc
	want, wantErr := fresh.Parse([]byte(text), lim)
	known := len(d.shapes.known)
	d.reset([]byte(text), lim)
	fitted = len(text) <= d.lim.Bytes && d.fit()
	got, err := d.Parse([]byte(text), lim)
	require.Equal(t, wantErr, err, "%s", text)
	if err != nil {
		require.False(t, fitted, "%s", text)
		return false
	}
	require.Equal(t, fresh.nodes, d.nodes, "%s after %d shapes", text, known)
	require.Equal(t, want.Value(), got.Value())
	return fitted
}

// What is said of a text does not depend on those that were parsed before it.
func TestAShapeSaysWhatParsingSays(t *testing.T) {
	models := []string{
		`{"after":{"id":12,"email":"a@b","gone":null},"key":[12],"updated":"175.000"}`,
		`{ "b" : [1, "x", {}, []], "a": -1.5e3 ,"c":true}` + "\n",
		`["",0,[["x"]]]`,
		`"text"`,
		`7`,
		`{"a":{"b":{"c":"deep"}}}`,
		"{\n\"a\":\n{\"b\":1}\n}",
	}
	strings := []string{`"x"`, `""`, `"longer than eight bytes, by far"`, `"\n"`, `"ü"`, "\"\xff\"", "\"a\nb\"", `"a`, `"a","b":"c"`, `"x"}`, `null`, `{}`, `12`, "\"\u2028\""}
	numbers := []string{`0`, `-0`, `12`, `1e9`, `-1.25`, `01`, `+1`, `1.`, `NaN`, `1e99999`, `""`, `1,2`, `1 `, ` 1`, `123456789012345678901234567890`}
	r := rand.New(rand.NewPCG(1, 2))
	var d Doc
	fitted := 0
	for range 40_000 {
		model := models[r.IntN(len(models))]
		text := fill(model, func(number bool) string {
			switch {
			case r.IntN(20) > 0 && number:
				return fmt.Sprint(r.IntN(1000))
			case r.IntN(20) > 0:
				return fmt.Sprintf("%q", fmt.Sprint(r.IntN(1_000_000)))
			case number:
				return numbers[r.IntN(len(numbers))]
			}
			return strings[r.IntN(len(strings))]
		})
		switch r.IntN(20) {
		case 0:
			text = text[:r.IntN(len(text))]
		case 1:
			text += []string{" ", "x", "}"}[r.IntN(3)]
		case 2:
			text = " " + text
		}
		lim := Limits{}
		switch r.IntN(50) {
		case 0:
			lim.Bytes = 20
		case 1:
			lim.Depth = 2
		case 2:
			lim.Members = 2
		}
		if requireAlike(t, &d, text, lim) {
			fitted++
		}
	}
	require.Greater(t, fitted, 10_000)
}

// fill puts other strings and numbers in the place of those that are values.
func fill(model string, with func(number bool) string) string {
	var d Doc
	root, err := d.Parse([]byte(model), Limits{})
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	at := 0
	var walk func(v Ref)
	walk = func(v Ref) {
		switch v.Kind() {
		case KindString, KindNumber:
			b.WriteString(model[at:v.Offset()])
			b.WriteString(with(v.Kind() == KindNumber))
			at = v.Offset() + len(v.Raw())
		case KindArray:
			for e := range v.Elements() {
				walk(e)
			}
		case KindObject:
			for _, m := range v.Members() {
				walk(m)
			}
		}
	}
	walk(root)
	return b.String() + model[at:]
}

// Texts of which no two are alike cost little more than without shapes, and those that are alike after them are noticed.
func TestShapesAreLeftAloneWhereTextsDiffer(t *testing.T) {
	var d Doc
	for i := range 2000 {
		require.False(t, requireAlike(t, &d, fmt.Sprintf(`{"m%d":1}`, i), Limits{}))
	}
	require.Positive(t, d.shapes.tired)
	fitted := 0
	for i := range 2000 {
		if requireAlike(t, &d, fmt.Sprintf(`{"m":%d}`, i), Limits{}) {
			fitted++
		}
	}
	require.Greater(t, fitted, 1000)
}

// A text after which many of other shapes came is parsed no worse.
func TestShapesOfManyKinds(t *testing.T) {
	var d Doc
	for i := range 5000 {
		requireAlike(t, &d, fmt.Sprintf(`{"m%d":%d,"%s":"x"}`, i%12, i, strings.Repeat("n", i%3)), Limits{})
	}
	require.Len(t, d.shapes.known, mostShapes)
}

func FuzzShapes(f *testing.F) {
	f.Add(`{"a":1,"b":"x"}`, `{"a":23,"b":"yz"}`)
	f.Add(`[1,{"a":null}]`, "[1.5,{\"a\":null}]\n")
	f.Fuzz(func(t *testing.T, model, text string) {
		var d Doc
		for range firstTexts + 1 {
			_, _ = d.Parse([]byte(model), Limits{})
		}
		requireAlike(t, &d, text, Limits{})
		requireAlike(t, &d, model, Limits{})
	})
}
