package history

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// requireFrames compares what is read of frames, with the form of the frames before at hand, with what the general way alone
// makes of each.
func requireFrames(t require.TestingT, contents [][]byte) {
	p, general := parser{opt: &Options{Plain: true}}, parser{opt: &Options{}}
	var stream []byte
	var slow, fast Batch
	for i, content := range contents {
		stream = append(binary.BigEndian.AppendUint16(append(stream, bin16), uint16(len(content))), content...)
		at := finding.Place{File: "h", Line: int64(i + 1)}
		if bad := general.frame(content, slow.record(at), &slow); bad != nil {
			slow.unrecord()
			slow.aside(at, bad.code, "%s", bad.detail)
		}
	}
	p.frames(&chunk{name: "h", data: stream, line: 1}, &fast)
	records := slices.Clone(fast.Records)
	for i := range fast.Plain {
		records = append(records, fast.Plain[i].Record("h"))
	}
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.Place.Line, b.Place.Line) })
	require.Equal(t, slow.Records, records)
	require.Equal(t, slow.Aside, fast.Aside)
}

// countFormed says how many frames are read by the form of those before.
func countFormed(contents [][]byte) (formed int) {
	p := parser{opt: &Options{Plain: true}}
	var out Batch
	for _, content := range contents {
		frame := append([]byte{bin16, byte(len(content) >> 8), byte(len(content))}, content...)
		if p.frameForm.count > 0 && p.formedFrame(append(frame, make([]byte, beyondFrame)...), finding.Place{}, &out) > 0 {
			formed++
		} else {
			p.quickFrame(content, finding.Place{}, &out)
		}
	}
	return formed
}

// packedText and packedNumber write a text and an integer in one of the ways that there are.
func packedText(s string, wide bool) string {
	switch {
	case len(s) < 32 && !wide:
		return string([]byte{0xa0 | byte(len(s))}) + s
	case len(s) < 256:
		return string([]byte{0xd9, byte(len(s))}) + s
	}
	return string([]byte{0xda, byte(len(s) >> 8), byte(len(s))}) + s
}

func packedNumber(n uint64, kind int) string {
	switch kind {
	case 0:
		return string([]byte{byte(n & 0x7f)})
	case 1:
		return string([]byte{0xcc, byte(n)})
	case 2:
		return string(binary.BigEndian.AppendUint16([]byte{0xcd}, uint16(n)))
	case 3:
		return string(binary.BigEndian.AppendUint32([]byte{0xce}, uint32(n)))
	}
	return string(binary.BigEndian.AppendUint64([]byte{0xcf}, n))
}

func TestFramesOfOneFormAreReadLikeAllOthers(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	draw := drawn{r}
	pick, odd := draw.pick, draw.odd
	text := func(s string) string { return packedText(s, r.IntN(4) == 0) }
	formed := 0
	for range 300 {
		members := draw.members()
		var frames [][]byte
		for i := range 40 {
			node := pick("eu", "us-east-1")
			frame := string([]byte{0x80 | byte(len(members))})
			for _, m := range members {
				var v string
				switch m {
				case "id":
					v = odd(text(node+":"+strconv.Itoa(i+1)), text("eu:018"), text("eu:"), text("x"), text(""), "\x07", text("eu:18446744073709551615"), text("eu:1\xff"))
				case "key":
					v = odd(text("users/"+strconv.Itoa(i)), text(""), text("ü"), text("a \"key\"\n"), text("\xff"), text("users/\x80 and more"), "\x01", "\xc0")
				case "field":
					v = odd(text(pick("f", "a longer name")), text("ü"), text(""), text("\xff"))
				case "value":
					v = odd(pick(packedNumber(r.Uint64(), r.IntN(5)), text("text"), text("a text that is longer than a few words"), text("a\n\"ü\"")),
						"\xff", "\xc0", text(""), text("\xff"), text(strings.Repeat("long ", 70)), "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "\x92\x01\xa1a")
				case "version":
					v = odd(packedNumber(r.Uint64(), r.IntN(5)), text("7"), "\xff", "\xd0\x07")
				case "time":
					v = odd(pick(packedNumber(1750000000000000000, 4), text("2025-06-15T15:06:40Z")), text("1750000000000000000.5"), "\x0c",
						packedNumber(1750000000, 3), "\x00", packedNumber(1<<63, 4))
				case "node":
					v = odd(text(node), text("us east"), text(""), text("\xff"), "\x01")
				case "op":
					v = odd(text(pick("set", "set", "add")), text("delete"), text("read"), text("insert"), "\x01")
				}
				frame += odd(packedText(m, false), packedText(m, true), packedText("key", false)) + v
			}
			switch r.IntN(30) {
			case 0:
				frame += "\x01"
			case 1:
				frame = frame[:1+r.IntN(len(frame)-1)]
			case 2:
				damaged := []byte(frame)
				damaged[r.IntN(len(damaged))] = byte(r.IntN(256))
				frame = string(damaged)
			}
			frames = append(frames, []byte(frame))
		}
		requireFrames(t, frames)
		formed += countFormed(frames)
	}
	require.Greater(t, formed, 1_000)
}

// A form may be looked for at the end of what is in memory.
func TestAFormOfFramesStaysWithinTheChunk(t *testing.T) {
	content := []byte("\x84\xa2id\xa4eu:7\xa3key\xa3a/1\xa5value\xcf\x00\x00\x00\x00\x00\x00\x00\x09\xa4node\xa2eu")
	frame := append([]byte{bin16, 0, byte(len(content))}, content...)
	p := parser{opt: &Options{Plain: true}}
	p.frameForm.learnFrame(content)
	require.Equal(t, 4, p.frameForm.count)
	whole := append(slices.Clone(frame), make([]byte, beyondFrame)...)
	for n := range len(whole) {
		var out Batch
		require.Zero(t, p.formedFrame(whole[:n:n], finding.Place{}, &out))
		require.Empty(t, out.Plain)
	}
	var out Batch
	require.Equal(t, len(frame), p.formedFrame(whole, finding.Place{}, &out))
	require.Len(t, out.Plain, 1)
}

func FuzzFrameForms(f *testing.F) {
	f.Add([]byte("\x84\xa2id\xa4eu:7\xa3key\xa3a/1\xa5value\xcc\x09\xa4node\xa2eu"), []byte("\x84\xa2id\xa4eu:8\xa3key\xa3a/1\xa5value\xa1x\xa4node\xa2eu"))
	f.Add([]byte("\x85\xa3key\xa1k\xa4node\xa1n\xa2op\xa3add\xa5value\x01\xa2id\xa3n:1"), []byte("\x83\xa3key\xa1k\xa4node\xa1n\xa5value\xc0"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a) <= math.MaxUint16 && len(b) <= math.MaxUint16 {
			requireFrames(t, [][]byte{a, a, b, a, b, b, a})
		}
	})
}
