package replay

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// Most keys of most histories are plain: their writes set, raise or delete fields, or delete the record, and say nothing of
// what their writers had seen, and something puts those of a node in order: the numbers of their ids or, where those tell
// nothing, their versions or times. Of such a key all that a report says is counting: of one node each write has seen those
// before it, and of the others nobody knows. So a plain key is counted in a tenth of the time and memory that [key] takes,
// with the same decisions of the same rules. Whatever is out of the ordinary makes a key a common one, before anything of it
// is counted.
//
// A test folds every key both ways and compares the reports.

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
	k.beginRows(len(f.tables))
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

// plainRow is what is left of a key of which a write deletes the whole record: the cells where such a write is kept, of which one
// stands for all that keep the same, and those where another is that does not delete.
type plainRow struct{ gone, alive []plainEnding }

// plainEnding is the write that a cell keeps.
type plainEnding struct {
	field string
	kept  *plainOp
}

// beginRows makes the rows of a key, one for each table, where one of its writes deletes the whole record.
func (k *plainKey) beginRows(tables int) {
	if !k.wholes {
		tables = 0
	}
	k.rows = slices.Grow(k.rows[:0], tables)[:tables]
	for t := range k.rows {
		r := &k.rows[t]
		r.gone, r.alive = r.gone[:0], r.alive[:0]
	}
}

// note notes the write that a cell keeps.
func (r *plainRow) note(field string, kept *plainOp) {
	switch {
	case kept.form == noField:
		for i := range r.gone {
			if g := &r.gone[i]; g.kept.node == kept.node && g.kept.number == kept.number {
				g.field = max(g.field, field)
				return
			}
		}
		r.gone = append(r.gone, plainEnding{field, kept})
	case kept.kind != merge.Delete:
		r.alive = append(r.alive, plainEnding{field, kept})
	}
}

// tellPartial tells of a record that was deleted as a whole and lives on in parts, by a write that is not known to have seen that:
// of the last such field by its name, and of the delete that is kept in the last one.
func (k *plainKey) tellPartial(r *plainRow, s *sums) {
	var gone, alive *plainEnding
	for i := range r.alive {
		a := &r.alive[i]
		if alive != nil && a.field < alive.field {
			continue
		}
		var unseen *plainEnding
		for j := range r.gone {
			g := &r.gone[j]
			if (g.kept.node != a.kept.node || g.kept.number > a.kept.number) && (unseen == nil || g.field > unseen.field) {
				unseen = g
			}
		}
		if unseen != nil {
			gone, alive = unseen, a
		}
	}
	if gone == nil || !s.told.wants(finding.PartialRow, k.place(gone.kept)) {
		return
	}
	s.told.keep(finding.Finding{Code: finding.PartialRow, Place: k.place(gone.kept), Key: k.name, Field: alive.field,
		Detail: livesOnDetail(alive.field)})
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

// unchecked reports whether no table has a check on several fields of the key.
func (k *plainKey) unchecked(tables []*merge.Table) bool {
	for _, t := range tables {
		for range t.ChecksOf(k.name) {
			return false
		}
	}
	return true
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
	n, top, back := 0, 0, false // top has the greatest stamp of its node so far
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
		if n == 0 || ops[n-1].node != o.node || o.above(&ops[top]) {
			top = n
		} else if o.exclusive() {
			back = true
		}
		k.add(o.node)
		if n < i {
			ops[n] = *o
		}
		n++
	}
	k.ops = ops[:n]
	return (!back || k.stampsApart()) && (k.rank < byVersionOfNamed || k.apart())
}

// stampsApart reports whether no two writes of a node have one stamp that they should not: of many, whether the hashes differ.
func (k *plainKey) stampsApart() bool {
	ops := k.ops
	if len(ops) > fewWrites {
		k.hashes = k.hashes[:0]
		for i := range ops {
			if ops[i].exclusive() {
				stamp := ops[i].stampBytes()
				k.hashes = append(k.hashes, k.folder.part.hash(string(stamp[:])))
			}
		}
		return allDiffer(k.hashes)
	}
	for i := range ops {
		for j := i - 1; j >= 0 && ops[j].node == ops[i].node; j-- {
			if ops[i].collides(&ops[j]) {
				return false
			}
		}
	}
	return true
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

// first returns the first write by the claims.
func (k *plainKey) first() *plainOp {
	if k.earliest != nil {
		return k.earliest
	}
	k.earliest = &k.ops[0]
	for i := range k.ops[1:] {
		if o := &k.ops[i+1]; o.wall < k.earliest.wall || o.wall == k.earliest.wall && k.compare(o, k.earliest) < 0 {
			k.earliest = o
		}
	}
	return k.earliest
}

func (k *plainKey) finding(code finding.Code, o *plainOp, detail string) finding.Finding {
	return finding.Finding{Code: code, Place: k.place(o), Key: k.name, Field: k.field, Detail: detail}
}
