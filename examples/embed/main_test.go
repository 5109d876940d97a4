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
	require.NoError(t, run(t.TempDir(), &out, tick))
	require.Equal(t, `Ten lamps arrive in eu-west.
The link goes down. Both sides sell lamps and set a price.
  eu-west: 8 lamps at 20 euro
  us-east: 7 lamps at 25 euro
eu-west is closed, and opened again from its directory.
The link is back, and sends everything twice.
  eu-west: lost from us-east: "price/lamp" "euro": eu-west:3 lost to us-east:2 by time
  us-east: lost from eu-west: "price/lamp" "euro": eu-west:3 lost to us-east:2 by time
  eu-west: 5 lamps at 25 euro
  us-east: 5 lamps at 25 euro
`, out.String())
}
