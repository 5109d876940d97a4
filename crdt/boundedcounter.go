package crdt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// ErrRights is wrapped by the errors of [BoundedCounter.Take] and [BoundedCounter.Transfer]: the node doesn't hold the
// rights. There may be enough elsewhere; ask another node to transfer some.
var ErrRights = errors.New("not enough rights")

// BoundedCounter is an exact counter that never goes below zero, in no region, without asking any other: for stock, seats,
// budgets. What is added comes with as many rights to take it away, which belong to the node that added it. A node takes
// only as far as its rights go, and passes rights on by a transfer (escrow).
//
//	us adds 10 and transfers 4 to eu. The link is cut. us can take 6, eu can take 4; together never 11.
//
// For another lower bound, count from there; for an upper bound, count what is left of it.
//
// The zero BoundedCounter is 0 and ready. A copy made by assignment shares memory with the original: change only one of
// the two, or [BoundedCounter.Clone] first. Many goroutines may read a BoundedCounter, or one may change it.
//
// HAZARD: rights are what the node's own copy says. Two writers under one node name, or a node restored from an old copy
// that takes before it has merged with others, spend the same rights twice.
//
// (Balegas, Serra, Duarte, Ferreira, Shapiro, Rodrigues, Preguiça, "Extending Eventually Consistent Cloud Databases for
// Enforcing Numeric Invariants", SRDS 2015.)
type BoundedCounter struct {
	// Totals that only grow, each raised by one node alone: of what it has taken, and of the rights that it gave, to itself
	// by adding.
	taken totals
	given []grant // Invariant: ascending by from and to, none zero.
}

type grant struct {
	from, to clock.Node
	amount   Decimal
}

// Add adds amount, and as many rights for node, and returns the delta. The error wraps [ErrAmount] or [ErrOverflow]; then
// c has not changed.
func (c *BoundedCounter) Add(node clock.Node, amount Decimal) (BoundedCounter, error) {
	return c.give(node, node, amount)
}

// Take takes amount away, if node has the rights, and returns the delta. The error wraps [ErrRights], [ErrAmount] or
// [ErrOverflow]; then c has not changed.
func (c *BoundedCounter) Take(node clock.Node, amount Decimal) (BoundedCounter, error) {
	named(node)
	if err := c.mayUse(node, amount); err != nil {
		return BoundedCounter{}, fmt.Errorf("take %s: %w", amount, err)
	}
	taken, err := c.taken.add(node, amount)
	return BoundedCounter{taken: taken}, err
}

// Transfer passes rights of one node to another, and returns the delta. It is for the one that gives to call; the other
// has the rights when the delta arrives. The error wraps [ErrRights], [ErrAmount] or [ErrOverflow]; then c has not
// changed. To oneself nothing is transferred.
func (c *BoundedCounter) Transfer(from, to clock.Node, amount Decimal) (BoundedCounter, error) {
	named(from)
	named(to)
	if err := c.mayUse(from, amount); err != nil {
		return BoundedCounter{}, fmt.Errorf("transfer %s to %s: %w", amount, to, err)
	}
	if from == to {
		return BoundedCounter{}, nil
	}
	return c.give(from, to, amount)
}

func (c *BoundedCounter) mayUse(node clock.Node, amount Decimal) error {
	if amount.Sign() < 0 {
		return ErrAmount
	}
	if has := c.Rights(node); has.Cmp(amount) < 0 {
		return fmt.Errorf("%w: %s has %s", ErrRights, node, has)
	}
	return nil
}

func (c *BoundedCounter) give(from, to clock.Node, amount Decimal) (BoundedCounter, error) {
	named(from)
	var sum Decimal
	if i, ok := c.search(from, to); ok {
		sum = c.given[i].amount
	}
	sum, err := plus(sum, amount)
	if err != nil || !c.raise(grant{from, to, sum}) {
		return BoundedCounter{}, err
	}
	return BoundedCounter{given: []grant{{from, to, sum}}}, nil
}

func (c *BoundedCounter) search(from, to clock.Node) (int, bool) {
	return slices.BinarySearchFunc(c.given, grant{from: from, to: to}, compareGrants)
}

func compareGrants(a, b grant) int {
	return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
}

// raise makes a grant at least as great as g.
func (c *BoundedCounter) raise(g grant) bool {
	i, ok := c.search(g.from, g.to)
	switch {
	case !ok && g.amount.Sign() > 0:
		c.given = slices.Insert(c.given, i, g)
		return true
	case ok && g.amount.Cmp(c.given[i].amount) > 0:
		c.given[i].amount = g.amount
		return true
	}
	return false
}

// Rights returns how much node may take: what it added and was given, less what it gave and took. Of a node other than
// one's own it is what has been heard of.
func (c *BoundedCounter) Rights(node clock.Node) Decimal {
	rights := c.taken.of(node).Neg()
	for i := range c.given {
		c.given[i].move(node, &rights)
	}
	return rights
}

// move changes the rights of a node by a grant.
func (g *grant) move(node clock.Node, rights *Decimal) {
	if g.to == node {
		*rights = rights.Add(g.amount)
	}
	if g.from == node && g.to != node {
		*rights = rights.Sub(g.amount)
	}
}

// Value returns what was added less what was taken. It is never negative: a replica that has heard of a take, and not yet
// of the transfer that allowed it, leaves that take out as far as the node's rights don't cover it.
func (c *BoundedCounter) Value() (value Decimal) {
	nodes := c.nodes()
	rights := make([]Decimal, len(nodes))
	at := func(node clock.Node) *Decimal {
		i, _ := slices.BinarySearch(nodes, node)
		return &rights[i]
	}
	for _, t := range c.taken {
		*at(t.node) = t.amount.Neg()
	}
	for i := range c.given {
		g := &c.given[i]
		g.move(g.to, at(g.to))
		if g.from != g.to {
			g.move(g.from, at(g.from))
		}
	}
	for _, of := range rights {
		if of.Sign() > 0 {
			value = value.Add(of)
		}
	}
	return value
}

// nodes returns all nodes that c has heard of.
func (c *BoundedCounter) nodes() []clock.Node {
	var nodes []clock.Node
	for _, g := range c.given {
		nodes = append(nodes, g.from, g.to)
	}
	for _, t := range c.taken {
		nodes = append(nodes, t.node)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// Merge joins other, a state or a delta, into c and reports whether c changed. Neither order nor repetition matters.
func (c *BoundedCounter) Merge(other BoundedCounter) bool {
	changed := c.taken.join(other.taken)
	for _, g := range other.given {
		if c.raise(g) {
			changed = true
		}
	}
	return changed
}

// Equal reports whether the two states are the same.
func (c *BoundedCounter) Equal(other BoundedCounter) bool {
	return c.taken.equal(other.taken) && slices.EqualFunc(c.given, other.given, func(a, b grant) bool {
		return a.from == b.from && a.to == b.to && a.amount.Equal(b.amount)
	})
}

// Clone returns a copy that shares no memory with c.
func (c *BoundedCounter) Clone() BoundedCounter {
	return BoundedCounter{slices.Clone(c.taken), slices.Clone(c.given)}
}

// Encode appends c to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (c *BoundedCounter) Encode(b []byte) ([]byte, error) {
	return encode(b, "BoundedCounter", func(w *writer) {
		w.array(2)
		w.totals(c.taken)
		w.array(3 * len(c.given))
		for _, g := range c.given {
			w.node(g.from)
			w.node(g.to)
			w.decimal(g.amount)
		}
	})
}

// Decode replaces c by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then c has not
// changed.
func (c *BoundedCounter) Decode(data []byte, limits Limits) error {
	var read BoundedCounter
	err := decode(data, "BoundedCounter", limits, func(r *reader) {
		r.tuple(2)
		read.taken = r.totals()
		var last grant
		for range r.groups(3) {
			g := grant{r.node(""), r.node(""), r.amount()}
			if compareGrants(last, g) >= 0 {
				r.fail("grants are not ascending")
			}
			if r.err != nil {
				return
			}
			read.given = append(read.given, g)
			last = g
		}
	})
	if err == nil {
		*c = read
	}
	return err
}
