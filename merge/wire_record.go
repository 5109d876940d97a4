package merge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/tiebreakhq/tiebreak/crdt/ordered"
)

// The bytes of a record, the state of one key: one msgpack value, under the same conventions as an operation (see
// opVersion). Nodes are numbered through the whole record, but for what is inside of a frame or a write.
//
//	96             array of 6
//	01             version of the layout
//	key            str, not empty
//	c4 08 ...      bin of 8 bytes that stands for what the table says of the key: the start of the SHA-256 of its nodes,
//	               its ladder and the lines that match the key
//	deletes        [(id, seen, version, wall, logical, node, node, number)*]   deletes of the whole record, ascending by
//	               dot, then by time, version, node and id of the claim
//	cells          [(name, line, content)*]   ascending by name, then line; the line counts from 0 among those that match
//	               the key
//	ce 12 34 56 78 uint 32, always with four bytes: CRC-32C of all bytes before it
//
// What the content is depends on the rule. A write is [version, wall, logical, node, deleted, value, id, node, number], a
// frame is a bin of a frame of package crdt, whose elements are values and writes as they are here.
//
//	lww, fww, max, min, highest, prefer, prefer-node     write
//	keep-all, union, delete-wins, update-wins, refuse,
//	and users' own rules                                 frame of an MVRegister of writes
//	counter                                              [seen, frame of a ResetCounter]   what the deletes had seen
//	grow-only, add-wins, remove-wins                     frame of a GSet, ORSet, RWSet
//	enable-wins, disable-wins                            [written, frame of an EWFlag, DWFlag]   false: nobody wrote it yet
//	append                                               frame of an AppendLog
//
// A dot of an operation is 2^22 dots of a set: see dotBlock.
const recordVersion = 1

// ErrRecord is wrapped by the errors of [State.AppendRecord] and [State.MergeRecord]: nothing is known of the key, or it
// can't be written; or the data is not a record, not canonical, damaged, or beyond the limits.
var ErrRecord = errors.New("not a valid record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const checksumSize = 5 // with its marker

// AppendRecord appends the whole state of a key to b: all its cells with their rules, and the deletes of the whole record.
// States of the key that are equal have equal bytes, in whatever order they came to be; of settled states [State.Settle]
// says when they are. The error wraps [ErrRecord]; then what is returned is b.
func (s *State) AppendRecord(b []byte, key string) ([]byte, error) {
	k := s.keys[key]
	if k == nil {
		return b, fmt.Errorf("%w: nothing is known of %q", ErrRecord, key)
	}
	w := newEncoder(b)
	w.Array(6)
	w.Uint(recordVersion)
	w.Text(key)
	w.Bytes([]byte(k.rules.print))
	w.Array(8 * k.deletes.Len())
	for at := k.deletes.Cursor(); at.Item() != nil; at.Next() {
		d := at.Item()
		w.Text(d.ID)
		w.Vector(&d.Seen)
		w.stamp(&d.Stamp)
		w.Dot(d.Dot)
	}
	w.Array(3 * k.cells.Len())
	line := 0
	for at := k.cells.Cursor(); at.Item() != nil; at.Next() {
		c := at.Item()
		for k.rules.rules[line] != c.cell.rule {
			line = (line + 1) % len(k.rules.rules)
		}
		w.Text(c.name)
		w.Uint(uint64(line))
		c.cell.state().encode(&w)
	}
	if w.Err != nil {
		return b, fmt.Errorf("%w: %q: %w", ErrRecord, key, w.Err)
	}
	sum := crc32.Checksum(w.B[len(b):], castagnoli)
	return binary.BigEndian.AppendUint32(append(w.B, 0xce), sum), nil
}

// Sum returns [Sum] of the record of a key. Replicas compare what they hold by it. The error is that of
// [State.AppendRecord].
func (s *State) Sum(key string) ([16]byte, error) {
	data, err := s.AppendRecord(s.buffer[:0], key)
	if err != nil {
		return [16]byte{}, err
	}
	s.buffer = data
	return Sum(data), nil
}

// MergeRecord takes a record that [State.AppendRecord] wrote, here or elsewhere, into s as [State.Merge] does. It returns
// the key, and whether that changed anything. The record must be all of data, which it does not keep. With an error
// nothing has changed: it wraps [ErrMismatch] when the record was written under a table that decides otherwise for this
// key, and [ErrRecord] for all else. A table may have changed in lines that don't match the key: the record is as good
// as before.
//
// HAZARD: a record is believed. The checksum finds damage and not forgery.
func (s *State) MergeRecord(data []byte, limits Limits) (key string, changed bool, err error) {
	key, from, err := s.readRecord(data, limits)
	if err != nil {
		return "", false, err
	}
	k := s.keys[key]
	if k == nil {
		from.settled = s.settled
		from.settle()
		s.add(key, from)
		return key, true, nil
	}
	return key, k.merge(s.table, from), nil
}

func (s *State) readRecord(data []byte, limits Limits) (key string, k *record, err error) {
	if limits.Bytes > 0 && len(data) > limits.Bytes {
		return "", nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrRecord, len(data), limits.Bytes)
	}
	end := len(data) - checksumSize
	if end < 0 || data[end] != 0xce || binary.BigEndian.Uint32(data[end+1:]) != crc32.Checksum(data[:end], castagnoli) {
		return "", nil, fmt.Errorf("%w: the checksum is wrong", ErrRecord)
	}
	r := newDecoder(view(data[:end]), limits, true)
	r.Tuple(6)
	if got := r.Uint(); got != recordVersion {
		r.Refuse("version %d, known is %d", got, recordVersion)
	}
	if key = r.Text(); key == "" {
		r.Refuse("it has no key")
	}
	print := r.View()
	if r.Err == nil {
		k = &record{rules: s.rulesOf(key)}
		if string(print) != k.rules.print {
			return "", nil, fmt.Errorf("merge record of %q: %w", key, ErrMismatch)
		}
		r.deletes(k)
		r.cells(s.table, key, k)
		if k.cells.Len()+k.deletes.Len() == 0 {
			r.Refuse("it is empty")
		}
	}
	if r.Err == nil && r.S != "" {
		r.Refuse("%d bytes are left over", len(r.S))
	}
	if r.Err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrRecord, r.Err)
	}
	return key, k, nil
}

func (r *decoder) deletes(k *record) {
	n := r.Array(8)
	if n == 0 {
		return
	}
	deletes := make([]Op, 0, r.Room(n, 64))
	for i := range n {
		d := Op{Kind: Delete, ID: r.Text(), Seen: r.Vector(), Stamp: r.stamp(), Dot: r.Dot()}
		if i > 0 && r.Err == nil && compareDeletes(&deletes[i-1], &d) >= 0 {
			r.Refuse("deletes are not ascending")
		}
		if r.Err != nil {
			return
		}
		deletes = append(deletes, d)
	}
	list := ordered.Of(deletes)
	k.deletes = &list
}

func (r *decoder) cells(t *Table, key string, k *record) {
	n := r.Array(3)
	cells := make([]namedCell, 0, r.Room(n, 16))
	for range n {
		name, line := r.Text(), r.Uint()
		if line >= uint64(len(k.rules.rules)) {
			r.Refuse("line %d of %d", line, len(k.rules.rules))
		}
		if r.Err != nil {
			return
		}
		rule := k.rules.rules[line]
		if rule.Together && name != rule.cell || !rule.Together && t.Rule(key, name) != rule {
			r.Refuse("cell %q is not of its rule", name)
		}
		if last := len(cells) - 1; last >= 0 && cells[last].compare(name, rule) >= 0 {
			r.Refuse("cells are not ascending")
		}
		if r.Err != nil {
			return
		}
		cells = append(cells, namedCell{name, rule.NewCell()})
		cells[len(cells)-1].cell.state().decode(r)
	}
	k.cells = ordered.Of(cells)
}
