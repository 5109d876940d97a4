package clock_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tiebreakhq/tiebreak/clock"
)

func TestAnIncarnationIsANumberBehindItsMember(t *testing.T) {
	for node, want := range map[clock.Node]int{"us~2": 2, "us~9999": 9999, "us": 0, "us~0": 0, "us~02": 0, "us~10000": 0, "us~": 0, "us~x": 0, "~2": 0, "a~1~3": 3} {
		member, number := node.Incarnation()
		assert.Equal(t, want, number, node)
		if want == 0 {
			assert.Equal(t, node, member)
		} else {
			assert.Equal(t, string(node), fmt.Sprintf("%s~%d", member, number))
		}
	}
}
