package redact_test

import (
	"fmt"
	"os"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/redact"
)

// Values that only have to be known again become keyed hashes: two records show that they have one mail address, and not which.
func ExampleRedactor() {
	table := merge.MustParseTable("stock/* count counter\n* * lww")
	r, err := redact.New(table, []byte("a secret that stays in the house"))
	if err != nil {
		fmt.Println(err)
		return
	}
	w := history.NewWriter(os.Stdout, history.Native)
	sum := make(redact.Summary)
	for _, rec := range []history.Record{
		{Key: "users/1", Node: "us", Fields: []history.Field{{Name: "mail", Value: value.Text("ann@example.com")}}},
		{Key: "users/2", Node: "eu", Fields: []history.Field{{Name: "mail", Value: value.Text("ann@example.com")}}},
		{Key: "stock/7", Node: "eu", Op: merge.Add, Fields: []history.Field{{Name: "count", Value: value.Int(-2)}}},
	} {
		r.Record(&rec, sum)
		if err := w.Write(&rec); err != nil {
			fmt.Println(err)
		}
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}
	for _, line := range sum.Lines(table) {
		fmt.Println(line)
	}
	// Output:
	// {"key":"users/1","field":"mail","value":"h:dd20960e68ea20486a7f13b74639d5ba","node":"us"}
	// {"key":"users/2","field":"mail","value":"h:dd20960e68ea20486a7f13b74639d5ba","node":"eu"}
	// {"key":"stock/7","field":"count","value":-2,"op":"add","node":"eu"}
	// table:1: stock/* count counter: 1 value kept as is
	// table:2: * * lww: 2 values hashed
}
