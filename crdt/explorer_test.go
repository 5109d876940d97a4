package crdt

import (
	"bytes"
	"testing"

	"github.com/tiebreakhq/tiebreak/clock"
)

// An explorer knows every state it has met by a number, and what became of merging two of them, so that each merge is done
// once however many histories lead to it. Two states are one if their bytes are; that they behave alike is what the
// tests of frames say, and those that let histories happen without an explorer.
type explorer[S, O any] struct {
	t *testing.T
	k kind[S, O]

	states []S
	reads  []string
	places map[string]state

	merges  memo
	joins   memo // of two states in whichever order
	writes  map[writing]written
	effects memo
	numbers map[operation]state

	known  [1 << mostOperations]state // by what a replica knows of the history at hand: states, or what its operations make
	can    [1 << mostOperations]bool  // whether a replica may know just that
	deltas [mostOperations]state
	ops    [mostOperations]state // their numbers
}

type state int32

// writing is a write by the type's own mutator to a state.
type writing struct {
	to    state
	node  clock.Node
	label int
}

type written struct{ after, delta state }

// operation is one that comes with its dot and what its writer had seen: how many of each node, for that is closed.
type operation struct {
	label int
	dot   clock.Dot
	seen  [3]int
}

// memo remembers what became of two numbers. It is a map that does only that, and is several times faster: each is one word,
// of three numbers.
type memo struct {
	slots []uint64 // 0 if it is free
	used  int
}

const bitsOfNumber = 21

// of returns what became of a and b, and whether it is known.
func (m *memo) of(a, b state) (became state, known bool) {
	if m.used == 0 {
		return 0, false
	}
	slot := *m.slot(keyOf2(a, b))
	return state(slot & (1<<bitsOfNumber - 1)), slot != 0
}

// remember is for what is not known yet.
func (m *memo) remember(a, b, became state) {
	if 2*m.used >= len(m.slots) {
		old := m.slots
		m.slots = make([]uint64, max(1024, 2*len(old)))
		for _, slot := range old {
			if slot != 0 {
				*m.slot(slot &^ (1<<bitsOfNumber - 1)) = slot
			}
		}
	}
	m.used++
	*m.slot(keyOf2(a, b)) = keyOf2(a, b) | uint64(became)
}

func keyOf2(a, b state) uint64 {
	if max(a, b) >= 1<<bitsOfNumber-1 {
		panic("too many states for the words of a memo")
	}
	return uint64(a+1)<<(2*bitsOfNumber) | uint64(b)<<bitsOfNumber
}

func (m *memo) slot(key uint64) *uint64 {
	const golden = 0x9e3779b97f4a7c15
	hash := key * golden
	hash = (hash ^ hash>>32) * golden // both numbers have a say in every bit of the upper half
	for i := hash >> 32; ; i++ {
		if s := &m.slots[i&uint64(len(m.slots)-1)]; *s == 0 || *s&^(1<<bitsOfNumber-1) == key {
			return s
		}
	}
}

func newExplorer[S, O any](t *testing.T, k kind[S, O]) *explorer[S, O] {
	x := &explorer[S, O]{t: t, k: k, places: map[string]state{},
		writes: map[writing]written{}, numbers: map[operation]state{}}
	var empty S
	x.known[0], x.can[0] = x.meet(empty), true
	return x
}

// meet returns the number of a state.
func (x *explorer[S, O]) meet(s S) state {
	data := must(x.k.encode(s))
	n, ok := x.places[string(data)]
	if !ok {
		n = state(len(x.states))
		x.places[string(data)] = n
		x.states = append(x.states, s)
		x.reads = append(x.reads, x.k.read(s))
		x.k.readsBack(x.t, s, data)
	} else if was := x.states[n]; !x.k.equal(was, s) || !x.k.equal(s, was) {
		x.t.Errorf("equal bytes, unequal states: %+v\n%+v", was, s)
	}
	return n
}

// readsBack checks that what is written can be read, and is the same state then.
func (k kind[S, O]) readsBack(t *testing.T, s S, data []byte) {
	var back S
	if err := k.decode(&back, data, Limits{}); err != nil {
		t.Errorf("%v\n%+v", err, s)
		return
	}
	again := must(k.encode(back))
	if !bytes.Equal(data, again) || !k.equal(s, back) || !k.equal(back, s) || k.read(s) != k.read(back) {
		t.Errorf("read back as %+v\n%x, was %+v\n%x", back, again, s, data)
	}
}

func (x *explorer[S, O]) merge(a, b state) state {
	merged, known := x.merges.of(a, b)
	if !known {
		s := x.k.clone(x.states[a])
		changed := x.k.merge(&s, x.states[b])
		merged = x.meet(s)
		x.merges.remember(a, b, merged)
		if changed == (merged == a) {
			x.t.Errorf("merging %+v\ninto %+v: changed is %v\nafter %+v", x.states[b], x.states[a], changed, s)
		}
		if x.k.merge(&s, x.states[b]) {
			x.t.Errorf("merging %+v\ninto %+v again changed it", x.states[b], x.states[a])
		}
	}
	return merged
}

// join merges each of two states into the other, and returns what becomes of both, which should be want. Of any two states
// that are joined so, what becomes of them is to be joined with each, too.
func (x *explorer[S, O]) join(a, b, want state) state {
	a, b = min(a, b), max(a, b)
	joined, known := x.joins.of(a, b)
	if !known {
		joined = x.mergeTo(a, b, want)
		if other := x.mergeTo(b, a, want); other != joined {
			x.t.Errorf("merging %+v\ninto %+v: %+v\nthe other way: %+v", x.states[b], x.states[a], x.states[joined], x.states[other])
		}
		x.joins.remember(a, b, joined)
	}
	return joined
}

// mergeTo merges b into a. It is quick if that makes want.
func (x *explorer[S, O]) mergeTo(a, b, want state) state {
	s := x.k.clone(x.states[a])
	changed := x.k.merge(&s, x.states[b])
	if !x.k.equal(s, x.states[want]) {
		want = x.meet(s)
	}
	if changed == (want == a) {
		x.t.Errorf("merging %+v\ninto %+v: changed is %v\nafter %+v", x.states[b], x.states[a], changed, s)
	}
	return want
}

func (x *explorer[S, O]) write(to state, e event[O], label int) written {
	key := writing{to, e.dot.Node, label}
	w, ok := x.writes[key]
	if !ok {
		s := x.k.clone(x.states[to])
		w.delta = x.meet(x.k.local(&s, e.dot.Node, e.op))
		w.after = x.meet(s)
		x.writes[key] = w
	}
	return w
}

// number returns that of an operation.
func (x *explorer[S, O]) number(op operation) state {
	n, ok := x.numbers[op]
	if !ok {
		n = state(len(x.numbers))
		x.numbers[op] = n
	}
	return n
}

func (x *explorer[S, O]) apply(on, number state, e event[O], past clock.Vector) state {
	after, known := x.effects.of(on, number)
	if !known {
		s := x.k.clone(x.states[on])
		x.k.apply(&s, e, past)
		after = x.meet(s)
		x.effects.remember(on, number, after)
		if x.k.apply(&s, e, past) {
			x.t.Errorf("%s: %v, has seen %v, changed the state when it came again: %+v", e.dot, e.op, past, s)
		}
	}
	return after
}

// everyNaming is up to how many operations the nodes get their names in every order, beyond it in that in which they write.
const everyNaming = 4

// everyHole is up to how many operations replicas also merge states that lack what other parts of them had seen. For five it
// takes 16 million merges, which are three minutes of computing; the last run with -deeper found nothing.
func everyHole() int {
	if *deeper {
		return 5
	}
	return 4
}

// namings has every order of the three names.
var namings = [][]clock.Node{{"a", "b", "c"}, {"a", "c", "b"}, {"b", "a", "c"}, {"b", "c", "a"}, {"c", "a", "b"}, {"c", "b", "a"}}

// exploreMerges lets every history of up to n operations happen by the type's own mutators. It compares with the oracle what
// a replica holds that knows the whole history, and with each other all ways to come to know it: by merging any two states
// that replicas can be in, and by deltas in any order.
//
// By induction over histories that is the fixpoint. Who knows less than the whole knows the whole of a shorter history; and
// if one more delta makes of what one holds who got a set of deltas what any other order makes, then the set decides.
func (k kind[S, O]) exploreMerges(t *testing.T, n int) {
	x := newExplorer(t, k)
	count := 0
	visit := func(h history[O], s *shape, label int) {
		if t.Failed() {
			return
		}
		count++
		last := mask(1) << s.nth
		all := last<<1 - 1
		w := x.write(x.known[s.past], h[s.nth], label)
		x.deltas[s.nth] = w.delta
		for got := range last {
			x.known[got|last] = x.merge(x.known[got], w.delta)
		}
		if x.known[s.past|last] != w.after {
			t.Errorf("%sthe delta of %s makes %+v of %+v\nthe mutator made  %+v", h, h[s.nth].dot, x.states[x.known[s.past|last]], x.states[x.known[s.past]], x.states[w.after])
		}
		for got := last; got <= all; got++ {
			for i := range s.nth {
				if !got.has(i) {
					continue
				}
				if other := x.merge(x.known[got&^(1<<i)], x.deltas[i]); other != x.known[got] {
					t.Errorf("%sthe deltas of %b in one order: %+v\nthat of %s last: %+v", h, got, x.states[x.known[got]], h[i].dot, x.states[other])
				}
			}
		}
		for _, p := range s.pairs {
			if merged := x.merge(x.known[p[0]], x.known[p[1]]); merged != x.known[all] {
				t.Errorf("%smerging what %b made into what %b made: %+v\nby deltas: %+v", h, p[1], p[0], x.states[merged], x.states[x.known[all]])
			}
		}
		if h[0].dot.Node == replicas[0] && len(h) <= everyHole() {
			for a := range all + 1 {
				for b := range a + 1 {
					if !(a | b).has(s.nth) {
						continue // it was joined in the history before
					}
					if joined := x.join(x.known[a], x.known[b], x.known[a|b]); joined != x.known[a|b] {
						t.Errorf("%smerging the deltas of %b and those of %b: %+v\none by one: %+v", h, b, a, x.states[joined], x.states[x.known[a|b]])
					}
				}
			}
		}
		if k.oracle == nil {
			return
		}
		if got, want := x.reads[x.known[all]], k.oracle(h, all); got != want {
			t.Errorf("%sgot  %s\nwant %s", h, got, want)
		}
	}
	for _, names := range namings {
		histories(k.alphabet, min(n, everyNaming), names, visit)
	}
	histories(k.alphabet, n, replicas, visit)
	t.Logf("%d histories of up to %d operations, %d states, %d merges of them", count, n, len(x.states), x.merges.used+2*x.joins.used)
}

// exploreDeliveries delivers the operations of every history of up to n operations in every order, each one twice, and
// compares what comes out with the oracle after every step: of the whole history, and up to everyNaming operations of
// every part of it. The state depends on the set of those that have come alone, which is the induction over orders.
func (k kind[S, O]) exploreDeliveries(t *testing.T, n int) {
	x := newExplorer(t, k)
	count := 0
	var seen [mostOperations]clock.Vector
	visit := func(h history[O], s *shape, label int) {
		if t.Failed() {
			return
		}
		count++
		last := mask(1) << s.nth
		all := last<<1 - 1
		op := operation{label: label, dot: h[s.nth].dot}
		for i, e := range h {
			if s.past.has(i) {
				op.seen[e.dot.Node[0]-'a']++
			}
		}
		x.ops[s.nth], seen[s.nth] = x.number(op), h.seen(s.past)
		for got := range last {
			x.can[got|last] = x.can[got] && k.mayCome(h, s.nth, got)
			if x.can[got|last] {
				x.known[got|last] = x.apply(x.known[got], x.ops[s.nth], h[s.nth], seen[s.nth])
			}
		}
		for got := last; got <= all; got++ {
			if !x.can[got] {
				continue
			}
			for i := range s.nth {
				if !got.has(i) || !x.can[got&^(1<<i)] || !k.mayCome(h, i, got&^(1<<i)) {
					continue
				}
				if other := x.apply(x.known[got&^(1<<i)], x.ops[i], h[i], seen[i]); other != x.known[got] {
					t.Errorf("%sthe operations of %b in one order: %+v\n%s last: %+v", h, got, x.states[x.known[got]], h[i].dot, x.states[other])
				}
			}
			if got == all || len(h) <= everyNaming {
				if is, want := x.reads[x.known[got]], k.oracle(h, got); is != want {
					t.Errorf("%sof %b got  %s\nwant %s", h, got, is, want)
				}
			}
		}
	}
	for _, names := range namings {
		histories(k.alphabet, min(n, everyNaming), names, visit)
	}
	histories(k.alphabet, n, replicas, visit)
	t.Logf("%d histories of up to %d operations, %d states, %d effects on them", count, n, len(x.states), x.effects.used)
}
