package history

import "sync/atomic"

// buffer is memory that a source is read into. The one who reads it uses it, and each chunk that was cut from it; when
// all are done, it is read into again.
type buffer struct {
	data  []byte
	size  int // how much of it is read at once: what is read must not depend on who had the memory before
	users atomic.Int32
	spare chan *buffer // where it goes when all are done; nil when that is nowhere
}

// buffer returns an empty buffer for size bytes, which its caller uses.
func (s *scan) buffer(size int) *buffer {
	b := &buffer{}
	switch {
	case size == s.opt.chunk:
		b = take(s.spare)
	case size > s.opt.chunk:
		b = take(s.large)
	}
	if cap(b.data) < size {
		b.data = make([]byte, 0, size)
	}
	b.data, b.size = b.data[:0], size
	b.users.Store(1)
	return b
}

// take takes a buffer that is done, or begins one that will go there.
func take(spare chan *buffer) *buffer {
	select {
	case b := <-spare:
		return b
	default:
		return &buffer{spare: spare}
	}
}

// done ends one use. Nobody need call it: a buffer of which some user is never done is not used again, that is all.
func (b *buffer) done() {
	if b == nil || b.users.Add(-1) > 0 {
		return
	}
	select {
	case b.spare <- b:
	default: // there are enough
	}
}
