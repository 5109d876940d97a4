package replay

import (
	"cmp"
	"slices"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// coarse is the precision from which on a node that writes twice within one step of its clock is no surprise.
const coarse = history.Millisecond

var precisionNames = map[history.Precision]string{
	history.Second: "seconds", history.Millisecond: "milliseconds", history.Microsecond: "microseconds", history.Nanosecond: "nanoseconds",
}

var precisionNanos = map[history.Precision]int64{
	history.Second: 1e9, history.Millisecond: 1e6, history.Microsecond: 1e3, history.Nanosecond: 1,
}

// op is one operation of a history, delivered once or more.
type op struct {
	merge.Op
	place     finding.Place // the lowest of its deliveries
	precision history.Precision
	number    clock.Dot // the id as "node:seq" of the op's own node; zero when it is something else
	knows     bool
	seenIDs   []string
	seenUp    clock.Vector
	hasBase   bool
	base      uint64
	tx        string
	arrived   []arrival

	node   int   // among the nodes of the key
	index  int32 // among the operations of its node on the key, from 1
	after  int32 // how many of those came before it for certain: index-1, but where nothing puts them in order
	until  int32 // up to which of those nothing puts it in order: index then
	named  int32 // how many of those come before the next that has an id, from this one on
	source Source
}

// arrival is the position of an operation in the export of a region.
type arrival struct {
	region string
	file   string
	at     int64 // in the file; once the key is settled, in the export
}

// at returns the position of op in the export of a region, from 1; 0 when it isn't there.
func (op *op) at(region string) int64 {
	for _, a := range op.arrived {
		if a.region == region && region != "" {
			return a.at
		}
	}
	return 0
}

// key holds all operations on one key, in canonical order, and what is known of who had seen what.
type key struct {
	name string
	ops  []op

	nodes    []clock.Node
	inOrder  [][]int // of each node, its operations in the order in which it made them
	numbered []bool  // of each node, whether all its operations have the ids node:1, node:2, ...
	tied     bool    // nothing puts some operations of one node in order
	past     past

	byID      map[string]int
	byVersion []int
	delivered map[string][]arrivals // by region, then node
	written   []arrivals            // by node
}

// add takes one record of the key.
func (k *key) add(rec *history.Record, at int64, l *links) {
	o := op{
		Op: merge.Op{
			Key:  rec.Key,
			Kind: rec.Op,
			Stamp: lww.Stamp{
				Version: rec.Version,
				Time:    rec.Time,
				Node:    rec.Node,
			},
			ID: rec.ID,
		},
		place:     rec.Place,
		precision: rec.Precision,
		number:    number(rec.ID, rec.Node),
		knows:     rec.Knows,
		hasBase:   rec.HasBase,
		base:      rec.Base,
		tx:        rec.Tx,
	}
	if len(rec.Fields) > 0 {
		o.Fields = make([]merge.Field, len(rec.Fields))
		for i, f := range rec.Fields {
			o.Fields[i] = merge.Field{Name: f.Name, Value: f.Value, Before: f.Before}
		}
	}
	if rec.Knows {
		o.seenIDs = slices.Clone(rec.Seen)
		for _, d := range rec.SeenUp {
			o.seenUp.AddUp(d.Node, d.Seq)
		}
		if len(rec.Seen) > 0 {
			o.seenUp.Merge(l.seen(rec.ID))
			for _, id := range rec.Seen {
				if d, err := clock.ParseDot(id); err == nil {
					o.seenUp.AddUp(d.Node, d.Seq)
				}
			}
		}
	}
	if rec.Region != "" {
		o.arrived = []arrival{{rec.Region, rec.Place.File, at}}
	}
	k.ops = append(k.ops, o)
}

// comparePayload orders operations by all that they do and claim, and by nothing of where they were found.
func comparePayload(a, b *op) int {
	if c := cmp.Or(a.Stamp.Time.Compare(b.Stamp.Time), cmp.Compare(a.Stamp.Version, b.Stamp.Version),
		cmp.Compare(a.Stamp.Node, b.Stamp.Node), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Kind, b.Kind)); c != 0 {
		return c
	}
	return slices.CompareFunc(a.Fields, b.Fields, func(f, g merge.Field) int {
		return cmp.Or(cmp.Compare(f.Name, g.Name), cmp.Compare(f.Value, g.Value), cmp.Compare(f.Before, g.Before))
	})
}

func samePayload(a, b *op) bool {
	return a.Stamp == b.Stamp && a.Kind == b.Kind && slices.Equal(a.Fields, b.Fields)
}

// settle puts the operations into canonical order and counts every one once: deliveries of one id become one operation.
// What it can't tell apart for certain it tells.
func (k *key) settle(sum *Totals, tell func(finding.Finding)) {
	k.lineUp()
	slices.SortFunc(k.ops, func(a, b op) int {
		return cmp.Or(comparePayload(&a, &b), a.place.Compare(b.place))
	})
	if len(k.ops) == 1 {
		sum.Writes++
		return
	}
	kept := k.ops[:0]
	byID := make(map[string]int, len(k.ops))
	for i := range k.ops {
		o := &k.ops[i]
		at := -1
		if o.ID == "" {
			if n := len(kept); n > 0 && kept[n-1].ID == "" && comparePayload(&kept[n-1], o) == 0 {
				tell(finding.Finding{Code: finding.ProbableDuplicate, Place: o.place, Key: k.name,
					Detail: "equal to the write at " + kept[n-1].place.String() + ", and neither has an id"})
			}
		} else if first, ok := byID[o.ID]; ok {
			at = first
		}
		if at < 0 {
			if o.ID != "" {
				byID[o.ID] = len(kept)
			}
			kept = append(kept, *o)
			continue
		}
		first := &kept[at]
		if !samePayload(first, o) {
			code, detail := finding.OpIDReused, "id "+quote(o.ID)+" stands at "+first.place.String()+" with another payload; the lower claim is set aside"
			if first.Stamp.Node != o.Stamp.Node {
				code, detail = finding.SourceMismatch, "id "+quote(o.ID)+" stands at "+first.place.String()+" as a write of another node; the lower claim is set aside"
			}
			tell(finding.Finding{Code: code, Place: o.place, Key: k.name, Detail: detail})
			// In canonical order the later one has the greater time, then version: it is the one that counts.
			o.arrived = append(o.arrived, first.arrived...)
			*first = *o
			continue
		}
		if !k.arriveAt(first, o) {
			sum.Duplicates++
			tell(finding.Finding{Code: finding.DuplicateOp, Place: o.place, Key: k.name, Detail: "id " + quote(o.ID) + " stands at " + first.place.String() + " already"})
		} else {
			sum.Echoes++
		}
		if !first.knows && o.knows {
			first.knows, first.seenIDs, first.seenUp = true, o.seenIDs, o.seenUp
		}
	}
	clear(k.ops[len(kept):])
	k.ops = kept
	sum.Writes += int64(len(kept))
}

// lineUp turns positions in files into positions in exports. An export of several files is read in the order of their
// names, as exporters name them.
func (k *key) lineUp() {
	if !slices.ContainsFunc(k.ops, func(o op) bool { return o.place.File != k.ops[0].place.File }) {
		return
	}
	var all []*arrival
	for i := range k.ops {
		for j := range k.ops[i].arrived {
			all = append(all, &k.ops[i].arrived[j])
		}
	}
	slices.SortFunc(all, func(a, b *arrival) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.at, b.at)) })
	for i, a := range all {
		a.at = int64(i + 1)
	}
}

// arriveAt notes that again is a delivery of first, and reports whether it was one to another region.
func (k *key) arriveAt(first, again *op) bool {
	echo := false
	for _, a := range again.arrived {
		switch known := first.at(a.region); {
		case known == 0:
			first.arrived = append(first.arrived, a)
			echo = true
		case a.at < known:
			for i := range first.arrived {
				if first.arrived[i].region == a.region {
					first.arrived[i].at = a.at
				}
			}
		}
	}
	return echo
}
