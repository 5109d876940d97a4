package replay

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// plainHistory is writes of numbered ids that say nothing of what their writers had seen, nearly all to one field of a
// key, with all that makes a key a common one strewn in.
func plainHistory(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 7))
	var b strings.Builder
	var lines []string
	var seqs [4]int
	nodes := []string{"ap", "eu", "us", "xx"}
	for range 40 + r.IntN(400) {
		n := r.IntN(3)
		if r.IntN(200) == 0 {
			n = 3
		}
		seqs[n]++
		id := fmt.Sprintf("%s:%d", nodes[n], seqs[n])
		switch r.IntN(300) {
		case 0:
			id = "odd-" + id
		case 1:
			id = fmt.Sprintf("%s:%d", nodes[n], 1+r.IntN(seqs[n])) // used again
		}
		key, field, op, value := fmt.Sprintf("k/%d", r.IntN(40)), "f", "set", fmt.Sprint(r.IntN(4))
		switch r.IntN(10) {
		case 0, 1:
			key, op = fmt.Sprintf("n/%d", r.IntN(10)), "add"
		case 2:
			key = fmt.Sprintf("m/%d", r.IntN(5))
		}
		switch r.IntN(400) {
		case 0:
			field = "g"
		case 1:
			op = "add"
		case 2:
			value = fmt.Sprintf("%q", value)
		}
		time := fmt.Sprint(1_750_000_000_000_000_000 + 1_000_000_000*int64(r.IntN(20)) + int64(r.IntN(3)))
		if r.IntN(20) == 0 {
			time = fmt.Sprintf(`"2025-06-15T15:06:%02dZ"`, 40+r.IntN(20))
		}
		line := fmt.Sprintf(`{"key":%q,"field":%q,"op":%q,"value":%s,"node":%q,"id":%q,"time":%s,"version":%d`, key, field, op, value, nodes[n], id, time, r.IntN(4))
		if r.IntN(300) == 0 {
			line += `,"seen":{}`
		}
		lines = append(lines, line+"}\n")
		if r.IntN(10) == 0 {
			lines = append(lines, lines[r.IntN(len(lines))])
		}
	}
	for _, at := range r.Perm(len(lines)) {
		b.WriteString(lines[at])
	}
	return b.String()
}

// What a key is folded by must not show in any report.
func TestPlainKeysAreCountedLikeAllOthers(t *testing.T) {
	tables := []string{
		"nodes ap < eu < us\nn/* * counter\nm/* * max\n* * lww\nunique k/* f\nunique n/* f",
		"* * lww",
		"nodes us < eu < ap < xx\norder time version node\nn/* * lww\nm/* * prefer-node eu > us\n* * fww",
		"nodes ap < eu < us\nk/* * prefer 3 > 1 > 0\nm/* * keep-all\n* * min",
		"order time node version\nn/* * counter\n* f,g lww together\n* * lww",
	}
	plain, all := 0, 0
	for seed := range uint64(60) {
		text := plainHistory(seed)
		h, err := Collect([]history.Source{sourceOf("b", text[:len(text)/2]), sourceOf("a", text[len(text)/2:])}, history.Options{Workers: 2})
		require.NoError(t, err)
		for _, rules := range tables {
			table := merge.MustParseTable(rules)
			report := func(claims bool) string {
				opt := &Options{Worst: 50, Workers: 2}
				w := &work{tables: []*merge.Table{table}, opt: opt, claims: claims, state: &stateSorter{store: h.store}}
				r := h.report(table, h.fold(w)[0], opt)
				b, err := json.MarshalIndent(r, "", " ")
				require.NoError(t, err)
				var state strings.Builder
				require.NoError(t, w.state.each(func(l StateLine) { fmt.Fprintf(&state, "%+v\n", l) }))
				return string(b) + state.String()
			}
			require.Equal(t, report(true), report(false), "seed %d, under\n%s", seed, rules)
			f := h.newFolder(&work{tables: []*merge.Table{table}, opt: &Options{}}, maphash.MakeSeed())
			for p := range h.store.parts {
				require.NoError(t, f.part.read(&h.store.parts[p], nil))
				for i := range f.part.keys {
					if all++; f.foldPlain(i) {
						plain++
					}
				}
			}
		}
	}
	require.Greater(t, plain, all/3)
	require.Greater(t, all-plain, all/20)
}
