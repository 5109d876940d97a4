package merge

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// A flag is turned by true and false and by a delete of its field; anything else is no claim on it, and is told as a mismatch.
func TestOnlyATruthValueTurnsAFlag(t *testing.T) {
	for _, rule := range []string{"enable-wins", "disable-wins"} {
		table := MustParseTable("nodes a < b\n* f " + rule + "\n* * lww")
		us := writer{node: "a"}
		s := NewState(table)
		apply := func(op Op) Verdict {
			t.Helper()
			verdicts, err := s.Apply(op)
			require.NoError(t, err)
			require.Len(t, verdicts, 1)
			return verdicts[0]
		}
		for _, op := range []Op{us.op(Set, "k", 1, field("f", `"true"`, "")), us.op(Set, "k", 2, field("f", "1", "")), us.op(Insert, "k", 3, field("f", "true", ""))} {
			why := apply(op)
			assert.Equal(t, value.Value(""), s.Get("k", "f"), "%s: nothing was written", rule)
			assert.Equal(t, Lost, why.Outcome)
			assert.True(t, why.Mismatch && !why.Missing)
		}
		assert.Equal(t, Combined, apply(us.op(Set, "k", 4, field("f", "true", ""))).Outcome)
		assert.Equal(t, value.Value("true"), s.Get("k", "f"))
		assert.Equal(t, Combined, apply(us.op(Set, "k", 5, field("f", "false", ""))).Outcome)
		assert.Equal(t, value.Value("false"), s.Get("k", "f"))
		apply(us.op(Set, "k", 6, field("f", "true", "")))
		assert.False(t, apply(us.op(Delete, "k", 7, field("f", "", ""))).Missing)
		assert.Equal(t, value.Value("false"), s.Get("k", "f"), "a delete turns it off")
	}
}

// To settle one key is what settling all of them does to it, and leaves the others as they are.
func TestOneKeyIsSettledLikeAllOfThem(t *testing.T) {
	table := MustParseTable("nodes a < b\n* n counter\n* * lww")
	us := writer{node: "a"}
	all, one := NewState(table), NewState(table)
	for i := range 20 {
		for _, key := range []string{"k", "l"} {
			op := us.op(Set, key, int64(i+1), field("n", value.Int(int64(i+1)), value.Int(int64(i))))
			for _, s := range []*State{all, one} {
				_, err := s.Apply(op)
				require.NoError(t, err)
			}
		}
	}
	record := func(s *State, key string) []byte {
		data, err := s.AppendRecord(nil, key)
		require.NoError(t, err)
		return data
	}
	unsettled := record(one, "l")
	all.Settle(us.seen)
	one.SettleKey("k", us.seen)
	one.SettleKey("nobody knows it", us.seen)
	assert.Equal(t, record(all, "k"), record(one, "k"))
	assert.Equal(t, unsettled, record(one, "l"))
	assert.Less(t, len(record(all, "l")), len(unsettled))
	assert.Equal(t, value.Value("20"), one.Get("k", "n"))
	assert.Equal(t, 2, one.Len())
}

// The claim of a group has a before-image if all of its fields have one.
func TestAGroupHasABeforeImageIfAllOfItsFieldsDo(t *testing.T) {
	table := MustParseTable("* a,b lww together\n* * lww")
	us := writer{node: "a"}
	for _, c := range []struct {
		a, b, want value.Value
	}{{"1", "2", `{"a":1,"b":2}`}, {"1", "", ""}, {"", "2", ""}, {"", "", ""}} {
		op := us.op(Set, "k", 1, field("a", "3", c.a), field("b", "4", c.b))
		claims := table.Claims(&op, nil)
		require.Len(t, claims, 1)
		assert.Equal(t, c.want, claims[0].Before)
		assert.Equal(t, value.Value(`{"a":3,"b":4}`), claims[0].Value)
		assert.False(t, claims[0].Partial)
	}
}

// An increment counts with the others, a delete takes them back, and what can't be counted is lost.
func TestACounterSaysWhatBecameOfEachClaim(t *testing.T) {
	us := writer{node: "a"}
	s := NewState(MustParseTable("nodes a < b\n* n counter\n* * lww"))
	for _, c := range []struct {
		op      Op
		outcome Outcome
		fault   string
		shows   value.Value
	}{
		{us.op(Set, "k", 1, field("n", "5", "2")), Combined, "", "3"},
		{us.op(Set, "k", 2, field("n", `"many"`, "5")), Lost, "mismatch", "3"},
		{us.op(Set, "k", 3, field("n", "9", "")), Lost, "missing", "3"},
		{us.op(Set, "k", 3, field("n", "9", `"many"`)), Lost, "mismatch", "3"},
		{us.op(Insert, "k", 3, field("n", "9", "1")), Lost, "mismatch", "3"},
		{us.op(Delete, "k", 4, field("n", "", "")), Combined, "", "0"},
		{us.op(Set, "k", 5, field("n", "7", "6")), Combined, "", "1"},
	} {
		verdicts, err := s.Apply(c.op)
		require.NoError(t, err)
		require.Len(t, verdicts, 1)
		assert.Equal(t, c.outcome, verdicts[0].Outcome, c.op.ID)
		assert.Equal(t, [2]bool{c.fault == "missing", c.fault == "mismatch"}, [2]bool{verdicts[0].Missing, verdicts[0].Mismatch}, c.op.ID)
		assert.Equal(t, c.shows, s.Get("k", "n"), c.op.ID)
	}
}

// Of two writes that a user's rule has to choose from, the one that it kept is kept and the other lost.
func TestAUsersRuleSaysWhichOfTwoWritesItKept(t *testing.T) {
	longer := Custom{Name: "longer", Merge: func(a, b value.Value) value.Value {
		if len(b) > len(a) {
			return b
		}
		return a
	}}
	for _, first := range []bool{true, false} {
		s := NewState(MustParseTable("nodes a < b\n* f longer\n* * lww", longer))
		us, eu := writer{node: "a"}, writer{node: "b"}
		ops := []Op{us.op(Set, "k", 1, field("f", `"short"`, "")), eu.op(Set, "k", 2, field("f", `"much longer"`, ""))}
		want := []Outcome{Lost, Kept}
		if first {
			ops[0], ops[1] = ops[1], ops[0]
			want = []Outcome{Kept, Lost}
		}
		for range 2 { // again, when both are there
			for i, op := range ops {
				verdicts, err := s.Apply(op)
				require.NoError(t, err)
				if i == 1 {
					assert.Equal(t, want[1], verdicts[0].Outcome)
				}
			}
		}
		verdicts, err := s.Apply(ops[0])
		require.NoError(t, err)
		assert.Equal(t, want[0], verdicts[0].Outcome)
		assert.Equal(t, value.Value(`"much longer"`), s.Get("k", "f"))
	}
}

// What a set takes in and out does not depend on the order in which a value lists its elements, or how often.
func TestAnAbsoluteValueOfASetIsRidOfItsOrder(t *testing.T) {
	for _, rule := range []string{"add-wins", "remove-wins"} {
		s := NewState(MustParseTable("nodes a < b\n* f " + rule + "\n* * lww"))
		us := writer{node: "a"}
		for _, op := range []Op{
			us.op(Set, "k", 1, field("f", `["d","b","a","d"]`, "null")),
			us.op(Set, "k", 2, field("f", `["c","b"]`, `["b","d","a"]`)),
		} {
			_, err := s.Apply(op)
			require.NoError(t, err)
		}
		assert.Equal(t, value.Value(`["b","c"]`), s.Get("k", "f"), rule)
	}
}

// A field that a row repeats makes no claim; a field that is written by itself does, whatever it was.
func TestOnlyARowRepeatsFields(t *testing.T) {
	table := MustParseTable("* * lww")
	us := writer{node: "a"}
	for _, c := range []struct {
		op   Op
		want int
	}{
		{us.op(Set, "k", 1, field("f", "1", "1")), 1},
		{us.op(Set, "k", 2, field("f", "1", "1"), field("g", "2", "1")), 1},
		{us.op(Set, "k", 3, field("f", "1", ""), field("g", "2", "")), 2},
		{us.op(Set, "k", 4, field("f", "1", "1"), field("g", "2", "")), 1},
		{us.op(Delete, "k", 5, field("f", "", ""), field("g", "", "")), 2},
		{us.op(Insert, "k", 6, field("f", "1", "1"), field("g", "1", "1")), 2},
	} {
		assert.Len(t, table.Claims(&c.op, nil), c.want, c.op.ID)
	}
}

// An add or a remove that the set does not show is lost.
func TestASetSaysWhichOfItsClaimsItDoesNotShow(t *testing.T) {
	for rule, want := range map[string][2]Outcome{"add-wins": {Combined, Lost}, "remove-wins": {Lost, Combined}} {
		s := NewState(MustParseTable("nodes a < b\n* f " + rule + "\n* * lww"))
		us, eu := writer{node: "a"}, writer{node: "b"}
		apply := func(op Op) Outcome {
			verdicts, err := s.Apply(op)
			require.NoError(t, err)
			require.Len(t, verdicts, 1)
			return verdicts[0].Outcome
		}
		add, remove := us.op(Insert, "k", 1, field("f", "1", "")), eu.op(Remove, "k", 2, field("f", "1", ""))
		apply(add)
		assert.Equal(t, want[1], apply(remove), rule)
		assert.Equal(t, want[0], apply(add), rule)
	}
}

func TestWhatWritersHadSeenIsAskedForByRulesThatTurnOnIt(t *testing.T) {
	table := MustParseTable("nodes a < b\n* lww lww\n* n counter\n* s add-wins\n* l append\n* r refuse\n* * max")
	for name, want := range map[string][2]bool{"lww": {false, false}, "max": {false, false}, "n": {false, true}, "s": {true, true}, "l": {false, false}, "r": {true, true}} {
		r := table.Rule("k", name)
		assert.Equal(t, want, [2]bool{r.NeedsSeen(Set), r.NeedsSeen(Delete)}, name)
	}
}

// What is known of a key is carried over to a table that decides alike for it, and not to another one.
func TestAKeyIsCarriedToATableThatDecidesAlike(t *testing.T) {
	for table, want := range map[string]bool{
		"nodes a < b\n* * lww":                          true,
		"nodes a < c < b\n* * lww":                      true,
		"nodes a < b\nother/* * max\n* * lww":           true,
		"nodes b < a\n* * lww":                          false,
		"nodes a < c\n* * lww":                          false,
		"nodes b < c\n* * lww":                          false,
		"nodes b < c < a\n* * lww":                      false,
		"* * lww":                                       false,
		"nodes a < b\n* * max":                          false,
		"nodes a < b\nk f max\n* * lww":                 false,
		"nodes a < b\norder time version node\n* * lww": false,
	} {
		from, to := NewState(MustParseTable("nodes a < b\n* * lww")), NewState(MustParseTable(table))
		us := writer{node: "a"}
		_, err := from.Apply(us.op(Set, "k", 1, field("f", "1", ""), field("g", "2", "")))
		require.NoError(t, err)
		assert.False(t, to.Carry(from, "unknown"), table)
		require.Equal(t, want, to.Carry(from, "k"), table)
		if !want {
			assert.Equal(t, 0, to.Len(), table)
			continue
		}
		assert.Equal(t, value.Value("1"), to.Get("k", "f"))
		assert.False(t, to.Carry(from, "k"), "it is known here now")
		n := 0
		for range to.Record("k") {
			n++
			break
		}
		assert.Equal(t, 1, n, "whoever has enough may stop")
		for range to.Record("k") {
			n++
		}
		assert.Equal(t, 3, n)
	}
	from, to := NewState(MustParseTable("* * lww")), NewState(MustParseTable("# the same\n* * lww"))
	_, err := from.Apply(Op{Key: "k", Kind: Set, Fields: []Field{field("f", "1", "")}})
	require.NoError(t, err)
	assert.True(t, to.Carry(from, "k"), "neither declares nodes")
}

// Fields that belong together are claimed as a whole, if one of them changed: those that a delete names are null in it.
func TestAGroupIsClaimedIfOneOfItsFieldsChanged(t *testing.T) {
	table := MustParseTable("* a,b lww together\n* * lww")
	for _, c := range []struct {
		kind   Kind
		fields []Field
		want   map[string]value.Value
	}{
		{Set, []Field{field("a", "1", "1"), field("b", "2", "2"), field("c", "3", "2")}, map[string]value.Value{"c": "3"}},
		{Set, []Field{field("a", "1", "1"), field("b", "2", "2")}, nil},
		{Set, []Field{field("a", "1", "1"), field("b", "2", "1"), field("c", "3", "2")}, map[string]value.Value{"a,b": `{"a":1,"b":2}`, "c": "3"}},
		{Delete, []Field{field("a", "", "1"), field("c", "", "2")}, map[string]value.Value{"a,b": `{"a":null}`, "c": ""}},
	} {
		op := Op{Key: "k", Kind: c.kind, Fields: c.fields}
		claims := table.Claims(&op, nil)
		require.Len(t, claims, len(c.want))
		for _, claim := range claims {
			assert.Equal(t, c.want[claim.Cell], claim.Value, claim.Cell)
		}
	}
	whole := Op{Key: "k", Fields: []Field{field("", `{"a":1,"b":2}`, `{"a":1}`)}}
	claims := MustParseTable("* * lww together").Claims(&whole, nil)
	require.Len(t, claims, 1)
	assert.Equal(t, whole.Fields[0].Value, claims[0].Value, "the whole record is a group by itself")
	assert.Equal(t, whole.Fields[0].Before, claims[0].Before)
	assert.False(t, claims[0].Partial)
}

// A set takes an absolute value for its elements: null has none, and what is no array is one. What it took out is missing
// without a before-image, but for a set that only grows.
func TestASetReadsAnAbsoluteValue(t *testing.T) {
	for rule, missing := range map[string]bool{"grow-only": false, "add-wins": true, "remove-wins": true} {
		s := NewState(MustParseTable("* f " + rule + "\n* * lww"))
		us := writer{node: "a"}
		grows := rule == "grow-only"
		for _, c := range []struct {
			op      Op
			outcome Outcome
			missing bool
			shows   value.Value
		}{
			{us.op(Set, "k", 1, field("f", `[10,9,"10"]`, "")), Combined, missing, `[9,10,"10"]`},
			{us.op(Set, "k", 2, field("f", `8`, "null")), Combined, false, `[8,9,10,"10"]`},
			{us.op(Set, "k", 3, field("f", "[8]", "[8]")), Combined, false, `[8,9,10,"10"]`},
			{us.op(Set, "k", 4, field("f", "null", "8")), map[bool]Outcome{false: Combined, true: Lost}[grows], false, map[bool]value.Value{false: `[9,10,"10"]`, true: `[8,9,10,"10"]`}[grows]},
		} {
			verdicts, err := s.Apply(c.op)
			require.NoError(t, err)
			assert.Equal(t, c.outcome, verdicts[0].Outcome, "%s %s", rule, c.op.ID)
			assert.Equal(t, c.missing, verdicts[0].Missing, "%s %s", rule, c.op.ID)
			assert.Equal(t, c.outcome == Lost && grows, verdicts[0].NotMonotonic, "%s %s", rule, c.op.ID)
			assert.Equal(t, c.shows, s.Get("k", "f"), "%s %s", rule, c.op.ID)
		}
	}
}

// Of a key that nobody wrote nothing is shown, nor of a field.
func TestNothingIsShownOfWhatNobodyWrote(t *testing.T) {
	s := NewState(MustParseTable("* a,b lww together\n* * lww"))
	us := writer{node: "a"}
	applyAll(t, s, []Op{us.op(Set, "k", 1, field("a", "1", ""), field("c", "2", ""))})
	for _, c := range [][2]string{{"nobody wrote it", "c"}, {"k", "d"}, {"k", ""}, {"k", "b"}} {
		assert.Equal(t, value.Value(""), s.Get(c[0], c[1]), c)
	}
	for range s.Record("nobody wrote it") {
		t.Error("a cell")
	}
	assert.Equal(t, value.Value("1"), s.Get("k", "a"))
	assert.Equal(t, value.Value("2"), s.Get("k", "c"))
	assert.Same(t, s.Table(), s.table)
	assert.Same(t, &s.table.Ladder, s.table.Rules[0].Ladder())
}

// The claims of several operations are appended to one list: each has the rule of its own key.
func TestAClaimHasTheRuleOfItsOwnKey(t *testing.T) {
	table := MustParseTable("x * max\n* * lww")
	var claims []Claim
	for _, key := range []string{"x", "y", "x"} {
		claims = table.Claims(&Op{Key: key, Fields: []Field{field("f", "1", "")}}, claims)
	}
	require.Len(t, claims, 3)
	for i, want := range []string{"max", "lww", "max"} {
		assert.Equal(t, want, claims[i].Rule.Name)
	}
}

// Increments is what a counter shows to which nothing but increments were applied.
func TestIncrementsAreWhatACounterShows(t *testing.T) {
	s := NewState(MustParseTable("* * counter"))
	us := writer{node: "us"}
	var sum Increments
	assert.Equal(t, value.Value("0"), sum.Value())
	for _, v := range []value.Value{"1", "-2.50", `"many"`, "", "null", "1e2"} {
		verdicts, err := s.Apply(us.op(Add, "k", 1, field("n", v, "")))
		require.NoError(t, err)
		assert.Equal(t, !verdicts[0].Mismatch, sum.Add(v), v)
		assert.Equal(t, s.Get("k", "n"), sum.Value(), v)
	}
	assert.Equal(t, value.Value("98.5"), sum.Value())
}

// Deleting some fields of a group is a write of the group without them, and not its end.
func TestDeletingAFieldOfAGroupWritesTheGroup(t *testing.T) {
	table := MustParseTable("nodes a < b\n* street,city lww together\n* * lww")
	s, us := NewState(table), writer{node: "a"}
	for _, op := range []Op{
		us.op(Set, "k", 1, field("street", `"Elm"`, ""), field("city", `"Ulm"`, "")),
		us.op(Delete, "k", 2, field("street", "", "")),
	} {
		_, err := s.Apply(op)
		require.NoError(t, err)
	}
	assert.Equal(t, value.Null, s.Get("k", "street"))
	assert.True(t, s.Get("k", "city").IsAbsent(), "the city is of the write that was replaced")
	for _, c := range s.Cells() {
		w, ok := c.Write()
		assert.True(t, ok)
		assert.False(t, w.Deleted)
		assert.Equal(t, value.Value(`{"street":null}`), w.Value)
	}
	claims := table.Claims(&Op{Key: "k", Kind: Delete, Fields: []Field{field("street", "", "")}}, nil)
	require.Len(t, claims, 1)
	assert.Equal(t, Set, claims[0].Kind)
	assert.True(t, claims[0].Partial, "what the city is then was not said")
}

// Claims of many operations may be collected in one list: each has the rule of its own table, key and field, whatever came before.
func TestClaimsThatFollowOthersHaveTheirOwnRule(t *testing.T) {
	one := MustParseTable("a/* f max\n* g,h lww together\n* * lww")
	two := MustParseTable("* f min\n* * lww")
	var all []Claim
	var want []*Rule
	for _, step := range []struct {
		table      *Table
		key, field string
	}{
		{one, "a/1", "f"}, {one, "a/1", "f"}, {one, "a/2", "f"}, {one, "b/1", "f"}, {two, "b/1", "f"}, {two, "b/1", "f"}, {one, "b/1", "f"},
		{one, "b/1", "g"}, {one, "b/1", "g,h"}, {one, "b/1", "g,h"}, {one, "b/1", "g"},
	} {
		op := Op{Key: step.key, Kind: Set, Fields: []Field{field(step.field, "1", "")}}
		all = step.table.Claims(&op, all)
		want = append(want, step.table.Rule(step.key, step.field))
		require.Len(t, all, len(want))
	}
	for i := range want {
		assert.Same(t, want[i], all[i].Rule, i)
	}
}

// What is no number adds nothing to a counter, and nothing is remembered of it.
func TestWhatIsNoNumberLeavesNoTraceInACounter(t *testing.T) {
	table := MustParseTable("nodes a < b\n* * counter")
	with, without := NewState(table), NewState(table)
	us := writer{node: "a"}
	for i, op := range []Op{
		us.op(Add, "k", 1, field("n", "2", "")),
		us.op(Add, "k", 2, field("n", `"2"`, "")),
		us.op(Set, "k", 3, field("n", "9", "")),
		us.op(Set, "k", 4, field("n", "9", `"2"`)),
		us.op(Set, "k", 5, field("n", "true", "2")),
		us.op(Insert, "k", 6, field("n", "2", "")),
	} {
		_, err := with.Apply(op)
		require.NoError(t, err)
		if i == 0 {
			_, err = without.Apply(op)
			require.NoError(t, err)
		}
	}
	assert.Equal(t, value.Value("2"), with.Get("k", "n"))
	want, err := without.AppendRecord(nil, "k")
	require.NoError(t, err)
	got, err := with.AppendRecord(nil, "k")
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// A delete that had seen what is known to be of other keys is news to a counter all the same: it undoes nothing, and is told of.
func TestADeleteThatUndoesNothingIsNewsToACounter(t *testing.T) {
	var of clock.Vector
	of.Add(clock.Dot{Node: "x", Seq: 1})
	mine, theirs := new(count), new(count)
	mine.counter.Note(of)
	theirs.apply(nil, &Claim{Op: &Op{Dot: clock.Dot{Node: "b", Seq: 1}, Seen: of}, Kind: Delete})
	mine.counter.Note(theirs.counter.Seen())
	assert.True(t, mine.merge(nil, theirs))
	assert.False(t, mine.merge(nil, theirs))
	assert.True(t, mine.resets.Equal(of))

	mine = new(count) // unless what the delete had seen is settled: nobody asks any more what became of that
	mine.settle(of)
	mine.counter.Note(theirs.counter.Seen())
	assert.False(t, mine.merge(nil, theirs))
	assert.True(t, mine.resets.IsEmpty())
}

// What a rule has no use for is told of every such operation, whatever becomes of its value.
func TestARuleTellsWhatItHasNoUseFor(t *testing.T) {
	uses := map[Kind][]string{
		Add:    {"counter", "newest"},
		Insert: {"grow-only", "add-wins", "remove-wins", "append", "newest"},
		Remove: {"grow-only", "add-wins", "remove-wins", "newest"},
	}
	newest := Custom{Name: "newest", Merge: func(a, b value.Value) value.Value { return max(a, b) }}
	for _, rule := range []string{"lww", "fww", "max", "min", "highest f", "prefer 1 > 2", "prefer-node us", "counter", "grow-only", "union", "add-wins",
		"remove-wins", "enable-wins", "disable-wins", "keep-all", "delete-wins", "update-wins", "append", "refuse", "newest"} {
		table, err := ParseTable("t", []byte("nodes eu < us\n* f "+rule+"\n* * lww"), newest)
		require.NoError(t, err)
		name := table.Rule("k", "f").Name
		for _, kind := range []Kind{Set, Delete, Add, Insert, Remove} {
			us := writer{node: "us"}
			s := NewState(table)
			_, err := s.Apply(us.op(Set, "k", 1, field("f", `["x"]`, "null")))
			require.NoError(t, err)
			v := value.Value("7")
			if rule == "enable-wins" || rule == "disable-wins" {
				v = "true"
			}
			verdicts, err := s.Apply(us.op(kind, "k", 2, field("f", v, "3")))
			require.NoError(t, err)
			takes := kind <= Delete || slices.Contains(uses[kind], name)
			assert.Equal(t, takes, table.Rule("k", "f").Takes(kind), "%s %s", rule, kind)
			assert.Equal(t, takes, !verdicts[0].Mismatch, "%s %s", rule, kind)
			if kind == Add && strings.HasSuffix(name, "-wins") && name != "delete-wins" && name != "update-wins" {
				assert.Equal(t, Lost, verdicts[0].Outcome, "%s keeps nothing of it", rule)
			}
		}
	}
}

// What is counted can be written and read, whatever is counted with it: an increment that is too long is not counted.
func TestACounterOfLongIncrementsCanBeWritten(t *testing.T) {
	nines := strings.Repeat("9", MaxIncrementDigits)
	table := MustParseTable("nodes eu < us\n* * counter")
	s := NewState(table)
	us, eu := writer{node: "us"}, writer{node: "eu"}
	for _, c := range []struct {
		op   Op
		told bool
	}{
		{us.op(Add, "k", 1, field("n", value.Value(nines+"."+nines), "")), false},
		{eu.op(Add, "k", 1, field("n", value.Value(nines+"."+nines), "")), false},
		{us.op(Add, "k", 1, field("n", value.Value("1"+nines), "")), true},
		{us.op(Add, "k", 1, field("n", value.Value("0."+nines+"1"), "")), true},
		{us.op(Set, "k", 1, field("n", value.Value("1"+strings.Repeat("0", 9000)), value.Value("0."+strings.Repeat("0", 9000)+"1"))), true},
	} {
		verdicts, err := s.Apply(c.op)
		require.NoError(t, err)
		assert.Equal(t, c.told, verdicts[0].Mismatch)
	}
	for _, settled := range []bool{false, true} {
		if settled {
			s.Settle(us.seen)
			s.Settle(eu.seen)
		}
		b, err := s.AppendRecord(nil, "k")
		require.NoError(t, err)
		other := NewState(table)
		_, _, err = other.MergeRecord(b, Limits{})
		require.NoError(t, err)
		_, err = other.Get("k", "n").Decimal()
		require.NoError(t, err)
		assert.Equal(t, s.Get("k", "n"), other.Get("k", "n"))
	}
}

// A service goes on with the vector that it gave away: what a delete of the whole record had seen is no longer its own.
func TestADeleteOfARecordKeepsWhatItHadSeen(t *testing.T) {
	s := NewState(MustParseTable("nodes eu < us\n* * add-wins"))
	seen := clock.Up("eu", 1)
	_, err := s.Apply(Op{Key: "k", Kind: Delete, Dot: clock.Dot{Node: "us", Seq: 1}, Seen: seen})
	require.NoError(t, err)
	seen.Add(clock.Dot{Node: "eu", Seq: 2})
	_, err = s.Apply(Op{Key: "k", Kind: Insert, Fields: []Field{{Name: "f", Value: `"x"`}}, Dot: clock.Dot{Node: "eu", Seq: 2}, Seen: clock.Up("eu", 1)})
	require.NoError(t, err)
	assert.Equal(t, value.Value(`["x"]`), s.Get("k", "f"), "which it had not seen")
}

// A table is its own: what becomes of the list of rules that it was made of does not matter.
func TestATableKeepsTheRulesItWasGiven(t *testing.T) {
	least := Custom{Name: "least", Merge: func(a, b value.Value) value.Value { return min(a, b) }}
	most := Custom{Name: "most", Merge: func(a, b value.Value) value.Value { return max(a, b) }}
	rules := []Custom{least, most}
	table, err := ParseTable("t", []byte("* * least"), rules...)
	require.NoError(t, err)
	rules[0], rules[1] = rules[1], rules[0]
	assert.Equal(t, value.Value("1"), table.Rule("k", "f").Func()("1", "2"))
}
