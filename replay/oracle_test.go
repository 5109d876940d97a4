package replay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// The oracle of the engine: the facts of section "what a dry run establishes", computed from their definitions, pair by
// pair, by the simulation that made the history. It knows who had seen what, because it was there.

// simOp is one simulated write to a key.
type simOp struct {
	node, seq int
	key       int
	time      int64
	version   int
	value     int
	saw       map[*simOp]bool // all of its causal past
	told      string          // how the record says so: map, list, front, nothing
	name      string          // its id, when that is no number of its node
}

var simNodes = []string{"ap", "eu", "us"}

// simulate makes a history: nodes write, now and then deliver all they know to another, and stamp by clocks that differ.
func simulate(seed uint64, n int, told []string) []*simOp {
	r := rand.New(rand.NewPCG(seed, 1))
	var ops []*simOp
	known := make([]map[*simOp]bool, 3)
	for i := range known {
		known[i] = make(map[*simOp]bool)
	}
	seqs := [3]int{}
	for len(ops) < n {
		node := r.IntN(3)
		if r.IntN(3) == 0 {
			maps.Copy(known[(node+1+r.IntN(2))%3], known[node])
			continue
		}
		seqs[node]++
		o := &simOp{node: node, seq: seqs[node], key: r.IntN(2), time: int64(1000 + 10*len(ops) + r.IntN(30) - 15*node),
			version: r.IntN(2), value: r.IntN(3), saw: make(map[*simOp]bool), told: told[r.IntN(len(told))]}
		for s := range known[node] {
			o.saw[s] = true
		}
		known[node][o] = true
		ops = append(ops, o)
	}
	return ops
}

// nameless gives operations of one key ids that say nothing of their order, to all or to some, and times that say little of it.
func nameless(seed uint64, ops []*simOp) {
	r := rand.New(rand.NewPCG(seed, 3))
	names := r.Perm(len(ops))
	all, step := r.IntN(2) == 0, int64(1+r.IntN(80))
	var last [3]int64
	for i, o := range ops {
		o.key, o.version = 0, 0
		o.time = max(o.time/step*step, last[o.node])
		last[o.node] = o.time
		o.value = 10 + names[i] // of two that are equal in all, either may be the one that is kept
		if all || r.IntN(2) == 0 {
			o.name = fmt.Sprintf("x%02d", names[i])
		}
	}
}

func (o *simOp) id() string {
	if o.name != "" {
		return o.name
	}
	return fmt.Sprintf("%s:%d", simNodes[o.node], o.seq)
}

// line writes the record of an operation.
func (o *simOp) line(all []*simOp) string {
	m := map[string]any{"key": fmt.Sprintf("k/%d", o.key), "field": "f", "value": o.value, "node": simNodes[o.node], "time": o.time, "id": o.id()}
	if o.version > 0 {
		m["version"] = o.version
	}
	switch o.told {
	case "map":
		seen := map[string]int{}
		for s := range o.saw {
			seen[simNodes[s.node]] = max(seen[simNodes[s.node]], s.seq)
		}
		m["seen"] = seen
	case "list": // the latest of each other node, from which the rest follows
		seen := []string{}
		for n := range simNodes {
			var last *simOp
			for _, s := range all {
				if o.saw[s] && s.node == n && (last == nil || s.seq > last.seq) {
					last = s
				}
			}
			if last != nil {
				seen = append(seen, last.id())
			}
		}
		m["seen"] = seen
	case "front": // what no other that it had seen had
		seen := []string{}
		for _, s := range all {
			if o.saw[s] && !slices.ContainsFunc(all, func(other *simOp) bool { return o.saw[other] && other.saw[s] }) {
				seen = append(seen, s.id())
			}
		}
		m["seen"] = seen
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func sourceOf(name, text string) history.Source {
	return history.Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

func runLines(t require.TestingT, table *merge.Table, opt Options, files ...string) *Report {
	return runWith(t, table, opt, history.Options{}, files...)
}

func runWith(t require.TestingT, table *merge.Table, opt Options, read history.Options, files ...string) *Report {
	var sources []history.Source
	for i, f := range files {
		sources = append(sources, sourceOf(fmt.Sprintf("%c.ndjson", 'a'+i), f))
	}
	h, err := Collect(sources, read)
	require.NoError(t, err)
	return h.Run(table, opt)
}

var lwwTable = merge.MustParseTable("nodes ap < eu < us\n* * lww")

// facts counts, by the definitions, what the report should say of a history under lww.
func facts(ops []*simOp) (conflicts, conflicting, overwritten, lost, inversions int64) {
	less := func(a, b *simOp) int {
		for _, c := range [][2]int64{{int64(a.version), int64(b.version)}, {a.time, b.time}, {int64(a.node), int64(b.node)}} {
			if c[0] != c[1] {
				if c[0] < c[1] {
					return -1
				}
				return 1
			}
		}
		return 0
	}
	for key := range 2 {
		var on []*simOp
		for _, o := range ops {
			if o.key == key {
				on = append(on, o)
			}
		}
		if len(on) == 0 {
			continue
		}
		kept := slices.MaxFunc(on, func(a, b *simOp) int {
			if c := less(a, b); c != 0 {
				return c
			}
			return a.value - b.value
		})
		for _, a := range on {
			inConflict, replaced, inverted := false, false, false
			for _, b := range on {
				if a == b {
					continue
				}
				if !a.saw[b] && !b.saw[a] {
					conflicts++
					inConflict = true
				}
				replaced = replaced || b.saw[a]
				inverted = inverted || a.saw[b] && less(b, a) > 0
			}
			if inConflict {
				conflicting++
			}
			if inverted {
				inversions++
			}
			switch {
			case a == kept:
			case replaced:
				overwritten++
			case a.value != kept.value:
				lost++
			}
		}
	}
	return conflicts / 2, conflicting, overwritten, lost, inversions
}

func TestReportStatesTheFactsOfTheHistory(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(20261123)
	parameters.MinSuccessfulTests = 2000
	if testing.Short() {
		parameters.MinSuccessfulTests = 200
	}
	properties := gopter.NewProperties(parameters)
	check := func(seed uint64, n int, told []string, exact bool, change ...func(seed uint64, ops []*simOp)) string {
		ops := simulate(seed, n, told)
		for _, f := range change {
			f(seed, ops)
		}
		var lines []string
		for _, o := range ops {
			lines = append(lines, o.line(ops))
		}
		r := runLines(t, lwwTable, Options{}, strings.Join(lines, "\n"))
		conflicts, conflicting, overwritten, lost, inversions := facts(ops)
		for _, c := range []struct {
			name string
			got  Count
			want int64
		}{
			{"conflicts", r.Totals.Conflicts, conflicts}, {"conflicting", r.Totals.Conflicting, conflicting},
			{"lost", r.Totals.Lost, lost}, {"overwritten", r.Totals.Overwritten, overwritten},
		} {
			if c.got.Min > c.want || c.got.Max < c.want || exact && !c.got.Exact() {
				return fmt.Sprintf("%s: %v, want %d\n%s", c.name, c.got, c.want, strings.Join(lines, "\n"))
			}
		}
		if exact && r.Totals.Inversions != inversions || r.Totals.Inversions > inversions {
			return fmt.Sprintf("inversions: %d, want %d\n%s", r.Totals.Inversions, inversions, strings.Join(lines, "\n"))
		}
		return ""
	}
	properties.Property("exactly, where every record says what its writer had seen", prop.ForAll(
		func(seed uint64, n int) string { return check(seed, n, []string{"map", "list", "front"}, true) },
		gen.UInt64(), gen.IntRange(1, 14)))
	properties.Property("within bounds, where some don't", prop.ForAll(
		func(seed uint64, n int) string { return check(seed, n, []string{"map", "list", "nothing"}, false) },
		gen.UInt64(), gen.IntRange(1, 14)))
	properties.TestingRun(t)

	parameters.MinSuccessfulTests /= 4
	properties = gopter.NewProperties(parameters)
	properties.Property("within bounds, where some tell no more than the latest that they had seen", prop.ForAll(
		func(seed uint64, n int) string {
			return check(seed, n, []string{"map", "list", "front", "nothing"}, false, func(_ uint64, ops []*simOp) {
				for _, o := range ops {
					o.key = 0 // what was seen of another key is known by its lists alone
				}
			})
		}, gen.UInt64(), gen.IntRange(1, 14)))
	properties.Property("within bounds, where nothing puts some of a node in order", prop.ForAll(
		func(seed uint64, n int) string {
			return check(seed, n, []string{"list", "front", "nothing"}, false, nameless)
		}, gen.UInt64(), gen.IntRange(1, 12)))
	properties.TestingRun(t)
}

// However a history is cut into files, shuffled, redelivered, read in chunks of any size, and folded by any number of
// workers, the report says the same, but for places and the count of redeliveries; and equal inputs give equal bytes.
func TestReportDoesNotDependOnOrder(t *testing.T) {
	table := merge.MustParseTable("nodes ap < eu\nk/0 * keep-all\n* * lww\ncheck k/* f < 2\nunique k/* f")
	for seed := range uint64(60) {
		ops := simulate(seed, 40, []string{"map", "list", "nothing"})
		var lines []string
		for _, o := range ops {
			lines = append(lines, o.line(ops))
		}
		var state bytes.Buffer
		keep := func(b *bytes.Buffer) func(StateLine) {
			return func(l StateLine) { _ = json.NewEncoder(b).Encode(l) }
		}
		base := runLines(t, table, Options{State: keep(&state), Workers: 1}, strings.Join(lines, "\n"))
		r := rand.New(rand.NewPCG(seed, 2))
		shuffled := append(slices.Clone(lines), lines[r.IntN(len(lines))], lines[r.IntN(len(lines))])
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		cut := r.IntN(len(shuffled))
		var again bytes.Buffer
		other := runLines(t, table, Options{State: keep(&again), Workers: 3}, strings.Join(shuffled[:cut], "\n"), strings.Join(shuffled[cut:], "\n"))
		require.Equal(t, state.String(), again.String(), "seed %d", seed)
		require.Equal(t, int64(2), other.Totals.Duplicates)
		other.Totals.Duplicates = 0
		require.Equal(t, base.Totals, other.Totals, "seed %d", seed)
		require.Equal(t, base.Rules, other.Rules)
		require.Equal(t, base.Worst, other.Worst)
		require.Equal(t, base.Decided, other.Decided)
		require.Equal(t, base.Skew, other.Skew)
		require.Equal(t, countsOf(base), countsOf(other))
	}
}

func countsOf(r *Report) map[string]int64 {
	counts := map[string]int64{}
	for _, f := range r.Findings {
		if f.Code != "duplicate_op" {
			counts[string(f.Code)] = f.Count
		}
	}
	return counts
}

// A partial of yesterday, joined with today, reports to the byte what both days together do.
func TestPartialsJoinToTheWhole(t *testing.T) {
	for seed := range uint64(40) {
		ops := simulate(seed, 30, []string{"map", "list", "nothing"})
		var lines []string
		for _, o := range ops {
			lines = append(lines, o.line(ops))
		}
		lines = append(lines, lines[0], `{"key":`)
		yesterday, today := strings.Join(lines[:15], "\n"), strings.Join(lines[15:], "\n")
		whole := toJSON(t, runLines(t, lwwTable, Options{}, yesterday, today))

		first, err := Collect([]history.Source{sourceOf("a.ndjson", yesterday)}, history.Options{})
		require.NoError(t, err)
		var saved bytes.Buffer
		require.NoError(t, first.Save(&saved))
		require.True(t, IsPartial(saved.Bytes()))
		loaded, err := Load(&saved, history.Options{})
		require.NoError(t, err)
		second, err := Collect([]history.Source{sourceOf("b.ndjson", today)}, history.Options{})
		require.NoError(t, err)
		second.Join(loaded)
		require.Equal(t, whole, toJSON(t, second.Run(lwwTable, Options{})), "seed %d", seed)
	}
}

func toJSON(t *testing.T, v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	require.NoError(t, err)
	return string(text)
}

func TestDamagedPartialIsRefused(t *testing.T) {
	h, err := Collect([]history.Source{sourceOf("a", `{"key":"k","value":1,"node":"us","time":5,"id":"us:1"}`)}, history.Options{})
	require.NoError(t, err)
	var saved bytes.Buffer
	require.NoError(t, h.Save(&saved))
	for i := range saved.Len() {
		damaged := slices.Clone(saved.Bytes())
		damaged[i] ^= 0x40
		if _, err := Load(bytes.NewReader(damaged), history.Options{}); err != nil {
			require.ErrorIs(t, err, ErrPartial, "byte %d", i)
		}
		_, err := Load(bytes.NewReader(saved.Bytes()[:i]), history.Options{})
		require.ErrorIs(t, err, ErrPartial, "cut at %d", i)
	}
}

// What is said of a history that does not tell all holds of what had truly been seen, under every rule that turns on it.
func TestWhatIsNotKnownIsARangeUnderEveryRule(t *testing.T) {
	deeds := map[string][3]string{ // of the values
		"counter":   {`"op":"delete"`, `"op":"add","value":1`, `"op":"add","value":2`},
		"append":    {`"op":"delete"`, `"op":"insert","value":1`, `"op":"insert","value":2`},
		"add-wins":  {`"op":"remove","value":1`, `"op":"insert","value":1`, `"op":"insert","value":2`},
		"flag":      {`"op":"delete"`, `"value":true`, `"value":false`},
		"refuse":    {`"op":"delete"`, `"value":[1]`, `"value":[2]`},
		"grow-only": {`"op":"delete"`, `"op":"insert","value":1`, `"op":"insert","value":2`},
	}
	for as, like := range map[string]string{"remove-wins": "add-wins", "keep-all": "refuse", "union": "refuse", "delete-wins": "refuse", "update-wins": "refuse",
		"enable-wins": "flag", "disable-wins": "flag", "lww": "refuse", "fww": "refuse", "max": "refuse"} {
		deeds[as] = deeds[like]
	}
	delete(deeds, "flag")
	runs := uint64(50)
	if testing.Short() {
		runs = 15
	}
	ranges := 0
	for rule, deed := range deeds {
		table := merge.MustParseTable("nodes ap < eu < us\n* * " + rule)
		for seed := range runs {
			ops := simulate(seed, 2+int(seed%10), []string{"map", "list", "front", "nothing", "nothing"})
			text := func(told string) string {
				var lines []string
				for _, o := range ops {
					is := *o
					is.key, is.told = 0, cmp.Or(told, o.told)
					line := is.line(ops)
					lines = append(lines, strings.Replace(line, fmt.Sprintf(`"value":%d`, o.value), deed[o.value], 1))
				}
				return strings.Join(lines, "\n")
			}
			is, said := runLines(t, table, Options{}, text("map")).Totals, runLines(t, table, Options{}, text("")).Totals
			for _, c := range []struct {
				name     string
				is, said Count
			}{{"conflicts", is.Conflicts, said.Conflicts}, {"lost", is.Lost, said.Lost}, {"overwritten", is.Overwritten, said.Overwritten}, {"refused", is.Refused, said.Refused}} {
				require.True(t, c.is.Exact(), "%s under %s: %v\n%s", c.name, rule, c.is, text("map"))
				require.True(t, c.said.Min <= c.is.Min && c.is.Max <= c.said.Max, "%s under %s: %v, and it is %d\n%s", c.name, rule, c.said, c.is.Min, text(""))
				if !c.said.Exact() {
					ranges++
				}
			}
		}
	}
	require.Greater(t, ranges, int(runs)*10)
}
