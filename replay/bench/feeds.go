package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tiebreakhq/tiebreak/replay/bench/feeds"
)

// mostRegions is how many regions a workload may have.
const mostRegions = 9

// regionName returns the name of a region of a workload: that of a node, then those of more beside these.
func regionName(i int) string {
	if i < len(nodes) {
		return nodes[i]
	}
	return fmt.Sprintf("%s-%d", nodes[i%len(nodes)], i/len(nodes)+1)
}

// checkRegions returns what is wrong with a workload of regions.
func (w *workload) checkRegions() error {
	switch {
	case w.regions < 2 || w.regions > mostRegions:
		return fmt.Errorf("-regions %d: want 2 to %d", w.regions, mostRegions)
	case !slices.Contains(replicated, w.form):
		return fmt.Errorf("-regions and -form %s: want one of %s", w.form, join(replicated))
	}
	return nil
}

// writeFeeds writes the feed of each region to a file of its own in a directory.
func (w *workload) writeFeeds(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	var to []io.Writer
	for _, name := range feedFiles(dir, w.regions) {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		to = append(to, f)
	}
	return w.generateFeeds(to)
}

// feedFiles returns the names of the files of so many regions in a directory.
func feedFiles(dir string, regions int) (names []string) {
	for i := range regions {
		names = append(names, filepath.Join(dir, regionName(i)+".ndjson"))
	}
	return names
}

// The links between regions: how long what is written takes, at least and at most, and within what time all arrives that waited for
// a link that was cut. Each link is cut once, for a tenth of the time in which writes are made, one later than the other.
const (
	latency  = int64(80 * time.Millisecond)
	slowest  = int64(200 * time.Millisecond)
	catchUp  = int64(2 * time.Second)
	cutShare = 10
)

// cut returns when the link between two regions is cut and when it heals, of writes that are made in a span of time.
func (w *workload) cut(from, to int, span int64) (cut, heal int64) {
	high := max(from, to)
	number, links := high*(high-1)/2+min(from, to), w.regions*(w.regions-1)/2 // numbers begin at 0
	cut = begin + span/int64(links+1)*int64(number+1)
	return cut, cut + span/cutShare
}

// generateFeeds lets regions write rows and replicate them, and writes the feed of each.
func (w *workload) generateFeeds(to []io.Writer) error {
	r := newRand(w.seed)
	choose := w.chooser(r)
	const pace = 1000 // microseconds from a write to the next, on average
	span := int64(w.writes) * pace * 1000
	world := feeds.New[int64](w.regions)
	world.Arrives = func(from, to int, now int64) int64 {
		arrives := now + latency + r.Int64N(slowest-latency)
		if cut, heal := w.cut(from, to, span); now >= cut && now < heal {
			arrives = max(arrives, heal+r.Int64N(catchUp))
		}
		return arrives
	}
	var all []*feed
	for region, out := range to {
		all = append(all, &feed{region: region, form: w.form, out: bufio.NewWriterSize(out, 1<<20)})
	}
	world.Tell = func(c *feeds.Change[int64]) { all[c.Region].put(c, r, w.duplicates) }
	now := begin
	for range w.writes {
		now += 1000 * (1 + r.Int64N(2*pace))
		region, key := r.IntN(w.regions), choose()
		if w.deletes > 0 && r.Float64() < w.deletes && world.Delete(region, key, now) {
			continue
		}
		world.Write(region, key, now, func(*feeds.Row[int64]) int64 { return r.Int64N(1 << 40) })
	}
	world.Until(math.MaxInt64)
	for _, f := range all {
		if err := f.close(); err != nil {
			return err
		}
	}
	return nil
}

// feed is what a region tells.
type feed struct {
	region  int
	form    form
	out     *bufio.Writer
	lines   int
	waiting []repeat
}

// repeat is a line that is told again once so many were written, and after those that wait before it.
type repeat struct {
	at   int
	line []byte
}

// put writes a change, which may have to be told again, and what is due of that. If the writer fails, close returns that.
func (f *feed) put(c *feeds.Change[int64], r *rand.Rand, duplicates float64) {
	line := f.append(nil, c)
	f.lines++
	_, _ = f.out.Write(line)
	if r.Float64() < duplicates {
		f.waiting = append(f.waiting, repeat{f.lines + r.IntN(late), line})
	}
	for len(f.waiting) > 0 && f.waiting[0].at <= f.lines {
		_, _ = f.out.Write(f.waiting[0].line)
		f.waiting = f.waiting[1:]
	}
}

// close writes what is left.
func (f *feed) close() error {
	for _, again := range f.waiting {
		_, _ = f.out.Write(again.line)
	}
	return f.out.Flush()
}

// append appends a change in the form of the feed.
func (f *feed) append(line []byte, c *feeds.Change[int64]) []byte {
	image := func(o *feeds.Row[int64]) string {
		if o == nil || o.Gone {
			return ""
		}
		return rowText(c.Key, o.Value, regionName(o.Origin))
	}
	m := feeds.Message{Table: "users", ID: c.Key, Before: image(c.Before), After: image(c.Now), At: c.At, Written: c.Now.At}
	if f.form == cockroach {
		return m.AppendCockroach(line)
	}
	m.Server, m.LSN, m.Xid = "shop-"+regionName(f.region), int64(f.lines+1), int64(f.lines+1)
	if c.Now.Origin != c.Region {
		m.Origin = regionName(c.Now.Origin)
	}
	return m.AppendPostgreSQL(line)
}
