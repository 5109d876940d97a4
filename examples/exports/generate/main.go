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
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/tiebreakhq/tiebreak/replay/bench/feeds"
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
		for r, region := range regions {
			var text []byte
			for i := range h.feeds[r] {
				text = f.append(text, region, &h.feeds[r][i])
			}
			if err := os.WriteFile(filepath.Join(dir, f.name, region+".ndjson"), text, 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// order is the columns of an order that people write.
type order struct {
	status, city string
	quantity     int
}

type change feeds.Change[order]

// claim is what a write says of one column, for the tests: what the simulation knows and no feed tells.
type claim struct {
	order         int
	column, value string
	at            int64
	region        int
	shown         int64 // when the other region showed the row, or a later one that was written upon it; never if it did not
}

// halfHour is all that happened.
type halfHour struct {
	feeds  [len(regions)][]change
	claims []claim
}

const (
	orders = 60
	writes = 110 // of each region
	never  = math.MaxInt64
)

var (
	regions  = [...]string{"us-east", "eu-west"}
	statuses = []string{"new", "paid", "packed", "shipped", "returned"}
	cities   = []string{"Bergen", "Porto", "Lyon", "Gdansk", "Austin", "Denver"}

	noon     = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	cutFrom  = noon + int64(8*time.Minute)
	cutUntil = noon + int64(20*time.Minute)
)

// within returns some time of whole microseconds below a duration.
func within(r *rand.Rand, d time.Duration) int64 {
	return r.Int64N(int64(d)) / 1000 * 1000
}

// simulate lets both regions write, and each write arrive at the other.
func simulate() *halfHour {
	r := rand.New(rand.NewPCG(20260520, 12))
	h := &halfHour{}
	w := feeds.New[order](len(regions))
	w.Tell = h.tell
	w.Arrives = func(_, _ int, now int64) int64 {
		arrives := now + int64(80*time.Millisecond) + within(r, 120*time.Millisecond)
		if now >= cutFrom && now < cutUntil {
			arrives = max(arrives, cutUntil+within(r, 2*time.Second))
		}
		return arrives
	}
	type write struct {
		at            int64
		region, order int
	}
	var all []write
	for region := range regions {
		for range writes {
			one := write{noon + within(r, 30*time.Minute), region, 1 + r.IntN(orders)}
			if r.IntN(2) == 0 { // half of the writes are to a few
				one.order = 1 + r.IntN(orders/10)
			}
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b write) int { return cmp.Compare(a.at, b.at) })
	for _, one := range all {
		w.Write(one.region, one.order, one.at, func(was *feeds.Row[order]) order { return written(r, was) })
	}
	w.Until(never)
	return h
}

// written returns an order after a write, of a column or two.
func written(r *rand.Rand, was *feeds.Row[order]) order {
	now := order{status: "new", city: cities[r.IntN(len(cities))], quantity: 1 + r.IntN(3)}
	if was == nil {
		return now
	}
	now = was.Value
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
	return now
}

// tell takes a change into its feed, and notes what it claims or shows.
func (h *halfHour) tell(c *feeds.Change[order]) {
	h.feeds[c.Region] = append(h.feeds[c.Region], change(*c))
	if c.Now.Origin != c.Region {
		for i := range h.claims {
			if known := &h.claims[i]; known.order == c.Key && known.region != c.Region && known.at <= c.Now.At {
				known.shown = min(known.shown, c.At)
			}
		}
		return
	}
	was, is := columns(c.Before), columns(c.Now)
	for _, column := range slices.Sorted(maps.Keys(is)) {
		if v := is[column]; was[column] != v {
			h.claims = append(h.claims, claim{c.Key, column, v, c.At, c.Region, never})
		}
	}
}

// columns returns the columns of a row but its key, as JSON; none of no row.
func columns(o *feeds.Row[order]) map[string]string {
	if o == nil {
		return nil
	}
	return map[string]string{"status": strconv.Quote(o.Value.status), "city": strconv.Quote(o.Value.city), "quantity": strconv.Itoa(o.Value.quantity),
		"region": strconv.Quote(regions[o.Origin])}
}
