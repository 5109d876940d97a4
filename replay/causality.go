package replay

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// Source says where a dry run knows from what a writer had seen. Names are written in reports and are never reused.
type Source uint8

// The sources, best first. The best that a record offers is used for it.
const (
	Exact      Source = iota // the record's own context: seen
	Base                     // the version the writer had read: base
	Deliveries               // the position of both writes in the export of the writer's region, to which the other's node is known to send its own
	Lag                      // a stated replication lag
	Unknown                  // nothing: every write of another node may have been seen or not
	numSources
)

var sourceNames = [numSources]string{"exact context", "base version", "deliveries", "stated lag", "unknown"}

// String returns the name of the source.
func (s Source) String() string { return sourceNames[s] }

// past is what is known of the causal past of the operations on one key. Nodes are numbered as in the key's list of
// nodes, and the operations of a node are numbered from 1 in the order in which the node made them. A node is
// sequential: each of its operations has seen all its earlier ones. So what an operation had seen of a node is always the
// node's first few, and two numbers say what is known: it had seen at least the first lo and at most the first hi.
//
// Invariant: lo <= hi, and neither falls from one operation of a node to its next.
type past struct {
	nodes int
	lo    []int32 // lo[op*nodes+node]
	hi    []int32
}

func (p *past) low(op, node int) int32  { return p.lo[op*p.nodes+node] }
func (p *past) high(op, node int) int32 { return p.hi[op*p.nodes+node] }

func (p *past) lows(op int) []int32  { return p.lo[op*p.nodes : (op+1)*p.nodes] }
func (p *past) highs(op int) []int32 { return p.hi[op*p.nodes : (op+1)*p.nodes] }

// relation says what is known of two operations of two nodes, or of one.
type relation uint8

const (
	before     relation = iota // the second had seen the first
	after                      // the first had seen the second
	concurrent                 // neither had
	unknown                    // nobody knows
)

func (k *key) relate(a, b int) relation {
	x, y := &k.stand[a], &k.stand[b]
	switch {
	case k.past.low(b, int(x.node)) >= x.index:
		return before
	case k.past.low(a, int(y.node)) >= y.index:
		return after
	case k.past.high(b, int(x.node)) < x.index && k.past.high(a, int(y.node)) < y.index:
		return concurrent
	}
	return unknown
}

// arrange numbers the nodes of k and the operations of each, and works out what each had seen. It reports writes of one
// node that nothing puts in order.
func (k *key) arrange(opt *Options, t *tally) {
	k.divide()
	k.inOrder, k.numbered = k.room.lists.raw(len(k.nodes)), k.room.flags.raw(len(k.nodes))
	ordered := k.room.flags.raw(len(k.nodes))
	places := k.room.counts.raw(len(k.ops))
	count := k.room.counts.take(len(k.nodes))
	for i := range k.stand {
		k.room.tick()
		count[k.stand[i].node]++
	}
	for n, c := range count {
		k.inOrder[n], places = places[:0:c], places[c:]
	}
	for i := range k.stand {
		k.room.tick()
		n := k.stand[i].node
		k.inOrder[n] = append(k.inOrder[n], int32(i))
	}
	for n, list := range k.inOrder {
		k.numbered[n], ordered[n] = k.order(k.nodes[n], k.numbers[n], list, t)
		k.loosenOrder(k.numbers[n], list)
		named, until := int32(len(list)), int32(len(list))
		for at, i := range slices.Backward(list) {
			k.room.tick()
			o := &k.stand[i]
			if o.named > 0 {
				named = int32(at)
			}
			o.index, o.named, o.until = int32(at+1), named, until
			if int(o.after) == at {
				until = o.after
			}
			k.tied = k.tied || o.tied()
		}
	}
	k.findCollisions(ordered, t)
	k.learn(opt)
}

// divide finds the nodes of k, in the order of their names, and the node of each operation.
func (k *key) divide() {
	r := k.room
	k.nodes, k.numbers = r.nodes, r.numbers
	for i := range k.ops {
		r.tick()
		o := &k.ops[i]
		if r.slots[o.author] == 0 {
			k.nodes, k.numbers = append(k.nodes, clock.Node(k.texts[o.author])), append(k.numbers, o.author)
			r.slots[o.author] = int32(len(k.nodes))
		}
	}
	r.nodes, r.numbers = k.nodes, k.numbers
	if !slices.IsSorted(k.nodes) {
		slices.Sort(k.nodes)
		slices.SortFunc(k.numbers, func(a, b uint32) int { return cmp.Compare(k.texts[a], k.texts[b]) })
		for n, number := range k.numbers {
			r.slots[number] = int32(n + 1)
		}
	}
	k.stand = r.stand.raw(len(k.ops))
	for i := range k.ops {
		r.tick()
		o := &k.ops[i]
		k.stand[i] = standing{node: r.slots[o.author] - 1}
		if o.hash != 0 {
			k.stand[i].named = 1 // that it is, until arrange has walked over all
		}
	}
	for _, number := range k.numbers {
		r.slots[number] = 0
	}
}

// order sorts the operations of one node into the order in which the node made them: by the numbers of their ids, else
// by their position in the export of the node's own region, else by version, else by time. It reports whether all have
// numbers, and whether all are in order by these or by their positions, whatever their stamps.
func (k *key) order(node clock.Node, number uint32, list []int32, t *tally) (numbered, ordered bool) {
	numbered, placed, versioned := true, true, true
	for _, i := range list {
		k.room.tick()
		o := &k.ops[i]
		numbered = numbered && o.number > 0
		placed = placed && k.arrived(o, number) > 0
		versioned = versioned && o.version > 0
	}
	if len(list) < 2 {
		return numbered, true
	}
	by := func(o *op) uint64 {
		switch {
		case numbered:
			return o.number
		case placed:
			return uint64(k.arrived(o, number))
		case versioned:
			return o.version
		}
		return 0
	}
	k.rank(list, by)
	for at := 1; at < len(list); at++ {
		k.room.tick()
		i, j := list[at-1], list[at]
		a, b := &k.ops[i], &k.ops[j]
		if by(a) != by(b) || a.time() != b.time() {
			k.stand[j].after = int32(at)
			continue
		}
		k.stand[j].after = k.stand[i].after
		if k.samePayload(a, b) {
			continue
		}
		switch {
		case node == "":
			continue // told as unknown_node
		case b.precision > 0 && b.precision <= coarse:
			if t.wants(finding.AmbiguousOrder, k.place(b)) {
				t.keep(finding.Finding{Code: finding.AmbiguousOrder, Place: k.place(b), Key: k.name,
					Detail: "node " + quote(string(node)) + " wrote twice at " + clockText(b.time()) +
						" by a clock of whole " + precisionNames[b.precision] + ", and nothing says which came first"})
			}
		case t.wants(finding.StampCollision, k.place(b)):
			t.keep(finding.Finding{Code: finding.StampCollision, Place: k.place(b), Key: k.name,
				Detail: "node " + quote(string(node)) + " wrote two payloads under one stamp (" + stampText(k.stamp(b)) +
					"): one node name, two writers"})
		}
	}
	return numbered, numbered || placed
}

// findCollisions tells the writes that have the stamp of an earlier one of their node which wrote one of their fields too. ordered says of
// which nodes something else than stamps puts the writes in order: those of others are told where they are put in order.
func (k *key) findCollisions(ordered []bool, t *tally) {
	for first, end := 0, 0; first < len(k.ops); first = end { // in canonical order those of one stamp stand together
		k.room.tick()
		a := &k.ops[first]
		for end = first + 1; end < len(k.ops) && k.ops[end].time() == a.time() && k.ops[end].version == a.version; end++ {
			k.room.tick()
		}
		if end == first+1 {
			continue
		}
		same := k.room.same[:0]
		for i := first; i < end; i++ {
			if o := &k.ops[i]; ordered[k.stand[i].node] && o.kind <= merge.Delete && claimsStamp(o.version, o.precision) {
				same = append(same, int32(i))
			}
		}
		k.room.same = same
		slices.SortFunc(same, func(i, j int32) int {
			k.room.tick()
			return cmp.Or(cmp.Compare(k.stand[i].node, k.stand[j].node), cmp.Compare(k.stand[i].index, k.stand[j].index))
		})
		for len(same) > 0 {
			node, n := k.stand[same[0]].node, 1
			for n < len(same) && k.stand[same[n]].node == node {
				n++
			}
			if n > 1 && k.nodes[node] != "" {
				k.tellCollisions(k.nodes[node], same[:n], t)
			}
			same = same[n:]
		}
	}
}

// tellCollisions tells of writes of one node with one stamp, in the order in which it made them, those that give a field another value than
// the last one before them which wrote it.
func (k *key) tellCollisions(node clock.Node, list []int32, t *tally) {
	last := make(map[string]int32, 1) // by field: the place in the list of the last write to it, from 1
	var whole int32                   // of the last that deletes the record
	for at, j := range list {
		k.room.tick()
		b := &k.ops[j]
		before := whole
		op := k.payloadOf(b.slot, 1)
		if op.WholeDelete() {
			before, whole = int32(at), int32(at+1)
		}
		for _, f := range op.Fields {
			before = max(before, last[f.Name])
			last[strings.Clone(f.Name)] = int32(at + 1)
		}
		if before > 0 {
			if a := &k.ops[list[before-1]]; !k.samePayload(a, b) && t.wants(finding.StampCollision, k.place(b)) {
				t.keep(finding.Finding{Code: finding.StampCollision, Place: k.place(b), Key: k.name,
					Detail: "node " + quote(string(node)) + " wrote two payloads under one stamp (" + stampText(k.stamp(b)) +
						"), the other at " + k.place(a).String() + ": its clock gave it twice, or the name has two writers"})
			}
		}
	}
}

// elsewhere returns where else than in the region that it is taken for a delete may have been made.
func (k *key) elsewhere(o *op) []elsewhere {
	all := k.room.elsewhere
	if !o.taken || len(all) == 0 {
		return nil
	}
	first := sortedCount(all, func(e elsewhere) bool { return e.home < o.region || e.home == o.region && e.at < o.at })
	rest := all[first:]
	return rest[:sortedCount(rest, func(e elsewhere) bool { return e.home == o.region && e.at == o.at })]
}

// loosenOrder takes back what the order of a node's operations told of deletes that may have been made elsewhere: those came after what had
// arrived there, and of the others nobody knows.
func (k *key) loosenOrder(region uint32, list []int32) {
	if len(k.room.elsewhere) == 0 {
		return
	}
	var came map[uint32]deliveries
	first := int32(len(list)) // of those that nothing puts in order with the one at hand
	for at, i := range slices.Backward(list) {
		k.room.tick()
		if int(first) > at {
			first = int32(len(list))
		}
		first = min(first, k.stand[i].after)
		for _, e := range k.elsewhere(&k.ops[i]) {
			d, known := came[e.region]
			if !known {
				if came == nil {
					came = make(map[uint32]deliveries)
				}
				d = k.arriveIn(e.region, list)
				came[e.region] = d
			}
			arrived, _ := d.by(e.here - 1)
			first = min(first, arrived)
		}
		k.stand[i].after = min(k.stand[i].after, first)
	}
	for _, i := range list { // what nothing puts in order with another that nothing puts in order with a third
		k.room.tick()
		o := &k.stand[i]
		o.after = min(o.after, k.stand[list[o.after]].after)
	}
}

// claimsStamp reports whether no two writes of a node should have such a stamp: by a coarse clock they may.
func claimsStamp(version uint64, p history.Precision) bool {
	return p > coarse || p == 0 && version > 0
}

// ranked is an operation, and what is to put it in order.
type ranked struct {
	rank uint64
	op   int32
}

// rank sorts operations, which are in canonical order, by what rank returns, and those that are equal in it by time.
func (k *key) rank(list []int32, rank func(o *op) uint64) {
	ranks := k.room.ranks.raw(len(list))
	sorted := true
	for at, i := range list {
		k.room.tick()
		ranks[at] = ranked{rank(&k.ops[i]), i}
		sorted = sorted && (at == 0 || ranks[at-1].rank <= ranks[at].rank)
	}
	if sorted {
		return
	}
	slices.SortFunc(ranks, func(a, b ranked) int {
		k.room.tick()
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.op, b.op)) // canonical order is by time
	})
	for at := range ranks {
		k.room.tick()
		list[at] = ranks[at].op
	}
}

// learn fills k.past from the best source that each operation has.
func (k *key) learn(opt *Options) {
	m := len(k.nodes)
	k.past = past{nodes: m, lo: k.room.counts.take(len(k.ops) * m), hi: k.room.counts.take(len(k.ops) * m)}
	for i := range k.ops {
		k.room.tick()
		lo, hi := k.past.lows(i), k.past.highs(i)
		o := &k.stand[i]
		o.source = k.seen(opt, i, lo, hi)
		own := o.index - 1
		if k.nodes[o.node] == "" { // whoever wrote it, nothing says that they wrote the others
			lo[o.node], hi[o.node] = 0, int32(len(k.inOrder[o.node]))
			o.source = Unknown
			continue
		}
		lo[o.node], hi[o.node] = o.after, own
		if o.tied() {
			hi[o.node] = o.until // of those that nothing puts in order it may have seen any
		}
	}
	k.close()
}

// seen fills in what an operation had seen of the other nodes and returns the source that told.
func (k *key) seen(opt *Options, i int, lo, hi []int32) Source {
	o := &k.ops[i]
	switch {
	case o.told > 0:
		seen := k.context(o)
		k.seenExactly(i, seen, k.marks(o, seen), lo, hi)
		return Exact
	case o.hasBase && k.seenBase(i, lo, hi):
		return Base
	case k.arrived(o, o.writer) > 0:
		return k.seenDeliveries(opt, i, lo, hi)
	case opt.Lag > 0 && !o.time().IsZero():
		k.seenByLag(o, opt, lo, hi)
		return Lag
	}
	made, known := k.room.vague[o.slot]
	for n := range k.nodes {
		lo[n], hi[n] = 0, int32(len(k.inOrder[n]))
		if known { // no clock is that far ahead
			_, hi[n] = k.writtenBy(n).by(made.to)
		}
	}
	return Unknown
}

// seenExactly takes the record's own context. A context says nothing of operations that it could not have named: those
// without an id, and those without a number when it is told by numbers. They may have been seen or not. An empty context
// alone says of all that they had not, but for those that follow from what its node had written when it is a list. marks are what follows from its list.
func (k *key) seenExactly(i int, seen *context, marks marks, lo, hi []int32) {
	for n, node := range k.nodes {
		if k.numbered[n] {
			k.room.tick()
			up := max(seen.upTo(node), marks.upTo(k.numbers[n]))
			count := int32(sortedCount(k.inOrder[n], func(i int32) bool { return k.ops[i].number <= up }))
			lo[n], hi[n] = count, count
		}
	}
	tied := false
	for _, id := range seen.ids {
		k.room.tick()
		if named, ok := k.findID(id); ok {
			o := &k.stand[named]
			tied = k.knowsOf(o, lo, hi) || tied
		}
	}
	if tied { // of those that nothing puts in order, the first may all be named
		var named []*standing
		for _, id := range seen.ids {
			if i, ok := k.findID(id); ok {
				named = append(named, &k.stand[i])
			}
		}
		slices.SortFunc(named, func(a, b *standing) int { return cmp.Compare(a.index, b.index) })
		for _, o := range named {
			if lo[o.node] == o.index-1 {
				lo[o.node]++
			}
		}
	}
	k.stand[i].names, k.stand[i].namesOwn = !seen.whole, !seen.whole
	if len(seen.ids) == 0 && len(seen.up) == 0 {
		return
	}
	for n, list := range k.inOrder {
		switch {
		case k.numbered[n]:
		case len(seen.ids) == 0:
			hi[n] = int32(len(list))
		case int(lo[n]) < len(list):
			hi[n] = max(hi[n], k.stand[list[lo[n]]].named)
		}
	}
}

// knowsOf raises what an operation had seen to one that it had. Of those of its node that nothing puts in order with that one, it
// may have seen any: it reports whether there are some.
func (k *key) knowsOf(o *standing, lo, hi []int32) (tied bool) {
	if tied = o.tied(); tied {
		lo[o.node], hi[o.node] = max(lo[o.node], o.after), max(hi[o.node], o.until)
		return true
	}
	lo[o.node], hi[o.node] = max(lo[o.node], o.index), max(hi[o.node], o.index)
	return false
}

// sortedCount returns how many of list, from its start, satisfy has.
func sortedCount[T any](list []T, has func(of T) bool) int {
	lo, hi := 0, len(list)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if has(list[mid]) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// seenBase takes the version that the writer had read: it had seen the write that made it. When several made one
// version, it had seen one of them. A base that no write of the history made tells nothing, unless all others have later versions:
// what was read is then older than the history.
func (k *key) seenBase(own int, lo, hi []int32) bool {
	o := &k.ops[own]
	if k.byVersion == nil {
		k.byVersion = k.room.counts.raw(len(k.ops))
		for i := range k.ops {
			k.byVersion[i] = int32(i)
		}
		slices.SortStableFunc(k.byVersion, func(i, j int32) int {
			k.room.tick()
			return cmp.Compare(k.ops[i].version, k.ops[j].version)
		})
	}
	first := sortedCount(k.byVersion, func(i int32) bool { return k.ops[i].version < o.base })
	same := k.byVersion[first:]
	if o.base == 0 {
		same = nil
	}
	same = same[:sortedCount(same, func(i int32) bool { return k.ops[i].version == o.base })]
	made := len(same)
	if o.version == o.base && made > 0 {
		made-- // itself
	}
	switch {
	case made == 1:
		for _, i := range same {
			if b := &k.stand[i]; int(i) != own {
				k.knowsOf(b, lo, hi)
				k.stand[own].namesOwn = b.node == k.stand[own].node
			}
		}
	case made > 1: // one of several: which is not known
		for n, last := range k.lastOf(first, same) {
			hi[n] = max(hi[n], last)
			k.stand[own].namesOwn = k.stand[own].namesOwn || n == int(k.stand[own].node) && last > 0
		}
	}
	k.stand[own].names = made > 0
	if o.version < o.base {
		first-- // itself
	}
	return made > 0 || first == 0
}

// lastOf returns of each node the index of its last operation among those of one version, which begin at first in that order;
// 0 when there is none. It walks over them once, however many go by that version.
func (k *key) lastOf(first int, same []int32) []int32 {
	if last, ok := k.lastBy[first]; ok {
		return last
	}
	last := make([]int32, len(k.nodes))
	for _, i := range same {
		k.room.tick()
		b := &k.stand[i]
		last[b.node] = max(last[b.node], b.index, b.until)
	}
	if k.lastBy == nil {
		k.lastBy = make(map[int][]int32)
	}
	k.lastBy[first] = last
	return last
}

// deliveries says when the operations of one node came, in their node's order, so that "which came by then" is two
// searches: all of the first prefix did, and none after the last suffix.
type deliveries struct {
	latest   []int64 // of the operations up to this one: never falls
	earliest []int64 // of the operations from this one on: never falls
}

// arrive takes when each operation came, if that is known. One of which it is not came between those of its node before and after it, but
// for those that came alone; where nobody knows which node that is, at any time.
func (r *room) arrive(list []int32, named bool, when func(o int32) (at int64, known bool), alone func(o int32) bool) deliveries {
	a := deliveries{latest: r.times.raw(len(list)), earliest: r.times.raw(len(list))}
	next := int64(math.MaxInt64)
	for at := len(list) - 1; at >= 0; at-- {
		r.tick()
		w, known := when(list[at])
		a.latest[at], a.earliest[at] = w, w
		switch {
		case known && !alone(list[at]):
			next = w
		case known:
		case named:
			a.latest[at], a.earliest[at] = next, math.MinInt64
		default:
			a.latest[at], a.earliest[at] = math.MaxInt64, math.MinInt64
		}
	}
	last := int64(math.MinInt64)
	for at := range list {
		r.tick()
		if a.earliest[at] == math.MinInt64 && named {
			a.earliest[at] = last
		} else if !alone(list[at]) {
			last = a.earliest[at]
		}
		if at > 0 {
			a.latest[at] = max(a.latest[at], a.latest[at-1])
		}
	}
	for at := len(list) - 2; at >= 0; at-- {
		r.tick()
		a.earliest[at] = min(a.earliest[at], a.earliest[at+1])
	}
	return a
}

// none says that nothing came alone.
func none(int32) bool { return false }

// by returns how many operations had certainly come by then as the node's first, and the last that had.
func (a deliveries) by(then int64) (lo, hi int32) {
	past := func(w int64) int {
		if w <= then {
			return -1
		}
		return 1
	}
	n, _ := slices.BinarySearchFunc(a.latest, 0, func(w int64, _ int) int { return past(w) })
	m, _ := slices.BinarySearchFunc(a.earliest, 0, func(w int64, _ int) int { return past(w) })
	return int32(n), int32(m)
}

// seenDeliveries compares positions in the export of the writer's own region: what stands before op there had arrived. Where no
// write of a node stands in it the export does not tell of arrivals from there, and a stated lag does, or nothing.
func (k *key) seenDeliveries(opt *Options, i int, lo, hi []int32) Source {
	o, node := &k.ops[i], k.stand[i].node
	home := o.writer
	source := Deliveries
	for n := range k.nodes {
		if !k.part.came.has(k.numbers[n], home) {
			source = Unknown
		}
	}
	switch {
	case source == Deliveries:
	case opt.Lag > 0 && !o.time().IsZero():
		source = Lag
		k.seenByLag(o, opt, lo, hi)
	default:
		for n := range k.nodes {
			lo[n], hi[n] = 0, int32(len(k.inOrder[n]))
		}
	}
	k.stand[i].names, k.stand[i].namesOwn = true, true // what arrived shows what those had seen who wrote it
	if len(k.room.vague) > 0 && k.nodes[0] == "" && !o.time().IsZero() {
		hi[0] = k.mostOfNobody(o)
	}
	came := k.deliveredTo(home, int(node))
	for n := range k.nodes {
		if k.part.came.has(k.numbers[n], home) {
			lo[n], hi[n] = came[n].by(k.arrived(o, home) - 1)
		}
	}
	for _, e := range k.elsewhere(o) {
		came := k.deliveredTo(e.region, slices.Index(k.numbers, e.region))
		for n := range k.nodes {
			least, most := int32(0), int32(len(k.inOrder[n]))
			if k.part.came.has(k.numbers[n], e.region) {
				least, _ = came[n].by(e.here - 1)
				_, most = came[n].by(e.here) // what stands there may be the same
			}
			lo[n], hi[n] = min(lo[n], least), max(hi[n], most)
		}
	}
	return source
}

// deliveredTo says of the operations of each node when they came in a region, which is that of a node of the key, or of none with -1.
func (k *key) deliveredTo(region uint32, node int) []deliveries {
	if k.delivered == nil {
		k.delivered = make([][]deliveries, len(k.nodes))
	}
	if node >= 0 && k.delivered[node] != nil {
		return k.delivered[node]
	}
	came := k.room.deliveries.raw(len(k.nodes))
	for n := range k.nodes {
		came[n] = k.arriveIn(region, k.inOrder[n])
	}
	if node >= 0 {
		k.delivered[node] = came
	}
	return came
}

// arriveIn takes when each operation of a node came in a region.
func (k *key) arriveIn(region uint32, list []int32) deliveries {
	return k.room.arrive(list, true, func(o int32) (int64, bool) {
		switch at := k.arrived(&k.ops[o], region); at {
		case 0:
			return math.MaxInt64, true // never
		case unsure:
			return 0, false
		default:
			return at, true
		}
	}, func(o int32) bool { return len(k.elsewhere(&k.ops[o])) > 0 })
}

// seenByLag takes a stated lag: a write is seen by all once it is that old, and not before; what of that turns on how far clocks are
// apart is left open where the options have a slack. Of one without a time nothing is known but that it was made between those of its
// node before and after it that have one.
func (k *key) seenByLag(o *op, opt *Options, lo, hi []int32) {
	then := o.wall - int64(opt.Lag)
	for n := range k.nodes {
		written := k.writtenBy(n)
		lo[n], hi[n] = written.by(then)
		if opt.slack > 0 {
			lo[n], _ = written.by(then - min(opt.slack, o.wall))
			_, hi[n] = written.by(then + min(opt.slack, math.MaxInt64-max(then, 0)))
		}
	}
}

// writtenBy says of the operations of a node when they were made.
func (k *key) writtenBy(node int) deliveries {
	if k.written == nil {
		k.written = k.room.deliveries.raw(len(k.nodes))
		for n := range k.nodes {
			k.written[n] = k.room.arrive(k.inOrder[n], k.nodes[n] != "", func(o int32) (int64, bool) {
				return k.ops[o].wall, !k.ops[o].time().IsZero()
			}, none)
		}
	}
	return k.written[node]
}

// mostOfNobody returns how many of the deletes of which nobody knows where they were made the writer of an operation may have seen: none
// that was made later by any clock.
func (k *key) mostOfNobody(o *op) int32 {
	if k.unowned == nil {
		unowned := k.room.arrive(k.inOrder[0], false, func(o int32) (int64, bool) {
			made, known := k.room.vague[k.ops[o].slot]
			return made.from, known
		}, none)
		k.unowned = &unowned
	}
	_, most := k.unowned.by(o.wall)
	return most
}

// close draws the conclusions from what is known. Who had seen an operation had seen all that it had seen: each round
// carries that one step further, and the rounds end when nothing is left to carry. Who says that it had seen an operation may have
// seen what that may have seen. And who was seen had not seen the one that saw it; nor had a node's earlier operation seen what a
// later one had not.
func (k *key) close() {
	m := len(k.nodes)
	if m < 2 {
		return
	}
	if k.tied {
		k.level()
	}
	lo := func(op int32) []int32 { return k.past.lows(int(op)) }
	hi := func(op int32) []int32 { return k.past.highs(int(op)) }
	for changed := true; changed; {
		changed = false
		for n, list := range k.inOrder {
			for _, i := range list {
				k.room.tick()
				if first := k.stand[i].after; first > 0 && k.nodes[n] != "" {
					changed = raise(lo(i), lo(list[first-1]), n) || changed
				}
				for o := range k.nodes {
					if o != n && lo(i)[o] > 0 {
						changed = raise(lo(i), lo(k.inOrder[o][lo(i)[o]-1]), n) || changed
					}
				}
			}
		}
	}
	k.exclude()
	if k.carry() {
		k.exclude()
	}
	if k.tied {
		k.level()
	}
	for n, list := range k.inOrder {
		for at := len(list) - 1; at >= 0; at-- {
			k.room.tick()
			mine := hi(list[at])
			for o := range mine {
				if o == n {
					continue
				}
				if next := int(k.stand[list[at]].until); next < len(list) && k.nodes[n] != "" {
					mine[o] = min(mine[o], hi(list[next])[o])
				}
			}
		}
		for _, i := range list { // what was told may contradict itself: to have seen counts for more
			k.room.tick()
			raise(hi(i), lo(i), n)
		}
	}
}

// exclude takes what cannot be from what operations may have seen: the one that had seen them.
func (k *key) exclude() {
	for i := range k.stand {
		k.room.tick()
		n, earlier := int(k.stand[i].node), k.stand[i].after
		if k.nodes[n] == "" {
			earlier = k.stand[i].index - 1
		}
		for o, seen := range k.past.lows(i) {
			if o != n && seen > 0 {
				last := k.past.highs(int(k.inOrder[o][seen-1]))
				last[n] = min(last[n], earlier)
			}
		}
	}
}

// mostRounds is after how many rounds nobody carries on: whoever names some may then have seen anything.
const mostRounds = 32

// carry raises what operations may have seen by what those may have seen that they name. It says no when there is nothing to carry.
func (k *key) carry() (open bool) {
	for i := range k.stand {
		k.room.tick()
		for n, h := range k.past.highs(i) {
			open = open || n != int(k.stand[i].node) && h > k.past.low(i, n)
		}
	}
	changed := open
	for round := 0; changed; round++ {
		changed = false
		for i := range k.stand { // those that are named mostly come first
			k.room.tick()
			o := &k.stand[i]
			if !o.names {
				continue
			}
			n, may := int(o.node), k.past.highs(i)
			if round == mostRounds {
				for other, list := range k.inOrder {
					if other != n {
						may[other] = int32(len(list))
					}
				}
				continue
			}
			if o.namesOwn && o.after > 0 {
				changed = raise(may, k.past.highs(int(k.inOrder[n][o.after-1])), n) || changed
			}
			for other := range k.nodes {
				if other != n && may[other] > 0 {
					changed = raise(may, k.past.highs(int(k.inOrder[other][may[other]-1])), n) || changed
				}
			}
		}
	}
	return open
}

// level gives operations of one node that nothing puts in order the same past: what each of them had certainly seen, and what any
// may have.
func (k *key) level() {
	for n, list := range k.inOrder {
		for at := 0; at < len(list); {
			k.room.tick()
			end := int(k.stand[list[at]].until)
			tied := list[at:end]
			at = end
			if len(tied) < 2 || k.nodes[n] == "" {
				continue
			}
			first := int(tied[0])
			for _, i := range tied[1:] {
				k.room.tick()
				for o := range k.nodes {
					if o != n {
						k.past.lows(first)[o] = min(k.past.lows(first)[o], k.past.lows(int(i))[o])
						k.past.highs(first)[o] = max(k.past.highs(first)[o], k.past.highs(int(i))[o])
					}
				}
			}
			for _, i := range tied[1:] {
				k.room.tick()
				for o := range k.nodes {
					if o != n {
						k.past.lows(int(i))[o], k.past.highs(int(i))[o] = k.past.lows(first)[o], k.past.highs(first)[o]
					}
				}
			}
		}
	}
}

// raise lifts to to at least from, but for the entry of the node itself, and reports whether that changed anything.
func raise(to, from []int32, own int) bool {
	changed := false
	for n, v := range from {
		if n != own && v > to[n] {
			to[n], changed = v, true
		}
	}
	return changed
}

// quote makes a text safe to stand in a sentence.
func quote(s string) string {
	if len(s) > 80 {
		s = s[:80] + "..."
	}
	return strconv.Quote(s)
}

// brief returns a value as it may stand in a sentence. It is JSON, so texts are in quotes already.
func brief(v value.Value) string {
	const limit = 80
	if len(v) <= limit {
		return string(v)
	}
	return strings.ToValidUTF8(string(v[:limit]), "") + "..."
}

// clockText writes a time for people: RFC 3339, and the logical part where there is one.
func clockText(t clock.Timestamp) string {
	if t.IsZero() {
		return "no time"
	}
	text := t.Time().Format(time.RFC3339Nano)
	if t.Logical > 0 {
		text += " logical " + strconv.FormatUint(uint64(t.Logical), 10)
	}
	return text
}

// stampText writes a claim for people.
func stampText(s lww.Stamp) string {
	text := clockText(s.Time)
	if s.Version > 0 {
		text += ", version " + strconv.FormatUint(s.Version, 10)
	}
	return text
}
