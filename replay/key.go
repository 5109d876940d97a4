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
	place   finding.Place // the lowest of its deliveries
	arrived []arrival
	context *context // what its record says that the writer had seen; nil when it says nothing
	base    uint64
	number  uint64 // of the id, when that is "node:number" of the op's own node; else 0

	node   int   // among the nodes of the key; until they are known, the number of its name
	index  int32 // among the operations of its node on the key, from 1
	after  int32 // how many of those came before it for certain: index-1, but where nothing puts them in order
	until  int32 // up to which of those nothing puts it in order: index then
	named  int32 // how many of those come before the next that has an id, from this one on
	source Source

	hasBase   bool
	precision history.Precision
}

// context is what a record says that its writer had seen.
type context struct {
	ids []string
	up  []clock.Dot // of each node, up to which number; by node, each once
}

// upTo returns up to which number of a node the writer had seen.
func (c *context) upTo(node clock.Node) uint64 {
	at, ok := slices.BinarySearchFunc(c.up, node, func(d clock.Dot, n clock.Node) int { return cmp.Compare(d.Node, n) })
	if !ok {
		return 0
	}
	return c.up[at].Seq
}

// arrival is the position of an operation in the export of a region.
type arrival struct {
	region string
	at     int64
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
	ops  []*op
	room *room

	nodes    []clock.Node
	numbers  []uint32 // of the names of the nodes
	inOrder  [][]int  // of each node, its operations in the order in which it made them
	numbered []bool   // of each node, whether all its operations have the ids node:1, node:2, ...
	tied     bool     // nothing puts some operations of one node in order
	deletes  int      // how many operations delete the whole record
	past     past

	byID      *ids // nil while there are few operations
	byVersion []int
	delivered [][]arrivals // by node, in the export of its own region; then by node
	written   []arrivals   // by node
}

// add takes one record of the key, which was found at a position of its export. node is the number of its node's name, and
// number that of its id.
func (k *key) add(rec *history.Record, node uint32, number uint64, at int64, l *links) {
	r := k.room
	o := &r.spare[len(k.ops)]
	*o = op{
		Op: merge.Op{
			Key:    k.name,
			Kind:   rec.Op,
			Fields: r.fields.raw(len(rec.Fields)),
			Stamp:  lww.Stamp{Version: rec.Version, Time: rec.Time, Node: rec.Node},
			ID:     rec.ID,
		},
		place:     rec.Place,
		precision: rec.Precision,
		number:    number,
		node:      int(node),
		hasBase:   rec.HasBase,
		base:      rec.Base,
	}
	for i, f := range rec.Fields {
		o.Fields[i] = merge.Field(f)
	}
	if rec.Knows {
		o.context = k.told(rec, l)
	}
	if rec.Region != "" {
		o.arrived = r.arrived.raw(1)
		o.arrived[0] = arrival{rec.Region, at}
	}
	k.ops = append(k.ops, o)
}

// told takes the context of a record.
func (k *key) told(rec *history.Record, l *links) *context {
	r := k.room
	c := &r.contexts.take(1)[0]
	c.ids = r.texts.raw(len(rec.Seen))
	copy(c.ids, rec.Seen)
	up := append(r.up[:0], rec.SeenUp...)
	if len(rec.Seen) > 0 {
		for node, run := range l.seen(rec.ID).Runs() {
			up = append(up, clock.Dot{Node: node, Seq: run.Last})
		}
		for _, id := range rec.Seen {
			if d, err := clock.ParseDot(id); err == nil {
				up = append(up, d)
			}
		}
	}
	slices.SortFunc(up, func(a, b clock.Dot) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(b.Seq, a.Seq)) })
	up = slices.CompactFunc(up, func(a, b clock.Dot) bool { return a.Node == b.Node })
	c.up, r.up = r.dots.raw(len(up)), up
	copy(c.up, up)
	return c
}

// comparePayload orders operations by all that they do and claim, and by nothing of where they were found.
func comparePayload(a, b *op) int {
	if c := a.Stamp.Time.Compare(b.Stamp.Time); c != 0 { // mostly
		return c
	}
	if c := cmp.Or(cmp.Compare(a.Stamp.Version, b.Stamp.Version), cmp.Compare(a.Stamp.Node, b.Stamp.Node),
		cmp.Compare(a.ID, b.ID), cmp.Compare(a.Kind, b.Kind)); c != 0 {
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
func (k *key) settle(sum *Totals, t *tally) {
	if len(k.ops) == 1 {
		sum.Writes++
		return
	}
	slices.SortFunc(k.ops, func(a, b *op) int {
		if c := comparePayload(a, b); c != 0 {
			return c
		}
		return a.place.Compare(b.place)
	})
	all := k.ops
	if len(all) > fewOps {
		k.byID = &k.room.ids
		k.byID.begin(len(all))
	}
	k.ops = all[:0] // those that are kept so far
	for _, o := range all {
		at, known := k.find(o.ID)
		if !known {
			if n := len(k.ops); o.ID == "" && n > 0 && k.ops[n-1].ID == "" && comparePayload(k.ops[n-1], o) == 0 && t.wants(finding.ProbableDuplicate, o.place) {
				t.keep(finding.Finding{Code: finding.ProbableDuplicate, Place: o.place, Key: k.name,
					Detail: "equal to the write at " + k.ops[n-1].place.String() + ", and neither has an id"})
			}
			if k.byID != nil && o.ID != "" {
				k.byID.put(o.ID, len(k.ops))
			}
			k.ops = append(k.ops, o)
			continue
		}
		first := k.ops[at]
		if !samePayload(first, o) {
			code, detail := finding.OpIDReused, " with another payload; the lower claim is set aside"
			if first.Stamp.Node != o.Stamp.Node {
				code, detail = finding.SourceMismatch, " as a write of another node; the lower claim is set aside"
			}
			if t.wants(code, o.place) {
				t.keep(finding.Finding{Code: code, Place: o.place, Key: k.name, Detail: "id " + quote(o.ID) + " stands at " + first.place.String() + detail})
			}
			// In canonical order the later one has the greater time, then version: it is the one that counts.
			o.arrived = append(o.arrived, first.arrived...)
			k.ops[at] = o
			continue
		}
		if k.arriveAt(first, o) {
			sum.Echoes++
		} else {
			sum.Duplicates++
			if t.wants(finding.DuplicateOp, o.place) {
				t.keep(finding.Finding{Code: finding.DuplicateOp, Place: o.place, Key: k.name, Detail: againDetail(o.ID, first.place)})
			}
		}
		if first.context == nil {
			first.context = o.context
		}
	}
	sum.Writes += int64(len(k.ops))
}

func againDetail(id string, first finding.Place) string {
	return "id " + quote(id) + " stands at " + first.String() + " already"
}

// fewOps is up to how many operations walking them finds an id sooner than a map that has to be made.
const fewOps = 16

// find returns the operation with the id.
func (k *key) find(id string) (int, bool) {
	if id == "" {
		return 0, false
	}
	if k.byID != nil {
		return k.byID.find(id, k.ops)
	}
	for i, o := range k.ops {
		if o.ID == id {
			return i, true
		}
	}
	return 0, false
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
