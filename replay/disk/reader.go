package disk

import (
	"io"
	"os"
)

// Reader reads a file from its beginning past the system's cache, some blocks ahead of whoever reads.
//
// What can't be read so is read as usual: the end of a file, what is added to it meanwhile, and the rest of one that turns out
// not to allow it. Errors are those of that.
type Reader struct {
	file   *os.File
	queue  *Queue[int] // nil once the rest is read as usual
	blocks [readAhead]readBlock
	asked  int64 // blocks
	at     int64 // of the file, where whoever reads is
}

type readBlock struct {
	data  []byte
	size  int // of what was read
	ended bool
	err   error
}

const (
	readAhead = 4
	readBytes = 1 << 20
)

// NewReader returns a reader of a file that nobody else reads. The error is of a system or a file that allows no such thing: the
// file is as it was.
func NewReader(file *os.File) (*Reader, error) {
	queue, err := NewQueue[int](readAhead)
	if err != nil {
		return nil, err
	}
	if err := Direct(file); err != nil {
		queue.Close()
		return nil, err
	}
	r := &Reader{file: file, queue: queue}
	memory := Memory(readAhead * readBytes)
	for i := range r.blocks {
		r.blocks[i].data = memory[i*readBytes : (i+1)*readBytes : (i+1)*readBytes]
		r.ask(i)
	}
	r.queue.Begin()
	return r, nil
}

// ask asks for the block after the last one.
func (r *Reader) ask(i int) {
	b := &r.blocks[i]
	b.ended = false
	r.queue.Read(r.file, b.data, r.asked*readBytes, i)
	r.asked++
}

// Read reads what comes next.
func (r *Reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if r.queue != nil {
		i := int(r.at / readBytes % readAhead)
		from := &r.blocks[i]
		for !from.ended {
			res, _ := r.queue.Next(true)
			to := &r.blocks[res.Tag]
			to.size, to.err, to.ended = res.Size, res.Err, true
		}
		within := int(r.at % readBytes)
		if n := copy(b, from.data[:from.size][min(within, from.size):]); n > 0 {
			r.at += int64(n)
			if within+n == readBytes {
				r.ask(i)
				r.queue.Begin()
			}
			return n, nil
		}
		r.Close() // the end, or an error that reading as usual will meet, or not
	}
	n, err := r.file.ReadAt(b, r.at)
	r.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Close gives up what is read ahead. The file stays open, and what follows is read as usual.
func (r *Reader) Close() {
	if r.queue == nil {
		return
	}
	r.queue.Close()
	r.queue = nil
	_ = Cached(r.file)
}

var _ io.Reader = (*Reader)(nil)
