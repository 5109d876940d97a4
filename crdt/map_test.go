package crdt

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tiebreakhq/tiebreak/clock"
)

func TestAMapRefusesAKeyThatIsNotEqualToItself(t *testing.T) {
	var m Map[float64, EWFlag]
	_, err := m.Write(math.NaN(), func(f *EWFlag) (EWFlag, error) { return f.Enable("us"), nil })
	assert.ErrorIs(t, err, ErrNaN)
	_, err = m.DeleteAt(clock.Dot{Node: "us", Seq: 1}, math.NaN())
	assert.ErrorIs(t, err, ErrNaN)
	assert.True(t, m.Equal(Map[float64, EWFlag]{}))
}

func TestADeleteWithoutADotChangesNothing(t *testing.T) {
	var m Map[string, EWFlag]
	must(m.Write("a", func(f *EWFlag) (EWFlag, error) { return f.Enable("us"), nil }))
	before := m.Clone()
	changed, err := m.DeleteAt(clock.Dot{}, "a")
	assert.NoError(t, err)
	assert.False(t, changed)
	assert.True(t, m.Has("a"))
	assert.True(t, m.Equal(before))
}
