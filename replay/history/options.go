package history

import (
	"embed"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// Format names a form of history that can be read. "" asks for each source what it is.
type Format string

// The formats.
const (
	Native      Format = "native"
	Msgpack     Format = "msgpack"
	CockroachDB Format = "cockroachdb"
	DynamoDB    Format = "dynamodb"
	Spanner     Format = "spanner"
	Debezium    Format = "debezium"
)

// Replica is the format of a directory that a replica writes, and never that of a file: [Find] and [Directory] name it.
const Replica Format = "replica"

//go:embed cockroachdb.md dynamodb.md spanner.md debezium.md
var abouts embed.FS

// About returns what becomes of an export of this format, and what it does not tell: Markdown, in lines of up to 120 characters. It
// returns "" for the native forms, and for the directory of a replica: the documentation of this package tells of those.
func (f Format) About() string {
	about, _ := abouts.ReadFile(string(f) + ".md")
	return string(about)
}

// Formats are all formats of files.
var Formats = []Format{Native, Msgpack, CockroachDB, DynamoDB, Spanner, Debezium}

// Options says how to read. The zero value reads every format within the default limits.
type Options struct {
	// Format of the sources that don't name their own; "" finds it out for each.
	Format Format

	// Origin names the column or attribute of an export in which the application wrote where a write began; "" when it
	// wrote none. Of changes of Debezium "source.NAME" is a member of their source.
	Origin string

	// PrimaryKeys are the columns of the primary key, in order, by table as keys begin with it: of changes of Debezium that were written
	// down without the keys of their messages, or have others.
	PrimaryKeys map[string][]string

	// Scans are the moments of initial scans: a CockroachDB changefeed without mvcc_timestamp stamps every row of its scan
	// with one, and such a row looks like a write. Rows of these moments are snapshot rows.
	Scans []clock.Timestamp

	// Limits of one record: its bytes are those of a line, a frame or a document.
	Limits value.Limits

	// MaxBytes is how much is read of one source once it is unpacked; 0 is [DefaultMaxBytes]. MaxRatio is how many times
	// larger than its packed form a source may be; 0 is [DefaultMaxRatio].
	MaxBytes int64
	MaxRatio int64

	// Workers is how many goroutines parse; 0 is one for each processor.
	Workers int

	// Regions are the regions whose own exports are read too, be it in another call. A record that the export of one region has
	// of a write that began in another of them, as Origin or its own attributes say, is that write arriving, an [Arrival]: what its
	// fields are tells which write of the export in which that is at home, and where it stands tells what had arrived before it: from
	// where that export begins, so that the exports of all regions should begin together. Where nothing follows from that (Spanner,
	// Kinesis) it is counted as a duplicate. Where the origin's export is not read, it is the write itself. With an Origin and the
	// exports of several regions, a record that is neither at home nor arrived has no Region, but for a delete that says nothing of its origin.
	Regions []string

	// Memory is about how many bytes whoever keeps the records may use; 0 is [DefaultMemory], and less than 0 is without
	// limit. What does not fit goes to temporary files in the directory Temp, "" for the system's. Scan keeps nothing and
	// looks at neither.
	Memory int64
	Temp   string

	// Exclude returns true for records to leave out; they are counted. Nil leaves out none. Several goroutines call it.
	Exclude func(*Record) bool

	// Plain asks for the writes of native lines and frames that are plain ones to be handed over as such: see [Plain]. It is
	// for a caller to whom the order of records does not matter. With Exclude there are none, and of a source that has a
	// region there are none.
	Plain bool

	// Reads has a caller that makes a history of the records keep the reads among them, and when writes were called: see
	// [Reading]. [Scan] hands them over in any case.
	Reads bool

	// Progress is told how many bytes have been read of all sources, packed as they are. Nil is not told. The calls are
	// never concurrent.
	Progress func(bytes int64)

	// Stop, when not nil, ends the reading when it is closed: each source at its next chunk. What was read by then is handed
	// over, and stopping is no error.
	Stop <-chan struct{}

	// Finished is told of each source that was read to its end, by its place among the sources, after the last of its batches
	// was handed over. Nil is not told. Several goroutines call it.
	Finished func(source int)

	// For tests; 0 is the usual.
	chunk  int   // bytes of a chunk
	cached int64 // bytes of sources that stay in the system's cache
}

// The limits where [Options] has zeros. The ratio is beyond what gzip can reach (1032) and what exports do: it stops
// the bombs that only zstd makes possible.
const (
	DefaultMaxBytes = 1 << 40
	DefaultMaxRatio = 4096
	DefaultMemory   = 256 << 20
)

// bytes returns the most bytes of one record.
func (o *Options) bytes() int {
	if o.Limits.Bytes <= 0 {
		return value.DefaultBytes
	}
	return o.Limits.Bytes
}
