package replica

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/clock/wire"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// The bodies of the records of the log, in the notation of package clock/wire. What is of variable length and not read again
// often stands last, so that it can be appended without a copy. What changes its layout becomes another kind: kinds that are
// not known are refused.
//
//	operation     [1, signature (bin)] and then the bytes of the operation, which are msgpack themselves
//	epoch         [2, number, [member*], vector of what is lost]
//	bound         [3, wall]: nothing that this replica writes once it is opened anew has an earlier stamp than that
//	incarnation   [4, node, lacking]: how its operations are named from here on; whether it has to catch up before it writes
//	caught up     [5]: it has
//	beginning     [7, fingerprint, node]: under which table the directory is written from its beginning, a snapshot says what it is by
//	              then, and whose it is; 6 was this without the node
const (
	recordOp = iota + 1
	recordEpoch
	recordBound
	recordIncarnation
	recordCaughtUp
	_
	recordBeginning
)

type record struct {
	kind  uint64
	op    Packet
	epoch crdt.Epoch
	wall  int64
	node  clock.Node
	table string

	lacking bool
}

// maxOp is how many bytes an operation and its signature may have, so that they fit into a record. Who holds all in memory takes no
// larger one either, for a peer on disk has to take it from there.
const maxOp = segment.MaxRecord - 16

// outsized says that an operation of so many bytes with its signature has no place in a record, or in a batch; nil when it has.
func (o *Options) outsized(n int) *merge.Refusal {
	most := min(maxOp, o.Gate.BatchBytes)
	if n <= most {
		return nil
	}
	return &merge.Refusal{Code: finding.TooLarge, Detail: fmt.Sprintf("an operation of %d bytes with its signature, the limit is %d", n, most)}
}

// opHead appends what the record of an operation begins with.
func opHead(b []byte, signature []byte) []byte {
	w := wire.Writer{B: b}
	w.Array(2)
	w.Uint(recordOp)
	w.Bytes(signature)
	return w.B
}

func epochRecord(e crdt.Epoch) []byte {
	var w wire.Writer
	w.Array(4)
	w.Uint(recordEpoch)
	writeEpoch(&w, &e)
	return w.B
}

func writeEpoch(w *wire.Writer, e *crdt.Epoch) {
	w.Uint(e.Number)
	w.Array(len(e.Members))
	for _, m := range e.Members {
		w.Text(string(m))
	}
	w.Vector(&e.Lost)
}

func readEpoch(r *wire.Reader) (e crdt.Epoch) {
	e.Number = r.Uint()
	for range r.Array(1) {
		e.Members = append(e.Members, clock.Node(r.Text()))
	}
	e.Lost = r.Vector()
	return e
}

func boundRecord(wall int64) []byte {
	var w wire.Writer
	w.Array(2)
	w.Uint(recordBound)
	w.Uint(uint64(wall))
	return w.B
}

func incarnationRecord(n clock.Node, lacking bool) []byte {
	var w wire.Writer
	w.Array(3)
	w.Uint(recordIncarnation)
	w.Text(string(n))
	w.Bool(lacking)
	return w.B
}

func beginningRecord(fingerprint string, n clock.Node) []byte {
	var w wire.Writer
	w.Array(3)
	w.Uint(recordBeginning)
	w.Text(fingerprint)
	w.Text(string(n))
	return w.B
}

func caughtUpRecord() []byte {
	var w wire.Writer
	w.Array(1)
	w.Uint(recordCaughtUp)
	return w.B
}

// opBytes returns the part of a body that is the bytes of an operation.
func opBytes(body []byte) ([]byte, error) {
	r := wire.Reader{S: view(body)}
	r.Tuple(2)
	if r.Uint() != recordOp {
		r.Refuse("a record that is no operation")
	}
	r.View()
	return body[len(body)-len(r.S):], r.Err
}

// readRecord reads a body. What it returns shares memory with nothing but itself.
func readRecord(body []byte) (rec record, err error) {
	r := wire.Reader{S: string(body)}
	n := r.Array(1)
	rec.kind = r.Uint()
	switch {
	case rec.kind == recordOp && n == 2:
		rec.op.Signature = r.Bytes()
		if r.Err == nil {
			rec.op.Op = []byte(r.S)
			return rec, nil
		}
	case rec.kind == recordEpoch && n == 4:
		rec.epoch = readEpoch(&r)
	case rec.kind == recordBound && n == 2:
		rec.wall = int64(min(r.Uint(), uint64(clock.MaxWall)))
	case rec.kind == recordIncarnation && n == 3:
		rec.node, rec.lacking = clock.Node(r.Text()), r.Bool()
	case rec.kind == recordCaughtUp && n == 1:
	case rec.kind == recordBeginning && n == 3:
		rec.table, rec.node = r.Text(), clock.Node(r.Text())
	default:
		r.Refuse("a record of kind %d", rec.kind)
	}
	return rec, r.End()
}

// A snapshot is a head, the records of all keys as [merge.State.AppendRecord] writes them, and an end, each with its length
// before it in four bytes; the end has none. It may hold parts of operations that come after its position in the log:
// applying them again changes nothing. The head is
//
//	[version, table, incarnation, backup, lacking, foreign, wall, oldest, log (bin), ahead, above, [(node, number, sum)*], [(node, number, sum)*],
//	[(request, node, number)*], [(operation (bin), signature (bin))*]]
//
// lacking says that it has to catch up before it writes, foreign that state was taken over from a peer, some of which may hold what
// is in ahead and be folded up to above. There follow the chains of all nodes and then the trails of what the log has forgotten, and
// oldest is the sequence of the oldest record of the log that holds an operation which some member may still lack. The operations
// are those that were in no record before the snapshot, as when this replica started over: what the log counts as delivered
// is in the state, and what it does not comes next. There they are in one piece with the state that they belong to; what is
// appended to the log is so by operation, in the order in which they were delivered, and behind all that they depend on.
//
// The version moves with every change of this.
const snapshotVersion = 4

type head struct {
	table    string
	self     clock.Node
	backup   bool
	lacking  bool
	foreign  bool
	wall     int64
	oldest   uint64
	log      []byte
	ahead    clock.Vector
	above    clock.Vector
	chains   []Chain
	trails   []Chain
	requests []requestOf
	ops      []Packet
}

type requestOf struct {
	id  string
	dot clock.Dot
}

func (h *head) append(b []byte) ([]byte, error) {
	w := wire.Writer{B: b}
	w.Array(15)
	w.Uint(snapshotVersion)
	w.Text(h.table)
	w.Text(string(h.self))
	w.Bool(h.backup)
	w.Bool(h.lacking)
	w.Bool(h.foreign)
	w.Uint(uint64(h.wall))
	w.Uint(h.oldest)
	w.Bytes(h.log)
	w.Vector(&h.ahead)
	w.Vector(&h.above)
	writeChains(&w, h.chains)
	writeChains(&w, h.trails)
	w.Array(3 * len(h.requests))
	for _, q := range h.requests {
		w.Text(q.id)
		w.Dot(q.dot)
	}
	writePackets(&w, h.ops)
	return w.B, w.Err
}

func writeChains(w *wire.Writer, chains []Chain) {
	w.Array(3 * len(chains))
	for _, c := range chains {
		w.Node(c.Node)
		w.Uint(c.Seq)
		w.Bytes(c.Sum[:])
	}
}

func readChains(r *wire.Reader) (chains []Chain) {
	for range r.Array(3) {
		c := Chain{Node: r.Node(), Seq: r.Uint(), Sum: readSum(r)}
		chains = append(chains, c)
	}
	return chains
}

func readSum(r *wire.Reader) (sum [16]byte) {
	b := r.Bytes()
	if len(b) != len(sum) {
		r.Refuse("a sum of %d bytes", len(b))
	}
	copy(sum[:], b)
	return sum
}

func readHead(data []byte) (h head, err error) {
	r := wire.Reader{S: string(data)}
	readVersion(&r, "a snapshot", snapshotVersion, 15)
	h.table, h.self = r.Text(), clock.Node(r.Text())
	h.backup, h.lacking, h.foreign = r.Bool(), r.Bool(), r.Bool()
	h.wall, h.oldest, h.log = int64(min(r.Uint(), uint64(clock.MaxWall))), r.Uint(), r.Bytes()
	h.ahead, h.above = r.Vector(), r.Vector()
	h.chains, h.trails = readChains(&r), readChains(&r)
	for range r.Array(3) {
		h.requests = append(h.requests, requestOf{r.Text(), r.Dot()})
	}
	h.ops = readPackets(&r)
	return h, r.End()
}

// recover opens the log and brings the replica to where it was.
func (r *Replica) recover(dir string) error {
	disk, _, err := segment.Open(dir, segment.Options{FS: r.opt.FS})
	if err != nil {
		return err
	}
	r.disk = disk
	if err := r.restore(); err != nil {
		return errors.Join(err, disk.Close())
	}
	return nil
}

func (r *Replica) restore() error {
	at, from, err := r.disk.Snapshot()
	var h head
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := r.begins(); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		h, err = r.load(from, at)
		if err = errors.Join(err, from.Close()); err != nil {
			return fmt.Errorf("read snapshot: %w", err)
		}
	}
	// What comes before the snapshot is only put back into the log, for those who lack it.
	var kept []crdt.Operation[*entry]
	r.last = at
	latest := clocks{own: clock.Timestamp{Wall: h.wall}, others: clock.Clock{MaxDrift: -1}}
	isBack := false
	for rec, err := range r.disk.From(segment.Position{Sequence: h.oldest}) {
		if err != nil {
			return err
		}
		r.last = rec.Position
		before := rec.Position.Sequence <= at.Sequence
		if !before && !isBack {
			if err := r.putBack(kept, h.ops); err != nil {
				return err
			}
			isBack = true
		}
		if err := r.redo(rec, before, &kept, &latest); err != nil {
			return fmt.Errorf("record %d: %w", rec.Position.Sequence, err)
		}
	}
	if !isBack {
		if err := r.putBack(kept, h.ops); err != nil {
			return err
		}
	}
	// What was promised holds if the bound has passed too: physical time may go back from here.
	if err := r.clock.Restore(latest.own, latest.others.Last(), clock.Timestamp{Wall: r.bound}); err != nil {
		return err
	}
	if r.moved {
		if err := r.checkpoint(); err != nil {
			return err
		}
	}
	if !h.backup || r.self != h.self {
		return nil
	}
	if err := r.reincarnate(clock.Dot{}); err != nil {
		return err
	}
	if err := r.drain(); err != nil {
		return err
	}
	return r.checkpoint()
}

// putBack puts what was delivered before the snapshot back into the log, and what stands in the snapshot itself into the state
// too, where it is not there yet.
func (r *Replica) putBack(kept []crdt.Operation[*entry], own []Packet) error {
	ops := make(map[clock.Dot]*merge.Op)
	for _, p := range own {
		op, err := merge.DecodeOp(p.Op, widest)
		if err != nil {
			return err
		}
		ops[op.Dot] = &op
		kept = append(kept, logged(&op, &entry{bytes: slices.Clone(p.Op), sign: slices.Clone(p.Signature)}, p.Op))
	}
	rest, err := r.log.Retain(kept)
	if err != nil {
		return err
	}
	for _, next := range rest {
		op := ops[next.Dot]
		if op == nil {
			return fmt.Errorf("operation %s before the snapshot is not in it", next.Dot)
		}
		if arrival, _ := r.log.Apply(next.Dot.Node, next); arrival != crdt.Delivered {
			return fmt.Errorf("operation %s of the snapshot is %s", next.Dot, arrival)
		}
		if err := r.again(op, next.Sum, next.Payload); err != nil {
			return err
		}
	}
	r.resum()
	return nil
}

// again takes an operation that was read from the disk into the state.
func (r *Replica) again(op *merge.Op, sum [16]byte, e *entry) error {
	r.link(op.Dot, sum, e)
	r.remember(op)
	if _, err := r.state.Apply(*op); err != nil {
		return err
	}
	r.seen.Add(op.Dot)
	return nil
}

// logged returns what the log knows of an operation.
func logged(op *merge.Op, e *entry, bytes []byte) crdt.Operation[*entry] {
	return crdt.Operation[*entry]{Dot: op.Dot, After: op.Seen, Sum: merge.Sum(bytes), Size: len(bytes), Payload: e}
}

// widest is how what this replica has is read again: what came into it has passed the limits of its time.
var widest = merge.Limits{Value: value.Limits{Depth: value.MaxDepth, Bytes: math.MaxInt32, Members: math.MaxInt32}}

// begins reports what is no beginning of a log: one that has no snapshot says first whose it is and under which table it is
// written, unless it is what is left of a backup.
func (r *Replica) begins() error {
	for first, err := range r.disk.From(segment.Position{}) {
		if err != nil {
			return err
		}
		if rec, err := readRecord(first.Body); err == nil && rec.kind != recordBeginning {
			return errors.New("the directory holds a backup that was not completed")
		}
		break
	}
	return nil
}

// clocks are the stamps of a log: the latest that was issued here, and what those of others moved a clock to that was as far as
// it let itself be moved.
type clocks struct {
	own    clock.Timestamp
	others clock.Clock
}

// redo takes one record of the log.
func (r *Replica) redo(from segment.Record, before bool, kept *[]crdt.Operation[*entry], latest *clocks) error {
	rec, err := readRecord(from.Body)
	if err != nil {
		return err
	}
	switch rec.kind {
	case recordEpoch:
		if before {
			return nil
		}
		defer r.lackNoOthers()
		return r.log.Enter(rec.epoch)
	case recordBound:
		r.bound = max(r.bound, rec.wall)
		return nil
	case recordIncarnation:
		if !before {
			r.self = rec.node
			if rec.lacking {
				r.lackAll()
			}
		}
		return nil
	case recordCaughtUp:
		if !before {
			r.lacking = nil
		}
		return nil
	case recordBeginning:
		if err := r.isOf(rec.node); err != nil || before || rec.table == r.table {
			return err
		}
		r.moved = true // all is applied under the new one as it is
		return r.isWas(rec.table)
	}
	op, err := merge.DecodeOp(rec.op.Op, widest)
	if err != nil {
		return err
	}
	switch {
	case crdt.Member(op.Dot.Node) != r.opt.Node:
		_ = latest.others.Observe(op.Stamp.Time) // as it was observed when it came: an error moves no clock
	case latest.own.Before(op.Stamp.Time):
		latest.own = op.Stamp.Time
	}
	e := &entry{at: from.Position, sign: rec.op.Signature}
	logged := logged(&op, e, rec.op.Op)
	if before {
		*kept = append(*kept, logged)
		return nil
	}
	switch arrival, _ := r.log.Apply(op.Dot.Node, logged); arrival {
	case crdt.Delivered:
		return r.again(&op, logged.Sum, e)
	case crdt.Duplicate:
		if known, ok := r.log.Find(op.Dot); ok && known.Payload.at == (segment.Position{}) { // it was in the snapshot
			known.Payload.at, known.Payload.bytes = from.Position, nil
		}
		return nil
	case crdt.BelowHorizon:
		return nil
	default:
		return fmt.Errorf("operation %s is %s", op.Dot, arrival)
	}
}

// load reads the snapshot of a position.
func (r *Replica) load(from io.Reader, at segment.Position) (h head, err error) {
	in := bufio.NewReaderSize(from, 1<<16)
	var part []byte
	next := func() error {
		var size [4]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return err
		}
		n := int64(binary.BigEndian.Uint32(size[:]))
		part = part[:0]
		for int64(len(part)) < n { // by what is there, and not by what is declared
			piece := min(n-int64(len(part)), 1<<20)
			at := len(part)
			part = append(part, make([]byte, piece)...)
			if _, err := io.ReadFull(in, part[at:]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := next(); err != nil {
		return h, err
	}
	if h, err = readHead(part); err != nil {
		return h, err
	}
	if err := r.isOf(h.self); err != nil {
		return h, err
	}
	into := r.state
	if h.table != r.table {
		if err := r.isWas(h.table); err != nil {
			return h, err
		}
		into = newState(r.opt.Was)
		r.moved = true
	}
	if err := r.log.Decode(h.log, crdt.Limits{}); err != nil {
		return h, err
	}
	r.self, r.bound, r.foreign = h.self, h.wall, h.foreign
	r.ahead, r.above = h.ahead, h.above
	if h.lacking {
		r.lackAll()
	}
	r.seen = r.log.Seen().Clone()
	for _, c := range h.chains {
		r.chains[c.Node] = &chain{c.Seq, c.Sum}
	}
	for _, c := range h.trails {
		r.trails[c.Node] = append(r.trails[c.Node], chain{c.Seq, c.Sum})
	}
	for _, q := range h.requests {
		r.requests.add(q.id, q.dot)
	}
	for {
		if err := next(); err != nil {
			return h, err
		}
		if len(part) == 0 {
			r.settled = r.log.Horizon().Clone()
			if r.moved {
				if err := r.move(into, at); err != nil {
					return h, err
				}
			}
			r.state.Settle(r.settled)
			return h, nil
		}
		if _, _, err := into.MergeRecord(part, widest); err != nil {
			return h, err
		}
	}
}

// isOf reports a directory of another node than this one, as any incarnation of it.
func (r *Replica) isOf(node clock.Node) error {
	if crdt.Member(node) != r.opt.Node {
		return fmt.Errorf("%w: the directory is that of %q, not of %q", ErrNode, string(crdt.Member(node)), string(r.opt.Node))
	}
	return nil
}

// isWas reports a directory that was written under a table from which nobody said to go over.
func (r *Replica) isWas(table string) error {
	if r.opt.Was == nil {
		return fmt.Errorf("%w: the directory was written under %s, this is %s", ErrTable, table, r.table)
	}
	if was := r.opt.Was.Fingerprint(); was != table {
		return fmt.Errorf("%w: the directory was written under %s, neither %s nor %s, which it is said to have been", ErrTable, table, r.table, was)
	}
	return nil
}

// move takes the state under the former table, as of a position in the log, over into one under the present table.
func (r *Replica) move(from *merge.State, at segment.Position) error {
	anew := make(map[string]bool)
	first := ""
	for _, key := range from.Keys(0, from.Len()) {
		if !r.state.Carry(from, key) {
			anew[key] = true
			if first == "" {
				first = key
			}
		}
	}
	if len(anew) == 0 {
		return nil
	}
	cant := func(why string, args ...any) error {
		return fmt.Errorf("%w: %d keys are decided otherwise than before, %q for one, and can't be folded anew: %s", ErrTable, len(anew), first, fmt.Sprintf(why, args...))
	}
	if r.foreign {
		return cant("part of the state was taken over from a peer")
	}
	var there clock.Vector
	var ops []merge.Op
	for rec, err := range r.disk.From(segment.Position{}) {
		if err != nil {
			return err
		}
		if rec.Position.Sequence > at.Sequence {
			break
		}
		read, err := readRecord(rec.Body)
		if err != nil {
			return err
		}
		if read.kind != recordOp {
			continue
		}
		op, err := merge.DecodeOp(read.op.Op, widest)
		if err != nil {
			return err
		}
		there.Add(op.Dot)
		if anew[op.Key] {
			ops = append(ops, op)
		}
	}
	if !there.Covers(r.log.Seen()) {
		return cant("the log begins at record %d, and no longer holds all that was written", r.disk.First())
	}
	for i := range ops {
		if _, _, err := r.state.Take(&ops[i], nil, nil); err != nil {
			return cant("%v", err)
		}
	}
	return nil
}

// Maintain forgets what every member has acknowledged, writes a snapshot of the state, and removes what is no longer needed
// of the log. A write calls it by itself when the log has grown by [Options.SnapshotBytes]; a service that would rather not
// have a write wait for it calls it from a goroutine of its own, more often than that. Others read and write meanwhile. The error of
// the last one is in [Status.Maintained], for one that a write called is not that of the write: when a snapshot can't be
// written, the one before it stays, and the log goes on.
func (r *Replica) Maintain() error {
	if !r.maintaining.TryLock() {
		return nil // somebody is at it
	}
	r.mu.Lock()
	// What arrived and is on its way to the disk may not have seen what the log takes to be known everywhere, because it has that.
	if r.err == nil && r.drain() == nil {
		r.settle()
	}
	r.grown = 0
	err, save := r.err, r.disk != nil && r.err == nil
	r.mu.Unlock()
	if save {
		err = r.snapshot()
	}
	r.mu.Lock()
	r.unkept = err
	r.mu.Unlock()
	r.maintaining.Unlock()
	r.tellAll()
	return err
}

// settle folds what every member has, and forgets it. The caller holds mu, and the queue is empty.
func (r *Replica) settle() {
	_ = r.log.Acknowledge(r.opt.Node, r.seen) // an error would be of one that is no member any more
	r.forgets(r.log.Horizon())
	// After a restart there may be nothing to forget, and still it has to be known how far all is folded.
	if r.log.Compact() > 0 || !r.settled.Equal(r.log.Horizon()) {
		r.settled = r.log.Horizon().Clone()
		r.state.Settle(r.settled)
		r.digests.all()
	}
}

// snapshotKeys is how many keys a snapshot takes at a time.
const snapshotKeys = 256

// snapshot writes the state as it is, piece by piece, and drops what it makes superfluous of the log. The caller holds
// maintaining.
func (r *Replica) snapshot() error {
	r.mu.Lock()
	err := r.drain() // the head must be of one moment: what is on its way is in the state before it
	var h *head
	at := r.last
	if err == nil {
		h, err = r.head(false)
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	if err := r.disk.WriteSnapshot(at, func(out io.Writer) error { return r.save(out, h, &r.mu) }); err != nil {
		if r.disk.Sync() != nil { // it was the log that failed
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.fail(err)
		}
		return err // the former snapshot stays, and the log goes on from there
	}
	// What neither a restart nor a peer needs goes, but for what is kept for dry runs.
	return r.disk.Drop(segment.Position{Sequence: min(h.oldest, r.disk.Tail(r.opt.KeepBytes).Sequence)})
}

// checkpoint writes a snapshot while the caller holds mu, with operations that come next.
func (r *Replica) checkpoint(next ...*queued) error {
	if r.disk == nil {
		return nil
	}
	h, err := r.head(false)
	if err != nil {
		return r.fail(err)
	}
	for _, q := range next {
		h.ops = append(h.ops, Packet{q.entry.bytes, q.entry.sign})
	}
	if err := r.disk.WriteSnapshot(r.last, func(out io.Writer) error { return r.save(out, h, noLock{}) }); err != nil {
		return r.fail(err)
	}
	return nil
}

type noLock struct{}

func (noLock) Lock()   {}
func (noLock) Unlock() {}

func (r *Replica) head(backup bool) (*head, error) {
	logged, err := r.log.Encode(nil)
	if err != nil {
		return nil, err
	}
	r.forgets(r.log.Horizon()) // the log that is read again begins there
	h := &head{
		table: r.table, self: r.self, backup: backup, lacking: r.lacking != nil, foreign: r.foreign, ahead: r.ahead.Clone(), above: r.above.Clone(), log: logged,
		wall: max(r.clock.Last().Wall, r.bound), oldest: r.last.Sequence + 1,
	}
	for op := range r.log.Since(clock.Vector{}) { // after a restart not in the order of the disk
		if e := op.Payload; e.bytes != nil {
			h.ops = append(h.ops, Packet{e.bytes, e.sign})
		} else {
			h.oldest = min(h.oldest, e.at.Sequence)
		}
	}
	h.chains, h.trails = sorted(r.chains), r.allTrails()
	for id, dot := range r.requests.all {
		h.requests = append(h.requests, requestOf{id, dot})
	}
	return h, nil
}

// save writes a snapshot. It is no snapshot of one moment but for its head; see there.
func (r *Replica) save(out io.Writer, h *head, mu sync.Locker) error {
	b, err := h.append(make([]byte, 4))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<18)
	put := func(b []byte) error {
		binary.BigEndian.PutUint32(b, uint32(len(b)-4))
		_, err := w.Write(b)
		return err
	}
	if err := put(b); err != nil {
		return err
	}
	for at := 0; ; at += snapshotKeys {
		mu.Lock()
		keys := r.state.Keys(at, snapshotKeys)
		var pieces [][]byte
		for _, key := range keys {
			piece, err := r.state.AppendRecord(make([]byte, 4, 256), key)
			if err != nil {
				mu.Unlock()
				return err
			}
			pieces = append(pieces, piece)
		}
		mu.Unlock()
		for _, piece := range pieces {
			if err := put(piece); err != nil {
				return err
			}
		}
		if len(keys) < snapshotKeys {
			break
		}
	}
	if err := put(make([]byte, 4)); err != nil {
		return err
	}
	// The records may hold operations that came after the head. They must be on disk before the snapshot is, or a crash
	// would leave the effect of an operation that never was.
	if err := r.disk.Sync(); err != nil {
		return err
	}
	return w.Flush()
}

// codeOf returns the finding that an answer of the log is, "" when it is none.
func codeOf(a crdt.Arrival) finding.Code {
	switch a {
	case crdt.Reused:
		return finding.OpIDReused
	case crdt.BelowHorizon:
		return finding.BelowGCHorizon
	case crdt.Stranger:
		return finding.UnknownNode
	case crdt.Invalid:
		return finding.BadField
	}
	return ""
}
