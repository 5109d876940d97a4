package history

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// quickLines are lines that quick reads, and near misses that it must leave alone.
var quickLines = []string{
	`{"key":"k","value":1,"node":"eu"}`,
	`{"key": "k", "value": "a b", "node": "eu", "op": "set"}`,
	`{"key":"k","op":"add","value":17,"node":"eu","id":"eu:7","version":3,"time":1750000004077976072,"tx":"t"}`,
	`{"id":"eu:1","key":"a/1","field":"f","value":"x\n","version":1,"time":"2026-03-01T10:20:30.5Z","node":"eu","op":"set"}`,
	`{"key":"k","value":-1,"node":"eu","base":4,"before":12,"seen":{"eu":1,"us":2}}`,
	`{"key":"k","fields":{"a":1,"b":[1,2]},"node":"eu","seen":["eu:1"]}`,
	`{"key":"k","value":{"b":1,"a":2},"node":"eu"}`,
	`{"key":"k","op":"delete","node":"eu"}`,
	`{"key":"k","op":"read","saw":12,"want":"strong","served_by":"x"}`,
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
	`{}`, `{"key":"k"}`, ``, `[]`, `{"key`, `{"key":`, `{"key":"k`,
}

// requireQuick compares what is read of lines one after another with what the general way alone makes of each.
func requireQuick(t require.TestingT, lines []string) (quick int) {
	var p, general parser
	p.opt, general.opt = &Options{}, &Options{}
	for i, line := range lines {
		place := finding.Place{File: "h", Line: int64(i + 1)}
		var fast, slow Batch
		data := []byte(line + "\n" + strings.Repeat(" ", 40))
		general.line([]byte(line), place, false, &slow)
		if next := p.quick(data, 0, place, &fast); next > 0 {
			quick++
			require.Equal(t, len(line)+1, next, line)
			require.Equal(t, slow.Records, fast.Records, line)
			require.Empty(t, slow.Aside, line)
		} else {
			require.Empty(t, fast.Records, line)
		}
	}
	return quick
}

func TestQuickLinesAreReadLikeAllOthers(t *testing.T) {
	require.Equal(t, 9, requireQuick(t, quickLines))
	for _, line := range quickLines { // each behind each, for what is remembered of the line before
		for _, before := range quickLines {
			requireQuick(t, []string{before, line, before, line})
		}
	}
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
	})
}
