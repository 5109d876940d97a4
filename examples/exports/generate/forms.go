package main

import (
	"fmt"

	"github.com/tiebreakhq/tiebreak/replay/bench/feeds"
)

// form is how a feed is written down, and what says in it where a write began.
type form struct {
	name, origin string
	append       func(text []byte, region string, c *change) []byte
}

var forms = []form{{"cockroachdb", "region", appendCockroach}, {"postgresql", "source.origin", appendPostgreSQL}}

func appendCockroach(text []byte, _ string, c *change) []byte {
	m := c.message(`{"city": %[2]q, "id": %[1]d, "quantity": %[3]d, "region": %[4]q, "status": %[5]q}`)
	return m.AppendCockroach(text)
}

func appendPostgreSQL(text []byte, region string, c *change) []byte {
	m := c.message(`{"id":%[1]d,"city":%[2]q,"quantity":%[3]d,"region":%[4]q,"status":%[5]q}`)
	if origin := regions[c.Now.Origin]; origin != region {
		m.Origin = origin
	}
	m.Server = "shop-" + region
	m.LSN = 24_000_000 + (c.At-noon)/1e6
	m.Xid = 700 + m.LSN%1_000_000/7
	return m.AppendPostgreSQL(text)
}

// message returns the change of an order, whose row is written as a format says.
func (c *change) message(format string) feeds.Message {
	image := func(o *feeds.Row[order]) string {
		if o == nil {
			return ""
		}
		return fmt.Sprintf(format, c.Key, o.Value.city, o.Value.quantity, regions[o.Origin], o.Value.status)
	}
	return feeds.Message{Table: "orders", ID: c.Key, Before: image(c.Before), After: image(c.Now), At: c.At, Written: c.Now.At}
}
