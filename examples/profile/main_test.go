package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecidedTogetherTheAddressIsOneThatSomebodyWrote(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(&out))
	require.Equal(t, `Ann lives at Via Appia 1, Rome. The link is cut.
In us she moves to Main St 7, Boston. In eu somebody corrects the old address: Via Appia 2, Rome.
Decided field by field:
  street of eu is kept
  street of us is lost by time to eu:1: 1s
  city of us is kept
  phone of us is kept
  all see "Via Appia 2", "Boston", phone "617 1"
Decided together:
  street,city of eu is kept
  street,city of us is lost by time to eu:1: 1s
  phone of us is kept
  all see "Via Appia 2", "Rome", phone "617 1"
`, out.String())
}
