package replica

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/clock/wire"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// Batch is what one replica sends to another: operations, and what it knows. It may get lost, come twice, late or out of
// order.
type Batch struct {
	Source clock.Node // who sends it, which must be from whom it comes
	Table  string     // the fingerprint of its table
	Epoch  uint64     // the number of its epoch
	Ops    []Packet

	// Seen is what the sender has, which acknowledges it. What arrived while a write of its own is on its way to the disk is not
	// in it, for that write has not seen it.
	Seen clock.Vector

	// Last is the last operation of the sender that was on its disk, and Now what time it was there: a receiver that has all
	// up to Last, and what is in Seen of earlier incarnations of the sender, has all that the sender wrote up to Now. One that
	// goes on from a backup names no time until it has caught up.
	Last clock.Dot
	Now  clock.Timestamp

	// Chains are the sums over the operations of each node, up to what is in Seen and up to the first one in the batch:
	// where a receiver has other sums, the node has had two writers.
	Chains []Chain

	// Digest stands for the whole state of the sender, when it had Seen and had folded what is in Settled. It is empty in
	// most batches: see [Options.AuditEvery].
	Settled clock.Vector
	Digest  []byte

	// More says that the sender has more than would fit. Behind says that its log no longer reaches back, so that the
	// operations alone would leave a gap.
	More, Behind bool
}

// Packet is an operation as it travels: the bytes of [merge.Op.AppendBinary], and a signature over them, if signatures are in
// use. What [Replica.Since] and [DecodeBatch] return shares memory with other packets and with the replica, and must not be
// changed.
type Packet struct {
	Op        []byte
	Signature []byte
}

// Chain is the sum over the operations of a node up to a number, each with its place: two replicas with equal chains have
// the same operations.
type Chain struct {
	Node clock.Node
	Seq  uint64
	Sum  [16]byte // zero when it is not known
}

// batchVersion is the version of the layout, which moves with every change of it:
//
//	[version, source, table, epoch, vector of Seen, dot of Last, time of Now, more, behind, vector of Settled, digest (bin),
//	[(node, number, sum (bin))*] of Chains, [(op (bin), signature (bin))*]]
//
// in the notation of package clock/wire.
const batchVersion = 2

// AppendBinary appends the bytes of b to to.
func (b *Batch) AppendBinary(to []byte) ([]byte, error) {
	w := wire.Writer{B: slices.Grow(to, b.size())}
	b.write(&w)
	return w.B, w.Err
}

// size returns about how many bytes a batch has.
func (b *Batch) size() int {
	n := 512
	for i := range b.Ops {
		n += len(b.Ops[i].Op) + len(b.Ops[i].Signature) + 8
	}
	return n
}

func (b *Batch) write(w *wire.Writer) {
	w.Array(15)
	w.Uint(batchVersion)
	w.Node(b.Source)
	w.Text(b.Table)
	w.Uint(b.Epoch)
	w.Vector(&b.Seen)
	w.Dot(b.Last)
	w.Time(b.Now)
	w.Bool(b.More)
	w.Bool(b.Behind)
	w.Vector(&b.Settled)
	w.Bytes(b.Digest)
	writeChains(w, b.Chains)
	writePackets(w, b.Ops)
}

func writePackets(w *wire.Writer, ops []Packet) {
	w.Array(2 * len(ops))
	for i := range ops {
		w.Bytes(ops[i].Op)
		w.Bytes(ops[i].Signature)
	}
}

// DecodeBatch reads what [Batch.AppendBinary] writes. Memory is bounded by the length of data, with which the packets of the
// batch share it: data must not be changed while the batch is in use. What is applied of it is copied.
func DecodeBatch(data []byte) (Batch, error) {
	r := wire.Reader{S: view(data), Copies: true}
	b := readBatch(&r)
	if err := r.End(); err != nil {
		return Batch{}, fmt.Errorf("decode batch: %w", err)
	}
	return b, nil
}

// readVersion reads the length of an array of so many items, and the version that is the first of them: of another version the
// length may be another one too.
func readVersion(r *wire.Reader, what string, known uint64, items int) {
	n := r.Array(1)
	switch v := r.Uint(); {
	case r.Err != nil:
	case v != known:
		r.Refuse("%s of version %d, known is %d", what, v, known)
	case n != items:
		r.Refuse("%s: not an array of %d", what, items)
	}
}

func readBatch(r *wire.Reader) (b Batch) {
	readVersion(r, "a batch", batchVersion, 15)
	b.Source, b.Table, b.Epoch = r.Node(), r.Text(), r.Uint()
	b.Seen, b.Last, b.Now = r.Vector(), r.Dot(), r.Time()
	b.More, b.Behind = r.Bool(), r.Bool()
	b.Settled, b.Digest, b.Chains = r.Vector(), r.Bytes(), readChains(r)
	b.Ops = readPackets(r)
	return b
}

func readPackets(r *wire.Reader) []Packet {
	n := r.Array(2)
	ops := make([]Packet, 0, r.Room(n, 2))
	for range n {
		p := Packet{Op: r.View()}
		if s := r.View(); len(s) > 0 {
			p.Signature = s
		}
		ops = append(ops, p)
	}
	return ops
}

// boundStep is how far ahead of physical time a promise on disk reaches at most that no operation will be stamped earlier: so
// far is the clock ahead after a restart. It is less than the drift that others allow, so that nobody becomes a stranger by that.
const boundStep = 200 * time.Millisecond

// Since returns the operations that this replica wrote and a peer lacks which has seen this, and those of nodes that are members
// no more, as many as fit into [Options.BatchBytes]: what [Replica.Apply] of the peer takes. Nothing is in it that is not on disk here. Where the disk does not
// give back what was on it, which is [Broken], the batch ends before that, and after [Replica.Close] it has no operations.
func (r *Replica) Since(seen clock.Vector) Batch {
	b, _ := r.since("", seen, r.handsOn) // the error was told
	return b
}

// handsOn reports whether this replica is to send what a node wrote: itself, and those who are members no more, for whom all
// do who have it. The caller holds mu.
func (r *Replica) handsOn(n clock.Node) bool {
	return crdt.Member(n) == r.opt.Node || !r.log.Epoch().Has(n)
}

// Relay is [Replica.Since] with what all others wrote too, for a peer that they can't reach. The peer takes it if its
// [Options.Relays] allows that.
func (r *Replica) Relay(seen clock.Vector) Batch {
	b, _ := r.since("", seen, func(clock.Node) bool { return true })
	return b
}

// since makes a batch for a peer; "" is one that is not known. With an error it ends where the error came.
func (r *Replica) since(peer clock.Node, seen clock.Vector, whose func(clock.Node) bool) (Batch, error) {
	r.promise()
	r.mu.Lock()
	b := Batch{Source: r.opt.Node, Table: r.table, Epoch: r.log.Epoch().Number, Seen: r.acknowledged().Clone()}
	if err := r.closed(); err != nil {
		defer r.mu.Unlock()
		return b, err
	}
	b.Behind = !r.log.Reaches(seen)
	b.Last, b.Now = r.upTo()
	var entries []*entry
	size, ops := 0, r.opt.Gate.Ops // more than one of these the gate of a peer would refuse
	if ops <= 0 {
		ops = merge.DefaultBatchOps
	}
	for op := range r.log.Since(seen) {
		if !r.seen.Has(op.Dot) {
			break // not on disk yet, nor is anything behind it
		}
		if !whose(op.Dot.Node) {
			continue
		}
		if size += op.Size + len(op.Payload.sign) + 8; len(entries) == ops || size > r.opt.BatchBytes && len(entries) > 0 {
			b.More = true
			break
		}
		if !slices.ContainsFunc(b.Chains, func(c Chain) bool { return c.Node == op.Dot.Node }) {
			before, _ := r.chainAt(op.Dot.Node, op.Dot.Seq-1)
			b.Chains = append(b.Chains, before)
		}
		entries = append(entries, op.Payload)
	}
	for node, run := range b.Seen.Runs() {
		at, _ := r.chainAt(node, run.Last)
		b.Chains = append(b.Chains, at)
	}
	if !b.More && !b.Behind && b.Seen.Covers(seen) && b.Seen.Equal(r.seen) { // then the peer will have what is here, and can compare
		r.digestFor(peer, &b)
	}
	r.mu.Unlock()
	var err error
	if b.Ops, err = r.packets(entries); err != nil {
		r.mu.Lock()
		defer r.unlock()
		if r.log.Reaches(seen) { // it was not forgotten meanwhile: the disk does not have what it had
			return b, r.fail(err)
		}
		b.Behind = true
	}
	return b, nil
}

// upTo returns the last operation that this replica wrote, as far as it is on disk, and until when it was the last; no time while
// what it wrote before may be missing here. The caller holds mu.
func (r *Replica) upTo() (last clock.Dot, now clock.Timestamp) {
	last = r.lastOwn()
	if r.lacking != nil {
		return last, now
	}
	now = r.clock.Now()
	for _, q := range r.queue {
		if q.from == "" { // what is on its way to the disk has an earlier stamp than now, and is not in the batch
			now = clock.Timestamp{Wall: q.entry.op.Stamp.Time.Wall - 1}
			break
		}
	}
	if r.disk != nil {
		now.Wall = min(now.Wall, max(r.bound, 0))
	}
	return last, now
}

// lastOwn returns the last operation of the latest incarnation that wrote one. The caller holds mu.
func (r *Replica) lastOwn() (last clock.Dot) {
	if n := r.seen.Max(r.self); n > 0 {
		return clock.Dot{Node: r.self, Seq: n}
	}
	for node, run := range r.seen.Runs() {
		if crdt.Member(node) == r.opt.Node && (last.IsZero() || isLater(node, last.Node)) {
			last = clock.Dot{Node: node, Seq: run.Last}
		}
	}
	return last
}

// isLater reports whether a is a later incarnation of a member than b: their numbers have no leading zeros.
func isLater(a, b clock.Node) bool {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) > 0
}

// packets reads operations, and returns those before the first that can't be read. What lies in a row on disk is read in
// one go.
func (r *Replica) packets(entries []*entry) ([]Packet, error) {
	const (
		row  = 512 // what is shorter is read one by one: to read in a row takes half a MiB of memory
		near = 16  // records between two of a row that are read for nothing
	)
	packets := make([]Packet, 0, len(entries))
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].bytes == nil && entries[n-1].bytes == nil &&
			entries[n].at.Sequence-entries[n-1].at.Sequence-1 < near { // what goes back is far away
			n++
		}
		if n < row {
			bytes, err := r.bytesOf(entries[0])
			if err != nil {
				return packets, err
			}
			packets, entries = append(packets, Packet{bytes, entries[0].sign}), entries[1:]
			continue
		}
		first := len(packets)
		for rec, err := range r.disk.From(entries[0].at) {
			if err != nil {
				return packets, err
			}
			e := entries[len(packets)-first]
			if rec.Position != e.at {
				continue
			}
			bytes, err := opBytes(rec.Body)
			if err != nil {
				return packets, err
			}
			if packets = append(packets, Packet{slices.Clone(bytes), e.sign}); len(packets) == first+n {
				break
			}
		}
		if len(packets) < first+n {
			return packets, segment.ErrNotFound
		}
		entries = entries[n:]
	}
	return packets, nil
}

// promise puts on disk that no operation will be stamped earlier than a little later than now. It goes by physical time: the clock is
// ahead of that after a restart, and a lead over the clock would be added to the one that it has by then.
func (r *Replica) promise() {
	r.mu.Lock()
	now := int64(0)
	if r.disk != nil {
		now = r.physical()
	}
	if r.err != nil || r.bound >= now {
		r.unlock()
		return
	}
	step := boundStep
	if r.clock.MaxDrift > 0 {
		step = min(step, r.clock.MaxDrift/2)
	}
	bound := now + int64(step)
	err := r.append(boundRecord(bound))
	r.unlock()
	if err != nil || r.commit() != nil {
		return // the promise stays what it was
	}
	r.mu.Lock()
	r.bound = max(r.bound, bound)
	r.unlock()
}

// Apply takes a batch that came from source: a member, as whatever carried the batch has authenticated it. What is new is on
// disk and in the state when Apply returns; the verdicts are those of the operations that were applied, in their order.
//
// The error wraps [ErrRefused] when the gate refused the batch: then nothing has changed. It wraps [crdt.ErrBusy] when
// operations that wait for others found no room: what came before them was taken, and the rest is to be sent again. It wraps
// [ErrBehind] when the batch leaves a gap.
func (r *Replica) Apply(source clock.Node, b Batch) ([]merge.Verdict, error) {
	return r.apply(source, &b, true)
}

// apply is Apply that makes no verdicts unless somebody asks for them.
func (r *Replica) apply(source clock.Node, b *Batch, asks bool) ([]merge.Verdict, error) {
	if err := r.isFrom(source, b); err != nil {
		return nil, err
	}
	in, refusals := r.decode(source, b)
	r.mu.Lock()
	if r.err != nil {
		defer r.mu.Unlock()
		return nil, r.err
	}
	physical := clock.Timestamp{Wall: r.physical()}
	if refusals == nil {
		r.gate.Epoch = r.log.Epoch()
		refusals = r.gate.Admit(&in.batch, physical)
		if r.standsInTheWay(source, refusals) {
			r.tell(Event{Kind: Reused, Peer: source, Code: finding.OpIDReused, Detail: "what waited under these numbers is dropped"})
			if err := r.dropHeld(); err != nil {
				defer r.unlock()
				return nil, r.fail(err)
			}
			refusals = r.gate.Admit(&in.batch, physical)
		}
	}
	var doubtful []clock.Node
	if refusals == nil {
		if refusals, doubtful = r.forks(b.Seen, b.Chains, in.batch.Ops); refusals == nil {
			for _, node := range doubtful {
				r.tellReused(source, node)
			}
		}
	}
	if refusals == nil && !b.Now.IsZero() && r.clock.MaxDrift >= 0 {
		most := r.clock.MaxDrift
		if most == 0 {
			most = clock.DefaultMaxDrift
		}
		if ahead := b.Now.Sub(physical); ahead > most {
			refusals = []merge.Refusal{{Code: finding.ClockAhead, Place: -1, Detail: fmt.Sprintf("its clock is %s ahead, the limit is %s", ahead, most)}}
		}
	}
	if refusals != nil {
		r.refuse(source, refusals)
		r.unlock()
		return nil, &RefusedError{source, refusals}
	}
	err := r.admitted(source, b, in, asks)
	last := r.queued
	r.unlock()
	if cerr := r.commitUpTo(last); cerr != nil {
		return nil, cerr
	}
	r.hear(source, b, len(doubtful) > 0)
	if err == nil && b.Behind {
		err = fmt.Errorf("apply from %s: %w", source, ErrBehind)
	}
	verdicts := in.verdicts
	in.release()
	return verdicts, err
}

// isFrom refuses a batch that says it is of another member than it came from: what that one has would count as what source has.
func (r *Replica) isFrom(source clock.Node, b *Batch) error {
	if b.Source == source {
		return nil
	}
	why := []merge.Refusal{{Code: finding.SourceMismatch, Place: -1, Detail: fmt.Sprintf("the batch is of %.60q", string(b.Source))}}
	r.mu.Lock()
	defer r.unlock()
	if err := r.closed(); err != nil {
		return err
	}
	r.refuse(source, why)
	return &RefusedError{source, why}
}

// standsInTheWay reports whether a batch was refused for nothing but operations that wait here under the names of those that
// their own writer sends: he went on from a copy of his directory, and is the one to say what he wrote. The caller holds mu.
func (r *Replica) standsInTheWay(source clock.Node, refusals []merge.Refusal) bool {
	for _, why := range refusals {
		if why.Code != finding.OpIDReused || crdt.Member(why.Dot.Node) != source || r.log.Seen().Has(why.Dot) {
			return false
		}
	}
	return len(refusals) > 0
}

// arrived is a batch that has been read.
type arrived struct {
	batch    merge.Batch
	bytes    [][]byte // of each operation, shared with it
	sums     [][16]byte
	queue    []queued
	verdicts []merge.Verdict
	reader   merge.OpReader
}

var arrivals = sync.Pool{New: func() any { return new(arrived) }}

// release gives back the memory of a batch, all of which is in the state or waits on its own.
func (in *arrived) release() {
	clear(in.batch.Ops)
	clear(in.batch.Proofs)
	clear(in.bytes)
	clear(in.queue)
	in.reader.Reuse()
	*in = arrived{
		batch: merge.Batch{Ops: in.batch.Ops[:0], Proofs: in.batch.Proofs[:0]},
		bytes: in.bytes[:0], sums: in.sums[:0], queue: in.queue[:0], reader: in.reader,
	}
	arrivals.Put(in)
}

// decode reads the operations of a batch, within the limits. Each has memory of its own, so that one can be kept without the
// rest of what came with it.
func (r *Replica) decode(source clock.Node, b *Batch) (*arrived, []merge.Refusal) {
	size, most := 0, r.opt.Gate.BatchBytes
	for i := range b.Ops {
		size += len(b.Ops[i].Op) + len(b.Ops[i].Signature)
	}
	if size > most {
		return nil, []merge.Refusal{{Code: finding.TooLarge, Place: -1, Detail: fmt.Sprintf("%d bytes, the limit is %d", size, most)}}
	}
	in, n := arrivals.Get().(*arrived), len(b.Ops)
	in.batch.Source, in.batch.Epoch, in.batch.Fingerprint = source, b.Epoch, b.Table
	in.batch.Ops = slices.Grow(in.batch.Ops, n)[:n]
	in.bytes = slices.Grow(in.bytes, n)[:n]
	in.sums = slices.Grow(in.sums, n)[:n]
	in.queue = slices.Grow(in.queue, n)
	if r.opt.Verify != nil {
		for i := range b.Ops {
			in.batch.Proofs = append(in.batch.Proofs, b.Ops[i].Signature)
		}
	}
	var refusals []merge.Refusal
	for i := range b.Ops {
		if why := r.opt.outsized(len(b.Ops[i].Op) + len(b.Ops[i].Signature)); why != nil {
			why.Place = i
			if refusals = append(refusals, *why); len(refusals) == merge.DefaultRefusals {
				break
			}
			continue
		}
		own := slices.Clone(b.Ops[i].Op)
		err := in.reader.Read(view(own), r.opt.Limits, &in.batch.Ops[i])
		if err != nil {
			if refusals = append(refusals, merge.Refusal{Code: finding.BadSyntax, Place: i, Detail: err.Error()}); len(refusals) == merge.DefaultRefusals {
				break
			}
			continue
		}
		in.bytes[i], in.sums[i] = own, merge.Sum(own)
	}
	return in, refusals
}

// view returns b as a string that shares its memory, which nobody changes from here on.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// admitted gives a batch that has passed the gate to the log, and what is due of it to the disk. The caller holds mu.
func (r *Replica) admitted(source clock.Node, b *Batch, in *arrived, asks bool) error {
	held, ops := 0, in.batch.Ops
	var verdicts *[]merge.Verdict
	if asks {
		in.verdicts = make([]merge.Verdict, 0, len(ops))
		verdicts = &in.verdicts
	}
	for i := range ops {
		op := &ops[i]
		e := r.room.entry()
		*e = entry{bytes: in.bytes[i], op: op}
		if s := b.Ops[i].Signature; len(s) > 0 {
			e.sign = slices.Clone(s)
		}
		arrival, delivered := r.log.Apply(source, crdt.Operation[*entry]{
			Dot: op.Dot, After: op.Seen, Sum: in.sums[i], Size: len(e.bytes) + len(e.sign), Payload: e,
		})
		switch arrival {
		case crdt.Duplicate:
			r.count.duplicates++
			*e = entry{} // it keeps nothing alive
			continue
		case crdt.Held:
			held++
			e.op = alone(op) // it may be kept for long
			continue
		case crdt.Delivered:
		case crdt.Busy:
			return fmt.Errorf("apply from %s: operation %d of %d: %w", source, i+1, len(ops), crdt.ErrBusy)
		default:
			r.countRefused(codeOf(arrival))
			kind := Refused
			switch arrival {
			case crdt.BelowHorizon:
				kind = Late
			case crdt.Reused:
				kind = Reused
			}
			r.tell(Event{Kind: kind, Peer: source, Op: alone(op), Code: codeOf(arrival)})
			*e = entry{}
			continue
		}
		for _, d := range delivered {
			// An error would be of a stamp out of range, which the gate does not let in.
			_ = r.clock.Observe(d.Payload.op.Stamp.Time)
			r.link(d.Dot, d.Sum, d.Payload)
			r.remember(d.Payload.op)
			if len(in.queue) == cap(in.queue) { // what waited is due too
				in.queue = make([]queued, 0, len(ops))
			}
			in.queue = append(in.queue, queued{entry: d.Payload, from: source, verdicts: verdicts})
			if err := r.enqueue(&in.queue[len(in.queue)-1]); err != nil {
				return err
			}
		}
	}
	if held > 0 {
		r.tell(Event{Kind: Held, Peer: source, Count: int64(held)})
	}
	return nil
}

// hear takes note of what a batch says of its sender.
func (r *Replica) hear(source clock.Node, b *Batch, doubtful bool) {
	r.mu.Lock()
	defer r.unlock()
	p := r.peer(source)
	r.acknowledge(source, p, b.Seen, doubtful)
	r.audit(source, p, b)
	r.caughtUp(source, b.Seen)
	if b.Now.IsZero() {
		return
	}
	p.skew = time.Duration(b.Now.Wall - r.physical())
	if p.upTo.Before(b.Now) && r.hasAllOf(source, b) {
		p.upTo = b.Now
	}
}

// hasAllOf reports whether all that the sender of a batch has of its own is here: of every incarnation, for the present one may
// have written nothing yet. The caller holds mu.
func (r *Replica) hasAllOf(source clock.Node, b *Batch) bool {
	for node, run := range b.Seen.Runs() {
		if crdt.Member(node) == source && r.seen.Prefix(node) < run.Last {
			return false
		}
	}
	return b.Last.IsZero() || crdt.Member(b.Last.Node) == source && r.seen.Prefix(b.Last.Node) >= b.Last.Seq
}

func (r *Replica) peer(n clock.Node) *peer {
	n = crdt.Member(n)
	p := r.peers[n]
	if p == nil {
		p = &peer{}
		if r.log.Epoch().Has(n) {
			r.peers[n] = p
		}
	}
	return p
}

// refuse counts and tells a refusal. The caller holds mu.
func (r *Replica) refuse(source clock.Node, refusals []merge.Refusal) {
	for _, why := range refusals {
		r.countRefused(why.Code)
		kind := Refused
		if why.Code == finding.OpIDReused {
			kind = Reused
		}
		r.tell(Event{Kind: kind, Peer: source, Code: why.Code, Detail: why.Detail})
	}
}

func (r *Replica) countRefused(code finding.Code) {
	if r.refused == nil {
		r.refused = make(map[finding.Code]int64)
	}
	r.refused[code]++
}

// RefusedError is the error of a batch that the gate refused. It wraps [ErrRefused].
type RefusedError struct {
	Source   clock.Node
	Refusals []merge.Refusal
}

// Error names the first reason and how many there are.
func (e *RefusedError) Error() string {
	s := fmt.Sprintf("batch of %s: %s: %s", e.Source, ErrRefused, e.Refusals[0])
	if n := len(e.Refusals) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Unwrap returns [ErrRefused].
func (e *RefusedError) Unwrap() error { return ErrRefused }

// acknowledge takes note of what a peer has. It does not count while the peer has other operations under these names. The
// caller holds mu.
func (r *Replica) acknowledge(source clock.Node, p *peer, seen clock.Vector, doubtful bool) {
	if !doubtful {
		// An error would be of somebody who is no member.
		_ = r.log.Acknowledge(source, seen)
		_ = r.log.Acknowledge(r.opt.Node, r.acknowledged())
	}
	p.seen.Merge(seen)
}

// acknowledged returns what this replica says that it has. What all acknowledge is folded, so every write that others have yet to
// get must have seen it: while one is on its way to the disk, what was taken into the state since it was made is left out. It is
// only to be read. The caller holds mu.
//
//	us: add 5        eu: takes 5, which is synced        says that it has it        us: folds 5
//	                 eu: delete, made before it took 5   is synced                  us: gets a delete that had not seen 5
func (r *Replica) acknowledged() clock.Vector {
	for _, q := range r.queue {
		if q.from == "" {
			return q.entry.op.Seen // with those before it of its own, all of which are in the state
		}
	}
	return r.seen
}

// forks compares chains with those known here. Where they differ and operations of that node follow, these are by another
// writer, and refused. Doubtful are the nodes of which the peer is known to have other operations: this replica's own too when
// it has more of them than were written here. The caller holds mu.
func (r *Replica) forks(seen clock.Vector, chains []Chain, ops []merge.Op) (refusals []merge.Refusal, doubtful []clock.Node) {
	if seen.Max(r.self) > r.log.Seen().Max(r.self) {
		doubtful = append(doubtful, r.self)
	}
	for _, theirs := range chains {
		own, _ := r.chainAt(theirs.Node, theirs.Seq)
		if own.Seq != theirs.Seq || !own.differs(theirs) {
			continue
		}
		doubtful = append(doubtful, theirs.Node)
		of := func(op merge.Op) bool { return op.Dot.Node == theirs.Node }
		if len(refusals) < merge.DefaultRefusals && slices.ContainsFunc(ops, of) {
			refusals = append(refusals, merge.Refusal{
				Code: finding.OpIDReused, Place: -1, Dot: clock.Dot{Node: theirs.Node, Seq: theirs.Seq},
				Detail: fmt.Sprintf("up to %d, %s wrote something else as far as is known here", theirs.Seq, theirs.Node),
			})
		}
	}
	return refusals, doubtful
}
