package gen

import (
	"math"
	"slices"

	"github.com/leanovate/gopter"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
)

// noon is when generated histories begin: a time that no reader of histories takes for seconds or milliseconds.
const noon = 1_779_278_400_000_000_000 // 2026-05-20T12:00:00Z

const millisecond = 1_000_000

// The rungs of generated stamps, the simplest first. What stands several times comes more often.
var (
	versions = []uint64{0, 0, 0, 0, 1, 2, math.MaxUint64}
	times    = []clock.Timestamp{{}, {Wall: noon}, {Wall: noon}, {Wall: noon}, {Wall: noon, Logical: 1}, {Wall: noon + 1},
		{Wall: noon + millisecond}, {Wall: clock.MaxWall, Logical: math.MaxUint32}}
)

// Stamps generates claims to win, of type [lww.Stamp], by the nodes given; by a, b and c if none are. Two of them often tie
// by version, by time, or by both. Some have no time, and some the greatest there is. They shrink rung by rung towards no
// version, no time and the first node.
func Stamps(nodes ...clock.Node) gopter.Gen {
	if len(nodes) == 0 {
		nodes = threeNodes
	}
	shrinker := func(v any) gopter.Shrink {
		s := v.(lww.Stamp)
		var simpler []lww.Stamp
		for _, version := range before(versions, s.Version) {
			simpler = append(simpler, lww.Stamp{Version: version, Time: s.Time, Node: s.Node})
		}
		for _, t := range before(times, s.Time) {
			simpler = append(simpler, lww.Stamp{Version: s.Version, Time: t, Node: s.Node})
		}
		for _, node := range before(nodes, s.Node) {
			simpler = append(simpler, lww.Stamp{Version: s.Version, Time: s.Time, Node: node})
		}
		return listed(simpler, func(s lww.Stamp) lww.Stamp { return s })
	}
	return func(p *gopter.GenParameters) *gopter.GenResult {
		return gopter.NewGenResult(lww.Stamp{
			Version: versions[p.Rng.Intn(len(versions))],
			Time:    times[p.Rng.Intn(len(times))],
			Node:    nodes[p.Rng.Intn(len(nodes))],
		}, shrinker)
	}
}

// before returns what stands before the first v, each once.
func before[V comparable](choices []V, v V) []V {
	return slices.Compact(slices.Clone(choices[:max(0, slices.Index(choices, v))]))
}
