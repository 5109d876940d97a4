package drill

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// flight is what became of one write that was put on a link.
type flight struct {
	queued bool  // in the order of the link
	first  int64 // when it arrives
	twice  int64 // when it arrives again; 0 when it does not
}

// sendAll puts every write of a history on the link from eu to us, one each gap, and returns what became of each.
func sendAll(t *testing.T, quality string, writes int, gap time.Duration) (*world, *link, []flight) {
	var text strings.Builder
	for i := range writes {
		text.WriteString(at(10, "eu", i+1, fmt.Sprintf("k%d", i), strings.Repeat("v", i%50)))
	}
	w, err := newWorld(MustParseScript("region eu = eu\nregion us = us\nlink * "+quality+"\n"), oracleTables[0], trafficOf(t, text.String()), &Options{})
	require.NoError(t, err)
	var l *link
	for _, one := range w.links {
		if one != nil && one.from.name == "eu" {
			l = one
		}
	}
	flights := make([]flight, writes)
	for i := range flights {
		w.now = int64(i) * int64(gap)
		waiting := l.waiting()
		strays := len(w.strays.list)
		w.transmit(l, int32(i))
		f := &flights[i]
		if f.queued = l.waiting() > waiting; f.queued {
			f.first = l.queue[len(l.queue)-1].arrives
		}
		if len(w.strays.list) == strays {
			continue
		}
		for _, s := range w.strays.list {
			if s.play == int32(i) && s.copy {
				f.twice = s.arrives
			} else if s.play == int32(i) {
				f.first = s.arrives
			}
		}
	}
	return w, l, flights
}

// share asserts that something happened as often as it should, within five standard deviations.
func share(t *testing.T, n int64, of int, want float64) {
	t.Helper()
	require.InDelta(t, want*float64(of), float64(n), 5*math.Sqrt(float64(of)*want*(1-want)))
}

// What is said of a link is what it does, and each of its qualities by itself.
func TestALinkIsAsItIsSaid(t *testing.T) {
	const writes, gap, ms = 4000, 10 * time.Millisecond, int64(time.Millisecond)
	sent := func(i int) int64 { return int64(i) * int64(gap) }

	_, _, flights := sendAll(t, "40ms +-3ms", writes, gap)
	sum := int64(0)
	least, most := int64(math.MaxInt64), int64(0)
	for i, f := range flights {
		took := f.first - sent(i)
		require.True(t, f.queued && f.twice == 0)
		sum, least, most = sum+took, min(least, took), max(most, took)
	}
	require.True(t, least >= 37*ms && least < 37*ms+ms/10 && most <= 43*ms && most > 43*ms-ms/10, "%d %d", least, most)
	require.InDelta(t, 40*ms, sum/writes, float64(ms)/5)

	// Of writes that follow each other closer than the jitter none overtakes another.
	_, _, flights = sendAll(t, "40ms +-3ms", writes, time.Millisecond/2)
	held := 0
	for i := range flights[1:] {
		require.GreaterOrEqual(t, flights[i+1].first, flights[i].first)
		if flights[i+1].first == flights[i].first {
			held++
		}
	}
	require.NotZero(t, held)

	// What is lost is sent again after a while, perhaps several times.
	_, l, flights := sendAll(t, "40ms loss 20%", writes, gap)
	again, whole := int64(0), int64(0)
	for i, f := range flights {
		late := f.first - sent(i) - 40*ms
		require.Zero(t, late%resend)
		require.Equal(t, late == 0, f.queued)
		again += late / resend
		if late > 0 {
			whole++
		}
	}
	require.Equal(t, again, l.resent)
	share(t, whole, writes, 0.2)
	share(t, again-whole, int(whole), 0.25) // 1/5 + 1/25 + ... of those that were lost once

	_, l, flights = sendAll(t, "40ms reorder 30%", writes, gap)
	late := int64(0)
	for i, f := range flights {
		took := f.first - sent(i)
		if f.queued {
			require.Equal(t, 40*ms, took)
			continue
		}
		late++
		require.True(t, took > 40*ms && took <= 200*ms+1)
	}
	require.Equal(t, late, l.late)
	share(t, late, writes, 0.3)

	_, l, flights = sendAll(t, "40ms duplicate 30%", writes, gap)
	twice := int64(0)
	for i, f := range flights {
		require.Equal(t, 40*ms, f.first-sent(i))
		if f.twice > 0 {
			twice++
			require.True(t, f.twice > f.first && f.twice <= f.first+160*ms+1)
		}
	}
	require.Equal(t, twice, l.again)
	share(t, twice, writes, 0.3)

	// 50 a second, and 100 come: half of the time after it was sent, each has to wait for those before.
	_, l, flights = sendAll(t, "40ms bandwidth 50/s", 100, gap)
	for i, f := range flights {
		require.Equal(t, int64(i+1)*20*ms+40*ms, f.first)
	}
	require.Equal(t, 2000*ms, l.drain)
	_, l, flights = sendAll(t, "40ms bandwidth 50/s", 100, 3*gap)
	for i, f := range flights {
		require.Equal(t, 3*sent(i)+20*ms+40*ms, f.first, "nothing waits for another")
	}
	require.Equal(t, 20*ms, l.drain)

	// The bytes of a write count, or the write, whichever takes longer.
	w, _, flights := sendAll(t, "40ms bandwidth 1kB/s", 50, 0)
	_, _, both := sendAll(t, "40ms bandwidth 1kB/s bandwidth 2/s", 50, 0)
	free, freeOfBoth := int64(0), int64(0)
	sizes := map[int32]bool{}
	for i := range flights {
		size := w.base(int32(i)).size
		sizes[size] = true
		free += int64(size) * ms
		freeOfBoth += max(int64(size)*ms, 500*ms)
		require.Equal(t, []int64{free + 40*ms, freeOfBoth + 40*ms}, []int64{flights[i].first, both[i].first})
	}
	require.Greater(t, len(sizes), 40)
}
