package replica

import (
	"fmt"
	"iter"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// Entry is one record of the log of a replica.
type Entry struct {
	Sequence uint64    // of the record in the log, from 1; the operations of all nodes share one count
	Size     int       // of the record, in bytes
	Op       *merge.Op // nil for what is no operation: an epoch, a bound, the name of an incarnation
}

// History reads the log in the directory of a replica as what it is: the history of the operations that were made there or
// came from others, in the order in which they did. The replica may be open meanwhile, in this process or another; see
// [segment.Scan], whose promises these are. Signatures are not checked: they were, before an operation came into the log.
//
// An operation that the log has forgotten is not in it (see [Options.KeepBytes]), nor is one whose effect came as merged state.
// One may be in it twice, and what was written under numbers that were taken, and issued again since, is in it as it was. An
// error is the last thing it yields, beside the sequence of the record that it is about; damage is [segment.ErrCorrupt] to
// errors.Is. A nil fsys is the disk of the operating system.
func History(fsys segment.FS, dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		next := uint64(0)
		for from, err := range segment.Scan(fsys, dir) {
			if err != nil {
				yield(Entry{Sequence: next}, err)
				return
			}
			e := Entry{Sequence: from.Position.Sequence, Size: len(from.Body)}
			next = e.Sequence + 1
			rec, err := readRecord(from.Body)
			if err == nil && rec.kind == recordOp {
				var op merge.Op
				op, err = merge.DecodeOp(rec.op.Op, widest)
				e.Op = &op
			}
			if err != nil {
				yield(Entry{Sequence: e.Sequence}, fmt.Errorf("%w: %w", segment.ErrCorrupt, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
