package crdt

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
)

// form is how a slot is written and read, as the list at [version] lays down.
type form[S any] struct {
	write func(w *writer, s *S)
	read  func(r *reader, s *S) // into an empty slot
}

// encodeCausal and decodeCausal do the frame of a type whose content is made by dots.
func encodeCausal[S any, P slot[S]](b []byte, name string, c *causal[S, P], f form[S]) ([]byte, error) {
	return encode(b, name, func(w *writer) {
		w.array(2)
		w.seen = &c.seen
		w.nodes = w.vector(&c.seen)
		f.write(w, &c.body)
	})
}

func decodeCausal[S any, P slot[S]](data []byte, name string, limits Limits, f form[S]) (c causal[S, P], err error) {
	err = decode(data, name, limits, func(r *reader) {
		r.tuple(2)
		c.seen, r.nodes = r.vector()
		r.seen = &c.seen
		f.read(r, &c.body)
	})
	return c, err
}

var dotsForm = form[dotSet]{
	write: func(w *writer, s *dotSet) {
		w.array(2 * s.len())
		for o := range s.all {
			w.dot(o.dot)
		}
	},
	read: func(r *reader, s *dotSet) {
		var last clock.Dot
		n := r.groups(2)
		for i := range n {
			d := r.dot()
			if r.err != nil {
				return
			}
			if i > 0 && last.Compare(d) >= 0 {
				r.fail("dots are not ascending")
			}
			insertDot(s, d)
			last = d
		}
	},
}

var contestForm = form[contest]{
	write: func(w *writer, c *contest) {
		w.array(2)
		dotsForm.write(w, &c.yes)
		dotsForm.write(w, &c.no)
	},
	read: func(r *reader, c *contest) {
		r.tuple(2)
		dotsForm.read(r, &c.yes)
		dotsForm.read(r, &c.no)
	},
}

func siblingsForm[V comparable](values Codec[V]) form[siblings[V]] {
	return form[siblings[V]]{
		write: func(w *writer, s *siblings[V]) {
			w.array(3 * s.len())
			for sibling := range s.all {
				w.dot(sibling.dot)
				w.b = values.Append(w.b, sibling.value)
			}
		},
		read: func(r *reader, s *siblings[V]) {
			var last made[V]
			for i := range r.groups(3) {
				sibling := made[V]{dot: r.dot()}
				sibling.value = readValue(r, values)
				if r.err != nil {
					return
				}
				if i > 0 && last.compare(&sibling) >= 0 {
					r.fail("values are not ascending")
					return
				}
				s.insert(sibling)
				last = sibling
			}
		},
	}
}

// readValue reads a value by its codec. A NaN is refused, whatever the codec says.
func readValue[V comparable](r *reader, values Codec[V]) (v V) {
	if r.err != nil {
		return v
	}
	if values.text != nil {
		return values.text(r.text())
	}
	v, rest, err := values.Read(r.b)
	if err == nil && v != v {
		err = ErrNaN
	}
	r.b = rest
	r.check(err)
	return v
}

var talliesForm = form[tallies]{
	write: func(w *writer, t *tallies) {
		w.array(4 * len(t.nodes))
		for i := range t.nodes {
			of := &t.nodes[i]
			w.uint(uint64(w.place(of.node)))
			w.uint(of.upTo)
			w.decimal(of.folded)
			w.array(2 * of.added.Len())
			for a := range of.added.All {
				w.uint(a.seq)
				w.decimal(a.amount)
			}
		}
	},
	read: func(r *reader, t *tallies) {
		for range r.groups(4) {
			place, upTo, folded := r.uint(), r.uint(), r.decimal()
			n := r.groups(2)
			if place >= uint64(len(r.nodes)) || upTo == 0 && (folded.Sign() != 0 || n == 0) || len(t.nodes) > 0 && t.nodes[len(t.nodes)-1].node >= r.nodes[place] {
				r.fail("increments of no node, or none")
				return
			}
			node := r.nodes[place]
			if r.seen.Prefix(node) < upTo {
				r.fail("increments are folded that were not seen")
				return
			}
			if upTo > 0 {
				r.use(int(place), 1, upTo)
			}
			of := t.need(node)
			of.upTo, of.folded = upTo, folded
			of.added.Grow(r.room(n))
			t.total = t.total.Add(folded)
			last := upTo
			for range n {
				a := increment{r.uint(), r.decimal()}
				if a.seq <= last || !r.seen.Has(clock.Dot{Node: node, Seq: a.seq}) {
					r.fail("increments are not ascending, or were not seen")
				}
				if r.err != nil {
					return
				}
				r.use(int(place), a.seq, a.seq)
				of.added.Push(a)
				t.total = t.total.Add(a.amount)
				last = a.seq
			}
		}
	},
}

// rowPlace is where a row stands in the order of the wire form: by the least dot of its content, then by its key.
type rowPlace struct {
	node int
	seq  uint64
	row  int
}

func keyedForm[K comparable, S any, P slot[S]](keys Codec[K], content form[S]) form[keyed[K, S, P]] {
	return form[keyed[K, S, P]]{
		write: func(w *writer, t *keyed[K, S, P]) {
			w.array(2)
			places := make([]rowPlace, 0, len(t.held.rows))
			for i := range t.held.rows {
				s := P(&t.held.rows[i].held)
				if !s.counts(w.seen) {
					continue
				}
				p := rowPlace{row: i}
				if d := s.least(); !d.IsZero() {
					p.node, p.seq = w.place(d.Node), d.Seq
				}
				places = append(places, p)
			}
			slices.SortFunc(places, func(a, b rowPlace) int {
				if a.node != b.node {
					return cmp.Compare(a.node, b.node)
				}
				if a.seq != b.seq {
					return cmp.Compare(a.seq, b.seq)
				}
				return bytes.Compare(keys.Append(nil, t.held.rows[a.row].key), keys.Append(nil, t.held.rows[b.row].key))
			})
			w.array(2 * len(places))
			for _, p := range places {
				w.b = keys.Append(w.b, t.held.rows[p.row].key)
				content.write(w, &t.held.rows[p.row].held)
			}
			writeWaiting(w, keys, &t.waiting)
		},
		read: func(r *reader, t *keyed[K, S, P]) {
			r.tuple(2)
			n := r.groups(2)
			t.held.grow(r.room(n))
			var last clock.Dot
			var lastKey []byte
			if r.used == nil {
				r.used = make([]usedRange, 0, r.room(n))
			}
			for range n {
				r.key++
				before := r.b
				k := readValue(r, keys)
				key := before[:len(before)-len(r.b)]
				at, isNew := t.held.need(k)
				if !isNew {
					r.fail("a key stands twice")
					return
				}
				s := &t.held.rows[at].held
				content.read(r, s)
				if r.err != nil {
					return
				}
				d := P(s).least()
				if c := last.Compare(d); c > 0 || c == 0 && lastKey != nil && bytes.Compare(lastKey, key) >= 0 {
					r.fail("keys are not in order")
				}
				if P(s).isEmpty() {
					r.fail("a key without content")
				}
				last, lastKey = d, key
			}
			readWaiting(r, keys, &t.waiting)
		},
	}
}

// writeWaiting writes what is waited for, as far as it counts.
func writeWaiting[K comparable](w *writer, keys Codec[K], waiting *table[K, clock.Vector]) {
	type rest struct {
		key []byte
		v   clock.Vector
	}
	var rests []rest
	for i := range waiting.rows {
		if v := waiting.rows[i].held.Minus(*w.seen); !v.IsEmpty() {
			rests = append(rests, rest{keys.Append(nil, waiting.rows[i].key), v})
		}
	}
	slices.SortFunc(rests, func(a, b rest) int { return bytes.Compare(a.key, b.key) })
	w.array(2 * len(rests))
	for i := range rests {
		w.b = append(w.b, rests[i].key...)
		w.vector(&rests[i].v)
	}
}

func readWaiting[K comparable](r *reader, keys Codec[K], waiting *table[K, clock.Vector]) {
	var last []byte
	for range r.groups(2) {
		before := r.b
		k := readValue(r, keys)
		key := before[:len(before)-len(r.b)]
		v, _ := r.vector()
		if last != nil && bytes.Compare(last, key) >= 0 {
			r.fail("keys are not in order")
		}
		if rest := v.Minus(*r.seen); v.IsEmpty() || !rest.Equal(v) {
			r.fail("it waits for what it has seen")
		}
		*waiting.add(k) = v
		last = key
	}
}

// Inner is how the values of a [Map] are written: what [MVRegisters], [EWFlags], [DWFlags], [ORSets], [RWSets],
// [ResetCounters] and [Maps] return, for maps of each of these.
type Inner[V Nestable] struct {
	form form[V]
}

// innerOf makes the form of a value from that of its content.
func innerOf[V Nestable, S any](content form[S], body func(*V) *S) Inner[V] {
	return Inner[V]{form[V]{
		write: func(w *writer, v *V) { content.write(w, body(v)) },
		read:  func(r *reader, v *V) { content.read(r, body(v)) },
	}}
}

// MVRegisters is for a [Map] of [MVRegister].
func MVRegisters[V comparable](values Codec[V]) Inner[MVRegister[V]] {
	return innerOf(siblingsForm(values), func(r *MVRegister[V]) *siblings[V] { return &r.state.body })
}

// EWFlags is for a [Map] of [EWFlag].
func EWFlags() Inner[EWFlag] {
	return innerOf(dotsForm, func(f *EWFlag) *dotSet { return &f.state.body })
}

// DWFlags is for a [Map] of [DWFlag].
func DWFlags() Inner[DWFlag] {
	return innerOf(contestForm, func(f *DWFlag) *contest { return &f.state.body })
}

// ORSets is for a [Map] of [ORSet].
func ORSets[E comparable](elements Codec[E]) Inner[ORSet[E]] {
	return innerOf(keyedForm[E, dotSet, *dotSet](elements, dotsForm), func(s *ORSet[E]) *keyed[E, dotSet, *dotSet] { return &s.state.body })
}

// RWSets is for a [Map] of [RWSet].
func RWSets[E comparable](elements Codec[E]) Inner[RWSet[E]] {
	return innerOf(keyedForm[E, contest, *contest](elements, contestForm), func(s *RWSet[E]) *keyed[E, contest, *contest] { return &s.state.body })
}

// ResetCounters is for a [Map] of [ResetCounter].
func ResetCounters() Inner[ResetCounter] {
	return innerOf(talliesForm, func(c *ResetCounter) *tallies { return &c.state.body })
}

// Maps is for a [Map] of Map.
func Maps[K comparable, V Nestable](keys Codec[K], values Inner[V]) Inner[Map[K, V]] {
	return innerOf(mapForm(keys, values), func(m *Map[K, V]) *keyed[K, field[V], *field[V]] { return &m.state.body })
}

func mapForm[K comparable, V Nestable](keys Codec[K], values Inner[V]) form[keyed[K, field[V], *field[V]]] {
	return keyedForm[K, field[V], *field[V]](keys, form[field[V]]{
		write: func(w *writer, f *field[V]) {
			w.array(2)
			w.vector(&f.deleted)
			values.form.write(w, &f.value)
		},
		read: func(r *reader, f *field[V]) {
			r.tuple(2)
			f.deleted, _ = r.vector()
			if !f.deleted.IsEmpty() {
				r.checkDeletes(f.deleted)
			}
			values.form.read(r, &f.value)
		},
	})
}

// checkDeletes fails unless the deletes of a key are what a map makes of them: one run a node. None of them need have been seen: the delta
// of a write names those that its writer had seen, and may come before theirs do.
func (r *reader) checkDeletes(deleted clock.Vector) {
	for node, run := range deleted.Runs() {
		if run.First != 1 || deleted.Max(node) != run.Last {
			r.fail("deletes are not in one run")
		}
	}
}
