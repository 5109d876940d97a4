package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// typical returns n lines of about 180 bytes as a service would log them: eight nodes, four fields, a version and an id.
func typical(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	nodes := []string{"us-east", "eu-west", "ap-south", "us-west", "sa-east", "eu-north", "ap-east", "af-south"}
	fields := []string{"status", "street", "quantity", "owner"}
	for i := range n {
		node := nodes[random.IntN(len(nodes))]
		fmt.Fprintf(&b, `{"key":"orders/%08d","field":"%s","value":"v%012x","node":"%s","version":%d,`+
			`"time":"2026-03-0%dT%02d:%02d:%02d.%06dZ","id":"%s:%d"}`+"\n",
			random.IntN(1_000_000), fields[random.IntN(4)], random.Uint64()>>16, node, 1+random.IntN(50),
			1+random.IntN(9), random.IntN(24), random.IntN(60), random.IntN(60), random.IntN(1_000_000), node, i+1)
	}
	return b.Bytes()
}

// packedLike returns the records of lines as a msgpack stream.
func packedLike(tb testing.TB, lines []byte) []byte {
	var b bytes.Buffer
	w := NewWriter(&b, Msgpack)
	_, err := Scan([]Source{Reader("lines", bytes.NewReader(lines))}, Options{Workers: 1}, func(batch *Batch) error {
		for i := range batch.Records {
			require.NoError(tb, w.Write(&batch.Records[i]))
		}
		require.Empty(tb, batch.Aside)
		return nil
	})
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return b.Bytes()
}

func benchScan(b *testing.B, data []byte, format Format, workers int) {
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	var records int64
	for b.Loop() {
		stats, err := Scan([]Source{Reader("-", bytes.NewReader(data))}, Options{Format: format, Workers: workers},
			func(batch *Batch) error {
				batch.Release()
				return nil
			})
		require.NoError(b, err)
		require.Zero(b, stats.Aside)
		records = stats.Records
	}
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrecords/s")
}

const benchLines = 100_000

func BenchmarkScanLinesOneWorker(b *testing.B)  { benchScan(b, typical(benchLines), Native, 1) }
func BenchmarkScanLinesTwoWorkers(b *testing.B) { benchScan(b, typical(benchLines), Native, 2) }

func BenchmarkScanMsgpackOneWorker(b *testing.B) {
	benchScan(b, packedLike(b, typical(benchLines)), Msgpack, 1)
}

// BenchmarkParse is parsing alone, without reading and cutting, of the same writes in both native forms: to records, and to
// plain writes. Bytes a second are of the form at hand.
func BenchmarkParse(b *testing.B) {
	const n = 5_000
	lines := typical(n)
	for _, form := range []struct {
		name   string
		format Format
		data   []byte
		plain  bool
	}{
		{"lines", Native, lines, false}, {"frames", Msgpack, packedLike(b, lines), false},
		{"plain/lines", Native, lines, true}, {"plain/frames", Msgpack, packedLike(b, lines), true},
	} {
		b.Run(form.name, func(b *testing.B) {
			p := parser{opt: &Options{Plain: form.plain}}
			c := &chunk{format: form.format, data: form.data, line: 1, lines: n}
			b.ReportAllocs()
			b.SetBytes(int64(len(form.data)))
			for b.Loop() {
				p.batch(c).Recycle()
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrecords/s")
		})
	}
}

// BenchmarkStandardLibrary is the floor: encoding/json into a struct of the same members, without any check.
func BenchmarkStandardLibrary(b *testing.B) {
	data := typical(5_000)
	lines := bytes.Split(bytes.TrimSpace(data), []byte{'\n'})
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for _, line := range lines {
			var rec struct {
				Key, Field, Node, Time, ID string
				Value                      json.RawMessage
				Version                    uint64
			}
			if err := json.Unmarshal(line, &rec); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(5_000*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrecords/s")
}
