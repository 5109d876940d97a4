package crdt

import (
	"bytes"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
)

// Whatever is added and removed, a table holds what a Go map does, small and large.
func TestATableIsAMap(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, keys := range []int{3, 9, 12, 40, 300, 2500} {
		var has table[int, int]
		want := map[int]int{}
		for i := range 20 * keys {
			k := r.Intn(keys)
			switch r.Intn(5) {
			case 0, 1, 2:
				at, isNew := has.need(k)
				_, known := want[k]
				require.Equal(t, !known, isNew)
				require.Equal(t, k, has.rows[at].key)
				has.rows[at].held = i
				want[k] = i
			default:
				if at := has.find(k); at >= 0 {
					has.remove(at)
				}
				delete(want, k)
			}
			if r.Intn(200) == 0 {
				has.grow(r.Intn(3000))
			}
			require.Len(t, has.rows, len(want))
			for _, k := range []int{k, r.Intn(keys)} {
				v, known := want[k]
				if held := has.get(k); known {
					require.NotNil(t, held)
					require.Equal(t, v, *held)
				} else {
					require.Nil(t, held)
				}
			}
			if i%keys == 0 {
				for k, v := range want {
					require.Equal(t, v, *has.get(k))
				}
				for i := range has.rows {
					require.Equal(t, want[has.rows[i].key], has.rows[i].held)
				}
			}
		}
		used := 0
		for _, slot := range has.slots {
			used += btoi(slot != 0)
		}
		if has.slots != nil {
			require.Equal(t, len(want), used, "a slot for every row, and for no other")
			require.LessOrEqual(t, used, len(has.slots)/4*3, "enough are free")
		}
	}
}

// Room that is made at once is enough, and takes away nothing.
func TestATableWithRoomDoesNotMoveItsRows(t *testing.T) {
	var has table[int, int]
	for k := range 20 {
		*has.add(k) = k
	}
	has.grow(2000)
	first, slots := &has.rows[0], &has.slots[0]
	for k := range 2000 {
		*has.add(100 + k) = k
	}
	assert.Same(t, first, &has.rows[0])
	assert.Same(t, slots, &has.slots[0])
	assert.Equal(t, 7, *has.get(7))
	assert.Equal(t, 1999, *has.get(2099))
}

func TestPiecesAreSortedByTheirBytes(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, common := range []string{"", "a", "the same for all, "} {
		for n := range 100 {
			var words []string
			for range r.Intn(30) + n/90*400 { // the last are many, which are dealt
				words = append(words, common+strings.Repeat(string(rune('a'+r.Intn(26))), r.Intn(3)*(n/90))+strings.Repeat("x", r.Intn(12))+strings.Repeat("\x00", r.Intn(3))+string([]byte{byte(r.Intn(4))})[:r.Intn(2)])
			}
			var buffer []byte
			var pieces []piece
			for _, w := range words {
				pieces = append(pieces, piece{from: len(buffer), to: len(buffer) + len(w)})
				buffer = append(buffer, w...)
			}
			sortPieces(buffer, pieces)
			var got []string
			for _, p := range pieces {
				got = append(got, string(p.of(buffer)))
			}
			slices.Sort(words)
			require.Equal(t, words, got)
		}
	}
}

// Short strings of a frame share pages, long ones do not; none is cut or mixed with another.
func TestStringsOfEveryLengthComeBack(t *testing.T) {
	var s GSet[string]
	for n := range 400 {
		must(s.Add(strings.Repeat(string(rune('a'+n%26)), n)))
		must(s.Add("\xff" + strings.Repeat("b", n)))
	}
	data := must(s.Encode(nil, Text[string]()))
	var read GSet[string]
	require.NoError(t, read.Decode(data, Text[string](), Limits{}))
	assert.Equal(t, s.Elements(), read.Elements())
	clear(data)
	assert.Equal(t, s.Elements(), read.Elements(), "what is read shares no memory with the frame")
	bad := must(s.Encode(nil, Codec[string]{Append: func(b []byte, v string) []byte {
		return append(append(b, 0xc4, byte(len(v)%256)), v[:len(v)%256]...) // all as bytes, also what is UTF-8
	}}))
	assert.ErrorIs(t, read.Decode(bad, Text[string](), Limits{}), ErrFrame)
}

// A key of which nothing is left but its deletes has no dot to stand by: such keys stand first, by their bytes.
func TestKeysWithoutDotsStandInTheOrderOfTheirBytes(t *testing.T) {
	form := EWFlags()
	encoded := func(keys ...string) []byte {
		var m Map[string, EWFlag]
		must(m.Write("z", func(f *EWFlag) (EWFlag, error) { return f.Enable("us"), nil }))
		for _, k := range keys {
			m.Merge(deleteOf[string, EWFlag](clock.Dot{Node: "us", Seq: 2}, k))
		}
		return must(m.Encode(nil, Text[string](), form))
	}
	abc := encoded("a", "b", "c")
	for _, keys := range [][]string{{"a", "c", "b"}, {"c", "b", "a"}, {"b", "a", "c"}} {
		assert.Equal(t, abc, encoded(keys...))
	}
	assert.Less(t, bytes.Index(abc, []byte("\xa1c\x92")), bytes.Index(abc, []byte("\xa1z\x92")), "before those that have dots")

	frame := func(keys ...string) []byte {
		return must(encode(nil, "Map", func(w *writer) {
			w.array(2)
			seen := clock.Up("us", 2)
			w.vector(&seen)
			w.array(2)
			w.array(2 * len(keys))
			for _, k := range keys {
				w.text(k)
				w.array(2)
				w.vector(&seen)
				w.array(0)
			}
			w.array(0)
		}))
	}
	var read Map[string, EWFlag]
	assert.NoError(t, read.Decode(frame("a", "b", "c"), Text[string](), form, Limits{}))
	for _, keys := range [][]string{{"b", "a"}, {"a", "c", "b"}, {"a", "b", "a"}, {"a", "a"}} {
		assert.ErrorIs(t, read.Decode(frame(keys...), Text[string](), form, Limits{}), ErrFrame, keys)
	}
}

// A merge looks at about as many keys that wait as it brings, so what has nothing more to wait for does not stay for long.
func TestAMergeEndsTheWaitsThatItAnswers(t *testing.T) {
	var s, other ORSet[int]
	for i := range 100 {
		must(s.AddAt(clock.Dot{Node: "us", Seq: uint64(10*i) + 10}, i, clock.Up("us", uint64(10*i)+9)))
		must(other.AddAt(clock.Dot{Node: "us", Seq: uint64(10*i) + 5}, -i-1, clock.Vector{}))
		other.RemoveAt(clock.Dot{}, 1000+i, clock.Up("eu", 1))
	}
	other.Note(clock.Up("us", 1000))
	require.Len(t, s.state.body.waiting.rows, 100)
	s.Merge(other)
	s.Merge(other)
	assert.Len(t, s.state.body.waiting.rows, 100, "those for eu are left")
	for i := range s.state.body.waiting.rows {
		assert.GreaterOrEqual(t, s.state.body.waiting.rows[i].key, 1000)
	}
}
