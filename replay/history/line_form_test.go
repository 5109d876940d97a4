package history

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// requireForms compares what is read of lines, with the form of the lines before at hand, with what the general way alone
// makes of each. It returns how many were read by their form.
func requireForms(t require.TestingT, lines []string) (formed int) {
	p, general := parser{opt: &Options{Plain: true}}, parser{opt: &Options{}}
	text := strings.Join(lines, "\n") + "\n"
	var slow, fast Batch
	for i, line := range lines {
		general.line([]byte(line), finding.Place{File: "h", Line: int64(i + 1)}, false, &slow)
	}
	p.lines(&chunk{name: "h", data: []byte(text), line: 1}, &fast)
	records := slices.Clone(fast.Records)
	for i := range fast.Plain {
		records = append(records, fast.Plain[i].Record("h"))
	}
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.Place.Line, b.Place.Line) })
	require.Equal(t, slow.Records, records)
	require.Equal(t, slow.Aside, fast.Aside)

	p.opt = &Options{Plain: true}
	var again Batch
	for at, next := 0, 0; at < len(text); at += next {
		next = strings.IndexByte(text[at:], '\n') + 1
		if p.lineForm.count > 0 && p.formed([]byte(text[at:]+strings.Repeat(" ", 40)), 0, finding.Place{}, &again) > 0 {
			formed++
		}
	}
	return formed
}

// drawn is what a program writes, and now and then what it does not, for lines and frames alike.
type drawn struct{ *rand.Rand }

func (d drawn) pick(of ...string) string { return of[d.IntN(len(of))] }

// odd returns plain, and one time in twenty one of the others.
func (d drawn) odd(plain string, others ...string) string {
	if d.IntN(20) > 0 {
		return plain
	}
	return d.pick(others...)
}

// members returns the members that each record of one form has, in their order.
func (d drawn) members() []string {
	members := []string{"id", "key", "value", "node"}
	for _, m := range []string{"field", "version", "time", "op"} {
		if d.IntN(3) > 0 {
			members = append(members, m)
		}
	}
	d.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return members
}

func TestLinesOfOneFormAreReadLikeAllOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and one goroutine")
	}
	for _, line := range quickLines {
		for _, other := range quickLines {
			if strings.HasPrefix(line+other, "{") && !strings.Contains(line+other, "\n") {
				requireForms(t, []string{line, line, other, line, other, line, line})
			}
		}
	}
	r := rand.New(rand.NewPCG(3, 1))
	draw := drawn{r}
	pick, odd := draw.pick, draw.odd
	formed := 0
	for range 300 {
		members := draw.members()
		space, comma := pick("", " "), pick(",", ", ")
		var lines []string
		for i := range 40 {
			node := pick("eu", "us-east-1")
			var line []string
			for _, m := range members {
				var v string
				switch m {
				case "id":
					v = odd(fmt.Sprintf(`"%s:%d"`, node, i+1), `"eu:18446744073709551615"`, `"eu:018"`, `"eu:"`, `"x"`, `""`)
				case "key":
					v = odd(fmt.Sprintf(`"users/%d"`, i), `""`, `"ü"`, "7")
				case "field":
					v = odd(pick(`"f"`, `"a longer name"`), `"ü"`, `""`)
				case "value":
					v = odd(pick(`12`, `"text"`, `"a text that is longer than a few words"`, `"\n"`), `-1`, `1.50`, `""`, `"\u0041"`, `null`, `01`, `12345678901234567890`)
				case "version":
					v = odd("7", "123456789012", `"7"`, "-1")
				case "time":
					v = odd(pick("1750000000000000000", `"2025-06-15T15:06:40Z"`), `"1750000000000000000.5"`, "12", "1750000000", "0")
				case "node":
					v = odd(`"`+node+`"`, `"us east"`, `""`)
				case "op":
					v = odd(pick(`"set"`, `"set"`, `"add"`), `"delete"`, `"read"`, `"insert"`)
				}
				line = append(line, `"`+m+`":`+space+v)
			}
			lines = append(lines, "{"+strings.Join(line, comma)+odd("}", "} ", "}\r", ",}"))
		}
		formed += requireForms(t, lines)
	}
	require.Greater(t, formed, 5_000)
}

// A form may be looked for at the end of what is in memory.
func TestAFormStaysWithinTheChunk(t *testing.T) {
	line := []byte(`{"id":"eu:7","key":"a/1","field":"f","value":"text","version":9,"time":1750000000000000000,"node":"eu","op":"add"}` + "\n")
	p := parser{opt: &Options{Plain: true}}
	p.lineForm.learnLine(append(slices.Clone(line), make([]byte, 40)...))
	require.Equal(t, 8, p.lineForm.count)
	for n := range len(line) {
		var out Batch
		require.Zero(t, p.formed(line[:n:n], 0, finding.Place{}, &out))
		require.Empty(t, out.Plain)
	}
}
