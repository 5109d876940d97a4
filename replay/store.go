package replay

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/replay/disk"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// store holds the records of a history by part, in blocks: in memory while they fit, and beyond that in a temporary
// file.
type store struct {
	parts    [partitions]shelf
	readings [partitions]shelf // see [readingRecord]
	memory
	most  int          // bytes of a block, unless one record takes more
	held  atomic.Int64 // bytes of blocks in memory
	spool spool

	mu       sync.Mutex
	room     []byte           // for blocks, where nobody has written yet
	free     map[int][][]byte // blocks that were given back, by their size
	fetchers []*fetcher       // that nobody uses
	ending   sync.WaitGroup   // of queues
}

// block returns memory for a block of that size, which is no more than most. All sizes come from large pieces: to the runtime
// the small blocks of all shelves would be pages of their own, and each page a fault.
func (s *store) block(size int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if free := s.free[size]; len(free) > 0 {
		b := free[len(free)-1]
		s.free[size] = free[:len(free)-1]
		return b[:0]
	}
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(s.room))) % uintptr(min(size, disk.Align)))
	if len(s.room) < skip+size {
		s.room, skip = disk.Memory(s.piece()), 0
		preferLargePages(s.room)
	}
	s.room = s.room[skip:]
	b := s.room[:0:size]
	s.room = s.room[size:]
	return b
}

// giveBack takes the memory of a block that nobody needs any more.
func (s *store) giveBack(block []byte) {
	size := cap(block)
	if size == 0 || size > s.most { // of one record
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free[size] = append(s.free[size], block)
}

// shelf is the blocks of one part. Where a record is does not matter, so blocks have no order.
type shelf struct {
	blocks [][]byte // in memory
	away   []extent // in the spool
	size   int      // bytes of all
}

// memory is how much may be held at once; zero or below is without limit. What is not counted takes some more: chunks of
// input, the blocks at hand, what a key needs while it is folded.
type memory int64

// memoryOf returns what the options of a reader allow.
func memoryOf(opt *history.Options) memory {
	if opt.Memory == 0 {
		return history.DefaultMemory
	}
	return memory(min(opt.Memory, math.MaxInt))
}

// blocks returns how many bytes of records may be held. With what folding a large part takes, that leaves the collector of garbage some
// room: were it to have none, it would run without a pause.
func (m memory) blocks() int64 { return int64(m) * 3 / 16 }

// piece returns of how many bytes at a time there is memory for blocks.
func (m memory) piece() int {
	const most = 8 << 20
	if m <= 0 {
		return most
	}
	return max(min(int(m)/32, most)&^(mostBlock-1), mostBlock)
}

// block returns how many bytes the blocks have. Each of several goroutines has one open for each part.
func (m memory) block(workers int) int {
	size := mostBlock
	for m > 0 && size > firstBlock && size*partitions*workers > int(m)/8 {
		size /= 2
	}
	return size
}

// fold returns how many bytes of records one of several goroutines may have at hand to fold. If all are of one key, it needs
// about three times as much again to sort them and to find its way in them.
func (m memory) fold(workers int) int {
	if m <= 0 {
		return 0
	}
	return max(int(m)/16/max(workers, 2), 1)
}

// lists returns how many bytes of lists of ids one of several goroutines may have at hand to sort.
func (m memory) lists(workers int) int {
	if m <= 0 {
		return 64 << 20
	}
	return max(int(m)/16/workers, 64<<10)
}

// chains returns how many bytes of what follows from such lists may be in memory.
func (m memory) chains() int { return int(m) / 8 }

// atOnce returns how many operations and reads of one key may be at hand to be judged: one takes about three quarters of a KiB.
func (m memory) atOnce() int {
	if m <= 0 {
		return 0
	}
	return max(int(m)/16*3>>10, 1)
}

// far returns how many bytes one long key may hold in memory: what takes more is in far memory.
func (m memory) far() int { return int(m) / 10 }

// inAll returns up to how many bytes of all that this process has in memory what is far may be held beyond that: until the next
// look there is some more.
func (m memory) inAll() int64 { return int64(m) / 16 * 13 }

func newStore(m memory, dir string, workers int) *store {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	s := &store{memory: m, most: m.block(workers), free: make(map[int][][]byte)}
	s.spool = spool{dir: dir, giveBack: s.giveBack, direct: newDirect()}
	return s
}

// close gives back the disk space.
func (s *store) close() error {
	s.mu.Lock()
	idle := s.fetchers
	s.fetchers = nil
	s.mu.Unlock()
	for _, f := range idle {
		f.close()
	}
	defer s.ending.Wait()
	return s.spool.close()
}

// fits reports whether a block may be held in memory, and counts it as held then.
func (s *store) fits(block []byte) bool {
	if s.memory <= 0 || s.held.Add(int64(len(block))) <= s.blocks() {
		return true
	}
	s.held.Add(-int64(len(block)))
	return false
}

// shelve takes a full block of a shelf, of memory that is nobody else's. It returns memory for the next one where it has none of
// its own any more: nil when the block's is the store's now.
func (s *store) shelve(to *shelf, block []byte) (spare []byte, err error) {
	if len(block) == 0 {
		return block, nil
	}
	to.size += len(block)
	if s.fits(block) {
		to.blocks = append(to.blocks, block)
		return nil, nil
	}
	if cap(block) <= s.most {
		e, sent, err := s.spool.send(block)
		if err != nil {
			return nil, err
		}
		if sent {
			to.away = append(to.away, e)
			return nil, nil
		}
	}
	return block[:0], s.putAway(to, block)
}

// putAway writes a block of a shelf to the spool.
func (s *store) putAway(to *shelf, block []byte) error {
	e, err := s.spool.put(block)
	if err != nil {
		return err
	}
	to.away = append(to.away, e)
	return nil
}

// clear puts away all of the history that is in memory, so that there is room for something else. Nobody else uses the store.
func (s *store) clear() error {
	for _, shelves := range [...][]shelf{s.parts[:], s.readings[:]} {
		for p := range shelves {
			of := &shelves[p]
			for n, b := range of.blocks {
				if err := s.putAway(of, b); err != nil {
					of.blocks = of.blocks[n:]
					return err
				}
				s.held.Add(-int64(len(b)))
			}
			of.blocks = nil
		}
	}
	s.room = nil
	clear(s.free)
	return nil
}

// drop gives back the memory of a shelf that is no part of the history.
func (s *store) drop(gone *shelf) {
	if s.memory <= 0 {
		return
	}
	for _, b := range gone.blocks {
		s.held.Add(-int64(len(b)))
	}
	*gone = shelf{}
}

// join takes the blocks of another shelf of the same store.
func (s *shelf) join(o *shelf) {
	s.blocks = append(s.blocks, o.blocks...)
	s.away = append(s.away, o.away...)
	s.size += o.size
}

// some returns up to n of the blocks, spread evenly over them.
func (s *shelf) some(n int) shelf {
	var some shelf
	all := len(s.blocks) + len(s.away)
	n = min(n, all)
	for i := range n {
		if at := i * all / n; at < len(s.blocks) {
			some.blocks = append(some.blocks, s.blocks[at])
		} else {
			some.away = append(some.away, s.away[at-len(s.blocks)])
		}
	}
	return some
}

// each calls visit with the blocks of a shelf one after the other. Those in the spool are read into one memory: visit
// keeps nothing of a block.
func (s *store) each(from *shelf, visit func(block []byte) error) error {
	for _, b := range from.blocks {
		if err := visit(b); err != nil {
			return err
		}
	}
	return s.eachAway(from, visit)
}

// eachAway is each, of those in the spool.
func (s *store) eachAway(from *shelf, visit func(block []byte) error) error {
	if len(from.away) == 0 {
		return nil
	}
	f := s.fetcher()
	defer f.done()
	if err := f.want(from.away); err != nil {
		return err
	}
	return f.each(len(from.away), visit)
}

// all returns the blocks of a shelf at once, those in the spool read to room, which grows to hold them, by eachAway.
func (s *shelf) all(blocks [][]byte, room []byte, eachAway func(visit func([]byte) error) error) (all [][]byte, grown []byte, err error) {
	blocks = append(blocks[:0], s.blocks...)
	away := 0
	for _, e := range s.away {
		away += e.size()
	}
	if away > cap(room) {
		room = make([]byte, 0, away)
	}
	room = room[:0]
	err = eachAway(func(b []byte) error {
		at := len(room)
		room = append(room, b...)
		blocks = append(blocks, room[at:len(room):len(room)])
		return nil
	})
	return blocks, room, err
}

// filler writes records to the shelves of one store. One goroutine at a time uses it.
//
// A record goes to the stage of its shelf first, and with others to the block: the blocks of all shelves are far more than a
// processor's own cache holds, and to wait for each line of them, here and there, costs more than to copy what a stage holds.
type filler struct {
	store   *store
	shelves []shelf
	open    [][]byte // where the next record of each goes: its stage or, when it has none, the block at hand
	behind  []staged
	most    int   // the most bytes of a block
	tight   bool  // other fillers will fill shelves for this history when this one is closed: leave no room in its blocks
	err     error // the first that happened; nothing is put after it
}

// staged is what belongs to a stage.
type staged struct {
	block []byte // the one at hand; nil while that is open itself
	stage []byte // its memory, once there is some
}

// A shelf's memory comes in blocks: the first is small, for a short history has few records in each part, and each is
// twice the one before. Many small ones waste less than a few large ones.
const (
	firstBlock = 1 << 10
	mostBlock  = 64 << 10
	stageBytes = 2 << 10 // of a block of at least twice as much
)

func newFiller(s *store, shelves int) *filler {
	return &filler{store: s, shelves: make([]shelf, shelves), open: make([][]byte, shelves), behind: make([]staged, shelves), most: s.most}
}

// put adds a record to shelf number p.
func (f *filler) put(p int, record []byte) {
	if len(record) > f.most {
		f.putAlone(p, record)
		return
	}
	f.open[p] = append(f.room(p, len(record)), record...)
}

// putAlone adds a record that takes more than a block: as one, which is put away at once, for what is at hand counts for
// nothing.
func (f *filler) putAlone(p int, record []byte) {
	if f.err != nil {
		return
	}
	to := &f.shelves[p]
	to.size += len(record)
	if f.store.fits(record) {
		to.blocks = append(to.blocks, slices.Clone(record))
		return
	}
	f.err = f.store.putAway(to, record)
}

// room returns where the next record of shelf number p goes, with room for size bytes more.
func (f *filler) room(p, size int) []byte {
	to := f.open[p]
	if size > cap(to)-len(to) {
		to = f.more(p, size)
	}
	return to
}

// more is room, where there is none.
func (f *filler) more(p, size int) []byte {
	s := &f.behind[p]
	if s.block != nil {
		f.unstage(p)
		if size <= cap(s.stage) {
			return s.stage
		}
		// A long record goes to the block itself.
		f.open[p], s.block = s.block, nil
		if size <= cap(f.open[p])-len(f.open[p]) {
			return f.open[p]
		}
	}
	block := f.next(p, f.open[p], size)
	if cap(block) < 2*stageBytes || size > stageBytes {
		return block
	}
	if s.stage == nil {
		s.stage = f.store.block(stageBytes)
	}
	s.block = block
	return s.stage
}

// unstage moves what is in a stage to its block.
func (f *filler) unstage(p int) {
	s := &f.behind[p]
	stage := f.open[p]
	if len(stage) > cap(s.block)-len(s.block) {
		s.block = f.next(p, s.block, len(stage))
	}
	s.block = append(s.block, stage...)
}

// next puts a block of shelf number p away and returns an empty one with room for size bytes.
func (f *filler) next(p int, block []byte, size int) []byte {
	most := firstBlock
	if cap(block) > 0 {
		most = min(2*cap(block), f.most)
	}
	for most < min(size, f.most) {
		most = min(2*most, f.most)
	}
	if f.err == nil {
		block, f.err = f.store.shelve(&f.shelves[p], block)
	}
	if f.err != nil {
		block = block[:0]
	}
	if cap(block) >= max(most, size) {
		return block
	}
	f.store.giveBack(block)
	if size > most {
		return make([]byte, 0, size)
	}
	return f.store.block(most)
}

// close puts all blocks at hand away. The shelves are the caller's then.
func (f *filler) close() ([]shelf, error) {
	for p, block := range f.open {
		s := &f.behind[p]
		if s.block != nil {
			f.unstage(p)
			block = s.block
		}
		f.store.giveBack(s.stage)
		kept, roomy := block, f.tight && cap(block)-len(block) > cap(block)/8
		if roomy {
			kept = slices.Clone(block)
		}
		if f.err == nil {
			kept, f.err = f.store.shelve(&f.shelves[p], kept)
		}
		if roomy {
			kept = block
		}
		f.store.giveBack(kept)
	}
	f.open, f.behind = nil, nil
	return f.shelves, f.err
}

// closeTo closes the filler and adds its shelves to others. Either may be nil, of none.
func (f *filler) closeTo(all *[]shelf) error {
	if f == nil {
		return nil
	}
	more, err := f.close()
	if err != nil {
		return err
	}
	if *all == nil {
		*all = more
		return nil
	}
	for p := range more {
		(*all)[p].join(&more[p])
	}
	return nil
}
