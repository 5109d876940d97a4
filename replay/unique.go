package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// uniqueField is the values that keys keep of a unique field, each with its key and place. There may be as many as keys: they
// are kept like writes, those of one value in one part, and compared part by part in the end.
type uniqueField struct {
	filler *filler
	record []byte // the one at hand
}

const uniqueParts = 128

// unique notes the value that a key keeps of unique field number i, and where its write was found.
func (s *sums) unique(i int, v value.Value, key string, place finding.Place) {
	u := s.uniques[i]
	s.checks[len(s.table.Checks)+i].Tried++
	b := appendText(u.record[:0], string(v))
	b = appendText(b, key)
	b = appendUint(b, s.names.of(place.File))
	b = appendUint(b, uint64(place.Line))
	u.record = appendUint(b, uint64(place.Item))
	hash, _ := hashPlain(string(v))
	u.filler.put(int(hash%uniqueParts), u.record)
}

// sharers are the keys that keep one value of a unique field.
type sharers struct {
	count  int64
	lowest []sharer // the first few keys
}

type sharer struct {
	key   string
	place finding.Place
}

const maxSharers = 4

func (s *sharers) add(one sharer) {
	s.count++
	at, _ := slices.BinarySearchFunc(s.lowest, one, func(a, b sharer) int { return strings.Compare(a.key, b.key) })
	if at < maxSharers {
		s.lowest = slices.Insert(s.lowest, at, one)
		s.lowest = s.lowest[:min(len(s.lowest), maxSharers)]
	}
}

// sharer reads what [sums.unique] noted.
func (r *reader) sharer() (value.Value, sharer) {
	v := value.Value(r.text())
	return v, sharer{r.text(), finding.Place{File: r.name(), Line: int64(r.uint()), Item: int(r.uint())}}
}

// tellShared tells of unique fields that several keys keep one value of. It is given the sums of all goroutines of the same
// table, and s is one of them.
func (s *sums) tellShared(all []*sums) error {
	for i := range s.uniques {
		var parts []shelf
		var err error
		for _, o := range all {
			shelves, failed := o.uniques[i].filler.close()
			err = cmp.Or(err, failed)
			if parts == nil {
				parts = shelves
				continue
			}
			for p := range shelves {
				parts[p].join(&shelves[p])
			}
		}
		for p := range parts {
			err = cmp.Or(err, s.tellPart(i, &parts[p]))
			s.uniques[i].filler.store.drop(&parts[p])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tellPart tells of the values in one part. Most have one key, of which no more is held than where it stands.
func (s *sums) tellPart(i int, part *shelf) error {
	blocks, _, err := part.all(nil, nil, func(visit func([]byte) error) error {
		return s.uniques[i].filler.store.eachAway(part, visit)
	})
	if err != nil {
		return err
	}
	type spot struct{ block, at int32 }
	first := make(map[value.Value]spot)
	shared := make(map[value.Value]*sharers)
	for n, b := range blocks {
		r := reader{b: b, names: s.names.names.texts}
		for r.more() {
			at := spot{int32(n), int32(r.at)}
			v, one := r.sharer()
			before, again := first[v]
			if !again {
				first[v] = at
				continue
			}
			with := shared[v]
			if with == nil {
				with = &sharers{}
				shared[v] = with
				_, other := (&reader{b: blocks[before.block], at: int(before.at), names: r.names}).sharer()
				with.add(other)
			}
			with.add(one)
		}
	}
	for v, with := range shared {
		others := make([]string, 0, maxSharers)
		for _, o := range with.lowest[1:] {
			others = append(others, quote(o.key))
		}
		more := ""
		if n := with.count - int64(len(with.lowest)); n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		s.told.tell(finding.Finding{Code: finding.UniqueViolation, Place: with.lowest[0].place, Key: strings.Clone(with.lowest[0].key), Field: s.table.Uniques[i].Field,
			Detail: brief(v) + " is kept by " + strings.Join(others, ", ") + more + " too"})
	}
	return nil
}
