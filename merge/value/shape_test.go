package value

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireAlike looks for the end of a text with shapes and without, and parses it both ways.
func requireAlike(t *testing.T, s *Shapes, text string, lim Limits) (fitted bool) {
	t.Helper()
	wantEnd, wantWhole := Extent([]byte(text))
	var room []uint32
	end, whole, fit := s.Extent([]byte(text), lim, &room)
	require.Equal(t, wantWhole, whole, "%q", text)
	require.Equal(t, wantEnd, end, "%q", text)
	if fit.shape == nil {
		return false
	}
	var d, fresh Doc
	want, err := fresh.Parse([]byte(text[:end]), lim)
	require.NoError(t, err, "%q", text)
	got, err := d.ParseFit([]byte(text[:end]), lim, fit)
	require.NoError(t, err)
	require.Equal(t, fresh.nodes, d.nodes, "%q", text)
	require.Equal(t, want.Value(), got.Value())
	room = room[:0]
	for _, text := range []string{text, text[:end]} {
		got, gotErr := s.Parse(&d, []byte(text), lim)
		want, err := fresh.Parse([]byte(text), lim)
		require.Equal(t, err, gotErr)
		require.Equal(t, want.Value(), got.Value())
	}
	return true
}

// What is said of a text does not depend on those that were parsed before it.
func TestAShapeSaysWhatParsingSays(t *testing.T) {
	models := []string{
		`{"after":{"id":12,"email":"a@b","gone":null},"key":[12],"updated":"175.000"}`,
		`{ "b" : [1, "x", {}, []], "a": -1.5e3 ,"c":true}`,
		`["",0,[["x"]]]`,
		`{"a":{"b":{"c":"deep"}}}`,
		`{"\u0061":"\n","b":["\"","x"]}`,
		"{\n\"a\":\n{\"b\":1}\n}",
		`{}`,
	}
	texts := []string{`"x"`, `""`, `"longer than eight bytes, by far"`, `"\n"`, `"ü"`, "\"\xff\"", "\"a\nb\"", `"a`, `"a","b":"c"`, `"x"}`, `null`, `{}`, `12`, "\"\u2028\""}
	numbers := []string{`0`, `-0`, `12`, `1e9`, `-1.25`, `01`, `+1`, `1.`, `NaN`, `1e99999`, `""`, `1,2`, `1 `, ` 1`, `123456789012345678901234567890`}
	r := rand.New(rand.NewPCG(1, 2))
	var s Shapes
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
			return texts[r.IntN(len(texts))]
		})
		switch r.IntN(10) {
		case 0:
			text = text[:1+r.IntN(len(text)-1)]
		case 1:
			text += []string{" ", "x", "}", `{"a":1}`, "\n"}[r.IntN(5)]
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
		if requireAlike(t, &s, text, lim) {
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

// Texts of which no two are alike are soon left alone, and those that are alike after them are noticed.
func TestShapesAreLeftAloneWhereTextsDiffer(t *testing.T) {
	var s Shapes
	for i := range 2000 {
		require.False(t, requireAlike(t, &s, fmt.Sprintf(`{"m%d":1}`, i), Limits{}))
	}
	require.Positive(t, s.tired)
	fitted := 0
	for i := range 2000 {
		if requireAlike(t, &s, fmt.Sprintf(`{"m":%d}`, i), Limits{}) {
			fitted++
		}
	}
	require.Greater(t, fitted, 1000)
}

// Texts of more kinds than are remembered are read no worse.
func TestShapesOfManyKinds(t *testing.T) {
	var s Shapes
	for i := range 5000 {
		requireAlike(t, &s, fmt.Sprintf(`{"m%d":%d,"%s":"x"}`, i%12, i, strings.Repeat("n", i%3)), Limits{})
	}
	require.Len(t, s.known, mostShapes)
}

// A fit is of the limits that it was found with: under others the text is parsed.
func TestAFitUnderOtherLimits(t *testing.T) {
	var s Shapes
	var d Doc
	text := []byte(`{"a":{"b":1}}`)
	var room []uint32
	for range firstTexts + 1 {
		s.Extent(text, Limits{}, &room)
	}
	_, _, fit := s.Extent(text, Limits{}, &room)
	require.NotNil(t, fit.shape)
	_, err := d.ParseFit(text, Limits{Depth: 1}, fit)
	require.ErrorContains(t, err, "nested")
}

func FuzzShapes(f *testing.F) {
	f.Add(`{"a":1,"b":"x"}`, `{"a":23,"b":"yz"}`)
	f.Add(`[1,{"a":null}]`, "[1.5,{\"a\":null}]\n")
	f.Fuzz(func(t *testing.T, model, text string) {
		var s Shapes
		for _, text := range []string{model, model, model, model, model, text, model} {
			if text != "" && (text[0] == '{' || text[0] == '[') {
				requireAlike(t, &s, text, Limits{})
			}
		}
	})
}
