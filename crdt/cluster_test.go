package crdt

import (
	"flag"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"
	"github.com/tiebreakhq/tiebreak/clock"
)

// Each type goes through 650 random clusters, which are 11,050 histories for all seventeen. This makes it a million:
//
//	go test ./crdt -run TestRandomClusters -clusters 59000 -timeout 1h
//
// The last run of that command took 105 seconds of computing and found nothing.
var (
	runs = flag.Int("clusters", 650, "how many random clusters each type goes through")
	seed = flag.Int64("seed", 1, "from which chance the random clusters are made")
)

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
// then, and what was written. A restored replica that lost writes goes on under a new name, as the package asks for.
func (k kind[S, O]) run(size int, steps []step) (h history[O], err error) {
	group := make([]replica[S], size)
	for i := range group {
		group[i].node = clock.Node(rune('a' + i))
		group[i].disk = must(k.encode(group[i].state))
	}
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
				return h, err
			}
			r.state = again
		case 9:
			r.disk, r.diskKnows = must(k.encode(r.state)), r.known
		case 10:
			var again S
			if err := k.decode(&again, r.disk, Limits{}); err != nil {
				return h, err
			}
			if r.known != r.diskKnows {
				r.lives++
				r.node = clock.Node(fmt.Sprintf("%c%d", 'a'+i, r.lives))
			}
			r.state, r.known = again, r.diskKnows
		}
		if got, want := k.read(r.state), k.oracle(h, r.known); got != want {
			return h, fmt.Errorf("after %s, %s reads %s, want %s", s, r.node, got, want)
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
			return h, fmt.Errorf("at last %s reads %s, want %s", group[i].node, got, want)
		}
		if !k.equal(group[0].state, group[i].state) {
			return h, fmt.Errorf("at last %s differs from %s", group[i].node, group[0].node)
		}
	}
	return h, nil
}

func (k kind[S, O]) survives(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(*seed)
	parameters.MinSuccessfulTests = *runs
	parameters.MaxSize = 80
	agree := func(size int, steps []step) bool {
		_, err := k.run(size, steps)
		return err == nil
	}
	steps := gen.SliceOf(gen.UInt32().Map(func(n uint32) step { return step(n) }))
	result := prop.ForAll(agree, gen.IntRange(3, 8), steps).Check(parameters)
	if !result.Passed() {
		require.NoError(t, result.Error, "%v", result.Args)
		size, steps := result.Args[0].Arg.(int), result.Args[1].Arg.([]step)
		t.Error(k.failure(t.Name(), size, shrunk(steps, func(left []step) bool { return !agree(size, left) })))
	}
}

// shrunk leaves out every step without which the rest still fails.
func shrunk(steps []step, fails func([]step) bool) []step {
	for i := 0; i < len(steps); {
		if left := slices.Delete(slices.Clone(steps), i, i+1); fails(left) {
			steps, i = left, 0
		} else {
			i++
		}
	}
	return steps
}

// failure tells what went wrong in a cluster: the steps, what was written as a history that the command reads, and the
// commands that do it again.
func (k kind[S, O]) failure(test string, size int, steps []step) string {
	h, err := k.run(size, steps)
	name := kindOf(test)
	return fmt.Sprintf(`%v
%d replicas: %v

rules.tb:
%s
history.ndjson:
%s
tiebreak why -rules rules.tb %s history.ndjson
go test ./crdt -run '%s' -clusters %d -seed %d
`, err, size, steps, ruleOf(name), lines(name, h), keyOf(name), test, *runs, *seed)
}

func kindOf(test string) string {
	_, name, _ := strings.Cut(test, "/")
	return strings.ReplaceAll(name, "_", " ")
}

func TestRandomClustersAgreeWithTheOracle(t *testing.T) {
	eachKind(t, func(t *testing.T, k wired, _ *rand.Rand) { k.survives(t) })
}
