package replay

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// links follows the lists of ids that writes had seen, over all keys: who had seen a write had seen what its writer had
// seen, and all that its node wrote before. What an operation had seen of a node is so the node's first few
// operations, and one number a node says it. Ids that are not "node:seq" are followed within their key only.
//
// Where some list names a "node:seq", operations that carry a list cost memory here; the lists are gathered when somebody asks.
type links struct {
	told     bool // some list names a "node:seq": else there is nothing to follow
	resolved bool
	list     []link
	up       map[string]clock.Vector // by id, after resolve
}

type link struct {
	id   string
	dot  clock.Dot // zero when the id is not "node:seq"
	seen []string
}

// note looks at the list of a record that is read.
func (l *links) note(rec *history.Record) {
	if l.told || rec.ID == "" {
		return
	}
	for _, id := range rec.Seen {
		if _, ok := dotOf(id); ok {
			l.told = true
			return
		}
	}
}

// dotOf returns the dot that an id is, if it is one. Most that are not are told by their last letters.
func dotOf(id string) (clock.Dot, bool) {
	if id == "" || id[len(id)-1]-'0' > 9 || strings.IndexByte(id, ':') < 0 {
		return clock.Dot{}, false
	}
	d, err := clock.ParseDot(id)
	return d, err == nil
}

// gather takes the list of a record.
func (l *links) gather(rec *history.Record) {
	if len(rec.Seen) == 0 || rec.ID == "" {
		return
	}
	k := link{id: strings.Clone(rec.ID), seen: make([]string, len(rec.Seen))}
	if seq := rec.Number(); seq > 0 {
		k.dot = clock.Dot{Node: clock.Node(k.id[:len(rec.Node)]), Seq: seq}
	}
	for i, id := range rec.Seen {
		k.seen[i] = strings.Clone(id)
	}
	l.list = append(l.list, k)
}

// join takes what was noted of others.
func (l *links) join(o *links) { *l = links{told: l.told || o.told} }

// seen returns, of each node, up to which number the operation had seen it.
func (l *links) seen(id string) clock.Vector { return l.up[id] }

// resolve works out what writers had seen, when it isn't yet.
func (h *History) resolve() {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := &h.links
	if l.resolved {
		return
	}
	l.resolved = true
	if !l.told {
		return
	}
	var rec history.Record
	for p := range h.store.parts {
		h.failed.set(h.store.each(&h.store.parts[p], func(b []byte) error {
			r := reader{b: b, names: h.names.texts}
			for r.more() {
				r.record(&rec)
				l.gather(&rec)
			}
			return nil
		}))
	}
	l.resolve()
}

// resolve works the vectors out, those that others need first. A circle, in which two writes claim to have seen each
// other, is cut where it is found.
func (l *links) resolve() {
	slices.SortFunc(l.list, func(a, b link) int {
		return cmp.Or(a.dot.Compare(b.dot), strings.Compare(a.id, b.id), slices.Compare(a.seen, b.seen))
	})
	byID := make(map[string]int, len(l.list))
	chains := make(map[clock.Node][]int) // of each node, by number
	for i, k := range l.list {
		byID[k.id] = i
		if !k.dot.IsZero() {
			chains[k.dot.Node] = append(chains[k.dot.Node], i)
		}
	}
	// needs returns the operations whose vectors enter that of i.
	needs := func(i int) []int {
		k := &l.list[i]
		var on []int
		last := func(d clock.Dot) {
			chain := chains[d.Node]
			if n := sortedCount(chain, func(j int) bool { return l.list[j].dot.Seq <= d.Seq }); n > 0 {
				on = append(on, chain[n-1])
			}
		}
		if k.dot.Seq > 1 {
			last(clock.Dot{Node: k.dot.Node, Seq: k.dot.Seq - 1})
		}
		for _, id := range k.seen {
			if d, ok := dotOf(id); ok {
				last(d)
			} else if j, ok := byID[id]; ok {
				on = append(on, j)
			}
		}
		return on
	}
	const (
		untouched = iota
		open
		done
	)
	state := make([]byte, len(l.list))
	vectors := make([]clock.Vector, len(l.list))
	var stack []int
	for root := range l.list {
		stack = append(stack, root)
		for len(stack) > 0 {
			i := stack[len(stack)-1]
			if state[i] == done {
				stack = stack[:len(stack)-1]
				continue
			}
			on := needs(i)
			if state[i] == untouched {
				state[i] = open
				for _, j := range on {
					if state[j] == untouched {
						stack = append(stack, j)
					}
				}
				continue
			}
			v := &vectors[i]
			for _, j := range on {
				v.Merge(vectors[j])
			}
			for _, id := range l.list[i].seen {
				if d, ok := dotOf(id); ok {
					v.AddUp(d.Node, d.Seq)
				}
			}
			state[i] = done
			stack = stack[:len(stack)-1]
		}
	}
	l.up = make(map[string]clock.Vector, len(l.list))
	for i, k := range l.list {
		l.up[k.id] = vectors[i]
	}
	l.list = nil
}
