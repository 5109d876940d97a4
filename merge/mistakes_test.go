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
