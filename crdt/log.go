package crdt

import (
	"fmt"
	"iter"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// Log is what a replica knows of the operations of all nodes. It says of each that arrives whether it is new, hands it out
// once, after all that it depends on, keeps it for those who lack it, and forgets it when nobody does.
//
// Operations of one node are delivered in the order of their numbers, and each after what its [Operation.After] names. One
// that comes too early is held, within [LogLimits]; one that has come before is never delivered again; one that carries a
// dot of another operation is answered [Reused], so that nothing is dropped in silence.
//
// The zero Log is empty and ready. Before [Log.Enter] everybody may write, and nothing is forgotten. A Log must not be
// copied; one goroutine may change it, or many read it.
//
// A delivered operation takes 64 bytes, the size of the payload and what After holds, until it is forgotten.
type Log[P any] struct {
	// Limits bounds what is held. It is set before first use.
	Limits LogLimits

	epoch   Epoch          // Invariant: members sorted.
	acks    []acknowledged // of the members, in their order
	lanes   []*lane[P]     // by node
	seen    clock.Vector   // Invariant: of each lane, 1 to last.
	horizon clock.Vector   // Invariant: no gaps, all in seen.

	stopped map[clock.Node]bool // members of whom nothing more is taken

	backlog backlog
	waiting map[clock.Dot][]*lane[P] // lanes whose next operation is held and waits for this one

	deliveries              uint64
	retained, retainedBytes int
	ready                   []Operation[P] // what the last call has delivered
}

// Apply takes an operation that a source has delivered, and returns what it is and all that can now be applied, in this
// order: the operation itself and what was held for want of it. Only a [Delivered] operation has any; they are valid until the
// next call of a method that changes the log. Source is who is answerable for it: a member, the node itself or one that
// passes it on. What is held counts against its share.
func (l *Log[P]) Apply(source clock.Node, op Operation[P]) (Arrival, []Operation[P]) {
	arrival := l.judge(source, &op)
	switch arrival {
	case Delivered:
		l.begin()
		l.deliver(l.open(op.Dot.Node), op)
		if len(l.backlog.accounts) > 0 {
			l.follow()
		}
		return arrival, l.ready
	case Held:
		l.hold(l.open(op.Dot.Node), source, op)
	}
	return arrival, nil
}

// Check returns what [Log.Apply] would answer, and changes nothing.
func (l *Log[P]) Check(source clock.Node, op Operation[P]) Arrival { return l.judge(source, &op) }

func (l *Log[P]) judge(source clock.Node, op *Operation[P]) Arrival {
	seq := op.Dot.Seq
	if seq == 0 || seq > MaxSeq || op.Size < 0 {
		return Invalid
	}
	s, _ := l.lane(op.Dot.Node)
	last := uint64(0)
	switch {
	case s != nil:
		last = s.last
		if sum, known := s.sum(seq); known && sum == op.Sum {
			return Duplicate
		} else if known {
			return Reused
		}
		switch {
		case seq <= last:
			return BelowHorizon
		case seq > s.limit:
			return Stranger
		}
	case op.Dot.Node.Check() != nil:
		return Invalid
	case seq > l.lastOf(op.Dot.Node):
		return Stranger
	}
	if l.seen.Covers(op.After) {
		if seq == last+1 {
			return Delivered
		}
	} else if why := l.never(op); why != 0 {
		return why
	}
	source = Member(source)
	_, isMember := l.epoch.member(source)
	b := &l.backlog
	if b.accounts == nil {
		b = new(backlog)
		b.open(l.Limits, len(l.epoch.Members))
	}
	if _, fits := b.fits(source, isMember, op.Size); !fits {
		return Busy
	}
	return Held
}

// never says why an operation that waits for a cause would wait for ever, and 0 if it need not.
func (l *Log[P]) never(op *Operation[P]) (why Arrival) {
	for node, run := range op.After.Runs() {
		switch {
		case run.Last > MaxSeq, node == op.Dot.Node && run.Last >= op.Dot.Seq:
			return Invalid
		case run.Last > l.lastOf(node):
			why = Stranger
		}
	}
	return why
}

// begin empties ready for a call that delivers. What many operations at once needed of it is given back, and none of those
// that it held stays alive for it.
func (l *Log[P]) begin() {
	const usual = 64 // operations that one call delivers
	if clear(l.ready); cap(l.ready) > usual {
		l.ready = nil
	}
	l.ready = l.ready[:0]
}

// deliver puts down the next operation of a lane, and adds it to ready.
func (l *Log[P]) deliver(s *lane[P], op Operation[P]) {
	s.last++
	l.seen.Add(op.Dot)
	l.keep(s, op)
	l.ready = append(l.ready, op)
}

func (l *Log[P]) keep(s *lane[P], op Operation[P]) {
	l.deliveries++
	l.retained++
	l.retainedBytes += op.Size
	s.kept.push(entry[P]{op.Dot.Seq, l.deliveries, op.After, op.Sum, op.Size, op.Payload})
}

// Seen returns the operations that are delivered, of each node from the first without a gap. It is shared: only to be read,
// and only until the log changes.
func (l *Log[P]) Seen() clock.Vector { return l.seen }

// Retained returns how many delivered operations are kept, and their bytes as [Operation.Size] counts them.
func (l *Log[P]) Retained() (count, bytes int) { return l.retained, l.retainedBytes }

// Find returns a delivered operation that is kept.
func (l *Log[P]) Find(d clock.Dot) (Operation[P], bool) {
	if s, _ := l.lane(d.Node); s != nil && d.Seq <= s.last {
		if i, ok := s.kept.find(d.Seq); ok {
			return s.kept.at(i).operation(s.node), true
		}
	}
	return Operation[P]{}, false
}

// Sum returns the sum under which a dot is known, of an operation that is kept or held.
func (l *Log[P]) Sum(d clock.Dot) (sum [16]byte, known bool) {
	if s, _ := l.lane(d.Node); s != nil {
		return s.sum(d.Seq)
	}
	return sum, false
}

// Since returns the delivered operations that are kept and not in seen, in the order of their delivery, and so each after
// what it depends on. Its cost is that of what is taken of it, and a little for each node. The log must not change meanwhile.
func (l *Log[P]) Since(seen clock.Vector) iter.Seq[Operation[P]] {
	return func(yield func(Operation[P]) bool) {
		var heads cursors[P]
		for _, s := range l.lanes {
			if s.kept.n > 0 {
				heads.add(s, seen)
			}
		}
		heads.heapify()
		for len(heads) > 0 {
			c := &heads[0]
			if !yield(c.entry().operation(c.lane.node)) {
				return
			}
			heads.next()
		}
	}
}

// Reaches reports whether [Log.Since] has all that a peer lacks which has seen this. If not, the peer needs a copy of the
// state ([Log.Adopt]).
func (l *Log[P]) Reaches(seen clock.Vector) bool {
	var forgotten clock.Vector
	for _, s := range l.lanes {
		s.forgotten(&forgotten)
	}
	return seen.Covers(forgotten)
}

// Adopt counts the operations in seen as delivered, because a state that holds them was taken over: seen is the [Log.Seen]
// that went with it. It returns what was held for want of them and can be applied now, as [Log.Apply] does. The error wraps
// [ErrEpoch] for a vector with gaps or beyond the epoch; then the log has not changed.
func (l *Log[P]) Adopt(seen clock.Vector) ([]Operation[P], error) {
	if err := checkUnbroken(seen); err != nil {
		return nil, fmt.Errorf("adopt: %w: %w", ErrEpoch, err)
	}
	for node, run := range seen.Runs() {
		if last := l.lastOf(node); run.Last > last {
			return nil, fmt.Errorf("adopt: %w: %q ends at %d, and the state is at %d", ErrEpoch, string(node), last, run.Last)
		}
	}
	for node, run := range seen.Runs() {
		s := l.open(node)
		if run.Last <= s.last {
			continue
		}
		s.last = run.Last
		l.seen.AddUp(node, run.Last)
		for _, seq := range sortedKeys(s.held) {
			if seq <= s.last {
				l.letGo(s, s.held[seq])
			}
		}
	}
	l.settle()
	return l.ready, nil
}

// Retain puts back, after [Log.Decode], operations that were delivered before the snapshot, from wherever they are stored,
// in any order: those above the horizon that the log counts as delivered. Those that it does not, it returns, for
// [Log.Apply]. The error wraps [ErrOperation] when two operations have one dot; then the log has not changed. It is called
// once, before anything is delivered.
func (l *Log[P]) Retain(ops []Operation[P]) (rest []Operation[P], err error) {
	if l.retained > 0 {
		return nil, fmt.Errorf("retain: %w: the log keeps operations already", ErrOperation)
	}
	queues := make([][]*Operation[P], len(l.lanes))
	for i := range ops {
		op := &ops[i]
		s, at := l.lane(op.Dot.Node)
		switch {
		case s == nil || op.Dot.Seq == 0 || op.Dot.Seq > s.last:
			rest = append(rest, *op)
		case !l.horizon.Has(op.Dot):
			queues[at] = append(queues[at], op)
		}
	}
	left := 0
	for i, q := range queues {
		slices.SortStableFunc(q, func(a, b *Operation[P]) int { return a.Dot.Compare(b.Dot) })
		for j := 1; j < len(q); j++ {
			if q[j].Dot == q[j-1].Dot && q[j].Sum != q[j-1].Sum {
				return nil, fmt.Errorf("retain: %w: two operations are called %s", ErrOperation, q[j].Dot)
			}
		}
		queues[i] = slices.CompactFunc(q, func(a, b *Operation[P]) bool { return a.Dot == b.Dot })
		left += len(queues[i])
	}
	// Each after what it depends on. That there is always one to go on with follows from their having been delivered once;
	// if they are not what they were then, any order will do.
	for stuck := false; left > 0; {
		before := left
		for i, s := range l.lanes {
			for len(queues[i]) > 0 && (stuck || l.isNext(queues, queues[i][0])) {
				l.keep(s, *queues[i][0])
				queues[i] = queues[i][1:]
				left--
				stuck = false
			}
		}
		stuck = left == before
	}
	return rest, nil
}

// isNext reports whether nothing that op depends on is still in the queues.
func (l *Log[P]) isNext(queues [][]*Operation[P], op *Operation[P]) bool {
	for node, run := range op.After.Runs() {
		if s, at := l.lane(node); s != nil && len(queues[at]) > 0 && queues[at][0].Dot.Seq <= run.Last {
			return false
		}
	}
	return true
}
