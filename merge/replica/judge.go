package replica

import (
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// shown is what a cell kept before an operation came.
type shown struct {
	cell  string
	write merge.Write
}

// before returns what the cells that an operation makes a claim on keep now. The caller holds mu.
func (r *Replica) before(op *merge.Op) []shown {
	var was []shown
	for c := range r.state.Record(op.Key) {
		if w, ok := c.Write(); ok {
			was = append(was, shown{c.Name, w})
		}
	}
	return was
}

// judge finds out who lost when an operation was applied: the operation itself, or what it took the place of. The caller
// holds mu.
func (r *Replica) judge(q *queued, before []shown) {
	op := &q.op
	hadSeen := func(w *merge.Write) bool {
		return w.Dot.Node == op.Dot.Node || op.Seen.Has(w.Dot)
	}
	for _, v := range q.verdicts {
		var was *merge.Write
		for i := range before {
			if before[i].cell == v.Field {
				was = &before[i].write
			}
		}
		switch v.Outcome {
		case merge.Lost:
			if v.Missing || v.Against.Dot == op.Dot {
				continue
			}
			code := finding.Code("")
			if hadSeen(&v.Against) {
				code = finding.Inversion
			} else {
				r.count.conflicts++
			}
			r.count.lost++
			loser := merge.Write{ID: op.ID, Dot: op.Dot}
			loser.Stamp = op.Stamp
			loser.Deleted = op.Kind == merge.Delete
			for _, f := range op.Fields {
				if f.Name == v.Field {
					loser.Value = f.Value
				}
			}
			r.tell(Event{Kind: Lost, Peer: q.from, Op: op, Verdict: v, Field: v.Field, Loser: loser, Winner: v.Against, Code: code})
		case merge.Kept:
			if was == nil || was.Dot == op.Dot || hadSeen(was) {
				continue
			}
			r.count.conflicts++
			now, ok := r.kept(op.Key, v.Field)
			if !ok || now.Value == was.Value && now.Deleted == was.Deleted {
				continue // both wrote the same
			}
			r.count.lost++
			_, v.By = v.Rule.Compare(was, &now)
			r.tell(Event{Kind: Lost, Peer: q.from, Op: op, Verdict: v, Field: v.Field, Loser: *was, Winner: now})
		case merge.Refused:
			r.count.conflicts++
			r.tell(Event{Kind: Conflict, Peer: q.from, Op: op, Verdict: v, Field: v.Field, Code: finding.SplitBrain})
		case merge.Combined:
			if was != nil && !hadSeen(was) && crdt.Member(was.Dot.Node) != crdt.Member(op.Dot.Node) {
				r.count.conflicts++
				r.tell(Event{Kind: Conflict, Peer: q.from, Op: op, Verdict: v, Field: v.Field})
			}
		}
	}
}

func (r *Replica) kept(key, cell string) (merge.Write, bool) {
	for c := range r.state.Record(key) {
		if c.Name == cell {
			return c.Write()
		}
	}
	return merge.Write{}, false
}
