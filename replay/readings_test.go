package replay

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// readLine is a line of a history, and what ReadKeys should say of it.
type readLine struct {
	text string
	key  string
	read *Read // nil for a write
	call Call
}

// linesOfReads makes writes, of which some say when they were called and some come again, and reads, of keys of which some are written
// and never read or the other way round; key 0 has a third of all.
func linesOfReads(seed uint64, n, keys int) (lines []readLine) {
	r := rand.New(rand.NewPCG(seed, 3))
	for len(lines) < n {
		k := max(r.IntN(keys*3/2)-keys/2, 0)
		at := finding.Place{File: "h", Line: int64(len(lines) + 1)}
		l := readLine{key: fmt.Sprintf("k/%d", k), call: Call{Start: 1e18 + r.Int64N(1e9), Session: strings.Repeat("s", r.IntN(3))}}
		l.call.End = l.call.Start + int64(r.IntN(1e9))
		session := ""
		if l.call.Session != "" {
			session = fmt.Sprintf(`,"session":%q`, l.call.Session)
		}
		switch {
		case k%7 != 1 && r.IntN(2) == 0:
			l.read = &Read{Place: at, Want: "strong", Saw: fmt.Sprint("n:", r.IntN(n)+1), ServedBy: strings.Repeat("eu", r.IntN(2)), Field: strings.Repeat("f", r.IntN(2)),
				Session: l.call.Session, Start: l.call.Start, End: l.call.End}
			served, field := "", ""
			if l.read.ServedBy != "" {
				served = `,"served_by":"eu"`
			}
			if l.read.Field != "" {
				field = `,"field":"f"`
			}
			saw := fmt.Sprintf("%q", l.read.Saw)
			switch n := r.Uint64N(9); { // an id and a version may have the same digits
			case n < 2:
				l.read.Saw = fmt.Sprint(n)
				saw = fmt.Sprintf("%q", l.read.Saw)
			case n < 4:
				l.read.Saw, l.read.SawVersion, l.read.HasSawVersion = "", n-2, true
				saw = fmt.Sprint(n - 2)
			}
			l.text = fmt.Sprintf(`{"op":"read","key":%q,"want":"strong","saw":%s,"start":%d,"end":%d%s%s%s}`, l.key, saw, l.call.Start, l.call.End, session, served, field)
		case k%7 == 2:
			continue
		case r.IntN(8) == 0 && len(lines) > 0 && lines[len(lines)-1].read == nil: // the first delivery is the one that counts
			l = lines[len(lines)-1]
		case r.IntN(4) == 0:
			l.call = Call{}
			l.text = fmt.Sprintf(`{"key":%q,"value":1,"node":"n","id":"n:%d"}`, l.key, len(lines)+1)
		default:
			l.text = fmt.Sprintf(`{"key":%q,"value":1,"node":"n","id":"n:%d","start":%d,"end":%d%s}`, l.key, len(lines)+1, l.call.Start, l.call.End, session)
		}
		lines = append(lines, l)
	}
	return lines
}

// TestReadKeysGivesEveryKeyThatWasRead holds what is read back, with any memory and any number of goroutines, to the lines.
func TestReadKeysGivesEveryKeyThatWasRead(t *testing.T) {
	lines := linesOfReads(1, 3000, 60)
	var text []string
	ofKey := make(map[string]int) // records that count
	want := make(map[string][]Read)
	calls := make(map[string]Call) // by id
	seen := make(map[string]bool)
	all := int64(0)
	for i, l := range lines {
		text = append(text, l.text)
		if ofKey[l.key]++; l.read != nil {
			want[l.key] = append(want[l.key], *l.read)
			all++
		} else if !seen[l.text] {
			seen[l.text] = true
			calls[fmt.Sprint("n:", i+1)] = l.call
		}
	}
	for _, memory := range []int64{-1, 0, 1 << 20, 1 << 18, 1} {
		for _, workers := range []int{1, 3} {
			h, err := Collect([]history.Source{sourceOf("h", strings.Join(text, "\n"))}, history.Options{Reads: true, Memory: memory, Workers: workers})
			require.NoError(t, err)
			require.Equal(t, all, h.Reads())
			most := h.store.atOnce()
			got := make(map[string][]Read)
			var mu sync.Mutex
			left := h.ReadKeys(Options{Workers: workers}, func(worker int, k *KeyOperations) {
				mu.Lock()
				defer mu.Unlock()
				require.Less(t, worker, workers)
				name := strings.Clone(k.Key)
				require.NotContains(t, got, name, "twice")
				for _, r := range k.Reads {
					for _, text := range []*string{&r.Saw, &r.Want, &r.ServedBy, &r.Session, &r.Field} {
						*text = strings.Clone(*text)
					}
					got[name] = append(got[name], r)
				}
				for _, o := range k.Ops {
					require.Equal(t, calls[o.ID], o.Call, o.ID)
				}
			})
			require.NoError(t, h.Err())
			wantLeft := int64(0)
			for key, list := range want {
				if most > 0 && ofKey[key] > most {
					wantLeft += int64(len(list))
					require.NotContains(t, got, key)
					continue
				}
				require.Equal(t, list, got[key], "%s with %d bytes", key, memory)
				delete(got, key)
			}
			require.Empty(t, got)
			require.Equal(t, wantLeft, left)
			require.NoError(t, h.Close())
		}
	}
	require.Greater(t, slices.Max(counted(ofKey)), 192, "the longest is too long for the middle memory")
}

func counted(of map[string]int) (counts []int) {
	for _, n := range of {
		counts = append(counts, n)
	}
	return counts
}

// TestKeysThatAreTooLongAreLeftOut: by one operation or read, and with all their reads; however large the records are, and whether
// their shelf has to be split.
func TestKeysThatAreTooLongAreLeftOut(t *testing.T) {
	const memory = 1 << 20
	most := newStore(memory, "", 1).atOnce()
	for _, size := range []int{1, 500} {
		var lines []string
		session := strings.Repeat("s", size)
		for k := range 12 {
			writes := most / 2
			reads := most - writes + k%2 // one too many for every other key
			for i := range writes {
				lines = append(lines, fmt.Sprintf(`{"key":"k/%d","value":1,"node":"n","id":"n:%d-%d","session":%q,"start":1500000000000000001}`, k, k, i, session))
			}
			for range reads {
				lines = append(lines, fmt.Sprintf(`{"op":"read","key":"k/%d","session":%q}`, k, session))
			}
		}
		for _, workers := range []int{1, 2} {
			h, err := Collect([]history.Source{sourceOf("h", strings.Join(lines, "\n"))}, history.Options{Reads: true, Memory: memory, Workers: workers})
			require.NoError(t, err)
			var mu sync.Mutex
			var visited []string
			left := h.ReadKeys(Options{Workers: workers}, func(_ int, k *KeyOperations) {
				mu.Lock()
				defer mu.Unlock()
				visited = append(visited, strings.Clone(k.Key))
				require.Len(t, k.Ops, most/2)
				require.Len(t, k.Reads, most-most/2)
			})
			require.NoError(t, h.Err())
			slices.Sort(visited)
			require.Equal(t, []string{"k/0", "k/10", "k/2", "k/4", "k/6", "k/8"}, visited)
			require.EqualValues(t, 6*(most-most/2+1), left)
			require.NoError(t, h.Close())
		}
	}
}

// saysOfReads is all that a history says of its reads.
func saysOfReads(t *testing.T, h *History) string {
	var mu sync.Mutex
	var said []string
	left := h.ReadKeys(Options{}, func(_ int, k *KeyOperations) {
		text := fmt.Sprintf("%s: %+v\n", k.Key, k.Reads)
		for _, o := range k.Ops {
			text += fmt.Sprintf("%s %+v %+v\n", o.ID, o.Place, o.Call)
		}
		mu.Lock()
		defer mu.Unlock()
		said = append(said, text)
	})
	require.NoError(t, h.Err())
	require.Zero(t, left)
	slices.Sort(said)
	return fmt.Sprint(h.Reads(), "\n", strings.Join(said, ""))
}

// However a history comes together, of inputs that are read, of partials, of others that join it, or of a checkpoint, it says the
// same of its reads; and a history that keeps none takes none from those.
func TestReadsAreKeptInPartialsAndCheckpoints(t *testing.T) {
	dir := t.TempDir()
	var sources []history.Source
	for i := range 3 {
		var text strings.Builder
		for _, l := range linesOfReads(uint64(i), 400, 30) {
			text.WriteString(l.text + "\n")
		}
		name := filepath.Join(dir, fmt.Sprintf("day-%d.ndjson", i))
		require.NoError(t, os.WriteFile(name, []byte(text.String()), 0o666))
		sources = append(sources, history.File(name))
	}
	collect := func(keep bool, sources ...history.Source) *History {
		h, err := Collect(sources, history.Options{Reads: keep})
		require.NoError(t, err)
		return h
	}
	want := saysOfReads(t, collect(true, sources...))
	require.Greater(t, strings.Count(want, "Saw:"), 300)
	none := saysOfReads(t, collect(false, sources...))
	require.Equal(t, "0\n", none)

	var first, others bytes.Buffer
	require.NoError(t, collect(true, sources[0]).Save(&first))
	require.NoError(t, collect(true, sources[1:]...).Save(&others))
	for _, keep := range []bool{true, false} {
		wanted := none
		if keep {
			wanted = want
		}
		h, err := Load(bytes.NewReader(first.Bytes()), history.Options{Reads: keep})
		require.NoError(t, err)
		require.NoError(t, h.Load(bytes.NewReader(others.Bytes())))
		require.Equal(t, wanted, saysOfReads(t, h))

		h = collect(keep, sources[2])
		h.Join(collect(true, sources[:2]...))
		require.Equal(t, wanted, saysOfReads(t, h))
	}

	check := Checkpoint{Dir: filepath.Join(dir, "kept")}
	for range 2 {
		h, err := check.Collect(sources, history.Options{Reads: true})
		require.NoError(t, err)
		require.Equal(t, want, saysOfReads(t, h))
	}
	// One of them has changed: of what was kept beside it, the others are taken.
	require.NoError(t, os.WriteFile(sources[1].Name, nil, 0o666))
	h, err := check.Collect(sources, history.Options{Reads: true})
	require.NoError(t, err)
	require.Equal(t, saysOfReads(t, collect(true, sources...)), saysOfReads(t, h))
	h, err = check.Collect(sources, history.Options{})
	require.NoError(t, err)
	require.Equal(t, none, saysOfReads(t, h))
}

// What a writer had seen is told of each node: a key of many nodes is left out sooner.
func TestKeysOfManyNodesAreLeftOut(t *testing.T) {
	var lines []string
	for k, nodes := range []int{70, 100} {
		for n := range nodes {
			lines = append(lines, fmt.Sprintf(`{"key":"k/%d","value":1,"node":"n%d","id":"n%d:%d"}`, k, n, n, k+1))
		}
		lines = append(lines, fmt.Sprintf(`{"op":"read","key":"k/%d"}`, k))
	}
	for memory, want := range map[int64]int64{1 << 20: 1, -1: 0} {
		h, err := Collect([]history.Source{sourceOf("h", strings.Join(lines, "\n"))}, history.Options{Reads: true, Memory: memory})
		require.NoError(t, err)
		visited := 0
		left := h.ReadKeys(Options{Workers: 1}, func(_ int, k *KeyOperations) { visited++ })
		require.NoError(t, h.Err())
		require.Equal(t, want, left)
		require.EqualValues(t, 2-want, visited)
	}
}
