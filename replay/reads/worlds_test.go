package reads

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
)

// Of a history in which times are cut off, or not told, every choice of times that agrees with it is a world. What is said of a
// read must be so in all of them; and where nobody can tell, mostly because it is so in some and not in others.
func TestWhatIsSaidOfAReadIsSoInEveryWorld(t *testing.T) {
	levels := []string{"strong", "quorum", "bounded:1us", "bounded:3us", "session", "mixed"}
	tables := []*merge.Table{lastWins, merge.MustParseTable("* * update-wins"), merge.MustParseTable("* * delete-wins")}
	said := make(map[Outcome]int)
	needless := 0
	seeds := uint64(2000)
	if testing.Short() {
		seeds = 400
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 3))
		table := tables[seed/6%3]
		truth := make([]act, 2+r.IntN(3))
		for i := range truth {
			start := tick(1 + r.IntN(9))
			truth[i] = act{start: start, end: start + 1000*int64(1+r.IntN(3)), read: i > 0 && r.IntN(2) == 0, want: levels[seed%6]}
			if levels[seed%6] == "mixed" {
				truth[i].want = []string{"strong", "strong", "eventual", "quorum", "session"}[r.IntN(5)]
			}
			if seed%6 >= 4 {
				if truth[i].session = []string{"s", "s", "t"}[r.IntN(3)]; overlap(truth[:i+1]) {
					truth[i].session = ""
				}
			}
			switch a := &truth[i]; {
			case !a.read:
				a.other, a.deletes = r.IntN(8) == 0, r.IntN(8) == 0
				a.other = a.other && !a.deletes
			default:
				if a.saw = r.IntN(i + 1); a.saw > 0 && (truth[a.saw-1].read || truth[a.saw-1].deletes || truth[a.saw-1].other) {
					a.saw = 0
				}
			}
		}
		if r.IntN(3) == 0 {
			for i := range truth {
				for j, a := range truth {
					if !a.read && !truth[i].read && a.end < truth[i].start {
						truth[i].had = append(truth[i].had, j+1)
					}
				}
			}
		}
		told, falling := tell(r, truth), r.IntN(2) == 0
		skew := int64(r.IntN(2) * 1000)
		if seed%6 >= 4 { // the clock of a session is one
			skew = 0
		}
		_, g := registerUnder(table, told, falling, skew)
		worlds := 0
		is := make([]map[Outcome]bool, len(g.reads))
		for i := range is {
			is[i] = make(map[Outcome]bool)
		}
		eachWorld(told, skew, func(world []act) {
			if overlap(world) {
				return
			}
			_, w := registerUnder(table, world, falling, 0)
			for i := range w.reads {
				if w.contradicts(&w.reads[i]) > 0 {
					return // nothing is read before it is written
				}
			}
			for _, a := range world {
				for _, had := range a.had {
					if a.end < world[had-1].start {
						return // nor had anybody seen it
					}
				}
			}
			worlds++
			for i := range w.reads {
				is[i][w.reads[i].Outcome] = true
			}
		})
		if worlds == 0 {
			continue
		}
		for i := range g.reads {
			v := g.reads[i].Verdict
			said[v.Outcome]++
			about := fmt.Sprintf("seed %d: %v, told as %v (falling %t, skew %d): read %d is %v, and in %d worlds %v", seed, truth, told, falling, skew, i, v, worlds, is[i])
			opposite := map[Outcome]Outcome{Fine: Stale, Stale: Fine}[v.Outcome]
			require.False(t, is[i][opposite], about)
			if v.Outcome == CannotTell && len(is[i]) == 1 && !is[i][CannotTell] {
				needless++
			}
		}
	}
	t.Logf("%v, of which nobody can tell %d times although one thing is so in all worlds", said, needless)
	require.Greater(t, said[Fine], int(seeds/10))
	require.Greater(t, said[Stale], int(seeds/20))
	require.Greater(t, said[CannotTell], int(seeds/10))
	require.Less(t, needless, said[CannotTell]/2)
}

// overlap reports whether a session made a call before another had returned, as none does.
func overlap(acts []act) bool {
	for i, a := range acts {
		for _, b := range acts[:i] {
			if a.session != "" && a.session == b.session && a.start < b.end && b.start < a.end {
				return true
			}
		}
	}
	return false
}

// tick is a time with all its digits.
func tick(n int) int64 { return 1000*int64(10+n) + 501 }

// tell returns acts with some times cut off and some not told, few enough to try all worlds.
func tell(r *rand.Rand, truth []act) []act {
	told := append([]act(nil), truth...)
	worlds := 1
	for range 3 {
		i := r.IntN(len(told))
		a := &told[i]
		at := &a.start
		if r.IntN(2) == 0 {
			at = &a.end
		}
		switch {
		case *at%1000 == 0: // it is already
		case r.IntN(2) == 0 && worlds <= 20:
			*at = 0
			worlds *= 36
			if r.IntN(2) == 0 {
				a.at = (truth[i].start+truth[i].end)/2 | 1
			}
		default:
			*at -= *at % 1000
			worlds *= 3
		}
	}
	return told
}

// eachWorld calls visit with every choice of times: of the three moments that a time that is cut off may be, and of those of all
// that a time that is not told may be, and for an end, that it never came. The clock of each record is right, or ahead by the skew.
func eachWorld(told []act, skew int64, visit func(world []act)) {
	world := append([]act(nil), told...)
	var choose func(i int)
	each := func(at int64, end bool, then func(at int64)) {
		switch {
		case at == 0:
			for n := range 14 {
				for _, part := range []int64{101, 501, 901} {
					then(1000*int64(9+n) + part)
				}
			}
			if end {
				then(1_000_001)
			}
		case at%1000 == 0:
			for _, part := range []int64{101, 501, 901} {
				then(at + part)
			}
		default:
			then(at)
		}
	}
	choose = func(i int) {
		if i == len(told) {
			visit(world)
			return
		}
		each(told[i].start, false, func(start int64) {
			each(told[i].end, true, func(end int64) {
				if at := told[i].at; start >= end || at > 0 && (at < start || end < at) {
					return
				}
				for ahead := int64(0); ahead <= skew; ahead += max(skew, 1) {
					world[i].start, world[i].end = start-ahead, end-ahead
					choose(i + 1)
				}
			})
		})
	}
	choose(0)
}

// What is said of a read of which less is told is what was said before, or that nobody can tell: an end that is not told made the
// time of a write exact, and a session's read without times was none.
func TestTellingLessNeverSaysMore(t *testing.T) {
	levels := []string{"strong", "quorum", "bounded:1us", "bounded:3us", "session", ""}
	changed := make(map[string]int)
	seeds := uint64(20000)
	if testing.Short() {
		seeds = 4000
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 6))
		acts := make([]act, 2+r.IntN(4))
		for i := range acts {
			start := tick(1 + r.IntN(12))
			a := act{start: start, end: start + 1000*int64(r.IntN(3)) + 2, read: i > 0 && r.IntN(2) == 0}
			if a.read {
				if a.want = levels[seed%6]; a.want == "" {
					a.want = levels[r.IntN(5)]
				}
				if a.saw = r.IntN(i + 1); a.saw > 0 && (acts[a.saw-1].read || acts[a.saw-1].deletes) {
					a.saw = 0
				} else if a.saw > 0 && r.IntN(3) == 0 {
					a.version = acts[a.saw-1].version
				}
			} else {
				a.deletes, a.version = r.IntN(6) == 0, r.IntN(4)
				if r.IntN(3) > 0 {
					a.at = a.start + r.Int64N(a.end-a.start) | 1
				}
				for j, b := range acts[:i] {
					if !b.read && b.end < a.start && r.IntN(4) == 0 {
						a.had = append(a.had, j+1)
					}
				}
			}
			if levels[seed%6] == "session" || levels[seed%6] == "" {
				a.session = []string{"", "s", "t"}[r.IntN(3)]
				if acts[i] = a; overlap(acts[:i+1]) {
					a.session = ""
				}
			}
			acts[i] = a
		}
		skew := int64(r.IntN(2) * 700)
		verdicts := func(acts []act) ([]look, bool) {
			_, g := registerUnder(lastNodeWins, acts, seed%2 == 0, skew)
			for i := range g.reads {
				if g.contradicts(&g.reads[i]) > skew {
					return nil, false
				}
			}
			return g.reads, true
		}
		list, ok := verdicts(acts)
		if !ok {
			continue
		}
		before := make([]Verdict, len(list)) // the memory is that of the next
		for i := range list {
			before[i] = list[i].Verdict
		}
		less := append([]act(nil), acts...)
		a := &less[r.IntN(len(less))]
		of := []*int64{&a.start, &a.end, &a.at}[r.IntN(3)]
		if *of == 0 || a.read && of == &a.at {
			continue
		}
		if *of = 0; r.IntN(4) == 0 {
			if of = []*int64{&a.start, &a.end, &a.at}[r.IntN(3)]; *of > 0 {
				*of -= *of % 1000
			}
		}
		after, ok := verdicts(less)
		require.True(t, ok, "seed %d: less contradicts itself", seed)
		for i := range after {
			was, is := before[i], after[i].Verdict
			if is.Outcome == CannotTell {
				if was.Outcome != CannotTell {
					changed[fmt.Sprint(after[i].level, " ", was.Outcome)]++
				}
				continue
			}
			require.Equal(t, was.Outcome, is.Outcome, "seed %d: read %d (%s) of %#v with %#v in its place, skew %d", seed, i, was.Reason, acts, *a, skew)
		}
	}
	t.Log(changed)
}
