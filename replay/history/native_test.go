package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// parseLine reads one line, with its line break.
func parseLine(t testing.TB, line string) *Batch {
	t.Helper()
	p := parser{opt: &Options{}}
	b := new(Batch)
	p.lines(&chunk{format: Native, name: "h", line: 1, data: []byte(line + "\n")}, b)
	return b
}

func TestLinesBecomeRecords(t *testing.T) {
	for line, want := range map[string]Record{
		`{"key":"k","value":1,"node":"eu"}`: {Key: "k", Node: "eu", Fields: []Field{{Value: "1"}}},
		`{"node":"eu","value":null,"op":"set","key":"k"}`: {
			Key: "k", Node: "eu", Fields: []Field{{Value: "null"}}},
		`{"key":"a\/b","field":"f","value":{"b":[1.0],"a":""},"node":"eu","version":18446744073709551615}`: {
			Key: "a/b", Node: "eu", Version: 18446744073709551615, Fields: []Field{{Name: "f", Value: `{"a":"","b":[1.0]}`}}},
		`{"key":"k","fields":{"z":1,"a":"x"},"before":{"z":0},"node":"eu","time":"2026-03-01T10:20:30.5Z"}`: {
			Key: "k", Node: "eu", Time: clock.Timestamp{Wall: 1772360430_500000000}, Precision: Millisecond,
			Fields: []Field{{Name: "a", Value: `"x"`}, {Name: "z", Value: "1", Before: "0"}}},
		`{"key":"k","op":"delete","node":"eu"}`: {Key: "k", Node: "eu", Op: merge.Delete},
		`{"key":"k","op":"delete","field":"f","before":7,"node":"eu"}`: {
			Key: "k", Node: "eu", Op: merge.Delete, Fields: []Field{{Name: "f", Before: "7"}}},
		`{"key":"k","op":"delete","fields":{"b":null,"a":null},"before":{"a":7},"node":"eu"}`: {
			Key: "k", Node: "eu", Op: merge.Delete, Fields: []Field{{Name: "a", Before: "7"}, {Name: "b"}}},
		`{"key":"k","op":"delete","before":{"x":1},"node":"eu"}`: {
			Key: "k", Node: "eu", Op: merge.Delete, Fields: []Field{{Before: `{"x":1}`}}},
		`{"key":"k","op":"add","field":"n","value":-2.50,"node":"eu","id":"eu:7"}`: {
			Key: "k", Node: "eu", Op: merge.Add, ID: "eu:7", Fields: []Field{{Name: "n", Value: "-2.50"}}},
		`{"key":"k","op":"add","value":99999999999999999999999999,"node":"eu"}`: {
			Key: "k", Node: "eu", Op: merge.Add, Fields: []Field{{Value: "99999999999999999999999999"}}},
		`{"key":"k","op":"insert","field":"s","value":"x","node":"eu","seen":[]}`: {
			Key: "k", Node: "eu", Op: merge.Insert, Knows: true, Fields: []Field{{Name: "s", Value: `"x"`}}},
		`{"key":"k","op":"remove","field":"s","value":"x","node":"eu","seen":["eu:1","b"],"base":0,"tx":"t"}`: {
			Key: "k", Node: "eu", Op: merge.Remove, Knows: true, Seen: []string{"eu:1", "b"}, HasBase: true, Tx: "t",
			Fields: []Field{{Name: "s", Value: `"x"`}}},
		`{"key":"k","value":1,"node":"eu","seen":{"us":3,"eu":1},"base":4,"time":1772360430000000007}`: {
			Key: "k", Node: "eu", Knows: true, Whole: true, SeenUp: []clock.Dot{{Node: "eu", Seq: 1}, {Node: "us", Seq: 3}}, Base: 4, HasBase: true,
			Time: clock.Timestamp{Wall: 1772360430_000000007}, Precision: Nanosecond, Fields: []Field{{Value: "1"}}},
		`{"key":"k","value":1,"node":"eu","start":5,"end":7,"session":"s"}`: {
			Key: "k", Node: "eu", Fields: []Field{{Value: "1"}}, Reading: &Reading{Session: "s",
				Start: clock.Timestamp{Wall: 5}, End: clock.Timestamp{Wall: 7}}},
		`{"key":"k","op":"read","want":"quorum","served_by":"a,b"}`: {
			Kind: Read, Key: "k", Reading: &Reading{Want: "quorum", ServedBy: "a,b"}},
		`{"key":"k","op":"read"}`: {Kind: Read, Key: "k", Reading: &Reading{}},
		`{"key":"k","op":"read","field":"f","want":"bounded:1.5s","saw":12,"session":"s","served_by":"r","start":5,"end":5}`: {
			Kind: Read, Key: "k", Fields: []Field{{Name: "f"}}, Reading: &Reading{Want: "bounded:1.5s", SawVersion: 12, HasSawVersion: true, Session: "s",
				ServedBy: "r", Start: clock.Timestamp{Wall: 5}, End: clock.Timestamp{Wall: 5}}},
		`{"key":"k","op":"read","saw":"12"}`: {Kind: Read, Key: "k", Reading: &Reading{Saw: "12"}},
		`{"key":"k","op":"read","saw":0}`:    {Kind: Read, Key: "k", Reading: &Reading{HasSawVersion: true}},
		`{"key":"k","op":"read","saw":null,"want":"strong","node":"eu"}`: {
			Kind: Read, Key: "k", Node: "eu", Reading: &Reading{Want: "strong", NotFound: true}},
		"\t{\"\\u006bey\" : \"k\" , \"value\" : [ 1 , 2 ] , \"node\" : \"eu\" } \r": {
			Key: "k", Node: "eu", Fields: []Field{{Value: "[1,2]"}}},
	} {
		b := parseLine(t, line)
		require.Empty(t, b.Aside, line)
		require.Len(t, b.Records, 1, line)
		want.Place = finding.Place{File: "h", Line: 1}
		assert.Equal(t, want, b.Records[0], line)
	}
}

// badLines has lines for every code that a line can be set aside with.
var badLines = []struct {
	line string
	code finding.Code
}{
	{`x`, finding.BadSyntax},
	{`[]`, finding.BadSyntax},
	{`"key"`, finding.BadSyntax},
	{`{"key":"k","value":1,"node":"eu"},`, finding.BadSyntax},
	{`{"key":"k","value":1,"node":"eu"}{}`, finding.BadSyntax},
	{`{"key":"k","value":1,"node":"eu"`, finding.BadSyntax}, // not the last line, so not torn but broken
	{`{"key":"k`, finding.BadSyntax},
	{`{"key":"k","value":1 "node":"eu"}`, finding.BadSyntax},
	{"{\"key\":\"k\x01\",\"value\":1,\"node\":\"eu\"}", finding.BadSyntax},

	{"{\"key\":\"k\xff\",\"value\":1,\"node\":\"eu\"}", finding.BadUTF8},
	{`{"key":"k\ud800","value":1,"node":"eu"}`, finding.BadUTF8},
	{"{\"key\":\"k\",\"value\":[\"\xff\"],\"node\":\"eu\"}", finding.BadUTF8},

	{`{"key":"k","key":"k","value":1,"node":"eu"}`, finding.DuplicateField},
	{`{"key":"k","\u006bey":"k","value":1,"node":"eu"}`, finding.DuplicateField},
	{`{"key":"k","value":{"a":1,"a":1},"node":"eu"}`, finding.DuplicateField},
	{`{"key":"k","fields":{"a":1,"a":1},"node":"eu"}`, finding.DuplicateField},
	{`{"key":"k","value":1,"node":"eu","seen":{"a":1,"a":2}}`, finding.DuplicateField},

	{`{"key":"k","value":1,"node":"eu","color":"red"}`, finding.UnknownField},
	{`{"Key":"k","value":1,"node":"eu"}`, finding.UnknownField}, // names are not folded
	{"{\"key\":\"k\",\"value\":1,\"node\":\"eu\",\"\xff\":1}", finding.BadUTF8},

	{`{"value":1,"node":"eu"}`, finding.MissingField},
	{`{"key":"k","value":1}`, finding.MissingField},
	{`{"key":"k","node":"eu"}`, finding.MissingField},
	{`{"key":"k","field":"f","node":"eu"}`, finding.MissingField},
	{`{"key":"k","op":"add","node":"eu"}`, finding.MissingField},
	{`{"key":"k","op":"insert","field":"f","node":"eu"}`, finding.MissingField},
	{`{"key":"k","op":"remove","node":"eu"}`, finding.MissingField},
	{`{"key":"k","before":1,"node":"eu"}`, finding.MissingField},
	{`{}`, finding.MissingField},
	{`{"op":"read"}`, finding.MissingField},

	{`{"key":5,"value":1,"node":"eu"}`, finding.BadField},
	{`{"key":"","value":1,"node":"eu"}`, finding.BadField},
	{`{"key":null,"value":1,"node":"eu"}`, finding.BadField},
	{`{"key":"k","field":"","value":1,"node":"eu"}`, finding.BadField},
	{`{"key":"k","field":3,"value":1,"node":"eu"}`, finding.BadField},
	{`{"key":"k","fields":{},"node":"eu"}`, finding.BadField},
	{`{"key":"k","fields":[1],"node":"eu"}`, finding.BadField},
	{`{"key":"k","fields":{"":1},"node":"eu"}`, finding.BadField},
	{`{"key":"k","fields":{"a":1},"value":1,"node":"eu"}`, finding.BadField},
	{`{"key":"k","fields":{"a":1},"field":"a","node":"eu"}`, finding.BadField},
	{`{"key":"k","fields":{"a":1},"before":1,"node":"eu"}`, finding.BadField},
	{`{"key":"k","fields":{"a":1},"before":{"b":1},"node":"eu"}`, finding.BadField},
	{`{"key":"k","op":"delete","fields":{"a":1},"node":"eu"}`, finding.BadField},
	{`{"key":"k","op":"delete","fields":{"a":null,"b":1},"node":"eu"}`, finding.BadField},
	{`{"key":"k","op":"delete","fields":{},"node":"eu"}`, finding.BadField},
	{`{"key":"k","op":"delete","value":1,"node":"eu"}`, finding.BadField},
	{`{"key":"k","op":"SET","value":1,"node":"eu"}`, finding.BadField},
	{`{"key":"k","op":null,"value":1,"node":"eu"}`, finding.BadField},
	{`{"key":"k","op":"add","value":"1","node":"eu"}`, finding.BadField},
	{`{"key":"k","op":"add","fields":{"a":1,"b":null},"node":"eu"}`, finding.BadField},
	{`{"key":"k","value":1,"node":""}`, finding.BadField},
	{`{"key":"k","value":1,"node":"a<b"}`, finding.BadField},
	{`{"key":"k","value":1,"node":"a b"}`, finding.BadField},
	{`{"key":"k","value":1,"node":"` + strings.Repeat("n", clock.MaxNodeLen+1) + `"}`, finding.BadField},
	{`{"key":"k","value":1,"node":7}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","version":"1"}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","version":null}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","base":true}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","time":null}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","time":{}}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","time":""}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","id":7}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","id":""}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","tx":7}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","seen":"eu:1"}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","seen":[1]}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","seen":[""]}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","seen":{"eu":"1"}}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","seen":{"eu":0}}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","seen":{"eu":-1}}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","seen":{"":1}}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","want":"strong"}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","saw":1,"start":5}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","start":7,"end":6}`, finding.BadTime},
	{`{"key":"k","op":"read","want":"linearizable"}`, finding.BadField},
	{`{"key":"k","value":1,"node":"eu","served_by":"r"}`, finding.BadField},
	{`{"key":"k","op":"read","value":1}`, finding.BadField},
	{`{"key":"k","op":"read","version":1}`, finding.BadField},
	{`{"key":"k","op":"read","before":1}`, finding.BadField},
	{`{"key":"k","op":"read","base":1}`, finding.BadField},
	{`{"key":"k","op":"read","want":"linearizable"}`, finding.BadField},
	{`{"key":"k","op":"read","want":"bounded:-1s"}`, finding.BadField},
	{`{"key":"k","op":"read","want":"bounded:5"}`, finding.BadField},
	{`{"key":"k","op":"read","saw":{}}`, finding.BadField},
	{`{"key":"k","op":"read","saw":""}`, finding.BadField},
	{`{"key":"k","op":"read","session":1}`, finding.BadField},

	{`{"key":"k","value":01,"node":"eu"}`, finding.BadNumber},
	{`{"key":"k","value":1e1000000000,"node":"eu"}`, finding.BadNumber},
	{`{"key":"k","value":1,"node":"eu","version":-1}`, finding.BadNumber},
	{`{"key":"k","value":1,"node":"eu","version":1.0}`, finding.BadNumber},
	{`{"key":"k","value":1,"node":"eu","version":18446744073709551616}`, finding.BadNumber},
	{`{"key":"k","value":1,"node":"eu","base":1e3}`, finding.BadNumber},
	{`{"key":"k","op":"add","value":1e2000,"node":"eu"}`, finding.BadNumber},
	{`{"key":"k","op":"add","fields":{"a":1e-2000},"node":"eu"}`, finding.BadNumber},

	{`{"key":"k","value":NaN,"node":"eu"}`, finding.NonFinite},
	{`{"key":"k","op":"add","value":-Infinity,"node":"eu"}`, finding.NonFinite},

	{`{"key":"k","value":1,"node":"eu","time":-5}`, finding.BadTime},
	{`{"key":"k","value":1,"node":"eu","time":1.5}`, finding.BadTime},
	{`{"key":"k","value":1,"node":"eu","time":0}`, finding.BadTime},
	{`{"key":"k","value":1,"node":"eu","time":9300000000000000000}`, finding.ClockInvalid},
	{`{"key":"k","value":1,"node":"eu","time":"yesterday"}`, finding.BadTime},
	{`{"key":"k","op":"read","start":7,"end":6}`, finding.BadTime},
	{`{"key":"k","value":1,"node":"eu","time":1772360430}`, finding.ImplausibleUnit},
	{`{"key":"k","value":1,"node":"eu","time":1772360430123}`, finding.ImplausibleUnit},
	{`{"key":"k","value":1,"node":"eu","time":1772360430123456}`, finding.ImplausibleUnit},
	{`{"key":"k","op":"read","start":1772360430}`, finding.ImplausibleUnit},
	{`{"key":"k","value":1,"node":"eu","time":"2016-12-31T23:59:60Z"}`, finding.LeapSecond},

	{`{"key":"k","value":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `,"node":"eu"}`, finding.TooDeep},
	{`{"key":"k","value":"` + strings.Repeat("x", value.DefaultBytes) + `","node":"eu"}`, finding.TooLarge},
	{`{"key":"k","value":{` + manyMembers(value.DefaultMembers+1) + `},"node":"eu"}`, finding.TooLarge},
}

func manyMembers(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf(`"m%06d":0`, i)
	}
	return strings.Join(names, ",")
}

func TestBadLinesAreSetAsideWithTheirCode(t *testing.T) {
	good := `{"key":"k","value":1,"node":"eu"}`
	for _, bad := range badLines {
		name := bad.line[:min(len(bad.line), 80)]
		b := parseLine(t, good+"\n"+bad.line+"\n"+good)
		assert.Len(t, b.Records, 2, "reading goes on after %s", name)
		if assert.Len(t, b.Aside, 1, name) {
			assert.Equal(t, bad.code, b.Aside[0].Code, "%s: %s", name, b.Aside[0].Detail)
			assert.Equal(t, finding.Place{File: "h", Line: 2}, b.Aside[0].Place)
			assert.NotEmpty(t, b.Aside[0].Detail)
			assert.NotContains(t, b.Aside[0].Detail, "\n")
			assert.Less(t, len(b.Aside[0].Detail), 400, "a detail quotes no more than it must")
		}
	}
}

func TestALineThatIsTornIsToldFromOneThatIsBroken(t *testing.T) {
	p := parser{opt: &Options{}}
	var b Batch
	p.lines(&chunk{line: 1, data: []byte("{\"key\":\"k\",\n{\"key\":\"k\",")}, &b)
	require.Len(t, b.Aside, 2)
	assert.Equal(t, finding.BadSyntax, b.Aside[0].Code)
	assert.Equal(t, finding.TruncatedInput, b.Aside[1].Code)
}

func TestAProblemLeavesNothingBehind(t *testing.T) {
	// What a draft keeps of one line must not show in the next.
	lines := `{"key":"a","field":"f","value":1,"before":2,"node":"eu","seen":["x"],"version":3,"oops":1}
{"key":"b","value":2,"node":"us"}
{"key":"c","op":"read","saw":null,"session":"s","want":"strong"}
{"key":"d","op":"read","saw":"x"}
{"key":"e","op":"delete","node":"us"}`
	b := parseLine(t, lines)
	require.Len(t, b.Records, 4)
	assert.Equal(t, Record{Place: finding.Place{File: "h", Line: 2}, Key: "b", Node: "us", Fields: []Field{{Value: "2"}}}, b.Records[0])
	assert.Equal(t, &Reading{Saw: "x"}, b.Records[2].Reading)
	assert.Empty(t, b.Records[3].Fields)
}

func TestLimitsOfALineHoldOnBothSides(t *testing.T) {
	line := func(n int) string {
		return `{"key":"k","node":"eu","value":"` + strings.Repeat("x", n-len(`{"key":"k","node":"eu","value":""}`)) + `"}`
	}
	p := parser{opt: &Options{Limits: value.Limits{Bytes: 100, Depth: 2, Members: 3}}}
	check := func(text string, code finding.Code) {
		t.Helper()
		var b Batch
		p.lines(&chunk{line: 1, data: []byte(text + "\n")}, &b)
		if code == "" {
			assert.Empty(t, b.Aside, text)
		} else if assert.Len(t, b.Aside, 1, text) {
			assert.Equal(t, code, b.Aside[0].Code, text)
		}
	}
	check(line(100), "")
	check(line(100)+"\r", "")
	check(line(101), finding.TooLarge)
	check(`{"key":"k","node":"eu","value":[[1]]}`, "")
	check(`{"key":"k","node":"eu","value":[[[1]]]}`, finding.TooDeep)
	check(`{"key":"k","node":"eu","fields":{"a":1,"b":1,"c":1}}`, "")
	check(`{"key":"k","node":"eu","fields":{"a":1,"b":1,"c":1,"d":1}}`, finding.TooLarge)
	check(`{"key":"k","node":"`+strings.Repeat("n", 40)+`","value":1}`, "")
}

// FuzzLine makes sure that whatever a line holds is a record that can be written and read again, or one finding.
func FuzzLine(f *testing.F) {
	for _, bad := range badLines {
		if len(bad.line) < 200 {
			f.Add([]byte(bad.line))
		}
	}
	f.Add([]byte(`{"key":"k","op":"read","field":"f","want":"bounded:1.5s","saw":12,"session":"s","served_by":"r","start":5,"end":5}`))
	f.Add([]byte(`{"key":"k","fields":{"z":1,"a":"x"},"before":{"z":0},"node":"eu","time":"1772360430000000007.0000000003"}`))
	f.Add([]byte(`{"key":"k","value":1,"node":"eu","seen":{"us":3,"eu":1},"base":4,"version":9,"id":"a","tx":"b"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, b := range line {
			if b == '\n' {
				return
			}
		}
		p := parser{opt: &Options{}}
		var b Batch
		p.lines(&chunk{line: 1, data: append(line, '\n')}, &b)
		require.LessOrEqual(t, len(b.Records)+len(b.Aside), 1)
		for i := range b.Records {
			for _, format := range []Format{Native, Msgpack} {
				requireReadsBack(t, format, b.Records[i])
			}
		}
	})
}
