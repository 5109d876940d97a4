package merge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// deed is what an operation of these tests does.
type deed struct {
	kind   Kind
	key    string
	fields []Field
}

// deedsOf returns operations for a rule: on field f, which has it, what it is for and what it has no use for; on another field;
// deletes of either and of the record; and one on another key. The first three are of f and of the record, the last two of another
// field and another key.
func deedsOf(r *Rule) []deed {
	on := func(kind Kind, v, before value.Value) deed { return deed{kind, "k", []Field{field("f", v, before)}} }
	writes := []deed{on(Set, "1", ""), on(Set, "2", "1"), on(Add, "1", ""), on(Insert, "1", "")}
	switch r.family {
	case counts:
		writes = []deed{on(Add, "1", ""), on(Set, "5", "2"), on(Set, "5", ""), on(Insert, "1", "")}
	case sets:
		writes = []deed{on(Insert, `"x"`, ""), on(Remove, `"x"`, ""), on(Set, `["y"]`, `["x"]`), on(Add, "1", "")}
	case flags:
		writes = []deed{on(Set, "true", ""), on(Set, "false", ""), on(Add, "1", ""), on(Insert, "1", "")}
	}
	return append([]deed{writes[0], {Delete, "k", nil}, on(Delete, "", "")}, append(writes[1:],
		deed{Delete, "k", []Field{field("g", "", "")}}, deed{Set, "k", []Field{field("g", "1", "")}},
		deed{Set, "l", []Field{field("f", "1", "")}})...)
}

// settling is one history, and what replicas may do with it: apply its operations, settle at a horizon that is stable for what they
// have applied, merge each other's records.
type settling struct {
	t       *testing.T
	table   *Table
	ordered bool
	events  []event

	rules map[string]*keyRules // of all states, so that they are made once

	// canonical has the records that are left when the operations of a set are applied as they are listed, and then settled.
	canonical map[reached]string
	tried     int
}

// reached is what a replica has come to: the operations that it has applied, and of each node how many it has settled.
type reached struct {
	set     int
	horizon [3]int
}

func (h reached) vector() (v clock.Vector) {
	for n, upTo := range h.horizon {
		v.AddUp(nodeNames[n], uint64(upTo))
	}
	return v
}

// isStable reports whether all of the horizon is applied, and each operation that is not has seen all of it.
func (s *settling) isStable(at reached) bool {
	var made [3]int
	for i := range s.events {
		e := &s.events[i]
		made[e.node]++
		if at.set&(1<<i) != 0 {
			continue
		}
		if made[e.node] <= at.horizon[e.node] {
			return false
		}
		for n, upTo := range at.horizon {
			if e.seen[n] < upTo {
				return false
			}
		}
	}
	for n, upTo := range at.horizon {
		if upTo > made[n] {
			return false
		}
	}
	return true
}

// horizons calls each with the horizons at which one who has come to a place may settle next.
func (s *settling) horizons(at reached, each func(reached)) {
	n := len(s.events)
	for u := range (n + 1) * (n + 1) * (n + 1) {
		next := reached{at.set, [3]int{u % (n + 1), u / (n + 1) % (n + 1), u / (n + 1) / (n + 1)}}
		grows := next != at
		for i := range next.horizon {
			grows = grows && next.horizon[i] >= at.horizon[i]
		}
		if grows && s.isStable(next) {
			each(next)
		}
	}
}

// may reports whether an operation may come to one who has applied a set.
func (s *settling) may(set, i int) bool {
	if set&(1<<i) != 0 {
		return false
	}
	var made [3]int
	for j := range s.events {
		e := &s.events[j]
		made[e.node]++
		if s.ordered && set&(1<<j) == 0 && made[e.node] <= s.events[i].seen[e.node] && j != i {
			return false
		}
	}
	return true
}

func (s *settling) fresh() *State {
	f := NewState(s.table)
	f.Ordered, f.rules = s.ordered, s.rules
	return f
}

func (s *settling) apply(to *State, i int) {
	if _, err := to.Apply(s.events[i].op); err != nil {
		s.t.Fatal(err)
	}
}

// at returns the canonical records of a place. What they show is what they do who never settle.
func (s *settling) at(at reached) string {
	known, ok := s.canonical[at]
	if !ok {
		state := s.fresh()
		for i := range s.events {
			if at.set&(1<<i) != 0 {
				s.apply(state, i)
			}
		}
		plain := fmt.Sprint(shownAll(state))
		state.Settle(at.vector())
		require.Equal(s.t, plain, fmt.Sprint(shownAll(state)), "settling shows")
		known = recordsOf(s.t, state)
		s.canonical[at] = known
	}
	return known
}

// check fails unless a state is that of a place, to the byte.
func (s *settling) check(how string, got *State, at reached) {
	s.tried++
	if g, want := recordsOf(s.t, got), s.at(at); g != want {
		all := make([]*event, len(s.events))
		for i := range s.events {
			all[i] = &s.events[i]
		}
		require.Failf(s.t, "the path shows", "%s; ordered %v, applied %b, settled %v\n%s\n%q\n%q", how, s.ordered, at.set, at.horizon,
			describe(all), g, want)
	}
}

func recordsOf(t *testing.T, s *State) string {
	var all []byte
	for _, key := range slices.Sorted(slices.Values(s.order)) {
		var err error
		if all, err = s.AppendRecord(all, key); err != nil {
			t.Fatal(err)
		}
	}
	return string(all)
}

// copyOf returns a copy that knows at which horizon it was settled.
func copyOf(s *State) *State {
	c := NewState(s.table)
	c.Ordered, c.settled, c.rules = s.Ordered, s.settled, s.rules
	for _, key := range s.order {
		k := s.keys[key]
		copied := c.add(key, &record{rules: k.rules, settled: k.settled})
		if k.deletes != nil {
			deletes := k.deletes.Clone()
			copied.deletes = &deletes
		}
		for c := range k.cells.All {
			cell := c.cell.rule.NewCell()
			cell.Merge(c.cell)
			if n, ok := cell.more.(*count); ok {
				n.settled = c.cell.more.(*count).settled
			}
			copied.cells.Push(namedCell{c.name, cell})
		}
	}
	return c
}

// explore goes every way that there is: from each place, as it was first come to, one step further. A place that is come to by
// several ways is the same to the byte by all of them, so that the steps from there need be tried once.
func (s *settling) explore(merges bool) {
	s.canonical = make(map[reached]string)
	found := map[reached]*State{{}: s.fresh()}
	places := []reached{{}}
	arrive := func(how string, to reached, state *State) {
		s.check(how, state, to)
		if found[to] == nil {
			found[to] = state
			places = append(places, to)
		}
	}
	for i := 0; i < len(places); i++ { // places grows meanwhile
		from := places[i]
		for i := range s.events {
			switch {
			case s.may(from.set, i):
				next := copyOf(found[from])
				s.apply(next, i)
				arrive("applied last: "+s.events[i].op.ID, reached{from.set | 1<<i, from.horizon}, next)
			case from.set&(1<<i) != 0 && !from.vector().Has(s.events[i].op.Dot):
				next := copyOf(found[from])
				s.apply(next, i)
				s.check("applied twice: "+s.events[i].op.ID, next, from)
			}
		}
		s.horizons(from, func(to reached) {
			next := copyOf(found[from])
			next.Settle(to.vector())
			arrive("settled last", to, next)
		})
	}
	if !merges {
		return
	}
	// Records come from one who has settled at most as far.
	for _, to := range places {
		for _, from := range places {
			if from.horizon[0] > to.horizon[0] || from.horizon[1] > to.horizon[1] || from.horizon[2] > to.horizon[2] {
				continue
			}
			next, news := copyOf(found[to]), false
			both := reached{from.set | to.set, to.horizon}
			for again := range 2 {
				for _, key := range found[from].order {
					data, err := found[from].AppendRecord(nil, key)
					require.NoError(s.t, err)
					_, changed, err := next.MergeRecord(data, Limits{})
					require.NoError(s.t, err)
					require.False(s.t, again > 0 && changed, "merging a record again changed something")
					news = news || changed
				}
				s.check(fmt.Sprintf("merged last: %b settled at %v, of %b", from.set, from.horizon, to.set), next, both)
			}
			require.True(s.t, news || s.at(both) == s.at(to), "a change is not told")
			whole := copyOf(found[to])
			require.NoError(s.t, whole.Merge(found[from]))
			s.check("merged whole", whole, both)
		}
	}
}

// settlings makes the histories of n operations out of deeds.
func settlings(t *testing.T, table *Table, n int, deeds []deed, each func(*settling)) {
	rules := make(map[string]*keyRules)
	times := [...]int64{3, 1, 2, 3, 1} // neither in the order of causality nor without ties
	histories(n, len(deeds), func(events []event) {
		var made [3]int
		for i := range events {
			e := &events[i]
			made[e.node]++
			d := deeds[e.what]
			e.op = Op{Key: d.key, Kind: d.kind, Fields: d.fields, Stamp: lww.Stamp{Time: clock.Timestamp{Wall: times[i]}, Node: nodeNames[e.node]},
				Dot: clock.Dot{Node: nodeNames[e.node], Seq: uint64(made[e.node])}, ID: fmt.Sprintf("%s:%d", nodeNames[e.node], made[e.node])}
			for node, seq := range e.seen {
				e.op.Seen.AddUp(nodeNames[node], uint64(seq))
			}
			e.c = Claim{}
			if len(d.fields) > 0 {
				e.c.Value = d.fields[0].Value
			}
		}
		for _, ordered := range []bool{false, true} {
			each(&settling{t: t, table: table, ordered: ordered, events: events, rules: rules})
		}
	})
}

// A counter remembered of a reset that came after it had settled what of one that came before it had not, a field that came after it
// nothing of the horizon, and a record the deletes that had settled with it: replicas took each other for diverged.
func TestSettledStatesOfTheSameOperationsAreEqualToTheByteWhateverThePath(t *testing.T) {
	rules := []string{"longest", "highest h"}
	for _, name := range RuleNames() {
		switch name {
		case "highest":
		case "prefer":
			rules = append(rules, "prefer 2 > 1")
		case "prefer-node":
			rules = append(rules, "prefer-node b > a")
		default:
			rules = append(rules, name)
		}
	}
	for _, rule := range rules {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			fields := "f"
			if strings.HasPrefix(rule, "highest") {
				fields = "f,h"
			}
			// By the rest of the lines the deletes of a record are in one order, or in three.
			for _, rest := range []string{"* * lww", "* p prefer-node b > a\n* q fww\n* g append\n* * lww"} {
				table := MustParseTable("nodes a < b < c\n* "+fields+" "+rule+"\n"+rest, longest)
				deeds := deedsOf(table.Rules[0])
				tried, n := 0, 0
				try := func(operations int, deeds []deed, stride int, merges bool) {
					settlings(t, table, operations, deeds, func(s *settling) {
						if n++; n%stride == 0 {
							s.explore(merges)
							tried += s.tried
						}
					})
				}
				few := append(deeds[:3:3], deeds[len(deeds)-2:]...)
				switch {
				case *exhaustive:
					try(2, deeds, 1, true)
					try(3, deeds, 1, false)
					try(3, few, 1, true)
					try(4, deeds[:3], 1, false)
				case testing.Short():
					try(2, deeds, 7, false)
					try(2, few, 7, true)
					try(3, deeds[:3], 67, false)
				default:
					try(2, deeds, 1, false)
					try(2, few, 1, true)
					try(3, deeds[:3], 7, false)
				}
				t.Logf("%d histories, %d states", n, tried)
			}
		})
	}
}

// To settle less far than before takes nothing back, and what comes afterwards is folded as far as before.
func TestSettlingLessFarThanBeforeChangesNothing(t *testing.T) {
	table := MustParseTable("* n counter\n* * lww")
	us, eu := writer{node: "us"}, writer{node: "eu"}
	ops := []Op{us.op(Add, "k", 1, field("n", "1", "")), us.op(Add, "k", 2, field("n", "2", ""))}
	eu.sees(&us)
	late := eu.op(Delete, "k", 3, field("n", "", ""))
	whole := []func(s *State, horizon clock.Vector){(*State).Settle, func(s *State, horizon clock.Vector) { s.SettleKey("k", horizon) }}
	for _, settle := range whole {
		s, want := NewState(table), NewState(table)
		applyAll(t, s, ops)
		settle(s, clock.Up("us", 2))
		settle(s, clock.Up("us", 1))
		applyAll(t, s, []Op{late})
		applyAll(t, want, append(ops, late))
		settle(want, clock.Up("us", 2))
		require.Equal(t, recordsOf(t, want), recordsOf(t, s))
	}
}
