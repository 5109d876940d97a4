package replay

import (
	"encoding/binary"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// A write is kept between reading and folding as a few dozen bytes: small numbers as varints, names by number, texts
// with their length before them. Only appendRecord and reader know the layout; a partial holds it too, so it carries the
// version of that file.

const (
	hasSeen = 1 << iota
	hasBase
	hasTx
	hasBefore
)

// appendRecord appends a write in compact form.
func appendRecord(b []byte, n *names, rec *history.Record, at int64) []byte {
	flags := byte(0)
	if rec.Knows {
		flags |= hasSeen
	}
	if rec.HasBase {
		flags |= hasBase
	}
	if rec.Tx != "" {
		flags |= hasTx
	}
	for i := range rec.Fields {
		if !rec.Fields[i].Before.IsAbsent() {
			flags |= hasBefore
		}
	}
	b = append(b, flags, byte(rec.Op), byte(rec.Precision))
	b = appendText(b, rec.Key)
	b = binary.AppendUvarint(b, n.of(string(rec.Node)))
	b = binary.AppendUvarint(b, rec.Version)
	b = binary.AppendVarint(b, rec.Time.Wall)
	b = binary.AppendUvarint(b, uint64(rec.Time.Logical))
	b = appendText(b, rec.ID)
	b = binary.AppendUvarint(b, n.of(rec.Place.File))
	b = binary.AppendUvarint(b, uint64(rec.Place.Line))
	b = binary.AppendUvarint(b, uint64(rec.Place.Item))
	b = binary.AppendUvarint(b, n.of(rec.Region))
	b = binary.AppendUvarint(b, uint64(at))
	b = binary.AppendUvarint(b, uint64(len(rec.Fields)))
	for i := range rec.Fields {
		f := &rec.Fields[i]
		b = appendText(b, f.Name)
		b = appendText(b, string(f.Value))
		if flags&hasBefore != 0 {
			b = appendText(b, string(f.Before))
		}
	}
	if flags&hasSeen != 0 {
		b = binary.AppendUvarint(b, uint64(len(rec.Seen)))
		for _, id := range rec.Seen {
			b = appendText(b, id)
		}
		b = binary.AppendUvarint(b, uint64(len(rec.SeenUp)))
		for _, d := range rec.SeenUp {
			b = binary.AppendUvarint(b, n.of(string(d.Node)))
			b = binary.AppendUvarint(b, d.Seq)
		}
	}
	if flags&hasBase != 0 {
		b = binary.AppendUvarint(b, rec.Base)
	}
	if flags&hasTx != 0 {
		b = appendText(b, rec.Tx)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// reader walks over records in compact form. What it can't read makes it bad, and then it reads nothing but zeros: a
// partial may come from anywhere.
type reader struct {
	b     []byte
	names []string
	bad   bool
}

func (r *reader) more() bool { return len(r.b) > 0 && !r.bad }

func (r *reader) fail() {
	r.b, r.bad = nil, true
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads the length of a list, of which each entry takes at least one byte.
func (r *reader) count() uint64 {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return n
}

// text returns a string that points into the buffer, which is never written again.
func (r *reader) text() string {
	n := r.count()
	if n == 0 {
		return ""
	}
	s := unsafe.String(&r.b[0], n)
	r.b = r.b[n:]
	return s
}

func (r *reader) name() string {
	n := r.uint()
	if n >= uint64(len(r.names)) {
		r.fail()
		return ""
	}
	return r.names[n]
}

// record reads the next write into rec, which keeps the room of its lists, and returns its position in its region.
func (r *reader) record(rec *history.Record) (at int64) {
	*rec = history.Record{Fields: rec.Fields[:0], Seen: rec.Seen[:0], SeenUp: rec.SeenUp[:0]}
	flags := r.byte()
	rec.Op, rec.Precision = merge.Kind(r.byte()), history.Precision(r.byte())
	rec.Key = r.text()
	rec.Node = clock.Node(r.name())
	rec.Version = r.uint()
	rec.Time = clock.Timestamp{Wall: r.int()}
	rec.Time.Logical = uint32(r.uint())
	rec.ID = r.text()
	rec.Place.File = r.name()
	rec.Place.Line, rec.Place.Item = int64(r.uint()), int(r.uint())
	rec.Region = r.name()
	at = int64(r.uint())
	for n := r.count(); n > 0; n-- {
		f := history.Field{Name: r.text(), Value: value.Value(r.text())}
		if flags&hasBefore != 0 {
			f.Before = value.Value(r.text())
		}
		rec.Fields = append(rec.Fields, f)
	}
	if rec.Knows = flags&hasSeen != 0; rec.Knows {
		for n := r.count(); n > 0; n-- {
			rec.Seen = append(rec.Seen, r.text())
		}
		for n := r.count(); n > 0; n-- {
			rec.SeenUp = append(rec.SeenUp, clock.Dot{Node: clock.Node(r.name()), Seq: r.uint()})
		}
	}
	if rec.HasBase = flags&hasBase != 0; rec.HasBase {
		rec.Base = r.uint()
	}
	if flags&hasTx != 0 {
		rec.Tx = r.text()
	}
	return at
}
