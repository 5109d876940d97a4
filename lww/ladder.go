package lww

import (
	"errors"
	"fmt"

	"github.com/tiebreakhq/tiebreak/clock"
)

// Rung is the step of the ladder that told two writes apart. Names are written in reports and are never reused.
type Rung uint8

const (
	Same    Rung = iota // nothing tells them apart: one write, delivered twice
	Rank                // a rank that a rule puts before the ladder, such as the greater number under max
	Version             // the application's own version or sequence number
	Time                // hybrid logical time
	Node                // position in the declared node order
	Kind                // a delete beats a set, or loses to it where the ladder says so
	Value               // canonical order of the values
)

var rungNames = [...]string{"same", "rank", "version", "time", "node", "kind", "value"}

// String returns the name of the rung in lower case.
func (r Rung) String() string {
	if int(r) < len(rungNames) {
		return rungNames[r]
	}
	return fmt.Sprintf("rung(%d)", uint8(r))
}

// Ladder is the order of claims: greatest wins, the first difference decides. The zero Ladder compares version,
// then time, then node, with no node declared. A Ladder is only read, so goroutines may share it.
type Ladder struct {
	// Order is the order of the first three rungs: each of [Version], [Time] and [Node] once. The zero value means
	// that order. [Same] in a place leaves a rung out, as databases do that know no version or compare no nodes.
	// [Ladder.Check] finds any other order; comparing by one that was not checked skips what isn't one of them.
	Order [3]Rung

	// SetsWin turns the rung [Kind] round: on an equal stamp a set beats a delete. Couchbase does so.
	SetsWin bool

	// Nodes is the tie order, the last one wins. Nodes that it doesn't name are equal on the node rung, below all
	// that it names.
	Nodes clock.Nodes
}

// ErrOrder is returned for a ladder that holds one of version, time and node twice, or something else.
var ErrOrder = errors.New("order wants each of version, time and node once")

// Check reports a ladder that can't be one: [ErrOrder], or what [clock.Nodes.Check] says.
func (l *Ladder) Check() error {
	if l.Order != [3]Rung{} {
		var seen [3]bool
		for _, r := range l.Order {
			if r == Same {
				continue
			}
			if r < Version || r > Node || seen[r-Version] {
				return ErrOrder
			}
			seen[r-Version] = true
		}
	}
	return l.Nodes.Check()
}

// Compare orders two claims: negative when a loses against b, positive when it wins, 0 by [Same] when the first three
// rungs don't tell them apart. The rung returned is the one that decided.
//
// The whole order is that of [Compare]; this is the part of it that doesn't look at what was written.
func (l *Ladder) Compare(a, b Stamp) (order int, by Rung) {
	v := l.judge(&a, &b)
	return v.Order, v.By
}

// judge decides between two claims, passed by reference for the reason given at decide.
func (l *Ladder) judge(a, b *Stamp) Verdict {
	if l.Order != [3]Rung{} {
		return l.judgeInOrder(a, b)
	}
	switch { // the usual order, without a loop
	case a.Version != b.Version:
		return byCount(Version, a.Version, b.Version)
	case a.Time.Wall != b.Time.Wall:
		return byCount(Time, sortable(a.Time.Wall), sortable(b.Time.Wall))
	case a.Time.Logical != b.Time.Logical:
		return byTime(a.Time, b.Time)
	default:
		return l.byNode(a.Node, b.Node)
	}
}

func (l *Ladder) judgeInOrder(a, b *Stamp) Verdict {
	for _, rung := range l.Order {
		var v Verdict
		switch rung {
		case Version:
			v = byCount(Version, a.Version, b.Version)
		case Time:
			v = byTime(a.Time, b.Time)
		case Node:
			v = l.byNode(a.Node, b.Node)
		}
		if v.By != Same {
			return v
		}
	}
	return Verdict{}
}

func byCount(by Rung, a, b uint64) Verdict {
	switch {
	case a > b:
		return Verdict{Order: 1, By: by, Margin: saturate(a - b)}
	case a < b:
		return Verdict{Order: -1, By: by, Margin: saturate(b - a)}
	default:
		return Verdict{}
	}
}

func byTime(a, b clock.Timestamp) Verdict {
	if a.Wall != b.Wall {
		return byCount(Time, sortable(a.Wall), sortable(b.Wall))
	}
	v := byCount(Time, uint64(a.Logical), uint64(b.Logical))
	v.Margin = 0 // logical parts are counts of nothing in particular
	return v
}

// sortable keeps order and distance: the walls of broken stamps are negative.
func sortable(wall int64) uint64 { return uint64(wall) ^ 1<<63 }

func saturate(n uint64) int64 { return int64(min(n, 1<<63-1)) }

func (l *Ladder) byNode(a, b clock.Node) Verdict {
	if a == b {
		return Verdict{}
	}
	// From the end, so that the first one met has won, and the other is somewhere below or not declared.
	for i := len(l.Nodes) - 1; i >= 0; i-- {
		switch l.Nodes[i] {
		case a:
			return Verdict{Order: 1, By: Node, Margin: int64(i + 1 - l.Nodes[:i].Rank(b))}
		case b:
			return Verdict{Order: -1, By: Node, Margin: int64(i + 1 - l.Nodes[:i].Rank(a))}
		}
	}
	return Verdict{}
}
