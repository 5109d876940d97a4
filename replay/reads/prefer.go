package reads

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/tiebreakhq/tiebreak/replay"
)

// mostServers is how many replicas are counted: where every read names another there would be no end of them.
const mostServers = 1 << 16

// answered takes note of who answered a read.
func (c *check) answered(k *replay.KeyOperations, g *register, l *look) {
	if l.ServedBy == "" {
		return
	}
	several := 1 + strings.Count(l.ServedBy, ",")
	if l.level.Kind == Quorum {
		c.quorums[several]++
	}
	for name := range strings.SplitSeq(l.ServedBy, ",") {
		name = strings.TrimSpace(name)
		if !c.servers[name] && len(c.servers) < mostServers {
			c.servers[strings.Clone(name)] = true
		}
	}
	hash := g.hash
	if several > 1 || !c.answers.wants(hash) {
		return
	}
	names := &c.answers.names
	a := answer{at: cmp.Or(l.Start, l.Time), line: l.Place.Line, file: names.of(l.Place.File), item: int32(l.Place.Item), server: names.of(strings.TrimSpace(l.ServedBy)),
		hash: hash, better: l.level.better(), age: l.Age}
	if l.one() {
		a.saw = g.source(l.writes[0], names)
	}
	if a.stale = a.better && l.Outcome == Stale; a.stale {
		a.missed = g.source(l.miss.write, names)
		a.latest = g.latest(l.miss.write, plus(l.startLo, -g.skew))
	}
	c.answers.add(a, c.limit())
}

func (g *register) source(i int32, names *texts) source {
	if i == nothing {
		return source{}
	}
	w := &g.writes[i]
	return source{w.made, names.of(string(g.past.ops[w.op].Stamp.Node))}
}

// latest returns when the node of a write last wrote to the key before a time, that write or after it: by the order in which it
// made its writes, so clocks that went back may hide some.
func (g *register) latest(of int32, before int64) int64 {
	at := g.writes[of].op
	list := g.past.ops[at:g.past.starts[g.past.ops[at].Node+1]]
	made := func(i int) int64 { return cmp.Or(list[i].Stamp.Time.Wall, list[i].Call.Start) }
	if n := sort.Search(len(list), func(i int) bool { return made(i) >= before }); n > 0 {
		return made(n - 1)
	}
	return 0
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
	list, names := c.answers.list, c.answers.names.list
	slices.SortFunc(list, func(a, b answer) int {
		if a.server != b.server {
			return strings.Compare(names[a.server], names[b.server])
		}
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.hash, b.hash), strings.Compare(names[a.file], names[b.file]), cmp.Compare(a.line, b.line), cmp.Compare(a.item, b.item))
	})
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].server == list[0].server {
			n++
		}
		all = append(all, preferredOf(names, list[:n], c.skew)...)
		list = list[n:]
	}
	slices.SortStableFunc(all, func(a, b Preference) int { return a.From.Compare(b.From) })
	return all
}

// run is reads of one replica that missed what one node wrote, by their places in the list.
type run struct {
	node        int32
	since       int64 // when the first write was made that they missed
	first, last int
	stale       int
}

// preferredOf finds them in the answers of one replica. Of which of the nodes that it missed it is certain that they wrote meanwhile
// is told by the writes to what it was asked for.
func preferredOf(names []string, list []answer, skew int64) []Preference {
	open := make(map[int32]*run)
	var runs []run
	end := func(node int32) {
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
		if !a.stale || a.missed.node == a.server {
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
	slices.SortFunc(runs, func(a, b run) int {
		return cmp.Or(cmp.Compare(a.first, b.first), strings.Compare(names[a.node], names[b.node]))
	})
	var told []Preference
	for i := 0; i < len(runs); {
		first, last, since := runs[i].first, runs[i].last, runs[i].since
		nodes := map[int32]bool{runs[i].node: true}
		j := i + 1
		for ; j < len(runs) && runs[j].first <= last; j++ {
			last, since = max(last, runs[j].last), min(since, runs[j].since)
			nodes[runs[j].node] = true
		}
		i = j
		p := Preference{Replica: names[list[0].server], From: moment(list[first].at), To: moment(list[last].at)}
		for node := range nodes {
			p.Missed = append(p.Missed, names[node])
		}
		slices.Sort(p.Missed)
		split, wrote := make(map[uint64]bool), make(map[int32]bool)
		for k := first; k <= last; k++ {
			a := &list[k]
			if !a.better {
				continue
			}
			p.Reads++
			if a.stale {
				p.Stale++
				p.Age = max(p.Age, a.age)
				if plus(list[first].at, skew) < a.latest {
					wrote[a.missed.node] = true
				}
				if a.saw.node != 0 && !nodes[a.saw.node] && a.saw.made >= since {
					split[a.hash] = true // it showed something newer, of its own side
				}
			}
		}
		p.Split = int64(len(split))
		p.Wrote = []string{}
		for node := range wrote {
			p.Wrote = append(p.Wrote, names[node])
		}
		slices.Sort(p.Wrote)
		if p.Stale >= few {
			told = append(told, p)
		}
	}
	return told
}
