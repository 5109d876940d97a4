package history

import (
	"fmt"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// problem is why a record, or a part of one, can't be read. Nil is no problem.
type problem struct {
	code   finding.Code
	detail string // one sentence without its full stop; values in it are quoted
}

func newProblem(code finding.Code, format string, args ...any) *problem {
	return &problem{code, fmt.Sprintf(format, args...)}
}

// Between these two an integer is set aside: it would be a time of the first three years after 1970, while seconds,
// milliseconds, microseconds and ticks of 100 ns since then, counted today, all lie there. What is below are the
// small numbers of histories written by hand.
const (
	implausibleFrom = 1_000_000_000
	implausibleTo   = 100_000_000_000_000_000
)

// parseTime reads a time written as text: RFC 3339, or "WALLNS.LOGICAL".
func parseTime(text string) (clock.Timestamp, Precision, *problem) {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && c != '.' {
			return parseRFC3339(text)
		}
	}
	t, err := clock.ParseTimestamp(text)
	if err != nil {
		return clock.Timestamp{}, NoTime, newProblem(finding.BadTime,
			"%q is no time: want RFC 3339, integer nanoseconds since 1970, or \"WALLNS.LOGICAL\"", clip(text))
	}
	if bad := checkNanos(uint64(t.Wall)); bad != nil {
		return clock.Timestamp{}, NoTime, bad
	}
	return t, Nanosecond, nil
}

// parseNanos reads a time written as an integer of nanoseconds since 1970.
func parseNanos(nanos uint64) (clock.Timestamp, Precision, *problem) {
	if bad := checkNanos(nanos); bad != nil {
		return clock.Timestamp{}, NoTime, bad
	}
	return clock.Timestamp{Wall: int64(nanos)}, Nanosecond, nil
}

func checkNanos(nanos uint64) *problem {
	switch {
	case nanos-implausibleFrom < implausibleTo-implausibleFrom:
		return newProblem(finding.ImplausibleUnit,
			"%d can't be nanoseconds since 1970 but may be %s: write nanoseconds or RFC 3339", nanos, likelyUnit(nanos))
	case nanos > uint64(clock.MaxWall):
		return newProblem(finding.ClockInvalid, "%d ns is after 2261", nanos)
	case nanos == 0:
		return newProblem(finding.BadTime, "0 is no time: leave the member out when there is none")
	}
	return nil
}

func likelyUnit(n uint64) string {
	switch {
	case n < 100_000_000_000:
		return "seconds"
	case n < 100_000_000_000_000:
		return "milliseconds"
	case n < 10_000_000_000_000_000:
		return "microseconds"
	}
	return "ticks of 100 ns"
}

// daysBefore is the number of days before each month of a year that is not a leap year.
var daysBefore = [...]int64{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}

// parseRFC3339 reads "2006-01-02T15:04:05.999999999Z" or with an offset in the place of the Z. It takes what the RFC
// says, in upper case, and no more: one to nine digits of a fraction, after a point; offsets up to 23:59; no second 60.
// The precision is that of the digits of the fraction.
func parseRFC3339(text string) (clock.Timestamp, Precision, *problem) {
	if len(text) < len("2006-01-02T15:04:05Z") {
		return noTime(text)
	}
	odd := (text[4] ^ '-') | (text[7] ^ '-') | (text[10] ^ 'T') | (text[13] ^ ':') | (text[16] ^ ':')
	year := two(text, 0, &odd)*100 + two(text, 2, &odd)
	month, day := two(text, 5, &odd), two(text, 8, &odd)
	hour, minute, second := two(text, 11, &odd), two(text, 14, &odd), two(text, 17, &odd)
	if odd != 0 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60 {
		return noTime(text)
	}
	leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
	length := daysBefore[month] - daysBefore[month-1]
	if leap && month == 2 {
		length++
	}
	if day > length {
		return noTime(text)
	}

	precision, nanos, at := Second, int64(0), 19
	if text[at] == '.' {
		scale := int64(1_000_000_000)
		for at++; at < len(text) && text[at]-'0' <= 9; at++ {
			nanos = nanos*10 + int64(text[at]-'0')
			if scale /= 10; scale == 0 {
				return noTime(text)
			}
		}
		switch digits := at - 20; {
		case digits == 0:
			return noTime(text)
		case digits <= 3:
			precision = Millisecond
		case digits <= 6:
			precision = Microsecond
		default:
			precision = Nanosecond
		}
		nanos *= scale
	}

	offset := int64(0)
	switch zone := text[at:]; {
	case zone == "Z":
	case len(zone) == len("+00:00") && (zone[0] == '+' || zone[0] == '-'):
		odd = zone[3] ^ ':'
		hours, minutes := two(zone, 1, &odd), two(zone, 4, &odd)
		if odd != 0 || hours > 23 || minutes > 59 {
			return noTime(text)
		}
		offset = hours*3600 + minutes*60
		if zone[0] == '-' {
			offset = -offset
		}
	default:
		return noTime(text)
	}
	if second == 60 {
		return clock.Timestamp{}, NoTime, newProblem(finding.LeapSecond,
			"%q is a leap second, which nanoseconds since 1970 can't tell from the second after it", text)
	}

	days := 365*(year-1970) + (year-1969)/4 - (year-1901)/100 + (year-1601)/400 + daysBefore[month-1] + day - 1
	if leap && month > 2 {
		days++
	}
	seconds := days*86400 + hour*3600 + minute*60 + second - offset
	if year < 1969 || seconds < 0 || seconds > clock.MaxWall/1_000_000_000 {
		return clock.Timestamp{}, NoTime, newProblem(finding.ClockInvalid, "%q is before 1970 or after 2261", text)
	}
	t := clock.Timestamp{Wall: seconds*1_000_000_000 + nanos}
	if t.IsZero() || t.Wall > clock.MaxWall {
		return clock.Timestamp{}, NoTime, newProblem(finding.ClockInvalid, "%q is before 1970 or after 2261", text)
	}
	return t, precision, nil
}

// two reads two digits and marks odd when they are none.
func two(text string, at int, odd *byte) int64 {
	tens, ones := text[at]-'0', text[at+1]-'0'
	if tens > 9 || ones > 9 {
		*odd = 1
	}
	return int64(tens)*10 + int64(ones)
}

func noTime(text string) (clock.Timestamp, Precision, *problem) {
	return clock.Timestamp{}, NoTime, newProblem(finding.BadTime,
		`%q is no time: want RFC 3339, as "2006-01-02T15:04:05.999999999Z"`, clip(text))
}

// appendTime appends t in RFC 3339, with the digits of its precision and more when it needs them.
func appendTime(to []byte, t clock.Timestamp, p Precision) []byte {
	layout := "2006-01-02T15:04:05.000000000Z"
	switch nanos := t.Wall % 1_000_000_000; {
	case p == Second && nanos == 0:
		layout = "2006-01-02T15:04:05Z"
	case p <= Millisecond && p != NoTime && nanos%1_000_000 == 0:
		layout = "2006-01-02T15:04:05.000Z"
	case p <= Microsecond && p != NoTime && nanos%1_000 == 0:
		layout = "2006-01-02T15:04:05.000000Z"
	}
	return t.Time().AppendFormat(to, layout)
}

// clip shortens a text from outside for a message that quotes it.
func clip(text string) string {
	const limit = 64
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "…"
}
