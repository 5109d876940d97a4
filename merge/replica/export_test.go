package replica

import "github.com/tiebreakhq/tiebreak/merge"

// Spoil changes the state behind the back of the replica, as a broken memory would.
func (r *Replica) Spoil(op merge.Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = r.state.Apply(op)
	r.digests.all()
}
