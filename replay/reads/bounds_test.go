package reads

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
)

// deal gives each of n things to one of some, which are joined in the end: what comes of it must be the same however they are dealt.
func deal[T any](n, some int, make func() T, give func(to T, i int), join func(a, b T)) T {
	r := rand.New(rand.NewPCG(uint64(some), 1))
	all := []T{}
	for range some {
		all = append(all, make())
	}
	for _, i := range r.Perm(n) {
		give(all[r.IntN(some)], i)
	}
	for _, one := range all[1:] {
		join(all[0], one)
	}
	return all[0]
}

func TestAgesOfManyAreToldToAThousandth(t *testing.T) {
	for _, n := range []int{1, 100, mostAges, mostAges + 1, 2 * mostAges} {
		r := rand.New(rand.NewPCG(uint64(n), 2))
		list := make([]int64, n)
		for i := range list {
			list[i] = 1 + r.Int64N(1<<(1+r.IntN(40)))
		}
		want := SpreadOf(slices.Clone(list), int64(n))
		var first Spread
		for some := 1; some <= 3; some++ {
			got := deal(n, some, func() *ages { return &ages{} }, func(a *ages, i int) { a.add(list[i]) }, func(a, b *ages) { a.join(b) }).spread()
			if some == 1 {
				first = got
			}
			require.Equal(t, first, got, "%d of %d", n, some)
		}
		if n <= mostAges {
			require.Equal(t, want, first)
			continue
		}
		require.Equal(t, want.Max, first.Max)
		require.Equal(t, want.Count, first.Count)
		require.InEpsilon(t, want.P50, first.P50, 1./512)
		require.InEpsilon(t, want.P99, first.P99, 1./512)
	}
}

func TestAnswersThatAreKeptAreThoseOfSomeKeys(t *testing.T) {
	const limit = 100
	nodes := []string{"", "eu", "us", "ap"}
	type kept struct {
		at                  int64
		server, saw, missed string
	}
	var first []kept
	halved := 0
	for some := 1; some <= 4; some++ {
		s := deal(1000, some, func() *answers { return &answers{} }, func(s *answers, i int) {
			hash := hashOf(fmt.Sprint(i % 300))
			if !s.wants(hash) {
				return
			}
			name := func(shift int) int32 { return s.names.of(nodes[i>>shift%len(nodes)]) }
			s.add(answer{at: int64(i), hash: hash, server: name(0), saw: source{node: name(2)}, missed: source{node: name(4)}}, limit)
		}, func(a, b *answers) { a.join(b, limit) })
		var list []kept
		for _, a := range s.list {
			list = append(list, kept{a.at, s.names.list[a.server], s.names.list[a.saw.node], s.names.list[a.missed.node]})
		}
		slices.SortFunc(list, func(a, b kept) int { return int(a.at - b.at) })
		if some == 1 {
			first, halved = list, s.halved
			require.Greater(t, len(list), limit/4)
			for _, a := range list { // all answers of their keys
				require.True(t, slices.ContainsFunc(list, func(b kept) bool { return b.at == a.at%300 }))
				require.Equal(t, nodes[a.at%4], a.server)
			}
		}
		require.Equal(t, first, list)
		require.Equal(t, halved, s.halved)
		require.LessOrEqual(t, len(list), limit)
	}
}

// Of reads with a thousand bounds, those with the least are counted apart.
func TestLevelsThatAreCountedApartAreFew(t *testing.T) {
	table := merge.MustParseTable("* * lww")
	var first *Report
	for some := 1; some <= 3; some++ {
		r := deal(1000, some, func() *check { return newCheck(table, &Options{}) }, func(c *check, i int) {
			want := fmt.Sprintf("bounded:%dms", i)
			if i%10 == 0 {
				want = "eventual"
			}
			c.key(&replay.KeyOperations{Key: fmt.Sprint(i), Nodes: []clock.Node{}, Reads: []replay.Read{
				{Place: finding.Place{File: "h", Line: int64(i + 1)}, Want: want, NotFound: true, Start: 1e18}}})
		}, func(a, b *check) { a.join(b) }).close()
		if some == 1 {
			first = r
			require.Len(t, r.Levels, mostLevels)
			sum := int64(0)
			for _, l := range r.Levels {
				sum += l.Reads
			}
			require.EqualValues(t, 1000, sum)
			require.Equal(t, LevelSum{Level: "bounded, others", Reads: 870, Fine: 870}, r.Levels[0])
			require.Equal(t, "bounded:1ms", r.Levels[1].Level)
			require.Equal(t, "bounded:33ms", r.Levels[30].Level)
			require.Equal(t, LevelSum{Level: "eventual", Reads: 100, Fine: 100}, r.Levels[31])
		}
		require.Equal(t, first, r)
	}
}

// TestReadsAreOfTheWritesThatGoByTheirNames holds what a name stands for to its definition, for few and for many operations.
func TestReadsAreOfTheWritesThatGoByTheirNames(t *testing.T) {
	table := merge.MustParseTable("* * lww")
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		k := &replay.KeyOperations{Key: "k", Nodes: []clock.Node{"n"}}
		for range 1 + r.IntN(3*fewNames) {
			o := replay.Operation{Op: merge.Op{Key: "k", Kind: merge.Set, Fields: []merge.Field{{Name: []string{"f", "g"}[r.IntN(2)], Value: "1"}}}, Low: []int32{0}}
			if r.IntN(3) > 0 {
				o.ID = fmt.Sprint(r.IntN(30))
			}
			o.Stamp = lww.Stamp{Version: r.Uint64N(30), Node: "n"}
			k.Ops = append(k.Ops, o)
		}
		c := newCheck(table, &Options{})
		c.past.begin(k)
		g := newRegister(k, &c.past, "f", nil, c)
		for _, by := range []name{{id: "0"}, {id: "1"}, {id: "5"}, {id: "17"}, {id: "31"}, {id: "007"}, {id: "x"},
			{isVersion: true}, {version: 1, isVersion: true}, {version: 5, isVersion: true}, {version: 17, isVersion: true}, {version: 31, isVersion: true}} {
			var want []int32
			why := UnknownWrite
			for i := range k.Ops {
				o := &k.Ops[i]
				switch {
				case by.isVersion && (o.Stamp.Version == 0 || o.Stamp.Version != by.version), !by.isVersion && o.ID != by.id:
				case g.at[i] < 0:
					why = OtherField
				default:
					want = append(want, g.at[i])
				}
			}
			if len(want) > 0 {
				why = ""
			}
			writes, told := g.names.find(g, by)
			require.Equal(t, want, writes, "%+v in %d operations", by, len(k.Ops))
			require.Equal(t, why, told, "%+v in %d operations", by, len(k.Ops))
		}
	}
}

func TestReplicasThatAreCountedHaveAnEnd(t *testing.T) {
	c, o := newCheck(merge.MustParseTable("* * lww"), &Options{}), newCheck(merge.MustParseTable("* * lww"), &Options{})
	k := &replay.KeyOperations{Key: "k"}
	for i := range mostServers + 10 {
		k.Reads = append(k.Reads, replay.Read{Place: finding.Place{File: "h", Line: int64(i + 1)}, Want: "quorum", NotFound: true, Start: 1e18, ServedBy: fmt.Sprint("pod-", i)})
	}
	c.key(k)
	require.Len(t, c.servers, mostServers)
	k.Reads = []replay.Read{{Want: "quorum", NotFound: true, Start: 1e18, ServedBy: "another"}}
	o.key(k)
	c.join(o)
	require.Len(t, c.servers, mostServers)
	require.EqualValues(t, mostServers+11, c.close().Alone)
}
