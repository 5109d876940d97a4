package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

const goodLine = `{"key":"k","value":1,"node":"eu"}`

// messy returns lines with everything that can be wrong with one here and there.
func messy() []byte {
	var b bytes.Buffer
	b.WriteString("\ufeff")
	lines := strings.SplitAfter(string(typical(300)), "\n")
	for i, line := range lines {
		switch i % 7 {
		case 1:
			b.WriteString("\n \r\n")
		case 2:
			b.WriteString(badLines[i%len(badLines)].line[:min(2000, len(badLines[i%len(badLines)].line))] + "\n")
		case 3:
			b.WriteString(strings.Repeat("x", i*7) + "\r\n")
		}
		b.WriteString(line)
	}
	b.WriteString(`{"key":"k","val`)
	return b.Bytes()
}

func TestWhatIsReadDependsOnNeitherWorkersNorChunks(t *testing.T) {
	defer func(saved []importer) { importers = saved }(importers)
	importers = []importer{echo}
	for name, data := range map[Format][]byte{
		Native:  messy(),
		Msgpack: append(packedLike(t, typical(300)), framed(t, hexValue+"c1")[:9]...),
		"echo":  documentsLike(),
	} {
		limits := value.Limits{Bytes: 1000}
		records, aside, stats := scanned(t, data, Options{Workers: 1, Limits: limits})
		require.NotEmpty(t, records, name)
		require.NotEmpty(t, aside, name)
		for _, chunk := range []int{1, 2, 3, 17, 100, 999, 1000, 1001, 5000} {
			for _, workers := range []int{1, 2, 8} {
				r, a, s := scanned(t, data, Options{Format: name, Workers: workers, Limits: limits, chunk: chunk})
				require.Equal(t, records, r, "%s: chunk %d", name, chunk)
				require.Equal(t, aside, a, "%s: chunk %d", name, chunk)
				s.Bytes = stats.Bytes
				require.Equal(t, stats, s, "%s: chunk %d", name, chunk)
			}
		}
	}
}

// echo is an importer of documents with a member "echo"; each is a record of it.
var echo = importer{
	name:   "echo",
	detect: func(doc value.Ref) bool { return !doc.Get("echo").IsAbsent() },
	decode: func(doc value.Ref, at finding.Place, opt *Options, out *Batch) {
		if doc.Get("echo").IsAbsent() {
			out.count(finding.SnapshotRow)
			return
		}
		rec := out.record(at)
		rec.Key = "k"
		rec.Fields = out.take(1)
		rec.Fields[0].Value = doc.Get("echo").Value()
	},
}

func documentsLike() []byte {
	var b bytes.Buffer
	for i := range 100 {
		fmt.Fprintf(&b, "{\"echo\":%d}\n", i)
		switch i % 8 {
		case 0:
			fmt.Fprintf(&b, "{\n  \"echo\": {\n    \"pretty\": [%d, \"}{\\\"\"]\n  }\n}\n", i)
		case 1:
			fmt.Fprintf(&b, "{\"echo\":1}{\"echo\":2} {\"echo\":3}\n")
		case 2:
			b.WriteString("garbage { \" \n]\n")
		case 3:
			b.WriteString("{\"echo\":{\"torn\":1}\n")
		case 4:
			b.WriteString("[{\"echo\":1},{\"other\":2},\n{\"echo\":3}]\n")
		case 5:
			b.WriteString("{\"echo\":\"torn\n")
		case 6:
			b.WriteString("{\"echo\":\"" + strings.Repeat("long", 300) + "\"}\n")
		case 7:
			b.WriteString("{\"echo\":1,\"echo\":2}\r\n\r\n")
		}
	}
	b.WriteString("{\"echo\":")
	return b.Bytes()
}

func TestDocumentsAreFoundWhereverTheyStand(t *testing.T) {
	defer func(saved []importer) { importers = saved }(importers)
	importers = []importer{echo}
	read := func(text string) (places, codes []string) {
		records, aside, _ := scanned(t, []byte(text), Options{})
		for _, rec := range records {
			places = append(places, rec.Place.String()+"="+string(rec.Fields[0].Value))
		}
		for _, f := range aside {
			codes = append(codes, fmt.Sprintf("%s %s", f.Place, f.Code))
		}
		return places, codes
	}
	for text, want := range map[string]string{
		"{\"echo\":1}\n{\"echo\":2}\n":                     "[h:1=1 h:2=2] []",
		"{\"echo\":1}{\"echo\":2}  {\"echo\":3}":           "[h:1=1 h:1#2=2 h:1#3=3] []",
		"\n\n{\n\"echo\":\n1}{\"echo\":2}\n{\"echo\":3}":   "[h:3=1 h:5=2 h:6=3] []",
		"[{\"echo\":1},\n{\"echo\":2}]":                    "[h:1#1=1 h:1#2=2] []",
		"oops\n{\"echo\":1}":                               "[h:2=1] [h:1 bad_syntax]",
		"{\"echo\":1}oops{\"echo\":2}\n{\"echo\":3}":       "[h:1=1 h:2=3] [h:1#2 bad_syntax]",
		"{\"echo\":1}\n{\"echo\":{\n{\"echo\":2}\n":        "[h:1=1 h:3=2] [h:2 bad_syntax]",
		"{\"echo\":1}\n{\"echo\":\"\n{\"echo\":2}\n":       "[h:1=1 h:3=2] [h:2 bad_syntax]",
		"{\"echo\":1}\n{\"echo\":01}\n{\"echo\":2}\n":      "[h:1=1 h:3=2] [h:2 bad_number]",
		"{\"echo\":1}\n{\"echo\":":                         "[h:1=1] [h:2 truncated_input]",
		"{\"echo\":1}\n}}}}{\"echo\":7}\n  \n{\"echo\":2}": "[h:1=1 h:4=2] [h:2 bad_syntax]",
	} {
		places, codes := read(text)
		assert.Equal(t, want, fmt.Sprint(places, " ", codes), "%q", text)
	}
}

func TestMarksAndLineBreaksOfOtherSystemsAreTolerated(t *testing.T) {
	for _, text := range []string{
		goodLine, goodLine + "\n", goodLine + "\r\n", "\ufeff" + goodLine, "\n\r\n" + goodLine + "\n\n", " " + goodLine + " \n",
	} {
		records, aside, _ := scanned(t, []byte(text), Options{})
		assert.Len(t, records, 1, "%q", text)
		assert.Empty(t, aside, "%q", text)
	}
	_, aside, _ := scanned(t, []byte(goodLine+"\n\ufeff"+goodLine), Options{})
	assert.Len(t, aside, 1, "a mark in the middle is none")
	records, aside, stats := scanned(t, nil, Options{})
	assert.Empty(t, records)
	assert.Empty(t, aside)
	assert.Zero(t, stats)
}

func TestALineThatIsTooLongCostsNoMemory(t *testing.T) {
	long := io.MultiReader(strings.NewReader(goodLine+"\n"), io.LimitReader(xs{}, 300<<20), strings.NewReader("\n"+goodLine))
	var aside []finding.Finding
	var lines []int64
	_, err := Scan([]Source{Reader("h", long)}, Options{Workers: 1, Format: Native}, func(b *Batch) error {
		aside = append(aside, b.Aside...)
		for i := range b.Records {
			lines = append(lines, b.Records[i].Place.Line)
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, aside, 1)
	assert.Equal(t, finding.TooLarge, aside[0].Code)
	assert.Equal(t, int64(2), aside[0].Place.Line)
	assert.Equal(t, []int64{1, 3}, lines)
}

type xs struct{}

func (xs) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestWhatIsPackedIsUnpacked(t *testing.T) {
	data := typical(2000)
	want, _, _ := scanned(t, data, Options{})
	for name, packed := range map[string][]byte{
		"gzip":          gzipped(t, data),
		"zstd":          zstded(t, data),
		"gzip members":  append(gzipped(t, data[:50_001]), gzipped(t, data[50_001:])...),
		"zstd frames":   append(zstded(t, data[:50_001]), zstded(t, data[50_001:])...),
		"empty members": append(gzipped(t, nil), gzipped(t, data)...),
	} {
		got, aside, stats := scanned(t, packed, Options{})
		assert.Empty(t, aside, name)
		assert.Equal(t, want, got, name)
		assert.Equal(t, int64(len(data)), stats.Bytes, name)
		assert.Equal(t, int64(len(packed)), stats.Stored, name)
	}
}

func TestAPackedInputThatBreaksOffSaysSo(t *testing.T) {
	data := typical(2000)
	for name, packed := range map[string][]byte{"gzip": gzipped(t, data), "zstd": zstded(t, data)} {
		for _, cut := range []int{5, len(packed) / 2, len(packed) - 9, len(packed) - 1} {
			records, aside, _ := scanned(t, packed[:cut], Options{})
			require.NotEmpty(t, aside, "%s cut at %d", name, cut)
			last := aside[len(aside)-1]
			assert.Equal(t, finding.TruncatedInput, last.Code, "%s cut at %d: %s", name, cut, last.Detail)
			if cut == len(packed)-1 && name == "gzip" {
				assert.Len(t, records, 2000, "what came before counts")
			}
		}
	}
	broken := gzipped(t, data)
	broken[len(broken)-6] ^= 1 // the checksum
	records, aside, _ := scanned(t, broken, Options{})
	assert.Len(t, records, 2000)
	require.Len(t, aside, 1)
	assert.Equal(t, finding.BadSyntax, aside[0].Code)

	_, aside, _ = scanned(t, append(gzipped(t, data), "no member of gzip"...), Options{})
	require.Len(t, aside, 1)
	assert.Equal(t, finding.BadSyntax, aside[0].Code)
}

func TestBombsAreStopped(t *testing.T) {
	line := []byte(`{"key":"k","node":"eu","value":"` + strings.Repeat("x", 10_000) + "\"}\n")
	data := bytes.Repeat(line, 40<<20/len(line))
	bomb := zstded(t, data)
	ratio := int64(len(data) / len(bomb))
	records, aside, _ := scanned(t, bomb, Options{MaxRatio: ratio * 2})
	assert.Len(t, records, len(data)/len(line))
	assert.Empty(t, aside)
	records, aside, _ = scanned(t, bomb, Options{MaxRatio: ratio / 2})
	assert.Less(t, len(records), len(data)/len(line))
	require.NotEmpty(t, aside)
	assert.Equal(t, finding.TooLarge, aside[len(aside)-1].Code)

	records, aside, _ = scanned(t, data[:len(line)*2], Options{MaxBytes: int64(len(line) * 2)})
	assert.Len(t, records, 2)
	assert.Empty(t, aside)
	_, aside, _ = scanned(t, data[:len(line)*3], Options{MaxBytes: int64(len(line) * 2)})
	require.Len(t, aside, 1)
	assert.Equal(t, finding.TooLarge, aside[0].Code)
}

func TestAFormatIsToldNotGuessed(t *testing.T) {
	defer func(saved []importer) { importers = saved }(importers)
	other := echo
	other.name, other.detect = "other", func(doc value.Ref) bool { return !doc.Get("both").IsAbsent() }
	importers = []importer{echo, other}
	for text, want := range map[string]Format{
		"":                                   Native,
		goodLine:                             Native,
		`{"node":"n","vaule":1}`:             Native,
		`{"echo":1}`:                         "echo",
		`[{"echo":1}]`:                       "echo",
		"oops\n{\"echo\":1}":                 "echo",
		"{\"key\":1,\"key\":2}\n":            Native, // damaged, and nothing else in it
		"\x1f\x1f\x1f":                       Native,
		"\xc4\x01\x80":                       Msgpack,
		"{\"a\":1}\n{\"b\":1}\n{\"echo\":1}": "echo",
	} {
		got, err := detect("h", []byte(text), true, &Options{})
		assert.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	_, err := detect("h", []byte(`{"echo":1,"both":2}`), true, &Options{})
	assert.ErrorIs(t, err, ErrFormat)
	assert.EqualError(t, err, "h: unknown format: it may be echo, other: name the right one with -format")
	_, err = detect("h", []byte(`{"table":"t","op":"c"}`), true, &Options{})
	assert.EqualError(t, err, `h: unknown format: its first document is an object of "table", "op": `+
		"if it is one of native, msgpack, cockroachdb, dynamodb, spanner, debezium, name it with -format")

	_, err = Scan(nil, Options{Format: "csv"}, nil)
	assert.ErrorIs(t, err, ErrFormat)
}

// What was cut in its first record was told as a damaged native history: a member that records don't have, or broken lines.
func TestAnInputThatIsCutInItsFirstDocumentSaysSo(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*json")
	require.NoError(t, err)
	texts := map[string][]byte{
		"native":       []byte(`{"key":"ü","oops":true,"value":-1.5e3,"node":"eu","time":"2026-13-01"}`),
		"after spaces": []byte("\n  \n" + `{"after":{"id":4},"key":[4],"topic":"orders"}`),
		"marked":       []byte("\ufeff" + `{"after":{"id":4},"key":[4],"topic":"orders"}`),
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts[file] = text
	}
	for name, text := range texts {
		if strings.HasSuffix(name, "ion.json") {
			continue // no JSON
		}
		first := bytes.IndexAny(text, "{[")
		begins := first // its first document does, which may be an element of an array
		if text[first] == '[' {
			begins += bytes.IndexByte(text[first:], '{')
		}
		var c chunk
		(&documentSplitter{limit: len(text), array: begins > first}).cut(&c, text[begins:], true)
		whole := begins + c.documents.all()[0].end
		for cut := first + 1; cut < whole; cut++ {
			if text[first] == '{' && bytes.Contains(text[first:cut], []byte("\n")) && !bytes.Contains(bytes.TrimSpace(text[:cut]), []byte("\n")) {
				continue // a line that is broken, for all that is known
			}
			got := importText("h", string(text[:cut]), Options{})
			require.NoError(t, got.err, "%s cut at %d", name, cut)
			require.Empty(t, got.records, "%s cut at %d", name, cut)
			require.Len(t, got.aside, 1, "%s cut at %d", name, cut)
			at := finding.Place{File: "h", Line: 1 + count(text[:min(begins, cut)], '\n')}
			require.Equal(t, finding.TruncatedInput, got.aside[0].Code, "%s cut at %d: %s", name, cut, got.aside[0].Detail)
			require.Equal(t, at, got.aside[0].Place, "%s cut at %d", name, cut)
		}
	}
	// A broken line is no cut, when another line follows or it has its end.
	for text, codes := range map[string][]finding.Code{
		"{\"key\":\n{\"key\":\"b\",\"value\":1,\"node\":\"n\"}\n": {finding.BadSyntax},
		"{\"key\":\n{\"key\":\"b\",\"oops":                        {finding.BadSyntax, finding.TruncatedInput},
		"{\"key\":\n":                                             {finding.BadSyntax},
		"{\"oops\":1}":                                            {finding.UnknownField},
	} {
		got := importText("h", text, Options{Format: Native})
		var told []finding.Code
		for _, a := range got.aside {
			told = append(told, a.Code)
		}
		require.Equal(t, codes, told, text)
	}
}

// closing counts who was closed.
type closing struct {
	io.Reader
	closed *atomic.Int64
}

func (c *closing) Close() error {
	c.closed.Add(1)
	return nil
}

func TestErrorsOfTheMachineEndTheScan(t *testing.T) {
	none := func(*Batch) error { return nil }
	_, err := Scan([]Source{File(filepath.Join(t.TempDir(), "missing"))}, Options{}, none)
	assert.ErrorIs(t, err, os.ErrNotExist)

	disk := errors.New("disk on fire")
	half := io.MultiReader(bytes.NewReader(typical(10_000)), iotest.ErrReader(disk))
	_, err = Scan([]Source{Reader("h", half)}, Options{}, none)
	assert.ErrorIs(t, err, disk)
	assert.ErrorContains(t, err, "read h")
	packed := gzipped(t, typical(10_000))
	_, err = Scan([]Source{Reader("h", io.MultiReader(bytes.NewReader(packed[:9999]), iotest.ErrReader(disk)))}, Options{}, none)
	assert.ErrorIs(t, err, disk, "not damage in the data")

	enough := errors.New("enough")
	plain := typical(30_000)
	sources := []Source{Reader("a", bytes.NewReader(plain)), Reader("b", bytes.NewReader(plain))}
	var calls atomic.Int64
	_, err = Scan(sources, Options{chunk: 1000, Workers: 2}, func(*Batch) error {
		calls.Add(1)
		return enough
	})
	assert.ErrorIs(t, err, enough)
	assert.LessOrEqual(t, calls.Load(), int64(2), "one of each worker at most")

	var opened, closed atomic.Int64
	sources = nil
	for _, packed := range [][]byte{zstded(t, plain), gzipped(t, plain)} {
		sources = append(sources, Source{Name: "h", Open: func() (io.ReadCloser, error) {
			opened.Add(1)
			return &closing{bytes.NewReader(packed), &closed}, nil
		}})
	}
	calls.Store(0)
	_, err = Scan(sources, Options{chunk: 1000, Workers: 2}, func(*Batch) error {
		if calls.Add(1) < 20 { // until there are chunks that were read ahead
			return nil
		}
		return enough
	})
	assert.ErrorIs(t, err, enough)
	assert.Positive(t, opened.Load())
	assert.Equal(t, opened.Load(), closed.Load(), "nobody reads ahead any more")
}

func TestBatchesCarryTheirPlaceAndRegion(t *testing.T) {
	var data [3][]byte
	var sources []Source
	for i := range data {
		data[i] = typical(1000 * (i + 1))
		s := Reader(fmt.Sprintf("s%d", i), bytes.NewReader(data[i]))
		s.Region = fmt.Sprintf("r%d", i)
		sources = append(sources, s)
	}
	var counts [3]atomic.Int64
	var last int64
	stats, err := Scan(sources, Options{
		chunk:    10_000,
		Workers:  4,
		Exclude:  func(rec *Record) bool { return rec.Place.Line == 7 },
		Progress: func(n int64) { last = n },
	}, func(b *Batch) error {
		for _, rec := range b.Records {
			if rec.Region != fmt.Sprintf("r%d", b.Source) || rec.Place.File != fmt.Sprintf("s%d", b.Source) || rec.Place.Line == 7 {
				return fmt.Errorf("%v in %d", rec, b.Source)
			}
		}
		counts[b.Source].Add(int64(len(b.Records)))
		b.Release()
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, int64(3), stats.Excluded)
	assert.Equal(t, int64(5997), stats.Records)
	assert.Equal(t, int64(6000), stats.Lines)
	assert.Equal(t, stats.Stored, last)
	for i := range counts {
		assert.Equal(t, int64(1000*(i+1)-1), counts[i].Load())
	}
}

func TestADirectoryIsItsFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"b.ndjson", "a/2.ndjson", "a/1.ndjson", ".hidden", ".git/x", "_SUCCESS", "AWSDynamoDB/manifest-summary.json",
		"AWSDynamoDB/data/x.json.gz", "AWSDynamoDB/x.md5",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(goodLine), 0o666))
	}
	require.NoError(t, os.Symlink("b.ndjson", filepath.Join(dir, "link.ndjson")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "nowhere.ndjson")))
	require.NoError(t, os.Symlink("..", filepath.Join(dir, "up")))

	sources, skipped, err := Find(dir)
	require.NoError(t, err)
	var names []string
	for _, s := range sources {
		rel, err := filepath.Rel(dir, s.Name)
		require.NoError(t, err)
		names = append(names, rel)
	}
	assert.Equal(t, []string{"AWSDynamoDB/data/x.json.gz", "a/1.ndjson", "a/2.ndjson", "b.ndjson", "link.ndjson"}, names)
	var whys []string
	for _, s := range skipped {
		rel, _ := filepath.Rel(dir, s.Name)
		whys = append(whys, rel+": "+s.Why)
	}
	assert.Equal(t, []string{
		".git: hidden", ".hidden: hidden",
		"AWSDynamoDB/manifest-summary.json: a marker or manifest of an exporter",
		"AWSDynamoDB/x.md5: a marker or manifest of an exporter",
		"_SUCCESS: a marker or manifest of an exporter",
		"nowhere.ndjson: a link that leads nowhere", "up: a link to a directory",
	}, whys)

	sources, _, err = Find(filepath.Join(dir, "b.ndjson"))
	require.NoError(t, err)
	stats, err := Scan(sources, Options{}, func(*Batch) error { return nil })
	require.NoError(t, err)
	assert.Equal(t, int64(1), stats.Records)
	_, _, err = Find(filepath.Join(dir, "missing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	sources, _, err = Find("-")
	require.NoError(t, err)
	assert.Equal(t, "-", sources[0].Name)
}

// FuzzScan makes sure that reading ends, whatever the bytes are, and says the same whatever the chunks are. The coverage
// of several goroutines is never twice the same, so run it with -fuzzminimizetime 10x.
func FuzzScan(f *testing.F) {
	f.Add(messy()[:3000], 700)
	f.Add(documentsLike()[:2000], 600)
	f.Add(framed(f, hexValue+"01"), 1)
	f.Add([]byte("{\"echo\":1}\n{\"echo\":\"\n{\"echo\":2}\n}"), 3)
	f.Add(gzipped(f, []byte(goodLine)), 5)
	f.Fuzz(func(t *testing.T, data []byte, chunk int) {
		for _, format := range []Format{Native, Msgpack, CockroachDB} {
			whole, cut := summary(t, data, format, 1<<20), summary(t, data, format, max(1, chunk%2000))
			require.Equal(t, whole, cut, "%s in chunks of %d", format, chunk)
		}
	})
}

// summary returns the places of records and the findings of data, each in order.
func summary(t *testing.T, data []byte, format Format, chunk int) (lines [2][]string) {
	opt := Options{Format: format, Workers: 1, chunk: chunk, Limits: value.Limits{Bytes: 900}, MaxBytes: 1 << 20}
	_, err := Scan([]Source{Reader("h", bytes.NewReader(data))}, opt, func(batch *Batch) error {
		for i := range batch.Records {
			lines[0] = append(lines[0], batch.Records[i].Place.String())
		}
		for _, f := range batch.Aside {
			lines[1] = append(lines[1], f.String())
		}
		return nil
	})
	require.NoError(t, err)
	return lines
}

// FuzzSplit holds the splitter of documents to its promise: what it finds are documents, in order, and all bytes are
// accounted for.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("{\"echo\":1}{}[]\n{\"a\":\n{}}\nx\n{"), 4)
	f.Add(documentsLike()[:1500], 100)
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		split := documentSplitter{limit: max(1, limit)}
		c := chunk{line: 1}
		if done := split.cut(&c, data, true); done != len(data) {
			t.Fatalf("%d of %d bytes", done, len(data))
		}
		end := 0
		for _, d := range c.documents.all() {
			if d.start < end || d.end <= d.start || d.line < 1 ||
				d.line != int64(1+bytes.Count(data[:d.start], []byte{'\n'})) {
				t.Fatalf("%+v after %d", d, end)
			}
			end = d.end
		}
	})
}

// The records of an incremental export don't name their table, and its manifest does: of the files that it lists, or that are below it.
func TestTheManifestOfAnExportNamesItsTable(t *testing.T) {
	const record = `{"Metadata":{"WriteTimestampMicros":{"N":"1680109764000000"}},"Keys":{"id":{"S":"1"}},"NewImage":{"id":{"S":"1"},"v":{"N":"1"}}}` + "\n"
	summary := func(table string) string {
		return "{\n \"exportArn\": \"arn:aws:dynamodb:us-east-1:1:table/" + table + "/export/0-a\",\n \"exportType\": \"INCREMENTAL_EXPORT\"}"
	}
	list := func(files ...string) (text string) {
		for _, f := range files {
			text += `{"itemCount":1,"dataFileS3Key":"AWSDynamoDB/data/` + f + `"}` + "\n"
		}
		return text
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"AWSDynamoDB/data/u1.json": record, "AWSDynamoDB/data/g1.json": record, "AWSDynamoDB/data/both.json": record,
		"AWSDynamoDB/01-users/manifest-summary.json": summary("users"), "AWSDynamoDB/01-users/manifest-files.json": list("u1.json.gz", "both.json"), // one was unpacked
		"AWSDynamoDB/02-goods/manifest-summary.json": summary("goods"), "AWSDynamoDB/02-goods/manifest-files.json": list("g1.json", "both.json"),
		"full/manifest-summary.json": `{"tableArn": "arn:aws:dynamodb:us-east-1:1:table/carts"}`, "full/data/c1.json": record,
		"broken/manifest-summary.json": "{", "broken/x.json": record, "broken/y.json": record, "alone.json": record,
		"AWSDynamoDB/03/manifest-summary.json": summary("carts"), "AWSDynamoDB/03/manifest-files.json": "{\n{}\n" + list("y.json"),
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	sources, _, err := Find(dir)
	require.NoError(t, err)
	keys := make(map[string]string)
	for _, s := range sources {
		got := importAll(Options{}, s)
		require.NoError(t, got.err)
		require.Len(t, got.records, 1, s.Name)
		keys[filepath.Base(s.Name)] = got.records[0].Key
	}
	assert.Equal(t, map[string]string{
		"u1.json": "users/1", "g1.json": "goods/1", "both.json": "1", "c1.json": "carts/1", "x.json": "1", "y.json": "carts/1", "alone.json": "1",
	}, keys)

	require.NoError(t, os.Remove(filepath.Join(dir, "AWSDynamoDB/data/g1.json")))
	_, _, err = Find(dir)
	require.ErrorContains(t, err, filepath.Join("02-goods", "manifest-files.json")+":1 lists g1.json, which is not there")
	require.NoError(t, os.Remove(filepath.Join(dir, "AWSDynamoDB/02-goods/manifest-files.json")))
	_, _, err = Find(dir)
	require.NoError(t, err)
}
