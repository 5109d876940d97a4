package replica

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// judge finds out who lost when an operation was applied: the operation itself, or what it took the place of. Before holds
// what the cell of each verdict kept until then. The caller holds mu.
func (r *Replica) judge(op *merge.Op, from clock.Node, verdicts []merge.Verdict, before []merge.Write) {
	hadSeen := func(w *merge.Write) bool {
		return w.Dot.Node == op.Dot.Node || op.Seen.Has(w.Dot)
	}
	for i := range verdicts {
		v, was := &verdicts[i], &before[i]
		hadWrite := !was.Dot.IsZero()
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
			r.tellOf(op, from, v, Event{Kind: Lost, Loser: loser, Winner: v.Against, Code: code})
		case merge.Kept:
			if !hadWrite || was.Dot == op.Dot || hadSeen(was) {
				continue
			}
			r.count.conflicts++
			now, ok := r.state.Cell(op.Key, v.Field, v.Rule).Write()
			if !ok || now.Value == was.Value && now.Deleted == was.Deleted {
				continue // both wrote the same
			}
			r.count.lost++
			by := *v
			_, by.By = v.Rule.Compare(was, &now)
			r.tellOf(op, from, &by, Event{Kind: Lost, Loser: *was, Winner: now})
		case merge.Refused:
			r.count.conflicts++
			r.tellOf(op, from, v, Event{Kind: Conflict, Code: finding.SplitBrain})
		case merge.Combined:
			if hadWrite && !hadSeen(was) && crdt.Member(was.Dot.Node) != crdt.Member(op.Dot.Node) {
				r.count.conflicts++
				r.tellOf(op, from, v, Event{Kind: Conflict})
			}
		}
	}
}

// tellOf tells an event about a verdict.
func (r *Replica) tellOf(op *merge.Op, from clock.Node, v *merge.Verdict, e Event) {
	if r.opt.Observe == nil {
		return
	}
	e.Peer, e.Op, e.Verdict, e.Field = from, alone(op), *v, v.Field
	r.tell(e)
}

// alone returns a copy of an operation that can be kept without those that came with it.
func alone(op *merge.Op) *merge.Op {
	own := *op
	own.Fields = slices.Clone(op.Fields)
	return &own
}
