package drill

import (
	"fmt"
	"slices"

	"github.com/tiebreakhq/tiebreak/merge"
)

// Calm returns the script without its steps, timers and changes of load, and with checks that are told and roll nothing back: the
// same regions on a day on which nothing happens. What a drill costs shows against it.
func (s *Script) Calm() *Script {
	calm := *s
	calm.Name, calm.Steps, calm.Timers, calm.Loads = s.Name+" (calm)", nil, nil, nil
	calm.Checks = slices.Clone(s.Checks)
	for i := range calm.Checks {
		calm.Checks[i].Rollback = nil
	}
	calm.lines = append([]string{"calm"}, s.lines...)
	return &calm
}

// Incidents reports whether the script has any: something that happens to regions, links, clocks, classes or the load. What people
// do, and checks, are none.
func (s *Script) Incidents() bool {
	for i := range s.Steps {
		if kind := s.Steps[i].Do.Kind; kind != Tell && kind != Look {
			return true
		}
	}
	return len(s.Loads) > 0
}

// calmDay lets the calm day of a drill happen beside it. The function that it returns waits for the end of that, and returns nil when
// none was asked for. The two share nothing that either writes.
func calmDay(script *Script, table *merge.Table, t *Traffic, opt Options) func() (*Result, error) {
	if !opt.Calm || !script.Incidents() {
		return func() (*Result, error) { return nil, nil }
	}
	opt.State = nil
	var r *Result
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		var w *world
		if w, err = newWorld(script.Calm(), table, t, &opt); err == nil {
			w.run()
			r = w.result(table, nil)
		}
	}()
	return func() (*Result, error) {
		<-done
		return r, err
	}
}

// beside puts the counts of the calm day beside those of the drill.
func (r *Result) beside(calm *Result) {
	if calm == nil {
		return
	}
	r.calm, r.Calm = calm, calm.Totals
	for i := range r.Checks {
		if c := calm.check(r.Checks[i].Line); c != nil {
			r.Checks[i].Calm = &c.Final
		}
	}
}

// check returns the check of a line, nil when there is none: the calm day has none at a moment.
func (r *Result) check(line int) *CheckResult {
	for i := range r.Checks {
		if r.Checks[i].Line == line {
			return &r.Checks[i]
		}
	}
	return nil
}

// without says what a total is without the incidents, to follow it in a sentence; "" when nobody has looked.
func (r *Result) without(m Measure) string {
	if r.Calm == nil {
		return ""
	}
	return withoutThem(m, r.Totals[m], r.Calm[m])
}

// withoutInClass is without for a count of a class.
func (r *Result) withoutInClass(class string, of func(*ClassSum) int64, n int64) string {
	if r.calm == nil {
		return ""
	}
	calm := int64(0)
	for i := range r.calm.Classes {
		if c := &r.calm.Classes[i]; c.Class == class {
			calm = of(c)
		}
	}
	return withoutThem("", n, calm)
}

func withoutThem(m Measure, n, calm int64) string {
	switch {
	case n != calm:
		return fmt.Sprintf(", %s without the incidents", figure(m, calm))
	case m.Timed():
		return ", as long without the incidents"
	}
	return ", as many without the incidents"
}
