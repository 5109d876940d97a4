package merge

import "github.com/tiebreakhq/tiebreak/clock"

// Settle folds, in every key, what only operations before the horizon could need, so that a state does not grow with the
// number of its operations: the increments of a counter become one sum a node; what sets, flags and registers remember
// of dots becomes one run a node; of deletes of whole records those of the greatest claims stay.
//
// It changes nothing that readers see, now or after any operation or merge to come, whether other replicas have settled,
// and at which horizons. Replicas that have applied the same operations and settled at the same horizon last are equal to
// the byte, whatever they settled at before; until then their bytes may differ.
//
// HAZARD: the horizon must be causally stable. Every replica has applied all its operations, none of them is delivered
// again, and every operation that has not arrived here yet has all of them in [Op.Seen], as dots and not only in fact. The
// least of what all replicas have acknowledged is a horizon, if an acknowledgement counts only once everything that its
// sender had written by then has arrived here. Otherwise a reset that had seen a part of a sum can't undo that part, and
// undoes nothing, or an add comes back that a remove should have beaten.
func (s *State) Settle(horizon clock.Vector) {
	for _, key := range s.order {
		s.keys[key].settle(horizon)
	}
}

// SettleKey is [State.Settle] of one key, for those who go through many of them in pieces.
func (s *State) SettleKey(key string, horizon clock.Vector) {
	if k := s.keys[key]; k != nil {
		k.settle(horizon)
	}
}

func (k *record) settle(horizon clock.Vector) {
	for i := range k.cells {
		k.cells[i].cell.Settle(horizon)
	}
	k.forget(func(d *Op) bool { return horizon.Has(d.Dot) && horizon.Covers(d.Seen) })
}
