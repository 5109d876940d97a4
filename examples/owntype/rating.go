package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Rating is what customers think of a product: the last vote of each. It is a value that nothing changes; the nil Rating has
// no votes.
//
// HAZARD: a customer votes in one region at a time. Who votes in two while they are apart keeps the vote that is the later
// one of more, and of equally many the better one.
type Rating map[string]Vote

// Vote is the n-th vote of a customer.
type Vote struct{ N, Stars int }

// Vote returns r with a vote.
func (r Rating) Vote(customer string, stars int) Rating {
	return Merge(r, Rating{customer: {N: r[customer].N + 1, Stars: stars}})
}

// Merge returns the votes of both, of each customer the last one. Every tie ends: two votes that are told apart by nothing
// that it looks at are one vote. So
//
//	Merge(a, a)           = a
//	Merge(a, b)           = Merge(b, a)
//	Merge(Merge(a, b), c) = Merge(a, Merge(b, c))
func Merge(a, b Rating) Rating {
	both := make(Rating, len(a)+len(b))
	maps.Copy(both, a)
	for customer, vote := range b {
		both[customer] = later(both[customer], vote)
	}
	return both
}

func later(a, b Vote) Vote {
	if cmp.Or(cmp.Compare(a.N, b.N), cmp.Compare(a.Stars, b.Stars)) < 0 {
		return b
	}
	return a
}

// Stars returns the average, which is computed on reading and never merged; 0 without votes.
func (r Rating) Stars() float64 {
	sum := 0
	for _, vote := range r {
		sum += vote.Stars
	}
	return float64(sum) / float64(max(1, len(r)))
}

// String returns the average and what it comes from.
func (r Rating) String() string {
	votes := make([]string, 0, len(r))
	for _, customer := range slices.Sorted(maps.Keys(r)) {
		votes = append(votes, fmt.Sprintf("%s %d", customer, r[customer].Stars))
	}
	return fmt.Sprintf("%.2f stars (%s)", r.Stars(), strings.Join(votes, ", "))
}
