package merge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

func TestARefusalNamesTheOperationOrTheBatch(t *testing.T) {
	g, b := gateAndBatch()
	b.Ops[0].Fields = []Field{{Name: "a"}, {Name: "b"}, {Name: "b"}}
	refusals := g.Admit(b, gateNow)
	require.Len(t, refusals, 1)
	assert.Equal(t, `duplicate_field: us:1: field "b" stands twice`, refusals[0].String())

	b.Ops[0].Fields = nil
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "h"} {
		b.Ops[0].Fields = append(b.Ops[0].Fields, Field{Name: name})
	}
	assert.Equal(t, `duplicate_field: us:1: field "h" stands twice`, g.Admit(b, gateNow)[0].String())

	b.Epoch = 2
	assert.Equal(t, "epoch_mismatch: the batch is of epoch 2, here is epoch 3", g.Admit(b, gateNow)[0].String())
}

// Without an epoch the table alone says who takes part.
func TestWhereThereIsNoEpochTheTableSaysWhoTakesPart(t *testing.T) {
	g, _ := gateAndBatch()
	g.Epoch = crdt.Epoch{}
	first := &Gate{Table: g.Table, Epoch: crdt.Epoch{Number: 1, Members: []clock.Node{"eu"}}}
	require.Len(t, first.Admit(&Batch{Source: "us", Epoch: 1, Fingerprint: g.Table.Fingerprint()}, gateNow), 1, "the first epoch is one")
	for source, ok := range map[clock.Node]bool{"ap": true, "eu": true, "mars": false} {
		refusals := g.Admit(&Batch{Source: source, Fingerprint: g.Table.Fingerprint()}, gateNow)
		if ok {
			assert.Empty(t, refusals, source)
		} else {
			require.Len(t, refusals, 1, source)
			assert.Equal(t, finding.UnknownNode, refusals[0].Code)
		}
	}
}

// A batch that was refused leaves nothing behind that the next one is measured by.
func TestTheGateForgetsTheDotsOfABatch(t *testing.T) {
	g, b := gateAndBatch()
	for i := range 4 {
		b.Ops[0].Fields[0].Value = value.Int(int64(i))
		if i > 1 { // the dots of a node ascend, and then they don't
			b.Ops[0], b.Ops[1] = b.Ops[1], b.Ops[0]
		}
		require.Empty(t, g.Admit(b, gateNow), "none of those before was merged")
	}
}

// Each operation that differs from the first of its dot is refused, also from each other.
func TestEveryOperationAfterTheFirstOfADotIsMeasuredByTheFirst(t *testing.T) {
	g, b := gateAndBatch()
	changed := gateOp(1)
	changed.Fields[0].Value = "3"
	b.Ops = []Op{gateOp(1), changed, changed}
	refusals := g.Admit(b, gateNow)
	require.Len(t, refusals, 2)
	for i, r := range refusals {
		assert.Equal(t, finding.OpIDReused, r.Code)
		assert.Equal(t, i+1, r.Place)
	}
}

// Whether the dots of each node ascend or not, and however many nodes there are, the first operation of a dot is found.
func TestTheFirstOperationOfADotIsFoundAmongAllBeforeIt(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		nodes := 1 + r.IntN(40)
		ops := make([]Op, r.IntN(80))
		made := make(map[clock.Node]uint64)
		var p places
		for range 2 { // the second time with what the first one left behind
			p.clear()
			for i := range ops {
				node := clock.Node(fmt.Sprint("n", r.IntN(nodes)))
				if made[node]++; r.IntN(10) == 0 {
					made[node] = 1 + r.Uint64N(made[node])
				}
				ops[i].Dot = clock.Dot{Node: node, Seq: made[node]}
				want := slices.IndexFunc(ops[:i], func(o Op) bool { return o.Dot == ops[i].Dot })
				first, found := p.find(ops, i)
				require.Equal(t, want >= 0, found, "seed %d", seed)
				require.Equal(t, max(want, 0), first, "seed %d", seed)
			}
		}
	}
}

func TestLimitsOfABatchCountEveryText(t *testing.T) {
	g, b := gateAndBatch()
	b.Ops = b.Ops[:1]
	b.Ops[0].Fields[0].Before = "12345"
	whole := len(b.Ops[0].Key) + len(b.Ops[0].ID) + len("count") + len("2") + len("12345")
	g.Limits.BatchBytes = whole
	assert.Empty(t, g.Admit(b, gateNow))
	g.Limits.BatchBytes = whole - 1
	require.Len(t, g.Admit(b, gateNow), 1)

	b.Ops[0].ID = "123456"
	g.Limits = GateLimits{Value: len(b.Ops[0].ID)}
	assert.Empty(t, g.Admit(b, gateNow), "an id as long as a value may be")
}

// What can't be written canonically has no sum and no proof.
func TestAnOperationWithoutCanonicalBytesIsRefused(t *testing.T) {
	g, b := gateAndBatch()
	b.Ops = []Op{gateOp(1), gateOp(1)}
	b.Ops[0].Seen.Add(clock.Dot{Node: "e u", Seq: 1})
	b.Ops[1].Seen.Add(clock.Dot{Node: "e u", Seq: 1})
	refusals := g.Admit(b, gateNow)
	require.NotEmpty(t, refusals)
	assert.Equal(t, finding.BadField, refusals[0].Code)

	g, b = gateAndBatch()
	signAll(g, b)
	b.Ops[0].Seen.Add(clock.Dot{Node: "e u", Seq: 1})
	refusals = g.Admit(b, gateNow)
	require.NotEmpty(t, refusals)
	assert.Equal(t, finding.BadField, refusals[0].Code)
}

func TestAskingForASumOrAProofAllocatesNothing(t *testing.T) {
	g, b := benchmarkBatch()
	g.Verify = func(_ clock.Node, canonical, _ []byte) bool { return len(canonical) > 0 }
	require.Empty(t, g.Admit(b, gateNow))
	assert.Zero(t, testing.AllocsPerRun(10, func() { _ = g.Admit(b, gateNow) }))

	g, b = benchmarkBatch()
	sums := known{}
	for _, op := range b.Ops {
		sums[op.Dot] = Sum(bytesOf(op))
	}
	g.Known = sums
	require.Empty(t, g.Admit(b, gateNow))
	assert.Zero(t, testing.AllocsPerRun(10, func() { _ = g.Admit(b, gateNow) }))
}
