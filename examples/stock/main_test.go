package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoRegionSellsWhatItHasNoRightsTo(t *testing.T) {
	var out strings.Builder
	run(&out)
	require.Equal(t, `Ten lamps arrive in eu, which passes four to us.
  eu sees 10 left and may sell 6
  us sees 10 left and may sell 4
The link is cut. Each side would like to sell seven.
  eu can't sell 7: take 7: not enough rights: eu has 6
  eu sells 6
  us can't sell 7: take 7: not enough rights: us has 4
  us sells 3
  eu sees 4 left and may sell 0
  us sees 7 left and may sell 1
The link is back. us passes its last lamp to eu.
  eu sees 1 left and may sell 1
  us sees 1 left and may sell 0
  eu sells 1
  eu sees 0 left and may sell 0
  us sees 0 left and may sell 0
`, out.String())
}
