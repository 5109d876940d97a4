package crdt

import (
	"flag"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/tiebreakhq/tiebreak/clock"
)

// runs is how many random clusters each type goes through: go test -run TestRandomClusters -clusters 62500 ./crdt makes it a
// million for all sixteen together.
var runs = flag.Int("clusters", 650, "how many random clusters each type goes through")

// A step is one number, so that gopter can leave steps out and make them smaller: what happens, to whom, from whom, with
// what.
type step uint32

func (s step) String() string {
	what := [...]string{"write", "write", "write", "deliver state", "deliver state", "deliver delta", "cut", "heal", "restart", "snapshot", "restore"}
	return fmt.Sprintf("%s %d %d %d", what[s.pick(0, len(what))], s.pick(1, 8), s.pick(2, 8), s.pick(3, 16))
}

func (s step) pick(digit, of int) int { return int(s>>(8*digit)&255) % of }

// replica is one of a cluster: what it holds, what the oracle says it knows, and a snapshot on its disk.
type replica[S any] struct {
	node      clock.Node
	state     S
	known     mask
	disk      []byte
	diskKnows mask
	lives     int
}

// run drives a cluster of 3 to 8 replicas through the steps, then lets all exchange all they have, and says what is wrong
// then. A restored replica that lost writes goes on under a new name, as the package asks for.
func (k kind[S, O]) run(size int, steps []step) error {
	group := make([]replica[S], size)
	for i := range group {
		group[i].node = clock.Node(rune('a' + i))
		group[i].disk = must(k.encode(group[i].state))
	}
	var h history[O]
	var deltas []S
	cut := map[[2]int]bool{}
	for _, s := range steps {
		i, j := s.pick(1, size), s.pick(2, size)
		r := &group[i]
		link := [2]int{min(i, j), max(i, j)}
		switch s.pick(0, 11) {
		case 0, 1, 2:
			if len(h) < 24 {
				e := event[O]{op: k.alphabet[s.pick(3, len(k.alphabet))], past: r.known}
				e.dot = h.seen(r.known).Next(r.node)
				deltas = append(deltas, k.local(&r.state, r.node, e.op))
				r.known |= 1 << len(h)
				h = append(h, e)
			}
		case 3, 4:
			if !cut[link] {
				k.merge(&r.state, group[j].state)
				r.known |= group[j].known
			}
		case 5: // lost or late deltas are those that are not picked, or not now
			if n := s.pick(3, 256); len(deltas) > 0 && !cut[link] && h[n%len(h)].past&^r.known == 0 {
				k.merge(&r.state, deltas[n%len(h)])
				r.known |= 1 << (n % len(h))
			}
		case 6:
			cut[link] = true
		case 7:
			delete(cut, link)
		case 8:
			var again S
			if err := k.decode(&again, must(k.encode(r.state)), Limits{}); err != nil {
				return err
			}
			r.state = again
		case 9:
			r.disk, r.diskKnows = must(k.encode(r.state)), r.known
		case 10:
			var again S
			if err := k.decode(&again, r.disk, Limits{}); err != nil {
				return err
			}
			if r.known != r.diskKnows {
				r.lives++
				r.node = clock.Node(fmt.Sprintf("%c%d", 'a'+i, r.lives))
			}
			r.state, r.known = again, r.diskKnows
		}
		if got, want := k.read(r.state), k.oracle(h, r.known); got != want {
			return fmt.Errorf("after %s, %s reads %s, want %s", s, r.node, got, want)
		}
	}
	for range 2 {
		for i := range group {
			for j := range group {
				k.merge(&group[i].state, group[j].state)
				group[i].known |= group[j].known
			}
		}
	}
	for i := range group {
		if got, want := k.read(group[i].state), k.oracle(h, group[i].known); got != want {
			return fmt.Errorf("at last %s reads %s, want %s", group[i].node, got, want)
		}
		if !k.equal(group[0].state, group[i].state) {
			return fmt.Errorf("at last %s differs from %s", group[i].node, group[0].node)
		}
	}
	return nil
}

func (k kind[S, O]) survives(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(1)
	parameters.MinSuccessfulTests = *runs
	parameters.MaxSize = 80
	properties := gopter.NewProperties(parameters)
	steps := gen.SliceOf(gen.UInt32().Map(func(n uint32) step { return step(n) }))
	properties.Property("all who exchanged all agree, with the oracle too", prop.ForAll(
		func(size int, steps []step) string {
			if err := k.run(size, steps); err != nil {
				return fmt.Sprintf("%v\n%v", err, steps)
			}
			return ""
		}, gen.IntRange(3, 8), steps))
	var report strings.Builder
	if !properties.Run(gopter.NewFormatedReporter(true, 160, &report)) {
		t.Error(report.String())
	}
}

func TestRandomClustersAgreeWithTheOracle(t *testing.T) {
	eachKind(t, func(t *testing.T, k wired, _ *rand.Rand) { k.survives(t) })
}
