package replay

import (
	"hash/maphash"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// part finds the records of each key in one part of a history. It is read twice: once to see which records are of which
// key, and then key by key, so that of the operations no more are in memory than those of one key.
type part struct {
	history *History
	ranks   map[string]int64
	spans   map[string]span // of regions
	came    arrived
	seed    maphash.Seed

	blocks [][]byte
	room   []byte   // of those that were not in memory
	at     [][]byte // where the spots are
	keys   []partKey
	spots  []spot  // in the order of reading
	slots  []int32 // an open table of the keys by hash: the number of the key, from 1; 0 is free

	told map[string]bool // the looks of keys that were folded apart, and were told to look like others

	fetch    *fetcher // of a folder, which folds one shelf after the other; else nil
	expected *shelf   // the one whose blocks it was told to read ahead

	bites []bite
	odd   bool // some key at hand may not look like itself
}

// close gives back the memory of what was read, and the fetcher.
func (p *part) close() {
	for i := range p.bites {
		p.bites[i].empty(p.history.store)
	}
	p.bites = nil
	p.fetch.close()
}

// partKey is one key of a part.
type partKey struct {
	name  string
	hash  uint64
	count int
	last  int32 // of its spots, from 1
}

// spot is where a record stands, and the spot of the record of the same key before it, from 1; 0 when it is the first.
type spot struct {
	before int32
	block  int32
	offset uint32
}

// hash returns a hash of a key that nobody outside can foresee, so that no choice of keys makes the engine slow.
func (p *part) hash(key string) uint64 { return maphash.String(p.seed, key) }

// read finds the records of a shelf.
func (p *part) read(from *shelf) error {
	if err := p.load(from, nil); err != nil {
		return err
	}
	p.index(p.blocks)
	return nil
}

// load brings the blocks of a shelf into memory. Those of the shelf that comes then, if any, are read ahead.
func (p *part) load(from, then *shelf) (err error) {
	p.blocks, p.room, err = from.all(p.blocks, p.room, func(visit func([]byte) error) error { return p.eachAway(from, then, visit) })
	return err
}

// eachAway calls visit with the blocks of a shelf that are in the spool, one after the other: see [store.each]. Those of the
// shelf that comes then, if any, are read ahead.
func (p *part) eachAway(from, then *shelf, visit func(block []byte) error) error {
	if p.fetch == nil {
		return p.history.store.eachAway(from, visit)
	}
	if p.expected != from {
		p.fetch.forget()
		if err := p.fetch.want(from.away); err != nil {
			return err
		}
	}
	if p.expected = then; then != nil {
		if err := p.fetch.want(then.away); err != nil {
			return err
		}
	}
	return p.fetch.each(len(from.away), visit)
}

// borrow lends memory that load uses: it is good until then.
func (p *part) borrow(size int) []byte {
	if cap(p.room) < size {
		p.room = make([]byte, 0, size)
	}
	return p.room[:0]
}

// fewBytes is about how many bytes a short record takes.
const fewBytes = 64

// index finds the records in some blocks.
func (p *part) index(blocks [][]byte) {
	p.at, p.keys, p.spots = blocks, p.keys[:0], p.spots[:0]
	clear(p.slots)
	size := 0
	for _, b := range blocks {
		size += len(b)
	}
	p.spots = slices.Grow(p.spots, size/fewBytes)
	for block, b := range blocks {
		for at, end := 0, 0; at < len(b); at = end {
			var name string
			name, end = skim(b, at)
			k := &p.keys[p.enter(name)]
			p.spots = append(p.spots, spot{})
			s := &p.spots[len(p.spots)-1] // filled where it stands: see [plainKey.write]
			s.before, s.block, s.offset = k.last, int32(block), uint32(at)
			k.last = int32(len(p.spots))
			k.count++
		}
	}
}

const (
	mostBites = 256 // at once

	// gatheredAtOnce is how many times as much as a folder may fold at once it may gather: what it takes to find one's way in
	// them is only for one bite.
	gatheredAtOnce = 5

	// mostPasses is how often at most a shelf is read to be folded. A larger one is split: what is written once more costs as
	// much as what is read several times.
	mostPasses = 8
)

// eachBite calls visit for the keys of a shelf, a part of them at a time that is small enough for the processor's cache:
// finding the records of a key is then an order cheaper than in memory. Of a shelf that is larger than limit, unless that is
// zero or below, some of the bites are gathered, and then it is read again for the next. Keys that look alike stay together.
// done is called after the bites that were gathered at once, before their memory is used for others. When the shelf is read for the
// last time, the one that comes then is read ahead.
func (p *part) eachBite(from, then *shelf, limit int, visit func(), done func() error) error {
	all := 1
	for all < mostBites*mostPasses && from.size/all > p.history.lengths.bite {
		all *= 2
	}
	if all == 1 {
		if err := p.load(from, then); err != nil {
			return err
		}
		p.index(p.blocks)
		p.odd = true
		visit()
		return done()
	}
	n := min(all, mostBites)
	if limit > 0 {
		n = max(min(n, limit*all/from.size), 1)
	}
	for len(p.bites) < n {
		p.bites = append(p.bites, bite{})
	}
	for first := 0; first < all; first += n {
		n = min(n, all-first)
		var after *shelf
		if first+n == all {
			after = then
		}
		if err := p.gather(from, after, first, p.bites[:n], all); err != nil {
			return err
		}
		for i := range p.bites[:n] {
			p.index(p.bites[i].end())
			p.odd = p.bites[i].odd
			visit()
		}
		if err := done(); err != nil {
			return err
		}
	}
	return nil
}

// even reports whether a shelf can be folded bite by bite, of which none is larger than half of limit, as far as a few of its
// blocks tell: it is not too large for that, and no key has much of it.
func (p *part) even(from *shelf, limit int) (bool, error) {
	if from.size > mostPasses*limit {
		return false, nil
	}
	var sizes [mostBites]int
	all := 0
	some := from.some(16)
	err := p.history.store.each(&some, func(b []byte) error {
		for at, end := 0, 0; at < len(b); at = end {
			var name string
			name, end = skim(b, at)
			sizes[look(name)/partitions%mostBites] += end - at
			all += end - at
		}
		return nil
	})
	return slices.Max(sizes[:])*(from.size/limit+1) <= all/2, err
}

// gather copies the records of a shelf to bites, which are the first and those after it of all that there are.
func (p *part) gather(from, then *shelf, first int, bites []bite, all int) error {
	for i := range bites {
		bites[i].empty(p.history.store)
	}
	visit := func(b []byte) error {
		for at, end := 0, 0; at < len(b); at = end {
			var name string
			name, end = skim(b, at)
			hash, plain := hashPlain(name)
			if !plain {
				hash = look(name)
			}
			i := int(hash/partitions&uint64(all-1)) - first
			if uint(i) >= uint(len(bites)) {
				continue
			}
			to := &bites[i]
			to.odd = to.odd || !plain
			p.bite(to, b[at:end])
		}
		return nil
	}
	for _, b := range from.blocks {
		if err := visit(b); err != nil {
			return err
		}
	}
	return p.eachAway(from, then, visit)
}

// bite is the records of some keys.
type bite struct {
	blocks [][]byte // that are full
	last   []byte
	odd    bool // some key does not look like itself
}

// bite copies a record to a bite.
func (p *part) bite(to *bite, record []byte) {
	if len(record) > cap(to.last)-len(to.last) {
		if to.last != nil {
			to.blocks = append(to.blocks, to.last)
		}
		if most := p.history.store.most; len(record) <= most {
			to.last = p.history.store.block(most)
		} else {
			to.last = make([]byte, 0, len(record))
		}
	}
	to.last = append(to.last, record...)
}

// end returns all blocks.
func (b *bite) end() [][]byte {
	if b.last != nil {
		b.blocks, b.last = append(b.blocks, b.last), nil
	}
	return b.blocks
}

// empty gives back the memory of all records.
func (b *bite) empty(to *store) {
	for _, block := range b.end() {
		to.giveBack(block)
	}
	clear(b.blocks)
	b.blocks, b.odd = b.blocks[:0], false
}

// enter returns the number of a key, which it gets when it has none.
func (p *part) enter(name string) int {
	if 2*len(p.keys) >= len(p.slots) {
		p.grow()
	}
	hash := p.hash(name)
	mask := uint64(len(p.slots) - 1)
	at := hash & mask
	for p.slots[at] > 0 {
		n := int(p.slots[at] - 1)
		if k := &p.keys[n]; k.hash == hash && k.name == name {
			return n
		}
		at = (at + 1) & mask
	}
	p.keys = append(p.keys, partKey{name: name, hash: hash})
	p.slots[at] = int32(len(p.keys))
	return len(p.keys) - 1
}

// grow makes a table of twice the size.
func (p *part) grow() {
	const least = 1 << 10
	p.slots = make([]int32, max(2*len(p.slots), least))
	mask := uint64(len(p.slots) - 1)
	for i := range p.keys {
		at := p.keys[i].hash & mask
		for p.slots[at] > 0 {
			at = (at + 1) & mask
		}
		p.slots[at] = int32(i + 1)
	}
}

// find returns the number of a key, if it is there.
func (p *part) find(name string) (int, bool) {
	if len(p.slots) == 0 {
		return 0, false
	}
	hash := p.hash(name)
	mask := uint64(len(p.slots) - 1)
	for at := hash & mask; p.slots[at] > 0; at = (at + 1) & mask {
		n := int(p.slots[at] - 1)
		if k := &p.keys[n]; k.hash == hash && k.name == name {
			return n, true
		}
	}
	return 0, false
}

// key reads key number i into a room.
func (p *part) key(i int, room *room) *key {
	if p.keys[i].count <= p.history.lengths.keep {
		if k := p.keyOf(i, room, true); k != nil {
			return k
		}
	}
	return p.keyOf(i, room, false)
}

// keyOf is key, of which the payloads are kept or not. It returns nil when they are too many fields to be kept.
func (p *part) keyOf(i int, room *room, keep bool) *key {
	from := &p.keys[i]
	k := room.begin(from.name, from.count, p, keep)
	fields := 0
	r := reader{names: k.texts, ids: &room.built}
	for at := from.last; at > 0; {
		spot := at - 1
		s := p.spots[spot]
		at = s.before
		r.b, r.at = p.at[s.block], int(s.offset)
		position := r.record(&room.rec)
		room.far.touch(r.at - int(s.offset))
		if fields += len(room.rec.Fields); keep && fields > p.history.lengths.fields {
			return nil
		}
		if position > 0 {
			position |= p.ranks[room.rec.Place.File] << fileBits
		}
		if k.kept != nil {
			spot = int32(len(k.ops) + len(room.came))
		} else {
			room.built = room.built[:0]
		}
		k.add(&r, &room.rec, spot, position)
		if run := p.history.lengths.run; room.far != nil && len(k.ops)%run == 0 && room.rec.Kind == history.Write {
			k.sortRun(len(k.ops) - run) // while they are at hand
		}
		room.tick()
	}
	return k
}

// record reads the record at a spot.
func (p *part) record(spot int32, rec *history.Record) {
	s := &p.spots[spot]
	r := reader{b: p.at[s.block], at: int(s.offset), names: p.history.names.texts}
	r.record(rec)
}

// fields reads the record at a spot, and where each of its fields stands.
func (p *part) fields(spot int32, rec *history.Record, w *wide) {
	w.only, w.fields = 0, w.fields[:0]
	p.wide(spot, rec, w)
}

// field reads the record at a spot, of its fields only the one that stands there, and nothing of what comes behind them.
func (p *part) field(spot, at int32, rec *history.Record, w *wide) {
	w.only = at
	p.wide(spot, rec, w)
}

func (p *part) wide(spot int32, rec *history.Record, w *wide) {
	s := &p.spots[spot]
	r := reader{b: p.at[s.block], at: int(s.offset), names: p.history.names.texts, wide: w}
	r.record(rec)
}

// tellConfusable tells keys that look like others.
func (p *part) tellConfusable(room *room, t *tally) {
	if !p.odd {
		return
	}
	var alike map[string][]int
	for i := range p.keys {
		if name := p.keys[i].name; !plain(name) {
			if look := skeleton(name); look != name {
				if alike == nil {
					alike = make(map[string][]int)
				}
				alike[look] = append(alike[look], i)
			}
		}
	}
	for look, list := range alike {
		if p.told[look] {
			continue
		}
		if i, ok := p.find(look); ok && skeleton(look) == look {
			list = append(list, i)
		}
		slices.SortFunc(list, func(i, j int) int { return strings.Compare(p.keys[i].name, p.keys[j].name) })
		first := p.keys[list[0]].name
		for _, i := range list[1:] {
			k := p.key(i, room)
			if len(k.ops) == 0 {
				continue // nothing of it is replayed
			}
			place := k.place(&k.ops[0])
			for i := range k.ops {
				if other := k.place(&k.ops[i]); other.Compare(place) < 0 {
					place = other
				}
			}
			tellConfusable(k.name, first, place, t)
		}
	}
}

func tellConfusable(name, first string, place finding.Place, t *tally) {
	t.tell(finding.Finding{Code: finding.ConfusableKeys, Place: place, Key: name,
		Detail: quote(name) + " looks like " + quote(first) + ", and they are two keys"})
}

// A shelf that is too large to be folded at once is split in so many, each of which may be split again. Keys that look
// alike stay together.
const (
	splitBits = 4
	maxSplits = 8
)

// split divides a shelf by the hash of its keys. level is how often that has been done to what it holds.
func (p *part) split(from *shelf, level int) ([]shelf, error) {
	to := newFiller(p.history.store, 1<<splitBits)
	err := p.history.store.each(from, func(b []byte) error {
		r := reader{b: b}
		for r.more() {
			start := r.at
			at := look(r.key()) >> (64 - splitBits*(level+1)) & (1<<splitBits - 1)
			to.put(int(at), b[start:r.at])
		}
		return to.err
	})
	if err != nil {
		return nil, err
	}
	return to.close()
}
