package merge

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// A reader that is used again makes no room for fields after the first round.
func TestAReaderThatIsUsedAgainHasRoom(t *testing.T) {
	var texts []string
	for i, op := range operations(rand.New(rand.NewPCG(4, 5)), 200) {
		if i%2 == 0 {
			op.Seen = typicalOp().Seen
		}
		data, err := op.AppendBinary(nil)
		require.NoError(t, err)
		texts = append(texts, string(data))
	}
	var reader OpReader
	var op Op
	read := func(reuse bool) float64 {
		return testing.AllocsPerRun(5, func() {
			for _, text := range texts {
				_ = reader.Read(text, Limits{}, &op)
			}
			if reuse {
				reader.Reuse()
			}
		})
	}
	again := read(true)
	assert.Less(t, again, read(false), "without, each round needs room of its own")
}
