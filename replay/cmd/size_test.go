package cmd

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizesAreReadInBinaryUnits(t *testing.T) {
	for text, want := range map[string]int64{"64MiB": 64 << 20, "1GiB": 1 << 30, "2G": 2 << 30, "134217728": 128 << 20, "1TB": 1 << 40} {
		var s size
		require.NoError(t, s.Set(text), text)
		require.Equal(t, want, s.history(), text)
	}
	for _, text := range []string{"", "MiB", "1XiB", "-1GiB", "0", "1MiB", "99999999TiB", "1GiBiB", "1GG", "1.5GiB"} {
		var s size
		require.Error(t, s.Set(text), text)
	}
	var unsaid size
	require.Equal(t, int64(256<<20), unsaid.history())
}

// A drill of a million writes took 37 s of processor time, and 9 s without: what it keeps does not fit into what the reading may
// use, and the garbage collector ran all the time.
func TestADrillRunsWithoutTheLimitOfTheReading(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	table := file("t.tb", "* * lww\n")
	script := file("s.drill", "region all = *\ncheck lost == 0\n")
	day := file("h.ndjson", `{"key":"k","field":"f","value":1,"node":"a","time":1779235200000000000}`+"\n")
	require.Equal(t, exitDone, Tiebreak(strings.NewReader(""), io.Discard, io.Discard, []string{"run", "-rules", table, day}))
	require.EqualValues(t, 256<<20*3/4, debug.SetMemoryLimit(-1))
	read := file("r.ndjson", `{"key":"k","op":"read"}`+"\n")
	require.Equal(t, exitDone, Tiebreak(strings.NewReader(""), io.Discard, io.Discard, []string{"run", "-rules", table, day, read}))
	require.EqualValues(t, 256<<20*7/8, debug.SetMemoryLimit(-1))
	require.Equal(t, exitDone, Tiebreak(strings.NewReader(""), io.Discard, io.Discard, []string{"drill", "-rules", table, script, day, read}))
	require.EqualValues(t, int64(math.MaxInt64), debug.SetMemoryLimit(-1))
}

// What convert reads goes back to be read into: where records are long, nine hundred megabytes of them took as much memory, for the
// lists of few records pointed into many chunks of the input.
func TestConvertReadsIntoTheSameMemory(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	const records, long = 2000, 60 << 10 // how far is read ahead, which depends on who else is at work, is little beside it
	line := `{"key":"k","field":"f","value":"` + strings.Repeat("x", long) + `","node":"n"}` + "\n"
	day := filepath.Join(t.TempDir(), "h.ndjson")
	require.NoError(t, os.WriteFile(day, []byte(strings.Repeat(line, records)), 0o600))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.Equal(t, exitDone, Tiebreak(strings.NewReader(""), io.Discard, io.Discard, []string{"convert", day}))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(records*long/2))
	require.EqualValues(t, 256<<20*3/4, debug.SetMemoryLimit(-1))
}
