package replica

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// EventKind says what an [Event] is about.
type EventKind uint8

// The kinds of events.
const (
	// Lost: a write that was acknowledged somewhere lost to one whose writer had not seen it. Op is the operation that made it
	// so, by arriving; Loser and Winner are the two writes. Every replica tells it of a write that an order decided on, the
	// writer's own included; of elements of a set, those do where the loser came first.
	Lost EventKind = iota + 1

	// Conflict: an operation met one that its writer had not seen, and nobody lost: the two are combined, or refused because
	// the key is critical. Verdict says which.
	Conflict

	// Refused: a batch of Peer's was refused as a whole. Code and Detail say why; there is one event for each reason.
	Refused

	// Held: Count operations of a batch wait for others that have not arrived.
	Held

	// Late: an operation of Peer's names a number that the log has forgotten, because every member had it. It was set aside.
	Late

	// Reused: Peer has under one number another operation than this replica (op_id_reused): the node has had two writers, or
	// came back from a copy of its directory. It is told again when this replica starts over from the state of Peer for that,
	// with Count operations of others dropped; Detail says what of it is not healed.
	Reused

	// Restored: this replica found that it came back from a backup, and goes on as a new incarnation. Count is the number of
	// its writes that it issued again.
	Restored

	// Transferred: the log of Peer no longer reached back, or a person asked for it, so merged state was taken over: Count keys of
	// it.
	Transferred

	// Diverged: this replica and Peer have seen the same operations and are not equal. It can't happen by itself: the disk
	// or the memory of one is broken, or its table is another. It is the alarm for split brain.
	Diverged

	// Broken: the disk failed, or does not give back what was on it, and the replica takes no more writes until it is opened
	// anew. Detail says what happened.
	Broken
)

var eventNames = [...]string{"none", "lost", "conflict", "refused", "held", "late", "reused", "restored", "transferred", "diverged", "broken"}

// String returns the name of the kind.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// Event is something that a service may want to show, count or be woken by.
type Event struct {
	Kind    EventKind
	Peer    clock.Node    // from where it came; "" when from here
	Op      *merge.Op     // the operation it is about, nil when about none; not to be changed
	Verdict merge.Verdict // of Op, for Lost and Conflict
	Field   string        // of the key of Op
	Loser   merge.Write   // of Lost
	Winner  merge.Write   // of Lost
	Code    finding.Code  // "" when there is none for it
	Detail  string        // one sentence without its full stop
	Count   int64         // how many; 0 when there is nothing to count
}

// String says the event in a line. Do not depend on this text; use the fields.
func (e Event) String() string {
	s := e.Kind.String()
	if e.Peer != "" {
		s += " from " + string(e.Peer)
	}
	if e.Op != nil {
		s += fmt.Sprintf(": %q", e.Op.Key)
		if e.Field != "" {
			s += fmt.Sprintf(" %q", e.Field)
		}
	}
	if e.Kind == Lost {
		s += fmt.Sprintf(": %s lost to %s by %s", e.Loser.Dot, e.Winner.Dot, e.Verdict.By)
	}
	if e.Code != "" {
		s += ": " + string(e.Code)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Logged returns an observer (see [Options.Observe]) that writes every event to a logger: what loses data or needs a person at
// level warn or error, the rest at info. Values are not written.
func Logged(to *slog.Logger) func(Event) {
	return func(e Event) {
		level := slog.LevelInfo
		switch e.Kind {
		case Lost, Refused, Late, Restored:
			level = slog.LevelWarn
		case Reused, Diverged, Broken:
			level = slog.LevelError
		}
		attrs := make([]slog.Attr, 0, 8)
		if e.Peer != "" {
			attrs = append(attrs, slog.String("peer", string(e.Peer)))
		}
		if e.Op != nil {
			attrs = append(attrs, slog.String("op", e.Op.Dot.String()), slog.String("key", e.Op.Key), slog.String("field", e.Field))
		}
		if e.Kind == Lost {
			attrs = append(attrs, slog.String("loser", e.Loser.Dot.String()), slog.String("winner", e.Winner.Dot.String()),
				slog.String("by", e.Verdict.By.String()))
		}
		if e.Code != "" {
			attrs = append(attrs, slog.String("code", string(e.Code)))
		}
		if e.Detail != "" {
			attrs = append(attrs, slog.String("detail", e.Detail))
		}
		if e.Count != 0 {
			attrs = append(attrs, slog.Int64("count", e.Count))
		}
		to.LogAttrs(context.Background(), level, e.Kind.String(), attrs...)
	}
}

// Status is how a replica is doing: what a service exports as metrics.
type Status struct {
	Node        clock.Node // as the table declares it
	Incarnation clock.Node // as its operations are named now
	Epoch       uint64

	Written    int64 // operations written here since it was opened
	Applied    int64 // operations of others applied since then
	Duplicates int64 // operations that came again
	Conflicts  int64
	Lost       int64
	Refused    map[finding.Code]int64 // refused operations by reason; nil when there were none

	Keys     int   // of the state
	Retained int   // operations that some member has yet to acknowledge
	Held     int   // operations that wait for others
	LogBytes int64 // on disk, the part kept for dry runs included

	Peers []PeerStatus // the other members, by name
	Err   error        // why it takes no more writes; nil when it does

	// Maintained is why the last [Replica.Maintain], whoever called it, did not write its snapshot or did not remove what the
	// log no longer needs, which then takes room on the disk; nil when it did.
	Maintained error
}

// PeerStatus is what a replica knows of another member.
type PeerStatus struct {
	Node clock.Node

	// Backlog is how many operations this replica has that the peer has not acknowledged.
	Backlog uint64

	// UpTo is up to when all that the peer wrote is here; the zero timestamp when it has never said. Lag is how old that is.
	UpTo clock.Timestamp
	Lag  time.Duration

	// Audited is when its state was last compared with the one here, both having the same operations; the zero timestamp
	// when that has not come about since the replica was opened.
	Audited clock.Timestamp

	// Skew is by how much the peer's clock was ahead of the physical clock here when it last said what time it is: the true
	// skew less the time that the message took.
	Skew time.Duration
}
