package merge

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/lex"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

func TestTableReportsEveryMistakeAtOnce(t *testing.T) {
	_, err := ParseTable("rules.tb", []byte(strings.Join([]string{
		`nodes ap < eu < ap`,
		`order version time time`,
		`orders/* status lwww`,
		`ticket/* status prefer closed`,
		`stock/* count counter together`,
		`"quoted`,
		`users/* email`,
		`check orders/* start <> end`,
		`unique users/*`,
		`* * lww`,
		`cart/* items add-wins`,
	}, "\n")))
	require.Error(t, err)
	var ms *lex.Mistakes
	require.True(t, errors.As(err, &ms))
	want := []string{
		`rules.tb:1: node "ap" stands twice in the order`,
		`rules.tb:2: order wants each of version, time and node once`,
		`rules.tb:3: there is no rule "lwww"; did you mean "lww"?`,
		`rules.tb:4: prefer: 1 values`,
		`rules.tb:5: "counter" combines single fields`,
		`rules.tb:6: "quoted: the quote is not closed`,
		`rules.tb:7: "users/* email" has no rule`,
		`rules.tb:8: "<>" is not a comparison`,
		`rules.tb:9: a unique line has a key and one field`,
		`rules.tb:11: "cart/* items" can never match: line 10 matches first`,
	}
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, len(want), "%s", err)
	for i := range want {
		require.True(t, strings.HasPrefix(lines[i], want[i]), "got  %s\nwant %s", lines[i], want[i])
	}
}

func TestLineThatCanNeverMatchIsAMistake(t *testing.T) {
	for _, c := range []struct {
		name, table string
		want        string // "" when every line can match
	}{
		{"narrow first", "a/* * max\n* * lww", ""},
		{"same twice", "a/* x max\na/* x min\n* * lww", `t:2: "a/* x" can never match: line 1 matches first`},
		{"wide first", "a* * max\nab* * min\n* * lww", `t:2: "ab* *" can never match: line 1 matches first`},
		{"inner star", "a/*/b * max\na/x/*/b * min\n* * lww", `t:2: "a/x/*/b *" can never match: line 1 matches first`},
		{"stars that overlap only", "a*b * max\nab* * min\n* * lww", ""},
		{"one field of a list", "a/* x max\na/* x,y lww together\n* * lww", `t:2: field "x" of "a/*" can never match: line 1 matches first`},
		{"fields one by one", "a/* x max\na/* y max\na/* x,y lww together\n* * lww",
			"t:3: field \"x\" of \"a/*\" can never match: line 1 matches first; put the narrower line first\nt:3: field \"y\" of \"a/*\" can never match: line 2 matches first"},
		{"a quoted star is a star", "\"a*\" * max\na* * min\n* * lww", ""},
		{"a literal below a star", "a* * max\nabc * min\n* * lww", `t:2: "abc *" can never match: line 1 matches first`},
		{"one field below all of them", "* * refuse\n* balance lww", `t:2: "* balance" can never match: line 1 matches first`},
		{"nothing for the rest", "a/* * lww", "t:1: the table leaves keys without a rule"},
		{"nothing for the rest of the fields", "* a lww", "t:1: the table leaves keys without a rule"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseTable("t", []byte(c.table))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A line with a mistake may be the one for the rest, and is told before what follows from it.
func TestWhatAMistakeInALineHidesIsToldAfterIt(t *testing.T) {
	_, err := ParseTable("t", []byte("orders/* status lwww\n"))
	require.EqualError(t, err, "t:1: there is no rule \"lwww\"; did you mean \"lww\"?\n"+
		"t:1: the table leaves keys without a rule; end it with a line for the rest, such as \"* * lww\" or \"* * refuse\"")
}

// Keys with a comma between them were one literal key, which matched nothing.
func TestKeysAreNoList(t *testing.T) {
	for _, line := range []string{"orders/*, ledger/* status max", "check a/*,b/* x < y", "unique a/*,b/* x"} {
		_, err := ParseTable("t", []byte(line+"\n* * lww"))
		require.ErrorContains(t, err, `t:1: "`, line)
		require.ErrorContains(t, err, "is a list, and a line is of one key or pattern; write a line for each; a key that holds a comma stands in quotes", line)
	}
	table, err := ParseTable("t", []byte("\"a,b\" x,y max\n* * lww"))
	require.NoError(t, err)
	require.Equal(t, "max", table.Rule("a,b", "x").Name)
	again, err := ParseTable("t", []byte(table.Rules[0].String()+"\n* * lww"))
	require.NoError(t, err)
	require.Equal(t, table.Fingerprint(), again.Fingerprint())
}

// Each of its records was a mistake, a line each.
func TestAHistoryIsNoTable(t *testing.T) {
	for _, text := range []string{`{"key":"a","value":1,"node":"n"}`, "\ufeff\n{\n  \"key\": \"a\"\n}\n"} {
		_, err := ParseTable("t", []byte(strings.Repeat(text+"\n", 1000)))
		require.EqualError(t, err, "t:1: this is a history and no rule table; a table is lines of KEY FIELD RULE, as in: * * lww")
	}
	_, err := ParseTable("t", []byte("{user}/1 * lww\n* * lww"))
	require.NoError(t, err)
	_, err = ParseTable("t", []byte(strings.Repeat("nonsense\n", 1000)))
	require.Equal(t, lex.MaxTold+1, strings.Count(err.Error(), "\n")+1)
	require.ErrorContains(t, err, "t: and 901 more mistakes")
}

func TestPatternCoversExactlyWhatItMatches(t *testing.T) {
	// Every pattern of up to 4 characters over {a, b, *}, against every text of up to 6 over {a, b, c}: p covers q exactly
	// when p matches all that q matches. A c stands for what no pattern knows.
	var patterns, texts []string
	var grow func(list *[]string, alphabet, s string, n int)
	grow = func(list *[]string, alphabet, s string, n int) {
		*list = append(*list, s)
		if n > 0 {
			for _, c := range alphabet {
				grow(list, alphabet, s+string(c), n-1)
			}
		}
	}
	grow(&patterns, "ab*", "", 4)
	grow(&texts, "abc", "", 6)
	matches := make([][]bool, len(patterns))
	for i, p := range patterns {
		matches[i] = make([]bool, len(texts))
		for j, s := range texts {
			matches[i][j] = newPattern(p, false).match(s)
			require.Equal(t, slowMatch(p, s), matches[i][j], "%q on %q", p, s)
		}
	}
	for i, p := range patterns {
		for j, q := range patterns {
			all := true
			for k := range texts {
				all = all && (!matches[j][k] || matches[i][k])
			}
			require.Equal(t, all, newPattern(p, false).covers(newPattern(q, false)), "%q covers %q", p, q)
		}
	}
}

// slowMatch is what a pattern means.
func slowMatch(p, s string) bool {
	if p == "" {
		return s == ""
	}
	if p[0] == '*' {
		return slowMatch(p[1:], s) || s != "" && slowMatch(p, s[1:])
	}
	return s != "" && p[0] == s[0] && slowMatch(p[1:], s[1:])
}

func TestTableTextRoundTrips(t *testing.T) {
	text := strings.Join([]string{
		`nodes ap-south < eu-west < us-east`,
		`order time version node`,
		`"lit*eral" "a b" max`,
		`ledger/* * refuse`,
		`ticket/* status prefer closed> "in transit" > 3`,
		`site/* * prefer-node us-east > eu-west`,
		`row/* * highest updated_at`,
		`profile/* street, city, zip lww together # all from one write`,
		`* * lww`,
		`check orders/* start <= end`,
		`unique users/* email`,
	}, "\n")
	first, err := ParseTable("t", []byte(text))
	require.NoError(t, err)
	var lines []string
	for _, l := range first.Lines() {
		lines = append(lines, l.Text)
	}
	second, err := ParseTable("t", []byte(strings.Join(lines, "\n")))
	require.NoError(t, err, "%s", strings.Join(lines, "\n"))
	require.Equal(t, first.Fingerprint(), second.Fingerprint())
	require.Equal(t, `ticket/* status prefer "closed" > "in transit" > 3`, first.Rules[2].String())
}

func TestFingerprintIsOfWhatDecides(t *testing.T) {
	base := MustParseTable("nodes a < b\nx/* * max\n* * lww").Fingerprint()
	for text, same := range map[string]bool{
		"nodes a<b # note\n\nx/*   *   max\n*\t* lww":              true,
		"nodes a < b\nx/* * max\n* * lww\ncheck * a < b":           true,
		"nodes b < a\nx/* * max\n* * lww":                          false,
		"nodes a < b\nx/* * min\n* * lww":                          false,
		"nodes a < b\n* * lww":                                     false,
		"nodes a < b\norder time version node\nx/* * max\n* * lww": false,
	} {
		require.Equal(t, same, MustParseTable(text).Fingerprint() == base, "%s", text)
	}
}

func TestFirstMatchingLineDecides(t *testing.T) {
	table := MustParseTable("a/* x,y max\na/* * min\n\"*\" * fww\n* * lww")
	for _, c := range [][3]string{{"a/1", "x", "max"}, {"a/1", "y", "max"}, {"a/1", "z", "min"}, {"a/1", "", "min"}, {"*", "q", "fww"}, {"b", "x", "lww"}} {
		require.Equal(t, c[2], table.Rule(c[0], c[1]).Name, "%v", c)
	}
}

func TestTheRulesOfAKeyAreThoseThatSomeFieldOfItHas(t *testing.T) {
	table := MustParseTable("ledger/* balance,limit refuse together\nledger/* b* max\nprofile/* * lww\n*/2 bill fww\n* balance min\n* * refuse\n")
	names := func(key string) (names []string) {
		for _, r := range table.RulesOf(key) {
			names = append(names, r.Name)
		}
		return names
	}
	require.Equal(t, []string{"refuse", "max", "refuse"}, names("ledger/1")) // min is of nothing that max leaves
	require.Equal(t, []string{"refuse", "max", "refuse"}, names("ledger/2"))
	require.Equal(t, []string{"lww"}, names("profile/2"))
	require.Equal(t, []string{"fww", "min", "refuse"}, names("orders/2"))
	require.Equal(t, []string{"min", "refuse"}, names(""))
	for _, key := range []string{"ledger/1", "ledger/2", "profile/2", "orders/2", ""} {
		for _, field := range []string{"balance", "limit", "bill", "b", "c", ""} {
			require.Contains(t, table.RulesOf(key), table.Rule(key, field))
		}
	}
}

func TestTablesOfTheSamePatternsMatchAlike(t *testing.T) {
	table := MustParseTable("a/* x,y max\nb/* x lww\n* * lww")
	for text, alike := range map[string]bool{
		"a/* x,y max\nb/* x lww\n* * lww":                       true,
		"nodes a < b\na/* x,y lww together\nb/* x fww\n* * fww": true,
		"a/* y,x max\nb/* x lww\n* * lww":                       false,
		"a/* x max\nb/* x lww\n* * lww":                         false,
		"a/* x,y max\nc/* x lww\n* * lww":                       false,
		"a/* x,y max\n\"b/*\" x lww\n* * lww":                   false,
		"a/* x,y max\n* * lww":                                  false,
	} {
		require.Equal(t, alike, table.MatchesLike(MustParseTable(text)), text)
	}
}

func TestATableThatNobodyParsedIsNone(t *testing.T) {
	require.PanicsWithValue(t, "merge: a Table is made by ParseTable, which sees to it that a rule matches", func() { new(Table).Rule("k", "f") })
}

func TestKeysOfTheSameLinesShareTheirRules(t *testing.T) {
	s := NewState(MustParseTable("a/* x max\n*/1 y lww\n* * lww"))
	a := s.rulesOf("a/2")
	require.NotSame(t, a, s.rulesOf("a/1"))
	require.Same(t, a, s.rulesOf("a/3"))
	require.Same(t, s.rulesOf("a/1"), s.rulesOf("a/1"))
}

func TestAPreferLineTellsConstantsFromTexts(t *testing.T) {
	rule := MustParseTable(`* * prefer closed > null > "null" > true > 1`).Rules[0]
	for _, v := range []value.Value{`"closed"`, "null", `"null"`, "true", "1"} {
		require.True(t, rule.Lists(v), v)
	}
	for _, v := range []value.Value{`"true"`, `"1"`, "false"} {
		require.False(t, rule.Lists(v), v)
	}
	require.Equal(t, `* * prefer "closed" > null > "null" > true > 1`, rule.String())
}

func TestCheckComparesNumbersBySizeAndNotBySpelling(t *testing.T) {
	table := MustParseTable("* * lww\ncheck * a == b\ncheck * a <= 10\ncheck * s == \"10\"")
	get := func(a, b, s value.Value) func(string) value.Value {
		return func(f string) value.Value { return map[string]value.Value{"a": a, "b": b, "s": s}[f] }
	}
	require.Equal(t, Held, table.Checks[0].Try(get("1.0", "1", "")))
	require.Equal(t, Broken, table.Checks[0].Try(get("1.0", "1.01", "")))
	require.Equal(t, TwoKinds, table.Checks[0].Try(get("1", `"1"`, "")), "two kinds can't break a check")
	require.Equal(t, Untried, table.Checks[0].Try(get("1", "", "")), "a field that isn't there can't break a check")
	require.Equal(t, Broken, table.Checks[1].Try(get("10.5", "", "")))
	require.Equal(t, Held, table.Checks[2].Try(get("", "", `"10"`)))
	require.Equal(t, Broken, table.Checks[2].Try(get("", "", `"11"`)))

	paid := MustParseTable("* * lww\ncheck * a == true\ncheck * a == b").Checks
	require.Equal(t, Held, paid[0].Try(get("true", "", "")))
	require.Equal(t, Broken, paid[0].Try(get("false", "", "")))
	require.Equal(t, Broken, paid[1].Try(get("true", "false", "")))
	require.Equal(t, TwoKinds, paid[1].Try(get("false", "0", "")))
}

func TestCustomRuleNeedsADurableName(t *testing.T) {
	keep := func(a, b value.Value) value.Value { return a }
	for name, ok := range map[string]bool{"longest": true, "tariff/v2": true, "lww": false, "Longest": false, "": false, "a/v0": false} {
		_, err := ParseTable("t", []byte("* * lww"), Custom{Name: name, Merge: keep})
		require.Equal(t, ok, err == nil, "%q: %v", name, err)
	}
	_, err := ParseTable("t", []byte("* * lww"), Custom{Name: "x"})
	require.ErrorContains(t, err, "has no Merge function")
}

func TestLadderOrderIsThatOfTheTable(t *testing.T) {
	table := MustParseTable("order node time version\nnodes a < b\n* * lww")
	require.Equal(t, [3]lww.Rung{lww.Node, lww.Time, lww.Version}, table.Ladder.Order)
}

func FuzzParseTable(f *testing.F) {
	files, _ := filepath.Glob("../examples/*/*.tb")
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(text)
		}
	}
	f.Add([]byte("nodes a < b\norder time node version\n\"k*\" a,b prefer x > \"y\" together\n* * lww\ncheck * a < 1\nunique * a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := ParseTable("t", text, longest)
		if err != nil {
			return
		}
		var lines []string
		for _, l := range table.Lines() {
			lines = append(lines, l.Text)
		}
		again, err := ParseTable("t", []byte(strings.Join(lines, "\n")), longest)
		if err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
		}
		if table.Fingerprint() != again.Fingerprint() {
			t.Fatalf("another table:\n%s", strings.Join(lines, "\n"))
		}
		table.Rule("any", "field")
	})
}

// A line reads back from its text as what it was, whatever words it is made of. The fingerprint is made of these texts: two
// lines of one text would give two tables one fingerprint.
func TestEveryLineReadsBackFromItsText(t *testing.T) {
	rulesOf := func(t *Table) (s string) {
		for _, r := range t.Rules {
			s += fmt.Sprintf("%#v %#v %d %t %q %q %q\n", r.keys, r.fields, r.id, r.Together, r.column, r.values, r.nodes)
		}
		return s
	}
	restOf := func(t *Table) (s string) {
		for _, c := range t.Checks {
			s += fmt.Sprintf("%#v %#v %s %#v\n", c.keys, c.Left, c.Op, c.Right)
		}
		for _, u := range t.Uniques {
			s += fmt.Sprintf("%#v %q\n", u.keys, u.Field)
		}
		return s + fmt.Sprintf("%q", t.Nodes)
	}
	taken := 0
	printed := make(map[string]string) // the rules of a fingerprint
	readsBack := func(line string) bool {
		first, err := ParseTable("t", []byte("rest * max\n"+line+"\n* * lww"))
		if err != nil {
			return true
		}
		taken++
		var texts []string
		for _, l := range first.Lines() {
			texts = append(texts, l.Text)
		}
		second, err := ParseTable("t", []byte(strings.Join(texts, "\n")))
		if err != nil || rulesOf(first) != rulesOf(second) || restOf(first) != restOf(second) {
			t.Logf("%q became %q: %v", line, texts, err)
			return false
		}
		print := first.Fingerprint()
		if rules, known := printed[print]; known && rules != rulesOf(first) {
			t.Logf("%q has the fingerprint of\n%s", line, rules)
			return false
		}
		printed[print] = rulesOf(first)
		return true
	}
	texts := gen.OneConstOf("a", "a b", "*", "a*", "a,b", "a,", "#*", "user#*", "user#1", `"`, `a"*`, "a\nb", "a\r", "\t", "",
		"nodes", "order", "check", "together", ">", "us>eu", "us", `u"s"`, "3", "true", "null")
	word := gopter.CombineGens(texts, gen.Bool()).Map(func(v []any) string {
		if v[1].(bool) {
			return strconv.Quote(v[0].(string))
		}
		return v[0].(string)
	})
	properties := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(1))
	properties.Property("a line is what its text says", prop.ForAll(func(a, b, c string) bool {
		for _, line := range []string{
			a + " " + b + " lww", a + " " + b + "," + c + " refuse", a + " * highest " + b, a + " x,y max together",
			a + " * prefer " + b + " > " + c, a + " " + b + " prefer-node us > eu",
			"* * prefer-node " + a + " > " + b + ">" + c + " together", "nodes " + a + " < " + b + "<" + c, "check " + a + " " + b + " <= " + c, "unique " + a + " " + b,
		} {
			if !readsBack(line) {
				return false
			}
		}
		return true
	}, word, word, word))
	properties.TestingRun(t)
	require.Greater(t, taken, 200, "of 1000")
}

// The package doc lists the rules in the words of Usage.
func TestEveryRuleIsInThePackageDoc(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, name := range RuleNames() {
		usage, about := Usage(name)
		require.NotEmpty(t, about, name)
		require.Contains(t, string(doc), fmt.Sprintf("//\t%-19s %s\n", usage, about))
	}
	usage, about := Usage("no-such-rule")
	require.Empty(t, usage+about)
}
