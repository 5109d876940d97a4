package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The test binary is the three regions too.
func TestMain(m *testing.M) {
	if status, is := child(); is {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

func TestRegionsEndEqualAndWithEveryAcknowledgedWrite(t *testing.T) {
	var out strings.Builder
	err := run(&out, t.TempDir()) // the story checks its ending itself: see cut, crash, ending and account
	t.Log("\n" + out.String())
	require.NoError(t, err)
	for _, line := range []string{
		`the link carried 0 bytes`,
		`its disk lacks 0 writes`,
		`set=cancelled (ap-south:2) lost against set=shipped`,
		`lost against set=closed`,
		`refused against`,
		`Missing anywhere: 0.`,
		`stock/tea: 763 in all regions`, // 1000 - 30 - 7 - 200, whatever was repeated
	} {
		require.Contains(t, out.String(), line)
	}
}
