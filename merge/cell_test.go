package merge

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// cellUnder applies operations on field f under a rule.
func cellUnder(t *testing.T, rule string, ops ...Op) *Cell {
	t.Helper()
	s := NewState(MustParseTable("* * " + rule))
	for _, op := range ops {
		_, err := s.Apply(op)
		require.NoError(t, err)
	}
	for _, c := range s.Cells() {
		if c.Name == "f" {
			assert.Equal(t, rule, c.Rule().Name)
			return c.Cell
		}
	}
	t.Fatal("no cell")
	return nil
}

// Two writes conflict when neither writer had seen the other's; a cell shows it as long as none has seen both.
func TestACellIsConflictedWhileNobodyHasSeenAllOfItsWrites(t *testing.T) {
	us, eu := writer{node: "us"}, writer{node: "eu"}
	a := us.op(Set, "k", 1, field("f", `"a"`, ""))
	b := eu.op(Set, "k", 1, field("f", `"b"`, ""))
	us.sees(&eu)
	both := us.op(Set, "k", 2, field("f", `"c"`, ""))

	assert.False(t, cellUnder(t, "keep-all", a).Conflicted())
	assert.True(t, cellUnder(t, "keep-all", a, b).Conflicted())
	assert.False(t, cellUnder(t, "keep-all", a, b, both).Conflicted())
	assert.False(t, cellUnder(t, "lww", a, b).Conflicted(), "the rule has decided")
}

func TestCellsOfUnequalRulesOrContentAreUnequal(t *testing.T) {
	us := writer{node: "us"}
	a := us.op(Set, "k", 1, field("f", `"a"`, ""))
	b := us.op(Set, "k", 2, field("f", `"b"`, ""))
	table := MustParseTable("x * lww\n* * lww")
	cells := func(ops ...Op) *Cell {
		s := NewState(table)
		for _, op := range ops {
			_, err := s.Apply(op)
			require.NoError(t, err)
		}
		for _, c := range s.Cells() {
			if c.Name == "f" {
				return c.Cell
			}
		}
		return nil
	}
	one, same, other := cells(a), cells(a), cells(a, b)
	assert.True(t, one.Equal(*same))
	assert.False(t, one.Equal(*other))
	assert.False(t, one.Equal(*cellUnder(t, "fww", a)), "the same write under another rule")
	assert.Equal(t, value.Value(`"a"`), one.Value())
}
