package merge

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// onlyStamps are rules that look at stamps alone.
var onlyStamps = MustParseTable("nodes a < b < c\n* x fww\n* y prefer-node b > a\n* z max\n* * lww")

// Deletes of the record by writers that say anything of what they have seen, and of which some gave a dot twice, do the
// same to a field that was there before as to one that comes after them: one is forgotten only if others do all its work.
func TestADeleteIsForgottenOnlyIfOthersDoItsWork(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 0))
		table := fieldRules
		if r.IntN(4) == 0 {
			table = onlyStamps
		}
		rule := table.Rules[r.IntN(len(table.Rules))]
		var made [3]uint64
		next := func(kind Kind) Op {
			n := r.IntN(3)
			made[n]++
			op := Op{Key: "k", Kind: kind, Dot: clock.Dot{Node: nodeNames[n], Seq: made[n]}, ID: fmt.Sprint(made),
				Stamp: lww.Stamp{Version: r.Uint64N(2), Time: clock.Timestamp{Wall: 1 + r.Int64N(3)}, Node: nodeNames[n]}}
			for o, node := range nodeNames {
				for seq := uint64(1); seq <= 3; seq++ {
					if r.IntN(3) == 0 && (o != n || seq < made[n]) {
						op.Seen.Add(clock.Dot{Node: node, Seq: seq})
					}
				}
			}
			return op
		}
		var ops []Op
		for range 2 + r.IntN(2) {
			ops = append(ops, next(Delete))
			if r.IntN(4) == 0 { // its node had two writers
				twin := ops[len(ops)-1]
				twin.ID, twin.Stamp.Version, twin.Stamp.Time.Wall = twin.ID+"'", r.Uint64N(2), 1+r.Int64N(3)
				ops = append(ops, twin)
			}
		}
		for range 1 + r.IntN(2) {
			op := next(Set)
			v := value.Int(r.Int64N(2))
			if rule.family == flags {
				v = value.Bool(r.IntN(2) == 0)
			}
			op.Fields = []Field{field(rule.fields[0].text, v, "0")}
			ops = append(ops, op)
		}
		apply := func(order []int) string {
			s := NewState(table)
			for _, i := range order {
				applyAll(t, s, []Op{ops[i], ops[i]})
			}
			data, err := s.AppendRecord(nil, "k")
			require.NoError(t, err)
			return fmt.Sprintf("%v %q", shownAll(s), data)
		}
		before := r.Perm(len(ops)) // the field is written first
		for at, i := range before {
			if len(ops[i].Fields) > 0 {
				copy(before[1:at+1], before[:at])
				before[0] = i
				break
			}
		}
		want := apply(before)
		for range 4 {
			if got := apply(r.Perm(len(ops))); got != want {
				require.Equal(t, want, got, "seed %d\n%+v", seed, ops)
			}
		}
	}
}

// A state merges what was folded under another table that decides alike: its lines are elsewhere in the file, its cells become cells of this
// one, and there is one of each.
func TestMergeTakesCellsOverFromATableThatDecidesAlike(t *testing.T) {
	mine := NewState(MustParseTable("nodes a < b\nn/* * counter\n* f lww\n* s add-wins\n* * keep-all"))
	theirs := NewState(MustParseTable("# the same, with a comment\n\nnodes a < b\nn/* * counter\n\n* f lww\n* s add-wins\n* * keep-all"))
	us, eu := writer{node: "a"}, writer{node: "b"}
	for s, w := range map[*State]*writer{mine: &us, theirs: &eu} {
		for _, op := range []Op{
			w.op(Add, "n/1", 1, field("n", "2", "")),
			w.op(Set, "k", 1, field("f", "1", ""), field("g", "1", "")),
			w.op(Insert, "k", 2, field("s", "1", "")),
			w.op(Delete, "k", 3),
			w.op(Set, "only/"+string(w.node), 4, field("f", "1", "")),
		} {
			_, err := s.Apply(op)
			require.NoError(t, err)
		}
	}
	require.NoError(t, mine.Merge(theirs))
	assert.Equal(t, value.Value("4"), mine.Get("n/1", "n"))
	assert.Equal(t, value.Value("1"), mine.Get("only/b", "f"))
	names := map[string]bool{}
	for key, c := range mine.Cells() {
		assert.Same(t, mine.Table().Rule(key, c.Name), c.Rule(), "%s %s", key, c.Name)
		assert.False(t, names[key+" "+c.Name], "%s %s stands twice", key, c.Name)
		names[key+" "+c.Name] = true
	}
	assert.Len(t, names, 6)
}

// Where no rule turns on what writers had seen, a record does not keep it: the delete of somebody who had seen much is as short as that of
// another who says nothing.
func TestARecordKeepsWhatDeletersHadSeenOnlyForRulesThatAsk(t *testing.T) {
	for rules, less := range map[string]bool{"* * lww": false, "* s add-wins\n* * lww": true} {
		record := func(seen clock.Vector) []byte {
			us := writer{node: "a", seen: clock.Up("a", 9)}
			op := us.op(Delete, "k", 3)
			op.Seen = seen
			s := NewState(MustParseTable("nodes a < b\n" + rules))
			_, err := s.Apply(op)
			require.NoError(t, err)
			b, err := s.AppendRecord(nil, "k")
			require.NoError(t, err)
			return b
		}
		without, with := record(clock.Vector{}), record(clock.Up("b", 77))
		assert.Equal(t, less, len(without) < len(with), rules)
		assert.Equal(t, !less, string(without) == string(with), rules)
	}
}

// What is settled stays so: a delete that a region has settled is not applied to its counter again when another one merges it, be its
// table the same one or a copy.
func TestMergeAppliesNoDeleteToWhatItHasSettled(t *testing.T) {
	const text = "nodes a < b\nx/* * max\n* n counter\n* * lww"
	table := MustParseTable(text)
	for name, other := range map[string]*Table{"the same table": table, "a copy": MustParseTable("\n" + text)} {
		us := writer{node: "a"}
		theirs := NewState(other)
		for _, op := range []Op{
			us.op(Add, "k", 1, field("n", "2", "")),
			us.op(Delete, "k", 2),
			us.op(Add, "k", 3, field("n", "5", "")),
		} {
			_, err := theirs.Apply(op)
			require.NoError(t, err, name)
		}
		theirs.Settle(us.seen)
		want, err := theirs.AppendRecord(nil, "k")
		require.NoError(t, err, name)
		mine := NewState(table)
		require.NoError(t, mine.Merge(theirs), name)
		got, err := mine.AppendRecord(nil, "k")
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
		assert.Equal(t, value.Value("5"), mine.Get("k", "n"), name)
	}
}

// A delete of the record is a claim on the cells that there are and that there will be, and makes none: that of the record as a whole
// shows nothing after it either, under any rule.
func TestADeleteOfAKeyWithoutCellsMakesNone(t *testing.T) {
	left := map[string]value.Value{ // of a cell that was written, and deleted by one who had seen that
		"counter": "0", "add-wins": "[]", "remove-wins": "[]", "append": "[]", "enable-wins": "false", "disable-wins": "false",
		"grow-only": "[true]", "max": "true", "min": "true", "prefer": "true", // which take nothing back
	}
	for _, rule := range append(RuleNames(), "longest") {
		argument := map[string]string{"highest": " f", "prefer": " true > false", "prefer-node": " b > a"}[rule]
		table := MustParseTable("nodes a < b < c\nk * "+rule+argument+"\n* * lww", longest)
		us, eu := writer{node: "b"}, writer{node: "a"}
		s, back := NewState(table), NewState(table)
		gone := us.op(Delete, "k", 5)
		for range 2 {
			verdicts, err := s.Apply(gone)
			require.NoError(t, err)
			assert.Empty(t, verdicts, rule)
			data, err := s.AppendRecord(nil, "k")
			require.NoError(t, err)
			_, _, err = back.MergeRecord(data, Limits{})
			require.NoError(t, err)
			for _, it := range []*State{s, back} {
				assert.Equal(t, 1, it.Len(), rule)
				assert.Empty(t, shownAll(it), rule)
				assert.True(t, it.Get("k", "").IsAbsent(), rule)
				assert.True(t, it.Get("k", "f").IsAbsent(), rule)
			}
			s.Settle(us.seen)
		}
		if rule == "highest" {
			continue // nothing is there to be highest in a record without fields
		}
		eu.sees(&us)
		applyAll(t, s, []Op{eu.op(Set, "k", 6, field("", "true", ""))})
		verdicts, err := s.Apply(eu.op(Delete, "k", 7))
		require.NoError(t, err)
		assert.Len(t, verdicts, 1, rule)
		assert.Equal(t, left[rule], s.Get("k", ""), rule)
	}
}
