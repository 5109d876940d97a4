package replay

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

func writtenRecords() []history.Record {
	bare := history.Record{Key: "k", Node: "us", Place: finding.Place{File: "a", Line: 1}}
	full := history.Record{
		Key: "key/1", Op: merge.Remove, Node: "eu", Version: 1 << 63, Time: clock.Timestamp{Wall: -5, Logical: 1<<32 - 1},
		Precision: history.Nanosecond, ID: "eu:7", Region: "west", Place: finding.Place{File: "b", Line: 1 << 40, Item: 300},
		Fields: []history.Field{{Name: "f", Value: `"v"`, Before: `1`}, {Name: "", Value: `null`}},
		Knows:  true, Seen: []string{"us:1", "x"}, SeenUp: []clock.Dot{{Node: "us", Seq: 200}}, Base: 9, HasBase: true, Tx: "t",
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
		b = appendRecord(b, &numbers{names: names}, &rec, number(rec.ID, rec.Node), int64(i)+1)
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

func TestRecordThatIsCutOffIsBad(t *testing.T) {
	names := newNames()
	rec := writtenRecords()[1]
	b := appendRecord(nil, &numbers{names: names}, &rec, number(rec.ID, rec.Node), 1)
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
