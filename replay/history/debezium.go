package history

import (
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// debezium reads change events of Debezium, in JSON: debezium.md says what becomes of them, and what they do not tell.
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
