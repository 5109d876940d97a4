package merge

import (
	"fmt"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Kind says what an operation does to a field.
type Kind uint8

const (
	Set    Kind = iota // gives the field a value
	Delete             // deletes the field, or the whole record when it names none
	Add                // adds a number, which may be negative, to a counter
	Insert             // puts an element into a set
	Remove             // takes an element out of a set
)

var kindNames = [...]string{"set", "delete", "add", "insert", "remove"}

// String returns the name of the kind as histories write it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind is the inverse of [Kind.String].
func ParseKind(name string) (Kind, bool) {
	for k, known := range kindNames {
		if name == known {
			return Kind(k), true
		}
	}
	return 0, false
}

// Op is one operation: one atomic change to one key, made by one node. It is a plain value that nothing here changes. It
// survives JSON where its texts are UTF-8, for logs; the form that replicas send and sign is that of [Op.AppendBinary].
type Op struct {
	Key    string
	Kind   Kind
	Fields []Field // what it changes; none for a delete of the whole record
	Stamp  lww.Stamp

	// ID is the idempotency key under which the op is reported; it decides nothing.
	ID string

	// Dot names the operation for ever: it is applied once, however often it is delivered. Rules that need causality
	// or count (see [Rule.NeedsDots]) require it.
	Dot clock.Dot

	// Seen holds the dots of the operations on this key that the writer had seen, not the op's own. Those of its own node before it
	// belong here too, for what is not here counts as unseen: Seen.AddUp(Dot.Node, Dot.Seq-1).
	Seen clock.Vector
}

// Field is one field of an [Op].
type Field struct {
	// Name of the field; "" is the whole record, of keys whose value has no fields.
	Name  string
	Value value.Value `json:",omitempty"` // absent is not null, in JSON either

	// Before is what the op replaced, absent when nobody recorded it. A counter takes its increment from it, and a set
	// its insertions and removals.
	Before value.Value `json:",omitempty"`
}

// unchanged reports whether the field only completes the image of a row of which the op changed other fields.
func (f Field) unchanged(op *Op) bool {
	return len(op.Fields) > 1 && op.Kind == Set && !f.Before.IsAbsent() && f.Before == f.Value
}
