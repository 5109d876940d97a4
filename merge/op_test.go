package merge

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Histories write kinds by their names.
func TestKindsReadBackByTheirNames(t *testing.T) {
	for k, name := range []string{"set", "delete", "add", "insert", "remove"} {
		assert.Equal(t, name, Kind(k).String())
		got, ok := ParseKind(name)
		assert.True(t, ok)
		assert.Equal(t, Kind(k), got)
	}
	assert.Equal(t, "kind(5)", Kind(5).String())
	got, ok := ParseKind("kind(5)")
	assert.False(t, ok)
	assert.Zero(t, got)
}

// A node has seen its own writes, but it is the operation that says so: the fold does not add them, for it is told of some
// histories only what a record holds.
func TestAnOperationHasSeenOfItsOwnNodeWhatItSays(t *testing.T) {
	for rule, want := range map[string][2]value.Value{"keep-all": {"[2,1]", "[2]"}, "union": {"[1,2]", "[2]"}, "delete-wins": {"2", "2"}, "refuse": {"2", "2"}} {
		for i, seen := range []clock.Vector{{}, clock.Up("us", 1)} {
			s := NewState(MustParseTable("* * " + rule))
			for n := range uint64(2) {
				op := Op{Key: "k", Fields: []Field{{Name: "f", Value: value.Int(int64(n) + 1)}}, Dot: clock.Dot{Node: "us", Seq: n + 1}}
				if op.Stamp.Version = n; rule == "union" {
					op.Fields[0].Value = value.Array(op.Fields[0].Value)
				}
				if n == 1 {
					op.Seen = seen
				}
				verdicts, err := s.Apply(op)
				require.NoError(t, err)
				assert.Equal(t, n == 1 && i == 0 && rule == "refuse", verdicts[0].Outcome == Refused, rule)
			}
			assert.Equal(t, want[i], s.Get("k", "f"), rule)
		}
	}
}

// Operations of one reader keep their fields to themselves, until the reader is told that their room may be used again.
func TestOperationsOfOneReaderShareNoFields(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	var reader OpReader
	for range 20 {
		ops := operations(r, 1+r.IntN(60))
		got := make([]Op, len(ops))
		for i := range ops {
			ops[i].Fields = byName(ops[i].Fields, nil)
			data, err := ops[i].AppendBinary(nil)
			require.NoError(t, err)
			require.NoError(t, reader.Read(string(data), Limits{}, &got[i]))
			if i%5 == 0 { // what is refused leaves nothing behind
				require.ErrorIs(t, reader.Read(string(data[:len(data)-1]), Limits{}, new(Op)), ErrOp)
			}
			if i%7 == 0 && len(got[i].Fields) > 0 { // to append to the fields of one writes into no other
				_ = append(got[i].Fields, field("mine", "1", ""))
			}
		}
		require.Empty(t, cmp.Diff(ops, got, compareOps))
		reader.Reuse()
	}
}

// A reader that is used again makes no room for fields after the first round, and until then for many at once.
func TestAReaderMakesRoomForManyFieldsAtOnce(t *testing.T) {
	op := Op{Key: "k", Fields: []Field{field("a", "1", ""), field("b", "2", "")}}
	data, err := op.AppendBinary(nil)
	require.NoError(t, err)
	text := string(data)
	var reader OpReader
	round := func() {
		for range 320 {
			_ = reader.Read(text, Limits{}, &op)
		}
	}
	reading := testing.AllocsPerRun(5, round)
	assert.InDelta(t, 10, reading, 1, "640 fields, and room for 64 of them at a time")
	reader.Reuse()
	round() // makes the room
	assert.Zero(t, testing.AllocsPerRun(5, func() { reader.Reuse(); round() }))
	alone := testing.AllocsPerRun(5, func() { _, _ = DecodeOp(data, Limits{}) })
	reader = OpReader{}
	require.NoError(t, reader.Read(text, Limits{}, &op))
	assert.Equal(t, 2, cap(reader.fields.free), "of a single operation no field more than it has")
	assert.LessOrEqual(t, alone, 3.0)
}

// What differs in one place from the bytes of an operation is refused for that.
func TestAForgedOperationIsRefusedForWhatIsWrongWithIt(t *testing.T) {
	const valid = "\x9c\x01\x00\xa1k\x96\xa1f\xa11\xa0\xa1g\xa12\xa0\xa2id\x90\x00\x05\x00\xa2us\x00\x07"
	_, err := DecodeOp([]byte(valid), Limits{})
	require.NoError(t, err)
	for _, c := range []struct{ old, new, want string }{
		{"\x9c", "\x9d", ErrOp.Error()},
		{"\x9c\x01", "\x9c\x02", "version 2, known is 1"},
		{"\x01\x00\xa1k", "\x01\x05\xa1k", "kind 5"},
		{"\xa1k", "\xa0", ErrNoKey.Error()},
		{"\x96", "\x95", ErrOp.Error()},
		{"\xa1f", "\xa1g", "fields are not ascending"},
		{"\xa1f", "\xa1h", "fields are not ascending"},
		{"\xa11", "\xc4\x011", "a value is of another type"}, // the same text as a bin
		{"\xa11", "\xa21 ", ErrOp.Error()},
		{"\xa1f", "\xc4\x01f", "a value is of another type"},
		{"\x00\x07", "\x01\x07", ErrOp.Error()}, // a node that was not written
		{"\x00\x07", "\x00\x00", ErrOp.Error()},
		{"\x00\x07", "\x00\x07\x00", "1 bytes are left over"},
	} {
		require.Equal(t, 1, strings.Count(valid, c.old), "%q", c.old)
		forged := strings.Replace(valid, c.old, c.new, 1)
		op := Op{Key: "as it was"}
		var reader OpReader
		err := reader.Read(forged, Limits{}, &op)
		require.ErrorIs(t, err, ErrOp, "%q for %q", c.new, c.old)
		assert.ErrorContains(t, err, c.want, "%q for %q", c.new, c.old)
		assert.Zero(t, op)
	}
	_, err = DecodeOp([]byte(valid), Limits{Bytes: len(valid)})
	assert.NoError(t, err)
	_, err = DecodeOp([]byte(valid), Limits{Bytes: len(valid) - 1})
	assert.EqualError(t, err, fmt.Sprintf("%v: %d bytes, the limit is %d", ErrOp, len(valid), len(valid)-1))
	_, err = DecodeOp([]byte(valid), Limits{Entries: 6})
	assert.NoError(t, err)
	_, err = DecodeOp([]byte(valid), Limits{Entries: 5})
	assert.ErrorIs(t, err, ErrOp)
	_, err = DecodeOp([]byte(valid), Limits{Bytes: 1 << 20, Value: value.Limits{Bytes: 1}})
	assert.NoError(t, err)
}
