package replica

import (
	"errors"
	"fmt"
	"io"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// Backup writes a copy of the replica into another directory, which must be empty or new, while it goes on. What was
// acknowledged before Backup was called is in it. Opened, the copy knows that it is one: it goes on under a new incarnation,
// and gets from its peers what it does not have. Snapshots, and peers whose state is to be taken over, wait meanwhile.
func (r *Replica) Backup(dir string) error {
	if r.disk == nil {
		return errors.New("backup: the replica is in memory")
	}
	r.mu.Lock()
	err := r.closed()
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	to, found, err := segment.Open(dir, segment.Options{FS: r.opt.FS})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if found.Last > 0 || found.HasSnapshot {
		return errors.Join(fmt.Errorf("backup: %s is not empty", dir), to.Close())
	}
	err = r.copy(to)
	r.tellAll()
	if err != nil {
		return errors.Join(fmt.Errorf("backup: %w", err), to.Close())
	}
	return to.Close()
}

// copy writes the log and the state into an empty log.
func (r *Replica) copy(to *segment.Log) error {
	// What is forgotten, and what is taken over as state, would be in the state of the copy and not in its log.
	r.maintaining.Lock()
	defer r.maintaining.Unlock()
	r.mu.Lock()
	err := r.drain()
	epoch, seen := r.log.Epoch().Number, r.seen.Clone()
	var h *head
	var kept []*entry
	if err == nil {
		h, err = r.head(true)
		for op := range r.log.Since(r.log.Horizon()) {
			kept = append(kept, op.Payload)
		}
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	// The operations that some member may lack come first, as they do in the log.
	h.oldest, h.ops = 1, nil
	at, err := r.copyOps(to, kept)
	if err == nil && len(kept) == 0 {
		at, err = to.Append(boundRecord(h.wall))
	}
	if err != nil {
		return err
	}
	return to.WriteSnapshot(at, func(out io.Writer) error {
		if err := r.save(out, h, &r.mu); err != nil {
			return err
		}
		return r.copySince(to, epoch, seen)
	})
}

// copySince appends to a copy what came after a moment, and makes it durable: the records of its snapshot may hold that.
func (r *Replica) copySince(to *segment.Log, epoch uint64, seen clock.Vector) error {
	var later []*entry
	r.mu.Lock()
	err := r.drain()
	for op := range r.log.Since(seen) {
		later = append(later, op.Payload)
	}
	now := r.log.Epoch()
	r.mu.Unlock()
	// What was delivered before an epoch has its place in it too, and what came after may have it nowhere else.
	if err == nil && now.Number != epoch {
		_, err = to.Append(epochRecord(now))
	}
	if err == nil {
		_, err = r.copyOps(to, later)
	}
	if err == nil {
		err = to.Sync()
	}
	return err
}

// copyOps appends operations to a copy, and returns where the last one is.
func (r *Replica) copyOps(to *segment.Log, entries []*entry) (last segment.Position, err error) {
	for _, e := range entries {
		bytes, err := r.bytesOf(e)
		if err != nil {
			return last, err
		}
		if last, err = to.Append(opHead(nil, e.sign), bytes); err != nil {
			return last, err
		}
	}
	return last, nil
}
