package replay

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/crdt/law"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Laws says whether the rules of a table keep the laws they promise, on the real values of a history.
type Laws struct {
	Schema string    `json:"schema"` // "tiebreak.laws/v1"
	Table  TableInfo `json:"table"`
	Rules  []LawRule `json:"rules"` // in the order of the table
}

// LawRule is one line of the table, tried.
type LawRule struct {
	Line     int        `json:"line"`
	Rule     string     `json:"rule"`
	Promised string     `json:"promised"`
	Cells    int64      `json:"cells"`   // with two writes or more, of which some were tried
	Tried    int64      `json:"tried"`   // cells
	Samples  int64      `json:"samples"` // writes of them
	Broken   *BrokenLaw `json:"broken,omitempty"`
}

// BrokenLaw is the smallest witness found that a law is broken. Of several cells it is that of the first by key.
type BrokenLaw struct {
	Law    string   `json:"law"`
	Waived bool     `json:"waived,omitempty"` // the rule does not promise it
	Key    string   `json:"key"`
	Field  string   `json:"field"`
	Let    []string `json:"let"` // the writes, one each
	Then   string   `json:"then"`
}

// Broken reports whether a promised law is broken.
func (l *Laws) Broken() bool {
	return slices.ContainsFunc(l.Rules, func(r LawRule) bool { return r.Broken != nil && !r.Broken.Waived })
}

// How much is tried of one rule: the writes of a cell with the most different values, of the cells with most of them.
const (
	maxLawCells   = 50
	maxLawSamples = 6
)

// Cells are gathered before the richest of them are chosen: so many times as many, or as many bytes of all rules together.
const (
	lawCellsTimes = 20
	lawBytes      = 16 << 20
)

// Laws tries the laws on the rules of a table with the values of the history: each single write of a cell is a state, and
// merging any of them must not depend on order, grouping or repetition. A user's own function is tried on the bare values
// as well, for that is what it was written for.
func (h *History) Laws(table *merge.Table, opt Options) *Laws {
	opt.State = nil
	candidates := lawCandidates{byRule: make([][]lawCell, len(table.Rules))}
	counts := make([]int64, len(table.Rules))
	lock := make(chan struct{}, 1)
	visit := func(cells []*cell) {
		for _, c := range cells {
			if len(c.op) < 2 {
				continue
			}
			lc := c.sample()
			at := c.rule.Index()
			lock <- struct{}{}
			counts[at]++
			candidates.add(at, lc)
			<-lock
		}
	}
	h.fold(&work{tables: []*merge.Table{table}, opt: &opt, cells: visit})
	l := &Laws{Schema: "tiebreak.laws/v1", Table: infoOf(table)}
	for i, rule := range table.Rules {
		r := LawRule{Line: rule.Line, Rule: rule.String(), Promised: rule.Laws().String(), Cells: counts[i]}
		tried := richest(candidates.byRule[i])
		slices.SortFunc(tried, func(a, b lawCell) int {
			return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.field, b.field))
		})
		for _, lc := range tried {
			r.Tried++
			r.Samples += int64(len(lc.claims))
			if broken := lc.try(rule); broken != nil && (r.Broken == nil || r.Broken.Waived && !broken.Waived) {
				r.Broken = broken
			}
		}
		l.Rules = append(l.Rules, r)
	}
	return l
}

// lawCandidates are the cells, by rule, of which the richest are to be tried.
type lawCandidates struct {
	byRule [][]lawCell
	held   int // bytes of all
}

// add adds a cell, and drops those that can't be among the richest when they are many.
func (c *lawCandidates) add(rule int, lc lawCell) {
	all := append(c.byRule[rule], lc)
	c.held += lc.bytes()
	if len(all) > lawCellsTimes*maxLawCells || len(all) > maxLawCells && c.held > lawBytes {
		kept := richest(all)
		poor := all[len(kept):]
		for i := range poor {
			c.held -= poor[i].bytes()
		}
		clear(poor) // what they hold is given up
		all = kept
	}
	c.byRule[rule] = all
}

// lawCell is what is tried of one cell.
type lawCell struct {
	key, field string
	claims     []merge.Claim
}

// bytes returns about how much memory the cell takes.
func (lc *lawCell) bytes() int {
	n := len(lc.key) + len(lc.field)
	for i := range lc.claims {
		c := &lc.claims[i]
		n += int(unsafe.Sizeof(*c)+unsafe.Sizeof(*c.Op)) + len(c.Op.ID) + len(c.Cell) + len(c.Value) + len(c.Before)
	}
	return n
}

// sample takes the writes of a cell that differ: of each change the last, from the end of the cell's history.
func (c *cell) sample() lawCell {
	lc := lawCell{key: strings.Clone(c.key.name), field: strings.Clone(c.name)}
	type change struct {
		kind  merge.Kind
		value value.Value
	}
	changes := make(map[change]bool)
	for i := len(c.op) - 1; i >= 0 && len(lc.claims) < maxLawSamples; i-- {
		claim := c.claim(i)
		ch := change{claim.Kind, claim.Value}
		if !changes[ch] {
			changes[ch] = true
			lc.claims = append(lc.claims, ownClaim(claim, lc.key, lc.field))
		}
	}
	slices.Reverse(lc.claims)
	return lc
}

// ownClaim copies a claim and its operation with all their texts, for their memory is the next key's: those of its key and its
// cell are copied already. What rules never look at is left out.
func ownClaim(c *merge.Claim, key, cell string) merge.Claim {
	claim, op := *c, *c.Op
	op.Key, op.ID, op.Fields = key, strings.Clone(op.ID), nil
	claim.Op, claim.Cell = &op, cell
	claim.Value, claim.Before = own(claim.Value), own(claim.Before)
	return claim
}

// richest keeps the cells with the most samples, by key among equals.
func richest(cells []lawCell) []lawCell {
	slices.SortFunc(cells, func(a, b lawCell) int {
		return cmp.Or(cmp.Compare(len(b.claims), len(a.claims)), strings.Compare(a.key, b.key), strings.Compare(a.field, b.field))
	})
	return cells[:min(len(cells), maxLawCells)]
}

// try checks the laws on one cell and returns the first that is broken.
func (lc *lawCell) try(rule *merge.Rule) *BrokenLaw {
	// States go by names, so that a witness reads "merge(W1, W2)".
	states := make(map[string]merge.Cell)
	var names []string
	for i := range lc.claims {
		name := fmt.Sprintf("W%d", i+1)
		state := rule.NewCell()
		state.Apply(&lc.claims[i])
		states[name] = state
		names = append(names, name)
	}
	join := func(a, b string) string {
		name := "(" + a + " + " + b + ")"
		if _, ok := states[name]; !ok {
			state := rule.NewCell()
			state.Merge(states[a])
			state.Merge(states[b])
			states[name] = state
		}
		return name
	}
	equal := func(a, b string) bool {
		x := states[a]
		return x.Equal(states[b]) && x.Value() == ptr(states[b]).Value()
	}
	if broken := lc.broken(rule, lc.claims, law.Check(join, equal, names...)); broken != nil {
		return broken
	}
	if f := rule.Func(); f != nil {
		var values []value.Value
		var claims []merge.Claim
		for _, c := range lc.claims {
			if c.Kind == merge.Set {
				values, claims = append(values, c.Value), append(claims, c)
			}
		}
		if len(values) > 0 {
			return lc.broken(rule, claims, law.Check(f, func(a, b value.Value) bool { return a == b }, values...))
		}
	}
	return nil
}

func ptr[T any](v T) *T { return &v }

// broken tells a witness: samples is what the law was tried on.
func (lc *lawCell) broken(rule *merge.Rule, samples []merge.Claim, err error) *BrokenLaw {
	var b *law.Broken
	if !errors.As(err, &b) {
		return nil
	}
	promised := map[string]merge.Laws{law.NotIdempotent: merge.Idempotent, law.NotCommutative: merge.Commutative, law.NotAssociative: merge.Associative}[b.Law]
	out := &BrokenLaw{Law: b.Law, Key: lc.key, Field: lc.field, Waived: promised != 0 && rule.Laws()&promised == 0, Let: []string{}}
	told := make(map[int]bool)
	for _, at := range b.At {
		if told[at] {
			continue // one sample stands for several
		}
		told[at] = true
		c := &samples[at]
		out.Let = append(out.Let, fmt.Sprintf("%c = W%d: %s %s by %s at %s",
			'a'+len(out.Let), at+1, c.Kind, brief(c.Value), c.Op.Stamp.Node, c.Op.Stamp.Time.Time().Format(time.RFC3339Nano)))
	}
	_, out.Then, _ = strings.Cut(b.Error(), "Then: ")
	return out
}
