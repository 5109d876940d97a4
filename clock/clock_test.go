package clock_test

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
)

func at(wall int64) clock.Timestamp { return clock.Timestamp{Wall: wall} }

func logical(wall int64, n uint32) clock.Timestamp { return clock.Timestamp{Wall: wall, Logical: n} }

// A step sets physical time, if it says so, and then reads the clock or shows it a timestamp.
type step struct {
	physical int64
	observe  *clock.Timestamp
	refused  error
	now      clock.Timestamp // what Now returns afterwards; zero: Now is not called
}

func shown(t clock.Timestamp) *clock.Timestamp { return &t }

func TestClockStories(t *testing.T) {
	const second = int64(time.Second)
	base := 1000 * second
	for _, story := range []struct {
		name  string
		bound time.Duration
		steps []step
	}{
		{"our clock runs", 0, []step{
			{physical: base, now: at(base)},
			{physical: base + 7, now: at(base + 7)},
		}},
		{"our clock stands still", 0, []step{
			{physical: base, now: at(base)},
			{physical: base, now: at(base + 1)},
			{physical: base, now: at(base + 2)},
		}},
		{"our clock jumps back an hour, and catches up", 0, []step{
			{physical: base, now: at(base)},
			{physical: base - 3600*second, now: at(base + 1)},
			{physical: base - 1, now: at(base + 2)},
			{physical: base + 3, now: at(base + 3)},
		}},
		{"the second is repeated: 1999, 1000, 1001", 0, []step{
			{physical: 1999, now: at(1999)},
			{physical: 1000, now: at(2000)},
			{physical: 1001, now: at(2001)},
		}},
		{"a peer's timestamp of the same time with a logical part", 0, []step{
			{physical: base, now: at(base)},
			{physical: base, observe: shown(logical(base, 5))},
			{physical: base, observe: shown(logical(base, 9)), now: at(base + 1)},
		}},
		{"a peer ahead of us", 0, []step{
			{physical: base, observe: shown(logical(base+100, 3)), now: at(base + 101)},
			{physical: base + 50, now: at(base + 102)},
			{physical: base + 200, now: at(base + 200)},
		}},
		{"a peer of the year 1970, back after a long time", 0, []step{
			{physical: base, now: at(base)},
			{physical: base, observe: shown(at(1)), now: at(base + 1)},
			{physical: base, observe: shown(at(0)), now: at(base + 2)},
		}},
		{"an old timestamp for a clock that has not issued anything", 0, []step{
			{physical: base, observe: shown(at(5)), now: at(base)},
		}},
		{"at the bound, and one nanosecond after it", time.Second, []step{
			{physical: base, observe: shown(at(base + second)), now: at(base + second + 1)},
			{physical: base + 5, observe: shown(at(base + second + 6)), refused: clock.ErrDrift, now: at(base + second + 2)},
		}},
		{"the default bound", 0, []step{
			{physical: base, observe: shown(at(base + second/2))},
			{physical: base, observe: shown(at(base + second/2 + 1)), refused: clock.ErrDrift},
		}},
		{"the bound holds for the physical clock, not for what a peer moved us to", time.Second, []step{
			{physical: base, observe: shown(at(base + second))},
			{physical: base, observe: shown(at(base + second + 1)), refused: clock.ErrDrift},
		}},
		{"behind what we have issued is welcome, even far ahead of a clock that was set back", time.Second, []step{
			{physical: base, now: at(base)},
			{physical: 0, observe: shown(at(base)), now: at(base + 1)},
		}},
		{"the greatest logical part", 0, []step{
			{physical: base, observe: shown(logical(base, math.MaxUint32)), now: at(base + 1)},
		}},
		{"a hostile maximum is refused and has moved nothing", 0, []step{
			{physical: base, observe: shown(logical(clock.MaxWall, math.MaxUint32)), refused: clock.ErrDrift, now: at(base)},
			{physical: base, observe: shown(logical(math.MaxInt64, math.MaxUint32)), refused: clock.ErrTime, now: at(base + 1)},
			{physical: base, observe: shown(at(math.MinInt64)), refused: clock.ErrTime, now: at(base + 2)},
			{physical: base, observe: shown(at(-1)), refused: clock.ErrTime, now: at(base + 3)},
		}},
		{"a hostile maximum for a clock without a bound", -1, []step{
			{physical: base, observe: shown(at(clock.MaxWall)), refused: clock.ErrTime, now: at(base)},
			{physical: base, observe: shown(at(base + 3600*second)), now: at(base + 3600*second + 1)},
		}},
		{"a physical clock before 1970", 0, []step{
			{physical: -base, now: at(1)},
			{physical: -base, now: at(2)},
			{physical: -base, observe: shown(at(second / 2)), now: at(second/2 + 1)},
			{physical: -base, observe: shown(at(second)), refused: clock.ErrDrift},
		}},
		{"the bound of a physical clock before 1970 is counted from 1970", 0, []step{
			{physical: -base, observe: shown(at(second/2 + 1)), refused: clock.ErrDrift},
		}},
		{"a bound of a nanosecond is a bound", 1, []step{
			{physical: base, observe: shown(at(base + 1))},
			{physical: base, observe: shown(at(base + 2)), refused: clock.ErrDrift},
		}},
	} {
		t.Run(story.name, func(t *testing.T) {
			var physical int64
			c := clock.Clock{Source: func() int64 { return physical }, MaxDrift: story.bound}
			for i, s := range story.steps {
				physical = s.physical
				before := c.Last()
				if s.observe != nil {
					err := c.Observe(*s.observe)
					if s.refused != nil {
						require.ErrorIs(t, err, s.refused, "step %d", i)
						require.Equal(t, before, c.Last(), "step %d: a refused timestamp moved the clock", i)
					} else {
						require.NoError(t, err, "step %d", i)
					}
				}
				if !s.now.IsZero() {
					require.Equal(t, s.now, c.Now(), "step %d", i)
				}
				if s.observe != nil && s.refused == nil {
					require.True(t, s.observe.Before(c.Now()), "step %d", i)
					// The steps that follow must not notice this call: go on from a restart.
					c = clock.Clock{Source: c.Source, MaxDrift: c.MaxDrift}
					require.NoError(t, c.Restore(before, *s.observe, s.now))
				}
			}
		})
	}
}

// Nothing that a clock is shown, and nothing that its source says, makes it stop, wrap or issue what isn't valid.
func TestNothingWedgesAClock(t *testing.T) {
	for _, source := range []int64{math.MinInt64, -1, 0, 1, clock.MaxWall, math.MaxInt64} {
		c := clock.Clock{Source: func() int64 { return source }, MaxDrift: -1}
		last := c.Now()
		for _, wall := range []int64{math.MaxInt64, clock.MaxWall, clock.MaxWall - int64(182*24*time.Hour), clock.MaxWall / 2} {
			_ = c.Observe(logical(wall, math.MaxUint32))
			for range 3 {
				now := c.Now()
				require.NoError(t, now.Check())
				require.True(t, last.Before(now))
				_, err := now.MarshalBinary()
				require.NoError(t, err)
				last = now
			}
		}
		next := clock.Clock{Source: func() int64 { return 0 }}
		require.NoError(t, next.Restore(last), "what a clock has issued must restore the next one")
		require.True(t, last.Before(next.Now()))
	}
}

// The last timestamp that a clock issues is one that a clock observes; the next nanosecond is not.
func TestAClockObservesAllThatAClockIssues(t *testing.T) {
	end := clock.Clock{Source: func() int64 { return math.MaxInt64 }}
	last := end.Now()
	c := clock.Clock{Source: func() int64 { return 0 }, MaxDrift: -1}
	require.ErrorIs(t, c.Observe(at(last.Wall+1)), clock.ErrTime)
	require.NoError(t, c.Observe(last))
	require.Equal(t, last, c.Last())
}

// A restart takes the latest of snapshot and log; either alone would issue timestamps twice.
func TestRestartContinuesAfterSnapshotAndLog(t *testing.T) {
	for _, c := range []struct {
		name          string
		snapshot, log clock.Timestamp
		physical      int64
		next          clock.Timestamp
	}{
		{"the log is ahead of a stale snapshot", at(100), at(500), 50, at(501)},
		{"the snapshot is ahead of a log that was cut", at(500), at(100), 50, at(501)},
		{"the logical part counts", at(100), logical(500, 9), 50, at(501)},
		{"the physical clock is ahead of both", at(100), at(500), 900, at(900)},
		{"our own past is further ahead than the bound", at(100), at(int64(time.Hour)), 50, at(int64(time.Hour) + 1)},
		{"a first start", at(0), at(0), 50, at(50)},
	} {
		t.Run(c.name, func(t *testing.T) {
			restarted := clock.Clock{Source: func() int64 { return c.physical }}
			require.NoError(t, restarted.Restore(c.snapshot, c.log))
			assert.Equal(t, c.next, restarted.Now())
			assert.True(t, c.log.Before(c.next) && c.snapshot.Before(c.next))
		})
	}
	var c clock.Clock
	require.ErrorIs(t, c.Restore(at(100), at(-1)), clock.ErrTime)
	assert.True(t, c.Last().IsZero(), "none of the past is taken when one of it is out of range")
}

func TestZeroClockFollowsTheSystemsClock(t *testing.T) {
	var c clock.Clock
	before, now, after := time.Now(), c.Now(), time.Now()
	assert.False(t, now.Time().Before(before.Truncate(0)) || now.Time().After(after))
	assert.Equal(t, now, c.Last())
}

// Four goroutines read, one observes: each sees its own timestamps rise, and no two are equal.
func TestTimestampsAreUniqueAndRiseOnEveryGoroutine(t *testing.T) {
	for name, source := range map[string]func() int64{
		"system's clock": nil,
		"frozen clock":   func() int64 { return 1000 },
	} {
		t.Run(name, func(t *testing.T) {
			const goroutines, calls = 4, 20_000
			c := clock.Clock{Source: source}
			issued := make([][]int64, goroutines)
			var all sync.WaitGroup
			for g := range goroutines {
				all.Go(func() {
					for range calls {
						issued[g] = append(issued[g], c.Now().Wall)
					}
				})
			}
			all.Go(func() {
				for range calls {
					seen := c.Last()
					seen.Wall += 3
					if c.Observe(seen) != nil || !seen.Before(c.Now()) {
						t.Error("a timestamp observed is not passed")
						return
					}
				}
			})
			all.Wait()
			for _, mine := range issued {
				require.True(t, slices.IsSorted(mine))
			}
			together := slices.Concat(issued...)
			slices.Sort(together)
			require.Len(t, slices.Compact(together), goroutines*calls)
		})
	}
}

func TestClockDoesNotAllocate(t *testing.T) {
	var c clock.Clock
	behind := c.Now()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		c.Now()
		if c.Observe(behind) != nil {
			t.Fatal("an old timestamp is welcome")
		}
	}))
}

// What is in a log may be anybody's: a restart must not leave a clock where nothing is left to issue.
func TestAHostileMaximumInALogDoesNotWedgeARestart(t *testing.T) {
	now := int64(1000)
	c := clock.Clock{Source: func() int64 { return now }}
	require.NoError(t, c.Restore(clock.Timestamp{Wall: 5000}, clock.Timestamp{Wall: clock.MaxWall}))
	require.Equal(t, int64(5001), c.Now().Wall)

	// Its own past is its own, though its clock had come to its end.
	hostile := clock.Clock{Source: func() int64 { return now }, MaxDrift: -1}
	end := clock.Timestamp{Wall: clock.MaxWall - int64(182*24*time.Hour)}
	require.NoError(t, hostile.Observe(end))
	issued := hostile.Now()
	require.NoError(t, c.Restore(issued))
	require.Equal(t, issued.Wall+1, c.Now().Wall)
	require.NoError(t, c.Now().Check())
}
