package replay

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// Options says how to run. The zero value is the default of each.
type Options struct {
	// Lag is how long a write takes to be seen by other nodes, for writes whose history says nothing better: at least
	// that old, it was seen; younger, it was not. Zero means that nobody knows.
	Lag time.Duration

	// Skew is how far the clocks of two nodes are taken to differ at least, besides what the history shows.
	Skew time.Duration

	// MaxDrift is how far ahead of a reader's clock a stamp may be before it is told as clock_ahead. Zero means
	// [clock.DefaultMaxDrift].
	MaxDrift time.Duration

	// Worst is how many of the worst cells the report names. Zero means 10.
	Worst int

	// Workers is how many goroutines fold; 0 is one for each processor.
	Workers int

	// State, when not nil, is called with the merged state, cell by cell, sorted by key and field. Deleted cells are
	// left out.
	State func(StateLine)
}

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
	s := h.fold(table, &opt, nil)
	if opt.State != nil {
		slices.SortFunc(s.state, func(a, b StateLine) int {
			return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Field, b.Field))
		})
		for _, line := range s.state {
			opt.State(line)
		}
	}
	return h.report(table, s, &opt)
}

// fold runs every part of the history and joins the sums. visit, when not nil, is called with each key's cells; it is
// called by several goroutines, though never two with one key.
func (h *History) fold(table *merge.Table, opt *Options, visit func(*key, []cell)) *sums {
	workers := opt.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	next := make(chan int, partitions)
	for p := range partitions {
		next <- p
	}
	close(next)
	all := make([]*sums, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			s := newSums(table, opt)
			for p := range next {
				h.foldPart(p, table, opt, s, visit)
			}
			all[w] = s
		})
	}
	wg.Wait()
	sum := all[0]
	for _, s := range all[1:] {
		sum.join(s)
	}
	return sum
}

// keys reads a part of the history back and groups it by key, in the order of the keys.
func (h *History) keys(p int, want func(string) bool) []*key {
	byName := make(map[string]*key)
	var keys []*key
	var rec history.Record
	ranks := h.ranks()
	for _, b := range h.parts[p] {
		r := reader{b: b, names: h.names.texts}
		for r.more() {
			at := r.record(&rec)
			if want != nil && !want(rec.Key) {
				continue
			}
			k := byName[rec.Key]
			if k == nil {
				k = &key{name: rec.Key}
				byName[rec.Key] = k
				keys = append(keys, k)
			}
			k.add(&rec, ranks[rec.Place.File]<<fileBits|at, &h.links)
		}
	}
	slices.SortFunc(keys, func(a, b *key) int { return strings.Compare(a.name, b.name) })
	return keys
}

func (h *History) foldPart(p int, table *merge.Table, opt *Options, s *sums, visit func(*key, []cell)) {
	looks := make(map[string]string) // of the keys that do not look like themselves
	keys := h.keys(p, nil)
	for _, k := range keys {
		if look := skeleton(k.name); look != k.name {
			looks[k.name] = look
		}
	}
	tellConfusable(keys, looks, s)
	for _, k := range keys {
		cells := k.fold(table, opt, s)
		if visit != nil {
			visit(k, cells)
		}
		*k = key{} // the part's memory goes as it is folded
	}
}

// tellConfusable tells keys that look like others.
func tellConfusable(keys []*key, looks map[string]string, s *sums) {
	if len(looks) == 0 {
		return
	}
	alike := make(map[string][]*key)
	for _, look := range looks {
		alike[look] = nil
	}
	for _, k := range keys {
		look, odd := looks[k.name]
		if !odd {
			look = k.name
		}
		if list, ok := alike[look]; ok {
			alike[look] = append(list, k)
		}
	}
	for _, list := range alike {
		for _, k := range list[min(1, len(list)):] {
			place := slices.MinFunc(k.ops, func(a, b op) int { return a.place.Compare(b.place) }).place
			s.told.tell(finding.Finding{Code: finding.ConfusableKeys, Place: place, Key: k.name,
				Detail: quote(k.name) + " looks like " + quote(list[0].name) + ", and they are two keys"})
		}
	}
}

// fold merges all that happened to one key and counts it.
func (k *key) fold(table *merge.Table, opt *Options, s *sums) []cell {
	k.settle(&s.totals, s.told.tell)
	s.totals.Keys++
	k.arrange(opt, s.told.tell)
	s.known(k)
	s.clocks(k, opt)
	s.nodesOf(k, table)

	cells := k.cells(table)
	for i := range cells {
		c := &cells[i]
		c.fold(s.told.tell)
		c.tell(s, opt)
		if s.keepState && !c.sum.Value.IsAbsent() {
			s.state = append(s.state, StateLine{Key: k.name, Field: c.name, Value: c.sum.Value, ID: c.sum.ID, By: c.sum.By})
		}
	}
	k.check(table, cells, s)
	return cells
}

// cells sorts the claims of the key's operations into cells, by name. A delete of the whole record is a claim on each.
func (k *key) cells(table *merge.Table) []cell {
	var cells []cell
	cellOf := func(rule *merge.Rule, name string) *cell {
		for i := range cells {
			if cells[i].name == name && cells[i].rule == rule {
				return &cells[i]
			}
		}
		cells = append(cells, cell{key: k, rule: rule, name: name})
		return &cells[len(cells)-1]
	}
	var claims []merge.Claim
	deletes := false
	for i := range k.ops {
		o := &k.ops[i]
		if o.WholeDelete() {
			deletes = true
			continue
		}
		claims = table.Claims(&o.Op, claims[:0])
		for _, claim := range claims {
			c := cellOf(claim.Rule, claim.Cell)
			c.claims, c.op = append(c.claims, claim), append(c.op, i)
		}
	}
	if deletes {
		if len(cells) == 0 {
			rule := table.Rule(k.name, "")
			cellOf(rule, rule.Cell(""))
		}
		for at := range cells {
			c := &cells[at]
			own := len(c.claims)
			for i := range k.ops {
				if o := &k.ops[i]; o.WholeDelete() {
					c.claims, c.op = append(c.claims, table.Delete(&o.Op, c.rule, c.name)), append(c.op, i)
				}
			}
			if own > 0 {
				c.inCanonicalOrder()
			}
		}
	}
	slices.SortFunc(cells, func(a, b cell) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.rule.Line, b.rule.Line))
	})
	return cells
}

func (c *cell) inCanonicalOrder() {
	order := make([]int, len(c.op))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(c.op[i], c.op[j]) })
	claims, ops := make([]merge.Claim, len(order)), make([]int, len(order))
	for to, from := range order {
		claims[to], ops[to] = c.claims[from], c.op[from]
	}
	c.claims, c.op = claims, ops
}

// check evaluates what the table says of the merged record: its checks, its unique fields, and whether a record that
// was deleted as a whole lives on in parts.
func (k *key) check(table *merge.Table, cells []cell, s *sums) {
	// The kept value of a field, and the write that it is of.
	get := func(field string) (value.Value, *cell) {
		rule := table.Rule(k.name, field)
		name := rule.Cell(field)
		for i := range cells {
			c := &cells[i]
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
	for _, check := range table.Checks {
		if !check.Matches(k.name) || check.Holds(func(field string) value.Value { v, _ := get(field); return v }) {
			continue
		}
		_, left := get(check.Left.Field)
		_, right := get(check.Right.Field)
		if left == nil || right == nil || left == right || left.sum.ID == right.sum.ID && left.sum.ID != "" {
			continue // one write broke it: that is no fault of the merge
		}
		s.told.tell(finding.Finding{Code: finding.InvariantBroken, Place: left.lastPlace(), Key: k.name, Field: check.Left.Field,
			Detail: check.String() + " fails: " + check.Left.Field + " is " + brief(left.sum.Value) + from(left) +
				", " + check.Right.Field + " is " + brief(right.sum.Value) + from(right)})
	}
	for i, u := range table.Uniques {
		if !u.Matches(k.name) {
			continue
		}
		if v, c := get(u.Field); c != nil && !v.IsAbsent() && v != value.Null {
			s.unique(i, v, k.name, c.lastPlace())
		}
	}
	k.partial(cells, s)
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
		if o := c.find(w); o != nil {
			return o.place
		}
	}
	return c.key.ops[c.op[0]].place
}

// partial tells of records that were deleted as a whole and live on in some of their fields, and of groups of fields that
// were not written whole.
func (k *key) partial(cells []cell, s *sums) {
	gone, alive := -1, -1
	for i := range cells {
		c := &cells[i]
		w, ok := c.state.Write()
		if !ok {
			continue
		}
		switch o := c.find(w); {
		case o == nil:
		case o.WholeDelete():
			gone = i
		case !w.Deleted:
			alive = i
			for j := range c.claims {
				if c.claims[j].Partial && &k.ops[c.op[j]] == o {
					s.told.tell(c.finding(finding.PartialRow, o, "the write that is kept wrote only some of the fields decided together, and the rest is gone with it"))
				}
			}
		}
	}
	if gone >= 0 && alive >= 0 {
		w, _ := cells[gone].state.Write()
		o := cells[gone].find(w)
		s.told.tell(cells[alive].finding(finding.PartialRow, o, "the record was deleted, and "+quote(cells[alive].name)+" lives on without the rest of it"))
	}
}

func (s *sums) known(k *key) {
	if len(k.nodes) < 2 {
		return
	}
	for i := range k.ops {
		s.sources[k.ops[i].source]++
	}
}

// nodesOf counts the writes of nodes that the table doesn't declare.
func (s *sums) nodesOf(k *key, table *merge.Table) {
	for i := range k.ops {
		o := &k.ops[i]
		switch n := o.Stamp.Node; {
		case n == "":
			s.told.tell(finding.Finding{Code: finding.UnknownNode, Place: o.place, Key: k.name,
				Detail: "nothing says where this write began: name the export's region or the column that holds the origin"})
		case len(table.Nodes) > 0 && table.Nodes.Rank(n) == 0:
			s.told.tell(finding.Finding{Code: finding.UnknownNode, Place: o.place, Key: k.name,
				Detail: "node " + quote(string(n)) + " is not in the table's order, so it loses every tie"})
		}
	}
}

// clocks compares the clocks of the nodes: a writer that had seen a write with a later time than its own shows by how
// much, at least, the clocks differ. A stated lag shows nothing, for it is itself told by the times.
func (s *sums) clocks(k *key, opt *Options) {
	if len(k.nodes) < 2 {
		return
	}
	bound := opt.MaxDrift
	if bound == 0 {
		bound = clock.DefaultMaxDrift
	}
	latest := make([][]int, len(k.nodes)) // of each node, which of its first few operations has the latest time
	for n, list := range k.inOrder {
		best := -1
		for _, i := range list {
			if best < 0 || k.ops[best].Stamp.Time.Before(k.ops[i].Stamp.Time) {
				best = i
			}
			latest[n] = append(latest[n], best)
		}
	}
	ahead := make(map[int]bool)
	for i := range k.ops {
		o := &k.ops[i]
		if o.source > Deliveries || o.Stamp.Time.IsZero() {
			continue
		}
		for n := range k.nodes {
			seen := k.past.low(i, n)
			if n == o.node || seen == 0 {
				continue
			}
			a := &k.ops[latest[n][seen-1]]
			d := a.Stamp.Time.Sub(o.Stamp.Time)
			if d <= 0 {
				continue
			}
			s.skewed(a.Stamp.Node, o.Stamp.Node, int64(d))
			if at := latest[n][seen-1]; d > bound && !ahead[at] {
				ahead[at] = true
				s.told.tell(finding.Finding{Code: finding.ClockAhead, Place: a.place, Key: k.name,
					Detail: "stamped " + d.String() + " after a write of " + quote(string(o.Stamp.Node)) + " that had seen it (" + o.place.String() + "); the bound is " + bound.String()})
			}
		}
	}
}
