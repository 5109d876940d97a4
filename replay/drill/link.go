package drill

// resend is after how long a link sends again what was lost.
const resend = int64(1e9)

// link carries the writes of one region to another, in order, but for those that go astray.
type link struct {
	from, to *replica
	index    int
	lot      uint64 // what stands for it where chance has a say
	quality  Quality
	down     bool
	ups      uint64 // how often it came up: chance is another each time
	cuts     int    // how often it went down

	queue   []packet // on their way; the first head of them have arrived
	head    int
	strays  int   // out of order, and kept elsewhere
	free    int64 // when the bandwidth has room again
	since   int64 // since when it has had none
	latest  int64 // when the last of the queue arrives
	share   int   // of the queue, for each node; 0 is any number
	byNode  map[int32]int
	sent    int64
	resent  int64
	again   int64 // arrived twice
	late    int64 // out of order
	peak    int64
	peakAt  int64
	healed  int64 // when it came up with a backlog, 0 when that has drained
	toDrain int64 // of that backlog
	drain   int64 // see [LinkSum]
	narrow  bool  // it has, or had, a bandwidth or a queue
	series  []Point
}

// packet is one write on a link.
type packet struct {
	play    int32
	arrives int64
}

// stray is a write that is out of order: late, lost and sent again, or sent twice.
type stray struct {
	packet
	link  *link
	order int
	copy  bool // it is the second of its kind
}

func (l *link) waiting() int { return len(l.queue) - l.head }

func (l *link) backlog() int64 { return int64(l.waiting() + l.strays) }

// send puts a write on the link at a moment.
func (w *world) send(l *link, play int32) {
	l.sent++
	if l.byNode != nil {
		l.byNode[w.base(play).node]++
	}
	w.transmit(l, play)
	if n := l.backlog(); n > l.peak {
		l.peak, l.peakAt = n, w.now
	}
	l.note(w)
	if w.watched[backlogIndex] {
		w.dirty = true
	}
}

// transmit sends a write that is in the link's charge. What is on a link that is down waits.
func (w *world) transmit(l *link, play int32) {
	if l.down {
		l.push(packet{play: play})
		return
	}
	q := &l.quality
	luck := chance(w.seed, l.lot, w.lot(play), l.ups)
	departs := max(w.now, l.free)
	if q.Rate > 0 || q.Bytes > 0 {
		cost := 0.0
		if q.Rate > 0 {
			cost = 1e9 / q.Rate
		}
		if q.Bytes > 0 {
			cost = max(cost, 1e9*float64(w.base(play).size)/q.Bytes)
		}
		if departs == w.now {
			l.since = w.now
		}
		departs += int64(cost)
		l.free = departs
		l.drain = max(l.drain, departs-l.since)
	}
	arrives := departs + int64(q.Delay)
	if q.Jitter > 0 {
		arrives += below(chance(luck, 1), 2*int64(q.Jitter)+1) - int64(q.Jitter)
	}
	astray := false
	for try := uint64(0); try < 20 && happens(chance(luck, 2, try), q.Loss); try++ {
		arrives += resend
		l.resent++
		astray = true
	}
	if happens(chance(luck, 3), q.Reorder) {
		arrives += 1 + below(chance(luck, 4), 4*int64(q.Delay)+1)
		l.late++
		astray = true
	}
	if astray {
		w.goAstray(l, packet{play, arrives}, false)
	} else {
		arrives = max(arrives, l.latest)
		l.latest = arrives
		if l.waiting() == 0 {
			l.push(packet{play, arrives})
			w.busy.push(l)
		} else {
			l.push(packet{play, arrives})
		}
	}
	if happens(chance(luck, 5), q.Duplicate) {
		l.again++
		w.goAstray(l, packet{play, arrives + 1 + below(chance(luck, 6), 4*int64(q.Delay)+1)}, true)
	}
}

func (w *world) goAstray(l *link, p packet, copy bool) {
	if !copy {
		l.strays++
	}
	w.orders++
	w.strays.push(stray{p, l, w.orders, copy})
}

func (l *link) push(p packet) {
	if l.head > 64 && l.head > len(l.queue)/2 {
		n := copy(l.queue, l.queue[l.head:])
		l.queue, l.head = l.queue[:n], 0
	}
	l.queue = append(l.queue, p)
}

// arriveNext takes the first write off the link that is on top.
func (w *world) arriveNext() {
	l := w.busy.list[0]
	play := l.queue[l.head].play
	l.head++
	if l.waiting() == 0 {
		l.queue, l.head = l.queue[:0], 0
		w.busy.pop()
	} else {
		w.busy.fix()
	}
	w.arrive(l, play, false)
}

// arriveStray takes the next stray. On a link that is down it waits with the others.
func (w *world) arriveStray() {
	s := w.strays.pop()
	if !s.copy {
		s.link.strays--
	}
	if s.link.down {
		if !s.copy {
			s.link.push(packet{play: s.play})
		}
		return
	}
	w.arrive(s.link, s.play, s.copy)
}

func (w *world) arrive(l *link, play int32, copy bool) {
	if l.healed > 0 && !copy {
		if l.toDrain--; l.toDrain <= 0 {
			l.drain = max(l.drain, w.now-l.healed)
			l.healed = 0
		}
	}
	w.deliver(play, l.to)
	l.note(w)
	if l.byNode == nil || copy {
		return
	}
	node := w.base(play).node
	l.byNode[node]--
	w.admit(node)
}

// turn takes a link down or up.
func (w *world) turn(l *link, down bool) {
	if l.down == down {
		return
	}
	l.down = down
	if down {
		l.cuts++
		w.reheap()
		l.healed = 0
		return
	}
	l.ups++
	queue := append([]packet(nil), l.queue[l.head:]...)
	l.queue, l.head = l.queue[:0], 0
	l.free, l.latest = w.now, w.now
	if l.toDrain = int64(len(queue) + l.strays); l.toDrain > 0 {
		l.healed = w.now
	}
	for _, p := range queue {
		w.transmit(l, p.play)
	}
}

// reheap finds anew which links carry something.
func (w *world) reheap() {
	w.busy.list = w.busy.list[:0]
	for _, l := range w.links {
		if l != nil && !l.down && l.waiting() > 0 {
			w.busy.push(l)
		}
	}
}

// note keeps the greatest backlog of each stretch of time.
func (l *link) note(w *world) {
	at := Moment(w.now - w.now%w.bucket)
	n := l.backlog()
	if last := len(l.series) - 1; last >= 0 && l.series[last].At == at {
		l.series[last].Backlog = max(l.series[last].Backlog, n)
		return
	}
	l.series = append(l.series, Point{at, n})
}
