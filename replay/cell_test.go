package replay

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// namelessHistory is writes to three keys, as lines of our own and as messages of CockroachDB, of which nobody knows where they
// were made. Some say what their writers had seen, which may be what was written later.
func namelessHistory(seed uint64) (known, unknown string) {
	r := rand.New(rand.NewPCG(seed, 11))
	nodes := []string{"ap", "eu", "us"}
	var seqs [3]int
	var ids [3][]string // of the messages
	var lines, rows strings.Builder
	const start, length = 1_750_000_000_000_000_000, 10_000
	for range 10 + r.IntN(200) {
		at, key := start+r.Int64N(length), r.IntN(3)
		ids[key] = append(ids[key], fmt.Sprintf("k/%d@%s", key, clock.Timestamp{Wall: at}))
		fmt.Fprintf(&rows, `{"after":{"f":[%d]},"key":[%d],"topic":"k","updated":"%d.0000000000"}`+"\n", r.IntN(5), key, at)
	}
	for range 10 + r.IntN(400) {
		key, n := r.IntN(3), r.IntN(3)
		seqs[n]++
		fmt.Fprintf(&lines, `{"id":"%s:%d","key":"k/%d","field":"f","op":"set","value":[%d],"node":%q,"time":%d`,
			nodes[n], seqs[n], key, r.IntN(5), nodes[n], start+r.Int64N(length))
		switch many := len(ids[key]); r.IntN(5) {
		case 0, 1:
			var seen []string
			for m := range nodes {
				if up := r.IntN(seqs[m] + 1); up > 0 {
					seen = append(seen, fmt.Sprintf("%q:%d", nodes[m], up))
				}
			}
			fmt.Fprintf(&lines, `,"seen":{%s}`, strings.Join(seen, ","))
		case 2:
			lines.WriteString(`,"seen":[]`)
		case 3:
			if many > 0 {
				fmt.Fprintf(&lines, `,"seen":[%q]`, ids[key][r.IntN(many)])
			}
		}
		lines.WriteString("}\n")
	}
	return lines.String(), rows.String()
}

// A state that was folded in parts is the one of all claims in a row, and whether a refused claim is one for certain is what looking at
// every other one tells.
func TestManyClaimsAreFoldedAsFewAre(t *testing.T) {
	long, contested, uncontested := 0, 0, 0
	for seed := range uint64(320) {
		known, unknown := namelessHistory(seed)
		sources := []history.Source{sourceOf("a", known), sourceOf("b", unknown)}
		if seed/8%2 == 1 { // where somebody is unknown, nearly nothing is refused for certain
			sources = sources[:1]
		}
		h, err := Collect(sources, history.Options{})
		require.NoError(t, err)
		rule := []string{"refuse", "refuse", "keep-all", "add-wins", "remove-wins", "grow-only", "disable-wins", "append"}[seed%8]
		table := merge.MustParseTable("nodes ap < eu < us\n* * " + rule)
		h.fold(&work{tables: []*merge.Table{table}, opt: &Options{Workers: 1, Lag: time.Duration(seed % 3 * 1000)}, cells: func(cells []*cell) {
			for _, c := range cells {
				if len(c.op) > 100 && len(c.key.nodes) == 4 {
					long++
				}
				state := c.rule.NewCell()
				c.apply(&state, 0, len(c.op))
				require.True(t, state.Equal(c.state), "seed %d: %s", seed, c.key.name)
				may := func(j, i int) bool {
					at, o := int(c.op[j]), &c.key.stand[c.op[i]]
					return j != i && (c.key.past.high(at, int(o.node)) >= o.index || c.key.stand[at].node == o.node && c.key.nodes[o.node] == "")
				}
				seen := make([]bool, len(c.op)) // perhaps, by another
				standing := 0
				for i := range c.op {
					for j := range c.op {
						seen[i] = seen[i] || may(j, i)
					}
					if !seen[i] {
						standing++
					}
				}
				for i := range c.op {
					v := c.state.Judge(c.claim(i))
					if v.Outcome != merge.Refused {
						continue
					}
					want := c.isUnsure() && (seen[i] || standing < 2)
					require.Equal(t, want, c.fate(i, &v).perhaps, "seed %d: %s", seed, c.key.place(c.opOf(i)))
					if want {
						uncontested++
					} else {
						contested++
					}
				}
			}
		}})
	}
	require.Greater(t, long, 10)
	require.Greater(t, contested, 200)
	require.Greater(t, uncontested, 200)
}

// A replica has no cell for it either: see [merge.State.Apply].
func TestARecordThatWasOnlyDeletedShowsNothing(t *testing.T) {
	for _, rule := range []string{"append", "add-wins", "grow-only", "counter", "enable-wins", "lww", "keep-all", "refuse", "max"} {
		told := func(l StateLine) { t.Errorf("%s: %+v", rule, l) }
		run(t, "* * "+rule, Options{State: told}, `{"key":"k","op":"delete","node":"us","id":"us:1","time":1}`, `{"key":"k","op":"delete","node":"eu","id":"eu:1","time":2}`)
	}
}
