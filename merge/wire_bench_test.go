package merge

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// The records of what a service of three regions holds: a row of three fields, a counter of a thousand increments, a set of
// ten elements, a flag, and a field that keeps all values.
var benchTable = MustParseTable("nodes ap-south < eu-west < us-east\n" +
	"counter/* * counter\nset/* * add-wins\nflag/* * disable-wins\nall/* * keep-all\n* * lww")

func benchState(b *testing.B) (s *State, seen clock.Vector) {
	s = NewState(benchTable)
	nodes := []clock.Node{"ap-south", "eu-west", "us-east"}
	apply := func(key string, kind Kind, fields ...Field) {
		node := nodes[seen.Max(nodes[0])%3]
		op := Op{Key: key, Kind: kind, Fields: fields, Seen: seen.Clone(), Dot: seen.Next(node)}
		op.Stamp = lww.Stamp{Time: clock.Timestamp{Wall: 1_701_102_296_662_969_433 + int64(op.Dot.Seq)}, Node: node}
		op.ID = op.Dot.String()
		for _, n := range nodes {
			seen.Add(seen.Next(n)) // the others write elsewhere meanwhile
		}
		_, err := s.Apply(op)
		require.NoError(b, err)
	}
	apply("row/1", Set, field("name", `"Ada Lovelace"`, ""), field("city", `"London"`, ""), field("visits", "1815", ""))
	for range 1000 {
		apply("counter/1", Add, field("n", "3", ""))
	}
	for i := range 10 {
		apply("set/1", Insert, field("items", value.Text(fmt.Sprint("item-", i)), ""))
	}
	apply("flag/1", Set, field("on", "true", ""))
	apply("all/1", Set, field("note", `"call back"`, ""))
	return s, seen
}

func eachRecord(b *testing.B, run func(b *testing.B, s *State, key string, data []byte)) {
	for _, settled := range []bool{false, true} {
		s, seen := benchState(b)
		if settled {
			s.Settle(seen)
		}
		for _, key := range s.Keys(0, s.Len()) {
			data, err := s.AppendRecord(nil, key)
			require.NoError(b, err)
			b.Run(fmt.Sprintf("%s/settled=%t", key[:len(key)-2], settled), func(b *testing.B) {
				b.ReportAllocs()
				run(b, s, key, data)
				b.ReportMetric(float64(len(data)), "bytes/record")
			})
		}
	}
}

func BenchmarkAppendRecord(b *testing.B) {
	eachRecord(b, func(b *testing.B, s *State, key string, _ []byte) {
		buffer := make([]byte, 0, 1<<16)
		for b.Loop() {
			if _, err := s.AppendRecord(buffer, key); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What is merged is there already: the common case of two replicas that compare what they hold.
func BenchmarkMergeRecord(b *testing.B) {
	eachRecord(b, func(b *testing.B, s *State, _ string, data []byte) {
		for b.Loop() {
			if _, _, err := s.MergeRecord(data, Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSettleKey(b *testing.B) {
	s, seen := benchState(b)
	s.Settle(seen)
	b.ReportAllocs()
	for b.Loop() {
		s.SettleKey("set/1", seen)
	}
}
