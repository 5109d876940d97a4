package crdt

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
)

// The first element that a set ever held is found like every other.
func TestASetOfOneHasIt(t *testing.T) {
	var g GSet[string]
	_, _ = g.Add("a")
	again := must(g.Add("a"))
	assert.Zero(t, again.Len(), "nothing is added by adding it again")
	assert.Equal(t, 1, g.Len())
	assert.True(t, g.Has("a"))
	assert.False(t, g.Has("b"))
	var s ORSet[string]
	_, _ = s.Add("us", "a")
	assert.True(t, s.Has("a"))
	assert.False(t, s.Has("b"))
	var r RWSet[string]
	_, _ = r.Add("us", "a")
	assert.True(t, r.Has("a"))
	_, _ = r.Remove("us", "c")
	assert.Equal(t, []int{1, 1}, []int{s.Len(), r.Len()})
	assert.False(t, r.Has("b"))
	var m Map[string, EWFlag]
	must(m.Write("a", func(f *EWFlag) (EWFlag, error) { return f.Enable("us"), nil }))
	assert.True(t, m.Has("a"))
	assert.False(t, m.Has("b"))
}

func TestAnIncarnationIsAPlainNumber(t *testing.T) {
	for node, member := range map[clock.Node]clock.Node{
		"us": "us", "us~1": "us", "us~9": "us", "us~10": "us", "us~9999": "us", "a~b~3": "a~b",
		"us~": "us~", "us~0": "us~0", "us~02": "us~02", "us~10000": "us~10000", "us~2x": "us~2x", "us~x2": "us~x2", "us~/": "us~/", "us~1:": "us~1:", "~2": "~2",
	} {
		assert.Equal(t, member, Member(node), node)
	}
}

func TestAVectorWithoutGapsEndsAtTheLastNumber(t *testing.T) {
	assert.NoError(t, checkUnbroken(clock.Up("us", MaxSeq)))
	assert.ErrorContains(t, checkUnbroken(clock.Up("us", MaxSeq+1)), "beyond")
	var gap clock.Vector
	gap.Add(clock.Dot{Node: "us", Seq: 2})
	assert.ErrorContains(t, checkUnbroken(gap), "gaps")
}

// Keys that are waited for stand in the order of their bytes, each once.
func TestAFrameWhoseWaitingKeysAreOutOfOrderIsRefused(t *testing.T) {
	waits := clock.Up("us", 1)
	frame := func(keys ...string) []byte {
		data, err := encode(nil, "ORSet", func(w *writer) {
			w.array(2)
			w.vector(&clock.Vector{})
			w.array(2)
			w.array(0)
			w.array(2 * len(keys))
			for _, k := range keys {
				w.text(k)
				w.vector(&waits)
			}
		})
		require.NoError(t, err)
		return data
	}
	for _, c := range []struct {
		keys []string
		ok   bool
	}{{[]string{"a", "b", "c"}, true}, {[]string{"a", "c", "b"}, false}, {[]string{"b", "a"}, false}, {[]string{"a", "b", "b"}, false}} {
		var s ORSet[string]
		err := s.Decode(frame(c.keys...), Text[string](), Limits{})
		if c.ok {
			assert.NoError(t, err, c.keys)
		} else {
			assert.ErrorIs(t, err, ErrFrame, c.keys)
		}
	}
}

// As long as operations of a lost member are missing, any of the others may turn out to have seen them: nothing is
// compacted.
func TestTheHorizonWaitsForAllThatALostMemberWrote(t *testing.T) {
	var l Log[string]
	require.NoError(t, l.Enter(Epoch{Number: 1, Members: []clock.Node{"eu", "us"}, Lost: clock.Up("gone", 1)}))
	l.Apply("us", said("us:1", "a"))
	acknowledge := func() {
		require.NoError(t, l.Acknowledge("us", l.Seen().Clone()))
		require.NoError(t, l.Acknowledge("eu", l.Seen().Clone()))
	}
	acknowledge()
	assert.True(t, l.Horizon().IsEmpty(), "%s", l.Horizon())
	arrival, _ := l.Apply("us", said("gone:1", "b"))
	require.Equal(t, Delivered, arrival)
	acknowledge()
	assert.Equal(t, "{gone:1-1 us:1-1}", l.Horizon().String())
}

// A remove of a key takes of a nested set what it had seen, and leaves no empty place where an element was.
func TestWhatIsTakenBackOfANestedSetIsGone(t *testing.T) {
	var us, eu Map[string, ORSet[string]]
	add := func(m *Map[string, ORSet[string]], node clock.Node, e string) {
		must(m.Write("k", func(s *ORSet[string]) (ORSet[string], error) { return s.Add(node, e) }))
	}
	add(&us, "us", "x")
	eu.Merge(us)
	removed := eu.Remove("k")
	add(&us, "us", "y")
	us.Merge(removed)
	set, ok := us.Get("k")
	require.True(t, ok)
	assert.Equal(t, []string{"y"}, set.Elements())
	assert.Equal(t, 1, set.Len())
	assert.False(t, set.Has("x"))
}
