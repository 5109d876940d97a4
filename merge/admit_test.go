package merge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

const gateTable = "nodes ap < eu < us < gone\nstock/* count counter\n* * lww"

var gateNow = clock.Timestamp{Wall: 1_000_000_000_000}

// known is what a log would know.
type known map[clock.Dot][16]byte

func (k known) Sum(d clock.Dot) (sum [16]byte, found bool) {
	sum, found = k[d]
	return sum, found
}

func gateAndBatch() (*Gate, *Batch) {
	g := &Gate{
		Table: MustParseTable(gateTable),
		Epoch: crdt.Epoch{Number: 3, Members: []clock.Node{"eu", "us"}, Lost: clock.Up("gone", 4)},
		Known: known{},
	}
	b := &Batch{Source: "us", Epoch: 3, Fingerprint: g.Table.Fingerprint(), Ops: []Op{gateOp(1), gateOp(2)}}
	return g, b
}

func gateOp(seq uint64) Op {
	return Op{
		Key:    "stock/7",
		Kind:   Add,
		Fields: []Field{{Name: "count", Value: "2"}},
		Stamp:  lww.Stamp{Time: clock.Timestamp{Wall: gateNow.Wall + int64(seq)}, Node: "us"},
		ID:     "us-1",
		Dot:    clock.Dot{Node: "us", Seq: seq},
		Seen:   clock.Up("eu", 9),
	}
}

func TestTheGateRefusesEachKindOfTroubleAndNotItsNeighbour(t *testing.T) {
	relay := func(g *Gate) { g.Relays = func(source, writer clock.Node) bool { return source == "us" } }
	written := func(op *Op, stamp, dot clock.Node) { op.Stamp.Node, op.Dot.Node, op.Seen = stamp, dot, clock.Vector{} }
	limited := func(l GateLimits) func(*Gate, *Batch) { return func(g *Gate, _ *Batch) { g.Limits = l } }
	for _, c := range []struct {
		name         string
		code         finding.Code
		about        int // the operation, or -1
		refused, not func(*Gate, *Batch)
	}{
		{"a source that is not declared", finding.UnknownNode, -1,
			func(_ *Gate, b *Batch) { b.Source = "mars" }, nil},
		{"a source that is declared and no member", finding.UnknownNode, -1,
			func(_ *Gate, b *Batch) { b.Source, b.Ops = "ap", nil }, func(g *Gate, b *Batch) { b.Source, b.Ops, g.Epoch.Members = "ap", nil, []clock.Node{"ap"} }},
		{"a source of which a namesake is a member", finding.UnknownNode, -1,
			func(g *Gate, b *Batch) { g.Epoch.Members[1] = "us~02" }, func(g *Gate, b *Batch) { g.Epoch.Members[1] = "us~2" }},
		{"a source without a name, where nothing says who takes part", finding.UnknownNode, -1,
			func(g *Gate, b *Batch) {
				g.Table = MustParseTable("* * lww")
				g.Epoch = crdt.Epoch{}
				*b = Batch{Fingerprint: g.Table.Fingerprint()}
			},
			func(g *Gate, b *Batch) {
				g.Table = MustParseTable("* * lww")
				g.Epoch = crdt.Epoch{}
				*b = Batch{Source: "new", Fingerprint: g.Table.Fingerprint()}
			}},
		{"the epoch before", finding.EpochMismatch, -1,
			func(_ *Gate, b *Batch) { b.Epoch = 2 }, func(g *Gate, b *Batch) { b.Epoch, g.Epoch.Number = 2, 2 }},
		{"another table", finding.RuleMismatch, -1,
			func(g *Gate, _ *Batch) { g.Table = MustParseTable(gateTable + " together") },
			func(g *Gate, _ *Batch) { g.Table = MustParseTable(gateTable + " # said otherwise") }},
		{"too many operations", finding.TooLarge, -1, limited(GateLimits{Ops: 1}), limited(GateLimits{Ops: 2})},
		{"too many bytes", finding.TooLarge, -1, limited(GateLimits{BatchBytes: 33}), limited(GateLimits{BatchBytes: 34})},

		{"no key", finding.MissingField, 1, func(_ *Gate, b *Batch) { b.Ops[1].Key = "" }, func(_ *Gate, b *Batch) { b.Ops[1].Key = "x" }},
		{"a kind that is none", finding.BadField, 1, func(_ *Gate, b *Batch) { b.Ops[1].Kind = 5 }, func(_ *Gate, b *Batch) { b.Ops[1].Kind = 4 }},
		{"no dot", finding.MissingField, 1, func(_ *Gate, b *Batch) { b.Ops[1].Dot = clock.Dot{} }, nil},
		{"a dot without a number", finding.BadField, 1, func(_ *Gate, b *Batch) { b.Ops[1].Dot.Seq = 0 }, nil},
		{"a number after which there is none", finding.BadField, 1,
			func(_ *Gate, b *Batch) { b.Ops[1].Dot.Seq = MaxSeq + 1 }, func(_ *Gate, b *Batch) { b.Ops[1].Dot.Seq = MaxSeq }},
		{"it has seen itself", finding.BadField, 1,
			func(_ *Gate, b *Batch) { b.Ops[1].Seen.AddUp("us", 2) }, func(_ *Gate, b *Batch) { b.Ops[1].Seen.AddUp("us", 1) }},
		{"it has seen what its node writes later", finding.BadField, 1,
			func(_ *Gate, b *Batch) { b.Ops[1].Seen.Add(clock.Dot{Node: "us", Seq: math.MaxUint64}) }, nil},
		{"it has seen what nobody can write", finding.BadField, 1,
			func(_ *Gate, b *Batch) { b.Ops[1].Seen.AddUp("eu", MaxSeq+1) }, func(_ *Gate, b *Batch) { b.Ops[1].Seen.AddUp("eu", MaxSeq) }},

		{"written by another node", finding.SourceMismatch, 1,
			func(_ *Gate, b *Batch) { written(&b.Ops[1], "eu", "eu") },
			func(g *Gate, b *Batch) { relay(g); written(&b.Ops[1], "eu", "eu") }},
		{"a stamp of another node than the dot", finding.SourceMismatch, 1,
			func(_ *Gate, b *Batch) { written(&b.Ops[1], "us", "eu") }, func(_ *Gate, b *Batch) { b.Ops[1].Dot.Node = "us~2" }},
		{"an incarnation in the stamp", finding.SourceMismatch, 1,
			func(_ *Gate, b *Batch) { written(&b.Ops[1], "us~2", "us~2") }, func(_ *Gate, b *Batch) { written(&b.Ops[1], "us", "us~2") }},
		{"passed on for one who is no member", finding.UnknownNode, 1,
			func(g *Gate, b *Batch) { relay(g); written(&b.Ops[1], "ap", "ap") },
			func(g *Gate, b *Batch) {
				relay(g)
				written(&b.Ops[1], "ap", "ap")
				g.Epoch.Members = append(g.Epoch.Members, "ap")
			}},
		{"after the last of one who is lost", finding.UnknownNode, 1,
			func(g *Gate, b *Batch) { relay(g); written(&b.Ops[1], "gone", "gone"); b.Ops[1].Dot.Seq = 5 },
			func(g *Gate, b *Batch) { relay(g); written(&b.Ops[1], "gone", "gone"); b.Ops[1].Dot.Seq = 4 }},

		{"a stamp of nothing", finding.ClockInvalid, 1,
			func(_ *Gate, b *Batch) { b.Ops[1].Stamp = lww.Stamp{Node: "us"} }, func(_ *Gate, b *Batch) { b.Ops[1].Stamp = lww.Stamp{Node: "us", Version: 1} }},
		{"a time that is none", finding.ClockInvalid, 1,
			func(g *Gate, b *Batch) { g.MaxDrift = -1; b.Ops[1].Stamp.Time.Wall = clock.MaxWall + 1 },
			func(g *Gate, b *Batch) { g.MaxDrift = -1; b.Ops[1].Stamp.Time.Wall = clock.MaxWall }},
		{"a time before all times", finding.ClockInvalid, 1,
			func(_ *Gate, b *Batch) { b.Ops[1].Stamp.Time.Wall = -1 }, func(_ *Gate, b *Batch) { b.Ops[1].Stamp.Time.Wall = 1 }},
		{"a stamp too far ahead", finding.ClockAhead, 1,
			func(_ *Gate, b *Batch) { b.Ops[1].Stamp.Time.Wall = gateNow.Wall + int64(clock.DefaultMaxDrift) + 1 },
			func(_ *Gate, b *Batch) { b.Ops[1].Stamp.Time.Wall = gateNow.Wall + int64(clock.DefaultMaxDrift) }},
		{"ahead of a bound of one's own", finding.ClockAhead, 1,
			func(g *Gate, _ *Batch) { g.MaxDrift = 1 }, func(g *Gate, _ *Batch) { g.MaxDrift = 2 }},

		{"a long key", finding.TooLarge, 0, limited(GateLimits{Key: 6}), limited(GateLimits{Key: 7})},
		{"many fields", finding.TooLarge, 1,
			func(g *Gate, b *Batch) {
				g.Limits.Fields = 1
				b.Ops[1].Fields = append(b.Ops[1].Fields, Field{Name: "b"})
			}, limited(GateLimits{Fields: 1})},
		{"a long value", finding.TooLarge, 1,
			func(g *Gate, b *Batch) { g.Limits.Value = 5; b.Ops[1].Fields[0].Value = "123456" },
			func(g *Gate, b *Batch) { g.Limits.Value = 5; b.Ops[1].Fields[0].Value = "12345" }},
		{"a long before-image", finding.TooLarge, 1,
			func(g *Gate, b *Batch) { g.Limits.Value = 5; b.Ops[1].Fields[0].Before = "123456" }, nil},
		{"a long id", finding.TooLarge, 1, func(g *Gate, b *Batch) { g.Limits.Value = 5; b.Ops[1].ID = "123456" }, nil},
		{"a patchwork of what was seen", finding.TooLarge, 1,
			func(g *Gate, b *Batch) { g.Limits.Seen = 1; b.Ops[1].Seen.Add(clock.Dot{Node: "eu", Seq: 11}) }, limited(GateLimits{Seen: 1})},
		{"a key that is not UTF-8", finding.BadUTF8, 1, func(_ *Gate, b *Batch) { b.Ops[1].Key = "a\xff" }, func(_ *Gate, b *Batch) { b.Ops[1].Key = "é" }},
		{"a field that is not UTF-8", finding.BadUTF8, 1, func(_ *Gate, b *Batch) { b.Ops[1].Fields[0].Name = "a\xff" }, nil},
		{"a field twice", finding.DuplicateField, 1,
			func(_ *Gate, b *Batch) { b.Ops[1].Fields = []Field{{Name: "a"}, {Name: "b"}, {Name: "a"}} },
			func(_ *Gate, b *Batch) { b.Ops[1].Fields = []Field{{Name: "a"}, {Name: "b"}, {Name: ""}} }},
		{"one of many fields twice", finding.DuplicateField, 1,
			func(_ *Gate, b *Batch) {
				for i := range 20 {
					b.Ops[1].Fields = append(b.Ops[1].Fields, Field{Name: fmt.Sprint(i % 19)})
				}
			},
			func(_ *Gate, b *Batch) {
				for i := range 20 {
					b.Ops[1].Fields = append(b.Ops[1].Fields, Field{Name: fmt.Sprint(i)})
				}
			}},

		{"a dot that is known of another operation", finding.OpIDReused, 1,
			func(g *Gate, b *Batch) { g.Known = known{b.Ops[1].Dot: {1}} },
			func(g *Gate, b *Batch) { g.Known = known{b.Ops[1].Dot: Sum(bytesOf(b.Ops[1]))} }},
		{"a dot twice in the batch", finding.OpIDReused, 1,
			func(_ *Gate, b *Batch) { b.Ops[1].Dot.Seq = 1 }, func(_ *Gate, b *Batch) { b.Ops[1] = b.Ops[0] }},
		{"a proof of another operation", finding.SourceMismatch, 1,
			func(g *Gate, b *Batch) { signAll(g, b); b.Proofs[1] = b.Proofs[0] }, signAll},
		{"no proof", finding.SourceMismatch, 1, func(g *Gate, b *Batch) { signAll(g, b); b.Proofs = b.Proofs[:1] }, nil},
		{"changed after it was signed", finding.SourceMismatch, 1,
			func(g *Gate, b *Batch) { signAll(g, b); b.Ops[1].Fields[0].Value = "3" }, nil},
		{"in the name of another signer", finding.SourceMismatch, 1,
			func(g *Gate, b *Batch) { relay(g); written(&b.Ops[1], "eu", "eu"); signAll(g, b) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, b := gateAndBatch()
			require.Empty(t, g.Admit(b, gateNow))
			c.refused(g, b)
			refusals := g.Admit(b, gateNow)
			require.NotEmpty(t, refusals)
			at := 0
			for ; at < len(refusals)-1 && refusals[at].Place < c.about; at++ {
			}
			assert.Equal(t, c.code, refusals[at].Code, "%v", refusals)
			assert.Equal(t, c.about, refusals[at].Place, "%v", refusals)
			assert.NotEmpty(t, refusals[at].Detail)
			assert.NotContains(t, refusals[at].Detail, "%!")
			if c.about >= 0 {
				assert.Equal(t, b.Ops[c.about].Dot, refusals[at].Dot)
			}
			assert.Equal(t, refusals, g.Admit(b, gateNow), "the gate has no memory")
			if c.not != nil {
				g, b := gateAndBatch()
				c.not(g, b)
				assert.Empty(t, g.Admit(b, gateNow))
			}
		})
	}
}

// signAll lets us sign a batch by the sum of its bytes.
func signAll(g *Gate, b *Batch) {
	for i := range b.Ops {
		sum := Sum(append([]byte("us"), bytesOf(b.Ops[i])...))
		b.Proofs = append(b.Proofs, sum[:])
	}
	g.Verify = func(writer clock.Node, canonical, proof []byte) bool {
		sum := Sum(append([]byte(writer), canonical...))
		return string(sum[:]) == string(proof)
	}
}

func TestRefusalsAreCountedUpToALimit(t *testing.T) {
	g, b := gateAndBatch()
	b.Ops = nil
	for seq := range uint64(500) {
		op := gateOp(seq + 1)
		op.Key = ""
		b.Ops = append(b.Ops, op)
	}
	assert.Len(t, g.Admit(b, gateNow), DefaultRefusals)
	g.Limits.Refusals = 7
	assert.Len(t, g.Admit(b, gateNow), 7)
}

func TestALogIsWhatAGateAsks(t *testing.T) {
	g, b := gateAndBatch()
	var l crdt.Log[int]
	g.Known = &l
	for i := range b.Ops {
		op := &b.Ops[i]
		arrival, _ := l.Apply("us", crdt.Operation[int]{Dot: op.Dot, Sum: Sum(bytesOf(*op))})
		require.Equal(t, crdt.Delivered, arrival)
	}
	require.Empty(t, g.Admit(b, gateNow), "the same again")
	b.Ops[1].Fields = []Field{{Name: "count", Value: "200"}}
	require.Equal(t, finding.OpIDReused, g.Admit(b, gateNow)[0].Code)
}

func bytesOf(op Op) []byte {
	canonical, err := op.AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	return canonical
}

// garbage makes an operation of which anything may be wrong, and most is not.
func garbage(r *rand.Rand, seq uint64) Op {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	rare := func() bool { return r.IntN(12) == 0 }
	names := append(RuleNames(), "own", "together", "rest")
	op := Op{
		Key:   names[r.IntN(len(names))] + "/" + pick("1", "2"),
		Kind:  Kind(r.IntN(6)),
		Stamp: lww.Stamp{Time: clock.Timestamp{Wall: gateNow.Wall - int64(r.IntN(5)), Logical: r.Uint32()}, Node: "us", Version: uint64(r.IntN(3))},
		Dot:   clock.Dot{Node: "us", Seq: seq},
	}
	for range r.IntN(4) {
		op.Fields = append(op.Fields, Field{
			Name:   pick("", "a", "b", "rev", "items", "*", "\x00"),
			Value:  garbageValue(r),
			Before: garbageValue(r),
		})
	}
	for range r.IntN(4) {
		first := r.Uint64N(20)
		op.Seen.AddRange(clock.Node(pick("us", "eu", "ap", "nobody", "")), clock.Range{First: first, Last: first + r.Uint64N(3)})
	}
	if rare() {
		op.Seen.AddUp("eu", r.Uint64())
	}
	if rare() {
		op.Dot = clock.Dot{Node: clock.Node(pick("", "us~2", "eu", "a b", "us~0")), Seq: r.Uint64() >> r.IntN(64)}
	}
	if rare() {
		op.Stamp = lww.Stamp{Version: r.Uint64(), Time: clock.Timestamp{Wall: int64(r.Uint64())}, Node: clock.Node(pick("us", "", "eu"))}
	}
	if rare() {
		op.Key = pick("", "\xff", "x", strings.Repeat("k", 5000))
	}
	return op
}

func garbageValue(r *rand.Rand) value.Value {
	values := []value.Value{"", "null", "true", "1", "-0", "1e999999999", "-1e-999999999", "123456789012345678901234567890.5", `"x"`, `"`,
		"[", "[]", "[1,1]", `[1,[2,{"a":3}]]`, "{}", `{"a":1}`, `{"a":`, `{"rev":2,"a":1,"a":2}`, "NaN", "\xff", "[1", "-", "1e", `"\u12`, "tru"}
	return values[r.IntN(len(values))]
}

func TestWhateverIsAdmittedCanBeApplied(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(1)
	parameters.MinSuccessfulTests = 400
	if testing.Short() {
		parameters.MinSuccessfulTests = 60
	}
	admitted, refused := 0, 0
	properties := gopter.NewProperties(parameters)
	properties.Property("an admitted operation never fails, and never panics", prop.ForAll(func(seed uint64) (why string) {
		defer func() {
			if p := recover(); p != nil {
				why = fmt.Sprint("panic: ", p)
			}
		}()
		r := rand.New(rand.NewPCG(seed, 1))
		g := &Gate{Table: everyRule}
		s := NewState(g.Table)
		for seq := range uint64(40) {
			b := &Batch{Source: "us", Fingerprint: g.Table.Fingerprint(), Ops: []Op{garbage(r, seq+1)}}
			if g.Admit(b, gateNow) != nil {
				refused++
				continue
			}
			admitted++
			for range 2 {
				if _, err := s.Apply(b.Ops[0]); err != nil {
					return fmt.Sprintf("%+v: %v", b.Ops[0], err)
				}
			}
		}
		for key, c := range s.Cells() {
			if c.Name != "" {
				_ = s.Get(key, c.Name)
			}
			_ = c.Value()
		}
		return ""
	}, gen.UInt64()))
	var report strings.Builder
	if !properties.Run(gopter.NewFormatedReporter(true, 160, &report)) {
		t.Error(report.String())
	}
	t.Logf("%d admitted, %d refused", admitted, refused)
	require.Greater(t, min(admitted, refused), 1000)
}

func TestAnAdmittedOperationAllocatesNothing(t *testing.T) {
	g, b := benchmarkBatch()
	require.Empty(t, g.Admit(b, gateNow))
	assert.Zero(t, testing.AllocsPerRun(10, func() { _ = g.Admit(b, gateNow) }))
}

func benchmarkBatch() (*Gate, *Batch) {
	g, b := gateAndBatch()
	g.MaxDrift = time.Second
	g.Known = new(crdt.Log[int])
	b.Ops = nil
	for seq := range uint64(1000) {
		op := gateOp(seq + 1)
		op.Fields = append(op.Fields, Field{Name: "note", Value: `"as counted by hand on Tuesday"`})
		op.Seen.AddUp("ap", 70+seq)
		b.Ops = append(b.Ops, op)
	}
	return g, b
}

// A batch of 1000 operations of two fields, of writers that have seen two others; the figure is for one operation.
func BenchmarkAdmit(b *testing.B) {
	g, batch := benchmarkBatch()
	run := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if r := g.Admit(batch, gateNow); r != nil {
				b.Fatal(r)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Ops)), "ns/operation")
	}
	b.Run("unsigned", run)
	g.Verify = func(_ clock.Node, canonical, _ []byte) bool { return len(canonical) > 0 }
	b.Run("with the bytes for a signature", run)
}
