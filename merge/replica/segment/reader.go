package segment

import (
	"io"
)

// readAhead is how much of a file is read at once.
const readAhead = 256 << 10

// reader reads the frames of one segment in order. It holds as much of the file as it reads ahead, or one record.
type reader struct {
	file io.ReaderAt
	name string // path, for errors
	size int64  // where to stop

	offset int64  // of the next frame
	next   uint64 // its sequence

	buf   []byte // of the file, from start on
	start int64
}

// A damage is a frame that can't be read, though all its bytes could.
type damage struct {
	CorruptError
	certain bool // no crash leaves this
}

// bytes returns n bytes of the file from the offset on. The caller has made sure that the file has them.
func (r *reader) bytes(offset int64, n int) ([]byte, error) {
	if have := r.start + int64(len(r.buf)); offset < r.start || offset+int64(n) > have {
		want := int(min(max(int64(n), readAhead), r.size-offset))
		if cap(r.buf) < want {
			r.buf = make([]byte, want)
		}
		r.buf, r.start = r.buf[:want], offset
		if got, err := r.file.ReadAt(r.buf, offset); got < want {
			r.buf = r.buf[:0]
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	at := int(offset - r.start)
	return r.buf[at : at+n], nil
}

// open checks the header of a segment that starts with a sequence.
func (r *reader) open(first uint64) error {
	corrupt := func(detail string) error { return &CorruptError{File: r.name, Detail: detail} }
	if r.size < headerSize {
		return corrupt("the header is cut short")
	}
	h, err := r.bytes(0, headerSize)
	if err != nil {
		return err
	}
	if ok, why := sealed(h, segmentMagic); !ok {
		return corrupt(why)
	}
	if little.Uint64(h[12:]) != first {
		return corrupt("the first sequence is not the one in its name")
	}
	r.offset, r.next = headerSize, first
	return nil
}

// record reads the next record, and returns io.EOF at the end. A damage leaves the reader where it is.
func (r *reader) record() (Record, error) {
	rec, f, d, err := r.peek()
	switch {
	case err != nil:
		return Record{}, err
	case d != nil:
		return Record{}, &d.CorruptError
	}
	r.skip(f)
	return rec, nil
}

func (r *reader) skip(f frame) {
	r.offset += frameSize + int64(f.length)
	r.next++
}

// peek reads the record at the offset without going on. It has three endings: a record; a damage; or an error, which is
// io.EOF at the end and otherwise of the disk.
func (r *reader) peek() (Record, frame, *damage, error) {
	damaged := func(certain bool, detail string) (Record, frame, *damage, error) {
		return Record{}, frame{}, &damage{CorruptError{r.name, r.offset, detail}, certain}, nil
	}
	left := r.size - r.offset
	if left == 0 {
		return Record{}, frame{}, nil, io.EOF
	}
	if left < frameSize {
		return damaged(false, "a frame is cut short")
	}
	h, err := r.bytes(r.offset, frameSize)
	if err != nil {
		return Record{}, frame{}, nil, err
	}
	f, ok := parseFrame(h, r.offset)
	switch {
	case !ok:
		return damaged(false, "the checksum of a frame does not match")
	case f.sequence != r.next:
		return damaged(true, "the sequence jumps")
	case f.length > MaxRecord:
		return damaged(true, "a record is larger than any can be")
	case int64(f.length) > left-frameSize:
		return damaged(false, "a record is cut short")
	}
	b, err := r.bytes(r.offset, frameSize+int(f.length))
	if err != nil {
		return Record{}, frame{}, nil, err
	}
	body := b[frameSize:]
	if bodySum(0, body) != f.body {
		return damaged(false, "the checksum of a record does not match")
	}
	return Record{Position{f.sequence, uint64(r.offset)}, body}, f, nil, nil
}

// frames looks for frames at every byte after the offset and calls found with each. Damage can hide where the next one
// starts.
func (r *reader) frames(found func(frame) bool) error {
	for at := r.offset + 1; at+frameSize <= r.size; at++ {
		b, err := r.bytes(at, frameSize)
		if err != nil {
			return err
		}
		if f, ok := parseFrame(b, at); ok && !found(f) {
			return nil
		}
	}
	return nil
}
