package history

import (
	"unsafe"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// isDebezium reports whether a document is a message of Debezium: one with a change, or with a change of a schema.
func isDebezium(doc value.Ref) bool {
	m := kafkaMessage{opt: &Options{}}
	defer m.done()
	if bad := m.unwrap(doc); bad != nil || doc.Get("__crdb__").Kind() == value.KindObject {
		return false
	}
	v := m.value.ref
	return v.Get("source").Get("connector").Kind() == value.KindString &&
		(v.Get("op").Kind() == value.KindString || isSchemaChange(v))
}

func isSchemaChange(v value.Ref) bool {
	return v.Get("op").IsAbsent() && !(v.Get("ddl").IsAbsent() && v.Get("tableChanges").IsAbsent())
}

// isKafka reports whether a document is a message of Kafka, in the words of those who write them down.
func isKafka(doc value.Ref) bool {
	return doc.Get("topic").Kind() == value.KindString &&
		doc.Get("partition").Kind() == value.KindNumber && doc.Get("offset").Kind() == value.KindNumber
}

// flattened says what form of Debezium's a document has that is not read, "" for none.
func flattened(doc value.Ref) string {
	m := kafkaMessage{opt: &Options{}}
	defer m.done()
	if bad := m.unwrap(doc); bad != nil {
		return ""
	}
	return flattenedRow(m.value.ref)
}

func flattenedRow(v value.Ref) string {
	if !v.Get("iodebeziumop").IsAbsent() {
		return "a change of Debezium as a CloudEvent: write the export as JSON"
	}
	for _, name := range [...]string{"__op", "__deleted", "__source_ts_ms", "__source_connector"} {
		if !v.Get(name).IsAbsent() {
			return "a row that Debezium flattened, which does not tell what it replaced: write the export without the transformation ExtractNewRecordState"
		}
	}
	return ""
}

// kafkaMessage is a message of Kafka on its way to a record. It lives in a batch, one at a time.
type kafkaMessage struct {
	opt *Options
	out *Batch

	key, value connected
	badKey     *problem // of a key that is no JSON; what has no row, or a primary key that is named, does well without

	*connector
	source value.Ref
	op     string
	types  decimals // of the columns at hand
}

// connected is the key or the value of a message as a converter of Kafka Connect writes it.
type connected struct {
	ref    value.Ref
	schema value.Ref
	inner  *inner // what a string of JSON was parsed in
}

// done gives back what the message took.
func (m *kafkaMessage) done() {
	for _, c := range [...]*connected{&m.key, &m.value} {
		if c.inner != nil {
			inners.Put(c.inner)
		}
	}
	*m = kafkaMessage{}
}

// unwrap takes the key and the value of a message out of what tools and converters put around them.
func (m *kafkaMessage) unwrap(doc value.Ref) (bad *problem) {
	m.value.ref = doc
	if key, v, wrapped := unwrapKafka(doc); wrapped {
		m.key.ref, m.value.ref = key, v
		m.badKey = m.key.unwrap("key", m.opt)
	}
	return m.value.unwrap("value", m.opt)
}

// unwrapKafka returns the key and the value of a message that has both, and whether it is one.
func unwrapKafka(doc value.Ref) (key, v value.Ref, wrapped bool) {
	payload := value.Ref{}
	for name, member := range doc.Members() {
		switch name {
		case "key":
			key = member
		case "value":
			v = member
		case "payload":
			payload = member
		case "before", "after", "source", "op", "schema", "node":
			return value.Ref{}, value.Ref{}, false
		}
	}
	if v.IsAbsent() {
		v = payload
	} else if !payload.IsAbsent() {
		return value.Ref{}, value.Ref{}, false
	}
	return key, v, isKafka(doc) || !key.IsAbsent() && !v.IsAbsent()
}

// unwrap parses a string of JSON, and takes the payload out of what has a schema beside it.
func (c *connected) unwrap(name string, opt *Options) *problem {
	if text, ok := c.ref.Text(); ok {
		c.inner = inners.Get().(*inner)
		var err error
		if c.ref, err = c.inner.shapes.Parse(&c.inner.doc, unsafe.Slice(unsafe.StringData(text), len(text)), opt.Limits); err != nil {
			return within("the "+name+" of the message", err)
		}
	}
	if payload := c.ref.Get("payload"); !payload.IsAbsent() && onlyMembers(c.ref, "schema", "payload") {
		c.schema, c.ref = c.ref.Get("schema"), payload
	}
	return nil
}

// isUpkeep reports whether a message is a heartbeat, or the start or the end of a transaction. A row that was flattened may have columns
// of these names, beside others.
func isUpkeep(v value.Ref) bool {
	if !v.Get("event_count").IsAbsent() {
		status := textOf(v.Get("status"))
		return (status == "BEGIN" || status == "END") && onlyMembers(v, "status", "id", "event_count", "data_collections", "ts_ms", "ts_us", "ts_ns")
	}
	return v.Get("ts_ms").Kind() == value.KindNumber && onlyMembers(v, "ts_ms", "ts_us", "ts_ns")
}
