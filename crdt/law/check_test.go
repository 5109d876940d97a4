package law_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/crdt/law"
)

// violation is a broken law found the long way round, and where it stands in the order that Check documents.
type violation struct {
	law  string
	at   []int
	rank []int
}

// bruteForce lists every violation of the three algebraic laws by a table of results and returns the smallest: fewest
// positions, first set, first law, first choice.
func bruteForce(table [][]int) *violation {
	n := len(table)
	m := func(a, b int) int { return table[a][b] }
	var all []violation
	note := func(law string, lawRank int, at ...int) {
		set := slices.Clone(at)
		slices.Sort(set)
		set = slices.Compact(set)
		rank := slices.Concat([]int{len(set)}, set, []int{lawRank}, at)
		all = append(all, violation{law, at, rank})
	}
	for a := range n {
		if m(a, a) != a {
			note(law.NotIdempotent, 1, a)
		}
		for b := range n {
			if m(a, b) != m(b, a) {
				note(law.NotCommutative, 2, a, b)
			}
			for c := range n {
				if m(m(a, b), c) != m(a, m(b, c)) {
					note(law.NotAssociative, 3, a, b, c)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	first := slices.MinFunc(all, func(v, w violation) int { return slices.Compare(v.rank, w.rank) })
	return &first
}

// Every binary operation on three values: 9 are semilattices, 18 are idempotent and commutative only.
func TestAllOperationsOnThreeValuesAreClassifiedRightly(t *testing.T) {
	lawful, onlyPairwise := 0, 0
	for code := range 19683 {
		table := make([][]int, 3)
		rest := code
		for a := range table {
			table[a] = make([]int, 3)
			for b := range table[a] {
				table[a][b], rest = rest%3, rest/3
			}
		}
		err := law.Check(func(a, b int) int { return table[a][b] }, equal[int], 0, 1, 2)
		want := bruteForce(table)
		if want == nil {
			lawful++
			require.NoError(t, err, "%v", table)
			continue
		}
		var broken *law.Broken
		require.ErrorAs(t, err, &broken, "%v", table)
		if broken.Law != want.law || !slices.Equal(broken.At, want.at) {
			t.Fatalf("table %v: got %s at %v, want %s at %v", table, broken.Law, broken.At, want.law, want.at)
		}
		if idempotentAndCommutative(table) {
			onlyPairwise++
			require.Equal(t, law.NotAssociative, broken.Law)
		}
		requireTrueWitness(t, table, broken)
	}
	assert.Equal(t, 9, lawful)
	assert.Equal(t, 18, onlyPairwise)
}

func idempotentAndCommutative(table [][]int) bool {
	for a := range table {
		for b := range table {
			if table[a][a] != a || table[a][b] != table[b][a] {
				return false
			}
		}
	}
	return true
}

// A witness is true when the formula of its law, computed by hand, gives what the error says, and it differs.
func requireTrueWitness(t *testing.T, table [][]int, b *law.Broken) {
	t.Helper()
	m := func(a, b int) int { return table[a][b] }
	w := make([]int, 3)
	for i, v := range b.Witness {
		w[i] = v.(int)
		require.Equal(t, b.At[i], w[i])
	}
	var left, right int
	switch b.Law {
	case law.NotIdempotent:
		left, right = m(w[0], w[0]), w[0]
	case law.NotCommutative:
		left, right = m(w[0], w[1]), m(w[1], w[0])
	case law.NotAssociative:
		left, right = m(m(w[0], w[1]), w[2]), m(w[0], m(w[1], w[2]))
	}
	require.Equal(t, []any{left, right}, []any{b.Left, b.Right})
	require.NotEqual(t, left, right)
}

// Of four samples only the pair (2, 3) is not commutative, while (0, 1, 2) is not associative: two beat three.
func TestFewerSamplesBeatEarlierOnes(t *testing.T) {
	order := []int{0, 1, 2, 3}
	merge := func(a, b int) int {
		switch {
		case a == b:
			return a
		case a == 2 && b == 3:
			return 2
		case a == 3 && b == 2:
			return 3
		case a+b == 1: // 0 and 1
			return 1
		case a+b == 3: // 1 and 2
			return 2
		case a+b == 2: // 0 and 2: not 2, as grouping by 1 would say
			return 0
		}
		return max(a, b)
	}
	var broken *law.Broken
	require.ErrorAs(t, law.Check(merge, equal, order...), &broken)
	assert.LessOrEqual(t, distinct(broken.At), 2)
	require.ErrorAs(t, law.Check(merge, equal, 0, 1, 2), &broken)
	assert.Equal(t, law.NotAssociative, broken.Law)
	assert.Equal(t, 3, distinct(broken.At))
}

func distinct(of []int) int {
	sorted := slices.Clone(of)
	slices.Sort(sorted)
	return len(slices.Compact(sorted))
}

func TestSamplesAreTriedInTheOrderGiven(t *testing.T) {
	first := func(a, _ string) string { return a }
	var broken *law.Broken
	require.ErrorAs(t, law.Check(first, equal, "x", "x", "z", "y"), &broken)
	assert.Equal(t, law.NotCommutative, broken.Law)
	assert.Equal(t, []int{0, 2}, broken.At)
	assert.Equal(t, []any{"x", "z"}, broken.Witness)
	assert.Equal(t, "x", broken.Left)
	assert.Equal(t, "z", broken.Right)
	assert.Equal(t, `not_commutative: Let: a = "x", b = "z". Then: merge(a, b) = "x", but merge(b, a) = "z".`, broken.Error())
}

func TestPanicIsAFinding(t *testing.T) {
	merge := func(a, b int) int { return max(a, b) + 0/(5-b) }
	var broken *law.Broken
	require.ErrorAs(t, law.Check(merge, equal, 1, 5), &broken)
	assert.Equal(t, law.RulePanic, broken.Law)
	assert.Equal(t, []int{1, 1}, broken.At)
	assert.Equal(t, "rule_panic: Let: a = 5. Then: merge(a, a) panics: runtime error: integer divide by zero.", broken.Error())
}

// Only a merge of merged values panics: the laws of one call are held by every call.
func TestPanicOnAMergedValueIsFound(t *testing.T) {
	merge := func(a, b int) int {
		if max(a, b) == 3 {
			panic("three")
		}
		return a | b
	}
	var broken *law.Broken
	require.ErrorAs(t, law.Check(merge, equal, 1, 2), &broken)
	assert.Equal(t, law.RulePanic, broken.Law)
	assert.Equal(t, `rule_panic: Let: a = 1, b = 2. Then: merge(a, merge(a, b)) panics: "three".`, broken.Error())
}

func TestCoinIsNonDeterministic(t *testing.T) {
	calls := 0
	merge := func(a, b int) int {
		if a == b {
			return a
		}
		calls++
		if calls%7 == 0 {
			return min(a, b)
		}
		return max(a, b)
	}
	var broken *law.Broken
	require.ErrorAs(t, law.Check(merge, equal, 1, 2), &broken)
	assert.Equal(t, law.NonDeterministic, broken.Law)
	assert.Equal(t, []int{0, 1}, broken.At)
}

func TestEveryPairIsMergedEightTimes(t *testing.T) {
	calls := map[[2]int]int{}
	require.NoError(t, law.Check(func(a, b int) int {
		calls[[2]int{a, b}]++
		return max(a, b)
	}, equal, 1, 2, 3, 4))
	for a := 1; a <= 4; a++ {
		for b := 1; b <= 4; b++ {
			assert.GreaterOrEqual(t, calls[[2]int{a, b}], 8, "%d, %d", a, b)
		}
	}
}

// A merge that takes the first member which ranging over a map yields.
func TestMapOrderIsNonDeterministic(t *testing.T) {
	merge := func(a, b string) string {
		if a == b {
			return a
		}
		for text := range map[string]bool{a: true, b: true, a + b: true} {
			return text
		}
		return ""
	}
	var broken *law.Broken
	require.ErrorAs(t, law.Check(merge, equal, "a", "b", "c", "d"), &broken)
	assert.Equal(t, law.NonDeterministic, broken.Law)
}

func TestChangedInputIsFoundWhereverItHides(t *testing.T) {
	type hidden struct{ members map[string]int }
	type node struct {
		n    int
		next *node
	}
	ring := func(n int) *node {
		at := &node{n: n}
		at.next = at
		return at
	}
	for _, c := range []struct {
		name  string
		check func() error
	}{
		{"a member added to the left map", func() error {
			return law.Check(func(a, b map[string]int) map[string]int {
				maps.Copy(a, b)
				return a
			}, maps.Equal, map[string]int{"a": 1}, map[string]int{"b": 1})
		}},
		{"an unexported map of the right side", func() error {
			return law.Check(func(a, b hidden) hidden {
				b.members["seen"]++
				return hidden{map[string]int{}}
			}, func(a, b hidden) bool { return true }, hidden{map[string]int{}})
		}},
		{"only the right side, of two that differ", func() error {
			return law.Check(func(a, b []int) []int {
				if a[0] != b[0] {
					b[1]++
				}
				return []int{0, 0}
			}, func(a, b []int) bool { return true }, []int{1, 0}, []int{2, 0})
		}},
		{"a slice sorted in place", func() error {
			return law.Check(func(a, b []int) []int {
				slices.Sort(a)
				return a
			}, slices.Equal, []int{2, 1})
		}},
		{"the spare capacity of a slice", func() error {
			return law.Check(func(a, b []int) []int {
				if slices.Equal(a, b) {
					return a
				}
				return append(a, b...)
			}, slices.Equal, append(make([]int, 0, 8), 1), append(make([]int, 0, 8), 2))
		}},
		{"behind a pointer in a ring", func() error {
			return law.Check(func(a, b *node) *node {
				a.next.n++
				return a
			}, func(a, b *node) bool { return true }, ring(1))
		}},
		{"behind an interface", func() error {
			return law.Check(func(a, b any) any {
				a.([]any)[0] = "changed"
				return a
			}, func(a, b any) bool { return true }, any([]any{1}))
		}},
	} {
		var broken *law.Broken
		require.ErrorAs(t, c.check(), &broken, c.name)
		assert.Equal(t, law.MutatesInput, broken.Law, c.name)
	}
}

func TestStoryOfAChangedInputTellsWhatItWas(t *testing.T) {
	err := law.Check(func(a, b map[string]int) map[string]int {
		maps.Copy(a, b)
		return a
	}, maps.Equal, map[string]int{"x": 1}, map[string]int{"y": 2})
	assert.EqualError(t, err, `mutates_input: Let: a = map["x":1], b = map["y":2]. Then: merge(a, b) changes a from map["x":1] to map["x":1 "y":2].`)
}

func TestNothingToCheckIsNotSuccess(t *testing.T) {
	assert.ErrorIs(t, law.Check(func(a, b int) int { return a }, equal), law.ErrNothing)
	assert.ErrorIs(t, law.Converge(law.System[int, int]{}), law.ErrNothing)
}

func TestLawfulMergesOfAllShapesPass(t *testing.T) {
	assert.NoError(t, law.Check(func(a, b int) int { return max(a, b) }, equal, 3, 1, 2, 2))
	assert.NoError(t, law.Check(func(a, b time.Time) time.Time {
		if a.Before(b) {
			return b
		}
		return a
	}, time.Time.Equal, time.Unix(1, 0), time.Unix(2, 0).UTC(), time.Time{}))
	union := func(a, b map[string]bool) map[string]bool {
		both := maps.Clone(a)
		if both == nil {
			both = map[string]bool{}
		}
		maps.Copy(both, b)
		return both
	}
	assert.NoError(t, law.Check(union, maps.Equal, nil, map[string]bool{"a": true}, map[string]bool{"b": true, "c": true}))
}

// An error of a test run must stay readable when a sample is a megabyte.
func TestLargeValuesAreCutShortInTheStory(t *testing.T) {
	err := law.Check(func(a, b string) string { return a + b }, equal, strings.Repeat("x", 1<<20))
	assert.Less(t, len(err.Error()), 2000)
}

// The two sides of a story read the same, and nothing said why that was a finding.
func TestSidesThatReadTheSameAreSaidToDiffer(t *testing.T) {
	left := func(a, _ *int) *int { return a }
	err := law.Check(left, func(a, b *int) bool { return a == b }, new(int), new(int))
	require.EqualError(t, err, "not_commutative: Let: a = &0, b = &0. Then: merge(a, b) = &0, but merge(b, a) = &0, which reads the same here and is not equal.")
	long := strings.Repeat("x", 1000)
	err = law.Check(func(a, _ string) string { return a }, func(a, b string) bool { return a == b }, long+"1", long+"2")
	require.ErrorContains(t, err, "..., which reads")
	err = law.Converge(law.System[*int, int]{Apply: func(s *int, _ int) *int { return s }, Equal: func(a, b *int) bool { return a == b },
		New: func() *int { return new(int) }, Want: func([]int) *int { return new(int) }}, 1)
	require.ErrorContains(t, err, "which reads the same here and is not equal")
}

func TestBrokenCanBeUnwrappedFromAWrappedError(t *testing.T) {
	err := fmt.Errorf("stock: %w", law.Check(func(a, b int) int { return a - b }, equal, 1, 2))
	var broken *law.Broken
	require.True(t, errors.As(err, &broken))
	assert.Equal(t, law.NotIdempotent, broken.Law)
}

func TestNotANumberIsNotIdempotentUnderPlainEquality(t *testing.T) {
	nan := func() float64 { var zero float64; return zero / zero }()
	var broken *law.Broken
	require.ErrorAs(t, law.Check(func(a, b float64) float64 { return max(a, b) }, equal, 1, nan), &broken)
	assert.Equal(t, law.NotIdempotent, broken.Law)
	assert.Equal(t, []int{1}, broken.At)
}
