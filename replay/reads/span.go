package reads

import "math"

// The times at which what is not known may have been, in nanoseconds.
const (
	ever  = math.MinInt64 // before everything
	never = math.MaxInt64 // after everything
)

// span is what is known of when an operation began and ended: each between two bounds, both included.
type span struct{ startLo, startHi, endLo, endHi int64 }

// step returns the smallest step of a clock that shows a time in the digits that it has, three at a time: what ends in zeros may have
// been cut off. Of times in milliseconds one in ten ends in a zero and is no less precise, so that tenths and hundredths of a second
// are taken for what clocks hardly show.
func step(at int64) int64 {
	switch {
	case at%1e9 == 0:
		return 1e9
	case at%1e6 == 0:
		return 1e6
	case at%1e3 == 0:
		return 1e3
	}
	return 1
}

// spanOf returns the span of an operation that began, ended, and was under way at some moment; 0 is not told. within, when it
// is not 0, says by how long after the moment it had ended.
func spanOf(start, end, at, within int64) span {
	s := span{ever, never, ever, never}
	if start > 0 {
		s.startLo, s.startHi = start, start+step(start)-1
	}
	if end > 0 {
		s.endLo, s.endHi = end, end+step(end)-1
	}
	if at > 0 {
		last := at + step(at) - 1
		if start == 0 {
			s.startHi = last
		}
		if end == 0 {
			s.endLo = at
			if within > 0 {
				s.endHi = plus(last, within)
			}
		}
	}
	if start == 0 {
		s.startHi = min(s.startHi, s.endHi)
	}
	if end == 0 {
		s.endLo = max(s.endLo, s.startLo)
	}
	return s
}

// exact reports whether the span is known to the nanosecond.
func (s span) exact() bool { return s.startLo == s.startHi && s.endLo == s.endHi }

// plus adds a duration to a time, and nothing to what is not known.
func plus(at, d int64) int64 {
	switch {
	case at == ever || at == never:
		return at
	case d > 0 && at > never-1-d:
		return never - 1
	case d < 0 && at < ever+1-d:
		return ever + 1
	}
	return at + d
}
