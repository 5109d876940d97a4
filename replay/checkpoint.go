package replay

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/whole"
)

// Checkpoint keeps what is read in a directory, so that a later call reads only what is not there yet. What is kept is
// partials, and [Load] reads them too: each of one input, or of several small ones, that were read whole. They appear whole
// or not at all, so a call that was killed loses what it had at hand and nothing else.
//
// What is kept of an input is used while the input has its name, region, size, time of modification, and content at both
// ends, and is read with the same options by the same version of this module. Otherwise it is stale, and the input is read
// anew.
//
// Never kept, and read each time, are the standard input, what is no regular file, and the directory of a replica; and where
// [history.Options.Reads] is false an input that holds reads, or writes with a session or the time of their call, for who wants them
// next would miss them.
//
// Inputs are kept in groups: beside each other in the order in which they are given, until they are 32 MiB as they are
// stored; a larger one is by itself. To write and sync a file takes longer than to read a small one, and each file is a
// thousand parts. When reading is stopped or fails, what was read whole of a group is kept too.
type Checkpoint struct {
	Dir string // it is made when it isn't there

	// Note, when not nil, is told what is stale and what could not be kept, which is no error. Several goroutines call it, one
	// at a time.
	Note func(text string)

	// Kept, when not nil, is told of each source, by its place, that will not be read because it is kept. It is called before
	// anything is read.
	Kept func(source int)
}

// groupBytes is from what size on a group of inputs is full.
const groupBytes = 32 << 20

// keptSuffix ends the name of a file in the directory of a checkpoint.
const keptSuffix = ".partial"

// endBytes is how much of an input is looked at, at its begin and its end, to tell that it has changed.
const endBytes = 1 << 20

// identity is what makes what was kept of an input still be what reading it would give. The name and the region stand
// beside it.
type identity struct {
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // Unix time in ns
	Ends     string `json:"ends"`     // CRC-32C of the first and the last bytes
	How      string `json:"how"`      // a hash of how it was read
}

// Collect is [Collect] with what is kept, and keeps what it reads. The histories are equal.
func (c *Checkpoint) Collect(sources []history.Source, opt history.Options) (*History, error) {
	k := &keeper{Checkpoint: c, places: make(map[place]int), saved: make(map[string]bool)}
	named := make(map[string]bool)
	for i, s := range sources {
		if named[s.Name] {
			return nil, fmt.Errorf("checkpoint: two inputs are named %s", s.Name)
		}
		named[s.Name], k.places[place{s.Name, s.Region}] = true, i
	}
	if opt.Exclude != nil {
		return nil, errors.New("checkpoint: what is kept of an input can't depend on what a caller excludes")
	}
	if err := os.MkdirAll(c.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if err := k.identify(sources, &opt); err != nil {
		return nil, err
	}
	if err := k.find(); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	h := newHistory(nil, opt)
	if err := k.load(h, &opt); err != nil {
		_ = h.Close()
		return nil, err
	}
	if err := k.read(h, sources, opt); err != nil {
		return nil, err
	}
	if len(k.calls) > 0 {
		k.tell(k.calls, "holds reads or sessions, which are not kept: it is read each time", "hold reads or sessions, which are not kept: they are read each time")
	}
	if !h.Partial() {
		k.clear()
	}
	return h, nil
}

// keeper is one call of [Checkpoint.Collect].
type keeper struct {
	*Checkpoint
	places map[place]int // of the sources
	ids    []*identity   // of each source; nil when it can't be kept
	kept   []*kept       // what the directory holds
	from   []*kept       // of each source, where it is kept; nil when it is not

	missing []int // the places of the sources that are read

	mu     sync.Mutex
	saved  map[string]bool // the files that were written
	failed bool            // to keep one; the others aren't tried
	calls  []string        // the inputs that could be kept if their reads were
}

type place struct{ name, region string }

// kept is a file of the checkpoint.
type kept struct {
	file   string
	inputs []savedInput
	used   bool
}

func (k *keeper) note(format string, args ...any) {
	if k.Note != nil {
		k.Note(fmt.Sprintf(format, args...))
	}
}

// identify finds out what the sources are.
func (k *keeper) identify(sources []history.Source, opt *history.Options) error {
	k.ids, k.from = make([]*identity, len(sources)), make([]*kept, len(sources))
	for i := range sources {
		s := &sources[i]
		if s.Format == history.Replica || s.Name == "-" {
			continue
		}
		if info, err := os.Stat(s.Name); err == nil && !info.Mode().IsRegular() {
			continue // what is a pipe can be opened once
		}
		file, err := s.Open()
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		k.ids[i], err = identify(file, how(s, opt))
		_ = file.Close()
		if err != nil {
			return fmt.Errorf("read history: %s: %w", s.Name, err)
		}
	}
	return nil
}

// how returns a hash of all but the bytes of an input that what is read of it depends on.
func how(s *history.Source, opt *history.Options) string {
	var regions []string // of others, which matter where a record says where it began
	if opt.Origin != "" {
		regions = slices.Compact(slices.Sorted(slices.Values(opt.Regions)))
	}
	text, _ := json.Marshal(struct {
		Form, Version       string
		Format, Named       history.Format
		Origin              string
		Regions             []string
		Scans               []clock.Timestamp
		PrimaryKeys         map[string][]string
		Limits              value.Limits
		MaxBytes, MaxRatio  int64
		Positions, FileBits int
	}{partialMagic, version(), opt.Format, s.Format, opt.Origin, regions, opt.Scans, opt.PrimaryKeys, opt.Limits, opt.MaxBytes, opt.MaxRatio, positionBits, fileBits}) // such a struct is always JSON
	return hash(text)
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// version returns the version of this module that the program was built with. A later one may read the same bytes in
// another way.
func version() string {
	const path = "github.com/tiebreakhq/tiebreak"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == path {
			return m.Version + m.Sum
		}
	}
	return ""
}

// identify returns the identity of a file, nil when it is no regular one.
func identify(r io.Reader, how string) (*identity, error) {
	file, ok := r.(*os.File)
	if !ok {
		return nil, nil
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	size := info.Size()
	sum := crc32.New(castagnoli)
	first := min(size, endBytes)
	for _, part := range []struct{ at, size int64 }{{0, first}, {max(first, size-endBytes), min(endBytes, size-first)}} {
		if _, err := io.Copy(sum, io.NewSectionReader(file, part.at, part.size)); err != nil {
			return nil, err
		}
	}
	return &identity{Size: size, Modified: info.ModTime().UnixNano(), Ends: fmt.Sprintf("%08x", sum.Sum32()), How: how}, nil
}

// find reads what the directory holds, and which of it can be used.
func (k *keeper) find() error {
	entries, err := os.ReadDir(k.Dir)
	if err != nil {
		return err
	}
	changed, otherwise := make(map[int]bool), make(map[int]bool)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), keptSuffix) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		file := filepath.Join(k.Dir, e.Name())
		one, err := open(file)
		if err != nil {
			k.note("%s: %v: what it kept is read anew", file, err)
			continue
		}
		k.kept = append(k.kept, one)
		for _, in := range one.inputs {
			i, here := k.places[place{in.Name, in.Region}]
			switch {
			case !here || in.Kept == nil || k.ids[i] == nil || k.from[i] != nil:
			case *in.Kept == *k.ids[i]:
				k.from[i] = one
			case in.Kept.How != k.ids[i].How:
				otherwise[i] = true
			default:
				changed[i] = true
			}
		}
	}
	k.stale(changed, "changed since the checkpoint")
	k.stale(otherwise, "had been kept by another version, or for other flags")
	return nil
}

// stale says which sources are read anew, and why.
func (k *keeper) stale(sources map[int]bool, why string) {
	var names []string
	for p, i := range k.places {
		if sources[i] && k.from[i] == nil {
			names = append(names, p.name)
		}
	}
	if len(names) > 0 {
		k.tell(names, why+": it is read anew", why+": they are read anew")
	}
}

// tell says something of one input, or of several.
func (k *keeper) tell(names []string, one, several string) {
	slices.Sort(names)
	if len(names) == 1 {
		k.note("%s %s", names[0], one)
	} else {
		k.note("%s and %d more %s", names[0], len(names)-1, several)
	}
}

// open reads what a file of the checkpoint says of itself.
func open(name string) (*kept, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	in, err := openPartial(file)
	if err != nil {
		return nil, err
	}
	defer in.close()
	header, err := in.header()
	if err != nil {
		return nil, err
	}
	return &kept{file: name, inputs: header.Inputs}, nil
}

// load takes what is kept into the history. What turns out to be damaged is read anew.
func (k *keeper) load(h *History, opt *history.Options) error {
	of := make(map[*kept]map[place]bool)
	for p, i := range k.places {
		if from := k.from[i]; from != nil {
			if of[from] == nil {
				of[from] = make(map[place]bool)
			}
			of[from][p] = true
			if k.Kept != nil {
				k.Kept(i)
			}
		}
	}
	next := make(chan *kept, len(k.kept))
	for _, one := range k.kept {
		if of[one] != nil {
			next <- one
		}
	}
	close(next)
	workers := cmp.Or(max(opt.Workers, 0), runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for range min(workers, len(next)) {
		wg.Go(func() {
			for one := range next {
				err := errStopped
				if !isClosed(opt.Stop) {
					err = one.load(h, of[one])
				}
				k.mu.Lock()
				if one.used = err == nil; !one.used {
					for p := range of[one] {
						k.from[k.places[p]] = nil
					}
				}
				switch {
				case errors.Is(err, ErrPartial):
					k.note("%s: %v: what it kept is read anew", one.file, err)
				case err != nil && !errors.Is(err, errStopped):
					h.failed.set(err)
				}
				k.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return h.failed.get()
}

var errStopped = errors.New("stopped")

func isClosed(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// load takes the inputs at these places into the history.
func (one *kept) load(h *History, wanted map[place]bool) error {
	file, err := os.Open(one.file)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPartial, err) // no more: somebody took it away
	}
	defer file.Close()
	return h.loadInputs(bufio.NewReader(file), func(in *savedInput) bool { return wanted[place{in.Name, in.Region}] })
}

// read reads what is not kept, and keeps it.
func (k *keeper) read(h *History, sources []history.Source, opt history.Options) error {
	var missing []history.Source
	first := len(h.inputs)
	for i, s := range sources {
		if k.from[i] == nil {
			missing, k.missing = append(missing, s), append(k.missing, i)
			h.inputs = append(h.inputs, collected{Input: Input{Name: s.Name, Region: s.Region, Unread: unreadAll}})
		}
	}
	if tell := opt.Finished; tell != nil {
		opt.Finished = func(source int) { tell(k.missing[source]) }
	}
	workers := cmp.Or(max(opt.Workers, 0), runtime.GOMAXPROCS(0))
	groups := make([]*group, len(missing))
	for from := 0; from < len(missing); {
		to := k.groupEnd(from)
		g := h.group(first+from, to-from)
		g.block, g.tight = max(h.store.most/workers, firstBlock), true // as many groups as there are workers may be open
		for ; from < to; from++ {
			groups[from] = g
		}
	}
	keep := func(g *group) error { return k.keep(h, g, first) }
	_, err := h.collect(missing, opt, func(source int) *group { return groups[source-first] }, keep)
	return err
}

// groupEnd returns where the group ends that begins with one of the missing sources.
func (k *keeper) groupEnd(from int) int {
	size := int64(0)
	for to := from; to < len(k.missing); to++ {
		id := k.ids[k.missing[to]]
		if id == nil || id.Size >= groupBytes {
			return max(to, from+1)
		}
		if size += id.Size; size >= groupBytes {
			return to + 1
		}
	}
	return len(k.missing)
}

// keep takes a group into the history, and keeps those of its inputs that were read whole. first is the first input of
// the history that was missing.
func (k *keeper) keep(h *History, g *group, first int) error {
	shelves, err := g.close()
	if err != nil {
		return err
	}
	var head partialHeader
	var calls []string
	for i := range g.inputs {
		in := &g.inputs[i]
		id := k.ids[k.missing[g.first-first+i]]
		left := in.calls && !h.keeps // what a history that keeps reads would want
		if id == nil || in.Unread != "" || left {
			head.Others = true
			if left {
				calls = append(calls, in.Name)
			}
			continue
		}
		saved := in.saved()
		saved.Kept = id
		head.Inputs = append(head.Inputs, saved)
	}
	k.mu.Lock()
	failed := k.failed
	k.calls = append(k.calls, calls...)
	k.mu.Unlock()
	if len(head.Inputs) > 0 && !failed {
		if err := k.save(h, g, &head, shelves); err != nil {
			k.mu.Lock()
			if !k.failed {
				k.failed = true
				k.note("what is read is not kept any more: %v", err)
			}
			k.mu.Unlock()
		}
	}
	return g.add(h, shelves)
}

// save writes a file of the checkpoint.
func (k *keeper) save(h *History, g *group, head *partialHeader, shelves []shelf) error {
	text, err := json.Marshal(head.Inputs)
	if err != nil {
		return err
	}
	name := filepath.Join(k.Dir, hash(text)+keptSuffix)
	file, err := whole.Create(name)
	if err != nil {
		return err
	}
	k.mu.Lock()
	k.saved[name] = true
	k.mu.Unlock()
	out := bufio.NewWriterSize(file, 256<<10)
	seqs := numbered{store: h.store, names: h.names}
	if seqs.runs, err = g.seqs.close(); err == nil {
		err = h.store.save(out, head, g.names(), &seqs, shelves, g.readings, quick)
	}
	if err = cmp.Or(err, out.Flush()); err == nil {
		err = file.Sync()
	}
	if err != nil {
		file.Discard()
		return err
	}
	return file.Commit()
}

// names returns the names by number, those that the group did not ask for empty.
func (g *group) names() []string {
	var names []string
	for _, c := range g.all {
		for n, asked := range c.names.asked {
			if n >= len(names) {
				names = append(names, "")
			}
			if asked {
				names[n] = g.history.names.text(uint64(n))
			}
		}
	}
	return names
}

// clear removes what is of no use any more: files whose inputs are all here, and were read anew.
func (k *keeper) clear() {
	if k.failed {
		return
	}
	for _, one := range k.kept {
		superseded := func(in savedInput) bool {
			i, here := k.places[place{in.Name, in.Region}]
			return in.Kept != nil && here && k.ids[i] != nil
		}
		if !one.used && !k.saved[one.file] && len(one.inputs) > 0 && !slices.ContainsFunc(one.inputs, func(in savedInput) bool { return !superseded(in) }) {
			_ = os.Remove(one.file) // it stays stale when it can't be removed
		}
	}
}
