package crdt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
)

// Epoch is who takes part, from one agreement of all to the next. How the members agree is the caller's affair; that they do
// not enter two epochs of one number is what a [Log] relies on.
type Epoch struct {
	// Number tells epochs apart and orders them. It begins at 1.
	Number uint64

	// Members are those who write, and without whose acknowledgement nothing is forgotten. One that goes on from a backup
	// is named by its incarnation: "us-east~2" is the member "us-east", whose earlier incarnations write no more.
	Members []clock.Node

	// Lost holds the operations of every node that writes no more, from its first to its last: of those who left, of those
	// who are lost for ever as far as the survivors had got them, and of earlier incarnations. Such a node is closed for
	// ever, so later epochs name it again, and no later last dot: an earlier one only where those are lost too who had the
	// rest. One that writes no more and is not in it never wrote, as far as anybody knows.
	Lost clock.Vector
}

// ErrEpoch is wrapped by the errors of [Log.Enter], [Log.Acknowledge] and [Log.Adopt]: an epoch is not one, contradicts what
// is known, or does not have the member in question. Then the log has not changed.
var ErrEpoch = errors.New("not of the epoch")

// Member returns the member that a node is an incarnation of: "us-east" for "us-east~2", and for "us-east" itself. See
// [clock.Node.Incarnation].
func Member(node clock.Node) clock.Node {
	member, _ := node.Incarnation()
	return member
}

// Has reports whether a node is one of the members, as any incarnation of it.
func (e Epoch) Has(node clock.Node) bool {
	member := Member(node)
	return slices.ContainsFunc(e.Members, func(m clock.Node) bool { return Member(m) == member })
}

// isOpen reports whether no epoch was entered yet, so that everybody takes part.
func (e *Epoch) isOpen() bool { return e.Number == 0 }

// byMember orders nodes by the member that they are.
func byMember(a, b clock.Node) int { return strings.Compare(string(Member(a)), string(Member(b))) }

// member returns the place of a member. The members are sorted.
func (e *Epoch) member(m clock.Node) (int, bool) {
	return slices.BinarySearchFunc(e.Members, m, byMember)
}

// last returns the greatest number that a node may have used, 0 when it has no place in the epoch.
func (e *Epoch) last(node clock.Node) uint64 {
	if e.isOpen() {
		return MaxSeq
	}
	if last := e.Lost.Max(node); last > 0 {
		return last
	}
	if at, ok := e.member(node); ok {
		_, oldest := e.Members[at].Incarnation()
		if _, n := node.Incarnation(); n >= oldest {
			return MaxSeq
		}
	}
	return 0
}

// check reports why e can't be an epoch. Its members are sorted.
func (e *Epoch) check() error {
	if e.Number == 0 {
		return fmt.Errorf("%w: epochs are counted from 1", ErrEpoch)
	}
	if len(e.Members) == 0 {
		return fmt.Errorf("%w: epoch %d has no members", ErrEpoch, e.Number)
	}
	for i, m := range e.Members {
		if err := m.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrEpoch, err)
		}
		if i > 0 && byMember(e.Members[i-1], m) == 0 {
			return fmt.Errorf("%w: member %q stands twice", ErrEpoch, string(Member(m)))
		}
		if e.Lost.Max(m) > 0 {
			return fmt.Errorf("%w: %q is a member, and closed", ErrEpoch, string(m))
		}
	}
	if err := checkUnbroken(e.Lost); err != nil {
		return fmt.Errorf("%w: what is lost: %w", ErrEpoch, err)
	}
	return nil
}

// follows reports why a log that is in epoch was can't enter e.
func (e *Epoch) follows(was *Epoch) error {
	if e.Number < was.Number {
		return fmt.Errorf("%w: epoch %d is over, this is %d", ErrEpoch, e.Number, was.Number)
	}
	if e.Number == was.Number && !(slices.Equal(e.Members, was.Members) && e.Lost.Equal(was.Lost)) {
		return fmt.Errorf("%w: epoch %d is known with other members", ErrEpoch, e.Number)
	}
	for node, run := range was.Lost.Runs() {
		if last := e.last(node); last > run.Last {
			return fmt.Errorf("%w: %q was closed for ever after %d", ErrEpoch, string(node), run.Last)
		}
	}
	return nil
}

// checkUnbroken reports a vector that does not hold, of each of its nodes, all dots from the first to the last.
func checkUnbroken(v clock.Vector) error {
	for node, run := range v.Runs() {
		if run.First != 1 {
			return fmt.Errorf("%q has gaps", string(node))
		}
		if run.Last > MaxSeq {
			return fmt.Errorf("%q is beyond %d", string(node), uint64(MaxSeq))
		}
		if err := node.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Epoch returns the epoch that the log is in; its number is 0 before the first. It is shared, and only to be read.
func (l *Log[P]) Epoch() Epoch { return l.epoch }

// Stop takes no more of a member until the next [Log.Enter], drops what waits of it, and returns how far it got: what the
// survivors of a member agree upon as [Epoch.Lost] is what all of these hold together. It is not in a snapshot.
func (l *Log[P]) Stop(member clock.Node) (upTo clock.Vector) {
	member = Member(member)
	if l.stopped == nil {
		l.stopped = make(map[clock.Node]bool)
	}
	l.stopped[member] = true
	for _, s := range l.lanes {
		if Member(s.node) == member {
			s.limit = s.last
			for _, h := range s.held {
				l.letGo(s, h)
			}
			upTo.AddUp(s.node, s.last)
		}
	}
	return upTo
}

// Enter goes over to an epoch: members join, leave, or are lost for ever. Numbers only grow, and may leave some out; to
// enter the same epoch again does nothing.
//
// What waited and has no place in the new epoch, or no longer fits into the shares, is dropped: whoever has it will send it
// again, because [Log.Seen] does not have it.
//
// The error wraps [ErrEpoch]: the epoch contradicts itself or an earlier one, or operations were delivered here that it
// says never were. The last means that this replica was not asked when the survivors agreed, and must go on from a copy of
// their state.
//
// An epoch begins without acknowledgements, since a member that goes on from a backup may have lost what it had; the horizon
// stays where it is.
//
// HAZARD: a member that joins, or goes on as another incarnation, takes over the state of another member ([Log.Adopt]) before
// it writes, and does so after all others have entered its epoch. Until they have, they may forget without asking it, and
// its operations would know nothing of what is forgotten. And what was sent in an earlier epoch must not be taken in a
// later one; the sender sends it again.
//
// HAZARD: who tells the others how far it got with a node that is to be closed must take no more of that node until it has
// entered the epoch that closes it: [Log.Stop] sees to that.
func (l *Log[P]) Enter(e Epoch) error {
	e = Epoch{Number: e.Number, Members: slices.Clone(e.Members), Lost: e.Lost.Clone()}
	slices.SortFunc(e.Members, byMember)
	if err := e.check(); err != nil {
		return fmt.Errorf("enter: %w", err)
	}
	if err := e.follows(&l.epoch); err != nil {
		return fmt.Errorf("enter: %w", err)
	}
	for _, s := range l.lanes {
		if last := e.last(s.node); s.last > last {
			return fmt.Errorf("enter: %w: %q is to end at %d, and %d of its operations are delivered", ErrEpoch, string(s.node), last, s.last)
		}
	}
	if e.Number == l.epoch.Number {
		return nil
	}
	l.epoch, l.acks = e, make([]acknowledged, len(e.Members))
	l.readmit()
	return nil
}
