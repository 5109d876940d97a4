package merge

import (
	"cmp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
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

// Of several live writes under a rule that keeps one, the greatest is the cell's write; where all are shown, none is.
func TestTheWriteOfACellIsTheOneThatItKeeps(t *testing.T) {
	us, eu := writer{node: "us"}, writer{node: "eu"}
	a := us.op(Set, "k", 1, field("f", `"a"`, ""))
	b := eu.op(Set, "k", 2, field("f", `"b"`, ""))
	for rule, keepsOne := range map[string]bool{"keep-all": false, "refuse": true, "delete-wins": true, "lww": true} {
		empty := cellUnder(t, rule, a).Rule().NewCell()
		_, ok := empty.Write()
		assert.False(t, ok, rule)
		w, ok := cellUnder(t, rule, a).Write()
		assert.True(t, ok, rule)
		assert.Equal(t, a.Dot, w.Dot, rule)
		w, ok = cellUnder(t, rule, a, b).Write()
		assert.Equal(t, keepsOne, ok, rule)
		if keepsOne {
			assert.Equal(t, b.Dot, w.Dot, rule)
		}
	}
	on := us.op(Set, "k", 3, field("f", "true", "null"))
	for _, rule := range []string{"counter", "grow-only", "add-wins", "remove-wins", "enable-wins", "disable-wins", "append"} {
		w, ok := cellUnder(t, rule, on).Write()
		assert.False(t, ok, rule)
		assert.Zero(t, w, rule)
	}
}

func TestAnEmptyCellShowsWhatNobodyWrote(t *testing.T) {
	shows := map[string]value.Value{"counter": "0", "grow-only": "[]", "add-wins": "[]", "remove-wins": "[]", "append": "[]"}
	for _, r := range everyRule.Rules {
		cell, other := r.NewCell(), r.NewCell()
		assert.Equal(t, shows[r.Name], cell.Value(), r.Name)
		assert.Same(t, r, cell.Rule())
		assert.False(t, cell.Conflicted(), r.Name)
		assert.True(t, cell.Equal(other), r.Name)
		assert.False(t, cell.Merge(other), r.Name)
	}
}

// A flag that is off because somebody turned it off shows so, and one that nobody wrote shows nothing: though all that
// either remembers of it is settled.
func TestAFlagThatIsOffIsNotOneThatNobodyWrote(t *testing.T) {
	us := writer{node: "us"}
	off := us.op(Set, "k", 1, field("f", "false", ""))
	for _, rule := range []string{"enable-wins", "disable-wins"} {
		written := cellUnder(t, rule, off)
		unwritten := written.Rule().NewCell()
		written.Settle(us.seen)
		unwritten.Settle(us.seen)
		assert.False(t, written.Equal(unwritten), rule)
		assert.False(t, unwritten.Equal(*written), rule)
		assert.Equal(t, value.Value("false"), written.Value(), rule)
		assert.Equal(t, value.Value(""), unwritten.Value(), rule)
		assert.False(t, written.Merge(unwritten), rule)
		assert.True(t, unwritten.Merge(*written), rule)
		assert.False(t, unwritten.Merge(*written), rule)
		assert.True(t, written.Equal(unwritten), rule)
		assert.Equal(t, value.Value("false"), unwritten.Value(), rule)
	}
}

func TestOfTwoLiveWritesTheGreatestIsKeptAndUnderRefuseNeither(t *testing.T) {
	us, eu := writer{node: "us"}, writer{node: "eu"}
	a := us.op(Set, "k", 1, field("f", `"a"`, ""))
	b := eu.op(Set, "k", 2, field("f", `"b"`, ""))
	for rule, want := range map[string][2]Outcome{
		"delete-wins": {Lost, Kept}, "update-wins": {Lost, Kept}, "refuse": {Refused, Refused}, "keep-all": {Combined, Combined},
	} {
		c := cellUnder(t, rule, a, b)
		for i, op := range []*Op{&a, &b} {
			claim := Claim{Op: op, Rule: c.Rule(), Cell: "f", Kind: op.Kind, Value: op.Fields[0].Value}
			assert.Equal(t, want[i], c.Judge(&claim).Outcome, "%s: %s", rule, op.ID)
		}
	}
}

// Fields that are decided together make one claim, whatever other fields stand around them.
func TestFieldsThatBelongTogetherMakeOneClaim(t *testing.T) {
	table := MustParseTable("* a,b lww together\n* * lww")
	op := Op{Key: "k", Kind: Set, Fields: []Field{{Name: "c", Value: "1"}, {Name: "a", Value: "2"}, {Name: "d", Value: "3"}, {Name: "b", Value: "4"}}}
	claims := table.Claims(&op, nil)
	require.Len(t, claims, 3)
	again := table.Claims(&op, claims)
	require.Len(t, again, 6, "claims of another operation are left alone")
	for i := range claims {
		assert.Equal(t, claims[i].Cell, again[3+i].Cell)
	}

	other := MustParseTable("* * max")
	one := Op{Key: "k", Kind: Set, Fields: []Field{{Name: "d", Value: "1"}}}
	appended := other.Claims(&one, table.Claims(&one, nil))
	require.Len(t, appended, 2)
	assert.Equal(t, "max", appended[1].Rule.Name, "a claim has a rule of the table that was asked")
}

// Deletes are stored in an order that does not depend on how they came: by dot, then by all else that two writers of one
// dot may have written.
func TestStoredDeletesHaveATotalOrder(t *testing.T) {
	at := func(seq uint64, wall int64, version uint64, node clock.Node, id string, seen uint64) Op {
		return Op{Kind: Delete, Dot: clock.Dot{Node: "us", Seq: seq}, ID: id, Seen: clock.Up("eu", seen),
			Stamp: lww.Stamp{Version: version, Time: clock.Timestamp{Wall: wall}, Node: node}}
	}
	ascending := []Op{
		at(1, 5, 5, "us", "b", 5), at(2, 1, 5, "us", "b", 5), at(2, 2, 1, "us", "b", 5), at(2, 2, 2, "eu", "b", 5),
		at(2, 2, 2, "us", "a", 5), at(2, 2, 2, "us", "b", 1), at(2, 2, 2, "us", "b", 2),
	}
	for i := range ascending {
		for j := range ascending {
			assert.Equal(t, cmp.Compare(i, j), cmp.Compare(compareDeletes(&ascending[i], &ascending[j]), 0), "%d and %d", i, j)
		}
	}
}

func TestAGrowOnlySetSaysThatARemoveIsLost(t *testing.T) {
	us := writer{node: "us"}
	add := us.op(Insert, "k", 1, field("f", `"a"`, ""))
	remove := us.op(Remove, "k", 2, field("f", `"a"`, ""))
	c := cellUnder(t, "grow-only", add, remove)
	claim := Claim{Op: &remove, Rule: c.Rule(), Cell: "f", Kind: Remove, Value: `"a"`}
	v := c.Judge(&claim)
	assert.Equal(t, Lost, v.Outcome)
	assert.True(t, v.NotMonotonic)
	assert.Equal(t, value.Value(`["a"]`), c.Value())
}

func TestCellsAreYieldedUntilToldToStop(t *testing.T) {
	s := NewState(MustParseTable("* * lww"))
	us := writer{node: "us"}
	for _, key := range []string{"b", "a", "c"} {
		_, err := s.Apply(us.op(Set, key, 1, field("f", "1", ""), field("g", "1", "")))
		require.NoError(t, err)
	}
	var keys []string
	for key := range s.Cells() {
		if keys = append(keys, key); len(keys) == 3 {
			break
		}
	}
	assert.Equal(t, []string{"a", "a", "b"}, keys)
}

// One array stays as it was written; several are one array of their elements, each once.
func TestUnionOfOneWriteIsThatWrite(t *testing.T) {
	for _, v := range []value.Value{`[3,1,1]`, `5`, `{"a":1}`, `[]`} {
		us := writer{node: "a"}
		s := everyOrder(t, MustParseTable("nodes a < b < c\n* * union"), us.op(Set, "k", 1, field("f", v, "")))
		assert.Equal(t, v, s.Get("k", "f"))
	}
	us, eu, ap := writer{node: "a"}, writer{node: "b"}, writer{node: "c"}
	s := everyOrder(t, MustParseTable("nodes a < b < c\n* * union"), us.op(Set, "k", 1, field("f", `[3,1,1]`, "")),
		eu.op(Set, "k", 2, field("f", `5`, "")), ap.op(Set, "k", 3, field("f", "", "")))
	assert.Equal(t, value.Value(`[1,3,5]`), s.Get("k", "f"), "what was not recorded adds nothing")
}

// An export may say what was deleted. Readers don't see it.
func TestADeletedFieldIsAbsentWhateverItsRecordHolds(t *testing.T) {
	for _, rule := range []string{"lww", "fww", "keep-all", "union", "delete-wins", "update-wins", "prefer-node a > b"} {
		us := writer{node: "a"}
		set := us.op(Set, "k", 1, field("f", "1", ""))
		if rule == "fww" {
			set.Stamp.Time.Wall = 3
		}
		s := everyOrder(t, MustParseTable("nodes a < b\n* * "+rule), set, us.op(Delete, "k", 2, field("f", "1", "1")))
		assert.True(t, s.Get("k", "f").IsAbsent(), rule)
	}
}

// A user's function is given what is there, not what was deleted.
func TestACustomRuleIsNotGivenWhatWasDeleted(t *testing.T) {
	table, err := ParseTable("rules.tb", []byte("nodes a < b\n* * longest"), longest)
	require.NoError(t, err)
	us, eu := writer{node: "a"}, writer{node: "b"}
	set, gone := us.op(Set, "k", 1, field("f", `"ab"`, "")), eu.op(Delete, "k", 2, field("f", `"abcdef"`, `"abcdef"`))
	s := everyOrder(t, table, set, gone)
	assert.Equal(t, value.Value(`"ab"`), s.Get("k", "f"))
	verdicts, err := s.Apply(set)
	require.NoError(t, err)
	assert.Equal(t, Kept, verdicts[0].Outcome, "nothing is longer")
}

// An element that a value names twice is added once.
func TestASetTakesAnElementThatStandsTwiceOnce(t *testing.T) {
	for _, rule := range []string{"add-wins", "remove-wins", "grow-only"} {
		record := func(v value.Value) []byte {
			us := writer{node: "a"}
			s := NewState(MustParseTable("nodes a < b\n* * " + rule))
			_, err := s.Apply(us.op(Set, "k", 1, field("f", v, "null")))
			require.NoError(t, err)
			b, err := s.AppendRecord(nil, "k")
			require.NoError(t, err)
			return b
		}
		assert.Equal(t, record(`[1,2]`), record(`[2,1,2,1]`), rule)
	}
}
