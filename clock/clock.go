package clock

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// DefaultMaxDrift is how far ahead of the physical clock an observed timestamp may be when [Clock.MaxDrift] is
// zero: the default maximum clock offset of CockroachDB.
const DefaultMaxDrift = 500 * time.Millisecond

// horizon is the latest wall time that a clock takes over, be it from its Source or from elsewhere: half a year before
// [MaxWall]. So whatever it is shown, it still has 1e16 valid timestamps to issue.
const horizon = MaxWall - int64(182*24*time.Hour)

// lastIssued is later than all that a clock issues: beyond the horizon it counts on in nanoseconds, and of these it never issues a
// quarter of a year.
const lastIssued = horizon + (MaxWall-horizon)/2

// ErrDrift is returned by [Clock.Observe] for a timestamp too far ahead of the physical clock. The clock has not
// moved; the write that carries the timestamp should be refused too, for it would win against everything.
var ErrDrift = errors.New("too far ahead of the physical clock")

// Clock is a hybrid logical clock. The zero value is ready: it reads the system's clock and bounds drift by
// [DefaultMaxDrift]. A Clock is safe for use by several goroutines and must not be copied after first use; its
// fields are set before first use.
//
// All of it is one word, the wall time last issued or observed: a tick of the logical count is one nanosecond.
// Physical clocks are read every 50 ns or so, so the count can't outrun them for long; and what a separate
// logical count could do wrong (overflow, be forgotten at a restart, wrap) has nowhere to happen. The price is
// that a burst under a frozen or coarse physical clock shows as nanoseconds that nobody measured.
type Clock struct {
	// Source returns physical time in nanoseconds since 1970. It may jump, stand still or go back, and must be safe for
	// as many goroutines as use the clock. Nil reads the system's clock.
	Source func() int64

	// MaxDrift is how far ahead of Source an observed timestamp may be. Zero means [DefaultMaxDrift]. Negative means no
	// bound, which is for replaying what has happened: then one hostile timestamp moves a clock to its end, half a year
	// before [MaxWall], where it goes on issuing but observes no more.
	MaxDrift time.Duration

	// Invariant: never falls; at least the wall time of all that was issued, observed or restored.
	last atomic.Int64
}

// Now returns a timestamp later than every one c has issued, observed or restored. It does not fail and does not
// wait: when the physical clock stands still or has gone back, it counts on in nanoseconds.
func (c *Clock) Now() Timestamp {
	var now int64
	if c.Source == nil { // as physical, without the call
		now = time.Now().UnixNano()
	} else {
		now = c.Source()
	}
	now = min(now, horizon)
	for {
		last := c.last.Load()
		if now <= last {
			now = last + 1
		}
		if c.last.CompareAndSwap(last, now) {
			return Timestamp{Wall: now}
		}
	}
}

// Observe takes note of a timestamp from elsewhere, so that [Clock.Now] will pass it. A timestamp behind c, however
// old, is welcome and costs one load. One further ahead of the physical clock than MaxDrift is refused with an error
// that wraps [ErrDrift], one outside the range of a timestamp (or, without a bound, in the last half year of it) with
// one that wraps [ErrTime]; then c has not moved.
func (c *Clock) Observe(t Timestamp) error {
	// Now returns at least last+1, which is after (last, any logical part).
	if t.Wall <= c.last.Load() && t.Wall >= 0 {
		return nil
	}
	if err := t.Check(); err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	bound := c.MaxDrift
	if bound == 0 {
		bound = DefaultMaxDrift
	}
	if bound > 0 {
		// Not physical+bound, which could overflow.
		if ahead := t.Wall - max(c.physical(), 0); ahead > int64(bound) {
			return fmt.Errorf("observe %s: %s %w, bound %s", t, time.Duration(ahead), ErrDrift, bound)
		}
	}
	if t.Wall > horizon {
		return fmt.Errorf("observe %s: %w: a clock ends half a year before that of timestamps", t, ErrTime)
	}
	c.raise(t.Wall)
	return nil
}

// Restore starts c again after a restart: at the latest of the timestamps, which should be those of the last
// snapshot and of every log entry after it. A node's own past is not subject to MaxDrift, for a clock set back must
// not make it issue a timestamp twice. A timestamp out of range is an error that wraps [ErrTime], and none is taken.
//
// What is so late that no clock can have issued it, which is somebody else's, is passed over: it would leave c no time to
// issue.
func (c *Clock) Restore(past ...Timestamp) error {
	for _, t := range past {
		if err := t.Check(); err != nil {
			return fmt.Errorf("restore clock: %w", err)
		}
	}
	for _, t := range past {
		if t.Wall < lastIssued {
			c.raise(t.Wall)
		}
	}
	return nil
}

// Last returns the latest wall time c has issued, observed or restored, without moving c: what a snapshot keeps. It
// leaves the logical part out, because what [Clock.Now] returns next is later by a nanosecond.
func (c *Clock) Last() Timestamp { return Timestamp{Wall: c.last.Load()} }

func (c *Clock) physical() int64 {
	if c.Source == nil {
		return time.Now().UnixNano()
	}
	return c.Source()
}

func (c *Clock) raise(wall int64) {
	for {
		last := c.last.Load()
		if wall <= last || c.last.CompareAndSwap(last, wall) {
			return
		}
	}
}
