package replay

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// A key may have more writes than fit into memory. Those of a plain one are sorted as all that is too large is sorted: in
// runs, which are merged. Two passes over the sorted writes take the same steps as over those of a short key: the first
// finds what is kept, the second what became of each. Of the writes themselves only a few are in memory at once. A common
// key is folded as all common ones are, but in far memory: see [far].
//
// One key's writes depend on each other, so one goroutine folds them, whatever it costs the others in waiting.

// foldLong folds the key that most records of a shelf seem to be of, and returns the records of all other keys. It says no
// when there is no such key.
func (f *folder) foldLong(from *shelf) (others shelf, ok bool, err error) {
	name, ok, err := f.part.history.store.major(from)
	if err != nil || !ok {
		return others, false, err
	}
	f.lines = f.lines[:0]
	alike := newAlike(name)
	if others, ok, err = f.foldRuns(from, name, alike); err == nil && !ok {
		others, err = f.foldFar(from, name, alike)
	}
	if err == nil {
		err = f.part.tellAlike(from, alike, &f.common.told)
	}
	if err != nil {
		f.part.history.store.drop(&others)
	}
	return others, err == nil, err
}

// clearForLong clears the store when most of its largest shelf seems to be of one key that does not fit into memory beside it: what that
// takes while it is folded is better in memory than records that are read once.
func (h *History) clearForLong(largest *shelf, workers int) error {
	const short = 64 // bytes of a record
	s := h.store
	takes := int64(largest.size/short)*opBytes + int64(largest.size)
	if s.memory <= 0 || largest.size <= s.fold(workers) || s.held.Load()+takes <= int64(s.memory)/2 {
		return nil
	}
	if _, ok, err := s.major(largest); err != nil || !ok {
		return err
	}
	return s.clear()
}

// major returns the key that most records of a shelf are of, as far as a few of its blocks tell, if they tell of one.
func (s *store) major(from *shelf) (name string, ok bool, err error) {
	some := from.some(16)
	all, lead := 0, 0
	err = s.each(&some, func(b []byte) error {
		for at := 0; at < len(b); {
			key, end := skim(b, at)
			switch {
			case lead == 0:
				name, lead = strings.Clone(key), 1
			case key == name:
				lead++
			default:
				lead--
			}
			at = end
			all++
		}
		return nil
	})
	return name, lead > all/8, err
}

// foldFar folds a common key and returns the records of all others.
func (f *folder) foldFar(from *shelf, name string, alike *alike) (others shelf, err error) {
	rest := newFiller(f.part.history.store, 1)
	err = f.pick(from, name, rest, alike, func(k *key) error {
		f.fold(k)
		return f.take()
	})
	shelves, fail := rest.close()
	if err = cmp.Or(err, fail); err != nil {
		f.part.history.store.drop(&shelves[0])
		return shelf{}, err
	}
	return shelves[0], nil
}

// pick calls use with one key of a shelf, unless the shelf has no record of it. The records of others go to rest, when it is
// not nil. Of the key nothing may be kept, not even texts.
func (f *folder) pick(from *shelf, name string, rest *filler, alike *alike, use func(*key) error) (err error) {
	store := f.part.history.store
	count, size := 0, 0
	err = store.each(from, func(b []byte) error {
		for at, end := 0, 0; at < len(b); at = end {
			var key string
			if key, end = skim(b, at); key == name {
				count++
				size += end - at
			}
		}
		return nil
	})
	if err != nil || count == 0 {
		return err
	}
	var memory *far
	if store.memory > 0 && count*opBytes+size > store.far() {
		if memory, err = newFar(store.spool.dir, int64(store.far()), store.inAll()); err != nil {
			return err
		}
		if memory != nil {
			memory.looked = f.part.history.lengths.looked
		}
	}
	defer func() { err = cmp.Or(err, memory.close()) }()
	return guarded(func() error {
		p := part{history: f.part.history, ranks: f.part.ranks, spans: f.part.spans, came: f.part.came, spots: listOf[spot](memory, count)[:0]}
		if err := store.each(from, func(b []byte) error { return p.pick(b, name, size, memory, rest, alike) }); err != nil {
			return err
		}
		p.spots[count-1].before = 0
		p.keys = []partKey{{name: name, count: count, last: 1}}
		return use(p.key(0, f.room.inFar(memory, count)))
	})
}

// opBytes is about how many bytes an operation of a common key takes, beside its record, when its payload is not kept.
const opBytes = 256

// pick copies the records of one key, which take size bytes in all blocks, in memory or far memory, and gives those of others to
// a filler, when it is not nil.
func (p *part) pick(b []byte, name string, size int, memory *far, rest *filler, alike *alike) error {
	for at, end := 0, 0; at < len(b); at = end {
		var key string
		if key, end = skim(b, at); key != name {
			if rest != nil {
				alike.see(key, b[at:end], p.history.names.texts)
				rest.put(0, b[at:end])
			}
			continue
		}
		p.keep(b[at:end], size, memory)
		p.spots[len(p.spots)-1].before = int32(len(p.spots)) + 1 // they are read in the order in which they stand
		memory.tick()
	}
	if rest == nil {
		return nil
	}
	return rest.err
}

// keep copies a record to the next spot, in memory or far memory, where records take size bytes in all.
func (p *part) keep(record []byte, size int, memory *far) {
	const piece = 1 << 20
	last := len(p.at) - 1
	if last < 0 || len(record) > cap(p.at[last])-len(p.at[last]) {
		p.at = append(p.at, listOf[byte](memory, max(min(piece, size), len(record)))[:0])
		last++
	}
	p.spots = append(p.spots, spot{block: int32(last), offset: uint32(len(p.at[last]))})
	p.at[last] = append(p.at[last], record...)
	memory.touch(len(record))
}

// lineUp copies the records of the operations, which stand in the order in which they were read, to where they stand in the
// order of the operations: in that they are read again and again, and what is far is better read on than here and there.
func (k *key) lineUp() {
	p, memory := k.part, k.room.far
	from := *p
	p.at, p.spots = nil, listOf[spot](memory, len(from.spots))[:0]
	size := 0
	for _, b := range from.at {
		size += len(b)
	}
	keep := func(slot int32) int32 {
		memory.tick()
		s := &from.spots[slot]
		b := from.at[s.block]
		_, end := skim(b, int(s.offset))
		p.keep(b[s.offset:end], size, memory)
		return int32(len(p.spots)) - 1
	}
	for i := range k.ops {
		o := &k.ops[i]
		told := o.told - 1
		if slot := o.slot; told == slot {
			o.slot = keep(slot)
			o.told = o.slot + 1
			continue
		}
		o.slot = keep(o.slot)
		if told >= 0 {
			o.told = keep(told) + 1
		}
	}
	for i := range k.room.scratch {
		k.room.scratch[i].slot = -1
	}
}

// alike is the keys of a shelf that look like one that is folded apart from them, with the lowest place of each.
type alike struct {
	name  string
	hash  uint64
	look  string
	names map[string]finding.Place
}

func newAlike(name string) *alike {
	return &alike{name: name, hash: look(name), look: skeleton(name), names: make(map[string]finding.Place)}
}

// see looks at a record of another key.
func (a *alike) see(key string, record []byte, texts []string) {
	if hash, ok := hashPlain(key); ok && hash != a.hash || skeleton(key) != a.look {
		return
	}
	a.note(key, record, texts)
}

func (a *alike) note(key string, record []byte, texts []string) {
	var rec history.Record
	r := reader{b: record, names: texts}
	r.record(&rec)
	if known, ok := a.names[key]; !ok || rec.Place.Compare(known) < 0 {
		a.names[strings.Clone(key)] = rec.Place
	}
}

// tellAlike tells keys that look like one that was folded apart, and remembers that.
func (p *part) tellAlike(from *shelf, a *alike, t *tally) error {
	if len(a.names) == 0 || p.told[a.look] {
		return nil
	}
	err := p.history.store.each(from, func(b []byte) error {
		for at, end := 0, 0; at < len(b); at = end {
			var key string
			if key, end = skim(b, at); key == a.name {
				a.note(key, b[at:end], p.history.names.texts)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(a.names))
	for _, name := range names[1:] {
		tellConfusable(name, names[0], a.names[name], t)
	}
	if p.told == nil {
		p.told = make(map[string]bool)
	}
	p.told[a.look] = true
	return nil
}

// foldRuns folds a key if it is a plain one, and returns the records of all others. It says no, and has counted nothing,
// when it is a common one.
func (f *folder) foldRuns(from *shelf, name string, alike *alike) (others shelf, ok bool, err error) {
	if f.plain == nil {
		return others, false, nil
	}
	l := &longKey{store: f.part.history.store}
	l.begin(f, name)
	l.passing = true
	l.limit = min(max(f.limit/4, l.store.most), math.MaxInt32)
	defer l.drop()
	if others, err = l.sort(from, alike); err == nil && !l.common && l.find() {
		l.fold()
		l.err = cmp.Or(l.err, f.take())
		return others, l.err == nil, l.err
	}
	l.store.drop(&others)
	return others, false, cmp.Or(err, l.err)
}

// longKey is a plain key whose writes are in runs.
type longKey struct {
	plainKey
	store  *store
	limit  int  // bytes of records that are sorted at once
	common bool // a record is no plain one

	sorted []sortedRun // by node, number and place
	err    error

	states []*longCell // of the cells
	at     int         // the cell of the claim before
	again  int64
}

// longCell is what is remembered of the writes of a cell while they pass.
type longCell struct {
	kept     []ownOp  // by table
	names    [][]byte // of what is kept, where ids are written out
	greatest []ownOp  // of the node at hand, by table
	ones     []RuleSum
	lowest   ownOp // by the claims
	held     ownOp // the write before, of which it is not known yet whether it is the last of its node
	holds    bool
	begun    bool // some write of the node at hand has passed
	frontier bool // some rule keeps the last write of each node
}

// ownOp is a write whose value is in memory of its own, which the next one uses again.
type ownOp struct {
	plainOp
	text []byte
}

func (w *ownOp) set(o *plainOp) {
	w.text = append(w.text[:0], o.value...)
	w.plainOp = *o
	w.value = value.Value(unsafe.String(unsafe.SliceData(w.text), len(w.text)))
}

// sort puts the records of the key into sorted runs, and those of other keys onto a shelf.
func (l *longKey) sort(from *shelf, alike *alike) (others shelf, err error) {
	s, w := &l.folder.room.plain.turns, runWriter{store: l.store}
	b := l.folder.part.borrow(min(l.limit, from.size))
	s.begin(cap(b) / fewBytes)
	flush := func() error {
		s.sort()
		l.sortAgain(s.list, b)
		for _, t := range s.list {
			_, end := skim(b, int(t.at))
			if err := w.put(b[t.at:end]); err != nil {
				return err
			}
		}
		b, s.list = b[:0], s.list[:0]
		sorted, err := w.close()
		l.sorted = append(l.sorted, sorted)
		return err
	}
	rest := newFiller(l.store, 1)
	err = l.store.each(from, func(block []byte) error {
		r := reader{b: block}
		for at, end := 0, 0; at < len(block) && !l.common; at = end {
			var key string
			if key, end = skim(block, at); key != l.name {
				alike.see(key, block[at:end], l.folder.part.history.names.texts)
				rest.put(0, block[at:end])
				continue
			}
			var o plainOp
			r.at = at
			field, ok := r.plain(&o)
			if len(l.sorted) == 0 && len(s.list) == 0 {
				l.field, l.rank = strings.Clone(field), o.rank
			}
			if !ok || o.rank != l.rank || !o.ordered() || !l.meet(field, &o) {
				l.common = true
				return nil
			}
			l.deletes = l.deletes || o.kind == merge.Delete
			l.wholes = l.wholes || o.form == noField
			l.split = l.split || o.form != oneField || field != l.field
			if len(b)+end-at > l.limit && len(b) > 0 {
				if err := flush(); err != nil {
					return err
				}
			}
			s.list = append(s.list, turn{o.number, o.node, uint32(len(b))})
			b = append(b, block[at:end]...)
		}
		return rest.err
	})
	if err == nil {
		err = flush()
	}
	shelves, fail := rest.close()
	return shelves[0], cmp.Or(err, fail)
}

// meet makes the cells that a write names, and says no when they are too many: a delete of the whole record is a claim on each,
// wherever it stands.
func (l *longKey) meet(field string, o *plainOp) bool {
	if o.form == oneField {
		l.at = l.cell(field, l.at)
		return l.at >= 0
	}
	for list := o.claims(); ; {
		field, _, ok := list.next()
		if !ok {
			return true
		}
		if l.at = l.cell(field, l.at); l.at < 0 {
			return false
		}
	}
}

// sortAgain puts deliveries of one write, which stand in b, into the order of their places.
func (l *longKey) sortAgain(list []turn, b []byte) {
	r := reader{b: b}
	place := func(t *turn) finding.Place {
		var o plainOp
		r.at = int(t.at)
		r.plain(&o)
		return l.place(&o)
	}
	for first, after := 0, 0; first < len(list); first = after {
		for after = first + 1; after < len(list) && !list[first].before(&list[after]); after++ {
		}
		if after > first+1 {
			slices.SortFunc(list[first:after], func(a, b turn) int { return place(&a).Compare(place(&b)) })
		}
	}
}

// find finds, for each cell and under each table, the write that is kept or the sum, and counts the writes of each node. It
// says no when the key is a common one.
func (l *longKey) find() (plain bool) {
	tables := l.folder.tables
	if l.split && !l.unchecked(tables) || !l.beginCells() {
		return false
	}
	ids := newApart(l.store, l.folder.part.seed)
	plain = true
	var top plainOp // of its node, the one with the greatest stamp
	back := false
	l.each(func(o, first *plainOp) bool {
		if first != nil {
			l.again++
			plain = plain && o.again(first)
			return plain
		}
		if len(l.whole.runs) == 0 || o.node != top.node || o.above(&top) {
			top = *o
		} else {
			back = back || o.exclusive()
		}
		l.whole.add(o.node)
		name := ""
		if o.named() {
			name = o.name()
			ids.put(name)
		}
		plain = plain && l.eachClaim(o, func(c *longCell, o *plainOp) bool {
			l.add(o.node)
			if l.writes == 1 || l.compare(o, &c.lowest.plainOp) < 0 {
				c.lowest.set(o)
			}
			if c.frontier {
				if len(l.lasts) < len(l.runs) {
					l.lasts = append(l.lasts, ownOp{})
				}
				l.lasts[len(l.runs)-1].set(o)
			}
			for t := range l.rules {
				rule := &l.rules[t]
				if !l.takes(t, o) {
					return false
				}
				if rule.way != bySelect {
					continue
				}
				kept := &c.kept[t]
				l.write(&l.b, &kept.plainOp)
				if l.writes == 1 || l.beats(rule, o, &kept.plainOp) {
					kept.set(o)
					c.names[t] = append(c.names[t][:0], name...)
				}
			}
			return true
		})
		l.folder.room.built = l.folder.room.built[:0]
		return plain
	})
	apart, err := ids.apart()
	if plain && back {
		plain = l.stampsApart()
	}
	if l.err = cmp.Or(l.err, err); !plain || !apart || l.err != nil {
		return false
	}
	for i, c := range l.states {
		l.cells[i].earliest = &c.lowest.plainOp
		if l.rank >= byVersionOfNamed {
			for _, name := range c.names {
				l.cells[i].keeps = append(l.cells[i].keeps, string(name))
			}
		}
	}
	l.plainCell = &l.whole
	return l.ranked(tables)
}

// stampsApart is [plainKey.stampsApart] of what is in runs.
func (l *longKey) stampsApart() bool {
	stamps := newApart(l.store, l.folder.part.seed)
	l.each(func(o, first *plainOp) bool {
		if first == nil && o.exclusive() {
			stamp := o.stampBytes()
			stamps.put(string(stamp[:]))
		}
		return true
	})
	apart, err := stamps.apart()
	l.err = cmp.Or(l.err, err)
	return apart
}

// eachClaim calls visit with what a write asks of each field, while its cell is the one at hand, until it says no.
func (l *longKey) eachClaim(o *plainOp, visit func(*longCell, *plainOp) bool) bool {
	if !l.split {
		return l.claim(0, o, visit)
	}
	claim := *o
	if o.form == noField {
		claim.value = ""
		for at := range l.cells {
			if !l.claim(at, &claim, visit) {
				return false
			}
		}
		return true
	}
	for list := o.claims(); ; {
		field, v, ok := list.next()
		if !ok {
			return true
		}
		l.at, claim.value = l.cell(field, l.at), v
		if !l.claim(l.at, &claim, visit) {
			return false
		}
	}
}

func (l *longKey) claim(at int, o *plainOp, visit func(*longCell, *plainOp) bool) bool {
	l.plainCell = &l.cells[at]
	defer func() { l.plainCell = &l.whole }()
	return visit(l.states[at], o)
}

// beginCells makes the cells ready. It says no when the rules of one are not those of a plain key.
func (l *longKey) beginCells() bool {
	if len(l.cells) == 0 { // nobody named a field
		l.cell("", 0)
	}
	defer func() { l.plainCell = &l.whole }()
	tables := l.folder.tables
	for at := range l.cells {
		c := &longCell{kept: make([]ownOp, len(tables)), names: make([][]byte, len(tables)), greatest: make([]ownOp, len(tables)),
			ones: make([]RuleSum, len(tables))}
		l.states = append(l.states, c)
		if l.plainCell = &l.cells[at]; !l.plainUnder(tables) {
			return false
		}
		c.frontier = slices.ContainsFunc(l.rules, func(r plainRule) bool { return r.way.frontier() })
		if c.frontier && l.rank >= byVersionOfNamed { // of the writes of a frontier nobody remembers the ids
			return false
		}
	}
	return true
}

// fold counts what became of each write.
func (l *longKey) fold() {
	f := l.folder
	l.know(f.common)
	l.beginRows(len(f.tables))
	f.common.totals.Duplicates += l.again
	l.each(func(o, first *plainOp) bool {
		if first != nil {
			l.tellAgain(o, first, &f.common.told)
			return true
		}
		l.eachClaim(o, func(c *longCell, o *plainOp) bool {
			for t := range l.rules {
				if l.rules[t].Name == "prefer" {
					l.unlisted(&l.rules[t], o, &f.sums[t].told)
				}
			}
			if c.holds {
				l.pass(c, o.node != c.held.node)
			}
			c.held.set(o)
			c.holds = true
			return true
		})
		f.room.built = f.room.built[:0]
		return true
	})
	for i, c := range l.states {
		l.plainCell, l.texts, l.unseen = &l.cells[i], l.texts[:0], l.unseen[:0]
		l.pass(c, true)
		for t := range l.rules {
			kept := &c.kept[t].plainOp
			switch l.rules[t].way {
			case byCounting:
				kept = nil
			case byFrontier, byGreatest:
				kept = l.foldFrontier(&l.rules[t], &c.ones[t], f.sums[t])
			}
			l.end(t, f.tables[t], kept, &c.ones[t], f.sums[t])
		}
	}
	for t := range l.rows {
		l.tellPartial(&l.rows[t], f.sums[t])
	}
}

// apart finds out whether ids differ: their hashes, dealt to shelves, do.
type apart struct {
	filler *filler // nil before the first
	store  *store
	seed   maphash.Seed
	hash   [8]byte
}

const apartShelves = 64

func newApart(s *store, seed maphash.Seed) *apart { return &apart{store: s, seed: seed} }

func (a *apart) put(id string) {
	if a.filler == nil {
		a.filler = newFiller(a.store, apartShelves)
	}
	hash := maphash.String(a.seed, id)
	binary.LittleEndian.PutUint64(a.hash[:], hash)
	a.filler.put(int(hash%apartShelves), a.hash[:])
}

// apart reports whether all ids differ. Two of one hash count as one.
func (a *apart) apart() (bool, error) {
	if a.filler == nil {
		return true, nil
	}
	shelves, err := a.filler.close()
	if err != nil {
		return false, err
	}
	var hashes []uint64
	apart := true
	for i := range shelves {
		hashes = hashes[:0]
		fail := a.store.each(&shelves[i], func(b []byte) error {
			for ; len(b) > 0; b = b[len(a.hash):] {
				hashes = append(hashes, binary.LittleEndian.Uint64(b))
			}
			return nil
		})
		err = cmp.Or(err, fail)
		apart = apart && allDiffer(hashes)
		a.store.drop(&shelves[i])
	}
	return apart, err
}

// pass counts what became of the write that a cell holds; last says that its node made none after it.
func (l *longKey) pass(c *longCell, last bool) {
	f, o := l.folder, &c.held.plainOp
	for t := range l.rules {
		rule := &l.rules[t]
		if rule.way != bySelect {
			continue
		}
		l.write(&l.b, &c.kept[t].plainOp)
		l.judge(rule, o, &c.kept[t].plainOp, last, &c.ones[t], f.sums[t])
		greatest := &c.greatest[t]
		if rule.inverts && (!c.begun || l.invert(rule, &greatest.plainOp, o, f.sums[t]) == o) {
			greatest.set(o)
		}
	}
	c.begun = !last
}

// each calls visit with the writes in order until it says no: with each, and then with its further deliveries, which come with
// it as their first. What visit is given is good until it returns.
func (l *longKey) each(visit func(o, first *plainOp) bool) {
	ops := merger[*runCursor]{less: (*runCursor).before}
	texts := l.folder.part.history.names.texts
	for _, r := range l.sorted {
		c := &runCursor{blocks: runBlocks{store: l.store, rest: r}, texts: texts, split: l.split}
		l.err = cmp.Or(l.err, ops.add(c))
	}
	if l.err != nil {
		return
	}
	var at ownOp
	begun := false
	err := ops.each(func(c *runCursor) (bool, error) {
		if o := &c.op; begun && o.node == at.node && o.number == at.number {
			return visit(o, &at.plainOp), l.err
		}
		begun = true
		at.set(&c.op)
		return visit(&at.plainOp, nil), l.err
	})
	l.err = cmp.Or(l.err, err)
}

// drop gives back the memory of the runs.
func (l *longKey) drop() {
	for _, r := range l.sorted {
		r.drop(l.store)
	}
}

// runCursor reads one run.
type runCursor struct {
	blocks runBlocks
	texts  []string
	block  []byte
	at     int
	op     plainOp
	split  bool // the fields are wanted with their names
}

func (c *runCursor) next() (more bool, err error) {
	if c.at >= len(c.block) {
		if c.block, err = c.blocks.next(); err != nil || c.block == nil {
			return false, err
		}
		c.at = 0
	}
	r := reader{b: c.block, at: c.at}
	_, c.at = skim(c.block, c.at)
	r.plain(&c.op)
	if c.split && c.op.form == oneField {
		c.op.value = r.field(&plainOp{})
	}
	return true, nil
}

func (c *runCursor) before(o *runCursor) bool {
	a, b := &c.op, &o.op
	if a.node != b.node {
		return a.node < b.node
	}
	if a.number != b.number {
		return a.number < b.number
	}
	return cmp.Or(strings.Compare(c.texts[a.file], c.texts[b.file]), cmp.Compare(a.line, b.line), cmp.Compare(a.item, b.item)) < 0
}
