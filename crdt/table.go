package crdt

// table is a map kept as rows: small ones cost one allocation, large ones are walked at the speed of a slice. The zero
// table is empty and ready. The order of the rows means nothing.
type table[K comparable, S any] struct {
	rows []row[K, S]

	// Invariant: nil, or the place of every row. Not nil when there are more than fewRows.
	at map[K]int
}

type row[K comparable, S any] struct {
	key  K
	held S
}

// fewRows is how many rows are found faster by looking at each than by a map.
const fewRows = 8

// find returns the place of k, -1 if it has none.
func (t *table[K, S]) find(k K) int {
	if t.at != nil {
		if i, ok := t.at[k]; ok {
			return i
		}
		return -1
	}
	for i := range t.rows {
		if t.rows[i].key == k {
			return i
		}
	}
	return -1
}

// get returns what is held under k, nil if nothing is. It points into the table: it is good until the next change.
func (t *table[K, S]) get(k K) *S {
	if i := t.find(k); i >= 0 {
		return &t.rows[i].held
	}
	return nil
}

// add appends a row for k, which has none yet, and returns what it holds: the zero S.
func (t *table[K, S]) add(k K) *S {
	t.rows = append(t.rows, row[K, S]{key: k})
	if last := len(t.rows) - 1; t.at != nil {
		t.at[k] = last
	} else if len(t.rows) > fewRows {
		t.index(len(t.rows))
	}
	return &t.rows[len(t.rows)-1].held
}

// addNew appends a row for k as add does, and returns nil if k has one. It looks once; a table that has said nil is of no
// more use.
func (t *table[K, S]) addNew(k K) *S {
	if t.at == nil && t.find(k) >= 0 {
		return nil
	}
	s := t.add(k)
	if t.at != nil && len(t.at) < len(t.rows) {
		return nil
	}
	return s
}

// need returns what is held under k, after adding a row if there is none.
func (t *table[K, S]) need(k K) *S {
	if s := t.get(k); s != nil {
		return s
	}
	return t.add(k)
}

func (t *table[K, S]) index(room int) {
	t.at = make(map[K]int, room)
	for i := range t.rows {
		t.at[t.rows[i].key] = i
	}
}

// remove takes out the row at i; the last one moves there.
func (t *table[K, S]) remove(i int) {
	last := len(t.rows) - 1
	if t.at != nil {
		delete(t.at, t.rows[i].key)
		if i != last {
			t.at[t.rows[last].key] = i
		}
	}
	t.rows[i] = t.rows[last]
	t.rows[last] = row[K, S]{}
	t.rows = t.rows[:last]
}

// grow makes room for n more rows.
func (t *table[K, S]) grow(n int) {
	const worthIt = 1024
	if n < worthIt {
		return
	}
	if len(t.rows)+n > cap(t.rows) {
		t.rows = append(make([]row[K, S], 0, len(t.rows)+n), t.rows...)
	}
	if len(t.at) < n {
		t.index(len(t.rows) + n)
	}
}
