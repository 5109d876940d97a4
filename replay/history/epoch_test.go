package history

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

func TestTimeSinceTheEpochIsExactOrRefused(t *testing.T) {
	for _, c := range []struct {
		number string
		in     unit
		want   int64
		code   finding.Code
	}{
		{"1479499740", inSeconds, 1479499740_000000000, ""},
		{"1.479499740E9", inSeconds, 1479499740_000000000, ""},
		{"1479499740.0", inSeconds, 1479499740_000000000, ""},
		{"1479748880.110001", inSeconds, 1479748880_110001000, ""},
		{"147949974000e-2", inSeconds, 1479499740_000000000, ""},
		{"1720740233012995", inMicroseconds, 1720740233_012995000, ""}, // 54 508 073 years, read as seconds in a float64
		{"1720740233012", inMilliseconds, 1720740233_012000000, ""},
		{"9214646399", inSeconds, 9214646399_000000000, ""},
		{"9214646400", inSeconds, 0, finding.ImplausibleUnit},
		{"1720740233012", inSeconds, 0, finding.ImplausibleUnit},
		{"1720740233012995", inMilliseconds, 0, finding.ImplausibleUnit},
		{"1720740233", inMilliseconds, 0, finding.ImplausibleUnit},
		{"1720740233", inMicroseconds, 0, finding.ImplausibleUnit},
		{"1.0000000001", inSeconds, 0, finding.ImplausibleUnit},
		{"1e400", inSeconds, 0, finding.ImplausibleUnit},
		{"1e-999999999", inSeconds, 0, finding.ImplausibleUnit},
		{"0", inSeconds, 0, finding.BadTime},
		{"-1", inSeconds, 0, finding.ClockInvalid},
	} {
		got, bad := epochTime(c.number, c.in)
		if c.code != "" {
			require.NotNil(t, bad, c.number)
			assert.Equal(t, c.code, bad.code, c.number)
			continue
		}
		require.Nil(t, bad, c.number)
		assert.Equal(t, c.want, got.Wall, c.number)
	}
}

func TestShiftedAgreesWithBigNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	digits := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte("0012345678900"[r.IntN(13)])
		}
		return b.String()
	}
	for range 20_000 {
		number := strconv.Itoa(r.IntN(10))
		if number != "0" {
			number += digits(r.IntN(20))
		}
		if r.IntN(2) == 0 {
			number += "." + digits(1+r.IntN(12))
		}
		if r.IntN(3) == 0 {
			number += []string{"e", "E+", "e-"}[r.IntN(3)] + strconv.Itoa(r.IntN(24))
		}
		shift := r.IntN(10)
		got, ok := shifted(number, shift)

		want, parsed := new(big.Rat).SetString(number)
		require.True(t, parsed, number)
		want.Mul(want, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(shift)), nil)))
		require.Equal(t, want.IsInt() && want.Num().IsInt64(), ok, "%s × 10^%d", number, shift)
		if ok {
			require.Equal(t, want.Num().Int64(), got, "%s × 10^%d", number, shift)
		}
	}
}
