// Package history reads and writes histories: what replicas recorded of the writes and reads they took part in.
//
// The types to know are [Record], one write or read; [Source], one input, mostly a [File]; [Batch], what a part of a
// source gave; and [Writer]. [Scan] reads sources in parallel:
//
//	sources, skipped, err := history.Find("exports/")
//	...
//	stats, err := history.Scan(sources, history.Options{}, func(b *history.Batch) error {
//		for i := range b.Records {
//			fold(&b.Records[i])
//		}
//		return report(b.Aside)      // called by several goroutines
//	})
//
// Nothing is dropped in silence and nothing is guessed. Every record comes out as a [Record], as a [finding.Finding]
// with its place and code, or in a count. What is compressed with gzip or zstd is recognised by its first bytes, and the
// format of a source by its first document that has a known shape.
//
// # The native format
//
// One JSON object a line (NDJSON), in UTF-8, with these members:
//
//	key        string, required and not empty: "table/primary-key" by convention
//	op         "set" (default), "delete", "add", "insert", "remove", or "read"
//	field      string: the one field that the record is about; without it and fields, the whole record is meant
//	value      any value: what field is set to, the number to add, or the element to insert or remove
//	fields     object of such values by field, of one atomic write; instead of field and value
//	before     what the write replaced: a value, or beside fields an object with some of its fields
//	node       string, required for writes: where the write began
//	version    integer from 0 to 2^64-1: the application's own
//	time       when, in one of three forms: see below
//	id         string: the idempotency key
//	seen       what the writer had seen: an array of ids, which may leave out what those writes and its own node had seen, or an
//	           object of numbers from 1 by node, "and all before it", which leaves nothing out
//	base       integer: the version that the writer had read
//	tx         string: the transaction
//
//	want       of a read: "strong", "quorum", "session", "eventual", or "bounded:" and a duration as in "bounded:1.5s"
//	saw        of a read: the id (string) or version (integer) it saw, null for not found
//	served_by  of a read: which replica answered, or several with commas between them
//	start, end when the caller called and when it had its answer: times, of a read or a write
//	session    string: the caller's session, of a read or a write
//
// A set, add, insert or remove has a value or fields, never both. The value of an add is a number within the limits of
// an exact decimal. A delete has no value; with a field it deletes that field, with fields, each null, those, and
// without either the whole record, whose old value may stand in before. A read has none of value, fields, before, version and base, and may lack all but key. A
// member that is not needed is left out: null is a value for value, before and saw alone, and the empty string for
// value and before. In a [Record] fields are in the order of their names.
//
// The id "node~2:7" of a record of that node which says what its writer had seen is that of the seventh write of the second
// incarnation of the node, as a replica names it that came back from a backup: in seen that is one more node.
//
// A time is RFC 3339 in upper case, with up to nine digits of a fraction; its precision is that of the digits (none:
// second, 1-3: millisecond, 4-6: microsecond, 7-9: nanosecond). Or an integer, or digits in a string, of nanoseconds
// since 1970. Or a string "WALLNS.LOGICAL", as CockroachDB prints it. Times from 1970 (its first nanosecond not
// included) to 2261 are valid: others are clock_invalid, what is no time at all is bad_time, as an integer below 1 is, and
// second 60 is leap_second. An integer from 1e9 up to 1e17 is implausible_unit: it would be a time of the first three years after
// 1970, and is a present one in seconds, milliseconds, microseconds or ticks.
//
// Empty lines, a byte-order mark before the first line, CR before LF, and a last line without LF are tolerated. A bad
// line is set aside with the code of the first thing wrong with it, and reading goes on:
//
//	bad_syntax       not JSON, or a line that ends inside its record
//	truncated_input  the last line, when it has no LF and ends inside its record, whatever else is wrong in it, and a compressed stream that does
//	bad_utf8         bytes or escapes that are no Unicode text
//	bad_number       a number that is none, or beyond the limits of where it stands
//	non_finite       NaN or an infinity
//	too_deep, too_large   beyond [Options.Limits]
//	duplicate_field, unknown_field, missing_field, bad_field   a member twice, unknown, required, or of a wrong kind
//	bad_time, leap_second, implausible_unit                    see above
//
// # The msgpack stream
//
// The same records, smaller and faster to read. The stream is frames, one after the other, without a header. A frame is a
// msgpack bin (0xc4, 0xc5 or 0xc6 and a big-endian length of 1, 2 or 4 bytes) whose content is one msgpack map: the
// record, with the member names above as str. Frames are counted from 1 where lines would be. Values are
//
//	nil, false, true      null, false, true
//	str                   a string, UTF-8
//	array, map            an array, and an object whose names are str
//	int, uint             an integer, of 8 to 64 bits or in its type byte
//	ext of type 1         any other number, as its JSON text: "12.50" is 0xc7 0x05 0x01 0x31 0x32 0x2e 0x35 0x30
//	float 32, float 64    read, though never written: the shortest decimal that reads back as the same float
//
// and no other type. Integers and times follow the rules above: a time is an int or a str. A frame that holds no record
// is set aside and reading goes on after it. Where a frame is due and something else stands, nothing tells where the
// next one begins, so the rest of the source is set aside with one finding.
//
// # Exports
//
// What becomes of the exports of a database, and what they don't tell, is in cockroachdb.md, dynamodb.md, spanner.md and debezium.md, which
// [Format.About] returns.
//
// Documents of the other formats may stand one a line, over several lines, or side by side without a line break. A
// top-level array is read as its elements. Among changes of Debezium null is a document, too. What begins no document, and a
// document that breaks off, is set aside; the next one is looked for at the next line that begins with "{".
//
// # The directory of a replica
//
// The directory that [replica.Open] made is a history without an export, also while the service runs: reading takes no lock and
// ends at what was on disk when it began. [Find] gives one source for it, [Directory] names it. Every operation in its log is a
// write, whatever node made it: its name is the id, and its context the whole of what its writer had seen. The log's own
// records are watermarks. Lines are the sequences of the log. Damage is corrupt_log, and what is behind it is not read. What
// a node wrote after it came back from a backup has an id of its incarnation, "us-east~2:7", and its claims are those of us-east.
//
// The operations that the log has forgotten are gone: segments that no member needs are dropped beyond what KeepBytes of
// [replica.Options] keeps, and what came as merged state was never there. A dry run is then one of the rest: a field that was
// last written before may have no value, and a counter is the sum of what is left. The directories of two regions, read
// together, hold each operation once, for the second is a duplicate_op.
//
// HAZARD: strings of a record point into the chunk they were read from. A set of keys that is kept for long should be
// cloned, or it keeps the whole input in memory.
//
// The package does not order records, remove duplicates, or judge them: it says what is written.
package history
