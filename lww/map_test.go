package lww_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
)

type entry struct {
	key string
	lww.Register[int]
}

// naive keeps, of all writes to a key, the one that comes last in plain sorted order. Its nodes are declared in the
// order of their spelling, so that it needs nothing of the ladder.
func naive(writes []entry) lww.Map[string, int] {
	sorted := slices.Clone(writes)
	rank := func(deleted bool) int {
		if deleted {
			return 1
		}
		return 0
	}
	slices.SortFunc(sorted, func(a, b entry) int {
		return cmp.Or(
			cmp.Compare(a.Stamp.Version, b.Stamp.Version),
			cmp.Compare(a.Stamp.Time.Wall, b.Stamp.Time.Wall),
			cmp.Compare(a.Stamp.Time.Logical, b.Stamp.Time.Logical),
			cmp.Compare(a.Stamp.Node, b.Stamp.Node),
			cmp.Compare(rank(a.Deleted), rank(b.Deleted)),
			cmp.Compare(a.Value, b.Value),
		)
	})
	m := lww.Map[string, int]{}
	for _, w := range sorted {
		m[w.key] = w.Register
	}
	return m
}

// everyDoubled calls each with every order of n things, each of them twice.
func everyDoubled(n int, each func(order []int)) {
	came := make([]int, n)
	order := make([]int, 0, 2*n)
	var from func()
	from = func() {
		if len(order) == 2*n {
			each(order)
			return
		}
		for i := range n {
			if came[i] < 2 {
				came[i]++
				order = append(order, i)
				from()
				order = order[:len(order)-1]
				came[i]--
			}
		}
	}
	from()
}

// Five writes of three replicas to two keys: replaces, deletes, ties by time, by node, one stamp for two payloads. All
// 113,400 orders in which each comes twice lead to what the naive model says, and so do any three replicas.
func TestMapAgreesWithTheNaiveModelUnderEveryDelivery(t *testing.T) {
	stamp := func(version uint64, wall int64, node clock.Node) lww.Stamp {
		return lww.Stamp{Version: version, Time: clock.Timestamp{Wall: wall}, Node: node}
	}
	set := func(key string, s lww.Stamp, v int) entry { return entry{key, lww.Register[int]{Stamp: s, Value: v}} }
	del := func(key string, s lww.Stamp) entry { return entry{key, lww.Register[int]{Stamp: s, Deleted: true}} }
	ladder := lww.Ladder{Nodes: clock.Nodes{"ap", "eu", "us"}}
	for name, writes := range map[string][]entry{
		"ties by time and by node": {
			set("x", stamp(0, 5, "us"), 1), set("x", stamp(0, 5, "eu"), 2), set("x", stamp(0, 4, "us"), 3),
			set("y", stamp(0, 5, "ap"), 4), del("x", stamp(0, 5, "ap")),
		},
		"an insert and a delete with one stamp": {
			set("x", stamp(0, 1000, "us"), 1), del("x", stamp(0, 1000, "us")), set("x", stamp(0, 999, "us"), 2),
			del("y", stamp(0, 1000, "us")), set("y", stamp(0, 1001, "eu"), 3),
		},
		"one stamp, three payloads": {
			set("x", stamp(3, 7, "us"), 1), set("x", stamp(3, 7, "us"), 3), set("x", stamp(3, 7, "us"), 2),
			set("x", stamp(2, 9, "eu"), 4), del("y", stamp(0, 0, "ap")),
		},
		"stamps that say nothing": {
			set("x", lww.Stamp{}, 0), set("x", lww.Stamp{}, -1), del("x", lww.Stamp{}), set("y", lww.Stamp{}, -7),
			set("y", stamp(0, 0, "ap"), -9),
		},
	} {
		t.Run(name, func(t *testing.T) {
			for n := 1; n <= len(writes); n++ {
				want := naive(writes[:n])
				deltas := make([]lww.Map[string, int], n)
				for i, w := range writes[:n] {
					deltas[i] = lww.Map[string, int]{w.key: w.Register}
				}
				orders := 0
				replica := lww.Map[string, int]{}
				everyDoubled(n, func(order []int) {
					orders++
					clear(replica)
					for _, i := range order {
						lww.MergeMap(&ladder, replica, deltas[i], nil)
					}
					if !maps.Equal(replica, want) {
						t.Fatalf("delivered %v: %v, want %v", order, replica, want)
					}
				})
				require.Equal(t, []int{0, 1, 6, 90, 2520, 113_400}[n], orders)
				requireReplicasAgree(t, &ladder, deltas, want)
			}
		})
	}
}

// Every share of the writes among three replicas, which then exchange whole maps around a ring, twice.
func requireReplicasAgree(t *testing.T, l *lww.Ladder, deltas []lww.Map[string, int], want lww.Map[string, int]) {
	t.Helper()
	shares := 1
	for range deltas {
		shares *= 3
	}
	for share := range shares {
		replicas := []lww.Map[string, int]{{}, {}, {}}
		rest := share
		for _, delta := range deltas {
			lww.MergeMap(l, replicas[rest%3], delta, nil)
			rest /= 3
		}
		for range 2 {
			for i := range replicas {
				lww.MergeMap(l, replicas[(i+1)%3], replicas[i], nil)
			}
		}
		for i, replica := range replicas {
			if !maps.Equal(replica, want) {
				t.Fatalf("share %d: replica %d has %v, want %v", share, i, replica, want)
			}
		}
	}
}

// The verdicts that a map merge tells are those of merging the registers one by one.
func TestMapTellsTheVerdictOfEveryKeyThatBothHold(t *testing.T) {
	ladder := lww.Ladder{Nodes: clock.Nodes{"b", "a"}}
	for _, a := range alphabet() {
		for _, b := range alphabet() {
			m, from := lww.Map[string, int]{"k": a, "ours": a}, lww.Map[string, int]{"k": b, "theirs": b}
			kept, want := lww.Merge(&ladder, a, b)
			told := map[string]lww.Verdict{}
			lww.MergeMap(&ladder, m, from, func(k string, v lww.Verdict) { told[k] = v })
			if !maps.Equal(told, map[string]lww.Verdict{"k": want}) {
				t.Fatalf("%v, %v: told %v, want %v", a, b, told, want)
			}
			require.True(t, maps.Equal(m, lww.Map[string, int]{"k": kept, "ours": a, "theirs": b}))
			require.True(t, maps.Equal(from, lww.Map[string, int]{"k": b, "theirs": b}))
		}
	}
}

func TestSetAndDeleteReturnTheDeltaAndTheVerdict(t *testing.T) {
	ladder := lww.Ladder{}
	m := lww.Map[string, string]{}
	v5, v6, v7 := lww.Stamp{Version: 5}, lww.Stamp{Version: 6}, lww.Stamp{Version: 7}

	delta, why := lww.Set(&ladder, m, "k", v6, "six")
	assert.Equal(t, lww.Map[string, string]{"k": {Stamp: v6, Value: "six"}}, delta)
	assert.Equal(t, lww.Verdict{Order: -1, By: lww.Same}, why, "there was nothing to win against")

	delta, why = lww.Set(&ladder, m, "k", v5, "five")
	assert.Equal(t, lww.Map[string, string]{"k": {Stamp: v5, Value: "five"}}, delta)
	assert.Equal(t, lww.Verdict{Order: 1, By: lww.Version, Margin: 1}, why, "the write lost")
	got, ok := m.Get("k")
	assert.Equal(t, []any{"six", true}, []any{got, ok})

	_, why = lww.Set(&ladder, m, "k", v6, "six")
	assert.Equal(t, lww.Verdict{}, why, "the write was there")

	delta, why = lww.Delete(&ladder, m, "k", v7)
	assert.Equal(t, lww.Map[string, string]{"k": {Stamp: v7, Deleted: true}}, delta)
	assert.Equal(t, lww.Verdict{Order: -1, By: lww.Version, Margin: 1}, why)
	_, ok = m.Get("k")
	assert.False(t, ok)

	lww.Set(&ladder, m, "k", v6, "late")
	_, ok = m.Get("k")
	assert.False(t, ok, "an older write brought a deleted key back")
	_, ok = lww.Map[string, string](nil).Get("k")
	assert.False(t, ok)
}

// put, delete | put: other stores keep the value of the deleted write.
func TestDeletedWriteLeavesNoValueBehind(t *testing.T) {
	ladder := lww.Ladder{Nodes: clock.Nodes{"eu", "us"}}
	eu, us := lww.Map[string, string]{}, lww.Map[string, string]{}
	lww.Set(&ladder, eu, "k", lww.Stamp{Version: 1, Node: "eu"}, "first")
	lww.Delete(&ladder, eu, "k", lww.Stamp{Version: 2, Node: "eu"})
	lww.Set(&ladder, us, "k", lww.Stamp{Version: 2, Node: "us"}, "other")
	lww.MergeMap(&ladder, eu, us, nil)
	lww.MergeMap(&ladder, us, eu, nil)
	assert.Equal(t, eu, us)
	got, ok := eu.Get("k")
	assert.Equal(t, []any{"other", true}, []any{got, ok})
}

func TestMergingADeltaDoesNotAllocate(t *testing.T) {
	ladder := lww.Ladder{}
	m := lww.Map[string, string]{"k": {Stamp: lww.Stamp{Version: 1}}}
	delta := lww.Map[string, string]{"k": {Stamp: lww.Stamp{Version: 2}, Value: "v"}}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		lww.MergeMap(&ladder, m, delta, nil)
	}))
}
