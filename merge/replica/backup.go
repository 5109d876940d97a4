package replica

import (
	"errors"
	"fmt"
	"io"

	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// Backup writes a copy of the replica into another directory, which must be empty or new, while it goes on. What was
// acknowledged before Backup was called is in it. Opened, the copy knows that it is one: it goes on under a new incarnation,
// and gets from its peers what it does not have.
func (r *Replica) Backup(dir string) error {
	if r.disk == nil {
		return errors.New("backup: the replica is in memory")
	}
	to, found, err := segment.Open(dir, segment.Options{FS: r.opt.FS})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if found.Last > 0 || found.HasSnapshot {
		return errors.Join(fmt.Errorf("backup: %s is not empty", dir), to.Close())
	}
	r.mu.Lock()
	err = r.drain()
	var h *head
	var kept []*entry
	if err == nil {
		h, err = r.head(true)
		for op := range r.log.Since(r.log.Horizon()) {
			kept = append(kept, op.Payload)
		}
	}
	r.unlock()
	if err != nil {
		return errors.Join(fmt.Errorf("backup: %w", err), to.Close())
	}
	// The operations that some member may lack come first, as they do in the log.
	h.oldest = 1
	var at segment.Position
	for _, e := range kept {
		bytes, err := r.bytesOf(e)
		if err == nil {
			at, err = to.Append(opHead(nil, e.sign), bytes)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("backup: %w", err), to.Close())
		}
	}
	if len(kept) == 0 {
		at, err = to.Append(boundRecord(h.wall))
	}
	if err == nil {
		err = to.WriteSnapshot(at, func(out io.Writer) error { return r.save(out, h, &r.mu) })
	}
	if err != nil {
		return errors.Join(fmt.Errorf("backup: %w", err), to.Close())
	}
	return to.Close()
}
