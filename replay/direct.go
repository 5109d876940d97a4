package replay

import (
	"cmp"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tiebreakhq/tiebreak/replay/disk"
)

// direct is the file of a spool that blocks are written to past the system's cache, while whoever filled them fills others. In
// that cache each block costs a copy and new pages, and of what exceeds a share of the memory the system writes all to the disk
// in the end, with everybody waiting. Several goroutines may use it.
//
// It takes blocks while the disk keeps up with those who fill them. A disk that is slow at writing would be slower at reading
// blocks here and there: when it keeps up with less than half of them it is left alone for a while, for longer each time.
type direct struct {
	flying atomic.Bool // something may be on its way, or be elsewhere

	mu       sync.Mutex
	queue    queue // nil before the first block
	newQueue func(room int) (queue, error)
	temp     spoolFile
	file     *os.File         // that of temp, while it is open
	end      int64            // of what was taken
	reserved int64            // of the file
	asked    int              // blocks that were not begun
	landed   int              // blocks that were written
	rescued  map[int64]extent // where blocks are that could not be written where they belong
	err      error            // of a block that is nowhere

	least          int           // bytes of a block: smaller ones cost the disk more than they save
	slow           time.Duration // to begin blocks: where the system can't write them meanwhile, it takes as long as writing
	off            bool          // it takes no more
	pause          int64         // how many bytes it lets pass before it is tried again
	longer         int64         // how many it lets pass after that when it fails
	taken, refused int           // blocks of the trial at hand
}

// queue is a [disk.Queue] of blocks that are written.
type queue interface {
	Flying() int
	Write(file *os.File, b []byte, offset int64, tag sent)
	Begin()
	Next(wait bool) (disk.Result[sent], bool)
	Close()
}

func newQueue(room int) (queue, error) {
	q, err := disk.NewQueue[sent](room)
	if err != nil {
		return nil, err // and no queue that is none
	}
	return q, nil
}

// sent is a block on its way.
type sent struct {
	offset int64
	size   int
}

const (
	directFile  = spoolFiles // of an extent
	directSpace = 32 << 20   // how much of the disk is taken at once
	directRoom  = 512        // blocks on their way, at most
	directFirst = 64         // and at first
	directAsked = 16         // blocks that are begun at once
	directTrial = 256        // blocks
)

// newDirect returns one that nothing was sent to. Some of what there is goes to the cache first: what is small is gone before the
// system would write it to the disk.
func newDirect() *direct {
	const least, most = 64 << 20, 512 << 20
	first := min(max(disk.MachineMemory()/16, least), most)
	return &direct{least: mostBlock / 2, slow: 10 * time.Millisecond, pause: first, longer: first, newQueue: newQueue}
}

// send takes a block that is the spool's from now on, until it gives its memory back: see [spool.giveBack]. It refuses one that
// it can't write past the cache; such a block is for put.
func (s *spool) send(block []byte) (e extent, taken bool, err error) {
	d := s.direct
	if cap(block) < d.least || cap(block)%disk.Align > 0 || len(block) < cap(block)/2 || !disk.Aligned(block) {
		return extent{}, false, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pause -= int64(len(block)); d.off || d.pause > 0 || d.err != nil {
		return extent{}, false, d.err
	}
	size := int64(wholly(len(block)))
	if !d.open(s.dir) || !d.reserve(size) {
		d.off = true
		return extent{}, false, nil
	}
	room := min(directFirst+d.landed/4, directRoom)
	if d.queue.Flying() >= room {
		s.land(false)
	}
	if d.queue.Flying() >= room {
		d.tried(0, 1)
		return extent{}, false, d.err
	}
	d.tried(1, 0)
	e = newExtent(directFile, d.end, len(block))
	d.queue.Write(d.file, block[:size], d.end, sent{d.end, len(block)})
	d.end += size
	d.flying.Store(true)
	if d.asked++; d.asked >= directAsked {
		began := time.Now()
		d.begin()
		if time.Since(began) > d.slow {
			d.tried(-directAsked, directAsked)
		}
		s.land(false)
	}
	return e, true, d.err
}

func (d *direct) begin() {
	d.asked = 0
	d.queue.Begin()
}

// tried counts blocks that were taken and that came too fast.
func (d *direct) tried(taken, refused int) {
	d.taken, d.refused = d.taken+taken, d.refused+refused
	if d.taken+d.refused < directTrial {
		return
	}
	if d.refused > d.taken {
		d.pause = d.longer
		d.longer *= 2
	}
	d.taken, d.refused = 0, 0
}

// wholly returns how much of a file a block takes.
func wholly(size int) int { return (size + disk.Align - 1) &^ (disk.Align - 1) }

// open makes the file and the queue, once.
func (d *direct) open(dir string) bool {
	if d.queue != nil {
		return true
	}
	var err error
	if d.file, err = d.temp.open(dir); err != nil || disk.Direct(d.file) != nil {
		return false // whoever keeps the block elsewhere will say why
	}
	d.queue, err = d.newQueue(directRoom)
	return err == nil
}

// reserve makes room in the file. Where the file grows as it is written, the system waits for each block. That there is no room
// is for whoever writes the block elsewhere to say.
func (d *direct) reserve(size int64) bool {
	if d.end+size <= d.reserved {
		return true
	}
	if disk.Reserve(d.file, d.reserved, d.reserved+directSpace) != nil {
		return false
	}
	d.reserved += directSpace
	return true
}

// land takes back the memory of blocks that were written, of all of them if it may wait. What could not be written so is written
// as usual.
func (s *spool) land(wait bool) {
	d := s.direct
	for {
		r, ok := d.queue.Next(wait)
		if !ok {
			return
		}
		if r.Size < len(r.Data) {
			d.off = true
			e, err := s.put(r.Data[:r.Tag.size])
			if d.rescued == nil {
				d.rescued = make(map[int64]extent)
			}
			d.rescued[r.Tag.offset] = e
			d.err = cmp.Or(d.err, err)
		}
		d.landed++
		s.giveBack(r.Data)
	}
}

// settle waits until all that was sent can be read, and puts right where those of the blocks are that are elsewhere.
func (s *spool) settle(blocks []extent) error {
	d := s.direct
	if !d.flying.Load() {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.queue == nil {
		return unread(os.ErrClosed)
	}
	d.begin()
	s.land(true)
	for i, e := range blocks {
		if e.file() == directFile {
			if there, ok := d.rescued[e.offset()]; ok {
				blocks[i] = there
			}
		}
	}
	d.flying.Store(d.rescued != nil)
	return d.err
}

func (s *spool) closeDirect() error {
	d := s.direct
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	if d.queue != nil {
		d.queue.Close()
		d.queue = nil
	}
	d.file = nil
	return d.temp.close()
}
