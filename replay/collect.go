package replay

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unsafe"

	"golang.org/x/text/unicode/norm"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// partitions is into how many parts the keys of a history are split. Each part is folded on its own.
const partitions = 256

// History is what was read of one or more sources: every write in compact form, split by key, and the count of all
// else. It doesn't depend on a rule table, so one history is read once and run under many. Histories join. Of the writes
// no more are in memory than [history.Options.Memory] allows; the others are in a temporary file: see [History.Close].
type History struct {
	store  *store
	names  *names
	inputs []collected
	links  links
	came   arrived
	seqs   numbered
	reads  int64 // that are kept
	keeps  bool  // reads, and when writes were called

	renamed bool // writes that arrived were named anew
	strange bool // some were made where no export is from
	deletes bool // some deletes say nothing of where they were made, but stand in the export of a region

	lengths lengths

	mu     sync.Mutex // held to take what was collected
	failed failure    // of reading back
}

// collected is what one source held besides its writes.
type collected struct {
	Input
	told  tally // of reading
	begun bool
	from  int64 // see [history.Batch.From]
	until int64 // see [history.Batch.Until]
	home  bool  // see [history.Batch.Home]
	calls bool  // records of it say when or in which session something was read or written
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

	// Origins is how many rows say where they were written, in the column of [history.Options.Origin], and NoOrigin how many do
	// not. They are in other counts too.
	Origins  int64 `json:"origins,omitempty"`
	NoOrigin int64 `json:"no_origin,omitempty"`

	// Strange is how many of Origins name no region of which the export is read.
	Strange int64 `json:"strange_origin,omitempty"`

	// Others names some of the regions that those of Strange name, in their order: see [history.Batch.Others].
	Others []string `json:"others,omitempty"`

	// Arrivals are writes that are at home in the export of another region and were named anew here: see [history.Arrival].
	Arrivals int64 `json:"arrivals,omitempty"`

	// Codes counts what was set aside by the reason.
	Codes map[finding.Code]int64 `json:"set_aside_codes,omitempty"`

	// Unread is what is missing when reading was interrupted: "all" or "rest". It is "" for an input that was read whole.
	Unread string `json:"unread,omitempty"`
}

// Records returns how many records the input held.
func (in Input) Records() int64 {
	return in.Writes + in.Reads + in.Snapshots + in.Watermarks + in.Repeated + in.SetAside + in.Excluded + in.Arrivals
}

func (in *Input) aside(code finding.Code, n int64) {
	if in.Codes == nil {
		in.Codes = make(map[finding.Code]int64)
	}
	in.Codes[code] += n
	in.SetAside += n
}

// Collect reads sources into a history. A record that can't be read is counted and told with its place, and reading
// goes on; the error is of what can't be opened or read at all. When [history.Options.Stop] ends it, the history is what was
// read by then: see [History.Partial].
func Collect(sources []history.Source, opt history.Options) (*History, error) {
	return newHistory(sources, opt).all(sources, opt)
}

// all collects all sources as one group.
func (h *History) all(sources []history.Source, opt history.Options) (*History, error) {
	g := h.group(0, len(sources))
	return h.collect(sources, opt, func(int) *group { return g }, func(g *group) error {
		shelves, err := g.close()
		if err != nil {
			return err
		}
		return g.add(h, shelves)
	})
}

// newHistory returns a history of sources of which nothing has been read.
func newHistory(sources []history.Source, opt history.Options) *History {
	h := &History{store: newStore(memoryOf(&opt), opt.Temp, opt.Workers), names: newNames(), keeps: opt.Reads, lengths: usualLengths, inputs: make([]collected, len(sources))}
	h.seqs = numbered{store: h.store, names: h.names}
	for i, s := range sources {
		h.inputs[i].Input = Input{Name: s.Name, Region: s.Region, Unread: unreadAll}
	}
	return h
}

// What may be unread of an input.
const (
	unreadAll  = "all"
	unreadRest = "rest"
)

// collect reads the sources, the last ones of the history's inputs: each into its group. done takes a group into the history:
// as soon as all its inputs were read whole, or else in the end.
func (h *History) collect(sources []history.Source, opt history.Options, groupOf func(source int) *group, done func(*group) error) (*History, error) {
	first := len(h.inputs) - len(sources)
	tell, opt := opt.Finished, opt
	opt.Plain = true
	opt.Finished = func(source int) {
		g := groupOf(first + source)
		if g.finished(first + source) {
			h.failed.set(done(g))
		}
		if tell != nil {
			tell(source)
		}
	}
	_, err := history.Scan(sources, opt, func(b *history.Batch) error {
		b.Source += first
		g := groupOf(b.Source)
		c := g.collector(b.Worker)
		c.add(b)
		b.Recycle()
		err := c.filler.err
		if c.readings.filler != nil {
			err = cmp.Or(err, c.readings.err)
		}
		g.note(c)
		return cmp.Or(err, h.failed.get())
	})
	for i := range sources {
		if g := groupOf(first + i); !g.taken {
			err = cmp.Or(err, done(g)) // even after an error: what was read whole may be kept
		}
	}
	if err = cmp.Or(err, h.failed.get()); err != nil {
		_ = h.Close()
		return nil, fmt.Errorf("read history: %w", err)
	}
	return h, nil
}

// group is some inputs that stand beside each other, while they are read, and what was collected of them. Several goroutines
// may use it.
type group struct {
	history *History
	first   int  // of its inputs
	block   int  // the most bytes of a block
	tight   bool // see [filler]

	mu     sync.Mutex
	all    []*collector // by worker: what is written all the time stays in one processor's cache; nil where there is none
	inputs []collected
	missed int // inputs that are not finished
	taken  bool
	seqs   sequences

	readings []shelf // when it is closed; nil when there are none
	reads    int64
}

func (h *History) group(first, inputs int) *group {
	g := &group{history: h, first: first, block: h.store.most, missed: inputs, inputs: make([]collected, inputs), seqs: newSequences(h)}
	for i := range g.inputs {
		in := &h.inputs[first+i]
		g.inputs[i].Input = Input{Name: in.Name, Region: in.Region, Unread: unreadAll}
	}
	return g
}

// collector returns that of a worker.
func (g *group) collector(worker int) *collector {
	g.mu.Lock()
	defer g.mu.Unlock()
	if missing := worker + 1 - len(g.all); missing > 0 {
		g.all = append(g.all, make([]*collector, missing)...)
	}
	if g.all[worker] == nil {
		c := &collector{writes: newWrites(g.history), keeps: g.history.keeps, first: g.first, inputs: make([]collected, len(g.inputs))}
		c.filler.most, c.filler.tight = g.block, g.tight
		g.all[worker] = c
	}
	return g.all[worker]
}

// note takes the numbers that a collector noted: those of all collectors together have few holes, those of each would have
// one for every number of another.
func (g *group) note(c *collector) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range c.seqs {
		g.seqs.note(n.node, n.seq)
	}
	c.seqs = c.seqs[:0]
}

// finished notes that an input was read whole and returns whether it was the last.
func (g *group) finished(input int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inputs[input-g.first].Unread = ""
	g.missed--
	return g.missed == 0
}

// close ends the collecting and returns the shelves.
func (g *group) close() ([]shelf, error) {
	g.all = slices.DeleteFunc(g.all, func(c *collector) bool { return c == nil })
	var shelves []shelf
	for _, c := range g.all {
		if err := c.filler.closeTo(&shelves); err != nil {
			return nil, err
		}
		if err := c.readings.closeTo(&g.readings); err != nil {
			return nil, err
		}
		g.reads += c.readings.reads
	}
	for i := range g.inputs {
		in := &g.inputs[i]
		for _, c := range g.all {
			in.add(&c.inputs[i])
		}
		if in.Unread != "" && in.begun {
			in.Unread = unreadRest
		}
	}
	return shelves, nil
}

// add adds what was closed to the history.
func (g *group) add(h *History, shelves []shelf) error {
	g.taken = true
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range shelves {
		h.store.parts[p].join(&shelves[p])
	}
	for p := range g.readings {
		h.store.readings[p].join(&g.readings[p])
	}
	h.reads += g.reads
	copy(h.inputs[g.first:], g.inputs)
	h.note(g.inputs)
	for _, c := range g.all {
		h.links.join(&c.links)
		h.noteCame(c.came)
	}
	g.all = nil
	runs, err := g.seqs.close()
	return cmp.Or(err, h.seqs.join(runs))
}

// note takes from inputs what is known of the whole history.
func (h *History) note(inputs []collected) {
	for i := range inputs {
		in := &inputs[i]
		h.renamed, h.strange = h.renamed || in.Arrivals > 0, h.strange || in.Strange > 0
	}
}

// noteCame takes what is known of which nodes have writes in which exports.
func (h *History) noteCame(came arrived) {
	h.came.join(came)
	for p := range came {
		h.deletes = h.deletes || p[0] == 0
	}
}

func (in *collected) add(o *collected) {
	in.begun, in.calls = in.begun || o.begun, in.calls || o.calls
	in.since(o.from)
	in.until, in.home = max(in.until, o.until), in.home || o.home
	in.others(o.Others)
	in.Writes += o.Writes
	in.Reads += o.Reads
	in.Snapshots += o.Snapshots
	in.Watermarks += o.Watermarks
	in.Repeated += o.Repeated
	for code, n := range o.Codes {
		in.aside(code, n)
	}
	in.Excluded += o.Excluded
	in.Origins += o.Origins
	in.NoOrigin += o.NoOrigin
	in.Strange += o.Strange
	in.Arrivals += o.Arrivals
	in.told.join(&o.told)
}

// since notes a time from which on the input may have all that there was.
func (in *collected) since(from int64) {
	if in.from == 0 || from != 0 && from < in.from {
		in.from = from
	}
}

// others notes regions of which rows say that they were written there: the first of them by name.
func (in *collected) others(names []string) {
	for _, name := range names {
		if at, known := slices.BinarySearch(in.Others, name); !known {
			in.Others = slices.Insert(in.Others, at, name)
		}
	}
	in.Others = in.Others[:min(len(in.Others), history.MostOthers)]
}

// Apart returns an input in which writes of a region stand as if nobody had read an export of that region, while there is one in the
// history: they were not read together, but each kept and then loaded. Then such a write is in the history twice. It returns
// "" when there is none.
func (h *History) Apart() (input, region string) {
	for _, in := range h.Inputs() {
		for i := range h.inputs {
			of := &h.inputs[i]
			if of.Name != in.Name || of.Region == "" {
				continue
			}
			for _, region := range of.Others {
				if slices.ContainsFunc(h.inputs, func(other collected) bool { return other.Region == region }) {
					return in.Name, region
				}
			}
		}
	}
	return "", ""
}

// span is from which time on there is an export of a region, and up to which, by the clock of that region; 0 where that is not known.
type span struct {
	from, until int64
	home        bool // it has rows that were written there
}

// arrivals returns which nodes have writes in which exports, where those of others arrive. Of a region that did nothing but delete no export has a
// row, and those that tell of what arrived tell of its deletes too.
func (h *History) arrivals() arrived {
	if !h.renamed || !h.deletes {
		return h.came
	}
	came := maps.Clone(h.came)
	spans := h.spans()
	for to := range spans {
		in := uint32(h.names.of(to))
		tells := false
		for p := range h.came {
			tells = tells || p[0] > 0 && p[1] == in
		}
		for from, s := range spans {
			if tells && from != to && !s.home {
				came[pair{uint32(h.names.of(from)), in}] = struct{}{}
			}
		}
	}
	return came
}

// spans returns the spans of the exports of all regions.
func (h *History) spans() map[string]span {
	spans := make(map[string]span)
	for i := range h.inputs {
		in := &h.inputs[i]
		if in.Region == "" {
			continue
		}
		s := spans[in.Region]
		if in.from != 0 && (s.from == 0 || in.from < s.from) {
			s.from = in.from
		}
		s.until, s.home = max(s.until, in.until), s.home || in.home
		spans[in.Region] = s
	}
	return spans
}

// Close gives back the disk space of a history that did not fit into memory. It can't be run after that.
func (h *History) Close() error { return h.store.close() }

// Err returns the first error of reading back what did not fit into memory. What was made of the history by then is
// nothing to rely on. A history that fits has none.
func (h *History) Err() error { return h.failed.get() }

// failure is the first of the errors that several goroutines meet.
type failure struct {
	mu  sync.Mutex
	err error
}

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = cmp.Or(f.err, err)
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Inputs returns what each source held, in the order of their names.
func (h *History) Inputs() []Input {
	inputs := make([]Input, len(h.inputs))
	for i := range inputs {
		inputs[i] = h.inputs[i].Input
	}
	slices.SortStableFunc(inputs, func(a, b Input) int {
		return strings.Compare(a.Name+"\x00"+a.Region, b.Name+"\x00"+b.Region)
	})
	return inputs
}

// Partial reports whether reading was interrupted before all was read: then [Input.Unread] says what is missing.
func (h *History) Partial() bool {
	return slices.ContainsFunc(h.inputs, func(in collected) bool { return in.Unread != "" })
}

// collector takes the batches of one worker at a time.
type collector struct {
	writes
	first    int // of its inputs
	inputs   []collected
	keeps    bool // readings
	readings readings
}

// writes puts writes in compact form on shelves. One goroutine at a time uses it.
type writes struct {
	names  numbers
	record []byte // the one at hand
	filler *filler
	links  links
	came   arrived
	seqs   []noted // the numbers of ids, until somebody takes them
}

// arrived says which nodes have writes in the exports of other regions than theirs, by the numbers of their names. Of a node with
// none the export does not tell when its writes arrived, or that they never did: it may hold its own region's writes alone.
type arrived map[pair]struct{}

func (a *arrived) note(names *numbers, rec *history.Record) {
	if string(rec.Node) == rec.Region {
		return
	}
	p := pair{uint32(names.of(string(rec.Node))), uint32(names.of(rec.Region))}
	if _, known := (*a)[p]; known {
		return
	}
	a.join(arrived{p: {}})
}

func (a *arrived) join(o arrived) {
	if *a == nil {
		*a = make(arrived)
	}
	maps.Copy(*a, o)
}

// has reports whether writes of a node stand in the export of a region, its own one or another.
func (a arrived) has(node, region uint32) bool {
	if node == 0 {
		return false // deletes by nobody knows whom: see [key.placeDeletes]
	}
	_, ok := a[pair{node, region}]
	return ok || node == region
}

func newWrites(h *History) writes {
	return writes{names: numbers{names: h.names}, filler: newFiller(h.store, partitions)}
}

// noted is the number of an id, and that of its node's name.
type noted struct{ node, seq uint64 }

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

func (c *collector) add(b *history.Batch) {
	in := &c.inputs[b.Source-c.first]
	in.begun = true
	in.Excluded += b.Excluded
	in.since(b.From)
	in.until, in.home = max(in.until, b.Until), in.home || b.Home
	in.others(b.Others)
	in.Origins += b.Origins
	in.NoOrigin += b.NoOrigin
	in.Strange += b.Strange
	for _, f := range b.Aside {
		in.aside(f.Code, 1)
		in.told.tell(f)
	}
	for _, code := range slices.Sorted(maps.Keys(b.Counts)) {
		if code == finding.DuplicateOp {
			in.Repeated += b.Counts[code]
		}
		in.told.count(code, b.Counts[code])
	}
	for i := range b.Records {
		rec := &b.Records[i]
		if rec.Reading != nil {
			in.calls = true
			if c.keeps && (rec.Kind == history.Read || rec.Kind == history.Write) {
				c.reading(rec)
			}
			rec.Reading = nil // the rules have no use for it
		}
		switch rec.Kind {
		case history.Read:
			in.Reads++
			continue
		case history.Snapshot:
			in.Snapshots++
			in.told.tell(finding.Finding{Code: finding.SnapshotRow, Place: rec.Place, Key: rec.Key, Detail: "state as of some moment, not a write"})
			continue
		case history.Watermark:
			in.Watermarks++
			continue
		case history.Arrival:
			in.Arrivals++
		default:
			in.Writes++
		}
		c.put(rec, int64(b.Chunk)<<positionBits|int64(i)+1)
	}
	in.Writes += int64(len(b.Plain))
	file := c.names.file(b.Name)
	for i := range b.Plain {
		w := &b.Plain[i]
		if !c.plain(w, file) {
			rec := w.Record(b.Name)
			c.put(&rec, 0)
		}
	}
}

// put takes a record that is a write, and its position in its export.
func (s *writes) put(rec *history.Record, at int64) {
	seq := rec.Number()
	if s.fixed(rec, seq) {
		return
	}
	s.record = appendRecord(s.record[:0], &s.names, rec, seq, at)
	s.filler.put(partition(rec.Key), s.record)
	if rec.Region != "" {
		s.came.note(&s.names, rec)
	}
	if rec.Kind == history.Arrival {
		return // it is not the write itself
	}
	s.links.note(rec, seq)
	if seq > 0 {
		s.seqs = append(s.seqs, noted{s.names.of(string(rec.Node)), seq})
	} else if d, ok := authorOf(rec); ok {
		s.seqs = append(s.seqs, noted{s.names.of(string(d.Node)), d.Seq}) // and who reads the record knows the name
	}
}

// plain takes a plain write, of which file is the number of its source's name, unless it can't be laid out as one.
func (s *writes) plain(w *history.Plain, file uint64) bool {
	size, ok := plainSize(w)
	if !ok {
		return false
	}
	node := s.names.of(string(w.Node))
	to := partition(w.Key)
	s.filler.open[to] = appendPlain(s.filler.room(to, size), w, node, file)
	s.seqs = append(s.seqs, noted{node, w.Number})
	return true
}

// fixed takes a record that can be laid out as a plain write.
func (s *writes) fixed(rec *history.Record, seq uint64) bool {
	flags, size, ok := plainRecord(rec, seq)
	if !ok {
		return false
	}
	node, file := s.names.of(string(rec.Node)), s.names.file(rec.Place.File)
	to := partition(rec.Key)
	s.filler.open[to] = appendPlainRecord(s.filler.room(to, size), rec, flags, seq, node, file)
	if seq > 0 {
		s.seqs = append(s.seqs, noted{node, seq})
	}
	return true
}

// partition returns the part that a key belongs to. Keys that look alike share one, so that they can be told.
func partition(key string) int { return int(look(key) % partitions) }

// look returns a hash of what a key looks like.
func look(key string) uint64 {
	h, ok := hashPlain(key)
	if !ok {
		h, _ = hashPlain(skeleton(key))
	}
	return h
}

// plain reports whether a key is of visible ASCII without capitals: then it looks like itself.
func plain(key string) bool {
	_, ok := hashPlain(key)
	return ok
}

// hashPlain returns a hash of a key, and whether the key is plain. It reads eight bytes at a time.
func hashPlain(key string) (hash uint64, ok bool) {
	const (
		every = 0x0101010101010101
		high  = 0x80 * every
	)
	h, odd := uint64(len(key)), uint64(0)
	mix := func(w uint64) { // where a byte is not ASCII, those above it may be marked wrongly
		capital := (w + every*(0x7f-'@')) & (every*(0x80+'Z') - w) // above '@', and not above 'Z'
		space := every*(0x80+' ') - w                              // not above ' '
		odd |= w | capital | space
		h = (h ^ w) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	b := unsafe.Slice(unsafe.StringData(key), len(key))
	n := len(b) & 7 // what is behind the last whole word, with letters in front of it
	if at := len(b) - 8; at >= 0 {
		for i := 0; i <= at; i += 8 {
			mix(binary.LittleEndian.Uint64(b[i:]))
		}
		if n > 0 {
			mix(binary.BigEndian.Uint64(b[at:])&(1<<(8*n)-1) | every*'a'<<(8*n))
		}
	} else if n > 0 {
		w := uint64(every * 'a')
		for _, c := range b {
			w = w<<8 | uint64(c)
		}
		mix(w)
	}
	return h ^ h>>32, odd&high == 0
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
