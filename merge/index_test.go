package merge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every table of up to three lines whose patterns have up to three characters, and every key of up to four: the rule of a key,
// those that match it, and the line that leaves another nothing are what trying line by line finds.
func TestTheIndexFindsWhatTryingEachLineFinds(t *testing.T) {
	texts := func(alphabet string, longest int) []string {
		all := []string{""}
		for i, from := 1, 0; i <= longest; i++ {
			next := len(all)
			for _, text := range all[from:next] {
				for _, c := range alphabet {
					all = append(all, text+string(c))
				}
			}
			from = next
		}
		return all
	}
	keys := texts("ab*", 4)
	patterns := []pattern{}
	for _, text := range texts("ab*", 3)[1:] {
		patterns = append(patterns, newPattern(text, false))
		if strings.Contains(text, "*") {
			patterns = append(patterns, newPattern(text, true))
		}
	}
	matches := make([][]bool, len(patterns))
	for p, pattern := range patterns {
		for _, key := range keys {
			matches[p] = append(matches[p], pattern.match(key))
		}
	}
	rules := make([]*Rule, len(patterns))
	for p := range rules {
		rules[p] = &Rule{keys: patterns[p], fields: []pattern{newPattern("*", false)}}
	}
	rest := &Rule{keys: newPattern("*", false), fields: []pattern{newPattern("*", false)}}
	try := func(lines ...int) {
		table := &Table{}
		for _, p := range lines {
			table.Rules = append(table.Rules, rules[p])
		}
		table.Rules = append(table.Rules, rest)
		table.makeIndexes()
		for at, p := range lines {
			first := slices.IndexFunc(table.Rules[:at], func(r *Rule) bool { return r.keys.covers(patterns[p]) })
			if covering := table.covering(at, patterns[p], rest.fields[0]); first < 0 {
				require.Nil(t, covering, "%v", table.Rules)
			} else if covering != table.Rules[first] {
				require.Same(t, table.Rules[first], covering, "%v", table.Rules)
			}
		}
		var found, want []int
		for i, key := range keys {
			want = want[:0]
			for at, p := range lines {
				if matches[p][i] {
					want = append(want, at)
				}
			}
			want = append(want, len(lines))
			found = table.rules.match(found[:0], key)
			if !slices.Equal(want, found) || table.Rule(key, "f") != table.Rules[want[0]] {
				require.Equal(t, want, found, "%v of %q", table.Rules, key)
				require.Same(t, table.Rules[want[0]], table.Rule(key, "f"), "%v of %q", table.Rules, key)
			}
		}
	}
	for a := range patterns {
		for b := range patterns {
			try(a, b)
			step := 1
			if testing.Short() {
				step = 11
			}
			for c := (a + b) % step; c < len(patterns); c += step {
				try(a, b, c)
			}
		}
	}
}

// Finding the rule of a field in a table of so many lines, by its index and by trying line by line. On an AMD EPYC:
//
//	lines        index   line by line
//	     1       16 ns           7 ns
//	    10       28 ns          41 ns
//	   100       44 ns         350 ns
//	 1,000       54 ns       2,800 ns
//	10,000      100 ns      33,000 ns
func BenchmarkRule(b *testing.B) {
	for _, lines := range []int{1, 10, 100, 1000, 10000} {
		var text strings.Builder
		for i := range lines - 1 {
			fmt.Fprintf(&text, "service-%04d/* * lww\n", i)
		}
		table := MustParseTable(text.String() + "* * lww")
		keys := make([]string, 1024)
		for i := range keys {
			keys[i] = fmt.Sprintf("service-%04d/%d", i*7919%lines, i)
		}
		b.Run(fmt.Sprintf("lines=%d/by=index", lines), func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				table.Rule(keys[i%len(keys)], "status")
			}
		})
		b.Run(fmt.Sprintf("lines=%d/by=line", lines), func(b *testing.B) {
			for i := range b.N {
				key := keys[i%len(keys)]
				_ = slices.IndexFunc(table.Rules, func(r *Rule) bool { return r.matches(key, "status") })
			}
		})
	}
}
