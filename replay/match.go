package replay

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// Where a database gives a write that arrives a new name and time, the row tells which write it is: the one of its origin that left
// the row like that. A row shows all that its origin had written to it so far, so whoever was shown it had seen all of that; and a
// database that replicates rows applies those of one origin in their order or, where a row is newer, not at all. So the rows that
// arrived are some of those that the origin wrote, in order, and what can't be told apart is one of several.
//
// Exports begin at some moment. What was written before that, or so little after it that clocks may have it wrong, may have arrived
// before it: nothing shows that, nor that it did not. And a row whose write is in no export shows what nobody knows: whatever was
// written by then, wherever that was.

// unsure is the position in the export of a region of an operation of which nobody knows when it arrived there, or whether it did.
const unsure = -1

// clocksApart is by how much no two clocks differ: what was written so much later than a row arrived, by both their clocks, that row is not.
const clocksApart = int64(time.Minute)

// matches is room to find out what arrived.
type matches struct {
	seed  maphash.Seed
	homes []home // those of the key, by name
	pairs []arrivals

	*home           // whose operations arrived
	images []image  // of those, by hash and then in that order
	sure   []int64  // of each of own, from which position on it has arrived for certain
	may    []int64  // from which on it may have
	hashes []uint64 // of the arrivals
	alike  []uint64 // the same, sorted, and of what the row was before all of own
	timed  bool     // what arrived has the time of its write

	strays []stray // by region, if there may be others than their origin whose writes they show

	owns  []int32 // of all homes, one after the other, and so are the next
	walls []int64

	// Of deletes of which nothing says where they were made.
	gone   []gone
	events []rowEvent
	byRow  []int32 // the first delete of what an operation left, from 1
	united []int32 // the first of those that are one, by time
	open   []int32 // of these, those that some region lacks
	doubts []doubt
	owned  []int32
	self   []int64 // of each of own, where it stands in a region while that says nothing of what was before it; 0 for nowhere
}

// home is a node, and its operations on the key that are in the export of their region.
type home struct {
	writer uint32
	own    []int32 // in the order of the export
	least  []int64 // of each of own, the least time of it and those that follow: never falls
}

// arrivals is what arrived of one node in one region.
type arrivals struct {
	writer, region uint32
	came           []matched
}

// matched is what arrived, and what is known of which operation of its origin it is.
type matched struct {
	op
	first   int32 // the earliest that it may be, from 0; -1 for none, and their number where it may be none
	last    int32 // the latest; where it may be none, the latest that it may show
	loose   bool  // it may be of none that is known, and show what nobody knows
	alone   bool  // it says nothing of what its origin had written before
	perhaps bool  // it may be another delete that arrived
	home    int64 // of a delete, where it stands at home
}

// may reports whether it may be any.
func (a *matched) may() bool { return a.first >= 0 }

// stray is a row that arrived in a region and is of no write that is known.
type stray struct {
	region, writer uint32
	at             int64
	wall           int64 // MaxInt64 when it has no time
}

// late is how long after it was written a write of one node arrived in a region, by its time in the one and in the other.
type late struct {
	from, in uint32
	nanos    int64
}

// image is the hash of a row, and the place of what wrote it among the operations of its origin.
type image struct {
	hash uint64
	at   int32
}

// match finds out which operation each arrival is, and notes where it stands.
func (k *key) match(opt *Options, sum *Totals, t *tally) {
	m := &k.room.matches
	if !k.part.history.renamed {
		k.placeDeletes(m, opt, sum) // takes back where they stand
		return
	}
	if m.seed == (maphash.Seed{}) {
		m.seed = maphash.MakeSeed()
	}
	k.arrivedOnce(sum, t)
	k.findHomes(m)
	k.findPairs(m)
	m.home, m.strays = nil, m.strays[:0]
	for i := range m.pairs {
		if p := &m.pairs[i]; len(p.came) > 0 {
			k.pair(p, m, opt)
			k.straying(p, m)
		}
	}
	k.placeDeletes(m, opt, sum)
	for i := range m.pairs {
		k.placeFrom(&m.pairs[i], m, opt, sum, t)
	}
}

// findHomes finds the nodes whose operations on the key are at home, and these.
func (k *key) findHomes(m *matches) {
	m.owns = m.owns[:0]
	for i := range k.ops {
		k.room.tick()
		if k.atHome(&k.ops[i]) {
			m.owns = append(m.owns, int32(i))
		}
	}
	slices.SortFunc(m.owns, func(a, b int32) int {
		k.room.tick()
		x, y := &k.ops[a], &k.ops[b]
		return cmp.Or(cmp.Compare(x.writer, y.writer), cmp.Compare(x.at, y.at), cmp.Compare(a, b))
	})
	m.walls = resized(m.walls, len(m.owns))
	m.homes = m.homes[:0]
	for first, end := 0, 0; first < len(m.owns); first = end {
		writer := k.ops[m.owns[first]].writer
		for end < len(m.owns) && k.ops[m.owns[end]].writer == writer {
			k.room.tick()
			end++
		}
		h := home{writer, m.owns[first:end], m.walls[first:end]}
		least := int64(math.MaxInt64)
		for at, i := range slices.Backward(h.own) {
			k.room.tick()
			if o := &k.ops[i]; o.time().IsZero() {
				least = math.MinInt64
			} else {
				least = min(least, o.wall)
			}
			h.least[at] = least
		}
		m.homes = append(m.homes, h)
	}
	slices.SortFunc(m.homes, func(a, b home) int { return cmp.Compare(k.texts[a.writer], k.texts[b.writer]) })
}

// homeOf returns a node with its operations, with none of one that is not at home.
func (m *matches) homeOf(writer uint32) *home {
	for i := range m.homes {
		if m.homes[i].writer == writer {
			return &m.homes[i]
		}
	}
	return &home{writer: writer}
}

// findPairs finds what arrived of each node in each region; nothing where a node and a region have operations on the key, and nothing of
// the node arrived there.
func (k *key) findPairs(m *matches) {
	m.pairs = m.pairs[:0]
	came := k.room.came
	for first, end := 0, 0; first < len(came); first = end {
		writer, region := came[first].writer, came[first].region
		for end < len(came) && came[end].writer == writer && came[end].region == region {
			k.room.tick()
			end++
		}
		m.pairs = append(m.pairs, arrivals{writer, region, came[first:end]})
	}
	some := m.pairs
	for i := range m.homes {
		for j := range m.homes {
			writer, region := m.homes[i].writer, m.homes[j].writer
			if i != j && k.part.came.has(writer, region) &&
				!slices.ContainsFunc(some, func(p arrivals) bool { return p.writer == writer && p.region == region }) {
				m.pairs = append(m.pairs, arrivals{writer: writer, region: region})
			}
		}
	}
}

// arrivedOnce takes out of what arrived what was delivered again, and sorts it by origin, region and position.
func (k *key) arrivedOnce(sum *Totals, t *tally) {
	id := func(o *op, number int) string {
		if o.hash == 0 {
			return ""
		}
		return k.payloadOf(o.slot, number).ID
	}
	came := k.room.came
	slices.SortFunc(came, func(a, b matched) int {
		k.room.tick()
		if c := cmp.Or(cmp.Compare(a.writer, b.writer), cmp.Compare(a.region, b.region), cmp.Compare(a.hash, b.hash)); c != 0 || a.hash == 0 {
			return cmp.Or(c, cmp.Compare(a.at, b.at))
		}
		return cmp.Or(cmp.Compare(id(&a.op, 0), id(&b.op, 1)), cmp.Compare(a.at, b.at))
	})
	kept := came[:0]
	for i := range came {
		k.room.tick()
		o := &came[i].op
		if n := len(kept); n > 0 && o.hash != 0 {
			if first := &kept[n-1].op; first.hash == o.hash && first.writer == o.writer && first.region == o.region && id(first, 0) == id(o, 1) {
				sum.Duplicates++
				if t.wants(finding.DuplicateOp, k.place(o)) {
					t.keep(finding.Finding{Code: finding.DuplicateOp, Place: k.place(o), Key: k.name, Detail: againDetail(id(o, 0), k.place(first))})
				}
				continue
			}
		}
		kept = append(kept, came[i])
	}
	k.room.came = kept
	k.sortArrivals()
}

// sortArrivals sorts what arrived by origin, region and position.
func (k *key) sortArrivals() {
	// The numbers of names depend on who came first: nothing that follows may.
	slices.SortFunc(k.room.came, func(a, b matched) int {
		k.room.tick()
		return cmp.Or(cmp.Compare(k.texts[a.writer], k.texts[b.writer]), cmp.Compare(k.texts[a.region], k.texts[b.region]), cmp.Compare(a.at, b.at))
	})
}

// pair finds out which operations of one node arrived in one region.
func (k *key) pair(p *arrivals, m *matches, opt *Options) {
	timed := p.came[0].precision == history.NoTime && !p.came[0].time().IsZero()
	if m.home == nil || m.home.writer != p.writer || m.timed != timed {
		m.home, m.timed = m.homeOf(p.writer), timed
		k.findImages(m)
	}
	k.findLoose(p, m, opt)
	k.align(p.came, m)
	if stray := slices.ContainsFunc(p.came, func(a matched) bool { return !a.may() }); stray || !m.timed && !k.born(p.writer) {
		k.loosen(p, m, stray, opt)
	}
}

// findImages puts the operations of an origin in the order of what they left.
func (k *key) findImages(m *matches) {
	m.images = m.images[:0]
	for at, i := range m.own {
		k.room.tick()
		m.images = append(m.images, image{k.image(&k.ops[i]), int32(at)})
	}
	slices.SortFunc(m.images, func(a, b image) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at)) })
}

// findLoose finds out which arrivals may have been written when the export of their origin had ended. One that looks like one operation is
// that one where no two look alike, unless that one was written before the export began that it is said to arrive in, or what came
// before it may have been written then too.
func (k *key) findLoose(p *arrivals, m *matches, opt *Options) {
	m.hashes = m.hashes[:0]
	for j := range p.came {
		k.room.tick()
		m.hashes = append(m.hashes, k.image(&p.came[j].op))
	}
	m.alike = m.alike[:0]
	if m.timed {
		return
	}
	until, begin := k.part.spans[k.texts[p.writer]].until, k.part.spans[k.texts[p.region]].from
	weak, born, asked := false, false, false
	for j := range p.came {
		k.room.tick()
		a := &p.came[j]
		if !k.after(&a.op, until, opt) {
			continue
		}
		if !asked {
			weak, born, asked = m.repeats(), k.born(p.region), true
		}
		at := k.like(&a.op, m.hashes[j], 0)
		a.loose = at >= 0 && (weak || k.lookalikes(m, m.hashes[j]) > 1 ||
			!born && !k.after(&k.ops[m.own[at]], begin, opt))
		weak = weak || a.loose
	}
}

// repeats reports whether two operations of the origin look alike.
func (m *matches) repeats() bool {
	for i := range m.images {
		if i > 0 && m.images[i].hash == m.images[i-1].hash {
			return true
		}
	}
	return false
}

// lookalikes returns how many arrivals look like one, and with them what the row was before all that is known of its origin.
func (k *key) lookalikes(m *matches, hash uint64) int {
	if len(m.alike) == 0 {
		m.alike = append(m.alike, m.hashes...)
		if len(m.own) > 0 {
			m.alike = append(m.alike, k.imageBefore(&k.ops[m.own[0]]))
		}
		slices.Sort(m.alike)
	}
	rest := m.alike[sortedCount(m.alike, func(h uint64) bool { return h < hash }):]
	return sortedCount(rest, func(h uint64) bool { return h == hash })
}

// after reports whether an operation may have been written after a moment by the clock of another region.
func (k *key) after(o *op, moment int64, opt *Options) bool {
	return o.time().IsZero() || o.wall+opt.drift()+precisionNanos[o.precision] >= moment
}

// align finds the earliest and the latest operation that each arrival may be, one after the other in the order in which they were made.
func (k *key) align(came []matched, m *matches) {
	next := int32(0)
	for j := range came {
		k.room.tick()
		a := &came[j]
		if a.loose {
			m.leave(a)
			continue
		}
		at := k.like(&a.op, m.hashes[j], next)
		if at >= m.writtenBy(&a.op) {
			at = -1
		}
		if at >= 0 {
			next = at + 1
		}
		a.first, a.last = at, at
	}
	next = int32(len(m.own))
	for j := range slices.Backward(came) {
		k.room.tick()
		if a := &came[j]; a.may() && !a.loose {
			a.last = k.likeBefore(&a.op, m.hashes[j], min(next, m.writtenBy(&a.op)))
			next = a.last
		}
	}
}

// loosen takes back what the order of arrivals told where some may be of no operation that is known: of those that look like others
// nobody knows which these are, so that it is not sure that any of them arrived, or that what comes before them did. Where none is a
// stray, there may be some that were written before the export of their origin begins, up to the first that is none for certain. And
// what follows on a stray that may have been written when that export had ended was written still later.
func (k *key) loosen(p *arrivals, m *matches, stray bool, opt *Options) {
	came, until, ended := p.came, k.part.spans[k.texts[p.writer]].until, false
	next, passed := int32(0), false
	for j := range came {
		k.room.tick()
		a := &came[j]
		if !a.may() || ended {
			a.first, a.last = -1, -1
			ended = ended || k.after(&a.op, until, opt)
			continue
		}
		if a.loose {
			continue
		}
		if passed {
			if a.first = k.like(&a.op, m.hashes[j], next); a.first < 0 {
				a.first = int32(len(m.own))
			} else {
				next = a.first + 1
			}
			continue
		}
		a.first = k.like(&a.op, m.hashes[j], 0)
		if stray {
			a.last = k.likeBefore(&a.op, m.hashes[j], m.writtenBy(&a.op))
		}
		at := a.first
		own := &k.ops[m.own[at]]
		switch {
		case k.like(&a.op, m.hashes[j], at+1) >= 0,
			!m.timed && k.lookalikes(m, m.hashes[j]) > 1,
			!own.time().IsZero() && !a.time().IsZero() && own.wall > a.wall+opt.drift()+precisionNanos[a.precision]:
			if a.first = int32(len(m.own)); stray {
				m.leave(a)
			}
		case !stray:
			next, passed = at+1, true
		}
	}
}

// leave leaves it open which operation of its origin an arrival is, if any: it may show all that was written by then.
func (h *home) leave(a *matched) {
	a.loose, a.first, a.last = true, int32(len(h.own)), h.writtenBy(&a.op)-1
}

// imageBefore returns the hash of what a row was before a write.
func (k *key) imageBefore(o *op) uint64 {
	var h maphash.Hash
	h.SetSeed(k.room.matches.seed)
	h.WriteByte(byte(merge.Set))
	for _, f := range k.payloadOf(o.slot, 0).Fields {
		if !f.Before.IsAbsent() {
			column(&h, f.Name, f.Before)
		}
	}
	return h.Sum64()
}

// column adds a column to the hash of a row. One that is null may as well be none.
func column(h *maphash.Hash, name string, v value.Value) {
	if v != value.Null {
		h.WriteString(name)
		h.WriteByte(0)
		h.WriteString(string(v))
		h.WriteByte(0)
	}
}

// writtenBy returns how many operations of its origin, from its first, may have been written when a row arrived.
func (h *home) writtenBy(o *op) int32 {
	if o.time().IsZero() {
		return int32(len(h.own))
	}
	return h.writtenTo(o.wall)
}

func (h *home) writtenTo(wall int64) int32 {
	if wall > math.MaxInt64-clocksApart {
		return int32(len(h.own))
	}
	return int32(sortedCount(h.least, func(least int64) bool { return least <= wall+clocksApart }))
}

// straying notes what is of no write that is known.
func (k *key) straying(p *arrivals, m *matches) {
	for j := range p.came {
		k.room.tick()
		if a := &p.came[j]; a.loose || !a.may() {
			wall := a.wall
			if a.time().IsZero() {
				wall = math.MaxInt64
			}
			m.strays = append(m.strays, stray{a.region, a.writer, a.at, wall})
		}
	}
}

// placeFrom notes where the operations of one node arrived in one region.
func (k *key) placeFrom(p *arrivals, m *matches, opt *Options, sum *Totals, t *tally) {
	h, writer, region := m.homeOf(p.writer), p.writer, p.region
	n := len(h.own)
	m.sure, m.may, m.self = resized(m.sure, n), resized(m.may, n), resized(m.self, n)
	for i := range n {
		m.sure[i], m.may[i], m.self[i] = math.MaxInt64, math.MaxInt64, 0
	}
	early := int32(n) // of what is below, the export may begin too late to show that it arrived
	next := int32(n)
	for j := range slices.Backward(p.came) {
		k.room.tick()
		a := &p.came[j]
		if a.alone {
			if m.may[a.last] = min(m.may[a.last], a.at); !a.perhaps {
				sum.Arrivals++
				m.self[a.last] = a.at
			}
			continue
		}
		if a.may() {
			early, next = a.last, min(next, a.last)
			sum.Arrivals++
			m.may[a.last] = min(m.may[a.last], a.at)
			if a.first == int32(n) {
				continue
			}
			m.sure[a.first] = min(m.sure[a.first], a.at)
			if own := &k.ops[h.own[a.first]]; a.first == a.last && !own.time().IsZero() && a.precision > 0 {
				k.room.late = append(k.room.late, late{writer, region, a.wall - own.wall})
			}
			continue
		}
		// It may show anything that its origin had written by then, and before what arrived later.
		if i := min(next, h.writtenBy(&a.op)) - 1; i >= 0 {
			m.may[i] = min(m.may[i], a.at)
		}
		if t.wants(finding.UnmatchedArrival, k.place(&a.op)) {
			t.keep(finding.Finding{Code: finding.UnmatchedArrival, Place: k.place(&a.op), Key: k.name,
				Detail: "a row that says it was written in " + quote(k.texts[writer]) + ", whose export has no such row in that place"})
		}
	}
	for i := range m.strays { // their writers may have seen what is written here
		k.room.tick()
		if s := &m.strays[i]; s.region == region && s.writer != writer {
			if i := h.writtenTo(s.wall) - 1; i >= 0 {
				m.may[i] = min(m.may[i], s.at)
			}
		}
	}
	begin := k.part.spans[k.texts[region]].from
	for i := early - 1; i >= 0; i-- {
		k.room.tick()
		if o := &k.ops[h.own[i]]; begin == 0 || o.time().IsZero() || o.wall <= begin+opt.drift()+precisionNanos[o.precision] {
			if !k.born(region) {
				m.may[i] = 0
			}
			break
		}
	}
	sure, may := int64(math.MaxInt64), int64(math.MaxInt64)
	for i := n - 1; i >= 0; i-- { // who was shown a row had seen what its origin had written before
		k.room.tick()
		sure, may = min(sure, m.sure[i]), min(may, m.may[i])
		here, at := sure, may
		if m.self[i] > 0 {
			here = min(here, m.self[i])
		}
		switch {
		case may == math.MaxInt64:
			continue // it never arrived
		case may != here:
			at = unsure
		}
		o := &k.ops[h.own[i]]
		k.room.echoes = append(k.room.echoes, echo{at, region, o.echo})
		o.echo = int32(len(k.room.echoes))
	}
}

// born reports whether the first that the export of a region says of the row is that it came to be: then nothing was shown there before. Where
// a row was ever deleted it may have come to be again.
func (k *key) born(region uint32) bool {
	var first *op
	deleted := false
	look := func(o *op) {
		k.room.tick()
		deleted = deleted || o.kind == merge.Delete
		if o.region == region && o.at > 0 && (first == nil || o.at < first.at) {
			first = o
		}
	}
	for i := range k.ops {
		look(&k.ops[i])
	}
	for i := range k.room.came {
		look(&k.room.came[i].op)
	}
	if deleted || first == nil {
		return false
	}
	fields := k.payloadOf(first.slot, 0).Fields
	return len(fields) > 0 && !slices.ContainsFunc(fields, func(f merge.Field) bool { return f.Value != value.Null && f.Before != value.Null })
}

// image returns a hash of what a row is after a write.
func (k *key) image(o *op) uint64 {
	var h maphash.Hash
	h.SetSeed(k.room.matches.seed)
	h.WriteByte(byte(o.kind))
	if k.room.matches.timed {
		var wall [8]byte
		binary.LittleEndian.PutUint64(wall[:], uint64(o.wall))
		h.Write(wall[:])
	}
	for _, f := range k.payloadOf(o.slot, 0).Fields {
		column(&h, f.Name, f.Value)
	}
	return h.Sum64()
}

// looks reports whether two writes leave a row alike.
func (k *key) looks(a, b *op) bool {
	if k.room.matches.timed && a.wall != b.wall {
		return false
	}
	some := func(f merge.Field) bool { return f.Value != value.Null }
	x, y := k.payloadOf(a.slot, 0).Fields, k.payloadOf(b.slot, 1).Fields
	for {
		i, j := slices.IndexFunc(x, some), slices.IndexFunc(y, some)
		if i < 0 || j < 0 {
			return i == j && a.kind == b.kind
		}
		if x[i].Name != y[j].Name || x[i].Value != y[j].Value {
			return false
		}
		x, y = x[i+1:], y[j+1:]
	}
}

// like returns the first operation of its origin from one on that an arrival may be; -1 for none.
func (k *key) like(o *op, hash uint64, from int32) int32 {
	m := &k.room.matches
	i := sort.Search(len(m.images), func(i int) bool { return m.images[i].hash > hash || m.images[i].hash == hash && m.images[i].at >= from })
	for ; i < len(m.images) && m.images[i].hash == hash; i++ {
		if at := m.images[i].at; k.looks(&k.ops[m.own[at]], o) {
			return at
		}
	}
	return -1
}

// likeBefore returns the last operation of its origin before one that an arrival may be; -1 for none.
func (k *key) likeBefore(o *op, hash uint64, before int32) int32 {
	m := &k.room.matches
	i := sort.Search(len(m.images), func(i int) bool {
		return m.images[i].hash > hash || m.images[i].hash == hash && m.images[i].at >= before
	})
	for i--; i >= 0 && m.images[i].hash == hash; i-- {
		if at := m.images[i].at; k.looks(&k.ops[m.own[at]], o) {
			return at
		}
	}
	return -1
}

// resized returns a list of n entries, in the room of another where that is enough.
func resized[E any](list []E, n int) []E { return slices.Grow(list[:0], n)[:n] }
