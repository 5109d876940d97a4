package merge

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Each line is wrong in one way, and the mistake says in which.
func TestAMistakeInALineSaysWhatIsWrongWithIt(t *testing.T) {
	for line, want := range map[string]string{
		"* a,,b lww":              `an empty name in the fields "a,,b"`,
		"* * prefer together":     "prefer: ",
		"* * highest together":    "highest: ",
		"* * prefer-node eu > eu": "prefer-node: ",
		"* * lww twice":           "lww does not take twice",
	} {
		_, err := ParseTable("rules.tb", []byte(line))
		assert.ErrorContains(t, err, want, line)
	}
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
	for _, u := range table.Uniques {
		assert.True(t, u.Matches("users/1"))
		assert.False(t, u.Matches("email"))
	}
	assert.Equal(t, "a,b", table.Uniques[1].Field)
	for i, holds := range [][3]bool{{true, false, false}, {true, true, false}, {false, false, true}, {false, true, true}, {false, true, false}, {true, false, true}} {
		c := table.Checks[i]
		assert.True(t, c.Matches("orders/1"))
		assert.False(t, c.Matches("a"))
		for j, a := range []value.Value{"1", "2", "3"} {
			get := func(field string) value.Value { return map[string]value.Value{"a": a, "b": "2"}[field] }
			assert.Equal(t, holds[j], c.Holds(get), "%s %s 2", a, c.Op)
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
		"a x max\na x,x lww\n* * lww":                 {`t:2: "a" can never match: line 1 matches first`},
		"a x,y max\na x,y lww\n* * lww":               {`t:2: "a" can never match: line 1 matches first`},
		"a x max\na y max\na x,y,z lww\n* * lww":      {`t:3: field "x" of "a" can never match: line 1 matches first`, `t:3: field "y" of "a" can never match: line 2 matches first`},
		"a x,y,x max\n* * lww":                        {`t:1: field "x" stands in the list already, as "x"`},
		"a x*,y,xy max\n* * lww":                      {`t:1: field "xy" stands in the list already, as "x*"`},
		"a xy,x* max\n* * lww":                        nil,
		"a x max\nb x max\n* * lww":                   nil,
		"* *,x lww":                                   {`t:1: field "x" stands in the list already, as "*"`},
		"* x* lww":                                    {"t: the table leaves keys without a rule"},
		"*a * lww":                                    {"t: the table leaves keys without a rule"},
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
