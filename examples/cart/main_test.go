package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAListLosesTheBreadAndASetDoesNot(t *testing.T) {
	var out strings.Builder
	run(&out)
	require.Equal(t, `One list, the last writer wins. Both begin with tea, milk.
  cut: eu adds bread:    tea, milk, bread
       us takes out tea: milk
  healed:                milk
  The bread is lost: us wins by time, 2s later.
A set, adds win. Both begin with tea, milk.
  cut: eu adds bread:    bread, milk, tea
       us takes out tea: milk
  healed:                bread, milk
  cut: us takes out milk, and eu adds milk once more
  healed:                bread, milk
  The remove had not seen the second milk. eu and us are equal: true.
`, out.String())
}
