package reads

import "github.com/tiebreakhq/tiebreak/replay"

// past is who had seen what, of the operations on one key: for each operation and node, how many of the node's first
// operations it had seen for certain. The operations of a node stand side by side, in the order in which it made them.
type past struct {
	ops    []replay.Operation
	starts []int // of each node, its first operation; and the end

	least, following []int32 // see later
	most, before     []int64 // see earlier
}

// begin makes p that of another key.
func (p *past) begin(k *replay.KeyOperations) {
	p.ops, p.starts = k.Ops, p.starts[:0]
	for i := range k.Ops {
		for len(p.starts) <= k.Ops[i].Node {
			p.starts = append(p.starts, i)
		}
	}
	for len(p.starts) <= len(k.Nodes) {
		p.starts = append(p.starts, len(k.Ops))
	}
}

// saw reports whether the writer of operation b had seen operation a.
func (p *past) saw(b, a int) bool {
	x := &p.ops[a]
	return a != b && int(p.ops[b].Low[x.Node]) >= a-p.starts[x.Node]+1
}

// later returns, of each operation, the operation with the least value among those whose writers had seen it; -1 for none.
// The list is good until the next.
func (p *past) later(of []int64) []int32 {
	p.least, p.following = fit(p.least, len(p.ops)), fit(p.following, len(p.ops))
	least := p.least // of an operation and those of its node after it
	found := p.following
	for i := range found {
		found[i] = -1
	}
	nodes := len(p.starts) - 1
	for m := range nodes {
		for i := p.starts[m+1] - 1; i >= p.starts[m]; i-- {
			least[i] = int32(i)
			if i+1 < p.starts[m+1] && of[least[i+1]] < of[i] {
				least[i] = least[i+1]
			}
		}
	}
	for m := range nodes {
		for n := range nodes {
			at := p.starts[m]
			for i := p.starts[n]; i < p.starts[n+1] && at < p.starts[m+1]; i++ {
				for at < p.starts[m+1] && int(p.ops[at].Low[n]) < i-p.starts[n]+1 {
					at++
				}
				if at < p.starts[m+1] && (found[i] < 0 || of[least[at]] < of[found[i]]) {
					found[i] = least[at]
				}
			}
		}
	}
	return found
}

// earlier returns, of each operation, the greatest value among those that its writer had seen; ever for none. The
// list is good until the next.
func (p *past) earlier(of []int64) []int64 {
	p.most, p.before = fit(p.most, len(p.ops)), fit(p.before, len(p.ops))
	most := p.most // of an operation and those of its node before it
	found := p.before
	for m := range len(p.starts) - 1 {
		for i := p.starts[m]; i < p.starts[m+1]; i++ {
			most[i] = of[i]
			if i > p.starts[m] {
				most[i] = max(most[i], most[i-1])
			}
		}
	}
	for b := range p.ops {
		found[b] = ever
		for m, n := range p.ops[b].Low {
			if n > 0 {
				found[b] = max(found[b], most[p.starts[m]+int(n)-1])
			}
		}
	}
	return found
}
