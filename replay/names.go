package replay

import (
	"strings"
	"sync"
)

// names gives short numbers to texts that recur: nodes, regions, files. Number 0 is the empty
// text. The numbers depend on who came first, so nothing that is shown may.
type names struct {
	mu     sync.RWMutex
	number map[string]uint64
	texts  []string
}

func newNames() *names {
	return &names{number: map[string]uint64{"": 0}, texts: []string{""}}
}

func (n *names) of(text string) uint64 {
	n.mu.RLock()
	id, ok := n.number[text]
	n.mu.RUnlock()
	if ok {
		return id
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if id, ok := n.number[text]; ok {
		return id
	}
	text = strings.Clone(text) // the text may point into a chunk of input: keep a copy, not the chunk
	id = uint64(len(n.texts))
	n.number[text] = id
	n.texts = append(n.texts, text)
	return id
}

func (n *names) text(id uint64) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.texts[id]
}

// numbers is what one goroutine remembers of names, so that it need not ask, and wait for others, at every record.
type numbers struct {
	names *names
	known [knownNames]known
	last  known  // of files
	asked []bool // by number: which it has asked for
}

type known struct {
	text   string
	number uint64
}

const (
	knownNames = 1 << 8
	knownTries = 4 // slots, from where a text belongs, that it may stand in
)

// slotOf returns where a text belongs among the known ones: by a few bytes of its beginning, its middle and its end.
func slotOf(text string) int {
	n := len(text)
	h := uint(n)
	for i := range min(n, 3) {
		h = h*31 + uint(text[n-1-i])
	}
	return int(((h*31+uint(text[n/2]))*31 + uint(text[0])) % knownNames)
}

// file is of for the file of a record, which is mostly that of the record before.
func (n *numbers) file(name string) uint64 {
	if n.last.text != name {
		n.last = known{name, n.of(name)}
	}
	return n.last.number
}

func (n *numbers) of(text string) uint64 {
	if text == "" {
		return 0
	}
	at := slotOf(text)
	for i := range knownTries {
		if k := &n.known[(at+i)%knownNames]; k.text == text {
			return k.number
		}
	}
	return n.ask(text, at)
}

// ask asks for the number of a text, and remembers it in a free slot or the first.
func (n *numbers) ask(text string, at int) uint64 {
	k := &n.known[at%knownNames]
	for i := range knownTries {
		if free := &n.known[(at+i)%knownNames]; free.text == "" {
			k = free
			break
		}
	}
	k.number = n.names.of(text)
	k.text = n.names.text(k.number)
	if missing := int(k.number) + 1 - len(n.asked); missing > 0 {
		n.asked = append(n.asked, make([]bool, missing)...)
	}
	n.asked[k.number] = true
	return k.number
}
