package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConcurrentBookingsAreRefusedUntilOneHasSeenBoth(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(&out))
	require.Equal(t, `eu books a balance of 100.
  eu: 100 of eu is kept; balance 100
  us: 100 of eu is kept; balance 100
The link is cut. eu pays out 30 and books 70, us pays out 80 and books 20.
  eu: 70 of eu is kept; balance 70
  us: 20 of us is kept; balance 20
The link is back: an incident, in both regions.
  eu: 20 of us is refused; balance 20
  us: 70 of eu is refused by time to us:1: 1s; balance 20
A human has seen both, and books what is true: 10 are owed.
  us: -10 of us is kept; balance -10
  eu: -10 of us is kept; balance -10
`, out.String())
}
