package replay

import (
	"cmp"
	"hash/maphash"
	"math"
	"slices"
	"sort"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Where a database gives a write that arrives a new name and time, the row tells which write it is: the one of its origin that left
// the row like that. A row shows all that its origin had written to it so far, so whoever was shown it had seen all of that; and a
// database that replicates rows applies those of one origin in their order or, where a row is newer, not at all. So the rows that
// arrived are some of those that the origin wrote, in order, and what can't be told apart is one of several.

// unsure is the position in the export of a region of an operation of which nobody knows when it arrived there, or whether it did.
const unsure = -1

// matches is room to find out what arrived.
type matches struct {
	seed   maphash.Seed
	own    []int32  // the operations of one origin, in its order
	images []image  // of those, by hash and then in that order
	first  []int32  // of each arrival, the earliest of own that it may be, from 0; -1 for none
	last   []int32  // the latest
	sure   []int64  // of each of own, from which position on it has arrived for certain
	may    []int64  // from which on it may have
	walls  []int64  // of each of own, the least time of it and those after it; empty while nobody has asked
	hashes []uint64 // of the arrivals
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
func (k *key) match(sum *Totals, t *tally) {
	came := k.room.came
	if len(came) == 0 {
		return
	}
	m := &k.room.matches
	if m.seed == (maphash.Seed{}) {
		m.seed = maphash.MakeSeed()
	}
	came = k.arrivedOnce(came, sum, t)
	for len(came) > 0 {
		n := 1
		for n < len(came) && came[n].writer == came[0].writer && came[n].region == came[0].region {
			n++
		}
		k.matchFrom(came[:n], m, sum, t)
		came = came[n:]
	}
}

// arrivedOnce sorts arrivals by origin, region and position, and takes out those that were delivered again.
func (k *key) arrivedOnce(came []op, sum *Totals, t *tally) []op {
	id := func(o *op, number int) string {
		if o.hash == 0 {
			return ""
		}
		return k.payloadOf(o.slot, number).ID
	}
	slices.SortFunc(came, func(a, b op) int {
		k.room.tick()
		if c := cmp.Or(cmp.Compare(a.writer, b.writer), cmp.Compare(a.region, b.region), cmp.Compare(a.hash, b.hash)); c != 0 || a.hash == 0 {
			return cmp.Or(c, cmp.Compare(a.at, b.at))
		}
		return cmp.Or(cmp.Compare(id(&a, 0), id(&b, 1)), cmp.Compare(a.at, b.at))
	})
	kept := came[:0]
	for i := range came {
		k.room.tick()
		o := &came[i]
		if n := len(kept); n > 0 && o.hash != 0 {
			if first := &kept[n-1]; first.hash == o.hash && first.writer == o.writer && first.region == o.region && id(first, 0) == id(o, 1) {
				sum.Duplicates++
				if t.wants(finding.DuplicateOp, k.place(o)) {
					t.keep(finding.Finding{Code: finding.DuplicateOp, Place: k.place(o), Key: k.name, Detail: againDetail(id(o, 0), k.place(first))})
				}
				continue
			}
		}
		kept = append(kept, *o)
	}
	// The numbers of names depend on who came first: nothing that follows may.
	slices.SortFunc(kept, func(a, b op) int {
		k.room.tick()
		return cmp.Or(cmp.Compare(k.texts[a.writer], k.texts[b.writer]), cmp.Compare(k.texts[a.region], k.texts[b.region]), cmp.Compare(a.at, b.at))
	})
	return kept
}

// matchFrom finds out which operations of one node arrived in one region.
func (k *key) matchFrom(came []op, m *matches, sum *Totals, t *tally) {
	writer, region := came[0].writer, came[0].region
	m.own = m.own[:0]
	for i := range k.ops {
		k.room.tick()
		if o := &k.ops[i]; o.writer == writer && k.atHome(o) {
			m.own = append(m.own, int32(i))
		}
	}
	slices.SortStableFunc(m.own, func(a, b int32) int { return cmp.Compare(k.ops[a].at, k.ops[b].at) })
	m.images = m.images[:0]
	for at, i := range m.own {
		k.room.tick()
		m.images = append(m.images, image{k.image(&k.ops[i]), int32(at)})
	}
	slices.SortFunc(m.images, func(a, b image) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at)) })

	m.first, m.last, m.hashes, m.walls = m.first[:0], m.last[:0], m.hashes[:0], m.walls[:0]
	next := int32(0)
	for j := range came {
		k.room.tick()
		hash := k.image(&came[j])
		m.hashes = append(m.hashes, hash)
		at := k.like(&came[j], hash, next)
		if at >= 0 {
			next = at + 1
		}
		m.first = append(m.first, at)
	}
	m.last = append(m.last, m.first...)
	next = int32(len(m.own))
	for j := len(came) - 1; j >= 0; j-- {
		k.room.tick()
		if m.last[j] = k.likeBefore(&came[j], m.hashes[j], next); m.last[j] >= 0 {
			next = m.last[j]
		}
	}

	n := len(m.own)
	m.sure, m.may = resized(m.sure, n), resized(m.may, n)
	for i := range n {
		m.sure[i], m.may[i] = math.MaxInt64, math.MaxInt64
	}
	for j := range came {
		k.room.tick()
		o := &came[j]
		if m.first[j] >= 0 && m.last[j] >= 0 {
			sum.Echoes++
			m.sure[m.first[j]] = min(m.sure[m.first[j]], o.at)
			m.may[m.last[j]] = min(m.may[m.last[j]], o.at)
			if own := &k.ops[m.own[m.first[j]]]; m.first[j] == m.last[j] && !own.time().IsZero() && !o.time().IsZero() {
				k.room.late = append(k.room.late, late{writer, region, o.wall - own.wall})
			}
			continue
		}
		if i := k.writtenBy(o, m); i > 0 { // it may show anything of that
			m.may[i-1] = min(m.may[i-1], o.at)
		}
		if t.wants(finding.UnmatchedArrival, k.place(o)) {
			t.keep(finding.Finding{Code: finding.UnmatchedArrival, Place: k.place(o), Key: k.name,
				Detail: "a row that says it was written in " + quote(k.texts[writer]) + ", whose export has no such row in that place"})
		}
	}
	sure, may := int64(math.MaxInt64), int64(math.MaxInt64)
	for i := n - 1; i >= 0; i-- { // who was shown a row had seen what its origin had written before
		k.room.tick()
		sure, may = min(sure, m.sure[i]), min(may, m.may[i])
		at := may
		switch {
		case may == math.MaxInt64:
			continue // it never arrived
		case may != sure:
			at = unsure
		}
		o := &k.ops[m.own[i]]
		k.room.echoes = append(k.room.echoes, echo{at, region, o.echo})
		o.echo = int32(len(k.room.echoes))
	}
}

// writtenBy returns how many of the operations of its origin may have been made when a row arrived, as far as clocks tell.
func (k *key) writtenBy(o *op, m *matches) int {
	if o.time().IsZero() {
		return len(m.own)
	}
	if len(m.walls) == 0 {
		m.walls = resized(m.walls, len(m.own))
		least := int64(math.MaxInt64)
		for i, at := range slices.Backward(m.own) {
			least = min(least, k.ops[at].wall) // 0 without a time
			m.walls[i] = least
		}
	}
	return sortedCount(m.walls, func(wall int64) bool { return wall <= o.wall+int64(clock.DefaultMaxDrift) })
}

// image returns a hash of what a row is after a write. A column that is null may as well be none.
func (k *key) image(o *op) uint64 {
	var h maphash.Hash
	h.SetSeed(k.room.matches.seed)
	h.WriteByte(byte(o.kind))
	for _, f := range k.payloadOf(o.slot, 0).Fields {
		if f.Value == value.Null {
			continue
		}
		h.WriteString(f.Name)
		h.WriteByte(0)
		h.WriteString(string(f.Value))
		h.WriteByte(0)
	}
	return h.Sum64()
}

// looks reports whether two writes leave a row alike.
func (k *key) looks(a, b *op) bool {
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
func resized(list []int64, n int) []int64 { return slices.Grow(list[:0], n)[:n] }
