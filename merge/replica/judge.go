package replica

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
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
			loser := r.writeOf(op, v)
			if !v.Against.Dot.IsZero() && wroteTheSame(&loser, &v.Against) {
				continue
			}
			r.count.lost++
			r.tellOf(op, from, v, Event{Kind: Lost, Loser: loser, Winner: v.Against, Code: code})
		case merge.Kept:
			if !hadWrite || was.Dot == op.Dot || hadSeen(was) {
				continue
			}
			r.count.conflicts++
			by := *v
			now, alone := r.state.Cell(op.Key, v.Field, v.Rule).Write()
			if alone {
				_, by.By = v.Rule.Compare(was, &now)
			} else { // a user's own rule chose the value of op
				now, by.By = r.writeOf(op, v), lww.Rank
			}
			if wroteTheSame(was, &now) {
				continue
			}
			r.count.lost++
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

// wroteTheSame reports whether nothing is lost when one of two writes beats the other.
func wroteTheSame(a, b *merge.Write) bool { return a.Value == b.Value && a.Deleted == b.Deleted }

// writeOf returns what an operation wrote to the cell of a verdict on it.
func (r *Replica) writeOf(op *merge.Op, v *merge.Verdict) merge.Write {
	if op.WholeDelete() {
		claim := r.opt.Table.Delete(op, v.Rule, v.Field)
		return claim.Write()
	}
	claims := r.opt.Table.Claims(op, nil)
	at := slices.IndexFunc(claims, func(c merge.Claim) bool { return c.Rule == v.Rule && c.Cell == v.Field })
	return claims[at].Write()
}

// tellOf tells an event about a verdict.
func (r *Replica) tellOf(op *merge.Op, from clock.Node, v *merge.Verdict, e Event) {
	if r.opt.Observe == nil {
		return
	}
	e.Peer, e.Op, e.Verdict, e.Field = from, alone(op), *v, v.Field
	if v.Panicked != "" {
		e.Code = finding.RulePanic
	}
	r.tell(e)
}

// alone returns a copy of an operation that can be kept without those that came with it.
func alone(op *merge.Op) *merge.Op {
	own := *op
	own.Fields = slices.Clone(op.Fields)
	return &own
}
