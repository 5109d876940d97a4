package history

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Memory that is read into again must not be read into too soon: what a batch holds is right until it is recycled, and
// what was released, not recycled, is right for ever.
func TestRecycledMemoryShowsInNoOtherBatch(t *testing.T) {
	const lines = 3000
	line := func(i int) string {
		return fmt.Sprintf(`{"key":"k%04d","fields":{"a":%d,"b":"v%s"},"node":"us","id":"us:%d","seen":["x:%d"]}`,
			i, i, strings.Repeat("v", i%90), i+1, i+1)
	}
	var text strings.Builder
	for i := range lines {
		text.WriteString(line(i) + "\n")
	}
	said := func(r *Record) string {
		return fmt.Sprintf(`{"key":"%s","fields":{"a":%s,"b":%s},"node":"%s","id":"%s","seen":["%s"]}`,
			r.Key, r.Fields[0].Value, r.Fields[1].Value, r.Node, r.ID, r.Seen[0])
	}
	for _, chunk := range []int{300, 2000, 1 << 20} {
		var mu sync.Mutex
		var told []string
		var kept []Record
		source := Source{Name: "h", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text.String())), nil }}
		_, err := Scan([]Source{source, source}, Options{chunk: chunk, Workers: 3}, func(b *Batch) error {
			mu.Lock()
			defer mu.Unlock()
			for i := range b.Records {
				told = append(told, said(&b.Records[i]))
			}
			if b.Chunk%3 == 0 {
				kept = append(kept, b.Records...)
				b.Release()
			} else {
				b.Recycle()
			}
			return nil
		})
		require.NoError(t, err)
		for i := range kept {
			told = append(told, said(&kept[i]))
		}
		slices.Sort(told)
		told = slices.Compact(told)
		require.Len(t, told, lines, "chunks of %d bytes", chunk)
		for i := range lines {
			at, found := slices.BinarySearch(told, line(i))
			require.True(t, found, "%s", told[min(at, lines-1)])
		}
	}
}
