package drill

import (
	"slices"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// split is a key while two sides that do not reach each other both write it.
type split struct {
	key    int32
	a, b   int32 // the first write of each side
	from   int64
	shown  int64
	by     string
	to     int64
	writes []int32
	left   int // of the writes, those that are not everywhere
}

// scan says up to which accepted write each replica has looked for another side, so that nothing is looked at twice while
// the links stay as they are.
type scan struct {
	upTo []int32
}

// splitBrain tells of a write to a critical key that another side has written, too, and neither can know. What its writer was
// answered when it asked, in its request q, is of its own side.
func (w *world) splitBrain(i int32, r *replica, q *request) {
	b := w.base(i)
	s := w.splits[b.key]
	if s != nil {
		w.join(s, i)
	}
	if !w.cut {
		return
	}
	sc := w.scans[b.key]
	if sc == nil {
		sc = &scan{upTo: make([]int32, len(w.replicas))}
		w.scans[b.key] = sc
	}
	list := w.pending[b.key]
	from, _ := slices.BinarySearchFunc(list, sc.upTo[r.index], func(o, n int32) int { return int(w.plays[o].number - n) })
	sc.upTo[r.index] = int32(len(w.accepted))
	for _, o := range list[from:] {
		p := &w.plays[o]
		if p.has&r.bit != 0 || w.reachable(r, w.replicas[p.home]) {
			continue
		}
		if q != nil && slices.Contains(q.know, o) {
			sc.upTo[r.index] = min(sc.upTo[r.index], p.number) // who writes next may be answered less
			continue
		}
		if s == nil {
			s = &split{key: b.key, a: o, b: i, from: w.now}
			w.splits[b.key] = s
			w.count(splitIndex, b.key, 1)
			w.join(s, i)
			w.tell(finding.SplitBrain, i, func() string {
				return "accepted in " + r.name + " while " + w.replicas[p.home].name + " had accepted " + w.placeOf(o).String() + ", and neither reached the other"
			})
		}
		w.join(s, o)
	}
}

// join makes a write part of a split.
func (w *world) join(s *split, i int32) {
	if p := &w.plays[i]; !p.split {
		p.split = true
		s.writes = append(s.writes, i)
		s.left++
	}
}

// splitMeets takes note of the first moment at which somebody has both sides.
func (w *world) splitMeets(i int32) {
	s := w.splits[w.base(i).key]
	if s != nil && s.shown == 0 && w.plays[s.a].has&w.plays[s.b].has != 0 {
		s.shown, s.by = w.now, "a region had both"
	}
}

// splitEnds takes note that a write of a split is everywhere, or gone. With the last one the split is over.
func (w *world) splitEnds(i int32) {
	w.plays[i].split = false
	key := w.base(i).key
	s := w.splits[key]
	if s == nil {
		return
	}
	if s.left--; s.left > 0 {
		return
	}
	s.to = w.now
	w.over = append(w.over, s)
	delete(w.splits, key)
}

// stick takes note of a write that is stuck. When one of another side is, too, who looks at both regions sees two that have
// written one key.
func (w *world) stick(i int32) {
	p, b := &w.plays[i], w.base(i)
	p.stuck = true
	w.count(stuckIndex, b.key, 1)
	home := w.replicas[p.home]
	if s := w.splits[b.key]; p.split && s != nil && s.shown == 0 && slices.ContainsFunc(s.writes, func(o int32) bool {
		return w.plays[o].stuck && !w.reachable(home, w.replicas[w.plays[o].home])
	}) {
		s.shown, s.by = w.now, "both sides had stuck writes"
	}
	s := home.sticking
	if s == nil {
		s = &StuckWindow{Region: home.name, From: Moment(p.made), Shown: Moment(w.now)}
		home.sticking, w.stuck = s, append(w.stuck, s)
	}
	s.From = min(s.From, Moment(p.made)) // a write that a restart took away becomes stuck after later ones
	s.Writes++
	s.left++
	s.Keys = listed(s.Keys, w.t.keys[b.key])
	w.tell(finding.StuckWrite, i, func() string {
		return "accepted in " + home.name + " " + durationOf(w.now-p.made) + " ago, and not everywhere"
	})
}

// unstick takes note that a stuck write is everywhere after all, or gone.
func (w *world) unstick(i int32) {
	w.plays[i].stuck = false
	home := w.replicas[w.plays[i].home]
	if s := home.sticking; s.left > 1 {
		s.left--
	} else {
		s.To, home.sticking = Moment(w.now), nil
	}
}
