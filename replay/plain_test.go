package replay

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
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
		if r.IntN(15) == 0 && op == "set" {
			line = deleting(line, field, r.IntN(2) == 0)
		}
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

// deleting makes a line that sets a field one that deletes it, or the whole record.
func deleting(line, field string, whole bool) string {
	before, after, _ := strings.Cut(line, `,"op":"set","value":`)
	_, after, _ = strings.Cut(after, ",")
	if whole {
		before = strings.Replace(before, fmt.Sprintf(`,"field":%q`, field), "", 1)
	}
	return before + `,"op":"delete",` + after
}

// splitHistory is writes to several fields of a key, the ids of which are of all kinds, mostly one for each key. With hot,
// half of the writes are to that key.
func splitHistory(seed uint64, hot string, kind int) string {
	r := rand.New(rand.NewPCG(seed, 8))
	kinds := map[string]int{hot: kind}
	var lines []string
	var seqs [4]int
	nodes := []string{"ap", "eu", "us", "xx"}
	now := int64(1_750_000_000_000_000_000)
	rarely := func() bool { return r.IntN(400) == 0 && (hot == "" || r.IntN(10) == 0) }
	var at clock.Timestamp
	for range 100 + r.IntN(400) {
		n := r.IntN(3)
		if rarely() {
			n = 3
		}
		node := nodes[n]
		key := fmt.Sprintf("%s/%d", []string{"k", "m", "n"}[r.IntN(3)], r.IntN(12))
		if hot != "" && r.IntN(2) == 0 {
			key = hot
		}
		if _, met := kinds[key]; !met {
			kinds[key] = r.IntN(7)
		}
		kind := kinds[key]
		if rarely() {
			kind = r.IntN(7)
		}
		now += 1 + int64(r.IntN(1000))
		if !rarely() {
			at = clock.Timestamp{Wall: now - 7*int64(r.IntN(500_000))}
		}
		if r.IntN(20) == 0 {
			at.Logical = uint32(r.IntN(3))
		}
		version := ""
		id := ""
		switch kind {
		case 0:
			seqs[n]++
			id = fmt.Sprintf("%s:%d", node, seqs[n])
		case 1:
			id = fmt.Sprintf("%s@%s", key, at)
		case 2:
			id = fmt.Sprintf("%s@%s@%s", key, at, node)
		case 3:
			id = fmt.Sprintf("uuid-%d", len(lines)-r.IntN(2)/(1+r.IntN(200)))
		case 4:
			id = fmt.Sprintf("uuid-%d", len(lines))
			version = fmt.Sprint(len(lines))
		case 5:
			version = fmt.Sprint(len(lines))
		}
		if rarely() {
			version = "1"
		}
		op, fields, before := "set", "", ""
		if strings.HasPrefix(key, "n/") && r.IntN(50) > 0 {
			op = "add"
		}
		names := []string{"f", "g", "h"}[:1+r.IntN(3)]
		if seed%4 == 1 && r.IntN(2) == 0 { // of a key of many fields
			for i := range 2 * fewCells {
				if r.IntN(4) == 0 {
					names = append(names, fmt.Sprintf("i%02d", i))
				}
			}
		}
		for _, field := range names {
			value := fmt.Sprint(r.IntN(4))
			if op == "set" && rarely() {
				value = fmt.Sprintf("%q", strings.Repeat(value, 200))
			}
			fields += fmt.Sprintf(",%q:%s", field, value)
			was := value
			if r.IntN(2) == 0 {
				was = fmt.Sprint(r.IntN(4))
			}
			if r.IntN(4) > 0 {
				before += fmt.Sprintf(",%q:%s", field, was)
			}
		}
		line := fmt.Sprintf(`{"key":%q,"op":%q,"node":%q,"time":%q`, key, op, node, at)
		if field, is, _ := strings.Cut(fields[1:], ":"); op == "add" || r.IntN(3) > 0 {
			line += `,"fields":{` + fields[1:] + "}"
			if before != "" && op == "set" {
				line += `,"before":{` + before[1:] + "}"
			}
		} else if !strings.Contains(is, ",") {
			line += `,"field":` + field + `,"value":` + is
		} else {
			line += `,"value":{` + fields[1:] + "}" // the whole record
		}
		if op == "set" && r.IntN(12) == 0 {
			line = fmt.Sprintf(`{"key":%q,"op":"delete","node":%q,"time":%q`, key, node, at)
			if r.IntN(2) == 0 {
				line += fmt.Sprintf(`,"field":%q`, names[r.IntN(len(names))])
			}
			if r.IntN(3) == 0 {
				line += `,"before":1`
			}
		}
		if id != "" {
			line += fmt.Sprintf(`,"id":%q`, id)
		}
		if version != "" {
			line += `,"version":` + version
		}
		if r.IntN(10) == 0 {
			line += `,"tx":"t1"`
		}
		if rarely() {
			line += `,"base":3`
		}
		lines = append(lines, line+"}\n")
		if again := lines[r.IntN(len(lines))]; r.IntN(20) == 0 && strings.Contains(again, `"id"`) || rarely() {
			if rarely() {
				again = strings.Replace(again, `"f":1`, `"f":2`, 1)
			}
			lines = append(lines, again)
		}
	}
	var b strings.Builder
	for _, at := range r.Perm(len(lines)) {
		b.WriteString(lines[at])
	}
	return b.String()
}

// oddRule keeps one of two values, makes a new one, or none, or panics.
var oddRule = merge.Custom{Name: "odd", Merge: func(a, b value.Value) value.Value {
	switch {
	case a == "0" || b == "0":
		return ""
	case a == b:
		return a
	case a == "3" && b == "2":
		panic("no")
	case len(a)+len(b) < 3 && a < b:
		return a + b
	}
	return max(a, b)
}}

// changesUnder compares what tables change with the first of them, and folds no plain key as one when cells is not nil.
func changesUnder(t *testing.T, h *History, rules []string, cells func([]*cell)) string {
	w := &work{opt: &Options{Worst: 50, Workers: 1}, cells: cells}
	for _, text := range rules {
		w.tables = append(w.tables, merge.MustParseTable(text, oddRule))
	}
	d := newDiffer(w.tables, w.opt)
	w.differ = func() *differ { return d }
	h.fold(w)
	b, err := json.MarshalIndent(d.others, "", " ")
	require.NoError(t, err)
	return string(b)
}

// What a key is folded by must not show in any report.
func TestPlainKeysAreCountedLikeAllOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and of what is counted, not of who counts it")
	}
	tables := []string{
		"nodes ap < eu < us\nn/* * counter\nm/* * max\n* * lww\nunique k/* f\nunique n/* f\ncheck n/* f >= 2\ncheck n/* 1 >= f\ncheck n/* g < f\ncheck * f != 1",
		"* * lww",
		"nodes us < eu < ap < xx\norder time version node\nn/* * lww\nm/* * prefer-node eu > us\n* * fww",
		"nodes ap < eu < us\nk/* * prefer 3 > 1 > 0\nm/* * keep-all\n* * min\ncheck m/* f == 3\ncheck k/* f < 3",
		"order time node version\nn/* * counter\n* f,g lww together\n* * lww",
		"nodes ap < eu < us\nn/* f counter\nn/* * lww\nm/* g max\nm/* h highest h\n* * lww\nunique k/* g\ncheck m/* f <= g",
		"nodes ap < eu < us\nn/* * union\nm/* * delete-wins\n* * refuse\nunique m/* f\nunique k/* f",
		"profile cosmosdb\nm/* * max\n* * lww\nunique k/* f",
		"profile cassandra\n* * lww",
		"order time version node\nn/* * keep-all\nm/* * update-wins\n* * odd\nunique k/* f\nunique n/* g\ncheck k/* f > 2\ncheck * f != f",
	}
	plain, all := 0, 0
	for seed := range uint64(100) {
		if testing.Short() && seed%6 > 0 {
			continue
		}
		text := plainHistory(seed)
		if seed >= 50 {
			text = splitHistory(seed, "", 0)
		}
		h, err := Collect([]history.Source{sourceOf("b", text[:len(text)/2]), sourceOf("a", text[len(text)/2:])}, history.Options{Workers: 2})
		require.NoError(t, err)
		require.Equal(t, changesUnder(t, h, tables, func([]*cell) {}), changesUnder(t, h, tables, nil), "seed %d", seed)
		for i, rules := range tables {
			table := merge.MustParseTable(rules, oddRule)
			two := []string{rules, tables[(i+1)%len(tables)]} // under which more keys are plain than under all
			require.Equal(t, changesUnder(t, h, two, func([]*cell) {}), changesUnder(t, h, two, nil), "seed %d, under\n%s", seed, two)
			report := func(cells func([]*cell)) string {
				opt := &Options{Worst: 50, Workers: 2}
				alone := h.report(table, h.fold(&work{tables: []*merge.Table{table}, opt: opt, cells: cells})[0], opt)
				w := &work{tables: []*merge.Table{table}, opt: opt, cells: cells, state: &stateSorter{store: h.store}}
				r := h.report(table, h.fold(w)[0], opt)
				require.Equal(t, alone, r, "seed %d: whether a state is wanted", seed)
				b, err := json.MarshalIndent(r, "", " ")
				require.NoError(t, err)
				var state strings.Builder
				require.NoError(t, w.state.each(func(l StateLine) { fmt.Fprintf(&state, "%+v\n", l) }))
				return string(b) + state.String()
			}
			require.Equal(t, report(func([]*cell) {}), report(nil), "seed %d, under\n%s", seed, rules)
			f := h.newFolder(&work{tables: []*merge.Table{table}, opt: &Options{}}, maphash.MakeSeed())
			for p := range h.store.parts {
				require.NoError(t, f.part.read(&h.store.parts[p]))
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

// A key that is too long for the memory allowed is folded in runs, and nobody can tell.
func TestLongKeysAreCountedLikeShortOnes(t *testing.T) {
	tables := []string{
		"nodes ap < eu < us\nn/* * counter\nm/* * max\n* * lww\nunique k/* f\ncheck n/* f >= 2\ncheck n/* f < 2",
		"nodes us < eu < ap\norder time version node\nn/* * lww\n* * fww",
		"nodes ap < eu < us\nk/* * prefer 3 > 1 > 0\nn/* * counter\n* * min",
		"nodes ap < eu < us\nn/* f counter\nm/* g max\n* h fww\n* * lww\nunique k/* g\ncheck m/* f <= g",
		"profile cosmosdb\nnodes ap < eu < us\nm/* * update-wins\n* * lww",
		"nodes eu < us\n* * lww", // under which no key that ap wrote is plain
		"nodes ap < eu < us\nn/* f keep-all\nn/* * update-wins\nk/* f odd\nk/* * union\nm/* f delete-wins\n* * refuse\nunique k/* g\nunique n/* f",
	}
	long, common := 0, 0
	histories := make([]string, 0, 43)
	for seed := range uint64(33) {
		hot := []string{"k/hot", "m/hot", "n/hot"}[seed%3]
		histories = append(histories, hot+"\n"+splitHistory(seed, hot, int(seed/3)%10))
	}
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 9))
		hot := []string{"k/hot", "n/hot"}[seed%2]
		text := ""
		for i := range uint64(5) { // nodes of their own, so that no number is used twice by accident
			one := strings.ReplaceAll(plainHistory(seed*100+i), `"k/`, fmt.Sprintf(`"k/%d/`, i))
			for _, line := range strings.SplitAfter(one, "\n") {
				if strings.Contains(line, "odd-") || strings.Contains(line, "seen") || strings.Contains(line, `"g"`) || strings.Contains(line, `"xx"`) {
					continue
				}
				for _, node := range []string{"ap", "eu", "us"} {
					line = strings.Replace(line, fmt.Sprintf(`"id":"%s:`, node), fmt.Sprintf(`"id":"%s:%d`, node, 1000+i), 1)
				}
				if r.IntN(4) > 0 && strings.Contains(line, hot[:2]) {
					at := len(`{"key":"`) + strings.Index(line[len(`{"key":"`):], `"`)
					line = `{"key":"` + hot + line[at:]
				}
				text += line
			}
		}
		histories = append(histories, hot+"\n"+text)
	}
	for seed, text := range histories {
		hot, text, _ := strings.Cut(text, "\n")
		read := func(text string, memory int64) *History {
			h, err := Collect([]history.Source{sourceOf("b", text[:len(text)/2]), sourceOf("a", text[len(text)/2:])},
				history.Options{Workers: 2, Memory: memory, Temp: t.TempDir()})
			require.NoError(t, err)
			return h
		}
		both := func(text string) [2]*History { return [2]*History{read(text, -1), read(text, 64<<10)} }
		adds, sets := both(text), both(strings.ReplaceAll(text, `"op":"add"`, `"op":"set"`))
		for _, rules := range tables {
			table := merge.MustParseTable(rules, oddRule)
			h := sets // for increments under a rule that has no use for them make a key a common one
			if seed%5 == 0 || table.Rule(hot, "f").Takes(merge.Add) {
				h = adds
			}
			whole, bounded := h[0], h[1]
			report := func(h *History) string {
				opt := &Options{Worst: 50, Workers: 2}
				w := &work{tables: []*merge.Table{table}, opt: opt, state: &stateSorter{store: h.store}}
				r := h.report(table, h.fold(w)[0], opt)
				require.NoError(t, h.Err())
				b, err := json.MarshalIndent(r, "", " ")
				require.NoError(t, err)
				var state strings.Builder
				require.NoError(t, w.state.each(func(l StateLine) { fmt.Fprintf(&state, "%+v\n", l) }))
				return string(b) + state.String()
			}
			require.Equal(t, report(whole), report(bounded), "seed %d, under\n%s", seed, rules)
			f := bounded.newFolder(&work{tables: []*merge.Table{table}, opt: &Options{}}, maphash.MakeSeed())
			f.limit = 2 << 10
			others, ok, err := f.foldRuns(&bounded.store.parts[partition(hot)], hot, newAlike(hot))
			require.NoError(t, err)
			if ok {
				long++
				require.Equal(t, hot, f.sums[0].worst.cells[0].Key)
				require.Less(t, others.size, bounded.store.parts[partition(hot)].size)
			} else {
				common++
			}
		}
		for _, h := range append(adds[:], sets[:]...) {
			require.NoError(t, h.Close())
		}
	}
	require.Greater(t, long, 100)
	require.Greater(t, common, 20)
}

// What a plain key is ordered by is what the rule says of the writes, to the rung.
func TestPlainWritesAreOrderedAsTheirRuleSays(t *testing.T) {
	h := &History{names: newNames()}
	nodes := []uint32{uint32(h.names.of("eu")), uint32(h.names.of("us")), uint32(h.names.of("xx"))}
	k := plainKey{folder: &folder{part: part{history: h}}}
	r := rand.New(rand.NewPCG(5, 1))
	draw := func() *plainOp {
		return &plainOp{
			version: r.Uint64N(3), wall: int64(r.IntN(3)) - 1, logical: r.Uint32N(2), node: nodes[r.IntN(3)],
			value: []value.Value{"0", "1", "1.0", "2"}[r.IntN(4)], kind: merge.Set,
		}
	}
	for _, text := range []string{
		"nodes eu < us\n* * lww", "* * lww", "nodes eu < us\norder time version node\n* * lww",
		"nodes eu < us\n* * fww", "nodes eu < us\n* * max", "profile couchbase\n* * lww", "profile cosmosdb\n* * lww",
		"nodes eu < us\norder time version node\n* * fww", "nodes eu < us\norder node time version\n* * lww", "nodes eu < us\norder version node time\n* * fww",
	} {
		of := merge.MustParseTable(text).Rules[0]
		rule := plainRuleOf(of)
		for range 2000 {
			a, b := draw(), draw()
			var one, other merge.Write
			k.write(&one, a)
			k.write(&other, b)
			want, wantBy := rule.Compare(&one, &other)
			order, by := k.order(&rule, a, b)
			require.Equal(t, want, order, text)
			require.Equal(t, wantBy, by, text)
		}
	}
}
