package reads

import (
	"strings"
	"time"
)

// DefaultLimit is how many answers of replicas are kept to find those that preferred their own, when [Options.Limit] is zero. One
// takes 88 bytes.
const DefaultLimit = 1 << 17

// answer is one read as its replica answered it. It holds no pointers, for there are many: names are numbers, see [texts].
type answer struct {
	at     int64
	hash   uint64 // of the key
	line   int64  // of its place, as are file and item
	age    time.Duration
	missed source // of the write that a stale read missed
	latest int64  // when its node had last written the key before the read began
	saw    source
	server int32
	file   int32
	item   int32
	better bool // more was promised than what the replica happens to have
	stale  bool
}

// source is where and when a write was made.
type source struct {
	made int64
	node int32
}

// answers keeps those to reads of all keys whose hash is below a bound, and halves the bound whenever they are too many. What it
// keeps in the end does not depend on the order in which they came, nor on how they were dealt to several that are joined.
type answers struct {
	halved int
	list   []answer
	names  texts
}

func (s *answers) wants(hash uint64) bool { return hash>>(64-s.halved) == 0 }

func (s *answers) add(one answer, limit int) {
	s.list = append(s.list, one)
	for len(s.list) > limit {
		s.halve(s.halved + 1)
	}
}

// halve drops what is beyond the bound when it has been halved so often.
func (s *answers) halve(halved int) {
	s.halved = halved
	kept := s.list[:0]
	for i := range s.list {
		if s.wants(s.list[i].hash) {
			kept = append(kept, s.list[i])
		}
	}
	s.list = kept
}

// join takes the answers of others.
func (s *answers) join(o *answers, limit int) {
	s.halve(max(s.halved, o.halved))
	for _, a := range o.list {
		if !s.wants(a.hash) {
			continue
		}
		for _, n := range []*int32{&a.server, &a.file, &a.missed.node, &a.saw.node} {
			*n = s.names.of(o.names.list[*n])
		}
		s.add(a, limit)
	}
}

// texts gives numbers to texts that recur. Number 0 is the empty one.
type texts struct {
	number map[string]int32
	list   []string
}

func (t *texts) of(s string) int32 {
	n, known := t.number[s]
	if !known {
		if t.number == nil {
			t.number, t.list = map[string]int32{"": 0}, []string{""}
			return t.of(s)
		}
		n, s = int32(len(t.list)), strings.Clone(s)
		t.number[s] = n
		t.list = append(t.list, s)
	}
	return n
}

// hashOf returns a hash of a key that spreads over all bits, and is the same in every run.
func hashOf(key string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := 0; i < len(key); i++ {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd // the finish of MurmurHash3
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
