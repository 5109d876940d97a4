package cmd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizesAreReadInBinaryUnits(t *testing.T) {
	for text, want := range map[string]int64{"64MiB": 64 << 20, "1GiB": 1 << 30, "2G": 2 << 30, "134217728": 128 << 20, "1TB": 1 << 40} {
		var s size
		require.NoError(t, s.Set(text), text)
		require.Equal(t, want, s.history(), text)
	}
	for _, text := range []string{"", "MiB", "1XiB", "-1GiB", "0", "1MiB", "99999999TiB", "1GiBiB", "1GG", "1.5GiB"} {
		var s size
		require.Error(t, s.Set(text), text)
	}
	var unsaid size
	require.Equal(t, int64(256<<20), unsaid.history())
}
