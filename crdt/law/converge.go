package law

import (
	"reflect"
	"slices"
	"strings"
)

// MaxOps is how many operations [Converge] delivers at once. Nearly every known bug of a replicated type shows with three
// replicas and five operations; each delivered twice, five can come in 113,400 orders.
const MaxOps = 5

// System is a replicated type as [Converge] sees it. Apply and Equal are required.
type System[S, O any] struct {
	// New returns the state of a replica that has seen nothing. Nil means the zero S.
	New func() S

	// Apply returns the state with an operation delivered to it, which may be there already. For a type that sends
	// deltas or whole states, O is S and Apply merges.
	Apply func(state S, op O) S

	// Merge returns the state with all that either of two replicas has. Nil means that replicas send operations only.
	Merge func(a, b S) S

	// Equal reports whether a reader could not tell two states apart.
	Equal func(a, b S) bool

	// Want returns the state that replicas with these operations should have, computed in another way than by Apply
	// and Merge: agreeing is not enough. Nil leaves it at agreeing.
	Want func(ops []O) S

	// Clone returns a copy, for Apply and Merge that write to their first argument and return it. Nil means that they
	// leave their arguments alone, and holds them to it.
	Clone func(S) S
}

// Converge tries a system with every set of at most [MaxOps] of the operations, smallest sets first, and returns nil when
//
//   - a replica to which the operations of a set are delivered, in any order, each once or twice, has the same state as
//     one that got them once in the order given; so any three replicas agree;
//   - three replicas with any shares of the set have that state too after they exchanged what they have by Merge, in
//     any order and grouping, and again, and after an operation comes late;
//   - the state is the one wanted.
//
// Operations are delivered out of causal order as well: a remove before the add that it removes. Prepare them as a
// replica would have, with all that it had seen, before you hand them over. Ten operations take 252 times as long as
// five.
//
// Else the error is a [*Broken] with the fewest operations that show it, of those the first ones, and the fewest
// deliveries. Its Law is [Diverged], [WrongResult], [RulePanic] or [MutatesInput].
func Converge[S, O any](system System[S, O], ops ...O) error {
	if len(ops) == 0 {
		return ErrNothing
	}
	var found *Broken
	for size := 1; size <= min(MaxOps, len(ops)) && found == nil; size++ {
		choose(len(ops), size, func(set []int) bool {
			found = newTrial(system, ops, set).run()
			return found == nil
		})
	}
	if found == nil {
		return nil
	}
	return found
}

// trial is one set of operations under test.
type trial[S, O any] struct {
	System[S, O]
	ops        []O // of the set
	at         []int
	shown      []string
	watchState bool
	watchOp    bool

	want  S        // the state after all operations once, in the order given
	order []string // the deliveries so far, as variables
}

func newTrial[S, O any](system System[S, O], ops []O, set []int) *trial[S, O] {
	t := &trial[S, O]{
		System:     system,
		at:         slices.Clone(set),
		watchState: system.Clone == nil && shares(reflect.TypeFor[S]()),
		watchOp:    shares(reflect.TypeFor[O]()),
	}
	for _, at := range set {
		t.ops = append(t.ops, ops[at])
		t.shown = append(t.shown, show(ops[at]))
	}
	return t
}

func (t *trial[S, O]) run() *Broken {
	var broken *Broken
	if t.want, broken = t.applied((1 << len(t.ops)) - 1); broken != nil {
		return broken
	}
	most := 2 * len(t.ops)
	if broken = t.deliver(t.start(), make([]int, len(t.ops)), most); broken != nil {
		for fewer := len(t.ops); fewer < most; fewer++ {
			if smaller := t.deliver(t.start(), make([]int, len(t.ops)), fewer); smaller != nil {
				return smaller
			}
		}
		return broken
	}
	if t.Merge != nil {
		if broken = t.exchange(); broken != nil {
			return broken
		}
	}
	if t.Want != nil {
		if wanted := t.Want(slices.Clone(t.ops)); !t.Equal(t.want, wanted) {
			return t.broken(WrongResult, t.want, wanted, after(variables[:len(t.ops)]), "")
		}
	}
	return nil
}

// deliver tries all orders of at most `left` deliveries more, of operations that came less than twice.
func (t *trial[S, O]) deliver(state S, came []int, left int) *Broken {
	if !slices.Contains(came, 0) && !t.Equal(state, t.want) {
		return t.broken(Diverged, t.want, state, after(variables[:len(t.ops)]), after(t.order))
	}
	if left == 0 {
		return nil
	}
	for i := range t.ops {
		if came[i] == 2 {
			continue
		}
		came[i]++
		t.order = append(t.order, variables[i])
		next, broken := t.apply(state, i, "", t.order)
		if broken == nil {
			broken = t.deliver(next, came, left-1)
		}
		t.order = t.order[:len(t.order)-1]
		came[i]--
		if broken != nil {
			return broken
		}
	}
	return nil
}

// exchange gives every operation to one, two or all of three replicas and lets these merge.
func (t *trial[S, O]) exchange() *Broken {
	full := (1 << len(t.ops)) - 1
	states := make([]term[S], full+1)
	for have := range states {
		state, broken := t.applied(have)
		if broken != nil {
			return broken
		}
		states[have] = term[S]{state, t.have(have)}
	}
	for a := range states {
		for b := a; b < len(states); b++ {
			for c := b; c < len(states); c++ {
				if a|b|c != full {
					continue
				}
				for _, p := range [][3]int{{a, b, c}, {a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}} {
					if broken := t.meet(states[p[0]], states[p[1]], states[p[2]]); broken != nil {
						return broken
					}
				}
			}
		}
	}
	return nil
}

// meet merges three replicas in both groupings, then merges one again and delivers every operation again.
func (t *trial[S, O]) meet(x, y, z term[S]) *Broken {
	xy, broken := t.merge(x, y)
	if broken != nil {
		return broken
	}
	left, broken := t.mergeAll(xy, z)
	if broken != nil {
		return broken
	}
	yz, broken := t.merge(y, z)
	if broken != nil {
		return broken
	}
	if _, broken = t.mergeAll(x, yz); broken != nil {
		return broken
	}
	if _, broken = t.mergeAll(left, x); broken != nil {
		return broken
	}
	for i := range t.ops {
		order := []string{variables[i]}
		late, broken := t.apply(left.value, i, left.text, order)
		if broken != nil {
			return broken
		}
		if !t.Equal(late, t.want) {
			return t.broken(Diverged, t.want, late, after(variables[:len(t.ops)]), left.text+" "+after(order))
		}
	}
	return nil
}

func (t *trial[S, O]) mergeAll(x, y term[S]) (term[S], *Broken) {
	all, broken := t.merge(x, y)
	if broken == nil && !t.Equal(all.value, t.want) {
		broken = t.broken(Diverged, t.want, all.value, after(variables[:len(t.ops)]), all.text)
	}
	return all, broken
}

func (t *trial[S, O]) merge(x, y term[S]) (term[S], *Broken) {
	both := term[S]{text: "merge(" + x.text + ", " + y.text + ")"}
	var broken *Broken
	both.value, broken = watched(t.Merge, t.copy(x.value), y.value, t.watchState, t.watchState)
	if broken != nil {
		broken.left, broken.right = both.text, [...]string{"", x.text, y.text}[broken.side]
		t.witness(broken)
	}
	return both, broken
}

// apply delivers an operation, the last of an order, to the state of a replica that is what the text says.
func (t *trial[S, O]) apply(state S, i int, text string, order []string) (S, *Broken) {
	next, broken := watched(t.Apply, t.copy(state), t.ops[i], t.watchState, t.watchOp)
	if broken != nil {
		broken.left = strings.TrimSpace(text + " delivering " + strings.Join(order, " "))
		broken.right = [...]string{"", "the state it was given", variables[i]}[broken.side]
		t.witness(broken)
	}
	return next, broken
}

// applied returns the state after the operations of a bit set, in the order given.
func (t *trial[S, O]) applied(have int) (S, *Broken) {
	state := t.start()
	var order []string
	for i := range t.ops {
		if have&(1<<i) == 0 {
			continue
		}
		order = append(order, variables[i])
		var broken *Broken
		if state, broken = t.apply(state, i, "", order); broken != nil {
			return state, broken
		}
	}
	return state, nil
}

func (t *trial[S, O]) start() S {
	if t.New == nil {
		var zero S
		return zero
	}
	return t.New()
}

func (t *trial[S, O]) copy(state S) S {
	if t.Clone == nil {
		return state
	}
	return t.Clone(state)
}

// have names the state of a replica with the operations of a bit set.
func (t *trial[S, O]) have(set int) string {
	var ops []string
	for i := range t.ops {
		if set&(1<<i) != 0 {
			ops = append(ops, variables[i])
		}
	}
	return "{" + strings.Join(ops, " ") + "}"
}

func after(order []string) string { return "after " + strings.Join(order, " ") }

func (t *trial[S, O]) broken(law string, left, right any, leftText, rightText string) *Broken {
	return t.witness(&Broken{Law: law, Left: left, Right: right, left: leftText, right: rightText})
}

func (t *trial[S, O]) witness(b *Broken) *Broken {
	b.At, b.shown = t.at, t.shown
	for _, op := range t.ops {
		b.Witness = append(b.Witness, op)
	}
	return b
}
