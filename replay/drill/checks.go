package drill

import (
	"slices"
	"time"
)

// checking is a check while the drill runs.
type checking struct {
	*Check
	scope   int // -1 is all
	at      int64
	value   int64
	failed  bool
	nothing string // why it could measure nothing, when it did not fail
	done    bool   // it was asked for the last time
	point   bool   // it is of one moment
}

// armed is a timer that runs.
type armed struct {
	*Timer
	check    *checking
	from     int64
	deadline int64
	accepted int // how many writes there were when it began
}

// gather finds what the checks of the script are about.
func (w *world) gather() {
	for i := range w.script.Checks {
		w.checks = append(w.checks, w.checkingOf(&w.script.Checks[i]))
	}
	// Those of steps and timers count from the beginning too.
	for i := range w.script.Steps {
		if c := w.script.Steps[i].Do.Check; c != nil {
			w.checkingOf(c)
		}
	}
	for i := range w.script.Timers {
		if c := w.script.Timers[i].Check; c != nil {
			w.checkingOf(c)
		}
	}
}

// checkingOf returns a check that is ready to be asked.
func (w *world) checkingOf(c *Check) *checking {
	at := -1
	if c.Class != "" || c.Keys != "" {
		s := scope{c.Class, c.Keys}
		if at = slices.Index(w.scopes, s); at < 0 {
			at = len(w.scopes)
			w.scopes = append(w.scopes, s)
			w.tallies = append(w.tallies, tally{})
		}
	}
	w.watched[c.Measure.index()] = true
	return &checking{Check: c, scope: at}
}

// count adds to a measure.
func (w *world) count(measure int, key int32, n int64) {
	w.total[measure] += n
	w.classes[w.watch[key].class].tally[measure] += n
	for left, i := w.watch[key].scopes, 0; left != 0; left, i = left>>1, i+1 {
		if left&1 != 0 {
			w.tallies[i][measure] += n
		}
	}
	w.dirty = w.dirty || w.watched[measure]
}

// raise lifts a measure that is a maximum.
func (w *world) raise(measure int, key int32, v int64) {
	lift := func(t *tally) { t[measure] = max(t[measure], v) }
	lift(&w.total)
	lift(&w.classes[w.watch[key].class].tally)
	for left, i := w.watch[key].scopes, 0; left != 0; left, i = left>>1, i+1 {
		if left&1 != 0 {
			lift(&w.tallies[i])
		}
	}
	w.dirty = w.dirty || w.watched[measure]
}

// countRead counts a read, whether or not anybody writes its key.
func (w *world) countRead(measure int, rd *read) {
	if rd.key >= 0 {
		w.count(measure, rd.key, 1)
		return
	}
	c := w.classes[w.classOfRead(rd)]
	w.total[measure]++
	c.tally[measure]++
	for i, s := range w.scopes {
		if s.holds(c.Name, rd.name) {
			w.tallies[i][measure]++
		}
	}
	w.dirty = true
}

// untried says what a check wants of which there was none so far, so that it could measure nothing; "" when it could.
func (w *world) untried(c *checking) string {
	of, n := c.Measure.subject(), int64(0)
	if n = w.total[of]; c.scope >= 0 {
		n = w.tallies[c.scope][of]
	}
	if n > 0 {
		return ""
	}
	what, link := "no write", "to"
	switch of {
	case askedIndex:
		what, link = "no read", "of"
	case criticalIndex:
		what, link = "no write to a critical key", "of"
	}
	switch {
	case c.Class != "":
		return what + " " + link + " class " + c.Class
	case c.Keys != "":
		return what + " " + link + " " + string(c.Keys)
	}
	return what
}

// measured returns what a check bounds, now.
func (w *world) measured(c *checking) int64 {
	switch {
	case c.Measure == Backlog:
		most := int64(0)
		for _, l := range w.links {
			if l != nil {
				most = max(most, l.backlog())
			}
		}
		return most
	case c.scope < 0:
		return w.total[c.Measure.index()]
	}
	return w.tallies[c.scope][c.Measure.index()]
}

// judge asks the checks that hold throughout, and the timers that run.
func (w *world) judge() {
	for _, c := range w.checks {
		if !c.done && !c.point && c.throughout() {
			if v := w.measured(c); !c.holds(v) {
				w.fail(c, v)
			}
		}
	}
	for i := 0; i < len(w.armed); {
		a := w.armed[i]
		if !w.reached(a) {
			i++
			continue
		}
		w.armed = slices.Delete(w.armed, i, i+1)
		res := TimerResult{Line: a.Line, Timer: a.Timer.String(), Owner: a.Owner, Began: Moment(a.from),
			Deadline: Moment(a.deadline), Ended: Moment(w.now), Took: time.Duration(w.now - a.from), Met: true}
		what := "met: " + a.Timer.String() + ", after " + durationOf(w.now-a.from)
		if a.check == nil {
			res.Later = w.spreading(a.accepted)
		} else if res.Untried = w.untried(a.check); res.Untried != "" {
			res.Met, what = a.check.Idle, idleness(a.check.Idle)+": "+a.Timer.String()+": "+res.Untried
		}
		w.timers = append(w.timers, res)
		w.log(Event{Kind: "timer", Line: a.Line, What: what, Owner: a.Owner})
	}
}

// fail takes note of a check that fails, and takes its rollback.
func (w *world) fail(c *checking, v int64) {
	c.failed, c.done, c.at, c.value = true, true, w.now, v
	w.log(Event{Kind: "failed", Line: c.Line, What: "failed: " + c.String() + ": it is " + c.Measure.Text(v), Owner: c.Owner})
	w.rollBack(c.Rollback, c.Line, c.Owner)
}

func (w *world) rollBack(a *Action, line int, owner string) {
	if a == nil {
		return
	}
	w.log(Event{Kind: "rollback", Line: line, What: "rollback: " + a.String(), Owner: owner})
	w.perform(a, line, owner, false)
}

// reached reports whether what a timer waits for is so. What is accepted after its event is not waited for: where writes never cease
// some are always on their way.
func (w *world) reached(a *armed) bool {
	if a.check == nil {
		return w.converged(a.accepted)
	}
	return a.check.holds(w.measured(a.check))
}

// fire starts the timers of an event.
func (w *world) fire(event string) {
	for i := range w.script.Timers {
		if t := &w.script.Timers[i]; t.Of == event && event != "" {
			w.arm(t)
		}
	}
}

func (w *world) arm(t *Timer) {
	a := &armed{Timer: t, from: w.now, deadline: w.now + int64(t.Within), accepted: len(w.accepted)}
	if t.Check != nil {
		a.check = w.checkingOf(t.Check)
	}
	w.armed = append(w.armed, a)
	w.at(a.deadline+1, func() { // what happens at the deadline is in time
		at := slices.Index(w.armed, a)
		if at < 0 {
			return
		}
		w.armed = slices.Delete(w.armed, at, at+1)
		w.timers = append(w.timers, TimerResult{Line: t.Line, Timer: t.String(), Owner: t.Owner, Began: Moment(a.from),
			Deadline: Moment(a.deadline), Ended: Moment(a.deadline), Took: t.Within})
		w.log(Event{Kind: "missed", Line: t.Line, What: "missed: " + t.String(), Owner: t.Owner})
		w.rollBack(t.Rollback, t.Line, t.Owner)
	})
}

// lastWord asks the checks that have not failed, at the end.
func (w *world) lastWord() {
	for _, c := range w.checks {
		if c.done {
			continue
		}
		c.value, c.at, c.done = w.measured(c), w.now, true
		if c.Measure == Backlog && c.throughout() {
			c.value = w.peak()
		}
		if c.failed = !c.holds(c.value); !c.failed {
			c.nothing = w.untried(c)
		}
	}
}

// idleness is the outcome of what could measure nothing.
func idleness(allowed bool) string {
	if allowed {
		return "idle"
	}
	return "UNTRIED"
}

// peak returns the greatest backlog that any link had.
func (w *world) peak() int64 {
	most := int64(0)
	for _, l := range w.links {
		if l != nil {
			most = max(most, l.peak)
		}
	}
	return most
}

func round(nanos int64) time.Duration { return time.Duration(nanos).Round(time.Millisecond) }

func durationOf(nanos int64) string { return durationText(round(nanos)) }
