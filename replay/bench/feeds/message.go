package feeds

import (
	"fmt"
	"strconv"
)

// Message is a change as a feed tells it. Times are in nanoseconds since 1970.
type Message struct {
	Table    string
	ID       int    // the primary key, of a column "id"
	Before   string // the row in JSON; "" for none
	After    string
	At       int64  // when the region has it
	Written  int64  // when it was written first
	Origin   string // and where, "" for here; as the database says
	Server   string // its name in the feed
	LSN, Xid int64  // where it stands in the log, and its transaction
}

func image(row string) string {
	if row == "" {
		return "null"
	}
	return row
}

// AppendCockroach appends a message of a changefeed of CockroachDB with diff, updated and mvcc_timestamp. The time is that of this region, and
// nothing but a column of the row says where it was written.
func (m *Message) AppendCockroach(to []byte) []byte {
	return fmt.Appendf(to, `{"after": %s, "before": %s, "key": [%d], "mvcc_timestamp": "%d.0000000000", "topic": %q, "updated": "%d.0000000000"}`+"\n",
		image(m.After), image(m.Before), m.ID, m.At, m.Table, m.At)
}

// AppendPostgreSQL appends a message of Debezium, with its key, of a table of PostgreSQL with REPLICA IDENTITY FULL. The log has what arrives
// with the time at which it was written, and says where.
func (m *Message) AppendPostgreSQL(to []byte) []byte {
	op, origin := "u", "null"
	switch {
	case m.After == "":
		op = "d"
	case m.Before == "":
		op = "c"
	}
	if m.Origin != "" {
		origin = strconv.Quote(m.Origin)
	}
	return fmt.Appendf(to, `{"key":{"id":%d},"value":{"before":%s,"after":%s,"source":{"version":"3.2.0.Final","connector":"postgresql","name":%q,`+
		`"ts_ms":%d,"snapshot":"false","db":"shop","sequence":"[null,\"%d\"]","ts_us":%d,"schema":"public","table":%q,"txId":%d,"lsn":%d,"origin":%s},`+
		`"op":%q,"ts_ms":%d}}`+"\n", m.ID, image(m.Before), image(m.After), m.Server, m.Written/1e6, m.LSN, m.Written/1e3, m.Table, m.Xid, m.LSN, origin,
		op, m.At/1e6+40)
}
