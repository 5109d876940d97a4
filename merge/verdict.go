package merge

import (
	"cmp"
	"fmt"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Write is one write as a cell keeps it.
type Write struct {
	lww.Register[value.Value]
	ID  string
	Dot clock.Dot
}

// name returns what people call the write.
func (w Write) name() string {
	switch {
	case w.ID != "":
		return w.ID
	case !w.Dot.IsZero():
		return w.Dot.String()
	default:
		return w.Stamp.String()
	}
}

// Outcome is what became of one claim.
type Outcome uint8

const (
	Kept        Outcome = iota // it is what all replicas show
	Combined                   // it lives on in the result together with others
	Refused                    // the key is critical and others wrote it too: a quorum must decide
	Overwritten                // a write that had seen it took its place
	Lost                       // it was beaten
)

var outcomeNames = [...]string{"kept", "combined", "refused", "overwritten", "lost"}

// String returns the name of the outcome. Names are written in reports and are never reused.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// Verdict is what a cell says of one claim, and why. It is as of the cell's state: a claim that is kept may be lost to
// an operation that has yet to arrive.
type Verdict struct {
	Field   string // the cell that decided; see [Rule.Cell]
	Outcome Outcome
	Rule    *Rule

	// By and Margin say what decided between the claim and Against, as in [lww.Verdict]. By is [lww.Rank] when the rule
	// itself decided, before the ladder had its say, and [lww.Same] when nothing had to be decided.
	By     lww.Rung
	Margin int64

	// Against is the write that beat the claim; the zero Write when none did.
	Against Write

	// Missing says that the claim gave an absolute value where the rule needs a difference, and no before-image to take
	// it from: it changed nothing, or only what could be told without one.
	Missing bool

	// Mismatch says that the rule has no use for what the claim does: see [Rule.Takes]. A rule that keeps writes as they are
	// has taken its value for one that was set; others have left it out.
	Mismatch bool

	// NotMonotonic says that the claim takes something away where the rule only grows: it took nothing.
	NotMonotonic bool

	// Panicked holds what a user's rule panicked with, "" when it didn't. The ladder decided instead.
	Panicked string
}

// String says the verdict in words, as "lost by time to us:7: 2ms". Do not depend on this text; use the fields.
func (v Verdict) String() string {
	s := v.Outcome.String()
	if v.By == lww.Same {
		return s
	}
	if v.By == lww.Rank {
		s += fmt.Sprintf(" by rule %s", v.Rule.Name)
	} else {
		s += fmt.Sprintf(" by %s", v.By)
	}
	if v.Against != (Write{}) {
		s += " to " + v.Against.name()
	}
	switch v.By {
	case lww.Time:
		s += ": " + time.Duration(v.Margin).String()
	case lww.Version, lww.Node:
		s += fmt.Sprintf(": %d", v.Margin)
	}
	return s
}

// Compare orders two writes as the rule does: negative when a loses to b. The rung is the one that decided; it is
// [lww.Rank] when the rule's own order did, before the ladder. Writes that are [lww.Same] differ in their id or dot at
// most.
//
// For the rules that do not select one write by an order (sets, counters, flags, logs) it is the plain ladder, which
// they use where they need a fixed order.
func (r *Rule) Compare(a, b *Write) (order int, by lww.Rung) {
	if order := r.rank(a, b); order != 0 {
		return order, lww.Rank
	}
	if r.id == isFWW {
		if order, by = r.table.Ladder.Compare(a.Stamp, b.Stamp); order != 0 {
			return -order, by
		}
	}
	order, by = lww.Compare(&r.table.Ladder, a.Register, b.Register)
	if p := r.table.Profile; p != nil && p.largerValue && (by == lww.Kind || by == lww.Value) {
		if order, by := p.compareTied(a, b); order != 0 {
			return order, by
		}
	}
	return order, by
}

// rank compares by what the rule puts before the ladder.
func (r *Rule) rank(a, b *Write) int {
	switch r.id {
	case isMax, isMin, isHighest:
		if a.Deleted != b.Deleted { // what has no value is below every value, so that there is an order at all
			return sign(b.Deleted)
		}
		if a.Deleted {
			return 0
		}
		switch r.id {
		case isMax:
			return value.CompareSize(a.Value, b.Value)
		case isMin:
			return value.CompareSize(b.Value, a.Value)
		default:
			return value.CompareSize(a.Value.Get(r.column), b.Value.Get(r.column))
		}
	case isPrefer:
		return cmp.Compare(preferred(r.values, b), preferred(r.values, a))
	case isPreferNode:
		return cmp.Compare(site(r.nodes, b), site(r.nodes, a))
	case isDeleteWins:
		if a.Deleted != b.Deleted {
			return sign(a.Deleted)
		}
	case isUpdateWins:
		if a.Deleted != b.Deleted {
			return sign(b.Deleted)
		}
	}
	return 0
}

func sign(positive bool) int {
	if positive {
		return 1
	}
	return -1
}

// preferred returns the place of a write's value in the list, the number of all for one that is not on it.
func preferred(values []value.Value, w *Write) int {
	for i, v := range values {
		if !w.Deleted && v == w.Value {
			return i
		}
	}
	return len(values)
}

func site(nodes clock.Nodes, w *Write) int {
	if rank := nodes.Rank(w.Stamp.Node); rank > 0 {
		return rank
	}
	return len(nodes) + 1
}
