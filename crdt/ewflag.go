package crdt

import "github.com/tiebreakhq/tiebreak/clock"

// EWFlag is a flag that is on as long as there is an enable that no disable had seen (enable wins). The zero EWFlag is off
// and ready. A copy made by assignment shares memory with the original: change only one of the two, or [EWFlag.Clone]
// first. Many goroutines may read an EWFlag, or one may change it.
type EWFlag struct {
	state causal[dotSet, *dotSet]
}

// Enable switches f on as a write of node, and returns the delta.
func (f *EWFlag) Enable(node clock.Node) EWFlag {
	d := next(&f.state.seen, node)
	return EWFlag{f.state.write(d, dotSetOf(d))}
}

// Disable undoes the enables that f has seen, and returns the delta. It leaves no dot of its own.
func (f *EWFlag) Disable() EWFlag { return EWFlag{f.state.clear()} }

// EnableAt applies an enable that was made elsewhere: its dot, and all its writer had seen, which may be more than f has.
// Operations may come in any order and more than once. It reports whether f changed; applied to an empty flag it makes
// the delta of the operation.
func (f *EWFlag) EnableAt(d clock.Dot, seen clock.Vector) bool {
	return f.state.writeAt(d, seen, dotSetOf(d))
}

// DisableAt applies a disable that was made elsewhere: it undoes the enables in seen, also those that arrive only later.
// The dot is the disable's own; zero if it has none.
func (f *EWFlag) DisableAt(d clock.Dot, seen clock.Vector) bool {
	return f.state.clearAt(d, seen)
}

// On reports whether f is on.
func (f *EWFlag) On() bool { return !f.state.body.isEmpty() }

// Seen returns all dots that f has seen: what an operation made here had seen.
func (f *EWFlag) Seen() clock.Vector { return f.state.seen.Clone() }

// Note tells f that of all the dots in delivered none is on its way to it, as [ORSet.Note] does.
func (f *EWFlag) Note(delivered clock.Vector) { f.state.seen.Merge(delivered) }

// Merge joins other, a state or a delta, into f and reports whether f changed. Neither order nor repetition matters.
func (f *EWFlag) Merge(other EWFlag) bool { return f.state.merge(&other.state) }

// Equal reports whether the two states are the same, so that no merge will ever tell them apart.
func (f *EWFlag) Equal(other EWFlag) bool { return f.state.equal(&other.state) }

// Clone returns a copy that shares no memory with f.
func (f *EWFlag) Clone() EWFlag { return EWFlag{f.state.clone()} }

// Encode appends f to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (f *EWFlag) Encode(b []byte) ([]byte, error) {
	return encodeCausal(b, "EWFlag", &f.state, dotsForm)
}

// Decode replaces f by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then f has not
// changed.
func (f *EWFlag) Decode(data []byte, limits Limits) error {
	state, err := decodeCausal[dotSet](data, "EWFlag", limits, dotsForm)
	if err == nil {
		f.state = state
	}
	return err
}

func (EWFlag) nestable() {}

func (f *EWFlag) parts() (*clock.Vector, body) { return f.state.parts() }
