package reads

import (
	"cmp"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/replay"
)

// What is asked of all operations at once is what it is when each is asked about by itself.
func TestThePastOfAllIsThatOfEach(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for range 2000 {
		k := &replay.KeyOperations{Key: "k"}
		nodes := 1 + r.IntN(4)
		counts := make([]int, nodes)
		for n := range nodes {
			k.Nodes = append(k.Nodes, "n")
			counts[n] = r.IntN(5)
		}
		for n, count := range counts {
			low, high := make([]int32, nodes), make([]int32, nodes)
			for i := range count {
				for m := range nodes { // a node has seen no less than before, and of itself all before
					low[m] = min(low[m]+int32(r.IntN(3)), int32(counts[m]))
					high[m] = min(max(high[m], low[m]+int32(r.IntN(2))), int32(counts[m]))
				}
				low[n], high[n] = int32(i), int32(i)
				o := replay.Operation{Node: n, Low: append([]int32(nil), low...), High: append([]int32(nil), high...)}
				k.Ops = append(k.Ops, o)
			}
		}
		place := func(op int) (node, number int) { // from 1
			for i := 0; i <= op; i++ {
				if k.Ops[i].Node == k.Ops[op].Node {
					number++
				}
			}
			return k.Ops[op].Node, number
		}
		var p past
		p.begin(k)
		of := make([]int64, len(k.Ops))
		for i := range of {
			of[i] = int64(r.IntN(5))
		}
		saw := func(b, a int) bool { node, number := place(a); return a != b && int(k.Ops[b].Low[node]) >= number }
		later, earlier := p.later(of), p.earlier(of)
		for a := range k.Ops {
			least, most := int64(never), int64(ever)
			for b := range k.Ops {
				require.Equal(t, saw(b, a), p.saw(b, a))
				if saw(b, a) {
					least = min(least, of[b])
				}
				if saw(a, b) {
					most = max(most, of[b])
				}
			}
			if by := later[a]; by < 0 {
				require.Equal(t, int64(never), least)
			} else {
				require.Equal(t, least, of[by])
				require.True(t, saw(int(by), a))
			}
			require.Equal(t, most, earlier[a])
		}
	}
}

// A replica that has every write up to a time shows the one that beats all others.
func TestAFrontShowsTheBestSoFar(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 4))
	for range 500 {
		var acts []act
		for range 1 + r.IntN(8) {
			start := int64(1 + r.IntN(9))
			a := act{start: start, end: start + int64(r.IntN(4))}
			switch r.IntN(6) {
			case 0:
				a.start = 0
			case 1:
				a.end = 0
			}
			acts = append(acts, a)
		}
		_, g := registerOf(acts, r.IntN(2) == 0, 0)
		for name, one := range map[string]struct {
			f    *front
			when func(w *write) int64
		}{
			"acked": {&g.fronts.acked, func(w *write) int64 { return w.endHi }}, "may be": {&g.fronts.mayBeAcked, func(w *write) int64 { return w.endLo }},
			"made": {&g.fronts.made, func(w *write) int64 { return w.made }},
		} {
			for at := int64(0); at < 16; at++ {
				best := int32(nothing)
				for i := range g.writes {
					if w := one.when(&g.writes[i]); i != nothing && w != ever && w != never && w < at && g.beats(int32(i), best) {
						best = int32(i)
					}
				}
				require.Equal(t, best, one.f.before(at), "%v: %s at %d", acts, name, at)
			}
			for i := 1; i < len(one.f.at); i++ {
				moved := int32(0)
				if one.f.best[i] != one.f.best[i-1] {
					moved = 1
				}
				require.Equal(t, moved, one.f.moved[i]-one.f.moved[i-1])
			}
		}
	}
}

// Of what began, ended, and was under way at some moment, times with fewer digits mean all that they may be.
func TestSpansAreAllThatTimesMayMean(t *testing.T) {
	const s = int64(1e9)
	for _, c := range []struct {
		start, end, at, within int64
		want                   span
	}{
		{0, 0, 0, 0, span{ever, never, ever, never}},
		{5*s + 1, 6*s + 1, 0, 0, span{5*s + 1, 5*s + 1, 6*s + 1, 6*s + 1}},
		{5*s + 1, 6*s + 1, 5*s + 9, 3, span{5*s + 1, 5*s + 1, 6*s + 1, 6*s + 1}}, // nothing is left to tell
		{5 * s, 6*s + 1e6, 0, 0, span{5 * s, 6*s - 1, 6*s + 1e6, 6*s + 2e6 - 1}},
		{5*s + 1e3, 0, 0, 0, span{5*s + 1e3, 5*s + 2e3 - 1, 5*s + 1e3, never}}, // it ended after it began
		{0, 6*s + 1, 0, 0, span{ever, 6*s + 1, 6*s + 1, 6*s + 1}},
		{0, 0, 5*s + 1, 0, span{ever, 5*s + 1, 5*s + 1, never}},
		{0, 0, 5 * s, 0, span{ever, 6*s - 1, 5 * s, never}},
		{0, 0, 5 * s, 7, span{ever, 6*s - 1, 5 * s, 6*s + 6}},
		{0, 0, 1, 0, span{ever, 1, 1, never}},
		{0, 0, 1, 1, span{ever, 1, 1, 2}},
		{1, 2, 0, 0, span{1, 1, 2, 2}},
		{0, 4*s + 1, 5*s + 1, 0, span{ever, 4*s + 1, 4*s + 1, 4*s + 1}}, // under way after it ended: the end is what it is
		{6*s + 1, 0, 5*s + 1, 0, span{6*s + 1, 6*s + 1, 6*s + 1, never}},
	} {
		got := spanOf(c.start, c.end, c.at, c.within)
		require.Equal(t, c.want, got, "%+v", c)
		require.Equal(t, c.want.startLo == c.want.startHi && c.want.endLo == c.want.endHi, got.exact(), "%+v", c)
	}
	for at, want := range map[int64]int64{1: 1, 1000: 1e3, 1001: 1, 3e6: 1e6, 3e6 + 1e3: 1e3, 7e9: 1e9, 7e9 + 1e6: 1e6} {
		require.Equal(t, want, step(at), at)
	}
	for _, c := range [][3]int64{
		{ever, 5, ever}, {never, -5, never}, {1, 2, 3}, {1, -2, -1}, {1, 0, 1},
		{never - 3, 2, never - 1}, {never - 3, 3, never - 1}, {never - 1, 0, never - 1}, {never - 1, never, never - 1},
		{ever + 3, -2, ever + 1}, {ever + 3, -3, ever + 1}, {ever + 1, -never, ever + 1},
	} {
		require.Equal(t, c[2], plus(c[0], c[1]), "%v", c)
	}
}

// A replica that has all writes at once shows, at each moment, the best so far: a read is behind by how long ago that first beat
// what it saw, and by how often it has changed since.
func TestBehindIsHowLongAgoWhatWasSeenWasReplaced(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 4))
	behind, several := 0, 0
	for range 3000 {
		var acts []act
		starts := r.Perm(20)
		for i := range 2 + r.IntN(7) {
			start := int64(1 + starts[i])
			a := act{start: start, end: start + int64(1+r.IntN(5)), want: "eventual", read: i > 0 && r.IntN(3) == 0}
			if a.deletes = !a.read && r.IntN(4) == 0; a.read {
				if a.saw = r.IntN(i + 1); a.saw > 0 && (acts[a.saw-1].read || acts[a.saw-1].deletes) {
					a.saw = 0
				}
				if r.IntN(4) == 0 {
					a.start, a.end, a.at = 0, 0, start
				}
			}
			acts = append(acts, a)
		}
		_, g := registerOf(acts, r.IntN(2) == 0, 0)
		shown := func(at int64) (best int32) {
			for i := range g.writes {
				if i != nothing && g.writes[i].made <= at && g.beats(int32(i), best) {
					best = int32(i)
				}
			}
			return best
		}
		for i := range g.reads {
			l := &g.reads[i]
			start := cmp.Or(l.Start, l.Time)
			least, versions := int64(never), int64(0)
			for _, a := range l.writes { // of those it may have seen, the one that makes it least late
				age, changes := int64(0), int64(0)
				for at := int64(1); at <= start; at++ {
					if shown(at) != shown(at-1) && g.beats(shown(at), a) {
						changes++
					}
					if age == 0 && changes > 0 && at >= g.writes[a].made { // nothing is late before it is made
						age = start - at
						if age == 0 {
							break
						}
					}
				}
				if age < least {
					least, versions = age, changes
				}
			}
			if least == 0 {
				versions = 0
			}
			require.Equal(t, []int64{least, versions}, []int64{int64(l.Age), l.Versions}, "%v: read %d", acts, i)
			if behind += min(1, int(versions)); versions > 0 && len(l.writes) > 1 {
				several++
			}
		}
	}
	require.Greater(t, behind, 300)
	require.Greater(t, several, 20)
}

// A write is made no earlier than its time, and than its caller called, and done when that had its answer: a time was taken for exact
// where nothing says when the answer came.
func TestAWriteIsMadeWhenItsRecordSays(t *testing.T) {
	const s = int64(1e9)
	for _, c := range []struct {
		start, end, at int64
		made, done     int64
	}{
		{s + 1, 2*s + 1, 0, s + 1, 2*s + 1},
		{s + 1, 2*s + 1, s + 7, s + 7, 2*s + 1},
		{s + 1, 2*s + 1, s - 7, s + 1, 2*s + 1},   // a time of another clock
		{s + 1, 2*s + 1, 3 * s, 2*s + 1, 2*s + 1}, // and another
		{s, 2 * s, 0, s, 3*s - 1},
		{1, 2, 0, 1, 2},
		{0, 0, s + 7, s + 7, never},
		{0, 0, s, s, never},
		{0, 0, 1, 1, never},
		{s + 1, 0, s + 1e6, s + 1e6, never},
		{0, 2*s + 1, s + 7, s + 7, 2*s + 1},
		{s + 1, 0, 0, s + 1, never},
		{0, 2*s + 1, 0, ever, 2*s + 1},
		{0, 0, 0, ever, never},
	} {
		_, g := registerOf([]act{{start: c.start, end: c.end, at: c.at}}, false, 0)
		require.Equal(t, []int64{c.made, c.done}, []int64{g.writes[1].made, g.writes[1].endHi}, "%+v", c)
	}
}

// Of more writes than are compared, without a time, nobody can tell whether a read missed one.
func TestTooManyWritesThatNothingPutsInOrder(t *testing.T) {
	for _, n := range []int{mostAtOnce - 1, mostAtOnce, mostAtOnce + 1} {
		for _, want := range []string{"quorum", "bounded:1s"} {
			acts := make([]act, n+2) // that have no time
			acts[n] = act{start: 100, end: 101}
			acts[n+1] = act{start: 200, end: 201, read: true, saw: n + 1, want: want}
			_, g := registerOf(acts, false, 0) // the one that is seen beats them all
			if n < mostAtOnce {
				require.Equal(t, Fine, g.reads[0].Outcome)
			} else {
				require.Equal(t, TooMany, g.reads[0].Reason, "%d, %s", n, want)
			}
		}
	}
	for _, n := range []int{mostAtOnce - 10, mostAtOnce + 10} {
		var acts []act
		for range n { // under way as long as what is seen, which beats them all
			acts = append(acts, act{start: 100, end: 300})
		}
		acts = append(acts, act{start: 150, end: 160}, act{start: 400, end: 401, read: true, saw: n + 1})
		for i := range n { // and seen to be in place by then
			acts = append(acts, act{start: 301, end: 302, read: true, saw: i + 1})
		}
		_, g := registerOf(acts, false, 0)
		if n < mostAtOnce {
			require.Equal(t, Fine, g.reads[0].Outcome)
		} else {
			require.Equal(t, TooMany, g.reads[0].Reason)
		}
	}
}
