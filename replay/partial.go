package replay

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"slices"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// A partial is a history that was read, kept for later: every write in compact form with its place, the reads that the history
// keeps, and the counts of all else. It carries the writes and not only their sums, for a conflict may span two days. What joins a partial and other
// inputs reports, to the byte, what reading all of them at once would have.
//
//	"tiebreak.partial/v7\n", "z" or "s" for how the rest is packed: as zstd, or as S2, which is quicker and takes more space
//	       length (uvarint), header (JSON)
//	       count, then each name: length, text; "" for a number that is not used
//	       1, the numbers of all ids "node:seq", in ranges, each: the number of the node's name, how many are missing since
//	              the range before it of the same node, and how many they are; 0; or only 0 when they are to be gathered from
//	              the records, because writes of inputs that are not named stand among them
//	       256 parts, each: count of blocks, then each block: length, bytes
//	       as many parts of what is said of reads, and of when writes were called: none where the history does not keep it
//	       CRC-32C of all the above, unpacked: 4 bytes, big-endian

const (
	partialForm  = "tiebreak.partial/"
	partialMagic = partialForm + "v9\n"
)

// packing is how the inside of a partial is packed.
type packing byte

const (
	small packing = 'z'
	quick packing = 's'
)

func (p packing) writer(w io.Writer) (io.WriteCloser, error) {
	if p == quick {
		return s2.NewWriter(w, s2.WriterConcurrency(runtime.GOMAXPROCS(0))), nil
	}
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
}

// reader returns a reader of what is packed, and what ends its use.
func (p packing) reader(r io.Reader) (io.Reader, func(), error) {
	switch p {
	case quick:
		return s2.NewReader(r), func() {}, nil
	case small:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return nil, nil, fmt.Errorf("%w: it is packed in no known way", ErrPartial)
}

// ErrPartial is returned by [Load] for what is no partial, or a damaged one, or one of another version.
var ErrPartial = errors.New("not a whole partial")

// IsPartial reports whether an input that begins with prefix is a partial, of whatever version. It needs the first 20 bytes.
func IsPartial(prefix []byte) bool { return bytes.HasPrefix(prefix, []byte(partialForm)) }

// partialHeader says what a partial holds.
type partialHeader struct {
	Inputs []savedInput `json:"inputs"`

	// Others is true when writes of inputs that are not named stand among those of the named ones. They are passed over.
	Others bool `json:"others,omitempty"`
}

type savedInput struct {
	Input
	Findings []Finding `json:"findings,omitempty"`
	From     int64     `json:"from,omitempty"`  // see [history.Batch.From]
	Until    int64     `json:"until,omitempty"` // see [history.Batch.Until]
	Home     bool      `json:"home,omitempty"`  // see [history.Batch.Home]
	Kept     *identity `json:"kept,omitempty"`  // in a checkpoint
}

func (in *collected) saved() savedInput {
	return savedInput{Input: in.Input, Findings: in.told.list(), From: in.from, Until: in.until, Home: in.home}
}

func (s *savedInput) collected() collected {
	in := collected{Input: s.Input, from: s.From, until: s.Until, home: s.Home}
	for _, f := range s.Findings {
		for _, e := range f.Examples {
			in.told.add(e, 0)
		}
		in.told.count(f.Code, f.Count)
	}
	return in
}

// Save writes the history as a partial, with the reads that it keeps.
func (h *History) Save(w io.Writer) error {
	var header partialHeader
	for i := range h.inputs {
		header.Inputs = append(header.Inputs, h.inputs[i].saved())
	}
	return h.store.save(w, &header, h.names.texts, &h.seqs, h.store.parts[:], h.store.readings[:], small)
}

// save writes shelves of the store as a partial, and those of readings, of which there may be none. seqs are the numbers of the ids
// in them.
func (s *store) save(w io.Writer, head *partialHeader, names []string, seqs *numbered, shelves, readings []shelf, how packing) error {
	if _, err := io.WriteString(w, partialMagic+string(how)); err != nil {
		return err
	}
	z, err := how.writer(w)
	if err != nil {
		return err
	}
	defer z.Close()
	sum := crc32.New(castagnoli)
	out := bufio.NewWriterSize(io.MultiWriter(z, sum), 256<<10)
	number := func(n uint64) { _, _ = out.Write(binary.AppendUvarint(nil, n)) }
	header, err := json.Marshal(head)
	if err != nil {
		return err
	}
	number(uint64(len(header)))
	_, _ = out.Write(header) // a bufio.Writer keeps its first error for Flush
	number(uint64(len(names)))
	for _, text := range names {
		number(uint64(len(text)))
		_, _ = out.WriteString(text)
	}
	if err := seqs.save(number, head.Others); err != nil {
		return err
	}
	if readings == nil {
		readings = make([]shelf, partitions)
	}
	for _, from := range slices.Concat(shelves, readings) {
		number(uint64(len(from.blocks) + len(from.away)))
		err := s.each(&from, func(b []byte) error {
			number(uint64(len(b)))
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

// save writes the numbers for a partial, unless they are not those of its records alone.
func (n *numbered) save(number func(uint64), others bool) error {
	if others {
		number(0)
		return nil
	}
	number(1)
	var node, last uint64
	err := n.each(func(name uint64, r clock.Range) {
		if name != node {
			node, last = name, 0
		}
		number(name)
		number(r.First - last - 1)
		number(r.Last - r.First + 1)
		last = r.Last
	})
	number(0)
	return err
}

// ranges reads the numbers of a partial, and reports whether they are told. There are none of a node without a name.
func (l *loader) ranges(in *summed) (told bool, err error) {
	switch one, err := binary.ReadUvarint(in); {
	case err != nil:
		return false, err
	case one == 0:
		return false, nil
	case one != 1:
		return false, errors.New("the numbers of ids are of no known kind")
	}
	w := rangeWriter{runWriter: runWriter{store: l.history.store}}
	var node, last uint64
	for {
		name, err := binary.ReadUvarint(in)
		if err != nil {
			return false, err
		}
		if name == 0 {
			break
		}
		missing, err := binary.ReadUvarint(in)
		count, e := binary.ReadUvarint(in)
		if err = cmp.Or(err, e); err != nil {
			return false, err
		}
		if name >= uint64(len(l.from)) || l.from[name] == "" {
			return false, errors.New("the numbers of a node without a name")
		}
		switch {
		case name == node:
		case node > 0 && l.from[name] <= l.from[node]:
			return false, errors.New("the numbers of ids are in no order")
		default:
			node, last = name, 0
		}
		r := clock.Range{First: last + missing + 1}
		r.Last = r.First + count - 1
		if r.First <= last || r.Last < r.First {
			return false, errors.New("the numbers of ids are in no order")
		}
		last = r.Last
		w.put(l.number(uint32(name)), r)
	}
	run, err := w.close()
	if len(run) > 0 {
		l.numbers = append(l.numbers, run)
	}
	return true, err
}

// Load reads a partial. The error wraps [ErrPartial] when it isn't one, or was damaged: then nothing of it can be used.
//
// Of the options it looks at how much memory the history may use.
func Load(r io.Reader, opt history.Options) (*History, error) {
	h := newHistory(nil, opt)
	if err := h.Load(r); err != nil {
		_ = h.Close()
		return nil, err
	}
	return h, nil
}

// Load takes a partial into h, as reading what it was made of would have. After an error nothing of it is in h.
func (h *History) Load(r io.Reader) error { return h.loadInputs(r, nil) }

// loadInputs takes the inputs that wanted says yes to; nil wants all.
func (h *History) loadInputs(r io.Reader, wanted func(*savedInput) bool) error {
	in, err := openPartial(r)
	if err == nil {
		err = h.load(in, wanted)
		in.close()
	}
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// openPartial returns the inside of a partial, for the caller to close.
func openPartial(r io.Reader) (*summed, error) {
	magic := make([]byte, len(partialMagic))
	switch _, err := io.ReadFull(r, magic); {
	case err != nil || !IsPartial(magic):
		return nil, fmt.Errorf("%w: it does not begin with %q", ErrPartial, partialMagic)
	case string(magic) != partialMagic:
		return nil, fmt.Errorf("%w: it is of another version than %q; make it anew", ErrPartial, partialMagic)
	}
	var how [1]byte
	if _, err := io.ReadFull(r, how[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPartial, err)
	}
	inside, end, err := packing(how[0]).reader(r)
	if err != nil {
		return nil, err
	}
	return &summed{r: bufio.NewReaderSize(inside, 256<<10), close: end}, nil
}

// load reads the inside of a partial, and the checksum behind it, and then takes it.
func (h *History) load(in *summed, wanted func(*savedInput) bool) error {
	l := newLoader(h)
	err := l.inside(in, wanted)
	if want := in.sum; err == nil {
		var tail [4]byte
		if _, e := io.ReadFull(in.r, tail[:]); e != nil || binary.BigEndian.Uint32(tail[:]) != want {
			err = fmt.Errorf("%w: its checksum is wrong", ErrPartial)
		}
	}
	return l.into(err)
}

// summed reads and sums what it reads.
type summed struct {
	r     *bufio.Reader
	sum   uint32
	close func()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (s *summed) ReadByte() (byte, error) {
	c, err := s.r.ReadByte()
	if err == nil {
		s.sum = crc32.Update(s.sum, castagnoli, []byte{c})
	}
	return c, err
}

// bytes reads a length and that many bytes, to the memory of room. Memory grows with what is read and not with what is
// announced.
func (s *summed) bytes(room *bytes.Buffer) ([]byte, error) {
	n, err := binary.ReadUvarint(s)
	if err != nil {
		return nil, err
	}
	if n >= 1<<31 {
		return nil, errors.New("a length beyond any")
	}
	room.Reset()
	if _, err := io.CopyN(room, s.r, int64(n)); err != nil {
		return nil, err
	}
	s.sum = crc32.Update(s.sum, castagnoli, room.Bytes())
	return room.Bytes(), nil
}

// header reads what a partial says of itself.
func (s *summed) header() (*partialHeader, error) {
	var room bytes.Buffer
	text, err := s.bytes(&room)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPartial, err)
	}
	var header partialHeader
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPartial, err)
	}
	return &header, nil
}

// loader takes records that were kept elsewhere into a history: into shelves of its own, so that nothing was done when
// something is wrong with them. One goroutine uses it.
type loader struct {
	history *History
	from    []string        // the names that the records tell by number
	only    map[string]bool // the files whose records are wanted; nil for all
	writes
	to        []uint64 // the numbers of those names in the history; 0 for one that nobody has asked for
	rec       history.Record
	id        []byte
	inputs    []collected
	numbers   []sortedRun // the numbers of all ids, when they are told
	told      bool
	sequences sequences // and else gathered
	readings  readings
}

func newLoader(h *History) *loader {
	l := &loader{history: h, writes: newWrites(h), sequences: newSequences(h)}
	l.filler.tight = true
	return l
}

func (l *loader) inside(in *summed, wanted func(*savedInput) bool) error {
	header, err := in.header()
	if err != nil {
		return err
	}
	damaged := func(err error) error { return fmt.Errorf("%w: %w", ErrPartial, err) }
	l.choose(header, wanted)
	names, err := binary.ReadUvarint(in)
	if err != nil {
		return damaged(err)
	}
	var room bytes.Buffer
	once := map[string]bool{"": true}
	for i := range names {
		text, err := in.bytes(&room)
		if err != nil {
			return damaged(err)
		}
		name := string(text)
		if name != "" && once[name] || name != "" && i == 0 {
			return damaged(errors.New("a name stands twice"))
		}
		once[name] = true
		l.from = append(l.from, name)
	}
	if l.told, err = l.ranges(in); err != nil {
		return damaged(err)
	}
	if l.only != nil {
		l.told, l.numbers = false, nil
	}
	return l.blocks(in)
}

// partBlock is a block of a part.
type partBlock struct {
	part int // from partitions on, of readings
	room *bytes.Buffer
	data []byte
	err  error // nothing follows
}

// blocksAhead is how many blocks are unpacked ahead of the one at hand.
const blocksAhead = 8

// blocks takes all blocks, which are unpacked by another goroutine.
func (l *loader) blocks(in *summed) (err error) {
	ahead, spare, quit := make(chan partBlock, blocksAhead), make(chan *bytes.Buffer, blocksAhead+2), make(chan struct{})
	for range cap(spare) {
		spare <- new(bytes.Buffer)
	}
	go func() {
		defer close(ahead)
		for p := range 2 * partitions {
			n, err := binary.ReadUvarint(in)
			for ; n > 0 || err != nil; n-- {
				b := partBlock{part: p, room: <-spare, err: err}
				if err == nil {
					b.data, b.err = in.bytes(b.room)
				}
				select {
				case ahead <- b:
				case <-quit:
					return
				}
				if b.err != nil {
					return
				}
			}
		}
	}()
	for b := range ahead {
		switch {
		case err != nil: // what was ahead
		case b.err != nil:
			err = fmt.Errorf("%w: %w", ErrPartial, b.err)
		default:
			if err = l.block(b.part, b.data); err != nil {
				close(quit)
			}
		}
		spare <- b.room
	}
	return err
}

// choose takes the inputs that are wanted.
func (l *loader) choose(header *partialHeader, wanted func(*savedInput) bool) {
	all := !header.Others
	only := make(map[string]bool)
	for i := range header.Inputs {
		in := &header.Inputs[i]
		if wanted != nil && !wanted(in) {
			all = false
			continue
		}
		only[in.Name] = true
		l.inputs = append(l.inputs, in.collected())
	}
	if !all {
		l.only = only
	}
}

// readingsOf takes the readings of a block of a part, which may be anything.
func (l *loader) readingsOf(p int, b []byte) error {
	r := reader{b: b, names: l.from}
	for r.more() {
		key, is := r.reading()
		if r.bad || partition(key) != p || !is.valid() {
			return fmt.Errorf("%w: what it says of a read can't be read", ErrPartial)
		}
		if !l.history.keeps || l.only != nil && !l.only[is.Place.File] {
			continue
		}
		if !is.write {
			l.readings.reads++
		}
		l.record = is.append(l.record[:0], key, l.number(is.file))
		l.readings.room(l.filler).put(p, l.record)
	}
	if l.readings.filler == nil {
		return nil
	}
	return l.readings.err
}

// block takes the records of a block of a part, or the readings, which may be anything.
func (l *loader) block(p int, b []byte) error {
	if p >= partitions {
		return l.readingsOf(p-partitions, b)
	}
	r, rec := reader{b: b, names: l.from, ids: &l.id}, &l.rec
	for r.more() {
		if end := l.copy(p, b[r.at:]); end > 0 {
			r.at += end
			continue
		}
		l.id = l.id[:0]
		at := r.record(rec)
		if r.bad || partition(rec.Key) != p || rec.Op > merge.Remove || rec.Precision > history.Nanosecond || rec.Time.Check() != nil || r.number != rec.Number() {
			return fmt.Errorf("%w: a record of it can't be read", ErrPartial)
		}
		if l.only != nil && !l.only[rec.Place.File] {
			continue
		}
		l.put(rec, at)
	}
	if !l.told {
		for _, n := range l.seqs {
			l.sequences.note(n.node, n.seq)
		}
	}
	l.seqs = l.seqs[:0]
	if r.bad {
		return fmt.Errorf("%w: a record of it can't be read", ErrPartial)
	}
	return l.filler.err
}

// into adds what was loaded to the history, unless it could not be.
func (l *loader) into(err error) error {
	h := l.history
	shelves, failed := l.filler.close()
	var readings []shelf
	if err = cmp.Or(err, failed, l.readings.closeTo(&readings)); err != nil {
		for p := range shelves {
			h.store.drop(&shelves[p])
		}
		for p := range readings {
			h.store.drop(&readings[p])
		}
		for _, r := range append(l.numbers, l.sequences.runs...) {
			r.drop(h.store)
		}
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range shelves {
		h.store.parts[p].join(&shelves[p])
	}
	for p := range readings {
		h.store.readings[p].join(&readings[p])
	}
	h.reads += l.readings.reads
	h.inputs = append(h.inputs, l.inputs...)
	h.note(l.inputs)
	h.links.join(&l.links)
	h.noteCame(l.came)
	runs, err := l.sequences.close()
	return cmp.Or(err, h.seqs.join(append(l.numbers, runs...)))
}

// copy takes a plain record as it stands, but for the numbers of its names, and returns where it ends. It takes none but what
// it would lay out just so, and returns 0 for all others, among them those that can't be read.
func (l *loader) copy(p int, b []byte) (end int) {
	if l.only != nil || len(b) < 2 || b[0] < 0x80 || b[1] >= 0x80 || endOf(b) > len(b) {
		return 0
	}
	end = endOf(b)
	c := checked{b: b[:end], at: 2}
	key := c.text()
	head := c.at
	if !c.has(fixedSize) || b[head+atKind]&fixedBit == 0 || !c.has(fixedLength(b[head:])) {
		return 0
	}
	var o plainOp
	flags, wide := b[head+atFlags], b[head+atKind]&wideBit != 0
	c.at += o.fixed(b[head:])
	if o.kind != merge.Set && o.kind != merge.Add || o.precision > history.Nanosecond || o.time().Check() != nil ||
		flags&(plainTx|plainText) != 0 || flags&plainLogical != 0 != (o.logical != 0) || flags&plainItem != 0 != (o.item != 0) {
		return 0
	}
	number := uint64(0)
	switch flags & (plainNumber | plainDerived) {
	case plainNumber:
		number = o.number
		if number == 0 {
			return 0
		}
	case plainDerived:
		if o.version > 0 {
			return 0
		}
	case plainNumber | plainDerived:
		return 0
	}
	if o.form == oneField {
		c.text()
		c.text()
	} else if !c.list() {
		return 0
	}
	if c.bad || c.at < end || partition(key) != p || uint64(o.node) >= uint64(len(l.from)) || uint64(o.file) >= uint64(len(l.from)) {
		return 0
	}
	node, file := l.number(o.node), l.number(o.file)
	if (node|file)>>16 != 0 || wide || flags&(plainNumber|plainDerived) != 0 && node == 0 {
		return 0
	}
	to := &l.filler.open[p]
	*to = append(l.filler.room(p, end), b[:end]...)
	h := (*to)[len(*to)-end+head:]
	binary.LittleEndian.PutUint16(h[atNode:], uint16(node))
	binary.LittleEndian.PutUint16(h[atFile:], uint16(file))
	if number > 0 && !l.told {
		l.seqs = append(l.seqs, noted{node, number})
	}
	return end
}

// number returns the number that a name of the partial has in the history.
func (l *loader) number(from uint32) uint64 {
	if l.to == nil {
		l.to = make([]uint64, len(l.from))
	}
	n := &l.to[from]
	if *n == 0 {
		*n = l.names.of(l.from[from])
	}
	return *n
}

// checked reads the texts of a plain record that may be damaged.
type checked struct {
	b   []byte
	at  int
	bad bool
}

func (c *checked) has(n int) bool { return !c.bad && len(c.b)-c.at >= n }

// length reads a length of one or two bytes, the shortest that does.
func (c *checked) length() int {
	switch {
	case c.has(1) && c.b[c.at] < 0x80:
		c.at++
		return int(c.b[c.at-1])
	case c.has(2) && c.b[c.at+1] < 0x80 && c.b[c.at+1] > 0:
		n := int(c.b[c.at]&0x7f) | int(c.b[c.at+1])<<7
		c.at += 2
		return n
	}
	c.bad = true
	return 0
}

func (c *checked) text() string {
	n := c.length()
	if c.bad = !c.has(n); c.bad {
		return ""
	}
	c.at += n
	return textOf(c.b[c.at-n : c.at])
}

// list passes over a list of fields, and reports whether it would be laid out so.
func (c *checked) list() bool {
	several := false
	for n := c.length(); n > 0 && !c.bad; n-- {
		c.text()
		v := c.text()
		if !c.has(1) {
			return false
		}
		c.at++
		switch c.b[c.at-1] {
		case replacedUnknown:
			several = several || n > 1
		case replacedSame:
			several = true
			if v == "" {
				return false
			}
		case replacedText:
			several = true
			if was := c.text(); was == "" || was == v {
				return false
			}
		default:
			return false
		}
	}
	return several && !c.bad
}

// Join takes all of another history into h. The other may be used no more.
func (h *History) Join(o *History) {
	h.failed.set(h.join(o))
	h.failed.set(o.Err())
	h.failed.set(o.Close())
}

func (h *History) join(o *History) error {
	l := newLoader(h)
	l.from, l.inputs, l.told = o.names.texts, o.inputs, true
	w := rangeWriter{runWriter: runWriter{store: h.store}}
	err := o.seqs.each(func(name uint64, r clock.Range) { w.put(l.number(uint32(name)), r) })
	run, failed := w.close()
	if l.numbers = append(l.numbers, run); cmp.Or(err, failed) != nil {
		return l.into(cmp.Or(err, failed))
	}
	for p := range o.store.parts {
		if err := o.store.each(&o.store.parts[p], func(b []byte) error { return l.block(p, b) }); err != nil {
			return l.into(err)
		}
		o.store.parts[p] = shelf{}
		if err := o.store.each(&o.store.readings[p], func(b []byte) error { return l.readingsOf(p, b) }); err != nil {
			return l.into(err)
		}
		o.store.readings[p] = shelf{}
	}
	return l.into(nil)
}
