package crdt

import (
	"fmt"
	"strings"
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

// histories yields every history of n operations by three nodes, but for renaming of the nodes.
func histories[O any](alphabet []O, n int, yield func(history[O])) {
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

// everyDelivery delivers the operations of every history of up to n operations in every order, each one twice, and
// compares what comes out with the oracle after every step, and with each other at the end. It returns how many orders.
func (k kind[S, O]) everyDelivery(t *testing.T, n int) (orders int) {
	t.Helper()
	for size := 1; size <= n; size++ {
		histories(k.alphabet, size, func(h history[O]) {
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
					if done.has(i) || t.Failed() {
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
	}
	return orders
}

// everyMerge lets every history of up to n operations happen by the type's own mutators, and merges every two states that
// a replica can be in, that is: to the fixpoint. It compares each with the oracle and with the state reached by any other
// path, then delivers the deltas instead in every order, twice. It returns how many merges of states there were.
func (k kind[S, O]) everyMerge(t *testing.T, n int) (merges int) {
	t.Helper()
	for size := 1; size <= n; size++ {
		histories(k.alphabet, size, func(h history[O]) {
			if !t.Failed() {
				merges += k.mergeStates(t, h)
			}
		})
	}
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
