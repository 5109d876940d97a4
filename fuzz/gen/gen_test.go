package gen_test

import (
	"fmt"
	"maps"
	"math/rand"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/fuzz/gen"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// everyRule has a line for each rule that a table can name.
var everyRule = func() *merge.Table {
	text := "nodes ap < eu < us\n"
	for _, rule := range merge.RuleNames() {
		argument := map[string]string{"highest": " rev", "prefer": ` "in transit" > 2 > open`, "prefer-node": " eu > us"}[rule]
		text += rule + "/* * " + rule + argument + "\n"
	}
	return merge.MustParseTable(text + "together/* street,city,zip lww together\n* * lww")
}()

// samples returns n values of a generator, the same ones every time.
func samples[T any](generator gopter.Gen, n int) []T {
	params := gopter.DefaultGenParameters()
	params.Rng = rand.New(rand.NewSource(1))
	all := make([]T, n)
	for i := range all {
		all[i] = generator(params).Result.(T)
	}
	return all
}

// histories under everyRule, made once for all tests.
var histories = sync.OnceValue(func() []gen.History {
	return samples[gen.History](gen.Histories(everyRule, gen.Shape{}), 2000)
})

func TestEveryRuleConvergesOnGeneratedHistories(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(20260520)
	parameters.MinSuccessfulTests = 500
	properties := gopter.NewProperties(parameters)
	properties.Property("replicas that got everything agree", prop.ForAll(func(h gen.History) bool {
		replicas := make([]*merge.State, 4) // the last one only reads
		for i := range replicas {
			replicas[i] = merge.NewState(everyRule)
		}
		for _, a := range h.Arrivals(4) {
			if _, err := replicas[a.To].Apply(h.Ops[a.Write]); err != nil {
				return false
			}
		}
		first := shown(replicas[0])
		return !slices.ContainsFunc(replicas, func(s *merge.State) bool { return !maps.Equal(first, shown(s)) })
	}, gen.Histories(everyRule, gen.Shape{})))
	properties.TestingRun(t, gopter.NewFormatedReporter(false, 1000, os.Stdout))
}

func TestWhatWasSeenIsTrue(t *testing.T) {
	for _, h := range histories() {
		var before clock.Vector
		seenBy := make(map[clock.Dot]clock.Vector)
		for _, op := range h.Ops {
			assert.Equal(t, op.Dot.Node, op.Stamp.Node)
			assert.Equal(t, before.Prefix(op.Dot.Node)+1, op.Dot.Seq, "dots of a node have no holes")
			assert.Equal(t, op.Dot.Seq-1, op.Seen.Prefix(op.Dot.Node), "a node has seen all its own writes")
			require.True(t, before.Covers(op.Seen), "nobody sees what has not been written")
			for node, run := range op.Seen.Runs() {
				for seq := uint64(1); seq <= run.Last; seq++ {
					require.True(t, op.Seen.Covers(seenBy[clock.Dot{Node: node, Seq: seq}]), "what the seen had seen is seen: %s", h)
				}
			}
			before.Add(op.Dot)
			seenBy[op.Dot] = op.Seen
		}
	}
}

// What a rule can't use would test nothing: no write is without effect for want of a before-image, or takes from what only
// grows.
func TestWritesSuitTheirRule(t *testing.T) {
	kinds := make(map[string]map[string]bool)
	for _, h := range histories() {
		s := merge.NewState(everyRule)
		for _, op := range h.Ops {
			verdicts, err := s.Apply(op)
			require.NoError(t, err)
			kind := op.Kind.String()
			if op.WholeDelete() {
				kind = "erase"
			}
			for _, v := range verdicts {
				require.False(t, v.Missing || v.NotMonotonic, "%+v", op)
				if kinds[v.Rule.Name] == nil {
					kinds[v.Rule.Name] = make(map[string]bool)
				}
				kinds[v.Rule.Name][kind] = true
			}
		}
	}
	var got []string
	for _, rule := range merge.RuleNames() {
		got = append(got, rule+": "+strings.Join(slices.Sorted(maps.Keys(kinds[rule])), " "))
	}
	assert.Equal(t, `lww: delete erase set
fww: delete erase set
max: delete erase set
min: delete erase set
counter: add delete erase set
grow-only: insert set
union: delete erase set
add-wins: delete erase insert remove set
remove-wins: delete erase insert remove set
enable-wins: delete erase set
disable-wins: delete erase set
keep-all: delete erase set
highest: delete erase set
prefer: delete erase set
prefer-node: delete erase set
delete-wins: delete erase set
update-wins: delete erase set
append: delete erase set
refuse: delete erase set`, strings.Join(got, "\n"))
}

func TestBeforeImagesAreWhatTheWriterReads(t *testing.T) {
	images := 0
	for _, h := range histories() {
		for i, op := range h.Ops {
			if op.Kind != merge.Set || op.Fields[0].Before.IsAbsent() {
				continue
			}
			s := merge.NewState(everyRule)
			for _, earlier := range h.Ops[:i] {
				if op.Seen.Has(earlier.Dot) {
					_, err := s.Apply(earlier)
					require.NoError(t, err)
				}
			}
			want := s.Get(op.Key, op.Fields[0].Name)
			if want.IsAbsent() {
				want = value.Null
			}
			require.Equal(t, want, op.Fields[0].Before)
			images++
		}
	}
	assert.Greater(t, images, 100)
}

func TestValuesOfPreferAreThoseOnItsListAndOneMore(t *testing.T) {
	found := make(map[value.Value]bool)
	for _, h := range histories() {
		for _, op := range h.Ops {
			if strings.HasPrefix(op.Key, "prefer/") && op.Kind == merge.Set {
				found[op.Fields[0].Value] = true
			}
		}
	}
	assert.Equal(t, map[value.Value]bool{`"in transit"`: true, "2": true, `"open"`: true, `"other"`: true}, found)
}

func TestFieldsDecidedTogetherAreWrittenTogether(t *testing.T) {
	for _, h := range histories() {
		for _, op := range h.Ops {
			if strings.HasPrefix(op.Key, "together/") && op.Kind == merge.Set && everyRule.Rule(op.Key, op.Fields[0].Name).Together {
				require.Len(t, op.Fields, 3)
				require.NotEqual(t, op.Fields[0].Value, op.Fields[1].Value)
			}
			if strings.HasPrefix(op.Key, "highest/") && op.Kind == merge.Set {
				require.Contains(t, fmt.Sprint(op.Fields), "rev")
			}
		}
	}
}

func TestTiesAndConflictsAreCommon(t *testing.T) {
	pairs, conflicts, ties, inversions := 0, 0, 0, 0
	ladder := lww.Ladder{}
	for _, h := range histories() {
		for i, a := range h.Ops {
			for _, b := range h.Ops[i+1:] {
				if a.Key != b.Key {
					continue
				}
				order, by := ladder.Compare(a.Stamp, b.Stamp)
				pairs++
				switch seen := b.Seen.Has(a.Dot); {
				case !seen && by != lww.Version && by != lww.Time:
					ties++
					fallthrough
				case !seen:
					conflicts++
				case order > 0:
					inversions++
				}
			}
		}
	}
	t.Logf("%d pairs, %d conflicts, %d of them ties, %d inversions", pairs, conflicts, ties, inversions)
	assert.Greater(t, conflicts, pairs/4)
	assert.Greater(t, ties, conflicts/10)
	assert.Greater(t, inversions, pairs/20)
}

func TestClocksInStepAreNeverBehindWhatWasSeen(t *testing.T) {
	for _, h := range samples[gen.History](gen.Histories(everyRule, gen.Shape{InStep: true}), 500) {
		for i, b := range h.Ops {
			for _, a := range h.Ops[:i] {
				if b.Seen.Has(a.Dot) {
					require.True(t, a.Stamp.Time.Before(b.Stamp.Time), "%s", h)
				}
			}
		}
	}
}

func TestShapeSaysWhoWritesWhatAndHowMuch(t *testing.T) {
	shape := gen.Shape{
		Nodes:  clock.Nodes{"n1", "n2"},
		Writes: 30,
		Keys:   []string{"lww/mine"},
		Value:  func(_ *merge.Rule, field string, n int) value.Value { return value.Text(fmt.Sprint(field, n)) },
	}
	longest := 0
	for _, h := range samples[gen.History](gen.Histories(everyRule, shape), 200) {
		longest = max(longest, len(h.Ops))
		for _, op := range h.Ops {
			require.Equal(t, "lww/mine", op.Key)
			require.Contains(t, shape.Nodes, op.Dot.Node)
			if op.Kind == merge.Set {
				require.Contains(t, string(op.Fields[0].Value), op.Fields[0].Name)
			}
		}
	}
	assert.Equal(t, 30, longest)
	assert.Panics(t, func() { gen.Histories(merge.MustParseTable("a b lww\n* * lww"), gen.Shape{Keys: []string{}}) })
}

func TestPrintedHistoriesReadBack(t *testing.T) {
	for _, h := range histories()[:300] {
		var records []history.Record
		source := history.Reader("h", strings.NewReader(h.Lines()))
		_, err := history.Scan([]history.Source{source}, history.Options{Workers: 1}, func(b *history.Batch) error {
			assert.Empty(t, b.Aside)
			records = append(records, b.Records...)
			return nil
		})
		if len(h.Ops) == 0 {
			continue
		}
		require.NoError(t, err)
		require.Len(t, records, len(h.Ops))
		for i, rec := range records {
			op := h.Ops[i]
			assert.Equal(t, op.Stamp, lww.Stamp{Version: rec.Version, Time: rec.Time, Node: rec.Node})
			var seen clock.Vector
			for _, d := range rec.SeenUp {
				seen.AddUp(d.Node, d.Seq)
			}
			assert.True(t, seen.Equal(op.Seen))
			assert.Equal(t, op.Key+op.Kind.String()+op.ID, rec.Key+rec.Op.String()+rec.ID)
			require.Len(t, rec.Fields, len(op.Fields))
			for j, f := range rec.Fields {
				assert.Equal(t, op.Fields[j], merge.Field(f))
			}
		}
	}
}

func TestEqualSeedsGiveEqualHistories(t *testing.T) {
	again := samples[gen.History](gen.Histories(everyRule, gen.Shape{}), 50)
	for i, h := range again {
		require.Equal(t, histories()[i].String(), h.String())
	}
}

// Whatever makes a history fail, nothing that it does not need is left of it: an exact number of writes and faults is.
func TestFailuresShrinkToWhatTheyNeed(t *testing.T) {
	for _, c := range []struct {
		name           string
		holds          func(gen.History) bool
		writes, faults int
	}{
		{"two conflicting writes to a counter", func(h gen.History) bool {
			for i, a := range h.Ops {
				for _, b := range h.Ops[:i] {
					if a.Kind == merge.Add && b.Kind == merge.Add && a.Key == b.Key && !a.Seen.Has(b.Dot) {
						return false
					}
				}
			}
			return true
		}, 2, 0},
		{"a chain of three nodes, each of which has seen the one before", func(h gen.History) bool {
			return !slices.ContainsFunc(h.Ops, func(op merge.Op) bool {
				return op.Seen.Max("ap") > 0 && op.Seen.Max("eu") > 0 && op.Dot.Node == "us"
			})
		}, 3, 0},
		{"a write that comes twice", func(h gen.History) bool {
			return len(h.Arrivals(3)) == 3*len(h.Ops)
		}, 1, 1},
		{"a cut during which both sides write to one key", func(h gen.History) bool {
			for _, c := range h.Network.Cuts {
				for i := max(c.From, 1); i < min(c.From+c.For, len(h.Ops)); i++ {
					if a, b := h.Ops[i-1], h.Ops[i]; i > c.From && a.Key == b.Key && (a.Dot.Node == "us") != (b.Dot.Node == "us") && c.Side == 4 {
						return false
					}
				}
			}
			return true
		}, 2, 1},
	} {
		for seed := range int64(20) {
			parameters := gopter.DefaultTestParametersWithSeed(seed)
			parameters.MinSuccessfulTests = 5000
			result := prop.ForAll(c.holds, gen.Histories(everyRule, gen.Shape{})).Check(parameters)
			require.False(t, result.Passed(), c.name)
			h := result.Args[0].Arg.(gen.History)
			assert.Len(t, h.Ops, c.writes, "%s, seed %d: %s", c.name, seed, h)
			assert.Equal(t, c.faults, len(h.Network.Cuts)+len(h.Network.Faults), "%s, seed %d: %s", c.name, seed, h)
		}
	}
}

func TestShrinkingNetworksAndStampsComesToAnEnd(t *testing.T) {
	params := gopter.DefaultGenParameters()
	params.Rng = rand.New(rand.NewSource(1))
	for name, g := range map[string]gopter.Gen{"networks": gen.Networks(), "stamps": gen.Stamps()} {
		for range 100 {
			result := g(params)
			value, steps := result.Result, 0
			for next, ok := result.Shrinker(value)(); ok; next, ok = result.Shrinker(value)() {
				value, steps = next, steps+1
				require.Less(t, steps, 1000, name)
			}
			switch v := value.(type) {
			case gen.Network:
				assert.Equal(t, "nothing goes wrong", v.String())
			case lww.Stamp:
				assert.Equal(t, lww.Stamp{Node: "a"}, v)
			}
		}
	}
}

func TestPerfectNetworkDeliversAtOnceAndInOrder(t *testing.T) {
	assert.Equal(t, []gen.Arrival{
		{Write: 0, To: 1, Made: true}, {Write: 0, To: 0}, {Write: 0, To: 2},
		{Write: 1, To: 0, Made: true}, {Write: 1, To: 1}, {Write: 1, To: 2},
		{Write: 2, To: 0}, {Write: 2, To: 1}, {Write: 2, To: 2}, // made by none of the replicas
	}, gen.Network{}.Arrivals([]int{1, 0, -1}, 3))
}

func TestNothingPassesACutUntilItHeals(t *testing.T) {
	net := gen.Network{Cuts: []gen.Cut{{From: 1, For: 2, Side: 0b100}}}
	assert.Equal(t, []gen.Arrival{
		{Write: 0, To: 0, Made: true}, {Write: 0, To: 1}, {Write: 0, To: 2},
		{Write: 1, To: 2, Made: true},
		{Write: 2, To: 0, Made: true}, {Write: 2, To: 1},
		{Write: 3, To: 1, Made: true}, {Write: 1, To: 0}, {Write: 1, To: 1}, {Write: 2, To: 2}, {Write: 3, To: 0}, {Write: 3, To: 2},
	}, net.Arrivals([]int{0, 2, 0, 1}, 3))
	assert.Equal(t, "replica 2 cut off from write 1 on, for 2", net.String())
}

func TestFaultsMakeWritesLateLostOrDouble(t *testing.T) {
	net := gen.Network{Faults: []gen.Fault{
		{Write: 0, To: 1, Late: 1},                // overtaken
		{Write: 1, To: 1, Late: 1 << 30},          // lost until the end
		{Write: 2, To: 0, Late: 0, Again: true},   // comes back to its writer
		{Write: 2 + 3, To: 1 + 2, Late: -1 << 30}, // write 2 to replica 1, and no earlier than it was made
	}}
	assert.Equal(t, []gen.Arrival{
		{Write: 0, To: 0, Made: true},
		{Write: 1, To: 0, Made: true}, {Write: 0, To: 1},
		{Write: 2, To: 0, Made: true}, {Write: 2, To: 0}, {Write: 2, To: 1},
		{Write: 1, To: 1},
	}, net.Arrivals([]int{0, 0, 0}, 2))
}

func TestEverythingArrivesInTheEnd(t *testing.T) {
	for _, net := range samples[gen.Network](gen.Networks(), 2000) {
		writers := []int{0, 1, 2, 3, 0, 1, -1, 3, 2, 2}
		got := make(map[[2]int]int)
		next := 0
		for _, a := range net.Arrivals(writers, 4) {
			got[[2]int{a.Write, a.To}]++
			if a.Made {
				require.Equal(t, writers[a.Write], a.To)
				require.GreaterOrEqual(t, a.Write, next, "writes are made in order")
				require.Equal(t, 1, got[[2]int{a.Write, a.To}], "a write is made before it comes back")
				next = a.Write + 1
			}
		}
		require.Len(t, got, 4*len(writers), "%s", net)
	}
}

func TestHugeNumbersInANetworkDoNoHarm(t *testing.T) {
	const huge = int(^uint(0) >> 1)
	net := gen.Network{
		Cuts:   []gen.Cut{{From: 0, For: huge, Side: ^uint(0)}, {From: 1, For: huge, Side: 1}, {From: -huge, For: -huge, Side: 2}},
		Faults: []gen.Fault{{Write: huge, To: -huge, Late: huge}},
	}
	assert.Len(t, net.Arrivals([]int{0, 1}, 2), 4)
	assert.Empty(t, net.Arrivals(nil, 2))
	assert.Empty(t, net.Arrivals([]int{0, 1}, 0))
}

func BenchmarkHistories(b *testing.B) {
	g := gen.Histories(everyRule, gen.Shape{})
	params := gopter.DefaultGenParameters()
	params.Rng = rand.New(rand.NewSource(1))
	for b.Loop() {
		g(params)
	}
}
