package segment

import (
	"errors"
	"fmt"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// ErrCorrupt is what every [CorruptError] is to errors.Is.
var ErrCorrupt = errors.New("corrupt log")

// ErrLocked is what [Open] returns while another Open of the same directory, here or in another process, is not closed.
var ErrLocked = errors.New("log is open elsewhere")

// ErrClosed is what the methods of a closed log return.
var ErrClosed = errors.New("log is closed")

// ErrTooLarge is what [Log.Append] returns for a record of more than [MaxRecord] bytes. Nothing was appended.
var ErrTooLarge = errors.New("record too large")

// ErrNotFound is what [Log.Read] returns for a position that is not, or no more, in the log.
var ErrNotFound = errors.New("no such record")

// CorruptError tells of damage to what was durable, and where it is. It is never the trace of a crash alone: that is cut,
// and told by [Recovery]. Nothing of the log was changed when it was found.
type CorruptError struct {
	File   string // its path
	Offset int64  // of the first byte that can't be relied on; 0 when it is the file as a whole
	Detail string // what is wrong there, in a few words
}

// Error returns "file: byte n: detail". Do not depend on this text; use the fields.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: byte %d: %s", e.File, e.Offset, e.Detail)
}

// Unwrap returns [ErrCorrupt].
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// Finding returns the same as a finding of code [finding.CorruptLog].
func (e *CorruptError) Finding() finding.Finding {
	return finding.Finding{
		Code:   finding.CorruptLog,
		Place:  finding.Place{File: e.File},
		Detail: fmt.Sprintf("byte %d: %s", e.Offset, e.Detail),
	}
}
