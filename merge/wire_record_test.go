package merge

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/ordered"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// records returns the record of every key of a state.
func records(t testing.TB, s *State) map[string][]byte {
	all := make(map[string][]byte)
	for _, key := range s.Keys(0, s.Len()) {
		data, err := s.AppendRecord(nil, key)
		require.NoError(t, err)
		all[key] = data
	}
	return all
}

func applyAll(t testing.TB, s *State, ops []Op) {
	for _, op := range ops {
		_, err := s.Apply(op)
		require.NoError(t, err)
	}
}

// somewhere returns a state of random operations, which may have been settled in between.
func somewhere(t testing.TB, r *rand.Rand, n int) *State {
	ops := operations(r, n)
	s := NewState(everyRule)
	applyAll(t, s, ops)
	if r.IntN(3) == 0 {
		s.Settle(seenOf(ops))
	}
	return s
}

func TestEqualStatesHaveEqualRecordsInWhateverOrderTheyCame(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 0))
		ops := operations(r, 1+r.IntN(40))
		first, second, parts := NewState(everyRule), NewState(everyRule), NewState(everyRule)
		applyAll(t, first, ops)
		for _, i := range r.Perm(len(ops)) {
			applyAll(t, second, ops[i:i+1])
			applyAll(t, second, ops[:1])
		}
		for range 3 { // the third comes to be by records alone, of parts that overlap
			part := NewState(everyRule)
			for i, op := range ops {
				if r.IntN(2) == 0 || i%3 == 0 {
					applyAll(t, part, []Op{op})
				}
			}
			for _, data := range records(t, part) {
				_, _, err := parts.MergeRecord(data, Limits{})
				require.NoError(t, err)
			}
		}
		for _, data := range records(t, second) {
			_, _, err := parts.MergeRecord(data, Limits{})
			require.NoError(t, err)
		}
		want := records(t, first)
		require.Equal(t, want, records(t, second), "seed %d", seed)
		require.Equal(t, want, records(t, parts), "seed %d", seed)
		for key, data := range want {
			sum, err := first.Sum(key)
			require.NoError(t, err)
			require.Equal(t, Sum(data), sum)
		}
	}
}

// changed must say the truth, for a replica passes on what changed and nothing else.
func TestMergingARecordIsMergingTheStateAndSaysWhetherItChanged(t *testing.T) {
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 1))
		a, b := somewhere(t, r, 30), somewhere(t, r, 30)
		if r.IntN(2) == 0 { // b has a part of what a has
			ops := operations(rand.New(rand.NewPCG(seed, 2)), 30)
			a, b = NewState(everyRule), NewState(everyRule)
			applyAll(t, a, ops)
			applyAll(t, b, ops[:r.IntN(30)])
		}
		whole := NewState(everyRule)
		require.NoError(t, whole.Merge(a))
		require.NoError(t, whole.Merge(b))
		if a.settled != nil {
			whole.Settle(*a.settled) // as a does with what comes to it
		}
		before := records(t, a)
		for key, data := range records(t, b) {
			got, changed, err := a.MergeRecord(data, Limits{})
			require.NoError(t, err)
			require.Equal(t, key, got)
			after, err := a.AppendRecord(nil, key)
			require.NoError(t, err)
			require.Equal(t, !bytes.Equal(before[key], after), changed, "seed %d key %s\n%q\n%q", seed, key, before[key], after)
			_, changed, err = a.MergeRecord(data, Limits{})
			require.NoError(t, err)
			require.False(t, changed, "seed %d key %s again", seed, key)
		}
		require.Equal(t, records(t, whole), records(t, a), "seed %d", seed)
	}
}

func TestEveryRuleHasARecordThatReadsBack(t *testing.T) {
	for _, rc := range ruleCases {
		t.Run(rc.rule, func(t *testing.T) {
			table := MustParseTable("nodes a < b < c\n* f "+rc.rule+"\n* * lww", longest)
			seen := 0
			histories(3, len(rc.actions), func(events []event) {
				if seen++; seen%7 != 0 {
					return
				}
				prepare(table, events, func(what int) (Kind, value.Value) { return rc.actions[what].kind, rc.actions[what].value })
				s, back := NewState(table), NewState(table)
				for i := range events {
					applyAll(t, s, []Op{events[i].op})
				}
				if seen%2 == 0 {
					s.Settle(horizonOf(events, 7))
				}
				data, err := s.AppendRecord(nil, "k")
				require.NoError(t, err)
				_, changed, err := back.MergeRecord(data, Limits{})
				require.NoError(t, err)
				require.True(t, changed)
				require.True(t, s.keys["k"].cells.First().cell.Equal(back.keys["k"].cells.First().cell))
				again, err := back.AppendRecord(nil, "k")
				require.NoError(t, err)
				require.Equal(t, data, again)
				for i := range events {
					require.Equal(t, s.keys["k"].cells.First().cell.Judge(&events[i].c).Outcome, back.keys["k"].cells.First().cell.Judge(&events[i].c).Outcome)
				}
			})
		})
	}
}

func TestARecordOfAnotherTableIsRefusedIfItsLinesDecideOtherwise(t *testing.T) {
	const lines = "nodes a < b\norders/* total max\n"
	here := NewState(MustParseTable(lines + "* * lww"))
	applyAll(t, here, []Op{{Key: "orders/1", Fields: []Field{field("total", "5", ""), field("state", `"new"`, "")}}})
	data, err := here.AppendRecord(nil, "orders/1")
	require.NoError(t, err)
	for text, same := range map[string]bool{
		lines + "* * lww":                               true,
		lines + "carts/* * add-wins\n* * lww":           true, // about other keys
		lines + "* state fww\n* * lww":                  false,
		lines + "* * fww":                               false,
		"order time version node\n" + lines + "* * lww": false,
		"nodes b < a\norders/* total max\n* * lww":      false,
	} {
		there := NewState(MustParseTable(text))
		_, changed, err := there.MergeRecord(data, Limits{})
		if same {
			require.NoError(t, err)
			require.Equal(t, value.Value("5"), there.Get("orders/1", "total"))
			continue
		}
		require.ErrorIs(t, err, ErrMismatch, text)
		require.False(t, changed)
		require.Zero(t, there.Len())
	}
}

// sealed puts a new checksum on a record that was changed.
func sealed(data []byte) []byte {
	if len(data) < checksumSize {
		return data
	}
	data = bytes.Clone(data)
	end := len(data) - checksumSize
	data[end] = 0xce
	binary.BigEndian.PutUint32(data[end+1:], crc32.Checksum(data[:end], castagnoli))
	return data
}

// refusedOrCanonical reports a record that is taken, and then written otherwise; one that is refused must change nothing.
func refusedOrCanonical(t testing.TB, table *Table, data []byte, limits Limits) (accepted bool) {
	s := NewState(table)
	key, _, err := s.MergeRecord(data, limits)
	if err != nil {
		require.Zero(t, s.Len())
		return false
	}
	again, err := s.AppendRecord(nil, key)
	require.NoError(t, err)
	require.Equal(t, data, again)
	for _, c := range s.Cells() {
		c.Value()
		c.Write()
	}
	s.Settle(clock.Up("eu", 3))
	return true
}

func TestDamagedAndForgedRecordsAreRefusedOrCanonical(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for round := range 12 {
		s := somewhere(t, r, 40)
		for _, data := range records(t, s) {
			for i := range data {
				_, _, err := s.MergeRecord(data[:i], Limits{})
				require.ErrorIs(t, err, ErrRecord)
				for bit := range 8 {
					damaged := bytes.Clone(data)
					damaged[i] ^= 1 << bit
					_, _, err := s.MergeRecord(damaged, Limits{})
					require.ErrorIs(t, err, ErrRecord)
					if round == 0 || !testing.Short() {
						refusedOrCanonical(t, everyRule, sealed(damaged), Limits{})
					}
				}
			}
		}
	}
}

// forgery is a record of k under forgeTable, part by part.
type forgery struct {
	version    uint64
	key, print string
	deletes    []Op
	cells      []forgedCell
	rest       string
}

type forgedCell struct {
	name string
	line uint64
}

var forgeTable = MustParseTable("k a,b lww together\nk * lww\n* * max")

func (f *forgery) bytes(t *testing.T) []byte {
	w := newEncoder(nil)
	w.Array(6)
	w.Uint(f.version)
	w.Text(f.key)
	w.Bytes([]byte(f.print))
	w.Array(8 * len(f.deletes))
	for i := range f.deletes {
		d := &f.deletes[i]
		w.Text(d.ID)
		w.Vector(&d.Seen)
		w.stamp(&d.Stamp)
		w.Dot(d.Dot)
	}
	w.Array(3 * len(f.cells))
	for i, c := range f.cells {
		w.Text(c.name)
		w.Uint(c.line)
		w.write(&Write{ID: fmt.Sprint(i)})
	}
	require.NoError(t, w.Err)
	return sealed(append(append(w.B, f.rest...), make([]byte, checksumSize)...))
}

// A record with the right checksum is refused for what is wrong with it, and nothing of it is taken.
func TestAForgedRecordIsRefusedForWhatIsWrongWithIt(t *testing.T) {
	at := func(wall int64) Op { return Op{Stamp: lww.Stamp{Time: clock.Timestamp{Wall: wall}}} }
	for _, c := range []struct {
		forge func(*forgery)
		want  string // "" when it is taken
	}{
		{func(f *forgery) {}, ""},
		{func(f *forgery) { f.version = 2 }, "version 2, known is 1"},
		{func(f *forgery) { f.key = "" }, "it has no key"},
		{func(f *forgery) { f.key = "other" }, ErrMismatch.Error()},
		{func(f *forgery) { f.print = "12345678" }, ErrMismatch.Error()},
		{func(f *forgery) { f.rest = "\x00" }, "1 bytes are left over"},
		{func(f *forgery) { f.cells = nil }, ""},
		{func(f *forgery) { f.deletes = nil }, ""},
		{func(f *forgery) { f.cells, f.deletes = nil, nil }, "it is empty"},
		{func(f *forgery) { f.deletes = []Op{at(1)} }, ""},
		{func(f *forgery) { f.deletes = []Op{at(2), at(1), at(3)} }, "deletes are not ascending"},
		{func(f *forgery) { f.deletes = []Op{at(1), at(1)} }, "deletes are not ascending"},
		{func(f *forgery) { f.deletes = []Op{at(1), at(3), at(2)} }, "deletes are not ascending"},
		{func(f *forgery) { f.cells[1].line = 3 }, "line 3 of 3"},
		{func(f *forgery) { f.cells[1].line = 2 }, `cell "c" is not of its rule`},
		{func(f *forgery) { f.cells[0].name = "a" }, `cell "a" is not of its rule`},
		{func(f *forgery) { f.cells[1].name = "a" }, `cell "a" is not of its rule`},
		{func(f *forgery) { f.cells[2].line = 0 }, `cell "d" is not of its rule`},
		{func(f *forgery) { f.cells[2].name = "c" }, "cells are not ascending"},
		{func(f *forgery) { f.cells[1], f.cells[2] = f.cells[2], f.cells[1] }, "cells are not ascending"},
		{func(f *forgery) { f.cells[1] = forgedCell{"a,b", 1} }, ""}, // a field of that name
		{func(f *forgery) { f.cells[0], f.cells[1] = forgedCell{"a,b", 1}, f.cells[0] }, "cells are not ascending"},
		{func(f *forgery) { f.cells = append(f.cells, forgedCell{"c", 1}) }, "cells are not ascending"},
	} {
		s := NewState(forgeTable)
		f := &forgery{version: 1, key: "k", print: s.rulesOf("k").print, deletes: []Op{at(1), at(2)},
			cells: []forgedCell{{"a,b", 0}, {"c", 1}, {"d", 1}}}
		f.deletes[0].Dot, f.deletes[1].Dot = clock.Dot{Node: "a", Seq: 1}, clock.Dot{Node: "b", Seq: 1}
		c.forge(f)
		data := f.bytes(t)
		key, changed, err := s.MergeRecord(data, Limits{})
		if c.want == "" {
			require.NoError(t, err, "%+v", f)
			require.Equal(t, "k", key)
			require.True(t, changed)
			i := 0
			for d := range s.keys["k"].deletes.All {
				require.Equal(t, f.deletes[i].Dot, d.Dot)
				i++
			}
			require.Len(t, f.deletes, i)
			continue
		}
		require.ErrorContains(t, err, c.want, "%+v", f)
		sentinel := ErrRecord
		if c.want == ErrMismatch.Error() {
			sentinel = ErrMismatch
		}
		require.ErrorIs(t, err, sentinel, "%+v", f)
		require.False(t, changed)
		require.Empty(t, key)
		require.Zero(t, s.Len())
	}
}

// The dot of a write stands in it, and beside it in the frame of its register: both must be the same.
func TestAWriteUnderAnothersDotIsRefused(t *testing.T) {
	table := MustParseTable("* * keep-all")
	for _, c := range []struct {
		dot clock.Dot
		ok  bool
	}{{clock.Dot{Node: "a", Seq: 1}, true}, {clock.Dot{Node: "a", Seq: 2}, false}} {
		s := NewState(table)
		cell := table.Rules[0].NewCell()
		_, err := cell.more.(*live).register.WriteAt(clock.Dot{Node: "a", Seq: 1}, Write{Dot: c.dot}, clock.Vector{})
		require.NoError(t, err)
		s.add("k", &record{rules: s.rulesOf("k"), cells: ordered.Of([]namedCell{{"f", cell}})})
		data, err := s.AppendRecord(nil, "k")
		require.NoError(t, err)
		_, _, err = NewState(table).MergeRecord(data, Limits{})
		require.Equal(t, c.ok, err == nil)
		if !c.ok {
			require.ErrorContains(t, err, "a write of another dot than its own")
		}
	}
}

func TestRecordsAreBoundedByTheirLimits(t *testing.T) {
	s := NewState(MustParseTable("* s add-wins\n* * lww"))
	var elements []value.Value
	for i := range 100 {
		elements = append(elements, value.Int(int64(i)))
	}
	applyAll(t, s, []Op{{Key: "k", Fields: []Field{field("s", value.Array(elements...), "")}, Dot: clock.Dot{Node: "a", Seq: 1}}})
	data, err := s.AppendRecord(nil, "k")
	require.NoError(t, err)
	for limits, ok := range map[Limits]bool{
		{}:                     true,
		{Bytes: len(data)}:     true,
		{Bytes: len(data) - 1}: false,
		{Entries: 200}:         true,
		{Entries: 199}:         false,
	} {
		_, _, err := NewState(s.table).MergeRecord(data, limits)
		require.Equal(t, ok, err == nil, "%+v: %v", limits, err)
	}
}

func TestWhatARecordOrAnOperationDeclaresIsNotReserved(t *testing.T) {
	s := NewState(everyRule)
	s.rulesOf("k")
	head := append([]byte{0x96, 1, 0xa1, 'k', 0xc4, 8}, s.rulesOf("k").print...)
	for name, bomb := range map[string][]byte{
		"deletes": {0xdd, 0x7f, 0xff, 0xff, 0xf8},
		"cells":   {0x90, 0xdd, 0x7f, 0xff, 0xff, 0xff},
		"a text":  {0x98, 0xdb, 0x7f, 0xff, 0xff, 0xff},
		"runs":    {0x98, 0xa0, 0xdd, 0x7f, 0xff, 0xff, 0xff},
	} {
		data := sealed(append(append(bytes.Clone(head), bomb...), 0, 0, 0, 0, 0))
		got := testing.AllocsPerRun(10, func() {
			_, _, err := s.MergeRecord(data, Limits{})
			require.ErrorIs(t, err, ErrRecord, name)
		})
		require.Less(t, got, 40.0, name)
	}
	for name, bomb := range map[string][]byte{
		"fields": {0x9c, 1, 0, 0xa1, 'k', 0xdd, 0x7f, 0xff, 0xff, 0xff},
		"a text": {0x9c, 1, 0, 0xdb, 0x7f, 0xff, 0xff, 0xff},
		"runs":   {0x9c, 1, 0, 0xa1, 'k', 0x90, 0xa0, 0xdd, 0x7f, 0xff, 0xff, 0xff},
	} {
		_, err := DecodeOp(bomb, Limits{})
		require.ErrorIs(t, err, ErrOp, name)
	}
}

func TestWhatARecordCannotHoldIsNotWritten(t *testing.T) {
	s := NewState(everyRule)
	_, err := s.AppendRecord(nil, "none")
	require.ErrorIs(t, err, ErrRecord)
	applyAll(t, s, []Op{
		{Key: "rest/1", Fields: []Field{field("f", "not JSON", "")}},
		{Key: "rest/2", Fields: []Field{field("f", "1", "")}, Stamp: lww.Stamp{Node: "a node"}},
		{Key: "keep-all/1", Fields: []Field{field("f", "01", "")}, Dot: clock.Dot{Node: "a", Seq: 1}},
		{Key: "add-wins/1", Kind: Insert, Fields: []Field{field("f", "[1, 2]", "")}, Dot: clock.Dot{Node: "a", Seq: 1}},
		{Key: "counter/1", Kind: Add, Fields: []Field{field("f", "1", "")}, Dot: clock.Dot{Node: "a node", Seq: 1}},
	})
	for _, key := range s.Keys(0, s.Len()) {
		b, err := s.AppendRecord([]byte("as it was"), key)
		require.ErrorIs(t, err, ErrRecord, key)
		require.Equal(t, "as it was", string(b))
		_, err = s.Sum(key)
		require.ErrorIs(t, err, ErrRecord, key)
	}
	_, err = s.Apply(Op{Key: "k", Dot: clock.Dot{Node: "a", Seq: MaxSeq + 1}})
	require.ErrorIs(t, err, clock.ErrDot)
}

func TestKeysAreGoneThroughInPiecesWhileOthersCome(t *testing.T) {
	s := NewState(everyRule)
	write := func(i int) {
		applyAll(t, s, []Op{{Key: fmt.Sprint("rest/", i), Fields: []Field{field("f", "1", "")}}})
	}
	for i := range 10 {
		write(i)
	}
	met := make(map[string]int)
	for at := 0; at < s.Len(); at += 3 {
		if at < 9 {
			write(100 + at)
			write(at)
		}
		for _, key := range s.Keys(at, 3) {
			met[key]++
		}
	}
	require.Len(t, met, 13)
	for key, times := range met {
		require.Equal(t, 1, times, key)
	}
	require.Empty(t, s.Keys(-1, -1))
	require.Empty(t, s.Keys(math.MaxInt, 1))
	require.Len(t, s.Keys(0, math.MaxInt), 13)
}

// An operation that asks nothing of any field leaves no key behind, on none of the replicas.
func TestAnOperationWithoutClaimsLeavesNoKey(t *testing.T) {
	s := NewState(everyRule)
	verdicts, err := s.Apply(Op{Key: "k"})
	require.NoError(t, err)
	require.Empty(t, verdicts)
	require.Zero(t, s.Len())
}

func TestRecordsAndOperationsAreMsgpackToOtherReaders(t *testing.T) {
	s := somewhere(t, rand.New(rand.NewPCG(8, 8)), 60)
	for _, data := range records(t, s) {
		d := msgpack.NewDecoder(bytes.NewReader(data))
		require.NoError(t, d.Skip())
		_, err := d.PeekCode()
		require.Error(t, err, "nothing comes after it")
	}
	op := typicalOp()
	data, err := op.AppendBinary(nil)
	require.NoError(t, err)
	d := msgpack.NewDecoder(bytes.NewReader(data))
	require.NoError(t, d.Skip())
	_, err = d.PeekCode()
	require.Error(t, err)
}

var rewrite = flag.Bool("rewrite", false, "write the frozen operations and records of this version, where there are none")

// What was written once can be read for ever, and is still written the same.
func TestFrozenOperationsAndRecordsStillReadTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(20261123, 0))
	ops := append(operations(r, 60), typicalOp())
	var opLines strings.Builder
	for _, op := range ops {
		data, err := op.AppendBinary(nil)
		require.NoError(t, err)
		fmt.Fprintf(&opLines, "%x\n", data)
	}
	frozen(t, "op", opLines.String(), func(data []byte) {
		op, err := DecodeOp(data, Limits{})
		require.NoError(t, err)
		again, err := op.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, data, again)
	})
	plain, settled := NewState(everyRule), NewState(everyRule)
	ops = operations(r, 200)
	for _, s := range []*State{plain, settled} {
		applyAll(t, s, ops)
	}
	settled.Settle(seenOf(ops))
	var recordLines strings.Builder
	for _, s := range []*State{plain, settled} {
		for _, key := range s.Keys(0, s.Len()) {
			data, err := s.AppendRecord(nil, key)
			require.NoError(t, err)
			fmt.Fprintf(&recordLines, "%x\n", data)
		}
	}
	frozen(t, "record", recordLines.String(), func(data []byte) {
		require.True(t, refusedOrCanonical(t, everyRule, data, Limits{}))
	})
}

// frozen reads every line of a frozen file, which is made of text if it is to be made.
func frozen(t *testing.T, name, text string, read func(data []byte)) {
	file := filepath.Join("testdata", "frozen", name+".v1.hex")
	if *rewrite {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) // never over a frozen one
		require.NoError(t, err)
		_, err = f.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	lines, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotEmpty(t, lines)
	for line := range strings.Lines(string(lines)) {
		data, err := hex.DecodeString(strings.TrimSpace(line))
		require.NoError(t, err)
		read(data)
	}
}

func FuzzMergeRecord(f *testing.F) {
	for _, data := range records(f, somewhere(f, rand.New(rand.NewPCG(1, 2)), 120)) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		refusedOrCanonical(t, everyRule, sealed(data), Limits{})
		s := somewhere(t, rand.New(rand.NewPCG(3, 4)), 20)
		before := records(t, s)
		if _, changed, err := s.MergeRecord(sealed(data), Limits{Bytes: 1 << 12}); err != nil || !changed {
			require.Equal(t, before, records(t, s))
		}
	})
}

func FuzzDecodeOp(f *testing.F) {
	for _, op := range append(operations(rand.New(rand.NewPCG(1, 2)), 40), typicalOp()) {
		data, err := op.AppendBinary(nil)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		op, err := DecodeOp(data, Limits{})
		if err != nil {
			require.ErrorIs(t, err, ErrOp)
			return
		}
		again, err := op.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, data, again)
		if s := NewState(everyRule); !op.Dot.IsZero() {
			_, err := s.Apply(op)
			require.NoError(t, err)
			data, err := s.AppendRecord(nil, op.Key)
			if err != nil && s.Len() > 0 {
				t.Fatal(err)
			}
			if s.Len() > 0 {
				require.True(t, refusedOrCanonical(t, everyRule, data, Limits{}))
			}
		}
	})
}

// A state that took a record keeps nothing of the bytes it came in: they may be overwritten.
func TestARecordIsTakenWithoutItsBytes(t *testing.T) {
	from := NewState(MustParseTable("nodes a < b\n* s add-wins\n* * lww"))
	us := writer{node: "a"}
	for _, op := range []Op{
		us.op(Set, "a key of some length", 1, field("f", `"a text of some length"`, "")),
		us.op(Insert, "a key of some length", 2, field("s", `"an element of some length"`, "")),
	} {
		_, err := from.Apply(op)
		require.NoError(t, err)
	}
	data, err := from.AppendRecord(nil, "a key of some length")
	require.NoError(t, err)
	want := string(data)
	to := NewState(from.Table())
	_, _, err = to.MergeRecord(data, Limits{})
	require.NoError(t, err)
	for i := range data {
		data[i] = '?'
	}
	got, err := to.AppendRecord(nil, "a key of some length")
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

// The record of a set does not grow with the number of its operations: no hole is left between the dots of one and those of the next.
func TestTheRecordOfASetDoesNotGrowWithItsOperations(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		for _, rule := range []string{"add-wins", "remove-wins"} {
			s, us := NewState(MustParseTable("nodes a < b\n* * "+rule)), writer{node: "a"}
			s.Ordered = ordered
			sizes := make([]int, 2)
			for i := range 200 {
				_, err := s.Apply(us.op(Insert, "k", int64(i), field("f", "1", "")))
				require.NoError(t, err)
				if i == 20 || i == 199 {
					b, err := s.AppendRecord(nil, "k")
					require.NoError(t, err)
					sizes[i/199] = len(b)
				}
			}
			require.LessOrEqual(t, sizes[1], sizes[0]+8, "%s, ordered: %v", rule, ordered)
		}
	}
}
