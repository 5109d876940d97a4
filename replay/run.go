package replay

import (
	"cmp"
	"hash/maphash"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Options says how to run. The zero value is the default of each.
type Options struct {
	// Lag is how long a write takes to be seen by other nodes, for writes whose history says nothing better: at least
	// that old, it was seen; younger, it was not. Zero means that nobody knows.
	Lag time.Duration

	// Skew is how far the clocks of two nodes are taken to differ at least, besides what the history shows.
	Skew time.Duration

	// MaxDrift is how far ahead of a reader's clock a stamp may be before it is told as clock_ahead, and, unless Skew is more, how far the
	// clocks of two regions may differ where deletes of their exports are matched. Zero means [clock.DefaultMaxDrift].
	MaxDrift time.Duration

	// Worst is how many of the worst cells the report names. Zero means 10.
	Worst int

	// Workers is how many goroutines fold; 0 is one for each processor.
	Workers int

	// State, when not nil, is called with the merged state, cell by cell, sorted by key and field. Deleted cells are
	// left out.
	State func(StateLine)

	slack int64 // by how much clocks may be apart where the lag tells what was seen: of ReadKeys alone
}

// drift returns how far the clocks of two regions are taken to differ.
func (o *Options) drift() int64 { return int64(max(cmp.Or(o.MaxDrift, clock.DefaultMaxDrift), o.Skew)) }

func (o *Options) workers() int { return cmp.Or(max(o.Workers, 0), runtime.GOMAXPROCS(0)) }

// StateLine is one cell of the merged state.
type StateLine struct {
	Key   string      `json:"key"`
	Field string      `json:"field"`
	Value value.Value `json:"value"`
	ID    string      `json:"id"` // of the write that is kept; "" when it is several, or has none
	By    string      `json:"by"` // its node
}

// Run merges the history under a table and reports what that would have done.
func (h *History) Run(table *merge.Table, opt Options) *Report {
	w := work{tables: []*merge.Table{table}, opt: &opt}
	if opt.State != nil {
		w.state = &stateSorter{store: h.store}
	}
	s := h.fold(&w)[0]
	if opt.State != nil {
		h.failed.set(w.state.each(opt.State))
	}
	return h.report(table, s, &opt)
}

// work is what is to be done with each key of a history.
type work struct {
	tables []*merge.Table
	opt    *Options

	// differ, when not nil, returns what one goroutine compares the tables with.
	differ func() *differ

	// cells, when not nil, is called with each key's cells under each table, by several goroutines.
	//
	// HAZARD: of the key and its cells nothing may be kept, not even texts: see [room].
	cells func(cells []*cell)

	state *stateSorter // of the first table; nil when nobody wants it
}

// fold runs every part of the history and returns the sums of each table.
func (h *History) fold(w *work) []*sums {
	workers := w.opt.workers()
	order := make([]int, partitions)
	for p := range order {
		order[p] = p
	}
	// The largest first, so that the last ones to end are small.
	slices.SortStableFunc(order, func(p, q int) int { return cmp.Compare(h.store.parts[q].size, h.store.parts[p].size) })
	next := make(chan int, partitions)
	for _, p := range order {
		next <- p
	}
	close(next)
	all := make([]*folder, workers)
	seed := maphash.MakeSeed()
	h.failed.set(h.clearForLong(&h.store.parts[order[0]], workers))
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			f := h.newFolder(w, seed)
			f.limit = h.store.fold(workers)
			f.part.fetch = h.store.fetcher()
			defer f.part.close()
			for p, ok := <-next; ok; {
				var then *shelf
				after, taken := 0, false
				if len(next) >= workers { // the last ones are for whoever comes first
					if after, taken = <-next; taken {
						then = &h.store.parts[after]
					}
				}
				if err := f.foldShelf(&h.store.parts[p], then, 0, math.MaxInt); err != nil {
					h.failed.set(err)
					break
				}
				if p = after; !taken {
					p, ok = <-next
				}
			}
			all[i] = f
		})
	}
	wg.Wait()
	first := all[0]
	for _, f := range all[1:] {
		first.common.join(f.common)
		for t, s := range f.sums {
			first.sums[t].join(s)
		}
	}
	for t, s := range first.sums {
		s.join(first.common)
		same := make([]*sums, len(all))
		for i, f := range all {
			same[i] = f.sums[t]
		}
		h.failed.set(s.tosses(same, int64(w.opt.Skew)))
		h.failed.set(s.tellShared(same))
	}
	return first.sums
}

// folder is one goroutine that folds.
type folder struct {
	*work
	part   part
	room   room
	common *sums        // of what no table has a say in
	sums   []*sums      // by table
	differ *differ      // nil when nobody compares the tables
	plain  []plainTable // by table; nil when no key may be folded as a plain one
	ranks  []int8       // by the number of a node: 1 when every table knows it, or has no list, -1 when not, 0 when nobody has asked
	lines  []StateLine  // of the shelf at hand
	limit  int          // bytes of records that it may hold at once; zero or below is without limit
}

func (h *History) newFolder(w *work, seed maphash.Seed) *folder {
	h.resolve(w.opt.workers())
	f := &folder{
		work:   w,
		part:   part{history: h, ranks: h.ranks(), spans: h.spans(), came: h.arrivals(), seed: seed},
		room:   room{slots: make([]int32, len(h.names.texts)), ids: ids{seed: seed}},
		common: newSums(&merge.Table{}, w.opt, h),
	}
	for _, table := range w.tables {
		f.sums = append(f.sums, newSums(table, w.opt, h))
	}
	if w.differ != nil {
		f.differ = w.differ()
	}
	if w.cells == nil && w.opt.Lag == 0 {
		f.ranks = make([]int8, len(h.names.texts))
		for t := range w.tables {
			f.plain = append(f.plain, newPlainTable(w.tables, t, len(h.names.texts)))
		}
	}
	return f
}

// foldShelf folds all keys of a shelf, in whatever order they are found: no sum depends on it. One that is too large is
// folded by less and less. level is how often what it holds has been split, and was the size of what it was split from.
func (f *folder) foldShelf(from, then *shelf, level, was int) error {
	if f.limit > 0 && from.size > f.limit {
		others, ok, err := f.foldLong(from)
		if err != nil {
			return err
		}
		if ok {
			defer f.part.history.store.drop(&others)
			from = &others
		}
		// What splitting did not make smaller is of keys that look alike.
		if from.size > f.limit && level < maxSplits && (ok || from.size <= was/2) {
			even, err := f.part.even(from, gatheredAtOnce*f.limit)
			if err != nil {
				return err
			}
			if !even {
				return f.foldSplit(from, then, level)
			}
		}
	}
	f.lines = f.lines[:0]
	return f.part.eachBite(from, then, gatheredAtOnce*f.limit, func() {
		f.part.tellConfusable(&f.room, &f.common.told)
		for i := range f.part.keys {
			if f.plain == nil || !f.foldPlain(i) {
				f.fold(f.part.key(i, &f.room))
			}
		}
	}, f.take)
}

// take takes the lines of the state, whose texts are good no longer than what they were folded from.
func (f *folder) take() error {
	if f.state == nil {
		return nil
	}
	err := f.state.take(f.lines)
	f.lines = f.lines[:0]
	return err
}

// foldSplit splits a shelf and folds the parts.
func (f *folder) foldSplit(from, then *shelf, level int) error {
	shelves, err := f.part.split(from, level)
	if err != nil {
		return err
	}
	for i := range shelves {
		after := then
		if i+1 < len(shelves) {
			after = &shelves[i+1]
		}
		if err := f.foldShelf(&shelves[i], after, level+1, from.size); err != nil {
			return err
		}
		f.part.history.store.drop(&shelves[i])
	}
	return nil
}

// fold merges all that happened to one key, under each table, and counts it.
func (f *folder) fold(k *key) {
	if len(k.ops) == 0 { // it arrived, and was written before the history begins
		k.settle(f.opt, &f.common.totals, &f.common.told)
		return
	}
	k.know(f.opt, f.common)
	for t, table := range f.tables {
		cells := k.fold(table, f.sums[t])
		if f.state != nil && t == 0 {
			for i := range cells {
				if c := cells[i]; !c.sum.Value.IsAbsent() {
					f.lines = append(f.lines, StateLine{Key: k.name, Field: c.name, Value: c.sum.Value, ID: strings.Clone(c.sum.ID), By: c.sum.By})
				}
			}
		}
		if f.differ != nil {
			f.differ.visit(t, k.name, cells)
		}
		if f.cells != nil {
			f.cells(cells)
		}
	}
}

// know works out all that doesn't depend on a table: the operations, each once, and what their writers had seen.
func (k *key) know(opt *Options, s *sums) {
	k.settle(opt, &s.totals, &s.told)
	s.arrived(k.room.late)
	s.totals.Keys++
	k.arrange(opt, &s.told)
	s.known(k)
	s.clocks(k, opt)
}

// fold merges the key under a table and counts what comes of it. The cells are good until the next fold.
func (k *key) fold(table *merge.Table, s *sums) []*cell {
	return k.foldTo(table, s, func(*cell) *sums { return s })
}

// foldTo is fold, but counts what comes of each cell to sums of its own.
func (k *key) foldTo(table *merge.Table, s *sums, of func(*cell) *sums) []*cell {
	k.room.beginCells()
	k.table = table
	s.nodesOf(k, table)
	cells := k.cells(table)
	for _, c := range cells {
		c.fold()
		c.tell(of(c))
	}
	k.check(table, cells, s)
	return cells
}

// claimed says whose a claim is: of which operation, on which cell.
type claimed struct{ op, cell int32 }

// cells sorts the claims of the key's operations into cells, by name. A delete of the whole record is a claim on each.
func (k *key) cells(table *merge.Table) []*cell {
	r := k.room
	k.deletes = 0
	last := 0
	cellOf := func(claim *merge.Claim) int {
		// The fields of a record mostly come in one order.
		for range min(len(r.cells), fewCells) {
			if last++; last >= len(r.cells) {
				last = 0
			}
			if c := r.cells[last]; c.name == claim.Cell && c.rule == claim.Rule {
				return last
			}
		}
		n := len(r.cells)
		if n > fewCells {
			if at, known := r.places[cellName{claim.Rule, claim.Cell}]; known {
				last = at
				return last
			}
		}
		if n >= fewCells {
			r.index(claim, n)
		}
		c := &r.cellsOf.raw(1)[0]
		*c = cell{key: k, rule: claim.Rule, name: claim.Cell}
		r.cells = append(r.cells, c)
		last = n
		return last
	}
	if k.kept != nil {
		r.claims, r.claimed = slices.Grow(r.claims, len(k.ops)), slices.Grow(r.claimed, len(k.ops))
	}
	for i := range k.ops {
		r.tick()
		op := k.payload(&k.ops[i])
		if op.WholeDelete() {
			k.deletes++
			continue
		}
		if k.kept == nil {
			r.claims = r.claims[:0]
		}
		made := len(r.claims)
		r.claims = table.Claims(op, r.claims)
		for j := made; j < len(r.claims); j++ {
			at := cellOf(&r.claims[j])
			c := r.cells[at]
			c.count++
			c.partial = c.partial || r.claims[j].Partial
			if k.kept != nil {
				r.claimed = append(r.claimed, claimed{int32(i), int32(at)})
			}
		}
	}
	if k.deletes > 0 && len(r.cells) == 0 {
		rule := table.Rule(k.name, "")
		cellOf(&merge.Claim{Rule: rule, Cell: rule.Cell("")})
	}
	if len(r.cells) == 1 && k.deletes == 0 && k.kept != nil { // mostly: the claims are all of it
		c := r.cells[0]
		c.claims, c.op = r.claims, r.indexes.raw(len(r.claims))
		for j := range r.claimed {
			c.op[j] = r.claimed[j].op
		}
		return r.cells
	}
	for _, c := range r.cells {
		c.op = r.indexes.raw(c.count + k.deletes)[:0]
		if k.kept != nil {
			c.claims = r.own.raw(c.count + k.deletes)[:0]
		} else {
			c.nth = r.indexes.raw(c.count + k.deletes)[:0]
		}
	}
	if k.kept != nil {
		k.deal()
	} else {
		k.dealAgain(cellOf)
	}
	slices.SortFunc(r.cells, func(a, b *cell) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.rule.Line, b.rule.Line))
	})
	return r.cells
}

// cellName is what a cell of a key is told by.
type cellName struct {
	rule *merge.Rule
	name string
}

// index notes the number of the cell of a claim, which comes next, among those that are to be found by their names.
func (r *room) index(claim *merge.Claim, next int) {
	if next == fewCells {
		if r.places == nil {
			r.places = make(map[cellName]int)
		}
		clear(r.places)
		for i := range r.cells {
			r.places[cellName{r.cells[i].rule, r.cells[i].name}] = i
		}
	}
	r.places[cellName{claim.Rule, claim.Cell}] = next
}

// deal gives the cells their claims.
func (k *key) deal() {
	r := k.room
	at := 0
	for i := range k.ops {
		if op := k.payload(&k.ops[i]); op.WholeDelete() {
			for _, c := range r.cells {
				c.claims, c.op = append(c.claims, k.table.Delete(op, c.rule, c.name)), append(c.op, int32(i))
			}
		}
		for ; at < len(r.claimed) && int(r.claimed[at].op) == i; at++ {
			c := r.cells[r.claimed[at].cell]
			c.claims, c.op = append(c.claims, r.claims[at]), append(c.op, int32(i))
		}
	}
}

// fewFields is up to how many fields reading all of a record is as quick as reading one.
const fewFields = 8

// dealAgain tells the cells of which claims of the operations they are, when there are too many to keep them.
func (k *key) dealAgain(cellOf func(*merge.Claim) int) {
	r := k.room
	for i := range k.ops {
		r.tick()
		op := k.payload(&k.ops[i])
		if op.WholeDelete() {
			for _, c := range r.cells {
				c.op, c.nth = append(c.op, int32(i)), append(c.nth, ofRecord)
			}
			continue
		}
		var at []int32
		if len(op.Fields) > fewFields {
			op, at = k.fieldsOf(k.ops[i].slot)
		}
		r.claims = k.table.Claims(op, r.claims[:0])
		field := 0
		for j := range r.claims {
			claim := &r.claims[j]
			c, n := r.cells[cellOf(claim)], int32(j)
			if at != nil && !claim.Rule.Together {
				for op.Fields[field].Name != claim.Cell { // those between make no claim, or one together
					field++
				}
				n = alone(at[field])
			}
			c.op, c.nth = append(c.op, int32(i)), append(c.nth, n)
		}
	}
}

// check evaluates what the table says of the merged record: its checks, its unique fields, and whether a record that
// was deleted as a whole lives on in parts.
func (k *key) check(table *merge.Table, cells []*cell, s *sums) {
	k.partial(cells, s)
	if len(table.Checks)+len(table.Uniques) == 0 {
		return
	}
	// The kept value of a field, and the write that it is of.
	get := func(field string) (value.Value, *cell) {
		rule := table.Rule(k.name, field)
		name := rule.Cell(field)
		for _, c := range cells {
			if c.rule != rule || c.name != name {
				continue
			}
			if rule.Together && field != "" {
				return c.sum.Value.Get(field), c
			}
			return c.sum.Value, c
		}
		return "", nil
	}
	for i, check := range table.ChecksOf(k.name) {
		trial := check.Try(func(field string) value.Value { v, _ := get(field); return v })
		if s.checks[i].note(trial); trial != merge.Broken {
			continue
		}
		var broken []*cell
		var fields, says []string
		for _, side := range [...]merge.Operand{check.Left, check.Right} {
			if side.Const.IsAbsent() {
				v, c := get(side.Field)
				broken, fields = append(broken, c), append(fields, side.Field)
				says = append(says, side.Field+" is "+brief(v)+from(c))
			}
		}
		if ofSeveral(broken) { // else one write broke it: that is no fault of the merge
			s.told.tell(finding.Finding{Code: finding.InvariantBroken, Place: broken[0].lastPlace(), Key: k.name, Field: fields[0],
				Detail: brokenDetail(*check, says)})
		}
	}
	for i, u := range table.UniquesOf(k.name) {
		if v, c := get(u.Field); c != nil && !v.IsAbsent() && v != value.Null {
			s.unique(i, v, k.name, c.lastPlace())
		}
	}
}

func brokenDetail(c merge.Check, says []string) string {
	return c.String() + " fails: " + strings.Join(says, ", ")
}

// ofSeveral reports whether what cells show is of more than one write.
func ofSeveral(cells []*cell) bool {
	var first *op
	for _, c := range cells {
		o := c.opOf(0)
		if w, ok := c.state.Write(); ok {
			o = c.find(&w)
		} else if len(c.op) > 1 {
			return true
		}
		if first == nil {
			first = o
		} else if o != first {
			return true
		}
	}
	return false
}

func from(c *cell) string {
	switch {
	case c.sum.ID != "":
		return " of " + c.sum.ID
	case c.sum.By != "":
		return " of " + c.sum.By
	}
	return ""
}

// lastPlace returns where the write that the cell keeps was found; the first of its writes when it keeps several.
func (c *cell) lastPlace() finding.Place {
	if w, ok := c.state.Write(); ok {
		if o := c.find(&w); o != nil {
			return c.key.place(o)
		}
	}
	return c.key.place(c.opOf(0))
}

// partial tells of records that were deleted as a whole and live on in some of their fields by writes that had not seen that, and
// of groups of fields that were not written whole.
func (k *key) partial(cells []*cell, s *sums) {
	var gone []int32  // the deletes that are kept, each once
	var alive []*cell // that keep something else
	for _, c := range cells {
		if k.deletes == 0 && !c.partial {
			continue
		}
		w, ok := c.state.Write()
		if !ok {
			continue
		}
		switch o := c.find(&w); {
		case o == nil:
		case k.payload(o).WholeDelete():
			at := c.indexOf(&w)
			gone = append(slices.DeleteFunc(gone, func(g int32) bool { return g == at }), at)
		case !w.Deleted:
			alive = append(alive, c)
			for j := range c.op {
				if c.opOf(j) == o && c.claim(j).Partial && s.told.wants(finding.PartialRow, k.place(o)) {
					s.told.keep(c.finding(finding.PartialRow, o, "the write that is kept wrote only some of the fields decided together, and the rest is gone with it"))
				}
			}
		}
	}
	if len(gone) == 0 {
		return
	}
	for _, c := range slices.Backward(alive) {
		w, _ := c.state.Write()
		at := int(c.indexOf(&w))
		for _, g := range slices.Backward(gone) {
			k.room.tick()
			if k.relate(int(g), at) == before { // who had seen it wrote the record anew
				continue
			}
			if o := &k.ops[g]; s.told.wants(finding.PartialRow, k.place(o)) {
				s.told.keep(c.finding(finding.PartialRow, o, livesOnDetail(c.name)))
			}
			return
		}
	}
}

func livesOnDetail(field string) string {
	return "the record was deleted, and " + quote(field) + " lives on without the rest of it"
}

func (s *sums) known(k *key) {
	if len(k.nodes) < 2 && (k.nodes[0] != "" || len(k.ops) < 2) {
		return
	}
	for i := range k.stand {
		k.room.tick()
		s.sources[k.stand[i].source]++
	}
}

// nodesOf tells of the writes of nodes that the table doesn't declare.
func (s *sums) nodesOf(k *key, table *merge.Table) {
	for n := range k.nodes {
		node := k.writer(&k.ops[k.inOrder[n][0]])
		if node != "" && (len(table.Nodes) == 0 || table.Nodes.Rank(node) > 0) {
			continue
		}
		for _, i := range k.inOrder[n] {
			k.room.tick()
			o := &k.ops[i]
			if !s.told.wants(finding.UnknownNode, k.place(o)) {
				continue
			}
			detail := "nothing says where this write began: name the export's region or the column that holds the origin"
			switch {
			case node == "" && o.kind == merge.Delete && k.part.history.renamed:
				detail = "a delete tells no column, and what the exports of the regions show leaves open where it began: it counts in each that has it, at the time when it came there"
			case node == "" && k.part.history.renamed:
				detail = "the row has nothing in what -origin names, so nothing says where it was written: it counts in the export of each region that has it"
			case node != "":
				detail = "node " + quote(string(node)) + " is not in the table's order, so it stands below all that are"
			}
			s.told.keep(finding.Finding{Code: finding.UnknownNode, Place: k.place(o), Key: k.name, Detail: detail})
		}
	}
	if len(k.room.elsewhere) == 0 {
		return
	}
	for i := range k.ops {
		k.room.tick()
		o := &k.ops[i]
		if others := k.elsewhere(o); len(others) > 0 && s.told.wants(finding.UnknownNode, k.place(o)) {
			names := make([]string, len(others))
			for i, e := range others {
				names[i] = k.texts[e.region]
			}
			slices.Sort(names)
			names = slices.Compact(names)
			s.told.keep(finding.Finding{Code: finding.UnknownNode, Place: k.place(o), Key: k.name,
				Detail: "a delete tells no column, and clocks may differ by more than it took to arrive: it is taken to be of " +
					quote(k.texts[o.writer]) + ", and may be of " + strings.Join(names, " or ")})
		}
	}
}

// clocks compares the clocks of the nodes: a writer that had seen a write with a later time than its own shows by how
// much, at least, the clocks differ. A stated lag shows nothing, for it is itself told by the times.
func (s *sums) clocks(k *key, opt *Options) {
	tells := func(i int) bool {
		o, source := &k.ops[i], k.stand[i].source
		return (source <= Deliveries || k.arrived(o, o.writer) > 0) && !o.time().IsZero()
	}
	// A stated lag tells what was seen of the nodes of which no deliveries are known.
	lags := func(i, n int) bool {
		return k.stand[i].source == Lag && !k.part.came.has(k.numbers[n], k.ops[i].writer)
	}
	if len(k.nodes) < 2 || !k.any(tells) {
		return
	}
	bound := opt.MaxDrift
	if bound == 0 {
		bound = clock.DefaultMaxDrift
	}
	latest := k.room.lists.raw(len(k.nodes)) // of each node, which of its first few operations has the latest time
	for n, list := range k.inOrder {
		latest[n] = k.room.counts.raw(len(list))
		best := int32(-1)
		for at, i := range list {
			k.room.tick()
			if best < 0 || k.ops[best].time().Before(k.ops[i].time()) {
				best = i
			}
			latest[n][at] = best
		}
	}
	told := k.room.flags.take(len(k.ops))
	for i := range k.ops {
		k.room.tick()
		if !tells(i) {
			continue
		}
		o := &k.ops[i]
		for n := range k.nodes {
			seen := k.past.low(i, n)
			if n == int(k.stand[i].node) || seen == 0 || lags(i, n) {
				continue
			}
			at := latest[n][seen-1]
			a := &k.ops[at]
			d := a.time().Sub(o.time())
			if d <= 0 {
				continue
			}
			s.skewed(k, a, o, int64(d))
			if d <= bound || told[at] {
				continue
			}
			told[at] = true
			if s.told.wants(finding.ClockAhead, k.place(a)) {
				s.told.keep(finding.Finding{Code: finding.ClockAhead, Place: k.place(a), Key: k.name,
					Detail: "stamped " + d.String() + " after a write of " + quote(string(k.writer(o))) + " that had seen it (" + k.place(o).String() + "); the bound is " + bound.String()})
			}
		}
	}
}

// any reports whether an operation is so.
func (k *key) any(is func(i int) bool) bool {
	for i := range k.ops {
		k.room.tick()
		if is(i) {
			return true
		}
	}
	return false
}
