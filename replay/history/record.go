package history

import (
	"strconv"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Kind says what a record is.
type Kind uint8

const (
	Write     Kind = iota // one change to one key
	Read                  // what a reader saw
	Snapshot              // a row of state as of some moment: counted, never replayed as a write
	Watermark             // "nothing older will follow": resolved timestamps, heartbeats, partition ends
	Arrival               // a write of another region where it arrived and was named anew: see [Options.Regions]
)

// Record is one record of a history: a write or a read and where it was found. Its strings point into the chunk of
// input they were read from and stay valid as long as they are kept; a long-lived copy of one short string should be
// cloned, so that it doesn't keep the chunk.
type Record struct {
	Kind   Kind
	Place  finding.Place
	Region string // of the export it was read from, as -region named it; "" when it wasn't told

	Key    string
	Op     merge.Kind
	Fields []Field    // what the write changed; one without a name for the whole record; none for a delete of it with nothing in before
	Node   clock.Node // where the write began; "" only in imported records, when nothing says

	Version   uint64 // the application's own version, 0 when it has none
	Time      clock.Timestamp
	Precision Precision // of Time, as its source wrote it; NoTime of an [Arrival] whose Time is that of the write where it began

	ID      string      // the idempotency key, "" when it has none
	Seen    []string    // ids this writer had seen
	SeenUp  []clock.Dot // the same as {node: seq}: that node's operations up to seq
	Knows   bool        // the record says what its writer had seen, be it nothing
	Whole   bool        // and leaves nothing out, as SeenUp does; else what follows from a list, be it empty, may be left out
	Base    uint64      // the version this writer had read
	HasBase bool
	Tx      string // the transaction, "" when none is named

	Reading *Reading // of a read; of a write that says when or in which session it was called, its Start, End and Session; else nil
}

// Field is one field that a write changed. Before is what the write replaced, absent when the history doesn't tell.
type Field struct {
	Name   string // "" is the whole record
	Value  value.Value
	Before value.Value
}

// Reading is what a read asked for and saw.
type Reading struct {
	Want          string // strong, bounded:DURATION, quorum, session or eventual
	Saw           string // the id seen; "" when a version is told, with NotFound, and when nothing is told
	SawVersion    uint64 // the version seen, with HasSawVersion: an id may have the same digits
	HasSawVersion bool
	NotFound      bool
	Start         clock.Timestamp
	End           clock.Timestamp
	Session       string
	ServedBy      string
}

// Precision is the smallest step of time that a record's source can express.
type Precision uint8

const (
	NoTime Precision = iota // the record has no time
	Second
	Millisecond
	Microsecond
	Nanosecond
)

// Number returns what stands behind the name of the node in an id "node:number", and 0 when the id is something else.
func (r *Record) Number() uint64 { return sequenceOf(r.ID, r.Node) }

func sequenceOf(id string, node clock.Node) uint64 {
	if node == "" || len(id) <= len(node)+1 || id[len(node)] != ':' || id[:len(node)] != string(node) {
		return 0
	}
	digits := id[len(node)+1:]
	if digits[0] < '1' || digits[0] > '9' {
		return 0
	}
	if len(digits) > 19 { // may be too large
		seq, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			return 0
		}
		return seq
	}
	seq := uint64(0)
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return 0
		}
		seq = 10*seq + uint64(d)
	}
	return seq
}
