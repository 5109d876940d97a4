package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// Explained is what there is to say of a code.
type Explained struct {
	Code    finding.Code
	Meaning string // in a line, as a report explains it
	By      Tellers
	Advice  string // what to do about it, a sentence or two
}

// Tellers are those who tell of a code.
type Tellers uint8

// The tellers.
const (
	ByReading Tellers = 1 << iota // every command that reads histories: it sets the record aside
	ByRun                         // the commands run, why and diff
	ByLaws                        // the command laws
	ByDrill                       // the command drill
	ByReplica                     // a service, of another or of its disk
)

var tellerNames = []string{"reading", "run", "laws", "drill", "replica"}

// String returns the names, with commas between them.
func (t Tellers) String() string {
	var names []string
	for i, name := range tellerNames {
		if t&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// explained are all codes, those first that a reader should see first. The normal ones come last.
var explained = []Explained{
	{finding.SplitBrain, "two sides accepted writes to one critical key", ByDrill | ByReplica,
		"Say who decides between the two sides, and write such keys by quorum: in a script, class NAME = KEYS writes quorum."},
	{finding.StampCollision, "one node, one stamp, two payloads: the node name has two writers", ByRun,
		"Give each writer a node name of its own, or a clock that never says a time twice. Until then the values decide, which is the same everywhere and means nothing."},
	{finding.Inversion, "a write lost to one that its writer had seen", ByRun,
		"Find the clock that is ahead or the version that was not raised: tiebreak why names both writes. A clock that takes in the stamps it sees (package clock) never stamps below them."},
	{finding.InvariantBroken, "a check of the table fails on values of different writes", ByRun,
		"Let the fields of the check come from one write: a line with all of them, and the option together."},
	{finding.UniqueViolation, "several keys keep one value of a unique field", ByRun,
		"No merge of single keys can keep a value unique between regions: let one region give them out, or a quorum."},
	{finding.PartialRow, "a record that holds parts of two writes", ByRun,
		"Where a record must stay whole, decide its fields together (the option together), or its deletes by delete-wins."},
	{finding.CounterGap, "increments of a node are missing in between", ByRun,
		"Add the export that holds the missing operations. Until then the sum lacks what they added."},
	{finding.CounterRegressed, "an absolute count went down without a decrement", ByRun,
		"Record the difference: op add, or the before-image of the write."},
	{finding.CounterOverflow, "a sum left the range of its type", 0,
		"No rule of this version tells it: sums are exact to any size."},
	{finding.MissingBeforeImage, "an absolute value, and nothing to take a difference from", ByRun,
		"Switch the before-images of the export on (diff, NEW_AND_OLD_IMAGES, OLD_AND_NEW_VALUES, REPLICA IDENTITY FULL), or record increments: op add."},
	{finding.OpMismatch, "an operation that the rule of its field has no use for", ByRun,
		"The rule and what is written do not fit, as lww and op add: see which line of the table matches the key."},
	{finding.UnlistedValue, "a value that its prefer line does not list: it loses to all that are", ByRun,
		"Mend the spelling of the prefer line, or add the value at its place."},
	{finding.NotMonotonic, "a value that may only grow was made to shrink", ByRun,
		"What a write takes away stays. Where it may be taken away, use add-wins."},
	{finding.RulePanic, "a rule of your own panicked; the ladder decided instead", ByRun,
		"Mend the function: it is called with any two values of its fields."},
	{finding.RuleMismatch, "two replicas with two rule tables", ByDrill | ByReplica,
		"Roll one table out everywhere: replicas under different tables refuse each other's batches."},
	{finding.EpochMismatch, "two replicas that do not agree on who takes part", ByReplica,
		"Let both take the newer membership before they exchange operations."},
	{finding.NotCommutative, "merge(a, b) differs from merge(b, a)", ByLaws,
		"Make the result of the rule independent of the order of its arguments, or waive the law in its declaration."},
	{finding.NotAssociative, "the grouping of merges changes the result", ByLaws,
		"Make the rule a greatest of something, or a union: an average, or what is within a distance, is not associative."},
	{finding.NotIdempotent, "merging a value with itself changes it", ByLaws,
		"Let the rule return a value that it is given twice."},
	{finding.NonDeterministic, "one input, two results", ByLaws,
		"Take clock, chance and the order of maps out of the rule."},
	{finding.MutatesInput, "a merge changed what it was given", ByLaws,
		"Let the rule change a copy."},
	{finding.ValueDependentWinner, "nothing but the values told two writes apart", ByRun,
		"Name all nodes in the table's nodes line, and give each writer one of its own."},
	{finding.OpIDReused, "one id, two payloads", ByRun | ByReplica,
		"Give each operation an id that is never used again. A node that came back from an old copy of its disk begins under a new name."},
	{finding.SourceMismatch, "an operation that did not come from where it says", ByRun | ByReplica,
		"Find out who writes under the name of another node."},
	{finding.ProbableDuplicate, "equal writes without an id: perhaps one, delivered twice", ByRun,
		"Give operations ids: without them nothing can be counted once."},
	{finding.ConfusableKeys, "keys that look alike and are not", ByRun,
		"See whether they are meant to be one, and write it in one form."},
	{finding.UnknownCausality, "a rule turns on who had seen what, and nothing says it", ByRun,
		"Name the region of each export (-region), state the replication lag (-lag), or record seen or base."},
	{finding.ClockAhead, "a stamp further ahead than the drift bound", ByRun | ByDrill | ByReplica,
		"Mend the clock of the node. The bound is -max-drift."},
	{finding.ClockInvalid, "a stamp outside the range of a timestamp", ByReading | ByReplica,
		"Times from 1970 to 2261 are valid: see which unit the export writes."},
	{finding.MixedPrecision, "decided between clocks that tell time to different digits", ByRun,
		"Let all writers record times to the same digits, or put version before time."},
	{finding.AmbiguousOrder, "writes of one node that nothing puts in order", ByRun,
		"Record ids \"node:seq\", versions, or times with more digits."},
	{finding.NoTime, "a row without a time, so that nothing puts it in order", ByRun,
		"Create the feed with updated and mvcc_timestamp."},
	{finding.UnknownNode, "a node that the table does not declare, or no node at all", ByRun | ByReading | ByReplica,
		"Add it to the table's nodes line; where an export doesn't say it, -region or -origin does; a delete has no column to say it in."},
	{finding.StaleRead, "a read older than it asked for", ByRun | ByDrill,
		"The report has the smallest witness: read from where the write was acknowledged, or promise less."},
	{finding.StuckWrite, "a write not replicated within its bound", ByDrill,
		"See which link was cut or too slow, and until when."},
	{finding.CompactedWindow, "the last of all writes in a window: those before it are gone", ByRun,
		"A full history is in the stream, not in an incremental export."},
	{finding.BelowGCHorizon, "older than what was compacted", ByReplica,
		"The node was away for longer than the log is kept: let it begin anew from merged state."},
	{finding.CorruptLog, "damage in a log before its end", ByReading | ByReplica,
		"What is behind the damage is not read: take the directory of another replica, or a backup."},
	{finding.BadSyntax, "not a record", ByReading,
		"See the line that is named. A whole file of them is no history of the form that it was read as: see -format."},
	{finding.TruncatedInput, "the input ends inside a record", ByReading,
		"Copy the file again: it is not whole."},
	{finding.BadUTF8, "text that is not UTF-8", ByReading,
		"Write the export in UTF-8."},
	{finding.MissingField, "a member that the format requires is not there", ByReading,
		"See the form: go doc github.com/tiebreakhq/tiebreak/replay/history."},
	{finding.UnknownField, "a member that the format does not have", ByReading,
		"Mend its spelling, or take it out: a member that is passed over might have been meant."},
	{finding.DuplicateField, "a JSON member twice", ByReading,
		"Readers differ on which of the two counts: write it once."},
	{finding.BadField, "a member of the wrong kind", ByReading,
		"See the form: go doc github.com/tiebreakhq/tiebreak/replay/history."},
	{finding.BadNumber, "a number that is none, or has too many digits", ByReading,
		"Write what is no amount as a text."},
	{finding.NonFinite, "NaN or an infinity", ByReading,
		"Only finite numbers can be merged: write null, or a text."},
	{finding.BadTime, "a time that is none", ByReading,
		"Write RFC 3339, or nanoseconds since 1970."},
	{finding.LeapSecond, "a time with second 60", ByReading,
		"Write the second before or after it: which of them is for the source to say."},
	{finding.ImplausibleUnit, "a time that only makes sense in another unit", ByReading,
		"Write nanoseconds since 1970, or RFC 3339: a unit is never guessed."},
	{finding.TooDeep, "nested beyond the limit", ByReading,
		"Records may be nested 64 deep."},
	{finding.TooLarge, "longer than the limit", ByReading,
		"A record may take 8 MiB."},
	{finding.UnmatchedArrival, "a row of another region whose export does not have it: not replayed", ByRun,
		"Where exports begin or end at different times there are some: they were written before the one, and arrived in the other. Elsewhere the row " +
			"was changed where it arrived, by a trigger or because columns differ, or a write there did not set the column that -origin names. " +
			"What it may have shown is a range."},
	{finding.SnapshotRow, "state as of some moment, not a write: not replayed", ByRun,
		"Nothing: it is a count. A history is of writes, and the rows of a scan are none."},
	{finding.DuplicateOp, "an operation delivered again: counted once", ByRun,
		"Nothing: it is a count."},
}

// Codes returns the codes of all findings, those first that a reader should see first.
func Codes() []finding.Code {
	codes := make([]finding.Code, len(explained))
	for i, e := range explained {
		codes[i] = e.Code
	}
	return codes
}

// Explain returns what there is to say of a code, and whether there is that code.
func Explain(code finding.Code) (Explained, bool) {
	if i := importance(code); i < len(explained) {
		return explained[i], true
	}
	return Explained{Code: code}, false
}

// Meaning returns a code in one line, "" for a code that there is not.
func Meaning(code finding.Code) string {
	e, _ := Explain(code)
	return e.Meaning
}

// Normal reports whether a code counts what every export holds and nobody needs to look at.
func Normal(code finding.Code) bool {
	return code == finding.SnapshotRow || code == finding.DuplicateOp
}

// importance returns the place of a code among those to be seen first.
func importance(code finding.Code) int {
	i := slices.IndexFunc(explained, func(e Explained) bool { return e.Code == code })
	if i < 0 {
		return len(explained)
	}
	return i
}

// byImportance orders codes: those first that a reader should see first.
func byImportance(a, b finding.Code) int {
	return cmp.Or(cmp.Compare(importance(a), importance(b)), cmp.Compare(a, b))
}
