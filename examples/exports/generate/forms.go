package main

import (
	"fmt"
	"strconv"
)

// form is how a feed is written down, and what says in it where a write began.
type form struct {
	name, origin string
	append       func(text []byte, s *site, c *change) []byte
}

var forms = []form{{"cockroachdb", "region", appendCockroach}, {"postgresql", "source.origin", appendPostgreSQL}}

// appendCockroach appends a message of a changefeed with diff, updated and mvcc_timestamp.
func appendCockroach(text []byte, _ *site, c *change) []byte {
	image := func(o *row) string {
		if o == nil {
			return "null"
		}
		return fmt.Sprintf(`{"city": %q, "id": %d, "quantity": %d, "region": %q, "status": %q}`, o.city, c.order, o.quantity, o.region, o.status)
	}
	stamp := fmt.Sprintf("%d.0000000000", at(c.at).UnixNano())
	return fmt.Appendf(text, `{"after": %s, "before": %s, "key": [%d], "mvcc_timestamp": %q, "topic": "orders", "updated": %q}`+"\n",
		image(c.now), image(c.before), c.order, stamp, stamp)
}

// appendPostgreSQL appends a message of Debezium, with its key, of a table with REPLICA IDENTITY FULL. The log has what arrives with the
// time at which it was written.
func appendPostgreSQL(text []byte, s *site, c *change) []byte {
	image := func(o *row) string {
		if o == nil {
			return "null"
		}
		return fmt.Sprintf(`{"id":%d,"city":%q,"quantity":%d,"region":%q,"status":%q}`, c.order, o.city, o.quantity, o.region, o.status)
	}
	op, origin, written := "u", "null", at(c.now.written)
	if c.before == nil {
		op = "c"
	}
	if c.now.region != s.name {
		origin = strconv.Quote(c.now.region)
	}
	lsn := 24_000_000 + int64(c.at)/1000
	return fmt.Appendf(text, `{"key":{"id":%d},"value":{"before":%s,"after":%s,"source":{"version":"3.2.0.Final","connector":"postgresql","name":"shop-%s",`+
		`"ts_ms":%d,"snapshot":"false","db":"shop","sequence":"[null,\"%d\"]","ts_us":%d,"schema":"public","table":"orders","txId":%d,"lsn":%d,"origin":%s},`+
		`"op":%q,"ts_ms":%d}}`+"\n", c.order, image(c.before), image(c.now), s.name, written.UnixMilli(), lsn, written.UnixMicro(), 700+lsn%1_000_000/7, lsn, origin,
		op, at(c.at).UnixMilli()+40)
}
