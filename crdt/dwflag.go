package crdt

import "github.com/tiebreakhq/tiebreak/clock"

// DWFlag is a flag in which a disable beats an enable that had not seen it (disable wins). Of the enables and disables
// those count that no other one had seen: the flag is on when there are some and none of them is a disable. The zero
// DWFlag is off and ready. A copy made by assignment shares memory with the original: change only one of the two, or
// [DWFlag.Clone] first. Many goroutines may read a DWFlag, or one may change it.
type DWFlag struct {
	state causal[contest, *contest]
}

// Enable switches f on as a write of node, and returns the delta.
func (f *DWFlag) Enable(node clock.Node) DWFlag {
	d := next(&f.state.seen, node)
	return DWFlag{f.state.write(d, contest{yes: dotSetOf(d)})}
}

// Disable switches f off as a write of node, and returns the delta. Enables elsewhere that have not seen it are beaten.
func (f *DWFlag) Disable(node clock.Node) DWFlag {
	d := next(&f.state.seen, node)
	return DWFlag{f.state.write(d, contest{no: dotSetOf(d)})}
}

// EnableAt applies an enable that was made elsewhere: its dot, and all its writer had seen, which may be more than f has.
// Operations may come in any order and more than once. It reports whether f changed; applied to an empty flag it makes
// the delta of the operation.
func (f *DWFlag) EnableAt(d clock.Dot, seen clock.Vector) bool {
	return f.state.writeAt(d, seen, contest{yes: dotSetOf(d)})
}

// DisableAt applies a disable that was made elsewhere, as [DWFlag.EnableAt] does an enable.
func (f *DWFlag) DisableAt(d clock.Dot, seen clock.Vector) bool {
	return f.state.writeAt(d, seen, contest{no: dotSetOf(d)})
}

// On reports whether f is on.
func (f *DWFlag) On() bool { return f.state.body.agreed() }

// Seen returns all dots that f has seen: what an operation made here had seen.
func (f *DWFlag) Seen() clock.Vector { return f.state.seen.Clone() }

// Forget takes away what is left of disables in stable.
//
// HAZARD: stable must be causally stable, as [RWSet.Forget] says. Otherwise an enable that a disable should have beaten
// may come back.
func (f *DWFlag) Forget(stable clock.Vector) { f.state.body.forget(&stable) }

// Note tells f that of all the dots in delivered none is on its way to it, as [ORSet.Note] does.
func (f *DWFlag) Note(delivered clock.Vector) { f.state.seen.Merge(delivered) }

// Merge joins other, a state or a delta, into f and reports whether f changed. Neither order nor repetition matters.
func (f *DWFlag) Merge(other DWFlag) bool { return f.state.merge(&other.state) }

// Equal reports whether the two states are the same, so that no merge will ever tell them apart.
func (f *DWFlag) Equal(other DWFlag) bool { return f.state.equal(&other.state) }

// Clone returns a copy that shares no memory with f.
func (f *DWFlag) Clone() DWFlag { return DWFlag{f.state.clone()} }

// Encode appends f to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (f *DWFlag) Encode(b []byte) ([]byte, error) {
	return encodeCausal(b, "DWFlag", &f.state, contestForm)
}

// Decode replaces f by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then f has not
// changed.
func (f *DWFlag) Decode(data []byte, limits Limits) error {
	state, err := decodeCausal[contest](data, "DWFlag", limits, contestForm)
	if err == nil {
		f.state = state
	}
	return err
}

func (DWFlag) nestable() {}

func (f *DWFlag) parts() (*clock.Vector, body) { return f.state.parts() }
