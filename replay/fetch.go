package replay

import (
	"io"
	"os"

	"github.com/tiebreakhq/tiebreak/replay/disk"
)

// fetcher reads blocks of a spool back in the order in which they are wanted, those of the direct file ahead of that: its user
// does other things while the disk reads. One goroutine uses it.
type fetcher struct {
	store  *store
	queue  *disk.Queue[*fetched] // nil until one is needed
	alone  bool                  // there is none: each block is read as it is wanted
	wanted []extent
	begun  int // of those that are wanted
	given  int // of those that are begun
	ahead  [fetchAhead]fetched
	room   []byte // for a block that is read as it is wanted
}

// fetched is a block that is read ahead.
type fetched struct {
	room   []byte
	flying bool
	size   int // that was read
	err    error
}

const (
	fetchAhead  = 64 // blocks that are read ahead, at most
	fetchAtOnce = 16 // blocks that are begun at once
)

// fetcher returns one that is to be given back: see [fetcher.done].
func (s *store) fetcher() *fetcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.fetchers)
	if n == 0 {
		return &fetcher{store: s}
	}
	f := s.fetchers[n-1]
	s.fetchers = s.fetchers[:n-1]
	return f
}

// done gives a fetcher back.
func (f *fetcher) done() {
	f.release()
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	f.store.fetchers = append(f.store.fetchers, f)
}

// want adds to the blocks that are wanted.
func (f *fetcher) want(blocks []extent) error {
	f.wanted = append(f.wanted, blocks...)
	if err := f.store.spool.settle(f.wanted[len(f.wanted)-len(blocks):]); err != nil {
		return err
	}
	f.begin()
	return nil
}

// begin begins to read what is wanted next.
func (f *fetcher) begin() {
	if f.begun == len(f.wanted) || f.begun > f.given+fetchAhead-fetchAtOnce {
		return
	}
	for ; f.begun < len(f.wanted) && f.begun < f.given+fetchAhead; f.begun++ {
		e := &f.wanted[f.begun]
		if e.file() != directFile {
			continue
		}
		if f.queue == nil && !f.alone {
			var err error
			f.queue, err = disk.NewQueue[*fetched](fetchAhead)
			f.alone = err != nil
		}
		to := &f.ahead[f.begun%fetchAhead]
		size := wholly(e.size())
		if cap(to.room) < size {
			f.store.giveBack(to.room)
			to.room = f.store.block(f.store.most)
		}
		file := f.store.spool.direct.file
		if file == nil {
			to.err = os.ErrClosed
			continue
		}
		if f.alone {
			to.size, to.err = file.ReadAt(to.room[:size], e.offset())
			continue
		}
		to.flying = true
		f.queue.Read(file, to.room[:size], e.offset(), to)
	}
	if f.queue != nil {
		f.queue.Begin()
	}
}

// next returns the next block. It is good until the next call.
func (f *fetcher) next() ([]byte, error) {
	f.begin()
	e, b := f.wanted[f.given], &f.ahead[f.given%fetchAhead]
	f.given++
	if f.given == len(f.wanted) {
		f.wanted, f.begun, f.given = f.wanted[:0], 0, 0
	}
	if e.file() != directFile {
		var err error
		f.room, err = f.store.spool.get(f.room[:0], e)
		return f.room, err
	}
	for b.flying {
		f.land()
	}
	if b.err == nil && b.size < e.size() {
		b.err = io.ErrUnexpectedEOF
	}
	if b.err != nil {
		return nil, unread(b.err)
	}
	return b.room[:e.size()], nil
}

// each calls visit with the next n blocks.
func (f *fetcher) each(n int, visit func(block []byte) error) error {
	for range n {
		b, err := f.next()
		if err != nil {
			return err
		}
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

// land waits for a block.
func (f *fetcher) land() {
	if r, ok := f.queue.Next(true); ok {
		r.Tag.flying, r.Tag.size, r.Tag.err = false, r.Size, r.Err
	}
}

// close gives the fetcher up. The system takes its time to end a queue, and nobody waits for that but the store when it is closed.
func (f *fetcher) close() {
	f.release()
	if f.queue != nil {
		f.store.ending.Go(f.queue.Close)
		f.queue = nil
	}
}

// release gives the memory back.
func (f *fetcher) release() {
	f.forget()
	for i := range f.ahead {
		f.store.giveBack(f.ahead[i].room)
		f.ahead[i].room = nil
	}
}

// forget gives up what is wanted.
func (f *fetcher) forget() {
	for f.queue != nil && f.queue.Flying() > 0 {
		f.land()
	}
	f.wanted, f.begun, f.given = f.wanted[:0], 0, 0
}
