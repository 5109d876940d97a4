package replay

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// A partial is a history that was read, kept for later: every write in compact form with its place, and the counts of all
// else. It carries the writes and not only their sums, for a conflict may span two days. What joins a partial and other
// inputs reports, to the byte, what reading all of them at once would have.
//
//	"tiebreak.partial/v2\n"
//	zstd:  length (uvarint), header (JSON)
//	       count, then each name: length, text
//	       1,024 parts, each: count of blocks, then each block: length, bytes
//	       CRC-32C of all the above, unpacked: 4 bytes, big-endian

const partialMagic = "tiebreak.partial/v2\n"

// ErrPartial is returned by [Load] for what is no partial, or a damaged one.
var ErrPartial = errors.New("not a whole partial")

// IsPartial reports whether an input that begins with prefix is a partial. It needs the first 20 bytes.
func IsPartial(prefix []byte) bool { return bytes.HasPrefix(prefix, []byte(partialMagic)) }

type partialHeader struct {
	Inputs   []Input   `json:"inputs"`
	Findings []Finding `json:"findings"`
}

// Save writes the history as a partial.
func (h *History) Save(w io.Writer) error {
	if _, err := io.WriteString(w, partialMagic); err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	out := bufio.NewWriterSize(io.MultiWriter(z, sum), 1<<20)
	number := func(n int) { _, _ = out.Write(binary.AppendUvarint(nil, uint64(n))) }
	header, err := json.Marshal(partialHeader{Inputs: h.inputs, Findings: h.told.list()})
	if err != nil {
		return err
	}
	number(len(header))
	_, _ = out.Write(header) // a bufio.Writer keeps its first error for Flush
	number(len(h.names.texts))
	for _, text := range h.names.texts {
		number(len(text))
		_, _ = out.WriteString(text)
	}
	for p := range h.store.parts {
		part := &h.store.parts[p]
		number(len(part.blocks) + len(part.away))
		err := h.store.each(part, func(b []byte) error {
			number(len(b))
			_, err := out.Write(b)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if _, err := z.Write(sum.Sum(nil)); err != nil {
		return err
	}
	return z.Close()
}

// Load reads a partial. The error wraps [ErrPartial] when it isn't one, or was damaged: then nothing of it can be used.
//
// Of the options it looks at how much memory the history may use.
func Load(r io.Reader, opt history.Options) (*History, error) {
	magic := make([]byte, len(partialMagic))
	if _, err := io.ReadFull(r, magic); err != nil || !IsPartial(magic) {
		return nil, fmt.Errorf("load: %w: it does not begin with %q", ErrPartial, partialMagic)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	in := &summed{r: bufio.NewReaderSize(z, 1<<20)}
	h := &History{store: newStore(memoryOf(&opt), opt.Temp), names: newNames()}
	if err := h.load(in); err != nil {
		_ = h.Close()
		return nil, fmt.Errorf("load: %w", err)
	}
	return h, nil
}

// load reads the inside of a partial, and the checksum behind it.
func (h *History) load(in *summed) error {
	if err := h.inside(in); err != nil {
		return err
	}
	want := in.sum
	var tail [4]byte
	if _, err := io.ReadFull(in.r, tail[:]); err != nil || binary.BigEndian.Uint32(tail[:]) != want {
		return fmt.Errorf("%w: its checksum is wrong", ErrPartial)
	}
	return h.rebuild()
}

// summed reads and sums what it reads.
type summed struct {
	r   *bufio.Reader
	sum uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (s *summed) ReadByte() (byte, error) {
	c, err := s.r.ReadByte()
	if err == nil {
		s.sum = crc32.Update(s.sum, castagnoli, []byte{c})
	}
	return c, err
}

// bytes reads a length and that many bytes. Memory grows with what is read and not with what is announced.
func (s *summed) bytes() ([]byte, error) {
	n, err := binary.ReadUvarint(s)
	if err != nil {
		return nil, err
	}
	if n >= 1<<31 {
		return nil, errors.New("a length beyond any")
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, s.r, int64(n)); err != nil {
		return nil, err
	}
	s.sum = crc32.Update(s.sum, castagnoli, b.Bytes())
	return b.Bytes(), nil
}

func (h *History) inside(in *summed) error {
	damaged := func(err error) error { return fmt.Errorf("%w: %w", ErrPartial, err) }
	text, err := in.bytes()
	if err != nil {
		return damaged(err)
	}
	var header partialHeader
	if err := json.Unmarshal(text, &header); err != nil {
		return damaged(err)
	}
	h.inputs = header.Inputs
	for _, f := range header.Findings {
		for _, e := range f.Examples {
			h.told.add(e, 0)
		}
		h.told.count(f.Code, f.Count)
	}
	names, err := binary.ReadUvarint(in)
	if err != nil {
		return damaged(err)
	}
	for i := range names {
		text, err := in.bytes()
		if err != nil {
			return damaged(err)
		}
		if h.names.of(string(text)) != i {
			return damaged(errors.New("a name stands twice"))
		}
	}
	for p := range h.store.parts {
		blocks, err := binary.ReadUvarint(in)
		if err != nil {
			return damaged(err)
		}
		for range blocks {
			b, err := in.bytes()
			if err != nil {
				return damaged(err)
			}
			if _, err := h.store.shelve(&h.store.parts[p], b); err != nil {
				return err
			}
		}
	}
	return nil
}

// rebuild reads every record of a loaded history once: to see that it can be read, and to follow what its writers had
// seen.
func (h *History) rebuild() error {
	var rec history.Record
	var seqs sequences
	for p := range h.store.parts {
		err := h.store.each(&h.store.parts[p], func(b []byte) error {
			r := reader{b: b, names: h.names.texts}
			for r.more() {
				r.record(&rec)
				if r.bad || partition(rec.Key) != p || rec.Op > merge.Remove || rec.Precision > history.Nanosecond || rec.Time.Check() != nil || r.number != number(rec.ID, rec.Node) {
					r.fail()
					break
				}
				h.links.note(&rec)
				seqs.note(rec.Node, r.number)
			}
			if r.bad {
				return fmt.Errorf("%w: a record of it can't be read", ErrPartial)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	h.links.resolve()
	h.seqs = seqs.close()
	return nil
}

// Join takes all of another history into h. The other may be used no more.
func (h *History) Join(o *History) {
	h.failed.set(h.join(o))
	h.failed.set(o.Err())
	h.failed.set(o.Close())
}

func (h *History) join(o *History) error {
	h.inputs = append(h.inputs, o.inputs...)
	h.told.join(&o.told)
	h.seqs.Merge(o.seqs)
	var rec history.Record
	var record []byte
	h.links = links{}
	names := numbers{names: h.names}
	to := newFiller(h.store, partitions)
	for p := range h.store.parts {
		err := h.store.each(&h.store.parts[p], func(b []byte) error {
			h.linksOf(b, h.names.texts, &rec)
			return nil
		})
		if err != nil {
			return err
		}
		err = o.store.each(&o.store.parts[p], func(b []byte) error {
			r := reader{b: b, names: o.names.texts}
			for r.more() {
				at := r.record(&rec)
				record = appendRecord(record[:0], &names, &rec, r.number, at)
				to.put(p, record)
				h.links.note(&rec)
			}
			return to.err
		})
		if err != nil {
			return err
		}
		o.store.parts[p] = shelf{}
	}
	shelves, err := to.close()
	for p := range shelves {
		h.store.parts[p].join(&shelves[p])
	}
	h.links.resolve()
	return err
}

func (h *History) linksOf(b []byte, names []string, rec *history.Record) {
	r := reader{b: b, names: names}
	for r.more() {
		r.record(rec)
		h.links.note(rec)
	}
}
