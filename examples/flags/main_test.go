package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachFlagFallsAsItWasDeclared(t *testing.T) {
	var out strings.Builder
	run(&out)
	require.Equal(t, `eu switches both flags on.
  eu: payments on, search on
  us: payments on, search on
The link is cut. us switches both off, eu switches both off and on again.
  eu: payments on, search on
  us: payments off, search off
The link is back: payments are on, as an enable wins; search is off, as a disable wins.
  eu: payments on, search off
  us: payments on, search off
eu has seen the disable of us, and switches search on again: that is no conflict.
  eu: payments on, search on
  us: payments on, search on
`, out.String())
}
