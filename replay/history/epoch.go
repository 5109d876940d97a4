package history

import (
	"math"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// unit is what an export counts time in since 1970, by how many digits a nanosecond is below it.
type unit int

const (
	inSeconds      unit = 9
	inMilliseconds unit = 6
	inMicroseconds unit = 3
	inNanoseconds  unit = 0
)

var unitNames = map[unit]string{inSeconds: "seconds", inMilliseconds: "milliseconds", inMicroseconds: "microseconds", inNanoseconds: "nanoseconds"}

// epochTime reads a time that an export counts in a unit which is known from its form. The number may have a fraction
// and an exponent (1.479499740E9); it is read exactly. A time that only makes sense in another unit is refused.
func epochTime(number string, in unit) (clock.Timestamp, *problem) {
	nanos, ok := shifted(number, int(in))
	if !ok {
		if strings.HasPrefix(number, "-") {
			return clock.Timestamp{}, newProblem(finding.ClockInvalid, "%q %s are before 1970", clip(number), unitNames[in])
		}
		return clock.Timestamp{}, newProblem(finding.ImplausibleUnit,
			"%q can't be %s since 1970: it is after 2261, or finer than a nanosecond", clip(number), unitNames[in])
	}
	if nanos > clock.MaxWall {
		return clock.Timestamp{}, newProblem(finding.ImplausibleUnit,
			"%q can't be %s since 1970: it is after 2261", clip(number), unitNames[in])
	}
	if bad := checkNanos(uint64(nanos)); bad != nil {
		if bad.code == finding.ImplausibleUnit {
			bad = newProblem(bad.code, "%q can't be %s since 1970: it is before 1973", clip(number), unitNames[in])
		}
		return clock.Timestamp{}, bad
	}
	return clock.Timestamp{Wall: nanos}, nil
}

// shifted returns number × 10^shift when that is a whole number from 0 to the greatest int64. The number must be in
// the grammar of JSON.
func shifted(number string, shift int) (int64, bool) {
	mantissa, exponent := number, ""
	if e := strings.IndexAny(number, "eE"); e >= 0 {
		mantissa, exponent = number[:e], number[e+1:]
	}
	const limit = 1000 // no exporter writes more, and the sum below can't overflow
	e, negative := 0, false
	for i := range len(exponent) {
		switch c := exponent[i]; c {
		case '+':
		case '-':
			negative = true
		default:
			if e = e*10 + int(c-'0'); e > limit {
				return 0, false
			}
		}
	}
	if negative {
		e = -e
	}
	shift += e

	whole, fraction, _ := strings.Cut(mantissa, ".")
	fraction = strings.TrimRight(fraction, "0")
	shift -= len(fraction)
	digits := strings.TrimLeft(whole+fraction, "0")
	for shift < 0 && strings.HasSuffix(digits, "0") {
		digits = digits[:len(digits)-1]
		shift++
	}
	switch {
	case digits == "":
		return 0, true
	case shift < 0 || len(digits)+shift > 19:
		return 0, false
	}
	n := uint64(0)
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false // the sign of a negative number
		}
		n = n*10 + uint64(digits[i]-'0')
	}
	for range shift {
		n *= 10
	}
	return int64(n), n <= math.MaxInt64
}
