package merge

import "github.com/tiebreakhq/tiebreak/clock"

// Settle folds, in every key, what only operations before the horizon could need, so that a state does not grow with the
// number of its operations: the increments of a counter become one sum a node; what sets, flags and registers remember
// of dots becomes one run a node; of deletes of whole records those of the greatest claims stay.
//
// It changes nothing that readers see, now or after any operation or merge to come, whether other replicas have settled,
// and at which horizons. Replicas that have applied the same operations and settled at the same horizon last are equal to
// the byte, whatever they settled at before, and whether they applied an operation, or merged a record of one that had settled no
// further, before that or after it: a state knows its horizon, and folds what comes later as far as that. Until then their bytes may
// differ. Horizons only grow; to settle less far than before changes nothing.
//
// HAZARD: the horizon must be causally stable. Every replica has applied all its operations, none of them is delivered
// again, and every operation that has not arrived here yet has all of them in [Op.Seen], as dots and not only in fact. The
// least of what all replicas have acknowledged is a horizon, if an acknowledgement counts only once everything that its
// sender had written by then has arrived here. Otherwise a reset that had seen a part of a sum can't undo that part, and
// undoes nothing, or an add comes back that a remove should have beaten.
func (s *State) Settle(horizon clock.Vector) {
	horizon = horizon.Clone() // it is kept
	was := s.settled
	s.settled = further(was, &horizon)
	for _, key := range s.order {
		k := s.keys[key]
		if k.settled == was {
			k.settled = s.settled
		} else {
			k.settled = further(k.settled, &horizon)
		}
		k.settle()
	}
}

// SettleKey is [State.Settle] of one key, for those who go through many of them in pieces. It is for the keys that come later, too.
func (s *State) SettleKey(key string, horizon clock.Vector) {
	horizon = horizon.Clone()
	s.settled = further(s.settled, &horizon)
	if k := s.keys[key]; k != nil {
		k.settled = further(k.settled, &horizon)
		k.settle()
	}
}

// further returns the horizon of what was settled at one and is now settled at another. Nobody changes either.
func further(was, now *clock.Vector) *clock.Vector {
	if was == nil || now.Covers(*was) {
		return now
	}
	both := was.Clone()
	both.Merge(*now)
	return &both
}

// settle folds k as far as it is settled.
func (k *record) settle() {
	for at := k.cells.Cursor(); at.Item() != nil; at.Next() {
		k.settleCell(&at.Item().cell)
	}
	k.forgetSettled()
}

// settleCell folds one cell of k as far as k is settled. One that has merged another is folded so, and one that is new: they are then as
// if all of that had been there when the horizon came.
func (k *record) settleCell(c *Cell) {
	if k.settled != nil {
		c.state().settle(*k.settled)
	}
}

// forgetSettled drops the deletes that every writer of an operation to come had seen, but for the greatest.
func (k *record) forgetSettled() {
	if k.settled == nil || k.deletes.Len() < 2 {
		return
	}
	some := false
	isDone := func(d *Op) bool { return k.settled.Has(d.Dot) && k.settled.Covers(d.Seen) }
	k.askOfSeen(&Op{Seen: *k.settled}, func(d *Op) bool {
		some = some || isDone(d)
		return false
	})
	if some { // else there is no need to know the greatest
		k.forget(isDone)
	}
}
