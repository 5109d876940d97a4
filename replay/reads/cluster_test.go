package reads_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// The times of a cluster are of these: odd nanoseconds of one day, so that no digit looks cut off.
const noon = int64(1_779_278_400_000_000_000)

// cluster is a register per key that is one copy, what it did, and what each read is by construction.
type cluster struct {
	*rand.Rand
	lines []string
	truth map[int]string // by line from 1: an outcome, or a reason why nobody can tell
	seq   map[string]int
}

// commit is one write: it took effect at one moment of its interval.
type commit struct {
	id               string
	start, took, end int64
}

func odd(at int64) int64 { return at | 1 }

func (c *cluster) line(truth string, format string, args ...any) {
	c.lines = append(c.lines, fmt.Sprintf(format, args...))
	if truth != "" {
		c.truth[len(c.lines)] = truth
	}
}

// writes makes writes to a key by three nodes, some of them at once, in the order in which they took effect.
func (c *cluster) writes(key string, n int, gap time.Duration) []commit {
	var list []commit
	took := noon
	for range n {
		took += 1 + c.Int64N(2*int64(gap))
		list = append(list, commit{start: odd(took - c.Int64N(int64(gap))), took: took, end: odd(took + 2 + c.Int64N(int64(gap)))})
	}
	for i := range list {
		node := []string{"us", "eu", "ap"}[c.IntN(3)]
		c.seq[node]++
		w := &list[i]
		w.id = fmt.Sprintf("%s:%d", node, c.seq[node])
		c.line("", `{"key":%q,"field":"f","value":%d,"node":%q,"version":%d,"time":%d,"id":%q,"start":%d,"end":%d}`,
			key, i, node, i+1, odd(w.took), w.id, w.start, w.end)
	}
	return list
}

// latest returns the number of writes that had taken effect by a moment.
func latest(list []commit, at int64) int {
	n, _ := slices.BinarySearchFunc(list, at, func(w commit, t int64) int { return cmp.Compare(w.took, t+1) })
	return n
}

func (c *cluster) read(truth, key, want, session string, saw int, list []commit, start, end int64) {
	id := "null"
	if saw > 0 {
		id = fmt.Sprintf("%q", list[saw-1].id)
	}
	more := ""
	if session != "" {
		more = fmt.Sprintf(`,"session":%q`, session)
	}
	c.line(truth, `{"key":%q,"op":"read","field":"f","want":%q,"saw":%s,"start":%d,"end":%d%s}`, key, want, id, start, end, more)
}

// missing returns the number of a write, or 0 for nothing, of which it is certain that another one replaced it before a moment; -1
// when there is none.
func (c *cluster) missing(list []commit, before int64) int {
	var old []int
	for i := range len(list) + 1 {
		end := int64(0)
		if i > 0 {
			end = list[i-1].end
		}
		for _, w := range list[i:] {
			if end < w.start && w.end < before {
				old = append(old, i)
				break
			}
		}
	}
	if len(old) == 0 {
		return -1
	}
	return old[c.IntN(len(old))]
}

const gap = 100 * time.Millisecond

// atRandom makes a history with reads of every level, some of which are stale on purpose.
func atRandom(seed uint64, planted bool) *cluster {
	c := &cluster{Rand: rand.New(rand.NewPCG(seed, 7)), truth: make(map[int]string), seq: make(map[string]int)}
	const bound = 3 * gap
	for k := range 3 {
		for _, level := range []string{"strong", "quorum", "bounded:300ms", "session", "eventual"} {
			key := fmt.Sprintf("%s/%d", level, k)
			list := c.writes(key, 1+c.IntN(20), gap)
			last := list[len(list)-1].end + int64(gap)
			at := noon
			shown, session := 0, 0
			for at < last {
				at += 1 + c.Int64N(int64(gap))
				start := odd(at)
				took := start + c.Int64N(int64(gap))
				end := odd(took + 2)
				plant := planted && c.IntN(5) == 0
				saw, truth := latest(list, took), "fine"
				switch level {
				case "bounded:300ms":
					// The replica is behind, and not by more than the bound, however long before it was acknowledged a write was made.
					saw = latest(list, start-c.Int64N(int64(bound-2*gap)))
					if plant {
						if old := c.missing(list, start-int64(bound)-2*int64(gap)); old >= 0 {
							saw, truth = old, "stale"
						}
					}
				case "session":
					if saw = max(shown, latest(list, start-c.Int64N(int64(10*gap)))); plant && shown > 0 && session > 0 {
						c.read("stale", key, level, fmt.Sprint("s", k), c.IntN(shown), list, start, end)
						continue
					}
					shown, session = saw, session+1
					c.read(truth, key, level, fmt.Sprint("s", k), saw, list, start, end)
					at = end
					continue
				case "eventual":
					saw = c.IntN(latest(list, took) + 1)
				default:
					if old := c.missing(list, start); plant && old >= 0 {
						saw, truth = old, "stale"
					}
				}
				c.read(truth, key, level, "", saw, list, start, end)
			}
		}
	}
	if planted {
		c.untold()
	}
	return c
}

// untold adds reads of which nobody can tell.
func (c *cluster) untold() {
	at := func(ms int64) int64 { return odd(noon + ms*1e6) }
	c.line("", `{"key":"u/1","value":1,"node":"us","time":%d,"id":"u1","start":%d,"end":%d}`, at(1), at(0), at(2))
	c.line("", `{"key":"u/1","value":2,"node":"eu","time":%d,"id":"u2"}`, at(10))
	c.line("not_acknowledged", `{"key":"u/1","op":"read","want":"strong","saw":"u1","start":%d,"end":%d}`, at(20), at(21))
	c.line("not_acknowledged", `{"key":"u/1","op":"read","want":"quorum","saw":"u1","start":%d,"end":%d}`, at(20), at(21))
	c.line("fine", `{"key":"u/1","op":"read","want":"strong","saw":"u2","start":%d,"end":%d}`, at(30), at(31))
	c.line("stale", `{"key":"u/1","op":"read","want":"strong","saw":"u1","start":%d,"end":%d}`, at(40), at(41)) // for another had seen it
	c.line("no_start", `{"key":"u/1","op":"read","want":"strong","saw":"u1"}`)
	c.line("no_saw", `{"key":"u/1","op":"read","want":"strong","start":%d}`, at(50))
	c.line("unknown_write", `{"key":"u/1","op":"read","want":"strong","saw":"u9","start":%d}`, at(50))
	c.line("no_session", `{"key":"u/1","op":"read","want":"session","saw":"u1","start":%d}`, at(50))
	c.line("not_acknowledged", `{"key":"u/1","op":"read","want":"bounded:5ms","saw":"u1","start":%d,"end":%d}`, at(40), at(41))
	c.line("fine", `{"key":"u/1","op":"read","want":"bounded:5ms","saw":"u1","start":%d,"end":%d}`, at(14), at(15)) // it was made 4ms before

	// Context puts writes in order where no clock does: us:2 has no interval, and eu:2, which had seen it, was acknowledged.
	c.line("", `{"key":"u/2","value":1,"node":"n1","id":"n1:1"}`)
	c.line("", `{"key":"u/2","value":2,"node":"n2","id":"n2:1","seen":["n1:1"],"start":%d,"end":%d}`, at(5), at(6))
	c.line("stale", `{"key":"u/2","op":"read","want":"strong","saw":"n1:1","start":%d,"end":%d}`, at(7), at(8))
	c.line("no_time", `{"key":"u/2","op":"read","want":"strong","saw":"n2:1","start":%d,"end":%d}`, at(7), at(8))
	c.line("", `{"key":"u/2","value":2,"node":"n3","id":"n3:1","seen":[]}`)

	// What wrote another field had seen it, and was acknowledged.
	c.line("", `{"key":"u/4","field":"a","value":1,"node":"us","version":1,"id":"m1","start":%d,"end":%d}`, at(1), at(2))
	c.line("", `{"key":"u/4","field":"a","value":2,"node":"eu","version":2,"id":"m2","seen":["m1"]}`)
	c.line("", `{"key":"u/4","field":"b","value":1,"node":"ap","id":"n1","seen":["m2"],"start":%d,"end":%d}`, at(5), at(6))
	c.line("stale", `{"key":"u/4","op":"read","field":"a","want":"strong","saw":"m1","start":%d,"end":%d}`, at(7), at(8))
	c.line("no_time", `{"key":"u/4","op":"read","field":"a","want":"quorum","saw":"m1","start":%d,"end":%d}`, at(7), at(8))

	// A field, and a write that did not change it.
	c.line("", `{"key":"u/3","field":"a","value":1,"node":"us","id":"a1","start":%d,"end":%d}`, at(1), at(2))
	c.line("", `{"key":"u/3","field":"b","value":1,"node":"us","id":"b1","start":%d,"end":%d}`, at(3), at(4))
	c.line("fine", `{"key":"u/3","op":"read","field":"a","want":"strong","saw":"a1","start":%d,"end":%d}`, at(7), at(8))
	c.line("stale", `{"key":"u/3","op":"read","want":"strong","saw":"a1","start":%d,"end":%d}`, at(7), at(8))
	c.line("other_field", `{"key":"u/3","op":"read","field":"a","want":"strong","saw":"b1","start":%d,"end":%d}`, at(7), at(8))
	c.line("stale", `{"key":"u/3","op":"read","field":"a","want":"strong","saw":null,"start":%d,"end":%d}`, at(7), at(8))
}

var byVersion = merge.MustParseTable("* * lww")

func judged(t testing.TB, c *cluster, opt reads.Options, workers int) (*reads.Report, map[int]string) {
	got := make(map[int]string)
	opt.Each = func(_, _ string, place finding.Place, v reads.Verdict) {
		got[int(place.Line)] = string(v.Outcome)
		if v.Outcome == reads.CannotTell {
			got[int(place.Line)] = string(v.Reason)
		}
	}
	r := report(t, c, opt, workers, 0)
	return r, got
}

func report(t testing.TB, c *cluster, opt reads.Options, workers int, memory int64) *reads.Report {
	source := history.Reader("h", strings.NewReader(strings.Join(c.lines, "\n")))
	h, err := replay.Collect([]history.Source{source}, history.Options{Reads: true, Workers: workers, Memory: memory})
	require.NoError(t, err)
	defer h.Close()
	for _, in := range h.Inputs() {
		require.Zero(t, in.SetAside, "%v", in.Codes)
	}
	opt.Workers = workers
	r, err := reads.Check(h, byVersion, opt)
	require.NoError(t, err)
	return r
}

// TestPlantedStaleReadsAreFoundAndNoOthers has what each read is from how it was made.
func TestPlantedStaleReadsAreFoundAndNoOthers(t *testing.T) {
	for seed := range uint64(60) {
		for _, planted := range []bool{false, true} {
			c := atRandom(seed, planted)
			r, got := judged(t, c, reads.Options{}, 1)
			for _, line := range slices.Sorted(maps.Keys(c.truth)) {
				if c.truth[line] != got[line] {
					t.Fatalf("seed %d, line %d is %q and judged %q: %s\n%s", seed, line, c.truth[line], got[line], c.lines[line-1], about(c, line))
				}
			}
			require.Len(t, got, len(c.truth))
			stale, untold := r.Sum()
			if !planted {
				require.Zero(t, stale+untold, "seed %d", seed)
				require.Zero(t, r.Registers.NoOrder+r.Registers.TooHard, "seed %d", seed)
			}
		}
	}
}

// about returns the lines of the key that a line is of.
func about(c *cluster, line int) string {
	key, _, _ := strings.Cut(c.lines[line-1], ",")
	var b strings.Builder
	for i, l := range c.lines {
		if strings.HasPrefix(l, key+",") {
			fmt.Fprintf(&b, "%d %s\n", i+1, l)
		}
	}
	return b.String()
}

// With the least memory keys are split and left out, as many with any number of workers; with little, none is left out.
func TestReportDependsOnNeitherWorkersNorMemory(t *testing.T) {
	c := atRandom(1, true)
	at := func(ms int) int64 { return odd(noon + int64(ms)*1e6) }
	for k := range 40 { // what few keys have: sessions that write what loses, lone answers to quorum reads, and clocks that contradict
		c.line("", `{"key":"s/%d","value":1,"node":"us","version":5,"id":"s%d-1","session":"s","start":%d,"end":%d}`, k, k, at(1), at(2))
		c.line("", `{"key":"s/%d","value":2,"node":"eu","version":4,"id":"s%d-2","session":"s","start":%d,"end":%d}`, k, k, at(3), at(4))
		c.line("", `{"key":"s/%d","op":"read","saw":"s%d-1","start":%d,"session":"s"}`, k, k, at(5))
		c.line("", `{"key":"s/%d","op":"read","want":"quorum","saw":null,"start":%d,"served_by":"us"}`, k, at(5))
		c.line("", `{"key":"s/%d","op":"read","want":"quorum","saw":null,"start":%d,"served_by":"eu,us,ap"}`, k, at(5))
		c.line("", `{"key":"t/%d","value":1,"node":"us","version":5,"id":"t%d-1","start":%d,"end":%d}`, k, k, at(100+k), at(150+k))
		c.line("", `{"key":"t/%d","op":"read","want":"strong","saw":"t%d-1","start":%d,"end":%d}`, k, k, at(1), at(99))
	}
	var whole, few []byte
	for _, memory := range []int64{0, -1, 1 << 20, 1 << 10} {
		for _, workers := range []int{1, 2, 7} {
			text, err := json.Marshal(report(t, c, reads.Options{}, workers, memory))
			require.NoError(t, err)
			want := &whole
			if memory == 1<<10 {
				want = &few
			}
			if *want == nil {
				*want = text
			}
			require.Equal(t, string(*want), string(text), "memory %d, %d workers", memory, workers)
		}
	}
	require.NotContains(t, string(whole), `"beyond_limit"`)
	var r reads.Report
	require.NoError(t, json.Unmarshal(whole, &r))
	require.EqualValues(t, 40, r.Sessions.OutOfOrder)
	require.EqualValues(t, 40, r.Alone)
	require.Equal(t, 40*time.Millisecond, r.Contradict.Round(time.Millisecond))
	require.Contains(t, string(few), `"reason":"beyond_limit"`)
}

// TestSkewTurnsStaleIntoCannotTell holds verdicts to what clocks allow: within the tolerance nobody can tell, beyond it the
// verdict stands.
func TestSkewTurnsStaleIntoCannotTell(t *testing.T) {
	c := &cluster{truth: make(map[int]string), seq: make(map[string]int)}
	at := func(ms int64) int64 { return odd(noon + ms*1e6) }
	c.line("", `{"key":"k","value":1,"node":"us","version":1,"id":"a","start":%d,"end":%d}`, at(0), at(1))
	c.line("", `{"key":"k","value":2,"node":"us","version":2,"id":"b","start":%d,"end":%d}`, at(1000), at(1001))
	for _, want := range []string{"strong", "quorum", "bounded:1ms"} {
		c.line("near", `{"key":"k","op":"read","want":%q,"saw":"a","start":%d,"end":%d}`, want, at(1051), at(1052))
		c.line("far", `{"key":"k","op":"read","want":%q,"saw":"a","start":%d,"end":%d}`, want, at(2000), at(2001))
		c.line("new", `{"key":"k","op":"read","want":%q,"saw":"b","start":%d,"end":%d}`, want, at(2000), at(2001))
	}
	for skew, near := range map[time.Duration]string{0: "stale", 40 * time.Millisecond: "stale", 60 * time.Millisecond: "within_skew"} {
		_, got := judged(t, c, reads.Options{Skew: skew}, 1)
		for line, kind := range c.truth {
			want := map[string]string{"near": near, "far": "stale", "new": "fine"}[kind]
			require.Equal(t, want, got[line], "skew %s: %s", skew, c.lines[line-1])
		}
	}
}

// TestReadThatEndedBeforeItsWriteBeganShowsTheSkew: nothing closer than that is then told.
func TestReadThatEndedBeforeItsWriteBeganShowsTheSkew(t *testing.T) {
	c := &cluster{truth: make(map[int]string)}
	at := func(ms int64) int64 { return odd(noon + ms*1e6) }
	c.line("", `{"key":"k","value":1,"node":"us","version":1,"id":"a","start":%d,"end":%d}`, at(0), at(1))
	c.line("", `{"key":"k","value":2,"node":"us","version":2,"id":"b","start":%d,"end":%d}`, at(1000), at(1001))
	c.line("", `{"key":"k","op":"read","want":"strong","saw":"b","start":%d,"end":%d}`, at(898), at(900))
	c.line("", `{"key":"k","op":"read","want":"strong","saw":"a","start":%d,"end":%d}`, at(1050), at(1052))
	r := report(t, c, reads.Options{}, 1, 0)
	require.Equal(t, 100*time.Millisecond, r.Contradict)
	require.Equal(t, r.Contradict, r.Skew)
	require.Equal(t, []reads.LevelSum{{Level: "strong", Reads: 2, Fine: 1, CannotTell: 1}}, r.Levels)
}
