package merge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// horizonOf returns the furthest horizon of a replica that has applied the operations of a set: the longest beginnings of
// each node's operations that are in the set, such that every operation outside of it has seen them.
func horizonOf(events []event, set int) (v clock.Vector) {
	var upTo, made [3]int
	open := [3]bool{true, true, true}
	for i, e := range events {
		made[e.node]++
		open[e.node] = open[e.node] && set&(1<<i) != 0
		if open[e.node] {
			upTo[e.node] = made[e.node]
		}
	}
	for i, e := range events {
		if set&(1<<i) == 0 {
			for n := range upTo {
				upTo[n] = min(upTo[n], e.seen[n])
			}
		}
	}
	for n, seq := range upTo {
		v.AddUp(nodeNames[n], uint64(seq))
	}
	return v
}

// applied reports whether all of a horizon is in a set.
func applied(events []event, set int, horizon clock.Vector) bool {
	for i := range events {
		if set&(1<<i) == 0 && horizon.Has(events[i].op.Dot) {
			return false
		}
	}
	return true
}

// Every set of delivered operations is folded in two ways: settled at each step, as far as it goes, and not at all.
func TestSettlingNeverShowsAndLeavesOneStateWhateverThePath(t *testing.T) {
	for _, rc := range ruleCases {
		t.Run(rc.rule, func(t *testing.T) {
			t.Parallel()
			table := MustParseTable("nodes a < b < c\n* f "+rc.rule+"\n* * lww", longest)
			tried := 0
			for n := 1; n <= 5; n++ {
				seen := 0
				histories(n, len(rc.actions), func(events []event) {
					seen++
					stride := []int{1, 1, 1, 1, 199, 99991}[n]
					if n == 3 && testing.Short() {
						stride = 11
					}
					if *exhaustive && n < 5 {
						stride = 1
					}
					if seen%stride != 0 {
						return
					}
					tried++
					trySettling(t, table, rc, events)
				})
			}
			t.Logf("%d histories", tried)
		})
	}
}

func trySettling(t *testing.T, table *Table, rc ruleCase, events []event) {
	prepare(table, events, func(what int) (Kind, value.Value) { return rc.actions[what].kind, rc.actions[what].value })
	rule := table.Rules[0]
	copied := func(c Cell) Cell {
		fresh := rule.NewCell()
		fresh.Merge(c)
		return fresh
	}
	plain, settled := make([]Cell, 1<<len(events)), make([]Cell, 1<<len(events))
	horizons := make([]clock.Vector, 1<<len(events))
	plain[0], settled[0] = rule.NewCell(), rule.NewCell()
	fail := func(what string, set int) {
		var members []*event
		for i := range events {
			if set&(1<<i) != 0 {
				members = append(members, &events[i])
			}
		}
		all := make([]*event, len(events))
		for i := range events {
			all[i] = &events[i]
		}
		require.Failf(t, what, "%s\n%s of\n%s", rc.rule, describe(members), describe(all))
	}
	for set := range plain {
		horizons[set] = horizonOf(events, set)
		for i := range events {
			if set&(1<<i) == 0 {
				continue
			}
			before := set &^ (1 << i)
			late := copied(plain[before])
			late.Apply(&events[i].c)
			early := copied(settled[before])
			early.Apply(&events[i].c)
			if early.Value() != late.Value() {
				fail("settling shows: "+string(early.Value())+" for "+string(late.Value()), set)
			}
			early.Settle(horizons[set])
			if early.Value() != late.Value() {
				fail("settling shows at once: "+string(early.Value())+" for "+string(late.Value()), set)
			}
			again := copied(early)
			again.Settle(horizons[set])
			if !again.Equal(early) {
				fail("settling twice shows", set)
			}
			if plain[set].rule == nil {
				plain[set], settled[set] = late, early
			}
			if !early.Equal(settled[set]) {
				fail("the order shows in what is settled", set)
			}
			afterwards := copied(late)
			afterwards.Settle(horizons[set])
			if !afterwards.Equal(early) {
				fail("settling late shows", set)
			}
		}
		if plain[set].rule == nil {
			plain[set], settled[set] = rule.NewCell(), rule.NewCell()
			settled[set].Settle(horizons[set])
		}
	}
	// Replicas that have settled at different horizons, or not at all, exchange states.
	for a := range settled {
		for b := range settled {
			if !applied(events, b, horizons[a]) || a == b {
				continue
			}
			joined := copied(settled[a])
			joined.Merge(plain[b])
			if joined.Value() != plain[a|b].Value() {
				fail("a merge of what is not settled shows", a|b)
			}
			joined = copied(plain[b])
			joined.Merge(settled[a])
			if joined.Value() != plain[a|b].Value() {
				fail("a merge into what is not settled shows", a|b)
			}
			if applied(events, a, horizons[b]) {
				joined = copied(settled[a])
				joined.Merge(settled[b])
				if joined.Value() != plain[a|b].Value() {
					fail("a merge of two that are settled shows", a|b)
				}
			}
			joined.Settle(horizons[a|b])
			if !joined.Equal(settled[a|b]) {
				fail("a merge leaves something that settling doesn't", a|b)
			}
		}
	}
}

// region is a replica of a simulated cluster: it knows what the others have acknowledged.
type region struct {
	writer
	state *State
	acks  [3]clock.Vector // as they came
	count [3]clock.Vector // those that count
}

// horizon returns what all have acknowledged. An acknowledgement counts once all operations of its sender are here that it
// speaks of.
func (r *region) horizon() clock.Vector {
	h := r.seen
	for i := range r.acks {
		if r.seen.Covers(ownPart(r.acks[i], nodeNames[i])) {
			r.count[i] = r.acks[i]
		}
		h = h.Minus(h.Minus(r.count[i]))
	}
	return h
}

func ownPart(v clock.Vector, node clock.Node) clock.Vector { return clock.Up(node, v.Max(node)) }

// cluster plays three regions, which write, deliver single operations causes first, acknowledge, exchange records, and
// settle, each when it likes; the oracle is a state of the same operations that is never settled.
func cluster(seed uint64, steps int) error {
	r := rand.New(rand.NewPCG(seed, 0))
	table := everyRule
	if r.IntN(2) == 0 {
		table = fieldRules
	}
	names := append(RuleNames(), "own", "g", "together", "rest")
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = names[:2] // few, so that they meet
	regions := make([]*region, 3)
	oracles := make([]*State, 3)
	for i := range regions {
		regions[i] = &region{writer: writer{node: nodeNames[i]}, state: NewState(table)}
		regions[i].state.Ordered = seed%2 == 0 // which the oracles are not
		oracles[i] = NewState(table)
	}
	var ops []Op
	apply := func(i int, op Op) error {
		if _, err := regions[i].state.Apply(op); err != nil {
			return err
		}
		_, err := oracles[i].Apply(op)
		return err
	}
	// deliver hands one operation that region i lacks to it, if it has what that had seen.
	deliver := func(i int) error {
		for _, n := range r.Perm(len(ops)) {
			if op := ops[n]; !regions[i].seen.Has(op.Dot) && regions[i].seen.Covers(op.Seen) {
				regions[i].seen.Add(op.Dot)
				return apply(i, op)
			}
		}
		return nil
	}
	same := func(i int) error {
		if got, want := fmt.Sprint(shownAll(regions[i].state)), fmt.Sprint(shownAll(oracles[i])); got != want {
			return fmt.Errorf("seed %d: %s shows\n%s\nand not\n%s", seed, regions[i].node, got, want)
		}
		return nil
	}
	for range steps {
		i, j := r.IntN(3), r.IntN(3)
		switch r.IntN(12) {
		case 0, 1, 2:
			op := randomOp(r, &regions[i].writer, table, names)
			ops = append(ops, op)
			if err := apply(i, op); err != nil {
				return err
			}
		case 3, 4, 5, 8, 9, 10:
			if err := deliver(i); err != nil {
				return err
			}
		case 11:
			for _, to := range regions {
				to.acks[i] = regions[i].seen.Clone()
			}
		case 6:
			regions[i].acks[i] = regions[i].seen.Clone()
			regions[i].state.Settle(regions[i].horizon())
		case 7:
			// A record runs ahead of the operations; they are delivered after it all the same.
			for _, key := range regions[j].state.Keys(0, regions[j].state.Len()) {
				data, err := regions[j].state.AppendRecord(nil, key)
				if err != nil {
					return err
				}
				if _, _, err := regions[i].state.MergeRecord(data, Limits{}); err != nil {
					return fmt.Errorf("seed %d: %w", seed, err)
				}
			}
			if err := oracles[i].Merge(oracles[j]); err != nil {
				return err
			}
		}
		if err := same(i); err != nil {
			return err
		}
	}
	for i := range regions {
		for range ops {
			if err := deliver(i); err != nil {
				return err
			}
		}
	}
	for i := range regions {
		if err := same(i); err != nil {
			return err
		}
		regions[i].state.Settle(regions[0].seen)
		oracles[i].Settle(regions[0].seen)
	}
	for _, key := range oracles[0].Keys(0, oracles[0].Len()) {
		want, err := oracles[0].AppendRecord(nil, key)
		if err != nil {
			return err
		}
		for i := range regions {
			for _, s := range []*State{regions[i].state, oracles[i]} {
				if got, err := s.AppendRecord(nil, key); err != nil || string(got) != string(want) {
					return fmt.Errorf("seed %d: %s has other bytes of %s at the end: %w\n%q\n%q", seed, regions[i].node, key, err, got, want)
				}
			}
		}
	}
	return nil
}

// fieldRules gives the fields of every key a rule each, so that deletes of the record meet all of them.
var fieldRules = func() *Table {
	text := "nodes a < b < c\n"
	for _, rule := range RuleNames() {
		argument := map[string]string{"highest": " highest", "prefer": " 2 > 1", "prefer-node": " b > c"}[rule]
		text += "* " + rule + " " + rule + argument + "\n"
	}
	return MustParseTable(text+"* own longest\n* g,h lww together\n* * lww", longest)
}()

// randomOp makes an operation of w: on one of the named fields of a key that has several, or on a key of one rule.
func randomOp(r *rand.Rand, w *writer, table *Table, names []string) Op {
	wall := int64(1 + r.IntN(6)) // neither in the order of causality nor without ties
	rule := names[r.IntN(2)]
	kinds, values := []Kind{Set, Set, Add, Insert, Remove}, []value.Value{"1", "2", "true", "false", `["x"]`, `["y","z"]`}
	if r.IntN(8) > 0 { // what the rule is for, mostly
		switch rule {
		case "counter":
			kinds, values = kinds[2:3], values[:2]
		case "grow-only", "add-wins", "remove-wins":
			kinds, values = kinds[3:], values[:2]
		case "enable-wins", "disable-wins":
			kinds, values = kinds[:1], values[2:4]
		default:
			kinds, values = kinds[:1], values[:2]
		}
	}
	kind, v := kinds[r.IntN(len(kinds))], values[r.IntN(len(values))]
	key, name := rule+"/1", "a"
	if table == fieldRules {
		key, name = "k", rule
		if r.IntN(6) == 0 {
			return w.op(Delete, key, wall, field(name, "", ""))
		}
	}
	if r.IntN(5) == 0 {
		return w.op(Delete, key, wall)
	}
	return w.op(kind, key, wall, field(name, v, []value.Value{"", "null", "1"}[r.IntN(3)]))
}

func TestRegionsThatSettleAndExchangeRecordsAgreeWithThoseThatNeverDo(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(20261124)
	parameters.MinSuccessfulTests = 2000
	if testing.Short() {
		parameters.MinSuccessfulTests = 300
	}
	properties := gopter.NewProperties(parameters)
	properties.Property("what is shown, and the bytes at the end", prop.ForAll(func(seed uint64, steps int) string {
		if err := cluster(seed, steps); err != nil {
			return err.Error()
		}
		return ""
	}, gen.UInt64(), gen.IntRange(1, 120)))
	properties.TestingRun(t)
}

func TestAHundredThousandIncrementsSettleToOneSumANode(t *testing.T) {
	table := MustParseTable("* * counter")
	s := NewState(table)
	seen := clock.Vector{}
	for n := uint64(1); n <= 33_334; n++ {
		for _, node := range nodeNames {
			op := Op{Key: "k", Kind: Add, Fields: []Field{{Name: "f", Value: "2"}}, Dot: clock.Dot{Node: node, Seq: 7 * n}}
			_, err := s.Apply(op)
			require.NoError(t, err)
		}
	}
	before, err := s.AppendRecord(nil, "k")
	require.NoError(t, err)
	for _, node := range nodeNames {
		seen.AddUp(node, 7*33_334)
	}
	s.Settle(seen)
	after, err := s.AppendRecord(nil, "k")
	require.NoError(t, err)
	require.Equal(t, value.Value("200004"), s.Get("k", "f"))
	require.Less(t, len(after), 200)
	t.Logf("%d bytes became %d", len(before), len(after))
}

// What a key remembers of the dots written to it has a gap for each that went to another key; settled it is one run a node,
// however many there were.
func TestWhatIsSettledIsNoLongerForTheNumberOfItsOperations(t *testing.T) {
	for _, rule := range []string{"keep-all", "refuse", "delete-wins", "add-wins", "remove-wins", "enable-wins", "disable-wins", "counter"} {
		table := MustParseTable("* * " + rule)
		sizes := func(n int) (before, after int) {
			s := NewState(table)
			us := writer{node: "us"}
			var seen clock.Vector // on k
			for range n {
				op := us.op(Set, "k", 5, field("f", "true", "null"))
				if rule == "counter" {
					op.Fields[0].Value = "1"
				}
				op.Seen = seen.Clone()
				seen.Add(op.Dot)
				applyAll(t, s, []Op{op})
				us.op(Set, "l", 5) // which is written elsewhere
			}
			size := func() int {
				data, err := s.AppendRecord(nil, "k")
				require.NoError(t, err)
				return len(data)
			}
			before = size()
			s.Settle(us.seen)
			return before, size()
		}
		before, few := sizes(20)
		_, many := sizes(60)
		require.Less(t, few, before-20, rule)
		require.InDelta(t, few, many, 3, rule)
	}
}

func TestDeletesOfTheRecordThatAllHaveSettleToTheGreatest(t *testing.T) {
	table := MustParseTable("nodes a < b < c\nk x fww\nk y append\nk z prefer-node b > a\n* * lww")
	s, never := NewState(table), NewState(table)
	writers := []*writer{{node: "a"}, {node: "b"}, {node: "c"}}
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 60 {
		w := writers[i%3]
		op := w.op(Delete, "k", int64(10+r.IntN(1000)))
		op.Stamp.Version = uint64(r.IntN(3))
		for _, to := range []*State{s, never} {
			_, err := to.Apply(op)
			require.NoError(t, err)
		}
	}
	for _, w := range writers {
		writers[0].sees(w)
	}
	require.Greater(t, s.keys["k"].deletes.Len(), 20)
	s.Settle(writers[0].seen)
	require.LessOrEqual(t, s.keys["k"].deletes.Len(), 4)
	for wall := int64(1); wall < 1100; wall += 7 { // written by those who had seen the deletes, with any claim
		for _, name := range []string{"w", "x", "y", "z"} {
			op := writers[0].op(Set, "k", wall, field(name+fmt.Sprint(wall), "1", ""), field(name, value.Int(wall), ""))
			op.Stamp.Version = uint64(r.IntN(3))
			for _, to := range []*State{s, never} {
				_, err := to.Apply(op)
				require.NoError(t, err)
			}
		}
		require.Equal(t, shownAll(never), shownAll(s))
	}
}

// A delete was forgotten by order of the ladder, version first, though it trimmed a log further than the other one.
func TestADeleteOfTheRecordIsRememberedForTheLogsItTrims(t *testing.T) {
	table := MustParseTable("nodes us < eu\nk log append\n* * lww")
	us, eu := writer{node: "us"}, writer{node: "eu"}
	far := us.op(Delete, "k", 100)
	far.Stamp.Version = 1
	near := us.op(Delete, "k", 50)
	near.Stamp.Version = 2
	entry := eu.op(Set, "k", 70, field("log", "1", ""))
	s := everyOrder(t, table, far, near, entry)
	require.Equal(t, value.Value("[]"), s.Get("k", "log"))
}

// Where no line appends to a log, a delete that all have seen stays for its claim alone.
func TestADeleteIsRememberedForItsTimeOnlyWhereALogIsTrimmed(t *testing.T) {
	for rules, want := range map[string]int{"k * add-wins": 1, "k x append": 2, "other * append\nk * add-wins": 1} {
		us, eu := writer{node: "us"}, writer{node: "eu"}
		late, great := us.op(Delete, "k", 100), eu.op(Delete, "k", 50)
		great.Stamp.Version = 1
		s := NewState(MustParseTable("nodes us < eu\n" + rules + "\n* * lww"))
		applyAll(t, s, []Op{late, great})
		require.Equal(t, 2, s.keys["k"].deletes.Len())
		us.sees(&eu)
		s.Settle(clock.Up("us", 1))
		require.Equal(t, want, s.keys["k"].deletes.Len(), rules)
		s.Settle(us.seen)
		require.Equal(t, want, s.keys["k"].deletes.Len(), rules)
	}
}

// Without a dot to replace it by, each delete was remembered for ever where a line preferred nodes or the first write.
func TestDeletesWithoutDotsAreRememberedByTheirClaimsAlone(t *testing.T) {
	table := MustParseTable("nodes a < b < c\nk x fww\n* * lww")
	s := NewState(table)
	for i := range 100 {
		_, err := s.Apply(Op{Key: "k", Kind: Delete, Stamp: lww.Stamp{Time: clock.Timestamp{Wall: int64(i*37%100 + 1)}, Node: "a"}})
		require.NoError(t, err)
	}
	require.Equal(t, 2, s.keys["k"].deletes.Len())
	walls := []int64{s.keys["k"].deletes.First().Stamp.Time.Wall, s.keys["k"].deletes.Last().Stamp.Time.Wall}
	slices.Sort(walls)
	require.Equal(t, []int64{1, 100}, walls)
}

// A record keeps the deletes that any of its rules may ask for: the greatest by the ladder, the least where the first write wins, whatever
// rules stand between.
func TestDeletesAreKeptForEachOrderOfATable(t *testing.T) {
	table := MustParseTable("nodes x < y\n* p prefer-node x > y\n* n max\n* f fww\n* * lww")
	us, eu := writer{node: "x"}, writer{node: "y"}
	early, late := us.op(Delete, "k", 10), us.op(Delete, "k", 30)
	byEU := eu.op(Delete, "k", 40)
	us = writer{node: "x", seen: us.seen}
	first := us.op(Set, "k", 20, field("f", "1", ""))
	preferred := us.op(Set, "k", 20, field("p", "1", ""))
	lateOne := us.op(Set, "k", 35, field("g", "1", ""))
	s := everyOrder(t, table, early, late, byEU, first)
	assert.True(t, s.Get("k", "f").IsAbsent(), "the delete at 10 was first")
	s = everyOrder(t, table, early, late, byEU, preferred)
	assert.True(t, s.Get("k", "p").IsAbsent(), "of the deletes of x the one at 30 is later")
	s = everyOrder(t, table, early, late, byEU, lateOne)
	assert.True(t, s.Get("k", "g").IsAbsent(), "the delete at 40 is later")
}

// What a horizon covers is no longer told apart: a log forgets its holes, and a counter what its deletes had seen.
func TestSettlingForgetsWhatLiesBelowTheHorizon(t *testing.T) {
	us := writer{node: "a"}
	table := MustParseTable("nodes a < b\n* l append\n* n counter\n* * lww")
	s := NewState(table)
	for i := range int64(40) {
		for _, op := range []Op{
			us.op(Add, "log", i, field("l", "1", "")),
			us.op(Set, "other", i, field("f", "1", "")),
		} {
			_, err := s.Apply(op)
			require.NoError(t, err)
		}
	}
	before, err := s.AppendRecord(nil, "log")
	require.NoError(t, err)
	s.Settle(us.seen)
	after, err := s.AppendRecord(nil, "log")
	require.NoError(t, err)
	assert.Less(t, len(after), len(before)-39, "forty holes are gone")

	n, o := new(count), new(count)
	eu := writer{node: "b", seen: us.seen}
	reset := eu.op(Delete, "k", 50)
	n.apply(nil, &Claim{Op: &reset, Kind: Delete})
	assert.False(t, n.equal(o))
	n.settle(us.seen)
	assert.True(t, n.resets.IsEmpty(), "nobody asks any more what became of them")

	o.counter.Note(n.counter.Seen())
	assert.True(t, n.equal(o))
	o.resets.Merge(us.seen)
	assert.False(t, n.equal(o), "they say other things of the writes of us")
	assert.False(t, o.equal(n))
}
