package merge

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// keyRules is what a table says of a key. Keys that the same lines match share one.
type keyRules struct {
	rules []*Rule // whose key pattern matches, in the order of the table
	dots  bool    // whether one of them turns on causality, or counts
	times bool    // whether one of them trims by time

	// orders are rules such that a delete of the whole record which is the greatest by none of them is kept by no cell.
	orders []*Rule

	// print stands for all that decides how the key merges: the nodes, the ladder and the rules. Lines are the latter two.
	print string
	lines string
}

// printSize is the length of a print in bytes. Prints differ but for accident; nobody gains by making two alike.
const printSize = 8

// rulesOf returns what the table says of a key.
func (s *State) rulesOf(key string) *keyRules {
	s.matching = s.table.rules.match(s.matching[:0], key)
	s.places = s.places[:0]
	for _, i := range s.matching {
		s.places = binary.BigEndian.AppendUint32(s.places, uint32(i))
	}
	if known := s.rules[string(s.places)]; known != nil {
		return known
	}
	k := newKeyRules(s.table, s.matching)
	s.rules[string(s.places)] = k
	return k
}

// newKeyRules makes the rules at such places of a table into one.
func newKeyRules(t *Table, places []int) *keyRules {
	// Deletes differ in their claim alone, so under most rules they are in the order of the ladder.
	k := &keyRules{orders: []*Rule{{table: t, id: isLWW}}}
	h := sha256.New()
	fmt.Fprintf(h, "tiebreak.key/v1\nnodes %s\n%s\n", t.Nodes, t.orderLine())
	k.lines = t.orderLine()
	first := true
	for _, i := range places {
		r := t.Rules[i]
		fmt.Fprintf(h, "%s\n", r)
		k.lines += "\n" + r.String()
		k.rules = append(k.rules, r)
		k.dots = k.dots || r.NeedsDots()
		k.times = k.times || r.id == isAppend
		if r.id == isPreferNode || r.id == isFWW && first {
			k.orders = append(k.orders, r)
			first = first && r.id != isFWW
		}
	}
	k.print = string(h.Sum(nil)[:printSize])
	return k
}

// covers reports whether a does all that b does to cells yet to come, so that b need not be remembered. It is a partial
// order of deletes.
func (k *keyRules) covers(a, b *Op) bool {
	x, y := deleteOf(a), deleteOf(b)
	if k.dots {
		switch {
		case !a.Seen.Covers(b.Seen):
			return false
		case a.Dot == b.Dot && !b.Dot.IsZero():
			if x != y { // a node that had two writers: both live on
				return false
			}
		case !b.Dot.IsZero() && !a.Seen.Has(b.Dot):
			return false
		}
		if k.times && a.Stamp.Time.Before(b.Stamp.Time) {
			return false
		}
	}
	for _, r := range k.orders {
		if r.compareAll(&x, &y) < 0 {
			return false
		}
	}
	return true
}

// deleteOf returns the write that a delete of the whole record makes to every cell.
func deleteOf(op *Op) Write {
	c := Claim{Op: op, Kind: Delete}
	return c.Write()
}

// compareDeletes orders deletes of whole records for storing them.
func compareDeletes(a, b *Op) int {
	c := cmp.Or(a.Dot.Compare(b.Dot), a.Stamp.Time.Compare(b.Stamp.Time), cmp.Compare(a.Stamp.Version, b.Stamp.Version),
		cmp.Compare(a.Stamp.Node, b.Stamp.Node), cmp.Compare(a.ID, b.ID))
	if c != 0 || a.Seen.Equal(b.Seen) {
		return c
	}
	return cmp.Compare(a.Seen.String(), b.Seen.String())
}
