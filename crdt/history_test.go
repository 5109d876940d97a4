package crdt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tiebreakhq/tiebreak/clock"
)

// A history is what the oracles judge: operations, who made them and what each had seen. It knows nothing of how a type
// stores or merges them.
type history[O any] []event[O]

type event[O any] struct {
	op   O
	dot  clock.Dot
	past mask // the operations seen by the one who made it, closed under past; never itself
}

// mask is a set of events of a history, by place.
type mask uint32

func (m mask) has(i int) bool { return m>>i&1 == 1 }

// seen returns the dots of some events.
func (h history[O]) seen(m mask) (v clock.Vector) {
	for i, e := range h {
		if m.has(i) {
			v.Add(e.dot)
		}
	}
	return v
}

func (h history[O]) String() string {
	var b strings.Builder
	for i, e := range h {
		fmt.Fprintf(&b, "%s: %v, has seen %v\n", e.dot, e.op, h.seen(h[i].past))
	}
	return b.String()
}

// kind is what an exhaustive test needs to know of a type: the operations to try, how to apply one that comes with a dot
// and what its writer had seen, what a reader sees, and the oracle: what a reader must see, as a pure function of the
// operations in among.
type kind[S, O any] struct {
	alphabet []O
	apply    func(s *S, e event[O], seen clock.Vector) bool
	awaits   func(op, seen O) bool               // whether op must be delivered after what it has seen; nil: never
	local    func(s *S, node clock.Node, op O) S // the same by the type's own mutator, which returns the delta
	merge    func(s *S, other S) bool
	equal    func(a, b S) bool
	clone    func(s S) S
	encode   func(s S) ([]byte, error)
	decode   func(s *S, data []byte, limits Limits) error
	read     func(s S) string
	oracle   func(h history[O], among mask) string
}

var replicas = []clock.Node{"a", "b", "c"}

// shape is a history without what its operations are: who made them, and what each had seen. It is the last of its
// operations; before leads to the others.
type shape struct {
	before *shape
	nth    int // the place of the last operation
	node   int
	past   mask
	pairs  [][2]mask // any two sets of operations that replicas can know and that make the whole
	after  []*shape
}

// shapes has every shape once: of those that differ in the names of nodes, or in the order in which operations are listed
// that have not seen each other, it has the one that is listed first.
var shapes = sync.OnceValue(func() *shape {
	root := &shape{nth: -1}
	var grow func(s *shape)
	grow = func(s *shape) {
		if s.nth == mostOperations-1 {
			return
		}
		listed := s.list()
		used := 0
		for _, e := range listed {
			used = max(used, e.node+1)
		}
		for node := range min(used+1, len(replicas)) {
			for past := range mask(1) << len(listed) {
				next := &shape{before: s, nth: len(listed), node: node, past: past}
				if all := next.list(); isClosed(all, past) && seesItsOwn(all) && isFirst(all) {
					next.pairs = pairsOf(all)
					s.after = append(s.after, next)
					grow(next)
				}
			}
		}
	}
	grow(root)
	return root
})

const mostOperations = 6

// list returns the operations of a shape.
func (s *shape) list() []*shape {
	if s.before == nil {
		return nil
	}
	return append(s.before.list(), s)
}

func isClosed(listed []*shape, m mask) bool {
	for i, s := range listed {
		if m.has(i) && s.past&^m != 0 {
			return false
		}
	}
	return true
}

// seesItsOwn reports whether the last operation has seen all earlier ones of its node.
func seesItsOwn(listed []*shape) bool {
	last := listed[len(listed)-1]
	for i, s := range listed[:last.nth] {
		if s.node == last.node && !last.past.has(i) {
			return false
		}
	}
	return true
}

// isFirst reports whether no other way to list the same operations comes before this one, nodes being named in the order in
// which they are met.
func isFirst(listed []*shape) bool {
	var place [mostOperations]int // where an operation stands in the other list
	var before func(done mask, n int, names []int) bool
	before = func(done mask, n int, names []int) bool {
		if n == len(listed) {
			return false
		}
		for i, s := range listed {
			if done.has(i) || s.past&^done != 0 {
				continue
			}
			name, named := slices.Index(names, s.node), names
			if name < 0 {
				name, named = len(names), append(slices.Clone(names), s.node)
			}
			var past mask
			for j := range i {
				if s.past.has(j) {
					past |= 1 << place[j]
				}
			}
			place[i] = n
			c := cmp.Or(cmp.Compare(name, listed[n].node), cmp.Compare(past, listed[n].past))
			if c < 0 || c == 0 && before(done|1<<i, n+1, named) {
				return true
			}
		}
		return false
	}
	return !before(0, 0, nil)
}

func pairsOf(listed []*shape) (pairs [][2]mask) {
	all := mask(1)<<len(listed) - 1
	for a := range all + 1 {
		for b := range all + 1 {
			if a|b == all && isClosed(listed, a) && isClosed(listed, b) {
				pairs = append(pairs, [2]mask{a, b})
			}
		}
	}
	return pairs
}

// histories visits every history of up to n operations by three nodes of the names given, each after those it extends.
func histories[O any](alphabet []O, n int, names []clock.Node, visit func(h history[O], s *shape, label int)) {
	h := make(history[O], 0, n)
	var extend func(s *shape)
	extend = func(s *shape) {
		for _, next := range s.after {
			dot := clock.Dot{Node: names[next.node], Seq: 1}
			for _, e := range h {
				dot.Seq += uint64(btoi(e.dot.Node == dot.Node))
			}
			for label, op := range alphabet {
				h = append(h, event[O]{op: op, dot: dot, past: next.past})
				visit(h, next, label)
				if len(h) < n {
					extend(next)
				}
				h = h[:len(h)-1]
			}
		}
	}
	extend(shapes())
}

// everyDelivery delivers the operations of every history of up to n operations in every order, each one twice, and
// compares what comes out with the oracle after every step, and with each other at the end. It returns how many orders.
func (k kind[S, O]) everyDelivery(t *testing.T, n int) (orders int) {
	t.Helper()
	histories(k.alphabet, n, replicas, func(h history[O], _ *shape, _ int) {
		if t.Failed() {
			return
		}
		seen := make([]clock.Vector, len(h))
		for i := range h {
			seen[i] = h.seen(h[i].past)
		}
		all := mask(1)<<len(h) - 1
		want := k.oracle(h, all)
		var first *S
		var deliver func(s S, done mask)
		deliver = func(s S, done mask) {
			if done == all {
				orders++
				if got := k.read(s); got != want {
					t.Errorf("%sgot  %s\nwant %s", h, got, want)
				}
				if first == nil {
					first = &s
				} else if !k.equal(*first, s) {
					t.Errorf("%sone order: %+v\nanother:   %+v", h, *first, s)
				}
				return
			}
			for i := range h {
				if done.has(i) || t.Failed() || !k.mayCome(h, i, done) {
					continue
				}
				next := k.clone(s)
				k.apply(&next, h[i], seen[i])
				if !k.equal(k.clone(next), next) {
					t.Errorf("%sa clone differs: %+v", h, next)
				}
				if k.apply(&next, h[i], seen[i]) {
					t.Errorf("%s%s changed the state when it came again: %+v", h, h[i].dot, next)
				}
				deliver(next, done|1<<i)
			}
		}
		var empty S
		deliver(empty, 0)
	})
	return orders
}

// mayCome reports whether operation i may be delivered when those in done have been.
func (k kind[S, O]) mayCome(h history[O], i int, done mask) bool {
	for j := range i {
		if k.awaits != nil && h[i].past.has(j) && !done.has(j) && k.awaits(h[i].op, h[j].op) {
			return false
		}
	}
	return true
}

// everyMerge lets every history of up to n operations happen by the type's own mutators, and merges every two states that
// a replica can be in, that is: to the fixpoint. It compares each with the oracle and with the state reached by any other
// path, then delivers the deltas instead in every order, twice. It returns how many merges of states there were.
func (k kind[S, O]) everyMerge(t *testing.T, n int) (merges int) {
	t.Helper()
	histories(k.alphabet, n, replicas, func(h history[O], _ *shape, _ int) {
		if !t.Failed() {
			merges += k.mergeStates(t, h)
		}
	})
	return merges
}

func (k kind[S, O]) mergeStates(t *testing.T, h history[O]) (merges int) {
	all := mask(1)<<len(h) - 1
	states := map[mask]S{0: *new(S)}
	known := []mask{0}
	arrive := func(m mask, s S) {
		was, ok := states[m]
		if !ok {
			states[m] = s
			known = append(known, m)
			if got, want := k.read(s), k.oracle(h, m); got != want {
				t.Errorf("%sknowing %b: got %s, want %s", h, m, got, want)
			}
		} else if !k.equal(was, s) || !k.equal(s, was) {
			t.Errorf("%sknowing %b, by one way: %+v\nby another: %+v", h, m, was, s)
		}
	}
	merge := func(a, b mask) {
		s := k.clone(states[a])
		changed := k.merge(&s, states[b])
		if changed == k.equal(s, states[a]) {
			t.Errorf("%smerging %b into %b: changed is %v\nbefore %+v\nafter  %+v", h, b, a, changed, states[a], s)
		}
		if k.merge(&s, states[b]) {
			t.Errorf("%smerging %b into %b again changed it", h, b, a)
		}
		merges++
		arrive(a|b, s)
	}
	deltas := make([]S, len(h))
	for i, e := range h {
		// The state in which the operation was made is a merge of earlier ones.
		for j := range i {
			if m := h[j].past | 1<<j; m&^e.past == 0 {
				for _, a := range known {
					if a&^e.past == 0 {
						merge(a, m)
					}
				}
			}
		}
		s := k.clone(states[e.past])
		deltas[i] = k.local(&s, e.dot.Node, e.op)
		again := k.clone(states[e.past])
		if k.merge(&again, deltas[i]); !k.equal(again, s) {
			t.Errorf("%sthe delta of %s makes %+v of %+v\nthe mutator made  %+v", h, e.dot, again, states[e.past], s)
		}
		arrive(e.past|1<<i, s)
	}
	for i := 0; i < len(known); i++ { // known grows meanwhile
		for j := 0; j <= i && !t.Failed(); j++ {
			merge(known[i], known[j])
			merge(known[j], known[i])
		}
	}
	var deliver func(s S, done mask)
	deliver = func(s S, done mask) {
		if done == all {
			if !k.equal(s, states[all]) {
				t.Errorf("%sby deltas %+v\nby states %+v", h, s, states[all])
			}
			return
		}
		for i := range h {
			if !done.has(i) && !t.Failed() {
				next := k.clone(s)
				k.merge(&next, deltas[i])
				if k.merge(&next, deltas[i]) {
					t.Errorf("%sthe delta of %s changed the state when it came again", h, h[i].dot)
				}
				deliver(next, done|1<<i)
			}
		}
	}
	var empty S
	deliver(empty, 0)
	return merges
}

// stateMerges runs everyMerge and exploreMerges.
func (k kind[S, O]) stateMerges(t *testing.T, plain, explored int) {
	t.Logf("%d merges one by one", k.everyMerge(t, plain))
	k.exploreMerges(t, explored)
}

// deliveries runs everyDelivery and exploreDeliveries, for types whose operations can travel alone.
func (k kind[S, O]) deliveries(t *testing.T, plain, explored int) {
	if k.apply == nil {
		t.Skip("its deltas are all there is")
	}
	t.Logf("%d orders one by one", k.everyDelivery(t, plain))
	k.exploreDeliveries(t, explored)
}
