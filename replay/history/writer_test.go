package history

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// written returns records in a format.
func written(t testing.TB, format Format, records ...Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, format)
	for i := range records {
		require.NoError(t, w.Write(&records[i]))
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// scanned returns everything that data holds, in order.
func scanned(t testing.TB, data []byte, opt Options) ([]Record, []finding.Finding, Stats) {
	t.Helper()
	var batches []*Batch
	mutex := make(chan struct{}, 1)
	stats, err := Scan([]Source{Reader("h", bytes.NewReader(data))}, opt, func(b *Batch) error {
		mutex <- struct{}{}
		batches = append(batches, b)
		<-mutex
		return nil
	})
	require.NoError(t, err)
	slices.SortFunc(batches, func(a, b *Batch) int { return a.Chunk - b.Chunk })
	var records []Record
	var aside []finding.Finding
	for _, b := range batches {
		records = append(records, b.Records...)
		aside = append(aside, b.Aside...)
	}
	require.Equal(t, int64(len(records)), stats.Records)
	require.Equal(t, int64(len(aside)), stats.Aside)
	return records, aside, stats
}

var sameButPlace = cmp.Options{cmpopts.IgnoreFields(Record{}, "Place"), cmpopts.EquateEmpty()}

// requireReadsBack writes a record and reads it again.
func requireReadsBack(t testing.TB, format Format, rec Record) {
	t.Helper()
	data := written(t, format, rec)
	records, aside, _ := scanned(t, data, Options{Format: format, Workers: 1})
	require.Empty(t, aside, "%q", data)
	require.Len(t, records, 1)
	want := rec
	if want.Time.Logical != 0 {
		want.Precision = Nanosecond
	}
	require.Empty(t, cmp.Diff(want, records[0], sameButPlace), "%s %q", format, data)
	require.Equal(t, data, written(t, format, records[0]), "equal records are equal bytes")
}

// pick makes records out of random numbers.
type pick struct{ numbers []uint64 }

func (p *pick) next(n uint64) uint64 {
	if len(p.numbers) == 0 {
		return 0
	}
	x := p.numbers[0]
	p.numbers = p.numbers[1:]
	return x % n
}

func (p *pick) text() string {
	parts := []string{"a", "é", "\"", "\\", "\n", "\x00", "😀", "/", "key", "\u2028", strings.Repeat("long ", 70)}
	s := "x"
	for range p.next(4) {
		s += parts[p.next(uint64(len(parts)))]
	}
	return s
}

func (p *pick) number() value.Value {
	return []value.Value{
		"0", "-0", "1", "-1", "127", "128", "-128", "-129", "65536", "2147483648", "-2147483649", "9223372036854775807",
		"9223372036854775808", "18446744073709551615", "18446744073709551616", "-9223372036854775808", "1.0", "0.10", "1e5",
		"-2.5E-3", "99999999999999999999999999999999.5",
	}[p.next(21)]
}

func (p *pick) value(depth int) value.Value {
	switch p.next(8) {
	case 0:
		return value.Null
	case 1:
		return value.Bool(p.next(2) == 0)
	case 2, 3:
		return p.number()
	case 4:
		if depth > 0 {
			var elems []value.Value
			for range p.next(20) {
				elems = append(elems, p.value(depth-1))
			}
			return value.Array(elems...)
		}
	case 5:
		if depth > 0 {
			var members []value.Member
			for range p.next(20) {
				members = append(members, value.Member{Name: p.text(), Value: p.value(depth - 1)})
			}
			return value.Object(members...)
		}
	}
	return value.Text(p.text())
}

func (p *pick) time() (clock.Timestamp, Precision) {
	precision := Precision(p.next(5))
	step := []int64{0, 1e9, 1e6, 1e3, 1}[precision]
	if step == 0 {
		return clock.Timestamp{}, NoTime
	}
	t := clock.Timestamp{Wall: (int64(p.next(2e18)) + 1e17) / step * step}
	if precision == Nanosecond && p.next(2) == 0 {
		t.Logical = uint32(p.next(5))
	}
	return t, precision
}

func (p *pick) record() Record {
	rec := Record{Key: p.text(), ID: p.text(), Node: clock.Node("n" + strconv.Itoa(int(p.next(3))))}
	rec.Time, rec.Precision = p.time()
	switch p.next(3) {
	case 0:
		rec.Knows = true
		for range p.next(4) {
			rec.Seen = append(rec.Seen, p.text())
		}
	case 1:
		rec.Knows, rec.Whole = true, true
		for i := range p.next(4) {
			rec.SeenUp = append(rec.SeenUp, clock.Dot{Node: clock.Node(fmt.Sprintf("m%d", i)), Seq: 1 + p.next(1<<40)})
		}
	}
	if p.next(4) == 0 {
		rec.Kind = Read
		rec.Reading = &Reading{Want: []string{"", "strong", "quorum", "session", "eventual", "bounded:5s"}[p.next(6)], Session: p.text()}
		switch p.next(4) {
		case 0:
			rec.Reading.Saw = p.text()
		case 1:
			rec.Reading.Saw = strconv.FormatUint(p.next(1<<63), 10) // an id with the digits of a version
		case 2:
			rec.Reading.SawVersion, rec.Reading.HasSawVersion = p.next(1<<63), true
		default:
			rec.Reading.NotFound = true
		}
		rec.Reading.Start, _ = p.time()
		if !rec.Reading.Start.IsZero() {
			rec.Reading.End = clock.Timestamp{Wall: rec.Reading.Start.Wall + 5, Logical: 1}
		}
		return rec
	}
	rec.Version, rec.Tx = p.next(1<<63), p.text()
	if p.next(4) == 0 {
		rec.Reading = &Reading{Start: clock.Timestamp{Wall: 1}, Session: p.text()}
	}
	if p.next(2) == 0 {
		rec.Base, rec.HasBase = p.next(300), true
	}
	rec.Op = merge.Kind(p.next(5))
	if rec.Op == merge.Delete {
		if p.next(2) == 0 {
			rec.Fields = []Field{{Name: "f", Before: p.value(2)}}
		}
		if len(rec.Fields) > 0 && p.next(2) == 0 {
			rec.Fields = append(rec.Fields, Field{Name: "g"})
		}
		return rec
	}
	for i := range 1 + p.next(20) {
		f := Field{Name: fmt.Sprintf("f%02d%s", i, p.text()), Value: p.value(3)}
		if rec.Op == merge.Add {
			f.Value = p.number()
		}
		if p.next(2) == 0 {
			f.Before = p.value(1)
		}
		rec.Fields = append(rec.Fields, f)
	}
	if len(rec.Fields) == 1 && p.next(2) == 0 {
		rec.Fields[0].Name = ""
	}
	return rec
}

var records = gen.SliceOfN(400, gen.UInt64()).Map(func(numbers []uint64) []Record {
	p := pick{numbers}
	var records []Record
	for len(p.numbers) > 0 {
		records = append(records, p.record())
	}
	return records
})

func TestRecordsReadBackInEveryForm(t *testing.T) {
	parameters := gopter.DefaultTestParameters()
	parameters.MinSuccessfulTests = 60
	properties := gopter.NewProperties(parameters)
	properties.Property("read(write(x)) == x", prop.ForAll(func(want []Record) string {
		native := written(t, Native, want...)
		for name, data := range map[string][]byte{ // the format of each is found out
			"native":      native,
			"msgpack":     written(t, Msgpack, want...),
			"native.gz":   gzipped(t, native),
			"msgpack.zst": zstded(t, written(t, Msgpack, want...)),
			// Concatenated members are one input, wherever they are cut.
			"native.gz.gz": append(gzipped(t, native[:len(native)/3]), gzipped(t, native[len(native)/3:])...),
		} {
			got, aside, _ := scanned(t, data, Options{chunk: 512 + len(want)*13%300})
			if len(aside) > 0 {
				return name + ": " + aside[0].String()
			}
			if diff := cmp.Diff(want, got, sameButPlace, cmp.Transformer("logical", func(r Record) Record {
				if r.Time.Logical != 0 {
					r.Precision = Nanosecond
				}
				return r
			})); diff != "" {
				return name + ": " + diff
			}
			if again := written(t, Native, got...); !bytes.Equal(again, native) {
				return name + ": other bytes when written again"
			}
		}
		return ""
	}, records))
	properties.TestingRun(t)
}

func gzipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func zstded(t testing.TB, data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll(data, nil)
}

func TestLinesAreWrittenInOneOrder(t *testing.T) {
	data := written(t, Native, Record{
		Key: "k", Op: merge.Add, Fields: []Field{{Name: "n", Value: "2", Before: "1"}}, Node: "eu", Version: 3,
		Time: clock.Timestamp{Wall: 1772360430_500000000}, Precision: Millisecond, ID: "eu:1", Knows: true, HasBase: true, Tx: "t",
	}, Record{Kind: Read, Key: "k", Reading: &Reading{NotFound: true, Start: clock.Timestamp{Wall: 1772360430_500000000}}},
		Record{Key: "k", Node: "eu", Fields: []Field{{Name: "b", Value: "2"}, {Name: "a", Value: "1", Before: "0"}}})
	assert.Equal(t, `{"key":"k","field":"n","value":2,"op":"add","node":"eu","version":3,"time":"2026-03-01T10:20:30.500Z",`+
		`"id":"eu:1","seen":[],"base":0,"before":1,"tx":"t"}
{"key":"k","op":"read","saw":null,"start":"2026-03-01T10:20:30.500000000Z"}
{"key":"k","fields":{"a":1,"b":2},"node":"eu","before":{"a":0}}
`, string(data))
}

func TestTheWriterRefusesWhatTheFormatCantHold(t *testing.T) {
	one := []Field{{Value: "1"}}
	for why, rec := range map[string]Record{
		"a snapshot row":     {Kind: Snapshot, Key: "k", Node: "n", Fields: one},
		"a watermark":        {Kind: Watermark, Key: "k"},
		"no key":             {Node: "n", Fields: one},
		"no node":            {Key: "k", Fields: one},
		"a bad node":         {Key: "k", Node: "a b", Fields: one},
		"no fields":          {Key: "k", Node: "n"},
		"an absent value":    {Key: "k", Node: "n", Fields: []Field{{Name: "f"}}},
		"a field twice":      {Key: "k", Node: "n", Fields: []Field{{Name: "f", Value: "1"}, {Name: "f", Value: "1"}}},
		"a nameless field":   {Key: "k", Node: "n", Fields: []Field{{Name: "f", Value: "1"}, {Value: "1"}}},
		"a delete of values": {Key: "k", Node: "n", Op: merge.Delete, Fields: one},
		"a text to add":      {Key: "k", Node: "n", Op: merge.Add, Fields: []Field{{Value: `"x"`}}},
		"two contexts":       {Key: "k", Node: "n", Fields: one, Knows: true, Seen: []string{"a"}, SeenUp: []clock.Dot{{Node: "n", Seq: 1}}},
		"context unknown":    {Key: "k", Node: "n", Fields: one, Seen: []string{"a"}},
		"a reading":          {Key: "k", Node: "n", Fields: one, Reading: &Reading{}},
		"a want":             {Key: "k", Node: "n", Fields: one, Reading: &Reading{Want: "strong", Session: "s"}},
		"a read of values":   {Kind: Read, Key: "k", Fields: one, Reading: &Reading{}},
		"a read of nothing":  {Kind: Read, Key: "k"},
		"two sights":         {Kind: Read, Key: "k", Reading: &Reading{Saw: "7", HasSawVersion: true, SawVersion: 7}},
		"a sight of nothing": {Kind: Read, Key: "k", Reading: &Reading{Saw: "7", NotFound: true}},
		"a version unseen":   {Kind: Read, Key: "k", Reading: &Reading{SawVersion: 7}},
		"a bad time":         {Key: "k", Node: "n", Fields: one, Time: clock.Timestamp{Wall: -1}},
	} {
		var b bytes.Buffer
		w := NewWriter(&b, Native)
		assert.Error(t, w.Write(&rec), why)
		assert.NoError(t, w.Write(&Record{Key: "k", Node: "n", Fields: one}), "writing goes on")
		require.NoError(t, w.Close())
		assert.Equal(t, `{"key":"k","value":1,"node":"n"}`+"\n", b.String())
	}
	w := NewWriter(new(bytes.Buffer), Spanner)
	assert.ErrorIs(t, w.Write(&Record{Key: "k", Node: "n", Fields: one}), ErrFormat)
	assert.ErrorIs(t, w.Close(), ErrFormat)
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, fmt.Errorf("pipe closed") }

func TestTheWriterReportsAFailure(t *testing.T) {
	w := NewWriter(brokenPipe{}, Native)
	require.NoError(t, w.Write(&Record{Key: "k", Node: "n", Fields: []Field{{Value: "1"}}}), "it is collected")
	assert.ErrorContains(t, w.Close(), "pipe closed")
	assert.ErrorContains(t, w.Write(&Record{Key: "k", Node: "n", Fields: []Field{{Value: "1"}}}), "pipe closed")
}
