package replay

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

func writtenRecords() []history.Record {
	bare := history.Record{Key: "k", Node: "us", Place: finding.Place{File: "a", Line: 1}}
	full := history.Record{
		Key: "key/1", Op: merge.Remove, Node: "eu", Version: 1 << 63, Time: clock.Timestamp{Wall: -5, Logical: 1<<32 - 1},
		Precision: history.Nanosecond, ID: "eu:7", Region: "west", Place: finding.Place{File: "b", Line: 1 << 40, Item: 300},
		Fields: []history.Field{{Name: "f", Value: `"v"`, Before: `1`}, {Name: "", Value: `null`}},
		Knows:  true, Whole: true, Seen: []string{"us:1", "x"}, SeenUp: []clock.Dot{{Node: "us", Seq: 200}}, Base: 9, HasBase: true, Tx: "t",
	}
	empty := bare
	empty.Knows = true // and had seen nothing
	long := bare
	long.Fields = []history.Field{{Name: "f", Value: "9"}}
	long.Tx = strings.Repeat("x", 1<<14-20)
	longer := bare
	longer.Tx = strings.Repeat("x", 1<<21)
	return []history.Record{bare, full, empty, long, longer, bare}
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	names := newNames()
	var b []byte
	for i, rec := range writtenRecords() {
		b = appendRecord(b, &numbers{names: names}, &rec, rec.Number(), int64(i)+1)
	}
	r, keys := reader{b: b, names: names.texts}, reader{b: b}
	var rec history.Record
	for i, want := range writtenRecords() {
		require.Equal(t, want.Key, keys.key())
		at := r.record(&rec)
		require.False(t, r.bad, "record %d", i)
		if want.Region != "" {
			require.Equal(t, int64(i)+1, at, "the position of a record in its export")
		}
		require.Equal(t, string(want.Node), names.text(uint64(r.node)))
		got := rec
		if len(got.Fields) == 0 {
			got.Fields = nil
		}
		if len(got.Seen) == 0 {
			got.Seen = nil
		}
		if len(got.SeenUp) == 0 {
			got.SeenUp = nil
		}
		require.Equal(t, want, got, "record %d", i)
	}
	require.False(t, r.more())
	require.False(t, keys.more())
}

func plainWrites() []history.Plain {
	bare := history.Plain{Key: "k", Value: "1", Node: "us", Number: 1, Line: 1}
	full := history.Plain{Key: "key/1", Field: "f", Value: `"v"`, Node: "eu", Wall: 1750000000000000001, Version: 1<<32 - 1,
		Number: 1<<32 - 1, Line: 1<<32 - 1, Op: merge.Add, Precision: history.Nanosecond}
	wide := full
	wide.Version, wide.Number = 1<<63+5, 1<<40+7
	long := full
	long.Key, long.Field, long.Value = strings.Repeat("k", 127), strings.Repeat("f", 128), value.Value(`"`+strings.Repeat("v", 1<<14-400)+`"`)
	return []history.Plain{bare, full, wide, long, bare}
}

func TestPlainWritesComeBackAsTheyWere(t *testing.T) {
	names := newNames()
	for i := range 70_000 { // a number that is too large for its place
		names.of(fmt.Sprint(i))
	}
	for _, node := range []string{"us", "eu"} {
		var b []byte
		file, node := names.of("h"), names.of(node)
		for _, w := range plainWrites() {
			size, ok := plainSize(&w)
			require.True(t, ok)
			before := len(b)
			b = appendPlain(slices.Grow(b, size), &w, node, file)
			require.LessOrEqual(t, len(b)-before, size)
		}
		r := reader{b: b, names: names.texts}
		var rec history.Record
		for i, w := range plainWrites() {
			w.Node = clock.Node(names.text(node))
			var o plainOp
			field, ok := r.plain(&o)
			require.True(t, ok)
			require.Equal(t, w.Field, field)
			require.Equal(t, plainOp{wall: w.Wall, version: w.Version, number: w.Number, line: uint32(w.Line), value: w.Value,
				file: uint32(file), node: uint32(node), kind: w.Op, precision: w.Precision}, o)
			key, end := skim(b, r.at)
			require.Equal(t, w.Key, key)
			r.record(&rec)
			require.False(t, r.bad, "write %d", i)
			require.Equal(t, end, r.at)
			require.Equal(t, w.Record("h"), history.Record{Place: rec.Place, Key: rec.Key, Op: rec.Op, Fields: rec.Fields, Node: rec.Node,
				Version: rec.Version, Time: rec.Time, Precision: rec.Precision, ID: rec.ID})
		}
		_, first := skim(b, 0)
		_, second := skim(b, first)
		for n := 1; n <= second; n++ {
			r := reader{b: b[:n:n], names: names.texts}
			for r.more() {
				r.record(&rec)
			}
			require.Equal(t, n != first && n != second, r.bad, "%d bytes", n)
		}
	}
	tooLong := history.Plain{Value: value.Value(strings.Repeat("1", mostPlain))}
	_, ok := plainSize(&tooLong)
	require.False(t, ok)
	tooFar := history.Plain{Line: 1 << 32}
	_, ok = plainSize(&tooFar)
	require.False(t, ok)
}

// plainRecords are records that are laid out as plain ones, of every kind.
func plainRecords() []history.Record {
	bare := history.Record{Key: "k", Node: "us", Place: finding.Place{File: "h", Line: 1}, Fields: []history.Field{{Value: "1"}}}
	numbered := bare
	numbered.ID, numbered.Version, numbered.Tx, numbered.Precision = "us:7", 1<<63, "tx", history.Second
	timed := bare
	timed.Time, timed.Place.Item, timed.Tx = clock.Timestamp{Wall: -5, Logical: 1<<32 - 1}, math.MaxInt&(1<<32-1), strings.Repeat("t", 200)
	added := bare
	added.Op, added.Fields = merge.Add, []history.Field{{Name: "a", Value: "1"}, {Name: "b", Value: "-2.5"}}
	row := bare
	row.Time = clock.Timestamp{Wall: 1750000000000000001, Logical: 3}
	row.ID = "k@" + row.Time.String() + "@us"
	row.Fields = []history.Field{{Name: "id", Value: "7", Before: "7"}, {Name: strings.Repeat("f", 128), Value: `"v"`, Before: `"w"`},
		{Name: "new", Value: value.Value(`"` + strings.Repeat("v", 1000) + `"`)}, {Name: "none", Value: "null", Before: "null"}}
	wide := row
	wide.Fields = nil
	for i := range 300 {
		wide.Fields = append(wide.Fields, history.Field{Name: fmt.Sprint("f", i), Value: "1", Before: "2"})
	}
	named := row
	named.ID, named.Version = "some text", 9
	single := named
	single.ID, single.Fields = strings.Repeat("i", 200), []history.Field{{Name: "f", Value: "1", Before: "1"}}
	deleted, gone, goneNamed := bare, bare, named
	deleted.Op, deleted.Fields = merge.Delete, []history.Field{{Name: "f"}}
	gone.Op, gone.Fields = merge.Delete, nil
	goneNamed.Op, goneNamed.Fields = merge.Delete, nil
	return []history.Record{bare, numbered, timed, added, row, wide, named, single, deleted, gone, goneNamed}
}

func TestPlainRecordsComeBackAsTheyWere(t *testing.T) {
	names := newNames()
	file := names.of("h")
	var b []byte
	var ends []int
	for _, rec := range plainRecords() {
		flags, size, ok := plainRecord(&rec, rec.Number())
		require.True(t, ok)
		before := len(b)
		b = appendPlainRecord(slices.Grow(b, size), &rec, flags, rec.Number(), names.of(string(rec.Node)), file)
		require.LessOrEqual(t, len(b)-before, size)
		ends = append(ends, len(b))
	}
	r := reader{b: b, names: names.texts}
	for i, want := range plainRecords() {
		var o plainOp
		field, ok := r.plain(&o)
		require.True(t, ok)
		require.Equal(t, []form{oneField, oneField, oneField, manyFields, manyFields, manyFields, manyFields, manyFields, oneField, noField, noField}[i], o.form)
		if o.form == oneField {
			require.Equal(t, want.Fields[0], history.Field{Name: field, Value: o.value})
			o.value = r.field(&o)
		}
		if o.named() {
			require.Equal(t, want.ID, o.name())
		}
		changed := want.Fields
		if len(changed) > 1 && want.Op == merge.Set {
			changed = slices.DeleteFunc(slices.Clone(changed), func(f history.Field) bool { return f.Before == f.Value })
		}
		list := o.claims()
		for _, f := range changed {
			name, v, ok := list.next()
			require.True(t, ok)
			require.Equal(t, history.Field{Name: f.Name, Value: f.Value}, history.Field{Name: name, Value: v})
		}
		_, _, ok = list.next()
		require.False(t, ok)
		require.Equal(t, want.Time, o.time())
		require.Equal(t, want.Place, finding.Place{File: names.text(uint64(o.file)), Line: int64(o.line), Item: int(o.item)})

		var rec history.Record
		r.record(&rec)
		require.False(t, r.bad, "record %d", i)
		require.Equal(t, ends[i], r.at)
		rec.Seen, rec.SeenUp = want.Seen, want.SeenUp
		require.Equal(t, want, rec)
	}
	for n := range b {
		r := reader{b: b[:n:n], names: names.texts}
		var rec history.Record
		for r.more() {
			r.record(&rec)
		}
		require.Equal(t, n > 0 && !slices.Contains(ends, n), r.bad, "%d bytes", n)
	}
}

func TestRecordsThatAreNoPlainOnes(t *testing.T) {
	for name, spoil := range map[string]func(*history.Record){
		"knows":        func(r *history.Record) { r.Knows = true },
		"has a base":   func(r *history.Record) { r.HasBase = true },
		"in an export": func(r *history.Record) { r.Region = "us" },
		"empty":        func(r *history.Record) { r.Fields = nil },
		"an insertion": func(r *history.Record) { r.Op = merge.Insert },
		"far":          func(r *history.Record) { r.Place.Line = 1 << 32 },
		"long":         func(r *history.Record) { r.Fields[0].Before = value.Value(strings.Repeat("1", mostPlain)) },
		"a long name":  func(r *history.Record) { r.ID = strings.Repeat("x", mostPlain) },
	} {
		rec := plainRecords()[0]
		rec.Fields = slices.Clone(rec.Fields)
		_, _, ok := plainRecord(&rec, 0)
		require.True(t, ok)
		spoil(&rec)
		_, _, ok = plainRecord(&rec, 0)
		require.False(t, ok, name)
	}
}

// An id is derived only when it would be put together again as it was.
func TestDerivedIDs(t *testing.T) {
	at := clock.Timestamp{Wall: 1750000000000000001, Logical: 2}
	rec := history.Record{Key: "a@b/1", Node: "eu@x", Time: at, ID: "a@b/1@1750000000000000001.0000000002@eu@x"}
	require.True(t, derived(&rec))
	require.Equal(t, rec.ID, string(derivedID(nil, rec.Key, rec.Time, rec.Node)))
	for _, id := range []string{
		"a@b/1@1750000000000000001.0000000002", "a@b/1@1750000000000000001.0000000002@", "a@b/1@1750000000000000001.0000000002@eu",
		"a@b/1@1750000000000000001.2@eu@x", "a@b/1@1750000000000000002.0000000002@eu@x", "a@b/1@eu@x", "@eu@x", "a@b/1", "a@b/2@1750000000000000001.0000000002@eu@x",
		"a@b/1 1750000000000000001.0000000002@eu@x", "a@b/1@1750000000000000001.0000000002 eu@x",
	} {
		other := rec
		other.ID = id
		require.False(t, derived(&other), id)
	}
	versioned := rec
	versioned.Version = 1
	require.False(t, derived(&versioned))
	bare := history.Record{Key: "k", Time: at, ID: "k@" + at.String() + "@"}
	require.False(t, derived(&bare))
}

func TestRecordThatIsCutOffIsBad(t *testing.T) {
	names := newNames()
	rec := writtenRecords()[1]
	b := appendRecord(nil, &numbers{names: names}, &rec, rec.Number(), 1)
	for n := range b {
		r := reader{b: b[:n:n], names: names.texts}
		if n == 0 {
			require.False(t, r.more())
			continue
		}
		r.record(&rec)
		require.True(t, r.bad, "%d of %d bytes", n, len(b))
	}
	b[0]++ // the record claims one byte of the next
	r := reader{b: append(b, 0), names: names.texts}
	r.record(&rec)
	require.True(t, r.bad)
}

func TestNumbersAreThoseOfNames(t *testing.T) {
	names := newNames()
	of := numbers{names: names}
	texts := []string{"", "a", "us-1", "eu-1", "ap-1", strings.Repeat("long", 100), "b"}
	for _, prefix := range []string{"a", "bb", "ccc"} { // more than it remembers
		for i := range 100 {
			texts = append(texts, prefix+string(rune('!'+i)))
		}
	}
	for range 2 {
		for _, text := range texts {
			require.Equal(t, names.of(text), of.of(text))
			require.Equal(t, text, names.text(of.of(text)))
		}
	}
}
