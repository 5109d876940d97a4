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
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// many is a directory of files with all that may concern two of them: duplicates, lists of what was seen, holes in the
// numbers of a node that raises counters, echoes of regions, and lines that can't be read.
func many(t *testing.T, seed uint64, files int) (dir string, sources []history.Source) {
	dir = t.TempDir()
	rnd := rand.New(rand.NewPCG(seed, 1))
	lines := make([][]string, files)
	put := func(line string) {
		i := rnd.IntN(files)
		lines[i] = append(lines[i], line)
	}
	for round := range uint64(10) {
		ops := simulate(100*seed+round, 20, []string{"map", "list", "nothing"})
		for _, o := range ops {
			line := strings.ReplaceAll(o.line(ops), "k/", fmt.Sprintf("k/%d/", round))
			put(line)
			if rnd.IntN(3) == 0 {
				put(line)
			}
		}
	}
	for n := 1; n < 60; n += 1 + rnd.IntN(3) {
		put(fmt.Sprintf(`{"key":"n/%d","op":"add","value":1,"node":"counter","time":%d,"id":"counter:%d"}`, n%3, n, n))
	}
	for range 30 {
		put(`{"key":`)
		put(`{"key":"k","value":1,"node":"us","time":"yesterday"}`)
	}
	for i := range lines {
		name := filepath.Join(dir, fmt.Sprintf("%03d.ndjson", i))
		require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines[i], "\n")), 0o666))
		s := history.File(name)
		s.Region = []string{"", "us", "eu"}[i%3]
		sources = append(sources, s)
	}
	return dir, sources
}

var manyTable = merge.MustParseTable("nodes ap < counter < eu < us\nn/* * counter\nk/0/* * keep-all\nk/1/* * add-wins\n* * lww\nunique * f")

// saysAll is all that a history says under a table.
func saysAll(t *testing.T, h *History, err error) string {
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString(toJSON(t, h.Run(manyTable, Options{State: func(l StateLine) { fmt.Fprintln(&b, l) }})))
	require.NoError(t, h.Err())
	require.NoError(t, h.Close())
	return b.String()
}

// reading counts the sources that are opened to be read, and not only looked at.
type reading struct {
	mu   sync.Mutex
	read []string
	kept int
	said []string
}

func (r *reading) options(sources []history.Source, memory int64) history.Options {
	return history.Options{Memory: memory, Finished: func(i int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.read = append(r.read, filepath.Base(sources[i].Name))
	}}
}

func (r *reading) checkpoint(dir string) *Checkpoint {
	return &Checkpoint{Dir: dir, Note: func(text string) { r.said = append(r.said, text) }, Kept: func(int) { r.kept++ }}
}

func TestWhatIsKeptReportsAsReadingDoes(t *testing.T) {
	for seed := range uint64(6) {
		for _, memory := range []int64{-1, 10_000} {
			_, sources := many(t, seed, 7)
			h, err := Collect(sources, history.Options{})
			want := saysAll(t, h, err)
			dir := filepath.Join(t.TempDir(), "made", "here")
			// Some of the files one day, others the next, in any order: each is read once.
			for _, some := range [][]int{{2, 5}, {5, 0, 2, 1}, {0, 1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1, 0}} {
				var now []history.Source
				for _, i := range some {
					now = append(now, sources[i])
				}
				h, err := Collect(now, history.Options{})
				want := saysAll(t, h, err)
				var r reading
				h, err = r.checkpoint(dir).Collect(now, r.options(now, memory))
				require.Equal(t, want, saysAll(t, h, err), "seed %d, files %v", seed, some)
				require.Empty(t, r.said)
				require.Len(t, some, r.kept+len(r.read))
				require.Equal(t, []int{2, 2, 3, 0}[slices.IndexFunc([]int{2, 4, 7, 8}, func(n int) bool { return n >= len(some)+some[0]/6 })], len(r.read))
			}
			// All that is kept is partials for anybody to load.
			h, err = Collect(nil, history.Options{})
			require.NoError(t, err)
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			require.Len(t, files, 3)
			for _, file := range files {
				b, err := os.ReadFile(file)
				require.NoError(t, err)
				require.True(t, IsPartial(b))
				require.NoError(t, h.Load(bytes.NewReader(b)))
			}
			require.Equal(t, want, saysAll(t, h, nil))
		}
	}
}

// What is read after a stop, and kept, and what is read then, together are all.
func TestStoppedReadingGoesOnWhereItWas(t *testing.T) {
	_, sources := many(t, 1, 9)
	h, err := Collect(sources, history.Options{})
	want := saysAll(t, h, err)
	for after := range 9 {
		dir := t.TempDir()
		stop := make(chan struct{})
		var finished atomic.Int64
		if after == 0 {
			close(stop)
		}
		opt := history.Options{Workers: 2, Stop: stop, Finished: func(int) {
			if finished.Add(1) == int64(after) {
				close(stop)
			}
		}}
		h, err := (&Checkpoint{Dir: dir}).Collect(sources, opt)
		require.NoError(t, err)
		read, unread := 0, 0
		var part []history.Source
		for _, in := range h.Inputs() {
			switch in.Unread {
			case "":
				read++
				part = append(part, sources[slices.IndexFunc(sources, func(s history.Source) bool { return s.Name == in.Name })])
			default:
				unread++
			}
		}
		require.Equal(t, unread > 0, h.Partial())
		require.EqualValues(t, finished.Load(), read)
		require.Equal(t, h.Partial(), h.Run(manyTable, Options{}).Partial)
		require.NoError(t, h.Close())

		var r reading
		h, err = r.checkpoint(dir).Collect(part, r.options(part, 0))
		of, err2 := Collect(part, history.Options{})
		require.Equal(t, saysAll(t, of, err2), saysAll(t, h, err), "what was read whole by then")
		require.Empty(t, r.read)

		h, err = r.checkpoint(dir).Collect(sources, r.options(sources, 0))
		require.Equal(t, want, saysAll(t, h, err))
		require.Len(t, r.read, unread, "each is read once")
		require.Empty(t, r.said)
	}
}

// An input of which half was read counts what it read, and none of it is kept.
func TestInputsReadInPartAreMarked(t *testing.T) {
	dir := t.TempDir()
	line := `{"key":"k","value":1,"node":"us","time":5}` + "\n"
	name := filepath.Join(dir, "large.ndjson")
	require.NoError(t, os.WriteFile(name, []byte(strings.Repeat(line, 100_000)), 0o666))
	sources := []history.Source{history.File(name), history.File(filepath.Join(dir, "next.ndjson"))}
	require.NoError(t, os.WriteFile(sources[1].Name, []byte(line), 0o666))
	stop := make(chan struct{})
	var once sync.Once
	opt := history.Options{Workers: 1, Stop: stop, Progress: func(bytes int64) {
		if bytes > 1<<20 {
			once.Do(func() { close(stop) })
		}
	}}
	check := Checkpoint{Dir: filepath.Join(dir, "check")}
	h, err := check.Collect(sources, opt)
	require.NoError(t, err)
	inputs := h.Inputs()
	require.Equal(t, "rest", inputs[0].Unread)
	require.Positive(t, inputs[0].Writes)
	require.Less(t, inputs[0].Writes, int64(100_000))
	require.Equal(t, "all", inputs[1].Unread)
	require.Zero(t, inputs[1].Writes)
	var saved bytes.Buffer
	require.NoError(t, h.Save(&saved))
	loaded, err := Load(&saved, history.Options{})
	require.NoError(t, err)
	require.True(t, loaded.Run(manyTable, Options{}).Partial, "a partial of what is partial is marked as such")
	kept, err := os.ReadDir(check.Dir)
	require.NoError(t, err)
	require.Empty(t, kept)
}

func TestWhatIsStaleIsSaidAndReadAnew(t *testing.T) {
	line := func(v int) string {
		return fmt.Sprintf(`{"key":"k","value":%d,"node":"us","time":5,"id":"us:%d"}`+"\n", v, v)
	}
	then := time.Unix(1_700_000_000, 0)
	write := func(t *testing.T, name, text string, at time.Time) {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o666))
		require.NoError(t, os.Chtimes(name, at, at))
	}
	for _, c := range []struct {
		name   string
		change func(t *testing.T, s *history.Source, opt *history.Options, dir string)
		said   string
		fresh  bool // it is not stale
	}{
		{name: "nothing", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) {}, fresh: true},
		{name: "more memory", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) { opt.Memory = -1 }, fresh: true},
		{name: "longer", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) {
			write(t, s.Name, line(1)+line(2), then)
		}, said: "changed since the checkpoint"},
		{name: "written again", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) {
			write(t, s.Name, line(1), then.Add(1))
		}, said: "changed since the checkpoint"},
		{name: "other content, same length and time", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) {
			write(t, s.Name, line(2), then)
		}, said: "changed since the checkpoint"},
		{name: "region", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) { s.Region = "eu" }},
		{name: "origin", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) { opt.Origin = "o" }, said: "for other flags: it is read anew"},
		{name: "format", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) { opt.Format = history.Native }, said: "for other flags: it is read anew"},
		{name: "limits", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) { opt.Limits.Bytes = 1000 }, said: "for other flags: it is read anew"},
		{name: "another form", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) {
			alter(t, dir, func(b []byte) []byte { return append([]byte("tiebreak.partial/v1\n"), b[len(partialMagic):]...) })
		}, said: "another version"},
		{name: "cut short", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) {
			alter(t, dir, func(b []byte) []byte { return b[:len(b)-1] })
		}, said: "not a whole partial"},
		{name: "empty", change: func(t *testing.T, s *history.Source, opt *history.Options, dir string) {
			alter(t, dir, func([]byte) []byte { return nil })
		}, said: "not a whole partial"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := history.File(filepath.Join(t.TempDir(), "h.ndjson"))
			write(t, s.Name, line(1), then)
			h, err := (&Checkpoint{Dir: dir}).Collect([]history.Source{s}, history.Options{})
			saysAll(t, h, err)

			var opt history.Options
			c.change(t, &s, &opt, dir)
			now := []history.Source{s}
			h, err = Collect(now, opt)
			want := saysAll(t, h, err)
			var r reading
			opt.Finished = r.options(now, 0).Finished
			h, err = r.checkpoint(dir).Collect(now, opt)
			require.Equal(t, want, saysAll(t, h, err))
			require.Equal(t, c.fresh, len(r.read) == 0)
			if c.said == "" {
				require.Empty(t, r.said)
			} else {
				require.Len(t, r.said, 1)
				require.Contains(t, r.said[0], c.said)
			}
			// What was read anew is kept instead.
			r = reading{}
			opt.Finished = r.options(now, 0).Finished
			h, err = r.checkpoint(dir).Collect(now, opt)
			require.Equal(t, want, saysAll(t, h, err))
			require.Empty(t, r.read)
			require.Empty(t, r.said)
			kept, err := os.ReadDir(dir)
			require.NoError(t, err)
			if c.name != "region" { // the other one may be named again
				require.Len(t, kept, 1)
			}
		})
	}
}

// Of inputs that are kept together, those that have not changed are still used, and nothing of the others.
func TestOneOfAGroupIsStale(t *testing.T) {
	dir := t.TempDir()
	line := func(file, v int) string {
		plain := fmt.Sprintf(`{"key":"k","value":%d,"node":"us","time":%d,"id":"us:%d"}`, v, 10*file+v, 10*file+v)
		return plain + "\n" + fmt.Sprintf(`{"key":"k","value":%d,"node":"eu","time":%d,"id":"eu:%d","seen":["us:%d"]}`, v, 10*file+v, 10*file+v, 10*file+v) + "\n"
	}
	var sources []history.Source
	for i := range 3 {
		s := history.File(filepath.Join(dir, fmt.Sprintf("%d.ndjson", i)))
		require.NoError(t, os.WriteFile(s.Name, []byte(line(i, 1)), 0o666))
		sources = append(sources, s)
	}
	check := filepath.Join(dir, "check")
	h, err := (&Checkpoint{Dir: check}).Collect(sources, history.Options{})
	saysAll(t, h, err)
	require.NoError(t, os.WriteFile(sources[1].Name, []byte(line(1, 2)+line(1, 3)), 0o666))
	h, err = Collect(sources, history.Options{})
	want := saysAll(t, h, err)
	var r reading
	h, err = r.checkpoint(check).Collect(sources, r.options(sources, 0))
	require.Equal(t, want, saysAll(t, h, err))
	require.Equal(t, []string{"1.ndjson"}, r.read)
	require.Equal(t, 2, r.kept)
}

// alter changes the one file that a checkpoint holds.
func alter(t *testing.T, dir string, change func([]byte) []byte) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files[0], change(b), 0o666))
}

// Whatever byte of what is kept is another, the report is that of reading.
func TestDamageToWhatIsKeptDoesNotShow(t *testing.T) {
	_, sources := many(t, 3, 2)
	h, err := Collect(sources, history.Options{})
	want := saysAll(t, h, err)
	first := t.TempDir()
	h, err = (&Checkpoint{Dir: first}).Collect(sources, history.Options{})
	require.Equal(t, want, saysAll(t, h, err))
	files, err := filepath.Glob(filepath.Join(first, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	whole, err := os.ReadFile(files[0])
	require.NoError(t, err)
	step := max(len(whole)/40, 1)
	for at := 0; at < len(whole); at += step {
		damaged := slices.Clone(whole)
		damaged[at] ^= 0x10
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(files[0])), damaged, 0o666))
		h, err := (&Checkpoint{Dir: dir}).Collect(sources, history.Options{Memory: 20_000})
		require.Equal(t, want, saysAll(t, h, err), "byte %d of %d", at, len(whole))
	}
}

// What can't be kept is read each time: reads where the history keeps none, and a stream, which can't be told from another.
func TestWhatCannotBeKeptIsReadEachTime(t *testing.T) {
	name := filepath.Join(t.TempDir(), "h.ndjson")
	require.NoError(t, os.WriteFile(name, []byte(`{"op":"read","key":"k","node":"us","time":6}`+"\n"+`{"key":"k","value":1,"node":"us","time":5}`), 0o666))
	session := history.File(name + ".session")
	require.NoError(t, os.WriteFile(session.Name, []byte(`{"key":"k","value":3,"node":"us","time":8,"session":"s"}`), 0o666))
	dir := t.TempDir()
	for range 2 {
		sources := []history.Source{history.File(name), session, sourceOf("-", `{"key":"k","value":2,"node":"us","time":7}`)}
		h, err := Collect([]history.Source{sources[0], session, sourceOf("-", `{"key":"k","value":2,"node":"us","time":7}`)}, history.Options{})
		want := saysAll(t, h, err)
		require.Contains(t, want, `"reads": 1`)
		var r reading
		h, err = r.checkpoint(dir).Collect(sources, r.options(sources, 0))
		require.Equal(t, want, saysAll(t, h, err))
		require.Len(t, r.read, 3)
		require.Equal(t, []string{name + " and 1 more hold reads or sessions, which are not kept: they are read each time"}, r.said)
	}
	kept, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, kept)
}

func TestACheckpointRefusesWhatItCannotTellApart(t *testing.T) {
	s := sourceOf("h", `{"key":"k","value":1,"node":"us","time":5}`)
	us, eu := s, s
	us.Region, eu.Region = "us", "eu"
	check := Checkpoint{Dir: t.TempDir()}
	_, err := check.Collect([]history.Source{us, eu}, history.Options{})
	require.ErrorContains(t, err, "two inputs are named h")
	_, err = check.Collect([]history.Source{us}, history.Options{Exclude: func(*history.Record) bool { return false }})
	require.ErrorContains(t, err, "excludes")
	check.Dir = filepath.Join(check.Dir, "file")
	require.NoError(t, os.WriteFile(check.Dir, nil, 0o666))
	_, err = check.Collect([]history.Source{us}, history.Options{})
	require.ErrorContains(t, err, "checkpoint: ")
}

// An input that can't be read ends the reading with an error; what was read whole by then is kept all the same.
func TestAnErrorKeepsWhatWasRead(t *testing.T) {
	dir, sources := many(t, 2, 3)
	odd := history.File(filepath.Join(dir, "odd.json"))
	require.NoError(t, os.WriteFile(odd.Name, []byte(`{"what":"is this"}`), 0o666))
	check := filepath.Join(dir, "check")
	_, err := (&Checkpoint{Dir: check}).Collect(append(slices.Clone(sources), odd), history.Options{Workers: 1})
	require.ErrorIs(t, err, history.ErrFormat)
	var r reading
	h, err := r.checkpoint(check).Collect(sources, r.options(sources, 0))
	of, err2 := Collect(sources, history.Options{})
	require.Equal(t, saysAll(t, of, err2), saysAll(t, h, err))
	require.NotZero(t, r.kept, "nothing was kept")
}

// Small inputs share a file, large ones have one each.
func TestSmallInputsAreKeptTogether(t *testing.T) {
	var k keeper
	sizes := []int64{1, groupBytes, 5, groupBytes - 5, 7, -1, 3, 4, groupBytes + 1}
	for i, size := range sizes {
		k.missing = append(k.missing, i)
		if k.ids = append(k.ids, &identity{Size: size}); size < 0 {
			k.ids[i] = nil
		}
	}
	var ends []int
	for from := 0; from < len(sizes); from = k.groupEnd(from) {
		ends = append(ends, k.groupEnd(from))
	}
	require.Equal(t, []int{1, 2, 4, 5, 6, 8, 9}, ends)
}
