package replay

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// The data of the benchmarks: three nodes write one field of uniform keys, about four writes to a key. Nothing says what
// their writers had seen, but under "context", where each record names the last write it had seen of every node.
const (
	benchWrites = 100_000
	benchKeys   = 25_000
)

type benchData struct {
	op      string // of the records
	value   func(r *rand.Rand, i int) string
	context bool
	deletes int // one record in so many deletes all of its key; none when 0
}

func (d benchData) text() string {
	r := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	nodes := []string{"ap", "eu", "us"}
	var seqs [3]int
	at := int64(1532377312562986715)
	for i := range benchWrites {
		n := r.IntN(3)
		at += r.Int64N(1_000_000)
		seqs[n]++
		does := fmt.Sprintf(`"field":"f","op":"%s","value":%s`, d.op, d.value(r, i))
		if d.deletes > 0 && r.IntN(d.deletes) == 0 {
			does = `"op":"delete"`
		}
		fmt.Fprintf(&b, `{"id":"%s:%d","key":"users/%d",%s,"version":%d,"time":%d,"node":"%s"`,
			nodes[n], seqs[n], r.IntN(benchKeys), does, r.IntN(10), at, nodes[n])
		if d.context {
			fmt.Fprintf(&b, `,"seen":{"ap":%d,"eu":%d,"us":%d}`, seqs[0]+1, seqs[1]+1, seqs[2]+1)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func someText(_ *rand.Rand, i int) string {
	return fmt.Sprintf(`"some value %d of text that is thirty six"`, i)
}
func someNumber(r *rand.Rand, _ int) string {
	return fmt.Sprint(r.IntN(1000))
}
func someElement(r *rand.Rand, _ int) string {
	return fmt.Sprintf(`"element %d"`, r.IntN(10))
}

func perWrite(b *testing.B, writes int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*writes), "ns/write")
}

func BenchmarkCollect(b *testing.B) {
	for _, c := range []struct {
		name string
		data benchData
	}{
		{"plain", benchData{op: "set", value: someText}},
		{"context", benchData{op: "set", value: someText, context: true}},
	} {
		text := c.data.text()
		source := history.Source{Name: "h", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := Collect([]history.Source{source}, history.Options{Workers: 1})
				require.NoError(b, err)
			}
			perWrite(b, benchWrites)
		})
	}
}

// What a rule costs, from the compact records to the sums.
func BenchmarkFold(b *testing.B) {
	for _, c := range []struct {
		name, rule string
		data       benchData
	}{
		{"lww", "lww", benchData{op: "set", value: someText}},
		{"lww-context", "lww", benchData{op: "set", value: someText, context: true}},
		{"lww-deletes", "lww", benchData{op: "set", value: someText, deletes: 10}},
		{"max", "max", benchData{op: "set", value: someNumber}},
		{"min", "min", benchData{op: "set", value: someNumber}},
		{"counter", "counter", benchData{op: "add", value: someNumber}},
		{"add-wins", "add-wins", benchData{op: "insert", value: someElement}},
		{"keep-all", "keep-all", benchData{op: "set", value: someText}},
		{"refuse", "refuse", benchData{op: "set", value: someText}},
		{"update-wins", "update-wins", benchData{op: "set", value: someText, deletes: 10}},
	} {
		h, err := Collect([]history.Source{sourceOf("h", c.data.text())}, history.Options{})
		require.NoError(b, err)
		table := merge.MustParseTable("nodes ap < eu < us\n* * " + c.rule)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.fold(&work{tables: []*merge.Table{table}, opt: &Options{Workers: 1}})
			}
			perWrite(b, benchWrites)
		})
	}
}

// The report alone, of sums that are there.
func BenchmarkReport(b *testing.B) {
	h, err := Collect([]history.Source{sourceOf("h", benchData{op: "set", value: someText, context: true}.text())}, history.Options{})
	require.NoError(b, err)
	table := merge.MustParseTable("nodes ap < eu < us\n* * lww")
	s := h.fold(&work{tables: []*merge.Table{table}, opt: &Options{}})[0]
	b.ReportAllocs()
	for b.Loop() {
		h.report(table, s, &Options{})
	}
}

// The merged state, from the compact records to sorted lines.
func BenchmarkState(b *testing.B) {
	h, err := Collect([]history.Source{sourceOf("h", benchData{op: "set", value: someText}.text())}, history.Options{})
	require.NoError(b, err)
	table := merge.MustParseTable("nodes ap < eu < us\n* * lww")
	b.ReportAllocs()
	for b.Loop() {
		lines := 0
		h.Run(table, Options{Workers: 1, State: func(StateLine) { lines++ }})
		require.Greater(b, lines, benchKeys/2)
	}
	perWrite(b, benchWrites)
}
