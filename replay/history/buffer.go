package history

import "sync/atomic"

// buffer is memory that a source is read into. The one who reads it uses it, and each chunk that was cut from it; when
// all are done, it is read into again.
type buffer struct {
	data  []byte
	users atomic.Int32
	spare chan *buffer // where it goes when all are done; nil when it is not of the size of a chunk
}

// buffer returns an empty buffer for size bytes, which its caller uses.
func (s *scan) buffer(size int) *buffer {
	b := &buffer{}
	if size == s.opt.chunk {
		select {
		case b = <-s.spare:
		default:
			b.spare = s.spare
		}
	}
	if b.data == nil {
		b.data = make([]byte, 0, size)
	}
	b.data = b.data[:0]
	b.users.Store(1)
	return b
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
