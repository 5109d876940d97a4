package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/replay/history"
)

func TestProgressIsForTerminalsOnly(t *testing.T) {
	require.Nil(t, newProgress(&bytes.Buffer{}, nil))
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer file.Close()
	require.Nil(t, newProgress(file, nil))

	var none *progress // and costs nothing elsewhere
	none.read(1)
	none.kept(0)
	none.finished(0)
	none.merging()
	none.done()
}

// sources are files of so many bytes.
func sourcesOf(t *testing.T, sizes ...int) (sources []history.Source) {
	dir := t.TempDir()
	for i, size := range sizes {
		name := filepath.Join(dir, string(rune('a'+i)))
		require.NoError(t, os.WriteFile(name, nil, 0o666))
		require.NoError(t, os.Truncate(name, int64(size)))
		sources = append(sources, history.File(name))
	}
	return sources
}

func TestProgressSaysHowFarAndErasesItself(t *testing.T) {
	var b bytes.Buffer
	p := progressOf(&b, sourcesOf(t, 4e6), time.Now().Add(-time.Second))
	p.read(1e6)
	require.Regexp(t, `^\r\x1b\[Ktiebreak: read 1 MB of 4 MB, 25%, 1 MB/s, 3s left$`, b.String())
	b.Reset()
	p.read(2e6)
	require.Empty(t, b.String(), "it wrote again at once")
	p.merging()
	require.Equal(t, "\r\x1b[Ktiebreak: merging", b.String())
	b.Reset()
	p.done()
	p.done()
	require.Equal(t, "\r\x1b[K", b.String())
}

// Of many inputs it says how many are read, and counts none that are kept.
func TestProgressOverManyInputs(t *testing.T) {
	var b bytes.Buffer
	p := progressOf(&b, sourcesOf(t, 30e6, 1e6, 60e6, 39e6), time.Now().Add(-10*time.Second))
	p.kept(0)
	p.finished(1)
	p.read(50e6)
	require.Equal(t, "\r\x1b[Ktiebreak: read 1 of 3 inputs, 50 MB of 100 MB, 50%, 5 MB/s, 10s left", b.String())
}

func TestProgressOfAShortReadShowsNothing(t *testing.T) {
	var b bytes.Buffer
	p := progressOf(&b, nil, time.Now())
	p.read(1)
	p.merging()
	p.done()
	require.Empty(t, b.String())
}

func TestWithoutAllSizesThereIsNoPercentage(t *testing.T) {
	var b bytes.Buffer
	p := progressOf(&b, append(sourcesOf(t, 5e6), history.File("-")), time.Now().Add(-time.Second))
	p.read(1e6)
	require.Equal(t, "\r\x1b[Ktiebreak: read 0 of 2 inputs, 1 MB, 1 MB/s", b.String())
	p.kept(1)
	p.last = p.begin
	b.Reset()
	p.read(1e6)
	require.Equal(t, "\r\x1b[Ktiebreak: read 1 MB of 5 MB, 20%, 1 MB/s, 4s left", b.String())
}
