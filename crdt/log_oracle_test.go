package crdt

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/tiebreakhq/tiebreak/clock"
)

// Every causal history of up to five operations by three nodes, in every order of arrival, each operation twice, with
// acknowledgements and compaction after every arrival or after one of them. What should come out is worked out with sets.
func TestEveryOrderOfArrivalAgreesWithSets(t *testing.T) {
	orders := 0
	for size := 1; size <= 4; size++ {
		listed([]do{{"write", ""}}, size, func(h history[do]) {
			a := arrivalsOf(h)
			permutations(size, func(order []int) {
				for compact := mask(0); compact < 1<<size && !t.Failed(); compact++ {
					a.run(t, order, compact)
					orders++
				}
			})
		})
	}
	if !testing.Short() {
		listed([]do{{"write", ""}}, 5, func(h history[do]) {
			a := arrivalsOf(h)
			permutations(5, func(order []int) {
				if !t.Failed() {
					orders++
					a.run(t, order, mask(orders%32)) // all of them in turn
				}
			})
		})
	}
	t.Logf("%d orders of arrival", orders)
}

// listed yields every history of n operations by three nodes in every order in which it can be listed, for an order of arrival
// depends on that.
func listed[O any](alphabet []O, n int, yield func(history[O])) {
	h := make(history[O], 0, n)
	var extend func()
	extend = func() {
		if len(h) == n {
			yield(h)
			return
		}
		used := 0
		for _, e := range h {
			for i, node := range replicas {
				if e.dot.Node == node {
					used = max(used, i+1)
				}
			}
		}
		for i, node := range replicas {
			if i > used {
				break // a new node is like any other new node
			}
			var own mask
			seq := uint64(1)
			for j, e := range h {
				if e.dot.Node == node {
					own |= 1<<j | e.past
					seq++
				}
			}
			for past := mask(0); past < 1<<len(h); past++ {
				if past&own != own || !closed(h, past) {
					continue
				}
				for _, op := range alphabet {
					h = append(h, event[O]{op: op, dot: clock.Dot{Node: node, Seq: seq}, past: past})
					extend()
					h = h[:len(h)-1]
				}
			}
		}
	}
	extend()
}

func closed[O any](h history[O], m mask) bool {
	for i, e := range h {
		if m.has(i) && e.past&^m != 0 {
			return false
		}
	}
	return true
}

func permutations(n int, yield func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var permute func(int)
	permute = func(k int) {
		if k == n {
			yield(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			permute(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	permute(0)
}

// arrivals is a history, made ready to arrive in many orders.
type arrivals struct {
	h            history[do]
	ops          []Operation[int]
	seen         []clock.Vector // of every set of operations that is closed, by its mask
	ownOfC, hasC mask           // what c wrote, and what it had seen in the end
}

func arrivalsOf(h history[do]) *arrivals {
	a := &arrivals{h: h, seen: make([]clock.Vector, 1<<len(h))}
	for m := range a.seen {
		a.seen[m] = h.seen(mask(m))
	}
	for i, e := range h {
		a.ops = append(a.ops, Operation[int]{Dot: e.dot, After: a.seen[e.past], Sum: [16]byte{byte(i + 1)}, Size: 1, Payload: i})
		if e.dot.Node == "c" {
			a.ownOfC |= 1 << i
			a.hasC |= 1<<i | e.past
		}
	}
	return a
}

// run gives a log the operations in an order, and after each arrival whose bit is set in compact, what a and b have
// acknowledged, which is all that is delivered, and c, which has what it had seen in the end.
func (a *arrivals) run(t *testing.T, order []int, compact mask) {
	h, ops, ownOfC, hasC := a.h, a.ops, a.ownOfC, a.hasC
	var l Log[int]
	if err := l.Enter(Epoch{Number: 1, Members: replicas}); err != nil {
		t.Fatal(err)
	}
	var delivered, held, forgotten mask
	fail := func(what string, got, want any) {
		t.Errorf("%sorder %v, compact %05b: %s is %v, not %v", h, order, compact, what, got, want)
	}
	arrive := func(i int) {
		want, ready := Held, mask(0)
		switch {
		case forgotten.has(i):
			want = BelowHorizon
		case delivered.has(i) || held.has(i):
			want = Duplicate
		case h[i].past&^delivered == 0:
			want, ready = Delivered, 1<<i
			held |= ready
			for again := true; again; {
				again = false
				for j := range h {
					if held.has(j) && h[j].past&^delivered == 0 {
						delivered |= 1 << j
						held &^= 1 << j
						ready |= 1 << j
						again = true
					}
				}
			}
		default:
			held |= 1 << i
		}
		checked := l.Check(h[i].dot.Node, ops[i])
		got, released := l.Apply(h[i].dot.Node, ops[i])
		if got != want || checked != want {
			fail("the arrival of "+h[i].dot.String(), fmt.Sprint(got, checked), want)
		}
		before := delivered &^ ready
		for _, op := range released {
			if h[op.Payload].past&^before != 0 || before.has(op.Payload) || !ready.has(op.Payload) {
				fail("what is delivered", dots(released), ready)
			}
			before |= 1 << op.Payload
		}
		if before != delivered {
			fail("what is delivered", before, delivered)
		}
	}
	for step, i := range order {
		arrive(i)
		arrive(i)
		forged := ops[i]
		forged.Sum[1] = 1
		if got := l.Check("a", forged); got != Reused && !forgotten.has(i) {
			fail("a forged "+forged.Dot.String(), got, Reused)
		}
		if compact.has(step) {
			for _, member := range replicas[:2] {
				_ = l.Acknowledge(member, l.Seen())
			}
			_ = l.Acknowledge("c", a.seen[hasC])
			l.Compact()
			if ownOfC&^delivered == 0 { // else c may have written what is yet to come before it had seen all this
				forgotten |= delivered & hasC
			}
			if got, want := l.Horizon(), a.seen[forgotten]; !got.Equal(want) {
				fail("the horizon", got, want)
			}
		}
		if got, want := l.Seen(), a.seen[delivered]; !got.Equal(want) {
			fail("seen", got, want)
		}
		for known := mask(0); known < 1<<len(h); known++ { // of every peer
			if !closed(h, known) || len(h) > 4 && step+1 < len(order) {
				continue
			}
			if got, want := l.Reaches(a.seen[known]), forgotten&^known == 0; got != want {
				fail("reaching "+a.seen[known].String(), got, want)
			}
			var sent mask
			for op := range l.Since(a.seen[known]) {
				if h[op.Payload].past&^(known|sent|forgotten) != 0 {
					fail("the order of what "+a.seen[known].String()+" lacks", sent, op.Dot)
				}
				sent |= 1 << op.Payload
			}
			if want := delivered &^ forgotten &^ known; sent != want {
				fail("what "+a.seen[known].String()+" lacks", sent, want)
			}
		}
	}
	for i := range h {
		arrive(i)
	}
}

// logModel is a log in the plainest words: sets, and no index. Its operations say by whom they were delivered.
type logModel struct {
	limits    LogLimits
	epoch     Epoch
	delivered map[clock.Dot]bool
	kept      map[clock.Dot]Operation[string]
	held      []held[string]
}

func (m *logModel) last(node clock.Node) uint64 {
	switch {
	case m.epoch.Number == 0:
		return MaxSeq
	case m.epoch.Lost.Max(node) > 0:
		return m.epoch.Lost.Max(node)
	}
	for _, member := range m.epoch.Members {
		base, oldest := member.Incarnation()
		if name, n := node.Incarnation(); name == base && n >= oldest {
			return MaxSeq
		}
	}
	return 0
}

func (m *logModel) isReady(op Operation[string]) bool {
	for seq := uint64(1); seq < op.Dot.Seq; seq++ {
		if !m.delivered[clock.Dot{Node: op.Dot.Node, Seq: seq}] {
			return false
		}
	}
	for node, run := range op.After.Runs() {
		for seq := run.First; seq <= run.Last; seq++ {
			if !m.delivered[clock.Dot{Node: node, Seq: seq}] {
				return false
			}
		}
	}
	return true
}

// canCome reports whether all that an operation waits for may still come.
func (m *logModel) canCome(op Operation[string]) bool {
	for node, run := range op.After.Runs() {
		if run.Last > m.last(node) {
			return false
		}
	}
	return op.Dot.Seq <= m.last(op.Dot.Node)
}

// fits adds up who would have what, and what of it would be beyond the shares.
func (m *logModel) fits(source clock.Node, size int) bool {
	own := map[clock.Node]load{source: {1, size}}
	for _, h := range m.held {
		own[h.source] = own[h.source].plus(load{1, h.op.Size})
	}
	members := len(m.epoch.Members)
	var share, borrowed load
	if members > 0 {
		share = load{m.limits.Held / (2 * members), m.limits.HeldBytes / (2 * members)}
	}
	for node, has := range own {
		if !m.epoch.Has(node) {
			borrowed = borrowed.plus(has)
		} else {
			borrowed = borrowed.plus(has.beyond(share))
		}
	}
	return borrowed.count <= m.limits.Held-members*share.count && borrowed.bytes <= m.limits.HeldBytes-members*share.bytes
}

func (m *logModel) apply(source clock.Node, op Operation[string]) (Arrival, []string) {
	if kept, ok := m.kept[op.Dot]; ok {
		if kept.Sum == op.Sum {
			return Duplicate, nil
		}
		return Reused, nil
	}
	for _, h := range m.held {
		if h.op.Dot == op.Dot && h.op.Sum == op.Sum {
			return Duplicate, nil
		} else if h.op.Dot == op.Dot {
			return Reused, nil
		}
	}
	switch {
	case m.delivered[op.Dot]:
		return BelowHorizon, nil
	case op.Dot.Seq > m.last(op.Dot.Node):
		return Stranger, nil
	case m.isReady(op):
		m.held = append(m.held, held[string]{op: op, source: Member(source)})
		return Delivered, m.settle()
	case op.After.Max(op.Dot.Node) >= op.Dot.Seq:
		return Invalid, nil
	case !m.canCome(op):
		return Stranger, nil
	case !m.fits(Member(source), op.Size):
		return Busy, nil
	}
	m.held = append(m.held, held[string]{op: op, source: Member(source)})
	return Held, nil
}

// settle delivers whatever is ready, until nothing is.
func (m *logModel) settle() (delivered []string) {
	for again := true; again; {
		again = false
		for i, h := range m.held {
			if m.isReady(h.op) {
				m.held = slices.Delete(m.held, i, i+1)
				m.delivered[h.op.Dot] = true
				m.kept[h.op.Dot] = h.op
				delivered = append(delivered, h.op.Dot.String())
				again = true
				break
			}
		}
	}
	return delivered
}

func (m *logModel) enter(e Epoch) {
	m.epoch = e
	waited := m.held
	m.held = nil
	slices.SortFunc(waited, func(a, b held[string]) int { return a.op.Dot.Compare(b.op.Dot) })
	for _, h := range waited {
		if m.canCome(h.op) && m.fits(h.source, h.op.Size) {
			m.held = append(m.held, h)
		}
	}
}

// Long random runs, with members that come and go, little room, forged operations, restarts and states taken over.
func TestRandomArrivalsAgreeWithTheOracle(t *testing.T) {
	seeds := int64(400)
	if testing.Short() {
		seeds = 60
	}
	for seed := range seeds {
		if err := compareWithModel(rand.New(rand.NewSource(seed))); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func compareWithModel(r *rand.Rand) error {
	limits := LogLimits{Held: 3 + r.Intn(12), HeldBytes: 40 + r.Intn(80)}
	l := &Log[string]{Limits: limits}
	m := &logModel{limits: limits, delivered: map[clock.Dot]bool{}, kept: map[clock.Dot]Operation[string]{}}
	nodes := []clock.Node{"a", "b", "c", "d", "a~2", "e~1"}
	var stored []Operation[string] // all that was ever taken
	for step := range 300 {
		node := nodes[r.Intn(len(nodes))]
		switch n := r.Intn(40); {
		case n < 34:
			d := clock.Dot{Node: node, Seq: l.Seen().Max(node) + uint64(r.Intn(5))}
			if d.Seq == 0 {
				continue
			}
			op := Operation[string]{Dot: d, Size: (int(d.Seq) * 7) % 23, Payload: d.String()}
			op.Sum[0] = byte(r.Intn(12) / 11)
			for range r.Intn(3) {
				cause := nodes[(int(d.Seq)+len(d.Node)+r.Intn(2))%len(nodes)]
				op.After.AddUp(cause, l.Seen().Max(cause)+uint64(r.Intn(4)/3))
			}
			source := nodes[r.Intn(len(nodes))]
			want, wantReady := m.apply(source, op)
			checked := l.Check(source, op)
			got, ready := l.Apply(source, op)
			if got != want || checked != want {
				return fmt.Errorf("step %d: %s after %s from %s: %s (check: %s), not %s", step, d, op.After, source, got, checked, want)
			}
			stored = append(stored, ready...)
			gotReady := dots(ready)
			slices.Sort(gotReady)
			slices.Sort(wantReady)
			if !slices.Equal(gotReady, wantReady) {
				return fmt.Errorf("step %d: %s delivers %v, not %v", step, d, gotReady, wantReady)
			}
		case n < 36:
			for _, member := range l.Epoch().Members {
				if err := l.Acknowledge(member, l.Seen()); err != nil {
					return err
				}
			}
			dropped := l.Compact()
			for d := range m.kept {
				if l.Horizon().Has(d) {
					delete(m.kept, d)
					dropped--
				}
			}
			if dropped != 0 {
				return fmt.Errorf("step %d: %d more were dropped", step, dropped)
			}
		case n < 37:
			e := Epoch{Number: l.Epoch().Number + 1, Lost: l.Epoch().Lost.Clone()}
			for _, member := range []clock.Node{"a", "b", "c", "d", "e"} {
				if r.Intn(6) == 0 {
					member += clock.Node(fmt.Sprintf("~%d", 1+r.Intn(3)))
				}
				if r.Intn(8) > 0 && e.Lost.Max(member) == 0 {
					e.Members = append(e.Members, member)
				}
			}
			if len(e.Members) == 0 {
				continue
			}
			for _, n := range nodes {
				if e.last(n) == 0 {
					e.Lost.AddUp(n, l.Seen().Max(n)+uint64(r.Intn(2)))
				}
			}
			if err := l.Enter(e); err != nil {
				return fmt.Errorf("step %d: %w", step, err)
			}
			m.enter(e)
		case n < 38:
			state := l.Seen().Clone()
			if last := min(l.lastOf(node), state.Max(node)+2); last > 0 {
				state.AddUp(node, last)
			}
			for _, run := range []clock.Range{{First: 1, Last: state.Max(node)}} {
				for seq := run.First; seq <= run.Last; seq++ {
					m.delivered[clock.Dot{Node: node, Seq: seq}] = true
				}
			}
			m.held = slices.DeleteFunc(m.held, func(h held[string]) bool { return m.delivered[h.op.Dot] })
			want := m.settle()
			ready, err := l.Adopt(state)
			got := dots(ready)
			slices.Sort(got)
			slices.Sort(want)
			if err != nil || !slices.Equal(got, want) {
				return fmt.Errorf("step %d: adopting delivers %v, not %v (%v)", step, got, want, err)
			}
			stored = append(stored, ready...)
		case n < 39: // a restart: what was held is lost
			data, err := l.Encode(nil)
			if err != nil {
				return err
			}
			l = &Log[string]{Limits: limits}
			if err := l.Decode(data, Limits{}); err != nil {
				return fmt.Errorf("step %d: %w", step, err)
			}
			r.Shuffle(len(stored), func(i, j int) { stored[i], stored[j] = stored[j], stored[i] })
			rest, err := l.Retain(stored)
			if err != nil || len(rest) > 0 {
				return fmt.Errorf("step %d: %d are left, %v", step, len(rest), err)
			}
			for d := range m.kept { // what Compact has yet to drop is not put back
				if l.Horizon().Has(d) {
					delete(m.kept, d)
				}
			}
			m.held = nil
		}
		if err := sameAsModel(l, m); err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
	}
	return nil
}

func sameAsModel(l *Log[string], m *logModel) error {
	var seen clock.Vector
	for d := range m.delivered {
		seen.Add(d)
	}
	if !l.Seen().Equal(seen) {
		return fmt.Errorf("seen %s, not %s", l.Seen(), seen)
	}
	count, size := 0, 0
	for op := range l.Since(clock.Vector{}) {
		if kept, ok := m.kept[op.Dot]; !ok || kept.Sum != op.Sum {
			return fmt.Errorf("%s is kept, and should not be", op.Dot)
		}
		if found, ok := l.Find(op.Dot); !ok || found.Payload != op.Payload {
			return fmt.Errorf("%s is not found", op.Dot)
		}
		for node, run := range op.After.Runs() {
			if _, kept := m.kept[clock.Dot{Node: node, Seq: run.Last}]; kept {
				if c, _ := l.Find(clock.Dot{Node: node, Seq: run.Last}); l.orderOf(c.Dot) > l.orderOf(op.Dot) {
					return fmt.Errorf("%s comes before its cause %s", op.Dot, c.Dot)
				}
			}
		}
		count++
		size += op.Size
	}
	if n, bytes := l.Retained(); count != len(m.kept) || n != count || bytes != size {
		return fmt.Errorf("%d operations of %d bytes are kept, of %d; the log counts %d of %d", count, size, len(m.kept), n, bytes)
	}
	waiting := 0
	for _, s := range l.Waiting().Sources {
		waiting += s.Count
	}
	if waiting != len(m.held) {
		return fmt.Errorf("%d operations wait, not %d", waiting, len(m.held))
	}
	total := load{}
	for _, h := range m.held {
		total = total.plus(load{1, h.op.Size})
	}
	if !total.within(l.Limits.load()) {
		return fmt.Errorf("%v are held, the limit is %v", total, l.Limits.load())
	}
	return nil
}

func (l *Log[P]) orderOf(d clock.Dot) uint64 {
	s, _ := l.lane(d.Node)
	i, _ := s.kept.find(d.Seq)
	return s.kept.at(i).order
}
