package drill

import (
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
)

// region is one replica. Its cells, which the world keeps, are those of the table's fold: the very ones that a service has.
type region struct {
	index int
	name  string
	bit   uint32
	line  *Region
	nodes int // that write here

	seen    []clock.Vector  // of each key, what the region has of it; kept where the fold asks for it
	log     []int32         // what was applied, in order; kept where it may be needed again
	backups map[*Action]int // how long the log was at the moments of the backups that the script goes back to
	stopped bool

	clock    clock.Clock // of scripts with hybrid clocks
	physical int64       // what that reads
	ahead    int64       // by how much the region's clock is ahead, at since
	rate     float64     // and how much that grows in a nanosecond
	since    int64

	accepted, refused, unavailable int64
	stale, reads                   int64
	lost                           int64
}

// all is where the fold of all accepted writes is kept, beside those of the regions.
const all = -1

// cell returns a cell of a region, or of all. Those of one key and field stand side by side, for they are mostly wanted
// soon after one another.
func (w *world) cell(cell int32, of int) *merge.Cell {
	return &w.cells[int(cell)*(len(w.regions)+1)+1+of]
}

// clear empties the cells of a region, or of all.
func (w *world) clear(of int) {
	for c := range w.cellKey {
		*w.cell(int32(c), of) = merge.Cell{}
	}
}

// apply takes a write into the cells of a region, or of all.
func (w *world) apply(of int, play int32) {
	for i := w.claimsOf[play]; i < w.claimsOf[play+1]; i++ {
		c := &w.claims[i]
		cell := w.cell(c.cell, of)
		if cell.Rule() == nil {
			*cell = c.Rule.NewCell()
		}
		cell.Apply(&c.Claim)
	}
}

// take applies a write at a region that has not had it.
func (w *world) take(r *region, play int32) {
	w.apply(r.index, play)
	if key := w.base(play).key; w.dotted[key] {
		r.seen[key].Add(w.ops[play].Dot)
	}
	if w.exact {
		r.log = append(r.log, play)
	}
}

// skew returns by how much the region's clock is ahead at a moment.
func (r *region) skew(now int64) int64 {
	return r.ahead + int64(r.rate*float64(now-r.since))
}

// set changes the region's clock from now on: by a step, and how fast it runs.
func (r *region) set(now int64, step time.Duration, rate float64) {
	r.ahead = r.skew(now) + int64(step)
	r.rate += rate
	r.since = now
}

// stamp gives a write of the region its time.
func (w *world) stamp(r *region, op *merge.Op, waited int64) {
	wall := op.Stamp.Time.Wall + waited
	if r.ahead != 0 || r.rate != 0 {
		wall += r.skew(w.now)
	}
	wall = min(max(wall, 1), clock.MaxWall)
	if !w.script.Hybrid {
		op.Stamp.Time.Wall = wall
		return
	}
	r.physical = wall
	op.Stamp.Time = r.clock.Now()
}
