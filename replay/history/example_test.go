package history_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

func ExampleScan() {
	lines := `{"key":"orders/7","field":"status","value":"paid","node":"eu-west","version":3,"time":"2026-03-01T10:20:30.5Z"}
{"key":"stock/9","field":"count","op":"add","value":-2,"node":"us-east","id":"us-east:41"}
{"key":"stock/9","field":"count","op":"add","value":-2,"node":"us-east","time":1772360430}
`
	sources := []history.Source{history.Reader("shop.ndjson", strings.NewReader(lines))}
	stats, err := history.Scan(sources, history.Options{Workers: 1}, func(b *history.Batch) error {
		for _, rec := range b.Records {
			fmt.Println(rec.Place, rec.Key, rec.Op, rec.Fields[0].Name, rec.Fields[0].Value, rec.Node)
		}
		for _, f := range b.Aside {
			fmt.Println(f)
		}
		return nil
	})
	fmt.Println(stats.Records, stats.Aside, err)
	// Output:
	// shop.ndjson:1 orders/7 set status "paid" eu-west
	// shop.ndjson:2 stock/9 add count -2 us-east
	// shop.ndjson:3: implausible_unit: 1772360430 can't be nanoseconds since 1970 but may be seconds: write nanoseconds or RFC 3339
	// 2 1 <nil>
}

func ExampleWriter() {
	w := history.NewWriter(os.Stdout, history.Native)
	err := w.Write(&history.Record{
		Key:    "stock/9",
		Op:     merge.Add,
		Fields: []history.Field{{Name: "count", Value: value.Int(-2)}},
		Node:   "us-east",
		ID:     "us-east:41",
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output: {"key":"stock/9","field":"count","value":-2,"op":"add","node":"us-east","id":"us-east:41"}
}

func ExampleFind() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"b.ndjson", "a.ndjson.gz", "_SUCCESS"} {
		if err := os.WriteFile(dir+"/"+name, nil, 0o666); err != nil {
			fmt.Println(err)
		}
	}
	sources, skipped, err := history.Find(dir)
	for _, s := range sources {
		fmt.Println(strings.TrimPrefix(s.Name, dir))
	}
	for _, s := range skipped {
		fmt.Println(strings.TrimPrefix(s.Name, dir), "skipped:", s.Why)
	}
	fmt.Println(err)
	// Output:
	// /a.ndjson.gz
	// /b.ndjson
	// /_SUCCESS skipped: a marker or manifest of an exporter
	// <nil>
}
