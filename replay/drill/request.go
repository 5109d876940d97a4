package drill

import "math/bits"

// request is a read or a write that asks other replicas, while it is under way. A write goes two rounds: it asks what others
// have of its key, so that it can replace that, and then it is given to them and waits until enough of them have it. Each
// takes the time of the links. A read goes one round.
type request struct {
	from  *replica
	life  int   // of from, when it began
	play  int32 // of a write
	node  int32 // that makes the write
	due   int64 // when the write was
	began int64
	need  int      // regions that must answer
	only  *replica // who must answer, when it is asked of one; nil is of all
	luck  uint64

	have   uint64 // replicas that have answered in this round
	giving bool   // the second round of a write
	done   bool
	know   []int32  // of a write: those to its key that others have who have answered, and its own replica had not
	read   *reading // nil for a write
}

// call is a question or an answer on its way. Calls take the time of a link, and its losses; they are small and take no
// bandwidth. A cut takes those with it that are on the link.
type call struct {
	at     int64
	order  int
	q      *request
	link   *link
	cuts   int  // of the link, when it was sent
	back   bool // an answer
	giving bool // of the second round of a write
	answer *answer
}

// answer is what one replica has on a key; nil is nothing that is not known.
type answer struct {
	know []int32
	read shown
}

// call puts a question or an answer on a link. What is down carries none.
func (w *world) call(l *link, c call) {
	if l.down {
		return
	}
	luck := chance(c.q.luck, l.lot, boolBit(c.giving))
	takes := int64(l.quality.Delay)
	if j := int64(l.quality.Jitter); j > 0 {
		takes += below(chance(luck, 1), 2*j+1) - j
	}
	for try := uint64(0); try < 20 && happens(chance(luck, 2, try), l.quality.Loss); try++ {
		takes += resend
	}
	w.orders++
	c.at, c.order, c.link, c.cuts = w.now+takes, w.orders, l, l.cuts
	w.calls.push(c)
}

func boolBit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// ask begins the first round of a request. Whoever asks has an answer of its own.
func (w *world) ask(q *request) {
	q.life, q.began, q.have = q.from.life, w.now, q.from.bit
	for _, p := range w.replicas {
		if p != q.from && (q.only == nil || q.only == p) {
			w.call(w.link(q.from, p), call{q: q})
		}
	}
	w.limits = append(w.limits, q)
	if w.enough(q) {
		w.answered(q)
	}
}

// enough reports whether as many regions have answered as must. A region has answered when most of its replicas have, so
// that of two majorities of regions some replica was asked by both.
func (w *world) enough(q *request) bool {
	if q.only != nil {
		return q.have&q.only.bit != 0
	}
	return w.regionsIn(q.have) >= q.need
}

// regionsIn counts the regions of which most replicas are among some.
func (w *world) regionsIn(replicas uint64) int {
	n := 0
	for _, g := range w.regions {
		if 2*bits.OnesCount64(replicas&g.bits) > len(g.replicas) {
			n++
		}
	}
	return n
}

// reach returns the replicas that a replica reaches and that reach it, itself among them.
func (w *world) reach(r *replica) uint64 {
	reach := uint64(0)
	for _, p := range w.replicas {
		if !p.stopped && w.reachable(r, p) {
			reach |= p.bit
		}
	}
	return reach
}

// callNext lets the next question or answer arrive.
func (w *world) callNext() {
	c := w.calls.pop()
	q := c.q
	switch {
	case q.done:
	case c.link.down || c.cuts != c.link.cuts:
	case !c.back:
		p := c.link.to
		back := call{q: q, back: true}
		if q.read != nil {
			if q.only != nil {
				q.read.missed, q.read.replaced = w.owed(q.read, p), w.replaced(q.read, p)
			}
			back.answer = &answer{read: w.show(q.read, p)}
		} else if know := w.beyond(q, p); know != nil {
			back.answer = &answer{know: know}
		}
		w.call(w.link(p, q.from), back)
	case q.life != q.from.life || c.giving != q.giving:
	default:
		q.have |= c.link.from.bit
		if q.read != nil {
			q.read.add(&c.answer.read)
		} else if c.answer != nil {
			q.know = append(q.know, c.answer.know...)
		}
		if w.enough(q) {
			w.answered(q)
		}
	}
}

// beyond returns the writes to the key of a request that a replica has, and that whose request it is has not.
func (w *world) beyond(q *request, p *replica) []int32 {
	var know []int32
	for _, i := range w.pending[w.base(q.play).key] {
		if has := w.plays[i].has; has&p.bit != 0 && has&q.from.bit == 0 {
			know = append(know, i)
		}
	}
	return know
}

// answered goes on with a request that has enough answers.
func (w *world) answered(q *request) {
	if q.read != nil {
		q.done = true
		w.finish(q.read, q)
		return
	}
	n := &w.nodes[q.node]
	if q.giving {
		if n.stopped > 0 {
			return // nobody is there to be told
		}
		q.done = true
		delete(w.giving, q.play)
		w.plays[q.play].open = false
		w.acknowledge(q.play, q.due)
		if !w.light {
			w.reweigh(q.play) // it can be lost now
		}
		return
	}
	w.reserve(q, -1)
	key := w.base(q.play).key
	switch c := w.classes[w.watch[key].class]; {
	case n.stopped > 0:
		q.done = true
		w.miss(q.play, q.from)
	case c.frozen > 0:
		q.done = true
		w.refuse(q.play, q.from)
	default:
		q.giving, q.have = true, q.from.bit
		w.giving[q.play] = q
		w.accept(q.play, q.from, q.due, q)
	}
	if q.done {
		w.admit(q.node)
	}
	w.nextInTurn(q)
}

// giveUp ends a request whose time is up. A write that was only asking has changed nothing, and is refused. One that was
// given to others is unknown to its client: it may be in force, and is.
func (w *world) giveUp(q *request) {
	q.done = true
	if q.read != nil {
		w.countRead(unreadIndex, q.read.rd)
		w.denied(lossOf{q.from, q.read.class, true}, q.read.rd.name)
		return
	}
	if q.giving {
		delete(w.giving, q.play)
		q.from.region.unknown++
		w.count(unknownIndex, w.base(q.play).key, 1)
		return
	}
	w.reserve(q, -1)
	if n := &w.nodes[q.node]; n.stopped > 0 || q.life != q.from.life {
		w.miss(q.play, q.from)
	} else {
		key := w.base(q.play).key
		w.refuse(q.play, q.from)
		w.denied(lossOf{q.from, w.classes[w.watch[key].class], false}, w.t.keys[key])
	}
	w.admit(q.node)
	w.nextInTurn(q)
}

// reserve keeps room in the queues of the links for a write that is still asking, or gives it back.
func (w *world) reserve(q *request, by int) {
	for _, p := range w.replicas {
		if p == q.from {
			continue
		}
		if l := w.link(q.from, p); l.byNode != nil {
			l.byNode[q.node] += by
		}
	}
}

// turn is a node and a key: a node makes its writes to a key one after another.
type turn struct{ node, key int32 }

// nextInTurn lets the next write of a node to a key begin.
func (w *world) nextInTurn(q *request) {
	at := turn{q.node, w.base(q.play).key}
	list := w.turns[at]
	delete(w.turns, at)
	for len(list) > 0 {
		m := list[0]
		list = list[1:]
		w.attempt(m.write, m.at)
		if _, busy := w.turns[at]; busy {
			w.turns[at] = list
			return
		}
	}
}
