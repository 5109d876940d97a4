// Command generate makes the exports in examples/exports: half an hour of orders that two regions write, as CockroachDB and
// PostgreSQL would have told it, a feed for each region: a changefeed of clusters that replicate logically, and Debezium beside an
// extension like Spock that replicates both ways.
//
//	go run ./examples/exports/generate
//
// Both keep of two versions of a row the one written last, and a write that arrives has a new name in the feed: in that of CockroachDB
// only the column "region", which the application writes, says where it began, and in that of PostgreSQL its source too. From 12:08 to
// 12:20 the regions do not reach each other.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

func main() {
	if err := generate("examples/exports"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// generate writes all feeds below a directory.
func generate(dir string) error {
	h := simulate()
	for _, f := range forms {
		if err := os.MkdirAll(filepath.Join(dir, f.name), 0o777); err != nil {
			return err
		}
		for _, s := range h.sites {
			var text []byte
			for i := range s.feed {
				text = f.append(text, s, &s.feed[i])
			}
			if err := os.WriteFile(filepath.Join(dir, f.name, s.name+".ndjson"), text, 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// row is an order as it stands in one region.
type row struct {
	status, city string
	quantity     int
	region       string // where it was written last
	written      moment // and when
}

// moment is a time in microseconds after noon.
type moment int64

var noon = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

func at(m moment) time.Time { return noon.Add(time.Duration(m) * time.Microsecond) }

func after(d time.Duration) moment { return moment(d.Microseconds()) }

// change is an entry of a feed: a row that was written here, or arrived.
type change struct {
	order       int
	before, now *row // before is nil for a new one
	at          moment
}

// site is a region: its database, and what that tells.
type site struct {
	name string
	rows map[int]*row
	feed []change
}

// claim is what a write says of one column, for the tests: what the simulation knows and no feed tells.
type claim struct {
	order         int
	column, value string
	at            moment
	site          int
	shown         moment // when the other site showed the row, or a later one that was written upon it; never if it did not
}

// halfHour is all that happened.
type halfHour struct {
	sites  [2]*site
	claims []claim
}

const (
	orders   = 60
	writes   = 110 // of each region
	cutFrom  = moment(8 * 60 * 1_000_000)
	cutUntil = moment(20 * 60 * 1_000_000)
	never    = moment(1 << 60)
)

var (
	statuses = []string{"new", "paid", "packed", "shipped", "returned"}
	cities   = []string{"Bergen", "Porto", "Lyon", "Gdansk", "Austin", "Denver"}
)

// simulate lets both regions write, and each write arrive at the other.
func simulate() *halfHour {
	r := rand.New(rand.NewPCG(20260520, 12))
	h := &halfHour{sites: [2]*site{{name: "us-east", rows: map[int]*row{}}, {name: "eu-west", rows: map[int]*row{}}}}
	type event struct {
		at moment
		do func()
	}
	var events []event
	plan := func(at moment, do func()) {
		e := event{at, do}
		i, _ := slices.BinarySearchFunc(events, e, func(a, b event) int { return int(a.at - b.at) })
		events = slices.Insert(events, i, e)
	}
	for s := range h.sites {
		for range writes {
			when := after(time.Duration(r.Int64N(int64(30 * time.Minute))))
			order := 1 + r.IntN(orders)
			if r.IntN(2) == 0 { // half of the writes are to a few
				order = 1 + r.IntN(orders/10)
			}
			plan(when, func() {
				h.write(r, s, order, when)
				now := *h.sites[s].rows[order]
				arrives := when + after(80*time.Millisecond+time.Duration(r.Int64N(int64(120*time.Millisecond))))
				if when >= cutFrom && when < cutUntil {
					arrives = max(arrives, cutUntil+after(time.Duration(r.Int64N(int64(2*time.Second)))))
				}
				plan(arrives, func() { h.arrive(1-s, order, now, arrives) })
			})
		}
	}
	for len(events) > 0 {
		e := events[0]
		events = events[1:]
		e.do()
	}
	return h
}

// write changes a column or two of an order in a region.
func (h *halfHour) write(r *rand.Rand, s, order int, when moment) {
	site := h.sites[s]
	before := site.rows[order]
	now := row{status: "new", city: cities[r.IntN(len(cities))], quantity: 1 + r.IntN(3)}
	if before != nil {
		now = *before
		switch r.IntN(4) {
		case 0:
			now.city = cities[r.IntN(len(cities))]
		case 1:
			now.quantity = 1 + r.IntN(9)
		case 2:
			now.quantity = 1 + r.IntN(9)
			fallthrough
		default:
			now.status = statuses[1+r.IntN(len(statuses)-1)]
		}
	}
	now.region, now.written = site.name, when
	was := map[string]string{}
	if before != nil {
		was = before.columns()
	}
	site.rows[order] = &now
	site.feed = append(site.feed, change{order, before, &now, when})
	is := now.columns()
	for _, column := range []string{"city", "quantity", "region", "status"} {
		if v := is[column]; was[column] != v {
			h.claims = append(h.claims, claim{order, column, v, when, s, never})
		}
	}
}

// columns returns the columns of a row but its key, as JSON.
func (o *row) columns() map[string]string {
	return map[string]string{"status": `"` + o.status + `"`, "city": `"` + o.city + `"`, "quantity": fmt.Sprint(o.quantity), "region": `"` + o.region + `"`}
}

// arrive is what a database does with a row of the other region: it keeps what was written last.
func (h *halfHour) arrive(s, order int, now row, when moment) {
	site := h.sites[s]
	before := site.rows[order]
	if before != nil && before.written >= now.written {
		return
	}
	site.rows[order] = &now
	site.feed = append(site.feed, change{order, before, &now, when})
	for i := range h.claims {
		if c := &h.claims[i]; c.order == order && c.site != s && c.at <= now.written {
			c.shown = min(c.shown, when)
		}
	}
}
