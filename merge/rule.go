package merge

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/lex"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Rule is one line of a [Table]: how the cells that it matches merge.
type Rule struct {
	Line     int
	Name     string // durable: written in reports, never reused with another meaning
	Together bool   // the fields it matches are one cell, decided as a whole

	table  *Table
	index  int // among the rules of the table
	keys   pattern
	fields []pattern
	cell   string        // their names as the table writes them, which that of a cell is when they are decided together
	column string        // of highest
	values []value.Value // of prefer, the preferred first
	nodes  clock.Nodes   // of prefer-node, the preferred first
	id     id
	family family
	custom *Custom
}

// Custom is a user's own rule: what is kept of two values when neither writer had seen the other.
type Custom struct {
	// Name is what a table writes, lower case with dashes, and a version where the rule has had one: longest, or
	// tariff/v2. It goes into the fingerprint, so a rule that changes its mind must change its name.
	Name string

	// Merge returns what is kept. It must be a pure function of its arguments: no clock, no chance, no memory. It is
	// called with concurrent values only, lowest claim first, so delivery order can't show even where it is not
	// associative; whether it is, "tiebreak laws" and [Rule.Laws] tell. It returns a value as package value makes it, or an
	// absent one, and then the field shows nothing. A panic is caught, and what is no value counts as one: the ladder decides
	// then.
	Merge func(a, b value.Value) value.Value

	// Waives names the laws that the rule does not claim to keep. Zero claims them all.
	Waives Laws
}

// Laws is a set of laws of a merge.
type Laws uint8

const (
	Idempotent  Laws = 1 << iota // merge(a, a) = a
	Commutative                  // merge(a, b) = merge(b, a)
	Associative                  // merge(merge(a, b), c) = merge(a, merge(b, c))

	AllLaws = Idempotent | Commutative | Associative
)

// String returns the names of the laws, comma-separated.
func (l Laws) String() string {
	var names []string
	for i, name := range []string{"idempotent", "commutative", "associative"} {
		if l&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// family is what a rule's cells are made of.
type family uint8

const (
	selects  family = iota // one write is kept, by a total order of writes
	frontier               // the writes that nobody had seen are kept, and one of them, or a union, is shown
	counts
	sets
	flags
	appends
)

// id tells the rules apart without comparing names. It is the index of the rule's spec, and custom for a user's own.
type id uint8

const (
	isLWW id = iota
	isFWW
	isMax
	isMin
	isCounter
	isGrowOnly
	isUnion
	isAddWins
	isRemoveWins
	isEnableWins
	isDisableWins
	isKeepAll
	isHighest
	isPrefer
	isPreferNode
	isDeleteWins
	isUpdateWins
	isAppend
	isRefuse
	isCustom
)

// spec describes a rule that the package knows.
type spec struct {
	name     string
	family   family
	argument string // what must follow the name, as [Usage] writes it; "" for nothing
	wants    string // the same in words
	about    string // what the rule does
}

var specs = [isCustom]spec{
	isLWW: {"lww", selects, "", "",
		"the greatest stamp wins: version, time, node, then delete before set, then value"},
	isFWW: {"fww", selects, "", "",
		"the lowest version, time, node wins"},
	isMax: {"max", selects, "", "",
		"the greatest value; a delete is below every value, so it never wins"},
	isMin: {"min", selects, "", "",
		"the least value; a delete never wins"},
	isCounter: {"counter", counts, "", "",
		"the sum of all increments, each once; a delete undoes those it had seen"},
	isGrowOnly: {"grow-only", sets, "", "",
		"a set that only grows"},
	isUnion: {"union", frontier, "", "",
		"the values that no other writer had seen, which are arrays, united"},
	isAddWins: {"add-wins", sets, "", "",
		"a set; a remove takes out the adds it had seen"},
	isRemoveWins: {"remove-wins", sets, "", "",
		"a set; of concurrent adds and removes of an element the remove wins"},
	isEnableWins: {"enable-wins", flags, "", "",
		"a flag; of concurrent writes true wins"},
	isDisableWins: {"disable-wins", flags, "", "",
		"a flag; of concurrent writes false wins"},
	isKeepAll: {"keep-all", frontier, "", "",
		"all values that no other writer had seen, as an array"},
	isHighest: {"highest", selects, "COLUMN", "a column, as in: highest updated_at",
		"the write whose column is greatest, as a whole; a delete has no column and never wins"},
	isPrefer: {"prefer", selects, "A > B > C", "values, the preferred first, as in: prefer closed > open > new",
		"the value that stands first; what is not on the list comes after all that is"},
	isPreferNode: {"prefer-node", selects, "A > B", "nodes, the preferred first, as in: prefer-node us-east > eu-west",
		"the write of the node that stands first"},
	isDeleteWins: {"delete-wins", frontier, "", "",
		"of concurrent writes a delete wins; a write that had seen the delete lives"},
	isUpdateWins: {"update-wins", frontier, "", "",
		"of concurrent writes a set wins over a delete"},
	isAppend: {"append", appends, "", "",
		"a log: every value, in the order of time; a delete drops those before its own"},
	isRefuse: {"refuse", frontier, "", "",
		"concurrent writes are an incident: one is kept, the same one everywhere, and all are refused"},
}

// Usage returns how a table writes a rule of this package, as "prefer A > B > C", and what it does in a line; "" for a name that
// is none.
func Usage(name string) (usage, about string) {
	i := slices.IndexFunc(specs[:], func(s spec) bool { return s.name == name })
	if i < 0 {
		return "", ""
	}
	return strings.TrimSpace(name + " " + specs[i].argument), specs[i].about
}

// RuleNames returns the names of the rules that every table may use.
func RuleNames() []string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.name
	}
	return names
}

var customName = regexp.MustCompile(`^[a-z][a-z0-9-]*(/v[1-9][0-9]*)?$`)

func checkCustom(ms *lex.Mistakes, custom []Custom) {
	for i, c := range custom {
		switch {
		case !customName.MatchString(c.Name):
			ms.Add(0, "lower case with dashes, as in: longest or tariff/v2", "a custom rule can't be called %q", c.Name)
		case slices.Contains(RuleNames(), c.Name) || slices.ContainsFunc(custom[:i], func(o Custom) bool { return o.Name == c.Name }):
			ms.Add(0, "", "two rules are called %q", c.Name)
		case c.Merge == nil:
			ms.Add(0, "", "custom rule %q has no Merge function", c.Name)
		}
	}
}

func (t *Table) parseRule(line lex.Line, ms *lex.Mistakes) {
	if len(line.Words) < 3 {
		help := "a rule line is KEY FIELD RULE, as in: cart/* items add-wins"
		if near := lex.Nearest(line.Words[0].Text, directives); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		ms.Add(line.Number, help, "%q has no rule", line.Text(0))
		return
	}
	r := &Rule{Line: line.Number, table: t, Name: line.Words[2].Text, cell: line.Words[1].Text,
		keys: keyPattern(line, 0, ms)}
	if line.Words[1].Quoted {
		r.fields = []pattern{newPattern(line.Words[1].Text, true)}
	} else {
		for name := range strings.SplitSeq(line.Words[1].Text, ",") {
			if name == "" {
				ms.Add(line.Number, "", "an empty name in the fields %q", line.Words[1].Text)
			}
			r.fields = append(r.fields, newPattern(name, false))
		}
	}
	r.parseName(line, ms)
	// A line with a mistake still takes part in the search for lines that can never match.
	r.index = len(t.Rules)
	t.Rules = append(t.Rules, r)
	switch {
	case r.Together && r.family != selects && r.family != frontier:
		ms.Add(line.Number, "", "%q combines single fields: %q makes no sense with it", r.Name, "together")
	case r.Together && r.id != isHighest && len(r.fields) == 1 && r.fields[0].kind == literal:
		ms.Add(line.Number, "name the fields with commas between them", "%q with a single field", "together")
	case r.column != "" && !slices.ContainsFunc(r.fields, func(p pattern) bool { return p.match(r.column) }):
		ms.Add(line.Number, fmt.Sprintf("name it among them, as in: %s,%s highest %[2]s", r.cell, r.column),
			"highest looks at column %q, which is none of the fields %q", r.column, r.cell)
	}
}

// parseName reads the name of the rule and what follows it.
func (r *Rule) parseName(line lex.Line, ms *lex.Mistakes) {
	options := line.Words[3:]
	if i := slices.IndexFunc(r.table.custom, func(c Custom) bool { return c.Name == r.Name }); i >= 0 {
		r.custom, r.family, r.id = &r.table.custom[i], frontier, isCustom
		r.parseOptions(line, options, ms)
		return
	}
	i := slices.IndexFunc(specs[:], func(s spec) bool { return s.name == r.Name })
	if i < 0 {
		names := RuleNames()
		for _, c := range r.table.custom {
			names = append(names, c.Name)
		}
		help := "rules are " + strings.Join(names, ", ")
		if near := lex.Nearest(r.Name, names); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		ms.Add(line.Number, help, "there is no rule %q", r.Name)
		return
	}
	r.family, r.id = specs[i].family, id(i)
	if specs[i].argument != "" {
		// The argument goes up to the first option.
		end := slices.IndexFunc(options, func(w lex.Word) bool { return !w.Quoted && w.Text == "together" })
		if end < 0 {
			end = len(options)
		}
		if err := r.parseArgument(options[:end]); err != nil {
			ms.Add(line.Number, "it wants "+specs[i].wants, "%s: %v", r.Name, err)
			return
		}
		options = options[end:]
	}
	r.parseOptions(line, options, ms)
}

func (r *Rule) parseOptions(line lex.Line, options []lex.Word, ms *lex.Mistakes) {
	for _, w := range options {
		if w.Quoted || w.Text != "together" {
			ms.Add(line.Number, "the one option is together", "%s does not take %s", r.Name, w)
			continue
		}
		r.Together = true
	}
}

func (r *Rule) parseArgument(words []lex.Word) error {
	switch r.id {
	case isHighest:
		if len(words) != 1 {
			return fmt.Errorf("%d words", len(words))
		}
		r.column = words[0].Text
		r.Together = true // the column decides for the whole row
	case isPreferNode:
		nodes, err := parseNodeList(words, ">")
		if err != nil {
			return err
		}
		r.nodes = nodes
	case isPrefer:
		return r.parsePreferred(words)
	}
	return nil
}

func (r *Rule) parsePreferred(words []lex.Word) error {
	if len(words) == 0 {
		return fmt.Errorf("0 values")
	}
	for _, part := range listed(words, ">") {
		if len(part) != 1 {
			return fmt.Errorf("the values need a > between them")
		}
		v, ok := constant(part[0])
		if !ok {
			v = value.Text(part[0].Text)
		}
		if slices.Contains(r.values, v) {
			return fmt.Errorf("%s stands twice", v)
		}
		r.values = append(r.values, v)
	}
	if len(r.values) < 2 {
		return fmt.Errorf("%d values", len(r.values))
	}
	return nil
}

func (r *Rule) matches(key, field string) bool {
	if !r.keys.match(key) {
		return false
	}
	for _, f := range r.fields {
		if f.match(field) {
			return true
		}
	}
	return false
}

// Cell returns the name of the cell that a field the rule matches belongs to: its own, or, of a rule whose fields are
// decided together, the FIELD column of the line.
func (r *Rule) Cell(field string) string {
	if r.Together {
		return r.cell
	}
	return field
}

// String returns the line as a table writes it, without what was comment or spacing.
func (r *Rule) String() string {
	keys, fields := r.keys.String(), r.cell
	if slices.Contains(directives, keys) {
		keys = strconv.Quote(keys)
	}
	if len(r.fields) == 1 {
		fields = r.fields[0].String()
	}
	s := keys + " " + fields + " " + r.Name
	switch {
	case r.id == isHighest:
		s += " " + lex.Word{Text: r.column, Quoted: r.column == "together"}.String()
	case r.values != nil:
		texts := make([]string, len(r.values))
		for i, v := range r.values {
			texts[i] = string(v)
		}
		s += " " + strings.Join(texts, " > ")
	case r.nodes != nil:
		s += " " + nodeList(r.nodes, " > ")
	}
	if r.Together && r.id != isHighest {
		s += " together"
	}
	return s
}

// Laws returns the laws that the rule promises to keep. The built-in rules keep all; "tiebreak laws" tries them.
func (r *Rule) Laws() Laws {
	if r.custom != nil {
		return AllLaws &^ r.custom.Waives
	}
	return AllLaws
}

// Ladder returns the ladder of the rule's table.
func (r *Rule) Ladder() *lww.Ladder { return &r.table.Ladder }

// Index returns the place of the rule among [Table.Rules], from 0.
func (r *Rule) Index() int { return r.index }

// NeedsDots reports whether the rule turns on what writers had seen, or counts, so that its operations need a dot.
func (r *Rule) NeedsDots() bool { return r.family != selects }

// NeedsSeen reports whether the rule looks at what the writer of an operation of a kind had seen: an increment counts
// whatever its writer had seen, and an entry of a log has its place by time.
func (r *Rule) NeedsSeen(kind Kind) bool {
	switch r.family {
	case selects, appends:
		return false
	case counts:
		return kind == Delete
	}
	return true
}

// Takes reports whether the rule has a use for operations of a kind: every rule for values that are set and for deletes, a counter
// for increments, sets for elements that are put in and taken out, a log for entries. What a user's own rule takes is the
// user's affair.
func (r *Rule) Takes(kind Kind) bool {
	switch kind {
	case Add:
		return r.id == isCounter || r.id == isCustom
	case Insert:
		return r.family == sets || r.family == appends || r.id == isCustom
	case Remove:
		return r.family == sets || r.id == isCustom
	}
	return true
}

// Lists reports whether prefer has a place for a value; one that is not on its list loses to all that are. Other rules list nothing,
// and take any.
func (r *Rule) Lists(v value.Value) bool { return r.id != isPrefer || slices.Contains(r.values, v) }

// Func returns the function of a user's own rule, nil for the rules of this package.
func (r *Rule) Func() func(a, b value.Value) value.Value {
	if r.custom == nil {
		return nil
	}
	return r.custom.Merge
}
