package replay_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// storyHistory makes writes to a few fields of a few keys, and deletes, whose records say all of what their writers had seen, some
// of it or nothing. It returns the keys too.
func storyHistory(seed uint64) (text string, keys []string) {
	r := rand.New(rand.NewPCG(seed, 6))
	nodes := []string{"ap", "eu", "us"}
	seq, seen := make([]int, len(nodes)), make([][3]int, len(nodes))
	told := r.IntN(3)
	var b strings.Builder
	known := make(map[string]bool)
	for i := range 2 + r.IntN(20) {
		n := r.IntN(len(nodes))
		for m := range nodes {
			if m != n && r.IntN(3) == 0 {
				seen[n][m] = max(seen[n][m], r.IntN(seq[m]+1))
			}
		}
		past := ""
		if told == 2 || told == 1 && r.IntN(2) == 0 {
			var all []string
			for m, node := range nodes {
				if seen[n][m] > 0 {
					all = append(all, fmt.Sprintf("%q:%d", node, seen[n][m]))
				}
			}
			past = `,"seen":{` + strings.Join(all, ",") + "}"
		}
		seq[n]++
		seen[n][n] = seq[n]
		key := []string{"k/1", "k/2", "n/1"}[r.IntN(3)]
		known[key] = true
		what := ""
		switch field := []string{"f", "g"}[r.IntN(2)]; r.IntN(8) {
		case 0:
			what = `"op":"delete"`
		case 1:
			what = fmt.Sprintf(`"op":"delete","field":%q`, field)
		case 2:
			what = fmt.Sprintf(`"op":"set","fields":{"f":%d,"g":[%d]}`, r.IntN(3), r.IntN(3))
		default:
			op := "set"
			if key == "n/1" {
				op = "add"
			}
			what = fmt.Sprintf(`"op":%q,"field":%q,"value":%d`, op, field, r.IntN(3))
		}
		fmt.Fprintf(&b, `{"key":%q,%s,"node":%q,"id":"%s:%d","version":%d,"time":%d%s}`+"\n",
			key, what, nodes[n], nodes[n], seq[n], 1+r.IntN(3), 1_700_000_000_000_000_001+int64(i+r.IntN(4)), past)
	}
	for key := range known {
		keys = append(keys, key)
	}
	return b.String(), keys
}

func collect(t *testing.T, text string) *replay.History {
	h, err := replay.Collect([]history.Source{history.Reader("h", strings.NewReader(text))}, history.Options{Reads: true})
	require.NoError(t, err)
	require.Zero(t, h.Inputs()[0].SetAside, "%v\n%s", h.Inputs()[0].Codes, text)
	return h
}

func plus(a, b replay.Count) replay.Count {
	return replay.Count{Min: a.Min + b.Min, Max: a.Max + b.Max}
}

// once counts a write of a story for what became of it.
func once(step replay.Step) replay.Count {
	if step.Unsure {
		return replay.Count{Max: 1}
	}
	return replay.Count{Min: 1, Max: 1}
}

// either keeps one of two values, or makes a new one.
var either = merge.Custom{Name: "either", Merge: func(a, b value.Value) value.Value {
	if len(a)%2 == 0 {
		return value.Array(a, b)
	}
	return max(a, b)
}}

// What the stories of all keys say of their writes adds up to what the report counts.
func TestStoriesAddUpToTheReport(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and of what is counted, not of who counts it")
	}
	tables := []string{"* * lww", "* * fww", "nodes us < ap < eu\norder node time version\n* * lww", "* * keep-all", "* * refuse", "* * union",
		"* * delete-wins", "* * update-wins", "* f,g lww together\n* * lww", "* * highest g", "n/* * counter\n* f max\n* * min", "* f prefer 2 > 0 > 1\n* * add-wins",
		"* f remove-wins\n* * grow-only", "* f append\n* * either"}
	outcomes := make(map[string]int64)
	for seed := range uint64(400) {
		text, keys := storyHistory(seed)
		h := collect(t, text)
		for _, rules := range tables {
			table := merge.MustParseTable(rules, either)
			run := h.Run(table, replay.Options{})
			var sum replay.Totals
			for _, key := range keys {
				story, err := h.Why(table, key, nil, replay.Options{})
				require.NoError(t, err)
				for _, field := range story.Fields {
					sum.Cells++
					sum.Conflicts = plus(sum.Conflicts, field.Conflicts)
					for _, step := range field.Writes {
						outcomes[step.Outcome]++
						if step.OrLost {
							sum.Lost.Max++
						}
						switch step.Outcome {
						case "kept":
							sum.Kept++
						case "combined":
							sum.Combined++
						case "lost":
							sum.Lost = plus(sum.Lost, once(step))
						case "refused":
							sum.Refused = plus(sum.Refused, once(step))
						}
					}
				}
			}
			about := fmt.Sprintf("seed %d under\n%s\n%s", seed, rules, text)
			require.Equal(t, sum.Cells, run.Totals.Cells, about)
			require.Equal(t, sum.Conflicts, run.Totals.Conflicts, about)
			require.Equal(t, sum.Kept, run.Totals.Kept, about)
			require.Equal(t, sum.Combined, run.Totals.Combined, about)
			require.Equal(t, sum.Lost, run.Totals.Lost, about)
			require.Equal(t, sum.Refused.Max, run.Totals.Refused.Max, about)
		}
		require.NoError(t, h.Close())
	}
	for _, outcome := range []string{"kept", "combined", "lost", "refused", "overwritten"} {
		require.Greater(t, outcomes[outcome], int64(500), outcome)
	}
}

// A diff is what sets two runs apart, cell by cell, and a state what the stories end with.
func TestADiffIsWhatSetsTwoRunsApart(t *testing.T) {
	rules := []string{"* * lww", "* * fww", "nodes us < ap < eu\norder node time version\n* * lww", "* * keep-all", "* * refuse", "* * union",
		"* * delete-wins", "* * update-wins", "n/* * counter\n* f max\n* * min", "* f prefer 2 > 0 > 1\n* * add-wins", "* f remove-wins\n* * refuse", "* f append\n* * either"}
	tables := make([]*merge.Table, len(rules))
	for i, text := range rules {
		tables[i] = merge.MustParseTable(text, either)
	}
	apart := 0
	for seed := range uint64(150) {
		text, keys := storyHistory(seed)
		h := collect(t, text)
		ends := make([]map[string]replay.Ending, len(tables))
		for i, table := range tables {
			ends[i] = make(map[string]replay.Ending)
			for _, key := range keys {
				story, err := h.Why(table, key, nil, replay.Options{})
				require.NoError(t, err)
				for _, field := range story.Fields {
					end := replay.Ending{Line: field.Line, Value: field.Value}
					for _, step := range field.Writes {
						end.Refused = end.Refused || step.Outcome == "refused"
						if step.Outcome == "lost" {
							end.Lost = plus(end.Lost, once(step))
						}
						if step.OrLost {
							end.Lost.Max++
						}
					}
					ends[i][key+" "+field.Field] = end
				}
			}
		}
		first := int(seed) % len(tables)
		shown := make(map[string]value.Value)
		h.Run(tables[first], replay.Options{State: func(l replay.StateLine) { shown[l.Key+" "+l.Field] = value.Value(strings.Clone(string(l.Value))) }})
		for cell, end := range ends[first] {
			require.Equal(t, end.Value, shown[cell], "seed %d: %s under\n%s\n%s", seed, cell, rules[first], text)
			delete(shown, cell)
		}
		require.Empty(t, shown)
		d := h.Diff(append([]*merge.Table{tables[first]}, tables...), replay.Options{Worst: 1000})
		for i, changes := range d.Others {
			var want replay.Changes
			for cell, base := range ends[first] {
				other := ends[i][cell]
				values, refused := base.Value != other.Value, base.Refused != other.Refused
				want.Cells += count(values)
				want.Refused += count(refused)
				want.Differ += count(values || refused)
			}
			about := fmt.Sprintf("seed %d: from\n%s\nto\n%s\n%s", seed, rules[first], rules[i], text)
			require.Equal(t, []int64{want.Cells, want.Refused, want.Differ}, []int64{changes.Cells, changes.Refused, changes.Differ}, about)
			require.Len(t, changes.Largest, int(want.Differ))
			for _, one := range changes.Largest {
				cell := one.Key + " " + one.Field
				one.Base.Rule, one.Base.ID, one.Base.By, one.Other.Rule, one.Other.ID, one.Other.By = "", "", "", "", "", ""
				require.Equal(t, [2]replay.Ending{ends[first][cell], ends[i][cell]}, [2]replay.Ending{one.Base, one.Other}, about)
			}
			apart += int(want.Differ)
		}
		require.NoError(t, h.Close())
	}
	require.Greater(t, apart, 1000)
}

func count(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// Reads of all writes count as lost those that the stories say are.
func TestReadsCountAsLostWhatTheStoriesSayIs(t *testing.T) {
	lost := int64(0)
	for seed := range uint64(300) {
		text, keys := storyHistory(seed)
		var lines strings.Builder
		lines.WriteString(text)
		asked := 0
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			var w struct {
				Key, Field, ID string
			}
			require.NoError(t, json.Unmarshal([]byte(line), &w))
			field := ""
			if w.Field != "" {
				field = fmt.Sprintf(`"field":%q,`, w.Field)
			}
			fmt.Fprintf(&lines, `{"key":%q,"op":"read",%s"saw":%q,"time":1800000000000000001}`+"\n", w.Key, field, w.ID)
			asked++
		}
		h := collect(t, lines.String())
		for _, rules := range []string{"* * lww", "* * fww", "* * max", "k/1 f fww\n* * lww", "nodes us < ap < eu\norder node time version\n* * lww", "* * delete-wins",
			"* f add-wins\n* * remove-wins", "* f counter\n* * append", "* f,g lww together\n* * lww", "* f prefer 2 > 0 > 1\n* * min"} {
			table := merge.MustParseTable(rules)
			of := make(map[string]replay.Count)
			for _, key := range keys {
				story, err := h.Why(table, key, nil, replay.Options{})
				require.NoError(t, err)
				for _, field := range story.Fields {
					for _, step := range field.Writes {
						n := of[step.ID]
						if step.Outcome == "lost" {
							one := once(step)
							n.Min, n.Max = max(n.Min, one.Min), max(n.Max, one.Max)
						}
						of[step.ID] = n
					}
				}
			}
			var want replay.Count
			for _, n := range of {
				want = plus(want, n)
			}
			got, err := reads.Check(h, table, reads.Options{Workers: 1 + int(seed%3)})
			require.NoError(t, err)
			require.EqualValues(t, asked, got.Reads)
			require.Equal(t, want, got.Lost, "seed %d under\n%s\n%s", seed, rules, lines.String())
			lost += got.Lost.Min
		}
		require.NoError(t, h.Close())
	}
	require.Greater(t, lost, int64(500))
}
