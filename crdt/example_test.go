package crdt_test

import (
	"crypto/sha256"
	"fmt"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
)

func Example() {
	var us, eu crdt.ORSet[string]     // zero values are ready
	delta, _ := us.Add("us", "apple") // every mutator returns what to tell the others
	eu.Merge(delta)                   // a delta is merged like a state, and costs what it holds
	eu.Remove("apple")                // eu has seen the add
	_, _ = us.Add("us", "apple")      // us adds again, eu has not seen that
	us.Merge(eu)                      // the whole state: what was lost on the way is made up for
	fmt.Println(us.Elements())
	// Output: [apple]
}

func ExampleDecimal() {
	a, _ := crdt.ParseDecimal("0.1")
	b, _ := crdt.ParseDecimal("0.2")
	fmt.Println(a.Add(b), a.Add(b).Sub(b).Equal(a))
	_, err := crdt.ParseDecimal("1e999999999")
	fmt.Println(err)
	// Output:
	// 0.3 true
	// not a number: the exponent of "1e999999999" is beyond 1000
}

func ExampleGCounter() {
	var us, eu crdt.GCounter
	_, _ = us.Add("us", crdt.DecimalOf(3))
	_, _ = eu.Add("eu", crdt.DecimalOf(4))
	us.Merge(eu)
	us.Merge(eu) // again: it makes no difference
	fmt.Println(us.Value())
	// Output: 7
}

func ExamplePNCounter() {
	var us, eu crdt.PNCounter
	_, _ = us.Add("us", crdt.DecimalOf(10))
	_, _ = eu.Add("eu", crdt.DecimalOf(-4))
	us.Merge(eu)
	fmt.Println(us.Value(), us.Of("eu"))
	// Output: 6 -4
}

func ExampleBoundedCounter() {
	var us, eu crdt.BoundedCounter
	_, _ = us.Add("us", crdt.DecimalOf(10))
	delta, _ := us.Transfer("us", "eu", crdt.DecimalOf(4))
	eu.Merge(delta)

	// The link is cut. Each sells what it may, without asking.
	_, err := us.Take("us", crdt.DecimalOf(7))
	fmt.Println(err)
	_, _ = us.Take("us", crdt.DecimalOf(6))
	_, _ = eu.Take("eu", crdt.DecimalOf(4))

	us.Merge(eu)
	fmt.Println(us.Value())
	// Output:
	// take 7: not enough rights: us has 6
	// 0
}

func ExampleResetCounter() {
	var us, eu crdt.ResetCounter
	eu.Merge(us.Add("us", crdt.DecimalOf(5)))
	us.Add("us", crdt.DecimalOf(3)) // eu has not seen it
	us.Merge(eu.Reset())
	fmt.Println(us.Value(), eu.Value())
	// Output: 3 0
}

// An operation log delivers in any order: here the reset comes before one of the increments that it had seen.
func ExampleResetCounter_ResetAt() {
	first, second := clock.Dot{Node: "us", Seq: 1}, clock.Dot{Node: "us", Seq: 2}
	reset := clock.Dot{Node: "eu", Seq: 1}

	var c crdt.ResetCounter
	c.AddAt(second, crdt.DecimalOf(20))
	c.ResetAt(reset, clock.Up("us", 1)) // its writer had seen the first alone
	c.AddAt(first, crdt.DecimalOf(5))
	c.AddAt(second, crdt.DecimalOf(20)) // again
	fmt.Println(c.Value())
	// Output: 20
}

func ExampleMaxRegister() {
	var us, eu crdt.MaxRegister[int]
	_, _ = us.Write(3)
	_, _ = eu.Write(8)
	us.Merge(eu)
	fmt.Println(us.Value())
	// Output: 8 true
}

func ExampleMinRegister() {
	var us, eu crdt.MinRegister[string]
	_, _ = us.Write("2026-03-01")
	_, _ = eu.Write("2026-02-01")
	us.Merge(eu)
	fmt.Println(us.Value())
	// Output: 2026-02-01 true
}

func ExampleLatticeRegister() {
	order := []string{"new", "open", "closed"}
	us, eu := crdt.LatticeRegister[string]{Order: order}, crdt.LatticeRegister[string]{Order: order}
	_, _ = us.Write("closed")
	_, _ = eu.Write("open")
	eu.Merge(us)
	fmt.Println(eu.Value())
	_, err := eu.Write("reopened")
	fmt.Println(err)
	// Output:
	// closed true
	// write reopened: value is not in the declared order
}

func ExampleMVRegister() {
	var us, eu crdt.MVRegister[string]
	_, _ = us.Write("us", "blue")
	_, _ = eu.Write("eu", "green")
	us.Merge(eu)
	fmt.Println(us.Values())
	for _, s := range us.Siblings() {
		fmt.Println(s.Dot, s.Value)
	}
	_, _ = us.Write("us", "teal") // has seen both
	eu.Merge(us)
	fmt.Println(eu.Values())
	// Output:
	// [green blue]
	// eu:1 green
	// us:1 blue
	// [teal]
}

func ExampleEWFlag() {
	var us, eu crdt.EWFlag
	eu.Merge(us.Enable("us"))
	eu.Disable()
	us.Enable("us") // eu has not seen it
	us.Merge(eu)
	fmt.Println(us.On())
	// Output: true
}

func ExampleDWFlag() {
	var us, eu crdt.DWFlag
	eu.Merge(us.Enable("us"))
	eu.Disable("eu")
	us.Enable("us") // has not seen the disable
	us.Merge(eu)
	fmt.Println(us.On())
	us.Enable("us") // has seen it
	fmt.Println(us.On())
	// Output:
	// false
	// true
}

func ExampleGSet() {
	var us, eu crdt.GSet[string]
	_, _ = us.Add("apple")
	_, _ = eu.Add("pear")
	fmt.Println(us.Merge(eu), us.Merge(eu), us.Elements())
	// Output: true false [apple pear]
}

func ExampleORSet() {
	var us, eu crdt.ORSet[string]
	delta, _ := us.Add("us", "apple")
	eu.Merge(delta)
	us.Merge(eu.Remove("apple")) // eu has seen the add
	fmt.Println(us.Elements())
	_, _ = us.Add("us", "pear")
	us.Merge(eu.Remove("pear")) // eu has not
	fmt.Println(us.Elements())
	// Output:
	// []
	// [pear]
}

func ExampleRWSet() {
	var us, eu crdt.RWSet[string]
	_, _ = us.Add("us", "alice")
	_, _ = eu.Remove("eu", "alice") // banned, without having seen the add
	us.Merge(eu)
	fmt.Println(us.Elements())
	_, _ = us.Add("us", "alice") // has seen the remove
	fmt.Println(us.Elements())
	// Output:
	// []
	// [alice]
}

func ExampleMap() {
	var us, eu crdt.Map[string, crdt.ResetCounter]
	add := func(n int64, node clock.Node) func(*crdt.ResetCounter) (crdt.ResetCounter, error) {
		return func(c *crdt.ResetCounter) (crdt.ResetCounter, error) { return c.Add(node, crdt.DecimalOf(n)), nil }
	}
	delta, _ := us.Write("likes", add(5, "us"))
	eu.Merge(delta)
	removed := us.Remove("likes")              // takes back the 5
	delta, _ = eu.Write("likes", add(4, "eu")) // meanwhile
	us.Merge(delta)
	eu.Merge(removed)
	likes, _ := us.Get("likes")
	fmt.Println(likes.Value(), us.Equal(eu))

	deleted, _ := us.Delete("us", "likes")
	_, _ = eu.Write("likes", add(1, "eu")) // has not seen the delete
	eu.Merge(deleted)
	fmt.Println(eu.Has("likes"))
	// Output:
	// 4 true
	// false
}

func ExampleMap_nested() {
	var carts crdt.Map[string, crdt.Map[string, crdt.ORSet[int]]]
	_, _ = carts.Write("ann", func(cart *crdt.Map[string, crdt.ORSet[int]]) (crdt.Map[string, crdt.ORSet[int]], error) {
		return cart.Write("shoes", func(sizes *crdt.ORSet[int]) (crdt.ORSet[int], error) { return sizes.Add("us", 42) })
	})
	data, _ := carts.Encode(nil, crdt.Text[string](), crdt.Maps(crdt.Text[string](), crdt.ORSets(crdt.Int[int]())))
	fmt.Println(carts.Keys(), len(data), "bytes")
	// Output: [ann] 51 bytes
}

func ExampleAppendLog() {
	var us, eu crdt.AppendLog[string]
	_, _ = us.Append("us", clock.Timestamp{Wall: 100}, "login")
	_, _ = us.Append("us", clock.Timestamp{Wall: 300}, "logout")
	_, _ = eu.Append("eu", clock.Timestamp{Wall: 200}, "purchase")
	us.Merge(eu)
	fmt.Println(us.Values())
	_, _ = us.Trim(clock.Timestamp{Wall: 200})
	for _, e := range us.Entries() {
		fmt.Println(e.Time.Wall, e.Dot, e.Value)
	}
	// Output:
	// [login purchase logout]
	// 200 eu:1 purchase
	// 300 us:2 logout
}

func ExampleIDs() {
	var stored uint64 // a file, a row, anything that survives
	ids := crdt.IDs{Node: "us", Block: 100, Reserve: func(upTo uint64) error { stored = upTo; return nil }}
	first, _ := ids.Next()
	second, _ := ids.Next()
	fmt.Println(first, second)

	restarted := crdt.IDs{Node: "us"}
	restarted.Restore(stored)
	fmt.Println(restarted.Next())
	// Output:
	// us:1 us:2
	// us:101 <nil>
}

func ExampleORSet_Encode() {
	var s crdt.ORSet[string]
	_, _ = s.Add("us", "apple")
	data, _ := s.Encode(nil, crdt.Text[string]())
	fmt.Printf("%x\n", data)

	var read crdt.ORSet[string]
	err := read.Decode(data, crdt.Text[string](), crdt.Limits{Bytes: 1 << 20})
	fmt.Println(read.Elements(), err)
	// Output:
	// 94a54f5253657401c6000000149292a275739201019292a56170706c6592000190ce39b4aac7
	// [apple] <nil>
}

func ExampleCustom() {
	type point struct{ X, Y byte }
	points := crdt.Custom(
		func(p point) []byte { return []byte{p.X, p.Y} },
		func(b []byte) (point, error) {
			if len(b) != 2 {
				return point{}, fmt.Errorf("a point of %d bytes", len(b))
			}
			return point{b[0], b[1]}, nil
		})
	var s, read crdt.GSet[point]
	_, _ = s.Add(point{3, 4})
	data, _ := s.Encode(nil, points)
	fmt.Println(read.Decode(data, points, crdt.Limits{}), read.Elements())
	// Output: <nil> [{3 4}]
}

// Operations that come late, twice, or before what their writer had seen go through a log, and out of it into a state, each once
// and in an order that makes sense. Here an add of eu was made after a delete by us, and comes first.
func ExampleLog() {
	type change struct {
		verb, room, guest string
	}
	var log crdt.Log[change]
	var rooms crdt.Map[string, crdt.ORSet[string]]
	deliver := func(source clock.Node, op crdt.Operation[change]) {
		arrival, ready := log.Apply(source, op)
		fmt.Println(op.Dot, arrival)
		for _, op := range ready {
			seen := op.After.Clone()
			seen.AddUp(op.Dot.Node, op.Dot.Seq-1) // a node has seen its own earlier operations
			switch c := op.Payload; c.verb {
			case "delete":
				_, _ = rooms.DeleteAt(op.Dot, c.room)
			case "enter":
				_, _ = rooms.WriteAt(c.room, op.Dot, seen, func(s *crdt.ORSet[string]) { _, _ = s.AddAt(op.Dot, c.guest, seen) })
			}
		}
	}
	deleted := crdt.Operation[change]{Dot: clock.Dot{Node: "us", Seq: 1}, Payload: change{verb: "delete", room: "blue"}}
	entered := crdt.Operation[change]{Dot: clock.Dot{Node: "eu", Seq: 1}, After: clock.Up("us", 1), Payload: change{"enter", "blue", "ann"}}
	for _, op := range []*crdt.Operation[change]{&deleted, &entered} {
		op.Sum = sha256Of(op)
	}
	deliver("eu", entered)
	fmt.Println("missing:", log.Waiting().Missing)
	deliver("us", deleted)
	deliver("us", deleted)
	guests, _ := rooms.Get("blue")
	fmt.Println(guests.Elements())

	peer := clock.Up("us", 1) // what a peer has: send it the rest
	for op := range log.Since(peer) {
		fmt.Println("send", op.Dot)
	}
	// Output:
	// eu:1 held
	// missing: {us:1-1}
	// us:1 delivered
	// us:1 duplicate
	// [ann]
	// send eu:1
}

// sha256Of stands for the checksum of whatever bytes an operation has on the wire.
func sha256Of(op any) (sum [16]byte) {
	full := sha256.Sum256(fmt.Appendf(nil, "%v", op))
	return [16]byte(full[:16])
}
