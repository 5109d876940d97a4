// The generate command makes the histories in examples/reads: an hour of three regions, of which eu-1 is cut off from 12:20 to
// 12:40. Writes go through a majority; us-1 and ap-1 have one all the time.
//
//	go run ./examples/reads/generate examples/reads
//
// In own-replica-bad.ndjson the service in eu-1 goes on answering: it reads its own replica when it can't have a majority, and
// nobody told it not to. In refused-ok.ndjson it refuses instead, and waits for its own writes.
package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "generate: want the directory to write to")
		os.Exit(2)
	}
	for name, refuses := range map[string]bool{"own-replica-bad.ndjson": false, "refused-ok.ndjson": true} {
		text, _ := generate(refuses)
		if err := os.WriteFile(filepath.Join(os.Args[1], name), text, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "generate:", err)
			os.Exit(2)
		}
	}
}

var (
	noon     = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	cutBegan = noon + int64(20*time.Minute)
	cutEnded = noon + int64(40*time.Minute)
)

const (
	second = int64(time.Second)
	travel = 80 * int64(time.Millisecond) // of a write to the replica in eu-1
)

// commit is one write: a majority had it at one moment of its call.
type commit struct {
	id               string
	start, took, end int64
}

// hour is the hour while it is made.
type hour struct {
	chance  *rand.Rand
	refuses bool
	seq     map[clock.Node]int
	entries []entry
}

// entry is one record, and what a read is by how it was made: "fine", "stale" or "cannot tell"; "" for a write.
type entry struct {
	at    int64
	rec   history.Record
	truth string
}

// generate returns a history, and what each of its lines is.
func generate(refuses bool) (text []byte, truth []string) {
	h := &hour{chance: rand.New(rand.NewPCG(20, 40)), refuses: refuses, seq: make(map[clock.Node]int)}
	for i := range 4 {
		h.stock(fmt.Sprintf("stock/%d", 101+i))
	}
	for i := range 2 {
		h.price(fmt.Sprintf("price/%d", 101+i))
	}
	for i := range 4 {
		h.cart(fmt.Sprintf("cart/%d", 7001+i), fmt.Sprintf("s-%d", 7001+i))
	}
	h.legacy("stock/9")
	slices.SortStableFunc(h.entries, func(a, b entry) int { return int(min(max(a.at-b.at, -1), 1)) })
	var b bytes.Buffer
	w := history.NewWriter(&b, history.Native)
	for i := range h.entries {
		if err := w.Write(&h.entries[i].rec); err != nil {
			panic(err) // the generator's own mistake
		}
		truth = append(truth, h.entries[i].truth)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes(), truth
}

// some returns a moment from one to two spans after at, to the microsecond.
func (h *hour) some(at, span int64) int64 {
	return (at+span+h.chance.Int64N(span))/1000*1000 + 1
}

// cut reports whether eu-1 was cut off at a moment, or a call that began then would have been.
func cut(at int64) bool { return at >= cutBegan-second && at < cutEnded }

// write makes one write, and records it: without its call when it comes from an old system.
func (h *hour) write(key, field string, node clock.Node, list []commit, at int64, session string, old bool) commit {
	h.seq[node]++
	w := commit{id: fmt.Sprintf("%s:%d", node, h.seq[node]), start: at}
	w.took = h.some(w.start, 20*second/1000)
	w.end = h.some(w.took, 20*second/1000)
	rec := history.Record{Key: key, Node: node, ID: w.id, Version: uint64(len(list) + 1), Base: uint64(len(list)), HasBase: true, Time: clock.Timestamp{Wall: w.took},
		Precision: history.Nanosecond, Fields: []history.Field{{Name: field, Value: value.Value(fmt.Sprint(100 - len(list)))}}}
	if !old {
		rec.Reading = &history.Reading{Start: clock.Timestamp{Wall: w.start}, End: clock.Timestamp{Wall: w.end}, Session: session}
	}
	h.entries = append(h.entries, entry{w.start, rec, ""})
	return w
}

// held returns how many of the writes the majority had at a moment, or the replica in eu-1.
func held(list []commit, at int64, own bool) int {
	n := 0
	for _, w := range list {
		arrives := w.took
		if own {
			if arrives += travel; w.took >= cutBegan-travel && w.took < cutEnded {
				arrives = cutEnded + travel
			}
		}
		if arrives <= at {
			n++
		}
	}
	return n
}

// read records a read that saw the first n of the writes to a key.
func (h *hour) read(key, field, want, session, server string, list []commit, n int, start int64, truth string) {
	r := &history.Reading{Want: want, Session: session, ServedBy: server, NotFound: n == 0,
		Start: clock.Timestamp{Wall: start}, End: clock.Timestamp{Wall: h.some(start, 5*second/1000)}}
	if n > 0 {
		r.Saw = list[n-1].id
	}
	rec := history.Record{Kind: history.Read, Key: key, Reading: r, Fields: []history.Field{{Name: field}}}
	h.entries = append(h.entries, entry{start, rec, truth})
}

// writes makes the writes to a key, one after the other, by nodes that can.
func (h *hour) writes(key, field string, every int64, old bool) []commit {
	var list []commit
	for at := noon; ; {
		if at = h.some(at, every); at > noon+3600*second {
			return list
		}
		node := []clock.Node{"us-1", "ap-1", "eu-1"}[h.chance.IntN(3)]
		if cut(at) {
			node = []clock.Node{"us-1", "ap-1"}[h.chance.IntN(2)]
		}
		list = append(list, h.write(key, field, node, list, at, "", old))
	}
}

// stock is read before every sale, and wants to be right: strong.
func (h *hour) stock(key string) {
	list := h.writes(key, "count", 90*second, false)
	for at := noon; at < noon+3600*second; {
		at = h.some(at, 40*second)
		server := []string{"us-1,ap-1", "us-1,eu-1", "ap-1,eu-1"}[h.chance.IntN(3)]
		if !cut(at) {
			h.read(key, "count", "strong", "", server, list, held(list, at, false), at, "fine")
			continue
		}
		h.read(key, "count", "strong", "", "us-1,ap-1", list, held(list, at, false), at, "fine")
		if h.refuses {
			continue
		}
		at += second
		n, truth := held(list, at, true), "fine"
		if n < len(list) && list[n].end < at {
			truth = "stale"
		}
		h.read(key, "count", "strong", "", "eu-1", list, n, at, truth)
	}
}

// price may be a minute old.
func (h *hour) price(key string) {
	list := h.writes(key, "cents", 120*second, false)
	for at := noon; at < noon+3600*second; {
		at = h.some(at, 60*second)
		n, truth, bound := held(list, at, true), "fine", 60*second
		if n < len(list) {
			switch next := list[n]; {
			case next.end < at-bound:
				truth = "stale"
			case next.start < at-bound:
				truth = "cannot tell"
			}
		}
		if h.refuses && truth != "fine" {
			continue
		}
		h.read(key, "cents", "bounded:1m0s", "", "eu-1", list, n, at, truth)
	}
}

// cart is written and read by one session in eu: through a majority, and from its own replica, mostly at once.
func (h *hour) cart(key, session string) {
	var list []commit
	shown := 0
	for at := noon; at < noon+3600*second; {
		if at = h.some(at, 200*second); cut(at) {
			continue
		}
		list = append(list, h.write(key, "items", "eu-1", list, at, session, false))
		at = h.some(list[len(list)-1].end, 30*second/1000)
		if h.refuses {
			at += travel
		}
		n, truth := held(list, at, true), "fine"
		if shown = max(shown, len(list)); n < shown {
			truth = "stale"
		}
		h.read(key, "items", "session", session, "eu-1", list, n, at, truth)
	}
}

// legacy is written by a system that doesn't say when it was called.
func (h *hour) legacy(key string) {
	list := h.writes(key, "count", 600*second, true)
	for at := cutBegan; at < cutEnded; {
		at = h.some(at, 200*second)
		if n := held(list, at, true); n < held(list, at, false) && !h.refuses {
			h.read(key, "count", "strong", "", "eu-1", list, n, at, "cannot tell")
		}
	}
}
