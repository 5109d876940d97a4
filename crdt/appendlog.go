package crdt

import (
	"cmp"
	"fmt"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/ordered"
)

// AppendLog is a log that replicas append to: all entries of all of them, in the order of their time, then of their dot.
// Nothing is ever replaced; [AppendLog.Trim] takes away what is old.
//
// The zero AppendLog is empty and ready. A copy made by assignment shares memory with the original: change only one of
// the two, or [AppendLog.Clone] first. Many goroutines may read an AppendLog, or one may change it.
//
// If one dot comes with two times or two values, its node had two writers. Both entries are kept, on every replica. A
// value that is not equal to itself can't be kept: [ErrNaN].
type AppendLog[V comparable] struct {
	seen    clock.Vector
	from    clock.Timestamp
	entries ordered.List[Entry[V]] // Invariant: ascending, each once, none before from.
}

// Entry is one entry of an [AppendLog].
type Entry[V comparable] struct {
	Time  clock.Timestamp
	Dot   clock.Dot
	Value V
}

// Append adds v to the log at a time, as a write of node, and returns the delta. The error is [ErrNaN], or wraps
// [clock.ErrTime] for a time out of range; then l has not changed.
func (l *AppendLog[V]) Append(node clock.Node, t clock.Timestamp, v V) (AppendLog[V], error) {
	d := next(&l.seen, node)
	var delta AppendLog[V]
	if _, err := delta.AppendAt(d, t, v); err != nil {
		return AppendLog[V]{}, err
	}
	l.insert(Entry[V]{t, d, v})
	return delta, nil
}

// AppendAt adds an entry that was made elsewhere. Entries may come in any order and more than once. It reports whether l
// changed; applied to an empty log it makes the delta of the operation. The error is [ErrNaN], or wraps [clock.ErrTime] for
// a time out of range and [clock.ErrDot] for the zero dot.
func (l *AppendLog[V]) AppendAt(d clock.Dot, t clock.Timestamp, v V) (bool, error) {
	switch {
	case v != v:
		return false, ErrNaN
	case d.IsZero():
		return false, fmt.Errorf("append without a dot: %w", clock.ErrDot)
	}
	if err := t.Check(); err != nil {
		return false, fmt.Errorf("append: %w", err)
	}
	return l.insert(Entry[V]{t, d, v}), nil
}

// Trim takes away the entries before a time, now and whenever one arrives, and returns the delta. A later Trim to an earlier
// time brings nothing back. The error wraps [clock.ErrTime] for a time out of range.
func (l *AppendLog[V]) Trim(before clock.Timestamp) (AppendLog[V], error) {
	if err := before.Check(); err != nil {
		return AppendLog[V]{}, fmt.Errorf("trim log: %w", err)
	}
	delta := AppendLog[V]{from: before}
	l.Merge(delta)
	return delta, nil
}

// From returns the time before which entries were taken away.
func (l *AppendLog[V]) From() clock.Timestamp { return l.from }

// Entries returns the entries, oldest first.
func (l *AppendLog[V]) Entries() []Entry[V] {
	entries := make([]Entry[V], 0, l.Len())
	for e := range l.entries.All {
		entries = append(entries, *e)
	}
	return entries
}

// Values returns the values, oldest first.
func (l *AppendLog[V]) Values() []V {
	values := make([]V, 0, l.Len())
	for e := range l.entries.All {
		values = append(values, e.Value)
	}
	return values
}

// Len returns the number of entries.
func (l *AppendLog[V]) Len() int { return l.entries.Len() }

// Seen returns all dots that l has seen: what an operation made here had seen.
func (l *AppendLog[V]) Seen() clock.Vector { return l.seen.Clone() }

// Note tells l that of all the dots in delivered none is on its way to it, as [ORSet.Note] does.
func (l *AppendLog[V]) Note(delivered clock.Vector) { l.seen.Merge(delivered) }

// Merge joins other, a state or a delta, into l and reports whether l changed. Neither order nor repetition matters. A
// short delta costs what inserting its entries does, a long one a walk over both.
func (l *AppendLog[V]) Merge(other AppendLog[V]) (changed bool) {
	if l.from.Before(other.from) {
		l.from = other.from
		isOld := func(e *Entry[V]) bool { return e.Time.Before(l.from) }
		l.entries.Delete(ordered.Place{}, isOld, isOld)
		changed = true
	}
	if !l.seen.Covers(other.seen) {
		l.seen.Merge(other.seen)
		changed = true
	}
	const short = 16
	if n := other.Len(); n <= short || n <= l.Len()/short {
		for e := range other.entries.All {
			if l.insert(*e) {
				changed = true
			}
		}
		return changed
	}
	before := l.Len()
	l.entries = union(&l.entries, &other.entries, l.from)
	return changed || l.Len() > before
}

// Equal reports whether the two logs are the same, so that no merge will ever tell them apart.
func (l *AppendLog[V]) Equal(other AppendLog[V]) bool {
	return l.from == other.from && l.seen.Equal(other.seen) && ordered.Equal(&l.entries, &other.entries)
}

// Clone returns a copy that shares no memory with l.
func (l *AppendLog[V]) Clone() AppendLog[V] {
	return AppendLog[V]{seen: l.seen.Clone(), from: l.from, entries: l.entries.Clone()}
}

// Encode appends l to b as one frame; equal states have equal bytes. The error is [ErrTooLarge], or says
// which node has a name that can't be one.
func (l *AppendLog[V]) Encode(b []byte, values Codec[V]) ([]byte, error) {
	return encode(b, "AppendLog", func(w *writer) {
		w.array(4)
		w.nodes = w.vector(&l.seen)
		w.time(l.from)
		w.array(5 * l.Len())
		for e := range l.entries.All {
			w.time(e.Time)
			w.dot(e.Dot)
			w.b = values.Append(w.b, e.Value)
		}
	})
}

// Decode replaces l by what a frame holds, which must be all of data. The error wraps [ErrFrame]; then l has not
// changed.
func (l *AppendLog[V]) Decode(data []byte, values Codec[V], limits Limits) error {
	var read AppendLog[V]
	err := decode(data, "AppendLog", limits, func(r *reader) {
		r.tuple(4)
		read.seen, r.nodes = r.vector()
		r.seen = &read.seen
		read.from = r.time()
		n := r.groups(5)
		entries := make([]Entry[V], 0, r.room(n))
		for i := range n {
			e := Entry[V]{r.time(), r.dot(), readValue(r, values)}
			if e.Time.Before(read.from) || i > 0 && r.err == nil && compareEntries(entries[i-1], e) >= 0 {
				r.fail("entries are not in order")
			}
			if r.err != nil {
				return
			}
			entries = append(entries, e)
		}
		read.entries = ordered.Of(entries)
	})
	if err == nil {
		*l = read
	}
	return err
}

func compareEntries[V comparable](a, b Entry[V]) int {
	return cmp.Or(a.Time.Compare(b.Time), a.Dot.Compare(b.Dot), compare(a.Value, b.Value))
}

func (l *AppendLog[V]) insert(e Entry[V]) bool {
	isNew := l.seen.Add(e.Dot)
	if e.Time.Before(l.from) {
		return isNew
	}
	if l.Len() == 0 || compareEntries(*l.entries.Last(), e) < 0 { // mostly
		l.entries.Push(e)
		return true
	}
	at := l.entries.Search(func(o *Entry[V]) bool { return compareEntries(*o, e) < 0 })
	if *l.entries.At(at) == e {
		return isNew
	}
	l.entries.Insert(at, e)
	return true
}

// union returns the entries of both, those before from left out.
func union[V comparable](a, b *ordered.List[Entry[V]], from clock.Timestamp) ordered.List[Entry[V]] {
	all := make([]Entry[V], 0, a.Len()+b.Len())
	for mine, theirs := a.Cursor(), b.Cursor(); mine.Item() != nil || theirs.Item() != nil; {
		x, y := mine.Item(), theirs.Item()
		c := 0
		switch {
		case y == nil:
			c = -1
		case x == nil:
			c = 1
		default:
			c = compareEntries(*x, *y)
		}
		if c <= 0 {
			mine.Next()
		}
		if c >= 0 {
			theirs.Next()
		}
		if c > 0 {
			x = y
		}
		if !x.Time.Before(from) {
			all = append(all, *x)
		}
	}
	return ordered.Of(all)
}
