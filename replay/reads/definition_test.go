package reads

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
)

// candidates returns the writes that a read may have seen, 0 for nothing: those of its name that had begun when it ended.
func candidates(acts []act, a act) (of []int) {
	for state := range len(acts) + 1 {
		if (state == 0 || !acts[state-1].read && acts[state-1].start <= a.end) && sees(acts, a, state) {
			of = append(of, state)
		}
	}
	return of
}

// beaten reports whether every one of some states loses to a write, by its version and then by its node.
func beaten(acts []act, of []int, by int) bool {
	return by > 0 && !slices.ContainsFunc(of, func(state int) bool {
		return state > 0 && cmp.Or(cmp.Compare(acts[state-1].version, acts[by-1].version), cmp.Compare(state, by)) >= 0
	})
}

var lastNodeWins = merge.MustParseTable("nodes n00 < n01 < n02 < n03 < n04 < n05 < n06 < n07\norder version node time\n* * lww")

// defined says what a read is that was promised less than strong, by the definition of its level and nothing else.
func defined(acts []act, number int) Outcome {
	a := acts[number]
	saw := candidates(acts, a)
	missed := func(which func(w act) bool) bool { // the best of them beats all that it may have seen, when each loses to some
		for i, w := range acts {
			if !w.read && which(w) && beaten(acts, saw, i+1) {
				return true
			}
		}
		return false
	}
	switch a.want {
	case "quorum":
		if missed(func(w act) bool { return w.end < a.start }) {
			return Stale
		}
	case "bounded:3ns":
		switch {
		case missed(func(w act) bool { return w.end < a.start-3 }):
			return Stale
		case missed(func(w act) bool { return w.start < a.start-3 }):
			return CannotTell // it was made between its start and its end
		}
	case "session":
		for i, b := range acts {
			if b.session != a.session || i == number || b.end > a.start {
				continue
			}
			had := []int{i + 1}
			if b.read {
				had = candidates(acts, b)
			}
			if !slices.ContainsFunc(had, func(state int) bool { return !beaten(acts, saw, state) }) {
				return Stale
			}
		}
	}
	return Fine
}

// Of histories in which all times are known, each read is what its level says of it, whatever it may have seen: a delete or a write
// that came later was taken for that.
func TestEachReadIsWhatItsLevelSays(t *testing.T) {
	is := make(map[string]int)
	for seed := range uint64(6000) {
		r := rand.New(rand.NewPCG(seed, 5))
		want := []string{"quorum", "bounded:3ns", "session", "eventual"}[seed%4]
		acts := make([]act, 2+r.IntN(6)) // no more than there are nodes
		busy := map[string]int64{}       // until when each session has a call under way
		for i := range acts {
			start := int64(1 + r.IntN(20))
			a := act{start: start, end: start + int64(r.IntN(5)), read: i > 0 && r.IntN(2) == 0, version: 1 + r.IntN(4)}
			a.deletes = !a.read && r.IntN(4) == 0
			if want == "session" {
				a.session = []string{"s", "t"}[r.IntN(2)]
				length := a.end - a.start
				a.start = busy[a.session] + 1 + int64(r.IntN(4))
				a.end = a.start + length
				busy[a.session] = a.end
			}
			if a.read {
				a.want = want
			}
			acts[i] = a
		}
		for i := range acts {
			a := &acts[i]
			if !a.read {
				continue
			}
			j := r.IntN(len(acts))
			if w := acts[j]; w.read || w.deletes || w.start > a.end || r.IntN(4) == 0 {
				a.saw, a.version = 0, 0
			} else if a.saw, a.version = j+1, 0; r.IntN(2) == 0 {
				a.version = w.version
			}
		}
		_, g := registerUnder(lastNodeWins, acts, false, 0)
		at := 0
		for i, a := range acts {
			if !a.read {
				continue
			}
			v := g.reads[at].Verdict
			at++
			should := defined(acts, i)
			require.Equal(t, should, v.Outcome, "seed %d: act %d of %#v: %s", seed, i, acts, v.Reason)
			is[fmt.Sprint(want, " ", should)]++
		}
	}
	t.Log(is)
	for _, of := range []string{"quorum stale", "bounded:3ns stale", "session stale", "bounded:3ns cannot tell", "quorum fine", "session fine"} {
		require.Greater(t, is[of], 100, of)
	}
}
