package lww

import (
	"fmt"
	"time"
)

// Verdict says what a merge decided. The zero Verdict says that both sides were one write.
type Verdict struct {
	// Order is positive when the left side was kept, negative when the right side was, 0 when they were the same.
	Order int

	// By is the rung that decided. [Same] with an Order other than 0 says that there was nothing to decide: the other
	// side held no write at all.
	By Rung

	// Margin says by how much: nanoseconds of wall time by [Time] (0 when only the logical part differed), versions
	// by [Version], places in the declared order by [Node], where a node that isn't declared stands one place below
	// the first. It is 0 on the other rungs, and never negative. It saturates.
	Margin int64
}

// isFirst reports whether only one side held a write.
func (v Verdict) isFirst() bool { return v.By == Same && v.Order != 0 }

// String says the verdict in words. Do not depend on this text; use the fields.
func (v Verdict) String() string {
	side := "left"
	if v.Order < 0 {
		side = "right"
	}
	switch v.By {
	case Same:
		if v.isFirst() {
			return side + ": the other side held nothing"
		}
		return "same write"
	case Version:
		return fmt.Sprintf("%s by version: %s higher", side, count(v.Margin, "version"))
	case Time:
		if v.Margin == 0 {
			return side + " by time: later in the same nanosecond"
		}
		return fmt.Sprintf("%s by time: %s later", side, time.Duration(v.Margin))
	case Node:
		return fmt.Sprintf("%s by node: %s later in the order", side, count(v.Margin, "place"))
	case Kind:
		return side + " by kind: one of the two is a delete"
	default:
		return fmt.Sprintf("%s by %s", side, v.By)
	}
}

func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Judge makes the verdict on two claims from the order and the rung that a comparison returned: it adds by how much.
// [Merge] and [MergeMap] return verdicts that already say so.
func Judge(l *Ladder, a, b Stamp, order int, by Rung) Verdict {
	v := Verdict{Order: order, By: by}
	switch by {
	case Version:
		v.Margin = byCount(Version, a.Version, b.Version).Margin
	case Time:
		v.Margin = byTime(a.Time, b.Time).Margin
	case Node:
		v.Margin = l.byNode(a.Node, b.Node).Margin
	}
	return v
}
