package crdt

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseDecimalKeepsEveryDigit(t *testing.T) {
	for text, want := range map[string]string{
		"0":                                     "0",
		"-0":                                    "0",
		"-0.000e5":                              "0",
		"1.50":                                  "1.5",
		"100":                                   "100",
		"1e2":                                   "100",
		"1.5E+3":                                "1500",
		"1.5e-3":                                "0.0015",
		"12.34e1":                               "123.4",
		"1e18":                                  "1000000000000000000",
		"1e19":                                  "10000000000000000000",
		"1e-30":                                 "0.000000000000000000000000000001",
		"9223372036854775807":                   "9223372036854775807",
		"-9223372036854775808":                  "-9223372036854775808",
		"9223372036854775808":                   "9223372036854775808",
		"0.1000000000000000000000000000010":     "0.100000000000000000000000000001",
		"123456789012345678901234567890.0":      "123456789012345678901234567890",
		"-5e-1":                                 "-0.5",
		"5000000000000000000000e-21":            "5",
		"1" + strings.Repeat("0", 9_999):        "1" + strings.Repeat("0", 9_999),
		"1e0000000000000000000000000000001":     "10",
		"1e" + fmt.Sprint(MaxExponent):          "1" + strings.Repeat("0", MaxExponent),
		"0." + strings.Repeat("0", 9998) + "7":  "0." + strings.Repeat("0", 9998) + "7",
		"1e-" + fmt.Sprint(MaxExponent):         "0." + strings.Repeat("0", MaxExponent-1) + "1",
		strings.Repeat("9", MaxDigits-1) + "e1": strings.Repeat("9", MaxDigits-1) + "0",
		"0." + strings.Repeat("9", MaxDigits-2) + "e-1": "0.0" + strings.Repeat("9", MaxDigits-2),
		"2.0":                            "2",
		"-3e2":                           "-300",
		"999999999999999999e1":           "9999999999999999990",  // beyond an int64, and not a uint64
		"20e18":                          "20000000000000000000", // what is beyond 64 bits is less than an int64
		"123456789012345678e18":          "123456789012345678000000000000000000",
		"123456789012345678901234567e2":  "12345678901234567890123456700",
		"-123456789012345678901234567e2": "-12345678901234567890123456700",
	} {
		d, err := ParseDecimal(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, d.String(), text)
		again, err := ParseDecimal(d.String())
		require.NoError(t, err, text)
		assert.Equal(t, d, again, "%s is one number with one form", text)
	}
}

func TestParseDecimalRefusesWhatIsNoJSONNumber(t *testing.T) {
	for _, text := range []string{
		"", "-", "+1", "01", "-01", ".5", "5.", "1e", "1e+", "e5", "1 ", " 1", "1.5.2", "0x10", "1_000", "NaN", "Infinity",
		"-Infinity", "1e5x", "--1", "1e1.5", "\u0661", "1\x00",
		"1e999999999", "1e-999999999", "0e999999999", "1e99999999999999999999999", fmt.Sprintf("1e%d", MaxExponent+1),
		"1" + strings.Repeat("0", MaxDigits),
		"0." + strings.Repeat("0", MaxDigits-1) + "1",
		strings.Repeat("9", MaxDigits-1) + "e1000",
		strings.Repeat("9", MaxDigits) + "e1",
		"0." + strings.Repeat("9", MaxDigits-1) + "e-1",
		"1." + strings.Repeat("9", MaxDigits-999) + "e-1000",
		fmt.Sprintf("1e-%d", MaxExponent+1),
	} {
		_, err := ParseDecimal(text)
		require.ErrorIs(t, err, ErrNumber, "%.60q", text)
		assert.Less(t, len(err.Error()), 200)
	}
}

func TestAHugeExponentAllocatesNothingToSpeakOf(t *testing.T) {
	bytes := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = ParseDecimal("1e999999999")
		}
	}).AllocedBytesPerOp()
	assert.Less(t, bytes, int64(1000))
}

// rat is the independent second way to every answer.
func rat(d Decimal) *big.Rat {
	r, ok := new(big.Rat).SetString(d.String())
	if !ok {
		panic(d.String())
	}
	return r
}

func anyDecimal(r *rand.Rand) Decimal {
	texts := []string{"0", "1", "-1", "9223372036854775807", "-9223372036854775807", "-9223372036854775808", "0.1", "1e30", "1e-30"}
	if r.Intn(4) == 0 {
		return must(ParseDecimal(texts[r.Intn(len(texts))]))
	}
	digits := 1 + r.Intn(25)
	text := ""
	for range digits {
		text += string(rune('0' + r.Intn(10)))
	}
	text = strings.TrimLeft(text, "0")
	if text == "" {
		text = "0"
	}
	if r.Intn(2) == 0 {
		text = "-" + text
	}
	return must(ParseDecimal(fmt.Sprintf("%se%d", text, r.Intn(40)-25)))
}

func TestDecimalArithmeticAgreesWithRationalNumbers(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 20_000 {
		a, b := anyDecimal(r), anyDecimal(r)
		sum := a.Add(b)
		require.Zero(t, rat(sum).Cmp(new(big.Rat).Add(rat(a), rat(b))), "%s + %s = %s", a, b, sum)
		require.Equal(t, must(ParseDecimal(sum.String())), sum, "%s + %s is not in its one form", a, b)
		difference := a.Sub(b)
		require.Zero(t, rat(difference).Cmp(new(big.Rat).Sub(rat(a), rat(b))), "%s - %s = %s", a, b, difference)
		require.Equal(t, rat(a).Cmp(rat(b)), a.Cmp(b), "%s against %s", a, b)
		require.Equal(t, a, a.Neg().Neg())
		require.Equal(t, rat(a).Sign(), a.Sign())
		require.Equal(t, rat(a).IsInt(), a.IsInt())
		require.Equal(t, a.Cmp(b) == 0, a.Equal(b))
	}
}

// Where the digits no longer fit 64 bits, or one number needs many more of them than the other to be beside it.
func TestSumsAndOrderAtTheEdgesOf64Bits(t *testing.T) {
	for _, c := range []struct {
		a, b, sum string
		order     int
	}{
		{"6148914691236517205", "6148914691236517205", "12297829382473034410", 0},
		{"9223372036854775807", "1", "9223372036854775808", 1},
		{"-9223372036854775807", "-1", "-9223372036854775808", -1},
		{"-9223372036854775808", "1", "-9223372036854775807", -1},
		{"1", "0.5", "1.5", 1},
		{"1", "1.5", "2.5", -1},
		{"1", "-0.5", "0.5", 1},
		{"-1", "0.5", "-0.5", -1},
		{"-1", "-0.5", "-1.5", -1},
		{"-1", "-1.5", "-2.5", 1},
		{"0", "0.5", "0.5", -1},
		{"0", "-0.5", "-0.5", 1},
		{"0.25", "0.3", "0.55", -1},
		{"0.5", "0.005", "0.505", 1},
		{"0.5", "-0.5", "0", 1},
		{"10", "0.000000000000000001", "10.000000000000000001", 1},     // 19 digits: beyond an int64, and not a uint64
		{"10", "9.000000000000000001", "19.000000000000000001", 1},     //
		{"20", "2.000000000000000001", "22.000000000000000001", 1},     // 20 digits: what is beyond 64 bits is less
		{"-20", "-2.000000000000000001", "-22.000000000000000001", -1}, //
		{"1", "0.0000000000000000001", "1.0000000000000000001", 1},     // 19 more digits than there are powers for
		{"1", "0.0000000000000000000000001", "1.0000000000000000000000001", 1},
		{"-1", "-0.0000000000000000000000001", "-1.0000000000000000000000001", -1},
		{"0.1", "0.00000000000000000001", "0.10000000000000000001", 1},
		{"1e30", "-1e30", "0", 1},
		{"1e30", "1", "1000000000000000000000000000001", 1},
		{"-1e30", "1", "-999999999999999999999999999999", -1},
		{"1e30", "-1e-30", "999999999999999999999999999999." + strings.Repeat("9", 30), 1},
	} {
		a, b := must(ParseDecimal(c.a)), must(ParseDecimal(c.b))
		assert.Equal(t, must(ParseDecimal(c.sum)), a.Add(b), "%s + %s", c.a, c.b)
		assert.Equal(t, must(ParseDecimal(c.sum)), b.Add(a), "%s + %s", c.b, c.a)
		assert.Equal(t, a, must(ParseDecimal(c.sum)).Sub(b), "%s - %s", c.sum, c.b)
		assert.Equal(t, c.order, a.Cmp(b), "%s against %s", c.a, c.b)
		assert.Equal(t, -c.order, b.Cmp(a), "%s against %s", c.b, c.a)
		assert.Equal(t, !strings.ContainsAny(c.sum, "."), a.Add(b).IsInt(), c.sum)
	}
}

func TestARefusedNumberIsQuotedAsFarAsItSaysAnything(t *testing.T) {
	for text, want := range map[string]string{
		"x":                     `"x"`,
		strings.Repeat("x", 40): `"` + strings.Repeat("x", 40) + `"`,
		strings.Repeat("x", 41): `"` + strings.Repeat("x", 40) + `"...`,
	} {
		_, err := ParseDecimal(text)
		assert.EqualError(t, err, "not a number: "+want)
	}
}

// In JSON, every number was {}.
func TestDecimalSurvivesJSON(t *testing.T) {
	for _, number := range []string{"0", "-1.5", "9223372036854775808", "0.1", "-123456789012345678901234567890.125"} {
		price := struct{ Net Decimal }{must(ParseDecimal(number))}
		text, err := json.Marshal(price)
		require.NoError(t, err)
		assert.Equal(t, `{"Net":"`+number+`"}`, string(text))
		read := struct{ Net Decimal }{DecimalOf(7)}
		require.NoError(t, json.Unmarshal(text, &read))
		assert.True(t, read.Net.Equal(price.Net), number)
	}
	kept := DecimalOf(7)
	require.ErrorIs(t, kept.UnmarshalText([]byte("1e99999")), ErrNumber)
	assert.True(t, kept.Equal(DecimalOf(7)))
	widest := must(ParseDecimal(strings.Repeat("9", MaxDigits)))
	_, err := widest.MarshalText()
	require.NoError(t, err)
	_, err = widest.Add(DecimalOf(1)).MarshalText()
	require.ErrorIs(t, err, ErrTooLarge, "what could not be read is not written")
}

func TestDecimalInt64(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "-7": -7, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64} {
		n, ok := must(ParseDecimal(text)).Int64()
		assert.True(t, ok, text)
		assert.Equal(t, want, n)
		assert.Equal(t, must(ParseDecimal(text)), DecimalOf(want))
	}
	for _, text := range []string{"0.5", "9223372036854775808", "-9223372036854775809", "1e30"} {
		_, ok := must(ParseDecimal(text)).Int64()
		assert.False(t, ok, text)
	}
}

func TestDecimalOfTheSmallestIntegerDoesNotWrapWhenNegated(t *testing.T) {
	assert.Equal(t, "9223372036854775808", DecimalOf(math.MinInt64).Neg().String())
	assert.Equal(t, "-9223372036854775808", DecimalOf(math.MaxInt64).Neg().Sub(DecimalOf(1)).String())
}

func TestSmallDecimalsAddAndCompareWithoutAllocating(t *testing.T) {
	a, b, c := must(ParseDecimal("12.5")), must(ParseDecimal("-0.125")), DecimalOf(7)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		sum := a.Add(b).Add(c).Sub(a)
		if sum.Cmp(a) == 0 || !sum.Equal(b.Add(c)) {
			t.Error("wrong")
		}
	}))
}

// A sum can have more digits than a number that is read may have. It stays exact.
func TestSumsBeyondTheLimitOfDigitsStayExact(t *testing.T) {
	large, small := must(ParseDecimal("1"+strings.Repeat("0", 9_999))), must(ParseDecimal("0."+strings.Repeat("0", 9_998)+"1"))
	assert.True(t, large.isWithinLimits())
	assert.True(t, small.isWithinLimits())
	sum := large.Add(small)
	assert.False(t, sum.isWithinLimits())
	assert.Equal(t, large, sum.Sub(small))
	assert.Equal(t, 1, sum.Cmp(large))
}

func TestFitsCountsTheDigitsOnBothSidesOfThePoint(t *testing.T) {
	for text, digits := range map[string][2]int{"0": {1, 0}, "-12.50": {2, 1}, "0.001": {0, 3}, "1e30": {31, 0}, "-123456789012345678901234.5678901": {24, 7},
		"1e-40": {0, 40}, "9223372036854775807": {19, 0}} {
		d, err := ParseDecimal(text)
		require.NoError(t, err)
		whole, fraction := digits[0], digits[1]
		require.True(t, d.Fits(whole, fraction), text)
		require.True(t, d.Fits(whole+20, fraction+20), text)
		require.False(t, whole > 0 && d.Fits(whole-1, fraction), text)
		require.False(t, d.Fits(whole+20, fraction-1), text)
	}
}
