package replay

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// coarse is the precision from which on a node that writes twice within one step of its clock is no surprise.
const coarse = history.Millisecond

var precisionNames = map[history.Precision]string{
	history.Second: "seconds", history.Millisecond: "milliseconds", history.Microsecond: "microseconds", history.Nanosecond: "nanoseconds",
}

var precisionNanos = map[history.Precision]int64{
	history.Second: 1e9, history.Millisecond: 1e6, history.Microsecond: 1e3, history.Nanosecond: 1,
}

// op is one operation of a history, delivered once or more: all of it that is counted and compared. It holds no pointers, so
// that the operations of a long key may be in a file: see [far]. Its texts are in its record: see [key.payload].
type op struct {
	wall    int64
	version uint64
	number  uint64 // of the id, when that is "node:number" of the op's author; else 0
	base    uint64
	line    int64 // of the lowest place of its deliveries, and so are file and item
	at      int64 // its position in the export of its region, from 1; 0 when it is in none
	item    int32
	file    uint32 // the number of its name, as are the next three
	writer  uint32
	author  uint32 // the writer, or the incarnation of it that wrote: see [authorOf]
	region  uint32
	logical uint32
	hash    uint32 // of its id; 0 when it has none
	echo    int32  // the first of its arrivals in other regions, among those of the key, from 1; 0 when there are none
	slot    int32  // of its payload or, when that is read again whenever it is wanted, of its record
	told    int32  // the same of the delivery that says what its writer had seen, from 1; 0 when none does

	hasBase   bool
	taken     bool // a delete that nothing says the origin of: it is taken for one of the region where it stands
	again     bool // a delete that may be another one that counts
	kind      merge.Kind
	precision history.Precision
}

// standing is where an operation stands among those of its node. What was read of it stands apart, in [op]: much of what is
// worked out needs this alone.
type standing struct {
	node   int32 // among the nodes of the key
	index  int32 // among the operations of its node on the key, from 1
	after  int32 // how many of those came before it for certain: index-1, but where nothing puts them in order
	until  int32 // up to which of those nothing puts it in order: index then
	named  int32 // how many of those come before the next that has an id, from this one on
	source Source

	names    bool // its record names some that its writer had seen, and may have left out what those had seen
	namesOwn bool // one of them is of its own node
}

// tied reports whether nothing puts the operation in order with some of its node.
func (o *standing) tied() bool { return o.after+1 < o.until }

func (o *op) time() clock.Timestamp { return clock.Timestamp{Wall: o.wall, Logical: o.logical} }

// place returns the lowest place of its deliveries.
func (k *key) place(o *op) finding.Place {
	return finding.Place{File: k.texts[o.file], Line: o.line, Item: int(o.item)}
}

// stamp returns what the operation claims to win with.
func (k *key) stamp(o *op) lww.Stamp {
	return lww.Stamp{Version: o.version, Time: o.time(), Node: k.writer(o)}
}

func (k *key) writer(o *op) clock.Node { return clock.Node(k.texts[o.writer]) }

// authorOf returns the dot that the id of a record names, when that is of an incarnation of its node: a replica that came back from a
// backup is one more writer with the same claims. A record that doesn't know what its writer had seen is its node's, whatever its id.
func authorOf(rec *history.Record) (clock.Dot, bool) {
	if n := len(rec.Node); !rec.Knows || n == 0 || len(rec.ID) <= n || rec.ID[n] != '~' {
		return clock.Dot{}, false
	}
	d, ok := dotOf(rec.ID)
	member, _ := d.Node.Incarnation()
	return d, ok && member == rec.Node
}

// echo is a position in the export of a further region.
type echo struct {
	at     int64
	region uint32
	next   int32 // among those of the key, from 1
}

// context is what a record says that its writer had seen.
type context struct {
	ids   []string
	whole bool        // nothing is left out that follows from it
	up    []clock.Dot // of each node, up to which number; by node, each once
}

// upTo returns up to which number of a node the writer had seen.
func (c *context) upTo(node clock.Node) uint64 {
	at, ok := slices.BinarySearchFunc(c.up, node, func(d clock.Dot, n clock.Node) int { return cmp.Compare(d.Node, n) })
	if !ok {
		return 0
	}
	return c.up[at].Seq
}

// take takes the ids of a record, and up to which numbers its writer had seen, into room that is there.
func (c *context) take(rec *history.Record, up []clock.Dot) {
	c.ids, c.up, c.whole = append(c.ids, rec.Seen...), append(c.up, up...), rec.Whole
}

// arrived returns the position of an operation in the export of a region, from 1; 0 when it isn't there, and [unsure] when nobody
// knows whether and where it is.
func (k *key) arrived(o *op, region uint32) int64 {
	if o.region == region && region > 0 {
		return o.at
	}
	for at := o.echo; at > 0; at = k.room.echoes[at-1].next {
		if e := &k.room.echoes[at-1]; e.region == region {
			return e.at
		}
	}
	return 0
}

// key holds all operations on one key, in canonical order, and what is known of who had seen what.
type key struct {
	name  string
	ops   []op
	texts []string // by number: the names of nodes, files and regions
	room  *room
	part  *part
	kept  []payload // by slot; nil when there are so many that they are read again

	stand    []standing // of each operation
	nodes    []clock.Node
	numbers  []uint32  // of the names of the nodes
	inOrder  [][]int32 // of each node, its operations in the order in which it made them
	numbered []bool    // of each node, whether all its operations have the ids node:1, node:2, ...
	tied     bool      // nothing puts some operations of one node in order
	deletes  int       // how many operations delete the whole record
	past     past

	byID      *ids // nil while there are few operations
	byVersion []int32
	lastBy    map[int][]int32 // see lastOf
	delivered [][]deliveries  // by node, in the export of its own region; then by node
	written   []deliveries    // by node
	unowned   *deliveries     // of what nobody knows whom made, from when on that may have been
	table     *merge.Table    // under which it is folded
}

// payload is what an operation does, and what its record says that the writer had seen, if it says so: see [key.context].
type payload struct {
	merge.Op
	context *context
}

// scratch is where a payload is read into that is not kept.
type scratch struct {
	payload
	slot   int32 // whose it is; -1 for none
	rec    history.Record
	wide   wide
	own    context
	claims []merge.Claim
}

// payload returns what an operation does. What isn't kept is good until it is asked for another.
func (k *key) payload(o *op) *merge.Op { return &k.payloadOf(o.slot, 0).Op }

// payloadOf returns the payload of a slot. Two that are not kept can be looked at beside each other: as number 0 and 1.
func (k *key) payloadOf(slot int32, number int) *payload {
	if k.kept != nil {
		return &k.kept[slot]
	}
	s := &k.room.scratch[number]
	if s.slot == slot {
		return &s.payload
	}
	k.part.record(slot, &s.rec)
	s.slot = slot
	s.Op = merge.Op{Fields: s.Fields[:0]}
	k.set(&s.payload, &s.rec, slot)
	return &s.payload
}

// fieldsOf returns the payload of a slot, which is not kept, and where each of its fields stands, for fieldOf.
func (k *key) fieldsOf(slot int32) (*merge.Op, []int32) {
	s := &k.room.scratch[0]
	k.part.fields(slot, &s.rec, &s.wide)
	s.slot = slot
	s.Op = merge.Op{Fields: s.Fields[:0]}
	k.set(&s.payload, &s.rec, slot)
	return &s.Op, s.wide.fields
}

// fieldOf is payloadOf of one that is not kept, with one field alone: to look at each field of a row by itself, and to read all of
// the row for that, would take time by the square.
func (k *key) fieldOf(slot, at int32, number int) *payload {
	s := &k.room.scratch[number]
	k.part.field(slot, at, &s.rec, &s.wide)
	s.slot = -1 // whoever wants all of it has to read it again
	s.Op = merge.Op{Fields: s.Fields[:0]}
	k.set(&s.payload, &s.rec, slot)
	return &s.payload
}

// context returns what the writer of an operation had seen, as a record of it says.
func (k *key) context(o *op) *context {
	p := k.payloadOf(o.told-1, 0)
	if k.kept != nil {
		return p.context
	}
	s := &k.room.scratch[0]
	s.own.ids, s.own.up = s.own.ids[:0], s.own.up[:0]
	s.own.take(&s.rec, k.upOf(&s.rec))
	return &s.own
}

// set takes what an operation does from its record. Of p it uses the room for the fields.
func (k *key) set(p *payload, rec *history.Record, slot int32) {
	fields := p.Fields
	for _, f := range rec.Fields {
		fields = append(fields, merge.Field(f))
	}
	p.Op = merge.Op{Key: k.name, Kind: rec.Op, Fields: fields, ID: rec.ID,
		Stamp: lww.Stamp{Version: rec.Version, Time: rec.Time, Node: rec.Node}}
	if _, taken := k.room.taken[slot]; taken {
		p.Op.Stamp.Node = clock.Node(rec.Region)
	}
}

// add takes a record that the reader read, and its slot; it stands at a position of its export.
func (k *key) add(r *reader, rec *history.Record, slot int32, at int64) {
	room := k.room
	o := op{
		wall: rec.Time.Wall, logical: rec.Time.Logical, version: rec.Version, writer: r.node, author: r.node, number: r.number,
		base: rec.Base, hasBase: rec.HasBase,
		file: r.file, line: rec.Place.Line, item: int32(rec.Place.Item),
		region: r.region, at: at,
		kind: rec.Op, precision: rec.Precision, slot: slot, hash: room.ids.hash(rec.ID),
	}
	if rec.Region == "" {
		o.region, o.at = 0, 0
	}
	if rec.Knows {
		o.told = slot + 1
	}
	if d, ok := authorOf(rec); ok {
		if author, known := k.part.history.names.number[string(d.Node)]; known {
			o.author, o.number = uint32(author), d.Seq
		}
	}
	if rec.Kind == history.Arrival {
		room.came = append(room.came, matched{op: o})
	} else {
		k.ops = append(k.ops, o)
	}
	if k.kept == nil {
		return
	}
	p := &k.kept[slot]
	*p = payload{Op: merge.Op{Fields: room.fields.raw(len(rec.Fields))[:0]}}
	k.set(p, rec, slot)
	if rec.Knows {
		up := k.upOf(rec)
		p.context = &room.contexts.raw(1)[0]
		*p.context = context{ids: room.texts.raw(len(rec.Seen))[:0], up: room.dots.raw(len(up))[:0]}
		p.context.take(rec, up)
	}
}

// upOf returns up to which number of each node a record says that its writer had seen, by node. It is good until the next.
func (k *key) upOf(rec *history.Record) []clock.Dot {
	r := k.room
	up := append(r.up[:0], rec.SeenUp...)
	for _, id := range rec.Seen {
		if d, ok := dotOf(id); ok {
			up = append(up, d)
		}
	}
	slices.SortFunc(up, func(a, b clock.Dot) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(b.Seq, a.Seq)) })
	r.up = up
	return slices.CompactFunc(up, func(a, b clock.Dot) bool { return a.Node == b.Node })
}

// marks returns what follows from the list of ids that the writer of an operation had seen. They are good until the next.
func (k *key) marks(o *op, seen *context) marks {
	id := k.payloadOf(o.told-1, 0).ID
	if id == "" || seen.whole {
		return nil
	}
	number := o.number
	if o.author != o.writer { // its list is kept by its id
		number = 0
	}
	marks, err := k.part.history.links.marks(id, seen.ids, o.writer, number, &k.room.links)
	if err != nil {
		k.part.history.failed.set(err)
	}
	return marks
}

// id returns the id of an operation.
func (k *key) id(o *op) string {
	if o.hash == 0 {
		return ""
	}
	return k.payload(o).ID
}

// comparePayload orders operations by all that they do and claim, and by nothing of where they were found.
func (k *key) comparePayload(a, b *op) int {
	return cmp.Or(k.compareDeed(a, b), k.compareBefore(a, b))
}

// compareDeed is comparePayload but for what they replaced.
func (k *key) compareDeed(a, b *op) int {
	if a.wall != b.wall { // mostly
		return cmp.Compare(a.wall, b.wall)
	}
	if c := cmp.Or(cmp.Compare(a.logical, b.logical), cmp.Compare(a.version, b.version), cmp.Compare(k.writer(a), k.writer(b))); c != 0 {
		return c
	}
	x, y := &k.payloadOf(a.slot, 0).Op, &k.payloadOf(b.slot, 1).Op
	if c := cmp.Or(cmp.Compare(x.ID, y.ID), cmp.Compare(a.kind, b.kind)); c != 0 {
		return c
	}
	return slices.CompareFunc(x.Fields, y.Fields, func(f, g merge.Field) int {
		return cmp.Or(cmp.Compare(f.Name, g.Name), cmp.Compare(f.Value, g.Value))
	})
}

func (k *key) compareBefore(a, b *op) int {
	return slices.CompareFunc(k.payloadOf(a.slot, 0).Fields, k.payloadOf(b.slot, 1).Fields, func(f, g merge.Field) int {
		return cmp.Compare(f.Before, g.Before)
	})
}

func (k *key) samePayload(a, b *op) bool {
	return a.wall == b.wall && a.logical == b.logical && a.version == b.version && a.writer == b.writer && a.kind == b.kind &&
		slices.Equal(k.payloadOf(a.slot, 0).Fields, k.payloadOf(b.slot, 1).Fields)
}

// atHome reports whether an operation stands in the export of the region where it was made.
func (k *key) atHome(o *op) bool { return o.region > 0 && k.texts[o.region] == k.texts[o.writer] }

// replicated reports whether again is what the export of another region says of first, which is at home. Of what the write
// replaced there it tells the truth of that region: where writes conflict it is something else than what the writer had found.
func (k *key) replicated(first, again *op) bool {
	return again.region > 0 && k.atHome(first) && !k.atHome(again) && k.compareDeed(first, again) == 0
}

// compare is comparePayload, and among equal ones by their places. Among deliveries that differ in what they replaced, the one
// at home comes first.
func (k *key) compare(a, b *op) int {
	if c := k.compareDeed(a, b); c != 0 {
		return c
	}
	if home := k.atHome(a); home != k.atHome(b) {
		if home {
			return -1
		}
		return 1
	}
	if c := k.compareBefore(a, b); c != 0 {
		return c
	}
	return k.place(a).Compare(k.place(b))
}

// sort puts the operations into canonical order, deliveries of equal ones by their places. Those in far memory are sorted as
// what is in files is: in runs, which it returns, to be merged.
func (k *key) sort() *opHeap {
	switch {
	case k.room.far != nil:
		size := k.part.history.lengths.run
		k.sortRun(len(k.ops) / size * size) // the others were sorted when they were full: see [part.key]
		open := &opHeap{key: k}
		for run := range slices.Chunk(k.ops, size) {
			open.runs = append(open.runs, run)
		}
		heap.Init(open)
		return open
	case len(k.ops) > fewOps:
		k.sortRun(0)
		return nil
	}
	for i := 1; i < len(k.ops); i++ {
		j := i
		for ; j > 0 && k.compare(&k.ops[j-1], &k.ops[i]) > 0; j-- {
		}
		if j < i {
			o := k.ops[i]
			copy(k.ops[j+1:i+1], k.ops[j:i])
			k.ops[j] = o
		}
	}
	return nil
}

// sortRun sorts the operations from one on.
func (k *key) sortRun(first int) {
	slices.SortFunc(k.ops[first:], func(a, b op) int {
		k.room.tick()
		return k.compare(&a, &b)
	})
}

// opHeap is runs of operations, the one with the least first operation at the top.
type opHeap struct {
	key  *key
	runs [][]op
}

func (h *opHeap) Len() int           { return len(h.runs) }
func (h *opHeap) Less(i, j int) bool { return h.key.compare(&h.runs[i][0], &h.runs[j][0]) < 0 }
func (h *opHeap) Swap(i, j int)      { h.runs[i], h.runs[j] = h.runs[j], h.runs[i] }
func (h *opHeap) Push(r any)         { h.runs = append(h.runs, r.([]op)) }
func (h *opHeap) Pop() any {
	last := h.runs[len(h.runs)-1]
	h.runs = h.runs[:len(h.runs)-1]
	return last
}

// next takes the first operation of all.
func (h *opHeap) next() *op {
	first := &h.runs[0]
	o := &(*first)[0]
	if *first = (*first)[1:]; len(*first) == 0 {
		heap.Pop(h)
	} else {
		heap.Fix(h, 0)
	}
	return o
}

// settle puts the operations into canonical order and counts every one once: deliveries of one id become one operation.
// What it can't tell apart for certain it tells.
func (k *key) settle(opt *Options, sum *Totals, t *tally) {
	if len(k.ops) == 1 {
		sum.Writes++
		k.match(opt, sum, t)
		return
	}
	runs := k.sort()
	all := k.ops
	if len(all) > fewOps {
		k.byID = &k.room.ids
		k.byID.begin(all, k.part.history.lengths.many, k.room.far)
	}
	kept := all // those that are kept take the places of those before them
	if runs != nil {
		kept = listOf[op](k.room.far, len(all))
	}
	k.ops = kept[:0]
	moved := false
	for i := range all {
		k.room.tick()
		o := &all[i]
		if runs != nil {
			o = runs.next()
		}
		at, known := k.find(o)
		if !known {
			n := len(k.ops)
			if o.hash == 0 && n > 0 && k.ops[n-1].hash == 0 && k.comparePayload(&k.ops[n-1], o) == 0 && t.wants(finding.ProbableDuplicate, k.place(o)) {
				t.keep(finding.Finding{Code: finding.ProbableDuplicate, Place: k.place(o), Key: k.name,
					Detail: "equal to the write at " + k.place(&k.ops[n-1]).String() + ", and neither has an id"})
			}
			if k.byID != nil && o.hash != 0 && !k.byID.alone(o.hash) {
				k.byID.put(o.hash, n)
			}
			if k.ops = kept[:n+1]; &k.ops[n] != o {
				k.ops[n] = *o
			}
			continue
		}
		first := &k.ops[at]
		if !k.samePayload(first, o) && !k.replicated(first, o) {
			code, detail := finding.OpIDReused, " with another payload; the lower claim is set aside"
			if first.writer != o.writer {
				code, detail = finding.SourceMismatch, " as a write of another node; the lower claim is set aside"
			}
			if t.wants(code, k.place(o)) {
				t.keep(finding.Finding{Code: code, Place: k.place(o), Key: k.name, Detail: "id " + quote(k.id(o)) + " stands at " + k.place(first).String() + detail})
			}
			// In canonical order the later one has the greater time, then version: it is the one that counts, at its own place.
			k.arriveAlso(o, first)
			*first, moved = *o, true
			continue
		}
		if k.arriveAt(first, o) {
			sum.Arrivals++
		} else {
			sum.Duplicates++
			if t.wants(finding.DuplicateOp, k.place(o)) {
				t.keep(finding.Finding{Code: finding.DuplicateOp, Place: k.place(o), Key: k.name, Detail: againDetail(k.id(o), k.place(first))})
			}
		}
		if first.told == 0 {
			first.told = o.told
		}
		if k.place(o).Compare(k.place(first)) < 0 { // another region's
			first.file, first.line, first.item = o.file, o.line, o.item
		}
	}
	if moved {
		k.sortRun(0)
		k.index()
	}
	sum.Writes += int64(len(k.ops))
	k.match(opt, sum, t)
	if k.room.far != nil && k.kept == nil {
		k.lineUp()
	}
}

func againDetail(id string, first finding.Place) string {
	return "id " + quote(id) + " stands at " + first.String() + " already"
}

// fewOps is up to how many operations walking them finds an id sooner than a map that has to be made.
const fewOps = 16

// index finds the places of the operations by their ids anew.
func (k *key) index() {
	if k.byID == nil {
		return
	}
	k.byID.begin(k.ops, k.part.history.lengths.many, k.room.far)
	for i := range k.ops {
		k.room.tick()
		if o := &k.ops[i]; o.hash != 0 && !k.byID.alone(o.hash) {
			k.byID.put(o.hash, i)
		}
	}
}

// find returns the operation, of those that are kept so far, that has the id of another.
func (k *key) find(o *op) (int, bool) {
	if o.hash == 0 || k.byID != nil && k.byID.alone(o.hash) {
		return 0, false
	}
	return k.findWhere(o.hash, func(other *op) bool {
		if o.number > 0 && other.number > 0 {
			return o.number == other.number && o.author == other.author
		}
		return k.payloadOf(o.slot, 0).ID == k.payloadOf(other.slot, 1).ID
	})
}

// findID returns the operation with an id.
func (k *key) findID(id string) (int, bool) {
	if id == "" {
		return 0, false
	}
	if k.byID != nil && len(k.byID.met) > 0 {
		k.byID.complete(k.ops, k.room.far)
	}
	return k.findWhere(k.room.ids.hash(id), func(o *op) bool { return k.payloadOf(o.slot, 1).ID == id })
}

// findWhere returns the operation, of those with an id of that hash, which is the one.
func (k *key) findWhere(hash uint32, is func(o *op) bool) (int, bool) {
	if k.byID != nil {
		return k.byID.find(hash, k.ops, is)
	}
	for i := range k.ops {
		if o := &k.ops[i]; o.hash == hash && is(o) {
			return i, true
		}
	}
	return 0, false
}

// arriveAt notes that again is a delivery of first, and reports whether it was one to another region.
func (k *key) arriveAt(first, again *op) (echo bool) {
	known := k.arrived(first, again.region)
	switch {
	case again.region == 0:
	case known == 0:
		k.arriveAlso(first, again)
		return true
	case again.at < known:
		if first.region == again.region {
			first.at = again.at
		}
		for at := first.echo; at > 0; at = k.room.echoes[at-1].next {
			if e := &k.room.echoes[at-1]; e.region == again.region {
				e.at = again.at
			}
		}
	}
	return false
}

// arriveAlso gives an operation all arrivals of another, behind its own.
func (k *key) arriveAlso(o, other *op) {
	r := k.room
	chain := other.echo
	if other.region > 0 {
		r.echoes = append(r.echoes, echo{other.at, other.region, chain})
		chain = int32(len(r.echoes))
	}
	last := &o.echo
	for *last > 0 {
		last = &r.echoes[*last-1].next
	}
	*last = chain
}
