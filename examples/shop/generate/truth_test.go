package main

import (
	"bytes"
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// The simulation knows who had seen what, so what a dry run says can be checked: by trying every pair of writes, without
// any of the code that the dry run uses.

// claim is what a write does to one field under a table of which every line is lww.
type claim struct {
	*write
	deleted bool
	value   value.Value
}

type cellName struct{ key, field string }

// fields sorts the writes by key and field. A delete of the whole record is a claim on each field of its key.
func fields(writes []*write) map[cellName][]claim {
	cells := make(map[cellName][]claim)
	names := make(map[string][]string)
	for _, w := range writes {
		for _, f := range w.rec.Fields {
			if !slices.Contains(names[w.rec.Key], f.Name) {
				names[w.rec.Key] = append(names[w.rec.Key], f.Name)
			}
			at := cellName{w.rec.Key, f.Name}
			cells[at] = append(cells[at], claim{w, false, f.Value})
		}
	}
	for _, w := range writes {
		if len(w.rec.Fields) > 0 {
			continue
		}
		if len(names[w.rec.Key]) == 0 {
			names[w.rec.Key] = []string{""}
		}
		for _, name := range names[w.rec.Key] {
			at := cellName{w.rec.Key, name}
			cells[at] = append(cells[at], claim{w, true, ""})
		}
	}
	return cells
}

// hadSeen reports whether the writer of b had seen a.
func hadSeen(b, a *write) bool { return b.saw[a.by.index] >= a.number }

// stampOrder compares by version, time and declared node: positive when a wins.
func stampOrder(order []clock.Node, a, b *write) int {
	return cmp.Or(cmp.Compare(a.rec.Version, b.rec.Version), cmp.Compare(a.rec.Time.Wall, b.rec.Time.Wall),
		cmp.Compare(slices.Index(order, a.rec.Node), slices.Index(order, b.rec.Node)))
}

// reported returns what the report says of every field that has conflicts.
func reported(r *replay.Report) map[cellName]replay.Cell {
	cells := make(map[cellName]replay.Cell)
	for _, c := range r.Worst {
		cells[cellName{c.Key, c.Field}] = c
	}
	return cells
}

// within reports whether a count may be n.
func within(n int64, c replay.Count) bool { return c.Min <= n && n <= c.Max }

const allCells = 1 << 20

// Some records don't tell what their writers had seen, so the report has ranges. The truth is in them, field by field.
func TestTruthIsWithinTheReportedRange(t *testing.T) {
	h, err := shipped()
	require.NoError(t, err)
	odd := make(map[string]bool)
	for _, w := range day().writes {
		odd[w.rec.Key] = odd[w.rec.Key] || w.odd
	}
	lww := table(t, "shop-lww.tb")
	r := h.Run(lww, replay.Options{Worst: allCells})
	told := reported(r)
	sum, ranges := replay.Totals{}, 0
	for at, claims := range fields(day().writes) {
		if odd[at.key] {
			continue
		}
		truth, c := replay.Totals{}, told[at]
		judge(lww.Nodes, claims, &truth)
		if !within(truth.Conflicts.Min, c.Conflicts) || !within(truth.Lost.Min, c.Lost) {
			t.Errorf("%s %s: %d conflicts and %d lost, and the report says %v and %v", at.key, at.field,
				truth.Conflicts.Min, truth.Lost.Min, c.Conflicts, c.Lost)
		}
		if !c.Conflicts.Exact() {
			ranges++
		}
		sum.Conflicts.Min += truth.Conflicts.Min
		sum.Lost.Min += truth.Lost.Min
	}
	assert.Positive(t, ranges)
	t.Logf("%d conflicts, reported %v; %d lost, reported %v", sum.Conflicts.Min, r.Totals.Conflicts, sum.Lost.Min, r.Totals.Lost)
}

// toldInFull returns the history as it would be if every site numbered its writes and told what it had seen.
func toldInFull(t *testing.T, writes []*write) *replay.History {
	name := func(i int) clock.Node {
		if i == feedAgain {
			return "feed-2"
		}
		return day().sites[i].name
	}
	var text bytes.Buffer
	out := history.NewWriter(&text, history.Native)
	for _, w := range writes {
		rec := w.rec
		rec.Node = name(w.by.index)
		rec.ID = clock.Dot{Node: rec.Node, Seq: w.number}.String()
		rec.Knows, rec.SeenUp = true, nil
		for i, n := range w.saw {
			if i != w.by.index && n > 0 {
				rec.SeenUp = append(rec.SeenUp, clock.Dot{Node: name(i), Seq: n})
			}
		}
		require.NoError(t, out.Write(&rec))
	}
	require.NoError(t, out.Close())
	h, err := replay.Collect([]history.Source{history.Reader("told-in-full.ndjson", &text)}, history.Options{})
	require.NoError(t, err)
	return h
}

// When every record tells what its writer had seen, nothing is a range and everything is the truth.
func TestReportIsTheTruthWhenRecordsTellEverything(t *testing.T) {
	lww := table(t, "shop-lww.tb")
	r := toldInFull(t, day().writes).Run(lww, replay.Options{Worst: allCells})
	told := reported(r)
	var sum replay.Totals
	for at, claims := range fields(day().writes) {
		truth, c := replay.Totals{}, told[at]
		judge(lww.Nodes, claims, &truth)
		if c.Conflicts != truth.Conflicts || c.Lost != truth.Lost {
			t.Errorf("%s %s: %v conflicts and %v lost, and the report says %v and %v", at.key, at.field,
				truth.Conflicts, truth.Lost, c.Conflicts, c.Lost)
		}
		join(&sum, &truth)
	}
	assert.Equal(t, sum.Conflicts, r.Totals.Conflicts)
	assert.Equal(t, sum.Kept, r.Totals.Kept)
	assert.Equal(t, sum.Overwritten, r.Totals.Overwritten)
	assert.Equal(t, sum.Lost, r.Totals.Lost)
	assert.Equal(t, sum.Inversions, r.Totals.Inversions)
}

func one(n *replay.Count) { n.Min, n.Max = n.Min+1, n.Max+1 }

func join(sum, t *replay.Totals) {
	sum.Conflicts.Min, sum.Conflicts.Max = sum.Conflicts.Min+t.Conflicts.Min, sum.Conflicts.Max+t.Conflicts.Max
	sum.Overwritten.Min, sum.Overwritten.Max = sum.Overwritten.Min+t.Overwritten.Min, sum.Overwritten.Max+t.Overwritten.Max
	sum.Lost.Min, sum.Lost.Max = sum.Lost.Min+t.Lost.Min, sum.Lost.Max+t.Lost.Max
	sum.Kept += t.Kept
	sum.Inversions += t.Inversions
}

// judge counts what becomes of the claims on one field.
func judge(order []clock.Node, claims []claim, sum *replay.Totals) {
	kept := claims[0]
	for _, c := range claims {
		if wins(order, c, kept) {
			kept = c
		}
	}
	for i, c := range claims {
		overwritten, inverted := false, false
		for j, other := range claims {
			if i == j {
				continue
			}
			overwritten = overwritten || replaces(other, c)
			inverted = inverted || hadSeen(c.write, other.write) && stampOrder(order, other.write, c.write) > 0
			if j < i && !hadSeen(c.write, other.write) && !hadSeen(other.write, c.write) {
				one(&sum.Conflicts)
			}
		}
		same := c.value == kept.value && c.deleted == kept.deleted && (c.deleted || c.rec.Op == merge.Set)
		switch {
		case c.write == kept.write || !overwritten && same:
			sum.Kept++
		case overwritten:
			one(&sum.Overwritten)
		default:
			one(&sum.Lost)
		}
		if inverted {
			sum.Inversions++
		}
	}
}

// wins orders claims by their stamps, then deletes before values, then values.
func wins(order []clock.Node, a, b claim) bool {
	if c := stampOrder(order, a.write, b.write); c != 0 {
		return c > 0
	}
	if a.deleted != b.deleted {
		return a.deleted
	}
	return a.value > b.value
}

// replaces reports whether b took the place of a: its writer had seen a. What is said of one element of a set takes
// nothing from another, and an increment nothing from an increment or an element.
func replaces(b, a claim) bool {
	element := func(c claim) bool { return c.rec.Op == merge.Insert || c.rec.Op == merge.Remove }
	part := func(c claim) bool { return element(c) || c.rec.Op == merge.Add }
	if a.rec.Op == merge.Add || b.rec.Op == merge.Add {
		return hadSeen(b.write, a.write) && (!part(a) || !part(b))
	}
	return hadSeen(b.write, a.write) && (!element(a) || !element(b) || a.value == b.value)
}

// Every sale counts once, on whichever side of the cut it was, however often it was sent.
func TestCountersEndWithTheSumOfAllSales(t *testing.T) {
	truth := make(map[string]int64)
	for _, w := range day().writes {
		for _, f := range w.rec.Fields {
			if f.Name != "count" && f.Name != "balance" || w.by.index == legacy {
				continue
			}
			now, err := f.Value.Decimal()
			require.NoError(t, err)
			n, _ := now.Int64()
			if was, err := f.Before.Decimal(); err == nil && f.Before != value.Null && !f.Before.IsAbsent() {
				old, _ := was.Int64()
				n -= old
			}
			truth[w.rec.Key+" "+f.Name] += n
		}
	}
	h, err := shipped()
	require.NoError(t, err)
	shop := table(t, "shop.tb")
	checked := 0
	h.Run(shop, replay.Options{State: func(line replay.StateLine) {
		if shop.Rule(line.Key, line.Field).Name != "counter" {
			return
		}
		checked++
		assert.Equal(t, value.Int(truth[line.Key+" "+line.Field]), line.Value, line.Key)
	}})
	assert.Greater(t, checked, numGoods)
}
