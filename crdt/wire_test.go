package crdt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/vmihailenco/msgpack/v5"
)

// wired is a kind whose type has been forgotten.
type wired interface {
	roundTrips(t *testing.T, r *rand.Rand)
	survives(t *testing.T)
	someLines(name string, r *rand.Rand) (table, history string)
	deliveries(t *testing.T, plain, explored int)
	stateMerges(t *testing.T, plain, explored int)
	frame(r *rand.Rand) []byte
	reads(t testing.TB, data []byte) error
}

var wiredKinds = map[string]wired{
	"GCounter":         gCounterKind,
	"PNCounter":        pnCounterKind,
	"BoundedCounter":   boundedCounterKind,
	"MaxRegister":      maxRegisterKind,
	"MinRegister":      minRegisterKind,
	"LatticeRegister":  latticeRegisterKind,
	"GSet":             gSetKind,
	"AppendLog":        appendLogKind,
	"ORSet":            orSetKind,
	"RWSet":            rwSetKind,
	"EWFlag":           ewFlagKind,
	"DWFlag":           dwFlagKind,
	"MVRegister":       mvRegisterKind,
	"ResetCounter":     resetCounterKind,
	"Map":              mapKind,
	"nested Map":       nestedMapKind,
	"Map of registers": registersKind,
}

func eachKind(t *testing.T, test func(t *testing.T, k wired, r *rand.Rand)) {
	for _, name := range slices.Sorted(maps.Keys(wiredKinds)) {
		t.Run(name, func(t *testing.T) { test(t, wiredKinds[name], rand.New(rand.NewSource(int64(len(name))))) })
	}
}

// cluster returns the states of three replicas after some steps: operations, merges, and single operations that overtake
// what their writers had seen.
func (k kind[S, O]) cluster(r *rand.Rand, steps int) (states [3]S) {
	var h history[O]
	var known [3]mask
	for range steps {
		i, j := r.Intn(3), r.Intn(3)
		switch {
		case r.Intn(3) == 0 && i != j:
			k.merge(&states[i], states[j])
			known[i] |= known[j]
		case r.Intn(4) == 0 && k.apply != nil && len(h) > 0:
			// Not the state but one operation arrives, by a delta made of it.
			n := r.Intn(len(h))
			var delta S
			k.apply(&delta, h[n], h.seen(h[n].past))
			k.merge(&states[i], delta)
		case len(h) < 30:
			e := event[O]{op: k.alphabet[r.Intn(len(k.alphabet))], past: known[i]}
			e.dot = h.seen(known[i]).Next(replicas[i])
			if k.apply != nil && r.Intn(2) == 0 {
				k.apply(&states[i], e, h.seen(e.past))
			} else {
				k.local(&states[i], replicas[i], e.op)
			}
			known[i] |= 1 << len(h)
			h = append(h, e)
		}
	}
	return states
}

func (k kind[S, O]) frame(r *rand.Rand) []byte {
	return must(k.encode(k.cluster(r, r.Intn(20))[r.Intn(3)]))
}

// roundTrips checks that decoding is the inverse of encoding, both ways, and that a state keeps behaving as it did.
func (k kind[S, O]) roundTrips(t *testing.T, r *rand.Rand) {
	for range 300 {
		states := k.cluster(r, r.Intn(25))
		for _, s := range states {
			data, err := k.encode(s)
			require.NoError(t, err)
			var read S
			require.NoError(t, k.decode(&read, data, Limits{}), "%x", data)
			require.True(t, k.equal(s, read) && k.equal(read, s), "%+v\n%+v", s, read)
			require.Equal(t, k.read(s), k.read(read))
			require.Equal(t, hex.EncodeToString(data), hex.EncodeToString(must(k.encode(read))), "equal states have equal bytes")
			merged := k.clone(s)
			k.merge(&merged, states[0])
			k.merge(&read, states[0])
			require.Equal(t, must(k.encode(merged)), must(k.encode(read)), "they merge alike")
		}
		// Whatever the order of merges, the same bytes come out.
		a, b := k.clone(states[0]), k.clone(states[2])
		k.merge(&a, states[1])
		k.merge(&a, states[2])
		k.merge(&b, states[1])
		k.merge(&b, states[0])
		require.Equal(t, must(k.encode(a)), must(k.encode(b)))
	}
}

var met sync.Map // the states that one from outside meets, by their type

func (k kind[S, O]) others() [3]S {
	states, ok := met.Load(reflect.TypeFor[S]())
	if !ok {
		states, _ = met.LoadOrStore(reflect.TypeFor[S](), k.cluster(rand.New(rand.NewSource(2)), 20))
	}
	return states.([3]S)
}

// reads decodes data that may be anything, and checks what a decoder promises. It returns the error of the decoder.
func (k kind[S, O]) reads(t testing.TB, data []byte) error {
	var s S
	if err := k.decode(&s, data, Limits{}); err != nil {
		require.ErrorIs(t, err, ErrFrame)
		var untouched S
		require.True(t, k.equal(s, untouched), "an error has left something behind")
		return err
	}
	again, err := k.encode(s)
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(data), hex.EncodeToString(again), "only canonical frames are accepted")
	before := k.clone(s)
	require.False(t, k.merge(&s, before), "merging a state with itself changed it")
	_ = k.read(s)
	for _, here := range k.others() {
		other, merged := k.clone(here), k.clone(before)
		k.merge(&other, before)
		k.merge(&merged, here)
		require.True(t, k.equal(merged, other), "merged one way: %+v\nand the other: %+v", merged, other)
		require.False(t, k.merge(&other, before), "merging it again changed something")
	}
	return nil
}

func TestFramesRoundTripAndAreCanonical(t *testing.T) {
	eachKind(t, func(t *testing.T, k wired, r *rand.Rand) { k.roundTrips(t, r) })
}

func TestEveryFlippedBitAndEveryCutIsRefused(t *testing.T) {
	eachKind(t, func(t *testing.T, k wired, r *rand.Rand) {
		for range 5 {
			data := k.frame(r)
			for i := range data {
				require.Error(t, k.reads(t, data[:i]), "cut at %d", i)
				for bit := range 8 {
					damaged := bytes.Clone(data)
					damaged[i] ^= 1 << bit
					require.Error(t, k.reads(t, damaged), "bit %d of byte %d", bit, i)
				}
			}
			require.Error(t, k.reads(t, append(bytes.Clone(data), 0)), "a byte too many")
		}
	})
}

// reseal puts a new length and checksum on a frame whose body was changed.
func reseal(data []byte) []byte {
	if len(data) < 4 {
		return data
	}
	name := int(data[1] & 0x1f)
	head := 3 + name
	if len(data) < head+5+trailer {
		return data
	}
	data = bytes.Clone(data)
	end := len(data) - trailer
	binary.BigEndian.PutUint32(data[head+1:], uint32(end-head-5))
	data[end] = 0xce
	binary.BigEndian.PutUint32(data[end+1:], crc32.Checksum(data[:end], castagnoli))
	return data
}

// A checksum is no protection against who computes it: every byte of the body is changed to every value.
func TestForgedBodiesAreRefusedOrCanonical(t *testing.T) {
	eachKind(t, func(t *testing.T, k wired, r *rand.Rand) {
		accepted := 0
		for range 3 {
			data := k.frame(r)
			for i := 3; i < len(data)-trailer; i++ {
				for v := range 256 {
					forged := bytes.Clone(data)
					forged[i] = byte(v)
					if k.reads(t, reseal(forged)) == nil {
						accepted++
					}
				}
			}
		}
		assert.NotZero(t, accepted, "the unchanged frame at least")
	})
}

func TestDecodersAllocateByBytesReadAndNotByWhatIsDeclared(t *testing.T) {
	body := func(b ...byte) []byte { return b }
	for name, bomb := range map[string][]byte{
		"nodes":    body(0x92, 0xdd, 0x7f, 0xff, 0xff, 0xfe),
		"runs":     body(0x92, 0x92, 0xa1, 'a', 0xdd, 0x7f, 0xff, 0xff, 0xfe),
		"elements": body(0x92, 0x92, 0xa1, 'a', 0x92, 1, 5, 0x92, 0xdd, 0x7f, 0xff, 0xff, 0xfe),
		"a string": body(0x92, 0x92, 0xa1, 'a', 0x92, 1, 5, 0x92, 0x92, 0xdb, 0x7f, 0xff, 0xff, 0xff),
	} {
		data := must(encode(nil, "ORSet", func(w *writer) { w.b = append(w.b, bomb...) }))
		var s ORSet[string]
		require.ErrorIs(t, s.Decode(data, Text[string](), Limits{}), ErrFrame, name)
		bytes := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for range min(b.N, 1000) {
				_ = s.Decode(data, Text[string](), Limits{})
			}
		}).AllocedBytesPerOp()
		assert.Less(t, bytes, int64(4096), name)
	}
}

func TestMoreThanAMillionElementsRoundTrip(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	var s ORSet[int32]
	const n = 1<<20 + 1
	for i := range int32(n) {
		_, err := s.AddAt(clock.Dot{Node: "us", Seq: uint64(i) + 1}, i, clock.Vector{})
		require.NoError(t, err)
	}
	data, err := s.Encode(nil, Int[int32]())
	require.NoError(t, err)
	var read ORSet[int32]
	require.NoError(t, read.Decode(data, Int[int32](), Limits{}))
	assert.Equal(t, n, read.Len())
	assert.True(t, read.Equal(s))
}

func TestLimitsOfTheCallerAreKept(t *testing.T) {
	s := *orSetOf("us", elements(0, 100))
	data := must(s.Encode(nil, Text[string]()))
	var read ORSet[string]
	require.NoError(t, read.Decode(data, Text[string](), Limits{Bytes: len(data), Entries: 200}))
	require.ErrorIs(t, read.Decode(data, Text[string](), Limits{Bytes: len(data) - 1}), ErrFrame)
	require.ErrorIs(t, read.Decode(data, Text[string](), Limits{Entries: 199}), ErrFrame)
	assert.True(t, read.Equal(s), "an error leaves what was there")
}

func TestFramesAreAppendedToWhatIsThere(t *testing.T) {
	s := *orSetOf("us", elements(0, 3))
	data := must(s.Encode([]byte("before"), Text[string]()))
	assert.Equal(t, append([]byte("before"), must(s.Encode(nil, Text[string]()))...), data)
}

// Another reader of msgpack, which knows nothing of this package, finds what the list at version promises.
func TestFramesAreMsgpackToOtherReaders(t *testing.T) {
	var s ORSet[string]
	must(s.Add("us", "apple"))
	must(s.Add("eu", "pear"))
	must(s.Add("us", "fig"))
	s.Remove("apple")
	s.RemoveAt(clock.Dot{}, "plum", clock.Up("ap", 2))
	data := must(s.Encode(nil, Text[string]()))

	d := msgpack.NewDecoder(bytes.NewReader(data))
	frame, err := d.DecodeSlice()
	require.NoError(t, err)
	require.Len(t, frame, 4)
	assert.Equal(t, "ORSet", frame[0])
	assert.EqualValues(t, 1, frame[1])
	assert.EqualValues(t, crc32.Checksum(data[:len(data)-5], crc32.MakeTable(crc32.Castagnoli)), frame[3])
	var body any
	require.NoError(t, msgpack.Unmarshal(frame[2].([]byte), &body))
	assert.Equal(t, "[[eu [1 1] us [1 2]] [[pear [0 1] fig [1 2]] [plum [ap [1 2]]]]]", fmt.Sprint(body))
}

// Two replicas that each got one of two such states merged them to unequal ones, for ever.
func TestOneDotUnderTwoKeysIsRefused(t *testing.T) {
	frame := func(name string, content func(w *writer, seq uint64)) []byte {
		return must(encode(nil, name, func(w *writer) {
			w.array(2)
			w.vector(ptr(clock.Up("us", 3)))
			w.array(2)
			w.array(4)
			for i, key := range []string{"x", "y"} {
				w.text(key)
				content(w, uint64(i)+1)
			}
			w.array(0)
		}))
	}
	dots := func(w *writer, seqs ...uint64) {
		w.array(2 * len(seqs))
		for _, seq := range seqs {
			w.uint(0)
			w.uint(seq)
		}
	}
	var set ORSet[string]
	require.NoError(t, set.Decode(frame("ORSet", func(w *writer, seq uint64) { dots(w, seq) }), Text[string](), Limits{}))
	assert.ErrorIs(t, set.Decode(frame("ORSet", func(w *writer, seq uint64) { dots(w, 1) }), Text[string](), Limits{}), ErrFrame)
	assert.ErrorIs(t, set.Decode(frame("ORSet", func(w *writer, seq uint64) { dots(w, seq, 3) }), Text[string](), Limits{}), ErrFrame)
	settled := func(w *writer, seq uint64) {
		w.array(2)
		w.array(0) // deletes
		w.array(4)
		w.uint(0)
		w.uint(seq - 1) // the first is single, the second a sum
		w.uint(seq - 1)
		w.array(2)
		w.uint(2*seq - 1)
		w.uint(1)
	}
	var m Map[string, ResetCounter]
	assert.ErrorIs(t, m.Decode(frame("Map", settled), Text[string](), ResetCounters(), Limits{}), ErrFrame)
}

func ptr[T any](v T) *T { return &v }

func TestCodecsTakeOnlyTheShortestForm(t *testing.T) {
	reads := func(hexBytes string, read func([]byte) error) error {
		b, err := hex.DecodeString(strings.ReplaceAll(hexBytes, " ", ""))
		require.NoError(t, err)
		return read(b)
	}
	text := func(b []byte) error { _, _, err := Text[string]().Read(b); return err }
	integer := func(b []byte) error { _, _, err := Int[int]().Read(b); return err }
	small := func(b []byte) error { _, _, err := Int[int8]().Read(b); return err }
	unsigned := func(b []byte) error { _, _, err := Uint[uint16]().Read(b); return err }
	float := func(b []byte) error { _, _, err := Float[float64]().Read(b); return err }
	single := func(b []byte) error { _, _, err := Float[float32]().Read(b); return err }
	truth := func(b []byte) error { _, _, err := Bool[bool]().Read(b); return err }
	for _, c := range []struct {
		bytes string
		read  func([]byte) error
	}{
		{"", text}, {"d9 01 61", text}, {"da 0001 61", text}, {"db 00000001 61", text}, {"a2 61", text}, {"c4 01 61", text}, {"a1 ff", text}, {"c0", text}, {"c5 0001 ff", text}, {"c4", text},
		{"", integer}, {"cc 01", integer}, {"cd 00ff", integer}, {"ce 0000ffff", integer}, {"cf 00000000ffffffff", integer}, {"d0 ff", integer}, {"d1 ff80", integer}, {"d0 05", integer}, {"d2 ffff8000", integer}, {"d3 ffffffff80000000", integer}, {"cf 8000000000000000", integer}, {"cc", integer}, {"d1 ff", integer}, {"c0", integer}, {"cb 0000000000000000", integer},
		{"cc 80", small}, {"d1 ff7f", small}, {"ce 00010000", unsigned}, {"ff", unsigned},
		{"cb 8000000000000000", float}, {"cb 7ff8000000000000", float}, {"ca 00000000", float}, {"cb", float}, {"01", float}, {"cb 3ff0000000000001", single},
		{"01", truth}, {"", truth},
	} {
		assert.Error(t, reads(c.bytes, c.read), c.bytes)
	}
}

func roundTrip[T comparable](t *testing.T, c Codec[T], values ...T) {
	for _, v := range values {
		b := c.Append([]byte{7}, v)
		require.Equal(t, byte(7), b[0])
		read, rest, err := c.Read(append(b[1:], 9))
		require.NoError(t, err, "%v", v)
		assert.Equal(t, v, read)
		assert.Equal(t, []byte{9}, rest)
		for cut := range len(b) - 1 {
			_, _, err := c.Read(b[1 : 1+cut])
			require.Error(t, err, "%v cut at %d", v, cut)
		}
		var other any
		require.NoError(t, msgpack.Unmarshal(b[1:], &other), "another reader takes %v", v)
	}
}

func TestCodecsRoundTrip(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	roundTrip(t, Text[string](), "", "a", "ä", "\xff", "\xc3", long(31), long(32), long(255), long(256), long(65535), long(65536), "\xff"+long(254), "\xff"+long(255), "\xff"+long(65535))
	roundTrip(t, Int[int64](), 0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32+1, math.MaxInt64, -1, -32, -33, -128, -129, -32768, -32769, math.MinInt32, math.MinInt32-1, math.MinInt64)
	roundTrip(t, Int[int8](), -128, 0, 127)
	roundTrip(t, Uint[uint64](), 0, 127, 128, math.MaxUint64)
	roundTrip(t, Uint[uint8](), 0, 255)
	roundTrip(t, Float[float64](), 0, 1, -1.5, math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64)
	roundTrip(t, Float[float32](), 0, 1.5, math.MaxFloat32)
	roundTrip(t, Bool[bool](), true, false)
	point := Custom(
		func(p [2]int8) []byte { return []byte{byte(p[0]), byte(p[1])} },
		func(b []byte) (p [2]int8, err error) {
			if len(b) != 2 {
				return p, fmt.Errorf("%d bytes", len(b))
			}
			return [2]int8{int8(b[0]), int8(b[1])}, nil
		})
	roundTrip(t, point, [2]int8{}, [2]int8{1, -1})
	_, _, err := point.Read([]byte{0xa2, 1, 2})
	assert.Error(t, err, "a str is not a bin")
}

func TestACustomValueInAnotherSpellingIsRefused(t *testing.T) {
	folding := Custom(func(s string) []byte { return []byte(strings.ToLower(s)) }, func(b []byte) (string, error) { return string(b), nil })
	_, _, err := folding.Read([]byte{0xc4, 1, 'A'})
	assert.Error(t, err)
}

func TestMinusZeroIsWrittenAsZero(t *testing.T) {
	assert.Equal(t, Float[float64]().Append(nil, 0), Float[float64]().Append(nil, math.Copysign(0, -1)))
	var plus, minus GSet[float64]
	must(plus.Add(0))
	must(minus.Add(math.Copysign(0, -1)))
	assert.Equal(t, must(plus.Encode(nil, Float[float64]())), must(minus.Encode(nil, Float[float64]())))
}

func TestWhatAFrameCannotHoldIsNotEncoded(t *testing.T) {
	var s ORSet[string]
	must(s.AddAt(clock.Dot{Node: "us", Seq: MaxSeq + 1}, "x", clock.Vector{}))
	_, err := s.Encode(nil, Text[string]())
	require.ErrorIs(t, err, ErrTooLarge)

	var c ResetCounter
	c.AddAt(clock.Dot{Node: "us", Seq: 1}, must(ParseDecimal("1"+strings.Repeat("0", 9_999))).Add(must(ParseDecimal("0.1"))))
	_, err = c.Encode(nil)
	require.ErrorIs(t, err, ErrTooLarge)

	var g GCounter
	must(g.Add("us east", DecimalOf(1)))
	_, err = g.Encode(nil)
	require.Error(t, err, "a name with a space is none")
}

var rewrite = flag.Bool("rewrite", false, "write the frozen frames of this version, where there are none")

func frozenFile(kind string) string {
	return filepath.Join("testdata", "frozen", strings.ReplaceAll(kind, " ", "-")+".v1.hex")
}

// frozenFrames returns the frames of a kind that were written once and for all.
func frozenFrames(kind string) (frames [][]byte, err error) {
	text, err := os.ReadFile(frozenFile(kind))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		data, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		frames = append(frames, data)
	}
	return frames, nil
}

// Frames that were written once can be read for ever, and are still written the same.
func TestFrozenFramesStillReadTheSame(t *testing.T) {
	for _, kind := range slices.Sorted(maps.Keys(wiredKinds)) {
		k, r := wiredKinds[kind], rand.New(rand.NewSource(int64(len(kind))))
		if *rewrite {
			var text strings.Builder
			for range 12 {
				fmt.Fprintf(&text, "%x\n", k.frame(r))
			}
			f, err := os.OpenFile(frozenFile(kind), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) // never over a frozen one
			require.NoError(t, err)
			_, err = f.WriteString(text.String())
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		frames, err := frozenFrames(kind)
		require.NoError(t, err)
		require.NotEmpty(t, frames)
		for _, data := range frames {
			require.NoError(t, k.reads(t, data), kind)
		}
	}
}
