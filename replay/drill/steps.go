package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// incident is a step that lasts: a cut, a stop, a frozen class, a changed link.
type incident struct {
	action *Action
	line   int
	healed []*Action // heals of some of the links that it cuts
}

// plan puts the steps of the script on the agenda. The error is of a step that the history has no time for.
func (w *world) plan() error {
	s := w.script
	var wrong []string
	inSpan := func(line int, at int64, what string) {
		if w.t.first > 0 && (at < w.t.first-int64(24*time.Hour) || at > w.t.last+int64(24*time.Hour)) {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s is more than a day from the history, which is from %s to %s",
				s.File, line, what, Moment(w.t.first), Moment(w.t.last)))
		}
	}
	outside := func(line int, text string, at int64) {
		wrong = append(wrong, fmt.Sprintf("%s:%d: %s: nothing happens at %s: the history is from %s to %s", s.File, line, text,
			Moment(at), Moment(w.t.first), Moment(w.t.last)))
	}
	type due struct {
		at   int64
		step *Step
	}
	var steps []due
	for i := range s.Steps {
		st := &s.Steps[i]
		at := st.At.at(w.t.first)
		inSpan(st.Line, at, st.At.String())
		if w.t.misses(&st.Do, at) {
			outside(st.Line, st.Do.String(), at)
		}
		steps = append(steps, due{at, st})
		if st.Do.Kind == Restart {
			if back := st.Do.Backup.at(w.t.first); back > at {
				wrong = append(wrong, fmt.Sprintf("%s:%d: a backup of %s does not exist at %s", s.File, st.Line, st.Do.Backup, st.At))
			}
		}
	}
	for i := range s.Timers {
		if t := &s.Timers[i]; t.Of == "" {
			at := t.At.at(w.t.first)
			inSpan(t.Line, at, t.At.String())
			if t.Check == nil && at < w.t.first { // nothing is accepted by then
				outside(t.Line, t.String(), at)
			}
		}
	}
	for i := range s.Loads {
		l := &s.Loads[i]
		at := l.From.at(w.t.first)
		inSpan(l.Line, at, l.From.String())
		if at > w.t.last || at+int64(l.For) <= w.t.first {
			outside(l.Line, "load", at)
		}
	}
	actions := s.actions()
	for _, a := range actions {
		switch a.Kind {
		case Switch:
			w.exact = true
			if w.opt.Tables[a.A] == nil {
				wrong = append(wrong, fmt.Sprintf("%s: the drill switches to the rule table %s, which was not given", s.File, quote(a.A)))
			}
		case Restart:
			w.exact = true
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("%s", strings.Join(slices.Compact(wrong), "\n"))
	}
	slices.SortStableFunc(steps, func(a, b due) int { return int(min(max(a.at-b.at, -1), 1)) })
	for _, a := range actions { // backups come before what happens at their moment
		if a.Kind == Restart {
			w.at(a.Backup.at(w.t.first), func() {
				for _, r := range w.place(a.A) {
					r.backups[a] = slices.Clone(r.log)
				}
			})
		}
	}
	for _, d := range steps {
		w.at(d.at, func() { w.perform(&d.step.Do, d.step.Line, d.step.Owner, d.step.Handoff) })
	}
	for i := range s.Timers {
		if t := &s.Timers[i]; t.Of == "" {
			w.at(t.At.at(w.t.first), func() { w.arm(t) })
		}
	}
	return nil
}

// misses reports whether an action at a moment is over before the traffic begins, or begins when that is over, and what was written
// last on its way no more. What ends something may come later: a heal, a start; and a table or a backup is still a matter for what was
// written.
func (t *Traffic) misses(a *Action, at int64) bool {
	switch a.Kind {
	case Cut, Stop, Skew, Drift, Freeze, Change:
		return at > t.last+int64(DefaultStuck) || a.For > 0 && at+int64(a.For) <= t.first
	case Heal, Start, Thaw, Restart:
		return at < t.first
	}
	return false
}

// actions returns all actions of the script, rollbacks included.
func (s *Script) actions() []*Action {
	var all []*Action
	add := func(a *Action) {
		if a != nil {
			all = append(all, a)
		}
	}
	for i := range s.Steps {
		add(&s.Steps[i].Do)
		if c := s.Steps[i].Do.Check; c != nil {
			add(c.Rollback)
		}
	}
	for i := range s.Checks {
		add(s.Checks[i].Rollback)
	}
	for i := range s.Timers {
		add(s.Timers[i].Rollback)
	}
	return all
}

// incidentsOf returns the lines of the steps that let something happen to a region in particular.
func (s *Script) incidentsOf(region string) (lines []int) {
	for i := range s.Steps {
		switch a := &s.Steps[i].Do; a.Kind {
		case Cut, Stop, Restart, Skew, Drift, Change:
			if a.A == region || a.B == region {
				lines = append(lines, s.Steps[i].Line)
			}
		case Switch:
			if a.B == region {
				lines = append(lines, s.Steps[i].Line)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// place returns the replicas that a name stands for: those of a region, that of a node, or none for a node that shares the
// replica of its region with others. "" is all.
func (w *world) place(name string) []*replica {
	if name == "" {
		return w.replicas
	}
	if at := w.script.region(name); at >= 0 {
		return w.regions[at].replicas
	}
	g := w.regions[w.script.regionOf(name)]
	if !g.apart {
		return nil
	}
	at := slices.IndexFunc(g.replicas, func(r *replica) bool { return r.name == name })
	return g.replicas[at : at+1]
}

// perform does what a step or a rollback says.
func (w *world) perform(a *Action, line int, owner string, handoff bool) {
	w.line = line
	e := Event{At: Moment(w.now), Kind: string(a.Kind), Line: line, What: a.String(), Owner: owner, Handoff: handoff}
	if a.Kind != Look {
		w.log(e)
	}
	if handoff {
		w.handoffs = append(w.handoffs, e)
	}
	switch a.Kind {
	case Cut, Stop, Freeze, Change:
		in := &incident{action: a, line: line}
		w.incidents = append(w.incidents, in)
		w.settleIncidents()
		if a.For > 0 {
			w.at(w.now+int64(a.For), func() { w.end(in) })
		}
	case Heal:
		w.heal(a)
	case Start:
		w.endAll(func(in *incident) bool { return in.action.Kind == Stop && in.action.A == a.A })
	case Thaw:
		w.endAll(func(in *incident) bool { return in.action.Kind == Freeze && in.action.A == a.A })
	case Restart:
		w.restart(w.place(a.A), a)
		w.endAll(func(in *incident) bool { return in.action.Kind == Stop && in.action.A == a.A })
	case Skew, Drift:
		step, rate := a.By, 0.0
		if a.Kind == Drift {
			step, rate = 0, float64(a.By)/float64(time.Hour)
		}
		w.skewed = !w.light
		set := func(step time.Duration, rate float64) {
			for _, r := range w.place(a.A) {
				r.set(w.now, step, rate)
			}
		}
		set(step, rate)
		if a.For > 0 {
			w.at(w.now+int64(a.For), func() {
				set(-step, -rate)
				w.log(Event{Kind: string(a.Kind), Line: line, What: "over: " + a.String(), Owner: owner})
			})
		}
	case Switch:
		w.switchTable(w.opt.Tables[a.A], w.place(a.B))
	case Look:
		c := w.checkingOf(a.Check)
		c.point, c.value, c.at, c.done = true, 0, w.now, true
		c.value = w.measured(c)
		w.checks = append(w.checks, c)
		switch c.nothing = w.untried(c); {
		case !c.holds(c.value):
			c.nothing = ""
			w.fail(c, c.value)
		case c.nothing != "":
			w.log(Event{Kind: string(Look), Line: line, What: idleness(c.Idle) + ": " + c.String() + ": " + c.nothing, Owner: owner})
		default:
			w.log(Event{Kind: string(Look), Line: line, What: "passed: " + c.String() + ": it is " + c.Measure.Text(c.value), Owner: owner})
		}
	}
	switch a.Kind {
	case Cut, Stop, Restart:
		w.fire(string(a.Kind))
	}
	w.dirty = true
}

// heal lets links carry again. A cut of others too goes on for those.
func (w *world) heal(a *Action) {
	healed := false
	for _, l := range w.links {
		for _, in := range w.incidents {
			if l != nil && a.on(l) && in.cuts(l) {
				in.healed, healed = append(in.healed, a), true
			}
		}
	}
	w.drop(func(in *incident) bool { return in.action.Kind == Cut && !slices.ContainsFunc(w.links, in.cuts) })
	if healed {
		w.fire("heal")
	}
}

// cuts reports whether an incident keeps a link from carrying.
func (in *incident) cuts(l *link) bool {
	return l != nil && in.action.Kind == Cut && in.action.on(l) && !slices.ContainsFunc(in.healed, func(heal *Action) bool { return heal.on(l) })
}

// on reports whether an action is about a link: of two regions, for no step is about those within one. A heal of nothing in
// particular is about all.
func (a *Action) on(l *link) bool {
	line := Link{From: a.A, To: a.B, Both: !a.OneWay}
	return l.from.region != l.to.region && (a.A == "" || line.matches(l.from.region.name, l.to.region.name))
}

// end ends an incident that is not over.
func (w *world) end(in *incident) {
	if slices.Contains(w.incidents, in) {
		w.log(Event{Kind: string(in.action.Kind), Line: in.line, What: "over: " + in.action.String()})
		w.endAll(func(o *incident) bool { return o == in })
	}
}

// endAll ends incidents. The end of a cut is a heal, and that of a stop a start.
func (w *world) endAll(which func(*incident) bool) {
	healed, started := false, false
	w.drop(func(in *incident) bool {
		if !which(in) {
			return false
		}
		healed = healed || in.action.Kind == Cut
		started = started || in.action.Kind == Stop
		return true
	})
	if healed {
		w.fire("heal")
	}
	if started {
		w.fire("start")
	}
	w.dirty = true
}

// drop takes incidents away.
func (w *world) drop(which func(*incident) bool) {
	w.incidents = slices.DeleteFunc(w.incidents, which)
	w.settleIncidents()
}

// settleIncidents makes regions, nodes, classes and links what the incidents leave of them.
func (w *world) settleIncidents() {
	stopped := make([]bool, len(w.replicas))
	for i := range w.nodes {
		w.nodes[i].stopped = 0
	}
	for _, c := range w.classes {
		c.frozen = 0
	}
	for _, in := range w.incidents {
		switch in.action.Kind {
		case Stop:
			for _, r := range w.place(in.action.A) {
				stopped[r.index] = true
			}
			for i, n := range w.t.claim {
				if string(n) == in.action.A && w.script.region(in.action.A) < 0 {
					w.nodes[i].stopped++
				}
			}
		case Freeze:
			for _, c := range w.classes {
				if c.Name == in.action.A {
					c.frozen++
				}
			}
		}
	}
	for i, r := range w.replicas {
		if stopped[i] && !r.stopped {
			r.life++
		}
		r.stopped = stopped[i]
	}
	w.rewire()
	for i := range w.nodes {
		w.admit(int32(i))
	}
}

// bounded reports whether some queue of the script is.
func (s *Script) bounded() bool {
	return slices.ContainsFunc(s.Links, func(l Link) bool { return l.Queue > 0 }) ||
		slices.ContainsFunc(s.Regions, func(r Region) bool { return r.Local.Queue > 0 }) ||
		slices.ContainsFunc(s.actions(), func(a *Action) bool { return a.Link.Queue > 0 })
}

// rewire makes the links what the script, the incidents and the tables of the replicas say.
func (w *world) rewire() {
	w.disagree()
	w.cut = false
	for _, l := range w.links {
		if l == nil {
			continue
		}
		if l.from.region == l.to.region {
			l.quality = l.from.region.line.Local
		} else {
			l.quality = w.script.Links[w.script.link(l.from.region.name, l.to.region.name)].Quality
		}
		down := l.from.stopped || l.to.stopped || l.from.view != l.to.view
		for _, in := range w.incidents {
			switch {
			case in.cuts(l):
				down = true
			case in.action.Kind == Change && in.action.on(l):
				l.quality = in.action.Link
			}
		}
		l.share, l.narrow = 0, l.narrow || l.quality.narrow()
		if l.quality.Queue > 0 {
			l.share = max(1, l.quality.Queue/max(1, l.from.nodes))
		}
		if w.bounded && l.byNode == nil {
			l.byNode = make(map[int32]int)
		}
		w.turn(l, down)
		w.cut = w.cut || down
	}
	clear(w.scans)
	w.quorate()
}

// lossOf is the region, or the replica of one, and the reads or writes of a class, for which a quorum can be lost.
type lossOf struct {
	replica *replica
	class   *class
	reads   bool
}

// denied takes note of a read or a write that was refused while there was no quorum for it.
func (w *world) denied(of lossOf, key string) {
	q := w.losing[of]
	if q == nil {
		return
	}
	if q.Refused++; q.Refused == 1 {
		q.Shown = Moment(w.now)
	}
	q.Keys = listed(q.Keys, key)
}

// listed adds a key to the first of a list, when it is not among them.
func listed(keys []string, key string) []string {
	if len(keys) < maxListed && !slices.Contains(keys, key) {
		return append(keys, key)
	}
	return keys
}

// quorate finds anew which replicas reach which, and takes note of where quorums are lost and found.
func (w *world) quorate() {
	for _, r := range w.replicas {
		r.reaches = w.regionsIn(w.reach(r))
		for _, c := range w.classes {
			for _, kind := range []struct {
				name  string
				level Level
			}{{"writes", c.Writes}, {"reads", c.Reads}} {
				if kind.level.Kind != Some {
					continue
				}
				of := lossOf{r, c, kind.name == "reads"}
				q, lost := w.losing[of], !r.stopped && r.reaches < kind.level.Regions
				switch {
				case lost && q == nil:
					q = &QuorumLoss{Region: r.name, Class: c.Name, Of: kind.name, Needs: kind.level.Regions, From: Moment(w.now)}
					w.losing[of], w.quorums = q, append(w.quorums, q)
				case !lost && q != nil:
					q.To = Moment(w.now)
					delete(w.losing, of)
				}
			}
		}
	}
}
