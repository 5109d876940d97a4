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
//     behind one number per node that deleted it. A delete within a nested map is a write to the value of the outer key.
//
// The zero Map is empty and ready. A copy made by assignment shares memory with the original: change only one of the two, or
// [Map.Clone] first. Many goroutines may read a Map, or one may change it.
//
// All values share the dots that the map has seen; a value that is gone leaves nothing else behind. (Almeida, Shoker,
// Baquero, "Delta State Replicated Data Types", 2018.)
type Map[K comparable, V Nestable] struct {
	state causal[keyed[K, field[V], *field[V]], *keyed[K, field[V], *field[V]]]

	// The map that an operation made elsewhere is meant for, while it is applied to an empty one first; else nil. Its deletes are
	// those that a write may have seen.
	here *Map[K, V]
}

// Write changes the value under k by a mutator of its type, and returns the delta: change gets the value, empty if the
// key is new, and returns the delta of its mutator. It must change the value by one mutator only, and not by one that is
// for operations from elsewhere (…At), nor settle it. If change fails, so does Write, with nothing changed: change must fail as
// the mutators do, which then have changed nothing. For a k that is not equal to itself the error is [ErrNaN].
//
//	tags.Write("blue", func(s *crdt.ORSet[string]) (crdt.ORSet[string], error) { return s.Add("us", "sky") })
func (m *Map[K, V]) Write(k K, change func(v *V) (V, error)) (Map[K, V], error) {
	var delta Map[K, V]
	if k != k {
		return delta, ErrNaN
	}
	f := m.state.body.held.get(k)
	isNew := f == nil
	if isNew {
		f = new(field[V])
	}
	before := markOf(&m.state.seen)
	if !isNew {
		delta.state.body.makeRoomForOne()
	}
	d := delta.state.body.held.add(k)
	seen, _ := parts(&f.value)
	*seen = m.state.seen // lent: the next dot must be new to the whole map
	var err error
	d.value, err = change(&f.value)
	m.state.seen, *seen = *seen, clock.Vector{}
	if err != nil {
		return Map[K, V]{}, err
	}
	d.deleted = f.deleted
	seen, _ = parts(&d.value)
	var replaced clock.Vector
	for node, run := range seen.Runs() {
		last := min(run.Last, before.max(node)) // what is new comes after all that was seen
		replaced.AddRange(node, clock.Range{First: run.First, Last: last})
		delta.state.seen.AddRange(node, clock.Range{First: max(run.First, last+1), Last: run.Last})
	}
	*seen = clock.Vector{}
	if d.isEmpty() {
		delta.state.body.held.remove(0)
	}
	if !replaced.IsEmpty() {
		*delta.state.body.waiting.add(k) = replaced
	}
	for node, run := range delta.state.seen.Runs() {
		if m.state.body.awaits(k, clock.Dot{Node: node, Seq: run.First}) { // it was given before, by another writer of this name
			f.drop(m.state.body.waiting.get(k))
		}
	}
	switch {
	case isNew && !f.isEmpty():
		*m.state.body.held.add(k) = *f
	case !isNew && f.isEmpty():
		m.state.body.held.remove(m.state.body.held.find(k))
	}
	return delta, nil
}

// mark remembers the greatest dot of each node that a vector had.
type mark struct {
	few  [4]clock.Dot
	n    int
	many clock.Vector // instead, if there are more
}

func markOf(v *clock.Vector) (m mark) {
	for node, run := range v.Runs() {
		if m.n == 0 || m.few[m.n-1].Node != node {
			if m.n == len(m.few) {
				return mark{many: v.Clone()}
			}
			m.few[m.n].Node = node
			m.n++
		}
		m.few[m.n-1].Seq = run.Last
	}
	return m
}

func (m *mark) max(node clock.Node) uint64 {
	for i := range m.n {
		if m.few[i].Node == node {
			return m.few[i].Seq
		}
	}
	return m.many.Max(node)
}

// WriteAt applies an operation on the value under k that was made elsewhere: its dot, all its writer had seen, and how it
// is applied to a value, by a method for operations from elsewhere (…At).
//
//	tags.WriteAt("blue", d, seen, func(s *crdt.ORSet[string]) { s.AddAt(d, "sky", seen) })
//
// Operations may come more than once and in any order, but for deletes: a write under a key must come after the deletes of
// the key that its writer had seen, as it does out of a [Log] that is told of them. It reports whether m changed; applied to
// an empty map it makes the delta of the operation. For a k that is not equal to itself the error is [ErrNaN].
//
// HAZARD: a write that overtakes a delete it had seen is beaten by it when it comes, here and in every replica that merges
// with this one. So is a delta that WriteAt makes in an empty map, which knows of no deletes.
func (m *Map[K, V]) WriteAt(k K, d clock.Dot, seen clock.Vector, apply func(v *V)) (bool, error) {
	if k != k {
		return false, ErrNaN
	}
	var delta Map[K, V]
	var f field[V]
	to := m
	if m.here != nil {
		to = m.here
	}
	if here := to.state.body.held.get(k); here != nil && hasSeenDeletes(&seen, &here.deleted) {
		f.deleted = here.deleted
		meantFor(&f.value, &here.value)
	}
	apply(&f.value)
	meantFor(&f.value, nil)
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

// meantFor tells an empty value that is a map which one an operation on it is meant for.
func meantFor[V Nestable](empty, here *V) {
	if m, ok := any(empty).(interface{ meantFor(here any) }); ok {
		m.meantFor(here)
	}
}

func (m *Map[K, V]) meantFor(here any) { m.here = here.(*Map[K, V]) }

// hasSeenDeletes reports whether the last delete of every node is in seen: each had seen the earlier ones.
func hasSeenDeletes(seen, deletes *clock.Vector) bool {
	for node, run := range deletes.Runs() {
		if !seen.Has(clock.Dot{Node: node, Seq: run.Last}) {
			return false
		}
	}
	return true
}

// Remove takes back what m has seen of the value under k, and returns the delta. It leaves no dot of its own.
func (m *Map[K, V]) Remove(k K) Map[K, V] {
	return Map[K, V]{state: writeKey(&m.state, k, clock.Dot{}, nil)}
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
	delta = deleteOf[K, V](next(&m.state.seen, node), k)
	m.Merge(delta)
	return delta, nil
}

// DeleteAt applies a delete that was made elsewhere: all that is under k goes, and so does every write that arrives later
// and has not seen the delete. It may come in any order with the operations that it had seen, and with those that neither
// had seen it nor been seen by it; what had seen it must come later, as [Map.WriteAt] says. It reports whether m changed;
// applied to an empty map it makes the delta of the operation. The error is [ErrNaN].
func (m *Map[K, V]) DeleteAt(d clock.Dot, k K) (bool, error) {
	if k != k {
		return false, ErrNaN
	}
	if d.IsZero() {
		return false, nil
	}
	return m.Merge(deleteOf[K, V](d, k)), nil
}

func deleteOf[K comparable, V Nestable](d clock.Dot, k K) (delta Map[K, V]) {
	delta.state.body.held.add(k).deleted.AddUp(d.Node, d.Seq) // each delete of a node has seen its earlier ones
	delta.state.seen.Add(d)
	return delta
}

// Clear removes all keys, as [Map.Remove] does each, and returns the delta.
func (m *Map[K, V]) Clear() Map[K, V] { return Map[K, V]{state: m.state.clear()} }

// Get returns the value under k to be read, and false if the key is not there. It shares memory with m: change the value
// through [Map.Write] alone, not in a copy either. What it has seen is in m alone: Seen of m, and not of the value, is what an
// operation on it had seen, and to encode the value by itself panics.
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

// MergeFunc merges as [Map.Merge] does, and then calls each for every key whose value changed by it, came or went,
// ascending. It must not change m.
func (m *Map[K, V]) MergeFunc(other Map[K, V], each func(k K)) bool {
	changed, keys, _ := mergeWatched(&m.state, &other.state, func(*field[V]) struct{} { return struct{}{} })
	for _, k := range keys {
		each(k)
	}
	return changed
}

// Reused returns the dots that are in a value under one key in m and under another one in other, as [ORSet.Reused] does.
func (m *Map[K, V]) Reused(other Map[K, V]) clock.Vector {
	return m.state.body.reused(&other.state.body, &m.state.seen)
}

// Equal reports whether the two states are the same, so that no merge will ever tell them apart.
func (m *Map[K, V]) Equal(other Map[K, V]) bool { return m.state.equal(&other.state) }

// Clone returns a copy that shares no memory with m.
func (m *Map[K, V]) Clone() Map[K, V] { return Map[K, V]{state: m.state.clone()} }

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
