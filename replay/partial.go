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
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// A partial is a history that was read, kept for later: every write in compact form with its place, and the counts of all
// else. It carries the writes and not only their sums, for a conflict may span two days. What joins a partial and other
// inputs reports, to the byte, what reading all of them at once would have.
//
//	"tiebreak.partial/v1\n"
//	zstd:  length (uvarint), header (JSON)
//	       count, then each name: length, text
//	       256 parts, each: count of blocks, then each block: length, bytes
//	       CRC-32C of all the above, unpacked: 4 bytes, big-endian

const partialMagic = "tiebreak.partial/v1\n"

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
	for _, blocks := range h.parts {
		number(len(blocks))
		for _, b := range blocks {
			number(len(b))
			_, _ = out.Write(b)
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
func Load(r io.Reader) (*History, error) {
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
	h, err := load(in)
	if err != nil {
		return nil, fmt.Errorf("load: %w: %w", ErrPartial, err)
	}
	want := in.sum
	var tail [4]byte
	if _, err := io.ReadFull(in.r, tail[:]); err != nil || binary.BigEndian.Uint32(tail[:]) != want {
		return nil, fmt.Errorf("load: %w: its checksum is wrong", ErrPartial)
	}
	return h.rebuilt()
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
	if n > 1<<40 {
		return nil, errors.New("a length beyond any")
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, s.r, int64(n)); err != nil {
		return nil, err
	}
	s.sum = crc32.Update(s.sum, castagnoli, b.Bytes())
	return b.Bytes(), nil
}

func load(in *summed) (*History, error) {
	h := &History{names: newNames()}
	text, err := in.bytes()
	if err != nil {
		return nil, err
	}
	var header partialHeader
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, err
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
		return nil, err
	}
	for i := range names {
		text, err := in.bytes()
		if err != nil {
			return nil, err
		}
		if h.names.of(string(text)) != i {
			return nil, errors.New("a name stands twice")
		}
	}
	for p := range h.parts {
		blocks, err := binary.ReadUvarint(in)
		if err != nil {
			return nil, err
		}
		for range blocks {
			b, err := in.bytes()
			if err != nil {
				return nil, err
			}
			h.parts[p] = append(h.parts[p], b)
		}
	}
	return h, nil
}

// rebuilt reads every record of a loaded history once: to see that it can be read, and to follow what its writers had
// seen.
func (h *History) rebuilt() (*History, error) {
	var rec history.Record
	for p, blocks := range h.parts {
		for _, b := range blocks {
			r := reader{b: b, names: h.names.texts}
			for r.more() {
				r.record(&rec)
				if r.bad || partition(rec.Key) != p || rec.Op > merge.Remove || rec.Precision > history.Nanosecond || rec.Time.Check() != nil {
					return nil, fmt.Errorf("load: %w: a record of it can't be read", ErrPartial)
				}
				h.links.note(&rec)
				note(&h.seqs, &rec)
			}
			if r.bad {
				return nil, fmt.Errorf("load: %w: a record of it can't be read", ErrPartial)
			}
		}
	}
	h.links.resolve()
	return h, nil
}

// Join takes all of another history into h. The other may be used no more.
func (h *History) Join(o *History) {
	h.inputs = append(h.inputs, o.inputs...)
	h.told.join(&o.told)
	h.seqs.Merge(o.seqs)
	var rec history.Record
	h.links = links{}
	names := numbers{names: h.names}
	for p := range h.parts {
		for _, b := range slices.Clone(h.parts[p]) {
			h.linksOf(b, h.names.texts, &rec)
		}
		for _, b := range o.parts[p] {
			joined := make([]byte, 0, len(b)+len(b)/8)
			r := reader{b: b, names: o.names.texts}
			for r.more() {
				at := r.record(&rec)
				joined = appendRecord(joined, &names, &rec, at)
				h.links.note(&rec)
			}
			h.parts[p] = append(h.parts[p], joined)
		}
	}
	h.links.resolve()
}

func (h *History) linksOf(b []byte, names []string, rec *history.Record) {
	r := reader{b: b, names: names}
	for r.more() {
		r.record(rec)
		h.links.note(rec)
	}
}
