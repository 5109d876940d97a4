package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/crdt/law"
)

// These two tests are all that a merge function needs in a team's CI.

func TestRatingKeepsTheLaws(t *testing.T) {
	require.NoError(t, law.Check(Merge, maps.Equal[Rating, Rating],
		nil,
		Rating{"ann": {1, 5}},
		Rating{"ann": {2, 3}},
		Rating{"ann": {2, 4}}, // the same number twice: voted in two regions that were apart
		Rating{"ann": {1, 5}, "bob": {1, 1}},
		Rating{"bob": {3, 1}},
	))
}

// Whatever the order in which votes arrive, and however often each does, replicas that have the same ones are equal.
func TestRatingsConvergeUnderEveryDelivery(t *testing.T) {
	ratings := law.System[Rating, Rating]{
		Apply: Merge,
		Merge: Merge,
		Equal: maps.Equal[Rating, Rating],
		Want: func(votes []Rating) Rating { // the naive way: try all numbers and stars from the least
			want := make(Rating)
			for n := range 4 {
				for stars := range 6 {
					for _, vote := range votes {
						for customer, v := range vote {
							if (v == Vote{n, stars}) {
								want[customer] = v
							}
						}
					}
				}
			}
			return want
		},
	}
	require.NoError(t, law.Converge(ratings,
		Rating{"ann": {1, 5}}, Rating{"ann": {2, 3}}, Rating{"ann": {2, 4}}, Rating{"bob": {1, 1}}))
}

// An average counts a vote twice that is delivered twice: one operation is enough to show that replicas diverge.
func TestTheCheckerSaysWhyAveragesDiverge(t *testing.T) {
	averages := law.System[float64, float64]{
		New:   func() float64 { return 3 },
		Apply: average,
		Equal: func(a, b float64) bool { return a == b },
	}
	require.EqualError(t, law.Converge(averages, 5, 1), "diverged: Let: a = 5. Then: after a = 4, but after a a = 4.5.")
}

// The longest text is no better while it leaves open which of two that are equally long.
func TestTheCheckerSaysWhatLongestForgets(t *testing.T) {
	longest := func(a, b string) string {
		if len(b) > len(a) {
			return b
		}
		return a
	}
	require.EqualError(t, law.Check(longest, func(a, b string) bool { return a == b }, "good", "superb", "poor"),
		`not_commutative: Let: a = "good", b = "poor". Then: merge(a, b) = "good", but merge(b, a) = "poor".`)
}

func TestVotesAreCountedOnceAndAveragesAreNotMerged(t *testing.T) {
	var out strings.Builder
	run(&out)
	require.Equal(t, `The average of averages: us has 1 and 5, eu has 5, ap has 3.
  us with eu, then ap: 3.50
  us with ap, then eu: 4.00
  not_associative: Let: a = 3, b = 5. Then: merge(merge(a, a), b) = 4, but merge(a, merge(a, b)) = 3.5.
Every vote under its voter. Both regions have the votes of ann and bob.
  3.00 stars (ann 1, bob 5)
The link is cut. Here cem votes 5 and ann thinks again, there dora votes 3.
  here:  4.67 stars (ann 4, bob 5, cem 5)
  there: 3.00 stars (ann 1, bob 5, dora 3)
The link is back, and sends everything twice.
  here:  4.25 stars (ann 4, bob 5, cem 5, dora 3)
  there: 4.25 stars (ann 4, bob 5, cem 5, dora 3)
`, out.String())
}
