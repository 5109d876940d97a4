package value

import (
	"encoding/json"
	"testing"
)

var row = []byte(`{"after":{"city":"new york","id":"8b9a7a4e-3f1d-4b7c-9d55-5a3b0d1c2e4f","n":9007199254740993,` +
	`"tags":["a","b"],"vehicle":{"brand":"Kona","color":"yellow"}},"key":["new york",7],"updated":"1701102296662969433.0000000007"}`)

func BenchmarkParseCanonical(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(row)))
	for b.Loop() {
		if _, err := Parse(row, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDocParse(b *testing.B) {
	var d Doc
	b.ReportAllocs()
	b.SetBytes(int64(len(row)))
	for b.Loop() {
		ref, err := d.Parse(row, Limits{})
		if err != nil || ref.Get("after").Get("n").IsAbsent() {
			b.Fatal(err)
		}
	}
}

func BenchmarkExtent(b *testing.B) {
	b.SetBytes(int64(len(row)))
	for b.Loop() {
		if end, _ := Extent(row); end != len(row) {
			b.Fatal(end)
		}
	}
}

// BenchmarkStandardLibrary is the floor: the same text into maps.
func BenchmarkStandardLibrary(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(row)))
	for b.Loop() {
		var v map[string]json.RawMessage
		if err := json.Unmarshal(row, &v); err != nil {
			b.Fatal(err)
		}
	}
}
