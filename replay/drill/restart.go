package drill

import (
	"cmp"
	"math/bits"
	"slices"
)

// vanish takes a write out of the world that no replica has any more.
func (w *world) vanish(i int32) {
	p := &w.plays[i]
	p.status = isVanished
	b := w.base(i)
	if !p.open { // it was acknowledged
		w.count(vanishedIndex, b.key, 1)
		w.count(lostIndex, b.key, 1)
	}
	if list := w.pending[b.key]; len(list) > 0 {
		w.pending[b.key] = slices.DeleteFunc(list, func(j int32) bool { return j == i })
	}
	if p.split {
		w.splitEnds(i)
	}
	if p.stuck {
		w.unstick(i)
	}
}

// revive brings a write back that a later backup still has.
func (w *world) revive(i int32) {
	p := &w.plays[i]
	p.status = isAccepted
	if key := w.base(i).key; !p.open {
		w.count(vanishedIndex, key, -1)
		w.count(lostIndex, key, -1)
	}
}

// restart takes replicas back to a backup: what they have had since is gone, and the others send it again.
func (w *world) restart(replicas []*replica, backup *Action) {
	var gone []int32
	for _, r := range replicas {
		was := r.log
		r.life++
		if !w.light {
			r.view.clear(r.index)
			clear(r.seen)
		}
		for _, i := range was {
			w.plays[i].has &^= r.bit
		}
		r.log = nil
		for _, i := range r.backups[backup] {
			if p := &w.plays[i]; p.status == isVanished {
				w.revive(i)
				gone = append(gone, i)
			}
			w.plays[i].has |= r.bit
			w.take(r, i)
		}
		for _, i := range was {
			if w.plays[i].has&r.bit == 0 {
				gone = append(gone, i)
			}
		}
		for _, l := range w.links {
			if l == nil || l.from != r || !l.down {
				continue
			}
			// What waits at the replica is gone with the rest.
			l.queue = slices.DeleteFunc(l.queue[l.head:], func(p packet) bool {
				if w.plays[p.play].has&r.bit != 0 {
					return false
				}
				if l.byNode != nil {
					l.byNode[w.base(p.play).node]--
				}
				gone = append(gone, p.play) // it may have been on its way since an earlier restart
				return true
			})
			l.head = 0
		}
	}
	slices.Sort(gone)
	gone = slices.Compact(gone)
	w.spread(gone)
	w.rebuild()
	w.whole = 0
	for _, i := range gone {
		p := &w.plays[i]
		if p.status != isAccepted || p.has == w.every {
			continue
		}
		if p.again == 0 {
			w.again = append(w.again, moment{w.now, i})
			p.again = int32(len(w.again))
		}
		if b := w.base(i); w.watch[b.key].tracked && !slices.Contains(w.pending[b.key], i) {
			w.pending[b.key] = append(w.pending[b.key], i)
			slices.SortFunc(w.pending[b.key], func(a, b int32) int { return cmp.Compare(w.plays[a].number, w.plays[b].number) })
		}
	}
}

// spread sees to it that writes get to every replica that has them not and that nobody sends them to, from one that reaches it
// if there is one. What nobody has vanishes.
func (w *world) spread(list []int32) {
	type way struct {
		play int32
		to   int
	}
	under := make(map[way]bool)
	for _, l := range w.links {
		if l == nil {
			continue
		}
		for _, p := range l.queue[l.head:] {
			under[way{p.play, l.to.index}] = true
		}
	}
	for _, s := range w.strays.list {
		if !s.copy {
			under[way{s.play, s.link.to.index}] = true
		}
	}
	for _, i := range list {
		p := &w.plays[i]
		if p.status != isAccepted {
			continue
		}
		if p.has == 0 {
			p.orphan = false
			for _, r := range w.replicas {
				p.orphan = p.orphan || under[way{i, r.index}]
			}
			if !p.orphan {
				w.vanish(i)
			}
			continue
		}
		for _, r := range w.replicas {
			if p.has&r.bit == 0 && !under[way{i, r.index}] {
				w.send(w.linkFrom(p.has, r), i)
			}
		}
	}
}

// linkFrom returns the link to a replica from the first of several whose link is up; from the first when none is.
func (w *world) linkFrom(several uint64, to *replica) *link {
	for left := several; left != 0; left &= left - 1 {
		if l := w.link(w.replicas[bits.TrailingZeros64(left)], to); !l.down {
			return l
		}
	}
	return w.link(w.replicas[bits.TrailingZeros64(several)], to)
}
