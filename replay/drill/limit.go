package drill

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// Limit is the load at which the links of a drill no longer keep pace.
type Limit struct {
	Schema string `json:"schema"` // "tiebreak.limit/v1"

	Keeps float64 `json:"keeps"` // the greatest load tried at which they do, times that of the history; 0 when none was
	Fails float64 `json:"fails"` // the least at which they don't; 0 when all that were tried keep pace
	Why   string  `json:"why"`   // they don't

	// Unlimited says that no link has a bandwidth or a queue, so that no load is too much.
	Unlimited bool `json:"unlimited"`

	Runs []Trial `json:"runs"` // in the order in which they were tried
}

// Trial is one run at a load.
type Trial struct {
	Load  float64 `json:"load"`
	Keeps bool    `json:"keeps"`
	Peak  int64   `json:"peak"` // writes on one link, at most
	Stuck int64   `json:"stuck"`
}

// maxLoad is the greatest load that is tried.
const maxLoad = 64

// FindLimit searches for the load at which catching up no longer keeps pace: a timer is missed, a write is refused or
// waits for want of room in a queue, or at the end of the history some link needs longer to empty than a write may be
// stuck. It doubles the load until it fails, and then halves the difference until it is an eighth of the load. A script
// without bandwidths and queues has no such load, and one trial says so.
//
// What the state becomes plays no part, so nothing is folded, unless a check of the script that can roll something back
// looks at it; and a trial ends as soon as it has failed.
func FindLimit(script *Script, table *merge.Table, t *Traffic, opt Options) (*Limit, error) {
	opt.State, opt.light = nil, !script.folds()
	opt.deaf = opt.light && !script.heeds(Stale, Unread, Age)
	limit := &Limit{Schema: "tiebreak.limit/v1", Unlimited: !script.narrow()}
	try := func(load float64) (bool, error) {
		opt.Load = load
		w, err := newWorld(script, table, t, &opt)
		if err != nil {
			return false, fmt.Errorf("drill: %w", err)
		}
		why := w.pace()
		limit.Runs = append(limit.Runs, Trial{Load: load, Keeps: why == "", Peak: w.peak(), Stuck: w.total[stuckIndex]})
		if why != "" {
			limit.Why = why
		}
		return why == "", nil
	}
	for load := 1.0; load <= maxLoad; load *= 2 {
		keeps, err := try(load)
		if errors.Is(err, ErrTooMuch) && load > 1 {
			break
		}
		if err != nil {
			return nil, err
		}
		if !keeps {
			limit.Fails = load
			break
		}
		if limit.Keeps = load; limit.Unlimited {
			break
		}
	}
	for limit.Fails > 0 && limit.Fails > 1.0/64 && limit.Fails-limit.Keeps > limit.Fails/8 {
		load := (limit.Keeps + limit.Fails) / 2
		keeps, err := try(load)
		if err != nil {
			return nil, err
		}
		if keeps {
			limit.Keeps = load
		} else {
			limit.Fails = load
		}
	}
	return limit, nil
}

// heeds reports whether something happens in the drill because of what some measures are.
func (s *Script) heeds(measures ...Measure) bool {
	heeds := func(c *Check, rollback *Action) bool {
		return c != nil && rollback != nil && slices.Contains(measures, c.Measure)
	}
	for i := range s.Steps {
		if c := s.Steps[i].Do.Check; c != nil && heeds(c, c.Rollback) {
			return true
		}
	}
	return slices.ContainsFunc(s.Checks, func(c Check) bool { return heeds(&c, c.Rollback) }) ||
		slices.ContainsFunc(s.Timers, func(t Timer) bool { return t.Check != nil && slices.Contains(measures, t.Check.Measure) })
}

// folds reports whether something happens in the drill because of what the state is, so that its traffic can't be had without:
// a measure of it is heeded, or one of reads which go where they go because of what their session has seen.
func (s *Script) folds() bool {
	sessions := slices.ContainsFunc(s.Classes, func(c Class) bool { return c.Reads.Kind == Session })
	return s.heeds(Lost, Undecided, Hidden) || sessions && s.heeds(Stale, Unread, Age)
}

// narrow reports whether some link can be too narrow: it has a bandwidth or a queue.
func (s *Script) narrow() bool {
	return slices.ContainsFunc(s.Links, func(l Link) bool { return l.narrow() }) ||
		slices.ContainsFunc(s.Regions, func(r Region) bool { return r.Local.narrow() }) ||
		slices.ContainsFunc(s.actions(), func(a *Action) bool { return a.Link.narrow() })
}

// pace runs the drill, and says why the links don't keep pace; "" when they do.
func (w *world) pace() (why string) {
	bound := int64(w.script.Stuck)
	last := w.t.last // when the last write is due
	if n := len(w.inTime); n > 0 {
		last = max(last, w.inTime[n-1].at)
	}
	steady := last // from when on nothing happens but traffic
	for i := range w.script.Steps {
		st := &w.script.Steps[i]
		steady = max(steady, st.At.at(w.t.first)+int64(st.Do.For))
	}
	// A link that nothing changes any more has room again no sooner than it says now, whatever comes.
	behind := func(l *link) int64 { return max(l.free, l.latest) - last }
	looked, missed := 0, ""
	w.stop = func() bool {
		for ; looked < len(w.timers) && missed == ""; looked++ {
			if t := &w.timers[looked]; !t.Met {
				missed = "missed: " + t.Timer
			}
		}
		if missed != "" || w.noRoom > 0 {
			return true
		}
		if w.now < steady {
			return false
		}
		for _, l := range w.links {
			if l != nil && !l.down && behind(l) > bound {
				missed = fmt.Sprintf("at the end %s > %s needs %s to empty", l.from.name, l.to.name, durationOf(behind(l)))
				return true
			}
		}
		return false
	}
	w.run()
	switch {
	case missed != "":
		return missed
	case w.noRoom > 0:
		return "a write found no room in a queue"
	case !w.converged(len(w.accepted)):
		return "some writes never reached every region"
	}
	return ""
}

// String says the limit in a sentence.
func (l *Limit) String() string {
	switch {
	case l.Unlimited && l.Fails == 0:
		return "no link has a bandwidth or a queue, so they keep pace at any load"
	case l.Unlimited:
		return "no link has a bandwidth or a queue, and yet at the load of the history they don't keep pace: " + l.Why
	case l.Fails == 0:
		return fmt.Sprintf("the links keep pace at %g times the load, the most that was tried", l.Keeps)
	}
	return fmt.Sprintf("the links keep pace at %.3g times the load, and not at %.3g: %s", l.Keeps, l.Fails, l.Why)
}

// Text writes the limit and what was tried for people.
func (l *Limit) Text(w io.Writer) error { return l.write(w, false) }

// Markdown writes the same as [Limit.Text] for where Markdown is read.
func (l *Limit) Markdown(w io.Writer) error { return l.write(w, true) }

func (l *Limit) write(w io.Writer, markdown bool) error {
	p := newPage(markdown)
	p.Heading(l.String())
	p.Title("Tried")
	var rows [][]string
	for _, t := range l.Runs {
		outcome := "keeps pace"
		if !t.Keeps {
			outcome = "DOES NOT"
		}
		rows = append(rows, []string{fmt.Sprintf("x%.4g", t.Load), outcome, layout.Number(t.Peak), layout.Dashed(t.Stuck)})
	}
	p.table([]string{">load", "outcome", ">most on one link", ">stuck"}, rows)
	return p.To(w)
}
