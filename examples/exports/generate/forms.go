package main

import "fmt"

// form is how a database writes its feed down.
type form struct {
	name   string
	append func(text []byte, s *site, c *change) []byte
}

var forms = []form{{"cockroachdb", appendCockroach}}

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
