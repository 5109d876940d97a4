package replay

import "hash/maphash"

// ids finds the operations of a key by their ids: an open table of their numbers, from 1, by the hash of the id.
type ids struct {
	seed  maphash.Seed
	slots []int32
}

// begin makes an empty table for n ids.
func (t *ids) begin(n int) {
	size := 1 << 6
	for size < 2*n {
		size *= 2
	}
	if size > cap(t.slots) {
		t.slots = make([]int32, size)
	}
	t.slots = t.slots[:size]
	clear(t.slots)
}

// put enters an id that is not in the table.
func (t *ids) put(id string, number int) {
	mask := uint64(len(t.slots) - 1)
	at := maphash.String(t.seed, id) & mask
	for t.slots[at] > 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = int32(number + 1)
}

// find returns the number of the operation with an id.
func (t *ids) find(id string, ops []*op) (int, bool) {
	mask := uint64(len(t.slots) - 1)
	for at := maphash.String(t.seed, id) & mask; t.slots[at] > 0; at = (at + 1) & mask {
		if n := int(t.slots[at] - 1); ops[n].ID == id {
			return n, true
		}
	}
	return 0, false
}
