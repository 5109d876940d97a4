package report

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// meaning is one code in a line, as a report explains it.
type meaning struct {
	code finding.Code
	text string
}

// meanings are all codes, those first that a reader should see first. The normal ones come last.
var meanings = []meaning{
	{finding.SplitBrain, "two sides accepted writes to one critical key"},
	{finding.StampCollision, "one node, one stamp, two payloads: the node name has two writers"},
	{finding.Inversion, "a write lost to one that its writer had seen"},
	{finding.InvariantBroken, "a check of the table fails on values of different writes"},
	{finding.UniqueViolation, "several keys keep one value of a unique field"},
	{finding.PartialRow, "a record that holds parts of two writes"},
	{finding.CounterGap, "increments of a node are missing in between"},
	{finding.CounterRegressed, "an absolute count went down without a decrement"},
	{finding.CounterOverflow, "a sum left the range of its type"},
	{finding.MissingBeforeImage, "an absolute value, and nothing to take a difference from"},
	{finding.OpMismatch, "an operation that the rule of its field has no use for"},
	{finding.NotMonotonic, "a value that may only grow was made to shrink"},
	{finding.RulePanic, "a rule of your own panicked; the ladder decided instead"},
	{finding.RuleMismatch, "two replicas with two rule tables"},
	{finding.EpochMismatch, "two replicas that do not agree on who takes part"},
	{finding.NotCommutative, "merge(a, b) differs from merge(b, a)"},
	{finding.NotAssociative, "the grouping of merges changes the result"},
	{finding.NotIdempotent, "merging a value with itself changes it"},
	{finding.NonDeterministic, "one input, two results"},
	{finding.MutatesInput, "a merge changed what it was given"},
	{finding.ValueDependentWinner, "nothing but the values told two writes apart"},
	{finding.OpIDReused, "one id, two payloads"},
	{finding.SourceMismatch, "an operation that did not come from where it says"},
	{finding.ProbableDuplicate, "equal writes without an id: perhaps one, delivered twice"},
	{finding.ConfusableKeys, "keys that look alike and are not"},
	{finding.UnknownCausality, "a rule turns on who had seen what, and nothing says it"},
	{finding.ClockAhead, "a stamp further ahead than the drift bound"},
	{finding.ClockInvalid, "a stamp outside the range of a timestamp"},
	{finding.MixedPrecision, "decided between clocks that tell time to different digits"},
	{finding.AmbiguousOrder, "writes of one node that nothing puts in order"},
	{finding.NoTime, "a row without a time, so that nothing puts it in order: create the feed with updated and mvcc_timestamp"},
	{finding.UnknownNode, "a node that the table does not declare, or no node at all"},
	{finding.StaleRead, "a read older than it asked for"},
	{finding.StuckWrite, "a write not replicated within its bound"},
	{finding.CompactedWindow, "the last of all writes in a window: those before it are gone"},
	{finding.BelowGCHorizon, "older than what was compacted"},
	{finding.CorruptLog, "damage in a log before its end"},
	{finding.BadSyntax, "not a record"},
	{finding.TruncatedInput, "the input ends inside a record"},
	{finding.BadUTF8, "text that is not UTF-8"},
	{finding.MissingField, "a member that the format requires is not there"},
	{finding.UnknownField, "a member that the format does not have"},
	{finding.DuplicateField, "a JSON member twice"},
	{finding.BadField, "a member of the wrong kind"},
	{finding.BadNumber, "a number that is none, or has too many digits"},
	{finding.NonFinite, "NaN or an infinity"},
	{finding.BadTime, "a time that is none"},
	{finding.LeapSecond, "a time with second 60"},
	{finding.ImplausibleUnit, "a time that only makes sense in another unit"},
	{finding.TooDeep, "nested beyond the limit"},
	{finding.TooLarge, "longer than the limit"},
	{finding.SnapshotRow, "state as of some moment, not a write: not replayed"},
	{finding.DuplicateOp, "an operation delivered again: counted once"},
}

// Codes returns the codes of all findings.
func Codes() []finding.Code {
	codes := make([]finding.Code, len(meanings))
	for i, m := range meanings {
		codes[i] = m.code
	}
	return codes
}

// Meaning returns a code in one line, "" for a code that there is not.
func Meaning(code finding.Code) string {
	if i := importance(code); i < len(meanings) {
		return meanings[i].text
	}
	return ""
}

// Normal reports whether a code counts what every export holds and nobody needs to look at.
func Normal(code finding.Code) bool {
	return code == finding.SnapshotRow || code == finding.DuplicateOp
}

// importance returns the place of a code among those to be seen first.
func importance(code finding.Code) int {
	i := slices.IndexFunc(meanings, func(m meaning) bool { return m.code == code })
	if i < 0 {
		return len(meanings)
	}
	return i
}
