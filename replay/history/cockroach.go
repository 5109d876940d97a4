package history

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// cockroachdb reads the changefeeds of CockroachDB, in JSON: cockroachdb.md says what becomes of them, and what they do not tell.
var cockroachdb = importer{name: CockroachDB, detect: isChangefeed, decode: readChangefeed}

// isChangefeed reports whether a document is a message of a changefeed, or a batch of them.
func isChangefeed(doc value.Ref) bool {
	if doc.Get("__crdb__").Kind() == value.KindObject {
		return true
	}
	switch payload := doc.Get("payload"); payload.Kind() {
	case value.KindObject:
		return onlyMembers(doc, "payload", "schema", "key", "topic") && isEnvelope(payload)
	case value.KindArray:
		for message := range payload.Elements() {
			return doc.Get("length").Kind() == value.KindNumber && isChangefeed(message)
		}
		return doc.Get("length").Kind() == value.KindNumber
	}
	for _, names := range [...][3]string{{"key", "value", "topic"}, {"Key", "Value", "Topic"}} { // of Pub/Sub, by its version
		if wrapped := doc.Get(names[1]); wrapped.Kind() == value.KindObject {
			return onlyMembers(doc, names[:]...) && isEnvelope(wrapped)
		}
	}
	return isEnvelope(doc)
}

// isEnvelope reports whether a message has what the wrapped, key_only and enriched envelopes have, and nothing else.
// The envelopes of Debezium have more, and name their connector.
func isEnvelope(message value.Ref) bool {
	if !message.Get("source").Get("connector").IsAbsent() {
		return false
	}
	if !onlyMembers(message, "after", "before", "key", "topic", "updated", "mvcc_timestamp", "resolved", "op", "source", "ts_ns") {
		return false
	}
	key := message.Get("key").Kind()
	if key != value.KindAbsent && key != value.KindArray && key != value.KindObject {
		return false
	}
	after := message.Get("after").Kind()
	return key == value.KindArray ||
		after == value.KindObject ||
		after == value.KindNull ||
		message.Get("resolved").Kind() == value.KindString
}

// onlyMembers reports whether r is an object and every member of it is among the names.
func onlyMembers(r value.Ref, names ...string) bool {
	known := 0
	for _, name := range names {
		if !r.Get(name).IsAbsent() {
			known++
		}
	}
	return known == r.Len() && r.Kind() == value.KindObject
}

// readChangefeed reads one message, or a batch of a webhook.
func readChangefeed(doc value.Ref, at finding.Place, opt *Options, out *Batch) {
	messages := doc.Get("payload")
	if messages.Kind() != value.KindArray || doc.Get("__crdb__").Kind() == value.KindObject { // a column may have any name
		readMessage(doc, at, opt, out)
		return
	}
	i := 0
	for message := range messages.Elements() {
		i++
		readMessage(message, nth(at, i), opt, out)
	}
	length, ok := shifted(string(doc.Get("length").Raw()), 0)
	switch {
	case doc.Get("length").Kind() != value.KindNumber || !ok:
		out.aside(at, finding.BadField, "a batch that does not tell its length; the %d messages in it are read", i)
	case int64(i) < length:
		out.aside(at, finding.TruncatedInput, "a batch of %d messages that holds %d; those are read", length, i)
	case int64(i) > length:
		out.aside(at, finding.BadField, "a batch of %d messages that holds %d; all are read", length, i)
	}
}

// change is a message of a changefeed, whatever its envelope.
type change struct {
	topic, table string
	key          value.Ref // an array, or the object of the enriched envelope
	primaryKey   value.Ref // the names of its columns, absent when not told
	after        value.Ref // absent in the bare envelope
	before       value.Ref // absent without diff
	row          value.Ref // the columns after, in the bare envelope together with "__crdb__"
	deleted      bool
	bare         bool
	op           string
	updated      value.Ref
	mvcc         value.Ref
	nanos        value.Ref // of the commit, without its logical part
	cluster      string

	columns, columnsBefore image
}

// readMessage reads one message.
func readMessage(message value.Ref, at finding.Place, opt *Options, out *Batch) {
	c, bad := unwrap(message, at, out)
	if bad == nil && c != nil {
		bad = c.read(at, opt, out)
	}
	if bad != nil {
		out.aside(at, bad.code, "%s", bad.detail)
	}
}

// envelope is the members of a message that matter here.
type envelope struct {
	crdb, payload, value    value.Ref
	topic, key              value.Ref
	after, before, op       value.Ref
	updated, mvcc, resolved value.Ref
	source                  value.Ref
}

// envelopeOf looks at each member once: no name stands twice.
func envelopeOf(message value.Ref) (e envelope) {
	for name, v := range message.Members() {
		switch name {
		case "__crdb__":
			e.crdb = v
		case "payload":
			e.payload = v
		case "value", "Value":
			e.value = v
		case "topic", "Topic":
			e.topic = v
		case "key", "Key":
			e.key = v
		case "after":
			e.after = v
		case "before":
			e.before = v
		case "op":
			e.op = v
		case "updated":
			e.updated = v
		case "mvcc_timestamp":
			e.mvcc = v
		case "resolved":
			e.resolved = v
		case "source":
			e.source = v
		}
	}
	return e
}

// unwrap takes a message out of its envelope. It returns nil when it has dealt with the message: with a watermark.
func unwrap(message value.Ref, at finding.Place, out *Batch) (*change, *problem) {
	if message.Kind() != value.KindObject {
		return nil, newProblem(finding.BadField, "a message is an object, not %s", article(message.Kind()))
	}
	e := envelopeOf(message)
	c := &out.change
	*c = change{topic: textOf(e.topic), key: e.key}

	if meta := e.crdb; meta.Kind() == value.KindObject {
		if resolved := meta.Get("resolved"); !resolved.IsAbsent() {
			return nil, watermark(resolved, at, out)
		}
		c.topic, c.key = textOf(meta.Get("topic")), meta.Get("key")
		c.updated, c.mvcc = meta.Get("updated"), meta.Get("mvcc_timestamp")
		c.row, c.bare = message, true
		return c, nil
	}
	if e.after.IsAbsent() {
		for _, inside := range []value.Ref{e.payload, e.value} { // enriched; Pub/Sub
			if inside.Kind() == value.KindObject {
				e = envelopeOf(inside)
				break
			}
		}
	}
	if c.topic == "" {
		c.topic = textOf(e.topic)
	}
	if !e.key.IsAbsent() {
		c.key = e.key
	}
	c.after, c.before = e.after, e.before
	if c.after.IsAbsent() {
		if !e.resolved.IsAbsent() {
			return nil, watermark(e.resolved, at, out)
		}
		if c.key.Kind() == value.KindArray || c.key.Kind() == value.KindObject {
			return nil, newProblem(finding.MissingField,
				"a key without values, as the key_only envelope writes: nothing says what was written")
		}
		return nil, newProblem(finding.MissingField,
			"neither \"after\" nor \"__crdb__\": the row envelope tells neither the key nor the time of a write")
	}
	c.row, c.deleted = c.after, c.after.Kind() == value.KindNull
	c.op = textOf(e.op)
	c.updated, c.mvcc = e.updated, e.mvcc
	if source := e.source; source.Kind() == value.KindObject {
		c.table, c.cluster = textOf(source.Get("table_name")), textOf(source.Get("cluster_id"))
		c.primaryKey = source.Get("primary_keys")
		c.nanos = source.Get("ts_ns")
		if c.updated.IsAbsent() {
			c.updated = source.Get("ts_hlc")
		}
		if c.mvcc.IsAbsent() {
			c.mvcc = source.Get("mvcc_timestamp")
		}
	}
	return c, nil
}

// watermark reads a resolved timestamp: the feed has sent every row that was committed before it.
func watermark(resolved value.Ref, at finding.Place, out *Batch) *problem {
	t, bad := hlcTime(resolved)
	if bad != nil {
		return bad
	}
	rec := out.record(at)
	rec.Kind, rec.Time, rec.Precision = Watermark, t, Nanosecond
	return nil
}

// read appends the record of a change.
func (c *change) read(at finding.Place, opt *Options, out *Batch) *problem {
	if bad := c.images(out); bad != nil {
		return bad
	}
	if c.op != "" {
		if bad := checkOp(c.op, c.deleted); bad != nil {
			return bad
		}
	}
	key, bad := c.rowKey(at, out)
	if bad != nil {
		return bad
	}
	t, scanned, bad := c.time()
	if bad != nil {
		return bad
	}
	scanned = scanned || !c.deleted && slices.Contains(opt.Scans, t)
	counted := out.origins()
	origin, bad := out.origin(c.columns, opt)
	if bad != nil {
		return bad
	}

	rec := out.record(at)
	if rec.Kind, rec.Key = c.kind(scanned, out), key; rec.Kind == Snapshot {
		out.uncount(counted)
	}
	if c.deleted {
		rec.Op = merge.Delete
	} else {
		rec.Fields = c.columns
	}
	rec.began(origin, opt)
	if t.IsZero() {
		if rec.Kind == Write {
			out.count(finding.NoTime)
		}
		return nil
	}
	rec.Time, rec.Precision = t, Nanosecond
	by := cmp.Or(string(origin), c.cluster)
	const time = len("9223372036854775807.4294967295")
	id := out.room(len(key) + len("@") + time + len("@") + len(by))
	id, _ = t.AppendText(append(append(id, key...), '@'))
	if by != "" {
		id = append(append(id, '@'), by...)
	}
	rec.ID = out.keep(id)
	return nil
}

// images reads the row after the change and, with diff, the row before.
func (c *change) images(out *Batch) (bad *problem) {
	if k := c.row.Kind(); k != value.KindObject && k != value.KindNull {
		return newProblem(finding.BadField, "\"after\" is a row or null, not %s", article(k))
	}
	if isAvro(c.row) {
		return newProblem(finding.BadField, avroText, "the changefeed with format=json")
	}
	if c.columns, bad = imageOf(c.row, out, asWritten); bad != nil {
		return bad
	}
	if c.bare {
		if i, found := c.columns.find("__crdb__"); found {
			c.columns = slices.Delete(c.columns, i, i+1)
		}
	}
	if !c.deleted && len(c.columns) == 0 {
		return newProblem(finding.MissingField, "a row without columns: nothing says what was written")
	}
	if c.bare && c.maybeDeleted() {
		return newProblem(finding.MissingField, "nothing beside the key but nulls: the bare envelope writes a delete and such a row alike; "+
			"write the changefeed with envelope=wrapped")
	}
	switch k := c.before.Kind(); k {
	case value.KindAbsent, value.KindNull:
	case value.KindObject:
		c.columnsBefore, bad = imageOf(c.before, out, asWritten)
	default:
		bad = newProblem(finding.BadField, "\"before\" is a row or null, not %s", article(k))
	}
	return bad
}

// maybeDeleted reports whether a row has nothing but what the key has, and nulls.
func (c *change) maybeDeleted() bool {
	if c.key.Kind() != value.KindArray {
		return false
	}
	var few [8]value.Value
	rest := few[:0] // of the columns, those that are not null
	for _, f := range c.columns {
		if f.Value != value.Null {
			rest = append(rest, f.Value)
		}
	}
	if len(rest) > c.key.Len() {
		return false
	}
	slices.Sort(rest)
	key := make([]value.Value, 0, c.key.Len())
	for v := range c.key.Elements() {
		key = append(key, v.Value())
	}
	slices.Sort(key)
	for _, v := range key {
		if len(rest) > 0 && rest[0] == v {
			rest = rest[1:]
		}
	}
	return len(rest) == 0
}

// kind tells a write from a snapshot row, and completes the columns of a write with what they were before.
func (c *change) kind(scanned bool, out *Batch) Kind {
	was := c.before.Kind()
	switch {
	case scanned, c.op == "r":
		return Snapshot
	case c.deleted:
		if was == value.KindNull {
			return Snapshot
		}
	case was == value.KindObject:
		if c.columns = c.columns.over(c.columnsBefore, out); c.columns.unchanged() && !c.written() {
			return Snapshot
		}
	case was == value.KindNull && c.written(): // an insert
		c.columns = c.columns.anew()
	}
	return Write
}

// written reports whether a message of no scan says that it was sent for a write: it has both times, and they are equal.
func (c *change) written() bool { return !c.updated.IsAbsent() && !c.mvcc.IsAbsent() }

// rowKey returns the key of the row that changed.
func (c *change) rowKey(at finding.Place, out *Batch) (string, *problem) {
	table := cmp.Or(c.topic, c.table)
	if table == "" || c.topic == "" && strings.ContainsRune(at.File, '+') {
		if of := fileTopic(at.File); table == "" || strings.HasPrefix(of, table+"+") { // else a family of the table, in a file of its own
			table = of
		}
	}
	var few [2]value.Value
	key := few[:0]
	var bad *problem
	switch k := c.key.Kind(); k {
	case value.KindArray:
		for v := range c.key.Elements() {
			key = append(key, v.Value())
		}
	case value.KindObject:
		var row image
		if row, bad = imageOf(c.key, out, asWritten); bad != nil {
			return "", bad
		}
		key = row.values() // in the order of their names
		if c.primaryKey.Len() > 0 {
			key, bad = row.primaryKey(texts(c.primaryKey), key[:0])
		}
	case value.KindAbsent:
		row := c.columns
		if c.deleted {
			row = c.columnsBefore
		}
		key, bad = row.primaryKey(texts(c.primaryKey), key[:0])
	default:
		bad = newProblem(finding.BadField, "\"key\" is an array or an object, not %s", article(k))
	}
	if bad == nil && len(key) == 0 {
		bad = newProblem(finding.MissingField, "the message does not tell the key of its row: "+
			"create the changefeed with key_in_value, or with enriched_properties='source'")
	}
	if bad != nil {
		return "", bad
	}
	return out.rowKey(table, key), nil
}

// texts yields the strings of an array.
func texts(array value.Ref) iter.Seq[string] {
	return func(yield func(string) bool) {
		for element := range array.Elements() {
			if !yield(textOf(element)) {
				return
			}
		}
	}
}

// time returns when the row was written, zero when the message doesn't say, and whether the message was sent for
// another reason than that: a scan or a backfill.
func (c *change) time() (t clock.Timestamp, scanned bool, bad *problem) {
	if !c.updated.IsAbsent() {
		if t, bad = hlcTime(c.updated); bad != nil {
			return t, false, bad
		}
	}
	if !c.mvcc.IsAbsent() {
		if bytes.Equal(c.mvcc.Raw(), c.updated.Raw()) { // as of every write that is none of a scan
			return t, false, nil
		}
		updated := t
		if t, bad = hlcTime(c.mvcc); bad != nil {
			return t, false, bad
		}
		return t, !c.updated.IsAbsent() && t != updated, nil
	}
	if t.IsZero() && !c.nanos.IsAbsent() {
		nanos, ok := shifted(string(c.nanos.Raw()), 0)
		if c.nanos.Kind() != value.KindNumber || !ok {
			return t, false, newProblem(finding.BadTime, "source.ts_ns is an integer of nanoseconds, not %q", spelled(c.nanos))
		}
		t, _, bad = parseNanos(uint64(nanos))
	}
	return t, false, bad
}

// hlcTime reads a hybrid logical time as CockroachDB writes it: "WALLNS.LOGICAL", in a string.
func hlcTime(v value.Ref) (clock.Timestamp, *problem) {
	text, ok := v.Text()
	if !ok {
		return clock.Timestamp{}, newProblem(finding.BadTime,
			"a time is a string like \"1701102296662969433.0000000000\", not %q", spelled(v))
	}
	t, err := clock.ParseTimestamp(text)
	if err != nil {
		return clock.Timestamp{}, newProblem(finding.BadTime,
			"%q is no time: want \"WALLNS.LOGICAL\", as in \"1701102296662969433.0000000000\"", clip(text))
	}
	return t, checkNanos(uint64(t.Wall))
}

// fileTopic returns the topic in the name of a cloud storage file, "" when it has no such name:
//
//	202311271624566629694330000000000-2f1e8f9ac8b7e5d1-1-3-00000000-orders-1.ndjson.gz
//	time of the feed                  session          node, sink, file     topic, schema
func fileTopic(file string) string {
	name := file[strings.LastIndexAny(file, `/\`)+1:]
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	name, isData := strings.CutSuffix(name, ".ndjson")
	if !isData {
		return ""
	}
	for _, length := range [...]int{33, 16, anyLength, anyLength, 8} {
		part, rest, _ := strings.Cut(name, "-")
		if length != anyLength && len(part) != length || strings.Trim(part, "0123456789abcdef") != "" {
			return ""
		}
		name = rest
	}
	return name[:max(0, strings.LastIndexByte(name, '-'))]
}

const anyLength = 0

// avroTypes are the names in which Avro's JSON wraps a value of a column that may be null.
var avroTypes = map[string]bool{
	"boolean": true, "int": true, "long": true, "float": true, "double": true, "bytes": true, "string": true,
	"array": true, "bytes.decimal": true, "int.date": true, "long.timestamp-micros": true, "long.time-micros": true,
	"string.uuid": true,
}

// isAvro reports whether a row is Avro spelled as JSON, {"table": {"column": {"long": 1}}}: not a value of it is bare.
func isAvro(row value.Ref) bool {
	if row.Len() != 1 {
		return false
	}
	wrapped := 0
	for _, table := range row.Members() {
		for _, column := range table.Members() {
			if column.Kind() == value.KindNull {
				continue
			}
			wrapped++
			if column.Len() != 1 {
				return false
			}
			for name := range column.Members() {
				if !avroTypes[name] {
					return false
				}
			}
		}
	}
	return wrapped > 0
}
