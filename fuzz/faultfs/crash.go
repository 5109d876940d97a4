package faultfs

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
)

// Crashes says which of the images of [Disk.Images] to produce. The zero Crashes is a good start.
type Crashes struct {
	// PerPoint is how many images there are at most between two operations. Where there are more, so many are chosen: mostly
	// those in which things reached the disk in order, and otherwise at random. Zero means 1000. Every one there is are
	// math.MaxInt.
	PerPoint int

	// Seed chooses among those.
	Seed uint64

	// First is the first point: the images before that many operations are left out.
	First int
}

// Image is what a power cut could have left.
type Image struct {
	// After is how many operations were done before.
	After int

	// Disk is a disk with what is left. It is its own: images share nothing that changes.
	Disk *Disk

	kept []piece
	tear tear
}

// String tells which operations reached the disk that were not synced. Do not depend on this text.
func (i Image) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "power cut after %d operations", i.After)
	for n, p := range i.kept {
		fmt.Fprintf(&b, "; kept %v", p.item.entry.op)
		if p.item.entry.op.Kind == Write {
			fmt.Fprintf(&b, " bytes [%d,%d)", p.from, p.to)
		}
		if n == i.tear.piece {
			fmt.Fprintf(&b, " %s", i.tear)
		}
	}
	return b.String()
}

// Images yields what power cuts could have left at each point, before the first operation and after each. The order, and
// what is chosen, depend on the operations and on c alone. The disk must not be in use meanwhile.
func (d *Disk) Images(c Crashes) iter.Seq[Image] {
	return func(yield func(Image) bool) {
		w := walk{state: d.base.clone()}
		for point := 0; point <= len(d.journal); point++ {
			if point > 0 {
				w.step(d.journal[point-1])
			}
			if point >= c.First && !w.images(d, point, c, yield) {
				return
			}
		}
	}
}

// PowerCut returns what a power cut leaves at the least now: what was synced and nothing else.
func (d *Disk) PowerCut() *Disk {
	for image := range d.Images(Crashes{PerPoint: 1, First: d.Operations()}) {
		return image.Disk
	}
	panic("unreachable: every point has an image")
}

// walk goes through a journal and knows, at each point, what is on the disk for certain and what may be.
type walk struct {
	state state // for certain

	// items are not in the state yet, in the order they were done.
	items []*item
}

// An item is an operation that may be on the disk.
type item struct {
	entry  entry
	synced bool // it is on the disk, though something before it that may be is not
}

func (w *walk) step(e entry) {
	switch {
	case e.outcome == undone:
	case e.op.Kind == Sync && e.outcome == failed:
		// What the sync lost stays as it is: no later one makes it certain.
		for _, it := range w.items {
			if it.entry.node == e.node && it.entry.op.isData() {
				it.entry.outcome = failed
			}
		}
	case e.op.Kind == Sync:
		for _, it := range w.items {
			if it.entry.node == e.node && it.entry.op.isData() && it.entry.outcome != failed {
				it.synced = true
			}
		}
		w.fold()
	case e.op.Kind == SyncDir:
		for _, it := range w.items {
			if !it.entry.op.isData() && filepath.Dir(it.entry.op.Name) == e.op.Name {
				it.synced = true
			}
		}
		w.fold()
	default:
		w.items = append(w.items, &item{entry: e})
	}
}

func (o Op) isData() bool { return o.Kind == Write || o.Kind == Truncate }

// fold moves into the state what is synced and has nothing before it of its own kind and file that is not.
func (w *walk) fold() {
	open := make(map[int]bool) // files, and -1 for names
	w.items = slices.DeleteFunc(w.items, func(it *item) bool {
		of := -1
		if it.entry.op.isData() {
			of = it.entry.node
		}
		if !it.synced || open[of] {
			open[of] = true
			return false
		}
		w.state.apply(it.entry, it.entry.data)
		return true
	})
}

// A piece is what reaches the disk or not: a sector of a write, or another operation as a whole.
type piece struct {
	item     *item
	from, to int // of the data of a write
}

// A tear is what became of the last sector that reached the disk.
type tear struct {
	piece int // which, among those kept; -1 if there is none
	bytes int // of it that are there
	fill  fill
}

type fill uint8

const (
	short fill = iota
	zeros
	noise
)

func (t tear) String() string {
	switch t.fill {
	case zeros:
		return "as zeros"
	case noise:
		return "as noise"
	}
	return fmt.Sprintf("of which %d bytes", t.bytes)
}

// tears is how many tears a sector has, that of all its bytes among them.
func (p piece) tears() int { return p.to - p.from + 2 }

func (p piece) tear(at, n int) tear {
	switch size := p.to - p.from; n {
	case size:
		return tear{at, 0, zeros}
	case size + 1:
		return tear{at, 0, noise}
	default:
		return tear{at, size - n, short}
	}
}

func (w *walk) pieces(sector int) []piece {
	var all []piece
	for _, it := range w.items {
		switch {
		case it.synced:
		case it.entry.op.Kind == Write:
			for from := 0; from < len(it.entry.data); {
				at := int(it.entry.op.Offset) + from
				to := min(from+sector-at%sector, len(it.entry.data))
				all = append(all, piece{it, from, to})
				from = to
			}
		default:
			all = append(all, piece{item: it})
		}
	}
	return all
}

func (p piece) isWrite() bool { return p.item.entry.op.Kind == Write }

// images yields the images at one point.
func (w *walk) images(d *Disk, point int, c Crashes, yield func(Image) bool) bool {
	sector, limit := d.Sector, c.PerPoint
	if sector == 0 {
		sector = 512
	}
	if limit == 0 {
		limit = 1000
	}
	all := w.pieces(sector)
	emit := func(kept []piece, t tear) bool {
		return yield(Image{After: point, Disk: w.image(d, kept, t), kept: kept, tear: t})
	}
	if count(all) <= float64(limit) || limit == math.MaxInt {
		return every(all, emit)
	}
	random := rand.New(rand.NewPCG(c.Seed, uint64(point)))
	for n := range limit {
		if kept, t := choose(all, n, random); !emit(kept, t) {
			return false
		}
	}
	return true
}

// count returns how many images the subsets of pieces have, with every tear.
func count(all []piece) float64 {
	total, others := 0.0, 0
	for i, p := range slices.Backward(all) {
		if p.isWrite() { // the last write of a subset
			total += math.Exp2(float64(i+others)) * float64(p.tears())
		} else {
			others++
		}
	}
	return total + math.Exp2(float64(others))
}

// every emits all subsets of pieces with all tears.
func every(all []piece, emit func([]piece, tear) bool) bool {
	for mask := range uint64(1) << len(all) {
		var kept []piece
		last := -1
		for i, p := range all {
			if mask>>i&1 == 1 {
				if p.isWrite() {
					last = len(kept)
				}
				kept = append(kept, p)
			}
		}
		if last < 0 {
			if !emit(kept, tear{piece: -1}) {
				return false
			}
			continue
		}
		for n := range kept[last].tears() {
			if !emit(kept, kept[last].tear(last, n)) {
				return false
			}
		}
	}
	return true
}

// choose returns the n-th image of a choice: nothing, everything, and then by turns what came in order, what lacks one
// thing, and any subset.
func choose(all []piece, n int, random *rand.Rand) ([]piece, tear) {
	var kept []piece
	switch {
	case n == 0:
		return nil, tear{piece: -1}
	case n == 1 || n%4 == 0:
		kept = slices.Clone(all)
		if n > 1 {
			i := random.IntN(len(kept))
			kept = slices.Delete(kept, i, i+1)
		}
	case n%4 == 1:
		for _, p := range all {
			if random.IntN(2) == 0 {
				kept = append(kept, p)
			}
		}
	default:
		kept = slices.Clone(all[:1+random.IntN(len(all))])
	}
	last := -1
	for i, p := range kept {
		if p.isWrite() {
			last = i
		}
	}
	if last < 0 || n == 1 {
		return kept, tear{piece: -1}
	}
	return kept, kept[last].tear(last, random.IntN(kept[last].tears()))
}

// image returns a disk with what is on it for certain and the pieces that were kept.
func (w *walk) image(d *Disk, kept []piece, t tear) *Disk {
	s := w.state.clone()
	next := 0
	for _, it := range w.items {
		if it.synced {
			s.apply(it.entry, it.entry.data)
			continue
		}
		for next < len(kept) && kept[next].item == it {
			p := kept[next]
			if !p.isWrite() {
				s.apply(it.entry, nil)
			} else {
				e := it.entry
				e.op.Offset += int64(p.from)
				s.apply(e, t.of(e.data[p.from:p.to], next))
			}
			next++
		}
	}
	image := &Disk{Sector: d.Sector, Forgets: d.Forgets, live: s}
	image.base = image.live.clone()
	return image
}

// of returns what is there of the data of a piece.
func (t tear) of(data []byte, piece int) []byte {
	if piece != t.piece {
		return data
	}
	switch t.fill {
	case zeros:
		return make([]byte, len(data))
	case noise:
		torn := make([]byte, len(data))
		for i := range torn {
			torn[i] = data[i] ^ byte(0xA5+i)
		}
		return torn
	}
	return data[:t.bytes]
}
