package merge

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
)

// A state that is told that operations come after what they have seen keeps less, the same whatever the order, and shows
// what one does that was not told.
func TestOrderedStatesOfTheSameOperationsAreEqualToTheByte(t *testing.T) {
	runs := uint64(150)
	if testing.Short() {
		runs = 50
	}
	ordered, otherwise := 0, 0 // bytes
	for seed := range runs {
		r := rand.New(rand.NewPCG(seed, 1))
		names := []string{[]string{"add-wins", "remove-wins"}[seed%2], RuleNames()[r.IntN(len(RuleNames()))]}
		writers := []writer{{node: "a"}, {node: "b"}, {node: "c"}}
		var ops []Op
		for range 1 + r.IntN(30) {
			w := &writers[r.IntN(3)]
			w.sees(&writers[r.IntN(3)])
			ops = append(ops, randomOp(r, w, fieldRules, names))
		}
		unordered := NewState(fieldRules)
		for _, i := range r.Perm(len(ops)) {
			_, err := unordered.Apply(ops[i])
			require.NoError(t, err)
		}
		var first *State
		for range 3 {
			s := NewState(fieldRules)
			s.Ordered = true
			var seen clock.Vector
			for left := r.Perm(len(ops)); len(left) > 0; {
				for at, i := range left {
					if seen.Covers(ops[i].Seen) {
						for range 1 + r.IntN(2) { // again, which changes nothing
							_, err := s.Apply(ops[i])
							require.NoError(t, err)
						}
						seen.Add(ops[i].Dot)
						left = append(left[:at], left[at+1:]...)
						break
					}
				}
			}
			require.Equal(t, shownAll(unordered), shownAll(s), "seed %d", seed)
			if first == nil {
				first = s
			}
			require.Equal(t, first.Len(), s.Len(), "seed %d", seed)
			for _, key := range s.Keys(0, s.Len()) {
				got, err := s.AppendRecord(nil, key)
				require.NoError(t, err)
				want, err := first.AppendRecord(nil, key)
				require.NoError(t, err)
				require.Equal(t, want, got, "seed %d, %s", seed, key)
				longer, err := unordered.AppendRecord(nil, key)
				require.NoError(t, err)
				ordered, otherwise = ordered+len(got), otherwise+len(longer)
			}
		}
	}
	require.Less(t, ordered, otherwise)
}
