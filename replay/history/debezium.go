package history

import (
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// debezium reads change events of Debezium in JSON, of PostgreSQL, MySQL, MariaDB, SQL Server, Oracle and Db2: with their schema
// ({"schema", "payload"}) and without; alone, or with the key of their message as tools write it down: kcat -J and rpk topic consume,
// whose keys and values are strings of JSON, and {"key", "value"} or {"key", "payload"} of objects.
//
//   - Time is that of the database: source.ts_ns, else source.ts_us, else source.ts_ms. The ts_ms, ts_us and ts_ns beside source are when
//     the connector handled the change, and are not read. A change without any gives a write without a time, which is counted as
//     no_time. The precision is what the database has, however many digits are shown: microseconds, of SQL Server milliseconds. MySQL
//     and MariaDB write whole seconds, MySQL from 8.0.1 with GTIDs the microseconds of the commit where the write began, and LogMiner of
//     Oracle whole seconds: of these a time of a whole second has the precision of one. The position in the log of the database
//     is the logical part (the last 32 bits of lsn, pos or scn; of change_lsn and event_serial_no those that tell most), which orders the
//     writes of one transaction, and those of one second.
//   - The key is "table/primary-key", as [rowKey] writes it, of the columns of the message's key, in the order in which the key has them.
//     Where [Options.PrimaryKeys] names those of a table, it is of these, whatever the message's key is. The table is source.table,
//     behind its schema and a point, as in "billing.orders", unless that is "public" in PostgreSQL or "dbo" in SQL Server; in MySQL
//     and MariaDB behind its database. A name that holds a point or a quote is in quotes, as in SQL.
//   - The fields are the columns of after, primary key included. An insert has a Before of null for each that is not null. An
//     update has the Before of every column where the message holds the row before as a whole; else it has none, and every column
//     counts as written. An update that left every value as it was is a write, of which no column claims anything.
//   - A column whose value the message lacks, because the write left it alone ("__debezium_unavailable_value", in each of
//     the forms that the type of the column gives it), is no field of the write; where the row before has its value it is, as one that
//     was left alone.
//   - Decimals that stand as the bytes of a number ("decimal.handling.mode": "precise") are numbers with every digit where the message
//     has its schema. Where it has none they stay the text that they are, for nothing tells them from others. All other values are as
//     they are written: days and times as the integers that Debezium makes of them, bytes as base64, elements of arrays as they stand.
//   - A write is named by its key, its time, and its position in the log: source.name with txId and lsn (PostgreSQL); server_id, file,
//     pos and row (MySQL, MariaDB); commit_lsn, change_lsn and event_serial_no (SQL Server); lcr_position, else redo_thread, rs_id and
//     ssn (Oracle). A message delivered again has the same name. Where one of these is missing, and of Db2, it has none.
//   - A transaction is named by gtid, else by source.name with txId or commit_lsn.
//   - A row of a snapshot is a snapshot row: op "r", or op "c" with a source.snapshot other than false.
//   - A message of a key without a value says again that its row was deleted: it counts as delivered again.
//   - Heartbeats, the starts and ends of transactions, changes of a schema and messages of an application (op "m") are watermarks without a time.
//   - [Options.Origin] names a column, or as "source.NAME" a member of source, as in source.server_id: in MySQL and MariaDB it
//     is the server where a write began, whichever has it in its log. Where source.origin of PostgreSQL is null, a write
//     began in the region of its export.
//
// Set aside are messages without the key of their row; op "t", for a truncate does not name the rows that it deletes; Avro spelled as
// JSON; rows that were flattened (ExtractNewRecordState), for they do not tell what they replaced; and what other
// connectors write, of MongoDB and Cassandra among them, whose rows are of another form.
//
// HAZARD: PostgreSQL has the row before only under REPLICA IDENTITY FULL. By default an update has none, and a key at most, beside
// which there are nulls: a row of which only columns of the key are not null is not taken for one. Under USING INDEX, of an
// index that has the columns of the primary key and more, an update that changes one of them looks like one with the whole row, in
// which all other columns hold nulls, zeros or defaults that nobody wrote: counters then count from these. And one of an index that has not,
// where it changes the index, looks like a delete of another row and an insert. A delete has such fillers, too: the columns that
// [Options.PrimaryKeys] names must be of the identity, or a delete is of a key that nobody wrote.
//
// HAZARD: rows are whole where the database logs them whole, as Debezium asks for: binlog_row_image=FULL in MySQL and MariaDB,
// supplemental logging of all columns in Oracle. Elsewhere a column that was not logged looks like one that is null. SQL Server has nulls
// for the text, ntext and image of the row before.
//
// HAZARD: the time of MySQL and MariaDB is in whole seconds, but for that of GTIDs, and positions in the logs of two servers say nothing to
// each other: of writes within one second that two regions made, a rule that goes by time keeps one by chance, and it counts as a
// coin toss. In a second in which the log goes on in a new file, so it is of writes of one region.
//
// HAZARD: SQL Server tells the time of a change, unless the connector has source.timestamp.mode=processing: then it is when the connector
// read it, and nothing shows that. Oracle's is when the row changed, not when that was committed, and older connectors take the
// database's local time for UTC.
//
// HAZARD: positions are told apart by source.name. Connectors of several regions with one topic.prefix have one name: then a row that
// is written in two regions at one time, at equal positions of their logs, would be one write. Plugins of PostgreSQL that Debezium 2
// gave up (wal2json) name one position for a whole transaction: what it writes to one row would have one name, and is told as
// op_id_reused.
//
// HAZARD: each region's log holds the writes that arrive from others, and names them anew. Each write turns up in the export of every region
// as a write of its own, unless -origin tells where it began and the export of the origin is read with -region, in the same run. Then the
// row that arrived, and in PostgreSQL, MySQL and MariaDB its time too, which is when the write began, tells which write of its origin it is,
// and so what writers there had seen; not, in those three, how long it took. Regions are named as the origin is
// spelled: -region 1=us.json for a server_id of 1. A delete tells no column, but it has a source.
//
// HAZARD: topics are ordered by key: nothing but the order of messages of one key is read from where they stand, and a
// topic that was read from several partitions has it. A tool that sorts the members of JSON objects changes the keys of several columns.
//
// HAZARD: tables of one name in two databases are one in PostgreSQL, SQL Server, Oracle and Db2, where a connector mostly reads one. Databases of
// MySQL or MariaDB, and schemas, that have another name in each region have no key in common.
var debezium = importer{name: Debezium, detect: isDebezium, decode: readDebezium}

// readDebezium reads one message.
func readDebezium(doc value.Ref, at finding.Place, opt *Options, out *Batch) {
	m := &out.message
	*m = kafkaMessage{opt: opt, out: out}
	defer m.done()
	bad := m.unwrap(doc)
	if bad == nil {
		bad = m.read(at)
	}
	if bad != nil {
		out.aside(at, bad.code, "%s", bad.detail)
	}
}

// read appends the record of a message, or counts it.
func (m *kafkaMessage) read(at finding.Place) *problem {
	v := m.value.ref
	switch k := v.Kind(); k {
	case value.KindAbsent, value.KindNull:
		m.out.count(finding.DuplicateOp)
		return nil
	case value.KindObject:
	default:
		return newProblem(finding.BadField, "the value of a message is an object or null, not %s", article(k))
	}
	e := envelopeOf(v)
	m.source = e.source
	if isUpkeep(v) || m.source.Kind() == value.KindObject && isSchemaChange(v) {
		m.watermark(at)
		return nil
	}
	if m.source.Kind() != value.KindObject || e.op.IsAbsent() {
		if what := flattenedRow(v); what != "" {
			return newProblem(finding.BadField, "%s", what)
		}
		return newProblem(finding.MissingField, "no change of Debezium: it has \"op\" and \"source\"")
	}
	if bad := m.connect(); bad != nil {
		return bad
	}
	switch m.op = textOf(e.op); m.op {
	case "m":
		m.watermark(at)
		return nil
	case "t":
		return newProblem(finding.MissingField, "a truncate of table %q: it does not name the rows that it deletes", spelled(m.source.Get("table")))
	}
	return m.change(&e, at)
}

// watermark appends the record of a message that is of no row.
func (m *kafkaMessage) watermark(at finding.Place) { m.out.record(at).Kind = Watermark }

// change appends the record of the change of a row.
func (m *kafkaMessage) change(e *envelope, at finding.Place) *problem {
	deleted := e.after.Kind() == value.KindNull || e.after.IsAbsent()
	if bad := checkOp(m.op, deleted); bad != nil {
		return bad
	}
	scanned, bad := m.scanned()
	if bad != nil {
		return bad
	}
	m.types = m.out.schemas.of(m.value.schema, "after", "before")
	columns, _, bad := m.row("after", e.after)
	if bad != nil {
		return bad
	}
	before, whole, bad := m.row("before", e.before)
	switch {
	case bad != nil:
		return bad
	case !deleted && len(columns) == 0:
		return newProblem(finding.MissingField, "a row without columns: nothing says what was written")
	case m.op == "c" && len(before) > 0:
		return newProblem(finding.BadField, "op \"c\" with a row before")
	}
	table, bad := m.table()
	if bad != nil {
		return bad
	}
	row := columns
	if deleted {
		row = before
	}
	var fewNames [4]string
	var fewValues [4]value.Value
	names, key, bad := m.primaryKey(table, row, fewNames[:0], fewValues[:0])
	if bad != nil {
		return bad
	}
	t, precision, bad := m.time()
	if bad != nil && !scanned {
		return bad
	}
	counted := m.out.origins()
	origin, local, bad := m.origin(columns)
	if bad != nil {
		return bad
	}
	if local {
		origin = clock.Node(m.out.region)
	}

	whole = whole && m.connector.whole && m.op == "u" && before.holds(names, key)
	columns = columns.completed(before, whole)
	switch {
	case scanned:
	case whole:
		columns = columns.over(before, m.out)
	case m.op == "c":
		columns = columns.anew()
	}
	rec := m.out.record(at)
	rec.Key = m.out.rowKey(table, key)
	rec.Time, rec.Precision = t, precision
	if scanned {
		rec.Kind = Snapshot
		m.out.uncount(counted)
	} else if t.IsZero() {
		m.out.count(finding.NoTime)
	}
	if deleted {
		rec.Op = merge.Delete
	} else {
		rec.Fields = columns
	}
	rec.began(origin, m.opt)
	if !scanned {
		rec.ID, rec.Tx = m.id(rec), m.transaction()
	}
	if rec.Kind == Arrival && m.same {
		if rec.Precision = NoTime; !m.replicated() {
			rec.Time = clock.Timestamp{}
		}
	}
	return nil
}

// row reads the columns of a row, those that the message lacks as absent, and reports whether it lacks none.
func (m *kafkaMessage) row(name string, row value.Ref) (columns image, whole bool, bad *problem) {
	switch k := row.Kind(); k {
	case value.KindAbsent, value.KindNull:
		return nil, false, nil
	case value.KindObject:
	default:
		return nil, false, newProblem(finding.BadField, "%q is a row or null, not %s", name, article(k))
	}
	if isAvroRecord(row) {
		return nil, false, newProblem(finding.BadField, avroText, "the messages with the JSON converter")
	}
	if isCells(row) {
		return nil, false, newProblem(finding.BadField, "the columns of %q are cells of \"value\" and \"set\", which are not read", name)
	}
	columns, bad = imageOf(row, m.out, m.column)
	return columns, bad == nil && !slices.ContainsFunc(columns, func(f Field) bool { return f.Value.IsAbsent() }), bad
}

// column reads the value of a column, absent when the message lacks it.
func (m *kafkaMessage) column(name string, v value.Ref) (value.Value, *problem) {
	if isUnavailable(v) {
		return "", nil
	}
	return m.types.read(name, v, m.out)
}

// isAvroRecord reports whether a row is the one member of an object that is named for its type.
func isAvroRecord(row value.Ref) bool {
	if row.Len() != 1 {
		return false
	}
	for name, v := range row.Members() {
		return v.Kind() == value.KindObject && strings.HasSuffix(name, "Value")
	}
	return false
}

// isCells reports whether every column of a row that is not null is an object that says whether it was set.
func isCells(row value.Ref) bool {
	cells := 0
	for _, v := range row.Members() {
		if v.Kind() == value.KindNull {
			continue
		}
		if v.Get("set").IsAbsent() || v.Get("value").IsAbsent() {
			return false
		}
		cells++
	}
	return cells > 0
}

// completed returns the columns without those that the message lacks; with a whole row before, these are as they were.
func (columns image) completed(before image, whole bool) image {
	if !slices.ContainsFunc(columns, func(f Field) bool { return f.Value.IsAbsent() }) {
		return columns
	}
	kept := columns[:0]
	for _, f := range columns {
		if f.Value.IsAbsent() && whole {
			f.Value = before.get(f.Name)
		}
		if !f.Value.IsAbsent() {
			kept = append(kept, f)
		}
	}
	return kept
}

// holds reports whether a row has a key, and beside it a value that is not null.
func (columns image) holds(names []string, key []value.Value) bool {
	for i, name := range names {
		if columns.get(name) != key[i] {
			return false
		}
	}
	some := 0 // no name stands twice
	for _, f := range columns {
		if f.Value != value.Null {
			some++
		}
	}
	return some > len(names)
}

// primaryKey returns the columns of the primary key and their values.
func (m *kafkaMessage) primaryKey(table string, row image, names []string, key []value.Value) ([]string, []value.Value, *problem) {
	if named := m.opt.PrimaryKeys[table]; len(named) > 0 {
		key, bad := row.primaryKey(slices.Values(named), key)
		if bad == nil && slices.Contains(key, value.Null) {
			bad = newProblem(finding.MissingField, "a column of the primary key is null, of those that -primary-key names: %q", clip(strings.Join(named, ",")))
		}
		return named, key, bad
	}
	flag := clip(table) + "=COLUMN,..."
	switch k := m.key.ref.Kind(); {
	case m.badKey != nil:
		return nil, nil, newProblem(m.badKey.code, "%s; -primary-key %q names the columns of the primary key", m.badKey.detail, flag)
	case k == value.KindAbsent, k == value.KindNull:
		return nil, nil, newProblem(finding.MissingField, "no message key, which is the primary key of the row: write it down with the message "+
			"(kcat -J, rpk topic consume), or name its columns with -primary-key %q", flag)
	case k != value.KindObject:
		return nil, nil, newProblem(finding.BadField, "the message key is an object of columns, not %s: -primary-key %q names the columns of the primary key",
			article(k), flag)
	}
	types := m.out.schemas.of(m.key.schema)
	for name, v := range m.key.ref.Members() {
		read, bad := types.read(name, v, m.out)
		if bad == nil && read == value.Null {
			bad = newProblem(finding.MissingField, "column %q of the message key is null", clip(name))
		}
		if bad != nil {
			return nil, nil, bad
		}
		names, key = append(names, name), append(key, read)
	}
	if len(key) == 0 {
		return nil, nil, newProblem(finding.MissingField, "the message key has no columns")
	}
	return names, key, nil
}
