package replica

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/clock/wire"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// Replicas ask and answer in these messages, in the notation of package clock/wire:
//
//	ask for operations   [version, 1, table, epoch, seen, chains of all nodes: [(node, number, sum)*]]
//	answer               a batch, and behind it the chains as the answerer knows them, and the name of its incarnation
//	ask for digests      [version, 2, table, epoch, [(level, prefix)*]]
//	answer               [seen, settled, whether all is folded alike, [(node, number, sum)*] of all nodes, [sum*]], 16 sums for each
//	ask for records      [version, 3, table, epoch, [[bucket, [(key, sum)*]]*]]
//	answer               [n, seen, settled, [record (bin)*]]: of the first n of these buckets, as many as a message holds, those that
//	                     the asker does not have, or not like this, with what they may hold, and up to where they may be folded
//	ask for chains       [version, 4, table, epoch, [(node, number, sum)*]]
//	answer               the chains up to these numbers, with a sum of zero where it isn't known; asked for none, those that go with the state
//	an error             [0, text]
const (
	askOps = iota + 1
	askDigests
	askRecords
	askChains
)

// messageVersion is the version of all of these, and of what a digest is made of. It moves with every change of either. Before
// it was written, the first number of a message was its kind.
const messageVersion = 7

// maxAsk bounds what one message asks for, maxBuckets for the records of how many buckets a replica asks at once.
const (
	maxAsk     = 4096
	maxBuckets = 256
)

// Serve answers a message of a peer: what the ask of its [Replica.Pull] carries here and back. Source is the member who asks,
// as whatever carried the message has authenticated it. Serve changes nothing, but that the peer's word on what it has seen is
// taken note of. Any bytes are answered, with a text that says what is wrong with them if need be.
func (r *Replica) Serve(source clock.Node, request []byte) []byte {
	answer, err := r.answer(source, request)
	if err != nil {
		var w wire.Writer
		w.Array(2)
		w.Uint(0)
		w.Text(err.Error())
		return w.B
	}
	return answer
}

func (r *Replica) answer(source clock.Node, request []byte) ([]byte, error) {
	q := wire.Reader{S: string(request), MaxEntries: 1 << 20}
	items := q.Array(1)
	if v := q.Uint(); v != messageVersion {
		q.Refuse("a message of version %d, known is %d", v, messageVersion)
	}
	kind, table, epoch := q.Uint(), q.Text(), q.Uint()
	if q.Err != nil {
		return nil, q.Err
	}
	if table != r.table {
		return nil, fmt.Errorf("%s: it runs the table %.40q, we run %s", finding.RuleMismatch, table, r.table)
	}
	r.mu.Lock()
	own, err, broken := r.log.Epoch(), r.closed(), r.err
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if !own.Has(source) {
		return nil, fmt.Errorf("%s: %q is no member", finding.UnknownNode, string(source))
	}
	if epoch != own.Number {
		return nil, fmt.Errorf("%s: it is in epoch %d, we are in %d", finding.EpochMismatch, epoch, own.Number)
	}
	if want := questionItems(kind); items != want {
		return nil, fmt.Errorf("a message of kind %d with %d parts", kind, items)
	}
	if broken != nil && kind != askOps { // its state may not be the one on its disk
		return nil, broken
	}
	switch kind {
	case askOps:
		seen, chains := q.Vector(), readChains(&q)
		if err := q.End(); err != nil {
			return nil, err
		}
		return r.answerOps(source, seen, chains)
	case askDigests:
		n := q.Array(2)
		if n > maxAsk {
			q.Refuse("%d digests, the limit is %d", n, maxAsk)
		}
		var at [][2]int
		for range n {
			level, prefix := q.Uint(), q.Uint()
			if level >= treeDepth || prefix >= 1<<(4*level) {
				q.Refuse("no node of the tree")
				break
			}
			at = append(at, [2]int{int(level), int(prefix)})
		}
		if err := q.End(); err != nil {
			return nil, err
		}
		return r.answerDigests(at)
	case askRecords:
		n := q.Array(1)
		if n == 0 || n > maxAsk {
			q.Refuse("%d buckets, the limit is %d", n, maxAsk)
		}
		var asked []bucket
		for range n {
			q.Tuple(2)
			b := bucket{place: q.Uint(), has: make(map[string][16]byte)}
			for range q.Array(2) {
				key := q.Text()
				b.has[key] = readSum(&q)
			}
			if b.place >= buckets {
				q.Refuse("no bucket")
			}
			if q.Err != nil {
				break
			}
			asked = append(asked, b)
		}
		if err := q.End(); err != nil {
			return nil, err
		}
		return r.answerRecords(asked)
	case askChains:
		asked := readChains(&q)
		if len(asked) > maxAsk {
			q.Refuse("%d chains, the limit is %d", len(asked), maxAsk)
		}
		if err := q.End(); err != nil {
			return nil, err
		}
		return r.answerChains(asked)
	}
	return nil, fmt.Errorf("a message of kind %d", kind)
}

func (r *Replica) answerChains(asked []Chain) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := make([]Chain, 0, len(asked))
	for _, c := range asked {
		at, _ := r.chainAt(c.Node, c.Seq)
		known = append(known, at)
	}
	if len(asked) == 0 {
		known = r.asTrails()
	}
	var w wire.Writer
	writeChains(&w, known)
	return w.B, w.Err
}

func (r *Replica) answerOps(source clock.Node, seen clock.Vector, chains []Chain) ([]byte, error) {
	b, err := r.since(source, seen, func(n clock.Node) bool {
		return r.handsOn(n) || crdt.Member(n) == source // what the asker wrote and has lost is given back
	})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	_, doubtful := r.forks(seen, chains, nil)
	r.acknowledge(source, r.peer(source), seen, len(doubtful) > 0)
	known := make([]Chain, 0, len(chains))
	for _, c := range chains {
		at, last := r.chainAt(c.Node, c.Seq)
		at.Seq = last // the sum is that of the asker's number, but how far it goes here is what matters
		known = append(known, at)
	}
	self := r.self
	r.mu.Unlock()
	w := wire.Writer{B: make([]byte, 0, b.size())}
	b.write(&w)
	writeChains(&w, known)
	w.Node(self)
	return w.B, w.Err
}

func (r *Replica) answerDigests(at [][2]int) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tree, err := r.tree()
	if err != nil {
		return nil, err
	}
	var w wire.Writer
	w.Array(5)
	w.Vector(&r.seen)
	folded := r.folded()
	w.Vector(&folded)
	w.Bool(r.isEven())
	var chains []Chain
	for node, run := range r.seen.Runs() {
		at, _ := r.chainAt(node, run.Last)
		chains = append(chains, at)
	}
	writeChains(&w, chains)
	w.Array(fanout * len(at))
	for _, a := range at {
		for _, sum := range tree.children(a[0], a[1]) {
			w.Bytes(sum[:])
		}
	}
	return w.B, w.Err
}

// bucket is what a peer says that it has of one.
type bucket struct {
	place uint64
	has   map[string][16]byte
}

func (r *Replica) answerRecords(asked []bucket) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tree, err := r.tree()
	if err != nil {
		return nil, err
	}
	var records [][]byte
	size, done := 0, 0
	for _, b := range asked {
		if size > r.opt.BatchBytes {
			break
		}
		for _, key := range tree.keys[b.place] {
			record, err := r.state.AppendRecord(nil, key)
			if err != nil {
				return nil, err
			}
			if sum, known := b.has[key]; !known || sum != merge.Sum(record) {
				records = append(records, record)
				size += len(record)
			}
		}
		done++
	}
	var w wire.Writer
	w.Array(4)
	w.Uint(uint64(done))
	holds, folded := r.seen.Clone(), r.folded()
	holds.Merge(r.ahead)
	w.Vector(&holds)
	w.Vector(&folded)
	w.Array(len(records))
	for _, record := range records {
		w.Bytes(record)
	}
	return w.B, w.Err
}

// Pull gets from a peer all that it wrote and this replica lacks, and what those wrote who are members no more. Ask carries a message to the [Replica.Serve] of source, and
// its answer back, which must not be changed before ask is called again or Pull returns; source is who answers, as ask has
// authenticated it. Where the peer's log no longer reaches back, merged
// state is taken over instead, and no more of it than differs.
//
// If the peer knows more of what this replica wrote than it does itself, or something else, this replica came back from a copy of
// its directory: it goes on under a new incarnation, gets back what it had forgotten, and what it wrote in between under
// numbers that were taken is issued again: all that the peer can't be shown to have. While the peer has other operations of some
// node than this replica, no state of it is taken over, and the error wraps [ErrRefused]: they must meet that node first.
func (r *Replica) Pull(source clock.Node, ask func(request []byte) ([]byte, error)) error {
	for again := false; ; {
		more, err := r.pull(source, ask, &again)
		if err != nil {
			return fmt.Errorf("pull from %s: %w", source, err)
		}
		if !more {
			return nil
		}
	}
}

// pull asks once. Again says that it was asked again because the question had been overtaken.
func (r *Replica) pull(source clock.Node, ask func([]byte) ([]byte, error), again *bool) (more bool, err error) {
	r.mu.Lock()
	if r.err != nil {
		defer r.mu.Unlock()
		return false, r.err
	}
	w := r.question(askOps)
	seen := r.acknowledged()
	w.Vector(&seen)
	var own []Chain
	for _, c := range sorted(r.chains) {
		at, _ := r.chainAt(c.Node, c.Seq) // the rest is on its way to the disk
		own = append(own, at)
	}
	if c := r.chains[r.self]; c == nil {
		own = append(own, Chain{Node: r.self})
	}
	writeChains(w, own)
	before := r.seen.Clone()
	r.mu.Unlock()
	q, err := carry(ask, w)
	if err != nil {
		return false, err
	}
	b := readBatch(q)
	known, incarnation := readChains(q), q.Node()
	if err := q.End(); err != nil {
		return false, err
	}
	if err := r.isFrom(source, &b); err != nil {
		return false, err
	}
	var parted error
	for i, theirs := range known {
		if i < len(own) && theirs.Node == own[i].Node {
			more, err := r.compare(source, incarnation, ask, own[i], theirs)
			if more || err != nil && !errors.Is(err, errParted) {
				return more, err
			}
			if err != nil {
				parted = err
			}
		}
	}
	if b.Behind {
		if parted != nil { // a state that holds the one can't be merged with one that holds the other
			return false, parted
		}
		// What this replica has got while the question was on its way, it may have said to the peer in another message, and the
		// peer may have forgotten it by now. Once, for one that writes all the time always has more.
		r.mu.Lock()
		overtaken := !*again && !r.seen.Equal(before)
		r.mu.Unlock()
		if overtaken {
			*again = true
			return true, nil
		}
		return false, r.transfer(source, ask)
	}
	if _, err := r.apply(source, &b, false); err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return b.More && !r.seen.Equal(before), nil
}

// questionItems returns how many parts a question of a kind has, 0 when there is no such kind.
func questionItems(kind uint64) int {
	switch kind {
	case askOps:
		return 6
	case askDigests, askRecords, askChains:
		return 5
	}
	return 0
}

// question begins one. The caller holds mu.
func (r *Replica) question(kind uint64) *wire.Writer {
	w := &wire.Writer{}
	w.Array(questionItems(kind))
	w.Uint(messageVersion)
	w.Uint(kind)
	w.Text(r.table)
	w.Uint(r.log.Epoch().Number)
	return w
}

func carry(ask func([]byte) ([]byte, error), w *wire.Writer) (*wire.Reader, error) {
	if w.Err != nil {
		return nil, w.Err
	}
	answer, err := ask(w.B)
	if err != nil {
		return nil, err
	}
	if len(answer) > 1 && answer[0] == 0x92 && answer[1] == 0 {
		q := wire.Reader{S: string(answer[2:])}
		return nil, fmt.Errorf("%w: %.200q", ErrRefused, q.Text())
	}
	return &wire.Reader{S: view(answer), Copies: true}, nil
}

// compare finds out whether a peer knows the operations of a node as this replica does, and mends it if not.
//
// Where the node is this replica itself, it came back from a copy of its directory, and it is this replica that starts over.
// It goes on as another incarnation, and from then on it is the one to say what its earlier ones wrote: who has something
// else took it from the copy, and starts over from here. Until the replica of the node has gone on as another incarnation,
// nothing more is taken from it. Else errParted says that the two differ.
func (r *Replica) compare(source, incarnation clock.Node, ask func([]byte) ([]byte, error), own, theirs Chain) (again bool, err error) {
	differ := theirs.Seq >= own.Seq && theirs.differs(own)
	if theirs.Seq < own.Seq {
		r.mu.Lock()
		mine, _ := r.chainAt(own.Node, theirs.Seq)
		r.mu.Unlock()
		differ = theirs.differs(mine)
	}
	isSelf := own.Node == r.self
	switch {
	case differ && isSelf, differ && crdt.Member(own.Node) == source && crdt.Member(incarnation) == source && incarnation != own.Node:
		return true, r.rebuild(source, ask)
	case differ && crdt.Member(own.Node) == r.opt.Node: // of an earlier incarnation it is the peer who is mistaken
		return false, fmt.Errorf("%w: %s: %s %w: no state is taken over from %s before it has met us", ErrRefused, finding.OpIDReused, own.Node, errParted, source)
	case differ:
		r.mu.Lock()
		defer r.unlock()
		r.tellReused(source, own.Node)
		if crdt.Member(own.Node) == source {
			return false, fmt.Errorf("%w: %s: %s has had two writers, and has yet to find out", ErrRefused, finding.OpIDReused, own.Node)
		}
		return false, fmt.Errorf("%w: %s: %s %w: no state is taken over before it has told which is right", ErrRefused, finding.OpIDReused, own.Node, errParted)
	case theirs.Seq > own.Seq && isSelf:
		r.mu.Lock()
		written := theirs.Seq <= r.log.Seen().Prefix(r.self) // since the question was asked, and sent by another call
		r.mu.Unlock()
		if written {
			return false, nil
		}
		if own.Seq > 0 && !(own.isKnown() && theirs.isKnown()) {
			if doubtful, err := r.isDoubtful(ask, own); doubtful || err != nil {
				if err == nil {
					err = r.rebuild(source, ask)
				}
				return true, err
			}
		}
		r.mu.Lock()
		err := r.reincarnate(clock.Dot{Node: own.Node, Seq: theirs.Seq})
		r.unlock()
		if err == nil {
			err = r.commit()
		}
		return true, err
	}
	return false, nil
}

// errParted is that of a peer that has other operations of a node, which is not the one to mend that now.
var errParted = errors.New("has had two writers")

// tellReused tells, once, that a peer has other operations of a node. The caller holds mu.
func (r *Replica) tellReused(source, node clock.Node) {
	if !r.reused[node] {
		r.reused[node] = true
		r.tell(Event{Kind: Reused, Peer: source, Code: finding.OpIDReused, Detail: fmt.Sprintf("%s has had two writers", node)})
	}
}

// isDoubtful reports whether this replica has an operation of a node up to a number of which nobody knows whether a peer has the
// same, or another one.
func (r *Replica) isDoubtful(ask func([]byte) ([]byte, error), of Chain) (bool, error) {
	same, _, err := r.common(ask, of.Node, of.Seq)
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for op := range r.log.Since(clock.Vector{}) {
		if op.Dot.Node == of.Node && op.Dot.Seq > same && op.Dot.Seq <= of.Seq {
			return true, nil
		}
	}
	return false, nil
}

// reincarnate goes on under the next incarnation. Past is what was found to have been forgotten. The caller holds mu.
func (r *Replica) reincarnate(past clock.Dot) error {
	if past.Node != "" && past.Node != r.self {
		return nil // another call has been here
	}
	self, err := r.nextIncarnation(r.log.Seen())
	if err != nil {
		return err
	}
	r.self = self
	r.tell(Event{Kind: Restored, Detail: fmt.Sprintf("goes on as %s", r.self)})
	// One that opened a backup knows that it must catch up. Of one that was found out by a peer it is the peer's word alone, by
	// which nobody must be able to stop the writes of others.
	isBackup := past == clock.Dot{}
	if isBackup {
		r.lackAll()
	}
	return r.append(incarnationRecord(r.self, isBackup))
}

// nextIncarnation returns the name of the next incarnation. The caller holds mu.
func (r *Replica) nextIncarnation(seen clock.Vector) (clock.Node, error) {
	n := 2
	if at := len(r.opt.Node); len(r.self) > at {
		k, err := strconv.Atoi(string(r.self[at+1:]))
		if err != nil {
			return "", fmt.Errorf("incarnation %q: %w", string(r.self), err)
		}
		n = k + 1
	}
	// An incarnation that turned up elsewhere is not taken again.
	for node := range seen.Runs() {
		if k, err := strconv.Atoi(string(bytes.TrimPrefix([]byte(node), []byte(r.opt.Node+"~")))); err == nil {
			n = max(n, k+1)
		}
	}
	return r.opt.Node + clock.Node("~"+strconv.Itoa(n)), nil
}

// lackAll has the replica catch up with every other member before it writes. The caller holds mu.
func (r *Replica) lackAll() {
	r.lacking = make(map[clock.Node]bool)
	for _, m := range r.log.Epoch().Members {
		if m := crdt.Member(m); m != r.opt.Node {
			r.lacking[m] = true
		}
	}
	if len(r.lacking) == 0 {
		r.lacking = nil
	}
}

// lackNoOthers waits no longer for those who are no members any more. The caller holds mu.
func (r *Replica) lackNoOthers() {
	for m := range r.lacking {
		if !r.log.Epoch().Has(m) {
			delete(r.lacking, m)
		}
	}
	if len(r.lacking) == 0 {
		r.lacking = nil
	}
}

// caughtUp takes note that all which a member has is here too. The caller holds mu.
func (r *Replica) caughtUp(source clock.Node, seen clock.Vector) {
	if !r.lacking[source] || !r.seen.Covers(seen) {
		return
	}
	if delete(r.lacking, source); len(r.lacking) == 0 {
		r.lacking = nil
		_ = r.append(caughtUpRecord()) // an error is that of every write from now on
	}
}

// transfer takes over the state of a peer, as far as it differs.
func (r *Replica) transfer(source clock.Node, ask func([]byte) ([]byte, error)) error {
	copied, err := r.differences(ask, true)
	if err != nil {
		return err
	}
	r.maintaining.Lock() // who writes a snapshot needs mu in between, and the one that is written here waits for it
	r.mu.Lock()
	defer r.unlock()
	defer r.maintaining.Unlock()
	return r.adopt(source, copied)
}

// copied is what a peer has, as far as it differs from what is here: at least what the peer had seen, and the chains of that.
type copied struct {
	seen    clock.Vector
	holds   clock.Vector // what is in some record, beyond what is in all
	settled clock.Vector // up to where some record may be folded
	chains  []Chain
	trails  map[clock.Node]trail
	records [][]byte
}

// chainOf returns the chain of a node as the peer had it, and what it knew of that before, up to a number.
func (c *copied) chainOf(node clock.Node) (at chain, before trail) {
	for _, theirs := range c.chains {
		if theirs.Node == node {
			at = chain{theirs.Seq, theirs.Sum}
		}
	}
	return at, c.trails[node].with(nil, max(at.seq, 1)-1)
}

// differences asks a peer for all records that differ from those here; with nothing compared, for all.
func (r *Replica) differences(ask func([]byte) ([]byte, error), compare bool) (c copied, err error) {
	at := [][2]int{{0, 0}}
	for level := range treeDepth {
		var next [][2]int
		for piece := range slices.Chunk(at, maxAsk) {
			r.mu.Lock()
			w := r.question(askDigests)
			r.mu.Unlock()
			w.Array(2 * len(piece))
			for _, a := range piece {
				w.Uint(uint64(a[0]))
				w.Uint(uint64(a[1]))
			}
			q, err := carry(ask, w)
			if err != nil {
				return c, err
			}
			q.Tuple(5)
			seen, settled, _, chains := q.Vector(), q.Vector(), q.Bool(), readChains(q)
			c.settled.Merge(settled)
			if level == 0 {
				c.seen, c.chains = seen, chains // what is compared later holds at least this
			}
			if n := q.Array(1); n != fanout*len(piece) {
				q.Refuse("%d digests for %d", n, len(piece))
			}
			r.mu.Lock()
			tree, err := r.tree()
			for _, a := range piece {
				var own [fanout][16]byte
				if err == nil && compare {
					own = tree.children(a[0], a[1])
				}
				for i := range fanout {
					if sum := readSum(q); sum != own[i] && q.Err == nil {
						next = append(next, [2]int{a[0] + 1, a[1]*fanout + i})
					}
				}
			}
			r.mu.Unlock()
			if err := errors.Join(err, q.End()); err != nil {
				return c, err
			}
		}
		at = next
	}
	for len(at) > 0 {
		n := min(len(at), maxBuckets)
		w, err := r.askBuckets(at[:n], compare)
		if err != nil {
			return c, err
		}
		q, err := carry(ask, w)
		if err != nil {
			return c, err
		}
		q.Tuple(4)
		done, holds, settled := q.Uint(), q.Vector(), q.Vector()
		c.holds.Merge(holds) // more than when it was asked for digests
		c.settled.Merge(settled)
		if done == 0 || done > uint64(n) {
			q.Refuse("the records of %d buckets, asked for %d", done, n)
		}
		for range q.Array(1) {
			c.records = append(c.records, q.Bytes())
		}
		if err := q.End(); err != nil {
			return c, err
		}
		at = at[done:]
	}
	c.trails, err = r.trailsOf(ask)
	return c, err
}

// trailsOf asks a peer for the trails that go with its state.
func (r *Replica) trailsOf(ask func([]byte) ([]byte, error)) (map[clock.Node]trail, error) {
	known, err := r.askChains(ask, nil)
	trails := make(map[clock.Node]trail)
	for _, c := range known {
		if c.isKnown() {
			trails[c.Node] = append(trails[c.Node], chain{c.Seq, c.Sum})
		}
	}
	return trails, err
}

// askChains asks a peer for its chains.
func (r *Replica) askChains(ask func([]byte) ([]byte, error), of []Chain) ([]Chain, error) {
	r.mu.Lock()
	w := r.question(askChains)
	r.mu.Unlock()
	writeChains(w, of)
	q, err := carry(ask, w)
	if err != nil {
		return nil, err
	}
	known := readChains(q)
	if len(of) > 0 && len(known) != len(of) {
		q.Refuse("%d chains, asked for %d", len(known), len(of))
	}
	return known, q.End()
}

// common finds out up to which number of a node a peer has the same operations for certain, and which is the first that is
// known to be another one, of those up to a number; 0 if none is. What lies between the two nobody knows any more.
func (r *Replica) common(ask func([]byte) ([]byte, error), node clock.Node, upTo uint64) (same, other uint64, err error) {
	r.mu.Lock()
	own := r.chainsOf(node, upTo)
	r.mu.Unlock()
	for len(own) > 0 && same == 0 { // from the end, where most that have met part
		part := own[max(0, len(own)-maxAsk):]
		own = own[:len(own)-len(part)]
		theirs, err := r.askChains(ask, part)
		if err != nil {
			return 0, 0, err
		}
		for i := len(part) - 1; i >= 0 && same == 0; i-- {
			switch {
			case theirs[i].Node != part[i].Node || theirs[i].Seq != part[i].Seq || !theirs[i].isKnown():
			case theirs[i].Sum == part[i].Sum:
				same = part[i].Seq
			default:
				other = part[i].Seq
			}
		}
	}
	return same, other, nil
}

// askBuckets asks for the records of leaves of the tree.
func (r *Replica) askBuckets(leaves [][2]int, compare bool) (*wire.Writer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.question(askRecords)
	w.Array(len(leaves))
	for _, leaf := range leaves {
		w.Array(2)
		w.Uint(uint64(leaf[1]))
		if !compare {
			w.Array(0)
			continue
		}
		tree, err := r.tree()
		if err != nil {
			return nil, err
		}
		w.Array(2 * len(tree.keys[leaf[1]]))
		for _, key := range tree.keys[leaf[1]] {
			sum, err := r.state.Sum(key)
			if err != nil {
				return nil, err
			}
			w.Text(key)
			w.Bytes(sum[:])
		}
	}
	return w, nil
}

// adopt merges records that hold at least what a peer had seen, and counts that as seen. It is on disk, as a snapshot, when
// adopt returns: until then nobody may go on from it, so mu is held throughout.
func (r *Replica) adopt(source clock.Node, c copied) error {
	if err := r.try(c.records); err != nil {
		return err
	}
	if err := r.drain(); err != nil {
		return err
	}
	if err := r.dropHeld(); err != nil {
		return err
	}
	if _, err := r.log.Adopt(c.seen); err != nil {
		return err
	}
	for _, theirs := range c.chains {
		if theirs.Seq > r.seen.Prefix(theirs.Node) {
			at, before := c.chainOf(theirs.Node)
			r.chains[theirs.Node] = &at
			r.trails[theirs.Node] = r.trails[theirs.Node].with(append(before, at), at.seq)
		}
	}
	for _, record := range c.records {
		key, _, err := r.state.MergeRecord(record, widest)
		if err != nil {
			return err
		}
		r.digests.changed(key)
	}
	had := r.seen.Clone()
	r.seen.Merge(c.seen)
	r.ahead.Merge(c.holds)
	r.above.Merge(c.settled)
	r.foreign = true
	if err := r.checkpoint(); err != nil {
		r.seen = had // nobody may hear of what the disk may not have
		return err
	}
	r.tell(Event{Kind: Transferred, Peer: source, Count: int64(len(c.records))})
	return nil
}

// dropHeld drops what waits for others, which nobody has seen: who has it sends it again. It may be what a copy of a directory
// wrote, after operations that its owner, or the state of a peer, has others for. The caller holds mu.
func (r *Replica) dropHeld() error {
	if len(r.log.Waiting().Sources) == 0 {
		return nil
	}
	encoded, err := r.log.Encode(nil)
	if err != nil {
		return err
	}
	log := crdt.Log[*entry]{Limits: r.log.Limits}
	if err := log.Decode(encoded, crdt.Limits{}); err != nil {
		return err
	}
	if _, err := log.Retain(slices.Collect(r.log.Since(clock.Vector{}))); err != nil {
		return err
	}
	for member := range r.stopped {
		log.Stop(member)
	}
	r.log = log
	return nil
}

// try reports why records of a peer can't be merged: all or nothing, so it is found before any is.
func (r *Replica) try(records [][]byte) error {
	for i, record := range records {
		if _, _, err := merge.NewState(r.opt.Table).MergeRecord(record, widest); err != nil {
			return fmt.Errorf("record %d of %d: %w", i+1, len(records), err)
		}
	}
	return nil
}

// drain brings all that was appended to the disk and into the state. The caller holds mu.
func (r *Replica) drain() error {
	if r.disk != nil {
		if err := r.disk.Sync(); err != nil {
			return r.fail(err)
		}
	}
	for _, q := range r.queue {
		r.take(q)
	}
	r.queue = nil
	return nil
}

// Rebuild starts over from the state of a peer: for when this replica and source have other operations under the same names
// ([Reused]) or other states of the same operations ([Diverged]), and a person has found that source is right. A replica that
// came back from a copy of its directory does this by itself, and so do those who took what the copy wrote, when they meet it
// again; what remains are those whose owner is lost for ever, and broken disks.
//
// Of what this replica has and source does not, everything is applied again. What this replica wrote itself under names that
// mean something else at source, or may, or after having seen what has such a name, is issued anew as another incarnation; what
// others did is dropped, and they have it. The event ([Reused], with the number of those, or [Transferred] where nobody had two
// writers) says in its detail what may be there twice since then, because source no longer knows what it had under a name, and
// what is lost, because neither source nor the log here has it any more.
func (r *Replica) Rebuild(source clock.Node, ask func(request []byte) ([]byte, error)) error {
	r.mu.Lock()
	err := r.err
	r.mu.Unlock()
	if err == nil {
		err = r.rebuild(source, ask)
	}
	if err != nil {
		return fmt.Errorf("rebuild from %s: %w", source, err)
	}
	return nil
}

// fork is where a node parts into what this replica has of it and what a peer has.
type fork struct {
	first uint64 // the operation that is another one there; of this replica's own, the first that may be, for what it has
	// acknowledged is issued again rather than dropped
	other uint64 // the first that is known to be another one, or one more than the last that both have
}

// parted returns the forks of the nodes of which a peer has seen something.
func (r *Replica) parted(ask func([]byte) ([]byte, error), seen clock.Vector) (map[clock.Node]fork, error) {
	forks := make(map[clock.Node]fork)
	for node, run := range seen.Runs() {
		r.mu.Lock()
		own := r.seen.Prefix(node)
		r.mu.Unlock()
		both := min(own, run.Last)
		same, other, err := r.common(ask, node, both)
		isOwn := crdt.Member(node) == r.opt.Node
		switch {
		case err != nil:
			return nil, err
		case same == both, other == 0 && !isOwn:
			continue
		case other == 0:
			other = both + 1
		}
		forks[node] = fork{first: other, other: other}
		if isOwn {
			forks[node] = fork{first: same + 1, other: other}
		}
	}
	return forks, nil
}

// partedBefore reports whether an earlier incarnation is forked: what a later one wrote may be that, issued again.
func partedBefore(forks map[clock.Node]fork, node clock.Node) bool {
	for earlier := range forks {
		if crdt.Member(earlier) == crdt.Member(node) && isLater(node, earlier) {
			return true
		}
	}
	return false
}

// wentOn reports whether a later incarnation of a node wrote something: it may have issued again what this one wrote.
func wentOn(seen clock.Vector, node clock.Node) bool {
	for later := range seen.Runs() {
		if crdt.Member(later) == crdt.Member(node) && isLater(later, node) {
			return true
		}
	}
	return false
}

// startsOver says in words that this replica starts over from the state of a peer, and what comes of that.
func startsOver(source clock.Node, forks map[clock.Node]fork, unsure int, gone uint64) string {
	detail := ""
	for _, node := range slices.Sorted(maps.Keys(forks)) {
		had := "had"
		if f := forks[node]; f.first < f.other {
			had = "may have had"
		}
		detail += fmt.Sprintf("%s %s two writers, ", node, had)
	}
	detail += fmt.Sprintf("starting over from the state of %s", source)
	if unsure > 0 {
		detail += fmt.Sprintf("; %d writes that are issued again may be there twice", unsure)
	}
	if gone > 0 {
		detail += fmt.Sprintf("; %d operations are lost, for it lacks them, and the log here no longer has them", gone)
	}
	return detail
}

// goneWith returns how many operations go with the state that is given up for that of a peer: those that it does not have, or has
// others for, and that the log no longer has. The caller holds mu.
func (r *Replica) goneWith(c *copied, forks map[clock.Node]fork) (n uint64) {
	for node, run := range r.seen.Runs() {
		first := c.seen.Prefix(node) + 1
		if f := forks[node]; f.other > 0 {
			first = f.other
		}
		for seq := first; seq <= run.Last; seq++ {
			if _, kept := r.log.Find(clock.Dot{Node: node, Seq: seq}); !kept {
				n++
			}
		}
	}
	return n
}

func (r *Replica) rebuild(source clock.Node, ask func([]byte) ([]byte, error)) error {
	c, err := r.differences(ask, false)
	if err != nil {
		return err
	}
	forks, err := r.parted(ask, c.seen)
	if err != nil {
		return err
	}
	r.maintaining.Lock() // as in transfer
	r.mu.Lock()
	defer r.unlock()
	defer r.maintaining.Unlock()
	if err := r.drain(); err != nil {
		return err
	}
	if err := r.try(c.records); err != nil {
		return err
	}
	log := crdt.Log[*entry]{Limits: r.log.Limits}
	if err := log.Enter(r.log.Epoch()); err != nil {
		return err
	}
	for member := range r.stopped {
		log.Stop(member)
	}
	if _, err := log.Adopt(c.seen); err != nil {
		return err
	}
	// Whatever waits for more of a forked node than source has, waits for ever, and so does what its node wrote after that.
	stuck := make(map[clock.Node]bool)
	isStuck := func(op *crdt.Operation[*entry]) bool {
		for node, run := range op.After.Runs() {
			if forks[node].first > 0 && run.Last > c.seen.Prefix(node) {
				return true
			}
		}
		return stuck[op.Dot.Node]
	}
	var again []merge.Op
	var kept []crdt.Operation[*entry]
	dropped, unsure := 0, 0
	reincarnates := forks[r.self].first > 0
	for op := range r.log.Since(clock.Vector{}) {
		bytes, err := r.bytesOf(op.Payload)
		if err != nil {
			return r.fail(err)
		}
		decoded, err := merge.DecodeOp(bytes, widest)
		if err != nil {
			return r.fail(err)
		}
		op.Payload = &entry{bytes: bytes, sign: op.Payload.sign, op: &decoded}
		node := op.Dot.Node
		fork := forks[node]
		isVoid := fork.first > 0 && op.Dot.Seq >= fork.first
		switch {
		case !isVoid && c.seen.Has(op.Dot):
		case !isVoid && !isStuck(&op) && log.Check(node, op) == crdt.Delivered:
			log.Apply(node, op)
			kept = append(kept, op)
		default:
			stuck[node] = true
			if crdt.Member(node) != r.opt.Node {
				dropped++
				continue
			}
			if isVoid && op.Dot.Seq < fork.other || partedBefore(forks, node) || wentOn(c.seen, node) {
				unsure++
			}
			again = append(again, decoded)
			reincarnates = reincarnates || node == r.self
		}
	}
	self := r.self
	if reincarnates {
		if self, err = r.nextIncarnation(log.Seen()); err != nil {
			return err
		}
	}
	issued := make([]*queued, len(again))
	for i, seen := 0, log.Seen().Clone(); i < len(again); i++ {
		again[i].Dot, again[i].Seen = seen.Next(self), seen.Clone()
		seen.Add(again[i].Dot)
		e, err := r.prepare(&again[i])
		if err != nil {
			return err
		}
		issued[i] = &queued{entry: e}
	}
	state := newState(r.opt.Table)
	for _, record := range c.records {
		if _, _, err := state.MergeRecord(record, widest); err != nil {
			return err
		}
	}
	told := Event{Kind: Reused, Peer: source, Code: finding.OpIDReused, Count: int64(dropped), Detail: startsOver(source, forks, unsure, r.goneWith(&c, forks))}
	if len(forks) == 0 {
		told.Kind, told.Code, told.Count = Transferred, "", int64(len(c.records))
	}

	// From here on it is another state. A crash before the snapshot is there leaves the former one, and one after it this one, with
	// what is issued again: it stands in the snapshot, and is appended to the log behind it.
	r.log, r.state, r.self, r.digests, r.foreign = log, state, self, nil, true
	r.seen, r.ahead, r.settled, r.above = c.seen.Clone(), c.holds, clock.Vector{}, c.settled
	r.chains, r.trails = make(map[clock.Node]*chain), make(map[clock.Node]trail)
	for _, theirs := range c.chains {
		at, before := c.chainOf(theirs.Node)
		r.chains[theirs.Node], r.trails[theirs.Node] = &at, append(before, at)
	}
	for _, op := range kept {
		r.link(op.Dot, op.Sum, op.Payload)
		r.take(&queued{entry: op.Payload, from: source})
	}
	clear(r.reused)
	if err := r.checkpoint(issued...); err != nil {
		r.seen = clock.Vector{} // as in adopt: and which of the two states is on the disk, nobody knows
		return err
	}
	r.tell(told)
	if reincarnates {
		r.tell(Event{Kind: Restored, Count: int64(len(again)), Detail: fmt.Sprintf("goes on as %s", r.self)})
	}
	for _, op := range kept { // beside the snapshot, which has them too
		if err := r.put(op.Payload); err != nil {
			return err
		}
	}
	for i := range issued {
		if err := r.deliver(&again[i], issued[i]); err != nil {
			return r.fail(err)
		}
	}
	return r.drain()
}

// Audit asks a peer for the digest of its state. It returns false when both have seen the same operations, and folded the same
// of them, and are not equal all the same, which is told as [Diverged]. Where they have not seen the same there is nothing to
// compare, and Audit returns true.
func (r *Replica) Audit(source clock.Node, ask func(request []byte) ([]byte, error)) (equal bool, err error) {
	r.mu.Lock()
	if err := r.closed(); err != nil {
		defer r.mu.Unlock()
		return false, fmt.Errorf("audit %s: %w", source, err)
	}
	w := r.question(askDigests)
	w.Array(2)
	w.Uint(0)
	w.Uint(0)
	r.mu.Unlock()
	q, err := carry(ask, w)
	if err != nil {
		return false, fmt.Errorf("audit %s: %w", source, err)
	}
	q.Tuple(5)
	seen, settled, even, _ := q.Vector(), q.Vector(), q.Bool(), readChains(q)
	if n := q.Array(1); n != fanout {
		q.Refuse("%d digests for one", n)
	}
	r.mu.Lock()
	defer r.unlock()
	tree, err := r.tree()
	if err != nil {
		return false, fmt.Errorf("audit %s: %w", source, err)
	}
	equal = true
	for _, own := range tree.children(0, 0) {
		if readSum(q) != own {
			equal = false
		}
	}
	if err := q.End(); err != nil {
		return false, fmt.Errorf("audit %s: %w", source, err)
	}
	if equal || !even || !r.isEven() || !seen.Equal(r.seen) || !settled.Equal(r.settled) {
		return true, nil
	}
	r.diverged(source)
	return false, nil
}
