package history

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Writer writes records in the native form, as lines or as a msgpack stream: members in one order, none that says
// nothing, so that equal records are equal bytes. What it writes reads back as the same record, except that its place
// is another, that a time with a logical part or with more digits than its precision says comes back with the precision
// it was written in, and that fields come back in the order of their names.
type Writer struct {
	w      io.Writer
	format Format
	buf    []byte       // lines not written yet
	frame  bytes.Buffer // the record of a frame
	packed *msgpack.Encoder
	stream *msgpack.Encoder
	err    error
}

// NewWriter returns a writer of a format, which must be [Native] or [Msgpack]; the error of the first Write says when it
// is not.
func NewWriter(w io.Writer, format Format) *Writer {
	wr := &Writer{w: w, format: format}
	switch format {
	case Native:
	case Msgpack:
		wr.packed = msgpack.NewEncoder(&wr.frame)
		wr.packed.UseCompactInts(true)
		wr.stream = msgpack.NewEncoder(sink{wr})
	default:
		wr.err = fmt.Errorf("write history: %w %q: want %s or %s", ErrFormat, format, Native, Msgpack)
	}
	return wr
}

// sink collects what an encoder writes.
type sink struct{ w *Writer }

func (s sink) Write(b []byte) (int, error) {
	s.w.buf = append(s.w.buf, b...)
	return len(b), nil
}

// full is how many bytes are collected before they are written.
const full = 64 << 10

// Write writes one record. A record that the native form can't hold is refused, and the error says why: a snapshot row
// or a watermark, a write without a node, or fields that contradict one another. Writing goes on after such an error,
// though not after one of the underlying writer.
func (w *Writer) Write(rec *Record) error {
	if w.err != nil {
		return w.err
	}
	if bad := unwritable(rec); bad != "" {
		return fmt.Errorf("write history: %s: %s", rec.Place, bad)
	}
	var list [20]entry
	entries := entriesOf(rec, list[:0])
	if w.format == Native {
		for i, e := range entries {
			w.buf = append(w.buf, "{,"[min(i, 1)])
			w.buf = append(w.buf, '"')
			w.buf = append(w.buf, memberNames[e.member]...)
			w.buf = append(w.buf, '"', ':')
			w.buf = e.appendJSON(w.buf)
		}
		w.buf = append(w.buf, '}', '\n')
	} else {
		w.frame.Reset()
		// The encoder writes to memory, which does not fail.
		_ = w.packed.EncodeMapLen(len(entries))
		for _, e := range entries {
			_ = w.packed.EncodeString(memberNames[e.member])
			e.pack(w.packed)
		}
		_ = w.stream.EncodeBytes(w.frame.Bytes())
	}
	if len(w.buf) >= full {
		return w.flush()
	}
	return nil
}

// Close writes what is left. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	return w.flush()
}

func (w *Writer) flush() error {
	if _, err := w.w.Write(w.buf); err != nil {
		w.err = fmt.Errorf("write history: %w", err)
	}
	w.buf = w.buf[:0]
	return w.err
}

// entry is one member with its value, in the one form that it has of these.
type entry struct {
	member  member
	text    string
	integer uint64
	value   value.Value
	fields  []Field
	before  bool // the images before, of fields
	record  *Record
	kind    entryKind
}

type entryKind uint8

const (
	entryText entryKind = iota
	entryInteger
	entryValue
	entryNull
	entryFields
	entryTime // time with the precision of record
	entrySeen
)

// entriesOf lists the members that rec is written with, in order.
func entriesOf(rec *Record, to []entry) []entry {
	text := func(m member, s string) {
		if s != "" {
			to = append(to, entry{member: m, text: s})
		}
	}
	text(memberKey, rec.Key)
	several := len(rec.Fields) > 1
	if several {
		to = append(to, entry{member: memberFields, kind: entryFields, fields: rec.Fields})
	} else if len(rec.Fields) == 1 {
		f := rec.Fields[0]
		text(memberField, f.Name)
		if !f.Value.IsAbsent() {
			to = append(to, entry{member: memberValue, kind: entryValue, value: f.Value})
		}
	}
	switch {
	case rec.Kind == Read:
		text(memberOp, "read")
	case rec.Op != merge.Set:
		text(memberOp, rec.Op.String())
	}
	text(memberNode, string(rec.Node))
	if rec.Version != 0 {
		to = append(to, entry{member: memberVersion, kind: entryInteger, integer: rec.Version})
	}
	if !rec.Time.IsZero() {
		to = append(to, entry{member: memberTime, kind: entryTime, record: rec})
	}
	text(memberID, rec.ID)
	if rec.Knows {
		to = append(to, entry{member: memberSeen, kind: entrySeen, record: rec})
	}
	if rec.HasBase {
		to = append(to, entry{member: memberBase, kind: entryInteger, integer: rec.Base})
	}
	if several && hasBefore(rec.Fields) {
		to = append(to, entry{member: memberBefore, kind: entryFields, fields: rec.Fields, before: true})
	} else if len(rec.Fields) == 1 && !rec.Fields[0].Before.IsAbsent() {
		to = append(to, entry{member: memberBefore, kind: entryValue, value: rec.Fields[0].Before})
	}
	text(memberTx, rec.Tx)
	if r := rec.Reading; r != nil {
		text(memberWant, r.Want)
		text(memberSaw, r.Saw)
		if r.HasSawVersion {
			to = append(to, entry{member: memberSaw, kind: entryInteger, integer: r.SawVersion})
		}
		if r.NotFound {
			to = append(to, entry{member: memberSaw, kind: entryNull})
		}
		if !r.Start.IsZero() {
			to = append(to, entry{member: memberStart, text: stampText(r.Start, NoTime)})
		}
		if !r.End.IsZero() {
			to = append(to, entry{member: memberEnd, text: stampText(r.End, NoTime)})
		}
		text(memberSession, r.Session)
		text(memberServedBy, r.ServedBy)
	}
	return to
}

func hasBefore(fields []Field) bool {
	for _, f := range fields {
		if !f.Before.IsAbsent() {
			return true
		}
	}
	return false
}

// stampText returns a time as text.
func stampText(t clock.Timestamp, p Precision) string {
	var b [48]byte
	if t.Logical != 0 {
		return t.String()
	}
	return string(appendTime(b[:0], t, p))
}

// image returns the values of the fields that e stands for, as one object: of a delete, which has none, null.
func (e *entry) image() value.Value {
	members := make([]value.Member, len(e.fields))
	for i, f := range e.fields {
		switch members[i].Name = f.Name; {
		case e.before:
			members[i].Value = f.Before
		case f.Value.IsAbsent():
			members[i].Value = value.Null
		default:
			members[i].Value = f.Value
		}
	}
	return value.Object(members...)
}

// seen returns what a writer had seen, as one value.
func (e *entry) seen() value.Value {
	if len(e.record.SeenUp) > 0 || e.record.Whole && len(e.record.Seen) == 0 {
		members := make([]value.Member, len(e.record.SeenUp))
		for i, dot := range e.record.SeenUp {
			members[i] = value.Member{Name: string(dot.Node), Value: value.Value(strconv.FormatUint(dot.Seq, 10))}
		}
		return value.Object(members...)
	}
	elems := make([]value.Value, len(e.record.Seen))
	for i, id := range e.record.Seen {
		elems[i] = value.Text(id)
	}
	return value.Array(elems...)
}

func (e *entry) appendJSON(to []byte) []byte {
	switch e.kind {
	case entryText:
		return value.AppendText(to, e.text)
	case entryInteger:
		return strconv.AppendUint(to, e.integer, 10)
	case entryValue:
		return append(to, e.value...)
	case entryNull:
		return append(to, value.Null...)
	case entryFields:
		return append(to, e.image()...)
	case entrySeen:
		return append(to, e.seen()...)
	}
	to = append(to, '"')
	if t := e.record.Time; t.Logical != 0 {
		to = append(to, t.String()...)
	} else {
		to = appendTime(to, t, e.record.Precision)
	}
	return append(to, '"')
}

// pack writes e as msgpack. The encoder writes to memory, which does not fail.
func (e *entry) pack(to *msgpack.Encoder) {
	switch e.kind {
	case entryText:
		_ = to.EncodeString(e.text)
	case entryInteger:
		_ = to.EncodeUint(e.integer)
	case entryValue:
		pack(to, e.value)
	case entryNull:
		_ = to.EncodeNil()
	case entryFields:
		pack(to, e.image())
	case entrySeen:
		pack(to, e.seen())
	default:
		t := e.record.Time
		if t.Logical == 0 && e.record.Precision == Nanosecond && checkNanos(uint64(t.Wall)) == nil {
			_ = to.EncodeUint(uint64(t.Wall))
		} else {
			_ = to.EncodeString(stampText(t, e.record.Precision))
		}
	}
}

// pack writes a value as msgpack: integers of 64 bits as such, all other numbers as their text.
func pack(to *msgpack.Encoder, v value.Value) {
	switch v.Kind() {
	case value.KindFalse, value.KindTrue:
		_ = to.EncodeBool(v == "true")
	case value.KindNumber:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && strconv.FormatInt(n, 10) == string(v) {
			_ = to.EncodeInt(n)
		} else if n, ok := plainUint(string(v)); ok && strconv.FormatUint(n, 10) == string(v) {
			_ = to.EncodeUint(n)
		} else {
			_ = to.EncodeExtHeader(extNumber, len(v))
			_, _ = to.Writer().Write([]byte(v))
		}
	case value.KindString:
		text, _ := v.Text()
		_ = to.EncodeString(text)
	case value.KindArray:
		n := 0
		for range v.Elements() {
			n++
		}
		_ = to.EncodeArrayLen(n)
		for elem := range v.Elements() {
			pack(to, elem)
		}
	case value.KindObject:
		n := 0
		for range v.Members() {
			n++
		}
		_ = to.EncodeMapLen(n)
		for name, m := range v.Members() {
			_ = to.EncodeString(name)
			pack(to, m)
		}
	default:
		_ = to.EncodeNil()
	}
}

// unwritable says why the native form can't hold rec; "" when it can.
func unwritable(rec *Record) string {
	switch {
	case rec.Kind == Snapshot:
		return "a snapshot row is not a write"
	case rec.Kind == Watermark:
		return "a watermark is not a write"
	case rec.Kind == Arrival:
		return "a write that arrived is one of another export"
	case rec.Key == "":
		return "no key"
	case len(rec.Seen) > 0 && len(rec.SeenUp) > 0:
		return "what it had seen is told in two ways"
	case !rec.Knows && (rec.Whole || len(rec.Seen)+len(rec.SeenUp) > 0):
		return "what it had seen is told of a record that does not know"
	case rec.Time.Check() != nil:
		return rec.Time.Check().Error()
	}
	if err := rec.Node.Check(); err != nil && (rec.Node != "" || rec.Kind == Write) {
		return err.Error()
	}
	if bad := unwritableFields(rec.Fields); bad != "" {
		return bad
	}
	if rec.Kind == Read {
		if len(rec.Fields) > 1 || len(rec.Fields) == 1 && rec.Fields[0].Value+rec.Fields[0].Before != "" ||
			rec.Version != 0 || rec.HasBase || rec.Reading == nil {
			return "a read with what only a write has"
		}
		return unwritableSaw(rec.Reading)
	}
	switch {
	case rec.Reading != nil && *rec.Reading != (Reading{Start: rec.Reading.Start, End: rec.Reading.End, Session: rec.Reading.Session}):
		return "a write with what only a read has"
	case rec.Reading != nil && *rec.Reading == (Reading{}):
		return "a write with a reading that says nothing"
	case rec.Op == merge.Delete:
		if slices.ContainsFunc(rec.Fields, func(f Field) bool { return !f.Value.IsAbsent() }) {
			return "a delete with values"
		}
		return ""
	case len(rec.Fields) == 0:
		return "a write without fields"
	}
	for _, f := range rec.Fields {
		if f.Value.IsAbsent() {
			return "a field without a value"
		}
		if rec.Op == merge.Add {
			if bad := checkIncrement(f.Value); bad != nil {
				return bad.detail
			}
		}
	}
	return ""
}

// unwritableSaw says why what a read saw is not told in one way; "" when it is, or nothing is told.
func unwritableSaw(r *Reading) string {
	ways := 0
	for _, told := range [...]bool{r.Saw != "", r.HasSawVersion, r.NotFound} {
		if told {
			ways++
		}
	}
	switch {
	case ways > 1:
		return "what it saw is told in two ways"
	case !r.HasSawVersion && r.SawVersion != 0:
		return "a version of a read that saw none"
	}
	return ""
}

// unwritableFields says why the fields of a write can't be told apart by their names; "" when they can.
func unwritableFields(fields []Field) string {
	if len(fields) < 2 {
		return ""
	}
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		switch {
		case f.Name == "":
			return "one of several fields has no name"
		case seen[f.Name]:
			return "a field stands twice"
		}
		seen[f.Name] = true
	}
	return ""
}
