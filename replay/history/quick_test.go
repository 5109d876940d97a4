package history

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// quickLines are lines that quick reads, and near misses that it must leave alone.
var quickLines = []string{
	`{"key":"k","value":1,"node":"eu"}`,
	`{"key": "k", "value": "a b", "node": "eu", "op": "set"}`,
	`{"key":"k","op":"add","value":17,"node":"eu","id":"eu:7","version":3,"time":1750000004077976072,"tx":"t"}`,
	`{"id":"eu:1","key":"a/1","field":"f","value":"x\n","version":1,"time":"2026-03-01T10:20:30.5Z","node":"eu","op":"set"}`,
	`{"id":"eu:7","key":"a/1","field":"f","value":12,"version":9,"time":1750000000000000000,"node":"eu","op":"add"}`,
	`{"id":"eu:8","key":"a/1","value":"text","node":"eu"}`,
	`{"id":"eu:9","key":"a/1","value":"two\nlines, \"quoted\" \\ \t\b\f\r","before":"\n","node":"eu"}`,
	`{"id":"eu:9","key":"a/1","value":"an \u000a escape","node":"eu"}`,
	`{"id":"eu:9","key":"a/1","value":"a slash \/","node":"eu"}`,
	`{"id":"us:8","key":"a/1","value":"text","node":"eu"}`,
	`{"id":"eu:9","key":"a/1","value":"text","node":"eu","op":"add"}`,
	`{"id":"eu:9","key":"a/1","op":"delete","node":"eu"}`,
	`{"id":"eu:9","key":"a/1","op":"read","node":"eu"}`,
	`{"id":"eu:9","key":"a/1","value":1,"node":"eu","time":"1750000000000000000.7"}`,
	`{"id":"eu:9","key":"a/1","value":1,"node":"eu","session":"s"}`,
	`{"key":"k","value":-1,"node":"eu","base":4,"before":12,"seen":{"eu":1,"us":2}}`,
	`{"key":"k","fields":{"a":1,"b":[1,2]},"node":"eu","seen":["eu:1"]}`,
	`{"key":"k","value":{"b":1,"a":2},"node":"eu"}`,
	`{"key":"k","op":"delete","node":"eu"}`,
	`{"key":"k","op":"read","saw":12,"want":"strong","served_by":"x"}`,
	`{"key":"k","op":"read","saw":12,"want":"eventual"}`,
	`{"key":"k","op":"read","saw":null,"want":"eventual"}`,
	`{"key":"k","op":"read","saw":nul,"want":"eventual"}`,
	`{"key":"k","op":"read","want":"eventual","saw":null}`,
	`{"key":"","value":1,"node":"eu"}`,
	`{"key":"k","value":"","node":"eu"}`,
	`{"key":"k","value":1,"value":2,"node":"eu"}`,
	`{"key":"k","value":1,"nope":2,"node":"eu"}`,
	`{"key":"k","value":01,"node":"eu"}`,
	`{"key":"k","value":1 ,"node":"eu"}`,
	`{"key":"kü","value":"ü","node":"eu"}`,
	"{\"key\":\"k\x80\",\"value\":1,\"node\":\"eu\"}",
	"{\"key\":\"k\",\"value\":\"\x01\",\"node\":\"eu\"}",
	`{"key":"k","value":1,"node":"eu"}` + "\r",
	`{"key":"k","value":1,"node":"eu"} `,
	`{"key":"k","value":1,"node":"eu",}`,
	`{"key":"k","value":1,"node":"eu"`,
	`{"key":"k","value":12345678901234567890123,"node":"eu","version":18446744073709551615}`,
	`{"key":"k","value":1,"node":"eu","version":99999999999999999999}`,
	`{"key":"k","value":1,"node":"eu","time":1234567890}`,
	`{"key":"k","value":1,"node":"eu","version":"3"}`,
	`{"key":7,"value":1,"node":"eu"}`,
	`{"k":"k","value":1,"node":"eu"}`,
	`{"a_long_name":"k","value":1,"node":"eu"}`,
	`{"key":"k","value":1,"node":"eu","seen":{}}`,
	`{"key":"k","value":1,"node":"eu","id":"eu:7","seen":{"us":5,"ap": 18446744073709551615}}`,
	`{"key":"k","value":1,"node":"eu","id":"eu:7","seen":{"us":5, "ap":1, "eu":6},"time":1750000004077976072}`,
	`{"key":"k","value":1,"seen":["us:5", "some text","us:5"],"node":"eu","id":"eu:7"}`,
	`{"key":"k","value":1,"node":"eu","seen":[]}`,
	`{"key":"k","value":1,"node":"eu","seen":{"us":5,"us":6}}`,
	`{"key":"k","value":1,"node":"eu","seen":{"us":0}}`, `{"key":"k","value":1,"node":"eu","seen":{"us":-1}}`, `{"key":"k","value":1,"node":"eu","seen":{"us":1.5}}`,
	`{"key":"k","value":1,"node":"eu","seen":{"":1}}`, `{"key":"k","value":1,"node":"eu","seen":{"u\u0073":1}}`, `{"key":"k","value":1,"node":"eu","seen":{"us":"1"}}`,
	`{"key":"k","value":1,"node":"eu","seen":{"us":1,}}`, `{"key":"k","value":1,"node":"eu","seen":{"us":1]}`, `{"key":"k","value":1,"node":"eu","seen":["us:1"}}`,
	`{"key":"k","value":1,"node":"eu","seen":[""]}`, `{"key":"k","value":1,"node":"eu","seen":["us:1",]}`, `{"key":"k","value":1,"node":"eu","seen":[1]}`,
	`{"key":"k","value":1,"node":"eu","seen":"us:1"}`, `{"key":"k","value":1,"node":"eu","seen":7}`, `{"key":"k","value":1,"node":"eu","seen":{"us":1`,
	`{"key":"k","value":1,"node":"eu","seen":{"n a":1,"n` + strings.Repeat("x", 300) + `":2}}`,
	`{"key":"k","value":1,"node":"eu","seen":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o"]}`,
	`{"key":"k","value":1,"node":"eu","seen":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p"]}`,
	`{"key":"k","value":1,"node":"eu","seen":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q"]}`,
	`{}`, `{"key":"k"}`, ``, `[]`, `{"key`, `{"key":`, `{"key":"k`,
}

// plainOf returns a record as a plain write, when it is one.
func plainOf(r *Record) (w Plain, ok bool) {
	number := r.Number()
	if r.Kind != Write || number == 0 || len(r.Fields) != 1 || !r.Fields[0].Before.IsAbsent() || r.Op != merge.Set && r.Op != merge.Add ||
		r.Knows || r.HasBase || r.Tx != "" || r.Time.Logical != 0 || r.Place.Item != 0 || r.Region != "" || r.Reading != nil {
		return Plain{}, false
	}
	return Plain{
		Key: r.Key, Field: r.Fields[0].Name, Value: r.Fields[0].Value, Node: r.Node, Wall: r.Time.Wall, Version: r.Version,
		Number: number, Line: r.Place.Line, Op: r.Op, Precision: r.Precision,
	}, true
}

// requireSame compares what a quick way made of a record, which may be a plain write, with what the general way made of it.
func requireSame(t require.TestingT, plain bool, slow, fast *Batch, text string) {
	records := fast.Records
	if len(fast.Plain) > 0 {
		require.True(t, plain, text)
		records = append(records, fast.Plain[0].Record("h"))
	}
	require.Equal(t, slow.Records, records, text)
	w, isPlain := plainOf(&slow.Records[0])
	require.Equal(t, plain && isPlain, len(fast.Plain) > 0, text)
	if plain && isPlain {
		require.Equal(t, []Plain{w}, fast.Plain, text)
	}
}

// requireQuick compares what is read of lines one after another with what the general way alone makes of each.
func requireQuick(t require.TestingT, lines []string) (quick int) {
	requireQuickPlain(t, lines, true)
	return requireQuickPlain(t, lines, false)
}

func requireQuickPlain(t require.TestingT, lines []string, plain bool) (quick int) {
	var p, general parser
	p.opt, general.opt = &Options{Plain: plain}, &Options{}
	for i, line := range lines {
		place := finding.Place{File: "h", Line: int64(i + 1)}
		var fast, slow Batch
		data := []byte(line + "\n" + strings.Repeat(" ", 40))
		general.line([]byte(line), place, false, &slow)
		if next := p.quick(data, 0, place, &fast); next > 0 {
			quick++
			require.Equal(t, len(line)+1, next, line)
			require.Empty(t, slow.Aside, line)
			requireSame(t, plain, &slow, &fast, line)
		} else {
			require.Empty(t, fast.Records, line)
			require.Empty(t, fast.Plain, line)
		}
	}
	return quick
}

func TestQuickLinesAreReadLikeAllOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and one goroutine")
	}
	require.Equal(t, 32, requireQuick(t, quickLines))
	for _, line := range quickLines { // each behind each, for what is remembered of the line before
		for _, before := range quickLines {
			requireQuick(t, []string{before, line, before, line})
		}
	}
}

// The frames that a writer makes of all that lines hold, and what mutilates them, are read quickly as they are read
// generally.
func TestQuickFramesAreReadLikeAllOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and one goroutine")
	}
	quick := 0
	var all [][]byte
	for _, line := range append(quickLines, `{"key":"k","value":18446744073709551615,"node":"eu","id":"a\"b","version":18446744073709551615}`) {
		var b Batch
		p := parser{opt: &Options{}}
		p.line([]byte(line), finding.Place{}, false, &b)
		for i := range b.Records {
			var to bytes.Buffer
			w := NewWriter(&to, Msgpack)
			require.NoError(t, w.Write(&b.Records[i]))
			require.NoError(t, w.Close())
			header, size := frameSize(to.Bytes())
			all = append(all, to.Bytes()[header:header+size])
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	var fast, general parser
	general.opt = &Options{}
	place := finding.Place{File: "h", Line: 1}
	for round := range 20_000 {
		frame := slices.Clone(all[round%len(all)])
		if round >= len(all) {
			frame[r.IntN(len(frame))] = byte(r.IntN(256))
			frame = frame[:len(frame)-r.IntN(2)*r.IntN(len(frame))]
		}
		var a, b Batch
		plain := r.IntN(2) == 0
		fast.opt = &Options{Plain: plain}
		if fast.quickFrame(frame, place, &a) {
			quick++
			require.Nil(t, general.frame(frame, b.record(place), &b), "%q", frame)
			requireSame(t, plain, &b, &a, string(frame))
		}
	}
	require.Greater(t, quick, 200)
}

// A line may be the last of what is in memory, cut off anywhere.
func TestQuickStaysWithinTheChunk(t *testing.T) {
	for _, text := range quickLines {
		line := []byte(text + "\n")
		for n := range len(line) {
			p := parser{opt: &Options{}}
			var out Batch
			require.Zero(t, p.quick(line[:n:n], 0, finding.Place{}, &out))
			require.Empty(t, out.Records)
		}
	}
}

func FuzzQuick(f *testing.F) {
	for _, line := range quickLines {
		f.Add(line, quickLines[0])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.Contains(a+b, "\n") {
			return
		}
		requireQuick(t, []string{a, b, a})
		requireForms(t, []string{a, a, b, a})
	})
}
