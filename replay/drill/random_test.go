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
	fmt.Fprintf(&b, "seed %d\nregion a = a\nregion b = b\nregion c = c\n", r.IntN(1000))
	fmt.Fprintf(&b, "link %s %s\nlink * %s\n", one("a b", "b > c", "c"), quality(), quality())
	fmt.Fprintf(&b, "class critical = ref/* reads %s writes %s\n", one("local", "quorum", "all", "bounded 5ms",
		"session"), one("local", "quorum", "2 of 3", "all"))
	fmt.Fprintf(&b, "class rest = * critical reads %s writes local\nclocks %s\nleader x\nstuck after 20ms\n",
		one("local", "session"), one("hybrid", "recorded"))
	if r.IntN(4) == 0 {
		fmt.Fprintf(&b, "load %s from 00:00:00 for 1h\n", one("x2", "x0.5", "x3 cnt/*", "faster x2"))
	}
	if r.IntN(4) == 0 {
		b.WriteString("probe * in * after 5ms\n")
	}
	for range r.IntN(6) {
		fmt.Fprintf(&b, "at 00:00:00.%03d %s\n", r.IntN(70), one("cut a", "cut b c", "cut c > a", "cut b for 20ms",
			"heal", "heal a", "stop a", "stop b for 9ms", "start a",
			"restart a from backup 00:00:00", "restart c from backup 00:00:00", "skew a +300ms for 9ms", "skew b -20ms", "drift c +100ms/s", "freeze critical for 5ms", "freeze rest",
			"thaw rest", "table other", "link a b 20ms for 30ms", "link * "+quality()+" for 20ms", "check lost == 0 else rollback heal", `step "look" owner "me" handoff`))
	}
	b.WriteString("check refused <= 2 else rollback heal\ncheck stale <= 1 else rollback freeze rest for 3ms\n")
	b.WriteString("at 00:00:00.200 heal\nat 00:00:00.200 start a\nat 00:00:00.200 start b\nat 00:00:00.200 thaw rest\nwithin 30s of heal: converged\n")
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
	for seed := *firstSeed; seed < *firstSeed+uint64(runs); seed++ {
		r := rand.New(rand.NewPCG(seed, 4))
		text := randomScript(r)
		s, err := ParseScript("s", []byte(text))
		require.NoError(t, err, "seed %d", seed)
		traffic := traffics[r.IntN(len(traffics))]
		w, err := newWorld(s, table, traffic, &opt)
		require.NoError(t, err)
		w.run()
		res := w.result(table)
		fail := func(what string) string { return fmt.Sprintf("seed %d: %s\n%s", seed, what, text) }
		if !res.Converged || res.Apart != 0 {
			require.Fail(t, fail(fmt.Sprintf("converged %t, %d apart", res.Converged, res.Apart)))
		}
		state := merge.NewState(w.table)
		counted := map[status]int64{}
		for i := range w.plays {
			counted[w.plays[i].status]++
			if w.plays[i].status == isAccepted {
				_, err := state.Apply(w.ops[i])
				require.NoError(t, err)
			}
		}
		if counted[isAccepted]+counted[isVanished] != res.Totals[Writes] || counted[notYet]+counted[isWaiting] != 0 ||
			counted[isRefused] != res.Totals[Refused]+res.Waiting || counted[isUnavailable] != res.Totals[Unavailable] {
			require.Fail(t, fail(fmt.Sprint("not all writes are accounted for: ", counted, res.Totals)))
		}
		cells := 0
		for key, c := range state.Cells() {
			for i := range w.cellKey {
				if traffic.keys[w.cellKey[i]] != key || w.cellName[i] != c.Name {
					continue
				}
				cells++
				if !c.Equal(*w.cell(int32(i), 0)) || !c.Equal(*w.cell(int32(i), all)) {
					require.Fail(t, fail(key+" is not the plain fold"))
				}
			}
		}
		for i := range w.cellKey {
			if w.cell(int32(i), all).Rule() != nil {
				cells--
			}
		}
		require.Zero(t, cells, fail("cells"))
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
