package history

import (
	"strconv"
	"sync"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// spanner reads change streams of Spanner: spanner.md says what becomes of them, and what they do not tell.
var spanner = importer{name: Spanner, detect: isChangeStream, decode: readChangeStream}

// spelling gives the names of members in one of the two forms.
type spelling struct {
	commitTime, sequence, transaction, table, columnTypes, modType, capture string

	keys, newValues, oldValues string
}

var (
	queryAPI = spelling{
		commitTime: "commit_timestamp", sequence: "record_sequence", transaction: "server_transaction_id", table: "table_name",
		columnTypes: "column_types", modType: "mod_type", capture: "value_capture_type",
		keys: "keys", newValues: "new_values", oldValues: "old_values",
	}
	dataflow = spelling{
		commitTime: "commitTimestamp", sequence: "recordSequence", transaction: "serverTransactionId", table: "tableName",
		columnTypes: "rowType", modType: "modType", capture: "valueCaptureType",
		keys: "keysJson", newValues: "newValuesJson", oldValues: "oldValuesJson",
	}
)

// partitionRecords are the records that are no data, and the member that holds their time.
var partitionRecords = []struct{ name, time string }{
	{"heartbeat_record", "timestamp"},
	{"child_partitions_record", "start_timestamp"},
	{"partition_start_record", "start_timestamp"},
	{"partition_end_record", "end_timestamp"},
	{"partition_event_record", "commit_timestamp"},
}

// isChangeStream reports whether a document is a record of a change stream.
func isChangeStream(doc value.Ref) bool {
	for _, name := range []string{"ChangeRecord", "data_change_record"} {
		if k := doc.Get(name).Kind(); k == value.KindObject || k == value.KindArray {
			return true
		}
	}
	for _, p := range partitionRecords {
		if !inArray(doc.Get(p.name)).Get(p.time).IsAbsent() {
			return true
		}
	}
	return isDataChange(doc, &queryAPI) || isDataChange(doc, &dataflow)
}

func isDataChange(doc value.Ref, s *spelling) bool {
	return !doc.Get(s.commitTime).IsAbsent() && !doc.Get(s.modType).IsAbsent() && !doc.Get(s.table).IsAbsent()
}

// inArray returns the first element of an array, and what is no array as it is.
func inArray(r value.Ref) value.Ref {
	for e := range r.Elements() {
		return e
	}
	return r
}

// readChangeStream reads one document.
func readChangeStream(doc value.Ref, at finding.Place, opt *Options, out *Batch) {
	if rows := doc.Get("ChangeRecord"); !rows.IsAbsent() {
		doc = rows
	}
	if doc.Kind() != value.KindArray {
		readChangeStreamRecord(doc, at, opt, out)
		return
	}
	i := 0
	for rec := range doc.Elements() {
		if i++; doc.Len() > 1 {
			at.Item = i
		}
		readChangeStreamRecord(rec, at, opt, out)
	}
}

// readChangeStreamRecord reads one ChangeRecord, or a data change record alone.
func readChangeStreamRecord(doc value.Ref, at finding.Place, opt *Options, out *Batch) {
	read := 0
	if list := doc.Get("data_change_record"); !list.IsAbsent() {
		for rec := range each(list) {
			read++
			readDataChange(rec, &queryAPI, at, opt, out)
		}
	}
	for i := range partitionRecords {
		p := &partitionRecords[i]
		list := doc.Get(p.name)
		if list.IsAbsent() {
			continue
		}
		for rec := range each(list) {
			read++
			readPartition(rec.Get(p.time), at, out)
		}
	}
	switch {
	case read > 0:
	case isDataChange(doc, &queryAPI):
		readDataChange(doc, &queryAPI, at, opt, out)
	case isDataChange(doc, &dataflow):
		readDataChange(doc, &dataflow, at, opt, out)
	default:
		out.aside(at, finding.MissingField, "no record of a change stream: want data_change_record, or the record itself")
	}
}

// each yields the elements of an array, one object, and of anything else nothing.
func each(r value.Ref) func(yield func(value.Ref) bool) {
	if r.Kind() == value.KindObject {
		return func(yield func(value.Ref) bool) { yield(r) }
	}
	return r.Elements()
}

// readPartition reads the time of a record that says how far a partition has come.
func readPartition(at value.Ref, place finding.Place, out *Batch) {
	t, precision, bad := commitTime(at)
	if bad != nil {
		out.aside(place, bad.code, "%s", bad.detail)
		return
	}
	rec := out.record(place)
	rec.Kind, rec.Time, rec.Precision = Watermark, t, precision
}

// readDataChange reads a data change record, one write for each of its mods.
func readDataChange(rec value.Ref, s *spelling, at finding.Place, opt *Options, out *Batch) {
	c := &out.mods
	*c = dataChange{
		spelling: s,
		opt:      opt,
		out:      out,
		table:    textOf(rec.Get(s.table)),
		modType:  textOf(rec.Get(s.modType)),
		capture:  textOf(rec.Get(s.capture)),
		tx:       textOf(rec.Get(s.transaction)),
		sequence: textOf(rec.Get(s.sequence)),
	}
	mods := rec.Get("mods")
	if mods.IsAbsent() {
		mods = rec.Get("mod")
	}
	bad := c.head(rec)
	if bad == nil && mods.Kind() != value.KindObject && mods.Len() == 0 {
		bad = newProblem(finding.MissingField, "a data change record without mods")
	}
	if bad != nil {
		out.aside(at, bad.code, "%s", bad.detail)
		return
	}
	i := 0
	for mod := range each(mods) {
		i++
		place := at
		if mods.Len() > 1 && mods.Kind() == value.KindArray {
			place = nth(at, i)
		}
		if bad := c.mod(mod, i, place); bad != nil {
			out.aside(place, bad.code, "%s", bad.detail)
		}
	}
}

// dataChange is what the mods of a data change record have in common.
type dataChange struct {
	*spelling
	opt *Options
	out *Batch

	table, capture string
	tx             string
	types          map[string]columnType

	time      clock.Timestamp
	precision Precision
	sequence  string
	modType   string
}

// head reads the rest of what the mods have in common, and checks it.
func (c *dataChange) head(rec value.Ref) (bad *problem) {
	switch c.modType {
	case "INSERT", "UPDATE", "DELETE":
	default:
		return newProblem(finding.BadField, "%s %q is none of INSERT, UPDATE and DELETE", c.spelling.modType, clip(c.modType))
	}
	switch c.capture {
	case "", "OLD_AND_NEW_VALUES", "NEW_VALUES", "NEW_ROW", "NEW_ROW_AND_OLD_VALUES":
	default:
		return newProblem(finding.BadField, "%s %q is none that is known", c.spelling.capture, clip(c.capture))
	}
	if c.table == "" {
		return newProblem(finding.MissingField, "the record does not name its table")
	}
	if c.time, c.precision, bad = commitTime(rec.Get(c.commitTime)); bad != nil {
		return bad
	}
	// The sequence is eight digits, ordered as text. Read as hexadecimal, whatever the digits are, it keeps that order.
	if n, err := strconv.ParseUint(c.sequence, 16, 32); err == nil {
		c.time.Logical = uint32(n)
	}
	c.types, bad = c.out.types.of(rec.Get(c.columnTypes), c.opt)
	return bad
}

// mod appends the record of the write that stands i-th in the data change record.
func (c *dataChange) mod(mod value.Ref, i int, at finding.Place) *problem {
	keys, bad := c.columns(mod.Get(c.keys))
	if bad != nil {
		return bad
	}
	if len(keys) == 0 {
		return newProblem(finding.MissingField, "a mod without the key of its row")
	}
	columns, bad := c.columns(mod.Get(c.newValues))
	if bad != nil {
		return bad
	}
	old, bad := c.columns(mod.Get(c.oldValues))
	if bad != nil {
		return bad
	}
	origin, bad := c.out.origin(columns, c.opt)
	if bad != nil {
		return bad
	}
	if c.opt.arrived(origin, c.out.region) {
		c.out.count(finding.DuplicateOp)
		return nil
	}
	kind := Write
	switch c.modType {
	case "DELETE":
		if len(columns) > 0 {
			return newProblem(finding.BadField, "a DELETE with new values")
		}
	case "INSERT":
		if len(columns) == 0 {
			columns = keys
		}
		columns = columns.anew()
	case "UPDATE":
		if len(columns) == 0 {
			return newProblem(finding.MissingField, "an UPDATE without new values: nothing says what was written")
		}
		for _, f := range old {
			i, found := columns.find(f.Name)
			if !found {
				return newProblem(finding.BadField, "column %q has an old value and no new one", clip(f.Name))
			}
			columns[i].Before = f.Value
		}
		if c.capture == "NEW_ROW_AND_OLD_VALUES" {
			for i, f := range columns {
				if f.Before.IsAbsent() {
					columns[i].Before = f.Value
				}
			}
		}
		if columns.unchanged() {
			kind = Snapshot
		}
	}

	rec := c.out.record(at)
	rec.Kind, rec.Key = kind, rowKey(c.table, keys.values())
	rec.Time, rec.Precision = c.time, c.precision
	rec.began(origin, c.opt)
	rec.Region = "" // partitions are read beside each other, so nothing follows from what stands before what
	if c.modType == "DELETE" {
		rec.Op = merge.Delete
	} else {
		rec.Fields = columns
	}
	if c.tx != "" {
		rec.Tx = c.tx
		id := c.out.room(len(c.tx) + len("/") + len(c.sequence) + len("/") + len("9223372036854775807"))
		id = append(append(append(append(id, c.tx...), '/'), c.sequence...), '/')
		rec.ID = c.out.keep(strconv.AppendInt(id, int64(i), 10))
	}
	return nil
}

// inner parses the JSON that stands in strings.
type inner struct {
	doc    value.Doc
	shapes value.Shapes
}

var inners = sync.Pool{New: func() any { return new(inner) }}

// columns reads an object of columns, or a string of JSON that is one.
func (c *dataChange) columns(row value.Ref) (image, *problem) {
	if text, ok := row.Text(); ok {
		in := inners.Get().(*inner)
		defer inners.Put(in)
		var err error
		if row, err = in.shapes.Parse(&in.doc, unsafe.Slice(unsafe.StringData(text), len(text)), c.opt.Limits); err != nil {
			return nil, within("a string of JSON", err)
		}
	}
	switch row.Kind() {
	case value.KindAbsent, value.KindNull:
		return nil, nil
	case value.KindObject:
		return imageOf(row, c.out, c.read)
	}
	return nil, newProblem(finding.BadField, "values are an object by column, not %s", article(row.Kind()))
}

// read returns the value of a column, by its type.
func (c *dataChange) read(column string, v value.Ref) (value.Value, *problem) {
	return c.types[column].read(column, v)
}

// commitTime reads a timestamp in RFC 3339 or as {"seconds": …, "nanos": …}.
func commitTime(v value.Ref) (t clock.Timestamp, precision Precision, bad *problem) {
	switch v.Kind() {
	case value.KindString:
		t, _, bad = parseRFC3339(textOf(v))
	case value.KindObject:
		t, bad = secondsAndNanos(v)
	case value.KindAbsent, value.KindNull:
		bad = newProblem(finding.MissingField, "the record has no time")
	default:
		bad = newProblem(finding.BadTime, "a time is RFC 3339 or seconds and nanos, not %q", spelled(v))
	}
	precision = Microsecond
	if t.Wall%1000 != 0 {
		precision = Nanosecond
	}
	return t, precision, bad
}

func secondsAndNanos(v value.Ref) (clock.Timestamp, *problem) {
	number, ok := numberOf(spelled(v.Get("seconds")))
	if !ok {
		return clock.Timestamp{}, newProblem(finding.BadTime, "%q is no time: want seconds and nanos", spelled(v))
	}
	t, bad := epochTime(string(number), inSeconds)
	if bad != nil {
		return t, bad
	}
	if nanos := v.Get("nanos"); !nanos.IsAbsent() {
		n, ok := shifted(string(nanos.Raw()), 0)
		if nanos.Kind() != value.KindNumber || !ok || n > 999_999_999 {
			return t, newProblem(finding.BadTime, "%q nanos are no part of a second", spelled(nanos))
		}
		t.Wall += n
	}
	return t, nil
}
