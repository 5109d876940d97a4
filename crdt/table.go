package crdt

import (
	"hash/maphash"
	"math"
)

// table is a map kept as rows: small ones cost one allocation, large ones are walked at the speed of a slice. The zero
// table is empty and ready. The order of the rows means nothing.
//
// A Go map from keys to places was tried instead of the slots: it holds every key a second time, and took half as long
// again to fill.
type table[K comparable, S any] struct {
	rows []row[K, S]

	// slots find the rows of a large table by their keys (open addressing, linear probing). Each is 0, or the place of a row
	// plus one in the lower half and a hash of its key in the upper half.
	//
	// Invariant: nil, or a slot for every row and at least a quarter free, a power of two of them. Not nil when there are more
	// than fewRows. No free slot lies between the home of a row and its slot.
	slots []uint64
}

type row[K comparable, S any] struct {
	key  K
	held S
}

// fewRows is how many rows are found faster by looking at each than by a hash.
const fewRows = 8

// hashSeed makes collisions a matter of luck, whoever chooses the keys. Nothing depends on it but time.
var hashSeed = maphash.MakeSeed()

// hashOf returns the upper half of a slot.
func hashOf[K comparable](k K) uint64 { return maphash.Comparable(hashSeed, k) &^ math.MaxUint32 }

// home returns where the search for a slot begins.
func (t *table[K, S]) home(slot uint64) int { return int(slot>>32) & (len(t.slots) - 1) }

func (t *table[K, S]) after(spot int) int { return (spot + 1) & (len(t.slots) - 1) }

// find returns the place of k, -1 if it has none.
func (t *table[K, S]) find(k K) int {
	if t.slots != nil {
		at, _ := t.seek(k, hashOf(k))
		return at
	}
	for i := range t.rows {
		if t.rows[i].key == k {
			return i
		}
	}
	return -1
}

// seek finds k in a large table: its place, -1 if it has none, and its slot or the free one that it would have.
func (t *table[K, S]) seek(k K, hash uint64) (at, spot int) {
	for spot = t.home(hash); t.slots[spot] != 0; spot = t.after(spot) {
		if slot := t.slots[spot]; slot&^math.MaxUint32 == hash {
			if at = int(slot&math.MaxUint32) - 1; t.rows[at].key == k {
				return at, spot
			}
		}
	}
	return -1, spot
}

// get returns what is held under k, nil if nothing is. It points into the table: it is good until the next change.
func (t *table[K, S]) get(k K) *S {
	if i := t.find(k); i >= 0 {
		return &t.rows[i].held
	}
	return nil
}

// need returns the place of k, and whether it is new: if there is no row for it, one is added that holds the zero S.
func (t *table[K, S]) need(k K) (at int, isNew bool) {
	if t.slots == nil {
		if at = t.find(k); at >= 0 {
			return at, false
		}
		t.rows = append(t.rows, row[K, S]{key: k})
		if len(t.rows) > fewRows {
			t.index(len(t.rows))
		}
		return len(t.rows) - 1, true
	}
	if len(t.rows) >= len(t.slots)/4*3 {
		t.index(len(t.rows) + 1)
	}
	hash := hashOf(k)
	at, spot := t.seek(k, hash)
	if at >= 0 {
		return at, false
	}
	t.rows = append(t.rows, row[K, S]{key: k})
	t.slots[spot] = hash | uint64(len(t.rows))
	return len(t.rows) - 1, true
}

// add appends a row for k, which has none yet, and returns what it holds: the zero S.
func (t *table[K, S]) add(k K) *S {
	at, _ := t.need(k)
	return &t.rows[at].held
}

// index makes slots for so many rows.
func (t *table[K, S]) index(room int) {
	if uint64(room) > math.MaxUint32/2 {
		panic("crdt: a state can't have two thousand million keys; split it")
	}
	size := 2 * fewRows
	for size/4*3 <= room {
		size *= 2
	}
	t.slots = make([]uint64, size)
	for i := range t.rows {
		hash := hashOf(t.rows[i].key)
		spot := t.home(hash)
		for t.slots[spot] != 0 {
			spot = t.after(spot)
		}
		t.slots[spot] = hash | uint64(i+1)
	}
}

// remove takes out the row at i; the last one moves there.
func (t *table[K, S]) remove(i int) {
	last := len(t.rows) - 1
	if t.slots != nil {
		_, spot := t.seek(t.rows[i].key, hashOf(t.rows[i].key))
		if i != last {
			_, moved := t.seek(t.rows[last].key, hashOf(t.rows[last].key))
			t.slots[moved] -= uint64(last - i)
		}
		t.free(spot)
	}
	t.rows[i] = t.rows[last]
	t.rows[last] = row[K, S]{}
	t.rows = t.rows[:last]
}

// free empties a slot. Those after it that would no longer be found move up.
func (t *table[K, S]) free(spot int) {
	for next := t.after(spot); t.slots[next] != 0; next = t.after(next) {
		home := t.home(t.slots[next])
		if fromHome, gap := (next-home)&(len(t.slots)-1), (next-spot)&(len(t.slots)-1); fromHome >= gap {
			t.slots[spot] = t.slots[next]
			spot = next
		}
	}
	t.slots[spot] = 0
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
	if len(t.rows)+n > len(t.slots)/4*3 {
		t.index(len(t.rows) + n)
	}
}
