package clock

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// Range is a run of consecutive numbers, both ends included.
type Range struct{ First, Last uint64 }

// String returns "first-last".
func (r Range) String() string {
	return strconv.FormatUint(r.First, 10) + "-" + strconv.FormatUint(r.Last, 10)
}

// runs is a set of numbers from 1.
//
// Invariant: ascending, no run empty, and at least one number missing between two of them. So equal sets are equal
// slices.
type runs []Range

// reaching returns the place of the first run that ends at n or later.
func (rs runs) reaching(n uint64) int {
	i, _ := slices.BinarySearchFunc(rs, n, func(r Range, n uint64) int { return cmp.Compare(r.Last, n) })
	return i
}

func (rs runs) has(n uint64) bool {
	if len(rs) == 0 {
		return false
	}
	if n <= rs[0].Last { // below the first hole, where most are
		return n >= rs[0].First
	}
	i := rs.reaching(n)
	return i < len(rs) && rs[i].First <= n
}

func (rs runs) covers(other runs) bool {
	for _, r := range other {
		i := rs.reaching(r.First)
		if i == len(rs) || rs[i].First > r.First || rs[i].Last < r.Last {
			return false
		}
	}
	return true
}

// push appends r, which starts no earlier than the last run does, and joins the two if they touch.
func (rs runs) push(r Range) runs {
	if len(rs) > 0 {
		if last := &rs[len(rs)-1]; last.Last == math.MaxUint64 || r.First <= last.Last+1 {
			last.Last = max(last.Last, r.Last)
			return rs
		}
	}
	return append(rs, r)
}

// add returns the set with r in it, which must not be empty before; like append, it may write to rs.
func (rs runs) add(r Range) runs {
	if r.First >= rs[len(rs)-1].First { // in order: the common case
		return rs.push(r)
	}
	// The runs that r touches, from lo up to hi, become one. Here r.First-1 can be 0, which is in no run.
	lo := rs.reaching(r.First - 1)
	hi := lo
	for hi < len(rs) && (r.Last == math.MaxUint64 || rs[hi].First <= r.Last+1) {
		r = Range{min(r.First, rs[hi].First), max(r.Last, rs[hi].Last)}
		hi++
	}
	return slices.Replace(rs, lo, hi, r)
}

// union returns the numbers in either set; like append, it may write to rs, but never to other.
func (rs runs) union(other runs) runs {
	if rs.covers(other) {
		return rs
	}
	if len(other) == 1 || len(other) <= len(rs)/8 { // a few cost no walk over all
		for _, r := range other {
			rs = rs.add(r)
		}
		return rs
	}
	both := make(runs, 0, len(rs)+len(other))
	for len(rs) > 0 || len(other) > 0 {
		if len(other) == 0 || len(rs) > 0 && rs[0].First <= other[0].First {
			both, rs = both.push(rs[0]), rs[1:]
		} else {
			both, other = both.push(other[0]), other[1:]
		}
	}
	return both
}

// minus returns the numbers that are not in other, in memory of its own.
func (rs runs) minus(other runs) runs {
	var rest runs
	for _, r := range rs {
		other = other[other.reaching(r.First):]
		for _, taken := range other {
			if taken.First > r.Last {
				break
			}
			if taken.First > r.First {
				rest = append(rest, Range{r.First, taken.First - 1})
			}
			if taken.Last >= r.Last {
				r.First = 0 // nothing is left
				break
			}
			r.First = taken.Last + 1
		}
		if r.First > 0 {
			rest = append(rest, r)
		}
	}
	return rest
}

// gaps returns the numbers missing below the greatest.
func (rs runs) gaps() runs {
	var gaps runs
	next := uint64(1)
	for _, r := range rs {
		if r.First > next {
			gaps = append(gaps, Range{next, r.First - 1})
		}
		next = r.Last + 1 // wraps only after the last run there can be
	}
	return gaps
}
