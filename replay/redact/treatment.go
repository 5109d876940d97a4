package redact

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// treatment is what the table lets be done with the values of one field of a key.
type treatment struct {
	rule    *merge.Rule
	line    int // of the table, which says so
	kept    bool
	numbers bool // stay: they are counted, or one was added, which the form of a history wants to be a number
	bySize  bool // a rule or a check compares them by size, whatever their stamps
	checked bool // a check does
	domain  domainName
}

// treat returns the treatment of a field under the rule that decides it.
func (r *Redactor) treat(key, field string, rule *merge.Rule) treatment {
	t := treatment{rule: rule, line: rule.Line, domain: domainName{key, field}}
	t.numbers = rule.Name == "counter" || len(r.added) > 0 && r.added[t.domain]
	switch rule.Name {
	case "max", "min":
		t.bySize = true
	case "highest":
		t.bySize = isColumn(rule, field)
	}
	if len(r.table.Checks)+len(r.table.Uniques) == 0 {
		return t
	}
	var checks []merge.Check
	for _, c := range r.table.ChecksOf(key) {
		checks = append(checks, *c)
	}
	fields := compared(field, checks)
	for _, c := range checks {
		left, right := slices.Contains(fields, c.Left.Field), slices.Contains(fields, c.Right.Field)
		if t.kept || !isField(c.Left, left) && !isField(c.Right, right) {
			continue
		}
		t.bySize, t.checked = true, true
		if !comparesFields(c) || slices.ContainsFunc(fields, func(f string) bool { return !hasRanks(r.table.Rule(key, f)) }) {
			t.kept, t.line = true, c.Line
		}
	}
	// Of a unique field there is one order for all keys, and so of what is compared with it.
	for _, u := range r.table.UniquesOf(key) {
		if slices.Contains(fields, u.Field) {
			fields = compared(field, r.table.Checks)
			t.domain.key = ""
			break
		}
	}
	t.domain.field = slices.Min(fields)
	return t
}

func isField(o merge.Operand, named bool) bool { return named && o.Const.IsAbsent() }

// comparesFields reports whether a check is between two fields.
func comparesFields(c merge.Check) bool { return c.Left.Const.IsAbsent() && c.Right.Const.IsAbsent() }

// compared returns a field and all that checks compare with it, be it by way of others.
func compared(field string, checks []merge.Check) []string {
	fields := []string{field}
	for i := 0; i < len(fields); i++ {
		for _, c := range checks {
			if !comparesFields(c) {
				continue
			}
			for _, pair := range [][2]string{{c.Left.Field, c.Right.Field}, {c.Right.Field, c.Left.Field}} {
				if pair[0] == fields[i] && !slices.Contains(fields, pair[1]) {
					fields = append(fields, pair[1])
				}
			}
		}
	}
	return fields
}

// hasRanks reports whether ranks can take the place of all that a cell of the rule shows: not where it shows several values at
// once, or some that stay.
func hasRanks(rule *merge.Rule) bool {
	return !showsSeveral(rule) && rule.Name != "counter" && rule.Name != "prefer"
}

// keeps reports whether a value stays as it is.
func (t *treatment) keeps(v value.Value) bool {
	if t.kept || t.numbers && v.Kind() == value.KindNumber {
		return true
	}
	switch _, truth := v.Bool(); t.rule.Name {
	case "enable-wins", "disable-wins":
		return truth
	case "prefer":
		return isPreferred(t.rule, v)
	}
	return false
}

// isPreferred reports whether a rule that prefers values names one: it comes before what has no value.
func isPreferred(rule *merge.Rule, v value.Value) bool {
	_, by := rule.Compare(writeOf(v), &merge.Write{Register: lww.Register[value.Value]{Deleted: true}})
	return by == lww.Rank
}

// isColumn reports whether a rule takes the write that is highest by a field.
func isColumn(rule *merge.Rule, field string) bool {
	lower, higher := value.Member{Name: field, Value: "1"}, value.Member{Name: field, Value: "2"}
	_, by := rule.Compare(writeOf(value.Object(lower)), writeOf(value.Object(higher)))
	return by == lww.Rank
}

// writeOf returns a write without a stamp.
func writeOf(v value.Value) *merge.Write {
	return &merge.Write{Register: lww.Register[value.Value]{Value: v}}
}
