package merge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// writer makes operations of one node: each has seen what the node has.
type writer struct {
	node clock.Node
	seen clock.Vector
}

func (w *writer) op(kind Kind, key string, wall int64, fields ...Field) Op {
	op := Op{Key: key, Kind: kind, Fields: fields, Dot: w.seen.Next(w.node), Seen: w.seen.Clone(),
		Stamp: lww.Stamp{Time: clock.Timestamp{Wall: wall}, Node: w.node}}
	op.ID = op.Dot.String()
	w.seen.Add(op.Dot)
	return op
}

func (w *writer) sees(o *writer) { w.seen.Merge(o.seen) }

func field(name string, v, before value.Value) Field {
	return Field{Name: name, Value: v, Before: before}
}

// everyOrder applies the operations in every order, each twice, also split over two states that merge, and returns the
// state when all are equal.
func everyOrder(t *testing.T, table *Table, ops ...Op) *State {
	t.Helper()
	var first *State
	var try func(order []Op, rest []Op)
	try = func(order, rest []Op) {
		for i := range rest {
			left := append(append([]Op{}, rest[:i]...), rest[i+1:]...)
			try(append(order[:len(order):len(order)], rest[i]), left)
		}
		if len(rest) > 0 {
			return
		}
		for cut := range len(order) {
			a, b := NewState(table), NewState(table)
			for i, op := range order {
				for range 2 {
					if i >= cut {
						_, err := a.Apply(op)
						require.NoError(t, err)
					}
					if i <= cut {
						_, err := b.Apply(op)
						require.NoError(t, err)
					}
				}
			}
			require.NoError(t, a.Merge(b))
			if first == nil {
				first = a
			}
			require.Equal(t, shownAll(first), shownAll(a))
		}
	}
	try(nil, ops)
	return first
}

func shownAll(s *State) map[string]value.Value {
	all := make(map[string]value.Value)
	for key, c := range s.Cells() {
		all[key+" "+c.Name] = c.Value()
	}
	return all
}

func TestDeleteOfTheRecordReachesFieldsThatComeLater(t *testing.T) {
	table := MustParseTable("nodes us < eu\nset/* * add-wins\n* * lww")
	us, eu := writer{node: "us"}, writer{node: "eu"}
	name := us.op(Set, "u/1", 10, field("name", `"ann"`, ""))
	gone := us.op(Delete, "u/1", 20)
	late := eu.op(Set, "u/1", 15, field("mail", `"a@x"`, "")) // older than the delete, and arrives after it
	newer := eu.op(Set, "u/1", 25, field("city", `"rome"`, ""))
	s := everyOrder(t, table, name, gone, late, newer)
	require.Equal(t, value.Value(""), s.Get("u/1", "name"))
	require.Equal(t, value.Value(""), s.Get("u/1", "mail"))
	require.Equal(t, value.Value(`"rome"`), s.Get("u/1", "city"))
}

func TestDeletesOfTheRecordAreRememberedAsFarAsTheyMatter(t *testing.T) {
	table := MustParseTable("k/* * add-wins\n* * lww")
	us := writer{node: "us"}
	s := NewState(table)
	for i := range int64(50) {
		_, err := s.Apply(us.op(Insert, "k/1", 10*i, field("f", `"x"`, "")))
		require.NoError(t, err)
		_, err = s.Apply(us.op(Delete, "k/1", 10*i+5))
		require.NoError(t, err)
	}
	require.Equal(t, 1, s.keys["k/1"].deletes.Len())
}

func TestFieldsDecidedTogetherComeFromOneWrite(t *testing.T) {
	table := MustParseTable("nodes us < eu\nprofile/* street,city lww together\n* * lww")
	us, eu := writer{node: "us"}, writer{node: "eu"}
	a := us.op(Set, "profile/1", 10, field("street", `"high st"`, ""), field("city", `"london"`, ""), field("tel", "1", ""))
	b := eu.op(Set, "profile/1", 10, field("city", `"rome"`, ""), field("street", `"via appia"`, ""))
	s := everyOrder(t, table, a, b)
	require.Equal(t, value.Value(`"rome"`), s.Get("profile/1", "city"))
	require.Equal(t, value.Value(`"via appia"`), s.Get("profile/1", "street"))
	require.Equal(t, value.Value("1"), s.Get("profile/1", "tel"))
}

func TestUnchangedFieldsOfARowMakeNoClaim(t *testing.T) {
	table := MustParseTable("nodes us < eu\nrow/* x,y lww together\n* * lww")
	us, eu := writer{node: "us"}, writer{node: "eu"}
	// Each changes one column of a row of two, and exports the whole row with its before-image.
	a := us.op(Set, "t/1", 10, field("x", "2", "1"), field("y", "1", "1"))
	b := eu.op(Set, "t/1", 11, field("x", "1", "1"), field("y", "5", "1"))
	s := everyOrder(t, table, a, b)
	require.Equal(t, value.Value("2"), s.Get("t/1", "x"), "the later row did not write x")
	require.Equal(t, value.Value("5"), s.Get("t/1", "y"))

	c := us.op(Set, "row/1", 10, field("x", "2", "1"), field("y", "1", "1"))
	d := eu.op(Set, "row/1", 11, field("x", "1", "1"), field("y", "5", "1"))
	s = everyOrder(t, table, c, d)
	require.Equal(t, value.Value("1"), s.Get("row/1", "x"), "decided together: the row of the later write, as it was")
	require.Equal(t, value.Value("5"), s.Get("row/1", "y"))
}

func TestGroupThatWasNotWrittenWholeIsPartial(t *testing.T) {
	table := MustParseTable("p/* a,b lww together\n* * lww")
	us := writer{node: "us"}
	op := us.op(Set, "p/1", 10, field("a", "1", ""))
	claims := table.Claims(&op, nil)
	require.Len(t, claims, 1)
	require.True(t, claims[0].Partial)
	require.Equal(t, "a,b", claims[0].Cell)
	whole := us.op(Set, "p/1", 11, field("a", "1", ""), field("b", "2", ""))
	require.False(t, table.Claims(&whole, nil)[0].Partial)
}

func TestHighestColumnDecidesForTheWholeRow(t *testing.T) {
	table := MustParseTable("row/* * highest rev\n* * lww")
	us, eu := writer{node: "us"}, writer{node: "eu"}
	a := us.op(Set, "row/1", 99, field("rev", "9", ""), field("v", `"old"`, ""))
	b := eu.op(Set, "row/1", 10, field("rev", "10", ""), field("v", `"new"`, ""))
	s := everyOrder(t, table, a, b)
	require.Equal(t, value.Value(`"new"`), s.Get("row/1", "v"), "10 is more than 9, as a number")
}

func TestCounterTakesItsIncrementFromTheBeforeImage(t *testing.T) {
	table := MustParseTable("* n counter\n* * lww")
	us, eu := writer{node: "us"}, writer{node: "eu"}
	first := us.op(Set, "k", 1, field("n", "10", value.Null))
	eu.sees(&us)
	a, b := us.op(Set, "k", 2, field("n", "11", "10")), eu.op(Set, "k", 2, field("n", "12", "10"))
	s := everyOrder(t, table, first, a, b)
	require.Equal(t, value.Value("13"), s.Get("k", "n"))

	blind := us.op(Set, "k", 3, field("n", "50", ""))
	verdicts, err := s.Apply(blind)
	require.NoError(t, err)
	require.True(t, verdicts[0].Missing)
	require.Equal(t, value.Value("13"), s.Get("k", "n"), "an absolute value is no increment")
}

func TestSetTakesItsChangeFromTheBeforeImage(t *testing.T) {
	table := MustParseTable("* items add-wins\n* * lww")
	us, eu := writer{node: "us"}, writer{node: "eu"}
	first := us.op(Set, "k", 1, field("items", `["milk","tea"]`, value.Null))
	eu.sees(&us)
	a := us.op(Set, "k", 2, field("items", `["milk"]`, `["milk","tea"]`))
	b := eu.op(Set, "k", 2, field("items", `["milk","rum","tea"]`, `["milk","tea"]`))
	s := everyOrder(t, table, first, a, b)
	require.Equal(t, value.Value(`["milk","rum"]`), s.Get("k", "items"))
}

func TestVerdictSaysByWhichRungAndByHowMuch(t *testing.T) {
	table := MustParseTable("nodes us < eu\n* m max\n* * lww")
	us, eu := writer{node: "us"}, writer{node: "eu"}
	s := NewState(table)
	apply := func(op Op) Verdict {
		v, err := s.Apply(op)
		require.NoError(t, err)
		require.Len(t, v, 1)
		return v[0]
	}
	require.Equal(t, "kept", apply(us.op(Set, "k", 10, field("f", "1", ""))).String())
	require.Equal(t, "lost by time to us:1: 2ns", apply(eu.op(Set, "k", 8, field("f", "2", ""))).String())
	require.Equal(t, "kept", apply(eu.op(Set, "k", 10, field("f", "0", ""))).String())
	require.Equal(t, "lost by node to eu:2: 1", apply(us.op(Set, "k", 10, field("f", "9", ""))).String())
	require.Equal(t, "kept", apply(us.op(Set, "k", 10, field("m", "9", ""))).String())
	require.Equal(t, "lost by rule max to us:3", apply(eu.op(Set, "k", 99, field("m", "8", ""))).String())
}

func TestRefusedKeysKeepOneValueAndSaySo(t *testing.T) {
	table := MustParseTable("nodes us < eu\nledger/* * refuse\n* * lww")
	us, eu := writer{node: "us"}, writer{node: "eu"}
	a, b := us.op(Set, "ledger/1", 5, field("sum", "1", "")), eu.op(Set, "ledger/1", 4, field("sum", "2", ""))
	s := everyOrder(t, table, a, b)
	require.Equal(t, value.Value("1"), s.Get("ledger/1", "sum"))
	verdicts, err := s.Apply(b)
	require.NoError(t, err)
	require.Equal(t, Refused, verdicts[0].Outcome)
	us.sees(&eu)
	verdicts, err = s.Apply(us.op(Set, "ledger/1", 9, field("sum", "3", "")))
	require.NoError(t, err)
	require.Equal(t, Kept, verdicts[0].Outcome, "a write that has seen both settles it")
}

func TestPanicOfACustomRuleIsCaughtAndTheLadderDecides(t *testing.T) {
	table := MustParseTable("* * broken", Custom{Name: "broken", Merge: func(a, b value.Value) value.Value { panic("no") }})
	us, eu := writer{node: "us"}, writer{node: "eu"}
	s := NewState(table)
	_, err := s.Apply(us.op(Set, "k", 5, field("f", "1", "")))
	require.NoError(t, err)
	verdicts, err := s.Apply(eu.op(Set, "k", 6, field("f", "2", "")))
	require.NoError(t, err)
	require.Equal(t, "no", verdicts[0].Panicked)
	require.Equal(t, value.Value("2"), s.Get("k", "f"))
}

// What a rule of the user's made was shown whatever it was: text that is no value, and no reader could take apart.
func TestWhatIsNoValueCountsAsAPanicOfACustomRule(t *testing.T) {
	for _, made := range []value.Value{"{garbage", "\xff", "1 2", ` 1`, "[1, 2]"} {
		rule := Custom{Name: "makes", Merge: func(a, b value.Value) value.Value { return made }}
		s := NewState(MustParseTable("nodes a < b\n* * makes", rule))
		for i, node := range []clock.Node{"a", "b"} {
			op := Op{Key: "k", Fields: []Field{field("f", value.Int(int64(i)), "")}, Dot: clock.Dot{Node: node, Seq: 1}}
			op.Stamp = lww.Stamp{Time: clock.Timestamp{Wall: 1}, Node: node}
			verdicts, err := s.Apply(op)
			require.NoError(t, err)
			if i == 1 {
				require.Contains(t, verdicts[0].Panicked, "made what is no value")
			}
		}
		require.Equal(t, value.Value("1"), s.Get("k", "f"))
	}
}

func TestStateRefusesWhatItCannotFold(t *testing.T) {
	s := NewState(MustParseTable("* n counter\n* * lww"))
	_, err := s.Apply(Op{Fields: []Field{{Name: "a", Value: "1"}}})
	require.ErrorIs(t, err, ErrNoKey)
	_, err = s.Apply(Op{Key: "k", Kind: Add, Fields: []Field{{Name: "a", Value: "1"}, {Name: "n", Value: "1"}}})
	require.ErrorIs(t, err, ErrNoDot)
	require.Empty(t, shownAll(s), "nothing of a refused operation is kept")
	require.ErrorIs(t, s.Merge(NewState(MustParseTable("* * lww"))), ErrMismatch)
}

func TestACellIsFoundByItsNameAndItsRule(t *testing.T) {
	s := NewState(MustParseTable("* a,b lww together\n* * lww"))
	for i, name := range []string{"a", "b", "a,b", "c"} {
		_, err := s.Apply(Op{Key: "k", Fields: []Field{{Name: name, Value: value.Int(int64(i))}}})
		require.NoError(t, err)
	}
	n := 0
	for c := range s.Record("k") {
		require.Same(t, c.Cell, s.Cell("k", c.Name, c.Rule()))
		n++
	}
	require.Equal(t, 3, n, "two of one name")
	require.Nil(t, s.Cell("k", "c", s.Table().Rules[0]))
	require.Nil(t, s.Cell("k", "d", s.Table().Rules[1]))
	require.Nil(t, s.Cell("l", "c", s.Table().Rules[1]))
}

func BenchmarkApply(b *testing.B) {
	for _, rule := range []string{"lww", "max", "counter", "keep-all", "add-wins"} {
		b.Run(rule, func(b *testing.B) {
			table := MustParseTable("* * " + rule)
			cell := table.Rules[0].NewCell()
			kind := Set
			if rule == "counter" {
				kind = Add
			}
			us := writer{node: "us"}
			b.ReportAllocs()
			for i := range b.N {
				op := Op{Key: "k", Kind: kind, Stamp: lww.Stamp{Time: clock.Timestamp{Wall: int64(i)}, Node: us.node}, Dot: clock.Dot{Node: "us", Seq: uint64(i + 1)}}
				claim := Claim{Op: &op, Rule: table.Rules[0], Cell: "f", Kind: kind, Value: "7"}
				if rule != "lww" && rule != "max" {
					op.Seen = clock.Up("us", uint64(i))
				}
				cell.Apply(&claim)
			}
		})
	}
}
