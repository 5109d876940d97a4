package crdt

import (
	"encoding/binary"
	"math"
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
)

// said is an operation as the tests make them: its payload is its text, and stands for its sum.
func said(dot, text string, after ...string) Operation[string] {
	d, err := clock.ParseDot(dot)
	if err != nil {
		panic(err)
	}
	op := Operation[string]{Dot: d, Size: len(text), Payload: text}
	copy(op.Sum[:], dot+text)
	for _, cause := range after {
		c := must(clock.ParseDot(cause))
		op.After.AddUp(c.Node, c.Seq)
	}
	return op
}

func dots[P any](ops []Operation[P]) []string {
	texts := []string{}
	for _, op := range ops {
		texts = append(texts, op.Dot.String())
	}
	return texts
}

func TestEveryArrivalOfALogHasItsAnswer(t *testing.T) {
	type step struct {
		op       Operation[string]
		arrival  Arrival
		delivers []string
	}
	unowned := said("us:1", "x")
	unowned.Dot = clock.Dot{}
	negative := said("us:1", "x")
	negative.Size = -1
	beyond := said("us:1", "x")
	beyond.Dot.Seq = 1 << 63
	endless := said("us:9", "x")
	endless.After.AddUp("eu", math.MaxUint64)
	nameless := said("us:1", "x")
	nameless.Dot.Node = "a b"
	for name, steps := range map[string][]step{
		"in order": {
			{said("us:1", "a"), Delivered, []string{"us:1"}},
			{said("us:2", "b"), Delivered, []string{"us:2"}},
			{said("us:1", "a"), Duplicate, nil},
		},
		"a gap, filled": {
			{said("us:3", "c"), Held, nil},
			{said("us:2", "b"), Held, nil},
			{said("us:3", "c"), Duplicate, nil},
			{said("us:1", "a"), Delivered, []string{"us:1", "us:2", "us:3"}},
		},
		"a cause, late": {
			{said("us:1", "a", "eu:2", "ap:1"), Held, nil},
			{said("eu:2", "c"), Held, nil},
			{said("ap:1", "d"), Delivered, []string{"ap:1"}},
			{said("eu:1", "b"), Delivered, []string{"eu:1", "eu:2", "us:1"}},
		},
		"a cause of what follows": {
			{said("us:2", "b", "eu:1"), Held, nil},
			{said("us:1", "a"), Delivered, []string{"us:1"}},
			{said("eu:1", "c"), Delivered, []string{"eu:1", "us:2"}},
		},
		"another operation under a dot that is delivered": {
			{said("us:1", "a"), Delivered, []string{"us:1"}},
			{said("us:1", "b"), Reused, nil},
		},
		"another operation under a dot that is held": {
			{said("us:2", "a"), Held, nil},
			{said("us:2", "b"), Reused, nil},
			{said("us:1", "x"), Delivered, []string{"us:1", "us:2"}},
		},
		"no dot":                    {{unowned, Invalid, nil}},
		"a negative size":           {{negative, Invalid, nil}},
		"a number beyond all":       {{beyond, Invalid, nil}},
		"a cause beyond all":        {{endless, Invalid, nil}},
		"a name that is none":       {{nameless, Invalid, nil}},
		"its own cause":             {{said("us:1", "a", "us:1"), Invalid, nil}},
		"the last number there is":  {{said("us:9223372036854775807", "a"), Held, nil}},
		"a cause that nobody knows": {{said("us:1", "a", "nobody:77"), Held, nil}, {said("eu:1", "b"), Delivered, []string{"eu:1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var l Log[string]
			for _, s := range steps {
				require.Equal(t, s.arrival, l.Check("us", s.op), "check %s", s.op.Dot)
				arrival, ready := l.Apply("us", s.op)
				require.Equal(t, s.arrival, arrival, "%s", s.op.Dot)
				if s.delivers != nil {
					assert.Equal(t, s.delivers, dots(ready))
				} else {
					assert.Empty(t, ready)
				}
			}
		})
	}
}

func number(dot clock.Dot) (sum [16]byte) {
	binary.BigEndian.PutUint64(sum[:], dot.Seq)
	return sum
}

func BenchmarkLog(b *testing.B) {
	b.Run("apply in order", func(b *testing.B) {
		var l Log[[2]uint64]
		nodes := []clock.Node{"ap-south", "eu-west", "us-east"}
		b.ReportAllocs()
		seqs := [3]uint64{}
		i := 0
		for b.Loop() {
			seqs[i%3]++
			d := clock.Dot{Node: nodes[i%3], Seq: seqs[i%3]}
			if a, _ := l.Apply(d.Node, Operation[[2]uint64]{Dot: d, Size: 200, Sum: number(d)}); a != Delivered {
				b.Fatal(a)
			}
			i++
		}
	})
}

// A peer may have seen operations behind holes; it is sent what is in the holes and what follows, and nothing twice.
func TestAPeerWithHolesIsSentWhatIsInThem(t *testing.T) {
	var l Log[string]
	for _, dot := range []string{"us:1", "us:2", "us:3", "eu:1", "us:4", "us:5", "us:6", "eu:2", "us:7", "us:8", "eu:3"} {
		arrival, _ := l.Apply("us", said(dot, dot))
		require.Equal(t, Delivered, arrival)
	}
	var seen clock.Vector
	for _, dot := range []string{"us:2", "us:3", "us:6", "eu:1", "eu:3"} {
		seen.Add(must(clock.ParseDot(dot)))
	}
	var sent []string
	for op := range l.Since(seen) {
		sent = append(sent, op.Dot.String())
	}
	assert.Equal(t, []string{"us:1", "us:4", "us:5", "eu:2", "us:7", "us:8"}, sent)
}

func TestWhatALogWaitsForIsWhatItHasNotGot(t *testing.T) {
	var l Log[string]
	for _, op := range []Operation[string]{said("us:1", "a"), said("us:2", "b"), said("us:5", "e"), said("eu:2", "f", "us:1", "ap:3")} {
		l.Apply("us", op)
	}
	waiting := l.Waiting()
	assert.Equal(t, "{ap:1-3 eu:1-1 us:3-4}", waiting.Missing.String(), "neither what is delivered nor what is held")
	assert.Equal(t, []Backlog{{"us", 2, 2}}, waiting.Sources)
}

func TestNothingIsTakenOfAStoppedMemberUntilTheNextEpoch(t *testing.T) {
	var l Log[string]
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"a", "b"}}))
	op := func(seq uint64) Operation[string] {
		return Operation[string]{Dot: clock.Dot{Node: "b", Seq: seq}, Sum: [16]byte{byte(seq)}}
	}
	apply := func(seq uint64) Arrival {
		arrival, _ := l.Apply("b", op(seq))
		return arrival
	}
	require.Equal(t, Delivered, apply(1))
	require.Equal(t, Held, apply(3))
	require.Equal(t, clock.Up("b", 1), l.Stop("b"))
	require.Equal(t, Duplicate, apply(1))
	require.Equal(t, Stranger, apply(2))
	require.Equal(t, Stranger, apply(3)) // which was dropped, and is sent again later
	arrival, _ := l.Apply("b", Operation[string]{Dot: clock.Dot{Node: "b~2", Seq: 1}})
	require.Equal(t, Stranger, arrival)
	require.Empty(t, l.Waiting().Sources)
	require.NoError(t, l.Enter(Epoch{Number: 2, Members: []clock.Node{"a"}, Lost: clock.Up("b", 2)})) // somebody else had two
	require.Equal(t, Delivered, apply(2))
	require.Equal(t, Stranger, apply(3))
}

// What a region that was cut off had waited for comes all at once. A log kept the room of the most that it ever delivered, and
// in it what it had forgotten.
func TestALogKeepsNothingOfALargeDelivery(t *testing.T) {
	const many = 1000
	var l Log[*[64]byte]
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"eu", "us"}}))
	apply := func(seq uint64) (Arrival, weak.Pointer[[64]byte]) {
		payload := new([64]byte)
		arrival, _ := l.Apply("us", Operation[*[64]byte]{Dot: clock.Dot{Node: "us", Seq: seq}, Size: 1, Payload: payload})
		return arrival, weak.Make(payload)
	}
	forget := func() {
		for _, member := range l.Epoch().Members {
			require.NoError(t, l.Acknowledge(member, l.Seen().Clone()))
		}
		l.Compact()
	}
	var payloads []weak.Pointer[[64]byte]
	for seq := uint64(many); seq > 0; seq-- {
		arrival, payload := apply(seq)
		require.Equal(t, seq == 1, arrival == Delivered)
		payloads = append(payloads, payload)
	}
	require.Equal(t, many, len(l.ready))
	arrival, _ := apply(many + 1)
	require.Equal(t, Delivered, arrival)
	forget()
	runtime.GC()
	for i := range payloads {
		require.Nil(t, payloads[i].Value(), "of us:%d", many-i)
	}
	assert.Less(t, cap(l.ready), many)
	s, _ := l.lane("us")
	assert.Nil(t, s.held)
}
