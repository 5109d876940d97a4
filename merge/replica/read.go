package replica

import (
	"fmt"
	"slices"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Get returns what a field of a key shows here and now, absent when there is nothing.
func (r *Replica) Get(key, field string) value.Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.Get(key, field)
}

// Reading is a value and how fresh it is.
type Reading struct {
	Value value.Value

	// Conflicted says that the field holds several writes of which no writer had seen another's. Under the rule refuse
	// that is an incident, and Value is what all replicas keep until a quorum has decided.
	Conflicted bool

	// UpTo is up to when the writes of all members are included: the earliest of [Replica.Fresh]. Oldest is the member
	// that it is of. It is zero when some member has never been heard.
	UpTo   clock.Timestamp
	Oldest clock.Node
}

// Read returns a field with its freshness. When within is not zero and the writes of some member of more than that ago may be
// missing, the error wraps [ErrStale], and the reading is returned with it: a service enforces with it what a class of
// reads may be served from.
func (r *Replica) Read(key, field string, within time.Duration) (Reading, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.closed(); err != nil {
		return Reading{}, fmt.Errorf("read %q: %w", key, err)
	}
	reading := Reading{Value: r.state.Get(key, field)}
	rule := r.opt.Table.Rule(key, field)
	if c := r.state.Cell(key, rule.Cell(field), rule); c != nil {
		reading.Conflicted = c.Conflicted()
	}
	now := r.physical()
	fresh := r.fresh(now)
	oldest := slices.MinFunc(fresh, func(a, b Freshness) int { return a.UpTo.Compare(b.UpTo) })
	reading.UpTo, reading.Oldest = oldest.UpTo, oldest.Node
	if age := time.Duration(now - reading.UpTo.Wall); within > 0 && age > within {
		if reading.Oldest == r.opt.Node {
			return reading, fmt.Errorf("read %q: %w: %w", key, ErrStale, r.restored())
		}
		if reading.UpTo.IsZero() {
			return reading, fmt.Errorf("read %q: %w: %s has never been heard", key, ErrStale, reading.Oldest)
		}
		return reading, fmt.Errorf("read %q: %w: what %s wrote in the last %s may be missing", key, ErrStale, reading.Oldest, age)
	}
	return reading, nil
}

// Freshness says up to when all that a member wrote is here.
type Freshness struct {
	Node clock.Node
	UpTo clock.Timestamp // zero when it has never been heard
}

// Fresh returns the freshness of every member, by name: this replica's own too, which is now, or zero while it has yet to catch up
// ([ErrRestored]).
func (r *Replica) Fresh() []Freshness {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fresh(r.physical())
}

func (r *Replica) fresh(now int64) []Freshness {
	var all []Freshness
	for _, m := range r.log.Epoch().Members {
		m = crdt.Member(m)
		f := Freshness{Node: m}
		if m == r.opt.Node {
			if r.lacking == nil { // else it may have written what it does not have
				f.UpTo = clock.Timestamp{Wall: now}
			}
		} else if p := r.peers[m]; p != nil {
			f.UpTo = p.upTo
		}
		all = append(all, f)
	}
	return all
}

// Cells calls each with every field that is known, until it returns false: the merged state, by key and field. The replica
// takes no writes meanwhile, and each must not call it.
func (r *Replica) Cells(each func(key string, cell merge.NamedCell) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, c := range r.state.Cells() {
		if !each(key, c) {
			return
		}
	}
}

// Status returns how the replica is doing.
func (r *Replica) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{
		Node: r.opt.Node, Incarnation: r.self, Epoch: r.log.Epoch().Number,
		Written: r.count.written, Applied: r.count.applied, Duplicates: r.count.duplicates,
		Conflicts: r.count.conflicts, Lost: r.count.lost,
		Keys: r.state.Len(), Err: r.err, Maintained: r.unkept,
	}
	if r.disk != nil {
		s.LogBytes = r.disk.Size()
	}
	if len(r.refused) > 0 {
		s.Refused = make(map[finding.Code]int64, len(r.refused))
		for code, n := range r.refused {
			s.Refused[code] = n
		}
	}
	s.Retained, _ = r.log.Retained()
	for _, b := range r.log.Waiting().Sources {
		s.Held += b.Count
	}
	now := r.physical()
	for _, m := range r.log.Epoch().Members {
		if m = crdt.Member(m); m == r.opt.Node {
			continue
		}
		ps := PeerStatus{Node: m}
		if p := r.peers[m]; p != nil {
			ps.UpTo, ps.Skew, ps.Audited = p.upTo, p.skew, p.audited
			if !p.upTo.IsZero() {
				ps.Lag = max(0, time.Duration(now-p.upTo.Wall))
			}
			for _, run := range r.seen.Minus(p.seen).Runs() {
				ps.Backlog += run.Last - run.First + 1
			}
		} else {
			for _, run := range r.seen.Runs() {
				ps.Backlog += run.Last - run.First + 1
			}
		}
		s.Peers = append(s.Peers, ps)
	}
	return s
}

// Health tests the path that writes take: it writes a record that says nothing, and waits until it is on disk.
func (r *Replica) Health() error {
	r.mu.Lock()
	if r.err != nil {
		defer r.mu.Unlock()
		return r.err
	}
	err := r.append(boundRecord(r.bound))
	r.unlock()
	if err != nil {
		return err
	}
	return r.commit()
}
