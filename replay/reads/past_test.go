package reads

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// What is asked of all operations at once is what it is when each is asked about by itself.
func TestThePastOfAllIsThatOfEach(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for range 2000 {
		k := &replay.KeyOperations{Key: "k"}
		nodes := 1 + r.IntN(4)
		counts := make([]int, nodes)
		for n := range nodes {
			k.Nodes = append(k.Nodes, "n")
			counts[n] = r.IntN(5)
		}
		for n, count := range counts {
			low, high := make([]int32, nodes), make([]int32, nodes)
			for i := range count {
				for m := range nodes { // a node has seen no less than before, and of itself all before
					low[m] = min(low[m]+int32(r.IntN(3)), int32(counts[m]))
					high[m] = min(max(high[m], low[m]+int32(r.IntN(2))), int32(counts[m]))
				}
				low[n], high[n] = int32(i), int32(i)
				o := replay.Operation{Node: n, Low: append([]int32(nil), low...), High: append([]int32(nil), high...)}
				k.Ops = append(k.Ops, o)
			}
		}
		place := func(op int) (node, number int) { // from 1
			for i := 0; i <= op; i++ {
				if k.Ops[i].Node == k.Ops[op].Node {
					number++
				}
			}
			return k.Ops[op].Node, number
		}
		var p past
		p.begin(k)
		of := make([]int64, len(k.Ops))
		for i := range of {
			of[i] = int64(r.IntN(5))
		}
		saw := func(b, a int) bool { node, number := place(a); return a != b && int(k.Ops[b].Low[node]) >= number }
		maySee := func(b, a int) bool { node, number := place(a); return a != b && int(k.Ops[b].High[node]) >= number }
		later, earlier := p.later(of), p.earlier(of)
		for a := range k.Ops {
			least, most := int64(never), int64(ever)
			for b := range k.Ops {
				require.Equal(t, saw(b, a), p.saw(b, a))
				require.Equal(t, maySee(b, a), p.maySee(b, a))
				if saw(b, a) {
					least = min(least, of[b])
				}
				if saw(a, b) {
					most = max(most, of[b])
				}
			}
			if by := later[a]; by < 0 {
				require.EqualValues(t, never, least)
			} else {
				require.Equal(t, least, of[by])
				require.True(t, saw(int(by), a))
			}
			require.Equal(t, most, earlier[a])
		}
	}
}

// A replica that has every write up to a time shows the one that beats all others.
func TestAFrontShowsTheBestSoFar(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 4))
	for range 500 {
		var acts []act
		for range 1 + r.IntN(8) {
			start := int64(1 + r.IntN(9))
			a := act{start: start, end: start + int64(r.IntN(4))}
			switch r.IntN(6) {
			case 0:
				a.start = 0
			case 1:
				a.end = 0
			}
			acts = append(acts, a)
		}
		_, g := registerOf(acts, r.IntN(2) == 0, 0)
		for name, one := range map[string]struct {
			f    *front
			when func(w *write) int64
		}{
			"acked": {&g.fronts.acked, func(w *write) int64 { return w.endHi }}, "may be": {&g.fronts.mayBeAcked, func(w *write) int64 { return w.endLo }},
			"made": {&g.fronts.made, func(w *write) int64 { return w.made }}, "done": {&g.fronts.done, func(w *write) int64 { return w.done }},
		} {
			for at := int64(0); at < 16; at++ {
				best := int32(nothing)
				for i := range g.writes {
					if w := one.when(&g.writes[i]); i != nothing && w != ever && w != never && w < at && g.beats(int32(i), best) {
						best = int32(i)
					}
				}
				require.Equal(t, best, one.f.before(at), "%v: %s at %d", acts, name, at)
			}
			for i := 1; i < len(one.f.at); i++ {
				moved := int32(0)
				if one.f.best[i] != one.f.best[i-1] {
					moved = 1
				}
				require.Equal(t, moved, one.f.moved[i]-one.f.moved[i-1])
			}
		}
	}
}

// Of what began, ended, and was under way at some moment, times with fewer digits mean all that they may be.
func TestSpansAreAllThatTimesMayMean(t *testing.T) {
	const s = int64(1e9)
	for _, c := range []struct {
		start, end, at, within int64
		want                   span
	}{
		{0, 0, 0, 0, span{ever, never, ever, never}},
		{5*s + 1, 6*s + 1, 0, 0, span{5*s + 1, 5*s + 1, 6*s + 1, 6*s + 1}},
		{5*s + 1, 6*s + 1, 5*s + 9, 3, span{5*s + 1, 5*s + 1, 6*s + 1, 6*s + 1}}, // nothing is left to tell
		{5 * s, 6*s + 1e6, 0, 0, span{5 * s, 6*s - 1, 6*s + 1e6, 6*s + 2e6 - 1}},
		{5*s + 1e3, 0, 0, 0, span{5*s + 1e3, 5*s + 2e3 - 1, 5*s + 1e3, never}}, // it ended after it began
		{0, 6*s + 1, 0, 0, span{ever, 6*s + 1, 6*s + 1, 6*s + 1}},
		{0, 0, 5*s + 1, 0, span{ever, 5*s + 1, 5*s + 1, never}},
		{0, 0, 5 * s, 0, span{ever, 6*s - 1, 5 * s, never}},
		{0, 0, 5 * s, 7, span{ever, 6*s - 1, 5 * s, 6*s + 6}},
		{0, 0, 1, 0, span{ever, 1, 1, never}},
		{0, 0, 1, 1, span{ever, 1, 1, 2}},
		{1, 2, 0, 0, span{1, 1, 2, 2}},
		{0, 4*s + 1, 5*s + 1, 0, span{ever, 4*s + 1, 4*s + 1, 4*s + 1}}, // under way after it ended: the end is what it is
		{6*s + 1, 0, 5*s + 1, 0, span{6*s + 1, 6*s + 1, 6*s + 1, never}},
	} {
		got := spanOf(c.start, c.end, c.at, c.within)
		require.Equal(t, c.want, got, "%+v", c)
		require.Equal(t, c.want.startLo == c.want.startHi && c.want.endLo == c.want.endHi, got.exact(), "%+v", c)
	}
	for at, want := range map[int64]int64{1: 1, 1000: 1e3, 1001: 1, 3e6: 1e6, 3e6 + 1e3: 1e3, 7e9: 1e9, 7e9 + 1e6: 1e6} {
		require.Equal(t, want, step(at), at)
	}
	for _, c := range [][3]int64{
		{ever, 5, ever}, {never, -5, never}, {1, 2, 3}, {1, -2, -1}, {1, 0, 1},
		{never - 3, 2, never - 1}, {never - 3, 3, never - 1}, {never - 1, 0, never - 1}, {never - 1, never, never - 1},
		{ever + 3, -2, ever + 1}, {ever + 3, -3, ever + 1}, {ever + 1, -never, ever + 1},
	} {
		require.Equal(t, c[2], plus(c[0], c[1]), "%v", c)
	}
}

// Reads of every write count as many lost ones as a dry run without reads does.
func TestLostWritesAreThoseOfTheDryRun(t *testing.T) {
	lost := int64(0)
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		var lines []string
		nodes := []string{"us", "eu", "ap"}
		seq := make([]int, len(nodes))
		seen := make([][]int, len(nodes)) // of each node, how many of each it has seen
		for n := range seen {
			seen[n] = make([]int, len(nodes))
		}
		told := r.IntN(3) // nothing of what writers had seen, some of it, or all
		var ids []string
		fieldOf := make(map[string]string)
		for i := range 2 + r.IntN(12) {
			n := r.IntN(len(nodes))
			for m := range nodes {
				if r.IntN(3) == 0 {
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
			id := fmt.Sprintf("%s:%d", nodes[n], seq[n])
			field := []string{"f", "g"}[r.IntN(2)]
			ids, fieldOf[id] = append(ids, id), field
			lines = append(lines, fmt.Sprintf(`{"key":"k","field":%q,"value":%d,"node":%q,"id":%q,"version":%d,"time":%d%s}`,
				field, r.IntN(4), nodes[n], id, 1+r.IntN(3), 1_700_000_000_000_000_001+int64(i), past))
		}
		for _, id := range ids {
			lines = append(lines, fmt.Sprintf(`{"key":"k","op":"read","field":%q,"saw":%q,"time":1800000000000000001}`, fieldOf[id], id))
		}
		h, err := replay.Collect([]history.Source{history.Reader("h", strings.NewReader(strings.Join(lines, "\n")))}, history.Options{Reads: true})
		require.NoError(t, err)
		for _, rules := range []string{"* * lww", "* * fww", "* * max", "k f fww\n* * lww", "nodes us < ap < eu\norder node time version\n* * lww", "* * delete-wins", "* f prefer 3 > 1 > 0 > 2\n* * min"} {
			table := merge.MustParseTable(rules)
			run := h.Run(table, replay.Options{})
			got, err := Check(h, table, Options{Workers: 1 + int(seed%3)})
			require.NoError(t, err)
			require.EqualValues(t, len(ids), got.Reads)
			require.Equal(t, run.Totals.Lost, got.Lost, "seed %d under\n%s\n%s", seed, rules, strings.Join(lines, "\n"))
			lost += got.Lost.Min
		}
		require.NoError(t, h.Close())
	}
	require.Greater(t, lost, int64(500))
}
