package merge

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// Batch is operations from another replica, as they came.
type Batch struct {
	// Source is the member that delivered the batch, as the connection has proved it, and not as the batch says.
	Source clock.Node

	// Epoch and Fingerprint are what the source says of its membership ([crdt.Epoch.Number]) and its table
	// ([Table.Fingerprint]).
	Epoch       uint64
	Fingerprint string

	Ops []Op

	// Proofs are the signatures of the operations, in their order. They are looked at by [Gate.Verify] alone.
	Proofs [][]byte
}

// Gate is what operations from elsewhere pass before they are merged. Its fields are set before first use; one goroutine
// at a time may use it. It keeps nothing from one batch to the next.
//
// What passes does not make [State.Apply] fail, can't win by a stamp from the future, and is by whom it says it is, as far as
// the source, or [Gate.Verify], can be trusted. That values are canonical is the affair of [DecodeOp]; that what an operation
// claims to have seen exists is that of [crdt.Log], which lets it wait until it has: [crdt.Operation.After] holds [Op.Seen].
type Gate struct {
	// Table is the table of this replica. It must be there. Where it declares nodes, others are unknown.
	Table *Table

	// Epoch is the membership of this replica. While its number is 0, everybody may write.
	Epoch crdt.Epoch

	// MaxDrift is how far a stamp may be ahead. Zero means [clock.DefaultMaxDrift]; negative means no bound, which is for
	// reading in what has happened.
	MaxDrift time.Duration

	// Limits bounds what one batch may hold.
	Limits GateLimits

	// Known is asked whether the dot of an operation is taken. A [crdt.Log] knows; nil knows nothing.
	Known interface {
		// Sum returns what [Sum] makes of the bytes of the operation that is known by a dot.
		Sum(clock.Dot) (sum [16]byte, known bool)
	}

	// Relays reports whether source may deliver what another node has written. Nil means that nobody may. It should be
	// allowed only with Verify, or among those who trust each other.
	Relays func(source, writer clock.Node) bool

	// Verify reports whether proof is a signature or MAC by writer over the bytes of an operation, which it must not keep.
	// Nil means that the source is taken at its word.
	Verify func(writer clock.Node, canonical, proof []byte) bool

	// What a batch needs while it is looked at: kept for its memory.
	table       *Table // whose fingerprint is known
	fingerprint string
	dots        places
	names       map[string]bool
	bytes       []byte
}

// GateLimits bounds a batch. A zero field means its default.
type GateLimits struct {
	Ops        int // operations in a batch; 0 is [DefaultBatchOps]
	BatchBytes int // all texts in a batch; 0 is [DefaultBatchBytes]
	Key        int // bytes of a key; 0 is [DefaultKeyBytes]
	Fields     int // fields of an operation; 0 is [DefaultFields]
	Value      int // bytes of a value, a field's name, a before-image or an id; 0 is [DefaultValueBytes]
	Seen       int // runs of dots that an operation has seen; 0 is [DefaultSeen]
	Refusals   int // refusals that are spelled out; 0 is [DefaultRefusals]
}

// The limits where a field of [GateLimits] is zero.
const (
	DefaultBatchOps   = 10_000
	DefaultBatchBytes = 32 << 20
	DefaultKeyBytes   = 4 << 10
	DefaultFields     = 1_000
	DefaultValueBytes = 8 << 20
	DefaultSeen       = 1_000
	DefaultRefusals   = 100
)

func (l GateLimits) orDefault() GateLimits {
	for _, f := range []struct {
		limit *int
		by    int
	}{
		{&l.Ops, DefaultBatchOps}, {&l.BatchBytes, DefaultBatchBytes}, {&l.Key, DefaultKeyBytes}, {&l.Fields, DefaultFields},
		{&l.Value, DefaultValueBytes}, {&l.Seen, DefaultSeen}, {&l.Refusals, DefaultRefusals},
	} {
		if *f.limit <= 0 {
			*f.limit = f.by
		}
	}
	return l
}

// Refusal is why a batch was refused.
type Refusal struct {
	Code   finding.Code
	Place  int       // of the operation in the batch, from 0; -1 when it is about the batch
	Dot    clock.Dot // of the operation
	Detail string    // one sentence without its full stop; values in it are quoted
}

// String returns "code: dot: detail", with the place of an operation that has no dot. Do not depend on this text; use the
// fields.
func (r Refusal) String() string {
	switch {
	case r.Place < 0:
		return fmt.Sprintf("%s: %s", r.Code, r.Detail)
	case r.Dot.IsZero():
		return fmt.Sprintf("%s: operation %d: %s", r.Code, r.Place, r.Detail)
	}
	return fmt.Sprintf("%s: %s: %s", r.Code, r.Dot, r.Detail)
}

func refuse(code finding.Code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Place: -1, Detail: fmt.Sprintf(format, args...)}
}

// Admit says why a batch can't be merged; nil admits it. It is all or nothing: with one refusal, none of the batch may be
// merged. Now is what the clock of this replica reads; nothing else but the batch, the gate and what is known decides.
//
// What is wrong with the batch as a whole comes first, and then nothing else is looked at: its source, its epoch, its table,
// its size. Then comes the first thing wrong with each operation, in their order, up to the limit of refusals:
//
//	missing_field, bad_field   no key or no dot, an unknown kind, a dot that is none, an operation that has seen itself
//	source_mismatch            written by another node than delivers it, or not signed by its writer
//	unknown_node               its writer is not declared, or no member
//	clock_invalid, clock_ahead no stamp or one that is no time; one too far ahead of now
//	too_large                  beyond a limit
//	bad_utf8, duplicate_field  a key or a field's name that is not UTF-8; a field twice
//	op_id_reused               its dot is that of another operation, here or in this batch
//
// An operation that is known already, or stands twice in the batch, is admitted: it comes to nothing.
func (g *Gate) Admit(b *Batch, now clock.Timestamp) []Refusal {
	limits := g.Limits.orDefault()
	if r := g.admitBatch(b, &limits); r != nil {
		return []Refusal{*r}
	}
	g.dots.clear()
	var refusals []Refusal
	for i := range b.Ops {
		r := g.admit(b, i, now, &limits)
		if r == nil {
			continue
		}
		r.Place, r.Dot = i, b.Ops[i].Dot
		if refusals = append(refusals, *r); len(refusals) == limits.Refusals {
			break
		}
	}
	return refusals
}

// admitBatch looks at what is not about a single operation.
func (g *Gate) admitBatch(b *Batch, limits *GateLimits) *Refusal {
	if g.table != g.Table {
		g.table, g.fingerprint = g.Table, g.Table.Fingerprint()
	}
	if why := g.unknown(b.Source, false); why != "" {
		return refuse(finding.UnknownNode, "the batch comes from %.60q, which %s", string(b.Source), why)
	}
	if b.Epoch != g.Epoch.Number {
		return refuse(finding.EpochMismatch, "the batch is of epoch %d, here is epoch %d", b.Epoch, g.Epoch.Number)
	}
	if b.Fingerprint != g.fingerprint {
		return refuse(finding.RuleMismatch, "the batch was made under the table %.40q, here is %q", b.Fingerprint, g.fingerprint)
	}
	if len(b.Ops) > limits.Ops {
		return refuse(finding.TooLarge, "%d operations, the limit is %d", len(b.Ops), limits.Ops)
	}
	bytes := 0
	for i := range b.Ops {
		if bytes += size(&b.Ops[i]); bytes > limits.BatchBytes {
			return refuse(finding.TooLarge, "the batch has more than %d bytes", limits.BatchBytes)
		}
	}
	return nil
}

// size returns the bytes of all texts of an operation.
func size(op *Op) int {
	n := len(op.Key) + len(op.ID)
	for i := range op.Fields {
		f := &op.Fields[i]
		n += len(f.Name) + len(f.Value) + len(f.Before)
	}
	return n
}

// unknown says why a node has no say, and nothing if it has. One that is gone may still have written, and not deliver.
func (g *Gate) unknown(n clock.Node, isGone bool) string {
	switch {
	case n.Check() != nil:
		return "can't be a node"
	case g.Table.Nodes != nil && g.Table.Nodes.Rank(n) == 0:
		return "the table does not declare"
	case g.Epoch.Number > 0 && !isGone && !g.Epoch.Has(n):
		return "is no member of the epoch"
	}
	return ""
}

// admit returns the first thing wrong with an operation.
func (g *Gate) admit(b *Batch, i int, now clock.Timestamp, limits *GateLimits) *Refusal {
	op := &b.Ops[i]
	if r := wellFormed(op); r != nil {
		return r
	}
	if r := g.admitWriter(b.Source, op); r != nil {
		return r
	}
	if r := g.admitStamp(&op.Stamp, now); r != nil {
		return r
	}
	if r := g.admitTexts(op, limits); r != nil {
		return r
	}
	if r := g.admitDot(b, i); r != nil {
		return r
	}
	return g.admitProof(b, i)
}

func wellFormed(op *Op) *Refusal {
	switch {
	case op.Key == "":
		return refuse(finding.MissingField, "%v", ErrNoKey)
	case int(op.Kind) >= len(kindNames):
		return refuse(finding.BadField, "there is no %s", op.Kind)
	case op.Dot.IsZero() && op.Dot.Node == "":
		return refuse(finding.MissingField, "the operation has no dot")
	case op.Dot.IsZero() || op.Dot.Seq > MaxSeq:
		return refuse(finding.BadField, "a dot has a number from 1 to %d", uint64(MaxSeq))
	case op.Seen.Max(op.Dot.Node) >= op.Dot.Seq:
		return refuse(finding.BadField, "the operation has seen %s:%d", op.Dot.Node, op.Seen.Max(op.Dot.Node))
	}
	return nil
}

func (g *Gate) admitWriter(source clock.Node, op *Op) *Refusal {
	writer := op.Stamp.Node
	if crdt.Member(op.Dot.Node) != writer {
		return refuse(finding.SourceMismatch, "the stamp is of %.60q, which the dot is not", string(writer))
	}
	if writer == source {
		return nil // who is known
	}
	if g.Relays == nil || !g.Relays(source, writer) {
		return refuse(finding.SourceMismatch, "an operation of %.60q comes from %.60q", string(writer), string(source))
	}
	if why := g.unknown(writer, g.Epoch.Lost.Has(op.Dot)); why != "" {
		return refuse(finding.UnknownNode, "the operation is of %.60q, which %s", string(writer), why)
	}
	return nil
}

func (g *Gate) admitStamp(s *lww.Stamp, now clock.Timestamp) *Refusal {
	if s.Version == 0 && s.Time.IsZero() {
		return refuse(finding.ClockInvalid, "the stamp has neither a version nor a time")
	}
	if err := s.Time.Check(); err != nil {
		return refuse(finding.ClockInvalid, "%v", err)
	}
	drift := g.MaxDrift
	if drift == 0 {
		drift = clock.DefaultMaxDrift
	}
	if ahead := s.Time.Sub(now); drift > 0 && ahead > drift {
		return refuse(finding.ClockAhead, "the stamp is %s ahead, the bound is %s", ahead, drift)
	}
	return nil
}

func (g *Gate) admitTexts(op *Op, limits *GateLimits) *Refusal {
	over := func(what string, n, limit int) *Refusal {
		return refuse(finding.TooLarge, "%s of %d, the limit is %d", what, n, limit)
	}
	switch {
	case len(op.Key) > limits.Key:
		return over("a key", len(op.Key), limits.Key)
	case len(op.ID) > limits.Value:
		return over("an id", len(op.ID), limits.Value)
	case len(op.Fields) > limits.Fields:
		return over("a number of fields", len(op.Fields), limits.Fields)
	case !utf8.ValidString(op.Key):
		return refuse(finding.BadUTF8, "the key %.60q is not UTF-8", op.Key)
	}
	for i := range op.Fields {
		f := &op.Fields[i]
		if n := max(len(f.Name), len(f.Value), len(f.Before)); n > limits.Value {
			return over("a value", n, limits.Value)
		}
		if !utf8.ValidString(f.Name) {
			return refuse(finding.BadUTF8, "the name %.60q is not UTF-8", f.Name)
		}
	}
	if name, twice := g.twice(op.Fields); twice {
		return refuse(finding.DuplicateField, "field %.60q stands twice", name)
	}
	runs := 0
	for _, run := range op.Seen.Runs() {
		if runs++; runs > limits.Seen {
			return over("a number of runs seen", runs, limits.Seen)
		}
		if run.Last > MaxSeq {
			return refuse(finding.BadField, "a dot that was seen has a number up to %d", uint64(MaxSeq))
		}
	}
	return nil
}

// twice returns a name that two fields have.
func (g *Gate) twice(fields []Field) (name string, found bool) {
	const few = 8 // up to where comparing all with all is faster
	if len(fields) <= few {
		for i := range fields {
			for j := range i {
				if fields[i].Name == fields[j].Name {
					return fields[i].Name, true
				}
			}
		}
		return "", false
	}
	if g.names == nil {
		g.names = make(map[string]bool)
	}
	clear(g.names)
	for i := range fields {
		if g.names[fields[i].Name] {
			return fields[i].Name, true
		}
		g.names[fields[i].Name] = true
	}
	return "", false
}

// places finds the operations of a batch that have the dot of an earlier one. As long as those of each node ascend, as they do
// in what a replica sends, there can be none, and the last of each node is all that has to be remembered.
type places struct {
	last []clock.Dot // of each node; of a few nodes only
	all  map[clock.Dot]int
	is   bool // whether all is in use
}

func (p *places) clear() {
	p.last, p.is = p.last[:0], false
	clear(p.all)
}

// find returns the place of the first operation before the i-th that has its dot. It is asked for every i, in their order.
func (p *places) find(ops []Op, i int) (first int, found bool) {
	dot := ops[i].Dot
	if !p.is {
		for j := range p.last {
			if last := &p.last[j]; last.Node == dot.Node && last.Seq < dot.Seq {
				last.Seq = dot.Seq
				return 0, false
			} else if last.Node == dot.Node {
				p.remember(ops[:i])
				return p.findAll(dot, i)
			}
		}
		const few = 16
		if len(p.last) < few {
			p.last = append(p.last, dot)
			return 0, false
		}
		p.remember(ops[:i])
	}
	return p.findAll(dot, i)
}

func (p *places) remember(ops []Op) {
	if p.all == nil {
		p.all = make(map[clock.Dot]int)
	}
	for i := range ops { // which have unequal dots
		p.all[ops[i].Dot] = i
	}
	p.is = true
}

func (p *places) findAll(dot clock.Dot, i int) (first int, found bool) {
	if first, found = p.all[dot]; !found {
		p.all[dot] = i
	}
	return first, found
}

// admitDot sees to it that one dot means one operation.
func (g *Gate) admitDot(b *Batch, i int) *Refusal {
	op := &b.Ops[i]
	first, here := g.dots.find(b.Ops, i)
	var known [16]byte
	before := false
	if g.Known != nil {
		known, before = g.Known.Sum(op.Dot)
	}
	if !here && !before {
		return nil
	}
	sum, r := g.sum(op)
	if r != nil {
		return r
	}
	if before && sum != known {
		return refuse(finding.OpIDReused, "another operation is known by this dot")
	}
	if here {
		if other, r := g.sum(&b.Ops[first]); r != nil || sum != other {
			return refuse(finding.OpIDReused, "another operation of this batch has this dot")
		}
	}
	return nil
}

func (g *Gate) sum(op *Op) ([16]byte, *Refusal) {
	canonical, err := op.AppendBinary(g.bytes[:0])
	if err != nil {
		return [16]byte{}, refuse(finding.BadField, "%v", err)
	}
	g.bytes = canonical
	return Sum(canonical), nil
}

func (g *Gate) admitProof(b *Batch, i int) *Refusal {
	if g.Verify == nil {
		return nil
	}
	op := &b.Ops[i]
	canonical, err := op.AppendBinary(g.bytes[:0])
	if err != nil {
		return refuse(finding.BadField, "%v", err)
	}
	g.bytes = canonical
	var proof []byte
	if i < len(b.Proofs) {
		proof = b.Proofs[i]
	}
	if !g.Verify(op.Stamp.Node, canonical, proof) {
		return refuse(finding.SourceMismatch, "the operation is not signed by %.60q", string(op.Stamp.Node))
	}
	return nil
}
