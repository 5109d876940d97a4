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
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/clock/wire"
	"github.com/vmihailenco/msgpack/v5"
)

// wired is a kind whose type has been forgotten.
type wired interface {
	roundTrips(t *testing.T, r *rand.Rand)
	tellsChanges(t *testing.T, r *rand.Rand)
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

// tellsChanges lets a few replicas write, apply and merge, and holds what they report, and what Equal says of any two states that
// came up, against the bytes that states have.
func (k kind[S, O]) tellsChanges(t *testing.T, r *rand.Rand) {
	bytesOf := func(s S) string { return string(must(k.encode(s))) }
	for round := range 12 {
		byOperations := k.apply != nil && round%2 == 0
		var states [3]S
		var met []S
		var frames []string
		var deltas []S
		var h history[O]
		var known [3]mask
		for range 20 {
			i, j := r.Intn(3), r.Intn(3)
			s := &states[i]
			before := bytesOf(*s)
			switch {
			case r.Intn(2) == 0:
				changed := k.merge(s, states[j])
				require.Equal(t, bytesOf(*s) != before, changed, "merging %+v", states[j])
				known[i] |= known[j]
			case !byOperations && len(h) > 0 && r.Intn(4) == 0:
				n := r.Intn(len(h))
				if h[n].past&^known[i] == 0 {
					changed := k.merge(s, deltas[n])
					require.Equal(t, bytesOf(*s) != before, changed, "merging the delta of %v", h[n].op)
					known[i] |= 1 << n
				}
			case byOperations && len(h) > 0 && r.Intn(3) == 0: // it may come again, and before what it had seen
				n := r.Intn(len(h))
				if !k.mayCome(h, n, known[i]) {
					continue
				}
				here := k.clone(*s)
				changed := k.apply(&here, h[n], h.seen(h[n].past))
				require.Equal(t, bytesOf(here) != before, changed, "applying %v", h[n].op)
				if h[n].past&^known[i] == 0 {
					*s = here
					known[i] |= 1 << n
				}
			default:
				e := event[O]{op: k.alphabet[r.Intn(len(k.alphabet))], past: known[i]}
				e.dot = h.seen(known[i]).Next(replicas[i])
				var delta S
				if byOperations {
					changed := k.apply(s, e, h.seen(e.past))
					require.Equal(t, bytesOf(*s) != before, changed, "applying %v", e.op)
				} else {
					byDelta := k.clone(*s)
					delta = k.local(s, replicas[i], e.op)
					changed := k.merge(&byDelta, delta)
					require.Equal(t, bytesOf(*s), bytesOf(byDelta), "the delta of %v", e.op)
					require.Equal(t, bytesOf(*s) != before, changed, "the delta of %v", e.op)
				}
				known[i] |= 1 << len(h)
				h, deltas = append(h, e), append(deltas, delta)
			}
			met, frames = append(met, k.clone(*s)), append(frames, bytesOf(*s))
		}
		for i := range met {
			for j := range met {
				if (frames[i] == frames[j]) != k.equal(met[i], met[j]) {
					require.Fail(t, "unequal answers", "%+v\n%+v", met[i], met[j])
				}
			}
		}
		all := states[0]
		k.merge(&all, states[1])
		k.merge(&all, states[2])
		require.Equal(t, k.oracle(h, mask(1)<<len(h)-1), k.read(all), "%s", h)
		if k.apply == nil {
			continue
		}
		var applied S
		for done := mask(0); done != mask(1)<<len(h)-1; {
			if n := r.Intn(len(h)); k.mayCome(h, n, done) {
				k.apply(&applied, h[n], h.seen(h[n].past))
				done |= 1 << n
			}
		}
		require.Equal(t, k.read(all), k.read(applied), "%s", h)
	}
}

// Both what reports a change and Equal have the bytes of states for a witness.
func TestAChangeIsReportedAndStatesAreUnequalWhenTheirBytesAre(t *testing.T) {
	eachKind(t, func(t *testing.T, k wired, r *rand.Rand) { k.tellsChanges(t, r) })
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
	if testing.Short() {
		t.Skip("long, and one goroutine")
	}
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

// a lays out arrays of arrays, numbers and texts, as the list at version writes a body down.
type a []any

func (w *writer) lay(v any) {
	switch v := v.(type) {
	case a:
		w.array(len(v))
		for _, item := range v {
			w.lay(item)
		}
	case int:
		w.b = wire.AppendInt(w.b, int64(v))
	case int64:
		w.b = wire.AppendInt(w.b, v)
	case string:
		w.text(v)
	}
}

// laidOut returns a frame with a body that nobody has checked.
func laidOut(name string, body a) []byte {
	return must(encode(nil, name, func(w *writer) { w.lay(body) }))
}

// decoders read a frame of a type into an empty state, with texts for values.
var decoders = map[string]func(data []byte) error{
	"GCounter":       func(data []byte) error { return new(GCounter).Decode(data, Limits{}) },
	"PNCounter":      func(data []byte) error { return new(PNCounter).Decode(data, Limits{}) },
	"BoundedCounter": func(data []byte) error { return new(BoundedCounter).Decode(data, Limits{}) },
	"MaxRegister":    func(data []byte) error { return new(MaxRegister[string]).Decode(data, Text[string](), Limits{}) },
	"GSet":           func(data []byte) error { return new(GSet[string]).Decode(data, Text[string](), Limits{}) },
	"AppendLog":      func(data []byte) error { return new(AppendLog[string]).Decode(data, Text[string](), Limits{}) },
	"MVRegister":     func(data []byte) error { return new(MVRegister[string]).Decode(data, Text[string](), Limits{}) },
	"EWFlag":         func(data []byte) error { return new(EWFlag).Decode(data, Limits{}) },
	"DWFlag":         func(data []byte) error { return new(DWFlag).Decode(data, Limits{}) },
	"ORSet":          func(data []byte) error { return new(ORSet[string]).Decode(data, Text[string](), Limits{}) },
	"RWSet":          func(data []byte) error { return new(RWSet[string]).Decode(data, Text[string](), Limits{}) },
	"ResetCounter":   func(data []byte) error { return new(ResetCounter).Decode(data, Limits{}) },
	"Map": func(data []byte) error {
		return new(Map[string, EWFlag]).Decode(data, Text[string](), EWFlags(), Limits{})
	},
	"Map of sets": func(data []byte) error {
		return new(Map[string, ORSet[string]]).Decode(data, Text[string](), ORSets(Text[string]()), Limits{})
	},
	"Log": func(data []byte) error { return new(Log[string]).Decode(data, Limits{}) },
}

// What could be written in two ways is taken in one of them, and what no replica can hold in none. The reason tells that the
// right thing was found to be wrong; no reason: the frame is as it should be.
func TestABodyIsReadOnlyAsItWouldBeWritten(t *testing.T) {
	seen := a{"eu", a{1, 3}, "us", a{1, 9}} // node 0 is eu, node 1 is us
	none := a{}
	for _, c := range []struct {
		kind   string
		body   a
		reason string
	}{
		{"GCounter", a{"eu", 1, "us", 2}, ""},
		{"GCounter", a{"us", 1, "eu", 2}, "nodes are not ascending"},
		{"GCounter", a{"us", 1, "us", 2}, "nodes are not ascending"},
		{"GCounter", a{"", 1}, "empty node name"},
		{"GCounter", a{"u s", 1}, "node"},
		{"GCounter", a{"us", 0}, "a total is not above zero"},
		{"GCounter", a{"us", -1}, "a total is not above zero"},
		{"GCounter", a{"us", "1"}, "a number is not in its shortest form"},
		{"GCounter", a{"us", "1.0"}, "a number is not in its shortest form"},
		{"GCounter", a{"us", "0.5"}, ""},
		{"GCounter", a{"us", "x"}, "x"},
		{"GCounter", a{"us"}, "groups of 2"},
		{"PNCounter", a{none}, "an array of 1, not of 2"},
		{"PNCounter", a{none, a{"us", 0}}, "a total is not above zero"},
		{"BoundedCounter", a{none, a{"eu", "eu", 1, "eu", "us", 1, "us", "eu", 1}}, ""},
		{"BoundedCounter", a{none, a{"eu", "us", 1, "eu", "eu", 1}}, "grants are not ascending"},
		{"BoundedCounter", a{none, a{"us", "us", 1, "eu", "eu", 1}}, "grants are not ascending"},
		{"BoundedCounter", a{none, a{"eu", "us", 1, "eu", "us", 1}}, "grants are not ascending"},
		{"BoundedCounter", a{none, a{"eu", "us", 0}}, "a total is not above zero"},
		{"MaxRegister", a{"v"}, ""},
		{"MaxRegister", a{"v", "w"}, "2 values"},
		{"GSet", a{"a", "b"}, ""},
		{"GSet", a{"b", "a"}, "elements are not ascending"},
		{"GSet", a{"a", "c", "b"}, "elements are not ascending"},
		{"GSet", a{"a", "a"}, "elements are not ascending"},
		{"AppendLog", a{seen, 0, 0, a{1, 0, 1, 1, "v", 1, 0, 1, 2, "u"}}, ""},
		{"AppendLog", a{seen, 0, 0, a{1, 0, 1, 1, "v", 1, 0, 1, 1, "v"}}, "entries are not in order"},
		{"AppendLog", a{seen, 0, 0, a{2, 0, 1, 1, "v", 1, 0, 1, 2, "v"}}, "entries are not in order"},
		{"AppendLog", a{seen, 0, 0, a{1, 0, 1, 1, "v", 3, 0, 1, 2, "v", 2, 0, 1, 3, "v"}}, "entries are not in order"},
		{"AppendLog", a{seen, 2, 0, a{1, 0, 1, 1, "v"}}, "entries are not in order"},
		{"AppendLog", a{seen, 1, 0, a{1, 0, 1, 1, "v"}}, ""},
		{"AppendLog", a{seen, 0, int64(1 << 32), none}, "a time is out of range"},
		{"AppendLog", a{seen, 0, int64(1<<32 - 1), none}, ""},
		{"AppendLog", a{seen, int64(clock.MaxWall) + 1, 0, none}, "a time is out of range"},
		{"AppendLog", a{seen, int64(clock.MaxWall), 0, none}, ""},
		{"MVRegister", a{seen, a{0, 1, "v", 1, 1, "u"}}, ""},
		{"MVRegister", a{seen, a{1, 1, "v", 1, 1, "v"}}, "values are not ascending"},
		{"MVRegister", a{seen, a{1, 1, "v", 1, 1, "u"}}, "values are not ascending"},
		{"MVRegister", a{seen, a{1, 2, "v", 1, 1, "v"}}, "values are not ascending"},
		{"MVRegister", a{seen, a{0, 1, "v", 1, 2, "v", 1, 1, "v"}}, "values are not ascending"},
		{"EWFlag", a{seen, a{0, 3, 1, 1, 1, 2}}, ""},
		{"EWFlag", a{seen, a{0, 4}}, "content of a dot that was not seen"},
		{"EWFlag", a{seen, a{0, 0}}, "content of a dot that was not seen"},
		{"EWFlag", a{seen, a{2, 1}}, "a dot of an unknown node"},
		{"EWFlag", a{seen, a{1, 2, 1, 1}}, "dots are not ascending"},
		{"EWFlag", a{seen, a{1, 1, 1, 1}}, "dots are not ascending"},
		{"EWFlag", a{seen, a{0, 1, 1, 2, 1, 1}}, "dots are not ascending"},
		{"EWFlag", a{a{"us", a{1, 1}, "eu", a{1, 1}}, none}, "nodes are not ascending"},
		{"EWFlag", a{a{"us", none}, none}, "a node without runs"},
		{"EWFlag", a{a{"us", a{0, 1}}, none}, "runs of dots are not ascending"},
		{"EWFlag", a{a{"us", a{2, 1}}, none}, "runs of dots are not ascending"},
		{"EWFlag", a{a{"us", a{1, 2, 3, 4}}, none}, "runs of dots are not ascending"},
		{"EWFlag", a{a{"us", a{3, 4, 1, 1}}, none}, "runs of dots are not ascending"},
		{"EWFlag", a{a{"us", a{1, 2, 4, 4, 6, int64(math.MaxInt64)}}, none}, ""},
		{"EWFlag", a{seen, none, none}, "an array of 3, not of 2"},
		{"DWFlag", a{seen, a{none}}, "an array of 1, not of 2"},
		{"ORSet", a{seen, a{a{"y", a{1, 1}, "x", a{1, 2}}, none}}, ""},
		{"ORSet", a{seen, a{a{"x", a{1, 2}, "y", a{1, 1}}, none}}, "keys are not in order"},
		{"ORSet", a{seen, a{a{"x", a{1, 1}, "y", a{1, 3}, "z", a{1, 2}}, none}}, "keys are not in order"},
		{"ORSet", a{seen, a{a{"x", a{1, 1}, "x", a{1, 2}}, none}}, "a key stands twice"},
		{"ORSet", a{seen, a{a{"x", none}, none}}, "a key without content"},
		{"ORSet", a{seen, a{a{"x", a{1, 1}, "y", a{1, 1}}, none}}, "one dot under two keys"},
		{"ORSet", a{seen, a{a{"x", a{1, 1, 1, 2}, "y", a{1, 2}}, none}}, "one dot under two keys"},
		{"ORSet", a{seen, a{none, a{"x", a{"us", a{10, 10}}}}}, ""},
		{"ORSet", a{seen, a{none, a{"x", a{"us", a{9, 10}}}}}, "it waits for what it has seen"},
		{"ORSet", a{seen, a{none, a{"x", none}}}, "it waits for what it has seen"},
		{"ORSet", a{seen, a{none, a{"y", a{"us", a{10, 10}}, "x", a{"us", a{10, 10}}}}}, "keys are not in order"},
		{"ORSet", a{seen, a{none, a{"x", a{"us", a{10, 10}}, "x", a{"us", a{10, 10}}}}}, "keys are not in order"},
		{"RWSet", a{seen, a{a{"x", a{none, a{1, 1}}}, none}}, ""},
		{"RWSet", a{seen, a{a{"x", a{none, none}}, none}}, "a key without content"},
		{"RWSet", a{seen, a{a{"x", a{a{1, 1}, none}, "y", a{none, a{0, 1}}}, none}}, "keys are not in order"},
		{"RWSet", a{seen, a{a{"x", a{a{1, 2}, a{0, 1}}, "y", a{a{1, 1}, none}}, none}}, ""},
		{"RWSet", a{seen, a{a{"x", a{a{0, 1}, a{1, 2}}, "y", a{a{1, 1}, none}}, none}}, ""},
		{"Map of sets", a{seen, a{a{"y", a{none, a{a{"e", a{1, 1}}, none}}, "x", a{none, a{a{"e", a{1, 2}}, none}}}, none}}, ""},
		{"Map of sets", a{seen, a{a{"x", a{none, a{a{"e", a{1, 2}}, none}}, "y", a{none, a{a{"e", a{1, 1}}, none}}}, none}}, "keys are not in order"},
		{"Map of sets", a{seen, a{a{"x", a{none, a{a{"e", a{1, 1}}, none}}, "y", a{none, a{a{"e", a{1, 1}}, none}}}, none}}, "one dot under two keys"},
		{"Map of sets", a{seen, a{a{"x", a{none, a{a{"e", a{1, 1, 1, 3}}, none}}, "y", a{none, a{a{"e", a{1, 3}}, none}}}, none}}, "one dot under two keys"},
		{"ResetCounter", a{seen, a{0, 3, 5, none, 1, 0, 0, a{1, 1, 3, 1}}}, ""},
		{"ResetCounter", a{seen, a{0, 2, 5, a{3, 1}}}, ""},
		{"ResetCounter", a{seen, a{0, 1, 0, none}}, ""},
		{"ResetCounter", a{seen, a{0, 0, 0, none}}, "increments of no node, or none"},
		{"ResetCounter", a{seen, a{0, 0, 1, a{1, 1}}}, "increments of no node, or none"},
		{"ResetCounter", a{seen, a{2, 0, 0, a{1, 1}}}, "increments of no node, or none"},
		{"ResetCounter", a{seen, a{1, 0, 0, a{1, 1}, 0, 0, 0, a{1, 1}}}, "increments of no node, or none"},
		{"ResetCounter", a{seen, a{1, 0, 0, a{1, 1}, 1, 0, 0, a{2, 1}}}, "increments of no node, or none"},
		{"ResetCounter", a{seen, a{0, 4, 5, none}}, "increments are folded that were not seen"},
		{"ResetCounter", a{seen, a{0, 2, 5, a{2, 1}}}, "increments are not ascending, or were not seen"},
		{"ResetCounter", a{seen, a{0, 0, 0, a{2, 1, 1, 1}}}, "increments are not ascending, or were not seen"},
		{"ResetCounter", a{seen, a{0, 0, 0, a{1, 1, 1, 1}}}, "increments are not ascending, or were not seen"},
		{"ResetCounter", a{seen, a{0, 0, 0, a{4, 1}}}, "increments are not ascending, or were not seen"},
		{"ResetCounter", a{seen, a{0, 0, 0, a{0, 1}}}, "increments are not ascending, or were not seen"},
		{"Map", a{seen, a{a{"x", a{a{"us", a{1, 2}}, a{1, 3}}}, none}}, ""},
		{"Map", a{seen, a{a{"x", a{none, none}}, none}}, "a key without content"},
		{"Map", a{seen, a{a{"x", a{a{"us", a{1, 2}}, none}, "y", a{a{"us", a{1, 3}}, none}}, none}}, ""},
		{"Map", a{seen, a{a{"y", a{a{"us", a{1, 2}}, none}, "x", a{a{"us", a{1, 3}}, none}}, none}}, "keys are not in order"},
		{"Map", a{seen, a{a{"x", a{a{"us", a{2, 3}}, none}}, none}}, "deletes are not in one run"},
		{"Map", a{seen, a{a{"x", a{a{"us", a{1, 1, 3, 3}}, none}}, none}}, "deletes are not in one run"},
		{"Map", a{seen, a{a{"x", a{a{"us", a{1, 10}}, none}}, none}}, ""}, // a write had seen them, and came first
		{"Map", a{seen, a{a{"x", a{a{"ap", a{1, 1}}, none}}, none}}, ""},
		{"Map", a{a{"us", a{3, 3}}, a{a{"x", a{a{"us", a{1, 3}}, none}}, none}}, ""}, // an earlier delete is still on its way
	} {
		name, _, _ := strings.Cut(c.kind, " ")
		err := decoders[c.kind](laidOut(name, c.body))
		if c.reason == "" {
			assert.NoError(t, err, "%s %v", c.kind, c.body)
			continue
		}
		assert.ErrorIs(t, err, ErrFrame, "%s %v", c.kind, c.body)
		assert.ErrorContains(t, err, c.reason, "%s %v", c.kind, c.body)
	}
}

// After the first mistake nothing more is read: neither is a codec asked, nor is room made for all that was declared to follow.
func TestNothingIsReadAfterAMistake(t *testing.T) {
	seen := a{"us", a{1, 9}}
	for _, c := range []struct {
		kind string
		head []any // of a body, of which the last array has many items
		most int   // bytes of memory for one of the frame
	}{
		{"GCounter", []any{many, "us", "x"}, 1},
		{"BoundedCounter", []any{arrayOf(2), a{}, many, "us", "us", "x"}, 1},
		{"GSet", []any{many, "b", "a"}, 12},
		{"AppendLog", []any{arrayOf(4), seen, 0, 0, many, 1, 0, 0, 1, "v", 0, 0, 0, 1, "v"}, 12},
		{"MVRegister", []any{arrayOf(2), seen, many, 0, 2, "v", 0, 1, "v"}, 1},
		{"EWFlag", []any{arrayOf(2), seen, many, 0, 2, 0, 1}, 1},
		{"EWFlag", []any{arrayOf(2), seen, many, 0, 2, "x"}, 1},
		{"EWFlag", []any{arrayOf(2), many, "us", a{1, 1}, "us", a{1, 1}}, 1},
		{"EWFlag", []any{arrayOf(2), arrayOf(2), "us", many, 2, 1}, 1},
		{"ORSet", []any{arrayOf(2), seen, arrayOf(2), many, "x", a{0, 1}, "x", a{0, 2}}, 16},
		{"ORSet", []any{arrayOf(2), seen, arrayOf(2), many, "x", a{0, 10}}, 16},
		{"ORSet", []any{arrayOf(2), seen, arrayOf(2), a{}, many, "x", a{}}, 1},
		{"ResetCounter", []any{arrayOf(2), seen, many, 0, 0, 0, a{}}, 1},
		{"ResetCounter", []any{arrayOf(2), seen, many, "x"}, 1},
		{"ResetCounter", []any{arrayOf(2), seen, arrayOf(4), 0, 0, 0, many, 2, 1, 1, 1}, 8},
		{"ResetCounter", []any{arrayOf(2), seen, many, 0, 10, 1, a{}}, 1},
		{"Log", []any{arrayOf(6), 1, many, "us", "us"}, 1},
	} {
		data := must(encode(nil, c.kind, func(w *writer) {
			for _, v := range c.head {
				if n, ok := v.(arrayOf); ok {
					w.array(int(n))
				} else {
					w.lay(v)
				}
			}
			w.b = append(w.b, make([]byte, many)...) // what is declared is there
		}))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := decoders[c.kind](data)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, ErrFrame, "%s %v", c.kind, c.head)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(c.most*len(data)), "%s %v", c.kind, c.head)
	}

	asked := 0
	counting := Codec[string]{Append: Text[string]().Append, Read: func(b []byte) (string, []byte, error) {
		asked++
		return Text[string]().Read(b)
	}}
	data := laidOut("MVRegister", a{seen, a{0, 10, "v"}})
	require.ErrorIs(t, new(MVRegister[string]).Decode(data, counting, Limits{}), ErrFrame)
	assert.Zero(t, asked)
}

// arrayOf is the head of an array whose items follow.
type arrayOf int

const many arrayOf = 60 << 12 // groups of 2, 3, 4 and 5

// A codec that reads two texts as one value makes of a set one that has an element twice.
func TestAnElementThatACarelessCodecReadsTwiceIsRefused(t *testing.T) {
	folding := Text[string]()
	folding.text = func(s string) string { return strings.ToLower(s) }
	assert.ErrorContains(t, new(GSet[string]).Decode(laidOut("GSet", a{"A", "a"}), folding, Limits{}), "an element stands twice")
	seen := a{"us", a{1, 2}}
	assert.ErrorContains(t, new(ORSet[string]).Decode(laidOut("ORSet", a{seen, a{a{"A", a{0, 1}, "a", a{0, 2}}, a{}}}), folding, Limits{}), "a key stands twice")
}

// Short strings out of one frame share memory, so that not each of them is an allocation.
func TestShortStringsOfAFrameAreMadeManyAtOnce(t *testing.T) {
	const n = 1000
	var s GSet[string]
	for _, e := range elements(0, n) {
		must(s.Add(e))
	}
	data := must(s.Encode(nil, Text[string]()))
	allocations := testing.AllocsPerRun(10, func() {
		var read GSet[string]
		if err := read.Decode(data, Text[string](), Limits{}); err != nil {
			t.Fatal(err)
		}
	})
	assert.Less(t, allocations, float64(n/10))
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

// What is around a body has its reasons too.
func TestAFrameOfAnotherKindIsRefused(t *testing.T) {
	seal := func(b []byte) []byte {
		return binary.BigEndian.AppendUint32(append(b, 0xce), crc32.Checksum(b, castagnoli))
	}
	for reason, data := range map[string][]byte{
		"":                                   seal([]byte("\x94\xa4GSet\x01\xc6\x00\x00\x00\x01\x90")),
		"an array of 3":                      seal([]byte("\x93\xa4GSet\x01\xc6\x00\x00\x00\x01\x90")),
		`it is of type "ISet", not "GSet"`:   seal([]byte("\x94\xa4ISet\x01\xc6\x00\x00\x00\x01\x90")),
		"version 2, known is 1":              seal([]byte("\x94\xa4GSet\x02\xc6\x00\x00\x00\x01\x90")),
		"the length is not that of the data": seal([]byte("\x94\xa4GSet\x01\xc6\x00\x00\x00\x02\x90")),
		"the checksum is wrong":              append(seal([]byte("\x94\xa4GSet\x01\xc6\x00\x00\x00\x01\x90"))[:17], 0),
		"1 bytes are left over":              seal([]byte("\x94\xa4GSet\x01\xc6\x00\x00\x00\x02\x90\x90")),
	} {
		err := decoders["GSet"](data)
		if reason == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorIs(t, err, ErrFrame, reason)
		assert.ErrorContains(t, err, reason)
	}
	short := seal([]byte("\x94\xa4GSet\x01\xc6\x00\x00\x00\x00"))
	assert.ErrorContains(t, decoders["GSet"](short), "it ends too early", "a body of nothing")
	for n := range short {
		assert.ErrorIs(t, decoders["GSet"](short[:n]), ErrFrame)
	}
	assert.ErrorContains(t, new(GSet[string]).Decode(short, Text[string](), Limits{Bytes: 1}), "the limit is 1")
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
		{"cb 8000000000000000", float}, {"cb 7ff8000000000000", float}, {"ca 00000000", float}, {"cb", float}, {"01", float}, {"cb 3ff0000000000001", single}, {"cf 3ff0000000000000", float},
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
		_, rest, err = c.Read(b[1:])
		require.NoError(t, err, "%v with nothing after it", v)
		assert.Empty(t, rest)
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
	_, _, err = point.Read([]byte{0xc4, 1, 2})
	assert.ErrorContains(t, err, "read value: 1 bytes", "what parse says")
	_, _, err = Float[float64]().Read([]byte{0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0})
	assert.ErrorIs(t, err, ErrNaN)
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
	data, err := s.Encode([]byte("before"), Text[string]())
	require.ErrorIs(t, err, ErrTooLarge)
	assert.Equal(t, "before", string(data))
	var last ORSet[string]
	must(last.AddAt(clock.Dot{Node: "us", Seq: MaxSeq}, "x", clock.Vector{}))
	must(last.Encode(nil, Text[string]()))

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

// The keys of a frame stand in the order of their writes, whatever they are and whatever is under them.
func TestKeysStandInTheOrderOfTheirWrites(t *testing.T) {
	texts := Text[string]()
	order := []string{"zz", "yy", "xx", "ww"}
	for name, frame := range map[string]func() []byte{
		"ORSet": func() []byte {
			var s ORSet[string]
			for _, k := range order {
				must(s.Add("us", k))
			}
			return must(s.Encode(nil, texts))
		},
		"RWSet": func() []byte {
			var s RWSet[string]
			for _, k := range order {
				must(s.Add("us", k))
			}
			return must(s.Encode(nil, texts))
		},
		"Map of MVRegister": func() []byte {
			var m Map[string, MVRegister[string]]
			for _, k := range order {
				must(m.Write(k, func(r *MVRegister[string]) (MVRegister[string], error) { return r.Write("us", "v") }))
			}
			return must(m.Encode(nil, texts, MVRegisters(texts)))
		},
	} {
		b := frame()
		last := -1
		for _, k := range order {
			at := bytes.Index(b, []byte(k))
			assert.Greater(t, at, last, "%s: %s", name, k)
			last = at
		}
	}
}

// A remove under a key that can't be there is seen, and nothing is waited for.
func TestARemoveUnderANaNLeavesNothingBehind(t *testing.T) {
	var m, seen Map[float64, EWFlag]
	d := clock.Dot{Node: "us", Seq: 3}
	assert.True(t, m.RemoveAt(d, math.NaN(), clock.Up("eu", 9)))
	assert.False(t, m.RemoveAt(d, math.NaN(), clock.Up("eu", 9)))
	var v clock.Vector
	v.Add(d)
	seen.Note(v)
	assert.Equal(t, must(seen.Encode(nil, Float[float64](), EWFlags())), must(m.Encode(nil, Float[float64](), EWFlags())))
}

// Of one total it matters up to which dot it was settled.
func TestTotalsThatWereSettledFurtherAreNotEqual(t *testing.T) {
	settled := func(upTo uint64) ResetCounter {
		var c ResetCounter
		c.AddAt(clock.Dot{Node: "us", Seq: 1}, DecimalOf(5))
		c.Note(clock.Up("us", 2))
		c.Settle(clock.Up("us", upTo))
		return c
	}
	one, two := settled(1), settled(2)
	assert.True(t, one.Equal(settled(1)))
	assert.False(t, one.Equal(two))
	assert.NotEqual(t, must(one.Encode(nil)), must(two.Encode(nil)))
}
