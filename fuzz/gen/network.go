package gen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/leanovate/gopter"
)

// Network is what lies between replicas. It is perfect but for its cuts and faults: every write arrives everywhere as soon
// as it is made. The zero Network is perfect.
type Network struct {
	Cuts   []Cut
	Faults []Fault

	plan plan // what it was built from, if it was generated
}

// Cut parts the replicas: while it lasts, no write passes from one side to the other. Time is counted in writes.
type Cut struct {
	From int  // the cut begins just before this write is made
	For  int  // and heals when so many have been made
	Side uint // the replicas of one side: bit 0 stands for replica 0
}

// Fault is something that goes wrong with one write on its way to one replica. Write and To are taken modulo the number
// of writes and replicas, so that a fault means something under any history.
type Fault struct {
	Write, To int
	Late      int  // the write arrives when so many more have been made
	Again     bool // it arrives in time as well, and twice therefore
}

// lost is how late a write is that arrives only once it is sent again, after all is over.
const lost = 1 << 20

// Networks generates values of type [Network] with up to six cuts and faults. They shrink towards the perfect one.
func Networks() gopter.Gen {
	build := func(p plan) Network { return network(p, 32) }
	return built([2]int{failing: mostFaults}, build, func(n Network) plan { return n.plan })
}

const mostFaults = 6

// network builds what goes wrong within some writes.
func network(p plan, writes int) Network {
	n := Network{plan: p}
	for i := range p[failing] {
		r := reader{row: &p[failing][i]}
		cut, at := r.pick(3) == 2, r.pick(max(1, writes))
		if cut {
			n.Cuts = append(n.Cuts, Cut{From: at, For: 1 + r.pick(16), Side: 1 + uint(r.pick(15))})
		} else {
			late := []int{1, 2, 3, 5, 8, lost}
			n.Faults = append(n.Faults, Fault{Write: at, To: r.pick(8), Late: late[r.pick(len(late))], Again: r.pick(2) == 1})
		}
		r.end()
	}
	return n
}

// Arrival is a write that arrives at a replica.
type Arrival struct {
	Write int  // its place among the writes
	To    int  // the replica
	Made  bool // it is made there, right now; else it comes from elsewhere, or comes back
}

// Arrivals returns what arrives where, in order. Of write i, writers[i] is the replica that makes it, which can be none
// of them. Every write arrives at every replica at least once, for in the end all links are healed and what got lost is sent
// again; so replicas that take arrivals as they come should be equal after the last.
//
// To try a type that sends its whole state, take an arrival as one of all that its writer has now.
func (n Network) Arrivals(writers []int, replicas int) []Arrival {
	type due struct {
		Arrival
		at int
	}
	var all []due
	for write, writer := range writers {
		for to := range replicas {
			if to == writer {
				all = append(all, due{Arrival{write, to, true}, write})
			}
			for _, sent := range n.sent(write, to, len(writers), replicas, to == writer) {
				at := n.healed(sent, writer, to)
				all = append(all, due{Arrival{write, to, false}, min(at, len(writers))})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b due) int {
		if order := cmp.Compare(a.at, b.at); order != 0 || a.Made == b.Made {
			return order
		}
		if a.Made {
			return -1 // a write is made before anything else arrives at its time
		}
		return 1
	})
	arrivals := make([]Arrival, len(all))
	for i := range all {
		arrivals[i] = all[i].Arrival
	}
	return arrivals
}

// sent returns when a write gets on its way to a replica: at once, or as its faults say. Its own writer has it already.
func (n Network) sent(write, to, writes, replicas int, own bool) (at []int) {
	onTime := !own
	for _, f := range n.Faults {
		if modulo(f.Write, writes) != write || modulo(f.To, replicas) != to || own && !f.Again {
			continue
		}
		onTime = onTime && f.Again
		at = append(at, write+min(max(f.Late, 0), lost))
	}
	if onTime {
		at = append(at, write)
	}
	return at
}

// healed returns when the link between two replicas carries writes, from a time on.
func (n Network) healed(at, from, to int) int {
	for moved := true; moved; {
		moved = false
		for _, c := range n.Cuts {
			heals := c.From + min(c.For, lost)
			if c.has(from) != c.has(to) && at >= c.From && at < heals {
				at, moved = heals, true
			}
		}
	}
	return at
}

// has reports whether a replica is on the side that the cut names.
func (c Cut) has(replica int) bool { return replica >= 0 && c.Side>>replica&1 == 1 }

func modulo(n, of int) int { return (n%of + of) % of }

// String says in words what goes wrong. Do not depend on this text; use the fields.
func (n Network) String() string {
	var parts []string
	for _, c := range n.Cuts {
		var side []string
		for r := range 64 {
			if c.has(r) {
				side = append(side, fmt.Sprint(r))
			}
		}
		parts = append(parts, fmt.Sprintf("replica %s cut off from write %d on, for %d", strings.Join(side, ","), c.From, c.For))
	}
	for _, f := range n.Faults {
		how := fmt.Sprintf("late by %d", f.Late)
		if f.Late >= lost {
			how = "only in the end"
		}
		if f.Again {
			how = "in time and again " + how
		}
		parts = append(parts, fmt.Sprintf("write %d reaches replica %d %s", f.Write, f.To, how))
	}
	if parts == nil {
		return "nothing goes wrong"
	}
	return strings.Join(parts, "; ")
}
