package replay

import (
	"math"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// plainCell is the writes to one field.
type plainCell struct {
	field    string
	writes   int64
	ops      []plainOp // by node and number
	runs     []plainRun
	rules    []plainRule        // by table
	sums     []merge.Increments // by table: of rules that count
	earliest *plainOp           // nil when nobody has looked
	lasts    []ownOp            // of a long key: of each run, the last write
	keeps    []string           // by table: the id of what is kept, of a long key whose ids are written out
}

// reset empties the cell and keeps its memory.
func (c *plainCell) reset(field string) {
	c.field, c.writes, c.ops, c.runs, c.earliest, c.lasts = field, 0, c.ops[:0], c.runs[:0], nil, nil
}

// last returns the last write of a run.
func (c *plainCell) last(run int) *plainOp {
	if c.lasts != nil {
		return &c.lasts[run].plainOp
	}
	return &c.ops[c.runs[run].after-1]
}

// add takes the next write of a cell.
func (c *plainCell) add(node uint32) {
	n := int(c.writes)
	if last := len(c.runs) - 1; last < 0 || c.runs[last].node != node {
		c.runs = append(c.runs, plainRun{node: node, first: n})
	}
	c.writes++
	c.runs[len(c.runs)-1].after = n + 1
}

// plainRun is the writes of one node: they follow each other in ops.
type plainRun struct {
	node  uint32
	first int
	after int
}

// fewWrites is up to how many writes are sorted by moving each to its place.
const fewWrites = 12

// mostCells is how many cells a plain key may have.
const mostCells = 1 << 12

// fewCells is up to how many cells looking at each finds one sooner than a map.
const fewCells = 16

// fewClaims is for how many claims the cells keep memory for the next key.
const fewClaims = 1 << 16

// divide deals what the writes ask of each field to cells, in the order of the writes. It says no when they are too many.
func (k *plainKey) divide() bool {
	if k.wholes && !k.findCells() {
		return false
	}
	at, left := 0, k.folder.mostClaims()
	deal := func(i, at int, v value.Value) bool {
		if left--; left < 0 {
			return false
		}
		c, o := &k.cells[at], &k.ops[i]
		c.add(o.node)
		c.ops = append(c.ops, *o)
		claim := &c.ops[len(c.ops)-1]
		claim.value = v
		if claim.named() {
			claim.number = uint64(i) // which is in the same order
		}
		return true
	}
	for i := range k.ops {
		o := &k.ops[i]
		if o.form == noField {
			for at := range k.cells {
				if !deal(i, at, "") {
					return false
				}
			}
			continue
		}
		list := o.claims()
		for {
			field, v, ok := list.next()
			if !ok {
				break
			}
			if at = k.cell(field, at); at < 0 || !deal(i, at, v) {
				return false
			}
		}
	}
	return true
}

// findCells makes the cells that the writes name: a delete of the whole record is a claim on each, wherever it stands.
func (k *plainKey) findCells() bool {
	at := 0
	for i := range k.ops {
		list := k.ops[i].claims()
		for {
			field, _, ok := list.next()
			if !ok {
				break
			}
			if at = k.cell(field, at); at < 0 {
				return false
			}
		}
	}
	if len(k.cells) == 0 {
		k.cell("", 0)
	}
	return true
}

// index notes the number of the cell that comes next, among those that are to be found by their fields.
func (k *plainKey) index(field string, next int) {
	if next == fewCells {
		if k.places == nil {
			k.places = make(map[string]int)
		}
		clear(k.places)
		for i := range k.cells {
			k.places[k.cells[i].field] = i
		}
	}
	k.places[field] = next
}

// mostClaims is how many claims on cells may be held beside the writes of a key.
func (f *folder) mostClaims() int {
	if f.limit <= 0 {
		return math.MaxInt
	}
	return max(f.limit/plainBytes, 1<<10)
}

// cell returns the number of the cell of a field, which is mostly the one after at; -1 when there are too many.
func (k *plainKey) cell(field string, at int) int {
	for range min(len(k.cells), fewCells) {
		if at++; at >= len(k.cells) {
			at = 0
		}
		if k.cells[at].field == field {
			return at
		}
	}
	n := len(k.cells)
	if n > fewCells {
		if at, known := k.places[field]; known {
			return at
		}
	}
	if n == mostCells {
		return -1
	}
	if k.passing {
		field = strings.Clone(field)
	}
	if n >= fewCells {
		k.index(field, n)
	}
	if n < cap(k.cells) {
		k.cells = k.cells[:n+1]
	} else {
		k.cells = append(k.cells, plainCell{})
	}
	k.cells[n].reset(field)
	return n
}
