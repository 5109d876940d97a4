// Package feeds is what made exports of several regions begin with: databases that replicate rows both ways, each of which tells in one feed of
// what was written to it and of what arrived, as if that had been written there.
//
// Of two versions of a row a database keeps the one written last. Chance is the caller's.
package feeds

import "container/heap"

// Row is a row as it stands in a region. R is what is in it.
type Row[R any] struct {
	Value  R
	Origin int   // the region where it was written last
	At     int64 // and when by the clock of that region, in nanoseconds since 1970
	Gone   bool  // it was deleted then, and nothing is in it
}

// Change is an entry of a feed: a row that was written in a region, or arrived there.
type Change[R any] struct {
	Region, Key int
	Before, Now *Row[R] // Before is nil where no row was
	At          int64   // when this region has it, by its clock
}

// World is the regions.
type World[R any] struct {
	// Arrives says when what is written in one region now arrives in another. It is asked once for each write and other region.
	Arrives func(from, to int, now int64) int64

	// Tell is told of each change, those of a region in the order of its feed.
	Tell func(c *Change[R])

	// Ahead is by how many nanoseconds the clock of each region is ahead of the times that the caller gives.
	Ahead []int64

	rows []map[int]*Row[R] // by region
	way  way[R]
}

// New returns so many regions without a row.
func New[R any](regions int) *World[R] {
	w := &World[R]{Ahead: make([]int64, regions)}
	for range regions {
		w.rows = append(w.rows, make(map[int]*Row[R]))
	}
	return w
}

// Write has a region change a row, after all that has arrived anywhere by then. It is told what was there, nil for nothing. Later writes are
// made at later times.
func (w *World[R]) Write(region, key int, at int64, value func(was *Row[R]) R) {
	w.Until(at)
	w.change(region, key, at, &Row[R]{Value: value(w.there(region, key))})
}

// Delete has a region delete a row in the same manner. It reports whether there was one.
func (w *World[R]) Delete(region, key int, at int64) bool {
	w.Until(at)
	if w.there(region, key) == nil {
		return false
	}
	w.change(region, key, at, &Row[R]{Gone: true})
	return true
}

// there returns the row that a region has; nil for none.
func (w *World[R]) there(region, key int) *Row[R] {
	if row := w.rows[region][key]; row != nil && !row.Gone {
		return row
	}
	return nil
}

func (w *World[R]) change(region, key int, at int64, row *Row[R]) {
	row.Origin, row.At = region, at+w.Ahead[region]
	w.put(region, key, row, at)
	for to := range w.rows {
		if to != region {
			heap.Push(&w.way, arrival[R]{w.Arrives(region, to, at), to, key, row})
		}
	}
}

// Until lets arrive what arrives before a time.
func (w *World[R]) Until(at int64) {
	for len(w.way) > 0 && w.way[0].at < at {
		a := heap.Pop(&w.way).(arrival[R])
		if here := w.rows[a.region][a.key]; here == nil || here.At < a.row.At {
			w.put(a.region, a.key, a.row, a.at)
		}
	}
}

func (w *World[R]) put(region, key int, row *Row[R], at int64) {
	before := w.there(region, key)
	w.rows[region][key] = row
	if before != nil || !row.Gone { // that a row is deleted which is not there shows nowhere
		w.Tell(&Change[R]{region, key, before, row, at + w.Ahead[region]})
	}
}

// arrival is a row on its way to a region.
type arrival[R any] struct {
	at          int64
	region, key int
	row         *Row[R]
}

// way is all that is on its way, what arrives first at the top.
type way[R any] []arrival[R]

func (w way[R]) Len() int           { return len(w) }
func (w way[R]) Less(i, j int) bool { return w[i].at < w[j].at }
func (w way[R]) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *way[R]) Push(a any)        { *w = append(*w, a.(arrival[R])) }
func (w *way[R]) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}
