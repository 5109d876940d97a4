// Package law checks that a merge keeps the promises on which convergence rests, and returns the smallest witness when
// it doesn't.
//
// [Check] tries a merge on sample values: does merging with itself change nothing, does the order of the two sides
// matter, does grouping, does the merge answer twice alike and leave its input alone? [Converge] tries a whole
// replicated type: are all replicas equal that have the same operations, whatever the order, however often each came?
// Both return an error and leave *testing.T to you; this is a test for your CI in ten lines:
//
//	func TestStatusMergeKeepsTheLaws(t *testing.T) {
//		furthest := func(a, b Status) Status { return max(a, b) }
//		same := func(a, b Status) bool { return a == b }
//		if err := law.Check(furthest, same, Open, Paid, Shipped, Closed); err != nil {
//			t.Fatal(err)
//		}
//	}
//
// A merge that breaks a law is answered with the fewest and first samples that show it. The average of two numbers:
//
//	not_associative: Let: a = 10, b = 20. Then: merge(merge(a, a), b) = 15, but merge(a, merge(a, b)) = 12.5.
//
// Three samples find much, and a handful of real values more: of the merges of four values that are idempotent and
// commutative, 98 of 100 are not associative, and it takes three values to see it. Give samples that tie in what the
// merge looks at and differ in what it doesn't: equal lengths, equal times, equal sums.
//
// HAZARD: a merge that passes is lawful on these samples, not on all values.
//
// HAZARD: laws say that replicas agree, not that they agree on something good. A merge that always returns the empty
// set keeps all of them. Give [System] a Want that computes the right state in another way.
//
// What breaks the laws most often, and what to do instead; the first three are the examples of [Check], with the witness that
// it returns for each and a merge that passes:
//
//   - the average, or any sum: keep each contribution once, by its id, and average when reading
//   - the longest, the first, the most complete: end every tie by comparing all that can differ
//   - appending, concatenating: keep a set of entries, sort it when reading
//   - "equal when within a second of each other": compare exactly, report what was close
//   - append to the slice of the left side: its spare capacity is shared with whoever holds the left side
package law
