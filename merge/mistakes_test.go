package merge

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Each line is wrong in one way, or in two, and the mistakes say in which, once each.
func TestAMistakeInALineSaysWhatIsWrongWithIt(t *testing.T) {
	const (
		nodes   = "; write them lowest first, as in: nodes ap-south < eu-west < us-east"
		order   = "order wants each of version, time and node once; as in: order version time node"
		check   = "; as in: check orders/* start <= end"
		sides   = "a check has a key, a left side, a comparison and a right side" + check
		unique  = "a unique line has a key and one field; as in: unique users/* email"
		rule    = "; a rule line is KEY FIELD RULE, as in: cart/* items add-wins"
		rules   = "; rules are lww, fww, max, min, counter, grow-only, union, add-wins, remove-wins, enable-wins, disable-wins, keep-all, highest, prefer, prefer-node, delete-wins, update-wins, append, refuse, longest"
		prefer  = "; it wants values, the preferred first, as in: prefer closed > open > new"
		between = "prefer: the values need a > between them" + prefer
		column  = "; it wants a column, as in: highest updated_at"
		sites   = "; it wants nodes, the preferred first, as in: prefer-node us-east > eu-west"
		option  = "; the one option is together"
		single  = `"together" with a single field; name the fields with commas between them`
		profile = "a profile line has one name; as in: profile cassandra"
	)
	for line, want := range map[string]string{
		"nodes a b < c":                `node name "a b" holds ' '` + nodes,
		"nodes a <":                    "empty node name" + nodes,
		"order version time":           order,
		"order version time node node": order,
		"order version time time":      order,
		"order version time tim":       order, // was taken for an order of two
		"order a b c":                  order, // was taken for the order of a table that has no such line
		"check * a <":                  sides,
		"check * a < b c":              sides,
		"check * a <> b":               `"<>" is not a comparison; one of < <= > >= == !=`,
		`check * 1 < "x"`:              "a check of two constants" + check,
		"check * 1 < null":             "", // a field of that name
		"unique *":                     unique,
		"unique * a b":                 unique,
		"unique * a*":                  unique,
		"unique * a,b":                 unique,
		`unique * "a*"`:                "",
		"profile":                      profile,
		"profile cassandra spock":      profile,
		"profile nothing-like-it":      `there is no profile "nothing-like-it"`,
		"k f":                          `"k f" has no rule` + rule,
		"uniqu f":                      `"uniqu f" has no rule; did you mean "unique"?`,
		`"nodes" * lww`:                "", // a key of that name
		"k f longes":                   `there is no rule "longes"; did you mean "longest"?`,
		"k f something-else":           `there is no rule "something-else"` + rules,
		"k a,,b lww":                   `an empty name in the fields "a,,b"`,
		"k f lww twice":                "lww does not take twice" + option,
		"k f longest twice":            "longest does not take twice" + option,
		`k a,b lww "together"`:         `lww does not take "together"` + option,
		"k f lww together":             single,
		"k f longest together":         single,
		"k f prefer 1 > 2 together":    single,
		`k "f*" lww together`:          single,
		"k f* lww together":            "",
		"k f,g longest together":       "",
		"k f highest rev":              `highest looks at column "rev", which is none of the fields "f"; name it among them, as in: f,rev highest rev`,
		"k f,r* highest rev":           "",
		"k * highest rev":              "",
		"k f,g counter together":       `"counter" combines single fields: "together" makes no sense with it`,
		"k f,g counter together now":   "counter does not take now" + option + "\nrules.tb:1: " + `"counter" combines single fields: "together" makes no sense with it`,
		"k f prefer":                   "prefer: 0 values" + prefer,
		"k f,g prefer together":        "prefer: 0 values" + prefer,
		"k f prefer a":                 "prefer: 1 values" + prefer,
		"k f prefer a > b > a":         `prefer: "a" stands twice` + prefer,
		"k f prefer 1>2>1":             "prefer: 1 stands twice" + prefer,
		`k f prefer 1 > "1"`:           "", // a number and a text
		`k f prefer null > "null"`:     "",
		"k f prefer null > a > null":   "prefer: null stands twice" + prefer,
		`k f prefer ">" > b`:           "",
		"k f prefer a b":               between,
		"k f prefer a >":               between,
		"k f prefer > a":               between,
		"k f prefer a>>b":              between,
		"k * highest":                  "highest: 0 words" + column,
		"k * highest a b":              "highest: 2 words" + column,
		"k * highest together":         "highest: 0 words" + column,
		"k f prefer-node":              "prefer-node: empty node name" + sites,
		"k f prefer-node eu > eu":      `prefer-node: node "eu" stands twice in the order` + sites,
		"k f prefer-node a b > c":      `prefer-node: node name "a b" holds ' '` + sites,
	} {
		_, err := ParseTable("rules.tb", []byte(line+"\n* * lww"), longest)
		if want == "" {
			assert.NoError(t, err, line)
		} else {
			assert.EqualError(t, err, "rules.tb:1: "+want, line)
		}
	}
}

// A user's rule has a name of its own and a function, and what is wrong with it is said beside what is wrong in the file.
func TestAMistakeInAUsersRuleIsOneOfTheTable(t *testing.T) {
	_, err := ParseTable("rules.tb", []byte("* * lwww"), longest, longest, Custom{Name: "Loud", Merge: longest.Merge}, Custom{Name: "max", Merge: longest.Merge}, Custom{Name: "empty"})
	assert.EqualError(t, err, `rules.tb: two rules are called "longest"
rules.tb: a custom rule can't be called "Loud"; lower case with dashes, as in: longest or tariff/v2
rules.tb: two rules are called "max"
rules.tb: custom rule "empty" has no Merge function
rules.tb:1: there is no rule "lwww"; did you mean "lww"?`)
	assert.Nil(t, MustParseTable("* * lww").Rules[0].Func())
	assert.NotNil(t, MustParseTable("* * longest", longest).Rules[0].Func())
	assert.PanicsWithValue(t, "merge: mend the rule table:\ntable:1: there is no rule \"lwww\"; did you mean \"lww\"?", func() { MustParseTable("* * lwww") })
}

func TestLawsSayTheirNames(t *testing.T) {
	assert.Equal(t, "idempotent, commutative, associative", AllLaws.String())
	assert.Equal(t, "idempotent, associative", (Idempotent | Associative).String())
	assert.Equal(t, "commutative", Commutative.String())
	assert.Empty(t, Laws(0).String())
}

// A table promises of a user's rule the laws that it claims, and no others.
func TestACustomRulePromisesWhatItDoesNotWaive(t *testing.T) {
	first := func(a, _ value.Value) value.Value { return a }
	table, err := ParseTable("rules.tb", []byte("a/* * first\nb/* * all\n* * lww"),
		Custom{Name: "first", Merge: first, Waives: Commutative}, Custom{Name: "all", Merge: first})
	require.NoError(t, err)
	assert.Equal(t, Idempotent|Associative, table.Rule("a/1", "f").Laws())
	assert.Equal(t, AllLaws, table.Rule("b/1", "f").Laws())
	assert.Equal(t, AllLaws, table.Rule("c/1", "f").Laws())
}

// A check and a unique line are about the keys of their pattern, and a check holds by its sign.
func TestAChecksPatternAndSignAreItsOwn(t *testing.T) {
	table, err := ParseTable("rules.tb", []byte("* * lww\nunique users/* email\nunique users/* \"a,b\"\n"+
		"check orders/* a < b\ncheck orders/* a <= b\ncheck orders/* a > b\ncheck orders/* a >= b\ncheck orders/* a == b\ncheck orders/* a != b"))
	require.NoError(t, err)
	assert.Equal(t, "a,b", table.Uniques[1].Field)
	about := func(key string) (uniques, checks []int) {
		for i, u := range table.UniquesOf(key) {
			assert.Same(t, &table.Uniques[i], u)
			uniques = append(uniques, i)
		}
		for i, c := range table.ChecksOf(key) {
			assert.Same(t, &table.Checks[i], c)
			checks = append(checks, i)
		}
		return uniques, checks
	}
	for key, want := range map[string][2][]int{"users/1": {{0, 1}, nil}, "orders/1": {nil, {0, 1, 2, 3, 4, 5}}, "email": {}, "a": {}} {
		uniques, checks := about(key)
		assert.Equal(t, want, [2][]int{uniques, checks}, key)
	}
	for i, holds := range [][3]bool{{true, false, false}, {true, true, false}, {false, false, true}, {false, true, true}, {false, true, false}, {true, false, true}} {
		c := table.Checks[i]
		for j, a := range []value.Value{"1", "2", "3"} {
			get := func(field string) value.Value { return map[string]value.Value{"a": a, "b": "2"}[field] }
			assert.Equal(t, holds[j], c.Try(get) == Held, "%s %s 2", a, c.Op)
		}
	}
}

// A table says what it means, line by line, with the place of each.
func TestATableListsWhatItSays(t *testing.T) {
	table := MustParseTable("# a comment\nnodes ap < eu\norder time version node\n\n  orders/*   status   prefer closed > open   # and another\n* a,b lww together\n* * lww\ncheck orders/* start <= 7\nunique users/* email")
	assert.Equal(t, []TableLine{
		{0, "order time version node"},
		{0, "nodes ap < eu"},
		{5, `orders/* status prefer "closed" > "open"`},
		{6, "* a,b lww together"},
		{7, "* * lww"},
		{8, "check orders/* start <= 7"},
		{9, "unique users/* email"},
	}, table.Lines())
	assert.Equal(t, []TableLine{{0, "order version time node"}, {1, "* * lww"}}, MustParseTable("* * lww").Lines(), "no nodes are declared")
}

// What can't match is said once for a whole line, and field by field where only some can't, or not for one reason.
func TestWhatCanNeverMatchIsSaidOnce(t *testing.T) {
	for table, want := range map[string][]string{
		"a x max\na x,x lww\n* * lww":                 {`t:2: "a x,x" can never match: line 1 matches first`},
		"a x,y max\na x,y lww\n* * lww":               {`t:2: "a x,y" can never match: line 1 matches first`},
		"a x max\na y max\na x,y,z lww\n* * lww":      {`t:3: field "x" of "a" can never match: line 1 matches first`, `t:3: field "y" of "a" can never match: line 2 matches first`},
		"a x,y,x max\n* * lww":                        {`t:1: field "x" stands in the list already, as "x"`},
		"a x*,y,xy max\n* * lww":                      {`t:1: field "xy" stands in the list already, as "x*"`},
		"a xy,x* max\n* * lww":                        nil,
		"a x max\nb x max\n* * lww":                   nil,
		"* *,x lww":                                   {`t:1: field "x" stands in the list already, as "*"`},
		"* x* lww":                                    {"t:1: the table leaves keys without a rule"},
		"*a * lww":                                    {"t:1: the table leaves keys without a rule"},
		"* x,* lww":                                   nil,
		"nodes a < b\nx * prefer-node a > c\n* * lww": {`t:2: node "c" is not in the order of line 1`},
		"x * prefer-node a > c\n* * lww":              nil,
	} {
		_, err := ParseTable("t", []byte(table))
		if want == nil {
			assert.NoError(t, err, table)
			continue
		}
		require.Error(t, err, table)
		lines := strings.Split(err.Error(), "\n")
		require.Len(t, lines, len(want), "%s\n%s", table, err)
		for i := range want {
			assert.True(t, strings.HasPrefix(lines[i], want[i]), "%s\ngot  %s\nwant %s", table, lines[i], want[i])
		}
	}
}
