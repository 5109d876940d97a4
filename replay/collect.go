package replay

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// partitions is into how many parts the keys of a history are split. Each part is folded on its own.
const partitions = 256

// History is what was read of one or more sources: every write in compact form, split by key, and the count of all
// else. It doesn't depend on a rule table, so one history is read once and run under many. Histories join.
type History struct {
	parts  [partitions][][]byte
	names  *names
	inputs []Input
	told   tally // of reading
	links  links
	seqs   clock.Vector // the numbers of all ids "node:seq"
}

// Input says what one source held. Every record of it is in exactly one of the counts.
type Input struct {
	Name       string `json:"name"`
	Region     string `json:"region,omitempty"`
	Writes     int64  `json:"writes"`
	Reads      int64  `json:"reads"`
	Snapshots  int64  `json:"snapshot_rows"` // state as of some moment, not replayed
	Watermarks int64  `json:"watermarks"`    // resolved timestamps, heartbeats, manifests
	Repeated   int64  `json:"repeated"`      // records that the source itself marks as repeats
	SetAside   int64  `json:"set_aside"`     // what could not be read; see the findings
	Excluded   int64  `json:"excluded"`      // left out as the caller asked

	// Codes counts what was set aside by the reason.
	Codes map[finding.Code]int64 `json:"set_aside_codes,omitempty"`
}

// Records returns how many records the input held.
func (in Input) Records() int64 {
	return in.Writes + in.Reads + in.Snapshots + in.Watermarks + in.Repeated + in.SetAside + in.Excluded
}

func (in *Input) aside(code finding.Code, n int64) {
	if in.Codes == nil {
		in.Codes = make(map[finding.Code]int64)
	}
	in.Codes[code] += n
	in.SetAside += n
}

// Collect reads sources into a history. A record that can't be read is counted and told with its place, and reading
// goes on; the error is of what can't be opened or read at all.
func Collect(sources []history.Source, opt history.Options) (*History, error) {
	h := &History{names: newNames(), inputs: make([]Input, len(sources))}
	for i, s := range sources {
		h.inputs[i] = Input{Name: s.Name, Region: s.Region}
	}
	var mu sync.Mutex
	var free []*collector
	all := []*collector{}
	_, err := history.Scan(sources, opt, func(b *history.Batch) error {
		mu.Lock()
		var c *collector
		if len(free) > 0 {
			c, free = free[len(free)-1], free[:len(free)-1]
		} else {
			c = &collector{names: numbers{names: h.names}, inputs: make([]Input, len(sources))}
			all = append(all, c)
		}
		mu.Unlock()
		c.add(b)
		b.Recycle()
		mu.Lock()
		free = append(free, c)
		mu.Unlock()
		return nil
	})
	for _, c := range all {
		c.into(h)
	}
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	h.links.resolve()
	return h, nil
}

// Inputs returns what each source held, in the order of their names.
func (h *History) Inputs() []Input {
	inputs := slices.Clone(h.inputs)
	slices.SortStableFunc(inputs, func(a, b Input) int {
		return strings.Compare(a.Name+"\x00"+a.Region, b.Name+"\x00"+b.Region)
	})
	return inputs
}

// collector takes the batches of one worker at a time.
type collector struct {
	names  numbers
	record []byte // the one at hand
	parts  [partitions][]byte
	full   [partitions][][]byte
	inputs []Input
	told   tally
	links  links
	seqs   clock.Vector
}

// A position in an export is the number of its chunk and, in the lower bits, that of the record in it, from 1. A region's
// export may be many files, in the order of their names, as exporters name them: the number of the file goes above these
// bits. There is room for a million records a chunk, four million chunks a file, and two million files.
const (
	positionBits = 20
	fileBits     = 42
)

// ranks returns the place of each input's name among all names, in their order.
func (h *History) ranks() map[string]int64 {
	ranks := make(map[string]int64, len(h.inputs))
	for _, in := range h.Inputs() {
		if _, ok := ranks[in.Name]; !ok {
			ranks[in.Name] = int64(len(ranks))
		}
	}
	return ranks
}

// A part's memory comes in blocks: the first is small, for a short history has few records in each part, and each is
// twice the one before. Many small ones waste less than a few large ones.
const (
	firstBlock = 1 << 10
	lastBlock  = 32 << 10
)

// put adds the record at hand to a part.
func (c *collector) put(p int) {
	part := c.parts[p]
	if len(c.record) > cap(part)-len(part) {
		size := firstBlock
		if len(part) > 0 {
			c.full[p] = append(c.full[p], part)
			size = min(2*cap(part), lastBlock)
		}
		part = make([]byte, 0, max(size, len(c.record)))
	}
	c.parts[p] = append(part, c.record...)
}

func (c *collector) add(b *history.Batch) {
	in := &c.inputs[b.Source]
	in.Excluded += b.Excluded
	for _, f := range b.Aside {
		in.aside(f.Code, 1)
		c.told.tell(f)
	}
	for _, code := range slices.Sorted(maps.Keys(b.Counts)) {
		if code == finding.DuplicateOp {
			in.Repeated += b.Counts[code]
		}
		c.told.count(code, b.Counts[code])
	}
	for i := range b.Records {
		rec := &b.Records[i]
		switch rec.Kind {
		case history.Read:
			in.Reads++
			continue
		case history.Snapshot:
			in.Snapshots++
			c.told.tell(finding.Finding{Code: finding.SnapshotRow, Place: rec.Place, Key: rec.Key, Detail: "state as of some moment, not a write"})
			continue
		case history.Watermark:
			in.Watermarks++
			continue
		}
		in.Writes++
		c.record = appendRecord(c.record[:0], &c.names, rec, int64(b.Chunk)<<positionBits|int64(i)+1)
		c.put(partition(rec.Key))
		c.links.note(rec)
		note(&c.seqs, rec)
	}
}

func (c *collector) into(h *History) {
	for p := range c.parts {
		h.parts[p] = append(h.parts[p], c.full[p]...)
		if len(c.parts[p]) > 0 {
			h.parts[p] = append(h.parts[p], c.parts[p])
		}
	}
	for i, in := range c.inputs {
		sum := &h.inputs[i]
		sum.Writes += in.Writes
		sum.Reads += in.Reads
		sum.Snapshots += in.Snapshots
		sum.Watermarks += in.Watermarks
		sum.Repeated += in.Repeated
		for code, n := range in.Codes {
			sum.aside(code, n)
		}
		sum.Excluded += in.Excluded
	}
	h.told.join(&c.told)
	h.links.join(&c.links)
	h.seqs.Merge(c.seqs)
}

// partition returns the part that a key belongs to. Keys that look alike share one, so that they can be told.
func partition(key string) int {
	if !plain(key) {
		key = skeleton(key)
	}
	h := uint64(14695981039346656037) // FNV-1a
	for i := 0; i < len(key); i++ {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	return int((h ^ h>>32) % partitions)
}

// plain reports whether a key is of visible ASCII without capitals: then it looks like itself.
func plain(key string) bool {
	for i := 0; i < len(key); i++ {
		if c := key[i]; c >= 0x80 || c >= 'A' && c <= 'Z' || c <= ' ' {
			return false
		}
	}
	return true
}

// skeleton returns what a key looks like at a glance: in lower case, in Unicode's compatible composed form, without
// spaces and characters that have no width.
func skeleton(key string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKC.String(key))
}

// number returns what stands behind the name of the node in an id "node:number", 0 when the id is something else.
func number(id string, node clock.Node) uint64 {
	if node == "" || len(id) <= len(node)+1 || id[len(node)] != ':' || id[:len(node)] != string(node) {
		return 0
	}
	digits := id[len(node)+1:]
	if digits[0] < '1' || digits[0] > '9' {
		return 0
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// note takes the number of a record's id, so that holes show.
func note(seqs *clock.Vector, rec *history.Record) {
	seq := number(rec.ID, rec.Node)
	if seq == 0 {
		return
	}
	node := rec.Node
	if seqs.Max(node) == 0 { // a new one, which the vector keeps
		node = clock.Node(strings.Clone(string(node)))
	}
	seqs.Add(clock.Dot{Node: node, Seq: seq})
}
