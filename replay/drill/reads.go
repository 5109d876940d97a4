package drill

import (
	"fmt"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// preference is a finding in the making: reads that ought to have asked others, and were answered by their own region
// while it was cut off.
type preference struct {
	class, region string
	reads         int64
	first         int64
	age           int64
}

// read replays a read of the history at the region that served it.
func (w *world) read(rd *read, r *region, n *nodeState) {
	c := w.classes[w.classOfRead(rd)]
	c.reads++
	r.reads++
	if r.stopped || n.stopped > 0 {
		w.unread(c, rd.key)
		return
	}
	asked, latency, ok := w.whomToAsk(c, rd, r)
	if !ok {
		w.unread(c, rd.key)
		return
	}
	if latency > 0 {
		c.readTimes = append(c.readTimes, latency)
	}
	if rd.key < 0 {
		return
	}
	missed := w.missing(rd.key, asked)
	if missed >= 0 {
		age := w.stale(c, r, rd.key, missed)
		w.wanted(c, rd, r, asked, missed, age)
	}
	w.saw(c, rd, r, asked)
}

func (w *world) classOfRead(rd *read) int {
	if rd.key >= 0 {
		return int(w.classOf[rd.key])
	}
	if at := w.script.classOf(rd.name); at >= 0 {
		return at
	}
	return len(w.classes) - 1
}

func (w *world) unread(c *class, key int32) {
	if key >= 0 {
		w.count(unreadIndex, key, 1)
		return
	}
	w.total[unreadIndex]++
	c.tally[unreadIndex]++
	w.dirty = true
}

// whomToAsk returns the regions that answer a read under its class's level, and how long it takes.
func (w *world) whomToAsk(c *class, rd *read, r *region) (asked uint32, latency int64, ok bool) {
	fresh := func(uint32) bool { return true }
	switch c.Reads.Kind {
	case Some:
		return w.ask(r, c.Reads.Regions, -1)
	case Bounded:
		fresh = func(asked uint32) bool {
			missed := int32(-1)
			if rd.key >= 0 {
				missed = w.missing(rd.key, asked)
			}
			return missed < 0 || w.now-w.plays[missed].made <= int64(c.Reads.Bound)
		}
	case Session:
		if last, known := w.sessions[rd.session+"\x00"+rd.name]; known && rd.session != "" {
			fresh = func(asked uint32) bool { return w.plays[last].has&asked != 0 || w.plays[last].status != isAccepted }
		}
	}
	if fresh(r.bit) {
		return r.bit, 0, true
	}
	// Another region answers: the nearest that can.
	for _, p := range w.regions {
		if p == r || p.stopped || !w.reachable(r, p) || !fresh(p.bit) {
			continue
		}
		takes := int64(w.link(r, p).quality.Delay + w.link(p, r).quality.Delay)
		if !ok || takes < latency {
			asked, latency, ok = p.bit, takes, true
		}
	}
	return asked, latency, ok
}

// missing returns the oldest accepted write to a key that none of the regions asked has, -1 when they have all.
func (w *world) missing(key int32, asked uint32) int32 {
	for _, i := range w.pending[key] {
		if w.plays[i].has&asked == 0 {
			return i
		}
	}
	return -1
}

// stale counts a read that missed a write, and returns by how much it was behind.
func (w *world) stale(c *class, r *region, key, missed int32) int64 {
	age := w.now - w.plays[missed].made
	c.ages = append(c.ages, age)
	r.stale++
	w.count(staleIndex, key, 1)
	w.raise(ageIndex, key, age)
	return age
}

// wanted tells of a stale read that had asked for better.
func (w *world) wanted(c *class, rd *read, r *region, asked uint32, missed int32, age int64) {
	if !rd.strong && (rd.bound < 0 || age <= rd.bound) {
		return
	}
	want := "strong"
	if !rd.strong {
		want = "at most " + durationOf(rd.bound) + " behind"
	}
	w.tellAt(finding.StaleRead, rd.place, rd.name, func() string {
		return fmt.Sprintf("wanted a %s read, and %s was %s behind", want, r.name, durationOf(age))
	})
	home := w.regions[w.plays[missed].home]
	if asked != r.bit || w.reachable(r, home) {
		return
	}
	k := c.Name + "\x00" + r.name
	p := w.prefers[k]
	if p == nil {
		p = &preference{class: c.Name, region: r.name, first: w.now}
		w.prefers[k] = p
	}
	p.reads++
	p.age = max(p.age, age)
}

// saw takes note of which writes a read showed.
func (w *world) saw(c *class, rd *read, r *region, asked uint32) {
	for asked&r.bit == 0 { // another region answered
		r = w.regions[(r.index+1)%len(w.regions)]
	}
	latest := int32(-1)
	for cell := w.cellsOf[rd.key]; cell < w.cellsOf[rd.key+1]; cell++ {
		state := w.cell(cell, r.index)
		if state.Rule() == nil {
			continue
		}
		kept, ok := state.Write()
		if !ok {
			continue
		}
		if i := w.writeOf(rd.key, &kept); i >= 0 {
			w.plays[i].reads++
			if latest < 0 || w.plays[i].number > w.plays[latest].number {
				latest = i
			}
		}
	}
	if rd.session == "" || latest < 0 {
		return
	}
	k := rd.session + "\x00" + rd.name
	if last, known := w.sessions[k]; known && w.plays[last].status == isAccepted && w.plays[last].has&asked == 0 {
		c.regressed++ // it has seen more before
		return
	}
	w.sessions[k] = latest
}

// probe reads what was written a while ago, in one region or in all.
func (w *world) probe(p *probeLine, play int32) {
	key := w.base(play).key
	for _, r := range w.regions {
		if p.region >= 0 && p.region != r.index {
			continue
		}
		rd := read{key: key, name: w.t.keys[key], bound: -1}
		w.read(&rd, r, &nodeState{region: r})
	}
}
