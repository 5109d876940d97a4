package drill

import (
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
)

// region is one region of the script while the drill runs: one replica, or one of each node where the script keeps them
// apart.
type region struct {
	index    int
	name     string
	line     *Region
	apart    bool
	replicas []*replica
	bits     uint64 // of its replicas
	nodes    int    // that write here

	due                                     int64 // writes of the history that began here
	accepted, refused, unavailable, unknown int64
	stale, reads                            int64
	lost                                    int64
}

// replica keeps the state. Its cells, which its view keeps, are those of the table's fold: the very ones that a service has.
type replica struct {
	index  int
	name   string // of its region; of its node where the nodes of a region are apart
	bit    uint64
	region *region
	nodes  int // that write here

	view     *view
	seen     []clock.Vector      // of each key, what the replica has of it; kept where the fold asks for it
	log      []int32             // what was applied, in order; kept where it may be needed again
	sticking *StuckWindow        // its stuck writes that are not over; nil when it has none
	backups  map[*Action][]int32 // what the log was at the moments of the backups that the script goes back to
	stopped  bool
	reaches  int // how many regions it reaches, its own among them
	life     int // how often it was stopped or restarted: who waits for an answer from before gets none

	clock    clock.Clock // of scripts with hybrid clocks
	physical int64       // what that reads
	ahead    int64       // by how much its clock is ahead, at since
	rate     float64     // and how much that grows in a nanosecond
	since    int64
}

// take applies a write at a replica that has not had it.
func (w *world) take(r *replica, play int32) {
	if w.exact {
		r.log = append(r.log, play)
	}
	if w.light {
		return
	}
	r.view.apply(r.index, play)
	if key := w.base(play).key; w.watch[key].dotted {
		r.seen[key].Add(w.dot(play))
	}
}

// skew returns by how much the replica's clock is ahead at a moment.
func (r *replica) skew(now int64) int64 {
	return r.ahead + int64(r.rate*float64(now-r.since))
}

// set changes the replica's clock from now on: by a step, and how fast it runs.
func (r *replica) set(now int64, step time.Duration, rate float64) {
	r.ahead = r.skew(now) + int64(step)
	r.rate += rate
	r.since = now
}

// stamp gives a write of the replica its time.
func (w *world) stamp(r *replica, i int32, waited int64) {
	stamp := w.stampOf(i).Wall
	wall := stamp + waited
	if r.ahead != 0 || r.rate != 0 {
		wall += r.skew(w.now)
	}
	wall = min(max(wall, 1), clock.MaxWall)
	switch {
	case w.script.Hybrid:
		r.physical = wall
		w.setStamp(i, r.clock.Now())
	case wall != stamp:
		w.restamp(i, wall)
	}
}
