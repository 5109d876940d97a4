package merge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/lex"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Table says which key and field merges how. [ParseTable] makes one; it is only read after that, so goroutines may share
// it.
type Table struct {
	File    string
	Nodes   clock.Nodes // the declared tie order, nil when the table declares none
	Ladder  lww.Ladder  // of that order
	Rules   []*Rule     // in the order of the file: first match wins
	Checks  []Check
	Uniques []Unique

	// Profile is the database that the table imitates, nil when it imitates none.
	Profile *Profile

	custom []Custom

	rules, checks, uniques index // of their keys
}

// Check is an invariant between fields of one key, reported when a merge breaks it.
type Check struct {
	Line        int
	Left, Right Operand
	Op          string // < <= > >= == !=

	keys pattern
}

// Operand is a field, or a constant when Const is not absent.
type Operand struct {
	Field string
	Const value.Value
}

// Unique is a field that no two keys may share a value of, reported when a merge makes them.
type Unique struct {
	Line  int
	Field string

	keys pattern
}

// String returns the check as a table writes it.
func (c Check) String() string {
	return fmt.Sprintf("check %s %s %s %s", c.keys, c.Left, c.Op, c.Right)
}

// String returns the constraint as a table writes it.
func (u Unique) String() string {
	return fmt.Sprintf("unique %s %s", u.keys, pattern{u.Field, literal})
}

// String returns the operand as a table writes it.
func (o Operand) String() string {
	if !o.Const.IsAbsent() {
		return string(o.Const)
	}
	return o.Field
}

// Trial is what came of a check on one record.
type Trial uint8

const (
	Untried  Trial = iota // a field has no value
	TwoKinds              // there are two values, of different kinds, which nothing compares
	Held
	Broken
)

// Try evaluates the check on one record: get returns the kept value of a field, absent when there is none.
func (c Check) Try(get func(field string) value.Value) Trial {
	resolve := func(o Operand) value.Value {
		if !o.Const.IsAbsent() {
			return o.Const
		}
		return get(o.Field)
	}
	a, b := resolve(c.Left), resolve(c.Right)
	kind := func(v value.Value) value.Kind {
		if v.Kind() == value.KindTrue {
			return value.KindFalse // truth values are of one kind
		}
		return v.Kind()
	}
	switch {
	case a.IsAbsent() || b.IsAbsent() || a == value.Null || b == value.Null:
		return Untried
	case kind(a) != kind(b):
		return TwoKinds
	case c.holds(value.CompareSize(a, b)): // 1.0 is 1
		return Held
	}
	return Broken
}

// holds reports whether the order of its two sides is one that the check allows.
func (c Check) holds(order int) bool {
	switch c.Op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "==":
		return order == 0
	default:
		return order != 0
	}
}

// ParseTable reads a rule table; file is its name in mistakes. Custom rules are the caller's own, by their durable
// names. All mistakes of the file are reported at once: the error is then a [*lex.Mistakes].
//
// A table is a list of lines, first match wins:
//
//	nodes ap-south < eu-west < us-east     # tie order, the last one wins
//	order version time node                # the order of the ladder; this one when left out
//	profile cassandra                      # or that of a database, with its tie chain: see [Profiles]
//	KEY FIELD[,FIELD] RULE [OPTIONS]       # * in KEY or FIELD is any run of characters
//	check KEY LEFT OP RIGHT                # < <= > >= == != between fields or constants
//	unique KEY FIELD
//
// A KEY that holds a comma is quoted, and then its stars are no pattern.
//
// A unique field is told when several keys end with one value of it, null aside.
//
// A line that can never match, because earlier lines match all that it does, is a mistake, and so is a table that
// leaves a key without a rule.
func ParseTable(file string, text []byte, custom ...Custom) (*Table, error) {
	ms := &lex.Mistakes{File: file}
	t := &Table{File: file, custom: slices.Clone(custom)}
	checkCustom(ms, custom)
	first := make(map[string]int) // the line of each directive that may stand once
	if lex.IsHistory(text) {
		ms.Add(1, "a table is lines of KEY FIELD RULE, as in: * * lww", "this is a history and no rule table")
		return nil, ms.Err()
	}
	for _, line := range lex.Lines(text, ms) {
		t.parseLine(line, first, ms)
	}
	t.Ladder.Nodes = t.Nodes
	if t.Profile != nil {
		if at := first["order"]; at > 0 {
			ms.Add(first["profile"], "leave one of them out", "a profile brings its own order, and line %d has another", at)
		}
		if slices.Contains(t.Profile.order[:], lww.Node) && t.Nodes == nil {
			ms.Add(first["profile"], "as in: nodes ap-south < eu-west < us-east", "%s breaks ties by node, and the table declares no order of nodes", t.Profile.Database)
		}
		t.Profile.apply(t)
	}
	t.makeIndexes()
	t.checkNodes(first["nodes"], ms)
	t.checkReach(ms)
	if err := ms.Err(); err != nil {
		return nil, err
	}
	return t, nil
}

// MustParseTable is [ParseTable] for a table in the program's text: it panics with all mistakes.
func MustParseTable(text string, custom ...Custom) *Table {
	t, err := ParseTable("table", []byte(text), custom...)
	if err != nil {
		panic("merge: mend the rule table:\n" + err.Error())
	}
	return t
}

// directives are the words that begin a line which is no rule.
var directives = []string{"nodes", "order", "profile", "check", "unique"}

func (t *Table) parseLine(line lex.Line, first map[string]int, ms *lex.Mistakes) {
	word := line.Words[0]
	directive := word.Text
	if word.Quoted {
		directive = ""
	}
	if directive == "nodes" || directive == "order" || directive == "profile" {
		if at := first[directive]; at > 0 {
			ms.Add(line.Number, "", "%q stands on line %d already", directive, at)
			return
		}
		first[directive] = line.Number
	}
	switch directive {
	case "nodes":
		t.parseNodes(line, ms)
	case "order":
		t.parseOrder(line, ms)
	case "profile":
		t.parseProfile(line, ms)
	case "check":
		t.parseCheck(line, ms)
	case "unique":
		t.parseUnique(line, ms)
	default:
		t.parseRule(line, ms)
	}
}

func (t *Table) parseNodes(line lex.Line, ms *lex.Mistakes) {
	nodes, err := parseNodeList(line.Words[1:], "<")
	if err != nil {
		ms.Add(line.Number, "write them lowest first, as in: nodes ap-south < eu-west < us-east", "%v", err)
		return
	}
	t.Nodes = nodes
}

// parseNodeList reads names with a sign between them.
func parseNodeList(words []lex.Word, sign string) (clock.Nodes, error) {
	var nodes clock.Nodes
	for _, part := range listed(words, sign) {
		texts := make([]string, len(part))
		for i, w := range part {
			texts[i] = w.Text
		}
		nodes = append(nodes, clock.Node(strings.Join(texts, " ")))
	}
	return nodes, nodes.Check()
}

// nodeList returns names with a sign between them, as a table writes them.
func nodeList(nodes clock.Nodes, sign string) string {
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		texts[i] = lex.Word{Text: string(n), Quoted: n == "together" || strings.Contains(string(n), ">")}.String()
	}
	return strings.Join(texts, sign)
}

// listed returns what stands between signs. A sign may touch the words around it, and is one of the characters of a quoted word.
func listed(words []lex.Word, sign string) [][]lex.Word {
	parts := make([][]lex.Word, 1)
	for _, w := range words {
		texts := []string{w.Text}
		if !w.Quoted {
			texts = strings.Split(w.Text, sign)
		}
		for i, text := range texts {
			if i > 0 {
				parts = append(parts, nil)
			}
			if last := &parts[len(parts)-1]; w.Quoted || text != "" {
				*last = append(*last, lex.Word{Text: text, Quoted: w.Quoted})
			}
		}
	}
	return parts
}

func (t *Table) parseOrder(line lex.Line, ms *lex.Mistakes) {
	rungs := map[string]lww.Rung{"version": lww.Version, "time": lww.Time, "node": lww.Node}
	if len(line.Words) == 4 {
		for i, w := range line.Words[1:] {
			t.Ladder.Order[i] = rungs[w.Text]
		}
		if !slices.Contains(t.Ladder.Order[:], lww.Same) && t.Ladder.Check() == nil {
			return
		}
	}
	t.Ladder.Order = [3]lww.Rung{}
	ms.Add(line.Number, "as in: order version time node", "%v", lww.ErrOrder)
}

var comparisons = []string{"<", "<=", ">", ">=", "==", "!="}

func (t *Table) parseCheck(line lex.Line, ms *lex.Mistakes) {
	const help = "as in: check orders/* start <= end"
	if len(line.Words) != 5 {
		ms.Add(line.Number, help, "a check has a key, a left side, a comparison and a right side")
		return
	}
	c := Check{Line: line.Number, keys: keyPattern(line, 1, ms), Op: line.Words[3].Text,
		Left: operand(line.Words[2]), Right: operand(line.Words[4])}
	if !slices.Contains(comparisons, c.Op) {
		ms.Add(line.Number, "one of "+strings.Join(comparisons, " "), "%q is not a comparison", c.Op)
		return
	}
	if !c.Left.Const.IsAbsent() && !c.Right.Const.IsAbsent() {
		ms.Add(line.Number, help, "a check of two constants")
		return
	}
	t.Checks = append(t.Checks, c)
}

// operand reads a word as a constant if it is one, null aside, and as a field otherwise.
func operand(w lex.Word) Operand {
	if c, ok := constant(w); ok && c != value.Null {
		return Operand{Const: c}
	}
	return Operand{Field: w.Text}
}

// constant reads a quoted word as a text, and what looks like a JSON number, true, false or null as such. It reports false for all
// else.
func constant(w lex.Word) (v value.Value, ok bool) {
	if w.Quoted {
		return value.Text(w.Text), true
	}
	v, err := value.Parse([]byte(w.Text), value.Limits{})
	return v, err == nil
}

func (t *Table) parseUnique(line lex.Line, ms *lex.Mistakes) {
	if len(line.Words) != 3 || strings.ContainsAny(line.Words[2].Text, "*,") && !line.Words[2].Quoted {
		ms.Add(line.Number, "as in: unique users/* email", "a unique line has a key and one field")
		return
	}
	t.Uniques = append(t.Uniques, Unique{Line: line.Number, Field: line.Words[2].Text,
		keys: keyPattern(line, 1, ms)})
}

// keyPattern reads the word of a line that names keys. Keys are no list, as fields are: a key that holds a comma is quoted.
func keyPattern(line lex.Line, i int, ms *lex.Mistakes) pattern {
	w := line.Words[i]
	if !w.Quoted && strings.Contains(w.Text, ",") {
		ms.Add(line.Number, "write a line for each; a key that holds a comma stands in quotes", "%q is a list, and a line is of one key or pattern", w.Text)
	}
	return newPattern(w.Text, w.Quoted)
}

// checkNodes reports nodes that a rule names and the declared order does not.
func (t *Table) checkNodes(line int, ms *lex.Mistakes) {
	if t.Nodes == nil {
		return
	}
	for _, r := range t.Rules {
		for _, n := range r.nodes {
			if t.Nodes.Rank(n) == 0 {
				ms.Add(r.Line, "", "node %q is not in the order of line %d", string(n), line)
			}
		}
	}
}

func (t *Table) makeIndexes() {
	t.rules = newIndex(t.Rules, func(r *Rule) pattern { return r.keys })
	t.checks = newIndex(t.Checks, func(c Check) pattern { return c.keys })
	t.uniques = newIndex(t.Uniques, func(u Unique) pattern { return u.keys })
}

// checkReach reports lines and fields that can never match, and a table that leaves keys without a rule.
func (t *Table) checkReach(ms *lex.Mistakes) {
	total := false
	for i, r := range t.Rules {
		var dead []string
		var by []int
		for j, f := range r.fields {
			if first := t.covering(i, r.keys, f); first != nil {
				dead, by = append(dead, f.text), append(by, first.Line)
			} else if dup := slices.IndexFunc(r.fields[:j], func(o pattern) bool { return o.covers(f) }); dup >= 0 {
				ms.Add(r.Line, "", "field %q stands in the list already, as %q", f.text, r.fields[dup].text)
			}
		}
		switch {
		case len(dead) == len(r.fields) && allEqual(by):
			ms.Add(r.Line, "put the narrower line first", "%q can never match: line %d matches first", r.keys.text+" "+r.cell, by[0])
		case len(dead) > 0:
			for k, field := range dead {
				ms.Add(r.Line, "put the narrower line first", "field %q of %q can never match: line %d matches first", field, r.keys.text, by[k])
			}
		}
		total = total || r.keys.kind == anything && slices.ContainsFunc(r.fields, func(f pattern) bool { return f.kind == anything })
	}
	if !total {
		last := 0 // a mistake in a line may be why, and is told first
		if n := len(t.Rules); n > 0 {
			last = t.Rules[n-1].Line
		}
		ms.Add(last, `end it with a line for the rest, such as "* * lww" or "* * refuse"`, "the table leaves keys without a rule")
	}
}

func allEqual(lines []int) bool {
	return len(slices.Compact(slices.Clone(lines))) == 1
}

// covering returns the first of the rules before a place that matches all that a key and a field do, nil when there is none.
func (t *Table) covering(place int, key, field pattern) *Rule {
	first := place
	for i := range t.rules.under(key.text) {
		if i < first && t.Rules[i].keys.covers(key) && slices.ContainsFunc(t.Rules[i].fields, func(f pattern) bool { return f.covers(field) }) {
			first = i
		}
	}
	if first == place {
		return nil
	}
	return t.Rules[first]
}

// TableLine is one line of a table, without comment and spacing.
type TableLine struct {
	Line int // 0 for what the table doesn't say and means by default
	Text string
}

// Lines returns what the table says: the node order, the ladder's order, the rules, the checks.
func (t *Table) Lines() []TableLine {
	lines := []TableLine{{Text: t.orderLine()}}
	if t.Nodes != nil {
		lines = append(lines, TableLine{Text: "nodes " + nodeList(t.Nodes, " < ")})
	}
	for _, r := range t.Rules {
		lines = append(lines, TableLine{r.Line, r.String()})
	}
	for _, c := range t.Checks {
		lines = append(lines, TableLine{c.Line, c.String()})
	}
	for _, u := range t.Uniques {
		lines = append(lines, TableLine{u.Line, u.String()})
	}
	return lines
}

// Rule returns the rule of a key and field: that of the first line that matches. It is never nil.
func (t *Table) Rule(key, field string) *Rule {
	first := len(t.Rules)
	for i := range t.rules.under(key) {
		if i < first && t.Rules[i].matches(key, field) {
			first = i
		}
	}
	if first == len(t.Rules) {
		panic("merge: a Table is made by ParseTable, which sees to it that a rule matches")
	}
	return t.Rules[first]
}

// MatchesLike reports whether two tables have the same patterns line by line: the rule of a key and field then stands at the same
// place of both.
func (t *Table) MatchesLike(o *Table) bool {
	return slices.EqualFunc(t.Rules, o.Rules, func(a, b *Rule) bool { return a.keys == b.keys && slices.Equal(a.fields, b.fields) })
}

// RulesOf returns the rules that fields of a key have, whatever their names, in the order of the table: all that a delete of the
// whole record is about.
func (t *Table) RulesOf(key string) []*Rule {
	var rules []*Rule
	for _, i := range t.rules.match(nil, key) {
		isFree := func(f pattern) bool { return t.covering(i, pattern{key, literal}, f) == nil }
		if r := t.Rules[i]; slices.ContainsFunc(r.fields, isFree) {
			rules = append(rules, r)
		}
	}
	return rules
}

// ChecksOf gives the checks that are about a key, with their places in Checks, in the order of the table.
func (t *Table) ChecksOf(key string) iter.Seq2[int, *Check] {
	return matching(&t.checks, t.Checks, key)
}

// UniquesOf gives the unique fields that are about a key, with their places in Uniques, in the order of the table.
func (t *Table) UniquesOf(key string) iter.Seq2[int, *Unique] {
	return matching(&t.uniques, t.Uniques, key)
}

func matching[T any](x *index, things []T, key string) iter.Seq2[int, *T] {
	return func(yield func(int, *T) bool) {
		var room [8]int
		for _, i := range x.match(room[:0], key) {
			if !yield(i, &things[i]) {
				return
			}
		}
	}
}

// Fingerprint returns 32 hexadecimal digits that are equal for tables that decide alike and differ, but for accident,
// for tables that don't: they stand for the node order, the ladder's order, and every rule line in its order. Comments,
// spacing, checks and uniqueness don't enter it. Replicas with different fingerprints must not merge.
func (t *Table) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "tiebreak.table/v1\nnodes %s\n%s\n", t.Nodes, t.orderLine())
	for _, r := range t.Rules {
		fmt.Fprintf(h, "%s\n", r)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// orderLine returns the line that says how the ladder decides.
func (t *Table) orderLine() string {
	switch {
	case t.Profile != nil:
		return "profile " + t.Profile.Name
	case t.Ladder.Order == [3]lww.Rung{}:
		return "order version time node"
	}
	return fmt.Sprintf("order %s %s %s", t.Ladder.Order[0], t.Ladder.Order[1], t.Ladder.Order[2])
}
