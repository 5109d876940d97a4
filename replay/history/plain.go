package history

import (
	"strconv"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Plain is a native write of the kind that most are, in a third of the memory of its [Record]: it sets or adds to one
// field, its id is the name of its node, a colon and a number, and it says nothing of what its writer had seen, replaced,
// or belonged to. Its strings point where those of a Record do.
type Plain struct {
	Key       string
	Field     string // "" is the whole record
	Value     value.Value
	Node      clock.Node
	Wall      int64 // nanoseconds since 1970; 0 when it has no time
	Version   uint64
	Number    uint64 // of the id, from 1
	Line      int64
	Op        merge.Kind // set or add
	Precision Precision
}

// Record returns the write as a record of a source of that name.
func (w *Plain) Record(source string) Record {
	return Record{
		Place: finding.Place{File: source, Line: w.Line}, Key: w.Key, Op: w.Op, Fields: []Field{{Name: w.Field, Value: w.Value}},
		Node: w.Node, Version: w.Version, Time: clock.Timestamp{Wall: w.Wall}, Precision: w.Precision,
		ID: string(w.Node) + ":" + strconv.FormatUint(w.Number, 10),
	}
}

// The members of a plain write: all that it may have, and those that it must.
var (
	plainMembers = setOf(memberKey, memberField, memberValue, memberOp, memberNode, memberVersion, memberTime, memberID)
	plainNeeds   = setOf(memberKey, memberValue, memberNode, memberID)
)

// wantsPlain reports whether the plain writes of a batch are to be handed over as such.
func (p *parser) wantsPlain(out *Batch) bool {
	return p.opt.Plain && p.opt.Exclude == nil && out.region == ""
}

// plain hands over what the draft holds as a plain write, unless it is none.
func (p *parser) plain(at finding.Place, out *Batch) bool {
	d, rec := &p.draft, &p.rec
	if d.seen&^plainMembers != 0 || d.seen&plainNeeds != plainNeeds || !p.wantsPlain(out) || rec.Time.Logical != 0 {
		return false
	}
	number := rec.Number()
	if number == 0 || d.isRead || d.op != merge.Set && (d.op != merge.Add || checkIncrement(d.value) != nil) {
		return false
	}
	field := ""
	if d.seen.has(memberField) {
		field = d.field
	}
	out.Plain = append(out.Plain, Plain{
		Key: rec.Key, Field: field, Value: d.value, Node: rec.Node, Wall: rec.Time.Wall, Version: rec.Version,
		Number: number, Line: at.Line, Op: d.op, Precision: rec.Precision,
	})
	return true
}

// keep hands over what the draft holds, as a plain write or as a record. It reports whether all is well with it.
func (p *parser) keep(at finding.Place, out *Batch) bool {
	if p.plain(at, out) {
		return true
	}
	rec := &p.rec
	rec.Place, rec.Region = at, out.region
	well := p.draft.end() == nil
	if well {
		*out.record(at) = *rec
		p.admit(len(out.Records)-1, out)
	}
	p.rec = Record{}
	return well
}

// start makes the draft ready for a record of the quick ways. What a plain write, or a read, need not have, the one before must
// not leave to it; what it must have, it will.
func (p *parser) start(out *Batch) {
	rec := &p.rec
	rec.ID, rec.Node, rec.Version, rec.Time, rec.Precision = "", "", 0, clock.Timestamp{}, NoTime
	p.draft.begin(rec, out)
}
