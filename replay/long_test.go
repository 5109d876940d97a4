package replay

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// commonHistory is the exports of two regions, mostly writes to one key with all that a common key may hold, and writes to
// keys that look like it.
func commonHistory(seed uint64) (us, eu string) {
	r := rand.New(rand.NewPCG(seed, 11))
	ops := simulate(seed, 60+r.IntN(200), []string{"map", "list", "nothing"})
	var a, b strings.Builder
	for i, o := range ops {
		line := strings.Replace(o.line(ops), fmt.Sprintf("k/%d", o.key), []string{"k/hot", "k/hot", "k/hot", "K/hot", "k/h\u200bot", "k/1"}[r.IntN(6)], 1)
		key := line[strings.Index(line, `"key":`):]
		key = key[:strings.Index(key, ",")]
		who := fmt.Sprintf(`%s,"node":%q,"time":%d`, key, simNodes[o.node], o.time)
		switch r.IntN(12) {
		case 0:
			line = fmt.Sprintf(`{%s,"op":"delete","id":%q}`, who, o.id())
		case 1:
			row := fmt.Sprintf(`"f":%d,"g":%d,"items":["x"]`, r.IntN(3), r.IntN(3))
			before := `{"f":1,"g":2}`
			if i%2 == 0 { // a wide one
				before = `{"f":1,"g":2,"h3":1,"h4":2}`
				for n := range fewFields {
					row += fmt.Sprintf(`,"h%d":%d`, n, r.IntN(3))
				}
			}
			line = fmt.Sprintf(`{%s,"op":"set","fields":{%s},"before":%s}`, who, row, before)
		case 2:
			line = fmt.Sprintf(`{%s,"field":"items","op":%q,"value":"e%d","id":"x%d"}`, who, []string{"insert", "remove"}[r.IntN(2)], r.IntN(4), r.IntN(i+1))
		case 3:
			line = fmt.Sprintf(`{%s,"field":"f","value":%d,"version":%d,"base":%d,"id":"x%d"}`, who, r.IntN(5), r.IntN(4), r.IntN(4), r.IntN(i+1))
		case 4:
			line = strings.Replace(line, fmt.Sprintf(`"id":%q`, o.id()), `"tx":"t"`, 1)
		}
		if r.IntN(8) > 0 {
			a.WriteString(line + "\n")
		}
		if r.IntN(3) > 0 {
			b.WriteString(line + "\n")
		}
		if r.IntN(10) == 0 {
			a.WriteString(line + "\n")
		}
	}
	return a.String(), b.String()
}

// How long a key is must not show in any report: whether its payloads are kept or read again, and whether it is folded in
// ordinary memory or in far memory.
func TestLongCommonKeysAreFoldedLikeShortOnes(t *testing.T) {
	tables := []string{
		"nodes ap < eu < us\n* items add-wins\n* g max\n* * lww\nunique k/* f\ncheck k/* f <= g",
		"* items remove-wins\n* f counter\n* * keep-all",
		"nodes us < eu < ap\norder time version node\n* f,g lww together\n* items grow-only\n* * fww",
		"nodes ap < eu < us\n* items append\n* * refuse",
		"* items union\n* * delete-wins",
	}
	far, seeds := 0, uint64(12)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		us, eu := commonHistory(seed)
		read := func(memory int64, l lengths) *History {
			h, err := Collect([]history.Source{
				{Name: "us", Region: "us", Open: sourceOf("", us).Open},
				{Name: "eu", Region: []string{"eu", ""}[seed%2], Open: sourceOf("", eu).Open},
			}, history.Options{Workers: 2, Memory: memory, Temp: t.TempDir()})
			require.NoError(t, err)
			h.lengths = l
			return h
		}
		short, long, bounded := read(-1, usualLengths), read(-1, lengths{many: 3, run: 5}), read(16<<10, lengths{many: 3, run: 5})
		wide := read(-1, lengths{keep: usualLengths.keep, fields: 20, many: usualLengths.many})
		require.Zero(t, short.Inputs()[0].SetAside, "%v", short.inputs[0].told.list())
		for i, rules := range tables {
			table := merge.MustParseTable(rules)
			says := func(h *History) string {
				var state strings.Builder
				r := h.Run(table, Options{Worst: 50, Lag: []time.Duration{0, 0, 40}[(int(seed)+i)%3],
					State: func(l StateLine) { fmt.Fprintf(&state, "%+v\n", l) }})
				require.NoError(t, h.Err())
				b, err := json.MarshalIndent(r, "", " ")
				require.NoError(t, err)
				why, err := h.Why(table, "k/hot", nil, Options{})
				require.NoError(t, err)
				story, err := json.MarshalIndent(why, "", " ")
				require.NoError(t, err)
				laws, err := json.MarshalIndent(h.Laws(table, Options{}), "", " ")
				require.NoError(t, err)
				return fmt.Sprintf("%s\n%s\n%s\n%s", b, state.String(), story, laws)
			}
			want := says(short)
			requireSame(t, want, says(long), seed, rules)
			requireSame(t, want, says(bounded), seed, rules)
			requireSame(t, want, says(wide), seed, rules)
		}
		if bounded.store.parts[partition("k/hot")].size > bounded.store.fold(2) {
			far++
		}
		require.NoError(t, bounded.Close())
	}
	require.Greater(t, far, int(seeds)*2/3)
}

// The payloads of a few wide rows take more memory than those of many narrow ones, and to read a whole row again for each of its
// fields takes time by the square of their number.
func TestWideRowsAreReadFieldByField(t *testing.T) {
	const rows, fields = 20, 4000
	var lines strings.Builder
	for i := range rows {
		fmt.Fprintf(&lines, `{"key":"k","node":"n%d","time":%d,"fields":{"f0":%d`, i%2, i+1, i)
		for n := range fields - 1 {
			fmt.Fprintf(&lines, `,"f%d":%d`, n+1, i)
		}
		lines.WriteString("}}\n")
	}
	h, err := Collect([]history.Source{sourceOf("h", lines.String())}, history.Options{})
	require.NoError(t, err)
	require.Greater(t, rows*fields, usualLengths.fields)
	f := h.newFolder(&work{tables: []*merge.Table{lwwTable}, opt: &Options{}}, maphash.MakeSeed())
	require.NoError(t, f.part.read(&h.store.parts[partition("k")]))
	require.False(t, f.foldPlain(0))
	k := f.part.key(0, &f.room)
	require.Nil(t, k.kept)
	k.know(&Options{}, f.common)
	cells := k.fold(lwwTable, f.sums[0])
	require.Len(t, cells, fields)
	for _, c := range cells {
		require.Len(t, c.op, rows)
		claim := c.claim(rows / 2)
		require.Equal(t, c.name, claim.Op.Fields[0].Name)
		require.Len(t, claim.Op.Fields, 1)
		require.EqualValues(t, "19", c.shown)
	}
}

// Far memory looks at how much it holds after many bytes as well as after many steps: a value may be of megabytes.
func TestFarMemoryLetsGoOfLongValues(t *testing.T) {
	const most, piece = 8 << 20, 1 << 20
	f, err := newFar(t.TempDir(), most, 0)
	require.NoError(t, err)
	if f == nil {
		t.Skip("there is none")
	}
	defer func() { require.NoError(t, f.close()) }()
	all := listOf[byte](f, 64*piece)
	for range 1 << 10 { // short steps, after which nobody would look for a while
		f.tick()
	}
	before, _ := f.usage.bytes()
	for at := 0; at < len(all); at += piece {
		f.tick()
		f.touch(piece)
		for i := at; i < at+piece; i += 1 << 12 {
			all[i] = 1
		}
		after, _ := f.usage.bytes()
		require.Less(t, after-before, int64(2*most))
	}
}

// Far memory goes beyond its own bound while the process as a whole is within another.
func TestFarMemoryHoldsMoreWhereThereIsRoom(t *testing.T) {
	const most, size = 1 << 20, 32 << 20
	for _, inAll := range []int64{0, math.MaxInt64} {
		f, err := newFar(t.TempDir(), most, inAll)
		require.NoError(t, err)
		if f == nil {
			t.Skip("there is none")
		}
		before, _ := f.usage.bytes()
		all := listOf[byte](f, size)
		for at := 0; at < size; at += 1 << 12 {
			f.tick()
			all[at] = 1
		}
		after, _ := f.usage.bytes()
		if held := after - before; inAll == 0 {
			require.Less(t, held, int64(4*most))
		} else {
			require.GreaterOrEqual(t, held, int64(size))
		}
		require.NoError(t, f.close())
	}
}

// Records that are in memory make room for a key that does not fit, and for no other.
func TestRecordsMakeRoomForALongKey(t *testing.T) {
	const writes = 100_000
	for _, hot := range []int{1, 2, 1000} {
		var lines strings.Builder
		for i := range writes {
			key := 0
			if i%hot > 0 {
				key = i
			}
			fmt.Fprintf(&lines, `{"key":"k/%d","field":"f","value":%d,"node":"us","id":"us:%d","time":%d}`+"\n", key, i, i+1, int64(1e18)+int64(i))
		}
		h, err := Collect([]history.Source{sourceOf("h", lines.String())}, history.Options{Workers: 2, Memory: 16 << 20, Temp: t.TempDir()})
		require.NoError(t, err)
		held := h.store.held.Load()
		require.Positive(t, held)
		table := merge.MustParseTable("* * union")
		first := h.Run(table, Options{})
		require.EqualValues(t, writes, first.Totals.Writes)
		blocks := 0
		for p := range h.store.parts {
			blocks += len(h.store.parts[p].blocks)
		}
		if hot < 3 {
			require.Less(t, h.store.held.Load(), int64(1<<10)) // of numbers
			require.Zero(t, blocks)
		} else {
			require.Equal(t, held, h.store.held.Load())
			require.Positive(t, blocks)
		}
		require.Equal(t, first, h.Run(table, Options{}))
		require.NoError(t, h.Err())
		require.NoError(t, h.Close())
	}
}

// Whatever walks over far memory says so at each step, or more is held of it for a while than is allowed.
func TestFarMemoryIsLookedAtWhereverItIsWalkedOver(t *testing.T) {
	if runtime.GOOS != "linux" || testing.Short() {
		t.Skip("there is none, or it is long")
	}
	// A few steps here and there map some two MB, a walk over all operations more than four.
	const writes, bound = 40_000, 7 << 19
	nodes := []string{"ap", "eu", "us"}
	r := rand.New(rand.NewPCG(7, 1))
	look := func(rules, origin, us, eu string) {
		h, err := Collect([]history.Source{
			{Name: "us", Region: "us", Open: sourceOf("", us).Open},
			{Name: "eu", Region: "eu", Open: sourceOf("", eu).Open},
		}, history.Options{Workers: 2, Memory: 8 << 20, Temp: t.TempDir(), Origin: origin})
		require.NoError(t, err)
		require.Zero(t, h.Inputs()[0].SetAside, "%v", h.inputs[0].told.list())
		var most int64
		h.lengths.looked = func(grown int64) { most = max(most, grown) }
		s := h.Run(merge.MustParseTable(rules), Options{})
		require.NoError(t, h.Err())
		require.GreaterOrEqual(t, s.Totals.Writes, int64(writes/2))
		require.Greater(t, most, int64(1<<19), rules)
		require.Less(t, most, int64(bound), rules)
		require.NoError(t, h.Close())
	}
	for _, of := range []struct {
		rules string
		line  func(i int, who string) string
	}{
		{"* * keep-all\ncheck * f <= g", func(i int, who string) string {
			return fmt.Sprintf(`%s,"field":"f","value":%d,"seen":{"ap":%d}`, who, r.IntN(50), 1+r.IntN(i))
		}},
		{"* * lww", func(i int, who string) string {
			return fmt.Sprintf(`%s,"field":"f","value":%d,"seen":["x%d","x%d"]`, strings.Replace(who, `"id":"`, `"id":"x`, 1), r.IntN(50), r.IntN(i), r.IntN(i))
		}},
		{"* * max\nunique * f", func(i int, who string) string {
			return fmt.Sprintf(`%s,"field":"f","value":%d,"version":%d,"base":%d`, who, r.IntN(50), 9+i/2, 9+i/2-r.IntN(3))
		}},
		{"* * fww", func(i int, who string) string {
			who, _, _ = strings.Cut(who, `,"id"`)
			return fmt.Sprintf(`%s,"field":"f","value":%d,"time":%d,"seen":{"ap":%d}`, who, r.IntN(50), int64(1e18)+int64(i)/9, i)
		}},
		{"* * add-wins", func(i int, who string) string {
			return fmt.Sprintf(`%s,"op":%q,"field":"f","value":"e%d"`, who, []string{"insert", "remove"}[r.IntN(2)], r.IntN(50))
		}},
		{"* g counter\n* f,h lww together\n* * lww", func(i int, who string) string {
			if r.IntN(20) == 0 {
				return who + `,"op":"delete","seen":{}`
			}
			return fmt.Sprintf(`%s,"fields":{"f":%d,"g":%d,"h":%q}`, who, r.IntN(50), i, strings.Repeat("h", r.IntN(99)))
		}},
	} {
		var lines, half strings.Builder
		seqs := make([]int, len(nodes))
		for i := 1; i <= writes; i++ {
			n := r.IntN(len(nodes))
			seqs[n]++
			line := of.line(i, fmt.Sprintf(`{"key":"k","node":%q,"id":"%s:%d"`, nodes[n], nodes[n], seqs[n]))
			if !strings.Contains(line, `"time"`) {
				line += fmt.Sprintf(`,"time":%d`, int64(1e18)+int64(i)*1000+int64(r.IntN(5000)))
			}
			fmt.Fprintf(&lines, "%s}\n", line)
			if i%2 == 0 {
				fmt.Fprintf(&half, "%s}\n", line)
			}
		}
		look(of.rules, "", lines.String(), half.String())
	}
	var feeds [2]strings.Builder
	at := [2]int64{1e18, 1e18}
	row := "null"
	for i := range writes { // with deletes, which arrive in the other region as rows do
		n := r.IntN(2)
		before := row
		if row = "null"; r.IntN(10) > 0 || before == "null" {
			row = fmt.Sprintf(`{"id":1,"origin":%q,"f":%d}`, []string{"us", "eu"}[n], i)
		}
		for _, in := range []int{n, 1 - n} {
			at[in] = max(at[in], at[n]) + 1000
			fmt.Fprintf(&feeds[in], `{"after":%s,"before":%s,"key":[1],"topic":"k","updated":"%d.0000000000","mvcc_timestamp":"%[3]d.0000000000"}`+"\n", row, before, at[in])
		}
	}
	look("* * lww", "origin", feeds[0].String(), feeds[1].String())
}

// requireSame shows the first line in which two long texts differ.
func requireSame(t *testing.T, want, got string, seed uint64, rules string) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		require.Equal(t, w[i], g[i], "line %d, seed %d, under\n%s", i, seed, rules)
	}
	require.Len(t, g, len(w))
}

// Far memory is zero when it is handed out, keeps what is in it when the system takes its pages, and says so when there is
// no room for more.
func TestFarMemoryKeepsWhatIsInIt(t *testing.T) {
	f, err := newFar(t.TempDir(), 1, 0) // all is too much: every tick that looks lets go
	require.NoError(t, err)
	if runtime.GOOS != "linux" {
		require.Nil(t, f)
		return
	}
	require.NotNil(t, f)
	var lists [][]int64
	for i := range 50 {
		list := listOf[int64](f, 1+i*997)
		for j := range list {
			require.Zero(t, list[j])
			list[j] = int64(i)<<32 | int64(j)
			f.tick()
		}
		lists = append(lists, list)
	}
	for i, list := range lists {
		for j := range list {
			require.Equal(t, int64(i)<<32|int64(j), list[j])
		}
	}
	before, _ := f.usage.bytes()
	letGo(f.all, f.used)
	after, _ := f.usage.bytes()
	require.Less(t, after, before)
	err = guarded(func() error { f.take(len(f.all)); return nil })
	require.ErrorContains(t, err, "one key needs more than")
	require.Panics(t, func() { _ = guarded(func() error { panic("another") }) })
	require.NoError(t, f.close())
}

// What a base tells is the same whether all writes of its version are walked over for each write that names it or once.
func TestABaseTellsWhatAllWritesOfItsVersionSay(t *testing.T) {
	several := 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 13))
		var lines []string
		for i := range 40 {
			lines = append(lines, fmt.Sprintf(`{"key":"k","field":"f","value":%d,"node":%q,"id":"x%d","time":%d,"version":%d,"base":%d}`,
				i, []string{"ap", "eu", "us", ""}[r.IntN(4)], i, r.IntN(50), r.IntN(6), r.IntN(7)))
		}
		h, err := Collect([]history.Source{sourceOf("h", strings.Join(lines, "\n"))}, history.Options{})
		require.NoError(t, err)
		f := h.newFolder(&work{tables: []*merge.Table{lwwTable}, opt: &Options{}}, maphash.MakeSeed())
		require.NoError(t, f.pick(&h.store.parts[partition("k")], "k", nil, nil, func(k *key) error {
			k.know(&Options{}, f.common)
			for i := range k.ops {
				o := &k.ops[i]
				lo, hi := make([]int32, len(k.nodes)), make([]int32, len(k.nodes))
				got := k.seenBase(i, lo, hi)
				wantLow, wantHigh := make([]int32, len(k.nodes)), make([]int32, len(k.nodes))
				made, older := 0, false
				for j := range k.ops {
					b := &k.stand[j]
					older = older || k.ops[j].version > 0 && k.ops[j].version < o.base
					if j == i || o.base == 0 || k.ops[j].version != o.base {
						continue
					}
					made++
					wantLow[b.node] = b.index
					if b.after+1 < b.until { // nothing puts it in order
						wantLow[b.node] = b.after
					}
					wantHigh[b.node] = max(wantHigh[b.node], b.until)
				}
				if made > 1 {
					several++
					clear(wantLow)
				}
				// Of its own node a write has seen all before it, whatever its base.
				own := k.stand[i].node
				lo[own], hi[own], wantLow[own], wantHigh[own] = 0, 0, 0, 0
				require.Equal(t, made > 0 || !older, got)
				require.Equal(t, wantLow, lo)
				require.Equal(t, wantHigh, hi)
			}
			return nil
		}))
	}
	require.Greater(t, several, 100)
}
