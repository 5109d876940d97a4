package drill

import (
	"cmp"
	"slices"
	"time"
)

// Play lets the steps of the script happen to something that runs by the clock, such as a service of yours in a test: it
// sleeps until each is due and calls do, with over set when one that lasts is over by itself. Times of day are of the day
// on which it is called; what is past already is done at once. It returns after the last.
//
// In a bubble of [testing/synctest] the day takes no time. Checks, timers and rollbacks are left to the caller: nobody here
// counts what the service does.
func (s *Script) Play(do func(a Action, over bool)) {
	type call struct {
		at   int64
		do   Action
		over bool
	}
	now := time.Now().UnixNano()
	var calls []call
	for i := range s.Steps {
		at := s.Steps[i].At.at(now)
		calls = append(calls, call{at, s.Steps[i].Do, false})
		if a := s.Steps[i].Do; a.For > 0 {
			calls = append(calls, call{at + int64(a.For), a, true})
		}
	}
	slices.SortStableFunc(calls, func(a, b call) int { return cmp.Compare(a.at, b.at) })
	for _, c := range calls {
		time.Sleep(time.Duration(c.at - time.Now().UnixNano()))
		do(c.do, c.over)
	}
}
