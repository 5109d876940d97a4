// Command replica is the smallest service with a replica in it, to be copied: two regions write, one catches up with the other.
//
//	go run ./examples/replica
//
// ../embed has links that go down, and a region that is opened again; ../regions has processes and a network.
package main

import (
	"fmt"
	"os"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

func main() {
	table := merge.MustParseTable("nodes eu-west < us-east\n stock/* count counter\n * * lww")
	dir, err := os.MkdirTemp("", "replica") // a service has one that stays
	check(err)
	defer os.RemoveAll(dir)
	us, err := replica.Open(dir+"/us-east", replica.Options{Node: "us-east", Table: table})
	check(err)
	eu, err := replica.Open(dir+"/eu-west", replica.Options{Node: "eu-west", Table: table})
	check(err)
	_, err = us.Set("orders/1", "status", value.Text("shipped")) // on disk when it returns
	check(err)
	_, err = eu.Set("orders/1", "status", value.Text("cancelled"))
	check(err)
	verdicts, err := eu.Apply("us-east", us.Since(eu.Seen())) // catch-up in one line, in any order, twice
	check(err)
	fmt.Println(eu.Get("orders/1", "status"), "stays; what came was", verdicts[0].Outcome, "by", verdicts[0].By)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
