package history

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// fixtures returns the documents of all exports in testdata of a format.
func fixtures(t testing.TB, format Format) [][]byte {
	files, err := filepath.Glob(filepath.Join("testdata", string(format), "*json"))
	require.NoError(t, err)
	var documents [][]byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		c := chunk{}
		(&documentSplitter{limit: value.DefaultBytes}).cut(&c, data, true)
		for _, d := range c.documents.all() {
			documents = append(documents, data[d.start:d.end])
		}
	}
	require.NotEmpty(t, documents)
	return documents
}

func TestNoExportIsTakenForAnother(t *testing.T) {
	var doc value.Doc
	for _, format := range []Format{CockroachDB, DynamoDB, Spanner, Debezium} {
		taken := 0
		for _, text := range fixtures(t, format) {
			ref, err := doc.Parse(text, value.Limits{})
			if err != nil || ref.Kind() != value.KindObject {
				continue
			}
			for _, imp := range importers {
				if imp.detect(ref) {
					assert.Equal(t, format, imp.name, string(text))
					assert.False(t, isNative(ref), string(text))
					taken++
				}
			}
		}
		assert.NotZero(t, taken)
	}
	for _, text := range []string{
		`{"key": "users/1", "node": "eu", "fields": {"after": 1}, "before": {"after": 0}, "time": "2022-09-27T12:30:00Z"}`,
		`{"key": "k", "node": "eu", "value": {"before": null, "after": {"id": 1}, "source": {"connector": "mysql"}, "op": "c"}}`,
		`{"topic": "t", "partition": 0, "offset": 1, "key": "{\"id\": 1}", "payload": null}`,
		`{"topic": "t", "partition": 0, "offset": 1, "key": "k", "payload": "{\"ts_ms\": 1}"}`,
		`{"data": {"id": 1}, "type": "insert", "ts": 1, "xid": 7}`,
		`{"Item": {"id": 1}, "more": true}`,
		`{"Records": [{"s3": {}}]}`,
		`{"resolved": true}`,
		`{}`,
	} {
		ref, err := doc.Parse([]byte(text), value.Limits{})
		require.NoError(t, err)
		for _, imp := range importers {
			assert.False(t, imp.detect(ref), "%s is no %s", text, imp.name)
		}
	}
}

// An envelope of CockroachDB is modelled on Debezium's, and the key of a message has the name of that of a native record.
func TestAChangeOfDebeziumIsOfNoOtherFormat(t *testing.T) {
	for _, text := range []string{
		`{"before": null, "after": {"id": 1}, "source": {"connector": "postgresql", "ts_ms": 1}, "op": "c", "ts_ms": 1}`,
		`{"payload": {"before": null, "after": {"id": 1}, "source": {"connector": "mysql"}, "op": "c", "ts_ms": 1, "transaction": null}}`,
		`{"after": {"id": 1}, "source": {"connector": "postgresql"}, "op": "c", "ts_ns": 1}`,
		`{"schema": {}, "payload": {"after": {"id": 1}, "source": {"connector": "mongodb"}, "op": "c", "ts_ns": 1}}`,
		`{"key": {"id": 1}, "value": {"after": {"id": 1}, "source": {"connector": "postgresql"}, "op": "c"}, "topic": "t"}`,
		`{"key": null, "value": {"after": {"id": 1}, "source": {"connector": "postgresql"}, "op": "c"}}`,
		`{"key": "{\"id\":1}", "payload": "{\"after\":{\"id\":1},\"op\":\"c\",\"source\":{\"connector\":\"x\"}}"}`,
		`{"source": {"connector": "mysql"}, "databaseName": "d", "ddl": "DROP TABLE t"}`,
	} {
		var doc value.Doc
		ref, err := doc.Parse([]byte(text), value.Limits{})
		require.NoError(t, err)
		assert.Equal(t, []Format{Debezium}, formatsOf(ref), text)
	}
}

func FuzzCockroachDB(f *testing.F) { fuzzImporter(f, &cockroachdb) }
func FuzzDynamoDB(f *testing.F)    { fuzzImporter(f, &dynamodb) }
func FuzzSpanner(f *testing.F)     { fuzzImporter(f, &spanner) }
func FuzzDebezium(f *testing.F)    { fuzzImporter(f, &debezium) }

// fuzzImporter holds what is so of every importer and document: it does not panic, it tells of every document something
// unless that is an empty list of records, it tells the same twice, and it leaves the text alone.
func fuzzImporter(f *testing.F, imp *importer) {
	for _, text := range fixtures(f, imp.name) {
		f.Add(text)
	}
	opt := Options{Origin: "origin", PrimaryKeys: map[string][]string{"flagged": {"id"}}}
	if imp.name == Debezium {
		opt.Origin = "source.origin"
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		var doc value.Doc
		ref, err := doc.Parse(text, opt.Limits)
		if err != nil || ref.Kind() == value.KindArray {
			return // never reaches an importer
		}
		imp.detect(ref)
		got := decodeOne(imp, ref, &opt)
		checkTold(t, got)
		if len(got.records)+len(got.aside)+len(got.counts) == 0 {
			empty := ref.Get("Records").Len() == 0 && ref.Get("payload").Len() == 0 && ref.Get("ChangeRecord").Len() == 0
			require.True(t, empty, "nothing is told of %s", text)
			require.True(t, ref.Get("Records").Kind() == value.KindArray || ref.Get("payload").Kind() == value.KindArray ||
				ref.Get("ChangeRecord").Kind() == value.KindArray, "nothing is told of %s", text)
		}
		require.Equal(t, got.String(), decodeOne(imp, ref, &opt).String())
		require.Equal(t, before, text)
	})
}

func decodeOne(imp *importer, doc value.Ref, opt *Options) told {
	var out Batch
	imp.decode(doc, finding.Place{File: "export", Line: 1}, opt, &out)
	return told{records: out.Records, aside: out.Aside, counts: out.Counts}
}
