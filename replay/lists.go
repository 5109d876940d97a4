package replay

import (
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tiebreakhq/tiebreak/replay/history"
)

// The lists of all writes "node:seq" are put away as items in sorted runs: the number of the node's name and the number of the
// write, in fixed size, and then how many links follow, and of each the number of the node's name and its own; for a text, 0 and
// the text.

// linkRun is a run of lists, and where each node's begin.
type linkRun struct {
	run    sortedRun
	starts map[uint32]linkStart
}

type linkStart struct{ block, offset int }

// linkWriter writes a run.
type linkWriter struct {
	runWriter
	starts map[uint32]linkStart
	node   uint32 // of the last item
}

// linkBlock is how many bytes the blocks of the one run have. Of each node one is at hand while lists are followed.
const linkBlock = 4 << 10

// newLinkWriter returns what writes a run in blocks of a size, 0 for the store's.
func newLinkWriter(s *store, size int) linkWriter {
	return linkWriter{runWriter: runWriter{store: s, size: size}, starts: make(map[uint32]linkStart)}
}

func (w *linkWriter) put(item []byte) error {
	if err := w.runWriter.put(item); err != nil {
		return err
	}
	if node := binary.LittleEndian.Uint32(item); node != w.node {
		w.node = node
		w.starts[node] = linkStart{len(w.run), len(w.block) - len(item)}
	}
	return nil
}

func (w *linkWriter) close() (linkRun, error) {
	run, err := w.runWriter.close()
	return linkRun{run, w.starts}, err
}

// linkReader reads a run, or the part of it that is of one node.
type linkReader struct {
	links  *links
	blocks runBlocks
	skip   int // of the first block
	in     reader
	node   uint32
	seq    uint64
	begun  bool // what follows is the list of the item of that node and number
}

// next goes to the next item, unless the list of the one at hand was not read yet.
func (r *linkReader) next() (more bool, err error) {
	if r.begun {
		return true, nil
	}
	if !r.in.more() {
		b, err := r.blocks.next()
		if err != nil || b == nil {
			return false, err
		}
		r.in = reader{b: b, at: r.skip}
		r.skip = 0
	}
	b := r.in.b[r.in.at:]
	r.node, r.seq = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[4:])
	r.in.at += linkHead
	r.begun = true
	return true, nil
}

const linkHead = 4 + 8

// list appends the list of the item at hand.
func (r *linkReader) list(list []link) []link {
	r.begun = false
	for n := r.in.count(); n > 0; n-- {
		to := link{node: uint32(r.in.uint())}
		if to.node > 0 {
			to.seq = r.in.uint()
		} else {
			to.text = strings.Clone(r.in.text())
		}
		list = append(list, to)
	}
	return list
}

// raw returns the item at hand as it stands.
func (r *linkReader) raw() []byte {
	r.begun = false
	start := r.in.at - linkHead
	for n := r.in.count(); n > 0; n-- {
		if r.in.uint() > 0 {
			r.in.uint()
		} else {
			r.in.text()
		}
	}
	return r.in.b[start:r.in.at]
}

// close gives back the memory of what is at hand.
func (r *linkReader) close() { *r = linkReader{} }

// gather returns the lists of all writes "node:seq" as one run, and whether any names a text.
func (h *History) gather(workers int) (all linkRun, texts bool, err error) {
	gatherers := make([]linkGatherer, workers)
	var next atomic.Int32
	var wg sync.WaitGroup
	for i := range gatherers {
		wg.Go(func() {
			g := &gatherers[i]
			g.store, g.links, g.most = h.store, &h.links, h.store.lists(workers)
			for p := int(next.Add(1)) - 1; p < partitions && g.err == nil; p = int(next.Add(1)) - 1 {
				g.err = h.eachTold(p, g.add)
			}
			if g.err == nil {
				g.err = g.spill()
			}
			g.buffer, g.turns = nil, turns{}
		})
	}
	wg.Wait()
	var runs []linkRun
	for i := range gatherers {
		g := &gatherers[i]
		if g.err != nil {
			return all, texts, g.err
		}
		texts = texts || g.texts
		runs = append(runs, g.runs...)
	}
	all, err = h.mergeLinks(runs)
	return all, texts, err
}

// eachTold calls visit with the writes of a part that have an id and say what their writer had seen. What it is given is good until the next.
func (h *History) eachTold(part int, visit func(rec *history.Record, r *reader) error) error {
	var rec history.Record
	var ids []byte
	return h.store.each(&h.store.parts[part], func(b []byte) error {
		r := reader{b: b, names: h.names.texts, ids: &ids}
		for r.more() {
			if _, plain := plainAt(b[r.at:]); plain { // it says nothing of what its writer had seen
				_, r.at = skim(b, r.at)
				continue
			}
			ids = ids[:0]
			if r.record(&rec); len(rec.Seen)+len(rec.SeenUp) > 0 && rec.ID != "" {
				if err := visit(&rec, &r); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// linkGatherer gathers the lists of some parts.
type linkGatherer struct {
	store  *store
	links  *links
	most   int // bytes at hand
	buffer []byte
	turns  turns  // of the items in the buffer
	list   []link // of the write at hand
	runs   []linkRun
	texts  bool // some list names a text
	err    error
}

// turnBytes is what a turn takes, with the memory to sort it.
const turnBytes = 2 * 16

// add takes the list of a write.
func (g *linkGatherer) add(rec *history.Record, r *reader) error {
	g.list, g.texts = g.links.listOf(g.list[:0], rec, g.texts)
	if r.number == 0 {
		return nil
	}
	if len(g.buffer)+len(g.turns.list)*turnBytes > g.most {
		if err := g.spill(); err != nil {
			return err
		}
	}
	g.turns.list = append(g.turns.list, turn{r.number, r.node, uint32(len(g.buffer))})
	b := binary.LittleEndian.AppendUint32(g.buffer, r.node)
	b = binary.LittleEndian.AppendUint64(b, r.number)
	b = appendUint(b, uint64(len(g.list)))
	for _, to := range g.list {
		if b = appendUint(b, uint64(to.node)); to.node > 0 {
			b = appendUint(b, to.seq)
		} else {
			b = appendText(b, to.text)
		}
	}
	g.buffer = b
	return nil
}

// listOf appends what a record names that its writer had seen, and reports whether any is a text.
func (l *links) listOf(list []link, rec *history.Record, texts bool) ([]link, bool) {
	for _, up := range rec.SeenUp {
		if node, ok := l.numbers[string(up.Node)]; ok {
			list = append(list, link{node: uint32(node), seq: up.Seq})
		}
	}
	for _, id := range rec.Seen {
		if to, ok := l.linkOf(id); ok {
			list = append(list, to)
			texts = texts || to.node == 0
		}
	}
	return list, texts
}

// spill writes what is at hand to a run.
func (g *linkGatherer) spill() error {
	g.turns.sort()
	w := newLinkWriter(g.store, 0)
	r := linkReader{in: reader{b: g.buffer}}
	for _, item := range g.turns.list {
		r.in.at = int(item.at) + linkHead
		if err := w.put(r.raw()); err != nil {
			return err
		}
	}
	g.buffer, g.turns.list = g.buffer[:0], g.turns.list[:0]
	run, err := w.close()
	g.runs = append(g.runs, run)
	return err
}

// mergeLinks makes one run of several.
func (h *History) mergeLinks(runs []linkRun) (linkRun, error) {
	w := newLinkWriter(h.store, linkBlock)
	lists := merger[*linkReader]{less: func(a, b *linkReader) bool {
		return a.node < b.node || a.node == b.node && a.seq < b.seq
	}}
	for _, run := range runs {
		if err := lists.add(&linkReader{blocks: runBlocks{store: h.store, rest: run.run}}); err != nil {
			return linkRun{}, err
		}
	}
	err := lists.each(func(r *linkReader) (bool, error) { return true, w.put(r.raw()) })
	if err != nil {
		return linkRun{}, err
	}
	for _, run := range runs {
		run.run.drop(h.store)
	}
	return w.close()
}

// gatherTexts returns the lists of all writes whose ids are texts.
func (h *History) gatherTexts() (map[string]*textLink, error) {
	texts := make(map[string]*textLink)
	for p := range partitions {
		err := h.eachTold(p, func(rec *history.Record, r *reader) error {
			if r.number > 0 {
				return nil
			}
			t := texts[rec.ID]
			again := t != nil
			if !again {
				t = &textLink{}
				texts[strings.Clone(rec.ID)] = t
			}
			first := len(t.list)
			t.list, _ = h.links.listOf(t.list, rec, false)
			for i := range t.list[first:] {
				t.list[first+i].text = strings.Clone(t.list[first+i].text)
			}
			t.many = t.many || again
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, t := range texts {
		if t.many {
			t.list = h.links.sort(t.list)
		}
	}
	return texts, nil
}
