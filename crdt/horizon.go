package crdt

import (
	"fmt"

	"github.com/tiebreakhq/tiebreak/clock"
)

// acknowledged is what one member has said that it has. An acknowledgement counts once all that the member had written
// before it is delivered here, and until then it is next; those that come meanwhile are joined in later, and not in next,
// which would never come to count while the member goes on writing. One that can be counted when it comes is counted at once:
// what next waits for may have been lost with the disk of the member, which then says less than it did, and would be waited
// for for ever. What the others have of it is not lost: they give it back.
//
// Invariant: all dots of a node from the first to the last; later is empty while next is.
type acknowledged struct {
	counted, next, later clock.Vector
}

// Acknowledge takes note that a member has delivered, and will not forget, the operations in seen: its [Log.Seen] at some
// moment of this epoch, as it made it durable. Neither order nor repetition
// matters. The replica itself is a member like any other: its acknowledgement is asked for too. The error wraps [ErrEpoch]
// for a node that is no member.
//
// HAZARD: an operation of that member which is not in seen must have seen what is. One that was made before, and is yet to be
// sent, would come as concurrent with what all have forgotten.
func (l *Log[P]) Acknowledge(member clock.Node, seen clock.Vector) error {
	at, ok := l.epoch.member(member)
	if !ok {
		return fmt.Errorf("acknowledge: %w: %q is no member of epoch %d", ErrEpoch, string(member), l.epoch.Number)
	}
	a := &l.acks[at]
	into := &a.next
	switch {
	case l.hasAllOf(Member(member), &seen) && l.hasAllThatOthersHaveOf(at):
		into = &a.counted // there is nothing to wait for, whatever is waited for
	case !a.next.IsEmpty():
		into = &a.later
	}
	for node, run := range seen.Runs() {
		// What has no place in the epoch can't be delivered here, and must not take room. The part after a gap is left out.
		if last := min(run.Last, l.lastOf(node)); run.First == 1 && last > a.counted.Prefix(node) && (into == &a.counted || last > a.next.Prefix(node)) {
			into.AddUp(node, last)
		}
	}
	l.advance()
	return nil
}

// hasAllThatOthersHaveOf reports whether all operations of a member that another one has acknowledged are delivered.
func (l *Log[P]) hasAllThatOthersHaveOf(at int) bool {
	member := Member(l.epoch.Members[at])
	for i := range l.acks {
		a := &l.acks[i]
		if i != at && !(l.hasAllOf(member, &a.counted) && l.hasAllOf(member, &a.next) && l.hasAllOf(member, &a.later)) {
			return false
		}
	}
	return true
}

// Horizon returns what is known everywhere: operations that every member of the epoch has acknowledged, such that every
// operation yet to be delivered here was written by somebody who had seen them. For the latter all that a member wrote
// before its acknowledgement must be delivered here, and all of [Epoch.Lost]. So below the horizon nothing is asked for
// again, and nothing concurrent will come.
//
// [Log.Acknowledge] and [Log.Compact] move it, and it never goes back. It is shared: only to be read, and only until the next
// of these.
func (l *Log[P]) Horizon() clock.Vector { return l.horizon }

// Compact forgets the operations at or below the horizon and returns how many there were. One that comes again is
// [BelowHorizon] from then on.
func (l *Log[P]) Compact() (dropped int) {
	l.advance()
	for _, s := range l.lanes {
		count, bytes := s.kept.drop(l.horizon.Prefix(s.node))
		dropped += count
		l.retained -= count
		l.retainedBytes -= bytes
	}
	return dropped
}

// advance counts the acknowledgements that can be counted, and moves the horizon up.
func (l *Log[P]) advance() {
	for i := range l.acks {
		a := &l.acks[i]
		for !a.next.IsEmpty() && l.hasAllOf(Member(l.epoch.Members[i]), &a.next) {
			raise(&a.counted, &a.next)
			a.next, a.later = a.later, clock.Vector{}
		}
	}
	if l.epoch.isOpen() || !l.seen.Covers(l.epoch.Lost) {
		return
	}
	for _, s := range l.lanes {
		upTo := s.last
		for i := range l.acks {
			upTo = min(upTo, l.acks[i].counted.Prefix(s.node))
		}
		l.horizon.AddUp(s.node, upTo)
	}
}

// hasAllOf reports whether all operations of a member that are in v are delivered.
func (l *Log[P]) hasAllOf(member clock.Node, v *clock.Vector) bool {
	for node, run := range v.Runs() {
		if Member(node) == member && l.seen.Prefix(node) < run.Last {
			return false
		}
	}
	return true
}

// raise joins w, which has no gaps, into v, which has none.
func raise(v, w *clock.Vector) {
	for node, run := range w.Runs() {
		v.AddUp(node, run.Last)
	}
}
