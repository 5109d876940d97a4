package replay

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// listed is a write that names in a list what its writer had seen.
type listed struct {
	id   string
	node string
	seq  uint64 // 0 when the id is a text
	seen []string
}

// tell makes writes of some nodes, whose lists name writes that came before them. Of their numbers some are left out, some ids
// are texts, one of so many, and some writes have no list.
func tell(seed uint64, n, nodes, texts int) []*listed {
	r := rand.New(rand.NewPCG(seed, 7))
	var all []*listed
	last := make([]uint64, nodes)
	for i := range n {
		node := r.IntN(nodes)
		w := &listed{node: fmt.Sprintf("n%d", node)}
		if r.IntN(texts) == 0 {
			w.id = fmt.Sprintf("text-%d", i)
		} else {
			last[node] += 1 + uint64(r.IntN(40)/39*r.IntN(1000))
			w.seq = last[node]
			w.id = fmt.Sprintf("n%d:%d", node, w.seq)
		}
		if r.IntN(8) > 0 {
			for range 1 + r.IntN(2) {
				switch back := r.IntN(60); {
				case r.IntN(20) == 0:
					w.seen = append(w.seen, "nobody:7")
				case i > back:
					w.seen = append(w.seen, all[i-1-back].id)
				}
			}
		}
		all = append(all, w)
	}
	return all
}

func (w *listed) line() string {
	return fmt.Sprintf(`{"key":"k/%s","node":%q,"id":%q,"value":1,"time":5,"seen":["%s"]}`, w.id, w.node, w.id, strings.Join(w.seen, `","`))
}

// marksOf is the oracle: what follows from each list, worked out write by write with maps, each after those that it names.
func marksOf(all []*listed) map[string]map[string]uint64 {
	marks := make(map[string]map[string]uint64)
	nodes := map[string]bool{}
	for _, w := range all {
		nodes[w.node] = true
	}
	raise := func(to, from map[string]uint64) {
		for node, up := range from {
			to[node] = max(to[node], up)
		}
	}
	before := func(at int, node string, seq uint64) { // of a node, the last that has a list, up to a number
		var found *listed
		for _, w := range all[:at] {
			if w.node == node && w.seq > 0 && w.seq <= seq && len(w.seen) > 0 && (found == nil || found.seq < w.seq) {
				found = w
			}
		}
		if found != nil {
			raise(marks[all[at].id], marks[found.id])
		}
	}
	for at, w := range all {
		mine := make(map[string]uint64)
		marks[w.id] = mine
		if w.seq > 0 {
			before(at, w.node, w.seq-1)
		}
		for _, id := range w.seen {
			d, err := clock.ParseDot(id)
			if err != nil {
				raise(mine, marks[id])
				continue
			}
			before(at, string(d.Node), d.Seq)
			if nodes[string(d.Node)] {
				mine[string(d.Node)] = max(mine[string(d.Node)], d.Seq)
			}
		}
		if w.seq > 0 && mine[w.node] < w.seq {
			delete(mine, w.node) // that is no news
		}
	}
	for id := range marks { // what has no list says nothing, and what its node knew stands in the others
		if i := slices.IndexFunc(all, func(w *listed) bool { return w.id == id }); len(all[i].seen) == 0 {
			delete(marks, id)
		}
	}
	return marks
}

func collectTold(t *testing.T, all []*listed, opt history.Options) *History {
	var lines []string
	for _, w := range all {
		line := w.line()
		if len(w.seen) == 0 {
			line = strings.Replace(line, `,"seen":[""]`, "", 1)
		}
		lines = append(lines, line)
	}
	h, err := Collect([]history.Source{sourceOf("a", strings.Join(lines, "\n"))}, opt)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// seenOf returns the marks of a write as the engine has them.
func seenOf(t *testing.T, h *History, w *listed, room *linkRoom) map[string]uint64 {
	seen, err := h.links.marks(w.id, w.seen, uint32(h.names.of(w.node)), w.seq, room)
	require.NoError(t, err)
	marks := make(map[string]uint64)
	for _, m := range seen {
		marks[h.names.text(uint64(m.node))] = m.up
	}
	if w.seq == 0 { // the engine does without what stands in the list
		for _, id := range w.seen {
			if d, err := clock.ParseDot(id); err == nil && d.Node != "nobody" {
				marks[string(d.Node)] = max(marks[string(d.Node)], d.Seq)
			}
		}
	}
	return marks
}

func TestListsAreFollowed(t *testing.T) {
	for seed := range uint64(12) {
		nodes := 1 + int(seed)%5
		all := tell(seed, 900, nodes, 10)
		want := marksOf(all)
		shuffled := append(slices.Clone(all), all[3], all[500]) // two are delivered again
		rand.New(rand.NewPCG(seed, 8)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for _, memory := range []int64{0, 1, -1} {
			h := collectTold(t, shuffled, history.Options{Memory: memory, Temp: t.TempDir()})
			h.resolve(2)
			require.NoError(t, h.Err())
			if memory == 1 {
				require.NotZero(t, h.store.spool.puts.Load())
			}
			var room linkRoom
			for _, w := range all {
				if len(w.seen) > 0 {
					require.Equal(t, want[w.id], seenOf(t, h, w, &room), "seed %d, memory %d, write %s", seed, memory, w.id)
				}
			}
		}
	}
}

// Where lists contradict each other, and writes claim to have seen each other, what is made of them is the same however they
// were delivered.
func TestListsInACircle(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 9))
		all := tell(seed, 60, 3, 1+int(seed)%5)
		for _, w := range all {
			if r.IntN(4) == 0 {
				w.seen = append(w.seen, all[r.IntN(len(all))].id)
			}
		}
		for range 10 { // delivered again, with another list
			w := *all[r.IntN(len(all))]
			w.seen = []string{all[r.IntN(len(all))].id, all[r.IntN(len(all))].id}
			all = append(all, &w)
		}
		var first map[string]map[string]uint64
		for range 3 {
			h := collectTold(t, all, history.Options{Memory: 1, Temp: t.TempDir()})
			h.resolve(2)
			require.NoError(t, h.Err())
			marks := make(map[string]map[string]uint64)
			var room linkRoom
			for _, w := range all {
				if _, ok := marks[w.id]; !ok && w.seq > 0 || h.links.texts[w.id] != nil {
					marks[w.id] = maps.Clone(seenOf(t, h, &listed{id: w.id, node: w.node, seq: w.seq}, &room))
				}
			}
			if first == nil {
				first = marks
			}
			require.Equal(t, first, marks, "seed %d", seed)
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		}
	}
}
