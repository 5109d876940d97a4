package replay

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// cell is one key and field while it is folded: the claims on it, in canonical order, and what became of them.
type cell struct {
	key    *key
	name   string
	rule   *merge.Rule
	claims []merge.Claim // nil when the payloads are not kept: see claim
	op     []int32       // of each claim, its operation
	nth    []int32       // and, when claims is nil, which of the operation's claims it is: see ofRecord and alone

	count   int  // how many claims there are room for, but for the deletes of the whole record
	partial bool // some claims are not on all fields that are decided together

	latest *latest // nil until it is asked for

	state  merge.Cell
	shown  value.Value  // what the state shows
	byNode []nodeClaims // by node of the key

	asked    bool // whether it is unsure
	unsure   bool // the rule turns on who had seen what, and that is not known of all
	standing int  // one more than surviving; 0 when nobody has asked
	winner   *op  // of which it is known whether it stands; nil when nobody has asked
	stands   bool
	mayHave  []int32 // see nobodys; nil when nobody has asked

	sum Cell
}

// nodeClaims are the claims of one node on one cell, in the order in which the node made them.
type nodeClaims struct {
	claims []int32
	index  []int32 // of their operations, among those of the node on the key
	agains []int32 // of as many claims, from none on, how many may be others; nil until somebody asks
}

// fate is what became of a claim once what is known of causality is taken into account.
type fate struct {
	outcome merge.Outcome

	// It may have been overwritten; of a lost one, it may have won; of a refused one, all others may have been overwritten.
	perhaps bool

	// Or it may be lost: the rule has no use for it, and who may have seen it wrote something else.
	orLost bool
}

// upTo returns how many of the claims belong to the node's first n operations.
func (c *nodeClaims) upTo(n int32) int {
	if len(c.index) == 0 || c.index[0] > n { // mostly it is none of them, or all
		return 0
	}
	if c.index[len(c.index)-1] <= n {
		return len(c.index)
	}
	at, _ := slices.BinarySearch(c.index, n+1)
	return at
}

// claim returns a claim. One whose payload is not kept is good until another is asked for.
func (c *cell) claim(i int) *merge.Claim { return c.claimOf(i, 0) }

// claimOf returns a claim: two can be looked at beside each other, as number 0 and 1.
func (c *cell) claimOf(i, number int) *merge.Claim {
	k := c.key
	if c.claims != nil {
		claim := &c.claims[i]
		k.room.far.touch(len(claim.Value) + len(claim.Before))
		return claim
	}
	at, n := int(c.op[i]), c.nth[i]
	slot := k.ops[at].slot
	s := &k.room.scratch[number]
	s.claims = s.claims[:0]
	switch {
	case n < ofRecord:
		op := &k.fieldOf(slot, alone(n), number).Op
		f := &op.Fields[0]
		s.claims = append(s.claims, merge.Claim{Op: op, Rule: c.rule, Cell: c.name, Kind: op.Kind, Value: f.Value, Before: f.Before})
	case n == ofRecord:
		s.claims = append(s.claims, k.table.Delete(&k.payloadOf(slot, number).Op, c.rule, c.name))
	default:
		s.claims = k.table.Claims(&k.payloadOf(slot, number).Op, s.claims)
		s.claims = s.claims[n : n+1]
	}
	claim := &s.claims[0]
	k.room.far.touch(len(claim.Value) + len(claim.Before))
	c.complete(claim, at)
	return claim
}

// ofRecord stands for the claim of a delete of the whole record, and what is below it for one on a field alone, by where that
// stands in the record.
const ofRecord = -1

// alone returns what stands for a place, and the place that it stands for.
func alone(n int32) int32 { return ofRecord - n }

// complete says of a claim's operation what a service knows of its own: its dot and, for the rules that look at it, what
// its writer had seen.
func (c *cell) complete(claim *merge.Claim, at int) {
	k, op := c.key, claim.Op
	op.Dot.Node, op.Dot.Seq = k.nodes[k.stand[at].node], uint64(k.stand[at].index)
	if c.rule.NeedsSeen(claim.Kind) && op.Seen.IsEmpty() {
		for n, node := range k.nodes {
			op.Seen.AddUp(node, uint64(k.past.low(at, n)))
		}
	}
}

// opOf returns the operation of a claim.
func (c *cell) opOf(claim int) *op { return &c.key.ops[c.op[claim]] }

// fold applies the claims to the state of the cell. This is the fold that services run: see [merge.Cell].
//
// Applying a claim walks over those that are not known to have been seen, and where nothing says who wrote, these are all before
// it. So many are applied a few at a time, each to a cell of its own, and cells of as many claims are merged.
func (c *cell) fold() {
	const few = 32
	if len(c.op) > few && (c.rule.KeepsFrontier() || c.rule.NeedsDots() && c.key.nodes[0] == "") {
		c.state = c.foldParts(few)
	} else {
		c.state = c.rule.NewCell()
		c.apply(&c.state, 0, len(c.op))
	}
	if c.count > 0 { // a record that was only ever deleted has no field, and so none that begins at nothing
		c.shown = c.state.Value()
	}
	c.divide()
}

// foldParts applies so many claims at a time to a cell and merges the cells.
func (c *cell) foldParts(size int) merge.Cell {
	var cells []merge.Cell // each of half as many parts as the one before, or fewer
	for first := 0; first < len(c.op); first += size {
		cells = append(cells, c.rule.NewCell())
		c.apply(&cells[len(cells)-1], first, min(first+size, len(c.op)))
		for parts := first/size + 1; parts%2 == 0; parts /= 2 {
			cells = mergeLast(cells)
		}
	}
	for len(cells) > 1 {
		cells = mergeLast(cells)
	}
	return cells[0]
}

// apply applies some of the claims to a state.
func (c *cell) apply(state *merge.Cell, first, after int) {
	for i := first; i < after; i++ {
		c.key.room.tick()
		claim := c.claim(i)
		if c.claims != nil {
			c.complete(claim, int(c.op[i]))
		}
		state.Apply(claim)
	}
}

// mergeLast merges the last two of a list.
func mergeLast(cells []merge.Cell) []merge.Cell {
	last := len(cells) - 1
	cells[last-1].Merge(cells[last])
	return cells[:last]
}

// tellFaults tells what a verdict says of the rule rather than of the claim.
func (c *cell) tellFaults(i int, claim *merge.Claim, v *merge.Verdict, t *tally) {
	kind := claim.Kind
	o := c.opOf(i)
	place := c.key.place(o)
	switch {
	case kind == merge.Set && !c.rule.Lists(claim.Value):
		if t.wants(finding.UnlistedValue, place) {
			t.keep(c.finding(finding.UnlistedValue, o, unlistedDetail(claim.Value)))
		}
	case v.Panicked != "":
		if t.wants(finding.RulePanic, place) {
			t.keep(c.finding(finding.RulePanic, o, panicDetail(c.rule, v.Panicked)))
		}
	case v.Mismatch:
		if t.wants(finding.OpMismatch, place) {
			t.keep(c.finding(finding.OpMismatch, o, mismatchDetail(c.rule, o.kind)))
		}
	case v.Missing:
		if t.wants(finding.MissingBeforeImage, place) {
			t.keep(c.finding(finding.MissingBeforeImage, o, c.rule.Name+" wants the difference that "+kind.String()+" made, and the write has no before-image"))
		}
	case v.NotMonotonic:
		if t.wants(finding.NotMonotonic, place) {
			t.keep(c.finding(finding.NotMonotonic, o, c.rule.Name+" only grows; what the write takes away stays"))
		}
	}
}

func unlistedDetail(v value.Value) string {
	return brief(v) + " is not on the list of the rule, and loses to all that are"
}

func mismatchDetail(r *merge.Rule, kind merge.Kind) string {
	what := kind.String()
	switch {
	case !r.Takes(kind):
	case r.Name == "counter":
		what = "a value that is no number, or too long a one"
	default:
		what = "a value that is neither true nor false"
	}
	return r.Name + " has no use for " + what
}

func panicDetail(r *merge.Rule, panicked string) string {
	return "rule " + r.Name + " panicked: " + quote(panicked) + "; the ladder decided"
}

// divide sorts the claims by node, and those of each into the order in which the node made them.
func (c *cell) divide() {
	k := c.key
	c.byNode = k.room.byNode.raw(len(k.nodes))
	claims, index := k.room.indexes.raw(len(c.op)), k.room.indexes.raw(len(c.op))
	count := k.room.indexes.take(len(k.nodes))
	for _, at := range c.op {
		k.room.tick()
		count[k.stand[at].node]++
	}
	for n, m := range count {
		c.byNode[n] = nodeClaims{claims: claims[:0:m], index: index[:m:m]}
		claims, index = claims[m:], index[m:]
	}
	for i, at := range c.op {
		k.room.tick()
		nc := &c.byNode[k.stand[at].node]
		nc.claims = append(nc.claims, int32(i))
	}
	for n := range c.byNode {
		nc := &c.byNode[n]
		slices.SortFunc(nc.claims, func(i, j int32) int {
			k.room.tick()
			return cmp.Compare(k.stand[c.op[i]].index, k.stand[c.op[j]].index)
		})
		for at, i := range nc.claims {
			k.room.tick()
			nc.index[at] = k.stand[c.op[i]].index
		}
	}
}

func (c *cell) finding(code finding.Code, o *op, detail string) finding.Finding {
	return finding.Finding{Code: code, Place: c.key.place(o), Key: c.key.name, Field: c.name, Detail: detail}
}

// conflicts counts the pairs of claims of which neither writer had seen the other's, and the claims in such pairs. Both
// counts are exact, at any length: what a writer had seen of a node is the node's first few operations, so the claims
// that are concurrent with one claim are a run, found by two searches.
func (c *cell) conflicts() (pairs, writes Count) {
	k := c.key
	for n := range c.byNode {
		mine := &c.byNode[n]
		if k.nodes[n] == "" { // nobody knows who wrote these: any two may be of different writers
			m := int64(len(mine.claims))
			pairs.Max += m * (m - 1)
			if m > 1 {
				writes.Max += m
			}
		}
		for _, i := range mine.claims {
			k.room.tick()
			at := int(c.op[i])
			index := k.stand[at].index
			sure, possible := false, k.nodes[n] == "" && len(mine.claims) > 1
			if tied := c.among(int(i)) - 1; tied > 0 && k.nodes[n] != "" {
				pairs.Max += int64(tied) // of one node, and perhaps not of one writer
				possible = true
			}
			for o := range c.byNode {
				if o == n || len(c.byNode[o].claims) == 0 {
					continue
				}
				theirs := &c.byNode[o]
				certain := c.unaware(theirs, k.past.hi, n, index) - theirs.upTo(k.past.high(at, o))
				perhaps := c.unaware(theirs, k.past.lo, n, index) - theirs.upTo(k.past.low(at, o))
				certain = c.counting(i, theirs, certain, o, at)
				pairs.Min += int64(max(certain, 0))
				pairs.Max += int64(max(perhaps, 0))
				sure, possible = sure || certain > 0, possible || perhaps > 0
			}
			if sure {
				writes.Min++
			}
			if possible && !(k.nodes[n] == "" && len(mine.claims) > 1) {
				writes.Max++
			}
		}
	}
	pairs.Min, pairs.Max = pairs.Min/2, pairs.Max/2
	return pairs, writes
}

// counting returns how many of those claims of another node that are concurrent with one for certain count for certain too, and none if that one
// does not.
func (c *cell) counting(i int32, theirs *nodeClaims, certain, node, at int) int {
	if certain <= 0 || len(c.key.room.elsewhere) == 0 {
		return certain
	}
	if c.opOf(int(i)).again {
		return 0
	}
	first := theirs.upTo(c.key.past.high(at, node))
	return certain - int(theirs.again(c, first+certain)-theirs.again(c, first))
}

// again returns how many of the first n claims may be others.
func (nc *nodeClaims) again(c *cell, n int) int32 {
	if nc.agains == nil {
		nc.agains = make([]int32, len(nc.claims)+1)
		for at, i := range nc.claims {
			nc.agains[at+1] = nc.agains[at]
			if c.opOf(int(i)).again {
				nc.agains[at+1]++
			}
		}
	}
	return nc.agains[n]
}

// among returns how many claims, with claim i, are of operations of its node that nothing puts in order with that of i.
func (c *cell) among(i int) int {
	o := &c.key.stand[c.op[i]]
	mine := &c.byNode[o.node]
	return mine.upTo(o.until) - mine.upTo(o.after)
}

// unaware returns how many of the claims of one node, from its first, had not seen an operation of node n, the one of
// that index, going by what is known in one of the two ways: those that had are the end of the list. The list isn't empty.
func (c *cell) unaware(theirs *nodeClaims, known []int32, n int, index int32) int {
	nodes := c.key.past.nodes
	had := func(j int32) int32 { return known[int(c.op[j])*nodes+n] }
	if had(theirs.claims[0]) >= index { // mostly it is none of them, or all
		return 0
	}
	if had(theirs.claims[len(theirs.claims)-1]) < index {
		return len(theirs.claims)
	}
	return sortedCount(theirs.claims, func(j int32) bool { return had(j) < index })
}

// isUnsure reports whether the rule turns on who had seen what, and that is not known of all.
func (c *cell) isUnsure() bool {
	if !c.asked {
		c.asked = true
		if c.rule.NeedsDots() {
			pairs, _ := c.conflicts()
			c.unsure = !pairs.Exact()
		}
	}
	return c.unsure
}

// replaced reports whether some claim that takes the place of claim i was made by a writer that had seen it: for certain, or
// perhaps.
func (c *cell) replaced(i int) (certain, perhaps bool) {
	list, single := []value.Value(nil), Adds(c.rule) || useless(c.rule, c.claim(i))
	var few [1]value.Value
	if !single {
		list, single = elements(c.rule, c.claim(i), few[:0])
	}
	if single && c.latest == nil {
		c.findLatest()
	}
	if single {
		c.findLast(list)
	}
	return c.seen(i, single)
}

// dropped reports whether some writer of the cell may have seen claim i, so that a frontier doesn't have it.
func (c *cell) dropped(i int) bool {
	_, perhaps := c.seen(i, false)
	return perhaps
}

// seen reports whether claim i was seen by the writer of the last claim of some node, for certain or perhaps: of the last at all, or where the
// claims at hand are on single elements, of the last that was found.
func (c *cell) seen(i int, single bool) (certain, perhaps bool) {
	k := c.key
	o := &k.stand[c.op[i]]
	for n := range c.byNode {
		last := c.last(n, single)
		if last < 0 {
			continue
		}
		if int(last) == i {
			if k.nodes[n] == "" && len(c.byNode[n].claims) > 1 || o.tied() && c.among(i) > 1 {
				perhaps = true
			}
			continue
		}
		at := int(c.op[last])
		certain = certain || k.past.low(at, int(o.node)) >= o.index
		if k.nodes[n] == "" {
			perhaps = perhaps || c.nobodys(n)[o.node] >= o.index
		} else {
			perhaps = perhaps || k.past.high(at, int(o.node)) >= o.index
		}
	}
	return certain, perhaps || certain
}

// nobodys returns up to which operation of each node some of those writers may have seen of whom nobody knows who they are. The last
// of their claims need not have seen most.
func (c *cell) nobodys(n int) []int32 {
	if c.mayHave == nil {
		c.mayHave = c.key.room.indexes.take(len(c.key.nodes))
		for _, i := range c.byNode[n].claims {
			c.key.room.tick()
			raise(c.mayHave, c.key.past.highs(int(c.op[i])), -1)
		}
	}
	return c.mayHave
}

// Adds reports whether a rule adds each claim to the others, so that none but a delete takes the place of one that its writer had seen.
func Adds(r *merge.Rule) bool { return r.Name == "counter" || r.Name == "append" }

// useless reports whether a claim is an increment of which the rule has no use. What says the whole of the value takes its place, and no
// other increment does.
func useless(r *merge.Rule, claim *merge.Claim) bool {
	return claim.Kind == merge.Add && !r.Takes(merge.Add)
}

// elements returns which elements a claim is about: the one that it puts in or takes out, whatever the rule makes of that, and
// under a rule for sets those by which a value differs from what it replaced. Else it is about all of the cell, and it says no. It
// uses the room that it is given.
func elements(r *merge.Rule, claim *merge.Claim, room []value.Value) (list []value.Value, single bool) {
	switch {
	case claim.Kind == merge.Insert || claim.Kind == merge.Remove:
		return append(room, claim.Value), true
	case claim.Kind == merge.Set && (r.Name == "grow-only" || r.Name == "add-wins" || r.Name == "remove-wins"):
		in, out := claim.Elements()
		return append(in, out...), true
	}
	return nil, false
}

// takesPlace reports whether a claim takes the place of another that its writer had seen: one that is about the same does.
func takesPlace(r *merge.Rule, by, of *merge.Claim) bool {
	if Adds(r) {
		return by.Kind == merge.Delete
	}
	theirs, single := elements(r, of, nil)
	mine, alike := elements(r, by, nil)
	if useless(r, by) || useless(r, of) {
		return !useless(r, by) && !alike || !useless(r, of) && !single
	}
	return !single || !alike || slices.ContainsFunc(mine, func(v value.Value) bool { return slices.Contains(theirs, v) })
}

// latest says which claims of each node are its last: about all of the cell, and about each element. A node's last has seen most.
type latest struct {
	all     []int32 // by node, among its claims; -1 for none
	element map[value.Value]int32
	by      []lastBy // what element tells the number of
	last    []int32  // by node: see findLast
}

// lastBy is the last claim of a node that is about an element, among its claims.
type lastBy struct {
	node, at int32
	other    int32 // that of another node, by its number; 0 for none
}

// findLast finds the last claim of each node that is about all of the cell, or about one of some elements.
func (c *cell) findLast(elements []value.Value) {
	l := c.latest
	copy(l.last, l.all)
	for _, v := range elements {
		for n := l.element[v]; n > 0; n = l.by[n].other {
			o := &l.by[n]
			l.last[o.node] = max(l.last[o.node], o.at)
		}
	}
}

// last returns the last claim of a node; where the claims at hand are on single elements, the one that was found. It returns -1
// when there is none.
func (c *cell) last(n int, single bool) int32 {
	claims := c.byNode[n].claims
	at := int32(len(claims) - 1)
	if single {
		at = c.latest.last[n]
	}
	if at < 0 {
		return -1
	}
	return claims[at]
}

func (c *cell) findLatest() {
	none := slices.Repeat([]int32{-1}, len(c.byNode))
	l := &latest{all: slices.Clone(none), last: none, element: make(map[value.Value]int32), by: make([]lastBy, 1)}
	far := c.key.room.far
	var few [1]value.Value
	for n := range c.byNode {
		for at, i := range c.byNode[n].claims {
			c.key.room.tick()
			claim := c.claim(int(i))
			list, single := elements(c.rule, claim, few[:0])
			if claim.Kind == merge.Delete || !single && !Adds(c.rule) && !useless(c.rule, claim) {
				l.all[n] = int32(at)
			}
			if Adds(c.rule) {
				continue
			}
			for _, v := range list {
				first := l.element[v]
				if first > 0 && l.by[first].node == int32(n) {
					l.by[first].at = int32(at)
				} else {
					l.element[v] = int32(len(l.by))
					l.by = push(far, l.by, lastBy{int32(n), int32(at), first})
				}
			}
		}
	}
	c.latest = l
}

// fate returns what becomes of claim i: what the rule says of it, corrected by who had seen what, and by whether it counts at all.
func (c *cell) fate(i int, v *merge.Verdict) fate {
	f := c.fateOfOne(i, v)
	f.perhaps = f.perhaps || c.opOf(i).again
	return f
}

// fateOfOne is fate of what is no other's.
func (c *cell) fateOfOne(i int, v *merge.Verdict) fate {
	f := fate{outcome: v.Outcome}
	of := v.Outcome
	if of == merge.Overwritten && v.Mismatch {
		of = merge.Lost // by what had seen it, but is not about the same
	}
	if of != merge.Lost && !c.isUnsure() {
		return f
	}
	certain, perhaps := c.replaced(i)
	switch of {
	case merge.Lost:
		open := c.isUnsure() && !Adds(c.rule) // and so it may have won
		switch {
		case certain:
			f.outcome, f.perhaps = merge.Overwritten, open && !c.rule.KeepsFrontier()
		case c.agrees(i):
			f.outcome, f.perhaps = merge.Kept, perhaps // it lost the argument and nothing else: what is kept is what it wrote
		default:
			f.outcome, f.perhaps = merge.Lost, perhaps || open && !c.survives(v)
		}
	case merge.Refused:
		f.perhaps = c.dropped(i) || c.surviving() < 2 // of which none had seen another
	case merge.Overwritten:
	default:
		f.perhaps = perhaps || c.rule.KeepsFrontier() && c.dropped(i)
	}
	f.orLost = f.perhaps && of != merge.Lost && of != merge.Overwritten && !c.rule.Takes(c.claim(i).Kind)
	return f
}

// survives reports whether the claim that beat another stands for certain, so that what is not known can't let the other win.
func (c *cell) survives(v *merge.Verdict) bool {
	if !c.rule.KeepsFrontier() {
		return false
	}
	if winner := c.find(&v.Against); winner != c.winner { // all lose to one, mostly
		c.winner, c.stands = winner, false
		for i := range c.op {
			if c.opOf(i) == winner {
				c.stands = !c.dropped(i)
				break
			}
		}
	}
	return c.stands
}

// surviving returns how many claims nobody else may have seen.
func (c *cell) surviving() int {
	if c.standing == 0 {
		c.standing = 1 // so that it is known
		for i := range c.op {
			if !c.dropped(i) {
				c.standing++
			}
		}
	}
	return c.standing - 1
}

// agrees reports whether what claim i wrote is what is kept. An entry of a log is not the log, whatever it looks like.
func (c *cell) agrees(i int) bool {
	claim := c.claim(i)
	switch claim.Kind {
	case merge.Delete:
		return c.shown.IsAbsent()
	case merge.Set:
		return claim.Value == c.shown && c.rule.Name != "append"
	}
	return false
}

// tell counts everything about the cell into s.
func (c *cell) tell(s *sums) {
	k := c.key
	pairs, writes := Count{}, Count{}
	if len(k.nodes) > 1 || k.nodes[0] == "" || k.tied {
		pairs, writes = c.conflicts()
	}
	c.asked, c.unsure = true, c.rule.NeedsDots() && !pairs.Exact()
	rule := &s.rules[c.rule.Index()]
	one := RuleSum{Cells: 1, Writes: int64(len(c.op)), Conflicts: pairs}
	total := &Totals{Cells: 1, Conflicts: pairs, Conflicting: writes}
	only := len(c.op) == 1 && !c.rule.NeedsDots() && c.rule.Takes(c.opOf(0).kind) && c.rule.Name != "prefer" // of a rule that keeps one write: it is that one
	for i := range c.op {
		k.room.tick()
		var v merge.Verdict // kept
		if !only {
			claim := c.claim(i)
			v = c.state.Judge(claim)
			c.tellFaults(i, claim, &v, &s.told)
		}
		f := c.fate(i, &v)
		count := Count{1, 1}
		if f.perhaps {
			count.Min = 0
		}
		if f.perhaps && f.outcome != merge.Overwritten {
			one.Overwritten.Max++
		}
		if f.orLost {
			one.Lost.Max++
		}
		switch f.outcome {
		case merge.Kept:
			total.Kept++
		case merge.Combined:
			total.Combined++
			one.Combined++
		case merge.Overwritten:
			one.Overwritten.add(count)
		case merge.Refused:
			one.Refused.add(count)
		case merge.Lost:
			one.Lost.add(count)
			c.decided(i, &v, s)
		}
	}
	one.Overwritten.bound(one.Writes - 1) // one stands
	total.Overwritten, total.Lost, total.Refused = one.Overwritten, one.Lost, one.Refused
	if c.rule.Name == "counter" {
		for n := range c.byNode {
			if slices.ContainsFunc(c.byNode[n].claims, func(i int32) bool { k.room.tick(); return c.opOf(int(i)).kind != merge.Delete }) {
				s.counts(k.nodes[n])
			}
		}
		c.regressions(&s.told)
	}
	if c.rule.Name == "lww" && c.rule.Selects() {
		total.Inversions = c.inversions(&s.told)
	}
	if first := c.opOf(0); c.unsure && s.told.wants(finding.UnknownCausality, k.place(first)) {
		s.told.keep(c.finding(finding.UnknownCausality, first, unknownDetail(c.rule)))
	}
	total.Diverged = c.diverged()
	rule.add(&one)
	s.totals.add(total)
	c.sum = Cell{Key: k.name, Field: c.name, Line: c.rule.Line, Rule: c.rule.Name, Writes: one.Writes, Conflicts: pairs, Lost: one.Lost, Refused: one.Refused}
	c.sum.Value = c.shown
	if w, ok := c.state.Write(); ok {
		c.sum.ID, c.sum.By = w.ID, string(w.Stamp.Node)
	}
	s.worst.offer(&c.sum)
}

func unknownDetail(r *merge.Rule) string {
	return "rule " + r.Name + " turns on who had seen what, and nothing says it of some writes; what is not known to be seen counts as unseen"
}

// decided counts the rung that decided against claim i, which lost or perhaps lost.
func (c *cell) decided(i int, v *merge.Verdict, s *sums) {
	k := c.key
	loser := c.opOf(i)
	s.decided.count(v.By)
	switch v.By {
	case lww.Time:
		winner := c.find(&v.Against)
		if winner == nil {
			return
		}
		s.close(pair{loser.writer, winner.writer}, v.Margin)
		if mixed(loser.precision, winner.precision, v.Margin) && s.told.wants(finding.MixedPrecision, k.place(loser)) {
			s.told.keep(c.finding(finding.MixedPrecision, loser, mixedDetail(loser.precision, winner.precision, v.Margin, k.place(winner))))
		}
	case lww.Value:
		if s.told.wants(finding.ValueDependentWinner, k.place(loser)) {
			s.told.keep(c.finding(finding.ValueDependentWinner, loser, valueDependentDetail))
		}
	}
}

const valueDependentDetail = "nothing but the values told it from the write that is kept"

// mixed reports whether time decided by a margin that the coarser of two clocks can't tell.
func mixed(a, b history.Precision, margin int64) bool {
	return a != b && a > 0 && b > 0 && margin < precisionNanos[min(a, b)]
}

func mixedDetail(a, b history.Precision, margin int64, winner finding.Place) string {
	return "lost by " + time.Duration(margin).String() + " to " + winner.String() +
		", and one of the two clocks tells whole " + precisionNames[min(a, b)]
}

// find returns the operation behind a write that the state keeps.
func (c *cell) find(w *merge.Write) *op {
	if i := c.indexOf(w); i >= 0 {
		return &c.key.ops[i]
	}
	return nil
}

// indexOf is find, and returns where the operation stands among those of the key; -1 when there is none.
func (c *cell) indexOf(w *merge.Write) int32 {
	k := c.key
	n, ok := slices.BinarySearch(k.nodes, w.Dot.Node)
	if !ok || w.Dot.Seq == 0 || w.Dot.Seq > uint64(len(k.inOrder[n])) {
		return -1
	}
	return k.inOrder[n][w.Dot.Seq-1] // the dots are those that fold gave
}

// inversions counts the claims that lose by their stamps to one that their writer had seen.
func (c *cell) inversions(t *tally) int64 {
	k := c.key
	if len(c.op) < 2 {
		return 0
	}
	// Of each node, the claim with the greatest stamp among its first few.
	greatest := k.room.perNode.raw(len(c.byNode))
	for n := range c.byNode {
		greatest[n] = k.room.indexes.raw(len(c.byNode[n].claims))
		best := int32(-1)
		for at, i := range c.byNode[n].claims {
			k.room.tick()
			if best < 0 || c.compare(best, i) < 0 {
				best = i
			}
			greatest[n][at] = best
		}
	}
	count := int64(0)
	for i, at := range c.op {
		k.room.tick()
		worst := int32(-1)
		for n := range c.byNode {
			seen := c.byNode[n].upTo(k.past.low(int(at), n))
			if seen == 0 {
				continue
			}
			if g := greatest[n][seen-1]; c.compare(g, int32(i)) > 0 && (worst < 0 || c.compare(g, worst) > 0) {
				worst = g
			}
		}
		if worst < 0 {
			continue
		}
		count++
		if first, later := c.opOf(int(worst)), &k.ops[at]; t.wants(finding.Inversion, k.place(later)) {
			order, by := c.rule.Ladder().Compare(k.stamp(first), k.stamp(later))
			t.keep(c.finding(finding.Inversion, later, inversionDetail(c.rule.Ladder(), k.place(first), k.stamp(first), k.stamp(later), min(first.precision, later.precision), order, by)))
		}
	}
	return count
}

// inversionDetail says by what the first of two stamps is the greater. Within what the coarser clock tells that is chance between
// two nodes, as between the numbers of two streams of DynamoDB.
func inversionDetail(l *lww.Ladder, place finding.Place, first, later lww.Stamp, coarser history.Precision, order int, by lww.Rung) string {
	detail := "its writer had seen the write at " + place.String() + ", and yet that one's stamp is the greater"
	v := lww.Judge(l, first, later, order, by)
	if by == lww.Time && v.Margin == 0 && coarser > 0 && coarser < history.Nanosecond && first.Node != later.Node {
		return detail + " within one time of clocks that tell whole " + precisionNames[coarser] + ": there the order of two nodes is chance"
	}
	return detail + strings.TrimPrefix(v.String(), "left")
}

// regressions tells of absolute counts that went down from one write of a node to its next, without a before-image that
// would say by how much.
func (c *cell) regressions(t *tally) {
	for n := range c.byNode {
		last := -1
		for _, i := range c.byNode[n].claims {
			c.key.room.tick()
			claim := c.claimOf(int(i), 0)
			if claim.Kind != merge.Set {
				continue
			}
			if last >= 0 && c.state.Judge(claim).Missing {
				then := c.claimOf(last, 1).Value
				was, err := then.Decimal()
				now, err2 := claim.Value.Decimal()
				if o := c.opOf(int(i)); err == nil && err2 == nil && now.Cmp(was) < 0 && t.wants(finding.CounterRegressed, c.key.place(o)) {
					t.keep(c.finding(finding.CounterRegressed, o,
						"the count went down from "+quote(string(then))+" to "+quote(string(claim.Value))+", and nothing says by which decrement"))
				}
			}
			last = int(i)
		}
	}
}

// compare orders two claims by version, time and node.
func (c *cell) compare(i, j int32) int {
	k := c.key
	order, _ := c.rule.Ladder().Compare(k.stamp(&k.ops[c.op[i]]), k.stamp(&k.ops[c.op[j]]))
	return order
}

// diverged returns 1 when the exports of two regions end with different writes to the cell, and 0 otherwise. An export in which
// no writes of a node arrive does not say that one never did.
func (c *cell) diverged() int64 {
	type last struct {
		region uint32
		at     int64
		claim  int
	}
	var few [4]last
	lasts := few[:0]
	note := func(region uint32, at int64, claim int) {
		n := slices.IndexFunc(lasts, func(l last) bool { return l.region == region })
		if n < 0 {
			lasts = append(lasts, last{region, at, claim})
		} else if at > lasts[n].at {
			lasts[n].at, lasts[n].claim = at, claim
		}
	}
	if c.key.part.history.renamed {
		return 0 // rows that arrive replace whole rows: the last write of a field is not what its region shows
	}
	for i := range c.op {
		c.key.room.tick()
		o := c.opOf(i)
		if o.region > 0 {
			note(o.region, o.at, i)
		}
		for at := o.echo; at > 0; at = c.key.room.echoes[at-1].next {
			note(c.key.room.echoes[at-1].region, c.key.room.echoes[at-1].at, i)
		}
	}
	came := c.key.part.came
	tells := func(region uint32) bool { // of all writers of the cell whose writes stand in some export
		for i := range c.op {
			c.key.room.tick()
			if o := c.opOf(i); o.region > 0 && !came.has(o.writer, region) {
				return false
			}
		}
		return true
	}
	for n, l := range lasts {
		for _, m := range lasts[:n] {
			a, b := c.claimOf(l.claim, 0), c.claimOf(m.claim, 1)
			if (a.Kind != b.Kind || a.Value != b.Value) && tells(l.region) && tells(m.region) {
				return 1
			}
		}
	}
	return 0
}
