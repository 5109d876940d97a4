package replay

import "hash/maphash"

// ids finds the operations of a key by their ids: an open table by the hash of the id, which stands in it above the number of
// the operation, from 1.
type ids struct {
	seed  maphash.Seed
	slots []uint64

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
	t.met, t.again = t.met[:0], t.again[:0]
	if len(ops) > many {
		t.room(t.meet(ops, far), nil)
	} else {
		t.room(len(ops), far)
	}
}

// room makes an empty table for n.
func (t *ids) room(n int, far *far) {
	size := 1 << 6
	for size < 2*n {
		size *= 2
	}
	if size > cap(t.slots) {
		t.slots = listOf[uint64](far, size)
		return
	}
	t.slots = t.slots[:size]
	clear(t.slots)
}

// meet finds which ids are met again, as far as the bits tell, and returns of how many operations they are.
func (t *ids) meet(ops []op, far *far) (n int) {
	words := 1 << 10
	for words*64 < 8*len(ops) {
		words *= 2
	}
	t.met, t.again = make([]uint64, words), make([]uint64, words)
	each := func(visit func(hash uint32)) {
		for i := range ops {
			far.tick()
			if ops[i].hash > 0 {
				visit(ops[i].hash)
			}
		}
	}
	each(func(hash uint32) {
		word, bit := t.bit(hash)
		t.again[word] |= t.met[word] & bit
		t.met[word] |= bit
	})
	each(func(hash uint32) {
		if !t.alone(hash) {
			n++
		}
	})
	return n
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

// complete makes a table of all operations, of which some were passed over because they are alone.
func (t *ids) complete(ops []op, far *far) {
	t.met, t.again = nil, nil
	t.room(len(ops), far)
	for i := range ops {
		far.tick()
		if ops[i].hash > 0 {
			t.put(ops[i].hash, i)
		}
	}
}

// put enters an operation whose id is not in the table.
func (t *ids) put(hash uint32, number int) {
	mask := uint32(len(t.slots) - 1)
	at := hash & mask
	for t.slots[at] > 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = uint64(hash)<<32 | uint64(number+1)
}

// find returns the number of the operation with an id of that hash which is the one.
func (t *ids) find(hash uint32, ops []op, is func(*op) bool) (int, bool) {
	mask := uint32(len(t.slots) - 1)
	for at := hash & mask; t.slots[at] > 0; at = (at + 1) & mask {
		if slot := t.slots[at]; uint32(slot>>32) == hash {
			if n := int(uint32(slot)) - 1; is(&ops[n]) {
				return n, true
			}
		}
	}
	return 0, false
}
