package drill

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
)

var (
	drills    = flag.Int("drills", 10_000, "how many random drills to run")
	firstSeed = flag.Uint64("first", 0, "the seed of the first random drill")
)

// randomScript is any script, but that everything is healed, started and thawed in the end.
func randomScript(r *rand.Rand) string {
	var b strings.Builder
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	quality := func() string {
		q := fmt.Sprintf("%dms +-%dms", 3+r.IntN(9), r.IntN(4))
		for _, w := range []string{"loss 20%", "duplicate 30%", "reorder 30%", "bandwidth 200/s", "bandwidth 20kB/s",
			"queue 3 throttle", "queue 4 refuse"} {
			if r.IntN(6) == 0 {
				q += " " + w
			}
		}
		return strings.Replace(q, "bandwidth 200/s bandwidth 20kB/s", "bandwidth 200/s", 1)
	}
	// Three regions of one node each, or two of which one has two nodes with replicas of their own.
	a, places := "a", "region a = a\nregion b = b\nregion c = c\n"
	ends := one("a b", "b > c", "c")
	if r.IntN(3) == 0 {
		a, ends = "ab", one("ab > c", "c > ab")
		places = fmt.Sprintf("region ab = a b apart %dms\nregion c = c\n", r.IntN(4))
	}
	cuts := []string{"cut " + a, "cut c > " + a, "cut " + a + " c for 20ms", "heal", "heal " + a, "skew " + a + " +300ms for 9ms",
		"skew c -20ms", "drift c +100ms/s", "link " + a + " c 20ms for 30ms", "restart " + a + " from backup 00:00:00"}
	if a == "a" {
		cuts = append(cuts, "cut b for 20ms", "cut b c")
	}
	fmt.Fprintf(&b, "seed %d\n%slink %s %s\nlink * %s\n", r.IntN(1000), places, ends, quality(), quality())
	fmt.Fprintf(&b, "class critical = ref/* reads %s writes %s\n", one("local", "quorum", "quorum", "all", "bounded 5ms",
		"session"), one("local", "quorum", "quorum", "all"))
	fmt.Fprintf(&b, "class rest = * critical reads %s writes local\nclocks %s\nleader x\nstuck after 20ms\ntimeout after %dms\n",
		one("local", "session"), one("hybrid", "recorded"), 20+r.IntN(40))
	if r.IntN(4) == 0 {
		fmt.Fprintf(&b, "load %s from 00:00:00 for 1h\n", one("x2", "x0.5", "x3 cnt/*", "faster x2"))
	}
	if r.IntN(4) == 0 {
		b.WriteString("probe * in * after 5ms\n")
	}
	for range r.IntN(6) {
		fmt.Fprintf(&b, "at 00:00:00.%03d %s\n", 10+r.IntN(60), one(append(cuts, cuts[r.IntN(len(cuts))], cuts[r.IntN(len(cuts))],
			"stop a", "stop b for 9ms", "start a", "restart c from backup 00:00:00", "restart b from backup 00:00:00.010",
			"freeze critical for 5ms", "freeze rest", "thaw rest", "table other", "table other in a", "table other in b", "table other in c",
			"link * "+quality()+" for 20ms", "check lost == 0 else rollback heal", "check stuck == 0 else rollback table other in c",
			`step "look" owner "me" handoff`)...))
	}
	b.WriteString("check refused <= 2 else rollback heal\ncheck stale <= 1 else rollback freeze rest for 3ms\n")
	b.WriteString("at 00:00:00.200 heal\nat 00:00:00.200 start a\nat 00:00:00.200 start b\nat 00:00:00.200 thaw rest\nwithin 30s of heal: converged\n")
	if strings.Contains(b.String(), "table") {
		b.WriteString("at 00:00:00.300 table other\n")
	}
	return b.String()
}

// After healing and exchanging everything all regions are equal, and equal to the plain fold of what was accepted; every
// write is accounted for; and a drill is the same drill when it is run again.
func TestRandomDrillsConvergeToThePlainFold(t *testing.T) {
	runs := *drills
	if testing.Short() {
		runs /= 10
	}
	t.Logf("seeds %d to %d; again with -run RandomDrills -first SEED -drills 1", *firstSeed, *firstSeed+uint64(runs)-1)
	table, other := merge.MustParseTable(oracleTable), merge.MustParseTable(strings.Replace(oracleTable, "* * lww", "* * fww", 1))
	opt := Options{Tables: map[string]*merge.Table{"other": other}}
	var traffics []*Traffic
	for i := range uint64(40) {
		traffics = append(traffics, trafficOf(t, oracleHistory(rand.New(rand.NewPCG(i, 3)), 12)))
	}
	saw := map[Measure]int{}
	overlapping := 0
	asks := func(level string) bool { return strings.Contains(level, " of ") }
	for seed := *firstSeed; seed < *firstSeed+uint64(runs); seed++ {
		r := rand.New(rand.NewPCG(seed, 4))
		text := randomScript(r)
		s, err := ParseScript("s", []byte(text))
		require.NoError(t, err, "seed %d", seed)
		traffic := traffics[r.IntN(len(traffics))]
		w, err := newWorld(s, table, traffic, &opt)
		require.NoError(t, err)
		w.run()
		res := w.result(table, nil)
		fail := func(what string) string { return fmt.Sprintf("seed %d: %s\n%s", seed, what, text) }
		if !res.Converged || res.Mixed || res.Apart != 0 {
			require.Fail(t, fail(fmt.Sprintf("converged %t, %d apart", res.Converged, res.Apart)))
		}
		state := merge.NewState(w.view.table)
		counted := map[status]int64{}
		for i := range w.plays {
			counted[w.plays[i].status]++
			if w.plays[i].status == isAccepted {
				_, err := state.Apply(*w.op(int32(i)))
				require.NoError(t, err)
			}
		}
		if counted[isAccepted]+counted[isVanished] != res.Totals[Writes] || counted[notYet]+counted[isWaiting] != 0 ||
			counted[isRefused] != res.Totals[Refused]+res.Waiting || counted[isUnavailable] != res.Totals[Unavailable] {
			require.Fail(t, fail(fmt.Sprint("not all writes are accounted for: ", counted, res.Totals)))
		}
		cells := 0
		for key, c := range state.Cells() {
			for i := range w.view.cells {
				if traffic.keys[w.view.cells[i].key] != key || w.view.cells[i].name != c.Name {
					continue
				}
				cells++
				if !c.Equal(w.view.cell(int32(i), 0)) || !c.Equal(w.view.cell(int32(i), 1)) || !c.Equal(w.view.cell(int32(i), all)) {
					require.Fail(t, fail(key+" is not the plain fold"))
				}
			}
		}
		for i := range w.view.cells {
			if *w.view.slot(int32(i), all) != 0 {
				cells--
			}
		}
		require.Zero(t, cells, fail("cells"))
		critical := res.Classes[0]
		if asks(critical.Reads) && asks(critical.Writes) && !strings.Contains(text, "restart") {
			overlapping++
			if critical.Counts[Stale] > 0 {
				require.Fail(t, fail("a quorum of readers missed what a quorum of writers has"))
			}
		}
		lost := int64(0)
		for _, g := range res.Regions {
			lost += g.Lost
		}
		require.Equal(t, res.Totals[Lost], lost, fail("what is lost is named"))
		for m, n := range res.Totals {
			if n > 0 {
				saw[m]++
			}
		}
		if seed%97 == 0 {
			again, err := Run(s, table, traffic, opt)
			require.NoError(t, err)
			var a, b bytes.Buffer
			require.NoError(t, JSON(&a, res))
			require.NoError(t, JSON(&b, again))
			require.Equal(t, a.String(), b.String(), fail("run again"))
		}
	}
	if runs >= 1000 {
		require.NotZero(t, overlapping)
		for _, m := range measures {
			require.NotZero(t, saw[m], "no drill ever saw %s", m)
		}
	}
}

func FuzzParseScript(f *testing.F) {
	f.Add("region a = a\nlink * 1ms\n")
	f.Add(randomScript(rand.New(rand.NewPCG(1, 1))))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScript("s", []byte(text))
		if err != nil {
			require.Nil(t, s)
			return
		}
		// What parses says itself again, step by step.
		for _, st := range s.Steps {
			require.NotEmpty(t, st.Do.String())
		}
		again, err := ParseScript("s", []byte(strings.Join(s.Lines(), "\n")))
		require.NoError(t, err)
		require.Equal(t, s.Fingerprint(), again.Fingerprint())
	})
}

// The search for the limit folds nothing: the traffic must be the same without.
func TestTrafficDoesNotDependOnTheFold(t *testing.T) {
	table := merge.MustParseTable(oracleTable)
	opt := Options{Tables: map[string]*merge.Table{"other": merge.MustParseTable(otherTable)}}
	compared := 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 4))
		text := randomScript(r)
		s := MustParseScript(text)
		if s.folds() {
			continue
		}
		compared++
		traffic := trafficOf(t, oracleHistory(rand.New(rand.NewPCG(seed, 3)), 12))
		var totals [2]map[Measure]int64
		for i, light := range []bool{false, true} {
			opt.light = light
			w, err := newWorld(s, table, traffic, &opt)
			require.NoError(t, err)
			w.run()
			w.total[backlogIndex] = w.peak()
			totals[i] = counts(&w.total)
			for _, m := range []Measure{Lost, Undecided, Hidden} {
				delete(totals[i], m)
			}
		}
		require.Equal(t, totals[0], totals[1], "seed %d\n%s", seed, text)
	}
	require.Greater(t, compared, 500)
}
