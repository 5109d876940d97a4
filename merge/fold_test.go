package merge

import (
	"cmp"
	"flag"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

var exhaustive = flag.Bool("exhaustive", false, "try every history of five operations, and not a sample of them: minutes a rule, far longer for the sets")

// The histories tried here are all there are of up to five operations on three nodes: who wrote, what each writer had seen,
// and what it did. For every set of delivered operations, the state must be the one that a naive oracle computes from the
// set alone, whichever of them came last, and delivering one of them again must change nothing. By induction over the sets
// that covers every order of delivery, and every repetition.

// event is one operation of a tried history.
type event struct {
	node int
	seen [3]int // of each node, how many of its operations the writer had seen, itself aside
	what int    // which of the actions of the rule
	op   Op
	c    Claim
}

// histories calls each with every history of n operations. Nodes are named in the order in which they first write, for
// what a history means does not depend on which is which but for the tie order, which the stamps vary.
func histories(n, actions int, each func([]event)) {
	events := make([]event, 0, n)
	var extend func(used int)
	extend = func(used int) {
		if len(events) == n {
			each(events)
			return
		}
		var made [3]int
		var last [3][3]int // what each node's latest operation had seen
		for _, e := range events {
			made[e.node]++
			last[e.node] = e.seen
		}
		for node := range min(used+1, 3) {
			for v := range (made[0] + 1) * (made[1] + 1) * (made[2] + 1) {
				seen := [3]int{v % (made[0] + 1), v / (made[0] + 1) % (made[1] + 1), v / (made[0] + 1) / (made[1] + 1)}
				if seen[node] != made[node] || !causal(events, seen, last[node]) {
					continue
				}
				for what := range actions {
					events = append(events, event{node: node, seen: seen, what: what})
					extend(max(used, node+1))
					events = events[:len(events)-1]
				}
			}
		}
	}
	extend(0)
}

// causal reports whether what was seen includes all that the seen had seen, and all that the node knew before.
func causal(events []event, seen, before [3]int) bool {
	var at [3]int
	for n := range before {
		if seen[n] < before[n] {
			return false
		}
	}
	for _, e := range events {
		at[e.node]++
		if at[e.node] > seen[e.node] {
			continue
		}
		for n := range seen {
			if n != e.node && e.seen[n] > seen[n] {
				return false
			}
		}
	}
	return true
}

// hadSeen reports whether the writer of b had seen a.
func hadSeen(b, a *event, index int) bool { return b.seen[a.node] >= index && a != b }

var nodeNames = [3]clock.Node{"a", "b", "c"}

// prepare makes the operations of a history: their stamps tie now and then, and follow neither causality nor the order of
// the list.
func prepare(t *Table, events []event, action func(what int) (Kind, value.Value)) (index []int) {
	times := [...]int64{3, 1, 2, 3, 1}
	var made [3]int
	for i := range events {
		e := &events[i]
		made[e.node]++
		index = append(index, made[e.node])
		kind, v := action(e.what)
		e.op = Op{Key: "k", Kind: kind, Fields: []Field{{Name: "f", Value: v}},
			Stamp: lww.Stamp{Time: clock.Timestamp{Wall: times[i]}, Node: nodeNames[e.node]},
			Dot:   clock.Dot{Node: nodeNames[e.node], Seq: uint64(made[e.node])},
			ID:    fmt.Sprintf("%s:%d", nodeNames[e.node], made[e.node])}
		for n, seq := range e.seen {
			e.op.Seen.AddUp(nodeNames[n], uint64(seq))
		}
		e.c = t.Claims(&e.op, nil)[0]
	}
	return index
}

// ruleCase is one rule with what may be done to its cells and its oracle: what a cell shows, as a function of the set of
// operations and of who had seen what.
type ruleCase struct {
	rule    string
	actions []action
	oracle  func(set []*event, saw func(b, a *event) bool) value.Value
	rank    func(*event) int // of rules that select one write, the greatest: what is compared before the ladder
}

type action struct {
	kind  Kind
	value value.Value
}

// alive returns the events that no other one of the set had seen.
func alive(set []*event, saw func(b, a *event) bool) (live []*event) {
	for _, a := range set {
		if !slices.ContainsFunc(set, func(b *event) bool { return saw(b, a) }) {
			live = append(live, a)
		}
	}
	return live
}

// best returns the event that wins by a list of comparisons, as the ladder is described.
func best(set []*event, rank func(*event) int) *event {
	if len(set) == 0 {
		return nil
	}
	return slices.MaxFunc(set, func(x, y *event) int {
		isDelete := func(e *event) int {
			if e.op.Kind == Delete {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(rank(x), rank(y)),
			cmp.Compare(x.op.Stamp.Time.Wall, y.op.Stamp.Time.Wall), cmp.Compare(x.op.Stamp.Node, y.op.Stamp.Node),
			cmp.Compare(isDelete(x), isDelete(y)), cmp.Compare(x.c.Value, y.c.Value))
	})
}

func shownOf(e *event) value.Value {
	if e == nil || e.op.Kind == Delete {
		return ""
	}
	return e.c.Value
}

func noRank(*event) int { return 0 }

func rankKind(kind Kind) func(*event) int {
	return func(e *event) int {
		if e.op.Kind == kind {
			return 1
		}
		return 0
	}
}

var writesAndDelete = []action{{Set, "1"}, {Set, "2"}, {Delete, ""}}

func selectionCase(rule string, rank func(*event) int) ruleCase {
	return ruleCase{rule, writesAndDelete, func(set []*event, _ func(b, a *event) bool) value.Value { return shownOf(best(set, rank)) }, rank}
}

func siblingCase(rule string, rank func(*event) int) ruleCase {
	return ruleCase{rule, writesAndDelete, func(set []*event, saw func(b, a *event) bool) value.Value {
		return shownOf(best(alive(set, saw), rank))
	}, nil}
}

func number(e *event) int {
	if e.op.Kind == Delete {
		return -1
	}
	return int(e.c.Value[0] - '0')
}

// elementsLeft is the oracle of sets: in says of the events on one element whether it is there.
func elementsLeft(set []*event, elements []value.Value, in func(on []*event) bool) value.Value {
	var left []value.Value
	for _, v := range elements {
		var on []*event
		for _, e := range set {
			if e.op.Kind == Delete || e.c.Value == v {
				on = append(on, e)
			}
		}
		if in(on) {
			left = append(left, v)
		}
	}
	return value.Array(left...)
}

var ruleCases = []ruleCase{
	selectionCase("lww", noRank),
	selectionCase("fww", func(e *event) int { return -10*int(e.op.Stamp.Time.Wall) - e.node }),
	selectionCase("max", number),
	selectionCase("min", func(e *event) int {
		if e.op.Kind == Delete {
			return -9
		}
		return -number(e)
	}),
	selectionCase("prefer 1 > 2", func(e *event) int { return map[value.Value]int{"1": 2, "2": 1}[e.c.Value] }),
	selectionCase("prefer-node b > a", func(e *event) int { return [3]int{1, 2, 0}[e.node] }),
	siblingCase("delete-wins", rankKind(Delete)),
	siblingCase("update-wins", rankKind(Set)),
	siblingCase("refuse", noRank),
	{"keep-all", writesAndDelete, func(set []*event, saw func(b, a *event) bool) value.Value {
		live := slices.DeleteFunc(alive(set, saw), func(e *event) bool { return e.op.Kind == Delete })
		if len(live) == 0 {
			return ""
		}
		var values []value.Value
		for len(live) > 0 {
			e := best(live, noRank)
			values = append(values, e.c.Value)
			live = slices.DeleteFunc(live, func(o *event) bool { return o == e })
		}
		return value.Array(values...)
	}, nil},
	{"union", []action{{Set, `["x"]`}, {Set, `["y","z"]`}, {Delete, ""}}, func(set []*event, saw func(b, a *event) bool) value.Value {
		live := slices.DeleteFunc(alive(set, saw), func(e *event) bool { return e.op.Kind == Delete })
		if len(live) == 0 {
			return ""
		}
		text := ""
		for _, e := range live {
			text += string(e.c.Value)
		}
		var all []value.Value
		for _, v := range []value.Value{`"x"`, `"y"`, `"z"`} {
			if strings.Contains(text, string(v)) {
				all = append(all, v)
			}
		}
		return value.Array(all...)
	}, nil},
	{"longest", []action{{Set, `"x"`}, {Set, `"yy"`}, {Delete, ""}}, func(set []*event, saw func(b, a *event) bool) value.Value {
		live := slices.DeleteFunc(alive(set, saw), func(e *event) bool { return e.op.Kind == Delete })
		return shownOf(best(live, func(e *event) int { return len(e.c.Value) }))
	}, nil},
	{"counter", []action{{Add, "1"}, {Add, "-2.5"}, {Delete, ""}}, func(set []*event, saw func(b, a *event) bool) value.Value {
		sum := 0 // in halves
		for _, a := range set {
			undone := slices.ContainsFunc(set, func(b *event) bool { return b.op.Kind == Delete && saw(b, a) })
			if a.op.Kind == Add && !undone {
				sum += map[value.Value]int{"1": 2, "-2.5": -5}[a.c.Value]
			}
		}
		d, err := crdt.ParseDecimal(fmt.Sprint(float64(sum) / 2))
		if err != nil {
			panic(err)
		}
		return value.Number(d)
	}, nil},
	{"grow-only", []action{{Insert, `"x"`}, {Insert, `"y"`}, {Remove, `"x"`}}, func(set []*event, _ func(b, a *event) bool) value.Value {
		return elementsLeft(set, []value.Value{`"x"`, `"y"`}, func(on []*event) bool {
			return slices.ContainsFunc(on, func(e *event) bool { return e.op.Kind == Insert })
		})
	}, nil},
	{"add-wins", []action{{Insert, `"x"`}, {Insert, `"y"`}, {Remove, `"x"`}, {Delete, ""}}, func(set []*event, saw func(b, a *event) bool) value.Value {
		return elementsLeft(set, []value.Value{`"x"`, `"y"`}, func(on []*event) bool {
			return slices.ContainsFunc(on, func(a *event) bool {
				return a.op.Kind == Insert && !slices.ContainsFunc(on, func(b *event) bool { return b.op.Kind != Insert && saw(b, a) })
			})
		})
	}, nil},
	{"remove-wins", []action{{Insert, `"x"`}, {Insert, `"y"`}, {Remove, `"x"`}, {Delete, ""}}, func(set []*event, saw func(b, a *event) bool) value.Value {
		return elementsLeft(set, []value.Value{`"x"`, `"y"`}, func(on []*event) bool {
			live := slices.DeleteFunc(alive(on, saw), func(e *event) bool { return e.op.Kind == Delete })
			return len(live) > 0 && !slices.ContainsFunc(live, func(e *event) bool { return e.op.Kind == Remove })
		})
	}, nil},
	{"enable-wins", []action{{Set, "true"}, {Set, "false"}}, func(set []*event, saw func(b, a *event) bool) value.Value {
		return flagLeft(set, slices.ContainsFunc(alive(set, saw), func(e *event) bool { return e.c.Value == "true" }))
	}, nil},
	{"disable-wins", []action{{Set, "true"}, {Set, "false"}}, func(set []*event, saw func(b, a *event) bool) value.Value {
		return flagLeft(set, !slices.ContainsFunc(alive(set, saw), func(e *event) bool { return e.c.Value != "true" }))
	}, nil},
	{"append", []action{{Set, "1"}, {Set, "2"}, {Delete, ""}}, func(set []*event, _ func(b, a *event) bool) value.Value {
		entries := slices.DeleteFunc(slices.Clone(set), func(a *event) bool {
			return a.op.Kind == Delete || slices.ContainsFunc(set, func(b *event) bool { return trims(b, a) })
		})
		slices.SortFunc(entries, func(x, y *event) int {
			return cmp.Or(cmp.Compare(x.op.Stamp.Time.Wall, y.op.Stamp.Time.Wall), x.op.Dot.Compare(y.op.Dot))
		})
		var values []value.Value
		for _, e := range entries {
			values = append(values, e.c.Value)
		}
		return value.Array(values...)
	}, nil},
}

// trims reports whether b deletes the entry of a log that a is, which is older.
func trims(b, a *event) bool {
	return b.op.Kind == Delete && a.op.Stamp.Time.Wall < b.op.Stamp.Time.Wall
}

func flagLeft(set []*event, on bool) value.Value {
	if len(set) == 0 {
		return ""
	}
	return value.Bool(on)
}

var longest = Custom{Name: "longest", Merge: func(a, b value.Value) value.Value {
	if len(a) > len(b) {
		return a
	}
	return b // equal lengths: the greater claim, which comes last
}}

func TestEveryRuleIsItsOracleInEveryOrder(t *testing.T) {
	for _, rc := range ruleCases {
		t.Run(rc.rule, func(t *testing.T) {
			t.Parallel()
			table := MustParseTable("nodes a < b < c\n* f "+rc.rule+"\n* * lww", longest)
			tried, most := 0, 5
			if testing.Short() {
				most = 4 // only to walk over those of five takes long
			}
			for n := 1; n <= most; n++ {
				seen := 0
				histories(n, len(rc.actions), func(events []event) {
					seen++
					stride := []int{1, 1, 1, 1, 1, 499}[n]
					switch many := len(rc.actions) > 3; {
					case n == 4 && testing.Short():
						stride = 49
					case n == 4 && many:
						stride = 7
					case n == 3 && many && testing.Short():
						stride = 29
					}
					if !*exhaustive && seen%stride != 0 {
						return
					}
					tried++
					trySets(t, table, rc, events)
				})
			}
			t.Logf("%d histories", tried)
		})
	}
}

// trySets tries every set of delivered operations of one history.
func trySets(t *testing.T, table *Table, rc ruleCase, events []event) {
	index := prepare(table, events, func(what int) (Kind, value.Value) { return rc.actions[what].kind, rc.actions[what].value })
	place := make(map[*event]int, len(events))
	for i := range events {
		place[&events[i]] = index[i]
	}
	saw := func(b, a *event) bool { return hadSeen(b, a, place[a]) }
	// The state of every set, each from that of the set without its last member.
	states := make([]Cell, 1<<len(events))
	with := func(set, i int) Cell {
		c := table.Rules[0].NewCell()
		c.Merge(states[set]) // a copy
		c.Apply(&events[i].c)
		return c
	}
	states[0] = table.Rules[0].NewCell()
	for set := 1; set < len(states); set++ {
		var members []*event
		for i := range events {
			if set&(1<<i) != 0 {
				members = append(members, &events[i])
			}
		}
		last := bits.Len(uint(set)) - 1
		states[set] = with(set&^(1<<last), last)
		state := states[set]
		if got, want := state.Value(), rc.oracle(members, saw); got != want {
			require.Equal(t, want, got, "%s\n%s", rc.rule, describe(members))
		}
		for i := range events {
			if set&(1<<i) == 0 {
				continue
			}
			other := with(set&^(1<<i), i)
			if !state.Equal(other) {
				require.Failf(t, "order shows", "%s: %s last\n%s", rc.rule, events[i].op.ID, describe(members))
			}
			other.Apply(&events[i].c)
			if !state.Equal(other) {
				require.Failf(t, "repetition shows", "%s: %s twice\n%s", rc.rule, events[i].op.ID, describe(members))
			}
		}
		// Two parts of the set, folded apart, join to the same state, whether they overlap or not.
		for _, part := range []int{set & 0b01010, set & 0b00111} {
			joined := table.Rules[0].NewCell()
			joined.Merge(states[part])
			joined.Merge(states[set&^part|part&0b00010])
			if !state.Equal(joined) {
				require.Failf(t, "grouping shows", "%s\n%s", rc.rule, describe(members))
			}
		}
	}
}

// describe writes a history down for the reader of a failure.
func describe(events []*event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%s %s %s at %d, had seen %s\n", e.op.ID, e.op.Kind, e.c.Value, e.op.Stamp.Time.Wall, e.op.Seen)
	}
	return b.String()
}
