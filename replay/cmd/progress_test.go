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
	none.merging()
	none.done()
}

func TestProgressSaysHowFarAndErasesItself(t *testing.T) {
	var b bytes.Buffer
	long := time.Now().Add(-time.Second)
	p := &progress{w: &b, total: 4e6, begin: long, last: long}
	p.read(1e6)
	require.Regexp(t, `^\r\x1b\[Ktiebreak: read 1 MB of 4 MB, 25%, 1 MB/s$`, b.String())
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

func TestProgressOfAShortReadShowsNothing(t *testing.T) {
	var b bytes.Buffer
	p := &progress{w: &b, begin: time.Now(), last: time.Now()}
	p.read(1)
	p.merging()
	p.done()
	require.Empty(t, b.String())
}

func TestWithoutAllSizesThereIsNoPercentage(t *testing.T) {
	var b bytes.Buffer
	long := time.Now().Add(-time.Second)
	p := &progress{w: &b, begin: long, last: long}
	p.total = sizeOf([]history.Source{history.File("progress.go"), history.File("-")})
	require.Zero(t, p.total)
	p.read(1e6)
	require.Equal(t, "\r\x1b[Ktiebreak: read 1 MB, 1 MB/s", b.String())
	require.Positive(t, sizeOf([]history.Source{history.File("progress.go")}))
}
