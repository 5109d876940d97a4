package drill

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// busyDay is a history in which much happens at one moment: many keys, and few moments.
func busyDay(seed uint64, writes int) string {
	r := rand.New(rand.NewPCG(seed, 5))
	var b strings.Builder
	seqs := map[string]int{}
	for range writes {
		node := string(rune('a' + r.IntN(3)))
		seqs[node]++
		ms := 5 + seqs[node]/4
		fmt.Fprint(&b, at(ms, node, seqs[node], fmt.Sprintf("%s%d", []string{"x/", "ref/", "any/"}[r.IntN(3)], r.IntN(40)), fmt.Sprint(r.IntN(9))))
		if r.IntN(3) == 0 {
			fmt.Fprint(&b, readAt(ms, string(rune('a'+r.IntN(3))), fmt.Sprintf("x/%d", r.IntN(40)), "strong"))
		}
	}
	return b.String()
}

// The keys of a history come in an order that is the engine's own affair, and once the bounds of two drills moved because
// it had changed. Chance goes by what a write is, and ties by names, so that a drill of the same history is the same drill.
func TestADrillDoesNotDependOnTheOrderOfTheKeys(t *testing.T) {
	table := merge.MustParseTable("nodes a < b < c\nref/* * refuse\nany/* * keep-all\n* * lww")
	opt := Options{Tables: map[string]*merge.Table{"other": merge.MustParseTable(otherTable)}}
	var reads Reads
	h, err := replay.Collect([]history.Source{history.Reader("h", strings.NewReader(busyDay(1, 300)))}, history.Options{Exclude: reads.Take})
	require.NoError(t, err)
	var keys []*replay.KeyOperations
	h.Operations(replay.Options{}, func(k *replay.KeyOperations) {
		own := replay.KeyOperations{Key: k.Key, Nodes: slices.Clone(k.Nodes)}
		for _, o := range k.Ops {
			o.Fields, o.Low, o.High = slices.Clone(o.Fields), slices.Clone(o.Low), slices.Clone(o.High)
			own.Ops = append(own.Ops, o)
		}
		keys = append(keys, &own)
	})
	require.NoError(t, h.Err())
	require.Greater(t, len(keys), 50)
	traffic := func() *Traffic {
		b := newBuilder(0, true)
		for _, k := range keys {
			b.add(k)
		}
		return b.traffic(reads.list)
	}
	inOrder := traffic()
	var shuffled []*Traffic
	for seed := range uint64(2) {
		rand.New(rand.NewPCG(seed, 6)).Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		shuffled = append(shuffled, traffic())
	}
	said := func(s *Script, traffic *Traffic) string {
		r, err := Run(s, table, traffic, opt)
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, JSON(&out, r))
		return out.String()
	}
	drawn := 0
	for seed := range uint64(40) {
		s := MustParseScript(randomScript(rand.New(rand.NewPCG(seed, 4))))
		want := said(s, inOrder)
		for _, other := range shuffled {
			require.Equal(t, want, said(s, other), "seed %d", seed)
		}
		again := *s
		again.Seed++
		if said(&again, inOrder) != want {
			drawn++
		}
	}
	require.Greater(t, drawn, 20, "chance has a say in these drills")
}
