package history

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

var updateImports = flag.Bool("update-imports", false, "write what the importers make of testdata as it is now; read the diff")

// told is all that an export told.
type told struct {
	records []Record
	aside   []finding.Finding
	counts  map[finding.Code]int64
	err     error
}

// importAll reads sources and puts what they told in the order of reading.
func importAll(opt Options, sources ...Source) told {
	var mu sync.Mutex
	var all []*Batch
	stats, err := Scan(sources, opt, func(b *Batch) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, b)
		return nil
	})
	slices.SortFunc(all, func(a, b *Batch) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Chunk, b.Chunk))
	})
	got := told{counts: stats.Counts, err: err}
	for _, b := range all {
		got.records = append(got.records, b.Records...)
		got.aside = append(got.aside, b.Aside...)
	}
	return got
}

// importText reads one export from memory.
func importText(name, text string, opt Options) told {
	return importAll(opt, Reader(name, strings.NewReader(text)))
}

// String tells it line by line, in the order of the input.
func (got told) String() string {
	type line struct {
		at   finding.Place
		text string
	}
	var lines []line
	for _, rec := range got.records {
		lines = append(lines, line{rec.Place, recordText(rec)})
	}
	for _, f := range got.aside {
		lines = append(lines, line{f.Place, "ASIDE " + string(f.Code) + ": " + f.Detail})
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, l := range lines {
		at := l.at
		at.File = ""
		fmt.Fprintf(&b, "%s %s\n", strings.TrimPrefix(at.String(), ":"), l.text)
	}
	for _, code := range slices.Sorted(maps.Keys(got.counts)) {
		fmt.Fprintf(&b, "COUNT %s %d\n", code, got.counts[code])
	}
	if got.err != nil {
		fmt.Fprintf(&b, "ERROR %v\n", got.err)
	}
	return b.String()
}

func recordText(rec Record) string {
	var b strings.Builder
	switch rec.Kind {
	case Write:
		b.WriteString(rec.Op.String())
	case Snapshot:
		b.WriteString("snapshot " + rec.Op.String())
	case Watermark:
		b.WriteString("watermark")
	}
	if rec.Key != "" {
		fmt.Fprintf(&b, " %s", rec.Key)
	}
	for _, f := range rec.Fields {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
		if !f.Before.IsAbsent() {
			fmt.Fprintf(&b, "(was %s)", f.Before)
		}
	}
	if rec.Node != "" {
		fmt.Fprintf(&b, " by %s", rec.Node)
	}
	if rec.Precision != NoTime {
		fmt.Fprintf(&b, " at %s %s", rec.Time, [...]string{"", "s", "ms", "us", "ns"}[rec.Precision])
	}
	if rec.ID != "" {
		fmt.Fprintf(&b, " id %s", rec.ID)
	}
	if rec.Tx != "" {
		fmt.Fprintf(&b, " tx %s", rec.Tx)
	}
	return b.String()
}

// TestImportersTellWhatTheyToldBefore reads every export in testdata and compares what it tells with the .golden file
// beside it. An export is read with the format named, in the region and with the origin column that its first lines'
// neighbour, NAME.options, gives; most have none.
func TestImportersTellWhatTheyToldBefore(t *testing.T) {
	for _, format := range []Format{CockroachDB, DynamoDB, Spanner, Debezium} {
		files, err := filepath.Glob(filepath.Join("testdata", string(format), "*json*"))
		require.NoError(t, err)
		exports := 0
		for _, file := range files {
			if strings.HasSuffix(file, ".golden") || strings.HasSuffix(file, ".options") {
				continue
			}
			exports++
			t.Run(filepath.Join(string(format), filepath.Base(file)), func(t *testing.T) {
				source, opt := File(file), Options{Format: format}
				if text, err := os.ReadFile(file + ".options"); err == nil {
					_, err := fmt.Sscanf(string(text), "region=%s origin=%s", &source.Region, &opt.Origin)
					require.NoError(t, err)
				}
				got := importAll(opt, source)
				checkTold(t, got)
				golden := file + ".golden"
				if *updateImports {
					require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err)
				assert.Equal(t, string(want), got.String())
			})
		}
		require.NotZero(t, exports)
	}
}

// checkTold holds what is so of everything that an importer tells.
func checkTold(t testing.TB, got told) {
	t.Helper()
	for _, rec := range got.records {
		at := rec.Place.String()
		require.NoError(t, rec.Time.Check(), at)
		require.Equal(t, rec.Time.IsZero(), rec.Precision == NoTime, at)
		require.NotZero(t, rec.Place.Line, at)
		seen := ""
		for i, f := range rec.Fields {
			require.NotEmpty(t, f.Name, at)
			require.False(t, f.Value.IsAbsent(), at)
			require.True(t, i == 0 || seen < f.Name, "%s: fields out of order", at)
			seen = f.Name
		}
		switch rec.Kind {
		case Write:
			require.NotEmpty(t, rec.Key, at)
			if rec.Node == "" {
				rec.Node = "somewhere"
			}
			require.Empty(t, unwritable(&rec), "%s: the native form can't hold it", at)
		case Watermark:
			require.Empty(t, rec.Fields, at)
		case Read:
			require.Fail(t, "a read in an export", at)
		}
	}
	for _, f := range got.aside {
		require.NotEmpty(t, f.Code, f.Place.String())
		require.NotZero(t, f.Place.Line, f.Place.String())
	}
}
