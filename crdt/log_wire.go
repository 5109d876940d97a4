package crdt

import "github.com/tiebreakhq/tiebreak/clock"

// The snapshot of a log is a frame like those of wire.go, of the type "Log". Its body, in the same notation, where all
// vectors hold every node's dots from the first to the last:
//
//	[epoch, [member*], lost, seen, horizon, [[counted, next, later]*]]   members by the bytes of their names without the
//	                                                                 incarnation; what each of them, in this order, has
//	                                                                 acknowledged
//
// Epoch 0 has neither members nor anything lost. The operations are stored by the caller; what was held is sent again.

// Encode appends a snapshot of l to b as one frame: what is delivered, the epoch, what was acknowledged, the horizon; not the
// operations, and not what is held. Equal logs have equal bytes. The error says which node has a name that can't be one.
func (l *Log[P]) Encode(b []byte) ([]byte, error) {
	return encode(b, "Log", func(w *writer) {
		w.array(6)
		w.uint(l.epoch.Number)
		w.array(len(l.epoch.Members))
		for _, m := range l.epoch.Members {
			w.node(m)
		}
		w.vector(&l.epoch.Lost)
		w.vector(&l.seen)
		w.vector(&l.horizon)
		w.array(len(l.acks))
		for i := range l.acks {
			w.array(3)
			w.vector(&l.acks[i].counted)
			w.vector(&l.acks[i].next)
			w.vector(&l.acks[i].later)
		}
	})
}

// Decode replaces l, but for its limits, by what a snapshot holds, which must be all of data. What was delivered before is
// put back by [Log.Retain]; until then, and where that leaves it out, it is answered [BelowHorizon]. The error wraps
// [ErrFrame]; then l has not changed.
func (l *Log[P]) Decode(data []byte, limits Limits) error {
	read := Log[P]{Limits: l.Limits}
	err := decode(data, "Log", limits, func(r *reader) {
		r.tuple(6)
		read.epoch.Number = r.uint()
		for range r.array() {
			member := r.node("")
			if n := len(read.epoch.Members); n > 0 && byMember(read.epoch.Members[n-1], member) >= 0 {
				r.fail("members are not ascending")
			}
			if r.err != nil {
				return
			}
			read.epoch.Members = append(read.epoch.Members, member)
		}
		read.epoch.Lost = r.unbroken()
		switch {
		case r.err != nil:
			return
		case !read.epoch.isOpen():
			r.check(read.epoch.check())
		case len(read.epoch.Members) > 0 || !read.epoch.Lost.IsEmpty():
			r.fail("there is no epoch, and it has members")
		}
		read.seen = r.within(&read.epoch)
		read.horizon = r.unbroken()
		if !read.seen.Covers(read.horizon) {
			r.fail("the horizon is beyond what was delivered")
		}
		if n := r.array(); n != len(read.epoch.Members) {
			r.fail("%d members, and acknowledgements of %d", len(read.epoch.Members), n)
		}
		for range read.epoch.Members {
			r.tuple(3)
			a := acknowledged{r.within(&read.epoch), r.within(&read.epoch), r.within(&read.epoch)}
			if a.next.IsEmpty() && !a.later.IsEmpty() {
				r.fail("acknowledgements are not in order")
			}
			if r.err != nil {
				return
			}
			read.acks = append(read.acks, a)
		}
	})
	if err != nil {
		return err
	}
	for node, run := range read.seen.Runs() {
		read.open(node).last = run.Last
	}
	*l = read
	return nil
}

// unbroken reads a vector without gaps.
func (r *reader) unbroken() clock.Vector {
	v, _ := r.vector()
	r.check(checkUnbroken(v))
	return v
}

// within reads a vector without gaps of what may be written in an epoch.
func (r *reader) within(e *Epoch) clock.Vector {
	v := r.unbroken()
	for node, run := range v.Runs() {
		if last := e.last(node); run.Last > last {
			r.fail("%q ends at %d, and %d is named", string(node), last, run.Last)
		}
	}
	return v
}
