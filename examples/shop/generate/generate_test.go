package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// The day passes once for all tests, which only read it.
var day = sync.OnceValue(run)

const shopDir = ".."

// The shipped history is read once for all tests.
var shipped = sync.OnceValues(func() (*replay.History, error) {
	return replay.Collect([]history.Source{history.File(filepath.Join(shopDir, "shop.ndjson.zst"))}, history.Options{})
})

// The bytes of the packed file may change with the version of the compressor; what is in it may not.
func TestShippedFilesAreWhatTheGeneratorWrites(t *testing.T) {
	packed, err := os.Open(filepath.Join(shopDir, "shop.ndjson.zst"))
	require.NoError(t, err)
	defer packed.Close()
	unpack, err := zstd.NewReader(packed)
	require.NoError(t, err)
	defer unpack.Close()
	text, err := io.ReadAll(unpack)
	require.NoError(t, err)

	var made bytes.Buffer
	require.NoError(t, writeHistory(&made, day()))
	assert.True(t, bytes.Equal(text, made.Bytes()), "run: go run ./examples/shop/generate")

	text, err = os.ReadFile(filepath.Join(shopDir, "shop-damaged.ndjson"))
	require.NoError(t, err)
	assert.Equal(t, string(damaged()), string(text))
}

func table(t *testing.T, name string) *merge.Table {
	text, err := os.ReadFile(filepath.Join(shopDir, name))
	require.NoError(t, err)
	parsed, err := merge.ParseTable(name, text)
	require.NoError(t, err)
	return parsed
}

func counts(r *replay.Report) map[finding.Code]int64 {
	byCode := make(map[finding.Code]int64)
	for _, f := range r.Findings {
		byCode[f.Code] = f.Count
	}
	return byCode
}

// What is planted is found: all of it, and nothing of its kind besides.
func TestEveryAccidentIsFound(t *testing.T) {
	h, err := shipped()
	require.NoError(t, err)
	r := h.Run(table(t, "shop.tb"), replay.Options{})
	found := counts(r)
	for code, planted := range map[finding.Code]int{
		finding.UniqueViolation:      sharedEmails,
		finding.InvariantBroken:      brokenWindows,
		finding.PartialRow:           deleteRaces/2 + halfAddresses,
		finding.MissingBeforeImage:   stocktakes + recounts,
		finding.CounterRegressed:     recounts,
		finding.CounterGap:           1,
		finding.MixedPrecision:       lateCancels,
		finding.AmbiguousOrder:       doubleWeights,
		finding.ProbableDuplicate:    doubleReports + feedRows*3/4,
		finding.StampCollision:       feedRows / 4,
		finding.ValueDependentWinner: feedRows/4 + doubleWeights,
		finding.NotMonotonic:         takenTrophies,
		finding.OpIDReused:           reusedIDs,
		finding.SourceMismatch:       relayedWrites,
		finding.ConfusableKeys:       confusableKeys,
	} {
		assert.EqualValues(t, planted, found[code], code)
	}
	// How many of these there are follows from the load, the cut and the clocks.
	for _, code := range []finding.Code{finding.DuplicateOp, finding.Inversion, finding.ClockAhead, finding.UnknownNode, finding.UnknownCausality} {
		assert.Positive(t, found[code], code)
	}
	assert.EqualValues(t, len(day().again)-reusedIDs-relayedWrites, r.Totals.Duplicates)
	assert.EqualValues(t, len(day().writes), r.Totals.Writes)
	assert.Positive(t, r.Totals.Refused.Min)
	assert.Positive(t, r.Decided.Rule)
	assert.Positive(t, r.Decided.Version)
	assert.Positive(t, r.Decided.Time)
	assert.Positive(t, r.Decided.Node)
	assert.Positive(t, r.Decided.Value)
	assert.Positive(t, r.Decided.Tosses)
}

// The keys that the README tells about have something to tell.
func TestKeysOfTheReadmeHaveAConflict(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(shopDir, "..", "README.md"))
	require.NoError(t, err)
	keys := regexp.MustCompile("(?m)^\\| `([^`/]+/[^`]+)`").FindAllStringSubmatch(string(readme), -1)
	require.Len(t, keys, 6)
	h, err := shipped()
	require.NoError(t, err)
	for _, key := range keys {
		story, err := h.Why(table(t, "shop.tb"), key[1], nil, replay.Options{})
		require.NoError(t, err)
		conflicts := int64(0)
		for _, f := range story.Fields {
			conflicts += f.Conflicts.Min
		}
		assert.Positive(t, conflicts, key[1])
	}
}

func TestEveryDamagedLineIsSetAsideForItsReason(t *testing.T) {
	h, err := replay.Collect([]history.Source{history.File(filepath.Join(shopDir, "shop-damaged.ndjson"))}, history.Options{})
	require.NoError(t, err)
	r := h.Run(table(t, "shop.tb"), replay.Options{})
	assert.EqualValues(t, 2, r.Totals.Writes)
	assert.Equal(t, map[finding.Code]int64{
		finding.BadNumber:       2,
		finding.BadSyntax:       1,
		finding.UnknownField:    1,
		finding.DuplicateField:  2,
		finding.BadUTF8:         1,
		finding.NonFinite:       1,
		finding.BadTime:         1,
		finding.ClockInvalid:    1,
		finding.ImplausibleUnit: 1,
		finding.LeapSecond:      1,
		finding.MissingField:    1,
		finding.BadField:        1,
		finding.TooDeep:         1,
		finding.TruncatedInput:  1,
	}, counts(r))
}
