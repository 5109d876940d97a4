package reads

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/replay"
)

// answer is one read as its replica answered it.
type answer struct {
	at     int64
	hash   uint64 // of the key
	better bool   // more was promised than what the replica happens to have
	stale  bool
	age    time.Duration
	missed source // of the write that a stale read missed
	saw    source
}

// source is where and when a write was made.
type source struct {
	node string
	made int64
}

// answered takes note of who answered a read.
func (c *check) answered(k *replay.KeyOperations, g *register, l *look) {
	if l.server == "" {
		return
	}
	names := 1 + strings.Count(l.server, ",")
	if l.level.Kind == Quorum {
		c.quorums[names]++
	}
	if names > 1 {
		for name := range strings.SplitSeq(l.server, ",") {
			name = strings.TrimSpace(name)
			if _, known := c.servers[name]; !known {
				c.servers[name] = nil
			}
		}
		return
	}
	a := answer{at: cmp.Or(l.start, l.time), hash: hashOf(l.key), better: l.level.better(), age: l.Age}
	if l.seen.one() {
		a.saw = g.source(l.seen.writes[0])
	}
	if a.stale = a.better && l.Outcome == Stale; a.stale {
		a.missed = g.source(l.miss.write)
	}
	c.servers[l.server] = append(c.servers[l.server], a)
}

func (g *register) source(i int32) source {
	if i == nothing {
		return source{}
	}
	w := &g.writes[i]
	return source{strings.Clone(string(w.written.Stamp.Node)), w.made}
}

// few is from how many stale reads on a replica is told to have been preferred: one may have other causes.
const few = 2

// preferred finds the times in which replicas answered by themselves: of each replica and each other node, runs of stale reads
// that missed what that node wrote, with no read between them that showed anything newer of it. Runs of one replica that
// overlap are told as one.
func (c *check) preferred() []Preference {
	for n, reads := range c.quorums {
		if 2*n <= len(c.servers) {
			c.report.Alone += reads
		}
	}
	all := []Preference{}
	for _, server := range slices.Sorted(maps.Keys(c.servers)) {
		list := c.servers[server]
		slices.SortStableFunc(list, func(a, b answer) int { return cmp.Compare(a.at, b.at) })
		all = append(all, preferredOf(server, list)...)
	}
	slices.SortStableFunc(all, func(a, b Preference) int { return a.From.Compare(b.From) })
	return all
}

// run is reads of one replica that missed what one node wrote, by their places in the list.
type run struct {
	node        string
	since       int64 // when the first write was made that they missed
	first, last int
	stale       int
}

func preferredOf(server string, list []answer) []Preference {
	open := make(map[string]*run)
	var runs []run
	end := func(node string) {
		if r := open[node]; r != nil {
			runs = append(runs, *r)
			delete(open, node)
		}
	}
	for i := range list {
		a := &list[i]
		if r := open[a.saw.node]; r != nil && a.saw.made >= r.since {
			end(a.saw.node) // news of it
		}
		if !a.stale || a.missed.node == server {
			continue
		}
		r := open[a.missed.node]
		if r == nil {
			r = &run{node: a.missed.node, since: a.missed.made, first: i}
			open[a.missed.node] = r
		}
		r.last, r.stale = i, r.stale+1
	}
	for _, node := range slices.Sorted(maps.Keys(open)) {
		end(node)
	}
	slices.SortFunc(runs, func(a, b run) int { return cmp.Or(cmp.Compare(a.first, b.first), strings.Compare(a.node, b.node)) })
	var told []Preference
	for i := 0; i < len(runs); {
		first, last, since := runs[i].first, runs[i].last, runs[i].since
		nodes := map[string]bool{runs[i].node: true}
		j := i + 1
		for ; j < len(runs) && runs[j].first <= last; j++ {
			last, since = max(last, runs[j].last), min(since, runs[j].since)
			nodes[runs[j].node] = true
		}
		i = j
		p := Preference{Replica: server, From: moment(list[first].at), To: moment(list[last].at), Missed: slices.Sorted(maps.Keys(nodes))}
		split := make(map[uint64]bool)
		for k := first; k <= last; k++ {
			a := &list[k]
			if !a.better {
				continue
			}
			p.Reads++
			if a.stale {
				p.Stale++
				p.Age = max(p.Age, a.age)
				if a.saw.node != "" && !nodes[a.saw.node] && a.saw.made >= since {
					split[a.hash] = true // it showed something newer, of its own side
				}
			}
		}
		p.Split = int64(len(split))
		if p.Stale >= few {
			told = append(told, p)
		}
	}
	return told
}
