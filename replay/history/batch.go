package history

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// Batch is what one chunk of a source gave. Every record of the chunk is in exactly one of Records, Plain, Aside, Counts and
// Excluded; but a record that stands for a whole window of writes is in Records and counted as compacted_window too, and
// a row of a feed that tells no times as no_time.
type Batch struct {
	Worker int    // who parsed it, from 0: there are never two batches of one worker at once
	Name   string // of the source
	Source int    // the place of the source in what [Scan] was given
	Chunk  int    // the place of the chunk in its source, from 0: batches in the order of both are in the order of reading

	Records []Record
	Plain   []Plain                // the writes that [Options.Plain] asks for; they are not in Records
	Aside   []finding.Finding      // what could not be read, in the order of reading
	Counts  map[finding.Code]int64 // what was read and is no record by design, by code; nil when there is none

	Excluded int64    // records that [Options.Exclude] left out
	Origins  int64    // rows, but those of snapshots, that say in the column of [Options.Origin] where they were written
	NoOrigin int64    // those that do not
	Strange  int64    // those of Origins that name none of [Options.Regions], where there are some
	Others   []string // some of the regions that those of Strange name: up to [MostOthers], each once
	From     int64    // the earliest time that the export of a region has for what is written or arrives in it, where arrivals are told; 0 for none
	Until    int64    // the latest, of deletes too of which nothing says where they were made
	Home     bool     // whether it has rows that were written in that region
	Lines    int64    // lines that end in the chunk; frames of a msgpack stream
	Bytes    int64    // of the chunk, unpacked

	region   string
	table    string
	input    *buffer // of the chunk
	text     []byte  // of values that the input holds in another form, and of ids that are put together
	fields   slab[Field]
	ids      slab[string]
	dots     slab[clock.Dot]
	readings slab[Reading]

	change  change       // the message at hand
	mods    dataChange   // the record of a change stream at hand
	message kafkaMessage // the message of Debezium at hand
	types   columnCache
	schemas schemaCache
}

// MostOthers is up to how many regions are kept of which rows say that they were written there, and of which no export is read.
const MostOthers = 16

// other notes such a region.
func (b *Batch) other(name string) {
	if len(b.Others) < MostOthers && !slices.Contains(b.Others, name) {
		b.Others = append(b.Others, strings.Clone(name))
	}
}

var batches = sync.Pool{New: func() any { return new(Batch) }}

// Release gives the memory of the batch to the chunks to come. A caller of [Scan] may call it, once, when it keeps
// nothing that points to the batch or to an element of Records; copies of records may be kept, with all they hold.
// Without it the batch is the caller's to keep.
func (b *Batch) Release() {
	b.fields.leave()
	b.ids.leave()
	b.dots.leave()
	b.readings.leave()
	b.text = nil
	b.free()
}

func (b *Batch) free() {
	*b = Batch{Records: b.Records[:0], Plain: b.Plain[:0], text: b.text[:0], fields: b.fields, ids: b.ids, dots: b.dots, readings: b.readings, types: b.types,
		schemas: b.schemas}
	batches.Put(b)
}

// Recycle is [Batch.Release] for a caller who keeps no text of the batch either: the chunk of input that the texts of its
// records point into is then read into again.
//
// HAZARD: a string of a record that is kept, or a list of it, changes under its owner. Clone what is kept.
func (b *Batch) Recycle() {
	b.fields.reset()
	b.ids.reset()
	b.dots.reset()
	b.readings.reset()
	b.input.done()
	b.free()
}

// record appends a record that was found at a place, for a reader to fill. The pointer is good until the next one.
func (b *Batch) record(at finding.Place) *Record {
	n := len(b.Records)
	if n < cap(b.Records) {
		b.Records = b.Records[:n+1]
	} else {
		b.Records = append(b.Records, Record{})
	}
	rec := &b.Records[n]
	*rec = Record{Place: at, Region: b.region}
	return rec
}

// unrecord takes the last record back.
func (b *Batch) unrecord() { b.Records = b.Records[:len(b.Records)-1] }

// take returns room for n fields.
func (b *Batch) take(n int) []Field { return b.fields.take(n) }

// room returns room for a text of up to size bytes that the batch keeps: see keep.
func (b *Batch) room(size int) []byte {
	const slab = 16 << 10
	if cap(b.text)-len(b.text) < size {
		b.text = make([]byte, 0, max(slab, size, 2*cap(b.text))) // those who have the old one keep it
	}
	return b.text[len(b.text):]
}

// keep returns as a string what was appended to room.
func (b *Batch) keep(text []byte) string {
	b.text = b.text[:len(b.text)+len(text)]
	return shared(text)
}

// aside sets aside what stands at a place: nothing of it is replayed, and the report says so. Values in the detail
// must be quoted.
func (b *Batch) aside(at finding.Place, code finding.Code, format string, args ...any) {
	detail := format
	if len(args) > 0 {
		detail = fmt.Sprintf(format, args...)
	}
	b.Aside = append(b.Aside, finding.Finding{Code: code, Place: at, Detail: detail})
}

// count counts what stands for no record and needs no notice of its own.
func (b *Batch) count(code finding.Code) {
	if b.Counts == nil {
		b.Counts = make(map[finding.Code]int64)
	}
	b.Counts[code]++
}
