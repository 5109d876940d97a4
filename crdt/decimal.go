package crdt

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// MaxDigits is how many digits a [Decimal] read from outside may have when written without an exponent, those before
// and those after the point together.
const MaxDigits = 10_000

// MaxExponent is the greatest exponent, either way, that [ParseDecimal] reads. Seven bytes like "1e99999" must not ask
// for a hundred thousand.
const MaxExponent = 1_000

// ErrNumber is wrapped by every error of [ParseDecimal]: the text is no JSON number, or one beyond [MaxDigits] or
// [MaxExponent].
var ErrNumber = errors.New("not a number")

// Decimal is an exact decimal number of any size: sums of it don't depend on the order, as those of floats do. The zero
// Decimal is 0. It is a value: copy it freely, share it between goroutines; compare with [Decimal.Cmp], not with ==.
//
// Numbers whose digits fit an int64 cost no allocation.
type Decimal struct {
	small int64
	scale int32 // how many of the digits stand after the point

	// Invariant: nil when the digits fit ±math.MaxInt64, which are then in small. Never changed once set.
	wide *big.Int

	// Invariant: scale >= 0, and if it is not 0, neither is the last digit. Equal numbers have equal digits and scale.
}

// DecimalOf returns n.
func DecimalOf(n int64) Decimal {
	if n == math.MinInt64 { // its negation would not fit
		return Decimal{wide: big.NewInt(n)}
	}
	return Decimal{small: n}
}

// ParseDecimal reads a number by the grammar of JSON, exactly, and is the inverse of [Decimal.String]. NaN, infinities,
// a leading "+" or zero, and all beyond [MaxDigits] and [MaxExponent] are refused with an error that wraps
// [ErrNumber]. The size is checked before any of it is computed.
func ParseDecimal(text string) (Decimal, error) {
	whole, fraction, exponent, ok := splitNumber(text)
	if !ok {
		return Decimal{}, fmt.Errorf("%w: %s", ErrNumber, quoteShort(text))
	}
	e, ok := parseExponent(exponent)
	if !ok {
		return Decimal{}, fmt.Errorf("%w: the exponent of %s is beyond %d", ErrNumber, quoteShort(text), MaxExponent)
	}
	if digits := max(len(whole)+e, 1) + max(len(fraction)-e, 0); digits > MaxDigits {
		return Decimal{}, fmt.Errorf("%w: %d digits, the limit is %d", ErrNumber, digits, MaxDigits)
	}

	digits := whole
	if fraction != "" {
		digits += fraction
	}
	scale := len(fraction) - e
	var d Decimal
	if len(digits) <= 18 {
		n, _ := strconv.ParseInt(digits, 10, 64)
		d = trim(n, int32(max(scale, 0)))
	} else {
		wide, _ := new(big.Int).SetString(digits, 10)
		d = trimWide(wide, int32(max(scale, 0)))
	}
	if scale < 0 {
		d = d.shift(-scale)
	}
	if text[0] == '-' {
		d = d.Neg()
	}
	return d, nil
}

// splitNumber cuts a JSON number in its digits before and after the point and its exponent, without the "e".
func splitNumber(text string) (whole, fraction, exponent string, ok bool) {
	rest := strings.TrimPrefix(text, "-")
	n := countDigits(rest)
	if n == 0 || n > 1 && rest[0] == '0' {
		return "", "", "", false
	}
	whole, rest = rest[:n], rest[n:]
	if strings.HasPrefix(rest, ".") {
		rest = rest[1:]
		n = countDigits(rest)
		if n == 0 {
			return "", "", "", false
		}
		fraction, rest = rest[:n], rest[n:]
	}
	if rest == "" {
		return whole, fraction, "", true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return "", "", "", false
	}
	exponent = rest[1:]
	unsigned := exponent
	if unsigned != "" && (unsigned[0] == '+' || unsigned[0] == '-') {
		unsigned = unsigned[1:]
	}
	if unsigned == "" || countDigits(unsigned) != len(unsigned) {
		return "", "", "", false
	}
	return whole, fraction, exponent, true
}

func countDigits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

func parseExponent(text string) (int, bool) {
	if text == "" {
		return 0, true
	}
	e, err := strconv.ParseInt(text, 10, 32)
	if err != nil || e > MaxExponent || e < -MaxExponent {
		return 0, false
	}
	return int(e), true
}

func quoteShort(text string) string {
	const enough = 40
	if len(text) > enough {
		return strconv.Quote(text[:enough]) + "..."
	}
	return strconv.Quote(text)
}

// Add returns d + e.
func (d Decimal) Add(e Decimal) Decimal {
	if d.wide == nil && e.wide == nil {
		if d.scale == e.scale {
			if sum, ok := addSmall(d.small, e.small); ok {
				return trim(sum, d.scale)
			}
		} else if sum, scale, ok := addScaled(d, e); ok {
			return trim(sum, scale)
		}
	}
	scale := max(d.scale, e.scale)
	sum := d.digitsAt(scale)
	return trimWide(sum.Add(sum, e.digitsAt(scale)), scale)
}

// Sub returns d - e.
func (d Decimal) Sub(e Decimal) Decimal { return d.Add(e.Neg()) }

// Neg returns -d.
func (d Decimal) Neg() Decimal {
	if d.wide == nil {
		return Decimal{small: -d.small, scale: d.scale}
	}
	return Decimal{wide: new(big.Int).Neg(d.wide), scale: d.scale}
}

// Cmp returns -1 if d < e, 0 if they are equal and 1 if d > e.
func (d Decimal) Cmp(e Decimal) int {
	if d.wide == nil && e.wide == nil {
		if d.scale == e.scale {
			return cmp.Compare(d.small, e.small)
		}
		return compareScaled(d, e)
	}
	scale := max(d.scale, e.scale)
	return d.digitsAt(scale).Cmp(e.digitsAt(scale))
}

// Equal reports whether d and e are the same number.
func (d Decimal) Equal(e Decimal) bool { return d.Cmp(e) == 0 }

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int {
	if d.wide != nil {
		return d.wide.Sign()
	}
	return cmp.Compare(d.small, 0)
}

// IsInt reports whether d has no fraction.
func (d Decimal) IsInt() bool { return d.scale == 0 }

// Int64 returns d as an int64, and false if it has a fraction or doesn't fit.
func (d Decimal) Int64() (int64, bool) {
	if d.scale > 0 {
		return 0, false
	}
	if d.wide != nil {
		return d.wide.Int64(), d.wide.IsInt64()
	}
	return d.small, true
}

// String returns all digits, without an exponent, without zeros at the end of a fraction, and never "-0": equal numbers
// have equal text.
func (d Decimal) String() string {
	var room [24]byte
	return string(d.append(room[:0]))
}

// MarshalText returns [Decimal.String]. It is the form in JSON too: a string, so that no reader rounds it. The error is
// [ErrTooLarge] for a number that [ParseDecimal] would not read.
func (d Decimal) MarshalText() ([]byte, error) {
	if !d.isWithinLimits() {
		return nil, ErrTooLarge
	}
	return d.append(nil), nil
}

// UnmarshalText is [ParseDecimal]. On an error d is as it was.
func (d *Decimal) UnmarshalText(text []byte) error {
	parsed, err := ParseDecimal(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}

func (d Decimal) append(b []byte) []byte {
	if d.scale == 0 && d.wide == nil {
		return strconv.AppendInt(b, d.small, 10)
	}
	start := len(b)
	if d.wide != nil {
		b = d.wide.Append(b, 10)
	} else {
		b = strconv.AppendInt(b, d.small, 10)
	}
	if d.scale == 0 {
		return b
	}
	if b[start] == '-' {
		start++
	}
	// 5 at scale 3 is 0.005: zeros in front until one digit stands before the point.
	digits := len(b) - start
	if missing := int(d.scale) + 1 - digits; missing > 0 {
		for range missing {
			b = append(b, '0')
		}
		copy(b[start+missing:], b[start:start+digits])
		for i := range missing {
			b[start+i] = '0'
		}
	}
	point := len(b) - int(d.scale)
	b = append(b, 0)
	copy(b[point+1:], b[point:])
	b[point] = '.'
	return b
}

// Fits reports whether d has at most so many digits before and after the point when it is written out.
func (d Decimal) Fits(whole, fraction int) bool {
	if int(d.scale) > fraction {
		return false
	}
	if d.wide == nil && whole >= 19 {
		return true
	}
	digits := len(strings.TrimPrefix(d.digitsAt(d.scale).String(), "-"))
	return digits-int(d.scale) <= whole
}

// isWithinLimits reports whether [ParseDecimal] would take d.String(). No sum has more digits after the point than one of its
// parts, so only all of them can be too many.
func (d Decimal) isWithinLimits() bool {
	return d.wide == nil || len(d.wide.Append(nil, 10)) <= MaxDigits
}

// shift returns d, which has no fraction, with n more zeros.
func (d Decimal) shift(n int) Decimal {
	if d.Sign() == 0 {
		return Decimal{}
	}
	if d.wide == nil && n < len(powers) {
		if hi, lo := bits.Mul64(magnitude(d.small), powers[n]); hi == 0 && lo <= math.MaxInt64 {
			return Decimal{small: signed(lo, d.small)}
		}
	}
	wide := d.digitsAt(0)
	return narrow(wide.Mul(wide, powerOfTen(n)), 0)
}

// digitsAt returns a fresh integer: d times ten to the scale.
func (d Decimal) digitsAt(scale int32) *big.Int {
	n := new(big.Int)
	if d.wide != nil {
		n.Set(d.wide)
	} else {
		n.SetInt64(d.small)
	}
	if scale > d.scale {
		n.Mul(n, powerOfTen(int(scale-d.scale)))
	}
	return n
}

// powers are the powers of ten that fit an int64.
var powers = func() (p [19]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

func powerOfTen(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-n)
	}
	return uint64(n)
}

func signed(magnitude uint64, like int64) int64 {
	if like < 0 {
		return -int64(magnitude)
	}
	return int64(magnitude)
}

// addSmall fails when the sum is beyond ±math.MaxInt64.
func addSmall(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (a^sum)&(b^sum) >= 0 && sum != math.MinInt64
}

// addScaled adds numbers of unequal scale, if all of it fits.
func addScaled(d, e Decimal) (sum int64, scale int32, ok bool) {
	if d.scale > e.scale {
		d, e = e, d
	}
	by := e.scale - d.scale
	if int(by) >= len(powers) {
		return 0, 0, false
	}
	hi, lo := bits.Mul64(magnitude(d.small), powers[by])
	if hi != 0 || lo > math.MaxInt64 {
		return 0, 0, false
	}
	sum, ok = addSmall(signed(lo, d.small), e.small)
	return sum, e.scale, ok
}

// compareScaled compares numbers of unequal scale, in 128 bits.
func compareScaled(d, e Decimal) int {
	if c := cmp.Compare(d.Sign(), e.Sign()); c != 0 {
		return c
	}
	if d.scale > e.scale {
		return -compareScaled(e, d)
	}
	// The same sign, neither is 0 (it has no scale), and d has to be widened by some digits. Nineteen more digits than e can have is greater.
	c := 1
	if by := int(e.scale - d.scale); by < len(powers) {
		hi, lo := bits.Mul64(magnitude(d.small), powers[by])
		if hi == 0 {
			c = cmp.Compare(lo, magnitude(e.small))
		}
	}
	return c * d.Sign()
}

// trim drops the zeros at the end of a fraction.
func trim(n int64, scale int32) Decimal {
	for scale > 0 && n%10 == 0 {
		n, scale = n/10, scale-1
	}
	return Decimal{small: n, scale: scale}
}

// trimWide is trim for digits of any number, which it may change.
func trimWide(n *big.Int, scale int32) Decimal {
	if scale > 0 {
		if n.Sign() == 0 {
			return Decimal{}
		}
		// Few numbers end in many zeros, but those that do would take a division for each.
		text := n.Append(nil, 10)
		zeros := 0
		for zeros < int(scale) && text[len(text)-1-zeros] == '0' {
			zeros++
		}
		if zeros > 0 {
			n.Quo(n, powerOfTen(zeros))
			scale -= int32(zeros)
		}
	}
	return narrow(n, scale)
}

// narrow keeps the digits as an int64 where they fit.
func narrow(n *big.Int, scale int32) Decimal {
	if n.IsInt64() {
		if small := n.Int64(); small != math.MinInt64 {
			return Decimal{small: small, scale: scale}
		}
	}
	return Decimal{wide: n, scale: scale}
}
