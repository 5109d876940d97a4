package segment

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is where a record is. The zero Position is before the first record.
type Position struct {
	// Sequence counts the records of a log from 1, without a gap.
	Sequence uint64

	// Offset is the place of the record in its segment. Zero means unknown, which [Log.From] finds out and [Log.Read]
	// refuses.
	Offset uint64
}

// A Record is one that was read.
type Record struct {
	Position Position

	// Body is only good until the next record is asked for.
	Body []byte
}

const (
	segmentSuffix  = ".seg"
	snapshotSuffix = ".snap"
	tempSuffix     = ".tmp"
	markName       = "synced"
	lockName       = "lock"
)

// fileName returns the name of a segment or a snapshot: names sort as their sequences do.
func fileName(sequence uint64, suffix string) string { return fmt.Sprintf("%020d%s", sequence, suffix) }

// fileSequence is the inverse of fileName.
func fileSequence(name, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}
