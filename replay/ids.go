package replay

import "hash/maphash"

// ids finds the operations of a key by their ids: an open table of their numbers, from 1, by the hash of the id.
type ids struct {
	seed  maphash.Seed
	slots []int32

	// Of a long list, for each hash, as far as these bits tell it, whether it was met, and whether it was met again. Most
	// ids are met once, and need not be looked for in a table that no cache holds.
	met, again []uint64
}

// hash returns the hash of an id, 0 for none.
func (t *ids) hash(id string) uint32 {
	if id == "" {
		return 0
	}
	return max(uint32(maphash.String(t.seed, id)), 1)
}

// begin makes an empty table for the ids of some operations: when they are many, only of those that are not alone.
func (t *ids) begin(ops []op, many int, far *far) {
	n := len(ops)
	if t.met = t.met[:0]; n > many {
		t.meet(ops, far)
	}
	size := 1 << 6
	for size < 2*n {
		size *= 2
	}
	if size > cap(t.slots) {
		t.slots = listOf[int32](far, size)
	}
	t.slots = t.slots[:size]
	clear(t.slots)
}

func (t *ids) meet(ops []op, far *far) {
	words := 1 << 10
	for words*64 < 8*len(ops) {
		words *= 2
	}
	t.met, t.again = make([]uint64, words), make([]uint64, words)
	for i := range ops {
		if far != nil {
			far.tick()
		}
		if hash := ops[i].hash; hash > 0 {
			word, bit := t.bit(hash)
			t.again[word] |= t.met[word] & bit
			t.met[word] |= bit
		}
	}
}

func (t *ids) bit(hash uint32) (word int, bit uint64) {
	hash *= 0x9e3779b1 // the table looks at its lower bits
	return int(hash>>6) & (len(t.met) - 1), 1 << (hash & 63)
}

// alone reports whether no other operation has an id of that hash.
func (t *ids) alone(hash uint32) bool {
	if len(t.met) == 0 {
		return false
	}
	word, bit := t.bit(hash)
	return t.again[word]&bit == 0
}

// complete puts those operations into the table that were passed over because they are alone.
func (t *ids) complete(ops []op) {
	for i := range ops {
		if hash := ops[i].hash; hash > 0 && t.alone(hash) {
			t.put(hash, i)
		}
	}
	t.met, t.again = nil, nil
}

// put enters an operation whose id is not in the table.
func (t *ids) put(hash uint32, number int) {
	mask := uint32(len(t.slots) - 1)
	at := hash & mask
	for t.slots[at] > 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = int32(number + 1)
}

// find returns the number of the operation with an id of that hash which is the one.
func (t *ids) find(hash uint32, ops []op, is func(*op) bool) (int, bool) {
	mask := uint32(len(t.slots) - 1)
	for at := hash & mask; t.slots[at] > 0; at = (at + 1) & mask {
		if n := int(t.slots[at] - 1); ops[n].hash == hash && is(&ops[n]) {
			return n, true
		}
	}
	return 0, false
}
