// Package finding holds the codes of what a dry run, a fold or a reader has to tell, and the place it was found.
//
// A code is for programs and for the reviewer who greps; it never changes its meaning and is never reused. Some codes
// are failures and some are counts of what is normal in an export ([SnapshotRow], [DuplicateOp]): which, is for the
// caller to say, with -fail-on for one. Who tells which code, and what to do about it, says tiebreak help codes.
package finding

import (
	"cmp"
	"strconv"
)

// Code names one kind of finding.
type Code string

// What stamps, clocks and order give away.
const (
	StampCollision   Code = "stamp_collision"   // one node, one stamp, two payloads: the node had two writers
	Inversion        Code = "inversion"         // a write lost to one that its writer had seen
	ClockAhead       Code = "clock_ahead"       // a stamp further ahead than the drift bound
	ClockInvalid     Code = "clock_invalid"     // a stamp outside the range of a timestamp
	UnknownNode      Code = "unknown_node"      // a node that the table does not declare, or no node at all
	MixedPrecision   Code = "mixed_precision"   // two sources of one key tell time to different digits
	AmbiguousOrder   Code = "ambiguous_order"   // writes of one node that nothing puts in order
	ImplausibleUnit  Code = "implausible_unit"  // a time that only makes sense in another unit
	NoTime           Code = "no_time"           // a row of a feed that tells no times: nothing puts it in order
	LeapSecond       Code = "leap_second"       // a time with second 60
	BadTime          Code = "bad_time"          // a time that is none
	UnknownCausality Code = "unknown_causality" // nothing says whether a writer had seen a write that its rule turns on
)

// What rules and merged state give away.
const (
	InvariantBroken      Code = "invariant_broken"       // a check of the table fails on values of different writes
	UniqueViolation      Code = "unique_violation"       // two keys keep one value of a unique field
	CounterGap           Code = "counter_gap"            // increments of a node are missing in between
	CounterRegressed     Code = "counter_regressed"      // an absolute count went down without a decrement
	CounterOverflow      Code = "counter_overflow"       // a sum left the range of its type
	OpMismatch           Code = "op_mismatch"            // an operation that the rule of its field has no use for
	UnlistedValue        Code = "unlisted_value"         // a value that is not on the list of its prefer line
	NotMonotonic         Code = "not_monotonic"          // a value that may only grow was made to shrink
	NonFinite            Code = "non_finite"             // NaN or an infinity
	MissingBeforeImage   Code = "missing_before_image"   // an absolute value, and nothing to take a difference from
	ValueDependentWinner Code = "value_dependent_winner" // the values decided, so hiding them would change the winner
	PartialRow           Code = "partial_row"            // a row that holds parts of two writes, or a group not written whole
	RulePanic            Code = "rule_panic"             // a user's rule panicked
	RuleMismatch         Code = "rule_mismatch"          // two replicas, two rule tables
	NotCommutative       Code = "not_commutative"        // merge(a, b) != merge(b, a)
	NotAssociative       Code = "not_associative"        // merge(merge(a, b), c) != merge(a, merge(b, c))
	NotIdempotent        Code = "not_idempotent"         // merge(a, a) != a
	NonDeterministic     Code = "non_deterministic"      // one input, two results
	MutatesInput         Code = "mutates_input"          // a merge changed what it was given
)

// What operations and their ids give away.
const (
	DuplicateOp       Code = "duplicate_op"       // an operation delivered again; counted once
	OpIDReused        Code = "op_id_reused"       // one id, two payloads
	ProbableDuplicate Code = "probable_duplicate" // equal in all but an id, which both lack
	BelowGCHorizon    Code = "below_gc_horizon"   // older than what was compacted
	SourceMismatch    Code = "source_mismatch"    // an operation that did not come from where it says
	UnmatchedArrival  Code = "unmatched_arrival"  // a row of another region whose export does not have it
	EpochMismatch     Code = "epoch_mismatch"     // two replicas, two memberships
	SplitBrain        Code = "split_brain"        // two sides accepted writes to one critical key
	StaleRead         Code = "stale_read"         // a read older than it asked for
	StuckWrite        Code = "stuck_write"        // a write not replicated within its bound
	CorruptLog        Code = "corrupt_log"        // damage in a log before its end
)

// What the text of an input gives away.
const (
	SnapshotRow     Code = "snapshot_row"     // state as of some moment, not a write
	CompactedWindow Code = "compacted_window" // the last of all writes in a window: those before it are gone
	ConfusableKeys  Code = "confusable_keys"  // two keys that look alike and are not
	DuplicateField  Code = "duplicate_field"  // a JSON member twice
	UnknownField    Code = "unknown_field"    // a member that the format does not have
	MissingField    Code = "missing_field"    // a member that the format requires
	BadField        Code = "bad_field"        // a member of the wrong kind
	BadSyntax       Code = "bad_syntax"       // not JSON, not msgpack, or not a record
	BadUTF8         Code = "bad_utf8"         // text that is not UTF-8
	TruncatedInput  Code = "truncated_input"  // the input ends inside a record
	TooDeep         Code = "too_deep"         // nested beyond the limit
	TooLarge        Code = "too_large"        // longer than the limit
	BadNumber       Code = "bad_number"       // a number that is none, or beyond the limit of digits
)

// Place is where in an input something was found. The zero Place is "nowhere in particular".
type Place struct {
	File string `json:"file"`           // as the user named it; "-" is standard input
	Line int64  `json:"line,omitempty"` // counted from 1; 0 when the place is the whole file
	Item int    `json:"item,omitempty"` // counted from 1 within a line that holds several records; 0 when it holds one
}

// String returns "file:line" or "file:line#item".
func (p Place) String() string {
	s := p.File
	if p.Line > 0 {
		s += ":" + strconv.FormatInt(p.Line, 10)
	}
	if p.Item > 0 {
		s += "#" + strconv.Itoa(p.Item)
	}
	return s
}

// Compare orders places by file, line and item.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Item, q.Item))
}

// Finding is one thing found.
type Finding struct {
	Code   Code   `json:"code"`
	Place  Place  `json:"place,omitzero"`
	Key    string `json:"key,omitempty"`    // the key it concerns, if any
	Field  string `json:"field,omitempty"`  // the field it concerns, if any
	Detail string `json:"detail,omitempty"` // one sentence without its full stop; values in it are quoted
}

// String returns "file:line: code: detail". Do not depend on this text; use the fields.
func (f Finding) String() string {
	s := string(f.Code)
	if f.Place != (Place{}) {
		s = f.Place.String() + ": " + s
	}
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}
