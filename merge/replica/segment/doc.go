// Package segment is a durable log in a directory: records go in at the end, are read by position or in order, and stay
// until a snapshot holds them. It is the only package below replay that touches a disk.
//
// [Log.Append] buffers a record and says where it will be, [Log.Sync] makes everything appended durable, for all who wait at
// once, [Log.Read] and [Log.From] read, [Log.WriteSnapshot] keeps a state and [Log.Drop] frees what is in it:
//
//	log, found, err := segment.Open(dir, segment.Options{})
//	at, err := log.Append(body)
//	err = log.Sync()                      // nil: the record will be there
//	for record, err := range log.From(found.Snapshot) { … } // the last that is in the snapshot, and all since
//
// # What it promises
//
// A record whose Sync returned nil is there after every crash, as it was, at its position, and so are all before it. Nothing
// is there that was never appended. What is behind the last acknowledged record after a crash is either there whole, and
// durable from then on, or cut off and told in [Recovery], and never comes back. Damage to what was acknowledged is an
// error, a [CorruptError] that names the file and the byte; the log is never cut to get rid of it.
//
// HAZARD: there is one place where damage looks like a torn tail and is cut: the records of the very last Sync before a power
// cut, when the side file had not reached the disk, they had, and were damaged there since. All earlier ones are proven by the
// frames behind them. When a process is killed and the system goes on, there is no such place.
//
// HAZARD: it relies on the disk. A Sync that succeeds must mean that the bytes are there; a write must not harm the bytes
// beside it in the same sector; a rename must be whole or not at all. After an error the log stops: see [Log.Sync].
//
// # Files
//
// All numbers are little-endian. Checksums are CRC-32C. A file has its name only when it is whole and synced: it is written
// as NAME.tmp, synced and renamed, and the directory is synced. Open removes what is left as .tmp.
//
// A segment is SEQUENCE.seg, with the sequence of its first record in 20 decimal digits. Sequences count from 1 without a
// gap.
//
//	0   8  "TBRKLOG\n"
//	8   4  version of the format: 1
//	12  8  sequence of the first record
//	20  4  checksum of the 20 bytes before
//	24     frames, one behind the other, to the end of the file
//
// A frame is a record:
//
//	0   4  length of the body, at most 16 MiB
//	4   4  how many records of the same batch are before this one
//	8   8  sequence
//	16  4  checksum of the body
//	20  4  checksum of the 20 bytes before, which starts from the frame's offset in the file instead of from 0
//	24     the body
//
// A batch is what one Sync wrote. It is written only after the batch before it was synced; so a frame proves that all before
// its batch was on the disk. And it is in one segment: a segment is begun when all before it is synced. So damage in a
// segment that is not the last is damage, and so is damage before a frame of a later batch. In the last segment, behind all
// that is proven to have been synced, it is a torn tail.
//
// The side file has the name "synced". It has two slots, at byte 0 and at byte 4096:
//
//	0   8  "TBRKEND\n"
//	8   4  version of the format: 1
//	12  8  generation: of two slots the greater is the newer
//	20  8  sequence of the first record that was not dropped
//	28  8  first sequence of the segment that the synced end is in
//	36  8  offset of the synced end in that segment
//	44  8  sequence of the last synced record
//	52  4  checksum of the 52 bytes before
//
// It promises that everything up to the synced end is on the disk: it is written after each sync of a segment, and before
// the sync is acknowledged. It is not synced itself, but for when a segment begins, segments are dropped, and the log is
// opened or closed; until then one slot stays as it is and the other is rewritten. So it is exact when a process is killed,
// and may be behind after a power cut, which is safe: what it does not know is proven by frames, or looks like a tail. A
// torn slot is as if it had not been written. That both are torn, or the file is gone, is damage.
//
// A snapshot is SEQUENCE.snap, with the sequence of the last record that is in it:
//
//	0   8  "TBRKSNP\n"
//	8   4  version of the format: 1
//	12  8  sequence
//	20  8  offset of that record in its segment
//	28  4  checksum of the 28 bytes before
//	32     blocks
//
// A block has a length of at most 64 KiB in 4 bytes, a checksum in 4 that starts from the number of the block, counted from
// 0, and the bytes. The last has 4294967295 for its length, and holds the sum of the lengths of the others in 8 bytes.
// Nothing comes behind it.
//
// The file "lock" is empty. It is locked while the log is open.
//
// # Speed
//
// Appending is bound by the syncs of the disk, which the package does no more of than a bare file: [Log.Append] copies into
// a buffer and allocates nothing, and a Sync is one write, one sync and 56 bytes to the side file. Opening reads the log
// once, or, with [Options.FromSnapshot], from the snapshot on; after a crash it may write the last segment anew. The
// benchmarks stand in bench_test.go.
package segment
