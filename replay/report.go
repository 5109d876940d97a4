package replay

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Schema names the form of a report in JSON. Fields are added to it, never renamed.
const Schema = "tiebreak.report/v1"

// Report is what a rule table would have done to a history. Equal histories and tables give equal reports, byte for
// byte in JSON, whatever the order of the inputs and the number of processors.
type Report struct {
	Schema string    `json:"schema"`
	Table  TableInfo `json:"table"`
	Inputs []Input   `json:"inputs"`

	// Partial is true when reading was interrupted: the report is of what was read by then, and the inputs say what is
	// missing.
	Partial bool `json:"partial,omitempty"`

	Totals    Totals     `json:"totals"`
	Causality []Known    `json:"causality"`      // how much is known of what writers had seen
	Decided   Decisions  `json:"decided"`        // which rung decided against the losers
	Skew      []Skew     `json:"skew"`           // between the clocks of two nodes, as the history shows it
	Late      []Lateness `json:"late,omitempty"` // how long writes took to arrive, where the exports show it
	Rules     []RuleSum  `json:"rules"`          // in the order of the table
	Checks    []CheckSum `json:"checks"`         // of checks and unique fields, in the order of the table
	Worst     []Cell     `json:"worst"`          // the cells that lose most
	Findings  []Finding  `json:"findings"`       // by code
}

// CheckSum is how often a check or a unique line of the table was tried: one that never was says nothing.
type CheckSum struct {
	Line     int    `json:"line"`
	Check    string `json:"check"`               // the line of the table
	Tried    int64  `json:"tried"`               // records of which it compared values
	TwoKinds int64  `json:"two_kinds,omitempty"` // and those where it could not, for they were of different kinds
}

func (c *CheckSum) note(t merge.Trial) {
	switch t {
	case merge.TwoKinds:
		c.TwoKinds++
	case merge.Held, merge.Broken:
		c.Tried++
	}
}

// TableInfo names the rule table of a report.
type TableInfo struct {
	File        string `json:"file"`
	Fingerprint string `json:"fingerprint"`

	// Nodes is the declared tie order, nil when the table declares none.
	Nodes clock.Nodes `json:"nodes,omitempty"`

	// Order is the order of the first rungs of the ladder, nil when it is that of version, time and node.
	Order []string `json:"order,omitempty"`
}

func infoOf(t *merge.Table) TableInfo {
	info := TableInfo{File: t.File, Fingerprint: t.Fingerprint(), Nodes: t.Nodes}
	if usual := [3]lww.Rung{lww.Version, lww.Time, lww.Node}; t.Ladder.Order != [3]lww.Rung{} && t.Ladder.Order != usual {
		for _, rung := range t.Ladder.Order {
			if rung != lww.Same { // one that a profile leaves out
				info.Order = append(info.Order, rung.String())
			}
		}
	}
	return info
}

// Ties reports whether what a rung decides is a tie up to it: whether it comes after the time.
func (t *TableInfo) Ties(rung lww.Rung) bool {
	switch rung {
	case lww.Node:
		return t.Order == nil || slices.Index(t.Order, lww.Time.String()) < slices.Index(t.Order, rung.String())
	case lww.Version:
		time := slices.Index(t.Order, lww.Time.String())
		return time >= 0 && time < slices.Index(t.Order, rung.String())
	}
	return rung == lww.Kind || rung == lww.Value
}

// Count is a number that may not be known exactly: at least Min, at most Max. The two are equal when the history tells
// all that the count depends on.
type Count struct {
	Min int64 `json:"min"`
	Max int64 `json:"max"`
}

// bound lowers the most to what there can be, unless the least is more.
func (c *Count) bound(most int64) { c.Max = max(c.Min, min(c.Max, most)) }

// Exact reports whether the count is known.
func (c Count) Exact() bool { return c.Min == c.Max }

func (c *Count) add(d Count) {
	c.Min += d.Min
	c.Max += d.Max
}

// Totals are the sums of a report. Writes are operations; one that writes three fields is one write, and has a part in
// three cells. Conflicts, overwritten, lost and the rest count those parts: writes to one key and field.
//
// Every part has one fate, or nobody can tell which:
//
//	FieldWrites = Kept + Combined + Overwritten.Min + Lost.Min + Refused.Min + Unknown
//
// and each of the unknown is in the most of one of the counts at least.
type Totals struct {
	Writes      int64 `json:"writes"`     // distinct operations
	Duplicates  int64 `json:"duplicates"` // redelivered operations, counted once
	Arrivals    int64 `json:"arrivals"`   // operations in the export of another region, where they arrived
	Keys        int64 `json:"keys"`
	Cells       int64 `json:"cells"` // keys and fields; a key of which nothing but deletes of the record are known counts as one, the field ""
	Conflicts   Count `json:"conflicts"`
	Conflicting Count `json:"conflicting"` // writes that are part of a conflict
	Kept        int64 `json:"kept"`
	Combined    int64 `json:"combined"`
	Overwritten Count `json:"overwritten"`
	Lost        Count `json:"lost"`
	Refused     Count `json:"refused"`
	Inversions  int64 `json:"inversions"`
	Diverged    int64 `json:"diverged"` // cells whose last write differs between the exports of two regions

	FieldWrites int64 `json:"field_writes"` // writes to one key and field
	Unknown     int64 `json:"unknown"`      // field writes of which nothing says what became of them
}

// account sets how many field writes there are, and of how many nothing says what became of them.
func (t *Totals) account(rules []RuleSum) {
	t.FieldWrites = 0
	for i := range rules {
		t.FieldWrites += rules[i].Writes
	}
	t.Unknown = t.FieldWrites - t.Kept - t.Combined - t.Overwritten.Min - t.Lost.Min - t.Refused.Min
}

func (t *Totals) add(o *Totals) {
	t.Writes += o.Writes
	t.Duplicates += o.Duplicates
	t.Arrivals += o.Arrivals
	t.Keys += o.Keys
	t.Cells += o.Cells
	t.Conflicts.add(o.Conflicts)
	t.Conflicting.add(o.Conflicting)
	t.Kept += o.Kept
	t.Combined += o.Combined
	t.Overwritten.add(o.Overwritten)
	t.Lost.add(o.Lost)
	t.Refused.add(o.Refused)
	t.Inversions += o.Inversions
	t.Diverged += o.Diverged
}

// Known says for how many writes a source told what their writers had seen. Writes to keys that one node alone wrote
// are not counted: there is nothing to know.
type Known struct {
	Source string `json:"source"`
	Writes int64  `json:"writes"`
}

// Decisions counts the losers (lost for certain, or perhaps) by the rung that decided against them.
type Decisions struct {
	Rule    int64 `json:"rule"` // the rule's own order, before the ladder
	Version int64 `json:"version"`
	Time    int64 `json:"time"`
	Node    int64 `json:"node"`
	Kind    int64 `json:"kind"`
	Value   int64 `json:"value"`

	// Tosses are decisions by time that are closer than the skew seen between the clocks of the two nodes, or between equal
	// times: a coin toss.
	Tosses int64 `json:"coin_tosses"`
}

// count counts a decision on a rung.
func (d *Decisions) count(by lww.Rung) {
	switch by {
	case lww.Rank:
		d.Rule++
	case lww.Version:
		d.Version++
	case lww.Time:
		d.Time++
	case lww.Node:
		d.Node++
	case lww.Kind:
		d.Kind++
	case lww.Value:
		d.Value++
	}
}

// Ties returns how many decisions were left to what comes after the time.
func (r *Report) Ties() int64 {
	d, n := &r.Decided, int64(0)
	for _, decided := range []struct {
		by lww.Rung
		n  int64
	}{{lww.Version, d.Version}, {lww.Node, d.Node}, {lww.Kind, d.Kind}, {lww.Value, d.Value}} {
		if r.Table.Ties(decided.by) {
			n += decided.n
		}
	}
	return n
}

// Found returns how often a code was found.
func (r *Report) Found(code finding.Code) int64 {
	for i := range r.Findings {
		if r.Findings[i].Code == code {
			return r.Findings[i].Count
		}
	}
	return 0
}

// Line returns what the line with a rule did; nil when the table has no such line. It has no two: the second would never match.
func (r *Report) Line(rule string) *RuleSum {
	for i := range r.Rules {
		if r.Rules[i].Rule == rule {
			return &r.Rules[i]
		}
	}
	return nil
}

// Skew says that a node's clock was seen ahead of another's: a writer of Behind had seen a write of Ahead and stamped its
// own that much earlier.
type Skew struct {
	Ahead  string `json:"ahead"`
	Behind string `json:"behind"`
	Nanos  int64  `json:"nanos"`
	Seen   int64  `json:"seen"` // how many writes show it
}

// Lateness is how long after they were written the writes of a node arrived in a region, by the time that each of the two exports has
// of them, in nanoseconds and to three digits: the least, the middle, the 99th of a hundred, and the greatest. Where a clock is behind the
// other's it may be less than nothing; and where a write in the region left the column that tells its origin as it was, so that it counts as
// one of the origin, which has it when it arrives there. What did not arrive, for a newer row was there, is in none.
type Lateness struct {
	From   string `json:"from"`
	In     string `json:"in"`
	Writes int64  `json:"writes"`
	Min    int64  `json:"min"`
	P50    int64  `json:"p50"`
	P99    int64  `json:"p99"`
	Max    int64  `json:"max"`
}

// RuleSum is what one line of the table did.
type RuleSum struct {
	Line        int    `json:"line"`
	Rule        string `json:"rule"`
	Cells       int64  `json:"cells"`
	Writes      int64  `json:"writes"`
	Conflicts   Count  `json:"conflicts"`
	Combined    int64  `json:"combined"`
	Overwritten Count  `json:"overwritten"`
	Lost        Count  `json:"lost"`
	Refused     Count  `json:"refused"`
}

func (s *RuleSum) add(o *RuleSum) {
	s.Cells += o.Cells
	s.Writes += o.Writes
	s.Conflicts.add(o.Conflicts)
	s.Combined += o.Combined
	s.Overwritten.add(o.Overwritten)
	s.Lost.add(o.Lost)
	s.Refused.add(o.Refused)
}

// Cell sums up one key and field.
type Cell struct {
	Key       string      `json:"key"`
	Field     string      `json:"field"`
	Line      int         `json:"line"` // of the rule in the table
	Rule      string      `json:"rule"`
	Writes    int64       `json:"writes"`
	Conflicts Count       `json:"conflicts"`
	Lost      Count       `json:"lost"`
	Refused   Count       `json:"refused"`
	Value     value.Value `json:"value,omitempty"` // what is kept; absent when deleted
	ID        string      `json:"id,omitempty"`    // of the write that is kept, when it is one
	By        string      `json:"by,omitempty"`    // its node
}

// Finding is one code: how often it was found and the first few places.
type Finding struct {
	Code     finding.Code      `json:"code"`
	Count    int64             `json:"count"`
	Examples []finding.Finding `json:"examples"`
}
