package lww_test

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/fuzz/faultio"
	"github.com/tiebreakhq/tiebreak/lww"
)

// orders are all orders of the first three rungs, the zero value last.
var orders = [][3]lww.Rung{
	{lww.Version, lww.Time, lww.Node}, {lww.Version, lww.Node, lww.Time}, {lww.Time, lww.Version, lww.Node},
	{lww.Time, lww.Node, lww.Version}, {lww.Node, lww.Version, lww.Time}, {lww.Node, lww.Time, lww.Version}, {},
}

// shortOrders leave rungs out, as those of databases do.
var shortOrders = [][3]lww.Rung{{lww.Time}, {lww.Version, lww.Time}, {lww.Time, lww.Node}, {lww.Same, lww.Version, lww.Time}}

func TestLadderDecidesByTheFirstRungThatDiffers(t *testing.T) {
	type stamp = lww.Stamp
	ms := int64(time.Millisecond)
	long := lww.Ladder{Nodes: clock.Nodes{"9", "10", "11", "12"}}
	for _, c := range []struct {
		name   string
		a, b   lww.Register[string]
		order  int
		by     lww.Rung
		margin int64
		says   string
	}{
		{
			"a later version beats a later clock",
			lww.Register[string]{Stamp: stamp{Version: 3, Time: clock.Timestamp{Wall: 1}, Node: "9"}},
			lww.Register[string]{Stamp: stamp{Version: 1, Time: clock.Timestamp{Wall: 99}, Node: "12"}},
			1, lww.Version, 2, "left by version: 2 versions higher",
		}, {
			"a write with a version beats one without",
			lww.Register[string]{Stamp: stamp{Time: clock.Timestamp{Wall: 99}}},
			lww.Register[string]{Stamp: stamp{Version: 1}},
			-1, lww.Version, 1, "right by version: 1 version higher",
		}, {
			"versions too far apart for a margin",
			lww.Register[string]{Stamp: stamp{Version: math.MaxUint64}},
			lww.Register[string]{},
			1, lww.Version, math.MaxInt64, "left by version: 9223372036854775807 versions higher",
		}, {
			"two milliseconds later",
			lww.Register[string]{Stamp: stamp{Time: clock.Timestamp{Wall: 5 * ms}, Node: "12"}},
			lww.Register[string]{Stamp: stamp{Time: clock.Timestamp{Wall: 7 * ms}, Node: "9"}},
			-1, lww.Time, 2 * ms, "right by time: 2ms later",
		}, {
			"one nanosecond is not a tie",
			lww.Register[string]{Stamp: stamp{Time: clock.Timestamp{Wall: 1671316629471912329}, Node: "9"}},
			lww.Register[string]{Stamp: stamp{Time: clock.Timestamp{Wall: 1671316629471912328, Logical: 7}, Node: "12"}},
			1, lww.Time, 1, "left by time: 1ns later",
		}, {
			"only the logical part differs",
			lww.Register[string]{Stamp: stamp{Time: clock.Timestamp{Wall: 5, Logical: 9}}},
			lww.Register[string]{Stamp: stamp{Time: clock.Timestamp{Wall: 5, Logical: 5}}},
			1, lww.Time, 0, "left by time: later in the same nanosecond",
		}, {
			"broken times are ordered all the same",
			lww.Register[string]{Stamp: stamp{Time: clock.Timestamp{Wall: math.MinInt64}}},
			lww.Register[string]{Stamp: stamp{Time: clock.Timestamp{Wall: math.MaxInt64}}},
			-1, lww.Time, math.MaxInt64, "right by time: 2562047h47m16.854775807s later",
		}, {
			"the declared order and not the spelling: 10 is after 9",
			lww.Register[string]{Stamp: stamp{Node: "9"}},
			lww.Register[string]{Stamp: stamp{Node: "10"}},
			-1, lww.Node, 1, "right by node: 1 place later in the order",
		}, {
			"the ends of the order",
			lww.Register[string]{Stamp: stamp{Node: "12"}},
			lww.Register[string]{Stamp: stamp{Node: "9"}},
			1, lww.Node, 3, "left by node: 3 places later in the order",
		}, {
			"a declared node beats one that isn't",
			lww.Register[string]{Stamp: stamp{Node: "zzz"}, Value: "z"},
			lww.Register[string]{Stamp: stamp{Node: "9"}, Value: "a"},
			-1, lww.Node, 1, "right by node: 1 place later in the order",
		}, {
			"a declared node beats no node",
			lww.Register[string]{Stamp: stamp{Node: "10"}},
			lww.Register[string]{},
			1, lww.Node, 2, "left by node: 2 places later in the order",
		}, {
			"a delete beats a set, whatever the value",
			lww.Register[string]{Stamp: stamp{Node: "9"}, Value: "zzz"},
			lww.Register[string]{Stamp: stamp{Node: "9"}, Deleted: true},
			-1, lww.Kind, 0, "right by kind: one of the two is a delete",
		}, {
			"a delete of an undeclared node beats a set of another one",
			lww.Register[string]{Stamp: stamp{Node: "x"}, Deleted: true},
			lww.Register[string]{Stamp: stamp{Node: "y"}, Value: "v"},
			1, lww.Kind, 0, "left by kind: one of the two is a delete",
		}, {
			"one node had two writers",
			lww.Register[string]{Stamp: stamp{Node: "9"}, Value: "b"},
			lww.Register[string]{Stamp: stamp{Node: "9"}, Value: "a"},
			1, lww.Value, 0, "left by value",
		}, {
			"two undeclared nodes: the value, not the name",
			lww.Register[string]{Stamp: stamp{Node: "y"}, Value: "a"},
			lww.Register[string]{Stamp: stamp{Node: "x"}, Value: "b"},
			-1, lww.Value, 0, "right by value",
		}, {
			"two undeclared nodes wrote the same: the name closes the order",
			lww.Register[string]{Stamp: stamp{Node: "y"}, Value: "v"},
			lww.Register[string]{Stamp: stamp{Node: "x"}, Value: "v"},
			1, lww.Value, 0, "left by value",
		}, {
			"a redelivered write does not beat itself",
			lww.Register[string]{Stamp: stamp{Version: 1, Time: clock.Timestamp{Wall: 5, Logical: 5}, Node: "9"}, Value: "v"},
			lww.Register[string]{Stamp: stamp{Version: 1, Time: clock.Timestamp{Wall: 5, Logical: 5}, Node: "9"}, Value: "v"},
			0, lww.Same, 0, "same write",
		}, {
			"two registers that were never written",
			lww.Register[string]{},
			lww.Register[string]{},
			0, lww.Same, 0, "same write",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept, why := lww.Merge(&long, c.a, c.b)
			assert.Equal(t, lww.Verdict{Order: c.order, By: c.by, Margin: c.margin}, why)
			assert.Equal(t, c.says, why.String())
			assert.Equal(t, map[int]lww.Register[string]{1: c.a, 0: c.a, -1: c.b}[c.order], kept)

			other, swapped := lww.Merge(&long, c.b, c.a)
			assert.Equal(t, kept, other)
			assert.Equal(t, lww.Verdict{Order: -c.order, By: c.by, Margin: c.margin}, swapped)

			order, by := lww.Compare(&long, c.a, c.b)
			assert.Equal(t, []any{c.order, c.by}, []any{order, by})
			assert.Equal(t, why, lww.Judge(&long, c.a.Stamp, c.b.Stamp, order, by))
			kept, why = lww.MergeFunc(&long, c.a, c.b, strings.Compare)
			assert.Equal(t, other, kept)
			assert.Equal(t, c.by, why.By)

			order, by = long.Compare(c.a.Stamp, c.b.Stamp)
			if c.by == lww.Kind || c.by == lww.Value {
				assert.Equal(t, []any{0, lww.Same}, []any{order, by}, "stamps say nothing of what was written")
			} else {
				assert.Equal(t, []any{c.order, c.by}, []any{order, by})
			}
		})
	}
}

// The same two stamps, which no two rungs judge alike, under all six orders.
func TestDeclaredOrderOfRungsDecides(t *testing.T) {
	for _, c := range []struct {
		a, b lww.Stamp
		left lww.Rung // the only rung by which a wins
	}{
		{lww.Stamp{Version: 2, Time: clock.Timestamp{Wall: 1}, Node: "ap"}, lww.Stamp{Version: 1, Time: clock.Timestamp{Wall: 2}, Node: "us"}, lww.Version},
		{lww.Stamp{Version: 1, Time: clock.Timestamp{Wall: 2}, Node: "ap"}, lww.Stamp{Version: 2, Time: clock.Timestamp{Wall: 1}, Node: "us"}, lww.Time},
		{lww.Stamp{Version: 1, Time: clock.Timestamp{Wall: 1}, Node: "us"}, lww.Stamp{Version: 2, Time: clock.Timestamp{Wall: 2}, Node: "ap"}, lww.Node},
	} {
		for _, order := range orders {
			ladder := lww.Ladder{Order: order, Nodes: clock.Nodes{"ap", "us"}}
			first := order[0]
			if first == lww.Same {
				first = lww.Version
			}
			want := -1
			if first == c.left {
				want = 1
			}
			got, by := ladder.Compare(c.a, c.b)
			assert.Equal(t, []any{want, first}, []any{got, by}, "%v", order)
		}
	}
	// Equal on the first rung: the second decides, then the third.
	a := lww.Stamp{Version: 1, Time: clock.Timestamp{Wall: 5}, Node: "us"}
	for _, order := range orders[:6] {
		ladder := lww.Ladder{Order: order, Nodes: clock.Nodes{"ap", "us"}}
		for place := range order {
			b := a
			for _, differs := range order[place:] {
				switch differs {
				case lww.Version:
					b.Version++
				case lww.Time:
					b.Time.Logical++
				case lww.Node:
					b.Node = "ap"
				}
			}
			_, by := ladder.Compare(a, b)
			assert.Equal(t, order[place], by, "%v", order)
		}
	}
}

func TestLadderCheck(t *testing.T) {
	for _, order := range orders {
		assert.NoError(t, (&lww.Ladder{Order: order, Nodes: clock.Nodes{"a", "b"}}).Check())
	}
	for _, order := range shortOrders {
		assert.NoError(t, (&lww.Ladder{Order: order}).Check(), "%v", order)
	}
	for _, order := range [][3]lww.Rung{
		{lww.Version, lww.Version, lww.Time}, {lww.Version, lww.Time, lww.Kind}, {lww.Rank, lww.Time, lww.Node},
		{lww.Version, lww.Same, lww.Version}, {lww.Version, lww.Time, 200},
	} {
		assert.ErrorIs(t, (&lww.Ladder{Order: order}).Check(), lww.ErrOrder, "%v", order)
	}
	assert.ErrorContains(t, (&lww.Ladder{Nodes: clock.Nodes{"a", "a"}}).Check(), "twice")
}

// A merge in a hot path, by any rung of the ladder.
func TestMergeDoesNotAllocate(t *testing.T) {
	for _, order := range orders {
		ladder := lww.Ladder{Order: order, Nodes: clock.Nodes{"ap", "us"}}
		a := lww.Register[string]{Stamp: lww.Stamp{Version: 1, Node: "ap"}, Value: "a"}
		for _, b := range []lww.Register[string]{a, {Stamp: lww.Stamp{Version: 2}}, {Stamp: lww.Stamp{Version: 1, Node: "us"}}, {Stamp: a.Stamp, Value: "b"}} {
			assert.Zero(t, testing.AllocsPerRun(10, func() { lww.Merge(&ladder, a, b) }))
			assert.Zero(t, testing.AllocsPerRun(10, func() { lww.MergeFunc(&ladder, a, b, strings.Compare) }))
		}
	}
}

func TestRungNames(t *testing.T) {
	var names []string
	for r := lww.Same; r <= lww.Value; r++ {
		names = append(names, r.String())
	}
	assert.Equal(t, "same rank version time node kind value", strings.Join(names, " "))
	assert.Equal(t, "rung(7)", (lww.Value + 1).String())
	assert.Equal(t, "rung(200)", lww.Rung(200).String())
	assert.Equal(t, "right by rank", lww.Verdict{Order: -1, By: lww.Rank}.String())
	assert.Equal(t, "right: the other side held nothing", lww.Verdict{Order: -1}.String())
}

func TestStampText(t *testing.T) {
	assert.Equal(t, "v7 5.0000000001 eu", lww.Stamp{Version: 7, Time: clock.Timestamp{Wall: 5, Logical: 1}, Node: "eu"}.String())
	assert.Equal(t, "v1", lww.Stamp{Version: 1}.String())
	assert.Equal(t, "eu", lww.Stamp{Node: "eu"}.String())
	assert.Equal(t, "", lww.Stamp{}.String())
}

func requireStampRoundTrips(t *testing.T, want lww.Stamp) []byte {
	t.Helper()
	packed, err := msgpack.Marshal(want)
	require.NoError(t, err)
	var got lww.Stamp
	require.NoError(t, msgpack.Unmarshal(packed, &got))
	require.Equal(t, want, got)
	return packed
}

func TestStampRoundTrips(t *testing.T) {
	longest := clock.Node(strings.Repeat("n", clock.MaxNodeLen))
	for _, want := range []lww.Stamp{
		{}, {Version: 1}, {Version: 127}, {Version: 128}, {Version: 255}, {Version: 256}, {Version: 65536}, {Version: math.MaxUint64, Time: clock.Timestamp{Wall: clock.MaxWall, Logical: math.MaxUint32}, Node: longest},
	} {
		requireStampRoundTrips(t, want)
	}
	properties := gopter.NewProperties(nil)
	properties.Property("a stamp reads back", prop.ForAll(func(version uint64, wall int64, logical uint32, node string) bool {
		requireStampRoundTrips(t, lww.Stamp{Version: version, Time: clock.Timestamp{Wall: wall, Logical: logical}, Node: clock.Node(node)})
		return true
	}, gen.UInt64(), gen.Int64Range(0, clock.MaxWall), gen.UInt32(), gen.Identifier()))
	properties.TestingRun(t)
}

// The bytes of this test are what replicas of other releases send.
func TestStampBytesAreFrozen(t *testing.T) {
	assert.Equal(t, []byte{0x93, 7, 0x92, 5, 1, 0xa2, 'e', 'u'},
		requireStampRoundTrips(t, lww.Stamp{Version: 7, Time: clock.Timestamp{Wall: 5, Logical: 1}, Node: "eu"}))
	assert.Equal(t, []byte{0x93, 0, 0x92, 0, 0, 0xa0}, requireStampRoundTrips(t, lww.Stamp{}))
}

func TestStampDecoderRefuses(t *testing.T) {
	kept := lww.Stamp{Version: 1, Node: "eu"}
	for name, b := range map[string][]byte{
		"nothing":            {},
		"nil":                {0xc0},
		"two fields":         {0x92, 1, 0x92, 0, 0},
		"two, then a node":   {0x92, 1, 0x92, 0, 0, 0xa0},
		"four fields":        {0x94, 1, 0x92, 0, 0, 0xa0, 0},
		"4 Gi fields":        {0xdd, 0xff, 0xff, 0xff, 0xff},
		"a negative version": {0x93, 0xff, 0x92, 0, 0, 0xa0},
		"nil for a version":  {0x93, 0xc0, 0x92, 0, 0, 0xa0},
		"nothing after it":   {0x93, 1},
		"nil for a time":     {0x93, 1, 0xc0, 0xa0},
		"nothing after that": {0x93, 1, 0x92, 0, 0},
		"nil for a node":     {0x93, 1, 0x92, 0, 0, 0xc0},
		"a node of 4 GiB":    {0x93, 1, 0x92, 0, 0, 0xdb, 0xff, 0xff, 0xff, 0xff},
		"a node that ends":   {0x93, 1, 0x92, 0, 0, 0xa5, 'e'},
		"a node that is bad": {0x93, 1, 0x92, 0, 0, 0xa1, ' '},
	} {
		got := kept
		assert.Error(t, got.DecodeMsgpack(msgpack.NewDecoder(bytes.NewReader(b))), name)
		assert.Equal(t, kept, got, name)
	}
	_, err := msgpack.Marshal(lww.Stamp{Node: "e u"})
	assert.ErrorIs(t, err, lww.ErrStamp)
	_, err = msgpack.Marshal(lww.Stamp{Time: clock.Timestamp{Wall: -1}})
	assert.ErrorIs(t, err, clock.ErrTime)
}

func TestStampDecoderTellsThatTheReaderFailed(t *testing.T) {
	packed := requireStampRoundTrips(t, lww.Stamp{Version: 700, Time: clock.Timestamp{Wall: 500, Logical: 1}, Node: "eu"})
	for n := range packed {
		var stamp lww.Stamp
		assert.ErrorIs(t, stamp.DecodeMsgpack(msgpack.NewDecoder(faultio.Reader(packed[:n], packed[n:]))), faultio.Err, "after %d bytes", n)
		assert.Zero(t, stamp)
	}
}

func TestStampEncoderTellsOfEveryWriteThatFailed(t *testing.T) {
	stamp := lww.Stamp{Version: 7, Time: clock.Timestamp{Wall: 5, Logical: 1}, Node: "eu"}
	writes := faultio.Writer(0)
	require.NoError(t, stamp.EncodeMsgpack(msgpack.NewEncoder(&writes)))
	for n := range -writes {
		w := n + 1
		assert.ErrorIs(t, stamp.EncodeMsgpack(msgpack.NewEncoder(&w)), faultio.Err, "write %d", n+1)
	}
}

// shortWriter fails after so many bytes.
type shortWriter int

func (w *shortWriter) Write(b []byte) (int, error) {
	if *w -= shortWriter(len(b)); *w < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestStampEncoderTellsThatTheWriterFailed(t *testing.T) {
	stamp := lww.Stamp{Version: 7, Time: clock.Timestamp{Wall: 5, Logical: 1}, Node: "eu"}
	for n := range len(requireStampRoundTrips(t, stamp)) {
		room := shortWriter(n)
		assert.ErrorIs(t, stamp.EncodeMsgpack(msgpack.NewEncoder(&room)), io.ErrShortWrite)
	}
}

// FuzzDecode gives what the fuzzer makes to the one decoder of this package.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x93, 7, 0x92, 5, 1, 0xa2, 'e', 'u'})
	f.Add([]byte{0x93, 0, 0x92, 0, 0, 0xa0})
	f.Add([]byte{0x93, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0x92, 0xcd, 1, 0, 0, 0xd9, 2, 'e', 'u'})
	f.Fuzz(func(t *testing.T, b []byte) {
		var stamp lww.Stamp
		if stamp.DecodeMsgpack(msgpack.NewDecoder(bytes.NewReader(b))) == nil {
			requireStampRoundTrips(t, stamp)
		}
	})
}

// Whatever is wrong with what a stamp is read from or written of, the error says that it is of a stamp.
func TestErrorsOfStampsAreThoseOfStamps(t *testing.T) {
	var s lww.Stamp
	for _, data := range []string{"", "\xa1a", "\x92\x01\x02", "\x93\xff", "\x93\x01\xa1a", "\x93\x01\x92\x01", "\x93\x01\x92\x01\x02\xc0", "\x93\x01\x92\x01\x02\xa2a"} {
		assert.ErrorIs(t, msgpack.Unmarshal([]byte(data), &s), lww.ErrStamp, "%x", data)
	}
	_, err := msgpack.Marshal(lww.Stamp{Time: clock.Timestamp{Wall: -1}})
	assert.ErrorIs(t, err, lww.ErrStamp)
	assert.ErrorIs(t, err, clock.ErrTime)
	for _, into := range []struct {
		to   any
		want error
	}{{new(clock.Dot), clock.ErrDot}, {new(clock.Timestamp), clock.ErrTime}, {new(clock.Vector), clock.ErrVector}} {
		assert.ErrorIs(t, msgpack.Unmarshal([]byte("\xa1a"), into.to), into.want)
	}
}
