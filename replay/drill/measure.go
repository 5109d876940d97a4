package drill

import (
	"slices"
	"strconv"
	"time"
)

// Measure names what a check bounds. Names are written in reports and are never reused.
type Measure string

// The measures. All but age and latency are counts; all but lost, undecided and backlog only grow.
const (
	Refused     Measure = "refused"     // writes refused: no quorum, frozen, or a full queue
	Unavailable Measure = "unavailable" // writes to a region or node that is stopped
	Unknown     Measure = "unknown"     // writes whose client got no answer in time, and that were made all the same
	Throttled   Measure = "throttled"   // writes that had to wait for room in a queue
	Lost        Measure = "lost"        // acknowledged writes that are gone, or will be once the regions have exchanged all
	Undecided   Measure = "undecided"   // writes under the rule refuse that a quorum must decide between
	Vanished    Measure = "vanished"    // acknowledged writes that a restart from a backup took with it; lost counts them too
	Stale       Measure = "stale"       // reads answered without an acknowledged write to their key, be it one that would change nothing
	Unread      Measure = "unread"      // reads refused: no quorum, too far behind, or stopped
	Age         Measure = "age"         // how long the staler reads were behind, at most
	Latency     Measure = "latency"     // how long a write took, at most
	Stuck       Measure = "stuck"       // writes that were not in every region in time
	SplitKeys   Measure = "split-brain" // keys that two sides both wrote, the second without the first while a link between them was down
	Hidden      Measure = "hidden"      // writes whose writer had seen, as the last of some other node, a write that the drill hid from it
	Backlog     Measure = "backlog"     // writes on their way on one link, at most
	Writes      Measure = "writes"      // writes accepted
)

// The places of the measures in a tally, in the order of reports.
const (
	writesIndex = iota
	refusedIndex
	unavailableIndex
	unknownIndex
	throttledIndex
	lostIndex
	undecidedIndex
	vanishedIndex
	staleIndex
	unreadIndex
	ageIndex
	latencyIndex
	stuckIndex
	splitIndex
	hiddenIndex
	backlogIndex
	numMeasures
)

// What is counted beside the measures: of what there is to measure, how much there was.
const (
	dueIndex      = numMeasures + iota // writes
	criticalIndex                      // writes to critical keys
	askedIndex                         // reads
	numCounts
)

var measures = [numMeasures]Measure{
	writesIndex: Writes, refusedIndex: Refused, unavailableIndex: Unavailable, unknownIndex: Unknown, throttledIndex: Throttled, lostIndex: Lost,
	undecidedIndex: Undecided, vanishedIndex: Vanished, staleIndex: Stale, unreadIndex: Unread, ageIndex: Age,
	latencyIndex: Latency, stuckIndex: Stuck, splitIndex: SplitKeys, hiddenIndex: Hidden, backlogIndex: Backlog,
}

func measureNames() []string {
	names := make([]string, len(measures))
	for i, m := range measures {
		names[i] = string(m)
	}
	return names
}

// index returns the place among the measures.
func (m Measure) index() int { return slices.Index(measures[:], m) }

// Measures returns all measures in the order of reports.
func Measures() []Measure { return slices.Clone(measures[:]) }

// Timed reports whether the measure is a duration, counted in nanoseconds.
func (m Measure) Timed() bool { return m == Age || m == Latency }

// Text writes a value of the measure, as 12 or 1.5s.
func (m Measure) Text(v int64) string {
	if m.Timed() {
		return durationText(time.Duration(v))
	}
	return strconv.FormatInt(v, 10)
}

// subject returns the place of what a measure is of, in a tally: without any of it, it measures nothing.
func (m Measure) subject() int {
	switch m {
	case Stale, Unread, Age:
		return askedIndex
	case SplitKeys:
		return criticalIndex
	}
	return dueIndex
}

// tally counts every measure, and what there was to measure.
type tally [numCounts]int64

// scope is what a check is about: the keys of a class, of a pattern, or all.
type scope struct {
	class string
	keys  Pattern
}

func (s scope) holds(class, key string) bool {
	return (s.class == "" || s.class == class) && (s.keys == "" || s.keys.Matches(key))
}

// counters hold every measure: of all, of each class, and of each scope that a check is about.
type counters struct {
	total   tally
	scopes  []scope
	tallies []tally
	watched [numCounts]bool
	dirty   bool // something that a check bounds has changed
}
