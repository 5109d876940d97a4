package replay

import (
	"cmp"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
)

// plainTable is what is worked out of a table once, for all plain keys.
type plainTable struct {
	rules    []plainRule
	like     int    // the first table that finds the rule of a field at the same place as this one
	counting []bool // by the number of a node: whether it is known to have raised a counter
}

func newPlainTable(tables []*merge.Table, t, names int) plainTable {
	table := tables[t]
	p := plainTable{rules: make([]plainRule, len(table.Rules)), like: slices.IndexFunc(tables, table.MatchesLike), counting: make([]bool, names)}
	for i, r := range table.Rules {
		p.rules[i] = plainRuleOf(r)
	}
	return p
}

// plainRule is a rule, and what of it is worked out once.
type plainRule struct {
	*merge.Rule
	claims  claimOrder
	way     plainWay
	shown   merge.Outcome // of the greatest of a frontier
	others  merge.Outcome // of those beside it
	lists   bool          // a cell of one write shows a list of it
	inverts bool          // writes that lose by their stamp to what their writer had seen are counted
}

func plainRuleOf(r *merge.Rule) plainRule {
	shown, others, _ := r.Greatest()
	return plainRule{r, claimOrderOf(r), plainWayOf(r), shown, others, r.Name == "keep-all", r.Name == "lww" && r.Selects()}
}

// plainWay is how plain keys are folded by a rule.
type plainWay uint8

const (
	noWay      plainWay = iota // they aren't
	bySelect                   // it keeps one write, which beats all others
	byCounting                 // it adds up increments, which are all there is
	byFrontier                 // it keeps the last write of each node: nobody is known to have seen that
	byGreatest                 // it does, and shows the greatest of them
)

// frontier reports whether what counts is the last write of each node.
func (w plainWay) frontier() bool { return w == byFrontier || w == byGreatest }

func plainWayOf(rule *merge.Rule) plainWay {
	switch {
	case rule.Together:
		return noWay
	case rule.Selects():
		return bySelect
	case rule.KeepsFrontier():
		if _, _, ok := rule.Greatest(); ok {
			return byGreatest
		}
		return byFrontier
	case rule.Name == "counter":
		return byCounting
	}
	return noWay
}

// claimOrder is what a rule looks at first, as far as that is version and time: [lww.Same] stands for all that comes behind.
type claimOrder struct {
	rungs    [2]lww.Rung
	reversed bool // the least wins
}

func claimOrderOf(rule *merge.Rule) (c claimOrder) {
	switch rule.Name {
	case "lww", "fww", "delete-wins", "update-wins", "refuse":
	default:
		return c
	}
	c.reversed = rule.Name == "fww"
	order := rule.Ladder().Order
	if order == [3]lww.Rung{} {
		order = [3]lww.Rung{lww.Version, lww.Time, lww.Node}
	}
	n := 0
	for _, rung := range order {
		if rung == lww.Node {
			break
		}
		if rung != lww.Same { // a rung that the ladder leaves out
			c.rungs[n] = rung
			n++
		}
	}
	return c
}

// compare orders two writes by what the rule looks at first; 0 when that doesn't tell.
func (c *claimOrder) compare(a, b *plainOp) (order int, by lww.Rung) {
	for _, rung := range c.rungs {
		switch {
		case rung == lww.Version && a.version != b.version:
			order = cmp.Compare(a.version, b.version)
		case rung == lww.Time && a.wall != b.wall:
			order = cmp.Compare(a.wall, b.wall)
		case rung == lww.Time && a.logical != b.logical:
			order = cmp.Compare(a.logical, b.logical)
		default:
			continue
		}
		if c.reversed {
			order = -order
		}
		return order, rung
	}
	return 0, lww.Same
}

// plainUnder reports whether plain keys can be folded by the rule of every table.
func (k *plainKey) plainUnder(tables []*merge.Table) bool {
	if k.rules == nil { // of more than a line of the processor's cache: others read what stands beside it
		k.rules, k.sums = make([]plainRule, 0, 16), make([]merge.Increments, 0, 16)
	}
	k.rules, k.sums = k.rules[:0], k.sums[:0]
	for t, table := range tables {
		p := &k.folder.plain[t]
		place := 0
		if p.like < t {
			place = k.rules[p.like].Index()
		} else {
			place = table.Rule(k.name, k.field).Index()
		}
		k.rules, k.sums = append(k.rules, p.rules[place]), append(k.sums, merge.Increments{})
		if k.rules[t].way == noWay {
			return false
		}
		if k.deletes { // which some rules look at first
			k.rules[t].claims = claimOrder{}
		}
	}
	return true
}

// ranked reports whether every table knows the nodes.
func (k *plainKey) ranked(tables []*merge.Table) bool {
	ranks := k.folder.ranks
	for _, run := range k.runs {
		if ranks[run.node] == 0 {
			ranks[run.node] = 1
			for _, t := range tables {
				if len(t.Nodes) > 0 && t.Nodes.Rank(k.node(run.node)) <= 0 {
					ranks[run.node] = -1
				}
			}
		}
		if ranks[run.node] < 0 {
			return false
		}
	}
	return true
}

// order orders two writes as the rule does, and says by which rung. Of most their versions and times tell, without making
// merge's writes of them.
func (k *plainKey) order(rule *plainRule, a, b *plainOp) (order int, by lww.Rung) {
	if order, by = rule.claims.compare(a, b); order != 0 {
		return order, by
	}
	k.write(&k.a, a)
	k.write(&k.b, b)
	return rule.Compare(&k.a, &k.b)
}

// beats reports whether an operation takes the place of the one that is kept.
func (k *plainKey) beats(rule *plainRule, o, kept *plainOp) bool {
	if order, _ := k.order(rule, o, kept); order != 0 {
		return order > 0
	}
	a, b := k.a, k.b
	a.ID, b.ID = k.id(o), k.id(kept)
	a.Dot, b.Dot = clock.Dot{Node: a.Stamp.Node, Seq: o.number}, clock.Dot{Node: b.Stamp.Node, Seq: kept.number} // in the order of the true ones
	return rule.Beats(&a, &b)
}

// compare is comparePayload.
func (k *plainKey) compare(a, b *plainOp) int {
	if a.wall != b.wall {
		return cmp.Compare(a.wall, b.wall)
	}
	return cmp.Or(cmp.Compare(a.logical, b.logical), cmp.Compare(a.version, b.version), cmp.Compare(k.node(a.node), k.node(b.node)),
		cmp.Compare(k.id(a), k.id(b)))
}
