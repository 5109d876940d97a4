package crdt

import (
	"errors"
	"fmt"

	"github.com/tiebreakhq/tiebreak/clock"
)

// Operation is one entry of a [Log]. It is a plain value that nothing here changes.
type Operation[P any] struct {
	// Dot names the operation for ever.
	Dot clock.Dot

	// After is what must be delivered before it: what its writer had seen. The earlier operations of its own node are
	// waited for in any case, so it is often empty; what the methods that end in At want is After and these. A log keeps it and
	// shares its memory.
	After clock.Vector

	// Sum stands for all that the operation says, its dot and causes included: two operations of one dot are taken for the
	// same if and only if their sums are equal. It is a checksum that can't be forged, over bytes that are canonical.
	Sum [16]byte

	// Size is in bytes, for the bounds of what waits. It should count After.
	Size int

	// Payload is the caller's: what is applied, or where it is stored.
	Payload P
}

// Arrival is what a [Log] says to an operation.
type Arrival uint8

const (
	Delivered    Arrival = iota + 1 // new, and nothing that it waits for is missing
	Duplicate                       // the same operation was delivered before, or is held
	Held                            // new, kept until what it waits for has come
	Reused                          // another operation of this dot was delivered before, or is held: finding op_id_reused
	BelowHorizon                    // counted as delivered, and no longer kept: finding below_gc_horizon
	Busy                            // would have to wait, and there is no room: send it again later
	Stranger                        // not of the epoch, or after what its node is known to have last written: finding unknown_node
	Invalid                         // can never be delivered: no dot, one above [MaxSeq], its own cause, or a negative size
)

var arrivalNames = [...]string{"arrival(0)", "delivered", "duplicate", "held", "reused", "below horizon", "busy", "stranger", "invalid"}

// String returns the name of the arrival in words.
func (a Arrival) String() string {
	if int(a) < len(arrivalNames) {
		return arrivalNames[a]
	}
	return fmt.Sprintf("arrival(%d)", uint8(a))
}

// ErrBusy says that an operation was refused for want of room only: it will be taken once what it waits for has come, or
// others have been delivered. Everything else that is refused is refused for ever.
var ErrBusy = errors.New("too many operations wait for others")

// ErrOperation says that a [Log] refuses an operation for ever.
var ErrOperation = errors.New("operation refused")

// Err returns nil when the log has the operation now, whether it is delivered or held, [ErrBusy] for Busy, and otherwise an
// error that wraps [ErrOperation].
func (a Arrival) Err() error {
	switch a {
	case Delivered, Duplicate, Held:
		return nil
	case Busy:
		return ErrBusy
	}
	return fmt.Errorf("%w: %s", ErrOperation, a)
}
