package drill

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// Traffic is a history in the order of time: every write once, with what its writer had seen, and every read. It depends
// on no script and no table, so it is made once for many drills. Goroutines may share it.
type Traffic struct {
	keys   []string
	nodes  []clock.Node  // all that write or serve reads, sorted
	claim  []clock.Node  // of each, the name that its writes claim to win with: that of its member for an incarnation
	timed  int           // of the writes, those that have a time
	writes []write       // in time, so that a drill walks through memory; those without a time come last
	byKey  []int32       // the writes by key, then node, then number
	rank   []int32       // of each write, where it is in byKey
	ops    []op          // of the writes, by rank, as their places are: a drill looks at them once
	fields []merge.Field // of the operations
	places []place
	files  []string // of the places
	reads  []read   // in time

	keyNodes [][]clock.Node // of each key, those that wrote it
	starts   []int32        // of each key and node of it, the first write in byKey
	firstOf  []int32        // of each key, where in starts its nodes begin
	seen     []int32        // see write.seen

	arrivals    bool  // feeds of several regions have the same writes, found by -origin
	untimed     int64 // writes and reads that have no time, so that they have no place in a drill
	first, last int64 // of all moments
}

// write is what a drill looks at of one write of a history again and again. Its operation and its place stand beside.
type write struct {
	stamp clock.Timestamp // of its operation
	at    int64           // when it was made: its time, but never before an earlier one of its node on the key
	key   int32
	node  int32  // among all nodes
	local int32  // among the nodes of the key
	seen  int32  // where in Traffic.seen stands what its writer had seen: at least, then at most; -1 for nothing to know
	size  int32  // in bytes, roughly, on a link
	seq   int32  // among the writes of the node to the key, from 1
	lot   uint64 // what stands for the write where chance has a say: that of its key, its node and its number
}

// op is what the operation of a write is beyond what [write] says.
type op struct {
	id      string
	version uint64
	first   int32 // of its fields, among those of all
	fields  int32 // how many there are
	kind    merge.Kind
}

// place is where a write stands: the number of the file, the line, and the item.
type place struct {
	line int64
	item int32
	file int32
}

// read is one read of a history.
type read struct {
	at      int64
	lot     uint64 // what stands for the read where chance has a say
	key     int32  // -1 for one that nobody wrote
	node    int32  // that served it
	place   finding.Place
	name    string // of the key
	field   string // "" is the whole record
	session string
	want    reads.Level
}

// Reads takes the reads of a history while it is read for its writes: give its Take to [history.Options], as Exclude. The
// zero Reads is ready.
type Reads struct {
	mu   sync.Mutex
	list []history.Record
}

// Take keeps a record that is a read, and returns false: it excludes none. Several goroutines may call it.
func (r *Reads) Take(rec *history.Record) bool {
	if rec.Kind != history.Read || rec.Reading == nil {
		return false
	}
	kept := history.Record{Kind: rec.Kind, Place: rec.Place, Key: strings.Clone(rec.Key),
		Node: clock.Node(strings.Clone(string(rec.Node))), Time: rec.Time}
	kept.Place.File = strings.Clone(rec.Place.File)
	reading := *rec.Reading
	reading.Want, reading.Session, reading.ServedBy = strings.Clone(reading.Want), strings.Clone(reading.Session), strings.Clone(reading.ServedBy)
	reading.Saw = ""
	kept.Reading = &reading
	if len(rec.Fields) == 1 && rec.Fields[0].Name != "" {
		kept.Fields = []history.Field{{Name: strings.Clone(rec.Fields[0].Name)}}
	}
	r.mu.Lock()
	r.list = append(r.list, kept)
	r.mu.Unlock()
	return false
}

// Collect reads sources into traffic.
func Collect(sources []history.Source, opt history.Options) (*Traffic, error) {
	var taken Reads
	exclude := opt.Exclude
	opt.Exclude = func(rec *history.Record) bool {
		return exclude != nil && exclude(rec) || taken.Take(rec)
	}
	h, err := replay.Collect(sources, opt)
	if err != nil {
		return nil, err
	}
	return NewTraffic(h, &taken, replay.Options{})
}

// NewTraffic makes traffic of the writes of a history and of the reads that were taken beside; nil is none. Of the options
// it takes the lag.
func NewTraffic(h *replay.History, taken *Reads, opt replay.Options) (*Traffic, error) {
	if taken == nil {
		taken = &Reads{}
	}
	total, arrivals := int64(0), false
	for _, in := range h.Inputs() {
		total, arrivals = total+in.Writes, arrivals || in.Arrivals > 0
	}
	b := newBuilder(total, len(taken.list) > 0)
	b.t.arrivals = arrivals
	h.Operations(opt, b.add)
	if err := h.Err(); err != nil {
		return nil, err
	}
	if n := max(len(b.t.writes), len(b.t.fields)); n > 1<<30 {
		return nil, fmt.Errorf("drill: %d writes or fields of them: the limit is %d", n, 1<<30)
	}
	return b.traffic(taken.list), nil
}

// builder makes traffic, key by key. The order of the keys leaves no trace.
type builder struct {
	t       *Traffic
	numbers map[clock.Node]int32 // of nodes
	lots    []uint64             // of nodes
	keys    map[string]int32     // their numbers, when there are reads
	shared  map[uint64][]clock.Node
	files   map[string]int32 // their numbers
	local   []int32          // the numbers of the nodes of a key
}

func newBuilder(writes int64, reads bool) *builder {
	b := &builder{t: &Traffic{}, numbers: make(map[clock.Node]int32), shared: make(map[uint64][]clock.Node),
		files: make(map[string]int32)}
	b.t.writes, b.t.ops, b.t.places = make([]write, 0, writes), make([]op, 0, writes), make([]place, 0, writes)
	b.t.fields = make([]merge.Field, 0, writes)
	if reads {
		b.keys = make(map[string]int32)
	}
	return b
}

// node returns the number of a node; [Traffic.sortNodes] gives it another one.
func (b *builder) node(n clock.Node) int32 {
	i, known := b.numbers[n]
	if !known {
		i = int32(len(b.lots))
		b.numbers[n] = i
		b.t.nodes, b.t.claim, b.lots = append(b.t.nodes, n), append(b.t.claim, n), append(b.lots, lotOf(string(n)))
	}
	return i
}

// nodesOf keeps the nodes of a key. Most keys have the nodes of some other one, and share its list.
func (b *builder) nodesOf(nodes []clock.Node) []clock.Node {
	lot := uint64(0)
	for _, n := range nodes {
		lot = chance(lot, b.lots[b.node(n)])
	}
	if kept, known := b.shared[lot]; known && slices.Equal(kept, nodes) {
		return kept
	}
	kept := slices.Clone(nodes)
	b.shared[lot] = kept
	return kept
}

// file returns the number of a file.
func (b *builder) file(name string) int32 {
	last := int32(len(b.t.files) - 1)
	if last >= 0 && b.t.files[last] == name { // mostly
		return last
	}
	i, known := b.files[name]
	if !known {
		i = last + 1
		b.files[name] = i
		b.t.files = append(b.t.files, name)
	}
	return i
}

// add takes all operations on one key.
func (b *builder) add(k *replay.KeyOperations) {
	t := b.t
	number, lot := int32(len(t.keys)), lotOf(k.Key)
	if b.keys != nil {
		b.keys[k.Key] = number
	}
	t.keys = append(t.keys, k.Key)
	t.keyNodes = append(t.keyNodes, b.nodesOf(k.Nodes))
	t.firstOf = append(t.firstOf, int32(len(t.starts)))
	b.local = b.local[:0]
	for _, n := range k.Nodes {
		b.local = append(b.local, b.node(n))
	}
	last := -1
	for i := range k.Ops {
		o := &k.Ops[i]
		for last < o.Node {
			last++
			t.claim[b.local[last]] = o.Stamp.Node
			t.starts = append(t.starts, int32(len(t.writes)))
		}
		w := write{stamp: o.Stamp.Time, at: o.Stamp.Time.Wall, key: number, node: b.local[o.Node], local: int32(o.Node), seen: -1, seq: int32(o.Dot.Seq),
			lot: chance(lot, b.lots[b.local[o.Node]], o.Dot.Seq)}
		w.size = int32(len(k.Key)) + 32
		for _, f := range o.Fields {
			w.size += int32(min(len(f.Name)+len(f.Value)+len(f.Before), 1<<24))
		}
		if len(k.Nodes) > 1 {
			w.seen = int32(len(t.seen))
			if more := len(o.Low) + len(o.High); len(t.seen)+more > cap(t.seen) {
				t.seen = slices.Grow(t.seen, len(t.seen)+more) // twice as much, for it is long
			}
			t.seen = append(append(t.seen, o.Low...), o.High...)
		}
		if o.Dot.Seq > 1 {
			w.at = max(w.at, t.writes[len(t.writes)-1].at)
		}
		t.writes = append(t.writes, w)
		t.ops = append(t.ops, op{id: o.ID, version: o.Stamp.Version, first: int32(len(t.fields)), fields: int32(len(o.Fields)), kind: o.Kind})
		t.fields = append(t.fields, o.Fields...)
		t.places = append(t.places, place{o.Place.Line, int32(o.Place.Item), b.file(o.Place.File)})
	}
}

// traffic puts everything in order, once all keys are there.
func (b *builder) traffic(reads []history.Record) *Traffic {
	b.read(reads)
	b.t.sortNodes()
	b.t.sortReads()
	b.t.sortTime()
	return b.t
}

// read takes the reads.
func (b *builder) read(list []history.Record) {
	t := b.t
	for i := range list {
		rec := &list[i]
		r := read{at: rec.Time.Wall, key: -1, place: rec.Place, name: rec.Key, session: rec.Reading.Session}
		if r.at == 0 {
			r.at = rec.Reading.Start.Wall
		}
		if r.at == 0 {
			t.untimed++
			continue
		}
		if number, known := b.keys[rec.Key]; known {
			r.key = number
		}
		served, _, _ := strings.Cut(rec.Reading.ServedBy, ",") // of several, the first is where it was asked
		r.node = b.node(cmp.Or(clock.Node(strings.TrimSpace(served)), rec.Node))
		if len(rec.Fields) == 1 {
			r.field = rec.Fields[0].Name
		}
		r.want, _ = reads.ParseLevel(rec.Reading.Want) // one that wants nothing is eventual
		t.reads = append(t.reads, r)
	}
}

// sortReads puts the reads in the order of time; of one time in that of their nodes, keys, sessions and places.
func (t *Traffic) sortReads() {
	slices.SortFunc(t.reads, func(a, b read) int {
		if a.at != b.at { // mostly
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Or(cmp.Compare(a.node, b.node), strings.Compare(a.name, b.name), strings.Compare(a.session, b.session), a.place.Compare(b.place))
	})
	for i := range t.reads {
		r := &t.reads[i]
		r.lot = chance(lotOf(string(t.nodes[r.node]), r.name, r.session), uint64(r.at))
		if i == 0 {
			continue
		}
		if last := &t.reads[i-1]; last.at == r.at && last.node == r.node && last.name == r.name && last.session == r.session {
			r.lot = mix(last.lot) // another one of the same
		}
	}
}

// sortNodes numbers the nodes by name.
func (t *Traffic) sortNodes() {
	names := slices.Clone(t.nodes)
	slices.Sort(names)
	to, claim := make([]int32, len(names)), make([]clock.Node, len(names))
	for i, n := range t.nodes {
		at, _ := slices.BinarySearch(names, n)
		to[i], claim[at] = int32(at), t.claim[i]
	}
	t.nodes, t.claim = names, claim
	for i := range t.writes {
		t.writes[i].node = to[t.writes[i].node]
	}
	for i := range t.reads {
		t.reads[i].node = to[t.reads[i].node]
	}
}

// moment is a write and its time, to be sorted.
type moment struct {
	at    int64
	write int32
}

// sortTime puts the writes in the order of time; of one time in that of their nodes, then keys, by name: the order in which
// the history hands its keys over is its own affair.
func (t *Traffic) sortTime() {
	moments := make([]moment, 0, len(t.writes))
	for i := range t.writes {
		if t.writes[i].at == 0 {
			t.untimed++
			continue
		}
		moments = append(moments, moment{t.writes[i].at, int32(i)})
	}
	t.sortMoments(moments)
	t.arrange(moments)
	first, last := int64(0), int64(0)
	note := func(at int64) {
		if first == 0 || at < first {
			first = at
		}
		last = max(last, at)
	}
	if len(moments) > 0 {
		note(moments[0].at)
		note(moments[len(moments)-1].at)
	}
	if len(t.reads) > 0 {
		note(t.reads[0].at)
		note(t.reads[len(t.reads)-1].at)
	}
	t.first, t.last = first, last
}

// arrange puts the writes, which stand by key, in the order of some moments, and those without one after them.
func (t *Traffic) arrange(moments []moment) {
	from := make([]int32, 0, len(t.writes))
	for _, m := range moments {
		from = append(from, m.write)
	}
	t.timed = len(moments)
	for i := range t.writes {
		if t.writes[i].at == 0 {
			from = append(from, int32(i))
		}
	}
	t.byKey = make([]int32, len(from))
	for to, i := range from {
		t.byKey[i] = int32(to)
	}
	for i := range t.writes { // key by key, for so what they had seen stands side by side
		w := &t.writes[i]
		low, _ := t.past(w)
		for local, n := range low {
			if n > 0 {
				low[local] = t.find(w.key, int32(local), n) + 1
			}
		}
	}
	permute(t.writes, from)
	t.rank = from
}

// permute puts at each place of a list what stood at another one, and takes no room for a second list.
func permute(list []write, from []int32) {
	done := make([]bool, len(list))
	for start := range list {
		if done[start] {
			continue
		}
		first, at := list[start], start
		for done[at] = true; int(from[at]) != start; done[at] = true {
			list[at] = list[from[at]]
			at = int(from[at])
		}
		list[at] = first
	}
}

func (t *Traffic) sortMoments(moments []moment) {
	slices.SortFunc(moments, func(a, b moment) int {
		if a.at != b.at { // mostly
			return cmp.Compare(a.at, b.at)
		}
		return t.beside(&t.writes[a.write], &t.writes[b.write])
	})
}

// beside compares two writes of one moment.
func (t *Traffic) beside(a, b *write) int {
	if a.node != b.node {
		return cmp.Compare(a.node, b.node)
	}
	return cmp.Or(strings.Compare(t.keys[a.key], t.keys[b.key]), cmp.Compare(a.seq, b.seq))
}

// past returns what the writer of a write had seen of each node of its key: at least, as the write itself and one more, 0
// for none; and at most, by number. Both are nil when there is no other node.
func (t *Traffic) past(w *write) (low, high []int32) {
	if w.seen < 0 {
		return nil, nil
	}
	n := len(t.keyNodes[w.key])
	return t.seen[w.seen : int(w.seen)+n], t.seen[int(w.seen)+n : int(w.seen)+2*n]
}

// op returns the operation of a write.
func (t *Traffic) op(write int32) merge.Op {
	w, o := &t.writes[write], &t.ops[t.rank[write]]
	return merge.Op{Key: t.keys[w.key], Kind: o.kind, Fields: t.fieldsOf(o), ID: o.id,
		Stamp: lww.Stamp{Version: o.version, Time: w.stamp, Node: t.claim[w.node]}, Dot: clock.Dot{Node: t.nodes[w.node], Seq: uint64(w.seq)}}
}

// fieldsOf returns the fields of an operation.
func (t *Traffic) fieldsOf(o *op) []merge.Field {
	end := o.first + o.fields
	return t.fields[o.first:end:end]
}

// place returns where a write stands in the history.
func (t *Traffic) place(write int32) finding.Place {
	p := &t.places[t.rank[write]]
	return finding.Place{File: t.files[p.file], Line: p.line, Item: int(p.item)}
}

// find returns the write of a key's node by its number, from 1.
func (t *Traffic) find(key, local, number int32) int32 {
	return t.byKey[t.starts[t.firstOf[key]+local]+number-1]
}

// emptiness says why there is nothing to replay.
func (t *Traffic) emptiness() string {
	if t.untimed == 0 {
		return "the history has no writes and no reads"
	}
	return fmt.Sprintf("of the %s of the history none says when it was", plural(int(t.untimed), "record"))
}

// nobodys counts the writes and the reads of a node: of the one without a name.
func (t *Traffic) nobodys(node int) (writes, reads int) {
	for i := range t.writes {
		if int(t.writes[i].node) == node {
			writes++
		}
	}
	for i := range t.reads {
		if int(t.reads[i].node) == node {
			reads++
		}
	}
	return writes, reads
}

// Writes returns how many writes there are to replay.
func (t *Traffic) Writes() int { return t.timed }

// Reads returns how many reads there are to replay.
func (t *Traffic) Reads() int { return len(t.reads) }

// Span returns the first and the last moment of the traffic; zeros when there is none.
func (t *Traffic) Span() (first, last time.Time) {
	if t.first == 0 {
		return time.Time{}, time.Time{}
	}
	return time.Unix(0, t.first).UTC(), time.Unix(0, t.last).UTC()
}
