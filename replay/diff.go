package replay

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Diff is what other tables would change against the first one.
type Diff struct {
	Schema string    `json:"schema"` // "tiebreak.diff/v1"
	Base   *Report   `json:"base"`
	Others []Changes `json:"others"`
}

// Changes is what one table changes.
type Changes struct {
	Report  *Report    `json:"report"`
	Lines   []LineDiff `json:"lines"`   // of the tables themselves
	Cells   int64      `json:"cells"`   // that end with another value
	Refused int64      `json:"refused"` // cells that one table refuses to merge and the other doesn't
	Differ  int64      `json:"differ"`  // cells in either count
	Largest []CellDiff `json:"largest"` // the first of them, by key and field, up to Options.Worst
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
// first. The history is read once.
func (h *History) Diff(tables []*merge.Table, opt Options) *Diff {
	opt.State = nil
	d := &Diff{Schema: "tiebreak.diff/v1"}
	var base map[string][]fieldEnding
	for i, table := range tables {
		ends, report := h.endings(table, opt)
		if i == 0 {
			base, d.Base = ends, report
			continue
		}
		d.Others = append(d.Others, compareEndings(tables[0], table, base, ends, report, &opt))
	}
	return d
}

// fieldEnding is how one field ends.
type fieldEnding struct {
	field string
	Ending
}

// endings runs the history and returns how every field of every key ends. Fields that are decided together end one by
// one, so that tables which group fields differently compare.
func (h *History) endings(table *merge.Table, opt Options) (map[string][]fieldEnding, *Report) {
	ends := make(map[string][]fieldEnding)
	lock := make(chan struct{}, 1)
	s := h.fold(table, &opt, func(k *key, cells []cell) {
		var list []fieldEnding
		for i := range cells {
			c := &cells[i]
			e := Ending{Line: c.rule.Line, Rule: c.rule.Name, Value: c.sum.Value, ID: c.sum.ID, By: c.sum.By, Lost: c.sum.Lost, Refused: c.sum.Refused.Max > 0}
			if !c.rule.Together || c.sum.Value.Kind() != value.KindObject {
				list = append(list, fieldEnding{c.name, e})
				continue
			}
			for name, v := range c.sum.Value.Members() {
				member := e
				member.Value = v
				list = append(list, fieldEnding{name, member})
			}
		}
		slices.SortFunc(list, func(a, b fieldEnding) int { return strings.Compare(a.field, b.field) })
		lock <- struct{}{}
		ends[k.name] = list
		<-lock
	})
	return ends, h.report(table, s, &opt)
}

func compareEndings(from, to *merge.Table, base, other map[string][]fieldEnding, report *Report, opt *Options) Changes {
	c := Changes{Report: report, Lines: lineDiff(from, to), Largest: []CellDiff{}}
	limit := cmp.Or(opt.Worst, 10)
	for key, was := range base {
		now := other[key]
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
	return c
}

// note keeps the first few differences by key and field.
func (c *Changes) note(d CellDiff, limit int) {
	at, _ := slices.BinarySearchFunc(c.Largest, d, func(a, b CellDiff) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Field, b.Field))
	})
	if at < limit {
		c.Largest = slices.Insert(c.Largest, at, d)
		c.Largest = c.Largest[:min(len(c.Largest), limit)]
	}
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
