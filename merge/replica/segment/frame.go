package segment

import (
	"encoding/binary"
	"hash/crc32"
)

// MaxRecord is how many bytes a record may have: 16 MiB.
const MaxRecord = 16 << 20

// The first bytes of the three kinds of files, and the version of all three.
const (
	segmentMagic  = "TBRKLOG\n"
	markMagic     = "TBRKEND\n"
	snapshotMagic = "TBRKSNP\n"
	version       = 1
)

const (
	headerSize = 24 // of a segment
	frameSize  = 24 // of a frame, without its body
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	little     = binary.LittleEndian
)

// A frame stands before the body of each record.
type frame struct {
	length   uint32 // of the body
	before   uint32 // how many records of the same batch stand before this one
	sequence uint64
	body     uint32 // checksum of the body
}

// synced returns the last sequence that was durable when the frame was written. A batch is written only after the one before
// it was synced, so every frame proves that everything before its batch was on the disk.
func (f frame) synced() uint64 { return f.sequence - 1 - uint64(f.before) }

// appendFrame appends the frame for a place in its file.
func appendFrame(b []byte, f frame, offset int64) []byte {
	start := len(b)
	b = little.AppendUint32(b, f.length)
	b = little.AppendUint32(b, f.before)
	b = little.AppendUint64(b, f.sequence)
	b = little.AppendUint32(b, f.body)
	return little.AppendUint32(b, frameSum(b[start:], offset))
}

// parseFrame reads a frame that stands at a place in its file, and reports whether there is one.
func parseFrame(b []byte, offset int64) (frame, bool) {
	f := frame{
		length:   little.Uint32(b),
		before:   little.Uint32(b[4:]),
		sequence: little.Uint64(b[8:]),
		body:     little.Uint32(b[16:]),
	}
	// Sequences count from 1, and a segment of zeros has no frame in it whatever the checksum comes to.
	return f, little.Uint32(b[20:]) == frameSum(b[:20], offset) && f.sequence > uint64(f.before)
}

// frameSum starts from the offset instead of from zero: a frame in another's place, such as the bytes of a log in the body
// of a record, is none.
func frameSum(b []byte, offset int64) uint32 { return crc32.Update(uint32(offset), castagnoli, b) }

func bodySum(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli, b) }

// seal appends the checksum of a header.
func seal(b []byte) []byte { return little.AppendUint32(b, crc32.Checksum(b, castagnoli)) }

// sealed reports whether a header is of a kind, of our version and as it was written; if not, why.
func sealed(b []byte, magic string) (bool, string) {
	n := len(b) - 4
	switch {
	case string(b[:8]) != magic:
		return false, "not a file of this kind"
	case little.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli):
		return false, "header checksum does not match"
	case little.Uint32(b[8:]) != version:
		return false, "unknown version of the format"
	}
	return true, ""
}

func header(magic string, numbers ...uint64) []byte {
	b := append(make([]byte, 0, 64), magic...)
	b = little.AppendUint32(b, version)
	for _, n := range numbers {
		b = little.AppendUint64(b, n)
	}
	return seal(b)
}
