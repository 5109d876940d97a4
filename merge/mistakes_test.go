package merge

import (
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
