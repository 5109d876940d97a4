package replay

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// sums is what one worker counts while it folds. Sums join, in any order, to the same report.
type sums struct {
	table   *merge.Table
	totals  Totals
	sources [numSources]int64
	decided Decisions
	margins *filler                  // of decisions by time: see close
	skew    map[pair]*Skew           // ahead, behind
	late    map[pair]map[int64]int64 // of a node, in a region: how many arrived so long after they were written, to three digits
	rules   []RuleSum
	worst   worst
	told    tally
	checks  []CheckSum // the unique lines behind the others
	uniques []*uniqueField
	names   numbers

	counting map[clock.Node]bool // the nodes that raised counters
}

func newSums(table *merge.Table, opt *Options, h *History) *sums {
	s := &sums{
		table:    table,
		margins:  newFiller(h.store, 1),
		skew:     make(map[pair]*Skew),
		rules:    make([]RuleSum, len(table.Rules)),
		worst:    worst{limit: opt.Worst},
		uniques:  make([]*uniqueField, len(table.Uniques)),
		names:    numbers{names: h.names},
		counting: make(map[clock.Node]bool),
	}
	if opt.Worst == 0 {
		s.worst.limit = 10
	}
	for i, r := range table.Rules {
		s.rules[i].Line, s.rules[i].Rule = r.Line, r.String()
	}
	for _, c := range table.Checks {
		s.checks = append(s.checks, CheckSum{Line: c.Line, Check: c.String()})
	}
	for _, u := range table.Uniques {
		s.checks = append(s.checks, CheckSum{Line: u.Line, Check: u.String()})
	}
	for i := range s.uniques {
		s.uniques[i] = &uniqueField{filler: newFiller(h.store, uniqueParts)}
	}
	return s
}

func (s *sums) join(o *sums) {
	s.totals.add(&o.totals)
	for i, n := range o.sources {
		s.sources[i] += n
	}
	s.decided.Rule += o.decided.Rule
	s.decided.Version += o.decided.Version
	s.decided.Time += o.decided.Time
	s.decided.Node += o.decided.Node
	s.decided.Kind += o.decided.Kind
	s.decided.Value += o.decided.Value
	for pair, k := range o.skew {
		known := s.skew[pair]
		if known == nil {
			s.skew[pair] = k
			continue
		}
		known.Nanos, known.Seen = max(known.Nanos, k.Nanos), known.Seen+k.Seen
	}
	for p, n := range o.late {
		for nanos, count := range n {
			s.arrivedAfter(p, nanos, count)
		}
	}
	for i := range o.rules {
		s.rules[i].add(&o.rules[i])
	}
	for i := range o.checks {
		s.checks[i].Tried += o.checks[i].Tried
		s.checks[i].TwoKinds += o.checks[i].TwoKinds
	}
	for i := range o.worst.cells {
		s.worst.offer(&o.worst.cells[i])
	}
	s.told.join(&o.told)
	maps.Copy(s.counting, o.counting)
}

// pair is two nodes, by the numbers of their names.
type pair [2]uint32

// arrived notes how long after they were written writes arrived.
func (s *sums) arrived(all []late) {
	for _, l := range all {
		low := max(bits.Len64(uint64(max(l.nanos, -l.nanos)))-10, 0)
		s.arrivedAfter(pair{l.from, l.in}, l.nanos>>low<<low, 1)
	}
}

func (s *sums) arrivedAfter(p pair, nanos, count int64) {
	of := s.late[p]
	if of == nil {
		if s.late == nil {
			s.late = make(map[pair]map[int64]int64)
		}
		of = make(map[int64]int64)
		s.late[p] = of
	}
	of[nanos] += count
}

// lateness returns what was noted by arrived, by node and region.
func (s *sums) lateness(names []string) []Lateness {
	var all []Lateness
	for p, of := range s.late {
		l := Lateness{From: names[p[0]], In: names[p[1]]}
		for _, n := range of {
			l.Writes += n
		}
		before := int64(0)
		sorted := slices.Sorted(maps.Keys(of))
		l.Min = sorted[0]
		for _, nanos := range sorted {
			until := before + of[nanos]
			for _, rank := range []struct {
				part int64
				at   *int64
			}{{50, &l.P50}, {99, &l.P99}, {100, &l.Max}} {
				if nth := (l.Writes*rank.part + 99) / 100; before < nth && nth <= until {
					*rank.at = nanos
				}
			}
			before = until
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Lateness) int { return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.In, b.In)) })
	return all
}

const marginSize = 4 + 4 + 8

// close notes that time decided between two nodes by a margin. How close is too close is known in the end, and decisions may
// be as many as writes: they are kept like those.
func (s *sums) close(nodes pair, margin int64) {
	if nodes[0] == nodes[1] {
		return // one clock
	}
	var b [marginSize]byte
	binary.LittleEndian.PutUint32(b[:], nodes[0])
	binary.LittleEndian.PutUint32(b[4:], nodes[1])
	binary.LittleEndian.PutUint64(b[8:], uint64(margin))
	s.margins.put(0, b[:])
}

// counts notes that a node raised a counter.
func (s *sums) counts(node clock.Node) {
	if !s.counting[node] {
		s.counting[node] = true
	}
}

func (s *sums) skewed(k *key, ahead, behind *op, nanos int64) {
	nodes := pair{ahead.writer, behind.writer}
	known := s.skew[nodes]
	if known == nil {
		known = &Skew{Ahead: string(k.writer(ahead)), Behind: string(k.writer(behind))}
		s.skew[nodes] = known
	}
	known.Nanos, known.Seen = max(known.Nanos, nanos), known.Seen+1
}

// tosses counts the decisions by time that are closer than the clocks of the two nodes are known to be, or by logical parts alone.
// It is given the sums of all goroutines of the same table, and s is one of them.
func (s *sums) tosses(all []*sums, stated int64) error {
	bounds := make(map[pair]int64)
	last, bound := pair{}, int64(0) // there is no pair of one
	for _, o := range all {
		shelves, err := o.margins.close()
		if err != nil {
			return err
		}
		store := o.margins.store
		err = store.each(&shelves[0], func(b []byte) error {
			for ; len(b) > 0; b = b[marginSize:] {
				nodes := pair{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])}
				if nodes != last {
					var known bool
					if bound, known = bounds[nodes]; !known {
						bound = stated
						for _, k := range []*Skew{s.skew[nodes], s.skew[pair{nodes[1], nodes[0]}]} {
							if k != nil {
								bound = max(bound, k.Nanos)
							}
						}
						bounds[nodes] = bound
					}
					last = nodes
				}
				if margin := int64(binary.LittleEndian.Uint64(b[8:])); margin <= bound && bound > 0 || margin == 0 {
					s.decided.Tosses++
				}
			}
			return nil
		})
		store.drop(&shelves[0])
		if err != nil {
			return err
		}
	}
	return nil
}

// worst holds the cells that lose most, the worst first.
type worst struct {
	limit int
	cells []Cell
}

// wants reports whether a cell is among the worst so far. Cells without a loss, refusal or conflict never are.
func (w *worst) wants(c *Cell) bool {
	if c.Lost.Max == 0 && c.Refused.Max == 0 && c.Conflicts.Max == 0 || w.limit < 0 {
		return false
	}
	n := len(w.cells)
	return n == 0 || n < w.limit || compareWorst(&w.cells[n-1], c) > 0
}

// compareWorst puts the cells that lose more first.
func compareWorst(a, b *Cell) int {
	if d := cmp.Or(cmp.Compare(b.Refused.Min+b.Lost.Min, a.Refused.Min+a.Lost.Min), cmp.Compare(b.Lost.Max+b.Refused.Max, a.Lost.Max+a.Refused.Max)); d != 0 {
		return d
	}
	return cmp.Or(cmp.Compare(b.Conflicts.Min, a.Conflicts.Min), cmp.Compare(b.Conflicts.Max, a.Conflicts.Max),
		strings.Compare(a.Key, b.Key), strings.Compare(a.Field, b.Field))
}

// offer takes a cell in if it is wanted.
func (w *worst) offer(c *Cell) {
	if !w.wants(c) {
		return
	}
	at, _ := slices.BinarySearchFunc(w.cells, c, func(known Cell, c *Cell) int { return compareWorst(&known, c) })
	kept := *c
	kept.Key, kept.Field, kept.ID = strings.Clone(c.Key), strings.Clone(c.Field), strings.Clone(c.ID)
	kept.Value = own(c.Value)
	w.cells = slices.Insert(w.cells, at, kept)
	w.cells = w.cells[:min(len(w.cells), w.limit)]
}

// report makes the report of all sums.
func (h *History) report(table *merge.Table, s *sums, opt *Options) *Report {
	r := &Report{
		Schema:    Schema,
		Table:     infoOf(table),
		Inputs:    h.Inputs(),
		Partial:   h.Partial(),
		Totals:    s.totals,
		Causality: []Known{},
		Decided:   s.decided,
		Skew:      []Skew{},
		Rules:     s.rules,
		Checks:    slices.SortedFunc(slices.Values(s.checks), func(a, b CheckSum) int { return cmp.Compare(a.Line, b.Line) }),
		Worst:     s.worst.cells,
	}
	if r.Checks == nil {
		r.Checks = []CheckSum{}
	}
	r.Totals.account(r.Rules)
	if r.Worst == nil {
		r.Worst = []Cell{}
	}
	for source, writes := range s.sources {
		r.Causality = append(r.Causality, Known{Source: Source(source).String(), Writes: writes})
	}
	for _, k := range s.skew {
		r.Skew = append(r.Skew, *k)
	}
	slices.SortFunc(r.Skew, func(a, b Skew) int {
		return cmp.Or(cmp.Compare(b.Nanos, a.Nanos), strings.Compare(a.Ahead, b.Ahead), strings.Compare(a.Behind, b.Behind))
	})
	r.Late = s.lateness(h.names.texts)
	told := tally{}
	for i := range h.inputs {
		told.join(&h.inputs[i].told)
	}
	told.join(&s.told)
	h.tellGaps(s, &told)
	r.Findings = told.list()
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return r
}

// tellGaps tells of the nodes that raised counters and whose ids have holes: what the missing operations added is in no
// sum. Numbers below the first of a node are before the history, and no hole.
func (h *History) tellGaps(s *sums, told *tally) {
	if len(s.counting) == 0 {
		return
	}
	var at, last uint64 // of which node, and the last number of its range before
	var node clock.Node
	h.failed.set(h.seqs.each(func(name uint64, r clock.Range) {
		if name != at || last == 0 {
			at, node = name, clock.Node(h.names.text(name))
		} else if s.counting[node] {
			gap := clock.Range{First: last + 1, Last: r.First - 1}
			told.add(finding.Finding{Code: finding.CounterGap, Detail: fmt.Sprintf(
				"of node %s, which raised counters, the operations %s are not in the history: what they added is in no sum", quote(string(node)), gap)}, int64(min(gap.Last-last, 1<<62)))
		}
		last = r.Last
	}))
}
