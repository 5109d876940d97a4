package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/disk"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// manyKeys is a history of many keys under several rules, with duplicates, deletes and keys that look alike.
func manyKeys(writes int) (us, eu string) {
	var lists [2][]string
	for seed := 0; len(lists[0]) < writes; seed++ {
		ops := simulate(uint64(seed), 20, []string{"map", "list", "nothing"})
		for i, o := range ops {
			name := "k"
			if i%5 == 0 {
				name = "K"
			}
			line := strings.Replace(o.line(ops), fmt.Sprintf("k/%d", o.key), fmt.Sprintf("%s/%d/%d/%d", name, seed%5, seed/2, o.key), 1)
			if i%7 == 6 {
				line = fmt.Sprintf(`{"key":"k/%d/%d/%d","op":"delete","node":%q,"time":%d,"id":%q}`, seed%5, seed/2, o.key, simNodes[o.node], o.time, o.id())
			}
			lists[0] = append(lists[0], line)
			if i%3 > 0 {
				lists[1] = append(lists[1], line)
			}
		}
	}
	return strings.Join(lists[0], "\n"), strings.Join(lists[1], "\n")
}

// However little memory there is, and however many goroutines fold, all that is said of a history is the same.
func TestMemoryDoesNotShow(t *testing.T) {
	tables := []*merge.Table{
		merge.MustParseTable("nodes ap < eu < us\nk/0/* * keep-all\nk/1/* * counter\nk/2/* f add-wins\nk/3/* f lww\n* * lww\nunique * f\ncheck * f <= 1"),
		merge.MustParseTable("nodes ap < eu < us\n* * max"),
		merge.MustParseTable("nodes us < eu < ap\n* * lww"),
	}
	writes, memories, workers := 4000, []int64{1, 10_000, 200_000, 2 << 20}, []int{1, 2, 5}
	if testing.Short() {
		writes, memories, workers = 1000, []int64{1, 50_000}, []int{3}
	}
	us, eu := manyKeys(writes)
	said := func(memory int64, workers int, saved bool) string {
		dir := t.TempDir()
		read := history.Options{Memory: memory, Temp: dir, Workers: workers}
		h, err := Collect([]history.Source{
			{Name: "us", Region: "us", Open: sourceOf("", us).Open},
			{Name: "eu", Region: "eu", Open: sourceOf("", eu).Open},
		}, read)
		require.NoError(t, err)
		if memory > 0 {
			h.lengths.bite = 150 // a part is folded in several, of which not all are gathered at once
		}
		if saved {
			var b bytes.Buffer
			require.NoError(t, h.Save(&b))
			require.NoError(t, h.Close())
			loaded, err := Load(&b, read)
			require.NoError(t, err)
			h, err = Collect(nil, read)
			require.NoError(t, err)
			h.Join(loaded)
		}
		var b strings.Builder
		b.WriteString(toJSON(t, h.Run(tables[0], Options{Workers: workers, State: func(l StateLine) { fmt.Fprintln(&b, l) }})))
		b.WriteString(toJSON(t, h.Diff(tables, Options{Workers: workers})))
		b.WriteString(toJSON(t, h.Laws(tables[0], Options{Workers: workers})))
		story, err := h.Why(tables[0], "k/0/15/1", nil, Options{})
		require.NoError(t, err)
		b.WriteString(toJSON(t, story))
		_, err = h.Why(tables[0], "k/0/15/", nil, Options{})
		require.ErrorContains(t, err, "did you mean")
		b.WriteString(err.Error())
		require.NoError(t, h.Err())
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.Empty(t, left, "the temporary file has no name")
		require.NoError(t, h.Close())
		return b.String()
	}
	want := said(-1, 1, false)
	for _, memory := range memories {
		for _, n := range workers {
			require.Equal(t, want, said(memory, n, false), "memory %d, %d workers", memory, n)
		}
		require.Equal(t, want, said(memory, 2, true), "memory %d, saved and loaded", memory)
	}
}

// A report is nothing to rely on when what did not fit into memory can't be written, or not be read back.
func TestAFullDiskIsAnError(t *testing.T) {
	us, _ := manyKeys(2000)
	_, err := Collect([]history.Source{sourceOf("us", us)}, history.Options{Memory: 1, Temp: filepath.Join(t.TempDir(), "none")})
	require.ErrorIs(t, err, os.ErrNotExist)

	h, err := Collect([]history.Source{sourceOf("us", us)}, history.Options{Memory: 1, Temp: t.TempDir()})
	require.NoError(t, err)
	require.NoError(t, h.Close())
	h.Run(lwwTable, Options{})
	require.ErrorIs(t, h.Err(), os.ErrClosed)
}

// Whatever the number of workers, the blocks that they have open take an eighth of the memory.
func TestOpenBlocksFitIntoTheMemory(t *testing.T) {
	for _, m := range []memory{32 << 20, 256 << 20, 4 << 30} {
		for workers := 1; workers <= 1024; workers *= 2 {
			size := m.block(workers)
			require.GreaterOrEqual(t, size, firstBlock)
			require.LessOrEqual(t, size, mostBlock)
			if size > firstBlock {
				require.LessOrEqual(t, size*partitions*workers, int(m)/8, "%d bytes, %d workers", m, workers)
			}
			require.Zero(t, m.piece()%size, "pieces hold whole blocks")
		}
	}
	require.Equal(t, mostBlock, memory(256<<20).block(2))
	require.Equal(t, mostBlock, memory(-1).block(64))
}

// Blocks of every size are cut from the store's pieces and go back to it; what was made for one long record does not.
func TestBlocksThatAreGivenBackAreUsedAgain(t *testing.T) {
	s := newStore(32<<20, t.TempDir(), 2)
	for size := firstBlock; size <= s.most; size *= 2 {
		b := s.block(size)
		require.Empty(t, b)
		require.Equal(t, size, cap(b))
		require.True(t, size < disk.Align || disk.Aligned(b[:1]), "a block of %d bytes after others", size)
		s.giveBack(append(b, 1))
		again := s.block(size)
		require.Empty(t, again)
		require.Same(t, &b[:1][0], &again[:1][0])
		require.NotSame(t, &again[:1][0], &s.block(size)[:1][0])
	}
	s.giveBack(make([]byte, 0, s.most+1))
	s.giveBack(nil)
	for _, free := range s.free {
		require.Empty(t, free)
	}
}

// What a run takes to put the records of a part in order it gives back: the next one makes do with it.
func TestARunGivesItsMemoryBack(t *testing.T) {
	us, _ := manyKeys(20_000)
	h, err := Collect([]history.Source{sourceOf("us", us)}, history.Options{Memory: 1 << 20, Temp: t.TempDir(), Workers: 1})
	require.NoError(t, err)
	defer h.Close()
	h.lengths.bite = 1 << 10
	free := func() (bytes int) {
		for size, blocks := range h.store.free {
			bytes += size * len(blocks)
		}
		return bytes
	}
	before := free()
	h.Run(lwwTable, Options{Workers: 1})
	after := free()
	require.GreaterOrEqual(t, after, before)
	h.Run(lwwTable, Options{Workers: 1})
	require.Equal(t, after, free())
	require.NoError(t, h.Err())
}

// A shelf that leaves no room in its blocks gives the roomy ones back, and one that is in the spool gives back all.
func TestAShelfGivesBackWhatItDoesNotHold(t *testing.T) {
	for _, m := range []memory{32 << 20, 1} {
		s := newStore(m, t.TempDir(), 1)
		f := newFiller(s, 2)
		f.tight = m > 1
		f.put(0, make([]byte, firstBlock/2))
		f.put(1, make([]byte, firstBlock/2))
		shelves, err := f.close()
		require.NoError(t, err)
		require.Len(t, s.free[firstBlock], 2)
		for i := range shelves {
			require.Equal(t, firstBlock/2, shelves[i].size)
		}
		require.NoError(t, s.spool.close())
	}
}

// Whatever their lengths, all records that a filler takes are in its shelves in the end, whole, and it gives its stages back.
func TestAFillerKeepsAllRecords(t *testing.T) {
	for _, m := range []memory{1, 10 << 20, history.DefaultMemory, -1} {
		r := rand.New(rand.NewPCG(uint64(m), 1))
		s := newStore(m, t.TempDir(), 1)
		f := newFiller(s, 3)
		put := make([][]string, 3)
		for i := range 6000 {
			size := 8 + r.IntN(100)
			switch r.IntN(40) {
			case 0:
				size = stageBytes - 1 + r.IntN(3)
			case 1:
				size = r.IntN(3 * stageBytes)
			case 2:
				if i%10 == 0 {
					size = r.IntN(2 * mostBlock)
				}
			}
			record := binary.LittleEndian.AppendUint32(nil, uint32(size))
			for range size {
				record = append(record, byte(r.Uint32()))
			}
			p := r.IntN(3) * r.IntN(2) // most to the first
			if len(record) > f.most || i%2 == 0 {
				f.put(p, record)
			} else { // as those do who lay out a record where it goes
				to := f.room(p, len(record))
				require.GreaterOrEqual(t, cap(to)-len(to), len(record))
				f.open[p] = append(to, record...)
			}
			put[p] = append(put[p], string(record))
		}
		shelves, err := f.close()
		require.NoError(t, err)
		for p := range shelves {
			var got []string
			size := 0
			require.NoError(t, s.each(&shelves[p], func(b []byte) error {
				size += len(b)
				for len(b) > 0 {
					n := 4 + binary.LittleEndian.Uint32(b)
					got = append(got, string(b[:n]))
					b = b[n:]
				}
				return nil
			}))
			require.Equal(t, shelves[p].size, size)
			slices.Sort(got)
			slices.Sort(put[p])
			require.True(t, slices.Equal(put[p], got), "memory %d, shelf %d", m, p)
		}
		if s.most >= 2*stageBytes {
			require.GreaterOrEqual(t, len(s.free[stageBytes]), 3, "memory %d", m)
		}
		require.NoError(t, s.close())
	}
}

func TestAnExtentIsSmallAndKeepsWhatItIsGiven(t *testing.T) {
	require.Equal(t, uintptr(12), unsafe.Sizeof(extent{}))
	for _, file := range []int{0, 1, spoolFiles - 1, directFile} {
		for _, offset := range []int64{0, 1, 1<<29 - 1, 1 << 32, 1<<45 + 4096, 1<<60 - 1} {
			for _, size := range []int{0, 1, mostBlock, 1<<31 - 1} {
				e := newExtent(file, offset, size)
				require.Equal(t, []any{file, offset, size}, []any{e.file(), e.offset(), e.size()})
				if offset < 1<<60-1 {
					require.Equal(t, newExtent(file, offset+1, size), e.part(1, size))
				}
			}
		}
	}
}
