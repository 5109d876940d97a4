package reads

import (
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
)

// Schema names the form of a report in JSON. Fields are added to it, never renamed.
const Schema = "tiebreak.reads/v1"

// Outcome is what a read was. Names are written in reports and are never reused.
type Outcome string

// The outcomes.
const (
	Fine       Outcome = "fine"
	Stale      Outcome = "stale"
	CannotTell Outcome = "cannot tell"
)

// Reason says why nobody can tell. Names are written in reports and are never reused.
type Reason string

// The reasons.
const (
	NoSaw           Reason = "no_saw"           // the read doesn't say what it saw
	UnknownWrite    Reason = "unknown_write"    // it saw a write that the history doesn't have
	OtherField      Reason = "other_field"      // it is of a field, and saw a write that didn't change it
	NoStart         Reason = "no_start"         // nothing says when it began
	NoSession       Reason = "no_session"       // it names no session
	NoTime          Reason = "no_time"          // a write that it may have missed has no time
	NoReadTime      Reason = "no_read_time"     // nothing says when its session read what it may have missed
	NotAcknowledged Reason = "not_acknowledged" // nothing says when a write that it may have missed was acknowledged
	WithinSkew      Reason = "within_skew"      // the times are closer than the clocks, or their digits, allow to tell
	Ambiguous       Reason = "ambiguous"        // what it saw may be one of several writes
	Inverted        Reason = "inverted"         // the rule puts a write before one whose writer had seen it: what replicas show may go back
	ClockContradict Reason = "clocks"           // it ended before the write that it saw began
	TooMany         Reason = "too_many"         // too many writes at once to compare
	BeyondLimit     Reason = "beyond_limit"     // the key has more operations, reads or nodes than fit into memory
)

// How says how it is known that what a read saw is older than what it missed. Names are written in reports and are never
// reused.
type How string

// The ways.
const (
	HadSeen  How = "had_seen"  // the writer of the later one had seen the earlier
	Before   How = "before"    // the earlier was in place before the later began
	ByRule   How = "rule"      // the rule of the table says so
	First    How = "first"     // there is nothing before the first write
	OwnWrite How = "own_write" // and the session had made it
	OwnRead  How = "own_read"  // and the session had seen it
)

// Report says of the reads of a history whether they were what they had been promised. Equal histories give equal reports.
type Report struct {
	Schema     string           `json:"schema"`
	Reads      int64            `json:"reads"`
	Levels     []LevelSum       `json:"levels"`         // strictest first
	Untold     []ReasonSum      `json:"cannot_tell"`    // why, most frequent first
	Lost       replay.Count     `json:"of_lost_writes"` // reads that showed a write which is lost in the end
	Registers  Registers        `json:"linearizable"`   // of the keys, or fields, with strong reads: whether those and the writes are
	Sessions   SessionWrites    `json:"session_writes"`
	Preferred  []Preference     `json:"preferred_own"`              // replicas that answered by themselves, by time
	OneIn      int64            `json:"preferred_one_in,omitempty"` // which was looked for in the reads of one key in so many; 0 is all: see [Options.Limit]
	Alone      int64            `json:"quorum_reads_alone"`         // that asked for a quorum, and no more than half of the replicas that reads name answered
	Skew       time.Duration    `json:"skew"`                       // the tolerance that times were compared with
	Contradict time.Duration    `json:"clocks_contradict"`          // the least skew that the reads show; 0 for none
	Worst      []Case           `json:"worst"`                      // stale reads, furthest behind first
	Examples   []Case           `json:"examples"`                   // the first read for each reason why nobody can tell
	Unordered  *finding.Finding `json:"unordered,omitempty"`
}

// LevelSum counts the reads of one level.
type LevelSum struct {
	Level      string `json:"level"`
	Reads      int64  `json:"reads"`
	Fine       int64  `json:"fine"`
	Stale      int64  `json:"stale"`
	CannotTell int64  `json:"cannot_tell"`

	// Behind counts the reads that showed what had been replaced by then, stale or not, and Age says how long ago; in
	// Versions, how often at most. Of times closer than the tolerance nothing is counted.
	Behind   int64  `json:"behind"`
	Age      Spread `json:"age"`
	Versions int64  `json:"versions"`
}

// Spread is how many durations there are, the middle, the 99th of a hundred, and the greatest of them, in nanoseconds. The
// zero Spread is of none.
type Spread struct {
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
}

// ages are durations of which the spread is wanted: as they are up to a number, and beyond it each to three digits.
type ages struct {
	list    []int64
	rounded map[int64]int64 // how many there are of each; nil while there are few
	count   int64
	most    int64
}

// mostAges is how many are kept as they are.
const mostAges = 1 << 18

func (a *ages) add(age int64) {
	a.count++
	a.most = max(a.most, age)
	if a.rounded != nil {
		a.rounded[rounded(age)]++
		return
	}
	if a.list = append(a.list, age); len(a.list) > mostAges {
		a.round()
	}
}

func (a *ages) round() {
	if a.rounded == nil {
		a.rounded = make(map[int64]int64)
	}
	for _, age := range a.list {
		a.rounded[rounded(age)]++
	}
	a.list = nil
}

func (a *ages) join(o *ages) {
	a.count += o.count
	a.most = max(a.most, o.most)
	if a.list = append(a.list, o.list...); a.rounded != nil || o.rounded != nil || len(a.list) > mostAges {
		a.round()
	}
	for age, n := range o.rounded {
		a.rounded[age] += n
	}
}

// rounded cuts a duration to its ten highest bits, a thousandth.
func rounded(age int64) int64 {
	low := max(bits.Len64(uint64(age))-10, 0)
	return age >> low << low
}

func (a *ages) spread() Spread {
	if a.rounded == nil {
		return SpreadOf(a.list, a.count)
	}
	s := Spread{Count: a.count, Max: time.Duration(a.most)}
	n := int64(0)
	for _, age := range slices.Sorted(maps.Keys(a.rounded)) {
		before := n
		n += a.rounded[age]
		for _, rank := range []struct {
			part int64
			to   *time.Duration
		}{{50, &s.P50}, {99, &s.P99}} {
			if at := (a.count*rank.part + 99) / 100; before < at && at <= n {
				*rank.to = time.Duration(age)
			}
		}
	}
	return s
}

// join takes what another report of the same history counts of its reads, but for what is worked out in the end. worst is how
// many stale reads are told.
func (r *Report) join(o *Report, worst int) {
	r.Reads += o.Reads
	r.Lost.Min += o.Lost.Min
	r.Lost.Max += o.Lost.Max
	r.Registers.Ordered += o.Registers.Ordered
	r.Registers.NoOrder += o.Registers.NoOrder
	r.Registers.TooHard += o.Registers.TooHard
	r.Sessions.Checked += o.Sessions.Checked
	r.Sessions.OutOfOrder += o.Sessions.OutOfOrder
	r.Worst = append(r.Worst, o.Worst...)
	slices.SortFunc(r.Worst, compareCases)
	r.Worst = r.Worst[:min(len(r.Worst), worst)]
	if u := o.Unordered; u != nil && (r.Unordered == nil || u.Place.Compare(r.Unordered.Place) < 0) {
		r.Unordered = u
	}
}

// SpreadOf returns the spread of so many durations by the nearest rank. It sorts the list; those that are not in it are 0.
func SpreadOf(list []int64, count int64) Spread {
	if count == 0 {
		return Spread{}
	}
	slices.Sort(list)
	rank := func(part int64) time.Duration {
		if at := (count*part+99)/100 - 1 - (count - int64(len(list))); at >= 0 {
			return time.Duration(list[at])
		}
		return 0
	}
	return Spread{count, rank(50), rank(99), rank(100)}
}

// ReasonSum counts the reads of which nobody can tell, by reason.
type ReasonSum struct {
	Reason Reason `json:"reason"`
	Reads  int64  `json:"reads"`
}

// Registers counts keys, and fields that are read by themselves, which have strong reads, by what the search for an order of
// their writes and strong reads found.
type Registers struct {
	Ordered int64 `json:"ordered"`  // none contradicts another for certain
	NoOrder int64 `json:"no_order"` // not linearizable
	TooHard int64 `json:"too_hard"` // the search gave up
}

// SessionWrites counts, of keys that were read in sessions, the writes of sessions that had read or written the key before, and those of them
// that lose to what their session had made (monotonic writes) or seen (writes follow reads).
type SessionWrites struct {
	Checked    int64 `json:"checked"`
	OutOfOrder int64 `json:"out_of_order"`
}

// Preference is a replica that answered reads which had been promised more by itself, for a time in which nothing new of
// other nodes reached it. Where such nodes wrote meanwhile, that is what a service does that prefers its own replica while it is cut
// off; where none did, the replica may just have been late.
type Preference struct {
	Replica string        `json:"replica"`
	From    time.Time     `json:"from"` // the first and the last of the stale reads
	To      time.Time     `json:"to"`
	Reads   int64         `json:"reads"` // strong, quorum or bounded, that it answered alone meanwhile
	Stale   int64         `json:"stale"`
	Age     time.Duration `json:"age"`    // how far behind they were, at most
	Missed  []string      `json:"missed"` // the nodes of which it showed nothing new
	Wrote   []string      `json:"wrote"`  // those of them that wrote meanwhile, between From and To, to keys that it was asked for
	Split   int64         `json:"split"`  // keys of those reads that were written on both sides meanwhile
}

// Case is one read and why it is judged as it is.
type Case struct {
	Key     string        `json:"key"`
	Field   string        `json:"field,omitempty"`
	Level   string        `json:"level"`
	Outcome Outcome       `json:"outcome"`
	Reason  Reason        `json:"reason,omitempty"`
	Read    ReadRef       `json:"read"`
	Saw     *WriteRef     `json:"saw,omitempty"`    // nil for nothing, and for what is not known
	Missed  *WriteRef     `json:"missed,omitempty"` // for certain, or perhaps
	How     How           `json:"how,omitempty"`
	Shown   *Shown        `json:"shown,omitempty"` // that what was missed was in place
	Older   *Shown        `json:"older,omitempty"` // that what the read saw was in place before that
	Age     time.Duration `json:"age"`
	Behind  int64         `json:"versions"`
}

// ReadRef names a read.
type ReadRef struct {
	Place     finding.Place `json:"place"`
	Start     time.Time     `json:"start,omitzero"`
	End       time.Time     `json:"end,omitzero"`
	Saw       string        `json:"saw,omitempty"`            // the id, or the version
	ByVersion bool          `json:"saw_by_version,omitempty"` // it is the version
	Nothing   bool          `json:"nothing,omitempty"`        // it found nothing
	Session   string        `json:"session,omitempty"`
	Replica   string        `json:"served_by,omitempty"`
}

// WriteRef names a write.
type WriteRef struct {
	Place   finding.Place `json:"place"`
	ID      string        `json:"id,omitempty"`
	Version uint64        `json:"version,omitempty"`
	Node    string        `json:"node"`
	Deleted bool          `json:"deleted,omitempty"`
	Start   time.Time     `json:"start,omitzero"`
	End     time.Time     `json:"end,omitzero"`
	Time    time.Time     `json:"time,omitzero"`
}

// Shown is what shows that a value was in place: its own write when that is acknowledged, a strong read, or a write whose writer had
// seen it. What a session had seen was shown by any read of its own.
type Shown struct {
	By    string        `json:"by"` // itself, read or write
	Place finding.Place `json:"place"`
	End   time.Time     `json:"end,omitzero"`
}

// Verdict is what is said of one read.
type Verdict struct {
	Outcome  Outcome
	Reason   Reason        // when nobody can tell
	Age      time.Duration // since what it showed had been replaced; 0 when it was not, or that is not known
	Versions int64         // how often it had been, by then

	miss *miss
}

// miss is a write that a read missed.
type miss struct {
	write int32
	how   How
	by    witness // that it was in place
	older witness // that what was seen was in place before it began
}

// own reports whether it is a write that the session of the read had made or seen.
func (m *miss) own() bool { return m != nil && (m.how == OwnWrite || m.how == OwnRead) }

// Sum returns how many reads were stale, and of how many nobody can tell.
func (r *Report) Sum() (stale, cannotTell int64) {
	for _, l := range r.Levels {
		stale += l.Stale
		cannotTell += l.CannotTell
	}
	return stale, cannotTell
}
