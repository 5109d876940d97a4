package replica

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
)

// Options of a replica. Node and Table are required; the zero value of every other field is a working default.
type Options struct {
	Node  clock.Node   // the name of this replica, as the table declares it
	Table *merge.Table // all replicas run one that decides alike

	// Was is the table that the directory was written under, when it may be another one than Table: [Open] then goes over
	// to Table. Keys for which the two decide alike are carried over; those for which they do not are folded anew from
	// the log, which must still hold all that was ever written (see KeepBytes): if not, the error wraps [ErrTable] and nothing
	// has changed. It is durable when Open returns, and Was has no effect from then on.
	//
	// A table is rolled out member by member: replicas of two tables refuse each other's batches (rule_mismatch) until both
	// have gone over, and lose nothing by that.
	Was *merge.Table

	// Members are who takes part when the directory is new: the first epoch. Nil means the nodes that Table declares, and
	// Node alone if it declares none. Later epochs are entered with [Replica.Enter].
	Members []clock.Node

	// Source returns physical time in nanoseconds since 1970, MaxDrift is how far ahead of it a stamp of another region
	// may be: see [clock.Clock], whose defaults these have.
	Source   func() int64
	MaxDrift time.Duration

	// Sign returns a signature or MAC over the bytes of an operation of this replica, which is copied; Verify checks that of
	// another one. Nil does without.
	Sign   func(op []byte) []byte
	Verify func(writer clock.Node, op, signature []byte) bool

	// Relays reports whether a peer may hand on what another member wrote. Nil: nobody may. All may in any case hand on what this
	// replica wrote itself and has lost, and what those wrote who are members no more, as far as the epoch names it as lost: whether
	// it is what they wrote, Verify knows, or else who hands it on is trusted.
	Relays func(source, writer clock.Node) bool

	// Quorum is asked before a write to a key under the rule refuse, and before a delete of a whole record of which some field
	// may be under it: whether whoever decides about critical keys agrees. It is called without a lock, so it may take its time.
	// Nil: the write is made, and when another region made one too, both are refused after the fact.
	Quorum func(key string) error

	// Observe is told what a service may want to know: see [Event]. It is called without a lock, by the goroutine whose
	// call made it happen, perhaps by several at once. Nil is not told.
	Observe func(Event)

	// Limits bounds how an operation from outside is read, Gate what one and a batch of them may hold. What these would refuse
	// is not written here either, so that peers take what is, if they have the same: who would raise them raises those of
	// the readers first. What came in is read again whatever they are later. Waiting bounds what waits for others, BatchBytes
	// the batches that [Replica.Since] makes (zero: 4 MiB), which are no longer than Gate allows.
	Limits     merge.Limits
	Gate       merge.GateLimits
	Waiting    crdt.LogLimits
	BatchBytes int

	// Requests is how many request ids are remembered, the latest ones. Zero means 100,000.
	Requests int

	// SnapshotBytes is how much the log grows between two snapshots of the state. Zero means 64 MiB. KeepBytes is how much
	// of the log is kept at least, the newest part, whether it is needed or not: for dry runs. Zero means 256 MiB, negative
	// none.
	SnapshotBytes, KeepBytes int64

	// AuditEvery is how often a batch for a peer brings a digest of the state along, by which the peer finds out whether both,
	// having the same operations, are equal: if not, it is told as [Diverged]. It costs about a microsecond for each key
	// written since the last one, and for every key when something was folded since. Zero means once a minute, negative
	// never.
	AuditEvery time.Duration

	// FS is the disk. Nil means that of the operating system.
	FS segment.FS
}

// The errors of a replica. They are wrapped.
var (
	// ErrRefused is that of [Replica.Apply] and [Replica.Pull] for a batch that the gate refused. Nothing has changed.
	ErrRefused = errors.New("refused")

	// ErrBroken is that of every write after the disk has failed. Whether the writes that were waiting are on the disk, the
	// next [Open] tells: repeat them with their requests.
	ErrBroken = errors.New("the disk has failed")

	// ErrStale is that of [Replica.Read] for a state older than the caller allows.
	ErrStale = errors.New("too old")

	// ErrNode is that of [Open] for the directory of another node: opened all the same, it would be a second writer under one name.
	ErrNode = errors.New("another node")

	// ErrTable is that of [Open] for a directory that was written under another table: see [Options.Was].
	ErrTable = errors.New("another rule table")

	// ErrRestored is that of every write of a replica that was opened from a backup ([Replica.Backup]), until it has caught up
	// with every other member of the epoch: before, it would write without having seen what it once said that it had, which
	// others rely on. A member that can't be reached is left out of the next epoch ([Replica.Enter]), or waited for.
	ErrRestored = errors.New("comes from a backup and has yet to catch up")

	// ErrBehind is that of [Replica.Apply] for a batch of a peer whose log no longer reaches back to what this replica has:
	// [Replica.Pull] takes over state instead.
	ErrBehind = errors.New("the log no longer reaches back")

	// ErrClosed is that of everything after [Replica.Close]. What returns no error, such as [Replica.Get], goes on to say what was
	// there.
	ErrClosed = errors.New("replica is closed")
)

// Replica is one replica of a state that several regions write.
type Replica struct {
	opt   Options
	gate  merge.Gate
	own   merge.Gate   // for what is written here
	table string       // its fingerprint
	disk  *segment.Log // nil when all is in memory

	mu      sync.Mutex // guards what follows, and the order of what is appended to disk
	clock   clock.Clock
	self    clock.Node // the present incarnation
	log     crdt.Log[*entry]
	state   *merge.State
	seen    clock.Vector // what is on disk and in the state. Invariant: log.Seen() covers it.
	ahead   clock.Vector // what a part of the state may hold, because it came like that from a peer
	settled clock.Vector // up to where the state was folded
	above   clock.Vector // up to where a part of it was, because it came like that from a peer
	queue   []*queued    // on its way to the disk, in the order of the disk
	queued  uint64       // how many were ever put into the queue
	err     error        // why no more is written
	unkept  error        // why the last Maintain did not do all that it should
	chains  map[clock.Node]*chain
	trails  map[clock.Node]trail // of what the log has forgotten
	room    room

	requests requests
	peers    map[clock.Node]*peer
	bound    int64                // wall time that is on disk as not to be gone below
	grown    int64                // bytes of log since the last snapshot
	last     segment.Position     // of the latest record
	moved    bool                 // the directory was written under another table, while it is opened
	foreign  bool                 // state was taken over: the log does not hold all of it
	lacking  map[clock.Node]bool  // members to catch up with before anything is written; nil when all is well
	digested map[clock.Node]int64 // wall time of the last digest for each peer
	quiet    quiet
	reused   map[clock.Node]bool // nodes of which a peer has other operations, which was told
	stopped  map[clock.Node]bool // members of which nothing more is taken in this epoch
	digests  *digests
	events   []Event
	count    struct{ written, applied, duplicates, conflicts, lost int64 }
	refused  map[finding.Code]int64

	// maintaining is held by who forgets, saves the state in pieces, or takes over that of a peer. It is taken before mu, and
	// what has happened is told once both are released.
	maintaining sync.Mutex
}

// entry is what the log keeps of an operation.
type entry struct {
	at    segment.Position // on disk; zero while it is in memory
	bytes []byte           // nil when it is on disk
	sign  []byte
	sum   [16]byte  // of the chain of its node, up to and with it
	op    *merge.Op // nil when it is in the state
}

// queued is an operation on its way to the disk and then into the state.
type queued struct {
	entry    *entry
	from     clock.Node       // "" when written here
	verdicts *[]merge.Verdict // where those on it are appended; nil when nobody asks
}

// room is memory that is used again, so that an operation costs few allocations. It is guarded by mu.
type room struct {
	bytes   []byte
	head    []byte
	ops     []merge.Op
	before  []merge.Write
	verdict []merge.Verdict
	entries []entry // to be given away, one by one
}

// entry returns a new one. It keeps up to as many others alive as are made at once.
func (m *room) entry() *entry {
	if len(m.entries) == 0 {
		m.entries = make([]entry, 64)
	}
	e := &m.entries[0]
	m.entries = m.entries[1:]
	return e
}

// quiet is since what wall time nothing came, as far as somebody looked.
type quiet struct {
	seen  clock.Vector
	since int64
}

// peer is what is known of another member.
type peer struct {
	upTo    clock.Timestamp // all it wrote up to then is here
	skew    time.Duration
	seen    clock.Vector    // what it has acknowledged
	audited clock.Timestamp // when the states were last compared
}

// Open opens the replica in a directory, and makes it if there is none. An empty dir keeps everything in memory: for tests,
// and for services that can always take over the state of a peer.
//
// The error wraps [segment.ErrLocked] when the directory is in use, [segment.ErrCorrupt] when what was durable is damaged,
// with the place, [ErrNode] when it is that of another node, and [ErrTable] when it was written under another table.
func Open(dir string, opt Options) (*Replica, error) {
	if err := opt.check(); err != nil {
		return nil, fmt.Errorf("open replica: %w", err)
	}
	r := &Replica{
		opt:    opt,
		self:   opt.Node,
		state:  newState(opt.Table),
		chains: make(map[clock.Node]*chain),
		trails: make(map[clock.Node]trail),
		peers:  make(map[clock.Node]*peer),

		digested: make(map[clock.Node]int64),
		reused:   make(map[clock.Node]bool),
	}
	r.clock.Source, r.clock.MaxDrift = opt.Source, opt.MaxDrift
	r.log.Limits = opt.Waiting
	r.requests.most = opt.Requests
	r.table = opt.Table.Fingerprint()
	r.own = merge.Gate{Table: opt.Table, MaxDrift: -1, Limits: opt.Gate}
	r.gate = merge.Gate{
		Table: opt.Table, MaxDrift: opt.MaxDrift, Verify: opt.Verify, Limits: opt.Gate, Known: &r.log,
		Relays: func(source, writer clock.Node) bool {
			return crdt.Member(writer) == opt.Node || !r.gate.Epoch.Has(writer) || opt.Relays != nil && opt.Relays(source, crdt.Member(writer))
		},
	}
	if dir != "" {
		if err := r.recover(dir); err != nil {
			return nil, fmt.Errorf("open replica: %w", err)
		}
	}
	if r.log.Epoch().Number == 0 {
		if err := r.append(beginningRecord(r.table, opt.Node)); err != nil {
			return nil, errors.Join(fmt.Errorf("open replica: %w", err), r.Close())
		}
		if err := r.Enter(crdt.Epoch{Number: 1, Members: opt.members()}); err != nil {
			return nil, errors.Join(fmt.Errorf("open replica: %w", err), r.Close())
		}
	}
	return r, nil
}

// newState returns an empty state for what the log delivers.
func newState(table *merge.Table) *merge.State {
	s := merge.NewState(table)
	s.Ordered = true
	return s
}

func (o *Options) check() error {
	switch {
	case o.Table == nil:
		return errors.New("options without a table")
	case o.Node.Check() != nil:
		return o.Node.Check()
	case crdt.Member(o.Node) != o.Node:
		return fmt.Errorf("node %q has the name of an incarnation", string(o.Node))
	case len(o.Table.Nodes) > 0 && o.Table.Nodes.Rank(o.Node) == 0:
		return fmt.Errorf("the table does not declare node %q", string(o.Node))
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = 4 << 20
	}
	if o.Gate.BatchBytes <= 0 {
		o.Gate.BatchBytes = merge.DefaultBatchBytes
	}
	o.BatchBytes = min(o.BatchBytes, o.Gate.BatchBytes) // more the gate of a peer would refuse
	if o.Requests <= 0 {
		o.Requests = 100_000
	}
	if o.SnapshotBytes <= 0 {
		o.SnapshotBytes = 64 << 20
	}
	if o.AuditEvery == 0 {
		o.AuditEvery = defaultAuditEvery
	}
	if o.KeepBytes == 0 {
		o.KeepBytes = 256 << 20
	}
	return nil
}

func (o *Options) members() []clock.Node {
	members := o.Members
	if members == nil {
		members = o.Table.Nodes
	}
	if !slices.Contains(members, o.Node) {
		members = append(slices.Clone(members), o.Node)
	}
	return members
}

// Close writes what is left to the disk and lets go of the directory.
func (r *Replica) Close() error {
	r.mu.Lock()
	defer r.unlock()
	if r.closed() != nil {
		return nil
	}
	_ = r.drain() // those who wait for it are told that it is there; an error is that of the log, which has it still
	r.err = ErrClosed
	if r.disk == nil {
		return nil
	}
	return r.disk.Close()
}

// closed returns ErrClosed after Close. The caller holds mu.
func (r *Replica) closed() error {
	if errors.Is(r.err, ErrClosed) {
		return r.err
	}
	return nil
}

// Enter goes over to an epoch: members join, leave, or are lost for ever. All members enter epochs of the same numbers with
// the same members; a batch of a peer that is in another epoch is refused until both are in one. It is on disk when Enter
// returns. See [crdt.Log.Enter] for the rules.
func (r *Replica) Enter(e crdt.Epoch) error {
	r.mu.Lock()
	if r.err != nil {
		defer r.mu.Unlock()
		return r.err
	}
	if err := r.log.Enter(e); err != nil {
		r.mu.Unlock()
		return err
	}
	r.lackNoOthers()
	r.stopped = nil
	err := r.append(epochRecord(r.log.Epoch()))
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.commit()
}

// Stop takes no more of a member that is to be left out of the next epoch, and returns how far this replica got with it. What
// the survivors got together is the Lost of that epoch. It holds until [Replica.Enter], and is forgotten when the replica is
// closed: one that is opened again before it has entered is asked again.
func (r *Replica) Stop(member clock.Node) (clock.Vector, error) {
	r.mu.Lock()
	defer r.unlock()
	if err := r.closed(); err != nil {
		return clock.Vector{}, err
	}
	if err := r.drain(); err != nil { // what was taken is to be there after a crash
		return clock.Vector{}, err
	}
	if r.stopped == nil {
		r.stopped = make(map[clock.Node]bool)
	}
	r.stopped[member] = true
	return r.log.Stop(member), nil
}

// Seen returns what this replica has, on disk and in its state: what a peer needs to know to send what is missing.
func (r *Replica) Seen() clock.Vector {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen.Clone()
}

// Table returns the rule table.
func (r *Replica) Table() *merge.Table { return r.opt.Table }

// append puts a record that is no operation into the log. The caller holds mu.
func (r *Replica) append(body []byte) error {
	if r.disk == nil {
		return nil
	}
	_, err := r.write(body)
	return err
}

// enqueue puts an operation into the log, and into the queue. The caller holds mu.
func (r *Replica) enqueue(q *queued) error {
	if err := r.put(q.entry); err != nil {
		return err
	}
	r.queue = append(r.queue, q)
	r.queued++
	return nil
}

// put appends an operation to the log on disk. The caller holds mu.
func (r *Replica) put(e *entry) error {
	if r.disk == nil {
		return nil
	}
	r.room.head = opHead(r.room.head[:0], e.sign)
	at, err := r.write(r.room.head, e.bytes)
	if err == nil {
		e.at, e.bytes = at, nil
	}
	return err
}

func (r *Replica) write(parts ...[]byte) (segment.Position, error) {
	at, err := r.disk.Append(parts...)
	if err != nil {
		return at, r.fail(err)
	}
	for _, p := range parts {
		r.grown += int64(len(p))
	}
	r.last = at
	return at, nil
}

// fail keeps why nothing can be written any more. The caller holds mu.
func (r *Replica) fail(err error) error {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %w", ErrBroken, err)
		r.tell(Event{Kind: Broken, Detail: err.Error()})
	}
	return r.err
}

// commit waits until all that was appended is on disk, and takes it into the state. Callers that come together share one
// sync.
func (r *Replica) commit() error {
	r.mu.Lock()
	last := r.queued
	r.mu.Unlock()
	if err := r.sync(); err != nil {
		r.mu.Lock()
		defer r.unlock()
		return r.fail(err)
	}
	return r.commitUpTo(last)
}

func (r *Replica) sync() error {
	if r.disk == nil {
		return nil
	}
	return r.disk.Sync()
}

// commitUpTo is commit of the first so many operations that were put into the queue. What comes after that, such as a snapshot
// that is due, does not make its error: these are there then.
func (r *Replica) commitUpTo(last uint64) error {
	err := r.sync()
	r.mu.Lock()
	taken := r.queued - uint64(len(r.queue))
	if err != nil && last > taken {
		defer r.unlock()
		if err := r.fail(err); errors.Is(err, ErrBroken) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrBroken, err) // it was closed, and could not write what was left
	}
	if last > taken {
		n := int(last - taken)
		for _, q := range r.queue[:n] {
			r.take(q)
		}
		left := copy(r.queue, r.queue[n:])
		clear(r.queue[left:])
		r.queue = r.queue[:left]
	}
	grown := r.grown > r.opt.SnapshotBytes
	r.unlock()
	if grown {
		_ = r.Maintain() // its error is in the status
	}
	return nil
}

// take applies one operation that is on disk. The caller holds mu.
func (r *Replica) take(q *queued) {
	op := q.entry.op
	into := q.verdicts
	if into == nil {
		into = &r.room.verdict
		*into = (*into)[:0]
	}
	first := len(*into)
	verdicts, before, err := r.state.Take(op, *into, r.room.before[:0])
	if err != nil { // the gate lets nothing in that the state refuses
		r.tell(Event{Kind: Refused, Peer: q.from, Op: alone(op), Code: finding.BadField, Detail: err.Error()})
	}
	*into, r.room.before = verdicts, before
	r.seen.Add(op.Dot)
	r.digests.changed(op.Key)
	if q.from == "" {
		r.count.written++
	} else {
		r.count.applied++
	}
	r.judge(op, q.from, verdicts[first:], before)
	q.entry.op = nil
}

// tell keeps an event until mu is released.
func (r *Replica) tell(e Event) {
	if r.opt.Observe != nil {
		r.events = append(r.events, e)
	}
}

// unlock releases mu and tells what has happened.
func (r *Replica) unlock() {
	events := r.events
	r.events = nil
	r.mu.Unlock()
	for _, e := range events {
		r.opt.Observe(e)
	}
}

// tellAll tells what has happened.
func (r *Replica) tellAll() {
	r.mu.Lock()
	r.unlock()
}

// physical returns the time that the clock would show if nobody had observed anything.
func (r *Replica) physical() int64 {
	if r.opt.Source != nil {
		return r.opt.Source()
	}
	return time.Now().UnixNano()
}
