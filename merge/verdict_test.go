package merge

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// fate is what became of an event as [Outcome] describes it, told from the set of operations, who had seen what, and what
// the oracle of the rule shows.
type fate func(e *event, set []*event, saw func(b, a *event) bool, shown value.Value) Outcome

func fateOfSelection(rank func(*event) int) fate {
	return func(e *event, set []*event, _ func(b, a *event) bool, _ value.Value) Outcome {
		winner := best(set, rank)
		if e.op.Stamp == winner.op.Stamp && e.op.Kind == winner.op.Kind && e.c.Value == winner.c.Value {
			return Kept
		}
		return Lost
	}
}

// fateOfSiblings is that of rules that look at the writes that nobody had seen: of several, among says what became of each.
func fateOfSiblings(among func(e *event, live []*event, shown value.Value) Outcome) fate {
	return func(e *event, set []*event, saw func(b, a *event) bool, shown value.Value) Outcome {
		live := alive(set, saw)
		switch {
		case !slices.Contains(live, e):
			return Overwritten
		case len(live) == 1:
			return Kept
		}
		return among(e, live, shown)
	}
}

func fateOfTheBest(rank func(*event) int) fate {
	return fateOfSiblings(func(e *event, live []*event, _ value.Value) Outcome { return keptIf(e == best(live, rank)) })
}

func always(o Outcome) func(*event, []*event, value.Value) Outcome {
	return func(*event, []*event, value.Value) Outcome { return o }
}

func keptIf(is bool) Outcome {
	if is {
		return Kept
	}
	return Lost
}

func combinedIf(is bool) Outcome {
	if is {
		return Combined
	}
	return Lost
}

// fateOfSet says that an element is put in if it is shown, and taken out if it is not.
func fateOfSet(e *event, _ []*event, _ func(b, a *event) bool, shown value.Value) Outcome {
	is := slices.Contains(slices.Collect(shown.Elements()), e.c.Value)
	return combinedIf(e.op.Kind == Delete || is == (e.op.Kind == Insert))
}

func fateOfFlag(e *event, _ []*event, _ func(b, a *event) bool, shown value.Value) Outcome {
	return combinedIf((e.c.Value == "true") == (shown == "true"))
}

var fates = map[string]fate{
	"refuse":      fateOfSiblings(always(Refused)),
	"keep-all":    fateOfSiblings(always(Combined)),
	"union":       fateOfSiblings(always(Combined)),
	"delete-wins": fateOfTheBest(rankKind(Delete)),
	"update-wins": fateOfTheBest(rankKind(Set)),
	"longest": fateOfSiblings(func(e *event, live []*event, shown value.Value) Outcome {
		if shown == "" { // all are deletes
			return Combined
		}
		return keptIf(e.c.Value == shown)
	}),
	"counter": func(e *event, set []*event, saw func(b, a *event) bool, _ value.Value) Outcome {
		if e.op.Kind == Add && slices.ContainsFunc(set, func(b *event) bool { return b.op.Kind == Delete && saw(b, e) }) {
			return Overwritten
		}
		return Combined
	},
	"grow-only": func(e *event, _ []*event, _ func(b, a *event) bool, _ value.Value) Outcome {
		return combinedIf(e.op.Kind == Insert)
	},
	"add-wins":     fateOfSet,
	"remove-wins":  fateOfSet,
	"enable-wins":  fateOfFlag,
	"disable-wins": fateOfFlag,
	"append": func(e *event, set []*event, _ func(b, a *event) bool, _ value.Value) Outcome {
		if e.op.Kind == Set && slices.ContainsFunc(set, func(b *event) bool { return trims(b, e) }) {
			return Lost
		}
		return Combined
	},
}

// Every history of up to three operations: what a cell says of each of them is what became of it, also where the cell came
// to be by a merge.
func TestEveryVerdictSaysWhatBecameOfTheOperation(t *testing.T) {
	for _, rc := range ruleCases {
		t.Run(rc.rule, func(t *testing.T) {
			table := MustParseTable("nodes a < b < c\n* f "+rc.rule+"\n* * lww", longest)
			rule := table.Rules[0]
			fate := fates[rule.Name]
			if rule.Selects() {
				fate = fateOfSelection(rc.rank)
			}
			require.NotNil(t, fate)
			for n := 1; n <= 3; n++ {
				histories(n, len(rc.actions), func(events []event) {
					index := prepare(table, events, func(what int) (Kind, value.Value) { return rc.actions[what].kind, rc.actions[what].value })
					var set []*event
					place := make(map[*event]int)
					cell, merged := rule.NewCell(), rule.NewCell()
					for i := range events {
						e := &events[i]
						set = append(set, e)
						place[e] = index[i]
						cell.Apply(&e.c)
						one := rule.NewCell()
						one.Apply(&e.c)
						merged.Merge(one)
					}
					saw := func(b, a *event) bool { return hadSeen(b, a, place[a]) }
					shown := rc.oracle(set, saw)
					for _, e := range set {
						v := cell.Judge(&e.c)
						if want := fate(e, set, saw, shown); v.Outcome != want {
							require.Equal(t, want, v.Outcome, "%s of\n%s", e.op.ID, describe(set))
						}
						require.Equal(t, v, merged.Judge(&e.c), "%s of\n%s", e.op.ID, describe(set))
						require.Equal(t, rule, v.Rule)
						require.Equal(t, "f", v.Field)
						require.Equal(t, rule.Name == "grow-only" && e.op.Kind == Remove, v.NotMonotonic)
						require.False(t, v.Missing)
						if v.Against != (Write{}) && rule.Name != "longest" { // by the same order the one that is kept is kept
							kept, ok := cell.Write()
							require.True(t, ok)
							require.Equal(t, kept, v.Against)
							w := e.c.Write()
							order, by := rule.Compare(&w, &kept)
							require.Negative(t, order)
							require.Equal(t, by, v.By)
						}
						beaten := v.Outcome == Lost || v.Outcome == Refused && v.Against != (Write{})
						require.Equal(t, beaten, v.By != lww.Same, "%s: what is beaten is beaten by something, and nothing else is", v)
					}
				})
			}
		})
	}
}

// People know a write by its id, by its dot where it has none, and by its stamp where it has neither.
func TestAVerdictNamesTheWriteThatWon(t *testing.T) {
	winner := lww.Stamp{Version: 7, Time: clock.Timestamp{Wall: 5}, Node: "us"}
	for _, c := range []struct {
		op   Op
		want string
	}{
		{Op{ID: "tx-9", Dot: clock.Dot{Node: "us", Seq: 3}}, "lost by version to tx-9: 6"},
		{Op{Dot: clock.Dot{Node: "us", Seq: 3}}, "lost by version to us:3: 6"},
		{Op{}, "lost by version to " + winner.String() + ": 6"},
	} {
		c.op.Key, c.op.Stamp, c.op.Fields = "k", winner, []Field{field("f", "1", "")}
		s := NewState(MustParseTable("* * lww"))
		applyAll(t, s, []Op{c.op})
		verdicts, err := s.Apply(Op{Key: "k", Stamp: lww.Stamp{Version: 1, Time: winner.Time, Node: "us"}, Fields: []Field{field("f", "2", "")}})
		require.NoError(t, err)
		assert.Equal(t, c.want, verdicts[0].String())
	}
	for o, want := range []string{"kept", "combined", "refused", "overwritten", "lost", "outcome(5)"} {
		assert.Equal(t, want, Outcome(o).String())
	}
}

// Take says besides what each cell kept until then.
func TestTakeReturnsWhatEachCellKeptBefore(t *testing.T) {
	s := NewState(MustParseTable("* n counter\n* * lww"))
	us := writer{node: "us"}
	first, second := us.op(Set, "k", 1, field("f", "1", "")), us.op(Set, "k", 2, field("f", "2", ""), field("g", "3", ""), field("n", "4", "0"))
	verdicts, before, err := s.Take(&first, nil, nil)
	require.NoError(t, err)
	require.Equal(t, []Write{{}}, before)
	verdicts, before, err = s.Take(&second, verdicts, before)
	require.NoError(t, err)
	require.Len(t, verdicts, 4)
	require.Len(t, before, 4)
	assert.Equal(t, first.Dot, before[1].Dot)
	assert.Equal(t, []Write{{}, {}}, before[2:])
	same := us.op(Set, "other", 1, field("f", "1", "1"), field("g", "2", "2")) // it completes a row, and changes nothing
	gotVerdicts, gotBefore, err := s.Take(&same, verdicts, before)
	require.NoError(t, err)
	assert.Equal(t, verdicts, gotVerdicts)
	assert.Equal(t, before, gotBefore)
	for _, spoil := range []func(*Op){
		func(op *Op) { op.Key = "" },
		func(op *Op) { op.Dot = clock.Dot{} },
		func(op *Op) { op.Dot.Seq = MaxSeq + 1 },
	} {
		op := us.op(Set, "k", 3, field("f", "5", ""), field("n", "6", "4"))
		spoil(&op)
		gotVerdicts, gotBefore, err := s.Take(&op, verdicts, before)
		require.Error(t, err)
		assert.Equal(t, verdicts, gotVerdicts, "as they were")
		assert.Equal(t, before, gotBefore)
		assert.Equal(t, value.Value("2"), s.Get("k", "f"))
	}
}

// Two spellings of one number are equally great: the write that is later on the ladder is kept, with all of its columns.
func TestNumbersOfOneSizeAreDecidedByTheLadder(t *testing.T) {
	for _, rule := range []string{"max", "min", "highest u"} {
		for _, spelled := range [][2]value.Value{{"1", "1.0"}, {"1.0", "1"}} {
			us, eu := writer{node: "us"}, writer{node: "eu"}
			first := us.op(Set, "k", 1, field("u", spelled[0], ""))
			second := eu.op(Set, "k", 2, field("u", spelled[1], ""))
			for _, ops := range [][]Op{{first, second}, {second, first}} {
				s := NewState(MustParseTable("nodes eu < us\nk u " + rule + "\n* * lww"))
				for _, op := range ops {
					_, err := s.Apply(op)
					require.NoError(t, err)
				}
				assert.Equal(t, spelled[1], s.Get("k", "u"), rule)
			}
		}
	}
}
