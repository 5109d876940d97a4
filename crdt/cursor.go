package crdt

import "github.com/tiebreakhq/tiebreak/clock"

// cursor walks over the operations of one lane that a peer has not seen.
type cursor[P any] struct {
	lane *lane[P]
	at   int
	gaps []clock.Range // what the peer lacks, this and what follows; the last one is open
}

func (c *cursor[P]) entry() *entry[P] { return c.lane.kept.at(c.at) }

// settle goes on to the first entry that the peer lacks, and reports whether there is one.
func (c *cursor[P]) settle() bool {
	for len(c.gaps) > 0 && c.at < c.lane.kept.n {
		seq := c.entry().seq
		switch gap := c.gaps[0]; {
		case seq < gap.First:
			c.at = c.lane.kept.from(gap.First)
		case seq > gap.Last:
			c.gaps = c.gaps[1:]
		default:
			return true
		}
	}
	return false
}

// cursors is a heap by the order of delivery.
type cursors[P any] []cursor[P]

func (h *cursors[P]) add(s *lane[P], seen clock.Vector) {
	last := seen.Max(s.node)
	if last >= s.last && seen.Prefix(s.node) == last {
		return
	}
	gaps := seen.Gaps(s.node)
	if last < s.last {
		gaps = append(gaps, clock.Range{First: last + 1, Last: s.last})
	}
	if c := (cursor[P]{lane: s, gaps: gaps}); c.settle() {
		*h = append(*h, c)
	}
}

func (h cursors[P]) heapify() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

// next moves the first cursor on.
func (h *cursors[P]) next() {
	c := &(*h)[0]
	if c.at++; !c.settle() {
		end := len(*h) - 1
		(*h)[0] = (*h)[end]
		*h = (*h)[:end]
	}
	h.down(0)
}

func (h cursors[P]) down(i int) {
	for {
		least := i
		for _, child := range [...]int{2*i + 1, 2*i + 2} {
			if child < len(h) && h[child].entry().order < h[least].entry().order {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
