package replay

import (
	"encoding/binary"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// plainOp is one write to a plain key, or what it asks of one field.
type plainOp struct {
	wall      int64
	version   uint64
	number    uint64 // what puts it in order among those of its node
	value     value.Value
	line      uint32
	item      uint32
	file      uint32 // number of its name
	node      uint32 // number of its name
	logical   uint32
	kind      merge.Kind
	precision history.Precision
	rank      rank
	form      form
}

// form is what the fields of a plain write are.
type form uint8

const (
	oneField   form = iota
	manyFields      // the value is a list of them: see [claims]
	noField         // the list is empty: it deletes the whole record
)

// rank is what puts the writes of a node in order. The ids of a key's writes are all of one kind.
type rank uint8

const (
	byNumber  rank = iota // that of the id
	byVersion             // there is no id
	byTime                // nor a version
	byDerived             // by time too: the id is derived of it and the node

	// The ids are other texts. They tell nothing of the order, and any two may be one.
	byVersionOfNamed
	byTimeOfNamed
)

// plainBytes is how many bytes a plainOp takes.
const plainBytes = 64

func (o *plainOp) time() clock.Timestamp { return clock.Timestamp{Wall: o.wall, Logical: o.logical} }

// named reports whether the id is written out.
func (o *plainOp) named() bool { return o.rank >= byVersionOfNamed }

// name returns an id that is written out: it stands before the list.
func (o *plainOp) name() string {
	c := claims{text: string(o.value)}
	return c.take()
}

// ordered reports whether what ranks the write does put it in order, and whether it is of a kind that plain keys have.
func (o *plainOp) ordered() bool {
	if o.kind > merge.Add {
		return false
	}
	return o.rank == byNumber || o.node > 0 && (o.version > 0 || o.wall >= 0)
}

// shown returns what readers see when the write is kept.
func (o *plainOp) shown() value.Value {
	if o.kind == merge.Delete {
		return ""
	}
	return o.value
}

// agrees reports whether what the write wrote is what is shown: then it lost the argument and nothing else.
func (o *plainOp) agrees(shown value.Value) bool {
	switch o.kind {
	case merge.Set:
		return o.value == shown
	case merge.Delete:
		return shown.IsAbsent()
	}
	return false
}

// again reports whether o is for certain a further delivery of p, which has its number. Where the id is written out, the
// values hold it.
func (o *plainOp) again(p *plainOp) bool {
	return o.rank != byVersion && o.rank != byTime && o.wall == p.wall && o.logical == p.logical && o.version == p.version &&
		o.kind == p.kind && o.form == p.form && o.value == p.value
}

// collides reports whether a write may have the stamp of an earlier one of its node where nothing but the values decides then, which is
// to be told: see [key.findCollisions]. Where the greatest stamp before it is lower, none has.
func (o *plainOp) collides(p *plainOp) bool {
	return o.wall == p.wall && o.version == p.version && o.logical == p.logical && o.exclusive() && p.exclusive()
}

// exclusive reports whether no other write of its node should have the stamp of o, by which nothing puts it in order.
func (o *plainOp) exclusive() bool {
	return o.rank == byNumber && o.kind <= merge.Delete && claimsStamp(o.version, o.precision)
}

// above reports whether a stamp is greater than that of another write of its node.
func (o *plainOp) above(p *plainOp) bool {
	if o.wall != p.wall {
		return o.wall > p.wall
	}
	return o.logical > p.logical || o.logical == p.logical && o.version > p.version
}

// stampBytes returns the stamp of a write and its node, to be hashed.
func (o *plainOp) stampBytes() (b [24]byte) {
	binary.LittleEndian.PutUint64(b[:], uint64(o.wall))
	binary.LittleEndian.PutUint64(b[8:], o.version)
	binary.LittleEndian.PutUint32(b[16:], o.logical)
	binary.LittleEndian.PutUint32(b[20:], o.node)
	return b
}
