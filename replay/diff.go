package replay

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Diff is what other tables would change against the first one.
type Diff struct {
	Schema string    `json:"schema"` // "tiebreak.diff/v1"
	Base   *Report   `json:"base"`
	Others []Changes `json:"others"`
}

// Changes is what one table changes. Fewer losses are no better by themselves: a line that matches nothing loses nothing, and what
// a rule has no use for is found. Which lines match nothing say the rules of the reports.
type Changes struct {
	Report   *Report       `json:"report"`
	Lines    []LineDiff    `json:"lines"`    // of the tables themselves
	Cells    int64         `json:"cells"`    // that end with another value
	Refused  int64         `json:"refused"`  // cells that one table refuses to merge and the other doesn't
	Differ   int64         `json:"differ"`   // cells in either count
	Largest  []CellDiff    `json:"largest"`  // the first of them, by key and field, up to Options.Worst
	Findings []FindingDiff `json:"findings"` // of which there are more or fewer, by code
	Losses   []RuleDiff    `json:"losses"`   // by the lines that lose or refuse more or fewer, those of the base first
}

// FindingDiff is a code that is found more or less often.
type FindingDiff struct {
	Code finding.Code `json:"code"`
	Was  int64        `json:"was"`
	Is   int64        `json:"is"`
}

// RuleDiff is a line that loses or refuses more or fewer. A line is the same in two tables when its rule is, wherever it stands.
type RuleDiff struct {
	Rule string   `json:"rule"`
	Was  *RuleSum `json:"was"` // null when the base has no such line
	Is   *RuleSum `json:"is"`  // null when the other table has none
}

// LineDiff is one line that only one of the two tables has.
type LineDiff struct {
	Line  int    `json:"line"`
	Rule  string `json:"rule"`
	Added bool   `json:"added"` // it is in the other table; else it is in the base
}

// CellDiff is one cell that ends differently.
type CellDiff struct {
	Key   string `json:"key"`
	Field string `json:"field"`
	Base  Ending `json:"base"`
	Other Ending `json:"other"`
}

// Ending is how a cell ends under one table.
type Ending struct {
	Line    int         `json:"line"`
	Rule    string      `json:"rule"`
	Value   value.Value `json:"value,omitempty"`
	ID      string      `json:"id,omitempty"`
	By      string      `json:"by,omitempty"`
	Lost    Count       `json:"lost"`
	Refused bool        `json:"refused,omitempty"`
}

// Different reports whether any table ends differently from the first one.
func (d *Diff) Different() bool {
	return slices.ContainsFunc(d.Others, func(c Changes) bool { return c.Differ > 0 })
}

// Diff runs the history under several tables and compares how each field of each key ends with how it ends under the
// first. The history is read once, and each key is compared as soon as it is merged under all tables.
func (h *History) Diff(tables []*merge.Table, opt Options) *Diff {
	opt.State = nil
	var mu sync.Mutex
	var all []*differ
	sums := h.fold(&work{tables: tables, opt: &opt, differ: func() *differ {
		d := newDiffer(tables, &opt)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, d)
		return d
	}})
	d := &Diff{Schema: "tiebreak.diff/v1", Base: h.report(tables[0], sums[0], &opt)}
	for i, table := range tables[1:] {
		c := Changes{Report: h.report(table, sums[i+1], &opt), Lines: lineDiff(tables[0], table), Largest: []CellDiff{}}
		for _, part := range all {
			c.join(&part.others[i], part.limit)
		}
		c.Findings, c.Losses = findingDiff(d.Base, c.Report), ruleDiff(d.Base, c.Report)
		d.Others = append(d.Others, c)
	}
	return d
}

// fieldEnding is how one field ends.
type fieldEnding struct {
	field string
	Ending
}

// differ is one goroutine's comparison.
type differ struct {
	limit  int // of the differences that are shown
	base   []fieldEnding
	other  []fieldEnding
	others []Changes
}

func newDiffer(tables []*merge.Table, opt *Options) *differ {
	return &differ{limit: cmp.Or(opt.Worst, 10), others: make([]Changes, len(tables)-1)}
}

// visit compares how a key ends under a table with how it ended under the first.
func (d *differ) visit(table int, key string, cells []*cell) {
	if table == 0 {
		d.base = endings(d.base[:0], cells)
		return
	}
	d.other = endings(d.other[:0], cells)
	d.others[table-1].compare(key, d.base, d.other, d.limit)
}

// endings appends how every field of a key ends. Fields that are decided together end one by one, so that tables which
// group fields differently compare.
func endings(list []fieldEnding, cells []*cell) []fieldEnding {
	for i := range cells {
		c, rule := &cells[i].sum, cells[i].rule
		e := Ending{Line: rule.Line, Rule: rule.Name, Value: c.Value, ID: c.ID, By: c.By, Lost: c.Lost, Refused: c.Refused.Max > 0}
		if !rule.Together || c.Value.Kind() != value.KindObject {
			list = append(list, fieldEnding{c.Field, e})
			continue
		}
		for name, v := range c.Value.Members() {
			member := e
			member.Value = v
			list = append(list, fieldEnding{name, member})
		}
	}
	if len(list) > 1 {
		slices.SortFunc(list, func(a, b fieldEnding) int { return strings.Compare(a.field, b.field) })
	}
	return list
}

// compare counts how the fields of one key end differently.
func (c *Changes) compare(key string, was, now []fieldEnding, limit int) {
	for len(was) > 0 || len(now) > 0 {
		var a, b fieldEnding
		switch {
		case len(now) == 0 || len(was) > 0 && was[0].field < now[0].field:
			a, was = was[0], was[1:]
			b.field = a.field
		case len(was) == 0 || now[0].field < was[0].field:
			b, now = now[0], now[1:]
			a.field = b.field
		default:
			a, b, was, now = was[0], now[0], was[1:], now[1:]
		}
		if a.Value == b.Value && a.Refused == b.Refused {
			continue
		}
		c.Differ++
		if a.Value != b.Value {
			c.Cells++
		}
		if a.Refused != b.Refused {
			c.Refused++
		}
		c.note(CellDiff{Key: key, Field: a.field, Base: a.Ending, Other: b.Ending}, limit)
	}
}

// join adds what another goroutine found.
func (c *Changes) join(o *Changes, limit int) {
	c.Differ += o.Differ
	c.Cells += o.Cells
	c.Refused += o.Refused
	for _, d := range o.Largest {
		c.note(d, limit)
	}
}

// wants reports whether a difference may be among the first few by key and field.
func (c *Changes) wants(key, field string, limit int) bool {
	if len(c.Largest) < limit {
		return true
	}
	if limit <= 0 {
		return false
	}
	last := &c.Largest[limit-1]
	return key < last.Key || key == last.Key && field < last.Field
}

// note keeps the first few differences by key and field.
func (c *Changes) note(d CellDiff, limit int) {
	at, _ := slices.BinarySearchFunc(c.Largest, d, func(a, b CellDiff) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Field, b.Field))
	})
	if at < limit {
		d.Key, d.Field, d.Base, d.Other = strings.Clone(d.Key), strings.Clone(d.Field), d.Base.clone(), d.Other.clone()
		c.Largest = slices.Insert(c.Largest, at, d)
		c.Largest = c.Largest[:min(len(c.Largest), limit)]
	}
}

// clone returns the ending with texts of its own.
func (e Ending) clone() Ending {
	e.Value, e.ID = value.Value(strings.Clone(string(e.Value))), strings.Clone(e.ID)
	return e
}

// lineDiff returns the lines that only one of two tables has, the order and the nodes among them.
func lineDiff(from, to *merge.Table) []LineDiff {
	lines := []LineDiff{}
	has := func(t *merge.Table, text string) bool {
		return slices.ContainsFunc(t.Lines(), func(l merge.TableLine) bool { return l.Text == text })
	}
	for _, l := range from.Lines() {
		if !has(to, l.Text) {
			lines = append(lines, LineDiff{Line: l.Line, Rule: l.Text})
		}
	}
	for _, l := range to.Lines() {
		if !has(from, l.Text) {
			lines = append(lines, LineDiff{Line: l.Line, Rule: l.Text, Added: true})
		}
	}
	return lines
}

// findingDiff returns the codes that two tables do not find equally often.
func findingDiff(from, to *Report) []FindingDiff {
	list := []FindingDiff{}
	for _, code := range codesOf(from, to) {
		if d := (FindingDiff{Code: code, Was: from.Found(code), Is: to.Found(code)}); d.Was != d.Is {
			list = append(list, d)
		}
	}
	return list
}

// codesOf returns the codes of the findings of two reports, sorted.
func codesOf(reports ...*Report) []finding.Code {
	var codes []finding.Code
	for _, r := range reports {
		for i := range r.Findings {
			codes = append(codes, r.Findings[i].Code)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// ruleDiff returns the lines that lose or refuse more or fewer under one of two tables, those of the first in its order, and then
// those that only the second has.
func ruleDiff(from, to *Report) []RuleDiff {
	list := []RuleDiff{}
	differs := func(a, b *RuleSum) {
		var none RuleSum
		was, is := cmp.Or(a, &none), cmp.Or(b, &none)
		if was.Lost != is.Lost || was.Refused != is.Refused {
			list = append(list, RuleDiff{Rule: cmp.Or(was.Rule, is.Rule), Was: a, Is: b})
		}
	}
	for i := range from.Rules {
		differs(&from.Rules[i], to.Line(from.Rules[i].Rule))
	}
	for i := range to.Rules {
		if b := &to.Rules[i]; from.Line(b.Rule) == nil {
			differs(nil, b)
		}
	}
	return list
}
