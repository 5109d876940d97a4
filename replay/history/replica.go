package history

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// replica reads the log of a replica and cuts it into chunks. The line of a record is its sequence.
func (s *scan) replica(i int, send func(*chunk) error) error {
	src := &s.sources[i]
	in := input{opt: s.opt}
	next := chunk{source: i, name: src.Name, region: src.Region, format: Replica}
	size := 0
	cut := func() error {
		c := next
		next.entries, size = nil, 0
		next.index++
		return send(&c)
	}
	for e, err := range replica.History(nil, src.Name) {
		if err != nil && !errors.Is(err, segment.ErrCorrupt) {
			return wrap(src.Name, err)
		}
		bad := damaged(err)
		if bad == nil {
			in.bytes += int64(e.Size)
			bad = in.excess()
		}
		if bad != nil {
			next.find(int64(e.Sequence), 0, bad)
			break
		}
		s.told(e.Size)
		next.entries = append(next.entries, e)
		next.lines++
		if size += e.Size; size >= s.opt.chunk {
			if err := cut(); err != nil {
				return err
			}
		}
	}
	return cut()
}

// damaged returns the problem that damage to a log is, nil when there is none.
func damaged(err error) *problem {
	var corrupt *segment.CorruptError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &corrupt):
		return newProblem(finding.CorruptLog, "%s: byte %d: %s: what follows is not read",
			filepath.Base(corrupt.File), corrupt.Offset, corrupt.Detail)
	}
	return newProblem(finding.CorruptLog, "%v: what follows is not read", err)
}

// entries reads a chunk of the log of a replica.
func (p *parser) entries(c *chunk, out *Batch) {
	for _, e := range c.entries {
		out.Bytes += int64(e.Size)
		rec := out.record(finding.Place{File: c.name, Line: int64(e.Sequence)})
		if e.Op == nil {
			rec.Kind = Watermark
		} else {
			operation(e, rec, out)
		}
		p.admit(len(out.Records)-1, out)
	}
}

// operation fills in the record of an operation. What its writer had seen is exact: who has seen an operation has seen those
// of its node before it, so of a run behind a hole the last one is named for all.
func operation(e replica.Entry, rec *Record, out *Batch) {
	op := e.Op
	rec.Key, rec.Op, rec.ID, rec.Knows = op.Key, op.Kind, op.Dot.String(), true
	rec.Whole = true
	rec.Node, rec.Version, rec.Time, rec.Precision = op.Stamp.Node, op.Stamp.Version, op.Stamp.Time, Nanosecond
	rec.Fields = out.take(len(op.Fields))
	for i, f := range op.Fields {
		rec.Fields[i] = Field{Name: f.Name, Value: f.Value, Before: f.Before}
	}
	slices.SortFunc(rec.Fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	whole, torn := 0, 0
	for _, run := range op.Seen.Runs() {
		if run.First == 1 {
			whole++
		} else {
			torn++
		}
	}
	rec.SeenUp, rec.Seen = out.dots.take(whole)[:0], out.ids.take(torn)[:0]
	for node, run := range op.Seen.Runs() {
		last := clock.Dot{Node: node, Seq: run.Last}
		if run.First == 1 {
			rec.SeenUp = append(rec.SeenUp, last)
		} else {
			rec.Seen = append(rec.Seen, last.String())
		}
	}
}
