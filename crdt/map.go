package crdt

import "github.com/tiebreakhq/tiebreak/clock"

// Nestable is what a [Map] can hold: [MVRegister], [EWFlag], [DWFlag], [ORSet], [RWSet], [ResetCounter] and Map itself, whose
// content is made by dots and can therefore be removed as far as it was seen. The types that only grow can't: what was
// taken away would come back whole with the next write.
type Nestable interface {
	nestable()
}

// Map holds a value of some other type of this package under each key, nested as deep as you like. A key is there as long as
// its value holds anything. It is removed in one of two ways:
//
//   - [Map.Remove] takes back what it has seen of the value (observed remove). A write to the value elsewhere that it had not
//     seen survives, and only that: of a counter at 5, removed while eu adds 4, there remains 4, not 9.
//   - [Map.Delete] beats every write to the value that has not seen it (delete wins). A key that was ever deleted leaves
//     behind one number per node that deleted it.
//
// The zero Map is empty and ready. A copy made by assignment shares memory with the original: change only one of the two, or
// [Map.Clone] first. Many goroutines may read a Map, or one may change it.
//
// All values share the dots that the map has seen; a value that is gone leaves nothing else behind. (Almeida, Shoker,
// Baquero, "Delta State Replicated Data Types", 2018.)
type Map[K comparable, V Nestable] struct {
	state causal[keyed[K, field[V], *field[V]], *keyed[K, field[V], *field[V]]]
}

// Write changes the value under k by a mutator of its type, and returns the delta: change gets the value, empty if the
// key is new, and returns the delta of its mutator. It must change the value by one mutator only, and not by one that is
// for operations from elsewhere (…At), nor settle it. If change fails, so does Write, with nothing changed. For a k that
// is not equal to itself the error is [ErrNaN].
//
//	tags.Write("blue", func(s *crdt.ORSet[string]) (crdt.ORSet[string], error) { return s.Add("us", "sky") })
func (m *Map[K, V]) Write(k K, change func(v *V) (V, error)) (Map[K, V], error) {
	var delta Map[K, V]
	if k != k {
		return delta, ErrNaN
	}
	var fresh field[V]
	f := m.state.body.held.get(k)
	if f == nil {
		f = &fresh
	}
	before := m.state.seen.Clone()
	seen, _ := parts(&f.value)
	*seen = m.state.seen // lent: the next dot must be new to the whole map
	changed, err := change(&f.value)
	m.state.seen, *seen = *seen, clock.Vector{}
	if err != nil {
		return delta, err
	}
	seen, _ = parts(&changed)
	ofValue := *seen
	*seen = clock.Vector{}
	if d := (field[V]{value: changed, deleted: f.deleted}); !d.isEmpty() {
		*delta.state.body.held.add(k) = d
	}
	delta.state.seen = ofValue.Minus(before)
	replaced := ofValue.Minus(delta.state.seen)
	delta.state.body.wait(k, &replaced, &delta.state.seen, &nothing)
	if f == &fresh && !fresh.isEmpty() {
		*m.state.body.held.add(k) = fresh
	} else if f.isEmpty() {
		m.state.body.removeKey(k)
	}
	return delta, nil
}

// WriteAt applies an operation on the value under k that was made elsewhere: its dot, all its writer had seen, and how it
// is applied to a value, by a method for operations from elsewhere (…At).
//
//	tags.WriteAt("blue", d, seen, func(s *crdt.ORSet[string]) { s.AddAt(d, "sky", seen) })
//
// Operations may come in any order and more than once. It reports whether m changed; applied to an empty map it makes the
// delta of the operation. For a k that is not equal to itself the error is [ErrNaN].
//
// HAZARD: a [Map.Delete] travels as a delta, and what WriteAt applies counts as not having seen it: under a key that was
// ever deleted it is gone at once.
func (m *Map[K, V]) WriteAt(k K, d clock.Dot, seen clock.Vector, apply func(v *V)) (bool, error) {
	if k != k {
		return false, ErrNaN
	}
	var delta Map[K, V]
	var f field[V]
	apply(&f.value)
	// What the value says it has seen is meant for this key alone.
	ofValue, body := parts(&f.value)
	delta.state.seen.Add(d)
	replaced := ofValue.Minus(delta.state.seen)
	*ofValue = clock.Vector{}
	if !body.isEmpty() {
		*delta.state.body.held.add(k) = f
	}
	delta.state.body.wait(k, &replaced, &delta.state.seen, &nothing)
	return m.Merge(delta), nil
}

// Remove takes back what m has seen of the value under k, and returns the delta. It leaves no dot of its own.
func (m *Map[K, V]) Remove(k K) Map[K, V] {
	return Map[K, V]{writeKey(&m.state, k, clock.Dot{}, nil)}
}

// RemoveAt applies a remove that was made elsewhere: it takes back what is in seen of the value under k, also what arrives
// only later. The dot is the remove's own; zero if it has none.
func (m *Map[K, V]) RemoveAt(d clock.Dot, k K, seen clock.Vector) bool {
	if k != k { // it was never there
		return m.state.seen.Add(d)
	}
	return m.state.body.write(k, d, &seen, &m.state.seen, nil)
}

// Delete takes away the value under k as a write of node, whether it is there or not, and returns the delta: writes to the
// value elsewhere that have not seen it are beaten. The error is [ErrNaN].
func (m *Map[K, V]) Delete(node clock.Node, k K) (Map[K, V], error) {
	var delta Map[K, V]
	if k != k {
		return delta, ErrNaN
	}
	d := next(&m.state.seen, node)
	delta.state.body.held.add(k).deleted.AddUp(d.Node, d.Seq) // each delete of a node has seen its earlier ones
	delta.state.seen.Add(d)
	m.Merge(delta)
	return delta, nil
}

// Clear removes all keys, as [Map.Remove] does each, and returns the delta.
func (m *Map[K, V]) Clear() Map[K, V] { return Map[K, V]{m.state.clear()} }

// Get returns the value under k to be read, and false if the key is not there. It shares memory with m: change the value
// through [Map.Write] alone.
func (m *Map[K, V]) Get(k K) (V, bool) {
	f := m.state.body.held.get(k)
	if f == nil || f.len() == 0 {
		var none V
		return none, false
	}
	return f.value, true
}

// Has reports whether k is there.
func (m *Map[K, V]) Has(k K) bool {
	f := m.state.body.held.get(k)
	return f != nil && f.len() > 0
}

// Keys returns the keys, ascending.
func (m *Map[K, V]) Keys() []K { return m.state.body.keys() }

// Len returns the number of keys. It walks over all of them.
func (m *Map[K, V]) Len() (n int) {
	for i := range m.state.body.held.rows {
		n += min(1, m.state.body.held.rows[i].held.len())
	}
	return n
}

// Seen returns all dots that m has seen: what an operation made here had seen.
func (m *Map[K, V]) Seen() clock.Vector { return m.state.seen.Clone() }

// Note tells m that of all the dots in delivered none is on its way to it, as [ORSet.Note] does.
func (m *Map[K, V]) Note(delivered clock.Vector) { noteKeys(&m.state, delivered) }

// Merge joins other, a state or a delta, into m and reports whether m changed. Neither order nor repetition matters.
func (m *Map[K, V]) Merge(other Map[K, V]) bool { return m.state.merge(&other.state) }

// Equal reports whether the two states are the same, so that no merge will ever tell them apart.
func (m *Map[K, V]) Equal(other Map[K, V]) bool { return m.state.equal(&other.state) }

// Clone returns a copy that shares no memory with m.
func (m *Map[K, V]) Clone() Map[K, V] { return Map[K, V]{m.state.clone()} }

// Encode appends m to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (m *Map[K, V]) Encode(b []byte, keys Codec[K], values Inner[V]) ([]byte, error) {
	return encodeCausal(b, "Map", &m.state, mapForm(keys, values))
}

// Decode replaces m by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then m has not
// changed.
func (m *Map[K, V]) Decode(data []byte, keys Codec[K], values Inner[V], limits Limits) error {
	state, err := decodeCausal[keyed[K, field[V], *field[V]]](data, "Map", limits, mapForm(keys, values))
	if err == nil {
		m.state = state
	}
	return err
}

func (Map[K, V]) nestable() {}

func (m *Map[K, V]) parts() (*clock.Vector, body) { return m.state.parts() }
