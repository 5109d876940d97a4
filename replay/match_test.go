package replay

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/bench/feeds"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// rowSite is a region of a database that replicates whole rows and gives those that arrive new times.
type rowSite struct {
	name string
	feed []string
	at   []int64 // of each line
}

// rowWrite is what a simulation knows of a write: which writes of its row each region had applied when it was made, as the number of
// the last one of each other region.
type rowWrite struct {
	row, site, index int
	wall             int64
	seen             []int
	deletes          bool
}

// rowWorld lets sites write rows and replicate them, the later write winning row by row.
type rowWorld struct {
	sites  []*rowSite
	writes []rowWrite
	count  map[[2]int]int // of the writes to a row in a site
	shown  map[[3]int]int // of a row in a site, up to which write of another it was shown
	made   map[int64]int  // by when something was written, by the clock of its site, which write it is

	deletes int           // out of a hundred writes
	on      map[int]int64 // of a row, until when a delete is on its way
	twins   bool          // sites may delete a row that another has deleted
	came    map[int64]int // by when something arrived, which write it is
	cleaner bool          // the last site does nothing but delete
	skew    time.Duration // by how much a site's clock may be wrong, either way
}

func newRowWorld(r *rand.Rand, sites, rows, writes, values int, cut bool) *rowWorld {
	w := &rowWorld{}
	w.play(r, sites, rows, writes, values, cut)
	return w
}

func (w *rowWorld) play(r *rand.Rand, sites, rows, writes, values int, cut bool) {
	w.count, w.shown, w.on, w.came, w.made = map[[2]int]int{}, map[[3]int]int{}, map[int]int64{}, map[int64]int{}, map[int64]int{}
	world := feeds.New[string](sites) // of the columns but the origin
	for s := range sites {
		w.sites = append(w.sites, &rowSite{name: []string{"eu", "us", "ap"}[s]})
		if w.skew > 0 {
			world.Ahead[s] = r.Int64N(int64(w.skew))
		}
	}
	const start, span = int64(1_700_000_000_000_000_000), int64(1_000_000_000_000)
	row, deletes := 0, false // of the write at hand
	world.Arrives = func(_, _ int, now int64) int64 {
		at := now + 1 + r.Int64N(span/100)
		if cut && now > start+span/3 && now < start+span/2 {
			at = start + span/2 + r.Int64N(span/100)
		}
		if deletes {
			w.on[row] = max(w.on[row], at)
		}
		return at
	}
	world.Tell = w.tell
	type plan struct {
		at   int64
		site int
	}
	var plans []plan
	for s := range sites {
		for range writes {
			plans = append(plans, plan{start + r.Int64N(span), s})
		}
	}
	slices.SortFunc(plans, func(a, b plan) int { return cmp.Compare(a.at, b.at) })
	for _, p := range plans {
		row = r.IntN(rows)
		deletes = w.cleaner && p.site == sites-1 || w.deletes > 0 && r.IntN(100) < w.deletes
		switch {
		case !deletes:
			world.Write(p.site, row, p.at, func(*feeds.Row[string]) string { return someColumns(r, values) })
		case w.twins || w.on[row] < p.at:
			world.Delete(p.site, row, p.at)
		}
	}
	world.Until(math.MaxInt64)
}

func someColumns(r *rand.Rand, values int) string {
	columns := fmt.Sprintf(`"a":%d,"b":%d`, r.IntN(values), r.IntN(values))
	if r.IntN(4) == 0 {
		columns += `,"c":null`
	}
	return columns
}

// tell writes what a site's feed says. Who is shown a row had seen all that its origin had written before, and what that one had been shown.
func (w *rowWorld) tell(c *feeds.Change[string]) {
	site := w.sites[c.Region]
	text := func(row *feeds.Row[string]) string {
		if row == nil || row.Gone {
			return "null"
		}
		return fmt.Sprintf(`{"id":%d,%s,"origin":%q}`, c.Key, row.Value, w.sites[row.Origin].name)
	}
	site.feed = append(site.feed, fmt.Sprintf(`{"after":%s,"before":%s,"key":[%d],"mvcc_timestamp":"%d.0000000000","topic":"t","updated":"%[4]d.0000000000"}`,
		text(c.Now), text(c.Before), c.Key, c.At))
	site.at = append(site.at, c.At)
	if c.Region == c.Now.Origin {
		w.write(c)
		return
	}
	i := w.made[c.Now.At]
	write := &w.writes[i]
	w.came[c.At] = i
	show := func(other, up int) {
		mine := [3]int{c.Key, c.Region, other}
		w.shown[mine] = max(w.shown[mine], up)
	}
	show(write.site, write.index)
	for other, up := range write.seen {
		if other != c.Region && other != write.site {
			show(other, up)
		}
	}
}

// write notes a write and what its writer had seen.
func (w *rowWorld) write(c *feeds.Change[string]) {
	w.count[[2]int{c.Key, c.Region}]++
	write := rowWrite{row: c.Key, site: c.Region, index: w.count[[2]int{c.Key, c.Region}], wall: c.At, deletes: c.Now.Gone}
	for other := range w.sites {
		write.seen = append(write.seen, w.shown[[3]int{c.Key, c.Region, other}])
	}
	write.seen[c.Region] = write.index - 1
	w.made[c.At] = len(w.writes)
	w.writes = append(w.writes, write)
}

// collect reads the feeds from a time on, some of whose lines come twice.
func (w *rowWorld) collect(t *testing.T, r *rand.Rand, from int64, opt history.Options) *History {
	return w.collectParts(t, r, func(int) (int64, int64) { return from, math.MaxInt64 }, opt)
}

// collectParts reads of the feed of each site what is from one time on, and before another.
func (w *rowWorld) collectParts(t *testing.T, r *rand.Rand, part func(site int) (from, to int64), opt history.Options) *History {
	var sources []history.Source
	opt.Origin = "origin"
	for _, site := range w.sites {
		opt.Regions = append(opt.Regions, site.name)
	}
	for i, site := range w.sites {
		from, to := part(i)
		begin, _ := slices.BinarySearch(site.at, from)
		end, _ := slices.BinarySearch(site.at, to)
		lines := slices.Clone(site.feed[begin:end])
		for range len(lines) / 10 { // a feed that starts again repeats itself
			at := r.IntN(len(lines))
			lines = slices.Insert(lines, min(at+1+r.IntN(20), len(lines)), lines[at])
		}
		s := history.Reader(site.name+".json", strings.NewReader(strings.Join(lines, "\n")))
		s.Region = site.name
		sources = append(sources, s)
	}
	h, err := Collect(sources, opt)
	require.NoError(t, err)
	return h
}

// Where the exports of regions begin and end at different times, some of what arrived is of no write that is known, and of some writes nobody
// knows whether they had arrived before: what follows is within bounds all the same. Once the first were taken for writes that look alike
// and for rows that show nothing else, and the second for writes that had not arrived.
func TestExportsThatBeginAndEndApartTellNothingWrong(t *testing.T) {
	exact, open, seeds := 0, 0, uint64(200)
	if testing.Short() {
		seeds = 100
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 11))
		values := 2
		if seed%2 > 0 {
			values = 1_000_000_000
		}
		w := newRowWorld(r, 2+int(seed%3)/2, 1+r.IntN(3), 30, values, seed%4 > 0)
		froms, untils := make([]int64, len(w.sites)), make([]int64, len(w.sites))
		for i := range w.sites {
			froms[i], untils[i] = w.writes[r.IntN(len(w.writes)/3)].wall, w.writes[len(w.writes)-1-r.IntN(len(w.writes)/3)].wall
		}
		known := func(write *rowWrite) bool { return write.wall >= froms[write.site] && write.wall < untils[write.site] }
		truth := map[int64]*rowWrite{}
		for i := range w.writes {
			truth[w.writes[i].wall] = &w.writes[i]
		}
		h := w.collectParts(t, r, func(site int) (int64, int64) { return froms[site], untils[site] }, history.Options{})
		h.Operations(Options{}, func(k *KeyOperations) {
			for i := range k.Ops {
				o := &k.Ops[i]
				write := truth[o.Stamp.Time.Wall]
				require.True(t, known(write), "seed %d", seed)
				for n, node := range k.Nodes {
					had := int32(0)
					for j := range w.writes {
						other := &w.writes[j]
						if other.row == write.row && w.sites[other.site].name == string(node) && other.index <= write.seen[other.site] && known(other) {
							had++
						}
					}
					if isKnown(t, o, n, had, seed) {
						exact++
					} else {
						open++
					}
				}
			}
		})
		require.NoError(t, h.Close())
	}
	require.Greater(t, exact, open)
}

// isKnown fails where what is known of an operation's writer leaves out what it had seen of a node, and reports whether that is all.
func isKnown(t *testing.T, o *Operation, node int, had int32, seed uint64) bool {
	require.LessOrEqual(t, o.Low[node], had, "seed %d: %s of %s, of node %d", seed, o.ID, o.Stamp.Node, node)
	require.GreaterOrEqual(t, o.High[node], had, "seed %d: %s of %s, of node %d", seed, o.ID, o.Stamp.Node, node)
	return o.Low[node] == o.High[node]
}

// What writers had seen is told by the rows that arrived: exactly where no two are alike, and else within bounds.
func TestRowsThatArrivedTellWhatWritersHadSeen(t *testing.T) {
	strays := int64(0)
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		sites, unique := 2+int(seed%2), seed%3 > 0
		values := 2
		if unique {
			values = 1_000_000_000
		}
		w := newRowWorld(r, sites, 1+r.IntN(4), 30, values, seed%4 > 0)
		from := int64(0)
		if seed%6 > 3 { // the exports begin in the middle of the day
			from = w.writes[len(w.writes)/4].wall
		}
		truth, first := map[int64]*rowWrite{}, map[[2]int]int{}
		for i := range w.writes {
			write := &w.writes[i]
			if write.wall >= from {
				truth[write.wall] = write
			} else {
				first[[2]int{write.row, write.site}] = write.index
			}
		}
		opt := history.Options{}
		if seed%5 == 0 {
			opt.Memory = 1 << 16
		}
		h := w.collect(t, r, from, opt)
		if seed%7 == 0 {
			h.lengths.keep = 8 // payloads are read again
		}
		seen, exact, open := 0, 0, 0
		h.Operations(Options{}, func(k *KeyOperations) {
			for i := range k.Ops {
				o := &k.Ops[i]
				seen++
				write := truth[o.Stamp.Time.Wall]
				require.NotNil(t, write, "seed %d: a row that arrived was taken for a write", seed)
				require.Equal(t, w.sites[write.site].name, string(o.Stamp.Node))
				require.Equal(t, Deliveries, o.Known)
				for n, node := range k.Nodes {
					of := slices.IndexFunc(w.sites, func(s *rowSite) bool { return s.name == string(node) })
					had := int32(max(write.seen[of]-first[[2]int{write.row, of}], 0))
					if isKnown(t, o, n, had, seed) {
						exact++
					} else {
						open++
					}
				}
			}
		})
		require.NoError(t, h.Err())
		require.Len(t, truth, seen, "seed %d", seed)
		if unique && from == 0 {
			require.Zero(t, open, "seed %d: of rows that differ all is known", seed)
		}
		require.Greater(t, exact, open, "seed %d", seed)
		report := h.Run(merge.MustParseTable("* * lww"), Options{})
		require.Len(t, truth, int(report.Totals.Writes))
		require.Zero(t, report.Totals.Diverged)
		if from == 0 {
			require.Zero(t, report.Found(finding.UnmatchedArrival), "seed %d", seed)
		}
		strays += report.Found(finding.UnmatchedArrival)

		var kept bytes.Buffer
		require.NoError(t, h.Save(&kept))
		again, err := Load(&kept, history.Options{})
		require.NoError(t, err)
		require.Equal(t, report, again.Run(merge.MustParseTable("* * lww"), Options{}))
		require.NoError(t, again.Close())
		require.NoError(t, h.Close())
	}
	require.NotZero(t, strays)
}

// Nothing says where a delete was made, and the export of each region has it. Which are one, and where that was, is told by the row that each
// took away and by the clocks. What writers had seen of it, and its writer of theirs, is within bounds; where no two rows are alike it is
// mostly known. Once each export's was a delete of its own by nobody knows whom, who may have seen anything: that left three fifths open.
func TestDeletesAreFoundWhereTheyWereMade(t *testing.T) {
	seeds := uint64(120)
	if testing.Short() {
		seeds = 36
	}
	for _, test := range []struct {
		skew, drift time.Duration
		twins       bool     // regions may delete the same row
		cleaner     bool     // one region does nothing but delete
		apart       bool     // exports begin and end at different times
		exact       int      // out of a hundred, at least
		worst       []uint64 // seeds of worlds in which something was too exact once
	}{
		{drift: time.Nanosecond, exact: 97},
		{drift: 2 * time.Second, exact: 95},
		{skew: time.Second, drift: 2 * time.Second, exact: 95},
		{drift: 2 * time.Second, twins: true},
		{drift: 2 * time.Second, apart: true, exact: 50, worst: []uint64{586, 746, 1064, 1314, 1378, 1614, 1794, 1884, 3324, 4164, 4440}},
		{drift: time.Nanosecond, cleaner: true, exact: 97},
	} {
		exact, open, placed, nobodys := 0, 0, 0, 0
		for seed := range seeds + uint64(len(test.worst)) {
			if seed >= seeds {
				seed = test.worst[seed-seeds]
			}
			r := rand.New(rand.NewPCG(seed, 13))
			values := 2
			if seed%2 > 0 {
				values = 1_000_000_000
			}
			w := &rowWorld{deletes: 20, twins: test.twins, cleaner: test.cleaner, skew: test.skew}
			w.play(r, 2+int(seed/2%2), 1+r.IntN(4), 30, values, seed%4 > 0)
			truth := map[int64]*rowWrite{}
			for i := range w.writes {
				truth[w.writes[i].wall] = &w.writes[i]
			}
			for at, i := range w.came {
				if w.writes[i].deletes { // it may be taken to be of where it came, where that is told
					truth[at] = &w.writes[i]
				}
			}
			opt := history.Options{}
			if seed%5 == 0 {
				opt.Memory = 1 << 16
			}
			h := w.collectParts(t, r, func(int) (int64, int64) {
				if !test.apart {
					return 0, math.MaxInt64
				}
				return w.writes[r.IntN(len(w.writes)/3)].wall, w.writes[len(w.writes)-1-r.IntN(len(w.writes)/3)].wall
			}, opt)
			if seed%7 == 0 {
				h.lengths.keep = 8 // payloads are read again
			}
			counted := map[*rowWrite]bool{}
			h.Operations(Options{MaxDrift: test.drift}, func(k *KeyOperations) {
				for i := range k.Ops {
					o := &k.Ops[i]
					if o.Stamp.Node == "" {
						require.Equal(t, merge.Delete, o.Kind)
						if values > 2 {
							nobodys++
						}
						continue
					}
					write, op := truth[o.Stamp.Time.Wall], &k.key.ops[k.places[i]]
					require.NotNil(t, write, "seed %d: what arrived was taken for a write", seed)
					require.Equal(t, write.deletes, o.Kind == merge.Delete)
					if !op.again && write.deletes && values > 2 {
						placed++
					}
					if !op.again && !test.twins {
						require.False(t, counted[write], "seed %d: %s counts twice", seed, o.ID)
						counted[write] = true
					}
					if test.twins {
						continue
					}
					if write.wall != o.Stamp.Time.Wall {
						require.True(t, op.again || len(k.key.elsewhere(op)) > 0, "seed %d: %s", seed, o.ID)
					} else {
						require.Equal(t, w.sites[write.site].name, string(o.Stamp.Node), "seed %d", seed)
					}
					next := int32(0)
					for j := range k.Ops {
						p := &k.Ops[j]
						if next++; j == 0 || k.Ops[j-1].Node != p.Node {
							next = 1
						}
						if p.Stamp.Node == "" || i == j {
							continue
						}
						other := truth[p.Stamp.Time.Wall]
						if other == write {
							continue // nobody knows that it is the same
						}
						had := other.index <= write.seen[other.site]
						low, high := o.Low[p.Node] >= next, o.High[p.Node] >= next
						require.True(t, had || !low, "seed %d: %s had not seen %s", seed, o.ID, p.ID)
						require.True(t, !had || high, "seed %d: %s had seen %s", seed, o.ID, p.ID)
						switch {
						case values == 2:
						case low == high:
							exact++
						default:
							open++
						}
					}
				}
			})
			require.NoError(t, h.Err())
			require.NoError(t, h.Close())
		}
		require.GreaterOrEqual(t, 100*exact, test.exact*(exact+open))
		if !test.apart {
			require.Greater(t, placed, 5*nobodys)
		}
	}
}

// Of what one node wrote, the export of one region may have the time and that of another not: each row is held against the writes as its own
// export tells them.
func TestRegionsOfDifferentDatabasesTellTheSameWrites(t *testing.T) {
	cockroach := `{"after":{"id":1,"v":%d,"origin":"eu"},"before":null,"key":[1],"mvcc_timestamp":"%d.0000000000","topic":"t","updated":"%[2]d.0000000000"}`
	postgres := `{"key":{"id":1},"value":{"before":null,"after":{"id":1,"v":%d,"origin":"eu"},"source":{"connector":"postgresql","name":"ap",` +
		`"ts_us":%d,"schema":"public","table":"t","txId":%[1]d,"lsn":%[1]d,"origin":"eu"},"op":"c","ts_ms":1}}`
	const start = int64(1_700_000_000_000_000)
	var sources []history.Source
	for region, message := range map[string]string{"eu": cockroach, "us": cockroach, "ap": postgres} {
		text := ""
		for v := range int64(2) {
			at := start + v*1_000_000
			switch region {
			case "eu":
				at *= 1000
			case "us":
				at = at*1000 + 50_000_000
			}
			text += fmt.Sprintf(message, v, at) + "\n"
		}
		s := history.Reader(region+".json", strings.NewReader(text))
		s.Region = region
		sources = append(sources, s)
	}
	h, err := Collect(sources, history.Options{Origin: "origin", Regions: []string{"eu", "us", "ap"}})
	require.NoError(t, err)
	defer h.Close()
	r := h.Run(merge.MustParseTable("* * lww"), Options{})
	require.EqualValues(t, 2, r.Totals.Writes)
	require.EqualValues(t, 4, r.Totals.Arrivals)
	require.Zero(t, r.Found(finding.UnmatchedArrival))
}
