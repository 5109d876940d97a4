package redact

import (
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
)

// worst is how many of the cells that lose most are compared one by one.
const worst = 1000

// Compare runs the table over a history and over what was made of it, and reports whether all decisions are the same: the
// totals, the sums of each rule, the rungs that decided, how often each code was found, and of each cell the id and node of the
// write that is kept and, where it is one, its value. Where they are not it names the keys that it found to be decided
// otherwise, which may be none, sorted.
func (r *Redactor) Compare(original, redacted *replay.History) (keys []string, same bool, err error) {
	differ := make(map[string]bool)
	var want *replay.Report
	next, stop := iter.Pull(func(yield func(replay.StateLine) bool) {
		want = original.Run(r.table, replay.Options{Worst: worst, State: func(l replay.StateLine) { yield(l) }})
	})
	defer stop()
	line, more := next()
	skip := func(until func(replay.StateLine) bool) {
		for ; more && until(line); line, more = next() {
			differ[strings.Clone(line.Key)] = true
		}
	}
	got := redacted.Run(r.table, replay.Options{Worst: worst, State: func(l replay.StateLine) {
		skip(func(o replay.StateLine) bool { return o.Key < l.Key || o.Key == l.Key && o.Field < l.Field })
		if !more || line.Key != l.Key || line.Field != l.Field {
			differ[strings.Clone(l.Key)] = true
			return
		}
		if line.ID != l.ID || line.By != l.By || !r.shows(&line, l.Value) {
			differ[strings.Clone(l.Key)] = true
		}
		line, more = next()
	}})
	skip(func(replay.StateLine) bool { return true })
	for _, h := range []*replay.History{original, redacted} {
		if err := h.Err(); err != nil {
			return nil, false, err
		}
	}
	decided, decides := decisionsOf(want), decisionsOf(got)
	suspects(want, got, func(code finding.Code) bool { return decided.Findings[code] != decides.Findings[code] }, differ)
	keys = slices.Sorted(maps.Keys(differ))
	return keys, len(keys) == 0 && reflect.DeepEqual(decided, decides), nil
}

// shows reports whether a value is what stands for the one of a cell. Of cells that show several writes it can't be told.
func (r *Redactor) shows(line *replay.StateLine, v value.Value) bool {
	field := line.Field
	rule := r.table.Rule(line.Key, field)
	for _, other := range r.table.Rules {
		if other.Together && other.Cell("") == field && slices.Contains(r.table.RulesOf(line.Key), other) {
			rule, field = other, "" // an object of its fields, or the whole record
			break
		}
	}
	// The number of an add stays, also under a rule that has no use for it.
	return showsSeveral(rule) || v == line.Value && v.Kind() == value.KindNumber ||
		v == r.hide(line.Key, rule, field, line.Value, merge.Set, Summary{})
}

// decisions is what a report says apart from places, values and texts.
type decisions struct {
	Totals    replay.Totals
	Causality []replay.Known
	Decided   replay.Decisions
	Skew      []replay.Skew
	Rules     []replay.RuleSum
	Findings  map[finding.Code]int64
}

func decisionsOf(r *replay.Report) decisions {
	d := decisions{r.Totals, r.Causality, r.Decided, r.Skew, r.Rules, make(map[finding.Code]int64)}
	for _, f := range r.Findings {
		d.Findings[f.Code] = f.Count
	}
	return d
}

// suspects adds the keys that only one of two reports names, or names with other counts, among the cells that lose most and under
// codes that differ.
func suspects(a, b *replay.Report, differs func(finding.Code) bool, keys map[string]bool) {
	type site struct {
		code finding.Code
		cell replay.Cell
	}
	found := make(map[site]int) // in one of them, or in both
	for _, r := range []*replay.Report{a, b} {
		for _, c := range r.Worst {
			c.Value = ""
			found[site{cell: c}]++
		}
		for _, f := range r.Findings {
			of := make(map[site]bool)
			for _, e := range f.Examples {
				if e.Key != "" && differs(f.Code) {
					of[site{f.Code, replay.Cell{Key: e.Key, Field: e.Field}}] = true
				}
			}
			for s := range of {
				found[s]++
			}
		}
	}
	for s, n := range found {
		if n == 1 {
			keys[s.cell.Key] = true
		}
	}
}
