package replay

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// What a history says of its reads, and of when its writes were called, is kept apart from the writes, on shelves of its own:
// most histories say nothing of it, and the rules have no use for it. The shelves are parted by key in the same way, so what
// belongs to the same keys is found by reading two shelves side by side.

// Read is one read of a key, as it was recorded. Times are nanoseconds since 1970, and 0 where nothing is told.
type Read struct {
	Place    finding.Place
	Field    string // the one that was read; "" is the whole record
	Want     string // what it was promised: see [history.Reading], as for all that follows
	Saw      string
	Session  string
	ServedBy string

	SawVersion    uint64
	HasSawVersion bool
	NotFound      bool

	Start int64
	End   int64
	Time  int64
}

// Call is when a write was called and acknowledged, in nanoseconds since 1970, and in which session; 0 and "" where nothing is
// told.
type Call struct {
	Start, End int64
	Session    string
}

// readingRecord is what a record says: of a read, or of the call of a write, of which the other members are empty.
type readingRecord struct {
	Read
	write bool
	file  uint32
}

// A reading is a record with the length and the key first, as those of writes, and then flags, the numbers of its place, two
// times, and texts. A version that was seen stands in place of the id.
const (
	readingOfWrite = 1 << iota
	readingNotFound
	readingSawVersion
)

// appendReading appends what a record says of a read, or of the call of a write. file is the number of its file.
func appendReading(b []byte, rec *history.Record, file uint64) []byte {
	r := rec.Reading
	is := readingRecord{write: rec.Kind == history.Write, Read: Read{Place: rec.Place, Want: r.Want, Saw: r.Saw, Session: r.Session,
		ServedBy: r.ServedBy, SawVersion: r.SawVersion, HasSawVersion: r.HasSawVersion, NotFound: r.NotFound, Start: r.Start.Wall, End: r.End.Wall, Time: rec.Time.Wall}}
	if len(rec.Fields) == 1 {
		is.Field = rec.Fields[0].Name
	}
	return is.append(b, rec.Key, file)
}

func (r *readingRecord) append(b []byte, key string, file uint64) []byte {
	start := len(b)
	b = append(b, 0, 0) // the length
	b = appendText(b, key)
	flags := byte(0)
	if r.write {
		flags |= readingOfWrite
	}
	if r.NotFound {
		flags |= readingNotFound
	}
	if r.HasSawVersion {
		flags |= readingSawVersion
	}
	b = append(b, flags)
	b = appendUint(b, file)
	b = appendUint(b, uint64(r.Place.Line))
	b = appendUint(b, uint64(r.Place.Item))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Start))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.End))
	b = appendText(b, r.Session)
	if !r.write {
		b = binary.LittleEndian.AppendUint64(b, uint64(r.Time))
		if r.HasSawVersion {
			b = appendUint(b, r.SawVersion)
		} else {
			b = appendText(b, r.Saw)
		}
		for _, text := range [...]string{r.Want, r.ServedBy, r.Field} {
			b = appendText(b, text)
		}
	}
	return putLength(b, start)
}

// reading reads the next record, which is a reading, and its key. Its texts point into the buffer.
func (r *reader) reading() (key string, is readingRecord) {
	one := r.next()
	key = one.text()
	flags := one.byte()
	is.write, is.NotFound, is.HasSawVersion = flags&readingOfWrite != 0, flags&readingNotFound != 0, flags&readingSawVersion != 0
	is.file = uint32(one.uint())
	is.Place = finding.Place{File: one.nameOf(uint64(is.file)), Line: int64(one.uint()), Item: int(one.uint())}
	is.Start, is.End = one.wall(), one.wall()
	is.Session = one.text()
	if !is.write {
		is.Time = one.wall()
		if is.HasSawVersion {
			is.SawVersion = one.uint()
		} else {
			is.Saw = one.text()
		}
		is.Want, is.ServedBy, is.Field = one.text(), one.text(), one.text()
	}
	if one.bad || one.at < len(one.b) || flags&^(readingOfWrite|readingNotFound|readingSawVersion) != 0 {
		r.fail()
	}
	return key, is
}

// valid reports whether a reading may be one of a history.
func (r *readingRecord) valid() bool {
	for _, at := range []int64{r.Start, r.End, r.Time} {
		if at < 0 || at > clock.MaxWall {
			return false
		}
	}
	return r.Place.Line >= 0 && r.Place.Item >= 0
}

// readings takes readings of writes and reads.
type readings struct {
	*filler       // nil while there are none
	reads   int64 // among them
}

// room returns the filler, with blocks of at most a quarter of the size of those of the writes.
func (r *readings) room(of *filler) *filler {
	if r.filler == nil {
		r.filler = newFiller(of.store, partitions)
		r.filler.most, r.filler.tight = max(of.most/4, firstBlock), of.tight
	}
	return r.filler
}

// reading takes what a record says of a read, or of the call of a write.
func (c *collector) reading(rec *history.Record) {
	if rec.Kind == history.Read {
		c.readings.reads++
	}
	c.record = appendReading(c.record[:0], rec, c.names.file(rec.Place.File))
	c.readings.room(c.filler).put(partition(rec.Key), c.record)
}

// Reads returns how many reads the history keeps, to be judged: see [history.Options.Reads].
func (h *History) Reads() int64 { return h.reads }

// ReadKeys calls each with every key that was read, and with all that is known of it, by several goroutines at once, each of
// which has a number below [Options.Workers]. The order of keys, and which goroutine gets which, is left open. It returns how
// many reads it left out, which are of keys that have too many operations and reads, or operations of too many nodes, to be in memory
// at once. Of the options it takes the lag, the skew and the workers: what a writer had seen by the lag is left open where the clocks
// of the two may be apart by as much.
//
// HAZARD: of what it is given, each may keep nothing, not even texts. The error of a history that can't be read back is that
// of [History.Err].
func (h *History) ReadKeys(opt Options, each func(worker int, k *KeyOperations)) (left int64) {
	workers := opt.workers()
	opt.slack = int64(opt.Skew)
	w := work{opt: &opt}
	next := make(chan int, partitions)
	for p := range partitions {
		next <- p
	}
	close(next)
	seed := maphash.MakeSeed()
	var wg sync.WaitGroup
	judges := make([]*judge, workers)
	var long sync.Mutex
	for i := range judges {
		j := &judge{folder: h.newFolder(&w, seed), readings: part{history: h, seed: seed}, long: &long,
			each: func(k *KeyOperations) { each(i, k) }}
		j.limit, j.most = h.store.fold(workers), h.store.atOnce()
		judges[i] = j
		wg.Go(func() {
			for p := range next {
				if err := j.shelves(&h.store.parts[p], &h.store.readings[p], 0, math.MaxInt); err != nil {
					h.failed.set(err)
					break
				}
			}
		})
	}
	wg.Wait()
	for _, j := range judges {
		left += j.left
	}
	return left
}

// judge is one goroutine that visits keys that were read.
type judge struct {
	*folder              // of the writes
	readings part        // the rest
	most     int         // how many operations and reads of one key may be at hand; 0 is without limit
	long     *sync.Mutex // held while a key is at hand that has many
	each     func(k *KeyOperations)
	ops      KeyOperations
	calls    []call
	left     int64 // reads of keys that were left out
}

// call is when the write was called that stands at a place.
type call struct {
	Call
	place finding.Place
}

// shelves visits the keys of a shelf of readings, of which another shelf has the writes. What is too large is split; level is
// how often that has been done, and was the size of what it was split from.
func (j *judge) shelves(writes, readings *shelf, level, was int) error {
	if readings.size == 0 {
		return nil
	}
	size := writes.size + readings.size
	if j.limit > 0 && size > j.limit && level < maxSplits {
		if size <= was/2 {
			return j.split(writes, readings, level)
		}
		// What splitting did not make smaller is mostly of one key.
		long, err := j.longKeys(writes, readings)
		if err != nil {
			return err
		}
		if len(long) > 0 {
			return j.without(long, writes, readings, level)
		}
	}
	if err := j.part.load(writes, nil); err != nil {
		return err
	}
	if err := j.readings.load(readings, nil); err != nil {
		return err
	}
	j.part.index(j.part.blocks)
	j.readings.index(j.readings.blocks)
	for i := range j.readings.keys {
		j.key(i)
	}
	return nil
}

// longKeys returns the keys on two shelves that have too many operations and reads to be in memory at once.
func (j *judge) longKeys(writes, readings *shelf) (map[string]bool, error) {
	counts := make(map[string]*int)
	for _, from := range []*shelf{writes, readings} {
		err := j.part.history.store.each(from, func(b []byte) error {
			for at, end := 0, 0; at < len(b); at = end {
				var name string
				if name, end = skim(b, at); from == readings && !j.isRead(b, at) {
					continue
				}
				n := counts[name]
				if n == nil {
					n = new(int)
					counts[strings.Clone(name)] = n
				}
				*n++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	long := make(map[string]bool)
	for name, n := range counts {
		if *n > j.most {
			long[name] = true
		}
	}
	return long, nil
}

// isRead reports whether the reading that stands at a place is of a read.
func (j *judge) isRead(b []byte, at int) bool {
	r := reader{b: b, at: at, names: j.part.history.names.texts}
	_, is := r.reading()
	return !is.write
}

// without visits the keys on two shelves but for those that are too long: their reads are counted.
func (j *judge) without(long map[string]bool, writes, readings *shelf, level int) (err error) {
	store := j.part.history.store
	var rest [2]shelf
	defer func() {
		store.drop(&rest[0])
		store.drop(&rest[1])
	}()
	for i, from := range []*shelf{writes, readings} {
		to := newFiller(store, 1)
		err := store.each(from, func(b []byte) error {
			for at, end := 0, 0; at < len(b); at = end {
				var name string
				if name, end = skim(b, at); !long[name] {
					to.put(0, b[at:end])
				} else if from == readings && j.isRead(b, at) {
					j.left++
				}
			}
			return to.err
		})
		shelves, fail := to.close()
		rest[i] = shelves[0]
		if err = cmp.Or(err, fail); err != nil {
			return err
		}
	}
	return j.shelves(&rest[0], &rest[1], level+1, math.MaxInt)
}

// split splits two shelves alike and visits the keys of the parts.
func (j *judge) split(writes, readings *shelf, level int) error {
	store := j.readings.history.store
	some, err := j.part.split(writes, level)
	if err != nil {
		return err
	}
	others, err := j.readings.split(readings, level)
	if err != nil {
		return err
	}
	for i := range some {
		if err := j.shelves(&some[i], &others[i], level+1, writes.size+readings.size); err != nil {
			return err
		}
		store.drop(&some[i])
		store.drop(&others[i])
	}
	return nil
}

// key visits a key of which there are readings, if it was read.
func (j *judge) key(i int) {
	from := &j.readings.keys[i]
	if n := cap(j.ops.Reads) + cap(j.ops.Ops); n > fewReadings {
		j.ops, j.calls = KeyOperations{}, nil // the next long key may never come
	}
	j.ops.Reads, j.calls = j.ops.Reads[:0], j.calls[:0]
	if from.count > fewReadings {
		writes := j.callsOf(from)
		j.ops.Reads, j.calls = make([]Read, 0, from.count-writes), make([]call, 0, writes)
	}
	for at := from.last; at > 0; {
		s := &j.readings.spots[at-1]
		at = s.before
		r := reader{b: j.readings.at[s.block], at: int(s.offset), names: j.readings.history.names.texts}
		if _, one := r.reading(); one.write {
			j.calls = append(j.calls, call{Call{one.Start, one.End, one.Session}, one.Place})
		} else {
			j.ops.Reads = append(j.ops.Reads, one.Read)
		}
	}
	if len(j.ops.Reads) == 0 {
		return
	}
	at, written := j.part.find(from.name)
	count := len(j.ops.Reads)
	if written {
		count += j.part.keys[at].count
	}
	switch {
	case j.most > 0 && count > j.most:
		j.left += int64(len(j.ops.Reads))
		return
	case j.most > 0 && count > j.most/keysAtHand:
		j.long.Lock()
		defer j.long.Unlock()
	}
	slices.SortFunc(j.ops.Reads, func(a, b Read) int { return a.Place.Compare(b.Place) })
	slices.SortFunc(j.calls, func(a, b call) int { return a.place.Compare(b.place) })
	j.ops.Key, j.ops.Nodes, j.ops.Ops = from.name, nil, j.ops.Ops[:0]
	if written {
		k := j.part.key(at, &j.room)
		if j.most > 0 && len(k.ops)*k.writers() > j.most*nodesOfLong {
			j.left += int64(len(j.ops.Reads))
			return
		}
		j.ops.Ops = slices.Grow(j.ops.Ops, len(k.ops))
		j.operations(k, &j.ops)
		for i := range j.ops.Ops {
			j.ops.Ops[i].Call = j.called(j.ops.Ops[i].Place)
		}
	}
	j.each(&j.ops)
}

// fewReadings is for how many readings and operations memory is kept for the next key.
const fewReadings = 1 << 14

// callsOf returns how many readings of a key are of writes.
func (j *judge) callsOf(k *partKey) (writes int) {
	for at := k.last; at > 0; {
		s := &j.readings.spots[at-1]
		at = s.before
		r := reader{b: j.readings.at[s.block], at: int(s.offset), names: j.readings.history.names.texts}
		if _, one := r.reading(); one.write {
			writes++
		}
	}
	return writes
}

// nodesOfLong is how many nodes a key may have that is as long as may be: of each operation it is told what its writer had seen of
// each node.
const nodesOfLong = 32

// writers returns how many nodes wrote the key.
func (k *key) writers() (n int) {
	slots := k.room.slots
	for i := range k.ops {
		if at := &slots[k.ops[i].writer]; *at == 0 {
			*at = 1
			n++
		}
	}
	for i := range k.ops {
		slots[k.ops[i].writer] = 0
	}
	return n
}

// keysAtHand is how many keys may be at hand at once without taking more memory than one long key.
const keysAtHand = 16

// called returns what is known of when the write was called that stands at a place.
func (j *judge) called(at finding.Place) Call {
	i, ok := slices.BinarySearchFunc(j.calls, at, func(c call, p finding.Place) int { return c.place.Compare(p) })
	if !ok {
		return Call{}
	}
	return j.calls[i].Call
}
