package crdt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// ErrAmount is returned for an amount that a counter can't add: a negative one where it may only grow.
var ErrAmount = errors.New("amount is negative")

// ErrOverflow is returned when a total would have more than [MaxDigits] digits. The counter has not changed.
var ErrOverflow = errors.New("total is too large")

// totals is one growing total a node, ascending by node, none zero. Only the node itself raises its total, so the greatest
// that was ever heard of is the newest, and one that overtakes others stands for them too: there is no gap to fear.
type totals []total

type total struct {
	node   clock.Node
	amount Decimal
}

func (t totals) of(node clock.Node) Decimal {
	if i, ok := t.search(node); ok {
		return t[i].amount
	}
	return Decimal{}
}

func (t totals) search(node clock.Node) (int, bool) {
	return slices.BinarySearchFunc(t, node, func(t total, n clock.Node) int { return cmp.Compare(t.node, n) })
}

// raise makes the total of a node at least amount.
func (t *totals) raise(node clock.Node, amount Decimal) bool {
	i, ok := t.search(node)
	switch {
	case !ok && amount.Sign() > 0:
		*t = slices.Insert(*t, i, total{node, amount})
		return true
	case ok && amount.Cmp((*t)[i].amount) > 0:
		(*t)[i].amount = amount
		return true
	}
	return false
}

// add raises the total of a node by amount, and returns that total alone.
func (t *totals) add(node clock.Node, amount Decimal) (totals, error) {
	raised, err := plus(t.of(node), amount)
	if err != nil || !t.raise(node, raised) {
		return nil, err
	}
	return totals{{node, raised}}, nil
}

// plus adds an amount that must not be negative to a total that must not become too large.
func plus(sum, amount Decimal) (Decimal, error) {
	if amount.Sign() < 0 {
		return sum, fmt.Errorf("add %s: %w", amount, ErrAmount)
	}
	sum = sum.Add(amount)
	if !sum.isWithinLimits() {
		return sum, fmt.Errorf("%w: more than %d digits", ErrOverflow, MaxDigits)
	}
	return sum, nil
}

func (t *totals) join(other totals) (changed bool) {
	for _, o := range other {
		if t.raise(o.node, o.amount) {
			changed = true
		}
	}
	return changed
}

func (t totals) sum() (sum Decimal) {
	for _, of := range t {
		sum = sum.Add(of.amount)
	}
	return sum
}

func (t totals) equal(other totals) bool {
	return slices.EqualFunc(t, other, func(a, b total) bool { return a.node == b.node && a.amount.Equal(b.amount) })
}

func (w *writer) totals(t totals) {
	w.array(2 * len(t))
	for _, of := range t {
		w.node(of.node)
		w.decimal(of.amount)
	}
}

func (r *reader) totals() (t totals) {
	var node clock.Node
	for range r.groups(2) {
		node = r.node(node)
		amount := r.amount()
		if r.err != nil {
			return nil
		}
		t = append(t, total{node, amount})
	}
	return t
}

// amount reads what only grows from 0.
func (r *reader) amount() Decimal {
	d := r.decimal()
	if d.Sign() <= 0 {
		r.fail("a total is not above zero")
	}
	return d
}
