package replay

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// Most keys of most histories are plain: their writes set, raise or delete fields, or delete the record, and say nothing of
// what their writers had seen, and something puts those of a node in order: the numbers of their ids or, where those tell
// nothing, their versions or times. Of such a key all that a report says is counting: of one node each write has seen those
// before it, and of the others nobody knows. So a plain key is counted in a tenth of the time and memory that [key] takes,
// with the same decisions of the same rules. Whatever is out of the ordinary makes a key a common one, before anything of it
// is counted.
//
// A test folds every key both ways and compares the reports.

// plainOp is one write to a plain key, or what it asks of one field.
type plainOp struct {
	wall      int64
	version   uint64
	number    uint64 // what puts it in order among those of its node
	value     value.Value
	line      uint32
	item      uint32
	file      uint32 // number of its name
	node      uint32 // number of its name
	logical   uint32
	kind      merge.Kind
	precision history.Precision
	rank      rank
	form      form
}

// form is what the fields of a plain write are.
type form uint8

const (
	oneField   form = iota
	manyFields      // the value is a list of them: see [claims]
	noField         // the list is empty: it deletes the whole record
)

// rank is what puts the writes of a node in order. The ids of a key's writes are all of one kind.
type rank uint8

const (
	byNumber  rank = iota // that of the id
	byVersion             // there is no id
	byTime                // nor a version
	byDerived             // by time too: the id is derived of it and the node

	// The ids are other texts. They tell nothing of the order, and any two may be one.
	byVersionOfNamed
	byTimeOfNamed
)

func (o *plainOp) time() clock.Timestamp { return clock.Timestamp{Wall: o.wall, Logical: o.logical} }

// named reports whether the id is written out.
func (o *plainOp) named() bool { return o.rank >= byVersionOfNamed }

// name returns an id that is written out: it stands before the list.
func (o *plainOp) name() string {
	c := claims{text: string(o.value)}
	return c.take()
}

// ordered reports whether what ranks the write does put it in order, and whether it is of a kind that plain keys have.
func (o *plainOp) ordered() bool {
	if o.kind > merge.Add {
		return false
	}
	return o.rank == byNumber || o.node > 0 && (o.version > 0 || o.wall >= 0)
}

// shown returns what readers see when the write is kept.
func (o *plainOp) shown() value.Value {
	if o.kind == merge.Delete {
		return ""
	}
	return o.value
}

// agrees reports whether what the write wrote is what is shown: then it lost the argument and nothing else.
func (o *plainOp) agrees(shown value.Value) bool {
	switch o.kind {
	case merge.Set:
		return o.value == shown
	case merge.Delete:
		return shown.IsAbsent()
	}
	return false
}

// again reports whether o is for certain a further delivery of p, which has its number. Where the id is written out, the
// values hold it.
func (o *plainOp) again(p *plainOp) bool {
	return o.rank != byVersion && o.rank != byTime && o.wall == p.wall && o.logical == p.logical && o.version == p.version &&
		o.kind == p.kind && o.form == p.form && o.value == p.value
}

// collides reports whether a write may have the stamp of the one before it of its node where nothing but the values decides then,
// which is to be told: see [key.collide].
func (o *plainOp) collides(p *plainOp) bool {
	return o.wall == p.wall && o.rank == byNumber && o.version == p.version && o.logical == p.logical && claimsStamp(o.version, o.precision) &&
		claimsStamp(p.version, p.precision) && o.kind <= merge.Delete && p.kind <= merge.Delete
}

// plainKey is the key at hand. Its memory is used again for the next one.
type plainKey struct {
	folder  *folder
	name    string
	rank    rank
	split   bool      // its writes are of several fields, or of lists of them
	deletes bool      // some of its writes delete
	adds    bool      // some of its writes are increments
	wholes  bool      // some delete the whole record
	passing bool      // what the names of its fields stand in is soon written again
	again   []plainOp // deliveries beside the first of each
	turns   turns
	hashes  []uint64 // of ids that are written out

	*plainCell                // the one at hand
	whole      plainCell      // all writes; it is the one cell of a key that isn't split
	cells      []plainCell    // of one that is
	rows       []plainRow     // by table: of one of which a write deletes the whole record
	places     map[string]int // of many cells, by field

	a, b   merge.Write // that are compared
	unseen []merge.Write
	front  merge.Frontier // that they are
	texts  []byte         // of what is only compared
	sum    Cell           // of the table at hand
	base   plainEnd       // under the first table
}

// plainCell is the writes to one field.
type plainCell struct {
	field    string
	writes   int64
	ops      []plainOp // by node and number
	runs     []plainRun
	rules    []plainRule        // by table
	sums     []merge.Increments // by table: of rules that count
	earliest *plainOp           // nil when nobody has looked
	lasts    []ownOp            // of a long key: of each run, the last write
	keeps    []string           // by table: the id of what is kept, of a long key whose ids are written out
}

// reset empties the cell and keeps its memory.
func (c *plainCell) reset(field string) {
	c.field, c.writes, c.ops, c.runs, c.earliest, c.lasts = field, 0, c.ops[:0], c.runs[:0], nil, nil
}

// last returns the last write of a run.
func (c *plainCell) last(run int) *plainOp {
	if c.lasts != nil {
		return &c.lasts[run].plainOp
	}
	return &c.ops[c.runs[run].after-1]
}

// add takes the next write of a cell.
func (c *plainCell) add(node uint32) {
	n := int(c.writes)
	if last := len(c.runs) - 1; last < 0 || c.runs[last].node != node {
		c.runs = append(c.runs, plainRun{node: node, first: n})
	}
	c.writes++
	c.runs[len(c.runs)-1].after = n + 1
}

// plainRun is the writes of one node: they follow each other in ops.
type plainRun struct {
	node  uint32
	first int
	after int
}

// fewWrites is up to how many writes are sorted by moving each to its place.
const fewWrites = 12

// mostCells is how many cells a plain key may have.
const mostCells = 1 << 12

// fewCells is up to how many cells looking at each finds one sooner than a map.
const fewCells = 16

// plainBytes is how many bytes a plainOp takes.
const plainBytes = 64

// fewClaims is for how many claims the cells keep memory for the next key.
const fewClaims = 1 << 16

// foldPlain folds key number i if it is a plain one under all tables.
func (f *folder) foldPlain(i int) bool {
	from := &f.part.keys[i]
	k := &f.room.plain
	k.begin(f, from.name)
	f.room.built = f.room.built[:0]
	if !k.read(&f.part, from) || !k.settle() || !k.ranked(f.tables) {
		return false
	}
	if !k.split {
		if !k.plainUnder(f.tables) || !k.counted() {
			return false
		}
		k.know(f.common)
		k.fold(f.tables, f.sums)
		return true
	}
	if !k.divide() || !k.unchecked(f.tables) {
		return false
	}
	k.rows = k.rows[:0]
	if k.wholes {
		k.rows = append(k.rows, make([]plainRow, len(f.tables))...)
	}
	for i := range k.cells {
		if k.plainCell = &k.cells[i]; !k.plainUnder(f.tables) || !k.counted() {
			return false
		}
	}
	k.plainCell = &k.whole
	k.know(f.common)
	for i := range k.cells {
		k.plainCell = &k.cells[i]
		k.fold(f.tables, f.sums)
	}
	for t := range k.rows {
		k.tellPartial(&k.rows[t], f.sums[t])
	}
	return true
}

// plainRow is what is left of a key of which a write deletes the whole record: of the cells where such a write is kept, and of
// those where another is that does not delete, the last by name.
type plainRow struct {
	gone, alive           *plainOp // nil when there is none
	goneField, aliveField string
}

// note notes the write that a cell keeps.
func (r *plainRow) note(field string, kept *plainOp) {
	switch {
	case kept.form == noField:
		if r.gone == nil || field > r.goneField {
			r.gone, r.goneField = kept, field
		}
	case kept.kind != merge.Delete:
		if r.alive == nil || field > r.aliveField {
			r.alive, r.aliveField = kept, field
		}
	}
}

// tellPartial tells of a record that was deleted as a whole and lives on in parts.
func (k *plainKey) tellPartial(r *plainRow, s *sums) {
	if r.gone == nil || r.alive == nil || !s.told.wants(finding.PartialRow, k.place(r.gone)) {
		return
	}
	s.told.keep(finding.Finding{Code: finding.PartialRow, Place: k.place(r.gone), Key: k.name, Field: r.aliveField,
		Detail: livesOnDetail(r.aliveField)})
}

// begin makes k an empty key.
func (k *plainKey) begin(f *folder, name string) {
	claims := 0
	for i := range k.cells {
		claims += cap(k.cells[i].ops)
	}
	if claims > fewClaims {
		k.cells = nil
	}
	k.folder, k.name, k.plainCell, k.cells = f, name, &k.whole, k.cells[:0]
	k.split, k.deletes, k.adds, k.wholes = false, false, false, false
	k.whole.reset("")
}

// divide deals what the writes ask of each field to cells, in the order of the writes. It says no when they are too many.
func (k *plainKey) divide() bool {
	if k.wholes && !k.findCells() {
		return false
	}
	at, left := 0, k.folder.mostClaims()
	deal := func(i, at int, v value.Value) bool {
		if left--; left < 0 {
			return false
		}
		c, o := &k.cells[at], &k.ops[i]
		c.add(o.node)
		c.ops = append(c.ops, *o)
		claim := &c.ops[len(c.ops)-1]
		claim.value = v
		if claim.named() {
			claim.number = uint64(i) // which is in the same order
		}
		return true
	}
	for i := range k.ops {
		o := &k.ops[i]
		if o.form == noField {
			for at := range k.cells {
				if !deal(i, at, "") {
					return false
				}
			}
			continue
		}
		list := o.claims()
		for {
			field, v, ok := list.next()
			if !ok {
				break
			}
			if at = k.cell(field, at); at < 0 || !deal(i, at, v) {
				return false
			}
		}
	}
	return true
}

// findCells makes the cells that the writes name: a delete of the whole record is a claim on each, wherever it stands.
func (k *plainKey) findCells() bool {
	at := 0
	for i := range k.ops {
		list := k.ops[i].claims()
		for {
			field, _, ok := list.next()
			if !ok {
				break
			}
			if at = k.cell(field, at); at < 0 {
				return false
			}
		}
	}
	if len(k.cells) == 0 {
		k.cell("", 0)
	}
	return true
}

// index notes the number of the cell that comes next, among those that are to be found by their fields.
func (k *plainKey) index(field string, next int) {
	if next == fewCells {
		if k.places == nil {
			k.places = make(map[string]int)
		}
		clear(k.places)
		for i := range k.cells {
			k.places[k.cells[i].field] = i
		}
	}
	k.places[field] = next
}

// mostClaims is how many claims on cells may be held beside the writes of a key.
func (f *folder) mostClaims() int {
	if f.limit <= 0 {
		return math.MaxInt
	}
	return max(f.limit/plainBytes, 1<<10)
}

// cell returns the number of the cell of a field, which is mostly the one after at; -1 when there are too many.
func (k *plainKey) cell(field string, at int) int {
	for range min(len(k.cells), fewCells) {
		if at++; at >= len(k.cells) {
			at = 0
		}
		if k.cells[at].field == field {
			return at
		}
	}
	n := len(k.cells)
	if n > fewCells {
		if at, known := k.places[field]; known {
			return at
		}
	}
	if n == mostCells {
		return -1
	}
	if k.passing {
		field = strings.Clone(field)
	}
	if n >= fewCells {
		k.index(field, n)
	}
	if n < cap(k.cells) {
		k.cells = k.cells[:n+1]
	} else {
		k.cells = append(k.cells, plainCell{})
	}
	k.cells[n].reset(field)
	return n
}

// unchecked reports whether no table has a check on several fields of the key.
func (k *plainKey) unchecked(tables []*merge.Table) bool {
	for _, t := range tables {
		for _, check := range t.Checks {
			if check.Matches(k.name) {
				return false
			}
		}
	}
	return true
}

// ended hands over how the key ends under a table.
func (k *plainKey) ended(t int, kept *plainOp) {
	f := k.folder
	if f.state != nil && t == 0 && !k.sum.Value.IsAbsent() {
		f.lines = append(f.lines, StateLine{Key: k.name, Field: k.field, Value: k.sum.Value, ID: strings.Clone(k.sum.ID), By: k.sum.By})
	}
	if f.differ == nil {
		return
	}
	sum, was := &k.sum, &k.base
	if t == 0 {
		was.put(sum, kept)
		return
	}
	others, refuses := sum.Value != was.value, sum.Refused.Max > 0 != was.refused
	if !others && !refuses {
		return
	}
	c := &f.differ.others[t-1]
	c.Differ++
	if others {
		c.Cells++
	}
	if refuses {
		c.Refused++
	}
	if c.wants(k.name, k.field, f.differ.limit) {
		var is plainEnd
		is.put(sum, kept)
		c.note(CellDiff{Key: k.name, Field: k.field, Base: k.ending(0, was), Other: k.ending(t, &is)}, f.differ.limit)
	}
}

// plainEnd is how a plain key ends under one table; kept is nil when that is not one write.
type plainEnd struct {
	value   value.Value
	kept    *plainOp
	lost    Count
	refused bool
}

// put fills in each member by itself: what was just written in pieces is not to be copied in larger ones.
func (e *plainEnd) put(sum *Cell, kept *plainOp) {
	e.value, e.kept, e.refused = sum.Value, kept, sum.Refused.Max > 0
	e.lost.Min, e.lost.Max = sum.Lost.Min, sum.Lost.Max
}

// ending puts into words how the key ends under a table.
func (k *plainKey) ending(t int, end *plainEnd) Ending {
	e := Ending{Line: k.rules[t].Line, Rule: k.rules[t].Name, Value: end.value, Lost: end.lost, Refused: end.refused}
	if end.kept != nil {
		e.ID, e.By = k.id(end.kept), string(k.node(end.kept.node))
	}
	return e
}

// read takes the records of a key. It reports whether all are plain, and their ids of one kind.
func (k *plainKey) read(p *part, from *partKey) bool {
	if cap(k.ops) < from.count {
		k.ops = make([]plainOp, more(from.count, cap(k.ops)))
	}
	k.ops = k.ops[:from.count]
	n, lists := from.count, 0
	var r reader
	for at := from.last; at > 0; {
		s := &p.spots[at-1]
		at = s.before
		r.b, r.at = p.at[s.block], int(s.offset)
		n--
		o := &k.ops[n]
		field, ok := r.plain(o)
		if !ok || !o.ordered() {
			return false
		}
		if o.kind == merge.Delete {
			k.deletes = true
			k.wholes = k.wholes || o.form == noField
		}
		k.adds = k.adds || o.kind == merge.Add
		if n+1 == from.count {
			k.field, k.rank = field, o.rank
		}
		if o.form != oneField {
			lists++
		} else if field != k.field {
			k.split = true
		}
		if o.rank != k.rank {
			return false
		}
	}
	if k.split = k.split || lists > 0; k.split && lists < from.count {
		k.asTheyStand(p, from)
	}
	return true
}

// asTheyStand reads the fields of writes that are no lists again, with their names.
func (k *plainKey) asTheyStand(p *part, from *partKey) {
	n := from.count
	var r reader
	for at := from.last; at > 0; {
		s := &p.spots[at-1]
		at = s.before
		r.b, r.at = p.at[s.block], int(s.offset)
		n--
		if o := &k.ops[n]; o.form == oneField {
			o.value = r.field(o)
		}
	}
}

// settle sorts the writes by node and number and counts each once. It says no to one number with two payloads, to one stamp with
// two of them, and to two writes that are in no order.
func (k *plainKey) settle() bool {
	ops := k.ops
	if len(ops) > fewWrites {
		k.sort()
	} else {
		for i := 1; i < len(ops); i++ {
			j := i
			for ; j > 0 && (ops[j-1].node > ops[i].node || ops[j-1].node == ops[i].node && ops[j-1].number > ops[i].number); j-- {
			}
			if j < i {
				o := ops[i]
				copy(ops[j+1:i+1], ops[j:i])
				ops[j] = o
			}
		}
	}
	k.again = k.again[:0]
	n := 0
	for i := range ops {
		o := &ops[i]
		if n > 0 && ops[n-1].node == o.node && ops[n-1].number == o.number {
			first := &ops[n-1]
			if !o.again(first) {
				return false
			}
			if k.place(o).Compare(k.place(first)) < 0 {
				*first, *o = *o, *first
			}
			k.again = append(k.again, *o)
			continue
		}
		if n > 0 && ops[n-1].node == o.node && o.collides(&ops[n-1]) {
			return false
		}
		k.add(o.node)
		if n < i {
			ops[n] = *o
		}
		n++
	}
	k.ops = ops[:n]
	return k.rank < byVersionOfNamed || k.apart()
}

// apart reports whether the ids of all writes differ, which are written out: of many, whether the hashes do.
func (k *plainKey) apart() bool {
	ops := k.ops
	if len(ops) > fewWrites {
		k.hashes = k.hashes[:0]
		for i := range ops {
			k.hashes = append(k.hashes, k.folder.part.hash(ops[i].name()))
		}
		return allDiffer(k.hashes)
	}
	for i := range ops {
		for j := range i {
			if ops[i].name() == ops[j].name() {
				return false
			}
		}
	}
	return true
}

// allDiffer reports whether no number stands twice in a list, which it sorts.
func allDiffer(list []uint64) bool {
	slices.Sort(list)
	for i := 1; i < len(list); i++ {
		if list[i] == list[i-1] {
			return false
		}
	}
	return true
}

// sort sorts the writes: their turns first, which are a fifth as large.
func (k *plainKey) sort() {
	ops, s := k.ops, &k.turns
	s.begin(len(ops))
	for i := range ops {
		s.list = append(s.list, turn{ops[i].number, ops[i].node, uint32(i)})
	}
	s.sort()
	// Each round moves to its place the write that the one before it made room for.
	for i := range ops {
		if from := int(s.list[i].at); from != i {
			first, to := ops[i], i
			for ; from != i; from = int(s.list[to].at) {
				ops[to] = ops[from]
				s.list[to].at = uint32(to)
				to = from
			}
			ops[to] = first
			s.list[to].at = uint32(to)
		}
	}
}

// plainUnder reports whether plain keys can be folded by the rule of every table.
func (k *plainKey) plainUnder(tables []*merge.Table) bool {
	if k.rules == nil { // of more than a line of the processor's cache: others read what stands beside it
		k.rules, k.sums = make([]plainRule, 0, 16), make([]merge.Increments, 0, 16)
	}
	k.rules, k.sums = k.rules[:0], k.sums[:0]
	for t, table := range tables {
		rule := table.Rule(k.name, k.field)
		k.rules, k.sums = append(k.rules, k.folder.plain[t].rules[rule.Index()]), append(k.sums, merge.Increments{})
		if k.rules[t].way == noWay {
			return false
		}
		if k.deletes { // which some rules look at first
			k.rules[t].claims = claimOrder{}
		}
	}
	return true
}

// ranked reports whether every table knows the nodes.
func (k *plainKey) ranked(tables []*merge.Table) bool {
	ranks := k.folder.ranks
	for _, run := range k.runs {
		if ranks[run.node] == 0 {
			ranks[run.node] = 1
			for _, t := range tables {
				if len(t.Nodes) > 0 && t.Nodes.Rank(k.node(run.node)) <= 0 {
					ranks[run.node] = -1
				}
			}
		}
		if ranks[run.node] < 0 {
			return false
		}
	}
	return true
}

// counted adds the increments up for the rules that count. It says no when there is something else.
func (k *plainKey) counted() bool {
	for t, rule := range k.rules {
		if rule.way != byCounting {
			continue
		}
		for i := range k.ops {
			if !k.count(t, &k.ops[i]) {
				return false
			}
		}
	}
	return true
}

// count adds one write to the sum under a table, and reports whether it is an increment.
func (k *plainKey) count(t int, o *plainOp) bool {
	return o.kind == merge.Add && k.sums[t].Add(o.value)
}

// know counts all that doesn't depend on a table.
func (k *plainKey) know(s *sums) {
	s.totals.Keys++
	s.totals.Writes += k.writes
	s.totals.Duplicates += int64(len(k.again))
	for i := range k.again {
		o := &k.again[i]
		at, _ := slices.BinarySearchFunc(k.ops, o, func(a plainOp, b *plainOp) int {
			return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.number, b.number))
		})
		k.tellAgain(o, &k.ops[at], &s.told)
	}
	if len(k.runs) > 1 {
		s.sources[Unknown] += k.writes
	}
}

// tellAgain tells of a delivery beside the first, which is the one of the lowest place.
func (k *plainKey) tellAgain(o, first *plainOp, t *tally) {
	if place := k.place(o); t.wants(finding.DuplicateOp, place) {
		id := ""
		if o.named() {
			id = o.name()
		} else {
			id = k.id(o)
		}
		t.keep(finding.Finding{Code: finding.DuplicateOp, Place: place, Key: k.name, Detail: againDetail(id, k.place(first))})
	}
}

func (k *plainKey) node(n uint32) clock.Node { return clock.Node(k.folder.part.history.names.texts[n]) }

// id returns the id of what is asked of a field, "" when the write has none. It is good until the next key.
func (k *plainKey) id(o *plainOp) string {
	b := &k.folder.room.built
	start := len(*b)
	switch o.rank {
	case byNumber:
		*b = appendID(*b, k.node(o.node), o.number)
	case byDerived:
		*b = derivedID(*b, k.name, o.time(), k.node(o.node))
	case byVersionOfNamed, byTimeOfNamed:
		if len(k.whole.ops) == 0 { // of a long key, the writes of which differ in their stamps: see [longCell]
			return ""
		}
		return k.whole.ops[o.number].name()
	default:
		return ""
	}
	return unsafe.String(&(*b)[start], len(*b)-start)
}

func (k *plainKey) place(o *plainOp) finding.Place {
	return finding.Place{File: k.folder.part.history.names.texts[o.file], Line: int64(o.line), Item: int(o.item)}
}

// write makes w the write that a cell would keep of an operation, but for its id and dot, which decide between writes that
// are the same in all else: see beats.
func (k *plainKey) write(w *merge.Write, o *plainOp) {
	// Each member by itself: what is put together elsewhere and copied in larger pieces has the processor wait.
	w.Stamp.Version = o.version
	w.Stamp.Time.Wall, w.Stamp.Time.Logical = o.wall, o.logical
	w.Stamp.Node = k.node(o.node)
	w.Value, w.Deleted = o.value, o.kind == merge.Delete
}

// order orders two writes as the rule does, and says by which rung. Of most their versions and times tell, without making
// merge's writes of them.
func (k *plainKey) order(rule *plainRule, a, b *plainOp) (order int, by lww.Rung) {
	if order, by = rule.claims.compare(a, b); order != 0 {
		return order, by
	}
	k.write(&k.a, a)
	k.write(&k.b, b)
	return rule.Compare(&k.a, &k.b)
}

// plainRule is a rule, and what of it is worked out once.
type plainRule struct {
	*merge.Rule
	claims  claimOrder
	way     plainWay
	lists   bool // a cell of one write shows a list of it
	inverts bool // writes that lose by their stamp to what their writer had seen are counted
}

func plainRuleOf(r *merge.Rule) plainRule {
	return plainRule{r, claimOrderOf(r), plainWayOf(r), r.Name == "keep-all", r.Name == "lww" && r.Selects()}
}

// plainWay is how plain keys are folded by a rule.
type plainWay uint8

const (
	noWay      plainWay = iota // they aren't
	bySelect                   // it keeps one write, which beats all others
	byCounting                 // it adds up increments, which are all there is
	byFrontier                 // it keeps the last write of each node: nobody is known to have seen that
)

func plainWayOf(rule *merge.Rule) plainWay {
	switch {
	case rule.Together:
		return noWay
	case rule.Selects():
		return bySelect
	case rule.KeepsFrontier():
		return byFrontier
	case rule.Name == "counter":
		return byCounting
	}
	return noWay
}

// claimOrder is what a rule looks at first, as far as that is version and time: [lww.Same] stands for all that comes behind.
type claimOrder struct {
	rungs    [2]lww.Rung
	reversed bool // the least wins
}

func claimOrderOf(rule *merge.Rule) (c claimOrder) {
	if rule.Name != "lww" && rule.Name != "fww" {
		return c
	}
	c.reversed = rule.Name == "fww"
	order := rule.Ladder().Order
	if order == [3]lww.Rung{} {
		order = [3]lww.Rung{lww.Version, lww.Time, lww.Node}
	}
	n := 0
	for _, rung := range order {
		if rung == lww.Node {
			break
		}
		if rung != lww.Same { // a rung that the ladder leaves out
			c.rungs[n] = rung
			n++
		}
	}
	return c
}

// compare orders two writes by what the rule looks at first; 0 when that doesn't tell.
func (c *claimOrder) compare(a, b *plainOp) (order int, by lww.Rung) {
	for _, rung := range c.rungs {
		switch {
		case rung == lww.Version && a.version != b.version:
			order = cmp.Compare(a.version, b.version)
		case rung == lww.Time && a.wall != b.wall:
			order = cmp.Compare(a.wall, b.wall)
		case rung == lww.Time && a.logical != b.logical:
			order = cmp.Compare(a.logical, b.logical)
		default:
			continue
		}
		if c.reversed {
			order = -order
		}
		return order, rung
	}
	return 0, lww.Same
}

// beats reports whether an operation takes the place of the one that is kept.
func (k *plainKey) beats(rule *plainRule, o, kept *plainOp) bool {
	if order, _ := k.order(rule, o, kept); order != 0 {
		return order > 0
	}
	a, b := k.a, k.b
	a.ID, b.ID = k.id(o), k.id(kept)
	a.Dot, b.Dot = clock.Dot{Node: a.Stamp.Node, Seq: o.number}, clock.Dot{Node: b.Stamp.Node, Seq: kept.number} // in the order of the true ones
	return rule.Beats(&a, &b)
}

// fold merges the writes of a cell under each table and counts what comes of it.
func (k *plainKey) fold(tables []*merge.Table, sums []*sums) {
	k.texts = k.texts[:0]
	for t, table := range tables {
		k.foldUnder(t, table, sums[t])
	}
}

func (k *plainKey) foldUnder(t int, table *merge.Table, s *sums) {
	rule := &k.rules[t]
	if len(k.ops) == 1 && k.alone(t, table, rule, s) {
		return
	}
	var kept *plainOp
	var one RuleSum
	switch {
	case rule.way == byCounting:
	case rule.way == byFrontier:
		kept = k.foldFrontier(rule, &one, s)
	case len(k.ops) == 1:
		kept = &k.ops[0]
		s.totals.Kept++
	default:
		kept = &k.ops[0]
		for i := 1; i < len(k.ops); i++ {
			if o := &k.ops[i]; k.beats(rule, o, kept) {
				kept = o
			}
		}
		for _, run := range k.runs {
			for i := run.first; i < run.after; i++ {
				k.judge(rule, &k.ops[i], kept, i == run.after-1, &one, s)
			}
		}
		if rule.inverts {
			for _, run := range k.runs {
				greatest := &k.ops[run.first]
				for i := run.first + 1; i < run.after; i++ {
					greatest = k.invert(rule, greatest, &k.ops[i], s)
				}
			}
		}
	}
	if k.adds && !rule.Takes(merge.Add) {
		for i := range k.ops {
			if o := &k.ops[i]; o.kind == merge.Add {
				k.mismatch(rule, o, &s.told)
			}
		}
	}
	k.end(t, table, kept, &one, s)
}

// alone counts a cell of one write, of which there is nothing to say but that it is kept: three in ten cells of the benchmark. It
// says no when there is more to say.
func (k *plainKey) alone(t int, table *merge.Table, rule *plainRule, s *sums) bool {
	f := k.folder
	if rule.way == byCounting || rule.lists || k.adds || k.wholes || f.state != nil || len(table.Uniques) > 0 {
		return false
	}
	if f.differ != nil {
		o, base := &k.ops[0], &k.base
		shown := o.shown()
		switch {
		case t == 0:
			base.value, base.kept, base.refused, base.lost = shown, o, false, Count{}
		case base.refused || base.value != shown:
			return false
		}
	}
	s.totals.Kept++
	s.totals.Cells++
	one := &s.rules[rule.Index()]
	one.Cells++
	one.Writes++
	return true
}

// mismatch tells of an increment that the rule has no use for.
func (k *plainKey) mismatch(rule *plainRule, o *plainOp, t *tally) {
	if t.wants(finding.OpMismatch, k.place(o)) {
		t.keep(k.finding(finding.OpMismatch, o, mismatchDetail(rule.Rule, o.kind)))
	}
}

// foldFrontier counts what becomes of the writes of a cell under a rule that keeps the frontier, and returns the write that is
// kept; nil when that is not one.
func (k *plainKey) foldFrontier(rule *plainRule, one *RuleSum, s *sums) (kept *plainOp) {
	before := k.writes - int64(len(k.runs))
	one.Overwritten.add(Count{before, before}) // by the next of their nodes
	if len(k.runs) == 1 {
		s.totals.Kept++
		if rule.lists {
			k.findFrontier(rule)
		}
		return k.last(0)
	}
	one.Overwritten.Max = k.writes - 1 // any of them but one, by those that may have seen them
	k.findFrontier(rule)
	if n := int64(k.front.Combined()); n > 0 {
		one.Combined += n
		s.totals.Combined += n
		return nil
	}
	if w, ok := k.front.Write(); ok {
		kept = k.lastOf(&w)
	}
	for i := range k.front.Len() {
		w, v := k.front.At(i)
		o := k.lastOf(w)
		if v.Panicked != "" && s.told.wants(finding.RulePanic, k.place(o)) {
			s.told.keep(k.finding(finding.RulePanic, o, panicDetail(rule.Rule, v.Panicked)))
		}
		switch v.Outcome {
		case merge.Kept:
			s.totals.Kept++
		case merge.Combined:
			one.Combined++
			s.totals.Combined++
		case merge.Refused:
			one.Refused.Max++ // the others may have been seen
		case merge.Lost:
			if kept != nil && o.agrees(kept.shown()) {
				s.totals.Kept++
				break
			}
			one.Lost.Max++
			k.decided(rule, o, k.lastOf(v.Against), -1, v.By, s)
		}
	}
	return kept
}

// findFrontier makes k.front the frontier of the cell: the last write of each node, which had seen those before it. Their dots
// say of which run they are.
func (k *plainKey) findFrontier(rule *plainRule) {
	k.unseen = slices.Grow(k.unseen[:0], len(k.runs))[:len(k.runs)]
	for i := range k.unseen {
		w := &k.unseen[i]
		k.write(w, k.last(i))
		w.ID, w.Dot.Node, w.Dot.Seq = "", w.Stamp.Node, uint64(i)+1
	}
	k.front = rule.Frontier(k.unseen)
}

// lastOf returns the write behind one of the frontier.
func (k *plainKey) lastOf(w *merge.Write) *plainOp { return k.last(int(w.Dot.Seq) - 1) }

// end counts what there is to count once for a cell, beside what became of each write; kept is nil when that is not one. How
// the cell ends is in k.sum; its value, id and node may be left out when nobody will see them.
func (k *plainKey) end(t int, table *merge.Table, kept *plainOp, one *RuleSum, s *sums) {
	rule := &k.rules[t]
	n := k.writes
	sum := &k.sum
	*sum = Cell{}
	sum.Key, sum.Field, sum.Line, sum.Rule, sum.Writes = k.name, k.field, rule.Line, rule.Name, n
	sum.Lost.Min, sum.Lost.Max, sum.Refused.Min, sum.Refused.Max = one.Lost.Min, one.Lost.Max, one.Refused.Min, one.Refused.Max
	var writes Count
	if len(k.runs) > 1 {
		pairs := n * n
		for _, run := range k.runs {
			m := int64(run.after - run.first)
			pairs -= m * m
		}
		sum.Conflicts.Max, writes.Max = pairs/2, n
	}
	shown := k.folder.shows(sum, s)
	wanted := shown || k.folder.differ != nil || len(table.Uniques) > 0
	if kept != nil {
		sum.Value = kept.shown()
		if k.wholes {
			k.rows[t].note(k.field, kept)
		}
		if shown {
			sum.By = string(k.node(kept.node))
			if k.keeps != nil {
				sum.ID = k.keeps[t]
			} else {
				sum.ID = k.id(kept)
			}
		}
	}
	switch rule.way {
	case byFrontier:
		switch {
		case len(k.runs) == 1 && !rule.lists: // it shows what is kept
		case shown || len(table.Uniques) > 0:
			sum.Value = k.front.Value()
		case wanted:
			sum.Value = k.compared()
		}
	case byCounting:
		one.Combined, s.totals.Combined = n, s.totals.Combined+n
		if wanted {
			sum.Value = k.sums[t].Value()
		}
		for _, run := range k.runs {
			if counting := &k.folder.plain[t].counting[run.node]; !*counting {
				*counting = true
				s.counts(k.node(run.node))
			}
		}
	}
	if rule.NeedsDots() && sum.Conflicts.Max > 0 {
		k.tellUnknown(rule.Rule, &s.told)
	}
	one.Cells, one.Writes, one.Conflicts = 1, n, sum.Conflicts
	total := &s.totals
	total.Cells++
	total.Conflicts.add(sum.Conflicts)
	total.Conflicting.add(writes)
	total.Overwritten.add(one.Overwritten)
	total.Lost.add(one.Lost)
	total.Refused.add(one.Refused)
	s.rules[rule.Index()].add(one)
	s.worst.offer(sum)
	for i, u := range table.Uniques {
		if u.Field == k.field && u.Matches(k.name) && !sum.Value.IsAbsent() && sum.Value != value.Null {
			o := kept
			if o == nil {
				o = k.first()
			}
			s.unique(i, sum.Value, k.name, k.place(o))
		}
	}
	k.ended(t, kept)
}

// compared returns what a frontier shows, to be compared with what others show under other tables. It is good until the next cell.
func (k *plainKey) compared() value.Value {
	start := len(k.texts)
	k.texts = k.front.AppendValue(k.texts)
	text := k.texts[start:]
	return value.Value(unsafe.String(unsafe.SliceData(text), len(text)))
}

// shows reports whether anybody will see how a cell ends.
func (f *folder) shows(c *Cell, s *sums) bool {
	return f.state != nil || s.worst.wants(c)
}

// judge counts what became of a write; last says that its node made none after it.
func (k *plainKey) judge(rule *plainRule, o, kept *plainOp, last bool, one *RuleSum, s *sums) {
	if o.node != kept.node || o.version != kept.version || o.wall != kept.wall {
		if !last {
			one.Overwritten.add(Count{1, 1}) // by the next of its node
			return
		}
	} else if o.number == kept.number {
		s.totals.Kept++
		return
	}
	order, by := k.order(rule, o, kept)
	others := len(k.runs) > 1
	switch {
	case order == 0: // the same in all that counts
		s.totals.Kept++
	case !last:
		one.Overwritten.add(Count{1, 1})
	case o.agrees(kept.shown()):
		s.totals.Kept++
		if others {
			one.Overwritten.Max++
		}
	default:
		one.Lost.Max++
		if others {
			one.Overwritten.Max++
		} else {
			one.Lost.Min++
		}
		k.decided(rule, o, kept, order, by, s)
	}
}

// decided counts the rung that decided against a write that is lost, or perhaps lost.
func (k *plainKey) decided(rule *plainRule, loser, winner *plainOp, order int, by lww.Rung, s *sums) {
	s.decided.count(by)
	switch by {
	case lww.Time:
		k.write(&k.a, loser)
		k.write(&k.b, winner)
		margin := lww.Judge(rule.Ladder(), k.a.Stamp, k.b.Stamp, order, by).Margin
		s.close(pair{loser.node, winner.node}, margin)
		if mixed(loser.precision, winner.precision, margin) && s.told.wants(finding.MixedPrecision, k.place(loser)) {
			s.told.keep(k.finding(finding.MixedPrecision, loser, mixedDetail(loser.precision, winner.precision, margin, k.place(winner))))
		}
	case lww.Value:
		if s.told.wants(finding.ValueDependentWinner, k.place(loser)) {
			s.told.keep(k.finding(finding.ValueDependentWinner, loser, valueDependentDetail))
		}
	}
}

func (k *plainKey) finding(code finding.Code, o *plainOp, detail string) finding.Finding {
	return finding.Finding{Code: code, Place: k.place(o), Key: k.name, Field: k.field, Detail: detail}
}

// invert counts a write that loses by its stamp to the greatest of its node so far, and returns the greatest with it.
func (k *plainKey) invert(rule *plainRule, greatest, o *plainOp, s *sums) *plainOp {
	if order, _ := rule.claims.compare(greatest, o); order < 0 {
		return o
	}
	ladder := rule.Ladder()
	k.write(&k.a, greatest)
	k.write(&k.b, o)
	order, by := ladder.Compare(k.a.Stamp, k.b.Stamp)
	if order < 0 {
		return o
	}
	if order > 0 {
		s.totals.Inversions++
		if s.told.wants(finding.Inversion, k.place(o)) {
			s.told.keep(k.finding(finding.Inversion, o, inversionDetail(ladder, k.place(greatest), k.a.Stamp, k.b.Stamp, order, by)))
		}
	}
	return greatest
}

// tellUnknown tells, at the first write by the claims, that nothing says who had seen what.
func (k *plainKey) tellUnknown(rule *merge.Rule, t *tally) {
	if place := k.place(k.first()); t.wants(finding.UnknownCausality, place) {
		t.keep(finding.Finding{Code: finding.UnknownCausality, Place: place, Key: k.name, Field: k.field, Detail: unknownDetail(rule)})
	}
}

// first returns the first write by the claims.
func (k *plainKey) first() *plainOp {
	if k.earliest != nil {
		return k.earliest
	}
	first := &k.ops[0]
	for i := range k.ops[1:] {
		if o := &k.ops[i+1]; o.wall < first.wall || o.wall == first.wall && k.compare(o, first) < 0 {
			first = o
		}
	}
	return first
}

// compare is comparePayload.
func (k *plainKey) compare(a, b *plainOp) int {
	if a.wall != b.wall {
		return cmp.Compare(a.wall, b.wall)
	}
	return cmp.Or(cmp.Compare(a.logical, b.logical), cmp.Compare(a.version, b.version), cmp.Compare(k.node(a.node), k.node(b.node)),
		cmp.Compare(k.id(a), k.id(b)))
}

// plainTable is what is worked out of a table once, for all plain keys.
type plainTable struct {
	rules    []plainRule
	counting []bool // by the number of a node: whether it is known to have raised a counter
}

func newPlainTable(t *merge.Table, names int) plainTable {
	p := plainTable{rules: make([]plainRule, len(t.Rules)), counting: make([]bool, names)}
	for i, r := range t.Rules {
		p.rules[i] = plainRuleOf(r)
	}
	return p
}
