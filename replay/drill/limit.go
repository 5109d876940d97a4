package drill

import (
	"errors"
	"fmt"
	"io"

	"github.com/tiebreakhq/tiebreak/merge"
)

// Limit is the load at which the links of a drill no longer keep pace.
type Limit struct {
	Schema string `json:"schema"` // "tiebreak.limit/v1"

	Keeps float64 `json:"keeps"` // the greatest load tried at which they do, times that of the history; 0 when none was
	Fails float64 `json:"fails"` // the least at which they don't; 0 when all that were tried keep pace
	Why   string  `json:"why"`   // they don't
	Runs  []Trial `json:"runs"`  // in the order in which they were tried
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
// waits for want of room in a queue, or at the end of the history some link still carries what is older than the script
// allows. It doubles the load until it fails, and then halves the difference until it is an eighth of the load.
func FindLimit(script *Script, table *merge.Table, t *Traffic, opt Options) (*Limit, error) {
	opt.State = nil
	limit := &Limit{Schema: "tiebreak.limit/v1"}
	try := func(load float64) (bool, error) {
		opt.Load = load
		w, err := newWorld(script, table, t, &opt)
		if err != nil {
			return false, fmt.Errorf("drill: %w", err)
		}
		w.run()
		r := w.result(table)
		why := ""
		for _, timer := range r.Timers {
			if timer.Ran && !timer.Met {
				why = "missed: " + timer.Timer
			}
		}
		switch {
		case why != "":
		case w.noRoom > 0:
			why = fmt.Sprintf("%d writes found no room in a queue", w.noRoom)
		case w.lag > int64(script.Stuck):
			why = fmt.Sprintf("the last write was everywhere %s after it was made", durationOf(w.lag))
		case !r.Converged:
			why = "some writes never reached every region"
		}
		limit.Runs = append(limit.Runs, Trial{Load: load, Keeps: why == "", Peak: r.Totals[Backlog], Stuck: r.Totals[Stuck]})
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
		limit.Keeps = load
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

// String says the limit in a sentence.
func (l *Limit) String() string {
	if l.Fails == 0 {
		return fmt.Sprintf("the links keep pace at %g times the load, the most that was tried", l.Keeps)
	}
	return fmt.Sprintf("the links keep pace at %.3g times the load, and not at %.3g: %s", l.Keeps, l.Fails, l.Why)
}

// Text writes the limit and what was tried for people.
func (l *Limit) Text(w io.Writer) error { return l.write(w, false) }

// Markdown writes the same as [Limit.Text] for where Markdown is read.
func (l *Limit) Markdown(w io.Writer) error { return l.write(w, true) }

func (l *Limit) write(w io.Writer, markdown bool) error {
	p := &page{markdown: markdown}
	p.heading(l.String())
	p.title("Tried")
	var rows [][]string
	for _, t := range l.Runs {
		outcome := "keeps pace"
		if !t.Keeps {
			outcome = "DOES NOT"
		}
		rows = append(rows, []string{fmt.Sprintf("x%.4g", t.Load), outcome, number(t.Peak), dashed(t.Stuck)})
	}
	p.table([]string{">load", "outcome", ">most on one link", ">stuck"}, rows)
	return p.to(w)
}
