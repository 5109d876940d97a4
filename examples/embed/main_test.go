package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBothSidesAgreeAndNoLampIsSoldTwice(t *testing.T) {
	now := int64(1_779_278_400_000_000_000)
	tick := func() int64 { now += 1_000_000; return now }
	var out strings.Builder
	require.NoError(t, run(&out, tick))
	require.Equal(t, `Ten lamps arrive in eu-west.
The link goes down. Both sides sell lamps and set a price.
  eu-west: 8 lamps at 20 euro
  us-east: 7 lamps at 25 euro
The link is back, and sends everything again.
  us-east: price/lamp euro of eu-west:3 is lost by time to us-east:2: 2ms
  eu-west: 5 lamps at 25 euro
  us-east: 5 lamps at 25 euro
`, out.String())
}
