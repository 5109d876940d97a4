package clock_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
)

func ExampleClock() {
	physical := int64(1_000_000_000)
	c := clock.Clock{Source: func() int64 { return physical }, MaxDrift: time.Second}
	fmt.Println(c.Now())

	physical -= 500 // the clock is set back
	fmt.Println(c.Now())

	remote := clock.Timestamp{Wall: 1_200_000_000, Logical: 9}
	fmt.Println(c.Observe(remote), c.Now())

	tomorrow := clock.Timestamp{Wall: 86_400_000_000_000}
	err := c.Observe(tomorrow)
	fmt.Println(errors.Is(err, clock.ErrDrift), c.Now())
	// Output:
	// 1000000000.0000000000
	// 1000000001.0000000000
	// <nil> 1200000001.0000000000
	// true 1200000002.0000000000
}

func ExampleClock_Restore() {
	var c clock.Clock
	c.Source = func() int64 { return 5 } // the machine came back with its clock at 1970
	snapshot, lastLogged := clock.Timestamp{Wall: 1000}, clock.Timestamp{Wall: 2000, Logical: 3}
	fmt.Println(c.Restore(snapshot, lastLogged), c.Now())
	// Output: <nil> 2001.0000000000
}

func ExampleTimestamp() {
	t, err := clock.ParseTimestamp("1701102296662969433.0000000007")
	fmt.Println(t.Time().Format(time.RFC3339Nano), t.Logical, err)
	fmt.Println(t.Compare(clock.Timestamp{Wall: t.Wall, Logical: 8}), t.Sub(clock.Timestamp{Wall: t.Wall - 1500}))
	// Output:
	// 2023-11-27T16:24:56.662969433Z 7 <nil>
	// -1 1.5µs
}

func ExampleNodes() {
	order, err := clock.ParseNodes("ap-south < eu-west < us-east")
	fmt.Println(order.Rank("us-east"), order.Rank("ap-south"), order.Rank("mars"), err)
	fmt.Println(clock.Node("us east").Check())
	// Output:
	// 3 1 0 <nil>
	// node name "us east" holds ' '
}

func ExampleDot() {
	d, err := clock.ParseDot("us-east:7")
	fmt.Println(d.Node, d.Seq, err)
	_, err = clock.ParseDot("us-east:0")
	fmt.Println(err)
	// Output:
	// us-east 7 <nil>
	// not a dot: "us-east:0"
}

func ExampleVector() {
	seen := clock.Up("eu-west", 3)
	seen.Add(clock.Dot{Node: "us-east", Seq: 1})
	seen.Add(clock.Dot{Node: "us-east", Seq: 4})
	fmt.Println(seen, seen.Gaps("us-east"), seen.Next("us-east"))
	fmt.Println(seen.Has(clock.Dot{Node: "us-east", Seq: 3}), seen.Prefix("us-east"), seen.Max("us-east"))

	peer := clock.Up("us-east", 4)
	fmt.Println("send", peer.Minus(seen), "back", seen.Minus(peer))
	seen.Merge(peer)
	fmt.Println(seen, seen.Covers(peer))
	// Output:
	// {eu-west:1-3 us-east:1-1,4-4} [2-3] us-east:5
	// false 1 4
	// send {us-east:2-3} back {eu-west:1-3}
	// {eu-west:1-3 us-east:1-4} true
}
