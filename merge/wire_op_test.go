package merge

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
)

// typicalOp is an operation on one field as three regions write it.
func typicalOp() Op {
	op := Op{Key: "orders/8271", Fields: []Field{{Name: "status", Value: `"paid"`}}, ID: "us-east:70211",
		Stamp: lww.Stamp{Time: clock.Timestamp{Wall: 1_701_102_296_662_969_433}, Node: "us-east"},
		Dot:   clock.Dot{Node: "us-east", Seq: 70211}}
	op.Seen.AddUp("ap-south", 61237)
	op.Seen.AddUp("eu-west", 80113)
	op.Seen.AddUp("us-east", 70210)
	return op
}

var compareOps = cmp.Comparer(func(a, b clock.Vector) bool { return a.Equal(b) })

func TestOperationsRoundTrip(t *testing.T) {
	gaps := typicalOp()
	gaps.Seen = clock.Vector{}
	gaps.Seen.AddRange("ap", clock.Range{First: 3, Last: 3})
	gaps.Seen.AddRange("ap", clock.Range{First: 5, Last: 900})
	gaps.Seen.AddRange("eu", clock.Range{First: 1, Last: MaxSeq})
	gaps.Stamp = lww.Stamp{Version: 1<<64 - 1, Time: clock.Timestamp{Wall: clock.MaxWall, Logical: 1<<32 - 1}, Node: "other"}
	gaps.Kind, gaps.Fields = Remove, []Field{{"", `{"a":[1.50,"é\n"]}`, "null"}, {"z\xff", "", `"was"`}}
	bare := Op{Key: "k", Kind: Delete}
	ops := append(operations(rand.New(rand.NewPCG(1, 1)), 300), typicalOp(), gaps, bare, Op{Key: "\xff", ID: "\xfe"})
	for _, op := range ops {
		data, err := op.AppendBinary([]byte("before"))
		require.NoError(t, err)
		require.Equal(t, "before", string(data[:6]))
		got, err := DecodeOp(data[6:], Limits{})
		require.NoError(t, err)
		want := op
		want.Fields = byName(op.Fields, nil)
		require.Empty(t, cmp.Diff(want, got, compareOps))
	}
}

// An operation that went through JSON had seen nothing, and had replaced null where nobody knew what it replaced: a counter
// then took the whole of an absolute value for an increment.
func TestOperationsSurviveJSON(t *testing.T) {
	unknown := Op{Key: "k", Fields: []Field{{Name: "n", Value: "5"}, {Name: "was null", Value: "null", Before: "null"}}}
	for _, op := range append(operations(rand.New(rand.NewPCG(2, 2)), 300), typicalOp(), unknown) {
		text, err := json.Marshal(op)
		require.NoError(t, err)
		var got Op
		require.NoError(t, json.Unmarshal(text, &got))
		require.Empty(t, cmp.Diff(op, got, compareOps), "%s", text)
	}
}

func TestTheOrderOfFieldsIsNoPartOfAnOperation(t *testing.T) {
	op := Op{Key: "k", Fields: []Field{{"b", "1", ""}, {"a", "2", "3"}, {"", "4", ""}}}
	other := Op{Key: "k", Fields: []Field{{"", "4", ""}, {"b", "1", ""}, {"a", "2", "3"}}}
	one, err := op.AppendBinary(nil)
	require.NoError(t, err)
	two, err := other.AppendBinary(nil)
	require.NoError(t, err)
	require.Equal(t, one, two)
	require.Equal(t, "b", op.Fields[0].Name, "the caller's fields stay as they are")
}

func TestWhatIsNoOperationIsNotWritten(t *testing.T) {
	valid := func() Op { return Op{Key: "k", Fields: []Field{{"f", "1", ""}}} }
	for name, spoil := range map[string]func(*Op){
		"no key":                 func(op *Op) { op.Key = "" },
		"unknown kind":           func(op *Op) { op.Kind = Remove + 1 },
		"a field twice":          func(op *Op) { op.Fields = append(op.Fields, op.Fields[0]) },
		"white space":            func(op *Op) { op.Fields[0].Value = "[1, 2]" },
		"no JSON":                func(op *Op) { op.Fields[0].Before = "one" },
		"members not sorted":     func(op *Op) { op.Fields[0].Value = `{"b":1,"a":2}` },
		"an escape too many":     func(op *Op) { op.Fields[0].Value = `"\u0041"` },
		"a node with a space":    func(op *Op) { op.Stamp.Node = "a b" },
		"a time before 1970":     func(op *Op) { op.Stamp.Time.Wall = -1 },
		"a dot without a number": func(op *Op) { op.Dot.Node = "a" },
		"a dot without a node":   func(op *Op) { op.Dot.Seq = 1 },
		"a dot too far":          func(op *Op) { op.Dot = clock.Dot{Node: "a", Seq: MaxSeq + 1} },
		"seen too far":           func(op *Op) { op.Seen.AddUp("a", MaxSeq+1) },
		"seen of no node":        func(op *Op) { op.Seen.AddUp("a b", 1) },
	} {
		op := valid()
		spoil(&op)
		b, err := op.AppendBinary([]byte("as it was"))
		require.ErrorIs(t, err, ErrOp, name)
		require.Equal(t, "as it was", string(b), name)
	}
}

// Every byte of some operations is changed to every value: what is still read must be written the same.
func TestForgedOperationsAreRefusedOrCanonical(t *testing.T) {
	for _, op := range append(operations(rand.New(rand.NewPCG(2, 2)), 20), typicalOp()) {
		data, err := op.AppendBinary(nil)
		require.NoError(t, err)
		for i := range data {
			_, err := DecodeOp(data[:i], Limits{})
			require.ErrorIs(t, err, ErrOp, "cut at %d", i)
			for v := range 256 {
				forged := append([]byte{}, data...)
				forged[i] = byte(v)
				if got, err := DecodeOp(forged, Limits{}); err == nil {
					again, err := got.AppendBinary(nil)
					require.NoError(t, err)
					require.Equal(t, forged, again)
				}
			}
		}
		_, err = DecodeOp(append(data, 0), Limits{})
		require.ErrorIs(t, err, ErrOp)
		_, err = DecodeOp(data, Limits{Bytes: len(data) - 1})
		require.ErrorIs(t, err, ErrOp)
	}
}

func BenchmarkOpAppendBinary(b *testing.B) {
	op := typicalOp()
	buffer := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		if data, err := op.AppendBinary(buffer); err != nil || len(data) == 0 {
			b.Fatal(err)
		}
	}
	data, _ := op.AppendBinary(buffer)
	b.ReportMetric(float64(len(data)), "bytes/op-encoded")
}

func BenchmarkDecodeOp(b *testing.B) {
	op := typicalOp()
	data, _ := op.AppendBinary(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeOp(data, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
