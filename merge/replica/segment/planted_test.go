package segment_test

import (
	"flag"
	"testing"

	"github.com/tiebreakhq/tiebreak/fuzz/plant"
)

// A planted bug is a mistake in the code, put there one at a time, that the test which is named must find:
//
//	go test ./merge/replica/segment -run TestEveryPlantedBugIsCaught -planted
//
// Without the flag it is only checked that each could still be planted.
var planted = flag.Bool("planted", false, "plant every known bug and let the tests find it; takes minutes")

type bug plant.Bug

const (
	byCrash   = "TestNoCrashLosesInventsOrHidesARecord"
	byRecover = "TestNoCrashDuringRecoveryLosesInventsOrHidesARecord"
	byFault   = "TestNoFaultOfTheDiskLosesInventsOrHidesARecord"
	byFlip    = "TestEveryFlippedByteAndEveryPrefixIsHarmlessOrNamed"
)

var plantedBugs = []bug{
	{"the sequence is ignored", "reader.go", "case f.sequence != r.next:", "case false:", "TestASequenceThatJumpsIsDamage"},
	{"the checksum of a body is ignored", "reader.go", "if bodySum(0, body) != f.body {", "if false {", byCrash},
	{"the checksum of a frame is ignored", "frame.go", "little.Uint32(b[20:]) == frameSum(b[:20], offset) && f.sequence", "f.sequence", byCrash},
	{"a frame is good in any place", "frame.go", "crc32.Update(uint32(offset), castagnoli, b)", "crc32.Update(0, castagnoli, b)", "TestALogInTheBodyOfARecordIsNoLog"},
	{"records are appended behind the torn tail", "recovery.go", "s.end = int64(end.Offset)\n\tif end", "\n\tif end", byCrash},
	{"the torn tail stays", "recovery.go", "f.Truncate(s.end); err != nil", "error(nil); err != nil", byCrash},
	{"the cut is not synced", "recovery.go", "\tif err := f.Sync(); err != nil {", "\tif err := error(nil); err != nil {", byRecover},
	{"what is behind the synced end is synced and not written", "recovery.go", "if end.Sequence-1 > m.sequence {", "if false {", "TestAFailedSyncIsNeverBelievedLater"},
	{"a sync that failed is believed later", "log.go", "l.poison(fmt.Errorf(\"sync log: %w\", err))", "l.synced, l.flight = through, nil", byFault},
	{"a segment is not synced", "log.go", "err := l.active.Sync(); err != nil", "err := error(nil); err != nil", byCrash},
	{"the directory is not synced", "mark.go", "return fsys.SyncDir(dir)", "return nil", byCrash},
	{"a file has its name before it is synced", "mark.go", "\t\terr = f.Sync()\n", "", byCrash},
	{"both slots of the side file are rewritten", "mark.go", "if !durable {", "if m.slot = 1 - m.slot; !durable {", byCrash},
	{"the side file is not synced when segments are dropped", "drop.go", "l.mark(true,", "l.mark(false,", byCrash},
	{"the older of two slots is believed", "mark.go", "m.generation > newest.generation", "(newest.generation == 0 || m.generation < newest.generation)", byFlip},
	{"what frames prove is ignored", "recovery.go", "proven = f.synced() >= r.next", "proven = false", "TestDamageBeforeALaterBatchIsFoundWithoutTheSideFile"},
	{"any frame behind damage is taken for a proof", "recovery.go", "proven = f.synced() >= r.next", "proven = true", byCrash},
	{"a batch is told to be smaller than it is", "log.go", "before: uint32(b.records)", "before: 0", byCrash},
	{"a missing segment is not missed", "recovery.go", "\treturn m.among(l.dir, l.segments)\n", "\treturn nil\n", byFlip},
	{"a new segment begins in the middle of a batch", "log.go", "\tif len(b.buf) == 0 {\n\t\tl.place(b)", "\tif len(b.buf) == 0 || b.end() > l.size {\n\t\tl.place(b)", byCrash},
	{"a disk that can't be read is taken for a torn tail", "reader.go", "\t\t\tif err == io.EOF {\n", "\t\t\tif true {\n\t\t\t\treturn make([]byte, n), nil\n", "TestAnUnreadableDiskIsNoTornTail"},
	{"a snapshot is read without its checksums", "snapshot.go", "if little.Uint32(b[4:]) != bodySum(r.blocks, body) {", "if false {", byFlip},
	{"a snapshot without its end is whole", "snapshot.go", "\t\treturn corrupt(\"it ends before its last block\")\n", "\t\tr.done = true\n\t\treturn nil\n", byFlip},
	{"a missing snapshot is not missed", "recovery.go", "case first == 1:", "case found.Damaged == nil:", "TestDroppedSegmentsMustBeInTheSnapshot"},
	{"what no snapshot holds can be dropped", "drop.go", "before.Sequence > l.snapshot.Sequence+1", "false", "TestDroppedSegmentsMustBeInTheSnapshot"},
	{"a snapshot is ahead of its log", "snapshot.go", "if at.Sequence > synced {", "if at.Sequence > synced && false {", byCrash},
}

func TestEveryPlantedBugIsCaught(t *testing.T) {
	plant.Test(t, plantedBugs, *planted)
}
