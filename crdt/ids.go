package crdt

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/tiebreakhq/tiebreak/clock"
)

// ErrExhausted is returned by [IDs.Next] when the last number was issued.
var ErrExhausted = errors.New("no ids left")

// IDs issues ids of one node that ever increase and never repeat, across restarts too: dots, unique among all nodes by
// their node and per node by their number. An IDs is safe for use by several goroutines and must not be copied after first
// use; its fields are set before first use.
//
// What makes it survive a restart is that numbers are reserved in blocks, on stable storage, before the first of a block
// is issued. After a restart the rest of the block is skipped: an id may be missing, none is issued twice.
type IDs struct {
	// Node is part of every id. No other generator may use it.
	Node clock.Node

	// Reserve puts down, to survive a crash, that the numbers up to upTo may have been issued. It is called for every block
	// before the first id of it is, and not at all if nil: then ids are unique until the restart only, unless the
	// caller knows better how far they went.
	Reserve func(upTo uint64) error

	// Block is how many ids are reserved at a time. Zero means 1024.
	Block uint64

	mu       sync.Mutex
	last     uint64 // the greatest that was issued or restored
	reserved uint64 // up to where ids may be issued without another call of Reserve
}

// Restore continues after upTo: what Reserve was last called with, or the greatest number known to be issued. It never goes
// back.
func (g *IDs) Restore(upTo uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last, upTo)
}

// Next returns an id greater than every one issued and restored before. The error is what Reserve returned, or
// [ErrExhausted]; then none was issued.
func (g *IDs) Next() (clock.Dot, error) {
	named(g.Node)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last == math.MaxUint64 {
		return clock.Dot{}, ErrExhausted
	}
	if g.last >= g.reserved {
		block := g.Block
		if block == 0 {
			block = 1024
		}
		upTo := g.last + min(block, math.MaxUint64-g.last)
		if g.Reserve != nil {
			if err := g.Reserve(upTo); err != nil {
				return clock.Dot{}, fmt.Errorf("reserve ids up to %d: %w", upTo, err)
			}
		}
		g.reserved = upTo
	}
	g.last++
	return clock.Dot{Node: g.Node, Seq: g.last}, nil
}
