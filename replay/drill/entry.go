package drill

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// come takes a write that is due.
func (w *world) come(i int32, due int64) {
	b := w.base(i)
	w.nodes[b.node].replica.region.due++
	w.count(dueIndex, b.key, 1)
	if w.watch[b.key].critical {
		w.count(criticalIndex, b.key, 1)
	}
	w.attempt(i, due)
}

// attempt makes a write that was due at a time, if it may.
func (w *world) attempt(i int32, due int64) {
	n := &w.nodes[w.base(i).node]
	if len(n.waiting) > 0 {
		w.hold(i, n, due)
		return
	}
	w.try(i, due)
}

// try makes a write, or begins to; it returns false when it has to wait for room.
func (w *world) try(i int32, due int64) bool {
	b := w.base(i)
	n := &w.nodes[b.node]
	r := n.replica
	c := w.classes[w.watch[b.key].class]
	asks := c.asks()
	if r.stopped || n.stopped > 0 {
		w.miss(i, r)
		return true
	}
	if asks {
		at := turn{b.node, b.key}
		if list, busy := w.turns[at]; busy {
			w.turns[at], w.plays[i].status = append(list, moment{due, i}), notYet
			return true
		}
	}
	if c.frozen > 0 {
		w.refuse(i, r)
		return true
	}
	if asks && r.reaches < c.Writes.Regions {
		w.refuse(i, r)
		w.denied(lossOf{r, c, false}, w.t.keys[b.key])
		return true
	}
	if w.bounded {
		if full, throttle := w.full(r, b.node); full {
			if !throttle {
				w.noRoom++
				n.refused++
				w.refuse(i, r)
				return true
			}
			if w.plays[i].status != isWaiting {
				w.hold(i, n, due)
			}
			return false
		}
	}
	if !asks {
		w.accept(i, r, due, nil)
		w.acknowledge(i, due)
		return true
	}
	w.turns[turn{b.node, b.key}] = nil
	w.plays[i].status = notYet
	q := &request{from: r, play: i, node: b.node, due: due, need: c.Writes.Regions, luck: chance(w.seed, 8, w.lot(i))}
	w.reserve(q, 1)
	w.ask(q)
	return true
}

// full reports whether a node has used up its share of some queue that its replica writes to, and whether it waits then.
func (w *world) full(r *replica, node int32) (full, throttle bool) {
	for _, to := range w.replicas {
		if to == r {
			continue
		}
		l := w.link(r, to)
		if l.share == 0 || l.byNode[node] < l.share {
			continue
		}
		if !l.quality.Throttle {
			return true, false
		}
		full, throttle = true, true
	}
	return full, throttle
}

// miss counts a write to what is stopped.
func (w *world) miss(i int32, r *replica) {
	w.plays[i].status = isUnavailable
	r.region.unavailable++
	w.count(unavailableIndex, w.base(i).key, 1)
}

func (w *world) refuse(i int32, r *replica) {
	w.plays[i].status = isRefused
	r.region.refused++
	w.count(refusedIndex, w.base(i).key, 1)
}

// hold makes a write wait for room.
func (w *world) hold(i int32, n *nodeState, due int64) {
	p := &w.plays[i]
	p.status, p.made = isWaiting, due
	n.waiting = append(n.waiting, i)
	if p.held {
		return // it found room once, and lost it while it asked
	}
	p.held = true
	n.held++
	w.noRoom++
	w.count(throttledIndex, w.base(i).key, 1)
}

// admit lets the writes of a node go on that waited for room.
func (w *world) admit(node int32) {
	n := &w.nodes[node]
	for len(n.waiting) > 0 {
		i := n.waiting[0]
		if !w.try(i, w.plays[i].made) {
			return
		}
		n.waiting = n.waiting[1:]
	}
}

// accept makes a write that was due at a time at a replica, and sends it to the others. When it has asked others what they have, q is its request,
// and it stays open until enough of them have it.
func (w *world) accept(i int32, r *replica, due int64, q *request) {
	b, p := w.base(i), &w.plays[i]
	p.made, p.has, p.home, p.status, p.open = w.now, r.bit, uint8(r.index), isAccepted, q != nil
	p.number = int32(len(w.accepted))
	if !w.light {
		if w.skewed || w.now > due {
			w.stamp(r, i, w.now-due)
		}
		if w.watch[b.key].dotted {
			if w.seen == nil {
				w.seen = make([]clock.Vector, len(w.plays))
			}
			w.seen[i] = w.seenBy(i, r, q)
		}
		w.hidden(i, q)
	}
	if w.watch[b.key].critical {
		w.splitBrain(i, r, q)
	}
	w.accepted = append(w.accepted, i)
	r.region.accepted++
	w.count(writesIndex, b.key, 1)
	if !w.light && w.advance(i, q) {
		w.classes[w.watch[b.key].class].prevented++
	}
	w.take(r, i)
	for _, to := range w.replicas {
		if to != r {
			w.send(w.link(r, to), i)
		}
	}
	if w.watch[b.key].tracked && p.has != w.every {
		w.pending[b.key] = append(w.pending[b.key], i)
	}
	for j := range w.probes {
		if pr := &w.probes[j]; pr.Keys.Matches(w.t.keys[b.key]) {
			pr.queue = append(pr.queue, moment{w.now + int64(pr.After), i})
		}
	}
}

// acknowledge answers the client of a write that was due at a time.
func (w *world) acknowledge(i int32, due int64) {
	b := w.base(i)
	w.classes[w.watch[b.key].class].answered++
	if w.answers != nil {
		w.answers[i] = w.now
	}
	if latency := w.now - due; latency > 0 {
		c := w.classes[w.watch[b.key].class]
		c.latencies = append(c.latencies, latency)
		w.raise(latencyIndex, b.key, latency)
	}
}

// answeredAt returns when a write was acknowledged, 0 when it was not.
func (w *world) answeredAt(i int32) int64 {
	switch {
	case w.plays[i].open:
		return 0
	case w.answers != nil:
		return w.answers[i]
	}
	return w.plays[i].made
}

// seenBy returns the dots on its key that the writer of a write had seen: of what its replica has, what the history says it
// can have seen; and all that it was answered when it asked.
func (w *world) seenBy(i int32, r *replica, q *request) clock.Vector {
	b := w.base(i)
	have := r.seen[b.key]
	if q != nil {
		seen := have.Clone()
		for _, other := range q.know {
			seen.Add(w.dot(other))
		}
		return seen
	}
	_, high := w.t.past(b)
	if high == nil {
		return have.Clone()
	}
	var seen clock.Vector
	nodes := w.t.keyNodes[b.key]
	for node, run := range have.Runs() {
		at, found := slices.BinarySearch(nodes, node)
		if !found { // a copy's
			name := string(node)
			at, _ = slices.BinarySearch(nodes, clock.Node(name[:strings.LastIndexByte(name, '+')]))
		}
		if int32(at) == b.local && node == w.dot(i).Node {
			seen.AddRange(node, run) // a node is sequential
			continue
		}
		run.Last = min(run.Last, uint64(high[at]))
		seen.AddRange(node, run)
	}
	return seen
}

// hidden tells of a write whose writer had seen, in the history, what it was not shown here.
func (w *world) hidden(i int32, q *request) {
	b := w.base(i)
	low, _ := w.t.past(b)
	home := w.replicas[w.plays[i].home].bit
	for local, n := range low {
		if n == 0 || int32(local) == b.local {
			continue
		}
		other := n - 1
		p := &w.plays[other]
		if p.has&home != 0 || w.t.writes[other].at == 0 || p.status == isLeftOut ||
			q != nil && slices.Contains(q.know, other) {
			continue
		}
		w.count(hiddenIndex, b.key, 1)
		if len(w.hiddenAt) < maxListed {
			w.hiddenAt = append(w.hiddenAt, Hide{At: Moment(w.now), Key: w.t.keys[b.key], Node: w.op(i).Stamp.Node, Place: w.placeOf(i),
				Other: w.placeOf(other)})
		}
		return
	}
}

// deliver brings a write to a replica.
func (w *world) deliver(i int32, r *replica) {
	p := &w.plays[i]
	if p.status == isVanished {
		return
	}
	if w.skewed {
		w.meet(i, r)
	}
	if p.has&r.bit != 0 { // again: the fold takes it, and nothing changes
		if !w.light {
			r.view.apply(r.index, i)
		}
		return
	}
	p.has |= r.bit
	w.take(r, i)
	if p.open {
		if q := w.giving[i]; q != nil && r != q.from {
			w.call(w.link(r, q.from), call{q: q, back: true, giving: true})
		}
	}
	if p.orphan {
		p.orphan = false
		w.spread([]int32{i})
	}
	if p.split {
		w.splitMeets(i)
	}
	if p.has == w.every {
		w.complete(i)
	}
}

// meet holds the stamp of a write that arrives against the clock of the replica.
func (w *world) meet(i int32, r *replica) {
	stamp := w.stampOf(i)
	if ahead := stamp.Wall - w.now - r.skew(w.now); ahead > int64(cmp.Or(w.opt.MaxDrift, clock.DefaultMaxDrift)) {
		w.tell(finding.ClockAhead, i, func() string {
			return fmt.Sprintf("stamped %s ahead of the clock of %s", durationOf(ahead), r.name)
		})
	}
	if w.script.Hybrid {
		r.physical = w.now + r.skew(w.now)
		_ = r.clock.Observe(stamp) // without a bound: it is of a valid time, so there is no error
	}
}

// complete takes note of a write that every replica has.
func (w *world) complete(i int32) {
	b := w.base(i)
	w.plays[i].again = 0
	if int(w.plays[i].number) == len(w.accepted)-1 {
		w.lag = w.now - w.plays[i].made
	}
	if w.watch[b.key].tracked {
		list := w.pending[b.key]
		switch at := slices.Index(list, i); {
		case at == 0 && len(list) > 16:
			w.pending[b.key] = list[1:]
		case at >= 0: // and keep its room
			w.pending[b.key] = slices.Delete(list, at, at+1)
		}
	}
	if w.plays[i].split {
		w.splitEnds(i)
	}
	if w.plays[i].stuck {
		w.unstick(i)
	}
}

// converged reports whether every write up to a number of accepted ones is in every replica.
func (w *world) converged(upTo int) bool {
	for w.whole < len(w.accepted) {
		p := &w.plays[w.accepted[w.whole]]
		if p.status == isAccepted && p.has != w.every {
			break
		}
		w.whole++
	}
	return w.whole >= upTo
}

// spreading returns how many of the writes that were accepted, but for the first so many, are not everywhere yet.
func (w *world) spreading(but int) (n int64) {
	for _, i := range w.accepted[but:] {
		if p := &w.plays[i]; p.status == isAccepted && p.has != w.every {
			n++
		}
	}
	return n
}

// overdue returns a write that some replica lacks for longer than the script allows, since it was made or since a restart
// has taken it away, and when that is so. It returns -1 when there is none before a moment.
func (w *world) overdue(before int64) (i int32, at int64) {
	bound := int64(w.script.Stuck) + 1
	for {
		i, at = -1, before
		if w.alarmed < len(w.accepted) {
			if write := w.accepted[w.alarmed]; w.plays[write].made < at-bound {
				i, at = write, w.plays[write].made+bound
			}
		}
		again := w.minded < len(w.again) && w.again[w.minded].at < at-bound
		switch {
		case again:
			i, at = w.again[w.minded].write, w.again[w.minded].at+bound
			if w.minded++; int(w.plays[i].again) != w.minded {
				continue // it was everywhere meanwhile
			}
			w.plays[i].again = 0
		case i < 0:
			return -1, 0
		default:
			w.alarmed++
		}
		if p := &w.plays[i]; p.status == isAccepted && p.has != w.every && !p.stuck && p.again == 0 {
			return i, at
		}
	}
}
