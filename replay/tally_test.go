package replay

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// The examples are the lowest of all, whatever the order in which findings are told, and whether or not those that nobody
// wants are put into words.
func TestTallyKeepsTheLowestOfAll(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var all []finding.Finding
	for range 300 {
		all = append(all, finding.Finding{Code: finding.Inversion, Key: string(rune('a' + r.IntN(3))),
			Place: finding.Place{File: "f", Line: r.Int64N(40)}, Detail: string(rune('a' + r.IntN(5)))})
	}
	want := slices.SortedFunc(slices.Values(all), compareFindings)[:MaxExamples]
	for range 50 {
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		var one, other tally
		for i, f := range all {
			into := &one
			if i%3 == 0 {
				into = &other
			}
			if i%2 == 0 {
				into.tell(f)
			} else if into.wants(f.Code, f.Place) {
				into.keep(f)
			}
		}
		one.join(&other)
		require.Equal(t, []Finding{{Code: finding.Inversion, Count: 300, Examples: want}}, one.list())
	}
}

func TestACountOfFindingsStopsAtTheMost(t *testing.T) {
	r := run(t, "* * counter", Options{},
		`{"key":"k","op":"add","value":1,"node":"us","id":"us:1"}`, `{"key":"k","op":"add","value":1,"node":"us","id":"us:18446744073709551615"}`,
		`{"key":"k","op":"add","value":1,"node":"eu","id":"eu:1"}`, `{"key":"k","op":"add","value":1,"node":"eu","id":"eu:18446744073709551615"}`,
		`{"key":"k","op":"add","value":1,"node":"ap","id":"ap:1"}`, `{"key":"k","op":"add","value":1,"node":"ap","id":"ap:18446744073709551615"}`)
	require.Equal(t, int64(math.MaxInt64), foundCount(r, finding.CounterGap))
}
