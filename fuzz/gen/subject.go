package gen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/lex"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// subject is what a history is about: a key, and what can be written to it.
type subject struct {
	key   string
	cells []cell
}

// cell is a field of a key, or the fields that its rule decides together.
type cell struct {
	rule      *merge.Rule
	fields    []string
	actions   []action
	preferred []value.Value // of prefer
}

// action is what a write does to a cell.
type action struct {
	kind  merge.Kind
	image bool // it gives an absolute value, and what it replaced
	whole bool // it deletes the record
}

var (
	set    = action{kind: merge.Set}
	add    = action{kind: merge.Add}
	insert = action{kind: merge.Insert}
	remove = action{kind: merge.Remove}
	image  = action{kind: merge.Set, image: true}
	unset  = action{kind: merge.Delete}
	erase  = action{kind: merge.Delete, whole: true}
)

// actionsOf returns what suits a rule, the simplest first. What stands several times comes more often.
func actionsOf(rule *merge.Rule) []action {
	switch rule.Name {
	case "counter":
		return []action{add, add, add, image, unset, erase}
	case "grow-only":
		return []action{insert, insert, image}
	case "add-wins", "remove-wins":
		return []action{insert, insert, insert, remove, remove, image, unset, erase}
	}
	return []action{set, set, set, set, set, unset, erase}
}

// subjectsOf returns the keys that a table is about, or those that the caller names, with all cells that they have.
func subjectsOf(table *merge.Table, keys []string) (subjects []subject) {
	rules := make([][]lex.Word, len(table.Rules))
	for i, rule := range table.Rules {
		var ms lex.Mistakes
		rules[i] = lex.Lines([]byte(rule.String()), &ms)[0].Words // a table has read the line before
	}
	if keys == nil {
		for _, words := range rules {
			keys = append(keys, instances(words[0], "key/", "1", "2")...)
		}
	}
	seen := make(map[string]bool)
	for _, key := range keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		s := subject{key: key}
		for i, rule := range table.Rules {
			s.cells = append(s.cells, cellsOf(table, key, rule, rules[i])...)
		}
		if s.cells != nil {
			subjects = append(subjects, s)
		}
	}
	if subjects == nil {
		panic(fmt.Sprintf("gen: no line of the table matches any of the keys %q: give it one that does in Shape.Keys", keys))
	}
	return subjects
}

// cellsOf returns the cells that one rule gives a key. words are the rule's line: KEY FIELD RULE OPTIONS.
func cellsOf(table *merge.Table, key string, rule *merge.Rule, words []lex.Word) (cells []cell) {
	var fields []string
	if words[1].Quoted {
		fields = []string{words[1].Text}
	} else {
		for name := range strings.SplitSeq(words[1].Text, ",") {
			fields = append(fields, instances(lex.Word{Text: name}, "", "a", "b")...)
		}
	}
	c := cell{rule: rule, actions: actionsOf(rule)}
	switch options := words[3:]; rule.Name {
	case "highest":
		fields = append(fields, options[0].Text) // the column
	case "prefer":
		c.preferred = preferred(options)
	}
	slices.Sort(fields)
	fields = slices.Compact(fields)
	fields = slices.DeleteFunc(fields, func(field string) bool { return table.Rule(key, field) != rule })
	if rule.Together && len(fields) > 0 {
		c.fields = fields
		return []cell{c}
	}
	for _, field := range fields {
		c.fields = []string{field}
		cells = append(cells, c)
	}
	return cells
}

// instances returns texts that a pattern matches: itself, or some with its stars filled in. A star alone gets a prefix.
func instances(pattern lex.Word, prefix string, fillings ...string) []string {
	if pattern.Quoted || !strings.Contains(pattern.Text, "*") {
		return []string{pattern.Text}
	}
	var texts []string
	for _, filling := range fillings {
		if pattern.Text == "*" {
			filling = prefix + filling
		}
		texts = append(texts, strings.ReplaceAll(pattern.Text, "*", filling))
	}
	return texts
}

// preferred reads the values of prefer: closed > open > new.
func preferred(options []lex.Word) (values []value.Value) {
	for _, w := range options {
		switch {
		case w.Text == "together" && !w.Quoted:
			return values
		case w.Quoted:
			values = append(values, value.Text(w.Text))
		case w.Text != ">":
			v, err := value.Parse([]byte(w.Text), value.Limits{})
			if err != nil {
				v = value.Text(w.Text)
			}
			values = append(values, v)
		}
	}
	return values
}
