package merge

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// A flag is turned by true and false and by a delete of its field; anything else is no claim on it, and is told as missing.
func TestOnlyATruthValueTurnsAFlag(t *testing.T) {
	for _, rule := range []string{"enable-wins", "disable-wins"} {
		table := MustParseTable("nodes a < b\n* f " + rule + "\n* * lww")
		us := writer{node: "a"}
		s := NewState(table)
		apply := func(op Op) Verdict {
			t.Helper()
			verdicts, err := s.Apply(op)
			require.NoError(t, err)
			require.Len(t, verdicts, 1)
			return verdicts[0]
		}
		for _, op := range []Op{us.op(Set, "k", 1, field("f", `"true"`, "")), us.op(Set, "k", 2, field("f", "1", "")), us.op(Insert, "k", 3, field("f", "true", ""))} {
			why := apply(op)
			assert.Equal(t, value.Value(""), s.Get("k", "f"), "%s: nothing was written", rule)
			assert.Equal(t, Lost, why.Outcome)
			assert.True(t, why.Missing)
		}
		assert.Equal(t, Combined, apply(us.op(Set, "k", 4, field("f", "true", ""))).Outcome)
		assert.Equal(t, value.Value("true"), s.Get("k", "f"))
		assert.Equal(t, Combined, apply(us.op(Set, "k", 5, field("f", "false", ""))).Outcome)
		assert.Equal(t, value.Value("false"), s.Get("k", "f"))
		apply(us.op(Set, "k", 6, field("f", "true", "")))
		assert.False(t, apply(us.op(Delete, "k", 7, field("f", "", ""))).Missing)
		assert.Equal(t, value.Value("false"), s.Get("k", "f"), "a delete turns it off")
	}
}

// To settle one key is what settling all of them does to it, and leaves the others as they are.
func TestOneKeyIsSettledLikeAllOfThem(t *testing.T) {
	table := MustParseTable("nodes a < b\n* n counter\n* * lww")
	us := writer{node: "a"}
	all, one := NewState(table), NewState(table)
	for i := range 20 {
		for _, key := range []string{"k", "l"} {
			op := us.op(Set, key, int64(i+1), field("n", value.Int(int64(i+1)), value.Int(int64(i))))
			for _, s := range []*State{all, one} {
				_, err := s.Apply(op)
				require.NoError(t, err)
			}
		}
	}
	record := func(s *State, key string) []byte {
		data, err := s.AppendRecord(nil, key)
		require.NoError(t, err)
		return data
	}
	unsettled := record(one, "l")
	all.Settle(us.seen)
	one.SettleKey("k", us.seen)
	one.SettleKey("nobody knows it", us.seen)
	assert.Equal(t, record(all, "k"), record(one, "k"))
	assert.Equal(t, unsettled, record(one, "l"))
	assert.Less(t, len(record(all, "l")), len(unsettled))
	assert.Equal(t, value.Value("20"), one.Get("k", "n"))
	assert.Equal(t, 2, one.Len())
}
