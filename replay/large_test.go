package replay

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// Records that are larger than a block are in memory no longer than others.
func TestLargeRecordsKeepWithinTheMemory(t *testing.T) {
	const size, records, memory = 300_000, 600, 16 << 20
	text := strings.Repeat("x", size)
	open := func() (io.ReadCloser, error) {
		in, out := io.Pipe()
		go func() {
			for i := range records {
				if _, err := fmt.Fprintf(out, `{"id":"eu:%d","key":"k/%d","field":"f","value":"%s","time":%d,"node":"eu"}`+"\n", i+1, i/3, text, i+1); err != nil {
					return
				}
			}
			_ = out.Close()
		}()
		return in, nil
	}
	var mu sync.Mutex
	live := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := live()
	h, err := Collect([]history.Source{{Name: "h", Open: open}}, history.Options{Memory: memory, Temp: t.TempDir(), Workers: 2})
	require.NoError(t, err)
	require.Less(t, live()-before, memory)
	most, keys := 0, 0
	w := &work{tables: []*merge.Table{merge.MustParseTable("* * lww")}, opt: &Options{Workers: 2}, cells: func([]*cell) {
		mu.Lock()
		defer mu.Unlock()
		if keys++; keys%5 == 0 {
			most = max(most, live()-before)
		}
	}}
	h.fold(w)
	require.NoError(t, h.Err())
	require.Equal(t, records/3, keys)
	require.Less(t, most, memory)
	require.NoError(t, h.Close())
	runtime.KeepAlive(text)
}
