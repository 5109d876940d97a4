package crdt

import (
	"cmp"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// LogLimits bounds what waits in a [Log]. It is set before first use. What is delivered has no bound here: it is the caller
// who sees to it that the horizon moves.
type LogLimits struct {
	// Held is how many operations may wait for others. Zero means [DefaultHeld].
	Held int

	// HeldBytes is how many bytes may, as [Operation.Size] counts them. Zero means [DefaultHeldBytes].
	HeldBytes int
}

// The limits where a field of [LogLimits] is zero.
const (
	DefaultHeld      = 65_536
	DefaultHeldBytes = 64 << 20
)

func (l LogLimits) load() load {
	held := load{l.Held, l.HeldBytes}
	if held.count <= 0 {
		held.count = DefaultHeld
	}
	if held.bytes <= 0 {
		held.bytes = DefaultHeldBytes
	}
	return held
}

// load is an amount of operations.
type load struct{ count, bytes int }

func (a load) plus(b load) load { return load{a.count + b.count, a.bytes + b.bytes} }

func (a load) minus(b load) load { return load{a.count - b.count, a.bytes - b.bytes} }

// beyond returns what of a is more than b.
func (a load) beyond(b load) load { return load{max(0, a.count-b.count), max(0, a.bytes-b.bytes)} }

func (a load) within(b load) bool { return a.count <= b.count && a.bytes <= b.bytes }

// backlog is the account of what waits, by the member that delivered it. One half of the room is shared out among the
// members of the epoch, each of which is sure of its share. The other half, with what does not divide, is common: whoever
// needs more than its share borrows from it, and so does who is no member, as long as there is any.
//
// Borrowed is what all together have beyond their shares, and is never more than the common half. All together have no more
// than all shares and what is borrowed, which is no more than the limit. Nobody who stays within its share borrows, so
// nobody can be refused on account of others. Nothing that is held is ever turned out for another's sake.
type backlog struct {
	accounts map[clock.Node]load
	borrowed load
	share    load // of each member
	common   load
}

// open starts an empty backlog.
func (b *backlog) open(limits LogLimits, members int) {
	limit := limits.load()
	*b = backlog{accounts: make(map[clock.Node]load), common: limit}
	if members > 0 {
		b.share = load{limit.count / (2 * members), limit.bytes / (2 * members)}
		b.common = load{limit.count - members*b.share.count, limit.bytes - members*b.share.bytes}
	}
}

// fits reports whether there is room for one more operation of a source, and what the source then borrows in addition.
func (b *backlog) fits(source clock.Node, isMember bool, size int) (borrows load, ok bool) {
	if size > b.share.bytes+b.common.bytes { // beyond any room, and perhaps beyond arithmetic
		return load{}, false
	}
	share := b.shareOf(isMember)
	own := b.accounts[source]
	borrows = own.plus(load{1, size}).beyond(share).minus(own.beyond(share))
	return borrows, b.borrowed.plus(borrows).within(b.common)
}

func (b *backlog) shareOf(isMember bool) load {
	if isMember {
		return b.share
	}
	return load{}
}

// take enters an operation that fits.
func (b *backlog) take(source clock.Node, size int, borrows load) {
	b.accounts[source] = b.accounts[source].plus(load{1, size})
	b.borrowed = b.borrowed.plus(borrows)
}

// release takes an operation out.
func (b *backlog) release(source clock.Node, isMember bool, size int) {
	share := b.shareOf(isMember)
	own := b.accounts[source]
	left := own.minus(load{1, size})
	b.borrowed = b.borrowed.minus(own.beyond(share).minus(left.beyond(share)))
	if left.count == 0 {
		delete(b.accounts, source)
		return
	}
	b.accounts[source] = left
}

// held is an operation that waits.
type held[P any] struct {
	op       Operation[P]
	source   clock.Node // the member that delivered it
	isMember bool       // of the epoch
}

// hold puts down an operation that fits, in a lane of which it is not the next, or that waits for a cause.
func (l *Log[P]) hold(s *lane[P], source clock.Node, op Operation[P]) {
	if l.backlog.accounts == nil {
		l.backlog.open(l.Limits, len(l.epoch.Members))
	}
	source = Member(source)
	_, isMember := l.epoch.member(source)
	borrows, _ := l.backlog.fits(source, isMember, op.Size)
	l.backlog.take(source, op.Size, borrows)
	if s.held == nil {
		s.held = make(map[uint64]*held[P])
	}
	s.held[op.Dot.Seq] = &held[P]{op, source, isMember}
	if op.Dot.Seq == s.last+1 {
		l.wait(s, &op)
	}
}

// wait has the next operation of a lane wait for the first of its causes that is missing.
func (l *Log[P]) wait(s *lane[P], op *Operation[P]) {
	for node, run := range op.After.Runs() {
		if cause := (clock.Dot{Node: node, Seq: run.Last}); !l.seen.Has(cause) {
			if l.waiting == nil {
				l.waiting = make(map[clock.Dot][]*lane[P])
			}
			l.waiting[cause] = append(l.waiting[cause], s)
			return
		}
	}
}

// next delivers the next operation of a lane if it is held and has nothing more to wait for.
func (l *Log[P]) next(s *lane[P]) {
	h := s.held[s.last+1]
	if h == nil {
		return
	}
	if !l.seen.Covers(h.op.After) {
		l.wait(s, &h.op)
		return
	}
	l.letGo(s, h)
	l.deliver(s, h.op)
}

func (l *Log[P]) letGo(s *lane[P], h *held[P]) {
	if delete(s.held, h.op.Dot.Seq); len(s.held) == 0 {
		s.held = nil // a map keeps the room of the most that it ever held
	}
	l.backlog.release(h.source, h.isMember, h.op.Size)
}

// follow delivers what has waited for the operations in ready, and for those that this adds to it.
func (l *Log[P]) follow() {
	for i := 0; i < len(l.ready); i++ {
		d := l.ready[i].Dot
		s, _ := l.lane(d.Node)
		l.next(s)
		lanes := l.waiting[d]
		delete(l.waiting, d)
		for _, s := range lanes {
			l.next(s)
		}
	}
}

// settle finds out anew what waits for what, and delivers what has nothing more to wait for.
func (l *Log[P]) settle() {
	clear(l.waiting)
	l.begin()
	for _, s := range l.lanes {
		l.next(s)
	}
	l.follow()
}

// readmit takes in anew what waits, after the epoch has changed.
func (l *Log[P]) readmit() {
	l.backlog.open(l.Limits, len(l.epoch.Members))
	l.stopped = nil
	for _, s := range l.lanes {
		s.limit = l.epoch.last(s.node)
	}
	for _, s := range l.lanes {
		waited := s.held
		s.held = nil
		for _, seq := range sortedKeys(waited) {
			h := waited[seq]
			_, isMember := l.epoch.member(h.source)
			if _, fits := l.backlog.fits(h.source, isMember, h.op.Size); fits && seq <= s.limit && l.never(&h.op) == 0 {
				l.hold(s, h.source, h.op)
			}
		}
	}
	l.lanes = slices.DeleteFunc(l.lanes, func(s *lane[P]) bool { return s.last == 0 && len(s.held) == 0 })
	l.settle()
}

func sortedKeys[V any](m map[uint64]V) []uint64 {
	keys := make([]uint64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Waiting is what a [Log] holds and waits for.
type Waiting struct {
	// Sources are those that delivered what is held, by name.
	Sources []Backlog

	// Missing are the operations that something held waits for and that have not come: what to ask the others for.
	Missing clock.Vector
}

// Backlog is what one source has waiting.
type Backlog struct {
	Source clock.Node // a member, or whoever delivered it
	Count  int
	Bytes  int
}

// Waiting returns what is held and what is missing. It takes time in the order of what is held.
func (l *Log[P]) Waiting() Waiting {
	var w Waiting
	for source, own := range l.backlog.accounts {
		w.Sources = append(w.Sources, Backlog{source, own.count, own.bytes})
	}
	slices.SortFunc(w.Sources, func(a, b Backlog) int { return cmp.Compare(a.Source, b.Source) })
	var needed, have clock.Vector
	for _, s := range l.lanes {
		for _, seq := range sortedKeys(s.held) {
			have.Add(clock.Dot{Node: s.node, Seq: seq})
			needed.AddUp(s.node, seq)
			for node, run := range s.held[seq].op.After.Runs() {
				needed.AddUp(node, run.Last)
			}
		}
	}
	have.Merge(l.seen)
	w.Missing = needed.Minus(have)
	return w
}
