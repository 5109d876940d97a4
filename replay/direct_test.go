package replay

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/replay/disk"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// faultyQueue is a queue some of whose blocks come to nothing.
type faultyQueue struct {
	queue
	fault func(n int, r *disk.Result[sent])
	ended int
	none  bool // nothing lands unless somebody waits for it
}

func (q *faultyQueue) Next(wait bool) (disk.Result[sent], bool) {
	if q.none && !wait {
		return disk.Result[sent]{}, false
	}
	r, ok := q.queue.Next(wait)
	if ok && q.fault != nil {
		q.fault(q.ended, &r)
		q.ended++
	}
	return r, ok
}

// needQueue skips a test where there is no direct I/O.
func needQueue(t *testing.T, dir string) {
	d := newDirect()
	if !d.open(dir) {
		t.Skip("no direct I/O here")
	}
	d.queue.Close()
	require.NoError(t, d.file.Close())
}

// However blocks come to the disk and back, all that is said of a history is the same.
func TestHowBlocksAreWrittenDoesNotShow(t *testing.T) {
	dir := t.TempDir()
	needQueue(t, dir)
	keys := 40_000
	if testing.Short() {
		keys = 26_000
	}
	us, eu := manyKeys(keys)
	sources := []history.Source{sourceOf("us", us), sourceOf("eu", eu)}
	h, err := Collect(sources, history.Options{Memory: -1})
	want := saysAll(t, h, err)
	for _, c := range []struct {
		name  string
		queue func(room int) (queue, error)
		alone bool // there is no queue to read by
		check func(t *testing.T, d *direct)
	}{
		{name: "as it is", queue: newQueue, check: func(t *testing.T, d *direct) {
			require.Positive(t, d.landed)
			require.Empty(t, d.rescued)
		}},
		{name: "read one by one", queue: newQueue, alone: true, check: func(t *testing.T, d *direct) { require.Positive(t, d.landed) }},
		{name: "some are not written", queue: faulty(func(n int, r *disk.Result[sent]) {
			if n%3 == 1 {
				r.Size, r.Err = 0, syscall.EIO
			}
		}), check: func(t *testing.T, d *direct) {
			require.NotEmpty(t, d.rescued)
			require.Greater(t, d.landed, len(d.rescued))
			require.Less(t, d.landed, 2*directFirst, "it is left alone after the first")
		}},
		{name: "one is written in part", queue: faulty(func(n int, r *disk.Result[sent]) {
			if n == 7 {
				r.Size -= disk.Align
			}
		}), check: func(t *testing.T, d *direct) { require.Len(t, d.rescued, 1) }},
		{name: "the disk is slow", queue: func(room int) (queue, error) {
			q, err := newQueue(room)
			return &faultyQueue{queue: q, none: true}, err
		}, check: func(t *testing.T, d *direct) { require.Less(t, d.landed, directTrial) }},
		{name: "there is no queue", queue: func(int) (queue, error) { return newQueue(math.MaxInt32) }, check: func(t *testing.T, d *direct) {
			require.True(t, d.off)
			require.Zero(t, d.end)
		}},
	} {
		for workers := 1; workers <= 3; workers++ {
			if testing.Short() && workers != 2 {
				continue
			}
			t.Run(fmt.Sprint(c.name, " by ", workers), func(t *testing.T) {
				opt := history.Options{Memory: int64(workers) * 10 << 20, Workers: workers, Temp: dir}
				h := newHistory(sources, opt)
				h.store.held.Add(h.store.blocks()) // nothing fits
				d := h.store.spool.direct
				d.pause, d.least, d.newQueue = 0, disk.Align, c.queue
				if c.alone {
					for range 2 * workers {
						h.store.fetchers = append(h.store.fetchers, &fetcher{store: h.store, alone: true})
					}
				}
				h, err := h.all(sources, opt)
				require.Equal(t, want, saysAll(t, h, err))
				c.check(t, d)
			})
		}
	}
}

func faulty(fault func(n int, r *disk.Result[sent])) func(room int) (queue, error) {
	return func(room int) (queue, error) {
		q, err := newQueue(room)
		return &faultyQueue{queue: q, fault: fault}, err
	}
}

// newSpool returns a spool that writes past the cache from the first block on, and takes back what it gives.
func newSpool(t *testing.T, dir string) (s *spool, back *int) {
	back = new(int)
	s = &spool{dir: dir, direct: newDirect(), giveBack: func([]byte) { *back++ }}
	s.direct.pause = 0
	t.Cleanup(func() { require.NoError(t, s.close()) })
	return s, back
}

func blockOf(fill int) []byte { return bytes.Repeat([]byte{byte(fill), byte(fill >> 8)}, mostBlock/2) }

// aligned returns a copy of a block that can be sent.
func aligned(b []byte) []byte { return append(disk.Memory(mostBlock)[:0], b...) }

// What can be written neither past the cache nor through it is an error, once and for all.
func TestABlockThatIsNowhereIsAnError(t *testing.T) {
	dir := t.TempDir()
	needQueue(t, dir)
	s, back := newSpool(t, dir)
	s.direct.newQueue = faulty(func(n int, r *disk.Result[sent]) { r.Size, r.Err = 0, syscall.EIO })
	gone, err := os.Create(filepath.Join(dir, "gone"))
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	for i := range s.files {
		s.files[i].file, s.files[i].remove = gone, func() error { return nil }
	}
	e, ok, err := s.send(aligned(blockOf(1)))
	require.NoError(t, err)
	require.True(t, ok)
	for range 3 {
		require.ErrorIs(t, s.settle([]extent{e}), os.ErrClosed)
		_, ok, err = s.send(aligned(blockOf(2)))
		require.ErrorIs(t, err, os.ErrClosed)
		require.False(t, ok)
	}
	require.Equal(t, 1, *back)
	for i := range s.files {
		s.files[i].file = nil
	}
}

// Of a disk that does not keep up less and less is asked, and of one that does more.
func TestTheDiskIsAskedForWhatItCanDo(t *testing.T) {
	dir := t.TempDir()
	needQueue(t, dir)
	s, back := newSpool(t, dir)
	q := &faultyQueue{none: true}
	s.direct.newQueue = func(room int) (_ queue, err error) {
		q.queue, err = newQueue(room)
		return q, err
	}
	s.direct.longer, s.direct.slow = 10*mostBlock, time.Hour
	send := func() bool {
		_, ok, err := s.send(aligned(blockOf(0)))
		require.NoError(t, err)
		return ok
	}
	passed := func() (n int) {
		for !send() {
			n++
		}
		return n
	}
	taken := 0
	for send() {
		taken++
	}
	require.Equal(t, directFirst, taken)
	for range directTrial - directFirst - 1 {
		require.False(t, send())
	}
	q.none = false
	for s.direct.queue.Flying() > directFirst/2 {
		s.land(true)
	}
	require.Equal(t, 9, passed(), "it is asked again when ten blocks more went elsewhere")
	require.EqualValues(t, 20*mostBlock, s.direct.longer)
	for range directTrial {
		require.NoError(t, s.settle(nil))
		require.True(t, send())
	}
	q.none = true
	taken = s.direct.queue.Flying()
	for send() {
		taken++
	}
	require.Equal(t, directFirst+s.direct.landed/4, taken)
	require.NoError(t, s.settle(nil))
	require.Equal(t, s.direct.landed, *back)
}

// A system that can only begin blocks by writing them has its disk measured by that.
func TestADiskThatIsWaitedForIsMeasured(t *testing.T) {
	dir := t.TempDir()
	needQueue(t, dir)
	s, _ := newSpool(t, dir)
	s.direct.slow, s.direct.longer = 0, 1<<30
	sent := 0
	for ; s.direct.pause <= 0 && sent < 2*directTrial; sent++ {
		_, _, err := s.send(aligned(blockOf(0)))
		require.NoError(t, err)
	}
	require.EqualValues(t, 1<<30, s.direct.pause)
	require.GreaterOrEqual(t, sent, directTrial)
}

// What can't be sent is refused and stays whose it was.
func TestOddBlocksAreNotSent(t *testing.T) {
	dir := t.TempDir()
	needQueue(t, dir)
	s, back := newSpool(t, dir)
	for _, b := range [][]byte{
		disk.Memory(mostBlock + 1)[1:],         // not aligned
		disk.Memory(mostBlock)[:mostBlock/2-1], // hardly full
		disk.Memory(3*disk.Align + 1),          // not of whole pages
		disk.Memory(mostBlock / 4),             // small
	} {
		_, ok, err := s.send(b)
		require.NoError(t, err)
		require.False(t, ok)
	}
	e, ok, err := s.send(aligned(blockOf(3))[:mostBlock-100])
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, mostBlock-100, e.size())
	require.Zero(t, *back)
	require.NoError(t, s.settle(nil))
	require.Equal(t, 1, *back)
}

// Blocks come back in the order in which they are wanted, wherever they are, and what is wanted may be given up.
func TestBlocksAreFetchedInOrder(t *testing.T) {
	dir := t.TempDir()
	needQueue(t, dir)
	s := newStore(history.DefaultMemory, dir, 1)
	s.spool.direct.pause = 0
	var all []extent
	for i := range 3 * fetchAhead {
		if i%5 == 2 {
			e, err := s.spool.put(blockOf(i))
			require.NoError(t, err)
			all = append(all, e)
			continue
		}
		e, ok, err := s.spool.send(aligned(blockOf(i))[:mostBlock-2*(i%3)])
		require.NoError(t, err)
		if !ok { // it came too fast
			require.NoError(t, s.spool.settle(nil))
			e, ok, err = s.spool.send(aligned(blockOf(i)))
			require.NoError(t, err)
			require.True(t, ok)
		}
		all = append(all, e)
	}
	f := s.fetcher()
	for _, n := range []int{1, 5, fetchAhead, len(all)} {
		for first := 0; first < len(all); first += n {
			require.NoError(t, f.want(all[first:min(first+n, len(all))]))
			next := min(first+n, len(all))
			require.NoError(t, f.want(all[next:min(next+n, len(all))]))
			i := first
			require.NoError(t, f.each(next-first, func(b []byte) error {
				require.Equal(t, blockOf(i)[:all[i].size()], b)
				i++
				return nil
			}))
			f.forget()
		}
	}
	f.done()
	require.Same(t, f, s.fetcher())
	file := s.spool.direct.file
	require.NoError(t, file.Truncate(s.spool.direct.end-disk.Align))
	require.NoError(t, f.want(all))
	require.ErrorIs(t, f.each(len(all), func([]byte) error { return nil }), io.ErrUnexpectedEOF)
	require.NoError(t, file.Truncate(s.spool.direct.reserved))
	f.done()
	_, ok, err := s.spool.send(aligned(blockOf(0)))
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, s.close())
	require.ErrorIs(t, s.fetcher().want(all), os.ErrClosed, "one of them was on its way")
	s.spool.direct.flying.Store(false)
	f = s.fetcher()
	require.NoError(t, f.want(all))
	_, err = f.next()
	require.ErrorIs(t, err, os.ErrClosed)
}
