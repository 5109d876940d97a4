package replay

import (
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// part finds the records of each key in one part of a history. It is read twice: once to see which records are of which
// key, and then key by key, so that of the operations no more are in memory than those of one key.
type part struct {
	history *History
	ranks   map[string]int64

	blocks [][]byte
	keys   []partKey
	spots  []spot // those of one key side by side, in the order of the keys
	found  []spot // in the order of reading
	place  map[string]int32
}

// partKey is one key of a part.
type partKey struct {
	name       string
	count, end int // its records: how many, and where in spots they end
}

// spot is where a record stands.
type spot struct {
	key, block int32
	offset     int
}

// read finds the records of part number p: of all keys, or of those that are wanted.
func (p *part) read(number int, want func(key string) bool) {
	if p.place == nil {
		p.place = make(map[string]int32)
	}
	clear(p.place)
	p.blocks, p.keys, p.found = p.history.parts[number], p.keys[:0], p.found[:0]
	for block, b := range p.blocks {
		r := reader{b: b}
		for r.more() {
			offset := len(b) - len(r.b)
			name := r.key()
			at, known := p.place[name]
			if !known {
				if want != nil && !want(name) {
					continue
				}
				at = int32(len(p.keys))
				p.place[name] = at
				p.keys = append(p.keys, partKey{name: name})
			}
			p.keys[at].count++
			p.found = append(p.found, spot{at, int32(block), offset})
		}
	}
	p.spots = slices.Grow(p.spots[:0], len(p.found))[:len(p.found)]
	end := 0
	for i := range p.keys {
		p.keys[i].end = end
		end += p.keys[i].count
	}
	for _, s := range p.found {
		k := &p.keys[s.key]
		p.spots[k.end] = s
		k.end++
	}
}

// spotsOf returns the spots of key number i.
func (p *part) spotsOf(i int) []spot {
	k := &p.keys[i]
	return p.spots[k.end-k.count : k.end]
}

// key reads key number i into a room.
func (p *part) key(i int, room *room) *key {
	k := room.begin(p.keys[i].name)
	r := reader{names: p.history.names.texts}
	for _, s := range p.spotsOf(i) {
		r.b = p.blocks[s.block][s.offset:]
		at := r.record(&room.rec)
		if at > 0 {
			at |= p.ranks[room.rec.Place.File] << fileBits
		}
		k.add(&room.rec, r.node, at, &p.history.links)
	}
	return k
}

// tellConfusable tells keys that look like others.
func (p *part) tellConfusable(room *room, t *tally) {
	alike := make(map[string][]int)
	for i := range p.keys {
		if name := p.keys[i].name; !plain(name) {
			if look := skeleton(name); look != name {
				alike[look] = append(alike[look], i)
			}
		}
	}
	for look, list := range alike {
		if i, ok := p.place[look]; ok && skeleton(look) == look {
			list = append(list, int(i))
		}
		slices.SortFunc(list, func(i, j int) int { return strings.Compare(p.keys[i].name, p.keys[j].name) })
		first := p.keys[list[0]].name
		for _, i := range list[1:] {
			k := p.key(i, room)
			place := slices.MinFunc(k.ops, func(a, b *op) int { return a.place.Compare(b.place) }).place
			t.tell(finding.Finding{Code: finding.ConfusableKeys, Place: place, Key: k.name,
				Detail: quote(k.name) + " looks like " + quote(first) + ", and they are two keys"})
		}
	}
}
