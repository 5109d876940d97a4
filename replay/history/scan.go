package history

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/disk"
)

// Stats is the sum of what [Scan] read.
type Stats struct {
	Records  int64 // handed over
	Aside    int64 // findings of what could not be read
	Excluded int64
	Origins  int64
	NoOrigin int64
	Counts   map[finding.Code]int64 // what was read and is no record by design
	Lines    int64                  // lines of text, and frames of msgpack streams
	Bytes    int64                  // unpacked
	Stored   int64                  // as the sources hold them
}

// chunkBytes is how much of a source a worker parses at once. What is read first of a source, and tells its format, is
// less, so that a thousand small files don't cost a thousand chunks.
const (
	chunkBytes = 256 << 10
	firstBytes = 64 << 10
)

// Scan reads all sources and calls each with what they hold, a batch at a time. Sources are read and parsed in parallel,
// so each is called by several goroutines at once and in any order; [Batch.Source] and [Batch.Chunk] say where a batch
// belongs. What is in which batch depends on nothing but the sources: put in order, the records and findings of all
// batches are the same with any number of workers.
//
// What can't be read is in a batch as a finding with its place, and reading goes on behind it: after a line, a frame or
// a document. Only where nothing tells where the next one begins (a broken header in a msgpack stream, a damaged
// compression, damage in the log of a replica, more than the options allow of one source) does one finding stand for the rest of its source. The error
// is that of each, which ends the scan; of a source that can't be opened or read; or one that wraps [ErrFormat], for a
// source that is of no known format or may be of two.
//
// Memory is bounded by the number of workers, and of compressed sources that they read at once times [chunksAhead], times the
// larger of 256 KiB and the longest record that the limits allow.
func Scan(sources []Source, opt Options, each func(*Batch) error) (Stats, error) {
	if _, known := importerOf(opt.Format); opt.Format != "" && !known {
		return Stats{}, fmt.Errorf("%w %q: want one of %s", ErrFormat, opt.Format, join(Formats))
	}
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.chunk <= 0 {
		opt.chunk = chunkBytes
	}
	opt.cached = cmp.Or(opt.cached, disk.MachineMemory()/2)
	s := &scan{
		sources: sources, opt: &opt,
		spare:  make(chan *buffer, 2*opt.Workers+chunksAhead),
		large:  make(chan *buffer, 2),
		stop:   make(chan struct{}),
		failed: len(sources),
		users:  make([]atomic.Int32, len(sources)),
	}
	var workers sync.WaitGroup
	for i := range opt.Workers {
		workers.Go(func() { s.work(i, each) })
	}
	workers.Wait()
	for _, f := range s.feeds {
		f.stop()
	}
	return s.stats, s.err
}

// scan is one call of [Scan].
type scan struct {
	sources []Source
	opt     *Options
	spare   chan *buffer   // of the size of a chunk
	large   chan *buffer   // of long records
	stop    chan struct{}  // closed when the rest is in vain
	users   []atomic.Int32 // of each source: who reads it, and its chunks that are not handed over

	mu     sync.Mutex
	next   int // the source to read next
	feeds  []*feed
	stats  Stats
	err    error
	failed int // the source of err, so that of several errors the first in order is returned; -1 for the caller's
}

// feed is a source that is read. Who wants a chunk of it reads it, and then parses it where it is: in the cache of the same
// processor. Unpacking needs what was unpacked last, which is far more than a chunk; so a compressed source is read by one
// goroutine alone, a little ahead of those who parse, and what it needs stays where it is.
type feed struct {
	mu    sync.Mutex
	next  func() (*chunk, bool)
	end   func()
	ahead chan *chunk   // of a compressed source, from its second chunk on
	quit  chan struct{} // closed when nobody wants what is ahead
}

// chunksAhead is how many chunks of a compressed source may wait for a worker.
const chunksAhead = 8

// chunk returns the next chunk; nil when there is none.
func (f *feed) chunk() *chunk {
	f.mu.Lock()
	if f.ahead == nil {
		defer f.mu.Unlock()
		c, _ := f.next()
		if c != nil && c.packed {
			f.ahead, f.quit = make(chan *chunk, chunksAhead), make(chan struct{})
			go f.readAhead()
		}
		return c
	}
	f.mu.Unlock()
	return <-f.ahead
}

// readAhead reads the rest of a source.
func (f *feed) readAhead() {
	defer close(f.ahead)
	for c, ok := f.next(); ok; c, ok = f.next() {
		select {
		case f.ahead <- c:
		case <-f.quit:
			return
		}
	}
}

// stop ends the reading, when no worker asks for chunks any more.
func (f *feed) stop() {
	if f.ahead != nil {
		close(f.quit)
		for range f.ahead { // until it is closed
		}
	}
	f.end()
}

// feed returns a source to read: one that nobody has begun, or else one that another worker reads, and nil when there is
// none. The one that is given has ended.
func (s *scan) feed(ended *feed) *feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feeds = slices.DeleteFunc(s.feeds, func(f *feed) bool { return f == ended })
	if s.err != nil {
		return nil
	}
	if s.next < len(s.sources) && !s.stopped() {
		f := &feed{}
		f.next, f.end = iter.Pull(s.chunks(s.next))
		s.feeds = append(s.feeds, f)
		s.next++
		return f
	}
	if len(s.feeds) == 0 {
		return nil
	}
	return s.feeds[len(s.feeds)-1] // the one that was begun last has most before it
}

// fail ends the scan with an error.
func (s *scan) fail(source int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		close(s.stop)
	}
	if s.err == nil || source < s.failed {
		s.err, s.failed = err, source
	}
}

// errStopped is of a source that was not read to its end because the rest is in vain, or not wanted any more.
var errStopped = errors.New("stopped")

// chunks reads a source.
func (s *scan) chunks(i int) iter.Seq[*chunk] {
	return func(yield func(*chunk) bool) {
		s.users[i].Add(1)
		err := s.source(i, func(c *chunk) error {
			if s.stopped() {
				return errStopped
			}
			s.users[i].Add(1)
			if !yield(c) {
				return errStopped
			}
			return nil
		})
		switch {
		case errors.Is(err, errStopped):
		case err != nil:
			s.fail(i, err)
		default:
			s.done(i)
		}
	}
}

// stopped reports whether the caller wants no more.
func (s *scan) stopped() bool {
	select {
	case <-s.opt.Stop:
		return true
	default:
		return false
	}
}

// done ends one use of a source. The last one to end tells that the source is finished.
func (s *scan) done(source int) {
	if s.users[source].Add(-1) == 0 && s.opt.Finished != nil {
		s.opt.Finished(source)
	}
}

// stored returns how much has been read of all sources.
func (s *scan) stored() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.Stored
}

// told adds to what has been read of all sources.
func (s *scan) told(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Stored += int64(n)
	if s.opt.Progress != nil {
		s.opt.Progress(s.stats.Stored)
	}
}

// passing returns how a file is read, and what is to be told how many bytes more of it have been. What is read stays in the
// system's cache of files, where a second look at it is quick. Of more than half of what memory holds not much would be left there
// by then, and to make room for it, page by page, costs the system more than all else that it does for us: so that is read past
// the cache or, where there is no such thing, let go when it has been read.
func (s *scan) passing(file io.Reader) (r io.Reader, told func(n int), end func()) {
	const step = 8 << 20
	none := func() {}
	onDisk, ok := file.(*os.File)
	if !ok || s.opt.cached == 0 {
		return file, s.told, none
	}
	info, err := onDisk.Stat()
	if err != nil || !info.Mode().IsRegular() || s.stored()+info.Size() <= s.opt.cached {
		return file, s.told, none
	}
	if at, err := onDisk.Seek(0, io.SeekCurrent); err == nil && at == 0 {
		if r, err := disk.NewReader(onDisk); err == nil {
			return r, s.told, r.Close
		}
	}
	gone, at := int64(0), int64(0)
	return file, func(n int) {
		s.told(n)
		if at += int64(n); at-gone >= step {
			disk.LetGo(onDisk, gone, at)
			gone = at
		}
	}, none
}

// source reads one source and cuts it into chunks, which it sends. An error of send ends it.
func (s *scan) source(i int, send func(*chunk) error) error {
	src := &s.sources[i]
	if src.Format == Replica {
		return s.replica(i, send)
	}
	file, err := src.Open()
	if err != nil {
		return err // it names the file
	}
	defer file.Close()
	from, told, endFrom := s.passing(file)
	defer endFrom()
	in, bad, err := newInput(from, s.opt, told)
	if err != nil {
		return wrap(src.Name, err)
	}
	next := chunk{source: i, name: src.Name, region: src.Region, table: src.Table, line: 1, packed: in != nil && in.packing != ""}
	if bad != nil {
		next.find(1, 0, bad)
		return send(&next)
	}
	defer in.close()

	var split splitter
	buf := s.buffer(min(s.opt.chunk, firstBytes))
	for {
		have := len(buf.data)
		n, end, bad, err := in.fill(buf.data[have:buf.size])
		if err != nil {
			return wrap(src.Name, err)
		}
		buf.data = buf.data[:have+n]
		rest := buf.data
		if split == nil && (end || len(rest) >= len(byteOrderMark)) {
			rest = bytes.TrimPrefix(rest, byteOrderMark)
			if next.format, err = s.format(src, rest, end); err != nil {
				return err
			}
			if next.format != "" {
				next.importer, _ = importerOf(next.format)
				split = splitterOf(next.format, s.opt)
			}
		}
		for split != nil && len(rest) > 0 {
			c := next
			done := split.cut(&c, rest, end)
			if done == 0 {
				break
			}
			rest = rest[done:]
			next.line += c.lines
			next.index++
			c.buffer = buf
			buf.users.Add(1)
			if err := send(&c); err != nil {
				return err
			}
		}
		if bad != nil {
			next.find(next.line, 0, bad)
			if err := send(&next); err != nil {
				return err
			}
		}
		if end {
			if open, ok := split.(*documentSplitter); ok && open.array { // nothing came behind its last element
				next.strays = nil
				if open.close(&next, next.line); next.strays != nil {
					return send(&next)
				}
			}
			return nil
		}
		size := s.opt.chunk
		if len(rest) > size/2 {
			size = 2 * len(rest)
		}
		more := s.buffer(size)
		more.data = append(more.data, rest...)
		buf.done()
		buf = more
	}
}

// format returns the format of a source that begins with data, and "" when it can't tell without more of it.
func (s *scan) format(src *Source, data []byte, end bool) (Format, error) {
	named := cmp.Or(src.Format, s.opt.Format)
	if named == "" {
		return detect(src.Name, data, end, s.opt)
	}
	if _, known := importerOf(named); !known {
		return "", fmt.Errorf("%s: %w %q: want one of %s", src.Name, ErrFormat, named, join(Formats))
	}
	return named, nil
}

// work reads and parses chunks and hands over what they hold.
func (s *scan) work(worker int, each func(*Batch) error) {
	p := parser{opt: s.opt}
	for f := s.feed(nil); f != nil; f = s.feed(f) {
		for c := f.chunk(); c != nil; c = f.chunk() {
			select {
			case <-s.stop:
				return
			default:
			}
			b := p.batch(c)
			b.Worker = worker
			s.add(b)
			if err := each(b); err != nil {
				s.fail(-1, err)
				return
			}
			s.done(c.source)
		}
	}
}

// add adds a batch to the sum.
func (s *scan) add(b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Records += int64(len(b.Records) + len(b.Plain))
	s.stats.Aside += int64(len(b.Aside))
	s.stats.Excluded += b.Excluded
	s.stats.Origins += b.Origins
	s.stats.NoOrigin += b.NoOrigin
	s.stats.Lines += b.Lines
	s.stats.Bytes += b.Bytes
	for code, n := range b.Counts {
		if s.stats.Counts == nil {
			s.stats.Counts = make(map[finding.Code]int64)
		}
		s.stats.Counts[code] += n
	}
}

// batch parses one chunk.
func (p *parser) batch(c *chunk) *Batch {
	b := batches.Get().(*Batch)
	b.Name, b.Source, b.Chunk, b.region, b.table, b.input = c.name, c.source, c.index, c.region, c.table, c.buffer
	b.Lines, b.Bytes = c.lines, int64(len(c.data))
	// Lines that are shorter than any record can be must not make room for records.
	n := min(max(int(c.lines), len(c.documents.all())), len(c.data)/len(`{"key":"k","node":"n","value":0}`)+1)
	switch {
	case p.opt.Plain && (c.format == Native || c.format == Msgpack):
		b.Plain = slices.Grow(b.Plain, n)
	case cap(b.Records) < n:
		b.Records = make([]Record, 0, n)
	}
	switch c.format {
	case Native:
		p.lines(c, b)
	case Msgpack:
		p.frames(c, b)
	case Replica:
		p.entries(c, b)
	default:
		p.documents(c, b)
		return b
	}
	for _, s := range c.strays {
		b.Aside = append(b.Aside, s.Finding)
	}
	return b
}
