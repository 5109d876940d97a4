package replay

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// links follows the lists of ids that writes had seen, and what maps say of the writes that lists name, over all keys: who had
// seen a write had seen what its writer had seen, and all that its node wrote before. What an operation had seen of a node is so
// the node's first few operations, and one number a node says it: those numbers are its marks.
//
// The lists are gathered when somebody asks, and only where there is something to follow. They are sorted, in runs that are put
// away like records, and then each node's writes are taken in their order, those that others need first. What is kept in the
// end is a chain for each node: see [chain]. Writes whose ids are texts are followed in memory, where some list names a text.
type links struct {
	named    bool // some list names a "node:seq"
	lists    bool // some write "node:seq" has a list, which leaves out what its node had seen before
	maps     bool // some other says by numbers what it had seen
	resolved bool

	names   *names
	numbers map[string]uint64 // of the names, of which none comes any more
	chains  []*chain          // by the number of the node's name; nil where there is none
	texts   map[string]*textLink
	pages   pages
}

// told reports whether there is something to follow.
func (l *links) told() bool { return l.named || l.lists && l.maps }

// note looks at what the writer of a record had seen, when it is read; seq is the number of its id.
func (l *links) note(rec *history.Record, seq uint64) {
	if !rec.Knows || l.told() || rec.ID == "" {
		return
	}
	if seq > 0 {
		l.lists, l.maps = l.lists || !rec.Whole, l.maps || len(rec.SeenUp) > 0
	}
	for _, id := range rec.Seen {
		if _, ok := dotOf(id); ok {
			l.named = true
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

// join takes what was noted of others.
func (l *links) join(o *links) {
	*l = links{named: l.named || o.named, lists: l.lists || o.lists, maps: l.maps || o.maps}
}

// link is what an id in a list names: a write of a node, by its number, or one whose id is a text.
type link struct {
	node uint32 // the number of its name; 0 of a text
	seq  uint64
	text string
}

// linkOf returns what an id names. A node of which no record tells is nobody's.
func (l *links) linkOf(id string) (to link, ok bool) {
	d, dot := dotOf(id)
	if !dot {
		return link{text: id}, true
	}
	node, ok := l.numbers[string(d.Node)]
	return link{node: uint32(node), seq: d.Seq}, ok
}

// marks returns what follows from the list of a write. node and number are those of its id, when that is its node's. They are
// good until the room is used again.
func (l *links) marks(id string, list []string, node uint32, number uint64, room *linkRoom) (marks, error) {
	if l.chains == nil {
		return nil, nil
	}
	if number > 0 {
		return l.at(node, number, room)
	}
	if t := l.texts[id]; t != nil {
		return t.marks, nil
	}
	room.marks = room.marks[:0]
	for _, id := range list {
		to, ok := l.linkOf(id)
		switch {
		case !ok:
		case to.node > 0:
			row, err := l.at(to.node, to.seq, room)
			if err != nil {
				return nil, err
			}
			room.marks.join(row, 0)
		case l.texts[id] != nil:
			room.marks.join(l.texts[id].marks, 0)
		}
	}
	return room.marks, nil
}

// at returns the marks that a node had at a number.
func (l *links) at(node uint32, seq uint64, room *linkRoom) (marks, error) {
	c := l.chain(node)
	if c == nil {
		return nil, nil
	}
	return c.at(seq, &l.pages, room)
}

func (l *links) chain(node uint32) *chain {
	if int(node) >= len(l.chains) {
		return nil
	}
	return l.chains[node]
}

// linkRoom is what one goroutine reads chains with.
type linkRoom struct {
	marks, row marks
	block      []byte
}

// textLink is a write that has a list and whose id is a text.
type textLink struct {
	list  []link
	done  int  // how many of it were followed
	many  bool // it is of several records
	open  bool
	ended bool
	marks marks
}

// resolve works out what writers had seen, when it isn't yet, with so many goroutines where there is work for several.
func (h *History) resolve(workers int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := &h.links
	if l.resolved {
		return
	}
	l.resolved = true
	if l.told() {
		h.failed.set(l.resolve(h, workers))
	}
}

func (l *links) resolve(h *History, workers int) error {
	l.names, l.numbers, l.pages.store = h.names, h.names.number, h.store
	lists, texts, err := h.gather(workers)
	if err == nil && texts {
		l.texts, err = h.gatherTexts()
	}
	if err != nil {
		return err
	}
	l.chains = make([]*chain, len(h.names.texts))
	var order []*chain
	for node, start := range lists.starts {
		c := &chain{node: node, lists: linkReader{links: l, blocks: runBlocks{store: h.store, rest: lists.run[start.block:]}, skip: start.offset}}
		if err := c.take(); err != nil {
			return err
		}
		l.chains[node] = c
		order = append(order, c)
	}
	// Where writes claim to have seen each other, what comes of it depends on who is asked first.
	slices.SortFunc(order, func(a, b *chain) int { return cmp.Compare(h.names.texts[a.node], h.names.texts[b.node]) })
	f := follower{links: l}
	for _, c := range order {
		for c.next > 0 {
			if err := f.follow(waiting{chain: c, until: c.next}); err != nil {
				return err
			}
		}
	}
	ids := make([]string, 0, len(l.texts))
	for id := range l.texts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if t := l.texts[id]; !t.ended {
			if err := f.follow(waiting{text: t}); err != nil {
				return err
			}
		}
	}
	lists.run.drop(h.store)
	return nil
}

// waiting is a write whose list is followed, or several of one node: its next up to a number.
type waiting struct {
	chain *chain
	until uint64
	text  *textLink
}

// follower follows lists, those first that others need. A circle, in which two writes claim to have seen each other, is cut
// where it is found.
type follower struct {
	*links
	stack []waiting
	room  linkRoom
	was   marks
}

// follow works out what the writes had seen that are waited for.
func (f *follower) follow(root waiting) error {
	f.wait(root)
	for len(f.stack) > 0 {
		top := f.stack[len(f.stack)-1]
		switch c := top.chain; {
		case c == nil:
			if !f.needs(top.text.list, &top.text.done) {
				if err := f.end(top.text); err != nil {
					return err
				}
				f.stack = f.stack[:len(f.stack)-1]
			}
		case c.next == 0 || c.next > top.until:
			c.open = false
			f.stack = f.stack[:len(f.stack)-1]
		case !f.needs(c.list, &c.done):
			if err := f.step(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait has writes followed before all that wait already.
func (f *follower) wait(w waiting) {
	if w.chain != nil {
		w.chain.open = true
	} else {
		w.text.open = true
	}
	f.stack = append(f.stack, w)
}

// needs reports whether something of the rest of a list is to be followed first. Then it waits for that.
func (f *follower) needs(list []link, done *int) bool {
	for *done < len(list) {
		to := &list[*done]
		*done++
		if to.node == 0 {
			if t := f.texts[to.text]; t != nil && !t.ended && !t.open {
				f.wait(waiting{text: t})
				return true
			}
		} else if c := f.chain(to.node); c != nil && !c.open && c.next > 0 && c.next <= to.seq {
			f.wait(waiting{chain: c, until: to.seq})
			return true
		}
	}
	return false
}

// step adds the next write of a chain, all of whose list was followed.
func (f *follower) step(c *chain) error {
	f.was = append(f.was[:0], c.marks...)
	if err := f.collect(&c.marks, c.list, c.node); err != nil {
		return err
	}
	if err := c.add(c.next, f.was, &f.pages); err != nil {
		return err
	}
	return c.take()
}

func (f *follower) end(t *textLink) error {
	t.open, t.ended = false, true
	return f.collect(&t.marks, t.list, 0)
}

// collect joins to the marks of a write what all that it had seen had seen. That it had seen what its own node wrote before it
// needs no mark; of one whose id is a text that isn't known, and its node is 0.
func (f *follower) collect(to *marks, list []link, own uint32) error {
	for i := range list {
		seen := &list[i]
		if seen.node == 0 {
			if t := f.texts[seen.text]; t != nil && t.ended {
				to.join(t.marks, own)
			}
			continue
		}
		if seen.node == own {
			continue
		}
		row, err := f.at(seen.node, seen.seq, &f.room)
		if err != nil {
			return err
		}
		to.join(row, own)
		to.raise(seen.node, seen.seq)
	}
	return nil
}

// take takes the list of the next write of a node, from all of its deliveries, and of those on other keys that have its id.
func (c *chain) take() error {
	c.list, c.done, c.next = c.list[:0], 0, 0
	links := c.lists.links
	for items := 0; ; items++ {
		more, err := c.lists.next()
		if err != nil {
			return err
		}
		if !more || c.lists.node != c.node || items > 0 && c.lists.seq != c.next {
			if !more || c.lists.node != c.node {
				c.lists.close()
			}
			if items > 1 {
				c.list = links.sort(c.list)
			}
			return nil
		}
		c.next = c.lists.seq
		c.list = c.lists.list(c.list)
	}
}

// sort puts a list in an order that does not depend on which of its names came first, each name once.
func (l *links) sort(list []link) []link {
	texts := l.names.texts
	slices.SortFunc(list, func(a, b link) int {
		return cmp.Or(cmp.Compare(texts[a.node], texts[b.node]), cmp.Compare(a.seq, b.seq), cmp.Compare(a.text, b.text))
	})
	return slices.Compact(list)
}
