package reads

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// DefaultLimit is how many reads, and how many calls of writes, a [Collector] keeps when its Limit is zero. One takes about a
// quarter of a KiB.
const DefaultLimit = 1 << 20

// Collector takes the reads of a history, and of its writes when they were called, while it is read for its writes. The zero
// Collector is ready. It must not be copied once used.
type Collector struct {
	// Limit is how many reads are kept, and how many calls of writes; 0 is [DefaultLimit].
	Limit int

	mu    sync.Mutex
	total int64 // reads seen
	reads sample[read]
	calls sample[call]
	names map[string]string
}

// read is one read of a history.
type read struct {
	place    finding.Place
	key      string
	field    string
	saw      string
	session  string
	server   string
	want     string
	notFound bool
	start    int64 // 0 when it is not told, as are the others
	end      int64
	time     int64
}

// call says when a write was called.
type call struct {
	place      finding.Place
	start, end int64
	session    string
}

// Take keeps what a record says, if it is a read or a write with a call: give it to [history.Options] as Readings. Several
// goroutines may call it.
func (c *Collector) Take(rec *history.Record) {
	r := rec.Reading
	if r == nil || rec.Kind != history.Read && rec.Kind != history.Write {
		return
	}
	hash := hashOf(rec.Key)
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := cmp.Or(c.Limit, DefaultLimit)
	if rec.Kind == history.Write {
		if c.calls.wants(hash) {
			c.calls.add(call{c.place(rec.Place), r.Start.Wall, r.End.Wall, c.name(r.Session)}, hash, limit)
		}
		return
	}
	c.total++
	if !c.reads.wants(hash) {
		return
	}
	one := read{place: c.place(rec.Place), key: strings.Clone(rec.Key), saw: strings.Clone(r.Saw), notFound: r.NotFound,
		session: c.name(r.Session), server: c.name(r.ServedBy), want: c.name(r.Want),
		start: r.Start.Wall, end: r.End.Wall, time: rec.Time.Wall}
	if len(rec.Fields) == 1 {
		one.field = c.name(rec.Fields[0].Name)
	}
	c.reads.add(one, hash, limit)
}

func (c *Collector) place(p finding.Place) finding.Place {
	p.File = c.name(p.File)
	return p
}

// name returns a copy of a text that mostly was seen before. How many it remembers is bounded.
func (c *Collector) name(s string) string {
	if s == "" {
		return ""
	}
	if known, ok := c.names[s]; ok {
		return known
	}
	if c.names == nil || len(c.names) >= 1<<14 {
		c.names = make(map[string]string)
	}
	s = strings.Clone(s)
	c.names[s] = s
	return s
}

// Reads returns how many reads there were.
func (c *Collector) Reads() int64 { return c.total }

// sample keeps the items of all keys whose hash is below a bound, and halves the bound whenever they are too many. What it
// keeps in the end does not depend on the order in which the items came.
type sample[T any] struct {
	halved int
	list   []T
	hashes []uint64
}

func (s *sample[T]) wants(hash uint64) bool { return hash>>(64-s.halved) == 0 }

func (s *sample[T]) add(one T, hash uint64, limit int) {
	s.list, s.hashes = append(s.list, one), append(s.hashes, hash)
	for len(s.list) > limit {
		s.halved++
		kept := 0
		for i, h := range s.hashes {
			if s.wants(h) {
				s.list[kept], s.hashes[kept] = s.list[i], h
				kept++
			}
		}
		clear(s.list[kept:])
		s.list, s.hashes = s.list[:kept], s.hashes[:kept]
	}
}

// hashOf returns a hash of a key that spreads over all bits, and is the same in every run.
func hashOf(key string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := 0; i < len(key); i++ {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd // the finish of MurmurHash3
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// sorted puts what was collected in an order that doesn't depend on goroutines, and returns the reads by key.
func (c *Collector) sorted() map[string][]read {
	slices.SortFunc(c.calls.list, func(a, b call) int { return a.place.Compare(b.place) })
	list := c.reads.list
	slices.SortFunc(list, func(a, b read) int { return cmp.Or(strings.Compare(a.key, b.key), a.place.Compare(b.place)) })
	byKey := make(map[string][]read)
	for from := 0; from < len(list); {
		to := from + 1
		for to < len(list) && list[to].key == list[from].key {
			to++
		}
		byKey[list[from].key] = list[from:to:to]
		from = to
	}
	c.reads.hashes, c.calls.hashes = nil, nil
	return byKey
}

// call returns what a write that was found at a place says of its call.
func (c *Collector) call(at finding.Place) call {
	i, ok := slices.BinarySearchFunc(c.calls.list, at, func(one call, p finding.Place) int { return one.place.Compare(p) })
	if !ok {
		return call{}
	}
	return c.calls.list[i]
}
