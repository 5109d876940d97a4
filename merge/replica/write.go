package replica

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Write is one local write: one atomic change to one key.
type Write struct {
	Key    string
	Kind   merge.Kind
	Fields []merge.Field // none for a delete of the whole record

	// Version is the application's own version, 0 when it has none.
	Version uint64

	// Request is the id of the request that the write carries out, "" when it has none: a write with the id of one of the
	// last [Options.Requests] is not made again, be it after a crash. One that goes on from a backup knows those that it
	// gets back as operations; of what comes back as merged state, because the log of the peer no longer has it, the ids are
	// not known.
	Request string
}

// Receipt says that a write is on disk, under what name, and what became of it so far.
type Receipt struct {
	Dot      clock.Dot // the name of the operation
	Stamp    lww.Stamp // the claim it makes; zero when Repeated
	Verdicts []merge.Verdict

	// Repeated says that the request had been carried out before, as Dot. Nothing was written now.
	Repeated bool
}

// Set gives a field a value. See [Replica.Write] for what a receipt promises, and package value for how values are made: a
// text is value.Text("shipped").
func (r *Replica) Set(key, field string, v value.Value) (Receipt, error) {
	return r.Write(Write{Key: key, Fields: []merge.Field{{Name: field, Value: v}}})
}

// Delete deletes a field of a key.
func (r *Replica) Delete(key, field string) (Receipt, error) {
	return r.Write(Write{Key: key, Kind: merge.Delete, Fields: []merge.Field{{Name: field}}})
}

// DeleteRecord deletes all fields of a key.
func (r *Replica) DeleteRecord(key string) (Receipt, error) {
	return r.Write(Write{Key: key, Kind: merge.Delete})
}

// Write makes a write and returns when it is on disk and in the state. Writes that wait together share a sync. After an
// error that wraps [ErrBroken] nobody knows whether it was made: open the replica anew and repeat it with its request. After any
// other error nothing was written.
func (r *Replica) Write(w Write) (Receipt, error) {
	if r.opt.Quorum != nil && r.critical(&w) {
		if err := r.opt.Quorum(w.Key); err != nil {
			return Receipt{}, fmt.Errorf("write %q: %w", w.Key, err)
		}
	}
	r.mu.Lock()
	if r.err != nil {
		defer r.mu.Unlock()
		return Receipt{}, r.err
	}
	if dot, ok := r.requests.find(w.Request); ok {
		r.unlock()
		return r.repeat(dot)
	}
	if r.lacking != nil {
		defer r.unlock()
		return Receipt{}, fmt.Errorf("write %q: %w", w.Key, r.restored())
	}
	op := merge.Op{
		Key: w.Key, Kind: w.Kind, Fields: w.Fields, ID: w.Request,
		Stamp: lww.Stamp{Version: w.Version, Time: r.clock.Now(), Node: r.opt.Node},
		Dot:   r.log.Seen().Next(r.self),
		Seen:  r.seen.Clone(), // what others sent and is on its way to the disk has not been seen by anybody
	}
	op.Seen.AddUp(r.self, op.Dot.Seq-1) // but a node has seen its own writes
	receipt := Receipt{Dot: op.Dot, Stamp: op.Stamp}
	err := r.issue(&op, &receipt.Verdicts)
	last := r.queued
	if err != nil {
		r.unlock()
		return Receipt{}, fmt.Errorf("write %q: %w", w.Key, err)
	}
	r.unlock()
	if err := r.commitUpTo(last); err != nil {
		return Receipt{}, err
	}
	return receipt, nil
}

// restored says why nothing is written yet.
func (r *Replica) restored() error {
	return fmt.Errorf("%w with %v", ErrRestored, slices.Sorted(maps.Keys(r.lacking)))
}

// critical reports whether a write is about something that must not be merged.
func (r *Replica) critical(w *Write) bool {
	for _, f := range w.Fields {
		if r.opt.Table.Rule(w.Key, f.Name).Name == "refuse" {
			return true
		}
	}
	if len(w.Fields) > 0 {
		return false
	}
	isRefuse := func(rule *merge.Rule) bool { return rule.Name == "refuse" }
	return slices.ContainsFunc(r.opt.Table.RulesOf(w.Key), isRefuse) // a delete of the whole record is about every field
}

// issue gives an operation of this replica to the log and the disk, and keeps it until it is in the state. The caller holds mu.
func (r *Replica) issue(op *merge.Op, verdicts *[]merge.Verdict) error {
	e, err := r.prepare(op)
	if err != nil {
		return err
	}
	return r.deliver(op, &queued{entry: e, verdicts: verdicts})
}

// prepare returns what the log is to keep of an operation of this replica, or why nobody would read it. The caller holds mu.
func (r *Replica) prepare(op *merge.Op) (*entry, error) {
	canonical, err := op.AppendBinary(r.room.bytes[:0])
	if err != nil {
		return nil, err
	}
	r.room.bytes = canonical
	// What a peer would not read, or its gate would refuse, must not be written: nothing after it would ever get there.
	if why := r.unreadable(op, len(canonical)); why != nil {
		return nil, &RefusedError{r.opt.Node, []merge.Refusal{*why}}
	}
	r.own.Epoch = r.log.Epoch()
	r.room.ops = append(r.room.ops[:0], *op)
	batch := merge.Batch{Source: r.opt.Node, Epoch: r.own.Epoch.Number, Fingerprint: r.table, Ops: r.room.ops}
	if why := r.own.Admit(&batch, op.Stamp.Time); why != nil {
		return nil, &RefusedError{r.opt.Node, why}
	}
	e := r.room.entry()
	*e = entry{bytes: slices.Clone(canonical), op: op}
	if r.opt.Sign != nil {
		e.sign = slices.Clone(r.opt.Sign(e.bytes))
	}
	if why := r.opt.outsized(len(e.bytes) + len(e.sign)); why != nil {
		why.Dot = op.Dot
		return nil, &RefusedError{r.opt.Node, []merge.Refusal{*why}}
	}
	return e, nil
}

// deliver gives an operation that was prepared to the log and the disk. The caller holds mu.
func (r *Replica) deliver(op *merge.Op, q *queued) error {
	bytes := q.entry.bytes
	sum := merge.Sum(bytes)
	arrival, _ := r.log.Apply(r.opt.Node, crdt.Operation[*entry]{Dot: op.Dot, After: op.Seen, Sum: sum, Size: len(bytes), Payload: q.entry})
	if arrival != crdt.Delivered {
		return fmt.Errorf("operation %s: %w", op.Dot, arrival.Err())
	}
	r.link(op.Dot, sum, q.entry)
	r.requests.add(op.ID, op.Dot)
	return r.enqueue(q)
}

// unreadable says why a replica with the limits of this one would not read an operation, and nothing if it does.
func (r *Replica) unreadable(op *merge.Op, size int) *merge.Refusal {
	limits := &r.opt.Limits
	refuse := func(code finding.Code, format string, args ...any) *merge.Refusal {
		return &merge.Refusal{Code: code, Dot: op.Dot, Detail: fmt.Sprintf(format, args...)}
	}
	if limits.Bytes > 0 && size > limits.Bytes {
		return refuse(finding.TooLarge, "%d bytes, the limit is %d", size, limits.Bytes)
	}
	if limits.Entries > 0 {
		runs := 0
		for range op.Seen.Runs() {
			runs++
		}
		if n := 3 * max(runs, len(op.Fields)); n > limits.Entries {
			return refuse(finding.TooLarge, "an array of %d, the limit is %d", n, limits.Entries)
		}
	}
	for i := range op.Fields {
		f := &op.Fields[i]
		for _, v := range [...]value.Value{f.Value, f.Before} {
			if v.IsAbsent() {
				continue
			}
			if err := v.Check(limits.Value); err != nil {
				code := finding.BadSyntax
				if why := (*value.Error)(nil); errors.As(err, &why) {
					code = why.Code
				}
				return refuse(code, "field %.60q: %v", f.Name, err)
			}
		}
	}
	return nil
}

// remember keeps the request of an operation that was read, if it was made here: it may come back from a peer, to one that goes
// on from a backup.
func (r *Replica) remember(op *merge.Op) {
	if crdt.Member(op.Dot.Node) == r.opt.Node {
		r.requests.add(strings.Clone(op.ID), op.Dot) // which else keeps all that was read with it
	}
}

// repeat answers a request that was carried out before, once that is on disk.
func (r *Replica) repeat(dot clock.Dot) (Receipt, error) {
	if err := r.commit(); err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{Dot: dot, Repeated: true}
	r.mu.Lock()
	defer r.unlock()
	found, ok := r.log.Find(dot)
	if !ok {
		return receipt, nil
	}
	bytes, err := r.bytesOf(found.Payload)
	if err != nil { // what is kept is on the disk, or was
		return receipt, r.fail(err)
	}
	op, err := merge.DecodeOp(bytes, widest)
	if err != nil {
		return receipt, err
	}
	receipt.Stamp = op.Stamp
	receipt.Verdicts, err = r.state.Apply(op) // again, which changes nothing
	return receipt, err
}

func (r *Replica) bytesOf(e *entry) ([]byte, error) {
	if e.bytes != nil {
		return e.bytes, nil
	}
	body, err := r.disk.Read(e.at)
	if err != nil {
		return nil, err
	}
	return opBytes(body)
}

// requests remembers the latest request ids.
type requests struct {
	most int
	dots map[string]clock.Dot
	ring []string // the order in which they came; it begins at next once it is full
	next int
}

func (q *requests) find(id string) (clock.Dot, bool) {
	if id == "" {
		return clock.Dot{}, false
	}
	d, ok := q.dots[id]
	return d, ok
}

func (q *requests) add(id string, d clock.Dot) {
	if id == "" {
		return
	}
	if q.dots == nil {
		q.dots = make(map[string]clock.Dot)
	}
	if _, known := q.dots[id]; known {
		q.dots[id] = d
		return
	}
	if len(q.ring) < q.most {
		q.ring = append(q.ring, id)
	} else {
		delete(q.dots, q.ring[q.next])
		q.ring[q.next] = id
		q.next = (q.next + 1) % q.most
	}
	q.dots[id] = d
}

// all yields the ids, oldest first.
func (q *requests) all(yield func(string, clock.Dot) bool) {
	for i := range q.ring {
		id := q.ring[(q.next+i)%len(q.ring)]
		if !yield(id, q.dots[id]) {
			return
		}
	}
}
