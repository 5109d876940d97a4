package history

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// edit is one write of a generated history, with what an export tells of it beside the record.
type edit struct {
	Record
	table    string
	keyNames []string
	key      []value.Value
	inserted bool
	before   image // the row before, nil when there was none
	after    image // the row after, nil when there is none
	sequence uint64
}

// generate makes a history of a few rows that are inserted, changed and deleted, by one node after the other. The
// records are complete but for what each form of export has its own way with: id, transaction and precision.
func generate(seed uint64, n int) []edit {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := map[string]image{}
	wall := int64(1701102296000000000)
	var edits []edit
	for len(edits) < n {
		e := edit{table: []string{"users", "stock", "a/b%c"}[r.IntN(3)], keyNames: []string{"id"}, sequence: uint64(len(edits)) + 1}
		switch e.table {
		case "users":
			e.key = []value.Value{value.Text([]string{"ada", "Zoë/1", `"q"`, "[x]", "7"}[r.IntN(5)])}
		case "stock":
			e.keyNames = []string{"city", "id"}
			e.key = []value.Value{value.Text([]string{"york", "łódź"}[r.IntN(2)]), value.Int(9007199254740993 + r.Int64N(3))}
		default:
			e.key = []value.Value{value.Int(r.Int64N(4))}
		}
		e.Key = rowKey(e.table, e.key)
		wall += 1 + r.Int64N(2_000_000_000)
		e.Time = clock.Timestamp{Wall: wall}
		e.before = rows[e.Key]
		e.inserted = e.before == nil
		if !e.inserted && r.IntN(5) == 0 {
			e.Op = merge.Delete
			delete(rows, e.Key)
			edits = append(edits, e)
			continue
		}
		for _, name := range []string{"j", "n", "s", "t"} {
			v := e.before.get(name)
			if v.IsAbsent() || r.IntN(2) == 0 {
				v = anyValue(r, name)
			}
			e.after = append(e.after, Field{Name: name, Value: v})
		}
		if !e.inserted && slices.Equal(e.after, e.before) {
			continue // a write of nothing is no write in an export
		}
		rows[e.Key] = slices.Clone(e.after)
		edits = append(edits, e)
	}
	return edits
}

// anyValue returns a value for a column: s and t hold texts, n numbers, j anything.
func anyValue(r *rand.Rand, column string) value.Value {
	texts := []string{"", "plain", "two\nlines", "\"quoted\" \\ / \u2028", "日本語", "NaN", "12"}
	numbers := []value.Value{"0", "-1", "9007199254740993", "18446744073709551617", "0.10", "-12345.678900"}
	switch kind := r.IntN(8); {
	case kind == 0:
		return value.Null
	case column == "n":
		return numbers[r.IntN(len(numbers))]
	case column == "j" && kind < 3:
		return value.Bool(kind == 1)
	case column == "j" && kind < 5:
		return value.Array(value.Text("x"), numbers[r.IntN(len(numbers))], value.Null, value.Array())
	case column == "j":
		return value.Object(value.Member{Name: "b", Value: numbers[r.IntN(len(numbers))]}, value.Member{Name: "a é", Value: value.Object()})
	}
	return value.Text(texts[r.IntN(len(texts))])
}

// fields returns the fields of the record of an edit: with the image before if the export has one, and with the key if
// it gives that as columns.
func (e *edit) fields(withBefore, insertsKnown, withKey bool) []Field {
	if e.after == nil {
		return nil
	}
	fields := slices.Clone(e.after)
	for i, f := range fields {
		switch {
		case e.before != nil && withBefore:
			fields[i].Before = e.before.get(f.Name)
		case e.before == nil && insertsKnown && f.Value != value.Null:
			fields[i].Before = value.Null
		}
	}
	if withKey {
		for i, name := range e.keyNames {
			f := Field{Name: name, Value: e.key[i]}
			switch {
			case e.before != nil && withBefore:
				f.Before = f.Value
			case e.before == nil && insertsKnown:
				f.Before = value.Null
			}
			fields = append(fields, f)
		}
		slices.SortFunc(fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	}
	return fields
}

// object writes a row as JSON, "null" for none. The order of its members is that of the columns, then the key.
func (e *edit) object(row image, withKey bool, write func(value.Value) string) string {
	if row == nil {
		return "null"
	}
	return e.columns(row, withKey, write)
}

func (e *edit) columns(row image, withKey bool, write func(value.Value) string) string {
	var members []string
	for _, f := range row {
		members = append(members, string(value.Text(f.Name))+": "+write(f.Value))
	}
	if withKey {
		for i, name := range e.keyNames {
			members = append(members, string(value.Text(name))+": "+write(e.key[i]))
		}
	}
	return "{" + strings.Join(members, ", ") + "}"
}

func plain(v value.Value) string { return string(v) }

// form is one form of export: how to write an edit in it, and what the record of the edit then is.
type form struct {
	name   string
	write  func(e *edit) string
	want   func(e *edit)
	join   func(lines []string) string // nil: one a line
	counts map[finding.Code]int64      // of every edit
	holds  func(e *edit) bool          // nil: all of them

	unordered bool // nothing follows from the place of a record, so that its region is nobody's business
}

func cockroachForms() []form {
	want := func(withBefore, insertsKnown bool) func(e *edit) {
		return func(e *edit) {
			e.Time.Logical = uint32(e.sequence % 3)
			e.Precision = Nanosecond
			e.ID = e.Key + "@" + e.Time.String()
			e.Fields = e.fields(withBefore, insertsKnown, true)
		}
	}
	key := func(e *edit) string { return string(value.Array(e.key...)) }
	wrapped := func(e *edit) string {
		return fmt.Sprintf(`{"after": %s, "key": %s, "topic": %q, "updated": "%s"}`, e.object(e.after, true, plain), key(e), e.table, e.Time)
	}
	return []form{
		{name: "wrapped", write: wrapped, want: want(false, false)},
		{
			name: "wrapped with diff", want: want(true, false),
			write: func(e *edit) string {
				return fmt.Sprintf(`{"after": %s, "before": %s, "key": %s, "topic": %q, "updated": "%s"}`,
					e.object(e.after, true, plain), e.object(e.before, true, plain), key(e), e.table, e.Time)
			},
		},
		{
			name: "wrapped with diff and mvcc_timestamp", want: want(true, true),
			write: func(e *edit) string {
				return fmt.Sprintf(`{"mvcc_timestamp": "%s", "updated": "%[1]s", "topic": %q, "key": %s, "before": %s, "after": %s}`,
					e.Time, e.table, key(e), e.object(e.before, true, plain), e.object(e.after, true, plain))
			},
		},
		{
			name: "bare", want: want(false, false),
			holds: func(e *edit) bool { // neither a delete nor what looks like one
				return slices.ContainsFunc(e.after, func(f Field) bool { return f.Value != value.Null })
			},
			write: func(e *edit) string {
				meta := fmt.Sprintf(`{"__crdb__": {"key": %s, "topic": %q, "updated": "%s"}, `, key(e), e.table, e.Time)
				return meta + e.object(e.after, true, plain)[1:]
			},
		},
		{
			name: "enriched with schema", want: want(true, true),
			write: func(e *edit) string {
				op := map[bool]string{true: "c", false: "u"}[e.inserted]
				if e.after == nil {
					op = "d"
				}
				names := `["` + strings.Join(e.keyNames, `", "`) + `"]`
				return fmt.Sprintf(`{"payload": {"after": %s, "before": %s, "key": %s, "op": %q, "source": {"primary_keys": %s, `+
					`"table_name": %q, "ts_hlc": "%s", "mvcc_timestamp": "%[7]s", "ts_ns": %[8]d}, "ts_ns": 1}, "schema": {"fields": []}}`,
					e.object(e.after, true, plain), e.object(e.before, true, plain), e.columns(nil, true, plain), op, names,
					e.table, e.Time, e.Time.Wall)
			},
		},
		{
			name: "webhook", write: wrapped, want: want(false, false),
			join: func(lines []string) string {
				var b strings.Builder
				for batch := range slices.Chunk(lines, 7) {
					fmt.Fprintf(&b, "{\"payload\": [%s], \"length\": %d}\n", strings.Join(batch, ", "), len(batch))
				}
				return b.String()
			},
		},
		{
			name: "array over lines", write: wrapped, want: want(false, false),
			join: func(lines []string) string { return "[\n" + strings.Join(lines, ",\n") + "\n]" },
		},
	}
}

// typedJSON writes a value as DynamoDB does.
func typedJSON(v value.Value) string {
	switch v.Kind() {
	case value.KindNull:
		return `{"NULL": true}`
	case value.KindTrue, value.KindFalse:
		return `{"BOOL": ` + string(v) + `}`
	case value.KindNumber:
		return `{"N": "` + string(v) + `"}`
	case value.KindString:
		return `{"S": ` + string(v) + `}`
	case value.KindArray:
		var elements []string
		for e := range v.Elements() {
			elements = append(elements, typedJSON(e))
		}
		return `{"L": [` + strings.Join(elements, ", ") + `]}`
	}
	var members []string
	for name, m := range v.Members() {
		members = append(members, string(value.Text(name))+": "+typedJSON(m))
	}
	return `{"M": {` + strings.Join(members, ", ") + `}}`
}

func dynamoForms() []form {
	images := func(e *edit) string {
		text := `"Keys": ` + e.columns(nil, true, typedJSON)
		if e.after != nil {
			text += `, "NewImage": ` + e.object(e.after, true, typedJSON)
		}
		if e.before != nil {
			text += `, "OldImage": ` + e.object(e.before, true, typedJSON)
		}
		return text
	}
	event := func(e *edit) string {
		switch {
		case e.after == nil:
			return "REMOVE"
		case e.inserted:
			return "INSERT"
		}
		return "MODIFY"
	}
	want := func(step int64, p Precision, table bool) func(e *edit) {
		return func(e *edit) {
			e.Time.Wall -= e.Time.Wall % step
			e.Precision = p
			e.ID = "event-" + strconv.FormatUint(e.sequence, 10)
			e.Fields = e.fields(true, true, false)
			if !table {
				e.Key = rowKey("", e.key)
			}
		}
	}
	stream := func(e *edit) string {
		return fmt.Sprintf(`{"eventID": "event-%d", "eventName": %q, "eventVersion": "1.1", "eventSource": "aws:dynamodb", "dynamodb": `+
			`{"ApproximateCreationDateTime": %d, %s, "SequenceNumber": "3000000000000004996%05d", "StreamViewType": "NEW_AND_OLD_IMAGES"}, `+
			`"eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/%s/stream/2016-11-16T20:42:48.104"}`,
			e.sequence, event(e), e.Time.Wall/1e9, images(e), e.sequence, strings.ReplaceAll(e.table, "/", "-"))
	}
	streamed := func(want func(*edit)) func(*edit) {
		return func(e *edit) {
			want(e)
			number, _ := new(big.Int).SetString(fmt.Sprintf("3000000000000004996%05d", e.sequence), 10)
			e.Time.Logical = uint32(number.Mod(number, big.NewInt(1<<32)).Uint64())
			// no table has a slash in its name
			e.Key = rowKey(strings.ReplaceAll(e.table, "/", "-"), e.key)
		}
	}
	records := func(lines []string) string { return `{"Records": [` + strings.Join(lines, ",\n") + `]}` }
	kinesis := func(e *edit) string {
		return fmt.Sprintf(`{"eventID": "event-%d", "eventName": %q, "userIdentity": null, "recordFormat": "application/json", "tableName": %q, `+
			`"dynamodb": {"ApproximateCreationDateTime": %d, %s, "SizeBytes": 99}}`, e.sequence, event(e), e.table, e.Time.Wall/1e6, images(e))
	}
	return []form{
		{name: "Streams, one record a line", write: stream, want: streamed(want(1e9, Second, true))},
		{name: "Lambda", write: stream, want: streamed(want(1e9, Second, true)), join: records},
		{name: "Kinesis", unordered: true, write: kinesis, want: want(1e6, Millisecond, true)},
		{
			name: "Firehose", unordered: true, want: want(1e3, Microsecond, true),
			write: func(e *edit) string {
				return fmt.Sprintf(`{"eventID":"event-%d","eventName":%q,"recordFormat":"application/json","tableName":%q,"dynamodb":`+
					`{"ApproximateCreationDateTime":%d,%s,"SizeBytes":99,"ApproximateCreationDateTimePrecision":"MICROSECOND"}}`,
					e.sequence, event(e), e.table, e.Time.Wall/1e3, images(e))
			},
			join: func(lines []string) string { return strings.Join(lines, "") },
		},
		{
			name: "Lambda of Kinesis", unordered: true, want: want(1e6, Millisecond, true), join: records,
			write: func(e *edit) string {
				return fmt.Sprintf(`{"kinesis": {"data": %q}, "eventSource": "aws:kinesis"}`, base64.StdEncoding.EncodeToString([]byte(kinesis(e))))
			},
		},
		{
			name: "incremental export", unordered: true,
			write: func(e *edit) string {
				return fmt.Sprintf(`{"Metadata": {"WriteTimestampMicros": {"N": "%d"}}, %s}`, e.Time.Wall/1e3, images(e))
			},
			want: func(e *edit) {
				want(1e3, Microsecond, false)(e)
				e.ID = e.Key + "@" + e.Time.String()
				e.Fields = e.fields(true, false, false)
			},
			counts: map[finding.Code]int64{finding.CompactedWindow: 1},
		},
	}
}

func spannerForms() []form {
	// INT64 and NUMERIC are strings, and a column of type JSON holds a string of JSON; so the test leaves j as it is, which
	// Spanner has only for booleans and arrays.
	columnTypes := `[{"name": "id", "type": {"code": "%s"}, "is_primary_key": true}, {"name": "n", "type": {"code": "NUMERIC"}}, ` +
		`{"name": "s", "type": {"code": "STRING"}}, {"name": "t", "type": {"code": "STRING"}}]`
	quoteNumbers := func(v value.Value) string {
		if v.Kind() == value.KindNumber {
			return `"` + string(v) + `"`
		}
		return string(v)
	}
	idType := func(e *edit) string {
		if e.table == "users" {
			return fmt.Sprintf(columnTypes, "STRING")
		}
		return fmt.Sprintf(columnTypes, "INT64")
	}
	modType := func(e *edit) string {
		switch {
		case e.after == nil:
			return "DELETE"
		case e.inserted:
			return "INSERT"
		}
		return "UPDATE"
	}
	changed := func(e *edit, img image) image { // the columns of an image that the edit changed
		if e.before == nil || e.after == nil {
			return img
		}
		var some image
		for _, f := range img {
			if e.before.get(f.Name) != e.after.get(f.Name) {
				some = append(some, f)
			}
		}
		return some
	}
	nonNil := func(img image) image {
		if img == nil {
			return image{}
		}
		return img
	}
	capture := map[string][2]func(e *edit) image{ // new values, old values
		"OLD_AND_NEW_VALUES": {
			func(e *edit) image { return changed(e, e.after) }, func(e *edit) image { return changed(e, e.before) },
		},
		"NEW_VALUES": {func(e *edit) image { return changed(e, e.after) }, func(*edit) image { return nil }},
		"NEW_ROW":    {func(e *edit) image { return e.after }, func(*edit) image { return nil }},
		"NEW_ROW_AND_OLD_VALUES": {
			func(e *edit) image { return e.after }, func(e *edit) image { return changed(e, e.before) },
		},
	}
	var forms []form
	for _, kind := range []string{"OLD_AND_NEW_VALUES", "NEW_VALUES", "NEW_ROW", "NEW_ROW_AND_OLD_VALUES"} {
		newValues, oldValues := capture[kind][0], capture[kind][1]
		want := func(e *edit) {
			e.Time.Wall -= e.Time.Wall % 1000
			e.Time.Logical = uint32(e.sequence)
			e.Precision = Microsecond
			e.Tx = fmt.Sprintf("tx%d", e.sequence/2)
			e.ID = fmt.Sprintf("%s/%08x/1", e.Tx, e.sequence)
			whole := e.fields(strings.Contains(kind, "OLD"), true, false)
			e.Fields = slices.DeleteFunc(whole, func(f Field) bool {
				_, told := newValues(e).find(f.Name)
				return !told
			})
		}
		forms = append(forms, form{
			name: "query API, " + kind, unordered: true, want: want,
			write: func(e *edit) string {
				return fmt.Sprintf(`{"data_change_record": {"commit_timestamp": %q, "record_sequence": "%08x", "server_transaction_id": "tx%d", `+
					`"table_name": %q, "column_types": %s, "mods": [{"keys": %s, "new_values": %s, "old_values": %s}], "mod_type": %q, `+
					`"value_capture_type": %q, "number_of_records_in_transaction": 2}}`,
					e.Time.Time().Format("2006-01-02T15:04:05.000000Z"), e.sequence, e.sequence/2, e.table, idType(e),
					e.columns(nil, true, quoteNumbers), e.columns(nonNil(newValues(e)), false, quoteNumbers),
					e.columns(nonNil(oldValues(e)), false, quoteNumbers), modType(e), kind)
			},
		}, form{
			name: "Dataflow, " + kind, unordered: true, want: want,
			write: func(e *edit) string {
				text := func(s string) string { return string(value.Text(s)) }
				wall := e.Time.Wall - e.Time.Wall%1000
				return fmt.Sprintf(`{"commitTimestamp": {"seconds": %d, "nanos": %d}, "recordSequence": "%08x", "serverTransactionId": "tx%d", `+
					`"tableName": %q, "rowType": %s, "mods": [{"keysJson": %s, "newValuesJson": %s, "oldValuesJson": %s}], "modType": %q, `+
					`"valueCaptureType": %q}`,
					wall/1e9, wall%1e9, e.sequence, e.sequence/2, e.table, idType(e),
					text(e.columns(nil, true, quoteNumbers)), text(e.columns(newValues(e), false, quoteNumbers)),
					text(e.columns(oldValues(e), false, quoteNumbers)), modType(e), kind)
			},
		})
	}
	return forms
}

func debeziumForms() []form {
	op := func(e *edit) string {
		switch {
		case e.after == nil:
			return "d"
		case e.inserted:
			return "c"
		}
		return "u"
	}
	key := func(e *edit) string { return e.columns(nil, true, plain) }
	change := func(e *edit, before string, source string) string {
		return fmt.Sprintf(`{"before": %s, "after": %s, "source": %s, "op": %q, "ts_ms": 1}`, before, e.object(e.after, true, plain), source, op(e))
	}
	postgres := func(e *edit) string {
		return fmt.Sprintf(`{"connector": "postgresql", "name": "shop", "ts_ns": %d, "schema": "public", "table": %q, "txId": %d, "lsn": %d}`,
			e.Time.Wall, e.table, e.sequence/2, e.sequence)
	}
	wantPostgres := func(withBefore bool) func(e *edit) {
		return func(e *edit) {
			e.Time = clock.Timestamp{Wall: e.Time.Wall / 1000 * 1000, Logical: uint32(e.sequence)}
			e.Precision = Microsecond
			e.Tx = fmt.Sprintf("shop/%d", e.sequence/2)
			e.ID = fmt.Sprintf("%s@%s@%s/%d", e.Key, e.Time, e.Tx, e.sequence)
			e.Fields = e.fields(withBefore, true, true)
		}
	}
	return []form{
		{
			name: "kcat, PostgreSQL with the whole row before", want: wantPostgres(true),
			holds: func(e *edit) bool { // a row before that is more than a key
				return e.before == nil || slices.ContainsFunc(e.before, func(f Field) bool { return f.Value != value.Null })
			},
			write: func(e *edit) string {
				return fmt.Sprintf(`{"topic": "t", "partition": 0, "offset": %d, "key": %s, "payload": %s}`,
					e.sequence, value.Text(key(e)), value.Text(change(e, e.object(e.before, true, plain), postgres(e))))
			},
		},
		{
			name: "with schemas, PostgreSQL without the row before", want: wantPostgres(false),
			write: func(e *edit) string {
				return fmt.Sprintf(`{"key": {"schema": {"fields": []}, "payload": %s}, "value": {"schema": {"fields": []}, "payload": %s}}`,
					key(e), change(e, "null", postgres(e)))
			},
		},
		{
			name: "array over lines, MySQL",
			want: func(e *edit) {
				e.Time = clock.Timestamp{Wall: e.Time.Wall / 1e9 * 1e9, Logical: uint32(e.sequence)}
				e.Precision = Second
				e.Key = rowKey("db."+e.table, e.key)
				e.ID = fmt.Sprintf("%s@%s@shop/1/bin.1/%d/0", e.Key, e.Time, e.sequence)
				e.Fields = e.fields(true, true, true)
			},
			holds: func(e *edit) bool {
				return e.before == nil || slices.ContainsFunc(e.before, func(f Field) bool { return f.Value != value.Null })
			},
			write: func(e *edit) string {
				source := fmt.Sprintf(`{"connector": "mysql", "name": "shop", "ts_ms": "%d", "db": "db", "table": %q, "server_id": 1, "file": "bin.1", "pos": %d, "row": 0}`,
					e.Time.Wall/1e6, e.table, e.sequence)
				return fmt.Sprintf(`{"key": %s, "payload": %s}`, key(e), change(e, e.object(e.before, true, plain), source))
			},
			join: func(lines []string) string { return "[\n" + strings.Join(lines, ",\n") + "\n]" },
		},
	}
}

// TestHistoryWrittenAsAnExportReadsBackEqual writes generated histories out in every form of export and reads them
// back; and once more through the native form, which must hold all that was read.
func TestHistoryWrittenAsAnExportReadsBackEqual(t *testing.T) {
	formats := map[Format][]form{CockroachDB: cockroachForms(), DynamoDB: dynamoForms(), Spanner: spannerForms(), Debezium: debeziumForms()}
	for format, forms := range formats {
		for _, f := range forms {
			t.Run(string(format)+"/"+f.name, func(t *testing.T) {
				for seed := range uint64(4) {
					checkWrittenExport(t, format, f, seed)
				}
			})
		}
	}
}

// edits returns generated changes, those that the form can tell.
func (f *form) edits(seed uint64, n int) []edit {
	edits := generate(seed, n)
	if f.holds != nil {
		edits = slices.DeleteFunc(edits, func(e edit) bool { return !f.holds(&e) })
	}
	return edits
}

func checkWrittenExport(t *testing.T, format Format, f form, seed uint64) {
	edits := f.edits(seed, 60)
	lines := make([]string, len(edits))
	want := make([]Record, len(edits))
	for i := range edits {
		e := &edits[i]
		e.Node, e.Region = "eu-west", "eu-west"
		f.want(e)
		if f.unordered {
			e.Region = ""
		}
		want[i] = e.Record
		lines[i] = f.write(e)
	}
	text := strings.Join(lines, "\n") + "\n"
	if f.join != nil {
		text = f.join(lines)
	}
	source := Reader("export", strings.NewReader(text))
	source.Region = "eu-west"
	got := importAll(Options{chunk: 4 << 10}, source) // the format is detected
	require.NoError(t, got.err, "seed %d", seed)
	require.Empty(t, got.aside, "seed %d", seed)
	for code := range f.counts {
		require.EqualValues(t, len(edits), got.counts[code], "seed %d", seed)
	}
	ignore := cmpopts.IgnoreFields(Record{}, "Place")
	if diff := gocmp.Diff(want, got.records, ignore, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("seed %d, %s: written and read differ (-want +got):\n%s", seed, format, diff)
	}
	checkTold(t, got)

	var native bytes.Buffer
	w := NewWriter(&native, Native)
	for i := range got.records {
		require.NoError(t, w.Write(&got.records[i]), "seed %d", seed)
	}
	require.NoError(t, w.Close())
	again := importAll(Options{Format: Native}, Reader("native", &native))
	require.NoError(t, again.err)
	require.Empty(t, again.aside)
	// What the native form has no room for: the region of the file, and a precision beside a logical part.
	ignore = cmpopts.IgnoreFields(Record{}, "Place", "Region", "Precision")
	if diff := gocmp.Diff(want, again.records, ignore, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("seed %d, %s: through the native form (-want +got):\n%s", seed, format, diff)
	}
}

// The figure of each importer beside that of parsing alone, which is most of it.
func BenchmarkImport(b *testing.B) {
	for format, forms := range map[Format][]form{CockroachDB: cockroachForms(), DynamoDB: dynamoForms(), Spanner: spannerForms(), Debezium: debeziumForms()} {
		for _, f := range forms {
			b.Run(string(format)+"/"+f.name, func(b *testing.B) {
				edits := f.edits(1, 5000)
				lines := make([]string, len(edits))
				for i := range edits {
					f.want(&edits[i])
					lines[i] = f.write(&edits[i])
				}
				text := strings.Join(lines, "\n") + "\n"
				if f.join != nil {
					text = f.join(lines)
				}
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					source := Reader("export", strings.NewReader(text))
					stats, err := Scan([]Source{source}, Options{Format: format, Workers: 1}, func(batch *Batch) error {
						batch.Release()
						return nil
					})
					if err != nil || stats.Records != int64(len(edits)) {
						b.Fatal(stats, err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(edits)), "ns/record")
			})
		}
	}
}
